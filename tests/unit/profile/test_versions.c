/* Two versions of one package side by side: each means its own definitions and codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "check/check.h"

enum { ROOM = 64 << 20, RESOURCES = 4 };

struct world {
    struct arena arena;
    struct profile_set *set;
    struct profile_home *home;
    struct terminology *terminology;
};

/* The profile of an element's profile, too, is that of its own package. */
static const char *const templates[RESOURCES] = {
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://v/obs\",\"version\":\"%d\","
    "\"type\":\"Observation\",\"baseDefinition\":"
    "\"http://hl7.org/fhir/StructureDefinition/Observation\",\"differential\":{\"element\":["
    "{\"path\":\"Observation.code\",\"type\":[{\"code\":\"CodeableConcept\",\"profile\":["
    "\"http://v/concept\"]}]}]}}",
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://v/concept\",\"version\":\"%d\","
    "\"type\":\"CodeableConcept\",\"baseDefinition\":"
    "\"http://hl7.org/fhir/StructureDefinition/CodeableConcept\",\"differential\":{\"element\":["
    "{\"path\":\"CodeableConcept\",\"binding\":{\"strength\":\"required\",\"valueSet\":"
    "\"http://v/set\"}}]}}",
    "{\"resourceType\":\"ValueSet\",\"url\":\"http://v/set\",\"version\":\"%d\",\"status\":"
    "\"active\",\"compose\":{\"include\":[{\"system\":\"http://v/codes\"}]}}",
    "{\"resourceType\":\"CodeSystem\",\"url\":\"http://v/codes\",\"version\":\"%d\",\"status\":"
    "\"active\",\"content\":\"complete\",\"concept\":[{\"code\":\"only-%d\"}]}",
};

static void compile(struct world *w, int version, struct buf *out)
{
    struct slice texts[RESOURCES];
    struct issues issues;
    issues_init(&issues, &w->arena);
    for (size_t i = 0; i < RESOURCES; i++) {
        char text[1000];
        snprintf(text, sizeof text, templates[i], version, version);
        texts[i] = slice_cstr(arena_copy(&w->arena, slice_cstr(text)));
    }
    const struct profile_source source = { .name = SLICE("v"),
                                           .version = version == 1 ? SLICE("1") : SLICE("2"),
                                           .resources = texts,
                                           .resource_count = RESOURCES };
    buf_init(out, ROOM);
    assert_int_equal(profile_compile(&source, NULL, &w->arena, &issues, out), ERR_NONE);
    assert_int_equal(issues.count, 0);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct buf images[2];
    struct slice bytes[2];
    assert_non_null(w);
    arena_init(&w->arena, ROOM);
    for (int i = 0; i < 2; i++) {
        compile(w, i + 1, &images[i]);
        bytes[i] = buf_slice(&images[i]);
    }
    assert_int_equal(profile_set_layer(NULL, bytes, 2, &w->set), ERR_NONE);
    assert_int_equal(profile_home_of(w->set, &w->home), ERR_NONE);
    const struct terminology_source source = profile_terminology(w->home);
    assert_int_equal(terminology_open(&source, &w->terminology), ERR_NONE);
    buf_release(&images[0]);
    buf_release(&images[1]);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    terminology_close(w->terminology);
    profile_home_close(w->home);
    profile_set_unref(w->set);
    arena_release(&w->arena);
    free(w);
    return 0;
}

static void found(void *context, const struct fhir_finding *finding)
{
    size_t *errors = context;
    *errors += finding->severity <= ISSUE_ERROR;
}

static size_t errors_of(struct world *w, const char *profile, const char *code)
{
    char text[500];
    struct arena arena;
    struct json_doc doc;
    struct issues issues;
    struct profile_check *run;
    size_t errors = 0;
    snprintf(text, sizeof text,
             "{\"resourceType\":\"Observation\",\"meta\":{\"profile\":[\"%s\"]},\"status\":"
             "\"final\",\"code\":{\"coding\":[{\"system\":\"http://v/codes\",\"code\":\"%s\"}]}}",
             profile, code);
    arena_init(&arena, ROOM);
    issues_init(&issues, &arena);
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, &doc, NULL), ERR_NONE);
    struct profile_codes codes = { .terminology = w->terminology,
                                   .home = w->home,
                                   .arena = &arena };
    const struct profile_options asked = {
        .set = w->set, .unknown_is_error = true, .member_of = profile_member_of, .context = &codes
    };
    assert_int_equal(profile_check_begin(&asked, &arena, &run), ERR_NONE);
    const struct fhir_validate_options options = { .found = found,
                                                   .context = &errors,
                                                   .hooks = profile_check_hooks(run) };
    struct json root = json_root(&doc);
    assert_int_equal(
        fhir_validate(root, fhir_resource_find(SLICE("Observation")), &options, &issues), ERR_NONE);
    profile_check_end(run);
    arena_release(&arena);
    return errors;
}

static void each_version_means_its_own_definitions_and_codes(void **state)
{
    struct world *w = *state;
    assert_int_equal(errors_of(w, "http://v/obs|1", "only-1"), 0);
    assert_int_equal(errors_of(w, "http://v/obs|1", "only-2"), 1);
    assert_int_equal(errors_of(w, "http://v/obs|2", "only-2"), 0);
    assert_int_equal(errors_of(w, "http://v/obs|2", "only-1"), 1);
}

static void without_a_version_the_highest_is_meant(void **state)
{
    struct world *w = *state;
    assert_int_equal(errors_of(w, "http://v/obs", "only-2"), 0);
    assert_int_equal(errors_of(w, "http://v/obs", "only-1"), 1);
    assert_int_equal(errors_of(w, "http://v/obs|3", "only-1"), 1);
}

static void keep_codings(void *context, const struct fhir_finding *f)
{
    size_t *errors = context;
    *errors += f->severity <= ISSUE_ERROR && slice_starts_with(f->text, SLICE("Unknown code"));
}

/* Codings outside of bindings, here of a contained resource, against the system as the
 * version has it which the resource names. */
static size_t unknown_codes(struct world *w, const char *profile, const char *code)
{
    char text[1000];
    struct arena arena;
    struct json_doc doc;
    size_t errors = 0;
    snprintf(text, sizeof text,
             "{\"resourceType\":\"Observation\",\"meta\":{\"profile\":[\"%s\"]},\"contained\":[{"
             "\"resourceType\":\"Patient\",\"id\":\"p\",\"maritalStatus\":{\"coding\":[{"
             "\"system\":\"http://v/codes\",\"code\":\"%s\"}]}}],\"subject\":{\"reference\":"
             "\"#p\"},\"status\":\"final\",\"code\":{\"text\":\"x\"}}",
             profile, code);
    arena_init(&arena, ROOM);
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, &doc, NULL), ERR_NONE);
    const struct check_options options = { .found = keep_codings,
                                           .context = &errors,
                                           .set = w->set,
                                           .home = w->home,
                                           .terminology = w->terminology };
    assert_int_equal(
        check_run(&options, json_root(&doc), fhir_resource_find(SLICE("Observation")), &arena),
        ERR_NONE);
    arena_release(&arena);
    return errors;
}

static void codings_are_of_the_version_that_the_resource_names(void **state)
{
    struct world *w = *state;
    assert_int_equal(unknown_codes(w, "http://v/obs|1", "only-1"), 0);
    assert_int_equal(unknown_codes(w, "http://v/obs|1", "only-2"), 1);
    assert_int_equal(unknown_codes(w, "http://v/obs|2", "only-2"), 0);
    assert_int_equal(unknown_codes(w, "http://v/obs|2", "only-1"), 1);
    assert_int_equal(unknown_codes(w, "http://v/obs", "only-2"), 0);
    assert_int_equal(unknown_codes(w, "http://v/obs", "only-1"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_means_its_own_definitions_and_codes),
        cmocka_unit_test(without_a_version_the_highest_is_meant),
        cmocka_unit_test(codings_are_of_the_version_that_the_resource_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
