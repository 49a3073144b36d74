/* sync/answer.h - what the target says about each entry of a bundle.
 *
 * 201 means created. 200 means stored, and whether that changed anything is known
 * only from one of these, in this order:
 *
 *   compared   the row was read before and differed
 *   told       the target applied `Prefer: return=OperationOutcome` and says so of
 *              unchanged entries (Tarn does)
 *   clock      the target is Tarn: lastModified lies before the request began, by
 *              the target's own clock, whose Date header counts in whole seconds;
 *              in the seconds of doubt neither is claimed
 *   ledger     what was stored last time was, or was not, the same
 *
 * Without any it is "updated or unchanged".
 */
#ifndef SYNC_ANSWER_H
#define SYNC_ANSWER_H

#include "sync/ledger.h"
#include "sync/member.h"
#include "sync/result.h"
#include "sync/target.h"

#define ANSWER_UNCHANGED_SYSTEM "urn:tarn:outcome"

struct answer_rules {
    const struct ledger *ledger; /* NULL: none */
    bool is_told;
    bool has_clock;
    int64_t began_us; /* the request began, by the target's clock: not before */
    int64_t ended_us; /* first instant that surely is the request's own */
};

/* Rules for the answer of an exchange that took `took_us`. */
struct answer_rules answer_rules(const struct target *t, const struct http_exchange *x,
                                 int64_t took_us, const struct ledger *ledger);

/* Read the answer in session->answer to the bundle of these rows, in their order,
 * and set each row's state. Rows to try again (passing trouble in a batch) stay
 * MEMBER_WAITING. ERR_INVALID when the answer is no Bundle with as many entries:
 * rows without an entry stay waiting. */
MUST_USE enum err answer_account(const struct session *s, const struct answer_rules *rules,
                                 struct member *m, const uint32_t *rows, uint32_t count,
                                 struct result *r);

/* A refused transaction: nothing is stored. Rows that the outcome names fail with
 * its words, the others because of them. */
void answer_refused(const struct session *s, int status, struct member *m,
                    const uint32_t *rows, uint32_t count, struct result *r);

/* Whether the refusal is about the bundle's size, so that a smaller one may pass. */
bool answer_is_limit(const struct session *s, int status);

#endif
