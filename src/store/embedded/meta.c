/* Small records: format, type names, entity numbers, and those of
 * store_meta_set(). Every write of them is synced by itself: they are rare. */
#include <rocksdb/c.h>

#include "os/thread.h"
#include "store/embedded/engine.h"
#include "store/embedded/rocks.h"

enum { META_NAME_BYTES_MAX = 1024 };

static enum err meta_key(char *out, enum meta_kind kind, struct slice name, struct slice *ret)
{
    if (name.length > META_NAME_BYTES_MAX)
        return ERR_INVALID;
    out[0] = (char)kind;
    if (name.length)
        memcpy(out + 1, name.bytes, name.length);
    *ret = slice_of(out, 1 + name.length);
    return ERR_NONE;
}

enum err meta_put(struct store *store, enum meta_kind kind, struct slice name,
                  struct slice value)
{
    char bytes[META_NAME_BYTES_MAX + 1];
    struct slice key;
    TRY(meta_key(bytes, kind, name, &key));
    char *error = NULL;
    rocksdb_put_cf(store->db, store->sync_options, store->families[FAMILY_META], key.bytes,
                   key.length, value.bytes, value.length, &error);
    enum err err = rocks_err(error);
    if (err)
        store_latch(store);
    return err;
}

enum err store_meta_get(struct store *store, struct slice key, struct arena *arena,
                        bool *ret_found, struct slice *ret_value)
{
    char bytes[META_NAME_BYTES_MAX + 1];
    struct slice whole, value;
    rocksdb_pinnableslice_t *pin = NULL;
    TRY(meta_key(bytes, META_USER, key, &whole));
    TRY(rocks_get(store->db, store->read_options, store->families[FAMILY_META], whole, &pin,
                  &value));
    *ret_found = pin != NULL;
    char *copy = pin ? arena_copy(arena, value) : NULL;
    rocksdb_pinnableslice_destroy(pin);
    if (*ret_found && !copy)
        return ERR_NO_MEMORY;
    *ret_value = slice_of(copy, copy ? value.length : 0);
    return ERR_NONE;
}

static enum err meta_remove(struct store *store, struct slice key)
{
    char *error = NULL;
    rocksdb_delete_cf(store->db, store->sync_options, store->families[FAMILY_META], key.bytes,
                      key.length, &error);
    enum err err = rocks_err(error);
    if (err)
        store_latch(store);
    return err;
}

static enum err meta_set(struct store *store, struct slice key, struct slice expected,
                         struct slice value)
{
    char bytes[META_NAME_BYTES_MAX + 1];
    struct slice whole, old;
    rocksdb_pinnableslice_t *pin = NULL;
    TRY(meta_key(bytes, META_USER, key, &whole));
    TRY(rocks_get(store->db, store->read_options, store->families[FAMILY_META], whole, &pin,
                  &old));
    bool as_expected = expected.length ? pin && slice_equal(old, expected) : !pin;
    rocksdb_pinnableslice_destroy(pin);
    if (!as_expected)
        return ERR_CONFLICT;
    return value.length ? meta_put(store, META_USER, key, value) : meta_remove(store, whole);
}

enum err store_meta_set(struct store *store, struct slice key, struct slice expected,
                        struct slice value)
{
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    mutex_lock(&store->meta_lock);
    enum err err = meta_set(store, key, expected, value);
    mutex_unlock(&store->meta_lock);
    return err;
}

enum err store_type_number(struct store *store, struct slice name, uint16_t *ret_number)
{
    *ret_number = types_find(store->types, name);
    if (*ret_number)
        return ERR_NONE;
    if (!name.length || name.length > TYPE_BYTES_MAX)
        return ERR_INVALID;
    enum err err = ERR_NONE;
    mutex_lock(&store->types->lock);
    uint16_t number = types_find(store->types, name);
    if (!number) {
        uint8_t value[2];
        number = (uint16_t)(store->types->count + 1);
        put_be16(value, number);
        err = number > TYPES_MAX ? ERR_LIMIT : ERR_NONE;
        if (!err)
            err = meta_put(store, META_TYPE, name, slice_of((char *)value, sizeof value));
        if (!err)
            err = types_enter(store->types, name, number);
    }
    mutex_unlock(&store->types->lock);
    *ret_number = number;
    return err;
}

enum err store_entity_next(void *context, uint64_t *ret_entity)
{
    struct store *store = context;
    struct entity_numbers *numbers = &store->entities;
    enum err err = ERR_NONE;
    mutex_lock(&numbers->lock);
    if (numbers->next == numbers->limit) {
        uint8_t value[8];
        put_be64(value, numbers->limit + ENTITY_BLOCK);
        err = meta_put(store, META_ENTITIES, SLICE_NONE, slice_of((char *)value, sizeof value));
        if (!err)
            numbers->limit += ENTITY_BLOCK;
    }
    if (!err)
        *ret_entity = numbers->next++;
    mutex_unlock(&numbers->lock);
    return err;
}
