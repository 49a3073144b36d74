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

static bool lists_code(struct json list, struct slice code)
{
    for (struct json i = json_first(list); json_exists(i); i = json_next(list, i))
        if (json_string_is(json_member(i, "code"), code))
            return true;
    return false;
}

static void interactions_are_listed_as_they_are_served(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    struct json rest = json_first(json_member(json_root(&a.doc), "rest"));
    struct json system = json_member(rest, "interaction");
    struct json first = json_member(json_first(json_member(rest, "resource")), "interaction");
    assert_true(lists_code(system, SLICE("transaction")));
    assert_true(lists_code(first, SLICE("history-type")));
    bool searches = get(w, "?_type=Patient").status == 200;
    assert_int_equal(lists_code(system, SLICE("search-system")), searches);
    assert_int_equal(lists_code(first, SLICE("patch")),
                     ask(w, "PATCH", "Account/x", NULL, "{}").status != 405);
}

static void compartments_that_can_be_searched_are_listed(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    static const char *const NAMES[] = { "Patient", "Encounter", "RelatedPerson", "Practitioner",
                                         "Device" };
    for (size_t i = 0; i < ARRAY_COUNT(NAMES); i++) {
        const char *path = arena_printf(&w->arena, "%s/x/Observation", NAMES[i]).bytes;
        assert_int_not_equal(get(w, path).status, 501);
    }
    assert_at(w, &a, "rest.0.compartment.0", "http://hl7.org/fhir/CompartmentDefinition/patient");
    assert_at(w, &a, "rest.0.compartment.2",
              "http://hl7.org/fhir/CompartmentDefinition/relatedPerson");
    assert_int_equal(count_at(&a, "rest.0.compartment"), ARRAY_COUNT(NAMES));
}

static void other_modes_of_metadata_and_discovery(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata?mode=terminology"), 200);
    assert_at(w, &a, "resourceType", "TerminologyCapabilities");
    assert_at(w, &a, "kind", "instance");
    a = expect_status(get(w, "metadata?mode=full"), 200);
    assert_at(w, &a, "resourceType", "CapabilityStatement");
    expect_status(get(w, "metadata?mode=some"), 400);
    a = expect_status(get(w, ".well-known/smart-configuration"), 404);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "SMART on FHIR");
    expect_status(ask(w, "POST", ".well-known/smart-configuration", NULL, "{}"), 405);
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
    const struct fhir_param *param = fhir_param_find(type, code);
    bool is_composite = param && param->type == FHIR_PARAM_COMPOSITE; /* has no :missing */
    bool has_words = slice_is(code, "_text") || slice_is(code, "_content"); /* nor have these */
    const char *query = !is_listed || is_store_s || has_words ? "=2020" : ":missing=true";
    if (is_composite)
        query = param->component_count == 3 ? "=1$1$1" : "=2020$2020";
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
    size_t everything = 0;
    for (struct json r = json_first(resources); json_exists(r); r = json_next(resources, r)) {
        struct json list = json_member(r, "operation");
        bool is_validated = false;
        for (struct json o = json_first(list); json_exists(o); o = json_next(list, o)) {
            is_validated |= json_string_is(json_member(o, "name"), SLICE("validate"));
            if (!json_string_is(json_member(o, "name"), SLICE("everything")))
                continue;
            everything++;
            assert_true(json_string_is(json_member(r, "type"), SLICE("Patient")));
            assert_true(json_string_is(json_member(o, "definition"),
                                       SLICE("http://hl7.org/fhir/OperationDefinition/"
                                             "Patient-everything")));
        }
        assert_true(is_validated);
    }
    assert_int_equal(everything, 1);
}

/* The statement can be stored like any resource: its shape is right. */
static void the_statement_can_be_stored_and_read_back(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    struct answer b = expect_status(ask_bytes(w, "POST", "CapabilityStatement", NULL, a.body), 201);
    assert_at(w, &b, "fhirVersion", "4.0.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(metadata_is_a_capability_statement_of_this_server),
        WORLD_TEST(interactions_are_listed_as_they_are_served),
        WORLD_TEST(compartments_that_can_be_searched_are_listed),
        WORLD_TEST(other_modes_of_metadata_and_discovery),
        HEALTHLAKE_TEST(healthlake_lists_no_type_that_it_does_not_store),
        WORLD_TEST(each_search_parameter_listed_is_supported_and_no_other),
        WORLD_TEST(everything_is_listed_where_it_is_and_works),
        WORLD_TEST(the_statement_can_be_stored_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
