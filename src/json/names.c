#include "json/names.h"

#include "base/map.h"
#include "json/text.h"

static inline struct slice name_of(const char *text, const struct json_node *key)
{
    return slice_of(text + key->offset, key->length);
}

static bool same_name(const char *text, const struct json_node *a, const struct json_node *b)
{
    if ((a->flags | b->flags) & JSON_HAS_ESCAPE)
        return text_both_decoded_equal(name_of(text, a), name_of(text, b));
    return a->length == b->length && memcmp(text + a->offset, text + b->offset, a->length) == 0;
}

bool names_repeat(const char *text, const struct json_node *nodes, uint32_t object, uint32_t key)
{
    for (uint32_t at = object + 1; at < key; at = nodes[at + 1].next)
        if (same_name(text, &nodes[at], &nodes[key]))
            return true;
    return false;
}

/* The name as the map's key: decoded, from the arena if it has escapes. */
static bool decoded_name(const char *text, const struct json_node *key, struct arena *arena,
                         struct slice *ret_name)
{
    *ret_name = name_of(text, key);
    if (!(key->flags & JSON_HAS_ESCAPE))
        return true;
    char *room = arena_raw(arena, key->length);
    if (!room)
        return false;
    *ret_name = slice_of(room, text_decode(*ret_name, room));
    return true;
}

enum err names_check(uint32_t count, const char *text, const struct json_node *nodes,
                     uint32_t object, struct arena *arena, uint32_t *ret_key)
{
    /* Addresses are not known outside, so names cannot be made to collide. */
    uint64_t seed = (uint64_t)(uintptr_t)nodes * 0x9E3779B97F4A7C15u ^ (uint64_t)(uintptr_t)&count;
    struct map map;
    map_init(&map, count, seed);
    struct arena_mark mark = arena_mark(arena);
    enum err err = ERR_NONE;
    uint32_t at = object + 1;
    for (uint32_t i = 0; i < count && !err; i++, at = nodes[at + 1].next) {
        struct slice name;
        uint64_t *value;
        bool is_new = true;
        err = decoded_name(text, &nodes[at], arena, &name) ? map_put(&map, name, &value, &is_new)
                                                           : ERR_NO_MEMORY;
        if (!err && !is_new) {
            *ret_key = at;
            err = ERR_SYNTAX;
        }
    }
    arena_rewind(arena, mark);
    map_release(&map);
    return err;
}
