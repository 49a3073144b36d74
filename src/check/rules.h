/* check/rules.h - inside of check/: the run of a check, and its rules of types. */
#ifndef CHECK_RULES_H
#define CHECK_RULES_H

#include "base/map.h"
#include "base/regex.h"
#include "check/check.h"

struct bundle_entries;

struct check_run {
    const struct check_options *options;
    const struct fhir_validate_hooks *profiles; /* NULL: none */
    struct profile_check *profile_check;        /* whose they are */
    const struct profile_codes *codes;
    struct arena *arena;
    uint64_t steps_left; /* of the rules here, all together */
    bool is_tired;
    bool has_all_anchors;   /* the next is filled */
    struct map all_anchors; /* what links may lead to in the whole of what is checked */
    const struct bundle_entries *entries; /* of the outermost Bundle; NULL: it is none */
    struct arena kept;      /* until the run's end: the texts of these; `arena` is rewound */
};

/* One finding. `key` names the rule for programs; the text is the official
 * validator's where clients match on it. */
void rule_report(struct check_run *run, const struct fhir_subject *s,
                 const struct fhir_spot *spot, struct json where, enum issue_severity severity,
                 const char *code, const char *format, ...) PRINTF_LIKE(7, 8);
#define rule_error(run, s, spot, where, ...)                                                       \
    rule_report((run), (s), (spot), (where), ISSUE_ERROR, "invalid", __VA_ARGS__)

/* False when the work is more than may be: said once, as a warning. */
bool rule_spend(struct check_run *run, const struct fhir_subject *s, uint64_t steps);

/* The member's place under another. */
static inline struct fhir_spot spot_of(const struct fhir_spot *parent, struct slice name)
{
    return (struct fhir_spot){ .parent = parent, .name = name };
}
static inline struct fhir_spot spot_at(const struct fhir_spot *parent, struct slice name,
                                       uint32_t index)
{
    return (struct fhir_spot){
        .parent = parent, .name = name, .index = index, .has_index = true
    };
}

/* Begins with a scheme. */
bool url_is_absolute(struct slice url);

/* Each is for the resource that `s` is about. */
typedef enum err check_rule(struct check_run *run, const struct fhir_subject *s);
check_rule rule_answers;       /* QuestionnaireResponse: answers.c */
check_rule rule_bundle;        /* bundle.c */
check_rule rule_code_system;   /* codes.c */
check_rule rule_questionnaire; /* questionnaire.c */
check_rule rule_structure;     /* StructureDefinition: structure.c */
check_rule rule_value_set;     /* codes.c */
check_rule rule_narrative;     /* of every type that has one: narrative.c */

/* A Coding against the code system that it names; coding.c. */
MUST_USE enum err check_coding(struct check_run *run, const struct fhir_subject *s);

/* A Coding, CodeableConcept or code against the value set that base R4 binds it to
 * extensibly: codes of other sets are warnings. */
MUST_USE enum err check_binding(struct check_run *run, const struct fhir_subject *s);

#endif
