#include "base/map.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SMALLEST_ROOM = 16 };

void map_init(struct map *m, size_t limit_count, uint64_t seed)
{
    *m = (struct map){ .limit_count = limit_count, .seed = seed };
}

void map_release(struct map *m)
{
    free(m->entries);
    map_init(m, m->limit_count, m->seed);
}

/* The entry holding the key, or the free place where it belongs. */
static struct map_entry *probe(const struct map *m, struct slice key, uint64_t hash)
{
    size_t mask = m->room - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct map_entry *e = &m->entries[i];
        if (!e->key.bytes || (e->hash == hash && slice_equal(e->key, key)))
            return e;
    }
}

static uint64_t hash_of(const struct map *m, struct slice key)
{
    return XXH3_64bits_withSeed(key.bytes, key.length, m->seed);
}

uint64_t *map_find(const struct map *m, struct slice key)
{
    if (m->room == 0)
        return NULL;
    struct map_entry *e = probe(m, key, hash_of(m, key));
    return e->key.bytes ? &e->value : NULL;
}

static enum err map_grow(struct map *m)
{
    struct map wider = *m;
    wider.room = m->room ? m->room * 2 : SMALLEST_ROOM;
    wider.entries = calloc(wider.room, sizeof *wider.entries);
    if (!wider.entries)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < m->room; i++) {
        if (m->entries[i].key.bytes)
            *probe(&wider, m->entries[i].key, m->entries[i].hash) = m->entries[i];
    }
    free(m->entries);
    *m = wider;
    return ERR_NONE;
}

enum err map_put(struct map *m, struct slice key, uint64_t **ret_value, bool *ret_is_new)
{
    if (!key.bytes)
        key.bytes = "";
    if ((m->count + 1) * 4 > m->room * 3)
        TRY(map_grow(m));

    uint64_t hash = hash_of(m, key);
    struct map_entry *e = probe(m, key, hash);
    bool is_new = !e->key.bytes;
    if (is_new) {
        if (m->count == m->limit_count)
            return ERR_LIMIT;
        *e = (struct map_entry){ .key = key, .hash = hash };
        m->count++;
    }
    if (ret_is_new)
        *ret_is_new = is_new;
    *ret_value = &e->value;
    return ERR_NONE;
}

struct map_entry *map_next(const struct map *m, size_t *cursor)
{
    while (*cursor < m->room) {
        struct map_entry *e = &m->entries[(*cursor)++];
        if (e->key.bytes)
            return e;
    }
    return NULL;
}
