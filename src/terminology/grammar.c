/* terminology/grammar.c - code systems that have a grammar instead of a list. */
#include "fhir/fhir.h"
#include "terminology/library.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_letter_or_digit(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9');
}

/* BCP 47, its shape alone: subtags of 1 to 8 letters and digits, the first of
 * letters (2 or 3, 5 to 8 registered ones, or x- and i-). */
static bool is_language(struct slice code)
{
    struct slice rest = code;
    for (size_t at = 0; rest.bytes; at++) {
        struct slice part = slice_cut(&rest, '-');
        if (part.length < 1 || part.length > 8)
            return false;
        for (size_t i = 0; i < part.length; i++)
            if (at == 0 ? !is_letter(part.bytes[i]) : !is_letter_or_digit(part.bytes[i]))
                return false;
        if (at == 0 && part.length == 1 &&
            (!rest.bytes || !(slice_is(part, "x") || slice_is(part, "i"))))
            return false;
        if (at == 0 && part.length == 4)
            return false;
    }
    return true;
}

static bool is_media_name(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!is_letter_or_digit(s.bytes[i]) && !strchr("!#$&-^_.+*", s.bytes[i]))
            return false;
    return s.length > 0 && s.length <= 127;
}

/* type/subtype, with parameters behind. */
static bool is_media_type(struct slice code)
{
    struct slice parameters = code, name = slice_trim(slice_cut(&parameters, ';'));
    struct slice subtype = name, type = slice_cut(&subtype, '/');
    return is_media_name(type) && is_media_name(subtype);
}

enum terminology_truth grammar_judge(struct slice system, struct slice code)
{
    static const struct {
        const char *system;
        bool (*judge)(struct slice code);
    } rows[] = { { "http://unitsofmeasure.org", fhir_unit_is_valid },
                 { "urn:ietf:bcp:47", is_language },
                 { "urn:ietf:bcp:13", is_media_type } };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        if (slice_is(system, rows[i].system))
            return rows[i].judge(code) ? TERMINOLOGY_YES : TERMINOLOGY_NO;
    return TERMINOLOGY_UNKNOWN;
}
