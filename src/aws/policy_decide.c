/* aws/policy_decide.c - one statement, and all that speak on a question. */
#include "aws/policy_form.h"

/* ---- one statement ---- */

/* How near a principal names the caller; what it allows depends on it. */
enum nearness { NAMED_NOT, NAMED_ACCOUNT, NAMED_ROLE, NAMED_ITSELF };

static bool is_root(const struct policy_caller *caller)
{
    return slice_ends_with(caller->arn, SLICE(":root"));
}

static enum nearness principal_names(const struct principal *p, const struct policy_caller *caller)
{
    struct slice of_type = SLICE_NONE;
    switch (p->type) {
    case PRINCIPAL_EVERYONE:
        return NAMED_ROLE; /* it grants by itself, but passes no boundary */
    case PRINCIPAL_AWS:
        if (p->is_account && caller->account.length && slice_equal(p->value, caller->account))
            return is_root(caller) ? NAMED_ITSELF : NAMED_ACCOUNT;
        if (caller->arn.length && slice_equal(p->value, caller->arn))
            return NAMED_ITSELF;
        return caller->role_arn.length && slice_equal(p->value, caller->role_arn) ? NAMED_ROLE
                                                                                  : NAMED_NOT;
    case PRINCIPAL_SERVICE:
        of_type = caller->service;
        break;
    case PRINCIPAL_FEDERATED:
        of_type = caller->federated;
        break;
    case PRINCIPAL_CANONICAL:
        of_type = caller->canonical_user;
        break;
    }
    return of_type.length && slice_equal(p->value, of_type) ? NAMED_ITSELF : NAMED_NOT;
}

/* With NotPrincipal an account's name exempts its root user alone. */
static enum nearness statement_names(const struct statement *s, const struct policy_caller *caller)
{
    enum nearness nearest = NAMED_NOT;
    for (size_t i = 0; i < s->principal_count; i++)
        nearest = MAX(nearest, principal_names(&s->principals[i], caller));
    if (!s->not_principal)
        return nearest;
    return nearest >= NAMED_ROLE ? NAMED_NOT : NAMED_ITSELF;
}

static bool actions_fit(const struct statement *s, struct slice action)
{
    for (size_t i = 0; i < s->action_count; i++) {
        if (policy_pattern_match(s->actions[i].symbols, s->actions[i].count, action, true))
            return true;
    }
    return false;
}

/* Does the statement speak of the resource? *ret_missing: a variable in its way. */
static enum err resources_fit(const struct statement *s, const struct policy_question *q,
                              struct arena *scratch, bool *ret,
                              const struct policy_variable **ret_missing)
{
    const struct policy_variable *missing = NULL;
    *ret_missing = NULL;
    *ret = false;
    for (size_t i = 0; i < s->resource_count && !*ret; i++) {
        struct policy_pattern p;
        TRY(policy_pattern_resolve(&s->resources[i], q, scratch, &p, &missing));
        if (missing)
            *ret_missing = missing;
        else
            *ret = policy_pattern_match(p.symbols, p.count, q->resource, false);
    }
    if (!s->resource_count)
        *ret = true;
    else if (s->not_resource)
        *ret = !*ret && !*ret_missing;
    return ERR_NONE;
}

/* What of a statement did not match. */
struct mismatch {
    enum policy_match match;
    const struct condition *condition;
    const struct policy_variable *variable;
    enum nearness nearness;
};

static enum err conditions_fit(const struct statement *s, const struct policy_question *q,
                               struct arena *scratch, struct mismatch *ret)
{
    for (size_t i = 0; i < s->condition_count; i++) {
        enum holds holds;
        const struct policy_variable *missing = NULL;
        TRY(policy_condition_holds(&s->conditions[i], q, scratch, &holds, &missing));
        if (holds == HOLDS)
            continue;
        ret->match = holds == HOLDS_UNKNOWN ? POLICY_NO_VARIABLE : POLICY_OTHER_CONDITION;
        ret->condition = &s->conditions[i];
        ret->variable = missing;
        return ERR_NONE;
    }
    return ERR_NONE;
}

static enum err statement_match(const struct policy *policy, const struct statement *s,
                                const struct policy_question *q, struct arena *scratch,
                                struct mismatch *ret)
{
    *ret = (struct mismatch){ .match = POLICY_MATCHES, .nearness = NAMED_ITSELF };
    if (policy->kind == POLICY_OF_RESOURCE) {
        ret->nearness = statement_names(s, &q->caller);
        if (ret->nearness == NAMED_NOT) {
            ret->match = POLICY_OTHER_PRINCIPAL;
            return ERR_NONE;
        }
    }
    if (actions_fit(s, q->action) == s->not_action) {
        ret->match = POLICY_OTHER_ACTION;
        return ERR_NONE;
    }
    bool fits;
    TRY(resources_fit(s, q, scratch, &fits, &ret->variable));
    if (!fits) {
        ret->match = ret->variable ? POLICY_NO_VARIABLE : POLICY_OTHER_RESOURCE;
        return ERR_NONE;
    }
    return conditions_fit(s, q, scratch, ret);
}

enum err policy_statement_match(const struct policy *policy, size_t statement,
                                const struct policy_question *q, struct arena *scratch,
                                enum policy_match *ret_match, struct slice *ret_detail)
{
    CHECK(statement < policy->count);
    struct mismatch m;
    struct arena_mark mark = arena_mark(scratch);
    enum err err = statement_match(policy, &policy->statements[statement], q, scratch, &m);
    arena_rewind(scratch, mark);
    if (err)
        return err;
    *ret_match = m.match;
    *ret_detail = m.match == POLICY_NO_VARIABLE && m.variable ? m.variable->key
                  : m.condition                               ? m.condition->label
                                                              : SLICE_NONE;
    return ERR_NONE;
}

/* ---- a list of policies ---- */

/* What a list says: its first Deny, else its nearest Allow. */
struct voice {
    const struct policy *deny, *allow;
    size_t deny_statement, allow_statement;
    enum nearness nearness; /* of the Allow */
};

static enum err list_ask(const struct policy_list *list, const struct policy_question *q,
                         struct arena *scratch, struct voice *ret)
{
    *ret = (struct voice){ 0 };
    for (size_t p = 0; p < list->count; p++) {
        const struct policy *policy = list->items[p];
        for (size_t i = 0; i < policy->count; i++) {
            const struct statement *s = &policy->statements[i];
            struct mismatch m;
            struct arena_mark mark = arena_mark(scratch);
            enum err err = statement_match(policy, s, q, scratch, &m);
            arena_rewind(scratch, mark);
            TRY(err);
            if (m.match != POLICY_MATCHES)
                continue;
            if (!s->is_allow) {
                ret->deny = policy;
                ret->deny_statement = i;
                return ERR_NONE;
            }
            if (m.nearness > ret->nearness) {
                ret->allow = policy;
                ret->allow_statement = i;
                ret->nearness = m.nearness;
            }
        }
    }
    return ERR_NONE;
}

/* ---- all together ---- */

static struct slice arn_account(struct slice arn)
{
    for (int i = 0; i < 4; i++)
        slice_cut(&arn, ':');
    return slice_cut(&arn, ':');
}

static bool is_same_account(const struct policy_question *q)
{
    struct slice owner =
        q->resource_account.length ? q->resource_account : arn_account(q->resource);
    return !owner.length || slice_equal(owner, q->caller.account);
}

static void settle(struct policy_verdict *ret, enum policy_outcome outcome,
                   enum policy_source source, const struct policy *policy, size_t statement)
{
    *ret = (struct policy_verdict){ outcome, source, policy, statement };
}

/* No Deny spoke: is there an Allow in every place that needs one? */
static void decide_allow(const struct policy_set *set, const struct policy_question *q,
                         const struct voice *voices, struct policy_verdict *ret)
{
    const struct voice *identity = &voices[POLICY_IDENTITY], *resource = &voices[POLICY_RESOURCE];
    bool same = is_same_account(q);
    if (!same && !resource->allow) {
        settle(ret, POLICY_NOT_ALLOWED, POLICY_RESOURCE, NULL, 0);
        return;
    }
    /* An account's name hands the decision to that account's own policies. */
    bool by_resource = same && resource->nearness >= NAMED_ROLE;
    bool is_owner = is_root(&q->caller);
    if (!identity->allow && !by_resource && !is_owner) {
        settle(ret, POLICY_NOT_ALLOWED, POLICY_IDENTITY, NULL, 0);
        return;
    }
    bool passes_limits = same && resource->nearness == NAMED_ITSELF;
    static const enum policy_source limits[] = { POLICY_BOUNDARY, POLICY_SESSION };
    for (size_t i = 0; i < ARRAY_COUNT(limits) && !passes_limits; i++) {
        bool is_set = limits[i] == POLICY_BOUNDARY ? set->has_boundary : set->has_session;
        if (is_set && !voices[limits[i]].allow) {
            settle(ret, POLICY_NOT_ALLOWED, limits[i], NULL, 0);
            return;
        }
    }
    if (identity->allow || is_owner)
        settle(ret, POLICY_ALLOWED, POLICY_IDENTITY, identity->allow, identity->allow_statement);
    else
        settle(ret, POLICY_ALLOWED, POLICY_RESOURCE, resource->allow, resource->allow_statement);
}

enum err policy_decide(const struct policy_set *set, const struct policy_question *q,
                       struct arena *scratch, struct policy_verdict *ret)
{
    const struct policy_list *lists[] = { [POLICY_IDENTITY] = &set->identity,
                                          [POLICY_RESOURCE] = &set->resource,
                                          [POLICY_BOUNDARY] = &set->boundary,
                                          [POLICY_SESSION] = &set->session };
    struct voice voices[ARRAY_COUNT(lists)];
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        TRY(list_ask(lists[i], q, scratch, &voices[i]));
        if (voices[i].deny) {
            settle(ret, POLICY_DENIED, (enum policy_source)i, voices[i].deny,
                   voices[i].deny_statement);
            return ERR_NONE;
        }
    }
    decide_allow(set, q, voices, ret);
    return ERR_NONE;
}

/* ---- looking ---- */

size_t policy_statement_count(const struct policy *policy)
{
    return policy->count;
}

struct slice policy_name(const struct policy *policy)
{
    return policy->name;
}

struct slice policy_text(const struct policy *policy)
{
    return policy->text;
}

bool policy_statement_allows(const struct policy *policy, size_t statement)
{
    CHECK(statement < policy->count);
    return policy->statements[statement].is_allow;
}

struct slice policy_statement_sid(const struct policy *policy, size_t statement)
{
    CHECK(statement < policy->count);
    return policy->statements[statement].sid;
}
