#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fhir/fhir.h"

static const struct fhir_param *param(const char *type, const char *code)
{
    const struct fhir_type *resource = fhir_resource_find(slice_cstr(type));
    assert_non_null(resource);
    const struct fhir_param *p = fhir_param_find(resource, slice_cstr(code));
    if (!p)
        fail_msg("%s has no parameter %s", type, code);
    return p;
}

/* ---- the table ---- */

static void all_published_parameters_are_there_and_compiled(void **state)
{
    (void)state;
    assert_int_equal(fhir_param_count(), 1375);
    size_t without = 0;
    for (uint16_t i = 0; i < fhir_param_count(); i++) {
        const struct fhir_param *p = fhir_param_at(i);
        assert_int_equal(p->id, i);
        assert_true((p->expression.length > 0) == (p->path != NULL));
        without += !p->path;
        assert_true((p->type == FHIR_PARAM_COMPOSITE) == (p->component_count > 0));
        for (uint16_t c = 0; c < p->component_count; c++)
            assert_non_null(p->components[c].path);
        assert_true(p->rule_hash != 0);
    }
    assert_int_equal(without, 3); /* _text, _content, _query have no expression */
    assert_null(fhir_param_at(1375));
}

static void each_type_finds_its_own_and_the_inherited_parameters(void **state)
{
    (void)state;
    for (uint16_t r = 0; r < fhir_resource_count(); r++) {
        const struct fhir_type *type = fhir_resource_at(r);
        size_t count;
        const uint16_t *ids = fhir_params_of(type, &count);
        assert_true(count >= 7); /* _id, _lastUpdated, _tag, _profile, _security, _source, ... */
        for (size_t i = 0; i < count; i++) {
            const struct fhir_param *p = fhir_param_at(ids[i]);
            assert_ptr_equal(fhir_param_find(type, p->code), p);
            if (i > 0)
                assert_true(slice_compare(fhir_param_at(ids[i - 1])->code, p->code) < 0);
        }
        assert_null(fhir_param_find(type, SLICE("no-such-parameter")));
        assert_non_null(fhir_param_find(type, SLICE("_tag")));
    }
    assert_null(fhir_param_find(fhir_resource_find(SLICE("Binary")), SLICE("_text")));
    assert_int_equal(param("Patient", "_id")->type, FHIR_PARAM_TOKEN);
    assert_int_equal(param("Patient", "birthdate")->type, FHIR_PARAM_DATE);
    assert_ptr_equal(param("Patient", "phone"), param("Practitioner", "phone"));
    assert_true(slice_is(param("Account", "owner")->url,
                         "http://hl7.org/fhir/SearchParameter/Account-owner"));
}

static void a_claim_belongs_to_compartments_by_the_published_parameters(void **state)
{
    (void)state;
    static const char *const codes[] = { "policy-holder", "subscriber", "beneficiary", "payor" };
    size_t count;
    const uint16_t *ids = fhir_compartment_params(FHIR_COMPARTMENT_PATIENT,
                                                  fhir_resource_find(SLICE("Coverage")), &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_true(slice_is(fhir_param_at(ids[i])->code, codes[i]));
    ids = fhir_compartment_params(FHIR_COMPARTMENT_PATIENT, fhir_resource_find(SLICE("Medication")),
                                  &count);
    assert_true(!ids && count == 0);
    assert_true(slice_is(fhir_compartment_owner(FHIR_COMPARTMENT_PATIENT)->name, "Patient"));
    assert_true(slice_is(fhir_compartment_owner(FHIR_COMPARTMENT_DEVICE)->name, "Device"));
    fhir_compartment_params(FHIR_COMPARTMENT_ENCOUNTER, fhir_resource_find(SLICE("Encounter")),
                            &count);
    assert_int_equal(count, 0); /* {def}: itself */
}

/* ---- running ---- */

struct seen {
    struct buf text; /* "type=raw;..." */
    bool is_short;   /* only types */
};

static enum err note(void *context, struct fhir_item item)
{
    struct seen *seen = context;
    assert_true(json_is(item.resource, JSON_OBJECT));
    buf_printf(&seen->text, "%.*s", SLICE_ARGS(item.type->name));
    if (!seen->is_short)
        buf_printf(&seen->text, "=%.*s", SLICE_ARGS(json_raw(item.value)));
    buf_append_cstr(&seen->text, ";");
    return ERR_NONE;
}

static struct json parse(struct arena *arena, struct json_doc *doc, const char *text)
{
    struct json_error error;
    if (json_parse(slice_cstr(text), NULL, arena, doc, &error) != ERR_NONE)
        fail_msg("%s at %zu in %s", error.text, error.offset, text);
    return json_root(doc);
}

static void check(const char *type, const struct fhir_path *path, const char *text,
                  const char *expected)
{
    struct arena arena;
    struct json_doc doc;
    struct seen seen = { .is_short = false };
    arena_init(&arena, 1 << 20);
    buf_init(&seen.text, 1 << 20);
    struct fhir_item root = { .type = fhir_resource_find(slice_cstr(type)),
                              .value = parse(&arena, &doc, text) };
    assert_int_equal(fhir_path_visit(path, root, note, &seen), ERR_NONE);
    buf_append_byte(&seen.text, 0);
    assert_string_equal(seen.text.bytes, expected);
    buf_release(&seen.text);
    arena_release(&arena);
}

static void paths_flatten_arrays_in_document_order(void **state)
{
    (void)state;
    check("Patient", param("Patient", "given")->path,
          "{\"resourceType\":\"Patient\",\"name\":[{\"given\":[\"A\",null,\"B\"]},"
          "{\"_given\":[{\"id\":\"x\"}]},{\"given\":[\"C\"]}]}",
          "string=\"A\";string=\"B\";string=\"C\";");
    check("Patient", param("Patient", "_tag")->path,
          "{\"resourceType\":\"Patient\",\"meta\":{\"tag\":[{\"code\":\"a\"},{\"code\":\"b\"}]}}",
          "Coding={\"code\":\"a\"};Coding={\"code\":\"b\"};");
    check("Patient", param("Patient", "given")->path, "{\"resourceType\":\"Patient\"}", "");
}

static void what_has_the_wrong_shape_is_passed_over(void **state)
{
    (void)state;
    const struct fhir_path *given = param("Patient", "given")->path;
    check("Patient", given, "{\"name\":\"x\"}", "");
    check("Patient", given, "{\"name\":[[{\"given\":[\"x\"]}],3,{\"given\":{\"a\":1}}]}", "");
    check("Patient", given, "[]", "");
    check("Patient", given, "3", "");
    check("Bundle", param("Bundle", "message")->path, "{\"entry\":[{\"resource\":7}]}", "");
}

static void choices_are_told_by_their_members(void **state)
{
    (void)state;
    const char *quantity = "{\"valueQuantity\":{\"value\":1.10},\"code\":{\"text\":\"c\"}}";
    check("Observation", param("Observation", "value-quantity")->path, quantity,
          "Quantity={\"value\":1.10};");
    check("Observation", param("Observation", "value-concept")->path, quantity, "");
    check("Observation", param("Observation", "value-string")->path, "{\"valueString\":\"s\"}",
          "string=\"s\";");
    check("Observation", param("Observation", "value-string")->path,
          "{\"valueCodeableConcept\":{\"text\":\"t\"}}", "string=\"t\";");
    check("Observation", param("Observation", "date")->path,
          "{\"effectivePeriod\":{\"start\":\"2020\"}}", "Period={\"start\":\"2020\"};");
    check("Observation", param("Observation", "date")->path, "{\"effectiveInstant\":\"2020\"}",
          "instant=\"2020\";");
    check("Condition", param("Condition", "onset-date")->path, "{\"onsetDateTime\":\"2020\"}",
          "dateTime=\"2020\";");
    check("Condition", param("Condition", "onset-date")->path, "{\"onsetAge\":{\"value\":3}}", "");
}

static void filters_keep_what_they_name(void **state)
{
    (void)state;
    const char *telecom = "{\"telecom\":[{\"system\":\"email\",\"value\":\"e\"},"
                          "{\"system\":\"\\u0070hone\",\"value\":\"p\"},{\"value\":\"q\"}]}";
    check("Patient", param("Patient", "phone")->path, telecom,
          "ContactPoint={\"system\":\"\\u0070hone\",\"value\":\"p\"};");
    check("Person", param("Person", "email")->path, telecom,
          "ContactPoint={\"system\":\"email\",\"value\":\"e\"};");
}

static void resolve_decides_by_the_reference_alone(void **state)
{
    (void)state;
    const struct fhir_path *path = param("Observation", "patient")->path;
    check("Observation", path, "{\"subject\":{\"reference\":\"Patient/1\"}}",
          "Reference={\"reference\":\"Patient/1\"};");
    check("Observation", path, "{\"subject\":{\"reference\":\"http:\\/\\/h\\/r\\/Patient\\/1\"}}",
          "Reference={\"reference\":\"http:\\/\\/h\\/r\\/Patient\\/1\"};");
    check("Observation", path, "{\"subject\":{\"reference\":\"Group/1\"}}", "");
    check("Observation", path, "{\"subject\":{\"reference\":\"Group/1\",\"type\":\"Patient\"}}",
          "");
    check("Observation", path, "{\"subject\":{\"type\":\"Patient\",\"identifier\":{}}}",
          "Reference={\"type\":\"Patient\",\"identifier\":{}};");
    check("Observation", path,
          "{\"contained\":[{\"resourceType\":\"Group\",\"id\":\"g\"},"
          "{\"resourceType\":\"Patient\",\"id\":\"p\"}],\"subject\":{\"reference\":\"#p\"}}",
          "Reference={\"reference\":\"#p\"};");
    check("Observation", path,
          "{\"contained\":[{\"resourceType\":\"Group\",\"id\":\"g\"}],"
          "\"subject\":{\"reference\":\"#g\"}}",
          "");
    check("Observation", path, "{\"subject\":{\"reference\":\"urn:uuid:1\"}}", "");
}

static void many_references_to_many_contained_resources_take_bounded_time(void **state)
{
    (void)state;
    enum { MANY = 30000 }; /* squared: minutes */
    struct arena arena;
    struct json_doc doc;
    struct buf text;
    arena_init(&arena, 256 << 20);
    buf_init(&text, 256 << 20);
    buf_append_cstr(&text, "{\"resourceType\":\"Provenance\",\"contained\":[{}");
    for (int i = 0; i < MANY; i++)
        buf_append_cstr(&text, ",{\"id\":\"a\"}");
    buf_append_cstr(&text, "],\"target\":[{}");
    for (int i = 0; i < MANY; i++)
        buf_append_cstr(&text, ",{\"reference\":\"#x\"}");
    buf_append_cstr(&text, "]}");
    buf_append_byte(&text, 0);
    struct seen seen = { .is_short = true };
    struct fhir_item root = { .type = fhir_resource_find(SLICE("Provenance")),
                              .value = parse(&arena, &doc, text.bytes) };
    buf_init(&seen.text, 1 << 20);
    assert_int_equal(fhir_path_visit(param("Provenance", "patient")->path, root, note, &seen),
                     ERR_NONE);
    assert_int_equal(seen.text.length, 0);
    buf_release(&seen.text);
    buf_release(&text);
    arena_release(&arena);
}

static void deceased_is_computed(void **state)
{
    (void)state;
    const struct fhir_path *path = param("Patient", "deceased")->path;
    check("Patient", path, "{}", "boolean=false;");
    check("Patient", path, "{\"deceasedBoolean\":false}", "boolean=false;");
    check("Patient", path, "{\"deceasedBoolean\":true}", "boolean=true;");
    check("Patient", path, "{\"deceasedDateTime\":\"2020\"}", "boolean=true;");
}

static void an_index_takes_one_of_all(void **state)
{
    (void)state;
    check("Bundle", param("Bundle", "message")->path,
          "{\"entry\":[{\"resource\":{\"resourceType\":\"MessageHeader\"}},"
          "{\"resource\":{\"resourceType\":\"Patient\"}}]}",
          "MessageHeader={\"resourceType\":\"MessageHeader\"};");
}

static void unions_and_unprefixed_expressions_run(void **state)
{
    (void)state;
    check("InsurancePlan", param("InsurancePlan", "name")->path,
          "{\"alias\":[\"a\",\"b\"],\"name\":\"n\"}", "string=\"n\";string=\"a\";string=\"b\";");
    check("Patient", param("Patient", "name")->path, "{\"name\":[{\"text\":\"x\"}]}",
          "HumanName={\"text\":\"x\"};");
}

struct composite {
    const struct fhir_param *param;
    struct seen seen;
};

static enum err run_components(void *context, struct fhir_item item)
{
    struct composite *composite = context;
    for (uint16_t i = 0; i < composite->param->component_count; i++) {
        buf_printf(&composite->seen.text, "[");
        assert_int_equal(
            fhir_path_visit(composite->param->components[i].path, item, note, &composite->seen),
            ERR_NONE);
        buf_printf(&composite->seen.text, "]");
    }
    return ERR_NONE;
}

static void check_composite(const char *type, const char *code, const char *text,
                            const char *expected)
{
    struct arena arena;
    struct json_doc doc;
    struct composite composite = { param(type, code), { .is_short = false } };
    arena_init(&arena, 1 << 20);
    buf_init(&composite.seen.text, 1 << 20);
    struct fhir_item root = { .type = fhir_resource_find(slice_cstr(type)),
                              .value = parse(&arena, &doc, text) };
    assert_int_equal(fhir_path_visit(composite.param->path, root, run_components, &composite),
                     ERR_NONE);
    buf_append_byte(&composite.seen.text, 0);
    assert_string_equal(composite.seen.text.bytes, expected);
    buf_release(&composite.seen.text);
    arena_release(&arena);
}

static void components_run_on_the_element_of_their_composite(void **state)
{
    (void)state;
    check_composite("Observation", "combo-code-value-quantity",
                    "{\"code\":{\"text\":\"a\"},\"valueQuantity\":{\"value\":1},\"component\":["
                    "{\"code\":{\"text\":\"b\"},\"valueQuantity\":{\"value\":2}},"
                    "{\"code\":{\"text\":\"c\"},\"valueString\":\"s\"}]}",
                    "[CodeableConcept={\"text\":\"a\"};][Quantity={\"value\":1};]"
                    "[CodeableConcept={\"text\":\"b\"};][Quantity={\"value\":2};]"
                    "[CodeableConcept={\"text\":\"c\"};][]");
    check_composite("Observation", "code-value-date",
                    "{\"code\":{\"text\":\"a\"},\"valueDateTime\":\"2020\"}",
                    "[CodeableConcept={\"text\":\"a\"};][dateTime=\"2020\";]");
    check_composite("MolecularSequence", "chromosome-variant-coordinate",
                    "{\"resourceType\":\"MolecularSequence\",\"referenceSeq\":{\"chromosome\":"
                    "{\"text\":\"7\"}},\"variant\":[{\"start\":1,\"end\":2},{\"start\":3}]}",
                    "[CodeableConcept={\"text\":\"7\"};][integer=1;][integer=2;]"
                    "[CodeableConcept={\"text\":\"7\"};][integer=3;][]");
}

static void parameters_over_codes_imply_their_system(void **state)
{
    (void)state;
    struct slice system = SLICE("http://hl7.org/fhir/administrative-gender");
    const struct fhir_type *patient = fhir_resource_find(SLICE("Patient"));
    const struct fhir_param *gender = param("Patient", "gender");
    assert_true(fhir_param_implies_system(gender, patient, system, SLICE("male")));
    assert_false(fhir_param_implies_system(gender, patient, system, SLICE("x")));
    assert_false(fhir_param_implies_system(gender, patient, SLICE_NONE, SLICE("x")));
    assert_false(fhir_param_implies_system(gender, fhir_resource_find(SLICE("Claim")), system,
                                           SLICE("male")));
    const struct fhir_param *kind = param("ActivityDefinition", "context");
    assert_false(fhir_param_implies_system(kind, patient, system, SLICE("male")));
    assert_false(
        fhir_param_implies_system(param("Patient", "_text"), patient, system, SLICE("male")));
}

static enum err note_param(void *context, const struct fhir_param *p, struct fhir_item item)
{
    struct buf *text = context;
    buf_printf(text, "%.*s:%.*s%s ", SLICE_ARGS(p->code), SLICE_ARGS(item.type->name),
               item.element ? "" : "!");
    return ERR_NONE;
}

static enum err refuse_param(void *context, const struct fhir_param *p, struct fhir_item item)
{
    (void)context;
    (void)p;
    (void)item;
    return ERR_LIMIT;
}

static void one_walk_visits_all_parameters(void **state)
{
    (void)state;
    struct arena arena;
    struct json_doc doc;
    struct buf text;
    arena_init(&arena, 1 << 20);
    buf_init(&text, 1 << 20);
    struct json resource =
        parse(&arena, &doc,
              "{\"resourceType\":\"Patient\",\"id\":\"1\",\"name\":[{\"family\":\"F\"},7],"
              "\"telecom\":[{\"system\":\"phone\"},{\"system\":\"fax\"}]}");
    const struct fhir_type *patient = fhir_resource_find(SLICE("Patient"));
    assert_int_equal(fhir_params_visit(patient, resource, note_param, &text), ERR_NONE);
    buf_append_byte(&text, 0);
    assert_string_equal(text.bytes, "_id:id name:HumanName phonetic:HumanName family:string "
                                    "telecom:ContactPoint phone:ContactPoint telecom:ContactPoint "
                                    "deceased:boolean! ");
    assert_int_equal(fhir_params_visit(patient, resource, refuse_param, NULL), ERR_LIMIT);
    buf_release(&text);
    arena_release(&arena);
}

static void everything_has_a_date_for_the_types_that_state_one(void **state)
{
    (void)state;
    check("Claim", fhir_everything_date(fhir_resource_find(SLICE("Claim"))),
          "{\"billablePeriod\":{\"start\":\"2020-01-01\",\"end\":\"2021\"}}",
          "dateTime=\"2020-01-01\";");
    check("ChargeItem", fhir_everything_date(fhir_resource_find(SLICE("ChargeItem"))),
          "{\"occurrenceTiming\":{\"event\":[\"2020\",\"2021\"]}}",
          "dateTime=\"2020\";dateTime=\"2021\";");
    assert_null(fhir_everything_date(fhir_resource_find(SLICE("Patient"))));
    size_t count = 0;
    for (uint16_t r = 0; r < fhir_resource_count(); r++)
        count += fhir_everything_date(fhir_resource_at(r)) != NULL;
    assert_int_equal(count, 59);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_published_parameters_are_there_and_compiled),
        cmocka_unit_test(each_type_finds_its_own_and_the_inherited_parameters),
        cmocka_unit_test(a_claim_belongs_to_compartments_by_the_published_parameters),
        cmocka_unit_test(paths_flatten_arrays_in_document_order),
        cmocka_unit_test(what_has_the_wrong_shape_is_passed_over),
        cmocka_unit_test(choices_are_told_by_their_members),
        cmocka_unit_test(filters_keep_what_they_name),
        cmocka_unit_test(resolve_decides_by_the_reference_alone),
        cmocka_unit_test(many_references_to_many_contained_resources_take_bounded_time),
        cmocka_unit_test(deceased_is_computed),
        cmocka_unit_test(an_index_takes_one_of_all),
        cmocka_unit_test(unions_and_unprefixed_expressions_run),
        cmocka_unit_test(components_run_on_the_element_of_their_composite),
        cmocka_unit_test(parameters_over_codes_imply_their_system),
        cmocka_unit_test(one_walk_visits_all_parameters),
        cmocka_unit_test(everything_has_a_date_for_the_types_that_state_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
