/* Pages of matches: forward and back in the order of commits, newest first, or sorted. */
#include "search/compile.h"

static void reverse(uint64_t *docs, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        uint64_t held = docs[i];
        docs[i] = docs[count - 1 - i];
        docs[count - 1 - i] = held;
    }
}

/* A page in the order of commits. One document more than it holds tells whether
 * there is another behind it in the direction of the walk; that there is one in
 * the other is known from the position. */
static enum err by_commit(const struct search_query *q, struct store_reader *reader,
                          struct arena *arena, struct search_found *ret)
{
    const struct search_page *page = &q->page;
    bool goes_back = q->is_newest_first != page->is_before;
    size_t limit = (size_t)q->count + 1;
    uint64_t last = store_reader_time(reader) - 1;
    if (goes_back) {
        uint64_t high = page->position ? MIN(page->position - 1, last) : last;
        TRY(store_search_back(reader, q->plan, high + 1, limit, arena, &ret->docs,
                              &ret->count));
    } else {
        TRY(store_search(reader, q->plan, page->position, limit, arena, &ret->docs,
                         &ret->count));
    }
    ret->strategy = goes_back ? "from the newest on" : "from the oldest on";
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
                       struct arena *arena, struct issues *issues, struct search_found *ret)
{
    const struct search_page *page = &q->page;
    enum err err = sort_run(q, reader, (size_t)q->count + 1, arena, issues, ret);
    if (err == ERR_INVALID && !issues->count)
        return issues_fail(issues, err, "invalid", "The page token belongs to another search.");
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
    return q->sort_count ? sorted(q, reader, arena, issues, ret)
                         : by_commit(q, reader, arena, ret);
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
