/* store/embedded/recent.h - heads changed since the oldest commit in preparation.
 *
 * A commit reads heads outside every lock, so by the time it is ordered they
 * may have moved. This table answers, without I/O, to which document an
 * entity's head moved last; entries older than every preparation are dropped
 * when the table is rebuilt. All functions run inside the ordered section,
 * but for the list of preparations, which has its own small lock.
 */
#ifndef STORE_EMBEDDED_RECENT_H
#define STORE_EMBEDDED_RECENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"

struct recent_slot {
    uint64_t entity; /* 0: free */
    uint64_t doc;
};

/* A commit in preparation; lives in its owner's frame. */
struct preparation {
    struct preparation *older, *newer;
    uint64_t start; /* documents up to here were readable when it began */
};

struct recent {
    struct recent_slot *slots; /* owned; room of them, a power of two */
    size_t room;
    size_t count;
    pthread_mutex_t lock; /* of the list */
    struct preparation *oldest, *newest;
};

MUST_USE enum err recent_init(struct recent *recent);
void recent_release(struct recent *recent);

/* `written`: the last document whose rows are readable. */
void preparation_begin(struct recent *recent, struct preparation *preparation,
                       const _Atomic uint64_t *written);
void preparation_end(struct recent *recent, struct preparation *preparation);

/* Make room for `count` more. ERR_NO_MEMORY changes nothing. */
MUST_USE enum err recent_reserve(struct recent *recent, size_t count, uint64_t written);
/* The document the head moved to, 0 if it did not lately. */
uint64_t recent_find(const struct recent *recent, uint64_t entity);
/* Cannot fail after recent_reserve(). */
void recent_put(struct recent *recent, uint64_t entity, uint64_t doc);

#endif
