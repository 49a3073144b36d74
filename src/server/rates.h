/* server/rates.h - how often what may be asked: token buckets; private.
 *
 * A bucket holds as much as its rate gives in one period (a second, for some a
 * minute) and is full at first. What is asked is admitted while something is left
 * and takes its whole cost, below zero if need be: a Bundle of many write units is
 * admitted once and those after it wait until it is paid off. Each data store has
 * its buckets and the account, which is the server, another for each quota; both
 * must have something left.
 *
 * Times are of the monotonic clock. Memory is fixed: 1,024 data stores are
 * remembered, of more the one that rested longest begins anew. Thread-safe.
 */
#ifndef SERVER_RATES_H
#define SERVER_RATES_H

#include "base/limits.h"
#include "rest/rest.h"

struct rates;

/* *ret_rates is NULL when the limits have no rate. */
MUST_USE enum err rates_open(const struct limits *limits, struct rates **ret_rates);
void rates_close(struct rates *rates); /* NULL is harmless */

/* False: *ret_limit is the name of the limit that was met ("rate-read"), and after
 * *ret_wait_us it may be asked again. */
bool rates_spend(struct rates *rates, struct slice datastore_id, enum rest_quota quota,
                 uint64_t units, int64_t now_us, const char **ret_limit, int64_t *ret_wait_us);
/* The same for an operation of the control plane, as control_action() names it. */
bool rates_spend_control(struct rates *rates, const char *action, int64_t now_us,
                         const char **ret_limit, int64_t *ret_wait_us);

#endif
