/* AND being opened. What is cheap is opened first, and may give a page by itself, its
 * documents asked for the rest (skim.c); what would have to be gathered
 * (ranges of values, joins) follows, the cheapest first. As soon as so few documents
 * can be left that asking each of them costs less than gathering, they are asked. */
#include "store/embedded/tree.h"

enum { ASKED_DOCS_MAX = 20000 };

struct conjunction {
    struct tree *t;
    const struct plan *plan;
    int depth;
    struct cursor *c;
    struct plan_dear *dear;    /* ascending by work */
    size_t dear_count;
    bool is_sorted;            /* dear is */
    size_t ask_from;           /* these are asked */
    uint64_t least;            /* estimate of what is opened */
};

static enum err open_one(struct conjunction *a, const struct plan *plan)
{
    struct cursor *child = &a->c->children[a->c->child_count++];
    TRY(tree_open(a->t, plan, a->depth + 1, child));
    a->least = MIN(a->least, child->estimate);
    return ERR_NONE;
}

static enum err open_cheap(struct conjunction *a)
{
    for (size_t i = 0; i < a->plan->child_count; i++) {
        const struct plan *child = a->plan->children[i];
        if (plan_is_dear(child, a->depth + 1))
            a->dear[a->dear_count++].plan = child;
        else
            TRY(open_one(a, child));
    }
    return ERR_NONE;
}

/* Of asking each document that may be left for all from the first `from` on. */
static uint64_t ask_cost(const struct conjunction *a, size_t from)
{
    uint64_t docs = MIN(a->least, (uint64_t)ASKED_DOCS_MAX);
    uint64_t units = plan_probe_cost(a->dear + from, a->dear_count - from);
    return units > UINT64_MAX / ASKED_DOCS_MAX ? UINT64_MAX : docs * units;
}

static enum err dear_sort(struct conjunction *a)
{
    uint64_t enough = ask_cost(a, 0);
    if (a->is_sorted)
        return ERR_NONE;
    a->is_sorted = true;
    for (size_t i = 0; i < a->dear_count; i++) {
        struct plan_dear d = a->dear[i];
        struct plan_cost cost;
        TRY(plan_cost(a->t, d.plan, a->depth + 1, MAX(enough, UINT64_C(1)), &cost));
        enough -= MIN(enough, cost.work);
        d.work = cost.work;
        d.docs = cost.docs;
        size_t at = i;
        for (; at > 0 && a->dear[at - 1].work > d.work; at--)
            a->dear[at] = a->dear[at - 1];
        a->dear[at] = d;
    }
    return ERR_NONE;
}

static enum err open_dear(struct conjunction *a)
{
    /* A limit of matches within joins is one of what is gathered. */
    bool has_choice =
        a->dear_count && a->plan->child_count > 1 && !work_limits_levels(a->t->postings.work);
    if (has_choice)
        TRY(dear_sort(a));
    for (size_t i = 0; i < a->dear_count && a->least; i++) {
        uint64_t work = 0;
        for (size_t k = i; k < a->dear_count; k++)
            work += MIN(a->dear[k].work, UINT64_MAX / 2 - work);
        bool is_few = a->c->child_count && a->least <= ASKED_DOCS_MAX;
        if (has_choice && is_few && ask_cost(a, i) < work) {
            a->ask_from = i;
            return ERR_NONE;
        }
        TRY(open_one(a, a->dear[i].plan));
    }
    a->ask_from = a->dear_count;
    return ERR_NONE;
}

/* How many documents are worth asking for a page: 0 when the page, as far as the counts
 * tell, comes sooner from what is gathered; else it may cost half of that in vain. */
static uint64_t worth_asking(const struct conjunction *a)
{
    const struct tree_page *page = a->t->page;
    uint64_t work = 0, fewest = a->least, units = plan_probe_cost(a->dear, a->dear_count);
    for (size_t i = 0; i < a->dear_count; i++) {
        work += MIN(a->dear[i].work, UINT64_MAX / 2 - work);
        fewest = MIN(fewest, a->dear[i].docs);
    }
    double share = (double)MAX(fewest, UINT64_C(1)) / (double)a->least;
    double expected = (double)page->limit / share * (double)units;
    const struct store_work *spent = a->t->postings.work;
    if (spent && spent->limit) /* half of what is left, so that gathering may be tried */
        work = MIN(work, spent->limit - MIN(spent->done, spent->limit));
    return expected < (double)work / 2 ? work / 2 / MAX(units, UINT64_C(1)) : 0;
}

static void note_asked(struct conjunction *a, size_t from, uint64_t documents)
{
    struct tree_asked *asked = a->t->asked;
    if (a->t->postings.work)
        a->t->postings.work->asked += documents;
    for (size_t i = from; asked && i < a->dear_count && asked->count < STORE_ASKED_MAX; i++)
        asked->list[asked->count++] =
            (struct store_asked){ .plan = plan_origin(a->dear[i].plan), .documents = documents };
}

/* *ret_done: the cursor is the page, whatever else matches. */
static enum err skim(struct conjunction *a, bool *ret_done)
{
    struct tree *t = a->t;
    struct docset found;
    struct tree_skimmed what = { a->c, a->dear, a->dear_count, a->depth };
    bool is_page = t->page && !a->depth && a->c->child_count && a->dear_count && a->least;
    uint64_t most = 0, asked = 0;
    *ret_done = false;
    if (!is_page || work_limits_levels(t->postings.work))
        return ERR_NONE;
    a->c->kind = CURSOR_AND;
    a->c->estimate = a->least;
    TRY(tree_windows(t, &what, &found, ret_done));
    if (!*ret_done) {
        TRY(dear_sort(a));
        most = worth_asking(a);
        if (most)
            TRY(tree_skim(t, &what, most, &found, &asked, ret_done));
        if (!*ret_done)
            return ERR_NONE;
        note_asked(a, 0, asked);
    }
    *a->c = (struct cursor){ .kind = CURSOR_NONE, .set = found };
    return cursor_of_set(t, a->c);
}

void cursor_order(struct cursor *c)
{
    for (size_t i = 0; i < c->child_count; i++)
        for (size_t k = i; k > 0 && c->children[k].estimate < c->children[k - 1].estimate; k--) {
            struct cursor held = c->children[k];
            c->children[k] = c->children[k - 1];
            c->children[k - 1] = held;
        }
}

/* What the opened ones leave, asked for all the others. */
static enum err ask(struct conjunction *a)
{
    struct docset found;
    struct tree *t = a->t;
    uint64_t *docs = arena_array(t->arena, (size_t)a->least, sizeof *docs);
    size_t count = 0;
    if (!docs)
        return ERR_LIMIT;
    TRY(tree_gather(t, a->c, (size_t)a->least, docs, &count));
    note_asked(a, a->ask_from, count);
    TRY(tree_probe(t, a->dear + a->ask_from, a->dear_count - a->ask_from, a->depth + 1, docs,
                   &count));
    docset_init(&found, t->time, t->arena);
    TRY(docset_add(&found, docs, count));
    *a->c = (struct cursor){ .kind = CURSOR_NONE, .set = found };
    return cursor_of_set(t, a->c);
}

enum err tree_open_and(struct tree *t, const struct plan *plan, int depth, struct cursor *c)
{
    struct conjunction a = { .t = t, .plan = plan, .depth = depth, .c = c, .least = t->time };
    size_t count = plan->child_count;
    bool is_page = false;
    c->low = 1;
    c->high = c->estimate = t->time;
    c->kind = CURSOR_SPAN;
    if (!count)
        return ERR_NONE;
    c->children = arena_array(t->arena, count, sizeof *c->children);
    a.dear = arena_array(t->arena, count, sizeof *a.dear);
    if (!c->children || !a.dear)
        return ERR_LIMIT;
    TRY(open_cheap(&a));
    TRY(cursor_rooms(t, c));
    cursor_order(c);
    TRY(skim(&a, &is_page));
    if (is_page)
        return ERR_NONE;
    TRY(open_dear(&a));
    c->estimate = a.least;
    c->kind = a.least ? CURSOR_AND : CURSOR_NONE;
    if (!a.least)
        return ERR_NONE;
    cursor_order(c);
    return a.ask_from < a.dear_count ? ask(&a) : ERR_NONE;
}
