/* What stands behind the ':' of a parameter's name. */
#include "search/compile.h"

struct modifier_row {
    struct slice name;
    enum modifier modifier;
    uint8_t param_type; /* enum fhir_param_type it fits */
};

static const struct modifier_row modifiers[] = {
    { SLICE_INIT("exact"), MODIFIER_EXACT, FHIR_PARAM_STRING },
    { SLICE_INIT("contains"), MODIFIER_CONTAINS, FHIR_PARAM_STRING },
    { SLICE_INIT("not"), MODIFIER_NOT, FHIR_PARAM_TOKEN },
    { SLICE_INIT("below"), MODIFIER_BELOW, FHIR_PARAM_URI },
    { SLICE_INIT("identifier"), MODIFIER_IDENTIFIER, FHIR_PARAM_REFERENCE },
};

/* Modifiers of R4 that are still to come, so that the refusal can say so. */
static const struct slice later[] = {
    SLICE_INIT("text"),  SLICE_INIT("in"),      SLICE_INIT("not-in"), SLICE_INIT("above"),
    SLICE_INIT("below"), SLICE_INIT("of-type"), SLICE_INIT("iterate"),
};

bool reference_has_target(const struct fhir_param *param, const struct fhir_type *type)
{
    bool is_any = param->target_count == 0;
    for (size_t i = 0; i < param->target_count; i++)
        is_any |= param->targets[i] == type->id ||
                  fhir_type_at(param->targets[i])->is_abstract;
    return is_any;
}

static enum err parse_target(struct compiler *c, const struct fhir_type *target)
{
    if (!reference_has_target(c->param, target))
        return issues_fail(c->issues, ERR_INVALID, "invalid",
                           "The parameter '%.*s' never refers to the type %.*s.",
                           SLICE_ARGS(c->param->code), SLICE_ARGS(target->name));
    c->modifier = MODIFIER_TYPE;
    c->target = target;
    return ERR_NONE;
}

static enum err refuse(struct compiler *c, struct slice text)
{
    for (size_t i = 0; i < ARRAY_COUNT(later); i++)
        if (slice_equal(later[i], text))
            return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                               "The modifier ':%.*s' of the parameter '%.*s' is not supported.",
                               SLICE_ARGS(text), SLICE_ARGS(c->param->code));
    struct slice fits[2] = { SLICE_NONE, SLICE_NONE };
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(modifiers) && count < 2; i++)
        if (modifiers[i].param_type == c->param->type)
            fits[count++] = modifiers[i].name;
    return issues_fail(c->issues, ERR_INVALID, "invalid",
                       "Unknown modifier ':%.*s' of the parameter '%.*s'; known are "
                       ":missing%s%.*s%s%.*s%s.",
                       SLICE_ARGS(slice_head(text, SEARCH_SHOWN_BYTES)),
                       SLICE_ARGS(c->param->code), count > 0 ? ", :" : "", SLICE_ARGS(fits[0]),
                       count > 1 ? ", :" : "", SLICE_ARGS(fits[1]),
                       c->param->type == FHIR_PARAM_REFERENCE ? " and :[Type]" : "");
}

enum err modifier_parse(struct compiler *c, struct slice text)
{
    if (c->param->type == FHIR_PARAM_COMPOSITE)
        return issues_fail(c->issues, ERR_INVALID, "invalid",
                           "The composite parameter '%.*s' takes no modifier.",
                           SLICE_ARGS(c->param->code));
    if (slice_is(text, "missing")) {
        c->modifier = MODIFIER_MISSING;
        return ERR_NONE;
    }
    for (size_t i = 0; i < ARRAY_COUNT(modifiers); i++) {
        if (modifiers[i].param_type != c->param->type || !slice_equal(modifiers[i].name, text))
            continue;
        c->modifier = modifiers[i].modifier;
        return ERR_NONE;
    }
    if (c->param->type == FHIR_PARAM_REFERENCE) {
        const struct fhir_type *target = fhir_resource_find(text);
        if (target)
            return parse_target(c, target);
    }
    return refuse(c, text);
}
