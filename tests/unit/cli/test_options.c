#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "cli/options.h"

struct values {
    bool dry;
    const char *data;
    uint64_t count, body;
    struct option_list tags;
    size_t arguments;
};

static int parse(struct values *v, int argc, const char **argv)
{
    const struct option_row rows[] = {
        { "dry-run", OPTION_SWITCH, NULL, NULL, "show only", &v->dry },
        { "data", OPTION_TEXT, "DIR", "TARN_TEST_DATA", "folder", &v->data },
        { "count", OPTION_NUMBER, "N", NULL, "how many\nand more", &v->count },
        { "body", OPTION_BYTES, "BYTES", NULL, "size", &v->body },
        { "tag", OPTION_LIST, "TAG", NULL, "again and again", &v->tags },
        { 0 },
    };
    struct option_usage usage = {
        .line = "tarn test", .about = "Tests.", .rows = rows, .least = 0, .most = 2
    };
    return options_parse(&usage, argc, (char **)(uintptr_t)argv, &v->arguments);
}

#define PARSE(v, ...) \
    parse((v), (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)), \
          (const char *[]){ __VA_ARGS__ })

static void both_spellings_of_a_value_are_understood(void **state)
{
    (void)state;
    struct values v = { 0 };
    assert_int_equal(PARSE(&v, "test", "--data", "a b", "--count=12", "--dry-run"), -1);
    assert_string_equal(v.data, "a b");
    assert_int_equal(v.count, 12);
    assert_true(v.dry);
}

static void arguments_move_to_the_front_in_their_order(void **state)
{
    (void)state;
    struct values v = { 0 };
    const char *argv[] = { "test", "one", "--dry-run", "--", "--two" };
    assert_int_equal(parse(&v, 5, argv), -1);
    assert_int_equal(v.arguments, 2);
    assert_string_equal(argv[1], "one");
    assert_string_equal(argv[2], "--two");
}

static void byte_counts_take_units_and_refuse_overflow(void **state)
{
    (void)state;
    struct values v = { 0 };
    assert_int_equal(PARSE(&v, "test", "--body", "15M"), -1);
    assert_int_equal(v.body, 15 << 20);
    assert_int_equal(PARSE(&v, "test", "--body", "99999999999999G"), 2);
    assert_int_equal(PARSE(&v, "test", "--body", "M"), 2);
}

static void wrong_use_is_status_2(void **state)
{
    (void)state;
    struct values v = { 0 };
    assert_int_equal(PARSE(&v, "test", "--nothing"), 2);
    assert_int_equal(PARSE(&v, "test", "--data"), 2);
    assert_int_equal(PARSE(&v, "test", "--count", "-1"), 2);
    assert_int_equal(PARSE(&v, "test", "--dry-run=yes"), 2);
    assert_int_equal(PARSE(&v, "test", "--data=a", "--data=b"), 2);
    assert_int_equal(PARSE(&v, "test", "a", "b", "c"), 2);
    assert_int_equal(PARSE(&v, "test", "-x"), 2);
}

static void a_list_gathers_what_is_given_again(void **state)
{
    (void)state;
    struct values v = { 0 };
    assert_int_equal(PARSE(&v, "test", "--tag", "a", "--tag=b"), -1);
    assert_int_equal(v.tags.count, 2);
    assert_string_equal(v.tags.items[1], "b");
}

static void the_environment_fills_what_was_not_given(void **state)
{
    (void)state;
    struct values v = { 0 };
    setenv("TARN_TEST_DATA", "from-environment", 1);
    assert_int_equal(PARSE(&v, "test"), -1);
    assert_string_equal(v.data, "from-environment");
    assert_int_equal(PARSE(&v, "test", "--data", "given"), -1);
    assert_string_equal(v.data, "given");
    unsetenv("TARN_TEST_DATA");
}

static void help_is_status_0(void **state)
{
    (void)state;
    struct values v = { 0 };
    assert_int_equal(PARSE(&v, "test", "--help"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_of_a_value_are_understood),
        cmocka_unit_test(arguments_move_to_the_front_in_their_order),
        cmocka_unit_test(byte_counts_take_units_and_refuse_overflow),
        cmocka_unit_test(wrong_use_is_status_2),
        cmocka_unit_test(a_list_gathers_what_is_given_again),
        cmocka_unit_test(the_environment_fills_what_was_not_given),
        cmocka_unit_test(help_is_status_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
