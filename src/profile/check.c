/* profile/check.c - the hooks of a validation: resources and extensions. */
#include "profile/check.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    ARENA_BYTES = 256 << 20,
    STEPS_BASE = 200000,   /* for all profiles of a resource, and */
    STEPS_PER_NODE = 2000, /* for each node of its tape, */
    STEPS_MAX = 50000000,  /* but never more: a second's work */
    RULE_STEPS_BASE = 3000000,
    RULE_STEPS_PER_NODE = 400,
};

/* ---- findings ---- */

struct slice place_profile(struct profile_check *c, struct place place)
{
    struct slice url = image_slice(place.image, place.definition->url);
    struct slice version = image_slice(place.image, place.definition->version);
    struct slice text = version.length > 0 ? arena_printf(&c->kept, "%.*s|%.*s", SLICE_ARGS(url),
                                                          SLICE_ARGS(version))
                                           : url;
    return text.bytes ? text : url;
}

void tree_report(struct profile_check *c, const struct fhir_spot *spot, struct place place,
                 struct json where, enum issue_severity severity, const char *code,
                 struct slice key, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (c->quiet) {
        c->has_failed = c->has_failed || severity <= ISSUE_ERROR;
        return;
    }
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    length = MIN(MAX(length, 0), (int)sizeof text - 1);
    const struct fhir_finding finding = { .severity = severity,
                                          .code = code,
                                          .key = key,
                                          .text = slice_of(text, (size_t)length),
                                          .where = where,
                                          .profile =
                                              place.node ? place_profile(c, place) : SLICE_NONE };
    fhir_check_report(c->sink, spot, &finding);
}

bool tree_spend(struct profile_check *c, const struct fhir_spot *spot, uint64_t steps)
{
    if (c->steps_left >= steps) {
        c->steps_left -= steps;
        return true;
    }
    c->steps_left = 0;
    c->is_tired = true;
    (void)spot;
    return false;
}

/* ---- what a hook begins with ---- */

static void enter(struct profile_check *c, const struct fhir_subject *s)
{
    c->sink = s->check;
    c->resource = s->resource;
    c->root = json_exists(s->item.resource) ? s->item.resource : s->resource;
    if (json_exists(c->outermost))
        return;
    c->outermost = s->outermost;
    uint64_t nodes = json_node(s->outermost)->next - s->outermost.at;
    c->steps_left = MIN(STEPS_BASE + nodes * STEPS_PER_NODE, (uint64_t)STEPS_MAX);
    c->rule_steps_left = RULE_STEPS_BASE + nodes * RULE_STEPS_PER_NODE;
}

/* Once: that not all was looked at. */
static enum err leave(struct profile_check *c, const struct fhir_subject *s, bool was_tired)
{
    struct place nowhere = { NULL, NULL, NULL };
    if (c->is_tired && !was_tired)
        tree_report(c, s->spot, nowhere, s->item.value, ISSUE_WARNING, "too-costly", SLICE_NONE,
                    "The profiles were not checked to the end: it would take too long");
    return c->failure;
}

static struct item item_of(const struct fhir_subject *s)
{
    return (struct item){ .value = s->item.value, .type = s->item.type, .row = s->item.element };
}

/* ---- resources ---- */

static void check_named(struct profile_check *c, const struct fhir_subject *s,
                        const struct fhir_spot *spot, struct json where, struct slice canonical,
                        bool is_asked)
{
    struct place root = set_find(c->options.set, canonical, NULL), nowhere = { NULL, NULL, NULL };
    struct item item = item_of(s);
    if (root.node) {
        tree_definition(c, s->spot, root, &item);
        return;
    }
    /* The base type's own name says nothing new. */
    struct slice core = SLICE("http://hl7.org/fhir/StructureDefinition/"), rest = canonical;
    struct slice url = slice_cut(&rest, '|');
    if (slice_starts_with(url, core) && s->item.type &&
        slice_equal(slice_from(url, core.length), s->item.type->name))
        return;
    tree_report(c, spot, nowhere, where,
                c->options.unknown_is_error || is_asked ? ISSUE_ERROR : ISSUE_WARNING, "not-found",
                SLICE_NONE,
                "Profile reference '%.*s' has not been checked because it could not be found",
                SLICE_ARGS(slice_head(canonical, 400)));
}

static void check_meta(struct profile_check *c, const struct fhir_subject *s)
{
    struct json list = json_member(json_member(s->item.value, "meta"), "profile");
    struct fhir_spot meta = { .parent = s->spot, .name = SLICE("meta") };
    struct fhir_spot spot = { .parent = &meta, .name = SLICE("profile"), .has_index = true };
    for (struct json v = json_first(list); json_exists(v) && !tree_is_over(c);
         v = json_next(list, v)) {
        struct slice canonical = json_string(v, &c->kept);
        if (canonical.bytes && tree_spend(c, s->spot, 100))
            check_named(c, s, &spot, v, canonical, false);
        spot.index++;
    }
}

/* Vital signs meet R4's profiles by their LOINC code, named or not. */
static void check_implied(struct profile_check *c, const struct fhir_subject *s)
{
    struct json list = json_member(json_member(s->item.value, "code"), "coding");
    for (struct json v = json_first(list); json_exists(v) && !tree_is_over(c);
         v = json_next(list, v)) {
        struct item item = item_of(s);
        struct place root = { NULL, NULL, NULL };
        if (tree_spend(c, s->spot, 10) &&
            json_string_is(json_member(v, "system"), SLICE("http://loinc.org")))
            root = set_implied(c->options.set, json_string_raw(json_member(v, "code")));
        if (root.node && place_allows(root, &item))
            tree_definition(c, s->spot, root, &item);
    }
}

static enum err on_resource(void *context, const struct fhir_subject *s)
{
    struct profile_check *c = context;
    bool was_tired = c->is_tired;
    enter(c, s);
    if (s->item.value.at == s->outermost.at)
        for (size_t i = 0; i < c->options.profile_count; i++)
            check_named(c, s, s->spot, s->item.value, c->options.profiles[i], true);
    if (!c->options.ignores_meta)
        check_meta(c, s);
    if (c->options.adds_vital_signs)
        check_implied(c, s);
    return leave(c, s, was_tired);
}

/* ---- extensions ---- */

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
        /* A backbone's type is named by its path, "Patient.contact". */
        if (type && type->kind == FHIR_BACKBONE && count == 0 &&
            slice_equal(type->name, expression))
            return true;
        if (is_resource)
            break;
        names[count++] = spot->name;
        type = spot->parent ? spot->parent->type : NULL;
    }
    return false;
}

static bool is_context(const struct fhir_subject *s, struct place root, uint32_t at)
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
        break;
    }
    return true; /* an expression over the whole resource: not held against it */
}

static void check_contexts(struct profile_check *c, const struct fhir_subject *s, struct place root,
                           struct slice url)
{
    const struct image_definition *d = root.definition;
    struct slice names = SLICE("");
    for (uint32_t i = 0; i < d->contexts.count; i++)
        if (is_context(s, root, d->contexts.first + i))
            return;
    if (d->contexts.count == 0)
        return;
    for (uint32_t i = 0; i < d->contexts.count && i < 20; i++) {
        const struct image_context *context = image_context_at(root.image, d->contexts.first + i);
        names = arena_printf(&c->kept, "%.*s%s%.*s", SLICE_ARGS(names), i ? ", " : "",
                             SLICE_ARGS(image_slice(root.image, context->expression)));
    }
    struct slice type = s->holder.type ? s->holder.type->name : SLICE("?");
    tree_error(c, s->spot, root, s->item.value, "structure",
               "The extension %.*s is not allowed to be used at this point (allowed = %.*s; this "
               "element is %.*s)",
               SLICE_ARGS(url), SLICE_ARGS(names), SLICE_ARGS(type));
}

/* Of a complex extension: its parts' urls are names that its definition lists. */
static void check_part(struct profile_check *c, const struct fhir_subject *s, struct slice url)
{
    struct slice outer = json_string(json_member(s->holder.value, "url"), &c->scratch);
    struct place root =
        outer.bytes ? set_find(c->options.set, outer, NULL) : (struct place){ NULL, NULL, NULL };
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

static void check_extension(struct profile_check *c, const struct fhir_subject *s, struct slice url)
{
    struct place root = set_find(c->options.set, url, NULL), nowhere = { NULL, NULL, NULL };
    if (slice_find_byte(url, ':') < 0) {
        check_part(c, s, url);
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
    struct item item = item_of(s);
    check_modifier(c, s, root, url);
    check_contexts(c, s, root, url);
    tree_definition(c, s->spot, root, &item);
}

static enum err on_extension(void *context, const struct fhir_subject *s)
{
    struct profile_check *c = context;
    bool was_tired = c->is_tired;
    enter(c, s);
    struct arena_mark mark = arena_mark(&c->scratch);
    struct slice url = json_string(json_member(s->item.value, "url"), &c->scratch);
    if (url.length > 0 && !tree_is_over(c) && tree_spend(c, s->spot, 10))
        check_extension(c, s, url);
    arena_rewind(&c->scratch, mark);
    return leave(c, s, was_tired);
}

/* ---- begin and end ---- */

enum err profile_check_begin(const struct profile_options *options, struct arena *arena,
                             struct profile_check **ret_check)
{
    struct profile_check *c = arena_alloc(arena, sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    c->options = *options;
    c->hooks = (struct fhir_validate_hooks){ .context = c,
                                             .resource = on_resource,
                                             .extension = on_extension };
    arena_init(&c->scratch, ARENA_BYTES);
    arena_init(&c->kept, ARENA_BYTES);
    map_init(&c->answers, UINT32_MAX, (uint64_t)(uintptr_t)c);
    map_init(&c->targets, UINT32_MAX, (uint64_t)(uintptr_t)c);
    *ret_check = c;
    return ERR_NONE;
}

const struct fhir_validate_hooks *profile_check_hooks(struct profile_check *check)
{
    return &check->hooks;
}

void profile_check_end(struct profile_check *check)
{
    map_release(&check->answers);
    map_release(&check->targets);
    arena_release(&check->scratch);
    arena_release(&check->kept);
}
