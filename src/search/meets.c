/* A plan against the terms of one resource that no reader sees yet: a transaction
 * asks whether what it writes meets the criteria of its own entries. */
#include "search/search.h"

static bool any_term_fits(const struct plan *p, const struct store_write *w)
{
    for (size_t i = 0; i < w->term_count; i++)
        if (w->terms[i].field == p->field && store_value_fits(p, w->terms[i].value))
            return true;
    return false;
}

static bool children_meet(const struct plan *p, const struct store_write *w, int64_t now,
                          bool all)
{
    for (size_t i = 0; i < p->child_count; i++)
        if (search_meets(p->children[i], w, now) != all)
            return !all;
    return all;
}

bool search_meets(const struct plan *p, const struct store_write *w, int64_t now)
{
    switch (p->kind) {
    case PLAN_ALL:
        return true;
    case PLAN_NONE:
        return false;
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        return any_term_fits(p, w);
    case PLAN_ID:
        return slice_equal(p->from, w->type) && slice_equal(p->to, w->id);
    case PLAN_INSTANT:
    case PLAN_CREATED: /* what is new; what is updated the store alone knows */
        return p->instant_low <= now && now < p->instant_high;
    case PLAN_AND:
        return children_meet(p, w, now, true);
    case PLAN_OR:
        return children_meet(p, w, now, false);
    case PLAN_NOT:
        return !search_meets(p->children[0], w, now);
    case PLAN_SPAN: /* of pages, not of conditions */
    case PLAN_TEST:
    case PLAN_REFERS:
    case PLAN_REFERRED:
    case PLAN_KNOWN:
        break; /* what else is there only the store knows */
    }
    return false;
}
