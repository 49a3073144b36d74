/* fhir/text.c - escapes of short JSON strings, without an arena. */
#include "fhir/tables.h"

static uint32_t hex_value(const char *digits)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        uint32_t digit = c <= '9' ? (uint32_t)(c - '0') : (uint32_t)((c | 0x20) - 'a' + 10);
        value = value << 4 | (digit & 15);
    }
    return value;
}

static char short_escape(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter; /* quote, backslash, slash */
    }
}

/* 1 to 4 bytes of UTF-8. */
static size_t encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0) | c);
    return length;
}

/* The code point of "uXXXX" at raw[*at], a surrogate pair taken whole; *at moves
 * to the last byte read. The parser has refused broken ones. */
static uint32_t long_escape(struct slice raw, size_t *at)
{
    uint32_t c = hex_value(raw.bytes + *at + 1);
    *at += 4;
    bool is_pair = c >= 0xd800 && c < 0xdc00 && *at + 6 < raw.length;
    if (is_pair) {
        uint32_t low = hex_value(raw.bytes + *at + 3);
        c = 0x10000 + ((c - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
        *at += 6;
    }
    return c;
}

struct slice text_unescape(struct slice raw, char *room, size_t room_bytes)
{
    if (slice_find_byte(raw, '\\') < 0)
        return raw;
    size_t length = 0;
    for (size_t i = 0; i < raw.length; i++) {
        char bytes[4] = { raw.bytes[i] };
        size_t count = 1;
        if (bytes[0] == '\\' && i + 1 < raw.length) {
            i++;
            if (raw.bytes[i] == 'u' && i + 4 < raw.length)
                count = encode(long_escape(raw, &i), bytes);
            else
                bytes[0] = short_escape(raw.bytes[i]);
        }
        if (count > room_bytes - length)
            return SLICE_NONE;
        for (size_t k = 0; k < count; k++)
            room[length++] = bytes[k];
    }
    return slice_of(room, length);
}
