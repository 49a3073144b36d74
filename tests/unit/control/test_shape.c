#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "control/pattern.h"
#include "control/shapes.h"
#include "os/file.h"
#include "outside.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)64 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

/* ---- patterns ---- */

static bool matches(const char *pattern, const char *text)
{
    bool is_match = false;
    assert_int_equal(pattern_match(pattern, slice_cstr(text), &arena, &is_match), ERR_NONE);
    return is_match;
}

static void patterns_hold_for_the_whole_text(void **state)
{
    (void)state;
    assert_true(matches("[a-zA-Z0-9-]+", "a-Z-9"));
    assert_false(matches("[a-zA-Z0-9-]+", ""));
    assert_false(matches("[a-zA-Z0-9-]+", "a_b"));
    assert_true(matches("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-%@]*)", ""));
    assert_true(matches("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-%@]*)", "Ä 名前-1_%"));
    assert_false(matches("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-%@]*)", "a<b"));
    assert_false(matches("([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)", "a%b"));
    assert_true(matches("[\\P{M}\\p{M}]{1,5000}", "e\xcc\x81 \n"));
    assert_false(matches("\\p{ASCII}{0,8192}", "é"));
}

static void patterns_count_and_choose(void **state)
{
    (void)state;
    assert_true(matches("a{2,3}", "aa"));
    assert_true(matches("a{2,3}", "aaa"));
    assert_false(matches("a{2,3}", "a"));
    assert_false(matches("a{2,3}", "aaaa"));
    assert_true(matches("(ab|c)*d", "abccabd"));
    assert_false(matches("(ab|c)*d", "abcca"));
    assert_true(matches("x(y(z|w))?", "xyw"));
    assert_true(matches("[^:]+", "ab"));
    assert_false(matches("[^:]+", "a:b"));
    assert_true(matches(".{3}", "äöü"));
    assert_false(matches(".{3}", "a\nb"));
}

static void patterns_of_the_model_hold_for_real_values(void **state)
{
    (void)state;
    const char *key = "(arn:aws((-us-gov)|(-iso)|(-iso-b)|(-cn))?:kms:)?([a-z]{2}-[a-z]+(-[a-z]+)?"
                      "-\\d:)?(\\d{12}:)?(((key/)?[a-zA-Z0-9-_]+)|(alias/[a-zA-Z0-9:/_-]+))";
    assert_true(matches(key, "1234abcd-12ab-34cd-56ef-1234567890ab"));
    assert_true(matches(key, "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab"));
    assert_true(matches(key, "arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/a/b"));
    assert_true(matches(key, "alias/name"));
    assert_false(matches(key, "arn:aws:s3:us-east-1:111122223333:key/1"));
    const char *uri = "s3://[a-z0-9][\\.\\-a-z0-9]{1,61}[a-z0-9](/.*)?";
    assert_true(matches(uri, "s3://bucket/a b/c"));
    assert_true(matches(uri, "s3://abc"));
    assert_false(matches(uri, "s3://ab"));
    assert_false(matches(uri, "s3://Bucket/"));
    assert_false(matches(uri, "https://bucket/"));
    const char *arn = "arn:aws((-us-gov)|(-iso)|(-iso-b)|(-cn))?:healthlake:[a-z0-9-]+:\\d{12}:"
                      "(datastore\\/fhir\\/.{32}|dataTransformationProfile\\/[a-f0-9]{32})";
    assert_true(matches(arn, "arn:aws:healthlake:us-east-1:000000000000:datastore/fhir/"
                             "0123456789abcdef0123456789abcdef"));
    assert_false(matches(arn, "arn:aws:healthlake:us-east-1:000000000000:datastore/"
                              "0123456789abcdef0123456789abcdef"));
}

/* Backtracking would take 2^40 steps. */
static void no_text_makes_a_pattern_slow(void **state)
{
    (void)state;
    assert_false(
        matches("(a|a)*(a|a)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_false(matches("(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void a_pattern_of_another_kind_is_refused(void **state)
{
    (void)state;
    bool is_match;
    const char *const patterns[] = {
        "(",    "a)",  "[a",     "\\",     "\\w",
        "a{",   "a{1", "a{2,1}", "\\p{Q}", "((((((((((((((((((a))))))))))))))))))",
        "[b-a]"
    };
    for (size_t i = 0; i < ARRAY_COUNT(patterns); i++)
        assert_int_equal(pattern_match(patterns[i], SLICE("a"), &arena, &is_match),
                         ERR_UNSUPPORTED);
}

/* ---- requests ---- */

static enum err check(const struct shape *shape, const char *text, struct slice *ret_text)
{
    struct json_doc *doc = arena_alloc(&arena, sizeof *doc);
    assert_non_null(doc);
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, doc, NULL), ERR_NONE);
    *ret_text = SLICE_NONE;
    return shape_check(shape, json_root(doc), &arena, ret_text);
}

static void assert_refused(const struct shape *shape, const char *text, enum err err,
                           const char *message)
{
    struct slice said;
    assert_int_equal(check(shape, text, &said), err);
    if (!slice_is(said, message))
        fail_msg("%s\nsaid: %.*s\nnot:  %s", text, SLICE_ARGS(said), message);
}

#define FAILED(value, at) "Value " value " at '" at "' failed to satisfy constraint: Member must "

static void broken_constraints_are_told_in_the_words_of_the_service(void **state)
{
    (void)state;
    const struct shape *create = &shape_create_datastore;
    assert_refused(
        create, "{}", ERR_INVALID,
        "1 validation error detected: " FAILED("null", "datastoreTypeVersion") "not be null");
    assert_refused(create, "{\"DatastoreTypeVersion\":\"R5\",\"DatastoreName\":\"a<\"}",
                   ERR_INVALID,
                   "2 validation errors detected: " FAILED(
                       "'a<'", "datastoreName") "satisfy regular expression pattern: "
                                                "([\\p{L}\\p{Z}\\p{N}_.:/=+\\-%@]*); " FAILED(
                                                    "'R5'", "datastoreTypeVe"
                                                            "rsion") "satisf"
                                                                     "y "
                                                                     "enum "
                                                                     "value "
                                                                     "set: "
                                                                     "[R4]");
    assert_refused(create, "{\"DatastoreTypeVersion\":\"R4\",\"DatastoreName\":\"\"}", ERR_INVALID,
                   "1 validation error detected: " FAILED(
                       "''", "datastoreName") "have length greater than or equal to 1");
    assert_refused(
        create,
        "{\"DatastoreTypeVersion\":\"R4\",\"SseConfiguration\":{\"KmsEncryptionConfig\":"
        "{\"CmkType\":\"X\"}}}",
        ERR_INVALID,
        "1 validation error detected: " FAILED(
            "'X'", "sseConfiguration.kmsEncryptionConfig.cmkType") "satisfy enum value set: "
                                                                   "[CUSTOMER_MANAGED_KMS_KEY, "
                                                                   "AWS_OWNED_KMS_KEY]");
    assert_refused(create,
                   "{\"DatastoreTypeVersion\":\"R4\",\"Tags\":[{\"Key\":\"k\",\"Value\":\"v\"},"
                   "{\"Key\":\"\",\"Value\":\"v\"}]}",
                   ERR_INVALID,
                   "1 validation error detected: " FAILED(
                       "''", "tags.2.member.key") "have length greater than or equal to 1");
    assert_refused(&shape_list_datastores, "{\"MaxResults\":501}", ERR_INVALID,
                   "1 validation error detected: " FAILED(
                       "'501'", "maxResults") "have value less than or equal to 500");
    assert_refused(&shape_list_datastores, "{\"MaxResults\":0}", ERR_INVALID,
                   "1 validation error detected: " FAILED(
                       "'0'", "maxResults") "have value greater than or equal to 1");
    struct slice said;
    assert_int_equal(check(&shape_start_import,
                           "{\"DatastoreId\":\"a\",\"DataAccessRoleArn\":\"x\",\"InputDataConfig\":"
                           "{},\"JobOutputDataConfig\":{\"S3Configuration\":{}}}",
                           &said),
                     ERR_INVALID);
    assert_true(slice_find(said, SLICE("at 'inputDataConfig' failed")) > 0);
    assert_true(slice_find(said, SLICE("'jobOutputDataConfig.s3Configuration.kmsKeyId'")) > 0);
}

static void a_value_of_the_wrong_kind_cannot_be_read(void **state)
{
    (void)state;
    const struct shape *create = &shape_create_datastore;
    const struct shape *list = &shape_list_datastores;
    const struct {
        const struct shape *shape;
        const char *text;
    } rows[] = {
        { create, "[]" },
        { create, "\"x\"" },
        { create, "null" },
        { create, "{\"DatastoreTypeVersion\":4}" },
        { create, "{\"DatastoreName\":\"<\",\"DatastoreTypeVersion\":true}" },
        { create, "{\"Tags\":{}}" },
        { create, "{\"Tags\":[1]}" },
        { create, "{\"Tags\":[{\"Key\":1}]}" },
        { create, "{\"SseConfiguration\":\"x\"}" },
        { list, "{\"MaxResults\":\"5\"}" },
        { list, "{\"MaxResults\":1.5}" },
        { list, "{\"Filter\":{\"CreatedAfter\":\"2020-01-01\"}}" },
        { list, "{\"Filter\":{\"CreatedAfter\":1e300}}" },
    };
    struct slice said;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(check(rows[i].shape, rows[i].text, &said), ERR_SYNTAX);
        assert_true(said.length > 0);
    }
    assert_refused(create, "{\"DatastoreTypeVersion\":4}", ERR_SYNTAX,
                   "NUMBER_VALUE can not be converted to a String (at 'datastoreTypeVersion')");
}

static void null_is_as_good_as_absent_and_unknown_members_are_ignored(void **state)
{
    (void)state;
    struct slice said;
    assert_int_equal(check(&shape_create_datastore,
                           "{\"DatastoreTypeVersion\":\"R4\",\"Tags\":null,\"Later\":[1]}", &said),
                     ERR_NONE);
}

static void a_thousand_findings_make_a_short_message(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "{\"ResourceARN\":\"x\",\"TagKeys\":[\"<\"");
    for (int i = 0; i < 2000; i++)
        buf_append_cstr(&text, ",\"<<<<<<<<<<<<<<<<<<<<<<<<<<<\"");
    buf_append_cstr(&text, "]}");
    buf_append_byte(&text, 0);
    struct slice said;
    assert_int_equal(check(&shape_untag_resource, text.bytes, &said), ERR_INVALID);
    assert_true(said.length < 10000);
    buf_release(&text);
}

static void equal_requests_are_written_in_one_way(void **state)
{
    (void)state;
    const char *const texts[] = {
        "{\"DatastoreTypeVersion\":\"R4\",\"DatastoreName\":\"\\u0061b\",\"X\":1}",
        " { \"DatastoreName\" : \"ab\", \"Tags\":null, \"DatastoreTypeVersion\" : \"R4\" } ",
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct json_doc doc;
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(json_parse(slice_cstr(texts[i]), NULL, &arena, &doc, NULL), ERR_NONE);
        assert_int_equal(shape_write(&shape_create_datastore, json_root(&doc), &arena, &out),
                         ERR_NONE);
        assert_true(slice_is(buf_slice(&out),
                             "{\"DatastoreName\":\"ab\",\"DatastoreTypeVersion\":\"R4\"}"));
        buf_release(&out);
    }
}

/* ---- the protocol's own cases ---- */

/* The shape of a suite's model, as a table. */
static const struct shape *shape_from_model(struct json shapes, struct json name, int depth)
{
    struct json model = json_get(shapes, json_string(name, &arena));
    struct json type = json_member(model, "type");
    struct shape *s = arena_alloc(&arena, sizeof *s);
    assert_non_null(s);
    if (depth > 6)
        return s;
    if (json_string_is(type, SLICE("boolean")))
        s->kind = SHAPE_BOOLEAN;
    else if (json_string_is(type, SLICE("integer")) || json_string_is(type, SLICE("long")))
        s->kind = SHAPE_INTEGER;
    else if (json_string_is(type, SLICE("float")) || json_string_is(type, SLICE("double")))
        s->kind = SHAPE_DOUBLE;
    else if (json_string_is(type, SLICE("timestamp")))
        s->kind = SHAPE_TIMESTAMP;
    else if (json_string_is(type, SLICE("list")))
        s->kind = SHAPE_LIST;
    else if (json_string_is(type, SLICE("structure")))
        s->kind = json_is(json_member(model, "union"), JSON_TRUE) ? SHAPE_UNION : SHAPE_STRUCTURE;
    if (s->kind == SHAPE_LIST)
        s->element =
            shape_from_model(shapes, json_member(json_member(model, "member"), "shape"), depth + 1);
    if (s->kind != SHAPE_STRUCTURE && s->kind != SHAPE_UNION)
        return s;
    struct json members = json_member(model, "members");
    struct shape_member *list = arena_array(&arena, json_count(members) + 1, sizeof *list);
    assert_non_null(list);
    s->members = list;
    for (struct json key = json_first(members); json_exists(key);
         key = json_next(members, json_value(key))) {
        list->name = arena_copy(&arena, json_string(key, &arena));
        list->shape = shape_from_model(shapes, json_member(json_value(key), "shape"), depth + 1);
        list++;
    }
    return s;
}

/* The message's body is read by the shape and comes out with the same members. */
static void case_is_read(struct json shapes, struct json shape, struct json body)
{
    struct json_doc doc;
    struct buf out;
    buf_init(&out, 1 << 20);
    struct slice text = json_string(body, &arena), said;
    const struct shape *table = shape_from_model(shapes, shape, 0);
    assert_int_equal(json_parse(text, NULL, &arena, &doc, NULL), ERR_NONE);
    enum err err = shape_check(table, json_root(&doc), &arena, &said);
    if (err)
        fail_msg("%.*s: %.*s", SLICE_ARGS(text), SLICE_ARGS(said));
    assert_int_equal(shape_write(table, json_root(&doc), &arena, &out), ERR_NONE);
    struct json_doc again;
    char *copy = arena_copy(&arena, buf_slice(&out));
    assert_int_equal(json_parse(slice_of(copy, out.length), NULL, &arena, &again, NULL), ERR_NONE);
    /* Nulls are dropped; all else is the same. */
    if (slice_find(text, SLICE("null")) < 0)
        assert_true(json_same(json_root(&doc), json_root(&again), NULL, NULL));
    buf_release(&out);
}

/* Cases that say how a client works, of which a server sees nothing: all others are
 * read. */
static const char *const CLIENTS_OWN[] = {
    /* bodies compressed for operations whose model asks for it: HealthLake has none */
    "SDKAppliedContentEncoding_awsJson1_0",
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0",
    /* an answer without a body: ours have one */
    "AwsJson10ServiceRespondsWithNoPayload",
    /* where a client finds the type of an error; ours is in all the usual places, which
     * tests/e2e/control.test.mjs shows with AWS's own client */
    "AwsJson10InvalidGreetingError",
    "AwsJson10FooErrorUsingXAmznErrorTypeWithUri",
    "AwsJson10FooErrorUsingXAmznErrorTypeWithUriAndNamespace",
    "AwsJson10FooErrorUsingCode",
    "AwsJson10FooErrorUsingCodeUriAndNamespace",
    "AwsJson10FooErrorWithDunderType",
    "AwsJson10FooErrorWithDunderTypeUriAndNamespace",
    "AwsJson10ComplexError",
    "AwsJson10EmptyComplexError",
};

static bool is_clients_own(struct json c)
{
    for (size_t i = 0; i < ARRAY_COUNT(CLIENTS_OWN); i++) {
        if (json_string_is(json_member(c, "id"), slice_cstr(CLIENTS_OWN[i])))
            return true;
    }
    return false;
}

/* An operation without input sends an empty object. */
static void nothing_is_read(struct json body)
{
    static const struct shape_member none[] = { { .name = NULL } };
    static const struct shape nothing = { .kind = SHAPE_STRUCTURE, .members = none };
    struct json_doc doc;
    struct slice said;
    assert_int_equal(json_parse(json_string(body, &arena), NULL, &arena, &doc, NULL), ERR_NONE);
    assert_int_equal(shape_check(&nothing, json_root(&doc), &arena, &said), ERR_NONE);
}

static size_t read_suite(const char *path, const char *side, const char *message, size_t *ret_total)
{
    struct buf file;
    buf_init(&file, 8 << 20);
    assert_int_equal(os_file_read(path, &file), ERR_NONE);
    struct json_doc doc;
    assert_int_equal(json_parse(buf_slice(&file), NULL, &arena, &doc, NULL), ERR_NONE);
    size_t count = 0;
    struct json root = json_root(&doc);
    for (struct json suite = json_first(root); json_exists(suite); suite = json_next(root, suite)) {
        struct json cases = json_member(suite, "cases");
        for (struct json c = json_first(cases); json_exists(c); c = json_next(cases, c)) {
            struct json given = json_member(c, "given");
            struct json shape = json_member(json_get(given, slice_cstr(side)), "shape");
            struct json body = json_member(json_get(c, slice_cstr(message)), "body");
            ++*ret_total;
            if (is_clients_own(c))
                continue;
            print_message("  %.*s\n", SLICE_ARGS(json_string_raw(json_member(c, "id"))));
            if (json_exists(shape))
                case_is_read(json_member(suite, "shapes"), shape, body);
            else
                nothing_is_read(body);
            count++;
        }
    }
    buf_release(&file);
    return count;
}

static void messages_of_the_protocol_suite_are_read(void **state)
{
    (void)state;
    char input[1024], output[1024];
    size_t total = 0;
    outside_path("suites/aws-json-1.0/input.json", input);
    outside_path("suites/aws-json-1.0/output.json", output);
    size_t count = read_suite(input, "input", "serialized", &total);
    count += read_suite(output, "output", "response", &total);
    assert_int_equal(total, 35);
    assert_int_equal(count, 35 - ARRAY_COUNT(CLIENTS_OWN));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(patterns_hold_for_the_whole_text),
        TEST(patterns_count_and_choose),
        TEST(patterns_of_the_model_hold_for_real_values),
        TEST(no_text_makes_a_pattern_slow),
        TEST(a_pattern_of_another_kind_is_refused),
        TEST(broken_constraints_are_told_in_the_words_of_the_service),
        TEST(a_value_of_the_wrong_kind_cannot_be_read),
        TEST(null_is_as_good_as_absent_and_unknown_members_are_ignored),
        TEST(a_thousand_findings_make_a_short_message),
        TEST(equal_requests_are_written_in_one_way),
        TEST(messages_of_the_protocol_suite_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
