/* store/embedded/frame.h - how a body lies in its row.
 *
 * Bodies up to FRAME_ALONE_BYTES stand as they are: RocksDB compresses blocks of
 * them, and the neighbours in a block, which are of one member and one type, make
 * them half as large as any frame of their own, dictionary or not. A larger body
 * fills a block alone, so it is a zstd frame of its own (level 1), which keeps log
 * and memtable small. Stores of before have frames of small bodies too, with
 * dictionaries that they hold themselves.
 *
 * Making a zstd context costs more than compressing a body, so contexts are lent
 * from a pool: a commit borrows one for all its documents. The pool is
 * thread-safe, a lent context is not.
 */
#ifndef STORE_EMBEDDED_FRAME_H
#define STORE_EMBEDDED_FRAME_H

#include <pthread.h>

#include <zstd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    FRAME_LEVEL = 1,
    FRAME_ALONE_BYTES = 32 * 1024, /* the size of a block of bodies */
    FRAME_DICTIONARIES_MAX = 64, /* ever used by one store */
    FRAME_IDLE_MAX = 16,         /* contexts kept while nobody uses them */
};

struct frame_dictionary {
    unsigned id;
    ZSTD_DDict *decompress;
};

struct frame_pool {
    pthread_mutex_t lock;
    ZSTD_CCtx *compressors[FRAME_IDLE_MAX];
    size_t compressor_count;
    ZSTD_DCtx *decompressors[FRAME_IDLE_MAX];
    size_t decompressor_count;
    struct frame_dictionary known[FRAME_DICTIONARIES_MAX];
    size_t known_count;
};

void frame_pool_init(struct frame_pool *pool);
void frame_pool_release(struct frame_pool *pool);

/* Before the first frame: dictionaries that frames may name. ERR_INVALID when
 * it is no zstd dictionary, ERR_LIMIT past the maximum. */
MUST_USE enum err frame_dictionary_add(struct frame_pool *pool, struct slice bytes);

/* Borrow and return; NULL when memory is short. */
ZSTD_CCtx *frame_compressor_take(struct frame_pool *pool);
void frame_compressor_give(struct frame_pool *pool, ZSTD_CCtx *context);

/* body followed by appendix as one frame cut from the arena; *ret_raw when they
 * are small, or compression gained nothing, and the bytes stand as they are. `scratch` is
 * room that a commit keeps from document to document. */
MUST_USE enum err frame_compress(ZSTD_CCtx *context, struct slice body, struct slice appendix,
                                 struct buf *scratch, struct arena *arena,
                                 struct slice *ret_frame, bool *ret_raw);

/* Exactly `size` bytes (cut from the arena) or ERR_CORRUPT. */
MUST_USE enum err frame_decompress(struct frame_pool *pool, struct slice frame, bool is_raw,
                                   size_t size, struct arena *arena, struct slice *ret_bytes);

#endif
