/* fhir/prepare.c - the form in which a resource is stored, and back.
 *
 * A splice is 2 bits of how and 30 bits of where:
 *   1  in meta: versionId and lastUpdated and a comma go to `where`, just
 *      behind the brace of a meta that has other members
 *   2  behind a member: a comma and a whole meta go to `where`
 *   3  at the start: a whole meta goes to `where`, just behind the brace of the
 *      resource, and a comma if members follow
 */
#include "fhir/rewrite.h"

enum { SPLICE_IN_META = 1, SPLICE_BEHIND = 2, SPLICE_AT_START = 3, SPLICE_BITS = 30 };

struct body {
    const struct fhir_prepare *options;
    const struct fhir_type *type;
    struct buf *out;
    size_t start;     /* of the body in `out` */
    bool is_started;  /* a member is written */
    bool has_id;      /* the resource brings one */
    size_t splice_at; /* counted from `start` */
    uint32_t splice_how;
};

static void next_member(struct body *body)
{
    if (body->is_started)
        buf_append_byte(body->out, ',');
    body->is_started = true;
}

static void splice_here(struct body *body, uint32_t how)
{
    body->splice_how = how;
    body->splice_at = body->out->length - body->start;
}

/* A new meta goes here, unless there is a meta already. */
static void splice_behind(struct body *body)
{
    if (body->splice_how != SPLICE_IN_META)
        splice_here(body, SPLICE_BEHIND);
}

static void write_key(struct body *body, struct json key)
{
    buf_append_byte(body->out, '"');
    buf_append(body->out, json_string_raw(key));
    buf_append(body->out, SLICE("\":"));
}

static void write_id(struct body *body)
{
    next_member(body);
    buf_append(body->out, SLICE("\"id\":"));
    json_write_string(body->out, body->options->id);
    splice_behind(body);
}

static enum err write_member(struct body *body, const struct fhir_type *type, struct json key)
{
    write_key(body, key);
    if (body->options->rewrite)
        return rewrite_member(body->options, type, key, body->out);
    json_minify(json_value(key), body->out);
    return ERR_NONE;
}

static bool is_ours(struct json key)
{
    return json_string_is(key, SLICE("versionId")) || json_string_is(key, SLICE("lastUpdated"));
}

/* meta without the two members; nothing at all when nothing is left of it. */
static enum err write_meta(struct body *body, struct json key)
{
    struct json meta = json_value(key);
    if (!json_is(meta, JSON_OBJECT))
        return ERR_INVALID;
    bool is_open = false;
    for (struct json k = json_first(meta); json_exists(k); k = json_next(meta, json_value(k))) {
        if (is_ours(k))
            continue;
        if (is_open) {
            buf_append_byte(body->out, ',');
        } else {
            next_member(body);
            write_key(body, key);
            buf_append_byte(body->out, '{');
            splice_here(body, SPLICE_IN_META);
            is_open = true;
        }
        TRY(write_member(body, fhir_type_at(FHIR_TYPE_META), k));
    }
    if (is_open)
        buf_append_byte(body->out, '}');
    return ERR_NONE;
}

static enum err write_one(struct body *body, struct json key)
{
    bool is_id = json_string_is(key, SLICE("id"));
    if (json_string_is(key, SLICE("meta")))
        return write_meta(body, key);
    if (is_id && body->options->id.length > 0) {
        write_id(body);
        return ERR_NONE;
    }
    next_member(body);
    TRY(write_member(body, body->type, key));
    if (is_id)
        splice_behind(body);
    if (!body->has_id && json_string_is(key, SLICE("resourceType"))) {
        splice_behind(body);
        if (body->options->id.length > 0)
            write_id(body);
    }
    return ERR_NONE;
}

enum err fhir_prepare_body(struct json resource, const struct fhir_type *type,
                           const struct fhir_prepare *options, struct buf *out,
                           uint32_t *ret_splice)
{
    if (!json_is(resource, JSON_OBJECT))
        return ERR_INVALID;
    struct body body = { .options = options, .type = type, .out = out, .start = out->length };
    buf_append_byte(out, '{');
    splice_here(&body, SPLICE_AT_START);
    body.has_id = json_exists(json_member(resource, "id"));
    if (!body.has_id && options->id.length > 0 &&
        !json_exists(json_member(resource, "resourceType")))
        write_id(&body);
    for (struct json key = json_first(resource); json_exists(key);
         key = json_next(resource, json_value(key)))
        TRY(write_one(&body, key));
    buf_append_byte(out, '}');
    TRY(buf_status(out));
    if (out->length - body.start >= (size_t)1 << SPLICE_BITS)
        return ERR_LIMIT;
    *ret_splice = body.splice_how << SPLICE_BITS | (uint32_t)body.splice_at;
    return ERR_NONE;
}

static void write_pair(struct buf *out, struct slice version_id, struct slice last_updated)
{
    buf_append(out, SLICE("\"versionId\":\""));
    buf_append(out, version_id);
    buf_append(out, SLICE("\",\"lastUpdated\":\""));
    buf_append(out, last_updated);
    buf_append_byte(out, '"');
}

enum err fhir_splice_meta(struct slice body, uint32_t splice, struct slice version_id,
                          struct slice last_updated, struct buf *out)
{
    uint32_t how = splice >> SPLICE_BITS;
    size_t where = splice & ((UINT32_C(1) << SPLICE_BITS) - 1);
    if (how == 0 || where == 0 || where >= body.length)
        return ERR_CORRUPT;
    enum { PAIR_BYTES = sizeof ",'meta':{'versionId':'','lastUpdated':''}" - 1 };
    buf_reserve(out, body.length + version_id.length + last_updated.length + PAIR_BYTES);
    buf_append(out, slice_head(body, where));
    if (how == SPLICE_BEHIND)
        buf_append_byte(out, ',');
    if (how != SPLICE_IN_META)
        buf_append(out, SLICE("\"meta\":{"));
    write_pair(out, version_id, last_updated);
    if (how != SPLICE_IN_META)
        buf_append_byte(out, '}');
    if (how == SPLICE_IN_META || (how == SPLICE_AT_START && body.bytes[where] != '}'))
        buf_append_byte(out, ',');
    buf_append(out, slice_from(body, where));
    return buf_status(out);
}
