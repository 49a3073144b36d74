#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_test.h"

/* Slow and silent clients. */
struct fixture {
    struct site site;
    struct buf out;
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
    site_stop(&f->site);
    buf_release(&f->out);
    free(f);
    return 0;
}

static void silence_is_closed_without_a_word_and_a_stalled_body_with_one(void **state)
{
    struct fixture *f = *state;
    int silent = raw_connect(&f->site), stalled = raw_connect(&f->site);
    int64_t start = os_monotonic_us();
    assert_true(
        raw_say(stalled, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"));
    assert_true(raw_read_all(silent, &f->out));
    assert_int_equal(f->out.length, 0);
    assert_in_range(os_monotonic_us() - start, 900000, 4000000);
    assert_true(raw_read_all(stalled, &f->out));
    assert_true(has(&f->out, "HTTP/1.1 408 "));
    assert_true(has(&f->out, "application/json"));
    assert_int_equal(atomic_load(&f->site.handled), 0);
    close(silent);
    close(stalled);
}

static void heads_and_bodies_that_drip_are_refused_in_the_end(void **state)
{
    struct fixture *f = *state;
    int head = raw_connect(&f->site), body = raw_connect(&f->site);
    assert_true(raw_say(head, "GET / HTTP/1.1\r\nHost: h\r\nX: "));
    assert_true(raw_say(body, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n"));
    int64_t start = os_monotonic_us();
    struct pollfd p[2] = { { .fd = head, .events = POLLIN }, { .fd = body, .events = POLLIN } };
    for (int answered = 0; answered < 2 && os_monotonic_us() - start < 10000000;) {
        answered = 0;
        os_sleep_us(50000);
        (void)poll(p, 2, 0);
        for (int i = 0; i < 2; i++) {
            if (p[i].revents)
                answered++;
            else
                (void)raw_say(p[i].fd, "x");
        }
    }
    (void)raw_read_until(head, &f->out, "TIMEOUT");
    assert_true(has(&f->out, "HTTP/1.1 408 "));
    buf_clear(&f->out);
    (void)raw_read_until(body, &f->out, "TIMEOUT");
    assert_true(has(&f->out, "HTTP/1.1 408 "));
    assert_true(os_monotonic_us() - start < 6000000);
    close(head);
    close(body);
}

static void clients_that_do_not_read_or_only_in_drops_are_cut(void **state)
{
    struct fixture *f = *state;
    int silent = raw_connect(&f->site), dripping = raw_connect(&f->site);
    int small = 4096;
    (void)setsockopt(dripping, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    const char *request = "GET /stream/1000000000/100000 HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_true(raw_say(silent, request) && raw_say(dripping, request));
    int64_t start = os_monotonic_us();
    char drop[100];
    while (atomic_load(&f->site.ended) < 2 && os_monotonic_us() - start < 8000000) {
        (void)recv(dripping, drop, sizeof drop, MSG_DONTWAIT);
        os_sleep_us(100000);
    }
    assert_int_equal(atomic_load(&f->site.ended), 2);
    /* Backpressure held: the sockets' buffers and a piece each, no more. */
    assert_true(atomic_load(&f->site.produced_bytes) < 30 << 20);
    assert_false(raw_read_all(silent, &f->out)); /* a reset, not an end */
    close(silent);
    close(dripping);
}

int main(void)
{
#define ON_A_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ON_A_SERVER(silence_is_closed_without_a_word_and_a_stalled_body_with_one),
        ON_A_SERVER(heads_and_bodies_that_drip_are_refused_in_the_end),
        ON_A_SERVER(clients_that_do_not_read_or_only_in_drops_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
