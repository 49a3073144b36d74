/* A store in a temporary folder with the rest face over it, and requests made by
 * hand. Included by every test of rest/. */
#ifndef TESTS_REST_WORLD_H
#define TESTS_REST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "json/json.h"
#include "os/file.h"
#include "rest/rest.h"

#define BASE "http://127.0.0.1:8080/datastore/ds1/r4"

struct world {
    char folder[64], async_folder[80];
    struct store *store;
    struct rest *rest;
    struct rest_extract extract;
    int64_t zone_us; /* of dates without a zone */
    struct rest_behaviour behaviour;
    uint32_t largest_count;
    bool has_async; /* asynchronous transactions are taken */
    struct profile_home *profiles;
    enum rest_level level; /* what a test of interactions stores need not be valid */
    struct arena arena;    /* of all requests */
};

struct answer {
    int status;
    struct http_response response;
    struct http_request request;
    struct slice body; /* whole, also of a streamed answer */
    bool was_streamed;
    struct json_doc doc; /* of the body, when it is JSON */
};

UNUSED static void world_open(struct world *w)
{
    w->extract.zone_us = w->zone_us;
    struct store_settings settings = { .folder = w->folder,
                                       .extract = rest_extract,
                                       .extract_some = rest_extract_some,
                                       .extract_context = &w->extract,
                                       .opened = rest_customs_opened,
                                       .rules_hash = 1 ^ (uint64_t)w->zone_us };
    w->extract.customs = rest_customs_open();
    assert_non_null(w->extract.customs);
    struct slice error = SLICE_NONE;
    enum err err = store_open(&settings, &w->arena, &w->store, &error);
    if (err)
        fail_msg("store_open: %s: %.*s", err_name(err), SLICE_ARGS(error));
    if (w->largest_count)
        w->behaviour.limits.page_size_max = w->largest_count;
    struct rest_settings rest = { .store = w->store,
                                  .customs = w->extract.customs,
                                  .behaviour = w->behaviour,
                                  .datastore_id = SLICE("ds1"),
                                  .async_folder = w->has_async ? w->async_folder : NULL,
                                  .software_version = SLICE("test"),
                                  .zone_us = w->zone_us,
                                  .level = w->level,
                                  .profiles = w->profiles };
    assert_int_equal(rest_open(&rest, &w->rest), ERR_NONE);
}

UNUSED static void world_close(struct world *w)
{
    rest_close(w->rest);
    assert_int_equal(store_close(w->store), ERR_NONE);
    rest_customs_close(w->extract.customs);
}

UNUSED static void world_level(struct world *w, enum rest_level level)
{
    w->level = level;
    world_close(w);
    world_open(w);
}

UNUSED static struct world *world_new(struct rest_behaviour behaviour)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    snprintf(w->folder, sizeof w->folder, "/tmp/tarn-rest-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->async_folder, sizeof w->async_folder, "%s/transactions", w->folder);
    w->behaviour = behaviour;
    w->level = REST_UNCHECKED;
    arena_init(&w->arena, (size_t)1 << 31);
    world_open(w);
    return w;
}

UNUSED static void world_free(struct world *w)
{
    world_close(w);
    assert_int_equal(os_folder_remove(w->folder), ERR_NONE);
    arena_release(&w->arena);
    free(w);
}

UNUSED static int world_setup(void **state)
{
    *state = world_new(rest_behaviour_open());
    return 0;
}
UNUSED static int world_setup_healthlake(void **state)
{
    *state = world_new(rest_behaviour_healthlake());
    return 0;
}
UNUSED static int world_teardown(void **state)
{
    world_free(*state);
    return 0;
}

UNUSED static struct slice world_copy(struct world *w, struct slice text)
{
    char *copy = arena_copy(&w->arena, text);
    assert_non_null(copy);
    return slice_of(copy, text.length);
}

/* The body of a streamed answer, pulled as the HTTP layer does. */
UNUSED static void answer_drain(struct world *w, struct answer *a)
{
    a->body = a->response.body;
    if (!a->response.produce)
        return;
    struct buf out;
    buf_init(&out, (size_t)1 << 30);
    size_t before;
    a->was_streamed = true;
    do {
        before = out.length;
        assert_int_equal(a->response.produce(a->response.produce_state, &out), ERR_NONE);
    } while (out.length > before);
    if (a->response.produce_end)
        a->response.produce_end(a->response.produce_state);
    a->body = world_copy(w, buf_slice(&out));
    buf_release(&out);
}

/* `headers`: lines "Name: value" separated by '\n'; may be NULL. */
UNUSED static void request_fill(struct world *w, struct http_request *r, const char *method,
                                const char *target, const char *headers, struct slice body)
{
    struct slice whole = arena_printf(&w->arena, "/datastore/ds1/r4/%s", target);
    struct slice query = whole;
    *r = (struct http_request){ .method = slice_cstr(method),
                                .target = whole,
                                .path = slice_cut(&query, '?'),
                                .body = body,
                                .content_length = (int64_t)body.length,
                                .arena = &w->arena };
    r->query = query;
    snprintf(r->id, sizeof r->id, "0b5d0f4c-0000-4000-8000-0123456789ab");
    r->headers = arena_array(&w->arena, 16, sizeof *r->headers);
    r->headers[r->header_count++] = (struct http_header){ SLICE("Host"), SLICE("127.0.0.1:8080") };
    struct slice lines = headers ? slice_cstr(headers) : SLICE_NONE;
    while (lines.bytes) {
        struct slice value = slice_cut(&lines, '\n');
        struct slice name = slice_cut(&value, ':');
        r->headers[r->header_count++] = (struct http_header){ name, slice_trim(value) };
    }
}

UNUSED static struct answer ask_bytes(struct world *w, const char *method, const char *target,
                                      const char *headers, struct slice body)
{
    struct answer a = { 0 };
    struct json_error where;
    request_fill(w, &a.request, method, target, headers, body);
    struct slice path = slice_from(a.request.path, strlen("/datastore/ds1/r4/"));
    rest_handle(w->rest, &a.request, path, &a.response);
    a.status = a.response.status;
    answer_drain(w, &a);
    if (a.body.length && json_parse(a.body, NULL, &w->arena, &a.doc, &where))
        fail_msg("answer is no JSON: %.*s", SLICE_ARGS(slice_head(a.body, 2000)));
    return a;
}

UNUSED static struct answer ask(struct world *w, const char *method, const char *target,
                                const char *headers, const char *body)
{
    return ask_bytes(w, method, target, headers, slice_cstr(body));
}

UNUSED static struct answer get(struct world *w, const char *target)
{
    return ask(w, "GET", target, NULL, NULL);
}

UNUSED static struct answer put(struct world *w, const char *target, const char *body)
{
    return ask(w, "PUT", target, "Content-Type: application/fhir+json", body);
}

UNUSED static struct answer post(struct world *w, const char *target, const char *body)
{
    return ask(w, "POST", target, "Content-Type: application/fhir+json", body);
}

UNUSED static const char *header(struct world *w, const struct answer *a, const char *name)
{
    for (size_t i = 0; i < a->response.header_count; i++) {
        if (slice_equal_nocase(a->response.headers[i].name, slice_cstr(name)))
            return arena_copy(&w->arena, a->response.headers[i].value);
    }
    return NULL;
}

/* The value at "entry.0.response.status"; absent when there is none. A "#" at
 * the end counts members. */
UNUSED static struct json answer_find(const struct answer *a, const char *path)
{
    struct json v = a->doc.text.bytes ? json_root(&a->doc) : JSON_ABSENT;
    struct slice rest = slice_cstr(path);
    while (rest.bytes && json_exists(v)) {
        struct slice step = slice_cut(&rest, '.');
        uint64_t index;
        if (!slice_parse_u64(step, &index)) {
            v = json_get(v, step);
            continue;
        }
        struct json list = v;
        v = json_first(list);
        while (index-- && json_exists(v))
            v = json_next(list, v);
    }
    return v;
}

/* The text of a string, the raw text of anything else, "" when absent. */
UNUSED static const char *text_at(struct world *w, const struct answer *a, const char *path)
{
    struct json v = answer_find(a, path);
    if (!json_exists(v))
        return "";
    struct slice text = json_is(v, JSON_STRING) ? json_string(v, &w->arena) : json_raw(v);
    return arena_copy(&w->arena, text);
}

UNUSED static size_t count_at(const struct answer *a, const char *path)
{
    struct json v = answer_find(a, path);
    return json_exists(v) ? json_count(v) : 0;
}

UNUSED static struct answer expect_status(struct answer a, int status)
{
    if (a.status != status)
        fail_msg("status %d, expected %d: %.*s", a.status, status,
                 SLICE_ARGS(slice_head(a.body, 1000)));
    return a;
}

UNUSED static void assert_at(struct world *w, const struct answer *a, const char *path,
                             const char *expected)
{
    const char *found = text_at(w, a, path);
    if (strcmp(found, expected) != 0)
        fail_msg("%s is '%s', expected '%s' in %.*s", path, found, expected,
                 SLICE_ARGS(slice_head(a->body, 1500)));
}

UNUSED static void assert_contains(const char *text, const char *needle)
{
    if (!text || !strstr(text, needle))
        fail_msg("'%s' does not contain '%s'", text ? text : "(none)", needle);
}

/* The link of that relation, from behind the base; NULL when there is none. */
UNUSED static const char *link_of(struct world *w, const struct answer *a, const char *relation)
{
    struct json links = answer_find(a, "link");
    for (struct json l = json_first(links); json_exists(l); l = json_next(links, l)) {
        if (!json_string_is(json_member(l, "relation"), slice_cstr(relation)))
            continue;
        struct slice url = json_string(json_member(l, "url"), &w->arena);
        assert_true(slice_starts_with(url, SLICE(BASE "/")));
        return arena_copy(&w->arena, slice_from(url, strlen(BASE "/")));
    }
    return NULL;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
#define HEALTHLAKE_TEST(name)                                                                      \
    cmocka_unit_test_setup_teardown(name, world_setup_healthlake, world_teardown)

#endif
