/* The sending half of a connection: answers whole and in pieces. */
#include "http/connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "http/answer.h"
#include "http/server.h"
#include "os/clock.h"

enum { PIECES_A_TURN = 16 };

static const char *date_now(struct worker *w)
{
    int64_t second = os_now_us() / 1000000;
    if (second != w->date_second) {
        w->date_second = second;
        answer_date(second, w->date);
    }
    return w->date;
}

static void push(struct connection *c, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    CHECK(c->iov_count < ARRAY_COUNT(c->iov));
    c->iov[c->iov_count++] = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes,
                                             .iov_len = length };
}

/* A refused upload whose rest is small is read to its end, and the connection
 * goes on; else it is closed. A client that waits for 100 sends no rest. */
static bool may_keep(const struct connection *c)
{
    if (!c->head.keeps_alive || c->is_over_limit || atomic_load(&c->server->is_stopping))
        return false;
    return !c->is_upload_open || (!c->head.is_chunked && !c->head.expects_continue &&
                                  c->upload_left <= KEEP_UPLOAD_BYTES);
}

/* A handler may answer HEAD by the length alone, without the body. */
static uint64_t length_of(const struct connection *c)
{
    const struct http_response *r = &c->response;
    uint64_t length = r->body.length;
    if (length == 0 && slice_is(c->request.method, "HEAD"))
        for (size_t i = 0; i < r->header_count; i++)
            if (slice_equal_nocase(r->headers[i].name, SLICE("content-length")))
                (void)slice_parse_u64(r->headers[i].value, &length);
    return length;
}

static bool has_no_body(const struct connection *c)
{
    return c->response.status == 204 || c->response.status == 304 ||
           slice_is(c->request.method, "HEAD");
}

static void frame(struct connection *c, struct answer *answer)
{
    const struct http_response *r = &c->response;
    bool is_bare = r->status == 204 || r->status == 304;
    bool has_body = !has_no_body(c);
    if (r->produce) {
        CHECK(!c->owes_end);
        c->owes_end = r->produce_end != NULL;
        c->produce_end = r->produce_end;
        c->produce_state = r->produce_state;
        c->is_streaming = has_body;
        c->is_silent_end = has_body && c->head.minor == 0;
        if (c->is_silent_end)
            c->keeps_alive = false;
    }
    if (is_bare || c->is_silent_end)
        answer->framing = ANSWER_BARE;
    else if (r->produce)
        answer->framing = ANSWER_CHUNKED;
    else
        answer->framing = ANSWER_LENGTH;
    answer->length_bytes = length_of(c);
    if (!c->keeps_alive)
        answer->connection = "close";
    else if (c->head.minor == 0)
        answer->connection = "keep-alive";
}

void reply_start(struct connection *c, struct worker *w)
{
    struct http_response *r = &c->response;
    if (r->status < 200 || r->status > 599)
        r->status = 500;
    struct answer answer = { .date = date_now(w), .id = c->request.id };
    c->keeps_alive = may_keep(c);
    frame(c, &answer);
    buf_clear(&c->out);
    answer_render(&c->out, r, &answer);
    if (buf_status(&c->out)) {
        (void)reply_cut(c);
        return;
    }
    c->iov_at = c->iov_count = 0;
    push(c, c->out.bytes, c->out.length);
    if (!r->produce && !has_no_body(c))
        push(c, r->body.bytes, r->body.length);
    /* The first piece goes out with the head; if it fails, there is still time
     * for an honest error. */
    c->phase = c->is_streaming ? PHASE_PRODUCE : PHASE_SEND;
}

/* Without a handler's words, and without memory if need be; JSON all the same. */
static void refuse_plainly(struct connection *c, struct slice text)
{
    struct slice body = arena_printf(&c->arena, "{\"message\":\"%.*s\"}", SLICE_ARGS(text));
    c->plain_headers[0] =
        (struct http_header){ SLICE("Content-Type"), SLICE("application/json") };
    c->response = (struct http_response){
        .headers = c->plain_headers,
        .header_count = 1,
        .header_room = ARRAY_COUNT(c->plain_headers),
        .body = body.bytes ? body : SLICE("{\"message\":\"out of memory\"}"),
    };
}

static bool has_header(const struct http_response *r, struct slice name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (slice_equal_nocase(r->headers[i].name, name))
            return true;
    return false;
}

void reply_refuse(struct connection *c, struct worker *w, struct refusal refusal)
{
    const struct http_handler *handler = &c->server->settings.handler;
    struct http_response *r = &c->response;
    int status = err_http_status(refusal.err);
    if (!c->request.arena)
        request_identify(c, w, NULL);
    *r = (struct http_response){ 0 };
    if (handler->refuse)
        handler->refuse(handler->context, &c->request, refusal.err, refusal.text, r);
    if (!handler->refuse || r->produce || r->body.length == 0)
        refuse_plainly(c, refusal.text);
    if (status == 503 && !has_header(r, SLICE("retry-after")) &&
        http_response_header(&c->request, r, "Retry-After", SLICE("1"))) {
        refuse_plainly(c, refusal.text);
        c->plain_headers[r->header_count++] =
            (struct http_header){ SLICE("Retry-After"), SLICE("1") };
    }
    r->status = status;
    c->is_streaming = c->is_silent_end = false;
    reply_start(c, w);
}

enum step reply_cut(struct connection *c)
{
    c->is_broken = true;
    c->phase = PHASE_FINISH;
    return STEP_GO;
}

static void advance(struct connection *c, size_t sent)
{
    while (sent) {
        struct iovec *v = &c->iov[c->iov_at];
        size_t step = MIN(sent, v->iov_len);
        v->iov_base = (char *)v->iov_base + step;
        v->iov_len -= step;
        sent -= step;
        if (v->iov_len == 0)
            c->iov_at++;
    }
}

/* The socket takes no more. False when the client reads so slowly, measured from
 * the first time that happened, that it only holds our memory. */
static bool may_wait(struct connection *c)
{
    int64_t now_us = os_monotonic_us(), grace_us = server_idle_us(c->server);
    if (!c->blocked_us)
        c->blocked_us = now_us;
    if (!c->deadline_us)
        c->deadline_us = now_us + grace_us;
    int64_t late_us = now_us - c->blocked_us - grace_us;
    return late_us <= 0 ||
           c->sent_bytes >= (uint64_t)(late_us / 1000000) * SLOWEST_BYTES_PER_SECOND;
}

enum step reply_send(struct connection *c, struct worker *w)
{
    (void)w;
    while (c->iov_at < c->iov_count) {
        struct msghdr message = { .msg_iov = &c->iov[c->iov_at],
                                  .msg_iovlen = c->iov_count - c->iov_at };
        ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && may_wait(c))
            return STEP_WAIT;
        if (n < 0)
            return reply_cut(c);
        c->deadline_us = 0; /* progress */
        c->sent_bytes += (size_t)n;
        advance(c, (size_t)n);
    }
    c->iov_at = c->iov_count = 0;
    c->phase = c->is_streaming ? PHASE_PRODUCE : PHASE_FINISH;
    return STEP_GO;
}

/* Put the piece behind what waits, in the chunked coding unless the client is of
 * HTTP/1.0. An empty piece is the end. */
static void push_piece(struct connection *c)
{
    if (c->piece.length == 0)
        c->is_streaming = false;
    if (c->is_silent_end) {
        push(c, c->piece.bytes, c->piece.length);
    } else if (c->piece.length == 0) {
        push(c, "0\r\n\r\n", 5);
    } else {
        int length = snprintf(c->chunk_head, sizeof c->chunk_head, "%zx\r\n", c->piece.length);
        push(c, c->chunk_head, (size_t)length);
        push(c, c->piece.bytes, c->piece.length);
        push(c, "\r\n", 2);
    }
}

static void end_producer(struct connection *c)
{
    if (c->owes_end) {
        c->owes_end = false;
        c->produce_end(c->produce_state);
    }
}

enum step reply_produce(struct connection *c, struct worker *w)
{
    if (atomic_load(&c->events) & EVENT_GONE)
        return reply_cut(c);
    if (c->pieces == PIECES_A_TURN) {
        c->pieces = 0;
        return STEP_YIELD;
    }
    c->pieces++;
    buf_clear(&c->piece);
    enum err err = c->response.produce(c->produce_state, &c->piece);
    if (!err)
        err = buf_status(&c->piece);
    bool is_head_unsent = c->iov_count == 1;
    if (err && is_head_unsent) {
        end_producer(c);
        reply_refuse(c, w,
                     (struct refusal){ err_http_status(err) < 500 ? ERR_INTERNAL : err,
                                       SLICE("the answer could not be produced") });
        return STEP_GO;
    }
    if (err)
        return reply_cut(c);
    push_piece(c);
    c->phase = PHASE_SEND;
    return STEP_GO;
}

/* Tell the handler what became of it. */
static void tell_done(const struct connection *c)
{
    const struct http_handler *handler = &c->server->settings.handler;
    if (!handler->done || !c->request.arena)
        return;
    uint64_t head_bytes = c->scan.line - c->scan.start;
    uint64_t body_bytes = MAX(c->received_bytes, (uint64_t)c->request.body.length);
    const struct http_traffic traffic = {
        .status = c->response.status,
        .is_whole = !c->is_broken,
        .duration_us = os_monotonic_us() - c->asked_us,
        .bytes_in = head_bytes + body_bytes,
        .bytes_out = c->sent_bytes,
    };
    handler->done(handler->context, &c->request, &traffic);
}

enum step reply_finish(struct connection *c, struct worker *w)
{
    tell_done(c);
    end_producer(c);
    bool is_upload_open = c->is_upload_open;
    uint64_t left = c->upload_left;
    if (is_upload_open && c->keeps_alive) {
        size_t here = (size_t)MIN((uint64_t)(c->in.length - c->in_at), left);
        c->in_at += here;
        left -= here;
    }
    request_reset(c);
    c->deadline_us = 0;
    if (c->is_broken) {
        c->phase = PHASE_CLOSE;
    } else if (!c->keeps_alive) {
        (void)shutdown(c->fd, SHUT_WR);
        c->is_upload_open = is_upload_open;
        c->phase = PHASE_LINGER;
    } else {
        int64_t now_us = w->is_pool ? os_monotonic_us() : w->now_us;
        c->is_upload_open = is_upload_open && left;
        c->upload_left = left;
        c->deadline_us = now_us + server_idle_us(c->server);
        c->phase = c->is_upload_open ? PHASE_SKIP : PHASE_HEAD;
    }
    return STEP_GO;
}
