/* Whatever the form and whoever asks: an answer of STS's, XML with a status; and a
 * token that was given out opens for its own key. */
#include "auth/sts.h"
#include "base/check.h"
#include "base/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACCOUNT "000000000000"

static const struct slice trust =
    SLICE_INIT("{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::" ACCOUNT
               ":user/u\"},\"Action\":\"sts:AssumeRole\"}}");

static void iam_fill(struct iam *iam, struct arena *arena)
{
    struct slice error = SLICE_NONE;
    *iam = (struct iam){ .arena = arena, .has_seal_key = true };
    CHECK(iam_user_add(iam, SLICE("u"), 1) == ERR_NONE);
    CHECK(iam_role_add(iam, SLICE("r"), 1, 7200, trust, &error) == ERR_NONE);
}

static void answer_check(const struct iam *iam, const struct http_response *response,
                         struct arena *arena)
{
    struct slice rest = response->body;
    struct iam_token token;
    CHECK(response->status == 200 || response->status == 400 || response->status == 403);
    CHECK(slice_starts_with(response->body, SLICE("<")));
    struct slice id = xml_next(&rest, "AccessKeyId", arena);
    struct slice secret = xml_next(&rest, "SecretAccessKey", arena);
    struct slice text = xml_next(&rest, "SessionToken", arena);
    if (!id.bytes)
        return;
    CHECK(response->status == 200);
    CHECK(iam_token_read(iam, id, text, arena, &token));
    CHECK(slice_equal(token.secret, secret));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct iam iam;
    struct permit_scope scope = { SLICE("us-east-1"), SLICE(ACCOUNT) };
    arena_init(&arena, (size_t)64 << 20);
    iam_fill(&iam, &arena);
    struct permit_caller user = { .user = iam.users,
                                  .arn = SLICE("arn:aws:iam::" ACCOUNT ":user/u"),
                                  .user_id = SLICE("u") };
    const struct permit_caller *const callers[] = { NULL, &user };
    for (size_t i = 0; i < ARRAY_COUNT(callers); i++) {
        struct http_request r = { .method = SLICE("POST"),
                                  .path = SLICE("/"),
                                  .body = slice_of((const char *)data, size),
                                  .arena = &arena };
        struct http_response response = { 0 };
        sts_answer(&scope, &iam, &r, callers[i], &response);
        answer_check(&iam, &response, &arena);
    }
    arena_release(&arena);
    return 0;
}
