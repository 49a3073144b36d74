/* Tokens, and what the store answers without terms: _id. */
#include "search/compile.h"

#include "index/index.h"

static const size_t FOLDS_BYTES_MAX = (size_t)256 << 20;

/* Case counts unless the system's CodeSystem says that it does not. */
static enum err in_system(struct compiler *c, struct slice system, struct slice code,
                          struct plan **ret_plan)
{
    /* In _filter it never does; a code without system is known only as it is written. */
    bool folds = c->op && system.length;
    if (!folds && c->settings->terminology && system.length)
        TRY(terminology_folds_case(c->settings->terminology, system, c->arena, &folds));
    if (!folds)
        return plan_leaf(c, PLAN_TERM, index_encode_token(c->arena, system, code), ret_plan);
    struct plan *capital;
    TRY(plan_leaf(c, PLAN_TERM,
                  index_encode_token_lower(c->arena, TERM_TOKEN_CODE, system, code), ret_plan));
    TRY(plan_leaf(c, PLAN_TERM,
                  index_encode_token_lower(c->arena, TERM_TOKEN_LOWER, system, code), &capital));
    return plan_either(c, *ret_plan, capital, ret_plan);
}

/* The system of a `code` element stands in its binding, not in the resource. */
enum err token_coded(struct compiler *c, struct slice system, struct slice code,
                     struct plan **ret_plan)
{
    TRY(in_system(c, system, code, ret_plan));
    if (!fhir_param_implies_system(c->param, c->type, system, code))
        return ERR_NONE;
    struct plan *implicit;
    TRY(plan_leaf(c, PLAN_TERM, index_encode_token(c->arena, SLICE_NONE, code), &implicit));
    return plan_either(c, *ret_plan, implicit, ret_plan);
}

/* system|code|value: an identifier that has a type of that coding. */
static enum err of_type(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct slice rest = value, parts[3];
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        struct slice part = i < 2 && rest.bytes ? value_cut(&rest, '|') : rest;
        parts[i] = value_unescape(part, c->arena);
        if (!parts[i].bytes)
            return ERR_NO_MEMORY;
        if (!parts[i].length)
            return value_refuse(c, value, "is not of the form system|code|value, with all three");
    }
    return plan_leaf(c, PLAN_TERM,
                     index_encode_identifier(c->arena, parts[0], parts[1], parts[2]), ret_plan);
}

/* 'c' or 'C' code 0 system: does case not count in that system? */
static bool system_folds(const struct plan *plan, struct slice value)
{
    struct slice system = value;
    struct arena arena;
    bool folds = false;
    (void)slice_cut(&system, '\0');
    if (!system.length)
        return false;
    arena_init(&arena, FOLDS_BYTES_MAX);
    enum err err = terminology_folds_case((struct terminology *)(uintptr_t)plan->accepts_context,
                                          system, &arena, &folds);
    arena_release(&arena);
    return !err && folds;
}

static bool has_system(const struct plan *plan, struct slice value)
{
    ptrdiff_t end = slice_find_byte(value, '\0');
    (void)plan;
    return end >= 0 && (size_t)end + 1 < value.length;
}

/* What differs in case alone, in systems where that does not count; in _filter in any. */
static enum err add_folded(struct compiler *c, struct slice code, struct plan_list *list)
{
    static const enum term_kind kinds[] = { TERM_TOKEN_CODE, TERM_TOKEN_LOWER };
    bool is_lower = true, has_letter = false;
    for (size_t i = 0; i < code.length; i++) {
        bool is_capital = code.bytes[i] >= 'A' && code.bytes[i] <= 'Z';
        is_lower &= !is_capital;
        has_letter |= is_capital || (code.bytes[i] >= 'a' && code.bytes[i] <= 'z');
    }
    if (!has_letter || (!c->op && !c->settings->terminology))
        return ERR_NONE;
    /* As it is asked it is found already. */
    for (size_t i = is_lower; i < ARRAY_COUNT(kinds); i++) {
        struct plan *plan;
        TRY(plan_leaf(c, PLAN_PREFIX,
                      index_encode_token_lower(c->arena, kinds[i], SLICE(""), code), &plan));
        plan->accepts = c->op ? has_system : system_folds;
        plan->accepts_context = c->settings->terminology;
        TRY(plan_list_add(c, list, plan));
    }
    return ERR_NONE;
}

enum err token_other_case(struct compiler *c, const struct fhir_param *param,
                          struct slice system, struct slice code, struct plan **ret_plan)
{
    const uint32_t field = c->field;
    struct plan_list any = { 0 };
    bool folds = !system.bytes;
    *ret_plan = NULL;
    c->field = index_field(c->type, param->id);
    enum err err = ERR_NONE;
    if (!folds && c->op)
        folds = system.length > 0;
    else if (!folds && system.length && c->settings->terminology)
        err = terminology_folds_case(c->settings->terminology, system, c->arena, &folds);
    if (!err && folds)
        err = system.bytes ? in_system(c, system, code, ret_plan) : add_folded(c, code, &any);
    if (!err && any.count)
        err = plan_join(c, PLAN_OR, &any, ret_plan);
    c->field = field;
    return err;
}

/* In any system. */
static enum err bare_code(struct compiler *c, struct slice code, struct plan **ret_plan)
{
    struct plan_list any = { 0 };
    TRY(plan_leaf(c, PLAN_PREFIX, index_encode_token_code_prefix(c->arena, code), ret_plan));
    TRY(plan_list_add(c, &any, *ret_plan));
    TRY(add_folded(c, code, &any));
    TRY(plan_join(c, PLAN_OR, &any, ret_plan));
    if (!c->settings->dialect || !c->settings->dialect->code_may_be_system)
        return ERR_NONE;
    struct plan *system;
    TRY(plan_leaf(c, PLAN_TERM, index_encode_token_system(c->arena, code), &system));
    return plan_either(c, *ret_plan, system, ret_plan);
}

enum err compile_token(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    if (c->modifier == MODIFIER_OF_TYPE)
        return of_type(c, value, ret_plan);
    struct slice rest = value;
    struct slice first = value_cut(&rest, '|');
    bool has_bar = rest.bytes != NULL;
    struct slice system = has_bar ? value_unescape(first, c->arena) : SLICE("");
    struct slice code = value_unescape(has_bar ? rest : first, c->arena);
    if (!system.bytes || !code.bytes)
        return ERR_NO_MEMORY;
    if (system.length + code.length == 0)
        return value_refuse(c, value, "is no token: expected code, system|code, |code or system|");

    if (!has_bar)
        return bare_code(c, code, ret_plan);
    if (!code.length)
        return plan_leaf(c, PLAN_TERM, index_encode_token_system(c->arena, system), ret_plan);
    return token_coded(c, system, code, ret_plan);
}

enum err compile_id(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    if (!fhir_id_is_valid(value))
        return value_refuse(c, value, "is no id: expected 1 to 64 of A-Z a-z 0-9 - .");
    TRY(plan_leaf(c, PLAN_ID, c->type->name, ret_plan));
    (*ret_plan)->to = value;
    return ERR_NONE;
}

/* _type of what a chain leads to, which is of the current type. */
enum err compile_type(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    const struct fhir_type *type = fhir_resource_find(value);
    if (!type)
        return value_refuse(c, value, "is no resource type");
    if (type != c->type)
        return plan_bare(c, PLAN_NONE, ret_plan);
    c->field = index_field(type, INDEX_PARAM_TYPE);
    return plan_leaf(c, PLAN_TERM, SLICE(""), ret_plan);
}

enum err compile_missing(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    bool is_missing = slice_is(value, "true");
    if (!is_missing && !slice_is(value, "false"))
        return value_refuse(c, value, "is neither true nor false");
    if (!index_param_has_terms(c->param)) /* _id and _lastUpdated are never missing */
        return plan_bare(c, is_missing ? PLAN_NONE : PLAN_ALL, ret_plan);

    static const char present = TERM_PRESENT;
    TRY(plan_leaf(c, PLAN_TERM, slice_of(&present, 1), ret_plan));
    return is_missing ? plan_not(c, *ret_plan, ret_plan) : ERR_NONE;
}
