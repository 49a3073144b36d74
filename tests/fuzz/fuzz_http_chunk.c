/* Whatever the bytes: decoding gives the same however they are cut, and never
 * more than came. The first byte says where to cut. */
#include "base/buf.h"
#include "base/check.h"
#include "http/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum chunk_result decode(struct slice bytes, size_t piece, struct buf *out,
                                size_t *ret_left)
{
    struct chunk chunk = { 0 };
    enum chunk_result result = CHUNK_WANTS_MORE;
    while (bytes.length && result == CHUNK_WANTS_MORE) {
        struct slice in = slice_head(bytes, piece), data;
        size_t given = in.length;
        while ((result = chunk_next(&chunk, &in, &data)) == CHUNK_GIVES_DATA)
            buf_append(out, data);
        bytes = slice_from(bytes, given - in.length);
        CHECK(in.length == 0 || result != CHUNK_WANTS_MORE);
    }
    *ret_left = bytes.length;
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct slice bytes = slice_of((const char *)data + 1, size - 1);
    struct buf whole, cut;
    size_t whole_left, cut_left;
    buf_init(&whole, size);
    buf_init(&cut, size);
    enum chunk_result result = decode(bytes, size, &whole, &whole_left);
    CHECK(decode(bytes, 1u + data[0] % 17u, &cut, &cut_left) == result);
    CHECK(!buf_status(&whole) && whole.length < size);
    CHECK(slice_equal(buf_slice(&whole), buf_slice(&cut)));
    if (result == CHUNK_IS_DONE)
        CHECK(whole_left == cut_left);
    buf_release(&whole);
    buf_release(&cut);
    return 0;
}
