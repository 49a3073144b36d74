#include "base/codec.h"

#include "base/check.h"

size_t put_varint(uint8_t *at, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        at[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    at[n++] = (uint8_t)v;
    return n;
}

size_t get_varint(const uint8_t *at, size_t room, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t n = 0; n < room && n < VARINT_BYTES_MAX; n++) {
        if (n == VARINT_BYTES_MAX - 1 && at[n] > 1)
            return 0;
        value |= (uint64_t)(at[n] & 0x7f) << (7 * n);
        if (at[n] < 0x80) {
            *ret_value = value;
            return n + 1;
        }
    }
    return 0;
}

static const char lower_digits[] = "0123456789abcdef";
static const char upper_digits[] = "0123456789ABCDEF";

void hex_encode(const uint8_t *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = lower_digits[bytes[i] >> 4];
        out[2 * i + 1] = lower_digits[bytes[i] & 15];
    }
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(struct slice text, uint8_t *out, size_t n)
{
    if (text.length != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text.bytes[2 * i]);
        int low = hex_value(text.bytes[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char base64_standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode_groups(struct buf *out, struct slice s, const char *digits, bool pad)
{
    const uint8_t *at = (const uint8_t *)s.bytes;
    for (size_t left = s.length; left; left -= MIN(left, 3), at += 3) {
        uint32_t group = (uint32_t)at[0] << 16;
        group |= left > 1 ? (uint32_t)at[1] << 8 : 0;
        group |= left > 2 ? at[2] : 0;
        size_t used = left > 2 ? 4 : left + 1;
        char text[4] = { '=', '=', '=', '=' };
        for (size_t i = 0; i < used; i++)
            text[i] = digits[group >> (18 - 6 * i) & 63];
        buf_append(out, slice_of(text, pad ? 4 : used));
        if (left <= 3)
            break;
    }
}

void base64_encode(struct buf *out, struct slice bytes)
{
    encode_groups(out, bytes, base64_standard, true);
}

void base64url_encode(struct buf *out, struct slice bytes)
{
    encode_groups(out, bytes, base64_url, false);
}

static int base64_value(char c, const char *digits)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == digits[62])
        return 62;
    return c == digits[63] ? 63 : -1;
}

static bool decode_groups(struct buf *out, struct slice s, const char *digits, bool padded)
{
    uint32_t group = 0;
    size_t count = 0, pads = 0;
    for (size_t i = 0; i < s.length; i++) {
        char c = s.bytes[i];
        if (padded && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            continue;
        if (padded && c == '=') {
            pads++;
            continue;
        }
        int value = base64_value(c, digits);
        if (value < 0 || pads)
            return false;
        group = group << 6 | (uint32_t)value;
        if (++count % 4 == 0) {
            uint8_t three[3] = { (uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group };
            buf_append(out, slice_of((const char *)three, 3));
            group = 0;
        }
    }
    size_t odd = count % 4;
    if (odd == 1 || (padded && pads != (4 - odd) % 4))
        return false;
    if (odd) {
        group <<= 6 * (4 - odd);
        uint8_t two[2] = { (uint8_t)(group >> 16), (uint8_t)(group >> 8) };
        buf_append(out, slice_of((const char *)two, odd - 1));
    }
    return buf_status(out) == ERR_NONE;
}

bool base64_decode(struct buf *out, struct slice text)
{
    return decode_groups(out, text, base64_standard, true);
}

bool base64url_decode(struct buf *out, struct slice text)
{
    return decode_groups(out, text, base64_url, false);
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.' || c == '~';
}

void percent_encode(struct buf *out, struct slice bytes, bool keep_slash)
{
    for (size_t i = 0; i < bytes.length; i++) {
        char c = bytes.bytes[i];
        if (is_unreserved(c) || (keep_slash && c == '/')) {
            buf_append_byte(out, c);
        } else {
            char text[3] = { '%', upper_digits[(uint8_t)c >> 4], upper_digits[(uint8_t)c & 15] };
            buf_append(out, slice_of(text, 3));
        }
    }
}

bool percent_decode(struct buf *out, struct slice text, bool plus_is_blank)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        if (c == '%') {
            uint8_t byte;
            if (text.length - i < 3 || !hex_decode(slice_of(text.bytes + i + 1, 2), &byte, 1))
                return false;
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        buf_append_byte(out, c);
    }
    return buf_status(out) == ERR_NONE;
}

void uuid_render(const uint8_t random[16], char out[UUID_TEXT_BYTES])
{
    uint8_t b[16];
    memcpy(b, random, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    static const size_t group_bytes[5] = { 4, 2, 2, 2, 6 };
    size_t at = 0, from = 0;
    for (size_t g = 0; g < 5; g++) {
        hex_encode(b + from, group_bytes[g], out + at);
        from += group_bytes[g];
        at += group_bytes[g] * 2;
        out[at++] = g < 4 ? '-' : '\0';
    }
}

bool uuid_is_valid(struct slice text)
{
    if (text.length != UUID_TEXT_BYTES - 1)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.bytes[i] != '-' : hex_value(text.bytes[i]) < 0)
            return false;
    }
    return true;
}
