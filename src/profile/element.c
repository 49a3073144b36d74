/* profile/element.c - trees of elements: from the tables, copies, slices. */
#include "profile/element.h"

static const struct slice core = SLICE_INIT("http://hl7.org/fhir/StructureDefinition/");

struct slice element_stem(struct slice name)
{
    return slice_ends_with(name, SLICE("[x]")) ? slice_head(name, name.length - 3) : SLICE_NONE;
}

static enum err make(struct definitions *world, struct slice name, struct element **ret)
{
    if (world->element_count++ >= ELEMENTS_MAX)
        return ERR_LIMIT;
    struct element *e = arena_alloc(world->arena, sizeof *e);
    if (!e)
        return ERR_NO_MEMORY;
    e->name = name;
    e->max = ELEMENT_MANY;
    *ret = e;
    return ERR_NONE;
}

static void append_child(struct element *parent, struct element *e)
{
    e->parent = parent;
    if (parent->last)
        parent->last->next = e;
    else
        parent->first = e;
    parent->last = e;
}

static void append_slice(struct element *sliced, struct element *e)
{
    e->parent = sliced->parent;
    e->sliced = sliced;
    if (sliced->last_slice)
        sliced->last_slice->next = e;
    else
        sliced->first_slice = e;
    sliced->last_slice = e;
}

enum err element_new(struct definitions *world, struct element *parent, struct slice name,
                     struct element **ret)
{
    TRY(make(world, name, ret));
    if (parent)
        append_child(parent, *ret);
    return ERR_NONE;
}

struct element *element_child(const struct element *parent, struct slice name)
{
    struct element *e = parent->first;
    while (e && !slice_equal(e->name, name))
        e = e->next;
    return e;
}

struct element *element_slice(const struct element *sliced, struct slice name)
{
    struct element *e = sliced->first_slice;
    while (e && !slice_equal(e->slice_name, name))
        e = e->next;
    return e;
}

/* ---- copies ---- */

static enum err copy_tree(struct definitions *world, const struct element *from,
                          struct element **ret)
{
    struct element *e;
    TRY(make(world, from->name, &e));
    *e = *from;
    e->parent = e->next = e->sliced = NULL;
    e->first = e->last = e->first_slice = e->last_slice = NULL;
    for (const struct element *s = from->first_slice; s; s = s->next) {
        struct element *copy;
        TRY(copy_tree(world, s, &copy));
        append_slice(e, copy);
    }
    TRY(element_copy_children(world, from, e));
    *ret = e;
    return ERR_NONE;
}

/* Slices take their parent from what they slice: set when that gets its own. */
static void adopt(struct element *parent, struct element *e)
{
    append_child(parent, e);
    for (struct element *s = e->first_slice; s; s = s->next)
        s->parent = parent;
}

enum err element_copy_children(struct definitions *world, const struct element *from,
                               struct element *to)
{
    for (const struct element *c = from->first; c; c = c->next) {
        struct element *copy;
        TRY(copy_tree(world, c, &copy));
        adopt(to, copy);
    }
    to->is_expanded = to->is_expanded || to->first;
    return ERR_NONE;
}

/* "valueQuantity" of value[x]: the one type that it can be. */
static enum err narrow(struct definitions *world, struct element *e)
{
    struct slice stem = element_stem(e->name);
    if (stem.length == 0 || !slice_starts_with(e->slice_name, stem))
        return ERR_NONE;
    struct slice rest = slice_from(e->slice_name, stem.length);
    for (uint32_t i = 0; i < e->type_count; i++) {
        if (!slice_equal_nocase(e->types[i].code, rest))
            continue;
        struct type_ref *only = arena_array(world->arena, 1, sizeof *only);
        if (!only)
            return ERR_NO_MEMORY;
        *only = e->types[i];
        e->types = only;
        e->type_count = 1;
        e->base = fhir_type_find(only->code);
        return ERR_NONE;
    }
    return ERR_NONE;
}

enum err element_new_slice(struct definitions *world, struct element *sliced, struct slice name,
                           struct element **ret)
{
    struct element *e;
    TRY(make(world, sliced->name, &e));
    *e = *sliced;
    e->next = e->first = e->last = e->first_slice = e->last_slice = NULL;
    e->slice_name = name;
    e->min = 0;
    e->rules = SLICING_NONE;
    e->discriminators = NULL;
    e->discriminator_count = 0;
    e->is_ordered = false;
    if (e->all_types) { /* of the other types, too */
        e->types = e->all_types;
        e->type_count = e->all_type_count;
        e->all_types = NULL;
    }
    TRY(element_copy_children(world, sliced, e));
    append_slice(sliced, e);
    *ret = e;
    return narrow(world, e);
}

/* ---- from the tables ---- */

static enum err type_of_row(struct definitions *world, const struct fhir_element *row,
                            struct type_ref *ret)
{
    const struct fhir_type *type = fhir_type_at(row->type);
    struct slice code = type->name;
    if (type->kind == FHIR_BACKBONE)
        code = fhir_type_at(type->base)->name;
    struct slice *targets = arena_array(world->arena, row->target_count, sizeof *targets);
    if (!targets)
        return ERR_NO_MEMORY;
    for (uint16_t i = 0; i < row->target_count; i++) {
        struct slice name = fhir_type_at(row->targets[i])->name;
        targets[i] = arena_printf(world->arena, "%.*s%.*s", SLICE_ARGS(core), SLICE_ARGS(name));
        if (!targets[i].bytes)
            return ERR_NO_MEMORY;
    }
    *ret = (struct type_ref){ .code = code, .targets = targets, .target_count = row->target_count };
    return ERR_NONE;
}

static enum err name_of_rows(struct definitions *world, const struct fhir_element *row,
                             struct slice *ret)
{
    *ret = row->name;
    if (row->choice.length == 0)
        return ERR_NONE;
    *ret = arena_printf(world->arena, "%.*s[x]", SLICE_ARGS(row->choice));
    return ret->bytes ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err add_rows(struct definitions *world, struct element *parent,
                         const struct fhir_element *row, uint16_t count, struct element **ret)
{
    struct slice name;
    struct element *e;
    TRY(name_of_rows(world, row, &name));
    TRY(element_new(world, parent, name, &e));
    struct type_ref *types = arena_array(world->arena, count, sizeof *types);
    if (!types)
        return ERR_NO_MEMORY;
    for (uint16_t i = 0; i < count; i++)
        TRY(type_of_row(world, &row[i], &types[i]));
    e->types = types;
    e->type_count = count;
    e->min = row->min;
    e->max = row->max == FHIR_MANY ? ELEMENT_MANY : row->max;
    e->strength = row->binding;
    e->value_set = row->value_set;
    e->base = count == 1 ? fhir_type_at(row->type) : NULL;
    *ret = e;
    return ERR_NONE;
}

static enum err add_type_children(struct definitions *world, struct element *e,
                                  const struct fhir_type *type);

/* A backbone of this place is opened; one of another place is a content reference. */
static enum err open_backbone(struct definitions *world, struct element *e,
                              const struct fhir_type *holder)
{
    if (!e->base || e->base->kind != FHIR_BACKBONE)
        return ERR_NONE;
    struct slice own =
        arena_printf(world->arena, "%.*s.%.*s", SLICE_ARGS(holder->name), SLICE_ARGS(e->name));
    if (!own.bytes)
        return ERR_NO_MEMORY;
    if (slice_equal(own, e->base->name))
        return add_type_children(world, e, e->base);
    e->content = e->base->name;
    e->type_count = 0;
    return ERR_NONE;
}

/* Recursion is over the tables, whose backbones nest a few levels. */
static enum err add_type_children(struct definitions *world, struct element *e,
                                  const struct fhir_type *type)
{
    e->is_expanded = true;
    for (uint16_t i = 0; i < type->element_count;) {
        const struct fhir_element *row = &type->elements[i];
        uint16_t count = 1;
        while (row->choice.length > 0 && i + count < type->element_count &&
               slice_equal(row[count].choice, row->choice))
            count++;
        struct element *child;
        TRY(add_rows(world, e, row, count, &child));
        TRY(open_backbone(world, child, type));
        i = (uint16_t)(i + count);
    }
    return ERR_NONE;
}

enum err element_of_type(struct definitions *world, const struct fhir_type *type,
                         struct element **ret)
{
    struct element *e;
    TRY(element_new(world, NULL, type->name, &e));
    e->base = type;
    TRY(add_type_children(world, e, type));
    *ret = e;
    return ERR_NONE;
}

/* ---- opening ---- */

static const struct element *content_of(const struct element *e)
{
    const struct element *at = e;
    while (at->parent)
        at = at->parent;
    struct slice rest = e->content;
    slice_cut(&rest, '.');
    while (at && rest.bytes)
        at = element_child(at, slice_cut(&rest, '.'));
    return at;
}

/* Children of the one profile that its type names, if that is known. */
static enum err expand_by_profile(struct definitions *world, struct element *e, uint32_t depth)
{
    const struct type_ref *type = &e->types[0];
    if (e->type_count != 1 || type->profile_count != 1 || depth >= DEFINITION_DEPTH_MAX)
        return ERR_NONE;
    struct json json = world->find(world->context, type->profiles[0]);
    if (!json_exists(json))
        return ERR_NONE;
    struct definition d = { .depth = depth + 1 };
    const char *reason;
    enum err err = definition_read(world, json, false, &d, &reason);
    if (err == ERR_NO_MEMORY || err == ERR_LIMIT)
        return err;
    return err ? ERR_NONE : element_copy_children(world, d.root, e);
}

enum err element_expand(struct definitions *world, struct element *e, uint32_t depth)
{
    if (e->is_expanded || e->first)
        return ERR_NONE;
    e->is_expanded = true;
    if (e->content.length > 0) {
        const struct element *target = content_of(e);
        e->content = SLICE_NONE;
        if (target && target->base) {
            e->base = target->base;
            return element_copy_children(world, target, e);
        }
        return ERR_NONE;
    }
    if (e->type_count > 0)
        TRY(expand_by_profile(world, e, depth));
    if (e->first)
        return ERR_NONE;
    const struct fhir_type *type = e->base;
    if (e->type_count == 1 && (!type || type->kind != FHIR_BACKBONE))
        type = fhir_type_find(e->types[0].code);
    if (!type && e->type_count > 1) /* what all of them have: id and extension */
        type = fhir_type_find(SLICE("Element"));
    return type ? add_type_children(world, e, type) : ERR_NONE;
}
