/* os/process.h - what a command prints.
 *
 * The only place that starts another program.
 */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include <stdint.h>

#include "base/buf.h"

/* Run `command` by /bin/sh and append what it prints to `out`, whose ceiling bounds it.
 * Its standard input is empty, its standard error is ours. *ret_status is how it ended
 * (128 + the signal's number when one ended it). ERR_TIMEOUT and ERR_LIMIT end it, with
 * all that it started in its own process group. ERR_IO, with errno. */
MUST_USE enum err os_process_output(const char *command, int64_t timeout_ms, struct buf *out,
                                    int *ret_status);

#endif
