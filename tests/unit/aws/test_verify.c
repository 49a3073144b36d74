#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "aws/sigv4.h"
#include "base/date.h"
#include "os/thread.h"

enum { HEADERS_MAX = 24, SECOND_US = 1000000 };

static const struct aws_credentials credentials = {
    SLICE_INIT("AKIDEXAMPLE"), SLICE_INIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), { NULL, 0 }
};

/* A signed request that a test then spoils. */
struct fixture {
    struct arena arena;
    struct aws_request request;
    struct aws_header headers[HEADERS_MAX];
    struct aws_verifier verifier;
    struct aws_scope scope;
    struct slice text; /* of the last refusal */
    bool refused_early;
};

static bool find_secret(void *context, struct slice id, struct slice *ret_secret)
{
    (void)context;
    *ret_secret = credentials.secret_access_key;
    return slice_equal(id, credentials.access_key_id);
}

static void add(struct fixture *f, const char *name, struct slice value)
{
    assert_true(f->request.header_count < HEADERS_MAX);
    f->headers[f->request.header_count++] = (struct aws_header){ slice_cstr(name), value };
}

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    arena_init(&f->arena, 1 << 20);
    f->scope = (struct aws_scope){ SLICE("us-east-1"), SLICE("healthlake"), 0 };
    assert_true(amz_date_parse(SLICE("20260102T030405Z"), &f->scope.now_us));
    f->verifier = (struct aws_verifier){ .region = f->scope.region,
                                         .service = f->scope.service,
                                         .skew_us = 300 * (int64_t)SECOND_US,
                                         .find_secret = find_secret };
    f->request = (struct aws_request){ .method = SLICE("GET"),
                                       .path = SLICE("/datastore/x/r4//Patient"),
                                       .query = SLICE("name=a%20b"),
                                       .headers = f->headers };
    aws_sha256_hex(SLICE(""), f->request.payload_sha256);
    add(f, "Host", SLICE("127.0.0.1:8080"));
}

static void sign(struct fixture *f, bool content_header)
{
    struct aws_canonical_options options = { .no_content_header = !content_header };
    struct aws_header *added;
    size_t count;
    assert_int_equal(aws_sign(&f->arena, &f->request, &credentials, &f->scope, &options, &added,
                              &count),
                     ERR_NONE);
    for (size_t i = 0; i < count; i++)
        f->headers[f->request.header_count++] = added[i];
}

static void presign(struct fixture *f, unsigned life_seconds)
{
    assert_int_equal(aws_presign(&f->arena, &f->request, &credentials, &f->scope, NULL,
                                 life_seconds, &f->request.query),
                     ERR_NONE);
}

static enum aws_refusal verify_at(struct fixture *f, int64_t offset_us)
{
    struct aws_claim *claim = NULL;
    f->text = SLICE_NONE;
    struct aws_request head = f->request;
    head.payload_sha256[0] = '\0';
    enum aws_refusal refusal = aws_verify_begin(&f->arena, &f->verifier, &head,
                                                f->scope.now_us + offset_us, &claim, &f->text);
    f->refused_early = refusal != AWS_ACCEPTED;
    if (!refusal)
        refusal = aws_verify_finish(&f->arena, &f->verifier, &f->request, claim, &f->text);
    assert_true(!refusal || f->text.length > 0);
    return refusal;
}

static enum aws_refusal verify(struct fixture *f)
{
    return verify_at(f, 0);
}

static struct slice *header(struct fixture *f, const char *name)
{
    struct slice *value = NULL;
    for (size_t i = 0; i < f->request.header_count; i++) {
        if (slice_equal_nocase(f->headers[i].name, slice_cstr(name)))
            value = &f->headers[i].value;
    }
    assert_non_null(value);
    return value;
}

/* Replace the first `from` in the text by `to`. */
static void replace(struct fixture *f, struct slice *text, const char *from, const char *to)
{
    ptrdiff_t at = slice_find(*text, slice_cstr(from));
    assert_true(at >= 0);
    struct slice rest = slice_from(*text, (size_t)at + strlen(from));
    *text = arena_printf(&f->arena, "%.*s%s%.*s", (int)at, text->bytes, to, SLICE_ARGS(rest));
}

static void a_signed_request_is_accepted_with_and_without_content_header(void **state)
{
    (void)state;
    for (int content = 0; content < 2; content++) {
        struct fixture f;
        open_fixture(&f);
        sign(&f, content);
        assert_int_equal(verify(&f), AWS_ACCEPTED);
        arena_release(&f.arena);
    }
}

static void a_request_without_credentials_is_missing_a_token(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    assert_int_equal(verify(&f), AWS_MISSING_TOKEN);
    arena_release(&f.arena);
}

/* Each row spoils the Authorization header. */
static void every_part_of_authorization_is_wanted_exactly_once(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        enum aws_refusal refusal;
    } rows[] = {
        { ", SignedHeaders", ",SignedHeaders", AWS_ACCEPTED },
        { ", Signature", ",Signature", AWS_ACCEPTED },
        { ", Signature", ",   Signature", AWS_ACCEPTED },
        { "Signature=", "Credential=a, Signature=", AWS_INCOMPLETE_SIGNATURE },
        { "Signature=", "Signature=0, Signature=", AWS_INCOMPLETE_SIGNATURE },
        { "SignedHeaders=", "SignedHeaders=host, SignedHeaders=", AWS_INCOMPLETE_SIGNATURE },
        { "Signature=", "Other=1, Signature=", AWS_INCOMPLETE_SIGNATURE },
        { "Signature=", "Signature", AWS_INCOMPLETE_SIGNATURE },
        { "Signature=", "Signature=0", AWS_INCOMPLETE_SIGNATURE },
        { "Credential=", "credential=", AWS_INCOMPLETE_SIGNATURE },
        { ", Signature", ",, Signature", AWS_INCOMPLETE_SIGNATURE },
        { "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512", AWS_INCOMPLETE_SIGNATURE },
        { "AWS4-HMAC-SHA256", "Bearer", AWS_INCOMPLETE_SIGNATURE },
        { "/healthlake/", "/", AWS_INCOMPLETE_SIGNATURE },
        { "/healthlake/", "/healthlake/x/", AWS_INCOMPLETE_SIGNATURE },
        { "AKIDEXAMPLE/", "/", AWS_INCOMPLETE_SIGNATURE },
        { "AKIDEXAMPLE/", "AKIDOTHER/", AWS_UNRECOGNIZED_CLIENT },
        { "/aws4_request", "/aws4_other", AWS_INVALID_SIGNATURE },
        { "/healthlake/", "/s3/", AWS_INVALID_SIGNATURE },
        { "/us-east-1/", "/us-east-2/", AWS_INVALID_SIGNATURE },
        { "/20260102/", "/20260103/", AWS_INVALID_SIGNATURE },
        { "SignedHeaders=host;", "SignedHeaders=", AWS_INVALID_SIGNATURE },
        { "SignedHeaders=host;", "SignedHeaders=host;absent;", AWS_INVALID_SIGNATURE },
        { "SignedHeaders=host;", "SignedHeaders=host;host;", AWS_INCOMPLETE_SIGNATURE },
        { "SignedHeaders=host;", "SignedHeaders=host;;", AWS_INCOMPLETE_SIGNATURE },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct fixture f;
        open_fixture(&f);
        sign(&f, true);
        replace(&f, header(&f, "authorization"), rows[i].from, rows[i].to);
        enum aws_refusal refusal = verify(&f);
        if (refusal != rows[i].refusal)
            fail_msg("%s: %d, %.*s", rows[i].to, refusal, SLICE_ARGS(f.text));
        arena_release(&f.arena);
    }
}

static void a_header_that_must_stand_alone_is_refused_twice(void **state)
{
    (void)state;
    static const char *const names[] = { "authorization", "x-amz-date", "x-amz-content-sha256" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct fixture f;
        open_fixture(&f);
        sign(&f, true);
        add(&f, names[i], *header(&f, names[i]));
        assert_int_equal(verify(&f), AWS_INCOMPLETE_SIGNATURE);
        arena_release(&f.arena);
    }
}

static void any_change_of_the_request_spoils_the_signature(void **state)
{
    (void)state;
    for (int change = 0; change < 6; change++) {
        struct fixture f;
        open_fixture(&f);
        add(&f, "X-Twice", SLICE(" one  two "));
        add(&f, "x-twice", SLICE("three"));
        sign(&f, true);
        if (change == 0)
            f.request.method = SLICE("DELETE");
        if (change == 1)
            f.request.path = SLICE("/datastore/y/r4/Patient");
        if (change == 2)
            f.request.query = SLICE("name=a%20b&_count=1");
        if (change == 3)
            *header(&f, "x-twice") = SLICE("four");
        if (change == 4)
            *header(&f, "host") = SLICE("127.0.0.1:8081");
        if (change == 5)
            f.request.path = SLICE("/datastore/x/r4/Patient"); /* one path in canonical form */
        assert_int_equal(verify(&f), change == 5 ? AWS_ACCEPTED : AWS_INVALID_SIGNATURE);
        arena_release(&f.arena);
    }
}

static void the_body_must_be_the_one_that_was_signed(void **state)
{
    (void)state;
    for (int content = 0; content < 2; content++) {
        struct fixture f;
        open_fixture(&f);
        sign(&f, content);
        aws_sha256_hex(SLICE("other"), f.request.payload_sha256);
        assert_int_equal(verify(&f), AWS_INVALID_SIGNATURE);
        assert_false(f.refused_early);
        arena_release(&f.arena);
    }
}

static void a_wrong_signature_over_a_stated_hash_is_refused_before_the_body(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    sign(&f, true);
    f.request.method = SLICE("PUT");
    assert_int_equal(verify(&f), AWS_INVALID_SIGNATURE);
    assert_true(f.refused_early);
    arena_release(&f.arena);
}

static void unsigned_and_streamed_payloads_are_refused(void **state)
{
    (void)state;
    static const char *const hashes[] = { "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                                          "STREAMING-UNSIGNED-PAYLOAD-TRAILER" };
    for (size_t i = 0; i < ARRAY_COUNT(hashes); i++) {
        struct fixture f;
        open_fixture(&f);
        sign(&f, true);
        *header(&f, "x-amz-content-sha256") = slice_cstr(hashes[i]);
        assert_int_equal(verify(&f), AWS_INVALID_SIGNATURE);
        arena_release(&f.arena);
    }
    struct fixture f;
    open_fixture(&f);
    struct aws_request unsigned_body = f.request;
    memcpy(unsigned_body.payload_sha256, "UNSIGNED-PAYLOAD", sizeof "UNSIGNED-PAYLOAD");
    assert_int_equal(aws_presign(&f.arena, &unsigned_body, &credentials, &f.scope, NULL, 60,
                                 &f.request.query),
                     ERR_NONE);
    assert_int_equal(verify(&f), AWS_INVALID_SIGNATURE);
    arena_release(&f.arena);
}

static void the_clock_may_be_five_minutes_off(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    sign(&f, true);
    assert_int_equal(verify_at(&f, 300 * (int64_t)SECOND_US), AWS_ACCEPTED);
    assert_int_equal(verify_at(&f, -300 * (int64_t)SECOND_US), AWS_ACCEPTED);
    assert_int_equal(verify_at(&f, 301 * (int64_t)SECOND_US), AWS_INVALID_SIGNATURE);
    assert_int_equal(verify_at(&f, -301 * (int64_t)SECOND_US), AWS_INVALID_SIGNATURE);
    arena_release(&f.arena);
}

static void a_presigned_url_lives_as_long_as_it_says(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    presign(&f, 3600);
    assert_int_equal(verify_at(&f, 0), AWS_ACCEPTED);
    assert_int_equal(verify_at(&f, 3600 * (int64_t)SECOND_US), AWS_ACCEPTED);
    assert_int_equal(verify_at(&f, 3601 * (int64_t)SECOND_US), AWS_EXPIRED_TOKEN);
    assert_int_equal(verify_at(&f, -301 * (int64_t)SECOND_US), AWS_INVALID_SIGNATURE);
    arena_release(&f.arena);
}

static void every_parameter_of_a_presigned_url_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        enum aws_refusal refusal;
    } rows[] = {
        { "X-Amz-Expires=3600", "X-Amz-Expires=0", AWS_INCOMPLETE_SIGNATURE },
        { "X-Amz-Expires=3600", "X-Amz-Expires=604801", AWS_INCOMPLETE_SIGNATURE },
        { "X-Amz-Expires=3600", "X-Amz-Expires=-1", AWS_INCOMPLETE_SIGNATURE },
        { "X-Amz-Expires=3600", "X-Amz-Expires=3601", AWS_INVALID_SIGNATURE },
        { "X-Amz-Expires=3600", "a=b", AWS_INCOMPLETE_SIGNATURE },
        { "X-Amz-Date=", "X-Amz-Date=1&X-Amz-Date=", AWS_INCOMPLETE_SIGNATURE },
        { "X-Amz-Algorithm=", "X-Amz-Algorithm=x", AWS_INCOMPLETE_SIGNATURE },
        { "X-Amz-Date=", "X-Amz-Security-Token=t&X-Amz-Date=", AWS_UNRECOGNIZED_CLIENT },
        { "name=a%20b", "name=c", AWS_INVALID_SIGNATURE },
        { "name=a%20b", "name=a+b", AWS_ACCEPTED },
        { "X-Amz-Date", "X-Amz%2DDate", AWS_ACCEPTED },
        { "X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=", AWS_INCOMPLETE_SIGNATURE },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct fixture f;
        open_fixture(&f);
        presign(&f, 3600);
        replace(&f, &f.request.query, rows[i].from, rows[i].to);
        enum aws_refusal refusal = verify(&f);
        if (refusal != rows[i].refusal)
            fail_msg("%s: %d, %.*s", rows[i].to, refusal, SLICE_ARGS(f.text));
        arena_release(&f.arena);
    }
}

static void two_ways_of_signing_at_once_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    sign(&f, true);
    presign(&f, 60);
    assert_int_equal(verify(&f), AWS_INCOMPLETE_SIGNATURE);
    arena_release(&f.arena);
}

static void a_session_token_is_refused_until_there_are_session_credentials(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    sign(&f, true);
    add(&f, "X-Amz-Security-Token", SLICE("token"));
    assert_int_equal(verify(&f), AWS_UNRECOGNIZED_CLIENT);
    arena_release(&f.arena);
}

/* As the guide does: signs the name, sends name and port. */
static void a_host_signed_without_its_port_passes_only_by_setting(void **state)
{
    (void)state;
    static const char *const hosts[][2] = { { "127.0.0.1", "127.0.0.1:8080" },
                                            { "[::1]", "[::1]:8080" } };
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        struct fixture f;
        open_fixture(&f);
        *header(&f, "host") = slice_cstr(hosts[i][0]);
        sign(&f, true);
        *header(&f, "host") = slice_cstr(hosts[i][1]);
        assert_int_equal(verify(&f), AWS_INVALID_SIGNATURE);
        f.verifier.host_without_port = true;
        assert_int_equal(verify(&f), AWS_ACCEPTED);
        *header(&f, "host") = SLICE("other:8080");
        assert_int_equal(verify(&f), AWS_INVALID_SIGNATURE);
        arena_release(&f.arena);
    }
}

static void the_query_folded_into_the_path_stays_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    f.request.path = SLICE("/datastore/x/r4/Patient?name=a%20b");
    f.request.query = SLICE("");
    sign(&f, true);
    f.request.path = SLICE("/datastore/x/r4/Patient");
    f.request.query = SLICE("name=a%20b");
    assert_int_equal(verify(&f), AWS_INVALID_SIGNATURE);
    arena_release(&f.arena);
}

/* ---- the cache ---- */

static void *use_cache(void *context)
{
    struct aws_key_cache *cache = context;
    for (unsigned i = 0; i < 500; i++) {
        char day[16];
        snprintf(day, sizeof day, "202601%02u", i % 40);
        struct aws_key_scope scope = { SLICE("id"), SLICE("secret"), slice_cstr(day),
                                       SLICE("r"), SLICE("s") };
        uint8_t cached[AWS_HASH_BYTES], fresh[AWS_HASH_BYTES];
        CHECK(aws_signing_key(cache, &scope, cached));
        CHECK(aws_signing_key(NULL, &scope, fresh));
        CHECK(memcmp(cached, fresh, sizeof cached) == 0);
    }
    return NULL;
}

static void cached_keys_are_the_derived_ones_for_many_threads(void **state)
{
    (void)state;
    struct aws_key_cache *cache;
    assert_int_equal(aws_key_cache_open(&cache), ERR_NONE);
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        assert_int_equal(thread_start(&threads[i], use_cache, cache), ERR_NONE);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        thread_join(threads[i]);
    aws_key_cache_close(cache);
}

static void a_changed_secret_is_not_answered_from_the_cache(void **state)
{
    (void)state;
    struct aws_key_cache *cache;
    assert_int_equal(aws_key_cache_open(&cache), ERR_NONE);
    struct aws_key_scope scope = { SLICE("id"), SLICE("old"), SLICE("20260102"), SLICE("r"),
                                   SLICE("s") };
    uint8_t old[AWS_HASH_BYTES], new[AWS_HASH_BYTES];
    assert_true(aws_signing_key(cache, &scope, old));
    scope.secret = SLICE("new");
    assert_true(aws_signing_key(cache, &scope, new));
    assert_memory_not_equal(old, new, sizeof old);
    aws_key_cache_close(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_request_is_accepted_with_and_without_content_header),
        cmocka_unit_test(a_request_without_credentials_is_missing_a_token),
        cmocka_unit_test(every_part_of_authorization_is_wanted_exactly_once),
        cmocka_unit_test(a_header_that_must_stand_alone_is_refused_twice),
        cmocka_unit_test(any_change_of_the_request_spoils_the_signature),
        cmocka_unit_test(the_body_must_be_the_one_that_was_signed),
        cmocka_unit_test(a_wrong_signature_over_a_stated_hash_is_refused_before_the_body),
        cmocka_unit_test(unsigned_and_streamed_payloads_are_refused),
        cmocka_unit_test(the_clock_may_be_five_minutes_off),
        cmocka_unit_test(a_presigned_url_lives_as_long_as_it_says),
        cmocka_unit_test(every_parameter_of_a_presigned_url_is_checked),
        cmocka_unit_test(two_ways_of_signing_at_once_are_refused),
        cmocka_unit_test(a_session_token_is_refused_until_there_are_session_credentials),
        cmocka_unit_test(a_host_signed_without_its_port_passes_only_by_setting),
        cmocka_unit_test(the_query_folded_into_the_path_stays_refused),
        cmocka_unit_test(cached_keys_are_the_derived_ones_for_many_threads),
        cmocka_unit_test(a_changed_secret_is_not_answered_from_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
