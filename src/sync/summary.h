/* sync/summary.h - a member's record as a page for people.
 *
 * Knows no resource type: it shows the elements that many types share (a name, a
 * code or type, a status, the date that $everything goes by, a total), found by
 * name and by the generated tables. Private to sync/.
 */
#ifndef SYNC_SUMMARY_H
#define SYNC_SUMMARY_H

#include "base/buf.h"
#include "base/err.h"
#include "sync/member.h"

/* Per type: how many, from when to when, and the newest few. */
MUST_USE enum err summary_write(const struct member *m, struct buf *out);

#endif
