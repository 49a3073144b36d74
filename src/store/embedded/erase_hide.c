/* The first step of an erasure: nobody finds it any more. */
#include "store/embedded/erase.h"

#include <stdlib.h>

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/rocks.h"

enum { TRIES_OUTSIDE = 8, VERSIONS_MAX = 1000000 };

/* One resource of a chunk, as it was read. */
struct hidden {
    const struct store_target *target;
    struct slice key;
    struct entity_row row;
    bool is_found;
    struct version_row *versions; /* oldest first */
    bool *is_erased;              /* of each version */
    size_t count;
};

struct hiding {
    struct store *store;
    struct arena *arena;
    struct store_erasure about;
    struct hidden *list; /* of the chunk */
    size_t count, documents;
    rocksdb_writebatch_t *batch;
    struct buf piece;
};

/* ---- reading ---- */

static enum err versions_read(struct hiding *h, struct hidden *v)
{
    struct store *store = h->store;
    uint8_t first[sizeof(struct version_key_bytes)] = { 0 };
    size_t room = 16;
    put_be64(first, v->row.entity);
    v->versions = arena_raw(h->arena, room * sizeof *v->versions);
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(store->db, store->read_options, store->families[FAMILY_VERSION]);
    enum err err = v->versions ? ERR_NONE : ERR_NO_MEMORY;
    for (rocksdb_iter_seek(it, (char *)first, sizeof first); !err && rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        struct slice k = rocks_iter_key(it);
        if (k.length != sizeof first || memcmp(k.bytes, first, 8) != 0)
            break;
        if (v->count == room) {
            struct version_row *more = arena_raw(h->arena, 2 * room * sizeof *more);
            err = more && room < VERSIONS_MAX ? ERR_NONE : ERR_LIMIT;
            if (err)
                break;
            memcpy(more, v->versions, v->count * sizeof *more);
            v->versions = more;
            room *= 2;
        }
        err = version_row_decode(k, rocks_iter_value(it), &v->versions[v->count]);
        v->count += !err;
    }
    if (!err)
        err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    return err;
}

static bool is_named(const struct store_target *t, uint64_t doc)
{
    for (size_t i = 0; i < t->doc_count; i++)
        if (t->docs[i] == doc)
            return true;
    return false;
}

static enum err hidden_read(struct hiding *h, const struct store_target *target, struct hidden *v)
{
    *v = (struct hidden){ .target = target };
    uint16_t type = types_find(h->store->types, target->type);
    if (!type || !target->id.length || target->id.length > ID_BYTES_MAX)
        return ERR_NONE;
    v->key = entity_key(h->arena, type, target->id);
    if (!v->key.bytes)
        return ERR_NO_MEMORY;
    TRY(store_entity_find(h->store, v->key, &v->is_found, &v->row));
    if (v->is_found && target->newest && v->row.head != target->newest) {
        v->is_found = false;
        h->about.moved++;
    }
    if (!v->is_found)
        return ERR_NONE;
    TRY(versions_read(h, v));
    v->is_erased = arena_array(h->arena, v->count, sizeof *v->is_erased);
    if (!v->is_erased)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < v->count; i++) {
        v->is_erased[i] = !target->docs || is_named(target, v->versions[i].doc);
        if (target->docs && v->is_erased[i] && v->versions[i].doc == v->row.head)
            return ERR_INVALID; /* a resource without its newest version */
    }
    return ERR_NONE;
}

/* ---- the batch ---- */

static void delete_row(struct hiding *h, enum family family, const void *key, size_t size)
{
    rocksdb_writebatch_delete_cf(h->batch, h->store->families[family], key, size);
}

/* A version that stays is linked to the one that now comes before it. */
static void relink(struct hiding *h, const struct hidden *v, size_t at, uint64_t previous)
{
    struct version_key_bytes key;
    struct version_row_bytes bytes;
    struct version_row row = v->versions[at];
    if (row.previous == previous)
        return;
    row.previous = previous;
    put_be64(key.entity, v->row.entity);
    put_be64(key.doc, row.doc);
    version_row_encode(&row, &bytes);
    rocksdb_writebatch_put_cf(h->batch, h->store->families[FAMILY_VERSION], (char *)&key,
                              sizeof key, (char *)&bytes, sizeof bytes);
}

static void hide_version(struct hiding *h, const struct hidden *v, const struct version_row *row)
{
    uint8_t doc[8];
    struct version_key_bytes version;
    struct erased_bytes e;
    put_be64(doc, row->doc);
    put_be64(version.entity, v->row.entity);
    put_be64(version.doc, row->doc);
    delete_row(h, FAMILY_PLACE, doc, sizeof doc);
    delete_row(h, FAMILY_VERSION, &version, sizeof version);
    rocksdb_writebatch_put_cf(h->batch, h->store->families[FAMILY_DEATH], (char *)doc, sizeof doc,
                              (char *)doc, sizeof doc);
    put_be64(e.doc, row->doc);
    put_be64(e.entity, v->row.entity);
    put_be64(e.home, row->home);
    put_be16(e.type, row->type);
    buf_append(&h->piece, slice_of((char *)&e, sizeof e));
    h->documents++;
}

static void hide_resource(struct hiding *h, const struct hidden *v)
{
    uint64_t kept = 0;
    bool is_whole = v->is_found && !v->target->docs;
    for (size_t i = 0; i < v->count; i++) {
        if (v->is_erased[i]) {
            hide_version(h, v, &v->versions[i]);
        } else {
            relink(h, v, i, kept);
            kept = v->versions[i].doc;
        }
    }
    if (is_whole)
        delete_row(h, FAMILY_ENTITY, v->key.bytes, v->key.length);
    h->about.resources += is_whole;
}

void erasure_status_put(struct store *store, rocksdb_writebatch_t *batch,
                        const struct store_erasure *about)
{
    char key[9] = { (char)META_ERASURE };
    struct erasure_row_bytes row;
    put_be64((uint8_t *)key + 1, about->number);
    row.stage[0] = about->stage;
    put_be64(row.resources, about->resources);
    put_be64(row.versions, about->versions);
    put_instant(row.begun, about->begun);
    put_instant(row.ended, about->ended);
    put_be64(row.files, about->files);
    put_be64(row.found, about->found);
    rocksdb_writebatch_put_cf(batch, store->families[FAMILY_META], key, sizeof key, (char *)&row,
                              sizeof row);
}

static void piece_put(struct hiding *h, uint32_t resources, uint64_t place)
{
    char key[17] = { (char)META_ERASURE };
    put_be64((uint8_t *)key + 1, h->about.number);
    put_be64((uint8_t *)key + 9, place);
    struct erasure_head_bytes *head = (struct erasure_head_bytes *)h->piece.bytes;
    put_be32(head->documents, (uint32_t)h->documents);
    put_be32(head->resources, resources);
    rocksdb_writebatch_put_cf(h->batch, h->store->families[FAMILY_META], key, sizeof key,
                              h->piece.bytes, h->piece.length);
}

static enum err chunk_render(struct hiding *h)
{
    struct erasure_head_bytes head = { { 0 }, { 0 } };
    uint32_t resources = 0;
    uint64_t before = h->about.versions, whole = h->about.resources;
    rocksdb_writebatch_clear(h->batch);
    buf_clear(&h->piece);
    h->documents = 0;
    buf_append(&h->piece, slice_of((char *)&head, sizeof head));
    for (size_t i = 0; i < h->count; i++)
        hide_resource(h, &h->list[i]);
    for (size_t i = 0; i < h->count; i++) {
        const struct hidden *v = &h->list[i];
        uint8_t size[2];
        if (!v->is_found || v->target->docs)
            continue;
        put_be16(size, (uint16_t)(v->key.length - 2));
        buf_append(&h->piece, slice_head(v->key, 2));
        buf_append(&h->piece, slice_of((char *)size, sizeof size));
        buf_append(&h->piece, slice_from(v->key, 2));
        resources++;
    }
    TRY(buf_status(&h->piece));
    h->about.versions += h->documents;
    piece_put(h, resources, before);
    erasure_status_put(h->store, h->batch, &h->about);
    if (h->documents || resources)
        return ERR_NONE;
    h->about.versions = before;
    h->about.resources = whole;
    return ERR_NOT_FOUND;
}

/* ---- the ordered section ---- */

static enum err deaths_ready(struct hiding *h)
{
    for (size_t i = 0; i < h->count; i++)
        for (size_t k = 0; k < h->list[i].count; k++)
            if (h->list[i].is_erased[k])
                TRY(death_ready(&h->store->deaths, h->list[i].versions[k].doc));
    return ERR_NONE;
}

/* Has one of them moved since it was read? */
static bool has_moved(const struct hiding *h)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct hidden *v = &h->list[i];
        if (v->is_found && recent_find(&h->store->recent, v->row.entity) > v->row.head)
            return true;
    }
    return false;
}

static enum err write_locked(struct hiding *h)
{
    struct store *store = h->store;
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    TRY(recent_reserve(&store->recent, h->count, atomic_load(&store->written)));
    char *error = NULL;
    rocksdb_write(store->db, store->write_options, h->batch, &error);
    enum err err = rocks_err(error);
    if (err && err != ERR_BUSY)
        store_latch(store);
    TRY(err);
    for (size_t i = 0; i < h->count; i++) {
        const struct hidden *v = &h->list[i];
        for (size_t k = 0; k < v->count; k++)
            if (v->is_erased[k])
                death_enter(&store->deaths, v->versions[k].doc, v->versions[k].doc);
        if (v->is_found) /* commits that have read the row read it again */
            recent_put(&store->recent, v->row.entity, store->next_doc);
    }
    return ERR_NONE;
}

/* Read what the targets are, and hide it unless one of them moved meanwhile. */
static enum err chunk_try(struct hiding *h, const struct store_target *targets, bool is_inside)
{
    struct store *store = h->store;
    struct store_erasure before = h->about;
    for (size_t i = 0; i < h->count; i++)
        TRY(hidden_read(h, &targets[i], &h->list[i]));
    TRY(deaths_ready(h));
    enum err err = chunk_render(h);
    if (err == ERR_NOT_FOUND)
        return ERR_NONE; /* nothing of it is there */
    if (!err && !is_inside)
        mutex_lock(&store->ordered);
    if (!err && !is_inside && has_moved(h))
        err = ERR_CONFLICT;
    if (!err || err == ERR_CONFLICT) {
        err = err ? err : write_locked(h);
        if (!is_inside)
            mutex_unlock(&store->ordered);
    }
    if (err)
        h->about = before;
    return err;
}

static enum err chunk_hide(struct hiding *h, const struct store_target *targets, size_t count)
{
    struct store *store = h->store;
    struct arena_mark mark = arena_mark(h->arena);
    enum err err = ERR_CONFLICT;
    h->count = count;
    for (int tries = 0; err == ERR_CONFLICT || err == ERR_BUSY; tries++) {
        bool is_inside = tries >= TRIES_OUTSIDE;
        struct preparation preparation;
        if (err == ERR_BUSY)
            os_sleep_us(5000);
        if (is_inside)
            mutex_lock(&store->ordered);
        preparation_begin(&store->recent, &preparation, &store->written);
        err = chunk_try(h, targets, is_inside);
        preparation_end(&store->recent, &preparation);
        if (is_inside)
            mutex_unlock(&store->ordered);
        arena_rewind(h->arena, mark);
    }
    return err;
}

/* ---- the whole ---- */

static enum err hide_all(struct hiding *h, const struct store_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i += ERASE_CHUNK)
        TRY(chunk_hide(h, targets + i, MIN(count - i, (size_t)ERASE_CHUNK)));
    if (!h->about.versions && !h->about.resources)
        return ERR_NONE;
    char *error = NULL;
    rocksdb_flush_wal(h->store->db, 1, &error);
    enum err err = rocks_err(error);
    if (err)
        store_latch(h->store);
    return err;
}

static enum err erase_begin(struct hiding *h, const struct store_target *targets, size_t count)
{
    struct store *store = h->store;
    TRY(store_gaps_begin(store));
    h->list = arena_array(h->arena, ERASE_CHUNK, sizeof *h->list);
    struct erasure *e = calloc(1, sizeof *e); /* lives as long as the store */
    h->batch = rocksdb_writebatch_create();
    buf_init(&h->piece, INT32_MAX);
    h->about.number = store->erasures.next_number;
    h->about.stage = STORE_ERASING;
    h->about.begun = os_now_us();
    enum err err = h->list && e ? hide_all(h, targets, count) : ERR_NO_MEMORY;
    rocksdb_writebatch_destroy(h->batch);
    buf_release(&h->piece);
    /* What was hidden before a failure is hidden: it stands in the record. */
    if (e && (h->about.versions || h->about.resources)) {
        e->about = h->about;
        mutex_lock(&store->erasures.lock);
        e->next = store->erasures.newest;
        store->erasures.newest = e;
        store->erasures.next_number++;
        mutex_unlock(&store->erasures.lock);
    } else {
        free(e);
    }
    return err;
}

enum err store_erase(struct store *store, const struct store_target *targets, size_t count,
                     struct arena *arena, struct store_erasure *ret)
{
    struct hiding h = { .store = store, .arena = arena };
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    TRY(store_wait_index(store));
    struct arena_mark mark = arena_mark(arena);
    mutex_lock(&store->erasures.hide_lock);
    enum err err = erase_begin(&h, targets, count);
    mutex_unlock(&store->erasures.hide_lock);
    arena_rewind(arena, mark);
    *ret = h.about;
    mutex_lock(&store->keeper.lock);
    store->keeper.is_wanted = true;
    cond_broadcast(&store->keeper.work);
    mutex_unlock(&store->keeper.lock);
    return err;
}

/* ---- reading the record again ---- */

static enum err list_grow(struct erased_list *list, size_t documents, size_t keys)
{
    if (list->count + documents > list->room) {
        size_t room = MAX(2 * list->room, list->count + documents);
        struct erased *more = arena_raw(list->arena, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        if (list->count)
            memcpy(more, list->docs, list->count * sizeof *more);
        list->docs = more;
        list->room = room;
    }
    if (list->key_count + keys > list->key_room) {
        size_t room = MAX(2 * list->key_room, list->key_count + keys);
        struct slice *more = arena_raw(list->arena, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        if (list->key_count)
            memcpy(more, list->keys, list->key_count * sizeof *more);
        list->keys = more;
        list->key_room = room;
    }
    return ERR_NONE;
}

static enum err piece_take(struct erased_list *list, struct slice bytes)
{
    const struct erasure_head_bytes *head = (const struct erasure_head_bytes *)bytes.bytes;
    if (bytes.length < sizeof *head)
        return ERR_CORRUPT;
    size_t documents = get_be32(head->documents), keys = get_be32(head->resources);
    bytes = slice_from(bytes, sizeof *head);
    if (bytes.length / sizeof(struct erased_bytes) < documents)
        return ERR_CORRUPT;
    TRY(list_grow(list, documents, keys));
    for (size_t i = 0; i < documents; i++) {
        const struct erased_bytes *e = (const struct erased_bytes *)bytes.bytes + i;
        list->docs[list->count++] = (struct erased){ .doc = get_be64(e->doc),
                                                     .entity = get_be64(e->entity),
                                                     .home = get_be64(e->home),
                                                     .type = get_be16(e->type) };
    }
    bytes = slice_from(bytes, documents * sizeof(struct erased_bytes));
    for (size_t i = 0; i < keys; i++) {
        size_t size = bytes.length < 4 ? 0 : get_be16((const uint8_t *)bytes.bytes + 2);
        if (!size || bytes.length - 4 < size)
            return ERR_CORRUPT;
        char *key = arena_raw(list->arena, 2 + size);
        if (!key)
            return ERR_LIMIT;
        memcpy(key, bytes.bytes, 2);
        memcpy(key + 2, bytes.bytes + 4, size);
        list->keys[list->key_count++] = slice_of(key, 2 + size);
        bytes = slice_from(bytes, 4 + size);
    }
    return ERR_NONE;
}

static int by_doc(const void *a, const void *b)
{
    const struct erased *x = a, *y = b;
    return (x->doc > y->doc) - (x->doc < y->doc);
}

static int by_key(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

enum err erasure_list_read(struct store *store, uint64_t number, struct erased_list *list)
{
    char prefix[9] = { (char)META_ERASURE };
    put_be64((uint8_t *)prefix + 1, number);
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(store->db, store->read_options, store->families[FAMILY_META]);
    enum err err = ERR_NONE;
    for (rocksdb_iter_seek(it, prefix, sizeof prefix); !err && rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        struct slice key = rocks_iter_key(it);
        if (!slice_starts_with(key, slice_of(prefix, sizeof prefix)))
            break;
        if (key.length > sizeof prefix)
            err = piece_take(list, rocks_iter_value(it));
    }
    if (!err)
        err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    if (list->count)
        qsort(list->docs, list->count, sizeof *list->docs, by_doc);
    if (list->key_count)
        qsort(list->keys, list->key_count, sizeof *list->keys, by_key);
    size_t kept = 0; /* one that was used again and erased again comes once */
    for (size_t i = 0; i < list->key_count; i++)
        if (!kept || !slice_equal(list->keys[kept - 1], list->keys[i]))
            list->keys[kept++] = list->keys[i];
    list->key_count = kept;
    return err;
}
