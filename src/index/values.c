#include "index/values.h"

#include <string.h>
#include <xxhash.h>

#include "base/check.h"
#include "base/codec.h"
#include "index/index.h"

enum { HASH_BYTES = 16, HASH_TEXT_BYTES = 2 * HASH_BYTES, DATE_BYTES = 8 };

_Static_assert(2 + 2 * VALUE_PART_BYTES_MAX <= TERM_VALUE_BYTES_MAX, "kind, part, NUL, part");
_Static_assert(1 + VALUE_URI_BYTES_MAX <= TERM_VALUE_BYTES_MAX, "kind, uri");

static uint8_t *put_bytes(uint8_t *at, struct slice s)
{
    if (s.length)
        memcpy(at, s.bytes, s.length);
    return at + s.length;
}

/* The whole text, or its head and a hash of the whole in hex: a hash in raw
 * bytes could hold the NUL that separates parts. */
static uint8_t *put_cut(uint8_t *at, struct slice s, size_t max_bytes)
{
    if (LIKELY(s.length <= max_bytes))
        return put_bytes(at, s);

    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(s.bytes, s.length));
    at = put_bytes(at, slice_head(s, max_bytes - HASH_TEXT_BYTES));
    hex_encode(hash.digest, HASH_BYTES, (char *)at);
    return at + HASH_TEXT_BYTES;
}

size_t value_token_prefix(uint8_t *at, struct slice code)
{
    uint8_t *end = at;
    *end++ = TERM_TOKEN_CODE;
    end = put_cut(end, code, VALUE_PART_BYTES_MAX);
    *end++ = 0;
    return (size_t)(end - at);
}

size_t value_token(uint8_t *at, struct slice system, struct slice code)
{
    uint8_t *end = at + value_token_prefix(at, code);
    end = put_cut(end, system, VALUE_PART_BYTES_MAX);
    return (size_t)(end - at);
}

size_t value_token_lower(uint8_t *at, struct slice system, struct slice code)
{
    size_t length = value_token(at, system, code);
    at[0] = TERM_TOKEN_LOWER;
    /* A hash of a code too long to keep stays: both sides make it of the same bytes
     * only when their case agrees, which is the best that can be said of it. */
    for (size_t i = 1; i < length && at[i]; i++)
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] = (uint8_t)(at[i] + ('a' - 'A'));
    return length;
}

size_t value_identifier(uint8_t *at, struct slice system, struct slice code, struct slice value)
{
    uint8_t *end = at;
    *end++ = TERM_IDENTIFIER;
    end = put_cut(end, value, VALUE_PART_BYTES_MAX);
    *end++ = 0;
    end = put_cut(end, code, INDEX_SIDE_BYTES_MAX);
    *end++ = 0;
    return (size_t)(put_cut(end, system, INDEX_SIDE_BYTES_MAX) - at);
}

size_t value_folded(uint8_t *at, char kind, struct slice folded)
{
    *at = (uint8_t)kind;
    return (size_t)(put_bytes(at + 1, slice_head(folded, VALUE_PART_BYTES_MAX)) - at);
}

size_t value_system(uint8_t *at, struct slice system)
{
    *at = TERM_TOKEN_SYSTEM;
    return (size_t)(put_cut(at + 1, system, VALUE_PART_BYTES_MAX) - at);
}

size_t value_string(uint8_t *at, struct slice folded, struct slice exact)
{
    uint8_t *end = at;
    *end++ = TERM_STRING;
    end = put_bytes(end, slice_head(folded, VALUE_PART_BYTES_MAX));
    *end++ = 0;
    end = put_cut(end, exact, VALUE_PART_BYTES_MAX);
    return (size_t)(end - at);
}

size_t value_window(uint8_t *at, struct slice piece)
{
    *at = TERM_STRING_WINDOW;
    return (size_t)(put_bytes(at + 1, slice_head(piece, VALUE_PART_BYTES_MAX)) - at);
}

size_t value_uri(uint8_t *at, char kind, struct slice uri)
{
    *at = (uint8_t)kind;
    return (size_t)(put_cut(at + 1, uri, VALUE_URI_BYTES_MAX) - at);
}

size_t value_reference_prefix(uint8_t *at, struct slice id)
{
    uint8_t *end = at;
    *end++ = TERM_REFERENCE;
    end = put_cut(end, id, VALUE_PART_BYTES_MAX);
    *end++ = 0;
    return (size_t)(end - at);
}

size_t value_reference(uint8_t *at, struct slice type, struct slice id)
{
    uint8_t *end = at + value_reference_prefix(at, id);
    return (size_t)(put_cut(end, type, VALUE_PART_BYTES_MAX) - at);
}

/* Flipping the sign makes the order of unsigned bytes that of the numbers. */
static void put_instant(uint8_t *at, int64_t instant)
{
    put_be64(at, (uint64_t)instant ^ (uint64_t)1 << 63);
}

size_t value_date(uint8_t *at, struct date_range range)
{
    uint64_t width_us = (uint64_t)range.high - (uint64_t)range.low; /* open ends: may pass 2^63 */
    at[0] = width_us > INDEX_NARROW_DATE_US ? TERM_DATE_WIDE : TERM_DATE;
    put_instant(at + 1, range.low);
    put_instant(at + 1 + DATE_BYTES, range.high);
    return 1 + 2 * DATE_BYTES;
}

/* Values of one quantity parameter lie by number, so neighbours have other units and share
 * no ends; the system that nearly all of them have is one byte, which no URI begins with. */
size_t value_side(uint8_t *at, struct slice text)
{
    if (slice_is(text, INDEX_UCUM)) {
        *at = VALUE_SIDE_UCUM;
        return 1;
    }
    return (size_t)(put_cut(at, text, INDEX_SIDE_BYTES_MAX) - at);
}

size_t value_compartment(uint8_t *at, struct slice owner_type, struct slice owner_id,
                         struct slice type)
{
    uint8_t *end = put_cut(at, owner_type, VALUE_PART_BYTES_MAX / 2);
    *end++ = '/';
    end = put_cut(end, owner_id, VALUE_PART_BYTES_MAX / 2);
    *end++ = 0;
    return (size_t)(put_cut(end, type, VALUE_PART_BYTES_MAX) - at);
}
