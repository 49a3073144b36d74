/* store/embedded/postings.h - the index: (field, value) to documents.
 *
 * Derived, never logged: the segments on disk cover documents up to some
 * number, the runs in memory cover the tail above it, and after a crash the
 * tail is extracted again from the bodies. No segment ever covers a document
 * above the visible time. Nothing outside src/store/embedded/ sees this.
 *
 *   commit --- run ---> tail of runs --- joined by committers ---> few runs
 *                            |
 *                            +--- checkpoint thread: file, ingest, publish
 *
 * A reader takes a view: the runs it needs and how far the segments reached
 * then (a segment lies wholly below or above that). What lies above is in the
 * view's runs too and is skipped, so every posting is seen exactly once.
 */
#ifndef STORE_EMBEDDED_POSTINGS_H
#define STORE_EMBEDDED_POSTINGS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rocksdb/c.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/embedded/run.h"
#include "store/embedded/segment.h"

enum {
    POSTINGS_TAIL_DOCS = 10000,     /* a checkpoint is due */
    POSTINGS_TAIL_DOCS_MAX = 60000, /* writers wait */
    POSTINGS_RUNS_MAX = 24,         /* more are joined */
    POSTINGS_WAIT_MS = 5000,        /* how long a writer waits before ERR_BUSY */
};
#define POSTINGS_TAIL_BYTES ((uint64_t)48 << 20)
#define POSTINGS_TAIL_BYTES_MAX ((uint64_t)512 << 20)

struct postings_view {
    _Atomic uint32_t references;
    uint32_t count;
    uint64_t covers; /* documents up to here are in the segments */
    struct run *runs[];
};

struct postings_settings {
    struct segments *segments; /* borrowed */
    const char *path;          /* where a segment is written before it is taken in */
    uint64_t rules_hash;
    const _Atomic uint64_t *visible;
    void (*failed)(void *context, enum err err); /* a checkpoint could not be written */
    void *context;
};

struct postings {
    struct postings_settings settings;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t work;  /* for the thread */
    pthread_cond_t room;  /* for waiting writers */
    struct postings_view *current; /* one reference is ours */
    struct postings_view *spare;   /* for the next postings_add(); ordered section only */
    uint32_t frozen;    /* first runs, being written to a segment */
    uint64_t tail_docs; /* in the current view's runs */
    uint64_t tail_bytes;
    bool stop, is_running;
    pthread_mutex_t join_lock; /* one join or choice of runs at a time; taken before `lock` */
    pthread_mutex_t checkpoint_lock; /* one checkpoint at a time; taken before the others */
    pthread_t thread;
};

MUST_USE enum err postings_open(struct postings *p, const struct postings_settings *settings);
/* Starts the thread that writes checkpoints. */
MUST_USE enum err postings_start(struct postings *p);
/* Stops the thread; a checkpoint under way is finished. */
void postings_stop(struct postings *p);
/* Frees the runs; no reader may be left. Stops the thread first if need be. */
void postings_close(struct postings *p);

/* Inside the ordered section: room first, then the run, which is taken over. */
MUST_USE enum err postings_reserve(struct postings *p);
void postings_add(struct postings *p, struct run *run);

/* After a commit, outside the ordered section: keep the runs few. */
void postings_settle(struct postings *p);
/* Before a commit: wait while the tail is too long; ERR_BUSY when that lasts. */
MUST_USE enum err postings_wait(struct postings *p);
/* Write the visible part of the tail to the segments now. */
MUST_USE enum err postings_checkpoint(struct postings *p);

struct postings_view *postings_view_take(struct postings *p);
void postings_view_give(struct postings_view *view);

#endif
