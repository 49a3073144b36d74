/* Deriving the index again: the tail after a crash, or all of it after the
 * rules changed. In pieces, so that memory stays bounded whatever the size. Reads
 * by id are served meanwhile; searches and writes wait. */
#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/engine.h"
#include "store/embedded/rocks.h"

enum { PIECE_DOCS = 512, RETRY_MS_MIN = 1, RETRY_MS_MAX = 500 };
static const size_t ARENA_BYTES_MAX = (size_t)1 << 30;

struct derivation {
    struct store *store;
    struct arena arena; /* of one piece */
    uint64_t first;     /* document of source 0 */
    struct run_source sources[PIECE_DOCS];
    uint32_t count;
};

/* The tail goes to segments as in a load; so deriving waits as a writer does,
 * but for as long as it takes. */
static enum err derive_wait(struct store *store)
{
    for (;;) {
        if (atomic_load(&store->closes))
            return ERR_BUSY;
        if (atomic_load(&store->is_read_only))
            return ERR_READ_ONLY;
        enum err err = postings_wait(&store->postings);
        if (err != ERR_BUSY)
            return err;
    }
}

static enum err derive_flush(struct derivation *d)
{
    if (!d->count)
        return ERR_NONE;
    struct postings *p = &d->store->postings;
    struct run *run = NULL;
    struct fields *fields = postings_fields(p);
    enum err err = run_build(d->sources, d->count, d->store->seed, fields_name, fields, &d->arena,
                             &run);
    fields_unref(fields);
    TRY(err);
    run->base = d->first;
    err = postings_reserve(p);
    if (err) {
        run_unref(run);
        return err;
    }
    postings_add(p, run);
    arena_release(&d->arena);
    d->first += d->count;
    d->count = 0;
    d->store->derive_from = d->first - 1;
    postings_settle(p);
    return derive_wait(d->store);
}

enum err store_doc_terms(struct store *store, uint64_t doc, struct arena *arena,
                         struct term **ret_terms, size_t *ret_count)
{
    return store_doc_terms_of(store, doc, NULL, 0, arena, ret_terms, ret_count);
}

enum err store_doc_terms_of(struct store *store, uint64_t doc, const uint32_t *fields,
                            size_t field_count, struct arena *arena, struct term **ret_terms,
                            size_t *ret_count)
{
    struct place_row place;
    struct body_row row;
    bool found = false;
    rocksdb_pinnableslice_t *pin = NULL;
    *ret_terms = NULL;
    *ret_count = 0;
    TRY(store_place_find(store, doc, &found, &place));
    if (!found || place.is_deleted)
        return ERR_NONE;
    enum err err = store_body_row(store, place.home, place.type, doc, &pin, &row);
    struct slice body, appendix, id = SLICE_NONE;
    if (!err)
        err = store_body_open(store, &row, arena, &body, &appendix);
    if (!err) {
        id = slice_of(arena_copy(arena, row.id), row.id.length);
        err = id.bytes ? ERR_NONE : ERR_NO_MEMORY;
    }
    rocksdb_pinnableslice_destroy(pin);
    if (err == ERR_CORRUPT && !pin) { /* it may just have been erased */
        TRY(store_place_find(store, doc, &found, &place));
        return found ? ERR_CORRUPT : ERR_NONE;
    }
    TRY(err);
    struct slice type = types_name(store->types, place.type);
    if (field_count && store->extract_some)
        return store->extract_some(store->extract_context, type, body, fields, field_count, arena,
                                   ret_terms, ret_count);
    return store->extract(store->extract_context, type, id, body, arena, ret_terms, ret_count);
}

static enum err derive_one(struct derivation *d, uint64_t doc)
{
    struct run_source *source = &d->sources[d->count];
    struct term *terms;
    *source = (struct run_source){ NULL, 0 };
    TRY(store_doc_terms(d->store, doc, &d->arena, &terms, &source->count));
    source->terms = terms;
    return ERR_NONE;
}

enum err store_derive(struct store *store)
{
    struct derivation d = { .store = store, .first = store->derive_from + 1 };
    arena_init(&d.arena, ARENA_BYTES_MAX);
    enum err err = ERR_NONE;
    uint64_t last = atomic_load(&store->visible);
    for (uint64_t doc = d.first; !err && doc <= last; doc++) {
        err = derive_one(&d, doc);
        d.count++;
        if (!err && (d.count == PIECE_DOCS || d.arena.total_bytes > ARENA_BYTES_MAX / 8))
            err = derive_flush(&d);
    }
    if (!err)
        err = derive_flush(&d);
    arena_release(&d.arena);
    return err;
}

static void *derive_run(void *context)
{
    struct store *store = context;
    enum err err = store_derive(store);
    for (int64_t ms = RETRY_MS_MIN; store_is_short(err) && !atomic_load(&store->closes);
         ms = MIN(2 * ms, RETRY_MS_MAX)) { /* memory that is short for a while */
        os_sleep_us(ms * 1000);
        err = store_derive(store);
    }
    store->index_err = err;
    atomic_store_explicit(&store->index_is_done, true, memory_order_release);
    return NULL;
}

enum err store_derive_start(struct store *store)
{
    TRY(thread_start(&store->deriver, derive_run, store));
    store->deriver_runs = true;
    return ERR_NONE;
}

void store_derive_stop(struct store *store)
{
    atomic_store(&store->closes, true);
    if (store->deriver_runs)
        thread_join(store->deriver);
    store->deriver_runs = false;
}

enum err store_wait_index(struct store *store)
{
    for (int waited_ms = 0;
         !atomic_load_explicit(&store->index_is_done, memory_order_acquire); waited_ms++) {
        if (waited_ms == INDEX_WAIT_MS)
            return ERR_BUSY;
        os_sleep_us(1000);
    }
    return store->index_err;
}
