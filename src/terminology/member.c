/* terminology/member.c - is this code in that system, or that value set? */
#include "fhir/fhir.h"
#include "terminology/library.h"

static void say(struct terminology_answer *a, enum terminology_truth truth,
                enum terminology_reason reason, struct slice about)
{
    a->truth = truth;
    a->reason = reason;
    a->about = about;
}

/* What a concept's own CodeSystem says of it. */
static void tell_concept(struct ask *ask, const struct system *s, const struct concept *c,
                         struct slice display, struct terminology_answer *a)
{
    a->system = s->url;
    a->version = s->version;
    a->display = system_display(c, ask->arena);
    a->is_abstract = c->is_abstract;
    a->is_inactive = c->is_inactive;
    a->has_wrong_display = display.length > 0 && !system_has_display(c, display, ask->arena);
}

enum err ask_in_system(struct ask *ask, const struct terminology_code *code,
                       struct terminology_answer *ret)
{
    const struct system *s;
    TRY(ask_system(ask, code->system, code->version, &s));
    const struct concept *c = s ? system_find(s, code->code) : NULL;
    ret->system = code->system;
    if (s && s->is_supplement) {
        say(ret, TERMINOLOGY_NO, TERMINOLOGY_SUPPLEMENT, code->system);
        return ERR_NONE;
    }
    if (c) {
        tell_concept(ask, s, c, code->display, ret);
        say(ret, TERMINOLOGY_YES, TERMINOLOGY_FOUND, SLICE_NONE);
        return ERR_NONE;
    }
    bool is_valid, is_judged = fhir_grammar_judge(code->system, code->code, &is_valid);
    if (is_judged && is_valid)
        say(ret, TERMINOLOGY_YES, TERMINOLOGY_FOUND, SLICE_NONE);
    else if (is_judged || (s && s->is_complete))
        say(ret, TERMINOLOGY_NO, TERMINOLOGY_NO_CODE, code->system);
    else
        say(ret, TERMINOLOGY_UNKNOWN, TERMINOLOGY_NO_SYSTEM, code->system);
    ret->is_in_part = ret->truth == TERMINOLOGY_UNKNOWN && s && s->count > 0;
    return ERR_NONE;
}

/* ---- clauses ---- */

static enum err in_sets(struct ask *ask, const struct clause *clause,
                        const struct terminology_code *code, struct terminology_answer *ret)
{
    for (uint32_t i = 0; i < clause->set_count && ret->truth != TERMINOLOGY_NO; i++) {
        const struct set *set;
        struct terminology_answer one = { .truth = TERMINOLOGY_NO };
        TRY(ask_set(ask, clause->sets[i], &set));
        if (set)
            TRY(ask_in_set(ask, set, code, &one));
        else
            say(&one, TERMINOLOGY_UNKNOWN, TERMINOLOGY_NO_VALUE_SET, clause->sets[i]);
        if (one.truth < ret->truth || !ret->system.length)
            *ret = one;
    }
    return ERR_NONE;
}

/* A code of the clause's own list; its display may be the list's or the system's. */
static enum err in_list(struct ask *ask, const struct clause *clause,
                        const struct terminology_code *code, uint64_t place,
                        struct terminology_answer *ret)
{
    const struct system *s;
    struct json row = { clause->concepts.doc, (uint32_t)place };
    struct json display = json_member(row, "display");
    TRY(ask_system(ask, clause->system, clause->version, &s));
    const struct concept *c = s ? system_find(s, code->code) : NULL;
    if (c)
        tell_concept(ask, s, c, code->display, ret);
    ret->system = clause->system;
    if (json_exists(display)) {
        const struct concept own = { .json = row };
        bool fits = !code->display.length || system_has_display(&own, code->display, ask->arena);
        ret->has_wrong_display = (ret->has_wrong_display || !c) && !fits;
        ret->display = json_string(display, ask->arena);
    }
    say(ret, TERMINOLOGY_YES, TERMINOLOGY_FOUND, SLICE_NONE);
    return ERR_NONE;
}

static enum err in_whole_system(struct ask *ask, const struct clause *clause,
                                const struct terminology_code *code,
                                struct terminology_answer *ret)
{
    const struct system *s;
    struct terminology_code full = *code;
    full.system = clause->system;
    full.version = clause->version.length ? clause->version : code->version;
    TRY(ask_in_system(ask, &full, ret));
    if (clause->filter_count == 0 || ret->truth == TERMINOLOGY_NO)
        return ERR_NONE;
    TRY(ask_system(ask, full.system, full.version, &s));
    const struct concept *c = s ? system_find(s, code->code) : NULL;
    enum terminology_truth passes = c ? ask_filters(ask, clause, s, c) : TERMINOLOGY_UNKNOWN;
    if (passes == TERMINOLOGY_NO)
        say(ret, TERMINOLOGY_NO, TERMINOLOGY_NOT_IN_SET, SLICE_NONE);
    else if (passes == TERMINOLOGY_UNKNOWN)
        say(ret, TERMINOLOGY_UNKNOWN, c ? TERMINOLOGY_NOT_UNDERSTOOD : TERMINOLOGY_NO_SYSTEM,
            clause->system);
    return ERR_NONE;
}

enum err ask_in_clause(struct ask *ask, const struct clause *clause,
                       const struct terminology_code *code, struct terminology_answer *ret)
{
    say(ret, TERMINOLOGY_NO, TERMINOLOGY_NOT_IN_SET, SLICE_NONE);
    if (clause->system.length) {
        if (code->system.length && !slice_equal(code->system, clause->system))
            return ERR_NONE;
        if (json_exists(clause->concepts)) {
            const uint64_t *place = map_find(&clause->codes, code->code);
            if (place)
                TRY(in_list(ask, clause, code, *place, ret));
        } else {
            TRY(in_whole_system(ask, clause, code, ret));
        }
    } else if (clause->set_count > 0) {
        say(ret, TERMINOLOGY_YES, TERMINOLOGY_FOUND, SLICE_NONE);
    }
    return in_sets(ask, clause, code, ret);
}

/* ---- value sets ---- */

/* The best of the includes. */
static enum err in_includes(struct ask *ask, const struct set *set,
                            const struct terminology_code *code, struct terminology_answer *ret)
{
    for (uint32_t i = 0; i < set->include_count && ret->truth != TERMINOLOGY_YES; i++) {
        struct terminology_answer one = { .truth = TERMINOLOGY_NO };
        TRY(ask_in_clause(ask, &set->clauses[i], code, &one));
        /* NO_CODE tells more than NOT_IN_SET. */
        if (one.truth > ret->truth ||
            (one.truth == ret->truth && one.reason == TERMINOLOGY_NO_CODE))
            *ret = one;
    }
    return ERR_NONE;
}

enum err ask_in_set(struct ask *ask, const struct set *set, const struct terminology_code *code,
                    struct terminology_answer *ret)
{
    *ret = (struct terminology_answer){ .truth = TERMINOLOGY_NO,
                                        .reason = TERMINOLOGY_NOT_IN_SET };
    if (ask->depth >= ASK_DEPTH_MAX || ask->steps_left < set->count) {
        say(ret, TERMINOLOGY_UNKNOWN, TERMINOLOGY_NOT_UNDERSTOOD, set->url);
        return ERR_NONE;
    }
    ask->steps_left -= set->count;
    ask->depth++;
    enum err err = in_includes(ask, set, code, ret);
    for (uint32_t i = set->include_count;
         !err && i < set->count && ret->truth != TERMINOLOGY_NO; i++) {
        struct terminology_answer out = { .truth = TERMINOLOGY_NO };
        err = ask_in_clause(ask, &set->clauses[i], code, &out);
        if (out.truth == TERMINOLOGY_YES)
            say(ret, TERMINOLOGY_NO, TERMINOLOGY_NOT_IN_SET, SLICE_NONE);
        else if (out.truth == TERMINOLOGY_UNKNOWN)
            say(ret, TERMINOLOGY_UNKNOWN, out.reason, out.about);
    }
    ask->depth--;
    return err;
}

/* ---- the face ---- */

/* Texts of the shelf do not outlive the ask. */
static enum err keep(struct arena *arena, struct slice *text)
{
    if (!text->length)
        return ERR_NONE;
    char *copy = arena_copy(arena, *text);
    text->bytes = copy;
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err answer_keep(struct ask *ask, struct terminology_answer *a)
{
    TRY(keep(ask->arena, &a->about));
    TRY(keep(ask->arena, &a->system));
    TRY(keep(ask->arena, &a->version));
    return keep(ask->arena, &a->display);
}

enum err terminology_in_value_set(struct terminology *t, struct slice canonical,
                                  const struct terminology_code *code, struct arena *arena,
                                  struct terminology_answer *ret)
{
    struct ask ask;
    const struct set *set = NULL;
    *ret = (struct terminology_answer){ .truth = TERMINOLOGY_UNKNOWN };
    TRY(ask_begin(&ask, t, arena));
    enum err err = ask_set(&ask, canonical, &set);
    if (!err && set)
        err = ask_in_set(&ask, set, code, ret);
    else if (!err)
        say(ret, TERMINOLOGY_UNKNOWN, TERMINOLOGY_NO_VALUE_SET, canonical);
    if (!err)
        err = answer_keep(&ask, ret);
    ask_end(&ask);
    return err;
}

enum err terminology_in_text(struct terminology *t, struct slice json,
                             const struct terminology_code *code, struct arena *arena,
                             struct terminology_answer *ret)
{
    struct json_doc doc;
    struct ask ask;
    struct set set;
    TRY(json_parse(json, NULL, arena, &doc, NULL));
    TRY(set_compile(json_root(&doc), arena, &set));
    enum err err = ask_begin(&ask, t, arena);
    if (!err) {
        err = ask_in_set(&ask, &set, code, ret);
        if (!err)
            err = answer_keep(&ask, ret);
        ask_end(&ask);
    }
    set_release(&set);
    return err;
}

enum err terminology_in_system(struct terminology *t, const struct terminology_code *code,
                               struct arena *arena, struct terminology_answer *ret)
{
    struct ask ask;
    *ret = (struct terminology_answer){ .truth = TERMINOLOGY_UNKNOWN };
    TRY(ask_begin(&ask, t, arena));
    enum err err = ask_in_system(&ask, code, ret);
    if (!err)
        err = answer_keep(&ask, ret);
    ask_end(&ask);
    return err;
}

enum err terminology_folds_case(struct terminology *t, struct slice system, struct arena *arena,
                                bool *ret_folds)
{
    struct ask ask;
    const struct system *s = NULL;
    TRY(ask_begin(&ask, t, arena));
    enum err err = ask_system(&ask, system, SLICE_NONE, &s);
    *ret_folds = !err && s && s->folds_case;
    ask_end(&ask);
    return err;
}

enum err terminology_lookup(struct terminology *t, const struct terminology_code *code,
                            struct arena *arena, bool *ret_found, struct terminology_concept *ret)
{
    struct ask ask;
    const struct system *s = NULL;
    TRY(ask_begin(&ask, t, arena));
    enum err err = ask_system(&ask, code->system, code->version, &s);
    const struct concept *c = !err && s ? system_find(s, code->code) : NULL;
    *ret_found = c != NULL;
    if (c) {
        *ret = (struct terminology_concept){ .json = json_raw(c->json),
                                             .name = s->name,
                                             .version = s->version };
        if (c->parent)
            ret->parent = s->concepts[c->parent - 1].code;
        err = keep(arena, &ret->json);
        err = err ? err : keep(arena, &ret->name);
        err = err ? err : keep(arena, &ret->version);
        err = err ? err : keep(arena, &ret->parent);
    }
    ask_end(&ask);
    return err;
}
