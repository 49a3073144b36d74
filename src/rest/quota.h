/* rest/quota.h - what an interaction costs of the rates; private.
 *
 * As HealthLake counts: a read or search is one; a write takes one unit for each
 * begun KB of its body, at least one, twice as many with the consistency level
 * `strong` and in a transaction; entries of a Bundle count one by one; a
 * conditional write is a search, too. Nothing is done before it is paid.
 */
#ifndef REST_QUOTA_H
#define REST_QUOTA_H

#include "rest/bundle.h"

/* ERR_THROTTLED with its issue and Retry-After. Bundles are passed over here: they
 * are known only when they are read. */
MUST_USE enum err quota_spend(struct request *r);
MUST_USE enum err quota_spend_bundle(struct bundle *b);

#endif
