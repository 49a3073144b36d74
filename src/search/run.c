/* Pages of matches: forward and back in the order of commits, newest first, or sorted. */
#include "search/score.h"

#include "index/index.h"

static void reverse(uint64_t *docs, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        uint64_t held = docs[i];
        docs[i] = docs[count - 1 - i];
        docs[count - 1 - i] = held;
    }
}

static bool is_dear(const struct plan *plan)
{
    switch (plan->kind) {
    case PLAN_RANGE:
    case PLAN_CONTAINS:
    case PLAN_REFERS:
    case PLAN_REFERRED:
        return true;
    case PLAN_AND: /* all of it */
        for (size_t i = 0; i < plan->child_count; i++)
            if (!is_dear(plan->children[i]))
                return false;
        return plan->child_count > 0;
    case PLAN_OR:
        for (size_t i = 0; i < plan->child_count; i++)
            if (is_dear(plan->children[i]))
                return true;
        return false;
    case PLAN_ALL:
    case PLAN_KNOWN:
    case PLAN_NONE:
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_ID:
    case PLAN_SPAN:
    case PLAN_INSTANT:
    case PLAN_CREATED:
    case PLAN_TEST:
    case PLAN_NOT:
        return false;
    }
    return false;
}

/* The plan with its type's documents beside it where nothing else can lead: a page of
 * what many match then asks these, from its own end on, instead of finding all. */
static enum err led(const struct search_query *q, struct arena *arena, const struct plan **ret)
{
    const struct plan *plan = *ret = q->plan;
    size_t count = plan->kind == PLAN_AND ? plan->child_count : 0;
    /* What is found by what it contains is of any type. */
    if (q->type_count != 1 || q->contained_count || !is_dear(plan))
        return ERR_NONE;
    struct plan *all = arena_array(arena, 2, sizeof *all), *type = all ? all + 1 : NULL;
    struct plan **children = arena_array(arena, count + 2, sizeof(struct plan *));
    if (!all || !children)
        return ERR_NO_MEMORY;
    *type = (struct plan){ .kind = PLAN_TERM, .from = SLICE("") };
    type->field = index_field(q->types[0], INDEX_PARAM_TYPE);
    children[0] = type;
    children[1] = q->plan;
    for (size_t i = 0; i < count; i++)
        children[i + 1] = plan->children[i];
    *all = (struct plan){ .kind = PLAN_AND, .children = children };
    all->child_count = count ? count + 1 : 2;
    *ret = all;
    return ERR_NONE;
}

/* A page in the order of commits. One document more than it holds tells whether
 * there is another behind it in the direction of the walk; that there is one in
 * the other is known from the position. */
static enum err by_commit(const struct search_query *q, struct store_reader *reader,
                          struct arena *work, struct arena *arena, struct search_found *ret)
{
    const struct search_page *page = &q->page;
    bool goes_back = q->is_newest_first != page->is_before;
    size_t limit = (size_t)q->count + 1;
    uint64_t last = store_reader_time(reader) - 1;
    const struct plan *plan;
    TRY(led(q, work, &plan));
    if (goes_back) {
        uint64_t high = page->position ? MIN(page->position - 1, last) : last;
        TRY(store_search_back(reader, plan, high + 1, limit, work, &ret->docs, &ret->count));
    } else {
        TRY(store_search(reader, plan, page->position, limit, work, &ret->docs, &ret->count));
    }
    ret->strategy = goes_back ? "from the newest on" : "from the oldest on";
    TRY(sort_keep(arena, ret->docs, ret->count, ret));
    bool has_more = ret->count == limit;
    if (has_more) {
        ret->count--;
        ret->docs += goes_back;
    }
    if (q->is_newest_first)
        reverse(ret->docs, ret->count);
    ret->has_next = page->is_before ? page->position > 0 : has_more;
    ret->has_previous = page->is_before ? has_more : page->position > 0;
    return ERR_NONE;
}

static enum err sorted(const struct search_query *q, struct store_reader *reader,
                       struct arena *work, struct arena *arena, struct issues *issues,
                       struct search_found *ret)
{
    const struct search_page *page = &q->page;
    enum err err = sort_run(q, reader, (size_t)q->count + 1, work, arena, issues, ret);
    if (err == ERR_NOT_FOUND)
        return issues_fail(issues, ERR_GONE, "deleted",
                           "What the page lies beside was erased since: begin with the first one.");
    if (err == ERR_INVALID && !issues->count)
        return issues_fail(issues, err, "invalid",
                           "The page token belongs to another search, or what the page lies "
                           "beside was erased since.");
    TRY(err);
    bool has_more = ret->count > q->count;
    if (has_more) {
        ret->count--;
        ret->docs += page->is_before;
    }
    ret->has_next = page->is_before || has_more;
    ret->has_previous = page->is_before ? has_more : page->position > 0;
    return ERR_NONE;
}

enum err search_run(const struct search_query *q, struct store_reader *reader,
                    struct arena *arena, struct issues *issues, struct search_found *ret)
{
    *ret = (struct search_found){ .position = q->page.position };
    if (q->page.time && q->page.is_sorted != (q->sort_count > 0))
        return issues_fail(issues, ERR_INVALID, "invalid",
                           "The page token belongs to a search with another order.");
    struct arena work;
    arena_init(&work, search_memory(q));
    enum err err = q->sort_count ? sorted(q, reader, &work, arena, issues, ret)
                                 : by_commit(q, reader, &work, arena, ret);
    if (!err && q->has_scores && q->scores.count && !q->contained_count)
        err = score_page(q, reader, arena, ret);
    arena_release(&work);
    return err;
}

struct search_page search_page_next(const struct search_query *q, const struct search_found *found)
{
    uint64_t position = found->position;
    if (found->count)
        position = found->docs[found->count - 1];
    /* Newest first the next page lies before the last document, too: is_before is
     * against the order of the answer. */
    return (struct search_page){ .position = position,
                                 .is_sorted = q->sort_count > 0,
                                 .bound = q->page.bound };
}

struct search_page search_page_previous(const struct search_query *q,
                                        const struct search_found *found)
{
    uint64_t position = found->position;
    if (found->count)
        position = found->docs[0];
    else if (!q->sort_count) /* an empty page: what is before it ends with the position */
        position = q->is_newest_first ? position - 1 : position + 1;
    return (struct search_page){ .position = position,
                                 .bound = q->page.bound,
                                 .is_sorted = q->sort_count > 0,
                                 .is_before = true };
}
