/* base/map.h - a hash map from byte strings to one machine word.
 *
 * Open addressing, linear probing, XXH3 seeded per map, so that hostile keys
 * cannot collide on purpose when the seed is secret. Keys are borrowed: they
 * must outlive the map. Memory comes from malloc, bounded by limit_count.
 * Not thread-safe.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct map_entry {
    struct slice key; /* borrowed; bytes == NULL marks a free place */
    uint64_t hash;
    uint64_t value;
};

struct map {
    struct map_entry *entries; /* owned, room of them */
    size_t count;
    size_t room; /* a power of two, or 0 */
    size_t limit_count;
    uint64_t seed;
};

/* Cannot fail; takes no memory. */
void map_init(struct map *m, size_t limit_count, uint64_t seed);
void map_release(struct map *m);

/* The value's place, valid until the next map_put(); NULL when absent. */
uint64_t *map_find(const struct map *m, struct slice key);

/* Find or insert. *ret_value points at the value (0 when new), *ret_is_new
 * may be NULL. ERR_LIMIT past the ceiling, ERR_NO_MEMORY. */
MUST_USE enum err map_put(struct map *m, struct slice key, uint64_t **ret_value,
                          bool *ret_is_new);

/* Walk in no particular order: start with *cursor 0; NULL at the end. */
struct map_entry *map_next(const struct map *m, size_t *cursor);

#endif
