/* auth/auth.h - who asks, and may they?
 *
 * Joins an HTTP request with AWS's signatures. Two steps, as bodies come late:
 * auth_begin() on the head, auth_finish() with the body's hash. A request may do
 * something only when auth_may() says so, and auth_may() says so only of what
 * both steps accepted: whatever is forgotten is refused.
 *
 * Refusals look as AWS's do on both planes: JSON {"__type", "message"}, the
 * header x-amzn-ErrorType, and the request id that the HTTP layer adds.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <stdbool.h>

#include "auth/iam.h"
#include "aws/aws.h"
#include "http/http.h"

/* What an edge should log: one sentence. */
typedef void auth_report(void *context, struct slice text);

struct auth_settings {
    struct slice region, service; /* what credential scopes must say */
    struct slice account_id;      /* of users' ARNs; empty: twelve zeros */
    struct aws_credentials root;  /* may do everything; ignored with no_auth */
    const char *folder;           /* of iam.json; NULL: there is only the root key */
    auth_report *report;          /* told when a changed iam.json cannot be read; may be NULL */
    void *report_context;
    /* Fills the answer to whoever is refused; NULL: auth_answer(). */
    void (*refuse)(struct http_request *r, enum err err, struct slice text,
                   struct http_response *response);
    bool no_auth;                /* accept requests without credentials, from loopback alone */
    const struct slice *origins; /* whose web pages may send such requests; borrowed */
    size_t origin_count;
    bool host_without_port; /* accept it from everywhere; from loopback it always is */
};

struct auth;

/* Copies the settings' texts. ERR_NO_MEMORY; ERR_INVALID without a root key; errors
 * of iam_load(), with *error in the arena. */
MUST_USE enum err auth_open_with(const struct auth_settings *settings, struct arena *arena,
                                 struct auth **ret_auth, struct slice *error);
/* The same where nobody reads the error. */
MUST_USE enum err auth_open(const struct auth_settings *settings, struct auth **ret_auth);
void auth_close(struct auth *auth); /* NULL is harmless */

/* One request's way through; in the request's arena. */
struct auth_pass;

/* Form, scope, clock, key and, if the body's hash is stated, the signature. False
 * when *response refuses the request. Does not block. */
MUST_USE bool auth_begin(struct auth *auth, struct http_request *r, struct auth_pass **ret_pass,
                         struct http_response *response);
/* The body is there. False when *response refuses. NULL pass: refused. */
MUST_USE bool auth_finish(struct auth *auth, struct http_request *r, struct auth_pass *pass,
                          struct http_response *response);

/* What condition keys of the resource and of what is asked there are
 * (aws:ResourceTag/..., aws:RequestTag/..., aws:TagKeys), in the arena. */
struct auth_facts {
    const struct policy_key *keys;
    size_t count;
};

/* What is to be done something to. */
struct auth_target {
    struct slice arn; /* or "*" */
    /* Asked only for callers with policies; false: they cannot be told, and the caller
     * is refused. NULL: there are none. */
    bool (*find)(void *context, struct arena *arena, struct auth_facts *ret);
    void *context;
};

/* May the caller do this, such as "healthlake:ReadResource", to the target? False when
 * *response refuses. The root key may do everything, users and roles what their
 * policies and the resource's allow, nobody nothing. */
MUST_USE bool auth_may_on(struct http_request *r, const struct auth_pass *pass, const char *action,
                          const struct auth_target *target, struct http_response *response);
/* On "*". */
MUST_USE bool auth_may(struct http_request *r, const struct auth_pass *pass, const char *action,
                       struct http_response *response);
/* The same question without an answer; *ret_text says why not, in r's arena. */
MUST_USE bool auth_permits(struct http_request *r, const struct auth_pass *pass, const char *action,
                           const struct auth_target *target, struct slice *ret_text);

/* Whose credentials were found good: an access key's id, "root", "local"; empty before
 * auth_finish() has said so. `pass` may be NULL. */
struct slice auth_caller(const struct auth_pass *pass);

/* ---- temporary credentials (sts.c) ---- */

enum { AUTH_STS_BODY_BYTES = 64 * 1024 };

/* A call of AWS's query protocol: a form that is POSTed to "/". Its signature is for
 * the service sts. */
bool auth_is_sts(const struct http_request *r);
/* AssumeRole, GetSessionToken, GetCallerIdentity. Always fills *response. */
void auth_sts_handle(struct auth *auth, struct http_request *r, const struct auth_pass *pass,
                     struct http_response *response);

/* An AWS-shaped error: status and type are those of the service (base/err.h). */
void auth_answer(struct http_request *r, enum err err, struct slice text,
                 struct http_response *response);

/* ---- the root key ---- */

enum auth_root_origin {
    AUTH_ROOT_ENVIRONMENT, /* TARN_ROOT_ACCESS_KEY_ID and TARN_ROOT_SECRET_ACCESS_KEY */
    AUTH_ROOT_FILE,
    AUTH_ROOT_MADE, /* into the file, just now */
};

/* The root key of a data folder: from the environment, else from the file
 * `<folder>/root-key` (an AWS credentials file, mode 0600), which is made when
 * absent and `may_make` is set. *ret_path names the file. Texts in the arena.
 * ERR_INVALID, ERR_NOT_FOUND, ERR_IO, ...; *error then says what to do. */
MUST_USE enum err auth_root_find(const char *folder, bool may_make, struct arena *arena,
                                 struct aws_credentials *ret_root,
                                 enum auth_root_origin *ret_origin, struct slice *ret_path,
                                 struct slice *error);

#endif
