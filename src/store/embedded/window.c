/* A page of what many match, out of windows of documents: ranges of values are gathered
 * for the documents next to where the page begins, and for more of them only where these
 * do not fill it. What lies in other segments is not opened, and of a list only the blocks
 * of the window are read; so a page costs the values that a range has, not the documents. */
#include "store/embedded/matches.h"

enum {
    FIRST_BLOCKS = 2,
    GROWTH = 8,
    PASSES_MAX = 4,
    DRIVER_LEAST = 2048, /* fewer are asked, or opened as they are */
    TRIES = 3,           /* to find a window that may hold the page */
};

struct windowed {
    const struct tree *t;
    const struct tree_skimmed *what;
    struct tree own;        /* its postings are cut to the window */
    struct tree_page left;  /* what of the page is not found yet: documents in between */
    struct tree_page page;  /* the same of the window */
    uint64_t blocks;        /* that it has at most */
    uint64_t *docs;
    size_t count;
};

bool plan_is_scan(const struct plan *plan, int depth)
{
    switch (plan->kind) {
    case PLAN_NONE:
    case PLAN_ALL:
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
    case PLAN_SPAN:
        return true;
    case PLAN_AND:
    case PLAN_OR:
    case PLAN_NOT:
        for (size_t i = 0; i < plan->child_count; i++)
            if (depth >= PLAN_DEPTH_MAX || !plan_is_scan(plan->children[i], depth + 1))
                return false;
        return true;
    case PLAN_ID:
    case PLAN_INSTANT:
    case PLAN_CREATED:
    case PLAN_TEST:
    case PLAN_REFERS:
    case PLAN_REFERRED:
    case PLAN_KNOWN:
        return false;
    }
    return false;
}

/* Whole blocks, so that a window has all that its segments and lists have of them. */
static void window_set(struct windowed *w)
{
    uint64_t low = (w->left.after + 1) >> BLOCK_SHIFT, high = (w->left.before - 1) >> BLOCK_SHIFT;
    uint64_t blocks = MIN(w->blocks, high - low + 1);
    if (w->left.is_back)
        low = high - blocks + 1;
    else
        high = low + blocks - 1;
    w->own.postings.low = low << BLOCK_SHIFT;
    w->own.postings.high = (high << BLOCK_SHIFT) + BLOCK_DOCS - 1;
    w->page = w->left;
    w->page.after = MAX(w->left.after, MAX(w->own.postings.low, UINT64_C(1)) - 1);
    w->page.before = MIN(w->left.before, w->own.postings.high + 1);
}

static uint64_t docs_left(const struct windowed *w)
{
    return w->left.before - 1 - w->left.after;
}

struct weighed {
    uint64_t work, docs; /* of gathering the window, that match in it at most */
    uint64_t asking;     /* what asking its documents until the page is full would cost */
};

static enum err weigh(struct windowed *w, struct weighed *ret)
{
    const struct tree_skimmed *what = w->what;
    uint64_t span = w->page.before - 1 - w->page.after;
    double driver = (double)span;
    if (what->driver)
        driver *= MIN((double)what->driver->estimate / (double)w->t->time, 1);
    *ret = (struct weighed){ .docs = (uint64_t)driver };
    for (size_t i = 0; i < what->dear_count; i++) {
        struct plan_cost cost;
        TRY(plan_cost(&w->own, what->dear[i].plan, what->depth + 1, UINT64_MAX, &cost));
        ret->work += MIN(cost.work, UINT64_MAX / 2 - ret->work);
        ret->docs = MIN(ret->docs, cost.docs);
    }
    double units = (double)plan_probe_cost(what->dear, what->dear_count);
    double asked = (double)w->page.limit * driver / (double)MAX(ret->docs, UINT64_C(1));
    ret->asking = what->driver ? (uint64_t)MIN(asked * units, 1e18) : UINT64_MAX;
    return ERR_NONE;
}

/* A window that may hold the page and is had sooner than by asking; *ret false: there is
 * none, or it would be most of what is left anyway. */
static enum err window_find(struct windowed *w, bool *ret)
{
    *ret = false;
    for (int i = 0; i < TRIES; i++) {
        struct weighed sum;
        window_set(w);
        uint64_t span = w->page.before - 1 - w->page.after;
        if (!w->count && span > docs_left(w) / 2)
            return ERR_NONE;
        TRY(weigh(w, &sum));
        if (sum.work >= sum.asking)
            return ERR_NONE;
        *ret = sum.docs >= w->page.limit || span == docs_left(w);
        if (*ret)
            return ERR_NONE;
        double more = 1.5 * (double)w->page.limit / (double)MAX(sum.docs, UINT64_C(1));
        w->blocks = (uint64_t)MIN((double)w->blocks * MAX(more, 2), 1e12);
    }
    return ERR_NONE;
}

static enum err window_open(struct windowed *w, struct cursor *c)
{
    const struct tree_skimmed *what = w->what;
    *c = (struct cursor){ .kind = CURSOR_AND };
    c->children = arena_array(w->own.arena, what->dear_count + 1, sizeof *c->children);
    if (!c->children)
        return ERR_LIMIT;
    if (what->driver) {
        TRY(cursor_rewind(what->driver));
        c->children[c->child_count++] = *what->driver;
    }
    for (size_t i = 0; i < what->dear_count; i++)
        TRY(tree_open(&w->own, what->dear[i].plan, what->depth + 1,
                      &c->children[c->child_count++]));
    cursor_order(c);
    return cursor_rooms(&w->own, c);
}

/* The nearest come first: going back, the greatest. */
static enum err window_run(struct windowed *w)
{
    struct cursor all;
    struct docset found;
    const struct tree_skimmed whole = { .driver = &all, .depth = w->what->depth };
    uint64_t asked = 0;
    bool done = false;
    struct arena_mark mark = arena_mark(w->own.arena);
    w->own.page = &w->page;
    TRY(window_open(w, &all));
    TRY(tree_skim(&w->own, &whole, UINT64_MAX, &found, &asked, &done));
    size_t count = MIN(found.count, w->page.limit);
    if (count)
        memcpy(w->docs + w->count, found.list, count * sizeof *w->docs);
    w->count += count;
    w->left.limit -= count;
    arena_rewind(w->own.arena, mark);
    return ERR_NONE;
}

/* What is left lies behind the window; false: nothing does. */
static bool window_step(struct windowed *w)
{
    if (w->left.is_back)
        w->left.before = w->page.after + 1;
    else
        w->left.after = w->page.before - 1;
    w->blocks *= GROWTH;
    return docs_left(w) > 0;
}

enum err tree_windows(struct tree *t, const struct tree_skimmed *what, struct docset *found,
                      bool *ret_done)
{
    struct windowed w = { .t = t, .what = what, .own = *t, .left = *t->page };
    bool is_worth = !what->driver || what->driver->estimate >= DRIVER_LEAST;
    *ret_done = false;
    for (size_t i = 0; is_worth && i < what->dear_count; i++)
        is_worth = plan_is_scan(what->dear[i].plan, what->depth + 1);
    w.left.before = w.left.before ? MIN(w.left.before, t->time + 1) : t->time + 1;
    if (!is_worth || w.left.after + 1 >= w.left.before)
        return ERR_NONE;
    w.blocks = FIRST_BLOCKS;
    w.docs = arena_array(t->arena, w.left.limit, sizeof *w.docs);
    if (!w.docs)
        return ERR_LIMIT;
    for (int pass = 0; pass < PASSES_MAX && !*ret_done; pass++) {
        TRY(window_find(&w, &is_worth));
        if (!is_worth)
            break;
        TRY(window_run(&w));
        *ret_done = !window_step(&w) || !w.left.limit;
    }
    if (what->driver)
        TRY(cursor_rewind(what->driver));
    docset_init(found, t->time, t->arena);
    return *ret_done ? docset_add(found, w.docs, w.count) : ERR_NONE;
}
