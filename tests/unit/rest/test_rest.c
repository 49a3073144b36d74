#include "rest/world.h"

/* ---- errors made outside ---- */

static void a_refusal_from_outside_has_our_body_and_the_requests_id(void **state)
{
    struct world *w = *state;
    struct answer a = { 0 };
    request_fill(w, &a.request, "GET", "x", NULL, SLICE_NONE);
    rest_refuse(&a.request, ERR_TIMEOUT, "timeout", SLICE("it took \"too\" long \xff"),
                &a.response);
    assert_int_equal(a.response.status, 504);
    a.body = a.response.body;
    struct json_error where;
    assert_int_equal(json_parse(a.body, NULL, &w->arena, &a.doc, &where), ERR_NONE);
    assert_at(w, &a, "resourceType", "OperationOutcome");
    assert_at(w, &a, "id", a.request.id);
    assert_at(w, &a, "issue.0.code", "timeout");
    assert_at(w, &a, "issue.0.diagnostics", "it took \"too\" long ?");
    assert_string_equal(header(w, &a, "Content-Type"), "application/fhir+json");
}

static void an_overload_says_when_to_come_back(void **state)
{
    struct world *w = *state;
    struct answer a = { 0 };
    request_fill(w, &a.request, "GET", "x", NULL, SLICE_NONE);
    rest_refuse(&a.request, ERR_BUSY, "transient", SLICE("later"), &a.response);
    assert_int_equal(a.response.status, 503);
    assert_string_equal(header(w, &a, "Retry-After"), "1");
}

static void a_request_without_memory_is_a_503(void **state)
{
    struct world *w = *state;
    struct answer a = { 0 };
    struct arena small;
    arena_init(&small, 64);
    request_fill(w, &a.request, "GET", "metadata", NULL, SLICE_NONE);
    a.request.arena = &small;
    rest_handle(w->rest, &a.request, SLICE("metadata"), &a.response);
    assert_int_equal(a.response.status, 503);
    assert_true(a.response.body.length > 0);
    arena_release(&small);
}

/* ---- memory ---- */

/* An answer out of an arena with so little room: a right one or a 503; a search
 * that ran out of it says so with a 413. */
static bool is_answered(struct world *w, const char *method, const char *target, const char *body,
                        size_t limit_bytes)
{
    struct answer a = { 0 };
    struct arena tight;
    struct json_error where;
    arena_init(&tight, limit_bytes);
    request_fill(w, &a.request, method, target, NULL, slice_cstr(body));
    a.request.arena = &tight;
    struct slice path = slice_from(a.request.path, strlen("/datastore/ds1/r4/"));
    rest_handle(w->rest, &a.request, path, &a.response);
    a.status = a.response.status;
    answer_drain(w, &a);
    assert_int_equal(json_parse(a.body, NULL, &w->arena, &a.doc, &where), ERR_NONE);
    if (a.status != 200 && a.status != 503 && a.status != 413)
        fail_msg("%s with %zu bytes: %d %.*s", target, limit_bytes, a.status, SLICE_ARGS(a.body));
    bool is_good = a.status == 200;
    arena_release(&tight);
    return is_good;
}

static void memory_that_ends_anywhere_leaves_an_honest_answer(void **state)
{
    struct world *w = *state;
    static const char BATCH[] =
        "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"resource\":{"
        "\"resourceType\":\"Patient\",\"id\":\"p1\",\"managingOrganization\":{\"reference\":"
        "\"Organization/o1\"}},\"request\":{\"method\":\"PUT\","
        "\"url\":\"Patient/p1\"}},{\"request\":{\"method\":\"GET\",\"url\":\"Patient/p1\"}}]}";
    static const char *const TARGETS[] = { "Patient/p1",
                                           "Patient/p1/_history",
                                           "Patient?_id=p1",
                                           "Patient/p1/$everything",
                                           "Patient/p1/$everything?_count=1",
                                           "metadata" };
    expect_status(put(w, "Organization/o1", "{\"resourceType\":\"Organization\",\"id\":\"o1\"}"),
                  201);
    int good = 0;
    for (size_t limit = 64; limit < 300 * 1024; limit += limit / 16 + 1)
        good += is_answered(w, "POST", "", BATCH, limit);
    assert_true(good > 0);
    for (size_t i = 0; i < ARRAY_COUNT(TARGETS); i++) {
        good = 0;
        for (size_t limit = 64; limit < 2 * 1024 * 1024; limit += limit / 16 + 1)
            good += is_answered(w, "GET", TARGETS[i], NULL, limit);
        assert_true(good > 0);
    }
}

/* ---- limits by setting ---- */

static void limits_are_settings(void **state)
{
    struct world *w = *state;
    world_close(w);
    w->behaviour.limits.body_bytes = 100;
    w->behaviour.limits.batch_entries = 1;
    world_open(w);
    static const char TWO[] = "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{},{}]}";
    struct answer a = expect_status(post(w, "", TWO), 422);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "--behave open");
    a = expect_status(post(w, "Patient",
                           "{\"resourceType\":\"Patient\",\"language\":\"01234567890123456"
                           "78901234567890123456789012345678901234567890123456789\"}"),
                      413);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "the limit of a request body is 100");
}

static void a_public_url_is_what_links_and_full_urls_say(void **state)
{
    struct world *w = *state;
    rest_close(w->rest);
    struct rest_settings settings = { .store = w->store,
                                      .behaviour = w->behaviour,
                                      .datastore_id = SLICE("ds1"),
                                      .public_url = SLICE("https://fhir.example") };
    assert_int_equal(rest_open(&settings, &w->rest), ERR_NONE);
    struct answer a =
        expect_status(put(w, "Patient/p1", "{\"resourceType\":\"Patient\",\"id\":\"p1\"}"), 201);
    assert_string_equal(header(w, &a, "Location"),
                        "https://fhir.example/datastore/ds1/r4/Patient/p1/_history/1");
    a = expect_status(get(w, "Patient"), 200);
    assert_at(w, &a, "entry.0.fullUrl", "https://fhir.example/datastore/ds1/r4/Patient/p1");
    assert_at(w, &a, "link.0.url", "https://fhir.example/datastore/ds1/r4/Patient");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_refusal_from_outside_has_our_body_and_the_requests_id),
        WORLD_TEST(an_overload_says_when_to_come_back),
        WORLD_TEST(a_request_without_memory_is_a_503),
        WORLD_TEST(memory_that_ends_anywhere_leaves_an_honest_answer),
        WORLD_TEST(limits_are_settings),
        WORLD_TEST(a_public_url_is_what_links_and_full_urls_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
