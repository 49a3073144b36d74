#include "http/server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/random.h"

enum { LOOPS_MAX = 64, POOL_MAX = 1024, DEFAULT_LOOPS_MAX = 4, DEFAULT_POOL_MAX = 32 };

enum err worker_init(struct worker *w, struct http_server *server, bool is_pool)
{
    *w = (struct worker){ .server = server, .is_pool = is_pool };
    os_random(w->id_state, sizeof w->id_state);
    w->sha = EVP_MD_CTX_new();
    w->scratch = is_pool ? NULL : malloc(SCRATCH_BYTES);
    w->now_us = os_monotonic_us();
    return w->sha && (is_pool || w->scratch) ? ERR_NONE : ERR_NO_MEMORY;
}

void worker_release(struct worker *w)
{
    EVP_MD_CTX_free(w->sha);
    free(w->scratch);
    *w = (struct worker){ 0 };
}

bool server_reserve(struct http_server *server, size_t bytes)
{
    size_t before = atomic_fetch_add(&server->bodies_bytes, bytes);
    size_t limit = server->settings.bodies_in_flight_bytes;
    if (before <= limit && bytes <= limit - before)
        return true;
    atomic_fetch_sub(&server->bodies_bytes, bytes);
    return false;
}

void server_unreserve(struct http_server *server, size_t bytes)
{
    if (bytes)
        atomic_fetch_sub(&server->bodies_bytes, bytes);
}

static void say(struct arena *arena, struct slice *error, const char *address, unsigned port,
                const char *why)
{
    *error = arena_printf(arena, "cannot listen on %s port %u: %s", address, port, why);
    if (!error->bytes)
        *error = SLICE("cannot listen: out of memory");
}

static int listen_on(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* What accept() returns inherits it. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static enum err server_listen(struct http_server *server, struct arena *arena,
                              struct slice *error)
{
    const char *address = server->settings.address;
    unsigned port = server->settings.port;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(address, service, &hints, &found);
    if (failure) {
        say(arena, error, address, port,
            "not an address of this machine; give one such as 127.0.0.1, ::1 or 0.0.0.0");
        return ERR_IO;
    }
    server->listen_fd = listen_on(found);
    int saved = errno;
    freeaddrinfo(found);
    if (server->listen_fd < 0) {
        say(arena, error, address, port,
            saved == EADDRINUSE ? "address in use; stop who listens there or choose another port"
                                : strerror(saved));
        return ERR_IO;
    }
    struct sockaddr_storage bound = { 0 };
    socklen_t length = sizeof bound;
    CHECK(getsockname(server->listen_fd, (struct sockaddr *)&bound, &length) == 0);
    server->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                     : ((struct sockaddr_in *)&bound)->sin_port);
    return ERR_NONE;
}

/* Thousands of connections need as many descriptors; the usual soft limit is
 * 1,024. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void settle(struct http_server_settings *s)
{
    long found = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned cores = found > 0 ? (unsigned)found : 1;
    if (!s->loop_threads)
        s->loop_threads = MIN(MAX(cores / 2, 1u), (unsigned)DEFAULT_LOOPS_MAX);
    if (!s->pool_threads)
        s->pool_threads = MIN(cores * 4, (unsigned)DEFAULT_POOL_MAX);
    s->loop_threads = MIN(s->loop_threads, (unsigned)LOOPS_MAX);
    s->pool_threads = MIN(s->pool_threads, (unsigned)POOL_MAX);
    s->bodies_in_flight_bytes = MAX(s->bodies_in_flight_bytes, s->body_bytes);
    if (!s->connections)
        s->connections = 1024;
    if (!s->idle_seconds)
        s->idle_seconds = 60;
    if (!s->header_bytes)
        s->header_bytes = (size_t)64 * 1024;
}

static void loops_stop(struct http_server *server)
{
    atomic_store(&server->is_stopping, true);
    for (unsigned i = 0; i < server->loop_count; i++)
        loop_wake(&server->loops[i]);
    for (unsigned i = 0; i < server->loop_count; i++)
        thread_join(server->loops[i].thread);
}

static void server_free(struct http_server *server)
{
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    EVP_MD_free(server->sha256);
    free(server->loops);
    free(server);
}

/* Loops are opened before any thread runs, since the first hands connections to
 * the others at once. */
static enum err threads_start(struct http_server *server)
{
    unsigned wanted = server->settings.loop_threads, opened = 0, running = 0;
    unsigned threads = server->settings.pool_threads;
    enum err err = pool_start(&server->pool, server, threads, false);
    enum err long_err = pool_start(&server->long_pool, server, threads, true);
    err = err ? err : long_err;
    while (!err && opened < wanted) {
        err = loop_open(&server->loops[opened], server, opened == 0);
        opened++;
    }
    server->loop_count = wanted;
    /* The first loop starts last: nobody accepts until all are there. */
    while (!err && running < wanted) {
        struct loop *loop = &server->loops[wanted - 1 - running];
        err = thread_start(&loop->thread, loop_run, loop);
        running += !err;
    }
    if (!err)
        return ERR_NONE;
    atomic_store(&server->is_accepting, false);
    atomic_store(&server->is_stopping, true);
    for (unsigned i = 0; i < running; i++) {
        loop_wake(&server->loops[wanted - 1 - i]);
        thread_join(server->loops[wanted - 1 - i].thread);
    }
    pool_stop(&server->pool);
    pool_stop(&server->long_pool);
    for (unsigned i = 0; i < opened; i++)
        loop_close(&server->loops[i]);
    return err;
}

enum err http_server_start(const struct http_server_settings *settings, struct arena *arena,
                           struct http_server **ret_server, struct slice *error)
{
    CHECK(settings->handler.handle && settings->body_bytes && settings->arena_bytes);
    *error = SLICE("cannot start the HTTP server: out of memory or threads");
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        return ERR_NO_MEMORY;
    server->settings = *settings;
    server->listen_fd = -1;
    settle(&server->settings);
    raise_descriptor_limit();
    atomic_init(&server->is_accepting, true);
    server->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    server->loops = calloc(server->settings.loop_threads, sizeof *server->loops);
    enum err err = server->sha256 && server->loops ? ERR_NONE : ERR_NO_MEMORY;
    if (!err)
        err = server_listen(server, arena, error);
    if (!err)
        err = threads_start(server);
    if (err) {
        server_free(server);
        return err;
    }
    server->settings.address = NULL; /* the caller's; not kept */
    *error = SLICE_NONE;
    *ret_server = server;
    return ERR_NONE;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_figures(struct http_server *server, struct http_figures *ret)
{
    *ret = (struct http_figures){
        .connections = atomic_load(&server->connection_count),
        .queue_length = pool_queue_length(&server->pool) +
                        pool_queue_length(&server->long_pool),
        .body_bytes = atomic_load(&server->bodies_bytes),
    };
}

void http_server_stop(struct http_server *server, unsigned grace_seconds)
{
    atomic_store(&server->cut_us, os_monotonic_us() + (int64_t)grace_seconds * 1000000);
    loops_stop(server);
    pool_stop(&server->pool); /* first: their threads may still be waking a loop */
    pool_stop(&server->long_pool);
    for (unsigned i = 0; i < server->loop_count; i++)
        loop_close(&server->loops[i]);
    CHECK(atomic_load(&server->connection_count) == 0);
    CHECK(atomic_load(&server->bodies_bytes) == 0);
    server_free(server);
}
