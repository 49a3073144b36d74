#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/date.h"
#include "json/json.h"
#include "outside.h"

static void covers(const char *text, const char *low, const char *high)
{
    struct date_range range;
    if (!date_parse(slice_cstr(text), &range))
        fail_msg("refused %s", text);
    char out[INSTANT_TEXT_BYTES];
    instant_render(range.low, 6, out);
    assert_string_equal(out, low);
    instant_render(range.high, 6, out);
    assert_string_equal(out, high);
}

static void a_partial_date_covers_every_instant_in_it(void **state)
{
    (void)state;
    covers("2020", "2020-01-01T00:00:00.000000Z", "2021-01-01T00:00:00.000000Z");
    covers("2020-02", "2020-02-01T00:00:00.000000Z", "2020-03-01T00:00:00.000000Z");
    covers("2020-12", "2020-12-01T00:00:00.000000Z", "2021-01-01T00:00:00.000000Z");
    covers("2020-02-29", "2020-02-29T00:00:00.000000Z", "2020-03-01T00:00:00.000000Z");
    covers("2020-02-29T10:30Z", "2020-02-29T10:30:00.000000Z", "2020-02-29T10:31:00.000000Z");
    covers("2020-02-29T10:30:01", "2020-02-29T10:30:01.000000Z", "2020-02-29T10:30:02.000000Z");
    covers("2020-02-29T10:30:01.5Z", "2020-02-29T10:30:01.500000Z", "2020-02-29T10:30:01.600000Z");
    covers("2020-02-29T10:30:01.123Z", "2020-02-29T10:30:01.123000Z",
           "2020-02-29T10:30:01.124000Z");
    covers("2020-02-29T10:30:01.123456789Z", "2020-02-29T10:30:01.123456Z",
           "2020-02-29T10:30:01.123457Z");
    covers("0001-01-01", "0001-01-01T00:00:00.000000Z", "0001-01-02T00:00:00.000000Z");
    covers("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999000Z",
           "1970-01-01T00:00:00.000000Z");
}

static void zones_shift_and_leap_seconds_fold(void **state)
{
    (void)state;
    covers("2020-01-01T00:00:00+14:00", "2019-12-31T10:00:00.000000Z",
           "2019-12-31T10:00:01.000000Z");
    covers("2020-01-01T00:00:00-05:30", "2020-01-01T05:30:00.000000Z",
           "2020-01-01T05:30:01.000000Z");
    covers("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z", "2017-01-01T00:00:01.000000Z");
}

static void what_is_no_date_is_refused(void **state)
{
    (void)state;
    const char *bad[] = { "", "202", "20200", "0000", "2020-", "2020-13", "2020-00", "2020-1",
                          "2021-02-29", "1900-02-29", "2020-04-31", "2020-01-01T", "2020-01-01T10",
                          "2020-01-01T24:00:00Z", "2020-01-01T10:60Z", "2020-01-01T10:00:61Z",
                          "2020-01-01T10:00:00.Z", "2020-01-01T10:00:00+14:01",
                          "2020-01-01T10:00:00+15:00", "2020-01-01T10:00:00+5:00",
                          "2020-01-01T10:00:00z", "2020-01-01t10:00:00Z", "2020-01-01 10:00:00Z",
                          "2020-01-01Z", "2020-01T10:00Z", "-2020", "2020-01-01T10:00:00Z ",
                          "2020-01-01T10:00:00ZZ", "2020-01-01T10:00:00+1400" };
    struct date_range range;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        if (date_parse(slice_cstr(bad[i]), &range))
            fail_msg("accepted %s", bad[i]);
}

static void every_day_of_the_calendar_comes_back(void **state)
{
    (void)state;
    struct date_range range;
    assert_true(date_parse(SLICE("0001-01-01"), &range));
    int64_t expected = range.low;
    char text[INSTANT_TEXT_BYTES];
    for (int day = 0; day < 3652059; day += 3) { /* to the end of 9999 */
        instant_render(expected, 0, text);
        assert_true(date_parse(slice_of(text, 10), &range));
        assert_int_equal(range.low, expected);
        expected += (int64_t)3 * 86400 * 1000000;
    }
}

static void instants_are_rendered_with_any_number_of_digits(void **state)
{
    (void)state;
    char text[INSTANT_TEXT_BYTES];
    int64_t at = 1795499265123456;
    assert_int_equal(instant_render(at, 3, text), 24);
    assert_string_equal(text, "2026-11-24T05:47:45.123Z");
    instant_render(at, 0, text);
    assert_string_equal(text, "2026-11-24T05:47:45Z");
    instant_render(at, 9, text);
    assert_string_equal(text, "2026-11-24T05:47:45.123456000Z");
    instant_render(INT64_MAX, 0, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    instant_render(INT64_MIN, 0, text);
    assert_string_equal(text, "0001-01-01T00:00:00Z");
}

static void the_dates_of_http_and_aws_come_back(void **state)
{
    (void)state;
    char text[INSTANT_TEXT_BYTES];
    int64_t at = 1795499265000000, back = 0;
    assert_int_equal(http_date_render(at, text), 29);
    assert_string_equal(text, "Tue, 24 Nov 2026 05:47:45 GMT");
    assert_true(http_date_parse(slice_cstr(text), &back));
    assert_int_equal(back, at);
    const char *forms[] = { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                            "Sun Nov  6 08:49:37 1994" };
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        assert_true(http_date_parse(slice_cstr(forms[i]), &back));
        assert_int_equal(back, 784111777000000);
    }
    assert_false(http_date_parse(SLICE("Sun, 06 Nov 1994 08:49:37 UTC"), &back));
    assert_false(http_date_parse(SLICE("Sun, 31 Feb 1994 08:49:37 GMT"), &back));
    assert_false(http_date_parse(SLICE("3"), &back));
    assert_false(http_date_parse(SLICE_NONE, &back));
    amz_date_render(at, text);
    assert_string_equal(text, "20261124T054745Z");
    assert_true(amz_date_parse(SLICE("20261124T054745Z"), &back));
    assert_int_equal(back, at);
    assert_false(amz_date_parse(SLICE("20261124T054745"), &back));
    assert_false(amz_date_parse(SLICE("20261324T054745Z"), &back));
    assert_false(amz_date_parse(SLICE("20261124T054745Z "), &back));
}

/* ---- the JSON Schema suite ---- */

/* Where FHIR and RFC 3339 differ: FHIR wants upper-case T and Z, offsets up to
 * 14:00, and lets :60 stand anywhere. */
static bool fhir_differs(const char *kind, struct slice text)
{
    if (strcmp(kind, "uuid") == 0)
        return false;
    /* A time without zone is one; beyond 14:00 there is no zone. */
    bool is_time = strcmp(kind, "time") == 0;
    if (is_time && (slice_is(text, "12:00:00") || slice_is(text, "12:00:00.52") ||
                    slice_find(text, SLICE(":60")) >= 0))
        return true;
    bool lower = slice_find_byte(text, 't') >= 0 || slice_find_byte(text, 'z') >= 0;
    return lower || slice_find(text, SLICE(":60Z")) >= 0;
}

static bool accepted(const char *kind, struct slice text)
{
    struct date_range range;
    if (strcmp(kind, "uuid") == 0)
        return uuid_is_valid(text);
    if (strcmp(kind, "time") == 0) { /* of any day */
        char whole[100];
        int length = snprintf(whole, sizeof whole, "2020-06-15T%.*s", SLICE_ARGS(text));
        return date_parse(slice_of(whole, (size_t)length), &range);
    }
    bool has_time = slice_find_byte(text, 'T') >= 0;
    bool wants_time = strcmp(kind, "date-time") == 0;
    return has_time == wants_time && date_parse(text, &range);
}

static int check_format_tests(const char *kind, struct json tests, struct arena *arena)
{
    int count = 0;
    for (struct json t = json_first(tests); json_exists(t); t = json_next(tests, t)) {
        struct json data = json_member(t, "data");
        struct slice text = json_string(data, arena);
        if (!json_is(data, JSON_STRING) || fhir_differs(kind, text))
            continue;
        if (accepted(kind, text) != json_is(json_member(t, "valid"), JSON_TRUE))
            fail_msg("%s: %.*s", kind, SLICE_ARGS(text));
        count++;
    }
    return count;
}

static void the_format_suite_agrees(void **state)
{
    (void)state;
    const struct {
        const char *kind, *file;
        int least;
    } files[] = { { "date", "suites/formats/date.json", 40 },
                  { "date-time", "suites/formats/date-time.json", 14 },
                  { "time", "suites/formats/time.json", 17 },
                  { "uuid", "suites/formats/uuid.json", 15 } };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        struct buf text;
        outside_read(files[i].file, &text);
        struct arena arena;
        arena_init(&arena, 1 << 22);
        struct json_doc doc;
        assert_int_equal(json_parse(buf_slice(&text), NULL, &arena, &doc, NULL), ERR_NONE);
        struct json root = json_root(&doc);
        int count = 0;
        for (struct json g = json_first(root); json_exists(g); g = json_next(root, g))
            count += check_format_tests(files[i].kind, json_member(g, "tests"), &arena);
        assert_true(count >= files[i].least);
        arena_release(&arena);
        buf_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partial_date_covers_every_instant_in_it),
        cmocka_unit_test(zones_shift_and_leap_seconds_fold),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(every_day_of_the_calendar_comes_back),
        cmocka_unit_test(instants_are_rendered_with_any_number_of_digits),
        cmocka_unit_test(the_dates_of_http_and_aws_come_back),
        cmocka_unit_test(the_format_suite_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
