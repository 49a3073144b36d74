/* profile/definition.c - StructureDefinitions: snapshots read, or generated. */
#include "profile/element.h"

enum { PATH_PARTS_MAX = 40 };

struct part_name {
    struct slice name, slice;
};

/* One pass over the elements of a snapshot or differential. */
struct pass {
    struct definitions *world;
    struct element *root;
    bool is_snapshot; /* elements stand for themselves: nothing is opened */
    uint32_t depth;
    struct part_name parts[PATH_PARTS_MAX]; /* of the element before: the context */
    uint32_t part_count;
    struct element **stated;
    uint32_t reached;
    const char *reason;
};

static const struct slice core = SLICE_INIT("http://hl7.org/fhir/StructureDefinition/");

/* ---- where an element belongs ---- */

static uint32_t cut_path(struct slice path, struct part_name *parts)
{
    uint32_t count = 0;
    while (path.bytes) {
        if (count == PATH_PARTS_MAX)
            return 0;
        parts[count++] = (struct part_name){ slice_cut(&path, '.'), SLICE_NONE };
    }
    return count;
}

/* "valueQuantity" may stand for value[x]. */
static bool is_same_name(struct slice of_id, struct slice of_path)
{
    struct slice stem = element_stem(of_id);
    return slice_equal(of_id, of_path) ||
           (stem.length > 0 && slice_starts_with(of_path, stem) && of_path.length > stem.length);
}

/* The id, "Patient.identifier:mrn.system", says it all, if it fits the path. */
static bool parts_of_id(struct slice id, struct slice path, struct part_name *parts,
                        uint32_t *ret_count)
{
    struct part_name names[PATH_PARTS_MAX];
    uint32_t count = cut_path(id, parts), name_count = cut_path(path, names);
    if (count == 0 || count != name_count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct slice rest = parts[i].name;
        parts[i].name = slice_cut(&rest, ':');
        parts[i].slice = rest.bytes ? rest : SLICE_NONE;
        if (i > 0 && !is_same_name(parts[i].name, names[i].name))
            return false;
    }
    *ret_count = count;
    return true;
}

/* Without an id the slices of the parents are those of the element before. */
static void parts_of_path(const struct pass *pass, struct slice slice_name, struct part_name *parts,
                          uint32_t count)
{
    for (uint32_t i = 0; i + 1 < count && i < pass->part_count; i++) {
        if (!slice_equal(pass->parts[i].name, parts[i].name))
            break;
        parts[i].slice = pass->parts[i].slice;
    }
    if (count > 0)
        parts[count - 1].slice = slice_name;
}

static enum err find_parts(struct pass *pass, struct json json)
{
    struct arena *arena = pass->world->arena;
    struct slice path = json_string(json_member(json, "path"), arena);
    struct slice id = json_string(json_member(json, "id"), arena);
    struct slice slice_name = json_string(json_member(json, "sliceName"), arena);
    struct part_name parts[PATH_PARTS_MAX];
    uint32_t count = cut_path(path, parts);
    if (count == 0) {
        pass->reason = "an element has no path, or one of too many parts";
        return ERR_INVALID;
    }
    if (!id.bytes || !parts_of_id(id, path, parts, &count)) {
        count = cut_path(path, parts);
        parts_of_path(pass, slice_name, parts, count);
    }
    memcpy(pass->parts, parts, sizeof parts);
    pass->part_count = count;
    return ERR_NONE;
}

/* ---- going there ---- */

static bool has_type(const struct type_ref *types, uint32_t count, struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal_nocase(types[i].code, name))
            return true;
    return false;
}

static bool is_in_slice(const struct element *e)
{
    while (e && !e->sliced)
        e = e->parent;
    return e != NULL;
}

/* A differential that says valueQuantity means a slice of value[x] by type; inside of a
 * slice it means that the choice has this type alone, when it is the only one said. So
 * do published snapshots. */
static struct element *choice_of(const struct element *parent, struct slice name)
{
    for (struct element *e = parent->first; e; e = e->next) {
        struct slice stem = element_stem(e->name);
        if (stem.length == 0 || !slice_starts_with(name, stem))
            continue;
        struct slice rest = slice_from(name, stem.length);
        if (has_type(e->types, e->type_count, rest) ||
            has_type(e->all_types, e->all_types ? e->all_type_count : 0, rest))
            return e;
    }
    return NULL;
}

static enum err slice_by_type(struct pass *pass, struct element *choice, struct slice name,
                              struct element **ret)
{
    static const struct discriminator by_type[] = { { DISCRIMINATE_TYPE, SLICE_INIT("$this") } };
    bool is_first = choice->rules == SLICING_NONE;
    *ret = element_slice(choice, name);
    if (*ret)
        return ERR_NONE;
    TRY(element_new_slice(pass->world, choice, name, ret));
    if (is_first) {
        choice->rules = SLICING_OPEN;
        choice->discriminators = by_type;
        choice->discriminator_count = 1;
    }
    if (is_first && is_in_slice(choice)) {
        choice->all_types = choice->types;
        choice->all_type_count = choice->type_count;
        choice->types = (*ret)->types;
        choice->type_count = (*ret)->type_count;
    } else if (choice->all_types) { /* one of several: they are no more than slices */
        choice->types = choice->all_types;
        choice->type_count = choice->all_type_count;
        choice->all_types = NULL;
    }
    return ERR_NONE;
}

static enum err to_child(struct pass *pass, struct element *at, struct slice name,
                         struct element **ret)
{
    if (!pass->is_snapshot)
        TRY(element_expand(pass->world, at, pass->depth));
    *ret = element_child(at, name);
    if (*ret)
        return ERR_NONE;
    if (pass->is_snapshot)
        return element_new(pass->world, at, name, ret);
    struct element *choice = choice_of(at, name);
    if (choice)
        return slice_by_type(pass, choice, name, ret);
    pass->reason = "an element of the differential is not in its base";
    return ERR_INVALID;
}

static enum err new_slice(struct pass *pass, struct element *sliced, struct slice name,
                          struct element **ret)
{
    TRY(element_new_slice(pass->world, sliced, name, ret));
    if (sliced->rules == SLICING_NONE)
        sliced->rules = SLICING_OPEN; /* extensions may be sliced without saying so */
    return ERR_NONE;
}

/* "a/b" is a slice of the slice a. Snapshots list b beside a. */
static enum err to_slice(struct pass *pass, struct element *sliced, struct slice name,
                         struct element **ret)
{
    *ret = element_slice(sliced, name);
    if (*ret)
        return ERR_NONE;
    ptrdiff_t mark = slice_find_last_byte(name, '/');
    if (mark > 0) {
        struct element *outer = NULL;
        struct slice outer_name = slice_head(name, (size_t)mark);
        if (element_slice(sliced, outer_name) || slice_find_byte(outer_name, '/') > 0)
            TRY(to_slice(pass, sliced, outer_name, &outer));
        if (outer) {
            *ret = element_slice(outer, name);
            return *ret ? ERR_NONE : new_slice(pass, outer, name, ret);
        }
    }
    return new_slice(pass, sliced, name, ret);
}

static enum err go(struct pass *pass, struct element **ret)
{
    struct element *at = pass->root;
    for (uint32_t i = 1; i < pass->part_count; i++) {
        struct element *next;
        TRY(to_child(pass, at, pass->parts[i].name, &next));
        if (pass->parts[i].slice.length > 0)
            TRY(to_slice(pass, next, pass->parts[i].slice, &next));
        at = next;
    }
    *ret = at;
    return ERR_NONE;
}

/* Slicing of extensions that nothing states is by url, of choices by type. */
static void assume_slicing(struct element *sliced)
{
    static const struct discriminator by_url[] = { { DISCRIMINATE_VALUE, SLICE_INIT("url") } };
    static const struct discriminator by_type[] = { { DISCRIMINATE_TYPE, SLICE_INIT("$this") } };
    if (!sliced || sliced->discriminator_count > 0)
        return;
    bool is_extension =
        slice_is(sliced->name, "extension") || slice_is(sliced->name, "modifierExtension");
    if (is_extension)
        sliced->discriminators = by_url;
    else if (element_stem(sliced->name).length > 0)
        sliced->discriminators = by_type;
    sliced->discriminator_count = sliced->discriminators != NULL;
}

/* In a differential min and max of a snapshot's slice may be silent: "0..1". */
static enum err apply(struct pass *pass, struct json list)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct element *e;
        if (pass->stated)
            pass->stated[pass->reached] = NULL;
        TRY(find_parts(pass, v));
        TRY(go(pass, &e));
        if (pass->is_snapshot && e->sliced && !json_exists(json_member(v, "type")))
            e->content = SLICE_NONE;
        TRY(element_state(pass->world, e, v));
        assume_slicing(e->sliced);
        if (pass->stated)
            pass->stated[pass->reached] = e;
        pass->reached++;
    }
    return ERR_NONE;
}

/* ---- bases ---- */

static enum err base_tree(struct definitions *world, struct definition *d, const char **reason)
{
    const struct fhir_type *type = NULL;
    if (slice_starts_with(d->base, core))
        type = fhir_type_find(slice_from(d->base, core.length));
    if (type)
        return element_of_type(world, type, &d->root);
    struct json json = world->find(world->context, d->base);
    if (!json_exists(json) || d->depth >= DEFINITION_DEPTH_MAX) {
        *reason = json_exists(json) ? "it derives from itself, or over too many steps"
                                    : "its base is unknown";
        return json_exists(json) ? ERR_INVALID : ERR_NOT_FOUND;
    }
    struct definition base = { .depth = d->depth + 1 };
    TRY(definition_read(world, json, false, &base, reason));
    d->root = base.root;
    return ERR_NONE;
}

static enum err read_head(struct definitions *world, struct definition *d, struct json json)
{
    struct arena *arena = world->arena;
    d->json = json;
    d->url = json_string(json_member(json, "url"), arena);
    d->version = json_string(json_member(json, "version"), arena);
    d->type = json_string(json_member(json, "type"), arena);
    d->base = json_string(json_member(json, "baseDefinition"), arena);
    return d->url.length > 0 && d->type.length > 0 ? ERR_NONE : ERR_INVALID;
}

enum err definition_read(struct definitions *world, struct json json, bool generate,
                         struct definition *ret_definition, const char **ret_reason)
{
    struct definition *d = ret_definition;
    struct json snapshot = json_member(json_member(json, "snapshot"), "element");
    struct json differential = json_member(json_member(json, "differential"), "element");
    struct pass *pass = arena_alloc(world->arena, sizeof *pass);
    *ret_reason = "it has no url or no type";
    if (!pass)
        return ERR_NO_MEMORY;
    TRY(read_head(world, d, json));
    *ret_reason = "it has neither a snapshot nor a differential";
    pass->world = world;
    pass->depth = d->depth;
    pass->is_snapshot = !generate && json_is(snapshot, JSON_ARRAY);
    if (!pass->is_snapshot && !json_is(differential, JSON_ARRAY) && !d->base.length)
        return ERR_INVALID;
    if (pass->is_snapshot)
        TRY(element_new(world, NULL, d->type, &d->root));
    else
        TRY(base_tree(world, d, ret_reason));
    pass->root = d->root;
    pass->stated = pass->is_snapshot ? NULL : d->stated;
    enum err err = apply(pass, pass->is_snapshot ? snapshot : differential);
    d->reached = pass->reached;
    if (err)
        *ret_reason = pass->reason ? pass->reason : err_text(err);
    return err;
}
