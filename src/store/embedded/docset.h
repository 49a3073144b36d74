/* store/embedded/docset.h - documents gathered from many values.
 *
 * Starts as a list; once that is longer than a bitmap over all documents of
 * the reader, it becomes one. So memory is bounded by a few bits per document
 * in the store, and by the arena. Adding is in any order, with repeats.
 */
#ifndef STORE_EMBEDDED_DOCSET_H
#define STORE_EMBEDDED_DOCSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/segment/block.h"

struct docset {
    struct arena *arena;
    uint64_t last;  /* documents above are not taken */
    uint64_t *list; /* used while bits is NULL */
    size_t count, room;
    uint64_t added; /* documents, repeats included */
    uint64_t *bits; /* whole blocks */
    size_t at;      /* in the list, of the last seek */
    union block_room *block; /* of docset_block(), from a list */
};

void docset_init(struct docset *set, uint64_t last, struct arena *arena);
/* ERR_LIMIT when the arena has no room. */
MUST_USE enum err docset_add(struct docset *set, const uint64_t *docs, size_t count);
MUST_USE enum err docset_add_block(struct docset *set, const struct block *b);
/* After the last addition, before the first seek. */
void docset_sort(struct docset *set);
/* The same before the first docset_block(). ERR_LIMIT. */
MUST_USE enum err docset_open(struct docset *set);
/* The first at or above `doc`, which never goes back; UINT64_MAX at the end. */
uint64_t docset_seek(struct docset *set, uint64_t doc);
/* The first block at or above `number`, which never goes back; false at the end.
 * It lives until the next call. Not to be mixed with docset_seek(). */
bool docset_block(struct docset *set, uint64_t number, struct block *ret);

#endif
