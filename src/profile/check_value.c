/* profile/check_value.c - fixed values, patterns, bounds, lengths, bindings. */
#include "base/decimal.h"
#include "profile/check.h"

/* ---- equality ---- */

static bool numbers_equal(struct json a, struct json b)
{
    struct decimal x, y;
    return decimal_parse(json_raw(a), &x) && decimal_parse(json_raw(b), &y) &&
           decimal_compare(x, y) == 0;
}

/* `pattern` is ours and has at most the depth of a definition. */
static bool texts_equal(struct profile_check *c, struct json value, struct json pattern)
{
    struct arena_mark mark = arena_mark(&c->scratch);
    bool same = json_string_is(value, json_string(pattern, &c->scratch));
    arena_rewind(&c->scratch, mark);
    return same;
}

static bool scalars_equal(struct profile_check *c, struct json value, struct json pattern)
{
    if (json_type(value) != json_type(pattern))
        return false;
    if (json_is(value, JSON_STRING))
        return texts_equal(c, value, pattern);
    return !json_is(value, JSON_NUMBER) || numbers_equal(value, pattern);
}

static struct json member_like(struct json value, struct json key)
{
    struct slice name = json_string_raw(key); /* FHIR names need no escapes */
    return json_get(value, name);
}

bool value_is_fixed(struct profile_check *c, struct json value, struct json fixed)
{
    enum json_type type = json_type(fixed);
    if (json_type(value) != type || !tree_spend(c, NULL, 1))
        return false;
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return scalars_equal(c, value, fixed);
    if (json_count(value) != json_count(fixed))
        return false;
    struct json other = json_first(value);
    for (struct json v = json_first(fixed); json_exists(v);) {
        struct json wanted = type == JSON_OBJECT ? json_value(v) : v;
        struct json found = type == JSON_OBJECT ? member_like(value, v) : other;
        if (!value_is_fixed(c, found, wanted))
            return false;
        other = type == JSON_ARRAY ? json_next(value, other) : JSON_ABSENT;
        v = json_next(fixed, wanted);
    }
    return true;
}

/* Each element of the pattern is met by some element of the value. */
static bool list_has_pattern(struct profile_check *c, struct json value, struct json pattern)
{
    for (struct json p = json_first(pattern); json_exists(p); p = json_next(pattern, p)) {
        bool found = false;
        for (struct json v = json_first(value); json_exists(v) && !found; v = json_next(value, v))
            found = value_has_pattern(c, v, p);
        if (!found)
            return false;
    }
    return true;
}

bool value_has_pattern(struct profile_check *c, struct json value, struct json pattern)
{
    enum json_type type = json_type(pattern);
    if (json_type(value) != type || !tree_spend(c, NULL, 1))
        return false;
    if (type == JSON_ARRAY)
        return list_has_pattern(c, value, pattern);
    if (type != JSON_OBJECT)
        return scalars_equal(c, value, pattern);
    for (struct json key = json_first(pattern); json_exists(key);
         key = json_next(pattern, json_value(key)))
        if (!value_has_pattern(c, member_like(value, key), json_value(key)))
            return false;
    return true;
}

/* ---- what must be there ---- */

static bool is_simple(struct json v)
{
    return !json_is(v, JSON_OBJECT) && !json_is(v, JSON_ARRAY);
}

static struct slice shown(struct json v)
{
    struct slice raw = json_is(v, JSON_STRING) ? json_string_raw(v) : json_raw(v);
    return slice_head(raw, 200);
}

static void report_fixed(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                         struct json value, struct json fixed);

static void report_fixed_members(struct profile_check *c, const struct fhir_spot *spot,
                                 struct place place, struct json value, struct json fixed)
{
    for (struct json key = json_first(value); json_exists(key) && tree_spend(c, spot, 100);
         key = json_next(value, json_value(key))) {
        struct slice name = slice_head(json_string_raw(key), 100);
        struct fhir_spot below = { .parent = spot, .name = name };
        struct json wanted = member_like(fixed, key);
        if (json_exists(wanted))
            report_fixed(c, &below, place, json_value(key), wanted);
        else
            tree_error(c, &below, place, json_value(key), "value",
                       "The element %.*s is present in the instance but not allowed in the "
                       "applicable fixed value specified in profile %.*s",
                       SLICE_ARGS(name), SLICE_ARGS(place_profile(c, place)));
    }
    for (struct json key = json_first(fixed); json_exists(key);
         key = json_next(fixed, json_value(key)))
        if (!json_exists(member_like(value, key)))
            tree_error(c, spot, place, value, "value",
                       "Missing element '%.*s' - required by fixed value assigned in profile %.*s",
                       SLICE_ARGS(json_string_raw(key)), SLICE_ARGS(place_profile(c, place)));
}

/* Which of its members differ, down to the depth of the definition's value. */
static void report_fixed(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                         struct json value, struct json fixed)
{
    if (value_is_fixed(c, value, fixed) || tree_is_over(c))
        return;
    if (json_is(fixed, JSON_OBJECT) && json_is(value, JSON_OBJECT)) {
        report_fixed_members(c, spot, place, value, fixed);
        return;
    }
    if (json_is(fixed, JSON_ARRAY) && json_is(value, JSON_ARRAY) &&
        json_count(fixed) == json_count(value)) {
        struct fhir_spot item = { .parent = spot->parent, .name = spot->name, .has_index = true };
        struct json wanted = json_first(fixed);
        for (struct json v = json_first(value); json_exists(v); v = json_next(value, v)) {
            report_fixed(c, &item, place, v, wanted);
            wanted = json_next(fixed, wanted);
            item.index++;
        }
        return;
    }
    const char *quote = is_simple(fixed) ? "'" : "";
    tree_error(c, spot, place, value, "value",
               "Value is %s%.*s%s but is fixed to %s%.*s%s in the profile %.*s", quote,
               SLICE_ARGS(shown(value)), quote, quote, SLICE_ARGS(shown(fixed)), quote,
               SLICE_ARGS(place_profile(c, place)));
}

static void check_fixed(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                        const struct item *item)
{
    struct json fixed = image_value(place.image, place.node->fixed);
    if (!json_exists(fixed) || value_is_fixed(c, item->value, fixed))
        return;
    if (c->quiet)
        c->has_failed = true;
    else
        report_fixed(c, spot, place, item->value, fixed);
}

static void check_pattern(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                          const struct item *item)
{
    struct json pattern = image_value(place.image, place.node->pattern);
    if (!json_exists(pattern) || value_has_pattern(c, item->value, pattern))
        return;
    struct slice profile = place_profile(c, place);
    if (is_simple(pattern))
        tree_error(c, spot, place, item_where(item), "value",
                   "Value is '%.*s' but must be '%.*s' as the profile %.*s has it",
                   SLICE_ARGS(shown(item->value)), SLICE_ARGS(shown(pattern)), SLICE_ARGS(profile));
    else
        tree_error(c, spot, place, item_where(item), "value",
                   "The pattern %.*s defined in the profile %.*s not found",
                   SLICE_ARGS(slice_head(json_raw(pattern), 300)), SLICE_ARGS(profile));
}

/* -1, 0, 1. Dates of different precision are equal as far as both go. */
static int compare_plain(struct json a, struct json b)
{
    struct decimal x, y;
    if (json_is(a, JSON_NUMBER) && json_is(b, JSON_NUMBER))
        return decimal_parse(json_raw(a), &x) && decimal_parse(json_raw(b), &y)
                   ? decimal_compare(x, y)
                   : 0;
    if (!json_is(a, JSON_STRING) || !json_is(b, JSON_STRING))
        return 0;
    struct slice left = json_string_raw(a), right = json_string_raw(b);
    size_t length = MIN(left.length, right.length);
    return slice_compare(slice_head(left, length), slice_head(right, length));
}

/* A quantity as FHIRPath writes it; the empty slice when it cannot be written. */
static struct slice quantity_text(struct profile_check *c, struct json quantity)
{
    struct json code = json_member(quantity, "code");
    if (!json_exists(code))
        code = json_member(quantity, "unit");
    struct slice unit = json_string_raw(code), value = json_raw(json_member(quantity, "value"));
    if (value.length == 0 || slice_find_byte(unit, '\'') >= 0 || slice_find_byte(unit, '\\') >= 0)
        return SLICE_NONE;
    return arena_printf(&c->scratch, "%.*s '%.*s'", SLICE_ARGS(value),
                        SLICE_ARGS(unit.length > 0 ? unit : SLICE("1")));
}

/* A length of time before (least) or after (greatest) now, "10 years". */
static struct slice duration_text(struct profile_check *c, struct json quantity)
{
    static const char *const units[][2] = { { "a", "years" },  { "mo", "months" },
                                            { "wk", "weeks" }, { "d", "days" },
                                            { "h", "hours" },  { "min", "minutes" },
                                            { "s", "seconds" } };
    struct slice code = json_string_raw(json_member(quantity, "code"));
    for (size_t i = 0; i < ARRAY_COUNT(units); i++)
        if (slice_is(code, units[i][0]))
            return arena_printf(&c->scratch, "%.*s %s",
                                SLICE_ARGS(json_raw(json_member(quantity, "value"))), units[i][1]);
    return SLICE_NONE;
}

/* By FHIRPath, which converts units and adds to dates. */
static bool is_beyond_quantity(struct profile_check *c, const struct item *item, struct json bound,
                               const char *operator)
{
    struct slice text = SLICE_NONE;
    if (json_is(item->value, JSON_OBJECT)) {
        struct slice value = quantity_text(c, item->value), limit = quantity_text(c, bound);
        if (value.length > 0 && limit.length > 0)
            text = arena_printf(&c->scratch, "(%.*s) %s (%.*s)", SLICE_ARGS(value), operator,
                                SLICE_ARGS(limit));
    } else if (json_is(item->value, JSON_STRING) && item->type) {
        struct slice length = duration_text(c, bound);
        bool is_date = item->type->id == FHIR_TYPE_DATE;
        if (length.length > 0)
            text = arena_printf(&c->scratch, "$this %s (%s %c %.*s)", operator,
                                is_date ? "today()" : "now()", *operator== '<' ? '-' : '+',
                                SLICE_ARGS(length));
    }
    const struct fhirpath_host host = { .now_us = c->options.now_us, .steps = 10000 };
    const struct fhirpath *path;
    struct fhir_item face = { .value = item->value, .type = item->type, .resource = c->root };
    bool holds = false;
    return text.length > 0 && fhirpath_compile(text, &c->scratch, &path, NULL) == ERR_NONE &&
           fhirpath_holds(path, face, &host, &c->scratch, &holds, NULL) == ERR_NONE && holds;
}

static bool is_beyond(struct profile_check *c, const struct item *item, struct json bound,
                      bool is_minimum)
{
    if (!json_exists(bound))
        return false;
    if (!json_is(bound, JSON_OBJECT)) {
        int order = compare_plain(item->value, bound);
        return is_minimum ? order < 0 : order > 0;
    }
    struct arena_mark mark = arena_mark(&c->scratch);
    bool is_it = is_beyond_quantity(c, item, bound, is_minimum ? "<" : ">");
    arena_rewind(&c->scratch, mark);
    return is_it;
}

static void check_bounds(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                         const struct item *item)
{
    struct json min = image_value(place.image, place.node->min_value);
    struct json max = image_value(place.image, place.node->max_value);
    if (is_beyond(c, item, min, true))
        tree_error(c, spot, place, item_where(item), "invalid",
                   "value is less than permitted minimum value of %.*s", SLICE_ARGS(shown(min)));
    if (is_beyond(c, item, max, false))
        tree_error(c, spot, place, item_where(item), "invalid",
                   "value is greater than permitted maximum value of %.*s", SLICE_ARGS(shown(max)));
}

static void check_length(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                         const struct item *item)
{
    struct slice raw = json_string_raw(item->value);
    uint32_t count = 0;
    if (place.node->max_length == 0 || raw.length <= place.node->max_length)
        return;
    struct arena_mark mark = arena_mark(&c->scratch);
    struct slice text = json_string(item->value, &c->scratch);
    for (size_t i = 0; i < text.length; i++)
        count += ((uint8_t)text.bytes[i] & 0xC0) != 0x80;
    arena_rewind(&c->scratch, mark);
    if (count > place.node->max_length)
        tree_error(c, spot, place, item_where(item), "value",
                   "value is longer than permitted maximum length of %u", place.node->max_length);
}

void tree_values(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                 const struct item *item)
{
    if (!json_exists(item->value) || json_is(item->value, JSON_NULL)) {
        if (place.node->fixed || place.node->pattern)
            tree_error(c, spot, place, item_where(item), "value",
                       "No value found, but the profile %.*s demands one",
                       SLICE_ARGS(place_profile(c, place)));
        return;
    }
    check_fixed(c, spot, place, item);
    check_pattern(c, spot, place, item);
    check_bounds(c, spot, place, item);
    check_length(c, spot, place, item);
}

/* ---- bindings ---- */

/* Only a version that is not meant by default needs to be named: the text is made
 * for each question. */
struct slice check_package_name(struct profile_check *c, const struct image *image)
{
    if (!image || !image->is_shadowed)
        return SLICE_NONE;
    return arena_printf(&c->kept, "%.*s@%.*s", SLICE_ARGS(image_slice(image, image->header->name)),
                        SLICE_ARGS(image_slice(image, image->header->version)));
}

int value_in_set(struct profile_check *c, const struct item *item, const struct image *image,
                 struct slice value_set)
{
    struct fhir_item face = {
        .value = item->value, .type = item->type, .resource = c->root, .element = item->row
    };
    int answer = -1;
    if (c->options.member_of && json_exists(item->value))
        answer =
            c->options.member_of(c->options.context, face, value_set, check_package_name(c, image));
    c->is_guess = c->is_guess || answer < 0;
    return answer;
}

static bool has_codes(const struct item *item)
{
    if (!json_is(item->value, JSON_OBJECT))
        return true;
    struct json list = json_member(item->value, "coding");
    if (item->type && item->type->id == FHIR_TYPE_CODEABLE_CONCEPT)
        return json_exists(json_first(list));
    return json_exists(json_member(item->value, "code"));
}

static bool is_coded(const struct item *item)
{
    if (!item->type || !json_exists(item->value))
        return false;
    uint16_t id = item->type->id;
    return id == FHIR_TYPE_CODE || id == FHIR_TYPE_CODING || id == FHIR_TYPE_CODEABLE_CONCEPT ||
           id == FHIR_TYPE_QUANTITY || id == FHIR_TYPE_STRING || id == FHIR_TYPE_URI;
}

static void check_set(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                      const struct item *item, struct slice set, bool is_required)
{
    enum issue_severity severity = is_required ? ISSUE_ERROR : ISSUE_WARNING;
    const char *must = is_required ? "is required" : "should be used, unless none is suitable";
    if (set.length == 0)
        return;
    if (!has_codes(item)) {
        tree_report(c, spot, place, item_where(item), severity, "code-invalid", SLICE_NONE,
                    "No code provided, and a code from the value set %.*s %s (from %.*s)",
                    SLICE_ARGS(set), must, SLICE_ARGS(place_profile(c, place)));
        return;
    }
    if (value_in_set(c, item, place.image, set) != 0)
        return;
    bool is_concept = item->type->id == FHIR_TYPE_CODEABLE_CONCEPT;
    struct slice code = json_is(item->value, JSON_OBJECT) ? shown(json_member(item->value, "code"))
                                                          : shown(item->value);
    if (is_concept)
        tree_report(
            c, spot, place, item_where(item), severity, "code-invalid", SLICE_NONE,
            "None of the codings provided are in the value set %.*s, and a coding from this "
            "value set %s (from %.*s)",
            SLICE_ARGS(set), must, SLICE_ARGS(place_profile(c, place)));
    else
        tree_report(
            c, spot, place, item_where(item), severity, "code-invalid", SLICE_NONE,
            "The value provided ('%.*s') was not found in the value set %.*s, and a code from "
            "this value set %s (from %.*s)",
            SLICE_ARGS(code), SLICE_ARGS(set), must, SLICE_ARGS(place_profile(c, place)));
}

void tree_binding(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                  const struct item *item)
{
    const struct image_node *n = place.node;
    if (n->strength < FHIR_BINDING_EXTENSIBLE || !is_coded(item))
        return;
    bool is_required = n->strength == FHIR_BINDING_REQUIRED;
    /* An extensible binding's hints are no part of a quiet answer. */
    if (c->quiet && !is_required && n->max_value_set.length == 0)
        return;
    check_set(c, spot, place, item, image_slice(place.image, n->value_set), is_required);
    check_set(c, spot, place, item, image_slice(place.image, n->max_value_set), true);
}
