#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rest/route.h"

struct found {
    enum err err;
    struct route route;
    struct issues issues;
};

static struct arena arena;

static struct found find_as(struct rest_behaviour behaviour, const char *method, const char *path)
{
    struct found f;
    issues_init(&f.issues, &arena);
    f.err =
        route_find(&behaviour, slice_cstr(method), slice_cstr(path), &arena, &f.issues, &f.route);
    return f;
}

static struct found find(const char *method, const char *path)
{
    return find_as(rest_behaviour_open(), method, path);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static void each_interaction_has_its_path_and_method(void **state)
{
    static const struct {
        const char *method, *path;
        enum interaction interaction;
    } CASES[] = {
        { "GET", "metadata", INTERACTION_CAPABILITIES },
        { "POST", "", INTERACTION_BUNDLE },
        { "POST", "Patient", INTERACTION_CREATE },
        { "GET", "Patient/1", INTERACTION_READ },
        { "HEAD", "Patient/1", INTERACTION_READ },
        { "GET", "Patient/1/_history/2", INTERACTION_VREAD },
        { "PUT", "Patient/1", INTERACTION_UPDATE },
        { "DELETE", "Patient/1", INTERACTION_DELETE },
        { "GET", "Patient/1/_history", INTERACTION_HISTORY },
        { "GET", "Patient/_history", INTERACTION_HISTORY },
        { "GET", "_history", INTERACTION_HISTORY },
        { "GET", "Patient", INTERACTION_SEARCH },
        { "POST", "Patient/_search", INTERACTION_SEARCH_FORM },
        { "GET", "Patient/1/$everything", INTERACTION_OPERATION },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct found f = find(CASES[i].method, CASES[i].path);
        assert_int_equal(f.err, ERR_NONE);
        assert_int_equal(f.route.interaction, CASES[i].interaction);
    }
}

static void a_path_works_with_and_without_its_last_slash_and_with_doubled_ones(void **state)
{
    (void)state;
    assert_int_equal(find("GET", "Patient/1/").route.interaction, INTERACTION_READ);
    assert_int_equal(find("POST", "/").route.interaction, INTERACTION_BUNDLE);
    assert_int_equal(find("GET", "/Patient//1").route.interaction, INTERACTION_READ);
}

static void an_encoded_dollar_is_a_dollar(void **state)
{
    (void)state;
    struct found f = find("GET", "Patient/1/%24everything");
    assert_int_equal(f.err, ERR_NONE);
    assert_string_equal(f.route.operation->name, "everything");
}

static void a_wrong_method_is_a_405_that_lists_the_right_ones(void **state)
{
    (void)state;
    struct found f = find("POST", "Patient/1");
    assert_int_equal(f.err, ERR_METHOD);
    assert_string_equal(f.route.allow, "GET, HEAD, PUT, PATCH, DELETE");
    assert_int_equal(find("OPTIONS", "Patient").err, ERR_METHOD);
    assert_int_equal(find("DELETE", "metadata").err, ERR_METHOD);
    static const struct {
        const char *method, *path, *allow;
    } CASES[] = { { "PUT", "Patient/_history", "GET, HEAD" },
                  { "PUT", "Patient/1/_history/2", "GET, HEAD" },
                  { "DELETE", "_history", "GET, HEAD" },
                  { "GET", "_search", "POST" },
                  { "GET", "Patient/_search", "POST" },
                  { "PUT", "$export", "GET, HEAD, POST" },
                  { "DELETE", "Patient/$export", "GET, HEAD, POST" } };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        f = find(CASES[i].method, CASES[i].path);
        assert_int_equal(f.err, ERR_METHOD);
        assert_string_equal(f.route.allow, CASES[i].allow);
    }
}

static void what_comes_later_is_a_501(void **state)
{
    (void)state;
    assert_int_equal(find("POST", "Patient/$meta").err, ERR_NOT_IMPLEMENTED);
    assert_int_equal(find("GET", "Observation/1/$everything").err, ERR_NOT_IMPLEMENTED);
}

static void unknown_types_and_paths_are_not_found(void **state)
{
    (void)state;
    assert_int_equal(find("GET", "Foo/1").err, ERR_NOT_FOUND);
    assert_int_equal(find("GET", "patient/1").err, ERR_NOT_FOUND);
    assert_int_equal(find("GET", "Resource/1").err, ERR_NOT_FOUND);
    assert_int_equal(find("GET", "HumanName/1").err, ERR_NOT_FOUND);
    assert_int_equal(find("GET", "Patient/1/_history/2/3").err, ERR_NOT_FOUND);
    assert_int_equal(find("GET", "Patient/1/2").err, ERR_NOT_FOUND);
    assert_int_equal(find("GET", "a/b/c/d/e/f/g/h").err, ERR_NOT_FOUND);
    assert_int_equal(find("GET", "Patient/%zz").err, ERR_NOT_FOUND);
}

static void an_id_is_1_to_64_letters_digits_dashes_and_dots(void **state)
{
    static const char LONGEST[] =
        "Patient/0123456789012345678901234567890123456789012345678901234567890123";
    (void)state;
    assert_int_equal(find("GET", LONGEST).err, ERR_NONE);
    assert_int_equal(
        find("GET", "Patient/01234567890123456789012345678901234567890123456789012345678901234")
            .err,
        ERR_INVALID);
    assert_int_equal(find("GET", "Patient/a.b-C").err, ERR_NONE);
    assert_int_equal(find("PUT", "Patient/a b").err, ERR_INVALID);
    assert_int_equal(find("PUT", "Patient/a%2Fb").err, ERR_INVALID);
    assert_int_equal(find("PUT", "Patient/1%00").err, ERR_INVALID);
}

static void healthlake_stores_no_operation_outcome_and_no_parameters(void **state)
{
    (void)state;
    assert_int_equal(find("PUT", "Parameters/1").err, ERR_NONE);
    assert_int_equal(find_as(rest_behaviour_healthlake(), "PUT", "Parameters/1").err,
                     ERR_NOT_FOUND);
    assert_int_equal(find_as(rest_behaviour_healthlake(), "POST", "OperationOutcome").err,
                     ERR_NOT_FOUND);
    assert_int_equal(find_as(rest_behaviour_healthlake(), "PUT", "Patient/1").err, ERR_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_interaction_has_its_path_and_method),
        TEST(a_path_works_with_and_without_its_last_slash_and_with_doubled_ones),
        TEST(an_encoded_dollar_is_a_dollar),
        TEST(a_wrong_method_is_a_405_that_lists_the_right_ones),
        TEST(what_comes_later_is_a_501),
        TEST(unknown_types_and_paths_are_not_found),
        TEST(an_id_is_1_to_64_letters_digits_dashes_and_dots),
        TEST(healthlake_stores_no_operation_outcome_and_no_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
