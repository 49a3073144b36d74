#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/date.h"
#include "index/index.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 22);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct slice repeated(char byte, size_t length)
{
    char *text = arena_raw(&arena, length);
    assert_non_null(text);
    memset(text, byte, length);
    return slice_of(text, length);
}

#define assert_bytes(value, literal) \
    do { \
        struct slice got_ = (value); \
        assert_int_equal(got_.length, sizeof(literal) - 1); \
        assert_memory_equal(got_.bytes, literal, sizeof(literal) - 1); \
    } while (0)

static void values_are_as_the_readme_draws_them(void **state)
{
    (void)state;
    assert_bytes(index_encode_token(&arena, SLICE("http://s"), SLICE("c1")), "cc1\0http://s");
    assert_bytes(index_encode_token(&arena, SLICE_NONE, SLICE("c1")), "cc1\0");
    assert_bytes(index_encode_token_code_prefix(&arena, SLICE("c1")), "cc1\0");
    assert_bytes(index_encode_token_system(&arena, SLICE("http://s")), "shttp://s");
    assert_bytes(index_encode_string(&arena, SLICE(" J\xc3\xbcrgen  ")),
                 "tjurgen\0 J\xc3\xbcrgen  ");
    assert_bytes(index_encode_folded(&arena, TERM_STRING, SLICE("jur")), "tjur");
    assert_bytes(index_encode_folded(&arena, TERM_STRING_WINDOW, SLICE_NONE), "w");
    assert_bytes(index_encode_uri(&arena, TERM_CANONICAL, SLICE("urn:x")), "vurn:x");
    assert_bytes(index_encode_reference(&arena, SLICE("Patient"), SLICE("p1")), "rp1\0Patient");
    assert_bytes(index_encode_reference_id_prefix(&arena, SLICE("p1")), "rp1\0");
    assert_bytes(index_encode_date(&arena, (struct date_range){ 0, 1 }),
                 "d\x80\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\1");
    assert_bytes(index_encode_date(&arena, (struct date_range){ INT64_MIN, INT64_MAX }),
                 "D\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_bytes(index_encode_instant(&arena, 0, -1), "\x7f\xff\xff\xff\xff\xff\xff\xff");
    assert_bytes(index_encode_instant(&arena, 'd', 1), "d\x80\0\0\0\0\0\0\1");
    assert_bytes(index_encode_compartment(&arena, SLICE("Patient"), SLICE("1"), SLICE("Claim")),
                 "Patient/1\0Claim");
    assert_bytes(index_encode_compartment(&arena, SLICE("Patient"), SLICE("1"), SLICE_NONE),
                 "Patient/1\0");
}

static void a_code_is_a_prefix_of_its_tokens_alone(void **state)
{
    (void)state;
    struct slice prefix = index_encode_token_code_prefix(&arena, SLICE("ab"));
    assert_true(slice_starts_with(
        index_encode_token(&arena, SLICE("http://s"), SLICE("ab")), prefix));
    assert_false(slice_starts_with(
        index_encode_token(&arena, SLICE("http://s"), SLICE("abc")), prefix));
    struct slice longer = repeated('x', 5000);
    assert_true(slice_starts_with(index_encode_token(&arena, SLICE("http://s"), longer),
                                  index_encode_token_code_prefix(&arena, longer)));
}

static void long_texts_are_cut_yet_stay_different(void **state)
{
    (void)state;
    struct slice a = repeated('x', 5000), b = repeated('x', 5001);
    struct slice made[][2] = {
        { index_encode_token(&arena, a, a), index_encode_token(&arena, a, b) },
        { index_encode_token(&arena, a, a), index_encode_token(&arena, b, a) },
        { index_encode_token_system(&arena, a), index_encode_token_system(&arena, b) },
        { index_encode_string(&arena, a), index_encode_string(&arena, b) },
        { index_encode_uri(&arena, TERM_URI, a), index_encode_uri(&arena, TERM_URI, b) },
        { index_encode_reference(&arena, a, a), index_encode_reference(&arena, a, b) },
        { index_encode_compartment(&arena, a, a, a), index_encode_compartment(&arena, a, b, a) },
    };
    for (size_t i = 0; i < ARRAY_COUNT(made); i++) {
        assert_true(made[i][0].length <= TERM_VALUE_BYTES_MAX);
        assert_false(slice_equal(made[i][0], made[i][1]));
    }
    assert_true(slice_equal(index_encode_string(&arena, a),
                            index_encode_string(&arena, repeated('x', 5000))));
}

static void dates_order_by_their_low_end(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0001-01-01", "1969-12-31T23:59:59.999Z", "1970-01-01", "1970-01-01T00:00:00.001Z",
        "2020-02-03", "9999-12-31",
    };
    struct slice before = SLICE_NONE;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct date_range range;
        assert_true(date_parse(slice_cstr(texts[i]), &range));
        struct slice value = index_encode_date(&arena, range);
        assert_true(slice_compare(before, value) < 0);
        before = value;
    }
}

static void only_dates_of_more_than_a_day_are_wide(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char kind;
    } rows[] = { { "2020", 'D' }, { "2020-02", 'D' }, { "2020-02-03", 'd' },
                 { "2020-02-03T10:00:00Z", 'd' } };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct date_range range;
        assert_true(date_parse(slice_cstr(rows[i].text), &range));
        assert_int_equal(index_encode_date(&arena, range).bytes[0], rows[i].kind);
    }
    struct date_range open = { INT64_MIN, INT64_MIN + 5 };
    assert_int_equal(index_encode_date(&arena, open).bytes[0], 'd');
}

static void without_memory_an_encoder_gives_null(void **state)
{
    (void)state;
    struct arena none;
    arena_init(&none, 8);
    assert_null(index_encode_token(&none, SLICE("system"), SLICE("code")).bytes);
    assert_null(index_encode_string(&none, SLICE("a longer text")).bytes);
    assert_null(index_encode_date(&none, (struct date_range){ 1, 2 }).bytes);
    arena_release(&none);
    assert_null(index_encode_string(&arena, SLICE("not UTF-8 \xff")).bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_as_the_readme_draws_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_code_is_a_prefix_of_its_tokens_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_yet_stay_different, setup, teardown),
        cmocka_unit_test_setup_teardown(only_dates_of_more_than_a_day_are_wide, setup, teardown),
        cmocka_unit_test_setup_teardown(dates_order_by_their_low_end, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_an_encoder_gives_null, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
