/* aws/policy_pattern.c - texts with wildcards and variables. */
#include "aws/policy_form.h"

enum { VARIABLES_MAX = 64, TEXT_BYTES_MAX = 64 * 1024 };

/* ---- compiling ---- */

/* "aws:PrincipalTag/team, 'none'" to key and default. */
static bool variable_parse(struct slice inside, struct policy_variable *ret)
{
    ptrdiff_t comma = slice_find_byte(inside, ',');
    *ret = (struct policy_variable){ .key = slice_trim(inside) };
    if (comma >= 0) {
        struct slice rest = slice_trim(slice_from(inside, (size_t)comma + 1));
        ret->key = slice_trim(slice_head(inside, (size_t)comma));
        if (rest.length < 2 || rest.bytes[0] != '\'' || rest.bytes[rest.length - 1] != '\'')
            return false;
        ret->fallback = slice_of(rest.bytes + 1, rest.length - 2);
    }
    return ret->key.length > 0 && slice_find_byte(ret->key, '$') < 0 &&
           slice_find_byte(ret->key, '{') < 0;
}

/* The variable that begins at text[at] ("${..."); *ret_end is behind it. */
static const char *variable_add(struct slice text, size_t at, struct policy_variable *variables,
                                size_t *count, uint16_t *ret_symbol, size_t *ret_end)
{
    struct slice inside = slice_from(text, at + 2);
    ptrdiff_t close = slice_find_byte(inside, '}');
    if (close < 0)
        return "a policy variable has no closing '}'";
    inside.length = (size_t)close;
    *ret_end = at + 2 + (size_t)close + 1;
    if (inside.length == 1 && memchr("*?$", inside.bytes[0], 3)) {
        *ret_symbol = (uint8_t)inside.bytes[0];
        return NULL;
    }
    if (*count == VARIABLES_MAX)
        return "too many policy variables in one value";
    if (!variable_parse(inside, &variables[*count]))
        return "a policy variable must be ${key} or ${key, 'default'}";
    *ret_symbol = (uint16_t)(SYMBOL_VARIABLE + (*count)++);
    return NULL;
}

static const char *compile(struct slice text, bool has_wildcards, bool has_variables,
                           uint16_t *symbols, struct policy_variable *variables,
                           struct policy_pattern *ret)
{
    size_t at = 0;
    while (at < text.length) {
        char c = text.bytes[at];
        uint16_t symbol = (uint8_t)c;
        if (has_variables && c == '$' && at + 1 < text.length && text.bytes[at + 1] == '{') {
            const char *reason =
                variable_add(text, at, variables, &ret->variable_count, &symbol, &at);
            if (reason)
                return reason;
        } else {
            if (has_wildcards && c == '*')
                symbol = SYMBOL_ANY;
            else if (has_wildcards && c == '?')
                symbol = SYMBOL_ONE;
            at++;
        }
        symbols[ret->count++] = symbol;
    }
    return NULL;
}

enum err policy_pattern_compile(struct slice text, bool has_wildcards, bool has_variables,
                                struct arena *arena, struct policy_pattern *ret,
                                const char **ret_reason)
{
    *ret_reason = "the value is too long";
    if (text.length > TEXT_BYTES_MAX)
        return ERR_INVALID;
    struct policy_variable variables[VARIABLES_MAX];
    uint16_t *symbols = arena_array(arena, text.length, sizeof *symbols);
    if (!symbols)
        return ERR_NO_MEMORY;
    *ret = (struct policy_pattern){ .text = text, .symbols = symbols };
    *ret_reason = compile(text, has_wildcards, has_variables, symbols, variables, ret);
    if (*ret_reason)
        return ERR_INVALID;
    if (ret->variable_count) {
        struct policy_variable *kept = arena_array(arena, ret->variable_count, sizeof *kept);
        if (!kept)
            return ERR_NO_MEMORY;
        memcpy(kept, variables, ret->variable_count * sizeof *kept);
        ret->variables = kept;
    }
    return ERR_NONE;
}

/* ---- variables ---- */

/* A key with several values has no one value to put in its place. */
static const struct slice *variable_value(const struct policy_variable *v,
                                          const struct policy_question *q)
{
    const struct policy_key *key = policy_question_key(q, v->key);
    if (key && key->count == 1)
        return &key->values[0];
    return !key && v->fallback.bytes ? &v->fallback : NULL;
}

enum err policy_pattern_resolve(const struct policy_pattern *p, const struct policy_question *q,
                                struct arena *scratch, struct policy_pattern *ret,
                                const struct policy_variable **ret_missing)
{
    *ret_missing = NULL;
    if (!p->variable_count) {
        *ret = *p;
        return ERR_NONE;
    }
    size_t length = p->count;
    for (size_t i = 0; i < p->variable_count; i++) {
        const struct slice *value = variable_value(&p->variables[i], q);
        if (!value) {
            *ret_missing = &p->variables[i];
            return ERR_NONE;
        }
        length += value->length;
    }
    uint16_t *symbols = arena_array(scratch, length, sizeof *symbols);
    if (!symbols)
        return ERR_NO_MEMORY;
    *ret = (struct policy_pattern){ .text = p->text, .symbols = symbols };
    for (size_t i = 0; i < p->count; i++) {
        if (p->symbols[i] < SYMBOL_VARIABLE) {
            symbols[ret->count++] = p->symbols[i];
            continue;
        }
        const struct slice *value =
            variable_value(&p->variables[p->symbols[i] - SYMBOL_VARIABLE], q);
        for (size_t k = 0; k < value->length; k++)
            symbols[ret->count++] = (uint8_t)value->bytes[k];
    }
    return ERR_NONE;
}

/* ---- matching ---- */

static unsigned fold_byte(unsigned c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool symbol_fits(uint16_t symbol, char c, bool fold)
{
    unsigned byte = (uint8_t)c;
    if (symbol == SYMBOL_ONE)
        return true;
    return fold ? fold_byte(symbol) == fold_byte(byte) : symbol == byte;
}

/* Only the last star met is ever tried again: a longer match for an earlier one
 * cannot help. So at most count x length steps. */
bool policy_pattern_match(const uint16_t *symbols, size_t count, struct slice text, bool fold)
{
    size_t s = 0, t = 0, star = SIZE_MAX, star_text = 0;
    while (t < text.length) {
        if (s < count && symbols[s] == SYMBOL_ANY) {
            star = ++s;
            star_text = t;
        } else if (s < count && symbol_fits(symbols[s], text.bytes[t], fold)) {
            s++;
            t++;
        } else if (star != SIZE_MAX) {
            s = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (s < count && symbols[s] == SYMBOL_ANY)
        s++;
    return s == count;
}

/* The end of the part that begins at `from`; the sixth takes all that is left. */
static size_t symbols_part(const uint16_t *symbols, size_t count, size_t from, bool is_last)
{
    size_t end = from;
    while (end < count && (is_last || symbols[end] != ':'))
        end++;
    return end;
}

bool policy_pattern_match_arn(const uint16_t *symbols, size_t count, struct slice text)
{
    if (count == 1 && symbols[0] == SYMBOL_ANY)
        return true;
    size_t at = 0;
    for (int part = 0; part < 6; part++) {
        bool is_last = part == 5;
        size_t end = symbols_part(symbols, count, at, is_last);
        struct slice piece = is_last ? text : slice_cut(&text, ':');
        if (!policy_pattern_match(symbols + at, end - at, piece, false))
            return false;
        if (!is_last && (end == count || !text.bytes))
            return false;
        at = end + 1;
    }
    return true;
}

bool policy_wildcard_match(struct slice pattern, struct slice text, bool fold)
{
    uint16_t symbols[512];
    if (pattern.length > ARRAY_COUNT(symbols))
        return false;
    struct policy_pattern p = { 0 };
    struct policy_variable none[1];
    const char *reason = compile(pattern, true, false, symbols, none, &p);
    return !reason && policy_pattern_match(symbols, p.count, text, fold);
}
