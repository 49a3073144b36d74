#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include <cmocka.h>

#include "fhir/fhir.h"

static const struct fhir_type *resource(const char *name)
{
    const struct fhir_type *type = fhir_resource_find(slice_cstr(name));
    assert_non_null(type);
    return type;
}

static const struct fhir_element *element(const char *type, const char *name)
{
    const struct fhir_type *found = fhir_type_find(slice_cstr(type));
    assert_non_null(found);
    const struct fhir_element *e = fhir_element_find(found, slice_cstr(name));
    if (!e)
        fail_msg("%s has no %s", type, name);
    return e;
}

static const char *type_name(uint16_t id)
{
    static char text[100];
    snprintf(text, sizeof text, "%.*s", SLICE_ARGS(fhir_type_at(id)->name));
    return text;
}

static void there_are_146_concrete_resource_types_in_alphabetical_order(void **state)
{
    (void)state;
    assert_int_equal(fhir_resource_count(), 146);
    for (uint16_t i = 0; i < fhir_resource_count(); i++) {
        const struct fhir_type *type = fhir_resource_at(i);
        assert_int_equal(type->resource, i);
        assert_int_equal(type->kind, FHIR_RESOURCE);
        assert_false(type->is_abstract);
        assert_ptr_equal(fhir_resource_find(type->name), type);
        assert_ptr_equal(fhir_type_at(type->id), type);
        if (i > 0)
            assert_true(slice_compare(fhir_resource_at((uint16_t)(i - 1))->name, type->name) < 0);
    }
    assert_null(fhir_resource_at(146));
    assert_null(fhir_resource_find(SLICE("Resource")));
    assert_null(fhir_resource_find(SLICE("DomainResource")));
    assert_null(fhir_resource_find(SLICE("HumanName")));
    assert_null(fhir_resource_find(SLICE("patient")));
    assert_null(fhir_resource_find(SLICE("")));
    assert_null(fhir_resource_find(SLICE_NONE));
}

static void every_element_is_found_by_its_name_and_no_other(void **state)
{
    (void)state;
    size_t rows = 0;
    for (uint16_t t = 0; fhir_type_at(t); t++) {
        const struct fhir_type *type = fhir_type_at(t);
        assert_int_equal(type->id, t);
        assert_ptr_equal(fhir_type_find(type->name), type);
        for (uint16_t i = 0; i < type->element_count; i++, rows++) {
            const struct fhir_element *e = &type->elements[i];
            assert_ptr_equal(fhir_element_find(type, e->name), e);
            assert_non_null(fhir_type_at(e->type));
            assert_true(e->max == FHIR_MANY || e->max <= 1 || e->is_array);
            struct slice shorter = slice_head(e->name, e->name.length - 1);
            const struct fhir_element *other = fhir_element_find(type, shorter);
            assert_ptr_not_equal(other, e);
        }
        assert_null(fhir_element_find(type, SLICE("noSuchElement")));
        assert_null(fhir_element_find(type, SLICE_NONE));
    }
    assert_true(rows > 7000);
}

static void elements_have_their_published_shape(void **state)
{
    (void)state;
    const struct fhir_element *e = element("Observation", "status");
    assert_string_equal(type_name(e->type), "code");
    assert_int_equal(e->min, 1);
    assert_int_equal(e->max, 1);
    assert_true(e->is_modifier && e->is_summary && !e->is_array);
    assert_int_equal(e->binding, FHIR_BINDING_REQUIRED);
    assert_true(slice_is(e->value_set, "http://hl7.org/fhir/ValueSet/observation-status|4.0.1"));

    e = element("Patient", "name");
    assert_int_equal(e->type, FHIR_TYPE_HUMAN_NAME);
    assert_true(e->max == FHIR_MANY && e->is_array && e->min == 0);
    assert_string_equal(type_name(element("Patient", "contact")->type), "Patient.contact");
    assert_string_equal(type_name(element("Patient.contact", "name")->type), "HumanName");
    assert_int_equal(element("Patient", "id")->type, FHIR_TYPE_ID);
    assert_int_equal(element("Extension", "url")->type, FHIR_TYPE_URI);
    assert_int_equal(element("Reference", "reference")->type, FHIR_TYPE_STRING);
    assert_string_equal(type_name(element("Bundle.entry", "resource")->type), "Resource");
    assert_string_equal(type_name(element("Timing", "repeat")->type), "Timing.repeat");
    assert_int_equal(element("Narrative", "div")->type, FHIR_TYPE_XHTML);
    assert_int_equal(element("Patient", "modifierExtension")->type, FHIR_TYPE_EXTENSION);
    assert_int_equal(element("Age", "value")->type, FHIR_TYPE_DECIMAL);
}

static void each_type_of_a_choice_is_a_row(void **state)
{
    (void)state;
    const struct fhir_element *e = element("Observation", "valueQuantity");
    assert_int_equal(e->type, FHIR_TYPE_QUANTITY);
    assert_true(slice_is(e->choice, "value"));
    assert_int_equal(element("Observation", "valueDateTime")->type, FHIR_TYPE_DATE_TIME);
    assert_int_equal(element("Extension", "valueBase64Binary")->type, FHIR_TYPE_BASE64_BINARY);
    assert_null(fhir_element_find(resource("Observation"), SLICE("value")));
    assert_null(fhir_element_find(resource("Observation"), SLICE("valueAge")));
    size_t rows = 0;
    const struct fhir_type *extension = fhir_type_find(SLICE("Extension"));
    for (uint16_t i = 0; i < extension->element_count; i++)
        rows += slice_is(extension->elements[i].choice, "value");
    assert_int_equal(rows, 50);
}

static void content_references_lead_to_the_type_they_name(void **state)
{
    (void)state;
    assert_string_equal(type_name(element("Questionnaire.item", "item")->type),
                        "Questionnaire.item");
    assert_string_equal(type_name(element("ValueSet.compose", "exclude")->type),
                        "ValueSet.compose.include");
    assert_string_equal(type_name(element("Bundle.entry", "link")->type), "Bundle.link");
}

static void references_name_their_targets(void **state)
{
    (void)state;
    const struct fhir_element *e = element("Observation", "subject");
    assert_int_equal(e->target_count, 4);
    assert_string_equal(type_name(e->targets[0]), "Patient");
    assert_string_equal(type_name(e->targets[3]), "Location");
    e = element("Observation", "focus");
    assert_int_equal(e->target_count, 1);
    assert_string_equal(type_name(e->targets[0]), "Resource");
}

static void required_codes_imply_their_system(void **state)
{
    (void)state;
    const struct fhir_element *gender = element("Patient", "gender");
    assert_true(slice_is(fhir_code_system(gender, SLICE("male")),
                         "http://hl7.org/fhir/administrative-gender"));
    assert_int_equal(fhir_code_system(gender, SLICE("m")).length, 0);
    assert_true(fhir_code_is_allowed(gender, SLICE("unknown")));
    assert_false(fhir_code_is_allowed(gender, SLICE("Male")));
    assert_false(fhir_code_is_allowed(gender, SLICE("")));

    /* A set over several systems. */
    const struct fhir_element *intent = element("Task", "intent");
    assert_true(
        slice_is(fhir_code_system(intent, SLICE("order")), "http://hl7.org/fhir/request-intent"));
    assert_true(
        slice_is(fhir_code_system(intent, SLICE("unknown")), "http://hl7.org/fhir/task-intent"));

    /* Codes that R4 does not publish. */
    const struct fhir_element *media = element("Attachment", "contentType");
    assert_true(slice_is(fhir_code_system(media, SLICE("text/plain")), "urn:ietf:bcp:13"));
    assert_true(fhir_code_is_allowed(media, SLICE("x/y")));

    const struct fhir_element *language = element("Patient", "language"); /* preferred */
    assert_int_equal(fhir_code_system(language, SLICE("en")).length, 0);
    assert_true(fhir_code_is_allowed(language, SLICE("en")));
}

static void ids_and_references_are_taken_apart(void **state)
{
    (void)state;
    struct fhir_reference r = fhir_reference_parse(SLICE("Patient/a-1.2"));
    assert_ptr_equal(r.type, resource("Patient"));
    assert_true(slice_is(r.id, "a-1.2") && r.base.length == 0 && r.version.length == 0);

    r = fhir_reference_parse(SLICE("https://h.test:80/a/r4/Patient/1/_history/3#x"));
    assert_ptr_equal(r.type, resource("Patient"));
    assert_true(slice_is(r.base, "https://h.test:80/a/r4"));
    assert_true(slice_is(r.id, "1") && slice_is(r.version, "3") && slice_is(r.fragment, "x"));

    r = fhir_reference_parse(SLICE("#med"));
    assert_true(!r.type && slice_is(r.fragment, "med"));
    static const char *const others[] = {
        "",
        "/",
        "Patient",
        "Patient/",
        "/Patient/1",
        "x/Patient/1",
        "Nothing/1",
        "Patient/a_b",
        "urn:uuid:0b6b3d2c-0000-4000-8000-000000000000",
        "http://h.test/",
        "Patient/1/_history/",
        "https://Patient/1",
        "urn:x:Patient/1",
        "Patient?identifier=1",
        "_history/1",
        "#",
    };
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        if (fhir_reference_parse(slice_cstr(others[i])).type)
            fail_msg("%s is taken for a reference", others[i]);
    char id[66];
    memset(id, 'a', sizeof id);
    assert_true(fhir_id_is_valid(slice_of(id, 64)));
    assert_false(fhir_id_is_valid(slice_of(id, 65)));
    assert_false(fhir_id_is_valid(SLICE_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_146_concrete_resource_types_in_alphabetical_order),
        cmocka_unit_test(every_element_is_found_by_its_name_and_no_other),
        cmocka_unit_test(elements_have_their_published_shape),
        cmocka_unit_test(each_type_of_a_choice_is_a_row),
        cmocka_unit_test(content_references_lead_to_the_type_they_name),
        cmocka_unit_test(references_name_their_targets),
        cmocka_unit_test(required_codes_imply_their_system),
        cmocka_unit_test(ids_and_references_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
