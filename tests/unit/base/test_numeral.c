#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/numeral.h"

static void encode(const char *text, uint8_t out[NUMERAL_BYTES])
{
    struct numeral d;
    if (!numeral_parse(slice_cstr(text), &d))
        fail_msg("%s", text);
    numeral_encode(d, out);
}

static void the_order_of_the_bytes_is_that_of_the_numbers(void **state)
{
    (void)state;
    static const char *const rising[] = {
        "-1e9999999999", "-1e300", "-12345678901234567.9", "-12345678901234567.8", "-100", "-99.9",
        "-1", "-0.1", "-0.09", "-1e-300", "0", "1e-16000", "1e-300", "0.09", "0.1", "0.100000001",
        "1", "5.35", "5.4", "99.9", "100", "101", "158.3825", "158.3825000000001",
        "123456789012345678", "123456789012345679", "1e18", "1e300", "1e15999",
    };
    uint8_t before[NUMERAL_BYTES] = { 0 }, next[NUMERAL_BYTES], end[NUMERAL_BYTES];
    for (size_t i = 0; i < ARRAY_COUNT(rising); i++) {
        encode(rising[i], next);
        if (memcmp(before, next, sizeof next) >= 0)
            fail_msg("%s", rising[i]);
        memcpy(before, next, sizeof next);
        numeral_step(next, true);
        assert_true(memcmp(next, before, sizeof next) > 0);
        numeral_step(next, false);
        assert_memory_equal(next, before, sizeof next);
    }
    memset(end, 0xff, sizeof end);
    assert_true(memcmp(before, end, sizeof end) < 0);
}

static void equal_numbers_have_equal_bytes_however_they_are_written(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "1", "1.00" },   { "100", "1e2" },   { "-0", "0.000" },  { "0e5", "0" },
        { "0.1", "1e-1" }, { "1E+2", "0100" }, { "1.5e3", "1500" }, { "-2.50", "-25e-1" },
        { "1000000000000000000000", "1e21" },  { "0.000000000000000000000000012", "1.2e-26" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        uint8_t a[NUMERAL_BYTES], b[NUMERAL_BYTES];
        encode(pairs[i][0], a);
        encode(pairs[i][1], b);
        if (memcmp(a, b, sizeof a) != 0)
            fail_msg("%s", pairs[i][0]);
    }
}

static void what_is_no_numeral_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "-", "+", ".5", "5.", "1e", "1e+", "1 ", "0x1", "1,0",
                                       "nan", "1.2.3", "--1", "e5" };
    struct numeral d;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        if (numeral_parse(slice_cstr(bad[i]), &d))
            fail_msg("%s", bad[i]);
}

static void the_precision_that_was_written_is_kept(void **state)
{
    (void)state;
    struct numeral d;
    assert_true(numeral_parse(SLICE("100"), &d));
    assert_true(d.digits == 100 && d.exponent == 0);
    assert_true(numeral_parse(SLICE("100.00"), &d));
    assert_true(d.digits == 10000 && d.exponent == -2);
    assert_true(numeral_parse(SLICE("1e2"), &d));
    assert_true(d.digits == 1 && d.exponent == 2);
    assert_true(numeral_parse(SLICE("-0.0"), &d));
    assert_true(d.digits == 0 && d.exponent == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_the_bytes_is_that_of_the_numbers),
        cmocka_unit_test(equal_numbers_have_equal_bytes_however_they_are_written),
        cmocka_unit_test(what_is_no_numeral_is_refused),
        cmocka_unit_test(the_precision_that_was_written_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
