#include "server/access.h"

#include "os/clock.h"
#include "server/refuse.h"

static bool permits(void *context, const char *action, struct slice *ret_text)
{
    struct access *access = context;
    return auth_permits(access->request, access->pass, action, &access->target, ret_text);
}

/* Seconds of Retry-After, at least one. */
static uint32_t seconds_of(int64_t wait_us)
{
    return (uint32_t)MIN(MAX((wait_us + 999999) / 1000000, (int64_t)1), (int64_t)3600);
}

static struct slice rate_text(struct http_request *r, const char *limit)
{
    return arena_printf(r->arena,
                        "The rate of requests passes the limit %s (settings: --rates, --behave; "
                        "`tarn limits` lists all)",
                        limit);
}

static bool spends(void *context, enum rest_quota quota, uint64_t units, struct slice *ret_text,
                   uint32_t *ret_seconds)
{
    struct access *access = context;
    const char *limit;
    int64_t wait_us;
    if (rates_spend(access->rates, access->datastore_id, quota, units, os_monotonic_us(), &limit,
                    &wait_us))
        return true;
    *ret_text = rate_text(access->request, limit);
    *ret_seconds = seconds_of(wait_us);
    return false;
}

static struct slice datastore_arn(const struct access_settings *s, struct arena *arena,
                                  struct slice id)
{
    return arena_printf(arena, "arn:aws:healthlake:%.*s:%.*s:datastore/fhir/%.*s",
                        SLICE_ARGS(s->region), SLICE_ARGS(s->account_id), SLICE_ARGS(id));
}

static bool no_memory(struct http_request *r, struct http_response *response)
{
    refuse_request(r, ERR_NO_MEMORY, NULL, SLICE("out of memory"), response);
    return false;
}

/* ---- condition keys of tags ---- */

/* Keys with one value each, and aws:TagKeys, which has many. */
struct key_list {
    struct arena *arena;
    struct policy_key *keys;
    struct slice *values, *tag_keys;
    size_t count, tag_key_count;
};

static bool key_add(struct key_list *l, const char *prefix, struct slice key, struct slice value)
{
    struct slice name = arena_printf(l->arena, "%s%.*s", prefix, SLICE_ARGS(key));
    if (!name.bytes)
        return false;
    l->values[l->count] = value;
    l->keys[l->count] = (struct policy_key){ name, &l->values[l->count], 1 };
    l->count++;
    return true;
}

/* A tag to set has Key and Value, one to take away is its key alone. */
static bool request_tag_add(struct key_list *l, struct json tag)
{
    struct json key = json_is(tag, JSON_STRING) ? tag : json_member(tag, "Key");
    struct slice name = json_string(key, l->arena);
    struct slice value = json_string(json_member(tag, "Value"), l->arena);
    if (!name.bytes)
        return !json_is(key, JSON_STRING); /* no tag: the operation will refuse it */
    l->tag_keys[l->tag_key_count++] = name;
    return !value.bytes || key_add(l, "aws:RequestTag/", name, value);
}

static bool lists_fill(struct key_list *l, const struct control_tag *tags, size_t tag_count,
                       struct json request_tags)
{
    size_t asked = json_count(request_tags), room = tag_count + asked + 1;
    l->keys = arena_array(l->arena, room, sizeof *l->keys);
    l->values = arena_array(l->arena, room, sizeof *l->values);
    l->tag_keys = arena_array(l->arena, asked, sizeof *l->tag_keys);
    if (!l->keys || !l->values || !l->tag_keys)
        return false;
    for (size_t i = 0; i < tag_count; i++) {
        if (!key_add(l, "aws:ResourceTag/", tags[i].key, tags[i].value))
            return false;
    }
    for (struct json v = json_first(request_tags); json_exists(v); v = json_next(request_tags, v)) {
        if (!request_tag_add(l, v))
            return false;
    }
    if (l->tag_key_count)
        l->keys[l->count++] =
            (struct policy_key){ SLICE("aws:TagKeys"), l->tag_keys, l->tag_key_count };
    return true;
}

/* Once for all actions of the request. */
static bool facts_find(void *context, struct arena *arena, struct auth_facts *ret)
{
    struct access *access = context;
    struct control_tag *tags = NULL;
    struct key_list list = { .arena = arena };
    size_t count = 0;
    if (!access->has_facts) {
        if (access->datastore_id.length &&
            control_tags(access->control, access->datastore_id, arena, &tags, &count))
            return false;
        if (!lists_fill(&list, tags, count, access->request_tags))
            return false;
        access->facts = (struct auth_facts){ list.keys, list.count };
        access->has_facts = true;
    }
    *ret = access->facts;
    return true;
}

static struct access *access_make(const struct access_settings *settings, struct http_request *r,
                                  const struct auth_pass *pass, struct slice arn,
                                  struct slice datastore_id)
{
    struct access *access = arena_alloc(r->arena, sizeof *access);
    if (access)
        *access = (struct access){ .gate = { permits, NULL, access },
                                   .request = r,
                                   .pass = pass,
                                   .target = { arn, facts_find, access },
                                   .control = settings->control,
                                   .datastore_id = datastore_id };
    return access;
}

/* ---- the planes ---- */

bool access_fhir(const struct access_settings *settings, struct http_request *r,
                 const struct auth_pass *pass, struct rest *rest, struct slice datastore_id,
                 struct slice path, const struct rest_gate **ret_gate,
                 struct http_response *response)
{
    struct slice arn = datastore_arn(settings, r->arena, datastore_id);
    struct access *access = access_make(settings, r, pass, arn, datastore_id);
    if (!access || !arn.bytes)
        return no_memory(r, response);
    access->rates = settings->rates;
    access->gate.permits = settings->trusts_bundles ? NULL : permits;
    access->gate.spends = settings->rates ? spends : NULL;
    *ret_gate = &access->gate;
    const char *actions[REST_ACTIONS_MAX];
    /* None: no such route; rest says so, and does nothing. */
    size_t count = rest_actions(rest, r, path, actions);
    for (size_t i = 0; i < count; i++) {
        if (!auth_may_on(r, pass, actions[i], &access->target, response))
            return false;
    }
    return true;
}

/* Does the operation act on a data store? *ret_id: which, by the member that it reads;
 * the ARN is always our own: another member or spelling must not stand in for it. */
static bool control_datastore(struct json input, struct arena *arena, struct slice action,
                              struct slice *ret_id)
{
    static const char *const without[] = { "healthlake:CreateFHIRDatastore",
                                           "healthlake:ListFHIRDatastores" };
    for (size_t i = 0; i < ARRAY_COUNT(without); i++) {
        if (slice_is(action, without[i]))
            return false;
    }
    bool by_arn = slice_ends_with(action, SLICE("TagResource")) ||
                  slice_ends_with(action, SLICE("UntagResource")) ||
                  slice_ends_with(action, SLICE("ListTagsForResource"));
    struct slice id =
        json_string(json_get(input, by_arn ? SLICE("ResourceARN") : SLICE("DatastoreId")), arena);
    ptrdiff_t slash = slice_find_last_byte(id, '/');
    if (slash >= 0)
        id = slice_from(id, (size_t)slash + 1);
    *ret_id = slice_head(id, 128);
    return true;
}

bool access_control(const struct access_settings *settings, struct http_request *r,
                    const struct auth_pass *pass, const char *action,
                    struct http_response *response)
{
    /* No operation of ours: whoever is known is told so. */
    if (strcmp(action, "healthlake:*") == 0)
        return true;
    struct json_doc *doc = arena_alloc(r->arena, sizeof *doc);
    struct json input = JSON_ABSENT;
    if (!doc)
        return no_memory(r, response);
    if (json_parse(r->body, NULL, r->arena, doc, NULL) == ERR_NONE)
        input = json_root(doc); /* else the operation will refuse it */
    struct slice id = SLICE_NONE, arn = SLICE("*");
    if (control_datastore(input, r->arena, slice_cstr(action), &id))
        arn = datastore_arn(settings, r->arena, id);
    struct access *access = access_make(settings, r, pass, arn, id);
    if (!access || !arn.bytes)
        return no_memory(r, response);
    access->request_tags = json_member(input, "Tags");
    if (!json_exists(access->request_tags))
        access->request_tags = json_member(input, "TagKeys");
    if (!json_is(access->request_tags, JSON_ARRAY))
        access->request_tags = JSON_ABSENT;
    return auth_may_on(r, pass, action, &access->target, response);
}

bool access_rate(const struct access_settings *settings, struct http_request *r, const char *action,
                 struct http_response *response)
{
    const char *limit;
    int64_t wait_us;
    if (!settings->rates ||
        rates_spend_control(settings->rates, action, os_monotonic_us(), &limit, &wait_us))
        return true;
    refuse_request(r, ERR_THROTTLED, NULL, rate_text(r, limit), response);
    struct slice seconds = arena_printf(r->arena, "%u", (unsigned)seconds_of(wait_us));
    /* Without memory for it the answer stands all the same. */
    enum err ignored =
        seconds.bytes ? http_response_header(r, response, "Retry-After", seconds) : ERR_NO_MEMORY;
    (void)ignored;
    return false;
}
