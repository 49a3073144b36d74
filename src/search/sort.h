/* search/sort.h - a page in the order of values.
 *
 * Each match has, for each key, its least value (descending: its greatest); what has
 * none comes last either way, and equals stay in the order of their last change. A
 * page lies behind or before a document, the pivot, whose own values say where that is:
 * nothing is kept between pages. Two ways lead to the same page:
 *
 *   gathered  all matches with their keys, of which the page's are selected: where
 *             matches are few (sort_keys.c)
 *   walked    the first key's values in order, as the index has them, until the page
 *             is full: where matches are many (sort_walk.c)
 *
 * Private to search/.
 */
#ifndef SEARCH_SORT_H
#define SEARCH_SORT_H

#include "search/compile.h"

enum {
    SORT_BODIES_MAX = 20000, /* matches whose bodies may be read for their keys */
    SORT_BODY_NS = 7000,      /* for which one takes about so long; */
    SORT_WALK_NS = 150,       /* a posting, in the order of values, */
    SORT_WALK_OPEN_NS = 40000, /* and what is to be done before the first */
};

/* A page being found. First docs are what is to be put in order, then the page. */
struct sort {
    const struct search_query *query;
    struct store_reader *reader;
    struct arena *arena;
    size_t limit;
    uint64_t pivot; /* document; 0: none */
    bool is_before;
    struct store_order order; /* of the first key, see sort_order() */
    bool always_nests; /* for tests: equals are walked by their next key, however few */

    uint64_t *docs; /* ascending; of sort_select(): the page, in order */
    size_t count;
    struct slice *keys; /* sort_count of each document; no bytes: none */
};

static inline bool param_is(const struct fhir_param *param, const char *name)
{
    return slice_is(param->code, name);
}
/* One that the store answers itself. */
static inline bool param_is_of_store(const struct fhir_param *param)
{
    return param_is(param, "_id") || param_is(param, "_lastUpdated") || param_is(param, "_score");
}
/* The kinds of values that have an order, by the parameter's type; and how many bytes
 * behind the kind make it, 0: up to a NUL. */
const char *sorted_kinds(const struct fhir_param *param);
size_t sorted_key_bytes(const struct fhir_param *param);

/* The values of a key, of all types, as the store walks them. */
MUST_USE enum err sort_order(struct sort *s, size_t key, struct store_order *ret);

/* The keys of all docs, from the fields or the bodies, whichever costs less. */
MUST_USE enum err sort_keys(struct sort *s);
/* Of docs with keys, those behind (before) the pivot that are nearest to it, at most
 * `limit`, in order. ERR_INVALID when the pivot is none of them. */
MUST_USE enum err sort_select(struct sort *s);

/* The page by a walk. ERR_BUSY: it would take more than `budget` postings, or too many
 * documents have one value; docs are as before then. */
MUST_USE enum err sort_walk(struct sort *s, struct store_matches *matches, uint64_t budget);

#endif
