/* The first half of a commit: what is there, and what each write comes to. */
#include <stdlib.h>

#include <xxhash.h>

#include "store/embedded/commit.h"
#include "store/embedded/rocks.h"

struct slice entity_key(struct arena *arena, uint16_t type, struct slice id)
{
    char *key = arena_raw(arena, 2 + id.length);
    if (!key)
        return SLICE_NONE;
    put_be16((uint8_t *)key, type);
    if (id.length)
        memcpy(key + 2, id.bytes, id.length);
    return slice_of(key, 2 + id.length);
}

void store_body_hash(struct slice body, struct slice appendix, uint32_t splice,
                     uint8_t ret_hash[HASH_BYTES])
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(body.bytes, body.length, splice);
    if (appendix.length)
        hash.low64 ^= XXH3_64bits_withSeed(appendix.bytes, appendix.length, hash.high64);
    put_be64(ret_hash, hash.high64);
    put_be64(ret_hash + 8, hash.low64);
}

enum err store_entity_find(struct store *store, struct slice key, bool *ret_found,
                           struct entity_row *ret)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    TRY(rocks_get(store->db, store->read_options, store->families[FAMILY_ENTITY], key, &pin,
                  &value));
    enum err err = pin ? entity_row_decode(value, ret) : ERR_NONE;
    *ret_found = pin != NULL;
    rocksdb_pinnableslice_destroy(pin);
    return err;
}

/* ---- gathering ---- */

static enum err gather_home(struct commit *c, size_t at)
{
    struct pending *p = &c->pendings[at];
    const struct store_write *w = p->write;
    p->home_owner = at;
    if (!w->home_type.length)
        return ERR_NONE;
    if (w->home_id.length > ID_BYTES_MAX)
        return ERR_INVALID;
    if (at) { /* a bundle is mostly about one member */
        const struct pending *before = &c->pendings[at - 1];
        if (slice_equal(before->write->home_id, w->home_id) &&
            slice_equal(before->write->home_type, w->home_type)) {
            p->home_owner = before->home_owner;
            return ERR_NONE;
        }
    }
    uint16_t type = 0;
    TRY(store_type_number(c->store, w->home_type, &type));
    p->home_key = entity_key(c->arena, type, w->home_id);
    if (!p->home_key.bytes)
        return ERR_NO_MEMORY;
    return birth_take(c->store->births, p->home_key, &p->home_birth);
}

static enum err gather_one(struct commit *c, size_t at, const struct store_write *write)
{
    struct pending *p = &c->pendings[at];
    p->write = write;
    p->terms = write->terms;
    p->term_count = write->term_count;
    p->rules = write->rules;
    if (!write->id.length || write->id.length > ID_BYTES_MAX ||
        write->body.length + (uint64_t)write->appendix.length > INT32_MAX)
        return ERR_INVALID;
    TRY(store_type_number(c->store, write->type, &p->type));
    p->key = entity_key(c->arena, p->type, write->id);
    if (!p->key.bytes)
        return ERR_NO_MEMORY;
    TRY(birth_take(c->store->births, p->key, &p->birth));
    return gather_home(c, at);
}

enum err commit_gather(struct commit *c, struct store_write *writes)
{
    c->pendings = arena_array(c->arena, c->count, sizeof *c->pendings);
    if (!c->pendings)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < c->count; i++)
        TRY(gather_one(c, i, &writes[i]));
    return ERR_NONE;
}

void commit_release(struct commit *c)
{
    for (size_t i = 0; c->pendings && i < c->count; i++) {
        if (c->pendings[i].birth)
            birth_give(c->store->births, c->pendings[i].birth);
        if (c->pendings[i].home_birth)
            birth_give(c->store->births, c->pendings[i].home_birth);
    }
    if (c->batch)
        rocksdb_writebatch_destroy(c->batch);
    run_unref(c->run);
    buf_release(&c->rows);
    buf_release(&c->scratch);
}

/* ---- resolving ---- */

/* The row decides; without one the entry's number. The entry was taken before
 * the row is looked for, so two commits cannot number one entity twice. */
static enum err resolve_entity(struct commit *c, struct pending *p)
{
    bool found = false;
    p->head = (struct entity_row){ 0 };
    TRY(store_entity_find(c->store, p->key, &found, &p->head));
    if (!found) {
        p->head = (struct entity_row){ 0 };
        return birth_number(c->store->births, p->birth, store_entity_next, c->store, &p->entity);
    }
    p->entity = p->head.entity;
    return ERR_NONE;
}

static enum err resolve_home(struct commit *c, struct pending *p)
{
    struct pending *owner = &c->pendings[p->home_owner];
    if (!p->write->home_type.length) {
        /* Its own: so what is written lies behind what was written before, and level 0
         * of the bodies is not merged into all of them for the sake of a few. */
        p->home = p->entity;
        return ERR_NONE;
    }
    if (owner == p && p->home_birth) {
        struct entity_row row;
        bool found = false;
        if (slice_equal(p->home_key, p->key)) {
            p->home = p->entity; /* a record's own head: its row comes with it */
            return ERR_NONE;
        }
        TRY(store_entity_find(c->store, p->home_key, &found, &row));
        p->home_is_new = !found;
        p->home = row.entity;
        if (!found)
            return birth_number(c->store->births, p->home_birth, store_entity_next, c->store,
                                &p->home);
    }
    p->home = owner->home;
    return ERR_NONE;
}

/* Equal hashes only raise the question; the bytes themselves answer it. */
static enum err is_equal_to_head(struct commit *c, struct pending *p, bool *ret_equal)
{
    const struct store_write *w = p->write;
    *ret_equal = false;
    if (memcmp(p->hash, p->head.hash, HASH_BYTES) != 0)
        return ERR_NONE;
    struct body_row row;
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice body, appendix;
    struct arena_mark mark = arena_mark(c->arena);
    enum err err =
        store_body_row(c->store, p->head.home, p->type, p->head.head, &pin, &row);
    if (!err)
        err = store_body_open(c->store, &row, c->arena, &body, &appendix);
    if (!err)
        *ret_equal = row.splice == w->splice && slice_equal(body, w->body) &&
                     slice_equal(appendix, w->appendix);
    arena_rewind(c->arena, mark);
    rocksdb_pinnableslice_destroy(pin);
    return err;
}

static bool expectation_holds(const struct store_write *w, const struct entity_row *head)
{
    bool is_live = head->head && !head->is_deleted;
    switch ((enum store_expect)w->expect) {
    case STORE_ANY:
        return true;
    case STORE_NOT_THERE:
        return !head->head;
    case STORE_VERSION:
        return is_live && store_write_expects(w, head->version);
    case STORE_LIVE:
        return is_live;
    }
    return false;
}

static enum err decide(struct commit *c, struct pending *p)
{
    const struct store_write *w = p->write;
    bool is_live = p->head.head && !p->head.is_deleted;
    p->version = p->head.version;
    p->writes = false;
    if (!expectation_holds(w, &p->head)) {
        p->outcome = STORE_REFUSED;
        return ERR_NONE;
    }
    if (w->operation == STORE_DELETE) {
        p->outcome = is_live ? STORE_DELETED : STORE_NOTHING;
        p->writes = is_live;
    } else {
        bool equal = false;
        if (!p->is_hashed)
            store_body_hash(w->body, w->appendix, w->splice, p->hash);
        p->is_hashed = true;
        if (is_live && w->skip_if_equal)
            TRY(is_equal_to_head(c, p, &equal));
        p->outcome = equal ? STORE_UNCHANGED : is_live ? STORE_UPDATED : STORE_CREATED;
        p->writes = !equal;
    }
    if (p->writes)
        p->version++;
    return ERR_NONE;
}

static int entity_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The promise "one write per (type, id)" comes from a client's bundle in the
 * end, and breaking it would break the chain of versions: so it is checked. */
static enum err refuse_repeats(struct commit *c)
{
    if (c->count < 2)
        return ERR_NONE;
    struct arena_mark mark = arena_mark(c->arena);
    uint64_t *entities = arena_raw(c->arena, c->count * sizeof *entities);
    if (!entities)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < c->count; i++)
        entities[i] = c->pendings[i].entity;
    qsort(entities, c->count, sizeof *entities, entity_compare);
    enum err err = ERR_NONE;
    for (size_t i = 1; i < c->count; i++)
        if (entities[i] == entities[i - 1])
            err = ERR_INVALID;
    arena_rewind(c->arena, mark);
    return err;
}

static void refuse_all(struct commit *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct pending *p = &c->pendings[i];
        if (i == c->refused)
            continue;
        p->outcome = STORE_NOTHING;
        p->version = p->head.version;
        p->writes = false;
    }
}

enum err commit_resolve(struct commit *c)
{
    c->refused = c->count;
    c->rests_on = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct pending *p = &c->pendings[i];
        TRY(resolve_entity(c, p));
        TRY(resolve_home(c, p));
        TRY(decide(c, p));
        c->rests_on = MAX(c->rests_on, p->head.head);
        if (p->outcome == STORE_REFUSED && c->all_or_nothing && c->refused == c->count)
            c->refused = i;
    }
    TRY(refuse_repeats(c));
    if (c->refused < c->count)
        refuse_all(c);
    c->doc_count = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->pendings[i].writes)
            c->pendings[i].place = c->doc_count++;
    return ERR_NONE;
}
