/* sync/ledger.h - what was stored last time, for targets that do not tell.
 *
 * One file per target and consent in --state DIR, replaced atomically after each
 * sync, mode 0600. No names and no health data in it, only hashes:
 *
 *   offset  bytes
 *   0       8      "TARNLED1"
 *   8       8      hash of the target's endpoint, big-endian as all numbers
 *   16      8      count n
 *   24      16 n   n pairs, rising by name: hash of "Type/id", hash of what it said
 *   24+16n  8      XXH3 of everything before
 *
 * A pair says: the target acknowledged this content of this resource. A file that
 * is damaged or of another target is treated as absent.
 */
#ifndef SYNC_LEDGER_H
#define SYNC_LEDGER_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "sync/member.h"

enum ledger_verdict { LEDGER_UNKNOWN, LEDGER_SAME, LEDGER_OTHER };

struct ledger {
    struct buf pairs; /* owned; the file's content */
    size_t count;
};

void ledger_init(struct ledger *l);
void ledger_release(struct ledger *l);

/* Can ledgers be written in the folder (made if absent)? Asked before anything is
 * sent, so that no sync ends with a record stored and not remembered. ERR_IO. */
MUST_USE enum err ledger_check(const char *folder);
/* Read the ledger of a consent; an absent or damaged one is empty. */
MUST_USE enum err ledger_load(struct ledger *l, const char *folder, struct slice endpoint,
                              struct slice consent);
/* What the ledger knows of a row's present content. */
enum ledger_verdict ledger_ask(const struct ledger *l, const struct member *m,
                               const struct member_row *row);
/* Write it with the rows that are stored now put in; those not delivered this
 * time stay. */
MUST_USE enum err ledger_store(const struct ledger *l, const struct member *m,
                               const char *folder, struct slice endpoint, struct slice consent);

#endif
