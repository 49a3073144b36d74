#include "rest/rest.h"

#include <string.h>

#include "os/random.h"
#include "rest/async.h"
#include "rest/capability.h"
#include "rest/codes.h"
#include "rest/customs.h"
#include "rest/definitions.h"
#include "rest/media.h"
#include "rest/outcome.h"
#include "rest/quota.h"
#include "rest/reply.h"
#include "rest/request.h"
#include "rest/validity.h"

/* The CapabilityStatement of all types is about 1 MB. */
static const size_t CAPABILITY_BYTES = (size_t)16 << 20;

/* What signs the page tokens lies in the store: they outlive restarts and changes of
 * the root key, and need none (--no-auth). A store that takes no writes signs for as
 * long as it is open. */
static enum err page_key_find(struct rest *rest)
{
    static const struct slice NAME = SLICE_INIT("search-page-key");
    struct search_page_key *key = &rest->page_key;
    struct slice kept;
    bool is_found;
    TRY(store_meta_get(rest->settings.store, NAME, &rest->arena, &is_found, &kept));
    if (is_found && kept.length == sizeof key->bytes) {
        memcpy(key->bytes, kept.bytes, sizeof key->bytes);
        return ERR_NONE;
    }
    os_random(key->bytes, sizeof key->bytes);
    enum err err = store_meta_set(rest->settings.store, NAME, is_found ? kept : SLICE_NONE,
                                  slice_of((const char *)key->bytes, sizeof key->bytes));
    return err == ERR_READ_ONLY ? ERR_NONE : err;
}

enum err rest_open(const struct rest_settings *settings, struct rest **ret_rest)
{
    struct arena arena; /* holds the struct itself too, so it moves into it */
    arena_init(&arena, CAPABILITY_BYTES);
    struct rest *rest = arena_alloc(&arena, sizeof *rest);
    if (!rest)
        return ERR_NO_MEMORY;
    rest->arena = arena;
    rest->settings = *settings;
    rest->customs = settings->customs;
    /* Without a public URL: our path on any host, as index/ understands it. */
    rest->index_base_url =
        arena_printf(&rest->arena, "%.*s/datastore/%.*s/r4", SLICE_ARGS(settings->public_url),
                     SLICE_ARGS(settings->datastore_id));
    enum err err = rest->index_base_url.bytes ? ERR_NONE : ERR_NO_MEMORY;
    if (!err)
        err = fhir_rules_compile(&rest->arena, &rest->rules);
    rest->definitions = definitions_open();
    if (!err && !rest->definitions)
        err = ERR_NO_MEMORY;
    if (!err)
        err = page_key_find(rest);
    if (!err)
        err = codes_open(rest);
    if (!err)
        err = capability_make(rest);
    if (!err && settings->async_folder)
        err = async_open(rest, settings->async_folder, &rest->async);
    if (err) {
        rest_close(rest);
        return err;
    }
    *ret_rest = rest;
    return ERR_NONE;
}

uint64_t rest_search_parameter_failures(const struct rest *rest)
{
    return customs_failures(rest->customs);
}

size_t rest_transactions_waiting(const struct rest *rest)
{
    return rest->async ? async_waiting(rest->async) : 0;
}

void rest_close(struct rest *rest)
{
    if (!rest)
        return;
    async_close(rest->async);
    terminology_close(rest->terminology);
    definitions_close(rest->definitions);
    struct arena arena = rest->arena;
    arena_release(&arena);
}

/* ---- limits ---- */

static enum err body_refuse(struct issues *issues, size_t length, size_t limit, const char *what,
                            const struct rest_behaviour *b)
{
    return issues_fail(issues, ERR_LIMIT, "too-long",
                       "The body has %zu bytes; the limit of %s is %zu "
                       "(settings: --max-body, --behave %s)",
                       length, what, limit, b->name);
}

/* Bytes of the body against the limits of what it is for. */
static enum err body_check(const struct request *r, struct issues *issues, size_t length)
{
    const struct rest_behaviour *b = &r->rest->settings.behaviour;
    bool is_bundle = r->route.interaction == INTERACTION_BUNDLE;
    bool is_resource = r->route.interaction == INTERACTION_CREATE ||
                       r->route.interaction == INTERACTION_UPDATE ||
                       r->route.interaction == INTERACTION_PATCH;
    if (length > b->limits.body_bytes)
        return body_refuse(issues, length, b->limits.body_bytes, "a request body", b);
    if (is_bundle && b->limits.bundle_bytes && length > b->limits.bundle_bytes)
        return body_refuse(issues, length, b->limits.bundle_bytes, "a Bundle", b);
    if (is_resource && b->limits.resource_bytes && length > b->limits.resource_bytes)
        return body_refuse(issues, length, b->limits.resource_bytes, "one resource", b);
    return ERR_NONE;
}

/* ---- the way through ---- */

static enum err run(struct request *r)
{
    switch (r->route.interaction) {
    case INTERACTION_CAPABILITIES:
        return rest_capabilities(r);
    case INTERACTION_DISCOVERY:
        return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found",
                           "This data store does not use SMART on FHIR: requests are signed with "
                           "AWS Signature Version 4, there is no authorization server to find");
    case INTERACTION_BUNDLE:
        return rest_bundle(r);
    case INTERACTION_CREATE:
        return rest_create(r);
    case INTERACTION_READ:
    case INTERACTION_VREAD:
        return rest_read(r);
    case INTERACTION_UPDATE:
        return rest_update(r);
    case INTERACTION_PATCH:
        return rest_patch(r);
    case INTERACTION_DELETE:
        return rest_delete(r);
    case INTERACTION_HISTORY:
        return rest_history(r);
    case INTERACTION_SEARCH:
    case INTERACTION_SEARCH_FORM:
        return rest_search(r);
    case INTERACTION_TRANSACTION:
        return async_poll(r);
    case INTERACTION_OPERATION:
        return r->route.operation->run(r);
    case INTERACTION_NONE:
    case INTERACTION_LATER:
        break;
    }
    return ERR_INTERNAL; /* route_find() refuses these */
}

/* Does it make or ask for index values? */
static bool needs_customs(enum interaction interaction)
{
    switch (interaction) {
    case INTERACTION_BUNDLE:
    case INTERACTION_CREATE:
    case INTERACTION_UPDATE:
    case INTERACTION_PATCH:
    case INTERACTION_DELETE:
    case INTERACTION_SEARCH:
    case INTERACTION_SEARCH_FORM:
    case INTERACTION_CAPABILITIES:
    case INTERACTION_OPERATION:
        return true;
    case INTERACTION_READ:
    case INTERACTION_VREAD:
    case INTERACTION_HISTORY:
    case INTERACTION_TRANSACTION:
    case INTERACTION_DISCOVERY:
    case INTERACTION_NONE:
    case INTERACTION_LATER:
        break;
    }
    return false;
}

enum err request_run(struct request *r)
{
    struct customs *customs = needs_customs(r->route.interaction) ? r->rest->customs : NULL;
    struct customs_generation *held = customs_enter(customs);
    enum err err = customs ? customs_settle(r->rest) : ERR_NONE;
    err = err ? err : run(r);
    customs_leave(customs, held);
    /* A limit of the client's has an issue that names it; one without is a ceiling
     * of ours that was met below. */
    return err == ERR_LIMIT && !r->issues.first ? ERR_NO_MEMORY : err;
}

/* One request, top to bottom; the first stage to fail ends it. */
static enum err request_serve(struct request *r)
{
    struct slice format = SLICE_NONE;
    TRY(request_query(r, &format));
    TRY(media_answer(r, format));
    media_prefer(r);
    TRY(media_headers_join(r));
    TRY(validity_level(r));
    TRY(route_find(&r->rest->settings.behaviour, r->http->method, r->path, r->arena, &r->issues,
                   &r->route));
    r->http->kind = (uint8_t)r->route.interaction;
    TRY(body_check(r, &r->issues, r->http->body.length));
    if (!r->http->is_again)
        TRY(quota_spend(r));
    return request_run(r);
}

static void request_refuse(struct request *r, enum err err)
{
    outcome_reply(r->http, r->media, err, &r->issues, r->response);
    if (err == ERR_METHOD && r->route.allow) {
        enum err ignored =
            http_response_header(r->http, r->response, "Allow", slice_cstr(r->route.allow));
        (void)ignored; /* the body names the methods too */
    }
}

/* Fit to stand in a JSON string and a header as it is. A client chooses its Host
 * and its path. */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>')
            return false;
    }
    return text.length > 0;
}

/* What stands before `path` in the request's own path, if that is in normal
 * form; else empty. */
static struct slice base_path(struct slice before, struct slice path)
{
    while (slice_ends_with(before, SLICE("/")) && !slice_ends_with(path, SLICE("/")))
        before.length--;
    if (!slice_ends_with(before, path))
        return SLICE_NONE;
    before.length -= path.length;
    while (slice_ends_with(before, SLICE("/")))
        before.length--;
    bool is_normal = slice_find(before, SLICE("//")) < 0 && slice_find(before, SLICE("/.")) < 0;
    return is_normal && is_plain(before) ? before : SLICE_NONE;
}

/* Scheme, host and the path before `path`, which is what links begin with. */
static struct slice base_url_make(const struct rest *rest, struct http_request *http,
                                  struct slice path)
{
    struct slice origin = rest->settings.public_url;
    if (!origin.length) {
        const struct slice *host = http_header_find(http, "Host");
        origin = arena_printf(http->arena, "http://%.*s",
                              SLICE_ARGS(host && is_plain(*host) ? *host : SLICE("localhost")));
    }
    struct slice before = base_path(http->path, path);
    if (before.length)
        return arena_printf(http->arena, "%.*s%.*s", SLICE_ARGS(origin), SLICE_ARGS(before));
    return arena_printf(http->arena, "%.*s/datastore/%.*s/r4", SLICE_ARGS(origin),
                        SLICE_ARGS(rest->settings.datastore_id));
}

/* NULL when memory is short. The request outlives rest_handle(): a streamed
 * answer still needs it. */
static struct request *request_make(struct rest *rest, struct http_request *http, struct slice path,
                                    struct http_response *response)
{
    struct request *r = arena_alloc(http->arena, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct request){ .rest = rest,
                           .http = http,
                           .response = response,
                           .arena = http->arena,
                           .media = "application/fhir+json" };
    issues_init(&r->issues, http->arena);
    r->base_url = base_url_make(rest, http, path);
    while (slice_starts_with(path, SLICE("/")))
        path = slice_from(path, 1);
    while (slice_ends_with(path, SLICE("/")))
        path.length--;
    r->path = path;
    return r->base_url.bytes ? r : NULL;
}

void rest_handle(struct rest *rest, struct http_request *http, struct slice path,
                 struct http_response *response)
{
    rest_handle_gated(rest, http, path, NULL, response);
}

void rest_handle_gated(struct rest *rest, struct http_request *http, struct slice path,
                       const struct rest_gate *gate, struct http_response *response)
{
    *response = (struct http_response){ 0 };
    struct request *r = request_make(rest, http, path, response);
    if (!r) {
        outcome_reply(http, "application/fhir+json", ERR_NO_MEMORY, NULL, response);
        return;
    }
    r->gate = gate;
    enum err err = request_serve(r);
    if (err && !http->wants_pool)
        request_refuse(r, err);
}

bool rest_begin(struct rest *rest, struct http_request *http, struct slice path,
                struct http_response *response)
{
    if (http->content_length <= 0)
        return false;
    struct request *r = request_make(rest, http, path, response);
    if (!r)
        return false; /* rest_handle() will say so */
    enum err err = route_find(&rest->settings.behaviour, http->method, r->path, r->arena,
                              &r->issues, &r->route);
    if (!err)
        http->kind = (uint8_t)r->route.interaction;
    if (!err)
        err = body_check(r, &r->issues, (size_t)http->content_length);
    if (!err)
        return false;
    *response = (struct http_response){ 0 };
    request_refuse(r, err);
    return true;
}

void rest_refuse(struct http_request *http, enum err err, const char *code, struct slice text,
                 struct http_response *response)
{
    struct issues issues;
    issues_init(&issues, http->arena);
    issues_add(&issues, ISSUE_ERROR, code ? code : err_issue(err), SLICE_NONE, "%.*s",
               SLICE_ARGS(text));
    *response = (struct http_response){ 0 };
    outcome_reply(http, "application/fhir+json", err, &issues, response);
}
