#include "store/embedded/gate.h"

#include "os/clock.h"
#include "os/thread.h"

enum { LOOK_EVERY_US = 1000 };

void gate_init(struct gate *gate)
{
    *gate = (struct gate){ .waits = 0 };
    mutex_init(&gate->lock);
}

void gate_release(struct gate *gate)
{
    mutex_destroy(&gate->lock);
}

static enum err drain(struct gate *gate, uint64_t place, const _Atomic bool *give_up)
{
    while (atomic_load(&gate->inside[place & 1])) {
        if (atomic_load(give_up))
            return ERR_BUSY;
        os_sleep_us(LOOK_EVERY_US);
    }
    return ERR_NONE;
}

/* The place that newcomers will use next may hold some that an earlier wait,
 * given up, has left there: so both are seen empty, one after the other. */
enum err gate_wait(struct gate *gate, const _Atomic bool *give_up)
{
    mutex_lock(&gate->lock);
    uint64_t place = atomic_load(&gate->waits);
    enum err err = drain(gate, place + 1, give_up);
    if (!err) {
        atomic_store(&gate->waits, place + 1);
        err = drain(gate, place, give_up);
    }
    mutex_unlock(&gate->lock);
    return err;
}

uint64_t gate_count(const struct gate *gate)
{
    return atomic_load(&gate->inside[0]) + atomic_load(&gate->inside[1]);
}
