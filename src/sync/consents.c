/* sync/consents.c - the file of `user, consent, token` lines. */
#include "sync/sync.h"

enum { CONSENTS_MAX = 1000 * 1000 };

static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Three fields, the first two perhaps empty. NULL, or what is wrong. */
static const char *parse_line(struct slice line, struct sync_consent *ret)
{
    struct slice rest = line;
    ret->user = slice_trim(slice_cut(&rest, ','));
    if (!rest.bytes)
        return "has no comma; it should read `user, consent, token`";
    ret->consent = slice_trim(slice_cut(&rest, ','));
    if (!rest.bytes)
        return "has two fields; it should read `user, consent, token`";
    ret->token = slice_trim(rest);
    if (slice_find_byte(ret->token, ',') >= 0)
        return "has more than three fields";
    if (ret->token.length == 0)
        return "has no token";
    return is_visible(line) ? NULL : "has control characters in it";
}

static bool copy_into(struct arena *arena, struct slice *text)
{
    text->bytes = arena_copy(arena, *text);
    return text->bytes != NULL;
}

static size_t count_lines(struct slice text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.length; i++)
        count += text.bytes[i] == '\n';
    return count;
}

enum err sync_consents_parse(struct slice text, struct arena *arena,
                             struct sync_consent **ret_consents, size_t *ret_count,
                             struct slice *error)
{
    size_t lines = count_lines(text);
    if (lines > CONSENTS_MAX) {
        *error = SLICE("more than a million lines");
        return ERR_LIMIT;
    }
    struct sync_consent *list = arena_array(arena, lines, sizeof *list);
    if (!list)
        return ERR_NO_MEMORY;
    size_t count = 0;
    size_t number = 0;
    struct slice rest = text;
    while (rest.bytes) {
        struct slice line = slice_trim(slice_cut(&rest, '\n'));
        number++;
        if (line.length == 0 || line.bytes[0] == '#')
            continue;
        struct sync_consent *c = &list[count];
        const char *wrong = parse_line(line, c);
        if (wrong) {
            *error = arena_printf(arena, "line %zu %s", number, wrong);
            return ERR_SYNTAX;
        }
        if (!copy_into(arena, &c->user) || !copy_into(arena, &c->consent) ||
            !copy_into(arena, &c->token))
            return ERR_NO_MEMORY;
        count++;
    }
    *ret_consents = list;
    *ret_count = count;
    return ERR_NONE;
}
