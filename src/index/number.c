/* Numbers and quantities. A number stands for itself, however precise it is: R4
 * gives an implicit range to the number that is asked, not to the one stored. A
 * Range, and a quantity of which only a limit is known, has two ends. */
#include "index/extract.h"

#include <string.h>

static bool number_of(struct json value, uint8_t bytes[NUMERAL_BYTES])
{
    struct numeral d;
    if (!json_is(value, JSON_NUMBER) || !numeral_parse(json_raw(value), &d))
        return false;
    numeral_encode(d, bytes);
    return true;
}

static void open_low(struct measure *m)
{
    memset(m->low, 0, sizeof m->low);
    m->low_text = SLICE_NONE;
    m->is_wide = true;
}

static void open_high(struct measure *m)
{
    memset(m->high, 0xff, sizeof m->high);
    m->high_text = SLICE_NONE;
    m->is_wide = true;
}

/* "<5" may be any number below 5. */
static void compare_out(struct measure *m, struct slice comparator)
{
    if (slice_is(comparator, "<")) {
        numeral_step(m->high, false);
        m->is_high_before = true;
        open_low(m);
    } else if (slice_is(comparator, "<=")) {
        open_low(m);
    } else if (slice_is(comparator, ">=")) {
        open_high(m);
    } else if (slice_is(comparator, ">")) {
        numeral_step(m->low, true);
        m->is_low_past = true;
        open_high(m);
    }
}

static void unit_of(struct extractor *x, struct json quantity, struct measure *m)
{
    m->code = extract_text(json_member(quantity, "code"), x->arena);
    m->system = extract_text(json_member(quantity, "system"), x->arena);
    m->unit = extract_text(json_member(quantity, "unit"), x->arena);
}

static bool quantity_of(struct extractor *x, struct json quantity, struct measure *m)
{
    if (!number_of(json_member(quantity, "value"), m->low))
        return false;
    memcpy(m->high, m->low, sizeof m->high);
    m->low_text = m->high_text = json_raw(json_member(quantity, "value"));
    compare_out(m, extract_text(json_member(quantity, "comparator"), x->arena));
    unit_of(x, quantity, m);
    return true;
}

/* A currency is a code of ISO 4217. */
static bool money_of(struct extractor *x, struct json money, struct measure *m)
{
    if (!number_of(json_member(money, "value"), m->low))
        return false;
    memcpy(m->high, m->low, sizeof m->high);
    m->code = extract_text(json_member(money, "currency"), x->arena);
    m->system = m->code.length ? SLICE("urn:iso:std:iso:4217") : SLICE_NONE;
    return true;
}

static bool range_of(struct extractor *x, struct json range, struct measure *m)
{
    struct json low = json_member(range, "low"), high = json_member(range, "high");
    bool has_low = number_of(json_member(low, "value"), m->low);
    bool has_high = number_of(json_member(high, "value"), m->high);
    m->is_wide = true;
    m->low_text = has_low ? json_raw(json_member(low, "value")) : SLICE_NONE;
    m->high_text = has_high ? json_raw(json_member(high, "value")) : SLICE_NONE;
    if (!has_low)
        open_low(m);
    if (!has_high)
        open_high(m);
    unit_of(x, has_low ? low : high, m);
    return (has_low || has_high) && memcmp(m->low, m->high, sizeof m->low) <= 0;
}

bool extract_measure(struct extractor *x, struct fhir_item item, struct measure *ret)
{
    *ret = (struct measure){ .is_wide = false };
    switch (item.type->id) {
    case FHIR_TYPE_DECIMAL:
    case FHIR_TYPE_INTEGER:
    case FHIR_TYPE_POSITIVE_INT:
    case FHIR_TYPE_UNSIGNED_INT:
        if (!number_of(item.value, ret->low))
            return false;
        memcpy(ret->high, ret->low, sizeof ret->high);
        return true;
    case FHIR_TYPE_QUANTITY:
    case FHIR_TYPE_AGE:
    case FHIR_TYPE_COUNT:
    case FHIR_TYPE_DISTANCE:
    case FHIR_TYPE_DURATION:
        return quantity_of(x, item.value, ret);
    case FHIR_TYPE_MONEY:
        return money_of(x, item.value, ret);
    case FHIR_TYPE_RANGE:
        return range_of(x, item.value, ret);
    default:
        return false; /* a SampledData has many values and no order among them */
    }
}

size_t value_number(uint8_t *at, enum term_kind kind, const struct measure *m)
{
    _Static_assert(TERM_NUMBER_WIDE == TERM_NUMBER - 32 &&
                       TERM_QUANTITY_WIDE == TERM_QUANTITY - 32 &&
                       TERM_MEASURE_WIDE == TERM_MEASURE - 32,
                   "wide kinds are the capital letters");
    *at = (uint8_t)(m->is_wide ? kind - 32 : kind);
    memcpy(at + 1, m->low, NUMERAL_BYTES);
    if (m->is_wide)
        memcpy(at + 1 + NUMERAL_BYTES, m->high, NUMERAL_BYTES);
    return 1 + (m->is_wide ? 2 : 1) * (size_t)NUMERAL_BYTES;
}

enum err extract_number(struct extractor *x, struct fhir_item item)
{
    struct measure m;
    if (!extract_measure(x, item, &m))
        return ERR_NONE;
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    return extractor_add(x, x->field, value_number(at, TERM_NUMBER, &m));
}

bool index_measure_find(struct slice number, struct slice unit, struct index_measure *ret)
{
    struct decimal value, normal;
    struct numeral numeral;
    char text[DECIMAL_TEXT_BYTES];
    if (!decimal_parse(number, &value) ||
        !fhir_unit_normalise(unit, value, &normal, ret->dimension, &ret->dimension_length))
        return false;
    size_t length = decimal_render(decimal_strip(normal), text);
    if (!numeral_parse(slice_of(text, length), &numeral))
        return false;
    numeral_encode(numeral, ret->number);
    return true;
}

/* index_measure_find(), or what it said of the same number and unit just before. */
static bool measure_find(struct extractor *x, struct slice number, struct slice unit,
                         struct index_measure *ret)
{
    if (!x->last_measure.number.bytes || !slice_equal(number, x->last_measure.number) ||
        !slice_equal(unit, x->last_measure.unit)) {
        x->last_measure.number = number;
        x->last_measure.unit = unit;
        x->last_measure.is_found = index_measure_find(number, unit, &x->last_measure.found);
    }
    *ret = x->last_measure.found;
    return x->last_measure.is_found;
}

/* An open end stays open. */
static bool end_normal(struct extractor *x, struct slice text, struct slice unit,
                       uint8_t number[NUMERAL_BYTES], struct index_measure *m)
{
    if (!text.bytes)
        return true;
    if (!measure_find(x, text, unit, m))
        return false;
    memcpy(number, m->number, NUMERAL_BYTES);
    return true;
}

enum err extract_normal(struct extractor *x, const struct measure *m, bool *ret_found,
                        struct measure *ret)
{
    struct index_measure end = { .dimension_length = 0 };
    *ret = *m;
    *ret_found = slice_is(m->system, INDEX_UCUM) && m->code.length > 0 &&
                 end_normal(x, m->low_text, m->code, ret->low, &end) &&
                 end_normal(x, m->high_text, m->code, ret->high, &end) && end.dimension_length > 0;
    if (!*ret_found)
        return ERR_NONE;
    if (m->is_low_past)
        numeral_step(ret->low, true);
    if (m->is_high_before)
        numeral_step(ret->high, false);
    ret->system = ret->unit = SLICE_NONE;
    const char *copy = arena_copy(x->arena, slice_of(end.dimension, end.dimension_length));
    ret->code = slice_of(copy, end.dimension_length);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

enum err extract_quantity(struct extractor *x, struct fhir_item item)
{
    struct measure m;
    if (!extract_measure(x, item, &m))
        return ERR_NONE;
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    size_t length = value_number(at, TERM_QUANTITY, &m);
    const struct slice parts[] = { m.code, m.system, m.unit };
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (i > 0)
            at[length++] = 0;
        length += value_side(at + length, parts[i]);
    }
    TRY(extractor_add(x, x->field, length));

    bool found = false;
    struct measure normal;
    TRY(extract_normal(x, &m, &found, &normal));
    if (!found)
        return ERR_NONE;
    at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    length = value_number(at, TERM_MEASURE, &normal);
    length += value_side(at + length, normal.code);
    return extractor_add(x, x->field, length);
}
