/* rest/page.h - an answer made piece by piece.
 *
 * A source appends pieces of some hundred KB until it says that it is done. What
 * fits one piece is sent with its length; the rest is pulled by the HTTP layer
 * while it sends, so memory stays flat whatever the answer's size. The entry of
 * a bundle is made at once, under the bundle's ceiling.
 */
#ifndef REST_PAGE_H
#define REST_PAGE_H

#include "rest/request.h"

enum { PAGE_PIECE_BYTES = 256 * 1024 };

struct page_source {
    /* Append about PAGE_PIECE_BYTES and set *ret_done at the end. */
    enum err (*fill)(void *context, struct buf *out, bool *ret_done);
    /* Called once, whatever happened. */
    void (*end)(void *context);
    void *context; /* in the request's arena */
};

/* 200 with the source's bytes. Takes the source over, also on failure: an error
 * of the first piece is returned (and becomes an OperationOutcome), a later one
 * cuts the transfer. */
MUST_USE enum err page_send(struct request *r, struct page_source source);

/* The bytes of a buffer, taken over (and left empty) when they are many. */
MUST_USE enum err page_send_buf(struct request *r, int status, struct buf *body);

/* The whole of a response, whether body or produced, appended to `out`, and its
 * production ended. For bundle entries. */
MUST_USE enum err page_drain(struct http_response *response, struct buf *out);

/* Entries of a Bundle out of documents, in the order given. */
struct entries {
    const struct rest *rest;
    struct store_reader *reader;
    struct slice base_url;
    struct arena scratch; /* for bodies */
    const char *mode;     /* search.mode: "match", "include" */
    struct fhir_subset subset; /* of each resource */
    /* What entries_fill() makes of a document; entries_append() if NULL. */
    enum err (*append)(struct entries *e, const struct store_version *v, struct buf *out);
    const struct search_query *query; /* for it; NULL: it needs none */
    bool is_begun;        /* the entry array is open */
    struct buf *out;      /* while filling */
    size_t next;          /* place of the next document in the list */
    bool is_paused;       /* the piece was full, or time was up */
    int64_t pause_us;     /* the first piece ends then; 0: when it is full */
    const uint64_t *docs; /* of the run */
    const double *scores; /* of the matches, as they come; NULL: none is told */
};

void entries_init(struct entries *e, struct request *r, struct store_reader *reader);
void entries_release(struct entries *e);
/* Append entries from docs[e->next] on until the piece is full or all are there
 * (then e->next == count). */
MUST_USE enum err entries_fill(struct entries *e, const uint64_t *docs, size_t count,
                               struct buf *out);
/* One entry; `entries_fill` uses it for each. */
MUST_USE enum err entries_append(struct entries *e, const struct store_version *v, struct buf *out);
/* ',' or ',"entry":[' before the next entry. */
void entries_comma(struct entries *e, struct buf *out);
/* ']' if the array is open. */
void entries_close(struct entries *e, struct buf *out);

/* The URL "base/path?query&page=token" as a JSON link object, appended. `query`
 * and `token` may be empty. */
void link_append(struct buf *out, const char *relation, struct slice base_url, struct slice path,
                 struct slice query, struct slice token);
/* The same, with a comma before it. ERR_NO_MEMORY when a part could not be made: a link cut
 * short would lead back to the first page. */
MUST_USE enum err link_page_append(struct buf *out, const char *relation, struct slice base_url,
                                   struct slice path, struct slice query, struct slice token);
/* "next". */
MUST_USE enum err link_next_append(struct buf *out, struct slice base_url, struct slice path,
                                   struct slice query, struct slice token);

#endif
