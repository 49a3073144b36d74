/* aws/verify.c - is this request signed by someone we know?
 *
 * What a client claims (claim.c reads it) is checked in the order in which a
 * stranger can be told what is wrong without learning anything: form, scope,
 * clock, key, signature.
 */
#include <openssl/crypto.h>

#include "aws/claim.h"
#include "base/codec.h"
#include "base/date.h"

static const char mismatch[] =
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details.";

static enum aws_refusal refuse(struct slice *ret_text, enum aws_refusal refusal,
                               struct slice text)
{
    *ret_text = text.bytes ? text : SLICE("out of memory");
    return refusal;
}

/* ---- scope and clock ---- */

static enum aws_refusal check_scope(struct arena *a, const struct aws_verifier *v,
                                    const struct aws_claim *c, struct slice *ret_text)
{
    if (!slice_equal(c->region, v->region))
        return refuse(ret_text, AWS_INVALID_SIGNATURE,
                      arena_printf(a,
                                   "Credential should be scoped to a valid region, not '%.*s'; "
                                   "this server's region is '%.*s'.",
                                   SLICE_ARGS(c->region), SLICE_ARGS(v->region)));
    if (!slice_equal(c->service, v->service))
        return refuse(ret_text, AWS_INVALID_SIGNATURE,
                      arena_printf(a, "Credential should be scoped to correct service: '%.*s'.",
                                   SLICE_ARGS(v->service)));
    struct slice day = slice_head(c->date, AWS_DAY_LENGTH);
    if (!slice_equal(c->day, day))
        return refuse(ret_text, AWS_INVALID_SIGNATURE,
                      arena_printf(a,
                                   "Date in Credential scope does not match YYYYMMDD from "
                                   "ISO-8601 version of date from HTTP: '%.*s' != '%.*s', from "
                                   "'%.*s'.",
                                   SLICE_ARGS(c->day), SLICE_ARGS(day), SLICE_ARGS(c->date)));
    return AWS_ACCEPTED;
}

static enum aws_refusal check_clock(struct arena *a, const struct aws_verifier *v,
                                    const struct aws_claim *c, int64_t now_us,
                                    struct slice *ret_text)
{
    char now[INSTANT_TEXT_BYTES];
    amz_date_render(now_us, now);
    if (c->signed_us - v->skew_us > now_us)
        return refuse(ret_text, AWS_INVALID_SIGNATURE,
                      arena_printf(a,
                                   "Signature not yet current: %.*s is still later than %s "
                                   "+ %d min.",
                                   SLICE_ARGS(c->date), now, (int)(v->skew_us / 60000000)));
    if (c->is_presigned && c->signed_us + c->life_us < now_us)
        return refuse(ret_text, AWS_EXPIRED_TOKEN,
                      arena_printf(a,
                                   "Signature expired: the presigned URL of %.*s was valid for "
                                   "%lld s; it is now %s.",
                                   SLICE_ARGS(c->date), (long long)(c->life_us / 1000000), now));
    if (!c->is_presigned && c->signed_us + v->skew_us < now_us)
        return refuse(ret_text, AWS_INVALID_SIGNATURE,
                      arena_printf(a,
                                   "Signature expired: %.*s is now earlier than %s - %d min.",
                                   SLICE_ARGS(c->date), now, (int)(v->skew_us / 60000000)));
    return AWS_ACCEPTED;
}

/* ---- signature ---- */

static bool signature_fits(struct arena *a, const struct aws_request *r,
                           const struct aws_claim *c)
{
    struct aws_canonical_options options = { .presigned = c->is_presigned };
    struct aws_key_scope scope = { .day = c->day, .region = c->region, .service = c->service };
    uint8_t signature[AWS_HASH_BYTES];
    struct slice canonical = aws_canonical_request(a, r, c->signed_headers, &options);
    return canonical.bytes &&
           aws_signature(c->key, &scope, c->date, canonical, a, signature) &&
           CRYPTO_memcmp(signature, c->signature, sizeof signature) == 0;
}

/* "127.0.0.1" of "127.0.0.1:8080", "[::1]" of "[::1]:8080". */
static struct slice host_without_port(struct slice host)
{
    ptrdiff_t colon = slice_find_last_byte(host, ':');
    ptrdiff_t bracket = slice_find_last_byte(host, ']');
    return colon > bracket ? slice_head(host, (size_t)colon) : host;
}

/* Some clients sign the host's name alone while their HTTP library sends it
 * with the port. */
static bool signature_fits_without_port(struct arena *a, const struct aws_request *r,
                                        const struct aws_claim *c)
{
    struct aws_header *headers = arena_array(a, r->header_count, sizeof *headers);
    if (!headers)
        return false;
    bool changed = false;
    for (size_t i = 0; i < r->header_count; i++) {
        headers[i] = r->headers[i];
        if (!slice_equal_nocase(headers[i].name, SLICE("host")))
            continue;
        struct slice host = slice_trim(headers[i].value);
        headers[i].value = host_without_port(host);
        changed = changed || headers[i].value.length < host.length;
    }
    struct aws_request other = *r;
    other.headers = headers;
    return changed && signature_fits(a, &other, c);
}

static enum aws_refusal check_signature(struct arena *a, const struct aws_verifier *v,
                                        const struct aws_request *r, struct aws_claim *c,
                                        struct slice *ret_text)
{
    if (!signature_fits(a, r, c) &&
        !(v->host_without_port && signature_fits_without_port(a, r, c)))
        return refuse(ret_text, AWS_INVALID_SIGNATURE, slice_cstr(mismatch));
    c->is_checked = true;
    return AWS_ACCEPTED;
}

/* ---- the two steps ---- */

static enum aws_refusal check_key(const struct aws_verifier *v, struct aws_claim *c,
                                  struct slice *ret_text)
{
    struct slice secret = SLICE_NONE;
    enum aws_refusal refusal = AWS_UNRECOGNIZED_CLIENT;
    if (c->has_session_token && v->find_session)
        refusal = v->find_session(v->context, c->access_key_id, c->session_token, &secret);
    else if (!c->has_session_token && v->find_secret(v->context, c->access_key_id, &secret))
        refusal = AWS_ACCEPTED;
    if (refusal == AWS_EXPIRED_TOKEN)
        return refuse(ret_text, refusal,
                      SLICE("The security token included in the request is expired"));
    if (refusal)
        return refuse(ret_text, refusal,
                      SLICE("The security token included in the request is invalid."));
    struct aws_key_scope scope = { c->access_key_id, secret, c->day, c->region, c->service };
    if (!aws_signing_key(v->keys, &scope, c->key))
        return refuse(ret_text, AWS_INVALID_SIGNATURE, slice_cstr(mismatch));
    return AWS_ACCEPTED;
}

enum aws_refusal aws_verify_begin(struct arena *a, const struct aws_verifier *v,
                                  const struct aws_request *r, int64_t now_us,
                                  struct aws_claim **ret_claim, struct slice *ret_text)
{
    struct aws_claim *c = arena_alloc(a, sizeof *c);
    if (!c)
        return refuse(ret_text, AWS_INCOMPLETE_SIGNATURE, SLICE_NONE);
    enum aws_refusal refusal = aws_claim_parse(a, r, c, ret_text);
    if (!refusal)
        refusal = check_scope(a, v, c, ret_text);
    if (!refusal)
        refusal = check_clock(a, v, c, now_us, ret_text);
    if (!refusal)
        refusal = check_key(v, c, ret_text);
    if (refusal)
        return refusal;
    if (c->stated_sha256.length) {
        struct aws_request stated = *r;
        memcpy(stated.payload_sha256, c->stated_sha256.bytes, 64);
        stated.payload_sha256[64] = '\0';
        refusal = check_signature(a, v, &stated, c, ret_text);
    }
    if (!refusal)
        *ret_claim = c;
    return refusal;
}

enum aws_refusal aws_verify_finish(struct arena *a, const struct aws_verifier *v,
                                   const struct aws_request *r, const struct aws_claim *claim,
                                   struct slice *ret_text)
{
    struct aws_claim c = *claim;
    if (c.stated_sha256.length &&
        !slice_equal(c.stated_sha256, slice_cstr(r->payload_sha256)))
        return refuse(ret_text, AWS_INVALID_SIGNATURE,
                      SLICE("x-amz-content-sha256 is not the SHA-256 of the body received."));
    if (c.is_checked)
        return AWS_ACCEPTED;
    return check_signature(a, v, r, &c, ret_text);
}

struct slice aws_claim_access_key(const struct aws_claim *claim)
{
    return claim->access_key_id;
}

struct slice aws_claim_session_token(const struct aws_claim *claim)
{
    return claim->session_token;
}
