/* terminology/expand.c - the codes of a value set, and of a hierarchy. */
#include "terminology/library.h"

#include "os/random.h"

struct expansion {
    struct ask *ask;
    struct map seen; /* "system|code" of what was visited; keys in the arena */
    size_t most;
    terminology_visit *visit;
    void *context;
    enum terminology_reason reason;
    bool is_told_whole; /* the reason is a system that was visited as a whole: others go first */
    struct slice about;
    const struct set *sets[ASK_DEPTH_MAX]; /* whose excludes count: this one and those around */
    uint32_t set_count;
    const struct clause *conditions[ASK_DEPTH_MAX]; /* clauses whose value sets must have it */
    uint32_t condition_count;
};

static void cannot(struct expansion *x, enum terminology_reason reason, struct slice about)
{
    if (x->reason != TERMINOLOGY_FOUND && !x->is_told_whole)
        return;
    x->is_told_whole = false;
    x->reason = reason;
    char *copy = arena_copy(x->ask->arena, about);
    x->about = slice_of(copy, copy ? about.length : 0);
}

/* ---- one code ---- */

/* Not excluded, and in each value set that an outer clause asks for too. */
static enum err is_wanted(struct expansion *x, const struct terminology_code *code, bool *ret)
{
    struct terminology_answer answer = { .truth = TERMINOLOGY_NO };
    *ret = true;
    for (uint32_t i = 0; i < x->set_count && *ret; i++) {
        const struct set *set = x->sets[i];
        for (uint32_t k = set->include_count; k < set->count && *ret; k++) {
            TRY(ask_in_clause(x->ask, &set->clauses[k], code, &answer));
            *ret = answer.truth != TERMINOLOGY_YES;
        }
    }
    for (uint32_t i = 0; i < x->condition_count && *ret; i++) {
        const struct clause *clause = x->conditions[i];
        for (uint32_t k = 0; k < clause->set_count && *ret; k++) {
            const struct set *set;
            TRY(ask_set(x->ask, clause->sets[k], &set));
            if (!set) {
                cannot(x, TERMINOLOGY_NO_VALUE_SET, clause->sets[k]);
                *ret = false;
                continue;
            }
            TRY(ask_in_set(x->ask, set, code, &answer));
            *ret = answer.truth == TERMINOLOGY_YES;
            if (answer.truth == TERMINOLOGY_UNKNOWN)
                cannot(x, answer.reason, answer.about);
        }
    }
    return ERR_NONE;
}

static enum err take(struct expansion *x, const struct terminology_code *code,
                     const struct terminology_answer *about)
{
    bool is_new = false, wanted;
    uint64_t *place;
    if (x->ask->steps_left == 0) {
        cannot(x, TERMINOLOGY_NOT_UNDERSTOOD, SLICE_NONE);
        return ERR_NONE;
    }
    x->ask->steps_left--;
    TRY(is_wanted(x, code, &wanted));
    if (!wanted)
        return ERR_NONE;
    struct slice key = arena_printf(x->ask->arena, "%.*s|%.*s", SLICE_ARGS(code->system),
                                    SLICE_ARGS(code->code));
    if (!key.bytes)
        return ERR_NO_MEMORY;
    TRY(map_put(&x->seen, key, &place, &is_new));
    if (!is_new)
        return ERR_NONE;
    if (x->seen.count > x->most)
        return ERR_LIMIT;
    return x->visit(x->context, code, about);
}

static enum err take_concept(struct expansion *x, const struct system *s, const struct concept *c,
                             struct slice display)
{
    struct terminology_code code = { .system = s->url, .code = c->code, .display = display };
    struct terminology_answer about = { .truth = TERMINOLOGY_YES,
                                        .system = s->url,
                                        .version = s->version,
                                        .is_abstract = c->is_abstract,
                                        .is_inactive = c->is_inactive };
    if (!display.length)
        code.display = system_display(c, x->ask->arena);
    about.display = code.display;
    return take(x, &code, &about);
}

/* ---- clauses ---- */

static enum err expand_set(struct expansion *x, const struct set *set);

/* Rows of the clause's list, which is a tree when it is an expansion's; the hash
 * says which rows are this clause's own. */
static enum err expand_rows(struct expansion *x, const struct clause *clause,
                            const struct system *s, struct json list)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice code = json_string(json_member(v, "code"), x->ask->arena);
        struct slice display = json_string(json_member(v, "display"), x->ask->arena);
        const uint64_t *place = code.length ? map_find(&clause->codes, code) : NULL;
        x->ask->steps_left -= MIN(x->ask->steps_left, 1);
        if (place && *place == v.at) {
            const struct concept *c = s ? system_find(s, code) : NULL;
            struct terminology_code plain = {
                .system = clause->system, .code = code, .display = display
            };
            struct terminology_answer about = { .truth = TERMINOLOGY_YES,
                                                .system = clause->system,
                                                .display = display };
            TRY(c ? take_concept(x, s, c, display) : take(x, &plain, &about));
        }
        struct json inner = json_member(v, "contains");
        if (json_exists(inner) && x->ask->steps_left)
            TRY(expand_rows(x, clause, s, inner));
    }
    return ERR_NONE;
}

static enum err expand_list(struct expansion *x, const struct clause *clause)
{
    const struct system *s;
    TRY(ask_system(x->ask, clause->system, clause->version, &s));
    return expand_rows(x, clause, s, clause->concepts);
}

static enum err expand_system(struct expansion *x, const struct clause *clause)
{
    const struct system *s;
    TRY(ask_system(x->ask, clause->system, clause->version, &s));
    if (!s || !s->is_complete) {
        struct terminology_code all = { .system = clause->system };
        struct terminology_answer about = { .truth = TERMINOLOGY_UNKNOWN };
        bool is_whole =
            clause->filter_count == 0 && x->set_count == 1 && x->condition_count == 0;
        bool is_first = x->reason == TERMINOLOGY_FOUND;
        if (is_first || !is_whole)
            cannot(x, TERMINOLOGY_NO_SYSTEM, clause->system);
        x->is_told_whole |= is_first && is_whole;
        return is_whole ? x->visit(x->context, &all, &about) : ERR_NONE;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        enum terminology_truth passes = ask_filters(x->ask, clause, s, &s->concepts[i]);
        if (passes == TERMINOLOGY_UNKNOWN)
            cannot(x, TERMINOLOGY_NOT_UNDERSTOOD, clause->system);
        if (passes == TERMINOLOGY_YES && s->concepts[i].code.length)
            TRY(take_concept(x, s, &s->concepts[i], SLICE_NONE));
    }
    return ERR_NONE;
}

static enum err expand_clause(struct expansion *x, const struct clause *clause)
{
    const struct set *set;
    if (x->condition_count == ASK_DEPTH_MAX)
        return ERR_LIMIT;
    x->conditions[x->condition_count] = clause;
    x->condition_count += clause->set_count > 0;
    enum err err = ERR_NONE;
    if (json_exists(clause->concepts)) {
        err = expand_list(x, clause);
    } else if (clause->system.length) {
        err = expand_system(x, clause);
    } else if (clause->set_count > 0) {
        err = ask_set(x->ask, clause->sets[0], &set);
        if (!err && set)
            err = expand_set(x, set);
        else if (!err)
            cannot(x, TERMINOLOGY_NO_VALUE_SET, clause->sets[0]);
    }
    x->condition_count -= clause->set_count > 0;
    return err;
}

static enum err expand_set(struct expansion *x, const struct set *set)
{
    if (x->set_count == ASK_DEPTH_MAX || x->ask->steps_left < set->count) {
        cannot(x, TERMINOLOGY_NOT_UNDERSTOOD, set->url);
        return ERR_NONE;
    }
    x->ask->steps_left -= set->count;
    x->sets[x->set_count++] = set;
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < set->include_count && !err; i++)
        err = expand_clause(x, &set->clauses[i]);
    x->set_count--;
    return err;
}

/* ---- the face ---- */

static enum err expand(struct ask *ask, const struct set *set, size_t most,
                       terminology_visit *visit, void *context,
                       enum terminology_reason *ret_reason, struct slice *ret_about)
{
    struct expansion x = { .ask = ask, .most = most, .visit = visit, .context = context };
    map_init(&x.seen, SIZE_MAX / 2, os_random_u64());
    enum err err = expand_set(&x, set);
    map_release(&x.seen);
    *ret_reason = x.reason;
    *ret_about = x.about;
    return err;
}

enum err terminology_expand(struct terminology *t, struct slice canonical, size_t most,
                            struct arena *arena, terminology_visit *visit, void *context,
                            enum terminology_reason *ret_reason, struct slice *ret_about)
{
    struct ask ask;
    const struct set *set = NULL;
    TRY(ask_begin(&ask, t, arena));
    enum err err = ask_set(&ask, canonical, &set);
    if (!err && !set)
        err = ERR_NOT_FOUND;
    if (!err)
        err = expand(&ask, set, most, visit, context, ret_reason, ret_about);
    ask_end(&ask);
    return err;
}

enum err terminology_expand_text(struct terminology *t, struct slice json, size_t most,
                                 struct arena *arena, terminology_visit *visit, void *context,
                                 enum terminology_reason *ret_reason, struct slice *ret_about)
{
    struct json_doc doc;
    struct ask ask;
    struct set set;
    TRY(json_parse(json, NULL, arena, &doc, NULL));
    TRY(set_compile(json_root(&doc), arena, &set));
    enum err err = ask_begin(&ask, t, arena);
    if (!err) {
        err = expand(&ask, &set, most, visit, context, ret_reason, ret_about);
        ask_end(&ask);
    }
    set_release(&set);
    return err;
}

/* ---- hierarchies ---- */

static enum err visit_concept(const struct system *s, const struct concept *c,
                              struct arena *arena, terminology_visit *visit, void *context)
{
    struct terminology_code code = { .system = s->url,
                                     .code = c->code,
                                     .display = system_display(c, arena) };
    struct terminology_answer about = { .truth = TERMINOLOGY_YES,
                                        .system = s->url,
                                        .display = code.display,
                                        .is_abstract = c->is_abstract,
                                        .is_inactive = c->is_inactive };
    return visit(context, &code, &about);
}

/* Marks grow from the start until nothing changes: parents follow no order when
 * properties name them, so rounds over the system; without them one is enough. */
static enum err relatives_mark(const struct system *s, uint32_t start, bool is_upward,
                               uint8_t *marks)
{
    bool is_changed = true;
    marks[start] = 1;
    for (uint32_t round = 0; is_changed && round <= s->count; round++) {
        is_changed = false;
        for (uint32_t n = 0; n < s->count; n++) {
            uint32_t i = is_upward ? s->count - 1 - n : n;
            uint32_t parent = s->concepts[i].parent;
            for (uint32_t edge = s->concepts[i].edges; parent || edge;) {
                uint32_t other = parent ? parent - 1 : s->edges[edge - 1].parent;
                if (!parent)
                    edge = s->edges[edge - 1].next;
                parent = 0;
                uint32_t from = is_upward ? i : other, to = is_upward ? other : i;
                is_changed |= marks[from] && !marks[to];
                marks[to] |= marks[from];
            }
        }
        if (s->edge_count == 0)
            break;
    }
    return ERR_NONE;
}

static enum err relatives(struct ask *ask, const struct terminology_code *code, bool is_upward,
                          terminology_visit *visit, void *context)
{
    const struct system *s;
    TRY(ask_system(ask, code->system, code->version, &s));
    const struct concept *c = s ? system_find(s, code->code) : NULL;
    if (!c)
        return ERR_NONE;
    uint32_t start = (uint32_t)(c - s->concepts);
    uint8_t *marks = arena_alloc(ask->arena, s->count);
    if (!marks)
        return ERR_NO_MEMORY;
    TRY(relatives_mark(s, start, is_upward, marks));
    TRY(visit_concept(s, c, ask->arena, visit, context));
    for (uint32_t i = 0; i < s->count; i++)
        if (marks[i] && i != start)
            TRY(visit_concept(s, &s->concepts[i], ask->arena, visit, context));
    return ERR_NONE;
}

enum err terminology_relatives(struct terminology *t, const struct terminology_code *code,
                               bool is_upward, struct arena *arena, terminology_visit *visit,
                               void *context)
{
    struct ask ask;
    TRY(ask_begin(&ask, t, arena));
    enum err err = relatives(&ask, code, is_upward, visit, context);
    ask_end(&ask);
    return err;
}
