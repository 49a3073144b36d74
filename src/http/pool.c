/* The threads that run handlers and producers. */
#include "http/server.h"

#include <stdlib.h>

#include "os/clock.h"

enum { LONG_BODY_BYTES = 64 * 1024 }; /* handled in milliseconds rather than less */

/* One thread is woken at a time; it wakes the next if it finds more than it can
 * take. So a burst of short requests is worked off by few threads that stay
 * awake, and long ones are spread as quickly as threads can wake. */
static bool may_wake(struct pool *pool)
{
    if (pool->idle_count == 0 || pool->is_waking)
        return false;
    pool->is_waking = true;
    return true;
}

struct pool *pool_for(const struct connection *c)
{
    return c->body.length >= LONG_BODY_BYTES ? &c->server->long_pool : &c->server->pool;
}

void pool_submit(struct pool *pool, struct connection *c)
{
    c->next = NULL;
    mutex_lock(&pool->mutex);
    if (pool->last)
        pool->last->next = c;
    else
        pool->first = c;
    pool->last = c;
    pool->queue_length++;
    bool wakes = may_wake(pool);
    mutex_unlock(&pool->mutex);
    if (wakes)
        cond_signal(&pool->work);
}

unsigned pool_queue_length(struct pool *pool)
{
    mutex_lock(&pool->mutex);
    unsigned length = pool->queue_length;
    mutex_unlock(&pool->mutex);
    return length;
}

/* NULL when the pool stops and nothing is left. */
static struct connection *pool_take(struct pool *pool)
{
    mutex_lock(&pool->mutex);
    while (!pool->first && !pool->is_stopping) {
        pool->idle_count++;
        cond_wait(&pool->work, &pool->mutex);
        pool->idle_count--;
        pool->is_waking = false;
    }
    struct connection *c = pool->first;
    if (c) {
        pool->first = c->next;
        pool->queue_length--;
        if (!pool->first)
            pool->last = NULL;
    }
    bool wakes = pool->first && may_wake(pool);
    mutex_unlock(&pool->mutex);
    if (wakes)
        cond_signal(&pool->work);
    return c;
}

/* Run until the connection waits for its socket or the loop must go on. When it
 * waits and nothing happened meanwhile, it is let go without waking the loop:
 * the next edge finds it. After that, *c may be gone at once. */
static void pool_work(struct pool *pool, struct connection *c, struct worker *w)
{
    enum step step;
    w->now_us = os_monotonic_us();
    do
        step = c->phase == PHASE_CLOSE ? STEP_LOOP : connection_step(c, w);
    while (step == STEP_GO);
    unsigned expected = EVENT_POOL;
    if (step == STEP_YIELD)
        pool_submit(pool, c);
    else if (step == STEP_LOOP ||
             !atomic_compare_exchange_strong(&c->events, &expected, 0))
        loop_return(c);
}

static void *pool_run(void *context)
{
    struct pool *pool = context;
    struct worker w;
    /* Without memory for a hash context at start the thread is no use; others go on. */
    if (worker_init(&w, pool->server, true))
        return NULL;
    if (pool->is_long)
        os_thread_be_nice();
    else
        os_thread_be_prompt();
    for (struct connection *c; (c = pool_take(pool));)
        pool_work(pool, c, &w);
    worker_release(&w);
    return NULL;
}

enum err pool_start(struct pool *pool, struct http_server *server, unsigned threads,
                    bool is_long)
{
    *pool = (struct pool){ .server = server, .is_long = is_long };
    mutex_init(&pool->mutex);
    cond_init(&pool->work);
    pool->threads = calloc(threads, sizeof *pool->threads);
    while (pool->threads && pool->thread_count < threads) {
        if (thread_start(&pool->threads[pool->thread_count], pool_run, pool))
            break;
        pool->thread_count++;
    }
    return pool->thread_count == threads ? ERR_NONE : ERR_NO_MEMORY;
}

void pool_stop(struct pool *pool)
{
    mutex_lock(&pool->mutex);
    pool->is_stopping = true;
    mutex_unlock(&pool->mutex);
    cond_broadcast(&pool->work);
    for (unsigned i = 0; i < pool->thread_count; i++)
        thread_join(pool->threads[i]);
    CHECK(!pool->first);
    cond_destroy(&pool->work);
    mutex_destroy(&pool->mutex);
    free(pool->threads);
    *pool = (struct pool){ 0 };
}
