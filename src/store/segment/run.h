/* store/segment/run.h - one sorted, immutable run of postings in memory.
 *
 * A commit's terms become one run; runs of neighbours are merged into larger
 * ones and at last into the segment on disk. Keys stand in the order of
 * (field, value), each with its documents ascending. Documents are kept as
 * places counted from `base`, so that a run can be built before its document
 * numbers are known. One allocation; counted references; thread-safe once
 * published.
 */
#ifndef STORE_SEGMENT_RUN_H
#define STORE_SEGMENT_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/term.h"

struct run_key {
    uint32_t field;
    uint32_t value_size;
    uint64_t prefix;   /* the value's first 8 bytes, big-endian, zero-padded */
    uint32_t value_at; /* in bytes */
    uint32_t docs_at;  /* in docs; the next key's is the end */
};

struct run {
    _Atomic uint32_t references;
    uint32_t key_count;
    uint32_t doc_count; /* postings, all keys */
    uint32_t span;      /* documents it covers: base .. base + span - 1 */
    uint64_t base;      /* document number of place 0 */
    size_t size_bytes;
    struct run_key *keys; /* key_count + 1, the last one only ends the docs */
    uint32_t *docs;
    char *bytes;
};

/* The terms of the document at one place of a commit. */
struct run_source {
    const struct term *terms;
    size_t count;
};

/* What a term's field is called in the run, for the document at `place`;
 * RUN_NOWHERE leaves the term out. */
#define RUN_NOWHERE UINT32_MAX
typedef uint32_t run_name(const void *context, uint32_t field, uint32_t place);

/* Sort the terms of `count` documents in order of place. Scratch memory comes
 * from the arena. `name` may be NULL: fields keep their numbers. ERR_INVALID when a
 * value is too long. */
MUST_USE enum err run_build(const struct run_source *sources, size_t count, uint64_t seed,
                            run_name *name, const void *context, struct arena *scratch,
                            struct run **ret_run);
/* Neighbours in document order into one. */
MUST_USE enum err run_join(struct run *const *runs, size_t count, struct run **ret_run);

struct run *run_ref(struct run *run);
void run_unref(struct run *run);

static inline uint64_t run_last(const struct run *run)
{
    return run->base + run->span - 1;
}
static inline struct slice run_value(const struct run *run, const struct run_key *key)
{
    return slice_of(run->bytes + key->value_at, key->value_size);
}
/* Terms in it, for sizes of merges. */
static inline uint64_t run_weight(const struct run *run)
{
    return (uint64_t)run->key_count + run->doc_count;
}

/* The first key at or above (field, value). */
uint32_t run_lower_bound(const struct run *run, uint32_t field, struct slice value);
/* The key of exactly that; key_count when absent. */
uint32_t run_find(const struct run *run, uint32_t field, struct slice value);

/* Walk several runs in key order. Each step gives one key and the runs that
 * have it, in the order of the array. */
struct run_walk {
    struct run *const *runs;
    size_t count;
    uint32_t *at;    /* next key of each run */
    uint32_t *heap;  /* runs ordered by their next key */
    size_t heap_count;
    uint32_t *hits;  /* runs that have the current key, */
    uint32_t *hit_keys; /* and where */
    size_t hit_count;
};

MUST_USE enum err run_walk_init(struct run_walk *walk, struct run *const *runs, size_t count);
void run_walk_release(struct run_walk *walk);
/* False at the end. */
bool run_walk_next(struct run_walk *walk);

#endif
