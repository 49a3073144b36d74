/* store/embedded/check.h - looking whether everything agrees, while the store serves.
 *
 *   segments    every block of every file                      check.c
 *   documents   in windows: sums of what the index holds of     check_index.c
 *               each document; then, one by one, its rows       check_truth.c
 *               against one another and its terms against the
 *               sum; those that differ are compared term by term
 *   resources   heads that no document led to                  check_truth.c
 *
 * checker.c is the thread that does this in the background, remembers where it is, and
 * has repaired what was found.
 *
 * No writer waits for it, so what it reads may change while it does. Of the truth
 * nothing is told that was not read twice in a row with the same bytes: a commit, a
 * purge and an erasure change all rows of a document with one batch, so what was read
 * then stood there at one time. Of the index one view is compared, with the rules that
 * held for it, and only documents that it must have: those that are alive, or dead above
 * the horizon. A view, an iterator and a pinned row are held inside the gate alone, so
 * that an erasure that has waited for the gate knows of no reader of old files.
 */
#ifndef STORE_EMBEDDED_CHECK_H
#define STORE_EMBEDDED_CHECK_H

#include "base/buf.h"
#include "store/embedded/chunk.h"

enum {
    CHECK_WINDOW_DOCS = 1 << 20,  /* 8 bytes each; the keys of the index are read once a
                                   * window */
    CHECK_PIECE_DOCS = 64,        /* looked at between two looks at the clock */
    CHECK_SUSPECTS_MAX = 4096,    /* compared term by term at once, */
    CHECK_CONFIRMS_MAX = 4,       /* so often a window; more differ as wholes */
    CHECK_BYTES_A_UNIT = 4096,    /* of the index, count as one document */
};

/* What is found is told by the thread that checks. */
typedef enum err check_found(void *context, const struct store_finding *finding);

struct check {
    struct store *store;
    check_found *found;
    void *context;
    bool waits;  /* for what is being written again; else such documents are passed over */
    bool (*stops)(void *context); /* asked now and then; may be NULL */
    uint64_t rate;

    /* Pace. */
    uint64_t units, rested_units; /* done, and when it last slept */
    int64_t rested_us;            /* monotonic */
    bool is_inside;
    uint64_t gate_place;

    /* The window. */
    uint64_t first, last; /* documents */
    uint64_t *sums;       /* owned; what the index holds of each */
    uint64_t sums_room;
    struct fields *fields; /* one reference; as of the sums */
    struct check_range *skipped; /* owned; documents whose segments cannot be read */
    uint32_t skipped_count;
    bool has_told_damage;
    uint64_t suspects[CHECK_SUSPECTS_MAX];
    uint32_t suspect_count, confirms;
    uint32_t seen_place;         /* the last one asked about, */
    bool seen_any, seen_compared; /* and the answer */
};

struct check_range {
    uint64_t first, last;
};

void check_init(struct check *c, struct store *store);
void check_release(struct check *c);

/* Inside the gate and out of it. */
void check_gate_in(struct check *c);
void check_gate_out(struct check *c);
/* So much was done: sleep now and then. ERR_BUSY: stop. */
MUST_USE enum err check_pace(struct check *c, uint64_t units);
MUST_USE enum err check_sleep(struct check *c, int64_t us);

/* One file after the other: the next one of a number above *number, and below `end`.
 * *ret_bytes: what it has; 0: there is none. `step` hears how much of it was read. */
typedef void check_step(void *context, uint64_t bytes);
MUST_USE enum err check_segment(struct check *c, uint64_t end, uint64_t *number,
                                check_step *step, uint64_t *ret_bytes);

/* Documents first .. last, at most CHECK_WINDOW_DOCS, against the index: sums them, then
 * check_documents() a few at a time, then check_window_end(). ERR_CONFLICT from either:
 * what fields are called has changed, the window is to be begun again where it was. */
MUST_USE enum err check_window_begin(struct check *c, uint64_t first, uint64_t last);
MUST_USE enum err check_documents(struct check *c, uint64_t from, uint64_t to);
MUST_USE enum err check_window_end(struct check *c);

/* Some heads from the type `*type` and, of it, the id behind *after on; *ret_any false:
 * there is none any more. */
MUST_USE enum err check_heads(struct check *c, struct buf *after, uint64_t *ret_count,
                              bool *ret_any);

/* All that is known of one document (check_truth.c). */
struct check_doc {
    uint64_t doc, killer;
    bool is_there;    /* it has a place and a body, */
    bool is_sound;    /* whose bytes are those that were written */
    bool is_deleted;
    uint16_t type;
    struct slice id, body; /* in the arena */
};
/* Reads it, and tells what is wrong of the truth. */
MUST_USE enum err check_truth(struct check *c, uint64_t doc, struct arena *arena,
                              struct check_doc *ret);
/* Was the document dead at the horizon? Then the index may have nothing of it. */
bool check_is_beyond(const struct check *c, uint64_t doc);

/* Compare these documents, ascending, term by term with the index as it is now.
 * Differences are told. ERR_CONFLICT as above. */
MUST_USE enum err check_exactly(struct check *c, const uint64_t *docs, uint32_t count);

/* Type, id and version of the finding's document, into the arena, if it is there. */
MUST_USE enum err check_name(struct store *store, struct store_finding *f, struct arena *arena);
MUST_USE enum err check_tell(struct check *c, enum store_finding_kind kind, uint64_t doc);

#endif
