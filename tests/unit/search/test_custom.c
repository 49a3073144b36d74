/* A store's own parameters from definition to match: a resource's terms, made with a
 * set, against the plan of a query, made with the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "index/index.h"
#include "search/search.h"

enum { PARAMS = 32 };

static struct arena arena;
static struct issues issues;
static struct custom_param *params[PARAMS];
static size_t param_count;
static struct custom_set *set;
static struct store_write subject; /* the resource at hand */
static const struct fhir_type *type;

/* JSON with ' for ", and ` for '. */
static struct json parse(const char *quoted)
{
    struct json_doc *doc = arena_alloc(&arena, sizeof *doc);
    char *text = arena_copy(&arena, slice_cstr(quoted));
    assert_non_null(doc);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
    struct json_error error;
    if (json_parse(slice_cstr(text), NULL, &arena, doc, &error))
        fail_msg("%s: %s", text, error.text);
    return json_root(doc);
}

/* `rest`: further members, beginning with a comma. */
static void define_more(const char *base, const char *code, const char *kind,
                        const char *expression, const char *rest, const uint8_t *parts)
{
    static const uint8_t none[CUSTOM_COMPONENTS_MAX];
    struct custom_fault fault;
    struct slice text = arena_printf(&arena,
                                     "{'code':'%s','base':['%s'],'type':'%s','expression':'%s'%s}",
                                     code, base, kind, expression, rest);
    if (custom_param_read(parse(text.bytes), &arena, &fault, &params[param_count]))
        fail_msg("%s: %.*s", text.bytes, SLICE_ARGS(fault.text));
    custom_param_settle(params[param_count], (uint16_t)(CUSTOM_FIRST + param_count),
                        parts ? parts : none);
    param_count++;
}

static void define(const char *base, const char *code, const char *kind, const char *expression)
{
    define_more(base, code, kind, expression, "", NULL);
}

static void sets_make(const char *type_name)
{
    struct custom_row rows[PARAMS];
    uint16_t resource = fhir_resource_find(slice_cstr(type_name))->resource;
    for (size_t i = 0; i < param_count; i++)
        rows[i] = (struct custom_row){ .param = params[i], .types = &resource, .type_count = 1 };
    set = custom_set_make(rows, param_count, 1);
    assert_non_null(set);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    custom_set_free(set);
    set = NULL;
    while (param_count)
        custom_param_unref(params[--param_count]);
    arena_release(&arena);
    return 0;
}

static void take(const char *quoted)
{
    struct json root = parse(quoted);
    struct extraction x = { 0 };
    type = fhir_resource_find(json_string(json_member(root, "resourceType"), &arena));
    const struct index_basis basis = { .base_url = SLICE("http://us/r4") };
    assert_int_equal(index_extract(root, type, basis, set, &arena, &x), ERR_NONE);
    subject = (struct store_write){ .terms = x.terms, .term_count = x.term_count };
}

static enum err query_parse(const char *text, struct search_query *query)
{
    struct search_settings settings = { .base_url = SLICE("http://us/r4"),
                                        .customs = set,
                                        .default_count = 100,
                                        .largest_count = 1000 };
    struct search_pair *pairs = NULL;
    size_t count = 0;
    issues_init(&issues, &arena);
    enum err err = search_pairs_parse(slice_cstr(text), &arena, &pairs, &count, &issues);
    return err ? err : search_parse(&settings, type, pairs, count, &arena, &issues, query);
}

static bool finds(const char *text)
{
    struct search_query query;
    if (query_parse(text, &query))
        fail_msg("%s: %.*s", text, SLICE_ARGS(issues.first->text));
    return search_meets(query.plan, &subject, 0);
}

static void assert_refused(const char *text, const char *mention)
{
    struct search_query query;
    assert_int_not_equal(query_parse(text, &query), ERR_NONE);
    if (slice_find(issues.first->text, slice_cstr(mention)) < 0)
        fail_msg("%s says: %.*s", text, SLICE_ARGS(issues.first->text));
}

#define EXTENSION "Patient.extension.where(url=`u`).value"

static void values_of_extensions_are_found_whatever_their_type(void **state)
{
    (void)state;
    define("Patient", "coding", "token", "(" EXTENSION " as Coding)");
    define("Patient", "concept", "token", EXTENSION ".ofType(CodeableConcept)");
    define("Patient", "any", "token", EXTENSION);
    define("Patient", "named", "string", "Patient.extension(`u`).value.as(string)");
    define("Patient", "when", "date", "Patient.extension.where(url=`u`).valueDateTime");
    define("Patient", "who", "reference", EXTENSION ".as(Reference)");
    define("Patient", "much", "quantity", EXTENSION ".ofType(Quantity)");
    define("Patient", "many", "number", EXTENSION ".ofType(integer)");
    define("Patient", "where", "uri", EXTENSION ".ofType(uri)");
    sets_make("Patient");
#define WITH(value) "{'resourceType':'Patient','id':'p','extension':[{'url':'u'," value "}]}"
    take(WITH("'valueCoding':{'system':'s','code':'Red','display':'A Red One'}"));
    assert_true(finds("coding=Red") && finds("coding=s|Red") && finds("coding=s|"));
    assert_true(finds("any=s|Red") && finds("coding:text=a red") && finds("coding:not=Blue"));
    assert_false(finds("coding=red") || finds("coding=t|Red") || finds("concept=Red"));
    assert_true(finds("coding:missing=false") && finds("concept:missing=true"));
    take(WITH("'valueCodeableConcept':{'coding':[{'system':'s','code':'a'},{'code':'b'}]}"));
    assert_true(finds("concept=s|a") && finds("concept=|b") && finds("concept=x,b"));
    assert_false(finds("coding=a") || finds("concept=|a"));
    take(WITH("'valueString':'Ärger im Büro'"));
    assert_true(finds("named=arger") && finds("named:exact=Ärger im Büro"));
    assert_true(finds("named:contains=buro") && finds("any=Ärger im Büro"));
    assert_false(finds("named=buro") || finds("named:exact=ärger im büro"));
    take(WITH("'valueDateTime':'2020-05'"));
    assert_true(finds("when=2020") && finds("when=ge2020-05-01") && finds("when=lt2021"));
    assert_true(finds("when=2020-05") && finds("when=ap2020-05"));
    assert_false(finds("when=2020-05-02") || finds("when=sa2020-05-31"));
    take(WITH("'valueReference':{'reference':'Organization/o','identifier':{'value':'i'}}"));
    assert_true(finds("who=Organization/o") && finds("who=o") && finds("who:Organization=o"));
    assert_true(finds("who:identifier=i") && finds("who=http://us/r4/Organization/o"));
    assert_false(finds("who=Patient/o"));
    take(WITH("'valueQuantity':{'value':5,'system':'http://unitsofmeasure.org','code':'g'}"));
    assert_true(finds("much=5") && finds("much=5||g"));
    assert_true(finds("much=gt4000|http://unitsofmeasure.org|mg"));
    assert_true(finds("much=5000|http://unitsofmeasure.org|mg"));
    assert_false(finds("much=6") || finds("much=5||kg"));
    take(WITH("'valueInteger':42"));
    assert_true(finds("many=42") && finds("many=gt41") && finds("many=ne41"));
    assert_false(finds("many=43"));
    take(WITH("'valueUri':'http://a/b/c'"));
    assert_true(finds("where=http://a/b/c") && finds("where:below=http://a/b"));
    assert_false(finds("where=http://a/b"));
    take("{'resourceType':'Patient','extension':[{'url':'other','valueInteger':42}]}");
    assert_true(finds("many:missing=true"));
    assert_false(finds("many=42"));
}

static void an_extension_stands_for_its_value(void **state)
{
    (void)state;
    define("Patient", "eye", "token", "Patient.extension(`u`)");
    define("Patient", "when", "date", "Patient.extension.where(url=`u`)");
    define("Patient", "inner", "token", "Patient.extension(`u`).extension(`v`)");
    sets_make("Patient");
    take(WITH("'valueCoding':{'system':'s','code':'Red'}"));
    assert_true(finds("eye=s|Red") && finds("when:missing=true"));
    take(WITH("'valueDateTime':'2020-05'"));
    assert_true(finds("when=2020") && finds("eye=2020-05"));
    take(WITH("'extension':[{'url':'v','valueBoolean':true}]"));
    assert_true(finds("inner=true") && finds("eye:missing=true"));
    take("{'resourceType':'Patient','extension':[7,{'url':'u','valueCode':[1]},{'url':'u'}]}");
    assert_true(finds("eye:missing=true"));
}

static void computed_values_are_found_as_elements_are(void **state)
{
    (void)state;
    define("Patient", "initials", "string",
           "Patient.name.select(given.first().substring(0,1) & family.substring(0,1))");
    define("Patient", "year", "number", "Patient.birthDate.toString().substring(0,4).toInteger()");
    define("Patient", "married", "token", "Patient.maritalStatus.exists()");
    define("Patient", "born", "date", "Patient.birthDate.toString().toDate()");
    define("Patient", "size", "quantity",
           "(Patient.name.family.first().length().toString() + ` days`).toQuantity()");
    sets_make("Patient");
    take("{'resourceType':'Patient','name':[{'given':['Ann','B'],'family':'Poe'}],"
         "'birthDate':'1970-02-03'}");
    assert_true(finds("initials=ap") && finds("initials:exact=AP"));
    assert_true(finds("year=1970") && finds("year=lt1971"));
    assert_true(finds("married=false"));
    assert_false(finds("married=true") || finds("year=1971"));
    assert_true(finds("born=1970-02") && finds("born=1970-02-03"));
    assert_true(finds("size=3") && finds("size=3||days") && finds("size=gt2"));
}

static void a_code_is_found_under_the_system_of_its_binding(void **state)
{
    (void)state;
    define("Patient", "sex", "token", "Patient.gender");
    sets_make("Patient");
    take("{'resourceType':'Patient','gender':'female'}");
    assert_true(finds("sex=female") && finds("sex=|female"));
    assert_true(finds("sex=http://hl7.org/fhir/administrative-gender|female"));
    assert_true(finds("sex=http://hl7.org/fhir/administrative-gender|"));
    assert_false(finds("sex=http://hl7.org/fhir/administrative-gender|male"));
}

static void composites_join_their_parts_of_one_element(void **state)
{
    (void)state;
    static const uint8_t token_quantity[] = { FHIR_PARAM_TOKEN, FHIR_PARAM_QUANTITY };
    static const uint8_t token_date[] = { FHIR_PARAM_TOKEN, FHIR_PARAM_DATE };
    define_more("Observation", "part-value", "composite", "Observation.component",
                ",'component':[{'definition':'c','expression':'code'},"
                "{'definition':'v','expression':'value.ofType(Quantity)'}]",
                token_quantity);
    define_more("Observation", "code-note", "composite", "Observation",
                ",'component':[{'definition':'c','expression':'code'},"
                "{'definition':'v','expression':'note.time'}]",
                token_date);
    sets_make("Observation");
    take("{'resourceType':'Observation','status':'final','code':{'coding':[{'system':'l',"
         "'code':'bp'}]},'note':[{'text':'x','time':'2020-01-02'}],'component':["
         "{'code':{'coding':[{'system':'l','code':'sys'}]},'valueQuantity':{'value':120}},"
         "{'code':{'coding':[{'system':'l','code':'dia'}]},'valueQuantity':{'value':80}}]}");
    assert_true(finds("part-value=sys$120") && finds("part-value=l|dia$lt100"));
    assert_false(finds("part-value=sys$80") || finds("part-value=k|dia$lt100"));
    assert_true(finds("code-note=bp$2020-01") && finds("code-note=l|bp$gt2019"));
    assert_false(finds("code-note=bp$2021"));
    assert_refused("part-value=sys", "needs two parts");
}

static void what_fails_has_no_values_and_is_counted(void **state)
{
    (void)state;
    define("Patient", "one", "string", "Patient.name.given.substring(0)"); /* of one alone */
    define("Patient", "endless", "token",
           "Patient.descendants().descendants().descendants().where("
           "%resource.descendants().count() > 1).exists()");
    define("Patient", "fine", "string", "Patient.name.family");
    sets_make("Patient");
    take("{'resourceType':'Patient','name':[{'given':['Ann','B'],'family':'Poe'}]}");
    assert_true(finds("one:missing=true") && finds("fine=poe"));
    assert_int_equal(params[0]->failures, 1);
    assert_int_equal(params[2]->failures, 0);
    take("{'resourceType':'Patient','name':[{'given':['Ann']}]}");
    assert_true(finds("one=ann"));
    assert_int_equal(params[0]->failures, 1);
}

static void hostile_expressions_end_in_time_bound_to_the_resource(void **state)
{
    (void)state;
    define("Patient", "endless", "string",
           "Patient.repeat(extension).select(%resource.descendants().where("
           "%resource.descendants().where($this ~ %resource).count() > 3).count())");
    define("Patient", "wide", "string",
           "Patient.descendants().select(%resource.descendants())");
    sets_make("Patient");
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "{'resourceType':'Patient','extension':[{'url':'a'}");
    for (int i = 0; i < 2000; i++)
        buf_append_cstr(&text, ",{'url':'a','valueString':'b'}");
    buf_append_cstr(&text, "]}");
    buf_append_byte(&text, '\0');
    take(text.bytes);
    buf_release(&text);
    assert_true(finds("endless:missing=true") && finds("wide:missing=true"));
    assert_int_equal(params[1]->failures, 1);
}

static void what_a_definition_states_bounds_what_may_be_asked(void **state)
{
    (void)state;
    define_more("Patient", "one", "token", "Patient.gender",
                ",'multipleOr':false,'multipleAnd':false,'modifier':['not']", NULL);
    define_more("Patient", "when", "date", "Patient.birthDate", ",'comparator':['ge','lt']", NULL);
    define_more("Patient", "org", "reference", "Patient.managingOrganization",
                ",'target':['Organization'],'chain':['name']", NULL);
    sets_make("Patient");
    take("{'resourceType':'Patient','gender':'female','birthDate':'1970-02-03'}");
    assert_true(finds("one=female") && finds("one:not=male"));
    assert_refused("one=female,male", "multipleOr");
    assert_refused("one=female&one:not=male", "multipleAnd");
    assert_refused("one:missing=true", "states not");
    assert_refused("one:text=x", "states not");
    assert_true(finds("when=1970") && finds("when=ge1970") && finds("when=lt1971"));
    assert_refused("when=gt1969", "states lt, ge");
    assert_refused("when=2000,sa1969", "'sa'");
    struct search_query query;
    assert_int_equal(query_parse("org.name=x", &query), ERR_NONE);
    assert_int_equal(query_parse("org:Organization.name=x", &query), ERR_NONE);
    assert_refused("org.address=x", "states other names");
}

static void names_near_a_custom_one_are_suggested(void **state)
{
    (void)state;
    define("Patient", "eyecolour", "token", "Patient.extension.value");
    sets_make("Patient");
    take("{'resourceType':'Patient'}");
    assert_refused("eyecolor=x", "'eyecolour'");
    assert_refused("eyecolour:above=x", "eyecolour");
}

static void sorts_and_includes_take_custom_parameters(void **state)
{
    (void)state;
    define_more("Patient", "born", "date", "Patient.birthDate", "", NULL);
    define_more("Patient", "org", "reference", "Patient.managingOrganization",
                ",'target':['Organization']", NULL);
    sets_make("Patient");
    take("{'resourceType':'Patient'}");
    struct search_query query;
    assert_int_equal(query_parse("_sort=-born&_include=Patient:org", &query), ERR_NONE);
    assert_int_equal(query.sort_count, 1);
    assert_ptr_equal(query.sorts[0].param, &params[0]->param);
    assert_ptr_equal(query.includes[0].param, &params[1]->param);
    assert_int_equal(query_parse("_has:Patient:org:born=2000", &query), ERR_INVALID);
}

static void a_custom_parameter_stands_before_r4_s_of_its_name(void **state)
{
    (void)state;
    define("Patient", "birthdate", "string", "Patient.birthDate.toString()");
    sets_make("Patient");
    take("{'resourceType':'Patient','birthDate':'1970-02-03'}");
    assert_true(finds("birthdate:contains=02"));
    assert_false(finds("birthdate=1971"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(values_of_extensions_are_found_whatever_their_type),
        TEST(an_extension_stands_for_its_value),
        TEST(computed_values_are_found_as_elements_are),
        TEST(a_code_is_found_under_the_system_of_its_binding),
        TEST(composites_join_their_parts_of_one_element),
        TEST(what_fails_has_no_values_and_is_counted),
        TEST(hostile_expressions_end_in_time_bound_to_the_resource),
        TEST(what_a_definition_states_bounds_what_may_be_asked),
        TEST(names_near_a_custom_one_are_suggested),
        TEST(sorts_and_includes_take_custom_parameters),
        TEST(a_custom_parameter_stands_before_r4_s_of_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
