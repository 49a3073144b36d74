#include <stdio.h>

#include "base/date.h"
#include "rest/bundle.h"
#include "rest/outcome.h"
#include "rest/page.h"
#include "rest/reply.h"

/* ---- one entry ---- */

static void version_append(struct bundle *b, const struct route *route, uint64_t version,
                           int64_t instant, bool has_location, struct buf *out)
{
    char when[INSTANT_TEXT_BYTES];
    instant_render(instant, b->r->rest->settings.behaviour.instant_digits, when);
    if (has_location)
        buf_printf(out, ",\"location\":\"%.*s/%.*s/_history/%llu\"", SLICE_ARGS(route->type->name),
                   SLICE_ARGS(route->id), (unsigned long long)version);
    buf_printf(out, ",\"etag\":\"W/\\\"%llu\\\"\",\"lastModified\":\"%s\"",
               (unsigned long long)version, when);
}

static void failure_append(const struct entry *e, struct buf *out)
{
    buf_printf(out, "{\"response\":{\"status\":\"%d\",\"outcome\":", err_http_status(e->err));
    outcome_render(out, SLICE_NONE, e->err, e->issues);
    buf_append_cstr(out, "}}");
}

/* 200 alone does not tell an update from one that changed nothing. Who asks for
 * outcomes learns it: `tarn sync` does. Other entries carry none, it is the
 * absence that means "changed". */
static const char UNCHANGED_OUTCOME[] =
    ",\"outcome\":{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"information\","
    "\"code\":\"informational\",\"details\":{\"coding\":[{\"system\":\"urn:tarn:outcome\","
    "\"code\":\"unchanged\"}]}}]}";

static enum err write_append(struct bundle *b, struct entry *e, struct buf *out)
{
    const struct store_result *result = &e->result;
    const char *status = result->outcome == STORE_CREATED ? "201" : "200";
    if (e->verb == VERB_DELETE)
        status = "204";
    buf_append_byte(out, '{');
    if (b->r->prefer == PREFER_REPRESENTATION && e->verb != VERB_DELETE) {
        buf_printf(out, "\"fullUrl\":\"%.*s/%.*s\",\"resource\":", SLICE_ARGS(b->r->base_url),
                   SLICE_ARGS(e->target));
        TRY(reply_resource(b->r->rest, e->write->body, e->write->splice, result->version,
                           result->instant, out));
        buf_append_byte(out, ',');
    }
    buf_printf(out, "\"response\":{\"status\":\"%s\"", status);
    if (result->outcome != STORE_NOTHING)
        version_append(b, &e->route, result->version, result->instant, e->verb != VERB_DELETE, out);
    if (e->faults.length) {
        buf_append_cstr(out, ",\"outcome\":");
        buf_append(out, e->faults);
        b->has_faults = true;
    } else if (b->r->prefer == PREFER_OUTCOME && result->outcome == STORE_UNCHANGED) {
        buf_append_cstr(out, UNCHANGED_OUTCOME);
    }
    buf_append_cstr(out, "}}");
    return buf_status(out);
}

/* ---- GET entries ---- */

static bool header_add(struct http_request *http, const char *name, const struct slice *value)
{
    if (value)
        http->headers[http->header_count++] = (struct http_header){ slice_cstr(name), *value };
    return value != NULL;
}

enum { INNER_HEADERS = 5 }; /* one more for a write's Content-Type */

/* The entry as a request of its own, at the bundle's reader time. */
static enum err inner_make(struct bundle *b, struct entry *e, struct http_request *http,
                           struct request *r)
{
    static const char *const METHODS[] = {
        [VERB_DELETE] = "DELETE",
        [VERB_POST] = "POST",
        [VERB_PUT] = "PUT",
        [VERB_GET] = "GET",
    };
    const char *method = e->is_head ? "HEAD" : e->patch ? "PATCH" : METHODS[e->verb];
    *http = (struct http_request){ .method = slice_cstr(method),
                                   .path = e->path,
                                   .query = e->query,
                                   .arena = b->r->arena,
                                   .content_length = -1 };
    memcpy(http->id, b->r->http->id, sizeof http->id);
    http->headers = arena_array(b->r->arena, INNER_HEADERS, sizeof *http->headers);
    if (!http->headers)
        return ERR_NO_MEMORY;
    header_add(http, "If-None-Match", e->if_none_match);
    header_add(http, "If-Modified-Since", e->if_modified_since);
    header_add(http, "If-Match", e->if_match);
    header_add(http, "If-None-Exist", e->if_none_exist);
    *r = (struct request){ .rest = b->r->rest,
                           .http = http,
                           .arena = b->r->arena,
                           .route = e->route,
                           .base_url = b->r->base_url,
                           .path = e->path,
                           .media = b->r->media,
                           .time = b->time,
                           .level = b->r->level,
                           .is_entry = true };
    issues_init(&r->issues, r->arena);
    return request_query(r, NULL);
}

static enum err inner_append(struct bundle *b, const struct entry *e, const struct request *r,
                             struct http_response *response, struct buf *out)
{
    bool has_body = !e->is_head && (response->body.length || response->produce);
    buf_append_byte(out, '{');
    if (has_body)
        buf_append_cstr(out, "\"resource\":");
    size_t before = out->length;
    TRY(page_drain(response, out));
    if (has_body)
        buf_append_byte(out, ',');
    else
        out->length = before;
    buf_printf(out, "\"response\":{\"status\":\"%d\"", response->status);
    if (r->version)
        version_append(b, &r->route, r->version, r->instant, e->is_inner && e->verb != VERB_DELETE,
                       out);
    if (r->faults.length) {
        buf_append_cstr(out, ",\"outcome\":");
        buf_append(out, r->faults);
        b->has_faults = true;
    }
    buf_append_cstr(out, "}}");
    return buf_status(out);
}

static enum err get_run(struct bundle *b, struct entry *e, struct buf *out)
{
    struct http_request *http = arena_alloc(b->r->arena, sizeof *http);
    struct request *r = arena_alloc(b->r->arena, sizeof *r);
    struct http_response response = { 0 };
    if (!http || !r)
        return ERR_NO_MEMORY;
    e->err = inner_make(b, e, http, r);
    r->response = &response;
    if (!e->err)
        e->err = request_run(r);
    if (e->err) {
        e->issues = &r->issues;
        failure_append(e, out);
        return buf_status(out);
    }
    return inner_append(b, e, r, &response, out);
}

static enum err get_append(struct bundle *b, struct entry *e, struct buf *out)
{
    struct arena_mark mark = arena_mark(b->r->arena);
    enum err err = get_run(b, e, out);
    arena_rewind(b->r->arena, mark);
    return err;
}

/* ---- conditional writes of a batch ---- */

static enum err inner_write(struct bundle *b, struct entry *e, struct buf *out)
{
    static const struct slice MEDIA[] = {
        [PATCH_NONE] = SLICE_INIT("application/fhir+json"),
        [PATCH_JSON] = SLICE_INIT("application/json-patch+json"),
        [PATCH_MERGE] = SLICE_INIT("application/merge-patch+json"),
        [PATCH_FHIRPATH] = SLICE_INIT("application/fhir+json"),
    };
    struct http_request *http = arena_alloc(b->r->arena, sizeof *http);
    struct request *r = arena_alloc(b->r->arena, sizeof *r);
    struct http_response response = { 0 };
    if (!http || !r)
        return ERR_NO_MEMORY;
    e->err = bundle_resource_check(b, e);
    if (e->err)
        return ERR_NONE;
    e->err = inner_make(b, e, http, r);
    r->response = &response;
    r->prefer = b->r->prefer == PREFER_REPRESENTATION ? PREFER_REPRESENTATION : PREFER_MINIMAL;
    http->body = e->patch ? e->patch_text : json_raw(e->resource);
    if (!e->err)
        header_add(http, "Content-Type", &MEDIA[e->patch]);
    if (!e->err)
        e->err = request_run(r);
    e->issues = &r->issues;
    return e->err ? ERR_NONE : inner_append(b, e, r, &response, out);
}

enum err bundle_run_inner(struct bundle *b)
{
    struct buf out;
    buf_init(&out, b->r->rest->settings.behaviour.limits.body_bytes);
    enum err err = ERR_NONE;
    for (int verb = VERB_DELETE; verb < VERB_GET; verb++) {
        for (size_t i = 0; !err && i < b->count; i++) {
            struct entry *e = &b->entries[i];
            if (!e->is_inner || e->err || (int)e->verb != verb)
                continue;
            b->time = 0; /* GET entries see these writes too */
            buf_clear(&out);
            err = inner_write(b, e, &out);
            char *copy = err ? NULL : arena_copy(b->r->arena, buf_slice(&out));
            e->inner_answer = slice_of(copy, copy ? out.length : 0);
            err = err || copy ? err : ERR_NO_MEMORY;
        }
    }
    buf_release(&out);
    return err;
}

/* ---- the answer ---- */

/* GET entries of one bundle see one instant: the commit's, or now. */
static enum err time_settle(struct bundle *b)
{
    struct store_reader *reader;
    if (b->time)
        return ERR_NONE;
    TRY(store_read_begin(b->r->rest->settings.store, 0, &reader));
    b->time = store_reader_time(reader);
    store_read_end(reader);
    return ERR_NONE;
}

static enum err entry_append(struct bundle *b, struct entry *e, struct buf *out)
{
    if (e->err) {
        failure_append(e, out);
        return buf_status(out);
    }
    if (e->is_inner) {
        buf_append(out, e->inner_answer);
        return buf_status(out);
    }
    return e->verb == VERB_GET ? get_append(b, e, out) : write_append(b, e, out);
}

static enum err answer_render(struct bundle *b, struct buf *out)
{
    buf_printf(out, "{\"resourceType\":\"Bundle\",\"id\":\"%s\",\"type\":\"%s-response\"",
               b->r->http->id, b->is_transaction ? "transaction" : "batch");
    for (size_t i = 0; i < b->count; i++) {
        buf_append_cstr(out, i ? "," : ",\"entry\":[");
        TRY(entry_append(b, &b->entries[i], out));
    }
    buf_append_cstr(out, b->count ? "]}" : "}");
    return buf_status(out);
}

/* What GET entries bring is bounded like a request's body: it is held whole. A
 * transaction is committed by then, so the client must learn that. */
static enum err answer_limit(struct bundle *b, enum err err)
{
    if (err != ERR_LIMIT)
        return err;
    return issues_fail(&b->r->issues, ERR_LIMIT, "too-costly",
                       "The answer passes %zu bytes (setting: --max-body); the Bundle's writes "
                       "are done, ask for less in its GET entries",
                       b->r->rest->settings.behaviour.limits.body_bytes);
}

enum err bundle_answer(struct bundle *b)
{
    struct buf out;
    buf_init(&out, b->r->rest->settings.behaviour.limits.body_bytes + ((size_t)1 << 20));
    enum err err = time_settle(b);
    if (!err)
        err = answer_limit(b, answer_render(b, &out));
    if (!err)
        err = reply_preference(b->r);
    if (!err && b->has_faults)
        err = reply_header(b->r, "x-amzn-healthlake-validation-issues", SLICE("true"));
    if (!err)
        err = page_send_buf(b->r, 200, &out);
    buf_release(&out);
    return err;
}
