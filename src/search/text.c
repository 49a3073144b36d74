/* Strings and uris. */
#include "search/compile.h"

#include "base/utf8.h"
#include "index/index.h"

/* The folded value in the arena, 1 to max_bytes long. */
static enum err fold(struct compiler *c, struct slice value, size_t max_bytes,
                     struct slice *ret_folded)
{
    struct buf folded;
    buf_init(&folded, INDEX_TEXT_BYTES_MAX);
    enum err err = utf8_fold(&folded, value);
    if (err == ERR_INVALID)
        err = value_refuse(c, value, "is not UTF-8");
    else if (!err && folded.length == 0)
        err = value_refuse(c, value, "holds nothing to search for");
    else if (!err && folded.length > max_bytes)
        err = value_refuse(c, value, "is too long; :exact finds texts of any length");
    if (!err) {
        const char *copy = arena_copy(c->arena, buf_slice(&folded));
        *ret_folded = slice_of(copy, folded.length);
        err = copy ? ERR_NONE : ERR_NO_MEMORY;
    }
    buf_release(&folded);
    return err;
}

static enum err contains(struct compiler *c, enum term_kind kind, struct slice needle,
                         struct plan **ret_plan)
{
    TRY(plan_leaf(c, PLAN_CONTAINS, index_encode_folded(c->arena, kind, SLICE_NONE), ret_plan));
    (*ret_plan)->needle = needle;
    return ERR_NONE;
}

enum err compile_string(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct slice text = value_unescape(value, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    if (c->modifier == MODIFIER_EXACT)
        return plan_leaf(c, PLAN_TERM, index_encode_string(c->arena, text), ret_plan);

    struct slice folded;
    if (c->modifier != MODIFIER_CONTAINS) {
        TRY(fold(c, text, INDEX_STARTS_WITH_BYTES_MAX, &folded));
        struct slice from = index_encode_folded(c->arena, TERM_STRING, folded);
        return plan_leaf(c, PLAN_PREFIX, from, ret_plan);
    }
    struct plan *head, *windows;
    TRY(fold(c, text, INDEX_CONTAINS_BYTES_MAX, &folded));
    TRY(contains(c, TERM_STRING, folded, &head));
    TRY(contains(c, TERM_STRING_WINDOW, folded, &windows));
    return plan_either(c, head, windows, ret_plan);
}

/* A canonical is found as it is written, and without its |version. Only where a
 * canonical can stand is the second term ever there. */
enum err compile_uri(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct slice uri = value_unescape(value, c->arena);
    if (!uri.bytes)
        return ERR_NO_MEMORY;
    enum plan_kind kind = c->modifier == MODIFIER_BELOW ? PLAN_PREFIX : PLAN_TERM;
    TRY(plan_leaf(c, kind, index_encode_uri(c->arena, TERM_URI, uri), ret_plan));
    if (kind == PLAN_PREFIX || slice_find_byte(uri, '|') >= 0)
        return ERR_NONE;
    struct plan *bare;
    TRY(plan_leaf(c, PLAN_TERM, index_encode_uri(c->arena, TERM_CANONICAL, uri), &bare));
    return plan_either(c, *ret_plan, bare, ret_plan);
}
