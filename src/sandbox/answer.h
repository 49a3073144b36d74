/* sandbox/answer.h - answers as Flexpa shapes them. Private. */
#ifndef SANDBOX_ANSWER_H
#define SANDBOX_ANSWER_H

#include "base/buf.h"
#include "http/http.h"

/* A whole body, copied into the request's arena, with X-Request-Id. */
void answer_body(struct http_request *r, struct http_response *w, int status,
                 const char *content_type, struct slice body);

#define ANSWER_FHIR "application/fhir+json"
#define ANSWER_JSON "application/json"

/* An OperationOutcome of one issue. `code` is of issue-type. */
void answer_outcome(struct http_request *r, struct http_response *w, int status, const char *code,
                    const char *format, ...) PRINTF_LIKE(5, 6);

/* Flexpa's JSON for tokens that are missing, unknown or revoked. */
void answer_unauthorized(struct http_request *r, struct http_response *w);

/* Add a header; the value is copied. */
void answer_header(struct http_request *r, struct http_response *w, const char *name,
                   const char *format, ...) PRINTF_LIKE(4, 5);

#endif
