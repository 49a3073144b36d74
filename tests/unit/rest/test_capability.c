#include "rest/world.h"

#include "search/search.h"

static void metadata_is_a_capability_statement_of_this_server(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    assert_at(w, &a, "resourceType", "CapabilityStatement");
    assert_at(w, &a, "fhirVersion", "4.0.1");
    assert_at(w, &a, "kind", "instance");
    assert_at(w, &a, "status", "active");
    assert_at(w, &a, "implementation.url", BASE);
    assert_at(w, &a, "software.version", "test");
    assert_at(w, &a, "rest.0.mode", "server");
    assert_at(w, &a, "rest.0.security.cors", "false");
    assert_at(w, &a, "rest.0.interaction.0.code", "transaction");
    assert_int_equal(count_at(&a, "rest.0.resource"), fhir_resource_count());
    expect_status(ask(w, "POST", "metadata", NULL, "{}"), 405);
    expect_status(get(w, "metadata?_format=json"), 200);
}

static void healthlake_lists_no_type_that_it_does_not_store(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    assert_int_equal(count_at(&a, "rest.0.resource"), fhir_resource_count() - 2);
}

static bool lists(const struct fhir_type *type, struct json params, struct slice code)
{
    (void)type;
    for (struct json p = json_first(params); json_exists(p); p = json_next(params, p)) {
        if (json_string_is(json_member(p, "name"), code))
            return true;
    }
    return false;
}

/* ":missing" is there for all parameters; a value only for the listed ones. */
static void expect_search(struct world *w, const struct fhir_type *type, struct slice code,
                          bool is_listed)
{
    bool is_store_s = slice_is(code, "_id") || slice_is(code, "_lastUpdated");
    const char *query = !is_listed || is_store_s ? "=2020" : ":missing=true";
    struct slice target = arena_printf(&w->arena, "%.*s?%.*s%s&_summary=count",
                                       SLICE_ARGS(type->name), SLICE_ARGS(code), query);
    struct answer a = get(w, target.bytes);
    if (a.status != (is_listed ? 200 : 400))
        fail_msg("%s: %d, listed: %d", target.bytes, a.status, is_listed);
}

/* Every parameter that is listed can be searched for; every other is refused. */
static void each_search_parameter_listed_is_supported_and_no_other(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    struct json resources = answer_find(&a, "rest.0.resource");
    struct arena_mark mark = arena_mark(&w->arena);
    for (struct json r = json_first(resources); json_exists(r); r = json_next(resources, r)) {
        const struct fhir_type *type = fhir_resource_find(json_string_raw(json_member(r, "type")));
        assert_non_null(type);
        size_t count;
        const uint16_t *ids = fhir_params_of(type, &count);
        for (size_t i = 0; i < count; i++) {
            const struct fhir_param *param = fhir_param_at(ids[i]);
            bool is_listed = lists(type, json_member(r, "searchParam"), param->code);
            expect_search(w, type, param->code, is_listed);
            arena_rewind(&w->arena, mark);
        }
    }
}

static void everything_is_listed_where_it_is_and_works(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    struct json resources = answer_find(&a, "rest.0.resource");
    size_t found = 0;
    for (struct json r = json_first(resources); json_exists(r); r = json_next(resources, r)) {
        struct json operation = json_first(json_member(r, "operation"));
        if (!json_exists(operation))
            continue;
        found++;
        assert_true(json_string_is(json_member(r, "type"), SLICE("Patient")));
        assert_true(json_string_is(json_member(operation, "name"), SLICE("everything")));
        assert_true(json_string_is(json_member(operation, "definition"),
                                   SLICE("http://hl7.org/fhir/OperationDefinition/"
                                         "Patient-everything")));
    }
    assert_int_equal(found, 1);
}

/* The statement can be stored like any resource: its shape is right. */
static void the_statement_can_be_stored_and_read_back(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    struct answer b = expect_status(ask_bytes(w, "POST", "CapabilityStatement", NULL, a.body), 201);
    assert_at(w, &b, "fhirVersion", "4.0.1");
}

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

/* Whatever amount of memory there is, the answer is a right one or a 503. */
static void memory_that_ends_anywhere_leaves_an_honest_answer(void **state)
{
    struct world *w = *state;
    static const char BUNDLE[] =
        "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"resource\":{"
        "\"resourceType\":\"Patient\",\"id\":\"p1\"},\"request\":{\"method\":\"PUT\","
        "\"url\":\"Patient/p1\"}},{\"request\":{\"method\":\"GET\",\"url\":\"Patient/p1\"}}]}";
    int good = 0;
    for (size_t limit = 256; limit < 200 * 1024; limit += limit / 8) {
        struct answer a = { 0 };
        struct arena tight;
        arena_init(&tight, limit);
        request_fill(w, &a.request, "POST", "", NULL, SLICE(BUNDLE));
        a.request.arena = &tight;
        rest_handle(w->rest, &a.request, SLICE(""), &a.response);
        a.status = a.response.status;
        answer_drain(w, &a);
        if (a.status != 200 && a.status != 503)
            fail_msg("%zu bytes: %d %.*s", limit, a.status, SLICE_ARGS(a.body));
        good += a.status == 200;
        arena_release(&tight);
    }
    assert_true(good > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(metadata_is_a_capability_statement_of_this_server),
        HEALTHLAKE_TEST(healthlake_lists_no_type_that_it_does_not_store),
        WORLD_TEST(each_search_parameter_listed_is_supported_and_no_other),
        WORLD_TEST(everything_is_listed_where_it_is_and_works),
        WORLD_TEST(the_statement_can_be_stored_and_read_back),
        WORLD_TEST(a_refusal_from_outside_has_our_body_and_the_requests_id),
        WORLD_TEST(an_overload_says_when_to_come_back),
        WORLD_TEST(a_request_without_memory_is_a_503),
        WORLD_TEST(memory_that_ends_anywhere_leaves_an_honest_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
