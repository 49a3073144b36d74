/* Answers beside their Questionnaire, rules of Bundle, CodeSystem, ValueSet, codings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "check/check.h"

struct world {
    struct terminology *t;
    struct arena arena;
    char found[8000];  /* "expression: text\n" of each error */
    char warned[8000]; /* and of each warning */
};

static int setup(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    arena_init(&w.arena, 256 << 20);
    assert_int_equal(terminology_open(NULL, &w.t), ERR_NONE);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    terminology_close(w->t);
    arena_release(&w->arena);
    return 0;
}

static void take(void *context, const struct fhir_finding *f)
{
    struct world *w = context;
    char *list = f->severity <= ISSUE_ERROR ? w->found : w->warned;
    size_t length = strlen(list);
    snprintf(list + length, sizeof w->found - length, "%.*s: %.*s\n", SLICE_ARGS(f->expression),
             SLICE_ARGS(f->text));
}

static const char *run(struct world *w, const char *text)
{
    struct json_doc doc;
    struct json_error where;
    w->found[0] = w->warned[0] = '\0';
    if (json_parse(slice_cstr(text), NULL, &w->arena, &doc, &where))
        fail_msg("no JSON at %zu: %s", where.offset, text + where.offset);
    const struct check_options options = { .found = take, .context = w, .terminology = w->t };
    struct json root = json_root(&doc);
    struct slice name = json_string(json_member(root, "resourceType"), &w->arena);
    assert_int_equal(check_run(&options, root, fhir_resource_find(name), &w->arena), ERR_NONE);
    return w->found;
}

static void expect(const char *found, const char *wanted)
{
    if (wanted ? !strstr(found, wanted) : found[0] != '\0')
        fail_msg("found '%s', wanted '%s'", found, wanted ? wanted : "nothing");
}

/* ---- answers ---- */

static const char *answers(struct world *w, const char *questions, const char *items)
{
    struct slice text =
        arena_printf(&w->arena,
                     "{\"resourceType\":\"QuestionnaireResponse\",\"status\":\"completed\","
                     "\"questionnaire\":\"#q\",\"contained\":[{\"resourceType\":"
                     "\"Questionnaire\",\"id\":\"q\",\"status\":\"active\",\"item\":[%s]}],"
                     "\"item\":[%s]}",
                     questions, items);
    assert_non_null(text.bytes);
    return run(w, text.bytes);
}

#define Q(id, type, more) "{\"linkId\":\"" id "\",\"type\":\"" type "\"" more "}"
#define R(id, more) "{\"linkId\":\"" id "\"" more "}"
#define A(values) ",\"answer\":[" values "]"

static void answers_have_the_type_that_is_asked_for(void **state)
{
    struct world *w = *state;
    expect(answers(w, Q("a", "boolean", ""), R("a", A("{\"valueBoolean\":true}"))), NULL);
    expect(answers(w, Q("a", "boolean", ""), R("a", A("{\"valueString\":\"x\"}"))),
           "QuestionnaireResponse.item[0].answer[0].value: Answer value must be of the type "
           "boolean not string");
    expect(answers(w, Q("a", "open-choice", ""), R("a", A("{\"valueString\":\"x\"}"))), NULL);
}

static void items_must_be_in_the_questionnaire_at_their_place(void **state)
{
    struct world *w = *state;
    const char *questions =
        Q("g", "group", ",\"item\":[" Q("a", "string", "") "]") "," Q("b", "string", "");
    expect(answers(w, questions, R("x", "")), "LinkId 'x' not found in questionnaire");
    expect(answers(w, questions, R("a", A("{\"valueString\":\"x\"}"))), "in the wrong place");
    expect(answers(w, questions, R("b", "") "," R("g", "")), "out of order");
    expect(answers(w, questions, R("g", ",\"item\":[" R("a", "") "]") "," R("b", "")), NULL);
}

static void what_is_required_must_be_answered_when_it_is_enabled(void **state)
{
    struct world *w = *state;
    const char *questions =
        Q("a", "boolean", "") "," Q("b", "string",
                                    ",\"required\":true,\"enableWhen\":[{\"question\":\"a\","
                                    "\"operator\":\"=\",\"answerBoolean\":true}]");
    expect(answers(w, questions, R("a", A("{\"valueBoolean\":true}"))),
           "No response answer found for required item 'b'");
    expect(answers(w, questions, R("a", A("{\"valueBoolean\":false}"))), NULL);
    expect(answers(w, questions,
                   R("a", A("{\"valueBoolean\":false}")) "," R("b", A("{\"valueString\":\"x\"}"))),
           "not enabled");
}

static void options_bounds_and_repeats_are_kept(void **state)
{
    struct world *w = *state;
    const char *options =
        Q("a", "string", ",\"answerOption\":[{\"valueString\":\"x\"},{\"valueString\":\"y\"}]");
    expect(answers(w, options, R("a", A("{\"valueString\":\"y\"}"))), NULL);
    expect(answers(w, options, R("a", A("{\"valueString\":\"z\"}"))),
           "not in the set of permitted");
    expect(answers(w, options, R("a", A("{\"valueString\":\"x\"},{\"valueString\":\"y\"}"))),
           "Only one response answer item");
    const char *bound = Q("a", "integer",
                          ",\"extension\":[{\"url\":\"http://hl7.org/fhir/StructureDefinition/"
                          "maxValue\",\"valueInteger\":9}]");
    expect(answers(w, bound, R("a", A("{\"valueInteger\":9}"))), NULL);
    expect(answers(w, bound, R("a", A("{\"valueInteger\":10}"))),
           "The value 10 is greater than the allowed maximum of 9");
    const char *set = Q("a", "choice",
                        ",\"answerValueSet\":\"http://hl7.org/fhir/ValueSet/"
                        "administrative-gender\"");
    expect(answers(w, set,
                   R("a", A("{\"valueCoding\":{\"system\":\"http://hl7.org/fhir/"
                            "administrative-gender\",\"code\":\"male\"}}"))),
           NULL);
    expect(answers(w, set, R("a", A("{\"valueCoding\":{\"system\":\"urn:x\",\"code\":\"male\"}}"))),
           "is not in the options value set");
}

static void a_hundred_thousand_items_take_no_quadratic_time(void **state)
{
    struct world *w = *state;
    struct buf questions, items;
    buf_init(&questions, 64 << 20);
    buf_init(&items, 64 << 20);
    buf_append_cstr(&questions, "{\"linkId\":\"g\",\"type\":\"group\",\"repeats\":true,\"item\":[");
    for (int i = 0; i < 3000; i++)
        buf_printf(&questions, "%s{\"linkId\":\"q%d\",\"type\":\"string\"}", i ? "," : "", i);
    buf_append_cstr(&questions, "]}");
    for (int i = 0; i < 100000; i++)
        buf_printf(&items, "%s{\"linkId\":\"g\"}", i ? "," : "");
    buf_append_byte(&questions, '\0');
    buf_append_byte(&items, '\0');
    answers(w, questions.bytes, items.bytes);
    buf_release(&items);
    buf_release(&questions);
}

/* ---- others ---- */

static void entries_and_links_of_a_bundle_are_looked_at(void **state)
{
    struct world *w = *state;
#define BUNDLE(more) "{\"resourceType\":\"Bundle\",\"type\":\"searchset\"" more "}"
    expect(run(w, BUNDLE(",\"link\":[{\"relation\":\"self\",\"url\":\"a\"},{\"relation\":\"self\","
                         "\"url\":\"b\"}]")),
           "Bundle.link[1]: The link relationship type 'self' can only occur once");
    expect(run(w, BUNDLE(",\"entry\":[{\"fullUrl\":\"Patient/1\",\"resource\":{\"resourceType\":"
                         "\"Patient\",\"id\":\"1\",\"active\":true}}]")),
           "Bundle.entry[0]: The fullUrl must be an absolute URL (not 'Patient/1')");
    expect(run(w, BUNDLE(",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\","
                         "\"active\":true}}]")),
           "Bundle.entry[0].resource: Search results must have ids");
}

static void codings_are_checked_against_the_system_they_name(void **state)
{
    struct world *w = *state;
#define OBSERVATION(code)                                                                          \
    "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"coding\":[" code "]}}"
    expect(run(w, OBSERVATION("{\"system\":\"http://hl7.org/fhir/administrative-gender\","
                              "\"code\":\"man\"}")),
           "Observation.code.coding[0].code: Unknown code 'man'");
    expect(run(w, OBSERVATION("{\"system\":\"http://loinc.org\",\"code\":\"1\"}")), NULL);
}

static void ids_of_elements_are_unique(void **state)
{
    struct world *w = *state;
    expect(run(w, "{\"resourceType\":\"Patient\",\"name\":[{\"id\":\"a\",\"family\":\"x\"},"
                  "{\"id\":\"a\",\"family\":\"y\"}]}"),
           "Patient.name[1]: Duplicate id value 'a'");
    expect(run(w, "{\"resourceType\":\"Patient\",\"id\":\"a\",\"name\":[{\"id\":\"a\","
                  "\"family\":\"x\"}]}"),
           NULL);
}

static void code_systems_and_value_sets_have_rules_of_their_own(void **state)
{
    struct world *w = *state;
    expect(run(w, "{\"resourceType\":\"CodeSystem\",\"status\":\"active\",\"content\":"
                  "\"complete\",\"supplements\":\"http://x.org\"}"),
           "CodeSystem.content: CodeSystem Supplements SHALL");
    expect(run(w, "{\"resourceType\":\"CodeSystem\",\"status\":\"active\",\"content\":"
                  "\"complete\",\"count\":3,\"concept\":[{\"code\":\"a\",\"concept\":[{\"code\":"
                  "\"b\"}]}]}"),
           "CodeSystem.count: The code system is complete, but the number of concepts (2) does");
    expect(run(w, "{\"resourceType\":\"CodeSystem\",\"status\":\"active\",\"content\":"
                  "\"complete\",\"property\":[{\"code\":\"p\",\"type\":\"integer\"}],\"concept\":[{"
                  "\"code\":\"a\",\"concept\":[{\"code\":\"b\",\"property\":[{\"code\":\"p\","
                  "\"valueInteger\":1},{\"code\":\"p\",\"valueString\":\"1\"}]}]}]}"),
           "CodeSystem.concept[0].concept[0].property[1]: The property 'p' has the invalid type");
    expect(run(w, "{\"resourceType\":\"ValueSet\",\"status\":\"active\",\"url\":\"ValueSet/x\"}"),
           "ValueSet.url: Canonical URLs must be absolute");
    expect(run(w, "{\"resourceType\":\"ValueSet\",\"status\":\"active\",\"compose\":{\"include\":"
                  "[{\"system\":\"#c\",\"concept\":[{\"code\":\"a\"}]}]}}"),
           "ValueSet.compose.include[0]: URI values");
}

static void conditions_name_another_item_of_the_questionnaire(void **state)
{
    struct world *w = *state;
#define FORM(question)                                                                             \
    "{\"resourceType\":\"Questionnaire\",\"status\":\"draft\",\"item\":[{\"linkId\":\"a\","        \
    "\"type\":"                                                                                    \
    "\"group\",\"item\":[{\"linkId\":\"b\",\"type\":\"string\"},{\"linkId\":\"c\",\"type\":"       \
    "\"string\","                                                                                  \
    "\"enableWhen\":[{\"question\":\"" question                                                    \
    "\",\"operator\":\"exists\",\"answerBoolean\":true}]}]},{\"linkId\":\"d\",\"type\":"           \
    "\"string\"}]}"
    expect(run(w, FORM("b")), NULL);
    expect(run(w, FORM("d")), NULL); /* stands behind: a warning */
    expect(run(w, FORM("z")), "Questionnaire.item[0].item[1].enableWhen[0]: Unable to find target "
                              "'z' for this question enableWhen");
    expect(run(w, FORM("c")), "can't reference itself");
#undef FORM
}

static void links_of_a_narrative_lead_somewhere(void **state)
{
    struct world *w = *state;
#define NARRATIVE(inner)                                                                           \
    "{\"resourceType\":\"Patient\",\"text\":{\"status\":\"generated\","                            \
    "\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">" inner "</div>\"}}"
    expect(run(w, NARRATIVE("<a href=\\\"#x\\\">y</a>")),
           "Patient.text.div: Hyperlink '#x' does not resolve");
    expect(run(w, NARRATIVE("<a href=\\\"#x\\\">y</a><p id='x'>z</p>")), NULL);
}

static void concepts_have_the_properties_and_the_number_that_are_stated(void **state)
{
    struct world *w = *state;
#define SYSTEM(properties, more)                                                                   \
    "{\"resourceType\":\"CodeSystem\",\"url\":\"http://x\",\"status\":\"draft\",\"content\":"      \
    "\"complete\",\"property\":[{\"code\":\"p\",\"type\":\"dateTime\"}],\"concept\":[{\"code\":"   \
    "\"a\",\"concept\":[{\"code\":\"b\",\"property\":[" properties "]}]}]" more "}"
    expect(run(w, SYSTEM("{\"code\":\"p\",\"valueDateTime\":\"2020\"}", ",\"count\":2")), NULL);
    expect(run(w, SYSTEM("{\"code\":\"q\",\"valueCode\":\"x\"}", ",\"count\":1")),
           "CodeSystem.count: The code system is complete, but the number of concepts (2) does not "
           "match the stated total number (1)");
    expect(run(w, SYSTEM("{\"code\":\"p\",\"valueBoolean\":true}", "")),
           "CodeSystem.concept[0].concept[0].property[0]: The property 'p' has the invalid type");
#undef SYSTEM
}

/* ---- narratives ---- */

#define TEXT_DIV(attributes, text)                                                                 \
    "\"text\":{\"status\":\"generated\",\"div\":\"<div "                                           \
    "xmlns=\\\"http://www.w3.org/1999/xhtml\\\"" attributes ">" text "</div>\"}"
#define LINKS "<a href='#one'>x</a> <img src='#two'/> <p id='three'>y</p> <a href='#three'>z</a>"

static void links_lead_to_ids_of_the_resource_or_of_its_bundle(void **state)
{
    struct world *w = *state;
    expect(run(w, "{\"resourceType\":\"Patient\"," TEXT_DIV("", LINKS) "}"),
           "Patient.text.div: Hyperlink '#two' does not resolve");
    expect(w->found, "Hyperlink '#one' does not resolve");
    expect(run(w, "{\"resourceType\":\"Patient\"," TEXT_DIV(
                      "", LINKS) ",\"name\":[{\"id\":\"one\","
                                 "\"text\":\"x\"}],\"photo\":[{\"id\":\"two\",\"title\":\"x\"}]}"),
           NULL);
    const char *bundle =
        "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":["
        "{\"fullUrl\":\"urn:uuid:0b5d0f4c-0000-4000-8000-0123456789ab\",\"resource\":"
        "{\"resourceType\":\"Patient\"," TEXT_DIV(
            "",
            LINKS) "}},"
                   "{\"fullUrl\":\"urn:uuid:0b5d0f4c-0000-4000-8000-0123456789ac\",\"resource\":"
                   "{\"resourceType\":\"Basic\",\"code\":{\"id\":\"two\",\"text\":\"x\"}," TEXT_DIV(
                       "", "<p id='one'>x</p>") "}}]}";
    expect(run(w, bundle), NULL);
}

static void the_language_is_said_on_the_div_as_well(void **state)
{
    struct world *w = *state;
    expect(run(w, "{\"resourceType\":\"Patient\",\"language\":\"de\"," TEXT_DIV(" lang='en'",
                                                                                "x") "}"),
           NULL);
    expect(w->warned,
           "Resource has a language (de), and the XHTML has an lang (en), but they differ");
    expect(w->warned, "does not have an xml:lang tag");
    expect(run(w, "{\"resourceType\":\"Patient\",\"language\":\"de\"," TEXT_DIV(
                      " lang='de' xml:lang='de'", "x") "}"),
           NULL);
    if (strstr(w->warned, "language"))
        fail_msg("%s", w->warned);
}

/* ---- units ---- */

static void units_of_quantities_are_looked_at_wherever_they_stand(void **state)
{
    struct world *w = *state;
#define AMOUNT(code)                                                                               \
    "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"},"            \
    "\"valueQuantity\":{\"value\":1,\"system\":\"http://unitsofmeasure.org\",\"code\":\"" code \
    "\"}}"
    expect(run(w, AMOUNT("mg/dL")), NULL);
    expect(run(w, AMOUNT("10*3/uL")), NULL);
    expect(run(w, AMOUNT("{score}")), NULL);
    expect(run(w, AMOUNT("furlong")),
           "Observation.value.code: Unknown code 'furlong' in the CodeSystem "
           "'http://unitsofmeasure.org'");
    expect(run(w, AMOUNT("ml/hr")), "Unknown code 'ml/hr'");
#undef AMOUNT
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(concepts_have_the_properties_and_the_number_that_are_stated,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(links_lead_to_ids_of_the_resource_or_of_its_bundle, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_language_is_said_on_the_div_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(units_of_quantities_are_looked_at_wherever_they_stand,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(answers_have_the_type_that_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(items_must_be_in_the_questionnaire_at_their_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_required_must_be_answered_when_it_is_enabled, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(options_bounds_and_repeats_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_hundred_thousand_items_take_no_quadratic_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(entries_and_links_of_a_bundle_are_looked_at, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(codings_are_checked_against_the_system_they_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ids_of_elements_are_unique, setup, teardown),
        cmocka_unit_test_setup_teardown(links_of_a_narrative_lead_somewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(conditions_name_another_item_of_the_questionnaire, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(code_systems_and_value_sets_have_rules_of_their_own, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
