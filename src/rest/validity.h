/* rest/validity.h - is the resource valid enough to be stored? Private to rest/. */
#ifndef REST_VALIDITY_H
#define REST_VALIDITY_H

#include "rest/draft.h"

/* Check d->resource at d->level. Errors go into d->issues, behind HealthLake's
 * sentence, and are refused: ERR_INVALID, or ERR_UNPROCESSABLE for a patch's result.
 * At REST_MINIMAL they become an OperationOutcome: *ret_resource is then the
 * resource with the extension that holds it, parsed into d->scratch, else
 * d->resource. */
MUST_USE enum err validity_check(const struct draft *d, struct json *ret_resource);

/* What is to be checked, and how much of it. */
struct validity_ask {
    struct rest *rest;
    enum rest_level level;
    struct json resource;
    const struct fhir_type *type; /* NULL: unknown, an error of its own */
    const struct slice *profiles; /* besides those of meta.profile; all known */
    size_t profile_count;
    const struct draft *draft; /* NULL: nothing is about to be written */
};

/* All findings, warnings too, into `issues`. */
MUST_USE enum err validity_findings(const struct validity_ask *ask, struct arena *scratch,
                                    struct issues *issues);

/* r->level by the request's header. */
MUST_USE enum err validity_level(struct request *r);

#endif
