/* Levels of validation on writes. */
#include "world.h"

#define JSON_TYPE "Content-Type: application/fhir+json\n"
#define LEVEL(name) JSON_TYPE "x-amzn-healthlake-fhir-validation-level: " name
#define MARK "http://healthlake.amazonaws.com/fhir/StructureDefinition/validation-issue"
#define FLAG "x-amzn-healthlake-validation-issues"

static int strict_setup(void **state)
{
    world_setup(state);
    world_level(*state, REST_STRICT);
    return 0;
}

#define NO_STATUS "{\"resourceType\":\"Observation\",\"code\":{\"text\":\"x\"}}"
#define GOOD "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"}}"
/* Shaped well; its status is no code, and its rule obs-6 is broken. */
#define BAD_CODE                                                                                   \
    "{\"resourceType\":\"Observation\",\"status\":\"done\",\"code\":{\"text\":\"x\"},"             \
    "\"valueString\":\"x\",\"dataAbsentReason\":{\"text\":\"x\"}}"

static void an_invalid_resource_is_a_400_that_says_why_and_is_not_stored(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "Observation",
             "{\"resourceType\":\"Observation\",\n  \"code\":{\"text\":7}}"),
        400);
    assert_at(w, &a, "issue.0.code", "processing");
    assert_at(w, &a, "issue.0.diagnostics",
              "FHIR resource in payload failed FHIR validation rules.");
    assert_at(w, &a, "issue.1.expression.0", "Observation.code.text");
    assert_at(w, &a, "issue.1.location.1", "Line[2] Col[18]");
    assert_contains(text_at(w, &a, "issue.2.diagnostics"),
                    "Observation.status: minimum required = 1, but only found 0");
    a = expect_status(get(w, "Observation?_total=accurate"), 200);
    assert_at(w, &a, "total", "0");
    expect_status(post(w, "Observation", GOOD), 201);
}

static void a_rule_is_told_by_its_key(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "Observation", BAD_CODE), 400);
    const char *all = arena_copy(&w->arena, a.body);
    assert_contains(all, "\"code\":\"obs-6\"");
    assert_contains(all, "was not found in the value set");
}

static void structure_only_checks_base_r4_too(void **state)
{
    struct world *w = *state;
    expect_status(ask(w, "POST", "Observation", LEVEL("structure-only"), BAD_CODE), 400);
    expect_status(ask(w, "POST", "Observation", LEVEL("structure-only"), GOOD), 201);
}

static void a_level_that_does_not_exist_is_refused(void **state)
{
    struct world *w = *state;
    expect_status(ask(w, "POST", "Observation", LEVEL("off"), NO_STATUS), 400);
    expect_status(ask(w, "POST", "Observation", LEVEL("lax"), GOOD), 400);
}

static void minimal_stores_what_is_wrong_with_its_findings(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(ask(w, "PUT", "Observation/o", LEVEL("minimal"),
                          "{\"resourceType\":\"Observation\",\"id\":\"o\",\"code\":"
                          "{\"text\":\"x\"},\"extension\":[{\"url\":\"urn:x\","
                          "\"valueString\":\"1\"}]}"),
                      201);
    assert_string_equal(header(w, &a, FLAG), "true");
    a = expect_status(get(w, "Observation/o"), 200);
    assert_at(w, &a, "extension.0.url", "urn:x");
    assert_at(w, &a, "extension.1.url", MARK);
    assert_contains(text_at(w, &a, "extension.1.valueString"),
                    "Observation.status: minimum required = 1");
    /* Stored again, the mark is the new one; mended, there is none. */
    const char *body = arena_copy(&w->arena, a.body);
    a = expect_status(ask(w, "PUT", "Observation/o", LEVEL("minimal"), body), 200);
    assert_int_equal(count_at(&a, "extension"), 2);
    a = expect_status(ask(w, "PUT", "Observation/p", LEVEL("minimal"),
                          "{\"resourceType\":\"Observation\",\"id\":\"p\",\"status\":\"final\","
                          "\"code\":{\"text\":\"x\"}}"),
                      201);
    assert_null(header(w, &a, FLAG));
    assert_int_equal(count_at(&a, "extension"), 0);
}

static void minimal_passes_over_codes_and_rules(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(ask(w, "POST", "Observation", LEVEL("minimal"), BAD_CODE), 201);
    assert_null(header(w, &a, FLAG));
}

static void minimal_marks_no_type_without_extensions(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        ask(w, "POST", "Binary", LEVEL("minimal"), "{\"resourceType\":\"Binary\"}"), 201);
    assert_string_equal(header(w, &a, FLAG), "true");
    assert_int_equal(count_at(&a, "extension"), 0);
}

static void what_cannot_be_stored_is_refused_at_every_level(void **state)
{
    struct world *w = *state;
    expect_status(ask(w, "POST", "Patient", LEVEL("minimal"), "{\"resourceType\":"), 400);
    expect_status(ask(w, "POST", "Patient", LEVEL("minimal"), "{\"resourceType\":\"Group\"}"), 400);
    expect_status(ask(w, "PUT", "Patient/a", LEVEL("minimal"),
                      "{\"resourceType\":\"Patient\",\"id\":\"a\",\"meta\":1}"),
                  400);
}

#define ENTRY(resource)                                                                            \
    "{\"resource\":" resource ",\"request\":{\"method\":\"POST\",\"url\":\"Observation\"}}"
#define BUNDLE(type)                                                                               \
    "{\"resourceType\":\"Bundle\",\"type\":\"" type "\",\"entry\":[" ENTRY(GOOD) "," ENTRY(        \
        NO_STATUS) "," ENTRY(BAD_CODE) "]}"

static void a_transaction_tells_all_faults_of_all_entries_and_stores_nothing(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "", BUNDLE("transaction")), 400);
    assert_at(w, &a, "issue.0.diagnostics",
              "FHIR resource in payload failed FHIR validation rules.");
    assert_at(w, &a, "issue.1.expression.0", "Bundle.entry[1].resource");
    assert_contains(text_at(w, &a, "issue.1.diagnostics"), "Bundle.entry[1]: Observation.status");
    assert_at(w, &a, "issue.2.expression.0", "Bundle.entry[2].resource.status");
    assert_int_equal(count_at(&a, "issue"), 4);
    a = expect_status(get(w, "Observation?_total=accurate"), 200);
    assert_at(w, &a, "total", "0");
}

static void a_reference_to_another_entry_is_of_a_type_that_the_element_allows(void **state)
{
    struct world *w = *state;
#define PAIR(type)                                                                                 \
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"fullUrl\":\"urn:uuid:"    \
    "0b5d0f4c-0000-4000-8000-0123456789ab\",\"resource\":{\"resourceType\":\"" type "\"},"         \
    "\"request\":{\"method\":\"POST\",\"url\":\"" type "\"}},{\"resource\":{\"resourceType\":"     \
    "\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"},\"subject\":{\"reference\":"   \
    "\"urn:uuid:0b5d0f4c-0000-4000-8000-0123456789ab\"}},\"request\":{\"method\":\"POST\","        \
    "\"url\":\"Observation\"}}]}"
    expect_status(post(w, "", PAIR("Patient")), 200);
    struct answer a = expect_status(post(w, "", PAIR("Person")), 400);
    assert_at(w, &a, "issue.1.expression.0", "Bundle.entry[1].resource.subject");
    assert_contains(text_at(w, &a, "issue.1.diagnostics"), "Found Person, but expected one of");
#undef PAIR
}

static void entries_of_a_batch_fail_alone(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "", BUNDLE("batch")), 200);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.1.response.status", "400");
    assert_at(w, &a, "entry.1.response.outcome.issue.0.code", "processing");
    assert_at(w, &a, "entry.2.response.status", "400");
}

static void entries_stored_at_minimal_carry_their_outcome(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(ask(w, "POST", "", LEVEL("minimal"), BUNDLE("transaction")), 200);
    assert_string_equal(header(w, &a, FLAG), "true");
    assert_at(w, &a, "entry.0.response.outcome", "");
    assert_at(w, &a, "entry.1.response.status", "201");
    assert_at(w, &a, "entry.1.response.outcome.resourceType", "OperationOutcome");
    a = expect_status(ask(w, "POST", "", LEVEL("minimal"), BUNDLE("batch")), 200);
    assert_at(w, &a, "entry.1.response.outcome.resourceType", "OperationOutcome");
}

static void a_conditional_write_is_checked_too(void **state)
{
    struct world *w = *state;
    expect_status(ask(w, "POST", "Observation", JSON_TYPE "If-None-Exist: identifier=x", NO_STATUS),
                  400);
    expect_status(put(w, "Observation?identifier=x", NO_STATUS), 400);
}

int main(void)
{
#define STRICT_TEST(name) cmocka_unit_test_setup_teardown(name, strict_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        STRICT_TEST(an_invalid_resource_is_a_400_that_says_why_and_is_not_stored),
        STRICT_TEST(a_rule_is_told_by_its_key),
        STRICT_TEST(structure_only_checks_base_r4_too),
        STRICT_TEST(a_level_that_does_not_exist_is_refused),
        STRICT_TEST(minimal_stores_what_is_wrong_with_its_findings),
        STRICT_TEST(minimal_passes_over_codes_and_rules),
        STRICT_TEST(minimal_marks_no_type_without_extensions),
        STRICT_TEST(what_cannot_be_stored_is_refused_at_every_level),
        STRICT_TEST(a_transaction_tells_all_faults_of_all_entries_and_stores_nothing),
        STRICT_TEST(a_reference_to_another_entry_is_of_a_type_that_the_element_allows),
        STRICT_TEST(entries_of_a_batch_fail_alone),
        STRICT_TEST(entries_stored_at_minimal_carry_their_outcome),
        STRICT_TEST(a_conditional_write_is_checked_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
