/* Page tokens: base64url of version and direction, time, position and a signature. */
#include "search/search.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/codec.h"

enum {
    TOKEN_AFTER = 2, /* versions of the format, one for each direction */
    TOKEN_BEFORE = 3,
    TOKEN_SORTED_AFTER = 4, /* in the order of values */
    TOKEN_SORTED_BEFORE = 5,
    TOKEN_CHECK_BYTES = 16,
    TOKEN_BYTES_MAX = 1 + 2 * VARINT_BYTES_MAX + TOKEN_CHECK_BYTES,
    TOKEN_TEXT_BYTES_MAX = (TOKEN_BYTES_MAX + 2) / 3 * 4,
};

/* 0 when the library has no memory. */
static size_t token_encode(const struct search_page_key *key, const struct search_page *page,
                           uint8_t bytes[TOKEN_BYTES_MAX])
{
    size_t length = 0;
    bytes[length++] = (uint8_t)((page->is_sorted ? TOKEN_SORTED_AFTER : TOKEN_AFTER) +
                                (page->is_before ? 1 : 0));
    length += put_varint(bytes + length, page->time);
    length += put_varint(bytes + length, page->position);
    /* What it is bound to is signed, not said. */
    size_t signed_length = length;
    if (page->bound)
        signed_length += put_varint(bytes + length, page->bound);
    uint8_t check[EVP_MAX_MD_SIZE];
    if (!HMAC(EVP_sha256(), key->bytes, (int)sizeof key->bytes, bytes, signed_length, check,
              NULL))
        return 0;
    memcpy(bytes + length, check, TOKEN_CHECK_BYTES);
    return length + TOKEN_CHECK_BYTES;
}

static enum err token_render(struct buf *out, const struct search_page_key *key,
                             const struct search_page *page)
{
    uint8_t bytes[TOKEN_BYTES_MAX];
    size_t length = token_encode(key, page, bytes);
    if (!length)
        return ERR_NO_MEMORY;
    base64url_encode(out, slice_of((const char *)bytes, length));
    return buf_status(out);
}

struct slice search_page_token(struct arena *arena, const struct search_page_key *key,
                               const struct search_page *page)
{
    struct buf text;
    buf_init(&text, TOKEN_TEXT_BYTES_MAX);
    struct slice token = SLICE_NONE;
    if (!token_render(&text, key, page)) {
        const char *copy = arena_copy(arena, buf_slice(&text));
        token = slice_of(copy, copy ? text.length : 0);
    }
    buf_release(&text);
    return token;
}

static bool token_decode(struct slice bytes, struct search_page *ret)
{
    const uint8_t *at = (const uint8_t *)bytes.bytes;
    size_t room = bytes.length;
    if (room < 1 || at[0] < TOKEN_AFTER || at[0] > TOKEN_SORTED_BEFORE)
        return false;
    ret->is_before = at[0] == TOKEN_BEFORE || at[0] == TOKEN_SORTED_BEFORE;
    ret->is_sorted = at[0] >= TOKEN_SORTED_AFTER;
    size_t length = 1, part = get_varint(at + length, room - length, &ret->time);
    if (part == 0)
        return false;
    length += part;
    return get_varint(at + length, room - length, &ret->position) != 0;
}

/* A token is right if it is the one we would make of what it says: that covers
 * the signature and every other way of writing the same bytes. */
enum err search_page_parse(struct slice token, const struct search_page_key *key, uint32_t bound,
                           struct search_page *ret)
{
    if (token.length == 0 || token.length > TOKEN_TEXT_BYTES_MAX)
        return ERR_INVALID;
    struct buf bytes, again;
    buf_init(&bytes, TOKEN_TEXT_BYTES_MAX);
    buf_init(&again, TOKEN_TEXT_BYTES_MAX);
    enum err err = ERR_INVALID;
    struct search_page page = { .bound = bound };
    if (base64url_decode(&bytes, token) && token_decode(buf_slice(&bytes), &page)) {
        err = token_render(&again, key, &page);
        bool is_same = !err && again.length == token.length &&
                       CRYPTO_memcmp(again.bytes, token.bytes, token.length) == 0;
        if (is_same)
            *ret = page;
        else if (!err)
            err = ERR_INVALID;
    }
    if (bytes.failure == ERR_NO_MEMORY || again.failure == ERR_NO_MEMORY)
        err = ERR_NO_MEMORY;
    buf_release(&bytes);
    buf_release(&again);
    return err;
}
