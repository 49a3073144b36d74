/* A thread that owns connections: epoll, edge-triggered, one registration for a
 * connection's whole life.
 *
 * While the pool owns a connection, its events are only noted in a word; the
 * pool lets it go with one compare-and-swap if nothing was noted, and returns it
 * through a lock-free list else. So an ordinary request costs no epoll_ctl and
 * wakes the loop once, by its own bytes.
 */
#define _GNU_SOURCE /* accept4 */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/clock.h"

enum {
    EVENTS = 128,
    ACCEPTS = 64,
    TICK_MS = 250,
    STEPS_A_TURN = 200 /* of one connection that pipelines, before others' turn */
};

enum err loop_open(struct loop *loop, struct http_server *server, bool is_first)
{
    *loop = (struct loop){ .server = server, .is_first = is_first };
    atomic_init(&loop->returned, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0)
        return ERR_IO;
    struct epoll_event wake = { .events = EPOLLIN | EPOLLET, .data.ptr = loop };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) != 0)
        return ERR_IO;
    struct epoll_event accept = { .events = EPOLLIN, .data.ptr = NULL };
    if (is_first && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, server->listen_fd, &accept) != 0)
        return ERR_IO;
    return worker_init(&loop->worker, server, false);
}

void loop_close(struct loop *loop)
{
    CHECK(!loop->newest && !atomic_load(&loop->returned));
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    worker_release(&loop->worker);
}

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    /* Fails only when the counter is full, and then the loop is awake anyway. */
    ssize_t n = write(loop->wake_fd, &one, sizeof one);
    (void)n;
}

void loop_return(struct connection *c)
{
    struct loop *loop = c->loop;
    struct connection *head = atomic_load(&loop->returned);
    do
        c->next = head;
    while (!atomic_compare_exchange_weak(&loop->returned, &head, c));
    if (!head)
        loop_wake(loop); /* who came before us has woken it */
}

static void unlist(struct loop *loop, struct connection *c)
{
    if (!c->is_listed)
        return;
    if (c->newer)
        c->newer->older = c->older;
    else
        loop->newest = c->older;
    if (c->older)
        c->older->newer = c->newer;
}

/* A connection that loop owns, until it waits or is handed on. */
static void drive(struct loop *loop, struct connection *c)
{
    enum step step = STEP_GO;
    for (int i = 0; step == STEP_GO && c->phase != PHASE_CLOSE; i++)
        step = i < STEPS_A_TURN ? connection_step(c, &loop->worker) : STEP_YIELD;
    if (c->phase == PHASE_CLOSE) {
        unlist(loop, c);
        connection_free(c);
        return;
    }
    if (step == STEP_WAIT)
        return;
    CHECK(step == STEP_POOL || step == STEP_YIELD);
    atomic_fetch_or(&c->events, EVENT_POOL);
    if (step == STEP_YIELD) {
        loop_return(c);
        return;
    }
    c->queued_us = loop->worker.now_us;
    pool_submit(pool_for(c), c);
}

static void apply_events(struct connection *c, unsigned events)
{
    if (events & (EVENT_IN | EVENT_PEER_DONE | EVENT_GONE))
        c->is_readable = true;
    if (events & EVENT_PEER_DONE)
        c->is_peer_done = true;
    if (!(events & EVENT_GONE))
        return;
    if (c->phase == PHASE_HANDLE || c->phase == PHASE_SEND || c->phase == PHASE_PRODUCE ||
        c->phase == PHASE_FINISH)
        (void)reply_cut(c);
    else
        c->phase = PHASE_CLOSE;
}

static void on_event(struct loop *loop, struct connection *c, uint32_t epoll_events)
{
    unsigned events = 0;
    if (epoll_events & EPOLLIN)
        events |= EVENT_IN;
    if (epoll_events & EPOLLOUT)
        events |= EVENT_OUT;
    if (epoll_events & EPOLLRDHUP)
        events |= EVENT_PEER_DONE;
    if (epoll_events & (EPOLLHUP | EPOLLERR))
        events |= EVENT_GONE;
    if (atomic_fetch_or(&c->events, events) & EVENT_POOL)
        return;
    atomic_store(&c->events, 0);
    apply_events(c, events);
    drive(loop, c);
}

static void list(struct loop *loop, struct connection *c)
{
    c->is_listed = true;
    c->older = loop->newest;
    if (c->older)
        c->older->newer = c;
    loop->newest = c;
    c->deadline_us = loop->worker.now_us + server_idle_us(loop->server);
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = c,
    };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
        c->phase = PHASE_CLOSE;
}

static void take_returned(struct loop *loop)
{
    struct connection *c = atomic_exchange(&loop->returned, NULL);
    while (c) {
        struct connection *next = c->next;
        if (!c->is_listed)
            list(loop, c);
        unsigned events = atomic_exchange(&c->events, 0);
        apply_events(c, events);
        drive(loop, c);
        c = next;
    }
}

static bool is_loopback(const struct sockaddr_storage *peer)
{
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (peer->ss_family != AF_INET6)
        return false;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

static void pause_accepting(struct loop *loop, bool is_paused)
{
    struct epoll_event event = { .events = is_paused ? 0 : EPOLLIN, .data.ptr = NULL };
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, loop->server->listen_fd, &event);
    loop->is_accept_paused = is_paused;
}

/* An IPv4 address that came in IPv6's clothes is told as itself. */
static void name_peer(const struct sockaddr_storage *peer, char *out, socklen_t room)
{
    const void *address = &((const struct sockaddr_in *)peer)->sin_addr;
    int family = peer->ss_family;
    if (family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)peer)->sin6_addr;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(v6);
        family = is_mapped ? AF_INET : AF_INET6;
        address = is_mapped ? (const void *)(v6->s6_addr + 12) : v6;
    }
    if (!inet_ntop(family, address, out, room))
        out[0] = '\0';
}

/* Connections over the limit are taken in a small number all the same, so that
 * they are told why; beyond that they are closed at once. */
static void adopt(struct loop *loop, int fd, const struct sockaddr_storage *peer)
{
    struct http_server *server = loop->server;
    unsigned limit = server->settings.connections;
    unsigned count = atomic_load(&server->connection_count);
    struct connection *c = NULL;
    if (count < limit + limit / 8 + 16)
        c = connection_new(server, fd, is_loopback(peer), count >= limit);
    if (!c) {
        close(fd);
        return;
    }
    name_peer(peer, c->peer_address, sizeof c->peer_address);
    c->loop = &server->loops[loop->next_loop];
    loop->next_loop = (loop->next_loop + 1) % server->loop_count;
    loop_return(c);
}

static void accept_some(struct loop *loop)
{
    for (int i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int fd = accept4(loop->server->listen_fd, (struct sockaddr *)&peer, &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            adopt(loop, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_accepting(loop, true);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static void stop_accepting(struct loop *loop)
{
    struct http_server *server = loop->server;
    if (!loop->is_first || !atomic_load(&server->is_accepting))
        return;
    close(server->listen_fd);
    server->listen_fd = -1;
    atomic_store(&server->is_accepting, false);
    for (unsigned i = 1; i < server->loop_count; i++)
        loop_wake(&server->loops[i]);
}

static bool is_unused(const struct connection *c)
{
    return c->phase == PHASE_HEAD && c->in.length == c->in_at;
}

/* Deadlines, idle memory, and while stopping whatever may be closed. */
static void tick(struct loop *loop, bool is_stopping)
{
    int64_t now_us = loop->worker.now_us;
    bool is_cut = is_stopping && now_us >= atomic_load(&loop->server->cut_us);
    loop->ticked_us = now_us;
    for (struct connection *c = loop->newest, *older; c; c = older) {
        older = c->older;
        if (atomic_load(&c->events) & EVENT_POOL) {
            if (is_cut)
                (void)shutdown(c->fd, SHUT_RDWR); /* ends what it sends or waits for */
            continue;
        }
        if (is_cut)
            apply_events(c, EVENT_GONE);
        else if (is_stopping && is_unused(c))
            c->phase = PHASE_CLOSE;
        else if (c->deadline_us && now_us >= c->deadline_us)
            connection_expire(c, &loop->worker);
        else if (is_unused(c) && c->in.bytes)
            buf_release(&c->in);
        else
            continue;
        drive(loop, c);
    }
}

static bool is_done(struct loop *loop)
{
    return !loop->newest && !atomic_load(&loop->server->is_accepting) &&
           !atomic_load(&loop->returned);
}

void *loop_run(void *context)
{
    struct loop *loop = context;
    struct http_server *server = loop->server;
    struct epoll_event events[EVENTS];
    os_thread_be_prompt();
    for (;;) {
        bool may_sleep = !loop->newest && !loop->is_accept_paused;
        int count = epoll_wait(loop->epoll_fd, events, EVENTS, may_sleep ? -1 : TICK_MS);
        loop->worker.now_us = os_monotonic_us();
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == loop) {
                uint64_t ignored;
                ssize_t n = read(loop->wake_fd, &ignored, sizeof ignored);
                (void)n;
            } else if (!events[i].data.ptr) {
                accept_some(loop);
            } else {
                on_event(loop, events[i].data.ptr, events[i].events);
            }
        }
        take_returned(loop);
        bool is_stopping = atomic_load(&server->is_stopping);
        if (is_stopping)
            stop_accepting(loop);
        if (is_stopping || loop->worker.now_us - loop->ticked_us >= TICK_MS * 1000) {
            tick(loop, is_stopping);
            if (loop->is_accept_paused && !is_stopping)
                pause_accepting(loop, false);
        }
        if (is_stopping && is_done(loop))
            return NULL;
    }
}
