/* store/embedded/chunk.h - terms of documents from their bodies, on the way to a segment.
 *
 * What rebuilds the index takes the documents in chunks: each is extracted piece by
 * piece into runs in memory, and these become one segment (and one of the dead). So
 * memory is bounded by a chunk and a kill costs no more than one. After each piece the
 * caller's thread sleeps as long as the piece took while anybody reads or writes.
 */
#ifndef STORE_EMBEDDED_CHUNK_H
#define STORE_EMBEDDED_CHUNK_H

#include "store/embedded/engine.h"

enum {
    CHUNK_DOCS = 131072, /* at most */
    CHUNK_RUNS = CHUNK_DOCS / 64,
};

struct chunk {
    struct store *store;
    run_name *name;        /* which terms are wanted, and as what; its context is the chunk */
    struct fields *fields; /* borrowed; for `name` */
    uint64_t until, done;  /* the same: rows of the table with these */
    const uint64_t *taken; /* documents that are left out, a bit each from */
    uint64_t taken_from;   /* this one on; NULL: none are */
    uint64_t first, last;  /* documents of the runs; last is first - 1 to begin with */
    uint64_t end;          /* none behind it */
    struct run *runs[CHUNK_RUNS];
    uint32_t run_count;
    size_t bytes;
};

/* As many documents as a chunk takes. ERR_BUSY: the store closes. */
MUST_USE enum err chunk_gather(struct chunk *c);
/* Their segment; `past_until` not 0: a past one of that time. */
MUST_USE enum err chunk_write(struct chunk *c, uint64_t past_until, struct merged *ret);
void chunk_release(struct chunk *c);

/* Does the store close, or take no more? */
static inline bool store_is_stopping(const struct store *store)
{
    return atomic_load(&store->closes) || atomic_load(&store->is_read_only);
}

#endif
