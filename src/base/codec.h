/* base/codec.h - the small encodings: big-endian integers, varints, hex,
 * base64, percent-encoding (RFC 3986), UUID text.
 *
 * Pure functions over slices. Decoders refuse what is not exact and never read
 * or write past what they were given.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

static inline void put_be16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}
static inline void put_be32(uint8_t *at, uint32_t v)
{
    put_be16(at, (uint16_t)(v >> 16));
    put_be16(at + 2, (uint16_t)v);
}
static inline void put_be64(uint8_t *at, uint64_t v)
{
    put_be32(at, (uint32_t)(v >> 32));
    put_be32(at + 4, (uint32_t)v);
}
static inline uint16_t get_be16(const uint8_t *at)
{
    return (uint16_t)((unsigned)at[0] << 8 | at[1]);
}
static inline uint32_t get_be32(const uint8_t *at)
{
    return (uint32_t)get_be16(at) << 16 | get_be16(at + 2);
}
static inline uint64_t get_be64(const uint8_t *at)
{
    return (uint64_t)get_be32(at) << 32 | get_be32(at + 4);
}

/* LEB128: 1 to 10 bytes. put returns the bytes written; get returns the bytes
 * read, 0 when `room` ends first or the value does not fit. */
enum { VARINT_BYTES_MAX = 10 };
size_t put_varint(uint8_t *at, uint64_t v);
size_t get_varint(const uint8_t *at, size_t room, uint64_t *ret_value);

/* The value of a hex digit of either case; -1 for anything else. */
int hex_value(char c);
/* Lower-case hex of n bytes: 2n characters, no NUL. */
void hex_encode(const uint8_t *bytes, size_t n, char *out);
/* Exactly 2n hex digits of either case; false otherwise. */
bool hex_decode(struct slice text, uint8_t *out, size_t n);

/* Standard alphabet with padding, or the URL alphabet without (RFC 4648). */
void base64_encode(struct buf *out, struct slice bytes);
void base64url_encode(struct buf *out, struct slice bytes);
/* Appends; false on anything but whole, padded groups (blanks are skipped). */
bool base64_decode(struct buf *out, struct slice text);
bool base64url_decode(struct buf *out, struct slice text);

/* Every byte outside A-Za-z0-9-_.~ (and '/' if keep_slash) becomes %XX with
 * upper-case digits, as AWS asks. */
void percent_encode(struct buf *out, struct slice bytes, bool keep_slash);
/* Appends the decoded bytes; '+' becomes a blank only if plus_is_blank. False
 * on a '%' that two hex digits do not follow. */
bool percent_decode(struct buf *out, struct slice text, bool plus_is_blank);

/* 36 characters of a version-4 UUID from 16 random bytes, and NUL. */
enum { UUID_TEXT_BYTES = 37 };
void uuid_render(const uint8_t random[16], char out[UUID_TEXT_BYTES]);
/* 8-4-4-4-12 hex digits of either case. */
bool uuid_is_valid(struct slice text);

#endif
