/* base/err.h - every way a function can fail, as a value.
 *
 * One X-macro gives name, text and HTTP status. *Absent* and *end* are values
 * (NULL, zero), never errors. Below rest, control, server, sync and cli
 * nothing logs: the error travels up and the edge speaks. What a person should
 * read goes into the request's issues (base/issues.h), not in here.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/check.h"

/* X(name, HTTP status, text) */
#define ERR_LIST(X)                                                        \
    X(NONE, 200, "no error")                                               \
    X(NO_MEMORY, 503, "out of memory")                                     \
    X(LIMIT, 413, "a size limit was passed")                               \
    X(SYNTAX, 400, "malformed input")                                      \
    X(INVALID, 400, "the content breaks a rule")                           \
    X(UNSUPPORTED, 400, "not supported")                                   \
    X(UNAUTHENTICATED, 401, "authentication is missing or wrong")          \
    X(FORBIDDEN, 403, "not permitted")                                     \
    X(NOT_FOUND, 404, "not found")                                         \
    X(METHOD, 405, "the method is not allowed here")                       \
    X(NOT_ACCEPTABLE, 406, "no acceptable representation")                 \
    X(CONFLICT, 409, "conflict with the current state")                    \
    X(GONE, 410, "deleted")                                                \
    X(PRECONDITION, 412, "a precondition failed")                          \
    X(MEDIA_TYPE, 415, "unsupported media type")                           \
    X(UNPROCESSABLE, 422, "well formed but cannot be processed")           \
    X(THROTTLED, 429, "too many requests")                                 \
    X(HEADERS_TOO_LARGE, 431, "the request's header fields are too large") \
    X(INTERNAL, 500, "internal error")                                     \
    X(IO, 500, "input/output error")                                       \
    X(CORRUPT, 500, "stored bytes are damaged")                            \
    X(NOT_IMPLEMENTED, 501, "not implemented")                             \
    X(NETWORK, 502, "the network or the peer failed")                      \
    X(BUSY, 503, "overloaded, retry later")                                \
    X(READ_ONLY, 503, "the store is read-only after a write failed")       \
    X(TIMEOUT, 504, "timed out")

enum err {
#define X(name, status, text) ERR_##name,
    ERR_LIST(X)
#undef X
        ERR_COUNT
};

/* "ERR_NOT_FOUND" without its prefix: "NOT_FOUND". Static storage. */
const char *err_name(enum err e);

/* A short lower-case sentence. Static storage. */
const char *err_text(enum err e);

/* The HTTP status that fits when nothing better is known. */
int err_http_status(enum err e);

#endif
