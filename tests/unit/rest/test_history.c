#include "rest/world.h"

static void put_version(struct world *w, const char *family)
{
    struct slice body = arena_printf(
        &w->arena, "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"name\":[{\"family\":\"%s\"}]}",
        family);
    struct answer a = put(w, "Patient/p1", body.bytes);
    assert_true(a.status == 200 || a.status == 201);
}

/* Three versions, a deletion, a revival: versions 1 to 5. */
static void live_a_life(struct world *w)
{
    put_version(w, "one");
    put_version(w, "two");
    put_version(w, "three");
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    put_version(w, "five");
}

static void history_lists_all_versions_newest_first_with_request_and_response(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    struct answer a = expect_status(get(w, "Patient/p1/_history"), 200);
    assert_at(w, &a, "type", "history");
    assert_at(w, &a, "total", "5");
    assert_int_equal(count_at(&a, "entry"), 5);
    assert_at(w, &a, "entry.0.resource.name.0.family", "five");
    assert_at(w, &a, "entry.0.resource.meta.versionId", "5");
    assert_at(w, &a, "entry.0.fullUrl", BASE "/Patient/p1");
    assert_at(w, &a, "entry.0.request.method", "PUT");
    assert_at(w, &a, "entry.0.request.url", "Patient/p1");
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.0.response.etag", "W/\"5\"");
    assert_at(w, &a, "entry.0.response.location", "Patient/p1/_history/5");
    assert_at(w, &a, "entry.2.response.status", "200");
    assert_at(w, &a, "entry.4.response.status", "201");
    assert_at(w, &a, "entry.4.resource.name.0.family", "one");
}

static void a_deletion_stands_in_the_history_without_a_resource(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    struct answer a = expect_status(get(w, "Patient/p1/_history"), 200);
    assert_at(w, &a, "entry.1.request.method", "DELETE");
    assert_at(w, &a, "entry.1.request.url", "Patient/p1");
    assert_at(w, &a, "entry.1.response.status", "204");
    assert_at(w, &a, "entry.1.response.etag", "W/\"4\"");
    assert_false(json_exists(answer_find(&a, "entry.1.resource")));
    assert_true(json_exists(answer_find(&a, "entry.1.response.lastModified")));
}

static void a_deleted_resource_still_has_its_history_and_an_unknown_one_has_none(void **state)
{
    struct world *w = *state;
    put_version(w, "one");
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    struct answer a = expect_status(get(w, "Patient/p1/_history"), 200);
    assert_int_equal(count_at(&a, "entry"), 2);
    assert_at(w, &a, "total", "2");
    expect_status(get(w, "Patient/none/_history"), 404);
}

static void history_tells_a_post_from_a_put(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "Patient", "{\"resourceType\":\"Patient\"}"), 201);
    const char *id = text_at(w, &a, "id");
    a = expect_status(get(w, arena_printf(&w->arena, "Patient/%s/_history", id).bytes), 200);
    assert_at(w, &a, "entry.0.request.method", "POST");
    assert_at(w, &a, "entry.0.request.url", "Patient");
    put_version(w, "one");
    a = expect_status(get(w, "Patient/p1/_history"), 200);
    assert_at(w, &a, "entry.0.request.method", "PUT");
}

static void history_tells_a_patch_and_a_put_after_it_that_changes_nothing_makes_no_version(
    void **state)
{
    struct world *w = *state;
    put_version(w, "one");
    expect_status(ask(w, "PATCH", "Patient/p1", "Content-Type: application/merge-patch+json",
                      "{\"active\":true}"),
                  200);
    expect_status(put(w, "Patient/p1",
                      "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"name\":[{\"family\":\"one\"}],"
                      "\"active\":true}"),
                  200);
    expect_status(ask(w, "PATCH", "Patient?_id=p1", "Content-Type: application/merge-patch+json",
                      "{\"active\":false}"),
                  200);
    expect_status(post(w, "",
                       "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{"
                       "\"resource\":{\"resourceType\":\"Binary\",\"contentType\":"
                       "\"application/merge-patch+json\",\"data\":\"eyJhY3RpdmUiOnRydWV9\"},"
                       "\"request\":{\"method\":\"PATCH\",\"url\":\"Patient/p1\"}}]}"),
                  200);
    struct answer a = expect_status(get(w, "Patient/p1/_history"), 200);
    assert_int_equal(count_at(&a, "entry"), 4);
    for (int i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof path, "entry.%d.request.method", i);
        assert_at(w, &a, path, "PATCH");
        snprintf(path, sizeof path, "entry.%d.request.url", i);
        assert_at(w, &a, path, "Patient/p1");
        snprintf(path, sizeof path, "entry.%d.response.status", i);
        assert_at(w, &a, path, "200");
    }
    assert_at(w, &a, "entry.3.request.method", "PUT");
}

static void a_put_that_equals_what_was_posted_makes_no_version(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "Patient", "{\"resourceType\":\"Patient\",\"active\":true}"), 201);
    const char *id = text_at(w, &a, "id");
    a = expect_status(get(w, arena_printf(&w->arena, "Patient/%s", id).bytes), 200);
    a = expect_status(ask_bytes(w, "PUT", arena_printf(&w->arena, "Patient/%s", id).bytes,
                                "Content-Type: application/fhir+json", a.body),
                      200);
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    a = expect_status(get(w, arena_printf(&w->arena, "Patient/%s/_history", id).bytes), 200);
    assert_at(w, &a, "total", "1");
    assert_at(w, &a, "entry.0.request.method", "POST");
}

static void pages_follow_their_next_links_and_stay_stable_while_versions_come(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    struct answer a = expect_status(get(w, "Patient/p1/_history?_count=2"), 200);
    assert_int_equal(count_at(&a, "entry"), 2);
    assert_at(w, &a, "total", "5");
    assert_string_equal(link_of(w, &a, "self"), "Patient/p1/_history?_count=2");
    put_version(w, "six");
    const char *next = link_of(w, &a, "next");
    assert_non_null(next);
    for (const char *c = strstr(next, "page=") + 5; *c; c++)
        assert_non_null(
            strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", *c));
    a = expect_status(get(w, next), 200);
    assert_at(w, &a, "entry.0.response.etag", "W/\"3\"");
    assert_at(w, &a, "entry.1.response.etag", "W/\"2\"");
    assert_at(w, &a, "total", "5");
    world_close(w);
    world_open(w);
    a = expect_status(get(w, link_of(w, &a, "next")), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
    assert_at(w, &a, "entry.0.response.etag", "W/\"1\"");
    assert_null(link_of(w, &a, "next"));
}

static void a_page_that_ends_at_a_revival_still_says_201(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    struct answer a = expect_status(get(w, "Patient/p1/_history?_count=1"), 200);
    assert_at(w, &a, "entry.0.response.status", "201");
}

static void since_keeps_what_is_at_or_after_the_instant(void **state)
{
    struct world *w = *state;
    put_version(w, "one");
    put_version(w, "two");
    struct answer a = expect_status(get(w, "Patient/p1"), 200);
    struct slice target = arena_printf(&w->arena, "Patient/p1/_history?_since=%s",
                                       text_at(w, &a, "meta.lastUpdated"));
    put_version(w, "three");
    a = expect_status(get(w, target.bytes), 200);
    assert_int_equal(count_at(&a, "entry"), 2);
    assert_at(w, &a, "entry.1.resource.name.0.family", "two");
    a = expect_status(get(w, "Patient/p1/_history?_since=2999-01-01"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
    expect_status(get(w, "Patient/p1/_history?_since=yesterday"), 400);
    /* a '+' that was not encoded is the zone's, as in search; the link encodes it */
    a = expect_status(get(w, "Patient/p1/_history?_since=2999-01-01T00:00:00+02:00"), 200);
    assert_contains(text_at(w, &a, "link.0.url"), "00%2B02%3A00");
}

static void bad_parameters_are_refused_by_name(void **state)
{
    struct world *w = *state;
    put_version(w, "one");
    expect_status(get(w, "Patient/p1/_history?_count=x"), 400);
    expect_status(get(w, "Patient/p1/_history?page=zzzz"), 400);
    struct answer a = expect_status(get(w, "Patient/p1/_history?_at=soon"), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "_at");
}

static void one_page_that_has_all_states_the_total(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    static const struct {
        const char *target, *total;
    } CASES[] = { { "_history", "5" },
                  { "Patient/_history", "5" },
                  { "Observation/_history", "0" },
                  { "Patient/p1/_history?_since=2000", "5" },
                  { "Patient/p1/_history?_since=2999", "0" },
                  { "_history?_at=1999", "0" },
                  { "_history?_count=5", "5" },
                  { "_history?_count=4", "" },
                  { "_history?_count=0", "" } };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct answer a = expect_status(get(w, CASES[i].target), 200);
        assert_at(w, &a, "total", CASES[i].total);
    }
    struct answer a = expect_status(get(w, "_history?_count=4"), 200);
    a = expect_status(get(w, link_of(w, &a, "next")), 200);
    assert_at(w, &a, "total", "");
}

static void a_count_of_zero_gives_the_total_alone(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    struct answer a = expect_status(get(w, "Patient/p1/_history?_count=0"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
    assert_at(w, &a, "total", "5");
}

/* ---- types and the whole store ---- */

static void the_whole_history_has_all_types_newest_first(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    expect_status(post(w, "Organization", "{\"resourceType\":\"Organization\"}"), 201);
    struct answer a = expect_status(get(w, "_history"), 200);
    assert_int_equal(count_at(&a, "entry"), 6);
    assert_at(w, &a, "entry.0.resource.resourceType", "Organization");
    assert_at(w, &a, "entry.0.request.method", "POST");
    assert_at(w, &a, "entry.0.request.url", "Organization");
    assert_at(w, &a, "entry.1.resource.name.0.family", "five");
    assert_at(w, &a, "entry.1.response.status", "201");
    assert_at(w, &a, "entry.2.request.method", "DELETE");
    assert_at(w, &a, "entry.2.request.url", "Patient/p1");
    assert_false(json_exists(answer_find(&a, "entry.2.resource")));
    assert_at(w, &a, "entry.3.response.status", "200");
    assert_at(w, &a, "entry.5.response.location", "Patient/p1/_history/1");
    a = expect_status(get(w, "Patient/_history"), 200);
    assert_int_equal(count_at(&a, "entry"), 5);
    a = expect_status(get(w, "Observation/_history"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
}

static void pages_of_a_types_history_stay_stable_while_others_are_written(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    expect_status(post(w, "Organization", "{\"resourceType\":\"Organization\"}"), 201);
    const char *target = "Patient/_history?_count=2";
    const char *const FAMILIES[] = { "five", "three", "two", "one" };
    size_t pages = 0, seen = 0, entries = 0;
    for (; target; pages++) {
        struct answer a = expect_status(get(w, target), 200);
        size_t count = count_at(&a, "entry");
        entries += count;
        for (size_t i = 0; i < count; i++) {
            char path[64];
            snprintf(path, sizeof path, "entry.%zu.resource.name.0.family", i);
            if (text_at(w, &a, path)[0])
                assert_at(w, &a, path, FAMILIES[seen++]);
        }
        target = link_of(w, &a, "next");
        put_version(w, "later");
        expect_status(post(w, "Organization", "{\"resourceType\":\"Organization\"}"), 201);
    }
    assert_int_equal(pages, 3);
    assert_int_equal(entries, 5);
    assert_int_equal(seen, 4);
}

static const char *updated_at(struct world *w)
{
    struct answer a = expect_status(get(w, "Patient/p1"), 200);
    return text_at(w, &a, "meta.lastUpdated");
}

static void at_gives_what_was_current_then(void **state)
{
    struct world *w = *state;
    put_version(w, "one");
    put_version(w, "two");
    const char *two = updated_at(w);
    put_version(w, "three");
    const char *three = updated_at(w);
    static const char *const SCOPES[] = { "Patient/p1/", "Patient/", "" };
    for (size_t i = 0; i < ARRAY_COUNT(SCOPES); i++) {
        struct answer a = expect_status(
            get(w, arena_printf(&w->arena, "%s_history?_at=%s", SCOPES[i], two).bytes), 200);
        assert_int_equal(count_at(&a, "entry"), 1);
        assert_at(w, &a, "entry.0.resource.name.0.family", "two");
        a = expect_status(
            get(w, arena_printf(&w->arena, "%s_history?_at=2999&_count=2", SCOPES[i]).bytes), 200);
        assert_int_equal(count_at(&a, "entry"), 1);
        assert_at(w, &a, "entry.0.resource.name.0.family", "three");
        assert_null(link_of(w, &a, "next"));
        a = expect_status(get(w, arena_printf(&w->arena, "%s_history?_at=1999", SCOPES[i]).bytes),
                          200);
        assert_int_equal(count_at(&a, "entry"), 0);
        a = expect_status(
            get(w, arena_printf(&w->arena, "%s_history?_since=%s", SCOPES[i], three).bytes), 200);
        assert_int_equal(count_at(&a, "entry"), 1);
    }
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    for (size_t i = 0; i < ARRAY_COUNT(SCOPES); i++) {
        struct answer a = expect_status(
            get(w, arena_printf(&w->arena, "%s_history?_at=2999", SCOPES[i]).bytes), 200);
        assert_int_equal(count_at(&a, "entry"), 0);
        a = expect_status(
            get(w, arena_printf(&w->arena, "%s_history?_at=%.4s", SCOPES[i], three).bytes), 200);
        assert_int_equal(count_at(&a, "entry"), 4); /* all lie in this year */
    }
}

enum { LIST_MAX = 64 };

/* response.location of each entry, over all pages. */
static size_t locations(struct world *w, const char *target, const char *ret[LIST_MAX])
{
    size_t count = 0;
    while (target) {
        struct answer a = expect_status(get(w, target), 200);
        size_t here = count_at(&a, "entry");
        for (size_t i = 0; i < here && count < LIST_MAX; i++) {
            char path[64];
            snprintf(path, sizeof path, "entry.%zu.response.location", i);
            ret[count++] = text_at(w, &a, path);
        }
        target = link_of(w, &a, "next");
    }
    return count;
}

static void sort_by_last_updated_is_the_newest_first_turned_round(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    const char *five = updated_at(w);
    expect_status(post(w, "Organization", "{\"resourceType\":\"Organization\"}"), 201);
    put_version(w, "six");
    put_version(w, "seven");
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    const char *const SCOPES[] = { "Patient/p1/", "Patient/", "" };
    const char *const FILTERS[] = {
        "",
        arena_printf(&w->arena, "&_since=%s", five).bytes,
        arena_printf(&w->arena, "&_at=%s", five).bytes,
        arena_printf(&w->arena, "&_at=%.4s", five).bytes,
        "&_at=2999",
        arena_printf(&w->arena, "&_since=%s&_at=%.4s", five, five).bytes,
    };
    static const size_t COUNTS[3][6] = { { 8, 4, 1, 8, 0, 4 }, { 8, 4, 1, 8, 0, 4 },
                                         { 9, 5, 1, 9, 1, 5 } };
    for (size_t s = 0; s < ARRAY_COUNT(SCOPES); s++) {
        for (size_t f = 0; f < ARRAY_COUNT(FILTERS); f++) {
            const char *down[LIST_MAX], *up[LIST_MAX];
            struct slice target =
                arena_printf(&w->arena, "%s_history?_count=2%s", SCOPES[s], FILTERS[f]);
            size_t count = locations(w, target.bytes, down);
            assert_int_equal(count, COUNTS[s][f]);
            target = arena_printf(&w->arena, "%s&_sort=_lastUpdated", target.bytes);
            assert_int_equal(locations(w, target.bytes, up), count);
            for (size_t i = 0; i < count; i++)
                assert_string_equal(up[i], down[count - 1 - i]);
        }
    }
}

static void sort_takes_three_values_and_stays_in_the_links(void **state)
{
    struct world *w = *state;
    live_a_life(w);
    struct answer a =
        expect_status(get(w, "Patient/p1/_history?_sort=_lastUpdated&_count=2"), 200);
    assert_string_equal(link_of(w, &a, "self"),
                        "Patient/p1/_history?_count=2&_sort=_lastUpdated");
    assert_at(w, &a, "total", "5");
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_contains(link_of(w, &a, "next"), "_sort=_lastUpdated&page=");
    put_version(w, "later");
    size_t seen = 2;
    for (const char *next = link_of(w, &a, "next"); next; next = link_of(w, &a, "next")) {
        a = expect_status(get(w, next), 200);
        seen += count_at(&a, "entry");
    }
    assert_int_equal(seen, 5);
    a = expect_status(get(w, "_history?_sort=-_lastUpdated&_count=1"), 200);
    assert_at(w, &a, "entry.0.resource.name.0.family", "later");
    a = expect_status(get(w, "Patient/_history?_sort=none&_count=1"), 200);
    assert_at(w, &a, "entry.0.resource.name.0.family", "later");
    expect_status(get(w, "_history?_sort=name"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(history_lists_all_versions_newest_first_with_request_and_response),
        WORLD_TEST(a_deletion_stands_in_the_history_without_a_resource),
        WORLD_TEST(a_deleted_resource_still_has_its_history_and_an_unknown_one_has_none),
        WORLD_TEST(history_tells_a_post_from_a_put),
        WORLD_TEST(
            history_tells_a_patch_and_a_put_after_it_that_changes_nothing_makes_no_version),
        WORLD_TEST(a_put_that_equals_what_was_posted_makes_no_version),
        WORLD_TEST(pages_follow_their_next_links_and_stay_stable_while_versions_come),
        WORLD_TEST(a_page_that_ends_at_a_revival_still_says_201),
        WORLD_TEST(since_keeps_what_is_at_or_after_the_instant),
        WORLD_TEST(bad_parameters_are_refused_by_name),
        WORLD_TEST(one_page_that_has_all_states_the_total),
        WORLD_TEST(a_count_of_zero_gives_the_total_alone),
        WORLD_TEST(the_whole_history_has_all_types_newest_first),
        WORLD_TEST(pages_of_a_types_history_stay_stable_while_others_are_written),
        WORLD_TEST(at_gives_what_was_current_then),
        WORLD_TEST(sort_by_last_updated_is_the_newest_first_turned_round),
        WORLD_TEST(sort_takes_three_values_and_stays_in_the_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
