/* Below /sandbox: see and steer what is served. Without credentials, since the
 * sandbox listens on loopback only. */
#include "base/check.h"
#include "json/json.h"
#include "os/thread.h"
#include "sandbox/answer.h"
#include "sandbox/routes.h"

static void write_consent(struct buf *out, struct members *m, const struct consent *c)
{
    mutex_lock(&m->lock);
    struct faults faults = c->faults;
    uint32_t delivery = c->delivery;
    mutex_unlock(&m->lock);
    buf_append_cstr(out, "{\"user\":");
    json_write_string(out, c->user);
    buf_append_cstr(out, ",\"consent\":");
    json_write_string(out, c->id);
    buf_append_cstr(out, ",\"patient\":");
    json_write_string(out, c->patient);
    buf_printf(out, ",\"delivery\":%u,\"deliveries\":%u,\"faults\":{", delivery, c->deliveries);
    bool any = false;
    for (int i = 0; i < FAULT_KINDS; i++) {
        if (faults.values[i] == 0)
            continue;
        buf_printf(out, "%s\"%s\":%llu", any ? "," : "", fault_name((enum fault_kind)i),
                   (unsigned long long)faults.values[i]);
        any = true;
    }
    buf_append_cstr(out, "}}");
}

static void answer_state(struct call *call, struct slice name)
{
    struct buf out;
    buf_init(&out, (size_t)64 << 20);
    buf_append_cstr(&out, "{\"consents\":[");
    struct consent *only = name.bytes ? members_find(call->members, name) : NULL;
    bool any = false;
    for (uint32_t i = 0; i < call->members->count; i++) {
        struct consent *c = &call->members->consents[i];
        if (only && c != only)
            continue;
        if (any)
            buf_append_byte(&out, ',');
        write_consent(&out, call->members, c);
        any = true;
    }
    buf_append_cstr(&out, "]}\n");
    answer_body(call->request, call->response, 200, ANSWER_JSON, buf_slice(&out));
    buf_release(&out);
}

static void advance(struct call *call, struct slice name)
{
    struct consent *only = name.bytes ? members_find(call->members, name) : NULL;
    for (uint32_t i = 0; i < call->members->count; i++) {
        struct consent *c = &call->members->consents[i];
        if (!only || c == only)
            members_advance(call->members, c);
    }
    answer_state(call, name);
}

static void set_fault(struct call *call, struct slice name)
{
    struct slice text = call_parameter(call, "fault");
    struct faults probe = { 0 };
    if (!text.bytes || !fault_parse(text, &probe)) {
        answer_outcome(call->request, call->response, 422, "processing",
                       "fault=kind or kind=value; src/sandbox/README.md lists the kinds");
        return;
    }
    struct consent *only = name.bytes ? members_find(call->members, name) : NULL;
    mutex_lock(&call->members->lock);
    for (uint32_t i = 0; i < call->members->count; i++) {
        struct consent *c = &call->members->consents[i];
        if (!only || c == only)
            CHECK(fault_parse(text, &c->faults));
    }
    mutex_unlock(&call->members->lock);
    answer_state(call, name);
}

void route_admin(struct call *call)
{
    struct slice verb = call->segment_count > 1 ? call->segments[1] : SLICE("");
    struct slice name = call_parameter(call, "consent");
    bool is_post = slice_is(call->request->method, "POST");
    if (!call->request->peer_is_loopback)
        answer_outcome(call->request, call->response, 403, "forbidden", "only from this machine");
    else if (name.bytes && !members_find(call->members, name))
        answer_outcome(call->request, call->response, 404, "not-found", "no such consent");
    else if (call->segment_count == 1)
        answer_state(call, name);
    else if (call->segment_count == 2 && is_post && slice_is(verb, "advance"))
        advance(call, name);
    else if (call->segment_count == 2 && is_post && slice_is(verb, "fault"))
        set_fault(call, name);
    else
        answer_outcome(call->request, call->response, 404, "not-found",
                       "GET /sandbox, POST /sandbox/advance[?consent=ID], "
                       "POST /sandbox/fault?fault=KIND=VALUE[&consent=ID]");
}
