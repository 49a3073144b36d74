/* Readers: heads, versions, history, bodies. */
#include <stdlib.h>

#include "store/embedded/engine.h"
#include "store/embedded/rocks.h"

/* Times are document numbers plus one, so that 0 can mean "now". */
enum err store_read_begin(struct store *store, uint64_t time, struct store_reader **ret_reader)
{
    struct store_reader *reader = malloc(sizeof *reader); /* outlives no request */
    if (!reader)
        return ERR_NO_MEMORY;
    *reader = (struct store_reader){ .store = store };
    reader->place = gate_enter(&store->gate);
    /* In this order: the horizon is never above what was visible before it. */
    uint64_t horizon = atomic_load(&store->horizon.doc);
    uint64_t visible = atomic_load_explicit(&store->visible, memory_order_acquire);
    reader->time = reader->alive_at = time ? time - 1 : visible;
    enum err err = reader->time > visible ? ERR_INVALID
                   : reader->time < horizon ? ERR_GONE
                                            : ERR_NONE;
    if (err) {
        gate_leave(&store->gate, reader->place);
        free(reader);
        return err;
    }
    *ret_reader = reader;
    return ERR_NONE;
}

void store_read_end(struct store_reader *reader)
{
    if (!reader)
        return;
    postings_view_give(reader->view);
    gate_leave(&reader->store->gate, reader->place);
    free(reader);
}

void store_reader_hide_changed(struct store_reader *reader)
{
    reader->alive_at = atomic_load_explicit(&reader->store->visible, memory_order_acquire);
}

uint64_t store_reader_time(const struct store_reader *reader)
{
    return reader->time + 1;
}

/* ---- rows ---- */

enum err store_place_find(struct store *store, uint64_t doc, bool *ret_found,
                          struct place_row *ret)
{
    uint8_t key[8];
    put_be64(key, doc);
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    TRY(rocks_get(store->db, store->read_options, store->families[FAMILY_PLACE],
                  slice_of((char *)key, sizeof key), &pin, &value));
    enum err err = pin ? place_row_decode(value, ret) : ERR_NONE;
    *ret_found = pin != NULL;
    rocksdb_pinnableslice_destroy(pin);
    return err;
}

/* Whoever asks knows from another row that it must be there. */
enum err store_body_row(struct store *store, uint64_t home, uint16_t type, uint64_t doc,
                        rocksdb_pinnableslice_t **ret_pin, struct body_row *ret)
{
    struct body_key_bytes key;
    body_key_encode(home, type, doc, &key);
    struct slice value;
    TRY(rocks_get(store->db, store->read_options, store->families[FAMILY_BODY],
                  slice_of((char *)&key, sizeof key), ret_pin, &value));
    return *ret_pin ? body_row_decode(value, ret) : ERR_CORRUPT;
}

enum err store_body_open(struct store *store, const struct body_row *row, struct arena *arena,
                         struct slice *ret_body, struct slice *ret_appendix)
{
    struct slice whole;
    size_t size = (size_t)row->body_size + row->appendix_size;
    TRY(frame_decompress(&store->frames, row->frame, row->is_raw, size, arena, &whole));
    *ret_body = slice_head(whole, row->body_size);
    *ret_appendix = slice_from(whole, row->body_size);
    return ERR_NONE;
}

/* On `it`: the newest version of the entity with a document <= doc. */
static enum err version_seek(rocksdb_iterator_t *it, uint64_t entity, uint64_t doc,
                             bool *ret_found, struct version_row *ret)
{
    struct version_key_bytes key;
    put_be64(key.entity, entity);
    put_be64(key.doc, doc);
    rocksdb_iter_seek_for_prev(it, (char *)&key, sizeof key);
    *ret_found = false;
    if (!rocksdb_iter_valid(it))
        return rocks_iter_err(it);
    struct slice k = rocks_iter_key(it);
    *ret_found = k.length == sizeof key && memcmp(k.bytes, key.entity, 8) == 0;
    return *ret_found ? version_row_decode(k, rocks_iter_value(it), ret) : ERR_NONE;
}

/* The version before the one `it` stands on. */
static enum err version_previous(rocksdb_iterator_t *it, uint64_t entity, bool *ret_found,
                                 struct version_row *ret)
{
    rocksdb_iter_prev(it);
    *ret_found = false;
    if (!rocksdb_iter_valid(it))
        return rocks_iter_err(it);
    struct slice k = rocks_iter_key(it);
    *ret_found = k.length == sizeof(struct version_key_bytes) &&
                 get_be64((const uint8_t *)k.bytes) == entity;
    return *ret_found ? version_row_decode(k, rocks_iter_value(it), ret) : ERR_NONE;
}

static rocksdb_iterator_t *versions_iterator(struct store *store)
{
    return rocksdb_create_iterator_cf(store->db, store->read_options,
                                      store->families[FAMILY_VERSION]);
}

enum err store_version_at(struct store *store, uint64_t entity, uint64_t doc, bool *ret_found,
                          struct version_row *ret)
{
    rocksdb_iterator_t *it = versions_iterator(store);
    enum err err = version_seek(it, entity, doc, ret_found, ret);
    rocksdb_iter_destroy(it);
    return err;
}

/* ---- heads ---- */

static enum err entity_of(struct store *store, struct slice type, struct slice id,
                          bool *ret_found, struct entity_row *ret)
{
    char key[2 + ID_BYTES_MAX];
    uint16_t number = types_find(store->types, type);
    *ret_found = false;
    if (!number || !id.length || id.length > ID_BYTES_MAX)
        return ERR_NONE;
    put_be16((uint8_t *)key, number);
    memcpy(key + 2, id.bytes, id.length);
    return store_entity_find(store, slice_of(key, 2 + id.length), ret_found, ret);
}

/* The head as the reader sees it. A head above its time is no head yet. */
static enum err head_at(struct store_reader *reader, struct slice type, struct slice id,
                        bool *ret_found, struct version_row *ret)
{
    struct entity_row row;
    TRY(entity_of(reader->store, type, id, ret_found, &row));
    if (!*ret_found)
        return ERR_NONE;
    if (row.head > reader->time)
        return store_version_at(reader->store, row.entity, reader->time, ret_found, ret);
    *ret_found = row.head != 0;
    *ret = (struct version_row){ .doc = row.head,
                                 .version = row.version,
                                 .instant = row.instant,
                                 .home = row.home,
                                 .type = types_find(reader->store->types, type),
                                 .is_deleted = row.is_deleted };
    return ERR_NONE;
}

static void version_fill(const struct version_row *row, struct slice type, struct slice id,
                         struct store_version *ret)
{
    *ret = (struct store_version){ .doc = row->doc,
                                   .version = row->version,
                                   .instant = row->instant,
                                   .is_deleted = row->is_deleted,
                                   .is_first = row->version == 1,
                                   .type = type,
                                   .id = id };
}

enum err store_head_meta(struct store_reader *reader, struct slice type, struct slice id,
                         bool *ret_found, struct store_version *ret)
{
    struct version_row row;
    TRY(head_at(reader, type, id, ret_found, &row));
    if (*ret_found)
        version_fill(&row, type, id, ret);
    return ERR_NONE;
}

/* ---- bodies ---- */

static enum err body_render(struct store *store, const struct body_row *row, uint64_t doc,
                            uint16_t type, struct arena *arena, struct store_version *ret)
{
    char *id = arena_copy(arena, row->id);
    if (!id)
        return ERR_NO_MEMORY;
    *ret = (struct store_version){ .doc = doc,
                                   .version = row->version,
                                   .instant = row->instant,
                                   .is_deleted = row->is_deleted,
                                   .is_first = row->version == 1,
                                   .origin = row->origin,
                                   .type = types_name(store->types, type),
                                   .id = slice_of(id, row->id.length),
                                   .splice = row->splice };
    return store_body_open(store, row, arena, &ret->body, &ret->appendix);
}

static enum err body_at(struct store *store, uint64_t home, uint16_t type, uint64_t doc,
                        struct arena *arena, struct store_version *ret)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct body_row row;
    enum err err = store_body_row(store, home, type, doc, &pin, &row);
    if (!err)
        err = body_render(store, &row, doc, type, arena, ret);
    rocksdb_pinnableslice_destroy(pin);
    return err;
}

enum err store_head(struct store_reader *reader, struct slice type, struct slice id,
                    struct arena *arena, bool *ret_found, struct store_version *ret)
{
    struct version_row row;
    TRY(head_at(reader, type, id, ret_found, &row));
    return *ret_found ? body_at(reader->store, row.home, row.type, row.doc, arena, ret)
                      : ERR_NONE;
}

/* Versions are numbered without gaps, newest last: the wanted one lies as many
 * rows back as its number is below the head's, unless it or others are gone. */
static enum err version_find(struct store_reader *reader, uint64_t entity, uint64_t version,
                             bool *ret_found, struct version_row *ret)
{
    rocksdb_iterator_t *it = versions_iterator(reader->store);
    enum err err = version_seek(it, entity, reader->time, ret_found, ret);
    bool is_older = *ret_found && ret->version > version;
    while (!err && *ret_found && ret->version > version)
        err = version_previous(it, entity, ret_found, ret);
    rocksdb_iter_destroy(it);
    if (*ret_found && ret->version != version)
        *ret_found = false;
    return err || *ret_found || !is_older ? err : ERR_GONE;
}

enum err store_version(struct store_reader *reader, struct slice type, struct slice id,
                       uint64_t version, struct arena *arena, bool *ret_found,
                       struct store_version *ret)
{
    struct entity_row entity;
    struct version_row row;
    TRY(entity_of(reader->store, type, id, ret_found, &entity));
    if (!*ret_found)
        return ERR_NONE;
    if (!version || version > entity.version) {
        *ret_found = false;
        return ERR_NONE;
    }
    TRY(version_find(reader, entity.entity, version, ret_found, &row));
    return *ret_found ? body_at(reader->store, row.home, row.type, row.doc, arena, ret)
                      : ERR_NONE;
}

static enum err history_fill(rocksdb_iterator_t *it, uint64_t entity, uint64_t newest,
                             int64_t since, const struct store_version *like,
                             struct store_version *list, size_t limit, size_t *ret_count)
{
    struct version_row row;
    bool found = false;
    size_t count = 0;
    enum err err = version_seek(it, entity, newest, &found, &row);
    while (!err && found && count < limit && row.instant >= since) {
        version_fill(&row, like->type, like->id, &list[count++]);
        err = version_previous(it, entity, &found, &row);
    }
    *ret_count = count;
    return err;
}

enum err store_history(struct store_reader *reader, struct slice type, struct slice id,
                       uint64_t before_doc, int64_t since, size_t limit, struct arena *arena,
                       struct store_version **ret_versions, size_t *ret_count)
{
    struct entity_row entity;
    bool found = false;
    *ret_count = 0;
    TRY(entity_of(reader->store, type, id, &found, &entity));
    size_t room = found ? (size_t)MIN((uint64_t)limit, entity.version) : 0;
    struct store_version *list = arena_array(arena, room, sizeof *list);
    if (!list)
        return ERR_NO_MEMORY;
    *ret_versions = list;
    if (!room)
        return ERR_NONE;
    uint64_t newest = before_doc ? MIN(before_doc - 1, reader->time) : reader->time;
    struct store_version like = { .type = type, .id = id };
    rocksdb_iterator_t *it = versions_iterator(reader->store);
    enum err err =
        history_fill(it, entity.entity, newest, since, &like, list, room, ret_count);
    rocksdb_iter_destroy(it);
    return err;
}

/* Where none is gone, the newest tells. Else they are counted. */
enum err store_history_count(struct store_reader *reader, struct slice type, struct slice id,
                             uint64_t *ret_count)
{
    struct entity_row entity;
    struct version_row row;
    bool found = false;
    *ret_count = 0;
    TRY(entity_of(reader->store, type, id, &found, &entity));
    if (!found)
        return ERR_NONE;
    rocksdb_iterator_t *it = versions_iterator(reader->store);
    enum err err = version_seek(it, entity.entity, reader->time, &found, &row);
    if (!err && found && !atomic_load(&reader->store->has_gaps)) {
        *ret_count = row.version;
        found = false;
    }
    while (!err && found) {
        ++*ret_count;
        err = version_previous(it, entity.entity, &found, &row);
    }
    rocksdb_iter_destroy(it);
    return err;
}

static enum err history_fill_up(rocksdb_iterator_t *it, uint64_t entity, uint64_t after,
                                uint64_t newest, const struct store_version *like,
                                struct store_version *list, size_t limit, size_t *ret_count)
{
    struct version_key_bytes key;
    struct version_row row;
    size_t count = 0;
    put_be64(key.entity, entity);
    put_be64(key.doc, after + 1);
    rocksdb_iter_seek(it, (char *)&key, sizeof key);
    for (; count < limit && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        struct slice k = rocks_iter_key(it);
        if (k.length != sizeof key || memcmp(k.bytes, key.entity, 8) != 0)
            break;
        TRY(version_row_decode(k, rocks_iter_value(it), &row));
        if (row.doc > newest)
            break;
        version_fill(&row, like->type, like->id, &list[count++]);
    }
    *ret_count = count;
    return rocks_iter_err(it);
}

enum err store_history_up(struct store_reader *reader, struct slice type, struct slice id,
                          uint64_t after_doc, uint64_t before_doc, size_t limit,
                          struct arena *arena, struct store_version **ret_versions,
                          size_t *ret_count)
{
    struct entity_row entity;
    bool found = false;
    *ret_count = 0;
    TRY(entity_of(reader->store, type, id, &found, &entity));
    size_t room = found ? (size_t)MIN((uint64_t)limit, entity.version) : 0;
    *ret_versions = arena_array(arena, room, sizeof **ret_versions);
    if (!*ret_versions)
        return ERR_NO_MEMORY;
    if (!room)
        return ERR_NONE;
    uint64_t newest = before_doc ? MIN(before_doc - 1, reader->time) : reader->time;
    struct store_version like = { .type = type, .id = id };
    rocksdb_iterator_t *it = versions_iterator(reader->store);
    enum err err = history_fill_up(it, entity.entity, after_doc, newest, &like, *ret_versions,
                                   room, ret_count);
    rocksdb_iter_destroy(it);
    return err;
}

enum err store_doc(struct store_reader *reader, uint64_t doc, struct arena *arena,
                   struct store_version *ret)
{
    struct place_row place;
    bool found = false;
    if (!doc || doc > reader->time)
        return ERR_NOT_FOUND;
    TRY(store_place_find(reader->store, doc, &found, &place));
    return found ? body_at(reader->store, place.home, place.type, doc, arena, ret)
                 : ERR_NOT_FOUND;
}

/* ---- many bodies ---- */

enum {
    STEPS_MAX = 6, /* dearer than a seek beyond that */
    NEIGHBOURS = 256,
};

static bool stands_on(const rocksdb_iterator_t *it, uint64_t doc)
{
    if (!rocksdb_iter_valid(it))
        return false;
    struct slice key = rocks_iter_key(it);
    return key.length == sizeof(struct body_key_bytes) &&
           get_be64((const uint8_t *)key.bytes + offsetof(struct body_key_bytes, doc)) == doc;
}

/* How the bodies of one list are found. */
struct body_walk {
    struct store *store;
    rocksdb_iterator_t *it;
    struct body_key_bytes key; /* of the last one found */
    bool has_key; /* the iterator stands there */
    bool is_near; /* the last one lay a few rows on */
    rocksdb_pinnableslice_t *pin; /* of a body that was read by itself */
};

static bool seek_on(struct body_walk *w, uint64_t doc)
{
    put_be64(w->key.doc, doc);
    rocksdb_iter_seek(w->it, (char *)&w->key, sizeof w->key);
    return stands_on(w->it, doc);
}

/* A record's documents lie together, so the wanted one is likely a few rows on. Else its
 * place is looked up, which costs a tenth of a seek. */
static bool step_on(struct body_walk *w, uint64_t doc)
{
    bool is_next = w->has_key && get_be64(w->key.doc) + 1 == doc;
    if (!w->has_key || !(w->is_near || is_next))
        return false;
    w->is_near = true;
    for (int steps = 0; steps < STEPS_MAX && rocksdb_iter_valid(w->it); steps++) {
        rocksdb_iter_next(w->it);
        if (stands_on(w->it, doc))
            return true;
    }
    return w->is_near = false;
}

/* Documents whose numbers are so near were written with one record, most likely. */
static bool is_alone(const struct body_walk *w, const struct place_row *place, uint64_t doc,
                     uint64_t next)
{
    struct body_key_bytes key;
    body_key_encode(place->home, place->type, doc, &key);
    bool is_same = w->has_key && memcmp(&key, &w->key, offsetof(struct body_key_bytes, doc)) == 0;
    return !is_same && (!next || next < doc || next - doc > NEIGHBOURS);
}

/* The document's row; an iterator's seek looks into every level of the files, a get stops
 * where it finds the row. `next`: the document that will be asked for then; 0: none. */
static enum err body_find(struct body_walk *w, uint64_t doc, uint64_t next, uint16_t *ret_type,
                          struct body_row *ret)
{
    struct place_row place;
    bool found = false;
    if (!step_on(w, doc)) {
        TRY(store_place_find(w->store, doc, &found, &place));
        if (!found)
            return ERR_NOT_FOUND;
        *ret_type = place.type;
        /* One that has just gone is still there for the iterator. */
        if (is_alone(w, &place, doc, next) &&
            !store_body_row(w->store, place.home, place.type, doc, &w->pin, ret))
            return ERR_NONE;
        body_key_encode(place.home, place.type, doc, &w->key);
        w->is_near = w->is_near || !w->has_key;
        if (!seek_on(w, doc)) {
            TRY(rocks_iter_err(w->it));
            return ERR_CORRUPT;
        }
    }
    memcpy(&w->key, rocks_iter_key(w->it).bytes, sizeof w->key);
    w->has_key = true;
    *ret_type = get_be16(w->key.type);
    return body_row_decode(rocks_iter_value(w->it), ret);
}

static enum err visit_one(struct body_walk *w, uint64_t doc, uint64_t next, struct arena *scratch,
                          store_visit *visit, void *context)
{
    struct body_row row;
    struct store_version version;
    uint16_t type = 0;
    enum err err = body_find(w, doc, next, &type, &row);
    if (err == ERR_NOT_FOUND && atomic_load(&w->store->has_gaps))
        return ERR_NONE; /* erased since the reader found it */
    if (!err)
        err = body_render(w->store, &row, doc, type, scratch, &version);
    if (!err)
        err = visit(context, &version);
    rocksdb_pinnableslice_destroy(w->pin);
    w->pin = NULL;
    return err;
}

enum err store_docs(struct store_reader *reader, const uint64_t *docs, size_t count,
                    struct arena *scratch, store_visit *visit, void *context)
{
    struct store *store = reader->store;
    struct body_walk walk = { .store = store,
                              .it = rocksdb_create_iterator_cf(store->db, store->read_options,
                                                               store->families[FAMILY_BODY]) };
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < count; i++) {
        struct arena_mark mark = arena_mark(scratch);
        err = docs[i] && docs[i] <= reader->time
                  ? visit_one(&walk, docs[i], i + 1 < count ? docs[i + 1] : 0, scratch, visit,
                              context)
                  : ERR_NOT_FOUND;
        arena_rewind(scratch, mark);
    }
    rocksdb_iter_destroy(walk.it);
    return err;
}

/* ---- a home ---- */

enum err store_scan_home(struct store_reader *reader, struct slice type, struct slice id,
                         store_visit *visit, void *context)
{
    struct store *store = reader->store;
    struct entity_row entity;
    uint8_t home[8];
    bool found = false;
    TRY(entity_of(store, type, id, &found, &entity));
    if (!found)
        return ERR_NONE;
    put_be64(home, entity.entity);
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(store->db, store->read_options, store->families[FAMILY_BODY]);
    enum err err = ERR_NONE;
    for (rocksdb_iter_seek(it, (char *)home, sizeof home); !err && rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        struct slice k = rocks_iter_key(it);
        const struct body_key_bytes *key = (const struct body_key_bytes *)k.bytes;
        struct body_row row;
        if (k.length != sizeof *key || memcmp(key->home, home, sizeof home) != 0)
            break;
        err = body_row_decode(rocks_iter_value(it), &row);
        struct store_version v = { .doc = get_be64(key->doc) };
        if (err || v.doc > reader->time)
            continue;
        v.type = types_name(store->types, get_be16(key->type));
        v.id = row.id;
        v.version = row.version;
        v.is_deleted = row.is_deleted;
        err = visit(context, &v);
    }
    if (!err)
        err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    return err;
}
