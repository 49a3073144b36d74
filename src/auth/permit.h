/* auth/permit.h - a user's question to the policies; private to auth/. */
#ifndef AUTH_PERMIT_H
#define AUTH_PERMIT_H

#include "auth/auth.h"

struct permit_scope {
    struct slice region, account_id;
};

/* May the owner of the access key do this? False: *ret_text is AWS's sentence, in
 * the request's arena. */
bool permit_ask(const struct permit_scope *scope, const struct iam *iam, struct http_request *r,
                struct slice access_key_id, struct slice action, struct slice resource,
                struct slice *ret_text);

#endif
