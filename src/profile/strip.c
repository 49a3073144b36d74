/* profile/strip.c - resources without what only people read, as images keep them. */
#include "profile/compile.h"

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(name, names[i]))
            return true;
    return false;
}

/* What element_state() reads. */
static bool keeps_in_element(struct slice name)
{
    static const char *const names[] = {
        "id",   "path",       "sliceName", "slicing",    "min",     "max",
        "type", "constraint", "maxLength", "isModifier", "binding", "contentReference"
    };
    return is_one_of(name, names, ARRAY_COUNT(names)) || slice_starts_with(name, SLICE("fixed")) ||
           slice_starts_with(name, SLICE("pattern")) ||
           slice_starts_with(name, SLICE("minValue")) || slice_starts_with(name, SLICE("maxValue"));
}

static bool keeps_in_definition(struct slice name)
{
    static const char *const names[] = { "resourceType", "url",     "version", "kind",
                                         "abstract",     "context", "type",    "baseDefinition",
                                         "contextInvariant",
                                         "derivation" };
    return is_one_of(name, names, ARRAY_COUNT(names));
}

static bool keeps_in_terminology(struct slice name)
{
    static const char *const names[] = { "text",      "meta",         "contact",
                                         "publisher", "description",  "copyright",
                                         "purpose",   "jurisdiction", "useContext" };
    return !is_one_of(name, names, ARRAY_COUNT(names));
}

static void write_key(struct buf *out, struct json key, bool *is_first)
{
    if (!*is_first)
        buf_append_byte(out, ',');
    *is_first = false;
    buf_append(out, json_raw(key));
    buf_append_byte(out, ':');
}

static void write_some(struct json object, bool (*keeps)(struct slice), struct buf *out,
                       bool *is_first)
{
    for (struct json key = json_first(object); json_exists(key);
         key = json_next(object, json_value(key))) {
        if (!keeps(json_string_raw(key)))
            continue;
        write_key(out, key, is_first);
        json_minify(json_value(key), out);
    }
}

static void write_elements(struct json list, struct buf *out)
{
    bool is_first = true;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        bool is_first_member = true;
        buf_append_cstr(out, is_first ? "{" : ",{");
        write_some(v, keeps_in_element, out, &is_first_member);
        buf_append_byte(out, '}');
        is_first = false;
    }
}

void strip_definition(struct json root, struct buf *out)
{
    bool is_first = true;
    const char *name = "snapshot";
    struct json list = json_member(json_member(root, "snapshot"), "element");
    if (!json_is(list, JSON_ARRAY)) {
        name = "differential";
        list = json_member(json_member(root, "differential"), "element");
    }
    buf_append_byte(out, '{');
    write_some(root, keeps_in_definition, out, &is_first);
    buf_printf(out, ",\"%s\":{\"element\":[", name);
    write_elements(list, out);
    buf_append_cstr(out, "]}}");
}

void strip_terminology(struct json root, struct buf *out)
{
    bool is_first = true;
    buf_append_byte(out, '{');
    write_some(root, keeps_in_terminology, out, &is_first);
    buf_append_byte(out, '}');
}
