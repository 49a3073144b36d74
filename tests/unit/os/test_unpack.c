#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "os/file.h"
#include "os/unpack.h"

static enum err unpacked(struct slice content, size_t limit_bytes, struct buf *out)
{
    char path[] = "/tmp/tarn-unpack-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.bytes, content.length), content.length);
    close(fd);
    buf_release(out);
    buf_init(out, limit_bytes);
    enum err err = os_file_unpack(path, out);
    unlink(path);
    return err;
}

static void plain_and_compressed_files_read_the_same(void **state)
{
    (void)state;
    enum { BYTES = 1000000 };
    char *text = malloc(BYTES), *packed = malloc(ZSTD_compressBound(BYTES));
    assert_non_null(text);
    assert_non_null(packed);
    for (int i = 0; i < BYTES; i++)
        text[i] = (char)('a' + (unsigned)i * (unsigned)i % 23);
    size_t size = ZSTD_compress(packed, ZSTD_compressBound(BYTES), text, BYTES, 1);
    struct buf out;
    buf_init(&out, 0);
    struct slice whole = slice_of(text, BYTES);
    assert_int_equal(unpacked(whole, 2 * BYTES, &out), ERR_NONE);
    assert_true(slice_equal(buf_slice(&out), whole));
    assert_int_equal(unpacked(slice_of(packed, size), 2 * BYTES, &out), ERR_NONE);
    assert_true(slice_equal(buf_slice(&out), whole));
    assert_int_equal(unpacked(slice_of(packed, size), BYTES / 2, &out), ERR_LIMIT);
    assert_int_equal(unpacked(slice_of(packed, size / 2), 2 * BYTES, &out), ERR_CORRUPT);
    assert_int_equal(unpacked(SLICE_NONE, 10, &out), ERR_NONE);
    buf_release(&out);
    free(text);
    free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_compressed_files_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
