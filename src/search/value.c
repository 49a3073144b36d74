/* Values: separators, escapes, refusals. */
#include "search/compile.h"

struct slice value_cut(struct slice *rest, char separator)
{
    struct slice all = *rest;
    for (size_t i = 0; i < all.length; i++) {
        if (all.bytes[i] == '\\') {
            i++; /* whatever follows is escaped */
        } else if (all.bytes[i] == separator) {
            *rest = slice_of(all.bytes + i + 1, all.length - i - 1);
            return slice_head(all, i);
        }
    }
    *rest = SLICE_NONE;
    return all;
}

static bool is_escapable(char byte)
{
    return byte == ',' || byte == '|' || byte == '$' || byte == '\\';
}

struct slice value_unescape(struct slice value, struct arena *arena)
{
    if (slice_find_byte(value, '\\') < 0)
        return value.bytes ? value : SLICE("");
    char *text = arena_raw(arena, value.length + 1);
    if (!text)
        return SLICE_NONE;
    size_t length = 0;
    for (size_t i = 0; i < value.length; i++) {
        bool is_escape = value.bytes[i] == '\\' && i + 1 < value.length &&
                         is_escapable(value.bytes[i + 1]);
        if (is_escape)
            i++;
        text[length++] = value.bytes[i];
    }
    return slice_of(text, length);
}

enum err value_refuse(struct compiler *c, struct slice value, const char *what)
{
    return issues_fail(c->issues, ERR_INVALID, "value",
                       "The value '%.*s' of the parameter '%.*s' %s.",
                       SLICE_ARGS(slice_head(value, SEARCH_SHOWN_BYTES)),
                       SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)), what);
}
