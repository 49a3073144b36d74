#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_BYTES = 256 };

void buf_init(struct buf *b, size_t limit_bytes)
{
    CHECK(limit_bytes <= SIZE_MAX / 4);
    *b = (struct buf){ .limit_bytes = limit_bytes };
}

void buf_release(struct buf *b)
{
    free(b->bytes);
    *b = (struct buf){ .limit_bytes = b->limit_bytes };
}

void buf_clear(struct buf *b)
{
    b->length = 0;
    b->failure = ERR_NONE;
}

enum err buf_status(const struct buf *b)
{
    return b->failure;
}

static char *buf_fail(struct buf *b, enum err failure)
{
    b->failure = failure;
    return NULL;
}

void buf_spoil(struct buf *b, enum err failure)
{
    if (failure && !b->failure)
        b->failure = failure;
}

char *buf_reserve(struct buf *b, size_t length)
{
    if (b->failure)
        return NULL;
    if (length > b->limit_bytes - b->length)
        return buf_fail(b, ERR_LIMIT);

    size_t need_bytes = b->length + length;
    if (need_bytes > b->room_bytes || !b->bytes) {
        size_t wish = MAX(MAX(b->room_bytes * 2, need_bytes), (size_t)SMALLEST_BYTES);
        char *bytes = realloc(b->bytes, wish);
        if (!bytes)
            return buf_fail(b, ERR_NO_MEMORY);
        b->bytes = bytes;
        b->room_bytes = wish;
    }
    return b->bytes + b->length;
}

char *buf_extend(struct buf *b, size_t length)
{
    char *at = buf_reserve(b, length);
    if (at)
        b->length += length;
    return at;
}

void buf_append(struct buf *b, struct slice s)
{
    if (s.length == 0)
        return;
    char *at = buf_extend(b, s.length);
    if (at)
        memcpy(at, s.bytes, s.length);
}

void buf_append_cstr(struct buf *b, const char *text)
{
    buf_append(b, slice_cstr(text));
}

void buf_append_byte(struct buf *b, char byte)
{
    char *at = buf_extend(b, 1);
    if (at)
        *at = byte;
}

void buf_append_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_append(b, slice_of(digits + at, sizeof digits - at));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buf_fail(b, ERR_INTERNAL);
        return;
    }
    char *at = buf_reserve(b, (size_t)length + 1);
    if (!at)
        return;
    va_start(args, format);
    vsnprintf(at, (size_t)length + 1, format, args);
    va_end(args);
    b->length += (size_t)length;
}

char *buf_take(struct buf *b, size_t *ret_length)
{
    char *bytes = b->bytes;
    *ret_length = b->length;
    *b = (struct buf){ .limit_bytes = b->limit_bytes };
    return bytes;
}
