#include "rest/world.h"

#include "base/date.h"

#define ANN "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"name\":[{\"family\":\"Ann\"}]}"
#define BEA "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"name\":[{\"family\":\"Bea\"}]}"

/* ---- create ---- */

static void create_answers_201_with_location_and_the_stored_body(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "Patient", "{\"resourceType\":\"Patient\",\"active\":true}"), 201);
    const char *id = text_at(w, &a, "id");
    assert_true(uuid_is_valid(slice_cstr(id)));
    assert_at(w, &a, "active", "true");
    assert_at(w, &a, "meta.versionId", "1");
    struct slice location = arena_printf(&w->arena, BASE "/Patient/%s/_history/1", id);
    assert_string_equal(header(w, &a, "Location"), location.bytes);
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    assert_string_equal(header(w, &a, "Content-Type"), "application/fhir+json");
    struct answer again =
        expect_status(get(w, arena_printf(&w->arena, "Patient/%s", id).bytes), 200);
    assert_true(slice_equal(a.body, again.body));
}

static void create_ignores_the_clients_id(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "Patient", ANN), 201);
    assert_string_not_equal(text_at(w, &a, "id"), "p1");
    expect_status(get(w, "Patient/p1"), 404);
}

static void healthlake_omits_location_and_writes_three_digits(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "Patient", ANN), 201);
    assert_null(header(w, &a, "Location"));
    assert_int_equal(strlen(text_at(w, &a, "meta.lastUpdated")),
                     strlen("2026-11-24T05:47:45.123Z"));
}

/* ---- update ---- */

static void update_creates_with_201_then_updates_with_200(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(put(w, "Patient/p1", ANN), 201);
    assert_at(w, &a, "meta.versionId", "1");
    assert_string_equal(header(w, &a, "Location"), BASE "/Patient/p1/_history/1");
    a = expect_status(put(w, "Patient/p1", BEA), 200);
    assert_at(w, &a, "meta.versionId", "2");
    assert_string_equal(header(w, &a, "ETag"), "W/\"2\"");
    assert_null(header(w, &a, "Location"));
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "name.0.family", "Bea");
}

static void a_body_that_does_not_fit_the_url_is_a_400(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *target, *body, *says;
    } CASES[] = {
        { "Patient/p2", ANN, "id is \\\"p1\\\"" },
        { "Patient/p1", "{\"resourceType\":\"Patient\"}", "no id" },
        { "Patient/p1", "{\"resourceType\":\"Observation\",\"id\":\"p1\"}", "resourceType is" },
        { "Patient/p1", "{\"id\":\"p1\"}", "no resourceType" },
        { "Patient/p1", "[" ANN "]", "JSON object" },
        { "Patient/p1", "\"Patient\"", "JSON object" },
        { "Patient/p1", "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"meta\":1}", "meta" },
        { "Patient/p1", "{\"resourceType\":\"Patient\",\"id\":1}", "no id" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct answer a = expect_status(put(w, CASES[i].target, CASES[i].body), 400);
        assert_at(w, &a, "resourceType", "OperationOutcome");
        assert_contains(arena_copy(&w->arena, json_raw(answer_find(&a, "issue.0.diagnostics"))),
                        CASES[i].says);
    }
    expect_status(get(w, "Patient/p1"), 404);
}

static void a_json_error_names_line_column_and_reason(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        put(w, "Patient/p1", "{\"resourceType\":\"Patient\",\n  \"id\": \"p1\",, }"), 400);
    assert_at(w, &a, "issue.0.code", "invalid");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "line 2, column");
    assert_contains(text_at(w, &a, "issue.0.details.text"), "could not be parsed");
    expect_status(put(w, "Patient/p1", ""), 400);
    expect_status(put(w, "Patient/p1", ANN " x"), 400);
    expect_status(put(w, "Patient/p1", "{\"id\":\"a\",\"id\":\"a\"}"), 400);
}

static void an_unknown_type_is_a_404(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Foo/1", "{\"resourceType\":\"Foo\",\"id\":\"1\"}"), 404);
    expect_status(post(w, "Foo", "{\"resourceType\":\"Foo\"}"), 404);
    expect_status(get(w, "Foo/1"), 404);
}

static void an_equal_put_answers_200_and_makes_no_version(void **state)
{
    struct world *w = *state;
    struct answer first = expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(put(w, "Patient/p1", ANN), 200);
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    assert_true(slice_equal(first.body, a.body));
    /* versionId and lastUpdated are of no account, white space neither */
    a = expect_status(put(w, "Patient/p1",
                          "{ \"resourceType\":\"Patient\", \"id\":\"p1\",\"meta\":{"
                          "\"versionId\":\"77\",\"lastUpdated\":\"2001-01-01T00:00:00Z\"},"
                          "\"name\":[{\"family\":\"Ann\"}]}"),
                      200);
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    a = expect_status(get(w, "Patient/p1/_history"), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
}

static void an_equal_put_makes_a_version_under_healthlake(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(put(w, "Patient/p1", ANN), 200);
    assert_string_equal(header(w, &a, "ETag"), "W/\"2\"");
}

static void the_rest_of_meta_and_every_token_is_kept(void **state)
{
    struct world *w = *state;
    expect_status(
        put(w, "Observation/o1",
            "{\"resourceType\" : \"Observation\", \"id\": \"o1\", \"meta\": {\"versionId\": \"9\","
            "\"tag\":[{\"system\":\"urn:x\",\"code\":\"a\"}],\"source\":\"s\"},"
            "\"valueQuantity\": {\"value\": 1.50E+1, \"unit\": \"\\u00e9\"}, "
            "\"status\":\"final\"}"),
        201);
    struct answer a = expect_status(get(w, "Observation/o1"), 200);
    assert_at(w, &a, "meta.versionId", "1");
    assert_at(w, &a, "meta.tag.0.code", "a");
    assert_at(w, &a, "meta.source", "s");
    assert_at(w, &a, "valueQuantity.value", "1.50E+1");
    assert_true(slice_find(a.body, SLICE("\"\\u00e9\"")) > 0);
    assert_true(slice_find(a.body, SLICE("\"valueQuantity\"")) <
                slice_find(a.body, SLICE("\"status\"")));
}

static void last_updated_is_the_instant_of_the_headers(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(put(w, "Patient/p1", ANN), 201);
    struct date_range updated;
    int64_t modified;
    assert_true(date_parse(slice_cstr(text_at(w, &a, "meta.lastUpdated")), &updated));
    assert_true(http_date_parse(slice_cstr(header(w, &a, "Last-Modified")), &modified));
    assert_int_equal(updated.low / 1000000, modified / 1000000);
    assert_int_equal(strlen(text_at(w, &a, "meta.lastUpdated")),
                     strlen("2026-11-24T05:47:45.123456Z"));
}

/* ---- conditions ---- */

static void a_stale_if_match_is_a_412_and_a_right_one_writes(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(ask(w, "PUT", "Patient/p1", "If-Match: W/\"7\"", BEA), 412);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "version 7");
    expect_status(ask(w, "PUT", "Patient/p1", "If-Match: W/\"1\"", BEA), 200);
    /* equal to what is there, but asked of another version */
    expect_status(ask(w, "PUT", "Patient/p1", "If-Match: W/\"1\"", BEA), 412);
    expect_status(ask(w, "DELETE", "Patient/p1", "If-Match: W/\"1\"", NULL), 412);
    expect_status(ask(w, "DELETE", "Patient/p1", "If-Match: \"2\"", NULL), 204);
    expect_status(ask(w, "PUT", "Patient/p1", "If-Match: W/\"3\"", BEA), 412);
    expect_status(ask(w, "PUT", "Patient/new", "If-Match: *",
                      "{\"resourceType\":\"Patient\",\"id\":\"new\"}"),
                  412);
    expect_status(ask(w, "PUT", "Patient/p1", "If-Match: three", BEA), 400);
    static const char *const NO_LISTS[] = { "If-Match: W/\"1\", two", "If-Match: W/\"1\" W/\"2\"",
                                            "If-Match: W/\"1\", *", "If-Match: \"1",
                                            "If-Match: ,", "If-Match:", "If-Match: W/" };
    for (size_t i = 0; i < ARRAY_COUNT(NO_LISTS); i++)
        expect_status(ask(w, "PUT", "Patient/p1", NO_LISTS[i], BEA), 400);
    /* the ETag of another server matches nothing */
    static const char *const FOREIGN[] = { "If-Match: W/\"three\"", "If-Match: \"\"",
                                           "If-Match: W/\"99999999999999999999\"" };
    for (size_t i = 0; i < ARRAY_COUNT(FOREIGN); i++)
        expect_status(ask(w, "PUT", "Patient/p1", FOREIGN[i], BEA), 412);
}

static void if_match_may_list_several_versions(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    expect_status(ask(w, "PUT", "Patient/p1", "If-Match: W/\"7\", W/\"1\"", BEA), 200);
    struct answer a =
        expect_status(ask(w, "PUT", "Patient/p1", "If-Match: W/\"1\", \"3\"", ANN), 412);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "one of 2 versions");
    expect_status(ask(w, "PUT", "Patient/p1", "If-Match: W/\"x,y\",W/\"1\" ,, \"2\"", ANN), 200);
    const char *const MERGE = "Content-Type: application/merge-patch+json\n"
                              "If-Match: W/\"2\", W/\"3\"";
    expect_status(ask(w, "PATCH", "Patient/p1", MERGE, "{\"active\":true}"), 200);
    expect_status(ask(w, "PATCH", "Patient/p1", MERGE, "{\"active\":false}"), 412);
    expect_status(ask(w, "PUT", "Patient?_id=p1", "If-Match: W/\"1\", W/\"4\"", BEA), 200);
    expect_status(ask(w, "PUT", "Patient?_id=p1", "If-Match: W/\"1\", W/\"4\"", BEA), 412);
    expect_status(ask(w, "DELETE", "Patient/p1", "If-Match: W/\"1\", W/\"2\"", NULL), 412);
    expect_status(ask(w, "DELETE", "Patient/p1", "If-Match: W/\"1\", W/\"5\"", NULL), 204);
    expect_status(ask(w, "PUT", "Patient/p1", "If-Match: W/\"5\", W/\"6\"", BEA), 412);
}

static void if_none_match_star_creates_only_what_never_was(void **state)
{
    struct world *w = *state;
    expect_status(ask(w, "PUT", "Patient/p1", "If-None-Match: *", ANN), 201);
    expect_status(ask(w, "PUT", "Patient/p1", "If-None-Match: *", BEA), 412);
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    struct answer a = expect_status(ask(w, "PUT", "Patient/p1", "If-None-Match: *", BEA), 412);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "exists");
    expect_status(ask(w, "PUT", "Patient/p1", "If-None-Match: W/\"1\"", BEA), 400);
}

static void conditions_that_come_later_are_refused_not_passed_over(void **state)
{
    struct world *w = *state;
    expect_status(ask(w, "DELETE", "Patient/p1?_cascade=delete", NULL, NULL), 400);
}

/* ---- delete ---- */

static void delete_answers_204_and_reads_answer_410_afterwards(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    assert_string_equal(header(w, &a, "ETag"), "W/\"2\"");
    assert_int_equal(a.body.length, 0);
    a = expect_status(get(w, "Patient/p1"), 410);
    assert_at(w, &a, "issue.0.code", "deleted");
    expect_status(get(w, "Patient/p1/_history/2"), 410);
    expect_status(get(w, "Patient/p1/_history/1"), 200);
}

static void delete_of_the_deleted_or_never_existing_is_204(void **state)
{
    struct world *w = *state;
    expect_status(ask(w, "DELETE", "Patient/never", NULL, NULL), 204);
    expect_status(get(w, "Patient/never"), 404);
    expect_status(put(w, "Patient/p1", ANN), 201);
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    expect_status(get(w, "Patient/p1/_history/3"), 404);
}

static void a_put_after_a_delete_is_201_and_goes_on_counting(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    expect_status(ask(w, "DELETE", "Patient/p1", NULL, NULL), 204);
    struct answer a = expect_status(put(w, "Patient/p1", ANN), 201);
    assert_string_equal(header(w, &a, "ETag"), "W/\"3\"");
    assert_string_equal(header(w, &a, "Location"), BASE "/Patient/p1/_history/3");
}

/* ---- read ---- */

static void vread_gives_each_version_and_404_for_others(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    expect_status(put(w, "Patient/p1", BEA), 200);
    struct answer a = expect_status(get(w, "Patient/p1/_history/1"), 200);
    assert_at(w, &a, "name.0.family", "Ann");
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    a = expect_status(get(w, "Patient/p1/_history/2"), 200);
    assert_at(w, &a, "name.0.family", "Bea");
    expect_status(get(w, "Patient/p1/_history/3"), 404);
    expect_status(get(w, "Patient/p1/_history/0"), 404);
    expect_status(get(w, "Patient/p1/_history/x"), 404);
    expect_status(get(w, "Patient/none/_history/1"), 404);
}

static void a_read_that_the_client_has_already_is_a_304(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(put(w, "Patient/p1", ANN), 201);
    const char *modified = header(w, &a, "Last-Modified");
    a = expect_status(ask(w, "GET", "Patient/p1", "If-None-Match: W/\"1\"", NULL), 304);
    assert_int_equal(a.body.length, 0);
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    expect_status(ask(w, "GET", "Patient/p1", "If-None-Match: W/\"2\", \"1\"", NULL), 304);
    expect_status(ask(w, "GET", "Patient/p1", "If-None-Match: W/\"2\"", NULL), 200);
    struct slice since = arena_printf(&w->arena, "If-Modified-Since: %s", modified);
    expect_status(ask(w, "GET", "Patient/p1", since.bytes, NULL), 304);
    expect_status(
        ask(w, "GET", "Patient/p1", "If-Modified-Since: Tue, 24 Nov 1998 05:47:45 GMT", NULL), 200);
}

static void head_is_answered_like_get(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(ask(w, "HEAD", "Patient/p1", NULL, NULL), 200);
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    expect_status(ask(w, "HEAD", "Patient/none", NULL, NULL), 404);
}

static void parameters_that_a_read_does_not_have_are_named(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(get(w, "Patient/p1?_filter=id"), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "_filter");
    expect_status(get(w, "Patient/p1?_format=json&_pretty=true&X-Amz-Signature=00"), 200);
}

/* ---- answers ---- */

static void prefer_return_holds_for_deletes_and_conditional_writes_too(void **state)
{
    struct world *w = *state;
    const char *const MINIMAL = "Content-Type: application/fhir+json\nPrefer: return=minimal\n"
                                "If-None-Exist: _id=p1";
    const char *const OUTCOME = "Prefer: return=OperationOutcome";
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(ask(w, "POST", "Patient", MINIMAL, ANN), 200);
    assert_int_equal(a.body.length, 0);
    assert_contains(header(w, &a, "Location"), "/Patient/p1/_history/1");
    assert_string_equal(header(w, &a, "Preference-Applied"), "return=minimal");
    a = expect_status(ask(w, "PATCH", "Patient?_id=p1",
                          "Content-Type: application/merge-patch+json\n"
                          "Prefer: return=OperationOutcome",
                          "{\"active\":true}"),
                      200);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "Patient/p1 version 2: updated");
    a = expect_status(ask(w, "DELETE", "Patient/p1", OUTCOME, NULL), 200);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "Patient/p1 version 3: deleted");
    assert_string_equal(header(w, &a, "ETag"), "W/\"3\"");
    a = expect_status(ask(w, "DELETE", "Patient/p1", OUTCOME, NULL), 200);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "nothing to delete");
    expect_status(put(w, "Patient/p1", ANN), 201);
    a = expect_status(ask(w, "DELETE", "Patient?_id=p1", OUTCOME, NULL), 200);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "deleted");
    expect_status(put(w, "Patient/p1", ANN), 201);
    a = expect_status(ask(w, "DELETE", "Patient/p1", "Prefer: return=representation", NULL), 204);
    assert_int_equal(a.body.length, 0);
}

static void prefer_return_chooses_the_answers_body(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(ask(w, "PUT", "Patient/p1", "Prefer: return=minimal", ANN), 201);
    assert_int_equal(a.body.length, 0);
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    a = expect_status(ask(w, "PUT", "Patient/p1", "Prefer: return=OperationOutcome", BEA), 200);
    assert_at(w, &a, "resourceType", "OperationOutcome");
    assert_at(w, &a, "issue.0.severity", "information");
    a = expect_status(ask(w, "PUT", "Patient/p1", "Prefer: a, return=representation", ANN), 200);
    assert_at(w, &a, "resourceType", "Patient");
}

static void an_error_carries_the_requests_id(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "Patient/none"), 404);
    assert_at(w, &a, "id", "0b5d0f4c-0000-4000-8000-0123456789ab");
    assert_at(w, &a, "issue.0.severity", "error");
    assert_at(w, &a, "issue.0.code", "not-found");
    assert_null(header(w, &a, "Access-Control-Allow-Origin"));
}

static void a_wrong_method_is_a_405_with_allow(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(ask(w, "OPTIONS", "Patient/p1", NULL, NULL), 405);
    assert_string_equal(header(w, &a, "Allow"), "GET, HEAD, PUT, PATCH, DELETE");
}

static void a_resource_over_its_limit_is_a_413_that_names_limit_and_setting(void **state)
{
    struct world *w = *state;
    char *body = arena_raw(&w->arena, 5 * 1024 * 1024 + 100);
    memset(body, ' ', 5 * 1024 * 1024 + 99);
    memcpy(body, ANN, sizeof ANN - 1);
    body[5 * 1024 * 1024 + 99] = '\0';
    struct answer a = expect_status(put(w, "Patient/p1", body), 413);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "5242880");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "--max-body");
    body[5 * 1024 * 1024] = '\0';
    expect_status(put(w, "Patient/p1", body), 201);
}

static void what_is_too_large_by_its_head_is_refused_before_it_comes(void **state)
{
    struct world *w = *state;
    struct answer a = { 0 };
    request_fill(w, &a.request, "PUT", "Patient/p1", NULL, SLICE_NONE);
    a.request.content_length = 5 * 1024 * 1024 + 1;
    assert_true(rest_begin(w->rest, &a.request, SLICE("Patient/p1"), &a.response));
    assert_int_equal(a.response.status, 413);
    a.request.content_length--;
    assert_false(rest_begin(w->rest, &a.request, SLICE("Patient/p1"), &a.response));
    request_fill(w, &a.request, "POST", "", NULL, SLICE_NONE);
    a.request.content_length = 15 * 1024 * 1024;
    assert_false(rest_begin(w->rest, &a.request, SLICE(""), &a.response));
    a.request.content_length++;
    assert_true(rest_begin(w->rest, &a.request, SLICE(""), &a.response));
}

static void a_body_of_nothing_but_values_is_refused_with_bounded_memory(void **state)
{
    struct world *w = *state;
    size_t length = (size_t)4 << 20;
    char *body = arena_raw(&w->arena, length + 1);
    memset(body, '[', length);
    for (size_t i = 1; i + 1 < length; i++)
        body[i] = i % 2 ? '0' : ',';
    body[length - 1] = ']';
    expect_status(ask_bytes(w, "PUT", "Patient/p1", NULL, slice_of(body, length)), 400);
    expect_status(ask_bytes(w, "POST", "", NULL, slice_of(body, length)), 400);
}

static void what_was_acknowledged_is_there_after_reopening(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer before = expect_status(get(w, "Patient/p1"), 200);
    world_close(w);
    world_open(w);
    struct answer after = expect_status(get(w, "Patient/p1"), 200);
    assert_true(slice_equal(before.body, after.body));
    after = expect_status(put(w, "Patient/p1", BEA), 200);
    assert_string_equal(header(w, &after, "ETag"), "W/\"2\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(create_answers_201_with_location_and_the_stored_body),
        WORLD_TEST(create_ignores_the_clients_id),
        HEALTHLAKE_TEST(healthlake_omits_location_and_writes_three_digits),
        WORLD_TEST(update_creates_with_201_then_updates_with_200),
        WORLD_TEST(a_body_that_does_not_fit_the_url_is_a_400),
        WORLD_TEST(a_json_error_names_line_column_and_reason),
        WORLD_TEST(an_unknown_type_is_a_404),
        WORLD_TEST(an_equal_put_answers_200_and_makes_no_version),
        HEALTHLAKE_TEST(an_equal_put_makes_a_version_under_healthlake),
        WORLD_TEST(the_rest_of_meta_and_every_token_is_kept),
        WORLD_TEST(last_updated_is_the_instant_of_the_headers),
        WORLD_TEST(a_stale_if_match_is_a_412_and_a_right_one_writes),
        WORLD_TEST(if_match_may_list_several_versions),
        WORLD_TEST(if_none_match_star_creates_only_what_never_was),
        WORLD_TEST(conditions_that_come_later_are_refused_not_passed_over),
        WORLD_TEST(delete_answers_204_and_reads_answer_410_afterwards),
        WORLD_TEST(delete_of_the_deleted_or_never_existing_is_204),
        WORLD_TEST(a_put_after_a_delete_is_201_and_goes_on_counting),
        WORLD_TEST(vread_gives_each_version_and_404_for_others),
        WORLD_TEST(a_read_that_the_client_has_already_is_a_304),
        WORLD_TEST(head_is_answered_like_get),
        WORLD_TEST(parameters_that_a_read_does_not_have_are_named),
        WORLD_TEST(prefer_return_chooses_the_answers_body),
        WORLD_TEST(prefer_return_holds_for_deletes_and_conditional_writes_too),
        WORLD_TEST(an_error_carries_the_requests_id),
        WORLD_TEST(a_wrong_method_is_a_405_with_allow),
        HEALTHLAKE_TEST(a_resource_over_its_limit_is_a_413_that_names_limit_and_setting),
        HEALTHLAKE_TEST(what_is_too_large_by_its_head_is_refused_before_it_comes),
        WORLD_TEST(a_body_of_nothing_but_values_is_refused_with_bounded_memory),
        WORLD_TEST(what_was_acknowledged_is_there_after_reopening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
