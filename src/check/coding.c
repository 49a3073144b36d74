/* check/coding.c - a Coding, or a Quantity's unit, against the code system that it names itself. */
#include "check/rules.h"

enum err check_coding(struct check_run *run, const struct fhir_subject *s)
{
    struct json coding = s->item.value;
    struct arena *arena = run->arena;
    const struct terminology_code code = {
        .system = json_string(json_member(coding, "system"), arena),
        .version = json_string(json_member(coding, "version"), arena),
        .code = json_string(json_member(coding, "code"), arena),
        .display = json_string(json_member(coding, "display"), arena),
    };
    struct terminology_answer answer;
    if (!code.system.length || !code.code.length)
        return ERR_NONE;
    struct terminology *t = run->options->terminology;
    if (run->profile_check) /* several versions of a guide: the one that the resource names */
        t = profile_codes_of(run->codes, profile_check_package(run->profile_check, s));
    TRY(terminology_in_system(t, &code, arena, &answer));
    struct fhir_spot code_spot = spot_of(s->spot, SLICE("code"));
    struct fhir_spot system_spot = spot_of(s->spot, SLICE("system"));
    struct fhir_spot display_spot = spot_of(s->spot, SLICE("display"));
    enum issue_severity wrong =
        run->options->is_lenient ? ISSUE_WARNING : ISSUE_ERROR;
    if (answer.reason == TERMINOLOGY_SUPPLEMENT)
        rule_report(run, s, &system_spot, json_member(coding, "system"), wrong, "invalid",
                    "CodeSystem %.*s is a supplement, so can't be used as a value in Coding.system",
                    SLICE_ARGS(slice_head(code.system, 300)));
    else if (answer.truth == TERMINOLOGY_NO)
        rule_report(run, s, &code_spot, json_member(coding, "code"), wrong, "code-invalid",
                    "Unknown code '%.*s' in the CodeSystem '%.*s'%s%.*s%s",
                    SLICE_ARGS(slice_head(code.code, 100)),
                    SLICE_ARGS(slice_head(code.system, 300)),
                    answer.version.length ? " version '" : "", SLICE_ARGS(answer.version),
                    answer.version.length ? "'" : "");
    else if (answer.is_in_part)
        rule_report(run, s, &code_spot, json_member(coding, "code"), ISSUE_WARNING, "code-invalid",
                    "Unknown Code '%.*s' in the CodeSystem '%.*s' - note that the code system is "
                    "labeled as a fragment, so the code may be valid in some other fragment",
                    SLICE_ARGS(slice_head(code.code, 100)),
                    SLICE_ARGS(slice_head(code.system, 300)));
    else if (answer.truth == TERMINOLOGY_UNKNOWN)
        rule_report(run, s, s->spot, coding, ISSUE_INFORMATION, "not-found",
                    "A definition for CodeSystem '%.*s' could not be found, so the code cannot be "
                    "validated",
                    SLICE_ARGS(slice_head(code.system, 300)));
    else if (answer.has_wrong_display)
        rule_report(run, s, &display_spot, json_member(coding, "display"), wrong, "invalid",
                    "Wrong Display Name '%.*s' for %.*s#%.*s. Valid display is '%.*s'",
                    SLICE_ARGS(slice_head(code.display, 200)),
                    SLICE_ARGS(slice_head(code.system, 300)),
                    SLICE_ARGS(slice_head(code.code, 100)),
                    SLICE_ARGS(slice_head(answer.display, 200)));
    return ERR_NONE;
}

/* ---- extensible bindings ---- */

struct bound {
    struct slice set;
    size_t codes;           /* met */
    bool is_in, is_unknown; /* one is in the set; of one nothing is known */
    struct slice first;     /* "system#code" of one that is not */
};

static enum err try_code(struct check_run *run, struct bound *b, struct json system,
                         struct json code)
{
    const struct terminology_code asked = { .system = json_string(system, run->arena),
                                            .code = json_string(code, run->arena) };
    struct terminology_answer answer;
    if (!asked.code.length)
        return ERR_NONE;
    TRY(terminology_in_value_set(run->options->terminology, b->set, &asked, run->arena, &answer));
    b->is_in |= answer.truth == TERMINOLOGY_YES;
    b->is_unknown |= answer.truth == TERMINOLOGY_UNKNOWN;
    if (b->codes++ == 0)
        b->first = arena_printf(run->arena, "%.*s#%.*s", SLICE_ARGS(slice_head(asked.system, 200)),
                                SLICE_ARGS(slice_head(asked.code, 100)));
    return ERR_NONE;
}

static void report_outside(struct check_run *run, const struct fhir_subject *s,
                           const struct bound *b)
{
    bool is_coding = json_is(s->item.value, JSON_OBJECT);
    const char *more = b->codes > 1 ? ", ..." : "";
    static const char unless[] = "should come from this value set unless it has no suitable code "
                                 "(note that the validator cannot judge what is suitable)";
    if (s->item.element->type == FHIR_TYPE_CODEABLE_CONCEPT)
        rule_report(
            run, s, s->spot, s->item.value, ISSUE_WARNING, "code-invalid",
            "None of the codings provided are in the value set %.*s, and a coding %s (codes "
            "= %.*s%s)",
            SLICE_ARGS(b->set), unless, SLICE_ARGS(b->first), more);
    else
        rule_report(run, s, s->spot, s->item.value, ISSUE_WARNING, "code-invalid",
                    "The %s provided (%s%.*s%s) was not found in the value set %.*s, and a code %s",
                    is_coding ? "Coding" : "value", is_coding ? "" : "'",
                    SLICE_ARGS(is_coding ? b->first : slice_from(b->first, 1)),
                    is_coding ? "" : "'", SLICE_ARGS(b->set), unless);
}

enum err check_binding(struct check_run *run, const struct fhir_subject *s)
{
    struct json v = s->item.value, list = json_member(v, "coding");
    struct bound b = { .set = s->item.element->value_set };
    uint16_t type = s->item.element->type;
    bool is_concept = type == FHIR_TYPE_CODEABLE_CONCEPT;
    if (is_concept)
        for (struct json c = json_first(list); json_exists(c) && !b.is_in; c = json_next(list, c))
            TRY(try_code(run, &b, json_member(c, "system"), json_member(c, "code")));
    else if (json_is(v, JSON_OBJECT))
        TRY(try_code(run, &b, json_member(v, "system"), json_member(v, "code")));
    else
        TRY(try_code(run, &b, JSON_ABSENT, v));
    if (b.is_in || b.is_unknown || (b.codes == 0 && !is_concept))
        return ERR_NONE;
    if (b.codes == 0)
        rule_report(run, s, s->spot, v, ISSUE_WARNING, "code-invalid",
                    "No code provided, and a code should be provided from the value set %.*s",
                    SLICE_ARGS(b.set));
    else
        report_outside(run, s, &b);
    return ERR_NONE;
}
