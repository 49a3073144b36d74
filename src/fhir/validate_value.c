/* fhir/validate_value.c - single values: formats, codes, references. */
#include "base/codec.h"
#include "fhir/fhirpath_functions.h"
#include "fhir/validate.h"

enum { TEXT_BYTES_MAX = 1024 * 1024 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* ---- formats: NULL, or what is wrong ---- */

static const char *check_code(struct slice s)
{
    for (size_t i = 0; i < s.length; i++) {
        bool is_edge = i == 0 || i + 1 == s.length;
        if (is_blank(s.bytes[i]) && (is_edge || is_blank(s.bytes[i + 1])))
            return "a code has no white space at its ends, and single blanks inside";
    }
    return NULL;
}

/* urn:oid:[0-2](\.(0|[1-9][0-9]*))+ */
static bool is_oid(struct slice s)
{
    struct slice rest = slice_from(s, strlen("urn:oid:"));
    if (!slice_starts_with(s, SLICE("urn:oid:")))
        return false;
    struct slice first = slice_cut(&rest, '.');
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

static const char *check_uri(struct slice s)
{
    struct slice uuid = SLICE("urn:uuid:");
    for (size_t i = 0; i < s.length; i++)
        if (is_blank(s.bytes[i]))
            return "URI values cannot have white space";
    if (slice_starts_with(s, uuid) && !uuid_is_valid(slice_from(s, uuid.length)))
        return "UUIDs must be valid";
    if (slice_starts_with(s, SLICE("urn:oid:")) && !is_oid(s))
        return "OIDs must be valid";
    return NULL;
}

static const char *check_date_time(struct slice s, bool is_instant)
{
    struct moment m;
    if (!moment_parse_date_time(s, &m))
        return "not a valid date or time";
    bool ends_with_t = s.bytes[s.length - 1] == 'T';
    bool is_partial = m.precision == MOMENT_HOUR || m.precision == MOMENT_MINUTE;
    if (ends_with_t || is_partial)
        return "a time needs hours, minutes and seconds";
    if (m.precision >= MOMENT_SECOND && !m.has_zone)
        return "if a date has a time, it must have a timezone";
    if (is_instant && m.precision < MOMENT_SECOND)
        return "an instant is precise to the second";
    return NULL;
}

static bool is_base64(struct slice s)
{
    size_t count = 0, padding = 0;
    for (size_t i = 0; i < s.length; i++) {
        char c = s.bytes[i];
        if (is_blank(c))
            continue;
        bool is_letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '+' || c == '/';
        if (c != '=' && (!is_letter || padding > 0))
            return false;
        padding += c == '=';
        count++;
    }
    return count % 4 == 0 && padding <= 2;
}

static const char *check_time(struct slice s)
{
    struct moment m;
    bool is_good = s.bytes[0] != 'T' && moment_parse_time(s, &m) && m.precision >= MOMENT_SECOND;
    return is_good ? NULL : "not a valid time (hh:mm:ss)";
}

static bool has_text(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if (!is_blank(s.bytes[i]))
            return true;
    return false;
}

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.length; i++)
        if ((unsigned char)s.bytes[i] < ' ' && !is_blank(s.bytes[i]))
            return true;
    return false;
}

/* Of a JSON string. */
static const char *check_text(const struct fhir_type *type, struct slice s)
{
    struct moment m;
    const char *reason = NULL;
    switch (type->id) {
    case FHIR_TYPE_CODE:
        return check_code(s);
    case FHIR_TYPE_ID:
        return fhir_id_is_valid(s) ? NULL : "ids are 1 to 64 letters, digits, '-' and '.'";
    case FHIR_TYPE_URI:
    case FHIR_TYPE_URL:
    case FHIR_TYPE_CANONICAL:
        return check_uri(s);
    case FHIR_TYPE_OID:
        return is_oid(s) ? NULL : "OIDs are urn:oid: and numbers";
    case FHIR_TYPE_UUID:
        return slice_starts_with(s, SLICE("urn:uuid:")) && uuid_is_valid(slice_from(s, 9))
                   ? NULL
                   : "UUIDs are urn:uuid: and 36 characters";
    case FHIR_TYPE_DATE:
        return moment_parse_date(s, &m) ? NULL : "not a valid date";
    case FHIR_TYPE_DATE_TIME:
    case FHIR_TYPE_INSTANT:
        return check_date_time(s, type->id == FHIR_TYPE_INSTANT);
    case FHIR_TYPE_TIME:
        return check_time(s);
    case FHIR_TYPE_BASE64_BINARY:
        return is_base64(s) ? NULL : "not valid base64";
    case FHIR_TYPE_XHTML:
        xhtml_is_narrative(s, &reason);
        return reason;
    default:
        return has_text(s) ? NULL : "a text of white space only";
    }
}

/* ---- numbers ---- */

static const char *check_integer(const struct fhir_type *type, struct slice text)
{
    struct decimal value;
    int64_t whole;
    bool is_plain = slice_find_byte(text, '.') < 0 && slice_find_byte(text, 'e') < 0 &&
                    slice_find_byte(text, 'E') < 0;
    if (!is_plain || !decimal_parse(text, &value) || !decimal_to_int64(value, &whole) ||
        whole > INT32_MAX || whole < INT32_MIN)
        return "not a valid integer";
    if (type->id == FHIR_TYPE_POSITIVE_INT && whole < 1)
        return "must be greater than 0";
    return type->id == FHIR_TYPE_UNSIGNED_INT && whole < 0 ? "must not be negative" : NULL;
}

static bool is_integer_type(uint16_t id)
{
    return id == FHIR_TYPE_INTEGER || id == FHIR_TYPE_POSITIVE_INT || id == FHIR_TYPE_UNSIGNED_INT;
}

static void check_code_value(struct fhir_check *c, const struct fhir_spot *spot,
                             const struct fhir_element *element, struct json where,
                             struct slice code)
{
    if (!fhir_code_is_possible(element, code))
        check_error(c, spot, where, "code-invalid",
                    "The value provided ('%.*s') was not found in the maximum value set %.*s, and "
                    "a code is required from this value set",
                    SLICE_ARGS(slice_head(code, 100)), SLICE_ARGS(fhir_code_bound(element)));
    if (fhir_code_is_allowed(element, code))
        return;
    struct slice set = element->value_set;
    check_error(c, spot, where, "code-invalid",
                "The value provided ('%.*s') was not found in the value set %.*s, and a code is "
                "required from this value set",
                SLICE_ARGS(slice_head(code, 100)), SLICE_ARGS(set));
}

/* A '<' with a letter, '!' or '/' behind it, and a '>' later. */
static bool has_markup(struct slice s)
{
    for (size_t i = 0; i + 1 < s.length; i++) {
        char next = s.bytes[i + 1], low = (char)(next | 0x20);
        if (s.bytes[i] == '<' && ((low >= 'a' && low <= 'z') || next == '!' || next == '/'))
            return slice_find_byte(slice_from(s, i), '>') >= 0;
    }
    return false;
}

static void check_string(struct fhir_check *c, const struct fhir_spot *spot,
                         const struct fhir_element *element, struct json value)
{
    const struct fhir_type *type = &fhir_types[element->type];
    struct arena_mark mark = arena_mark(c->scratch);
    struct slice text = json_string(value, c->scratch);
    if (!text.bytes) {
        c->failure = ERR_NO_MEMORY;
    } else if (text.length == 0) {
        check_error(c, spot, value, "invalid", "@value cannot be empty");
    } else if (text.length > TEXT_BYTES_MAX && type->id != FHIR_TYPE_BASE64_BINARY &&
               type->id != FHIR_TYPE_XHTML) {
        check_error(c, spot, value, "invalid",
                    "value is longer than permitted maximum length of %d", TEXT_BYTES_MAX);
    } else {
        bool is_shape_only = c->options->is_shape_only;
        bool is_passed = is_shape_only && type->id == FHIR_TYPE_XHTML;
        const char *reason = is_passed ? NULL : check_text(type, text);
        /* Control characters come by escapes only, and then the text is a copy. */
        if (!reason && text.bytes != json_string_raw(value).bytes && has_control(text))
            reason = "strings have no characters below U+0020 but tab, CR and LF";
        if (reason)
            check_error(c, spot, value, "invalid", "'%.*s' is no valid %.*s: %s",
                        SLICE_ARGS(slice_head(text, 60)), SLICE_ARGS(type->name), reason);
        else if (type->id == FHIR_TYPE_STRING && c->options->refuses_markup && has_markup(text))
            check_error(c, spot, value, "invalid",
                        "The string value contains text that looks like embedded HTML tags, which "
                        "are not allowed for security reasons in this context");
        else if (type->id == FHIR_TYPE_CODE && !is_shape_only)
            check_code_value(c, spot, element, value, text);
    }
    arena_rewind(c->scratch, mark);
}

void check_primitive(struct fhir_check *c, const struct fhir_spot *spot,
                     const struct fhir_element *element, struct json value)
{
    const struct fhir_type *type = &fhir_types[element->type];
    bool is_integer = is_integer_type(type->id);
    enum json_type json = json_type(value), wanted = JSON_STRING;
    bool is_boolean = json == JSON_TRUE || json == JSON_FALSE;
    const char *wanted_name = "string";
    if (is_integer || type->id == FHIR_TYPE_DECIMAL) {
        wanted = JSON_NUMBER;
        wanted_name = "number";
    } else if (type->id == FHIR_TYPE_BOOLEAN) {
        wanted = is_boolean ? json : JSON_TRUE;
        wanted_name = "boolean";
    }
    if (json != wanted) {
        check_error(c, spot, value, "invalid",
                    "Error parsing JSON: the primitive value must be a %s", wanted_name);
        return;
    }
    if (wanted == JSON_STRING) {
        check_string(c, spot, element, value);
        return;
    }
    const char *reason = is_integer ? check_integer(type, json_raw(value)) : NULL;
    if (reason)
        check_error(c, spot, value, "invalid", "'%.*s' is no valid %.*s: %s",
                    SLICE_ARGS(slice_head(json_raw(value), 60)), SLICE_ARGS(type->name), reason);
}

/* ---- codings ---- */

/* Does the coding name a code of the set, in the system that the set has it in? */
static bool coding_is_allowed(struct fhir_check *c, const struct fhir_element *element,
                              struct json coding)
{
    struct slice code = json_string(json_member(coding, "code"), c->scratch);
    struct json system = json_member(coding, "system");
    if (!code.bytes || !fhir_code_is_allowed(element, code))
        return false;
    struct slice implied = fhir_code_system(element, code);
    return implied.length == 0 || json_string_is(system, implied);
}

void check_coded(struct fhir_check *c, const struct fhir_spot *spot,
                 const struct fhir_element *element, struct json value)
{
    if (element->codes == FHIR_NO_TYPE)
        return;
    struct arena_mark mark = arena_mark(c->scratch);
    bool found = false, any = false;
    if (element->type == FHIR_TYPE_CODING) {
        any = json_exists(json_member(value, "code"));
        found = coding_is_allowed(c, element, value);
    } else if (element->type == FHIR_TYPE_CODEABLE_CONCEPT) {
        struct json list = json_member(value, "coding");
        for (struct json v = json_first(list); json_exists(v) && !found; v = json_next(list, v)) {
            any |= json_exists(json_member(v, "code"));
            found = coding_is_allowed(c, element, v);
        }
    } else {
        found = true;
    }
    arena_rewind(c->scratch, mark);
    if (found)
        return;
    if (any)
        check_error(c, spot, value, "code-invalid",
                    "None of the codings provided are in the value set %.*s, and a coding from "
                    "this value set is required",
                    SLICE_ARGS(element->value_set));
    else
        check_error(c, spot, value, "code-invalid",
                    "No code provided, and a code is required from the value set %.*s",
                    SLICE_ARGS(element->value_set));
}

/* ---- references ---- */

static bool is_target(const struct fhir_element *element, const struct fhir_type *type)
{
    for (uint16_t i = 0; i < element->target_count; i++)
        if (type_derives(type->id, element->targets[i]) || type->id == element->targets[i])
            return true;
    return element->target_count == 0;
}

static void report_target(struct fhir_check *c, const struct fhir_spot *spot,
                          const struct fhir_element *element, struct json value,
                          const struct fhir_type *type)
{
    char names[400];
    size_t length = 0;
    for (uint16_t i = 0; i < element->target_count; i++) {
        struct slice name = fhir_types[element->targets[i]].name;
        if (length + name.length + 3 > sizeof names)
            break;
        if (i > 0) {
            memcpy(names + length, ", ", 2);
            length += 2;
        }
        memcpy(names + length, name.bytes, name.length);
        length += name.length;
    }
    check_error(c, spot, value, "structure",
                "Invalid Resource target type. Found %.*s, but expected one of ([%.*s])",
                SLICE_ARGS(type->name), (int)length, names);
}

static bool has_scheme(struct slice text)
{
    size_t i = 0;
    while (i < text.length && ((text.bytes[i] | 0x20) >= 'a' && (text.bytes[i] | 0x20) <= 'z'))
        i++;
    return i > 0 && i < text.length && text.bytes[i] == ':';
}

static void check_local(struct fhir_check *c, const struct fhir_spot *spot,
                        const struct fhir_element *element, struct json where, struct slice id)
{
    const uint64_t *place = id.length > 0 ? map_find(&c->contained, id) : NULL;
    const struct fhir_type *type = place ? (const void *)(uintptr_t)*place : NULL;
    if (type && !is_target(element, type))
        report_target(c, spot, element, where, type);
    if (id.length > 0 && !place)
        check_report(
            c, spot, where, ISSUE_ERROR, "invariant", SLICE("ref-1"),
            "ref-1: SHALL have a contained resource if a local reference is provided (#%.*s)",
            SLICE_ARGS(slice_head(id, 64)));
}

/* Reference.type against what the element allows and what the literal says. */
static void check_stated_type(struct fhir_check *c, const struct fhir_spot *spot,
                              const struct fhir_element *element, struct json value,
                              const struct fhir_type *found)
{
    struct json stated = json_member(value, "type");
    const struct fhir_type *type = fhir_resource_find(json_string_raw(stated));
    if (!type || (found && found->id == type->id))
        return; /* unknown, or told already */
    if (!is_target(element, type))
        report_target(c, spot, element, stated, type);
    else if (found)
        check_error(c, spot, stated, "structure",
                    "The type '%.*s' of the reference is not that of its literal ('%.*s')",
                    SLICE_ARGS(type->name), SLICE_ARGS(found->name));
}

void check_reference(struct fhir_check *c, const struct fhir_spot *spot,
                     const struct fhir_element *element, struct json value)
{
    struct arena_mark mark = arena_mark(c->scratch);
    struct json literal = json_member(value, "reference");
    struct slice text = json_string(literal, c->scratch);
    struct fhir_reference reference = fhir_reference_parse(text);
    bool is_local = text.length > 0 && text.bytes[0] == '#';
    bool is_search = slice_find_byte(text, '?') >= 0;
    if (is_local)
        check_local(c, spot, element, literal, slice_from(text, 1));
    else if (reference.type && !is_target(element, reference.type))
        report_target(c, spot, element, literal, reference.type);
    else if (text.length > 0 && !reference.type && !is_search && !has_scheme(text))
        check_error(c, spot, literal, "invalid",
                    "Relative URLs must be of the format [ResourceName]/[id], or a search URL is "
                    "allowed ([type]?parameters. Encountered %.*s)",
                    SLICE_ARGS(slice_head(text, 100)));
    check_stated_type(c, spot, element, value, reference.type);
    arena_rewind(c->scratch, mark);
}

void check_extension_url(struct fhir_check *c, const struct fhir_spot *spot, struct json value)
{
    struct json url = json_member(value, "url");
    struct slice text = json_string_raw(url);
    if (text.length > 0 && !has_scheme(text))
        check_error(c, spot, url, "invalid", "The extension url '%.*s' must be an absolute URL",
                    SLICE_ARGS(slice_head(text, 200)));
}

/* ---- attachments ---- */

/* The bytes that base64 stands for. */
static int64_t decoded_bytes(struct slice s)
{
    int64_t letters = 0;
    for (size_t i = 0; i < s.length; i++)
        letters += s.bytes[i] != '=' && !is_blank(s.bytes[i]);
    return letters * 3 / 4;
}

void check_attachment(struct fhir_check *c, const struct fhir_spot *spot, struct json value)
{
    struct json size = json_member(value, "size"), data = json_member(value, "data");
    struct decimal number;
    int64_t stated;
    if (!json_is(size, JSON_NUMBER) || !json_is(data, JSON_STRING) ||
        !decimal_parse(json_raw(size), &number) || !decimal_to_int64(number, &stated))
        return;
    struct arena_mark mark = arena_mark(c->scratch);
    int64_t actual = decoded_bytes(json_string(data, c->scratch));
    arena_rewind(c->scratch, mark);
    if (stated != actual)
        check_error(c, spot, size, "structure",
                    "Stated Attachment Size %lld does not match actual attachment size %lld",
                    (long long)stated, (long long)actual);
}
