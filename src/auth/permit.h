/* auth/permit.h - a caller's question to the policies; private to auth/. */
#ifndef AUTH_PERMIT_H
#define AUTH_PERMIT_H

#include "auth/auth.h"

struct permit_scope {
    struct slice region, account_id;
};

/* Who holds the credentials of a request. */
struct permit_caller {
    const struct iam_user *user; /* or: */
    const struct iam_role *role;
    struct slice arn;      /* of the user, or of the role's session */
    struct slice role_arn; /* of a role's session */
    struct slice user_id;  /* aws:userid */
    bool is_session;
    int64_t issued_us;               /* of a session */
    const struct policy *of_session; /* its own policy; NULL: none */
};

/* The owner of the key and the token that came with it. ERR_NOT_FOUND: there is none
 * any more; ERR_NO_MEMORY. Texts in the arena. */
MUST_USE enum err permit_caller_find(const struct permit_scope *scope, const struct iam *iam,
                                     struct slice access_key_id, struct slice token,
                                     struct arena *arena, struct permit_caller *ret);

/* May the caller do this? False: *ret_text is AWS's sentence, in the request's arena. */
bool permit_ask(const struct permit_scope *scope, const struct iam *iam, struct http_request *r,
                const struct permit_caller *caller, struct slice action,
                const struct auth_target *target, struct slice *ret_text);

/* May the caller assume the role? Its trust policy must name the caller, and where it
 * names only the account, a policy of the caller's must allow it. */
bool permit_assume(const struct permit_scope *scope, const struct iam *iam, struct http_request *r,
                   const struct permit_caller *caller, const struct iam_role *role,
                   const struct auth_target *target, struct slice *ret_text);

#endif
