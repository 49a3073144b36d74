/* store/embedded/types.h - small numbers for type names.
 *
 * A handful of names stand in millions of keys, so keys hold two bytes. A
 * number is durable before it is first used and never changes. Looking up is
 * lock-free; adding takes a lock. Numbers start at 1.
 */
#ifndef STORE_EMBEDDED_TYPES_H
#define STORE_EMBEDDED_TYPES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum { TYPES_MAX = 2048, TYPES_ROOM = 2 * TYPES_MAX };

struct type_name {
    uint64_t hash;
    uint16_t number;
    uint16_t size;
    char bytes[];
};

struct types {
    _Atomic(struct type_name *) by_name[TYPES_ROOM];
    _Atomic(struct type_name *) by_number[TYPES_MAX + 1];
    uint32_t count;
    pthread_mutex_t lock; /* of adding */
};

void types_init(struct types *types);
void types_release(struct types *types);

/* 0 when unknown. */
uint16_t types_find(const struct types *types, struct slice name);
/* The name of a number that was handed out; empty when unknown. */
struct slice types_name(const struct types *types, uint16_t number);

/* Under the lock: enter a name with the number stored for it (opening). */
MUST_USE enum err types_enter(struct types *types, struct slice name, uint16_t number);

#endif
