/* auth/sts.h - AWS's query protocol for temporary credentials; private to auth/. */
#ifndef AUTH_STS_H
#define AUTH_STS_H

#include "auth/permit.h"

/* The call in r's body, by this caller; NULL: the root key. */
void sts_answer(const struct permit_scope *scope, const struct iam *iam, struct http_request *r,
                const struct permit_caller *caller, struct http_response *response);

/* An error in the protocol's XML; "...Exception" at the end of `type` is left out, as
 * its codes have none. */
void sts_refuse(struct http_request *r, int status, const char *type, struct slice text,
                struct http_response *response);

#endif
