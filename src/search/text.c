/* Strings and uris. */
#include "search/compile.h"

#include <string.h>

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

static enum err starts(struct compiler *c, enum term_kind kind, struct slice folded,
                       struct plan **ret_plan)
{
    return plan_leaf(c, PLAN_PREFIX, index_encode_folded(c->arena, kind, folded), ret_plan);
}

/* A word of the text begins with it: the first, or one behind a blank. */
static enum err word_starts(struct compiler *c, struct slice folded, struct plan **ret_plan)
{
    static const enum term_kind kinds[] = { TERM_STRING, TERM_STRING_WINDOW };
    struct plan_list any = { 0 };
    struct plan *plan;
    char *inner = arena_raw(c->arena, folded.length + 1);
    if (!inner)
        return ERR_NO_MEMORY;
    inner[0] = ' ';
    memcpy(inner + 1, folded.bytes, folded.length);
    TRY(starts(c, TERM_STRING, folded, &plan));
    TRY(plan_list_add(c, &any, plan));
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        TRY(contains(c, kinds[i], slice_of(inner, folded.length + 1), &plan));
        TRY(plan_list_add(c, &any, plan));
    }
    return plan_join(c, PLAN_OR, &any, ret_plan);
}

/* Of _filter: all of the folded text. */
static enum err equals(struct compiler *c, struct slice folded, struct plan **ret_plan)
{
    char *whole = arena_raw(c->arena, folded.length + 2);
    if (!whole)
        return ERR_NO_MEMORY;
    whole[0] = TERM_STRING;
    memcpy(whole + 1, folded.bytes, folded.length);
    whole[folded.length + 1] = '\0';
    return plan_leaf(c, PLAN_PREFIX, slice_of(whole, folded.length + 2), ret_plan);
}

/* 't' folded 0 exact: does the folded text end with the needle? Of a longer text than is
 * kept only the head is known, which is not its end. */
static bool ends(const struct plan *plan, struct slice value)
{
    struct slice rest = slice_from(value, 1);
    struct slice folded = slice_cut(&rest, '\0');
    return folded.length < INDEX_STARTS_WITH_BYTES_MAX && slice_ends_with(folded, plan->needle);
}

/* Behind the folded text comes a NUL, so what begins with it and goes on lies above. */
enum err compile_string_order(struct compiler *c, struct slice op, struct slice value,
                              struct plan **ret_plan)
{
    static const char first = TERM_STRING, past = TERM_STRING + 1;
    struct slice text = value_unescape(value, c->arena), folded;
    if (!text.bytes)
        return ERR_NO_MEMORY;
    TRY(fold(c, text, INDEX_STARTS_WITH_BYTES_MAX - 1, &folded));
    bool is_above = slice_is(op, "gt") || slice_is(op, "ge");
    bool takes_equal = slice_is(op, "ge") || slice_is(op, "le");
    bool is_past = is_above != takes_equal; /* the bound lies behind what is equal */
    char *bound = arena_raw(c->arena, folded.length + 2);
    if (!bound)
        return ERR_NO_MEMORY;
    bound[0] = first;
    memcpy(bound + 1, folded.bytes, folded.length);
    bound[folded.length + 1] = 1;
    struct slice edge = slice_of(bound, folded.length + 1 + is_past);
    TRY(plan_leaf(c, PLAN_RANGE, is_above ? edge : slice_of(&first, 1), ret_plan));
    (*ret_plan)->to = is_above ? slice_of(&past, 1) : edge;
    return ERR_NONE;
}

enum err compile_string(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct slice text = value_unescape(value, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    if (c->modifier == MODIFIER_EXACT) {
        TRY(plan_leaf(c, PLAN_TERM, index_encode_string(c->arena, text), ret_plan));
        return score_string(c, *ret_plan, *ret_plan, *ret_plan);
    }

    bool is_end = c->modifier == MODIFIER_ENDS;
    bool is_contained = c->modifier == MODIFIER_CONTAINS || is_end;
    bool is_word = c->modifier == MODIFIER_TEXT;
    size_t max_bytes = is_contained ? (size_t)INDEX_CONTAINS_BYTES_MAX
                     : is_word      ? (size_t)INDEX_CONTAINS_BYTES_MAX - 1
                                    : (size_t)INDEX_STARTS_WITH_BYTES_MAX - 1;
    struct slice folded;
    TRY(fold(c, text, max_bytes, &folded));
    struct plan *whole, *start;
    TRY(equals(c, folded, &whole));
    TRY(starts(c, TERM_STRING, folded, &start));
    if (is_word) {
        TRY(word_starts(c, folded, ret_plan));
        return score_string(c, *ret_plan, start, whole);
    }
    if (is_end) {
        TRY(contains(c, TERM_STRING, folded, ret_plan));
        (*ret_plan)->accepts = ends;
        return ERR_NONE;
    }
    if (c->modifier == MODIFIER_EQUAL) {
        *ret_plan = whole;
        return ERR_NONE;
    }
    bool is_cased = c->settings->dialect && c->settings->dialect->case_counts;
    if (!is_contained) {
        *ret_plan = start;
        TRY(score_string(c, start, start, whole));
        return is_cased ? plan_cased(c, text, false, *ret_plan) : ERR_NONE;
    }
    struct plan *head, *windows;
    TRY(contains(c, TERM_STRING, folded, &head));
    if (is_cased) /* pieces behind the head are kept folded alone */
        TRY(plan_cased(c, text, true, head));
    TRY(contains(c, TERM_STRING_WINDOW, folded, &windows));
    TRY(plan_either(c, head, windows, ret_plan));
    return score_string(c, *ret_plan, start, whole);
}

/* :text of a token: what is shown beside the code, as a string is searched. */
enum err compile_token_text(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct slice text = value_unescape(value, c->arena);
    struct slice folded;
    if (!text.bytes)
        return ERR_NO_MEMORY;
    TRY(fold(c, text, INDEX_STARTS_WITH_BYTES_MAX, &folded));
    struct plan *whole;
    TRY(plan_leaf(c, PLAN_TERM, index_encode_folded(c->arena, TERM_TOKEN_TEXT, folded), &whole));
    TRY(starts(c, TERM_TOKEN_TEXT, folded, ret_plan));
    return score_string(c, *ret_plan, *ret_plan, whole);
}

/* ---- _text and _content ---- */

/* a b, a AND b, a OR b, NOT a, -a, (a b), a*: words, "and" binds closer than "or". */
struct words {
    struct compiler *c;
    struct slice value; /* as asked, for refusals */
    struct slice rest;  /* still to read */
    int depth;
};
enum { WORDS_DEPTH_MAX = 15 };

static struct slice token_peek(struct words *w)
{
    w->rest = slice_trim(w->rest);
    struct slice rest = w->rest;
    if (!rest.length || rest.bytes[0] == '(' || rest.bytes[0] == ')')
        return slice_head(rest, 1);
    size_t length = 0;
    while (length < rest.length && !slice_is(slice_head(slice_from(rest, length), 1), " ") &&
           rest.bytes[length] != '(' && rest.bytes[length] != ')')
        length++;
    return slice_head(rest, length);
}

static bool token_take(struct words *w, const char *token)
{
    struct slice found = token_peek(w);
    if (!slice_equal_nocase(found, slice_cstr(token)))
        return false;
    w->rest = slice_from(w->rest, found.length);
    return true;
}

/* "Co-payment" is two words, which must both be there; "pay*" begins one. */
static enum err words_leaf(struct words *w, struct slice token, struct plan **ret_plan)
{
    struct compiler *c = w->c;
    struct plan_list all = { 0 };
    struct slice folded;
    bool is_open = slice_ends_with(token, SLICE("*"));
    TRY(fold(c, token, INDEX_STARTS_WITH_BYTES_MAX - 1, &folded));
    struct slice word = index_word_cut(&folded);
    while (word.bytes) {
        struct plan *plan;
        struct slice next = index_word_cut(&folded);
        enum plan_kind kind = is_open && !next.bytes ? PLAN_PREFIX : PLAN_TERM;
        TRY(plan_leaf(c, kind, index_encode_folded(c->arena, TERM_WORD, word), &plan));
        TRY(plan_list_add(c, &all, plan));
        TRY(score_word(c, word, kind == PLAN_PREFIX, plan));
        word = next;
    }
    if (!all.count)
        return value_refuse(c, w->value, "holds no word to search for");
    return plan_join(c, PLAN_AND, &all, ret_plan);
}

static enum err words_or(struct words *w, struct plan **ret_plan);

static enum err words_one(struct words *w, struct plan **ret_plan)
{
    struct slice token = token_peek(w);
    if (++w->depth > WORDS_DEPTH_MAX)
        return value_refuse(w->c, w->value, "nests too deep");
    bool is_not = token_take(w, "not") ||
                  (token.length > 1 && token.bytes[0] == '-' && !slice_is(token, "-"));
    enum err err;
    if (is_not && token.bytes[0] == '-')
        w->rest = slice_from(w->rest, 1);
    if (is_not) {
        w->c->unscored++;
        err = words_one(w, ret_plan);
        w->c->unscored--;
        w->depth--;
        return err ? err : plan_not(w->c, *ret_plan, ret_plan);
    }
    if (token_take(w, "(")) {
        err = words_or(w, ret_plan);
        if (!err && !token_take(w, ")"))
            err = value_refuse(w->c, w->value, "has a '(' without ')'");
    } else if (!token.length || slice_is(token, ")") || slice_equal_nocase(token, SLICE("and")) ||
               slice_equal_nocase(token, SLICE("or"))) {
        err = value_refuse(w->c, w->value, "lacks a word: expected words, AND, OR, NOT, ( and )");
    } else {
        w->rest = slice_from(w->rest, token.length);
        err = words_leaf(w, token, ret_plan);
    }
    w->depth--;
    return err;
}

static enum err words_and(struct words *w, struct plan **ret_plan)
{
    struct plan_list all = { 0 };
    for (;;) {
        struct plan *plan;
        TRY(words_one(w, &plan));
        TRY(plan_list_add(w->c, &all, plan));
        if (token_take(w, "and"))
            continue;
        struct slice next = token_peek(w);
        if (!next.length || slice_is(next, ")") || slice_equal_nocase(next, SLICE("or")))
            return plan_join(w->c, PLAN_AND, &all, ret_plan);
    }
}

static enum err words_or(struct words *w, struct plan **ret_plan)
{
    struct plan_list any = { 0 };
    do {
        struct plan *plan;
        TRY(words_and(w, &plan));
        TRY(plan_list_add(w->c, &any, plan));
    } while (token_take(w, "or"));
    return plan_join(w->c, PLAN_OR, &any, ret_plan);
}

enum err compile_words(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct words w = { .c = c, .value = value, .rest = value_unescape(value, c->arena) };
    if (!w.rest.bytes)
        return ERR_NO_MEMORY;
    TRY(words_or(&w, ret_plan));
    if (token_peek(&w).length)
        return value_refuse(c, value, "has a ')' without '('");
    return ERR_NONE;
}

/* ---- uris ---- */

/* :above: a stored uri that the one asked begins with, up to a '/' of its path. */
static enum err above(struct compiler *c, struct slice uri, struct plan **ret_plan)
{
    struct plan_list any = { 0 };
    ptrdiff_t scheme = slice_find(uri, SLICE("://"));
    size_t from = scheme < 0 ? 0 : (size_t)scheme + 3;
    for (size_t i = from; i <= uri.length; i++) {
        if (i < uri.length && uri.bytes[i] != '/')
            continue;
        if (any.count >= 128)
            return value_refuse(c, uri, "has too many '/' for :above");
        for (size_t with_slash = 0; with_slash < 2 && i + with_slash <= uri.length; with_slash++) {
            struct plan *plan;
            struct slice head = slice_head(uri, i + with_slash);
            TRY(plan_leaf(c, PLAN_TERM, index_encode_uri(c->arena, TERM_URI, head), &plan));
            TRY(plan_list_add(c, &any, plan));
        }
    }
    return plan_join(c, PLAN_OR, &any, ret_plan);
}

/* A canonical is found as it is written, and without its |version. Only where a
 * canonical can stand is the second term ever there. */
enum err compile_uri(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct slice uri = value_unescape(value, c->arena);
    if (!uri.bytes)
        return ERR_NO_MEMORY;
    if (c->modifier == MODIFIER_ABOVE)
        return above(c, uri, ret_plan);
    enum plan_kind kind = c->modifier == MODIFIER_BELOW ? PLAN_PREFIX : PLAN_TERM;
    TRY(plan_leaf(c, kind, index_encode_uri(c->arena, TERM_URI, uri), ret_plan));
    if (kind == PLAN_PREFIX)
        return ERR_NONE;
    if (slice_find_byte(uri, '|') >= 0)
        return canonical_of_version(c, uri, ret_plan);
    struct plan *bare;
    TRY(plan_leaf(c, PLAN_TERM, index_encode_uri(c->arena, TERM_CANONICAL, uri), &bare));
    return plan_either(c, *ret_plan, bare, ret_plan);
}
