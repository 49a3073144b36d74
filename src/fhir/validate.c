/* fhir/validate.c - a resource against the tables.
 *
 * One walk in document order; what an object should have is counted while its
 * members pass by. Depth of recursion is the depth of the JSON, bounded below.
 */
#include "fhir/validate.h"

#include <stdarg.h>
#include <stdio.h>

#include "fhir/moment.h"

enum {
    ROWS_MAX = 128,       /* elements of one type; checked */
    STEPS_BASE = 3000000, /* for all invariants of a resource, and */
    STEPS_PER_NODE = 400, /* for each node of its tape */
    SCRATCH_BYTES = 256 << 20,
    TOLD_MAX = 4096,
};

/* ---- findings ---- */

/* Backwards into the room, as frames know only their parents. */
static struct slice render_spot(const struct fhir_spot *spot, char *room, size_t room_bytes)
{
    char part[160];
    size_t at = room_bytes;
    for (; spot; spot = spot->parent) {
        const char *dot = spot->parent ? "." : "";
        int n = spot->has_index ? snprintf(part, sizeof part, "%s%.*s[%u]", dot,
                                           SLICE_ARGS(slice_head(spot->name, 100)), spot->index)
                                : snprintf(part, sizeof part, "%s%.*s", dot,
                                           SLICE_ARGS(slice_head(spot->name, 100)));
        if (n < 0 || (size_t)n > at)
            break;
        at -= (size_t)n;
        memcpy(room + at, part, (size_t)n);
    }
    return slice_of(room + at, room_bytes - at);
}

/* A profile may ask for what base R4, or another profile, asks for by the same rule.
 * Past some thousands nobody reads on: no more are remembered. */
static bool was_told(struct fhir_check *c, const struct fhir_finding *finding)
{
    uint64_t *value;
    bool is_new = true;
    if (!finding->key.length || !json_exists(finding->where) || c->told.count == TOLD_MAX)
        return false;
    struct slice key = arena_printf(&c->told_keys, "%u %.*s", finding->where.at,
                                    SLICE_ARGS(slice_head(finding->key, 100)));
    return key.bytes && map_put(&c->told, key, &value, &is_new) == ERR_NONE && !is_new;
}

void fhir_check_report(struct fhir_check *c, const struct fhir_spot *spot,
                       const struct fhir_finding *finding)
{
    char room[4096];
    struct fhir_finding full = *finding;
    if ((c->options->is_errors_only && full.severity > ISSUE_ERROR) || was_told(c, finding))
        return;
    full.expression = render_spot(spot, room, sizeof room);
    if (c->issues)
        issues_add(c->issues, full.severity, full.code, full.expression, "%.*s",
                   SLICE_ARGS(full.text));
    if (c->options->found)
        c->options->found(c->options->context, &full);
}

void check_report(struct fhir_check *c, const struct fhir_spot *spot, struct json where,
                  enum issue_severity severity, const char *code, struct slice key,
                  const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    length = MIN(MAX(length, 0), (int)sizeof text - 1);
    fhir_check_report(c, spot,
                      &(struct fhir_finding){ .severity = severity,
                                              .code = code,
                                              .key = key,
                                              .text = slice_of(text, (size_t)length),
                                              .where = where });
}

/* ---- objects ---- */

/* One object being checked. */
struct object {
    struct json value;
    const struct fhir_type *type;
    const struct fhir_spot *spot;
    bool has_siblings;         /* some key begins with '_', or may do so escaped */
    uint32_t counts[ROWS_MAX]; /* values met of each element */
};

static void check_object(struct fhir_check *c, const struct fhir_spot *spot, struct json value,
                         const struct fhir_type *type);
static void check_resource(struct fhir_check *c, const struct fhir_spot *spot, struct json value,
                           const struct fhir_element *element);

/* Tell a hook. */
static void call_hook(struct fhir_check *c, const struct fhir_spot *spot, struct fhir_item item,
                      struct fhir_item holder,
                      enum err (*hook)(void *, const struct fhir_subject *))
{
    if (!hook || c->failure)
        return;
    const struct fhir_subject subject = { .check = c,
                                          .spot = spot,
                                          .item = item,
                                          .holder = holder,
                                          .resource = c->resource,
                                          .outermost = c->outermost };
    c->failure = hook(c->options->hooks->context, &subject);
}

static bool is_extensible(const struct fhir_check *c, const struct fhir_element *element)
{
    return element->binding == FHIR_BINDING_EXTENSIBLE && c->options->hooks &&
           !c->options->is_errors_only;
}

static void check_item(struct fhir_check *c, const struct fhir_spot *spot, struct fhir_item item,
                       const struct fhir_type *holder)
{
    if (!c->failure)
        check_invariants(c, spot, item, holder);
}

/* An element has a value or children, and its id is none (ele-1). */
static bool is_id_alone(struct json object)
{
    struct json key = json_first(object);
    return json_exists(key) && slice_is(json_string_raw(key), "id") &&
           !json_exists(json_next(object, json_value(key)));
}

static void report_nothing(struct fhir_check *c, const struct fhir_spot *spot, struct json where)
{
    check_report(c, spot, where, ISSUE_ERROR, "invariant", SLICE("ele-1"),
                 "Constraint failed: ele-1: 'All FHIR elements must have a @value or children'");
}

static void check_complex(struct fhir_check *c, struct object *o, const struct fhir_spot *spot,
                          const struct fhir_element *element, struct json value)
{
    const struct fhir_type *type = &fhir_types[element->type];
    if (!json_is(value, JSON_OBJECT)) {
        check_error(c, spot, value, "structure", "This property must be an Object, not %s",
                    json_is(value, JSON_ARRAY)  ? "an array"
                    : json_is(value, JSON_NULL) ? "null"
                                                : "a primitive property");
        return;
    }
    if (type_is_open_resource(type)) {
        check_resource(c, spot, value, element);
        return;
    }
    check_object(c, spot, value, type);
    if (is_id_alone(value))
        report_nothing(c, spot, value);
    if (!c->options->is_shape_only) {
        check_coded(c, spot, element, value);
        if (type->id == FHIR_TYPE_ATTACHMENT)
            check_attachment(c, spot, value);
        if (type_derives(type->id, FHIR_TYPE_REFERENCE))
            check_reference(c, spot, element, value);
        if (type->id == FHIR_TYPE_EXTENSION && o->type->id != FHIR_TYPE_EXTENSION)
            check_extension_url(c, spot, value);
    }
    struct fhir_item item = {
        .value = value, .type = type, .resource = c->root, .element = element
    };
    check_item(c, spot, item, o->type);
    if (c->options->hooks &&
        (type->id == FHIR_TYPE_CODING || type_derives(type->id, FHIR_TYPE_QUANTITY)))
        call_hook(c, spot, item,
                  (struct fhir_item){ .value = o->value, .type = o->type, .resource = c->root },
                  c->options->hooks->coding);
    if (is_extensible(c, element))
        call_hook(c, spot, item, (struct fhir_item){ .value = o->value, .type = o->type },
                  c->options->hooks->binding);
    if (type->id == FHIR_TYPE_EXTENSION && c->options->hooks)
        call_hook(c, spot, item,
                  (struct fhir_item){ .value = o->value, .type = o->type, .resource = c->root },
                  c->options->hooks->extension);
}

static void check_simple(struct fhir_check *c, struct object *o, const struct fhir_spot *spot,
                         const struct fhir_element *element, struct json value)
{
    if (json_is(value, JSON_OBJECT) || json_is(value, JSON_ARRAY)) {
        check_error(c, spot, value, "structure", "This property must be an simple value, not %s",
                    json_is(value, JSON_ARRAY) ? "an array" : "an object");
        return;
    }
    check_primitive(c, spot, element, value);
    struct fhir_item item = {
        .value = value, .type = &fhir_types[element->type], .resource = c->root, .element = element
    };
    if (fhir_type_invariants[o->type->id].count > 0)
        check_item(c, spot, item, o->type);
    if (is_extensible(c, element))
        call_hook(c, spot, item, (struct fhir_item){ .value = o->value, .type = o->type },
                  c->options->hooks->binding);
}

/* A value or element of an array; `sibling` stands beside it, if it is primitive. */
static void check_value(struct fhir_check *c, struct object *o, const struct fhir_spot *spot,
                        const struct fhir_element *element, struct json value, struct json sibling)
{
    bool is_primitive = fhir_types[element->type].kind == FHIR_PRIMITIVE;
    if (!is_primitive) {
        check_complex(c, o, spot, element, value);
    } else if (json_is(value, JSON_NULL)) {
        if (!spot->has_index || !json_is(sibling, JSON_OBJECT))
            check_error(c, spot, value, "structure",
                        "This property must be a simple value, not null");
    } else if (json_exists(value)) {
        check_simple(c, o, spot, element, value);
    }
}

/* id and extensions of a primitive, whose value may be absent. Null stands for
 * nothing, and only in arrays. */
static void check_sibling(struct fhir_check *c, const struct fhir_spot *spot,
                          const struct fhir_element *element, struct json sibling,
                          struct json value)
{
    bool has_value = json_exists(value) && !json_is(value, JSON_NULL);
    if (json_is(sibling, JSON_OBJECT)) {
        check_object(c, spot, sibling, &fhir_types[element->type]);
        if (!has_value && is_id_alone(sibling))
            report_nothing(c, spot, sibling);
    } else if (json_is(sibling, JSON_NULL) && spot->has_index) {
        if (!json_exists(value))
            report_nothing(c, spot, sibling);
    } else {
        check_error(c, spot, sibling, "structure",
                    "The id and extensions of a primitive must be an Object");
    }
}

static uint32_t check_array(struct fhir_check *c, struct object *o, struct fhir_spot *spot,
                            const struct fhir_element *element, struct json array,
                            struct json siblings, bool is_sibling)
{
    struct json other = json_first(siblings);
    if (!json_exists(json_first(array)))
        check_error(
            c, spot, array, "invalid",
            "Array cannot be empty - the property should not be present if it has no values");
    spot->has_index = true;
    spot->index = 0;
    for (struct json v = json_first(array); json_exists(v); v = json_next(array, v)) {
        if (is_sibling)
            check_sibling(c, spot, element, v, other);
        else
            check_value(c, o, spot, element, v, other);
        other = json_exists(other) ? json_next(siblings, other) : JSON_ABSENT;
        spot->index++;
    }
    return spot->index;
}

static void report_no_array(struct fhir_check *c, const struct fhir_spot *spot,
                            const struct fhir_element *element, struct json value, bool is_sibling)
{
    char room[512];
    struct slice place = render_spot(spot->parent, room, sizeof room);
    check_error(c, spot, value, "invalid",
                "The property %s%.*s must be a JSON Array, not %s (at %.*s)", is_sibling ? "_" : "",
                SLICE_ARGS(element->name),
                json_is(value, JSON_OBJECT) ? "an Object"
                : json_is(value, JSON_NULL) ? "a Null"
                                            : "a Primitive property",
                SLICE_ARGS(place));
}

static void check_member(struct fhir_check *c, struct object *o, const struct fhir_element *element,
                         struct json value, bool is_sibling)
{
    struct fhir_spot spot = { .parent = o->spot,
                              .name = element->name,
                              .type = &fhir_types[element->type] };
    if (element->choice.length > 0)
        spot.name = element->choice;
    char room[ELEMENT_NAME_MAX + 1] = { '_' };
    struct json other = JSON_ABSENT;
    bool is_primitive = fhir_types[element->type].kind == FHIR_PRIMITIVE;
    if (is_primitive && o->has_siblings && element->name.length < ELEMENT_NAME_MAX) {
        memcpy(room + 1, element->name.bytes, element->name.length);
        struct slice name = slice_of(room + is_sibling, element->name.length + !is_sibling);
        other = json_get(o->value, name);
    }
    uint32_t count = 1;
    if (json_is(value, JSON_ARRAY) && element->is_array)
        count = check_array(c, o, &spot, element, value, other, is_sibling);
    else if (element->is_array)
        report_no_array(c, &spot, element, value, is_sibling);
    else if (is_sibling)
        check_sibling(c, &spot, element, value, other);
    else
        check_value(c, o, &spot, element, value, other);
    size_t row = (size_t)(element - o->type->elements);
    if (row < ROWS_MAX)
        o->counts[row] = MAX(o->counts[row], count);
}

/* Ids of elements are unique within a resource. They are rare: so the map takes no
 * memory until the first. */
static void check_element_id(struct fhir_check *c, const struct fhir_spot *spot, struct json id)
{
    struct slice text = json_string_raw(id);
    uint64_t *place;
    bool is_new = true;
    if (c->options->is_shape_only || !text.length)
        return;
    if (map_put(&c->element_ids, text, &place, &is_new) != ERR_NONE)
        c->failure = ERR_NO_MEMORY;
    else if (!is_new)
        check_error(c, spot, id, "invalid", "Duplicate id value '%.*s'",
                    SLICE_ARGS(slice_head(text, 100)));
}

static void check_key(struct fhir_check *c, struct object *o, struct json key)
{
    char room[ELEMENT_NAME_MAX];
    struct slice name = key_name(key, room);
    bool is_sibling = name.length > 1 && name.bytes[0] == '_';
    struct slice plain = slice_from(name, is_sibling);
    const struct fhir_element *element = fhir_element_find(o->type, plain);
    /* Snapshot and differential give the same elements the same ids. */
    if (slice_is(name, "id") && o->type->kind != FHIR_RESOURCE &&
        o->type->id != FHIR_TYPE_ELEMENT_DEFINITION)
        check_element_id(c, o->spot, json_value(key));
    bool is_primitive = element && fhir_types[element->type].kind == FHIR_PRIMITIVE;
    bool is_type = o->type->kind == FHIR_RESOURCE && slice_is(name, "resourceType");
    if (is_type)
        return;
    if (!element || (is_sibling && !is_primitive)) {
        check_error(c, o->spot, key, "structure", "Unrecognized property '%.*s'",
                    SLICE_ARGS(name.length ? name : slice_head(json_string_raw(key), 100)));
        return;
    }
    check_member(c, o, element, json_value(key), is_sibling);
}

/* ---- cardinality ---- */

static void report_count(struct fhir_check *c, struct object *o, const struct fhir_element *element,
                         uint32_t count)
{
    bool is_choice = element->choice.length > 0;
    struct slice name = is_choice ? element->choice : element->name;
    const char *open = is_choice ? "[x]" : "";
    const char *what = count < element->min ? "minimum required" : "max allowed";
    uint32_t bound = count < element->min ? element->min : element->max;
    const char *only = count < element->min ? "only " : "";
    /* "Patient.contact" is defined by Patient. */
    struct slice rest = o->type->name, definition = slice_cut(&rest, '.');
    check_error(c, o->spot, o->value, "structure",
                "%.*s.%.*s%s: %s = %u, but %sfound %u (from "
                "http://hl7.org/fhir/StructureDefinition/%.*s|4.0.1)",
                SLICE_ARGS(o->type->name), SLICE_ARGS(name), open, what, bound, only, count,
                SLICE_ARGS(definition));
}

/* The rows of a choice are neighbours: they count as one element. */
static void check_counts(struct fhir_check *c, struct object *o)
{
    uint16_t total = MIN(o->type->element_count, (uint16_t)ROWS_MAX);
    for (uint16_t i = 0; i < total;) {
        const struct fhir_element *element = &o->type->elements[i];
        uint32_t count = o->counts[i++];
        while (element->choice.length > 0 && i < total &&
               slice_equal(o->type->elements[i].choice, element->choice))
            count += o->counts[i++];
        if (count < element->min || (element->max != FHIR_MANY && count > element->max))
            report_count(c, o, element, count);
    }
}

static void check_object(struct fhir_check *c, const struct fhir_spot *spot, struct json value,
                         const struct fhir_type *type)
{
    if (++c->depth > JSON_DEFAULT_DEPTH)
        c->failure = ERR_LIMIT;
    if (c->failure) {
        c->depth--;
        return;
    }
    struct object o = { .value = value, .type = type, .spot = spot };
    if (!json_exists(json_first(value)))
        check_report(c, spot, value, ISSUE_ERROR, "invalid", SLICE("ele-1"),
                     "Object must have some content");
    for (struct json key = json_first(value); json_exists(key) && !o.has_siblings;
         key = json_next(value, json_value(key))) {
        struct slice raw = json_string_raw(key);
        o.has_siblings = raw.length > 0 && (raw.bytes[0] == '_' || raw.bytes[0] == '\\');
    }
    for (struct json key = json_first(value); json_exists(key) && !c->failure;
         key = json_next(value, json_value(key)))
        check_key(c, &o, key);
    /* A sibling's object has the elements of Element only: no counts to check. */
    if (type->kind != FHIR_PRIMITIVE)
        check_counts(c, &o);
    c->depth--;
}

/* ---- resources ---- */

/* A contained or bundled resource, or one in a parameter. */
static void check_resource(struct fhir_check *c, const struct fhir_spot *spot, struct json value,
                           const struct fhir_element *element)
{
    const struct fhir_type *type = resource_type_of(value);
    struct json outer = c->resource, root = c->root, holder = outer;
    struct map contained = c->contained, element_ids = c->element_ids;
    bool is_contained = element && slice_is(element->name, "contained");
    if (!type) {
        struct json name = json_member(value, "resourceType");
        if (json_exists(name))
            check_error(c, spot, name, "invalid",
                        "This content cannot be parsed (unknown or unrecognized resource name "
                        "'%.*s')",
                        SLICE_ARGS(slice_head(json_string_raw(name), 60)));
        else
            check_error(c, spot, value, "invalid", "Unable to find resourceType property");
        return;
    }
    c->resource = value;
    map_init(&c->element_ids, UINT32_MAX, (uint64_t)(uintptr_t)c->scratch);
    if (!is_contained) {
        c->root = value;
        map_init(&c->contained, UINT32_MAX, (uint64_t)(uintptr_t)c->scratch);
        contained_gather(c, spot, value);
    }
    check_object(c, spot, value, type);
    if (!is_contained)
        contained_check(c, spot, value);
    struct fhir_item item = { .value = value, .type = type, .resource = c->root };
    check_item(c, spot, item, NULL);
    if (c->options->hooks)
        call_hook(c, spot, item, (struct fhir_item){ .value = holder },
                  c->options->hooks->resource);
    if (!is_contained)
        map_release(&c->contained);
    map_release(&c->element_ids);
    c->element_ids = element_ids;
    c->contained = contained;
    c->resource = outer;
    c->root = root;
}

enum err fhir_validate(struct json resource, const struct fhir_type *type,
                       const struct fhir_validate_options *options, struct issues *issues)
{
    static const struct fhir_validate_options plain = { .rules = NULL };
    struct arena scratch;
    struct fhir_check c = { .options = options ? options : &plain,
                            .issues = issues,
                            .scratch = &scratch,
                            .outermost = resource };
    arena_init(&scratch, SCRATCH_BYTES);
    arena_init(&c.told_keys, SCRATCH_BYTES);
    map_init(&c.told, UINT32_MAX, (uint64_t)(uintptr_t)&c);
    c.this_year = c.options->now_us ? moment_of_instant(c.options->now_us).year : 0;
    uint32_t nodes = json_exists(resource) ? json_node(resource)->next - resource.at : 0;
    c.steps_left = STEPS_BASE + (uint64_t)nodes * STEPS_PER_NODE;
    struct fhir_spot spot = { .name = type ? type->name : SLICE("Resource"), .type = type };
    if (json_is(resource, JSON_OBJECT))
        check_resource(&c, &spot, resource, NULL);
    else
        check_error(&c, &spot, resource, "structure", "A resource must be a JSON Object");
    map_release(&c.told);
    arena_release(&c.told_keys);
    arena_release(&scratch);
    return c.failure;
}
