/* fhir/grammar.c - code systems that have a grammar instead of a list. */
#include <string.h>

#include "fhir/fhir.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- BCP 47: RFC 5646, section 2.1 ---- */

static bool is_all(struct slice part, bool may_be_digit)
{
    for (size_t i = 0; i < part.length; i++)
        if (!is_letter(part.bytes[i]) && !(may_be_digit && is_digit(part.bytes[i])))
            return false;
    return part.length > 0;
}

static bool is_word(struct slice part, size_t least, size_t most)
{
    return part.length >= least && part.length <= most && is_all(part, true);
}

static bool is_region(struct slice part)
{
    bool is_number = part.length == 3 && is_digit(part.bytes[0]) && is_digit(part.bytes[1]) &&
                     is_digit(part.bytes[2]);
    return is_number || (part.length == 2 && is_all(part, false));
}

static bool is_variant(struct slice part)
{
    return is_word(part, 5, 8) || (part.length == 4 && is_digit(part.bytes[0]) &&
                                   is_all(part, true));
}

/* On to the next subtag when this one fits. */
static void take(struct slice *part, struct slice *rest, bool fits)
{
    if (fits)
        *part = slice_cut(rest, '-');
}

/* What singletons begin, and all behind "x". */
static bool are_extensions(struct slice part, struct slice rest)
{
    while (part.length == 1 && is_all(part, true)) {
        bool is_private = part.bytes[0] == 'x' || part.bytes[0] == 'X';
        size_t least = is_private ? 1 : 2, count = 0;
        for (part = slice_cut(&rest, '-'); is_word(part, least, 8); count++)
            part = slice_cut(&rest, '-');
        if (count == 0)
            return false;
    }
    return part.length == 0 && rest.length == 0;
}

/* Registered before there was a grammar. */
static bool is_grandfathered(struct slice tag)
{
    static const char *const tags[] = { "en-GB-oed", "sgn-BE-FR", "sgn-BE-NL", "sgn-CH-DE" };
    for (size_t i = 0; i < ARRAY_COUNT(tags); i++)
        if (slice_equal_nocase(tag, slice_cstr(tags[i])))
            return true;
    struct slice rest = tag, first = slice_cut(&rest, '-');
    return first.length == 1 && (first.bytes[0] | 0x20) == 'i' && is_word(rest, 2, 8);
}

bool fhir_language_is_valid(struct slice tag)
{
    struct slice rest = tag, part = slice_cut(&rest, '-');
    if (is_grandfathered(tag))
        return true;
    if (tag.length == 0 || tag.bytes[tag.length - 1] == '-')
        return false;
    if (part.length == 1)
        return (part.bytes[0] | 0x20) == 'x' && are_extensions(part, rest);
    /* Four letters are reserved, and none are registered. */
    if (part.length == 4 || part.length > 8 || !is_all(part, false))
        return false;
    bool is_short = part.length <= 3;
    part = slice_cut(&rest, '-');
    for (int i = 0; i < 3; i++)
        take(&part, &rest, is_short && part.length == 3 && is_all(part, false));
    take(&part, &rest, part.length == 4 && is_all(part, false)); /* script */
    take(&part, &rest, is_region(part));
    while (is_variant(part))
        part = slice_cut(&rest, '-');
    return are_extensions(part, rest);
}

/* ---- BCP 13: RFC 6838, section 4.2; parameters of RFC 2045 ---- */

static bool is_media_name(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (s.bytes[i] == '\0' || (!is_letter(s.bytes[i]) && !is_digit(s.bytes[i]) &&
                                   !strchr("!#$&-^_.+*", s.bytes[i])))
            return false;
    return s.length > 0 && s.length <= 127;
}

/* token=token or token="..."; blanks in a value are let pass, as R4's examples have
 * them ("application/dicom; variant=DICOM QIDO-RS"). */
static bool is_parameter(struct slice text)
{
    struct slice value = text, name = slice_trim(slice_cut(&value, '='));
    value = slice_trim(value);
    bool is_quoted = value.length >= 2 && value.bytes[0] == '"' &&
                     value.bytes[value.length - 1] == '"';
    for (size_t i = 0; !is_quoted && i < value.length; i++)
        if (value.bytes[i] < ' ' || strchr("()<>@,;\\\"[]?=", value.bytes[i]))
            return false;
    return is_media_name(name) && value.length > 0;
}

/* What `_format` may say, and R4's own CapabilityStatements do. */
static bool is_format(struct slice text)
{
    return slice_is(text, "json") || slice_is(text, "xml") || slice_is(text, "ttl");
}

/* type/subtype, with parameters behind. */
bool fhir_media_type_is_valid(struct slice text)
{
    if (is_format(text))
        return true;
    struct slice parameters = text, name = slice_trim(slice_cut(&parameters, ';'));
    struct slice subtype = name, type = slice_cut(&subtype, '/');
    if (!is_media_name(type) || !is_media_name(subtype))
        return false;
    while (parameters.length > 0) {
        struct slice one = slice_trim(slice_cut(&parameters, ';'));
        if (one.length > 0 && !is_parameter(one))
            return false;
    }
    return true;
}

bool fhir_grammar_judge(struct slice system, struct slice code, bool *ret_is_valid)
{
    static const struct {
        const char *system;
        bool (*judge)(struct slice code);
    } rows[] = { { "http://unitsofmeasure.org", fhir_unit_is_valid },
                 { "urn:ietf:bcp:47", fhir_language_is_valid },
                 { "urn:ietf:bcp:13", fhir_media_type_is_valid } };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (!slice_is(system, rows[i].system))
            continue;
        *ret_is_valid = rows[i].judge(code);
        return true;
    }
    return false;
}
