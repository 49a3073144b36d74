#include "sandbox/filter.h"

#include "base/check.h"
#include "base/date.h"
#include "json/json.h"

/* ---- dates ---- */

static const char *const prefixes[] = { "eq", "ne", "lt", "gt", "le", "ge", "sa", "eb" };

/* The prefix's index in `prefixes`, "eq" without one; *value loses it. */
static size_t take_prefix(struct slice *value)
{
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        if (slice_starts_with(*value, slice_cstr(prefixes[i]))) {
            *value = slice_from(*value, 2);
            return i;
        }
    }
    return 0;
}

static bool date_holds(struct slice value, struct json resource)
{
    struct date_range wanted, is;
    size_t prefix = take_prefix(&value);
    struct json text = json_member(json_member(resource, "meta"), "lastUpdated");
    if (!date_parse(value, &wanted) || !date_parse(json_string_raw(text), &is))
        return false;
    switch (prefix) {
    case 0:
        return is.low >= wanted.low && is.high <= wanted.high;
    case 1:
        return is.low < wanted.low || is.high > wanted.high;
    case 2:
        return is.low < wanted.low;
    case 3:
        return is.high > wanted.high;
    case 4:
        return is.low < wanted.high;
    case 5:
        return is.high > wanted.low;
    case 6:
        return is.low >= wanted.high;
    default:
        return is.high <= wanted.low;
    }
}

enum err filter_add(struct filter *filter, enum criterion_kind kind, struct slice values)
{
    if (filter->count == FILTER_CRITERIA_MAX)
        return ERR_INVALID;
    struct slice rest = kind == CRITERION_LAST_UPDATED ? values : SLICE_NONE;
    while (rest.bytes) {
        struct slice value = slice_cut(&rest, ',');
        struct date_range range;
        take_prefix(&value);
        if (!date_parse(value, &range))
            return ERR_INVALID;
    }
    filter->criteria[filter->count++] = (struct criterion){ kind, values };
    return ERR_NONE;
}

/* ---- one value of a criterion ---- */

static bool tag_holds(struct slice value, struct json resource)
{
    struct json tags = json_member(json_member(resource, "meta"), "tag");
    ptrdiff_t bar = slice_find_byte(value, '|');
    struct slice system = bar < 0 ? SLICE_NONE : slice_head(value, (size_t)bar);
    struct slice code = bar < 0 ? value : slice_from(value, (size_t)bar + 1);
    for (struct json tag = json_first(tags); json_exists(tag); tag = json_next(tags, tag)) {
        struct json its_system = json_member(tag, "system"), its_code = json_member(tag, "code");
        bool same_system = bar < 0 || (system.length == 0 ? !json_exists(its_system)
                                                          : json_string_is(its_system, system));
        bool same_code = code.length == 0 ? bar >= 0 : json_string_is(its_code, code);
        if (same_system && same_code)
            return true;
    }
    return false;
}

static bool profile_holds(struct slice value, struct json resource)
{
    struct json list = json_member(json_member(resource, "meta"), "profile");
    for (struct json p = json_first(list); json_exists(p); p = json_next(list, p)) {
        struct slice its = json_string_raw(p), whole = its;
        if (slice_equal(whole, value) || slice_equal(slice_cut(&its, '|'), value))
            return true;
    }
    return false;
}

/* The text holds the string "Patient/<id>". */
static bool refers_to(struct slice text, struct slice id)
{
    static const struct slice before = SLICE_INIT("\"Patient/");
    for (struct slice rest = text;;) {
        ptrdiff_t at = slice_find(rest, before);
        if (at < 0)
            return false;
        rest = slice_from(rest, (size_t)at + before.length);
        if (id.length == 0 || (slice_starts_with(rest, id) && rest.length > id.length &&
                               rest.bytes[id.length] == '"'))
            return true;
    }
}

static bool patient_holds(struct slice value, const struct record *record, bool or_none)
{
    ptrdiff_t slash = slice_find_last_byte(value, '/');
    struct slice id = slash < 0 ? value : slice_from(value, (size_t)slash + 1);
    if (id.length == 0)
        return false;
    if (slice_is(record->type, "Patient"))
        return slice_equal(record->id, id);
    return refers_to(record->text, id) || (or_none && !refers_to(record->text, SLICE_NONE));
}

static bool value_holds(enum criterion_kind kind, struct slice value, const struct record *record,
                        struct json resource)
{
    switch (kind) {
    case CRITERION_TYPE:
        return slice_equal(record->type, value);
    case CRITERION_ID:
        return slice_equal(record->id, value);
    case CRITERION_TAG:
        return tag_holds(value, resource);
    case CRITERION_PROFILE:
        return profile_holds(value, resource);
    case CRITERION_LAST_UPDATED:
        return date_holds(value, resource);
    case CRITERION_PATIENT:
        return patient_holds(value, record, false);
    case CRITERION_RECORD_OF:
        return patient_holds(value, record, true);
    }
    return false;
}

static bool needs_reading(enum criterion_kind kind)
{
    return kind == CRITERION_TAG || kind == CRITERION_PROFILE || kind == CRITERION_LAST_UPDATED;
}

bool filter_matches(const struct filter *filter, const struct record *record,
                    struct arena *scratch)
{
    struct json_doc doc;
    struct json resource = JSON_ABSENT;
    for (uint32_t i = 0; i < filter->count; i++) {
        const struct criterion *c = &filter->criteria[i];
        if (needs_reading(c->kind) && !json_exists(resource)) {
            if (json_parse(record->text, NULL, scratch, &doc, NULL))
                return false;
            resource = json_root(&doc);
        }
        bool holds = false;
        for (struct slice rest = c->values; rest.bytes && !holds;)
            holds = value_holds(c->kind, slice_cut(&rest, ','), record, resource);
        if (!holds)
            return false;
    }
    return true;
}
