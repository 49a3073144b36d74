/* fhir/params.c - lookups of search parameters, compartments, dates. */
#include "fhir/tables.h"

#include "base/check.h"

const struct fhir_param *fhir_param_at(uint16_t id)
{
    return id < fhir_param_total ? &fhir_params[id] : NULL;
}

uint16_t fhir_param_count(void)
{
    return fhir_param_total;
}

const struct fhir_param *fhir_component_param(const struct fhir_component *component)
{
    return component->own ? component->own : fhir_param_at(component->param);
}

const uint16_t *fhir_params_of(const struct fhir_type *resource, size_t *ret_count)
{
    *ret_count = 0;
    if (resource->resource == FHIR_NO_TYPE)
        return NULL;
    const struct param_list *list = &fhir_resource_params[resource->resource];
    *ret_count = list->count;
    return list->ids;
}

const struct fhir_param *fhir_param_find(const struct fhir_type *resource, struct slice code)
{
    size_t low = 0, high;
    const uint16_t *ids = fhir_params_of(resource, &high);
    while (low < high) { /* the code, if there, lies in [low, high) */
        size_t middle = low + (high - low) / 2;
        const struct fhir_param *param = &fhir_params[ids[middle]];
        int order = slice_compare(param->code, code);
        if (order == 0)
            return param;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool step_implies(const struct path_step *step, struct slice system, struct slice code)
{
    for (uint16_t i = 0; i < step->row_count; i++) {
        const struct fhir_element *element = &step->rows[i];
        if (element->type == FHIR_TYPE_CODE && system.length > 0 &&
            slice_equal(fhir_code_system(element, code), system))
            return true;
    }
    return false;
}

bool fhir_param_implies_system(const struct fhir_param *param, const struct fhir_type *resource,
                               struct slice system, struct slice code)
{
    for (uint16_t i = 0; param->path && i < param->path->branch_count; i++) {
        const struct path_branch *branch = &param->path->branches[i];
        if (branch->step_count > 0 && type_derives(resource->id, branch->root) &&
            step_implies(&branch->steps[branch->step_count - 1], system, code))
            return true;
    }
    return false;
}

/* The last step of a branch, which selects; NULL of one that is not the resource type's. */
static const struct path_step *selecting_step(const struct path_branch *branch,
                                              const struct fhir_type *resource)
{
    return branch->step_count > 0 && type_derives(resource->id, branch->root)
               ? &branch->steps[branch->step_count - 1]
               : NULL;
}

bool fhir_param_selects(const struct fhir_param *param, const struct fhir_type *resource,
                        uint16_t type)
{
    for (uint16_t i = 0; param->path && i < param->path->branch_count; i++) {
        const struct path_step *last = selecting_step(&param->path->branches[i], resource);
        for (uint16_t k = 0; last && k < last->row_count; k++)
            if (last->rows[k].type == type)
                return true;
    }
    return false;
}

bool fhir_param_selects_resources(const struct fhir_param *param, const struct fhir_type *resource)
{
    for (uint16_t i = 0; param->path && i < param->path->branch_count; i++) {
        const struct path_step *last = selecting_step(&param->path->branches[i], resource);
        for (uint16_t k = 0; last && k < last->row_count; k++)
            if (fhir_type_at(last->rows[k].type)->kind == FHIR_RESOURCE)
                return true;
    }
    return false;
}

bool fhir_param_has_target(const struct fhir_param *param, const struct fhir_type *type)
{
    bool is_any = param->target_count == 0;
    for (size_t i = 0; i < param->target_count; i++)
        is_any |= param->targets[i] == type->id ||
                  fhir_type_at(param->targets[i])->is_abstract;
    return is_any;
}

const struct fhir_type *fhir_compartment_owner(enum fhir_compartment c)
{
    CHECK(c < FHIR_COMPARTMENT_COUNT);
    return &fhir_types[fhir_compartments[c].owner];
}

const uint16_t *fhir_compartment_params(enum fhir_compartment c, const struct fhir_type *resource,
                                        size_t *ret_count)
{
    CHECK(c < FHIR_COMPARTMENT_COUNT);
    *ret_count = 0;
    if (resource->resource == FHIR_NO_TYPE)
        return NULL;
    const struct param_list *list = &fhir_compartments[c].lists[resource->resource];
    *ret_count = list->count;
    return list->ids;
}

const struct fhir_path *fhir_everything_date(const struct fhir_type *resource)
{
    return resource->resource == FHIR_NO_TYPE ? NULL : fhir_everything_dates[resource->resource];
}
