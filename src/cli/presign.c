/* cli/presign.c - `tarn presign`: a URL that works without credentials for a while. */
#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "cli/assume.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "os/clock.h"
#include "os/file.h"

enum { TEXTS_BYTES = 4 << 20, BODY_BYTES_MAX = 1 << 30 };

struct presign_options {
    uint64_t expires;
    const char *method, *body, *data, *profile, *key_id, *secret, *token, *region, *service;
};

static const char about[] =
    "Print the URL signed into its query, for curl or a browser. The key: --access-key-id\n"
    "and --secret-access-key, or the root key of --data, or what AWS's tools would take\n"
    "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws).";

static int parse(struct presign_options *o, int argc, char **argv)
{
    const struct option_row rows[] = {
        { "expires", OPTION_NUMBER, "SECONDS", NULL, "life, 1 to 604800 (default 3600)",
          &o->expires },
        { "method", OPTION_TEXT, "METHOD", NULL, "of the request (default GET)", &o->method },
        { "body", OPTION_TEXT, "FILE", NULL, "the body to be sent with it (default: none)",
          &o->body },
        { "data", OPTION_TEXT, "DIR", NULL, "a data folder: take its root key", &o->data },
        { "profile", OPTION_TEXT, "NAME", NULL, "an AWS profile", &o->profile },
        { "access-key-id", OPTION_TEXT, "ID", NULL, "the key", &o->key_id },
        { "secret-access-key", OPTION_TEXT, "SECRET", NULL,
          "and its secret (others on this machine can see it;\nthe environment is better)",
          &o->secret },
        { "region", OPTION_TEXT, "NAME", NULL,
          "of the store (default: AWS_REGION, the profile's,\nus-east-1)", &o->region },
        { "service", OPTION_TEXT, "NAME", NULL, "default healthlake", &o->service },
        { 0 },
    };
    const struct option_usage usage = {
        .line = "tarn presign [options] URL", .about = about, .rows = rows, .least = 1, .most = 1
    };
    size_t argument_count;
    return options_parse(&usage, argc, argv, &argument_count);
}

/* The parts of "http://host:port/path?query#fragment". */
struct url {
    struct slice origin, host, path, query;
};

static bool url_parse(struct slice text, struct url *ret)
{
    bool is_tls = slice_starts_with(text, SLICE("https://"));
    if (!is_tls && !slice_starts_with(text, SLICE("http://")))
        return false;
    struct slice whole = text;
    struct slice rest = slice_from(whole, is_tls ? 8 : 7);
    rest = slice_cut(&rest, '#');
    size_t end = 0;
    while (end < rest.length && rest.bytes[end] != '/' && rest.bytes[end] != '?')
        end++;
    ret->host = slice_head(rest, end);
    ret->origin = slice_of(whole.bytes, (size_t)(rest.bytes - whole.bytes) + end);
    struct slice query = slice_from(rest, end);
    ret->path = slice_cut(&query, '?');
    ret->query = query;
    /* Clients leave a scheme's own port out of the Host header. */
    struct slice port = is_tls ? SLICE(":443") : SLICE(":80");
    if (slice_ends_with(ret->host, port))
        ret->host.length -= port.length;
    return ret->host.length > 0 && slice_find_byte(ret->host, '@') < 0;
}

/* -1, or the exit status. */
static int find_credentials(const struct presign_options *o, struct arena *arena,
                            struct aws_credentials *ret_credentials, struct slice *ret_region)
{
    struct slice error = SLICE_NONE, path;
    enum err err = ERR_NONE;
    if (o->key_id || o->secret) {
        if (!o->key_id || !o->secret)
            return options_refuse("presign", "--access-key-id and --secret-access-key go together");
        *ret_credentials =
            (struct aws_credentials){ slice_cstr(o->key_id), slice_cstr(o->secret), SLICE_NONE };
    } else if (o->data) {
        enum auth_root_origin origin;
        err = auth_root_find(o->data, false, arena, ret_credentials, &origin, &path, &error);
    } else {
        err = aws_credentials_resolve(arena, o->profile, cli_assume, NULL, ret_credentials,
                                      ret_region, &error);
    }
    if (err) {
        fprintf(stderr, "tarn presign: %.*s\n",
                SLICE_ARGS(error.length ? error : slice_cstr(err_text(err))));
        return 1;
    }
    return -1;
}

static enum err hash_body(const char *path, char ret_hex[65])
{
    struct buf body;
    buf_init(&body, BODY_BYTES_MAX);
    enum err err = path ? os_file_read(path, &body) : ERR_NONE;
    if (err)
        fprintf(stderr, "tarn presign: %s: %s\n", path, err_text(err));
    else
        aws_sha256_hex(body.length ? buf_slice(&body) : SLICE(""), ret_hex);
    buf_release(&body);
    return err;
}

static int presign(const struct presign_options *o, struct slice text, struct arena *arena)
{
    struct url url;
    if (!url_parse(text, &url))
        return options_refuse("presign", "'%.*s' is not a http:// or https:// URL",
                              SLICE_ARGS(text));
    struct aws_credentials credentials;
    struct slice region = SLICE_NONE;
    int status = find_credentials(o, arena, &credentials, &region);
    if (status >= 0)
        return status;

    struct aws_header host = { SLICE("host"), url.host };
    struct aws_request request = { .method = slice_cstr(o->method),
                                   .path = url.path,
                                   .query = url.query,
                                   .headers = &host,
                                   .header_count = 1 };
    if (hash_body(o->body, request.payload_sha256))
        return 1;
    if (o->region)
        region = slice_cstr(o->region);
    struct aws_scope scope = { region.length ? region : SLICE("us-east-1"), slice_cstr(o->service),
                               os_now_us() };
    struct slice query;
    enum err err = o->expires > 604800 ? ERR_INVALID
                                       : aws_presign(arena, &request, &credentials, &scope, NULL,
                                                     (unsigned)o->expires, &query);
    if (err == ERR_INVALID)
        return options_refuse("presign", "--expires must be 1 to 604800 seconds");
    if (err) {
        fprintf(stderr, "tarn presign: %s\n", err_text(err));
        return 1;
    }
    printf("%.*s%.*s?%.*s\n", SLICE_ARGS(url.origin),
           SLICE_ARGS(url.path.length ? url.path : SLICE("/")), SLICE_ARGS(query));
    return 0;
}

int cli_presign(int argc, char **argv)
{
    struct presign_options o = { .expires = 3600, .method = "GET", .service = "healthlake" };
    int status = parse(&o, argc, argv);
    if (status >= 0)
        return status;
    struct arena arena;
    arena_init(&arena, TEXTS_BYTES);
    status = presign(&o, slice_cstr(argv[1]), &arena);
    arena_release(&arena);
    return status;
}
