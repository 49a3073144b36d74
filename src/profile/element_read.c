/* profile/element_read.c - what an ElementDefinition states. */
#include "base/numeral.h"
#include "profile/element.h"

static const struct slice max_value_set_url =
    SLICE_INIT("http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet");

static struct slice text_of(struct definitions *world, struct json json)
{
    return json_string(json, world->arena);
}

static enum err read_texts(struct definitions *world, struct json list, const struct slice **ret,
                           uint32_t *ret_count)
{
    uint32_t count = 0;
    struct slice *texts = arena_array(world->arena, json_count(list), sizeof *texts);
    if (!texts)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        texts[count] = text_of(world, v);
        count += texts[count].bytes != NULL;
    }
    *ret = texts;
    *ret_count = count;
    return ERR_NONE;
}

/* System types are what primitives' values, ids and urls have: nothing to check. */
static enum err read_types(struct definitions *world, struct element *e, struct json list)
{
    struct type_ref *types = arena_array(world->arena, json_count(list), sizeof *types);
    uint32_t count = 0;
    if (!types)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct type_ref *t = &types[count];
        t->code = text_of(world, json_member(v, "code"));
        if (!t->code.bytes || slice_starts_with(t->code, SLICE("http://hl7.org/fhirpath/")))
            continue;
        TRY(read_texts(world, json_member(v, "profile"), &t->profiles, &t->profile_count));
        TRY(read_texts(world, json_member(v, "targetProfile"), &t->targets, &t->target_count));
        count++;
    }
    e->types = types;
    e->type_count = count;
    if (count == 1 && (!e->base || e->base->kind != FHIR_BACKBONE))
        e->base = fhir_type_find(types[0].code);
    return ERR_NONE;
}

static bool is_constraint(const struct element *e, struct slice key)
{
    const struct constraint *c = e->first_constraint;
    while (c && !slice_equal(c->key, key))
        c = c->next;
    return c != NULL;
}

static enum err read_constraints(struct definitions *world, struct element *e, struct json list)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice key = text_of(world, json_member(v, "key"));
        struct slice expression = text_of(world, json_member(v, "expression"));
        if (!key.bytes || !expression.bytes || is_constraint(e, key))
            continue;
        struct constraint *c = arena_alloc(world->arena, sizeof *c);
        if (!c)
            return ERR_NO_MEMORY;
        *c = (struct constraint){ .next = e->first_constraint,
                                  .key = key,
                                  .human = text_of(world, json_member(v, "human")),
                                  .expression = expression,
                                  .source = text_of(world, json_member(v, "source")),
                                  .is_error =
                                      json_string_is(json_member(v, "severity"), SLICE("error")) };
        e->first_constraint = c;
    }
    return ERR_NONE;
}

static uint8_t strength_of(struct json json)
{
    static const struct slice names[] = { SLICE_INIT("example"), SLICE_INIT("preferred"),
                                          SLICE_INIT("extensible"), SLICE_INIT("required") };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (json_string_is(json, names[i]))
            return (uint8_t)(FHIR_BINDING_EXAMPLE + i);
    return FHIR_BINDING_NONE;
}

static void read_binding(struct definitions *world, struct element *e, struct json binding)
{
    if (!json_exists(binding))
        return;
    e->strength = strength_of(json_member(binding, "strength"));
    e->value_set = text_of(world, json_member(binding, "valueSet"));
    struct json list = json_member(binding, "extension");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        if (!json_string_is(json_member(v, "url"), max_value_set_url))
            continue;
        struct json set = json_member(v, "valueCanonical");
        set = json_exists(set) ? set : json_member(v, "valueUri");
        e->max_value_set = text_of(world, set);
    }
}

static uint8_t discriminator_type(struct json json)
{
    static const struct slice names[] = { SLICE_INIT("value"),   SLICE_INIT("exists"),
                                          SLICE_INIT("pattern"), SLICE_INIT("type"),
                                          SLICE_INIT("profile"), SLICE_INIT("position") };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (json_string_is(json, names[i]))
            return (uint8_t)i;
    return DISCRIMINATE_VALUE;
}

static enum err read_slicing(struct definitions *world, struct element *e, struct json slicing)
{
    if (!json_is(slicing, JSON_OBJECT))
        return ERR_NONE;
    struct json list = json_member(slicing, "discriminator"), rules = json_member(slicing, "rules");
    e->rules = json_string_is(rules, SLICE("closed"))      ? SLICING_CLOSED
               : json_string_is(rules, SLICE("openAtEnd")) ? SLICING_OPEN_AT_END
                                                           : SLICING_OPEN;
    e->is_ordered = json_is(json_member(slicing, "ordered"), JSON_TRUE);
    uint32_t count = json_count(list), at = 0;
    if (count == 0)
        return ERR_NONE;
    struct discriminator *all = arena_array(world->arena, count, sizeof *all);
    if (!all)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice path = text_of(world, json_member(v, "path"));
        all[at++] = (struct discriminator){ discriminator_type(json_member(v, "type")), path };
    }
    e->discriminators = all;
    e->discriminator_count = at;
    return ERR_NONE;
}

/* fixedX, patternX, minValueX, maxValueX: whatever the type. */
static void read_values(struct element *e, struct json json)
{
    for (struct json key = json_first(json); json_exists(key);
         key = json_next(json, json_value(key))) {
        struct slice name = json_string_raw(key);
        if (slice_starts_with(name, SLICE("fixed"))) {
            e->overridden = e->fixed;
            e->fixed = json_value(key);
        } else if (slice_starts_with(name, SLICE("pattern"))) {
            e->pattern = json_value(key);
        } else if (slice_starts_with(name, SLICE("minValue"))) {
            e->min_value = json_value(key);
        } else if (slice_starts_with(name, SLICE("maxValue"))) {
            e->max_value = json_value(key);
        }
    }
}

static void read_counts(struct element *e, struct json json)
{
    uint64_t number;
    struct json min = json_member(json, "min"), max = json_member(json, "max");
    struct json length = json_member(json, "maxLength");
    if (json_is(min, JSON_NUMBER) && slice_parse_u64(json_raw(min), &number))
        e->min = (uint32_t)MIN(number, (uint64_t)ELEMENT_MANY);
    if (json_string_is(max, SLICE("*")))
        e->max = ELEMENT_MANY;
    else if (json_is(max, JSON_STRING) && slice_parse_u64(json_string_raw(max), &number))
        e->max = (uint32_t)MIN(number, (uint64_t)ELEMENT_MANY);
    if (json_is(length, JSON_NUMBER) && slice_parse_u64(json_raw(length), &number))
        e->max_length = (uint32_t)MIN(number, (uint64_t)ELEMENT_MANY);
}

enum err element_state(struct definitions *world, struct element *e, struct json json)
{
    struct json types = json_member(json, "type"), content = json_member(json, "contentReference");
    read_counts(e, json);
    read_values(e, json);
    read_binding(world, e, json_member(json, "binding"));
    if (json_is(types, JSON_ARRAY))
        TRY(read_types(world, e, types));
    if (json_is(content, JSON_STRING)) {
        struct slice path = text_of(world, content);
        ptrdiff_t mark = slice_find_last_byte(path, '#');
        e->content = mark < 0 ? path : slice_from(path, (size_t)mark + 1);
    }
    TRY(read_constraints(world, e, json_member(json, "constraint")));
    return read_slicing(world, e, json_member(json, "slicing"));
}
