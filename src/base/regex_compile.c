#include "base/check.h"
#include "base/regex_private.h"

/* Parsed to a tree first: {m,n} writes its part several times. */

enum { DEPTH_MAX = 60, REPEAT_MAX = 1000 };

enum node_kind { NODE_STEP, NODE_CLASS, NODE_SEQUENCE, NODE_CHOICE, NODE_GROUP, NODE_REPEAT };

struct node {
    struct node *next;  /* in its sequence or choice */
    struct node *first; /* inside */
    uint32_t kind;      /* enum node_kind */
    uint32_t op, x;     /* NODE_STEP; NODE_CLASS and NODE_GROUP: number */
    uint32_t low, high; /* NODE_REPEAT; high == UINT32_MAX: no end */
    bool is_lazy;
};

struct compiler {
    struct arena *arena;
    struct slice text;
    size_t at;
    int depth;
    uint32_t group_count;
    struct regex_class *classes;
    uint32_t class_count, class_room;
    struct regex_step *steps;
    uint32_t step_count;
};

static enum err parse_choice(struct compiler *c, struct node **ret_node);

static enum err new_node(struct compiler *c, enum node_kind kind, struct node **ret_node)
{
    struct node *node = arena_alloc(c->arena, sizeof *node);
    if (!node)
        return ERR_NO_MEMORY;
    node->kind = kind;
    *ret_node = node;
    return ERR_NONE;
}

static bool more(const struct compiler *c)
{
    return c->at < c->text.length;
}

static char peek(const struct compiler *c)
{
    return more(c) ? c->text.bytes[c->at] : '\0';
}

static bool take(struct compiler *c, char byte)
{
    if (!more(c) || peek(c) != byte)
        return false;
    c->at++;
    return true;
}

/* ---- classes ---- */

static enum err new_class(struct compiler *c, struct regex_class **ret_class)
{
    if (c->class_count == c->class_room) {
        uint32_t room = c->class_room ? c->class_room * 2 : 8;
        struct regex_class *classes = arena_array(c->arena, room, sizeof *classes);
        if (!classes)
            return ERR_NO_MEMORY;
        for (uint32_t i = 0; i < c->class_count; i++)
            classes[i] = c->classes[i];
        c->classes = classes;
        c->class_room = room;
    }
    *ret_class = &c->classes[c->class_count++];
    return ERR_NONE;
}

static enum err add_range(struct compiler *c, struct regex_class *class, uint32_t low,
                          uint32_t high)
{
    if (low > high)
        return ERR_SYNTAX;
    if (class->count == class->room) {
        uint32_t room = class->room ? class->room * 2 : 8;
        struct regex_range *ranges = arena_array(c->arena, room, sizeof *ranges);
        if (!ranges)
            return ERR_NO_MEMORY;
        for (uint32_t i = 0; i < class->count; i++)
            ranges[i] = class->ranges[i];
        class->ranges = ranges;
        class->room = room;
    }
    class->ranges[class->count++] = (struct regex_range){ low, high };
    return ERR_NONE;
}

static const struct regex_range digits[] = { { '0', '9' } };
static const struct regex_range words[] = {
    { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' }
};
static const struct regex_range blanks[] = { { '\t', '\r' }, { ' ', ' ' } };

/* \d \w \s and their opposites; false when the letter is none of them. */
static bool named_class(char letter, const struct regex_range **ret_ranges, uint32_t *ret_count)
{
    switch (letter | 0x20) {
    case 'd':
        *ret_ranges = digits;
        *ret_count = ARRAY_COUNT(digits);
        return true;
    case 'w':
        *ret_ranges = words;
        *ret_count = ARRAY_COUNT(words);
        return true;
    case 's':
        *ret_ranges = blanks;
        *ret_count = ARRAY_COUNT(blanks);
        return true;
    default:
        return false;
    }
}

static enum err add_named(struct compiler *c, struct regex_class *class, char letter)
{
    const struct regex_range *ranges;
    uint32_t count, low = 0;
    CHECK(named_class(letter, &ranges, &count));
    bool is_negated = letter < 'a';
    for (uint32_t i = 0; i < count; i++) {
        if (!is_negated)
            TRY(add_range(c, class, ranges[i].low, ranges[i].high));
        else if (ranges[i].low > low)
            TRY(add_range(c, class, low, ranges[i].low - 1));
        low = ranges[i].high + 1;
    }
    return is_negated ? add_range(c, class, low, 0x10ffff) : ERR_NONE;
}

/* The character that an escape stands for, behind its backslash. */
static enum err parse_escape(struct compiler *c, uint32_t *ret_char)
{
    static const char names[] = "tnrfv0ae", values[] = "\t\n\r\f\v\0\a\x1b";
    if (!more(c))
        return ERR_SYNTAX;
    char letter = peek(c);
    if (letter == 'u' || letter == 'x') {
        size_t count = letter == 'u' ? 4 : 2;
        uint32_t value = 0;
        c->at++;
        for (size_t i = 0; i < count; i++, c->at++) {
            char d = peek(c), lower = (char)(d | 0x20);
            bool is_letter = lower >= 'a' && lower <= 'f';
            if (!(d >= '0' && d <= '9') && !is_letter)
                return ERR_SYNTAX;
            value = value * 16 + (uint32_t)(is_letter ? lower - 'a' + 10 : d - '0');
        }
        *ret_char = value;
        return ERR_NONE;
    }
    for (size_t i = 0; i < sizeof names - 1; i++)
        if (names[i] == letter) {
            c->at++;
            *ret_char = (uint8_t)values[i];
            return ERR_NONE;
        }
    bool is_word = (letter >= '1' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                   (letter >= 'A' && letter <= 'Z');
    if (is_word)
        return ERR_UNSUPPORTED; /* back references, \p, \Q, ... */
    *ret_char = regex_next_char(c->text, &c->at);
    return ERR_NONE;
}

/* One member of [...]: a range, a character or a named class. */
static enum err parse_class_item(struct compiler *c, struct regex_class *class)
{
    const struct regex_range *ranges;
    uint32_t count, low, high;
    if (take(c, '\\')) {
        if (more(c) && named_class(peek(c), &ranges, &count))
            return add_named(c, class, c->text.bytes[c->at++]);
        TRY(parse_escape(c, &low));
    } else {
        low = regex_next_char(c->text, &c->at);
    }
    high = low;
    bool is_range = peek(c) == '-' && c->at + 1 < c->text.length && c->text.bytes[c->at + 1] != ']';
    if (is_range) {
        c->at++;
        if (take(c, '\\'))
            TRY(parse_escape(c, &high));
        else
            high = regex_next_char(c->text, &c->at);
    }
    return add_range(c, class, low, high);
}

static enum err parse_class(struct compiler *c, struct node *node)
{
    struct regex_class *class;
    TRY(new_class(c, &class));
    uint32_t number = c->class_count - 1;
    class->is_negated = take(c, '^');
    bool is_first = true;
    while (is_first || peek(c) != ']') {
        if (!more(c))
            return ERR_SYNTAX;
        if (!is_first && peek(c) == '[')
            return ERR_UNSUPPORTED; /* Java's unions */
        TRY(parse_class_item(c, class));
        is_first = false;
    }
    c->at++;
    node->kind = NODE_CLASS;
    node->x = number;
    return ERR_NONE;
}

/* ---- the grammar ---- */

static enum err parse_group(struct compiler *c, struct node *node)
{
    node->kind = NODE_GROUP;
    node->x = UINT32_MAX;
    if (take(c, '?')) {
        if (take(c, '<') && peek(c) != '=' && peek(c) != '!') {
            while (more(c) && peek(c) != '>')
                c->at++;
            if (!take(c, '>'))
                return ERR_SYNTAX;
            node->x = c->group_count++;
        } else if (!take(c, ':')) {
            return ERR_UNSUPPORTED;
        }
    } else {
        node->x = c->group_count++;
    }
    TRY(parse_choice(c, &node->first));
    return take(c, ')') ? ERR_NONE : ERR_SYNTAX;
}

static enum err parse_backslash(struct compiler *c, struct node *node)
{
    const struct regex_range *ranges;
    uint32_t count;
    char letter = peek(c);
    if (letter == 'b' || letter == 'B') {
        c->at++;
        node->op = letter == 'b' ? REGEX_WORD_EDGE : REGEX_NO_WORD_EDGE;
        return ERR_NONE;
    }
    if (more(c) && named_class(letter, &ranges, &count)) {
        struct regex_class *class;
        TRY(new_class(c, &class));
        node->kind = NODE_CLASS;
        node->x = c->class_count - 1;
        c->at++;
        return add_named(c, class, letter);
    }
    node->op = REGEX_CHAR;
    return parse_escape(c, &node->x);
}

static enum err parse_atom(struct compiler *c, struct node **ret_node)
{
    TRY(new_node(c, NODE_STEP, ret_node));
    struct node *node = *ret_node;
    switch (peek(c)) {
    case '(':
        c->at++;
        return parse_group(c, node);
    case '[':
        c->at++;
        return parse_class(c, node);
    case '\\':
        c->at++;
        return parse_backslash(c, node);
    case '.':
    case '^':
    case '$':
        node->op = peek(c) == '.' ? REGEX_ANY : peek(c) == '^' ? REGEX_BEGIN : REGEX_END;
        c->at++;
        return ERR_NONE;
    case '*':
    case '+':
    case '?':
        return ERR_SYNTAX;
    default:
        node->op = REGEX_CHAR;
        node->x = regex_next_char(c->text, &c->at);
        return ERR_NONE;
    }
}

static bool parse_number(struct compiler *c, uint32_t *ret_number)
{
    size_t start = c->at;
    uint32_t value = 0;
    for (; peek(c) >= '0' && peek(c) <= '9'; c->at++)
        value = MIN(value * 10 + (uint32_t)(peek(c) - '0'), REPEAT_MAX + 1U);
    *ret_number = value;
    return c->at > start;
}

/* Behind an atom: how often. *ret_any false: once, nothing was taken. */
static enum err parse_count(struct compiler *c, uint32_t *low, uint32_t *high, bool *ret_any)
{
    *ret_any = true;
    *low = 0;
    *high = UINT32_MAX;
    if (take(c, '*'))
        return ERR_NONE;
    if (take(c, '+')) {
        *low = 1;
        return ERR_NONE;
    }
    if (take(c, '?')) {
        *high = 1;
        return ERR_NONE;
    }
    *ret_any = take(c, '{');
    if (!*ret_any)
        return ERR_NONE;
    if (!parse_number(c, low))
        return ERR_SYNTAX;
    *high = *low;
    if (take(c, ',') && !parse_number(c, high))
        *high = UINT32_MAX;
    if (!take(c, '}') || *high < *low)
        return ERR_SYNTAX;
    return *low > REPEAT_MAX || (*high > REPEAT_MAX && *high != UINT32_MAX) ? ERR_LIMIT : ERR_NONE;
}

static enum err parse_piece(struct compiler *c, struct node **ret_node)
{
    uint32_t low, high;
    bool any;
    TRY(parse_atom(c, ret_node));
    for (int i = 0; i < 2; i++) {
        TRY(parse_count(c, &low, &high, &any));
        if (!any)
            return ERR_NONE;
        struct node *repeat;
        TRY(new_node(c, NODE_REPEAT, &repeat));
        repeat->first = *ret_node;
        repeat->low = low;
        repeat->high = high;
        repeat->is_lazy = take(c, '?');
        *ret_node = repeat;
    }
    return ERR_SYNTAX;
}

static enum err parse_sequence(struct compiler *c, struct node **ret_node)
{
    TRY(new_node(c, NODE_SEQUENCE, ret_node));
    struct node **tail = &(*ret_node)->first;
    while (more(c) && peek(c) != '|' && peek(c) != ')') {
        TRY(parse_piece(c, tail));
        tail = &(*tail)->next;
    }
    return ERR_NONE;
}

static enum err parse_choice(struct compiler *c, struct node **ret_node)
{
    if (++c->depth > DEPTH_MAX)
        return ERR_LIMIT;
    TRY(new_node(c, NODE_CHOICE, ret_node));
    struct node **tail = &(*ret_node)->first;
    do {
        TRY(parse_sequence(c, tail));
        tail = &(*tail)->next;
    } while (take(c, '|'));
    c->depth--;
    return ERR_NONE;
}

/* ---- writing the program ---- */

static enum err emit(struct compiler *c, const struct node *node);

static enum err emit_step(struct compiler *c, uint32_t op, uint32_t x, uint32_t y)
{
    if (c->step_count == REGEX_STEPS_MAX)
        return ERR_LIMIT;
    c->steps[c->step_count++] = (struct regex_step){ (uint8_t)op, x, y };
    return ERR_NONE;
}

/* A split whose way into the part comes first, unless lazy. The other way is
 * set by the caller. */
static enum err emit_split(struct compiler *c, bool is_lazy, uint32_t **ret_other)
{
    uint32_t at = c->step_count;
    TRY(emit_step(c, REGEX_SPLIT, at + 1, at + 1));
    *ret_other = is_lazy ? &c->steps[at].x : &c->steps[at].y;
    return ERR_NONE;
}

static enum err emit_repeat(struct compiler *c, const struct node *node)
{
    uint32_t *other;
    for (uint32_t i = 0; i < node->low; i++)
        TRY(emit(c, node->first));
    if (node->high == UINT32_MAX) {
        uint32_t start = c->step_count;
        TRY(emit_split(c, node->is_lazy, &other));
        TRY(emit(c, node->first));
        TRY(emit_step(c, REGEX_JUMP, start, 0));
        *other = c->step_count;
        return ERR_NONE;
    }
    for (uint32_t i = node->low; i < node->high; i++) {
        TRY(emit_split(c, node->is_lazy, &other));
        TRY(emit(c, node->first));
        *other = c->step_count;
    }
    return ERR_NONE;
}

static enum err emit_choice(struct compiler *c, const struct node *node)
{
    /* Jumps to the end are chained through x until the end is known. */
    uint32_t jumps = UINT32_MAX;
    for (const struct node *n = node->first; n; n = n->next) {
        uint32_t *other = NULL;
        if (n->next)
            TRY(emit_split(c, false, &other));
        TRY(emit(c, n));
        if (!n->next)
            break;
        uint32_t jump = c->step_count;
        TRY(emit_step(c, REGEX_JUMP, jumps, 0));
        jumps = jump;
        *other = c->step_count;
    }
    while (jumps != UINT32_MAX) {
        uint32_t next = c->steps[jumps].x;
        c->steps[jumps].x = c->step_count;
        jumps = next;
    }
    return ERR_NONE;
}

static enum err emit(struct compiler *c, const struct node *node)
{
    bool is_kept = node->kind == NODE_GROUP && node->x < REGEX_GROUPS_MAX;
    switch ((enum node_kind)node->kind) {
    case NODE_STEP:
        return emit_step(c, node->op, node->x, 0);
    case NODE_CLASS:
        return emit_step(c, REGEX_CLASS, node->x, 0);
    case NODE_SEQUENCE:
        for (const struct node *n = node->first; n; n = n->next)
            TRY(emit(c, n));
        return ERR_NONE;
    case NODE_CHOICE:
        return emit_choice(c, node);
    case NODE_GROUP:
        if (is_kept)
            TRY(emit_step(c, REGEX_SAVE, node->x * 2, 0));
        TRY(emit(c, node->first));
        return is_kept ? emit_step(c, REGEX_SAVE, node->x * 2 + 1, 0) : ERR_NONE;
    case NODE_REPEAT:
        return emit_repeat(c, node);
    }
    return ERR_INTERNAL;
}

enum err regex_compile(struct slice pattern, struct arena *arena, const struct regex **ret_regex)
{
    struct compiler c = { .arena = arena, .text = pattern, .group_count = 1 };
    struct node all = { .kind = NODE_GROUP, .x = 0 };
    struct regex *regex = arena_alloc(arena, sizeof *regex);
    c.steps = arena_array(arena, REGEX_STEPS_MAX, sizeof *c.steps);
    if (!regex || !c.steps)
        return ERR_NO_MEMORY;
    TRY(parse_choice(&c, &all.first));
    if (more(&c))
        return ERR_SYNTAX; /* a parenthesis too many */
    TRY(emit(&c, &all));
    TRY(emit_step(&c, REGEX_MATCH, 0, 0));
    arena_trim(arena, c.steps, REGEX_STEPS_MAX * sizeof *c.steps, c.step_count * sizeof *c.steps);
    *regex = (struct regex){ c.steps, c.classes, c.step_count,
                             2 * MIN(c.group_count, (uint32_t)REGEX_GROUPS_MAX) };
    *ret_regex = regex;
    return ERR_NONE;
}
