/* profile/check_extension.c - extensions by their url: where they stand, what they are. */
#include "profile/check.h"

static bool is_or_derives(const struct fhir_type *type, struct slice name)
{
    for (; type; type = type->base == FHIR_NO_TYPE ? NULL : fhir_type_at(type->base))
        if (slice_equal(type->name, name))
            return true;
    return false;
}

/* Does the path that the expression has behind its type lead from `at` down to the
 * holder? `names` are those of the spots between, the outermost last. */
static bool is_path(const struct slice *names, uint32_t count, struct slice rest)
{
    while (count > 0 && rest.bytes) {
        struct slice part = slice_cut(&rest, '.');
        struct slice stem = element_stem(part);
        if (!slice_equal(stem.length > 0 ? stem : part, names[--count]))
            return false;
    }
    return count == 0 && !rest.bytes;
}

/* A backbone's type is named by its path, "Questionnaire.item", and may hold itself. */
static bool is_in_backbone(const struct fhir_type *type, const struct slice *names, uint32_t count,
                           struct slice expression)
{
    if (!slice_starts_with(expression, type->name))
        return false;
    struct slice rest = slice_from(expression, type->name.length);
    if (rest.length == 0)
        return count == 0;
    return rest.bytes[0] == '.' && is_path(names, count, slice_from(rest, 1));
}

enum { CONTEXT_DEPTH_MAX = 64 };

static bool is_element_context(const struct fhir_subject *s, struct slice expression)
{
    struct slice names[CONTEXT_DEPTH_MAX], rest = expression, head = slice_cut(&rest, '.');
    uint32_t count = 0;
    const struct fhir_spot *spot = s->spot->parent;
    if (slice_is(expression, "Element") || slice_starts_with(expression, SLICE("http")))
        return true; /* anywhere, and places in profiles */
    const struct fhir_type *type = s->holder.type;
    for (; spot && count < CONTEXT_DEPTH_MAX; spot = spot->parent) {
        /* A resource's spot has the abstract type that its element declares. */
        bool is_resource = !type || type->kind == FHIR_RESOURCE;
        if (is_resource)
            type = fhir_resource_find(json_string_raw(json_member(s->resource, "resourceType")));
        if (is_or_derives(type, head) && is_path(names, count, rest))
            return true;
        if (type && type->kind == FHIR_BACKBONE && is_in_backbone(type, names, count, expression))
            return true;
        if (is_resource)
            break;
        names[count++] = spot->name;
        type = spot->parent ? spot->parent->type : NULL;
    }
    return false;
}

/* ---- contexts that are expressions ---- */

static bool find_extension(void *context, struct slice name, struct fhir_item *ret_item)
{
    const struct fhir_subject *s = context;
    if (!slice_is(name, "extension"))
        return false;
    *ret_item = s->item;
    return true;
}

/* The expression's values, seen from `root`; false: it told nothing. */
static bool run_expression(struct profile_check *c, const struct fhir_subject *s,
                           struct place place, uint32_t rule, struct fhir_item root,
                           struct fhirpath_result *ret)
{
    const struct fhirpath *path = set_rule(c->options.set, place.image, rule);
    struct fhir_subject subject = *s;
    uint64_t used = 0;
    const struct fhirpath_host host = { .context = &subject,
                                        .now_us = c->options.now_us,
                                        .steps = MIN(c->rule_steps_left, (uint64_t)100000),
                                        .ret_steps = &used,
                                        .resource = s->resource,
                                        .root = c->root,
                                        .as_filters = true,
                                        .variable = find_extension };
    if (!path || host.steps == 0)
        return false;
    enum err err = fhirpath_evaluate(path, root, &host, &c->scratch, ret, NULL);
    c->rule_steps_left -= MIN(used, c->rule_steps_left);
    return err == ERR_NONE;
}

static struct fhir_item item_of_resource(struct json resource)
{
    struct slice name = json_string_raw(json_member(resource, "resourceType"));
    return (struct fhir_item){ .value = resource, .type = fhir_resource_find(name) };
}

/* Does the expression select the holder, seen from the resource? */
static bool is_selected(struct profile_check *c, const struct fhir_subject *s, struct place root,
                        uint32_t rule)
{
    struct fhirpath_result result = { .count = 0 };
    struct fhir_item item = item_of_resource(s->resource);
    bool is_it = false;
    struct arena_mark mark = arena_mark(&c->scratch);
    if (!item.type || !run_expression(c, s, root, rule, item, &result))
        is_it = true; /* what cannot be asked is not held against it */
    for (size_t i = 0; i < result.count && !is_it; i++) {
        const struct fhirpath_value *v = &result.values[i];
        is_it = v->kind == FHIRPATH_ELEMENT &&
                ((json_exists(v->item.value) && v->item.value.at == s->holder.value.at) ||
                 (json_exists(v->sibling) && v->sibling.at == s->holder.value.at));
    }
    arena_rewind(&c->scratch, mark);
    return is_it;
}

/* Rules about where it stands, seen from the holder. */
static void check_invariants(struct profile_check *c, const struct fhir_subject *s,
                             struct place root, struct slice url)
{
    const struct image_definition *d = root.definition;
    for (uint32_t i = 0; i < d->invariants.count && !tree_is_over(c); i++) {
        struct fhirpath_result result = { .count = 0 };
        uint32_t rule = d->invariants.first + i;
        struct arena_mark mark = arena_mark(&c->scratch);
        bool is_told = run_expression(c, s, root, rule, s->holder, &result);
        bool holds = !is_told || (result.count == 1 && (result.values[0].kind != FHIRPATH_BOOLEAN ||
                                                        result.values[0].boolean));
        arena_rewind(&c->scratch, mark);
        if (!holds)
            tree_error(
                c, s->spot->parent, root, s->item.value, "structure",
                "The extension %.*s is not allowed to be used at this point (based on "
                "context invariant '%.*s')",
                SLICE_ARGS(url),
                SLICE_ARGS(image_slice(root.image, image_rule_at(root.image, rule)->expression)));
    }
}

/* ---- where it stands ---- */

static bool is_context(struct profile_check *c, const struct fhir_subject *s, struct place root,
                       uint32_t at)
{
    const struct image_context *context = image_context_at(root.image, at);
    struct slice expression = image_slice(root.image, context->expression);
    switch ((enum image_context_type)context->type) {
    case CONTEXT_ELEMENT:
        return is_element_context(s, expression);
    case CONTEXT_EXTENSION:
        return s->holder.type && s->holder.type->id == FHIR_TYPE_EXTENSION &&
               json_string_is(json_member(s->holder.value, "url"), expression);
    case CONTEXT_FHIRPATH:
        return is_selected(c, s, root, context->rule);
    }
    return true;
}

static void check_contexts(struct profile_check *c, const struct fhir_subject *s, struct place root,
                           struct slice url)
{
    const struct image_definition *d = root.definition;
    struct slice names = SLICE("");
    for (uint32_t i = 0; i < d->contexts.count; i++)
        if (is_context(c, s, root, d->contexts.first + i))
            return;
    if (d->contexts.count == 0)
        return;
    for (uint32_t i = 0; i < d->contexts.count && i < 20; i++) {
        const struct image_context *context = image_context_at(root.image, d->contexts.first + i);
        names = arena_printf(&c->kept, "%.*s%s%.*s", SLICE_ARGS(names), i ? ", " : "",
                             SLICE_ARGS(image_slice(root.image, context->expression)));
    }
    struct slice type = s->holder.type ? s->holder.type->name : SLICE("?");
    tree_error(c, s->spot->parent, root, s->item.value, "structure",
               "The extension %.*s is not allowed to be used at this point (allowed = %.*s; this "
               "element is %.*s)",
               SLICE_ARGS(url), SLICE_ARGS(names), SLICE_ARGS(type));
}

/* Of a complex extension: its parts' urls are names that its definition lists. */
static void check_part(struct profile_check *c, const struct fhir_subject *s, struct slice url)
{
    struct slice outer = json_string(json_member(s->holder.value, "url"), &c->scratch);
    struct place root = outer.bytes ? set_find(c->options.set, outer, check_package(c, s))
                                    : (struct place){ NULL, NULL, NULL };
    if (!s->holder.type || s->holder.type->id != FHIR_TYPE_EXTENSION || !root.node)
        return;
    struct place list = place_child(c, root, SLICE("extension"));
    for (uint32_t i = 0; list.node && i < list.node->slices.count; i++) {
        struct place slice = list;
        slice.node = image_node_at(list.image, list.node->slices.first + i);
        struct place own = place_child(c, slice, SLICE("url"));
        if (slice_equal(image_slice(slice.image, slice.node->slice_name), url) ||
            (own.node && json_string_is(image_value(own.image, own.node->fixed), url)))
            return;
    }
    tree_error(c, s->spot, root, s->item.value, "structure",
               "Sub-extension url '%.*s' is not defined by the Extension %.*s", SLICE_ARGS(url),
               SLICE_ARGS(outer));
}

static void check_modifier(struct profile_check *c, const struct fhir_subject *s, struct place root,
                           struct slice url)
{
    bool as_modifier = slice_is(s->spot->name, "modifierExtension");
    bool is_modifier = root.definition->flags & DEFINITION_IS_MODIFIER;
    if (is_modifier && !as_modifier)
        tree_error(c, s->spot, root, s->item.value, "structure",
                   "The Extension '%.*s' must not be used as an extension (it's a "
                   "modifierExtension)",
                   SLICE_ARGS(url));
    if (as_modifier && !is_modifier)
        tree_error(c, s->spot, root, s->item.value, "structure",
                   "The Extension '%.*s' must not be used as a modifierExtension (it's a regular "
                   "extension)",
                   SLICE_ARGS(url));
}

/* Made from other versions' elements, or of HL7's own tools: never in a package. */
static bool is_of_hl7(struct slice url)
{
    struct slice base = SLICE("http://hl7.org/fhir/"), rest = slice_from(url, base.length);
    return slice_starts_with(url, base) && rest.length > 0 &&
           ((rest.bytes[0] >= '1' && rest.bytes[0] <= '9') ||
            slice_starts_with(rest, SLICE("tools/")));
}

static void check_url(struct profile_check *c, const struct fhir_subject *s, struct slice url)
{
    const struct image *package = check_package(c, s);
    struct slice rest = url;
    struct place root = set_find(c->options.set, slice_cut(&rest, '|'), package),
                 nowhere = { NULL, NULL, NULL };
    if (slice_find_byte(url, ':') < 0) {
        check_part(c, s, url);
        return;
    }
    ptrdiff_t bar = slice_find_byte(url, '|');
    if (bar > 0 && root.node) {
        struct fhir_spot spot = { .parent = s->spot, .name = SLICE("url") };
        tree_error(c, s->spot, root, s->item.value, "structure",
                   "The extension URL must not contain a version");
        tree_error(c, &spot, root, json_member(s->item.value, "url"), "value",
                   "Value is '%.*s' but is fixed to '%.*s' in the profile %.*s",
                   SLICE_ARGS(slice_head(url, 300)), SLICE_ARGS(slice_head(url, (size_t)bar)),
                   SLICE_ARGS(place_profile(c, root)));
        return;
    }
    bool is_extension = root.node && (root.definition->flags & DEFINITION_IS_EXTENSION);
    if (!is_extension && c->options.unknown_extension_is_error && !is_of_hl7(url)) {
        tree_error(c, s->spot, nowhere, s->item.value, "structure",
                   "The extension %.*s could not be found so is not allowed here",
                   SLICE_ARGS(slice_head(url, 400)));
        return;
    }
    if (!is_extension) {
        if (slice_is(s->spot->name, "modifierExtension"))
            tree_report(c, s->spot, nowhere, s->item.value, ISSUE_WARNING, "not-found", SLICE_NONE,
                        "Unknown modifier extension '%.*s'", SLICE_ARGS(slice_head(url, 400)));
        return;
    }
    struct item item = check_item(s);
    check_modifier(c, s, root, url);
    check_contexts(c, s, root, url);
    check_invariants(c, s, root, url);
    tree_definition(c, s->spot, root, &item);
}

enum err check_extension(void *context, const struct fhir_subject *s)
{
    struct profile_check *c = context;
    bool was_tired = c->is_tired;
    check_enter(c, s);
    struct arena_mark mark = arena_mark(&c->scratch);
    struct slice url = json_string(json_member(s->item.value, "url"), &c->scratch);
    if (url.length > 0 && !tree_is_over(c) && tree_spend(c, s->spot, 10))
        check_url(c, s, url);
    arena_rewind(&c->scratch, mark);
    return check_leave(c, s, was_tired);
}
