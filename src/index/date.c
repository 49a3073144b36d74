/* Dates: every value is a range of instants, open ends reach to the limits. */
#include "index/extract.h"

static bool date_of(struct json value, struct arena *arena, struct date_range *ret_range)
{
    struct slice text = extract_text(value, arena);
    return text.length && json_is(value, JSON_STRING) && date_parse(text, ret_range);
}

/* False when neither end is given. */
static bool period_of(struct json period, struct arena *arena, struct date_range *ret_range)
{
    struct date_range start, end;
    bool has_start = date_of(json_member(period, "start"), arena, &start);
    bool has_end = date_of(json_member(period, "end"), arena, &end);
    ret_range->low = has_start ? start.low : INT64_MIN;
    ret_range->high = has_end ? end.high : INT64_MAX;
    return has_start || has_end;
}

/* Only the outer limits of a schedule matter (R4 search, "date"). */
static bool timing_of(struct json timing, struct arena *arena, struct date_range *ret_range)
{
    struct json repeat = json_member(timing, "repeat");
    struct date_range limits = { INT64_MAX, INT64_MIN };
    struct date_range part;
    struct json events = json_member(timing, "event");
    struct json event = json_is(events, JSON_ARRAY) ? json_first(events) : JSON_ABSENT;
    for (; json_exists(event); event = json_next(events, event)) {
        if (!date_of(event, arena, &part))
            continue;
        limits.low = MIN(limits.low, part.low);
        limits.high = MAX(limits.high, part.high);
    }
    if (period_of(json_member(repeat, "boundsPeriod"), arena, &part)) {
        limits.low = MIN(limits.low, part.low);
        limits.high = MAX(limits.high, part.high);
    }
    *ret_range = limits;
    return limits.low < limits.high;
}

bool extract_date_range(struct extractor *x, struct fhir_item item, struct date_range *ret)
{
    bool has_date = false;
    if (item.type->kind == FHIR_PRIMITIVE)
        has_date = date_of(item.value, x->arena, ret);
    else if (item.type->id == FHIR_TYPE_PERIOD)
        has_date = period_of(item.value, x->arena, ret);
    else if (item.type->id == FHIR_TYPE_TIMING)
        has_date = timing_of(item.value, x->arena, ret);
    /* A period that ends before it starts holds no instant. */
    return has_date && ret->low < ret->high;
}

enum err extract_date(struct extractor *x, struct fhir_item item)
{
    struct date_range range;
    if (!extract_date_range(x, item, &range))
        return ERR_NONE;
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    return extractor_add(x, x->field, value_date(at, range));
}
