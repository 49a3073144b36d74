/* store/segment/posting.h - the documents of one value: reading and writing.
 *
 * A *list* is one value's documents in one segment or run, read block by
 * block. Three shapes:
 *
 *   sparse   first document less the segment's first, then differences, varints
 *   blocks   count(4) checksum(4) of the entries; entries of 16 bytes; blocks
 *            entry: number(4) count-1(2) kind(1) 0 place(4, in 8 bytes) checksum(4)
 *            a list: low(2) each; bits: 8,192 bytes; runs: count-1(2), then
 *            first(2) length-1(2) each; each padded to 8 bytes
 *   run      places of a run in memory
 *
 * Integers are little-endian and are read where they lie. A block's checksum
 * (XXH3, seeded with its number) is compared whenever it is read: 0.5 us for
 * the largest.
 *
 * A *union* reads several lists as one: a document that is in two of them
 * comes once.
 */
#ifndef STORE_SEGMENT_POSTING_H
#define STORE_SEGMENT_POSTING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/segment/block.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "segments are read in place");

enum posting_shape { POSTING_SPARSE, POSTING_BLOCKS, POSTING_RUN };

struct posting_entry {
    uint32_t number;
    uint16_t count_less_1;
    uint8_t kind; /* enum block_kind */
    uint8_t zero;
    uint32_t place; /* from the beginning of the list, in units of 8 bytes */
    uint32_t checksum;
};
_Static_assert(sizeof(struct posting_entry) == 16, "an entry has 16 bytes");

struct posting {
    uint8_t shape; /* enum posting_shape */
    uint64_t count;  /* documents of the whole list */
    uint64_t number; /* of the next block; UINT64_MAX: at the end */
    /* sparse */
    const uint8_t *begin, *at, *end;
    uint64_t first;
    uint64_t doc; /* the next */
    uint64_t left;
    /* blocks */
    const uint8_t *bytes;
    size_t size;
    const struct posting_entry *entries;
    uint32_t entry_count, entry_at;
    /* run */
    const uint32_t *places;
    uint32_t place_count, place_at;
    uint64_t base;
};

#define POSTING_END UINT64_MAX

/* ERR_CORRUPT. `first`: of the segment. */
MUST_USE enum err posting_open_sparse(struct posting *p, struct slice bytes, uint64_t count,
                                      uint64_t first);
/* `bytes` aligned to 8. */
MUST_USE enum err posting_open_blocks(struct posting *p, struct slice bytes, uint64_t count);
void posting_open_run(struct posting *p, const uint32_t *places, uint32_t count, uint64_t base);

/* To the first block again. */
MUST_USE enum err posting_rewind(struct posting *p);
/* Skip to the first block with a number at or above. */
MUST_USE enum err posting_skip(struct posting *p, uint64_t number);
/* The next block (p->number must not be POSTING_END), and step over it. Its
 * documents are in the segment or in `room`, which has block_room_bytes() for
 * the list's count. */
MUST_USE enum err posting_next(struct posting *p, union block_room *room, struct block *ret);
/* The same, of which only number and count are wanted: reads no block where the
 * entry says it. */
MUST_USE enum err posting_next_count(struct posting *p, union block_room *room,
                                     struct block *ret);

struct posting_union {
    struct posting *lists; /* borrowed */
    uint32_t count;
    uint64_t docs;         /* sum of their counts */
    uint32_t failed;       /* after an error: the list that it came from */
    union block_room *room, *piece; /* each of block_room_bytes(docs) */
};

/* The rooms are cut from the arena; ERR_NO_MEMORY. */
MUST_USE enum err posting_union_open(struct posting_union *u, struct posting *lists,
                                     uint32_t count, struct arena *arena);
/* The next block at or above `number`; *ret_any false at the end. It lives until
 * the next call. */
MUST_USE enum err posting_union_next(struct posting_union *u, uint64_t number, bool *ret_any,
                                     struct block *ret);

/* To the first block again. */
MUST_USE enum err posting_union_rewind(struct posting_union *u);
/* The number of that block, nothing read; POSTING_END at the end. */
MUST_USE enum err posting_union_peek(struct posting_union *u, uint64_t number,
                                     uint64_t *ret_number);
/* Step over the block that was peeked; of it only number and count are told,
 * which reads no block when a single list has it and its entry says the count. */
MUST_USE enum err posting_union_count(struct posting_union *u, uint64_t number,
                                      struct block *ret);

/* ---- writing ---- */

enum {
    POSTING_SMALL = 64,          /* documents kept as numbers at first */
    POSTING_SPARSE_MAX = 16384,  /* documents of a sparse list, so that reading it is bounded */
    POSTING_SPARSE_DENSITY = 16, /* at most so many a block on average */
};

/* One value's list being put together, block by block in order. Reused from
 * value to value. */
struct posting_build {
    uint64_t first; /* of the segment */
    uint64_t count;
    uint32_t small_count;
    uint64_t small[POSTING_SMALL];
    struct buf entries, blocks; /* once small is not enough */
    uint32_t entry_count;
    struct buf out;
};

void posting_build_init(struct posting_build *b, uint64_t first);
void posting_build_release(struct posting_build *b);
void posting_build_clear(struct posting_build *b);
/* Documents ascending, of one block; each call's block above the one before. */
void posting_build_add(struct posting_build *b, uint64_t number, const uint16_t *lows,
                       uint32_t count);
/* The list's bytes, until the next call of anything. */
MUST_USE enum err posting_build_finish(struct posting_build *b, enum posting_shape *ret_shape,
                                       struct slice *ret_bytes);

#endif
