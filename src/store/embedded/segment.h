/* store/embedded/segment.h - postings as they lie on disk.
 *
 * The segments are a RocksDB database of their own beside the truth's: it holds
 * nothing but files written here and taken in whole, uses no log, and may be
 * deleted at any time the store is closed. Neither its stalls nor its manifest
 * touch the truth.
 *
 *   key    01 field(4) escaped value 00 00 last doc(8)
 *   value  01 count last-first delta delta ...      (varints)
 *   key    00                                       what the segment covers
 *   value  last doc(8) rules hash(8)
 *
 * In the value NUL is written 00 ff, so that byte order stays value order and
 * 00 00 ends it. A block holds at most SEGMENT_BLOCK_DOCS documents. Its key
 * names the last one, so that one forward seek for a document finds the block
 * that may hold it (going backward costs RocksDB a second seek). Blocks of
 * one value do not overlap and ascend: each checkpoint adds documents above
 * all before it. The covers record arrives in the same file as the postings it
 * speaks for, so neither can be there without the other.
 */
#ifndef STORE_EMBEDDED_SEGMENT_H
#define STORE_EMBEDDED_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <rocksdb/c.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/embedded/run.h"

enum {
    SEGMENT_BLOCK_DOCS = 1024,
    SEGMENT_KEY_BYTES_MAX = 1 + 4 + 2 * TERM_VALUE_BYTES_MAX + 2 + 8,
    SEGMENT_BLOCK_BYTES_MAX = 1 + VARINT_BYTES_MAX * (SEGMENT_BLOCK_DOCS + 2),
    SEGMENT_POSTING = 1, /* first byte of a key */
    SEGMENT_COVERS = 0,
    SEGMENT_FORMAT = 1, /* first byte of a block */
};

/* Write up to the value (`ended`: and its end mark) to `out`, which has
 * SEGMENT_KEY_BYTES_MAX; returns the length. */
size_t segment_key(uint8_t *out, uint32_t field, struct slice value, bool ended);
/* The parts of a posting's key; the value goes to `out` (TERM_VALUE_BYTES_MAX).
 * False when the key is damaged. */
bool segment_key_parse(struct slice key, uint32_t *ret_field, char *out, size_t *ret_size,
                       uint64_t *ret_doc);

struct segment_block {
    uint64_t docs[SEGMENT_BLOCK_DOCS];
    uint32_t count;
};
/* `last`: the document of its key. */
MUST_USE enum err segment_block_parse(uint64_t last, struct slice value,
                                      struct segment_block *ret);

/* All of the runs into one sorted file at `path`. */
MUST_USE enum err segment_write(const rocksdb_options_t *options, const char *path,
                                struct run *const *runs, size_t count, uint64_t rules_hash);

struct segments_settings {
    const char *path;
    rocksdb_cache_t *cache; /* shared with the truth */
    uint64_t rules_hash;    /* segments made by other rules are thrown away, */
    uint64_t last;          /* so are those that cover documents above this */
    bool keep;              /* nothing is thrown away, see store_settings.keep_index */
};

struct segments {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_readoptions_t *read_options;
    uint64_t covers; /* documents up to here, at opening */
};

/* Damaged segments are thrown away too: they can be derived again. With `keep`
 * they are ERR_CORRUPT, those of other rules ERR_CONFLICT. */
MUST_USE enum err segments_open(struct segments *segments,
                                const struct segments_settings *settings);
void segments_close(struct segments *segments);
/* The file becomes part of the database; all of it is seen or nothing. */
MUST_USE enum err segments_take_in(struct segments *segments, const char *path);
/* Compaction is behind: better wait before adding another file. */
bool segments_are_many(struct segments *segments);

#endif
