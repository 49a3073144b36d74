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
    TRY(terminology_in_system(run->options->terminology, &code, arena, &answer));
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
