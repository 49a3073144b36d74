/* profile/check_slice.c - which slice an element belongs to, and slices' counts. */
#include "profile/check.h"

/* A discriminator in one slice: where its path leads in the slice's definition. */
struct criterion {
    const struct image_discriminator *discriminator;
    struct place place;  /* node NULL: the definition does not go there */
    struct json pattern; /* what a pattern above says there; absent: nothing */
    bool is_at_url;      /* an extension's url, which its profile names */
    struct slice url;
};

/* ---- paths in the definition ---- */

static const struct image_type *only_type(struct place p)
{
    return p.node->types.count == 1 ? image_type_at(p.image, p.node->types.first) : NULL;
}

static struct slice only_profile(struct place p, bool of_target)
{
    const struct image_type *t = only_type(p);
    struct image_range refs = { 0, 0 };
    if (t)
        refs = of_target ? t->targets : t->profiles;
    return refs.count == 1 ? image_slice(p.image, *image_text_at(p.image, refs.first)) : SLICE_NONE;
}

static struct slice without_version(struct slice canonical)
{
    return slice_cut(&canonical, '|');
}

/* The slice of `extension` whose url it is. */
static struct place extension_slice(struct profile_check *c, struct place p, struct slice url)
{
    struct place list = place_child(c, p, SLICE("extension"));
    for (uint32_t i = 0; list.node && i < list.node->slices.count; i++) {
        struct place s = list;
        s.node = image_node_at(list.image, list.node->slices.first + i);
        struct slice profile = only_profile(s, false);
        if (slice_equal(without_version(profile), url))
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
            k->url = without_version(only_profile(at, false));
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

static struct criterion criterion_of(struct profile_check *c, struct place slice,
                                     const struct image *of, const struct image_discriminator *d)
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
    const struct image_type *t = only_type(p);
    for (uint32_t i = 0; t && i < t->targets.count; i++) {
        struct slice url = image_slice(p.image, *image_text_at(p.image, t->targets.first + i));
        struct place root = set_find(c->options.set, url, p.image);
        if (root.node ? place_allows(root, item)
                      : slice_ends_with(without_version(url), item->type->name))
            return true;
    }
    return false;
}

static bool is_root(struct place p)
{
    return p.node == image_node_at(p.image, p.definition->root);
}

static bool is_type(struct profile_check *c, struct place p, const struct item *item)
{
    if (!item->type)
        return false;
    if (is_root(p))
        return place_allows(p, item);
    return p.node->types.count == 0 || place_type(p, item->type) ||
           (item->type->kind == FHIR_RESOURCE && is_target(c, p, item));
}

/* By type, and by the profile of the type, when there is one. */
static bool is_of_profile(struct profile_check *c, struct place p, const struct item *item)
{
    const struct image_type *t = item->type ? place_type(p, item->type) : NULL;
    if (!t) /* behind resolve(): the targets' profiles stand at a Reference */
        t = only_type(p);
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
    if (!p.node)
        return false;
    if (p.node->strength == FHIR_BINDING_REQUIRED)
        return value_in_set(c, item, p.image, image_slice(p.image, p.node->value_set)) != 0;
    if (p.node->children.count > 0 || p.node->types.count > 0)
        return tree_fits(c, NULL, p, item);
    return p.node->min > 0;
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

static bool meets_discriminator(struct profile_check *c, struct place slice, struct place sliced,
                                const struct image_discriminator *d, const struct item *item)
{
    struct criterion k = criterion_of(c, slice, sliced.image, d);
    bool is_there = any(c, &k, sliced.image, 0, item);
    if (d->type != DISCRIMINATE_EXISTS)
        return is_there;
    return k.place.node && k.place.node->max == 0  ? !is_there
           : k.place.node && k.place.node->min > 0 ? is_there
                                                   : true;
}

/* ---- slices ---- */

/* Without a discriminator only the slice's own rules can tell. */
static bool is_in(struct profile_check *c, const struct fhir_spot *spot, struct place slice,
                  struct place sliced, const struct item *item)
{
    struct image_range all = sliced.node->discriminators;
    bool is_told = false;
    for (uint32_t i = 0; i < all.count; i++) {
        const struct image_discriminator *d = image_discriminator_at(sliced.image, all.first + i);
        if (d->is_unknown)
            continue;
        if (!meets_discriminator(c, slice, sliced, d, item))
            return false;
        is_told = true;
    }
    return is_told || tree_fits(c, spot, slice, item);
}

struct sorting {
    struct place sliced;
    struct json holder; /* the object that has, or lacks, the items */
    const struct item *items;
    uint32_t *slices;  /* by item: its slice + 1, 0: none */
    uint32_t *counts;  /* by slice, as are ... */
    uint32_t *guesses; /* ... elements that may belong to it */
    bool is_guessed;
    uint32_t count, slice_count;
};

static struct place slice_at(const struct sorting *s, uint32_t i)
{
    struct place p = s->sliced;
    p.node = image_node_at(p.image, p.node->slices.first + i);
    return p;
}

static void report_two(struct profile_check *c, const struct fhir_spot *spot,
                       const struct sorting *s, const struct item *item, uint32_t a, uint32_t b)
{
    tree_error(c, spot, s->sliced, item_where(item), "invalid",
               "Profile %.*s, Element matches more than one slice - %.*s, %.*s",
               SLICE_ARGS(place_profile(c, s->sliced)),
               SLICE_ARGS(image_slice(s->sliced.image, slice_at(s, a).node->slice_name)),
               SLICE_ARGS(image_slice(s->sliced.image, slice_at(s, b).node->slice_name)));
}

/* A slice that is only guessed at, its value set being unknown, gives way to one
 * that is known to fit, and is not held against the element. */
static void sort_item(struct profile_check *c, const struct fhir_spot *spot, struct sorting *s,
                      uint32_t at)
{
    uint32_t found = 0;
    bool was_guess = c->is_guess;
    for (uint32_t i = 0; i < s->slice_count && tree_spend(c, spot, 1); i++) {
        c->is_guess = false;
        if (!is_in(c, spot, slice_at(s, i), s->sliced, &s->items[at]))
            continue;
        if (c->is_guess) {
            s->guesses[i]++;
        } else if (found) {
            report_two(c, spot, s, &s->items[at], found - 1, i);
            break;
        } else {
            found = i + 1;
        }
    }
    if (found)
        s->counts[found - 1]++;
    s->slices[at] = found;
    c->is_guess = was_guess;
}

static bool has_guesses(const struct sorting *s)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < s->slice_count; i++)
        total += s->guesses[i];
    return total > 0;
}

/* Rules of the slicing itself: closed, at the end, ordered. */
static void check_sorting(struct profile_check *c, struct fhir_spot *spot, const struct sorting *s)
{
    const struct image_node *n = s->sliced.node;
    uint32_t last = 0;
    bool is_behind = false;
    for (uint32_t i = 0; i < s->count && !tree_is_over(c); i++) {
        spot->index = s->items[i].index;
        uint32_t slice = s->slices[i];
        struct json where = item_where(&s->items[i]);
        if (slice == 0 && n->slicing == SLICING_CLOSED && !has_guesses(s))
            tree_error(c, spot, s->sliced, where, "structure",
                       "This element does not match any known slice defined in the profile "
                       "%.*s and slicing is CLOSED: %.*s",
                       SLICE_ARGS(place_profile(c, s->sliced)), SLICE_ARGS(place_id(s->sliced)));
        if (slice > 0 && is_behind && n->slicing == SLICING_OPEN_AT_END)
            tree_error(c, spot, s->sliced, where, "structure",
                       "This element belongs to a slice, but stands behind elements that do not "
                       "(from %.*s)",
                       SLICE_ARGS(place_profile(c, s->sliced)));
        if (slice > 0 && slice < last && n->is_ordered)
            tree_error(c, spot, s->sliced, where, "invalid",
                       "As specified by profile %.*s, element '%.*s' is out of order",
                       SLICE_ARGS(place_profile(c, s->sliced)), SLICE_ARGS(place_id(s->sliced)));
        is_behind = is_behind || slice == 0;
        last = MAX(last, slice);
    }
}

static void check_slice_count(struct profile_check *c, const struct fhir_spot *parent,
                              const struct sorting *s, uint32_t slice)
{
    struct place p = slice_at(s, slice);
    uint32_t count = s->counts[slice];
    struct json where = s->count > 0 ? item_where(&s->items[0]) : s->holder;
    const char *open = s->sliced.node->slicing == SLICING_CLOSED
                           ? ""
                           : ". Note that other slices are allowed in addition to this required "
                             "slice";
    if (count + s->guesses[slice] < p.node->min)
        tree_error(c, parent, p, where, "structure",
                   "Slice '%.*s': a matching slice is required, but not found: minimum required "
                   "= %u, but only found %u (from %.*s)%s",
                   SLICE_ARGS(place_id(p)), p.node->min, count, SLICE_ARGS(place_profile(c, p)),
                   open);
    if (count > p.node->max)
        tree_error(c, parent, p, where, "structure",
                   "%.*s: max allowed = %u, but found %u (from %.*s)", SLICE_ARGS(place_id(p)),
                   p.node->max, count, SLICE_ARGS(place_profile(c, p)));
}

/* A slice's definition has what the sliced element says, too, unless it was left
 * without children: then those of the sliced element count. */
static void check_in_slice(struct profile_check *c, const struct fhir_spot *spot,
                           struct place slice, struct place sliced, const struct item *item)
{
    tree_place(c, spot, slice, item);
    const struct image_type *t = only_type(slice);
    bool is_bare =
        slice.node->children.count == 0 && !slice.node->content && !(t && t->profiles.count > 0);
    if (is_bare && !tree_is_over(c))
        tree_below(c, spot, sliced, item);
}

/* The elements of a slice that is sliced again. */
static void check_again(struct profile_check *c, struct fhir_spot *spot, const struct sorting *s,
                        uint32_t slice)
{
    uint32_t count = 0;
    struct item *items = arena_array(&c->scratch, s->counts[slice], sizeof *items);
    if (!items) {
        c->failure = ERR_NO_MEMORY;
        return;
    }
    for (uint32_t i = 0; i < s->count && count < s->counts[slice]; i++)
        if (s->slices[i] == slice + 1)
            items[count++] = s->items[i];
    tree_slices(c, spot, slice_at(s, slice), s->holder, items, count, true);
}

void tree_slices(struct profile_check *c, struct fhir_spot *spot, struct place sliced,
                 struct json holder, const struct item *items, uint32_t count, bool again)
{
    struct sorting s = {
        .sliced = sliced,
        .holder = holder,
        .items = items,
        .count = count,
        .slice_count = sliced.node->slices.count,
    };
    s.slices = arena_array(&c->scratch, count, sizeof *s.slices);
    s.counts = arena_array(&c->scratch, s.slice_count, sizeof *s.counts);
    s.guesses = arena_array(&c->scratch, s.slice_count, sizeof *s.guesses);
    if (!s.slices || !s.counts || !s.guesses) {
        c->failure = ERR_NO_MEMORY;
        return;
    }
    for (uint32_t i = 0; i < count && !tree_is_over(c); i++) {
        spot->index = items[i].index;
        sort_item(c, spot, &s, i);
    }
    check_sorting(c, spot, &s);
    for (uint32_t i = 0; i < count && !tree_is_over(c); i++) {
        spot->index = items[i].index;
        if (s.slices[i] == 0 && !again)
            tree_place(c, spot, sliced, &items[i]);
        else if (s.slices[i] > 0)
            check_in_slice(c, spot, slice_at(&s, s.slices[i] - 1), sliced, &items[i]);
    }
    for (uint32_t i = 0; i < s.slice_count && !tree_is_over(c); i++) {
        check_slice_count(c, spot->parent, &s, i);
        if (slice_at(&s, i).node->slices.count > 0)
            check_again(c, spot, &s, i);
    }
}
