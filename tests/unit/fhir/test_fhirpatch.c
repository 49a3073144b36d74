/* FHIRPath Patch: the public suite whole, and the rules of R4's page on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fhir/fhir.h"
#include "outside.h"

static struct arena arena;

struct outcome {
    enum err err;
    struct fhir_patch_error error;
    char text[8192];
};

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)128 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct json parse(struct slice text)
{
    struct json_doc *doc = arena_alloc(&arena, sizeof *doc);
    struct json_error error = { 0 };
    assert_non_null(doc);
    if (json_parse(text, NULL, &arena, doc, &error))
        fail_msg("%s at %zu: %.*s", error.text, error.offset, SLICE_ARGS(text));
    return json_root(doc);
}

static struct outcome patch_values(struct json resource, struct json parameters)
{
    struct outcome o = { 0 };
    struct buf out;
    struct slice name = json_string_raw(json_member(resource, "resourceType"));
    buf_init(&out, (size_t)64 << 20);
    o.err = fhir_patch(resource, fhir_resource_find(name), parameters, (size_t)16 << 20, &arena,
                       &out, &o.error);
    snprintf(o.text, sizeof o.text, "%.*s", SLICE_ARGS(buf_slice(&out)));
    buf_release(&out);
    return o;
}

/* ---- the public suite ---- */

static bool same_json(struct json a, struct json b)
{
    struct buf x, y;
    buf_init(&x, 1 << 20);
    buf_init(&y, 1 << 20);
    json_minify(a, &x);
    json_minify(b, &y);
    bool same = slice_equal(buf_slice(&x), buf_slice(&y));
    buf_release(&x);
    buf_release(&y);
    return same;
}

static void case_run(struct json c)
{
    struct slice name = json_string_raw(json_member(c, "name"));
    struct outcome o = patch_values(json_member(c, "input"), json_member(c, "diff"));
    if (o.err)
        fail_msg("%.*s: %s: %.*s", SLICE_ARGS(name), err_name(o.err), SLICE_ARGS(o.error.text));
    if (!same_json(parse(slice_cstr(o.text)), json_member(c, "output")))
        fail_msg("%.*s gave %s", SLICE_ARGS(name), o.text);
    print_message("  %.*s\n", SLICE_ARGS(name));
}

static void the_public_suite_passes_whole(void **state)
{
    struct buf text;
    uint32_t count = 0;
    (void)state;
    outside_read("suites/fhir-patch/fhir-patch-tests.json", &text);
    struct json all = parse(buf_slice(&text));
    for (struct json c = json_first(all); json_exists(c); c = json_next(all, c), count++)
        case_run(c);
    assert_int_equal(count, 22);
    buf_release(&text);
}

/* ---- our own ---- */

#define PATIENT                                                                                    \
    "{\"resourceType\":\"Patient\",\"id\":\"p\",\"active\":true,\"name\":[{\"family\":\"A\\u0042"  \
    "\",\"given\":[\"x\",null,\"z\"],\"_given\":[null,{\"id\":\"g\"},null]},{\"use\":\"old\"}],"   \
    "\"_birthDate\":{\"extension\":[{\"url\":\"u\",\"valueDecimal\":1.50}]},"                      \
    "\"multipleBirthInteger\":2,\"contained\":[{\"resourceType\":\"Organization\",\"id\":\"o\","   \
    "\"name\":\"O\"}],\"managingOrganization\":{\"reference\":\"#o\"}}"

static struct slice operation(const char *type, const char *path, const char *more)
{
    return arena_printf(&arena,
                        "{\"name\":\"operation\",\"part\":[{\"name\":\"type\",\"valueCode\":"
                        "\"%s\"},{\"name\":\"path\",\"valueString\":\"%s\"}%s%s]}",
                        type, path, *more ? "," : "", more);
}

static struct outcome run(const char *resource, const char *type, const char *path,
                          const char *more)
{
    struct slice text = arena_printf(&arena, "{\"resourceType\":\"Parameters\",\"parameter\":[%s]}",
                                     operation(type, path, more).bytes);
    return patch_values(parse(slice_cstr(resource)), parse(text));
}

#define NAME(name) "{\"name\":\"name\",\"valueString\":\"" name "\"}"
#define VALUE(text) "{\"name\":\"value\"," text "}"
#define INDEX(name, text) "{\"name\":\"" name "\",\"valueInteger\":" text "}"

static void gives(const char *resource, const char *type, const char *path, const char *more,
                  const char *expected)
{
    struct outcome o = run(resource, type, path, more);
    if (o.err)
        fail_msg("%s %s: %.*s", type, path, SLICE_ARGS(o.error.text));
    assert_string_equal(o.text, expected);
}

/* The whole of `expected` in the result. */
static void shows(const char *type, const char *path, const char *more, const char *expected)
{
    struct outcome o = run(PATIENT, type, path, more);
    if (o.err)
        fail_msg("%s %s: %.*s", type, path, SLICE_ARGS(o.error.text));
    parse(slice_cstr(o.text));
    if (!strstr(o.text, expected))
        fail_msg("%s %s gave %s", type, path, o.text);
}

static void fails(const char *type, const char *path, const char *more, enum err err,
                  const char *text)
{
    struct outcome o = run(PATIENT, type, path, more);
    if (o.err != err || slice_find(o.error.text, slice_cstr(text)) < 0)
        fail_msg("%s %s %s: %s: %.*s %s", type, path, more, err_name(o.err),
                 SLICE_ARGS(o.error.text), o.text);
    assert_string_equal(o.text, "");
}

static void what_is_not_touched_keeps_its_bytes(void **state)
{
    (void)state;
    gives("{ \"resourceType\":\"Patient\", \"name\":[{\"family\":\"A\\u0042\"}], \"extension\":"
          "[{\"url\":\"u\",\"valueDecimal\":1.500}] }",
          "add", "Patient.name[0]", NAME("text") "," VALUE("\"valueString\":\"t\\u0041\""),
          "{ \"resourceType\":\"Patient\", \"name\":[{\"family\":\"A\\u0042\",\"text\":\"t\\u0041\""
          "}], \"extension\":[{\"url\":\"u\",\"valueDecimal\":1.500}] }");
}

static void a_primitive_goes_with_its_extensions_and_leaves_its_neighbours(void **state)
{
    (void)state;
    shows("delete", "Patient.name[0].given[1]", "", "\"given\":[\"x\",\"z\"]}");
    shows("delete", "Patient.name[0].given[0]", "",
          "\"given\":[null,\"z\"],\"_given\":[{\"id\":\"g\"},null]");
    shows("replace", "Patient.name[0].given[1]", VALUE("\"valueString\":\"y\""),
          "\"given\":[\"x\",\"y\",\"z\"]}");
    shows("insert", "Patient.name[0].given", INDEX("index", "1") "," VALUE("\"valueString\":\"i\""),
          "\"given\":[\"x\",\"i\",null,\"z\"],\"_given\":[null,null,{\"id\":\"g\"},null]");
    shows("move", "Patient.name[0].given", INDEX("source", "1") "," INDEX("destination", "2"),
          "\"given\":[\"x\",\"z\",null],\"_given\":[null,null,{\"id\":\"g\"}]");
    shows("replace", "Patient.active", VALUE("\"_valueBoolean\":{\"id\":\"a\"}"),
          "\"id\":\"p\",\"_active\":{\"id\":\"a\"},");
}

static void extensions_of_primitives_can_be_reached(void **state)
{
    (void)state;
    const char *value = NAME("extension") "," VALUE("\"valueExtension\":{\"url\":\"v\"}");
    shows("add", "Patient.active", value,
          "\"active\":true,\"_active\":{\"extension\":[{\"url\":\"v\"}]}");
    shows("add", "Patient.birthDate", value, "\"valueDecimal\":1.50},{\"url\":\"v\"}]}");
    shows("add", "Patient.name[0].given[2]", value,
          "\"_given\":[null,{\"id\":\"g\"},{\"extension\":[{\"url\":\"v\"}]}]");
    shows("replace", "Patient.birthDate.extension[0].value", VALUE("\"valueString\":\"s\""),
          "{\"url\":\"u\",\"valueString\":\"s\"}");
    /* The last extension takes the element with it. */
    shows("delete", "Patient.birthDate.extension[0]", "", "\"multipleBirthInteger\"");
    assert_null(
        strstr(run(PATIENT, "delete", "Patient.birthDate.extension[0]", "").text, "birthDate"));
}

static void choices_go_by_the_name_of_the_choice(void **state)
{
    (void)state;
    shows("replace", "Patient.multipleBirth", VALUE("\"valueBoolean\":true"),
          ",\"multipleBirthBoolean\":true,");
    shows("add", "Patient", NAME("deceased") "," VALUE("\"valueDateTime\":\"2020\""),
          ",\"deceasedDateTime\":\"2020\"}");
    fails("add", "Patient", NAME("multipleBirth") "," VALUE("\"valueBoolean\":true"),
          ERR_UNPROCESSABLE, "use replace");
    fails("replace", "Patient.multipleBirth", VALUE("\"valueCode\":\"a\""), ERR_UNPROCESSABLE,
          "cannot be a code");
    fails("delete", "Patient.multipleBirthInteger", "", ERR_UNPROCESSABLE, "in FHIRPath");
}

static void a_value_may_be_put_together_of_parts(void **state)
{
    (void)state;
    shows("add", "Patient",
          NAME("contact") ",{\"name\":\"value\",\"part\":[{\"name\":\"telecom\",\"part\":[{"
                          "\"name\":\"value\",\"valueString\":\"1\"},{\"name\":\"rank\","
                          "\"valuePositiveInt\":1}]},{\"name\":\"gender\",\"valueCode\":\"male\","
                          "\"_valueCode\":{\"id\":\"q\"}},{\"name\":\"telecom\","
                          "\"valueContactPoint\":{\"value\":\"2\"}}]}",
          "\"contact\":[{\"telecom\":[{\"value\":\"1\",\"rank\":1},{\"value\":\"2\"}],"
          "\"gender\":\"male\",\"_gender\":{\"id\":\"q\"}}]}");
    fails("add", "Patient",
          NAME("contact") ",{\"name\":\"value\",\"part\":[{\"name\":\"gender\",\"valueCode\":"
                          "\"male\"},{\"name\":\"gender\",\"valueCode\":\"male\"}]}",
          ERR_UNPROCESSABLE, "two parts");
    fails("add", "Patient", NAME("contact") ",{\"name\":\"value\",\"part\":[]}", ERR_INVALID,
          "list of parts");
    fails("add", "Patient",
          NAME("contact") ",{\"name\":\"value\",\"part\":[{\"name\":\"colour\",\"valueCode\":"
                          "\"red\"}]}",
          ERR_UNPROCESSABLE, "no element \"colour\"");
}

/* R4 has no valueExtension: it is put together of parts, or met all the same. */
static void an_extension_comes_by_parts_or_by_its_type(void **state)
{
    (void)state;
    shows("add", "Patient",
          NAME("extension") ",{\"name\":\"value\",\"part\":[{\"name\":\"url\",\"valueUri\":\"u\"},"
                            "{\"name\":\"value\",\"valueDecimal\":1.10}]}",
          "\"extension\":[{\"url\":\"u\",\"valueDecimal\":1.10}]}");
    shows("add", "Patient", NAME("extension") "," VALUE("\"valueExtension\":{\"url\":\"u\"}"),
          "\"extension\":[{\"url\":\"u\"}]}");
}

static void contained_resources_are_elements_too(void **state)
{
    (void)state;
    shows("add", "Patient",
          NAME("contained") ",{\"name\":\"value\",\"resource\":{\"resourceType\":\"Group\"}}",
          "\"name\":\"O\"},{\"resourceType\":\"Group\"}]");
    shows("replace", "Patient.contained[0].name", VALUE("\"valueString\":\"P\""),
          "\"name\":\"P\"}]");
    shows("replace", "Patient.managingOrganization.resolve().name", VALUE("\"valueString\":\"P\""),
          "\"name\":\"P\"}]");
    shows("delete", "Patient.contained[0]", "", "2,\"managingOrganization\"");
}

static void an_empty_list_takes_an_insert_at_0(void **state)
{
    (void)state;
    const char *value = VALUE("\"valueIdentifier\":{\"value\":\"1\"}");
    struct slice first = arena_printf(&arena, "%s,%s", INDEX("index", "0"), value);
    struct slice second = arena_printf(&arena, "%s,%s", INDEX("index", "1"), value);
    shows("insert", "Patient.identifier", first.bytes, "\"identifier\":[{\"value\":\"1\"}]");
    fails("insert", "Patient.identifier", second.bytes, ERR_UNPROCESSABLE, "has 0 elements");
    fails("insert", "Patient.active", first.bytes, ERR_UNPROCESSABLE, "is a boolean");
    fails("insert", "Patient.name.where(true)", first.bytes, ERR_UNPROCESSABLE, "name of a list");
}

static void types_must_be_right_for_the_place(void **state)
{
    (void)state;
    /* A code is a string, and who says so is right enough. */
    shows("add", "Patient", NAME("gender") "," VALUE("\"valueString\":\"male\""), "\"male\"");
    shows("add", "Patient",
          NAME("text") ",{\"name\":\"value\",\"part\":[{\"name\":\"div\","
                       "\"valueString\":\"<div/>\"}]}",
          "\"text\":{\"div\":\"<div/>\"}");
    fails("add", "Patient", NAME("gender") "," VALUE("\"valueBoolean\":true"), ERR_UNPROCESSABLE,
          "Patient.gender is a code, not a boolean");
    fails("add", "Patient", NAME("name") "," VALUE("\"valueAddress\":{}"), ERR_UNPROCESSABLE,
          "is a HumanName");
    fails("add", "Patient", NAME("colour") "," VALUE("\"valueCode\":\"red\""), ERR_UNPROCESSABLE,
          "no element \"colour\"");
    fails("add", "Patient", NAME("active") "," VALUE("\"valueBoolean\":false"), ERR_UNPROCESSABLE,
          "use replace");
    fails("add", "Patient", NAME("birthDate") "," VALUE("\"valueDate\":\"2000\""),
          ERR_UNPROCESSABLE, "use replace");
}

static void a_path_must_select_one_element_of_the_resource(void **state)
{
    (void)state;
    const char *value = VALUE("\"valueString\":\"x\"");
    shows("delete", "Patient.photo", "", "\"active\"");
    fails("delete", "Patient.name", "", ERR_UNPROCESSABLE, "several");
    fails("replace", "Patient.photo", value, ERR_UNPROCESSABLE, "nothing");
    fails("replace", "Patient.name.given", value, ERR_UNPROCESSABLE, "several");
    fails("replace", "Patient.colour", value, ERR_UNPROCESSABLE, "no element colour");
    fails("replace", "Patient.active.not()", value, ERR_UNPROCESSABLE, "no element of the");
    fails("replace", "'x'", value, ERR_UNPROCESSABLE, "no element of the");
    fails("replace", "Patient", value, ERR_UNPROCESSABLE, "cannot be replaced");
    fails("delete", "Patient", "", ERR_UNPROCESSABLE, "cannot be deleted");
    fails("delete", "Observation.status", "", ERR_UNPROCESSABLE, "Observation");
    fails("delete", "Patient.name[", "", ERR_INVALID, "the path");
    fails("move", "Patient.name", INDEX("source", "0") "," INDEX("destination", "2"),
          ERR_UNPROCESSABLE, "has 2 elements");
    fails("move", "Patient.birthDate", INDEX("source", "0") "," INDEX("destination", "0"),
          ERR_UNPROCESSABLE, "no list");
}

static void parameters_that_are_no_patch_are_invalid(void **state)
{
    (void)state;
    fails("jump", "Patient.active", "", ERR_INVALID, "type must be");
    fails("delete", "Patient.active", NAME("x"), ERR_INVALID, "no others");
    fails("add", "Patient.active", NAME("x"), ERR_INVALID, "add needs");
    fails("delete", "Patient.active", "{\"name\":\"type\",\"valueCode\":\"add\"}", ERR_INVALID,
          "twice");
    fails("delete", "Patient.active", "{\"name\":\"colour\"}", ERR_INVALID, "a part must be");
    fails("delete", "Patient.active", "1", ERR_INVALID, "a part must be");
    fails("replace", "Patient.active", VALUE("\"valueBoolean\":true,\"valueString\":\"a\""),
          ERR_INVALID, "two types");
    fails("replace", "Patient.active", "{\"name\":\"value\"}", ERR_INVALID, "one value[x]");
    fails("replace", "Patient.active", VALUE("\"valueBoolean\":null"), ERR_INVALID, "null");
    fails("replace", "Patient.active", VALUE("\"valueColour\":1"), ERR_INVALID, "which is none");
    fails("move", "Patient.name", INDEX("source", "-1") "," INDEX("destination", "0"), ERR_INVALID,
          "not negative");
    fails("move", "Patient.name", INDEX("source", "4294967295") "," INDEX("destination", "0"),
          ERR_INVALID, "not negative");
    static const char *const WRONG[] = {
        "[]",
        "{\"resourceType\":\"Patient\"}",
        "{\"resourceType\":\"Parameters\",\"parameter\":{}}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[1]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"operation\"}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"operation\",\"part\":[]}]}",
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"x\",\"part\":[]}]}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(WRONG); i++)
        assert_int_equal(patch_values(parse(slice_cstr(PATIENT)), parse(slice_cstr(WRONG[i]))).err,
                         ERR_INVALID);
}

static void the_operation_that_failed_is_named_and_nothing_is_written(void **state)
{
    (void)state;
    struct slice text =
        arena_printf(&arena, "{\"resourceType\":\"Parameters\",\"parameter\":[%s,%s]}",
                     operation("delete", "Patient.active", "").bytes,
                     operation("replace", "Patient.active", VALUE("\"valueBoolean\":true")).bytes);
    struct outcome o = patch_values(parse(slice_cstr(PATIENT)), parse(text));
    assert_int_equal(o.err, ERR_UNPROCESSABLE);
    assert_int_equal(o.error.operation, 1);
    assert_string_equal(o.text, "");
}

/* Whatever of it is refused: an error, and nothing appended. */
static void memory_may_end_anywhere(void **state)
{
    (void)state;
    struct slice text = arena_printf(
        &arena, "{\"resourceType\":\"Parameters\",\"parameter\":[%s,%s,%s]}",
        operation("delete", "Patient.name.where(use = 'old')", "").bytes,
        operation("add", "Patient.birthDate",
                  NAME("extension") "," VALUE("\"valueExtension\":{\"url\":\"v\"}"))
            .bytes,
        operation("insert", "Patient.contact",
                  INDEX("index", "0") ",{\"name\":\"value\",\"part\":[{\"name\":\"gender\","
                                      "\"valueCode\":\"male\"}]}")
            .bytes);
    struct json resource = parse(slice_cstr(PATIENT)), parameters = parse(text);
    size_t failures = 0;
    for (size_t limit = 64;; limit += 64) {
        struct arena small;
        struct buf out;
        struct fhir_patch_error error = { 0 };
        arena_init(&small, limit);
        buf_init(&out, 1 << 20);
        enum err err = fhir_patch(resource, fhir_resource_find(SLICE("Patient")), parameters,
                                  1 << 20, &small, &out, &error);
        bool is_done = err == ERR_NONE;
        if (!is_done) {
            assert_int_equal(err, ERR_NO_MEMORY);
            assert_int_equal(out.length, 0);
            failures++;
        }
        buf_release(&out);
        arena_release(&small);
        if (is_done)
            break;
    }
    assert_true(failures > 3);
}

static void work_is_bounded(void **state)
{
    (void)state;
    struct buf resource, patch;
    buf_init(&resource, (size_t)16 << 20);
    buf_init(&patch, (size_t)16 << 20);
    buf_append_cstr(&resource, "{\"resourceType\":\"Patient\",\"active\":true,\"name\":[{}");
    for (int i = 0; i < 100000; i++)
        buf_append_cstr(&resource, ",{\"family\":\"a family of some length\"}");
    buf_append_cstr(&resource, "]}");
    buf_append_cstr(&patch, "{\"resourceType\":\"Parameters\",\"parameter\":[");
    struct slice one = operation("replace", "Patient.active", VALUE("\"valueBoolean\":true"));
    for (int i = 0; i < 2000; i++)
        buf_printf(&patch, "%s%s", i ? "," : "", one.bytes);
    buf_append_cstr(&patch, "]}");
    struct outcome o = patch_values(parse(buf_slice(&resource)), parse(buf_slice(&patch)));
    assert_int_equal(o.err, ERR_LIMIT);
    buf_release(&resource);
    buf_release(&patch);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_public_suite_passes_whole),
        T(what_is_not_touched_keeps_its_bytes),
        T(a_primitive_goes_with_its_extensions_and_leaves_its_neighbours),
        T(extensions_of_primitives_can_be_reached),
        T(choices_go_by_the_name_of_the_choice),
        T(a_value_may_be_put_together_of_parts),
        T(an_extension_comes_by_parts_or_by_its_type),
        T(contained_resources_are_elements_too),
        T(an_empty_list_takes_an_insert_at_0),
        T(types_must_be_right_for_the_place),
        T(a_path_must_select_one_element_of_the_resource),
        T(parameters_that_are_no_patch_are_invalid),
        T(the_operation_that_failed_is_named_and_nothing_is_written),
        T(memory_may_end_anywhere),
        T(work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
