/* fhir/format.c - primitives by R4's regular expressions and value rules. */
#include "fhir/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "fhir/moment.h"

enum {
    STRING_CHARACTERS_MAX = 1024 * 1024,
    DECIMAL_DIGITS_MAX = 18,    /* what R4 asks implementations to keep */
    DECIMAL_EXPONENT_MAX = 128, /* of ten: beyond, common libraries give up */
    YEAR_FIRST = 1800,
    YEARS_AHEAD = 80,
};

static enum format_verdict say(enum format_verdict verdict, char room[FORMAT_TEXT_BYTES],
                               const char *format, ...) PRINTF_LIKE(3, 4);
static enum format_verdict say(enum format_verdict verdict, char room[FORMAT_TEXT_BYTES],
                               const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(room, FORMAT_TEXT_BYTES, format, args);
    va_end(args);
    return verdict;
}
#define SHORT(text) SLICE_ARGS(slice_head((text), 100))

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* ---- codes, ids, uris ---- */

static bool is_code(struct slice s)
{
    for (size_t i = 0; i < s.length; i++) {
        bool is_edge = i == 0 || i + 1 == s.length;
        if ((unsigned char)s.bytes[i] <= ' ' &&
            (s.bytes[i] != ' ' || is_edge || is_blank(s.bytes[i + 1])))
            return false;
    }
    return true;
}

static enum format_verdict check_id(const struct format_ask *ask, char room[FORMAT_TEXT_BYTES])
{
    struct slice s = ask->text;
    if (fhir_id_is_valid(s))
        return FORMAT_GOOD;
    if (!ask->is_resource_id)
        return say(FORMAT_WRONG, room, "id value '%.*s' is not valid", SHORT(s));
    if (s.length > 64)
        return say(FORMAT_WRONG, room, "Invalid Resource id: Too long (%zu chars)", s.length);
    return say(FORMAT_WRONG, room, "Invalid Resource id: Invalid Characters ('%.*s')", SHORT(s));
}

/* [0-2](\.(0|[1-9][0-9]*))+ */
static bool is_oid(struct slice s)
{
    struct slice rest = s, first = slice_cut(&rest, '.');
    if (first.length != 1 || first.bytes[0] < '0' || first.bytes[0] > '2' || !rest.bytes)
        return false;
    while (rest.bytes) {
        struct slice part = slice_cut(&rest, '.');
        if (part.length == 0 || (part.bytes[0] == '0' && part.length > 1))
            return false;
        for (size_t i = 0; i < part.length; i++)
            if (!is_digit(part.bytes[i]))
                return false;
    }
    return true;
}

static bool has_scheme(struct slice s)
{
    size_t i = 0;
    while (i < s.length && (((s.bytes[i] | 0x20) >= 'a' && (s.bytes[i] | 0x20) <= 'z') ||
                            (i > 0 && (is_digit(s.bytes[i]) || strchr("+-.", s.bytes[i])))))
        i++;
    return i > 0 && i < s.length && s.bytes[i] == ':';
}

static bool has_capitals(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (s.bytes[i] >= 'A' && s.bytes[i] <= 'F')
            return true;
    return false;
}

/* R4's type uuid has small letters alone; a uri had better. */
static enum format_verdict check_uuid(struct slice s, bool is_uuid_type,
                                      char room[FORMAT_TEXT_BYTES])
{
    bool is_valid = uuid_is_valid(s);
    if (is_valid && !has_capitals(s))
        return FORMAT_GOOD;
    return say(is_valid && !is_uuid_type ? FORMAT_DOUBTFUL : FORMAT_WRONG, room,
               "UUIDs must be valid and lowercase (%.*s)", SHORT(s));
}

static enum format_verdict check_uri(uint16_t type, struct slice s, char room[FORMAT_TEXT_BYTES])
{
    struct slice uuid = SLICE("urn:uuid:"), oid = SLICE("urn:oid:");
    bool is_uuid_type = type == FHIR_TYPE_UUID;
    for (size_t i = 0; i < s.length; i++)
        if ((unsigned char)s.bytes[i] <= ' ')
            return say(FORMAT_WRONG, room, "URI values cannot have whitespace('%.*s')", SHORT(s));
    if (slice_starts_with(s, SLICE("oid:")))
        return say(FORMAT_WRONG, room, "URI values cannot start with oid:");
    if (slice_starts_with(s, SLICE("uuid:")))
        return say(FORMAT_WRONG, room, "URI values cannot start with uuid:");
    if (type == FHIR_TYPE_OID && !slice_starts_with(s, oid))
        return say(FORMAT_WRONG, room, "OIDs must start with urn:oid:");
    if (is_uuid_type && !slice_starts_with(s, uuid))
        return say(FORMAT_WRONG, room, "UUIDs must start with urn:uuid:");
    /* R4 says so; but its own examples break it more often than not. */
    if (type == FHIR_TYPE_CANONICAL && s.bytes[0] != '#' && !has_scheme(s))
        return say(FORMAT_DOUBTFUL, room,
                   "Canonical URLs must be absolute URLs if they are not fragment references "
                   "(%.*s)",
                   SHORT(s));
    if (!slice_starts_with(s, SLICE("urn:")))
        return FORMAT_GOOD;
    struct slice rest = s, name = slice_cut(&rest, '#');
    if (type == FHIR_TYPE_CANONICAL) {
        rest = name;
        name = slice_cut(&rest, '|');
    }
    if (slice_starts_with(s, uuid))
        return check_uuid(slice_from(name, uuid.length), is_uuid_type, room);
    if (slice_starts_with(s, oid) && !is_oid(slice_from(name, oid.length)))
        return say(FORMAT_WRONG, room, "OIDs must be valid (%.*s)",
                   SHORT(slice_from(name, oid.length)));
    return FORMAT_GOOD;
}

/* ---- dates and times ---- */

/* Of a text whose form is right. */
static enum format_verdict check_year(const struct format_ask *ask, char room[FORMAT_TEXT_BYTES])
{
    uint64_t year;
    if (ask->this_year == 0 || !slice_parse_u64(slice_head(ask->text, 4), &year) ||
        (year >= YEAR_FIRST && year <= (uint64_t)ask->this_year + YEARS_AHEAD))
        return FORMAT_GOOD;
    return say(FORMAT_DOUBTFUL, room,
               "The value '%.*s' is outside the range of reasonable years - check for data entry "
               "error",
               SHORT(ask->text));
}

static enum format_verdict check_date(const struct format_ask *ask, char room[FORMAT_TEXT_BYTES])
{
    struct moment m;
    if (!moment_parse_date(ask->text, &m))
        return say(FORMAT_WRONG, room,
                   "Not a valid date ('%.*s' doesn't meet format requirements for date)",
                   SHORT(ask->text));
    return check_year(ask, room);
}

static enum format_verdict check_date_time(const struct format_ask *ask,
                                           char room[FORMAT_TEXT_BYTES])
{
    struct moment m;
    struct slice s = ask->text;
    bool is_instant = ask->type->id == FHIR_TYPE_INSTANT, is_good = moment_parse_date_time(s, &m);
    bool is_partial = is_good && (s.bytes[s.length - 1] == 'T' || m.precision == MOMENT_HOUR ||
                                  m.precision == MOMENT_MINUTE);
    bool has_time = is_good && m.precision >= MOMENT_SECOND;
    if (is_instant && (!is_good || is_partial || !has_time || !m.has_zone))
        return say(FORMAT_WRONG, room,
                   "The instant '%.*s' is not valid: it needs seconds and a timezone", SHORT(s));
    if (!is_good || is_partial)
        return say(FORMAT_WRONG, room,
                   "Not a valid date/time ('%.*s' doesn't meet format requirements for dateTime)",
                   SHORT(s));
    if (has_time && !m.has_zone)
        return say(FORMAT_WRONG, room, "If a date has a time, it must have a timezone");
    return check_year(ask, room);
}

static enum format_verdict check_time(struct slice s, char room[FORMAT_TEXT_BYTES])
{
    struct moment m;
    bool is_good = s.bytes[0] != 'T' && moment_parse_time(s, &m) && m.precision >= MOMENT_SECOND;
    return is_good ? FORMAT_GOOD
                   : say(FORMAT_WRONG, room,
                         "Not a valid time ('%.*s' doesn't meet format requirements for time)",
                         SHORT(s));
}

/* ---- base64 ---- */

static bool is_base64(struct slice s, bool *ret_has_blank)
{
    size_t count = 0, padding = 0;
    *ret_has_blank = false;
    for (size_t i = 0; i < s.length; i++) {
        char c = s.bytes[i];
        if (is_blank(c)) {
            *ret_has_blank = true;
            continue;
        }
        bool is_letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '+' || c == '/';
        if (c != '=' && (!is_letter || padding > 0))
            return false;
        padding += c == '=';
        count++;
    }
    return count % 4 == 0 && padding <= 2;
}

bool fhir_base64_is_valid(struct slice text)
{
    bool has_blank;
    return is_base64(text, &has_blank);
}

static enum format_verdict check_base64(struct slice s, char room[FORMAT_TEXT_BYTES])
{
    bool has_blank;
    if (!is_base64(s, &has_blank))
        return say(FORMAT_WRONG, room, "The value '%.*s' is not a valid Base64 value",
                   SLICE_ARGS(s.length < 100 ? s : SLICE("(snip)")));
    if (has_blank)
        return say(FORMAT_DOUBTFUL, room,
                   "Base64 encoded values SHOULD not contain any whitespace (per RFC 4648). Note "
                   "that non-validating readers are encouraged to accept whitespace anyway");
    return FORMAT_GOOD;
}

/* ---- texts ---- */

/* Of UTF-8 that the parser has checked. */
static size_t count_characters(struct slice s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.length; i++)
        count += ((unsigned char)s.bytes[i] & 0xc0) != 0x80;
    return count;
}

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if ((unsigned char)s.bytes[i] < ' ' && s.bytes[i] != '\t' && s.bytes[i] != '\n' &&
            s.bytes[i] != '\r')
            return true;
    return false;
}

static bool is_all_blank(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!is_blank(s.bytes[i]))
            return false;
    return true;
}

static enum format_verdict check_string(const struct format_ask *ask, char room[FORMAT_TEXT_BYTES])
{
    struct slice s = ask->text;
    if (s.length > STRING_CHARACTERS_MAX && count_characters(s) > STRING_CHARACTERS_MAX)
        return say(FORMAT_WRONG, room,
                   "value is longer than permitted maximum length of 1 MB (1048576 bytes)");
    if (ask->type->id == FHIR_TYPE_MARKDOWN)
        return FORMAT_GOOD;
    if (is_all_blank(s))
        return say(FORMAT_DOUBTFUL, room, "value should not be only whitespace");
    if (is_blank(s.bytes[0]) || is_blank(s.bytes[s.length - 1]))
        return say(FORMAT_DOUBTFUL, room, "value should not start or finish with whitespace '%.*s'",
                   SHORT(s));
    return FORMAT_GOOD;
}

/* ---- numbers ---- */

static enum format_verdict check_integer(const struct format_ask *ask, char room[FORMAT_TEXT_BYTES])
{
    struct decimal value;
    int64_t whole;
    struct slice s = ask->text;
    bool is_plain =
        slice_find_byte(s, '.') < 0 && slice_find_byte(s, 'e') < 0 && slice_find_byte(s, 'E') < 0;
    if (!is_plain || !decimal_parse(s, &value) || !decimal_to_int64(value, &whole) ||
        whole > INT32_MAX || whole < INT32_MIN)
        return say(FORMAT_WRONG, room, "The value '%.*s' is not a valid integer", SHORT(s));
    if (ask->type->id == FHIR_TYPE_POSITIVE_INT && whole < 1)
        return say(FORMAT_WRONG, room, "value is less than permitted minimum value of 1");
    if (ask->type->id == FHIR_TYPE_UNSIGNED_INT && whole < 0)
        return say(FORMAT_WRONG, room, "value is less than permitted minimum value of 0");
    return FORMAT_GOOD;
}

/* Any JSON number is a decimal; but not all software keeps all of it. */
static enum format_verdict check_decimal(struct slice s, char room[FORMAT_TEXT_BYTES])
{
    size_t digits = 0, exponent = 0, i = 0;
    for (; i < s.length && (s.bytes[i] | 0x20) != 'e'; i++)
        digits += is_digit(s.bytes[i]) && (digits > 0 || s.bytes[i] != '0');
    for (; i < s.length && exponent <= DECIMAL_EXPONENT_MAX; i++)
        if (is_digit(s.bytes[i]))
            exponent = exponent * 10 + (size_t)(s.bytes[i] - '0');
    if (digits <= DECIMAL_DIGITS_MAX && exponent <= DECIMAL_EXPONENT_MAX)
        return FORMAT_GOOD;
    return say(FORMAT_DOUBTFUL, room,
               "The value '%.*s' is outside the range of commonly/reasonably supported decimals",
               SHORT(s));
}

/* ---- all of them ---- */

static enum format_verdict check_type(const struct format_ask *ask, char room[FORMAT_TEXT_BYTES])
{
    struct slice s = ask->text;
    switch (ask->type->id) {
    case FHIR_TYPE_CODE:
        return is_code(s) ? FORMAT_GOOD
                          : say(FORMAT_WRONG, room,
                                "The code '%.*s' is not valid (whitespace rules)", SHORT(s));
    case FHIR_TYPE_ID:
        return check_id(ask, room);
    case FHIR_TYPE_URI:
    case FHIR_TYPE_URL:
    case FHIR_TYPE_CANONICAL:
    case FHIR_TYPE_OID:
    case FHIR_TYPE_UUID:
        return check_uri(ask->type->id, s, room);
    case FHIR_TYPE_DATE:
        return check_date(ask, room);
    case FHIR_TYPE_DATE_TIME:
    case FHIR_TYPE_INSTANT:
        return check_date_time(ask, room);
    case FHIR_TYPE_TIME:
        return check_time(s, room);
    case FHIR_TYPE_BASE64_BINARY:
        return check_base64(s, room);
    case FHIR_TYPE_INTEGER:
    case FHIR_TYPE_POSITIVE_INT:
    case FHIR_TYPE_UNSIGNED_INT:
        return check_integer(ask, room);
    case FHIR_TYPE_DECIMAL:
        return check_decimal(s, room);
    case FHIR_TYPE_XHTML: /* fhir/xhtml.c */
    case FHIR_TYPE_BOOLEAN:
        return FORMAT_GOOD;
    default:
        return check_string(ask, room);
    }
}

enum format_verdict format_check(const struct format_ask *ask, char room[FORMAT_TEXT_BYTES])
{
    if (ask->has_escapes && has_control(ask->text))
        return say(FORMAT_WRONG, room,
                   "strings have no characters below U+0020 but tab, CR and LF");
    return check_type(ask, room);
}
