#include "sandbox/routes.h"

#include "base/check.h"
#include "base/codec.h"
#include "base/date.h"
#include "os/clock.h"
#include "sandbox/answer.h"

/* ---- taking the request apart ---- */

static bool decode(struct arena *arena, struct slice raw, bool plus_is_blank, struct slice *ret)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    bool decoded = percent_decode(&text, raw, plus_is_blank) && buf_status(&text) == ERR_NONE;
    char *copy = decoded ? arena_copy(arena, buf_slice(&text)) : NULL;
    if (copy)
        *ret = slice_of(copy, text.length);
    buf_release(&text);
    return copy != NULL;
}

/* "$PATIENT_ID" is a text substitution in the request's URL: every occurrence
 * becomes the consent's Patient. */
static void substitute(struct arena *arena, struct slice patient, struct slice *value)
{
    static const struct slice wildcard = SLICE_INIT("$PATIENT_ID");
    ptrdiff_t at = slice_find(*value, wildcard);
    if (at < 0)
        return;
    struct slice before = slice_head(*value, (size_t)at);
    struct slice behind = slice_from(*value, (size_t)at + wildcard.length);
    struct slice text = arena_printf(arena, "%.*s%.*s%.*s", SLICE_ARGS(before),
                                     SLICE_ARGS(patient), SLICE_ARGS(behind));
    if (text.bytes)
        *value = text;
}

static bool take_path(struct call *call)
{
    struct slice rest = call->request->path;
    while (rest.bytes) {
        struct slice segment = slice_cut(&rest, '/');
        if (segment.length == 0)
            continue;
        if (call->segment_count == PATH_SEGMENTS_MAX ||
            !decode(call->request->arena, segment, false, &call->segments[call->segment_count++]))
            return false;
    }
    return true;
}

static bool take_query(struct call *call)
{
    struct slice rest = call->request->query;
    while (rest.bytes && rest.length) {
        struct slice raw = slice_cut(&rest, '&'), value = raw;
        if (raw.length == 0)
            continue;
        struct slice name = slice_cut(&value, '=');
        if (call->parameter_count == QUERY_PARAMETERS_MAX)
            return false;
        struct parameter *p = &call->parameters[call->parameter_count++];
        p->raw = raw;
        p->value = SLICE("");
        if (!decode(call->request->arena, name, true, &p->name) ||
            (value.bytes && !decode(call->request->arena, value, true, &p->value)))
            return false;
    }
    return true;
}

/* Links lead back to the host that was asked. It goes into JSON as it is, so
 * only what a host and port consist of is taken. */
static struct slice base_of(struct http_request *r)
{
    const struct slice *host = http_header_find(r, "host");
    struct slice name = host ? *host : SLICE("localhost");
    for (size_t i = 0; i < name.length; i++) {
        char c = name.bytes[i];
        bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    strchr(".-:[]_", c);
        if (!good || c == '\0')
            name = SLICE("localhost");
    }
    return arena_printf(r->arena, "http://%.*s/fhir", SLICE_ARGS(name));
}

struct slice call_parameter(const struct call *call, const char *name)
{
    for (uint32_t i = 0; i < call->parameter_count; i++)
        if (slice_is(call->parameters[i].name, name))
            return call->parameters[i].value;
    return SLICE_NONE;
}

/* ---- who asks, and what goes wrong ---- */

static struct consent *authenticate(struct call *call)
{
    const struct slice *header = http_header_find(call->request, "authorization");
    struct slice rest = header ? slice_trim(*header) : SLICE_NONE;
    if (rest.length < 8 || !slice_equal_nocase(slice_head(rest, 7), SLICE("Bearer ")))
        return NULL;
    return members_by_token(call->members, slice_trim(slice_from(rest, 7)));
}

static void answer_transient(struct call *call)
{
    struct http_request *r = call->request;
    struct http_response *w = call->response;
    enum fault_retry form = call->faults.retry;
    answer_outcome(r, w, 429, "transient",
                   "The payer's records are still being synced. Try again shortly.");
    if (form == RETRY_BOTH || form == RETRY_STANDARD)
        answer_header(r, w, "Retry-After", "%u", call->retry_seconds);
    if (form == RETRY_BOTH || form == RETRY_X)
        answer_header(r, w, "X-Retry-After", "%u", call->retry_seconds);
    if (form == RETRY_ZERO)
        answer_header(r, w, "Retry-After", "0");
    if (form == RETRY_DATE) {
        char date[INSTANT_TEXT_BYTES];
        http_date_render(os_now_us() + (int64_t)call->retry_seconds * 1000000, date);
        answer_header(r, w, "Retry-After", "%s", date);
    }
}

static void answer_fault(struct call *call, enum fault_kind struck)
{
    struct http_request *r = call->request;
    struct http_response *w = call->response;
    switch (struck) {
    case FAULT_TRANSIENT:
        answer_transient(call);
        break;
    case FAULT_THROTTLED:
        answer_outcome(r, w, 429, "throttled", "Too many requests.");
        answer_header(r, w, "Retry-After", "%u", call->retry_seconds);
        answer_header(r, w, "X-RateLimit-Limit", "100");
        answer_header(r, w, "X-RateLimit-Remaining", "0");
        answer_header(r, w, "X-RateLimit-Reset", "%u", call->retry_seconds);
        break;
    case FAULT_ERROR:
        answer_outcome(r, w, 500, "exception", "Something went wrong.");
        break;
    case FAULT_UNPROCESSABLE:
        answer_outcome(r, w, 422, "processing", "The sync with the payer failed.");
        break;
    case FAULT_REVOKED:
    case FAULT_SLOW:
    case FAULT_TRUNCATED:
    case FAULT_PAGED:
    case FAULT_DUPLICATES:
    case FAULT_STALE:
    case FAULT_NO_FULL_URL:
    case FAULT_NO_RESOURCE:
    case FAULT_NO_ID:
    case FAULT_DANGLING:
    case FAULT_KINDS:
        answer_unauthorized(r, w);
        break;
    }
}

static void route_authenticated(struct call *call)
{
    call->consent = authenticate(call);
    if (!call->consent) {
        answer_unauthorized(call->request, call->response);
        return;
    }
    enum fault_kind struck;
    call->faults = members_enter(call->members, call->consent, &call->delivery, &struck);
    if (struck != FAULT_KINDS) {
        answer_fault(call, struck);
        return;
    }
    struct arena *arena = call->request->arena;
    for (uint32_t i = 0; i < call->parameter_count; i++)
        substitute(arena, call->consent->patient, &call->parameters[i].value);
    route_fhir(call);
}

void route(struct members *members, uint32_t retry_seconds, struct http_request *request,
           struct http_response *response)
{
    struct call *call = arena_alloc(request->arena, sizeof *call);
    if (!call) {
        response->status = 503;
        return;
    }
    *call = (struct call){ .members = members,
                           .request = request,
                           .response = response,
                           .retry_seconds = retry_seconds,
                           .base = base_of(request) };
    if (!take_path(call) || !take_query(call) || !call->base.bytes) {
        answer_outcome(request, response, 400, "invalid", "the URL cannot be read");
        return;
    }
    struct slice first = call->segment_count ? call->segments[0] : SLICE("");
    if (slice_is(first, "sandbox"))
        route_admin(call);
    else if (!slice_is(first, "fhir"))
        answer_outcome(request, response, 404, "not-found",
                       "there is /fhir, and /sandbox to steer the sandbox");
    else if (!slice_is(request->method, "GET") && !slice_is(request->method, "HEAD"))
        answer_outcome(request, response, 405, "not-supported", "only GET is supported");
    else if (call->segment_count == 2 && slice_is(call->segments[1], "metadata"))
        route_metadata(call);
    else
        route_authenticated(call);
}
