/* rest/media.h - which form a body has and which form the answer takes.
 *
 * JSON only: application/fhir+json, application/json, application/json+fhir,
 * with any parameters. Accept is read by q-value; `_format` wins over it.
 */
#ifndef REST_MEDIA_H
#define REST_MEDIA_H

#include "rest/request.h"

/* Sets r->media. `format` (the _format parameter) may be empty.
 * ERR_NOT_ACCEPTABLE with an issue that names what could be had. */
MUST_USE enum err media_answer(struct request *r, struct slice format);

/* The body is JSON by its Content-Type (none counts as JSON); else
 * ERR_MEDIA_TYPE with its issue. */
MUST_USE enum err media_body_is_json(struct request *r);
/* The media type of the body, its parameters cut off; empty when not stated. */
struct slice media_body_type(const struct request *r);
/* The same for application/x-www-form-urlencoded. */
MUST_USE enum err media_body_is_form(struct request *r);

/* Prefer: return=minimal|representation|OperationOutcome into r->prefer; other
 * preferences are passed over, as RFC 7240 allows. */
void media_prefer(struct request *r);

/* If-Match and If-None-Match on several lines become one list. 400 for a header
 * that is no list, changes what is done and is there twice: which one a client or
 * a proxy meant cannot be told. */
MUST_USE enum err media_headers_join(struct request *r);

/* Those that are spoken, from 0; NULL behind the last. Static. */
const char *media_type(size_t number);

#endif
