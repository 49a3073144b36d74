/* Dates: every value is a range of instants, open ends reach to the limits. */
#include "index/extract.h"

static bool date_of(const struct extractor *x, struct json value, struct date_range *ret_range)
{
    struct slice text = extract_text(value, x->arena);
    return text.length && json_is(value, JSON_STRING) && date_parse_in(text, x->zone_us, ret_range);
}

/* False when neither end is given. */
static bool period_of(const struct extractor *x, struct json period, struct date_range *ret_range)
{
    struct date_range start, end;
    bool has_start = date_of(x, json_member(period, "start"), &start);
    bool has_end = date_of(x, json_member(period, "end"), &end);
    ret_range->low = has_start ? start.low : INT64_MIN;
    ret_range->high = has_end ? end.high : INT64_MAX;
    return has_start || has_end;
}

/* Only the outer limits of a schedule matter (R4 search, "date"). */
static bool timing_of(const struct extractor *x, struct json timing, struct date_range *ret_range)
{
    struct json repeat = json_member(timing, "repeat");
    struct date_range limits = { INT64_MAX, INT64_MIN };
    struct date_range part;
    struct json events = json_member(timing, "event");
    struct json event = json_is(events, JSON_ARRAY) ? json_first(events) : JSON_ABSENT;
    for (; json_exists(event); event = json_next(events, event)) {
        if (!date_of(x, event, &part))
            continue;
        limits.low = MIN(limits.low, part.low);
        limits.high = MAX(limits.high, part.high);
    }
    if (period_of(x, json_member(repeat, "boundsPeriod"), &part)) {
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
        has_date = date_of(x, item.value, ret);
    else if (item.type->id == FHIR_TYPE_PERIOD)
        has_date = period_of(x, item.value, ret);
    else if (item.type->id == FHIR_TYPE_TIMING)
        has_date = timing_of(x, item.value, ret);
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
