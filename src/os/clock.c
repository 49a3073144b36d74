#include "os/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t offset;

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t os_now_us(void)
{
    return read_clock(CLOCK_REALTIME) + atomic_load_explicit(&offset, memory_order_relaxed);
}

int64_t os_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void os_sleep_us(int64_t duration_us)
{
    if (duration_us <= 0)
        return;
    struct timespec left = { duration_us / 1000000, duration_us % 1000000 * 1000 };
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

void os_clock_offset_us(int64_t offset_us)
{
    atomic_store(&offset, offset_us);
}
