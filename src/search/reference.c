/* References: Type/id, a bare id, an absolute URL or urn. */
#include "search/compile.h"

#include "index/index.h"

static enum err to_resource(struct compiler *c, const struct fhir_type *type, struct slice id,
                            struct plan **ret_plan)
{
    return plan_leaf(c, PLAN_TERM, index_encode_reference(c->arena, type->name, id), ret_plan);
}

static enum err to_url(struct compiler *c, struct slice url, struct plan **ret_plan)
{
    static const enum term_kind kinds[] = { TERM_REFERENCE_OUTSIDE, TERM_URI, TERM_CANONICAL };
    struct plan_list list = { 0 };
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct plan *plan;
        TRY(plan_leaf(c, PLAN_TERM, index_encode_uri(c->arena, kinds[i], url), &plan));
        TRY(plan_list_add(c, &list, plan));
    }
    return plan_join(c, PLAN_OR, &list, ret_plan);
}

/* ":Patient=23" and, with the same meaning, ":Patient=Patient/23". */
static enum err to_target(struct compiler *c, struct slice text, struct plan **ret_plan)
{
    if (fhir_id_is_valid(text))
        return to_resource(c, c->target, text, ret_plan);
    struct fhir_reference r = fhir_reference_parse(text);
    if (r.type == c->target && r.base.length == 0 && r.version.length == 0 && r.id.length)
        return to_resource(c, c->target, r.id, ret_plan);
    return value_refuse(c, text, "is no id of the type that the modifier names");
}

/* Type/id/_history/n, without the base. */
static struct slice versioned(struct fhir_reference r)
{
    const char *start = r.id.bytes - r.type->name.length - 1;
    const char *end = r.version.bytes + r.version.length;
    return slice_of(start, (size_t)(end - start));
}

enum err compile_reference(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    if (c->modifier == MODIFIER_IDENTIFIER)
        return compile_token(c, value, ret_plan);
    struct slice text = value_unescape(value, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    if (c->modifier == MODIFIER_TYPE)
        return to_target(c, text, ret_plan);

    struct fhir_reference r = fhir_reference_parse(text);
    bool is_local = index_reference_is_local(r, c->settings->base_url);
    if (is_local && r.version.length)
        return plan_leaf(c, PLAN_TERM,
                         index_encode_uri(c->arena, TERM_REFERENCE_OUTSIDE, versioned(r)),
                         ret_plan);
    if (is_local)
        return to_resource(c, r.type, r.id, ret_plan);
    if (fhir_id_is_valid(text))
        return plan_leaf(c, PLAN_PREFIX, index_encode_reference_id_prefix(c->arena, text),
                         ret_plan);
    if (slice_find_byte(text, ':') > 0)
        return to_url(c, text, ret_plan);
    return value_refuse(c, text, "is no reference: expected Type/id, an id or an absolute URL");
}
