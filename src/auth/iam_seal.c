/* auth/iam_seal.c - secrets at rest: AES-256-GCM, bound to the key's id. */
#include <openssl/evp.h>

#include "auth/iam.h"
#include "base/codec.h"
#include "os/random.h"

enum { NONCE_BYTES = 12, TAG_BYTES = 16, SECRET_BYTES_MAX = 8192 };

struct sealed {
    uint8_t nonce[NONCE_BYTES];
    uint8_t rest[SECRET_BYTES_MAX + TAG_BYTES];
};

static bool seal(EVP_CIPHER_CTX *context, const uint8_t *key, struct slice id, struct slice secret,
                 struct sealed *out)
{
    int length;
    uint8_t *tag = out->rest + secret.length;
    return EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, out->nonce) == 1 &&
           EVP_EncryptUpdate(context, NULL, &length, (const uint8_t *)id.bytes, (int)id.length) ==
               1 &&
           EVP_EncryptUpdate(context, out->rest, &length, (const uint8_t *)secret.bytes,
                             (int)secret.length) == 1 &&
           EVP_EncryptFinal_ex(context, out->rest + length, &length) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1;
}

enum err iam_seal(const uint8_t key[IAM_SEAL_KEY_BYTES], struct slice id, struct slice secret,
                  struct arena *arena, struct slice *ret_sealed)
{
    struct sealed bytes;
    if (secret.length > SECRET_BYTES_MAX)
        return ERR_LIMIT;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (!context)
        return ERR_NO_MEMORY;
    os_random(bytes.nonce, sizeof bytes.nonce);
    bool done = seal(context, key, id, secret, &bytes);
    EVP_CIPHER_CTX_free(context);
    if (!done)
        return ERR_INTERNAL;
    struct buf text;
    buf_init(&text, 4 * sizeof bytes);
    base64url_encode(&text,
                     slice_of((const char *)&bytes, NONCE_BYTES + secret.length + TAG_BYTES));
    char *copy = buf_status(&text) ? NULL : arena_copy(arena, buf_slice(&text));
    *ret_sealed = slice_of(copy, text.length);
    buf_release(&text);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

static bool unseal(EVP_CIPHER_CTX *context, const uint8_t *key, struct slice id, struct slice bytes,
                   uint8_t *out)
{
    int length;
    const uint8_t *at = (const uint8_t *)bytes.bytes;
    size_t secret_length = bytes.length - NONCE_BYTES - TAG_BYTES;
    uint8_t tag[TAG_BYTES];
    memcpy(tag, at + NONCE_BYTES + secret_length, TAG_BYTES);
    return EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, at) == 1 &&
           EVP_DecryptUpdate(context, NULL, &length, (const uint8_t *)id.bytes, (int)id.length) ==
               1 &&
           EVP_DecryptUpdate(context, out, &length, at + NONCE_BYTES, (int)secret_length) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
           EVP_DecryptFinal_ex(context, out + length, &length) == 1;
}

bool iam_unseal(const uint8_t key[IAM_SEAL_KEY_BYTES], struct slice id, struct slice sealed,
                struct arena *arena, struct slice *ret_secret)
{
    struct buf bytes;
    uint8_t secret[SECRET_BYTES_MAX + TAG_BYTES];
    buf_init(&bytes, sizeof(struct sealed));
    bool fits = base64url_decode(&bytes, sealed) && !buf_status(&bytes) &&
                bytes.length >= NONCE_BYTES + TAG_BYTES;
    EVP_CIPHER_CTX *context = fits ? EVP_CIPHER_CTX_new() : NULL;
    fits = context && unseal(context, key, id, buf_slice(&bytes), secret);
    EVP_CIPHER_CTX_free(context);
    size_t length = bytes.length - (fits ? NONCE_BYTES + TAG_BYTES : 0);
    char *copy = fits ? arena_copy(arena, slice_of((const char *)secret, length)) : NULL;
    buf_release(&bytes);
    OPENSSL_cleanse(secret, sizeof secret);
    *ret_secret = slice_of(copy, length);
    return copy != NULL;
}
