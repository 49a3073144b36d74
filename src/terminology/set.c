/* terminology/set.c - a ValueSet as clauses, and whether a code is in it. */
#include "terminology/library.h"

#include "os/random.h"

/* ---- compiling ---- */

static enum filter_op filter_op_find(struct json op)
{
    static const char *const names[] = {
        [FILTER_EQUAL] = "=",
        [FILTER_IS_A] = "is-a",
        [FILTER_DESCENDENT] = "descendent-of",
        [FILTER_IS_NOT_A] = "is-not-a",
        [FILTER_GENERALIZES] = "generalizes",
        [FILTER_REGEX] = "regex",
        [FILTER_IN] = "in",
        [FILTER_NOT_IN] = "not-in",
        [FILTER_EXISTS] = "exists",
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (json_string_is(op, slice_cstr(names[i])))
            return (enum filter_op)i;
    return FILTER_UNKNOWN;
}

static enum err filters_compile(struct json list, struct arena *arena, struct clause *clause)
{
    clause->filters = arena_array(arena, json_count(list), sizeof *clause->filters);
    if (!clause->filters)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct filter *f = &clause->filters[clause->filter_count++];
        f->op = filter_op_find(json_member(v, "op"));
        f->property = json_string(json_member(v, "property"), arena);
        f->value = json_string(json_member(v, "value"), arena);
        if (!f->property.bytes || !f->value.bytes)
            f->op = FILTER_UNKNOWN;
        if (f->op != FILTER_REGEX)
            continue;
        enum err err = regex_compile(f->value, arena, &f->regex);
        if (err == ERR_NO_MEMORY)
            return err;
        if (err)
            f->op = FILTER_UNKNOWN;
    }
    return ERR_NONE;
}

static enum err codes_compile(struct json list, struct arena *arena, struct clause *clause)
{
    map_init(&clause->codes, UINT32_MAX, os_random_u64());
    if (!json_is(list, JSON_ARRAY))
        return ERR_NONE;
    clause->concepts = list;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice code = json_string(json_member(v, "code"), arena);
        uint64_t *place;
        if (code.length)
            TRY(map_put(&clause->codes, code, &place, NULL));
        if (code.length)
            *place = v.at;
    }
    return ERR_NONE;
}

static enum err clause_compile(struct json value, struct arena *arena, struct clause *clause)
{
    struct json sets = json_member(value, "valueSet");
    clause->system = json_string(json_member(value, "system"), arena);
    clause->version = json_string(json_member(value, "version"), arena);
    clause->sets = arena_array(arena, json_count(sets), sizeof *clause->sets);
    if (!clause->sets)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(sets); json_exists(v); v = json_next(sets, v))
        clause->sets[clause->set_count++] = json_string(v, arena);
    TRY(codes_compile(json_member(value, "concept"), arena, clause));
    return filters_compile(json_member(value, "filter"), arena, clause);
}

static uint32_t contains_count(struct json list)
{
    uint32_t count = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
        count += 1 + contains_count(json_member(v, "contains"));
    return count;
}

/* The clause of the system, among the last few, or a new one. */
static struct clause *clause_of(struct set *s, struct slice system, struct json list)
{
    for (uint32_t back = 1; back <= MIN(s->count, 8u); back++)
        if (slice_equal(s->clauses[s->count - back].system, system))
            return &s->clauses[s->count - back];
    struct clause *clause = &s->clauses[s->count++];
    clause->system = system;
    clause->concepts = list;
    map_init(&clause->codes, UINT32_MAX, os_random_u64());
    return clause;
}

/* An expansion without a compose: a clause for each system met, in order. */
static enum err contains_compile(struct json list, struct json root, struct arena *arena,
                                 struct set *s)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice system = json_string(json_member(v, "system"), arena);
        struct slice code = json_string(json_member(v, "code"), arena);
        bool is_heading = json_is(json_member(v, "abstract"), JSON_TRUE) || !code.length;
        if (!is_heading) {
            struct clause *clause = clause_of(s, system, root);
            uint64_t *place;
            TRY(map_put(&clause->codes, code, &place, NULL));
            *place = v.at;
        }
        TRY(contains_compile(json_member(v, "contains"), root, arena, s));
    }
    return ERR_NONE;
}

static enum err clauses_compile(struct json list, struct arena *arena, struct set *s)
{
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct clause *clause = &s->clauses[s->count++];
        map_init(&clause->codes, UINT32_MAX, os_random_u64());
        TRY(clause_compile(v, arena, clause));
    }
    return ERR_NONE;
}

enum err set_compile(struct json resource, struct arena *arena, struct set *ret)
{
    struct set s = { .url = json_string(json_member(resource, "url"), arena),
                     .version = json_string(json_member(resource, "version"), arena) };
    struct json compose = json_member(resource, "compose");
    struct json includes = json_member(compose, "include");
    struct json excludes = json_member(compose, "exclude");
    struct json contains = json_member(json_member(resource, "expansion"), "contains");
    bool is_expansion = !json_exists(compose);
    uint32_t room =
        is_expansion ? contains_count(contains) : json_count(includes) + json_count(excludes);
    s.clauses = arena_array(arena, room, sizeof *s.clauses);
    if (!s.clauses)
        return ERR_NO_MEMORY;
    enum err err = is_expansion ? contains_compile(contains, contains, arena, &s)
                                : clauses_compile(includes, arena, &s);
    s.include_count = s.count;
    if (!err && !is_expansion)
        err = clauses_compile(excludes, arena, &s);
    if (err) {
        set_release(&s);
        return err;
    }
    *ret = s;
    return ERR_NONE;
}

void set_release(struct set *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        map_release(&s->clauses[i].codes);
}

/* ---- filters ---- */

static struct slice property_text(struct json property, struct arena *arena)
{
    static const char *const names[] = { "valueCode", "valueString", "valueDateTime" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct json value = json_get(property, slice_cstr(names[i]));
        if (json_is(value, JSON_STRING))
            return json_string(value, arena);
    }
    struct json coding = json_member(json_member(property, "valueCoding"), "code");
    if (json_exists(coding))
        return json_string(coding, arena);
    struct json plain = json_member(property, "valueBoolean");
    if (!json_exists(plain))
        plain = json_member(property, "valueInteger");
    if (!json_exists(plain))
        plain = json_member(property, "valueDecimal");
    return json_exists(plain) ? json_raw(plain) : SLICE_NONE;
}

static bool list_has(struct slice list, struct slice text)
{
    while (list.bytes)
        if (slice_equal(slice_trim(slice_cut(&list, ',')), text))
            return true;
    return false;
}

static bool text_passes(struct ask *ask, const struct filter *f, struct slice text)
{
    bool found = false;
    switch (f->op) {
    case FILTER_EQUAL:
        return slice_equal(text, f->value);
    case FILTER_IN:
    case FILTER_NOT_IN:
        return list_has(f->value, text);
    case FILTER_REGEX:
        ask->steps_left -= MIN(ask->steps_left, regex_cost(f->regex, text));
        return regex_find(f->regex, text, 0, true, ask->arena, &found, NULL) == ERR_NONE && found;
    case FILTER_EXISTS:
        return true;
    case FILTER_IS_A:
    case FILTER_DESCENDENT:
    case FILTER_IS_NOT_A:
    case FILTER_GENERALIZES:
    case FILTER_UNKNOWN:
        break;
    }
    return false;
}

static bool any_passes(struct ask *ask, const struct filter *f, const struct system *s,
                       const struct concept *c)
{
    if (slice_is(f->property, "concept") || slice_is(f->property, "code"))
        return text_passes(ask, f, c->code);
    if (slice_is(f->property, "display"))
        return text_passes(ask, f, system_display(c, ask->arena));
    if (slice_is(f->property, "parent") && c->parent &&
        text_passes(ask, f, s->concepts[c->parent - 1].code))
        return true;
    struct json list = json_member(c->json, "property");
    for (struct json p = json_first(list); json_exists(p); p = json_next(list, p)) {
        struct slice text;
        if (json_string_is(json_member(p, "code"), f->property) &&
            (text = property_text(p, ask->arena)).bytes && text_passes(ask, f, text))
            return true;
    }
    return false;
}

static enum terminology_truth filter_passes(struct ask *ask, const struct filter *f,
                                            const struct system *s, const struct concept *c)
{
    bool holds = false;
    const struct concept *other = NULL;
    switch (f->op) {
    case FILTER_IS_A:
    case FILTER_DESCENDENT:
    case FILTER_IS_NOT_A:
    case FILTER_GENERALIZES:
        other = system_find(s, f->value);
        ask->steps_left -= MIN(ask->steps_left, s->edge_count ? s->count : 8);
        if (f->op == FILTER_GENERALIZES)
            holds = other && system_subsumes(s, c, other, ask->arena);
        else
            holds = other && system_subsumes(s, other, c, ask->arena);
        if (f->op == FILTER_DESCENDENT)
            holds = holds && other != c;
        if (f->op == FILTER_IS_NOT_A)
            holds = !holds;
        break;
    case FILTER_NOT_IN:
        holds = !any_passes(ask, f, s, c);
        break;
    case FILTER_EXISTS:
        holds = any_passes(ask, f, s, c) == slice_is(f->value, "true");
        break;
    case FILTER_EQUAL:
    case FILTER_REGEX:
    case FILTER_IN:
        holds = any_passes(ask, f, s, c);
        break;
    case FILTER_UNKNOWN:
        return TERMINOLOGY_UNKNOWN;
    }
    return holds ? TERMINOLOGY_YES : TERMINOLOGY_NO;
}

/* Of a system that is here in part, what a hierarchy does not show may be there. */
static enum terminology_truth doubt(const struct filter *f, enum terminology_truth truth)
{
    switch (f->op) {
    case FILTER_IS_A:
    case FILTER_DESCENDENT:
    case FILTER_GENERALIZES:
        return truth == TERMINOLOGY_NO ? TERMINOLOGY_UNKNOWN : truth;
    case FILTER_IS_NOT_A:
        return truth == TERMINOLOGY_YES ? TERMINOLOGY_UNKNOWN : truth;
    case FILTER_EQUAL:
    case FILTER_REGEX:
    case FILTER_IN:
    case FILTER_NOT_IN:
    case FILTER_EXISTS:
    case FILTER_UNKNOWN:
        break;
    }
    return truth;
}

enum terminology_truth ask_filters(struct ask *ask, const struct clause *clause,
                                   const struct system *system, const struct concept *concept)
{
    enum terminology_truth all = TERMINOLOGY_YES;
    for (uint32_t i = 0; i < clause->filter_count; i++) {
        if (ask->steps_left == 0)
            return TERMINOLOGY_UNKNOWN;
        ask->steps_left--;
        struct arena_mark mark = arena_mark(ask->arena);
        enum terminology_truth one = filter_passes(ask, &clause->filters[i], system, concept);
        arena_rewind(ask->arena, mark);
        all = MIN(all, system->is_complete ? one : doubt(&clause->filters[i], one));
    }
    return all;
}
