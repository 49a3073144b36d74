#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

static void folds_to(const char *text, const char *folded)
{
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(utf8_fold(&out, slice_cstr(text)), ERR_NONE);
    if (!slice_is(buf_slice(&out), folded))
        fail_msg("%s gave %.*s", text, SLICE_ARGS(buf_slice(&out)));
    buf_release(&out);
}

static void folding_removes_case_accents_and_width(void **state)
{
    (void)state;
    folds_to("", "");
    folds_to("O'Brien-SMITH", "o'brien-smith");
    folds_to("José Ñandú", "jose nandu");
    folds_to("e\xCC\x81t\xC3\xA9", "ete");
    folds_to("ＡＢＣ１２", "abc12");
    folds_to("Straße STRASSE", "strasse strasse");
    folds_to("ﬁn", "fin");
    folds_to("İstanbul ISPARTA ısparta", "istanbul isparta isparta");
    folds_to("ΣΊΣΥΦΟΣ", "σισυφοσ");
    folds_to("Łódź Ørsted Đorđe Ħal Þór Æsir Œuvre Ŧ",
             "lodz orsted dorde hal thor aesir oeuvre t");
    folds_to("日本", "日本");
    folds_to("O’Brien Jean–Luc “x”", "o'brien jean-luc \"x\"");
    folds_to("Ɔkɔ Ɛsi Ǝli Ɲa", "oko esi eli na");
}

static void vowel_signs_are_letters_and_accents_are_not(void **state)
{
    (void)state;
    folds_to("कुमार कमर ज़ैन", "कुमार कमर जैन"); /* the dot below is an accent */
    folds_to("தமிழ்", "தமிழ்");
    folds_to("น้ำ", "น\xE0\xB9\x8D" "า"); /* without its tone */
    folds_to("מֹשֶׁה", "משה");
    folds_to("مُحَمَّد أحمد", "محمد احمد");
    folds_to("Việt", "viet");
    folds_to("がく", "かく");
    folds_to("한", "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB");
}

static void a_letter_is_told_from_what_parts_words(void **state)
{
    (void)state;
    assert_int_equal(utf8_letter_bytes(slice_cstr("éx")), 2);
    assert_int_equal(utf8_letter_bytes(slice_cstr("कि")), 3);
    assert_int_equal(utf8_letter_bytes(slice_cstr("\xE0\xA4\xBF")), 3); /* a mark */
    assert_int_equal(utf8_letter_bytes(slice_cstr("9")), 1);
    assert_int_equal(utf8_letter_bytes(slice_cstr("，")), 0);
    assert_int_equal(utf8_letter_bytes(slice_cstr("“")), 0);
    assert_int_equal(utf8_letter_bytes(slice_cstr("\xFF")), 0);
    assert_int_equal(utf8_letter_bytes(SLICE_NONE), 0);
}

static void runs_of_white_space_become_one_blank_and_ends_are_trimmed(void **state)
{
    (void)state;
    folds_to("  a \t\n b\xC2\xA0\xE3\x80\x80" "c ", "a b c");
    folds_to(" \xE2\x80\x83 ", "");
}

static void folding_again_changes_nothing_for_any_character(void **state)
{
    (void)state;
    struct buf one, two, once;
    buf_init(&one, 100);
    buf_init(&once, 1000);
    buf_init(&two, 1000);
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        if (c == 0x30000)
            c = 0xE0000; /* nothing is assigned between but ideographs */
        if (c == 0xE1000)
            break; /* private use follows */
        buf_clear(&one);
        buf_clear(&once);
        buf_clear(&two);
        buf_append_byte(&one, 'x');
        utf8_append(&one, c);
        buf_append_byte(&one, 'y');
        assert_true(utf8_is_valid(buf_slice(&one)));
        assert_int_equal(utf8_fold(&once, buf_slice(&one)), ERR_NONE);
        assert_int_equal(utf8_fold(&two, buf_slice(&once)), ERR_NONE);
        if (!slice_equal(buf_slice(&once), buf_slice(&two)))
            fail_msg("U+%04X", c);
    }
    buf_release(&one);
    buf_release(&once);
    buf_release(&two);
}

static void bytes_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    const char *bad[] = { "\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
                          "abc\xC3", "\xE2\x82", "\xF0\x9F\x98", "0123456789abcdef\xE2(\xA1" };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(utf8_is_valid(slice_cstr(bad[i])));
        assert_int_equal(utf8_fold(&out, slice_cstr(bad[i])), ERR_INVALID);
    }
    buf_release(&out);
    assert_true(utf8_is_valid(SLICE_NONE));
    assert_true(utf8_is_valid(SLICE("\xF4\x8F\xBF\xBF \xED\x9F\xBF \xEE\x80\x80")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_removes_case_accents_and_width),
        cmocka_unit_test(vowel_signs_are_letters_and_accents_are_not),
        cmocka_unit_test(a_letter_is_told_from_what_parts_words),
        cmocka_unit_test(runs_of_white_space_become_one_blank_and_ends_are_trimmed),
        cmocka_unit_test(folding_again_changes_nothing_for_any_character),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
