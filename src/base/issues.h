/* base/issues.h - what a person should read about a request.
 *
 * A list of findings that any layer may add to and only the edge renders (as
 * an OperationOutcome or an AWS error). Texts are copied into the arena of the
 * request. The list is bounded: past ISSUES_MAX findings only the count grows.
 */
#ifndef BASE_ISSUES_H
#define BASE_ISSUES_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"

enum { ISSUES_MAX = 200 };

enum issue_severity { ISSUE_FATAL, ISSUE_ERROR, ISSUE_WARNING, ISSUE_INFORMATION };

struct issue {
    struct issue *next;
    enum issue_severity severity;
    const char *code;        /* of value set issue-type: "invalid", "not-found", ... static */
    struct slice text;       /* names the thing, the place and the remedy */
    struct slice expression; /* FHIRPath, or "http." and a parameter's name; may be empty */
    struct slice rule;       /* key of the rule that was broken: "per-1"; may be empty */
    struct slice profile;    /* canonical that demands it; may be empty */
    uint32_t line, column;   /* in the request's body; 0: nowhere */
};

struct issues {
    struct arena *arena; /* borrowed */
    struct issue *first;
    struct issue **tail;
    struct issue *last; /* what was added last; NULL when it was not kept */
    size_t count; /* of all findings, also those past ISSUES_MAX */
    struct slice parameter; /* what is looked at: findings without an expression of their
                               own get "http." and this; empty: nothing. Whoever sets
                               it empties it again */
};

void issues_init(struct issues *list, struct arena *arena);

/* Add a finding; memory shortage drops the text, never the count. `code` must
 * be static. `expression` is copied and may be SLICE_NONE. */
void issues_add(struct issues *list, enum issue_severity severity, const char *code,
                struct slice expression, const char *format, ...) PRINTF_LIKE(5, 6);

/* Where the finding added last was met. */
void issues_locate(struct issues *list, uint32_t line, uint32_t column);
/* By which rule, of which profile (copied; may be empty). */
void issues_demand(struct issues *list, struct slice rule, struct slice profile);

/* Move all findings of one list behind those of another of the same arena. */
void issues_move(struct issues *to, struct issues *from);

/* Forget what was added since *before was copied from *list. */
void issues_rewind(struct issues *list, const struct issues *before);

/* Add an error and return `err`, for `return issues_fail(...)`. */
MUST_USE enum err issues_fail(struct issues *list, enum err err, const char *code,
                              const char *format, ...) PRINTF_LIKE(4, 5);

#endif
