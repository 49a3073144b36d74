/* JSON merge patch (RFC 7396). The result is written at once: what the patch does
 * not name is copied from the target's bytes. */
#include "json/tree.h"

static const uint64_t MERGE_STEPS_MAX = 20 * 1000 * 1000;

struct merge {
    struct tree tree; /* its steps alone */
    struct buf *out;
};

/* A value of the patch without its nulls, which is what it makes of nothing. The
 * two recursions are bounded by the depth that the parser allows. */
static void write_fresh(struct merge *m, struct json patch)
{
    if (!json_is(patch, JSON_OBJECT)) {
        json_minify(patch, m->out);
        return;
    }
    char separator = '{';
    for (struct json k = json_first(patch); json_exists(k); k = json_next(patch, json_value(k))) {
        if (json_is(json_value(k), JSON_NULL))
            continue;
        buf_append_byte(m->out, separator);
        separator = ',';
        buf_append(m->out, json_raw(k));
        buf_append_byte(m->out, ':');
        write_fresh(m, json_value(k));
    }
    if (separator == '{')
        buf_append_byte(m->out, separator);
    buf_append_byte(m->out, '}');
}

/* The member of `object` named like `key`, which is of another tape. */
static enum err find_like(struct merge *m, struct json object, struct json key, struct json *ret)
{
    struct arena_mark mark = arena_mark(m->tree.arena);
    struct slice name = json_string(key, m->tree.arena);
    if (!name.bytes)
        return ERR_NO_MEMORY;
    TRY(tree_step(&m->tree, (uint64_t)json_count(object) + 1));
    *ret = json_get(object, name);
    arena_rewind(m->tree.arena, mark);
    return ERR_NONE;
}

static enum err write_merged(struct merge *m, struct json target, struct json patch);

static void write_name(struct merge *m, struct json key, bool *is_begun)
{
    buf_append_byte(m->out, *is_begun ? ',' : '{');
    *is_begun = true;
    buf_append(m->out, json_raw(key));
    buf_append_byte(m->out, ':');
}

/* Members of the target in their order, then those that are new. */
static enum err write_object(struct merge *m, struct json target, struct json patch)
{
    bool is_begun = false;
    struct json other;
    for (struct json k = json_first(target); json_exists(k); k = json_next(target, json_value(k))) {
        TRY(find_like(m, patch, k, &other));
        if (json_is(other, JSON_NULL))
            continue;
        write_name(m, k, &is_begun);
        if (json_exists(other))
            TRY(write_merged(m, json_value(k), other));
        else
            json_minify(json_value(k), m->out);
    }
    for (struct json k = json_first(patch); json_exists(k); k = json_next(patch, json_value(k))) {
        TRY(find_like(m, target, k, &other));
        if (json_exists(other) || json_is(json_value(k), JSON_NULL))
            continue;
        write_name(m, k, &is_begun);
        write_fresh(m, json_value(k));
    }
    buf_append_cstr(m->out, is_begun ? "}" : "{}");
    return ERR_NONE;
}

static enum err write_merged(struct merge *m, struct json target, struct json patch)
{
    if (json_is(target, JSON_OBJECT) && json_is(patch, JSON_OBJECT))
        return write_object(m, target, patch);
    write_fresh(m, patch);
    return ERR_NONE;
}

enum err json_merge_patch(struct json target, struct json patch, struct arena *arena,
                          struct buf *out)
{
    struct merge m = { .tree = { .arena = arena, .steps = MERGE_STEPS_MAX }, .out = out };
    TRY(write_merged(&m, target, patch));
    return buf_status(out);
}
