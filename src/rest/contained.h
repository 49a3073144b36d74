/* rest/contained.h - pages of a search that returns contained resources themselves.
 *
 * The search finds the documents that contain them; a page ends where the next
 * document's matches would make it larger than _count. So a document is never in two
 * pages, and one with more matches than _count makes a larger page alone.
 */
#ifndef REST_CONTAINED_H
#define REST_CONTAINED_H

#include "rest/page.h"

/* Cut the documents found to those of one page. */
MUST_USE enum err contained_cut(const struct search_query *q, struct store_reader *reader,
                                struct search_found *found);
/* All matches of the search, for its total. */
MUST_USE enum err contained_count(const struct search_query *q, struct store_reader *reader,
                                  uint64_t *ret_count);
/* The entries of one document: itself if it matches, and what it contains that does;
 * fullUrl is its own, '#' and the id. An entries_append(). */
MUST_USE enum err contained_append(struct entries *e, const struct store_version *v,
                                   struct buf *out);

#endif
