/* base/arena.h - memory freed all at once.
 *
 * Pieces are cut from larger blocks and live until arena_release() or until an
 * arena_rewind() to a mark taken before them. Every request, job and
 * compaction owns one. Its ceiling makes a hostile body exhaust its own
 * budget, never the machine. Not thread-safe. Under AddressSanitizer each
 * piece gets a block of its own, so that an overrun is seen.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/slice.h"

struct arena {
    struct arena_block *block; /* newest, owned; older ones hang off it */
    size_t used_bytes;         /* cut from the newest block */
    size_t total_bytes;        /* taken from the system, all blocks */
    size_t limit_bytes;        /* ceiling of total_bytes */
};

/* A place to rewind to. */
struct arena_mark {
    struct arena_block *block;
    size_t used_bytes;
};

/* Start empty; takes no memory and cannot fail. */
void arena_init(struct arena *a, size_t limit_bytes);

/* Free every piece; the arena is again as arena_init() left it. */
void arena_release(struct arena *a);

/* size_bytes (> 0) of zeroed memory aligned for any type, owned by the
 * arena; NULL when the ceiling or the system refuses. */
MUST_USE void *arena_alloc(struct arena *a, size_t size_bytes);

/* count * size_bytes, refusing overflow. A count of 0 gives a valid pointer. */
MUST_USE void *arena_array(struct arena *a, size_t count, size_t size_bytes);

/* Like arena_alloc() without zeroing, for bytes that are written at once. */
MUST_USE void *arena_raw(struct arena *a, size_t size_bytes);

/* Give back the end of a piece of `size_bytes`, of which the first `keep_bytes`
 * stay, if it is the newest piece; else nothing happens. */
void arena_trim(struct arena *a, void *piece, size_t size_bytes, size_t keep_bytes);

/* A NUL-terminated copy; NULL when refused. */
MUST_USE char *arena_copy(struct arena *a, struct slice s);

/* A formatted, NUL-terminated text; bytes is NULL when refused. */
MUST_USE struct slice arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

/* Scratch: free all that was cut since the mark. */
struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark mark);

#endif
