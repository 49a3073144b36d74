#include "store/embedded/types.h"

#include <stdlib.h>

#include <xxhash.h>

#include "os/thread.h"

void types_init(struct types *types)
{
    *types = (struct types){ .count = 0 };
    mutex_init(&types->lock);
}

void types_release(struct types *types)
{
    for (size_t i = 0; i < TYPES_ROOM; i++)
        free(atomic_load(&types->by_name[i]));
    mutex_destroy(&types->lock);
}

uint16_t types_find(const struct types *types, struct slice name)
{
    uint64_t hash = XXH3_64bits(name.bytes, name.length);
    for (size_t at = hash % TYPES_ROOM;; at = (at + 1) % TYPES_ROOM) {
        const struct type_name *type =
            atomic_load_explicit(&types->by_name[at], memory_order_acquire);
        if (!type)
            return 0;
        if (type->hash == hash && slice_equal(slice_of(type->bytes, type->size), name))
            return type->number;
    }
}

struct slice types_name(const struct types *types, uint16_t number)
{
    const struct type_name *type =
        number <= TYPES_MAX
            ? atomic_load_explicit(&types->by_number[number], memory_order_acquire)
            : NULL;
    return type ? slice_of(type->bytes, type->size) : SLICE_NONE;
}

/* Names live as long as the store: hence the heap. */
enum err types_enter(struct types *types, struct slice name, uint16_t number)
{
    if (types->count == TYPES_MAX)
        return ERR_LIMIT;
    if (!number || number > TYPES_MAX || types_find(types, name))
        return ERR_CORRUPT;
    struct type_name *type = malloc(sizeof *type + name.length);
    if (!type)
        return ERR_NO_MEMORY;
    *type = (struct type_name){ .hash = XXH3_64bits(name.bytes, name.length),
                                .number = number,
                                .size = (uint16_t)name.length };
    memcpy(type->bytes, name.bytes, name.length);
    size_t at = type->hash % TYPES_ROOM;
    while (atomic_load_explicit(&types->by_name[at], memory_order_relaxed))
        at = (at + 1) % TYPES_ROOM;
    atomic_store_explicit(&types->by_number[number], type, memory_order_release);
    atomic_store_explicit(&types->by_name[at], type, memory_order_release);
    types->count++;
    return ERR_NONE;
}
