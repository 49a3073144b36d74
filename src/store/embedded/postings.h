/* store/embedded/postings.h - the index: (field, value) to documents.
 *
 * Derived, never logged: the segments on disk cover documents up to some
 * number, the runs in memory cover the tail above it, and after a crash the
 * tail is extracted again from the bodies. No segment ever covers a document
 * above the visible time. Nothing outside src/store/embedded/ sees this.
 *
 *   commit --- run ---> tail of runs --- joined by committers ---> few runs
 *                            |
 *                            +--- checkpoint thread: segment, manifest, publish
 *                                     |
 *                                     +--- merge threads: fewer, larger segments
 *
 * A reader takes a view: the runs and the segments it needs. A view never
 * changes, and every posting is in it once.
 */
#ifndef STORE_EMBEDDED_POSTINGS_H
#define STORE_EMBEDDED_POSTINGS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/segment/run.h"
#include "store/embedded/segments.h"
#include "store/segment/merge.h"

enum {
    POSTINGS_TAIL_DOCS = 10000,     /* a checkpoint is due */
    POSTINGS_TAIL_DOCS_MAX = 40000, /* writers wait; what a start has to derive at most */
    POSTINGS_RUNS_MAX = 24,         /* more are joined */
    POSTINGS_WAIT_MS = 5000,        /* how long a writer waits before ERR_BUSY */
    POSTINGS_SEGMENTS_MAX = 64,     /* no checkpoint while so many stand: merges are behind */
    POSTINGS_MERGE_THREADS_MAX = 8,
};
/* The first merge thread takes nothing larger, so that a large merge never
 * keeps the small ones waiting. */
#define POSTINGS_SMALL_MERGE ((uint64_t)8 << 20)

struct postings_view {
    _Atomic uint32_t references;
    uint32_t count;
    uint64_t covers; /* documents up to here are in the segments */
    struct segment_set *segments; /* one reference is the view's, */
    struct fields *fields;        /* as of this */
    struct run *runs[];
};

struct postings_settings {
    struct segments *segments; /* borrowed */
    struct segment_set *set;   /* taken over, */
    struct fields *fields;     /* as is this */
    merge_deaths *deaths;
    uint64_t tail_bytes;       /* of runs: at a quarter a checkpoint is due, at all of it
                                * writers wait */
    uint32_t merge_threads;    /* 1 .. POSTINGS_MERGE_THREADS_MAX */
    const _Atomic uint64_t *visible;
    const _Atomic uint64_t *gone; /* what was dead then is asked for no more */
    void (*failed)(void *context, enum err err); /* a manifest could not be written */
    void *context; /* of deaths and failed */
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
    bool is_stuck;      /* nobody knows which manifest is there */
    uint32_t merge_thread_count; /* started */
    _Atomic bool give_up;        /* tells merges under way to stop */
    uint32_t merge_thread_serial; /* gives each thread its part */
    uint64_t changes;             /* of the set and of what is known to be dead */
    uint64_t merges, merged_postings, merge_failures;
    pthread_cond_t merge_work;
    pthread_mutex_t change_lock; /* one change of the segments at a time; before `lock` */
    pthread_mutex_t join_lock; /* one join or choice of runs at a time; taken before `lock` */
    pthread_mutex_t checkpoint_lock; /* one checkpoint at a time; taken before the others */
    pthread_t thread, merge_threads[POSTINGS_MERGE_THREADS_MAX];
};

MUST_USE enum err postings_open(struct postings *p, const struct postings_settings *settings);
/* Starts the threads that write checkpoints and merge. */
MUST_USE enum err postings_start(struct postings *p);
/* Stops the threads; a checkpoint under way is finished, a merge given up. */
void postings_stop(struct postings *p);
/* Frees the runs; no reader may be left. Stops the thread first if need be. */
void postings_close(struct postings *p);

/* The current table of fields, referenced once more; its `mapping`. */
struct fields *postings_fields(struct postings *p);
uint64_t postings_mapping(struct postings *p);
/* Another table, taken over, for whoever takes a view from now on. ERR_NO_MEMORY:
 * nothing changed. Who changes what fields are called holds the ordered section, so that
 * no commit is between its run and its numbers, and change_lock, as for any other change. */
MUST_USE enum err postings_fields_set(struct postings *p, struct fields *fields);

/* Inside the ordered section: room first, then the run, which is taken over. */
MUST_USE enum err postings_reserve(struct postings *p);
void postings_add(struct postings *p, struct run *run);

/* After a commit, outside the ordered section: keep the runs few. */
void postings_settle(struct postings *p);
/* Before a commit: wait while the tail is too long; ERR_BUSY when that lasts. */
MUST_USE enum err postings_wait(struct postings *p);
/* Write the visible part of the tail to the segments now. A file that cannot be written
 * changes nothing: it is tried again. */
MUST_USE enum err postings_checkpoint(struct postings *p);

/* Outside the ordered section: these documents, ascending or not, have died. */
void postings_died(struct postings *p, const uint64_t *docs, size_t count);
/* One merge that is due, at most so large; *ret_any false when none is. For the
 * threads and for tests. */
MUST_USE enum err postings_merge(struct postings *p, uint64_t most, bool *ret_any);

/* Merge these neighbours of a kind, whether or not it is worth it; nothing when they
 * are not there or are being merged. */
MUST_USE enum err postings_merge_window(struct postings *p, enum segment_kind kind,
                                        uint32_t first, uint32_t count);

/* What was dead at `gone` leaves the past: segments that hold nothing else are
 * dropped, those of which it is half or more are written again. `give_up` stops. */
MUST_USE enum err postings_forget(struct postings *p, const _Atomic bool *give_up);

/* Write every segment anew that was begun before that number was next and may hold
 * one of these documents, ascending: those erased are not in the new ones. ERR_BUSY:
 * given up. */
MUST_USE enum err postings_rewrite(struct postings *p, const uint64_t *docs, size_t count,
                                   uint64_t begun_before, const _Atomic bool *give_up);

/* Of its files (postings.c, merger.c, rebuild.c). Under change_lock: the set with the
 * change becomes the current one, on disk first, then for readers; `first` and the
 * `runs` - 1 runs after it are in the segments from now on. `fields`: the new table,
 * NULL: as it is; the caller's reference stays his. */
MUST_USE enum err postings_change(struct postings *p, const struct segments_change *c,
                                  struct fields *fields, const struct run *first, uint32_t runs);
bool postings_keeps(const void *fields, uint32_t field); /* struct merge's `keeps` */
void *postings_merge_thread(void *postings);

struct postings_figures {
    uint32_t runs, segments, past_segments, side_segments;
    uint64_t segment_bytes, past_bytes, tail_docs, tail_bytes;
    uint64_t debt; /* postings that merges which are due have to write */
    uint64_t merges, merged_postings, merge_failures;
    uint64_t damaged;
};
void postings_figures(struct postings *p, struct postings_figures *ret);

struct postings_view *postings_view_take(struct postings *p);
void postings_view_give(struct postings_view *view);

#endif
