/* auth/sts.c - AssumeRole, GetSessionToken and GetCallerIdentity.
 *
 * A form in, XML out (https://sts.amazonaws.com/doc/2011-06-15/). Nothing is written:
 * the token says all (iam_token.c).
 */
#include "auth/sts.h"

#include "base/codec.h"
#include "base/date.h"
#include "os/clock.h"

enum {
    FIELDS_MAX = 64,
    SECONDS_LEAST = 900,
    SECONDS_DEFAULT = 3600,
    TOKEN_SECONDS_DEFAULT = 43200,
    TOKEN_SECONDS_MOST = 129600,
    CHAINED_SECONDS_MOST = 3600,
    ANSWER_BYTES = 64 * 1024,
    SESSION_NAME_LEAST = 2,
    SESSION_NAME_MOST = 64,
    EXTERNAL_ID_MOST = 1224,
};

static const char space[] = "https://sts.amazonaws.com/doc/2011-06-15/";

struct field {
    struct slice name, value;
};

struct sts {
    const struct permit_scope *scope;
    const struct iam *iam;
    struct http_request *r;
    const struct permit_caller *caller; /* NULL: the root key */
    struct field fields[FIELDS_MAX];
    size_t field_count;
    struct http_response *response;
    struct buf out;
};

bool auth_is_sts(const struct http_request *r)
{
    const struct slice *media = http_header_find(r, "content-type");
    if (!slice_is(r->method, "POST") || !slice_is(r->path, "/") || !media ||
        http_header_find(r, "x-amz-target"))
        return false;
    struct slice rest = *media;
    return slice_equal_nocase(slice_trim(slice_cut(&rest, ';')),
                              SLICE("application/x-www-form-urlencoded"));
}

/* ---- XML ---- */

static void xml_text(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        if (c == '<')
            buf_append_cstr(out, "&lt;");
        else if (c == '>')
            buf_append_cstr(out, "&gt;");
        else if (c == '&')
            buf_append_cstr(out, "&amp;");
        else if ((unsigned char)c >= ' ' || c == '\n' || c == '\t')
            buf_append_byte(out, c);
    }
}

static void xml_element(struct buf *out, const char *name, struct slice text)
{
    buf_printf(out, "<%s>", name);
    xml_text(out, text);
    buf_printf(out, "</%s>", name);
}

static void send(struct http_request *r, int status, struct buf *out,
                 struct http_response *response)
{
    char *copy = buf_status(out) ? NULL : arena_copy(r->arena, buf_slice(out));
    *response = (struct http_response){ .status = copy ? status : 503 };
    response->body = slice_of(copy, copy ? out->length : 0);
    if (http_response_header(r, response, "Content-Type", SLICE("text/xml")))
        response->status = 503;
}

void sts_refuse(struct http_request *r, int status, const char *type, struct slice text,
                struct http_response *response)
{
    struct buf out;
    struct slice code = slice_cstr(type), tail = SLICE("Exception");
    if (slice_ends_with(code, tail))
        code.length -= tail.length;
    buf_init(&out, ANSWER_BYTES);
    buf_printf(&out, "<ErrorResponse xmlns=\"%s\"><Error><Type>%s</Type>", space,
               status >= 500 ? "Receiver" : "Sender");
    xml_element(&out, "Code", code);
    xml_element(&out, "Message", text);
    buf_printf(&out, "</Error><RequestId>%s</RequestId></ErrorResponse>\n", r->id);
    send(r, status, &out, response);
    buf_release(&out);
}

static void refuse(struct sts *s, const char *type, struct slice text)
{
    sts_refuse(s->r, 400, type, text.bytes ? text : SLICE("out of memory"), s->response);
}

#define refuse_value(s, ...)                                                                       \
    refuse((s), "ValidationError", arena_printf((s)->r->arena, __VA_ARGS__))

static void answer_begin(struct sts *s, const char *action)
{
    buf_printf(&s->out, "<%sResponse xmlns=\"%s\"><%sResult>", action, space, action);
}

static void answer_end(struct sts *s, const char *action)
{
    buf_printf(&s->out,
               "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>"
               "</%sResponse>\n",
               action, s->r->id, action);
    send(s->r, 200, &s->out, s->response);
}

/* ---- the form ---- */

static bool decode(struct sts *s, struct slice text, struct slice *ret)
{
    struct buf plain;
    buf_init(&plain, AUTH_STS_BODY_BYTES);
    bool is_whole = percent_decode(&plain, text, true) && buf_status(&plain) == ERR_NONE;
    char *copy =
        is_whole ? arena_copy(s->r->arena, plain.length ? buf_slice(&plain) : SLICE("")) : NULL;
    *ret = slice_of(copy, copy ? plain.length : 0);
    buf_release(&plain);
    return copy != NULL;
}

static bool form_parse(struct sts *s)
{
    struct slice rest = s->r->body;
    while (rest.length) {
        struct slice value = slice_cut(&rest, '&');
        struct slice name = slice_cut(&value, '=');
        struct field *f = &s->fields[s->field_count];
        if (s->field_count == FIELDS_MAX || !decode(s, name, &f->name) ||
            !decode(s, value, &f->value))
            return false;
        s->field_count++;
    }
    return true;
}

static struct slice field(const struct sts *s, const char *name)
{
    for (size_t i = 0; i < s->field_count; i++) {
        if (slice_is(s->fields[i].name, name))
            return s->fields[i].value;
    }
    return SLICE_NONE;
}

/* What we would have to heed and do not. */
static bool has_unsupported(const struct sts *s, const char *const *names)
{
    for (size_t i = 0; i < s->field_count; i++) {
        for (size_t n = 0; names[n]; n++) {
            if (slice_starts_with(s->fields[i].name, slice_cstr(names[n])))
                return true;
        }
    }
    return false;
}

/* False: refused. */
static bool seconds_take(struct sts *s, uint64_t usual, uint64_t most, uint64_t *ret)
{
    struct slice text = field(s, "DurationSeconds");
    *ret = MIN(usual, most);
    if (!text.length || (slice_parse_u64(text, ret) && *ret >= SECONDS_LEAST && *ret <= most))
        return true;
    if (*ret > most)
        refuse_value(s, "The requested DurationSeconds exceeds the MaxSessionDuration set for "
                        "this role.");
    else
        refuse_value(s, "DurationSeconds must be from %d to %llu.", SECONDS_LEAST,
                     (unsigned long long)most);
    return false;
}

static bool is_word(struct slice text, size_t least, size_t most, const char *more)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_plain && !(c && strchr(more, c)))
            return false;
    }
    return text.length >= least && text.length <= most;
}

/* ---- credentials ---- */

static bool policy_take(struct sts *s, struct slice *ret)
{
    const struct policy *compiled;
    struct slice error = SLICE_NONE;
    *ret = field(s, "Policy");
    if (!ret->length)
        return true;
    if (ret->length > IAM_SESSION_POLICY_BYTES) {
        refuse(s, "PackedPolicyTooLarge", SLICE("Policy has more than 2048 characters."));
        return false;
    }
    if (policy_parse(*ret, POLICY_OF_IDENTITY, SLICE("session policy"), s->r->arena, &compiled,
                     &error) == ERR_NONE)
        return true;
    refuse(s, "MalformedPolicyDocument", error);
    return false;
}

static bool credentials_write(struct sts *s, struct iam_token *token)
{
    struct slice text;
    char until[INSTANT_TEXT_BYTES];
    enum err err = iam_token_make(s->iam, token, s->r->arena, &text);
    if (err) {
        sts_refuse(s->r, 500, "InternalFailure", slice_cstr(err_text(err)), s->response);
        return false;
    }
    size_t length = instant_render(token->expires_us, 0, until);
    buf_append_cstr(&s->out, "<Credentials>");
    xml_element(&s->out, "AccessKeyId", token->id);
    xml_element(&s->out, "SecretAccessKey", token->secret);
    xml_element(&s->out, "SessionToken", text);
    xml_element(&s->out, "Expiration", slice_of(until, length));
    buf_append_cstr(&s->out, "</Credentials>");
    return true;
}

/* ---- AssumeRole ---- */

static void key_add(struct policy_key *keys, struct slice *values, size_t *count, const char *name,
                    struct slice value)
{
    if (!value.bytes)
        return;
    values[*count] = value;
    keys[*count] = (struct policy_key){ slice_cstr(name), &values[*count], 1 };
    ++*count;
}

struct assume_facts {
    struct policy_key keys[2];
    struct slice values[2];
    size_t count;
};

static bool facts_find(void *context, struct arena *arena, struct auth_facts *ret)
{
    struct assume_facts *facts = context;
    (void)arena;
    *ret = (struct auth_facts){ facts->keys, facts->count };
    return true;
}

static bool may_assume(struct sts *s, const struct iam_role *role, struct slice arn,
                       struct slice session)
{
    struct assume_facts facts = { .count = 0 };
    struct auth_target target = { .arn = arn, .find = facts_find, .context = &facts };
    struct slice text;
    key_add(facts.keys, facts.values, &facts.count, "sts:RoleSessionName", session);
    key_add(facts.keys, facts.values, &facts.count, "sts:ExternalId", field(s, "ExternalId"));
    if (!s->caller)
        return true; /* the root key may do everything */
    if (role) {
        if (permit_assume(s->scope, s->iam, s->r, s->caller, role, &target, &text))
            return true;
    } else { /* not told apart from a role that does not trust the caller */
        text = arena_printf(s->r->arena,
                            "User: %.*s is not authorized to perform: sts:AssumeRole on "
                            "resource: %.*s",
                            SLICE_ARGS(s->caller->arn), SLICE_ARGS(arn));
    }
    sts_refuse(s->r, 403, "AccessDenied", text.bytes ? text : SLICE("not authorized"), s->response);
    return false;
}

/* arn:aws:iam::ACCOUNT:role/NAME of this account; NULL: no such role. */
static const struct iam_role *role_of(const struct sts *s, struct slice arn)
{
    struct slice ours =
        arena_printf(s->r->arena, "arn:aws:iam::%.*s:role/", SLICE_ARGS(s->scope->account_id));
    return ours.bytes && slice_starts_with(arn, ours)
               ? iam_role_find(s->iam, slice_from(arn, ours.length))
               : NULL;
}

static void assume_write(struct sts *s, const struct iam_role *role, struct slice session,
                         struct slice policy, uint64_t seconds)
{
    int64_t now_us = os_now_us();
    struct iam_token token = { .user = SLICE(""),
                               .role = role->name,
                               .session = session,
                               .policy = policy,
                               .owner_created_us = role->created_us,
                               .issued_us = now_us,
                               .expires_us = now_us + (int64_t)seconds * 1000000 };
    answer_begin(s, "AssumeRole");
    if (!credentials_write(s, &token))
        return;
    buf_printf(&s->out, "<AssumedRoleUser><AssumedRoleId>%.*s:%.*s</AssumedRoleId>",
               SLICE_ARGS(role->name), SLICE_ARGS(session));
    buf_printf(&s->out, "<Arn>arn:aws:sts::%.*s:assumed-role/%.*s/%.*s</Arn></AssumedRoleUser>",
               SLICE_ARGS(s->scope->account_id), SLICE_ARGS(role->name), SLICE_ARGS(session));
    answer_end(s, "AssumeRole");
}

static void assume_role(struct sts *s)
{
    static const char *const not_yet[] = { "PolicyArns.",       "Tags.",     "TransitiveTagKeys.",
                                           "SerialNumber",      "TokenCode", "SourceIdentity",
                                           "ProvidedContexts.", NULL };
    struct slice arn = field(s, "RoleArn"), session = field(s, "RoleSessionName"), policy;
    struct slice external = field(s, "ExternalId");
    uint64_t seconds;
    if (!arn.length) {
        refuse_value(s, "RoleArn is missing.");
        return;
    }
    if (!is_word(session, SESSION_NAME_LEAST, SESSION_NAME_MOST, "_=,.@-")) {
        refuse_value(s, "RoleSessionName must be 2 to 64 letters, digits and _=,.@-.");
        return;
    }
    if (external.bytes && !is_word(external, 2, EXTERNAL_ID_MOST, "_=,.@:/-+")) {
        refuse_value(s, "ExternalId must be 2 to 1224 letters, digits and _=,.@:/-+.");
        return;
    }
    if (has_unsupported(s, not_yet)) {
        refuse_value(s, "PolicyArns, Tags, SourceIdentity, ProvidedContexts and MFA are not "
                        "supported.");
        return;
    }
    const struct iam_role *role = role_of(s, arn);
    if (!may_assume(s, role, arn, session))
        return;
    if (!role) {
        sts_refuse(s->r, 403, "AccessDenied", SLICE("There is no such role."), s->response);
        return;
    }
    uint64_t most = role->max_seconds;
    if (s->caller && s->caller->role) /* chained, as AWS bounds it */
        most = MIN(most, CHAINED_SECONDS_MOST);
    if (seconds_take(s, SECONDS_DEFAULT, most, &seconds) && policy_take(s, &policy))
        assume_write(s, role, session, policy.bytes ? policy : SLICE(""), seconds);
}

/* ---- the others ---- */

static void get_session_token(struct sts *s)
{
    static const char *const not_yet[] = { "SerialNumber", "TokenCode", NULL };
    uint64_t seconds;
    if (!s->caller || s->caller->is_session) {
        sts_refuse(s->r, 403, "AccessDenied",
                   SLICE("Cannot call GetSessionToken with the root key or with session "
                         "credentials"),
                   s->response);
        return;
    }
    if (has_unsupported(s, not_yet)) {
        refuse_value(s, "MFA is not supported.");
        return;
    }
    if (!seconds_take(s, TOKEN_SECONDS_DEFAULT, TOKEN_SECONDS_MOST, &seconds))
        return;
    int64_t now_us = os_now_us();
    struct iam_token token = { .user = s->caller->user->name,
                               .role = SLICE(""),
                               .session = SLICE(""),
                               .policy = SLICE(""),
                               .owner_created_us = s->caller->user->created_us,
                               .issued_us = now_us,
                               .expires_us = now_us + (int64_t)seconds * 1000000 };
    answer_begin(s, "GetSessionToken");
    if (credentials_write(s, &token))
        answer_end(s, "GetSessionToken");
}

static void get_caller_identity(struct sts *s)
{
    struct slice root =
        arena_printf(s->r->arena, "arn:aws:iam::%.*s:root", SLICE_ARGS(s->scope->account_id));
    answer_begin(s, "GetCallerIdentity");
    xml_element(&s->out, "Arn", s->caller ? s->caller->arn : root);
    xml_element(&s->out, "UserId", s->caller ? s->caller->user_id : s->scope->account_id);
    xml_element(&s->out, "Account", s->scope->account_id);
    answer_end(s, "GetCallerIdentity");
}

static void run(struct sts *s)
{
    static const struct {
        const char *name;
        void (*run)(struct sts *);
    } ACTIONS[] = { { "AssumeRole", assume_role },
                    { "GetSessionToken", get_session_token },
                    { "GetCallerIdentity", get_caller_identity } };
    if (s->r->body.length > AUTH_STS_BODY_BYTES || !form_parse(s)) {
        refuse(s, "MalformedInput", SLICE("The body is no form, or too long."));
        return;
    }
    struct slice action = field(s, "Action");
    for (size_t i = 0; i < ARRAY_COUNT(ACTIONS); i++) {
        if (slice_is(action, ACTIONS[i].name)) {
            ACTIONS[i].run(s);
            return;
        }
    }
    refuse(s, "InvalidAction",
           arena_printf(s->r->arena, "Could not find operation %.*s for version 2011-06-15",
                        SLICE_ARGS(slice_head(action, 100))));
}

void sts_answer(const struct permit_scope *scope, const struct iam *iam, struct http_request *r,
                const struct permit_caller *caller, struct http_response *response)
{
    struct sts *s = arena_alloc(r->arena, sizeof *s);
    if (!s) {
        sts_refuse(r, 503, "ServiceUnavailable", SLICE("out of memory"), response);
        return;
    }
    *s = (struct sts){ .scope = scope, .iam = iam, .r = r, .caller = caller, .response = response };
    buf_init(&s->out, ANSWER_BYTES);
    run(s);
    buf_release(&s->out);
}
