/* The whole of aws-c-auth's signing suite: TARN_DATA/suites/aws-sigv4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "aws/sigv4.h"
#include "base/codec.h"
#include "base/date.h"
#include "outside.h"

enum { HEADERS_MAX = 16, CASES_MIN = 27 };

struct testcase {
    struct arena arena;
    const char *folder;
    struct slice context;
    struct aws_request request;
    struct aws_header headers[HEADERS_MAX];
    struct aws_credentials credentials;
    struct aws_scope scope;
    struct aws_canonical_options options;
    unsigned life_seconds;
};

static struct slice read_text(struct testcase *t, const char *name)
{
    struct slice path = arena_printf(&t->arena, "%s/%s", t->folder, name);
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(os_file_read(path.bytes, &bytes), ERR_NONE);
    char *copy = arena_copy(&t->arena, buf_slice(&bytes));
    assert_non_null(copy);
    struct slice text = slice_of(copy, bytes.length);
    buf_release(&bytes);
    return text;
}

/* The value of `"name": value` in the flat context file. */
static struct slice context_value(const struct testcase *t, const char *name)
{
    char key[64];
    int length = snprintf(key, sizeof key, "\"%s\":", name);
    ptrdiff_t at = slice_find(t->context, slice_of(key, (size_t)length));
    if (at < 0)
        return SLICE_NONE;
    struct slice rest = slice_trim(slice_from(t->context, (size_t)at + (size_t)length));
    if (rest.bytes[0] == '"') {
        rest = slice_from(rest, 1);
        return slice_cut(&rest, '"');
    }
    struct slice line = slice_cut(&rest, '\n');
    return slice_trim(slice_cut(&line, ','));
}

static void parse_request(struct testcase *t, struct slice text)
{
    struct slice rest = text;
    struct slice line = slice_cut(&rest, '\n');
    ptrdiff_t end = slice_find_last_byte(line, ' ');
    struct slice target = slice_head(line, (size_t)end);
    t->request.method = slice_cut(&target, ' ');
    t->request.query = target;
    t->request.path = slice_cut(&t->request.query, '?');
    while (rest.length) {
        line = slice_cut(&rest, '\n');
        if (!line.length)
            break;
        struct aws_header *header = &t->headers[t->request.header_count++];
        header->name = slice_cut(&line, ':');
        header->value = line;
    }
    t->request.headers = t->headers;
    aws_sha256_hex(rest, t->request.payload_sha256);
}

static void testcase_open(struct testcase *t, const char *suite, const char *name)
{
    *t = (struct testcase){ 0 };
    arena_init(&t->arena, 1 << 20);
    t->folder = arena_printf(&t->arena, "%s/%s", suite, name).bytes;
    t->context = read_text(t, "context.json");
    parse_request(t, read_text(t, "request.txt"));
    t->credentials = (struct aws_credentials){ context_value(t, "access_key_id"),
                                               context_value(t, "secret_access_key"),
                                               context_value(t, "token") };
    struct date_range range;
    assert_true(date_parse(context_value(t, "timestamp"), &range));
    t->scope = (struct aws_scope){ context_value(t, "region"), context_value(t, "service"),
                                   range.low };
    t->options.keep_path_segments = slice_is(context_value(t, "normalize"), "false");
    t->options.no_content_header = slice_is(context_value(t, "sign_body"), "false");
    uint64_t life;
    assert_true(slice_parse_u64(context_value(t, "expiration_in_seconds"), &life));
    t->life_seconds = (unsigned)life;
}

#define assert_slice_equal(a, b)                                      \
    do {                                                              \
        struct slice x = (a), y = (b);                                \
        if (!slice_equal(x, y))                                       \
            fail_msg("'%.*s' != '%.*s'", SLICE_ARGS(x), SLICE_ARGS(y)); \
    } while (0)

static struct slice part_behind(struct slice text, const char *name)
{
    ptrdiff_t at = slice_find(text, slice_cstr(name));
    assert_true(at >= 0);
    struct slice rest = slice_from(text, (size_t)at + strlen(name));
    return slice_cut(&rest, ',');
}

static bool find_secret(void *context, struct slice id, struct slice *ret_secret)
{
    struct testcase *t = context;
    *ret_secret = t->credentials.secret_access_key;
    return slice_equal(id, t->credentials.access_key_id);
}

static enum aws_refusal verify(struct testcase *t, struct aws_request *r, struct slice *text)
{
    struct aws_verifier v = { t->scope.region, t->scope.service, 300000000, false,
                              find_secret,     NULL,             t, NULL };
    struct aws_claim *claim = NULL;
    enum aws_refusal refusal = aws_verify_begin(&t->arena, &v, r, t->scope.now_us, &claim, text);
    return refusal ? refusal : aws_verify_finish(&t->arena, &v, r, claim, text);
}

/* Requests with a token are refused as such, all other normalised ones pass. */
static void check_verdict(struct testcase *t, struct aws_request *r)
{
    struct slice text = SLICE_NONE;
    enum aws_refusal refusal = verify(t, r, &text);
    if (t->credentials.session_token.length)
        assert_int_equal(refusal, AWS_UNRECOGNIZED_CLIENT);
    else if (!t->options.keep_path_segments && refusal)
        fail_msg("%s: %.*s", t->folder, SLICE_ARGS(text));
}

static void check_string_to_sign(struct testcase *t, struct slice canonical, const char *name)
{
    char hash[65];
    aws_sha256_hex(canonical, hash);
    struct slice text = read_text(t, name);
    assert_slice_equal(slice_from(text, text.length - 64), slice_cstr(hash));
}

static void check_header_form(struct testcase *t)
{
    struct aws_header *added;
    size_t added_count;
    assert_int_equal(aws_sign(&t->arena, &t->request, &t->credentials, &t->scope, &t->options,
                              &added, &added_count),
                     ERR_NONE);
    struct slice authorization = added[added_count - 1].value;
    struct aws_request whole = t->request;
    struct aws_header headers[HEADERS_MAX + 4];
    memcpy(headers, t->headers, sizeof t->headers);
    for (size_t i = 0; i < added_count; i++) {
        bool is_there = aws_header_find(&t->request, added[i].name, 0) != NULL;
        if (!is_there)
            headers[whole.header_count++] = added[i];
    }
    whole.headers = headers;
    struct slice canonical = aws_canonical_request(
        &t->arena, &whole, part_behind(authorization, "SignedHeaders="), &t->options);
    assert_slice_equal(canonical, read_text(t, "header-canonical-request.txt"));
    check_string_to_sign(t, canonical, "header-string-to-sign.txt");
    assert_slice_equal(part_behind(authorization, "Signature="),
                       read_text(t, "header-signature.txt"));
    struct slice expected = read_text(t, "header-signed-request.txt");
    if (slice_find(expected, authorization) < 0)
        fail_msg("%s: not '%.*s'", t->folder, SLICE_ARGS(authorization));
    check_verdict(t, &whole);
}

static void check_query_form(struct testcase *t)
{
    struct slice query;
    assert_int_equal(aws_presign(&t->arena, &t->request, &t->credentials, &t->scope, &t->options,
                                 t->life_seconds, &query),
                     ERR_NONE);
    struct aws_request whole = t->request;
    whole.query = query;
    struct slice expected = read_text(t, "query-signed-request.txt");
    struct aws_canonical_options options = t->options;
    options.presigned = true;
    struct slice rest = query;
    for (struct slice pair = slice_cut(&rest, '&'); pair.bytes; pair = slice_cut(&rest, '&')) {
        if (slice_starts_with(pair, SLICE("X-Amz-")) && slice_find(expected, pair) < 0)
            fail_msg("%s: not '%.*s'", t->folder, SLICE_ARGS(pair));
    }
    struct slice want = read_text(t, "query-canonical-request.txt");
    struct slice lines = want, previous = SLICE_NONE, signed_headers = SLICE_NONE;
    while (lines.bytes) {
        signed_headers = previous;
        previous = slice_cut(&lines, '\n');
    }
    struct slice canonical = aws_canonical_request(&t->arena, &whole, signed_headers, &options);
    assert_slice_equal(canonical, want);
    check_string_to_sign(t, canonical, "query-string-to-sign.txt");
    assert_true(slice_ends_with(query, read_text(t, "query-signature.txt")));
    check_verdict(t, &whole);
}

static void every_case_of_the_suite_is_signed_and_verified(void **state)
{
    (void)state;
    char suite[1024];
    outside_path("suites/aws-sigv4", suite);
    DIR *folder = opendir(suite);
    assert_non_null(folder);
    int cases = 0;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        struct testcase t;
        testcase_open(&t, suite, entry->d_name);
        check_header_form(&t);
        check_query_form(&t);
        arena_release(&t.arena);
        cases++;
    }
    closedir(folder);
    assert_true(cases >= CASES_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_the_suite_is_signed_and_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
