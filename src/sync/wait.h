/* sync/wait.h - when to try again, and how long to wait before.
 *
 * One patience per request: it counts the tries and the time waited, draws the
 * next delay, and says when enough is enough. Delays the server names
 * (Retry-After in seconds or as a date, X-Retry-After) are taken within bounds:
 * at least WAIT_LEAST_US, so that "0" is no busy loop, at most WAIT_MOST_US.
 * Without one the delay doubles from a second, half of it by chance, so that
 * many clients do not come back at once.
 */
#ifndef SYNC_WAIT_H
#define SYNC_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "http/http.h"
#include "sync/sync.h"

#define SECOND_US ((int64_t)1000 * 1000)
#define WAIT_LEAST_US (SECOND_US / 2)
#define WAIT_MOST_US (120 * SECOND_US)

struct patience {
    unsigned tries_left;   /* for failures */
    int64_t waiting_us;    /* how much may still be waited for "come back later" */
    int64_t backoff_us;    /* the next delay that no server names */
    sync_sleep *sleep;     /* NULL: os_sleep_us() */
    void *sleep_context;
};

void patience_init(struct patience *p, unsigned tries, int64_t waiting_us);

/* The delay that the answer's headers name, unbounded; -1 when they name none.
 * `now_us` is the wall clock, for dates; the answer's own Date is preferred. */
int64_t wait_named_us(const struct http_exchange *x, int64_t now_us);
/* One header's value: seconds, also with a fraction, or an HTTP date. */
int64_t wait_parse_us(struct slice value, int64_t now_us);

/* The bounded delay before the next try; grows the backoff. */
int64_t patience_delay_us(struct patience *p, int64_t named_us);
/* "Not ready yet": the delay counts against the time, not against the tries.
 * False when the time is used up. */
bool patience_wait(struct patience *p, int64_t named_us);
/* A failure: counts against the tries. False when none is left. */
bool patience_retry(struct patience *p, int64_t named_us);

#endif
