/* $validate-code, $lookup, $expand. */
#include "world.h"

#define GENDER "http://hl7.org/fhir/administrative-gender"
#define GENDER_SET "http://hl7.org/fhir/ValueSet/administrative-gender"
#define PARAMETERS(more) "{\"resourceType\":\"Parameters\",\"parameter\":[" more "]}"

static void expect_result(struct world *w, struct answer a, const char *result)
{
    expect_status(a, 200);
    assert_at(w, &a, "parameter.0.name", "result");
    assert_at(w, &a, "parameter.0.valueBoolean", result);
}

static void a_code_is_checked_by_url_and_by_parameters(void **state)
{
    struct world *w = *state;
    expect_result(w, get(w, "ValueSet/$validate-code?url=" GENDER_SET "&code=male&system=" GENDER),
                  "true");
    expect_result(w, get(w, "ValueSet/$validate-code?url=" GENDER_SET "&code=man&system=" GENDER),
                  "false");
    expect_result(w,
                  post(w, "ValueSet/$validate-code",
                       PARAMETERS("{\"name\":\"url\",\"valueUri\":\"" GENDER_SET "\"},"
                                  "{\"name\":\"codeableConcept\",\"valueCodeableConcept\":{"
                                  "\"coding\":[{\"system\":\"urn:x\",\"code\":\"y\"},{\"system\":"
                                  "\"" GENDER "\",\"code\":\"female\"}]}}")),
                  "true");
    struct answer a = post(w, "CodeSystem/$validate-code",
                           PARAMETERS("{\"name\":\"coding\",\"valueCoding\":{\"system\":\"" GENDER
                                      "\",\"code\":\"male\",\"display\":\"Mail\"}}"));
    expect_result(w, a, "false");
    assert_contains(text_at(w, &a, "parameter.1.valueString"), "Valid display is 'Male'");
    a = get(w, "CodeSystem/$validate-code?url=http://loinc.org&code=1-8");
    expect_result(w, a, "false");
    assert_contains(text_at(w, &a, "parameter.1.valueString"), "could not be checked");
    expect_status(get(w, "ValueSet/$validate-code?url=urn:none&code=x"), 404);
    expect_status(get(w, "ValueSet/$validate-code?url=" GENDER_SET), 400);
    expect_status(get(w, "ValueSet/$validate-code?url=" GENDER_SET "&code=male&x=1"), 400);
}

#define OWN_SYSTEM                                                                                 \
    "{\"resourceType\":\"CodeSystem\",\"id\":\"s\",\"url\":\"urn:s\",\"status\":\"active\","       \
    "\"content\":\"complete\",\"name\":\"S\",\"concept\":[{\"code\":\"a\",\"display\":\"Apple\","  \
    "\"concept\":[{\"code\":\"b\",\"display\":\"Bramley\"}]}]}"
#define OWN_SET                                                                                    \
    "{\"resourceType\":\"ValueSet\",\"id\":\"v\",\"url\":\"urn:v\",\"status\":\"active\","         \
    "\"compose\":{\"include\":[{\"system\":\"urn:s\"}]}}"

static void stored_ones_are_known_as_soon_as_they_are_written(void **state)
{
    struct world *w = *state;
    expect_status(get(w, "ValueSet/$validate-code?url=urn:v&code=b"), 404);
    expect_status(put(w, "CodeSystem/s", OWN_SYSTEM), 201);
    expect_status(put(w, "ValueSet/v", OWN_SET), 201);
    expect_result(w, get(w, "ValueSet/$validate-code?url=urn:v&code=b"), "true");
    expect_result(w, get(w, "ValueSet/v/$validate-code?code=b&system=urn:s"), "true");
    expect_result(w, get(w, "ValueSet/v/$validate-code?code=c&system=urn:s"), "false");
    expect_result(w, get(w, "CodeSystem/s/$validate-code?code=b"), "true");
    struct answer a = expect_status(ask(w, "DELETE", "ValueSet/v", NULL, ""), 204);
    a = expect_status(get(w, "ValueSet/$validate-code?url=urn:v&code=b"), 404);
    a = expect_status(get(w, "ValueSet/v/$validate-code?code=b"), 410);
    (void)a;
}

static void a_code_is_looked_up_with_its_place_in_the_hierarchy(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "CodeSystem/s", OWN_SYSTEM), 201);
    struct answer a = expect_status(get(w, "CodeSystem/$lookup?system=urn:s&code=b"), 200);
    assert_at(w, &a, "parameter.0.valueString", "S");
    assert_at(w, &a, "parameter.1.valueString", "Bramley");
    assert_at(w, &a, "parameter.2.part.0.valueCode", "parent");
    assert_at(w, &a, "parameter.2.part.1.valueCode", "a");
    expect_status(get(w, "CodeSystem/$lookup?system=urn:s&code=z"), 404);
    expect_status(get(w, "CodeSystem/$lookup?code=z"), 400);
}

static void a_value_set_is_listed_in_pages_and_filtered(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "ValueSet/$expand?url=" GENDER_SET), 200);
    assert_at(w, &a, "resourceType", "ValueSet");
    assert_at(w, &a, "expansion.total", "4");
    assert_int_equal(count_at(&a, "expansion.contains"), 4);
    a = expect_status(get(w, "ValueSet/$expand?url=" GENDER_SET "&offset=1&count=2"), 200);
    assert_at(w, &a, "expansion.contains.0.code", "female");
    assert_int_equal(count_at(&a, "expansion.contains"), 2);
    a = expect_status(get(w, "ValueSet/$expand?url=" GENDER_SET "&filter=MALE"), 200);
    assert_at(w, &a, "expansion.total", "2");
    expect_status(put(w, "CodeSystem/s", OWN_SYSTEM), 201);
    expect_status(put(w, "ValueSet/v", OWN_SET), 201);
    a = expect_status(get(w, "ValueSet/v/$expand"), 200);
    assert_at(w, &a, "url", "urn:v");
    assert_at(w, &a, "expansion.contains.1.display", "Bramley");
    a = expect_status(post(w, "ValueSet/$expand",
                           PARAMETERS("{\"name\":\"valueSet\",\"resource\":" OWN_SET "}")),
                      200);
    assert_at(w, &a, "expansion.total", "2");
    a = expect_status(
        post(w, "ValueSet/$expand",
             PARAMETERS("{\"name\":\"valueSet\",\"resource\":{\"resourceType\":\"ValueSet\","
                        "\"compose\":{\"include\":[{\"system\":\"http://loinc.org\"}]}}}")),
        422);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "http://loinc.org");
    expect_status(get(w, "ValueSet/$expand?url=urn:none"), 404);
    expect_status(get(w, "ValueSet/$expand?url=" GENDER_SET "&count=x"), 400);
    expect_status(get(w, "ValueSet/$expand"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_code_is_checked_by_url_and_by_parameters),
        WORLD_TEST(stored_ones_are_known_as_soon_as_they_are_written),
        WORLD_TEST(a_code_is_looked_up_with_its_place_in_the_hierarchy),
        WORLD_TEST(a_value_set_is_listed_in_pages_and_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
