#include "sandbox/sandbox.h"

#include "base/check.h"
#include "http/http.h"
#include "os/thread.h"
#include "sandbox/answer.h"
#include "sandbox/members.h"
#include "sandbox/routes.h"

struct sandbox {
    struct members members;
    struct http_server *server;
    uint32_t retry_seconds;
};

static void handle(void *context, struct http_request *r, struct http_response *w)
{
    struct sandbox *s = context;
    route(&s->members, s->retry_seconds, r, w);
}

static void refuse(void *context, struct http_request *r, enum err err, struct slice text,
                   struct http_response *w)
{
    (void)context;
    answer_outcome(r, w, err_http_status(err), "processing", "%.*s", SLICE_ARGS(text));
}

/* Tokens pass in the clear, so nothing but loopback will do. */
static bool is_loopback(const char *address)
{
    struct slice text = slice_cstr(address);
    return slice_starts_with(text, SLICE("127.")) || slice_is(text, "::1") ||
           slice_is(text, "localhost");
}

enum err sandbox_start(const struct sandbox_settings *settings, struct arena *arena,
                       struct sandbox **ret_sandbox, struct slice *error)
{
    if (!is_loopback(settings->address)) {
        *error = arena_printf(arena, "%s is not a loopback address; tokens would travel in the "
                                     "clear",
                              settings->address);
        return ERR_INVALID;
    }
    struct sandbox *s = arena_alloc(arena, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->retry_seconds = settings->retry_seconds;
    enum err err = members_open(&s->members, settings, arena, error);
    if (err)
        return err;
    struct http_server_settings http = {
        .address = settings->address,
        .port = settings->port,
        .body_bytes = 1 << 16,
        .bodies_in_flight_bytes = 1 << 22,
        .header_bytes = 1 << 15,
        .arena_bytes = (size_t)64 << 20, /* a resource of a recorded delivery fits */
        .connections = 200,
        .idle_seconds = 120,
        .handler = { .context = s, .handle = handle, .refuse = refuse },
    };
    err = http_server_start(&http, arena, &s->server, error);
    if (err) {
        members_close(&s->members);
        return err;
    }
    *ret_sandbox = s;
    return ERR_NONE;
}

void sandbox_stop(struct sandbox *s)
{
    if (!s)
        return;
    http_server_stop(s->server, 5);
    members_close(&s->members);
}

static enum err walk_delivery(struct members *m, struct consent *c, uint32_t delivery,
                              sandbox_each *each, void *context)
{
    struct records records;
    struct record record;
    enum err err = records_begin(&records, m, c, delivery);
    if (err)
        return err;
    while (!err && records_next(&records, &record))
        err = each(context, record.type, record.id, record.text);
    records_end(&records);
    return err;
}

enum err sandbox_generate(const struct sandbox_settings *settings, uint32_t delivery,
                          sandbox_each *each, void *context)
{
    struct members members;
    struct arena scratch;
    struct slice error;
    arena_init(&scratch, 1 << 16);
    enum err err = members_open(&members, settings, &scratch, &error);
    arena_release(&scratch);
    if (err)
        return err;
    for (uint32_t i = 0; i < members.count && !err; i++) {
        struct consent *c = &members.consents[i];
        err = delivery >= 1 && delivery <= c->deliveries
                  ? walk_delivery(&members, c, delivery, each, context)
                  : ERR_INVALID;
    }
    members_close(&members);
    return err;
}

uint16_t sandbox_port(const struct sandbox *s)
{
    return http_server_port(s->server);
}

uint32_t sandbox_consent_count(const struct sandbox *s)
{
    return s->members.count;
}

struct sandbox_consent sandbox_consent_at(const struct sandbox *s, uint32_t index)
{
    CHECK(index < s->members.count);
    const struct consent *c = &s->members.consents[index];
    return (struct sandbox_consent){ c->user, c->id, c->token };
}

enum err sandbox_fault(struct sandbox *s, struct slice text, struct arena *arena,
                       struct slice *error)
{
    struct slice rest = text;
    struct slice name = slice_cut(&rest, ':');
    struct consent *only = members_find(&s->members, name);
    struct faults probe = { 0 };
    if (!rest.bytes || !fault_parse(rest, &probe) || (!only && !slice_is(name, "all"))) {
        *error = arena_printf(arena,
                              "'%.*s' is no fault: CONSENT:kind or CONSENT:kind=value, CONSENT "
                              "being an id, a token, a number from 1 or 'all'",
                              SLICE_ARGS(text));
        return ERR_INVALID;
    }
    mutex_lock(&s->members.lock);
    for (uint32_t i = 0; i < s->members.count; i++)
        if (!only || only == &s->members.consents[i])
            CHECK(fault_parse(rest, &s->members.consents[i].faults));
    mutex_unlock(&s->members.lock);
    return ERR_NONE;
}
