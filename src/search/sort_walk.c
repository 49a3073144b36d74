/* A page by a walk over the first key's values in order. From the pivot's own value on
 * (against the order when the page lies before it), each value's matches join the page;
 * a document that has several values counts at its best one alone. What has none comes
 * behind all that have. */
#include "search/sort.h"

#include <string.h>

#include "index/index.h"

enum {
    GROUP_MAX = 5000, /* documents of one value that further keys put in order */
};

struct walking {
    struct sort *sort;
    struct store_matches *matches;
    struct store_walk *walk;
    struct store_order order;
    uint64_t *docs; /* the page so far, nearest to the pivot first */
    size_t count;
    struct slice pivot_key; /* no bytes: the pivot has none, or there is no pivot */
    bool ties_fall; /* equals of the first key: the newest first */
    bool is_single; /* no other key is needed to put equals in order */
};

static size_t room_left(const struct walking *w)
{
    return w->sort->limit - w->count;
}

/* Some documents with their keys. */
static enum err with_keys(const struct walking *w, uint64_t *docs, size_t count, struct sort *ret)
{
    *ret = *w->sort;
    ret->docs = docs;
    ret->count = count;
    ret->limit = room_left(w);
    return count ? sort_keys(ret) : ERR_NONE;
}

static enum err pivot_find(struct walking *w)
{
    struct sort s;
    if (!w->sort->pivot)
        return ERR_NONE;
    TRY(with_keys(w, &w->sort->pivot, 1, &s));
    w->pivot_key = s.keys[0];
    return ERR_NONE;
}

/* Those whose best value is the key; no bytes: those that have none. */
static void keep_best(struct sort *s, struct slice key)
{
    size_t kept = 0, width = s->query->sort_count;
    for (size_t i = 0; i < s->count; i++) {
        struct slice own = s->keys[i * width];
        if (own.bytes ? !key.bytes || !slice_equal(own, key) : key.bytes != NULL)
            continue;
        s->docs[kept] = s->docs[i];
        memmove(s->keys + kept * width, s->keys + i * width, width * sizeof *s->keys);
        kept++;
    }
    s->count = kept;
}

/* ---- equals in the order of commits ---- */

static bool was_shown(const struct walking *w, uint64_t doc)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->docs[i] == doc)
            return true;
    return false;
}

/* On a first page whatever has a better value is there already; else the documents
 * must say what their best is. */
static enum err best_of(struct walking *w, struct slice key, uint64_t *docs, size_t *count)
{
    struct sort s = { .docs = docs };
    size_t kept = 0;
    if (!key.bytes)
        return ERR_NONE;
    if (w->sort->pivot || w->sort->is_before) {
        TRY(with_keys(w, docs, *count, &s));
        keep_best(&s, key);
        *count = s.count;
        return ERR_NONE;
    }
    for (size_t i = 0; i < *count; i++)
        if (!was_shown(w, docs[i]))
            docs[kept++] = docs[i];
    *count = kept;
    return ERR_NONE;
}

static enum err docs_of(struct walking *w, struct slice key, const struct store_between *between,
                        uint64_t **ret_docs, size_t *ret_count)
{
    return key.bytes ? store_walk_docs(w->walk, between, w->sort->arena, ret_docs, ret_count)
                     : store_walk_missing(w->walk, between, w->sort->arena, ret_docs, ret_count);
}

/* Of one value, or of none: as many as the page has room for, in pieces of what is
 * left, since some may be dropped. */
static enum err add_by_commit(struct walking *w, struct slice key, bool has_pivot)
{
    bool falls = w->ties_fall != w->sort->is_before, any = true;
    struct store_between between = { .is_from_end = falls };
    if (has_pivot && falls)
        between.before = w->sort->pivot;
    else if (has_pivot)
        between.after = w->sort->pivot;
    while (any && room_left(w)) {
        uint64_t *docs = NULL;
        size_t count = 0;
        between.limit = room_left(w);
        TRY(docs_of(w, key, &between, &docs, &count));
        any = count == between.limit;
        if (count && falls)
            between.before = docs[0];
        else if (count)
            between.after = docs[count - 1];
        TRY(best_of(w, key, docs, &count));
        for (size_t i = 0; i < count; i++)
            w->docs[w->count++] = docs[falls ? count - 1 - i : i];
    }
    return ERR_NONE;
}

/* ---- equals in the order of further keys ---- */

static enum err add_by_keys(struct walking *w, struct slice key, bool has_pivot)
{
    const struct store_between all = { .limit = GROUP_MAX + 1 };
    uint64_t *docs = NULL;
    size_t count = 0;
    struct sort s;
    TRY(docs_of(w, key, &all, &docs, &count));
    if (count > GROUP_MAX)
        return ERR_BUSY;
    if (!count)
        return ERR_NONE;
    TRY(with_keys(w, docs, count, &s));
    keep_best(&s, key);
    s.pivot = has_pivot ? s.pivot : 0;
    TRY(sort_select(&s));
    for (size_t i = 0; i < s.count; i++)
        w->docs[w->count++] = s.docs[s.is_before ? s.count - 1 - i : i];
    return ERR_NONE;
}

static enum err add(struct walking *w, struct slice key, bool has_pivot)
{
    return w->is_single ? add_by_commit(w, key, has_pivot) : add_by_keys(w, key, has_pivot);
}

/* ---- the walk ---- */

static enum err add_values(struct walking *w)
{
    bool any = true;
    while (room_left(w)) {
        struct slice key;
        TRY(store_walk_next(w->walk, &any, &key));
        if (!any)
            return ERR_NONE;
        TRY(add(w, key, w->pivot_key.bytes && slice_equal(key, w->pivot_key)));
    }
    return ERR_NONE;
}

static enum err walk_open(struct walking *w, bool from_pivot)
{
    w->order.has_from = from_pivot;
    w->order.from = from_pivot ? w->pivot_key : SLICE_NONE;
    return store_walk_open(w->matches, &w->order, w->sort->arena, &w->walk);
}

static enum err fill(struct walking *w)
{
    const struct sort *s = w->sort;
    bool has_key = w->pivot_key.bytes != NULL, stands_behind = s->pivot && !has_key;
    TRY(walk_open(w, has_key));
    if (s->is_before) {
        if (stands_behind)
            TRY(add(w, SLICE_NONE, true));
        return add_values(w);
    }
    if (!stands_behind)
        TRY(add_values(w));
    return room_left(w) ? add(w, SLICE_NONE, stands_behind) : ERR_NONE;
}

/* Does whatever has a value of the first key match? So it is when all of the types
 * searched is asked for. */
static bool is_implied(const struct search_query *q)
{
    const struct plan *p = q->plan;
    size_t count = p->kind == PLAN_OR ? p->child_count : 1;
    if (count != q->type_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct plan *one = p->kind == PLAN_OR ? p->children[i] : p;
        if (one->kind != PLAN_TERM || one->from.length ||
            one->field != index_field(q->types[i], INDEX_PARAM_TYPE))
            return false;
    }
    return true;
}

/* Documents alone put equals in order: as the store has them, or turned round. */
static void ties_find(struct walking *w)
{
    const struct search_query *q = w->sort->query;
    bool by_change = q->sort_count > 1 && param_is(q->sorts[1].param, "_lastUpdated");
    w->is_single = q->sort_count == 1 || by_change;
    w->ties_fall = by_change && q->sorts[1].is_descending;
}

enum err sort_walk(struct sort *s, struct store_matches *matches, uint64_t budget)
{
    struct walking w = { .sort = s, .matches = matches, .order = s->order };
    w.docs = arena_array(s->arena, s->limit + 1, sizeof *w.docs);
    if (!w.docs)
        return ERR_LIMIT;
    ties_find(&w);
    w.order.is_descending = s->order.is_descending != s->is_before;
    w.order.is_implied = is_implied(s->query);
    w.order.budget = budget;
    TRY(pivot_find(&w));
    TRY(fill(&w));
    for (size_t i = 0; s->is_before && i < w.count / 2; i++) {
        uint64_t held = w.docs[i];
        w.docs[i] = w.docs[w.count - 1 - i];
        w.docs[w.count - 1 - i] = held;
    }
    s->docs = w.docs;
    s->count = w.count;
    return ERR_NONE;
}
