/* Profiles made for the test: each says one thing, and breaking it is found at the
 * right place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "profile/profile.h"

enum { ROOM = 64 << 20, FOUND_MAX = 40 };

struct world {
    struct arena arena;
    struct profile_set *set;
    char found[FOUND_MAX][600]; /* "expression: text" of each error */
    char last_where[40]; /* how the JSON of the last one begins */
    size_t count;
    bool adds_vital_signs;
};

/* A profile of Observation with the elements given, JSON without the brackets. */
#define PROFILE(name, type, elements)                                                              \
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://t/" name "\",\"version\":\"1\","   \
    "\"type\":\"" type "\",\"baseDefinition\":\"http://hl7.org/fhir/StructureDefinition/" type     \
    "\",\"derivation\":\"constraint\",\"differential\":{\"element\":[" elements "]}}"

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

static void found(void *context, const struct fhir_finding *finding)
{
    struct world *w = context;
    if (finding->severity > ISSUE_ERROR)
        return;
    assert_true(w->count < FOUND_MAX);
    snprintf(w->last_where, sizeof w->last_where, "%.*s",
             SLICE_ARGS(slice_head(json_raw(finding->where), sizeof w->last_where - 1)));
    snprintf(w->found[w->count++], sizeof w->found[0], "%.*s: %.*s",
             SLICE_ARGS(finding->expression), SLICE_ARGS(finding->text));
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct issues issues;
    struct buf image;
    struct slice texts[sizeof definitions / sizeof definitions[0]];
    size_t count = sizeof definitions / sizeof definitions[0];
    assert_non_null(w);
    arena_init(&w->arena, ROOM);
    issues_init(&issues, &w->arena);
    buf_init(&image, ROOM);
    for (size_t i = 0; i < count; i++)
        texts[i] = slice_cstr(definitions[i]);
    const struct profile_source source = {
        .name = SLICE("test"), .version = SLICE("1"), .resources = texts, .resource_count = count
    };
    assert_int_equal(profile_compile(&source, NULL, &w->arena, &issues, &image), ERR_NONE);
    assert_int_equal(issues.count, 0);
    struct slice bytes = buf_slice(&image);
    assert_int_equal(profile_set_layer(NULL, &bytes, 1, &w->set), ERR_NONE);
    assert_int_equal(profile_set_count(w->set), count);
    buf_release(&image);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    profile_set_unref(w->set);
    arena_release(&w->arena);
    free(w);
    return 0;
}

/* Errors of the resource against the profile; those of base R4 do not run. */
static void check(struct world *w, const char *profile, const char *text)
{
    struct arena arena;
    struct json_doc doc;
    struct issues issues;
    struct slice url = slice_cstr(profile);
    struct profile_check *run;
    arena_init(&arena, ROOM);
    issues_init(&issues, &arena);
    w->count = 0;
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, &doc, NULL), ERR_NONE);
    const struct profile_options asked = { .set = w->set,
                                           .profiles = &url,
                                           .profile_count = url.length > 0,
                                           .unknown_is_error = true,
                                           .adds_vital_signs = w->adds_vital_signs };
    assert_int_equal(profile_check_begin(&asked, &arena, &run), ERR_NONE);
    const struct fhir_validate_options options = { .found = found,
                                                   .context = w,
                                                   .hooks = profile_check_hooks(run) };
    struct json root = json_root(&doc);
    const struct fhir_type *type =
        fhir_resource_find(json_string_raw(json_member(root, "resourceType")));
    assert_int_equal(fhir_validate(root, type, &options, &issues), ERR_NONE);
    profile_check_end(run);
    arena_release(&arena);
}

#define OBSERVATION(more)                                                                          \
    "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"pulse\"}" more "}"

static void expect(struct world *w, size_t at, const char *start, const char *part)
{
    assert_true(at < w->count);
    if (strncmp(w->found[at], start, strlen(start)) != 0 || !strstr(w->found[at], part))
        fail_msg("'%s' has not '%s' and '%s'", w->found[at], start, part);
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
    expect(w, 0, "Observation.extension[0].value: ", "type code but found type string");
    check(w, "",
          "{\"resourceType\":\"Patient\",\"name\":[{\"extension\":[{\"url\":"
          "\"http://t/tint\",\"valueCode\":\"red\"}]}]}");
    assert_int_equal(w->count, 1);
    expect(w, 0, "Patient.name[0].extension[0]: ", "not allowed to be used at this point");
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
