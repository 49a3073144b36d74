#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/transform.h"
#include "support.h"

static void expect_text(const char *resource, const char *wanted)
{
    struct transform t;
    transform_init(&t, 1);
    assert_int_equal(transform_resource(&t, slice_cstr(resource)), ERR_NONE);
    assert_int_equal(t.verdict, TRANSFORM_RESOURCE);
    assert_slice(buf_slice(&t.text), wanted);
    transform_release(&t);
}

static uint64_t hash_of(const char *resource)
{
    struct transform t;
    transform_init(&t, 1);
    assert_int_equal(transform_resource(&t, slice_cstr(resource)), ERR_NONE);
    assert_int_equal(t.verdict, TRANSFORM_RESOURCE);
    uint64_t hash = t.hash;
    transform_release(&t);
    return hash;
}

static enum transform_verdict verdict_of(const char *entry)
{
    struct transform t;
    transform_init(&t, 1);
    assert_int_equal(transform_entry(&t, slice_cstr(entry)), ERR_NONE);
    enum transform_verdict verdict = t.verdict;
    transform_release(&t);
    return verdict;
}

static void meta_loses_what_r4_does_not_define(void **state)
{
    (void)state;
    expect_text("{\"resourceType\":\"Patient\",\"id\":\"1\",\"meta\":{\"project\":\"x\",\"versio"
                "nId\":"
                "\"2\",\"author\":{\"reference\":\"Practitioner/9\"},\"_source\":{\"id\":\"a\"},"
                "\"tag\":[],\"id\":\"m\",\"extension\":[],\"lastUpdated\":\"x\",\"source\":\"s\","
                "\"profile\":[],\"security\":[],\"accounts\":[1]},\"active\":true}",
                "{\"resourceType\":\"Patient\",\"id\":\"1\",\"meta\":{\"versionId\":\"2\",\"_sou"
                "rce\":"
                "{\"id\":\"a\"},\"tag\":[],\"id\":\"m\",\"extension\":[],\"lastUpdated\":\"x\","
                "\"source\":\"s\",\"profile\":[],\"security\":[]},\"active\":true}");
}

static void contained_and_nested_resources_are_stripped_too(void **state)
{
    (void)state;
    expect_text("{\"resourceType\":\"Patient\",\"id\":\"1\",\"contained\":[{\"resourceType\":"
                "\"Organization\",\"meta\":{\"project\":\"x\",\"profile\":[\"p\"]}},{\"meta\":"
                "{\"project\":\"x\"},\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":"
                "{\"resourceType\":\"Basic\",\"meta\":{\"project\":1},\"id\":\"b\"}}]}]}",
                "{\"resourceType\":\"Patient\",\"id\":\"1\",\"contained\":[{\"resourceType\":"
                "\"Organization\",\"meta\":{\"profile\":[\"p\"]}},{\"resourceType\":\"Bundle\","
                "\"entry\":[{\"resource\":{\"resourceType\":\"Basic\",\"id\":\"b\"}}]}]}");
}

static void a_member_called_meta_or_project_elsewhere_stays(void **state)
{
    (void)state;
    expect_text("{\"resourceType\":\"Basic\",\"id\":\"1\",\"x\":{\"meta\":{\"project\":1}},"
                "\"project\":2,\"meta\":3}",
                "{\"resourceType\":\"Basic\",\"id\":\"1\",\"x\":{\"meta\":{\"project\":1}},"
                "\"project\":2,\"meta\":3}");
}

static void numbers_escapes_and_order_stay_as_written(void **state)
{
    (void)state;
    expect_text("{ \"z\" : 158.3825000000001, \"resourceType\":\"Basic\",\"a\":1.00, \"id\":\"1\","
                "\"n\":1E400,\"s\":\"\\u00e9\\/\\n\",\"l\":[ null , true ] }",
                "{\"z\":158.3825000000001,\"resourceType\":\"Basic\",\"a\":1.00,\"id\":\"1\","
                "\"n\":1E400,\"s\":\"\\u00e9\\/\\n\",\"l\":[null,true]}");
}

static void meta_that_only_had_foreign_members_goes(void **state)
{
    (void)state;
    expect_text("{\"meta\":{\"project\":\"x\"},\"resourceType\":\"Basic\",\"id\":\"1\"}",
                "{\"resourceType\":\"Basic\",\"id\":\"1\"}");
    expect_text("{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"project\":\"x\"}}",
                "{\"resourceType\":\"Basic\",\"id\":\"1\"}");
}

static void the_hash_sees_everything_but_what_a_store_sets(void **state)
{
    (void)state;
    uint64_t plain = hash_of("{\"resourceType\":\"Basic\",\"id\":\"1\",\"a\":1.0}");
    assert_int_equal(plain, hash_of("{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"versio"
                                    "nId\":"
                                    "\"7\",\"lastUpdated\":\"2020-01-01T00:00:00Z\"},\"a\":1.0}"));
    assert_int_equal(plain, hash_of("{\"meta\":{\"versionId\":\"7\",\"project\":\"x\"},"
                                    "\"resourceType\":\"Basic\", \"id\":\"1\",\"a\":1.0}"));
    assert_int_not_equal(plain, hash_of("{\"resourceType\":\"Basic\",\"id\":\"1\",\"a\":1.00}"));
    assert_int_not_equal(plain, hash_of("{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"so"
                                        "urce\":"
                                        "\"s\"},\"a\":1.0}"));
    uint64_t tagged = hash_of("{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"versionId\":"
                              "\"1\","
                              "\"source\":\"s\"},\"a\":1.0}");
    assert_int_equal(tagged, hash_of("{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"sourc"
                                     "e\":"
                                     "\"s\",\"lastUpdated\":\"2021\"},\"a\":1.0}"));
}

static void entries_without_a_resource_or_an_id_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("{}"), TRANSFORM_EMPTY);
    assert_int_equal(verdict_of("7"), TRANSFORM_EMPTY);
    assert_int_equal(verdict_of("{\"resource\":null}"), TRANSFORM_EMPTY);
    assert_int_equal(verdict_of("{\"resource\":{\"resourceType\":\"OperationOutcome\"}}"),
                     TRANSFORM_MESSAGE);
    assert_int_equal(verdict_of("{\"resource\":{\"resourceType\":\"Patient\"}}"), TRANSFORM_NO_ID);
    assert_int_equal(verdict_of("{\"resource\":{\"resourceType\":\"Patient\",\"id\":7}}"),
                     TRANSFORM_NO_ID);
    assert_int_equal(verdict_of("{\"resource\":{\"id\":\"1\"}}"), TRANSFORM_NO_TYPE);
    assert_int_equal(verdict_of("{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"a/../b\"}}"),
                     TRANSFORM_BAD_ID);
    assert_int_equal(verdict_of("{\"resource\":{\"resourceType\":\"Pa?t\",\"id\":\"1\"}}"),
                     TRANSFORM_BAD_ID);
    assert_int_equal(verdict_of("{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"1\"}}"),
                     TRANSFORM_RESOURCE);
}

static void references_time_and_consent_are_learnt(void **state)
{
    (void)state;
    struct transform t;
    transform_init(&t, 42);
    assert_int_equal(
        transform_entry(&t, SLICE("{\"resource\":{\"resourceType\":\"Coverage\",\"id\":\"c\",\"m"
                                  "eta\":"
                                  "{\"lastUpdated\":\"1970-01-01T00:00:01Z\",\"tag\":[{\"system\":"
                                  "\"" CONSENT_TAG_SYSTEM "\",\"code\":\"K\"}]},\"a\":{\"referen"
                                  "ce\":"
                                  "\"Patient/1\"},\"b\":[{\"reference\":\"Patient/1\"},{\"refere"
                                  "nce\":"
                                  "\"https://x/fhir/Organization/2/_history/3\"},{\"reference\":"
                                  "\"#x\"},{\"reference\":\"urn:uuid:1\"}]}}")),
        ERR_NONE);
    size_t count;
    const uint32_t *edges = transform_edges(&t, &count);
    assert_int_equal(count, 2);
    assert_int_equal(edges[0], transform_name_hash(42, SLICE("Patient"), SLICE("1")));
    assert_int_equal(edges[1], transform_name_hash(42, SLICE("Organization"), SLICE("2")));
    assert_int_equal(t.updated_us, 1000000);
    assert_slice(t.consent, "K");
    transform_release(&t);
}

static void broken_json_is_an_error_that_says_where(void **state)
{
    (void)state;
    struct transform t;
    transform_init(&t, 1);
    assert_int_equal(transform_entry(&t, SLICE("{\"resource\":{\"a\":01}}")), ERR_SYNTAX);
    assert_non_null(t.error.text);
    assert_int_equal(transform_entry(&t, SLICE("{\"resource\":{\"a\":1,\"a\":2}}")), ERR_SYNTAX);
    transform_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meta_loses_what_r4_does_not_define),
        cmocka_unit_test(contained_and_nested_resources_are_stripped_too),
        cmocka_unit_test(a_member_called_meta_or_project_elsewhere_stays),
        cmocka_unit_test(numbers_escapes_and_order_stay_as_written),
        cmocka_unit_test(meta_that_only_had_foreign_members_goes),
        cmocka_unit_test(the_hash_sees_everything_but_what_a_store_sets),
        cmocka_unit_test(entries_without_a_resource_or_an_id_are_told_apart),
        cmocka_unit_test(references_time_and_consent_are_learnt),
        cmocka_unit_test(broken_json_is_an_error_that_says_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
