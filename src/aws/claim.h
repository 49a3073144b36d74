/* aws/claim.h - what a request says about its signer; private to aws/. */
#ifndef AWS_CLAIM_H
#define AWS_CLAIM_H

#include "aws/sigv4.h"

struct aws_claim {
    bool is_presigned;
    bool has_session_token;
    bool is_checked; /* the signature fits; only the body's hash is still open */
    struct slice access_key_id;
    struct slice session_token; /* decoded */
    struct slice day, region, service; /* of the credential's scope */
    struct slice signed_headers;       /* as given; holds host, each name once */
    struct slice date;                 /* "20260102T030405Z" */
    int64_t signed_us;
    int64_t life_us; /* presigned */
    struct slice stated_sha256; /* 64 lower-case hex digits; empty: not stated */
    uint8_t signature[AWS_HASH_BYTES];
    uint8_t key[AWS_HASH_BYTES]; /* the day's */
};

/* Read and check the form alone. Fills all but the key. */
enum aws_refusal aws_claim_parse(struct arena *a, const struct aws_request *r,
                                 struct aws_claim *c, struct slice *ret_text);

#endif
