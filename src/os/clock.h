/* os/clock.h - time, the only place that asks for it.
 *
 * Tests may shift the wall clock with os_clock_offset_us() to play clock
 * jumps. Thread-safe.
 */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdint.h>

/* Microseconds since 1970-01-01T00:00:00Z. May jump. */
int64_t os_now_us(void);

/* Microseconds that never go back; only differences mean anything. */
int64_t os_monotonic_us(void);

void os_sleep_us(int64_t duration_us);

/* For tests: added to os_now_us() from now on. */
void os_clock_offset_us(int64_t offset_us);

#endif
