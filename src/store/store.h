/* store/store.h - the seam: documents with terms go down, plans are asked.
 *
 * Above it nobody sees keys; below it nobody knows FHIR. A *document* is one
 * version of a resource and never changes; its number grows in commit order. An
 * *entity* is a (type, id). Every acknowledged write is durable and visible to
 * reads and searches before store_apply() returns. A reader sees exactly the
 * commits up to its time, never half of one.
 *
 * Rules that keep a second engine possible: no reader outlives a request; ids
 * come from the caller; terms cross as text; positions are opaque.
 *
 * Thread-safe: any number of threads may apply and read one store at once.
 * Slices returned point into the arena given, or into the reader until its
 * end, as said below.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "store/term.h"

struct store;
struct store_reader;

/* ---- opening ---- */

/* Derive the terms of a stored body again (recovery, check, rebuild). Terms are
 * cut from the arena. Called from any thread. */
typedef enum err store_extract(void *context, struct slice type, struct slice id,
                               struct slice body, struct arena *arena, struct term **ret_terms,
                               size_t *ret_count);

/* What makes the terms of one field; the hash changes when they would. */
struct store_rule {
    uint32_t field;
    uint64_t hash;
};
/* All of them that there are. */
struct store_rules {
    const struct store_rule *list; /* in any order; a field once */
    size_t count;
    uint64_t number; /* the caller's name of this list, see store_write.rules */
};

/* The truth is open: reads by id, store_changes() and small records work. Called once
 * by store_open(), before anything is derived, so that rules which are kept in the
 * store itself can be made known to `extract` and listed in *rules, which holds
 * what the settings say. */
typedef enum err store_opened(void *extract_context, struct store *store,
                              struct store_rules *rules);

/* The same of the terms of these fields; others may come too. */
typedef enum err store_extract_some(void *context, struct slice type, struct slice body,
                                    const uint32_t *fields, size_t field_count,
                                    struct arena *arena, struct term **ret_terms,
                                    size_t *ret_count);

/* The number of the rules that `extract` follows now. */
typedef uint64_t store_rules_number(void *extract_context);

/* One sentence about what was found damaged, or is whole again. Called by a thread of
 * the store's own. */
typedef void store_notice(void *context, const char *text);

struct store_settings {
    const char *folder;          /* made if absent */
    store_extract *extract;      /* required */
    store_extract_some *extract_some; /* NULL: all are extracted whenever some are wanted */
    void *extract_context;
    store_rules_number *rules_number; /* NULL: what `extract` does never changes */
    uint64_t rules_hash;         /* of what all terms depend on; a change re-derives the index */
    struct store_rules rules;    /* of single fields: see store_rules_set(); borrowed until
                                  * the store is open */
    store_opened *opened;        /* NULL: the rules are these */
    store_notice *notice;        /* hears what the operator should know; may be NULL */
    void *notice_context;
    size_t cache_bytes;          /* 0: default */
    size_t memtable_bytes;       /* 0: default */
    size_t index_bytes;          /* memory for terms not yet in a segment; at a quarter one is
                                  * written, at all of it writers wait. 0: default */
    uint32_t merge_threads;      /* of the index, 8 at most; 0: default */
    uint64_t disk_reserve_bytes; /* with less free, writes are ERR_FULL, so that what the
                                  * store does by itself has room; 0: no reserve */
    int64_t history_us;          /* versions superseded longer ago are deleted, see
                                  * store_horizon(); 0: none are */
    bool accept_clock_ahead;     /* the stored last instant lies far ahead of the clock */
    bool keep_index;             /* for a check: an index that is damaged or of other rules is
                                  * ERR_CORRUPT or ERR_CONFLICT, not derived again */
};

/* ERR_IO, ERR_CORRUPT, ERR_CONFLICT (clock far behind the store), ERR_BUSY (open
 * elsewhere). *error gets a sentence from the arena. */
MUST_USE enum err store_open(const struct store_settings *settings, struct arena *arena,
                             struct store **ret_store, struct slice *error);
/* Waits for commits in flight; no reader may be left. Reports what flushing lost. */
MUST_USE enum err store_close(struct store *store);

/* ---- writing ---- */

enum store_operation { STORE_PUT, STORE_DELETE };

enum { STORE_ORIGINS = 16 };

enum store_expect {
    STORE_ANY,       /* whatever is there */
    STORE_NOT_THERE, /* never existed (a deleted id stays taken) */
    STORE_VERSION,   /* the live head has exactly expect_version, or one of expect_others */
    STORE_LIVE,      /* some live head is there */
};

struct store_write {
    uint8_t operation;   /* enum store_operation */
    uint8_t expect;      /* enum store_expect */
    uint8_t origin;      /* below STORE_ORIGINS; kept with the version, no part of what
                          * skip_if_equal compares; opaque to the store */
    bool skip_if_equal;  /* a PUT whose body and splice equal the live head's makes no version */
    uint64_t expect_version;
    const uint64_t *expect_others; /* with STORE_VERSION: or one of these */
    size_t expect_other_count;
    struct slice type, id;
    struct slice body;     /* PUT: minified JSON without versionId and lastUpdated */
    uint32_t splice;       /* PUT: where a read puts them back; opaque to the store */
    struct slice appendix; /* PUT: opaque bytes kept beside the body, returned with it */
    struct slice home_type, home_id; /* whose record it lies in; empty: none */
    struct term *terms;    /* PUT: unsorted, repeats allowed; the store may reorder them */
    size_t term_count;
    uint64_t rules;        /* number of the rules that made them; where it is not that of the
                            * store, the store makes them again (see store_rules_set()) */
};

/* Is `version` one that a write with STORE_VERSION may meet? */
static inline bool store_write_expects(const struct store_write *w, uint64_t version)
{
    bool is_expected = version == w->expect_version;
    for (size_t i = 0; !is_expected && i < w->expect_other_count; i++)
        is_expected = version == w->expect_others[i];
    return is_expected;
}

enum store_outcome {
    STORE_CREATED,   /* first version, or the first after a delete */
    STORE_UPDATED,
    STORE_UNCHANGED, /* skip_if_equal met an equal head */
    STORE_DELETED,
    STORE_NOTHING,   /* DELETE of what was not live */
    STORE_REFUSED,   /* `expect` did not hold; version is the head's (0: none) */
};

struct store_result {
    uint8_t outcome;  /* enum store_outcome */
    bool was_deleted; /* the head before was a deletion */
    uint64_t version; /* of the resource after the write; a deletion has one too */
    int64_t instant;  /* its lastUpdated, microseconds */
    uint64_t doc;
};

/* One commit. `all_or_nothing`: the first refusal leaves everything unwritten
 * (every other result then is STORE_NOTHING) and *ret_refused names it; else
 * each write passes or fails alone. At most one write per (type, id).
 * *ret_time: the reader time that sees exactly this commit and all before.
 * Durable and visible on ERR_NONE. ERR_READ_ONLY once the engine is latched;
 * ERR_FULL while less than the reserve is free on the disk;
 * ERR_BUSY when it asks to come back; ERR_NO_MEMORY, ERR_IO. */
MUST_USE enum err store_apply(struct store *store, struct store_write *writes, size_t count,
                              bool all_or_nothing, struct arena *arena,
                              struct store_result *results, uint64_t *ret_time,
                              size_t *ret_refused);

/* ---- conditions ---- */

/* A write that depends on a search: begin, search, store_apply_if(), end. What
 * every match must have is watched: a commit of someone else that brings such a
 * term between the search and the write makes the write fail, and the caller
 * searches again. Values are watched up to and including their first NUL byte.
 * A match that vanishes is the caller's: it expects the match's version.
 *
 * Those who watch the same value also take turns, so that a retry is rare: each
 * takes all its locks at once, in one order. Lives in the caller's frame. */
enum { STORE_CONDITION_LOCKS = 256 };
struct store_condition {
    struct store *store;
    struct term *watches; /* borrowed; sorted and cut by store_condition_begin() */
    size_t count;
    struct store_condition *newer, *older; /* under the ordered section's lock, ... */
    bool is_overtaken;                     /* ... as is this */
    uint64_t locks[STORE_CONDITION_LOCKS / 64]; /* a bit for each that is held */
};

/* A reader begun after this returns sees every commit that the condition will
 * not be told of. On failure nothing is held. At most one condition a thread. */
MUST_USE enum err store_condition_begin(struct store *store, struct term *watches, size_t count,
                                        struct store_condition *condition);
/* Before searching again. */
MUST_USE enum err store_condition_again(struct store_condition *condition);
void store_condition_end(struct store_condition *condition);

/* store_apply() while the condition holds; ERR_PRECONDITION, nothing written,
 * when it was overtaken. `condition` may be NULL. */
MUST_USE enum err store_apply_if(struct store *store, struct store_condition *condition,
                                 struct store_write *writes, size_t count, bool all_or_nothing,
                                 struct arena *arena, struct store_result *results,
                                 uint64_t *ret_time, size_t *ret_refused);

/* store_apply_if() that leaves a mark: in the same commit the record `key` of
 * store_meta_get() becomes *ret_time, big-endian in 8 bytes, and `text` behind it,
 * so that who died before the answer knows on his return that it was done, and
 * when. Nothing is marked when nothing was written. Keys up to 1,000 bytes. */
struct store_mark {
    struct slice key, text;
};
MUST_USE enum err store_apply_marked(struct store *store, struct store_condition *condition,
                                     const struct store_mark *mark, struct store_write *writes,
                                     size_t count, bool all_or_nothing, struct arena *arena,
                                     struct store_result *results, uint64_t *ret_time,
                                     size_t *ret_refused);

/* ---- reading ---- */

/* Sees the commits visible now; `time` 0, or a time that store_apply() or
 * store_reader_time() gave: sees exactly up to it. ERR_GONE past the horizon. */
MUST_USE enum err store_read_begin(struct store *store, uint64_t time,
                                   struct store_reader **ret_reader);
void store_read_end(struct store_reader *reader);
uint64_t store_reader_time(const struct store_reader *reader);
/* Its searches leave out what has changed or gone since the reader's time, by what is
 * visible now. */
void store_reader_hide_changed(struct store_reader *reader);
/* The time that sees documents up to this one, the last of a commit; 0: none. */
static inline uint64_t store_time_of(uint64_t doc)
{
    return doc + 1;
}

struct store_version {
    uint64_t doc;
    uint64_t version;
    int64_t instant;
    bool is_deleted;   /* then body is empty */
    bool is_first;     /* of the resource ever */
    uint8_t origin;    /* the write's; with a body only */
    struct slice type, id;
    uint32_t splice;
    struct slice body, appendix; /* decompressed into the arena */
};

/* Beyond the horizon nothing is kept but what was current then: what was superseded
 * by then is deleted, bit by bit, and readers of an earlier time are ERR_GONE. The
 * current version of a resource stays whatever its age, its deletion too: so an id
 * stays taken and versions go on counting. The horizon only rises. */
struct store_horizon {
    uint64_t time;   /* of the earliest reader that begins; 0: any does */
    int64_t instant; /* that it stands for, in microseconds */
};
void store_horizon(struct store *store, struct store_horizon *ret);
/* Raise it by hand; at most to the visible time. It is durable when this returns,
 * what lies beyond goes later, or in store_purge(): what can go now, has gone when
 * that returns. */
MUST_USE enum err store_horizon_raise(struct store *store, uint64_t time, int64_t instant);
MUST_USE enum err store_purge(struct store *store);

/* *ret_found false: never existed. A deleted head has is_deleted. */
MUST_USE enum err store_head(struct store_reader *reader, struct slice type, struct slice id,
                             struct arena *arena, bool *ret_found, struct store_version *ret);
/* The same without reading the body. */
MUST_USE enum err store_head_meta(struct store_reader *reader, struct slice type,
                                  struct slice id, bool *ret_found, struct store_version *ret);
/* ERR_GONE: there was such a version, it is beyond the horizon or was erased. */
MUST_USE enum err store_version(struct store_reader *reader, struct slice type, struct slice id,
                                uint64_t version, struct arena *arena, bool *ret_found,
                                struct store_version *ret);
/* Versions newest first, without bodies (store_doc() fetches one), those with
 * doc < before_doc (0: from the newest) and instant >= since (INT64_MIN: all).
 * Up to `limit`; *ret_count 0 at the end. Entries are cut from the arena. */
MUST_USE enum err store_history(struct store_reader *reader, struct slice type, struct slice id,
                                uint64_t before_doc, int64_t since, size_t limit,
                                struct arena *arena, struct store_version **ret_versions,
                                size_t *ret_count);
/* How many versions the reader can still see; 0 without any. */
MUST_USE enum err store_history_count(struct store_reader *reader, struct slice type,
                                      struct slice id, uint64_t *ret_count);
/* The same oldest first: those with after_doc < doc < before_doc (0: to the newest). */
MUST_USE enum err store_history_up(struct store_reader *reader, struct slice type, struct slice id,
                                   uint64_t after_doc, uint64_t before_doc, size_t limit,
                                   struct arena *arena, struct store_version **ret_versions,
                                   size_t *ret_count);
/* The last document committed before the instant, at most the reader's; 0: none. */
MUST_USE enum err store_doc_before(struct store_reader *reader, int64_t instant,
                                   uint64_t *ret_doc);

/* Documents of all entities, deletions among them. */
struct store_changes {
    bool is_oldest_first; /* else newest first */
    struct slice type;   /* empty: all types */
    uint64_t before_doc; /* 0: from the newest */
    uint64_t after_doc;  /* down to the one above this */
    uint64_t alive_at;   /* documents up to this only if they were alive then; 0: all */
    size_t limit;
};
/* Up to `limit`, from a walk over at most STORE_CHANGES_WALK documents, so that
 * a rare type costs no more than a frequent one: then the list is short, or
 * empty, and *ret_next is what to pass as before_doc (oldest first: as after_doc)
 * to go on; 0 at the end. */
enum { STORE_CHANGES_WALK = 200 * 1000 };
MUST_USE enum err store_changes(struct store_reader *reader, const struct store_changes *query,
                                struct arena *arena, uint64_t **ret_docs, size_t *ret_count,
                                uint64_t *ret_next);

/* One document by number, body included. ERR_NOT_FOUND if erased. */
MUST_USE enum err store_doc(struct store_reader *reader, uint64_t doc, struct arena *arena,
                            struct store_version *ret);

/* ---- searching ---- */

enum plan_kind {
    PLAN_ALL,      /* every live document */
    PLAN_NONE,
    PLAN_TERM,     /* field has exactly `from` */
    PLAN_PREFIX,   /* field has a value that starts with `from` */
    PLAN_RANGE,    /* from <= value < to (byte order; empty `to`: no bound), and, if
                    * given, tail_from <= bytes at tail_at < tail_to */
    PLAN_CONTAINS, /* a value that starts with the bytes `from` and holds `needle`
                    * behind them, before the first NUL byte there (if any) */
    PLAN_ID,       /* (type, id), values in `from` and `to` */
    PLAN_SPAN,     /* documents doc_low to doc_high, both included */
    PLAN_INSTANT,  /* committed in [instant_low, instant_high) microseconds */
    PLAN_CREATED,  /* the same of the resource's first version, since it was last deleted */
    PLAN_AND,
    PLAN_OR,
    PLAN_NOT,      /* of its one child, among all live documents */
    PLAN_TEST,     /* of the live documents that its one child matches those `test` says true of */
    /* Joins through values `from` id NUL type: */
    PLAN_REFERS,   /* field has one that names a live document its first child matches; or
                    * what the second child, if any, matches itself */
    PLAN_REFERRED, /* a live document of type `to` that one names, in the field of a live
                    * document that its one child matches */
    PLAN_KNOWN,    /* the store's own: documents found before the rest is run (settle.c) */
};

/* Asked with a reader of the search's time; may search with it. Memory of `scratch` is
 * given back. From any thread. */
struct plan;
struct docset;
typedef enum err store_test(const struct plan *plan, struct store_reader *reader,
                            const struct store_version *version, struct arena *scratch,
                            bool *ret);

struct plan {
    enum plan_kind kind;
    uint32_t field;
    struct slice from, to, tail_from, tail_to, needle;
    size_t tail_at; /* 0: the last 8 bytes */
    /* PREFIX and RANGE: behind parts_at the value is cut at NULs, and each part
     * here that has bytes must be equal to the one there. */
    struct slice *parts;
    size_t part_count, parts_at;
    /* PREFIX and CONTAINS: of the values that fit so far only those that it says true
     * of; NULL: all. It may be asked from any thread. */
    bool (*accepts)(const struct plan *plan, struct slice value);
    const void *accepts_context; /* its own */
    store_test *test; /* of PLAN_TEST */
    const void *test_context; /* its own */
    int64_t instant_low, instant_high;
    uint64_t doc_low, doc_high;
    struct plan **children;
    size_t child_count;
    /* The store's own; NULL in all other plans. */
    const struct docset *known; /* of PLAN_KNOWN */
    const struct plan *origin;  /* what of the caller's plan this is a copy of */
};

/* Is this value one that a TERM, PREFIX, RANGE or CONTAINS asks for? For values that
 * no reader sees yet. */
bool store_value_fits(const struct plan *leaf, struct slice value);

/* What a reader's searches may cost and did. A unit is about the work of looking at
 * one value of an index; a block of 65,536 documents, a piece of postings and a
 * document that a join follows are several. */
enum {
    STORE_LOOK_UNITS = 20 * 1000, /* some milliseconds, with joins some fifty */
    STORE_MEMORY_BYTES = 512 << 20,
};
struct store_work {
    uint64_t limit;          /* past it a search is ERR_LIMIT; 0: none */
    uint64_t done;
    uint64_t level_limit;    /* matches of one level of a join; 0: STORE_JOIN_MAX */
    uint64_t asked;          /* documents that were asked one by one */
    size_t memory_bytes;     /* of what a count or measure may take; 0: STORE_MEMORY_BYTES */
    /* Looked at now and then: true, and a search is ERR_LIMIT with is_left. May be NULL. */
    bool (*leaves)(void *context);
    void *leaves_context;
    uint64_t next_look;      /* when `done` is so much */
    bool is_left;
    const struct plan *step; /* what passed a limit; NULL: nothing did */
    bool is_level;           /* it was level_limit */
};
/* Borrowed until the reader ends, or another is given; NULL: none. */
void store_reader_work(struct store_reader *reader, struct store_work *work);
/* Work that a `test` does itself for the plan. ERR_LIMIT past the limit. */
MUST_USE enum err store_reader_spend(struct store_reader *reader, const struct plan *plan,
                                     uint64_t units);

/* A part of a plan that was not run: as few documents were left, each was asked. */
enum { STORE_ASKED_MAX = 16 };
struct store_asked {
    const struct plan *plan;
    uint64_t documents;
};

/* A plan, or a part of one, run for its figures. */
struct store_measure {
    uint64_t estimate;  /* of documents, before any block was read */
    uint64_t documents; /* alive */
    uint64_t blocks;    /* of up to 65,536 documents that it came in */
    uint64_t work;
    struct store_asked asked[STORE_ASKED_MAX];
    size_t asked_count;
};
MUST_USE enum err store_measure(struct store_reader *reader, const struct plan *plan,
                                struct store_measure *ret);

/* May a search have to wait, for what a start or damage left to be derived? */
bool store_search_waits(struct store *store);

/* Live documents that match, ascending by doc, those above `after` (0: from the
 * start), up to `limit`. Fewer than `limit` means the end. The list is cut from
 * the arena; ERR_LIMIT when it has no room. */
/* A join follows at most STORE_JOIN_MAX documents or values, then ERR_LIMIT. */
enum { STORE_JOIN_MAX = 1000000 };
MUST_USE enum err store_search(struct store_reader *reader, const struct plan *plan,
                               uint64_t after, size_t limit, struct arena *arena,
                               uint64_t **ret_docs, size_t *ret_count);
MUST_USE enum err store_count(struct store_reader *reader, const struct plan *plan,
                              uint64_t *ret_count);

/* The last `limit` of them below `before`, ascending: read from there back, so that the
 * cost is that of what is found. */
MUST_USE enum err store_search_back(struct store_reader *reader, const struct plan *plan,
                                    uint64_t before, size_t limit, struct arena *arena,
                                    uint64_t **ret_docs, size_t *ret_count);

/* ---- in the order of values ---- */

/* What a plan matches, to be gathered or to be walked in an order. Lives in the arena,
 * and as long as the reader. */
struct store_matches;
MUST_USE enum err store_matches_open(struct store_reader *reader, const struct plan *plan,
                                     struct arena *arena, struct store_matches **ret);
/* How many at most, as far as is known before a block is read. */
uint64_t store_matches_estimate(const struct store_matches *matches);
/* All, ascending, up to `limit`, as store_search() gives them. */
MUST_USE enum err store_matches_gather(struct store_matches *matches, size_t limit,
                                       struct arena *arena, uint64_t **ret_docs,
                                       size_t *ret_count);

/* The values of a field that begin with `prefix`; their keys are the bytes behind it. */
struct store_part {
    uint32_t field;
    struct slice prefix; /* not empty */
};
struct store_order {
    const struct store_part *parts; /* merged */
    size_t part_count;
    size_t key_bytes; /* a key has so many; 0: it ends before the first NUL */
    bool is_descending;
    bool is_implied;  /* who has such a value matches the plan */
    bool has_from;    /* begin with the key `from`, be it there or not, not with the first */
    struct slice from;
    uint64_t budget;  /* of postings looked at, then ERR_BUSY; 0: none */
};
/* Walks the keys that matches have, the matches of each at once: so a document comes
 * once for each of its keys, a page costs what it holds, and nothing is put in order. */
struct store_walk;
MUST_USE enum err store_walk_open(struct store_matches *matches, const struct store_order *order,
                                  struct arena *arena, struct store_walk **ret);
/* The next key, matches or not; *ret_any false at the end. It lives until the next call. */
MUST_USE enum err store_walk_next(struct store_walk *walk, bool *ret_any, struct slice *ret_key);
/* Of the key's matches those between `after` and `before` (both excluded), ascending; up
 * to `limit`: the first ones, or the last ones. */
struct store_between {
    uint64_t after, before;
    bool is_from_end;
    size_t limit;
};
MUST_USE enum err store_walk_docs(struct store_walk *walk, const struct store_between *between,
                                  struct arena *arena, uint64_t **ret_docs, size_t *ret_count);
/* The matches that have no such value. One pass over them all. */
MUST_USE enum err store_walk_missing(struct store_walk *walk, const struct store_between *between,
                                     struct arena *arena, uint64_t **ret_docs,
                                     size_t *ret_count);
/* About how many postings the parts have; counted no further than `enough`. */
MUST_USE enum err store_order_size(struct store_reader *reader, const struct store_order *order,
                                   uint64_t enough, uint64_t *ret_postings);

/* Every value of a field with its documents, dead ones and those above the
 * reader's time included; a value may come in several pieces, in no order to rely
 * on. Stops at the first error. */
typedef enum err store_value_visit(void *context, struct slice value, const uint64_t *docs,
                                   size_t count);
MUST_USE enum err store_scan(struct store_reader *reader, uint32_t field,
                             store_value_visit *visit, void *context);

/* ---- a compartment's documents by type ---- */

/* One value that a field has under a prefix, with its live documents: how
 * $everything gets its members sorted by type, then commit. */
struct store_value {
    struct slice value; /* in the arena */
    uint64_t *docs;     /* live at the reader's time, ascending */
    size_t doc_count;
};
MUST_USE enum err store_values(struct store_reader *reader, uint32_t field, struct slice prefix,
                               struct arena *arena, struct store_value **ret_values,
                               size_t *ret_count);

/* Bodies of documents in the order given, `count` of them but those that were erased
 * meanwhile, each handed to `visit` with the arena rewound in between. Reads a record
 * that lies together with one iterator. Stops at the first error and returns it. */
typedef enum err store_visit(void *context, const struct store_version *version);
MUST_USE enum err store_docs(struct store_reader *reader, const uint64_t *docs, size_t count,
                             struct arena *scratch, store_visit *visit, void *context);
/* Where a visited document stands in the list, which has it at `from` or behind:
 * who counts visits alone is one off for each that was passed over. */
static inline size_t store_docs_place(const uint64_t *docs, size_t from, uint64_t doc)
{
    while (docs[from] != doc)
        from++;
    return from;
}

/* ---- small records ---- */

/* Compare-and-set records for the control plane and settings: `expected` empty
 * means "absent", an empty `value` removes. ERR_CONFLICT when it differs. Durable on
 * return. */
MUST_USE enum err store_meta_get(struct store *store, struct slice key, struct arena *arena,
                                 bool *ret_found, struct slice *ret_value);
MUST_USE enum err store_meta_set(struct store *store, struct slice key, struct slice expected,
                                 struct slice value);

/* ---- rules of single fields ---- */

/* From now on these rules hold, all of them. A field that is new or whose hash is
 * another becomes *not ready*: its postings so far are never seen again, commits
 * bring its terms from here on, and those of the documents before are derived from
 * the bodies in the background, on and on over restarts and kills, until it is ready
 * at once. A field that is no longer listed is found by nothing. Searches that use a
 * field which is not ready are ERR_NOT_READY. Without documents all are ready.
 *
 * The new rules must be known to `extract` before this is called. A write whose terms
 * were made under another number than the store's has them made again by `extract`, so
 * that none is lost in between. Rules are compared with those of the last time at
 * every opening, in the same way. ERR_LIMIT: more than 65,536; ERR_IO, ERR_NO_MEMORY;
 * ERR_BUSY: the index is not whole yet. */
MUST_USE enum err store_rules_set(struct store *store, const struct store_rules *rules);

/* Derive these fields again, as if their rules had changed. Those without a rule are
 * passed over. `fields` NULL: write every segment of the index again from the bodies; searches
 * are answered meanwhile, but for fields that were derived later than their documents, which
 * are derived again. */
MUST_USE enum err store_rebuild(struct store *store, const uint32_t *fields, size_t count);

struct store_rule_state {
    bool is_known; /* the field has a rule */
    bool is_ready;
    uint64_t done, whole; /* documents, while it is not */
};
void store_rule_state(struct store *store, uint32_t field, struct store_rule_state *ret);

/* ---- erasing ---- */

/* A resource that is to vanish: with all of its versions, or those named alone, none
 * of which is its newest. */
struct store_target {
    struct slice type, id;
    const uint64_t *docs; /* NULL: all */
    size_t doc_count;
    uint64_t newest; /* only while this is its newest version; 0: whichever is */
};
enum store_erasure_stage { STORE_ERASING = 1, STORE_ERASED };
struct store_erasure {
    uint64_t number;
    uint8_t stage;       /* enum store_erasure_stage */
    uint64_t resources;  /* that vanished whole, or were known as the home of others only */
    uint64_t versions;   /* of these and others */
    uint64_t moved;      /* targets that had another newest version and stay; of the call alone */
    int64_t begun, ended;
    uint64_t files, found; /* once it is done: of so many files that the store then had, so
                            * many held one of the ids (of 8 bytes or more), as what refers
                            * to them does; files 0: they were not searched, for a crash
                            * came between */
};
/* When this returns, no reader that begins finds any of it, at no time, and the ids
 * are free: used again, versions begin at 1. Later a thread of the store removes it
 * from its files: rows, segments of the index, log; proves that it is gone; and goes
 * on with that after a restart. Targets that are not there are passed over;
 * ret->versions and resources 0: nothing was there, there is no erasure.
 * ERR_READ_ONLY, ERR_NO_MEMORY, ERR_IO: part of it may have been hidden. */
MUST_USE enum err store_erase(struct store *store, const struct store_target *targets,
                              size_t count, struct arena *arena, struct store_erasure *ret);
bool store_erasure_find(struct store *store, uint64_t number, struct store_erasure *ret);
/* How many are not finished. */
uint64_t store_erasures_open(struct store *store);
/* Every document whose body lies in the home of this (type, id), its own versions and
 * deletions among them: `version` has doc, type, id and is_deleted, for the time of
 * the call. Stops at the first error. */
MUST_USE enum err store_scan_home(struct store_reader *reader, struct slice type,
                                  struct slice id, store_visit *visit, void *context);
/* Every value of a field under a prefix with its documents, as store_scan(), those
 * included that only earlier times see. */
MUST_USE enum err store_scan_past(struct store_reader *reader, uint32_t field,
                                  struct slice prefix, store_value_visit *visit, void *context);

/* ---- care ---- */

/* How long something took, counted: bucket i holds what took at most
 * STORE_TIME_BOUNDS_US[i], the last one all that took longer. */
enum { STORE_TIME_BUCKETS = 12 };
extern const uint32_t STORE_TIME_BOUNDS_US[STORE_TIME_BUCKETS - 1];
struct store_times {
    uint64_t buckets[STORE_TIME_BUCKETS];
    uint64_t sum_us;
};

struct store_figures {
    uint64_t documents;      /* last number handed out */
    uint64_t commits;
    uint64_t syncs;          /* of the log: below commits when they share */
    uint64_t ordered_ns;     /* time inside the ordered section, all commits */
    uint64_t ordered_docs;   /* documents that passed it */
    struct store_times commit_times; /* from store_apply() to its writes being visible */
    struct store_times sync_times;   /* of the log */
    bool is_read_only;
    bool is_full;            /* less than the reserve is free: writes wait for space */
    uint64_t disk_free_bytes; /* as of the last look, a second ago at most */
    bool index_is_ready;     /* the tail has been derived again, and no file is lost */
    uint64_t horizon_doc;    /* readers before it are refused; 0: none is */
    int64_t horizon_instant;
    uint64_t purged_doc;     /* what was superseded up to here is deleted: behind
                              * horizon_doc while that goes on */
    uint64_t deleted_docs;   /* since the store was opened */
};
void store_figures(struct store *store, struct store_figures *ret);

/* Of the index. */
struct store_index_figures {
    uint32_t runs;               /* in memory */
    uint32_t segments;           /* files that a search of now reads */
    uint32_t past_segments;      /* files that only a search of an earlier time reads */
    uint32_t side_segments;      /* files of fields that were derived later than documents */
    uint32_t fields_not_ready;   /* fields that are being derived, */
    uint64_t fields_done, fields_whole; /* and how far the scan for the first of them is */
    uint64_t segment_bytes, past_bytes;
    uint64_t tail_docs;          /* documents that are in runs only, and would be derived */
    uint64_t tail_bytes;         /* again after a crash; memory of those runs */
    uint64_t merge_debt;         /* postings that merges which are due have to write */
    uint64_t merges;             /* since the store was opened, */
    uint64_t merged_postings;    /* postings they read, */
    uint64_t merge_failures;     /* and how often one failed and is tried again */
    const char *damage;          /* of what was found wrong; empty: nothing. Static or the
                                  * store's own */
    uint64_t damaged_segment;    /* file number of the last one found damaged while open,
                                  * until it is written again; 0: none */
    uint32_t damaged_segments;   /* files that are being written again from the bodies, or */
    uint64_t repair_done, repair_whole; /* wait for it; documents of the first of them */
    uint64_t lost_docs;          /* documents whose file cannot be read: until they are derived
                                  * again, what asks the index is ERR_NOT_READY */
};
void store_index_figures(struct store *store, struct store_index_figures *ret);

/* ---- checking ---- */

/* X(name, repair, what, remedy): what a check can find. With repair it is of the index, and
 * is derived again from the bodies; the others are of the truth, and stay. */
#define STORE_FINDINGS(X)                                                                       \
    X(SEGMENT, true, "a segment of the index is damaged",                                       \
      "it is written again from the bodies")                                                    \
    X(TERM_MISSING, true, "the index lacks a term of the body",                                 \
      "check with repair, which derives it again from the bodies")                              \
    X(TERM_FALSE, true, "the index holds a term that the body does not have",                   \
      "check with repair, which derives it again from the bodies")                              \
    X(TERMS, true, "the index differs from the terms of a body",                                \
      "check with repair, which derives it again from the bodies")                              \
    X(PLACE_MISSING, false, "a document has no place", "restore the store from a backup")       \
    X(PLACE, false, "a document's place differs from its version",                              \
      "restore the resource from a backup, or write it again")                                  \
    X(VERSION_MISSING, false, "a document's version is missing",                                \
      "restore the resource from a backup, or write it again")                                  \
    X(CHAIN, false, "the chain of versions is broken",                                          \
      "the current version is served; restore its history from a backup")                       \
    X(DEATH, false, "a document's death differs from the version after it",                     \
      "write the resource again, or restore it from a backup")                                  \
    X(HEAD_MISSING, false, "a document's resource has no head",                                 \
      "write the resource again, or restore it from a backup")                                  \
    X(HEAD, false, "the head differs from its version",                                         \
      "write the resource again, or restore it from a backup")                                  \
    X(HEAD_LOST, false, "a head names a document that is not there",                            \
      "write the resource again, or restore it from a backup")                                  \
    X(ENTITY, false, "an entity's row is damaged",                                              \
      "write the resource again, or restore it from a backup")                                  \
    X(BODY_MISSING, false, "a document's body is missing or damaged",                           \
      "restore the resource from a backup, or write it again")                                  \
    X(BODY_HEAD, false, "a body's header differs from its place",                               \
      "restore the resource from a backup, or write it again")                                  \
    X(BODY, false, "a body cannot be read",                                                     \
      "restore the resource from a backup, or write it again")                                  \
    X(BODY_HASH, false, "a body differs from its hash",                                         \
      "restore the resource from a backup, or write it again")                                  \
    X(UNREADABLE, false, "a row of the truth cannot be read",                                   \
      "restore the store from a backup")

enum store_finding_kind {
#define STORE_FINDING_ENUM(name, repair, what, remedy) STORE_FINDING_##name,
    STORE_FINDINGS(STORE_FINDING_ENUM)
#undef STORE_FINDING_ENUM
        STORE_FINDING_KINDS
};

enum store_finding_state { STORE_FINDING_STANDS, STORE_FINDING_REPAIRING, STORE_FINDING_REPAIRED };

struct store_finding {
    uint8_t kind, state;
    bool has_field;
    uint64_t doc;     /* 0: none */
    uint64_t last;    /* of a segment: its last document, `doc` being the first; else 0 */
    uint32_t field;   /* of a term, as callers call it */
    uint64_t segment; /* file number; 0: none */
    int64_t instant;  /* when it was found */
    /* Of the document, in the arena; empty where it is gone, or cannot be read. */
    struct slice type, id;
    uint64_t version;
};
const char *store_finding_text(uint8_t kind), *store_finding_remedy(uint8_t kind);
/* May a check with repair mend it? */
bool store_finding_is_mended(uint8_t kind);

enum store_check_stage {
    STORE_CHECK_NONE,      /* there was never one */
    STORE_CHECK_RUNNING,
    STORE_CHECK_DONE,
    STORE_CHECK_CANCELLED,
    STORE_CHECK_FAILED,    /* what could not be read at all; see `err` */
};
/* What it looks at, in this order. */
enum store_check_phase {
    STORE_CHECK_SEGMENTS,  /* every block of the index's files; counted in bytes */
    STORE_CHECK_DOCUMENTS, /* rows, bodies, terms against the index */
    STORE_CHECK_RESOURCES, /* heads */
    STORE_CHECK_REPAIRS,   /* waits until what was wrong is right, and looks again */
    STORE_CHECK_PHASES
};
const char *store_check_phase_name(uint8_t phase);

struct store_check_order {
    bool repair;
    uint64_t rate; /* documents a second at most, resources too, and of the index's files
                    * 4 KB count as one; 0: as fast as it goes. In any case it sleeps as long as
                    * it worked while anybody reads or writes */
};
enum { STORE_CHECK_RATE_MAX = 1000 * 1000 * 1000 };

struct store_check_state {
    uint64_t number;       /* they are counted */
    uint8_t stage, phase;
    struct store_check_order order;
    int64_t begun, ended;
    uint64_t done, whole;  /* of the phase; whole 0: nobody knows */
    uint64_t documents;    /* to be looked at: those that there were when it began */
    uint64_t checked;      /* of them, */
    uint64_t resources;    /* and so many heads; deleted ones too */
    uint64_t findings, repaired;
    uint64_t per_second;   /* of `done`, lately; 0: unknown */
    int64_t left_us;       /* what is left of the phase at that rate; -1: unknown */
    enum err err;
};

/* Look at everything in the background: every block of the index against its checksum,
 * every document's rows against one another, every body against its hash and its terms
 * against the index, both ways; while the store is read and written. It goes on after a
 * stop or a kill, where it was. With `repair` what is wrong of the index is derived again:
 * a field that has a rule as store_rebuild() does, else whole segments; what needs them
 * is ERR_NOT_READY meanwhile. ERR_CONFLICT: one runs; ERR_READ_ONLY. */
MUST_USE enum err store_check_start(struct store *store, const struct store_check_order *order,
                                    uint64_t *ret_number);
/* Ends what runs; what it found stays to be read until the next begins. */
MUST_USE enum err store_check_cancel(struct store *store);
/* Of the one that runs, or of the last one. */
void store_check_look(struct store *store, struct store_check_state *ret);
/* Its findings from the `from`th on, up to `limit`; no more than STORE_FINDINGS_MAX are
 * kept, the others are only counted. */
enum { STORE_FINDINGS_MAX = 10000 };
MUST_USE enum err store_check_findings(struct store *store, size_t from, size_t limit,
                                       struct arena *arena, struct store_finding **ret,
                                       size_t *ret_count);

/* The same at once, by the caller's thread, of which nothing is kept and which repairs
 * nothing. Calls `report` for each finding. */
typedef void store_report(void *context, const char *what, struct slice type, struct slice id);
MUST_USE enum err store_check(struct store *store, store_report *report, void *context,
                              uint64_t *ret_checked);

#endif
