/* Building plans in the request's arena. */
#include "search/compile.h"

#include <string.h>

enum err plan_bare(struct compiler *c, enum plan_kind kind, struct plan **ret_plan)
{
    struct plan *plan = arena_alloc(c->arena, sizeof *plan);
    if (!plan)
        return ERR_NO_MEMORY;
    plan->kind = kind;
    *ret_plan = plan;
    return ERR_NONE;
}

enum err plan_tested(struct compiler *c, struct plan *child, store_test *test, void *context,
                     struct plan **ret_plan)
{
    struct plan_list one = { 0 };
    TRY(plan_list_add(c, &one, child));
    TRY(plan_bare(c, PLAN_TEST, ret_plan));
    (*ret_plan)->children = one.items;
    (*ret_plan)->child_count = 1;
    (*ret_plan)->test = test;
    (*ret_plan)->test_context = context;
    return ERR_NONE;
}

enum err plan_leaf(struct compiler *c, enum plan_kind kind, struct slice from,
                   struct plan **ret_plan)
{
    if (!from.bytes)
        return ERR_NO_MEMORY;
    TRY(plan_bare(c, kind, ret_plan));
    (*ret_plan)->field = c->field;
    (*ret_plan)->from = from;
    return ERR_NONE;
}

enum err plan_list_add(struct compiler *c, struct plan_list *list, struct plan *plan)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 4;
        struct plan **items = arena_array(c->arena, room, sizeof(struct plan *));
        if (!items)
            return ERR_NO_MEMORY;
        if (list->count)
            memcpy(items, list->items, list->count * sizeof(struct plan *));
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = plan;
    return ERR_NONE;
}

enum err plan_join(struct compiler *c, enum plan_kind kind, const struct plan_list *list,
                   struct plan **ret_plan)
{
    CHECK(list->count > 0);
    CHECK(kind == PLAN_AND || kind == PLAN_OR);
    if (list->count == 1) {
        *ret_plan = list->items[0];
        return ERR_NONE;
    }
    TRY(plan_bare(c, kind, ret_plan));
    (*ret_plan)->children = list->items;
    (*ret_plan)->child_count = list->count;
    return ERR_NONE;
}

enum err plan_not(struct compiler *c, struct plan *child, struct plan **ret_plan)
{
    struct plan_list list = { 0 };
    TRY(plan_list_add(c, &list, child));
    TRY(plan_bare(c, PLAN_NOT, ret_plan));
    (*ret_plan)->children = list.items;
    (*ret_plan)->child_count = 1;
    return ERR_NONE;
}

enum err plan_either(struct compiler *c, struct plan *a, struct plan *b, struct plan **ret_plan)
{
    struct plan_list list = { 0 };
    TRY(plan_list_add(c, &list, a));
    TRY(plan_list_add(c, &list, b));
    return plan_join(c, PLAN_OR, &list, ret_plan);
}

bool plan_is_typed(const struct plan *plan)
{
    switch (plan->kind) {
    case PLAN_NONE:
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
    case PLAN_ID:
    case PLAN_TEST:
    case PLAN_REFERS:
    case PLAN_REFERRED:
    case PLAN_KNOWN:
        return true;
    case PLAN_ALL:
    case PLAN_SPAN:
    case PLAN_INSTANT:
    case PLAN_CREATED:
    case PLAN_NOT:
        return false;
    case PLAN_AND:
        for (size_t i = 0; i < plan->child_count; i++)
            if (plan_is_typed(plan->children[i]))
                return true;
        return false;
    case PLAN_OR:
        for (size_t i = 0; i < plan->child_count; i++)
            if (!plan_is_typed(plan->children[i]))
                return false;
        return true;
    }
    return false;
}
