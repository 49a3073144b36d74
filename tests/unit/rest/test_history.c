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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(history_lists_all_versions_newest_first_with_request_and_response),
        WORLD_TEST(a_deletion_stands_in_the_history_without_a_resource),
        WORLD_TEST(a_deleted_resource_still_has_its_history_and_an_unknown_one_has_none),
        WORLD_TEST(history_tells_a_post_from_a_put),
        WORLD_TEST(pages_follow_their_next_links_and_stay_stable_while_versions_come),
        WORLD_TEST(a_page_that_ends_at_a_revival_still_says_201),
        WORLD_TEST(since_keeps_what_is_at_or_after_the_instant),
        WORLD_TEST(bad_parameters_are_refused_by_name),
        WORLD_TEST(a_count_of_zero_gives_the_total_alone),
        WORLD_TEST(the_whole_history_has_all_types_newest_first),
        WORLD_TEST(pages_of_a_types_history_stay_stable_while_others_are_written),
        WORLD_TEST(at_gives_what_was_current_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
