/* store/segment/block.h - the documents of one value among 65,536 neighbours.
 *
 * A block's documents are number * 65,536 + low. It is a sorted list of lows, a
 * bitmap, or runs (first low, length - 1), and points into a mapped segment or
 * into a room that belongs to whoever made it. Nothing here allocates, and
 * nothing reads past what the block says it has, whatever the bytes hold: a
 * list that is out of order gives wrong documents, never a crash.
 */
#ifndef STORE_SEGMENT_BLOCK_H
#define STORE_SEGMENT_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum {
    BLOCK_DOCS = 65536,
    BLOCK_SHIFT = 16,
    BLOCK_WORDS = BLOCK_DOCS / 64,
    BLOCK_LIST_MAX = 4096, /* a longer list is larger than a bitmap */
    BLOCK_BYTES_MAX = BLOCK_DOCS / 8,
    BLOCK_NONE = BLOCK_DOCS, /* no low */
};

enum block_kind { BLOCK_LIST, BLOCK_BITS, BLOCK_RUNS };

struct block {
    uint64_t number;
    uint32_t count; /* documents, at least 1 */
    uint8_t kind;
    uint32_t run_count;   /* RUNS */
    const uint16_t *list; /* LIST: lows; RUNS: first low and length - 1 of each */
    const uint64_t *bits; /* BITS: BLOCK_WORDS */
};

/* Where a block's documents are put together: a list or a bitmap. */
union block_room {
    uint16_t list[BLOCK_LIST_MAX];
    uint64_t bits[BLOCK_WORDS];
};

/* The bytes of a room that never holds more than `count` documents. */
static inline size_t block_room_bytes(uint64_t count)
{
    size_t bytes = count < BLOCK_LIST_MAX ? 2 * (size_t)count : (size_t)BLOCK_BYTES_MAX;
    return (bytes + 7) / 8 * 8;
}

/* Where a search in a block stands, so that the next goes on from there. */
struct block_place {
    uint32_t at; /* LIST, RUNS: index */
};

/* The first low at or above `low`, BLOCK_NONE without one. `place` begins as
 * zeros; between calls `low` does not go back. */
uint32_t block_seek(const struct block *b, struct block_place *place, uint32_t low);

/* All documents, ascending, to `out`, which has room for BLOCK_DOCS; returns how
 * many there were. */
uint32_t block_lows(const struct block *b, uint16_t *out);
/* The bitmap of `b`, put over what `bits` holds. */
void block_or_into(const struct block *b, uint64_t *bits);

/* A block in `room` from its documents: no more than BLOCK_LIST_MAX become a
 * list. `room` may hold the list already. */
void block_of_list(struct block *ret, uint64_t number, const uint16_t *list, uint32_t count);
void block_of_bits(struct block *ret, uint64_t number, const uint64_t *bits);

/* What is in both, in `a` and not in `b`, in either. Each is of the same number.
 * `room` is whole and holds neither, save that `a` of block_and_not() may stand
 * in it; the result stands in it, or is one of them. False: nothing is left. */
bool block_and(const struct block *a, const struct block *b, union block_room *room,
               struct block *ret);
bool block_and_not(const struct block *a, const struct block *b, union block_room *room,
                   struct block *ret);
void block_or(const struct block *a, const struct block *b, union block_room *room,
              struct block *ret);
/* Lows first .. last, as a block of one run that stands in `run`. */
void block_of_range(struct block *ret, uint64_t number, uint32_t first, uint32_t last,
                    uint16_t run[2]);

/* Both lists ascending, all of `add` put into `list`, which has room for both;
 * returns the documents then in it. */
uint32_t block_list_add(uint16_t *list, uint32_t count, const uint16_t *add, uint32_t add_count);

static inline bool bits_has(const uint64_t *bits, uint32_t low)
{
    return bits[low / 64] >> (low % 64) & 1;
}
static inline void bits_set(uint64_t *bits, uint32_t low)
{
    bits[low / 64] |= (uint64_t)1 << (low % 64);
}
/* Set lows first .. last. */
void bits_set_range(uint64_t *bits, uint32_t first, uint32_t last);
uint32_t bits_count(const uint64_t *bits);

#endif
