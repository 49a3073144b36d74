/* What changed, by age: a walk over places, which lie in commit order. */
#include "store/embedded/engine.h"
#include "store/embedded/rocks.h"

enum err store_doc_before(struct store_reader *reader, int64_t instant, uint64_t *ret_doc)
{
    struct store *store = reader->store;
    *ret_doc = 0;
    if (instant == INT64_MIN)
        return ERR_NONE;
    uint8_t key[8];
    put_instant(key, instant - 1);
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(store->db, store->read_options, store->families[FAMILY_LOG]);
    rocksdb_iter_seek_for_prev(it, (char *)key, sizeof key);
    enum err err = rocks_iter_err(it);
    if (!err && rocksdb_iter_valid(it)) {
        struct slice value = rocks_iter_value(it);
        if (value.length == sizeof(struct log_row_bytes))
            *ret_doc =
                MIN(get_be64((const uint8_t *)value.bytes + offsetof(struct log_row_bytes, last)),
                    reader->time);
        else
            err = ERR_CORRUPT;
    }
    rocksdb_iter_destroy(it);
    return err;
}

struct walk {
    struct store *store;
    const struct store_changes *query;
    uint16_t type; /* 0: all */
    uint64_t newest; /* the walk's upper end */
    uint64_t *docs;
    size_t count;
};

static enum err is_wanted(struct walk *w, uint64_t doc, struct slice value, bool *ret)
{
    struct place_row place;
    TRY(place_row_decode(value, &place));
    *ret = !w->type || place.type == w->type;
    if (*ret && doc <= w->query->alive_at)
        return death_is_alive(&w->store->deaths, doc, w->query->alive_at, ret);
    return ERR_NONE;
}

/* Does the walk end at the document `it` stands on, and if not, is that one taken?
 * *ret_next as store_changes() has it. */
static enum err walk_step(struct walk *w, rocksdb_iterator_t *it, bool is_last_step,
                          uint64_t *ret_next, bool *ret_done)
{
    const struct store_changes *q = w->query;
    struct slice k = rocks_iter_key(it);
    if (k.length != 8)
        return ERR_CORRUPT;
    uint64_t doc = get_be64((const uint8_t *)k.bytes);
    bool wanted;
    *ret_done = doc <= q->after_doc || doc > w->newest;
    if (*ret_done)
        return ERR_NONE;
    TRY(is_wanted(w, doc, rocks_iter_value(it), &wanted));
    if ((wanted && w->count == q->limit) || is_last_step) {
        *ret_next = q->is_oldest_first ? doc - 1 : doc + 1;
        *ret_done = true;
    } else if (wanted) {
        w->docs[w->count++] = doc;
    }
    return ERR_NONE;
}

static enum err walk_run(struct walk *w, rocksdb_iterator_t *it, uint64_t *ret_next)
{
    bool is_up = w->query->is_oldest_first, done = false;
    uint8_t key[8];
    put_be64(key, is_up ? w->query->after_doc + 1 : w->newest);
    if (is_up)
        rocksdb_iter_seek(it, (char *)key, sizeof key);
    else
        rocksdb_iter_seek_for_prev(it, (char *)key, sizeof key);
    for (size_t steps = 0; !done && rocksdb_iter_valid(it); steps++) {
        TRY(walk_step(w, it, steps == STORE_CHANGES_WALK, ret_next, &done));
        if (is_up)
            rocksdb_iter_next(it);
        else
            rocksdb_iter_prev(it);
    }
    return rocks_iter_err(it);
}

enum err store_changes(struct store_reader *reader, const struct store_changes *query,
                       struct arena *arena, uint64_t **ret_docs, size_t *ret_count,
                       uint64_t *ret_next)
{
    struct store *store = reader->store;
    struct walk w = { .store = store, .query = query };
    *ret_count = 0;
    *ret_next = 0;
    w.docs = arena_array(arena, query->limit, sizeof *w.docs);
    if (!w.docs)
        return ERR_NO_MEMORY;
    *ret_docs = w.docs;
    w.type = query->type.length ? types_find(store->types, query->type) : 0;
    if (query->type.length && !w.type)
        return ERR_NONE; /* nothing of this type was ever stored */
    w.newest = query->before_doc ? MIN(query->before_doc - 1, reader->time) : reader->time;
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(store->db, store->read_options, store->families[FAMILY_PLACE]);
    enum err err = walk_run(&w, it, ret_next);
    rocksdb_iter_destroy(it);
    *ret_count = w.count;
    return err;
}
