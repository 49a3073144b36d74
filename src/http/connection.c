#include "http/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"

struct connection *connection_new(struct http_server *server, int fd, bool is_loopback,
                                  bool is_over_limit)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->server = server;
    c->fd = fd;
    c->is_loopback = is_loopback;
    c->is_over_limit = is_over_limit;
    atomic_init(&c->events, EVENT_POOL); /* on its way to its loop */
    buf_init(&c->in, server->settings.header_bytes + 4 * (size_t)SCRATCH_BYTES);
    buf_init(&c->in_later, SCRATCH_BYTES);
    buf_init(&c->body, server->settings.body_bytes);
    buf_init(&c->out, (size_t)1 << 20);
    buf_init(&c->piece, PIECE_BYTES_MAX);
    arena_init(&c->arena, server->settings.arena_bytes);
    atomic_fetch_add(&server->connection_count, 1);
    return c;
}

void connection_free(struct connection *c)
{
    CHECK(!c->owes_end);
    request_reset(c);
    if (c->is_broken) {
        /* A reset, so that no client takes what it has for the whole. */
        struct linger none = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    /* Closing alone leaves it registered if some child process holds a copy. */
    if (c->is_listed)
        (void)epoll_ctl(c->loop->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    close(c->fd);
    buf_release(&c->in);
    buf_release(&c->in_later);
    buf_release(&c->inflated);
    buf_release(&c->out);
    EVP_MD_CTX_free(c->sha);
    atomic_fetch_sub(&c->server->connection_count, 1);
    free(c);
}

static ssize_t receive(struct connection *c, void *to, size_t room, int flags)
{
    for (;;) {
        ssize_t n = recv(c->fd, to, room, flags);
        if (n > 0) {
            /* Less than asked: the socket is empty, and a new edge will come. A FIN
             * that came along has had its edge, so then only 0 says it all. */
            if ((size_t)n < room && !c->is_peer_done)
                c->is_readable = false;
            return n;
        }
        if (n == 0)
            return -1;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -1;
        c->is_readable = false;
        return 0;
    }
}

ssize_t connection_read(struct connection *c, void *to, size_t room)
{
    return receive(c, to, room, 0);
}

/* Linux drops the bytes without copying them; the room is real all the same, for
 * a kernel that does not. */
ssize_t connection_discard(struct connection *c, struct worker *w, size_t most)
{
    return receive(c, w->scratch, MIN(most, (size_t)SCRATCH_BYTES), MSG_TRUNC);
}

static bool may_run_here(const struct connection *c, struct worker *w)
{
    if (!c->request.is_short)
        return false;
    if (w->shorts_to_pool == 0)
        return true;
    w->shorts_to_pool--;
    return false;
}

enum step connection_step(struct connection *c, struct worker *w)
{
    switch (c->phase) {
    case PHASE_HEAD:
        if (!w->is_pool)
            return request_read_head(c, w);
        return c->is_readable || c->in.length > c->in_at ? STEP_LOOP : STEP_WAIT;
    case PHASE_BODY:
        return w->is_pool ? STEP_LOOP : request_read_body(c, w);
    case PHASE_HANDLE:
        return w->is_pool || may_run_here(c, w) ? request_handle(c, w) : STEP_POOL;
    case PHASE_SEND:
        return reply_send(c, w);
    case PHASE_PRODUCE:
        return w->is_pool ? reply_produce(c, w) : STEP_POOL;
    case PHASE_FINISH:
        return !w->is_pool && c->owes_end ? STEP_POOL : reply_finish(c, w);
    case PHASE_SKIP:
        return w->is_pool ? STEP_LOOP : request_skip(c, w);
    case PHASE_LINGER:
        return w->is_pool ? STEP_LOOP : request_linger(c, w);
    case PHASE_CLOSE:
        break;
    }
    CHECK(w->is_pool);
    return STEP_LOOP;
}

void connection_expire(struct connection *c, struct worker *w)
{
    c->deadline_us = 0;
    c->head.keeps_alive = false;
    bool is_idle = c->phase == PHASE_HEAD && c->in.length == c->in_at;
    if (c->phase == PHASE_BODY || (c->phase == PHASE_HEAD && !is_idle))
        reply_refuse(c, w,
                     (struct refusal){ ERR_REQUEST_TIMEOUT,
                                       SLICE("the request did not arrive in time; send it "
                                             "faster or in smaller parts") });
    else if (c->phase == PHASE_SEND)
        (void)reply_cut(c);
    else
        c->phase = PHASE_CLOSE;
}

bool http_request_is_left(const struct http_request *r)
{
    return r->connection && atomic_load_explicit(&r->connection->events, memory_order_relaxed) &
                                (EVENT_GONE | EVENT_PEER_DONE);
}
