/* base/decimal.h - exact decimal numbers: 37 digits and a scale.
 *
 * 1.50 is 150 / 10^2 and stays so: the scale is kept through sums and products,
 * since precision means something in health data. What does not fit makes the
 * function return false (FHIRPath then answers with nothing). Pure functions.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

__extension__ typedef __int128 decimal_units;

struct decimal {
    decimal_units units; /* value * 10^scale, below 10^DECIMAL_DIGITS */
    int32_t scale;       /* digits behind the point, 0 to DECIMAL_SCALE_MAX */
};

enum { DECIMAL_DIGITS = 37, DECIMAL_SCALE_MAX = 36, DECIMAL_TEXT_BYTES = 64 };

/* 10^power, power from 0 to DECIMAL_DIGITS. */
decimal_units decimal_power(int32_t power);

static inline struct decimal decimal_of(int64_t value)
{
    return (struct decimal){ value, 0 };
}

/* [+-]digits[.digits][e[+-]digits], all of the text. Digits behind the point
 * that do not fit are rounded away; false when the rest is too large, too. */
bool decimal_parse(struct slice text, struct decimal *ret_value);

/* With exactly `scale` digits behind the point. Returns the length; NUL-terminated. */
size_t decimal_render(struct decimal value, char out[DECIMAL_TEXT_BYTES]);

/* <0, 0, >0 by value: 1.50 and 1.5 are equal. */
int decimal_compare(struct decimal a, struct decimal b);

bool decimal_add(struct decimal a, struct decimal b, struct decimal *ret_sum);
bool decimal_multiply(struct decimal a, struct decimal b, struct decimal *ret_product);
/* To 16 digits behind the point or more, without trailing zeros; false for b = 0. */
bool decimal_divide(struct decimal a, struct decimal b, struct decimal *ret_quotient);
/* a = quotient * b + rest, quotient cut towards zero; false for b = 0. */
bool decimal_divide_whole(struct decimal a, struct decimal b, struct decimal *ret_quotient,
                          struct decimal *ret_rest);

static inline struct decimal decimal_negate(struct decimal a)
{
    return (struct decimal){ -a.units, a.scale };
}

enum decimal_rounding { DECIMAL_HALF_UP, DECIMAL_CUT, DECIMAL_FLOOR, DECIMAL_CEILING };
/* At most `scale` digits behind the point (half up: away from zero). */
struct decimal decimal_round(struct decimal a, int32_t scale, enum decimal_rounding how);
/* Without trailing zeros behind the point. */
struct decimal decimal_strip(struct decimal a);
/* With `scale` digits behind the point or more; false when that does not fit. */
bool decimal_widen(struct decimal a, int32_t scale, struct decimal *ret_value);

/* A whole number that fits. */
bool decimal_to_int64(struct decimal a, int64_t *ret_value);
double decimal_to_double(struct decimal a);
/* False for what is no number or too large. */
bool decimal_from_double(double value, struct decimal *ret_value);

#endif
