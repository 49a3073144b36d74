/* custom/definition.c - a SearchParameter resource read and compiled. */
#include <stdlib.h>

#include "custom/custom.h"

enum {
    TEXT_BYTES_MAX = 10 * 1000, /* of one text: an expression, a url */
    NAME_BYTES_MAX = 100,       /* of a type, as written */
    FAULT_SHOWN_BYTES = 200,
    LIST_MAX = 200,
};
/* More than texts of that length come to: what passes it is a shortage of memory. */
static const size_t PARAM_BYTES = (size_t)256 << 20;

const char *const CUSTOM_MODIFIERS[] = { "missing", "exact", "contains",   "not",   "text", "in",
                                         "not-in",  "below", "above",      "type",  "identifier",
                                         "ofType",  NULL };
const char *const CUSTOM_COMPARATORS[] = { "eq", "ne", "gt", "lt", "ge",
                                           "le", "sa", "eb", "ap", NULL };

struct reading {
    struct json definition;
    struct arena *arena; /* of the fault's text */
    struct custom_fault *fault;
    struct custom_param *p;
};

static enum err fail(struct reading *r, const char *element, struct json where,
                     struct slice text)
{
    *r->fault = (struct custom_fault){ .element = element,
                                       .where = json_exists(where) ? where : r->definition,
                                       .text = text };
    return text.bytes ? ERR_INVALID : ERR_NO_MEMORY;
}

/* A string's text kept with the parameter; no bytes when it is none. */
static enum err text_keep(struct reading *r, const char *element, struct json value,
                          struct slice *ret)
{
    *ret = SLICE_NONE;
    if (!json_is(value, JSON_STRING))
        return ERR_NONE;
    if (json_string_raw(value).length > TEXT_BYTES_MAX)
        return fail(r, element, value, SLICE("It is longer than 10,000 bytes"));
    struct slice text = json_string(value, &r->p->arena);
    char *copy = text.bytes ? arena_copy(&r->p->arena, text) : NULL;
    *ret = slice_of(copy, copy ? text.length : 0);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

bool custom_is_active(struct json definition)
{
    return json_string_is(json_member(definition, "status"), SLICE("active"));
}

/* ---- code, type, bases, targets ---- */

static bool is_code_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_';
}

static enum err code_read(struct reading *r)
{
    struct json value = json_member(r->definition, "code");
    struct slice *code = &r->p->param.code;
    TRY(text_keep(r, "code", value, code));
    bool is_plain = code->length > 0 && code->length <= CUSTOM_CODE_BYTES_MAX;
    for (size_t i = 0; is_plain && i < code->length; i++)
        is_plain = is_code_byte(code->bytes[i]);
    if (!is_plain)
        return fail(r, "code", value,
                    SLICE("The code of a search parameter is its name in searches: 1 to 64 of "
                          "A-Z a-z 0-9 - and _"));
    return text_keep(r, "url", json_member(r->definition, "url"), &r->p->param.url);
}

static enum err type_read(struct reading *r)
{
    static const char *const NAMES[] = {
        [FHIR_PARAM_NUMBER] = "number",       [FHIR_PARAM_DATE] = "date",
        [FHIR_PARAM_STRING] = "string",       [FHIR_PARAM_TOKEN] = "token",
        [FHIR_PARAM_REFERENCE] = "reference", [FHIR_PARAM_COMPOSITE] = "composite",
        [FHIR_PARAM_QUANTITY] = "quantity",   [FHIR_PARAM_URI] = "uri",
    };
    struct json value = json_member(r->definition, "type");
    for (size_t i = 0; i < ARRAY_COUNT(NAMES); i++)
        if (json_string_is(value, slice_cstr(NAMES[i]))) {
            r->p->param.type = (uint8_t)i;
            return ERR_NONE;
        }
    if (json_string_is(value, SLICE("special")))
        return fail(r, "type", value,
                    SLICE("A search parameter of type special cannot be defined: what it means "
                          "stands in words alone"));
    return fail(r, "type", value,
                SLICE("The type of a search parameter is one of number, date, string, token, "
                      "reference, composite, quantity, uri"));
}

/* Ids of the resource types that a list names. */
static enum err types_read(struct reading *r, const char *element, const uint16_t **ret_ids,
                           uint16_t *ret_count)
{
    struct json list = json_get(r->definition, slice_cstr(element));
    uint16_t *ids = arena_array(&r->p->arena, LIST_MAX, sizeof *ids);
    size_t count = 0;
    if (!ids)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(list); json_is(list, JSON_ARRAY) && json_exists(v);
         v = json_next(list, v)) {
        bool is_name = json_is(v, JSON_STRING) && json_string_raw(v).length <= NAME_BYTES_MAX;
        struct slice name = is_name ? json_string(v, &r->p->arena) : SLICE_NONE;
        const struct fhir_type *type = name.length ? fhir_type_find(name) : NULL;
        if (!type || type->kind != FHIR_RESOURCE)
            return fail(r, element, v,
                        arena_printf(r->arena, "'%.*s' is no resource type of R4",
                                     SLICE_ARGS(slice_head(json_raw(v), FAULT_SHOWN_BYTES))));
        if (count == LIST_MAX)
            return fail(r, element, v, SLICE("The list is longer than R4 has types"));
        ids[count++] = type->id;
    }
    *ret_ids = ids;
    *ret_count = (uint16_t)count;
    return ERR_NONE;
}

/* R4 keeps names that begin with '_' for itself. */
static enum err reserved_check(struct reading *r)
{
    const struct custom_param *p = r->p;
    bool is_known = p->param.code.bytes[0] != '_';
    for (uint16_t i = 0; !is_known && i < fhir_resource_count(); i++)
        is_known = fhir_param_find(fhir_resource_at(i), p->param.code) != NULL;
    return is_known ? ERR_NONE
                    : fail(r, "code", json_member(r->definition, "code"),
                           SLICE("Names that begin with '_' are FHIR's own: choose another code"));
}

static enum err bases_read(struct reading *r)
{
    TRY(types_read(r, "base", &r->p->bases, &r->p->base_count));
    if (!r->p->base_count)
        return fail(r, "base", json_member(r->definition, "base"),
                    SLICE("A search parameter names the resource types it is for"));
    TRY(types_read(r, "target", &r->p->param.targets, &r->p->param.target_count));
    return reserved_check(r);
}

/* ---- expressions ---- */

/* Values must follow from the resource alone, whenever they are derived. */
static const char *const FORBIDDEN[] = { "now",       "today",      "timeOfDay",
                                         "memberOf", "conformsTo", "subsumes", "subsumedBy" };

static enum err expression_read(struct reading *r, struct json value, const char *element,
                                const struct fhirpath **ret, struct slice *ret_text)
{
    struct fhirpath_error error = { .offset = 0 };
    TRY(text_keep(r, element, value, ret_text));
    if (!ret_text->length)
        return fail(r, element, value,
                    SLICE("The search parameter has no expression (FHIRPath; xpath is not used)"));
    enum err err = fhirpath_compile(*ret_text, &r->p->arena, ret, &error);
    if (err == ERR_SYNTAX)
        return fail(r, element, value,
                    arena_printf(r->arena, "The expression is no FHIRPath, at byte %zu: %.*s",
                                 error.offset, SLICE_ARGS(error.text)));
    if (err == ERR_LIMIT)
        return fail(r, element, value, SLICE("The expression is too long or nests too deep"));
    TRY(err);
    for (size_t i = 0; i < ARRAY_COUNT(FORBIDDEN); i++)
        if (fhirpath_calls(*ret, slice_cstr(FORBIDDEN[i])))
            return fail(r, element, value,
                        arena_printf(r->arena,
                                     "The expression calls %s(): what is found by a search "
                                     "parameter must follow from the resource alone",
                                     FORBIDDEN[i]));
    return ERR_NONE;
}

static enum err component_read(struct reading *r, struct json value)
{
    struct custom_param *p = r->p;
    uint16_t at = p->param.component_count;
    struct slice text;
    if (at == CUSTOM_COMPONENTS_MAX)
        return fail(r, "component", value, SLICE("A composite has at most 4 components"));
    struct json definition = json_member(value, "definition");
    TRY(text_keep(r, "component", definition, &p->part_urls[at]));
    if (!p->part_urls[at].length)
        return fail(r, "component", value,
                    SLICE("A component names the definition of a search parameter"));
    TRY(expression_read(r, json_member(value, "expression"), "component",
                        &p->part_expressions[at], &text));
    p->parts[at] = (struct fhir_param){ .code = text, .path = &fhir_path_empty };
    p->components[at].own = &p->parts[at];
    p->param.component_count++;
    return ERR_NONE;
}

static enum err components_read(struct reading *r)
{
    struct json list = json_member(r->definition, "component");
    if (r->p->param.type != FHIR_PARAM_COMPOSITE)
        return ERR_NONE;
    for (struct json v = json_first(list); json_is(list, JSON_ARRAY) && json_exists(v);
         v = json_next(list, v))
        TRY(component_read(r, v));
    r->p->param.components = r->p->components;
    return r->p->param.component_count > 1
               ? ERR_NONE
               : fail(r, "component", list, SLICE("A composite has two components or more"));
}

/* ---- what may be asked ---- */

/* Bits of the names in a list; what is none of them is passed over: R4's validation
 * tells of it. */
static uint32_t names_read(struct json list, const char *const *names)
{
    uint32_t bits = 0;
    for (struct json v = json_first(list); json_is(list, JSON_ARRAY) && json_exists(v);
         v = json_next(list, v))
        for (size_t i = 0; names[i]; i++)
            if (json_string_is(v, slice_cstr(names[i])))
                bits |= UINT32_C(1) << i;
    return bits;
}

static enum err limits_read(struct reading *r)
{
    struct custom_param *p = r->p;
    struct json chain = json_member(r->definition, "chain");
    p->modifiers = names_read(json_member(r->definition, "modifier"), CUSTOM_MODIFIERS);
    p->comparators = names_read(json_member(r->definition, "comparator"), CUSTOM_COMPARATORS);
    p->is_single_or = json_is(json_member(r->definition, "multipleOr"), JSON_FALSE);
    p->is_single_and = json_is(json_member(r->definition, "multipleAnd"), JSON_FALSE);
    struct slice *chains = arena_array(&p->arena, LIST_MAX, sizeof *chains);
    if (!chains)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(chain); json_is(chain, JSON_ARRAY) && json_exists(v);
         v = json_next(chain, v)) {
        if (p->chain_count == LIST_MAX)
            return fail(r, "chain", chain, SLICE("The list has more than 200 names"));
        TRY(text_keep(r, "chain", v, &chains[p->chain_count]));
        p->chain_count += chains[p->chain_count].length > 0;
    }
    p->chains = chains;
    return ERR_NONE;
}

/* ---- the whole ---- */

static uint64_t hash_more(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (uint8_t)text.bytes[i]) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

void custom_param_settle(struct custom_param *p, uint16_t number, const uint8_t *part_types)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ CUSTOM_RULES ^ (uint64_t)p->param.type << 32;
    p->param.id = number;
    hash = hash_more(hash, p->param.expression);
    for (size_t i = 0; i < p->param.component_count; i++) {
        p->parts[i].type = part_types[i];
        hash = hash_more(hash ^ part_types[i], p->parts[i].code);
    }
    p->rule_hash = p->param.rule_hash = hash;
}

static enum err read_all(struct reading *r)
{
    struct custom_param *p = r->p;
    TRY(code_read(r));
    TRY(type_read(r));
    TRY(bases_read(r));
    TRY(expression_read(r, json_member(r->definition, "expression"), "expression", &p->expression,
                        &p->param.expression));
    TRY(components_read(r));
    return limits_read(r);
}

enum err custom_param_read(struct json definition, struct arena *arena,
                           struct custom_fault *fault, struct custom_param **ret)
{
    struct arena own;
    arena_init(&own, PARAM_BYTES);
    struct custom_param *p = arena_alloc(&own, sizeof *p);
    if (!p)
        return ERR_NO_MEMORY;
    p->arena = own; /* which holds the struct, too */
    p->param.path = &fhir_path_empty;
    atomic_init(&p->references, 1);
    atomic_init(&p->failures, 0);
    struct reading r = { .definition = definition, .arena = arena, .fault = fault, .p = p };
    enum err err = read_all(&r);
    if (err) {
        custom_param_unref(p);
        return err;
    }
    *ret = p;
    return ERR_NONE;
}

struct custom_param *custom_param_ref(struct custom_param *p)
{
    atomic_fetch_add(&p->references, 1);
    return p;
}

void custom_param_unref(struct custom_param *p)
{
    if (!p || atomic_fetch_sub(&p->references, 1) > 1)
        return;
    struct arena arena = p->arena;
    arena_release(&arena);
}
