#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "aws/policy.h"
#include "json/json.h"
#include "os/clock.h"
#include "os/file.h"

enum { LIST_MAX = 4, KEYS_MAX = 16, VALUES_MAX = 8, ARENA_BYTES = 4 << 20 };

static const char folder[] = "tests/golden/iam";

/* One case on its way. */
struct golden {
    struct arena arena;
    struct json value;
    const struct policy *policies[4][LIST_MAX];
    struct policy_set set;
    struct policy_key keys[KEYS_MAX];
    struct slice values[KEYS_MAX][VALUES_MAX];
    struct policy_question question;
    const char *file;
    struct slice rule;
};

static struct slice text_of(struct golden *g, struct json v)
{
    struct slice text = json_string(v, &g->arena);
    return text.bytes ? text : SLICE("");
}

static const struct policy *parse(struct golden *g, struct slice text, enum policy_kind kind)
{
    const struct policy *policy = NULL;
    struct slice error;
    if (policy_parse(text, kind, SLICE("case"), &g->arena, &policy, &error))
        fail_msg("%s: %.*s: %.*s", g->file, SLICE_ARGS(g->rule), SLICE_ARGS(error));
    return policy;
}

static struct policy_list list_read(struct golden *g, struct slice name, enum policy_source source)
{
    struct json list = json_get(g->value, name);
    struct policy_list out = { g->policies[source], 0 };
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        assert_true(out.count < LIST_MAX);
        enum policy_kind kind = source == POLICY_RESOURCE ? POLICY_OF_RESOURCE : POLICY_OF_IDENTITY;
        g->policies[source][out.count++] = parse(g, json_raw(v), kind);
    }
    return out;
}

static void policies_read(struct golden *g)
{
    struct json statement = json_member(g->value, "statement");
    struct json condition = json_member(g->value, "condition");
    g->set.identity = list_read(g, SLICE("identity"), POLICY_IDENTITY);
    g->set.resource = list_read(g, SLICE("resource"), POLICY_RESOURCE);
    g->set.boundary = list_read(g, SLICE("boundary"), POLICY_BOUNDARY);
    g->set.session = list_read(g, SLICE("session"), POLICY_SESSION);
    g->set.has_boundary = g->set.boundary.count > 0;
    g->set.has_session = g->set.session.count > 0;
    struct slice text = SLICE_NONE;
    if (json_exists(statement))
        text = arena_printf(&g->arena, "{\"Version\":\"2012-10-17\",\"Statement\":%.*s}",
                            SLICE_ARGS(json_raw(statement)));
    if (json_exists(condition))
        text = arena_printf(&g->arena,
                            "{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
                            "\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":%.*s}}",
                            SLICE_ARGS(json_raw(condition)));
    if (text.bytes)
        g->policies[POLICY_IDENTITY][g->set.identity.count++] = parse(g, text, POLICY_OF_IDENTITY);
}

static struct slice or_default(struct golden *g, struct json object, struct slice name,
                               struct slice otherwise)
{
    struct json v = json_get(object, name);
    return json_exists(v) ? text_of(g, v) : otherwise;
}

static void context_read(struct golden *g)
{
    static const struct slice name[] = { SLICE_INIT("alice") };
    struct json context = json_member(g->value, "context");
    size_t count = 0;
    g->keys[count++] = (struct policy_key){ SLICE("aws:username"), name, 1 };
    for (struct json k = json_first(context); json_exists(k);
         k = json_next(context, json_value(k))) {
        struct json v = json_value(k);
        size_t n = 0;
        assert_true(count < KEYS_MAX);
        if (!json_is(v, JSON_ARRAY))
            g->values[count][n++] = text_of(g, v);
        for (struct json i = json_is(v, JSON_ARRAY) ? json_first(v) : JSON_ABSENT; json_exists(i);
             i = json_next(v, i)) {
            assert_true(n < VALUES_MAX);
            g->values[count][n++] = text_of(g, i);
        }
        g->keys[count] = (struct policy_key){ text_of(g, k), g->values[count], n };
        count++;
    }
    g->question.keys = g->keys;
    g->question.key_count = count;
}

static void question_read(struct golden *g)
{
    struct json caller = json_member(g->value, "caller");
    struct policy_question *q = &g->question;
    q->action = or_default(g, g->value, SLICE("action"), SLICE("healthlake:ReadResource"));
    q->resource = or_default(g, g->value, SLICE("res"),
                             SLICE("arn:aws:healthlake:us-east-1:111122223333:datastore/fhir/abc"));
    q->caller.arn =
        or_default(g, caller, SLICE("arn"), SLICE("arn:aws:iam::111122223333:user/alice"));
    q->caller.account = or_default(g, caller, SLICE("account"), SLICE("111122223333"));
    q->caller.role_arn = or_default(g, caller, SLICE("role"), SLICE_NONE);
    q->caller.service = or_default(g, caller, SLICE("service"), SLICE_NONE);
    q->caller.federated = or_default(g, caller, SLICE("federated"), SLICE_NONE);
    context_read(g);
}

static void refusal_run(struct golden *g, struct json policy, enum policy_kind kind,
                        struct slice wanted)
{
    const struct policy *parsed;
    struct slice error;
    struct slice text = json_is(policy, JSON_STRING) ? text_of(g, policy) : json_raw(policy);
    enum err err = policy_parse(text, kind, SLICE("case"), &g->arena, &parsed, &error);
    if (!err || slice_find(error, wanted) < 0 || slice_find(error, SLICE("line ")) != 0)
        fail_msg("%s: %.*s: %s: %.*s", g->file, SLICE_ARGS(g->rule), err_name(err),
                 SLICE_ARGS(error));
}

static void decision_run(struct golden *g)
{
    static const char *const names[] = { "none", "deny", "allow" };
    policies_read(g);
    question_read(g);
    struct policy_verdict verdict;
    assert_int_equal(policy_decide(&g->set, &g->question, &g->arena, &verdict), ERR_NONE);
    struct slice expect = text_of(g, json_member(g->value, "expect"));
    if (!slice_is(expect, names[verdict.outcome]))
        fail_msg("%s: %.*s: %s, not %.*s", g->file, SLICE_ARGS(g->rule), names[verdict.outcome],
                 SLICE_ARGS(expect));
    assert_true(verdict.outcome != POLICY_DENIED || verdict.policy);
}

static void case_run(const char *file, struct json value)
{
    struct golden *g = calloc(1, sizeof *g);
    assert_non_null(g);
    arena_init(&g->arena, ARENA_BYTES);
    g->file = file;
    g->value = value;
    g->rule = text_of(g, json_member(value, "rule"));
    assert_true(g->rule.length > 0);
    struct json error = json_member(value, "error");
    if (!json_exists(error))
        decision_run(g);
    else if (json_exists(json_member(value, "policy")))
        refusal_run(g, json_member(value, "policy"), POLICY_OF_IDENTITY, text_of(g, error));
    else
        refusal_run(g, json_member(value, "resource_policy"), POLICY_OF_RESOURCE,
                    text_of(g, error));
    arena_release(&g->arena);
    free(g);
}

static size_t file_run(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(os_file_read(path, &bytes), ERR_NONE);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct json_doc doc;
    struct json_error where;
    if (json_parse(buf_slice(&bytes), NULL, &arena, &doc, &where))
        fail_msg("%s:%u:%u: %s", path, where.line, where.column, where.text);
    struct json list = json_root(&doc);
    size_t count = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v), count++)
        case_run(name, v);
    arena_release(&arena);
    buf_release(&bytes);
    return count;
}

static void golden_cases_are_decided_as_aws_documents(void **state)
{
    (void)state;
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (slice_ends_with(slice_cstr(entry->d_name), SLICE(".json")))
            count += file_run(entry->d_name);
    }
    closedir(dir);
    print_message("%zu cases\n", count);
    assert_true(count >= 200);
}

static void hostile_wildcards_take_little_time(void **state)
{
    (void)state;
    char pattern[400], text[8000];
    for (size_t i = 0; i + 1 < sizeof pattern; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[sizeof pattern - 1] = 'b';
    memset(text, 'a', sizeof text);
    int64_t begin = os_monotonic_us();
    for (int i = 0; i < 10; i++)
        assert_false(policy_wildcard_match(slice_of(pattern, sizeof pattern),
                                           slice_of(text, sizeof text), true));
    assert_true(os_monotonic_us() - begin < 1000000);
}

static void a_policy_over_its_limit_is_refused(void **state)
{
    (void)state;
    static char text[POLICY_BYTES_MAX + 1];
    memset(text, ' ', sizeof text);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct policy *policy;
    struct slice error;
    assert_int_equal(policy_parse(slice_of(text, sizeof text), POLICY_OF_IDENTITY, SLICE("x"),
                                  &arena, &policy, &error),
                     ERR_LIMIT);
    assert_true(error.length > 0);
    arena_release(&arena);
}

static void parsing_survives_memory_that_ends_anywhere(void **state)
{
    (void)state;
    struct slice text = SLICE("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\","
                              "\"Action\":[\"a:b\",\"c:*\"],\"Resource\":\"arn:aws:s3:::${a:b}\","
                              "\"Condition\":{\"StringLike\":{\"k\":[\"x*\",\"${a:b}\"]}}}}");
    enum err err = ERR_NO_MEMORY;
    for (size_t limit = 0; err == ERR_NO_MEMORY; limit += 512) {
        struct arena arena;
        arena_init(&arena, limit);
        const struct policy *policy;
        struct slice error;
        err = policy_parse(text, POLICY_OF_IDENTITY, SLICE("x"), &arena, &policy, &error);
        arena_release(&arena);
        assert_true(limit < 1 << 20);
    }
    assert_int_equal(err, ERR_NONE);
}

static void a_statement_tells_what_did_not_match(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct policy *policy;
    struct slice error, detail;
    enum policy_match match;
    assert_int_equal(
        policy_parse(SLICE("{\"Version\":\"2012-10-17\",\"Statement\":{\"Sid\":\"One\",\"Effect\":"
                           "\"Deny\",\"Action\":\"a:b\",\"Resource\":\"*\","
                           "\"Condition\":{\"Bool\":{\"k\":\"true\"}}}}"),
                     POLICY_OF_IDENTITY, SLICE("x"), &arena, &policy, &error),
        ERR_NONE);
    struct policy_question q = { .action = SLICE("a:c"), .resource = SLICE("*") };
    assert_int_equal(policy_statement_match(policy, 0, &q, &arena, &match, &detail), ERR_NONE);
    assert_int_equal(match, POLICY_OTHER_ACTION);
    q.action = SLICE("A:B");
    assert_int_equal(policy_statement_match(policy, 0, &q, &arena, &match, &detail), ERR_NONE);
    assert_int_equal(match, POLICY_OTHER_CONDITION);
    assert_true(slice_is(detail, "Bool k"));
    assert_true(slice_is(policy_statement_sid(policy, 0), "One"));
    assert_false(policy_statement_allows(policy, 0));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_cases_are_decided_as_aws_documents),
        cmocka_unit_test(hostile_wildcards_take_little_time),
        cmocka_unit_test(a_policy_over_its_limit_is_refused),
        cmocka_unit_test(parsing_survives_memory_that_ends_anywhere),
        cmocka_unit_test(a_statement_tells_what_did_not_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
