/* fhir/validate_rules.c - invariants: compiled once, run with a budget. */
#include "fhir/validate.h"

#include <stdio.h>

struct fhir_rules {
    const struct fhirpath **paths; /* by place in fhir_invariants; NULL: done by hand */
};

/* What the walk checks itself, quicker than their expressions can: that there is
 * a value or a child, "#id" against the contained resources and these against what
 * names them, the XHTML. */
static bool is_by_hand(const struct invariant *rule)
{
    static const char *const keys[] = { "dom-3", "ele-1", "ref-1", "txt-1", "txt-2" };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        if (slice_is(rule->key, keys[i]))
            return true;
    return false;
}

enum err fhir_rules_compile(struct arena *arena, const struct fhir_rules **ret_rules)
{
    struct fhir_rules *rules = arena_alloc(arena, sizeof *rules);
    if (!rules)
        return ERR_NO_MEMORY;
    rules->paths = arena_array(arena, fhir_invariant_total, sizeof *rules->paths);
    if (!rules->paths)
        return ERR_NO_MEMORY;
    for (uint16_t i = 0; i < fhir_invariant_total; i++)
        if (!is_by_hand(&fhir_invariants[i]))
            TRY(fhirpath_compile(fhir_invariants[i].expression, arena, &rules->paths[i], NULL));
    *ret_rules = rules;
    return ERR_NONE;
}

bool fhir_invariant_is_known(struct slice key)
{
    for (uint16_t i = 0; i < fhir_invariant_total; i++)
        if (!fhir_invariants[i].profile.length && slice_equal(fhir_invariants[i].key, key))
            return true;
    return false;
}

enum { STEPS_EACH = 1000000 };

static void report_rule(struct fhir_check *c, const struct fhir_spot *spot, struct json where,
                        const struct invariant *rule)
{
    char text[1200], profile[200] = "";
    bool has_profile = rule->profile.length > 0;
    if (has_profile)
        snprintf(profile, sizeof profile, "http://hl7.org/fhir/StructureDefinition/%.*s|4.0.1",
                 SLICE_ARGS(rule->profile));
    snprintf(text, sizeof text, "Constraint failed: %.*s: '%.*s'%s%s%s", SLICE_ARGS(rule->key),
             SLICE_ARGS(rule->human), has_profile ? " (defined in " : "", profile,
             has_profile ? ")" : "");
    const struct fhir_finding finding = { .severity = rule->is_error ? ISSUE_ERROR : ISSUE_WARNING,
                                          .code = "invariant",
                                          .key = rule->key,
                                          .text = slice_cstr(text),
                                          .where = where,
                                          .profile = slice_cstr(profile) };
    fhir_check_report(c, spot, &finding);
}

static void run_rule(struct fhir_check *c, const struct fhir_spot *spot, struct fhir_item item,
                     uint16_t at)
{
    const struct invariant *rule = &fhir_invariants[at];
    const struct fhirpath *path = c->options->rules->paths[at];
    if (!path || c->steps_left == 0 || (!rule->is_error && c->options->is_errors_only))
        return;
    struct arena_mark mark = arena_mark(c->scratch);
    uint64_t used = 0;
    struct fhirpath_host host = { .now_us = c->options->now_us,
                                  .steps = MIN(c->steps_left, (uint64_t)STEPS_EACH),
                                  .ret_steps = &used,
                                  .resource = c->resource,
                                  .root = c->root,
                                  .as_filters = true };
    struct fhirpath_result result = { .count = 0 };
    enum err err = fhirpath_evaluate(path, item, &host, c->scratch, &result, NULL);
    /* Nothing is no violation: R4's rules say fullUrl.contains(...).not() of what
     * need not be there. */
    bool holds =
        result.count != 1 || result.values[0].kind != FHIRPATH_BOOLEAN || result.values[0].boolean;
    arena_rewind(c->scratch, mark);
    c->steps_left -= MIN(used, c->steps_left);
    if (err == ERR_LIMIT || err == ERR_NO_MEMORY || c->steps_left == 0) {
        c->steps_left = err == ERR_LIMIT && c->steps_left > STEPS_EACH ? c->steps_left : 0;
        if (!c->is_tired)
            check_report(c, spot, item.value, ISSUE_WARNING, "too-costly", rule->key,
                         "Rule %.*s was not checked: it would take too long",
                         SLICE_ARGS(rule->key));
        c->is_tired = true;
        return;
    }
    /* An expression fails on what has the wrong shape, which is reported already. */
    if (!holds && !err)
        report_rule(c, spot, item.value, rule);
}

/* Is the rule for the type itself, or for this element of it? */
static bool is_for(const struct invariant *rule, const struct fhir_element *element)
{
    if (!element)
        return rule->element.length == 0;
    return rule->element.length > 0 && (slice_equal(rule->element, element->name) ||
                                        slice_equal(rule->element, element->choice));
}

static void run_rules(struct fhir_check *c, const struct fhir_spot *spot, struct fhir_item item,
                      const struct fhir_type *type, const struct fhir_element *element)
{
    const struct invariant_list *list = &fhir_type_invariants[type->id];
    for (uint16_t i = 0; i < list->count; i++)
        if (is_for(&fhir_invariants[list->first + i], element))
            run_rule(c, spot, item, (uint16_t)(list->first + i));
}

void check_invariants(struct fhir_check *c, const struct fhir_spot *spot, struct fhir_item item,
                      const struct fhir_type *holder)
{
    if (!c->options->rules)
        return;
    for (uint16_t id = item.type->id; id != FHIR_NO_TYPE; id = fhir_types[id].base)
        run_rules(c, spot, item, &fhir_types[id], NULL);
    if (holder && item.element)
        run_rules(c, spot, item, holder, item.element);
}
