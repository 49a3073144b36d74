/* aws/aws.h - AWS Signature Version 4, one canonicaliser for both sides.
 *
 * Works on a neutral request; knows neither the HTTP library nor FHIR.
 * Comparisons of secrets are constant-time. Rules: reference/flexpa.md 15.1 and
 * the AWS documentation "Signature Version 4 signing process".
 */
#ifndef AWS_AWS_H
#define AWS_AWS_H

#include <stdbool.h>
#include <stdint.h>

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
};

/* "METHOD\npath\nquery\nheaders\n\nsigned\nhash"; `signed_headers` is the list to
 * use, lower-case, sorted, ';'-joined. .bytes == NULL when memory is short or a
 * listed header is absent. */
struct slice aws_canonical_request(struct arena *a, const struct aws_request *r,
                                   struct slice signed_headers,
                                   const struct aws_canonical_options *options);

/* The headers to add: x-amz-date, x-amz-content-sha256, x-amz-security-token (if
 * any) and authorization. `r->headers` must hold host; all of them get signed
 * except those a proxy may change. Texts in the arena. */
MUST_USE enum err aws_sign(struct arena *a, const struct aws_request *r,
                           const struct aws_credentials *credentials,
                           const struct aws_scope *scope,
                           const struct aws_canonical_options *options,
                           struct aws_header **ret_headers, size_t *ret_count);

/* The whole presigned query ("X-Amz-Algorithm=...&X-Amz-Signature=..."), the
 * request's own query included. Life in seconds, 1 to 604,800. */
MUST_USE enum err aws_presign(struct arena *a, const struct aws_request *r,
                              const struct aws_credentials *credentials,
                              const struct aws_scope *scope, unsigned life_seconds,
                              struct slice *ret_query);

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

struct aws_verifier {
    struct slice region, service;
    int64_t skew_us;            /* 5 minutes */
    bool host_without_port;     /* also accept a signature over the host without port */
    aws_find_secret *find_secret;
    void *context;
};

/* First step, before the body: parse Authorization or the presigned query, check
 * form, scope, clock, key. Second step: aws_verify_finish() with the body's hash.
 * *ret_text says precisely what is wrong (never the expected signature). */
struct aws_claim; /* in the arena */
enum aws_refusal aws_verify_begin(struct arena *a, const struct aws_verifier *v,
                                  const struct aws_request *r, int64_t now_us,
                                  struct aws_claim **ret_claim, struct slice *ret_text);
enum aws_refusal aws_verify_finish(struct arena *a, const struct aws_verifier *v,
                                   const struct aws_request *r, const struct aws_claim *claim,
                                   struct slice *ret_text);
struct slice aws_claim_access_key(const struct aws_claim *claim);

#endif
