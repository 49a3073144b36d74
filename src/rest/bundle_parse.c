#include "base/codec.h"
#include "os/random.h"
#include "rest/access.h"
#include "rest/bundle.h"
#include "rest/outcome.h"
#include "rest/write.h"

/* ---- the bundle as a whole ---- */

static enum err type_check(struct bundle *b, struct json root)
{
    struct issues *issues = &b->r->issues;
    if (!json_string_is(json_member(root, "resourceType"), SLICE("Bundle")))
        return issues_fail(issues, ERR_INVALID, "structure",
                           "The base takes a JSON object with \"resourceType\": \"Bundle\"");
    struct json type = json_member(root, "type");
    b->is_transaction = json_string_is(type, SLICE("transaction"));
    if (b->is_transaction || json_string_is(type, SLICE("batch")))
        return ERR_NONE;
    return issues_fail(issues, ERR_INVALID, "value",
                       "The base takes a Bundle of type batch or transaction, not %.*s; to store "
                       "another Bundle as a resource, POST it to [base]/Bundle",
                       SLICE_ARGS(json_exists(type) ? slice_head(json_raw(type), 100)
                                                    : SLICE("one without type")));
}

static enum err count_check(struct bundle *b)
{
    const struct rest_behaviour *behave = &b->r->rest->settings.behaviour;
    bool is_async = b->r->is_async || b->r->mark.key.length;
    uint64_t limit = !b->is_transaction ? behave->limits.batch_entries
                     : is_async         ? behave->limits.async_entries
                                        : behave->limits.transaction_entries;
    if (limit == 0 || b->count <= limit)
        return ERR_NONE;
    return issues_fail(&b->r->issues, ERR_UNPROCESSABLE, "too-costly",
                       "The Bundle has %zu entries; the limit of a %s is %llu "
                       "(settings: --max-entries, --behave %s)",
                       b->count, b->is_transaction ? "transaction" : "batch",
                       (unsigned long long)limit, behave->name);
}

/* ---- one entry ---- */

/* A string member, decoded; .bytes NULL when absent or no string. */
static struct slice member_text(struct bundle *b, struct json object, struct slice name)
{
    struct json value = json_get(object, name);
    return json_is(value, JSON_STRING) ? json_string(value, b->r->arena) : SLICE_NONE;
}

static const struct slice *member_keep(struct bundle *b, struct json object, struct slice name)
{
    struct slice text = member_text(b, object, name);
    struct slice *kept = text.bytes ? arena_alloc(b->r->arena, sizeof *kept) : NULL;
    if (kept)
        *kept = text;
    return kept;
}

/* A condition that is no string must not be passed over: the write would happen. */
static bool conditions_are_text(struct bundle *b, struct entry *e, struct json request)
{
    static const char *const NAMES[] = { "ifMatch", "ifNoneMatch", "ifModifiedSince" };
    for (size_t i = 0; i < ARRAY_COUNT(NAMES); i++) {
        struct json value = json_get(request, slice_cstr(NAMES[i]));
        if (!json_exists(value) || json_is(value, JSON_STRING))
            continue;
        entry_fail(b, e, ERR_INVALID, "structure", "request.%s must be a string", NAMES[i]);
        return false;
    }
    return true;
}

static enum verb verb_find(struct slice method)
{
    static const char *const NAMES[] = { "DELETE", "POST", "PUT", "GET", "HEAD", "PATCH" };
    static const enum verb VERBS[] = { VERB_DELETE, VERB_POST, VERB_PUT,
                                       VERB_GET,    VERB_GET,  VERB_PUT };
    for (size_t i = 0; i < ARRAY_COUNT(NAMES); i++) {
        if (slice_is(method, NAMES[i]))
            return VERBS[i];
    }
    return VERB_NONE;
}

/* request.url to path and query: relative to the base, or absolute on it. */
static void url_split(struct bundle *b, struct entry *e, struct slice url)
{
    if (slice_starts_with(url, b->r->base_url))
        url = slice_from(url, b->r->base_url.length);
    e->path = slice_cut(&url, '?');
    e->query = url;
}

/* Which interactions an entry may be; a route of another kind (a form search, a
 * bundle in a bundle) cannot be carried by one. */
static bool is_carried(const struct entry *e)
{
    switch (e->route.interaction) {
    case INTERACTION_DISCOVERY:
    case INTERACTION_CAPABILITIES:
    case INTERACTION_READ:
    case INTERACTION_VREAD:
    case INTERACTION_HISTORY:
    case INTERACTION_SEARCH:
    case INTERACTION_OPERATION:
        return e->verb == VERB_GET;
    case INTERACTION_CREATE:
    case INTERACTION_UPDATE:
    case INTERACTION_PATCH:
    case INTERACTION_DELETE:
        return true;
    case INTERACTION_NONE:
    case INTERACTION_TRANSACTION:
    case INTERACTION_BUNDLE:
    case INTERACTION_SEARCH_FORM:
    case INTERACTION_LATER:
        break;
    }
    return false;
}

static bool entry_request_parse(struct bundle *b, struct entry *e, struct json request)
{
    struct slice method = member_text(b, request, SLICE("method"));
    struct slice url = member_text(b, request, SLICE("url"));
    e->verb = verb_find(method);
    if (e->verb == VERB_NONE) {
        entry_fail(b, e, ERR_INVALID, "value",
                   "request.method must be GET, HEAD, POST, PUT, DELETE or PATCH");
        return false;
    }
    if (!url.bytes) {
        entry_fail(b, e, ERR_INVALID, "required", "request.url is missing");
        return false;
    }
    if (!conditions_are_text(b, e, request))
        return false;
    e->is_head = slice_is(method, "HEAD");
    e->if_match = member_keep(b, request, SLICE("ifMatch"));
    e->if_none_match = member_keep(b, request, SLICE("ifNoneMatch"));
    e->if_none_exist = member_keep(b, request, SLICE("ifNoneExist"));
    e->if_modified_since = member_keep(b, request, SLICE("ifModifiedSince"));
    url_split(b, e, url);
    struct issues *issues = entry_issues(b, e);
    if (!issues) {
        e->err = ERR_NO_MEMORY;
        return false;
    }
    e->err = route_find(&b->r->rest->settings.behaviour, method, e->path, b->r->arena, issues,
                        &e->route);
    return !e->err;
}

/* A patch comes as a Binary, its document in base64, or as Parameters. */
static void entry_patch_parse(struct bundle *b, struct entry *e)
{
    if (json_string_is(json_member(e->resource, "resourceType"), SLICE("Parameters"))) {
        e->patch = PATCH_FHIRPATH;
        e->patch_text = json_raw(e->resource);
        return;
    }
    struct slice data = member_text(b, e->resource, SLICE("data"));
    e->patch = patch_kind_find(member_text(b, e->resource, SLICE("contentType")));
    if (!json_string_is(json_member(e->resource, "resourceType"), SLICE("Binary")) ||
        e->patch == PATCH_NONE || !data.bytes) {
        entry_fail(b, e, ERR_INVALID, "invalid",
                   "The resource of a PATCH entry must be Parameters (FHIRPath Patch), or a "
                   "Binary with data and a contentType of application/json-patch+json, "
                   "application/merge-patch+json or application/fhir+json");
        return;
    }
    struct buf text;
    buf_init(&text, data.length);
    bool is_whole = base64_decode(&text, data) && text.length;
    char *copy = is_whole ? arena_copy(b->r->arena, buf_slice(&text)) : NULL;
    e->patch_text = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    if (!is_whole)
        entry_fail(b, e, ERR_INVALID, "invalid", "Binary.data is no base64 of a patch");
    else if (!copy)
        e->err = ERR_NO_MEMORY;
}

/* By criteria: in the URL where an id would stand, or as ifNoneExist. */
static bool is_conditional(const struct entry *e)
{
    if (e->route.interaction == INTERACTION_CREATE)
        return e->if_none_exist != NULL;
    return e->verb < VERB_GET && !e->route.id.length;
}

static void entry_parse(struct bundle *b, struct entry *e, struct json value)
{
    struct json request = json_member(value, "request");
    e->verb = VERB_NONE;
    if (!json_is(request, JSON_OBJECT)) {
        entry_fail(b, e, ERR_INVALID, "required",
                   "An entry of a batch or transaction must be an object with a request");
        return;
    }
    e->full_url = member_text(b, value, SLICE("fullUrl"));
    e->resource = json_member(value, "resource");
    if (!entry_request_parse(b, e, request))
        return;
    e->is_inner = is_conditional(e);
    if (!is_carried(e))
        entry_fail(b, e, ERR_INVALID, "not-supported",
                   "This interaction cannot be an entry of a Bundle");
    else if (json_exists(json_member(request, "ifNoneExist")) &&
             (!e->if_none_exist || e->verb != VERB_POST))
        entry_fail(b, e, ERR_INVALID, "invalid",
                   "request.ifNoneExist must be a string and belongs to POST");
    else if ((e->verb == VERB_POST && (e->if_match || e->if_none_match)) ||
             (e->verb == VERB_DELETE && e->if_none_match))
        entry_fail(b, e, ERR_INVALID, "invalid",
                   "request.%s says nothing of a %s", e->if_match ? "ifMatch" : "ifNoneMatch",
                   e->verb == VERB_POST ? "POST" : "DELETE");
    else if (e->verb != VERB_GET && e->query.length && !e->is_inner)
        entry_fail(b, e, ERR_INVALID, "not-supported",
                   "request.url of this write takes no parameters");
    else if ((e->verb == VERB_POST || e->verb == VERB_PUT) && !json_exists(e->resource))
        entry_fail(b, e, ERR_INVALID, "required", "resource is missing");
    else if (e->route.interaction == INTERACTION_PATCH)
        entry_patch_parse(b, e);
}

/* What cannot be is told before what may not be. */
static void entry_read(struct bundle *b, struct entry *e, struct json value)
{
    entry_parse(b, e, value);
    struct json criteria = json_member(json_member(value, "request"), "ifNoneExist");
    if (e->err)
        return;
    struct issues *issues = entry_issues(b, e);
    e->err = issues ? access_entry(b->r, &e->route, json_exists(criteria), issues) : ERR_NO_MEMORY;
}

/* ---- targets ---- */

static enum err entry_name(struct bundle *b, struct entry *e)
{
    if (e->verb == VERB_POST && !e->route.id.length)
        TRY(write_id_new(b->r->arena, &e->route.id));
    e->target = arena_printf(b->r->arena, "%.*s/%.*s", SLICE_ARGS(e->route.type->name),
                             SLICE_ARGS(e->route.id));
    return e->target.bytes ? ERR_NONE : ERR_NO_MEMORY;
}

/* A target written twice: refused in a transaction, a further round in a batch. */
static enum err target_add(struct bundle *b, struct entry *e, size_t index)
{
    uint64_t *seen;
    bool is_new;
    TRY(map_put(&b->targets, e->target, &seen, &is_new));
    if (b->is_transaction) {
        if (is_new || *seen == index)
            *seen = index;
        else
            entry_fail(b, e, ERR_INVALID, "duplicate",
                       "%.*s is the target of Bundle.entry[%llu] too; a transaction may write "
                       "each resource once",
                       SLICE_ARGS(e->target), (unsigned long long)*seen);
        return ERR_NONE;
    }
    e->round = (uint32_t)(*seen)++;
    if (e->round >= BUNDLE_ROUNDS_MAX)
        entry_fail(b, e, ERR_UNPROCESSABLE, "too-costly",
                   "A batch may write one resource at most %d times", BUNDLE_ROUNDS_MAX);
    else
        b->round_count = MAX(b->round_count, e->round + 1);
    return ERR_NONE;
}

static enum err full_url_add(struct bundle *b, struct entry *e, size_t index)
{
    uint64_t *at;
    bool is_new;
    if (!b->is_transaction || !e->full_url.length || e->verb == VERB_DELETE)
        return ERR_NONE;
    if (slice_find(e->full_url, SLICE("/_history/")) >= 0) { /* bdl-8 */
        entry_fail(b, e, ERR_INVALID, "value", "fullUrl %.*s must not name a version",
                   SLICE_ARGS(slice_head(e->full_url, 200)));
        return ERR_NONE;
    }
    TRY(map_put(&b->full_urls, e->full_url, &at, &is_new));
    if (is_new || *at == index)
        *at = index;
    else
        entry_fail(b, e, ERR_INVALID, "duplicate", "fullUrl %.*s is Bundle.entry[%llu]'s too",
                   SLICE_ARGS(slice_head(e->full_url, 200)), (unsigned long long)*at);
    return ERR_NONE;
}

/* Targets are named in processing order, so that repetitions in a batch take
 * their rounds in that order. */
enum err bundle_targets(struct bundle *b)
{
    map_release(&b->targets);
    map_init(&b->targets, UINT32_MAX, os_random_u64());
    for (int verb = VERB_DELETE; verb < VERB_GET; verb++) {
        for (size_t i = 0; i < b->count; i++) {
            struct entry *e = &b->entries[i];
            if ((int)e->verb != verb || e->err || e->is_inner)
                continue;
            TRY(full_url_add(b, e, i));
            if (e->criteria && !e->route.id.length) /* not searched for yet */
                continue;
            TRY(entry_name(b, e));
            if (!e->is_settled)
                TRY(target_add(b, e, i));
        }
    }
    b->round_count = MAX(b->round_count, 1);
    return ERR_NONE;
}

enum err bundle_parse(struct bundle *b)
{
    struct json root = json_root(&b->doc);
    TRY(type_check(b, root));
    struct json list = json_member(root, "entry");
    if (json_exists(list) && !json_is(list, JSON_ARRAY))
        return issues_fail(&b->r->issues, ERR_INVALID, "structure",
                           "Bundle.entry must be an array");
    b->count = json_count(list);
    TRY(count_check(b));
    b->entries = arena_array(b->r->arena, b->count, sizeof *b->entries);
    if (!b->entries)
        return ERR_NO_MEMORY;
    size_t i = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
        entry_read(b, &b->entries[i++], v);
    if (b->is_transaction)
        TRY(bundle_conditions_parse(b));
    return bundle_targets(b);
}
