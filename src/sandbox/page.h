/* sandbox/page.h - a searchset Bundle, streamed. Private.
 *
 * One resource at a time passes through: the walk over the delivery, the filter,
 * the faults, the Bundle's entry. So a member of any size costs the memory of one
 * piece.
 */
#ifndef SANDBOX_PAGE_H
#define SANDBOX_PAGE_H

#include "http/http.h"
#include "sandbox/filter.h"
#include "sandbox/members.h"

enum { PAGE_ALL = -1 };

/* What to send; in the request's arena, as are its texts. */
struct page {
    struct members *members;
    struct consent *consent;
    uint32_t delivery;
    struct faults faults;
    struct filter filter;
    uint64_t offset;
    int64_t count;      /* entries; PAGE_ALL: the rest, whatever their number */
    bool with_total;
    struct slice base;  /* "http://host:port/fhir" */
    struct slice path;  /* as the request had it, behind the host */
    struct slice query; /* of the links, without _count and _offset */
};

/* Answer 200 with the Bundle. */
void page_answer(struct http_request *r, struct http_response *w, const struct page *page);

#endif
