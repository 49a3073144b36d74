/* profile/examine.c - what is wrong with a StructureDefinition. */
#include <stdarg.h>
#include <stdio.h>

#include "profile/element.h"
#include "profile/lookup.h"

enum { TREE_BYTES_MAX = 64 << 20, TEXT_MAX = 600 };

struct examination {
    struct arena trees;
    struct lookup lookup;
    struct definitions world;
    struct definition definition;
    profile_fault_visit *visit;
    void *context;
};

static struct json find(void *context, struct slice canonical)
{
    return lookup_find(context, canonical);
}

static void tell(const struct examination *x, const struct profile_fault *place, const char *format,
                 ...) PRINTF_LIKE(3, 4);
static void tell(const struct examination *x, const struct profile_fault *place, const char *format,
                 ...)
{
    char text[TEXT_MAX];
    va_list args;
    struct profile_fault fault = *place;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fault.text = slice_of(text, (size_t)MIN(MAX(length, 0), (int)sizeof text - 1));
    x->visit(x->context, &fault);
}

static struct slice shown(struct json v)
{
    struct slice raw = json_is(v, JSON_STRING) ? json_string_raw(v) : json_raw(v);
    return slice_head(raw, 150);
}

/* ---- discriminators ---- */

/* Does the path's first step lead anywhere? Deeper steps may lead into profiles of
 * types, which are not followed here. */
static bool leads_on(struct examination *x, struct element *sliced, struct slice path)
{
    struct slice rest = path, name = slice_cut(&rest, '.');
    if (slice_find_byte(name, '(') >= 0 || slice_is(name, "$this") || name.length == 0)
        return true;
    if (element_expand(&x->world, sliced, 0) != ERR_NONE)
        return true;
    if (!sliced->first || element_child(sliced, name))
        return true; /* without children nothing is known of them */
    for (const struct element *e = sliced->first; e; e = e->next) {
        struct slice stem = element_stem(e->name);
        if (stem.length > 0 && slice_starts_with(name, stem))
            return true;
    }
    return false;
}

static void examine_slicing(struct examination *x, struct element *e, struct json json,
                            struct profile_fault fault)
{
    struct json list = json_member(json_member(json, "slicing"), "discriminator");
    fault.discriminator = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice path = json_string(json_member(v, "path"), &x->trees);
        fault.where = v;
        if (path.bytes && !leads_on(x, e, path))
            tell(x, &fault,
                 "The discriminator path '%.*s' does not appear to be valid for the element that "
                 "is being sliced '%.*s'",
                 SLICE_ARGS(slice_head(path, 100)), SLICE_ARGS(shown(json_member(json, "path"))));
        fault.discriminator++;
    }
}

/* ---- single elements ---- */

static bool is_bindable(struct slice code)
{
    static const char *const names[] = { "code",   "Coding", "CodeableConcept", "Quantity",
                                         "string", "uri",    "Duration",        "Extension" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (slice_is(code, names[i]))
            return true;
    const struct fhir_type *type = fhir_type_find(code);
    return !type || (type->base != FHIR_NO_TYPE && is_bindable(fhir_type_at(type->base)->name));
}

static void examine_binding(struct examination *x, const struct element *e, struct json json,
                            const struct profile_fault *fault)
{
    struct slice names = SLICE("");
    if (!json_exists(json_member(json, "binding")) || e->type_count == 0)
        return;
    for (uint32_t i = 0; i < e->type_count; i++) {
        if (is_bindable(e->types[i].code))
            return;
        names = arena_printf(&x->trees, "%.*s%s%.*s", SLICE_ARGS(slice_head(names, 200)),
                             i ? ", " : "", SLICE_ARGS(e->types[i].code));
    }
    tell(x, fault,
         "This element has a Binding but the types [%.*s] do not make this kind of constraint "
         "relevant",
         SLICE_ARGS(names));
}

static void examine_element(struct examination *x, struct element *e, struct json json,
                            const struct profile_fault *fault)
{
    struct slice old = json_exists(e->overridden) ? json_raw(e->overridden) : SLICE_NONE;
    if (!e->parent && json_exists(json_member(json, "slicing"))) {
        const struct profile_fault whole = { .element = -1,
                                             .discriminator = -1,
                                             .where = fault->where };
        tell(x, fault, "Slicing is not allowed at the root of a profile");
        tell(x, &whole,
             "Error generating Snapshot: The profile has slicing at the root ('%.*s'), which is "
             "illegal (this usually arises from a problem in the differential)",
             SLICE_ARGS(shown(json_member(json, "path"))));
    }
    if (old.bytes && !slice_equal(old, json_raw(e->fixed)))
        tell(x, fault,
             "Value is '%.*s' but is fixed to '%.*s' in the base '%.*s', because the value must "
             "match the fixed value defined there",
             SLICE_ARGS(shown(e->fixed)), SLICE_ARGS(shown(e->overridden)),
             SLICE_ARGS(slice_head(x->definition.base, 150)));
    examine_binding(x, e, json, fault);
    if (e->parent)
        examine_slicing(x, e, json, *fault);
}

/* ---- order ---- */

/* Among its siblings; those of slices stand with what they slice. */
static uint32_t place_of(const struct element *e)
{
    uint32_t at = 0;
    const struct element *s = e->parent ? e->parent->first : NULL;
    while (s && !slice_equal(s->name, e->name)) {
        s = s->next;
        at++;
    }
    return at;
}

/* The differential lists siblings in the base's order. */
static void examine_order(struct examination *x, struct json list)
{
    struct element **stated = x->definition.stated;
    struct json before = JSON_ABSENT;
    uint32_t i = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v), i++) {
        if (i > 0 && stated[i]->parent && stated[i - 1]->parent == stated[i]->parent &&
            place_of(stated[i - 1]) > place_of(stated[i])) {
            const struct profile_fault fault = { .element = (int64_t)i - 1,
                                                 .discriminator = -1,
                                                 .where = before };
            tell(x, &fault,
                 "No match found for %.*s in the generated snapshot: check that the path and "
                 "definitions are legal in the differential (including order)",
                 SLICE_ARGS(shown(json_member(before, "path"))));
        }
        before = v;
    }
}

/* ---- the whole ---- */

static void tell_failure(struct examination *x, struct json json, struct json list, enum err err,
                         const char *reason)
{
    uint32_t at = x->definition.reached;
    struct json v = json_first(list);
    for (uint32_t i = 0; i < at && json_exists(v); i++)
        v = json_next(list, v);
    struct slice path = shown(json_member(v, "path"));
    struct profile_fault fault = {
        .element = -1, .discriminator = -1, .where = json, .is_warning = err == ERR_NOT_FOUND
    };
    if (err == ERR_NOT_FOUND)
        tell(x, &fault, "Unable to find base definition '%.*s': the differential was not checked",
             SLICE_ARGS(slice_head(x->definition.base, 200)));
    else
        tell(x, &fault,
             "Error generating Snapshot: %s%s%.*s (this usually arises from a problem in the "
             "differential)",
             reason, path.length ? ": " : "", SLICE_ARGS(path));
}

static enum err examine(struct examination *x, struct json json)
{
    struct json list = json_member(json_member(json, "differential"), "element");
    const char *reason = "";
    x->definition.stated =
        arena_array(&x->trees, (size_t)json_count(list) + 1, sizeof *x->definition.stated);
    if (!x->definition.stated)
        return ERR_NO_MEMORY;
    enum err err = definition_read(&x->world, json, true, &x->definition, &reason);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err) {
        tell_failure(x, json, list, err, reason);
        return ERR_NONE;
    }
    struct profile_fault fault = { .element = 0, .discriminator = -1 };
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        fault.where = v;
        examine_element(x, x->definition.stated[fault.element], v, &fault);
        fault.element++;
    }
    examine_order(x, list);
    return ERR_NONE;
}

enum err profile_examine(const struct profile_set *set, struct json definition, struct arena *arena,
                         profile_fault_visit *visit, void *context)
{
    struct examination x = { .visit = visit, .context = context };
    struct json list = json_member(json_member(definition, "differential"), "element");
    struct slice type = json_string(json_member(definition, "type"), arena);
    bool is_constraint = json_string_is(json_member(definition, "derivation"), SLICE("constraint"));
    if (!is_constraint || !json_is(list, JSON_ARRAY) || !type.bytes || !fhir_type_find(type))
        return ERR_NONE;
    arena_init(&x.trees, TREE_BYTES_MAX);
    lookup_init(&x.lookup, arena, set, NULL);
    x.world = (struct definitions){ .arena = &x.trees, .context = &x.lookup, .find = find };
    enum err err = examine(&x, definition);
    lookup_release(&x.lookup);
    arena_release(&x.trees);
    return err;
}
