#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "terminology/terminology.h"

struct fixture {
    struct terminology *t;
    struct arena arena;
    const char *const *texts; /* of the source: "url", "json", ... NULL */
    int asked;
    struct buf seen; /* codes visited */
};

static enum err find(void *context, enum terminology_kind kind, struct slice url,
                     struct slice version, struct arena *arena, struct slice *ret_text)
{
    struct fixture *f = context;
    (void)kind;
    (void)version;
    (void)arena;
    f->asked++;
    for (const char *const *t = f->texts; t && *t; t += 2)
        if (slice_is(url, t[0]))
            *ret_text = slice_cstr(t[1]);
    return ERR_NONE;
}

static void open_with(struct fixture *f, const char *const *texts)
{
    *f = (struct fixture){ .texts = texts };
    const struct terminology_source source = { f, find };
    arena_init(&f->arena, 64 << 20);
    buf_init(&f->seen, 1 << 20);
    assert_int_equal(terminology_open(&source, &f->t), ERR_NONE);
}

static void close_all(struct fixture *f)
{
    terminology_close(f->t);
    buf_release(&f->seen);
    arena_release(&f->arena);
}

static struct terminology_answer in_set(struct fixture *f, const char *set, const char *system,
                                        const char *code)
{
    struct terminology_answer answer;
    const struct terminology_code c = { .system = slice_cstr(system), .code = slice_cstr(code) };
    assert_int_equal(terminology_in_value_set(f->t, slice_cstr(set), &c, &f->arena, &answer),
                     ERR_NONE);
    return answer;
}

static struct terminology_answer in_system(struct fixture *f, const char *system,
                                           const char *code, const char *display)
{
    struct terminology_answer answer;
    const struct terminology_code c = { .system = slice_cstr(system),
                                        .code = slice_cstr(code),
                                        .display = slice_cstr(display) };
    assert_int_equal(terminology_in_system(f->t, &c, &f->arena, &answer), ERR_NONE);
    return answer;
}

static enum err remember(void *context, const struct terminology_code *code,
                         const struct terminology_answer *about)
{
    struct fixture *f = context;
    (void)about;
    if (f->seen.length)
        buf_append_byte(&f->seen, ' ');
    buf_append(&f->seen, code->code.length ? code->code : SLICE("*"));
    return ERR_NONE;
}

static const char *expanded(struct fixture *f, const char *set, enum terminology_reason *reason)
{
    struct slice about;
    buf_clear(&f->seen);
    assert_int_equal(terminology_expand(f->t, slice_cstr(set), 100000, &f->arena, remember, f,
                                        reason, &about),
                     ERR_NONE);
    buf_append_byte(&f->seen, '\0');
    return f->seen.bytes;
}

#define GENDER "http://hl7.org/fhir/administrative-gender"
#define GENDER_SET "http://hl7.org/fhir/ValueSet/administrative-gender"

static void r4_core_is_built_in(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f, NULL);
    assert_int_equal(in_set(&f, GENDER_SET, GENDER, "male").truth, TERMINOLOGY_YES);
    assert_int_equal(in_set(&f, GENDER_SET "|4.0.1", "", "male").truth, TERMINOLOGY_YES);
    assert_int_equal(in_set(&f, GENDER_SET, GENDER, "man").truth, TERMINOLOGY_NO);
    assert_int_equal(in_set(&f, GENDER_SET, "urn:x", "male").truth, TERMINOLOGY_NO);
    struct terminology_answer nowhere = in_set(&f, "urn:no-set", GENDER, "male");
    assert_int_equal(nowhere.truth, TERMINOLOGY_UNKNOWN);
    assert_int_equal(nowhere.reason, TERMINOLOGY_NO_VALUE_SET);
    assert_int_equal(in_set(&f, GENDER_SET "|3", GENDER, "male").truth, TERMINOLOGY_UNKNOWN);
    enum terminology_reason reason;
    assert_string_equal(expanded(&f, GENDER_SET, &reason), "male female other unknown");
    close_all(&f);
}

static void displays_are_compared_without_case_and_runs_of_blanks(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f, NULL);
    assert_false(in_system(&f, GENDER, "male", " MALE ").has_wrong_display);
    assert_true(in_system(&f, GENDER, "male", "Mail").has_wrong_display);
    assert_true(slice_is(in_system(&f, GENDER, "male", "").display, "Male"));
    close_all(&f);
}

static void grammars_judge_units_languages_and_media_types(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f, NULL);
    assert_int_equal(in_system(&f, "http://unitsofmeasure.org", "mg/dL", "").truth,
                     TERMINOLOGY_YES);
    assert_int_equal(in_system(&f, "http://unitsofmeasure.org", "mgs", "").truth, TERMINOLOGY_NO);
    assert_int_equal(in_system(&f, "urn:ietf:bcp:47", "de-CH", "").truth, TERMINOLOGY_YES);
    assert_int_equal(in_system(&f, "urn:ietf:bcp:47", "d_e", "").truth, TERMINOLOGY_NO);
    assert_int_equal(in_system(&f, "urn:ietf:bcp:13", "text/plain; charset=x", "").truth,
                     TERMINOLOGY_YES);
    assert_int_equal(in_system(&f, "urn:ietf:bcp:13", "text", "").truth, TERMINOLOGY_NO);
    close_all(&f);
}

static void systems_that_are_not_here_are_unknown_never_wrong(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f, NULL);
    struct terminology_answer a = in_system(&f, "http://loinc.org", "1-8", "");
    assert_int_equal(a.truth, TERMINOLOGY_UNKNOWN);
    assert_int_equal(a.reason, TERMINOLOGY_NO_SYSTEM);
    assert_int_equal(in_system(&f, GENDER, "x", "").reason, TERMINOLOGY_NO_CODE);
    close_all(&f);
}

static const char *const OWN[] = {
    "urn:s",
    "{\"resourceType\":\"CodeSystem\",\"url\":\"urn:s\",\"content\":\"complete\",\"concept\":["
    "{\"code\":\"a\",\"display\":\"A\",\"concept\":[{\"code\":\"a1\",\"concept\":[{\"code\":"
    "\"a11\"}]},{\"code\":\"a2\"}]},{\"code\":\"b\",\"property\":[{\"code\":\"kind\","
    "\"valueCode\":\"k1\"},{\"code\":\"notSelectable\",\"valueBoolean\":true}]},"
    "{\"code\":\"c\",\"property\":[{\"code\":\"parent\",\"valueCode\":\"a\"},{\"code\":\"parent\","
    "\"valueCode\":\"b\"},{\"code\":\"kind\",\"valueCode\":\"k2\"}]}]}",
    "urn:is-a",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"system\":\"urn:s\",\"filter\":[{"
    "\"property\":\"concept\",\"op\":\"is-a\",\"value\":\"a\"}]}],\"exclude\":[{\"system\":"
    "\"urn:s\",\"concept\":[{\"code\":\"a2\"}]}]}}",
    "urn:below",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"system\":\"urn:s\",\"filter\":[{"
    "\"property\":\"concept\",\"op\":\"descendent-of\",\"value\":\"b\"}]}]}}",
    "urn:regex",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"system\":\"urn:s\",\"filter\":[{"
    "\"property\":\"code\",\"op\":\"regex\",\"value\":\"a[0-9]+\"}]}]}}",
    "urn:in",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"system\":\"urn:s\",\"filter\":[{"
    "\"property\":\"kind\",\"op\":\"in\",\"value\":\"k2,k3\"}]}]}}",
    "urn:equal",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"system\":\"urn:s\",\"filter\":[{"
    "\"property\":\"kind\",\"op\":\"=\",\"value\":\"k1\"}]}]}}",
    "urn:both",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"valueSet\":[\"urn:is-a\","
    "\"urn:regex\"]}]}}",
    "urn:loop",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"valueSet\":[\"urn:loop\"]},"
    "{\"system\":\"urn:s\",\"concept\":[{\"code\":\"b\"}]}]}}",
    "urn:outside",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"system\":\"http://loinc.org\"},"
    "{\"system\":\"urn:s\",\"concept\":[{\"code\":\"b\"}]}]}}",
    "urn:expansion",
    "{\"resourceType\":\"ValueSet\",\"expansion\":{\"contains\":[{\"system\":\"urn:s\",\"code\":"
    "\"a\",\"contains\":[{\"system\":\"urn:s\",\"code\":\"a1\"}]},{\"system\":\"urn:t\","
    "\"code\":\"z\"}]}}",
    "urn:part",
    "{\"resourceType\":\"CodeSystem\",\"url\":\"urn:part\",\"content\":\"fragment\",\"concept\":["
    "{\"code\":\"a\",\"concept\":[{\"code\":\"a1\"}]},{\"code\":\"b\"}]}",
    "urn:of-part",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"system\":\"urn:part\","
    "\"filter\":[{\"property\":\"concept\",\"op\":\"is-a\",\"value\":\"a\"}]}]}}",
    "urn:not-of-part",
    "{\"resourceType\":\"ValueSet\",\"compose\":{\"include\":[{\"system\":\"urn:part\","
    "\"filter\":[{\"property\":\"concept\",\"op\":\"is-not-a\",\"value\":\"a\"}]}]}}",
    "urn:broken",
    "{\"resourceType\":\"ValueSet\",",
    NULL,
};

static void value_sets_of_a_source_are_judged_by_their_filters(void **state)
{
    struct fixture f;
    enum terminology_reason reason;
    (void)state;
    open_with(&f, OWN);
    assert_string_equal(expanded(&f, "urn:is-a", &reason), "a a1 a11 c");
    assert_string_equal(expanded(&f, "urn:below", &reason), "c");
    assert_string_equal(expanded(&f, "urn:regex", &reason), "a1 a11 a2");
    assert_string_equal(expanded(&f, "urn:in", &reason), "c");
    assert_string_equal(expanded(&f, "urn:equal", &reason), "b");
    assert_string_equal(expanded(&f, "urn:both", &reason), "a1 a11");
    assert_int_equal(reason, TERMINOLOGY_FOUND);
    assert_string_equal(expanded(&f, "urn:expansion", &reason), "a a1 z");
    static const char *const sets[] = { "urn:is-a", "urn:below", "urn:regex", "urn:in",
                                        "urn:equal", "urn:both", "urn:expansion" };
    static const char *const codes[] = { "a", "a1", "a11", "a2", "b", "c" };
    for (size_t i = 0; i < ARRAY_COUNT(sets); i++) {
        char list[200] = " ";
        strncat(list, expanded(&f, sets[i], &reason), 180);
        strncat(list, " ", 2);
        for (size_t k = 0; k < ARRAY_COUNT(codes); k++) {
            char word[20] = " ";
            strncat(word, codes[k], 10);
            strncat(word, " ", 2);
            assert_int_equal(in_set(&f, sets[i], "urn:s", codes[k]).truth == TERMINOLOGY_YES,
                             strstr(list, word) != NULL);
        }
    }
    assert_true(in_set(&f, "urn:equal", "urn:s", "b").is_abstract);
    close_all(&f);
}

static void what_a_part_of_a_system_does_not_show_is_unknown(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f, OWN);
    assert_int_equal(in_system(&f, "urn:part", "a1", "").truth, TERMINOLOGY_YES);
    struct terminology_answer a = in_system(&f, "urn:part", "c", "");
    assert_int_equal(a.truth, TERMINOLOGY_UNKNOWN);
    assert_true(a.is_in_part);
    assert_false(in_system(&f, "http://loinc.org", "1-8", "").is_in_part);
    assert_int_equal(in_set(&f, "urn:of-part", "urn:part", "a1").truth, TERMINOLOGY_YES);
    assert_int_equal(in_set(&f, "urn:of-part", "urn:part", "b").truth, TERMINOLOGY_UNKNOWN);
    assert_int_equal(in_set(&f, "urn:of-part", "urn:part", "c").truth, TERMINOLOGY_UNKNOWN);
    assert_int_equal(in_set(&f, "urn:not-of-part", "urn:part", "a1").truth, TERMINOLOGY_NO);
    assert_int_equal(in_set(&f, "urn:not-of-part", "urn:part", "b").truth, TERMINOLOGY_UNKNOWN);
    close_all(&f);
}

static void a_value_set_that_names_itself_ends(void **state)
{
    struct fixture f;
    enum terminology_reason reason;
    (void)state;
    open_with(&f, OWN);
    assert_int_equal(in_set(&f, "urn:loop", "urn:s", "b").truth, TERMINOLOGY_YES);
    assert_int_equal(in_set(&f, "urn:loop", "urn:s", "a").truth, TERMINOLOGY_UNKNOWN);
    assert_string_equal(expanded(&f, "urn:loop", &reason), "b");
    close_all(&f);
}

static void a_whole_system_that_is_not_here_is_told_as_such(void **state)
{
    struct fixture f;
    enum terminology_reason reason;
    (void)state;
    open_with(&f, OWN);
    assert_string_equal(expanded(&f, "urn:outside", &reason), "* b");
    assert_int_equal(reason, TERMINOLOGY_NO_SYSTEM);
    assert_int_equal(in_set(&f, "urn:outside", "http://loinc.org", "1").truth,
                     TERMINOLOGY_UNKNOWN);
    assert_int_equal(in_set(&f, "urn:outside", "urn:s", "a").truth, TERMINOLOGY_NO);
    close_all(&f);
}

static const char *relatives(struct fixture *f, const char *code, bool is_upward)
{
    const struct terminology_code c = { .system = SLICE("urn:s"), .code = slice_cstr(code) };
    buf_clear(&f->seen);
    assert_int_equal(terminology_relatives(f->t, &c, is_upward, &f->arena, remember, f), ERR_NONE);
    buf_append_byte(&f->seen, '\0');
    return f->seen.bytes;
}

static void hierarchies_go_down_and_up_over_all_parents(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f, OWN);
    assert_string_equal(relatives(&f, "a", false), "a a1 a11 a2 c");
    assert_string_equal(relatives(&f, "b", false), "b c");
    assert_string_equal(relatives(&f, "c", true), "c a b");
    assert_string_equal(relatives(&f, "a11", true), "a11 a a1");
    assert_string_equal(relatives(&f, "nothing", true), "");
    close_all(&f);
}

static void a_source_is_asked_once_until_it_is_forgotten(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f, OWN);
    in_set(&f, "urn:equal", "urn:s", "b");
    int asked = f.asked;
    in_set(&f, "urn:equal", "urn:s", "a");
    assert_int_equal(f.asked, asked);
    f.texts = NULL;
    terminology_forget(f.t);
    assert_int_equal(in_set(&f, "urn:equal", "urn:s", "b").truth, TERMINOLOGY_UNKNOWN);
    close_all(&f);
}

static void a_broken_resource_is_as_good_as_none(void **state)
{
    struct fixture f;
    (void)state;
    open_with(&f, OWN);
    assert_int_equal(in_set(&f, "urn:broken", "urn:s", "b").reason, TERMINOLOGY_NO_VALUE_SET);
    close_all(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r4_core_is_built_in),
        cmocka_unit_test(displays_are_compared_without_case_and_runs_of_blanks),
        cmocka_unit_test(grammars_judge_units_languages_and_media_types),
        cmocka_unit_test(systems_that_are_not_here_are_unknown_never_wrong),
        cmocka_unit_test(value_sets_of_a_source_are_judged_by_their_filters),
        cmocka_unit_test(what_a_part_of_a_system_does_not_show_is_unknown),
        cmocka_unit_test(a_value_set_that_names_itself_ends),
        cmocka_unit_test(a_whole_system_that_is_not_here_is_told_as_such),
        cmocka_unit_test(hierarchies_go_down_and_up_over_all_parents),
        cmocka_unit_test(a_source_is_asked_once_until_it_is_forgotten),
        cmocka_unit_test(a_broken_resource_is_as_good_as_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
