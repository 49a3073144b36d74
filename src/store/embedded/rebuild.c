/* Fields that are not ready, derived from the bodies while the store serves.
 *
 * One thread. It takes the documents in chunks, extracts their terms, keeps those of
 * the fields in question, and writes each chunk to a side segment; the manifest that
 * names the segment also says how far the fields are. So a kill costs a chunk,
 * memory is bounded by one, and a field becomes ready with one manifest. After each
 * piece it sleeps as long as the piece took while anybody reads or writes. */
#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/engine.h"

enum {
    CHUNK_DOCS = 131072, /* at most in one segment, */
    PIECE_DOCS = 512,    /* and in a run of it */
    CHUNK_RUNS = CHUNK_DOCS / 64,
    RETRY_MS = 1000,
};
static const size_t PIECE_ARENA_BYTES = (size_t)1 << 30;
static const size_t CHUNK_BYTES_MAX = (size_t)32 << 20;

/* One chunk of documents on its way to a segment. */
struct chunk {
    struct store *store;
    struct fields *fields; /* as when it began */
    uint64_t until, done;  /* fields with these are being derived */
    uint64_t last;         /* the last document of the runs */
    struct run *runs[CHUNK_RUNS];
    uint32_t run_count;
    size_t bytes;
};

/* ---- giving way ---- */

static bool is_stopping(const struct store *store)
{
    return atomic_load(&store->closes) || atomic_load(&store->is_read_only);
}

static void rest(struct store *store, int64_t worked_us)
{
    bool is_used = gate_count(&store->gate) ||
                   atomic_load_explicit(&store->writers, memory_order_relaxed);
    int64_t pause_us = is_used ? worked_us : worked_us / 16;
    while (pause_us > 0 && !is_stopping(store)) {
        int64_t step_us = MIN(pause_us, INT64_C(20000));
        os_sleep_us(step_us);
        pause_us -= step_us;
    }
}

/* ---- a chunk ---- */

static uint32_t name_wanted(const void *context, uint32_t field, uint32_t place)
{
    const struct chunk *c = context;
    const struct field_row *row = fields_find(c->fields, field);
    (void)place;
    return row && row->until == c->until && row->done == c->done ? row->place : RUN_NOWHERE;
}

/* A body that cannot be read has no terms that could be found: the check names it. */
static enum err piece_terms(struct chunk *c, uint64_t first, uint32_t count,
                            struct arena *arena, struct run_source *sources)
{
    for (uint32_t i = 0; i < count; i++) {
        struct term *terms = NULL;
        enum err err = store_doc_terms(c->store, first + i, arena, &terms, &sources[i].count);
        if (err && err != ERR_CORRUPT)
            return err;
        sources[i].terms = terms;
        if (err)
            sources[i].count = 0;
    }
    return ERR_NONE;
}

static enum err piece(struct chunk *c, struct arena *arena)
{
    uint32_t count = (uint32_t)MIN(c->until - c->last, (uint64_t)PIECE_DOCS);
    struct run_source *sources = arena_array(arena, count, sizeof *sources);
    struct run *run = NULL;
    if (!sources)
        return ERR_NO_MEMORY;
    TRY(piece_terms(c, c->last + 1, count, arena, sources));
    TRY(run_build(sources, count, c->store->seed, name_wanted, c, arena, &run));
    run->base = c->last + 1;
    c->last += count;
    c->bytes += run->size_bytes;
    c->runs[c->run_count++] = run;
    return ERR_NONE;
}

static enum err gather(struct chunk *c)
{
    size_t most = MIN((size_t)c->store->postings.settings.tail_bytes / 4, CHUNK_BYTES_MAX);
    enum err err = ERR_NONE;
    while (!err && c->last < c->until && c->last - c->done < CHUNK_DOCS && c->bytes < most &&
           c->run_count < CHUNK_RUNS) {
        struct arena arena;
        int64_t began_us = os_monotonic_us();
        if (is_stopping(c->store))
            return ERR_BUSY;
        arena_init(&arena, PIECE_ARENA_BYTES);
        err = piece(c, &arena);
        arena_release(&arena);
        rest(c->store, os_monotonic_us() - began_us);
    }
    return err;
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
        const struct segments_change change = { .add = { made->segment, made->past },
                                                .kinds = { SEGMENT_SIDE, SEGMENT_SIDE_PAST },
                                                .covers = view->covers };
        err = postings_change(p, &change, advanced, NULL, 0);
        if (err)
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

static enum err write_chunk(struct chunk *c)
{
    struct postings *p = &c->store->postings;
    struct merged made = { NULL, NULL };
    const struct merge m = {
        .folder = p->settings.segments->folder,
        .first = c->done + 1,
        .last = c->last,
        .until = atomic_load_explicit(p->settings.visible, memory_order_acquire),
        .number = segments_number(p->settings.segments),
        .past_number = segments_number(p->settings.segments),
        .gone = atomic_load(p->settings.gone),
        .deaths = p->settings.deaths,
        .context = p->settings.context,
        .stop = &c->store->closes,
        .runs = c->runs,
        .count = c->run_count,
    };
    bool is_shown = false;
    TRY(merge_write(&m, &made));
    if (made.past)
        atomic_store(&made.past->dead, m.gone);
    enum err err = show(c, &made, &is_shown);
    /* After a manifest that failed nobody knows whether it names the files. */
    merged_end(made.segment, err || is_shown);
    merged_end(made.past, err || is_shown);
    return err;
}

static enum err chunk_run(struct chunk *c)
{
    enum err err = gather(c);
    mutex_lock(&c->store->erasures.side_lock);
    if (!err)
        err = write_chunk(c);
    mutex_unlock(&c->store->erasures.side_lock);
    for (uint32_t i = 0; i < c->run_count; i++)
        run_unref(c->runs[i]);
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
    enum err err = postings_checkpoint(&store->postings);
    if (err)
        store_latch(store);
    return err;
}

enum err store_rebuild_step(struct store *store, bool *ret_any)
{
    struct chunk c = { .store = store, .fields = postings_fields(&store->postings) };
    const struct field_row *row = fields_unready(c.fields);
    bool is_covered = false;
    enum err err = ERR_NONE;
    *ret_any = row != NULL;
    if (row) {
        c.until = row->until;
        c.done = c.last = row->done;
        err = cover(store, row->until, &is_covered);
    }
    if (is_covered)
        err = chunk_run(&c);
    else if (row)
        os_sleep_us(1000);
    fields_unref(c.fields);
    return err;
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
    os_thread_be_nice();
    while (!is_stopping(store) && store_wait_index(store) == ERR_BUSY)
        ;
    while (!is_stopping(store)) {
        uint64_t asked = asked_so_far(store);
        bool any = false;
        enum err err = store_rebuild_step(store, &any);
        for (int ms = 0; err && ms < RETRY_MS && !is_stopping(store); ms += 10)
            os_sleep_us(10000);
        if (!any && !is_stopping(store))
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
