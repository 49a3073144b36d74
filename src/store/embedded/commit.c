/* store_apply(): the ordered section, the shared sync, the visible time. */
#include "store/embedded/commit.h"

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/rocks.h"

enum {
    TRIES_OUTSIDE = 8,     /* then the heads are read inside the ordered section */
    STALL_TRIES_MAX = 200, /* of STALL_SLEEP_US each, then ERR_BUSY */
    STALL_SLEEP_US = 5000,
};

void store_latch(struct store *store)
{
    mutex_lock(&store->sync.lock);
    atomic_store(&store->is_read_only, true);
    cond_broadcast(&store->sync.done);
    mutex_unlock(&store->sync.lock);
}

/* ---- the shared sync ---- */

/* Called with the lock, returns with it. Everything written when the sync
 * begins is behind it when it ends. */
static void sync_lead(struct store *store)
{
    struct log_sync *sync = &store->sync;
    sync->is_running = true;
    mutex_unlock(&sync->lock);
    uint64_t written = atomic_load_explicit(&store->written, memory_order_acquire);
    char *error = NULL;
    int64_t begin_us = os_monotonic_us();
    rocksdb_flush_wal(store->db, 1, &error);
    enum err err = rocks_err(error);
    store_clock_add(&store->sync_clock, os_monotonic_us() - begin_us);
    mutex_lock(&sync->lock);
    sync->is_running = false;
    atomic_fetch_add_explicit(&store->syncs, 1, memory_order_relaxed);
    if (err) {
        atomic_store(&store->is_read_only, true);
    } else if (written > sync->synced) {
        sync->synced = written;
        atomic_store_explicit(&store->visible, written, memory_order_release);
    }
    cond_broadcast(&sync->done);
}

/* A failed sync leaves it unknown what a power cut would keep: nothing above
 * the visible time is ever shown, and nothing can be added. */
enum err store_wait_visible(struct store *store, uint64_t doc)
{
    if (atomic_load_explicit(&store->visible, memory_order_acquire) >= doc)
        return ERR_NONE;
    struct log_sync *sync = &store->sync;
    mutex_lock(&sync->lock);
    while (sync->synced < doc && !atomic_load(&store->is_read_only)) {
        if (sync->is_running)
            cond_wait(&sync->done, &sync->lock);
        else
            sync_lead(store);
    }
    enum err err = sync->synced >= doc ? ERR_NONE : ERR_READ_ONLY;
    mutex_unlock(&sync->lock);
    return err;
}

/* ---- the ordered section ---- */

/* Did a head move since it was read? A home that had no row must have none
 * still, for writing its first row would overwrite a head. */
static bool has_conflict(const struct commit *c)
{
    const struct recent *recent = &c->store->recent;
    for (size_t i = 0; i < c->count; i++) {
        const struct pending *p = &c->pendings[i];
        if (recent_find(recent, p->entity) > p->head.head)
            return true;
        if (p->home_is_new && recent_find(recent, p->home))
            return true;
    }
    return false;
}

/* Everything that can fail for want of memory comes before the write. */
static enum err order_reserve(struct commit *c)
{
    struct store *store = c->store;
    TRY(recent_reserve(&store->recent, c->count, atomic_load(&store->written)));
    TRY(postings_reserve(&store->postings));
    for (size_t i = 0; i < c->count; i++)
        if (c->pendings[i].writes && c->pendings[i].outcome == STORE_DELETED)
            TRY(death_ready(&store->deaths, c->first + c->pendings[i].place));
    return ERR_NONE;
}

static void order_publish(struct commit *c)
{
    struct store *store = c->store;
    for (size_t i = 0; i < c->count; i++) {
        const struct pending *p = &c->pendings[i];
        if (!p->writes)
            continue;
        uint64_t doc = c->first + p->place;
        recent_put(&store->recent, p->entity, doc);
        if (p->head.head && !p->head.is_deleted)
            death_enter(&store->deaths, p->head.head, doc);
        if (p->outcome == STORE_DELETED)
            death_enter(&store->deaths, doc, doc);
    }
    postings_add(&store->postings, c->run);
    c->run = NULL;
    store->next_doc += c->doc_count;
    store->last_instant = c->instant;
    atomic_fetch_add_explicit(&store->commits, 1, memory_order_relaxed);
    atomic_store_explicit(&store->written, store->next_doc - 1, memory_order_release);
}

/* Under the lock. ERR_CONFLICT: a head moved. ERR_BUSY: RocksDB would have
 * had to wait; nothing was written. */
static enum err order_locked(struct commit *c)
{
    struct store *store = c->store;
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    if ((!c->is_inside && has_conflict(c)) ||
        postings_mapping(&store->postings) != c->mapping)
        return ERR_CONFLICT;
    if (store->conditions)
        TRY(commit_conditions(c));
    c->first = store->next_doc;
    TRY(order_reserve(c));
    int64_t now = os_now_us();
    c->instant = MAX(now, store->last_instant + 1);
    commit_patch(c);
    char *error = NULL;
    rocksdb_write(store->db, store->write_options, c->batch, &error);
    enum err err = rocks_err(error);
    if (err == ERR_BUSY)
        return err;
    if (err) {
        store_latch(store);
        return err;
    }
    order_publish(c);
    return ERR_NONE;
}

static enum err order(struct commit *c)
{
    struct store *store = c->store;
    mutex_lock(&store->ordered);
    int64_t begin = os_monotonic_us();
    enum err err = order_locked(c);
    uint64_t took_us = (uint64_t)(os_monotonic_us() - begin);
    atomic_fetch_add_explicit(&store->ordered_ns, took_us * 1000, memory_order_relaxed);
    if (!err)
        atomic_fetch_add_explicit(&store->ordered_docs, c->doc_count, memory_order_relaxed);
    mutex_unlock(&store->ordered);
    return err;
}

/* ---- the way down ---- */

static enum err prepare_and_order(struct commit *c)
{
    TRY(commit_resolve(c));
    if (!c->doc_count)
        return ERR_NONE;
    TRY(commit_render(c));
    return order(c);
}

/* A commit that lost every race so far reads its heads where none can move. */
static enum err prepare_inside(struct commit *c)
{
    mutex_lock(&c->store->ordered);
    c->is_inside = true;
    enum err err = commit_resolve(c);
    if (!err && c->doc_count)
        err = commit_render(c);
    if (!err && c->doc_count)
        err = order_locked(c);
    c->is_inside = false;
    mutex_unlock(&c->store->ordered);
    return err;
}

static enum err commit_run(struct commit *c)
{
    int stalls = 0;
    for (int tries = 0;;) {
        struct preparation preparation;
        preparation_begin(&c->store->recent, &preparation, &c->store->written);
        enum err err = tries < TRIES_OUTSIDE ? prepare_and_order(c) : prepare_inside(c);
        preparation_end(&c->store->recent, &preparation);
        if (err == ERR_CONFLICT) {
            tries++;
        } else if (err == ERR_BUSY && stalls < STALL_TRIES_MAX) {
            stalls++;
            os_sleep_us(STALL_SLEEP_US);
        } else {
            return err;
        }
    }
}

/* Tell the index who died, so that it knows which segments are worth rewriting. */
static void report_deaths(const struct commit *c)
{
    uint64_t docs[64];
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct pending *p = &c->pendings[i];
        if (!p->writes || !p->head.head || p->head.is_deleted)
            continue;
        docs[count++] = p->head.head;
        if (count == ARRAY_COUNT(docs)) {
            postings_died(&c->store->postings, docs, count);
            count = 0;
        }
    }
    postings_died(&c->store->postings, docs, count);
}

static void report(const struct commit *c, struct store_result *results)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct pending *p = &c->pendings[i];
        results[i] = (struct store_result){
            .outcome = p->outcome,
            .was_deleted = p->head.is_deleted,
            .version = p->version,
            .instant = p->writes ? c->instant : p->head.instant,
            .doc = p->writes ? c->first + p->place : p->head.head,
        };
    }
}

static enum err apply(struct commit *c, struct store_write *writes, struct store_result *results,
                      uint64_t *ret_time)
{
    struct store *store = c->store;
    TRY(store_wait_index(store));
    TRY(postings_wait(&store->postings));
    TRY(commit_gather(c, writes));
    TRY(commit_run(c));
    uint64_t last = c->doc_count ? c->first + c->doc_count - 1 : 0;
    TRY(store_wait_visible(store, MAX(last, c->rests_on)));
    if (c->doc_count) {
        postings_settle(&store->postings);
        report_deaths(c);
    }
    report(c, results);
    *ret_time = 1 + (last ? last : atomic_load_explicit(&store->visible, memory_order_acquire));
    return ERR_NONE;
}

enum err store_apply(struct store *store, struct store_write *writes, size_t count,
                     bool all_or_nothing, struct arena *arena, struct store_result *results,
                     uint64_t *ret_time, size_t *ret_refused)
{
    return store_apply_if(store, NULL, writes, count, all_or_nothing, arena, results, ret_time,
                          ret_refused);
}

enum err store_apply_marked(struct store *store, struct store_condition *condition,
                            const struct store_mark *mark, struct store_write *writes,
                            size_t count, bool all_or_nothing, struct arena *arena,
                            struct store_result *results, uint64_t *ret_time,
                            size_t *ret_refused)
{
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    store_disk_look(store);
    if (atomic_load(&store->is_full))
        return ERR_FULL;
    struct commit c = { .store = store,
                        .arena = arena,
                        .count = count,
                        .all_or_nothing = all_or_nothing,
                        .condition = condition,
                        .mark = mark };
    buf_init(&c.rows, INT32_MAX);
    buf_init(&c.scratch, INT32_MAX);
    c.refused = count;
    struct arena_mark before = arena_mark(arena);
    atomic_fetch_add_explicit(&store->writers, 1, memory_order_relaxed);
    uint64_t place = gate_enter(&store->gate);
    int64_t begin_us = os_monotonic_us();
    enum err err = apply(&c, writes, results, ret_time);
    store_clock_add(&store->commit_clock, os_monotonic_us() - begin_us);
    *ret_refused = c.refused;
    commit_release(&c);
    arena_rewind(arena, before);
    gate_leave(&store->gate, place);
    atomic_fetch_sub_explicit(&store->writers, 1, memory_order_release);
    return err;
}

enum err store_apply_if(struct store *store, struct store_condition *condition,
                        struct store_write *writes, size_t count, bool all_or_nothing,
                        struct arena *arena, struct store_result *results, uint64_t *ret_time,
                        size_t *ret_refused)
{
    return store_apply_marked(store, condition, NULL, writes, count, all_or_nothing, arena,
                              results, ret_time, ret_refused);
}
