#include "rest/reply.h"

#include <stdio.h>

#include "base/date.h"

struct slice reply_instant(struct request *r, int64_t instant)
{
    char text[INSTANT_TEXT_BYTES];
    size_t length = instant_render(instant, r->rest->settings.behaviour.instant_digits, text);
    char *copy = arena_copy(r->arena, slice_of(text, length));
    return slice_of(copy, copy ? length : 0);
}

struct slice reply_etag(struct request *r, uint64_t version)
{
    return arena_printf(r->arena, "W/\"%llu\"", (unsigned long long)version);
}

struct slice reply_version_path(struct request *r, struct slice type, struct slice id,
                                uint64_t version)
{
    return arena_printf(r->arena, "%.*s/%.*s/_history/%llu", SLICE_ARGS(type), SLICE_ARGS(id),
                        (unsigned long long)version);
}

/* What stands between an ETag's quotes; SLICE_NONE when it has not that form. */
static struct slice etag_inside(struct slice text)
{
    text = slice_trim(text);
    if (slice_starts_with(text, SLICE("W/")))
        text = slice_from(text, 2);
    if (text.length < 2 || text.bytes[0] != '"' || text.bytes[text.length - 1] != '"')
        return SLICE_NONE;
    struct slice inside = slice_of(text.bytes + 1, text.length - 2);
    return slice_find_byte(inside, '"') < 0 ? inside : SLICE_NONE;
}

bool is_etag(struct slice text)
{
    return etag_inside(text).bytes != NULL;
}

bool etag_parse(struct slice text, uint64_t *ret_version)
{
    struct slice inside = etag_inside(text);
    return inside.length && slice_parse_u64(inside, ret_version);
}

enum err reply_header(struct request *r, const char *name, struct slice value)
{
    return value.bytes ? http_response_header(r->http, r->response, name, value) : ERR_NO_MEMORY;
}

enum err reply_body(struct request *r, int status, struct slice body)
{
    r->response->status = status;
    r->response->body = body;
    return reply_header(r, "Content-Type", slice_cstr(r->media));
}

enum err reply_copy(struct request *r, int status, const struct buf *body)
{
    TRY(buf_status(body));
    char *copy = arena_copy(r->arena, buf_slice(body));
    return copy ? reply_body(r, status, slice_of(copy, body->length)) : ERR_NO_MEMORY;
}

enum err reply_version(struct request *r, uint64_t version, int64_t instant)
{
    r->version = version;
    r->instant = instant;
    char date[INSTANT_TEXT_BYTES];
    size_t length = http_date_render(instant, date);
    char *copy = arena_copy(r->arena, slice_of(date, length));
    TRY(reply_header(r, "ETag", reply_etag(r, version)));
    return reply_header(r, "Last-Modified", slice_of(copy, length));
}

enum err reply_resource(const struct rest *rest, struct slice body, uint32_t splice,
                        uint64_t version, int64_t instant, struct buf *out)
{
    char digits[24], when[INSTANT_TEXT_BYTES];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)version);
    size_t when_length = instant_render(instant, rest->settings.behaviour.instant_digits, when);
    return fhir_splice_meta(body, splice, slice_of(digits, (size_t)length),
                            slice_of(when, when_length), out);
}
