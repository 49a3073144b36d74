/* server/metrics.h - what requests came to, counted; private.
 *
 * Counters are plain atomic additions, spread over shards so that threads seldom
 * meet on one: a request costs some tens of nanoseconds. They hold numbers by kind
 * of interaction and class of status, nothing of who asked or for whom.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stdatomic.h>

#include "base/buf.h"
#include "http/http.h"
#include "rest/rest.h"

/* What http_request.kind says besides rest's. */
enum { KIND_CONTROL = REST_KINDS_MAX, KIND_HEALTH, KIND_COUNT };

enum {
    METRICS_SHARDS = 8,   /* a power of two */
    METRICS_CLASSES = 6,  /* status / 100; 0: cut before an answer */
    METRICS_BUCKETS = 17, /* the last one: longer than all bounds */
};

struct metrics_kind {
    atomic_ullong requests[METRICS_CLASSES];
    atomic_ullong buckets[METRICS_BUCKETS]; /* not cumulative */
    atomic_ullong duration_us;              /* sum */
};

struct metrics_shard {
    struct metrics_kind kinds[KIND_COUNT];
    atomic_ullong bytes_in, bytes_out, cut;
    char apart[64]; /* so that two shards share no line of the cache */
};

struct metrics {
    struct metrics_shard shards[METRICS_SHARDS];
    int64_t started_us; /* since 1970 */
};

/* `m` is zeroed memory. */
void metrics_init(struct metrics *m);
/* Any thread, at once. */
void metrics_count(struct metrics *m, const struct http_request *r,
                   const struct http_traffic *traffic);
/* In Prometheus' text format. */
void metrics_render(const struct metrics *m, struct buf *out);

/* "read", "control", ...; NULL for a number without a kind. Static. */
const char *metrics_kind_name(unsigned kind);

#endif
