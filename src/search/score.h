/* search/score.h - how well documents fit the texts searched for; see score.c.
 *
 * Private to search/. While a query is compiled the texts asked for are noted; when it
 * runs, a page or all matches get a score out of them, 0 to 1.
 */
#ifndef SEARCH_SCORE_H
#define SEARCH_SCORE_H

#include "search/compile.h"

/* A text asked for: a word, a value of a string. */
struct score_part {
    const struct plan *plan;
    double share; /* of the term's weight, for documents that it finds */
};
enum { SCORE_PARTS_MAX = 4, SCORE_TERMS_MAX = 64 /* of a query; more do not count */ };
struct score_term {
    const struct fhir_type *type;
    const struct plan *whole; /* what counts as having it */
    struct score_part parts[SCORE_PARTS_MAX];
    size_t part_count;
};

/* What stands for _score among the parameters to sort by. */
extern const struct fhir_param score_param;

/* Of documents, ascending; into ret[count]. */
MUST_USE enum err score_docs(const struct search_query *q, struct store_reader *reader,
                             const uint64_t *docs, size_t count, struct arena *arena,
                             double *ret);
/* The same as keys to sort by, at keys[i * stride]. */
MUST_USE enum err score_keys(const struct search_query *q, struct store_reader *reader,
                             const uint64_t *docs, size_t count, struct arena *arena,
                             size_t stride, struct slice *keys);
/* found->scores, in the page's order. */
MUST_USE enum err score_page(const struct search_query *q, struct store_reader *reader,
                             struct arena *arena, struct search_found *found);

#endif
