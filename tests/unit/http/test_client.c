#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_test.h"

struct fixture {
    struct site site;
    struct http_client *client;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct http_server_settings settings = site_settings(&f->site);
    settings.body_bytes = 32 << 20;
    settings.bodies_in_flight_bytes = 64 << 20;
    site_start(&f->site, &settings);
    assert_int_equal(http_client_open(&f->client), ERR_NONE);
    arena_init(&f->arena, 128 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_client_close(f->client);
    site_stop(&f->site);
    arena_release(&f->arena);
    free(f);
    return 0;
}

static struct slice url_of(struct fixture *f, const char *path)
{
    return arena_printf(&f->arena, "http://127.0.0.1:%u%s", f->site.port, path);
}

static struct http_exchange get(struct fixture *f, const char *path)
{
    return (struct http_exchange){ .method = SLICE("GET"), .url = url_of(f, path) };
}

static void an_answer_has_status_headers_and_body(void **state)
{
    struct fixture *f = *state;
    struct http_exchange x = get(f, "/");
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
    assert_int_equal(x.status, 200);
    assert_true(slice_is(x.answer, "hello"));
    assert_true(slice_is(*http_answer_header(&x, "content-TYPE"), "text/plain"));
    assert_int_equal(http_answer_header(&x, "x-amzn-requestid")->length, 36);
    assert_null(http_answer_header(&x, "absent"));
}

static void a_status_of_failure_is_no_error(void **state)
{
    struct fixture *f = *state;
    struct http_exchange x = get(f, "/early");
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
    assert_int_equal(x.status, 403);
    assert_true(slice_is(x.answer, "{\"early\":true}"));
}

static void what_is_sent_is_what_was_given_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct http_header headers[] = { { SLICE_INIT("X-A"), SLICE_INIT("a,  b;c=\"d\"") },
                                     { SLICE_INIT("x-empty"), SLICE_INIT("") },
                                     { SLICE_INIT("Host"), SLICE_INIT("example.org") } };
    struct http_exchange x = get(f, "/a/../describe?x=%24a&b=|");
    x.url = url_of(f, "/describe?x=%24a&b=|");
    x.headers = headers;
    x.header_count = ARRAY_COUNT(headers);
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
    assert_true(slice_find(x.answer, SLICE("target=/describe?x=%24a&b=| ")) > 0);
    assert_true(slice_find(x.answer, SLICE(" [Host=example.org] [X-A=a,  b;c=\"d\"] [x-empty=] "
                                           "[Accept-Encoding=identity]")) > 0);
    assert_true(slice_ends_with(x.answer, SLICE("[Accept-Encoding=identity]")));
}

static void a_header_with_a_line_break_is_not_sent(void **state)
{
    struct fixture *f = *state;
    struct http_header header = { SLICE_INIT("X-A"), SLICE_INIT("a\r\nX-B: b") };
    struct http_exchange x = get(f, "/");
    x.headers = &header;
    x.header_count = 1;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_INVALID);
    assert_true(x.error.length > 0);
}

static void methods_with_and_without_bodies_arrive(void **state)
{
    struct fixture *f = *state;
    static const char *methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++)
        for (size_t length = 0; length <= 7; length += 7) {
            struct http_exchange x = get(f, "/describe");
            x.method = slice_cstr(methods[i]);
            x.body = slice_of("a\0body!", length);
            assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
            struct slice wanted = arena_printf(&f->arena, "method=%s target=/describe", methods[i]);
            assert_true(slice_starts_with(x.answer, wanted));
            wanted = arena_printf(&f->arena, " body=%zu ", length);
            assert_true(slice_find(x.answer, wanted) > 0);
        }
    struct http_exchange x = get(f, "/");
    x.method = SLICE("HEAD");
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
    assert_int_equal(x.answer.length, 0);
    assert_true(slice_is(*http_answer_header(&x, "Content-Length"), "5"));
}

struct pattern {
    uint64_t at, most, checked;
    enum err fails;
};

static enum err pattern_source(void *state, char *out, size_t room, size_t *ret_length)
{
    struct pattern *p = state;
    size_t length = (size_t)MIN((uint64_t)room, p->most - p->at);
    if (p->fails && p->at > p->most / 2)
        return p->fails;
    for (size_t i = 0; i < length; i++)
        out[i] = (char)('a' + (p->at + i) % 26);
    p->at += length;
    *ret_length = length;
    return ERR_NONE;
}

static enum err pattern_sink(void *state, struct slice piece)
{
    struct pattern *p = state;
    for (size_t i = 0; i < piece.length; i++)
        if (piece.bytes[i] != (char)('a' + (p->checked + i) % 26))
            return ERR_CORRUPT;
    p->checked += piece.length;
    return p->fails && p->checked > p->most ? p->fails : ERR_NONE;
}

static void twenty_megabytes_are_uploaded_from_a_source_and_echoed(void **state)
{
    struct fixture *f = *state;
    struct pattern up = { .most = 20 << 20 }, down = { 0 };
    struct http_exchange x = get(f, "/echo");
    x.method = SLICE("PUT");
    x.source = pattern_source;
    x.source_state = &up;
    x.source_bytes = up.most;
    x.sink = pattern_sink;
    x.sink_state = &down;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
    assert_int_equal(x.status, 200);
    assert_int_equal(down.checked, up.most);
    assert_true(f->arena.total_bytes < 1 << 20);
}

static void fifty_megabytes_are_streamed_down(void **state)
{
    struct fixture *f = *state;
    struct pattern down = { 0 };
    struct http_exchange x = get(f, "/stream/52428800/200000");
    x.sink = pattern_sink;
    x.sink_state = &down;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
    assert_int_equal(down.checked, 52428800);
    wait_until(&f->site.ended, 1);
}

static void errors_of_source_and_sink_end_the_call(void **state)
{
    struct fixture *f = *state;
    struct pattern up = { .most = 20 << 20, .fails = ERR_CORRUPT };
    struct http_exchange x = get(f, "/echo");
    x.method = SLICE("PUT");
    x.source = pattern_source;
    x.source_state = &up;
    x.source_bytes = up.most;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_CORRUPT);

    struct pattern down = { .most = 1000, .fails = ERR_READ_ONLY };
    x = get(f, "/stream/52428800/200000");
    x.sink = pattern_sink;
    x.sink_state = &down;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_READ_ONLY);
    wait_until(&f->site.ended, 1);
}

static void a_gathered_answer_has_a_ceiling(void **state)
{
    struct fixture *f = *state;
    struct http_exchange x = get(f, "/stream/1000000/1000");
    x.answer_bytes = 999999;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_LIMIT);
    x = get(f, "/zeros/1000000");
    x.answer_bytes = 999999;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_LIMIT);
    x = get(f, "/stream/1000000/1000");
    x.answer_bytes = 1000000;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
    assert_int_equal(x.answer.length, 1000000);
}

static void a_broken_answer_is_an_error_never_a_short_whole(void **state)
{
    struct fixture *f = *state;
    struct http_exchange x = get(f, "/broken");
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NETWORK);
    assert_true(slice_find(x.error, SLICE("127.0.0.1")) > 0);
    x = get(f, "/broken-at-once");
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
    assert_int_equal(x.status, 500);
    wait_until(&f->site.ended, 2);
}

static void refusals_and_silence_of_the_peer_are_told_apart(void **state)
{
    struct fixture *f = *state;
    /* A port where nobody listens: one that was just free. */
    struct sockaddr_in at;
    int fd = raw_socket(0, &at);
    socklen_t length = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    struct http_exchange x = { .method = SLICE("GET") };
    x.url = arena_printf(&f->arena, "http://user:secret@127.0.0.1:%u/?q", ntohs(at.sin_port));
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NETWORK);
    assert_true(slice_find(x.error, SLICE("cannot connect to 127.0.0.1:")) >= 0);
    assert_true(slice_find(x.error, SLICE("secret")) < 0);
    /* One that takes the connection and says nothing. */
    assert_int_equal(listen(fd, 1), 0);
    x.stall_timeout_ms = 300;
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_TIMEOUT);
    close(fd);
    x.url = SLICE("ftp://127.0.0.1/");
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_INVALID);
    x.stall_timeout_ms = 0; /* reading the CA certificates may take that long */
    x.url = arena_printf(&f->arena, "https://127.0.0.1:%u/", f->site.port);
    assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NETWORK);
    assert_true(slice_find(x.error, SLICE("TLS")) >= 0);
}

static void a_refused_upload_is_answered_not_broken(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        struct pattern up = { .most = 40 << 20 };
        struct http_exchange x = get(f, "/echo");
        x.method = SLICE("POST");
        x.source = pattern_source;
        x.source_state = &up;
        x.source_bytes = up.most;
        assert_int_equal(http_client_perform(f->client, &x, &f->arena), ERR_NONE);
        assert_int_equal(x.status, 413);
        assert_true(slice_find(x.answer, SLICE("LIMIT")) > 0);
    }
}

enum { CALLERS = 8, CALLS = 200 };

struct caller {
    struct fixture *f;
    unsigned number, failures;
};

static void *call_often(void *context)
{
    struct caller *c = context;
    struct http_client *client;
    struct arena arena;
    if (http_client_open(&client))
        return NULL;
    arena_init(&arena, 8 << 20);
    for (unsigned i = 0; i < CALLS; i++) {
        struct http_exchange x = { .method = SLICE("POST") };
        const char *path = i % 5 == 4 ? "/stream/50000/7000" : "/echo";
        x.url = arena_printf(&arena, "http://127.0.0.1:%u%s", c->f->site.port, path);
        x.body = arena_printf(&arena, "caller %u call %u", c->number, i);
        bool is_good = !http_client_perform(client, &x, &arena) && x.status == 200;
        if (i % 5 == 4)
            is_good = is_good && x.answer.length == 50000;
        else
            is_good = is_good && slice_equal(x.answer, x.body);
        c->failures += !is_good;
        arena_release(&arena);
    }
    http_client_close(client);
    return NULL;
}

static void eight_threads_with_two_hundred_calls_each_are_served(void **state)
{
    struct fixture *f = *state;
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){ f, i, 0 };
        assert_int_equal(thread_start(&threads[i], call_often, &callers[i]), ERR_NONE);
    }
    for (unsigned i = 0; i < CALLERS; i++) {
        thread_join(threads[i]);
        assert_int_equal(callers[i].failures, 0);
    }
    assert_int_equal(atomic_load(&f->site.handled), CALLERS * CALLS);
    /* A client has its answer before the server has put it away. */
    for (int i = 0; i < 500 && atomic_load(&f->site.ended) < CALLERS * CALLS / 5; i++)
        nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
    assert_int_equal(atomic_load(&f->site.ended), CALLERS * CALLS / 5);
}

int main(void)
{
#define WITH_A_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_A_SERVER(an_answer_has_status_headers_and_body),
        WITH_A_SERVER(a_status_of_failure_is_no_error),
        WITH_A_SERVER(what_is_sent_is_what_was_given_and_no_more),
        WITH_A_SERVER(a_header_with_a_line_break_is_not_sent),
        WITH_A_SERVER(methods_with_and_without_bodies_arrive),
        WITH_A_SERVER(twenty_megabytes_are_uploaded_from_a_source_and_echoed),
        WITH_A_SERVER(fifty_megabytes_are_streamed_down),
        WITH_A_SERVER(errors_of_source_and_sink_end_the_call),
        WITH_A_SERVER(a_gathered_answer_has_a_ceiling),
        WITH_A_SERVER(a_broken_answer_is_an_error_never_a_short_whole),
        WITH_A_SERVER(refusals_and_silence_of_the_peer_are_told_apart),
        WITH_A_SERVER(a_refused_upload_is_answered_not_broken),
        WITH_A_SERVER(eight_threads_with_two_hundred_calls_each_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
