/* One document's rows against one another, and heads without documents.
 *
 * Each row says something about others: a version its place, its body, the version
 * before, its resource's head; a death which version came after. All of it is local, so
 * every document is looked at by itself, and a check can go on at any of them. */
#include <stdlib.h>

#include <xxhash.h>

#include "store/embedded/check.h"
#include "store/embedded/rocks.h"

enum { LOOKS_MAX = 100, HEADS = 256 };

/* One look at a document. */
struct look {
    struct check *c;
    struct arena *arena;
    struct check_doc *doc;
    uint64_t digest; /* of every row that was read */
    uint32_t wrong;  /* a bit for each kind of finding */
};

static void wrong(struct look *l, enum store_finding_kind kind)
{
    l->wrong |= UINT32_C(1) << kind;
}

bool check_is_beyond(const struct check *c, uint64_t doc)
{
    return doc <= atomic_load(&c->store->horizon.doc);
}

static bool has_gaps(const struct look *l)
{
    return atomic_load(&l->c->store->has_gaps);
}

/* A row; *ret_value's bytes are NULL when there is none. Rows that RocksDB itself cannot
 * read are found as such, and are none. */
static enum err row_get(struct look *l, enum family family, struct slice key,
                        rocksdb_pinnableslice_t **ret_pin, struct slice *ret_value)
{
    struct store *store = l->c->store;
    *ret_value = SLICE_NONE;
    enum err err = rocks_get(store->db, store->read_options, store->families[family], key, ret_pin,
                             ret_value);
    if (err == ERR_CORRUPT) {
        wrong(l, STORE_FINDING_UNREADABLE);
        err = ERR_NONE;
    }
    l->digest = XXH3_64bits_withSeed(ret_value->bytes ? ret_value->bytes : "", ret_value->length,
                                     l->digest + family + (ret_value->bytes != NULL));
    return err;
}

/* ---- rows ---- */

static enum err killer_get(struct look *l, uint64_t doc, uint64_t *ret)
{
    uint8_t key[8];
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    put_be64(key, doc);
    TRY(row_get(l, FAMILY_DEATH, slice_of((char *)key, sizeof key), &pin, &value));
    *ret = value.length == 8 ? get_be64((const uint8_t *)value.bytes) : 0;
    rocksdb_pinnableslice_destroy(pin);
    return ERR_NONE;
}

static enum err place_get(struct look *l, uint64_t doc, bool *ret_found, struct place_row *ret)
{
    uint8_t key[8];
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    put_be64(key, doc);
    TRY(row_get(l, FAMILY_PLACE, slice_of((char *)key, sizeof key), &pin, &value));
    *ret_found = value.bytes != NULL;
    if (*ret_found && place_row_decode(value, ret)) {
        *ret = (struct place_row){ 0 };
        wrong(l, STORE_FINDING_PLACE);
    }
    rocksdb_pinnableslice_destroy(pin);
    return ERR_NONE;
}

static enum err version_get(struct look *l, uint64_t entity, uint64_t doc, bool *ret_found,
                            struct version_row *ret)
{
    struct version_key_bytes bytes;
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value, key = slice_of((char *)&bytes, sizeof bytes);
    put_be64(bytes.entity, entity);
    put_be64(bytes.doc, doc);
    TRY(row_get(l, FAMILY_VERSION, key, &pin, &value));
    *ret_found = value.bytes && version_row_decode(key, value, ret) == ERR_NONE;
    rocksdb_pinnableslice_destroy(pin);
    return ERR_NONE;
}

static enum err entity_get(struct look *l, struct slice key, bool *ret_found,
                           struct entity_row *ret)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    TRY(row_get(l, FAMILY_ENTITY, key, &pin, &value));
    *ret_found = value.bytes != NULL;
    if (*ret_found && entity_row_decode(value, ret)) {
        *ret = (struct entity_row){ 0 };
        wrong(l, STORE_FINDING_ENTITY);
    }
    rocksdb_pinnableslice_destroy(pin);
    return ERR_NONE;
}

/* ---- what they say of one another ---- */

/* The version before, those between erased. */
static enum err look_chain(struct look *l, uint64_t entity, const struct version_row *v)
{
    struct version_row before;
    bool found = false;
    if (!v->previous) {
        if (v->version != 1 && !has_gaps(l))
            wrong(l, STORE_FINDING_CHAIN);
        return ERR_NONE;
    }
    TRY(version_get(l, entity, v->previous, &found, &before));
    bool is_before = found && (before.version + 1 == v->version ||
                               (has_gaps(l) && before.version < v->version));
    /* What it superseded may be gone. */
    bool may_lack = !found && check_is_beyond(l->c, v->doc);
    if (v->version == 1 || (!is_before && !may_lack))
        wrong(l, STORE_FINDING_CHAIN);
    return ERR_NONE;
}

/* Who killed a version that is not the newest: the one after it, or one after it that
 * was erased since. */
static enum err look_death(struct look *l, uint64_t entity, const struct version_row *v)
{
    uint64_t killer = l->doc->killer, of_killer = 0;
    struct version_row after;
    bool found = false;
    if (v->is_deleted) {
        if (killer != v->doc)
            wrong(l, STORE_FINDING_DEATH);
        return ERR_NONE;
    }
    if (killer <= v->doc) {
        wrong(l, STORE_FINDING_DEATH);
        return ERR_NONE;
    }
    TRY(version_get(l, entity, killer, &found, &after));
    if (found && after.previous == v->doc)
        return ERR_NONE;
    TRY(killer_get(l, killer, &of_killer));
    bool is_erased = !found && has_gaps(l) && of_killer == killer;
    if (!is_erased && !check_is_beyond(l->c, killer))
        wrong(l, STORE_FINDING_DEATH);
    return ERR_NONE;
}

static enum err look_head(struct look *l, const struct entity_row *entity,
                          const struct version_row *v, const struct body_row *body)
{
    if (entity->head != v->doc) {
        if (entity->head < v->doc)
            wrong(l, STORE_FINDING_HEAD);
        return look_death(l, entity->entity, v);
    }
    if (entity->version != v->version || entity->is_deleted != v->is_deleted ||
        entity->home != v->home || entity->instant != v->instant ||
        (!v->is_deleted && memcmp(entity->hash, body->hash, HASH_BYTES) != 0))
        wrong(l, STORE_FINDING_HEAD);
    if (l->doc->killer != (v->is_deleted ? v->doc : 0))
        wrong(l, STORE_FINDING_DEATH);
    return ERR_NONE;
}

/* ---- bodies ---- */

static enum err look_bytes(struct look *l, const struct body_row *row)
{
    struct slice body, appendix;
    uint8_t hash[HASH_BYTES];
    struct check_doc *d = l->doc;
    d->id = slice_of(arena_copy(l->arena, row->id), row->id.length);
    if (!d->id.bytes)
        return ERR_NO_MEMORY;
    d->is_there = true;
    d->is_sound = d->is_deleted;
    if (d->is_deleted)
        return ERR_NONE;
    enum err err = store_body_open(l->c->store, row, l->arena, &body, &appendix);
    if (err == ERR_CORRUPT) {
        wrong(l, STORE_FINDING_BODY);
        return ERR_NONE;
    }
    TRY(err);
    store_body_hash(body, appendix, row->splice, hash);
    if (memcmp(hash, row->hash, HASH_BYTES) != 0) {
        wrong(l, STORE_FINDING_BODY_HASH);
        return ERR_NONE;
    }
    /* The row may hold the bytes themselves, and is let go. */
    d->body = slice_of(row->is_raw ? arena_copy(l->arena, body) : body.bytes, body.length);
    d->is_sound = d->body.bytes != NULL;
    return d->is_sound ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err look_resource(struct look *l, const struct place_row *place,
                              const struct version_row *v, const struct body_row *body)
{
    struct entity_row entity;
    bool found = false;
    struct slice key = entity_key(l->arena, place->type, l->doc->id);
    if (!key.bytes)
        return ERR_NO_MEMORY;
    TRY(entity_get(l, key, &found, &entity));
    if (!found || entity.entity != place->entity) {
        wrong(l, STORE_FINDING_HEAD_MISSING);
        return ERR_NONE;
    }
    return look_head(l, &entity, v, body);
}

/* `v` NULL: its version is not there. */
static enum err look_body(struct look *l, const struct place_row *place,
                          const struct version_row *v)
{
    struct body_key_bytes key;
    struct body_row row;
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    body_key_encode(place->home, place->type, l->doc->doc, &key);
    enum err err = row_get(l, FAMILY_BODY, slice_of((char *)&key, sizeof key), &pin, &value);
    if (!err && (!value.bytes || body_row_decode(value, &row))) {
        wrong(l, STORE_FINDING_BODY_MISSING);
    } else if (!err) {
        if (row.entity != place->entity || row.version != place->version ||
            row.is_deleted != place->is_deleted || (v && row.instant != v->instant))
            wrong(l, STORE_FINDING_BODY_HEAD);
        err = look_bytes(l, &row);
        if (!err && v)
            err = look_resource(l, place, v, &row);
    }
    rocksdb_pinnableslice_destroy(pin);
    return err;
}

/* ---- one document ---- */

static enum err look_once(struct look *l)
{
    struct check_doc *d = l->doc;
    struct place_row place = { 0 };
    struct version_row v;
    bool found = false;
    TRY(place_get(l, d->doc, &found, &place));
    TRY(killer_get(l, d->doc, &d->killer));
    if (!found) {
        if (!d->killer || !(d->killer == d->doc || check_is_beyond(l->c, d->killer)))
            wrong(l, STORE_FINDING_PLACE_MISSING);
        return ERR_NONE;
    }
    d->type = place.type;
    d->is_deleted = place.is_deleted;
    TRY(version_get(l, place.entity, d->doc, &found, &v));
    if (!found)
        wrong(l, STORE_FINDING_VERSION_MISSING);
    else if (place.version != v.version || place.home != v.home || place.type != v.type ||
             place.is_deleted != v.is_deleted)
        wrong(l, STORE_FINDING_PLACE);
    if (found)
        TRY(look_chain(l, place.entity, &v));
    return look_body(l, &place, found ? &v : NULL);
}

enum err check_tell(struct check *c, enum store_finding_kind kind, uint64_t doc)
{
    const struct store_finding f = { .kind = (uint8_t)kind, .doc = doc };
    return c->found(c->context, &f);
}

/* What is wrong is looked at until two looks in a row read the same: a batch that was
 * written in between is then whole in both, or in neither. */
enum err check_truth(struct check *c, uint64_t doc, struct arena *arena, struct check_doc *ret)
{
    struct look before = { 0 };
    for (int looks = 0; looks < LOOKS_MAX; looks++) {
        struct arena_mark mark = arena_mark(arena);
        struct look l = { .c = c, .arena = arena, .doc = ret };
        *ret = (struct check_doc){ .doc = doc };
        TRY(look_once(&l));
        if (!l.wrong)
            return ERR_NONE;
        if (looks && l.digest == before.digest && l.wrong == before.wrong) {
            for (uint32_t kind = 0; kind < STORE_FINDING_KINDS; kind++)
                if (l.wrong >> kind & 1)
                    TRY(check_tell(c, (enum store_finding_kind)kind, doc));
            return ERR_NONE;
        }
        before = l;
        arena_rewind(arena, mark);
    }
    *ret = (struct check_doc){ .doc = doc }; /* it changes all the time: another check's */
    return ERR_NONE;
}

/* ---- heads ---- */

/* The document that a head names. */
static enum err head_look(struct look *l, struct slice key)
{
    struct entity_row entity;
    struct place_row place;
    bool found = false;
    TRY(entity_get(l, key, &found, &entity));
    if (!found || l->wrong || !entity.head)
        return ERR_NONE;
    l->doc->doc = entity.head;
    TRY(place_get(l, entity.head, &found, &place));
    if (!found || place.entity != entity.entity ||
        place.type != get_be16((const uint8_t *)key.bytes))
        wrong(l, STORE_FINDING_HEAD_LOST);
    return ERR_NONE;
}

static enum err head_check(struct check *c, struct slice key)
{
    struct look before = { 0 };
    struct arena none;
    arena_init(&none, 1);
    for (int looks = 0; looks < LOOKS_MAX; looks++) {
        struct check_doc doc = { 0 };
        struct look l = { .c = c, .arena = &none, .doc = &doc };
        TRY(head_look(&l, key));
        if (!l.wrong)
            return ERR_NONE;
        if (looks && l.digest == before.digest)
            return check_tell(c,
                              l.wrong >> STORE_FINDING_ENTITY & 1 ? STORE_FINDING_ENTITY
                                                                  : STORE_FINDING_HEAD_LOST,
                              doc.doc);
        before = l;
    }
    return ERR_NONE;
}

static enum err heads(struct check *c, rocksdb_iterator_t *it, struct buf *after,
                      uint64_t *ret_count)
{
    for (; *ret_count < HEADS && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        struct slice key = rocks_iter_key(it);
        if (slice_equal(key, buf_slice(after)))
            continue;
        if (key.length > 2)
            TRY(head_check(c, key));
        else
            TRY(check_tell(c, STORE_FINDING_ENTITY, 0));
        buf_clear(after);
        buf_append(after, key);
        ++*ret_count;
        TRY(buf_status(after));
    }
    return rocks_iter_err(it);
}

enum err check_heads(struct check *c, struct buf *after, uint64_t *ret_count, bool *ret_any)
{
    check_gate_in(c);
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(c->store->db, c->store->read_options,
                                                        c->store->families[FAMILY_ENTITY]);
    rocksdb_iter_seek(it, after->bytes ? after->bytes : "", after->length);
    *ret_count = 0;
    enum err err = heads(c, it, after, ret_count);
    *ret_any = *ret_count > 0;
    rocksdb_iter_destroy(it);
    check_gate_out(c);
    return err;
}
