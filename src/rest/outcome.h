/* rest/outcome.h - the only place where an error becomes an OperationOutcome. */
#ifndef REST_OUTCOME_H
#define REST_OUTCOME_H

#include "rest/request.h"

/* Fill the response with the status that fits `err` and an OperationOutcome of
 * the issues (or of a general sentence if there are none), the request's id in
 * it. Cannot fail: without memory a static one is sent. */
void outcome_reply(struct http_request *http, const char *media, enum err err,
                   const struct issues *issues, struct http_response *response);

/* Append the OperationOutcome as JSON; `id` may be empty. */
void outcome_render(struct buf *out, struct slice id, enum err err, const struct issues *issues);

/* HealthLake's sentence before the findings of a resource. */
#define OUTCOME_INVALID_RESOURCE "FHIR resource in payload failed FHIR validation rules."

/* One that says all is well. */
void outcome_render_ok(struct buf *out, struct slice id, struct slice text);

/* Copy the findings of one bundle entry into the list of the whole, under
 * "Bundle.entry[index]"; the sentence above goes over once, before all. */
void outcome_merge(struct issues *to, const struct issues *from, size_t index, enum err err);

/* A JSON text that did not parse: where and why. Returns `err`. */
MUST_USE enum err outcome_json(struct issues *issues, enum err err, const struct json_error *error);

#endif
