/* fhir/fhirpath_text.c - functions of strings. Positions count characters. */
#include "base/codec.h"
#include "base/regex.h"
#include "base/utf8.h"
#include "fhir/fhirpath_functions.h"

#define FUNCTION(name) enum err name(struct fp_call *call, struct fp_list *out)

enum { TEXT_MAX = 10000000 }; /* of a string that a function makes */

/* The input and the arguments as strings; *ret_any false when one is empty. */
static enum err take_texts(struct fp_call *call, struct slice *input, struct slice *args, int count,
                           bool *ret_any)
{
    TRY(fp_one_text(call->run, call->node, &call->input, input, ret_any));
    for (int i = 0; i < count; i++) {
        bool any;
        TRY(fp_one_text(call->run, call->node, &call->args[i], &args[i], &any));
        *ret_any = *ret_any && any;
    }
    return *ret_any ? fp_spend(call->run, input->length / 16) : ERR_NONE;
}

static int64_t count_chars(struct slice s)
{
    int64_t count = 0;
    for (size_t i = 0; i < s.length; i++)
        count += ((uint8_t)s.bytes[i] & 0xc0) != 0x80;
    return count;
}

/* The byte where character `index` begins. */
static size_t byte_of(struct slice s, int64_t index)
{
    size_t at = 0;
    for (; at < s.length; at++)
        if (((uint8_t)s.bytes[at] & 0xc0) != 0x80 && index-- == 0)
            break;
    return at;
}

/* The buffer's bytes as a string of the run; the buffer is released. */
static enum err push_buffer(struct fp_call *call, struct buf *b, struct fp_list *out)
{
    enum err err = buf_status(b);
    struct slice text = SLICE("");
    if (!err && b->length > 0)
        text = fp_copy_text(call->run, b->bytes, b->length);
    buf_release(b);
    TRY(err);
    TRY(fp_spend(call->run, text.length / 16));
    return text.bytes ? fp_push_text(call->run, out, text) : ERR_NO_MEMORY;
}

/* ---- looking ---- */

FUNCTION(fp_index_of)
{
    struct slice s, part;
    bool any;
    TRY(take_texts(call, &s, &part, 1, &any));
    if (!any)
        return ERR_NONE;
    ptrdiff_t at = part.length == 0 ? 0 : slice_find(s, part);
    return fp_push_integer(call->run, out, at < 0 ? -1 : count_chars(slice_head(s, (size_t)at)));
}

FUNCTION(fp_last_index_of)
{
    struct slice s, part;
    bool any;
    TRY(take_texts(call, &s, &part, 1, &any));
    if (!any)
        return ERR_NONE;
    TRY(fp_spend(call->run, s.length));
    for (size_t at = s.length + 1; at-- > 0;)
        if (slice_starts_with(slice_from(s, at), part))
            return fp_push_integer(call->run, out, count_chars(slice_head(s, at)));
    return fp_push_integer(call->run, out, -1);
}

FUNCTION(fp_substring)
{
    struct slice s;
    int64_t start, length = INT64_MAX;
    bool any, has_start, has_length;
    TRY(take_texts(call, &s, NULL, 0, &any));
    TRY(fp_one_integer(call->run, call->node, &call->args[0], &start, &has_start));
    TRY(fp_one_integer(call->run, call->node, &call->args[1], &length, &has_length));
    if (!any || !has_start || start < 0 || start >= count_chars(s))
        return ERR_NONE;
    struct slice rest = slice_from(s, byte_of(s, start));
    return fp_push_text(call->run, out, slice_head(rest, byte_of(rest, MAX(length, 0))));
}

FUNCTION(fp_starts_with)
{
    struct slice s, part;
    bool any;
    TRY(take_texts(call, &s, &part, 1, &any));
    return any ? fp_push_boolean(call->run, out, slice_starts_with(s, part)) : ERR_NONE;
}

FUNCTION(fp_ends_with)
{
    struct slice s, part;
    bool any;
    TRY(take_texts(call, &s, &part, 1, &any));
    return any ? fp_push_boolean(call->run, out, slice_ends_with(s, part)) : ERR_NONE;
}

FUNCTION(fp_contains)
{
    struct slice s, part;
    bool any;
    TRY(take_texts(call, &s, &part, 1, &any));
    if (!any)
        return ERR_NONE;
    return fp_push_boolean(call->run, out, part.length == 0 || slice_find(s, part) >= 0);
}

FUNCTION(fp_length)
{
    struct slice s;
    bool any;
    TRY(take_texts(call, &s, NULL, 0, &any));
    return any ? fp_push_integer(call->run, out, count_chars(s)) : ERR_NONE;
}

/* ---- changing ---- */

/* ASCII, and the Latin, Greek and Cyrillic letters whose cases lie side by side. */
static uint32_t change_case(uint32_t c, bool to_upper)
{
    bool is_low = (c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7) ||
                  (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f);
    bool is_high = (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
                   (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f);
    if (to_upper && is_low)
        return c - 32;
    return !to_upper && is_high ? c + 32 : c;
}

static enum err with_case(struct fp_call *call, bool to_upper, struct fp_list *out)
{
    struct slice s;
    bool any;
    TRY(take_texts(call, &s, NULL, 0, &any));
    if (!any)
        return ERR_NONE;
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (size_t at = 0; at < s.length;) {
        uint8_t first = (uint8_t)s.bytes[at++];
        uint32_t c =
            first < 0xc0 ? first : first & (first >= 0xe0 ? first >= 0xf0 ? 7U : 15U : 31U);
        for (; at < s.length && ((uint8_t)s.bytes[at] & 0xc0) == 0x80; at++)
            c = c << 6 | ((uint8_t)s.bytes[at] & 0x3f);
        utf8_append(&b, change_case(c, to_upper));
    }
    return push_buffer(call, &b, out);
}

FUNCTION(fp_upper)
{
    return with_case(call, true, out);
}

FUNCTION(fp_lower)
{
    return with_case(call, false, out);
}

/* Before, between and behind all characters. */
static void interleave(struct slice s, struct slice with, struct buf *b)
{
    for (size_t i = 0; i <= s.length; i++) {
        if (i == s.length || ((uint8_t)s.bytes[i] & 0xc0) != 0x80)
            buf_append(b, with);
        if (i < s.length)
            buf_append_byte(b, s.bytes[i]);
    }
}

FUNCTION(fp_replace)
{
    struct slice s, args[2];
    bool any;
    TRY(take_texts(call, &s, args, 2, &any));
    if (!any)
        return ERR_NONE;
    struct buf b;
    buf_init(&b, TEXT_MAX);
    if (args[0].length == 0) {
        interleave(s, args[1], &b);
        return push_buffer(call, &b, out);
    }
    for (ptrdiff_t at = slice_find(s, args[0]); at >= 0; at = slice_find(s, args[0])) {
        buf_append(&b, slice_head(s, (size_t)at));
        buf_append(&b, args[1]);
        s = slice_from(s, (size_t)at + args[0].length);
    }
    buf_append(&b, s);
    return push_buffer(call, &b, out);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

FUNCTION(fp_trim)
{
    struct slice s;
    bool any;
    TRY(take_texts(call, &s, NULL, 0, &any));
    if (!any)
        return ERR_NONE;
    while (s.length > 0 && is_blank(s.bytes[0]))
        s = slice_from(s, 1);
    while (s.length > 0 && is_blank(s.bytes[s.length - 1]))
        s.length--;
    return fp_push_text(call->run, out, s);
}

FUNCTION(fp_to_chars)
{
    struct slice s;
    bool any;
    TRY(take_texts(call, &s, NULL, 0, &any));
    for (size_t at = 0; any && at < s.length;) {
        size_t end = at + byte_of(slice_from(s, at), 1);
        TRY(fp_spend(call->run, 1));
        TRY(fp_push_text(call->run, out, slice_of(s.bytes + at, end - at)));
        at = end;
    }
    return ERR_NONE;
}

FUNCTION(fp_split)
{
    struct slice s, by;
    bool any;
    TRY(take_texts(call, &s, &by, 1, &any));
    if (!any)
        return ERR_NONE;
    if (by.length == 0)
        return fp_push_text(call->run, out, s);
    for (ptrdiff_t at = slice_find(s, by); at >= 0; at = slice_find(s, by)) {
        TRY(fp_spend(call->run, 1));
        TRY(fp_push_text(call->run, out, slice_head(s, (size_t)at)));
        s = slice_from(s, (size_t)at + by.length);
    }
    return fp_push_text(call->run, out, s);
}

FUNCTION(fp_join)
{
    struct slice by = SLICE("");
    bool any;
    TRY(fp_one_text(call->run, call->node, &call->args[0], &by, &any));
    if (call->input.count == 0)
        return ERR_NONE;
    struct buf b;
    enum err err = ERR_NONE;
    buf_init(&b, TEXT_MAX);
    bool is_first = true;
    for (uint32_t i = 0; i < call->input.count && !err; i++) {
        struct fp_list one = { .items = &call->input.items[i], .count = 1 };
        struct slice s = SLICE_NONE;
        err = fp_one_text(call->run, call->node, &one, &s, &any);
        if (err || !any)
            continue;
        if (!is_first)
            buf_append(&b, by);
        buf_append(&b, s);
        is_first = false;
    }
    if (err)
        buf_release(&b);
    TRY(err);
    return push_buffer(call, &b, out);
}

/* ---- patterns ---- */

static enum err pattern_of(struct fp_call *call, struct slice text, const struct regex **ret_regex)
{
    *ret_regex = call->node->regex;
    if (*ret_regex)
        return ERR_NONE;
    enum err err = regex_compile(text, call->run->arena, ret_regex);
    if (err == ERR_NO_MEMORY || !err)
        return err;
    return fp_fail(call->run, call->node, "a regular expression that cannot be used: %s",
                   err_text(err));
}

static enum err match(struct fp_call *call, bool is_whole, struct fp_list *out)
{
    struct slice s, pattern;
    const struct regex *regex;
    bool any, found;
    TRY(take_texts(call, &s, &pattern, 1, &any));
    if (!any)
        return ERR_NONE;
    TRY(pattern_of(call, pattern, &regex));
    TRY(fp_spend(call->run, regex_cost(regex, s)));
    TRY(regex_find(regex, s, 0, is_whole, call->run->arena, &found, NULL));
    return fp_push_boolean(call->run, out, found);
}

FUNCTION(fp_matches)
{
    return match(call, false, out);
}

FUNCTION(fp_matches_full)
{
    return match(call, true, out);
}

/* "$1" and "\$" in a replacement. */
static void append_replacement(struct buf *b, struct slice with, const struct regex_match *m)
{
    for (size_t i = 0; i < with.length; i++) {
        char c = with.bytes[i], next = i + 1 < with.length ? with.bytes[i + 1] : '\0';
        if (c == '$' && next >= '0' && next <= '9') {
            buf_append(b, m->groups[next - '0']);
            i++;
        } else if (c == '\\' && next != '\0') {
            buf_append_byte(b, next);
            i++;
        } else {
            buf_append_byte(b, c);
        }
    }
}

static enum err replace_all(struct fp_call *call, const struct regex *regex, struct slice s,
                            struct slice with, struct buf *b)
{
    size_t at = 0, copied = 0;
    while (at <= s.length) {
        struct regex_match m;
        bool found;
        TRY(fp_spend(call->run, regex_cost(regex, slice_from(s, at))));
        TRY(regex_find(regex, s, at, false, call->run->arena, &found, &m));
        if (!found)
            break;
        size_t start = (size_t)(m.groups[0].bytes - s.bytes), end = start + m.groups[0].length;
        buf_append(b, slice_of(s.bytes + copied, start - copied));
        append_replacement(b, with, &m);
        copied = end;
        at = end + (m.groups[0].length == 0);
    }
    buf_append(b, slice_from(s, copied));
    return ERR_NONE;
}

FUNCTION(fp_replace_matches)
{
    struct slice s, args[2];
    const struct regex *regex;
    bool any;
    TRY(take_texts(call, &s, args, 2, &any));
    if (!any)
        return ERR_NONE;
    if (args[0].length == 0)
        return fp_push_text(call->run, out, s);
    TRY(pattern_of(call, args[0], &regex));
    struct buf b;
    buf_init(&b, TEXT_MAX);
    enum err err = replace_all(call, regex, s, args[1], &b);
    if (err)
        buf_release(&b);
    TRY(err);
    return push_buffer(call, &b, out);
}

/* ---- codings ---- */

static enum err unknown_coding(struct fp_call *call, struct buf *b, struct slice name)
{
    buf_release(b);
    return fp_fail(call->run, call->node, "an unknown coding '%.*s'", SLICE_ARGS(name));
}

FUNCTION(fp_encode)
{
    struct slice s, name;
    bool any;
    TRY(take_texts(call, &s, &name, 1, &any));
    if (!any)
        return ERR_NONE;
    struct buf b;
    buf_init(&b, TEXT_MAX);
    if (slice_is(name, "base64")) {
        base64_encode(&b, s);
    } else if (slice_is(name, "urlbase64")) {
        base64url_encode(&b, s);
        while (b.length % 4 != 0 && !b.failure)
            buf_append_byte(&b, '=');
    } else if (slice_is(name, "hex")) {
        char *room = buf_extend(&b, s.length * 2);
        if (room)
            hex_encode((const uint8_t *)s.bytes, s.length, room);
    } else {
        return unknown_coding(call, &b, name);
    }
    return push_buffer(call, &b, out);
}

FUNCTION(fp_decode)
{
    struct slice s, name;
    bool any, is_good;
    TRY(take_texts(call, &s, &name, 1, &any));
    if (!any)
        return ERR_NONE;
    struct buf b;
    buf_init(&b, TEXT_MAX);
    if (slice_is(name, "base64")) {
        is_good = base64_decode(&b, s);
    } else if (slice_is(name, "urlbase64")) {
        while (s.length > 0 && s.bytes[s.length - 1] == '=')
            s.length--;
        is_good = base64url_decode(&b, s);
    } else if (slice_is(name, "hex")) {
        char *room = s.length % 2 == 0 ? buf_extend(&b, s.length / 2) : NULL;
        is_good = room && hex_decode(s, (uint8_t *)room, s.length / 2);
    } else {
        return unknown_coding(call, &b, name);
    }
    if (!is_good || !utf8_is_valid(buf_slice(&b))) {
        buf_release(&b);
        return fp_fail(call->run, call->node, "a text that is not in %.*s", SLICE_ARGS(name));
    }
    return push_buffer(call, &b, out);
}

struct entity {
    char plain;
    const char *html, *json;
};

static const struct entity entities[] = {
    { '&', "&amp;", NULL },    { '<', "&lt;", NULL },   { '>', "&gt;", NULL },
    { '"', "&quot;", "\\\"" }, { '\'', "&#39;", NULL }, { '\\', NULL, "\\\\" },
    { '\n', NULL, "\\n" },     { '\r', NULL, "\\r" },   { '\t', NULL, "\\t" },
    { '\f', NULL, "\\f" },     { '\b', NULL, "\\b" },
};

static const char *escaped(const struct entity *entity, bool is_json)
{
    return is_json ? entity->json : entity->html;
}

FUNCTION(fp_escape)
{
    struct slice s, name;
    bool any;
    TRY(take_texts(call, &s, &name, 1, &any));
    if (!any)
        return ERR_NONE;
    struct buf b;
    buf_init(&b, TEXT_MAX);
    bool is_json = slice_is(name, "json");
    if (!is_json && !slice_is(name, "html"))
        return unknown_coding(call, &b, name);
    for (size_t i = 0; i < s.length; i++) {
        const char *text = NULL;
        for (size_t k = 0; k < ARRAY_COUNT(entities) && !text; k++)
            if (entities[k].plain == s.bytes[i])
                text = escaped(&entities[k], is_json);
        if (text)
            buf_append_cstr(&b, text);
        else
            buf_append_byte(&b, s.bytes[i]);
    }
    return push_buffer(call, &b, out);
}

FUNCTION(fp_unescape)
{
    struct slice s, name;
    bool any;
    TRY(take_texts(call, &s, &name, 1, &any));
    if (!any)
        return ERR_NONE;
    struct buf b;
    buf_init(&b, TEXT_MAX);
    bool is_json = slice_is(name, "json");
    if (!is_json && !slice_is(name, "html"))
        return unknown_coding(call, &b, name);
    while (s.length > 0) {
        size_t taken = 1;
        char plain = s.bytes[0];
        for (size_t k = 0; k < ARRAY_COUNT(entities); k++) {
            const char *text = escaped(&entities[k], is_json);
            if (text && slice_starts_with(s, slice_cstr(text))) {
                taken = strlen(text);
                plain = entities[k].plain;
            }
        }
        buf_append_byte(&b, plain);
        s = slice_from(s, taken);
    }
    return push_buffer(call, &b, out);
}
