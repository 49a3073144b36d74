#include "store/embedded/birth.h"

#include <stdlib.h>

#include <xxhash.h>

#include "os/thread.h"

void births_init(struct births *births, uint64_t seed)
{
    *births = (struct births){ .seed = seed };
    for (size_t i = 0; i < BIRTH_SHARDS; i++)
        mutex_init(&births->shards[i].lock);
}

void births_release(struct births *births)
{
    for (size_t i = 0; i < BIRTH_SHARDS; i++) {
        struct birth_shard *shard = &births->shards[i];
        for (size_t c = 0; shard->chains && c < BIRTH_CHAINS; c++)
            CHECK(!shard->chains[c]);
        free(shard->chains);
        mutex_destroy(&shard->lock);
    }
}

static struct birth_shard *shard_of(struct births *births, uint64_t hash)
{
    return &births->shards[hash % BIRTH_SHARDS];
}

static size_t chain_of(uint64_t hash)
{
    return (size_t)(hash / BIRTH_SHARDS) % BIRTH_CHAINS;
}

/* Entries pass from thread to thread and outlive the commit that made them:
 * hence the heap. */
static struct birth *birth_new(struct slice key, uint64_t hash)
{
    struct birth *birth = malloc(sizeof *birth + key.length);
    if (!birth)
        return NULL;
    *birth = (struct birth){ .hash = hash, .key_size = (uint32_t)key.length };
    memcpy(birth->key, key.bytes, key.length);
    return birth;
}

enum err birth_take(struct births *births, struct slice key, struct birth **ret_birth)
{
    uint64_t hash = XXH3_64bits_withSeed(key.bytes, key.length, births->seed);
    struct birth_shard *shard = shard_of(births, hash);
    mutex_lock(&shard->lock);
    if (!shard->chains)
        shard->chains = calloc(BIRTH_CHAINS, sizeof(struct birth *));
    struct birth *birth = shard->chains ? shard->chains[chain_of(hash)] : NULL;
    while (birth && !(birth->hash == hash &&
                      slice_equal(slice_of(birth->key, birth->key_size), key)))
        birth = birth->next;
    if (!birth && shard->chains && (birth = birth_new(key, hash))) {
        birth->next = shard->chains[chain_of(hash)];
        shard->chains[chain_of(hash)] = birth;
    }
    if (birth)
        birth->holders++;
    mutex_unlock(&shard->lock);
    if (!birth)
        return ERR_NO_MEMORY;
    *ret_birth = birth;
    return ERR_NONE;
}

void birth_give(struct births *births, struct birth *birth)
{
    struct birth_shard *shard = shard_of(births, birth->hash);
    mutex_lock(&shard->lock);
    bool is_last = --birth->holders == 0;
    if (is_last) {
        struct birth **at = &shard->chains[chain_of(birth->hash)];
        while (*at != birth)
            at = &(*at)->next;
        *at = birth->next;
    }
    mutex_unlock(&shard->lock);
    if (is_last)
        free(birth);
}

enum err birth_number(struct births *births, struct birth *birth, birth_next *next,
                      void *context, uint64_t *ret_entity)
{
    struct birth_shard *shard = shard_of(births, birth->hash);
    enum err err = ERR_NONE;
    mutex_lock(&shard->lock);
    if (!birth->entity)
        err = next(context, &birth->entity);
    *ret_entity = birth->entity;
    mutex_unlock(&shard->lock);
    return err;
}
