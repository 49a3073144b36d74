/* A page by a walk over the first key's values in order. From the pivot's own value on
 * (against the order when the page lies before it), each value's matches join the page;
 * a document that has several values counts at its best one alone. What has none comes
 * behind all that have. Equals of one key are put in order by their further keys, or,
 * where they are many, walked by the next key in turn. */
#include "search/sort.h"

#include <string.h>

#include "index/index.h"

enum {
    GROUP_MAX = 5000, /* documents of one value that further keys put in order */
    NEST_FROM = 100,  /* fewer are never walked by their next key */
};

struct walking {
    struct sort *sort;
    size_t level;                /* which key is walked */
    const struct walking *outer; /* the walk by the key before, of one of whose values */
    const struct plan *plan;     /* these are the matches; all of them at level 0 */
    struct slice current;        /* the value that is being added; no bytes: none */
    uint64_t pivot;              /* of the page, if it is among the matches */
    const struct slice *pivot_keys;
    uint64_t budget;
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
    if (!w->pivot)
        return ERR_NONE;
    TRY(with_keys(w, &w->sort->pivot, 1, &s));
    w->pivot_keys = s.keys;
    w->pivot_key = s.keys[0];
    return ERR_NONE;
}

/* Are the values that are being added a document's best ones? No bytes: it has none. */
static bool is_best(const struct walking *w, const struct slice *keys)
{
    for (; w; w = w->outer) {
        struct slice own = keys[w->level], key = w->current;
        if (own.bytes ? !key.bytes || !slice_equal(own, key) : key.bytes != NULL)
            return false;
    }
    return true;
}

static void keep_best(const struct walking *w, struct sort *s)
{
    size_t kept = 0, width = s->query->sort_count;
    for (size_t i = 0; i < s->count; i++) {
        if (!is_best(w, s->keys + i * width))
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
static enum err best_of(struct walking *w, uint64_t *docs, size_t *count)
{
    struct sort s = { .docs = docs };
    size_t kept = 0;
    if (!w->current.bytes && !w->outer)
        return ERR_NONE;
    if (w->sort->pivot || w->sort->is_before) {
        TRY(with_keys(w, docs, *count, &s));
        keep_best(w, &s);
        *count = s.count;
        return ERR_NONE;
    }
    for (size_t i = 0; i < *count; i++)
        if (!was_shown(w, docs[i]))
            docs[kept++] = docs[i];
    *count = kept;
    return ERR_NONE;
}

static enum err docs_of(struct walking *w, const struct store_between *between,
                        uint64_t **ret_docs, size_t *ret_count)
{
    return w->current.bytes
               ? store_walk_docs(w->walk, between, w->sort->arena, ret_docs, ret_count)
               : store_walk_missing(w->walk, between, w->sort->arena, ret_docs, ret_count);
}

/* Of one value, or of none: as many as the page has room for, in pieces of what is
 * left, since some may be dropped. */
static enum err add_by_commit(struct walking *w, bool has_pivot)
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
        TRY(docs_of(w, &between, &docs, &count));
        any = count == between.limit;
        if (count && falls)
            between.before = docs[0];
        else if (count)
            between.after = docs[count - 1];
        TRY(best_of(w, docs, &count));
        for (size_t i = 0; i < count; i++)
            w->docs[w->count++] = docs[falls ? count - 1 - i : i];
    }
    return ERR_NONE;
}

/* ---- equals in the order of further keys ---- */

static enum err add_nested(struct walking *w, bool has_pivot);

/* Is it cheaper to walk the next key's values than to look at all of these documents?
 * `count` above GROUP_MAX: these are too many for that. */
static enum err nests(const struct walking *w, size_t count, bool *ret)
{
    const struct search_query *q = w->sort->query;
    struct store_order order;
    uint64_t postings = 0;
    *ret = false;
    bool may_nest = w->current.bytes && !param_is_of_store(q->sorts[w->level + 1].param);
    *ret = may_nest && (count > GROUP_MAX || w->sort->always_nests);
    if (!may_nest || count < NEST_FROM)
        return ERR_NONE;
    /* Backwards what has no further key comes first, which is one pass over all. */
    if (*ret || w->sort->is_before)
        return ERR_NONE;
    TRY(sort_order(w->sort, w->level + 1, &order));
    double all = (double)count * SORT_BODY_NS - SORT_WALK_OPEN_NS;
    double enough = all / SORT_WALK_NS * (double)count / (double)w->sort->limit;
    enum err err = store_order_size(w->sort->reader, &order, (uint64_t)enough, &postings);
    *ret = !err && postings < (uint64_t)enough;
    return err == ERR_NOT_READY ? ERR_NONE : err;
}

static enum err add_by_keys(struct walking *w, bool has_pivot)
{
    const struct store_between all = { .limit = GROUP_MAX + 1 };
    uint64_t *docs = NULL;
    size_t count = 0;
    bool is_nested = false;
    struct sort s;
    TRY(docs_of(w, &all, &docs, &count));
    TRY(nests(w, count, &is_nested));
    if (is_nested)
        return add_nested(w, has_pivot);
    if (count > GROUP_MAX)
        return ERR_BUSY;
    if (!count)
        return ERR_NONE;
    TRY(with_keys(w, docs, count, &s));
    keep_best(w, &s);
    s.pivot = has_pivot ? s.pivot : 0;
    TRY(sort_select(&s));
    for (size_t i = 0; i < s.count; i++)
        w->docs[w->count++] = s.docs[s.is_before ? s.count - 1 - i : i];
    return ERR_NONE;
}

static enum err add(struct walking *w, struct slice key, bool has_pivot)
{
    w->current = key;
    return w->is_single ? add_by_commit(w, has_pivot) : add_by_keys(w, has_pivot);
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
    bool has_key = w->pivot_key.bytes != NULL, stands_behind = w->pivot && !has_key;
    TRY(walk_open(w, has_key));
    if (w->sort->is_before) {
        /* Of a value that the pivot has not, what has no further one is the nearest. */
        if (stands_behind || !w->pivot)
            TRY(add(w, SLICE_NONE, stands_behind));
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
    size_t next = w->level + 1;
    bool by_change = next < q->sort_count && param_is(q->sorts[next].param, "_lastUpdated");
    w->is_single = next == q->sort_count || by_change;
    w->ties_fall = by_change && q->sorts[next].is_descending;
}

/* ---- the matches of one value, walked by the next key ---- */

/* A key that ends before a NUL may also be all of the value. */
static enum err value_plans(const struct walking *w, struct plan **ret)
{
    struct arena *arena = w->sort->arena;
    const struct store_order *o = &w->order;
    size_t ends = o->key_bytes ? 1 : 2;
    struct plan *any = arena_alloc(arena, sizeof *any);
    struct plan *leaves = arena_array(arena, ends * o->part_count, sizeof *leaves);
    struct plan **children = arena_array(arena, ends * o->part_count, sizeof(struct plan *));
    if (!any || !leaves || !children)
        return ERR_LIMIT;
    for (size_t i = 0; i < ends * o->part_count; i++) {
        const struct store_part *part = &o->parts[i / ends];
        char *bytes = arena_raw(arena, part->prefix.length + w->current.length + 1);
        if (!bytes)
            return ERR_LIMIT;
        memcpy(bytes, part->prefix.bytes, part->prefix.length);
        memcpy(bytes + part->prefix.length, w->current.bytes, w->current.length);
        bytes[part->prefix.length + w->current.length] = '\0';
        bool has_more = o->key_bytes || i % 2;
        size_t length = part->prefix.length + w->current.length + (has_more && !o->key_bytes);
        leaves[i] = (struct plan){ .kind = has_more ? PLAN_PREFIX : PLAN_TERM,
                                   .field = part->field,
                                   .from = slice_of(bytes, length) };
        children[i] = &leaves[i];
    }
    *any = (struct plan){ .kind = PLAN_OR, .children = children };
    any->child_count = ends * o->part_count;
    *ret = any;
    return ERR_NONE;
}

static enum err group_plan(const struct walking *w, const struct plan **ret)
{
    struct arena *arena = w->sort->arena;
    size_t count = w->plan->kind == PLAN_AND ? w->plan->child_count : 0;
    struct plan *all = arena_alloc(arena, sizeof *all);
    struct plan *own = arena_alloc(arena, sizeof *own);
    struct plan **children = arena_array(arena, count + 2, sizeof(struct plan *));
    if (!all || !own || !children)
        return ERR_LIMIT;
    *own = *w->plan;
    TRY(value_plans(w, &children[0]));
    children[1] = own;
    for (size_t i = 0; i < count; i++)
        children[i + 1] = w->plan->children[i];
    *all = (struct plan){ .kind = PLAN_AND, .children = children };
    all->child_count = count ? count + 1 : 2;
    *ret = all;
    return ERR_NONE;
}

static enum err walking_begin(struct walking *w)
{
    const struct sort *s = w->sort;
    TRY(sort_order(w->sort, w->level, &w->order));
    w->order.is_descending = w->order.is_descending != s->is_before;
    w->order.budget = w->budget;
    ties_find(w);
    return ERR_NONE;
}

static enum err add_nested(struct walking *w, bool has_pivot)
{
    struct walking inner = { .sort = w->sort,
                             .level = w->level + 1,
                             .outer = w,
                             .pivot_keys = w->pivot_keys,
                             .pivot = has_pivot ? w->pivot : 0,
                             .budget = w->budget,
                             .docs = w->docs,
                             .count = w->count };
    if (inner.pivot)
        inner.pivot_key = w->pivot_keys[inner.level];
    TRY(group_plan(w, &inner.plan));
    TRY(walking_begin(&inner));
    TRY(store_matches_open(w->sort->reader, inner.plan, w->sort->arena, &inner.matches));
    TRY(fill(&inner));
    w->count = inner.count;
    return ERR_NONE;
}

enum err sort_walk(struct sort *s, struct store_matches *matches, uint64_t budget)
{
    struct walking w = { .sort = s, .matches = matches, .plan = s->query->plan };
    w.pivot = s->pivot;
    w.budget = budget;
    w.docs = arena_array(s->arena, s->limit + 1, sizeof *w.docs);
    if (!w.docs)
        return ERR_LIMIT;
    TRY(walking_begin(&w));
    w.order.is_implied = is_implied(s->query);
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
