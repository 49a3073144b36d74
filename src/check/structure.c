/* check/structure.c - a StructureDefinition's differential fits its base. */
#include "check/rules.h"

struct telling {
    struct check_run *run;
    const struct fhir_subject *s;
};

static void fault_tell(void *context, const struct profile_fault *fault)
{
    struct telling *t = context;
    bool is_warning = fault->is_warning || t->run->options->is_lenient;
    struct fhir_spot differential = spot_of(t->s->spot, SLICE("differential"));
    struct fhir_spot element =
        spot_at(&differential, SLICE("element"), (uint32_t)MAX(fault->element, 0));
    struct fhir_spot slicing = spot_of(&element, SLICE("slicing"));
    struct fhir_spot discriminator =
        spot_at(&slicing, SLICE("discriminator"), (uint32_t)MAX(fault->discriminator, 0));
    const struct fhir_spot *spot = fault->element < 0         ? t->s->spot
                                   : fault->discriminator < 0 ? &element
                                                              : &discriminator;
    rule_report(t->run, t->s, spot, fault->where, is_warning ? ISSUE_WARNING : ISSUE_ERROR,
                "business-rule", "%.*s", SLICE_ARGS(fault->text));
}

enum err rule_structure(struct check_run *run, const struct fhir_subject *s)
{
    struct telling t = { run, s };
    const struct check_options *o = run->options;
    if (!o->set || (o->is_lenient && o->is_errors_only))
        return ERR_NONE;
    return profile_examine(o->set, s->item.value, run->arena, fault_tell, &t);
}
