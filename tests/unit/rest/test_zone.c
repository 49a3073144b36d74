/* Dates without a zone: of the zone of the settings, stored or asked. */
#include "rest/finding.h"

#include "base/date.h"

static void zone_set(struct world *w, const char *zone)
{
    assert_true(date_zone_parse(slice_cstr(zone), &w->zone_us));
    world_close(w);
    world_open(w); /* with other rules: the index is made anew */
}

static void observations_store(struct world *w)
{
    store(w, "Observation", "day", "\"effectiveDateTime\":\"2026-03-10\"");
    store(w, "Observation", "utc", "\"effectiveDateTime\":\"2026-03-10T02:00:00Z\"");
    store(w, "Observation", "east", "\"effectiveDateTime\":\"2026-03-10T23:30:00-05:00\"");
    store(w, "Observation", "month", "\"effectiveDateTime\":\"2026-03\"");
    store(w, "Observation", "period",
          "\"effectivePeriod\":{\"start\":\"2026-03-11\",\"end\":\"2026-03-12T10:00:00Z\"}");
}

static void dates_without_zone_are_of_utc_by_default(void **state)
{
    struct world *w = *state;
    observations_store(w);
    assert_found(w, "Observation?date=2026-03-10", "day utc");
    assert_found(w, "Observation?date=2026-03-11", "east");
    assert_found(w, "Observation?date=2026-03", "day utc east month period");
}

static void they_are_of_the_zone_that_is_set(void **state)
{
    struct world *w = *state;
    observations_store(w);
    zone_set(w, "-05:00");
    /* 02:00Z is the evening before, 23:30-05:00 still the day */
    assert_found(w, "Observation?date=2026-03-10", "day east");
    assert_found(w, "Observation?date=2026-03-09", "utc");
    assert_found(w, "Observation?date=2026-03", "day utc east month period");
    assert_found(w, "Observation?date=2026-03-10T02:00:00Z", "utc");
    assert_found(w, "Observation?date=2026-03-09T21:00:00", "utc");
    assert_found(w, "Observation?date=sa2026-03-10", "period");
    assert_found(w, "Observation?date=ge2026-03-11T05:00:00Z", "month period");
    assert_found(w, "Observation?date=lt2026-03-10T05:00:00Z", "utc month");
    store(w, "Observation", "new", "\"effectiveDateTime\":\"2026-03-10T20:00:00\"");
    assert_found(w, "Observation?date=2026-03-11T01:00:00Z", "new");
    assert_found(w, "Observation?_sort=date&date=2026-03-10", "day new east");
    zone_set(w, "Z");
    assert_found(w, "Observation?date=2026-03-10", "day utc new");
}

static void contained_resources_and_composites_have_it_too(void **state)
{
    struct world *w = *state;
    zone_set(w, "+09:00");
    store(w, "DiagnosticReport", "r",
          "\"contained\":[{\"resourceType\":\"Observation\",\"id\":\"o\",\"code\":{\"coding\":[{"
          "\"code\":\"x\"}]},\"effectiveDateTime\":\"2026-03-10T03:00:00\"}],"
          "\"result\":[{\"reference\":\"#o\"}]");
    assert_found(w, "DiagnosticReport?result.date=2026-03-09T18:00:00Z", "r");
    assert_found(w, "Observation?_contained=true&date=2026-03-10", "r");
    assert_found(w, "Observation?_contained=true&code-value-date=x$2026", "");
}

static void commits_and_windows_are_asked_in_it(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "p", "");
    store(w, "Observation", "o",
          "\"subject\":{\"reference\":\"Patient/p\"},"
          "\"effectiveDateTime\":\"2026-03-10T02:00:00Z\"");
    zone_set(w, "-05:00");
    assert_found(w, "Patient/p/$everything?start=2026-03-09&end=2026-03-09", "o p");
    assert_found(w, "Patient/p/$everything?start=2026-03-10&end=2026-03-10", "p");
    struct answer a = get(w, "Patient/p");
    struct slice stamp = slice_cstr(text_at(w, &a, "meta.lastUpdated"));
    int64_t zone;
    struct date_range at;
    char local[INSTANT_TEXT_BYTES];
    assert_true(date_parse(stamp, &at));
    assert_true(date_zone_parse(SLICE("-05:00"), &zone));
    size_t length = instant_render(at.low + zone, 6, local);
    struct slice target = arena_printf(&w->arena, "Patient?_lastUpdated=%.*s", (int)length - 1,
                                       local);
    assert_found(w, target.bytes, "p");
    target = arena_printf(&w->arena, "Patient?createdAt=%.*s", (int)length - 1, local);
    assert_found(w, target.bytes, "p");
    target = arena_printf(&w->arena, "Observation?_asof=%.*s", (int)length - 1, local);
    assert_found(w, target.bytes, "");
}

static void a_zone_is_z_or_an_offset(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "UTC", "5", "+5", "+05", "+0500", "+15:00", "+14:01",
                                       "+05:60", "Z ", "05:00", "America/New_York" };
    int64_t zone = 7;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_false(date_zone_parse(slice_cstr(bad[i]), &zone));
    assert_int_equal(zone, 7);
    assert_true(date_zone_parse(SLICE("-00:30"), &zone));
    assert_int_equal(zone, -30 * INT64_C(60000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(dates_without_zone_are_of_utc_by_default),
        WORLD_TEST(they_are_of_the_zone_that_is_set),
        WORLD_TEST(contained_resources_and_composites_have_it_too),
        WORLD_TEST(commits_and_windows_are_asked_in_it),
        cmocka_unit_test(a_zone_is_z_or_an_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
