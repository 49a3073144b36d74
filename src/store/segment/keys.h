/* store/segment/keys.h - a block of sorted keys, as it lies in a segment.
 *
 *   entry      shared  bytes that the key has from the beginning of the one before
 *              tail    bytes that it has from the end of the one before
 *              middle  length of what stands between
 *              middle bytes
 *              leaf: count  documents
 *                    place  length << 2 | shape
 *                    the list's bytes, or, for the shapes marked far, their offset
 *              inner: offset, length of the block below whose first key this is
 *   restarts   offset(2) each, little-endian: every 16th entry, which shares nothing
 *   trailer    restart count(2) level(1) 0 checksum(4) of all before, seeded
 *              with the block's offset in the file
 *
 * Numbers of an entry are varints. A key is field(4, big-endian) and value, so
 * that byte order is the order of (field, value). Sharing the tail is worth as
 * much as sharing the beginning: most values end in a system or a type.
 */
#ifndef STORE_SEGMENT_KEYS_H
#define STORE_SEGMENT_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/term.h"

enum {
    KEY_BYTES_MAX = 4 + TERM_VALUE_BYTES_MAX,
    KEYS_BLOCK_BYTES = 4096,  /* a block is closed once it is larger, */
    KEYS_INLINE_MAX = 128,    /* lists up to here stand beside their key, */
    KEYS_BLOCK_BYTES_MAX = KEYS_BLOCK_BYTES + KEY_BYTES_MAX + KEYS_INLINE_MAX + 256, /* so that */
    KEYS_RESTART_EVERY = 16,
    KEYS_TRAILER_BYTES = 8,
};

enum list_shape { LIST_NEAR_SPARSE, LIST_FAR_SPARSE, LIST_FAR_BLOCKS };

/* What stands beside a key. */
struct keys_value {
    uint64_t count;  /* leaf: documents */
    uint8_t shape;   /* leaf: enum list_shape */
    uint64_t offset; /* far, inner */
    uint64_t length;
    const uint8_t *near; /* LIST_NEAR_SPARSE: the bytes */
};

struct keys_reader {
    const uint8_t *bytes;
    size_t end;          /* of the entries */
    uint32_t restarts;
    uint8_t level;       /* 0: leaf */
    size_t at;           /* of the entry behind the current one */
    uint8_t key[KEY_BYTES_MAX]; /* the current entry's */
    size_t key_size;
    struct keys_value value;
};

/* Checks the sum; ERR_CORRUPT. The reader stands before the first entry. */
MUST_USE enum err keys_open(struct keys_reader *r, const uint8_t *bytes, size_t size,
                            uint64_t offset);
/* Steps on; *ret_any false at the end. */
MUST_USE enum err keys_next(struct keys_reader *r, bool *ret_any);
/* To the first entry with a key at or above (leaf), or the last one with a key
 * at or below, the first at least (inner). */
MUST_USE enum err keys_seek(struct keys_reader *r, const uint8_t *key, size_t size,
                            bool *ret_any);

/* To the last entry with a key below; *ret_any false when there is none. */
MUST_USE enum err keys_seek_below(struct keys_reader *r, const uint8_t *key, size_t size,
                                  bool *ret_any);

int key_compare_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size);

struct keys_writer {
    uint8_t level;
    struct buf bytes;
    uint16_t restarts[KEYS_BLOCK_BYTES_MAX / 4 / KEYS_RESTART_EVERY + 2];
    uint32_t restart_count, count; /* entries */
    uint8_t key[KEY_BYTES_MAX];    /* of the entry before */
    size_t key_size;
    uint8_t first[KEY_BYTES_MAX]; /* the block's first key */
    size_t first_size;
};

void keys_writer_init(struct keys_writer *w, uint8_t level);
void keys_writer_release(struct keys_writer *w);
void keys_writer_add(struct keys_writer *w, const uint8_t *key, size_t size,
                     const struct keys_value *value);
static inline bool keys_writer_is_full(const struct keys_writer *w)
{
    return w->bytes.length >= KEYS_BLOCK_BYTES;
}
/* The whole block, which will stand at `offset`; then it is empty once more.
 * The bytes live until the next addition. */
MUST_USE enum err keys_writer_finish(struct keys_writer *w, uint64_t offset,
                                     struct slice *ret_bytes);

#endif
