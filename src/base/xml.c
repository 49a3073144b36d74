/* base/xml.c - elements of an answer of AWS's by name, and their text.
 *
 * Not an XML parser: AWS's documents have neither comments, CDATA nor declarations of
 * entities, and an element is never inside of one of its own name. Whatever comes is
 * read once from front to back.
 */
#include "base/xml.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

/* "<name" with what may follow a name behind it. */
static ptrdiff_t find_open(struct slice text, struct slice name)
{
    size_t from = 0;
    while (from < text.length) {
        struct slice rest = slice_from(text, from);
        ptrdiff_t at = slice_find_byte(rest, '<');
        if (at < 0)
            return -1;
        from += (size_t)at + 1;
        rest = slice_from(text, from);
        if (!slice_starts_with(rest, name) || rest.length == name.length)
            continue;
        char next = rest.bytes[name.length];
        if (next == '>' || next == ' ' || next == '/')
            return (ptrdiff_t)from - 1;
    }
    return -1;
}

struct slice xml_raw(struct slice *rest, const char *name)
{
    char close[64];
    struct slice element = slice_cstr(name);
    ptrdiff_t at = find_open(*rest, element);
    if (at < 0 || element.length + 4 > sizeof close)
        return SLICE_NONE;
    struct slice behind = slice_from(*rest, (size_t)at);
    ptrdiff_t end = slice_find_byte(behind, '>');
    if (end < 1)
        return SLICE_NONE;
    struct slice text = slice_from(behind, (size_t)end + 1);
    if (behind.bytes[end - 1] == '/') { /* <name/> */
        *rest = text;
        return SLICE("");
    }
    memcpy(close, "</", 2);
    memcpy(close + 2, element.bytes, element.length);
    close[element.length + 2] = '>';
    ptrdiff_t length = slice_find(text, slice_of(close, element.length + 3));
    if (length < 0)
        return SLICE_NONE;
    *rest = slice_from(text, (size_t)length + element.length + 3);
    return slice_head(text, (size_t)length);
}

/* "#38", "#x26", "amp" as a character; 0: none of them. */
static uint32_t entity_find(struct slice name)
{
    static const struct {
        const char *name;
        uint32_t character;
    } NAMED[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' } };
    for (size_t i = 0; i < ARRAY_COUNT(NAMED); i++) {
        if (slice_is(name, NAMED[i].name))
            return NAMED[i].character;
    }
    if (name.length < 2 || name.length > 9 || name.bytes[0] != '#')
        return 0;
    bool is_hex = name.bytes[1] == 'x' || name.bytes[1] == 'X';
    uint32_t value = 0;
    for (size_t i = 1 + is_hex; i < name.length; i++) {
        char c = name.bytes[i];
        unsigned digit = c >= '0' && c <= '9'             ? (unsigned)(c - '0')
                         : is_hex && c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : is_hex && c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                          : 99;
        if (digit == 99)
            return 0;
        value = value * (is_hex ? 16 : 10) + digit;
        if (value > 0x10ffff)
            return 0;
    }
    return value >= 0xd800 && value <= 0xdfff ? 0 : value;
}

static bool text_decode(struct slice raw, struct buf *out)
{
    while (raw.length) {
        ptrdiff_t at = slice_find_byte(raw, '&');
        if (at < 0)
            at = (ptrdiff_t)raw.length;
        buf_append(out, slice_head(raw, (size_t)at));
        raw = slice_from(raw, (size_t)at);
        if (!raw.length)
            break;
        ptrdiff_t end = slice_find_byte(slice_head(raw, 12), ';');
        uint32_t character = end > 1 ? entity_find(slice_from(slice_head(raw, (size_t)end), 1)) : 0;
        if (!character)
            return false;
        utf8_append(out, character);
        raw = slice_from(raw, (size_t)end + 1);
    }
    return true;
}

struct slice xml_next(struct slice *rest, const char *name, struct arena *arena)
{
    struct slice raw = xml_raw(rest, name);
    struct buf text;
    char *copy = NULL;
    if (!raw.bytes)
        return SLICE_NONE;
    buf_init(&text, raw.length + 1);
    if (text_decode(raw, &text) && buf_status(&text) == ERR_NONE)
        copy = arena_copy(arena, text.length ? buf_slice(&text) : SLICE(""));
    struct slice decoded = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    return decoded;
}
