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

void check_enter(struct profile_check *c, const struct fhir_subject *s)
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

enum err check_leave(struct profile_check *c, const struct fhir_subject *s, bool was_tired)
{
    struct place nowhere = { NULL, NULL, NULL };
    if (c->is_tired && !was_tired)
        tree_report(c, s->spot, nowhere, s->item.value, ISSUE_WARNING, "too-costly", SLICE_NONE,
                    "The profiles were not checked to the end: it would take too long");
    return c->failure;
}

struct item check_item(const struct fhir_subject *s)
{
    return (struct item){ .value = s->item.value, .type = s->item.type, .row = s->item.element };
}

/* ---- resources ---- */

static void check_named(struct profile_check *c, const struct fhir_subject *s,
                        const struct fhir_spot *spot, struct json where, struct slice canonical,
                        bool is_asked)
{
    struct place root = set_find(c->options.set, canonical, NULL), nowhere = { NULL, NULL, NULL };
    struct item item = check_item(s);
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

/* Extensions and codes mean their package's version of a definition: that of the first
 * profile of the resource which is known, or of the one that contains it. */
static const struct image *package_of(struct profile_check *c, struct json resource,
                                      struct json outermost)
{
    struct json list = json_member(json_member(resource, "meta"), "profile");
    const struct image *found = NULL;
    struct arena_mark mark = arena_mark(&c->scratch);
    struct json v = c->options.ignores_meta ? JSON_ABSENT : json_first(list);
    for (uint32_t i = 0; json_exists(v) && i < 10 && !found; i++, v = json_next(list, v)) {
        struct slice canonical = json_string(v, &c->scratch);
        if (canonical.bytes)
            found = set_find(c->options.set, canonical, NULL).image;
    }
    for (size_t i = 0; resource.at == outermost.at && i < c->options.profile_count && !found; i++)
        found = set_find(c->options.set, c->options.profiles[i], NULL).image;
    arena_rewind(&c->scratch, mark);
    return found;
}

const struct image *check_package(struct profile_check *c, const struct fhir_subject *s)
{
    if (json_exists(c->package_of) && c->package_of.at == s->resource.at)
        return c->package;
    c->package_of = s->resource;
    c->package = package_of(c, s->resource, s->outermost);
    bool is_contained = json_exists(s->item.resource) && s->item.resource.at != s->resource.at;
    if (!c->package && is_contained)
        c->package = package_of(c, s->item.resource, s->outermost);
    return c->package;
}

struct slice profile_check_package(struct profile_check *check, const struct fhir_subject *s)
{
    return check_package_name(check, check_package(check, s));
}

/* Vital signs meet R4's profiles by their LOINC code, named or not. */
static void check_implied(struct profile_check *c, const struct fhir_subject *s)
{
    struct json list = json_member(json_member(s->item.value, "code"), "coding");
    for (struct json v = json_first(list); json_exists(v) && !tree_is_over(c);
         v = json_next(list, v)) {
        struct item item = check_item(s);
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
    check_enter(c, s);
    if (s->item.value.at == s->outermost.at)
        for (size_t i = 0; i < c->options.profile_count; i++)
            check_named(c, s, s->spot, s->item.value, c->options.profiles[i], true);
    if (!c->options.ignores_meta)
        check_meta(c, s);
    if (c->options.adds_vital_signs)
        check_implied(c, s);
    return check_leave(c, s, was_tired);
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
                                             .extension = check_extension };
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
