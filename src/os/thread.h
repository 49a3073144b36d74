/* os/thread.h - threads, locks and conditions with their promises checked.
 *
 * Thin inline wrappers over POSIX threads: what can only fail through a bug of
 * ours stops the program; only starting a thread can fail for outside reasons.
 */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <pthread.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

#include "base/err.h"

static inline void mutex_init(pthread_mutex_t *m)
{
    CHECK(pthread_mutex_init(m, NULL) == 0);
}
static inline void mutex_destroy(pthread_mutex_t *m)
{
    CHECK(pthread_mutex_destroy(m) == 0);
}
static inline void mutex_lock(pthread_mutex_t *m)
{
    CHECK(pthread_mutex_lock(m) == 0);
}
static inline void mutex_unlock(pthread_mutex_t *m)
{
    CHECK(pthread_mutex_unlock(m) == 0);
}
/* Its time is the monotonic one: a wall clock that is set back makes nobody wait. */
static inline void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t monotonic;
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(c, &monotonic) == 0);
    CHECK(pthread_condattr_destroy(&monotonic) == 0);
}
static inline void cond_destroy(pthread_cond_t *c)
{
    CHECK(pthread_cond_destroy(c) == 0);
}
static inline void cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    CHECK(pthread_cond_wait(c, m) == 0);
}
/* Or until so long has passed; or, as with cond_wait(), for no reason at all. */
static inline void cond_wait_for(pthread_cond_t *c, pthread_mutex_t *m, int64_t duration_us)
{
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    int64_t ns = until.tv_nsec + duration_us % 1000000 * 1000;
    until.tv_sec += (time_t)(duration_us / 1000000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(c, m, &until);
}
static inline void cond_signal(pthread_cond_t *c)
{
    CHECK(pthread_cond_signal(c) == 0);
}
static inline void cond_broadcast(pthread_cond_t *c)
{
    CHECK(pthread_cond_broadcast(c) == 0);
}

/* ERR_NO_MEMORY when the system refuses another thread. */
MUST_USE static inline enum err thread_start(pthread_t *t, void *(*run)(void *), void *context)
{
    return pthread_create(t, NULL, run, context) == 0 ? ERR_NONE : ERR_NO_MEMORY;
}
/* Both are requests that the system may not know or grant, and cannot be taken back. */
enum { PROMPT_SLICE_NS = 300 * 1000 };
/* Others go first where the processor is short, and leave it a tenth of their own share
 * (nice 10): for what nobody waits for, or waits for long anyway. */
void os_thread_be_nice(void);
/* Run soon after waking, in short turns (Linux 6.12 and newer): for what takes fractions
 * of a millisecond, beside threads that are busy all the time. */
void os_thread_be_prompt(void);
static inline void thread_join(pthread_t t)
{
    CHECK(pthread_join(t, NULL) == 0);
}

#endif
