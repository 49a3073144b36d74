#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json/equal.c"
#include "outside.h"

struct outcome {
    enum err err;
    struct json_patch_error error;
    char text[4096];
};

static struct arena arena;

static struct json parse(const char *text, struct json_doc *doc)
{
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, doc, NULL), ERR_NONE);
    return json_root(doc);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct outcome patch_values(struct json target, struct json patch)
{
    struct outcome o = { 0 };
    struct buf out;
    buf_init(&out, (size_t)64 << 20);
    o.err = json_patch(target, patch, 100000, &arena, &out, &o.error);
    snprintf(o.text, sizeof o.text, "%.*s", SLICE_ARGS(buf_slice(&out)));
    buf_release(&out);
    return o;
}

static struct outcome patch(const char *target, const char *operations)
{
    struct json_doc a, b;
    return patch_values(parse(target, &a), parse(operations, &b));
}

static void gives(const char *target, const char *operations, const char *expected)
{
    struct outcome o = patch(target, operations);
    if (o.err)
        fail_msg("%s: %s", operations, o.error.text);
    assert_string_equal(o.text, expected);
}

static void fails(const char *target, const char *operations, enum err err)
{
    struct outcome o = patch(target, operations);
    if (o.err != err)
        fail_msg("%s: %s, expected %s", operations, err_name(o.err), err_name(err));
    assert_string_equal(o.text, "");
    assert_non_null(o.error.text);
}

/* ---- the public suite ---- */

static void case_run(struct json c)
{
    struct json error = json_member(c, "error"), expected = json_member(c, "expected");
    struct outcome o = patch_values(json_member(c, "doc"), json_member(c, "patch"));
    struct slice name = slice_head(json_raw(c), 1000);
    if (json_exists(error)) {
        if (o.err != ERR_UNPROCESSABLE && o.err != ERR_INVALID)
            fail_msg("%s, not refused: %.*s", err_name(o.err), SLICE_ARGS(name));
        return;
    }
    if (o.err)
        fail_msg("%s: %.*s", o.error.text, SLICE_ARGS(name));
    if (!json_exists(expected))
        return;
    struct json_doc doc;
    struct tree t = { .arena = &arena, .steps = 100000 };
    bool is_equal = false;
    assert_int_equal(value_equal(&t, parse(o.text, &doc), expected, &is_equal), ERR_NONE);
    if (!is_equal)
        fail_msg("gave %s: %.*s", o.text, SLICE_ARGS(name));
}

static uint32_t suite_run(const char *name)
{
    struct buf text;
    struct json_doc doc;
    uint32_t count = 0;
    outside_read(name, &text);
    assert_int_equal(json_parse(buf_slice(&text), NULL, &arena, &doc, NULL), ERR_NONE);
    struct json all = json_root(&doc);
    for (struct json c = json_first(all); json_exists(c); c = json_next(all, c), count++)
        case_run(c); /* also the two marked as disabled */
    buf_release(&text);
    return count;
}

static void the_public_suite_passes_whole(void **state)
{
    (void)state;
    assert_int_equal(suite_run("suites/json-patch/tests.json"), 54);
}

static void the_cases_of_the_specification_pass(void **state)
{
    (void)state;
    assert_int_equal(suite_run("suites/json-patch/spec_tests.json"), 11);
}

/* ---- what stays ---- */

static void untouched_members_keep_order_number_text_and_escapes(void **state)
{
    (void)state;
    gives("{ \"b\" : 1.50, \"a\\u0041\": \"\\u00e9\\/\", \"c\": [1e2, {\"z\":-0.0}], \"d\":1 }",
          "[{\"op\":\"replace\",\"path\":\"/d\",\"value\":2.0},"
          "{\"op\":\"add\",\"path\":\"/c/1/y\",\"value\":1.10}]",
          "{\"b\":1.50,\"a\\u0041\":\"\\u00e9\\/\",\"c\":[1e2,{\"z\":-0.0,\"y\":1.10}],\"d\":2.0}");
}

static void a_member_is_found_by_its_decoded_name(void **state)
{
    (void)state;
    gives("{\"\\u0061\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]",
          "{\"\\u0061\":2}");
    gives("{\"x/y~\":1}", "[{\"op\":\"move\",\"from\":\"/x~1y~0\",\"path\":\"/\\\"\"}]",
          "{\"\\\"\":1}");
}

static void an_array_takes_in_and_gives_up_elements_anywhere(void **state)
{
    (void)state;
    gives("[1,2,3]",
          "[{\"op\":\"remove\",\"path\":\"/0\"},{\"op\":\"add\",\"path\":\"/2\",\"value\":4},"
          "{\"op\":\"add\",\"path\":\"/-\",\"value\":5},{\"op\":\"add\",\"path\":\"/0\","
          "\"value\":[]},{\"op\":\"move\",\"from\":\"/4\",\"path\":\"/1\"}]",
          "[[],5,2,3,4]");
}

static void a_copy_is_apart_from_what_it_was_copied_from(void **state)
{
    (void)state;
    gives("{\"a\":{\"x\":[1]}}",
          "[{\"op\":\"add\",\"path\":\"/a/x/-\",\"value\":2},"
          "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},"
          "{\"op\":\"remove\",\"path\":\"/b/x/0\"},{\"op\":\"add\",\"path\":\"/a/"
          "n\",\"value\":null}]",
          "{\"a\":{\"x\":[1,2],\"n\":null},\"b\":{\"x\":[2]}}");
}

static void the_same_value_of_a_patch_may_be_changed_later_in_it(void **state)
{
    (void)state;
    gives("{}",
          "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{\"b\":[]}},"
          "{\"op\":\"add\",\"path\":\"/a/b/0\",\"value\":1},"
          "{\"op\":\"test\",\"path\":\"\",\"value\":{\"a\":{\"b\":[1.0]}}},"
          "{\"op\":\"replace\",\"path\":\"\",\"value\":[1]},"
          "{\"op\":\"copy\",\"from\":\"\",\"path\":\"/-\"}]",
          "[1,[1]]");
}

/* ---- refusals ---- */

static void a_patch_that_breaks_its_syntax_is_invalid(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "{}",
        "null",
        "[1]",
        "[{}]",
        "[{\"op\":\"add\",\"value\":1}]",
        "[{\"op\":\"Add\",\"path\":\"/a\",\"value\":1}]",
        "[{\"op\":1,\"path\":\"/a\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":1,\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/~\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/~2\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/a\"}]",
        "[{\"op\":\"replace\",\"path\":\"/a\"}]",
        "[{\"op\":\"test\",\"path\":\"/a\"}]",
        "[{\"op\":\"copy\",\"path\":\"/a\"}]",
        "[{\"op\":\"move\",\"path\":\"/a\",\"from\":\"a\"}]",
    };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++)
        fails("{\"a\":1}", CASES[i], ERR_INVALID);
}

static void an_operation_without_its_place_cannot_be_processed(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "{\"op\":\"remove\",\"path\":\"\"}",
        "{\"op\":\"remove\",\"path\":\"/b\"}",
        "{\"op\":\"remove\",\"path\":\"/l/2\"}",
        "{\"op\":\"remove\",\"path\":\"/l/-\"}",
        "{\"op\":\"remove\",\"path\":\"/l/01\"}",
        "{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}",
        "{\"op\":\"replace\",\"path\":\"/l/99999999999999999999\",\"value\":1}",
        "{\"op\":\"add\",\"path\":\"/a/x\",\"value\":1}",
        "{\"op\":\"add\",\"path\":\"/l/-/x\",\"value\":1}",
        "{\"op\":\"copy\",\"from\":\"/l/2\",\"path\":\"/x\"}",
        "{\"op\":\"move\",\"from\":\"/o\",\"path\":\"/o/x\"}",
        "{\"op\":\"move\",\"from\":\"\",\"path\":\"/o\"}",
        "{\"op\":\"test\",\"path\":\"/a\",\"value\":\"1\"}",
        "{\"op\":\"test\",\"path\":\"/o\",\"value\":{\"p\":1,\"q\":2}}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        char text[200];
        snprintf(text, sizeof text, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1},%s]", CASES[i]);
        const char *target = "{\"a\":1,\"l\":[1,2],\"o\":{\"p\":1}}";
        fails(target, text, ERR_UNPROCESSABLE);
        assert_int_equal(patch(target, text).error.operation, 1);
    }
}

static void a_move_to_a_like_named_place_is_no_move_into_itself(void **state)
{
    (void)state;
    gives("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/ab\"}]", "{\"ab\":1}");
    gives("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]", "{\"a\":1}");
}

static void copies_that_double_each_time_end_at_a_limit(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":[1]}");
    for (int i = 0; i < 60; i++)
        buf_append_cstr(&text, ",{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}");
    buf_append(&text, slice_of("]", 2));
    fails("{}", text.bytes, ERR_LIMIT);
    buf_release(&text);
}

static void nesting_by_steps_ends_at_a_limit(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{\"a\":1}}");
    for (int i = 0; i < 200; i++)
        buf_append_cstr(&text, ",{\"op\":\"add\",\"path\":\"/a/b\",\"value\":0},"
                               "{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/t\"},"
                               "{\"op\":\"add\",\"path\":\"/a\",\"value\":{}},"
                               "{\"op\":\"move\",\"from\":\"/t\",\"path\":\"/a/a\"}");
    buf_append(&text, slice_of("]", 2));
    fails("{}", text.bytes, ERR_LIMIT);
    buf_clear(&text);
    buf_append_cstr(&text, "[{\"op\":\"add\",\"path\":\"");
    for (int i = 0; i < 5000; i++)
        buf_append_cstr(&text, "/a");
    buf_append(&text, SLICE("\",\"value\":1}]\0"));
    fails("{}", text.bytes, ERR_LIMIT);
    buf_release(&text);
}

static void members_compared_without_end_end_at_a_limit(void **state)
{
    (void)state;
    struct buf text, target;
    buf_init(&text, 64 << 20);
    buf_init(&target, 64 << 20);
    buf_append_byte(&target, '{');
    for (int i = 0; i < 40000; i++)
        buf_printf(&target, "%s\"m%d\":1", i ? "," : "", i);
    buf_append(&target, slice_of("}", 2));
    buf_append_byte(&text, '[');
    for (int i = 0; i < 2000; i++)
        buf_printf(&text, "%s{\"op\":\"add\",\"path\":\"/x\",\"value\":1}", i ? "," : "");
    buf_append(&text, slice_of("]", 2));
    fails(target.bytes, text.bytes, ERR_LIMIT);
    buf_release(&text);
    buf_release(&target);
}

static void short_memory_is_an_ordinary_error(void **state)
{
    (void)state;
    struct json_doc a, b;
    struct json target = parse("{\"a\":[1,{\"b\":2}],\"c\":{\"d\":3}}", &a);
    struct json operations = parse("[{\"op\":\"copy\",\"from\":\"/a/1\",\"path\":\"/c/~0\"},"
                                   "{\"op\":\"test\",\"path\":\"/c\",\"value\":{}}]",
                                   &b);
    enum err err = ERR_NO_MEMORY;
    for (size_t limit = 0; err == ERR_NO_MEMORY; limit += 64) {
        struct arena small;
        struct buf out;
        arena_init(&small, limit);
        buf_init(&out, 100);
        err = json_patch(target, operations, 0, &small, &out, NULL);
        buf_release(&out);
        arena_release(&small);
    }
    assert_int_equal(err, ERR_UNPROCESSABLE);
}

/* ---- numbers ---- */

static void numbers_are_compared_by_value(void **state)
{
    (void)state;
    static const char *const EQUAL[][2] = {
        { "1", "1.0" },
        { "0", "-0.0e5" },
        { "100", "1e2" },
        { "1.50", "15e-1" },
        { "0.0015", "1.5E-3" },
        { "-1200", "-12.00e+2" },
        { "10.10", "101e-1" },
        { "0.10", "0.1" },
        { "123.456", "123456e-3" },
        { "1e5000000", "10e4999999" },
    };
    static const char *const DIFFERENT[][2] = {
        { "1", "-1" },     { "1", "2" },      { "10", "1" },
        { "1.01", "1.1" }, { "101", "1001" }, { "0", "1e-99" },
        { "1.5", "1.05" }, { "12", "1.2" },   { "9007199254740993", "9007199254740992" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(EQUAL); i++)
        if (!number_equal(slice_cstr(EQUAL[i][0]), slice_cstr(EQUAL[i][1])))
            fail_msg("%s is not %s", EQUAL[i][0], EQUAL[i][1]);
    for (size_t i = 0; i < ARRAY_COUNT(DIFFERENT); i++)
        if (number_equal(slice_cstr(DIFFERENT[i][0]), slice_cstr(DIFFERENT[i][1])))
            fail_msg("%s is %s", DIFFERENT[i][0], DIFFERENT[i][1]);
}

/* ---- merge patch ---- */

/* Appendix A of RFC 7396. */
static void the_examples_of_the_merge_patch_specification_hold(void **state)
{
    (void)state;
    static const char *const CASES[][3] = {
        { "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
        { "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
        { "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
        { "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
        { "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
        { "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
        { "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
        { "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
        { "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
        { "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
        { "{\"a\":\"foo\"}", "null", "null" },
        { "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
        { "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
        { "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
        { "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
        { "{\"n\":1.500,\"\\u0061\":1}", "{\"a\":2.0}", "{\"n\":1.500,\"\\u0061\":2.0}" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct json_doc a, b;
        struct buf out;
        buf_init(&out, 1000);
        struct json target = parse(CASES[i][0], &a), change = parse(CASES[i][1], &b);
        assert_int_equal(json_merge_patch(target, change, &arena, &out), ERR_NONE);
        buf_append_byte(&out, '\0');
        assert_string_equal(out.bytes, CASES[i][2]);
        buf_release(&out);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_public_suite_passes_whole),
        T(the_cases_of_the_specification_pass),
        T(untouched_members_keep_order_number_text_and_escapes),
        T(a_member_is_found_by_its_decoded_name),
        T(an_array_takes_in_and_gives_up_elements_anywhere),
        T(a_copy_is_apart_from_what_it_was_copied_from),
        T(the_same_value_of_a_patch_may_be_changed_later_in_it),
        T(a_patch_that_breaks_its_syntax_is_invalid),
        T(an_operation_without_its_place_cannot_be_processed),
        T(a_move_to_a_like_named_place_is_no_move_into_itself),
        T(copies_that_double_each_time_end_at_a_limit),
        T(nesting_by_steps_ends_at_a_limit),
        T(members_compared_without_end_end_at_a_limit),
        T(short_memory_is_an_ordinary_error),
        T(numbers_are_compared_by_value),
        T(the_examples_of_the_merge_patch_specification_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
