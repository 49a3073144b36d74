/* A plan against the terms of one resource that no reader sees yet: a transaction
 * asks whether what it writes meets the criteria of its own entries. Leaves mean
 * here what they mean in the store. */
#include "search/search.h"

static bool tail_fits(const struct plan *p, struct slice value)
{
    size_t length = MAX(p->tail_from.length, p->tail_to.length);
    if (!length)
        return true;
    size_t at = p->tail_at;
    if (!at)
        at = value.length < 8 ? value.length : value.length - 8;
    if (value.length < length || at > value.length - length)
        return false;
    struct slice tail = slice_of(value.bytes + at, length);
    return slice_compare(tail, p->tail_from) >= 0 &&
           (!p->tail_to.length || slice_compare(tail, p->tail_to) < 0);
}

static bool parts_fit(const struct plan *p, struct slice value)
{
    if (!p->part_count)
        return true;
    struct slice rest = value.length < p->parts_at ? SLICE_NONE : slice_from(value, p->parts_at);
    for (size_t i = 0; i < p->part_count; i++) {
        bool is_there = rest.bytes != NULL;
        struct slice part = slice_cut(&rest, '\0');
        if (!is_there || (p->parts[i].bytes && !slice_equal(part, p->parts[i])))
            return false;
    }
    return true;
}

static bool needle_fits(const struct plan *p, struct slice value)
{
    struct slice rest = slice_from(value, p->from.length);
    ptrdiff_t end = slice_find_byte(rest, '\0');
    if (end >= 0)
        rest = slice_head(rest, (size_t)end);
    return slice_find(rest, p->needle) >= 0;
}

static bool value_fits(const struct plan *p, struct slice value)
{
    if (p->kind == PLAN_TERM)
        return slice_equal(value, p->from);
    if (p->kind == PLAN_RANGE)
        return slice_compare(value, p->from) >= 0 &&
               (!p->to.length || slice_compare(value, p->to) < 0) && tail_fits(p, value) &&
               parts_fit(p, value);
    if (!slice_starts_with(value, p->from))
        return false;
    return p->kind == PLAN_PREFIX ? parts_fit(p, value) : needle_fits(p, value);
}

static bool any_term_fits(const struct plan *p, const struct store_write *w)
{
    for (size_t i = 0; i < w->term_count; i++)
        if (w->terms[i].field == p->field && value_fits(p, w->terms[i].value))
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
        return p->instant_low <= now && now < p->instant_high;
    case PLAN_AND:
        return children_meet(p, w, now, true);
    case PLAN_OR:
        return children_meet(p, w, now, false);
    case PLAN_NOT:
        return !search_meets(p->children[0], w, now);
    case PLAN_SPAN: /* of pages, not of conditions */
    case PLAN_REFERS:
    case PLAN_REFERRED:
        break; /* what else is there only the store knows */
    }
    return false;
}
