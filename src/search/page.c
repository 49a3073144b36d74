/* Page tokens: base64url of version, time, position and a checksum. */
#include "search/search.h"

#include <string.h>
#include <xxhash.h>

#include "base/codec.h"

enum {
    TOKEN_VERSION = 1,
    TOKEN_CHECK_BYTES = 5,
    TOKEN_BYTES_MAX = 1 + 2 * VARINT_BYTES_MAX + TOKEN_CHECK_BYTES,
    TOKEN_TEXT_BYTES_MAX = (TOKEN_BYTES_MAX + 2) / 3 * 4,
};

/* Any number: it only tells our tokens from other bytes. */
static const uint64_t token_seed = UINT64_C(0x5461726e50616765);

static size_t token_encode(uint64_t time, uint64_t after, uint8_t bytes[TOKEN_BYTES_MAX])
{
    size_t length = 0;
    bytes[length++] = TOKEN_VERSION;
    length += put_varint(bytes + length, time);
    length += put_varint(bytes + length, after);
    uint8_t check[8];
    put_be64(check, XXH3_64bits_withSeed(bytes, length, token_seed));
    memcpy(bytes + length, check, TOKEN_CHECK_BYTES);
    return length + TOKEN_CHECK_BYTES;
}

static void token_render(struct buf *out, uint64_t time, uint64_t after)
{
    uint8_t bytes[TOKEN_BYTES_MAX];
    size_t length = token_encode(time, after, bytes);
    base64url_encode(out, slice_of((const char *)bytes, length));
}

struct slice search_page_token(struct arena *arena, uint64_t time, uint64_t after)
{
    struct buf text;
    buf_init(&text, TOKEN_TEXT_BYTES_MAX);
    token_render(&text, time, after);
    struct slice token = SLICE_NONE;
    if (!buf_status(&text)) {
        const char *copy = arena_copy(arena, buf_slice(&text));
        token = slice_of(copy, copy ? text.length : 0);
    }
    buf_release(&text);
    return token;
}

static bool token_decode(struct slice bytes, uint64_t *ret_time, uint64_t *ret_after)
{
    const uint8_t *at = (const uint8_t *)bytes.bytes;
    size_t room = bytes.length;
    if (room < 1 || at[0] != TOKEN_VERSION)
        return false;
    size_t length = 1, part = get_varint(at + length, room - length, ret_time);
    if (part == 0)
        return false;
    length += part;
    return get_varint(at + length, room - length, ret_after) != 0;
}

/* A token is right if it is the one we would make of what it says: that covers
 * the checksum and every other way of writing the same bytes. */
enum err search_page_parse(struct slice token, uint64_t *ret_time, uint64_t *ret_after)
{
    if (token.length == 0 || token.length > TOKEN_TEXT_BYTES_MAX)
        return ERR_INVALID;
    struct buf bytes, again;
    buf_init(&bytes, TOKEN_TEXT_BYTES_MAX);
    buf_init(&again, TOKEN_TEXT_BYTES_MAX);
    enum err err = ERR_INVALID;
    uint64_t time, after;
    if (base64url_decode(&bytes, token) && token_decode(buf_slice(&bytes), &time, &after)) {
        token_render(&again, time, after);
        if (!buf_status(&again) && slice_equal(buf_slice(&again), token)) {
            *ret_time = time;
            *ret_after = after;
            err = ERR_NONE;
        }
    }
    if (bytes.failure == ERR_NO_MEMORY || again.failure == ERR_NO_MEMORY)
        err = ERR_NO_MEMORY;
    buf_release(&bytes);
    buf_release(&again);
    return err;
}
