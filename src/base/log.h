/* base/log.h - lines for the operator, on standard error.
 *
 * Only the edges log (rest, control, server, sync, cli). Never a secret, never
 * health data: ids of requests and counts, not bodies and not query values.
 * One line per event, "LEVEL area: text". Thread-safe: one write per line.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/check.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* The one global that changes: lines above this level are dropped. */
void log_set_level(enum log_level level);

void log_line(enum log_level level, const char *area, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
