/* base/url.h - http and https URLs, as far as a client needs them.
 *
 * Slices point into the text given. Nothing is decoded. User names inside a URL
 * are refused: they would end up in logs.
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct url {
    struct slice scheme;    /* "http" or "https", any case */
    struct slice authority; /* "host" or "host:port" */
    struct slice path;      /* from the first slash; empty if none */
    struct slice query;     /* behind '?'; empty if none */
};

/* False unless absolute, http or https, with a host, of printable ASCII. */
bool url_parse(struct slice text, struct url *ret_url);
/* What stands in the Host header: without the scheme's own port. */
struct slice url_host(const struct url *u);
/* The host's name alone. */
struct slice url_host_name(const struct url *u);
/* "localhost", 127.x.x.x or [::1]: what is sent stays on this machine. */
bool url_is_loopback(const struct url *u);
bool url_same_origin(const struct url *a, const struct url *b);
/* A link found in a document that came from `base`: absolute, or beginning with
 * a slash, a '?', or a relative path. .bytes == NULL when memory is short. */
struct slice url_resolve(struct slice base, struct slice link, struct arena *arena);
/* Without slashes at the end. */
struct slice url_trim_slash(struct slice text);

#endif
