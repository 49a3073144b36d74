/* What a plan would cost, before it is run: from the counts beside each value's list,
 * and from where a range's ends lie among the keys. */
#include "store/embedded/tree.h"

/* Units as in struct store_work: about a look at one value of an index. */
enum {
    OPEN_UNITS = 40,         /* finding a value's lists */
    SOURCE_UNITS = 20,       /* a segment or run in which a range begins */
    LOOK_UNITS = 60,         /* a row of the truth */
    BODY_UNITS = 120,        /* a body's terms */
    FOLLOW_UNITS = 400,      /* a name, and its lists */
    REVERSE_UNITS = 600,     /* a small search of what refers to it */
    POSTINGS_PER_UNIT = 16,  /* gathered block by block */
    FAN_OUT = 8,             /* documents that refer to one: a guess */
    FEW_KEYS = 64,           /* read block by block where they are wanted, as one is */
};

static uint64_t capped(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static enum err cost_term(struct tree *t, const struct plan *plan, struct plan_cost *ret)
{
    struct term_cursor term;
    struct arena scratch;
    arena_init(&scratch, (size_t)1 << 20);
    enum err err = term_cursor_open(&term, &t->postings, plan->field, plan->from, &scratch);
    arena_release(&scratch);
    TRY(err);
    ret->docs = term_cursor_estimate(&term);
    ret->work = OPEN_UNITS;
    return ERR_NONE;
}

/* Of the documents that segments and runs have which reach into the window, those that
 * lie in it, if they are evenly spread. */
static uint64_t in_window(const struct postings_reader *r, uint64_t docs)
{
    const struct postings_view *view = r->view;
    const struct segment_set *set = view->segments;
    double all = 0, inside = 0;
    for (uint32_t i = 0; i < segment_set_seen(set) + view->count; i++) {
        bool is_run = i >= segment_set_seen(set);
        const struct run *run = is_run ? view->runs[i - segment_set_seen(set)] : NULL;
        if (is_run ? reader_skips_run(r, run) : reader_skips(r, set->list[i]))
            continue;
        uint64_t first = run ? run->base : set->list[i]->footer.first;
        uint64_t last = run ? run_last(run) : set->list[i]->footer.last;
        all += (double)(last - first + 1);
        inside += (double)(MIN(last, r->high) - MAX(first, r->low) + 1);
    }
    return all > 0 ? (uint64_t)((double)docs * (inside / all)) : 0;
}

static enum err cost_scan(struct tree *t, const struct plan *plan, uint64_t enough,
                          struct plan_cost *ret)
{
    const struct postings_view *view = t->postings.view;
    uint64_t keys = 0, sources = (uint64_t)segment_set_seen(view->segments) + view->count;
    ret->work = SOURCE_UNITS * sources;
    if (ret->work >= enough) /* dear enough before anything is read */
        return ERR_NONE;
    uint64_t most = times(enough, POSTINGS_PER_UNIT);
    TRY(postings_estimate(&t->postings, plan, most, &keys, &ret->docs));
    if (t->postings.high)
        ret->docs = in_window(&t->postings, ret->docs);
    ret->work += 2 * keys;
    /* Where counting ended early the keys are no sign that they are few. */
    if (keys > FEW_KEYS || ret->docs >= most)
        ret->work = capped(ret->work, ret->docs / POSTINGS_PER_UNIT);
    return ERR_NONE;
}

static enum err cost_logic(struct tree *t, const struct plan *plan, int depth, uint64_t enough,
                           struct plan_cost *ret)
{
    bool is_and = plan->kind == PLAN_AND;
    uint64_t least = UINT64_MAX;
    ret->docs = is_and ? t->time : 0;
    for (size_t i = 0; i < plan->child_count && ret->work < enough; i++) {
        struct plan_cost child;
        TRY(plan_cost(t, plan->children[i], depth + 1, enough, &child));
        ret->work = capped(ret->work, child.work);
        ret->docs = is_and ? MIN(ret->docs, child.docs) : capped(ret->docs, child.docs);
        least = MIN(least, child.docs);
    }
    if (plan->kind == PLAN_NOT)
        ret->docs = t->time;
    if (is_and && ret->docs < enough) /* its smallest part may lead */
        ret->work = MIN(ret->work, capped(OPEN_UNITS * plan->child_count,
                                          times(ret->docs, BODY_UNITS)));
    return ERR_NONE;
}

static enum err cost_join(struct tree *t, const struct plan *plan, int depth, uint64_t enough,
                          struct plan_cost *ret)
{
    struct plan_cost inner;
    struct plan_cost others = { 0 };
    if (!plan_join_is_valid(plan))
        return ERR_INVALID;
    TRY(plan_cost(t, plan->children[0], depth + 1, enough, &inner));
    if (plan->child_count == 2)
        TRY(plan_cost(t, plan->children[1], depth + 1, enough, &others));
    bool is_reverse = plan->kind == PLAN_REFERRED;
    ret->work = capped(inner.work, times(inner.docs, is_reverse ? BODY_UNITS : FOLLOW_UNITS));
    ret->docs = is_reverse ? inner.docs : times(inner.docs, FAN_OUT);
    ret->work = capped(ret->work, others.work);
    ret->docs = capped(ret->docs, others.docs);
    return ERR_NONE;
}

static enum err cost_test(struct tree *t, const struct plan *plan, int depth, uint64_t enough,
                          struct plan_cost *ret)
{
    if (plan->child_count != 1)
        return ERR_INVALID;
    TRY(plan_cost(t, plan->children[0], depth + 1, enough, ret));
    ret->work = capped(ret->work, times(ret->docs, BODY_UNITS));
    return ERR_NONE;
}

enum err plan_cost(struct tree *t, const struct plan *plan, int depth, uint64_t enough,
                   struct plan_cost *ret)
{
    *ret = (struct plan_cost){ .work = 1, .docs = t->time };
    if (depth > PLAN_DEPTH_MAX)
        return ERR_LIMIT;
    switch (plan->kind) {
    case PLAN_ALL:
        return ERR_NONE;
    case PLAN_NONE:
        ret->docs = 0;
        return ERR_NONE;
    case PLAN_TERM:
        return cost_term(t, plan, ret);
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        return cost_scan(t, plan, enough, ret);
    case PLAN_ID:
        *ret = (struct plan_cost){ .work = LOOK_UNITS, .docs = 1 };
        return ERR_NONE;
    case PLAN_SPAN:
        ret->docs = plan->doc_low > plan->doc_high ? 0 : plan->doc_high - plan->doc_low + 1;
        return ERR_NONE;
    case PLAN_INSTANT:
        ret->work = 2 * LOOK_UNITS;
        return ERR_NONE;
    case PLAN_CREATED: /* a walk over all deaths */
        ret->work = 2 * LOOK_UNITS + t->time / POSTINGS_PER_UNIT;
        return ERR_NONE;
    case PLAN_AND:
    case PLAN_OR:
    case PLAN_NOT:
        return cost_logic(t, plan, depth, enough, ret);
    case PLAN_TEST:
        return cost_test(t, plan, depth, enough, ret);
    case PLAN_KNOWN:
        ret->docs = plan->known->added;
        return ERR_NONE;
    case PLAN_REFERS:
    case PLAN_REFERRED:
        return cost_join(t, plan, depth, enough, ret);
    }
    return ERR_INVALID;
}

/* What it needs of a document, `ret_body` its own terms. */
static uint64_t probe_units(const struct plan *plan, int depth, bool *ret_body)
{
    uint64_t units = 0;
    bool inner_body = false;
    if (depth > PLAN_DEPTH_MAX)
        return UINT64_MAX / 2;
    switch (plan->kind) {
    case PLAN_ALL:
    case PLAN_NONE:
    case PLAN_SPAN:
    case PLAN_KNOWN:
        return 1;
    case PLAN_ID:
    case PLAN_INSTANT:
        return LOOK_UNITS;
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        *ret_body = true;
        return 1;
    case PLAN_AND:
    case PLAN_OR:
    case PLAN_NOT:
        for (size_t i = 0; i < plan->child_count; i++)
            units = capped(units, probe_units(plan->children[i], depth + 1, ret_body));
        return units;
    case PLAN_TEST:
        for (size_t i = 0; i < plan->child_count; i++)
            units = capped(units, probe_units(plan->children[i], depth + 1, ret_body));
        return capped(units, BODY_UNITS);
    case PLAN_REFERS:
        *ret_body = true;
        for (size_t i = 0; i < plan->child_count; i++)
            units = capped(units, probe_units(plan->children[i], depth + 1, &inner_body));
        return capped(units, LOOK_UNITS + (inner_body ? BODY_UNITS : 0));
    case PLAN_CREATED:
        return UINT64_MAX / 2;
    case PLAN_REFERRED:
        return REVERSE_UNITS + (plan->child_count && plan_is_dear(plan->children[0], depth + 1)
                                    ? FAN_OUT * BODY_UNITS
                                    : 0);
    }
    return UINT64_MAX / 2;
}

uint64_t plan_probe_cost(const struct plan_dear *plans, size_t count)
{
    bool needs_body = false;
    uint64_t units = 0;
    for (size_t i = 0; i < count; i++)
        units = capped(units, probe_units(plans[i].plan, 0, &needs_body));
    return capped(units, needs_body ? BODY_UNITS : 0);
}

bool plan_is_dear(const struct plan *plan, int depth)
{
    bool is_dear = depth > PLAN_DEPTH_MAX;
    switch (plan->kind) {
    case PLAN_ALL:
    case PLAN_NONE:
    case PLAN_TERM:
    case PLAN_ID:
    case PLAN_SPAN:
    case PLAN_KNOWN:
    case PLAN_INSTANT:
    case PLAN_CREATED: /* it does not grow with what matches */
        return false;
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
    case PLAN_TEST:
    case PLAN_REFERS:
    case PLAN_REFERRED:
        return true;
    case PLAN_AND:
    case PLAN_OR:
    case PLAN_NOT:
        for (size_t i = 0; !is_dear && i < plan->child_count; i++)
            is_dear = plan_is_dear(plan->children[i], depth + 1);
        return is_dear;
    }
    return true;
}
