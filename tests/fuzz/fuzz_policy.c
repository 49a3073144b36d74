/* Whatever the document: no crash, a refusal says where, and what was accepted
 * answers any question. The input: the action, the resource and a key's value,
 * a line each, then the document. */
#include "aws/policy.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct policy *policy, enum policy_kind kind, const struct slice *lines,
                struct arena *arena)
{
    const struct policy_key keys[] = { { SLICE("k"), &lines[2], 1 },
                                       { SLICE("aws:username"), &lines[2], 1 },
                                       { SLICE("aws:TagKeys"), lines, 3 } };
    struct policy_question q = { .action = lines[0],
                                 .resource = lines[1],
                                 .caller = { .arn = SLICE("arn:aws:iam::111122223333:user/a"),
                                             .account = SLICE("111122223333") },
                                 .keys = keys,
                                 .key_count = 3 };
    struct policy_list list = { &policy, 1 };
    struct policy_set set = { 0 };
    if (kind == POLICY_OF_RESOURCE)
        set.resource = list;
    else
        set.identity = list;
    struct policy_verdict verdict;
    enum err err = policy_decide(&set, &q, arena, &verdict);
    CHECK(err == ERR_NONE || err == ERR_NO_MEMORY);
    if (err || verdict.outcome != POLICY_ALLOWED)
        return;
    /* What was allowed names a statement that allows and matches. */
    enum policy_match match;
    struct slice detail;
    CHECK(verdict.policy == policy && policy_statement_allows(policy, verdict.statement));
    if (policy_statement_match(policy, verdict.statement, &q, arena, &match, &detail) == ERR_NONE)
        CHECK(match == POLICY_MATCHES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of((const char *)data, size);
    struct slice lines[3];
    for (size_t i = 0; i < 3; i++)
        lines[i] = slice_head(slice_cut(&rest, '\n'), 2048);
    struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    for (int kind = POLICY_OF_IDENTITY; kind <= POLICY_OF_RESOURCE; kind++) {
        const struct policy *policy;
        struct slice error;
        enum err err =
            policy_parse(rest, (enum policy_kind)kind, SLICE("fuzz"), &arena, &policy, &error);
        CHECK(!err || err == ERR_NO_MEMORY || error.length > 0);
        if (!err)
            ask(policy, (enum policy_kind)kind, lines, &arena);
    }
    arena_release(&arena);
    return 0;
}
