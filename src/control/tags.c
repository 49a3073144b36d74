/* control/tags.c - the operations on tags. */
#include "control/shapes.h"
#include "control/state.h"
#include "os/clock.h"

static const size_t TAGS_BYTES_MAX = (size_t)1 << 20;

enum err tags_check(struct call *call, struct json tags)
{
    for (struct json v = json_first(tags); json_exists(v); v = json_next(tags, v)) {
        struct slice key = json_string(shape_get(v, "Key"), call->arena);
        if (!key.bytes)
            return ERR_NO_MEMORY;
        if (slice_starts_with(key, SLICE("aws:")))
            return call_fail(call, ERR_INVALID,
                             "The tag key '%.*s' begins with 'aws:', which is "
                             "reserved.",
                             SLICE_ARGS(key));
        /* At most TAGS_MAX of them: looking at every pair is quick enough. */
        for (struct json w = json_next(tags, v); json_exists(w); w = json_next(tags, w)) {
            if (json_string_is(shape_get(w, "Key"), key))
                return call_fail(call, ERR_INVALID, "The tag key '%.*s' occurs twice.",
                                 SLICE_ARGS(key));
        }
    }
    return ERR_NONE;
}

/* The data store that ResourceARN names. */
static enum err find_resource(struct call *call, struct datastore **ret)
{
    const struct control_settings *s = &call->control->settings;
    struct slice arn = json_string(shape_get(call->input, "ResourceARN"), call->arena);
    struct slice ours = arena_printf(call->arena, "arn:aws:healthlake:%.*s:%.*s:datastore/fhir/",
                                     SLICE_ARGS(s->region), SLICE_ARGS(s->account_id));
    if (!arn.bytes || !ours.bytes)
        return ERR_NO_MEMORY;
    *ret = NULL;
    if (slice_starts_with(arn, ours))
        *ret = registry_find(call->control, slice_from(arn, ours.length), call->now_us);
    if (!*ret || (*ret)->status == DATASTORE_DELETED)
        return call_fail(call, ERR_NOT_FOUND, "The resource '%.*s' does not exist.",
                         SLICE_ARGS(arn));
    return ERR_NONE;
}

static bool has_key(struct json list, struct slice key, bool is_tags)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        if (json_string_is(is_tags ? shape_get(v, "Key") : v, key))
            return true;
    }
    return false;
}

/* Append the elements of `tags` whose key is not in `but`. */
static enum err copy_tags(struct call *call, struct json tags, struct json but, bool but_is_tags,
                          struct buf *out, size_t *count)
{
    for (struct json v = json_first(tags); json_exists(v); v = json_next(tags, v)) {
        struct slice key = json_string(shape_get(v, "Key"), call->arena);
        if (!key.bytes)
            return ERR_NO_MEMORY;
        if (has_key(but, key, but_is_tags))
            continue;
        if ((*count)++)
            buf_append_byte(out, ',');
        json_minify(v, out);
    }
    return buf_status(out);
}

/* Older tags stay unless `but` names them; newer ones come behind. */
static enum err change_tags(struct call *call, struct json newer, struct json but, bool but_is_tags)
{
    struct datastore *d;
    struct json config;
    TRY(find_resource(call, &d));
    TRY(call_config(call, d, &config));
    struct buf text;
    buf_init(&text, TAGS_BYTES_MAX);
    buf_append_cstr(&text, "{\"Tags\":[");
    size_t count = 0;
    enum err err = copy_tags(call, shape_get(config, "Tags"), but, but_is_tags, &text, &count);
    if (!err)
        err = copy_tags(call, newer, JSON_ABSENT, true, &text, &count);
    buf_append_cstr(&text, "]}");
    if (!err)
        err = buf_status(&text);
    if (!err && count > TAGS_MAX)
        err = call_fail(call, ERR_INVALID, "The resource would have %zu tags; the most is %d.",
                        count, TAGS_MAX);
    struct json_doc doc;
    if (!err)
        err = json_parse(buf_slice(&text), NULL, call->arena, &doc, NULL);
    if (!err)
        err = config_replace(call, d, json_root(&doc));
    buf_release(&text);
    if (!err)
        buf_append_cstr(&call->out, "{}");
    return err;
}

enum err tag_resource(struct call *call)
{
    struct json tags = shape_get(call->input, "Tags");
    TRY(tags_check(call, tags));
    return change_tags(call, tags, tags, true);
}

enum err untag_resource(struct call *call)
{
    return change_tags(call, JSON_ABSENT, shape_get(call->input, "TagKeys"), false);
}

enum err list_tags(struct call *call)
{
    struct datastore *d;
    struct json config;
    TRY(find_resource(call, &d));
    TRY(call_config(call, d, &config));
    struct json tags = shape_get(config, "Tags");
    buf_append_cstr(&call->out, "{\"Tags\":");
    buf_append(&call->out, json_exists(tags) ? json_raw(tags) : SLICE("[]"));
    buf_append_byte(&call->out, '}');
    return buf_status(&call->out);
}

/* ---- for who decides what a caller may ---- */

static enum err tags_parse(struct slice config, struct arena *arena, struct control_tag **ret_tags,
                           size_t *ret_count)
{
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    if (!doc)
        return ERR_NO_MEMORY;
    TRY(json_parse(config, NULL, arena, doc, NULL));
    struct json list = shape_get(json_root(doc), "Tags");
    struct control_tag *tags = arena_array(arena, json_count(list), sizeof *tags);
    if (!tags)
        return ERR_NO_MEMORY;
    size_t count = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v), count++) {
        tags[count].key = json_string(shape_get(v, "Key"), arena);
        tags[count].value = json_string(shape_get(v, "Value"), arena);
        if (!tags[count].key.bytes || !tags[count].value.bytes)
            return ERR_NO_MEMORY;
    }
    *ret_tags = tags;
    *ret_count = count;
    return ERR_NONE;
}

enum err control_tags(struct control *control, struct slice datastore_id, struct arena *arena,
                      struct control_tag **ret_tags, size_t *ret_count)
{
    *ret_tags = NULL;
    *ret_count = 0;
    mutex_lock(&control->lock);
    const struct datastore *d = registry_find(control, datastore_id, os_now_us());
    char *config = d ? arena_copy(arena, buf_slice(&d->config)) : NULL;
    size_t length = d ? d->config.length : 0;
    mutex_unlock(&control->lock);
    if (!d)
        return ERR_NONE;
    return config ? tags_parse(slice_of(config, length), arena, ret_tags, ret_count)
                  : ERR_NO_MEMORY;
}
