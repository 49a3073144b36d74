/* profile/check_tree.c - elements against places of a definition's tree. */
#include "profile/check.h"

/* What the members of an object are to one child of a place. */
struct member {
    struct json value, sibling;
    const struct fhir_element *row;
};

enum answer { ANSWER_UNKNOWN, ANSWER_RUNNING, ANSWER_YES, ANSWER_NO };

struct slice place_id(struct place place)
{
    return image_slice(place.image, place.node->id);
}

struct json item_where(const struct item *item)
{
    return json_exists(item->value) ? item->value : item->sibling;
}

/* ---- places ---- */

/* The child's own node, of the content that it refers to, or of its type's profile. */
struct place place_child(struct profile_check *c, struct place place, struct slice name)
{
    struct place child = place;
    for (int i = 0; i < DEFINITION_DEPTH_MAX && place.node; i++) {
        child = place;
        child.node = image_child(place.image, place.node, name);
        if (!child.node && place.node->content)
            child.node =
                image_child(place.image, image_node_at(place.image, place.node->content - 1), name);
        if (child.node || place.node->types.count != 1)
            return child;
        const struct image_type *type = image_type_at(place.image, place.node->types.first);
        if (type->profiles.count != 1)
            return child;
        struct slice url =
            image_slice(place.image, *image_text_at(place.image, type->profiles.first));
        place = set_find(c->options.set, url, place.image);
    }
    child.node = NULL;
    return child;
}

static bool is_a(const struct fhir_type *type, struct slice code)
{
    for (; type; type = type->base == FHIR_NO_TYPE ? NULL : fhir_type_at(type->base))
        if (slice_equal(type->name, code))
            return true;
    return false;
}

const struct image_type *place_type(struct place place, const struct fhir_type *type)
{
    const struct image_type *derived = NULL;
    for (uint32_t i = 0; i < place.node->types.count; i++) {
        const struct image_type *t = image_type_at(place.image, place.node->types.first + i);
        struct slice code = image_slice(place.image, t->code);
        if (slice_equal(code, type->name))
            return t;
        /* A code is no string here, but an Age is a Quantity and a Patient a Resource. */
        if (type->kind != FHIR_PRIMITIVE && is_a(type, code))
            derived = t;
    }
    return derived;
}

struct slice place_type_names(struct profile_check *c, struct place place)
{
    struct slice names = SLICE("");
    for (uint32_t i = 0; i < place.node->types.count; i++) {
        const struct image_type *t = image_type_at(place.image, place.node->types.first + i);
        names = arena_printf(&c->scratch, "%.*s%s%.*s", SLICE_ARGS(names), i ? ", " : "",
                             SLICE_ARGS(image_slice(place.image, t->code)));
    }
    return names;
}

/* ---- types and their profiles ---- */

void tree_unknown(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                  struct json where, struct slice canonical)
{
    if (c->quiet) /* a question that it is in is answered with the benefit of the doubt */
        c->is_guess = true;
    else
        tree_report(c, spot, place, where,
                    c->options.unknown_inner_is_error ? ISSUE_ERROR : ISSUE_WARNING, "not-found",
                    SLICE_NONE, "Unable to resolve the profile reference '%.*s' (from %.*s)",
                    SLICE_ARGS(canonical), SLICE_ARGS(place_profile(c, place)));
}

static void check_one_profile(struct profile_check *c, const struct fhir_spot *spot,
                              struct place place, struct slice canonical, const struct item *item)
{
    struct place root = set_find(c->options.set, canonical, place.image);
    if (root.node)
        tree_definition(c, spot, root, item);
    else
        tree_unknown(c, spot, place, item_where(item), canonical);
}

/* One of several profiles must be met; an unknown one might be. */
static void check_profiles(struct profile_check *c, const struct fhir_spot *spot,
                           struct place place, const struct image_type *type,
                           const struct item *item)
{
    uint32_t count = type->profiles.count;
    if (count == 1) {
        struct slice url =
            image_slice(place.image, *image_text_at(place.image, type->profiles.first));
        check_one_profile(c, spot, place, url, item);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct slice url =
            image_slice(place.image, *image_text_at(place.image, type->profiles.first + i));
        struct place root = set_find(c->options.set, url, place.image);
        if (!root.node || tree_conforms(c, spot, root, item))
            return;
    }
    if (count > 1)
        tree_error(c, spot, place, item_where(item), "structure",
                   "None of the %u profiles of the element are met (from %.*s)", count,
                   SLICE_ARGS(place_profile(c, place)));
}

/* The value of an extension is told at the extension, as the official validator does. */
static bool is_extension_value(struct place place)
{
    return (place.definition->flags & DEFINITION_IS_EXTENSION) &&
           slice_is(place_id(place), "Extension.value[x]");
}

static void report_type(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                        const struct item *item)
{
    struct arena_mark mark = arena_mark(&c->scratch);
    bool is_one = place.node->types.count == 1, is_value = is_extension_value(place);
    if (!is_one && !is_value && place.node->is_choice && spot && spot->parent) {
        tree_error(c, spot->parent, place, item_where(item), "structure",
                   "The type of element %.*s is not known - it could not be determined from the "
                   "information available. Valid types at this point are %.*s (from %.*s)",
                   SLICE_ARGS(item->row ? item->row->name : spot->name),
                   SLICE_ARGS(place_type_names(c, place)), SLICE_ARGS(place_profile(c, place)));
        arena_rewind(&c->scratch, mark);
        return;
    }
    struct slice url =
        is_value ? image_slice(place.image, place.definition->url) : place_profile(c, place);
    tree_error(c, is_value && spot ? spot->parent : spot, place, item_where(item), "structure",
               "The %s '%.*s' definition allows for the type%s %s%.*s%s but found type %.*s",
               is_value ? "Extension" : "Profile", SLICE_ARGS(url), is_one && !is_value ? "" : "s",
               is_one && !is_value ? "" : "[", SLICE_ARGS(place_type_names(c, place)),
               is_one && !is_value ? "" : "]", SLICE_ARGS(item->type->name));
    arena_rewind(&c->scratch, mark);
}

static void check_type(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                       const struct item *item)
{
    if (place.node->types.count == 0 || !item->type)
        return;
    const struct image_type *type = place_type(place, item->type);
    if (!type) {
        report_type(c, spot, place, item);
        return;
    }
    check_profiles(c, spot, place, type, item);
    if (item->type->id == FHIR_TYPE_REFERENCE)
        tree_reference(c, spot, place, type, item);
}

/* ---- rules ---- */

static bool resolve(void *context, struct slice text, struct fhir_item *ret_item)
{
    struct item item;
    if (!reference_find(context, text, &item))
        return false;
    *ret_item = (struct fhir_item){ .value = item.value, .type = item.type };
    return true;
}

static int conforms(void *context, struct fhir_item item, struct slice profile)
{
    struct profile_check *c = context;
    struct place root = set_find(c->options.set, profile, c->image);
    struct item own = { .value = item.value, .type = item.type, .row = item.element };
    return root.node ? tree_conforms(c, NULL, root, &own) : -1;
}

static int member_of(void *context, struct fhir_item item, struct slice value_set)
{
    struct profile_check *c = context;
    struct item own = { .value = item.value, .type = item.type, .row = item.element };
    return value_in_set(c, &own, c->image, value_set);
}

enum { RULE_STEPS_MAX = 1000000 };

static void run_rule(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                     uint32_t at, const struct item *item)
{
    const struct image_rule *rule = image_rule_at(place.image, at);
    const struct fhirpath *path = set_rule(c->options.set, place.image, at);
    uint64_t used = 0;
    if (!path || c->rule_steps_left == 0 || (c->quiet && !rule->is_error))
        return;
    struct arena_mark mark = arena_mark(&c->scratch);
    const struct fhirpath_host host = { .context = c,
                                        .now_us = c->options.now_us,
                                        .steps = MIN(c->rule_steps_left, (uint64_t)RULE_STEPS_MAX),
                                        .ret_steps = &used,
                                        .resource = c->resource,
                                        .root = c->root,
                                        .as_filters = true,
                                        .resolve = resolve,
                                        .member_of = member_of,
                                        .conforms_to = conforms };
    struct fhir_item face = {
        .value = item->value, .type = item->type, .resource = c->root, .element = item->row
    };
    struct fhirpath_result result = { .count = 0 };
    bool was_guess = c->is_guess;
    const struct image *outer = c->image;
    c->is_guess = false;
    c->image = place.image;
    enum err err = fhirpath_evaluate(path, face, &host, &c->scratch, &result, NULL);
    /* What rests on an unknown value set is given the benefit of the doubt. */
    bool holds = c->is_guess || result.count != 1 || result.values[0].kind != FHIRPATH_BOOLEAN ||
                 result.values[0].boolean;
    c->is_guess = c->is_guess || was_guess;
    c->image = outer;
    arena_rewind(&c->scratch, mark);
    c->rule_steps_left -= MIN(used, c->rule_steps_left);
    if (err == ERR_LIMIT || err == ERR_NO_MEMORY) {
        tree_report(c, spot, place, item_where(item), ISSUE_WARNING, "too-costly",
                    image_slice(place.image, rule->key),
                    "Rule %.*s was not checked: it would take too long",
                    SLICE_ARGS(image_slice(place.image, rule->key)));
        c->rule_steps_left = err == ERR_LIMIT ? c->rule_steps_left : 0;
    } else if (!err && !holds) {
        tree_report(c, spot, place, item_where(item), rule->is_error ? ISSUE_ERROR : ISSUE_WARNING,
                    "invariant", image_slice(place.image, rule->key),
                    "Constraint failed: %.*s: '%.*s' "
                    "(defined in %.*s)",
                    SLICE_ARGS(image_slice(place.image, rule->key)),
                    SLICE_ARGS(image_slice(place.image, rule->human)),
                    SLICE_ARGS(place_profile(c, place)));
    }
}

/* ---- members ---- */

/* The node that the member is checked against: by its own name, else by its choice's. */
static const struct image_node *node_of(const struct image *im, const struct image_node *parent,
                                        const struct fhir_element *row)
{
    const struct image_node *n = image_child(im, parent, row->name);
    return n || row->choice.length == 0 ? n : image_child(im, parent, row->choice);
}

/* One pass over the members: what each child of the place has got. */
static void gather(struct profile_check *c, struct place place, const struct fhir_type *type,
                   struct json object, struct member *members)
{
    const struct image_node *first = image_node_at(place.image, place.node->children.first);
    for (struct json key = json_first(object); json_exists(key);
         key = json_next(object, json_value(key))) {
        struct slice name = json_string_raw(key); /* an escaped one is not known to us */
        bool is_sibling = name.length > 1 && name.bytes[0] == '_';
        const struct fhir_element *row = fhir_element_find(type, slice_from(name, is_sibling));
        const struct image_node *n = row ? node_of(place.image, place.node, row) : NULL;
        if (!tree_spend(c, NULL, 1))
            return;
        if (!n)
            continue;
        struct member *m = &members[n - first];
        if (m->row && m->row != row)
            continue; /* two types of one choice: base R4 says no */
        m->row = row;
        if (is_sibling)
            m->sibling = json_value(key);
        else
            m->value = json_value(key);
    }
}

static uint32_t count_of(const struct member *m)
{
    uint32_t values = json_is(m->value, JSON_ARRAY) ? json_count(m->value) : json_exists(m->value);
    uint32_t siblings =
        json_is(m->sibling, JSON_ARRAY) ? json_count(m->sibling) : json_exists(m->sibling);
    return MAX(values, siblings);
}

static const struct fhir_type *own_type(const struct fhir_element *row, struct json value)
{
    const struct fhir_type *type = fhir_type_at(row->type);
    if (type->kind != FHIR_RESOURCE)
        return type;
    const struct fhir_type *own =
        fhir_resource_find(json_string_raw(json_member(value, "resourceType")));
    return own ? own : type;
}

static struct json step(struct json list, struct json at)
{
    return json_is(list, JSON_ARRAY) && json_exists(at) ? json_next(list, at) : JSON_ABSENT;
}

static void split(const struct member *m, struct item *items, uint32_t count)
{
    struct json value = json_is(m->value, JSON_ARRAY) ? json_first(m->value) : m->value;
    struct json sibling = json_is(m->sibling, JSON_ARRAY) ? json_first(m->sibling) : m->sibling;
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (struct item){ .value = json_is(value, JSON_NULL) ? JSON_ABSENT : value,
                                  .sibling = json_is(sibling, JSON_NULL) ? JSON_ABSENT : sibling,
                                  .type = own_type(m->row, value),
                                  .row = m->row,
                                  .index = i };
        value = step(m->value, value);
        sibling = step(m->sibling, sibling);
    }
}

static void check_count(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                        struct json where, uint32_t count)
{
    const struct image_node *n = place.node;
    if (count < n->min)
        tree_error(c, spot, place, where, "structure",
                   "%.*s: minimum required = %u, but only found %u (from %.*s)",
                   SLICE_ARGS(place_id(place)), n->min, count, SLICE_ARGS(place_profile(c, place)));
    if (count > n->max)
        tree_error(c, spot, place, where, "structure",
                   "%.*s: max allowed = %u, but found %u (from %.*s)", SLICE_ARGS(place_id(place)),
                   n->max, count, SLICE_ARGS(place_profile(c, place)));
}

static void check_member(struct profile_check *c, const struct fhir_spot *parent,
                         struct place place, const struct member *m, struct json object)
{
    struct fhir_spot spot = { .parent = parent,
                              .name = image_slice(place.image, place.node->name),
                              .type = m->row ? fhir_type_at(m->row->type) : NULL,
                              .has_index = m->row && m->row->is_array };
    uint32_t count = m->row ? count_of(m) : 0;
    struct item *items = arena_array(&c->scratch, count, sizeof *items);
    if (!items) {
        c->failure = ERR_NO_MEMORY;
        return;
    }
    if (count > 0)
        split(m, items, count);
    check_count(c, parent, place, object, count);
    if (place.node->slices.count > 0) {
        tree_slices(c, &spot, place, object, items, count, false);
        return;
    }
    for (uint32_t i = 0; i < count && !tree_is_over(c); i++) {
        spot.index = i;
        tree_place(c, &spot, place, &items[i]);
    }
}

void tree_below(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                const struct item *item)
{
    struct json object = json_is(item->value, JSON_OBJECT) ? item->value : item->sibling;
    struct place from = place;
    if (place.node->content && place.node->children.count == 0)
        from.node = image_node_at(place.image, place.node->content - 1);
    uint32_t count = from.node->children.count;
    if (count == 0 || !item->type || !json_is(object, JSON_OBJECT))
        return;
    struct arena_mark mark = arena_mark(&c->scratch);
    struct member *members = arena_array(&c->scratch, count, sizeof *members);
    if (!members) {
        c->failure = ERR_NO_MEMORY;
        return;
    }
    gather(c, from, item->type, object, members);
    for (uint32_t i = 0; i < count && !tree_is_over(c); i++) {
        struct place child = from;
        child.node = image_node_at(from.image, from.node->children.first + i);
        check_member(c, spot, child, &members[i], object);
    }
    arena_rewind(&c->scratch, mark);
}

/* ---- places and definitions ---- */

static void check_inside(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                         const struct item *item)
{
    check_type(c, spot, place, item);
    tree_values(c, spot, place, item);
    tree_binding(c, spot, place, item);
    tree_below(c, spot, place, item);
}

static void run_rules(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                      const struct item *item)
{
    for (uint32_t i = 0; i < place.node->rules.count && !tree_is_over(c); i++)
        run_rule(c, spot, place, place.node->rules.first + i, item);
}

void tree_place(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                const struct item *item)
{
    struct json resource = c->resource, root = c->root;
    if (tree_is_over(c) || !tree_spend(c, spot, 1))
        return;
    if (++c->depth > CHECK_DEPTH_MAX)
        c->is_tired = true;
    if (item->type && item->type->kind == FHIR_RESOURCE && json_exists(item->value)) {
        bool is_contained = item->row && slice_is(item->row->name, "contained");
        c->resource = item->value;
        if (item->row && !is_contained)
            c->root = item->value;
    }
    if (!tree_is_over(c))
        check_inside(c, spot, place, item);
    if (place_is_root(place))
        run_rules(c, spot, place, item);
    c->resource = resource;
    c->root = root;
    /* A rule that stands where an outer resource holds this one has the outer one
     * as its %resource. */
    if (!place_is_root(place))
        run_rules(c, spot, place, item);
    c->depth--;
}

/* The answer's place, by the element and the definition; NULL: memory is short. */
static uint64_t *answer_of(struct profile_check *c, struct place root, const struct item *item)
{
    struct {
        const void *definition;
        uint64_t at;
    } key = { root.definition, item_where(item).at };
    struct slice bytes = slice_of((const char *)&key, sizeof key);
    uint64_t *answer = map_find(&c->answers, bytes);
    if (answer)
        return answer;
    char *copy = arena_raw(&c->kept, sizeof key);
    if (!copy || map_put(&c->answers, slice_of(memcpy(copy, &key, sizeof key), sizeof key), &answer,
                         NULL) != ERR_NONE) {
        c->failure = ERR_NO_MEMORY;
        return NULL;
    }
    return answer;
}

static void set_answer(struct profile_check *c, struct place root, const struct item *item,
                       enum answer answer)
{
    uint64_t *place = answer_of(c, root, item);
    if (place)
        *place = answer;
}

bool place_allows(struct place root, const struct item *item)
{
    return !item->type || is_a(item->type, image_slice(root.image, root.definition->type));
}

/* Loud: findings that a quiet question has found before are reported now. */
enum { LOUD_DONE = 16 };

void tree_definition(struct profile_check *c, const struct fhir_spot *spot, struct place root,
                     const struct item *item)
{
    if (c->quiet) {
        if (!tree_conforms(c, spot, root, item))
            c->has_failed = true;
        return;
    }
    uint64_t *answer = answer_of(c, root, item);
    if (!answer || (*answer & LOUD_DONE))
        return;
    *answer |= LOUD_DONE;
    if (!place_allows(root, item)) {
        tree_error(c, spot, root, item_where(item), "structure",
                   "Specified profile type was '%.*s', but found type '%.*s'",
                   SLICE_ARGS(image_slice(root.image, root.definition->type)),
                   SLICE_ARGS(item->type->name));
        return;
    }
    tree_place(c, spot, root, item);
}

bool tree_fits(struct profile_check *c, const struct fhir_spot *spot, struct place place,
               const struct item *item)
{
    bool outer = c->has_failed;
    c->has_failed = false;
    c->quiet++;
    tree_place(c, spot, place, item);
    c->quiet--;
    bool fits = !c->has_failed;
    c->has_failed = outer;
    return fits;
}

bool tree_conforms(struct profile_check *c, const struct fhir_spot *spot, struct place root,
                   const struct item *item)
{
    uint64_t *answer = answer_of(c, root, item);
    uint64_t known = answer ? *answer % LOUD_DONE : ANSWER_NO;
    if (known != ANSWER_UNKNOWN)
        return known != ANSWER_NO; /* one that is being asked for is taken to hold */
    uint64_t loud = *answer & LOUD_DONE;
    *answer |= ANSWER_RUNNING;
    bool fits = place_allows(root, item) && tree_fits(c, spot, root, item);
    set_answer(c, root, item, (enum answer)((fits ? ANSWER_YES : ANSWER_NO) | loud));
    return fits;
}
