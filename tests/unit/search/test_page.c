#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "search/search.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static const struct search_page_key key = { "a key of no data store at all .." };
static const uint64_t numbers[] = { 0, 1, 127, 128, 1u << 20, UINT64_C(1) << 53, UINT64_MAX };

static void a_token_says_what_it_was_made_of(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
        for (size_t j = 0; j < ARRAY_COUNT(numbers); j++) {
            struct search_page page;
            const struct search_page made = { .time = numbers[i],
                                              .position = numbers[j],
                                              .is_before = (i + j) % 2 == 1 };
            struct slice token = search_page_token(&arena, &key, &made);
            assert_non_null(token.bytes);
            assert_int_equal(search_page_parse(token, &key, 0, &page), ERR_NONE);
            assert_true(page.time == numbers[i] && page.position == numbers[j]);
            assert_true(page.is_before == made.is_before);
        }
}

static void a_token_has_unreserved_characters_only(void **state)
{
    (void)state;
    static const char unreserved[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
    for (uint64_t i = 0; i < 2000; i++) {
        struct search_page made = { .time = i * 7919, .position = i * i };
        struct slice token = search_page_token(&arena, &key, &made);
        for (size_t j = 0; j < token.length; j++)
            assert_non_null(memchr(unreserved, token.bytes[j], sizeof unreserved - 1));
    }
}

static void a_mangled_token_is_refused(void **state)
{
    (void)state;
    const struct search_page made = { .time = 123456, .position = 789 };
    struct slice token = search_page_token(&arena, &key, &made);
    struct search_page page;
    for (size_t i = 0; i < token.length; i++) {
        for (int byte = 1; byte < 256; byte++) {
            char *text = arena_copy(&arena, token);
            if (text[i] == (char)byte)
                continue;
            text[i] = (char)byte;
            struct slice mangled = slice_of(text, token.length);
            assert_int_equal(search_page_parse(mangled, &key, 0, &page), ERR_INVALID);
        }
        assert_int_equal(search_page_parse(slice_head(token, i), &key, 0, &page), ERR_INVALID);
    }
    struct slice longer = arena_printf(&arena, "%.*sA", SLICE_ARGS(token));
    assert_int_equal(search_page_parse(longer, &key, 0, &page), ERR_INVALID);
    struct slice padded = arena_printf(&arena, "%.*s=", SLICE_ARGS(token));
    assert_int_equal(search_page_parse(padded, &key, 0, &page), ERR_INVALID);
    assert_int_equal(search_page_parse(SLICE_NONE, &key, 0, &page), ERR_INVALID);
}

static void a_bound_token_is_good_with_what_it_is_bound_to_alone(void **state)
{
    (void)state;
    struct search_page page;
    const struct search_page made = { .time = 5, .position = 6, .bound = 101 };
    struct slice token = search_page_token(&arena, &key, &made);
    assert_int_equal(search_page_parse(token, &key, 101, &page), ERR_NONE);
    assert_int_equal(page.position, 6);
    assert_int_equal(search_page_parse(token, &key, 100, &page), ERR_INVALID);
    assert_int_equal(search_page_parse(token, &key, 0, &page), ERR_INVALID);
}

static void a_token_of_another_key_is_refused(void **state)
{
    (void)state;
    struct search_page_key other = key;
    other.bytes[31] ^= 1;
    const struct search_page made = { .time = 5, .position = 6 };
    struct search_page page;
    struct slice token = search_page_token(&arena, &other, &made);
    assert_int_equal(search_page_parse(token, &other, 0, &page), ERR_NONE);
    assert_int_equal(search_page_parse(token, &key, 0, &page), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_says_what_it_was_made_of, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_of_another_key_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_has_unreserved_characters_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mangled_token_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bound_token_is_good_with_what_it_is_bound_to_alone,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
