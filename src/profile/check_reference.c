/* profile/tree_reference.c - references into the resource and the bundle.
 *
 * The targets are gathered into one table when the first reference asks: contained
 * resources by "#id" (of the nearest root), entries by fullUrl and by Type/id. So
 * many references to many resources stay linear.
 */
#include "profile/check.h"

static enum err put_target(struct profile_check *c, struct slice key, struct json resource)
{
    uint64_t *place;
    bool is_new;
    if (!key.bytes)
        return ERR_NO_MEMORY;
    TRY(map_put(&c->targets, key, &place, &is_new));
    if (is_new)
        *place = (uint64_t)resource.at + 1;
    return ERR_NONE;
}

static enum err gather_contained(struct profile_check *c, struct json root)
{
    struct json list = json_member(root, "contained");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice id = json_string(json_member(v, "id"), &c->kept);
        if (id.bytes)
            TRY(put_target(c, arena_printf(&c->kept, "%u#%.*s", root.at, SLICE_ARGS(id)), v));
    }
    return ERR_NONE;
}

static enum err gather_entries(struct profile_check *c)
{
    struct json list = json_member(c->outermost, "entry");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct json resource = json_member(v, "resource");
        if (!json_is(resource, JSON_OBJECT))
            continue;
        struct slice url = json_string(json_member(v, "fullUrl"), &c->kept);
        struct slice id = json_string(json_member(resource, "id"), &c->kept);
        struct slice type = json_string(json_member(resource, "resourceType"), &c->kept);
        if (url.bytes)
            TRY(put_target(c, url, resource));
        if (id.bytes && type.bytes)
            TRY(put_target(c, arena_printf(&c->kept, "%.*s/%.*s", SLICE_ARGS(type), SLICE_ARGS(id)),
                           resource));
        TRY(gather_contained(c, resource));
    }
    return ERR_NONE;
}

static enum err gather(struct profile_check *c)
{
    if (json_exists(c->targets_of))
        return ERR_NONE;
    c->targets_of = c->outermost;
    TRY(gather_contained(c, c->outermost));
    return gather_entries(c);
}

static bool found(struct profile_check *c, struct slice key, struct item *ret_item)
{
    const uint64_t *place = key.bytes ? map_find(&c->targets, key) : NULL;
    if (!place)
        return false;
    struct json value = { c->outermost.doc, (uint32_t)(*place - 1) };
    struct slice name = json_string_raw(json_member(value, "resourceType"));
    *ret_item = (struct item){ .value = value, .type = fhir_resource_find(name) };
    return true;
}

bool reference_find(struct profile_check *c, struct slice text, struct item *ret_item)
{
    enum err err = gather(c);
    if (err) {
        c->failure = err;
        return false;
    }
    if (text.length == 0 || c->outermost.doc != c->root.doc)
        return false;
    struct arena_mark mark = arena_mark(&c->scratch);
    bool is_here;
    if (text.bytes[0] == '#') {
        is_here =
            found(c, arena_printf(&c->scratch, "%u%.*s", c->root.at, SLICE_ARGS(text)), ret_item);
    } else {
        struct fhir_reference reference = fhir_reference_parse(text);
        is_here = found(c, text, ret_item);
        if (!is_here && reference.type && reference.base.length == 0)
            is_here = found(c,
                            arena_printf(&c->scratch, "%.*s/%.*s", SLICE_ARGS(reference.type->name),
                                         SLICE_ARGS(reference.id)),
                            ret_item);
    }
    arena_rewind(&c->scratch, mark);
    return is_here;
}

/* ---- targets ---- */

static const struct slice core = SLICE_INIT("http://hl7.org/fhir/StructureDefinition/");

struct targets {
    bool fits_type;    /* one of them is of the type */
    bool is_satisfied; /* and asks for nothing else, or its profile is met, or unknown */
    struct slice unknown;
};

static bool derives(const struct fhir_type *type, const struct fhir_type *from)
{
    while (type && type != from)
        type = type->base == FHIR_NO_TYPE ? NULL : fhir_type_at(type->base);
    return type != NULL;
}

static void try_target(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                       struct slice canonical, const struct fhir_type *type,
                       const struct item *target, struct targets *t)
{
    struct slice rest = canonical, url = slice_cut(&rest, '|');
    const struct fhir_type *base =
        slice_starts_with(url, core) ? fhir_type_find(slice_from(url, core.length)) : NULL;
    if (base) {
        bool fits = derives(type, base);
        t->fits_type = t->fits_type || fits;
        t->is_satisfied = t->is_satisfied || fits;
        return;
    }
    struct place root = set_find(c->options.set, canonical, place.image);
    if (!root.node) {
        t->unknown = canonical;
        return;
    }
    if (!slice_equal(image_slice(root.image, root.definition->type), type->name))
        return;
    t->fits_type = true;
    t->is_satisfied =
        t->is_satisfied || !json_exists(target->value) || tree_conforms(c, spot, root, target);
}

static struct slice target_names(struct profile_check *c, struct place place,
                                 const struct image_type *type)
{
    struct slice names = SLICE("");
    for (uint32_t i = 0; i < type->targets.count && i < 20; i++) {
        struct slice url =
            image_slice(place.image, *image_text_at(place.image, type->targets.first + i));
        if (slice_starts_with(url, core) && fhir_type_find(slice_from(url, core.length)))
            url = slice_from(url, core.length);
        names = arena_printf(&c->scratch, "%.*s%s%.*s", SLICE_ARGS(names), i ? ", " : "",
                             SLICE_ARGS(url));
    }
    return names;
}

static const struct fhir_type *type_of(struct profile_check *c, const struct item *item,
                                       struct slice text, const struct item *target)
{
    if (json_exists(target->value))
        return target->type;
    const struct fhir_type *type = fhir_reference_parse(text).type;
    struct slice name = json_string(json_member(item->value, "type"), &c->scratch);
    return type || !name.bytes ? type : fhir_resource_find(name);
}

void tree_reference(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                    const struct image_type *type, const struct item *item)
{
    struct targets t = { .fits_type = false };
    struct item target = { .value = JSON_ABSENT };
    if (type->targets.count == 0 || !json_is(item->value, JSON_OBJECT))
        return;
    struct arena_mark mark = arena_mark(&c->scratch);
    struct json literal = json_member(item->value, "reference");
    struct slice text = json_string(literal, &c->scratch);
    if (text.bytes)
        reference_find(c, text, &target);
    const struct fhir_type *found_type = type_of(c, item, text, &target);
    if (found_type && text.bytes) {
        for (uint32_t i = 0; i < type->targets.count && !t.is_satisfied; i++)
            try_target(
                c, spot, place,
                image_slice(place.image, *image_text_at(place.image, type->targets.first + i)),
                found_type, &target, &t);
        if (!t.is_satisfied && t.unknown.length > 0)
            tree_unknown(c, spot, place, literal, t.unknown);
        else if (!t.fits_type)
            tree_error(c, spot, place, literal, "structure",
                       "Invalid Resource target type. Found %.*s, but expected one of ([%.*s])",
                       SLICE_ARGS(found_type->name), SLICE_ARGS(target_names(c, place, type)));
        else if (!t.is_satisfied)
            tree_error(c, spot, place, literal, "structure",
                       "Unable to find a profile match for %.*s among choices: %.*s",
                       SLICE_ARGS(slice_head(text, 200)), SLICE_ARGS(target_names(c, place, type)));
    }
    arena_rewind(&c->scratch, mark);
}
