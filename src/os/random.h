/* os/random.h - random bytes from the kernel; thread-safe. */
#ifndef OS_RANDOM_H
#define OS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fill with bytes fit for keys and ids. Cannot fail: the kernel's pool is
 * there on every system we run on, else the program stops. */
void os_random(void *out, size_t length);

uint64_t os_random_u64(void);

#endif
