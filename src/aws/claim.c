/* aws/claim.c - read the Authorization header or the presigned query.
 *
 * Every part is wanted exactly once. Texts that are shown again in a refusal
 * were checked to be printable ASCII first.
 */
#include "aws/claim.h"

#include "base/codec.h"
#include "base/date.h"

enum { CREDENTIAL_LENGTH_MAX = 512, SIGNED_HEADERS_MAX = 100, LIFE_SECONDS_MAX = 604800 };

/* The arguments of one reading. */
struct reading {
    struct arena *arena;
    const struct aws_request *request;
    struct aws_claim *claim;
    struct slice *text; /* of the refusal */
};

static enum aws_refusal refuse(struct reading *g, enum aws_refusal refusal, struct slice text)
{
    *g->text = text.bytes ? text : SLICE("out of memory");
    return refusal;
}

static enum aws_refusal incomplete(struct reading *g, const char *text)
{
    return refuse(g, AWS_INCOMPLETE_SIGNATURE, slice_cstr(text));
}

static bool is_printable(struct slice s)
{
    for (size_t i = 0; i < s.length; i++) {
        if (s.bytes[i] < 0x21 || s.bytes[i] > 0x7e)
            return false;
    }
    return true;
}

/* ---- the parts, whichever way they came ---- */

static enum aws_refusal read_credential(struct reading *g, struct slice credential)
{
    struct aws_claim *c = g->claim;
    if (credential.length > CREDENTIAL_LENGTH_MAX || !is_printable(credential))
        return incomplete(g, "Credential must have exactly 5 slash-delimited elements, e.g. "
                             "keyid/date/region/service/term, of printable ASCII.");
    struct slice parts[5] = { 0 };
    struct slice rest = credential;
    size_t count = 0;
    while (rest.bytes && count < 5)
        parts[count++] = slice_cut(&rest, '/');
    if (count != 5 || rest.bytes || !parts[0].length)
        return refuse(g, AWS_INCOMPLETE_SIGNATURE,
                      arena_printf(g->arena,
                                   "Credential must have exactly 5 slash-delimited elements, "
                                   "e.g. keyid/date/region/service/term, got '%.*s'.",
                                   SLICE_ARGS(credential)));
    if (!slice_equal(parts[4], AWS_TERMINATOR))
        return refuse(g, AWS_INVALID_SIGNATURE,
                      arena_printf(g->arena,
                                   "Credential should be scoped with a valid terminator: "
                                   "'aws4_request', not '%.*s'.",
                                   SLICE_ARGS(parts[4])));
    c->access_key_id = parts[0];
    c->day = parts[1];
    c->region = parts[2];
    c->service = parts[3];
    return AWS_ACCEPTED;
}

static enum aws_refusal read_signature(struct reading *g, struct slice hex)
{
    if (!hex_decode(hex, g->claim->signature, AWS_HASH_BYTES))
        return incomplete(g, "Signature must be 64 hexadecimal digits.");
    return AWS_ACCEPTED;
}

static bool is_header_name(struct slice s)
{
    for (size_t i = 0; i < s.length; i++) {
        char c = s.bytes[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    strchr("!#$%&'*+-.^_`|~", c);
        if (!fits || c == '\0')
            return false;
    }
    return s.length > 0;
}

static enum aws_refusal read_signed_headers(struct reading *g, struct slice names)
{
    struct slice seen[SIGNED_HEADERS_MAX];
    size_t count = 0;
    bool has_host = false;
    struct slice rest = names;
    while (rest.bytes) {
        struct slice name = slice_cut(&rest, ';');
        if (count == SIGNED_HEADERS_MAX || !is_header_name(name))
            return incomplete(g, "SignedHeaders must be at most 100 header names, lower-case, "
                                 "sorted and separated by ';'.");
        for (size_t i = 0; i < count; i++) {
            if (slice_equal_nocase(seen[i], name))
                return refuse(g, AWS_INCOMPLETE_SIGNATURE,
                              arena_printf(g->arena, "SignedHeaders lists '%.*s' twice.",
                                           SLICE_ARGS(name)));
        }
        if (!aws_header_find(g->request, name, 0))
            return refuse(g, AWS_INVALID_SIGNATURE,
                          arena_printf(g->arena,
                                       "The signed header '%.*s' is not in the request received.",
                                       SLICE_ARGS(name)));
        has_host = has_host || slice_equal_nocase(name, SLICE("host"));
        seen[count++] = name;
    }
    if (!has_host)
        return refuse(g, AWS_INVALID_SIGNATURE,
                      SLICE("'Host' must be a 'SignedHeader' in the AWS Authorization."));
    g->claim->signed_headers = names;
    return AWS_ACCEPTED;
}

static enum aws_refusal read_date(struct reading *g, struct slice text)
{
    if (!amz_date_parse(text, &g->claim->signed_us))
        return incomplete(g, "X-Amz-Date must be in ISO-8601 basic format, YYYYMMDD'T'HHMMSS'Z'.");
    g->claim->date = text;
    return AWS_ACCEPTED;
}

static enum aws_refusal read_stated_hash(struct reading *g, struct slice text)
{
    uint8_t hash[AWS_HASH_BYTES];
    if (slice_is(text, "UNSIGNED-PAYLOAD") || slice_starts_with(text, SLICE("STREAMING-")))
        return refuse(g, AWS_INVALID_SIGNATURE,
                      SLICE("x-amz-content-sha256 must be the SHA-256 of the body; "
                            "UNSIGNED-PAYLOAD and STREAMING-... are not accepted here."));
    bool is_lower = true;
    for (size_t i = 0; i < text.length; i++)
        is_lower = is_lower && !(text.bytes[i] >= 'A' && text.bytes[i] <= 'F');
    if (!is_lower || !hex_decode(text, hash, sizeof hash))
        return incomplete(g, "x-amz-content-sha256 must be 64 lower-case hexadecimal digits.");
    g->claim->stated_sha256 = text;
    return AWS_ACCEPTED;
}

static enum aws_refusal read_content_header(struct reading *g)
{
    const struct aws_request *r = g->request;
    const struct slice *text = aws_header_find(r, SLICE("x-amz-content-sha256"), 0);
    if (!text)
        return AWS_ACCEPTED;
    if (aws_header_find(r, SLICE("x-amz-content-sha256"), 1))
        return incomplete(g, "The header x-amz-content-sha256 is there twice.");
    return read_stated_hash(g, slice_trim(*text));
}

/* ---- by header ---- */

/* One part "Name=value" of the header; each name once. */
static enum aws_refusal read_part(struct reading *g, struct slice part, struct slice values[3])
{
    static const char *const names[3] = { "Credential", "SignedHeaders", "Signature" };
    struct slice value = slice_trim(part);
    struct slice name = slice_cut(&value, '=');
    if (!value.bytes)
        return incomplete(g, "A part of the Authorization header is not a valid key=value pair "
                             "(missing equal-sign).");
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (!slice_is(name, names[i]))
            continue;
        if (values[i].bytes)
            return refuse(g, AWS_INCOMPLETE_SIGNATURE,
                          arena_printf(g->arena, "Authorization header has '%s' twice.",
                                       names[i]));
        values[i] = value;
        return AWS_ACCEPTED;
    }
    return incomplete(g, "Authorization header has a part that is none of 'Credential', "
                         "'SignedHeaders' and 'Signature'.");
}

static enum aws_refusal read_parts(struct reading *g, struct slice header)
{
    struct slice values[3] = { 0 };
    enum aws_refusal refusal = AWS_ACCEPTED;
    for (struct slice rest = header; rest.bytes && !refusal;)
        refusal = read_part(g, slice_cut(&rest, ','), values);
    if (refusal)
        return refusal;
    if (!values[0].bytes)
        return incomplete(g, "Authorization header requires 'Credential' parameter.");
    if (!values[1].bytes)
        return incomplete(g, "Authorization header requires 'SignedHeaders' parameter.");
    if (!values[2].bytes)
        return incomplete(g, "Authorization header requires 'Signature' parameter.");
    refusal = read_credential(g, values[0]);
    if (!refusal)
        refusal = read_signed_headers(g, values[1]);
    return refusal ? refusal : read_signature(g, values[2]);
}

/* x-amz-date, else Date (which then is signed in its basic form). */
static enum aws_refusal read_date_header(struct reading *g)
{
    const struct aws_request *r = g->request;
    const struct slice *date = aws_header_find(r, SLICE("x-amz-date"), 0);
    if (date) {
        if (aws_header_find(r, SLICE("x-amz-date"), 1))
            return incomplete(g, "The header X-Amz-Date is there twice.");
        return read_date(g, slice_trim(*date));
    }
    date = aws_header_find(r, SLICE("date"), 0);
    int64_t instant_us;
    if (!date || aws_header_find(r, SLICE("date"), 1) ||
        !http_date_parse(slice_trim(*date), &instant_us))
        return incomplete(g, "Authorization header requires existence of either a 'X-Amz-Date' "
                             "or a 'Date' header.");
    char *text = arena_raw(g->arena, INSTANT_TEXT_BYTES);
    if (!text)
        return refuse(g, AWS_INCOMPLETE_SIGNATURE, SLICE_NONE);
    return read_date(g, slice_of(text, amz_date_render(instant_us, text)));
}

static enum aws_refusal read_header_form(struct reading *g, struct slice authorization)
{
    struct slice rest = slice_trim(authorization);
    struct slice scheme = slice_cut(&rest, ' ');
    if (!slice_equal(scheme, AWS_ALGORITHM) || !rest.bytes)
        return incomplete(g, "Authorization must be 'AWS4-HMAC-SHA256 Credential=..., "
                             "SignedHeaders=..., Signature=...'.");
    if (aws_header_find(g->request, SLICE("authorization"), 1))
        return incomplete(g, "The header Authorization is there twice.");
    enum aws_refusal refusal = read_parts(g, rest);
    if (!refusal)
        refusal = read_date_header(g);
    return refusal ? refusal : read_content_header(g);
}

/* ---- by query ---- */

enum parameter {
    P_ALGORITHM,
    P_CREDENTIAL,
    P_DATE,
    P_EXPIRES,
    P_SIGNED_HEADERS,
    P_SIGNATURE,
    P_REQUIRED, /* those before are */
    P_TOKEN = P_REQUIRED,
    P_CONTENT,
    P_COUNT
};

static const char *const parameter_names[P_COUNT] = {
    "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",           "X-Amz-Expires",
    "X-Amz-SignedHeaders", "X-Amz-Signature",  "X-Amz-Security-Token", "X-Amz-Content-Sha256",
};

struct parameters {
    struct slice values[P_COUNT]; /* decoded */
    unsigned counts[P_COUNT];
};

/* False when memory is short. */
static bool gather_parameters(struct arena *a, struct slice query, struct parameters *p)
{
    for (struct slice rest = query; rest.bytes && rest.length;) {
        struct slice value = slice_cut(&rest, '&');
        struct slice name = slice_cut(&value, '=');
        /* An encoded name means the same; no name that matters needs decoding
         * unless it holds a '%'. */
        if (slice_find_byte(name, '%') >= 0)
            name = aws_query_decode(a, name);
        for (size_t i = 0; i < P_COUNT; i++) {
            if (!slice_is(name, parameter_names[i]))
                continue;
            p->counts[i]++;
            p->values[i] = aws_query_decode(a, value);
            if (!p->values[i].bytes)
                return false;
        }
    }
    return true;
}

static enum aws_refusal read_query_form(struct reading *g, const struct parameters *p)
{
    const struct slice *values = p->values;
    for (size_t i = 0; i < P_COUNT; i++) {
        if (p->counts[i] > 1 || (i < P_REQUIRED && p->counts[i] == 0))
            return refuse(g, AWS_INCOMPLETE_SIGNATURE,
                          arena_printf(g->arena, "The presigned URL %s the parameter %s.",
                                       p->counts[i] ? "repeats" : "lacks", parameter_names[i]));
    }
    g->claim->is_presigned = true;
    if (p->counts[P_TOKEN]) {
        g->claim->has_session_token = true;
        g->claim->session_token = values[P_TOKEN];
    }
    if (!slice_equal(values[P_ALGORITHM], AWS_ALGORITHM))
        return incomplete(g, "X-Amz-Algorithm must be AWS4-HMAC-SHA256.");
    uint64_t life;
    if (!slice_parse_u64(values[P_EXPIRES], &life) || life < 1 || life > LIFE_SECONDS_MAX)
        return incomplete(g, "X-Amz-Expires must be 1 to 604800 seconds.");
    g->claim->life_us = (int64_t)life * 1000000;

    enum aws_refusal refusal = read_credential(g, values[P_CREDENTIAL]);
    if (!refusal)
        refusal = read_date(g, values[P_DATE]);
    if (!refusal)
        refusal = read_signed_headers(g, values[P_SIGNED_HEADERS]);
    if (!refusal)
        refusal = read_signature(g, values[P_SIGNATURE]);
    if (!refusal && p->counts[P_CONTENT])
        refusal = read_stated_hash(g, values[P_CONTENT]);
    else if (!refusal)
        refusal = read_content_header(g);
    return refusal;
}

enum aws_refusal aws_claim_parse(struct arena *a, const struct aws_request *r,
                                 struct aws_claim *c, struct slice *ret_text)
{
    struct reading g = { a, r, c, ret_text };
    struct parameters p = { 0 };
    if (!gather_parameters(a, r->query, &p))
        return refuse(&g, AWS_INCOMPLETE_SIGNATURE, SLICE_NONE);
    bool by_query = p.counts[P_ALGORITHM] || p.counts[P_CREDENTIAL] || p.counts[P_SIGNATURE];
    const struct slice *authorization = aws_header_find(r, SLICE("authorization"), 0);
    const struct slice *token = aws_header_find(r, SLICE("x-amz-security-token"), 0);
    c->has_session_token = token != NULL;
    c->session_token = token ? slice_trim(*token) : SLICE_NONE;
    if (by_query && authorization)
        return incomplete(&g, "Sign by the Authorization header or by the query, not by both.");
    if (by_query) {
        return read_query_form(&g, &p);
    }
    if (authorization)
        return read_header_form(&g, *authorization);
    return refuse(&g, AWS_MISSING_TOKEN, SLICE("Missing Authentication Token"));
}
