#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "custom/custom.h"

static struct arena arena;
static struct custom_fault fault;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

/* JSON with ' for ", and ` for '. */
static struct json parse(const char *quoted)
{
    struct json_doc *doc = arena_alloc(&arena, sizeof *doc);
    char *text = arena_copy(&arena, slice_cstr(quoted));
    assert_non_null(doc);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, doc, NULL), ERR_NONE);
    return json_root(doc);
}

static struct custom_param *read_it(const char *quoted)
{
    static const uint8_t none[CUSTOM_COMPONENTS_MAX];
    struct custom_param *p = NULL;
    enum err err = custom_param_read(parse(quoted), &arena, &fault, &p);
    if (err)
        fail_msg("%s: %.*s", quoted, SLICE_ARGS(fault.text));
    custom_param_settle(p, CUSTOM_FIRST, none);
    return p;
}

static void assert_fault(const char *quoted, const char *element, const char *mention)
{
    struct custom_param *p = NULL;
    assert_int_equal(custom_param_read(parse(quoted), &arena, &fault, &p), ERR_INVALID);
    assert_null(p);
    assert_string_equal(fault.element, element);
    assert_true(json_exists(fault.where));
    if (slice_find(fault.text, slice_cstr(mention)) < 0)
        fail_msg("%s says: %.*s", quoted, SLICE_ARGS(fault.text));
}

#define START "{'resourceType':'SearchParameter','status':'active',"

static void a_definition_is_read_with_all_that_it_states(void **state)
{
    (void)state;
    struct custom_param *p = read_it(
        START "'url':'http://x/eye','code':'eye','base':['Patient','Person'],'type':'reference',"
              "'expression':'Patient.extension.where(url=`u`).value','target':['Organization'],"
              "'modifier':['missing','type','identifier'],'multipleOr':false,"
              "'multipleAnd':false,'chain':['name']}");
    assert_true(slice_is(p->param.code, "eye"));
    assert_true(slice_is(p->param.url, "http://x/eye"));
    assert_int_equal(p->param.id, CUSTOM_FIRST);
    assert_int_equal(p->base_count, 2);
    assert_int_equal(p->param.target_count, 1);
    assert_true(p->is_single_or && p->is_single_and);
    assert_int_equal(p->chain_count, 1);
    assert_int_equal(p->modifiers, 1 | 1 << 9 | 1 << 10);
    assert_true(custom_is(&p->param) && custom_of(&p->param) == p);
    custom_param_unref(p);
}

static void what_is_wrong_is_told_with_its_element(void **state)
{
    (void)state;
#define FAULT(rest, element, mention) assert_fault(START rest "}", element, mention)
    FAULT("'base':['Patient'],'type':'string','expression':'a'", "code", "1 to 64");
    FAULT("'code':'a.b','base':['Patient'],'type':'string','expression':'a'", "code", "1 to 64");
    FAULT("'code':'','base':['Patient'],'type':'string','expression':'a'", "code", "1 to 64");
    FAULT("'code':'_eye','base':['Patient'],'type':'string','expression':'a'", "code",
          "FHIR's own");
    FAULT("'code':'a','base':['Patient'],'expression':'a'", "type", "one of number");
    FAULT("'code':'a','base':['Patient'],'type':'text','expression':'a'", "type", "one of");
    FAULT("'code':'a','base':['Patient'],'type':'special','expression':'a'", "type", "special");
    FAULT("'code':'a','type':'string','expression':'a'", "base", "names the resource types");
    FAULT("'code':'a','base':['Pat'],'type':'string','expression':'a'", "base", "\"Pat\"");
    FAULT("'code':'a','base':['HumanName'],'type':'string','expression':'a'", "base", "HumanName");
    FAULT("'code':'a','base':[7],'type':'string','expression':'a'", "base", "7");
    FAULT("'code':'a','base':['Patient'],'type':'reference','expression':'a','target':['X']",
          "target", "\"X\"");
    FAULT("'code':'a','base':['Patient'],'type':'string'", "expression", "no expression");
    FAULT("'code':'a','base':['Patient'],'type':'string','expression':'Patient.name('",
          "expression", "at byte 12: an unknown function");
    FAULT("'code':'a','base':['Patient'],'type':'string','expression':'Patient.name.where('",
          "expression", "at byte 19");
    FAULT("'code':'a','base':['Patient'],'type':'string','expression':'Patient.nonsense()'",
          "expression", "no FHIRPath");
    FAULT("'code':'a','base':['Patient'],'type':'date','expression':'a.where($this>now())'",
          "expression", "now()");
    FAULT("'code':'a','base':['Patient'],'type':'token',"
          "'expression':'gender.where(memberOf(`http://x`))'", "expression", "memberOf()");
    FAULT("'code':'a','base':['Observation'],'type':'composite','expression':'Observation'",
          "component", "two components");
    FAULT("'code':'a','base':['Observation'],'type':'composite','expression':'Observation',"
          "'component':[{'definition':'d','expression':'code'},{'definition':'d',"
          "'expression':')'}]", "component", "no FHIRPath");
    FAULT("'code':'a','base':['Observation'],'type':'composite','expression':'Observation',"
          "'component':[{'expression':'code'},{'definition':'d','expression':'code'}]",
          "component", "names the definition");
}

static void only_active_definitions_count(void **state)
{
    (void)state;
    assert_true(custom_is_active(parse("{'status':'active'}")));
    assert_false(custom_is_active(parse("{'status':'draft'}")));
    assert_false(custom_is_active(parse("{'status':'retired'}")));
    assert_false(custom_is_active(parse("{}")));
}

static void the_rule_changes_with_what_decides_the_values_and_nothing_else(void **state)
{
    (void)state;
    static const uint8_t token_date[] = { FHIR_PARAM_TOKEN, FHIR_PARAM_DATE };
    static const uint8_t token_number[] = { FHIR_PARAM_TOKEN, FHIR_PARAM_NUMBER };
    struct custom_param *a =
        read_it(START "'code':'a','base':['Patient'],'type':'string','expression':'x.y'}");
    struct custom_param *b =
        read_it(START "'code':'b','base':['Person'],'type':'string','expression':'x.y',"
                      "'modifier':['not']}");
    struct custom_param *c =
        read_it(START "'code':'a','base':['Patient'],'type':'token','expression':'x.y'}");
    struct custom_param *d =
        read_it(START "'code':'a','base':['Patient'],'type':'string','expression':'x.z'}");
    assert_int_equal(a->rule_hash, b->rule_hash);
    assert_int_not_equal(a->rule_hash, c->rule_hash);
    assert_int_not_equal(a->rule_hash, d->rule_hash);
    struct custom_param *e = read_it(
        START "'code':'a','base':['Patient'],'type':'composite','expression':'x','component':"
              "[{'definition':'d','expression':'y'},{'definition':'e','expression':'z'}]}");
    custom_param_settle(e, CUSTOM_FIRST, token_date);
    uint64_t before = e->rule_hash;
    custom_param_settle(e, CUSTOM_FIRST, token_number);
    assert_int_not_equal(e->rule_hash, before);
    custom_param_unref(a);
    custom_param_unref(b);
    custom_param_unref(c);
    custom_param_unref(d);
    custom_param_unref(e);
}

static bool is_builtin(const char *type, const char *code, const char *kind, const char *text)
{
    struct slice quoted = arena_printf(&arena,
                                       START "'code':'%s','base':['%s'],'type':'%s',"
                                             "'expression':'%s'}",
                                       code, type, kind, text);
    struct custom_param *p = read_it(quoted.bytes);
    bool is_it = custom_is_builtin(p, fhir_resource_find(slice_cstr(type)));
    custom_param_unref(p);
    return is_it;
}

static void a_definition_that_says_what_r4_says_is_r4_s_own(void **state)
{
    (void)state;
    assert_true(is_builtin("Patient", "birthdate", "date", "Patient.birthDate"));
    assert_true(is_builtin("Patient", "birthdate", "date",
                           "Patient.birthDate | Person.birthDate | RelatedPerson.birthDate"));
    assert_true(is_builtin("Condition", "onset-date", "date",
                           "Condition.onset.as(dateTime)|Condition.onset.as(Period)"));
    assert_true(is_builtin("Goal", "patient", "reference",
                           "Goal.subject.where(resolve() is Patient)"));
    assert_true(is_builtin("Goal", "target-date", "date", "(Goal.target.due as date)"));
    assert_true(is_builtin("Patient", "_id", "token", "Patient.id"));
    assert_false(is_builtin("Patient", "birthdate", "string", "Patient.birthDate"));
    assert_false(is_builtin("Patient", "birthdate", "date", "Patient.deceased"));
    assert_false(is_builtin("Patient", "birthdate", "date", "birthDate"));
    assert_false(is_builtin("Condition", "onset-date", "date", "Condition.onset.as(Period)"));
    assert_false(is_builtin("Goal", "patient", "reference", "Goal.subject"));
    assert_false(is_builtin("Patient", "eye", "token", "Patient.gender"));
}

static void a_set_finds_by_type_and_code_and_by_number(void **state)
{
    (void)state;
    static const uint8_t none[CUSTOM_COMPONENTS_MAX];
    const struct fhir_type *patient = fhir_resource_find(SLICE("Patient"));
    const struct fhir_type *person = fhir_resource_find(SLICE("Person"));
    struct custom_param *a =
        read_it(START "'code':'eye','base':['Patient'],'type':'string','expression':'x.y'}");
    struct custom_param *b =
        read_it(START "'code':'birthdate','base':['Patient'],'type':'string','expression':'x'}");
    custom_param_settle(b, CUSTOM_FIRST + 7, none);
    const struct custom_row rows[] = {
        { .param = b, .types = (uint16_t[]){ patient->resource }, .type_count = 1 },
        { .param = a, .types = (uint16_t[]){ patient->resource, person->resource },
          .type_count = 2 },
    };
    struct custom_set *set = custom_set_make(rows, 2, 5);
    assert_non_null(set);
    custom_param_unref(a); /* the set holds its own */
    custom_param_unref(b);
    assert_int_equal(custom_set_number(set), 5);
    assert_ptr_equal(custom_find(set, patient, SLICE("eye")), &a->param);
    assert_ptr_equal(custom_find(set, person, SLICE("eye")), &a->param);
    assert_null(custom_find(set, person, SLICE("birthdate")));
    assert_ptr_equal(custom_param_find(set, patient, SLICE("birthdate")), &b->param);
    assert_ptr_equal(custom_param_find(set, person, SLICE("birthdate")),
                     fhir_param_find(person, SLICE("birthdate")));
    assert_ptr_equal(custom_param_at(set, CUSTOM_FIRST + 7), &b->param);
    assert_null(custom_param_at(set, CUSTOM_FIRST + 1));
    assert_ptr_equal(custom_param_at(set, 7), fhir_param_at(7));
    size_t count;
    custom_params_of(set, patient, &count);
    assert_int_equal(count, 2);
    assert_null(custom_find(NULL, patient, SLICE("eye")));
    custom_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_definition_is_read_with_all_that_it_states),
        cmocka_unit_test(what_is_wrong_is_told_with_its_element),
        cmocka_unit_test(only_active_definitions_count),
        cmocka_unit_test(the_rule_changes_with_what_decides_the_values_and_nothing_else),
        cmocka_unit_test(a_definition_that_says_what_r4_says_is_r4_s_own),
        cmocka_unit_test(a_set_finds_by_type_and_code_and_by_number),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
