/* sync/reason.h - why a server refused, in its own words, made safe to print.
 *
 * Reads an OperationOutcome (diagnostics or details.text), AWS's and Flexpa's
 * {"message"}, or nothing. The words are cut to a line without control
 * characters. Servers may quote a value in them: they are shown in reports
 * because without them nobody can repair what failed.
 */
#ifndef SYNC_REASON_H
#define SYNC_REASON_H

#include "base/arena.h"
#include "base/err.h"
#include "json/json.h"
#include "sync/spool.h"

enum { REASON_TEXT_BYTES = 300, REASON_BODY_BYTES = 256 * 1024 };

struct reason {
    struct slice code;   /* of the first issue: "transient", "throttled"; empty if none */
    struct slice text;   /* a line; empty if the body says nothing */
    struct json outcome; /* the parsed body; absent if it was no JSON */
};

/* What the body of an answer says; texts in the arena. Never fails: what cannot
 * be read says nothing. */
void reason_read(const struct spool *answer, struct arena *arena, struct reason *ret);
/* The same of an OperationOutcome inside a document. */
void reason_of(struct json outcome, struct arena *arena, struct reason *ret);
/* The words of one issue. */
struct slice reason_issue_text(struct json issue, struct arena *arena);
/* The number in "Bundle.entry[3]..." of an issue's expression or location; -1. */
int64_t reason_issue_entry(struct json issue);

#endif
