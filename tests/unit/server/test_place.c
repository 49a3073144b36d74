#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/place.c"

/* Each wire path and where it leads: "id rest", a kind, or NULL when refused. */
struct row {
    const char *path;
    enum place_kind kind;
    const char *id, *rest;
};

static void check(const struct row *row)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct place place;
    enum err err = place_of_path(&arena, slice_cstr(row->path), &place);
    if (err || place.kind != row->kind || !slice_is(place.datastore_id, row->id ? row->id : "") ||
        !slice_is(place.rest, row->rest ? row->rest : ""))
        fail_msg("%s: %s, kind %d, '%.*s'", row->path, err_name(err), place.kind,
                 err ? 0 : (int)place.rest.length, err ? "" : place.rest.bytes);
    arena_release(&arena);
}

static void paths_lead_to_their_places(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "/", PLACE_CONTROL, NULL, NULL },
        { "", PLACE_CONTROL, NULL, NULL },
        { "//", PLACE_CONTROL, NULL, NULL },
        { "/healthz", PLACE_HEALTH, NULL, NULL },
        { "/healthz/x", PLACE_NOTHING, NULL, NULL },
        { "/datastore/A/r4", PLACE_FHIR, "A", "" },
        { "/datastore/A/r4/", PLACE_FHIR, "A", "" },
        { "/datastore/A/r4//Patient", PLACE_FHIR, "A", "Patient" },
        { "/datastore/A/r4/Patient/", PLACE_FHIR, "A", "Patient" },
        { "/datastore/A/r4/Patient/1/_history/2", PLACE_FHIR, "A", "Patient/1/_history/2" },
        { "/datastore/A/r4/Patient/1/$everything", PLACE_FHIR, "A", "Patient/1/$everything" },
        { "/datastore/A/r4/Patient/1/%24everything", PLACE_FHIR, "A", "Patient/1/$everything" },
        { "/datastore/A/r4/%50atient", PLACE_FHIR, "A", "Patient" },
        { "/datastore/A/r5/Patient", PLACE_NOTHING, NULL, NULL },
        { "/datastore/A", PLACE_NOTHING, NULL, NULL },
        { "/datastore", PLACE_NOTHING, NULL, NULL },
        { "/other/A/r4", PLACE_NOTHING, NULL, NULL },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        check(&rows[i]);
}

static void healthlake_s_aliases_lead_to_the_same_place(void **state)
{
    (void)state;
    static const char *const same[] = { "/datastore/A/patientaccess/v2/r4/Patient/1",
                                        "/datastore/A/priorauthservice/v2/r4/Patient/1" };
    static const char *const not_same[] = { "/datastore/A/patientaccess/r4/Patient/1",
                                            "/datastore/A/patientaccess/v1/r4/Patient/1",
                                            "/datastore/A/anything/v2/r4/Patient/1" };
    struct arena arena;
    struct place place;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_COUNT(same); i++) {
        assert_int_equal(place_of_path(&arena, slice_cstr(same[i]), &place), ERR_NONE);
        assert_int_equal(place.kind, PLACE_FHIR);
        assert_true(slice_is(place.datastore_id, "A") && slice_is(place.rest, "Patient/1"));
    }
    for (size_t i = 0; i < ARRAY_COUNT(not_same); i++) {
        assert_int_equal(place_of_path(&arena, slice_cstr(not_same[i]), &place), ERR_NONE);
        assert_int_equal(place.kind, PLACE_NOTHING);
    }
    arena_release(&arena);
}

static void an_encoded_slash_is_never_a_separator(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "/datastore/A/r4/Patient%2f1", PLACE_FHIR, "A", "Patient%2F1" },
        { "/datastore/A%2Fr4/Patient", PLACE_NOTHING, NULL, NULL },
        { "/datastore/A/r4/Patient/a%00b", PLACE_FHIR, "A", "Patient/a%00b" },
        { "/datastore/A/r4/Patient/%252e", PLACE_FHIR, "A", "Patient/%252e" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        check(&rows[i]);
}

static void dot_segments_stay_inside_a_store(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "/datastore/A/r4/./Patient", PLACE_FHIR, "A", "Patient" },
        { "/datastore/A/r4/Patient/../Coverage", PLACE_FHIR, "A", "Coverage" },
        { "/datastore/A/r4/Patient/1/..", PLACE_FHIR, "A", "Patient" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        check(&rows[i]);
}

static void paths_that_leave_a_store_or_are_malformed_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/datastore/A/r4/../../B/r4/Patient",
        "/datastore/A/r4/Patient/../../../B/r4",
        "/datastore/A/../B/r4/Patient",
        "/..",
        "/../datastore/A/r4",
        "/datastore/A/r4/%2e%2e/%2E./B/r4",
        "/datastore/A/r4/.%2e",
        "/datastore/A/r4/%2e",
        "/datastore/A/r4/%",
        "/datastore/A/r4/%2",
        "/datastore/A/r4/%zz",
    };
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct place place;
        if (place_of_path(&arena, slice_cstr(paths[i]), &place) != ERR_SYNTAX)
            fail_msg("%s was not refused", paths[i]);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_their_places),
        cmocka_unit_test(healthlake_s_aliases_lead_to_the_same_place),
        cmocka_unit_test(an_encoded_slash_is_never_a_separator),
        cmocka_unit_test(dot_segments_stay_inside_a_store),
        cmocka_unit_test(paths_that_leave_a_store_or_are_malformed_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
