#include "sync/transform.h"

#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

#include "base/date.h"
#include "fhir/fhir.h"

/* A parsed entry takes a node of 16 bytes for every two bytes of text at worst. */
#define ARENA_BYTES ((size_t)640 * 1024 * 1024)
#define TEXT_BYTES ((size_t)64 * 1024 * 1024)

enum { EDGES_BYTES = TRANSFORM_REFERENCES_MAX * (int)sizeof(uint32_t) };

void transform_init(struct transform *t, uint64_t seed)
{
    *t = (struct transform){ .seed = seed, .verdict = TRANSFORM_EMPTY };
    arena_init(&t->arena, ARENA_BYTES);
    buf_init(&t->text, TEXT_BYTES);
    buf_init(&t->shadow, TEXT_BYTES);
    buf_init(&t->edges, EDGES_BYTES);
}

void transform_release(struct transform *t)
{
    arena_release(&t->arena);
    buf_release(&t->text);
    buf_release(&t->shadow);
    buf_release(&t->edges);
}

uint32_t transform_name_hash(uint64_t seed, struct slice type, struct slice id)
{
    XXH64_hash_t hash = XXH3_64bits_withSeed(type.bytes, type.length, seed);
    return (uint32_t)XXH3_64bits_withSeed(id.bytes, id.length, hash);
}

/* Edges only decide the order of sending: a dangling or colliding one costs
 * nothing, and past the ceiling they are dropped. */
static void add_edge(struct transform *t, struct slice text)
{
    struct fhir_reference reference = fhir_reference_parse(text);
    if (!reference.type)
        return;
    uint32_t edge = transform_name_hash(t->seed, reference.type->name, reference.id);
    size_t count;
    const uint32_t *edges = transform_edges(t, &count);
    for (size_t i = 0; i < count; i++) {
        if (edges[i] == edge)
            return;
    }
    if (count < TRANSFORM_REFERENCES_MAX)
        buf_append(&t->edges, slice_of((const char *)&edge, sizeof edge));
}

/* "_source" is the extension half of "source". */
static bool is_meta_member(struct json key)
{
    struct slice name = json_string_raw(key);
    if (name.length && name.bytes[0] == '_')
        name = slice_from(name, 1);
    const struct fhir_type *meta = fhir_type_find(SLICE("Meta"));
    return meta && fhir_element_find(meta, name);
}

static bool is_store_member(struct json key)
{
    return json_string_is(key, SLICE("versionId")) || json_string_is(key, SLICE("lastUpdated"));
}

static void write_key(struct buf *out, struct json key, bool *first)
{
    if (!*first)
        buf_append_byte(out, ',');
    *first = false;
    buf_append(out, json_raw(key));
    buf_append_byte(out, ':');
}

/* `meta` with only what R4 defines and, `for_hash`, without what a store sets.
 * False when nothing of it remains. */
static bool write_meta(struct json meta, struct buf *out, bool for_hash)
{
    bool first = true;
    buf_append_byte(out, '{');
    for (struct json key = json_first(meta); json_exists(key);
         key = json_next(meta, json_value(key))) {
        if (!is_meta_member(key) || (for_hash && is_store_member(key)))
            continue;
        write_key(out, key, &first);
        json_minify(json_value(key), out);
    }
    buf_append_byte(out, '}');
    return !first;
}

static void write_value(struct transform *t, struct json v);

/* The member `meta` of a resource; left out when nothing of it remains. */
static void write_meta_member(struct transform *t, struct json key, bool *first)
{
    size_t before = t->text.length;
    bool was_first = *first;
    write_key(&t->text, key, first);
    bool is_empty = !json_exists(json_first(json_value(key)));
    if (!write_meta(json_value(key), &t->text, false) && !is_empty && !t->text.failure) {
        t->text.length = before;
        *first = was_first;
    }
}

/* Whatever names its resourceType is a resource, however deep it lies. */
static void write_object(struct transform *t, struct json v)
{
    bool first = true;
    bool is_root = t->text.length == 0;
    buf_append_byte(&t->text, '{');
    for (struct json key = json_first(v); json_exists(key); key = json_next(v, json_value(key))) {
        struct json value = json_value(key);
        bool is_meta = json_is(value, JSON_OBJECT) && json_string_is(key, SLICE("meta")) &&
                       json_is(json_member(v, "resourceType"), JSON_STRING);
        if (is_meta) {
            size_t before = t->text.length;
            write_meta_member(t, key, &first);
            if (is_root) {
                t->meta_at = before;
                t->meta_end = t->text.length;
            }
            continue;
        }
        if (json_is(value, JSON_STRING) && json_string_is(key, SLICE("reference")))
            add_edge(t, json_string_raw(value));
        write_key(&t->text, key, &first);
        write_value(t, value);
    }
    buf_append_byte(&t->text, '}');
}

/* The depth of the recursion is the parser's limit of depth. */
static void write_value(struct transform *t, struct json v)
{
    if (json_is(v, JSON_OBJECT)) {
        write_object(t, v);
    } else if (json_is(v, JSON_ARRAY)) {
        bool first = true;
        buf_append_byte(&t->text, '[');
        for (struct json at = json_first(v); json_exists(at); at = json_next(v, at)) {
            if (!first)
                buf_append_byte(&t->text, ',');
            first = false;
            write_value(t, at);
        }
        buf_append_byte(&t->text, ']');
    } else {
        buf_append(&t->text, json_raw(v));
    }
}

/* Two resources say the same when their top-level meta differs only in what a
 * store sets and all else is equal token for token. So the text is hashed in
 * three parts: before meta, meta written again without those two, behind it. A
 * comma belongs to the member that follows it; the text's first member has none,
 * which is made up for when meta was first and vanished. */
static void hash_text(struct transform *t, struct json meta)
{
    struct slice text = buf_slice(&t->text);
    struct slice before = slice_head(text, t->meta_at);
    struct slice behind = slice_from(text, t->meta_end);
    buf_clear(&t->shadow);
    bool remains = json_is(meta, JSON_OBJECT) && write_meta(meta, &t->shadow, true);
    if (before.length == 1 && slice_starts_with(behind, SLICE(",")))
        behind = slice_from(behind, 1);

    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, before.bytes, before.length);
    if (remains)
        XXH3_64bits_update(&state, t->shadow.bytes, t->shadow.length);
    XXH3_64bits_update(&state, behind.bytes, behind.length);
    t->hash = XXH3_64bits_digest(&state);
}

static void read_meta(struct transform *t, struct json meta)
{
    struct date_range range;
    t->updated_us = INT64_MIN;
    struct json updated = json_member(meta, "lastUpdated");
    if (json_is(updated, JSON_STRING) && date_parse(json_string_raw(updated), &range))
        t->updated_us = range.low;
    struct json tags = json_member(meta, "tag");
    for (struct json tag = json_first(tags); json_is(tags, JSON_ARRAY) && json_exists(tag);
         tag = json_next(tags, tag)) {
        if (json_string_is(json_member(tag, "system"), SLICE(CONSENT_TAG_SYSTEM)))
            t->consent = json_string(json_member(tag, "code"), &t->arena);
    }
}

static bool is_name(struct slice type)
{
    for (size_t i = 0; i < type.length; i++) {
        char c = type.bytes[i];
        if ((c < 'A' || c > 'Z') && (c < 'a' || c > 'z'))
            return false;
    }
    return type.length > 0 && type.length <= 64;
}

static enum transform_verdict judge(struct transform *t, struct json resource)
{
    if (!json_is(resource, JSON_OBJECT) || !json_exists(json_first(resource)))
        return TRANSFORM_EMPTY;
    struct json type = json_member(resource, "resourceType");
    struct json id = json_member(resource, "id");
    if (!json_is(type, JSON_STRING))
        return TRANSFORM_NO_TYPE;
    t->type = json_string(type, &t->arena);
    if (!json_is(id, JSON_STRING)) {
        /* How a server speaks to its client inside a Bundle; no member's record. */
        bool is_message = slice_is(t->type, "OperationOutcome");
        return is_message ? TRANSFORM_MESSAGE : TRANSFORM_NO_ID;
    }
    t->id = json_string(id, &t->arena);
    return is_name(t->type) && fhir_id_is_valid(t->id) ? TRANSFORM_RESOURCE : TRANSFORM_BAD_ID;
}

static void clear(struct transform *t)
{
    arena_release(&t->arena);
    buf_clear(&t->text);
    buf_clear(&t->edges);
    t->meta_at = t->meta_end = 0;
    t->type = t->id = t->consent = SLICE_NONE;
}

static enum err transform_json(struct transform *t, struct json resource)
{
    t->resource = resource;
    t->verdict = judge(t, resource);
    if (t->verdict != TRANSFORM_RESOURCE)
        return ERR_NONE;
    struct json meta = json_member(resource, "meta");
    read_meta(t, meta);
    write_object(t, resource);
    TRY(buf_status(&t->text));
    hash_text(t, meta);
    return buf_status(&t->shadow);
}

enum err transform_entry(struct transform *t, struct slice entry)
{
    clear(t);
    TRY(json_parse(entry, NULL, &t->arena, &t->doc, &t->error));
    return transform_json(t, json_member(json_root(&t->doc), "resource"));
}

enum err transform_resource(struct transform *t, struct slice resource)
{
    clear(t);
    TRY(json_parse(resource, NULL, &t->arena, &t->doc, &t->error));
    return transform_json(t, json_root(&t->doc));
}
