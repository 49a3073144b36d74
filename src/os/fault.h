/* os/fault.h - pages of mapped files that cannot be read.
 *
 * Touching a mapped page that the disk does not give raises SIGBUS, which ends the
 * process. Not so in a mapping that is watched: the page gives way to one of zeros,
 * and the mapping is marked. So the thread that touched it goes on, with bytes that
 * are wrong, and every other thread that reads the page finds the same zeros.
 *
 * Hence two duties of whoever reads a watched mapping:
 *
 *   - Note os_faults() before the first byte is read, and ask os_watch_failed() before
 *     anything that was made of the bytes is used: that covers bytes which were right
 *     when their checksum was compared and zeros when they were used.
 *   - Compare checksums at every reading that begins later: zeros fail them.
 *
 * Any other SIGBUS (a plain mapping, kill, memory that is broken elsewhere) does what
 * it did before. Thread-safe.
 */
#ifndef OS_FAULT_H
#define OS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct os_watch;

/* Watch `size` bytes from the page-aligned `bytes`, which stay mapped, read-only,
 * until the end. ERR_NO_MEMORY. */
MUST_USE enum err os_watch_begin(const void *bytes, size_t size, struct os_watch **ret);
/* Before they are unmapped. Nobody reads them any more. */
void os_watch_end(struct os_watch *watch);

/* Changes with every fault in any of them: what it was and is equal, and says that
 * nothing has failed between, if os_faults_are_none(). Cheap. */
uint64_t os_faults(void);
bool os_faults_are_none(uint64_t since);
/* Has a page of it failed since os_faults() was that? 0: ever. */
bool os_watch_failed(const struct os_watch *watch, uint64_t since);

/* Take the signal, unless we have it. os_watch_begin() does; who knows that someone
 * else has taken it since (cmocka does, for each test) calls it again. */
void os_faults_catch(void);

#endif
