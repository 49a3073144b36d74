/* Pages of matches: forward and back in the order of commits, newest first, or sorted. */
#include "search/compile.h"

#include <string.h>

enum { WINDOW_DOCS = 1024 }; /* the first look back */

/* Documents low..high alone that match the plan. */
static enum err search_span(const struct search_query *q, struct store_reader *reader,
                            uint64_t low, uint64_t high, struct arena *arena,
                            uint64_t **ret_docs, size_t *ret_count)
{
    struct plan span = { .kind = PLAN_SPAN, .doc_low = low, .doc_high = high };
    struct plan *children[] = { &span, q->plan };
    struct plan both = { .kind = PLAN_AND, .children = children, .child_count = 2 };
    return store_search(reader, &both, low - 1, (size_t)(high - low + 1), arena, ret_docs,
                        ret_count);
}

/* The last `limit` matches up to `high`, ascending, in the arena. Windows grow
 * until they hold enough, so the cost is that of the matches found, not that of
 * all before them. */
static enum err search_back(const struct search_query *q, struct store_reader *reader,
                            uint64_t high, size_t limit, struct arena *arena,
                            uint64_t **ret_docs, size_t *ret_count)
{
    uint64_t *docs = arena_array(arena, limit + 1, sizeof *docs);
    size_t count = 0;
    if (!docs)
        return ERR_NO_MEMORY;
    for (uint64_t width = WINDOW_DOCS; high && count < limit; width *= 8) {
        struct arena work;
        uint64_t *found, low = high > width ? high - width + 1 : 1;
        size_t found_count;
        arena_init(&work, SEARCH_WORK_BYTES);
        enum err err = search_span(q, reader, low, high, &work, &found, &found_count);
        size_t taken = MIN(found_count, limit - count);
        if (!err && taken) {
            memmove(docs + taken, docs, count * sizeof *docs);
            memcpy(docs, found + found_count - taken, taken * sizeof *docs);
            count += taken;
        }
        arena_release(&work);
        TRY(err);
        high = low - 1;
    }
    *ret_docs = docs;
    *ret_count = count;
    return ERR_NONE;
}

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
        TRY(search_back(q, reader, high, limit, arena, &ret->docs, &ret->count));
    } else {
        TRY(store_search(reader, q->plan, page->position, limit, arena, &ret->docs,
                         &ret->count));
    }
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
    uint64_t position = q->page.position;
    size_t limit = (size_t)q->count + 1;
    if (q->page.is_before) {
        limit = (size_t)MIN(position, (uint64_t)q->count);
        position -= limit;
    }
    TRY(sort_run(q, reader, position, limit, arena, issues, &ret->docs, &ret->count));
    ret->has_next = q->page.is_before || ret->count > q->count;
    ret->count = MIN(ret->count, q->count);
    ret->has_previous = position > 0;
    ret->position = position;
    return ERR_NONE;
}

enum err search_run(const struct search_query *q, struct store_reader *reader,
                    struct arena *arena, struct issues *issues, struct search_found *ret)
{
    *ret = (struct search_found){ .position = q->page.position };
    return q->sort_count ? sorted(q, reader, arena, issues, ret)
                         : by_commit(q, reader, arena, ret);
}

struct search_page search_page_next(const struct search_query *q, const struct search_found *found)
{
    uint64_t position = found->position;
    if (q->sort_count)
        position += found->count;
    else if (found->count)
        position = found->docs[found->count - 1];
    /* Newest first the next page lies before the last document, too: is_before is
     * against the order of the answer. */
    return (struct search_page){ .position = position, .bound = q->page.bound };
}

struct search_page search_page_previous(const struct search_query *q,
                                        const struct search_found *found)
{
    uint64_t position = found->position;
    if (!q->sort_count && found->count)
        position = found->docs[0];
    else if (!q->sort_count) /* an empty page: what is before it ends with the position */
        position = q->is_newest_first ? position - 1 : position + 1;
    return (struct search_page){ .position = position,
                                 .bound = q->page.bound,
                                 .is_before = true };
}
