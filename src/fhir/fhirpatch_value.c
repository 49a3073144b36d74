/* fhir/fhirpatch_value.c - what a `value` part says, as the JSON of an element. */
#include <stdarg.h>
#include <stdio.h>

#include "fhir/fhirpatch.h"

enum err patch_refuse(struct refusal_text *why, enum err err, const char *format, ...)
{
    char text[600];
    va_list args;
    if (why->text.length)
        return err;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = arena_copy(why->arena, slice_cstr(text));
    why->text = slice_of(copy, copy ? strlen(copy) : 0);
    return err;
}

/* ---- which value a part has ---- */

struct given {
    const struct fhir_type *type; /* of value[x]; NULL: none */
    struct slice value, sibling;  /* of value[x]; value alone: `resource` */
    struct json resource, parts;
};

/* The type of "valueCode": a row of Parameters.parameter.value[x]. Data types that R4
 * left out there (Extension, Narrative) are met all the same. */
static const struct fhir_type *value_type(struct slice name)
{
    const struct fhir_type *type = fhir_type_find(SLICE("Parameters.parameter"));
    const struct fhir_element *row = type ? fhir_element_find(type, name) : NULL;
    if (row)
        return slice_is(row->choice, "value") ? fhir_type_at(row->type) : NULL;
    type = slice_starts_with(name, SLICE("value")) ? fhir_type_find(slice_from(name, 5)) : NULL;
    return type && type->kind == FHIR_COMPLEX && !type->is_abstract ? type : NULL;
}

static enum err given_add(struct refusal_text *why, struct json key, struct given *given)
{
    char room[ELEMENT_NAME_MAX];
    struct slice name = key_name(key, room);
    bool is_sibling = name.length > 0 && name.bytes[0] == '_';
    const struct fhir_type *type = value_type(slice_from(name, is_sibling));
    if (!type)
        return patch_refuse(why, ERR_INVALID, "a part has the member \"%.*s\", which is none",
                            SLICE_ARGS(slice_head(json_string_raw(key), 60)));
    if (given->type && given->type != type)
        return patch_refuse(why, ERR_INVALID, "a part has values of two types");
    if (json_is(json_value(key), JSON_NULL))
        return patch_refuse(why, ERR_INVALID, "a part has null for a value");
    given->type = type;
    *(is_sibling ? &given->sibling : &given->value) = json_raw(json_value(key));
    return ERR_NONE;
}

static enum err given_read(struct refusal_text *why, struct json part, struct given *given)
{
    *given = (struct given){ .type = NULL };
    for (struct json k = json_first(part); json_exists(k); k = json_next(part, json_value(k))) {
        if (json_string_is(k, SLICE("resource")))
            given->resource = json_value(k);
        else if (json_string_is(k, SLICE("part")))
            given->parts = json_value(k);
        else if (!json_string_is(k, SLICE("name")) && !json_string_is(k, SLICE("id")) &&
                 !json_string_is(k, SLICE("extension")))
            TRY(given_add(why, k, given));
    }
    int kinds = (given->type != NULL) + json_exists(given->resource) + json_exists(given->parts);
    if (kinds == 1)
        return ERR_NONE;
    return patch_refuse(why, ERR_INVALID, "a value part must have one value[x], resource or part");
}

/* ---- which element it is for ---- */

static bool type_fits(const struct fhir_type *wanted, const struct fhir_type *type)
{
    if (wanted->id == FHIR_TYPE_XHTML) /* has no value[x] of its own */
        return type->id == FHIR_TYPE_STRING || type->id == FHIR_TYPE_MARKDOWN;
    return type_derives(type->id, wanted->id) || type_derives(wanted->id, type->id);
}

static const struct fhir_element *choice_find(const struct fhir_type *holder, struct slice stem,
                                              const struct fhir_type *type)
{
    for (uint16_t i = 0; type && i < holder->element_count; i++) {
        const struct fhir_element *row = &holder->elements[i];
        if (row->choice.length && slice_equal(row->choice, stem) && row->type == type->id)
            return row;
    }
    return NULL;
}

static bool is_choice(const struct fhir_type *holder, struct slice stem)
{
    for (uint16_t i = 0; i < holder->element_count; i++) {
        if (holder->elements[i].choice.length && slice_equal(holder->elements[i].choice, stem))
            return true;
    }
    return false;
}

static enum err element_find(struct refusal_text *why, const struct fhir_type *holder,
                             struct slice name, const struct given *given,
                             const struct fhir_element **ret)
{
    const struct fhir_element *row = choice_find(holder, name, given->type);
    struct slice type = given->type                    ? given->type->name
                        : json_exists(given->resource) ? SLICE("resource")
                                                       : SLICE("part list");
    if (!row && !is_choice(holder, name))
        row = fhir_element_find(holder, name);
    else if (!row)
        return patch_refuse(why, ERR_UNPROCESSABLE, "%.*s.%.*s[x] cannot be a %.*s",
                            SLICE_ARGS(holder->name), SLICE_ARGS(name), SLICE_ARGS(type));
    if (!row)
        return patch_refuse(why, ERR_UNPROCESSABLE, "%.*s has no element \"%.*s\"",
                            SLICE_ARGS(holder->name), SLICE_ARGS(slice_head(name, 100)));
    const struct fhir_type *wanted = fhir_type_at(row->type);
    bool fits = given->type ? type_fits(wanted, given->type)
                : json_exists(given->resource)
                    ? type_is_open_resource(wanted)
                    : wanted->kind == FHIR_COMPLEX || wanted->kind == FHIR_BACKBONE;
    *ret = row;
    return fits ? ERR_NONE
                : patch_refuse(why, ERR_UNPROCESSABLE, "%.*s.%.*s is a %.*s, not a %.*s",
                               SLICE_ARGS(holder->name), SLICE_ARGS(name), SLICE_ARGS(wanted->name),
                               SLICE_ARGS(type));
}

/* ---- values put together of parts ---- */

static enum err part_name(struct refusal_text *why, struct json part, struct arena *arena,
                          struct slice *ret)
{
    struct json name = json_member(part, "name");
    if (!json_is(name, JSON_STRING))
        return patch_refuse(why, ERR_INVALID, "a part of a value has no name");
    *ret = json_string(name, arena);
    return ret->bytes ? ERR_NONE : ERR_NO_MEMORY;
}

/* Parts are few or they are refused: members are looked for one by one. */
enum { PARTS_MAX = 1000 };

struct assembly {
    struct member *members;
    const struct fhir_element **elements;
    uint32_t count;
};

static enum err assembly_add(struct refusal_text *why, struct assembly *a, uint32_t room,
                             const struct fhir_element *element, struct slot slot,
                             struct arena *arena)
{
    uint32_t i = 0;
    while (i < a->count && a->elements[i] != element)
        i++;
    struct member *m = &a->members[i];
    if (i == a->count) {
        a->count++;
        a->elements[i] = element;
        *m = (struct member){ .name = element->name, .is_array = element->is_array };
        m->slots = arena_array(arena, room, sizeof *m->slots);
        if (!m->slots)
            return ERR_NO_MEMORY;
    } else if (!element->is_array) {
        return patch_refuse(why, ERR_UNPROCESSABLE, "the value has two parts \"%.*s\"",
                            SLICE_ARGS(element->name));
    }
    member_insert(m, m->count, slot);
    return ERR_NONE;
}

static enum err assemble(struct refusal_text *why, const struct fhir_type *type, struct json parts,
                         struct arena *arena, struct slice *ret)
{
    uint32_t count = json_count(parts);
    if (!json_is(parts, JSON_ARRAY) || count == 0)
        return patch_refuse(why, ERR_INVALID, "part must be a list of parts");
    if (count > PARTS_MAX)
        return patch_refuse(why, ERR_LIMIT, "a value has more than %d parts", PARTS_MAX);
    struct assembly a = { .members = arena_array(arena, count, sizeof *a.members),
                          .elements = arena_array(arena, count, sizeof(void *)) };
    if (!a.members || !a.elements)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(parts); json_exists(v); v = json_next(parts, v)) {
        struct slice name;
        const struct fhir_element *element;
        struct slot slot;
        TRY(part_name(why, v, arena, &name));
        TRY(patch_value(why, type, name, v, arena, &element, &slot));
        TRY(assembly_add(why, &a, count, element, slot, arena));
    }
    return members_object(a.members, a.count, arena, ret);
}

/* ---- the face ---- */

/* Recursive by parts in parts, whose depth the JSON parser bounds. */
enum err patch_value(struct refusal_text *why, const struct fhir_type *holder, struct slice name,
                     struct json part, struct arena *arena, const struct fhir_element **ret_element,
                     struct slot *ret)
{
    struct given given;
    TRY(given_read(why, part, &given));
    TRY(element_find(why, holder, name, &given, ret_element));
    *ret = (struct slot){ .value = given.value, .sibling = given.sibling };
    if (json_exists(given.resource))
        ret->value = json_raw(given.resource);
    else if (json_exists(given.parts))
        return assemble(why, fhir_type_at((*ret_element)->type), given.parts, arena, &ret->value);
    return ERR_NONE;
}
