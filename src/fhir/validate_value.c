/* fhir/validate_value.c - single values: formats, codes, references. */
#include "fhir/format.h"
#include "fhir/validate.h"
#include "fhir/xhtml.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* ---- primitives ---- */

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

/* A narrative's findings on their way. */
struct narrative {
    struct fhir_check *check;
    const struct fhir_spot *spot;
    struct json where;
};

/* txt-1 may be broken in many ways, each to be told: so it is no key here. */
static void narrative_found(void *context, struct slice key, struct slice text)
{
    const struct narrative *n = context;
    bool is_empty = slice_is(key, "txt-2");
    check_report(n->check, n->spot, n->where, ISSUE_ERROR, is_empty ? "invariant" : "invalid",
                 is_empty ? key : SLICE_NONE, "%.*s", SLICE_ARGS(text));
}

static void check_narrative(struct fhir_check *c, const struct fhir_spot *spot, struct json where,
                            struct slice text)
{
    struct narrative n = { c, spot, where };
    contained_name_links(c, text);
    xhtml_check(text, narrative_found, &n);
}

/* By its format; true when it is good enough to be looked at further. */
static bool check_format(struct fhir_check *c, const struct fhir_spot *spot,
                         const struct fhir_element *element, struct json value, struct slice text)
{
    char room[FORMAT_TEXT_BYTES];
    bool is_text = json_is(value, JSON_STRING);
    const struct format_ask ask = { .type = &fhir_types[element->type],
                                    .text = text,
                                    .is_resource_id = slice_is(element->name, "id"),
                                    .has_escapes =
                                        is_text && (json_node(value)->flags & JSON_HAS_ESCAPE),
                                    .this_year = c->this_year };
    enum format_verdict verdict = format_check(&ask, room);
    if (verdict == FORMAT_DOUBTFUL && !c->options->is_shape_only)
        check_report(c, spot, value, ISSUE_WARNING, "invalid", SLICE_NONE, "%s", room);
    else if (verdict == FORMAT_WRONG)
        check_error(c, spot, value, "invalid", "%s", room);
    return verdict != FORMAT_WRONG;
}

static void check_string(struct fhir_check *c, const struct fhir_spot *spot,
                         const struct fhir_element *element, struct json value)
{
    const struct fhir_type *type = &fhir_types[element->type];
    struct arena_mark mark = arena_mark(c->scratch);
    struct slice text = json_string(value, c->scratch);
    bool is_shape_only = c->options->is_shape_only;
    const struct fhir_type *target;
    if (!text.bytes) {
        c->failure = ERR_NO_MEMORY;
    } else if (text.length == 0) {
        check_error(c, spot, value, "invalid", "@value cannot be empty");
    } else if (check_format(c, spot, element, value, text) && !is_shape_only) {
        if (type->id == FHIR_TYPE_XHTML)
            check_narrative(c, spot, value, text);
        else if (type->id == FHIR_TYPE_STRING && c->options->refuses_markup && has_markup(text))
            check_error(c, spot, value, "invalid",
                        "The string value contains text that looks like embedded HTML tags, which "
                        "are not allowed for security reasons in this context");
        else if (type->id == FHIR_TYPE_CODE)
            check_code_value(c, spot, element, value, text);
        else if (text.bytes[0] == '#' && type_derives(type->id, FHIR_TYPE_URI))
            contained_name(c, slice_from(text, 1), &target);
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
    if (wanted == JSON_STRING)
        check_string(c, spot, element, value);
    else if (wanted == JSON_NUMBER)
        check_format(c, spot, element, value, json_raw(value));
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
    const struct fhir_type *type;
    bool is_there = contained_name(c, id, &type);
    if (id.length > 0 && type && !is_target(element, type))
        report_target(c, spot, element, where, type);
    if (id.length > 0 && !is_there)
        check_report(
            c, spot, where, ISSUE_ERROR, "invariant", SLICE("ref-1"),
            "Constraint failed: ref-1: 'SHALL have a contained resource if a local reference is "
            "provided' (url: %.*s)",
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

/* The type of what the reference means in the Bundle around, if any. */
static const struct fhir_type *find_around(struct fhir_check *c, const struct fhir_spot *spot,
                                           struct json where, struct slice text)
{
    const struct fhir_type *type = NULL;
    bool is_urn =
        slice_starts_with(text, SLICE("urn:uuid:")) || slice_starts_with(text, SLICE("urn:oid:"));
    if (!c->options->target(c->options->target_context, text, &type) && is_urn)
        check_report(c, spot, where, ISSUE_WARNING, "required", SLICE_NONE,
                     "URN reference is not locally contained within the bundle %.*s",
                     SLICE_ARGS(slice_head(text, 200)));
    return type;
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
    if (text.length > 0 && !is_local && !is_search && !reference.type && c->options->target)
        reference.type = find_around(c, spot, literal, text);
    if (is_local)
        check_local(c, spot, element, literal, slice_from(text, 1));
    else if (reference.type && !is_target(element, reference.type))
        report_target(c, spot, element, literal, reference.type);
    else if (text.length > 0 && !reference.type && !is_search && !has_scheme(text))
        check_error(c, spot, literal, "invalid",
                    "Relative URLs must be of the format [ResourceName]/[id]. Encountered %.*s",
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
