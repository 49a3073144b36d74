/* What stands behind the ':' of a parameter's name. */
#include "search/compile.h"

#include "base/buf.h"

struct modifier_row {
    struct slice name;
    enum modifier modifier;
    uint8_t param_type; /* enum fhir_param_type it fits */
    bool is_common;     /* a narrow dialect has it, too */
};

static const struct modifier_row modifiers[] = {
    { SLICE_INIT("exact"), MODIFIER_EXACT, FHIR_PARAM_STRING, true },
    { SLICE_INIT("contains"), MODIFIER_CONTAINS, FHIR_PARAM_STRING, true },
    { SLICE_INIT("text"), MODIFIER_TEXT, FHIR_PARAM_STRING, false },
    { SLICE_INIT("not"), MODIFIER_NOT, FHIR_PARAM_TOKEN, true },
    { SLICE_INIT("text"), MODIFIER_TEXT, FHIR_PARAM_TOKEN, true },
    { SLICE_INIT("in"), MODIFIER_IN, FHIR_PARAM_TOKEN, false },
    { SLICE_INIT("not-in"), MODIFIER_NOT_IN, FHIR_PARAM_TOKEN, false },
    { SLICE_INIT("above"), MODIFIER_ABOVE, FHIR_PARAM_TOKEN, false },
    { SLICE_INIT("below"), MODIFIER_BELOW, FHIR_PARAM_TOKEN, false },
    { SLICE_INIT("of-type"), MODIFIER_OF_TYPE, FHIR_PARAM_TOKEN, false },
    { SLICE_INIT("above"), MODIFIER_ABOVE, FHIR_PARAM_URI, false },
    { SLICE_INIT("below"), MODIFIER_BELOW, FHIR_PARAM_URI, true },
    { SLICE_INIT("identifier"), MODIFIER_IDENTIFIER, FHIR_PARAM_REFERENCE, true },
    { SLICE_INIT("above"), MODIFIER_ABOVE, FHIR_PARAM_REFERENCE, false },
    { SLICE_INIT("below"), MODIFIER_BELOW, FHIR_PARAM_REFERENCE, false },
};

static enum err parse_target(struct compiler *c, const struct fhir_type *target)
{
    if (!fhir_param_has_target(c->param, target))
        return issues_fail(c->issues, ERR_INVALID, "invalid",
                           "The parameter '%.*s' never refers to the type %.*s.",
                           SLICE_ARGS(c->param->code), SLICE_ARGS(target->name));
    c->modifier = MODIFIER_TYPE;
    c->target = target;
    return ERR_NONE;
}

static enum err refuse(struct compiler *c, struct slice text)
{
    struct buf known;
    buf_init(&known, 400);
    buf_append_cstr(&known, ":missing");
    for (size_t i = 0; i < ARRAY_COUNT(modifiers); i++)
        if (modifiers[i].param_type == c->param->type &&
            (modifiers[i].is_common || !dialect_is_narrow(c)))
            buf_printf(&known, ", :%.*s", SLICE_ARGS(modifiers[i].name));
    if (c->param->type == FHIR_PARAM_REFERENCE)
        buf_append_cstr(&known, " and :[Type]");
    enum err err =
        issues_fail(c->issues, ERR_INVALID, "invalid",
                    "Unknown modifier ':%.*s' of the parameter '%.*s'; known are %.*s.",
                    SLICE_ARGS(slice_head(text, SEARCH_SHOWN_BYTES)), SLICE_ARGS(c->param->code),
                    SLICE_ARGS(buf_slice(&known)));
    buf_release(&known);
    return err;
}

enum err modifier_parse(struct compiler *c, struct slice text)
{
    if (c->param->type == FHIR_PARAM_COMPOSITE)
        return issues_fail(c->issues, ERR_INVALID, "invalid",
                           "The composite parameter '%.*s' takes no modifier.",
                           SLICE_ARGS(c->param->code));
    bool has_words = slice_is(c->param->code, "_text") || slice_is(c->param->code, "_content");
    if (has_words || (c->param->type == FHIR_PARAM_SPECIAL && !slice_is(text, "missing")))
        return issues_fail(c->issues, ERR_INVALID, "invalid",
                           "The parameter '%.*s' has no modifier ':%.*s'.",
                           SLICE_ARGS(c->param->code),
                           SLICE_ARGS(slice_head(text, SEARCH_SHOWN_BYTES)));
    if (slice_is(text, "missing")) {
        c->modifier = MODIFIER_MISSING;
        return ERR_NONE;
    }
    for (size_t i = 0; i < ARRAY_COUNT(modifiers); i++) {
        if (modifiers[i].param_type != c->param->type || !slice_equal(modifiers[i].name, text) ||
            (dialect_is_narrow(c) && !modifiers[i].is_common))
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
