/* base/buf.h - a growing run of owned bytes with a stated ceiling.
 *
 * Appending past the ceiling or out of memory marks the buffer failed; later
 * appends do nothing. So a writer appends freely and asks buf_status() once at
 * the end. The bytes move when the buffer grows: slices into it live until the
 * next append. Not thread-safe.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

struct buf {
    char *bytes;        /* owned; NULL while nothing was appended */
    size_t length;      /* in use */
    size_t room_bytes;  /* allocated */
    size_t limit_bytes; /* ceiling of length */
    enum err failure;   /* first failure: ERR_LIMIT or ERR_NO_MEMORY */
};

/* Start empty; takes no memory and cannot fail. */
void buf_init(struct buf *b, size_t limit_bytes);

/* Free the bytes; the buffer is again as buf_init() left it. */
void buf_release(struct buf *b);

/* Forget the content and any failure, keep the memory. */
void buf_clear(struct buf *b);

/* ERR_NONE while every append so far succeeded. */
MUST_USE enum err buf_status(const struct buf *b);
/* What is appended rests on something that failed: as if appending it had. */
void buf_spoil(struct buf *b, enum err failure);

/* `length` writable bytes behind the content, already counted in; NULL (and
 * failed) when refused. */
char *buf_extend(struct buf *b, size_t length);

/* Room for `length` more bytes without counting them in; NULL when refused. */
char *buf_reserve(struct buf *b, size_t length);

void buf_append(struct buf *b, struct slice s);
void buf_append_cstr(struct buf *b, const char *text);
void buf_append_byte(struct buf *b, char byte);
void buf_append_u64(struct buf *b, uint64_t value); /* decimal */
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* The content, borrowed until the next append. */
static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->bytes, b->length);
}

/* The bytes, owned by the caller (free()); the buffer is empty afterwards. */
MUST_USE char *buf_take(struct buf *b, size_t *ret_length);

#endif
