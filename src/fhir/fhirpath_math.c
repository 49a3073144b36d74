/* fhir/fhirpath_math.c - functions of numbers, aggregates, precision. */
#include <math.h>

#include "fhir/fhirpath_functions.h"

#define FUNCTION(name) enum err name(struct fp_call *call, struct fp_list *out)

static bool as_number(const struct fp_item *item, struct decimal *ret_number)
{
    if (item->kind == FP_INTEGER)
        *ret_number = decimal_of(item->integer);
    else if (item->kind == FP_DECIMAL)
        *ret_number = item->decimal;
    else
        return false;
    return true;
}

/* The list's one number. */
static enum err take_number(struct fp_call *call, const struct fp_list *list,
                            struct decimal *ret_number, bool *ret_any)
{
    struct fp_item item;
    TRY(fp_one(call->run, call->node, list, &item, ret_any));
    if (*ret_any && !as_number(&item, ret_number))
        return fp_fail(call->run, call->node, "a number was expected");
    return ERR_NONE;
}

/* ---- rounding ---- */

FUNCTION(fp_abs)
{
    struct fp_item item;
    bool any;
    TRY(fp_one(call->run, call->node, &call->input, &item, &any));
    if (!any)
        return ERR_NONE;
    if (item.kind == FP_INTEGER)
        item.integer = item.integer < 0 && item.integer != INT64_MIN ? -item.integer : item.integer;
    else if (item.kind == FP_DECIMAL && item.decimal.units < 0)
        item.decimal = decimal_negate(item.decimal);
    else if (item.kind == FP_QUANTITY && item.quantity.value.units < 0)
        item.quantity.value = decimal_negate(item.quantity.value);
    else if (item.kind != FP_DECIMAL && item.kind != FP_QUANTITY)
        return fp_fail(call->run, call->node, "a number was expected");
    return fp_push(call->run, out, &item);
}

static enum err to_whole(struct fp_call *call, enum decimal_rounding how, struct fp_list *out)
{
    struct decimal number;
    int64_t whole;
    bool any;
    TRY(take_number(call, &call->input, &number, &any));
    if (!any || !decimal_to_int64(decimal_round(number, 0, how), &whole))
        return ERR_NONE;
    return fp_push_integer(call->run, out, whole);
}

FUNCTION(fp_ceiling)
{
    return to_whole(call, DECIMAL_CEILING, out);
}

FUNCTION(fp_floor)
{
    return to_whole(call, DECIMAL_FLOOR, out);
}

FUNCTION(fp_truncate)
{
    return to_whole(call, DECIMAL_CUT, out);
}

FUNCTION(fp_round)
{
    struct decimal number;
    int64_t digits = 0;
    bool any, has_digits;
    TRY(take_number(call, &call->input, &number, &any));
    TRY(fp_one_integer(call->run, call->node, &call->args[0], &digits, &has_digits));
    if (digits < 0)
        return fp_fail(call->run, call->node, "round() takes a precision of 0 or more");
    if (!any || (call->node->arg_count > 0 && !has_digits))
        return ERR_NONE;
    int32_t scale = (int32_t)MIN(digits, DECIMAL_SCALE_MAX);
    return fp_push_decimal(call->run, out, decimal_round(number, scale, DECIMAL_HALF_UP));
}

/* ---- in binary floating point: no exact answer exists ---- */

static enum err push_double(struct fp_call *call, double value, struct fp_list *out)
{
    struct decimal number;
    return decimal_from_double(value, &number) ? fp_push_decimal(call->run, out, number) : ERR_NONE;
}

static enum err real_function(struct fp_call *call, double (*function)(double), struct fp_list *out)
{
    struct decimal number;
    bool any;
    TRY(take_number(call, &call->input, &number, &any));
    return any ? push_double(call, function(decimal_to_double(number)), out) : ERR_NONE;
}

FUNCTION(fp_exp)
{
    return real_function(call, exp, out);
}

FUNCTION(fp_ln)
{
    return real_function(call, log, out);
}

FUNCTION(fp_sqrt)
{
    return real_function(call, sqrt, out);
}

FUNCTION(fp_log)
{
    struct decimal number, base;
    bool any, has_base;
    TRY(take_number(call, &call->input, &number, &any));
    TRY(take_number(call, &call->args[0], &base, &has_base));
    if (!any || !has_base)
        return ERR_NONE;
    return push_double(call, log(decimal_to_double(number)) / log(decimal_to_double(base)), out);
}

/* A whole, small exponent is multiplied out: exact. */
static bool power_exactly(struct decimal base, int64_t exponent, struct decimal *ret_value)
{
    enum { EXPONENT_MAX = 128 };
    struct decimal value = decimal_of(1);
    if (exponent < 0 || exponent > EXPONENT_MAX)
        return false;
    for (int64_t i = 0; i < exponent; i++)
        if (!decimal_multiply(value, base, &value))
            return false;
    *ret_value = value;
    return true;
}

FUNCTION(fp_power)
{
    struct decimal base, exponent, value;
    int64_t whole;
    bool any, has_exponent;
    TRY(take_number(call, &call->input, &base, &any));
    TRY(take_number(call, &call->args[0], &exponent, &has_exponent));
    if (!any || !has_exponent)
        return ERR_NONE;
    if (!decimal_to_int64(exponent, &whole) || !power_exactly(base, whole, &value))
        return push_double(call, pow(decimal_to_double(base), decimal_to_double(exponent)), out);
    if (base.scale == 0 && decimal_to_int64(value, &whole))
        return fp_push_integer(call->run, out, whole);
    return fp_push_decimal(call->run, out, value);
}

/* ---- aggregates ---- */

FUNCTION(fp_aggregate)
{
    struct fp_list total = { .count = 0 }, next;
    if (call->node->arg_count > 1)
        TRY(fp_eval(call->run, call->node->args[1], call->scope, &total));
    for (uint32_t i = 0; i < call->input.count; i++) {
        TRY(fp_eval_item(call, call->node->args[0], &call->input.items[i], i, &total, &next));
        total = next;
        total.room = 0;
    }
    return fp_push_all(call->run, out, &total);
}

/* All items folded by one operator; *ret_any false when one has no value. */
static enum err fold(struct fp_call *call, uint8_t op, struct fp_list *total)
{
    struct fp_node node = *call->node;
    node.op = op;
    *total = call->input;
    total->count = MIN(call->input.count, 1);
    total->room = 0;
    for (uint32_t i = 1; i < call->input.count && total->count > 0; i++) {
        struct fp_list one = { .items = &call->input.items[i], .count = 1 }, sum = { .count = 0 };
        TRY(fp_arithmetic(call->run, &node, total, &one, &sum));
        *total = sum;
        total->room = 0;
    }
    return ERR_NONE;
}

static bool all_have_values(struct fp_call *call)
{
    struct fp_item value;
    for (uint32_t i = 0; i < call->input.count; i++)
        if (!fp_system(call->run, &call->input.items[i], &value))
            return false;
    return true;
}

FUNCTION(fp_sum)
{
    struct fp_list total = { .count = 0 };
    if (all_have_values(call))
        TRY(fold(call, FP_OP_ADD, &total));
    return fp_push_all(call->run, out, &total);
}

FUNCTION(fp_avg)
{
    struct fp_list total = { .count = 0 }, count = { .count = 0 };
    struct fp_node node = *call->node;
    node.op = FP_OP_DIVIDE;
    if (!all_have_values(call))
        return ERR_NONE;
    TRY(fold(call, FP_OP_ADD, &total));
    TRY(fp_push_integer(call->run, &count, call->input.count));
    return total.count ? fp_arithmetic(call->run, &node, &total, &count, out) : ERR_NONE;
}

static enum err extreme(struct fp_call *call, int sign, struct fp_list *out)
{
    uint32_t best = 0;
    if (call->input.count == 0 || !all_have_values(call))
        return ERR_NONE;
    for (uint32_t i = 1; i < call->input.count; i++) {
        int order = 0;
        bool known;
        TRY(fp_order(call->run, call->node, &call->input.items[i], &call->input.items[best], &order,
                     &known));
        if (!known)
            return ERR_NONE;
        best = order * sign > 0 ? i : best;
    }
    return fp_push(call->run, out, &call->input.items[best]);
}

FUNCTION(fp_min)
{
    return extreme(call, -1, out);
}

FUNCTION(fp_max)
{
    return extreme(call, 1, out);
}

/* ---- boundaries and precision ---- */

enum { BOUNDARY_DIGITS = 8, BOUNDARY_DIGITS_MAX = 31 };

/* Half a unit of the last digit below or above; then cut or rounded, as the
 * reference engine does. */
static bool boundary_of(struct decimal value, int64_t digits, bool is_high, struct decimal *ret)
{
    struct decimal half = { value.units < 0 ? -5 : 5, value.scale + 1 }, sum;
    bool is_away = is_high == (value.units >= 0);
    if (value.units == 0)
        half.units = is_high ? 5 : -5;
    if (value.scale >= DECIMAL_SCALE_MAX ||
        !decimal_add(value, is_away || value.units == 0 ? half : decimal_negate(half), &sum))
        return false;
    sum = decimal_round(sum, (int32_t)digits, is_away ? DECIMAL_HALF_UP : DECIMAL_CUT);
    return decimal_widen(sum, (int32_t)digits, ret);
}

static enum err boundary(struct fp_call *call, bool is_high, struct fp_list *out)
{
    struct fp_item item;
    int64_t digits = -1;
    bool any, has_digits;
    TRY(fp_one(call->run, call->node, &call->input, &item, &any));
    TRY(fp_one_integer(call->run, call->node, &call->args[0], &digits, &has_digits));
    if (!any || (call->node->arg_count > 0 && !has_digits))
        return ERR_NONE;
    bool is_date = item.kind == FP_DATE || item.kind == FP_DATE_TIME || item.kind == FP_TIME;
    if (is_date) {
        int64_t own = item.kind == FP_DATE ? 8 : item.kind == FP_TIME ? 9 : 17;
        if (!moment_boundary(&item.moment, has_digits ? digits : own, is_high))
            return ERR_NONE;
        if (item.kind != FP_TIME)
            item.kind = item.moment.precision > MOMENT_DAY ? FP_DATE_TIME : FP_DATE;
        return fp_push(call->run, out, &item);
    }
    digits = has_digits ? digits : BOUNDARY_DIGITS;
    struct decimal value;
    if (digits < 0 || digits > BOUNDARY_DIGITS_MAX)
        return ERR_NONE;
    if (item.kind == FP_QUANTITY)
        return boundary_of(item.quantity.value, digits, is_high, &item.quantity.value)
                   ? fp_push(call->run, out, &item)
                   : ERR_NONE;
    if (!as_number(&item, &value))
        return fp_fail(call->run, call->node, "a number, a date or a time was expected");
    return boundary_of(value, digits, is_high, &value) ? fp_push_decimal(call->run, out, value)
                                                       : ERR_NONE;
}

FUNCTION(fp_low_boundary)
{
    return boundary(call, false, out);
}

FUNCTION(fp_high_boundary)
{
    return boundary(call, true, out);
}

FUNCTION(fp_precision)
{
    struct fp_item item;
    bool any;
    TRY(fp_one(call->run, call->node, &call->input, &item, &any));
    if (!any)
        return ERR_NONE;
    bool is_date = item.kind == FP_DATE || item.kind == FP_DATE_TIME || item.kind == FP_TIME;
    if (is_date)
        return fp_push_integer(call->run, out, moment_digits(item.moment));
    if (item.kind != FP_INTEGER && item.kind != FP_DECIMAL)
        return fp_fail(call->run, call->node, "a number, a date or a time was expected");
    return fp_push_integer(call->run, out, item.kind == FP_DECIMAL ? item.decimal.scale : 0);
}

static bool as_quantity(const struct fp_item *item, struct fp_quantity *ret_quantity)
{
    *ret_quantity = (struct fp_quantity){ .unit = SLICE("1") };
    if (item->kind == FP_QUANTITY)
        *ret_quantity = item->quantity;
    else
        return as_number(item, &ret_quantity->value);
    return true;
}

FUNCTION(fp_comparable)
{
    struct fp_item a, b;
    struct decimal x, y;
    bool has_a, has_b;
    TRY(fp_one(call->run, call->node, &call->input, &a, &has_a));
    TRY(fp_one(call->run, call->node, &call->args[0], &b, &has_b));
    if (!has_a || !has_b)
        return ERR_NONE;
    struct fp_quantity q, r;
    if (!as_quantity(&a, &q) || !as_quantity(&b, &r))
        return fp_fail(call->run, call->node, "two quantities were expected");
    return fp_push_boolean(call->run, out, fp_quantities_meet(&q, &r, true, &x, &y));
}
