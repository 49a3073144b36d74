#include "json/tree.h"

struct part *part_new(struct tree *t, struct json value)
{
    struct part *p = arena_alloc(t->arena, sizeof *p);
    if (p)
        p->value = value;
    return p;
}

enum json_type part_type(const struct part *p)
{
    return p->type ? p->type : json_type(p->value);
}

enum err part_open(struct tree *t, struct part *p)
{
    if (p->type)
        return ERR_NONE;
    struct json whole = p->value;
    enum json_type type = json_type(whole);
    CHECK(type == JSON_OBJECT || type == JSON_ARRAY);
    uint32_t count = json_count(whole);
    TRY(tree_step(t, count));
    p->parts = arena_array(t->arena, (size_t)count + 1, sizeof(struct part *));
    struct part *room = arena_array(t->arena, count, sizeof *room);
    if (!p->parts || !room)
        return ERR_NO_MEMORY;
    p->type = type;
    p->room = count + 1;
    for (struct json v = json_first(whole); json_exists(v); v = json_next(whole, v)) {
        struct part *child = &room[p->count];
        if (type == JSON_OBJECT) {
            child->key = v;
            v = json_value(v);
        }
        child->value = v;
        p->parts[p->count++] = child;
    }
    return ERR_NONE;
}

static bool is_named(const struct part *p, struct slice name)
{
    return json_exists(p->key) ? json_string_is(p->key, name) : slice_equal(p->name, name);
}

enum err part_find(struct tree *t, const struct part *object, struct slice name, uint32_t *ret_at)
{
    uint32_t at = 0;
    while (at < object->count && !is_named(object->parts[at], name))
        at++;
    *ret_at = at;
    return tree_step(t, (uint64_t)at + 1);
}

enum err part_insert(struct tree *t, struct part *p, uint32_t at, struct part *child)
{
    CHECK(at <= p->count);
    TRY(tree_step(t, 1 + (p->count - at) / 16));
    if (p->count == p->room) {
        if (p->room > UINT32_MAX / 2)
            return ERR_LIMIT;
        TRY(tree_step(t, p->count / 16));
        uint32_t room = p->room * 2;
        struct part **parts = arena_array(t->arena, room, sizeof(struct part *));
        if (!parts)
            return ERR_NO_MEMORY;
        memcpy(parts, p->parts, p->count * sizeof *parts);
        p->parts = parts;
        p->room = room;
    }
    memmove(p->parts + at + 1, p->parts + at, (p->count - at) * sizeof *p->parts);
    p->parts[at] = child;
    p->count++;
    return ERR_NONE;
}

enum err part_remove(struct tree *t, struct part *p, uint32_t at)
{
    CHECK(at < p->count);
    TRY(tree_step(t, 1 + (p->count - at) / 16));
    p->count--;
    memmove(p->parts + at, p->parts + at + 1, (p->count - at) * sizeof *p->parts);
    return ERR_NONE;
}

enum err part_copy(struct tree *t, const struct part *p, struct part **ret)
{
    struct part *copy = part_new(t, p->value);
    if (!copy)
        return ERR_NO_MEMORY;
    *copy = *p;
    if (p->type) {
        TRY(tree_step(t, p->count));
        copy->room = p->count + 1;
        copy->parts = arena_array(t->arena, copy->room, sizeof(struct part *));
        if (!copy->parts)
            return ERR_NO_MEMORY;
        for (uint32_t i = 0; i < p->count; i++)
            TRY(part_copy(t, p->parts[i], &copy->parts[i]));
    }
    *ret = copy;
    return ERR_NONE;
}

enum err part_measure(struct tree *t, const struct part *p, uint32_t *ret_depth, size_t *ret_bytes)
{
    *ret_depth = 0;
    *ret_bytes = json_exists(p->value) ? json_node(p->value)->length : 0;
    if (!p->type)
        return ERR_NONE;
    TRY(tree_step(t, p->count));
    *ret_bytes = 2;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct part *child = p->parts[i];
        uint32_t depth;
        size_t bytes;
        TRY(part_measure(t, child, &depth, &bytes));
        *ret_depth = MAX(*ret_depth, depth);
        size_t name = json_exists(child->key) ? json_node(child->key)->length : child->name.length;
        *ret_bytes += bytes + name + 1;
    }
    ++*ret_depth;
    return ERR_NONE;
}

static void name_render(const struct part *p, struct buf *out)
{
    if (json_exists(p->key))
        buf_append(out, json_raw(p->key));
    else
        json_write_string(out, p->name);
    buf_append_byte(out, ':');
}

void part_render(const struct part *p, struct buf *out)
{
    if (!p->type) {
        json_minify(p->value, out);
        return;
    }
    bool is_object = p->type == JSON_OBJECT;
    buf_append_byte(out, is_object ? '{' : '[');
    for (uint32_t i = 0; i < p->count; i++) {
        if (i)
            buf_append_byte(out, ',');
        if (is_object)
            name_render(p->parts[i], out);
        part_render(p->parts[i], out);
    }
    buf_append_byte(out, is_object ? '}' : ']');
}
