/* cli/check_url.c - `tarn check --url`: a served store is asked to check itself. */
#include "cli/check.h"

#include <inttypes.h>
#include <stdio.h>

#include "json/json.h"
#include "os/clock.h"
#include "sync/sync.h"

enum { ANSWER_BYTES = 64 << 20, LOOK_US = 1000 * 1000, FAILURES_MAX = 30 };

struct asking {
    const struct check_options *options;
    const struct sync_settings *settings;
    struct arena *texts; /* of one answer */
    struct json_doc doc;
    uint64_t standing, shown;
    int64_t told_us;
};

/* ---- Parameters ---- */

/* The value of the one of that name, whatever its type. */
static struct json value_of(struct json list, const char *name)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        if (!json_string_is(json_member(v, "name"), slice_cstr(name)))
            continue;
        for (struct json key = json_first(v); json_exists(key); key = json_next(v, json_value(key)))
            if (slice_starts_with(json_string_raw(key), SLICE("value")))
                return json_value(key);
    }
    return JSON_ABSENT;
}

static struct slice text_of(struct asking *a, struct json list, const char *name)
{
    struct json value = value_of(list, name);
    return !json_exists(value)             ? SLICE_NONE
           : json_is(value, JSON_STRING) ? json_string(value, a->texts)
                                           : json_raw(value);
}

static uint64_t number_of(struct asking *a, struct json list, const char *name)
{
    uint64_t number = 0;
    return slice_parse_u64(text_of(a, list, name), &number) ? number : 0;
}

static struct json parameters(const struct asking *a)
{
    return json_member(json_root(&a->doc), "parameter");
}

/* ---- asking ---- */

static enum err ask(struct asking *a, const struct sync_question *q, int *ret_status,
                    struct slice *ret_problem)
{
    struct sync_reply reply;
    struct json_error where;
    arena_release(a->texts);
    *ret_status = 0;
    enum err err = sync_ask(a->settings, q, a->texts, &reply);
    *ret_problem = reply.problem;
    TRY(err);
    *ret_status = reply.status;
    return reply.status < 300 ? json_parse(reply.body, NULL, a->texts, &a->doc, &where) : ERR_NONE;
}

static int refuse(struct slice problem, enum err err)
{
    fprintf(stderr, "tarn check: %.*s\n",
            SLICE_ARGS(problem.length ? problem : slice_cstr(err_text(err))));
    return 1;
}

/* One that runs already is watched, if it does what was asked for. */
static int begin(struct asking *a)
{
    char body[256];
    const struct check_options *o = a->options;
    struct sync_question q = { .method = "POST", .path = SLICE("/$check") };
    struct slice problem;
    int status = 0;
    q.body = slice_of(body, (size_t)snprintf(body, sizeof body,
                                             "{\"resourceType\":\"Parameters\",\"parameter\":["
                                             "{\"name\":\"repair\",\"valueBoolean\":%s},"
                                             "{\"name\":\"rate\",\"valueDecimal\":%" PRIu64 "}]}",
                                             o->repair ? "true" : "false", o->rate));
    enum err err = ask(a, &q, &status, &problem);
    if (!err && status == 202)
        return -1;
    if (err || status != 409)
        return refuse(problem, err);
    q = (struct sync_question){ .method = "GET", .path = SLICE("/$check") };
    err = ask(a, &q, &status, &problem);
    if (err || status >= 300)
        return refuse(problem, err);
    if (o->repair && !slice_is(text_of(a, parameters(a), "repair"), "true"))
        return refuse(SLICE("a check without repair runs already: wait for it, or end it with "
                            "POST $check?cancel=true"),
                      err);
    if (!o->is_quiet)
        fprintf(stderr, "a check runs already: watching it\n");
    return -1;
}

/* Until it has ended; an answer that does not come is asked for again. */
static int await(struct asking *a)
{
    const struct sync_question q = { .method = "GET", .path = SLICE("/$check") };
    struct slice problem;
    for (int failures = 0, status = 0;; os_sleep_us(LOOK_US)) {
        enum err err = ask(a, &q, &status, &problem);
        bool is_failed = err || status >= 300;
        failures = is_failed ? failures + 1 : 0;
        if (is_failed && (failures == FAILURES_MAX || (status >= 400 && status < 429)))
            return refuse(problem, err);
        if (is_failed)
            continue;
        struct json list = parameters(a);
        struct slice left = text_of(a, list, "secondsLeft");
        const struct check_progress p = {
            .phase = text_of(a, list, "phase"),
            .done = number_of(a, list, "done"),
            .whole = number_of(a, list, "whole"),
            .findings = number_of(a, list, "findings"),
            .per_second = number_of(a, list, "perSecond"),
            .left_seconds = left.length ? (int64_t)number_of(a, list, "secondsLeft") : -1,
        };
        if (status == 200)
            return -1;
        check_progress_print(a->options, &p, &a->told_us);
    }
}

/* ---- the end ---- */

static void print_finding(struct asking *a, struct json finding)
{
    struct json part = json_member(finding, "part");
    struct slice resource = text_of(a, part, "resource"), field = text_of(a, part, "parameter");
    struct slice segment = text_of(a, part, "segment"), remedy = text_of(a, part, "remedy");
    bool is_repaired = slice_is(text_of(a, part, "state"), "repaired");
    a->shown++;
    if (a->options->is_json) {
        printf("%s\n  %.*s", a->shown == 1 ? "" : ",", SLICE_ARGS(json_raw(finding)));
        return;
    }
    printf("%.*s %.*s", SLICE_ARGS(resource.length ? resource : SLICE("-/-")),
           SLICE_ARGS(text_of(a, part, "what")));
    if (field.length || segment.length)
        printf(": %.*s", SLICE_ARGS(field.length ? field : segment));
    if (!segment.length)
        printf(" (document %" PRIu64 ")", number_of(a, part, "document"));
    printf(is_repaired ? ", repaired\n" : "; %.*s\n", SLICE_ARGS(remedy));
}

static int print_findings(struct asking *a)
{
    struct slice problem;
    int status = 0;
    for (uint64_t before = UINT64_MAX; before != a->shown;) {
        char query[64];
        struct sync_question q = { .method = "GET", .path = SLICE("/$check") };
        q.query = slice_of(query, (size_t)snprintf(query, sizeof query, "from=%" PRIu64, a->shown));
        before = a->shown;
        enum err err = ask(a, &q, &status, &problem);
        if (err || status >= 300)
            return refuse(problem, err);
        struct json list = parameters(a);
        for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
            if (json_string_is(json_member(v, "name"), SLICE("finding")))
                print_finding(a, v);
    }
    return -1;
}

static int print_end(struct asking *a)
{
    struct json list = parameters(a);
    struct slice status = text_of(a, list, "status");
    uint64_t findings = number_of(a, list, "findings"), repaired = number_of(a, list, "repaired");
    uint64_t resources = number_of(a, list, "resourcesChecked");
    uint64_t documents = number_of(a, list, "documentsChecked");
    bool is_done = slice_is(status, "completed");
    if (a->options->is_json)
        printf("],\n\"resources\":%" PRIu64 ",\"documents\":%" PRIu64 ",\"findings\":%" PRIu64
               ",\"repaired\":%" PRIu64 ",\"finished\":%s}\n",
               resources, documents, findings, repaired, is_done ? "true" : "false");
    else
        printf("%.*s: %" PRIu64 " resources, %" PRIu64 " documents, %" PRIu64
               " disagreements, %" PRIu64 " repaired\n",
               SLICE_ARGS(status), resources, documents, findings, repaired);
    return is_done && findings == repaired ? 0 : 1;
}

static int run(struct asking *a)
{
    int status = begin(a);
    if (status < 0)
        status = await(a);
    if (a->options->is_terminal && a->told_us)
        fprintf(stderr, "\r\033[K");
    if (status >= 0)
        return status;
    if (a->options->is_json)
        printf("{\"disagreements\":[");
    status = print_findings(a);
    return status < 0 ? print_end(a) : status;
}

int check_url(const struct check_options *o, const struct errand *errand)
{
    struct arena arena, texts;
    struct dotenv d;
    struct sync_settings settings = { .tries = 1 };
    arena_init(&arena, ANSWER_BYTES);
    arena_init(&texts, ANSWER_BYTES);
    int status = errand_find("check", errand, &arena, &d, &settings);
    settings.say = NULL;
    struct asking a = { .options = o, .settings = &settings, .texts = &texts };
    if (status < 0)
        status = run(&a);
    arena_release(&texts);
    arena_release(&arena);
    return status;
}
