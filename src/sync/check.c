/* sync/check.c - the questions to ask before the first run.
 *
 * Nothing is written: the update is tried with a body that names another id than
 * the URL, which every store refuses before it stores (and after it has decided
 * whether the caller may update at all).
 */
#include <stdio.h>

#include "os/clock.h"
#include "sync/sink.h"
#include "sync/source.h"
#include "sync/sync.h"
#include "sync/target.h"

#define CHECK_ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define CLOCK_FAR_US (240 * SECOND_US)
#define ABSENT_ID "tarn-check-no-such-id"

struct check {
    struct session *session;
    struct buf *out;
    struct arena *arena;
    bool ok; /* no line failed so far */
};

/* One line; the remedy only when it failed. */
static void line(struct check *c, bool ok, const char *what, struct slice detail,
                 const char *remedy)
{
    c->ok = c->ok && ok;
    buf_printf(c->out, "%-7s %s", ok ? "ok" : "FAILED", what);
    if (detail.length)
        buf_printf(c->out, ": %.*s", SLICE_ARGS(detail));
    buf_append_byte(c->out, '\n');
    if (!ok)
        buf_printf(c->out, "        remedy: %s\n", remedy);
}

/* ---- source ---- */

static void check_source(struct check *c)
{
    const struct sync_settings *settings = c->session->settings;
    struct slice url = arena_printf(c->arena, "%.*s/fhir/metadata",
                                    SLICE_ARGS(url_trim_slash(settings->flexpa_base)));
    struct http_exchange x = { .method = SLICE("GET"), .url = url };
    enum err err = session_perform(c->session, &x, c->arena);
    bool ok = !err && x.status == 200;
    line(c, ok, "source",
         ok ? settings->flexpa_base : session_problem(c->session, &x, err, c->arena),
         "is FLEXPA_API_BASE right, and the network there? It is https://api.flexpa.com unless "
         "you test");
}

static void check_token(struct check *c, const struct sync_consent *consent)
{
    const struct sync_settings *settings = c->session->settings;
    struct slice url = arena_printf(c->arena, "%.*s/fhir/Patient/$PATIENT_ID",
                                    SLICE_ARGS(url_trim_slash(settings->flexpa_base)));
    struct slice bearer = arena_printf(c->arena, "Bearer %.*s", SLICE_ARGS(consent->token));
    const struct http_header header = { SLICE("Authorization"), bearer };
    struct http_exchange x = { .method = SLICE("GET"), .url = url, .headers = &header,
                               .header_count = 1 };
    enum err err = session_perform(c->session, &x, c->arena);
    struct slice name = consent->consent.length ? consent->consent : SLICE("the token");
    struct slice detail = name;
    bool ok = !err && (x.status == 200 || x.status == 429);
    if (!ok)
        detail = arena_printf(c->arena, "%.*s: %.*s", SLICE_ARGS(name),
                              SLICE_ARGS(session_problem(c->session, &x, err, c->arena)));
    else if (x.status == 429)
        detail = arena_printf(c->arena, "%.*s (its record is still being gathered)",
                              SLICE_ARGS(name));
    line(c, ok, "token", detail,
         "a token lives 24 hours: refresh it, or let the member connect again");
}

/* ---- target ---- */

/* Ask once; false when no answer came. */
static bool ask(struct check *c, struct target *t, struct target_request request,
                struct http_exchange *ret_x, struct slice *ret_detail)
{
    enum err err = target_perform(t, &request, c->arena, ret_x);
    *ret_detail = session_problem(c->session, ret_x, err, c->arena);
    return !err;
}

/* A request that is meant to be refused for its content: then it was permitted. */
static void check_action(struct check *c, struct target *t, const char *action,
                         struct target_request request)
{
    struct http_exchange x;
    struct slice detail;
    bool ok = ask(c, t, request, &x, &detail) && x.status != 401 && x.status != 403 &&
              x.status < 500 && x.status != 405 && x.status != 501;
    char what[80];
    snprintf(what, sizeof what, "permission %s", action);
    line(c, ok, what, ok ? SLICE_NONE : detail,
         x.status == 403 ? "allow it for this key: an IAM policy on the data store, or another key"
                         : "see the target's words; with HealthLake also the key's policy");
}

static void check_actions(struct check *c, struct target *t)
{
    static const struct {
        const char *action;
        struct target_request request;
    } actions[] = {
        { "ReadResource", { .method = "GET", .path = SLICE_INIT("/Patient/" ABSENT_ID) } },
        { "SearchWithGet",
          { .method = "GET", .path = SLICE_INIT("/Patient"),
            .query = SLICE_INIT("_id=" ABSENT_ID) } },
        { "SearchEverything",
          { .method = "GET", .path = SLICE_INIT("/Patient/" ABSENT_ID "/$everything") } },
        { "UpdateResource",
          { .method = "PUT", .path = SLICE_INIT("/Basic/" ABSENT_ID),
            .body = SLICE_INIT("{\"resourceType\":\"Basic\",\"id\":\"" ABSENT_ID "-2\",\"code\":"
                               "{\"text\":\"never stored\"}}") } },
        { "ProcessBundle",
          { .method = "POST",
            .body = SLICE_INIT("{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[]}") } },
    };
    for (size_t i = 0; i < ARRAY_COUNT(actions); i++)
        check_action(c, t, actions[i].action, actions[i].request);
}

static void check_clock(struct check *c, const struct http_exchange *x)
{
    int64_t offset_us;
    if (!target_clock(x, &offset_us)) {
        line(c, true, "clock", SLICE("the target sends no Date to compare with"), NULL);
        return;
    }
    bool ok = offset_us < CLOCK_FAR_US && offset_us > -CLOCK_FAR_US;
    line(c, ok, "clock",
         arena_printf(c->arena, "%lld s off the target's", (long long)(offset_us / SECOND_US)),
         "set this machine's clock (NTP): signatures are valid for five minutes");
}

static bool check_signature(struct check *c, const struct http_exchange *x)
{
    bool is_signed = c->session->settings->credentials.access_key_id.length > 0;
    bool ok = !target_is_refusal(x);
    struct slice detail = is_signed ? SLICE_NONE : SLICE("none asked for, none given");
    line(c, ok, "signature", ok ? detail : session_problem(c->session, x, ERR_NONE, c->arena),
         is_signed ? "compare access key, secret, AWS_REGION and clock with the target's"
                   : "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
    return ok;
}

static void check_target(struct check *c)
{
    struct target t;
    struct slice problem = SLICE_NONE, detail;
    struct http_exchange x;
    const struct sync_settings *settings = c->session->settings;
    struct sync_settings once = *settings;
    once.tries = 1;
    once.target = SYNC_TARGET_FHIR; /* so that opening asks nothing yet */
    c->session->settings = &once;
    enum err err = target_open(&t, c->session, c->arena, &problem);
    struct target_request metadata = { .method = "GET", .path = SLICE("/metadata") };
    bool answered = !err && ask(c, &t, metadata, &x, &detail);
    line(c, answered, "target", err ? problem : answered ? t.url.authority : detail,
         "is HEALTHLAKE_ENDPOINT right, and the network there?");
    if (answered) {
        check_clock(c, &x);
        if (check_signature(c, &x))
            check_actions(c, &t);
    }
    c->session->settings = settings;
}

enum err sync_check(const struct sync_settings *settings, const struct sync_consent *consents,
                    size_t count, struct buf *out, bool *ret_ok)
{
    struct session session;
    struct arena arena;
    TRY(session_open(&session, settings));
    arena_init(&arena, CHECK_ARENA_BYTES);
    struct check c = { .session = &session, .out = out, .arena = &arena, .ok = true };
    check_source(&c);
    for (size_t i = 0; i < count; i++)
        check_token(&c, &consents[i]);
    check_target(&c);
    *ret_ok = c.ok;
    session_close(&session);
    arena_release(&arena);
    return buf_status(out);
}
