/* :above and :below of references: `location:below=1` finds what is at Location 1 or
 * at a place that is part of it, at any of 8 levels. What is part of what says the
 * target type's own parameter of that meaning: one of the names below that refers to
 * its own type. */
#include "search/compile.h"

#include "index/index.h"

enum { LEVELS_MAX = 8 };

static const char reference_kind = TERM_REFERENCE;
static const struct slice part_names[] = {
    SLICE_INIT("partof"), SLICE_INIT("part-of"), SLICE_INIT("parent"), SLICE_INIT("based-on"),
};

static const struct fhir_param *part_param(const struct fhir_type *type)
{
    for (size_t i = 0; i < ARRAY_COUNT(part_names); i++) {
        const struct fhir_param *param = fhir_param_find(type, part_names[i]);
        if (param && param->type == FHIR_PARAM_REFERENCE && param->path)
            for (size_t k = 0; k < param->target_count; k++)
                if (param->targets[k] == type->id)
                    return param;
    }
    return NULL;
}

static enum err join(struct compiler *c, enum plan_kind kind, uint32_t field,
                     const struct fhir_type *to, struct plan *inner, struct plan **ret_plan)
{
    struct plan_list one = { 0 };
    uint32_t outer = c->field;
    c->field = field;
    enum err err = plan_leaf(c, kind, slice_of(&reference_kind, 1), ret_plan);
    c->field = outer;
    TRY(err);
    TRY(plan_list_add(c, &one, inner));
    (*ret_plan)->to = to ? to->name : SLICE_NONE;
    (*ret_plan)->children = one.items;
    (*ret_plan)->child_count = 1;
    return ERR_NONE;
}

/* What names it as what it is part of; it need not be here itself. */
static enum err parts(struct compiler *c, uint32_t field, const struct fhir_type *type,
                      struct slice id, struct plan **ret_plan)
{
    uint32_t outer = c->field;
    c->field = field;
    enum err err =
        plan_leaf(c, PLAN_TERM, index_encode_reference(c->arena, type->name, id), ret_plan);
    c->field = outer;
    return err;
}

/* The resource itself, and level by level what is part of it or what it is part of. */
static enum err levels(struct compiler *c, const struct fhir_type *type, struct slice id,
                       struct plan_list *list)
{
    const struct fhir_param *part = part_param(type);
    struct plan *plan;
    TRY(plan_leaf(c, PLAN_ID, type->name, &plan));
    plan->to = id;
    TRY(plan_list_add(c, list, plan));
    for (int i = 0; part && i < LEVELS_MAX; i++) {
        bool is_up = c->modifier == MODIFIER_ABOVE;
        uint32_t field = index_field(type, part->id);
        if (i == 0 && !is_up)
            TRY(parts(c, field, type, id, &plan));
        else
            TRY(join(c, is_up ? PLAN_REFERRED : PLAN_REFERS, field, is_up ? type : NULL, plan,
                     &plan));
        TRY(plan_list_add(c, list, plan));
    }
    return ERR_NONE;
}

/* "Type/id", or an id of the parameter's only target. */
static enum err parse(struct compiler *c, struct slice value, const struct fhir_type **ret_type,
                      struct slice *ret_id)
{
    struct slice text = value_unescape(value, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    struct fhir_reference r = fhir_reference_parse(text);
    const struct fhir_type *type = NULL;
    if (index_reference_is_local(r, c->settings->base_url)) {
        type = fhir_param_has_target(c->param, r.type) ? r.type : NULL;
        *ret_id = r.id;
    } else if (fhir_id_is_valid(text) && c->param->target_count == 1) {
        type = fhir_type_at(c->param->targets[0]);
        *ret_id = text;
    }
    if (!type || type->is_abstract)
        return value_refuse(c, value, "names no resource that the parameter can refer to: expected "
                                      "Type/id");
    *ret_type = type;
    return ERR_NONE;
}

enum err compile_hierarchy(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    const struct fhir_type *type = NULL;
    struct slice id = SLICE_NONE;
    struct plan_list any = { 0 };
    struct slice text = value_unescape(value, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    bool is_url = slice_find_byte(text, ':') > 0 &&
                  !index_reference_is_local(fhir_reference_parse(text), c->settings->base_url);
    if (is_url && c->modifier == MODIFIER_BELOW)
        return canonical_below(c, text, ret_plan);
    TRY(parse(c, value, &type, &id));
    TRY(levels(c, type, id, &any));
    struct plan *all, *plain;
    TRY(plan_join(c, PLAN_OR, &any, &all));
    TRY(join(c, PLAN_REFERS, c->field, NULL, all, ret_plan));
    /* The resource named need not be here. */
    TRY(plan_leaf(c, PLAN_TERM, index_encode_reference(c->arena, type->name, id), &plain));
    return plan_either(c, plain, *ret_plan, ret_plan);
}

/* _list=ID: what the entries of List/ID refer to. */
enum err compile_list(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    const struct fhir_type *list = fhir_resource_find(SLICE("List"));
    const struct fhir_param *item = list ? fhir_param_find(list, SLICE("item")) : NULL;
    struct plan *named;
    if (!item || !item->path)
        return ERR_UNSUPPORTED;
    struct slice id = value;
    if (slice_starts_with(id, SLICE("List/")))
        id = slice_from(id, 5);
    if (!fhir_id_is_valid(id))
        return value_refuse(c, value, "is no id of a List; lists that a server makes by itself "
                                      "($current-...) are not supported");
    TRY(plan_leaf(c, PLAN_ID, list->name, &named));
    named->to = id;
    return join(c, PLAN_REFERRED, index_field(list, item->id), c->type, named, ret_plan);
}
