/* base/err.h - every way a function can fail, as a value.
 *
 * One X-macro gives name, text and what either plane answers: the only table of
 * statuses, issue codes and error types. *Absent* and *end* are values
 * (NULL, zero), never errors. Below rest, control, server, sync and cli
 * nothing logs: the error travels up and the edge speaks. What a person should
 * read goes into the request's issues (base/issues.h), not in here.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/check.h"

/* X(name, status, issue, service status, service type, text, details)
 *
 * status, issue and details are FHIR's side: the status of the answer, the code
 * (value set issue-type) of an OperationOutcome's issue unless the finding has a
 * finer one, and the sentence that HealthLake sends with it as details.text, or
 * NULL. The service's side is AWS's: its API reference answers 400 to all that
 * clients do wrong. docs/errors.md shows the table; `tarn errors` prints it. */
#define ERR_LIST(X)                                                                             \
    X(NONE, 200, "informational", 200, "", "no error", NULL)                                    \
    X(NO_MEMORY, 503, "transient", 503, "InternalServerException", "out of memory", NULL)       \
    X(LIMIT, 413, "too-long", 413, "RequestEntityTooLargeException",                            \
      "a size limit was passed", NULL)                                                          \
    X(SYNTAX, 400, "invalid", 400, "SerializationException",                                    \
      "malformed input",                                                                        \
      "The provided payload was invalid and could not be parsed correctly.")                    \
    X(INVALID, 400, "processing", 400, "ValidationException",                                   \
      "the content breaks a rule", NULL)                                                        \
    X(UNSUPPORTED, 400, "not-supported", 400, "UnknownOperationException",                      \
      "not supported", NULL)                                                                    \
    X(UNAUTHENTICATED, 401, "forbidden", 401, "MissingAuthenticationTokenException",            \
      "authentication is missing or wrong", NULL)                                               \
    X(SIGNATURE_FORM, 403, "forbidden", 403, "IncompleteSignatureException",                    \
      "the signature is not complete", NULL)                                                    \
    X(CLIENT_UNKNOWN, 403, "forbidden", 403, "UnrecognizedClientException",                     \
      "the security token is invalid", NULL)                                                    \
    X(SIGNATURE, 403, "forbidden", 403, "InvalidSignatureException",                            \
      "the signature does not match", NULL)                                                     \
    X(EXPIRED, 403, "expired", 403, "ExpiredTokenException",                                    \
      "the security token is expired", NULL)                                                    \
    X(FORBIDDEN, 403, "forbidden", 403, "AccessDeniedException", "not permitted", NULL)         \
    X(NOT_FOUND, 404, "not-found", 400, "ResourceNotFoundException", "not found", NULL)         \
    X(METHOD, 405, "not-supported", 400, "UnknownOperationException",                           \
      "the method is not allowed here", NULL)                                                   \
    X(NOT_ACCEPTABLE, 406, "not-supported", 400, "ValidationException",                         \
      "no acceptable representation", NULL)                                                     \
    X(REQUEST_TIMEOUT, 408, "timeout", 408, "RequestTimeoutException",                          \
      "the request took too long to come", NULL)                                                \
    X(CONFLICT, 409, "conflict", 400, "ConflictException",                                      \
      "conflict with the current state", NULL)                                                  \
    X(GONE, 410, "deleted", 400, "ResourceNotFoundException", "deleted", NULL)                  \
    X(PRECONDITION, 412, "exception", 400, "ConflictException",                                 \
      "a precondition failed",                                                                  \
      "Resource was modified by another operation. Retry the request.")                         \
    X(TARGET_TOO_LONG, 414, "too-long", 414, "MalformedHttpRequestException",                   \
      "the request's target is too long", NULL)                                                 \
    X(MEDIA_TYPE, 415, "value", 400, "ValidationException",                                     \
      "unsupported media type",                                                                 \
      "Incorrect MIME-type. Update request Content-Type header.")                               \
    X(EXPECTATION, 417, "not-supported", 417, "MalformedHttpRequestException",                  \
      "the expectation cannot be met", NULL)                                                    \
    X(UNPROCESSABLE, 422, "processing", 400, "ValidationException",                             \
      "well formed but cannot be processed", NULL)                                              \
    X(THROTTLED, 429, "throttled", 400, "ThrottlingException",                                  \
      "too many requests",                                                                      \
      "Rate limit exceeded. Please retry after some time.")                                     \
    X(HEADERS_TOO_LARGE, 431, "too-long", 431, "MalformedHttpRequestException",                 \
      "the request's header fields are too large", NULL)                                        \
    X(HTTP_SYNTAX, 400, "structure", 400, "MalformedHttpRequestException",                      \
      "malformed HTTP", NULL)                                                                   \
    X(HTTP_VERSION, 505, "not-supported", 505, "MalformedHttpRequestException",                 \
      "the HTTP version is not supported", NULL)                                                \
    X(INTERNAL, 500, "exception", 500, "InternalServerException", "internal error", NULL)       \
    X(IO, 500, "exception", 500, "InternalServerException", "input/output error", NULL)         \
    X(CORRUPT, 500, "exception", 500, "InternalServerException",                                \
      "stored bytes are damaged", NULL)                                                         \
    X(NOT_IMPLEMENTED, 501, "not-supported", 501, "NotImplementedOperationException",           \
      "not implemented",                                                                        \
      "Interaction not supported.")                                                             \
    X(NETWORK, 502, "exception", 500, "InternalServerException",                                \
      "the network or the peer failed", NULL)                                                   \
    X(BUSY, 503, "throttled", 503, "InternalServerException",                                   \
      "overloaded, retry later", NULL)                                                          \
    X(NOT_READY, 503, "transient", 503, "InternalServerException",                              \
      "the index it needs is being built, retry later", NULL)                                   \
    X(READ_ONLY, 503, "exception", 503, "InternalServerException",                              \
      "the store is read-only after a write failed", NULL)                                      \
    X(FULL, 507, "no-store", 503, "InternalServerException",                                    \
      "the disk is nearly full: writes are refused until space is free", NULL)                  \
    X(TIMEOUT, 504, "timeout", 500, "InternalServerException", "timed out", NULL)

enum err {
#define X(name, ...) ERR_##name,
    ERR_LIST(X)
#undef X
        ERR_COUNT
};

/* "ERR_NOT_FOUND" without its prefix: "NOT_FOUND". Static storage. */
const char *err_name(enum err e);

/* A short lower-case sentence. Static storage. */
const char *err_text(enum err e);

/* The status of the data plane's answer, and of HTTP's own refusals. */
int err_http_status(enum err e);

/* An OperationOutcome's issue code and details.text (may be NULL). Static. */
const char *err_issue(enum err e);
const char *err_details(enum err e);

/* Status and type ("ResourceNotFoundException") of the control plane's answer; the
 * type also stands in x-amzn-ErrorType of the data plane's. Static. */
int err_service_status(enum err e);
const char *err_service_type(enum err e);

#endif
