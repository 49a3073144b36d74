/* rest/include.h - the resources that _include and _revinclude add to a page.
 *
 * References come out of the bodies of the page by the extraction that the index
 * uses, what refers to a match out of the index. Each resource is added once,
 * and none that is a match of the page. `:iterate` goes on from what was added
 * until nothing new comes.
 */
#ifndef REST_INCLUDE_H
#define REST_INCLUDE_H

#include "rest/request.h"

enum { INCLUDED_MAX = LIMIT_INCLUDED }; /* of one page; more is ERR_LIMIT with an issue */

/* Documents to add to the page of `docs`, cut from r->arena. */
MUST_USE enum err include_find(struct request *r, const struct search_query *query,
                               struct store_reader *reader, const uint64_t *docs, size_t count,
                               uint64_t **ret_docs, size_t *ret_count);

#endif
