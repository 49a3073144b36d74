/* http/server.h - what the server's threads share. Private to http/.
 *
 * Lock order: there is only the pool's. Everything else shared is atomic or
 * written before the threads start.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/connection.h"
#include "os/thread.h"

/* Connections that wait for a pool thread, oldest first. There are two: what sends a
 * large body has threads of its own, which are nice, so that however many of those come
 * and however long they take, what is short finds a thread and the processor. */
struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct connection *first, *last; /* by connection.next; under mutex */
    unsigned queue_length;           /* under mutex */
    unsigned idle_count;             /* threads that wait; under mutex */
    bool is_waking;                  /* one was signalled and is not there yet; under mutex */
    bool is_stopping;                /* under mutex */
    bool is_long;                    /* its threads take large bodies */
    struct http_server *server;
    pthread_t *threads;
    unsigned thread_count;
};

struct loop {
    struct http_server *server;
    struct worker worker;
    pthread_t thread;
    int epoll_fd, wake_fd;
    bool is_first;           /* accepts for all */
    bool is_accept_paused;   /* out of descriptors, until the next tick */
    unsigned next_loop;      /* that gets the next connection; first loop only */
    struct connection *newest; /* all that are listed; loop only */
    int64_t ticked_us;
    _Atomic(struct connection *) returned; /* by connection.next, newest first */
};

struct http_server {
    struct http_server_settings settings;
    int listen_fd; /* the first loop's once the threads run */
    uint16_t port;
    struct loop *loops;
    unsigned loop_count;
    struct pool pool, long_pool;
    EVP_MD *sha256;
    atomic_size_t bodies_bytes;  /* reserved by bodies in flight */
    atomic_uint connection_count;
    atomic_bool is_stopping;
    atomic_bool is_accepting;    /* the first loop may still hand out connections */
    atomic_llong cut_us;         /* monotonic; when stopping cuts what is left */
};

/* ---- pool.c ---- */

MUST_USE enum err pool_start(struct pool *pool, struct http_server *server, unsigned threads,
                             bool is_long);
void pool_stop(struct pool *pool); /* runs what is queued first */
/* The one that c belongs to. */
struct pool *pool_for(const struct connection *c);
/* The caller owns c and has set EVENT_POOL. */
void pool_submit(struct pool *pool, struct connection *c);
unsigned pool_queue_length(struct pool *pool);

/* ---- loop.c ---- */

MUST_USE enum err loop_open(struct loop *loop, struct http_server *server, bool is_first);
void loop_close(struct loop *loop);
void *loop_run(void *loop);
/* Give a connection with EVENT_POOL set (back) to its loop. Any thread. */
void loop_return(struct connection *c);
void loop_wake(struct loop *loop);

/* ---- worker, in server.c ---- */

MUST_USE enum err worker_init(struct worker *w, struct http_server *server, bool is_pool);
void worker_release(struct worker *w);

/* Take from or give back to the budget of bodies in flight. */
bool server_reserve(struct http_server *server, size_t bytes);
void server_unreserve(struct http_server *server, size_t bytes);

static inline int64_t server_idle_us(const struct http_server *server)
{
    return (int64_t)server->settings.idle_seconds * 1000000;
}

#endif
