#include "base/numeral.h"

#include <string.h>

#include "base/check.h"
#include "base/codec.h"

/* Encoded: 15 bits of exponent under a sign bit, then 19 digits as an integer;
 * of a negative number all bits flipped. Zero has the exponent no number has. */
static const uint64_t mantissa_least = UINT64_C(1000000000000000000);
enum {
    MANTISSA_DIGITS = 19,
    EXPONENT_BIAS = 0x4000,
    EXPONENT_MAX = 0x7ffe,
    EXPONENT_TEXT_MAX = 1000000, /* beyond it only the sign matters */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits from *at on into *d; true if there was one. */
static bool parse_digits(struct slice text, size_t *at, bool is_fraction, int *kept,
                         struct numeral *d)
{
    size_t start = *at;
    for (; *at < text.length && is_digit(text.bytes[*at]); (*at)++) {
        unsigned digit = (unsigned)(text.bytes[*at] - '0');
        bool is_kept = *kept < NUMERAL_DIGITS_MAX;
        if (is_kept) {
            d->digits = d->digits * 10 + digit;
            *kept += d->digits > 0;
        }
        d->exponent += is_kept ? -(int64_t)is_fraction : !is_fraction;
    }
    return *at > start;
}

static bool parse_exponent(struct slice text, size_t *at, struct numeral *d)
{
    int64_t exponent = 0;
    bool is_negative = *at < text.length && text.bytes[*at] == '-';
    if (*at < text.length && (text.bytes[*at] == '-' || text.bytes[*at] == '+'))
        (*at)++;
    size_t start = *at;
    for (; *at < text.length && is_digit(text.bytes[*at]); (*at)++)
        exponent = MIN(exponent * 10 + (text.bytes[*at] - '0'), (int64_t)EXPONENT_TEXT_MAX);
    d->exponent += is_negative ? -exponent : exponent;
    return *at > start;
}

bool numeral_parse(struct slice text, struct numeral *ret)
{
    struct numeral d = { 0 };
    size_t at = 0;
    int kept = 0;
    if (text.length && (text.bytes[0] == '-' || text.bytes[0] == '+'))
        d.is_negative = text.bytes[at++] == '-';
    if (!parse_digits(text, &at, false, &kept, &d))
        return false;
    if (at < text.length && text.bytes[at] == '.') {
        at++;
        if (!parse_digits(text, &at, true, &kept, &d))
            return false;
    }
    if (at < text.length && (text.bytes[at] == 'e' || text.bytes[at] == 'E')) {
        at++;
        if (!parse_exponent(text, &at, &d))
            return false;
    }
    *ret = d;
    return at == text.length;
}

static void encode_positive(struct numeral d, uint8_t out[NUMERAL_BYTES])
{
    uint64_t mantissa = d.digits;
    int64_t exponent = d.exponent + MANTISSA_DIGITS - 1 + EXPONENT_BIAS;
    for (; mantissa < mantissa_least; exponent--)
        mantissa *= 10;
    if (mantissa / 10 >= mantissa_least) {
        mantissa /= 10;
        exponent++;
    }
    if (exponent < 1 || exponent > EXPONENT_MAX) {
        mantissa = exponent < 1 ? mantissa_least : 10 * (mantissa_least - 1);
        exponent = exponent < 1 ? 1 : EXPONENT_MAX;
    }
    put_be16(out, (uint16_t)(0x8000 | exponent));
    put_be64(out + 2, mantissa);
}

void numeral_encode(struct numeral d, uint8_t out[NUMERAL_BYTES])
{
    if (d.digits == 0) {
        memset(out, 0, NUMERAL_BYTES);
        out[0] = 0x80;
        return;
    }
    encode_positive(d, out);
    for (size_t i = 0; d.is_negative && i < NUMERAL_BYTES; i++)
        out[i] = (uint8_t)~out[i];
}

void numeral_step(uint8_t bytes[NUMERAL_BYTES], bool is_up)
{
    uint8_t carried_over = is_up ? 0xff : 0;
    size_t i = NUMERAL_BYTES;
    while (i > 0 && bytes[i - 1] == carried_over)
        bytes[--i] = (uint8_t)~carried_over;
    CHECK(i > 0); /* an end, which is no number */
    bytes[i - 1] = (uint8_t)(is_up ? bytes[i - 1] + 1 : bytes[i - 1] - 1);
}
