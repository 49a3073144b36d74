/* Chains and reverse chains: a condition on what a resource refers to, or on
 * what refers to it. The inner condition is compiled for its own type and joined
 * through the reference parameter; the store runs it first. */
#include "search/compile.h"

#include "index/index.h"

enum { CHAIN_DEPTH_MAX = LIMIT_CHAIN_DEPTH };

static const char reference_kind = TERM_REFERENCE;

enum err plan_typed(struct compiler *c, struct plan *plan, struct plan **ret_plan)
{
    *ret_plan = plan;
    if (plan_is_typed(plan))
        return ERR_NONE;
    struct plan *type;
    struct plan_list both = { 0 };
    c->field = index_field(c->type, INDEX_PARAM_TYPE);
    TRY(plan_leaf(c, PLAN_TERM, SLICE(""), &type));
    TRY(plan_list_add(c, &both, plan));
    TRY(plan_list_add(c, &both, type));
    return plan_join(c, PLAN_AND, &both, ret_plan);
}

static enum err refuse(struct compiler *c, enum err err, const char *why)
{
    return issues_fail(c->issues, err, err == ERR_UNSUPPORTED ? "not-supported" : "invalid",
                       "The chain '%.*s' %s.",
                       SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)), why);
}

static enum err join(struct compiler *c, enum plan_kind kind, uint32_t field, struct plan *inner,
                     struct plan **ret_plan)
{
    struct plan_list one = { 0 };
    TRY(plan_list_add(c, &one, inner));
    c->field = field;
    TRY(plan_leaf(c, kind, slice_of(&reference_kind, 1), ret_plan));
    (*ret_plan)->children = one.items;
    (*ret_plan)->child_count = 1;
    return ERR_NONE;
}

/* The condition for one type that the reference may name. */
static enum err inner_compile(struct compiler *c, const struct fhir_type *type,
                              struct slice name, struct slice values, struct plan **ret_plan)
{
    const struct fhir_type *outer = c->type;
    TRY(condition_compile(c, type, name, values, ret_plan));
    c->type = type;
    enum err err = plan_typed(c, *ret_plan, ret_plan);
    c->type = outer;
    return err;
}

/* ---- what was compiled before ---- */

/* A reference without type goes on in several types, and the next one in several of each:
 * what is left of the name is compiled once for each type. */
struct chain_memo {
    struct memo_entry {
        const char *text; /* where what is left begins, in the query; NULL: free */
        const struct fhir_type *type;
        struct plan *plan;   /* NULL: it does not fit */
        struct slice behind; /* of brackets */
    } *entries;
    size_t count, room; /* a power of two */
};

static struct memo_entry *memo_slot(const struct chain_memo *m, const char *text,
                                    const struct fhir_type *type)
{
    uint64_t hash = (uint64_t)(uintptr_t)text * UINT64_C(0x9e3779b97f4a7c15) ^
                    (uint64_t)(uintptr_t)type * UINT64_C(0xc2b2ae3d27d4eb4f);
    for (size_t at = (size_t)(hash >> 32);; at++) {
        struct memo_entry *e = &m->entries[at & (m->room - 1)];
        if (!e->text || (e->text == text && e->type == type))
            return e;
    }
}

static enum err memo_reserve(struct compiler *c)
{
    struct chain_memo *m = c->memo, before = *m;
    if (2 * m->count < m->room)
        return ERR_NONE;
    m->room = before.room ? 2 * before.room : 64;
    m->entries = arena_array(c->arena, m->room, sizeof *m->entries);
    if (!m->entries)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < before.room; i++)
        if (before.entries[i].text)
            *memo_slot(m, before.entries[i].text, before.entries[i].type) = before.entries[i];
    return ERR_NONE;
}

static bool is_bracket(const struct compiler *c, struct slice name)
{
    return c->bracket && slice_is(name, "[");
}

static const char *memo_text(const struct compiler *c, struct slice name)
{
    return is_bracket(c, name) ? filter_bracket_text(c->bracket).bytes : name.bytes;
}

/* What the condition says to one of several types; *ret_plan NULL when it does not fit
 * that one: `performer._has:Procedure:performer:...` means whoever performs procedures. */
static enum err target_try(struct compiler *c, const struct fhir_type *type,
                           struct slice name, struct slice values, struct plan **ret_plan)
{
    const struct issues before = *c->issues;
    if (++c->value_count > SEARCH_VALUES_MAX)
        return issues_fail(c->issues, ERR_INVALID, "too-costly",
                           "The chain '%.*s' forks at each reference into all types that it may "
                           "name, %d in all: say which, as in subject:Patient.",
                           SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)),
                           (int)SEARCH_VALUES_MAX);
    enum err err = inner_compile(c, type, name, values, ret_plan);
    bool is_misfit = (err == ERR_INVALID || err == ERR_UNSUPPORTED) && !c->is_too_deep;
    if (!is_misfit || c->value_count > SEARCH_VALUES_MAX)
        return err;
    issues_rewind(c->issues, &before);
    *ret_plan = NULL;
    return ERR_NONE;
}

static enum err target_compile(struct compiler *c, const struct fhir_type *type,
                               struct slice name, struct slice values, struct plan **ret_plan)
{
    struct slice *behind = is_bracket(c, name) ? filter_bracket_behind(c->bracket) : NULL;
    const char *text = memo_text(c, name);
    TRY(memo_reserve(c));
    struct memo_entry *e = memo_slot(c->memo, text, type);
    if (!e->text) {
        TRY(target_try(c, type, name, values, ret_plan));
        TRY(memo_reserve(c)); /* it may have grown meanwhile */
        e = memo_slot(c->memo, text, type);
        c->memo->count += !e->text;
        *e = (struct memo_entry){ .text = text, .type = type, .plan = *ret_plan };
        e->behind = behind ? *behind : SLICE_NONE;
        return ERR_NONE;
    }
    *ret_plan = e->plan;
    if (behind)
        *behind = e->behind;
    return ERR_NONE;
}

static bool may_fit(const struct compiler *c, const struct fhir_type *type, struct slice name)
{
    struct slice code = slice_head(name, name.length);
    for (size_t i = 0; i < code.length; i++)
        if (code.bytes[i] == '.' || code.bytes[i] == ':')
            code = slice_head(code, i);
    return slice_is(code, "_has") || slice_is(code, "[") || condition_is_common(code) ||
           param_find(c, type, code);
}

/* Without a type: all targets that the rest of the chain fits. */
static enum err any_target(struct compiler *c, const struct fhir_param *param, struct slice name,
                           struct slice values, struct plan **ret_plan)
{
    struct plan_list any = { 0 };
    const struct fhir_type *fitting = NULL;
    for (size_t i = 0; i < param->target_count; i++) {
        const struct fhir_type *target = fhir_type_at(param->targets[i]);
        if (target->is_abstract)
            return refuse(c, ERR_INVALID, "may refer to any type: name one, as in subject:Patient");
        if (!may_fit(c, target, name))
            continue;
        struct plan *plan;
        fitting = target;
        TRY(target_compile(c, target, name, values, &plan));
        if (plan)
            TRY(plan_list_add(c, &any, plan));
    }
    if (!any.count && fitting) /* what is wrong with the last of them */
        return inner_compile(c, fitting, name, values, ret_plan);
    if (!any.count)
        return refuse(c, ERR_INVALID,
                      param->target_count
                          ? "goes on with what none of the types has that its reference may name"
                          : "may refer to any type: name one");
    return plan_join(c, PLAN_OR, &any, ret_plan);
}

/* What refers to a match, by its id or its url, or to a contained resource that is one.
 * What selects a resource means that one, though the store may have it too. */
static enum err join_both(struct compiler *c, const struct fhir_param *param,
                          const struct fhir_type *target, struct plan *inner,
                          struct plan **ret_plan)
{
    uint32_t field = index_field(c->type, param->id);
    struct plan_list both = { 0 };
    struct plan *within, *by_url;
    TRY(contained_chain(c, field, inner, &within));
    if (!custom_is(param) && fhir_param_selects_resources(param, c->type)) {
        *ret_plan = within;
        return ERR_NONE;
    }
    TRY(canonical_chain(c, param, target, inner, &by_url));
    if (by_url)
        TRY(plan_either(c, within, by_url, &within));
    TRY(plan_list_add(c, &both, inner));
    TRY(plan_list_add(c, &both, within));
    TRY(join(c, PLAN_REFERS, field, inner, ret_plan));
    (*ret_plan)->children = both.items;
    (*ret_plan)->child_count = both.count;
    return ERR_NONE;
}

/* "subject:Patient" . "name" */
static enum err chain_compile(struct compiler *c, struct slice head, struct slice name,
                              struct slice values, struct plan **ret_plan)
{
    struct slice type_name = head;
    struct slice code = slice_cut(&type_name, ':');
    const struct fhir_param *param = param_find(c, c->type, code);
    if (!param || param->type != FHIR_PARAM_REFERENCE || !param->path)
        return refuse(c, ERR_INVALID, "does not begin with a reference parameter of the type");
    const struct fhir_type *target = NULL;
    struct plan *inner;
    TRY(stated_chain_check(c, param, name));
    if (type_name.bytes) {
        target = fhir_resource_find(type_name);
        if (!target || !fhir_param_has_target(param, target))
            return refuse(c, ERR_INVALID, "names a type that its parameter never refers to");
        TRY(inner_compile(c, target, name, values, &inner));
    } else {
        TRY(any_target(c, param, name, values, &inner));
    }
    return join_both(c, param, target, inner, ret_plan);
}

/* "Observation" : "patient" : "code" */
static enum err has_compile(struct compiler *c, struct slice rest, struct slice values,
                            struct plan **ret_plan)
{
    const struct fhir_type *source = fhir_resource_find(slice_cut(&rest, ':'));
    struct slice code = slice_cut(&rest, ':');
    const struct fhir_param *param = source ? param_find(c, source, code) : NULL;
    if (!param || param->type != FHIR_PARAM_REFERENCE || !param->path || !rest.length)
        return refuse(c, ERR_INVALID, "is not of the form _has:Type:reference:parameter");
    if (!fhir_param_has_target(param, c->type))
        return refuse(c, ERR_INVALID, "names a reference that never leads to this type");
    struct plan *inner;
    TRY(inner_compile(c, source, rest, values, &inner));
    TRY(join(c, PLAN_REFERRED, index_field(source, param->id), inner, ret_plan));
    (*ret_plan)->to = c->type->name;
    struct plan *by_url;
    TRY(canonical_has(c, param, source, inner, &by_url));
    return by_url ? plan_either(c, *ret_plan, by_url, ret_plan) : ERR_NONE;
}

static enum err compile(struct compiler *c, struct slice name, struct slice values,
                        struct plan **ret_plan)
{
    if (is_bracket(c, name))
        return filter_bracket_compile(c, ret_plan);
    if (slice_starts_with(name, SLICE("_has:")))
        return has_compile(c, slice_from(name, 5), values, ret_plan);
    struct slice rest = name;
    struct slice head = slice_cut(&rest, '.');
    return rest.bytes ? chain_compile(c, head, rest, values, ret_plan)
                      : condition_plain(c, name, values, ret_plan);
}

enum err condition_compile(struct compiler *c, const struct fhir_type *type, struct slice name,
                           struct slice values, struct plan **ret_plan)
{
    struct chain_memo memo = { .count = 0 };
    struct chain_memo *known = c->memo;
    const struct fhir_type *outer = c->type;
    c->is_too_deep = c->depth >= CHAIN_DEPTH_MAX;
    if (c->is_too_deep)
        return issues_fail(c->issues, ERR_INVALID, "too-costly",
                           "The chain '%.*s' has more than %d levels.",
                           SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)),
                           (int)CHAIN_DEPTH_MAX);
    c->memo = known ? known : &memo;
    c->type = type;
    c->depth++;
    enum err err = compile(c, name, values, ret_plan);
    c->depth--;
    c->type = outer;
    c->memo = known;
    return err;
}
