/* base/numeral.h - decimal numbers as text writes them, and bytes in their order.
 *
 * Nothing passes through binary fractions: 0.1 is one tenth. Of a number's
 * digits the first 18 count (what FHIR asks for), the rest is cut off; an
 * exponent beyond +-16,000 counts as that.
 */
#ifndef BASE_NUMERAL_H
#define BASE_NUMERAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { NUMERAL_BYTES = 10, NUMERAL_DIGITS_MAX = 18 };

/* sign * digits * 10^exponent. digits / 10^exponent's unit is the precision that
 * the text had: "1e2" is 1 * 10^2, "100" is 100 * 10^0. */
struct numeral {
    uint64_t digits;
    int64_t exponent;
    bool is_negative;
};

/* [+-]digits[.digits][e[+-]digits]; false on anything else. */
bool numeral_parse(struct slice text, struct numeral *ret);

/* Bytes whose order is that of the numbers: equal numbers give equal bytes
 * whatever their precision. Neither all 00 nor all ff, which are the ends. */
void numeral_encode(struct numeral d, uint8_t out[NUMERAL_BYTES]);
/* The next bytes up or down, which no number has: to say "more than" and "less
 * than" by bounds that include. */
void numeral_step(uint8_t bytes[NUMERAL_BYTES], bool is_up);

#endif
