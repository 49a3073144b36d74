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

static void blanks_skip(struct slice *list)
{
    while (list->length && (list->bytes[0] == ' ' || list->bytes[0] == '\t'))
        *list = slice_from(*list, 1);
}

/* A comma inside the quotes is part of the tag (RFC 9110, 8.8.3). */
enum etag etag_next(struct slice *list, uint64_t *ret_version)
{
    blanks_skip(list);
    while (slice_starts_with(*list, SLICE(","))) {
        *list = slice_from(*list, 1);
        blanks_skip(list);
    }
    if (!list->length)
        return ETAG_END;
    if (slice_starts_with(*list, SLICE("W/")))
        *list = slice_from(*list, 2);
    if (!slice_starts_with(*list, SLICE("\"")))
        return ETAG_BAD;
    struct slice inside = slice_from(*list, 1);
    ptrdiff_t end = slice_find_byte(inside, '"');
    if (end < 0)
        return ETAG_BAD;
    *list = slice_from(inside, (size_t)end + 1);
    inside = slice_head(inside, (size_t)end);
    blanks_skip(list);
    if (list->length && list->bytes[0] != ',')
        return ETAG_BAD;
    return slice_parse_u64(inside, ret_version) ? ETAG_VERSION : ETAG_FOREIGN;
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

enum err reply_preference(struct request *r)
{
    static const struct slice TEXTS[] = {
        [PREFER_MINIMAL] = SLICE_INIT("return=minimal"),
        [PREFER_REPRESENTATION] = SLICE_INIT("return=representation"),
        [PREFER_OUTCOME] = SLICE_INIT("return=OperationOutcome"),
    };
    if (r->prefer == PREFER_DEFAULT)
        return ERR_NONE;
    return reply_header(r, "Preference-Applied", TEXTS[r->prefer]);
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

enum err reply_subset(const struct rest *rest, const struct fhir_subset *subset,
                      const struct store_version *v, struct arena *scratch, struct buf *out)
{
    const struct fhir_type *type = fhir_resource_find(v->type);
    if (!type || subset->kind == FHIR_SUBSET_NONE)
        return reply_resource(rest, v->body, v->splice, v->version, v->instant, out);
    struct buf whole;
    struct json_doc doc;
    buf_init(&whole, v->body.length + 256);
    enum err err = reply_resource(rest, v->body, v->splice, v->version, v->instant, &whole);
    if (!err)
        err = json_parse(buf_slice(&whole), NULL, scratch, &doc, NULL);
    if (!err)
        err = fhir_subset_write(json_root(&doc), type, subset, out);
    buf_release(&whole);
    return err;
}

enum err reply_subset_find(struct request *r, const struct fhir_type *type,
                           struct fhir_subset *ret)
{
    *ret = (struct fhir_subset){ 0 };
    return search_subset_parse(r->pairs, r->pair_count, type, r->arena, &r->issues, ret, NULL);
}
