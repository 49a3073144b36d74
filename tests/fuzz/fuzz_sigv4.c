/* Whatever a client sends: no crash, nothing unsigned is accepted, and what we
 * sign ourselves is accepted. Input: "METHOD path?query", header lines, an
 * empty line, the body. */
#include "aws/aws.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADERS_MAX = 32 };

static bool find_secret(void *context, struct slice id, struct slice *ret_secret)
{
    (void)context;
    *ret_secret = SLICE("secret");
    return slice_is(id, "AKIDEXAMPLE");
}

static enum aws_refusal verify(struct arena *a, const struct aws_request *r, int64_t now_us)
{
    struct aws_verifier v = { .region = SLICE("us-east-1"),
                              .service = SLICE("healthlake"),
                              .skew_us = 300000000,
                              .host_without_port = true,
                              .find_secret = find_secret };
    struct aws_claim *claim = NULL;
    struct slice text = SLICE_NONE;
    enum aws_refusal refusal = aws_verify_begin(a, &v, r, now_us, &claim, &text);
    if (!refusal)
        refusal = aws_verify_finish(a, &v, r, claim, &text);
    CHECK(!refusal || text.length > 0);
    return refusal;
}

static size_t parse_headers(struct slice *rest, struct aws_header *headers)
{
    size_t count = 0;
    while (rest->bytes && count < HEADERS_MAX) {
        struct slice line = slice_cut(rest, '\n');
        if (!line.length)
            break;
        headers[count].name = slice_cut(&line, ':');
        headers[count++].value = line;
    }
    return count;
}

/* Sign it ourselves, both ways; the copy signed holds neither key nor query of
 * another signature. */
static void ours_is_accepted(struct arena *a, struct aws_request r)
{
    static const struct aws_credentials credentials = { SLICE_INIT("AKIDEXAMPLE"),
                                                        SLICE_INIT("secret"),
                                                        { NULL, 0 } };
    struct aws_scope scope = { SLICE("us-east-1"), SLICE("healthlake"), 1767323045000000 };
    struct aws_header headers[8] = { { SLICE("host"), SLICE("h:1") }, { SLICE("x"), r.query } };
    struct aws_header *added;
    size_t count;
    struct slice query;
    r.headers = headers;
    r.header_count = 2;
    if (slice_find(r.query, SLICE("-")) >= 0 || slice_find(r.query, SLICE("%")) >= 0)
        return; /* perhaps X-Amz-... */
    if (aws_presign(a, &r, &credentials, &scope, NULL, 60, &query) == ERR_NONE) {
        struct aws_request presigned = r;
        presigned.query = query;
        CHECK(verify(a, &presigned, scope.now_us) == AWS_ACCEPTED);
    }
    if (aws_sign(a, &r, &credentials, &scope, NULL, &added, &count) == ERR_NONE) {
        for (size_t i = 0; i < count; i++)
            headers[r.header_count++] = added[i];
        CHECK(verify(a, &r, scope.now_us) == AWS_ACCEPTED);
        r.method = SLICE("OTHER");
        CHECK(verify(a, &r, scope.now_us) == AWS_INVALID_SIGNATURE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a, (size_t)8 << 20);
    struct slice rest = slice_of((const char *)data, size);
    struct slice line = slice_cut(&rest, '\n');
    struct aws_header headers[HEADERS_MAX];
    struct aws_request r = { .method = slice_cut(&line, ' '), .headers = headers };
    r.query = line;
    r.path = slice_cut(&r.query, '?');
    r.header_count = parse_headers(&rest, headers);
    aws_sha256_hex(rest, r.payload_sha256);
    /* 2026-01-02T03:04:05Z, the corpus's own time. */
    (void)verify(&a, &r, 1767323045000000);
    arena_release(&a);
    arena_init(&a, (size_t)8 << 20);
    ours_is_accepted(&a, r);
    arena_release(&a);
    return 0;
}
