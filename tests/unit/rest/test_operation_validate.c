/* $validate. */
#include "world.h"

#define GOOD "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"}}"
#define BAD "{\"resourceType\":\"Observation\",\n \"code\":{\"text\":\"x\"}}"
#define PARAMETERS(more) "{\"resourceType\":\"Parameters\",\"parameter\":[" more "]}"
#define RESOURCE(text) "{\"name\":\"resource\",\"resource\":" text "}"

static void a_good_resource_gets_one_information(void **state)
{
    struct world *w = *state;
    static const char *const paths[] = { "Observation/$validate", "$validate",
                                         "Observation/o/$validate" };
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct answer a = expect_status(post(w, paths[i], GOOD), 200);
        assert_at(w, &a, "resourceType", "OperationOutcome");
        size_t count = count_at(&a, "issue");
        char path[40];
        snprintf(path, sizeof path, "issue.%zu.diagnostics", count - 1);
        assert_at(w, &a, path, "Validation successful");
        a = expect_status(post(w, paths[i], PARAMETERS(RESOURCE(GOOD))), 200);
        assert_int_equal(count_at(&a, "issue"), count);
    }
}

static void faults_are_told_with_200(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "Observation/$validate", BAD), 200);
    assert_at(w, &a, "issue.0.severity", "error");
    assert_at(w, &a, "issue.0.expression.0", "Observation");
    assert_at(w, &a, "issue.0.location.1", "Line[1] Col[1]");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"),
                    "Observation.status: minimum required = 1, but only found 0");
    /* Nothing is stored. */
    a = expect_status(get(w, "Observation?_total=accurate"), 200);
    assert_at(w, &a, "total", "0");
}

static void the_type_of_the_url_counts(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "Patient/$validate", GOOD), 200);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "the URL's type is Patient");
}

static void an_update_needs_the_id_of_the_url(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "Patient/$validate?mode=update",
                                         "{\"resourceType\":\"Patient\"}"),
                                    200);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "must have an id");
    a = expect_status(post(w, "Patient/a/$validate",
                           PARAMETERS("{\"name\":\"mode\",\"valueCode\":\"update\"}," RESOURCE(
                               "{\"resourceType\":\"Patient\",\"id\":\"b\"}"))),
                      200);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "not that of the URL");
    a = expect_status(post(w, "Patient/$validate?mode=create",
                           "{\"resourceType\":\"Patient\",\"active\":true}"),
                      200);
    assert_true(count_at(&a, "issue") > 0);
    assert_string_equal(text_at(w, &a, "issue.0.severity"), "warning"); /* no narrative */
}

static void what_is_stored_may_be_asked_about(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Observation/o", "{\"resourceType\":\"Observation\",\"id\":\"o\"}"), 201);
    struct answer a = expect_status(post(w, "Observation/o/$validate", ""), 200);
    assert_at(w, &a, "issue.0.severity", "error");
    a = expect_status(post(w, "Observation/o/$validate?mode=delete", ""), 200);
    assert_at(w, &a, "issue.0.diagnostics", "Validation successful");
    a = expect_status(post(w, "Observation/p/$validate?mode=delete", ""), 200);
    assert_at(w, &a, "issue.0.code", "not-found");
}

static void wrong_use_is_a_400_an_unknown_profile_a_404(void **state)
{
    struct world *w = *state;
    expect_status(post(w, "Patient/$validate", "{"), 400);
    expect_status(post(w, "Patient/$validate", ""), 400);
    expect_status(post(w, "Patient/$validate?mode=guess", "{\"resourceType\":\"Patient\"}"), 400);
    expect_status(post(w, "Patient/$validate?mode=profile", "{\"resourceType\":\"Patient\"}"), 400);
    expect_status(post(w, "Patient/$validate?colour=red", "{\"resourceType\":\"Patient\"}"), 400);
    expect_status(post(w, "Patient/$validate",
                       PARAMETERS("{\"name\":\"colour\",\"valueCode\":\"red\"}")),
                  400);
    expect_status(
        post(w, "Patient/$validate?profile=urn:nothing", "{\"resourceType\":\"Patient\"}"), 404);
    expect_status(get(w, "Patient/$validate"), 405);
    expect_status(post(w, "Nothing/$validate", GOOD), 404);
}

static void parameters_themselves_may_be_validated(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "Parameters/$validate", PARAMETERS("{\"name\":\"x\",\"valueString\":\"y\"}")), 200);
    assert_at(w, &a, "issue.0.diagnostics", "Validation successful");
    a = expect_status(post(w, "Parameters/$validate",
                           PARAMETERS(RESOURCE(PARAMETERS("{\"valueString\":\"y\"}")))),
                      200);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "Parameters.parameter.name");
}

static void the_capability_statement_has_it(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    assert_contains(arena_copy(&w->arena, a.body),
                    "{\"name\":\"validate\",\"definition\":"
                    "\"http://hl7.org/fhir/OperationDefinition/Resource-validate\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_good_resource_gets_one_information),
        WORLD_TEST(faults_are_told_with_200),
        WORLD_TEST(the_type_of_the_url_counts),
        WORLD_TEST(an_update_needs_the_id_of_the_url),
        WORLD_TEST(what_is_stored_may_be_asked_about),
        WORLD_TEST(wrong_use_is_a_400_an_unknown_profile_a_404),
        WORLD_TEST(parameters_themselves_may_be_validated),
        WORLD_TEST(the_capability_statement_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
