/* Bodies in rows: small ones as they are, large ones as frames, and the frames of
 * stores of before, which named a dictionary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <zdict.h>

#include "store/embedded/frame.h"

struct fixture {
    struct frame_pool pool;
    struct arena arena;
    struct buf scratch;
};

static int setup(void **state)
{
    static struct fixture f;
    frame_pool_init(&f.pool);
    arena_init(&f.arena, 64 << 20);
    buf_init(&f.scratch, 64 << 20);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    buf_release(&f->scratch);
    arena_release(&f->arena);
    frame_pool_release(&f->pool);
    return 0;
}

static struct slice text_of(struct arena *a, size_t size)
{
    char *bytes = arena_raw(a, size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + i * i % 7);
    return slice_of(bytes, size);
}

static void there_and_back(struct fixture *f, size_t size, struct slice appendix, bool expect_raw)
{
    struct slice body = text_of(&f->arena, size), frame, whole;
    bool is_raw = false;
    ZSTD_CCtx *context = frame_compressor_take(&f->pool);
    assert_int_equal(frame_compress(context, body, appendix, &f->scratch, &f->arena, &frame,
                                    &is_raw),
                     ERR_NONE);
    frame_compressor_give(&f->pool, context);
    assert_int_equal(is_raw, expect_raw);
    assert_int_equal(frame_decompress(&f->pool, frame, is_raw, size + appendix.length, &f->arena,
                                      &whole),
                     ERR_NONE);
    assert_true(slice_equal(slice_head(whole, size), body));
    assert_true(slice_equal(slice_from(whole, size), appendix));
    assert_int_equal(frame_decompress(&f->pool, frame, is_raw, size + appendix.length + 1,
                                      &f->arena, &whole),
                     ERR_CORRUPT);
}

static void small_bodies_stand_as_they_are_and_large_ones_are_frames(void **state)
{
    struct fixture *f = *state;
    there_and_back(f, 1, SLICE_NONE, true);
    there_and_back(f, FRAME_ALONE_BYTES - 4, SLICE("abcd"), true);
    there_and_back(f, FRAME_ALONE_BYTES - 3, SLICE("abcd"), false);
    there_and_back(f, 20 * FRAME_ALONE_BYTES, SLICE_NONE, false);
}

static void a_frame_that_names_a_dictionary_is_read_when_it_is_known(void **state)
{
    struct fixture *f = *state;
    enum { SAMPLES = 1000, SAMPLE_BYTES = 64 };
    static char samples[SAMPLES][SAMPLE_BYTES], dictionary[8192];
    static size_t sizes[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        (void)snprintf(samples[i], SAMPLE_BYTES, "{\"resourceType\":\"Basic\",\"id\":\"%07zu\"}",
                       i * 7919 % 1000003);
        sizes[i] = SAMPLE_BYTES;
    }
    size_t length =
        ZDICT_trainFromBuffer(dictionary, sizeof dictionary, samples, sizes, SAMPLES);
    assert_false(ZDICT_isError(length));
    struct slice bytes = slice_of(dictionary, length), body = text_of(&f->arena, 500), whole;

    char out[2048];
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CDict *with = ZSTD_createCDict(dictionary, length, 1);
    size_t size = ZSTD_compress_usingCDict(context, out, sizeof out, body.bytes, body.length, with);
    ZSTD_freeCDict(with);
    ZSTD_freeCCtx(context);
    assert_false(ZSTD_isError(size));

    struct slice frame = slice_of(out, size);
    assert_int_equal(frame_decompress(&f->pool, frame, false, 500, &f->arena, &whole),
                     ERR_CORRUPT);
    assert_int_equal(frame_dictionary_add(&f->pool, SLICE("no dictionary")), ERR_INVALID);
    assert_int_equal(frame_dictionary_add(&f->pool, bytes), ERR_NONE);
    assert_int_equal(frame_dictionary_add(&f->pool, bytes), ERR_NONE);
    assert_int_equal(frame_decompress(&f->pool, frame, false, 500, &f->arena, &whole), ERR_NONE);
    assert_true(slice_equal(whole, body));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_bodies_stand_as_they_are_and_large_ones_are_frames,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_frame_that_names_a_dictionary_is_read_when_it_is_known, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
