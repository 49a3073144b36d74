#include "server/access.h"

#include "json/json.h"
#include "server/refuse.h"

static bool permits(void *context, const char *action, struct slice *ret_text)
{
    struct access *access = context;
    return auth_permits(access->request, access->pass, action, access->resource, ret_text);
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

bool access_fhir(const struct access_settings *settings, struct http_request *r,
                 const struct auth_pass *pass, struct rest *rest, struct slice datastore_id,
                 struct slice path, const struct rest_gate **ret_gate,
                 struct http_response *response)
{
    struct access *access = arena_alloc(r->arena, sizeof *access);
    struct slice resource = datastore_arn(settings, r->arena, datastore_id);
    if (!access || !resource.bytes)
        return no_memory(r, response);
    *access = (struct access){ { permits, access }, r, pass, resource };
    *ret_gate = settings->trusts_bundles ? NULL : &access->gate;
    const char *actions[REST_ACTIONS_MAX];
    /* None: no such route; rest says so, and does nothing. */
    size_t count = rest_actions(rest, r, path, actions);
    for (size_t i = 0; i < count; i++) {
        if (!auth_may_on(r, pass, actions[i], resource, response))
            return false;
    }
    return true;
}

/* The data store that the operation acts on, by the member that it reads, always
 * as our own ARN: another member or spelling must not stand in for it. */
static struct slice control_resource(const struct access_settings *settings, struct http_request *r,
                                     struct slice action)
{
    static const char *const without[] = { "healthlake:CreateFHIRDatastore",
                                           "healthlake:ListFHIRDatastores" };
    struct json_doc doc;
    for (size_t i = 0; i < ARRAY_COUNT(without); i++) {
        if (slice_is(action, without[i]))
            return SLICE("*");
    }
    if (json_parse(r->body, NULL, r->arena, &doc, NULL))
        return SLICE("*"); /* the operation will refuse it */
    bool by_arn = slice_ends_with(action, SLICE("TagResource")) ||
                  slice_ends_with(action, SLICE("UntagResource")) ||
                  slice_ends_with(action, SLICE("ListTagsForResource"));
    struct json member =
        json_get(json_root(&doc), by_arn ? SLICE("ResourceARN") : SLICE("DatastoreId"));
    struct slice id = json_string(member, r->arena);
    ptrdiff_t slash = slice_find_last_byte(id, '/');
    if (slash >= 0)
        id = slice_from(id, (size_t)slash + 1);
    return datastore_arn(settings, r->arena, slice_head(id, 128));
}

bool access_control(const struct access_settings *settings, struct http_request *r,
                    const struct auth_pass *pass, const char *action,
                    struct http_response *response)
{
    /* No operation of ours: whoever is known is told so. */
    if (strcmp(action, "healthlake:*") == 0)
        return true;
    struct slice resource = control_resource(settings, r, slice_cstr(action));
    if (!resource.bytes)
        return no_memory(r, response);
    return auth_may_on(r, pass, action, resource, response);
}
