/* store/embedded/birth.h - entity numbers for (type, id) pairs not yet stored.
 *
 * Two commits that meet the same unborn entity must agree on its number, and
 * neither may hold a lock while it prepares. So a commit first takes the
 * entity's entry here, then looks for its row; without a row the entry's
 * number is used, handed out at its first use. An entry lives while a commit
 * holds it, that is until the rows are readable: whoever comes later finds the
 * row. Thread-safe.
 */
#ifndef STORE_EMBEDDED_BIRTH_H
#define STORE_EMBEDDED_BIRTH_H

#include <pthread.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum { BIRTH_SHARDS = 64, BIRTH_CHAINS = 1024 };

struct birth {
    struct birth *next;
    uint64_t hash;
    uint64_t entity; /* 0: not handed out */
    uint32_t holders;
    uint32_t key_size;
    char key[];
};

struct birth_shard {
    pthread_mutex_t lock;
    struct birth **chains; /* BIRTH_CHAINS of them, made at first use */
};

struct births {
    struct birth_shard shards[BIRTH_SHARDS];
    uint64_t seed; /* secret, so that ids cannot collide on purpose */
};

void births_init(struct births *births, uint64_t seed);
/* Nobody may hold an entry. */
void births_release(struct births *births);

/* The entry of an entity key (type number and id); held until birth_give(). */
MUST_USE enum err birth_take(struct births *births, struct slice key, struct birth **ret_birth);
void birth_give(struct births *births, struct birth *birth);

/* The entry's number; `next` is called under the shard's lock to hand one out. */
typedef enum err birth_next(void *context, uint64_t *ret_entity);
MUST_USE enum err birth_number(struct births *births, struct birth *birth, birth_next *next,
                               void *context, uint64_t *ret_entity);

#endif
