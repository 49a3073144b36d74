#include "http/chunk.h"

#include "base/check.h"
#include "base/codec.h"

enum { SIZE_DIGITS_MAX = 15 };

static enum chunk_state after_size(struct chunk *chunk, unsigned char c)
{
    int digit = hex_value((char)c);
    if (digit >= 0) {
        if (++chunk->digits > SIZE_DIGITS_MAX)
            return CHUNK_BAD;
        chunk->left_bytes = chunk->left_bytes << 4 | (unsigned)digit;
        return CHUNK_SIZE;
    }
    if (c == '\r' && chunk->digits)
        return CHUNK_SIZE_LF;
    return c == ';' && chunk->digits ? CHUNK_EXTENSION : CHUNK_BAD;
}

/* A byte of an extension or trailer: `stay` until its line ends. */
static enum chunk_state after_extra(struct chunk *chunk, unsigned char c, enum chunk_state stay,
                                    enum chunk_state end)
{
    if (c == '\r')
        return end;
    bool is_text = (c >= 0x20 && c != 0x7f) || c == '\t';
    return is_text && ++chunk->extra_bytes <= CHUNK_EXTRA_BYTES_MAX ? stay : CHUNK_BAD;
}

/* The state behind one byte of framing. */
static enum chunk_state chunk_feed(struct chunk *chunk, unsigned char c)
{
    switch (chunk->state) {
    case CHUNK_SIZE_FIRST:
        chunk->digits = 0;
        chunk->left_bytes = 0;
        return after_size(chunk, c);
    case CHUNK_SIZE:
        return after_size(chunk, c);
    case CHUNK_EXTENSION:
        return after_extra(chunk, c, CHUNK_EXTENSION, CHUNK_SIZE_LF);
    case CHUNK_SIZE_LF:
        if (c != '\n')
            return CHUNK_BAD;
        return chunk->left_bytes ? CHUNK_DATA : CHUNK_TRAILER_START;
    case CHUNK_DATA_CR:
        return c == '\r' ? CHUNK_DATA_LF : CHUNK_BAD;
    case CHUNK_DATA_LF:
        return c == '\n' ? CHUNK_SIZE_FIRST : CHUNK_BAD;
    case CHUNK_TRAILER_START:
        return after_extra(chunk, c, CHUNK_TRAILER, CHUNK_LAST_LF);
    case CHUNK_TRAILER:
        return after_extra(chunk, c, CHUNK_TRAILER, CHUNK_TRAILER_LF);
    case CHUNK_TRAILER_LF:
        return c == '\n' ? CHUNK_TRAILER_START : CHUNK_BAD;
    case CHUNK_LAST_LF:
        return c == '\n' ? CHUNK_END : CHUNK_BAD;
    case CHUNK_DATA:
    case CHUNK_END:
    case CHUNK_BAD:
        break;
    }
    return CHUNK_BAD;
}

enum chunk_result chunk_next(struct chunk *chunk, struct slice *in, struct slice *ret_data)
{
    *ret_data = SLICE_NONE;
    for (;;) {
        if (chunk->state == CHUNK_END)
            return CHUNK_IS_DONE;
        if (chunk->state == CHUNK_BAD)
            return CHUNK_IS_BAD;
        if (in->length == 0)
            return CHUNK_WANTS_MORE;
        if (chunk->state != CHUNK_DATA) {
            chunk->state = chunk_feed(chunk, (unsigned char)in->bytes[0]);
            *in = slice_from(*in, 1);
            continue;
        }
        *ret_data = slice_head(*in, (size_t)MIN((uint64_t)in->length, chunk->left_bytes));
        *in = slice_from(*in, ret_data->length);
        chunk->left_bytes -= ret_data->length;
        if (chunk->left_bytes == 0)
            chunk->state = CHUNK_DATA_CR;
        return CHUNK_GIVES_DATA;
    }
}
