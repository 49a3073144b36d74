/* check/check.h - one whole validation: base R4, profiles, codes, and what the
 * official validator knows of particular types beyond their definitions.
 *
 *   fhir_validate()   members, formats, bindings, invariants     (fhir/)
 *     hooks           profiles of meta.profile and extensions    (profile/)
 *                     codings against their code systems         (terminology/)
 *                     rules of types: rules.h lists them         (here)
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "profile/profile.h"

struct check_options {
    const struct fhir_rules *rules; /* invariants; NULL: none */
    bool is_shape_only;             /* as fhir_validate_options has them */
    bool is_errors_only;
    int64_t now_us;
    void (*found)(void *context, const struct fhir_finding *finding);
    void *context;

    const struct profile_set *set; /* NULL: no profiles */
    const struct slice *profiles;  /* for the outermost resource, besides meta.profile's */
    size_t profile_count;
    bool adds_vital_signs;           /* R4's profiles of vital signs, too, by their code */
    bool unknown_is_error;           /* of meta.profile, no package having it */
    bool unknown_inner_is_error;     /* of those that profiles name */
    bool unknown_extension_is_error; /* an extension that no package defines */

    struct terminology *terminology; /* NULL: codes pass */
    struct profile_home *home;       /* for codes of packages that are not the default */
    bool is_lenient; /* what real records break are warnings: unknown codes outside of
                      * required bindings, links of narratives that lead nowhere */
    bool refuses_markup; /* texts that look like HTML are errors */

    /* The Questionnaire of that canonical, JSON that lives as long as the arena;
     * bytes NULL when there is none. May be NULL: answers are not checked. */
    enum err (*questionnaire)(void *context, struct slice canonical, struct arena *arena,
                              struct slice *ret_text);
    void *questionnaire_context;

    /* As fhir_validate_options has it, for a resource that comes in a Bundle and is
     * checked by itself. A Bundle that is checked whole needs none. */
    bool (*target)(void *context, struct slice reference, const struct fhir_type **ret_type);
    void *target_context;
};

/* Findings go to `found`. Time is linear in the resource, whatever it holds. What
 * the arena gives is given back. ERR_NO_MEMORY; ERR_LIMIT for what is nested too
 * deep. `type` NULL: unknown, an error of its own. */
MUST_USE enum err check_run(const struct check_options *options, struct json resource,
                            const struct fhir_type *type, struct arena *arena);

#endif
