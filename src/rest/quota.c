#include "rest/quota.h"

#include <string.h>

#include "rest/reply.h"

enum { UNIT_BYTES = 1024 };

static bool is_counted(const struct request *r)
{
    return r->gate && r->gate->spends;
}

static enum err spend(struct request *r, enum rest_quota quota, uint64_t units)
{
    struct slice text = SLICE_NONE;
    uint32_t seconds = 1;
    if (units == 0 || r->gate->spends(r->gate->context, quota, units, &text, &seconds))
        return ERR_NONE;
    TRY(reply_header(r, "Retry-After", arena_printf(r->arena, "%u", (unsigned)seconds)));
    return issues_fail(&r->issues, ERR_THROTTLED, "throttled", "%.*s", SLICE_ARGS(text));
}

static enum rest_quota operation_quota(const struct rest_operation *operation)
{
    if (strcmp(operation->name, "everything") == 0)
        return REST_QUOTA_EVERYTHING;
    return strcmp(operation->name, "validate") == 0 ? REST_QUOTA_VALIDATE : REST_QUOTA_READ;
}

static enum rest_quota quota_of(const struct route *route)
{
    switch (route->interaction) {
    case INTERACTION_CAPABILITIES:
        return REST_QUOTA_CAPABILITIES;
    case INTERACTION_DISCOVERY:
        return REST_QUOTA_DISCOVERY;
    case INTERACTION_CREATE:
    case INTERACTION_UPDATE:
    case INTERACTION_PATCH:
    case INTERACTION_DELETE:
    case INTERACTION_BUNDLE:
        return REST_QUOTA_WRITE;
    case INTERACTION_SEARCH:
        return REST_QUOTA_SEARCH_GET;
    case INTERACTION_SEARCH_FORM:
        return REST_QUOTA_SEARCH_POST;
    case INTERACTION_OPERATION:
        return operation_quota(route->operation);
    case INTERACTION_READ:
    case INTERACTION_VREAD:
    case INTERACTION_HISTORY:
    case INTERACTION_TRANSACTION:
    case INTERACTION_NONE:
    case INTERACTION_LATER:
        break;
    }
    return REST_QUOTA_READ;
}

static uint64_t units_of(const struct request *r, size_t bytes)
{
    const struct slice *level = http_header_find(r->http, "x-amz-fhir-history-consistency-level");
    bool is_strong = level && slice_equal_nocase(*level, SLICE("strong"));
    uint64_t units = MAX(((uint64_t)bytes + UNIT_BYTES - 1) / UNIT_BYTES, 1u);
    return is_strong ? 2 * units : units;
}

enum err quota_spend(struct request *r)
{
    if (!is_counted(r) || r->route.interaction == INTERACTION_BUNDLE)
        return ERR_NONE;
    enum rest_quota quota = quota_of(&r->route);
    if (quota != REST_QUOTA_WRITE)
        return spend(r, quota, 1);
    bool is_conditional = !r->route.id.length && (r->route.interaction != INTERACTION_CREATE ||
                                                  http_header_find(r->http, "If-None-Exist"));
    TRY(spend(r, REST_QUOTA_SEARCH_GET, is_conditional));
    return spend(r, REST_QUOTA_WRITE, units_of(r, r->http->body.length));
}

/* A GET entry's route is found when it is answered: its form tells enough. */
static enum rest_quota entry_quota(const struct entry *e)
{
    return slice_find_byte(e->path, '/') < 0 ? REST_QUOTA_SEARCH_GET : REST_QUOTA_READ;
}

enum err quota_spend_bundle(struct bundle *b)
{
    struct request *r = b->r;
    uint64_t units[REST_QUOTA_COUNT] = { 0 };
    if (!is_counted(r))
        return ERR_NONE;
    for (size_t i = 0; i < b->count; i++) {
        const struct entry *e = &b->entries[i];
        bool is_conditional = e->if_none_exist || e->query.length;
        if (e->verb == VERB_GET) {
            units[entry_quota(e)]++;
            continue;
        }
        size_t bytes = json_exists(e->resource) ? json_raw(e->resource).length : 0;
        units[REST_QUOTA_WRITE] += (b->is_transaction ? 2 : 1) * units_of(r, bytes);
        units[REST_QUOTA_SEARCH_GET] += is_conditional;
    }
    for (int quota = 0; quota < REST_QUOTA_COUNT; quota++)
        TRY(spend(r, (enum rest_quota)quota, units[quota]));
    return ERR_NONE;
}
