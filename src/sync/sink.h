/* sync/sink.h - a member's rows into the target, every answer entry accounted for.
 *
 *   answer to a bundle             what is done
 *   2xx                            each entry judged by its own status (answer.h)
 *   413, or 400/422 for its size   the bundle is halved and sent again; the limit is
 *                                  remembered for the rest of the run
 *   408, 409, 429, 5xx, network    tried again (PUTs may be repeated), then given up
 *   401, 403                       the run's credentials are at fault: all stops
 *   other 4xx                      a transaction stored nothing: its entries failed,
 *                                  with the words for each that the answer names
 *
 * In a batch, entries that were throttled or met passing trouble are gathered and
 * sent again.
 */
#ifndef SYNC_SINK_H
#define SYNC_SINK_H

#include "sync/answer.h"
#include "sync/ledger.h"
#include "sync/member.h"
#include "sync/result.h"
#include "sync/target.h"

/* Send all rows that wait. An error means that it stopped early: then the rows
 * left over have failed and result->problem says why. */
MUST_USE enum err sink_send(struct target *t, struct member *m, const struct ledger *ledger,
                            struct result *r);

/* Only plan: bundles, bytes, and what could not be sent. */
MUST_USE enum err sink_plan(struct target *t, struct member *m, struct result *r);

/* Read every row from the target; those that say the same are marked unchanged
 * and not sent, those there that differ are remembered as such. */
MUST_USE enum err sink_compare(struct target *t, struct member *m, struct result *r);

#endif
