/* Searches that are over in some hundred microseconds run on the loop thread, as reads by
 * id do: waking a thread of the pool takes a fifth of what such a search costs. What a
 * request looks like says whether it may begin there, its plan whether it goes on. */
#include "rest/brief.h"

enum { QUERY_BYTES = 512, PAIRS_MAX = 8 };

/* Parameters of resources, without modifier, chain or anything else that may lead far; and
 * those results that cost nothing more. */
static bool is_brief_name(struct slice name)
{
    static const char *const plain[] = { "_id",    "_tag",   "_profile",    "_security", "_source",
                                         "_count", "_format", "_lastUpdated", "page" };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (slice_is(name, plain[i]))
            return true;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.bytes[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && (c != '-' || !i))
            return false;
    }
    return name.length > 0;
}

bool rest_search_may_be_brief(struct slice path, struct slice query)
{
    if (!fhir_resource_find(path) || !query.length || query.length > QUERY_BYTES)
        return false;
    for (int pairs = 0; query.bytes; pairs++) {
        struct slice pair = slice_cut(&query, '&');
        if (pairs == PAIRS_MAX || !is_brief_name(slice_cut(&pair, '=')))
            return false;
    }
    return true;
}

/* Nothing that is gathered, weighed or followed. */
static bool is_brief_plan(const struct plan *plan, int depth, size_t *leaves)
{
    enum { LEAVES_MAX = 12, DEPTH_MAX = 4 };
    switch (plan->kind) {
    case PLAN_NONE:
    case PLAN_ALL:
    case PLAN_SPAN:
    case PLAN_INSTANT:
    case PLAN_ID:
    case PLAN_TERM:
    case PLAN_PREFIX:
        return ++*leaves <= LEAVES_MAX;
    case PLAN_AND:
    case PLAN_OR:
        for (size_t i = 0; i < plan->child_count; i++)
            if (depth == DEPTH_MAX || !is_brief_plan(plan->children[i], depth + 1, leaves))
                return false;
        return true;
    case PLAN_NOT:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
    case PLAN_KNOWN:
    case PLAN_CREATED:
    case PLAN_TEST:
    case PLAN_REFERS:
    case PLAN_REFERRED:
        return false;
    }
    return false;
}

bool brief_is(const struct search_query *q)
{
    size_t leaves = 0;
    bool is_plain = !q->sort_count && !q->include_count && !q->count_only && !q->contained_count &&
                    !q->is_explained && q->total == SEARCH_TOTAL_NONE;
    return is_plain && is_brief_plan(q->plan, 0, &leaves);
}
