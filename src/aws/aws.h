/* aws/aws.h - AWS Signature Version 4, one canonicaliser for both sides.
 *
 * Works on a neutral request; knows neither the HTTP library nor FHIR.
 * Comparisons of secrets are constant-time. Rules: the AWS documentation
 * "Signature Version 4 signing process", and what its clients really send.
 *
 * Canonical form. Path: as on the wire, empty, `.` and `..` segments dropped,
 * then every byte outside A-Za-z0-9-_.~/ encoded (so a wire %24 becomes %2524).
 * Query: each name and value decoded (`+` is a blank, as in a form), encoded
 * again, sorted by name, then value. A '%' without two hex digits stands for
 * itself. Headers: trimmed, runs of blanks one blank, repeated ones joined by
 * commas in their order.
 */
#ifndef AWS_AWS_H
#define AWS_AWS_H

#include <stdbool.h>
#include <stdint.h>

#include "aws/policy.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct aws_header {
    struct slice name, value;
};

struct aws_request {
    struct slice method;
    struct slice path;  /* as on the wire, without query */
    struct slice query; /* as on the wire, without '?' */
    const struct aws_header *headers;
    size_t header_count;
    char payload_sha256[65]; /* lower-case hex of the body, or UNSIGNED-PAYLOAD */
};

struct aws_credentials {
    struct slice access_key_id, secret_access_key, session_token; /* token may be empty */
};

struct aws_scope {
    struct slice region, service;
    int64_t now_us;
};

struct aws_canonical_options {
    bool keep_path_segments; /* true: do not drop empty and dot segments (S3 rule) */
    bool single_encode_path; /* true: S3's single encoding */
    bool presigned;          /* leave X-Amz-Signature out of the query */
    bool no_content_header;  /* aws_sign(): do not add x-amz-content-sha256 (as botocore) */
};

/* "METHOD\npath\nquery\nheaders\n\nsigned\nhash"; `signed_headers` is the list to
 * use, lower-case, sorted, ';'-joined. .bytes == NULL when memory is short or a
 * listed header is absent. */
struct slice aws_canonical_request(struct arena *a, const struct aws_request *r,
                                   struct slice signed_headers,
                                   const struct aws_canonical_options *options);

/* The headers to add: x-amz-date, x-amz-content-sha256, x-amz-security-token (if
 * any) and authorization; headers of these names in `r->headers` are passed over
 * and must not be sent. `r->headers` must hold host; all of them get signed
 * except those a proxy may change (user-agent, connection, ...). `options` NULL:
 * the rule of every service but S3. Texts in the arena. ERR_INVALID without host,
 * ERR_NO_MEMORY. */
MUST_USE enum err aws_sign(struct arena *a, const struct aws_request *r,
                           const struct aws_credentials *credentials,
                           const struct aws_scope *scope,
                           const struct aws_canonical_options *options,
                           struct aws_header **ret_headers, size_t *ret_count);

/* The whole presigned query ("X-Amz-Algorithm=...&X-Amz-Signature=..."), the
 * request's own query included, in canonical form. Life in seconds, 1 to 604,800,
 * else ERR_INVALID. `options` as for aws_sign(). */
MUST_USE enum err aws_presign(struct arena *a, const struct aws_request *r,
                              const struct aws_credentials *credentials,
                              const struct aws_scope *scope,
                              const struct aws_canonical_options *options,
                              unsigned life_seconds, struct slice *ret_query);

/* "%64x" of the bytes' SHA-256 and NUL, for `payload_sha256`. */
void aws_sha256_hex(struct slice bytes, char out[65]);

/* Why a request is refused. */
enum aws_refusal {
    AWS_ACCEPTED,
    AWS_MISSING_TOKEN,        /* no credentials at all: 401 MissingAuthenticationToken */
    AWS_INCOMPLETE_SIGNATURE, /* a part is missing, twice or malformed */
    AWS_UNRECOGNIZED_CLIENT,  /* unknown access key, or an unknown session token */
    AWS_INVALID_SIGNATURE,    /* wrong signature, scope or clock */
    AWS_EXPIRED_TOKEN,        /* presigned life over */
};

typedef bool aws_find_secret(void *context, struct slice access_key_id,
                             struct slice *ret_secret);

/* The secret of a temporary key, if the token that came with it is its own: else
 * AWS_UNRECOGNIZED_CLIENT or AWS_EXPIRED_TOKEN. Compares in constant time. */
typedef enum aws_refusal aws_find_session(void *context, struct slice access_key_id,
                                          struct slice session_token, struct slice *ret_secret);

/* A day's signing keys, so that a request costs one HMAC instead of five. Looked
 * up by key id, secret, date, region and service. Thread-safe; holds secrets. */
struct aws_key_cache;
MUST_USE enum err aws_key_cache_open(struct aws_key_cache **ret_cache);
void aws_key_cache_close(struct aws_key_cache *cache); /* NULL is harmless */

struct aws_verifier {
    struct slice region, service;
    int64_t skew_us;            /* 5 minutes */
    bool host_without_port;     /* also accept a signature over the host without port */
    aws_find_secret *find_secret;   /* of keys that come without a token */
    aws_find_session *find_session; /* of those with one; NULL: every token is refused */
    void *context;
    struct aws_key_cache *keys; /* borrowed; may be NULL */
};

/* First step, before the body: parse Authorization or the presigned query, check
 * form, scope, clock, key; and, when the request states its body's hash in
 * x-amz-content-sha256, the signature. `r->payload_sha256` is not looked at.
 * Second step: aws_verify_finish() with the body's hash in it; only its
 * AWS_ACCEPTED accepts a request. *ret_text says precisely what is wrong (never
 * the expected signature). The request's texts must live from one to the other. */
struct aws_claim; /* in the arena */
enum aws_refusal aws_verify_begin(struct arena *a, const struct aws_verifier *v,
                                  const struct aws_request *r, int64_t now_us,
                                  struct aws_claim **ret_claim, struct slice *ret_text);
enum aws_refusal aws_verify_finish(struct arena *a, const struct aws_verifier *v,
                                   const struct aws_request *r, const struct aws_claim *claim,
                                   struct slice *ret_text);
struct slice aws_claim_access_key(const struct aws_claim *claim);
struct slice aws_claim_session_token(const struct aws_claim *claim); /* empty: none */

/* ---- a client's credentials ---- */

/* A role that a profile says is to be assumed. */
struct aws_assumption {
    struct slice role_arn, session_name, external_id; /* the last may be empty */
    uint64_t seconds;                                 /* 0: not said */
    struct slice region;                              /* where to ask; may be empty */
    struct aws_credentials source;                    /* to ask with */
};
/* Ask STS. On failure *ret_text says why. Texts in the arena. */
typedef enum err aws_assume(void *context, struct arena *a, const struct aws_assumption *what,
                            struct aws_credentials *ret_credentials, struct slice *ret_text);

/* The first parts of the chain that AWS's own tools follow: AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (passed over when a profile is
 * chosen), then the profile (`profile`, else AWS_PROFILE, else "default") in
 * AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and AWS_CONFIG_FILE
 * (~/.aws/config). A profile's role_arn is assumed (`assume`) with the credentials of
 * its source_profile, or of the environment; else it has a key, or a
 * credential_process, which is run. Texts in the arena. *ret_region: AWS_REGION, else
 * AWS_DEFAULT_REGION, else the profile's; may be empty. Filled also on failure.
 * ERR_NOT_FOUND, ERR_UNSUPPORTED (the profile asks SSO, a web identity, a machine's
 * metadata or MFA; or a role without `assume`), ERR_INVALID, ERR_IO, ERR_NO_MEMORY, what
 * `assume` returns; *ret_text then says what to do. */
MUST_USE enum err aws_credentials_resolve(struct arena *a, const char *profile,
                                          aws_assume *assume, void *context,
                                          struct aws_credentials *ret_credentials,
                                          struct slice *ret_region, struct slice *ret_text);
/* The same without roles. */
MUST_USE enum err aws_credentials_find(struct arena *a, const char *profile,
                                       struct aws_credentials *ret_credentials,
                                       struct slice *ret_region, struct slice *ret_text);

/* The key of one profile in the text of a credentials file; slices of it. False
 * when the profile or one of its two parts is not there. */
bool aws_credentials_parse(struct slice text, const char *profile,
                           struct aws_credentials *ret_credentials);

#endif
