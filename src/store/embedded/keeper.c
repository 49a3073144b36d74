/* The thread that looks after what should go, as time passes. */
#include "store/embedded/engine.h"
#include "store/embedded/erase.h"

#include "os/clock.h"
#include "os/thread.h"

static const int64_t ROUND_US_MIN = 1000000, ROUND_US_MAX = 60 * 1000000;
enum { ROUNDS_A_HORIZON = 64 };

/* How often the horizon is raised: so that it lags little behind what was asked,
 * and little is done at once. */
static int64_t round_us(int64_t keep_us)
{
    return keep_us ? MIN(MAX(keep_us / ROUNDS_A_HORIZON, ROUND_US_MIN), ROUND_US_MAX)
                   : ROUND_US_MAX;
}

/* Up to the last commit that is old enough. */
static enum err horizon_move(struct store *store, int64_t now)
{
    struct store_reader *reader;
    int64_t instant = now - store->horizon.keep_us;
    uint64_t doc = 0;
    TRY(store_read_begin(store, 0, &reader));
    enum err err = store_doc_before(reader, instant, &doc);
    store_read_end(reader);
    if (err || !doc)
        return err;
    return store_horizon_raise(store, store_time_of(doc), instant);
}

/* A failure is tried again in the next round, unless nothing can be written at
 * all any more. */
static void round_run(struct store *store)
{
    struct horizon *h = &store->horizon;
    (void)!erasures_run(store);
    if (h->keep_us && horizon_move(store, os_now_us()))
        return;
    if (atomic_load(&h->purged) < atomic_load(&h->doc))
        (void)!store_purge(store);
}

static void *keeper_run(void *context)
{
    struct store *store = context;
    struct keeper *k = &store->keeper;
    while (!atomic_load(&store->closes)) {
        bool is_ready = atomic_load_explicit(&store->index_is_done, memory_order_acquire);
        if (is_ready && !atomic_load(&store->is_read_only))
            round_run(store);
        mutex_lock(&k->lock);
        if (!atomic_load(&store->closes) && !k->is_wanted)
            cond_wait_for(&k->work, &k->lock,
                          is_ready && !store_erasures_open(store)
                              ? round_us(store->horizon.keep_us)
                              : ROUND_US_MIN); /* an erasure that failed is tried again */
        k->is_wanted = false;
        mutex_unlock(&k->lock);
    }
    return NULL;
}

enum err keeper_start(struct store *store)
{
    TRY(thread_start(&store->keeper.thread, keeper_run, store));
    store->keeper.is_running = true;
    return ERR_NONE;
}

void keeper_stop(struct store *store)
{
    struct keeper *k = &store->keeper;
    mutex_lock(&k->lock);
    atomic_store(&store->closes, true);
    cond_broadcast(&k->work);
    mutex_unlock(&k->lock);
    if (k->is_running)
        thread_join(k->thread);
    k->is_running = false;
}
