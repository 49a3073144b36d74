/* Profiles of packages in writes. */
#include "world.h"

#include <time.h>

#define JSON_TYPE "Content-Type: application/fhir+json\n"
#define LEVEL(name) JSON_TYPE "x-amzn-healthlake-fhir-validation-level: " name

static const char *const resources[] = {
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://t/pulse\",\"version\":\"2\","
    "\"type\":\"Observation\",\"derivation\":\"constraint\",\"baseDefinition\":"
    "\"http://hl7.org/fhir/StructureDefinition/Observation\",\"differential\":{\"element\":["
    "{\"path\":\"Observation.subject\",\"min\":1},{\"path\":\"Observation.code\",\"binding\":{"
    "\"strength\":\"required\",\"valueSet\":\"http://t/pulses\"}}]}}",
    "{\"resourceType\":\"ValueSet\",\"url\":\"http://t/pulses\",\"version\":\"1\",\"status\":"
    "\"active\",\"compose\":{\"include\":[{\"system\":\"http://t/codes\"}]}}",
    "{\"resourceType\":\"CodeSystem\",\"url\":\"http://t/codes\",\"version\":\"1\",\"status\":"
    "\"active\",\"content\":\"complete\",\"concept\":[{\"code\":\"rest\"},{\"code\":\"run\"}]}",
};

/* A folder with one package, "t@1". */
static int package_setup(void **state)
{
    world_setup(state);
    struct world *w = *state;
    struct issues issues;
    struct slice texts[3];
    char folder[100];
    issues_init(&issues, &w->arena);
    for (size_t i = 0; i < 3; i++)
        texts[i] = slice_cstr(resources[i]);
    const struct profile_source source = {
        .name = SLICE("t"), .version = SLICE("1"), .resources = texts, .resource_count = 3
    };
    snprintf(folder, sizeof folder, "%s/packages", w->folder);
    assert_int_equal(profile_package_keep(folder, &source, &w->arena, &issues), ERR_NONE);
    assert_int_equal(profile_home_open(folder, &w->profiles, NULL), ERR_NONE);
    world_level(w, REST_STRICT);
    return 0;
}

static int package_teardown(void **state)
{
    struct world *w = *state;
    profile_home_close(w->profiles);
    return world_teardown(state);
}

#define PULSE(profile, code, more)                                                                 \
    "{\"resourceType\":\"Observation\",\"meta\":{\"profile\":[\"" profile "\"]},\"status\":"       \
    "\"final\",\"code\":{\"coding\":[{\"system\":\"http://t/codes\",\"code\":\"" code "\"}]}" more \
    "}"
#define SUBJECT ",\"subject\":{\"reference\":\"Patient/1\"}"

static void a_write_must_meet_the_profiles_that_it_names(void **state)
{
    struct world *w = *state;
    expect_status(post(w, "Observation", PULSE("http://t/pulse", "rest", SUBJECT)), 201);
    expect_status(post(w, "Observation", PULSE("http://t/pulse|2", "rest", SUBJECT)), 201);
    struct answer a =
        expect_status(post(w, "Observation", PULSE("http://t/pulse", "rest", "")), 400);
    assert_contains(text_at(w, &a, "issue.1.diagnostics"),
                    "Observation.subject: minimum required = 1, but only found 0 (from "
                    "http://t/pulse|2)");
}

static void codes_are_those_of_the_package(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "Observation", PULSE("http://t/pulse", "jump", SUBJECT)), 400);
    assert_at(w, &a, "issue.1.expression.0", "Observation.code");
    assert_contains(text_at(w, &a, "issue.1.diagnostics"), "http://t/pulses");
}

static void an_unknown_profile_or_version_is_refused(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "Observation", PULSE("http://t/pulse|1", "rest", SUBJECT)), 400);
    assert_at(w, &a, "issue.1.expression.0", "Observation.meta.profile[0]");
    assert_at(w, &a, "issue.1.code", "not-found");
}

static void other_levels_do_not_look_at_profiles(void **state)
{
    struct world *w = *state;
    const char *bad = PULSE("http://t/pulse", "rest", "");
    expect_status(ask(w, "POST", "Observation", LEVEL("structure-only"), bad), 201);
    expect_status(ask(w, "POST", "Observation", LEVEL("minimal"), bad), 201);
}

static void a_package_that_goes_is_forgotten(void **state)
{
    struct world *w = *state;
    char folder[100];
    snprintf(folder, sizeof folder, "%s/packages", w->folder);
    expect_status(post(w, "Observation", PULSE("http://t/pulse", "jump", SUBJECT)), 400);
    assert_int_equal(profile_package_remove(folder, SLICE("t@1")), ERR_NONE);
    struct timespec pause = { .tv_sec = 1, .tv_nsec = 50 * 1000 * 1000 };
    nanosleep(&pause, NULL);
    /* Without any package nothing is known of profiles: it passes. */
    expect_status(post(w, "Observation", PULSE("http://t/pulse", "jump", "")), 201);
}

static void a_stored_definition_counts_too(void **state)
{
    struct world *w = *state;
    const char *definition =
        "{\"resourceType\":\"StructureDefinition\",\"id\":\"d\",\"url\":\"http://t/"
        "own\",\"version\":"
        "\"1\",\"name\":\"Own\",\"status\":\"active\",\"kind\":\"resource\",\"abstract\":false,"
        "\"type\":\"Observation\",\"derivation\":\"constraint\",\"baseDefinition\":\"http://t/"
        "pulse\","
        "\"differential\":{\"element\":[{\"id\":\"Observation.note\",\"path\":\"Observation.note\","
        "\"min\":1}]}}";
    const char *note = PULSE("http://t/own", "rest", SUBJECT ",\"note\":[{\"text\":\"n\"}]");
    expect_status(post(w, "Observation", note), 400); /* not known yet */
    expect_status(put(w, "StructureDefinition/d", definition), 201);
    expect_status(post(w, "Observation", note), 201);
    struct answer a =
        expect_status(post(w, "Observation", PULSE("http://t/own", "rest", SUBJECT)), 400);
    assert_contains(text_at(w, &a, "issue.1.diagnostics"), "(from http://t/own|1)");
    /* What its base says holds as well. */
    expect_status(
        post(w, "Observation", PULSE("http://t/own", "rest", ",\"note\":[{\"text\":\"n\"}]")), 400);
    /* Opened again, it is still there; deleted, it is not. */
    world_close(w);
    world_open(w);
    expect_status(post(w, "Observation", note), 201);
    expect_status(ask(w, "DELETE", "StructureDefinition/d", "", ""), 204);
    expect_status(post(w, "Observation", note), 400);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, package_setup, package_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_must_meet_the_profiles_that_it_names),
        TEST(codes_are_those_of_the_package),
        TEST(an_unknown_profile_or_version_is_refused),
        TEST(other_levels_do_not_look_at_profiles),
        TEST(a_package_that_goes_is_forgotten),
        TEST(a_stored_definition_counts_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
