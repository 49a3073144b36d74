#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static _Atomic int current_level = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

void log_line(enum log_level level, const char *area, const char *format, ...)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    if ((int)level > atomic_load_explicit(&current_level, memory_order_relaxed))
        return;

    char line[2048];
    int used = snprintf(line, sizeof line, "%s %s: ", names[level], area);
    if (used < 0 || (size_t)used >= sizeof line)
        return;
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, args);
    va_end(args);
    size_t length = more < 0 ? (size_t)used
                             : MIN((size_t)used + (size_t)more, sizeof line - 2);
    line[length] = '\n';
    fwrite(line, 1, length + 1, stderr);
}
