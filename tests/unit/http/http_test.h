/* What the tests of http/ share: a server with a handler that does what the path
 * says, and raw sockets to it. Include cmocka's headers before. */
#ifndef HTTP_TEST_H
#define HTTP_TEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/codec.h"
#include "http/http.h"
#include "os/clock.h"
#include "os/thread.h"

struct site {
    struct http_server *server;
    struct arena arena;
    uint16_t port;
    atomic_int begun, handled, refused, ended;
    atomic_int last_refusal; /* enum err */
    atomic_size_t produced_bytes;
    atomic_bool is_released; /* lets /wait go on */
    atomic_bool is_waiting;
};

/* /stream/N/PIECE: N bytes in pieces; /broken: fails after three pieces. */
struct stream {
    struct site *site;
    uint64_t left, at;
    size_t piece;
    int pieces_until_error; /* -1: never */
};

static inline enum err stream_produce(void *state, struct buf *out)
{
    struct stream *s = state;
    if (s->pieces_until_error == 0)
        return ERR_IO;
    if (s->pieces_until_error > 0)
        s->pieces_until_error--;
    size_t length = (size_t)(s->left < s->piece ? s->left : s->piece);
    char *at = length ? buf_extend(out, length) : NULL;
    for (size_t i = 0; i < length; i++)
        at[i] = (char)('a' + (s->at + i) % 26);
    s->at += length;
    s->left -= length;
    atomic_fetch_add(&s->site->produced_bytes, length);
    return ERR_NONE;
}

static inline void stream_end(void *state)
{
    struct stream *s = state;
    atomic_fetch_add(&s->site->ended, 1);
}

static inline void site_stream(struct site *site, struct http_request *r, struct http_response *w,
                               uint64_t bytes, size_t piece, int pieces_until_error)
{
    struct stream *s = arena_alloc(r->arena, sizeof *s);
    assert_non_null(s);
    *s = (struct stream){ site, bytes, 0, piece, pieces_until_error };
    w->produce = stream_produce;
    w->produce_end = stream_end;
    w->produce_state = s;
}

static inline bool site_begin(void *context, struct http_request *r, struct http_response *w)
{
    struct site *site = context;
    atomic_fetch_add(&site->begun, 1);
    if (slice_is(r->path, "/early")) {
        w->status = 403;
        w->body = SLICE("{\"early\":true}");
        return true;
    }
    r->is_short = slice_starts_with(r->path, SLICE("/short"));
    if (slice_is(r->path, "/quick")) {
        w->status = 200;
        w->body = SLICE("quick");
        return true;
    }
    return false;
}

static inline void site_describe(struct http_request *r, struct http_response *w)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    char hash[2 * HTTP_SHA256_BYTES];
    hex_encode(r->body_sha256, HTTP_SHA256_BYTES, hash);
    buf_printf(&text, "method=%.*s target=%.*s path=%.*s query=%.*s length=%lld body=%zu ",
               SLICE_ARGS(r->method), SLICE_ARGS(r->target), SLICE_ARGS(r->path),
               SLICE_ARGS(r->query), (long long)r->content_length, r->body.length);
    buf_printf(&text, "sha=%.*s loopback=%d", 64, hash, r->peer_is_loopback);
    for (size_t i = 0; i < r->header_count; i++)
        buf_printf(&text, " [%.*s=%.*s]", SLICE_ARGS(r->headers[i].name),
                   SLICE_ARGS(r->headers[i].value));
    w->body = slice_of(arena_copy(r->arena, buf_slice(&text)), text.length);
    buf_release(&text);
}

static inline void site_handle(void *context, struct http_request *r, struct http_response *w)
{
    struct site *site = context;
    atomic_fetch_add(&site->handled, 1);
    w->status = 200;
    assert_int_equal(http_response_header(r, w, "Content-Type", SLICE("text/plain")), ERR_NONE);
    struct slice path = r->path;
    unsigned long long bytes, piece;
    if (slice_starts_with(path, SLICE("/short"))) {
        if (slice_is(path, "/short-not"))
            os_sleep_us(2000);
        if (slice_is(path, "/short-away") && r->is_on_loop) {
            r->wants_pool = true;
            w->status = 500;
            return;
        }
        w->body = arena_printf(r->arena, "loop=%d again=%d thread=%llx", r->is_on_loop, r->is_again,
                               (unsigned long long)pthread_self());
    } else if (slice_is(path, "/unanswered")) {
        w->status = 0;
    } else if (slice_is(path, "/describe")) {
        site_describe(r, w);
    } else if (slice_is(path, "/echo")) {
        w->body = r->body;
    } else if (slice_is(path, "/nothing")) {
        w->status = 204;
        w->body = SLICE("must not be sent");
    } else if (slice_is(path, "/broken")) {
        site_stream(site, r, w, 1 << 30, 1000, 3);
    } else if (slice_is(path, "/broken-at-once")) {
        site_stream(site, r, w, 1 << 30, 1000, 0);
    } else if (slice_is(path, "/wait")) {
        atomic_store(&site->is_waiting, true);
        while (!atomic_load(&site->is_released))
            os_sleep_us(1000);
        w->body = SLICE("waited");
    } else if (slice_is(path, "/split")) {
        assert_int_equal(
            http_response_header(r, w, "Location", SLICE("/x\r\nSet-Cookie: stolen")), ERR_NONE);
        w->body = SLICE("split");
    } else if (sscanf(arena_copy(r->arena, path), "/stream/%llu/%llu", &bytes, &piece) == 2) {
        site_stream(site, r, w, bytes, piece, -1);
    } else if (sscanf(arena_copy(r->arena, path), "/zeros/%llu", &bytes) == 1) {
        char *zeros = arena_alloc(r->arena, bytes);
        assert_non_null(zeros);
        w->body = slice_of(zeros, bytes);
    } else {
        w->body = SLICE("hello");
    }
}

static inline void site_refuse(void *context, struct http_request *r, enum err err,
                               struct slice text, struct http_response *w)
{
    struct site *site = context;
    atomic_fetch_add(&site->refused, 1);
    atomic_store(&site->last_refusal, (int)err);
    w->status = err_http_status(err);
    w->body = arena_printf(r->arena, "{\"refused\":\"%s\",\"text\":\"%.*s\"}", err_name(err),
                           SLICE_ARGS(text));
    if (http_response_header(r, w, "Content-Type", SLICE("application/json")))
        w->body = SLICE_NONE; /* no memory: the server's own words */
}

static inline struct http_server_settings site_settings(struct site *site)
{
    return (struct http_server_settings){
        .address = "127.0.0.1",
        .loop_threads = 2,
        .pool_threads = 4,
        .body_bytes = 1 << 20,
        .bodies_in_flight_bytes = 8 << 20,
        .header_bytes = 16 * 1024,
        .arena_bytes = 64 << 20,
        .connections = 100,
        .idle_seconds = 30,
        .handler = { site, site_begin, site_handle, site_refuse },
    };
}

static inline void site_start(struct site *site, const struct http_server_settings *settings)
{
    arena_init(&site->arena, 1 << 20);
    struct slice error;
    enum err err = http_server_start(settings, &site->arena, &site->server, &error);
    if (err)
        fail_msg("%.*s", SLICE_ARGS(error));
    site->port = http_server_port(site->server);
}

static inline void site_stop(struct site *site)
{
    atomic_store(&site->is_released, true);
    http_server_stop(site->server, 5);
    arena_release(&site->arena);
}

/* ---- raw sockets ---- */

/* A new socket, and the address on loopback that it is meant for. */
static inline int raw_socket(uint16_t port, struct sockaddr_in *ret_at)
{
    *ret_at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
    ret_at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return socket(AF_INET, SOCK_STREAM, 0);
}

static inline int raw_connect(const struct site *site)
{
    struct sockaddr_in at;
    int fd = raw_socket(site->port, &at);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    struct timeval patience = { .tv_sec = 20 };
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

/* As much as the peer takes; false once it takes no more. */
static inline bool raw_send(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

static inline bool raw_say(int fd, const char *text)
{
    return raw_send(fd, text, strlen(text));
}

/* Append what comes until the peer closes; false when that was a reset or took
 * too long. */
static inline bool raw_read_all(int fd, struct buf *out)
{
    char piece[65536];
    for (;;) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            return n == 0;
        buf_append(out, slice_of(piece, (size_t)n));
    }
}

/* Append until `needle` was seen behind `from`. */
static inline bool raw_read_until(int fd, struct buf *out, const char *needle)
{
    char piece[4096];
    while (slice_find(buf_slice(out), slice_cstr(needle)) < 0) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            return false;
        buf_append(out, slice_of(piece, (size_t)n));
    }
    return true;
}

static inline bool has(const struct buf *b, const char *needle)
{
    return slice_find(buf_slice(b), slice_cstr(needle)) >= 0;
}

static inline size_t count_of(const struct buf *b, const char *needle)
{
    size_t count = 0;
    struct slice rest = buf_slice(b);
    for (ptrdiff_t at; (at = slice_find(rest, slice_cstr(needle))) >= 0; count++)
        rest = slice_from(rest, (size_t)at + strlen(needle));
    return count;
}

/* Send, half-close nothing, read to the end. The request must make the server
 * close. */
static inline void raw_ask(const struct site *site, const char *request, struct buf *out)
{
    buf_clear(out);
    int fd = raw_connect(site);
    (void)raw_say(fd, request);
    (void)raw_read_all(fd, out);
    close(fd);
    buf_append_byte(out, '\0');
    out->length--;
}

static inline void wait_until(atomic_int *value, int wanted)
{
    for (int i = 0; i < 5000 && atomic_load(value) < wanted; i++)
        os_sleep_us(1000);
    assert_int_equal(atomic_load(value), wanted);
}

#endif
