#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/codec.h"
#include "os/clock.h"
#include "os/file.h"

enum { HEADERS_MAX = 16, SECOND_US = 1000000 };

#define ARN SLICE("arn:aws:healthlake:us-east-1:111122223333:datastore/fhir/abc")

static const struct aws_credentials root = { SLICE_INIT("TARNROOT"),
                                             SLICE_INIT("secret"),
                                             { NULL, 0 } };

static const struct slice reader_policy =
    SLICE_INIT("{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":"
               "\"healthlake:ReadResource\",\"Resource\":\"arn:aws:healthlake:us-east-1:"
               "111122223333:datastore/fhir/abc\"}}");

/* A data folder with one user, its key, a policy and a session. */
struct fixture {
    char folder[64];
    struct arena arena;
    struct iam iam;
    struct aws_credentials key, session;
    struct auth *auth;
    struct http_request request;
    struct http_header headers[HEADERS_MAX];
    struct http_response response;
    size_t reports;
};

static void report(void *context, struct slice text)
{
    struct fixture *f = context;
    assert_true(text.length > 0);
    f->reports++;
}

static void save(struct fixture *f)
{
    struct slice error;
    assert_int_equal(iam_save(f->folder, &f->iam, &error), ERR_NONE);
}

static void open_fixture(struct fixture *f, struct slice session_policy)
{
    *f = (struct fixture){ .folder = "/tmp/tarn-iam-XXXXXX" };
    assert_non_null(mkdtemp(f->folder));
    arena_init(&f->arena, 64 << 20);
    struct slice error, token;
    struct iam_key *key;
    struct iam_session *session;
    assert_int_equal(iam_load(f->folder, &f->arena, &f->iam, &error), ERR_NONE);
    assert_int_equal(iam_user_add(&f->iam, SLICE("app"), os_now_us()), ERR_NONE);
    struct iam_user *user = iam_user_find(&f->iam, SLICE("APP"));
    assert_int_equal(iam_key_add(&f->iam, user, os_now_us(), &key), ERR_NONE);
    assert_int_equal(iam_policy_put(&f->iam, &user->policies, POLICY_OF_IDENTITY, SLICE("read"),
                                    reader_policy, &error),
                     ERR_NONE);
    assert_int_equal(iam_session_add(&f->iam, user, os_now_us(), 900 * (int64_t)SECOND_US,
                                     session_policy, &error, &session, &token),
                     ERR_NONE);
    f->key = (struct aws_credentials){ key->id, key->secret, SLICE_NONE };
    f->session = (struct aws_credentials){ session->id, session->secret, token };
    save(f);
    struct auth_settings settings = { .region = SLICE("us-east-1"),
                                      .service = SLICE("healthlake"),
                                      .account_id = SLICE("111122223333"),
                                      .root = root,
                                      .folder = f->folder,
                                      .report = report,
                                      .report_context = f };
    assert_int_equal(auth_open_with(&settings, &f->arena, &f->auth, &error), ERR_NONE);
}

static void close_fixture(struct fixture *f)
{
    os_clock_offset_us(0);
    auth_close(f->auth);
    assert_int_equal(os_folder_remove(f->folder), ERR_NONE);
    arena_release(&f->arena);
}

static void sign(struct fixture *f, const struct aws_credentials *credentials)
{
    f->request = (struct http_request){ .method = SLICE("GET"),
                                        .path = SLICE("/datastore/abc/r4/Patient/1"),
                                        .headers = f->headers,
                                        .header_count = 1,
                                        .peer_address = SLICE("203.0.113.7"),
                                        .arena = &f->arena };
    f->headers[0] = (struct http_header){ SLICE("Host"), SLICE("127.0.0.1:8080") };
    char hex[65];
    aws_sha256_hex(SLICE(""), hex);
    assert_true(hex_decode(slice_cstr(hex), f->request.body_sha256, HTTP_SHA256_BYTES));
    struct aws_header host = { f->headers[0].name, f->headers[0].value };
    struct aws_request r = {
        .method = f->request.method, .path = f->request.path, .headers = &host, .header_count = 1
    };
    aws_sha256_hex(SLICE(""), r.payload_sha256);
    struct aws_scope scope = { SLICE("us-east-1"), SLICE("healthlake"), os_now_us() };
    struct aws_header *added;
    size_t count;
    assert_int_equal(aws_sign(&f->arena, &r, credentials, &scope, NULL, &added, &count), ERR_NONE);
    for (size_t i = 0; i < count; i++)
        f->headers[f->request.header_count++] =
            (struct http_header){ added[i].name, added[i].value };
}

/* The action on ARN with these credentials; false: f->response tells. */
static bool ask(struct fixture *f, const struct aws_credentials *credentials, const char *action)
{
    struct auth_target target = { .arn = ARN };
    struct auth_pass *pass = NULL;
    sign(f, credentials);
    return auth_begin(f->auth, &f->request, &pass, &f->response) &&
           auth_finish(f->auth, &f->request, pass, &f->response) &&
           auth_may_on(&f->request, pass, action, &target, &f->response);
}

static void assert_says(const struct fixture *f, const char *text)
{
    if (slice_find(f->response.body, slice_cstr(text)) < 0)
        fail_msg("%.*s", SLICE_ARGS(f->response.body));
}

/* Past the second for which a reading is not looked for again. */
static void wait_for_look(void)
{
    os_sleep_us(1100000);
}

static void a_user_may_what_its_policy_allows(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    assert_true(ask(&f, &f.key, "healthlake:ReadResource"));
    assert_true(ask(&f, &root, "healthlake:ProcessBundle"));
    close_fixture(&f);
}

static void a_denial_has_awss_words(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    assert_false(ask(&f, &f.key, "healthlake:ProcessBundle"));
    assert_int_equal(f.response.status, 403);
    assert_says(&f, "AccessDeniedException");
    assert_says(&f, "User: arn:aws:iam::111122223333:user/app is not authorized to perform: "
                    "healthlake:ProcessBundle on resource: arn:aws:healthlake:us-east-1:"
                    "111122223333:datastore/fhir/abc because no identity-based policy allows the "
                    "healthlake:ProcessBundle action");
    close_fixture(&f);
}

static void a_session_needs_its_token(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    assert_true(ask(&f, &f.session, "healthlake:ReadResource"));
    struct aws_credentials other = f.session;
    other.session_token = SLICE_NONE;
    assert_false(ask(&f, &other, "healthlake:ReadResource"));
    assert_says(&f, "UnrecognizedClientException");
    other.session_token = SLICE("guessed");
    assert_false(ask(&f, &other, "healthlake:ReadResource"));
    assert_says(&f, "UnrecognizedClientException");
    other = f.key; /* a lasting key with a token of another */
    other.session_token = f.session.session_token;
    assert_false(ask(&f, &other, "healthlake:ReadResource"));
    assert_says(&f, "UnrecognizedClientException");
    other = root;
    other.session_token = f.session.session_token;
    assert_false(ask(&f, &other, "healthlake:ReadResource"));
    close_fixture(&f);
}

static void a_session_ends(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    os_clock_offset_us(901 * (int64_t)SECOND_US);
    assert_false(ask(&f, &f.session, "healthlake:ReadResource"));
    assert_int_equal(f.response.status, 403);
    assert_says(&f, "ExpiredTokenException");
    close_fixture(&f);
}

static const struct slice trust_policy =
    SLICE_INIT("{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":"
               "\"arn:aws:iam::111122223333:user/app\"},\"Action\":\"sts:AssumeRole\"}}");

/* A role with the reader's policy, and a token of it for a quarter of an hour. */
static struct aws_credentials role_session(struct fixture *f)
{
    struct slice error, text;
    assert_int_equal(iam_role_add(&f->iam, SLICE("etl"), os_now_us(), 3600, trust_policy, &error),
                     ERR_NONE);
    struct iam_role *role = iam_role_find(&f->iam, SLICE("ETL"));
    assert_int_equal(iam_policy_put(&f->iam, &role->policies, POLICY_OF_IDENTITY, SLICE("read"),
                                    reader_policy, &error),
                     ERR_NONE);
    struct iam_token token = { .user = SLICE(""),
                               .role = role->name,
                               .session = SLICE("s1"),
                               .policy = SLICE(""),
                               .owner_created_us = role->created_us,
                               .issued_us = os_now_us(),
                               .expires_us = os_now_us() + 900 * (int64_t)SECOND_US };
    assert_int_equal(iam_token_make(&f->iam, &token, &f->arena, &text), ERR_NONE);
    save(f);
    auth_close(f->auth);
    struct auth_settings settings = { .region = SLICE("us-east-1"),
                                      .service = SLICE("healthlake"),
                                      .account_id = SLICE("111122223333"),
                                      .root = root,
                                      .folder = f->folder };
    assert_int_equal(auth_open_with(&settings, &f->arena, &f->auth, &error), ERR_NONE);
    return (struct aws_credentials){ token.id, token.secret, text };
}

static void a_roles_session_may_what_the_role_may_until_it_ends(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    struct aws_credentials session = role_session(&f);
    assert_true(ask(&f, &session, "healthlake:ReadResource"));
    assert_false(ask(&f, &session, "healthlake:DeleteResource"));
    assert_says(&f, "User: arn:aws:sts::111122223333:assumed-role/etl/s1 is not authorized");
    os_clock_offset_us(901 * (int64_t)SECOND_US);
    assert_false(ask(&f, &session, "healthlake:ReadResource"));
    assert_says(&f, "ExpiredTokenException");
    close_fixture(&f);
}

static void no_byte_of_a_token_may_change(void **state)
{
    (void)state;
    struct fixture f;
    struct iam_token read;
    open_fixture(&f, SLICE_NONE);
    struct aws_credentials session = role_session(&f);
    struct slice text = session.session_token;
    assert_true(iam_token_read(&f.iam, session.access_key_id, text, &f.arena, &read));
    assert_true(slice_equal(read.secret, session.secret_access_key));
    assert_true(slice_is(read.role, "etl"));
    assert_false(iam_token_read(&f.iam, SLICE("ASIAOTHER"), text, &f.arena, &read));
    for (size_t i = 0; i + 1 < text.length; i++) { /* the last has spare bits */
        char *changed = arena_copy(&f.arena, text);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(iam_token_read(&f.iam, session.access_key_id, slice_of(changed, text.length),
                                    &f.arena, &read));
    }
    /* A lasting secret is sealed in the same way, but is no token. */
    struct slice sealed;
    assert_int_equal(iam_seal(f.iam.seal_key, SLICE("ASIA1"), SLICE("secret"), &f.arena, &sealed),
                     ERR_NONE);
    assert_false(iam_token_read(&f.iam, SLICE("ASIA1"), sealed, &f.arena, &read));
    close_fixture(&f);
}

static void roles_and_resources_are_read_back(void **state)
{
    (void)state;
    struct fixture f;
    struct iam iam;
    struct slice error;
    struct iam_resource *resource;
    open_fixture(&f, SLICE_NONE);
    role_session(&f);
    assert_int_equal(iam_resource_need(&f.iam, ARN, &resource), ERR_NONE);
    assert_int_equal(iam_policy_put(&f.iam, &resource->policies, POLICY_OF_RESOURCE,
                                    SLICE("guests"), trust_policy, &error),
                     ERR_NONE);
    save(&f);
    assert_int_equal(iam_load(f.folder, &f.arena, &iam, &error), ERR_NONE);
    const struct iam_role *role = iam_role_find(&iam, SLICE("etl"));
    assert_int_equal(role->max_seconds, 3600);
    assert_int_equal(role->created_us, iam_role_find(&f.iam, SLICE("etl"))->created_us);
    assert_true(slice_equal(role->trust->document, trust_policy));
    assert_true(slice_is(role->policies->name, "read"));
    assert_true(slice_is(iam_resource_find(&iam, ARN)->policies->name, "guests"));
    /* A trust policy without a principal is none. */
    assert_int_equal(iam_role_add(&f.iam, SLICE("x"), os_now_us(), 3600, reader_policy, &error),
                     ERR_INVALID);
    close_fixture(&f);
}

static void a_sessions_policy_limits_it(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE("{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"healthlake:Search*\","
                           "\"Resource\":\"*\"}}"));
    assert_true(ask(&f, &f.key, "healthlake:ReadResource"));
    assert_false(ask(&f, &f.session, "healthlake:ReadResource"));
    assert_says(&f, "because no session policy allows");
    close_fixture(&f);
}

static void changes_apply_without_restart(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    struct slice error;
    struct iam_user *user = iam_user_find(&f.iam, SLICE("app"));
    assert_int_equal(iam_policy_put(&f.iam, &user->policies, POLICY_OF_IDENTITY, SLICE("no"),
                                    SLICE("{\"Statement\":{\"Effect\":\"Deny\",\"Action\":\"*\","
                                          "\"Resource\":\"*\",\"Condition\":{\"IpAddress\":"
                                          "{\"aws:SourceIp\":\"203.0.113.0/24\"}}}}"),
                                    &error),
                     ERR_NONE);
    save(&f);
    wait_for_look();
    assert_false(ask(&f, &f.key, "healthlake:ReadResource"));
    assert_says(&f, "with an explicit deny in an identity-based policy");
    user->keys = NULL;
    save(&f);
    wait_for_look();
    assert_false(ask(&f, &f.key, "healthlake:ReadResource"));
    assert_says(&f, "UnrecognizedClientException");
    close_fixture(&f);
}

static void a_damaged_file_leaves_the_last_good_one_in_force(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    char path[128];
    snprintf(path, sizeof path, "%s/iam.json", f.folder);
    assert_int_equal(os_file_replace(path, SLICE("{\"format\":1,\"users\":["), 0600), ERR_NONE);
    wait_for_look();
    assert_true(ask(&f, &f.key, "healthlake:ReadResource"));
    assert_false(ask(&f, &f.key, "healthlake:DeleteResource"));
    assert_int_equal(f.reports, 1);
    close_fixture(&f);
}

static void secrets_are_sealed_at_rest(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    static const char *const names[] = { "iam.json", "iam-key" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char path[128];
        unsigned mode;
        struct buf bytes;
        buf_init(&bytes, 1 << 20);
        snprintf(path, sizeof path, "%s/%s", f.folder, names[i]);
        assert_int_equal(os_file_mode(path, &mode), ERR_NONE);
        assert_int_equal(mode, 0600);
        assert_int_equal(os_file_read(path, &bytes), ERR_NONE);
        assert_true(slice_find(buf_slice(&bytes), f.key.secret_access_key) < 0);
        assert_true(slice_find(buf_slice(&bytes), f.session.session_token) < 0);
        buf_release(&bytes);
    }
    close_fixture(&f);
}

static void a_sealed_secret_opens_for_its_own_key_alone(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    uint8_t key[IAM_SEAL_KEY_BYTES] = { 7 };
    struct slice sealed, opened;
    assert_int_equal(iam_seal(key, SLICE("TARN1"), SLICE("secret"), &arena, &sealed), ERR_NONE);
    assert_true(iam_unseal(key, SLICE("TARN1"), sealed, &arena, &opened));
    assert_true(slice_is(opened, "secret"));
    assert_false(iam_unseal(key, SLICE("TARN2"), sealed, &arena, &opened));
    for (size_t i = 0; i + 1 < sealed.length; i++) { /* the last has spare bits */
        char *changed = arena_copy(&arena, sealed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(
            iam_unseal(key, SLICE("TARN1"), slice_of(changed, sealed.length), &arena, &opened));
    }
    key[0] = 8;
    assert_false(iam_unseal(key, SLICE("TARN1"), sealed, &arena, &opened));
    assert_false(iam_unseal(key, SLICE("TARN1"), SLICE("AAAA"), &arena, &opened));
    arena_release(&arena);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, SLICE_NONE);
    char path[128];
    snprintf(path, sizeof path, "%s/iam-key", f.folder);
    assert_int_equal(chmod(path, 0644), 0);
    struct iam iam;
    struct slice error;
    assert_int_equal(iam_load(f.folder, &f.arena, &iam, &error), ERR_INVALID);
    assert_true(slice_find(error, SLICE("chmod 600")) > 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(iam_load(f.folder, &f.arena, &iam, &error), ERR_INVALID);
    assert_true(slice_find(error, SLICE("iam-key")) > 0);
    close_fixture(&f);
}

static void what_is_saved_is_read_back(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, reader_policy);
    struct slice error;
    assert_int_equal(iam_group_add(&f.iam, SLICE("g")), ERR_NONE);
    struct iam_group *group = iam_group_find(&f.iam, SLICE("g"));
    assert_int_equal(iam_policy_put(&f.iam, &group->policies, POLICY_OF_IDENTITY, SLICE("p"),
                                    reader_policy, &error),
                     ERR_NONE);
    struct iam_name membership = { NULL, SLICE("g") };
    iam_user_find(&f.iam, SLICE("app"))->groups = &membership;
    save(&f);
    struct iam iam;
    struct policy_list list;
    assert_int_equal(iam_load(f.folder, &f.arena, &iam, &error), ERR_NONE);
    const struct iam_user *user = iam_user_find(&iam, SLICE("app"));
    assert_int_equal(iam_policies_of(&iam, user, &f.arena, &list), ERR_NONE);
    assert_int_equal(list.count, 2);
    assert_true(slice_equal(user->keys->secret, f.key.secret_access_key));
    const struct iam_session *session = iam_session_find(&iam, f.session.access_key_id);
    assert_true(slice_equal(session->policy->document, reader_policy));
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_may_what_its_policy_allows),
        cmocka_unit_test(a_denial_has_awss_words),
        cmocka_unit_test(a_session_needs_its_token),
        cmocka_unit_test(a_session_ends),
        cmocka_unit_test(a_roles_session_may_what_the_role_may_until_it_ends),
        cmocka_unit_test(no_byte_of_a_token_may_change),
        cmocka_unit_test(roles_and_resources_are_read_back),
        cmocka_unit_test(a_sessions_policy_limits_it),
        cmocka_unit_test(changes_apply_without_restart),
        cmocka_unit_test(a_damaged_file_leaves_the_last_good_one_in_force),
        cmocka_unit_test(secrets_are_sealed_at_rest),
        cmocka_unit_test(a_sealed_secret_opens_for_its_own_key_alone),
        cmocka_unit_test(a_file_that_others_may_read_is_refused),
        cmocka_unit_test(what_is_saved_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
