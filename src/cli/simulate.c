/* cli/simulate.c - `tarn iam simulate`: how policies decide, statement by
 * statement, and the policy that would allow what they do not. */
#include <stdio.h>
#include <string.h>

#include "cli/iam.h"
#include "json/json.h"

enum { POLICIES_MAX = 256, KEYS_MAX = 64 };

struct simulation {
    struct iam_call *call;
    const struct policy *identity[POLICIES_MAX], *resource[1], *session[1];
    struct policy_set set;
    struct policy_key keys[KEYS_MAX];
    struct slice values[KEYS_MAX][OPTION_LIST_MAX];
    size_t key_count;
    struct policy_question question;
    struct slice missing[OPTION_LIST_MAX]; /* actions that an Allow would mend */
    size_t missing_count;
    bool is_refused; /* any of them */
};

/* ---- reading ---- */

static bool policy_load(struct simulation *s, const char *path, enum policy_kind kind,
                        const struct policy **ret)
{
    struct slice text, error = SLICE_NONE;
    if (!iam_file_read(path, s->call->arena, &text))
        return false;
    enum err err = policy_parse(text, kind, slice_cstr(path), s->call->arena, ret, &error);
    if (err)
        iam_fail(path, error.length ? error : slice_cstr(err_text(err)));
    return !err;
}

/* The policies of --user or --role. */
static bool folder_load(struct simulation *s)
{
    struct iam_call *c = s->call;
    struct slice error = SLICE_NONE;
    struct policy_list list;
    if (!c->data) {
        iam_fail("--user and --role need --data", SLICE_NONE);
        return false;
    }
    enum err err = iam_load(c->data, c->arena, &c->iam, &error);
    if (err) {
        iam_fail(err_text(err), error);
        return false;
    }
    const struct iam_user *user = c->user ? iam_user_find(&c->iam, slice_cstr(c->user)) : NULL;
    const struct iam_role *role = c->role ? iam_role_find(&c->iam, slice_cstr(c->role)) : NULL;
    if ((!user && !role) || (user ? iam_policies_of(&c->iam, user, c->arena, &list)
                                  : iam_policies_list(role->policies, c->arena, &list))) {
        iam_fail("there is no user or role of that name", slice_cstr(c->user ? c->user : c->role));
        return false;
    }
    for (size_t i = 0; i < list.count && s->set.identity.count < POLICIES_MAX; i++)
        s->identity[s->set.identity.count++] = list.items[i];
    return true;
}

static bool policies_load(struct simulation *s)
{
    const struct iam_call *c = s->call;
    s->set.identity.items = s->identity;
    s->set.resource.items = s->resource;
    s->set.session.items = s->session;
    for (size_t i = 0; i < c->policies.count; i++) {
        if (!policy_load(s, c->policies.items[i], POLICY_OF_IDENTITY,
                         &s->identity[s->set.identity.count++]))
            return false;
    }
    if (c->user && c->role) {
        iam_fail("--user or --role, not both", SLICE_NONE);
        return false;
    }
    if ((c->user || c->role) && !folder_load(s))
        return false;
    if (c->resource_policy) {
        s->set.resource.count = 1;
        if (!policy_load(s, c->resource_policy, POLICY_OF_RESOURCE, &s->resource[0]))
            return false;
    }
    if (c->session_policy) {
        s->set.session.count = 1;
        s->set.has_session = true;
        if (!policy_load(s, c->session_policy, POLICY_OF_IDENTITY, &s->session[0]))
            return false;
    }
    return true;
}

static void key_add(struct simulation *s, struct slice name, struct slice value)
{
    size_t i = 0;
    while (i < s->key_count && !slice_equal_nocase(s->keys[i].name, name))
        i++;
    if (i == KEYS_MAX)
        return;
    if (i == s->key_count)
        s->keys[s->key_count++] = (struct policy_key){ name, s->values[i], 0 };
    if (s->keys[i].count < OPTION_LIST_MAX)
        s->values[i][s->keys[i].count++] = value;
}

static bool question_make(struct simulation *s)
{
    const struct iam_call *c = s->call;
    struct slice name = slice_cstr(c->user ? c->user : "simulated"), role = SLICE_NONE;
    struct slice account = slice_cstr(c->account_id ? c->account_id : "000000000000");
    struct slice arn = arena_printf(c->arena, "arn:aws:iam::%.*s:user/%.*s", SLICE_ARGS(account),
                                    SLICE_ARGS(name));
    if (c->role) {
        arn = arena_printf(c->arena, "arn:aws:sts::%.*s:assumed-role/%s/simulated",
                           SLICE_ARGS(account), c->role);
        role = arena_printf(c->arena, "arn:aws:iam::%.*s:role/%s", SLICE_ARGS(account), c->role);
    }
    for (size_t i = 0; i < c->context.count; i++) {
        struct slice value = slice_cstr(c->context.items[i]);
        struct slice key = slice_cut(&value, '=');
        if (!value.bytes) {
            iam_fail("--context is KEY=VALUE", key);
            return false;
        }
        key_add(s, key, value);
    }
    if (!c->role)
        key_add(s, SLICE("aws:username"), name);
    key_add(s, SLICE("aws:PrincipalArn"), c->role ? role : arn);
    key_add(s, SLICE("aws:PrincipalAccount"), account);
    s->question =
        (struct policy_question){ .resource = slice_cstr(c->resource ? c->resource : "*"),
                                  .caller = { .arn = arn, .account = account, .role_arn = role },
                                  .resource_account = account,
                                  .keys = s->keys,
                                  .key_count = s->key_count };
    return arn.bytes != NULL;
}

/* ---- explaining ---- */

static void statement_print(const struct simulation *s, const struct policy *policy, size_t i)
{
    static const char *const texts[] = {
        [POLICY_MATCHES] = "matches",
        [POLICY_OTHER_PRINCIPAL] = "names another principal",
        [POLICY_OTHER_ACTION] = "is of other actions",
        [POLICY_OTHER_RESOURCE] = "is of other resources",
        [POLICY_OTHER_CONDITION] = "has a condition that does not hold",
        [POLICY_NO_VARIABLE] = "uses a variable without value",
    };
    enum policy_match match;
    struct slice detail, sid = policy_statement_sid(policy, i);
    if (policy_statement_match(policy, i, &s->question, s->call->arena, &match, &detail))
        return;
    printf("  %.*s Statement[%zu]%s%.*s%s: %s, %s%s%.*s%s\n", SLICE_ARGS(policy_name(policy)), i,
           sid.length ? " (" : "", SLICE_ARGS(sid), sid.length ? ")" : "",
           policy_statement_allows(policy, i) ? "Allow" : "Deny", texts[match],
           detail.length ? " (" : "", SLICE_ARGS(detail), detail.length ? ")" : "");
}

static void list_print(const struct simulation *s, const struct policy_list *list)
{
    for (size_t p = 0; p < list->count; p++) {
        for (size_t i = 0; i < policy_statement_count(list->items[p]); i++)
            statement_print(s, list->items[p], i);
    }
}

static void verdict_print(const struct simulation *s, const struct policy_verdict *v)
{
    static const char *const kinds[] = { [POLICY_IDENTITY] = "identity-based",
                                         [POLICY_RESOURCE] = "resource-based",
                                         [POLICY_BOUNDARY] = "permissions boundary",
                                         [POLICY_SESSION] = "session" };
    printf("%s: %.*s on %.*s\n", v->outcome == POLICY_ALLOWED ? "allowed" : "denied",
           SLICE_ARGS(s->question.action), SLICE_ARGS(s->question.resource));
    if (v->outcome == POLICY_NOT_ALLOWED)
        printf("  because no %s policy allows the %.*s action\n", kinds[v->source],
               SLICE_ARGS(s->question.action));
    else if (v->policy)
        printf("  by Statement[%zu] of %.*s (%s policy)%s\n", v->statement,
               SLICE_ARGS(policy_name(v->policy)), kinds[v->source],
               v->outcome == POLICY_DENIED ? ", an explicit deny: no Allow helps" : "");
    list_print(s, &s->set.identity);
    list_print(s, &s->set.resource);
    list_print(s, &s->set.session);
}

/* ---- mending ---- */

/* Actions that have no resource: a policy must name "*" for them. */
static bool is_without_resource(struct slice action)
{
    return slice_equal_nocase(action, SLICE("healthlake:ListFHIRDatastores")) ||
           slice_equal_nocase(action, SLICE("healthlake:CreateFHIRDatastore"));
}

static void allow_write(const struct simulation *s, bool without_resource, struct buf *out)
{
    size_t count = 0;
    for (size_t i = 0; i < s->missing_count; i++) {
        if (is_without_resource(s->missing[i]) != without_resource)
            continue;
        buf_append_cstr(out, count++ ? ",\n        "
                                     : ",\n    {\n      \"Effect\": \"Allow\",\n"
                                       "      \"Action\": [\n        ");
        json_write_string(out, s->missing[i]);
    }
    if (!count)
        return;
    buf_append_cstr(out, "\n      ],\n      \"Resource\": ");
    json_write_string(out, without_resource ? SLICE("*") : s->question.resource);
    buf_append_cstr(out, "\n    }");
}

static void amended_print(const struct simulation *s)
{
    struct json_doc doc;
    struct slice text = policy_text(s->identity[0]);
    if (json_parse(text, NULL, s->call->arena, &doc, NULL))
        return;
    struct json root = json_root(&doc), list = json_member(root, "Statement");
    struct json version = json_member(root, "Version"), id = json_member(root, "Id");
    struct buf out;
    buf_init(&out, 4 * (size_t)POLICY_BYTES_MAX);
    buf_append_cstr(&out, "{\n");
    if (json_exists(version))
        buf_printf(&out, "  \"Version\": %.*s,\n", SLICE_ARGS(json_raw(version)));
    if (json_exists(id))
        buf_printf(&out, "  \"Id\": %.*s,\n", SLICE_ARGS(json_raw(id)));
    buf_append_cstr(&out, "  \"Statement\": [\n    ");
    if (json_is(list, JSON_OBJECT))
        buf_append(&out, json_raw(list));
    struct json first = json_is(list, JSON_ARRAY) ? json_first(list) : JSON_ABSENT;
    for (struct json v = first; json_exists(v); v = json_next(list, v)) {
        buf_append_cstr(&out, v.at == first.at ? "" : ",\n    ");
        buf_append(&out, json_raw(v));
    }
    allow_write(s, false, &out);
    allow_write(s, true, &out);
    buf_append_cstr(&out, "\n  ]\n}\n");
    if (!buf_status(&out))
        printf("\n%.*s, amended so that it allows the above:\n%.*s",
               SLICE_ARGS(policy_name(s->identity[0])), SLICE_ARGS(buf_slice(&out)));
    buf_release(&out);
}

/* ---- the verb ---- */

static int actions_run(struct simulation *s)
{
    const struct option_list *actions = &s->call->actions;
    struct slice resource = s->question.resource;
    for (size_t i = 0; i < actions->count; i++) {
        struct policy_verdict verdict;
        s->question.action = slice_cstr(actions->items[i]);
        s->question.resource = is_without_resource(s->question.action) ? SLICE("*") : resource;
        if (policy_decide(&s->set, &s->question, s->call->arena, &verdict))
            return iam_fail("out of memory", SLICE_NONE);
        verdict_print(s, &verdict);
        s->is_refused = s->is_refused || verdict.outcome != POLICY_ALLOWED;
        if (verdict.outcome == POLICY_NOT_ALLOWED && verdict.source == POLICY_IDENTITY)
            s->missing[s->missing_count++] = s->question.action;
    }
    s->question.resource = resource;
    if (s->missing_count && s->set.identity.count)
        amended_print(s);
    return s->is_refused ? 1 : 0;
}

int iam_simulate(struct iam_call *c)
{
    if (!c->actions.count || (!c->policies.count && !c->user && !c->role && !c->resource_policy))
        return options_refuse("iam", "simulate needs --action and --policy, --user or --role");
    struct simulation *s = arena_alloc(c->arena, sizeof *s);
    if (!s)
        return iam_fail("out of memory", SLICE_NONE);
    s->call = c;
    if (!policies_load(s) || !question_make(s))
        return 1;
    return actions_run(s);
}
