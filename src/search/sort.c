/* _sort: what it asks for, and which of two ways finds a page of it. */
#include "search/sort.h"

#include "search/score.h"

#include <string.h>

#include "index/index.h"

const char *sorted_kinds(const struct fhir_param *param)
{
    static const char *const kinds[] = {
        [FHIR_PARAM_NUMBER] = "nN",    [FHIR_PARAM_DATE] = "dD",       [FHIR_PARAM_STRING] = "t",
        [FHIR_PARAM_TOKEN] = "c",      [FHIR_PARAM_REFERENCE] = "rlu", [FHIR_PARAM_COMPOSITE] = "",
        [FHIR_PARAM_QUANTITY] = "qQ",  [FHIR_PARAM_URI] = "u",         [FHIR_PARAM_SPECIAL] = "",
    };
    return kinds[param->type];
}

size_t sorted_key_bytes(const struct fhir_param *param)
{
    if (param->type == FHIR_PARAM_DATE)
        return 8;
    return param->type == FHIR_PARAM_NUMBER || param->type == FHIR_PARAM_QUANTITY ? 10 : 0;
}

static enum err parse_key(struct compiler *c, struct slice text, struct search_query *q)
{
    struct search_sort sort = { .is_descending = text.length && text.bytes[0] == '-' };
    struct slice code = slice_from(text, sort.is_descending);
    bool is_score = slice_is(code, "_score") && !dialect_is_narrow(c);
    /* The best come first: that is what the word asks for. */
    sort.is_descending ^= is_score;
    sort.param = is_score ? &score_param : param_find(c, c->type, code);
    if (!sort.param)
        return value_refuse(c, text, "is no search parameter of the type");
    if (!param_is_of_store(sort.param) && (!sort.param->path || !sorted_kinds(sort.param)[0]))
        return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                           "The parameter '%.*s' has no order to sort by.", SLICE_ARGS(code));
    if (!is_score && !dialect_sorts_by(c->settings->dialect, c->type, sort.param))
        return dialect_refuse(c, "sorting by a nested element");
    size_t most = c->settings->sort_keys ? MIN(c->settings->sort_keys, (uint32_t)SEARCH_SORTS_MAX)
                                         : (uint32_t)SEARCH_SORTS_MAX;
    if (q->sort_count == most)
        return issues_fail(c->issues, ERR_INVALID, "too-costly", "_sort takes at most %d keys.",
                           (int)most);
    q->sorts[q->sort_count++] = sort;
    return ERR_NONE;
}

/* Documents are numbered in commit order: that is what comes by itself, and no two are
 * equal in it. */
static void sort_by_commit(struct search_query *q)
{
    q->is_newest_first = q->sorts[0].is_descending;
    q->sort_count = 0;
}

enum err sort_parse(struct compiler *c, struct slice value, struct search_query *q)
{
    struct slice rest = value.bytes ? value : SLICE("");
    while (rest.bytes)
        TRY(parse_key(c, slice_cut(&rest, ','), q));
    if (q->sort_count && param_is(q->sorts[0].param, "_lastUpdated"))
        sort_by_commit(q);
    return ERR_NONE;
}

/* Every type has a parameter of its own of that name, of one order with the others. */
static enum err bind_one(struct compiler *c, struct search_query *q, struct search_sort *sort)
{
    struct slice code = sort->param->code;
    sort->params = arena_array(c->arena, q->type_count, sizeof(const struct fhir_param *));
    if (!sort->params)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < q->type_count; i++) {
        const struct fhir_param *param =
            sort->param == &score_param ? &score_param : param_find(c, q->types[i], code);
        bool is_one = param && param->type == sort->param->type &&
                      (param_is_of_store(param) || param->path);
        if (!is_one)
            return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                               "A search over several types sorts by what all of them have, as "
                               "_id and _lastUpdated: %.*s has no '%.*s' of that kind.",
                               SLICE_ARGS(q->types[i]->name), SLICE_ARGS(code));
        sort->params[i] = param;
    }
    return ERR_NONE;
}

enum err sort_bind(struct compiler *c, struct search_query *q)
{
    size_t kept = 0;
    for (size_t i = 0; i < q->sort_count; i++) {
        if (q->sorts[i].param == &score_param && !q->scores.count)
            continue; /* nothing to rank by: all are equal */
        q->has_scores |= q->sorts[i].param == &score_param;
        q->sorts[kept] = q->sorts[i];
        TRY(bind_one(c, q, &q->sorts[kept++]));
    }
    q->has_scores |= q->scores.is_text;
    q->sort_count = kept;
    if (kept && param_is(q->sorts[0].param, "_lastUpdated"))
        sort_by_commit(q);
    return ERR_NONE;
}

/* ---- which way ---- */

/* In nanoseconds, roughly. */
enum {
    VISIT_NS = 20,    /* a posting of the field, in one pass over it */
    MATCH_NS = 100,   /* a match, gathered */
    VALUES_A_DOC = 2, /* that a field has, where nobody counted */
};

static double gathering_ns(double matches, double postings)
{
    double bodies = matches <= SORT_BODIES_MAX ? matches * SORT_BODY_NS : 1e18;
    return MATCH_NS * matches + MIN(bodies, postings * VISIT_NS);
}

/* Would a walk be the better way even through a field of several values a document? Then
 * its size, which takes a look into each segment, need not be known. */
static bool is_walked_anyhow(const struct sort *s, double matches)
{
    double all = VALUES_A_DOC * (double)store_reader_time(s->reader);
    double looked_at = (double)s->limit * all / matches;
    return matches > 8 * (double)s->limit &&
           SORT_WALK_OPEN_NS + looked_at * SORT_WALK_NS < gathering_ns(matches, matches);
}

/* Is the first key one whose values can be walked, and is the page had sooner so? */
static enum err choose(struct sort *s, uint64_t estimate, bool *ret_walks, uint64_t *ret_budget)
{
    uint64_t postings = 0;
    *ret_walks = false;
    if (param_is_of_store(s->query->sorts[0].param) || !estimate)
        return ERR_NONE;
    TRY(sort_order(s, 0, &s->order));
    double matches = (double)estimate, all = matches;
    if (!is_walked_anyhow(s, matches)) {
        enum err err = store_order_size(s->reader, &s->order, UINT64_MAX, &postings);
        if (err)
            return err == ERR_NOT_READY ? ERR_NONE : err; /* the bodies may tell */
        all = (double)postings;
    }
    double other = gathering_ns(matches, all);
    double looked_at = MIN((double)s->limit * MAX(all / matches, 1), all);
    *ret_walks = SORT_WALK_OPEN_NS + looked_at * SORT_WALK_NS < other;
    *ret_budget = (uint64_t)MIN(2 * other / SORT_WALK_NS, 1e15) + 10000;
    return ERR_NONE;
}

static enum err gathered(struct sort *s, struct store_matches *matches, struct issues *issues)
{
    TRY(store_matches_gather(matches, SEARCH_SORTED_MAX + 1, s->arena, &s->docs, &s->count));
    if (s->count > SEARCH_SORTED_MAX)
        return issues_fail(issues, ERR_INVALID, "too-costly",
                           "_sort orders at most %d matches, and more match: narrow the search, "
                           "or leave _sort out.", (int)SEARCH_SORTED_MAX);
    if (!s->count)
        return ERR_NONE;
    TRY(sort_keys(s));
    return sort_select(s);
}

static enum err run(struct sort *s, struct issues *issues, const char **ret_strategy)
{
    struct store_matches *matches;
    bool walks = false;
    uint64_t budget = 0;
    TRY(store_matches_open(s->reader, s->query->plan, s->arena, &matches));
    TRY(choose(s, store_matches_estimate(matches), &walks, &budget));
    if (walks) {
        *ret_strategy = "walked in the order of values";
        enum err err = sort_walk(s, matches, budget);
        if (err != ERR_BUSY && err != ERR_NOT_READY)
            return err;
    }
    *ret_strategy = "sorted by values";
    return gathered(s, matches, issues);
}

enum err sort_keep(struct arena *arena, const uint64_t *docs, size_t count,
                   struct search_found *ret)
{
    ret->docs = arena_array(arena, count + 1, sizeof *ret->docs);
    if (!ret->docs)
        return ERR_NO_MEMORY;
    if (count)
        memcpy(ret->docs, docs, count * sizeof *docs);
    ret->count = count;
    return ERR_NONE;
}

enum err sort_run(const struct search_query *q, struct store_reader *reader, size_t limit,
                  struct arena *work, struct arena *arena, struct issues *issues,
                  struct search_found *ret)
{
    struct sort s = { .query = q, .reader = reader, .arena = work, .limit = limit };
    s.pivot = q->page.position;
    s.is_before = q->page.is_before;
    TRY(run(&s, issues, &ret->strategy));
    return sort_keep(arena, s.docs, s.count, ret);
}
