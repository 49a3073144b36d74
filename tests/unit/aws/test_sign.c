#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/sigv4.h"
#include "base/date.h"

#define BASE_PATH "/datastore/0123456789abcdef0123456789abcdef/r4"

static const struct aws_credentials credentials = {
    SLICE_INIT("AKIDEXAMPLE"), SLICE_INIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), { NULL, 0 }
};

static struct aws_scope scope_at(const char *date)
{
    struct aws_scope scope = { SLICE("us-east-1"), SLICE("healthlake"), 0 };
    assert_true(amz_date_parse(slice_cstr(date), &scope.now_us));
    return scope;
}

struct vector {
    const char *method, *path, *query, *body;
    const char *validation, *token;
    const char *signature;
};

/* Signatures computed with smithy, four of them recomputed independently. */
static const struct vector vectors[] = {
    { "POST", BASE_PATH, "", "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[]}",
      NULL, "", "f887ffaf59012f0ea3da9590153200fd852deb8329379b6717b2aca86c2687f8" },
    { "POST", BASE_PATH "/", "",
      "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[]}", NULL, "",
      "c0fd916f979b4a6262d086ba0a9ea5eef19f7a90bd7c5229a3db42f718c6c65d" },
    { "POST", BASE_PATH, "", "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[]}",
      "minimal", "", "f53ac593e7ef5370f5bf7eaeff3787e11cbe17217015ff8318cbe48862f84d6a" },
    { "GET", BASE_PATH "/Patient",
      "_tag=https://fhir.flexpa.com/identifiers/ConsentId|abc-123", "", NULL, "",
      "849503aa3c6e6c422019a341392b6dae388b7b6e564f23c8514d72715e77bbcd" },
    { "GET", BASE_PATH "/Patient",
      "_tag=https%3A%2F%2Ffhir.flexpa.com%2Fidentifiers%2FConsentId%7Cabc-123", "", NULL, "",
      "849503aa3c6e6c422019a341392b6dae388b7b6e564f23c8514d72715e77bbcd" },
    { "GET", BASE_PATH "/Patient/p1/$everything", "", "", NULL, "",
      "001d51402ee810a6db625aef4e3fb2eabc30ac3000d2c4d17f9f2acff7679f0c" },
    { "GET", BASE_PATH "/Patient/p1/%24everything", "", "", NULL, "",
      "70eb6e72cf32f20000507d4c2bcce982b562aca1ea75196acac9c8bbbabb2d9d" },
    { "GET", BASE_PATH "/Patient/p1/$everything", "", "", NULL, "SESSIONTOKEN",
      "867b0870f671586ca94925cac1fb6667d415a64f4e2c54e44f8cb22369be4331" },
    { "GET", BASE_PATH "/Patient/p1/$everything", "_type=ExplanationOfBenefit,Coverage&_count=50",
      "", NULL, "", "7815abffde0eb29c4407e2aa4e79e2d22a78de95456ac08e5ae1c9c3e0646b80" },
    { "GET",
      BASE_PATH "/Patient?_tag=https%3A%2F%2Ffhir.flexpa.com%2Fidentifiers%2FConsentId%7Cabc-123",
      "", "", NULL, "", "8e5e6aaf303fb862d0339a88bc3e52d4bb5fcbf46e30a801d6e8680827e76983" },
};

static void healthlake_requests_are_signed_as_by_smithy(void **state)
{
    (void)state;
    struct aws_scope scope = scope_at("20260102T030405Z");
    for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct arena a;
        arena_init(&a, 1 << 20);
        struct aws_header headers[] = {
            { SLICE("Host"), SLICE("healthlake.us-east-1.amazonaws.com") },
            { SLICE("Content-Type"), SLICE("application/fhir+json") },
            { SLICE("User-Agent"), SLICE("not signed") },
            { SLICE("x-amzn-healthlake-fhir-validation-level"), slice_cstr(v->validation) },
        };
        struct aws_request r = { slice_cstr(v->method), slice_cstr(v->path), slice_cstr(v->query),
                                 headers, v->validation ? 4 : 3, "" };
        aws_sha256_hex(slice_cstr(v->body), r.payload_sha256);
        struct aws_credentials with_token = credentials;
        with_token.session_token = slice_cstr(v->token);
        struct aws_header *added;
        size_t count;
        assert_int_equal(aws_sign(&a, &r, &with_token, &scope, NULL, &added, &count), ERR_NONE);
        struct slice authorization = added[count - 1].value;
        if (!slice_ends_with(authorization, slice_cstr(v->signature)))
            fail_msg("vector %zu: %.*s", i, SLICE_ARGS(authorization));
        arena_release(&a);
    }
}

static void canonical_paths_are_as_botocore_and_smithy_make_them(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "/" },         { "/", "/" },           { "//", "/" },
        { "/a//b", "/a/b" }, { "/a/./b/", "/a/b/" }, { "/a/..", "/" },
        { "/a/b/..", "/a" }, { "/..", "/" },         { "/../../a", "/a" },
        { "/a/../", "/" },   { "/a/b/../", "/a/" },  { "/$x", "/%24x" },
        { "/%24x", "/%2524x" }, { "/a%2Fb", "/a%252Fb" }, { "/a b~._-", "/a%20b~._-" },
    };
    struct arena a;
    arena_init(&a, 1 << 20);
    struct aws_canonical_options options = { 0 };
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        struct slice path = aws_canonical_path(&a, slice_cstr(pairs[i][0]), &options);
        if (!slice_is(path, pairs[i][1]))
            fail_msg("%s became %.*s", pairs[i][0], SLICE_ARGS(path));
    }
    struct aws_canonical_options s3 = { .keep_path_segments = true, .single_encode_path = true };
    assert_true(slice_is(aws_canonical_path(&a, SLICE("/a//../%24x $"), &s3), "/a//../%24x%20%24"));
    arena_release(&a);
}

static void canonical_queries_do_not_depend_on_how_they_were_written(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "" },
        { "a", "a=" },
        { "b=2&a=1", "a=1&b=2" },
        { "a=2&a=1", "a=1&a=2" },
        { "a-b=1&a=2", "a=2&a-b=1" },
        { "x=a+b&y=%2B", "x=a%20b&y=%2B" },
        { "x=%7c|,:/$", "x=%7C%7C%2C%3A%2F%24" },
        { "x=a=b", "x=a%3Db" },
        { "x=50%&y=%zz", "x=50%25&y=%25zz" },
        { "&&a=1&", "a=1" },
        { "X-Amz-Signature=1&a=1", "a=1" },
    };
    struct arena a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        struct slice query = aws_canonical_query(&a, slice_cstr(pairs[i][0]), true);
        if (!slice_is(query, pairs[i][1]))
            fail_msg("%s became %.*s", pairs[i][0], SLICE_ARGS(query));
    }
    arena_release(&a);
}

static void what_cannot_be_signed_is_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    struct aws_scope scope = scope_at("20260102T030405Z");
    struct aws_header host = { SLICE("host"), SLICE("h") };
    struct aws_request r = { SLICE("GET"), SLICE("/"), SLICE(""), NULL, 0, "" };
    struct aws_header *added;
    size_t count;
    struct slice query;
    assert_int_equal(aws_sign(&a, &r, &credentials, &scope, NULL, &added, &count), ERR_INVALID);
    r.headers = &host;
    r.header_count = 1;
    assert_int_equal(aws_presign(&a, &r, &credentials, &scope, NULL, 0, &query), ERR_INVALID);
    assert_int_equal(aws_presign(&a, &r, &credentials, &scope, NULL, 604801, &query), ERR_INVALID);
    assert_int_equal(aws_presign(&a, &r, &credentials, &scope, NULL, 604800, &query), ERR_NONE);
    arena_release(&a);
}

static void short_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    struct aws_scope scope = scope_at("20260102T030405Z");
    struct aws_header host = { SLICE("host"), SLICE("h") };
    struct aws_request r = { SLICE("GET"), SLICE("/a"), SLICE("b=c"), &host, 1, "" };
    bool signed_once = false, refused_once = false;
    for (size_t limit = 0; limit < 100000; limit += limit < 4000 ? 64 : 4096) {
        struct arena a;
        arena_init(&a, limit);
        struct aws_header *added;
        size_t count;
        struct slice query;
        enum err err = aws_sign(&a, &r, &credentials, &scope, NULL, &added, &count);
        if (!err)
            err = aws_presign(&a, &r, &credentials, &scope, NULL, 60, &query);
        signed_once = signed_once || !err;
        refused_once = refused_once || err;
        arena_release(&a);
    }
    assert_true(signed_once && refused_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthlake_requests_are_signed_as_by_smithy),
        cmocka_unit_test(canonical_paths_are_as_botocore_and_smithy_make_them),
        cmocka_unit_test(canonical_queries_do_not_depend_on_how_they_were_written),
        cmocka_unit_test(what_cannot_be_signed_is_refused),
        cmocka_unit_test(short_memory_is_an_error_at_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
