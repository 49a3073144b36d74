/* Content codings of request bodies: gzip, unpacked when the caller is known. */
#include <zlib.h>

#include "http/server.h"

enum { ANY_GZIP = 15 + 16, /* zlib: the largest window, gzip's header */ PIECE_BYTES = 64 * 1024 };

enum err coding_check(const struct http_request *r, bool *ret_is_gzip)
{
    unsigned codings = 0;
    *ret_is_gzip = false;
    for (size_t i = 0; i < r->header_count; i++) {
        if (!slice_equal_nocase(r->headers[i].name, SLICE("content-encoding")))
            continue;
        struct slice list = r->headers[i].value;
        while (list.bytes) {
            struct slice coding = slice_trim(slice_cut(&list, ','));
            if (!coding.length || slice_equal_nocase(coding, SLICE("identity")))
                continue;
            *ret_is_gzip = slice_equal_nocase(coding, SLICE("gzip")) ||
                           slice_equal_nocase(coding, SLICE("x-gzip"));
            if (!*ret_is_gzip || ++codings > 1)
                return ERR_MEDIA_TYPE;
        }
    }
    return ERR_NONE;
}

/* The budget of bodies in flight grows with what comes out, by doubling. */
static bool reserve(struct connection *c)
{
    size_t need = c->request.body.length + c->inflated.length + PIECE_BYTES;
    if (need <= c->reserved_bytes)
        return true;
    size_t wish = MAX(need, c->reserved_bytes * 2);
    if (!server_reserve(c->server, wish - c->reserved_bytes))
        return false;
    c->reserved_bytes = wish;
    return true;
}

static enum err fail(struct slice *error, enum err err, struct slice text)
{
    *error = text;
    return err;
}

/* Members of a gzip file stand one behind the other (RFC 1952, 2.2). */
static enum err members_inflate(struct connection *c, z_stream *z, struct slice *error)
{
    size_t limit = c->server->settings.body_bytes;
    int state = Z_OK;
    while (state != Z_STREAM_END || z->avail_in) {
        if (state == Z_STREAM_END)
            inflateReset(z);
        if (!reserve(c))
            return fail(error, ERR_BUSY,
                        SLICE("the bodies in flight of all clients fill their limit; retry later"));
        char *room = buf_reserve(&c->inflated, PIECE_BYTES);
        if (!room)
            return ERR_NO_MEMORY;
        z->next_out = (Bytef *)room;
        z->avail_out = PIECE_BYTES;
        state = inflate(z, Z_NO_FLUSH);
        c->inflated.length += PIECE_BYTES - z->avail_out;
        if (c->inflated.length > limit)
            return fail(error, ERR_LIMIT,
                        SLICE("the body, unpacked, is larger than this server takes; send less at "
                              "once or raise the limit (--max-body)"));
        if (state == Z_MEM_ERROR)
            return ERR_NO_MEMORY;
        if ((state != Z_OK && state != Z_STREAM_END) ||
            (state == Z_OK && !z->avail_in && z->avail_out))
            return fail(error, ERR_INVALID,
                        SLICE("the body is no whole gzip, which its Content-Encoding says it is"));
    }
    return ERR_NONE;
}

enum err http_request_unpack(struct http_request *r, struct slice *error)
{
    struct connection *c = (struct connection *)(void *)((char *)r -
                                                         offsetof(struct connection, request));
    bool is_gzip;
    z_stream z = { 0 };
    *error = SLICE_NONE;
    TRY(coding_check(r, &is_gzip)); /* refused before the body came */
    if (!is_gzip || !r->body.length)
        return ERR_NONE;
    z.next_in = (Bytef *)(uintptr_t)r->body.bytes;
    z.avail_in = (uInt)r->body.length;
    if (r->body.length > UINT32_MAX)
        return fail(error, ERR_LIMIT, SLICE("a body of gzip may have 4 GB"));
    if (inflateInit2(&z, ANY_GZIP) != Z_OK)
        return ERR_NO_MEMORY;
    /* One piece over the limit, so that passing it is seen. */
    buf_init(&c->inflated, c->server->settings.body_bytes + 2 * PIECE_BYTES);
    enum err err = members_inflate(c, &z, error);
    inflateEnd(&z);
    if (!err)
        r->body = buf_slice(&c->inflated);
    return err;
}
