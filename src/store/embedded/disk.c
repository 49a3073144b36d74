/* How much of the disk is free: looked at by whoever comes by, once a second. */
#include "store/embedded/engine.h"

#include "os/clock.h"
#include "os/file.h"

static const int64_t LOOK_EVERY_US = 1000000;

/* What cannot be told changes nothing. */
void store_disk_look(struct store *store)
{
    int64_t now = os_monotonic_us(), last = atomic_load(&store->disk_looked_us);
    uint64_t bytes = 0;
    if ((last && now - last < LOOK_EVERY_US) ||
        !atomic_compare_exchange_strong(&store->disk_looked_us, &last, now) ||
        os_disk_free(store->truth_path, &bytes))
        return;
    atomic_store(&store->disk_free_bytes, bytes);
    atomic_store(&store->is_full, bytes < store->disk_reserve_bytes);
}
