#include "control/pattern.h"

#include <utf8proc.h>

enum {
    STEPS_MAX = 2048, /* of a compiled pattern */
    NESTING_MAX = 16, /* of groups */
    COUNT_MAX = 64,   /* a larger count is any number */
    ASCII_COUNT = 128,
};

enum property {
    LETTERS = 1,
    NUMBERS = 2,
    SEPARATORS = 4,
    MARKS = 8,
    NOT_MARKS = 16,
    OTHERS = 32, /* every character above ASCII */
};

struct set {
    uint64_t ascii[2];
    uint32_t properties; /* of characters above ASCII */
};

enum step_kind { STEP_TAKE, STEP_SPLIT, STEP_JUMP };

/* Places are relative to the step itself, so that steps can be copied. */
struct step {
    enum step_kind kind;
    int to, or_to; /* SPLIT: both; JUMP: to */
    struct set set;
};

struct program {
    struct step *steps;
    int count;
    const char *at; /* in the pattern */
    int nesting;
    bool is_broken; /* too long or not of our kind */
};

/* ---- sets of characters ---- */

static void set_add(struct set *set, unsigned char first, unsigned char last)
{
    for (unsigned c = first; c <= last && c < ASCII_COUNT; c++)
        set->ascii[c / 64] |= UINT64_C(1) << (c % 64);
}

static bool set_has(const struct set *set, int32_t c)
{
    if (c < ASCII_COUNT)
        return set->ascii[c / 64] >> (c % 64) & 1;
    uint32_t is = OTHERS;
    switch (utf8proc_category_string(c)[0]) {
    case 'L':
        is |= LETTERS | NOT_MARKS;
        break;
    case 'N':
        is |= NUMBERS | NOT_MARKS;
        break;
    case 'Z':
        is |= SEPARATORS | NOT_MARKS;
        break;
    case 'M':
        is |= MARKS;
        break;
    default:
        is |= NOT_MARKS;
        break;
    }
    return (set->properties & is) != 0;
}

/* "L}" and the like, behind "\p{". */
static bool parse_property(struct program *p, bool is_negated, struct set *set)
{
    struct slice rest = slice_cstr(p->at);
    ptrdiff_t end = slice_find_byte(rest, '}');
    if (rest.length == 0 || rest.bytes[0] != '{' || end < 0)
        return false;
    struct slice name = slice_of(p->at + 1, (size_t)end - 1);
    p->at += end + 1;
    if (slice_is(name, "M")) {
        set->properties |= is_negated ? NOT_MARKS : MARKS;
        if (is_negated)
            set_add(set, 0, ASCII_COUNT - 1);
        return true;
    }
    if (is_negated)
        return false;
    if (slice_is(name, "L")) {
        set_add(set, 'A', 'Z');
        set_add(set, 'a', 'z');
        set->properties |= LETTERS;
    } else if (slice_is(name, "N")) {
        set_add(set, '0', '9');
        set->properties |= NUMBERS;
    } else if (slice_is(name, "Z")) {
        set_add(set, ' ', ' ');
        set->properties |= SEPARATORS;
    } else if (slice_is(name, "ASCII")) {
        set_add(set, 0, ASCII_COUNT - 1);
    } else {
        return false;
    }
    return true;
}

/* Behind a backslash. *ret_byte: the character itself, 0 for a whole set. */
static bool parse_escape(struct program *p, struct set *set, unsigned char *ret_byte)
{
    char c = *p->at;
    if (!c)
        return false;
    p->at++;
    *ret_byte = 0;
    if (c == 'p' || c == 'P')
        return parse_property(p, c == 'P', set);
    if (c == 'd') {
        set_add(set, '0', '9');
        return true;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return false;
    *ret_byte = (unsigned char)c;
    return true;
}

/* One character or escape; *ret_byte as above. */
static bool parse_one(struct program *p, struct set *set, unsigned char *ret_byte)
{
    if (!*p->at)
        return false;
    if (*p->at == '\\') {
        p->at++;
        return parse_escape(p, set, ret_byte);
    }
    *ret_byte = (unsigned char)*p->at++;
    return *ret_byte < ASCII_COUNT;
}

/* Behind the opening bracket. */
static bool parse_class(struct program *p, struct set *set)
{
    bool is_negated = *p->at == '^';
    p->at += is_negated;
    while (*p->at != ']') {
        unsigned char first, last;
        if (!parse_one(p, set, &first))
            return false;
        if (!first)
            continue;
        last = first;
        if (p->at[0] == '-' && p->at[1] && p->at[1] != ']') {
            p->at++;
            if (!parse_one(p, set, &last) || last < first)
                return false;
        }
        set_add(set, first, last);
    }
    p->at++;
    if (is_negated) {
        set->ascii[0] = ~set->ascii[0];
        set->ascii[1] = ~set->ascii[1];
        set->properties = OTHERS;
    }
    return true;
}

/* ---- from pattern to steps ---- */

static void insert(struct program *p, int at, int count)
{
    if (p->count + count > STEPS_MAX) {
        p->is_broken = true;
        return;
    }
    memmove(p->steps + at + count, p->steps + at, (size_t)(p->count - at) * sizeof *p->steps);
    p->count += count;
}

static void append(struct program *p, struct step step)
{
    insert(p, p->count, 1);
    if (!p->is_broken)
        p->steps[p->count - 1] = step;
}

static void append_copy(struct program *p, int from, int count)
{
    for (int i = 0; i < count && !p->is_broken; i++)
        append(p, p->steps[from + i]);
}

/* The steps from `start` to the end may be passed over. */
static void make_optional(struct program *p, int start)
{
    int length = p->count - start;
    insert(p, start, 1);
    if (!p->is_broken)
        p->steps[start] = (struct step){ .kind = STEP_SPLIT, .to = 1, .or_to = length + 1 };
}

static void make_repeated(struct program *p, int start)
{
    append(p, (struct step){ .kind = STEP_SPLIT, .to = start - p->count, .or_to = 1 });
}

static bool parse_number(struct program *p, int *ret)
{
    int value = 0;
    const char *start = p->at;
    while (*p->at >= '0' && *p->at <= '9' && value < 100000)
        value = value * 10 + (*p->at++ - '0');
    *ret = value;
    return p->at != start;
}

/* {n} or {n,m}, behind the brace. */
static bool parse_count(struct program *p, int start)
{
    int least, most;
    if (!parse_number(p, &least))
        return false;
    most = least;
    if (*p->at == ',') {
        p->at++;
        if (!parse_number(p, &most))
            return false;
    }
    if (*p->at++ != '}' || most < least || most == 0)
        return false;
    if (most > COUNT_MAX) {
        make_repeated(p, start);
        if (least == 0)
            make_optional(p, start);
        return true;
    }
    int length = p->count - start;
    for (int i = 1; i < most && !p->is_broken; i++)
        append_copy(p, start, length);
    /* The last most - least pieces are optional, the later inside the earlier. */
    for (int i = most - 1; i >= least && !p->is_broken; i--)
        make_optional(p, start + i * length);
    return true;
}

static bool parse_quantifier(struct program *p, int start)
{
    switch (*p->at) {
    case '?':
        p->at++;
        make_optional(p, start);
        return true;
    case '+':
        p->at++;
        make_repeated(p, start);
        return true;
    case '*':
        p->at++;
        make_repeated(p, start);
        make_optional(p, start);
        return true;
    case '{':
        p->at++;
        return parse_count(p, start);
    default:
        return true;
    }
}

static bool parse_choice(struct program *p);

static bool parse_atom(struct program *p)
{
    if (*p->at == '(') {
        p->at++;
        return ++p->nesting < NESTING_MAX && parse_choice(p) && *p->at++ == ')' && p->nesting--;
    }
    struct step step = { .kind = STEP_TAKE };
    if (*p->at == '[') {
        p->at++;
        if (!parse_class(p, &step.set))
            return false;
    } else if (*p->at == '.') {
        p->at++;
        set_add(&step.set, 0, ASCII_COUNT - 1);
        step.set.ascii[0] &= ~(UINT64_C(1) << '\n' | UINT64_C(1) << '\r');
        step.set.properties = OTHERS;
    } else {
        unsigned char byte;
        if (!parse_one(p, &step.set, &byte))
            return false;
        if (byte)
            set_add(&step.set, byte, byte);
    }
    append(p, step);
    return true;
}

static bool parse_sequence(struct program *p)
{
    while (*p->at && *p->at != '|' && *p->at != ')' && !p->is_broken) {
        int start = p->count;
        if (!parse_atom(p) || !parse_quantifier(p, start))
            return false;
    }
    return true;
}

static bool parse_choice(struct program *p)
{
    int start = p->count;
    if (!parse_sequence(p))
        return false;
    while (*p->at == '|' && !p->is_broken) {
        p->at++;
        append(p, (struct step){ .kind = STEP_JUMP });
        make_optional(p, start);
        int jump = p->count - 1;
        if (p->is_broken || !parse_sequence(p))
            return false;
        p->steps[jump].to = p->count - jump;
    }
    return true;
}

/* ---- running ---- */

struct run {
    const struct program *program;
    int *now, *next; /* steps that wait for a character */
    int now_count, next_count;
    uint32_t *seen; /* by step: the position it was last entered at */
    uint32_t position;
    bool is_end; /* the end of the program was reached at this position */
};

/* Follow what takes no character; deep at most as the program is long. */
static void enter(struct run *r, int at)
{
    while (at < r->program->count) {
        if (r->seen[at] == r->position)
            return;
        r->seen[at] = r->position;
        const struct step *step = &r->program->steps[at];
        if (step->kind == STEP_TAKE) {
            r->next[r->next_count++] = at;
            return;
        }
        if (step->kind == STEP_SPLIT)
            enter(r, at + step->or_to);
        at += step->to;
    }
    r->is_end = true;
}

static void advance(struct run *r, int32_t c)
{
    int *swap = r->now;
    r->now = r->next;
    r->now_count = r->next_count;
    r->next = swap;
    r->next_count = 0;
    r->position++;
    r->is_end = false;
    for (int i = 0; i < r->now_count; i++) {
        if (set_has(&r->program->steps[r->now[i]].set, c))
            enter(r, r->now[i] + 1);
    }
}

static enum err run_make(struct run *r, const struct program *p, struct arena *arena)
{
    size_t count = (size_t)p->count + 1;
    *r = (struct run){ .program = p, .position = 1 };
    r->now = arena_array(arena, count, sizeof *r->now);
    r->next = arena_array(arena, count, sizeof *r->next);
    r->seen = arena_array(arena, count, sizeof *r->seen);
    return r->now && r->next && r->seen ? ERR_NONE : ERR_NO_MEMORY;
}

enum err pattern_match(const char *pattern, struct slice text, struct arena *arena,
                       bool *ret_matches)
{
    struct program p = { .at = pattern };
    p.steps = arena_array(arena, STEPS_MAX, sizeof *p.steps);
    if (!p.steps)
        return ERR_NO_MEMORY;
    if (!parse_choice(&p) || p.is_broken || *p.at)
        return ERR_UNSUPPORTED;
    struct run r;
    TRY(run_make(&r, &p, arena));
    enter(&r, 0);
    while (text.length > 0 && r.next_count > 0) {
        int32_t c;
        utf8proc_ssize_t length =
            utf8proc_iterate((const uint8_t *)text.bytes, (utf8proc_ssize_t)text.length, &c);
        if (length <= 0)
            return ERR_INVALID;
        advance(&r, c);
        text = slice_from(text, (size_t)length);
    }
    *ret_matches = text.length == 0 && r.is_end;
    return ERR_NONE;
}
