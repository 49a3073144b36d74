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

/* The issue whose diagnostics have the text; fails without one. */
static void assert_told(struct world *w, struct answer *a, const char *code, const char *text)
{
    char path[60];
    size_t count = count_at(a, "issue");
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "issue.%zu.diagnostics", i);
        if (!strstr(text_at(w, a, path), text))
            continue;
        snprintf(path, sizeof path, "issue.%zu.code", i);
        assert_at(w, a, path, code);
        snprintf(path, sizeof path, "issue.%zu.severity", i);
        assert_at(w, a, path, "error");
        return;
    }
    fail_msg("no '%s' in %.*s", text, SLICE_ARGS(a->body));
}

static void wrong_use_is_a_finding_with_200(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *path, *body, *code, *text;
    } rows[] = {
        { "Patient/$validate", "{", "invalid", "The body is no valid JSON: line 1" },
        { "Patient/$validate", "", "required", "There is no resource to validate" },
        { "Patient/$validate", "[1,2]", "structure", "A resource must be a JSON Object" },
        { "Patient/$validate", "7", "structure", "A resource must be a JSON Object" },
        { "Patient/$validate", "{}", "invalid", "Unable to find resourceType property" },
        { "Patient/$validate", "{\"resourceType\":7}", "invalid", "unrecognized resource name" },
        { "Patient/$validate", "{\"resourceType\":\"Pazient\"}", "invalid", "'Pazient'" },
        { "Patient/$validate?mode=guess", GOOD, "value", "not 'guess'" },
        { "Patient/$validate?mode=profile", GOOD, "required", "names a profile" },
        { "Patient/$validate?mode=delete", "", "required", "about an instance" },
        { "Patient/$validate?colour=red", GOOD, "not-supported", "not 'colour'" },
        { "Patient/$validate?profile=urn:nothing", GOOD, "not-found", "urn:nothing is not known" },
        { "Patient/$validate", PARAMETERS("{\"name\":\"colour\",\"valueCode\":\"red\"}"),
          "invalid", "not \"colour\"" },
        { "Patient/$validate", PARAMETERS("{\"valueCode\":\"red\"}"), "invalid", "without a name" },
        { "Patient/$validate", PARAMETERS("{\"name\":\"mode\",\"valueCode\":\"create\"}"),
          "required", "There is no resource to validate" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct answer a = expect_status(post(w, rows[i].path, rows[i].body), 200);
        assert_at(w, &a, "resourceType", "OperationOutcome");
        assert_told(w, &a, rows[i].code, rows[i].text);
    }
}

static void broken_json_is_told_with_its_place(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "$validate", "{\"resourceType\":\"Patient\",\n  \"id\":}"), 200);
    assert_int_equal(count_at(&a, "issue"), 1);
    assert_at(w, &a, "issue.0.location.0", "Line[2] Col[8]");
}

/* Only what is no question about a resource has another status. */
static void what_is_no_validation_has_its_own_status(void **state)
{
    struct world *w = *state;
    expect_status(get(w, "Patient/$validate"), 405);
    expect_status(post(w, "Nothing/$validate", GOOD), 404);
    struct answer a =
        ask(w, "POST", "$validate", "Content-Type: application/fhir+xml", "<Patient/>");
    expect_status(a, 415);
}

static void the_rest_is_checked_although_the_question_is_wrong(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "Observation/$validate?profile=urn:nothing&mode=x", BAD), 200);
    assert_told(w, &a, "not-found", "urn:nothing");
    assert_told(w, &a, "value", "not 'x'");
    assert_told(w, &a, "structure", "Observation.status: minimum required = 1");
}

static bool permits(void *context, const char *action, struct slice *ret_text)
{
    const char *refused = context;
    *ret_text = SLICE("you may not");
    return strcmp(action, refused) != 0;
}

static struct answer ask_gated(struct world *w, const struct rest_gate *gate, const char *target,
                               const char *body)
{
    struct answer a = { 0 };
    struct json_error where;
    request_fill(w, &a.request, "POST", target, NULL, slice_cstr(body));
    struct slice path = slice_from(a.request.path, strlen("/datastore/ds1/r4/"));
    rest_handle_gated(w->rest, &a.request, path, gate, &a.response);
    a.status = a.response.status;
    answer_drain(w, &a);
    assert_int_equal(json_parse(a.body, NULL, &w->arena, &a.doc, &where), ERR_NONE);
    return a;
}

static void modes_ask_whether_the_write_would_be_done(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/a", "{\"resourceType\":\"Patient\",\"id\":\"a\"}"), 201);
    const char *patient = "{\"resourceType\":\"Patient\",\"id\":\"a\"}";
    struct answer a = ask(w, "POST", "Patient/a/$validate?mode=update", "If-Match: W/\"7\"",
                              patient);
    assert_told(w, &a, "exception", "If-Match asks for version 7 of Patient/a");
    a = ask(w, "POST", "Patient/a/$validate?mode=delete", "If-Match: W/\"7\"", "");
    assert_told(w, &a, "exception", "the current one is 1");
    a = ask(w, "POST", "Patient/$validate?mode=update", "If-None-Match: *", patient);
    assert_told(w, &a, "exception", "but Patient/a exists");
    a = ask(w, "POST", "Patient/a/$validate?mode=delete", "If-Match: W/\"1\"", "");
    assert_at(w, &a, "issue.0.diagnostics", "Validation successful");
    expect_status(ask(w, "DELETE", "Patient/a", NULL, ""), 204);
    a = ask(w, "POST", "Patient/a/$validate?mode=delete", NULL, "");
    assert_told(w, &a, "deleted", "Patient/a is deleted");
    /* Who may validate, but not write. */
    static const char *const modes[][2] = { { "create", "healthlake:CreateResource" },
                                            { "update", "healthlake:UpdateResource" },
                                            { "delete", "healthlake:DeleteResource" } };
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        char action[40], path[60];
        snprintf(action, sizeof action, "%s", modes[i][1]);
        const struct rest_gate gate = { .context = action, .permits = permits };
        snprintf(path, sizeof path, "Patient/a/$validate?mode=%s", modes[i][0]);
        a = ask_gated(w, &gate, path, patient);
        assert_told(w, &a, "forbidden", "you may not");
    }
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
        WORLD_TEST(wrong_use_is_a_finding_with_200),
        WORLD_TEST(broken_json_is_told_with_its_place),
        WORLD_TEST(what_is_no_validation_has_its_own_status),
        WORLD_TEST(the_rest_is_checked_although_the_question_is_wrong),
        WORLD_TEST(modes_ask_whether_the_write_would_be_done),
        WORLD_TEST(parameters_themselves_may_be_validated),
        WORLD_TEST(the_capability_statement_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
