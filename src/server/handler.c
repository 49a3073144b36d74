#include "server/handler.h"

#include "base/log.h"
#include "fhir/fhir.h"
#include "server/place.h"
#include "server/refuse.h"

enum {
    ARENA_BYTES = 256 << 20,       /* of a request without a body: pages of a search */
    ARENA_BYTES_PER_BODY_BYTE = 12 /* tape, stored forms, terms, answer of a Bundle */
};

/* What begin finds out, for handle. */
struct visit {
    struct place place;
    struct auth_pass *pass;
};

static bool is_read(const struct http_request *r)
{
    return slice_is(r->method, "GET") || slice_is(r->method, "HEAD");
}

/* What of the index is being built or repaired, beside yes or no. */
static struct slice ready_text(const struct handling *h, struct http_request *r, bool is_fine)
{
    struct store_index_figures f;
    store_index_figures(control_default(h->control)->store, &f);
    struct slice ready = is_fine ? SLICE("true") : SLICE("false");
    struct slice text = SLICE_NONE;
    if (f.damaged_segments)
        text = arena_printf(r->arena,
                            "{\"ready\":%.*s,\"index\":\"%u damaged segments, %llu of %llu "
                            "documents of the first derived again\"}\n",
                            SLICE_ARGS(ready), f.damaged_segments,
                            (unsigned long long)f.repair_done,
                            (unsigned long long)f.repair_whole);
    else if (f.fields_not_ready)
        text = arena_printf(r->arena,
                            "{\"ready\":%.*s,\"index\":\"%u search parameters being indexed, %llu "
                            "of %llu documents\"}\n",
                            SLICE_ARGS(ready), f.fields_not_ready,
                            (unsigned long long)f.fields_done,
                            (unsigned long long)f.fields_whole);
    if (text.bytes)
        return text;
    return is_fine ? SLICE("{\"ready\":true}\n") : SLICE("{\"ready\":false}\n");
}

/* /readyz, for a balancer, is as /healthz; it says why searches may have to wait. */
static void answer_health(const struct handling *h, struct http_request *r, enum place_kind kind,
                          struct http_response *response)
{
    struct store_figures figures;
    store_figures(control_default(h->control)->store, &figures);
    bool is_fine = !figures.is_read_only &&
                   (kind == PLACE_HEALTH || (figures.index_is_ready && !figures.is_full));
    *response = (struct http_response){ .status = is_fine ? 200 : 503 };
    if (kind == PLACE_READY)
        response->body = ready_text(h, r, is_fine);
    else
        response->body =
            is_fine ? SLICE("{\"status\":\"ok\"}\n") : SLICE("{\"status\":\"read-only\"}\n");
    if (http_response_header(r, response, "Content-Type", SLICE("application/json")) ||
        http_response_header(r, response, "Cache-Control", SLICE("no-store")))
        response->status = 503;
}

static void answer_no_place(struct http_request *r, struct http_response *response)
{
    rest_refuse(r, ERR_NOT_FOUND, NULL,
                SLICE("there is nothing at this path; FHIR is below /datastore/{id}/r4/"),
                response);
}

/* Is the place one we have? For callers whose credentials were read. */
static bool place_check(const struct handling *h, struct http_request *r, const struct place *place,
                        struct http_response *response)
{
    if (place->kind == PLACE_CONTROL)
        return true;
    if (place->kind != PLACE_FHIR) {
        answer_no_place(r, response);
        return false;
    }
    struct slice error = SLICE_NONE;
    if (!control_look(h->control, place->datastore_id, r->arena, &error))
        return true;
    rest_refuse(r, ERR_NOT_FOUND, NULL, error, response);
    return false;
}

/* What strangers may ask. */
static bool is_health(const struct http_request *r, const struct place *place)
{
    return is_read(r) && (place->kind == PLACE_HEALTH || place->kind == PLACE_READY);
}

/* A small request may not take a large request's memory. */
static void bound_memory(const struct handling *h, struct http_request *r, size_t body_bytes)
{
    size_t more_bytes = MIN(body_bytes, h->arena_bytes) * ARENA_BYTES_PER_BODY_BYTE;
    r->arena->limit_bytes = MIN(h->arena_bytes, ARENA_BYTES + more_bytes);
}

/* Patient/1 and the like: a few microseconds, mostly from memory. */
static bool is_read_by_id(const struct place *place)
{
    struct slice rest = place->rest;
    struct slice type = slice_cut(&rest, '/');
    return place->kind == PLACE_FHIR && type.length && rest.length && rest.bytes[0] != '$' &&
           rest.bytes[0] != '_' && slice_find_byte(rest, '/') < 0;
}

static bool is_brief(const struct http_request *r, const struct place *place)
{
    return place->kind == PLACE_FHIR && rest_search_may_be_brief(place->rest, r->query);
}

static bool begin(const struct handling *h, struct http_request *r,
                  struct http_response *response)
{
    struct visit *visit = arena_alloc(r->arena, sizeof *visit);
    if (!visit) {
        rest_refuse(r, ERR_NO_MEMORY, NULL, SLICE("out of memory"), response);
        return true;
    }
    enum err err = place_of_path(r->arena, r->path, &visit->place);
    if (err) {
        bool is_memory = err == ERR_NO_MEMORY;
        rest_refuse(r, is_memory ? err : ERR_INVALID, is_memory ? NULL : "value",
                    SLICE("the path has a broken escape, an encoded dot segment, or '..' that "
                          "would leave its data store"),
                    response);
        return true;
    }
    r->user = visit;
    r->is_short = is_health(r, &visit->place) ||
                  (is_read(r) && (is_read_by_id(&visit->place) || is_brief(r, &visit->place)));
    if (is_health(r, &visit->place)) {
        r->kind = KIND_HEALTH;
        return false;
    }
    if (visit->place.kind == PLACE_CONTROL)
        r->kind = KIND_CONTROL;
    /* Nothing below is told to strangers. */
    if (!auth_begin(h->auth, r, &visit->pass, response))
        return true;
    /* Without a body to spare anyone, handle comes at once and does the rest. */
    if (r->content_length <= 0)
        return false;
    if (!place_check(h, r, &visit->place, response))
        return true;
    if (auth_is_sts(r)) {
        bool is_large = r->content_length > AUTH_STS_BODY_BYTES;
        if (is_large)
            auth_answer(r, ERR_LIMIT, SLICE("The form is longer than 64 KB."), response);
        return is_large;
    }
    /* Limits and routes are the same for all data stores: the default one's answer. */
    return visit->place.kind == PLACE_CONTROL
               ? control_begin(r, response)
               : rest_begin(control_default(h->control)->rest, r, visit->place.rest, response);
}

bool handler_begin(void *context, struct http_request *r, struct http_response *response)
{
    const struct handling *h = context;
    if (cors_preflight(&h->cors, r, response))
        return true;
    bool is_answered = begin(h, r, response);
    if (is_answered)
        cors_mark(&h->cors, r, response);
    return is_answered;
}

/* ---- a request of the data plane keeps its data store open ---- */

/* A streamed answer needs it to its end. */
struct stream {
    struct control *control;
    struct control_use *use;
    http_produce *produce;
    void (*produce_end)(void *state);
    void *produce_state;
};

static enum err stream_produce(void *state, struct buf *out)
{
    struct stream *stream = state;
    return stream->produce(stream->produce_state, out);
}

static void stream_end(void *state)
{
    struct stream *stream = state;
    if (stream->produce_end)
        stream->produce_end(stream->produce_state);
    control_use_end(stream->control, stream->use);
}

/* Hand the use over to the answer's stream. */
static void stream_wrap(struct stream *stream, struct control_use *use,
                        struct http_response *response)
{
    stream->use = use;
    stream->produce = response->produce;
    stream->produce_end = response->produce_end;
    stream->produce_state = response->produce_state;
    response->produce = stream_produce;
    response->produce_end = stream_end;
    response->produce_state = stream;
}

static void handle_fhir(const struct handling *h, struct http_request *r, const struct visit *visit,
                        struct http_response *response)
{
    const struct place *place = &visit->place;
    struct control_store store;
    struct control_use *use;
    struct slice error = SLICE_NONE;
    struct stream *stream = arena_alloc(r->arena, sizeof *stream);
    enum err err =
        stream ? control_use_begin(h->control, place->datastore_id, r->arena, &store, &use, &error)
               : ERR_NO_MEMORY;
    if (err) {
        bool is_absent = err == ERR_NOT_FOUND;
        if (!is_absent)
            log_line(LOG_ERROR, "server", "request %s: a data store does not open: %.*s", r->id,
                     SLICE_ARGS(error));
        rest_refuse(r, err, NULL, is_absent ? error : SLICE("the data store could not be opened"),
                    response);
        return;
    }
    const struct rest_gate *gate;
    if (access_fhir(&h->access, r, visit->pass, store.rest, place->datastore_id, place->rest, &gate,
                    response))
        rest_handle_gated(store.rest, r, place->rest, gate, response);
    stream->control = h->control;
    if (use && response->produce)
        stream_wrap(stream, use, response);
    else
        control_use_end(h->control, use);
}

/* Not before it is known who asks: what unpacks to a thousand times its size costs
 * a stranger nothing. */
static bool body_unpack(const struct handling *h, struct http_request *r,
                        const struct visit *visit, struct http_response *response)
{
    struct slice error;
    if (visit->place.kind != PLACE_FHIR || auth_is_sts(r))
        return true;
    enum err err = http_request_unpack(r, &error);
    if (err)
        refuse_request(r, err, NULL, error.length ? error : slice_cstr(err_text(err)), response);
    bound_memory(h, r, r->body.length);
    return !err;
}

static void handle(const struct handling *h, struct http_request *r,
                   struct http_response *response)
{
    struct visit *visit = r->user;
    CHECK(visit);
    bound_memory(h, r, r->body.length);
    if (is_health(r, &visit->place)) {
        answer_health(h, r, visit->place.kind, response);
        return;
    }
    if (!auth_finish(h->auth, r, visit->pass, response) || !body_unpack(h, r, visit, response))
        return;
    if (!place_check(h, r, &visit->place, response))
        return;
    if (auth_is_sts(r))
        auth_sts_handle(h->auth, r, visit->pass, response);
    else if (visit->place.kind != PLACE_CONTROL)
        handle_fhir(h, r, visit, response);
    else if (access_control(&h->access, r, visit->pass, control_action(r), response) &&
             access_rate(&h->access, r, control_action(r), response))
        control_handle(h->control, r, response);
}

void handler_handle(void *context, struct http_request *r, struct http_response *response)
{
    const struct handling *h = context;
    handle(h, r, response);
    cors_mark(&h->cors, r, response);
}

void handler_refuse(void *context, struct http_request *r, enum err err, struct slice text,
                    struct http_response *response)
{
    const struct handling *h = context;
    refuse_request(r, err, NULL, text, response);
    cors_mark(&h->cors, r, response);
}

/* What a log may say of a path: its data store and a type that FHIR has. */
static void log_request(struct access_log *log, const struct http_request *r,
                        const struct http_traffic *traffic)
{
    struct access_line line = { .request = r, .traffic = traffic };
    const struct visit *visit = r->user;
    line.action = r->kind == KIND_CONTROL ? control_action(r) + sizeof "healthlake:" - 1
                                          : metrics_kind_name(r->kind);
    if (visit && visit->place.kind == PLACE_FHIR) {
        struct slice rest = visit->place.rest;
        const struct fhir_type *type = fhir_resource_find(slice_cut(&rest, '/'));
        line.store = visit->place.datastore_id;
        line.type = type ? type->name : SLICE_NONE;
    }
    line.caller = auth_caller(visit ? visit->pass : NULL);
    access_log_add(log, &line);
}

void handler_done(void *context, const struct http_request *r, const struct http_traffic *traffic)
{
    const struct handling *h = context;
    metrics_count(h->metrics, r, traffic);
    if (h->log)
        log_request(h->log, r, traffic);
}
