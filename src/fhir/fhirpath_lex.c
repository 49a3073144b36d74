/* fhir/fhirpath_lex.c - FHIRPath text to tokens. */
#include "fhir/fhirpath.h"

struct lexer {
    struct slice text;
    size_t at;
    struct arena *arena;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char byte_at(const struct lexer *lex, size_t at)
{
    return at < lex->text.length ? lex->text.bytes[at] : '\0';
}

/* ---- blanks and comments ---- */

/* NULL, or what is wrong. */
static const char *skip_blanks(struct lexer *lex)
{
    while (lex->at < lex->text.length) {
        char c = byte_at(lex, lex->at), next = byte_at(lex, lex->at + 1);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            lex->at++;
        } else if (c == '/' && next == '/') {
            while (lex->at < lex->text.length && byte_at(lex, lex->at) != '\n')
                lex->at++;
        } else if (c == '/' && next == '*') {
            ptrdiff_t end = slice_find(slice_from(lex->text, lex->at + 2), SLICE("*/"));
            if (end < 0)
                return "a comment that does not end";
            lex->at += (size_t)end + 4;
        } else {
            break;
        }
    }
    return NULL;
}

/* ---- quoted texts ---- */

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0) | c);
    return length;
}

/* Four hex digits at `at`. */
static bool hex4(const struct lexer *lex, size_t at, uint32_t *ret_value)
{
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = byte_at(lex, i), lower = (char)(c | 0x20);
        bool is_letter = lower >= 'a' && lower <= 'f';
        if (!is_digit(c) && !is_letter)
            return false;
        value = value * 16 + (uint32_t)(is_letter ? lower - 'a' + 10 : c - '0');
    }
    *ret_value = value;
    return true;
}

/* The escape behind the backslash at `at`; returns the bytes it takes. An
 * unknown one stands for its letter, as the specification says. */
static size_t unescape(const struct lexer *lex, size_t at, char *out, size_t *ret_length)
{
    static const char names[] = "nrtf", values[] = "\n\r\t\f";
    char letter = byte_at(lex, at + 1);
    uint32_t c, low;
    *ret_length = 1;
    if (letter == 'u' && hex4(lex, at + 2, &c)) {
        bool is_high = c >= 0xd800 && c < 0xdc00;
        bool is_pair = is_high && byte_at(lex, at + 6) == '\\' && byte_at(lex, at + 7) == 'u' &&
                       hex4(lex, at + 8, &low) && low >= 0xdc00 && low < 0xe000;
        if (is_pair)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        else if (c >= 0xd800 && c < 0xe000)
            c = 0xfffd;
        *ret_length = put_utf8(c, out);
        return is_pair ? 12 : 6;
    }
    out[0] = letter;
    for (size_t i = 0; i < sizeof names - 1; i++)
        if (names[i] == letter)
            out[0] = values[i];
    return 2;
}

static enum err lex_quoted(struct lexer *lex, struct fp_token *token)
{
    char quote = byte_at(lex, lex->at);
    size_t start = lex->at + 1, end = start;
    bool has_escape = false;
    while (end < lex->text.length && byte_at(lex, end) != quote) {
        has_escape |= byte_at(lex, end) == '\\';
        end += byte_at(lex, end) == '\\' ? 2 : 1;
    }
    if (end >= lex->text.length) {
        token->error = "a quoted text that does not end";
        return ERR_NONE;
    }
    lex->at = end + 1;
    token->kind = quote == '\'' ? FP_TOKEN_STRING : FP_TOKEN_QUOTED_NAME;
    token->text = slice_of(lex->text.bytes + start, end - start);
    if (!has_escape)
        return ERR_NONE;
    char *room = arena_raw(lex->arena, end - start);
    if (!room)
        return ERR_NO_MEMORY;
    size_t length = 0, taken = 1;
    for (size_t at = start; at < end; at += taken) {
        size_t count = 1;
        room[length] = byte_at(lex, at);
        taken = 1;
        if (room[length] == '\\')
            taken = unescape(lex, at, room + length, &count);
        length += count;
    }
    token->text = slice_of(room, length);
    return ERR_NONE;
}

/* ---- numbers and dates ---- */

static void lex_number(struct lexer *lex, struct fp_token *token)
{
    size_t start = lex->at;
    bool is_decimal = false;
    while (is_digit(byte_at(lex, lex->at)))
        lex->at++;
    if (byte_at(lex, lex->at) == '.' && is_digit(byte_at(lex, lex->at + 1))) {
        is_decimal = true;
        for (lex->at++; is_digit(byte_at(lex, lex->at));)
            lex->at++;
    }
    token->text = slice_of(lex->text.bytes + start, lex->at - start);
    bool is_long = !is_decimal && byte_at(lex, lex->at) == 'L';
    lex->at += is_long;
    struct decimal value;
    token->kind = FP_TOKEN_NUMBER;
    if (!decimal_parse(token->text, &value)) {
        token->error = "a number that is too long";
    } else if (is_decimal || !decimal_to_int64(value, &token->literal.integer)) {
        token->literal.kind = FP_DECIMAL;
        token->literal.decimal = value;
    } else {
        token->literal.kind = FP_INTEGER;
    }
    if (is_name_start(byte_at(lex, lex->at)) && is_long)
        token->error = "a number with letters behind it";
}

static void lex_moment(struct lexer *lex, struct fp_token *token)
{
    struct slice rest = slice_from(lex->text, lex->at + 1);
    bool is_time = rest.length > 0 && rest.bytes[0] == 'T';
    struct slice body = slice_from(rest, is_time);
    struct moment m = { .year = 0 };
    size_t taken = moment_take(body, is_time, &m);
    if (taken == 0) {
        token->error = "no date, dateTime or time behind '@'";
        return;
    }
    lex->at += 1 + is_time + taken;
    char next = byte_at(lex, lex->at);
    if (is_digit(next) || is_name_start(next) ||
        (next == '-' && is_digit(byte_at(lex, lex->at + 1))) || next == ':') {
        token->error = "a date, dateTime or time that does not exist";
        return;
    }
    bool is_date = m.precision <= MOMENT_DAY && body.bytes[taken - 1] != 'T';
    token->kind = FP_TOKEN_MOMENT;
    token->literal.kind = (uint8_t)(is_time ? FP_TIME : is_date ? FP_DATE : FP_DATE_TIME);
    token->literal.moment = m;
}

/* ---- the rest ---- */

static struct slice take_name(struct lexer *lex)
{
    size_t start = lex->at;
    while (is_name_start(byte_at(lex, lex->at)) || is_digit(byte_at(lex, lex->at)))
        lex->at++;
    return slice_of(lex->text.bytes + start, lex->at - start);
}

static void lex_sign(struct lexer *lex, struct fp_token *token)
{
    static const char *const pairs[] = { "<=", ">=", "!=", "!~" };
    struct slice rest = slice_from(lex->text, lex->at);
    size_t length = 0;
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++)
        if (slice_starts_with(rest, slice_cstr(pairs[i])))
            length = 2;
    if (length == 0 && rest.bytes[0] != '\0' && strchr("+-*/&|=~<>()[]{}.,%", rest.bytes[0]))
        length = 1;
    if (length == 0) {
        token->error = "a character that means nothing here";
        return;
    }
    token->kind = FP_TOKEN_SIGN;
    token->text = slice_head(rest, length);
    lex->at += length;
}

enum err fp_lex(struct slice text, size_t *at, struct arena *arena, struct fp_token *ret_token)
{
    struct lexer lex = { text, *at, arena };
    enum err err = ERR_NONE;
    const char *error = skip_blanks(&lex);
    *ret_token = (struct fp_token){ .kind = FP_TOKEN_WRONG, .at = (uint32_t)lex.at };
    ret_token->error = error;
    char c = byte_at(&lex, lex.at);
    if (error)
        c = '\0';
    else if (lex.at >= text.length)
        ret_token->kind = FP_TOKEN_END;
    else if (is_name_start(c)) {
        ret_token->kind = FP_TOKEN_NAME;
        ret_token->text = take_name(&lex);
    } else if (c == '\'' || c == '`')
        err = lex_quoted(&lex, ret_token);
    else if (is_digit(c))
        lex_number(&lex, ret_token);
    else if (c == '@')
        lex_moment(&lex, ret_token);
    else if (c == '$') {
        lex.at++;
        ret_token->kind = FP_TOKEN_DOLLAR;
        ret_token->text = take_name(&lex);
    } else
        lex_sign(&lex, ret_token);
    if (ret_token->error)
        ret_token->kind = FP_TOKEN_WRONG;
    *at = lex.at;
    return err;
}
