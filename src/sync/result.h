/* sync/result.h - the account of one consent while it is made.
 *
 * Private to sync/. Texts go to the report's arena. */
#ifndef SYNC_RESULT_H
#define SYNC_RESULT_H

#include "sync/member.h"
#include "sync/sync.h"

struct result {
    struct sync_result *public; /* in the report */
    struct arena *arena;        /* the report's */
    struct sync_failure **tail;
    uint64_t failures_kept;
};

void result_init(struct result *r, struct sync_result *public, struct arena *arena);

/* Count a failure and, up to SYNC_FAILURES_MAX, note what and why; memory
 * shortage drops the note, never the count. */
void result_fail(struct result *r, struct slice resource, struct slice reason);
void result_fail_entry(struct result *r, uint64_t entry, const char *reason);
void result_fail_row(struct result *r, struct member *m, struct member_row *row,
                     struct slice reason);

/* The consent as a whole failed: for `return result_problem(...)`. The first
 * problem stays. */
MUST_USE enum err result_problem(struct result *r, enum err err, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Every row that still waits gets this failure. */
void result_fail_rest(struct result *r, struct member *m, struct slice reason);

/* At the end: count the rows' states and the types. */
void result_close(struct result *r, struct member *m);

#endif
