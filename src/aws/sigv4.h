/* aws/sigv4.h - the steps that signer and verifier share; private to aws/. */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include "aws/aws.h"

enum { AWS_HASH_BYTES = 32, AWS_DAY_LENGTH = 8, AWS_DATE_LENGTH = 16 };

#define AWS_ALGORITHM SLICE("AWS4-HMAC-SHA256")
#define AWS_TERMINATOR SLICE("aws4_request")

/* What a signature is bound to besides the request. */
struct aws_key_scope {
    struct slice access_key_id, secret;
    struct slice day; /* "20260102" */
    struct slice region, service;
};

/* The day's signing key, from the cache (may be NULL) or derived. False when
 * the secret is longer than any (256 bytes). */
bool aws_signing_key(struct aws_key_cache *cache, const struct aws_key_scope *scope,
                     uint8_t ret_key[AWS_HASH_BYTES]);

/* HMAC over the string to sign of this canonical request. `date` is
 * "20260102T030405Z"; the scope's secret is not looked at. False when memory is
 * short. */
bool aws_signature(const uint8_t key[AWS_HASH_BYTES], const struct aws_key_scope *scope,
                   struct slice date, struct slice canonical_request, struct arena *a,
                   uint8_t ret_signature[AWS_HASH_BYTES]);

/* The canonical path and query alone. .bytes == NULL when memory is short. */
struct slice aws_canonical_path(struct arena *a, struct slice path,
                                const struct aws_canonical_options *options);
struct slice aws_canonical_query(struct arena *a, struct slice query, bool without_signature);

/* Percent-decoded copy, `+` as a blank; a broken escape stands for itself. */
struct slice aws_query_decode(struct arena *a, struct slice text);

/* The n-th (from 0) header of that name (any case); NULL when there are fewer. */
const struct slice *aws_header_find(const struct aws_request *r, struct slice name, size_t n);

#endif
