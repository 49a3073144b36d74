/* aws/key.c - hashes, the day's signing key and its cache. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "aws/sigv4.h"
#include "base/codec.h"
#include "os/thread.h"

static bool sha256(struct slice bytes, uint8_t out[AWS_HASH_BYTES])
{
    unsigned length = 0;
    return EVP_Digest(bytes.bytes, bytes.length, out, &length, EVP_sha256(), NULL) == 1 &&
           length == AWS_HASH_BYTES;
}

void aws_sha256_hex(struct slice bytes, char out[65])
{
    uint8_t hash[AWS_HASH_BYTES];
    CHECK(sha256(bytes, hash));
    hex_encode(hash, sizeof hash, out);
    out[2 * sizeof hash] = '\0';
}

static bool hmac(struct slice key, struct slice text, uint8_t out[AWS_HASH_BYTES])
{
    unsigned length = 0;
    return HMAC(EVP_sha256(), key.bytes, (int)key.length, (const uint8_t *)text.bytes,
                text.length, out, &length) &&
           length == AWS_HASH_BYTES;
}

static bool hmac_again(uint8_t key[AWS_HASH_BYTES], struct slice text)
{
    uint8_t out[AWS_HASH_BYTES];
    if (!hmac(slice_of((const char *)key, AWS_HASH_BYTES), text, out))
        return false;
    memcpy(key, out, sizeof out);
    OPENSSL_cleanse(out, sizeof out);
    return true;
}

/* ---- the cache ---- */

/* A server sees few keys a day; a client one. What is longer than its field
 * here is derived each time. */
enum { CACHE_ENTRIES = 32, NAME_BYTES = 128 };

struct cached_key {
    char name[NAME_BYTES]; /* key id, day, region, service, secret, each ended by NUL */
    size_t name_length;    /* 0: free */
    uint8_t key[AWS_HASH_BYTES];
};

struct aws_key_cache {
    pthread_mutex_t lock;
    size_t next; /* the entry to give up next */
    struct cached_key entries[CACHE_ENTRIES];
};

enum err aws_key_cache_open(struct aws_key_cache **ret_cache)
{
    /* Lives as long as the server: no arena to put it in. */
    struct aws_key_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return ERR_NO_MEMORY;
    mutex_init(&cache->lock);
    *ret_cache = cache;
    return ERR_NONE;
}

void aws_key_cache_close(struct aws_key_cache *cache)
{
    if (!cache)
        return;
    mutex_destroy(&cache->lock);
    OPENSSL_cleanse(cache, sizeof *cache);
    free(cache);
}

/* 0 when a part does not fit or has a NUL, which would make two names one. */
static size_t key_name(const struct aws_key_scope *s, char name[NAME_BYTES])
{
    const struct slice parts[] = { s->access_key_id, s->day, s->region, s->service, s->secret };
    size_t length = 0;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (parts[i].length >= NAME_BYTES - length || slice_find_byte(parts[i], '\0') >= 0)
            return 0;
        if (parts[i].length)
            memcpy(name + length, parts[i].bytes, parts[i].length);
        length += parts[i].length;
        name[length++] = '\0';
    }
    return length;
}

static bool cache_get(struct aws_key_cache *cache, const char *name, size_t length,
                      uint8_t ret_key[AWS_HASH_BYTES])
{
    bool found = false;
    mutex_lock(&cache->lock);
    for (size_t i = 0; i < CACHE_ENTRIES && !found; i++) {
        const struct cached_key *entry = &cache->entries[i];
        found = entry->name_length == length && CRYPTO_memcmp(entry->name, name, length) == 0;
        if (found)
            memcpy(ret_key, entry->key, AWS_HASH_BYTES);
    }
    mutex_unlock(&cache->lock);
    return found;
}

static void cache_put(struct aws_key_cache *cache, const char *name, size_t length,
                      const uint8_t key[AWS_HASH_BYTES])
{
    mutex_lock(&cache->lock);
    struct cached_key *entry = &cache->entries[cache->next++ % CACHE_ENTRIES];
    memcpy(entry->name, name, length);
    entry->name_length = length;
    memcpy(entry->key, key, AWS_HASH_BYTES);
    mutex_unlock(&cache->lock);
}

static bool derive(const struct aws_key_scope *s, uint8_t key[AWS_HASH_BYTES])
{
    char first[4 + 256];
    if (s->secret.length > sizeof first - 4)
        return false;
    memcpy(first, "AWS4", 4);
    if (s->secret.length)
        memcpy(first + 4, s->secret.bytes, s->secret.length);
    bool done = hmac(slice_of(first, 4 + s->secret.length), s->day, key) &&
                hmac_again(key, s->region) && hmac_again(key, s->service) &&
                hmac_again(key, AWS_TERMINATOR);
    OPENSSL_cleanse(first, sizeof first);
    return done;
}

bool aws_signing_key(struct aws_key_cache *cache, const struct aws_key_scope *scope,
                     uint8_t ret_key[AWS_HASH_BYTES])
{
    char name[NAME_BYTES];
    size_t length = cache ? key_name(scope, name) : 0;
    bool done = length && cache_get(cache, name, length, ret_key);
    if (!done) {
        done = derive(scope, ret_key);
        if (done && length)
            cache_put(cache, name, length, ret_key);
    }
    OPENSSL_cleanse(name, sizeof name);
    return done;
}

bool aws_signature(const uint8_t key[AWS_HASH_BYTES], struct slice date, struct slice region,
                   struct slice service, struct slice canonical_request, struct arena *a,
                   uint8_t ret_signature[AWS_HASH_BYTES])
{
    char hash[65];
    aws_sha256_hex(canonical_request, hash);
    struct slice text =
        arena_printf(a, "AWS4-HMAC-SHA256\n%.*s\n%.*s/%.*s/%.*s/aws4_request\n%s",
                     SLICE_ARGS(date), AWS_DAY_LENGTH, date.bytes, SLICE_ARGS(region),
                     SLICE_ARGS(service), hash);
    return text.bytes && hmac(slice_of((const char *)key, AWS_HASH_BYTES), text, ret_signature);
}
