/* aws/policy.h - IAM policy documents and AWS's way to decide by them.
 *
 * A document is compiled once into a read-only form that many threads may ask.
 * Versions 2012-10-17 and 2008-10-17 (the default; it has no variables). What
 * AWS's console refuses is refused here, with line and column.
 *
 * Deciding (AWS: "Policy evaluation logic"): a matching Deny of any policy
 * refuses. Else, within one account, an Allow of an identity policy or of a
 * resource policy that names the caller permits; across accounts both are
 * needed. A boundary or a session policy, where there is one, must allow too;
 * a resource policy that names the very user or session (not its role or its
 * account) passes them. The root user of the resource's account needs no Allow
 * of an identity policy.
 *
 * Matching: actions in any case, resources exactly; `*` and `?` may span
 * colons. A variable without value or default makes its statement not apply;
 * `*` and `?` in a variable's value stand for themselves. Time is the pattern's
 * length times the text's, never more.
 */
#ifndef AWS_POLICY_H
#define AWS_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum { POLICY_BYTES_MAX = 64 * 1024 }; /* of one document */

/* What a document is attached to: a resource's has Principal, others must not. */
enum policy_kind { POLICY_OF_IDENTITY, POLICY_OF_RESOURCE };

struct policy; /* in the arena that it was parsed into */

/* `name` is what explanations call it; text and name are copied. ERR_SYNTAX,
 * ERR_INVALID, ERR_LIMIT: *ret_error is a sentence in the arena that names the
 * place. ERR_NO_MEMORY. */
MUST_USE enum err policy_parse(struct slice text, enum policy_kind kind, struct slice name,
                               struct arena *arena, const struct policy **ret_policy,
                               struct slice *ret_error);

/* One condition key of a request, such as aws:SourceIp; names in any case. */
struct policy_key {
    struct slice name;
    const struct slice *values;
    size_t count; /* 0: as if the key were absent */
};

struct policy_caller {
    struct slice arn;      /* of the user, of the session, or "...:root"; empty: anonymous */
    struct slice account;  /* 12 digits */
    struct slice role_arn; /* of a session; else empty */
    struct slice service, federated, canonical_user; /* empty unless the caller is one */
};

/* What is asked. */
struct policy_question {
    struct slice action;   /* "healthlake:ReadResource" */
    struct slice resource; /* an ARN, or "*" for an action without resource */
    struct policy_caller caller;
    struct slice resource_account; /* empty: the ARN's; else the caller's */
    const struct policy_key *keys;
    size_t key_count;
};

struct policy_list {
    const struct policy *const *items;
    size_t count;
};

/* All that speaks on a question. A boundary or session of no policies (is_set
 * false) does not limit. */
struct policy_set {
    struct policy_list identity, resource, boundary, session;
    bool has_boundary, has_session;
};

enum policy_source { POLICY_IDENTITY, POLICY_RESOURCE, POLICY_BOUNDARY, POLICY_SESSION };

enum policy_outcome {
    POLICY_NOT_ALLOWED, /* nothing allows it; `source` says where the Allow is missing */
    POLICY_DENIED,      /* a statement denies it */
    POLICY_ALLOWED,
};

struct policy_verdict {
    enum policy_outcome outcome;
    enum policy_source source;
    const struct policy *policy; /* whose statement decided; NULL when none did */
    size_t statement;
};

/* `scratch` is for variables; rewound before the return. ERR_NO_MEMORY: refuse. */
MUST_USE enum err policy_decide(const struct policy_set *set, const struct policy_question *q,
                                struct arena *scratch, struct policy_verdict *ret);

/* ---- explaining ---- */

enum policy_match {
    POLICY_MATCHES,
    POLICY_OTHER_PRINCIPAL,
    POLICY_OTHER_ACTION,
    POLICY_OTHER_RESOURCE,
    POLICY_OTHER_CONDITION,
    POLICY_NO_VARIABLE, /* a variable has no value */
};

size_t policy_statement_count(const struct policy *policy);
struct slice policy_name(const struct policy *policy);
struct slice policy_text(const struct policy *policy);
bool policy_statement_allows(const struct policy *policy, size_t statement);
struct slice policy_statement_sid(const struct policy *policy, size_t statement); /* may be empty */

/* Whether one statement matches, and *ret_detail: what did not ("StringEquals
 * aws:SourceIp", "${aws:username}"); it lives as long as the policy. */
MUST_USE enum err policy_statement_match(const struct policy *policy, size_t statement,
                                         const struct policy_question *q, struct arena *scratch,
                                         enum policy_match *ret_match, struct slice *ret_detail);

/* Does the pattern of an Action or Resource element fit? `fold`: in any case. */
bool policy_wildcard_match(struct slice pattern, struct slice text, bool fold);

#endif
