#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_test.h"

#define CLOSE "Connection: close\r\n\r\n"

struct fixture {
    struct site site;
    struct buf out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct http_server_settings settings = site_settings(&f->site);
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

static void a_request_reaches_the_handler_as_it_was_on_the_wire(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site,
            "GET /describe?a=%20b|c&d=$x HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two:  2 \r\n" CLOSE,
            &f->out);
    assert_true(has(&f->out, "HTTP/1.1 200 OK\r\n"));
    assert_true(has(&f->out, "target=/describe?a=%20b|c&d=$x path=/describe query=a=%20b|c&d=$x"));
    assert_true(has(&f->out, "[Host=h] [X-Two=1] [x-two=2]"));
    assert_true(has(&f->out, "length=-1 body=0 sha=e3b0c44298fc1c149afbf4c8996fb924"));
    assert_true(has(&f->out, "loopback=1"));
    assert_true(has(&f->out, "\r\nx-amzn-RequestId: "));
    assert_true(has(&f->out, "\r\nDate: "));
}

static void an_encoded_dollar_stays_encoded(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site, "GET /describe?%24everything HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "target=/describe?%24everything "));
}

static void a_head_in_single_bytes_is_understood(void **state)
{
    struct fixture *f = *state;
    const char *text = "\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n" CLOSE "abcde";
    int fd = raw_connect(&f->site);
    for (const char *at = text; *at; at++) {
        assert_true(raw_send(fd, at, 1));
        if ((at - text) % 8 == 0)
            os_sleep_us(500);
    }
    assert_true(raw_read_all(fd, &f->out));
    assert_true(has(&f->out, "\r\n\r\nabcde"));
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 50; i++)
        buf_printf(&text,
                   "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n<body%02d>"
                   "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\n<ch\r\n5\r\nunk%02d\r\n1\r\n>\r\n0\r\n\r\n",
                   i, i);
    buf_append_cstr(&text, "GET /quick HTTP/1.1\r\nHost: h\r\n" CLOSE);
    int fd = raw_connect(&f->site);
    assert_true(raw_send(fd, text.bytes, text.length));
    assert_true(raw_read_all(fd, &f->out));
    close(fd);
    buf_release(&text);
    assert_int_equal(count_of(&f->out, "HTTP/1.1 200 OK"), 101);
    ptrdiff_t last = -1;
    for (int i = 0; i < 50; i++) {
        char body[16];
        snprintf(body, sizeof body, "<body%02d>", i);
        ptrdiff_t at = slice_find(buf_slice(&f->out), slice_cstr(body));
        assert_true(at > last);
        snprintf(body, sizeof body, "<chunk%02d>", i);
        last = slice_find(buf_slice(&f->out), slice_cstr(body));
        assert_true(last > at);
    }
}

static void head_has_the_length_but_not_the_body(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site, "HEAD / HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "\r\nContent-Length: 5\r\n"));
    assert_false(has(&f->out, "hello"));
    raw_ask(&f->site, "HEAD /stream/100/10 HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "HTTP/1.1 200 OK"));
    assert_true(slice_ends_with(buf_slice(&f->out), SLICE("\r\n\r\n")));
    wait_until(&f->site.ended, 1);
    assert_int_equal(atomic_load(&f->site.produced_bytes), 0);
}

static void no_content_has_neither_length_nor_body(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site, "GET /nothing HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "204 No Content"));
    assert_false(has(&f->out, "Content-Length"));
    assert_false(has(&f->out, "must not"));
}

static void a_header_value_cannot_end_its_line(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site, "GET /split HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "Location: /x  Set-Cookie: stolen\r\n"));
}

static void http_1_0_closes_unless_asked_to_stay(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site, "GET / HTTP/1.0\r\n\r\n", &f->out);
    assert_true(has(&f->out, "Connection: close"));
    raw_ask(&f->site,
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", &f->out);
    assert_int_equal(count_of(&f->out, "hello"), 2);
    assert_true(has(&f->out, "Connection: keep-alive"));
    raw_ask(&f->site, "GET /stream/100000/999 HTTP/1.0\r\n\r\n", &f->out);
    assert_false(has(&f->out, "chunked"));
    ptrdiff_t at = slice_find(buf_slice(&f->out), SLICE("\r\n\r\n"));
    assert_int_equal(f->out.length - (size_t)at - 4, 100000);
}

/* Each must be refused, closed, never handled, and answered in JSON with an id. */
static void ambiguous_or_broken_requests_are_refused_in_json(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        { "\x16\x03\x01\x02", "400" },
        { "GET / HTTP/1.1\nHost: h\n\n", "400" },
        { "GET / HTTP/1.1\r\nHost: h\n\r\n", "400" },
        { "GET /\r\n\r\n", "400" },
        { "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
        { "GET / x HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
        { "G@T / HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
        { "GET x HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
        { "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
        { "GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
        { "GET /#x HTTP/1.1\r\nHost: h\r\n\r\n", "400" },
        { "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505" },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505" },
        { "GET / HTTP/1.1\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400" },
        { "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", "400" },
        { "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "501" },
        { "GET / HTTP/1.1\r\nHost : h\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: h\r\nX: a\x7f\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1 1\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", "413" },
        { "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
          "0\r\n\r\n",
          "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
          "0\r\n\r\n",
          "400" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", "501" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0b" "chunked\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked"
          "\r\n\r\n0\r\n\r\n",
          "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
          "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
          "ffffffffffffffff\r\n",
          "400" },
        { "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n", "413" },
        { "POST / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n", "417" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int handled = atomic_load(&f->site.handled);
        struct buf text;
        buf_init(&text, 4 << 20);
        buf_append_cstr(&text, cases[i].request);
        if (strcmp(cases[i].status, "413") == 0)
            for (int k = 0; k < 40000; k++) /* or the chunk's size alone is no offence yet */
                buf_append_cstr(&text, "0123456789abcdef0123456789abcdef");
        int fd = raw_connect(&f->site);
        (void)raw_send(fd, text.bytes, text.length);
        buf_clear(&f->out);
        bool is_clean = raw_read_all(fd, &f->out);
        close(fd);
        buf_release(&text);
        char status[32];
        snprintf(status, sizeof status, "HTTP/1.1 %s ", cases[i].status);
        if (!is_clean || !slice_starts_with(buf_slice(&f->out), slice_cstr(status)))
            fail_msg("case %zu (%s): wanted %s, got %.*s", i, cases[i].request, cases[i].status,
                     SLICE_ARGS(buf_slice(&f->out)));
        assert_true(has(&f->out, "Content-Type: application/json\r\n"));
        assert_true(has(&f->out, "x-amzn-RequestId: "));
        assert_true(has(&f->out, "{\"refused\":\""));
        assert_true(has(&f->out, "Connection: close"));
        assert_int_equal(count_of(&f->out, "\r\nDate: "), 1);
        assert_int_equal(atomic_load(&f->site.handled), handled);
    }
}

static void a_smuggled_request_is_not_seen(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site,
            "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked"
            "\r\n\r\n0\r\n\r\nGET /secret HTTP/1.1\r\nHost: h\r\n\r\n",
            &f->out);
    assert_int_equal(count_of(&f->out, "HTTP/1.1"), 1);
    assert_int_equal(atomic_load(&f->site.handled), 0);
}

static void large_heads_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "GET /");
    for (int i = 0; i < 20000; i++)
        buf_append_byte(&text, 'a');
    buf_append_byte(&text, '\0');
    raw_ask(&f->site, text.bytes, &f->out);
    assert_true(has(&f->out, "HTTP/1.1 414 "));
    buf_clear(&text);
    buf_append_cstr(&text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 199; i++)
        buf_printf(&text, "X-%d: y\r\n", i);
    struct slice good = buf_slice(&text);
    int fd = raw_connect(&f->site);
    assert_true(raw_send(fd, good.bytes, good.length) && raw_say(fd, "\r\n"));
    buf_clear(&f->out);
    assert_true(raw_read_until(fd, &f->out, "hello"));
    close(fd);
    for (int i = 0; i < 10; i++)
        buf_printf(&text, "Y-%d: y\r\n", i);
    buf_append_byte(&text, '\0');
    raw_ask(&f->site, text.bytes, &f->out);
    assert_true(has(&f->out, "HTTP/1.1 431 "));
    assert_true(has(&f->out, "HEADERS_TOO_LARGE"));
    buf_release(&text);
}

static void a_body_at_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
    struct fixture *f = *state;
    size_t most = 1 << 20;
    char *body = malloc(most + 1);
    memset(body, 'x', most + 1);
    for (int extra = 0; extra < 2; extra++) {
        char head[128];
        snprintf(head, sizeof head,
                 "POST /describe HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n" CLOSE,
                 most + (size_t)extra);
        int fd = raw_connect(&f->site);
        buf_clear(&f->out);
        assert_true(raw_say(fd, head));
        (void)raw_send(fd, body, most + (size_t)extra);
        assert_true(raw_read_all(fd, &f->out));
        assert_true(has(&f->out, extra ? "HTTP/1.1 413 " : "body=1048576"));
        close(fd);
    }
    free(body);
}

/* The client writes everything before it reads: it must not meet a reset. */
static void a_refused_upload_is_drained_so_that_the_answer_is_read(void **state)
{
    struct fixture *f = *state;
    char *piece = calloc(1, 1 << 20);
    int fd = raw_connect(&f->site);
    assert_true(
        raw_say(fd, "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 20971520\r\n\r\n"));
    for (int i = 0; i < 20; i++)
        assert_true(raw_send(fd, piece, 1 << 20));
    assert_true(raw_read_all(fd, &f->out));
    assert_true(has(&f->out, "HTTP/1.1 413 "));
    close(fd);
    buf_clear(&f->out);
    fd = raw_connect(&f->site);
    assert_true(
        raw_say(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 20; i++)
        assert_true(raw_say(fd, "100000\r\n") && raw_send(fd, piece, 1 << 20) &&
                    raw_say(fd, "\r\n"));
    assert_true(raw_read_all(fd, &f->out));
    assert_true(has(&f->out, "HTTP/1.1 413 "));
    close(fd);
    free(piece);
}

static void an_early_answer_to_a_small_upload_keeps_the_connection(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site,
            "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789"
            "GET / HTTP/1.1\r\nHost: h\r\n" CLOSE,
            &f->out);
    assert_true(has(&f->out, "HTTP/1.1 403 "));
    assert_true(has(&f->out, "hello"));
    /* The rest comes later. */
    buf_clear(&f->out);
    int fd = raw_connect(&f->site);
    assert_true(
        raw_say(fd, "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123"));
    assert_true(raw_read_until(fd, &f->out, "early"));
    assert_true(raw_say(fd, "456789GET / HTTP/1.1\r\nHost: h\r\n" CLOSE));
    assert_true(raw_read_all(fd, &f->out));
    assert_true(has(&f->out, "hello"));
    close(fd);
}

static void expect_100_is_met_or_refused_before_the_body(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(&f->site);
    assert_true(raw_say(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                            "Content-Length: 5\r\n" CLOSE));
    assert_true(raw_read_until(fd, &f->out, "100 Continue\r\n\r\n"));
    assert_true(raw_say(fd, "later"));
    assert_true(raw_read_all(fd, &f->out));
    assert_true(has(&f->out, "\r\n\r\nlater"));
    close(fd);
    raw_ask(&f->site,
            "POST /early HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
            "Content-Length: 5\r\n\r\n",
            &f->out);
    assert_true(slice_starts_with(buf_slice(&f->out), SLICE("HTTP/1.1 403 ")));
    raw_ask(&f->site,
            "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
            "Content-Length: 5000000\r\n\r\n",
            &f->out);
    assert_true(slice_starts_with(buf_slice(&f->out), SLICE("HTTP/1.1 413 ")));
}

static void a_client_that_closes_its_writing_side_gets_its_answer(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(&f->site);
    assert_true(raw_say(fd, "GET /zeros/3000000 HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_true(raw_read_all(fd, &f->out));
    assert_true(f->out.length > 3000000);
    close(fd);
}

static void an_absolute_target_is_split(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site, "GET http://h/describe?x HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "target=http://h/describe?x path=/describe query=x"));
}

static void a_handler_without_an_answer_is_an_internal_error(void **state)
{
    struct fixture *f = *state;
    raw_ask(&f->site, "GET /unanswered HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "HTTP/1.1 500 "));
    assert_true(has(&f->out, "{\"refused\":\"INTERNAL\""));
}

/* By which thread says the answer; one connection belongs to one loop. */
static void short_requests_run_on_the_loop_until_one_proves_long(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(&f->site);
    char loop[64] = "", text[64];
    unsigned elsewhere = 0;
    for (int i = 0; i < 200; i++) {
        bool is_long = i == 100;
        buf_clear(&f->out);
        assert_true(raw_say(fd, is_long ? "GET /short-not HTTP/1.1\r\nHost: h\r\n\r\n"
                                        : "GET /short HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_true(raw_read_until(fd, &f->out, "thread="));
        buf_append_byte(&f->out, '\0');
        snprintf(text, sizeof text, "%s", strstr(f->out.bytes, "thread="));
        if (i == 0)
            memcpy(loop, text, sizeof loop);
        elsewhere += strcmp(loop, text) != 0;
    }
    /* 32 after the long one; more only if this machine stumbles by itself. */
    assert_in_range(elsewhere, 32, 198);
    close(fd);
}

static void a_short_request_may_ask_for_another_thread(void **state)
{
    struct fixture *f = *state;
    int fd = raw_connect(&f->site);
    for (int i = 0; i < 3; i++) {
        buf_clear(&f->out);
        assert_true(raw_say(fd, "GET /short-away HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_true(raw_read_until(fd, &f->out, "thread="));
        assert_true(has(&f->out, "HTTP/1.1 200 "));
        assert_true(has(&f->out, "loop=0 again=1"));
        buf_append_byte(&f->out, '\0');
        const char *type = strstr(f->out.bytes, "Content-Type");
        assert_non_null(type);
        assert_null(strstr(type + 1, "Content-Type")); /* nothing of the first answer is left */
    }
    close(fd);
}

static void ipv6_is_served_and_its_loopback_known(void **state)
{
    (void)state;
    struct site *site = calloc(1, sizeof *site);
    struct http_server_settings settings = site_settings(site);
    struct http_client *client;
    struct slice error;
    settings.address = "::1";
    arena_init(&site->arena, 1 << 20);
    enum err err = http_server_start(&settings, &site->arena, &site->server, &error);
    if (!err) {
        struct http_exchange x = { .method = SLICE("GET") };
        x.url = arena_printf(&site->arena, "http://[::1]:%u/describe",
                             http_server_port(site->server));
        assert_int_equal(http_client_open(&client), ERR_NONE);
        assert_int_equal(http_client_perform(client, &x, &site->arena), ERR_NONE);
        assert_true(slice_find(x.answer, SLICE("loopback=1")) > 0);
        http_client_close(client);
        http_server_stop(site->server, 1);
    }
    arena_release(&site->arena);
    free(site);
    if (err)
        skip(); /* a machine without IPv6 */
}

/* The same bytes in a hundred different cuts. */
static void how_the_bytes_are_cut_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 3; i++)
        buf_append_cstr(&text,
                        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                        "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\ndrop"
                        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "a;x=y\r\n0123456789\r\n00\r\nTrailer: t\r\n\r\n"
                        "GET /stream/1000/300 HTTP/1.1\r\nHost: h\r\n\r\n");
    buf_append_cstr(&text, "GET /quick HTTP/1.1\r\nHost: h\r\n" CLOSE);
    uint32_t random = 12345;
    size_t length = 0;
    for (int round = 0; round < 100; round++) {
        int fd = raw_connect(&f->site);
        for (size_t at = 0; at < text.length;) {
            random = random * 1664525 + 1013904223;
            size_t piece = 1 + (random >> 16) % (round < 50 ? 40 : 400);
            piece = MIN(piece, text.length - at);
            assert_true(raw_send(fd, text.bytes + at, piece));
            at += piece;
        }
        buf_clear(&f->out);
        assert_true(raw_read_all(fd, &f->out));
        close(fd);
        assert_int_equal(count_of(&f->out, "HTTP/1.1 200 OK"), 10);
        assert_int_equal(count_of(&f->out, "HTTP/1.1 403 "), 3);
        assert_int_equal(count_of(&f->out, "0123456789"), 3);
        if (round)
            assert_int_equal(f->out.length, length);
        length = f->out.length;
    }
    buf_release(&text);
}

/* Requests with a few bytes changed, cut or doubled: whatever is answered is of
 * ours, and the next request finds the server well. */
static void noise_never_harms_the_server(void **state)
{
    struct fixture *f = *state;
    static const char *seeds[] = {
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789",
        ("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5;a=b\r\nhello\r\n5\r\nworld\r\n0\r\nT: t\r\n\r\n"),
        "GET /stream/1000/10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "POST /early HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    };
    static const char changes[] = "\r\n\0 :;,/0159af\x7f\xff\t";
    uint32_t random = 99;
    for (int round = 0; round < 2000; round++) {
        const char *seed = seeds[round % 4];
        char text[600];
        size_t length = 2 * strlen(seed);
        memcpy(text, seed, length / 2);
        memcpy(text + length / 2, seed, length / 2); /* twice, pipelined */
        for (int i = 0; i < 1 + round % 4; i++) {
            random = random * 1664525 + 1013904223;
            text[(random >> 8) % length] = changes[(random >> 24) % (sizeof changes - 1)];
        }
        int fd = raw_connect(&f->site);
        (void)raw_send(fd, text, length - (round % 5 == 0 ? random % 40 : 0));
        (void)shutdown(fd, SHUT_WR);
        buf_clear(&f->out);
        (void)raw_read_all(fd, &f->out);
        close(fd);
        if (f->out.length && !slice_starts_with(buf_slice(&f->out), SLICE("HTTP/1.1 ")))
            fail_msg("round %d: %.*s", round, SLICE_ARGS(buf_slice(&f->out)));
        assert_false(has(&f->out, "<html"));
    }
    raw_ask(&f->site, "GET / HTTP/1.1\r\nHost: h\r\n" CLOSE, &f->out);
    assert_true(has(&f->out, "hello"));
}

static void answers_over_the_socket_s_buffers_arrive_whole(void **state)
{
    struct fixture *f = *state;
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = raw_connect(&f->site);
        assert_true(raw_say(fds[i], i % 2 ? "GET /zeros/20000000 HTTP/1.1\r\nHost: h\r\n" CLOSE
                                          : "GET /stream/20000000/65536 HTTP/1.0\r\n\r\n"));
    }
    for (int i = 0; i < 8; i++) {
        buf_clear(&f->out);
        assert_true(raw_read_all(fds[i], &f->out));
        ptrdiff_t at = slice_find(buf_slice(&f->out), SLICE("\r\n\r\n"));
        assert_int_equal(f->out.length - (size_t)at - 4, 20000000);
        close(fds[i]);
    }
}

int main(void)
{
#define ON_A_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        ON_A_SERVER(a_request_reaches_the_handler_as_it_was_on_the_wire),
        ON_A_SERVER(an_encoded_dollar_stays_encoded),
        ON_A_SERVER(a_head_in_single_bytes_is_understood),
        ON_A_SERVER(pipelined_requests_are_answered_in_order),
        ON_A_SERVER(head_has_the_length_but_not_the_body),
        ON_A_SERVER(no_content_has_neither_length_nor_body),
        ON_A_SERVER(a_header_value_cannot_end_its_line),
        ON_A_SERVER(http_1_0_closes_unless_asked_to_stay),
        ON_A_SERVER(ambiguous_or_broken_requests_are_refused_in_json),
        ON_A_SERVER(a_smuggled_request_is_not_seen),
        ON_A_SERVER(large_heads_are_refused),
        ON_A_SERVER(a_body_at_the_limit_is_taken_and_one_byte_more_is_not),
        ON_A_SERVER(a_refused_upload_is_drained_so_that_the_answer_is_read),
        ON_A_SERVER(an_early_answer_to_a_small_upload_keeps_the_connection),
        ON_A_SERVER(expect_100_is_met_or_refused_before_the_body),
        ON_A_SERVER(a_client_that_closes_its_writing_side_gets_its_answer),
        ON_A_SERVER(an_absolute_target_is_split),
        ON_A_SERVER(a_handler_without_an_answer_is_an_internal_error),
        ON_A_SERVER(short_requests_run_on_the_loop_until_one_proves_long),
        ON_A_SERVER(a_short_request_may_ask_for_another_thread),
        cmocka_unit_test(ipv6_is_served_and_its_loopback_known),
        ON_A_SERVER(how_the_bytes_are_cut_changes_nothing),
        ON_A_SERVER(noise_never_harms_the_server),
        ON_A_SERVER(answers_over_the_socket_s_buffers_arrive_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
