#include "base/decimal.h"

#include <math.h>
#include <stdio.h>

#include "base/check.h"

decimal_units decimal_power(int32_t power)
{
    CHECK(power >= 0);
    CHECK(power <= DECIMAL_DIGITS);
    decimal_units value = 1;
    for (int32_t i = 0; i < power; i++)
        value *= 10;
    return value;
}

static decimal_units magnitude(decimal_units units)
{
    return units < 0 ? -units : units;
}

static bool fits(decimal_units units)
{
    return magnitude(units) < decimal_power(DECIMAL_DIGITS);
}

static bool scaled(decimal_units units, int32_t power, decimal_units *ret_units)
{
    decimal_units product = 0;
    if (power > DECIMAL_DIGITS && units != 0)
        return false;
    power = MIN(power, DECIMAL_DIGITS);
    if (__builtin_mul_overflow(units, decimal_power(power), &product) || !fits(product))
        return false;
    *ret_units = product;
    return true;
}

/* ---- text ---- */

struct digits {
    struct decimal value;
    bool any;
    bool is_full; /* further digits behind the point only decide nothing */
    bool is_too_large;
};

static size_t take_digits(struct slice text, size_t at, bool is_fraction, struct digits *d)
{
    for (; at < text.length && text.bytes[at] >= '0' && text.bytes[at] <= '9'; at++) {
        d->any = true;
        if (is_fraction && (d->is_full || d->value.scale == DECIMAL_SCALE_MAX))
            continue;
        decimal_units next = d->value.units * 10 + (text.bytes[at] - '0');
        if (!fits(next)) {
            d->is_full = true;
            d->is_too_large |= !is_fraction;
            continue;
        }
        d->value.units = next;
        d->value.scale += is_fraction;
    }
    return at;
}

/* Behind 'e': a signed number; far beyond reason it stays at 1000. */
static size_t take_exponent(struct slice text, size_t at, int32_t *ret_exponent, bool *ret_any)
{
    bool is_negative = at < text.length && text.bytes[at] == '-';
    if (at < text.length && (text.bytes[at] == '-' || text.bytes[at] == '+'))
        at++;
    int32_t value = 0;
    for (; at < text.length && text.bytes[at] >= '0' && text.bytes[at] <= '9'; at++) {
        *ret_any = true;
        value = value > 99 ? 1000 : value * 10 + (text.bytes[at] - '0');
    }
    *ret_exponent = is_negative ? -value : value;
    return at;
}

static bool apply_exponent(struct decimal *value, int32_t exponent)
{
    int32_t scale = value->scale - exponent;
    if (scale < 0) {
        if (!scaled(value->units, -scale, &value->units))
            return false;
        scale = 0;
    }
    if (scale > DECIMAL_SCALE_MAX) {
        int32_t drop = scale - DECIMAL_SCALE_MAX;
        value->units = drop > DECIMAL_DIGITS ? 0 : value->units / decimal_power(drop);
        scale = DECIMAL_SCALE_MAX;
    }
    value->scale = scale;
    return true;
}

bool decimal_parse(struct slice text, struct decimal *ret_value)
{
    struct digits d = { .any = false };
    size_t at = 0;
    bool is_negative = text.length > 0 && text.bytes[0] == '-';
    if (text.length > 0 && (text.bytes[0] == '-' || text.bytes[0] == '+'))
        at = 1;
    at = take_digits(text, at, false, &d);
    if (!d.any)
        return false;
    if (at < text.length && text.bytes[at] == '.') {
        d.any = false;
        at = take_digits(text, at + 1, true, &d);
        if (!d.any)
            return false;
    }
    if (at < text.length && (text.bytes[at] | 0x20) == 'e') {
        int32_t exponent;
        bool any = false;
        at = take_exponent(text, at + 1, &exponent, &any);
        if (!any || !apply_exponent(&d.value, exponent))
            return false;
    }
    if (at != text.length || d.is_too_large)
        return false;
    *ret_value = is_negative ? decimal_negate(d.value) : d.value;
    return true;
}

size_t decimal_render(struct decimal value, char out[DECIMAL_TEXT_BYTES])
{
    char digits[DECIMAL_TEXT_BYTES];
    size_t count = 0, length = 0;
    decimal_units rest = magnitude(value.units);
    while (rest > 0 || count <= (size_t)value.scale) {
        digits[count++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    if (value.units < 0)
        out[length++] = '-';
    while (count > 0) {
        if (count == (size_t)value.scale)
            out[length++] = '.';
        out[length++] = digits[--count];
    }
    out[length] = '\0';
    return length;
}

/* ---- order ---- */

int decimal_compare(struct decimal a, struct decimal b)
{
    int sign = 1;
    if (a.scale > b.scale) {
        struct decimal other = a;
        a = b;
        b = other;
        sign = -1;
    }
    decimal_units left = 0;
    if (!scaled(a.units, b.scale - a.scale, &left))
        return a.units < 0 ? -sign : sign;
    return left < b.units ? -sign : left > b.units ? sign : 0;
}

/* ---- arithmetic ---- */

struct decimal decimal_round(struct decimal a, int32_t scale, enum decimal_rounding how)
{
    if (a.scale <= scale)
        return a;
    decimal_units divisor = decimal_power(a.scale - scale);
    decimal_units units = a.units / divisor, rest = a.units % divisor;
    bool is_half = magnitude(rest) * 2 >= divisor;
    if (how == DECIMAL_HALF_UP && is_half)
        units += a.units < 0 ? -1 : 1;
    if (how == DECIMAL_FLOOR && rest < 0)
        units--;
    if (how == DECIMAL_CEILING && rest > 0)
        units++;
    return (struct decimal){ units, scale };
}

struct decimal decimal_strip(struct decimal a)
{
    while (a.scale > 0 && a.units % 10 == 0) {
        a.units /= 10;
        a.scale--;
    }
    return a;
}

bool decimal_widen(struct decimal a, int32_t scale, struct decimal *ret_value)
{
    if (a.scale >= scale) {
        *ret_value = a;
        return true;
    }
    if (scale > DECIMAL_SCALE_MAX || !scaled(a.units, scale - a.scale, &a.units))
        return false;
    *ret_value = (struct decimal){ a.units, scale };
    return true;
}

bool decimal_add(struct decimal a, struct decimal b, struct decimal *ret_sum)
{
    int32_t scale = MAX(a.scale, b.scale);
    struct decimal left, right;
    /* Too long for 37 digits: the finest digits go. */
    while (!decimal_widen(a, scale, &left) || !decimal_widen(b, scale, &right)) {
        if (scale-- == 0)
            return false;
        a = decimal_round(a, scale, DECIMAL_HALF_UP);
        b = decimal_round(b, scale, DECIMAL_HALF_UP);
    }
    decimal_units sum = left.units + right.units;
    if (!fits(sum))
        return false;
    *ret_sum = (struct decimal){ sum, scale };
    return true;
}

bool decimal_multiply(struct decimal a, struct decimal b, struct decimal *ret_product)
{
    decimal_units product;
    while (__builtin_mul_overflow(a.units, b.units, &product) || !fits(product) ||
           a.scale + b.scale > DECIMAL_SCALE_MAX) {
        struct decimal *finer = a.scale >= b.scale ? &a : &b;
        if (finer->scale == 0)
            return false;
        *finer = decimal_round(*finer, finer->scale - 1, DECIMAL_HALF_UP);
    }
    *ret_product = (struct decimal){ product, a.scale + b.scale };
    return true;
}

bool decimal_divide(struct decimal a, struct decimal b, struct decimal *ret_quotient)
{
    enum { QUOTIENT_SCALE = 20 };
    if (b.units == 0)
        return false;
    b = decimal_strip(b);
    struct decimal wide = a;
    while (wide.scale < QUOTIENT_SCALE + b.scale && scaled(wide.units, 1, &wide.units))
        wide.scale++;
    if (wide.scale < b.scale)
        return false;
    decimal_units units = wide.units / b.units, rest = wide.units % b.units;
    if (magnitude(rest) >= magnitude(b.units) - magnitude(rest))
        units += (wide.units < 0) == (b.units < 0) ? 1 : -1;
    struct decimal quotient = { units, wide.scale - b.scale };
    *ret_quotient = decimal_strip(quotient);
    return true;
}

bool decimal_divide_whole(struct decimal a, struct decimal b, struct decimal *ret_quotient,
                          struct decimal *ret_rest)
{
    int32_t scale = MAX(a.scale, b.scale);
    if (b.units == 0 || !decimal_widen(a, scale, &a) || !decimal_widen(b, scale, &b))
        return false;
    *ret_quotient = (struct decimal){ a.units / b.units, 0 };
    *ret_rest = (struct decimal){ a.units % b.units, scale };
    return true;
}

/* ---- other numbers ---- */

bool decimal_to_int64(struct decimal a, int64_t *ret_value)
{
    a = decimal_strip(a);
    if (a.scale > 0 || a.units > INT64_MAX || a.units < INT64_MIN)
        return false;
    *ret_value = (int64_t)a.units;
    return true;
}

double decimal_to_double(struct decimal a)
{
    return (double)((long double)a.units / (long double)decimal_power(a.scale));
}

bool decimal_from_double(double value, struct decimal *ret_value)
{
    char text[DECIMAL_TEXT_BYTES];
    if (!isfinite(value))
        return false;
    int length = snprintf(text, sizeof text, "%.15g", value);
    return length > 0 && decimal_parse(slice_of(text, (size_t)length), ret_value);
}
