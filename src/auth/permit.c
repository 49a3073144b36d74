#include "auth/permit.h"

#include "base/date.h"
#include "os/clock.h"

enum { KEYS_MAX = 16, HEADER_BYTES_MAX = 2048 };

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
                         struct http_request *r, const struct iam_user *user,
                         const struct iam_session *session, struct slice arn)
{
    int64_t now_us = os_now_us();
    context_add(c, "aws:username", user->name);
    context_add(c, "aws:userid", user->name);
    context_add(c, "aws:PrincipalArn", arn);
    context_add(c, "aws:PrincipalAccount", scope->account_id);
    context_add(c, "aws:PrincipalType", SLICE("User"));
    context_add(c, "aws:ResourceAccount", scope->account_id);
    context_add(c, "aws:RequestedRegion", scope->region);
    context_add(c, "aws:SecureTransport", SLICE("false"));
    context_add(c, "aws:CurrentTime", instant_text(r->arena, now_us));
    context_add(c, "aws:EpochTime", arena_printf(r->arena, "%lld", (long long)(now_us / 1000000)));
    if (r->peer_address.length)
        context_add(c, "aws:SourceIp", r->peer_address);
    header_add(c, "aws:UserAgent", r, "user-agent");
    header_add(c, "aws:Referer", r, "referer");
    if (session)
        context_add(c, "aws:TokenIssueTime", instant_text(r->arena, session->created_us));
}

/* AWS's words: which kind of policy, and how it refuses. */
static struct slice refusal_text(struct arena *arena, const struct policy_verdict *v,
                                 struct slice arn, struct slice action, struct slice resource)
{
    static const char *const kinds[] = { [POLICY_IDENTITY] = "identity-based",
                                         [POLICY_RESOURCE] = "resource-based",
                                         [POLICY_BOUNDARY] = "permissions boundary",
                                         [POLICY_SESSION] = "session" };
    const char *article = v->source == POLICY_IDENTITY ? "an" : "a";
    if (v->outcome == POLICY_DENIED)
        return arena_printf(arena,
                            "User: %.*s is not authorized to perform: %.*s on resource: %.*s with "
                            "an explicit deny in %s %s policy",
                            SLICE_ARGS(arn), SLICE_ARGS(action), SLICE_ARGS(resource), article,
                            kinds[v->source]);
    return arena_printf(arena,
                        "User: %.*s is not authorized to perform: %.*s on resource: %.*s because "
                        "no %s policy allows the %.*s action",
                        SLICE_ARGS(arn), SLICE_ARGS(action), SLICE_ARGS(resource), kinds[v->source],
                        SLICE_ARGS(action));
}

static enum err decide(const struct permit_scope *scope, const struct iam *iam,
                       struct http_request *r, const struct iam_user *user,
                       const struct iam_session *session, struct policy_question *q,
                       struct policy_verdict *ret)
{
    struct context context = { .count = 0 };
    context_fill(&context, scope, r, user, session, q->caller.arn);
    q->keys = context.keys;
    q->key_count = context.count;
    const struct policy *of_session = session && session->policy ? session->policy->compiled : NULL;
    struct policy_set set = { .session = { &of_session, of_session ? 1 : 0 },
                              .has_session = of_session != NULL };
    TRY(iam_policies_of(iam, user, r->arena, &set.identity));
    return policy_decide(&set, q, r->arena, ret);
}

bool permit_ask(const struct permit_scope *scope, const struct iam *iam, struct http_request *r,
                struct slice access_key_id, struct slice action, struct slice resource,
                struct slice *ret_text)
{
    struct iam_key *key = NULL;
    const struct iam_session *session = iam_session_find(iam, access_key_id);
    const struct iam_user *user =
        session ? iam_user_find(iam, session->user) : iam_key_find(iam, access_key_id, &key);
    *ret_text = SLICE("The security token included in the request is invalid.");
    if (!user)
        return false; /* taken away since the request began */
    struct slice arn = arena_printf(r->arena, "arn:aws:iam::%.*s:user/%.*s",
                                    SLICE_ARGS(scope->account_id), SLICE_ARGS(user->name));
    struct policy_question q = { .action = action,
                                 .resource = resource,
                                 .caller = { .arn = arn, .account = scope->account_id },
                                 .resource_account = scope->account_id };
    struct policy_verdict verdict;
    *ret_text = SLICE("not authorized: out of memory");
    if (!arn.bytes || decide(scope, iam, r, user, session, &q, &verdict))
        return false;
    if (verdict.outcome == POLICY_ALLOWED)
        return true;
    struct slice text = refusal_text(r->arena, &verdict, arn, action, resource);
    *ret_text = text.bytes ? text : SLICE("not authorized");
    return false;
}
