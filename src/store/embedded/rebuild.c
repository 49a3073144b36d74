/* Fields that are not ready, derived from the bodies while the store serves.
 *
 * One thread, which repairs damaged segments too (repair.c). It takes the documents in
 * chunks, keeps the terms of the fields in question, and writes each chunk to a side
 * segment; the manifest that names the segment also says how far the fields are. So a
 * kill costs a chunk, and a field becomes ready with one manifest. */
#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/chunk.h"

enum { RETRY_MS_MIN = 10, RETRY_MS_MAX = 1000 };

static uint32_t name_wanted(const void *context, uint32_t field, uint32_t place)
{
    const struct chunk *c = context;
    const struct field_row *row = fields_find(c->fields, field);
    (void)place;
    return row && row->until == c->until && row->done == c->done ? row->place : RUN_NOWHERE;
}

/* The segment and how far the fields are, in one manifest. What fields are called
 * may have changed meanwhile: then the chunk is of no use. */
static enum err show(struct chunk *c, const struct merged *made, bool *ret_shown)
{
    struct postings *p = &c->store->postings;
    struct fields *advanced = NULL;
    mutex_lock(&p->change_lock);
    struct postings_view *view = postings_view_take(p);
    enum err err = ERR_NONE;
    *ret_shown = view->fields->mapping == c->fields->mapping;
    if (*ret_shown)
        err = fields_advance(view->fields, c->until, c->done, c->last, &advanced);
    if (advanced) {
        const struct segment_addition add[] = { { made->segment, SEGMENT_SIDE },
                                                { made->past, SEGMENT_SIDE_PAST } };
        const struct segments_change change = { .add = add,
                                                .add_count = 2,
                                                .covers = view->covers };
        err = postings_change(p, &change, advanced, NULL, 0);
        if (err && !store_is_short(err))
            store_latch(c->store);
    }
    postings_view_give(view);
    mutex_unlock(&p->change_lock);
    fields_unref(advanced);
    return err;
}

static void merged_end(struct segment *s, bool is_used)
{
    if (s && (!is_used || !s->footer.key_count))
        atomic_store(&s->is_doomed, true);
    segment_unref(s);
}

static enum err chunk_run(struct chunk *c)
{
    struct merged made = { NULL, NULL };
    bool is_shown = false;
    TRY(chunk_gather(c));
    mutex_lock(&c->store->erasures.side_lock);
    enum err err = chunk_write(c, 0, &made);
    if (!err)
        err = show(c, &made, &is_shown);
    mutex_unlock(&c->store->erasures.side_lock);
    /* After a manifest that failed nobody knows whether it names the files, unless the
     * disk was full: then it is the old one. */
    bool is_used = err ? err != ERR_FULL : is_shown;
    merged_end(made.segment, is_used);
    merged_end(made.past, is_used);
    return err;
}

/* ---- what is due ---- */

/* The documents' other terms are in segments first: what is derived again after a
 * crash then lies above what is scanned here, and comes once. */
static enum err cover(struct store *store, uint64_t until, bool *ret_covered)
{
    TRY(store_wait_visible(store, until));
    struct postings_view *view = postings_view_take(&store->postings);
    *ret_covered = view->covers >= until;
    postings_view_give(view);
    if (*ret_covered)
        return ERR_NONE;
    return postings_checkpoint(&store->postings);
}

static enum err fields_step(struct store *store, bool *ret_any)
{
    struct chunk c = { .store = store, .name = name_wanted };
    c.fields = postings_fields(&store->postings);
    const struct field_row *row = fields_unready(c.fields);
    bool is_covered = false;
    enum err err = ERR_NONE;
    *ret_any = row != NULL;
    if (row) {
        c.until = c.end = row->until;
        c.done = c.last = row->done;
        c.first = row->done + 1;
        err = cover(store, row->until, &is_covered);
    }
    if (is_covered)
        err = chunk_run(&c);
    else if (row)
        os_sleep_us(1000);
    chunk_release(&c);
    fields_unref(c.fields);
    return err;
}

/* What is damaged first: all searches may need it. */
enum err store_rebuild_step(struct store *store, bool *ret_any)
{
    TRY(store_repair_step(store, ret_any));
    return *ret_any ? ERR_NONE : fields_step(store, ret_any);
}

/* ---- the thread ---- */

static void wait_for_work(struct store *store, uint64_t asked)
{
    mutex_lock(&store->rebuild_lock);
    while (store->rebuild_asked == asked && !atomic_load(&store->closes))
        cond_wait(&store->rebuild_work, &store->rebuild_lock);
    mutex_unlock(&store->rebuild_lock);
}

static uint64_t asked_so_far(struct store *store)
{
    mutex_lock(&store->rebuild_lock);
    uint64_t asked = store->rebuild_asked;
    mutex_unlock(&store->rebuild_lock);
    return asked;
}

/* A disk that is full for a while stops this, not the store. */
static void *rebuild_run(void *context)
{
    struct store *store = context;
    int64_t retry_ms = RETRY_MS_MIN;
    os_thread_be_nice();
    while (!store_is_stopping(store) && store_wait_index(store) == ERR_BUSY)
        ;
    while (!store_is_stopping(store)) {
        uint64_t asked = asked_so_far(store);
        bool any = false;
        enum err err = store_rebuild_step(store, &any);
        for (int64_t ms = 0; err && ms < retry_ms && !store_is_stopping(store); ms += 10)
            os_sleep_us(10000);
        retry_ms = err ? MIN(2 * retry_ms, RETRY_MS_MAX) : RETRY_MS_MIN;
        if (!any && !store_is_stopping(store))
            wait_for_work(store, asked);
    }
    return NULL;
}

enum err store_rebuild_start(struct store *store)
{
    TRY(thread_start(&store->rebuilder, rebuild_run, store));
    store->rebuilder_runs = true;
    return ERR_NONE;
}

void store_rebuild_wake(struct store *store)
{
    mutex_lock(&store->rebuild_lock);
    store->rebuild_asked++;
    cond_signal(&store->rebuild_work);
    mutex_unlock(&store->rebuild_lock);
}

void store_rebuild_stop(struct store *store)
{
    atomic_store(&store->closes, true);
    store_rebuild_wake(store);
    if (store->rebuilder_runs)
        thread_join(store->rebuilder);
    store->rebuilder_runs = false;
}
