/* What is wrong with definitions themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "profile/profile.h"

enum { ROOM = 64 << 20 };

struct world {
    struct arena arena;
    struct profile_set *set;
    char told[4000]; /* "element.discriminator: text\n" of each fault, a warning with '?' */
};

static int set_up(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    arena_init(&w.arena, ROOM);
    assert_int_equal(profile_set_open(NULL, &w.set, NULL), ERR_NONE);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    profile_set_unref(w->set);
    arena_release(&w->arena);
    return 0;
}

static void take(void *context, const struct profile_fault *f)
{
    struct world *w = context;
    size_t length = strlen(w->told);
    assert_true(json_exists(f->where));
    snprintf(w->told + length, sizeof w->told - length, "%s%lld.%lld: %.*s\n",
             f->is_warning ? "?" : "", (long long)f->element, (long long)f->discriminator,
             SLICE_ARGS(f->text));
}

static const char *examine(struct world *w, const char *type, const char *base, const char *list)
{
    char text[4000];
    struct json_doc doc;
    snprintf(text, sizeof text,
             "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://t/x\",\"type\":\"%s\","
             "\"derivation\":\"constraint\",\"baseDefinition\":\"%s\",\"differential\":{"
             "\"element\":[%s]}}",
             type, base, list);
    w->told[0] = '\0';
    assert_int_equal(json_parse(slice_cstr(text), NULL, &w->arena, &doc, NULL), ERR_NONE);
    assert_int_equal(profile_examine(w->set, json_root(&doc), &w->arena, take, w), ERR_NONE);
    return w->told;
}

#define CORE "http://hl7.org/fhir/StructureDefinition/"
#define ELEMENT(path, more) "{\"path\":\"" path "\"" more "}"

static void expect(const char *told, const char *start, const char *part)
{
    if (strncmp(told, start, strlen(start)) != 0 || !strstr(told, part))
        fail_msg("'%s' has not '%s' and '%s'", told, start, part);
}

static void what_fits_its_base_is_fine(void **state)
{
    /* clang-format off */
    const char *list =
        ELEMENT("Patient", "") ","
        ELEMENT("Patient.identifier.system", ",\"min\":1") ","
        ELEMENT("Patient.name", ",\"slicing\":{\"discriminator\":[{\"type\":\"value\",\"path\":"
                "\"use\"},{\"type\":\"value\",\"path\":\"extension('http://x').value\"}],"
                "\"rules\":\"open\"}") ","
        ELEMENT("Patient.name", ",\"sliceName\":\"old\"") ","
        ELEMENT("Patient.name.use", ",\"fixedCode\":\"old\"") ","
        ELEMENT("Patient.deceasedBoolean", ",\"min\":1") ","
        ELEMENT("Patient.gender", ",\"binding\":{\"strength\":\"required\"}");
    /* clang-format on */
    /* gender stands before deceased[x] in the base: told, and nothing else. */
    expect(examine(*state, "Patient", CORE "Patient", list), "5.-1: No match found for Patient.dec",
           "including order");
    assert_null(strchr(strchr(((struct world *)*state)->told, '\n') + 1, '\n'));
}

static void what_is_not_in_the_base_is_told_with_its_path(void **state)
{
    expect(examine(*state, "Patient", CORE "Patient", ELEMENT("Patient.shoeSize", "")),
           "-1.-1: Error generating Snapshot", "Patient.shoeSize");
}

static void discriminators_must_lead_somewhere(void **state)
{
    expect(examine(*state, "Patient", CORE "Patient",
                   ELEMENT("Patient.extension",
                           ",\"slicing\":{\"discriminator\":[{\"type\":\"value\",\"path\":\"url\"},"
                           "{\"type\":\"value\",\"path\":\"type\"}],\"rules\":\"open\"}")),
           "0.1: The discriminator path 'type'", "being sliced 'Patient.extension'");
}

static void the_root_cannot_be_sliced(void **state)
{
    expect(examine(*state, "Patient", CORE "Patient",
                   ELEMENT("Patient", ",\"slicing\":{\"rules\":\"open\"}")),
           "0.-1: Slicing is not allowed at the root", "slicing at the root ('Patient')");
}

static void a_fixed_value_of_the_base_stays(void **state)
{
    const char *base = CORE "patient-birthPlace";
    expect(examine(*state, "Extension", base,
                   ELEMENT("Extension.url", ",\"fixedUri\":\"http://t/x\"")),
           "0.-1: Value is 'http://t/x' but is fixed to '" CORE "patient-birthPlace'", "base");
    assert_string_equal(
        examine(*state, "Extension", base,
                ELEMENT("Extension.url", ",\"fixedUri\":\"" CORE "patient-birthPlace\"")),
        "");
}

static void only_coded_elements_have_bindings(void **state)
{
    expect(examine(*state, "Patient", CORE "Patient",
                   ELEMENT("Patient.birthDate", ",\"binding\":{\"strength\":\"required\"}")),
           "0.-1: This element has a Binding but the types [date]", "relevant");
}

static void an_unknown_base_is_a_warning(void **state)
{
    expect(examine(*state, "Patient", "http://nobody/knows", ELEMENT("Patient.name", "")),
           "?-1.-1: Unable to find base definition", "http://nobody/knows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_its_base_is_fine),
        cmocka_unit_test(what_is_not_in_the_base_is_told_with_its_path),
        cmocka_unit_test(discriminators_must_lead_somewhere),
        cmocka_unit_test(the_root_cannot_be_sliced),
        cmocka_unit_test(a_fixed_value_of_the_base_stays),
        cmocka_unit_test(only_coded_elements_have_bindings),
        cmocka_unit_test(an_unknown_base_is_a_warning),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
