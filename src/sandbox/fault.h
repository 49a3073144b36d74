/* sandbox/fault.h - what a consent's answers do wrong, on request. Private.
 *
 * A fault is a kind and a number: how many requests it spoils, a size or a
 * delay. 0 is off. Plain values, copied under the sandbox's lock.
 */
#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum fault_kind {
    FAULT_TRANSIENT,     /* 429 transient, so many times */
    FAULT_THROTTLED,     /* 429 throttled, so many times */
    FAULT_ERROR,         /* 500, so many times */
    FAULT_UNPROCESSABLE, /* 422, so many times */
    FAULT_REVOKED,       /* 401, so many times */
    FAULT_SLOW,          /* milliseconds before each piece of a body */
    FAULT_TRUNCATED,     /* the body breaks off after so many bytes */
    FAULT_PAGED,         /* $everything in pages of so many */
    FAULT_DUPLICATES,    /* each n-th resource comes twice, equal */
    FAULT_STALE,         /* each n-th comes twice, first as an older version */
    FAULT_NO_FULL_URL,   /* entries without fullUrl */
    FAULT_NO_RESOURCE,   /* behind each n-th, one without resource and an OperationOutcome */
    FAULT_NO_ID,         /* behind each n-th, a resource without id */
    FAULT_DANGLING,      /* each n-th resource is left out, references to it stay */
    FAULT_KINDS,
};

/* How a 429 transient says when to come back. */
enum fault_retry {
    RETRY_BOTH, /* Retry-After and X-Retry-After */
    RETRY_STANDARD,
    RETRY_X,
    RETRY_NONE,
    RETRY_ZERO,
    RETRY_DATE,
    RETRY_FORMS,
};

struct faults {
    uint64_t values[FAULT_KINDS];
    enum fault_retry retry;
    uint64_t truncations; /* that are still to come */
};

/* "kind", "kind=value", "transient=value/form" or "truncated=bytes/times"; without
 * a value the kind's usual one. "none" turns all off. False on anything else. */
bool fault_parse(struct slice text, struct faults *faults);

const char *fault_name(enum fault_kind kind);
const char *fault_retry_name(enum fault_retry form);

#endif
