/* rest/draft.h - from a client's resource to a write that the store takes.
 *
 * Checks what HTTP and FHIR ask of a body (an object, resourceType and id as the
 * URL says), makes the stored form and derives its terms. Conditions on the
 * version come from headers or from a bundle entry, in the same words.
 */
#ifndef REST_DRAFT_H
#define REST_DRAFT_H

#include "rest/request.h"

struct draft {
    struct rest *rest;
    struct arena *arena;   /* what the write needs is cut here */
    struct arena *scratch; /* rewound before draft_put() returns */
    struct buf *work;      /* overwritten */
    struct issues *issues;
    /* The resource and where it goes. */
    struct json resource;
    const struct fhir_type *type;
    struct slice id;
    bool is_create; /* POST: the body's own id is of no account */
    bool sets_id;   /* a conditional update: `id` goes into a body without one */
    /* References of a bundle: NULL outside of one. `*is_rewritten` is set by the
     * rewriting when it changed anything. */
    enum rest_level level;
    bool is_result;            /* of a patch: a fault is a 422, and has no line */
    struct slice *ret_outcome; /* what REST_MINIMAL let pass, an OperationOutcome in the
                                * arena; left alone when there is nothing. May be NULL */
    fhir_rewrite *rewrite;
    void *rewrite_context;
    const bool *is_rewritten;
    struct slice full_url;
    /* What a reference to another entry means: as check_options has it. May be NULL. */
    bool (*target)(void *context, struct slice reference, const struct fhir_type **ret_type);
};

/* How much longer than what came a stored body may be: its id, and the findings
 * that REST_MINIMAL puts in. */
enum { DRAFT_EXTRA_BYTES = (3 << 20) + 1024 };

/* Fill *ret: a PUT of the draft, `expect` and `skip_if_equal` left to the caller. */
MUST_USE enum err draft_put(const struct draft *d, struct store_write *ret);

/* The request's condition as the store wants it: If-Match W/"3", W/"5" or *, and
 * If-None-Match *. Either may be NULL. What is read is cut from the issues' arena. */
MUST_USE enum err draft_expect(struct issues *issues, const struct slice *if_match,
                               const struct slice *if_none_match, struct store_write *write);

/* 412 with the issue that says what did not hold. */
MUST_USE enum err draft_refused(struct issues *issues, const struct store_write *write,
                                const struct store_result *result);

/* A write's origin, which history tells. Stored: numbers may not change. */
enum draft_origin { ORIGIN_PUT, ORIGIN_POST, ORIGIN_PATCH };

#endif
