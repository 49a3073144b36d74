#include "base/url.h"

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] <= ' ' || text.bytes[i] > '~')
            return false;
    }
    return true;
}

bool url_parse(struct slice text, struct url *ret_url)
{
    struct url u = { .query = SLICE_NONE };
    ptrdiff_t colon = slice_find(text, SLICE("://"));
    if (colon <= 0 || !is_printable(text))
        return false;
    u.scheme = slice_head(text, (size_t)colon);
    if (!slice_equal_nocase(u.scheme, SLICE("http")) &&
        !slice_equal_nocase(u.scheme, SLICE("https")))
        return false;

    struct slice rest = slice_from(text, (size_t)colon + 3);
    ptrdiff_t fragment = slice_find_byte(rest, '#');
    if (fragment >= 0)
        rest = slice_head(rest, (size_t)fragment);
    ptrdiff_t question = slice_find_byte(rest, '?');
    if (question >= 0) {
        u.query = slice_from(rest, (size_t)question + 1);
        rest = slice_head(rest, (size_t)question);
    }
    ptrdiff_t slash = slice_find_byte(rest, '/');
    u.authority = slash >= 0 ? slice_head(rest, (size_t)slash) : rest;
    u.path = slash >= 0 ? slice_from(rest, (size_t)slash) : SLICE_NONE;
    if (u.authority.length == 0 || slice_find_byte(u.authority, '@') >= 0)
        return false;
    *ret_url = u;
    return true;
}

struct slice url_host(const struct url *u)
{
    bool is_secure = slice_equal_nocase(u->scheme, SLICE("https"));
    struct slice own_port = is_secure ? SLICE(":443") : SLICE(":80");
    if (slice_ends_with(u->authority, own_port))
        return slice_head(u->authority, u->authority.length - own_port.length);
    return u->authority;
}

struct slice url_host_name(const struct url *u)
{
    ptrdiff_t bracket = slice_find_last_byte(u->authority, ']'); /* [::1]:8080 */
    ptrdiff_t colon = slice_find_last_byte(u->authority, ':');
    return colon > bracket ? slice_head(u->authority, (size_t)colon) : u->authority;
}

bool url_is_loopback(const struct url *u)
{
    struct slice name = url_host_name(u);
    bool is_dotted = slice_starts_with(name, SLICE("127."));
    for (size_t i = 0; i < name.length && is_dotted; i++)
        is_dotted = (name.bytes[i] >= '0' && name.bytes[i] <= '9') || name.bytes[i] == '.';
    return is_dotted || slice_equal_nocase(name, SLICE("localhost")) || slice_is(name, "[::1]");
}

bool url_same_origin(const struct url *a, const struct url *b)
{
    return slice_equal_nocase(a->scheme, b->scheme) &&
           slice_equal_nocase(url_host(a), url_host(b));
}

struct slice url_trim_slash(struct slice text)
{
    while (text.length && text.bytes[text.length - 1] == '/')
        text.length--;
    return text;
}

struct slice url_resolve(struct slice base, struct slice link, struct arena *arena)
{
    struct url from;
    if (slice_find(link, SLICE("://")) >= 0 || !url_parse(base, &from))
        return slice_of(arena_copy(arena, link), link.length);
    size_t origin = (size_t)(from.authority.bytes - base.bytes) + from.authority.length;
    struct slice path = from.path;
    if (slice_starts_with(link, SLICE("/")))
        path = SLICE_NONE;
    else if (!slice_starts_with(link, SLICE("?")))
        path = slice_head(path, (size_t)(slice_find_last_byte(path, '/') + 1));
    bool needs_slash = path.length == 0 && !slice_starts_with(link, SLICE("/"));
    return arena_printf(arena, "%.*s%s%.*s%.*s", (int)origin, base.bytes, needs_slash ? "/" : "",
                        SLICE_ARGS(path), SLICE_ARGS(link));
}
