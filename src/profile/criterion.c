/* profile/criterion.c - what tells a slice's elements from others, and whether one has it. */
#include "profile/criterion.h"

/* ---- paths in the definition ---- */

static struct slice only_profile(struct place p, bool of_target)
{
    const struct image_type *t = place_only_type(p);
    struct image_range refs = { 0, 0 };
    if (t)
        refs = of_target ? t->targets : t->profiles;
    return refs.count == 1 ? image_slice(p.image, *image_text_at(p.image, refs.first)) : SLICE_NONE;
}

static struct slice without_version(struct slice canonical)
{
    return slice_cut(&canonical, '|');
}

/* The url that extensions of the profile have: a derived one has its base's. */
static struct slice url_of_profile(struct profile_check *c, struct place p)
{
    struct slice canonical = only_profile(p, false);
    struct place root = set_find(c->options.set, canonical, p.image);
    struct place own = root.node ? place_child(c, root, SLICE("url")) : root;
    struct json fixed = own.node ? image_value(own.image, own.node->fixed) : JSON_ABSENT;
    struct slice url = json_string(fixed, &c->scratch);
    return url.length > 0 ? url : without_version(canonical);
}

/* The slice of `extension` whose url it is. */
static struct place extension_slice(struct profile_check *c, struct place p, struct slice url)
{
    struct place list = place_child(c, p, SLICE("extension"));
    for (uint32_t i = 0; list.node && i < list.node->slices.count; i++) {
        struct place s = list;
        s.node = image_node_at(list.image, list.node->slices.first + i);
        if (only_profile(s, false).length > 0 && slice_equal(url_of_profile(c, s), url))
            return s;
        struct place own = place_child(c, s, SLICE("url"));
        if (own.node && json_string_is(image_value(own.image, own.node->fixed), url))
            return s;
    }
    return (struct place){ NULL, NULL, NULL };
}

static struct json pattern_below(struct json pattern, struct slice name)
{
    struct json v = json_get(pattern, name);
    return json_is(v, JSON_ARRAY) ? json_first(v) : v;
}

/* A choice whose only slice says what it is. */
static struct place only_slice(struct place p)
{
    if (p.node && p.node->is_choice && p.node->slices.count == 1 && !p.node->fixed &&
        !p.node->pattern)
        p.node = image_node_at(p.image, p.node->slices.first);
    return p;
}

static bool says_something(struct place p)
{
    return p.node && (p.node->fixed || p.node->pattern || p.node->strength ||
                      p.node->slices.count || p.node->children.count);
}

/* The child, or where it says nothing the child of a slice that does: in R4's own
 * profile of blood pressure code.coding is sliced once more, and the code that tells
 * the components apart stands in that slice. */
static struct place telling_child(struct profile_check *c, struct place at, struct slice name)
{
    struct place child = place_child(c, at, name);
    for (uint32_t i = 0; i < at.node->slices.count && !says_something(child); i++) {
        struct place s = at;
        s.node = image_node_at(at.image, at.node->slices.first + i);
        struct place other = place_child(c, s, name);
        child = says_something(other) ? other : child;
    }
    return child;
}

static void step_into(struct profile_check *c, struct criterion *k, const struct image *of,
                      const struct image_step *step)
{
    struct slice name = image_slice(of, step->name);
    struct place at = k->place;
    struct json above = k->pattern;
    if (at.node && !json_exists(above))
        above = image_value(at.image, at.node->pattern ? at.node->pattern : at.node->fixed);
    switch ((enum image_step_kind)step->kind) {
    case STEP_CHILD:
        k->pattern = pattern_below(above, name);
        if (at.node && slice_is(name, "url") && only_profile(at, false).length > 0) {
            k->is_at_url = true;
            k->url = url_of_profile(c, at);
        }
        if (at.node)
            k->place = only_slice(telling_child(c, at, name));
        break;
    case STEP_EXTENSION:
        if (at.node)
            k->place = extension_slice(c, at, name);
        break;
    case STEP_RESOLVE:
        if (at.node && only_profile(at, true).length > 0) {
            struct place root = set_find(c->options.set, only_profile(at, true), at.image);
            k->place = root.node ? root : k->place;
        }
        break;
    case STEP_OF_TYPE:
        break;
    }
}

struct criterion criterion_of(struct profile_check *c, struct place slice, const struct image *of,
                              const struct image_discriminator *d)
{
    struct criterion k = { .discriminator = d, .place = slice, .pattern = JSON_ABSENT };
    for (uint32_t i = 0; i < d->steps.count; i++)
        step_into(c, &k, of, image_step_at(of, d->steps.first + i));
    return k;
}

/* ---- what an element says ---- */

/* Behind resolve(): is it a type that the Reference may point at? */
static bool is_target(struct profile_check *c, struct place p, const struct item *item)
{
    const struct image_type *t = place_only_type(p);
    for (uint32_t i = 0; t && i < t->targets.count; i++) {
        struct slice url = image_slice(p.image, *image_text_at(p.image, t->targets.first + i));
        struct place root = set_find(c->options.set, url, p.image);
        if (root.node ? place_allows(root, item)
                      : slice_ends_with(without_version(url), item->type->name))
            return true;
    }
    return false;
}

static bool is_type(struct profile_check *c, struct place p, const struct item *item)
{
    if (!item->type)
        return false;
    if (place_is_root(p))
        return place_allows(p, item);
    return p.node->types.count == 0 || place_type(p, item->type) ||
           (item->type->kind == FHIR_RESOURCE && is_target(c, p, item));
}

/* By type, and by the profile of the type, when there is one. */
static bool is_of_profile(struct profile_check *c, struct place p, const struct item *item)
{
    const struct image_type *t = item->type ? place_type(p, item->type) : NULL;
    if (!t) /* behind resolve(): the targets' profiles stand at a Reference */
        t = place_only_type(p);
    if (!t)
        return tree_fits(c, NULL, p, item);
    bool is_target = t->profiles.count == 0;
    struct image_range refs = is_target ? t->targets : t->profiles;
    for (uint32_t i = 0; i < refs.count; i++) {
        struct slice url = image_slice(p.image, *image_text_at(p.image, refs.first + i));
        struct place root = set_find(c->options.set, url, p.image);
        if (root.node && tree_conforms(c, NULL, root, item))
            return true;
    }
    return refs.count == 0 && tree_fits(c, NULL, p, item);
}

bool criterion_tells(const struct criterion *k)
{
    const struct image_node *n = k->place.node;
    switch ((enum discriminator_type)k->discriminator->type) {
    case DISCRIMINATE_TYPE:
    case DISCRIMINATE_PROFILE:
        return n != NULL;
    case DISCRIMINATE_VALUE:
    case DISCRIMINATE_PATTERN:
        return k->is_at_url || json_exists(k->pattern) ||
               (n && (n->fixed || n->pattern || n->strength == FHIR_BINDING_REQUIRED ||
                      n->children.count > 0 || n->types.count > 0 || n->min > 0 || n->max == 0));
    case DISCRIMINATE_EXISTS:
    case DISCRIMINATE_POSITION:
        break;
    }
    return true;
}

static bool has_value(struct profile_check *c, const struct criterion *k, const struct item *item)
{
    struct place p = k->place;
    if (k->is_at_url)
        return json_string_is(item->value, k->url);
    if (p.node) {
        struct json fixed = image_value(p.image, p.node->fixed);
        struct json pattern = image_value(p.image, p.node->pattern);
        if (json_exists(fixed))
            return value_is_fixed(c, item->value, fixed);
        if (json_exists(pattern))
            return value_has_pattern(c, item->value, pattern);
    }
    if (json_exists(k->pattern))
        return value_has_pattern(c, item->value, k->pattern);
    if (!p.node || p.node->max == 0)
        return false;
    if (p.node->strength == FHIR_BINDING_REQUIRED)
        return value_in_set(c, item, p.image, image_slice(p.image, p.node->value_set)) != 0;
    if (p.node->children.count > 0 || p.node->types.count > 0)
        return tree_fits(c, NULL, p, item);
    return true;
}

static bool meets(struct profile_check *c, const struct criterion *k, const struct item *item)
{
    switch ((enum discriminator_type)k->discriminator->type) {
    case DISCRIMINATE_EXISTS:
        return true;
    case DISCRIMINATE_TYPE:
        return k->place.node && is_type(c, k->place, item);
    case DISCRIMINATE_PROFILE:
        return k->place.node && is_of_profile(c, k->place, item);
    case DISCRIMINATE_VALUE:
    case DISCRIMINATE_PATTERN:
        return has_value(c, k, item);
    case DISCRIMINATE_POSITION:
        break;
    }
    return false;
}

/* ---- paths in the element ---- */

static bool any(struct profile_check *c, const struct criterion *k, const struct image *of,
                uint32_t step, const struct item *item);

static bool any_child(struct profile_check *c, const struct criterion *k, const struct image *of,
                      uint32_t step, const struct item *item, const struct fhir_element *row)
{
    char room[100] = { '_' };
    struct slice name = row->name;
    if (name.length + 1 > sizeof room)
        return false;
    memcpy(room + 1, name.bytes, name.length);
    struct json list = json_get(item->value, name);
    struct json siblings = json_get(item->value, slice_of(room, name.length + 1));
    bool is_list = json_is(list, JSON_ARRAY);
    struct json v = is_list ? json_first(list) : list;
    struct json sibling = json_is(siblings, JSON_ARRAY) ? json_first(siblings) : siblings;
    while (json_exists(v) || json_exists(sibling)) {
        struct item below = { .value = v, .sibling = sibling, .row = row };
        below.type = fhir_type_at(row->type);
        if (below.type->kind == FHIR_RESOURCE)
            below.type = fhir_resource_find(json_string_raw(json_member(v, "resourceType")));
        if (any(c, k, of, step, &below))
            return true;
        v = is_list && json_exists(v) ? json_next(list, v) : JSON_ABSENT;
        sibling = json_is(siblings, JSON_ARRAY) && json_exists(sibling)
                      ? json_next(siblings, sibling)
                      : JSON_ABSENT;
    }
    return false;
}

static bool any_named(struct profile_check *c, const struct criterion *k, const struct image *of,
                      uint32_t step, const struct item *item, struct slice name)
{
    if (!item->type)
        return false;
    const struct fhir_element *row = fhir_element_find(item->type, name);
    if (row)
        return any_child(c, k, of, step, item, row);
    for (uint16_t i = 0; i < item->type->element_count; i++)
        if (slice_equal(item->type->elements[i].choice, name) &&
            any_child(c, k, of, step, item, &item->type->elements[i]))
            return true;
    return false;
}

static bool any_extension(struct profile_check *c, const struct criterion *k,
                          const struct image *of, uint32_t step, const struct item *item,
                          struct slice url)
{
    struct json holder = json_is(item->value, JSON_OBJECT) ? item->value : item->sibling;
    struct json list = json_member(holder, "extension");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct item below = { .value = v, .type = fhir_type_at(FHIR_TYPE_EXTENSION) };
        if (tree_spend(c, NULL, 1) && json_string_is(json_member(v, "url"), url) &&
            any(c, k, of, step, &below))
            return true;
    }
    return false;
}

static bool any_resolved(struct profile_check *c, const struct criterion *k, const struct image *of,
                         uint32_t step, const struct item *item)
{
    struct item target = { .value = JSON_ABSENT };
    struct arena_mark mark = arena_mark(&c->scratch);
    struct json literal =
        json_is(item->value, JSON_OBJECT) ? json_member(item->value, "reference") : item->value;
    struct slice text = json_string(literal, &c->scratch);
    bool is_here = text.bytes && reference_find(c, text, &target);
    if (!is_here && text.bytes)
        target.type = fhir_reference_parse(text).type;
    arena_rewind(&c->scratch, mark);
    /* What is elsewhere still has the type that its reference tells. */
    return target.type && (is_here || k->discriminator->type == DISCRIMINATE_TYPE) &&
           any(c, k, of, step, &target);
}

/* Does anything that the path from `step` on selects meet the criterion? */
static bool any(struct profile_check *c, const struct criterion *k, const struct image *of,
                uint32_t step, const struct item *item)
{
    if (!tree_spend(c, NULL, 1))
        return false;
    if (step == k->discriminator->steps.count)
        return meets(c, k, item);
    const struct image_step *s = image_step_at(of, k->discriminator->steps.first + step);
    struct slice name = image_slice(of, s->name);
    switch ((enum image_step_kind)s->kind) {
    case STEP_CHILD:
        return any_named(c, k, of, step + 1, item, name);
    case STEP_EXTENSION:
        return any_extension(c, k, of, step + 1, item, name);
    case STEP_RESOLVE:
        return any_resolved(c, k, of, step + 1, item);
    case STEP_OF_TYPE:
        return item->type && slice_equal(item->type->name, name) && any(c, k, of, step + 1, item);
    }
    return false;
}

bool criterion_is_met(struct profile_check *c, const struct criterion *k, const struct image *of,
                      const struct item *item)
{
    const struct image_node *n = k->place.node;
    bool is_there = any(c, k, of, 0, item), says_value = n && (n->fixed || n->pattern);
    switch ((enum discriminator_type)k->discriminator->type) {
    case DISCRIMINATE_EXISTS:
        return n && n->max == 0 ? !is_there : n && n->min > 0 ? is_there : true;
    case DISCRIMINATE_VALUE:
    case DISCRIMINATE_PATTERN:
        if (n && n->max == 0 && !says_value) { /* what must not be there */
            struct criterion exists = *k;
            const struct image_discriminator d = { .steps = k->discriminator->steps,
                                                   .type = DISCRIMINATE_EXISTS };
            exists.discriminator = &d;
            return !any(c, &exists, of, 0, item);
        }
        return is_there;
    case DISCRIMINATE_TYPE:
    case DISCRIMINATE_PROFILE:
    case DISCRIMINATE_POSITION:
        break;
    }
    return is_there;
}
