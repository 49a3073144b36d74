/* sandbox/filter.h - which resources of a delivery a request asks for. Private.
 *
 * A list of criteria that must all hold; a criterion's comma-separated values
 * are alternatives. Values are decoded already; texts live in the request.
 */
#ifndef SANDBOX_FILTER_H
#define SANDBOX_FILTER_H

#include "sandbox/recorded.h"

enum criterion_kind {
    CRITERION_TYPE,
    CRITERION_ID,
    CRITERION_TAG,
    CRITERION_PROFILE,
    CRITERION_LAST_UPDATED, /* with a prefix */
    CRITERION_PATIENT,      /* refers to it, or is it */
    CRITERION_RECORD_OF,    /* the same, and what refers to no Patient at all */
};

enum { FILTER_CRITERIA_MAX = 32 };

struct criterion {
    enum criterion_kind kind;
    struct slice values;
};

struct filter {
    struct criterion criteria[FILTER_CRITERIA_MAX];
    uint32_t count;
};

/* ERR_INVALID for a value that cannot be read (a date) or one too many. */
MUST_USE enum err filter_add(struct filter *filter, enum criterion_kind kind, struct slice values);

/* `scratch` is for reading the resource; the caller rewinds it. */
bool filter_matches(const struct filter *filter, const struct record *record,
                    struct arena *scratch);

#endif
