#include "json/text.h"

#include "base/codec.h"

static const uint8_t *refuse(struct refusal *refusal, const uint8_t *at, const char *text)
{
    *refusal = (struct refusal){ at, text };
    return NULL;
}

/* ---- scanning ---- */

/* First byte at or behind `at` that ends the plain ASCII run: a quote, a
 * backslash, a control character or a byte of a longer character. */
static inline const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i blank = _mm_set1_epi8(' ');
    while (end - at >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash));
        /* Signed: true for control characters and for bytes from 0x80. */
        special = _mm_or_si128(special, _mm_cmplt_epi8(v, blank));
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        if (mask)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

static inline bool is_tail(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Bytes of the well-formed multi-byte character at `at` (RFC 3629), else 0. */
static inline unsigned character_bytes(const uint8_t *at, const uint8_t *end)
{
    ptrdiff_t room = end - at;
    uint8_t lead = at[0];
    if (lead < 0xC2 || lead > 0xF4 || room < 2 || !is_tail(at[1]))
        return 0;
    if (lead < 0xE0)
        return 2;
    if (room < 3 || !is_tail(at[2]))
        return 0;
    if (lead < 0xF0) {
        bool overlong = lead == 0xE0 && at[1] < 0xA0;
        bool surrogate = lead == 0xED && at[1] > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    if (room < 4 || !is_tail(at[3]))
        return 0;
    bool overlong = lead == 0xF0 && at[1] < 0x90;
    bool too_high = lead == 0xF4 && at[1] > 0x8F;
    return overlong || too_high ? 0 : 4;
}

/* Four hex digits; -1 when they are not there. */
static int32_t hex4(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 4)
        return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value((char)at[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static inline bool is_high_surrogate(int32_t unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}
static inline bool is_low_surrogate(int32_t unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* `at` stands on the backslash of a \u escape. */
static const uint8_t *scan_unicode_escape(const uint8_t *at, const uint8_t *end,
                                          struct refusal *refusal)
{
    int32_t unit = hex4(at + 2, end);
    if (unit < 0)
        return refuse(refusal, at, "expected four hexadecimal digits behind \\u");
    if (is_low_surrogate(unit))
        return refuse(refusal, at, "a low surrogate without a high one before it");
    if (!is_high_surrogate(unit))
        return at + 6;
    const uint8_t *second = at + 6;
    if (end - second < 6 || second[0] != '\\' || second[1] != 'u' ||
        !is_low_surrogate(hex4(second + 2, end)))
        return refuse(refusal, at, "a high surrogate without a low one behind it");
    return second + 6;
}

static const uint8_t *scan_escape(const uint8_t *at, const uint8_t *end, struct refusal *refusal)
{
    if (end - at < 2)
        return refuse(refusal, end, "the text ends inside a string");
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return at + 2;
    case 'u':
        return scan_unicode_escape(at, end, refusal);
    default:
        return refuse(refusal, at, "an unknown escape in a string");
    }
}

const uint8_t *text_scan_string(const uint8_t *at, const uint8_t *end, uint8_t *flags,
                                struct refusal *refusal)
{
    for (;;) {
        at = skip_plain(at, end);
        if (at >= end)
            return refuse(refusal, end, "the text ends inside a string");
        if (*at == '"')
            return at;
        if (*at == '\\') {
            *flags |= JSON_HAS_ESCAPE;
            at = scan_escape(at, end, refusal);
            if (!at)
                return NULL;
            continue;
        }
        if (*at < 0x20)
            return refuse(refusal, at, "a control character in a string must be escaped");
        *flags |= JSON_HAS_NON_ASCII;
        do {
            unsigned bytes = character_bytes(at, end);
            if (bytes == 0)
                return refuse(refusal, at, "bytes that are not UTF-8");
            at += bytes;
        } while (at < end && *at >= 0x80);
    }
}

static inline const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

const uint8_t *text_scan_number(const uint8_t *at, const uint8_t *end, struct refusal *refusal)
{
    if (at < end && *at == '-')
        at++;
    const uint8_t *whole = at;
    at = skip_digits(at, end);
    if (at == whole)
        return refuse(refusal, at, "expected a digit");
    if (*whole == '0' && at - whole > 1)
        return refuse(refusal, whole, "a number must not begin with a zero before a digit");
    if (at < end && *at == '.') {
        const uint8_t *fraction = at + 1;
        at = skip_digits(fraction, end);
        if (at == fraction)
            return refuse(refusal, at, "expected a digit behind the decimal point");
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const uint8_t *exponent = at;
        at = skip_digits(exponent, end);
        if (at == exponent)
            return refuse(refusal, at, "expected a digit in the exponent");
    }
    return at;
}

/* ---- decoding; the content was checked when it was scanned ---- */

/* The character of the escape at *at, which moves past it. */
static uint32_t decode_escape(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    *at = p + 2;
    switch (p[1]) {
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
    case 'u':
        break;
    default:
        return p[1];
    }
    int32_t unit = hex4(p + 2, end);
    *at = p + 6;
    if (!is_high_surrogate(unit))
        return (uint32_t)unit;
    int32_t low = hex4(p + 8, end);
    *at = p + 12;
    return 0x10000u + ((uint32_t)(unit - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
}

static unsigned put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xE0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

size_t text_decode(struct slice raw, char *out)
{
    const uint8_t *at = (const uint8_t *)raw.bytes, *end = at + raw.length;
    uint8_t *to = (uint8_t *)out;
    while (at < end) {
        const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape ? escape : end) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (at < end)
            to += put_utf8(to, decode_escape(&at, end));
    }
    return (size_t)(to - (uint8_t *)out);
}

/* Decoded bytes one at a time, so that two texts compare without memory. */
struct reader {
    const uint8_t *at, *end;
    uint8_t pending[4];
    unsigned pending_at, pending_count;
};

static struct reader reader_of(struct slice raw)
{
    const uint8_t *at = (const uint8_t *)raw.bytes;
    return (struct reader){ .at = at, .end = at + raw.length };
}

static int reader_next(struct reader *r)
{
    if (r->pending_at < r->pending_count)
        return r->pending[r->pending_at++];
    if (r->at >= r->end)
        return -1;
    if (*r->at != '\\')
        return *r->at++;
    r->pending_count = put_utf8(r->pending, decode_escape(&r->at, r->end));
    r->pending_at = 1;
    return r->pending[0];
}

bool text_both_decoded_equal(struct slice a, struct slice b)
{
    struct reader left = reader_of(a), right = reader_of(b);
    for (;;) {
        int byte = reader_next(&left);
        if (byte != reader_next(&right))
            return false;
        if (byte < 0)
            return true;
    }
}

bool text_decoded_equal(struct slice raw, struct slice plain)
{
    if (plain.length > raw.length)
        return false;
    struct reader r = reader_of(raw);
    for (size_t i = 0; i < plain.length; i++)
        if (reader_next(&r) != (uint8_t)plain.bytes[i])
            return false;
    return reader_next(&r) < 0;
}
