/* store/embedded/engine.h - the store's state, shared by its files.
 *
 * Lock order, outermost first: condition_locks in order, rules_lock, horizon.lock
 * (under which the gate is waited for), erasures.hide_lock, checkpoint_lock,
 * change_lock and join_lock of postings, `ordered`, then any one of the small locks
 * (postings.lock, recent.lock, sync.lock, births, types, entities, deaths), which are
 * never held together.
 *
 * Documents pass three marks, which only grow:
 *   written   their rows are in RocksDB's memtables, their run in the index
 *   visible   the log is synced behind them; readers start here
 *   covers    the segments of the index reach here
 */
#ifndef STORE_EMBEDDED_ENGINE_H
#define STORE_EMBEDDED_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rocksdb/c.h>

#include "base/arena.h"
#include "store/embedded/birth.h"
#include "store/embedded/death.h"
#include "store/embedded/frame.h"
#include "store/embedded/gate.h"
#include "store/embedded/postings.h"
#include "store/embedded/recent.h"
#include "store/embedded/rows.h"
#include "store/embedded/types.h"
#include "store/store.h"

enum {
    ENTITY_BLOCK = 65536, /* numbers made durable at a time */
};

/* One sync serves every commit written before it began. */
struct log_sync {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_running;
    uint64_t synced; /* documents up to here */
};

/* The segment that is being written again. */
struct repair {
    uint64_t of;     /* its number; 0: none is */
    uint64_t *taken; /* owned; documents from its first on that are not in it, a bit each */
};

struct entity_numbers {
    pthread_mutex_t lock;
    uint64_t next;
    uint64_t limit; /* durable: numbers below it may be used */
};

/* Durations counted, see struct store_times. */
struct store_clock {
    _Atomic uint64_t buckets[STORE_TIME_BUCKETS];
    _Atomic uint64_t sum_us;
};
void store_clock_add(struct store_clock *clock, int64_t took_us);
void store_clock_read(struct store_clock *clock, struct store_times *ret);

/* What was superseded by documents up to a mark may go (horizon.c). The marks
 * only grow: purged <= gone <= doc <= visible. */
struct horizon {
    pthread_mutex_t lock;    /* one at a time raises or purges; before `ordered` */
    _Atomic uint64_t doc;    /* readers of an earlier time are refused; persisted */
    _Atomic int64_t instant; /* that it was raised to; persisted */
    _Atomic uint64_t gone;   /* no such reader is left */
    _Atomic uint64_t purged; /* rows of what documents up to here superseded are deleted;
                              * persisted */
    _Atomic uint64_t deleted; /* documents, since opening */
    int64_t keep_us;         /* 0: all history is kept */
};

/* What was erased, or is being. */
struct erasure;
struct erasures {
    pthread_mutex_t hide_lock; /* one at a time hides, or deletes rows; after horizon.lock */
    pthread_mutex_t side_lock; /* held while a segment that no merge knows of is written
                                * and shown; before checkpoint_lock and change_lock */
    pthread_mutex_t lock;      /* of the list */
    struct erasure *newest;
    uint64_t next_number;
};

/* The thread that looks after what should go. */
struct keeper {
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t work; /* something is to be done, or the store closes */
    bool is_wanted;      /* the former */
};

/* The thread that looks whether everything agrees (checker.c), and what it found. */
struct checker {
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;  /* of all below */
    pthread_cond_t work;   /* a check was begun, or the store closes */
    struct store_check_state state;
    uint64_t position;     /* of the phase: what was looked at, up to here; persisted, as is */
    uint64_t last_segment; /* files from this number on are newer than the check */
    struct store_finding *findings; /* owned, STORE_FINDINGS_MAX at most; persisted */
    size_t count, room;
    bool is_cancelled;
    int64_t saved_us;      /* monotonic */
    uint64_t rate_done;    /* `done` at rate_us */
    int64_t rate_us;
};

struct store {
    rocksdb_t *db;
    rocksdb_options_t *db_options;
    rocksdb_options_t *family_options[FAMILY_COUNT];
    rocksdb_column_family_handle_t *families[FAMILY_COUNT];
    uint32_t family_ids[FAMILY_COUNT];
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read_options;
    rocksdb_writeoptions_t *write_options; /* no sync, no slowdown */
    rocksdb_writeoptions_t *sync_options;

    char *truth_path, *index_path; /* owned */
    store_extract *extract;
    store_extract_some *extract_some; /* may be NULL */
    store_rules_number *rules_number; /* may be NULL */
    void *extract_context;
    uint64_t seed; /* secret; of every hash table that hostile keys reach */

    struct types *types; /* owned */
    struct births *births; /* owned */
    struct frame_pool frames;
    struct deaths deaths;
    struct segments segments;
    struct postings postings;
    struct entity_numbers entities;
    struct log_sync sync;
    pthread_mutex_t meta_lock;

    pthread_mutex_t ordered; /* the ordered section */
    struct recent recent;    /* under ordered */
    struct store_condition *conditions; /* the newest; under ordered */
    pthread_mutex_t condition_locks[STORE_CONDITION_LOCKS]; /* before all others */
    uint64_t next_doc;       /* under ordered */
    int64_t last_instant;    /* under ordered */

    _Atomic uint64_t written;
    _Atomic uint64_t visible;
    _Atomic bool is_read_only;
    uint64_t disk_reserve_bytes;
    _Atomic uint64_t disk_free_bytes; /* as of disk_looked_us, monotonic */
    _Atomic int64_t disk_looked_us;
    _Atomic bool is_full;
    _Atomic uint64_t commits, syncs, ordered_ns, ordered_docs;
    struct store_clock commit_clock, sync_clock;
    struct gate gate;         /* readers and commits under way */
    _Atomic uint64_t writers; /* the commits among them */
    _Atomic bool has_gaps;    /* versions may be missing: STORE_FORMAT_GAPS */
    struct horizon horizon;
    struct erasures erasures;
    struct keeper keeper;
    struct checker checker;

    /* The thread that derives what the index lacks, from opening on. */
    pthread_t deriver;
    bool deriver_runs;
    uint64_t derive_from; /* what the index covered at opening; moves while deriving */
    _Atomic bool index_is_done; /* index_err says how it went */
    enum err index_err;
    _Atomic bool closes; /* deriving gives up, as does rebuilding */

    /* rebuild.c: the thread that derives fields again. */
    pthread_t rebuilder;
    bool rebuilder_runs;
    pthread_mutex_t rebuild_lock; /* of the two below */
    pthread_cond_t rebuild_work;
    uint64_t rebuild_asked;       /* grows with whatever may have to be rebuilt */
    pthread_mutex_t rules_lock;   /* one change of the fields at a time; outermost */
    struct repair repair;         /* of the rebuilder's thread */
    store_notice *notice;         /* may be NULL */
    void *notice_context;
};

struct store_reader {
    struct store *store;
    uint64_t place;             /* of the gate */
    uint64_t time;              /* documents up to here */
    uint64_t alive_at;          /* of searches: those that live then; at least `time` */
    struct postings_view *view; /* taken by the first search */
    uint64_t faults;            /* os_faults() before that */
    struct store_work *work;    /* borrowed; NULL: nobody counts */
};

/* What a count or measure of the reader may take. */
static inline size_t reader_memory(const struct store_reader *reader)
{
    return reader->work && reader->work->memory_bytes ? reader->work->memory_bytes
                                                      : (size_t)STORE_MEMORY_BYTES;
}

/* Are joins limited further than by STORE_JOIN_MAX? */
static inline bool work_limits_levels(const struct store_work *work)
{
    return work && work->level_limit && work->level_limit < STORE_JOIN_MAX;
}

/* Is anyone still waiting for it? Now and then: asking costs. */
MUST_USE enum err work_look(struct store_work *work);
/* ERR_LIMIT past the work's limit, or when nobody waits. `work` may be NULL. */
/* What a caller knows of the plan. */
static inline const struct plan *plan_origin(const struct plan *plan)
{
    return plan && plan->origin ? plan->origin : plan;
}

MUST_USE static inline enum err work_spend(struct store_work *work, const struct plan *step,
                                           uint64_t units)
{
    if (!work)
        return ERR_NONE;
    work->done += units;
    if (UNLIKELY(work->done >= work->next_look))
        TRY(work_look(work));
    if (!work->limit || work->done <= work->limit)
        return ERR_NONE;
    if (!work->step)
        work->step = plan_origin(step);
    return ERR_LIMIT;
}

/* The terms of a document, extracted from its body again; none of a deletion. */
MUST_USE enum err store_doc_terms(struct store *store, uint64_t doc, struct arena *arena,
                                  struct term **ret_terms, size_t *ret_count);

/* Those of these fields at least; 0 fields: all. */
MUST_USE enum err store_doc_terms_of(struct store *store, uint64_t doc, const uint32_t *fields,
                                     size_t field_count, struct arena *arena,
                                     struct term **ret_terms, size_t *ret_count);

/* No write can succeed from here on: reopening alone helps. */
void store_latch(struct store *store);
/* Did it fail for want of memory, or of disk for a manifest, before anything was written
 * that cannot be written again? Then it is tried again, and nothing is latched. */
static inline bool store_is_short(enum err err)
{
    return segments_is_short(err);
}

/* Wait until the documents up to `doc` are durable and visible. */
MUST_USE enum err store_wait_visible(struct store *store, uint64_t doc);

/* A type's number, made durable if it is new. */
MUST_USE enum err store_type_number(struct store *store, struct slice name,
                                    uint16_t *ret_number);
/* birth_next callback: the next unused entity number; context is the store. */
MUST_USE enum err store_entity_next(void *context, uint64_t *ret_entity);

MUST_USE enum err meta_put(struct store *store, enum meta_kind kind, struct slice name,
                           struct slice value);

/* An entity's row; *ret_found false when it has none. */
MUST_USE enum err store_entity_find(struct store *store, struct slice key, bool *ret_found,
                                    struct entity_row *ret);
/* type(2) id, cut from the arena; bytes NULL when memory is short. */
struct slice entity_key(struct arena *arena, uint16_t type, struct slice id);

/* The stored row of a document's body, still compressed. Release the pin. */
MUST_USE enum err store_body_row(struct store *store, uint64_t home, uint16_t type,
                                 uint64_t doc, rocksdb_pinnableslice_t **ret_pin,
                                 struct body_row *ret);
MUST_USE enum err store_place_find(struct store *store, uint64_t doc, bool *ret_found,
                                   struct place_row *ret);
/* Body and appendix out of a row, into the arena. */
MUST_USE enum err store_body_open(struct store *store, const struct body_row *row,
                                  struct arena *arena, struct slice *ret_body,
                                  struct slice *ret_appendix);
/* Versions of an entity: the newest with doc <= `doc`. */
MUST_USE enum err store_version_at(struct store *store, uint64_t entity, uint64_t doc,
                                   bool *ret_found, struct version_row *ret);
/* What a body, its appendix and its splice hash to. */
void store_body_hash(struct slice body, struct slice appendix, uint32_t splice,
                     uint8_t ret_hash[HASH_BYTES]);

/* Derive the runs of the documents above what the index covers again. Only
 * while no commit can add one: they wait for the index. Goes on where it failed.
 * ERR_BUSY: closing. */
MUST_USE enum err store_derive(struct store *store);
/* The same in a thread of its own; the store is read by id meanwhile. */
MUST_USE enum err store_derive_start(struct store *store);
void store_derive_stop(struct store *store);
/* Before the first version goes. */
MUST_USE enum err store_gaps_begin(struct store *store);

/* The marks as they were stored; at opening. */
MUST_USE enum err horizon_restore(struct store *store, struct slice value);
MUST_USE enum err horizon_purged_restore(struct store *store, struct slice value);
/* The same of an erasure's record. */
MUST_USE enum err erasure_restore(struct store *store, struct slice name, struct slice value);
/* Look how much of the disk is free, unless that was done a second ago. */
void store_disk_look(struct store *store);
/* The thread that raises the horizon as time passes and deletes what is beyond. */
MUST_USE enum err keeper_start(struct store *store);
void keeper_stop(struct store *store);
/* repair.c: the next piece of what is damaged; *ret_any false: nothing is. Of the
 * rebuilder's thread alone. */
MUST_USE enum err store_repair_step(struct store *store, bool *ret_any);
void store_repair_end(struct store *store);
/* Documents of a view that no search can ask for, and how many of them are derived. */
struct repair_figures {
    uint32_t damaged;     /* segments, */
    uint64_t done, whole; /* documents of the first of them */
    uint64_t lost;        /* documents whose segment cannot be read at all */
};
void store_repair_figures(const struct postings_view *view, struct repair_figures *ret);
/* Take the segments that hold one of these documents, ascending, for lost: what needs them
 * is refused until they are written again from the bodies. By any thread. */
MUST_USE enum err store_repair_lose(struct store *store, const uint64_t *docs, size_t count);
/* checker.c: what it remembered, at opening; its thread. */
MUST_USE enum err checker_restore(struct store *store, struct slice name, struct slice value);
MUST_USE enum err checker_start(struct store *store);
void checker_stop(struct store *store);
void checker_free(struct store *store);
/* rebuild.c */
MUST_USE enum err store_rebuild_start(struct store *store);
void store_rebuild_stop(struct store *store);
/* There may be something to do. */
void store_rebuild_wake(struct store *store);
/* The next piece of what is to be rebuilt; *ret_any false: nothing is. */
MUST_USE enum err store_rebuild_step(struct store *store, bool *ret_any);

/* Before a search or a write: wait until the index is whole. ERR_BUSY after
 * INDEX_WAIT_MS; else what deriving failed with. */
enum { INDEX_WAIT_MS = 5000 };
MUST_USE enum err store_wait_index(struct store *store);

#endif
