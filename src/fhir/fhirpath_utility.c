/* fhir/fhirpath_utility.c - the clock, parts of dates, types, trace(). */
#include "fhir/fhirpath_functions.h"

#define FUNCTION(name) enum err name(struct fp_call *call, struct fp_list *out)

/* ---- the clock ---- */

static enum err push_moment(struct fp_call *call, uint8_t kind, struct moment m,
                            struct fp_list *out)
{
    struct fp_item item = { .kind = kind };
    item.moment = m;
    return fp_push(call->run, out, &item);
}

FUNCTION(fp_now)
{
    return push_moment(call, FP_DATE_TIME, moment_of_instant(call->run->host->now_us), out);
}

FUNCTION(fp_today)
{
    struct moment m = moment_of_instant(call->run->host->now_us);
    m.precision = MOMENT_DAY;
    m.has_zone = false;
    return push_moment(call, FP_DATE, m, out);
}

FUNCTION(fp_time_of_day)
{
    struct moment m = moment_of_instant(call->run->host->now_us);
    m.is_time = true;
    m.has_zone = false;
    return push_moment(call, FP_TIME, m, out);
}

/* ---- parts ---- */

/* The input as a date or time; a string is read as one. *ret_any false: neither. */
static enum err take_moment(struct fp_call *call, struct moment *ret_moment, bool *ret_any)
{
    struct fp_item item;
    TRY(fp_one(call->run, call->node, &call->input, &item, ret_any));
    if (!*ret_any)
        return ERR_NONE;
    if (item.kind == FP_DATE || item.kind == FP_DATE_TIME || item.kind == FP_TIME)
        *ret_moment = item.moment;
    else
        *ret_any = item.kind == FP_STRING && moment_parse_date_time(item.text, ret_moment);
    return ERR_NONE;
}

FUNCTION(fp_date_part)
{
    struct moment m = { .year = 0 };
    bool any;
    TRY(take_moment(call, &m, &any));
    const int parts[] = { m.year, m.month, m.day, m.hour, m.minute, m.second, m.nanos / 1000000 };
    static const char *const names[] = { "yearOf",   "monthOf",  "dayOf",        "hourOf",
                                         "minuteOf", "secondOf", "millisecondOf" };
    for (int part = 0; any && part < (int)ARRAY_COUNT(parts); part++)
        if (slice_is(slice_cstr(names[part]), call->node->function->name) && m.precision >= part &&
            (!m.is_time || part >= MOMENT_HOUR))
            return fp_push_integer(call->run, out, parts[part]);
    return ERR_NONE;
}

FUNCTION(fp_zone_part)
{
    struct moment m = { .year = 0 };
    bool any;
    struct decimal hours;
    TRY(take_moment(call, &m, &any));
    if (!any || !m.has_zone || !decimal_divide(decimal_of(m.zone), decimal_of(60), &hours))
        return ERR_NONE;
    return fp_push_decimal(call->run, out, hours);
}

FUNCTION(fp_date_of)
{
    struct moment m = { .year = 0 };
    bool any;
    TRY(take_moment(call, &m, &any));
    if (!any || m.is_time)
        return ERR_NONE;
    m.precision = MIN(m.precision, (uint8_t)MOMENT_DAY);
    m.has_zone = false;
    return push_moment(call, FP_DATE, m, out);
}

FUNCTION(fp_time_of)
{
    struct moment m = { .year = 0 };
    bool any;
    TRY(take_moment(call, &m, &any));
    if (!any || m.is_time || m.precision < MOMENT_HOUR)
        return ERR_NONE;
    m.is_time = true;
    m.has_zone = false;
    return push_moment(call, FP_TIME, m, out);
}

/* ---- trace ---- */

FUNCTION(fp_trace)
{
    const struct fp_node *node = call->node;
    struct fp_list name_list, shown = call->input, part;
    struct slice name = SLICE_NONE;
    bool any;
    TRY(fp_eval(call->run, node->args[0], call->scope, &name_list));
    TRY(fp_one_text(call->run, node, &name_list, &name, &any));
    if (call->run->host->trace) {
        struct fhirpath_result result;
        if (node->arg_count > 1) {
            shown = (struct fp_list){ .count = 0 };
            for (uint32_t i = 0; i < call->input.count; i++) {
                TRY(fp_eval_item(call, node->args[1], &call->input.items[i], i, NULL, &part));
                TRY(fp_push_all(call->run, &shown, &part));
            }
        }
        TRY(fp_result(call->run, &shown, &result));
        call->run->host->trace(call->run->host->context, name, &result);
    }
    return fp_push_all(call->run, out, &call->input);
}

/* ---- types ---- */

static const char *const system_names[] = {
    [FP_BOOLEAN] = "Boolean", [FP_STRING] = "String",     [FP_INTEGER] = "Integer",
    [FP_DECIMAL] = "Decimal", [FP_DATE] = "Date",         [FP_DATE_TIME] = "DateTime",
    [FP_TIME] = "Time",       [FP_QUANTITY] = "Quantity",
};

FUNCTION(fp_type_of)
{
    for (uint32_t i = 0; i < call->input.count; i++) {
        const struct fp_item *item = &call->input.items[i];
        struct fp_item type = { .kind = FP_TYPE }, value;
        if (item->kind == FP_NODE && item->node.type) {
            type.type.space = SLICE("FHIR");
            bool is_part = item->node.type->kind == FHIR_BACKBONE;
            type.type.name = is_part ? SLICE("BackboneElement") : item->node.type->name;
        } else if (fp_system(call->run, item, &value)) {
            type.type.space = SLICE("System");
            type.type.name = slice_cstr(system_names[value.kind]);
        } else {
            type.type.space = SLICE("System");
            type.type.name = SLICE("Any");
        }
        TRY(fp_push(call->run, out, &type));
    }
    return ERR_NONE;
}
