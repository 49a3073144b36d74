/* What tells slices apart, and where extensions may stand: each corner by a profile
 * made for it. */
#include "world.h"

#define SLICING(type, path, rules)                                                                 \
    "\"slicing\":{\"discriminator\":[{\"type\":\"" type "\",\"path\":\"" path                      \
    "\"}],\"rules\":\"" rules "\"}"
#define EXTENSION(name, more, elements)                                                            \
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://t/" name "\",\"version\":\"1\","   \
    "\"type\":\"Extension\"," more                                                                 \
    "\"baseDefinition\":\"http://hl7.org/fhir/StructureDefinition/Extension\",\"differential\":{"  \
    "\"element\":[{\"path\":\"Extension.url\",\"fixedUri\":\"http://t/" name "\"}" elements "]}}"

static const char *const definitions[] = {
    PROFILE(
        "position", "Patient",
        "{\"path\":\"Patient.name\"," SLICING(
            "position", "$this",
            "closed") "},"
                      "{\"path\":\"Patient.name\",\"sliceName\":\"first\",\"min\":1,\"max\":\"1\"},"
                      "{\"path\":\"Patient.name.family\",\"min\":1},"
                      "{\"path\":\"Patient.name\",\"sliceName\":\"rest\",\"max\":\"2\"},"
                      "{\"path\":\"Patient.name.text\",\"min\":1}"),
    PROFILE("two", "Observation",
            "{\"path\":\"Observation.referenceRange\",\"slicing\":{\"discriminator\":[{\"type\":"
            "\"pattern\",\"path\":\"type\"},{\"type\":\"pattern\",\"path\":\"appliesTo\"}],"
            "\"rules\":\"closed\"}},"
            "{\"path\":\"Observation.referenceRange\",\"sliceName\":\"both\"},"
            "{\"path\":\"Observation.referenceRange.type\",\"patternCodeableConcept\":{\"text\":"
            "\"a\"}},"
            "{\"path\":\"Observation.referenceRange.appliesTo\",\"patternCodeableConcept\":{"
            "\"text\":\"x\"}},"
            "{\"path\":\"Observation.referenceRange\",\"sliceName\":\"one\",\"min\":1},"
            "{\"path\":\"Observation.referenceRange.type\",\"patternCodeableConcept\":{\"text\":"
            "\"b\"}}"),
    PROFILE("absent", "Patient",
            "{\"path\":\"Patient.telecom\"," SLICING(
                "value", "period",
                "open") "},"
                        "{\"path\":\"Patient.telecom\",\"sliceName\":\"open\",\"max\":\"1\"},"
                        "{\"path\":\"Patient.telecom.period\",\"max\":\"0\"}"),
    PROFILE("atEnd", "Patient",
            "{\"path\":\"Patient.telecom\"," SLICING(
                "value", "system",
                "openAtEnd") "},"
                             "{\"path\":\"Patient.telecom\",\"sliceName\":\"phone\"},"
                             "{\"path\":\"Patient.telecom.system\",\"fixedCode\":\"phone\"}"),
    PROFILE("byTarget", "Observation",
            "{\"path\":\"Observation.performer\"," SLICING(
                "type", "resolve()", "closed") "},"
                                               "{\"path\":\"Observation.performer\",\"sliceName\":"
                                               "\"doctor\",\"min\":1,\"type\":[{"
                                               "\"code\":\"Reference\",\"targetProfile\":[\"http://"
                                               "hl7.org/fhir/StructureDefinition/"
                                               "Practitioner\"]}]},"
                                               "{\"path\":\"Observation.performer\",\"sliceName\":"
                                               "\"self\",\"max\":\"1\",\"type\":[{"
                                               "\"code\":\"Reference\",\"targetProfile\":[\"http://"
                                               "hl7.org/fhir/StructureDefinition/"
                                               "Patient\"]}]}"),
    PROFILE("byExtension", "Patient",
            "{\"path\":\"Patient.address\"," SLICING(
                "value", "extension('http://t/kind').value",
                "open") "},"
                        "{\"path\":\"Patient.address\",\"sliceName\":\"old\",\"max\":\"1\"},"
                        "{\"path\":\"Patient.address.extension\",\"sliceName\":\"kind\",\"min\":1,"
                        "\"type\":[{"
                        "\"code\":\"Extension\",\"profile\":[\"http://t/kind\"]}]},"
                        "{\"path\":\"Patient.address.extension.value[x]\",\"fixedCode\":\"old\"},"
                        "{\"path\":\"Patient.address.city\",\"min\":1}"),
    EXTENSION("kind", "\"context\":[{\"type\":\"element\",\"expression\":\"Element\"}],",
              ",{\"path\":\"Extension.value[x]\",\"min\":1,\"type\":[{\"code\":\"code\"}]}"),
    /* Derived: the url stays that of the base. */
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://t/kindOfTwo\",\"version\":\"1\","
    "\"type\":\"Extension\",\"baseDefinition\":\"http://t/kind\",\"differential\":{\"element\":["
    "{\"path\":\"Extension.value[x]\",\"fixedCode\":\"two\"}]}}",
    PROFILE("derived", "Patient",
            "{\"path\":\"Patient.extension\",\"sliceName\":\"k\",\"min\":1,\"type\":[{\"code\":"
            "\"Extension\",\"profile\":[\"http://t/kindOfTwo\"]}]}"),
    EXTENSION("byPath",
              "\"context\":[{\"type\":\"fhirpath\",\"expression\":\"Patient.name.where(use = "
              "'old')\"}],",
              ""),
    EXTENSION("ruled",
              "\"context\":[{\"type\":\"element\",\"expression\":\"HumanName\"}],"
              "\"contextInvariant\":[\"family.exists() and %extension.value = 'x'\"],",
              ""),
    EXTENSION("inItem",
              "\"context\":[{\"type\":\"element\",\"expression\":\"Questionnaire.item.text\"}],",
              ""),
    PROFILE("containing", "Patient",
            "{\"path\":\"Patient.contained\",\"constraint\":[{\"key\":\"c-1\",\"severity\":"
            "\"error\",\"human\":\"h\",\"expression\":\"%resource is Patient and "
            "%rootResource is Patient and $this is Organization\"}]}"),
    PROFILE("either", "Observation",
            "{\"path\":\"Observation.effective[x].extension\",\"max\":\"1\"}"),
    PROFILE("unknown", "Observation",
            "{\"path\":\"Observation.code\",\"type\":[{\"code\":\"CodeableConcept\",\"profile\":["
            "\"http://t/nobody\"]}]},"
            "{\"path\":\"Observation.subject\",\"type\":[{\"code\":\"Reference\","
            "\"targetProfile\":[\"http://t/nowhere\"]}]}"),
    PROFILE("someTypes", "Observation",
            "{\"path\":\"Observation.value[x]\",\"type\":[{\"code\":\"Quantity\"},{\"code\":"
            "\"CodeableConcept\"}]}"),
    PROFILE("whole", "Patient",
            "{\"path\":\"Patient.maritalStatus\",\"fixedCodeableConcept\":{\"coding\":[{\"code\":"
            "\"M\"}],\"text\":\"t\"}}"),
};

static int set_up(void **state)
{
    return world_set_up(state, definitions, sizeof definitions / sizeof definitions[0]);
}

#define PATIENT(more) "{\"resourceType\":\"Patient\"" more "}"

static void slices_by_position_have_their_places(void **state)
{
    struct world *w = *state;
    check(w, "http://t/position",
          PATIENT(",\"name\":[{\"family\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\"}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/position",
          PATIENT(",\"name\":[{\"text\":\"a\"},{\"family\":\"b\"},{\"text\":\"c\"},{\"text\":"
                  "\"d\"}]"));
    assert_int_equal(w->count, 3);
    expect(w, 0, "Patient.name[3]: ", "slicing is CLOSED");
    expect(w, 1, "Patient.name[0]: ", "family: minimum required = 1");
    expect(w, 2, "Patient.name[1]: ", "text: minimum required = 1");
}

static void what_a_slice_leaves_open_tells_nothing(void **state)
{
    struct world *w = *state;
    check(w, "http://t/two",
          OBSERVATION(",\"referenceRange\":[{\"text\":\"1\",\"type\":{\"text\":\"b\"}},"
                      "{\"text\":\"2\",\"type\":{\"text\":\"b\"},\"appliesTo\":[{\"text\":\"y\"}]},"
                      "{\"text\":\"3\",\"type\":{\"text\":\"a\"},\"appliesTo\":[{\"text\":"
                      "\"x\"}]}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/two",
          OBSERVATION(",\"referenceRange\":[{\"text\":\"1\",\"type\":{\"text\":\"b\"}},"
                      "{\"text\":\"3\",\"type\":{\"text\":\"a\"}}]"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation.referenceRange[1]: ", "slicing is CLOSED");
}

static void what_must_not_be_there_tells_slices_apart(void **state)
{
    struct world *w = *state;
    check(
        w, "http://t/absent",
        PATIENT(
            ",\"telecom\":[{\"value\":\"1\"},{\"value\":\"2\",\"period\":{\"start\":\"2020\"}}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/absent", PATIENT(",\"telecom\":[{\"value\":\"1\"},{\"value\":\"2\"}]"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient: ", "telecom:open: max allowed = 1, but found 2");
}

static void what_belongs_to_no_slice_stands_at_the_end(void **state)
{
    struct world *w = *state;
    check(w, "http://t/atEnd",
          PATIENT(",\"telecom\":[{\"system\":\"phone\"},{\"system\":\"fax\"}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/atEnd",
          PATIENT(",\"telecom\":[{\"system\":\"fax\"},{\"system\":\"phone\"}]"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient.telecom[1]: ", "stands behind elements that do not");
}

static void the_type_of_a_target_tells_slices_apart(void **state)
{
    struct world *w = *state;
    check(w, "http://t/byTarget",
          OBSERVATION(",\"performer\":[{\"reference\":\"Practitioner/1\"},{\"reference\":"
                      "\"#p\"}],\"contained\":[{\"resourceType\":\"Patient\",\"id\":\"p\"}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/byTarget",
          OBSERVATION(",\"performer\":[{\"reference\":\"Patient/1\"},{\"reference\":"
                      "\"Organization/1\"}]"));
    assert_int_equal(w->count, 2);
    expect(w, 0, "Observation.performer[1]: ", "slicing is CLOSED");
    expect(w, 1, "Observation: ", "performer:doctor': a matching slice is required");
}

static void an_extension_tells_slices_apart(void **state)
{
    struct world *w = *state;
    const char *old = "{\"extension\":[{\"url\":\"http://t/kind\",\"valueCode\":\"old\"}]%s}";
    char text[600], with_city[200], without[200];
    snprintf(with_city, sizeof with_city, old, ",\"city\":\"c\"");
    snprintf(without, sizeof without, old, "");
    snprintf(text, sizeof text, PATIENT(",\"address\":[%s,{\"text\":\"x\"}]"), with_city);
    check(w, "http://t/byExtension", text);
    assert_int_equal(w->count, 0);
    snprintf(text, sizeof text, PATIENT(",\"address\":[%s,%s]"), with_city, without);
    check(w, "http://t/byExtension", text);
    assert_int_equal(w->count, 2);
    expect(w, 0, "Patient.address[1]: ", "city: minimum required = 1");
    expect(w, 1, "Patient: ", "address:old: max allowed = 1, but found 2");
}

static void a_derived_extension_has_the_url_of_its_base(void **state)
{
    struct world *w = *state;
    check(w, "http://t/derived",
          PATIENT(",\"extension\":[{\"url\":\"http://t/kind\",\"valueCode\":\"two\"}]"));
    assert_int_equal(w->count, 0);
    check(w, "http://t/derived",
          PATIENT(",\"extension\":[{\"url\":\"http://t/kind\",\"valueCode\":\"three\"}]"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient.extension[0].value: ", "is fixed to 'two'");
}

static void an_expression_says_where_an_extension_may_stand(void **state)
{
    struct world *w = *state;
    const char *url = "\"extension\":[{\"url\":\"http://t/byPath\",\"valueString\":\"x\"}]";
    char text[300];
    snprintf(text, sizeof text, PATIENT(",\"name\":[{\"use\":\"old\",%s}]"), url);
    check(w, "", text);
    assert_int_equal(w->count, 0);
    snprintf(text, sizeof text, PATIENT(",\"name\":[{\"use\":\"old\"},{\"use\":\"usual\",%s}]"),
             url);
    check(w, "", text);
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient.name[1]: ", "not allowed to be used at this point");
}

static void rules_of_a_context_see_the_holder_and_the_extension(void **state)
{
    struct world *w = *state;
    check(w, "",
          PATIENT(",\"name\":[{\"family\":\"f\",\"extension\":[{\"url\":\"http://t/ruled\","
                  "\"valueString\":\"x\"}]}]"));
    assert_int_equal(w->count, 0);
    check(w, "",
          PATIENT(",\"name\":[{\"family\":\"f\",\"extension\":[{\"url\":\"http://t/ruled\","
                  "\"valueString\":\"y\"}]},{\"extension\":[{\"url\":\"http://t/ruled\","
                  "\"valueString\":\"x\"}]}]"));
    assert_int_equal(w->count, 2);
    expect(w, 0, "Patient.name[0]: ", "context invariant 'family.exists()");
    expect(w, 1, "Patient.name[1]: ", "context invariant");
}

static void a_context_inside_of_a_backbone_holds_at_every_depth(void **state)
{
    struct world *w = *state;
    const char *form =
        "{\"resourceType\":\"Questionnaire\",\"status\":\"draft\",\"item\":[{\"linkId\":\"1\","
        "\"type\":\"group\",\"item\":[{\"linkId\":\"2\",\"type\":\"string\",\"text\":\"t\","
        "\"%s\":{\"extension\":[{\"url\":\"http://t/inItem\",\"valueString\":\"x\"}]}}]}]}";
    char text[500];
    snprintf(text, sizeof text, form, "_text");
    check(w, "", text);
    assert_int_equal(w->count, 0);
    snprintf(text, sizeof text, form, "_prefix");
    check(w, "", text);
    assert_int_equal(w->count, 1);
    expect(w, 0, "Questionnaire.item[0].item[0].prefix: ", "not allowed to be used");
}

static void a_rule_where_a_resource_is_held_has_the_outer_one(void **state)
{
    struct world *w = *state;
    const char *text =
        PATIENT(",\"contained\":[{\"resourceType\":\"%s\",\"id\":\"o\"}],\"managingOrganization\":{"
                "\"reference\":\"#o\"}");
    char own[300];
    snprintf(own, sizeof own, text, "Organization");
    check(w, "http://t/containing", own);
    assert_int_equal(w->count, 0);
    snprintf(own, sizeof own, text, "Group");
    check(w, "http://t/containing", own);
    assert_true(w->count > 0);
}

static void any_type_of_a_choice_has_extensions(void **state)
{
    struct world *w = *state;
    const char *two = "[{\"url\":\"http://x/1\",\"valueCode\":\"a\"},{\"url\":\"http://x/2\","
                      "\"valueCode\":\"a\"}]";
    char text[400];
    snprintf(text, sizeof text, OBSERVATION(",\"_effectiveDateTime\":{\"extension\":%s}"), two);
    check(w, "http://t/either", text);
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation.effective: ", "max allowed = 1, but found 2");
}

static void a_profile_that_a_profile_names_and_nobody_has_is_an_error(void **state)
{
    struct world *w = *state;
    check(w, "http://t/unknown", OBSERVATION(",\"subject\":{\"reference\":\"Patient/1\"}"));
    assert_int_equal(w->count, 2);
    expect(w, 0, "Observation.code: ", "Unable to resolve the profile reference 'http://t/nobody'");
    expect(w, 1, "Observation.subject: ", "'http://t/nowhere'");
}

static void a_url_of_an_extension_has_no_version(void **state)
{
    struct world *w = *state;
    check(w, "", PATIENT(",\"extension\":[{\"url\":\"http://t/kind|1\",\"valueCode\":\"a\"}]"));
    assert_int_equal(w->count, 2);
    expect(w, 0, "Patient.extension[0]: ", "must not contain a version");
    expect(w, 1, "Patient.extension[0].url: ", "but is fixed to 'http://t/kind'");
}

static void one_of_several_types_is_told_where_the_choice_is_held(void **state)
{
    struct world *w = *state;
    check(w, "http://t/someTypes", OBSERVATION(",\"valueString\":\"x\""));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Observation: The type of element valueString is not known",
           "Quantity, CodeableConcept");
}

static void members_that_differ_from_a_fixed_value_are_named(void **state)
{
    struct world *w = *state;
    check(w, "http://t/whole",
          PATIENT(",\"maritalStatus\":{\"coding\":[{\"code\":\"M\",\"display\":\"d\"}]}"));
    assert_int_equal(w->count, 2);
    expect(w, 0,
           "Patient.maritalStatus.coding[0].display: ", "not allowed in the applicable fixed");
    expect(w, 1, "Patient.maritalStatus: ", "Missing element 'text'");
    check(w, "http://t/whole",
          PATIENT(",\"maritalStatus\":{\"coding\":[{\"code\":\"S\"}],\"text\":\"t\"}"));
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient.maritalStatus.coding[0].code: ", "Value is 'S' but is fixed to 'M'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_by_position_have_their_places),
        cmocka_unit_test(what_a_slice_leaves_open_tells_nothing),
        cmocka_unit_test(what_must_not_be_there_tells_slices_apart),
        cmocka_unit_test(what_belongs_to_no_slice_stands_at_the_end),
        cmocka_unit_test(the_type_of_a_target_tells_slices_apart),
        cmocka_unit_test(an_extension_tells_slices_apart),
        cmocka_unit_test(a_derived_extension_has_the_url_of_its_base),
        cmocka_unit_test(an_expression_says_where_an_extension_may_stand),
        cmocka_unit_test(rules_of_a_context_see_the_holder_and_the_extension),
        cmocka_unit_test(a_context_inside_of_a_backbone_holds_at_every_depth),
        cmocka_unit_test(a_rule_where_a_resource_is_held_has_the_outer_one),
        cmocka_unit_test(any_type_of_a_choice_has_extensions),
        cmocka_unit_test(a_profile_that_a_profile_names_and_nobody_has_is_an_error),
        cmocka_unit_test(a_url_of_an_extension_has_no_version),
        cmocka_unit_test(one_of_several_types_is_told_where_the_choice_is_held),
        cmocka_unit_test(members_that_differ_from_a_fixed_value_are_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
