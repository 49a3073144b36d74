#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_test.h"

#define CLOSE "Connection: close\r\n\r\n"

/* Greedy and vanishing clients; stopping. */
struct fixture {
    struct site site;
    struct buf out;
    bool is_stopped;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct http_server_settings settings = site_settings(&f->site);
    settings.idle_seconds = 1;
    settings.connections = 4;
    settings.pool_threads = 2;
    settings.bodies_in_flight_bytes = 1 << 20;
    site_start(&f->site, &settings);
    buf_init(&f->out, 200 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (!f->is_stopped)
        site_stop(&f->site);
    buf_release(&f->out);
    free(f);
    return 0;
}

static void a_client_that_goes_away_amid_a_stream_ends_the_producer_once(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 20; i++) {
        int fd = raw_connect(&f->site);
        assert_true(raw_say(fd, "GET /stream/1000000000/100000 HTTP/1.1\r\nHost: h\r\n\r\n"));
        buf_clear(&f->out);
        assert_true(raw_read_until(fd, &f->out, "\r\n\r\n"));
        if (i % 2)
            os_sleep_us(1000 * i);
        close(fd);
        wait_until(&f->site.ended, i);
    }
    os_sleep_us(20000);
    assert_int_equal(atomic_load(&f->site.ended), 20);
}

static void a_failing_producer_breaks_the_transfer(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(&f->site);
    assert_true(raw_say(fd, "GET /broken HTTP/1.1\r\nHost: h\r\n\r\n"));
    (void)raw_read_all(fd, &f->out);
    assert_false(has(&f->out, "\r\n0\r\n\r\n"));
    close(fd);
    fd = raw_connect(&f->site);
    assert_true(raw_say(fd, "GET /broken HTTP/1.0\r\n\r\n"));
    assert_false(raw_read_all(fd, &f->out));
    close(fd);
    raw_ask(&f->site, "GET /broken-at-once HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "HTTP/1.1 500 "));
    assert_true(has(&f->out, "{\"refused\":\"IO\""));
    wait_until(&f->site.ended, 3);
}

static void bodies_beyond_the_budget_of_all_clients_get_503(void **state)
{
    struct fixture *f = *state;
    int greedy = raw_connect(&f->site);
    assert_true(
        raw_say(greedy, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nx"));
    os_sleep_us(100000);
    raw_ask(&f->site,
            "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
            "Content-Length: 500000\r\n" CLOSE,
            &f->out);
    assert_true(slice_starts_with(buf_slice(&f->out), SLICE("HTTP/1.1 503 ")));
    assert_true(has(&f->out, "Retry-After: 1\r\n"));
    assert_int_equal(atomic_load(&f->site.last_refusal), ERR_BUSY);
    /* A small one that came with its head needs no budget. */
    raw_ask(&f->site, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n" CLOSE "small",
            &f->out);
    assert_true(has(&f->out, "small"));
    /* What the greedy one held comes back when it goes. */
    close(greedy);
    os_sleep_us(50000);
    int fd = raw_connect(&f->site);
    buf_clear(&f->out);
    assert_true(raw_say(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                            "Content-Length: 500000\r\n" CLOSE));
    assert_true(raw_read_until(fd, &f->out, "100 Continue"));
    close(fd);
}

static void connections_beyond_the_limit_are_told_503(void **state)
{
    struct fixture *f = *state;
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = raw_connect(&f->site);
        buf_clear(&f->out);
        assert_true(raw_say(fds[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_true(raw_read_until(fds[i], &f->out, "hello"));
    }
    raw_ask(&f->site, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", &f->out);
    assert_true(has(&f->out, "HTTP/1.1 503 "));
    assert_true(has(&f->out, "Retry-After"));
    assert_true(has(&f->out, "as many connections"));
    /* The floods beyond that are closed at once, and nothing suffers. */
    int flood[100];
    for (int i = 0; i < 100; i++)
        flood[i] = raw_connect(&f->site);
    buf_clear(&f->out);
    assert_true(raw_say(fds[0], "GET / HTTP/1.1\r\nHost: h\r\n" CLOSE));
    assert_true(raw_read_all(fds[0], &f->out));
    assert_true(has(&f->out, "hello"));
    for (int i = 0; i < 100; i++)
        close(flood[i]);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    os_sleep_us(100000);
    raw_ask(&f->site, "GET / HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "hello"));
}

static void *stop_site(void *context)
{
    struct fixture *f = context;
    http_server_stop(f->site.server, 5);
    arena_release(&f->site.arena);
    f->is_stopped = true;
    return NULL;
}

static void stopping_finishes_what_is_in_flight(void **state)
{
    struct fixture *f = *state;
    int idle = raw_connect(&f->site), busy = raw_connect(&f->site), slow = raw_connect(&f->site);
    assert_true(raw_say(idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_true(raw_read_until(idle, &f->out, "hello"));
    assert_true(raw_say(busy, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_true(raw_say(slow, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc"));
    while (!atomic_load(&f->site.is_waiting))
        os_sleep_us(1000);
    pthread_t stopper;
    assert_int_equal(thread_start(&stopper, stop_site, f), ERR_NONE);
    buf_clear(&f->out);
    assert_true(raw_read_all(idle, &f->out)); /* closed at once */
    assert_int_equal(f->out.length, 0);
    struct sockaddr_in at;
    int refused = raw_socket(f->site.port, &at);
    assert_int_not_equal(connect(refused, (struct sockaddr *)&at, sizeof at), 0);
    assert_true(raw_say(slow, "def"));
    assert_true(raw_read_all(slow, &f->out));
    assert_true(has(&f->out, "abcdef") && has(&f->out, "Connection: close"));
    atomic_store(&f->site.is_released, true);
    buf_clear(&f->out);
    assert_true(raw_read_all(busy, &f->out));
    assert_true(has(&f->out, "waited"));
    thread_join(stopper);
    close(idle);
    close(busy);
    close(slow);
    close(refused);
}

static void stopping_cuts_what_does_not_end_in_time(void **state)
{
    struct fixture *f = *state;
    int streaming = raw_connect(&f->site), half = raw_connect(&f->site);
    assert_true(raw_say(streaming, "GET /stream/100000000000/100000 HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_true(raw_say(half, "GET / HT"));
    assert_true(raw_read_until(streaming, &f->out, "\r\n\r\n"));
    int64_t start = os_monotonic_us();
    http_server_stop(f->site.server, 0);
    assert_true(os_monotonic_us() - start < 2000000);
    assert_int_equal(atomic_load(&f->site.ended), 1);
    arena_release(&f->site.arena);
    f->is_stopped = true;
    close(streaming);
    close(half);
}

static void without_memory_a_refusal_is_still_json(void **state)
{
    (void)state;
    struct site *site = calloc(1, sizeof *site);
    struct http_server_settings settings = site_settings(site);
    settings.arena_bytes = 8;
    site_start(site, &settings);
    struct buf text, out;
    buf_init(&text, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_append_cstr(&text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 100; i++)
        buf_append_cstr(&text, "X: y\r\n");
    buf_append(&text, SLICE(CLOSE "\0"));
    raw_ask(site, text.bytes, &out);
    assert_true(has(&out, "HTTP/1.1 503 "));
    assert_true(has(&out, "Content-Type: application/json\r\nRetry-After: 1\r\n"));
    assert_true(has(&out, "\r\n\r\n{\"message\":\"out of memory\"}"));
    buf_release(&text);
    buf_release(&out);
    site_stop(site);
    free(site);
}

static void an_address_in_use_is_said(void **state)
{
    struct fixture *f = *state;
    struct http_server_settings settings = site_settings(&f->site);
    settings.port = f->site.port;
    struct arena arena;
    struct http_server *server;
    struct slice error;
    arena_init(&arena, 1 << 16);
    assert_int_equal(http_server_start(&settings, &arena, &server, &error), ERR_IO);
    assert_true(slice_find(error, SLICE("address in use")) > 0);
    settings.address = "999.1.1.1";
    assert_int_equal(http_server_start(&settings, &arena, &server, &error), ERR_IO);
    assert_true(slice_find(error, SLICE("not an address")) > 0);
    arena_release(&arena);
}

static void large_bodies_on_every_thread_they_have_keep_no_short_request_waiting(void **state)
{
    enum { LARGE = 100000, MANY = 3 }; /* one more than there are threads */
    struct fixture *f = *state;
    static char body[LARGE];
    int fds[MANY];
    memset(body, 'x', sizeof body);
    for (int i = 0; i < MANY; i++) {
        fds[i] = raw_connect(&f->site);
        assert_true(raw_say(fds[i], "POST /wait HTTP/1.1\r\nHost: h\r\n"
                                    "Content-Length: 100000\r\n" CLOSE));
        assert_true(raw_send(fds[i], body, sizeof body));
    }
    wait_until(&f->site.handled, 2);
    raw_ask(&f->site, "GET /hello HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "hello"));
    assert_int_equal(atomic_load(&f->site.handled), 3);
    atomic_store(&f->site.is_released, true);
    for (int i = 0; i < MANY; i++) {
        buf_clear(&f->out);
        (void)raw_read_all(fds[i], &f->out);
        assert_true(has(&f->out, "waited"));
        close(fds[i]);
    }
}

int main(void)
{
#define ON_A_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ON_A_SERVER(a_client_that_goes_away_amid_a_stream_ends_the_producer_once),
        ON_A_SERVER(a_failing_producer_breaks_the_transfer),
        ON_A_SERVER(bodies_beyond_the_budget_of_all_clients_get_503),
        ON_A_SERVER(connections_beyond_the_limit_are_told_503),
        ON_A_SERVER(stopping_finishes_what_is_in_flight),
        ON_A_SERVER(stopping_cuts_what_does_not_end_in_time),
        cmocka_unit_test(without_memory_a_refusal_is_still_json),
        ON_A_SERVER(an_address_in_use_is_said),
        ON_A_SERVER(large_bodies_on_every_thread_they_have_keep_no_short_request_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
