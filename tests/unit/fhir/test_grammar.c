/* Languages, media types: what the grammars take and refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fhir/fhir.h"

static void expect(bool (*judge)(struct slice), const char *const *texts, size_t count, bool is)
{
    for (size_t i = 0; i < count; i++)
        if (judge(slice_cstr(texts[i])) != is)
            fail_msg("'%s' is %s", texts[i], is ? "refused" : "taken");
}

static void languages_have_the_shape_of_bcp_47(void **state)
{
    (void)state;
    static const char *const good[] = {
        "en", "de-CH", "DE-ch", "zh-Hant-TW", "sl-rozaj-biske-1994", "es-419", "zh-cmn-Hans-CN",
        "en-a-bbb-x-a-ccc", "x-whatever", "i-klingon", "en-GB-oed", "de-1996", "ab-x-abc-x-abc",
    };
    static const char *const bad[] = {
        "", "e", "en_US", "en-", "-en", "en--US", "de-419-DE-x", "english language", "en-US-US",
        "a-DE", "x-", "engl", "abcdefghi", "en-x", "12", "en-\xc3\xa9",
    };
    expect(fhir_language_is_valid, good, ARRAY_COUNT(good), true);
    expect(fhir_language_is_valid, bad, ARRAY_COUNT(bad), false);
}

static void media_types_have_two_names_and_parameters(void **state)
{
    (void)state;
    static const char *const good[] = {
        "application/pdf", "text/plain; charset=utf-8", "application/fhir+json;fhirVersion=4.0",
        "text/plain;charset=\"utf-8\"", "image/*", "text/cql", "json",
        "application/dicom; variant=DICOM WADO-RS",
    };
    static const char *const bad[] = {
        "", "pdf", "application/", "/pdf", "text/plain/x", "text plain", "text/plain; charset",
        "text/plain; =x", "a/b;c=", "text/pl\xc3\xa9", "application/pdf, text/plain",
    };
    expect(fhir_media_type_is_valid, good, ARRAY_COUNT(good), true);
    expect(fhir_media_type_is_valid, bad, ARRAY_COUNT(bad), false);
    assert_false(fhir_media_type_is_valid(slice_of("a\0/b", 4)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages_have_the_shape_of_bcp_47),
        cmocka_unit_test(media_types_have_two_names_and_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
