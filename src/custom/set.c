/* custom/set.c - all parameters of a store, by type and code, and by number. */
#include <stdlib.h>

#include "custom/custom.h"

struct list {
    const struct custom_param **params; /* by code */
    size_t count;
};

struct custom_set {
    struct arena arena; /* of this struct, too */
    uint64_t number;
    struct custom_param **all; /* by number */
    size_t count;
    struct list *lists; /* by fhir_type.resource */
};

static const size_t SET_BYTES = (size_t)64 << 20;

static int by_number(const void *a, const void *b)
{
    const struct custom_param *x = *(struct custom_param *const *)a;
    const struct custom_param *y = *(struct custom_param *const *)b;
    return (x->param.id > y->param.id) - (x->param.id < y->param.id);
}

static int by_code(const void *a, const void *b)
{
    const struct custom_param *x = *(const struct custom_param *const *)a;
    const struct custom_param *y = *(const struct custom_param *const *)b;
    return slice_compare(x->param.code, y->param.code);
}

static bool lists_fill(struct custom_set *set, const struct custom_row *rows, size_t count)
{
    size_t types = fhir_resource_count();
    set->lists = arena_array(&set->arena, types, sizeof *set->lists);
    if (!set->lists)
        return false;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < rows[i].type_count; k++)
            set->lists[rows[i].types[k]].count++;
    for (size_t t = 0; t < types; t++) {
        struct list *list = &set->lists[t];
        if (!list->count)
            continue;
        list->params = arena_array(&set->arena, list->count, sizeof *list->params);
        if (!list->params)
            return false;
        list->count = 0;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < rows[i].type_count; k++) {
            struct list *list = &set->lists[rows[i].types[k]];
            list->params[list->count++] = rows[i].param;
        }
    for (size_t t = 0; t < types; t++)
        if (set->lists[t].count)
            qsort(set->lists[t].params, set->lists[t].count, sizeof *set->lists[t].params,
                  by_code);
    return true;
}

struct custom_set *custom_set_make(const struct custom_row *rows, size_t count, uint64_t number)
{
    struct arena own;
    arena_init(&own, SET_BYTES);
    struct custom_set *set = arena_alloc(&own, sizeof *set);
    if (!set)
        return NULL;
    set->arena = own; /* which holds the struct, too */
    set->number = number;
    set->all = arena_array(&set->arena, count, sizeof *set->all);
    if (!set->all || !lists_fill(set, rows, count)) {
        custom_set_free(set);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        set->all[set->count++] = custom_param_ref(rows[i].param);
    qsort(set->all, set->count, sizeof(struct custom_param *), by_number);
    return set;
}

void custom_set_free(struct custom_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        custom_param_unref(set->all[i]);
    struct arena arena = set->arena;
    arena_release(&arena);
}

uint64_t custom_set_number(const struct custom_set *set)
{
    return set ? set->number : 0;
}

const struct custom_param *const *custom_params_of(const struct custom_set *set,
                                                   const struct fhir_type *type,
                                                   size_t *ret_count)
{
    *ret_count = 0;
    if (!set || type->resource == FHIR_NO_TYPE)
        return NULL;
    const struct list *list = &set->lists[type->resource];
    *ret_count = list->count;
    return list->params;
}

const struct fhir_param *custom_find(const struct custom_set *set, const struct fhir_type *type,
                                     struct slice code)
{
    size_t low = 0, high;
    const struct custom_param *const *params = custom_params_of(set, type, &high);
    while (low < high) { /* the code, if there, lies in [low, high) */
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(params[middle]->param.code, code);
        if (order == 0)
            return &params[middle]->param;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct fhir_param *custom_param_find(const struct custom_set *set,
                                           const struct fhir_type *type, struct slice code)
{
    const struct fhir_param *own = custom_find(set, type, code);
    return own ? own : fhir_param_find(type, code);
}

const struct fhir_param *custom_param_at(const struct custom_set *set, uint16_t number)
{
    if (number < CUSTOM_FIRST)
        return fhir_param_at(number);
    for (size_t low = 0, high = set ? set->count : 0; low < high;) {
        size_t middle = low + (high - low) / 2;
        const struct fhir_param *param = &set->all[middle]->param;
        if (param->id == number)
            return param;
        if (param->id < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct custom_param *custom_set_at(const struct custom_set *set, size_t place)
{
    return set && place < set->count ? set->all[place] : NULL;
}
