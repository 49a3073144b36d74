#include "auth/permit.h"

#include "base/date.h"
#include "os/clock.h"

enum { KEYS_MAX = 24, HEADER_BYTES_MAX = 2048 };

/* The condition keys of a request; each has one value. */
struct context {
    struct policy_key keys[KEYS_MAX];
    struct slice values[KEYS_MAX];
    size_t count;
};

static void context_add(struct context *c, const char *name, struct slice value)
{
    if (!value.bytes)
        return;
    CHECK(c->count < KEYS_MAX);
    c->values[c->count] = slice_head(value, HEADER_BYTES_MAX);
    c->keys[c->count] = (struct policy_key){ slice_cstr(name), &c->values[c->count], 1 };
    c->count++;
}

static struct slice instant_text(struct arena *arena, int64_t instant_us)
{
    char text[INSTANT_TEXT_BYTES];
    size_t length = instant_render(instant_us, 0, text);
    char *copy = arena_copy(arena, slice_of(text, length));
    return slice_of(copy, copy ? length : 0);
}

static void header_add(struct context *c, const char *key, const struct http_request *r,
                       const char *header)
{
    const struct slice *value = http_header_find(r, header);
    context_add(c, key, value ? *value : SLICE_NONE);
}

static void context_fill(struct context *c, const struct permit_scope *scope,
                         struct http_request *r, const struct permit_caller *caller)
{
    int64_t now_us = os_now_us();
    if (caller->user)
        context_add(c, "aws:username", caller->user->name);
    context_add(c, "aws:userid", caller->user_id);
    context_add(c, "aws:PrincipalArn", caller->role ? caller->role_arn : caller->arn);
    context_add(c, "aws:PrincipalAccount", scope->account_id);
    context_add(c, "aws:PrincipalType", caller->role ? SLICE("AssumedRole") : SLICE("User"));
    context_add(c, "aws:PrincipalIsAWSService", SLICE("false"));
    context_add(c, "aws:ViaAWSService", SLICE("false"));
    context_add(c, "aws:ResourceAccount", scope->account_id);
    context_add(c, "aws:RequestedRegion", scope->region);
    context_add(c, "aws:SecureTransport", SLICE("false"));
    context_add(c, "aws:CurrentTime", instant_text(r->arena, now_us));
    context_add(c, "aws:EpochTime", arena_printf(r->arena, "%lld", (long long)(now_us / 1000000)));
    if (r->peer_address.length)
        context_add(c, "aws:SourceIp", r->peer_address);
    header_add(c, "aws:UserAgent", r, "user-agent");
    header_add(c, "aws:Referer", r, "referer");
    if (!caller->is_session)
        return;
    context_add(c, "aws:TokenIssueTime", instant_text(r->arena, caller->issued_us));
    context_add(c, "aws:MultiFactorAuthPresent", SLICE("false"));
}

/* The request's keys and the target's. False: they cannot be told. */
static bool keys_gather(const struct permit_scope *scope, struct http_request *r,
                        const struct permit_caller *caller, const struct auth_target *target,
                        struct context *own, struct policy_question *q)
{
    struct auth_facts facts = { .keys = NULL };
    context_fill(own, scope, r, caller);
    if (target->find && !target->find(target->context, r->arena, &facts))
        return false;
    struct policy_key *keys = arena_array(r->arena, own->count + facts.count, sizeof *keys);
    if (!keys)
        return false;
    memcpy(keys, own->keys, own->count * sizeof *keys);
    if (facts.count)
        memcpy(keys + own->count, facts.keys, facts.count * sizeof *keys);
    q->keys = keys;
    q->key_count = own->count + facts.count;
    return true;
}

/* AWS's words: which kind of policy, and how it refuses. */
static struct slice refusal_text(struct arena *arena, const struct policy_verdict *v,
                                 struct slice arn, struct slice action, struct slice resource)
{
    static const char *const kinds[] = { [POLICY_IDENTITY] = "identity-based policy",
                                         [POLICY_RESOURCE] = "resource-based policy",
                                         [POLICY_BOUNDARY] = "permissions boundary",
                                         [POLICY_SESSION] = "session policy" };
    const char *article = v->source == POLICY_IDENTITY ? "an" : "a";
    if (v->outcome == POLICY_DENIED)
        return arena_printf(arena,
                            "User: %.*s is not authorized to perform: %.*s on resource: %.*s with "
                            "an explicit deny in %s %s",
                            SLICE_ARGS(arn), SLICE_ARGS(action), SLICE_ARGS(resource), article,
                            kinds[v->source]);
    return arena_printf(arena,
                        "User: %.*s is not authorized to perform: %.*s on resource: %.*s because "
                        "no %s allows the %.*s action",
                        SLICE_ARGS(arn), SLICE_ARGS(action), SLICE_ARGS(resource), kinds[v->source],
                        SLICE_ARGS(action));
}

/* ---- who asks ---- */

static enum err user_arn(const struct permit_scope *scope, struct arena *arena,
                         struct permit_caller *c)
{
    c->arn = arena_printf(arena, "arn:aws:iam::%.*s:user/%.*s", SLICE_ARGS(scope->account_id),
                          SLICE_ARGS(c->user->name));
    c->user_id = c->user->name;
    return c->arn.bytes ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err role_arn(const struct permit_scope *scope, struct slice session,
                         struct arena *arena, struct permit_caller *c)
{
    c->role_arn = arena_printf(arena, "arn:aws:iam::%.*s:role/%.*s", SLICE_ARGS(scope->account_id),
                               SLICE_ARGS(c->role->name));
    c->arn =
        arena_printf(arena, "arn:aws:sts::%.*s:assumed-role/%.*s/%.*s",
                     SLICE_ARGS(scope->account_id), SLICE_ARGS(c->role->name), SLICE_ARGS(session));
    c->user_id = arena_printf(arena, "%.*s:%.*s", SLICE_ARGS(c->role->name), SLICE_ARGS(session));
    return c->role_arn.bytes && c->arn.bytes && c->user_id.bytes ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err session_policy_parse(struct slice text, struct arena *arena,
                                     const struct policy **ret)
{
    struct slice error;
    if (!text.length)
        return ERR_NONE;
    return policy_parse(text, POLICY_OF_IDENTITY, SLICE("session policy"), arena, ret, &error);
}

static enum err token_caller(const struct permit_scope *scope, const struct iam *iam,
                             const struct iam_token *token, struct arena *arena,
                             struct permit_caller *c)
{
    c->is_session = true;
    c->issued_us = token->issued_us;
    TRY(session_policy_parse(token->policy, arena, &c->of_session));
    if (token->role.length) {
        c->role = iam_role_find(iam, token->role);
        bool is_same = c->role && c->role->created_us == token->owner_created_us;
        return is_same ? role_arn(scope, token->session, arena, c) : ERR_NOT_FOUND;
    }
    c->user = iam_user_find(iam, token->user);
    bool is_same = c->user && c->user->created_us == token->owner_created_us;
    return is_same ? user_arn(scope, arena, c) : ERR_NOT_FOUND;
}

enum err permit_caller_find(const struct permit_scope *scope, const struct iam *iam,
                            struct slice access_key_id, struct slice token, struct arena *arena,
                            struct permit_caller *ret)
{
    struct iam_key *key = NULL;
    struct iam_token sealed;
    *ret = (struct permit_caller){ .user = NULL };
    const struct iam_session *session = iam_session_find(iam, access_key_id);
    if (!session && token.length)
        return iam_token_read(iam, access_key_id, token, arena, &sealed)
                   ? token_caller(scope, iam, &sealed, arena, ret)
                   : ERR_NOT_FOUND;
    ret->user =
        session ? iam_user_find(iam, session->user) : iam_key_find(iam, access_key_id, &key);
    if (!ret->user)
        return ERR_NOT_FOUND;
    if (session) {
        ret->is_session = true;
        ret->issued_us = session->created_us;
        ret->of_session = session->policy ? session->policy->compiled : NULL;
    }
    return user_arn(scope, arena, ret);
}

/* ---- the question ---- */

/* *boundary is where the set's one item points. */
static void boundary_fill(const struct permit_caller *caller, struct policy_set *set,
                          const struct policy **boundary)
{
    const struct iam_policy *p = caller->role ? caller->role->boundary : caller->user->boundary;
    *boundary = p ? p->compiled : NULL;
    set->boundary = (struct policy_list){ boundary, p ? 1 : 0 };
    set->has_boundary = p != NULL;
}

static enum err policies_of(const struct iam *iam, const struct permit_caller *caller,
                            struct arena *arena, struct policy_list *ret)
{
    return caller->role ? iam_policies_list(caller->role->policies, arena, ret)
                        : iam_policies_of(iam, caller->user, arena, ret);
}

static void question_fill(const struct permit_scope *scope, const struct permit_caller *caller,
                          struct slice action, struct slice resource, struct policy_question *q)
{
    *q = (struct policy_question){ .action = action,
                                   .resource = resource,
                                   .caller = { .arn = caller->arn,
                                               .account = scope->account_id,
                                               .role_arn = caller->role_arn },
                                   .resource_account = scope->account_id };
}

static bool answer(struct http_request *r, const struct policy_set *set,
                   const struct policy_question *q, struct slice *ret_text)
{
    struct policy_verdict verdict;
    *ret_text = SLICE("not authorized: out of memory");
    if (policy_decide(set, q, r->arena, &verdict))
        return false;
    if (verdict.outcome == POLICY_ALLOWED)
        return true;
    struct slice text = refusal_text(r->arena, &verdict, q->caller.arn, q->action, q->resource);
    *ret_text = text.bytes ? text : SLICE("not authorized");
    return false;
}

bool permit_ask(const struct permit_scope *scope, const struct iam *iam, struct http_request *r,
                const struct permit_caller *caller, struct slice action,
                const struct auth_target *target, struct slice *ret_text)
{
    struct context own = { .count = 0 };
    struct policy_question q;
    struct policy_set set = { .session = { &caller->of_session, caller->of_session ? 1 : 0 },
                              .has_session = caller->of_session != NULL };
    const struct iam_resource *resource = iam_resource_find(iam, target->arn);
    const struct policy *boundary;
    boundary_fill(caller, &set, &boundary);
    question_fill(scope, caller, action, target->arn, &q);
    *ret_text = SLICE("not authorized: out of memory");
    if (!keys_gather(scope, r, caller, target, &own, &q) ||
        policies_of(iam, caller, r->arena, &set.identity) ||
        (resource && iam_policies_list(resource->policies, r->arena, &set.resource)))
        return false;
    return answer(r, &set, &q, ret_text);
}

/* Does a statement that allows it name the caller, if only by the account? */
static enum err trust_names(const struct policy *trust, const struct policy_question *q,
                            struct arena *arena, bool *ret)
{
    *ret = false;
    for (size_t i = 0; i < policy_statement_count(trust) && !*ret; i++) {
        enum policy_match match;
        struct slice detail;
        TRY(policy_statement_match(trust, i, q, arena, &match, &detail));
        *ret = match == POLICY_MATCHES && policy_statement_allows(trust, i);
    }
    return ERR_NONE;
}

bool permit_assume(const struct permit_scope *scope, const struct iam *iam, struct http_request *r,
                   const struct permit_caller *caller, const struct iam_role *role,
                   const struct auth_target *target, struct slice *ret_text)
{
    struct context own = { .count = 0 };
    struct policy_question q;
    const struct policy *trust = role->trust->compiled;
    struct policy_set set = { .resource = { &trust, 1 },
                              .session = { &caller->of_session, caller->of_session ? 1 : 0 },
                              .has_session = caller->of_session != NULL };
    bool is_named = false;
    const struct policy *boundary;
    boundary_fill(caller, &set, &boundary);
    question_fill(scope, caller, SLICE("sts:AssumeRole"), target->arn, &q);
    *ret_text = SLICE("not authorized: out of memory");
    if (!keys_gather(scope, r, caller, target, &own, &q) ||
        policies_of(iam, caller, r->arena, &set.identity) ||
        trust_names(trust, &q, r->arena, &is_named))
        return false;
    if (is_named)
        return answer(r, &set, &q, ret_text);
    struct slice text = arena_printf(
        r->arena, "User: %.*s is not authorized to perform: sts:AssumeRole on resource: %.*s",
        SLICE_ARGS(caller->arn), SLICE_ARGS(target->arn));
    *ret_text = text.bytes ? text : SLICE("not authorized");
    return false;
}
