/* tests/unit/refuse.h - memory and threads that are refused.
 *
 * A program linked with REFUSE_FLAGS (mk/refuse.mk) has its own malloc, calloc,
 * realloc, strdup, mmap, pthread_create and arena functions in front of those that our
 * code calls; libraries keep theirs. Nothing is refused until refuse_begin(). From then
 * on each call is known by the way it was come to (the functions above it): the first
 * call on each way is refused, or a share of the ways, chosen by the seed. So in one run
 * everything that can be refused is, once, and what is tried again meets the next.
 *
 * The test's own calls are let through: in the thread that began, only what is called
 * inside PATIENT() is refused; other threads are the store's, and all theirs may be.
 */
#ifndef TESTS_UNIT_REFUSE_H
#define TESTS_UNIT_REFUSE_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "base/arena.h"

extern const char __executable_start; /* the linker's */

enum { REFUSE_WAYS = 1 << 16, REFUSE_DEPTH = 12, REFUSE_PATIENCE = 100000 };

static struct {
    _Atomic bool is_on;
    pthread_t tester;
    uint64_t seed;
    unsigned share_mine, share_others; /* one of so many ways; 0: none */
    _Atomic uint64_t ways[REFUSE_WAYS];
    _Atomic uint64_t refused, known;
    _Atomic uintptr_t last[REFUSE_DEPTH];
} refuse;

static _Thread_local int refuse_depth; /* inside PATIENT() */

static inline void refuse_begin(uint64_t seed, unsigned share_mine, unsigned share_others)
{
    for (size_t i = 0; i < REFUSE_WAYS; i++)
        atomic_store_explicit(&refuse.ways[i], 0, memory_order_relaxed);
    refuse.tester = pthread_self();
    refuse.seed = seed;
    refuse.share_mine = share_mine;
    refuse.share_others = share_others;
    atomic_store(&refuse.refused, 0);
    atomic_store(&refuse.known, 0);
    atomic_store(&refuse.is_on, true);
}

static inline void refuse_end(void)
{
    atomic_store(&refuse.is_on, false);
}

/* The return addresses above, by the frame pointers that our code keeps. Where a
 * library's frame has none, the chain ends. */
__attribute__((noinline, no_sanitize("address", "undefined"))) static uint64_t refuse_way(
    uint64_t what, uintptr_t ret_frames[])
{
    uintptr_t *frame = __builtin_frame_address(0);
    uint64_t hash = what * UINT64_C(0x9e3779b97f4a7c15);
    memset(ret_frames, 0, REFUSE_DEPTH * sizeof *ret_frames);
    for (int i = 0; i < REFUSE_DEPTH; i++) {
        ret_frames[i] = frame[1] - (uintptr_t)&__executable_start - 1;
        uintptr_t *above = (uintptr_t *)frame[0]; /* NOLINT */
        hash = (hash ^ frame[1]) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
        if (above <= frame || (uintptr_t)above - (uintptr_t)frame > 1 << 18 ||
            (uintptr_t)above % sizeof(void *))
            break;
        frame = above;
    }
    return hash ? hash : 1;
}

/* True the first time. */
static inline bool refuse_is_new(uint64_t way)
{
    for (size_t at = (size_t)way % REFUSE_WAYS, i = 0; i < REFUSE_WAYS; i++) {
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&refuse.ways[at], &there, way)) {
            atomic_fetch_add(&refuse.known, 1);
            return true;
        }
        if (there == way)
            return false;
        at = (at + 1) % REFUSE_WAYS;
    }
    return false;
}

__attribute__((noinline)) static bool refuse_this(uint64_t what)
{
    if (!atomic_load(&refuse.is_on))
        return false;
    bool is_mine = pthread_equal(pthread_self(), refuse.tester);
    unsigned share = is_mine ? refuse.share_mine : refuse.share_others;
    if (!share || (is_mine && !refuse_depth))
        return false;
    uintptr_t frames[REFUSE_DEPTH];
    uint64_t way = refuse_way(what, frames);
    if (!refuse_is_new(way) || ((way ^ refuse.seed) * UINT64_C(0x9e3779b97f4a7c15) >> 33) % share)
        return false;
    atomic_fetch_add(&refuse.refused, 1);
    for (int i = 0; i < REFUSE_DEPTH; i++)
        atomic_store(&refuse.last[i], frames[i]);
    errno = ENOMEM;
    return true;
}

/* Do it again as long as it fails for want of memory: then it must come to what it
 * would have come to at once. */
#define PATIENT(call)                                                                         \
    ({                                                                                        \
        enum err patient_err;                                                                 \
        int patient_tries = 0;                                                                \
        do {                                                                                  \
            uint64_t patient_before = atomic_load(&refuse.refused);                           \
            refuse_depth++;                                                                   \
            patient_err = (call);                                                             \
            refuse_depth--;                                                                   \
            if (!refuse_is_want(patient_err) ||                                               \
                (atomic_load(&refuse.refused) == patient_before && patient_tries > 100))      \
                break;                                                                        \
        } while (++patient_tries < REFUSE_PATIENCE);                                          \
        if (patient_err && patient_err != ERR_GONE && atomic_load(&refuse.is_on))             \
            refuse_tell(#call, patient_err);                                                  \
        patient_err;                                                                          \
    })

/* What was refused last, as addr2line -e PROGRAM takes it. */
static inline void refuse_tell(const char *call, enum err err)
{
    fprintf(stderr, "%s: %s after", call, err_name(err));
    for (int i = 0; i < REFUSE_DEPTH; i++)
        fprintf(stderr, " %lx", (unsigned long)refuse.last[i]);
    fprintf(stderr, "\n");
}

static inline bool refuse_is_want(enum err err)
{
    /* BUSY: what was refused in another thread is tried again there, later than this waits. */
    return atomic_load(&refuse.is_on) &&
           (err == ERR_NO_MEMORY || err == ERR_LIMIT || err == ERR_BUSY);
}

/* ---- what stands in front ---- */

#define REFUSE_FRONT(result, name, what, none, parameters, arguments) \
    result __real_##name parameters;                                  \
    result __wrap_##name parameters;                                  \
    result __wrap_##name parameters                                   \
    {                                                                 \
        return refuse_this(what) ? (none) : __real_##name arguments;  \
    }

REFUSE_FRONT(void *, malloc, 1, NULL, (size_t size), (size))
REFUSE_FRONT(void *, calloc, 2, NULL, (size_t count, size_t size), (count, size))
REFUSE_FRONT(void *, realloc, 3, NULL, (void *old, size_t size), (old, size))
REFUSE_FRONT(char *, strdup, 4, NULL, (const char *text), (text))
REFUSE_FRONT(int, pthread_create, 5, EAGAIN,
             (pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *context),
             (t, attr, run, context))
REFUSE_FRONT(void *, mmap, 6, MAP_FAILED,
             (void *at, size_t size, int protection, int flags, int fd, off_t offset),
             (at, size, protection, flags, fd, offset))
REFUSE_FRONT(void *, arena_raw, 7, NULL, (struct arena *a, size_t size), (a, size))
REFUSE_FRONT(void *, arena_alloc, 8, NULL, (struct arena *a, size_t size), (a, size))
REFUSE_FRONT(void *, arena_array, 9, NULL, (struct arena *a, size_t count, size_t size),
             (a, count, size))
REFUSE_FRONT(char *, arena_copy, 10, NULL, (struct arena *a, struct slice s), (a, s))

struct slice __wrap_arena_printf(struct arena *a, const char *format, ...);
struct slice __wrap_arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = refuse_this(11) ? NULL : __real_arena_raw(a, (size_t)length + 1);
    if (!text)
        return SLICE_NONE;
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return slice_of(text, (size_t)length);
}

#endif
