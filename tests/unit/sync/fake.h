/* tests/unit/sync/fake.h - a source and a target in this process, on one port.
 *
 * /fhir answers by a script, one step a request, the last step for ever. /r4 is a
 * small store: PUTs of bundles by their text, reads, metadata; a second script of
 * steps, if any, answers its POSTs first. Everything asked is written down.
 */
#ifndef TESTS_SYNC_FAKE_H
#define TESTS_SYNC_FAKE_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "aws/aws.h"
#include "base/codec.h"
#include "http/http.h"
#include "json/json.h"
#include "os/clock.h"
#include "sync/sync.h"

struct step {
    int status;          /* 0: the store answers itself */
    const char *headers; /* lines "Name: value" */
    const char *body;
};

enum { FAKE_STEPS = 20, FAKE_STORED = 200, FAKE_POSTS = 50 };

struct fake {
    struct http_server *server;
    struct arena arena; /* of all that is stored and noted */
    char base[64], endpoint[80];
    struct step source[FAKE_STEPS], target[FAKE_STEPS];
    unsigned source_steps, target_steps;
    unsigned source_asked, target_asked; /* requests so far; the target's POSTs */
    bool is_tarn;
    unsigned most_entries; /* of a bundle; 0: no limit */
    const char *refused_id; /* in a batch this entry is a 503 the first time */
    struct {
        const char *name, *text;
    } stored[FAKE_STORED];
    size_t stored_count;
    const char *posts[FAKE_POSTS]; /* "Type/id Type/id" of each bundle taken */
    size_t post_count, reads;
    bool is_signed_right, saw_signature, token_leaked;
    struct {
        const char *target;
        int status;
        const char *body;
    } pages[FAKE_STEPS]; /* answers to GETs of the target */
    size_t page_count;
    const char *level; /* validation level header seen */
    int64_t slept_us;
    unsigned sleeps;
    pthread_mutex_t lock;
};

static const struct step *fake_step(const struct step *steps, unsigned count, unsigned asked)
{
    return count == 0 ? NULL : &steps[MIN(asked, count - 1)];
}

static void fake_answer(struct http_request *r, struct http_response *w, int status,
                        struct slice body)
{
    w->status = status;
    w->body = slice_of(arena_copy(r->arena, body), body.length);
    assert_int_equal(
        http_response_header(r, w, "Content-Type", SLICE("application/fhir+json")), ERR_NONE);
}

static void fake_step_answer(struct http_request *r, struct http_response *w,
                             const struct step *step)
{
    struct slice rest = slice_cstr(step->headers);
    fake_answer(r, w, step->status, slice_cstr(step->body ? step->body : ""));
    while (rest.length) {
        struct slice value = slice_cut(&rest, '\n');
        struct slice name = slice_cut(&value, ':');
        assert_int_equal(http_response_header(r, w, arena_copy(r->arena, name),
                                              slice_trim(value)), ERR_NONE);
    }
}

/* ---- the store ---- */

static size_t fake_find(const struct fake *f, const char *name)
{
    size_t i = 0;
    while (i < f->stored_count && strcmp(f->stored[i].name, name) != 0)
        i++;
    return i;
}

/* Without meta: the tests' resources have nothing else in it. */
static const char *fake_text(struct fake *f, struct json resource)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    for (struct json key = json_first(resource); json_exists(key);
         key = json_next(resource, json_value(key))) {
        if (json_string_is(key, SLICE("meta")))
            continue;
        buf_append(&out, json_raw(key));
        buf_append(&out, json_raw(json_value(key)));
    }
    char *copy = arena_copy(&f->arena, buf_slice(&out));
    buf_release(&out);
    return copy;
}

static void fake_put(struct fake *f, struct json entry, struct buf *out)
{
    struct json url = json_member(json_member(entry, "request"), "url");
    const char *name = arena_copy(&f->arena, json_string_raw(url));
    const char *text = fake_text(f, json_member(entry, "resource"));
    assert_true(json_string_is(json_member(json_member(entry, "request"), "method"),
                               SLICE("PUT")));
    if (f->refused_id && strcmp(name, f->refused_id) == 0) {
        f->refused_id = NULL;
        buf_append_cstr(out, "{\"response\":{\"status\":\"503\"}}");
        return;
    }
    size_t at = fake_find(f, name);
    bool is_new = at == f->stored_count;
    bool is_same = !is_new && strcmp(f->stored[at].text, text) == 0;
    assert_true(at < FAKE_STORED);
    f->stored_count += is_new;
    f->stored[at].name = name;
    f->stored[at].text = text;
    buf_printf(out, "{\"response\":{\"status\":\"%s\"", is_new ? "201 Created" : "200");
    if (is_same && f->is_tarn)
        buf_append_cstr(out, ",\"outcome\":{\"issue\":[{\"details\":{\"coding\":[{\"system\":"
                             "\"urn:tarn:outcome\",\"code\":\"unchanged\"}]}}]}");
    buf_append_cstr(out, "}}");
}

static void fake_bundle(struct fake *f, struct http_request *r, struct http_response *w)
{
    struct json_doc doc;
    struct buf out, names;
    assert_int_equal(json_parse(r->body, NULL, r->arena, &doc, NULL), ERR_NONE);
    struct json entries = json_member(json_root(&doc), "entry");
    if (f->most_entries && json_count(entries) > f->most_entries) {
        fake_answer(r, w, 422, SLICE("{\"resourceType\":\"OperationOutcome\",\"issue\":[{"
                                     "\"severity\":\"error\",\"code\":\"too-costly\"}]}"));
        return;
    }
    buf_init(&out, 1 << 20);
    buf_init(&names, 1 << 16);
    buf_append_cstr(&out, "{\"resourceType\":\"Bundle\",\"type\":\"x-response\",\"entry\":[");
    for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
        buf_append_cstr(&out, names.length ? "," : "");
        buf_append_cstr(&names, names.length ? " " : "");
        buf_append(&names,
                   json_string_raw(json_member(json_member(e, "request"), "url")));
        fake_put(f, e, &out);
    }
    buf_append_cstr(&out, "]}");
    assert_true(f->post_count < FAKE_POSTS);
    f->posts[f->post_count++] = arena_copy(&f->arena, buf_slice(&names));
    fake_answer(r, w, 200, buf_slice(&out));
    if (f->is_tarn)
        assert_int_equal(http_response_header(r, w, "Preference-Applied",
                                              SLICE("return=OperationOutcome")), ERR_NONE);
    buf_release(&out);
    buf_release(&names);
}

/* Reads answered by a script of the test's own: the first whose target is asked. */
static bool fake_scripted(struct fake *f, struct http_request *r, struct http_response *w)
{
    for (size_t i = 0; i < f->page_count; i++) {
        if (slice_is(r->target, f->pages[i].target)) {
            fake_answer(r, w, f->pages[i].status, slice_cstr(f->pages[i].body));
            return true;
        }
    }
    return false;
}

static void fake_read(struct fake *f, struct http_request *r, struct http_response *w)
{
    const char *name = arena_copy(r->arena, slice_from(r->path, strlen("/r4/")));
    size_t at = fake_find(f, name);
    f->reads++;
    if (fake_scripted(f, r, w))
        return;
    if (strcmp(name, "metadata") == 0) {
        fake_answer(r, w, 200, f->is_tarn ? SLICE("{\"software\":{\"name\":\"Tarn\"}}")
                                          : SLICE("{\"software\":{\"name\":\"Other\"}}"));
        return;
    }
    if (at == f->stored_count) {
        fake_answer(r, w, 404, SLICE("{}"));
        return;
    }
    /* Stored as keys and values end to end; enough for a comparison by a. */
    struct slice id = slice_cstr(name);
    struct slice type = slice_cut(&id, '/');
    struct slice a = slice_cstr(strstr(f->stored[at].text, "\"a\"") + 3);
    fake_answer(r, w, 200,
                arena_printf(r->arena,
                             "{\"resourceType\":\"%.*s\",\"id\":\"%.*s\",\"meta\":{\"versionId\":"
                             "\"1\"},\"a\":%.*s}",
                             SLICE_ARGS(type), SLICE_ARGS(id), SLICE_ARGS(a)));
}

static bool fake_secret(void *context, struct slice id, struct slice *ret_secret)
{
    (void)context;
    *ret_secret = SLICE("secret");
    return slice_is(id, "KEY");
}

/* What a verifier says to the request. */
static void fake_verify(struct fake *f, struct http_request *r)
{
    const struct slice *level = http_header_find(r, "x-amzn-healthlake-fhir-validation-level");
    if (level)
        f->level = arena_copy(&f->arena, *level);
    const struct slice *authorization = http_header_find(r, "authorization");
    f->saw_signature = authorization != NULL;
    if (!authorization)
        return;
    f->token_leaked = f->token_leaked || slice_find(*authorization, SLICE("TOKEN")) >= 0;
    struct aws_header headers[64];
    struct aws_request signable = { .method = r->method, .path = r->path, .query = r->query,
                                    .headers = headers };
    for (; signable.header_count < r->header_count; signable.header_count++)
        headers[signable.header_count] =
            (struct aws_header){ r->headers[signable.header_count].name,
                                 r->headers[signable.header_count].value };
    struct aws_verifier v = { .region = SLICE("us-east-1"), .service = SLICE("healthlake"),
                              .skew_us = 300000000, .find_secret = fake_secret };
    struct aws_claim *claim;
    struct slice text;
    hex_encode(r->body_sha256, 32, signable.payload_sha256);
    f->is_signed_right =
        aws_verify_begin(r->arena, &v, &signable, os_now_us(), &claim, &text) == AWS_ACCEPTED &&
        aws_verify_finish(r->arena, &v, &signable, claim, &text) == AWS_ACCEPTED;
}

static void fake_handle(void *context, struct http_request *r, struct http_response *w)
{
    struct fake *f = context;
    pthread_mutex_lock(&f->lock);
    if (slice_starts_with(r->path, SLICE("/fhir"))) {
        fake_step_answer(r, w, fake_step(f->source, f->source_steps, f->source_asked++));
    } else {
        fake_verify(f, r);
        const struct step *step = NULL;
        bool is_post = !slice_is(r->method, "GET");
        if (is_post && f->target_asked < f->target_steps)
            step = fake_step(f->target, f->target_steps, f->target_asked);
        f->target_asked += is_post;
        if (step && step->status)
            fake_step_answer(r, w, step);
        else if (is_post)
            fake_bundle(f, r, w);
        else
            fake_read(f, r, w);
    }
    pthread_mutex_unlock(&f->lock);
}

static void fake_refuse(void *context, struct http_request *r, enum err err, struct slice text,
                        struct http_response *w)
{
    (void)context;
    (void)r;
    w->status = err_http_status(err);
    w->body = text;
}

static void fake_sleep(void *context, int64_t duration_us)
{
    struct fake *f = context;
    f->slept_us += duration_us;
    f->sleeps++;
}

static int fake_setup(void **state)
{
    struct fake *f = calloc(1, sizeof *f);
    struct slice error;
    struct http_server_settings settings = {
        .address = "127.0.0.1", .loop_threads = 1, .pool_threads = 1, .body_bytes = 64 << 20,
        .bodies_in_flight_bytes = 128 << 20, .header_bytes = 1 << 16, .arena_bytes = 64 << 20,
        .connections = 20, .idle_seconds = 20,
        .handler = { .context = f, .handle = fake_handle, .refuse = fake_refuse },
    };
    arena_init(&f->arena, 64 << 20);
    pthread_mutex_init(&f->lock, NULL);
    assert_int_equal(http_server_start(&settings, &f->arena, &f->server, &error), ERR_NONE);
    snprintf(f->base, sizeof f->base, "http://127.0.0.1:%u", http_server_port(f->server));
    snprintf(f->endpoint, sizeof f->endpoint, "%s/r4/", f->base);
    f->is_tarn = true;
    *state = f;
    return 0;
}

static int fake_teardown(void **state)
{
    struct fake *f = *state;
    http_server_stop(f->server, 1);
    arena_release(&f->arena);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static struct sync_settings fake_settings(struct fake *f)
{
    return (struct sync_settings){
        .flexpa_base = slice_cstr(f->base), .endpoint = slice_cstr(f->endpoint),
        .region = SLICE("us-east-1"), .sleep = fake_sleep, .sleep_context = f,
    };
}

UNUSED static void fake_page(struct fake *f, const char *target, int status, const char *body)
{
    f->pages[f->page_count].target = target;
    f->pages[f->page_count].status = status;
    f->pages[f->page_count++].body = body;
}

UNUSED static void fake_source(struct fake *f, int status, const char *headers, const char *body)
{
    f->source[f->source_steps++] = (struct step){ status, headers, body };
}

UNUSED static void fake_target(struct fake *f, int status, const char *headers, const char *body)
{
    f->target[f->target_steps++] = (struct step){ status, headers, body };
}

#endif
