#include "cli/dotenv.h"

#include "base/buf.h"

enum { VALUE_BYTES = 1 << 20 };

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.bytes[i];
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.length > 0;
}

/* The text between the quotes, whose kind is its first byte. False when they do
 * not close, or something but a comment follows. */
static bool unquote(struct slice text, struct buf *out)
{
    char quote = text.bytes[0];
    size_t i = 1;
    for (; i < text.length && text.bytes[i] != quote; i++) {
        char c = text.bytes[i];
        if (quote == '"' && c == '\\' && i + 1 < text.length) {
            c = text.bytes[++i];
            if (c == 'n')
                c = '\n';
            else if (c != '"' && c != '\\')
                buf_append_byte(out, '\\');
        }
        buf_append_byte(out, c);
    }
    if (i >= text.length)
        return false;
    struct slice rest = slice_trim(slice_from(text, i + 1));
    return rest.length == 0 || rest.bytes[0] == '#';
}

static bool read_value(struct slice text, struct buf *out)
{
    text = slice_trim(text);
    if (text.length && (text.bytes[0] == '"' || text.bytes[0] == '\''))
        return unquote(text, out);
    ptrdiff_t comment = slice_find(text, SLICE(" #"));
    if (comment >= 0)
        text = slice_trim(slice_head(text, (size_t)comment));
    buf_append(out, text);
    return true;
}

static enum err add_line(struct slice line, struct arena *arena, struct dotenv *d)
{
    static const struct slice export = SLICE_INIT("export ");
    if (slice_starts_with(line, export))
        line = slice_trim(slice_from(line, export.length));
    struct slice rest = line;
    struct slice name = slice_trim(slice_cut(&rest, '='));
    struct buf value;
    buf_init(&value, VALUE_BYTES);
    if (!rest.bytes || !is_name(name) || !read_value(rest, &value)) {
        buf_release(&value);
        return ERR_SYNTAX;
    }
    struct dotenv_entry *entry = arena_alloc(arena, sizeof *entry);
    enum err err = entry ? buf_status(&value) : ERR_NO_MEMORY;
    if (!err) {
        entry->name = slice_of(arena_copy(arena, name), name.length);
        entry->value = slice_of(arena_copy(arena, buf_slice(&value)), value.length);
        err = entry->name.bytes && entry->value.bytes ? ERR_NONE : ERR_NO_MEMORY;
    }
    buf_release(&value);
    if (err)
        return err;
    struct dotenv_entry **tail = &d->first;
    while (*tail)
        tail = &(*tail)->next;
    *tail = entry;
    return ERR_NONE;
}

enum err dotenv_parse(struct slice text, struct arena *arena, struct dotenv *ret,
                      size_t *ret_line)
{
    *ret = (struct dotenv){ NULL };
    *ret_line = 0;
    struct slice rest = text;
    while (rest.bytes) {
        struct slice line = slice_trim(slice_cut(&rest, '\n'));
        ++*ret_line;
        if (line.length && line.bytes[0] != '#')
            TRY(add_line(line, arena, ret));
    }
    return ERR_NONE;
}

const char *dotenv_find(const struct dotenv *d, const char *name)
{
    for (const struct dotenv_entry *e = d->first; e; e = e->next) {
        if (slice_is(e->name, name))
            return e->value.length ? e->value.bytes : NULL;
    }
    return NULL;
}
