#include "sandbox/fault.h"

#include "base/check.h"

static const struct {
    const char *name;
    uint64_t usual;
} kinds[FAULT_KINDS] = {
    [FAULT_TRANSIENT] = { "transient", 3 },
    [FAULT_THROTTLED] = { "throttled", 1 },
    [FAULT_ERROR] = { "error", 1 },
    [FAULT_UNPROCESSABLE] = { "unprocessable", UINT64_MAX },
    [FAULT_REVOKED] = { "revoked", UINT64_MAX },
    [FAULT_SLOW] = { "slow", 200 },
    [FAULT_TRUNCATED] = { "truncated", 20000 },
    [FAULT_PAGED] = { "paged", 50 },
    [FAULT_DUPLICATES] = { "duplicates", 5 },
    [FAULT_STALE] = { "stale", 5 },
    [FAULT_NO_FULL_URL] = { "no-fullurl", 1 },
    [FAULT_NO_RESOURCE] = { "no-resource", 10 },
    [FAULT_NO_ID] = { "no-id", 10 },
    [FAULT_DANGLING] = { "dangling", 10 },
};

static const char *const retry_names[RETRY_FORMS] = {
    [RETRY_BOTH] = "both", [RETRY_STANDARD] = "retry-after", [RETRY_X] = "x-retry-after",
    [RETRY_NONE] = "none", [RETRY_ZERO] = "zero",            [RETRY_DATE] = "date",
};

const char *fault_name(enum fault_kind kind)
{
    return kinds[kind].name;
}

const char *fault_retry_name(enum fault_retry form)
{
    return retry_names[form];
}

static bool parse_retry(struct slice form, enum fault_retry *ret_form)
{
    for (int i = 0; i < RETRY_FORMS; i++) {
        if (slice_is(form, retry_names[i])) {
            *ret_form = (enum fault_retry)i;
            return true;
        }
    }
    return false;
}

bool fault_parse(struct slice text, struct faults *faults)
{
    if (slice_is(text, "none")) {
        *faults = (struct faults){ 0 };
        return true;
    }
    struct slice rest = text, form = SLICE_NONE;
    struct slice name = slice_cut(&rest, '=');
    struct slice value = rest.bytes ? slice_cut(&rest, '/') : SLICE_NONE;
    if (value.bytes)
        form = rest;
    for (int i = 0; i < FAULT_KINDS; i++) {
        if (!slice_is(name, kinds[i].name))
            continue;
        uint64_t number = kinds[i].usual;
        enum fault_retry retry = RETRY_BOTH;
        uint64_t times = UINT64_MAX;
        if (value.bytes && !slice_parse_u64(value, &number))
            return false;
        if (form.bytes && !(i == FAULT_TRANSIENT && parse_retry(form, &retry)) &&
            !(i == FAULT_TRUNCATED && slice_parse_u64(form, &times)))
            return false;
        faults->values[i] = number;
        if (i == FAULT_TRANSIENT)
            faults->retry = retry;
        if (i == FAULT_TRUNCATED)
            faults->truncations = times;
        return true;
    }
    return false;
}
