#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rest/media.h"

static struct arena arena;

static struct request *with_header(const char *name, const char *value)
{
    struct request *r = arena_alloc(&arena, sizeof *r);
    struct http_request *http = arena_alloc(&arena, sizeof *http);
    struct http_header *headers = arena_alloc(&arena, sizeof *headers);
    assert_true(r && http && headers);
    *headers = (struct http_header){ slice_cstr(name), slice_cstr(value) };
    *http =
        (struct http_request){ .headers = headers, .header_count = name ? 1 : 0, .arena = &arena };
    *r = (struct request){ .http = http, .arena = &arena };
    issues_init(&r->issues, &arena);
    return r;
}

static void expect_accept(const char *accept, const char *media)
{
    struct request *r = with_header(accept ? "Accept" : NULL, accept);
    enum err err = media_answer(r, SLICE_NONE);
    if (!media) {
        assert_int_equal(err, ERR_NOT_ACCEPTABLE);
        assert_non_null(r->issues.first);
        return;
    }
    assert_int_equal(err, ERR_NONE);
    assert_string_equal(r->media, media);
}

static void an_absent_or_any_accept_means_json(void **state)
{
    (void)state;
    expect_accept(NULL, "application/fhir+json");
    expect_accept("", "application/fhir+json");
    expect_accept("*/*", "application/fhir+json");
    expect_accept("application/*;q=0.5", "application/fhir+json");
    expect_accept("text/html, application/xhtml+xml, */*;q=0.8", "application/fhir+json");
}

static void accept_is_read_by_q_value_and_specificity(void **state)
{
    (void)state;
    expect_accept("application/json", "application/json");
    expect_accept("application/json+fhir; fhirVersion=4.0", "application/json+fhir");
    expect_accept("Application/FHIR+JSON;charset=utf-8", "application/fhir+json");
    expect_accept("application/fhir+json;q=0.2, application/json;q=0.9", "application/json");
    expect_accept("application/fhir+xml, application/json;q=0.1", "application/json");
    expect_accept("application/fhir+json;q=0, */*", "application/json");
}

static void what_is_no_json_is_a_406(void **state)
{
    (void)state;
    expect_accept("application/fhir+xml", NULL);
    expect_accept("text/html", NULL);
    expect_accept("*/*;q=0", NULL);
    expect_accept("application/json;q=0.0", NULL);
}

static void format_wins_over_accept(void **state)
{
    static const char *const GOOD[] = { "json", "application/fhir+json", "application/fhir json",
                                        "application/json", "application/json+fhir;charset=utf8" };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(GOOD); i++) {
        struct request *r = with_header("Accept", "application/fhir+xml");
        assert_int_equal(media_answer(r, slice_cstr(GOOD[i])), ERR_NONE);
    }
    struct request *r = with_header("Accept", "application/fhir+json");
    assert_int_equal(media_answer(r, SLICE("xml")), ERR_NOT_ACCEPTABLE);
    assert_int_equal(media_answer(r, SLICE("ttl")), ERR_NOT_ACCEPTABLE);
}

static void a_body_is_json_by_its_content_type_with_any_parameters(void **state)
{
    static const char *const GOOD[] = { "application/fhir+json", "application/json",
                                        "application/json+fhir", "APPLICATION/JSON",
                                        "application/fhir+json; charset=UTF-8; fhirVersion=4.0" };
    static const char *const BAD[] = { "application/fhir+xml", "text/plain",
                                       "application/x-www-form-urlencoded", "json" };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(GOOD); i++)
        assert_int_equal(media_body_is_json(with_header("Content-Type", GOOD[i])), ERR_NONE);
    for (size_t i = 0; i < ARRAY_COUNT(BAD); i++) {
        struct request *r = with_header("content-type", BAD[i]);
        assert_int_equal(media_body_is_json(r), ERR_MEDIA_TYPE);
        assert_true(slice_find(r->issues.first->text, slice_cstr(BAD[i])) >= 0);
    }
    assert_int_equal(media_body_is_json(with_header(NULL, NULL)), ERR_NONE);
}

static void prefer_is_found_among_other_preferences(void **state)
{
    (void)state;
    struct request *r = with_header("Prefer", "handling=strict, return=minimal; x=1");
    media_prefer(r);
    assert_int_equal(r->prefer, PREFER_MINIMAL);
    r = with_header("Prefer", "return=\"minimal\"; x=1");
    media_prefer(r);
    assert_int_equal(r->prefer, PREFER_MINIMAL);
    r = with_header("Prefer", "RETURN=operationoutcome, return=minimal");
    media_prefer(r);
    assert_int_equal(r->prefer, PREFER_OUTCOME);
    r = with_header("Prefer", "return=minimalist, handling=\"lenient\"");
    media_prefer(r);
    assert_int_equal(r->prefer, PREFER_DEFAULT);
    assert_true(r->is_lenient);
    r = with_header("Prefer", "respond-async");
    media_prefer(r);
    assert_int_equal(r->prefer, PREFER_DEFAULT);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_absent_or_any_accept_means_json),
        TEST(accept_is_read_by_q_value_and_specificity),
        TEST(what_is_no_json_is_a_406),
        TEST(format_wins_over_accept),
        TEST(a_body_is_json_by_its_content_type_with_any_parameters),
        TEST(prefer_is_found_among_other_preferences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
