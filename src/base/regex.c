#include "base/regex.h"

#include "base/check.h"
#include "base/regex_private.h"

/* Threads of one place in the text, highest priority first. A step is in the
 * list at most once, so a place costs at most step_count. */
struct threads {
    uint32_t *steps;
    size_t *slots; /* slot_count for each thread */
    uint32_t count;
};

struct todo {
    uint32_t step;
    uint32_t slot; /* not UINT32_MAX: put `value` back into the slot instead */
    size_t value;
};

struct matcher {
    const struct regex *regex;
    struct slice text;
    uint32_t *seen; /* by step: the round it was last added in */
    uint32_t round;
    struct todo *stack;
    size_t slots[REGEX_SLOTS_MAX]; /* of the thread being added */
};

static bool is_word_at(struct slice text, size_t at)
{
    if (at >= text.length)
        return false;
    char c = text.bytes[at];
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool stands(const struct matcher *m, uint8_t op, size_t at)
{
    bool is_edge = (at > 0 && is_word_at(m->text, at - 1)) != is_word_at(m->text, at);
    if (op == REGEX_BEGIN)
        return at == 0;
    if (op == REGEX_END)
        return at == m->text.length;
    return is_edge == (op == REGEX_WORD_EDGE);
}

/* Add the thread at `step` and all it reaches without a character. */
static void add_thread(struct matcher *m, struct threads *list, uint32_t step, size_t at)
{
    uint32_t depth = 0, slots = m->regex->slot_count;
    m->stack[depth++] = (struct todo){ step, UINT32_MAX, 0 };
    while (depth > 0) {
        struct todo todo = m->stack[--depth];
        if (todo.slot != UINT32_MAX) {
            m->slots[todo.slot] = todo.value;
            continue;
        }
        if (m->seen[todo.step] == m->round)
            continue;
        m->seen[todo.step] = m->round;
        const struct regex_step *s = &m->regex->steps[todo.step];
        switch ((enum regex_op)s->op) {
        case REGEX_JUMP:
            m->stack[depth++] = (struct todo){ s->x, UINT32_MAX, 0 };
            break;
        case REGEX_SPLIT:
            m->stack[depth++] = (struct todo){ s->y, UINT32_MAX, 0 };
            m->stack[depth++] = (struct todo){ s->x, UINT32_MAX, 0 };
            break;
        case REGEX_SAVE:
            m->stack[depth++] = (struct todo){ 0, s->x, m->slots[s->x] };
            m->slots[s->x] = at;
            m->stack[depth++] = (struct todo){ todo.step + 1, UINT32_MAX, 0 };
            break;
        case REGEX_BEGIN:
        case REGEX_END:
        case REGEX_WORD_EDGE:
        case REGEX_NO_WORD_EDGE:
            if (stands(m, s->op, at))
                m->stack[depth++] = (struct todo){ todo.step + 1, UINT32_MAX, 0 };
            break;
        case REGEX_CHAR:
        case REGEX_ANY:
        case REGEX_CLASS:
        case REGEX_MATCH:
            memcpy(list->slots + (size_t)list->count * slots, m->slots, slots * sizeof *m->slots);
            list->steps[list->count++] = todo.step;
            break;
        }
    }
}

static bool class_has(const struct regex_class *class, uint32_t c)
{
    bool found = false;
    for (uint32_t i = 0; i < class->count && !found; i++)
        found = c >= class->ranges[i].low && c <= class->ranges[i].high;
    return found != class->is_negated;
}

static bool takes(const struct regex *regex, const struct regex_step *s, uint32_t c)
{
    if (s->op == REGEX_CHAR)
        return s->x == c;
    return s->op == REGEX_ANY || (s->op == REGEX_CLASS && class_has(&regex->classes[s->x], c));
}

static void start_thread(struct matcher *m, struct threads *list, size_t at)
{
    for (uint32_t i = 0; i < REGEX_SLOTS_MAX; i++)
        m->slots[i] = SIZE_MAX;
    add_thread(m, list, 0, at);
}

/* Move all threads of `now` over the character; a match ends those behind it. */
static bool advance(struct matcher *m, const struct threads *now, struct threads *next, size_t at,
                    size_t behind, uint32_t c, bool is_whole, size_t *best)
{
    uint32_t slots = m->regex->slot_count;
    bool found = false;
    for (uint32_t i = 0; i < now->count && !found; i++) {
        const struct regex_step *s = &m->regex->steps[now->steps[i]];
        const size_t *own = now->slots + (size_t)i * slots;
        if (s->op == REGEX_MATCH) {
            found = !is_whole || at == m->text.length;
            if (found)
                memcpy(best, own, slots * sizeof *best);
        } else if (at < m->text.length && takes(m->regex, s, c)) {
            memcpy(m->slots, own, slots * sizeof *own);
            add_thread(m, next, now->steps[i] + 1, behind);
        }
    }
    return found;
}

static bool run(struct matcher *m, struct threads lists[2], size_t start, bool is_whole,
                size_t *best)
{
    struct threads *now = &lists[0], *next = &lists[1];
    bool found = false;
    m->round++;
    start_thread(m, now, start);
    for (size_t at = start; now->count > 0 || (!found && !is_whole && at <= m->text.length);) {
        size_t behind = at;
        uint32_t c = at < m->text.length ? regex_next_char(m->text, &behind) : 0;
        m->round++;
        next->count = 0;
        found |= advance(m, now, next, at, behind, c, is_whole, best);
        if (at == m->text.length)
            break;
        if (!found && !is_whole)
            start_thread(m, next, behind);
        struct threads *other = now;
        now = next;
        next = other;
        at = behind;
    }
    return found;
}

size_t regex_cost(const struct regex *regex, struct slice text)
{
    return (text.length + 1) * (regex->step_count / 8 + 1);
}

enum err regex_find(const struct regex *regex, struct slice text, size_t start, bool is_whole,
                    struct arena *arena, bool *ret_found, struct regex_match *ret_match)
{
    struct arena_mark mark = arena_mark(arena);
    uint32_t count = regex->step_count;
    struct matcher m = { .regex = regex, .text = text };
    struct threads lists[2] = { { .count = 0 } };
    size_t best[REGEX_SLOTS_MAX];
    enum err err = ERR_NO_MEMORY;
    m.seen = arena_array(arena, count, sizeof *m.seen);
    /* A step is taken off once a round; each puts on at most two. */
    m.stack = arena_array(arena, (size_t)count * 2 + 2, sizeof *m.stack);
    bool has_lists = true;
    for (int i = 0; i < 2; i++) {
        lists[i].steps = arena_array(arena, count, sizeof *lists[i].steps);
        lists[i].slots = arena_array(arena, (size_t)count * regex->slot_count, sizeof(size_t));
        has_lists = has_lists && lists[i].steps && lists[i].slots;
    }
    if (!m.seen || !m.stack || !has_lists)
        goto done;
    err = ERR_NONE;
    *ret_found = run(&m, lists, start, is_whole, best);
    if (!*ret_found || !ret_match)
        goto done;
    *ret_match = (struct regex_match){ { SLICE_NONE } };
    for (uint32_t i = 0; i < regex->slot_count / 2; i++)
        if (best[2 * i] != SIZE_MAX && best[2 * i + 1] != SIZE_MAX)
            ret_match->groups[i] =
                slice_of(text.bytes + best[2 * i], best[2 * i + 1] - best[2 * i]);
done:
    arena_rewind(arena, mark);
    return err;
}
