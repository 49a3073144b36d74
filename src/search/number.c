/* Numbers and quantities. R4 gives the number asked an implicit range, half a
 * unit of its last digit to both sides, for eq, ne and ap; with the other
 * prefixes, and where it is stored, a number is exact. */
#include "search/compile.h"

#include <stdio.h>
#include <string.h>

#include "base/numeral.h"
#include "index/index.h"

/* What is asked: the number, and the range [low, high) around it. */
struct asked {
    uint8_t exact[NUMERAL_BYTES], low[NUMERAL_BYTES], high[NUMERAL_BYTES];
};

static struct numeral scaled(struct numeral d, uint64_t factor, int64_t add)
{
    /* Cannot overflow: digits < 10^18, factor <= 11. */
    int64_t sign = d.is_negative ? -1 : 1;
    bool is_zero = d.digits == 0;
    struct numeral result = { .exponent = d.exponent - 1, .is_negative = d.is_negative };
    if (is_zero) {
        result.digits = (uint64_t)(add < 0 ? -add : add);
        result.is_negative = add < 0;
    } else {
        result.digits = d.digits * factor + (uint64_t)(sign * add); /* wraps back: 10d > 5 */
    }
    return result;
}

static bool bytes_less(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, NUMERAL_BYTES) < 0;
}

/* The number as it lies in the index; converted when the key says so. False when
 * it cannot be. */
static bool encode(const struct key *key, struct numeral d, uint8_t out[NUMERAL_BYTES])
{
    char text[64];
    struct index_measure m;
    if (!key->is_measure) {
        numeral_encode(d, out);
        return true;
    }
    int length = snprintf(text, sizeof text, "%s%llue%lld", d.is_negative ? "-" : "",
                          (unsigned long long)d.digits, (long long)d.exponent);
    if (!index_measure_find(slice_of(text, (size_t)length), key->unit, &m))
        return false;
    memcpy(out, m.number, NUMERAL_BYTES);
    return true;
}

/* Conversion keeps the order: no factor is negative. */
static bool around(const struct key *key, struct numeral d, bool is_approximate, struct asked *a)
{
    if (!encode(key, d, a->exact) || !encode(key, scaled(d, 10, -5), a->low) ||
        !encode(key, scaled(d, 10, 5), a->high))
        return false;
    if (!is_approximate)
        return true;
    uint8_t near[NUMERAL_BYTES], far[NUMERAL_BYTES]; /* 90 % and 110 %, towards and from 0 */
    if (!encode(key, scaled(d, 9, 0), d.is_negative ? far : near) ||
        !encode(key, scaled(d, 11, 0), d.is_negative ? near : far))
        return false;
    if (bytes_less(near, a->low))
        memcpy(a->low, near, sizeof near);
    if (bytes_less(a->high, far))
        memcpy(a->high, far, sizeof far);
    return true;
}

/* Bounds on the low end l and the high end h of what is stored; NULL: none. */
struct bounds {
    const uint8_t *low_from, *low_to, *high_from, *high_to;
};

static struct slice end_of(struct compiler *c, const uint8_t *bytes, bool *ok)
{
    if (!bytes)
        return SLICE_NONE;
    const char *copy = arena_copy(c->arena, slice_of((const char *)bytes, NUMERAL_BYTES));
    *ok &= copy != NULL;
    return slice_of(copy, copy ? NUMERAL_BYTES : 0);
}

static const uint8_t *larger(const uint8_t *a, const uint8_t *b)
{
    return !a || (b && bytes_less(a, b)) ? b : a;
}

static const uint8_t *smaller(const uint8_t *a, const uint8_t *b)
{
    return !a || (b && bytes_less(b, a)) ? b : a;
}

/* Stored as a point, both ends are one; stored as two, l <= h. The bytes of a
 * wide one are two numbers. A second number of a composite is asked like an end
 * of the first: both stand behind the kind. */
static enum err bounds_add(struct compiler *c, struct bounds b, struct plan_list *list)
{
    bool ok = true;
    char kind = (char)(c->key.is_measure    ? TERM_MEASURE
                       : c->key.is_quantity ? TERM_QUANTITY
                                            : TERM_NUMBER);
    struct ordered point = {
        .kind = kind,
        .low_from = end_of(c, larger(b.low_from, b.high_from), &ok),
        .low_to = end_of(c, smaller(b.low_to, b.high_to), &ok),
        .high_from = c->key.second_from,
        .high_to = c->key.second_to,
        .tail_skip_bytes = NUMERAL_BYTES + 1,
        .bytes = c->key.has_second ? 2 * NUMERAL_BYTES + 1 : NUMERAL_BYTES,
    };
    struct ordered wide = {
        .kind = (char)(kind - 32),
        .low_from = end_of(c, b.low_from, &ok),
        .low_to = end_of(c, smaller(b.low_to, b.high_to), &ok),
        .high_from = end_of(c, b.high_from, &ok),
        .high_to = end_of(c, b.high_to, &ok),
        .tail_skip_bytes = NUMERAL_BYTES,
        .bytes = 2 * NUMERAL_BYTES,
    };
    if (!ok)
        return ERR_NO_MEMORY;
    TRY(ordered_add(c, &point, list));
    return c->key.has_second ? ERR_NONE : ordered_add(c, &wide, list);
}

typedef enum err bounds_use(struct compiler *c, struct bounds b, struct plan_list *list);

/* As for dates (date.c), with a point asked but for eq, ne and ap, and stored
 * ends that belong to the range. */
static enum err prefix_bounds(struct compiler *c, enum prefix prefix, const struct asked *a,
                              bounds_use *use, struct plan_list *list)
{
    uint8_t past[NUMERAL_BYTES];
    memcpy(past, a->exact, sizeof past);
    numeral_step(past, true);
    switch (prefix) {
    case PREFIX_EQ:
        return use(c, (struct bounds){ .low_from = a->low, .high_to = a->high }, list);
    case PREFIX_NE:
        TRY(use(c, (struct bounds){ .low_to = a->low }, list));
        return use(c, (struct bounds){ .high_from = a->high }, list);
    case PREFIX_GT:
        return use(c, (struct bounds){ .high_from = past }, list);
    case PREFIX_LT:
        return use(c, (struct bounds){ .low_to = a->exact }, list);
    case PREFIX_GE:
        return use(c, (struct bounds){ .high_from = a->exact }, list);
    case PREFIX_LE:
        return use(c, (struct bounds){ .low_to = past }, list);
    case PREFIX_SA:
        return use(c, (struct bounds){ .low_from = past }, list);
    case PREFIX_EB:
        return use(c, (struct bounds){ .high_to = a->exact }, list);
    case PREFIX_AP: {
        uint8_t end[NUMERAL_BYTES];
        memcpy(end, a->high, sizeof end);
        numeral_step(end, true);
        return use(c, (struct bounds){ .low_to = end, .high_from = a->low }, list);
    }
    }
    return ERR_INVALID;
}

static enum err parse_number(struct compiler *c, struct slice value, struct slice text,
                             enum prefix *ret_prefix, struct asked *ret)
{
    struct numeral d;
    if (!prefix_cut(c, &text, ret_prefix) || !numeral_parse(text, &d))
        return value_refuse(c, value,
                            "is no number: expected a decimal, behind one of eq ne gt lt ge le "
                            "sa eb ap or nothing");
    if (!around(&c->key, d, *ret_prefix == PREFIX_AP, ret))
        return ERR_NOT_FOUND; /* the caller asks as written alone */
    return ERR_NONE;
}

enum err compile_number(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    enum prefix prefix;
    struct asked asked;
    struct plan_list any = { 0 };
    TRY(parse_number(c, value, value, &prefix, &asked));
    TRY(prefix_bounds(c, prefix, &asked, bounds_add, &any));
    return plan_join(c, PLAN_OR, &any, ret_plan);
}

/* The second number of a composite, which is a point: its bounds go into the key
 * and the first number is compiled under each of them. */
static enum err second_add(struct compiler *c, struct bounds b, struct plan_list *list)
{
    bool ok = true;
    c->key.second_from = end_of(c, larger(b.low_from, b.high_from), &ok);
    c->key.second_to = end_of(c, smaller(b.low_to, b.high_to), &ok);
    if (!ok)
        return ERR_NO_MEMORY;
    struct plan *plan;
    TRY(compile_number(c, c->key.first_number, &plan));
    return plan_list_add(c, list, plan);
}

enum err compile_two_numbers(struct compiler *c, struct slice first, struct slice second,
                             struct plan **ret_plan)
{
    enum prefix prefix;
    struct asked asked;
    struct plan_list any = { 0 };
    TRY(parse_number(c, second, second, &prefix, &asked));
    c->key.has_second = true;
    c->key.first_number = first;
    TRY(prefix_bounds(c, prefix, &asked, second_add, &any));
    return plan_join(c, PLAN_OR, &any, ret_plan);
}

static struct slice side(struct compiler *c, struct slice text, bool *ok)
{
    struct slice plain = value_unescape(text, c->arena);
    struct slice result = plain.bytes ? index_encode_side(c->arena, plain) : SLICE_NONE;
    *ok &= result.bytes != NULL;
    return result;
}

/* What all units share that convert into the key's. */
static enum err dimension_part(struct compiler *c)
{
    struct index_measure m;
    struct slice choices[1][KEY_PARTS_MAX] = { { SLICE_NONE } };
    if (!index_measure_find(SLICE("1"), c->key.unit, &m))
        return ERR_NOT_FOUND;
    const char *copy = arena_copy(c->arena, slice_of(m.dimension, m.dimension_length));
    choices[0][0] = slice_of(copy, m.dimension_length);
    return copy ? key_add_parts(c, choices, 1, 1) : ERR_NO_MEMORY;
}

/* number, number|system|code, number||code (a code in any system, or a unit),
 * number|system|, number|system of a url; the parts behind a stored number are code,
 * system, unit. */
enum err quantity_parts(struct compiler *c, struct slice value, struct slice *ret_number)
{
    struct slice choices[2][KEY_PARTS_MAX] = { { SLICE_NONE } };
    struct slice rest = value;
    bool ok = true;
    *ret_number = value_cut(&rest, '|');
    size_t count = 1;
    if (rest.bytes) {
        struct slice system = value_cut(&rest, '|');
        if (!rest.bytes && slice_find_byte(system, ':') > 0)
            rest = SLICE(""); /* number|system, as number|system| */
        struct slice more = rest;
        (void)value_cut(&more, '|');
        if (!rest.bytes || more.bytes)
            return value_refuse(c, value, "is no quantity: expected number, number|system|code or "
                                          "number||code");
        struct slice code = rest.length ? side(c, rest, &ok) : SLICE_NONE;
        bool is_ucum = rest.length && slice_is(value_unescape(system, c->arena), INDEX_UCUM);
        if (c->key.is_measure)
            return dimension_part(c);
        c->key.unit = is_ucum ? value_unescape(rest, c->arena) : SLICE_NONE;
        choices[0][0] = code;
        if (system.length)
            choices[0][1] = side(c, system, &ok);
        else if (code.length)
            choices[count++][2] = code;
    }
    return ok ? key_add_parts(c, choices, count, 3) : ERR_NO_MEMORY;
}

static enum err quantity_once(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct slice number;
    TRY(quantity_parts(c, value, &number));
    return compile_number(c, number, ret_plan);
}

enum err either_measure(struct compiler *c, compile_value *compile, struct slice value,
                        struct plan **ret_plan)
{
    c->key = (struct key){ .is_measure = false };
    enum err err = compile(c, value, ret_plan);
    struct slice unit = c->key.unit;
    c->key = (struct key){ .is_measure = unit.length > 0, .unit = unit };
    if (err || !unit.length)
        return err;
    struct plan *measured;
    err = compile(c, value, &measured);
    c->key = (struct key){ .is_measure = false };
    if (err) /* no unit of UCUM, or a number without end */
        return err == ERR_NOT_FOUND ? ERR_NONE : err;
    return plan_either(c, *ret_plan, measured, ret_plan);
}

static enum err quantity_keyed(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    c->key.is_quantity = true;
    return quantity_once(c, value, ret_plan);
}

enum err compile_quantity(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    return either_measure(c, quantity_keyed, value, ret_plan);
}
