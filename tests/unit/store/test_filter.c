#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/segment/filter.h"

enum { OFFSET = 640 };

static size_t key_of(uint8_t key[32], uint32_t number)
{
    return (size_t)snprintf((char *)key, 32, "key %u", number);
}

static void lines_make(uint32_t count, uint8_t **ret_lines, uint64_t *ret_count)
{
    struct filter_writer w = { .count = 0 };
    uint8_t key[32];
    for (uint32_t i = 0; i < count; i++)
        filter_writer_add(&w, key, key_of(key, i));
    filter_writer_finish(&w, OFFSET, ret_lines, ret_count);
    filter_writer_release(&w);
}

static bool has(const uint8_t *lines, uint64_t count, uint32_t number)
{
    uint8_t key[32];
    bool maybe = false;
    uint32_t hash = filter_hash(key, key_of(key, number));
    assert_int_equal(filter_ask(lines, count, OFFSET, hash, &maybe), ERR_NONE);
    return maybe;
}

static void every_key_is_in_its_filter_and_few_others_seem_to_be(void **state)
{
    static const uint32_t counts[] = { 1, 47, 48, 49, 1000, 200000 };
    (void)state;
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        uint8_t *lines;
        uint64_t count;
        uint32_t wrong = 0;
        lines_make(counts[k], &lines, &count);
        assert_int_equal(count, (counts[k] + 47) / 48);
        for (uint32_t i = 0; i < counts[k]; i++)
            assert_true(has(lines, count, i));
        for (uint32_t i = 0; i < 100000; i++)
            wrong += has(lines, count, counts[k] + i);
        assert_true(wrong < 3000);
        assert_int_equal(filter_verify(lines, count, OFFSET), ERR_NONE);
        free(lines);
    }
}

static void a_changed_byte_of_a_line_is_refused(void **state)
{
    uint8_t *lines, key[32];
    uint64_t count;
    bool maybe;
    (void)state;
    lines_make(40, &lines, &count);
    for (size_t i = 0; i < FILTER_LINE_BYTES; i++) {
        lines[i] ^= 4;
        assert_int_equal(filter_verify(lines, count, OFFSET), ERR_CORRUPT);
        assert_int_equal(filter_ask(lines, count, OFFSET, filter_hash(key, key_of(key, 3)),
                                    &maybe),
                         ERR_CORRUPT);
        lines[i] ^= 4;
    }
    assert_int_equal(filter_verify(lines, count, OFFSET + FILTER_LINE_BYTES), ERR_CORRUPT);
    free(lines);
}

static void no_keys_or_too_many_make_no_filter(void **state)
{
    struct filter_writer w = { .count = 0 };
    uint8_t *lines = NULL;
    uint64_t count = 1;
    (void)state;
    filter_writer_finish(&w, OFFSET, &lines, &count);
    assert_null(lines);
    assert_int_equal(count, 0);
    for (uint32_t i = 0; i <= FILTER_KEYS_MAX; i++)
        filter_writer_add(&w, (const uint8_t *)&i, sizeof i);
    filter_writer_finish(&w, OFFSET, &lines, &count);
    assert_null(lines);
    assert_int_equal(count, 0);
    filter_writer_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_in_its_filter_and_few_others_seem_to_be),
        cmocka_unit_test(a_changed_byte_of_a_line_is_refused),
        cmocka_unit_test(no_keys_or_too_many_make_no_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
