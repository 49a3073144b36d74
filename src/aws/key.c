/* aws/key.c - hashes, the day's signing key and its cache.
 *
 * SHA-256 by libcrypto's plain functions: its EVP interface looks the algorithm
 * up, takes locks and allocates on each call: a verification took 11.5 us with
 * it and takes 2.8 us without.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "aws/sigv4.h"
#include "base/codec.h"
#include "os/thread.h"

_Static_assert(AWS_HASH_BYTES == SHA256_DIGEST_LENGTH, "SHA-256");

static void add(SHA256_CTX *c, struct slice bytes)
{
    if (bytes.length)
        CHECK(SHA256_Update(c, bytes.bytes, bytes.length) == 1);
}

static void sha256(struct slice bytes, uint8_t out[AWS_HASH_BYTES])
{
    SHA256_CTX c;
    CHECK(SHA256_Init(&c) == 1);
    add(&c, bytes);
    CHECK(SHA256_Final(out, &c) == 1);
}

void aws_sha256_hex(struct slice bytes, char out[65])
{
    uint8_t hash[AWS_HASH_BYTES];
    sha256(bytes, hash);
    hex_encode(hash, sizeof hash, out);
    out[2 * sizeof hash] = '\0';
}

/* RFC 2104. */
static void hmac(struct slice key, struct slice text, uint8_t out[AWS_HASH_BYTES])
{
    uint8_t pad[SHA256_CBLOCK] = { 0 };
    if (key.length > sizeof pad)
        sha256(key, pad);
    else if (key.length)
        memcpy(pad, key.bytes, key.length);
    SHA256_CTX c;
    for (int outer = 0; outer < 2; outer++) {
        for (size_t i = 0; i < sizeof pad; i++)
            pad[i] ^= outer ? 0x36 ^ 0x5c : 0x36;
        CHECK(SHA256_Init(&c) == 1);
        add(&c, slice_of((const char *)pad, sizeof pad));
        add(&c, outer ? slice_of((const char *)out, AWS_HASH_BYTES) : text);
        CHECK(SHA256_Final(out, &c) == 1);
    }
    OPENSSL_cleanse(pad, sizeof pad);
    OPENSSL_cleanse(&c, sizeof c);
}

static void hmac_again(uint8_t key[AWS_HASH_BYTES], struct slice text)
{
    uint8_t out[AWS_HASH_BYTES];
    hmac(slice_of((const char *)key, AWS_HASH_BYTES), text, out);
    memcpy(key, out, sizeof out);
    OPENSSL_cleanse(out, sizeof out);
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
    hmac(slice_of(first, 4 + s->secret.length), s->day, key);
    hmac_again(key, s->region);
    hmac_again(key, s->service);
    hmac_again(key, AWS_TERMINATOR);
    OPENSSL_cleanse(first, sizeof first);
    return true;
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
    OPENSSL_cleanse(name, length);
    return done;
}

bool aws_signature(const uint8_t key[AWS_HASH_BYTES], const struct aws_key_scope *scope,
                   struct slice date, struct slice canonical_request, struct arena *a,
                   uint8_t ret_signature[AWS_HASH_BYTES])
{
    char hash[65];
    aws_sha256_hex(canonical_request, hash);
    const struct slice parts[] = {
        AWS_ALGORITHM, SLICE("\n"), date, SLICE("\n"), scope->day, SLICE("/"), scope->region,
        SLICE("/"), scope->service, SLICE("/"), AWS_TERMINATOR, SLICE("\n"), slice_of(hash, 64)
    };
    size_t length = 0;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
        length += parts[i].length;
    char *text = arena_raw(a, length);
    if (!text)
        return false;
    char *at = text;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        memcpy(at, parts[i].bytes, parts[i].length);
        at += parts[i].length;
    }
    hmac(slice_of((const char *)key, AWS_HASH_BYTES), slice_of(text, length), ret_signature);
    return true;
}
