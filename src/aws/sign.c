/* aws/sign.c - sign a request by headers or by its query. */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "aws/sigv4.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/date.h"

enum { LIFE_SECONDS_MAX = 604800 };

/* Proxies and clients change, drop or add these on the way. */
static const char *const unsignable[] = {
    "authorization", "cache-control", "connection", "expect",     "from",
    "keep-alive",    "max-forwards",  "pragma",     "referer",    "te",
    "trailer",       "upgrade",       "user-agent", "x-amzn-trace-id", "transfer-encoding",
};

/* The signer's own; what the caller has of them is passed over. */
static const char *const own_headers[] = { "x-amz-date", "x-amz-content-sha256",
                                           "x-amz-security-token" };

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_nocase(name, slice_cstr(names[i])))
            return true;
    }
    return false;
}

static bool is_signable(struct slice name)
{
    return !is_one_of(name, unsignable, ARRAY_COUNT(unsignable)) &&
           !is_one_of(name, own_headers, ARRAY_COUNT(own_headers)) &&
           !(name.length >= 6 && slice_equal_nocase(slice_head(name, 6), SLICE("proxy-"))) &&
           !(name.length >= 4 && slice_equal_nocase(slice_head(name, 4), SLICE("sec-")));
}

/* One signing under way. */
struct signing {
    struct arena *arena;
    struct aws_request request; /* with only the headers that get signed */
    struct aws_canonical_options options;
    const struct aws_credentials *credentials;
    const struct aws_scope *scope;
    struct slice date;   /* "20260102T030405Z" */
    struct slice signed_headers;
    struct aws_key_scope key_scope;
    uint8_t key[AWS_HASH_BYTES];
};

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static struct slice lower_copy(struct arena *a, struct slice name)
{
    char *copy = arena_copy(a, name);
    for (size_t i = 0; copy && i < name.length; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] + ('a' - 'A'));
    }
    return slice_of(copy, name.length);
}

/* "host;x-amz-date": lower-case, sorted, each once. */
static struct slice render_names(struct arena *a, const struct aws_header *headers, size_t count)
{
    struct slice *names = arena_array(a, count, sizeof *names);
    size_t bound = 1;
    for (size_t i = 0; names && i < count; i++) {
        names[i] = lower_copy(a, headers[i].name);
        if (!names[i].bytes)
            return SLICE_NONE;
        bound += names[i].length + 1;
    }
    char *start = names ? arena_raw(a, bound) : NULL;
    if (!start)
        return SLICE_NONE;
    qsort(names, count, sizeof *names, compare_slices);
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && slice_equal(names[i], names[i - 1]))
            continue;
        if (length)
            start[length++] = ';';
        memcpy(start + length, names[i].bytes, names[i].length);
        length += names[i].length;
    }
    return slice_of(start, length);
}

/* Set up date, key and the headers: the caller's signable ones, then `extra`. */
static enum err signing_begin(struct signing *s, const struct aws_request *r,
                              const struct aws_header *extra, size_t extra_count)
{
    struct arena *a = s->arena;
    struct aws_header *headers = arena_array(a, r->header_count + extra_count, sizeof *headers);
    if (!headers)
        return ERR_NO_MEMORY;
    size_t count = 0;
    bool has_host = false;
    for (size_t i = 0; i < r->header_count; i++) {
        has_host = has_host || slice_equal_nocase(r->headers[i].name, SLICE("host"));
        if (is_signable(r->headers[i].name))
            headers[count++] = r->headers[i];
    }
    if (!has_host)
        return ERR_INVALID;
    for (size_t i = 0; i < extra_count; i++)
        headers[count++] = extra[i];

    s->request = *r;
    s->request.headers = headers;
    s->request.header_count = count;
    s->signed_headers = render_names(a, headers, count);
    if (!s->signed_headers.bytes)
        return ERR_NO_MEMORY;
    s->key_scope = (struct aws_key_scope){
        .access_key_id = s->credentials->access_key_id,
        .secret = s->credentials->secret_access_key,
        .day = slice_head(s->date, AWS_DAY_LENGTH),
        .region = s->scope->region,
        .service = s->scope->service,
    };
    return aws_signing_key(NULL, &s->key_scope, s->key) ? ERR_NONE : ERR_INVALID;
}

static enum err signing_date(struct signing *s)
{
    char *text = arena_raw(s->arena, INSTANT_TEXT_BYTES);
    if (!text)
        return ERR_NO_MEMORY;
    s->date = slice_of(text, amz_date_render(s->scope->now_us, text));
    return s->date.length == AWS_DATE_LENGTH ? ERR_NONE : ERR_INVALID;
}

/* The signature as 64 hex digits. */
static enum err signing_end(struct signing *s, char ret_hex[2 * AWS_HASH_BYTES])
{
    uint8_t signature[AWS_HASH_BYTES];
    struct slice canonical =
        aws_canonical_request(s->arena, &s->request, s->signed_headers, &s->options);
    bool done = canonical.bytes &&
                aws_signature(s->key, &s->key_scope, s->date, canonical, s->arena, signature);
    OPENSSL_cleanse(s->key, sizeof s->key);
    if (!done)
        return ERR_NO_MEMORY;
    hex_encode(signature, sizeof signature, ret_hex);
    return ERR_NONE;
}

static struct slice render_credential(const struct signing *s)
{
    return arena_printf(s->arena, "%.*s/%.*s/%.*s/%.*s/aws4_request",
                        SLICE_ARGS(s->credentials->access_key_id), AWS_DAY_LENGTH, s->date.bytes,
                        SLICE_ARGS(s->scope->region), SLICE_ARGS(s->scope->service));
}

enum err aws_sign(struct arena *a, const struct aws_request *r,
                  const struct aws_credentials *credentials, const struct aws_scope *scope,
                  const struct aws_canonical_options *options, struct aws_header **ret_headers,
                  size_t *ret_count)
{
    struct signing s = { .arena = a, .credentials = credentials, .scope = scope };
    if (options)
        s.options = *options;
    TRY(signing_date(&s));
    char *hash = arena_copy(a, slice_cstr(r->payload_sha256));
    struct aws_header *headers = arena_array(a, 4, sizeof *headers);
    if (!hash || !headers)
        return ERR_NO_MEMORY;

    size_t count = 0;
    headers[count++] = (struct aws_header){ SLICE("x-amz-date"), s.date };
    if (!s.options.no_content_header)
        headers[count++] = (struct aws_header){ SLICE("x-amz-content-sha256"), slice_cstr(hash) };
    if (credentials->session_token.length)
        headers[count++] =
            (struct aws_header){ SLICE("x-amz-security-token"), credentials->session_token };
    TRY(signing_begin(&s, r, headers, count));

    char hex[2 * AWS_HASH_BYTES];
    TRY(signing_end(&s, hex));
    struct slice credential = render_credential(&s);
    struct slice authorization = arena_printf(
        a, "AWS4-HMAC-SHA256 Credential=%.*s, SignedHeaders=%.*s, Signature=%.*s",
        SLICE_ARGS(credential), SLICE_ARGS(s.signed_headers), (int)sizeof hex, hex);
    if (!credential.bytes || !authorization.bytes)
        return ERR_NO_MEMORY;
    headers[count++] = (struct aws_header){ SLICE("authorization"), authorization };
    *ret_headers = headers;
    *ret_count = count;
    return ERR_NONE;
}

/* "&name=value" with the value encoded. */
static void put_parameter(struct buf *out, const char *name, struct slice value)
{
    if (out->length)
        buf_append_byte(out, '&');
    buf_append_cstr(out, name);
    buf_append_byte(out, '=');
    percent_encode(out, value, false);
}

/* The query to be signed: the request's own and all but the signature. */
static enum err presigned_query(struct signing *s, struct slice own, unsigned life_seconds,
                                struct slice *ret_query)
{
    struct slice credential = render_credential(s);
    struct slice life = arena_printf(s->arena, "%u", life_seconds);
    if (!credential.bytes || !life.bytes)
        return ERR_NO_MEMORY;
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_append(&out, own);
    put_parameter(&out, "X-Amz-Algorithm", AWS_ALGORITHM);
    put_parameter(&out, "X-Amz-Credential", credential);
    put_parameter(&out, "X-Amz-Date", s->date);
    put_parameter(&out, "X-Amz-Expires", life);
    put_parameter(&out, "X-Amz-SignedHeaders", s->signed_headers);
    if (s->credentials->session_token.length)
        put_parameter(&out, "X-Amz-Security-Token", s->credentials->session_token);
    enum err err = buf_status(&out);
    if (!err) {
        *ret_query = aws_canonical_query(s->arena, buf_slice(&out), true);
        err = ret_query->bytes ? ERR_NONE : ERR_NO_MEMORY;
    }
    buf_release(&out);
    return err;
}

enum err aws_presign(struct arena *a, const struct aws_request *r,
                     const struct aws_credentials *credentials, const struct aws_scope *scope,
                     const struct aws_canonical_options *options, unsigned life_seconds,
                     struct slice *ret_query)
{
    if (life_seconds < 1 || life_seconds > LIFE_SECONDS_MAX)
        return ERR_INVALID;
    struct signing s = { .arena = a, .credentials = credentials, .scope = scope };
    if (options)
        s.options = *options;
    s.options.presigned = true;
    TRY(signing_date(&s));
    TRY(signing_begin(&s, r, NULL, 0));
    TRY(presigned_query(&s, r->query, life_seconds, &s.request.query));

    char hex[2 * AWS_HASH_BYTES];
    TRY(signing_end(&s, hex));
    struct slice query = arena_printf(a, "%.*s&X-Amz-Signature=%.*s",
                                      SLICE_ARGS(s.request.query), (int)sizeof hex, hex);
    if (!query.bytes)
        return ERR_NO_MEMORY;
    *ret_query = query;
    return ERR_NONE;
}
