/* What answers say of a time before the history horizon. */
#include "world.h"

#include "base/date.h"
#include "os/clock.h"

static const char *patient(struct world *w, int round)
{
    return arena_printf(&w->arena, "{\"resourceType\":\"Patient\",\"id\":\"p\","
                                   "\"name\":[{\"family\":\"f%d\"}]}", round).bytes;
}

static void put_one(struct world *w, int round)
{
    struct answer a = put(w, "Patient/p", patient(w, round));
    assert_true(a.status == 200 || a.status == 201);
}

static int64_t raise_now(struct world *w)
{
    struct store_reader *reader;
    assert_int_equal(store_read_begin(w->store, 0, &reader), ERR_NONE);
    uint64_t time = store_reader_time(reader);
    store_read_end(reader);
    int64_t now = os_now_us();
    assert_int_equal(store_horizon_raise(w->store, time, now), ERR_NONE);
    assert_int_equal(store_purge(w->store), ERR_NONE);
    return now;
}

/* 410 with an outcome that names the horizon. */
static void expect_beyond(struct world *w, const char *target, int64_t horizon)
{
    char when[INSTANT_TEXT_BYTES];
    struct answer a = get(w, target);
    if (a.status != 410)
        fail_msg("%s: %d %.*s", target, a.status, SLICE_ARGS(slice_head(a.body, 500)));
    instant_render(horizon, 6, when);
    struct json issue = answer_find(&a, "issue.0");
    assert_true(json_string_is(json_get(issue, SLICE("code")), SLICE("deleted")));
    struct slice text = json_string(json_get(issue, SLICE("diagnostics")), &w->arena);
    if (slice_find(text, slice_cstr(when)) < 0)
        fail_msg("%s does not name %s", text.bytes ? text.bytes : "", when);
}

static void versions_beyond_the_horizon_are_a_410_that_names_it(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        put_one(w, i);
    int64_t horizon = raise_now(w);
    put_one(w, 4);
    expect_beyond(w, "Patient/p/_history/1", horizon);
    expect_beyond(w, "Patient/p/_history/3", horizon);
    assert_int_equal(get(w, "Patient/p/_history/4").status, 200);
    assert_int_equal(get(w, "Patient/p/_history/5").status, 200);
    assert_int_equal(get(w, "Patient/p/_history/6").status, 404);
    assert_int_equal(get(w, "Patient/p").status, 200);
}

static void a_history_has_what_is_kept_and_says_how_much(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        put_one(w, i);
    raise_now(w);
    put_one(w, 4);
    struct answer a = get(w, "Patient/p/_history");
    assert_int_equal(a.status, 200);
    assert_true(json_string_is(answer_find(&a, "entry.1.resource.meta.versionId"), SLICE("4")));
    assert_true(slice_is(json_raw(answer_find(&a, "total")), "2"));
    assert_false(json_exists(answer_find(&a, "entry.2")));
    a = get(w, "_history?_since=2000-01-01T00:00:00Z"); /* the newest of all are there */
    assert_int_equal(a.status, 200);
    assert_true(json_exists(answer_find(&a, "entry.1")));
    assert_false(json_exists(answer_find(&a, "entry.2")));
}

static void instants_before_the_horizon_are_a_410_that_names_it(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++)
        put_one(w, i);
    char then[INSTANT_TEXT_BYTES];
    instant_render(os_now_us(), 6, then);
    put_one(w, 3);
    int64_t horizon = raise_now(w);
    put_one(w, 4);
    static const char *const targets[] = {
        "Patient?_asof=2000-01-01", "Patient?_asof=%s",     "Patient/p/$everything?_asof=%s",
        "Patient/p/_history?_at=2000", "_history?_at=2000", "Patient/_history?_at=%s",
    };
    for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
        const char *at = strstr(targets[i], "%s");
        struct slice head = slice_of(targets[i], at ? (size_t)(at - targets[i])
                                                    : strlen(targets[i]));
        expect_beyond(w, arena_printf(&w->arena, "%.*s%s", SLICE_ARGS(head), at ? then : "").bytes,
                      horizon);
    }
    char after[INSTANT_TEXT_BYTES];
    instant_render(os_now_us() + 1, 6, after);
    assert_int_equal(
        get(w, arena_printf(&w->arena, "Patient?_asof=%s", after).bytes).status, 200);
}

static void a_page_from_before_the_horizon_is_a_410(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        struct answer a = post(w, "Patient", "{\"resourceType\":\"Patient\"}");
        assert_int_equal(a.status, 201);
    }
    struct answer first = get(w, "Patient?_count=2");
    struct slice link = SLICE_NONE;
    struct json l = answer_find(&first, "link");
    for (struct json v = json_first(l); json_exists(v); v = json_next(l, v))
        if (json_string_is(json_get(v, SLICE("relation")), SLICE("next")))
            link = json_string(json_get(v, SLICE("url")), &w->arena);
    ptrdiff_t at = slice_find(link, SLICE("/r4/"));
    assert_true(at > 0);
    const char *target = arena_copy(&w->arena, slice_from(link, (size_t)at + 4));
    assert_int_equal(get(w, target).status, 200);
    put_one(w, 0);
    expect_beyond(w, target, raise_now(w));
}

static void a_deleted_resource_stays_a_410_and_its_versions_go_on(void **state)
{
    struct world *w = *state;
    put_one(w, 0);
    assert_int_equal(ask(w, "DELETE", "Patient/p", NULL, NULL).status, 204);
    int64_t horizon = raise_now(w);
    assert_int_equal(get(w, "Patient/p").status, 410);
    expect_beyond(w, "Patient/p/_history/1", horizon);
    struct answer a = put(w, "Patient/p", patient(w, 1));
    assert_int_equal(a.status, 201);
    assert_string_equal(header(w, &a, "ETag"), "W/\"3\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(versions_beyond_the_horizon_are_a_410_that_names_it),
        TEST(a_history_has_what_is_kept_and_says_how_much),
        TEST(instants_before_the_horizon_are_a_410_that_names_it),
        TEST(a_page_from_before_the_horizon_is_a_410),
        TEST(a_deleted_resource_stays_a_410_and_its_versions_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
