/* The store's own search parameters: evaluated one by one, their values made terms by
 * the encoders of R4's. */
#include "index/extract.h"

/* The steps of an evaluation bound its memory for most resources. One that meets the
 * ceiling is as one that takes too many steps; a system that is short of memory shows
 * itself earlier than at so many bytes. */
static const size_t SCRATCH_BYTES = (size_t)256 << 20;
static const size_t SCRATCH_MUCH_BYTES = (size_t)32 << 20;

static enum err visit(void *context, struct fhir_item item)
{
    struct extractor *x = context;
    if (!extract_has_value(item.value) || !extract_is_target(x->param, item))
        return ERR_NONE;
    TRY(extract_item(x, item));
    /* R4's own parameters know the binding when they are asked; an expression's elements
     * are known here alone. */
    return x->param->type == FHIR_PARAM_TOKEN ? extract_implied(x, item) : ERR_NONE;
}

enum err extract_component(struct extractor *x, size_t component, struct fhir_item item,
                           fhir_visit *each, void *context)
{
    if (!custom_is(x->param))
        return fhir_path_visit(x->param->components[component].path, item, each, context);
    bool failed;
    TRY(custom_visit(custom_of(x->param), component + 1, item, &x->budget, &x->scratch, each,
                     context, &failed));
    x->has_failed |= failed;
    return ERR_NONE;
}

/* A resource of which the values cannot be told has none: a part of them would be
 * found by some searches and not by others. */
static enum err extract_one(struct extractor *x, const struct custom_param *p)
{
    size_t before = x->term_count;
    struct fhir_item root = { .value = x->resource, .type = x->type, .resource = x->resource };
    bool failed = false;
    x->param = &p->param;
    x->field = index_field(x->type, p->param.id);
    x->has_failed = false;
    enum err err = custom_visit(p, 0, root, &x->budget, &x->scratch, visit, x, &failed);
    x->has_failed |= failed;
    if (err == ERR_NO_MEMORY && x->scratch.total_bytes > SCRATCH_MUCH_BYTES) {
        x->has_failed = true;
        err = ERR_NONE;
    }
    if (!err && x->has_failed) {
        x->term_count = before;
        custom_failed(p);
        return ERR_NONE;
    }
    bool is_present = x->term_count > before && p->param.type != FHIR_PARAM_COMPOSITE;
    return !err && is_present ? extract_present(x) : err;
}

enum err extract_customs(struct extractor *x)
{
    size_t count;
    const struct custom_param *const *params = custom_params_of(x->customs, x->type, &count);
    enum err err = ERR_NONE;
    if (!count)
        return ERR_NONE;
    custom_budget_init(&x->budget, x->resource);
    arena_init(&x->scratch, SCRATCH_BYTES);
    struct arena_mark mark = arena_mark(&x->scratch);
    for (size_t i = 0; i < count && !err; i++) {
        err = extract_one(x, params[i]);
        arena_rewind(&x->scratch, mark);
    }
    arena_release(&x->scratch);
    return err;
}
