/* "a=b&c=d" taken apart and percent-decoded. */
#include "search/search.h"

#include <string.h>

#include "base/codec.h"
#include "base/utf8.h"
#include "search/compile.h"

/* Borrowed from the text where nothing is encoded, else cut from the arena.
 * ERR_SYNTAX: a broken %XX, a NUL or no UTF-8. */
static enum err decode(struct slice text, struct arena *arena, struct buf *scratch,
                       struct slice *ret_text)
{
    struct slice decoded = text;
    if (slice_find_byte(text, '%') >= 0 || slice_find_byte(text, '+') >= 0) {
        buf_clear(scratch);
        if (!percent_decode(scratch, text, true))
            return scratch->failure ? ERR_NO_MEMORY : ERR_SYNTAX;
        TRY(buf_status(scratch));
        const char *copy = arena_copy(arena, buf_slice(scratch));
        if (!copy)
            return ERR_NO_MEMORY;
        decoded = slice_of(copy, scratch->length);
    }
    if (slice_find_byte(decoded, '\0') >= 0 || !utf8_is_valid(decoded))
        return ERR_SYNTAX;
    *ret_text = decoded;
    return ERR_NONE;
}

static size_t count_pieces(struct slice text)
{
    size_t count = 0;
    struct slice rest = text;
    while (rest.bytes)
        count += slice_cut(&rest, '&').length > 0;
    return count;
}

static enum err parse_piece(struct slice piece, struct arena *arena, struct buf *scratch,
                            struct search_pair *ret_pair, struct issues *issues)
{
    struct slice value = piece;
    struct slice name = slice_cut(&value, '=');
    enum err err = decode(name, arena, scratch, &ret_pair->name);
    if (!err)
        err = decode(value, arena, scratch, &ret_pair->value);
    if (err == ERR_SYNTAX)
        return issues_fail(issues, err, "invalid",
                           "The parameter '%.*s' is not percent-encoded UTF-8 without NUL.",
                           SLICE_ARGS(slice_head(name, SEARCH_SHOWN_BYTES)));
    return err;
}

enum err search_pairs_parse(struct slice text, struct arena *arena, struct search_pair **pairs,
                            size_t *count, struct issues *issues)
{
    size_t added = count_pieces(text);
    if (added == 0)
        return ERR_NONE;
    if (*count + added > SEARCH_PAIRS_MAX)
        return issues_fail(issues, ERR_INVALID, "too-costly",
                           "A search may have %d parameters; this one has %zu.",
                           (int)SEARCH_PAIRS_MAX, *count + added);
    struct search_pair *all = arena_array(arena, *count + added, sizeof *all);
    if (!all)
        return ERR_NO_MEMORY;
    if (*count)
        memcpy(all, *pairs, *count * sizeof *all);

    size_t total = *count;
    struct buf scratch;
    buf_init(&scratch, text.length + 1);
    enum err err = ERR_NONE;
    while (!err && text.bytes) {
        struct slice piece = slice_cut(&text, '&');
        if (piece.length)
            err = parse_piece(piece, arena, &scratch, &all[total++], issues);
    }
    buf_release(&scratch);
    TRY(err);
    *pairs = all;
    *count = total;
    return ERR_NONE;
}
