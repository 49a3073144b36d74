/* Profiles made for the test: each says one thing, and breaking it is found at the
 * right place. */
#include "world.h"

static const char *const definitions[] = {
    PROFILE("min", "Observation",
            "{\"id\":\"Observation.subject\",\"path\":\"Observation.subject\",\"min\":1},"
            "{\"path\":\"Observation.note\",\"max\":\"0\"}"),
    PROFILE("fixed", "Observation",
            "{\"path\":\"Observation.code.text\",\"fixedString\":\"pulse\"},"
            "{\"path\":\"Observation.method\",\"patternCodeableConcept\":{\"coding\":[{\"system\":"
            "\"http://m\",\"code\":\"a\"}]}}"),
    PROFILE("slices", "Observation",
            "{\"path\":\"Observation.category\",\"slicing\":{\"discriminator\":[{\"type\":"
            "\"pattern\",\"path\":\"$this\"}],\"rules\":\"closed\",\"ordered\":true}},"
            "{\"path\":\"Observation.category\",\"sliceName\":\"one\",\"min\":1,\"max\":\"1\","
            "\"patternCodeableConcept\":{\"coding\":[{\"code\":\"one\"}]}},"
            "{\"path\":\"Observation.category.text\",\"min\":1},"
            "{\"path\":\"Observation.category\",\"sliceName\":\"two\",\"max\":\"2\","
            "\"patternCodeableConcept\":{\"coding\":[{\"code\":\"two\"}]}}"),
    PROFILE("inner", "Patient",
            "{\"path\":\"Patient.contact.telecom\",\"slicing\":{\"discriminator\":[{\"type\":"
            "\"value\",\"path\":\"system\"}],\"rules\":\"open\"}},"
            "{\"path\":\"Patient.contact.telecom\",\"sliceName\":\"phone\",\"min\":1},"
            "{\"path\":\"Patient.contact.telecom.system\",\"fixedCode\":\"phone\"}"),
    PROFILE("choice", "Observation",
            "{\"path\":\"Observation.valueQuantity\",\"min\":1},"
            "{\"path\":\"Observation.valueQuantity.unit\",\"min\":1}"),
    PROFILE("type", "Observation",
            "{\"path\":\"Observation.value[x]\",\"type\":[{\"code\":\"Quantity\"}]}"),
    PROFILE("rule", "Observation",
            "{\"path\":\"Observation\",\"constraint\":[{\"key\":\"t-1\",\"severity\":\"error\","
            "\"human\":\"a note or a value\",\"expression\":\"note.exists() or "
            "value.exists()\"}]}"),
    PROFILE("exists", "Observation",
            "{\"path\":\"Observation.component\",\"slicing\":{\"discriminator\":[{\"type\":"
            "\"exists\",\"path\":\"value\"}],\"rules\":\"open\"}},"
            "{\"path\":\"Observation.component\",\"sliceName\":\"full\",\"max\":\"1\"},"
            "{\"path\":\"Observation.component.value[x]\",\"min\":1},"
            "{\"path\":\"Observation.component\",\"sliceName\":\"empty\",\"min\":1},"
            "{\"path\":\"Observation.component.value[x]\",\"max\":\"0\"},"
            "{\"path\":\"Observation.component.dataAbsentReason\",\"min\":1}"),
    PROFILE("target", "Observation",
            "{\"path\":\"Observation.subject\",\"type\":[{\"code\":\"Reference\","
            "\"targetProfile\":[\"http://t/named\"]}]}"),
    PROFILE("named", "Patient", "{\"path\":\"Patient.name\",\"min\":1}"),
    PROFILE("again", "Observation",
            "{\"path\":\"Observation.identifier\",\"slicing\":{\"discriminator\":[{\"type\":"
            "\"value\",\"path\":\"system\"}],\"rules\":\"open\"}},"
            "{\"path\":\"Observation.identifier\",\"sliceName\":\"a\",\"min\":0},"
            "{\"path\":\"Observation.identifier.system\",\"fixedUri\":\"http://a\"},"
            "{\"path\":\"Observation.identifier\",\"sliceName\":\"a\",\"slicing\":{"
            "\"discriminator\":[{\"type\":\"value\",\"path\":\"use\"}],\"rules\":\"open\"}},"
            "{\"path\":\"Observation.identifier\",\"sliceName\":\"a/old\",\"max\":\"1\"},"
            "{\"path\":\"Observation.identifier.use\",\"fixedCode\":\"old\"}"),
    PROFILE("withExtension", "Observation",
            "{\"path\":\"Observation.extension\",\"sliceName\":\"tint\",\"min\":1,\"type\":[{"
            "\"code\":\"Extension\",\"profile\":[\"http://t/tint\"]}]}"),
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://t/tint\",\"version\":\"1\","
    "\"type\":\"Extension\",\"context\":[{\"type\":\"element\",\"expression\":\"Observation\"}],"
    "\"baseDefinition\":\"http://hl7.org/fhir/StructureDefinition/Extension\",\"differential\":{"
    "\"element\":[{\"path\":\"Extension.url\",\"fixedUri\":\"http://t/tint\"},"
    "{\"path\":\"Extension.value[x]\",\"min\":1,\"type\":[{\"code\":\"code\"}]}]}}",
    PROFILE("circle", "Observation",
            "{\"path\":\"Observation.hasMember\",\"type\":[{\"code\":\"Reference\","
            "\"targetProfile\":[\"http://t/circle\"]}]}"),
};

static int set_up(void **state)
{
    return world_set_up(state, definitions, sizeof definitions / sizeof definitions[0]);
}

static void a_missing_element_is_told_with_the_profile(void **state)
{
    struct world *w = *state;
    check(w, "http://t/min", OBSERVATION(",\"subject\":{\"reference\":\"Patient/1\"}"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/min", OBSERVATION(",\"note\":[{\"text\":\"x\"}]"));
    assert_int_equal(w->count, 2);
    expect(w, 0, "Observation: Observation.note: max allowed = 0, but found 1", "http://t/min|1");
    expect(w, 1, "Observation: Observation.subject: minimum required = 1, but only found 0",
           "(from http://t/min|1)");
}

static void fixed_values_are_exact_and_patterns_are_parts(void **state)
{
    struct world *w = *state;
    check(w, "http://t/fixed",
          OBSERVATION(",\"method\":{\"text\":\"more\",\"coding\":[{\"code\":\"x\"},"
                      "{\"code\":\"a\",\"system\":\"http://m\",\"display\":\"A\"}]}"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/fixed",
          "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"puls\"},"
          "\"method\":{\"coding\":[{\"code\":\"a\"},{\"system\":\"http://m\",\"code\":\"b\"}]}}");
    assert_int_equal(w->count, 2);
    expect(w, 0, "Observation.code.text: Value is 'puls' but is fixed to 'pulse'",
           "http://t/fixed");
    expect(w, 1, "Observation.method: The pattern", "not found");
}

#define CATEGORY(code, more) "{\"coding\":[{\"code\":\"" code "\"}]" more "}"

static void slices_count_and_close_and_keep_their_order(void **state)
{
    struct world *w = *state;
    check(w, "http://t/slices",
          OBSERVATION(
              ",\"category\":[" CATEGORY("one", ",\"text\":\"t\"") "," CATEGORY("two", "") "]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/slices", OBSERVATION(""));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation: Slice 'Observation.category:one'", "minimum required = 1");
    check(w, "http://t/slices",
          OBSERVATION(",\"category\":[" CATEGORY("two", "") "," CATEGORY("one", "") "," CATEGORY(
              "three", "") "]"));
    assert_int_equal(w->count, 3);
    expect(w, 0, "Observation.category[1]", "out of order");
    expect(w, 1, "Observation.category[2]", "does not match any known slice");
    expect(w, 2, "Observation.category[1]: Observation.category:one.text: minimum required", "");
}

static void a_missing_slice_is_told_at_the_object_that_lacks_it(void **state)
{
    struct world *w = *state;
    check(w, "http://t/inner",
          "{\"resourceType\":\"Patient\",\"contact\":[{\"name\":{\"text\":\"x\"}}]}");
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient.contact[0]: Slice 'Patient.contact.telecom:phone'", "is required");
    assert_int_equal(strncmp(w->last_where, "{\"name\"", 7), 0);
}

static void a_type_in_the_name_is_a_slice_of_the_choice(void **state)
{
    struct world *w = *state;
    check(w, "http://t/choice", OBSERVATION(",\"valueQuantity\":{\"value\":1,\"unit\":\"m\"}"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/choice", OBSERVATION(",\"valueQuantity\":{\"value\":1}"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation.value: Observation.value[x]:valueQuantity.unit", "only found 0");
    check(w, "http://t/type", OBSERVATION(",\"valueString\":\"x\""));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation.value: ", "allows for the type Quantity but found type string");
}

static void rules_of_a_profile_run(void **state)
{
    struct world *w = *state;
    check(w, "http://t/rule", OBSERVATION(",\"valueString\":\"x\""));
    assert_int_equal(w->count, 0);
    check(w, "http://t/rule", OBSERVATION(""));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation: ", "t-1");
}

static void what_exists_can_tell_slices_apart(void **state)
{
    struct world *w = *state;
    const char *code = "\"code\":{\"text\":\"c\"}";
    char text[1000];
    snprintf(text, sizeof text,
             "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"},"
             "\"component\":[{%s,\"valueString\":\"v\"},{%s,\"dataAbsentReason\":{\"text\":\"n\"}}"
             "]}",
             code, code);
    check(w, "http://t/exists", text);
    assert_int_equal(w->count, 0);
    snprintf(text, sizeof text,
             "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"},"
             "\"component\":[{%s,\"valueString\":\"v\"},{%s,\"valueInteger\":1},{%s}]}",
             code, code, code);
    check(w, "http://t/exists", text);
    assert_int_equal(w->count, 2);
    expect(w, 0, "Observation.component[2]: ", "dataAbsentReason: minimum required = 1");
    expect(w, 1, "Observation: ", "component:full: max allowed = 1, but found 2");
}

static void what_a_reference_points_at_meets_a_profile(void **state)
{
    struct world *w = *state;
    check(w, "http://t/target",
          OBSERVATION(",\"subject\":{\"reference\":\"#p\"},\"contained\":[{\"resourceType\":"
                      "\"Patient\",\"id\":\"p\",\"name\":[{\"text\":\"n\"}]}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/target",
          OBSERVATION(",\"subject\":{\"reference\":\"#p\"},\"contained\":[{\"resourceType\":"
                      "\"Patient\",\"id\":\"p\"}]"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation.subject: Unable to find a profile match for #p", "http://t/named");
    check(w, "http://t/target", OBSERVATION(",\"subject\":{\"reference\":\"Group/1\"}"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation.subject: Invalid Resource target type. Found Group", "");
}

static void a_slice_can_be_sliced_again(void **state)
{
    struct world *w = *state;
    check(
        w, "http://t/again",
        OBSERVATION(",\"identifier\":[{\"system\":\"http://a\",\"use\":\"old\"},{\"system\":"
                    "\"http://a\",\"use\":\"usual\"},{\"system\":\"http://b\",\"use\":\"old\"}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/again",
          OBSERVATION(",\"identifier\":[{\"system\":\"http://a\",\"use\":\"old\"},{\"system\":"
                      "\"http://a\",\"use\":\"old\"}]"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation: Observation.identifier:a/old: max allowed = 1, but found 2", "");
}

static void extensions_are_checked_by_their_url(void **state)
{
    struct world *w = *state;
    check(w, "http://t/withExtension",
          OBSERVATION(",\"extension\":[{\"url\":\"http://t/tint\",\"valueCode\":\"red\"}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/withExtension",
          OBSERVATION(",\"extension\":[{\"url\":\"http://t/tint\",\"valueString\":\"red\"}]"));
    assert_int_equal(w->count, 1); /* once, though slice and url both say so */
    expect(w, 0, "Observation.extension[0]: ", "types [code] but found type string");
    check(w, "",
          "{\"resourceType\":\"Patient\",\"name\":[{\"extension\":[{\"url\":"
          "\"http://t/tint\",\"valueCode\":\"red\"}]}]}");
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient.name[0]: ", "not allowed to be used at this point");
}

static void an_unknown_profile_is_an_error_at_its_place(void **state)
{
    struct world *w = *state;
    check(w, "",
          OBSERVATION(",\"meta\":{\"profile\":[\"http://t/min|1\",\"http://t/min|2\"]},"
                      "\"subject\":{\"reference\":\"Patient/1\"}"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation.meta.profile[1]: ", "http://t/min|2");
    check(w, "", "{\"resourceType\":\"Patient\",\"meta\":{\"profile\":[\"http://t/min\"]}}");
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient: ", "Specified profile type was 'Observation', but found type 'Patient'");
}

static void circles_of_references_end(void **state)
{
    struct world *w = *state;
    check(w, "http://t/circle",
          OBSERVATION(",\"hasMember\":[{\"reference\":\"#o\"}],\"contained\":[{\"resourceType\":"
                      "\"Observation\",\"id\":\"o\",\"status\":\"final\",\"code\":{\"text\":\"x\"},"
                      "\"hasMember\":[{\"reference\":\"#o\"},{\"reference\":\"#\"}]}]"));
    assert_int_equal(w->count, 0);
}

/* By the LOINC code of a body weight; a write does not ask for it. */
static void vital_signs_are_asked_for_by_their_code(void **state)
{
    (void)state;
    struct world own = { .count = 0 };
    const char *text =
        "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"coding\":[{"
        "\"system\":\"http://loinc.org\",\"code\":\"29463-7\"}]}}";
    assert_int_equal(profile_set_open(NULL, &own.set, NULL), ERR_NONE);
    check(&own, "", text);
    assert_int_equal(own.count, 0);
    own.adds_vital_signs = true;
    check(&own, "", text);
    assert_true(own.count > 0);
    expect(&own, 0, "Observation: ", "StructureDefinition/bodyweight|4.0.1");
    profile_set_unref(own.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_slice_is_told_at_the_object_that_lacks_it),
        cmocka_unit_test(a_missing_element_is_told_with_the_profile),
        cmocka_unit_test(fixed_values_are_exact_and_patterns_are_parts),
        cmocka_unit_test(slices_count_and_close_and_keep_their_order),
        cmocka_unit_test(a_type_in_the_name_is_a_slice_of_the_choice),
        cmocka_unit_test(rules_of_a_profile_run),
        cmocka_unit_test(what_exists_can_tell_slices_apart),
        cmocka_unit_test(what_a_reference_points_at_meets_a_profile),
        cmocka_unit_test(a_slice_can_be_sliced_again),
        cmocka_unit_test(extensions_are_checked_by_their_url),
        cmocka_unit_test(an_unknown_profile_is_an_error_at_its_place),
        cmocka_unit_test(circles_of_references_end),
        cmocka_unit_test(vital_signs_are_asked_for_by_their_code),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
