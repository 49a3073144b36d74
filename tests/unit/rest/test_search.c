#include "rest/world.h"

#include "base/buf.h"
#include "search/search.h"

static void put_patient(struct world *w, const char *id, const char *rest)
{
    struct slice target = arena_printf(&w->arena, "Patient/%s", id);
    struct slice body =
        arena_printf(&w->arena, "{\"resourceType\":\"Patient\",\"id\":\"%s\"%s}", id, rest);
    struct answer a = put(w, target.bytes, body.bytes);
    assert_true(a.status == 200 || a.status == 201);
}

static void put_many(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice id = arena_printf(&w->arena, "p%zu", i);
        put_patient(w, id.bytes, ",\"gender\":\"female\"");
    }
}

static void a_searchset_has_full_urls_modes_and_a_self_link(void **state)
{
    struct world *w = *state;
    put_patient(w, "p1", ",\"gender\":\"female\"");
    put_patient(w, "p2", ",\"gender\":\"male\"");
    struct answer a = expect_status(get(w, "Patient?gender=female"), 200);
    assert_at(w, &a, "type", "searchset");
    assert_int_equal(count_at(&a, "entry"), 1);
    assert_at(w, &a, "entry.0.fullUrl", BASE "/Patient/p1");
    assert_at(w, &a, "entry.0.resource.id", "p1");
    assert_at(w, &a, "entry.0.resource.meta.versionId", "1");
    assert_at(w, &a, "entry.0.search.mode", "match");
    assert_string_equal(link_of(w, &a, "self"), "Patient?gender=female");
    assert_null(link_of(w, &a, "next"));
    assert_at(w, &a, "total", "");
}

static void a_search_sees_every_acknowledged_write_at_once(void **state)
{
    struct world *w = *state;
    put_patient(w, "p1", ",\"gender\":\"female\"");
    assert_int_equal(
        count_at(&(struct answer){ .doc = get(w, "Patient?gender=female").doc }, "entry"), 1);
    put_patient(w, "p1", ",\"gender\":\"male\"");
    struct answer a = expect_status(get(w, "Patient?gender=female"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
    a = expect_status(get(w, "Patient?gender=male"), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    a = expect_status(get(w, "Patient?gender=male"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
}

static void an_empty_answer_has_no_entry_member(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "Patient?gender=female"), 200);
    assert_false(json_exists(answer_find(&a, "entry")));
}

static void a_post_search_joins_form_and_url(void **state)
{
    struct world *w = *state;
    put_patient(w, "p1", ",\"gender\":\"female\",\"birthDate\":\"1970-01-01\"");
    put_patient(w, "p2", ",\"gender\":\"female\",\"birthDate\":\"1980-01-01\"");
    struct answer a =
        expect_status(ask(w, "POST", "Patient/_search?gender=female",
                          "Content-Type: application/x-www-form-urlencoded", "birthdate=lt1975"),
                      200);
    assert_int_equal(count_at(&a, "entry"), 1);
    assert_at(w, &a, "entry.0.resource.id", "p1");
    assert_string_equal(link_of(w, &a, "self"), "Patient?gender=female&birthdate=lt1975");
    expect_status(ask(w, "POST", "Patient/_search", "Content-Type: application/fhir+json", "{}"),
                  415);
    expect_status(ask(w, "POST", "Patient/_search", NULL, NULL), 200);
}

static void pages_are_100_long_without_count_and_follow_to_the_end(void **state)
{
    struct world *w = *state;
    put_many(w, 105);
    struct answer a = expect_status(get(w, "Patient?gender=female"), 200);
    assert_int_equal(count_at(&a, "entry"), 100);
    a = expect_status(get(w, link_of(w, &a, "next")), 200);
    assert_int_equal(count_at(&a, "entry"), 5);
    assert_null(link_of(w, &a, "next"));
}

static void pages_survive_writes_and_restarts(void **state)
{
    struct world *w = *state;
    put_many(w, 7);
    struct answer a = expect_status(get(w, "Patient?gender=female&_count=3&_total=accurate"), 200);
    assert_at(w, &a, "total", "7");
    const char *next = link_of(w, &a, "next");
    for (const char *c = strstr(next, "page=") + 5; *c; c++)
        assert_non_null(
            strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", *c));
    put_patient(w, "p4", ",\"gender\":\"male\"");
    put_patient(w, "new", ",\"gender\":\"female\"");
    expect_status(ask(w, "DELETE", "Patient/p5", NULL, NULL), 204);
    world_close(w);
    world_open(w);
    a = expect_status(get(w, next), 200);
    assert_int_equal(count_at(&a, "entry"), 3);
    assert_at(w, &a, "total", "7");
    assert_at(w, &a, "entry.0.resource.id", "p3");
    assert_at(w, &a, "entry.1.resource.gender", "female");
    assert_at(w, &a, "entry.2.resource.id", "p5");
    a = expect_status(get(w, link_of(w, &a, "next")), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
    assert_at(w, &a, "entry.0.resource.id", "p6");
    assert_null(link_of(w, &a, "next"));
}

static void a_page_that_ends_with_the_last_match_has_no_next(void **state)
{
    struct world *w = *state;
    put_many(w, 4);
    struct answer a = expect_status(get(w, "Patient?_count=4"), 200);
    assert_null(link_of(w, &a, "next"));
    a = expect_status(get(w, "Patient?_count=3"), 200);
    assert_non_null(link_of(w, &a, "next"));
}

static void a_larger_count_is_lowered_and_the_self_link_says_so(void **state)
{
    struct world *w = *state;
    put_many(w, 2);
    struct answer a = expect_status(get(w, "Patient?_count=5000"), 200);
    assert_string_equal(link_of(w, &a, "self"), "Patient?_count=1000");
}

static void a_count_of_zero_gives_the_count_alone(void **state)
{
    struct world *w = *state;
    put_many(w, 3);
    struct answer a = expect_status(get(w, "Patient?_count=0"), 200);
    assert_at(w, &a, "total", "3");
    assert_false(json_exists(answer_find(&a, "entry")));
    a = expect_status(get(w, "Patient?_summary=count"), 200);
    assert_at(w, &a, "total", "3");
}

static void unknown_parameters_and_bad_values_are_named(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "Patient?gendr=female"), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "gendr");
    a = expect_status(get(w, "Patient?birthdate=yesterday"), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "birthdate");
    expect_status(get(w, "Patient?page=nonsense"), 400);
    expect_status(get(w, "Foo?_id=1"), 404);
}

static void healthlake_refuses_a_count_of_zero_and_over_a_hundred(void **state)
{
    struct world *w = *state;
    expect_status(get(w, "Patient?_count=0"), 400);
    expect_status(get(w, "Patient?_count=101"), 400);
    expect_status(get(w, "Patient?_count=100"), 200);
}

static void links_name_the_requests_host(void **state)
{
    struct world *w = *state;
    put_many(w, 1);
    struct answer a = { 0 };
    request_fill(w, &a.request, "GET", "Patient?_count=5", NULL, SLICE_NONE);
    a.request.headers[0].value = SLICE("tarn.example:9000");
    rest_handle(w->rest, &a.request, SLICE("Patient"), &a.response);
    assert_true(slice_find(a.response.body,
                           SLICE("\"http://tarn.example:9000/datastore/ds1/r4/Patient/p0\"")) > 0);
    assert_true(slice_find(a.response.body,
                           SLICE("http://tarn.example:9000/datastore/ds1/r4/Patient?_count=5")) >
                0);
}

/* A token of ours, and one whose last byte is another. */
static void a_forged_token_is_a_400(void **state)
{
    struct world *w = *state;
    put_many(w, 3);
    struct answer a = expect_status(get(w, "Patient?_count=1"), 200);
    const char *next = link_of(w, &a, "next");
    expect_status(get(w, next), 200);
    struct slice forged = world_copy(w, arena_printf(&w->arena, "%s", next));
    char *last = (char *)(uintptr_t)(forged.bytes + strlen(next) - 2);
    struct slice target =
        arena_printf(&w->arena, "%.*s%c%c", (int)strlen(next) - 2, next, *last == 'A' ? 'B' : 'A',
                     last[1]);
    a = expect_status(get(w, target.bytes), 400);
    assert_at(w, &a, "issue.0.diagnostics", "Invalid pagination token.");
}

static void a_host_that_would_break_the_json_is_not_repeated(void **state)
{
    struct world *w = *state;
    static const char *const HOSTS[] = { "evil\"}", "ev\\il", "\xff", "", "a b" };
    put_many(w, 1);
    for (size_t i = 0; i < ARRAY_COUNT(HOSTS); i++) {
        struct answer a = { 0 };
        request_fill(w, &a.request, "GET", "Patient", NULL, SLICE_NONE);
        a.request.headers[0].value = slice_cstr(HOSTS[i]);
        rest_handle(w->rest, &a.request, SLICE("Patient"), &a.response);
        assert_true(slice_find(a.response.body,
                               SLICE("\"http://localhost/datastore/ds1/r4/Patient/p0\"")) > 0);
    }
}

static void a_large_page_is_streamed_whole(void **state)
{
    struct world *w = *state;
    char *filler = arena_raw(&w->arena, 20001);
    memset(filler, 'x', 20000);
    filler[20000] = '\0';
    for (size_t i = 0; i < 60; i++) {
        struct slice id = arena_printf(&w->arena, "p%zu", i);
        struct slice rest = arena_printf(&w->arena, ",\"language\":\"%s%zu\"", filler, i);
        put_patient(w, id.bytes, rest.bytes);
    }
    struct answer a = expect_status(get(w, "Patient?_count=60"), 200);
    assert_true(a.was_streamed);
    assert_int_equal(count_at(&a, "entry"), 60);
    assert_at(w, &a, "entry.59.resource.id", "p59");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_searchset_has_full_urls_modes_and_a_self_link),
        WORLD_TEST(a_search_sees_every_acknowledged_write_at_once),
        WORLD_TEST(an_empty_answer_has_no_entry_member),
        WORLD_TEST(a_post_search_joins_form_and_url),
        WORLD_TEST(pages_are_100_long_without_count_and_follow_to_the_end),
        WORLD_TEST(pages_survive_writes_and_restarts),
        WORLD_TEST(a_page_that_ends_with_the_last_match_has_no_next),
        WORLD_TEST(a_larger_count_is_lowered_and_the_self_link_says_so),
        WORLD_TEST(a_count_of_zero_gives_the_count_alone),
        WORLD_TEST(unknown_parameters_and_bad_values_are_named),
        HEALTHLAKE_TEST(healthlake_refuses_a_count_of_zero_and_over_a_hundred),
        WORLD_TEST(links_name_the_requests_host),
        WORLD_TEST(a_forged_token_is_a_400),
        WORLD_TEST(a_host_that_would_break_the_json_is_not_repeated),
        WORLD_TEST(a_large_page_is_streamed_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
