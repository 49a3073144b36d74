/* rest/reply.h - pieces of an answer: headers, bodies, links, instants. */
#ifndef REST_REPLY_H
#define REST_REPLY_H

#include "base/buf.h"
#include "rest/request.h"

/* Texts that a client meets in several places. Cut from the request's arena;
 * .bytes is NULL when memory is short. */
struct slice reply_instant(struct request *r, int64_t instant); /* "2026-...Z" */
struct slice reply_etag(struct request *r, uint64_t version);   /* W/"3" */
/* "Type/id/_history/3" */
struct slice reply_version_path(struct request *r, struct slice type, struct slice id,
                                uint64_t version);

/* The next of a list of ETags, W/"3" or "3", commas between them; *list is cut. */
enum etag {
    ETAG_END,
    ETAG_VERSION, /* *ret_version is set */
    ETAG_FOREIGN, /* an ETag's form, but none of ours */
    ETAG_BAD,     /* no ETag: the rest of the list cannot be read */
};
enum etag etag_next(struct slice *list, uint64_t *ret_version);

/* Status, Content-Type and body (which must live in the arena or longer). */
MUST_USE enum err reply_body(struct request *r, int status, struct slice body);
/* The same, body copied out of a buffer into the arena. */
MUST_USE enum err reply_copy(struct request *r, int status, const struct buf *body);
MUST_USE enum err reply_header(struct request *r, const char *name, struct slice value);
/* ETag and Last-Modified; also remembered in the request. */
MUST_USE enum err reply_version(struct request *r, uint64_t version, int64_t instant);

/* Preference-Applied, when the client asked for a form of answer by Prefer: return=. */
MUST_USE enum err reply_preference(struct request *r);

/* Append a stored body with its versionId and lastUpdated spliced in. */
MUST_USE enum err reply_resource(const struct rest *rest, struct slice body, uint32_t splice,
                                 uint64_t version, int64_t instant, struct buf *out);

/* The same of a part of it. Takes from `scratch` what it works with; the caller rewinds. */
MUST_USE enum err reply_subset(const struct rest *rest, const struct fhir_subset *subset,
                               const struct store_version *v, struct arena *scratch,
                               struct buf *out);

/* _summary (but count) and _elements among the request's parameters, for a type. */
MUST_USE enum err reply_subset_find(struct request *r, const struct fhir_type *type,
                                    struct fhir_subset *ret);

#endif
