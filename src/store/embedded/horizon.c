/* The horizon: what was superseded before it is deleted, in small batches, in
 * the order of the deaths. First the horizon is raised and durable, so that no
 * reader of an earlier time begins; then those under way are waited for; then
 * the rows go, and with each batch the mark up to where; then the postings, by
 * merges. The rows of a death stay: a number without one would be taken for
 * alive. So do those of the log: they tell when a document was committed. */
#include "store/embedded/engine.h"

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/rocks.h"

enum {
    BATCH_DOCS = 256,      /* deleted at once */
    WALK_DOCS = 4096,      /* looked at between two marks */
    STALL_SLEEP_US = 5000,
    BETWEEN_US = 1000,     /* batches, for the sake of those who write */
};

/* ---- the marks ---- */

enum err horizon_restore(struct store *store, struct slice value)
{
    if (value.length != sizeof(struct horizon_row_bytes))
        return ERR_CORRUPT;
    const struct horizon_row_bytes *row = (const struct horizon_row_bytes *)value.bytes;
    atomic_store(&store->horizon.doc, get_be64(row->doc));
    atomic_store(&store->horizon.gone, get_be64(row->doc)); /* no reader is there yet */
    atomic_store(&store->horizon.instant, get_instant(row->instant));
    return ERR_NONE;
}

enum err horizon_purged_restore(struct store *store, struct slice value)
{
    if (value.length != 8)
        return ERR_CORRUPT;
    atomic_store(&store->horizon.purged, get_be64((const uint8_t *)value.bytes));
    return ERR_NONE;
}

void store_horizon(struct store *store, struct store_horizon *ret)
{
    uint64_t doc = atomic_load(&store->horizon.doc);
    *ret = (struct store_horizon){ .time = doc ? store_time_of(doc) : 0,
                                   .instant = atomic_load(&store->horizon.instant) };
}

enum err store_gaps_begin(struct store *store)
{
    uint8_t format[4];
    if (atomic_load(&store->has_gaps))
        return ERR_NONE;
    put_be32(format, STORE_FORMAT_GAPS);
    TRY(meta_put(store, META_FORMAT, SLICE_NONE, slice_of((char *)format, sizeof format)));
    atomic_store(&store->has_gaps, true);
    return ERR_NONE;
}

static enum err raise_locked(struct store *store, uint64_t doc, int64_t instant)
{
    struct horizon_row_bytes row;
    if (doc <= atomic_load(&store->horizon.doc))
        return ERR_NONE;
    TRY(store_gaps_begin(store));
    put_be64(row.doc, doc);
    put_instant(row.instant, instant);
    TRY(meta_put(store, META_HORIZON, SLICE_NONE, slice_of((char *)&row, sizeof row)));
    atomic_store(&store->horizon.instant, instant);
    atomic_store(&store->horizon.doc, doc);
    return ERR_NONE;
}

enum err store_horizon_raise(struct store *store, uint64_t time, int64_t instant)
{
    uint64_t visible = atomic_load_explicit(&store->visible, memory_order_acquire);
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    if (!time || time - 1 > visible)
        return ERR_INVALID;
    mutex_lock(&store->horizon.lock);
    enum err err = raise_locked(store, time - 1, instant);
    mutex_unlock(&store->horizon.lock);
    return err;
}

/* ---- deleting rows ---- */

struct purge {
    struct store *store;
    rocksdb_iterator_t *places;
    rocksdb_writebatch_t *batch;
    uint32_t count;    /* documents in the batch */
    uint64_t done;     /* what documents up to here superseded is deleted or in it */
};

static void delete_row(struct purge *p, enum family family, const void *key, size_t size)
{
    rocksdb_writebatch_delete_cf(p->batch, p->store->families[family], key, size);
}

/* All that is kept of one document, but its death. */
static void delete_doc(struct purge *p, uint64_t doc, const struct place_row *place)
{
    struct version_key_bytes version;
    struct body_key_bytes body;
    put_be64(version.entity, place->entity);
    put_be64(version.doc, doc);
    body_key_encode(place->home, place->type, doc, &body);
    delete_row(p, FAMILY_VERSION, &version, sizeof version);
    delete_row(p, FAMILY_BODY, &body, sizeof body);
    delete_row(p, FAMILY_PLACE, version.doc, sizeof version.doc);
    p->count++;
}

/* The document that `doc` superseded, if there is one and it is still there. */
static enum err delete_superseded(struct purge *p, uint64_t doc, struct slice value)
{
    struct place_row place, before;
    struct version_row version;
    bool found = false;
    TRY(place_row_decode(value, &place));
    if (place.version <= 1)
        return ERR_NONE;
    TRY(store_version_at(p->store, place.entity, doc, &found, &version));
    if (!found || version.doc != doc || !version.previous)
        return ERR_NONE;
    TRY(store_place_find(p->store, version.previous, &found, &before));
    if (found)
        delete_doc(p, version.previous, &before);
    return ERR_NONE;
}

/* Gather a batch, from the document after `done` to `last`. */
static enum err gather(struct purge *p, uint64_t last)
{
    uint8_t from[8];
    put_be64(from, p->done + 1);
    rocksdb_iter_seek(p->places, (char *)from, sizeof from);
    for (size_t steps = 0; rocksdb_iter_valid(p->places); rocksdb_iter_next(p->places)) {
        struct slice key = rocks_iter_key(p->places);
        if (key.length != 8)
            return ERR_CORRUPT;
        uint64_t doc = get_be64((const uint8_t *)key.bytes);
        if (doc > last)
            break;
        if (p->count == BATCH_DOCS || ++steps > WALK_DOCS)
            return ERR_NONE;
        TRY(delete_superseded(p, doc, rocks_iter_value(p->places)));
        p->done = doc;
    }
    TRY(rocks_iter_err(p->places));
    p->done = last;
    return ERR_NONE;
}

/* Unsynced: what a crash takes back is deleted again, the mark goes with it. */
static enum err write_batch(struct purge *p)
{
    struct store *store = p->store;
    uint8_t mark[8];
    static const char key[1] = { (char)META_PURGED };
    put_be64(mark, p->done);
    rocksdb_writebatch_put_cf(p->batch, store->families[FAMILY_META], key, sizeof key,
                              (char *)mark, sizeof mark);
    for (;;) {
        if (atomic_load(&store->is_read_only))
            return ERR_READ_ONLY;
        if (atomic_load(&store->closes))
            return ERR_BUSY;
        char *error = NULL;
        rocksdb_write(store->db, store->write_options, p->batch, &error);
        enum err err = rocks_err(error);
        if (err && err != ERR_BUSY)
            store_latch(store);
        if (err != ERR_BUSY)
            return err;
        os_sleep_us(STALL_SLEEP_US);
    }
}

/* The iterator is a new one each time, for it sees what was there at its start. */
static enum err purge_some(struct purge *p, uint64_t last)
{
    struct store *store = p->store;
    p->places = rocksdb_create_iterator_cf(store->db, store->read_options,
                                           store->families[FAMILY_PLACE]);
    p->batch = rocksdb_writebatch_create();
    p->count = 0;
    enum err err = gather(p, last);
    rocksdb_iter_destroy(p->places);
    if (!err)
        err = write_batch(p);
    rocksdb_writebatch_destroy(p->batch);
    if (err)
        return err;
    atomic_fetch_add(&store->horizon.deleted, p->count);
    atomic_store(&store->horizon.purged, p->done);
    return ERR_NONE;
}

static enum err purge_locked(struct store *store)
{
    struct horizon *h = &store->horizon;
    uint64_t last = atomic_load(&h->doc);
    struct purge p = { .store = store, .done = atomic_load(&h->purged) };
    if (atomic_load(&h->gone) < last) {
        TRY(gate_wait(&store->gate, &store->closes));
        atomic_store(&h->gone, last);
    }
    while (p.done < last) { /* an erasure may want to go before it is done */
        mutex_lock(&store->erasures.hide_lock);
        enum err err = purge_some(&p, last);
        mutex_unlock(&store->erasures.hide_lock);
        TRY(err);
        if (p.count)
            os_sleep_us(BETWEEN_US);
    }
    return postings_forget(&store->postings, &store->closes);
}

enum err store_purge(struct store *store)
{
    TRY(store_wait_index(store)); /* whoever derives reads bodies of any age */
    mutex_lock(&store->horizon.lock);
    enum err err = purge_locked(store);
    mutex_unlock(&store->horizon.lock);
    return err;
}
