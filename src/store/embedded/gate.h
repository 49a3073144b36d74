/* store/embedded/gate.h - knowing that all who were inside have left.
 *
 * Readers and commits enter for as long as they may look at rows of versions
 * that something newer has replaced. Whoever takes such rows away first makes
 * sure that newcomers will not ask for them, then waits until all who were
 * inside by then have left. Entering is one addition and never waits: those
 * inside are counted in one of two places, by the number of waits so far.
 */
#ifndef STORE_EMBEDDED_GATE_H
#define STORE_EMBEDDED_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct gate {
    _Atomic uint64_t waits;
    _Atomic uint64_t inside[2];
    pthread_mutex_t lock; /* of waiting */
};

void gate_init(struct gate *gate);
void gate_release(struct gate *gate);

/* What gate_leave() is to be told. */
static inline uint64_t gate_enter(struct gate *gate)
{
    for (;;) {
        uint64_t place = atomic_load(&gate->waits);
        atomic_fetch_add(&gate->inside[place & 1], 1);
        if (atomic_load(&gate->waits) == place)
            return place;
        atomic_fetch_sub(&gate->inside[place & 1], 1); /* a wait began: it may not see us */
    }
}

static inline void gate_leave(struct gate *gate, uint64_t place)
{
    atomic_fetch_sub_explicit(&gate->inside[place & 1], 1, memory_order_release);
}

/* Until all who are inside now have left; ERR_BUSY once *give_up is true. Nobody
 * who waits may be inside. */
MUST_USE enum err gate_wait(struct gate *gate, const _Atomic bool *give_up);

uint64_t gate_count(const struct gate *gate);

#endif
