/* rest/explain.h - how a search was done, for its client.
 *
 * Each step of the plan is run again by itself at the same reader time, so that its
 * figures are its own: what was estimated, how many documents it has, in how many
 * blocks, at what cost.
 */
#ifndef REST_EXPLAIN_H
#define REST_EXPLAIN_H

#include "rest/request.h"

/* What finding the page itself took. */
struct explain_page {
    size_t count;
    uint64_t work;
    uint64_t asked; /* documents, one by one */
    int64_t microseconds;
    const char *strategy; /* of finding it */
    const struct custom_set *customs; /* for the names of steps; held by the caller */
};

/* An OperationOutcome with an issue for the page and one for each step, indented in
 * the plan's shape; the figures are in extensions urn:tarn:explain, too. The
 * reader's work bounds it: a step past the budget says so. */
MUST_USE enum err explain_append(struct store_reader *reader, const struct plan *plan,
                                 const struct explain_page *page, struct arena *arena,
                                 struct buf *out);

/* For a search that is ERR_NOT_READY: an issue for each step, which says whether what it
 * needs is ready or how far it is. */
void explain_unready(struct store *store, const struct plan *plan,
                     const struct custom_set *customs, struct arena *arena,
                     struct issues *issues);

#endif
