/* fhir/fhirpath_convert.c - from one system type to another. */
#include "fhir/fhirpath_functions.h"

#define FUNCTION(name) enum err name(struct fp_call *call, struct fp_list *out)

FUNCTION(fp_iif)
{
    const struct fp_node *node = call->node;
    struct fp_list test;
    enum fp_truth truth;
    if (call->input.count > 1)
        return fp_fail(call->run, node, "one item was expected, %u are there", call->input.count);
    const struct fp_item *item = call->input.count ? &call->input.items[0] : NULL;
    TRY(fp_eval_item(call, node->args[0], item, call->scope->index, NULL, &test));
    struct fp_item value;
    bool is_boolean = test.count != 1 || !fp_system(call->run, &test.items[0], &value) ||
                      value.kind == FP_BOOLEAN;
    if (!is_boolean)
        return fp_fail(call->run, node, "the condition of iif() must be a boolean");
    TRY(fp_one_truth(call->run, node, &test, &truth));
    int branch = truth == FP_TRUE ? 1 : 2;
    if (branch >= node->arg_count)
        return ERR_NONE;
    return fp_eval_item(call, node->args[branch], item, call->scope->index, NULL, out);
}

/* ---- each conversion: false when there is none ---- */

static bool to_boolean(const struct fp_item *item, bool *ret_value)
{
    static const char *const words[2][6] = { { "false", "f", "no", "n", "0", "0.0" },
                                             { "true", "t", "yes", "y", "1", "1.0" } };
    struct decimal number = item->kind == FP_DECIMAL ? item->decimal : decimal_of(item->integer);
    if (item->kind == FP_BOOLEAN) {
        *ret_value = item->boolean;
        return true;
    }
    for (int truth = 0; truth < 2; truth++) {
        bool is_number = item->kind == FP_INTEGER || item->kind == FP_DECIMAL;
        if (is_number && decimal_compare(number, decimal_of(truth)) == 0) {
            *ret_value = truth;
            return true;
        }
        for (size_t i = 0; item->kind == FP_STRING && i < ARRAY_COUNT(words[0]); i++)
            if (slice_equal_nocase(item->text, slice_cstr(words[truth][i]))) {
                *ret_value = truth;
                return true;
            }
    }
    return false;
}

static bool is_whole_number(struct slice text)
{
    size_t at = text.length > 0 && (text.bytes[0] == '-' || text.bytes[0] == '+');
    for (size_t i = at; i < text.length; i++)
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
    return text.length > at;
}

static bool to_integer(const struct fp_item *item, int64_t *ret_value)
{
    struct decimal number;
    if (item->kind == FP_BOOLEAN)
        *ret_value = item->boolean;
    else if (item->kind == FP_INTEGER)
        *ret_value = item->integer;
    else
        return item->kind == FP_STRING && is_whole_number(item->text) &&
               decimal_parse(item->text, &number) && decimal_to_int64(number, ret_value);
    return true;
}

static bool to_decimal(const struct fp_item *item, struct decimal *ret_value)
{
    if (item->kind == FP_BOOLEAN)
        *ret_value = (struct decimal){ item->boolean ? 10 : 0, 1 };
    else if (item->kind == FP_INTEGER)
        *ret_value = decimal_of(item->integer);
    else if (item->kind == FP_DECIMAL)
        *ret_value = item->decimal;
    else
        return item->kind == FP_STRING && slice_find_byte(item->text, 'e') < 0 &&
               slice_find_byte(item->text, 'E') < 0 && decimal_parse(item->text, ret_value);
    return true;
}

static bool to_moment(const struct fp_item *item, uint8_t kind, struct moment *ret_moment)
{
    bool is_day = item->kind == FP_DATE || item->kind == FP_DATE_TIME;
    if (item->kind == FP_STRING && kind == FP_TIME)
        return moment_parse_time(item->text, ret_moment);
    if (item->kind == FP_STRING && !moment_parse_date_time(item->text, ret_moment))
        return false;
    if (item->kind != FP_STRING && (kind == FP_TIME ? item->kind != FP_TIME : !is_day))
        return false;
    if (item->kind != FP_STRING)
        *ret_moment = item->moment;
    if (kind == FP_DATE && ret_moment->precision > MOMENT_DAY) {
        ret_moment->precision = MOMENT_DAY;
        ret_moment->has_zone = false;
    }
    return true;
}

static bool to_quantity(const struct fp_item *item, struct fp_quantity *ret_quantity)
{
    struct decimal number;
    *ret_quantity = (struct fp_quantity){ .unit = SLICE("1") };
    if (item->kind == FP_QUANTITY) {
        *ret_quantity = item->quantity;
    } else if (item->kind == FP_STRING) {
        return fp_quantity_parse(item->text, ret_quantity);
    } else {
        if (!to_decimal(item, &number))
            return false;
        ret_quantity->value = number;
    }
    return true;
}

/* The input as `kind`; *ret_any false when it is empty or does not convert. */
static enum err convert(struct fp_call *call, uint8_t kind, struct fp_item *ret_item, bool *ret_any)
{
    struct fp_item item, result = { .kind = kind };
    TRY(fp_one(call->run, call->node, &call->input, &item, ret_any));
    if (!*ret_any)
        return ERR_NONE;
    switch ((enum fp_kind)kind) {
    case FP_BOOLEAN:
        *ret_any = to_boolean(&item, &result.boolean);
        break;
    case FP_INTEGER:
        *ret_any = to_integer(&item, &result.integer);
        break;
    case FP_DECIMAL:
        *ret_any = to_decimal(&item, &result.decimal);
        break;
    case FP_DATE:
    case FP_DATE_TIME:
    case FP_TIME:
        *ret_any = to_moment(&item, kind, &result.moment);
        break;
    case FP_QUANTITY:
        *ret_any = to_quantity(&item, &result.quantity);
        break;
    case FP_STRING:
        *ret_any = item.kind != FP_NODE && fp_render(call->run, &item, &result.text);
        break;
    case FP_NODE:
    case FP_TYPE:
        *ret_any = false;
        break;
    }
    *ret_item = result;
    return ERR_NONE;
}

static enum err to_kind(struct fp_call *call, uint8_t kind, struct fp_list *out)
{
    struct fp_item item;
    bool any;
    TRY(convert(call, kind, &item, &any));
    return any ? fp_push(call->run, out, &item) : ERR_NONE;
}

FUNCTION(fp_to_boolean)
{
    return to_kind(call, FP_BOOLEAN, out);
}

FUNCTION(fp_to_integer)
{
    return to_kind(call, FP_INTEGER, out);
}

FUNCTION(fp_to_decimal)
{
    return to_kind(call, FP_DECIMAL, out);
}

FUNCTION(fp_to_string)
{
    return to_kind(call, FP_STRING, out);
}

FUNCTION(fp_to_date)
{
    return to_kind(call, FP_DATE, out);
}

FUNCTION(fp_to_date_time)
{
    return to_kind(call, FP_DATE_TIME, out);
}

FUNCTION(fp_to_time)
{
    return to_kind(call, FP_TIME, out);
}

FUNCTION(fp_to_quantity)
{
    struct slice unit = SLICE_NONE;
    struct fp_item item, source;
    bool any, has_unit = false;
    /* A quantity with a comparator is no value: "> 3 mg" is not 3 mg. */
    bool has_comparator = call->input.count == 1 && call->input.items[0].kind == FP_NODE &&
                          json_exists(json_member(call->input.items[0].node.value, "comparator"));
    if (has_comparator)
        return fp_fail(call->run, call->node, "a quantity with a comparator has no one value");
    TRY(convert(call, FP_QUANTITY, &item, &any));
    TRY(fp_one_text(call->run, call->node, &call->args[0], &unit, &has_unit));
    if (!any || (call->node->arg_count > 0 && !has_unit))
        return ERR_NONE;
    source = item;
    if (has_unit && !fp_quantity_convert(&source.quantity, unit, &item.quantity))
        return ERR_NONE;
    return fp_push(call->run, out, &item);
}

FUNCTION(fp_converts)
{
    static const struct {
        const char *name;
        uint8_t kind;
    } kinds[] = {
        { "Boolean", FP_BOOLEAN }, { "Integer", FP_INTEGER },    { "Long", FP_INTEGER },
        { "Decimal", FP_DECIMAL }, { "String", FP_STRING },      { "Date", FP_DATE },
        { "Time", FP_TIME },       { "DateTime", FP_DATE_TIME }, { "Quantity", FP_QUANTITY },
    };
    struct slice name = slice_cstr(call->node->function->name + strlen("convertsTo"));
    struct fp_item item;
    bool any;
    if (call->input.count == 0)
        return ERR_NONE;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (slice_is(name, kinds[i].name)) {
            TRY(convert(call, kinds[i].kind, &item, &any));
            return fp_push_boolean(call->run, out, any);
        }
    return ERR_INTERNAL;
}
