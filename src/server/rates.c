#include "server/rates.h"

#include <stdlib.h>
#include <string.h>

#include "os/thread.h"

enum {
    STORES = 1024, /* a power of two */
    PROBES = 16,   /* places that a data store may be at */
    ID_BYTES = 40,
    OPERATIONS = 32, /* of the control plane */
    UNITS_MAX = 1 << 30,
};

/* When the bucket will be full again, in ns; what is before now is full. */
typedef int64_t bucket;

/* `rate` a period; 0: no limit. */
struct rate {
    const char *limit;
    uint64_t rate;
    int64_t period_us;
};

struct store_buckets {
    char id[ID_BYTES]; /* empty: nobody's */
    int64_t used_us;
    bucket buckets[REST_QUOTA_COUNT];
};

struct rates {
    pthread_mutex_t lock;
    struct rate store[REST_QUOTA_COUNT], account[REST_QUOTA_COUNT];
    struct rate create, delete, start_import, start_export, control;
    bucket account_buckets[REST_QUOTA_COUNT];
    struct {
        const char *action; /* static */
        bucket bucket;
    } operations[OPERATIONS];
    struct store_buckets stores[STORES];
};

/* ---- one bucket ---- */

static int64_t interval_ns(const struct rate *rate)
{
    int64_t ns = rate->period_us * 1000 / (int64_t)rate->rate;
    return ns ? ns : 1;
}

/* How long until something is left; 0: now. */
static int64_t wait_ns(const struct rate *rate, bucket full_ns, int64_t now_ns)
{
    if (!rate->rate)
        return 0;
    int64_t room_ns = rate->period_us * 1000 - interval_ns(rate);
    return MAX(full_ns - now_ns - room_ns, (int64_t)0);
}

static void take(const struct rate *rate, bucket *full_ns, int64_t now_ns, uint64_t units)
{
    if (rate->rate)
        *full_ns =
            MAX(*full_ns, now_ns) + (int64_t)MIN(units, (uint64_t)UNITS_MAX) * interval_ns(rate);
}

static bool refuse(const struct rate *rate, int64_t ns, const char **ret_limit,
                   int64_t *ret_wait_us)
{
    *ret_limit = rate->limit;
    *ret_wait_us = (ns + 999) / 1000;
    return false;
}

/* ---- data stores ---- */

static uint64_t hash_of(struct slice id)
{
    uint64_t hash = UINT64_C(1469598103934665603);
    for (size_t i = 0; i < id.length; i++)
        hash = (hash ^ (unsigned char)id.bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

/* The data store's, or those of the one that rested longest, made its own. */
static struct store_buckets *store_find(struct rates *rates, struct slice id, int64_t now_us)
{
    uint64_t hash = hash_of(id);
    struct store_buckets *oldest = NULL;
    id = slice_head(id, ID_BYTES - 1);
    for (size_t i = 0; i < PROBES; i++) {
        struct store_buckets *s = &rates->stores[(hash + i) % STORES];
        if (slice_is(id, s->id)) {
            s->used_us = now_us;
            return s;
        }
        if (!oldest || s->used_us < oldest->used_us)
            oldest = s;
    }
    *oldest = (struct store_buckets){ .used_us = now_us };
    memcpy(oldest->id, id.bytes, id.length);
    return oldest;
}

bool rates_spend(struct rates *rates, struct slice datastore_id, enum rest_quota quota,
                 uint64_t units, int64_t now_us, const char **ret_limit, int64_t *ret_wait_us)
{
    const struct rate *of_store = &rates->store[quota], *of_account = &rates->account[quota];
    if (!of_store->rate && !of_account->rate)
        return true;
    int64_t now_ns = now_us * 1000;
    mutex_lock(&rates->lock);
    struct store_buckets *store = store_find(rates, datastore_id, now_us);
    int64_t store_wait = wait_ns(of_store, store->buckets[quota], now_ns);
    int64_t account_wait = wait_ns(of_account, rates->account_buckets[quota], now_ns);
    bool may = !store_wait && !account_wait;
    if (may) {
        take(of_store, &store->buckets[quota], now_ns, units);
        take(of_account, &rates->account_buckets[quota], now_ns, units);
    }
    mutex_unlock(&rates->lock);
    if (may)
        return true;
    return store_wait >= account_wait ? refuse(of_store, store_wait, ret_limit, ret_wait_us)
                                      : refuse(of_account, account_wait, ret_limit, ret_wait_us);
}

/* ---- the control plane ---- */

static const struct rate *operation_rate(const struct rates *rates, const char *action)
{
    if (strcmp(action, "healthlake:CreateFHIRDatastore") == 0)
        return &rates->create;
    if (strcmp(action, "healthlake:DeleteFHIRDatastore") == 0)
        return &rates->delete;
    if (strcmp(action, "healthlake:StartFHIRImportJob") == 0)
        return &rates->start_import;
    return strcmp(action, "healthlake:StartFHIRExportJob") == 0 ? &rates->start_export
                                                                : &rates->control;
}

bool rates_spend_control(struct rates *rates, const char *action, int64_t now_us,
                         const char **ret_limit, int64_t *ret_wait_us)
{
    const struct rate *rate = operation_rate(rates, action);
    int64_t now_ns = now_us * 1000;
    size_t i = 0;
    mutex_lock(&rates->lock);
    while (i < OPERATIONS - 1 && rates->operations[i].action &&
           strcmp(rates->operations[i].action, action) != 0)
        i++;
    rates->operations[i].action = action;
    int64_t ns = wait_ns(rate, rates->operations[i].bucket, now_ns);
    if (!ns)
        take(rate, &rates->operations[i].bucket, now_ns, 1);
    mutex_unlock(&rates->lock);
    return !ns || refuse(rate, ns, ret_limit, ret_wait_us);
}

/* ---- birth and death ---- */

#define SECOND_US 1000000
#define MINUTE_US (60 * SECOND_US)
#define RATE(member, period)                                                                       \
    (struct rate)                                                                                  \
    {                                                                                              \
        .limit = rate_name(limits, &limits->member), .rate = limits->member, .period_us = period   \
    }

/* The name under which the table shows the member. */
static const char *rate_name(const struct limits *limits, const uint64_t *member)
{
    struct limit_row row;
    limits_row(limits, (size_t)(member - (const uint64_t *)limits), &row);
    return row.name;
}

static void fill(struct rates *r, const struct limits *limits)
{
    r->store[REST_QUOTA_READ] = RATE(rate_read, SECOND_US);
    r->store[REST_QUOTA_WRITE] = RATE(rate_write, SECOND_US);
    r->store[REST_QUOTA_SEARCH_GET] = RATE(rate_search_get, SECOND_US);
    r->store[REST_QUOTA_SEARCH_POST] = RATE(rate_search_post, SECOND_US);
    r->store[REST_QUOTA_EVERYTHING] = RATE(rate_everything, SECOND_US);
    r->store[REST_QUOTA_VALIDATE] = RATE(rate_validate, SECOND_US);
    r->account[REST_QUOTA_READ] = RATE(rate_read_account, SECOND_US);
    r->account[REST_QUOTA_WRITE] = RATE(rate_write_account, SECOND_US);
    r->account[REST_QUOTA_SEARCH_GET] = RATE(rate_search_get_account, SECOND_US);
    r->account[REST_QUOTA_SEARCH_POST] = RATE(rate_search_post_account, SECOND_US);
    r->account[REST_QUOTA_EVERYTHING] = RATE(rate_everything_account, SECOND_US);
    r->account[REST_QUOTA_VALIDATE] = RATE(rate_validate_account, SECOND_US);
    r->account[REST_QUOTA_CAPABILITIES] = RATE(rate_capabilities_account, SECOND_US);
    r->account[REST_QUOTA_DISCOVERY] = RATE(rate_discovery_account, MINUTE_US);
    r->create = RATE(rate_create_datastore, MINUTE_US);
    r->delete = RATE(rate_delete_datastore, MINUTE_US);
    r->start_import = RATE(rate_start_import, SECOND_US);
    r->start_export = RATE(rate_start_export, SECOND_US);
    r->control = RATE(rate_control, SECOND_US);
}

static bool has_rate(const struct limits *limits)
{
    for (size_t i = 0; i < limits_count(); i++) {
        struct limit_row row;
        limits_row(limits, i, &row);
        if (slice_starts_with(slice_cstr(row.name), SLICE("rate-")) && row.value)
            return true;
    }
    return false;
}

enum err rates_open(const struct limits *limits, struct rates **ret_rates)
{
    *ret_rates = NULL;
    if (!has_rate(limits))
        return ERR_NONE;
    /* Lives as long as the server. */
    struct rates *rates = calloc(1, sizeof *rates);
    if (!rates)
        return ERR_NO_MEMORY;
    mutex_init(&rates->lock);
    fill(rates, limits);
    *ret_rates = rates;
    return ERR_NONE;
}

void rates_close(struct rates *rates)
{
    if (!rates)
        return;
    mutex_destroy(&rates->lock);
    free(rates);
}
