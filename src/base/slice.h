/* base/slice.h - a borrowed run of bytes.
 *
 * A slice owns nothing and need not end in NUL. Whoever hands one out says
 * what it points into and how long that lives. The empty slice has length 0;
 * its pointer may be NULL. All functions are pure.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *bytes; /* borrowed */
    size_t length;     /* in bytes */
};

/* A slice of a string literal, also in constant initialisers. */
#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
#define SLICE_INIT(literal) { (literal), sizeof(literal) - 1 }
#define SLICE_NONE ((struct slice){ NULL, 0 })

/* For printf: "%.*s", SLICE_ARGS(s). */
#define SLICE_ARGS(s) (int)(s).length, ((s).bytes ? (s).bytes : "")

static inline struct slice slice_of(const char *bytes, size_t length)
{
    return (struct slice){ bytes, length };
}

/* The bytes of a NUL-terminated string; NULL gives the empty slice. */
static inline struct slice slice_cstr(const char *text)
{
    return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_cstr(text));
}

/* From `start` (clamped to the length) to the end. */
static inline struct slice slice_from(struct slice s, size_t start)
{
    if (start >= s.length)
        return (struct slice){ s.bytes ? s.bytes + s.length : NULL, 0 };
    return (struct slice){ s.bytes + start, s.length - start };
}

/* The first `length` bytes (clamped). */
static inline struct slice slice_head(struct slice s, size_t length)
{
    return (struct slice){ s.bytes, length < s.length ? length : s.length };
}

/* Byte order; a prefix comes before what it begins. <0, 0, >0. */
int slice_compare(struct slice a, struct slice b);

/* Equal but for the case of ASCII letters. */
bool slice_equal_nocase(struct slice a, struct slice b);

bool slice_starts_with(struct slice s, struct slice prefix);
bool slice_ends_with(struct slice s, struct slice suffix);

/* Index of the first `byte` or of the first `needle`; -1 when absent. */
ptrdiff_t slice_find_byte(struct slice s, char byte);
ptrdiff_t slice_find(struct slice s, struct slice needle);

/* Index of the last `byte`; -1 when absent. */
ptrdiff_t slice_find_last_byte(struct slice s, char byte);

/* Without blanks, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/* Cut at the first `separator`: returns what stands before it and leaves in
 * *rest what stands behind. Without a separator returns all and leaves *rest
 * empty with a NULL pointer. Loop: while (rest.bytes) part = slice_cut(...). */
struct slice slice_cut(struct slice *rest, char separator);

/* Decimal digits only, no sign, no overflow; false otherwise. */
bool slice_parse_u64(struct slice s, uint64_t *ret_value);

#endif
