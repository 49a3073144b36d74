#include "control/shape.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "control/pattern.h"

enum {
    TEXT_BYTES_MAX = 9000, /* of all findings; a message has at most 10,000 characters */
    VALUE_BYTES_MAX = 300, /* of a value that is told back */
    PATH_BYTES_MAX = 200,
    NUMBER_BYTES = 64,
};

struct check {
    struct arena *arena;
    struct buf path; /* "tags.1.member.key" */
    struct buf text;
    size_t count; /* of broken constraints */
    bool is_full;
};

/* ---- values ---- */

struct json shape_get(struct json value, const char *name)
{
    struct json member = json_get(value, slice_cstr(name));
    return json_is(member, JSON_NULL) ? JSON_ABSENT : member;
}

static bool parse_double(struct json value, double *ret)
{
    char text[NUMBER_BYTES];
    if (!json_is(value, JSON_NUMBER) || json_raw(value).length >= sizeof text)
        return false;
    struct slice raw = json_raw(value);
    memcpy(text, raw.bytes, raw.length);
    text[raw.length] = 0;
    *ret = strtod(text, NULL);
    return isfinite(*ret);
}

bool shape_integer(struct json value, int64_t *ret)
{
    double number;
    /* Clients may write 5.0 or 5e2; doubles are whole up to 2^53. */
    if (!parse_double(value, &number) || floor(number) < number || fabs(number) > 9e15)
        return false;
    *ret = (int64_t)number;
    return true;
}

bool shape_timestamp(struct json value, int64_t *ret_us)
{
    static const double LATEST = 253402300800.0, EARLIEST = -62135596800.0; /* years 1 to 9999 */
    double seconds;
    if (!parse_double(value, &seconds) || seconds < EARLIEST || seconds > LATEST)
        return false;
    *ret_us = (int64_t)llround(seconds * 1e6);
    return true;
}

static bool is_special_double(struct json value)
{
    return json_string_is(value, SLICE("NaN")) || json_string_is(value, SLICE("Infinity")) ||
           json_string_is(value, SLICE("-Infinity"));
}

/* ---- the path ---- */

static void path_add(struct check *c, const char *name)
{
    if (c->path.length)
        buf_append_byte(&c->path, '.');
    char first = name[0];
    buf_append_byte(&c->path, first >= 'A' && first <= 'Z' ? (char)(first - 'A' + 'a') : first);
    buf_append_cstr(&c->path, name + 1);
}

static void path_add_element(struct check *c, size_t number)
{
    buf_printf(&c->path, ".%zu.member", number);
}

/* ---- kinds ---- */

static const char *kind_name(enum shape_kind kind)
{
    switch (kind) {
    case SHAPE_STRING:
        return "a String";
    case SHAPE_BOOLEAN:
        return "a Boolean";
    case SHAPE_INTEGER:
        return "an Integer";
    case SHAPE_DOUBLE:
        return "a Double";
    case SHAPE_TIMESTAMP:
        return "milliseconds since epoch";
    case SHAPE_LIST:
        return "a List";
    case SHAPE_STRUCTURE:
    case SHAPE_UNION:
        break;
    }
    return "a Structure";
}

static const char *found_name(struct json value)
{
    switch (json_type(value)) {
    case JSON_STRING:
        return "STRING_VALUE";
    case JSON_NUMBER:
        return "NUMBER_VALUE";
    case JSON_TRUE:
        return "TRUE_VALUE";
    case JSON_FALSE:
        return "FALSE_VALUE";
    case JSON_OBJECT:
        return "START_OBJECT";
    case JSON_ARRAY:
        return "START_ARRAY";
    case JSON_NONE:
    case JSON_NULL:
    case JSON_KEY:
        break;
    }
    return "NULL_VALUE";
}

static bool kind_holds(enum shape_kind kind, struct json value)
{
    double number;
    int64_t whole;
    switch (kind) {
    case SHAPE_STRING:
        return json_is(value, JSON_STRING);
    case SHAPE_BOOLEAN:
        return json_is(value, JSON_TRUE) || json_is(value, JSON_FALSE);
    case SHAPE_INTEGER:
        return shape_integer(value, &whole);
    case SHAPE_DOUBLE:
        return parse_double(value, &number) || is_special_double(value);
    case SHAPE_TIMESTAMP:
        return shape_timestamp(value, &whole);
    case SHAPE_LIST:
        return json_is(value, JSON_ARRAY);
    case SHAPE_STRUCTURE:
    case SHAPE_UNION:
        break;
    }
    return json_is(value, JSON_OBJECT);
}

static enum err check_kinds(struct check *c, const struct shape *shape, struct json value)
{
    if (!kind_holds(shape->kind, value)) {
        buf_printf(&c->text, "%s can not be converted to %s (at '%.*s')", found_name(value),
                   kind_name(shape->kind), SLICE_ARGS(buf_slice(&c->path)));
        return ERR_SYNTAX;
    }
    size_t path_length = c->path.length, number = 0;
    if (shape->kind == SHAPE_LIST) {
        for (struct json e = json_first(value); json_exists(e); e = json_next(value, e)) {
            path_add_element(c, ++number);
            if (!json_is(e, JSON_NULL))
                TRY(check_kinds(c, shape->element, e));
            c->path.length = path_length;
        }
    }
    for (const struct shape_member *m = shape->members; m && m->name; m++) {
        struct json member = shape_get(value, m->name);
        path_add(c, m->name);
        if (json_exists(member))
            TRY(check_kinds(c, m->shape, member));
        c->path.length = path_length;
    }
    return ERR_NONE;
}

/* ---- constraints ---- */

/* Characters of valid UTF-8. */
static int64_t count_characters(struct slice text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += (text.bytes[i] & 0xc0) != 0x80;
    return count;
}

/* Cut where a character ends. */
static struct slice shorten(struct slice text)
{
    if (text.length <= VALUE_BYTES_MAX)
        return text;
    size_t length = VALUE_BYTES_MAX;
    while (length > 0 && (text.bytes[length] & 0xc0) == 0x80)
        length--;
    return slice_head(text, length);
}

/* "Value 'x' at 'name' failed to satisfy constraint: " comes before what follows;
 * false when there is no more room, the count then still grows. */
static bool finding_begin(struct check *c, struct json value, struct slice text)
{
    c->count++;
    if (c->is_full || c->text.length > TEXT_BYTES_MAX - 1500) {
        c->is_full = true;
        return false;
    }
    if (c->count > 1)
        buf_append(&c->text, SLICE("; "));
    buf_append(&c->text, SLICE("Value "));
    if (json_exists(value)) {
        struct slice shown = shorten(json_is(value, JSON_STRING) ? text : json_raw(value));
        buf_append_byte(&c->text, '\'');
        buf_append(&c->text, shown);
        buf_append_cstr(&c->text, shown.length < text.length ? "...'" : "'");
    } else {
        buf_append(&c->text, SLICE("null"));
    }
    buf_printf(&c->text,
               " at '%.*s' failed to satisfy constraint: ", SLICE_ARGS(buf_slice(&c->path)));
    return true;
}

static void check_bounds(struct check *c, const struct shape *shape, struct json value,
                         struct slice text, int64_t figure, const char *what)
{
    if (shape->has_min && figure < shape->min && finding_begin(c, value, text))
        buf_printf(&c->text, "Member must have %s greater than or equal to %lld", what,
                   (long long)shape->min);
    if (shape->has_max && figure > shape->max && finding_begin(c, value, text))
        buf_printf(&c->text, "Member must have %s less than or equal to %lld", what,
                   (long long)shape->max);
}

static void check_values(struct check *c, const struct shape *shape, struct json value,
                         struct slice text)
{
    for (size_t i = 0; shape->values[i]; i++) {
        if (slice_is(text, shape->values[i]))
            return;
    }
    if (!finding_begin(c, value, text))
        return;
    buf_append(&c->text, SLICE("Member must satisfy enum value set: ["));
    for (size_t i = 0; shape->values[i]; i++)
        buf_printf(&c->text, i ? ", %s" : "%s", shape->values[i]);
    buf_append_byte(&c->text, ']');
}

static enum err check_string(struct check *c, const struct shape *shape, struct json value)
{
    struct arena_mark mark = arena_mark(c->arena);
    struct slice text = json_string(value, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    int64_t length = count_characters(text);
    check_bounds(c, shape, value, text, length, "length");
    if (shape->values)
        check_values(c, shape, value, text);
    bool matches = true;
    enum err err = ERR_NONE;
    /* One that is too long is told once; the pattern need not look at it. */
    if (shape->pattern && !(shape->has_max && length > shape->max))
        err = pattern_match(shape->pattern, text, c->arena, &matches);
    if (!matches && finding_begin(c, value, text))
        buf_printf(&c->text, "Member must satisfy regular expression pattern: %s", shape->pattern);
    arena_rewind(c->arena, mark);
    return err;
}

static enum err check_rules(struct check *c, const struct shape *shape, struct json value);

static enum err check_list(struct check *c, const struct shape *shape, struct json value)
{
    check_bounds(c, shape, value, json_raw(value), json_count(value), "length");
    size_t path_length = c->path.length, number = 0;
    /* Whoever sends a million elements need not hear about each. */
    for (struct json e = json_first(value); json_exists(e) && !c->is_full;
         e = json_next(value, e)) {
        path_add_element(c, ++number);
        if (!json_is(e, JSON_NULL))
            TRY(check_rules(c, shape->element, e));
        else if (finding_begin(c, JSON_ABSENT, SLICE_NONE))
            buf_append(&c->text, SLICE("Member must not be null"));
        c->path.length = path_length;
    }
    return ERR_NONE;
}

static enum err check_members(struct check *c, const struct shape *shape, struct json value)
{
    size_t path_length = c->path.length, set = 0;
    for (const struct shape_member *m = shape->members; m->name; m++) {
        struct json member = shape_get(value, m->name);
        path_add(c, m->name);
        set += json_exists(member);
        if (json_exists(member))
            TRY(check_rules(c, m->shape, member));
        else if (m->is_required && finding_begin(c, member, SLICE_NONE))
            buf_append(&c->text, SLICE("Member must not be null"));
        c->path.length = path_length;
    }
    if (shape->kind == SHAPE_UNION && set != 1 && finding_begin(c, value, json_raw(value)))
        buf_append(&c->text, SLICE("Union must have exactly one member set"));
    return ERR_NONE;
}

static enum err check_rules(struct check *c, const struct shape *shape, struct json value)
{
    int64_t number = 0;
    switch (shape->kind) {
    case SHAPE_STRING:
        return check_string(c, shape, value);
    case SHAPE_INTEGER:
        if (shape_integer(value, &number))
            check_bounds(c, shape, value, json_raw(value), number, "value");
        return ERR_NONE;
    case SHAPE_LIST:
        return check_list(c, shape, value);
    case SHAPE_STRUCTURE:
    case SHAPE_UNION:
        return check_members(c, shape, value);
    case SHAPE_BOOLEAN:
    case SHAPE_DOUBLE:
    case SHAPE_TIMESTAMP:
        break;
    }
    return ERR_NONE;
}

enum err shape_check(const struct shape *shape, struct json value, struct arena *arena,
                     struct slice *ret_text)
{
    struct check c = { .arena = arena };
    buf_init(&c.path, PATH_BYTES_MAX);
    buf_init(&c.text, TEXT_BYTES_MAX);
    enum err err = check_kinds(&c, shape, value);
    if (!err)
        err = check_rules(&c, shape, value);
    if (!err && c.count) {
        err = ERR_INVALID;
        *ret_text = arena_printf(arena, "%zu validation error%s detected: %.*s", c.count,
                                 c.count == 1 ? "" : "s", SLICE_ARGS(buf_slice(&c.text)));
    } else if (err == ERR_SYNTAX) {
        *ret_text = arena_printf(arena, "%.*s", SLICE_ARGS(buf_slice(&c.text)));
    }
    buf_release(&c.path);
    buf_release(&c.text);
    return err;
}

/* ---- writing ---- */

static enum err write_string(struct json value, struct arena *arena, struct buf *out)
{
    struct arena_mark mark = arena_mark(arena);
    struct slice text = json_string(value, arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    json_write_string(out, text);
    arena_rewind(arena, mark);
    return ERR_NONE;
}

static enum err write_members(const struct shape *shape, struct json value, struct arena *arena,
                              struct buf *out)
{
    bool is_first = true;
    buf_append_byte(out, '{');
    for (const struct shape_member *m = shape->members; m->name; m++) {
        struct json member = shape_get(value, m->name);
        if (!json_exists(member))
            continue;
        buf_printf(out, is_first ? "\"%s\":" : ",\"%s\":", m->name);
        is_first = false;
        TRY(shape_write(m->shape, member, arena, out));
    }
    buf_append_byte(out, '}');
    return buf_status(out);
}

enum err shape_write(const struct shape *shape, struct json value, struct arena *arena,
                     struct buf *out)
{
    if (shape->kind == SHAPE_STRUCTURE || shape->kind == SHAPE_UNION)
        return write_members(shape, value, arena, out);
    if (json_is(value, JSON_STRING))
        return write_string(value, arena, out);
    if (shape->kind != SHAPE_LIST) {
        buf_append(out, json_raw(value));
        return buf_status(out);
    }
    bool is_first = true;
    buf_append_byte(out, '[');
    for (struct json e = json_first(value); json_exists(e); e = json_next(value, e)) {
        if (!is_first)
            buf_append_byte(out, ',');
        is_first = false;
        TRY(shape_write(shape->element, e, arena, out));
    }
    buf_append_byte(out, ']');
    return buf_status(out);
}
