/* check/check.c - the parts of a validation put together. */
#include "check/bundle.h"

#include <stdarg.h>
#include <stdio.h>

enum { STEPS_BASE = 1000000, STEPS_PER_NODE = 50 };

/* What the official validator asks of particular types, which no definition says. */
static const struct {
    const char *type;
    check_rule *rule;
} RULES[] = {
    { "QuestionnaireResponse", rule_answers },
    { "Questionnaire", rule_questionnaire },
    { "Bundle", rule_bundle },
    { "CodeSystem", rule_code_system },
    { "ValueSet", rule_value_set },
    { "StructureDefinition", rule_structure },
};

void rule_report(struct check_run *run, const struct fhir_subject *s,
                 const struct fhir_spot *spot, struct json where, enum issue_severity severity,
                 const char *code, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (run->options->is_errors_only && severity > ISSUE_ERROR)
        return;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    length = MIN(MAX(length, 0), (int)sizeof text - 1);
    const struct fhir_finding finding = { .severity = severity,
                                          .code = code,
                                          .text = slice_of(text, (size_t)length),
                                          .where = where };
    fhir_check_report(s->check, spot, &finding);
}

bool rule_spend(struct check_run *run, const struct fhir_subject *s, uint64_t steps)
{
    if (run->steps_left >= steps) {
        run->steps_left -= steps;
        return true;
    }
    run->steps_left = 0;
    if (!run->is_tired)
        rule_report(run, s, s->spot, s->item.value, ISSUE_WARNING, "too-costly",
                    "Not all rules of the type were checked: it would take too long");
    run->is_tired = true;
    return false;
}

bool url_is_absolute(struct slice url)
{
    size_t i = 0;
    while (i < url.length && ((url.bytes[i] | 0x20) >= 'a' && (url.bytes[i] | 0x20) <= 'z'))
        i++;
    return i > 0 && i < url.length && url.bytes[i] == ':';
}

/* ---- hooks ---- */

static enum err rule_run(struct check_run *run, const struct fhir_subject *s, check_rule *rule)
{
    struct arena_mark mark = arena_mark(run->arena);
    enum err err = rule(run, s);
    arena_rewind(run->arena, mark);
    return err;
}

static enum err on_resource(void *context, const struct fhir_subject *s)
{
    struct check_run *run = context;
    if (run->profiles)
        TRY(run->profiles->resource(run->profiles->context, s));
    for (size_t i = 0; s->item.type && i < ARRAY_COUNT(RULES); i++)
        if (slice_is(s->item.type->name, RULES[i].type))
            TRY(rule_run(run, s, RULES[i].rule));
    bool is_wanted = !run->options->is_lenient || !run->options->is_errors_only;
    return is_wanted ? rule_run(run, s, rule_narrative) : ERR_NONE;
}

static enum err on_extension(void *context, const struct fhir_subject *s)
{
    const struct check_run *run = context;
    return run->profiles ? run->profiles->extension(run->profiles->context, s) : ERR_NONE;
}

static enum err on_coding(void *context, const struct fhir_subject *s)
{
    struct check_run *run = context;
    struct arena_mark mark = arena_mark(run->arena);
    const struct check_options *o = run->options;
    bool is_wanted = o->terminology && !(o->is_errors_only && o->is_lenient);
    enum err err = is_wanted ? check_coding(run, s) : ERR_NONE;
    arena_rewind(run->arena, mark);
    return err;
}

static enum err on_binding(void *context, const struct fhir_subject *s)
{
    struct check_run *run = context;
    struct arena_mark mark = arena_mark(run->arena);
    enum err err = run->options->terminology ? check_binding(run, s) : ERR_NONE;
    arena_rewind(run->arena, mark);
    return err;
}

/* ---- the run ---- */

/* Full urls alone: what is relative says its type. */
static bool find_entry(void *context, struct slice reference, const struct fhir_type **ret_type)
{
    const struct check_run *run = context;
    const uint64_t *place = map_find(&run->entries->urls, reference);
    *ret_type = place ? run->entries->list[*place].type : NULL;
    return place != NULL;
}

static enum err run_with(struct check_run *run, struct json resource, const struct fhir_type *type)
{
    const struct check_options *o = run->options;
    const struct fhir_validate_hooks hooks = { .context = run,
                                               .resource = on_resource,
                                               .extension = on_extension,
                                               .coding = on_coding,
                                               .binding = on_binding };
    const struct fhir_validate_options options = {
        .rules = o->rules,
        .is_shape_only = o->is_shape_only,
        .is_errors_only = o->is_errors_only,
        .refuses_markup = o->refuses_markup,
        .now_us = o->now_us,
        .found = o->found,
        .context = o->context,
        .hooks = o->is_shape_only ? NULL : &hooks,
        .target = run->entries ? find_entry : o->target,
        .target_context = run->entries ? run : o->target_context,
    };
    return fhir_validate(resource, type, &options, NULL);
}

/* With the profiles that were asked for. */
static enum err run_profiles(struct check_run *run, struct json resource,
                             const struct fhir_type *type)
{
    const struct check_options *o = run->options;
    struct profile_codes codes = { .terminology = o->terminology,
                                   .home = o->home,
                                   .arena = run->arena };
    const struct profile_options asked = {
        .set = o->set,
        .profiles = o->profiles,
        .profile_count = o->profile_count,
        .adds_vital_signs = o->adds_vital_signs,
        .unknown_is_error = o->unknown_is_error,
        .unknown_inner_is_error = o->unknown_inner_is_error,
        .unknown_extension_is_error = o->unknown_extension_is_error,
        .member_of = o->terminology ? profile_member_of : NULL,
        .context = &codes,
        .now_us = o->now_us,
    };
    struct profile_check *profiles = NULL;
    struct arena_mark mark = arena_mark(run->arena);
    enum err err = profile_check_begin(&asked, run->arena, &profiles);
    if (!err) {
        run->profiles = profile_check_hooks(profiles);
        run->profile_check = profiles;
        run->codes = &codes;
        err = run_with(run, resource, type);
        profile_check_end(profiles);
    }
    arena_rewind(run->arena, mark);
    return err;
}

enum err check_run(const struct check_options *o, struct json resource,
                   const struct fhir_type *type, struct arena *arena)
{
    uint64_t nodes = json_exists(resource) ? json_node(resource)->next - resource.at : 0;
    struct check_run run = { .options = o,
                             .arena = arena,
                             .steps_left = STEPS_BASE + nodes * STEPS_PER_NODE };
    map_init(&run.all_anchors, UINT32_MAX, (uint64_t)(uintptr_t)&run);
    arena_init(&run.kept, arena->limit_bytes);
    bool has_profiles = o->set && !o->is_shape_only;
    struct bundle_entries entries;
    enum err err = ERR_NONE;
    map_init(&entries.urls, UINT32_MAX, 0);
    if (!o->is_shape_only && type && slice_is(type->name, "Bundle")) {
        err = bundle_entries_read(resource, &run.kept, &entries);
        run.entries = &entries;
    }
    if (!err)
        err = has_profiles ? run_profiles(&run, resource, type) : run_with(&run, resource, type);
    bundle_entries_release(&entries);
    map_release(&run.all_anchors);
    arena_release(&run.kept);
    return err;
}
