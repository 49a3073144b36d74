/* base/check.h - assertions, attributes and the one control-flow macro.
 *
 * CHECK stays on in release builds: it guards promises between functions, and
 * a broken one stops the program. ASSERT is for hot loops and vanishes with
 * NDEBUG. Bytes from a disk or a socket are never CHECKed: they are refused
 * with an ordinary error.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(at, args) __attribute__((__format__(__printf__, at, args)))
#define UNUSED __attribute__((unused))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Print where and what, then abort. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define CHECK(condition) \
    (LIKELY(condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#ifdef NDEBUG
#define ASSERT(condition) ((void)sizeof(!(condition)))
#else
#define ASSERT(condition) CHECK(condition)
#endif

/* Return the error of `expression` unless it is ERR_NONE. For functions that
 * own nothing outside an arena; others use `goto done`. */
#define TRY(expression)                  \
    do {                                 \
        enum err try_err = (expression); \
        if (UNLIKELY(try_err))           \
            return try_err;              \
    } while (0)

#endif
