/* The receiving half of a connection: head, body, and what is thrown away. */
#include "http/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/codec.h"
#include "http/server.h"
#include "os/clock.h"

enum {
    HASH_LATER_BYTES = 64 * 1024, /* smaller bodies are hashed by the pool, in one go */
    READ_PIECE_BYTES = 256 * 1024, /* hashed while still in the cache */
    LINGER_US = 2 * 1000000,
    LINGER_UPLOAD_US = 30 * 1000000,
    QUEUE_US = 30 * 1000000 /* longest wait for a pool thread */
};
static const uint64_t LINGER_BYTES = (uint64_t)64 << 20; /* over the largest body */

static const uint8_t SHA256_OF_NOTHING[HTTP_SHA256_BYTES] = {
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
};

static enum step refuse(struct connection *c, struct worker *w, enum err err, struct slice text)
{
    reply_refuse(c, w, (struct refusal){ .err = err, .text = text });
    return STEP_GO;
}

static enum step hang_up(struct connection *c)
{
    c->phase = PHASE_CLOSE;
    return STEP_GO;
}

/* splitmix64: ids must be unlike each other, not secret. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void request_identify(struct connection *c, struct worker *w, struct http_header *headers)
{
    c->request = (struct http_request){
        .connection = c,
        .method = c->head.method,
        .target = c->head.target,
        .path = c->head.path,
        .query = c->head.query,
        .headers = headers,
        .header_count = c->head.header_count,
        .content_length = c->head.content_length,
        .peer_is_loopback = c->is_loopback,
        .peer_address = slice_cstr(c->peer_address),
        .arena = &c->arena,
    };
    c->asked_us = w->now_us;
    uint64_t random[2] = { next_random(&w->id_state[0]), next_random(&w->id_state[1]) };
    uint8_t bytes[16];
    memcpy(bytes, random, sizeof bytes);
    uuid_render(bytes, c->request.id);
}

void request_reset(struct connection *c)
{
    arena_release(&c->arena);
    buf_release(&c->body);
    buf_release(&c->inflated);
    buf_release(&c->piece);
    server_unreserve(c->server, c->reserved_bytes);
    c->reserved_bytes = 0;
    size_t left = c->in.length - c->in_at;
    if (left && c->in_at)
        memmove(c->in.bytes, c->in.bytes + c->in_at, left);
    c->in.length = left;
    c->in_at = 0;
    if (c->in_later.length) {
        CHECK(left == 0); /* the chunked body took all there was */
        struct buf empty = c->in;
        c->in = c->in_later;
        c->in.limit_bytes = empty.limit_bytes;
        c->in_later = empty;
        buf_clear(&c->in_later);
        c->in_later.limit_bytes = SCRATCH_BYTES;
    }
    c->scan = (struct head_scan){ 0 };
    c->chunk = (struct chunk){ 0 };
    c->head = (struct head){ .content_length = -1 };
    c->request = (struct http_request){ 0 };
    c->response = (struct http_response){ 0 };
    c->started_us = 0;
    c->upload_left = c->received_bytes = c->sent_bytes = 0;
    c->blocked_us = 0;
    c->is_upload_open = c->is_hashing = c->is_hashed = false;
    c->is_streaming = c->is_silent_end = false;
    c->pieces = 0;
}

static enum step body_is_whole(struct connection *c, struct slice body)
{
    c->is_upload_open = false;
    c->request.body = body;
    if (c->is_hashing) {
        CHECK(EVP_DigestFinal_ex(c->sha, c->request.body_sha256, NULL) == 1);
        c->is_hashing = false;
        c->is_hashed = true;
    }
    c->phase = PHASE_HANDLE;
    return STEP_GO;
}

static void take_body(struct connection *c, struct slice piece)
{
    if (c->is_hashing)
        CHECK(EVP_DigestUpdate(c->sha, piece.bytes, piece.length) == 1);
}

static const struct slice TOO_BUSY =
    SLICE_INIT("the bodies in flight of all clients fill their limit; retry later");

static enum step too_large(struct connection *c, struct worker *w)
{
    struct slice text = arena_printf(&c->arena,
                                     "the body is larger than %zu bytes, the limit of this "
                                     "server; send less at once or raise it (--max-body)",
                                     c->server->settings.body_bytes);
    return refuse(c, w, ERR_LIMIT, text.bytes ? text : SLICE("the body is too large"));
}

/* The budget grows like the buffer does, by doubling. */
static bool reserve_chunked(struct connection *c, size_t need_bytes)
{
    if (need_bytes <= c->reserved_bytes)
        return true;
    size_t wish = MAX(MAX(need_bytes, c->reserved_bytes * 2), (size_t)SCRATCH_BYTES);
    if (!server_reserve(c->server, wish - c->reserved_bytes))
        return false;
    c->reserved_bytes = wish;
    return true;
}

/* Decode what arrived of a chunked body; *in keeps what lies behind its end. */
static enum step feed_chunked(struct connection *c, struct worker *w, struct slice *in)
{
    for (;;) {
        struct slice data;
        switch (chunk_next(&c->chunk, in, &data)) {
        case CHUNK_IS_BAD:
            return refuse(c, w, ERR_HTTP_SYNTAX,
                          SLICE("the chunked coding of the body is malformed"));
        case CHUNK_WANTS_MORE:
            return STEP_WAIT;
        case CHUNK_IS_DONE:
            return body_is_whole(c, buf_slice(&c->body));
        case CHUNK_GIVES_DATA:
            break;
        }
        if (data.length > c->server->settings.body_bytes - c->body.length)
            return too_large(c, w);
        if (!reserve_chunked(c, c->body.length + data.length))
            return refuse(c, w, ERR_BUSY, TOO_BUSY);
        buf_append(&c->body, data);
        if (buf_status(&c->body))
            return refuse(c, w, ERR_NO_MEMORY, TOO_BUSY);
        take_body(c, data);
    }
}

static void start_hash(struct connection *c)
{
    if (!c->sha)
        c->sha = EVP_MD_CTX_new();
    CHECK(c->sha && EVP_DigestInit_ex(c->sha, c->server->sha256, NULL) == 1);
    c->is_hashing = true;
}

/* Tell a waiting client to send the body. Nothing else of ours is under way, so
 * the socket takes 25 bytes; if it does not, the client is told nothing and
 * sends after a while, as RFC 9110 bids it. */
static bool send_continue(struct connection *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    ssize_t n = send(c->fd, text, sizeof text - 1, MSG_NOSIGNAL);
    return n == (ssize_t)sizeof text - 1 || (n < 0 && errno == EAGAIN);
}

static enum step start_upload(struct connection *c, struct worker *w)
{
    struct slice in = slice_from(buf_slice(&c->in), c->in_at);
    bool is_chunked = c->head.is_chunked;
    size_t length = is_chunked ? 0 : (size_t)c->head.content_length;
    if (!is_chunked && in.length >= length) {
        c->in_at += length;
        return body_is_whole(c, slice_head(in, length));
    }
    if (!is_chunked) {
        if (!server_reserve(c->server, length))
            return refuse(c, w, ERR_BUSY, TOO_BUSY);
        c->reserved_bytes = length;
        if (!buf_reserve(&c->body, length))
            return refuse(c, w, ERR_NO_MEMORY, TOO_BUSY);
    }
    if (is_chunked || length > HASH_LATER_BYTES)
        start_hash(c);
    c->phase = PHASE_BODY;
    c->started_us = w->now_us;
    c->deadline_us = w->now_us + server_idle_us(c->server);
    if (c->head.expects_continue && in.length == 0 && !send_continue(c))
        return hang_up(c);
    if (is_chunked) {
        enum step step = feed_chunked(c, w, &in);
        c->in_at = c->in.length - in.length;
        return step == STEP_WAIT ? STEP_GO : step;
    }
    buf_append(&c->body, in);
    take_body(c, in);
    c->upload_left -= in.length;
    c->in_at = c->in.length;
    return STEP_GO;
}

static enum step admit(struct connection *c, struct worker *w)
{
    const struct http_server_settings *settings = &c->server->settings;
    int64_t length = c->head.content_length;
    c->is_upload_open = c->head.is_chunked || length > 0;
    c->upload_left = length > 0 ? (uint64_t)length : 0;
    if (c->is_over_limit)
        return refuse(c, w, ERR_BUSY,
                      SLICE("this server has as many connections as it takes; retry later"));
    if (length > 0 && (uint64_t)length > settings->body_bytes)
        return too_large(c, w);
    bool is_gzip;
    if (coding_check(&c->request, &is_gzip))
        return refuse(c, w, ERR_MEDIA_TYPE,
                      SLICE("the only Content-Encoding taken is gzip; send the body as it is"));
    if (settings->handler.begin &&
        settings->handler.begin(settings->handler.context, &c->request, &c->response)) {
        reply_start(c, w);
        return STEP_GO;
    }
    if (!c->is_upload_open)
        return body_is_whole(c, SLICE_NONE);
    return start_upload(c, w);
}

static const struct slice HEAD_TOO_LARGE =
    SLICE_INIT("the request's head is larger than this server takes; send less in the URL and "
               "the header fields (a search can be sent by POST to _search)");

static enum step head_too_large(struct connection *c, struct worker *w)
{
    /* Whose fault: the request line's, when it alone fills half of the room. */
    struct slice bytes = slice_from(buf_slice(&c->in), c->in_at + c->scan.start);
    ptrdiff_t line = slice_find_byte(bytes, '\n');
    bool is_target = line < 0 || (size_t)line > c->server->settings.header_bytes / 2;
    return refuse(c, w, is_target ? ERR_TARGET_TOO_LONG : ERR_HEADERS_TOO_LARGE, HEAD_TOO_LARGE);
}

static enum step head_is_whole(struct connection *c, struct worker *w)
{
    size_t length = c->scan.line - c->scan.start;
    if (length > c->server->settings.header_bytes)
        return head_too_large(c, w);
    struct http_header *headers = c->headers;
    if (c->scan.lines > CONNECTION_HEADERS)
        headers = arena_array(&c->arena, c->scan.lines, sizeof *headers);
    if (!headers)
        return refuse(c, w, ERR_NO_MEMORY, TOO_BUSY);

    struct slice bytes = slice_of(c->in.bytes + c->in_at + c->scan.start, length);
    struct refusal refusal;
    bool is_good = head_parse(bytes, headers, &c->head, &refusal);
    request_identify(c, w, headers);
    c->in_at += c->scan.line;
    c->deadline_us = 0;
    if (!is_good) {
        c->head.keeps_alive = false; /* where the next request begins is anyone's guess */
        c->is_upload_open = true;    /* and so is whether bytes follow */
        reply_refuse(c, w, refusal);
        return STEP_GO;
    }
    return admit(c, w);
}

enum step request_read_head(struct connection *c, struct worker *w)
{
    for (;;) {
        struct slice fresh = slice_from(buf_slice(&c->in), c->in_at);
        if (fresh.length > c->scan.at) {
            if (!c->started_us) {
                c->started_us = w->now_us;
                c->deadline_us = w->now_us + server_idle_us(c->server);
            }
            struct refusal refusal;
            enum head_state state = head_scan(&c->scan, fresh, &refusal);
            if (state == HEAD_COMPLETE)
                return head_is_whole(c, w);
            if (state == HEAD_REFUSED) {
                reply_refuse(c, w, refusal);
                return STEP_GO;
            }
            if (fresh.length - c->scan.start > c->server->settings.header_bytes)
                return head_too_large(c, w);
        }
        if (!c->is_readable)
            return STEP_WAIT;
        char *room = buf_reserve(&c->in, READ_BYTES);
        if (!room)
            return hang_up(c);
        ssize_t n = connection_read(c, room, c->in.room_bytes - c->in.length);
        if (n < 0)
            return hang_up(c);
        c->in.length += (size_t)n;
    }
}

/* Bytes arrived: move the deadline, unless the upload crawls. */
static bool is_too_slow(struct connection *c, int64_t now_us)
{
    int64_t grace_us = server_idle_us(c->server);
    c->deadline_us = now_us + grace_us;
    int64_t late_us = now_us - c->started_us - grace_us;
    return late_us > 0 &&
           c->received_bytes < (uint64_t)(late_us / 1000000) * SLOWEST_BYTES_PER_SECOND;
}

static enum step read_chunked(struct connection *c, struct worker *w, size_t *turn)
{
    ssize_t n = connection_read(c, w->scratch, SCRATCH_BYTES);
    if (n <= 0)
        return n < 0 ? hang_up(c) : STEP_WAIT;
    c->received_bytes += (size_t)n;
    *turn += (size_t)n;
    struct slice in = slice_of(w->scratch, (size_t)n);
    enum step step = feed_chunked(c, w, &in);
    if (c->phase == PHASE_HANDLE)
        buf_append(&c->in_later, in);
    if (buf_status(&c->in_later))
        c->head.keeps_alive = false; /* without memory the next request is lost */
    return step == STEP_WAIT ? STEP_GO : step;
}

static enum step read_plain(struct connection *c, size_t *turn)
{
    char *at = c->body.bytes + c->body.length;
    size_t room = (size_t)MIN(c->upload_left, (uint64_t)READ_PIECE_BYTES);
    ssize_t n = connection_read(c, at, room);
    if (n <= 0)
        return n < 0 ? hang_up(c) : STEP_WAIT;
    c->body.length += (size_t)n;
    c->upload_left -= (size_t)n;
    c->received_bytes += (size_t)n;
    *turn += (size_t)n;
    take_body(c, slice_of(at, (size_t)n));
    return c->upload_left ? STEP_GO : body_is_whole(c, buf_slice(&c->body));
}

enum step request_read_body(struct connection *c, struct worker *w)
{
    size_t turn = 0;
    while (c->phase == PHASE_BODY) {
        if (!c->is_readable)
            return STEP_WAIT;
        if (turn >= TURN_BYTES)
            return STEP_YIELD;
        enum step step = c->head.is_chunked ? read_chunked(c, w, &turn) : read_plain(c, &turn);
        if (step != STEP_GO)
            return step;
        if (c->phase == PHASE_BODY && is_too_slow(c, w->now_us)) {
            connection_expire(c, w);
            return STEP_GO;
        }
    }
    return STEP_GO;
}

enum step request_skip(struct connection *c, struct worker *w)
{
    while (c->upload_left) {
        if (!c->is_readable)
            return STEP_WAIT;
        ssize_t n = connection_discard(c, w, (size_t)c->upload_left);
        if (n < 0)
            return hang_up(c);
        c->upload_left -= (size_t)n;
    }
    c->is_upload_open = false;
    c->phase = PHASE_HEAD;
    c->deadline_us = w->now_us + server_idle_us(c->server);
    return STEP_GO;
}

/* Our FIN is sent. Closing while bytes of the client wait unread would reset the
 * connection and destroy the answer before it is read: so discard, within
 * bounds, until the client closes or its upload is over. */
enum step request_linger(struct connection *c, struct worker *w)
{
    if (!c->deadline_us) {
        c->deadline_us = w->now_us + (c->is_upload_open ? LINGER_UPLOAD_US : LINGER_US);
    }
    uint64_t most = c->is_upload_open ? c->server->settings.body_bytes + LINGER_BYTES : TURN_BYTES;
    uint64_t turn = 0;
    while (c->is_readable) {
        ssize_t n = connection_discard(c, w, SCRATCH_BYTES);
        if (n < 0 || (c->received_bytes += (size_t)n) > most)
            return hang_up(c);
        if ((turn += (size_t)n) > TURN_BYTES)
            return STEP_YIELD;
    }
    return STEP_WAIT;
}

static void hash_body(struct connection *c, struct worker *w)
{
    struct slice body = c->request.body;
    uint8_t *out = c->request.body_sha256;
    if (body.length == 0) {
        memcpy(out, SHA256_OF_NOTHING, HTTP_SHA256_BYTES);
        return;
    }
    CHECK(EVP_DigestInit_ex(w->sha, c->server->sha256, NULL) == 1 &&
          EVP_DigestUpdate(w->sha, body.bytes, body.length) == 1 &&
          EVP_DigestFinal_ex(w->sha, out, NULL) == 1);
}

/* A short request ran on the loop. If it took long, the cause (a cold disk, a
 * busy machine) will last a while: let the pool wait for it, each time for more
 * requests, until one in a while proves short again. */
static void judge_short(struct worker *w, int64_t took_us)
{
    if (took_us <= SHORT_US) {
        w->penalty = 0;
        return;
    }
    w->penalty = MIN(MAX(w->penalty * 2, (unsigned)PENALTY_MIN), (unsigned)PENALTY_MAX);
    w->shorts_to_pool = w->penalty;
}

enum step request_handle(struct connection *c, struct worker *w)
{
    if (atomic_load(&c->events) & EVENT_GONE)
        return reply_cut(c);
    if (w->is_pool && w->now_us - c->queued_us > QUEUE_US)
        return refuse(c, w, ERR_BUSY,
                      SLICE("the request waited too long for its turn; retry later"));
    if (!c->is_hashed)
        hash_body(c, w);
    const struct http_handler *handler = &c->server->settings.handler;
    int64_t start_us = w->is_pool ? 0 : os_monotonic_us();
    c->request.is_on_loop = !w->is_pool;
    handler->handle(handler->context, &c->request, &c->response);
    if (!w->is_pool)
        judge_short(w, os_monotonic_us() - start_us);
    if (!w->is_pool && c->request.wants_pool) {
        c->request.is_short = c->request.wants_pool = false;
        c->request.is_again = true;
        c->response = (struct http_response){ 0 };
        return STEP_POOL;
    }
    if (c->response.status == 0)
        return refuse(c, w, ERR_INTERNAL, SLICE("the request was given no answer"));
    reply_start(c, w);
    return STEP_GO;
}
