#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "index/index.h"

static struct arena arena;
static struct extraction found;
static const struct fhir_type *type;

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

static void extract(struct slice text)
{
    struct json_doc *doc = arena_alloc(&arena, sizeof *doc);
    struct json_error error;
    assert_non_null(doc);
    assert_int_equal(json_parse(text, NULL, &arena, doc, &error), ERR_NONE);
    struct json root = json_root(doc);
    type = fhir_resource_find(json_string(json_member(root, "resourceType"), &arena));
    assert_non_null(type);
    const struct index_basis basis = { .base_url = SLICE("http://us/r4") };
    assert_int_equal(index_extract(root, type, basis, NULL, &arena, &found),
                     ERR_NONE);
}
/* A resource in the test's own text, with ' for ". */
static void extract_text(const char *quoted)
{
    char *text = arena_copy(&arena, slice_cstr(quoted));
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    extract(slice_cstr(text));
}

static size_t count_field(uint32_t field, struct slice value)
{
    size_t count = 0;
    for (size_t i = 0; i < found.term_count; i++)
        count += found.terms[i].field == field && slice_equal(found.terms[i].value, value);
    return count;
}

static uint32_t field_of(const char *param)
{
    const struct fhir_param *p = fhir_param_find(type, slice_cstr(param));
    if (!p)
        fail_msg("no parameter %s", param);
    return index_field(type, p->id);
}

static bool has(const char *param, struct slice value)
{
    return count_field(field_of(param), value) > 0;
}

/* Terms of the parameter, its presence term apart. */
static size_t terms_of(const char *param)
{
    size_t count = 0;
    for (size_t i = 0; i < found.term_count; i++)
        count += found.terms[i].field == field_of(param) &&
                 !slice_is(found.terms[i].value, "p");
    return count;
}

static bool is_member(const char *owner, const char *id)
{
    struct slice value =
        index_encode_compartment(&arena, slice_cstr(owner), slice_cstr(id), type->name);
    return count_field(INDEX_FIELD_COMPARTMENT, value) > 0;
}

static struct slice token(const char *system, const char *code)
{
    return index_encode_token(&arena, slice_cstr(system), slice_cstr(code));
}

static struct slice dates(const char *low, const char *high)
{
    struct date_range range = { INT64_MIN, INT64_MAX }, end;
    if (low[0]) {
        assert_true(date_parse(slice_cstr(low), &end));
        range.low = end.low;
    }
    if (high[0]) {
        assert_true(date_parse(slice_cstr(high), &end));
        range.high = end.high;
    }
    return index_encode_date(&arena, range);
}

static const char patient[] =
    "{'resourceType':'Patient','id':'p1',"
    "'meta':{'profile':['http://x/P|2.0','http://x/Q'],'source':'http://src',"
    "'tag':[{'system':'http://flexpa','code':'c-1'}]},"
    "'identifier':[{'system':'urn:mrn','value':'12 34'},{'value':'bare'}],"
    "'active':true,'gender':'female','birthDate':'1980-02',"
    "'name':[{'family':'M\\u00fcller','given':['Ren\\u00e9e','Ann'],'text':'R. A.'}],"
    "'telecom':[{'system':'phone','value':'555'},{'system':'email','value':'a@b'}],"
    "'address':[{'line':['1 Main St'],'city':'Boston','use':'home'}],"
    "'generalPractitioner':[{'reference':'Practitioner/d1'}],"
    "'managingOrganization':{'reference':'http://us/r4/Organization/o1'},"
    "'link':[{'other':{'reference':'Patient/p2'},'type':'seealso'}]}";

static void a_patient_is_found_by_all_it_says(void **state)
{
    (void)state;
    extract_text(patient);
    assert_true(has("identifier", token("urn:mrn", "12 34")));
    assert_true(has("identifier", index_encode_token_system(&arena, SLICE("urn:mrn"))));
    assert_true(has("identifier", token("", "bare")));
    assert_int_equal(terms_of("identifier"), 3);
    assert_true(has("active", token("", "true")));
    assert_true(has("deceased", token("", "false")));
    assert_true(has("gender", token("", "female")));
    assert_true(has("birthdate", dates("1980-02", "1980-02")));
    assert_true(has("family", index_encode_string(&arena, SLICE("M\xc3\xbcller"))));
    assert_true(has("name", SLICE("trenee\0Ren\xc3\xa9" "e")));
    assert_int_equal(terms_of("name"), 4);
    assert_int_equal(terms_of("given"), 2);
    assert_true(has("phone", token("phone", "555")) && has("phone", token("", "555")));
    assert_false(has("phone", token("", "a@b")));
    assert_true(has("telecom", token("", "a@b")));
    assert_true(has("address", index_encode_string(&arena, SLICE("1 Main St"))));
    assert_int_equal(terms_of("address"), 2);
    assert_true(has("address-use", token("", "home")));
    assert_true(has("_tag", token("http://flexpa", "c-1")));
    assert_true(has("_source", SLICE("uhttp://src")));
    assert_true(has("_profile", SLICE("uhttp://x/P|2.0")));
    assert_true(has("_profile", SLICE("vhttp://x/P")));
    assert_true(has("_profile", SLICE("uhttp://x/Q")));
    assert_int_equal(terms_of("_profile"), 3);
    assert_true(has("organization",
                    index_encode_reference(&arena, SLICE("Organization"), SLICE("o1"))));
    assert_int_equal(count_field(index_field(type, INDEX_PARAM_TYPE), SLICE("")), 1);
}

static void what_has_a_value_is_present_and_nothing_else(void **state)
{
    (void)state;
    extract_text("{'resourceType':'Patient','id':'p','gender':'male',"
                 "'_birthDate':{'extension':[{'url':'http://absent'}]},"
                 "'maritalStatus':{'extension':[{'url':'http://absent'}]},"
                 "'name':[{'id':'n1','extension':[{'url':'http://absent'}]}],"
                 "'generalPractitioner':[{'display':'Dr. A'}]}");
    assert_true(has("gender", SLICE("p")));
    assert_true(has("general-practitioner", SLICE("p")));
    assert_false(has("birthdate", SLICE("p")));
    assert_false(has("name", SLICE("p")));
    assert_false(has("identifier", SLICE("p")));
    assert_int_equal(terms_of("general-practitioner"), 0);
}

static void a_member_belongs_to_every_compartment_it_names(void **state)
{
    (void)state;
    extract_text("{'resourceType':'Coverage','id':'c1','status':'active',"
                 "'policyHolder':{'reference':'Patient/holder'},"
                 "'subscriber':{'reference':'Patient/subscriber'},"
                 "'beneficiary':{'reference':'http://us/r4/Patient/kid/_history/3'},"
                 "'payor':[{'reference':'Organization/o'},{'reference':'Patient/payor'},"
                 "{'reference':'RelatedPerson/r'},{'reference':'http://them/r4/Patient/x'}]}");
    assert_true(is_member("Patient", "holder"));
    assert_true(is_member("Patient", "subscriber"));
    assert_true(is_member("Patient", "kid"));
    assert_true(is_member("Patient", "payor"));
    assert_true(is_member("RelatedPerson", "r"));
    assert_false(is_member("Patient", "x"));
    assert_false(is_member("Organization", "o"));
    assert_true(slice_is(found.home_type, "Patient"));

    assert_true(slice_is(found.home_id, "holder")); /* first in the table */
    assert_true(has("beneficiary", SLICE("lPatient/kid/_history/3")));
    assert_true(has("payor", SLICE("lhttp://them/r4/Patient/x")));
}

static void an_owner_lies_in_its_own_record(void **state)
{
    (void)state;
    extract_text(patient);
    assert_true(is_member("Patient", "p1"));
    assert_true(is_member("Patient", "p2")); /* by its link, as R4 defines it */
    assert_true(is_member("Practitioner", "d1"));
    assert_true(slice_is(found.home_id, "p1"));

    extract_text("{'resourceType':'Encounter','id':'e1','status':'planned','class':{'code':'x'},"
                 "'subject':{'reference':'Patient/p9'}}");
    assert_true(is_member("Encounter", "e1"));
    assert_true(is_member("Patient", "p9"));
    assert_true(slice_is(found.home_id, "p9"));

    extract_text("{'resourceType':'Organization','id':'o1'}");
    assert_int_equal(found.home_id.length, 0);
    assert_int_equal(found.home_type.length, 0);
}

static void the_appendix_names_what_everything_adds_once(void **state)
{
    (void)state;
    extract_text("{'resourceType':'Claim','id':'c','contained':[{'resourceType':'PractitionerRole',"
                 "'id':'r','organization':{'reference':'Organization/inside'}}],"
                 "'extension':[{'url':'u','valueReference':{'reference':'Location/l'}}],"
                 "'patient':{'reference':'Patient/p'},"
                 "'provider':{'reference':'Organization\\/o'},"
                 "'insurer':{'reference':'http://us/r4/Organization/o'},"
                 "'facility':{'reference':'http://them/r4/Location/x'},"
                 "'careTeam':[{'sequence':1,'provider':{'reference':'Practitioner/d/_history/2'}},"
                 "{'sequence':2,'provider':{'reference':'#r'}},"
                 "{'sequence':3,'provider':{'reference':'PractitionerRole/pr'}}],"
                 "'prescription':{'reference':'MedicationRequest/m'}}");
    assert_true(slice_is(found.appendix, "Location/l\nOrganization/inside\nOrganization/o\n"
                                         "Practitioner/d\nPractitionerRole/pr\n"));
    extract_text("{'resourceType':'Organization','id':'o1'}");
    assert_int_equal(found.appendix.length, 0);
}

static void periods_and_timings_are_their_outer_limits(void **state)
{
    (void)state;
    extract_text("{'resourceType':'Encounter','id':'e','period':{'start':'2020-01-05'}}");
    assert_true(has("date", dates("2020-01-05", "")));
    extract_text("{'resourceType':'Encounter','id':'e','period':{'end':'2020-01'}}");
    assert_true(has("date", dates("", "2020-01")));
    extract_text("{'resourceType':'Encounter','id':'e',"
                 "'period':{'start':'2020-01-05T10:00:00+02:00','end':'2021'}}");
    assert_true(has("date", dates("2020-01-05T08:00:00Z", "2021")));
    extract_text("{'resourceType':'Encounter','id':'e','period':{'start':'2022','end':'2021'}}");
    assert_int_equal(terms_of("date"), 0);
    assert_true(has("date", SLICE("p")));
    extract_text("{'resourceType':'Observation','id':'o','effectiveTiming':{"
                 "'event':['2020-03-01','2020-01-07','nonsense'],"
                 "'repeat':{'boundsPeriod':{'start':'2020-02-01','end':'2020-05-03'}}}}");
    assert_true(has("date", dates("2020-01-07", "2020-05-03")));
    assert_int_equal(terms_of("date"), 1);
    extract_text("{'resourceType':'Observation','id':'o','effectiveDateTime':'yesterday'}");
    assert_int_equal(terms_of("date"), 0);
}

static void references_of_every_form_are_found(void **state)
{
    (void)state;
    extract_text("{'resourceType':'Observation','id':'o','subject':{'reference':'Patient/p',"
                 "'identifier':{'system':'urn:s','value':'v'}},"
                 "'performer':[{'reference':'urn:uuid:123'},{'reference':'#in'},"
                 "{'reference':'http://them/fhir/Practitioner/d/_history/4'}]}");
    assert_true(has("subject", SLICE("rp\0Patient")));
    assert_true(has("patient", SLICE("rp\0Patient")));
    assert_true(has("subject", token("urn:s", "v")));
    assert_true(has("performer", SLICE("lurn:uuid:123")));
    assert_true(has("performer", SLICE("lhttp://them/fhir/Practitioner/d/_history/4")));
    assert_true(has("performer", SLICE("lhttp://them/fhir/Practitioner/d")));
    assert_int_equal(terms_of("performer"), 3);
}

static void absolute_references_of_our_own_are_local(void **state)
{
    (void)state;
    static const struct {
        const char *reference, *base;
        bool is_local;
    } rows[] = {
        { "Patient/1", "", true },
        { "http://us/r4/Patient/1", "http://us/r4", true },
        { "http://us/r4/Patient/1/_history/2", "http://us/r4", true },
        { "http://us/r4x/Patient/1", "http://us/r4", false },
        { "https://us/r4/Patient/1", "http://us/r4", false },
        { "http://us/r4/Patient/1", "", false },
        { "http://a:8080/datastore/x/r4/Patient/1", "/datastore/x/r4", true },
        { "https://b/datastore/x/r4/Patient/1", "/datastore/x/r4", true },
        { "https://b/proxy/datastore/x/r4/Patient/1", "/datastore/x/r4", false },
        { "https://b/datastore/y/r4/Patient/1", "/datastore/x/r4", false },
        { "urn:uuid:1", "/datastore/x/r4", false },
        { "#Patient/1", "", false },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct fhir_reference r = fhir_reference_parse(slice_cstr(rows[i].reference));
        if (index_reference_is_local(r, slice_cstr(rows[i].base)) != rows[i].is_local)
            fail_msg("%s under '%s'", rows[i].reference, rows[i].base);
    }
}

static void the_deep_of_a_long_text_can_be_searched(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "{\"resourceType\":\"ValueSet\",\"id\":\"v\",\"description\":\"");
    for (int i = 0; i < 400; i++)
        buf_printf(&text, "Word%d ", i);
    buf_append_cstr(&text, "\"}");
    extract(buf_slice(&text));
    for (int i = 0; i < 400; i++) {
        char word[16];
        snprintf(word, sizeof word, "word%d", i);
        bool is_found = false;
        for (size_t t = 0; t < found.term_count; t++)
            is_found |= found.terms[t].field == field_of("description") &&
                        slice_find(found.terms[t].value, slice_cstr(word)) > 0;
        if (!is_found)
            fail_msg("%s is lost", word);
    }
    for (size_t t = 0; t < found.term_count; t++)
        assert_true(found.terms[t].value.length <= TERM_VALUE_BYTES_MAX);
    buf_release(&text);
}

static void hostile_shapes_are_passed_over(void **state)
{
    (void)state;
    extract_text("{'resourceType':'Patient','id':7,'identifier':{'system':[1],'value':{}},"
                 "'name':'x','gender':['a'],'birthDate':19,'telecom':[[]],"
                 "'managingOrganization':{'reference':{'reference':'Organization/x'}},"
                 "'meta':{'tag':[{'code':'a\\u0000b','system':'s'}],'profile':'p'}}");
    assert_false(has("_tag", SLICE("ca\0b")));
    assert_true(has("_tag", SLICE("ss")));
    assert_true(slice_is(found.appendix, "Organization/x\n"));
}

static void memory_that_ends_is_reported(void **state)
{
    (void)state;
    char *text = arena_copy(&arena, slice_cstr(patient));
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    struct json_doc doc;
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, &doc, NULL), ERR_NONE);
    enum err err = ERR_NO_MEMORY;
    for (size_t limit = 0; err; limit += 64) {
        struct arena small;
        struct extraction x;
        arena_init(&small, limit);
        err = index_extract(json_root(&doc), fhir_resource_find(SLICE("Patient")),
                            (struct index_basis){ .zone_us = 0 }, NULL,
                            &small, &x);
        assert_true(err == ERR_NONE || err == ERR_NO_MEMORY);
        arena_release(&small);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_patient_is_found_by_all_it_says),
        T(what_has_a_value_is_present_and_nothing_else),
        T(a_member_belongs_to_every_compartment_it_names),
        T(an_owner_lies_in_its_own_record),
        T(the_appendix_names_what_everything_adds_once),
        T(periods_and_timings_are_their_outer_limits),
        T(references_of_every_form_are_found),
        T(absolute_references_of_our_own_are_local),
        T(the_deep_of_a_long_text_can_be_searched),
        T(hostile_shapes_are_passed_over),
        T(memory_that_ends_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
