#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "aws/aws.h"
#include "os/file.h"

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
    "AWS_REGION",        "AWS_DEFAULT_REGION",
};

struct fixture {
    struct arena arena;
    char folder[64];
    struct aws_credentials credentials;
    struct slice region, text;
};

static void write_file(struct fixture *f, const char *name, const char *variable,
                       const char *content)
{
    struct slice path = arena_printf(&f->arena, "%s/%s", f->folder, name);
    assert_int_equal(os_file_replace(path.bytes, slice_cstr(content), 0600), ERR_NONE);
    setenv(variable, path.bytes, 1);
}

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){ .folder = "/tmp/tarn-profile-XXXXXX" };
    arena_init(&f->arena, 1 << 20);
    assert_non_null(mkdtemp(f->folder));
    for (size_t i = 0; i < ARRAY_COUNT(variables); i++)
        unsetenv(variables[i]);
    write_file(f, "credentials", "AWS_SHARED_CREDENTIALS_FILE",
               "# the keys\n"
               "[default]\n"
               "aws_access_key_id = AKIDDEFAULT\n"
               "aws_secret_access_key=se/cret+default= # old\r\n"
               "\n[work]\n"
               "  nested = is passed over\n"
               "aws_access_key_id = AKIDWORK\n"
               "aws_secret_access_key = secret-work\n"
               "aws_session_token = token-work\n"
               "[half]\n"
               "aws_access_key_id = AKIDHALF\n");
    write_file(f, "config", "AWS_CONFIG_FILE",
               "[default]\nregion = eu-west-1\n"
               "[profile work]\nregion = us-west-2\n"
               "[work]\nregion = nowhere\n"
               "[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n"
               "role_session_name = me\nexternal_id = e1\nduration_seconds = 900\n"
               "[profile chained]\nrole_arn = arn:aws:iam::1:role/y\nsource_profile = role\n"
               "[profile round]\nrole_arn = arn:aws:iam::1:role/z\nsource_profile = round2\n"
               "[profile round2]\nrole_arn = arn:aws:iam::1:role/z\nsource_profile = round\n"
               "[profile env]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = Environment\n"
               "[profile metal]\nrole_arn = arn:aws:iam::1:role/x\n"
               "credential_source = Ec2InstanceMetadata\n"
               "[profile mfa]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n"
               "mfa_serial = m\n"
               "[profile sso]\nsso_session = s\n"
               "[profile process]\nregion = eu-north-1\ncredential_process = printf "
               "'{\"Version\":1,\"AccessKeyId\":\"AKIDPROC\",\"SecretAccessKey\":\"%s\","
               "\"SessionToken\":\"t\"}' secret-proc\n"
               "[profile viaprocess]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = process\n"
               "[profile failing]\ncredential_process = echo secret; exit 3\n"
               "[profile talking]\ncredential_process = echo no credentials\n"
               "[profile endless]\ncredential_process = yes\n");
}

static void close_fixture(struct fixture *f)
{
    assert_int_equal(os_folder_remove(f->folder), ERR_NONE);
    arena_release(&f->arena);
}

static enum err find(struct fixture *f, const char *profile)
{
    return aws_credentials_find(&f->arena, profile, &f->credentials, &f->region, &f->text);
}

static void the_default_profile_is_read(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    assert_int_equal(find(&f, NULL), ERR_NONE);
    assert_true(slice_is(f.credentials.access_key_id, "AKIDDEFAULT"));
    assert_true(slice_is(f.credentials.secret_access_key, "se/cret+default="));
    assert_true(slice_is(f.region, "eu-west-1"));
    close_fixture(&f);
}

static void a_chosen_profile_goes_before_the_environment(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret-env", 1);
    assert_int_equal(find(&f, NULL), ERR_NONE);
    assert_true(slice_is(f.credentials.access_key_id, "AKIDENV"));
    setenv("AWS_PROFILE", "work", 1);
    assert_int_equal(find(&f, NULL), ERR_NONE);
    assert_true(slice_is(f.credentials.access_key_id, "AKIDWORK"));
    assert_true(slice_is(f.credentials.session_token, "token-work"));
    assert_true(slice_is(f.region, "us-west-2"));
    setenv("AWS_REGION", "ap-south-1", 1);
    assert_int_equal(find(&f, "default"), ERR_NONE);
    assert_true(slice_is(f.credentials.access_key_id, "AKIDDEFAULT"));
    assert_true(slice_is(f.region, "ap-south-1"));
    close_fixture(&f);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f);
    assert_int_equal(find(&f, "absent"), ERR_NOT_FOUND);
    assert_true(slice_find(f.text, SLICE("no such profile")) >= 0);
    assert_int_equal(find(&f, "half"), ERR_INVALID);
    assert_true(slice_find(f.text, SLICE("aws_secret_access_key")) >= 0);
    assert_int_equal(find(&f, "role"), ERR_UNSUPPORTED);
    assert_true(slice_find(f.text, SLICE("role_arn")) >= 0);
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    assert_int_equal(find(&f, NULL), ERR_INVALID);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/at/all", 1);
    unsetenv("AWS_ACCESS_KEY_ID");
    assert_int_equal(find(&f, NULL), ERR_NOT_FOUND);
    close_fixture(&f);
}

/* ---- roles and processes ---- */

struct asked {
    unsigned count;
    struct aws_assumption last, first;
};

static enum err pretend(void *context, struct arena *a, const struct aws_assumption *what,
                        struct aws_credentials *ret, struct slice *ret_text)
{
    struct asked *asked = context;
    (void)ret_text;
    if (!asked->count++)
        asked->first = *what;
    asked->last = *what;
    *ret =
        (struct aws_credentials){ arena_printf(a, "ASIA%u", asked->count), SLICE("s"), SLICE("t") };
    return ERR_NONE;
}

static enum err resolve(struct fixture *f, const char *profile, struct asked *asked)
{
    *asked = (struct asked){ 0 };
    return aws_credentials_resolve(&f->arena, profile, pretend, asked, &f->credentials, &f->region,
                                   &f->text);
}

static void a_role_is_assumed_with_its_source(void **state)
{
    (void)state;
    struct fixture f;
    struct asked asked;
    open_fixture(&f);
    assert_int_equal(resolve(&f, "role", &asked), ERR_NONE);
    assert_true(slice_is(f.credentials.access_key_id, "ASIA1"));
    assert_true(slice_is(asked.last.role_arn, "arn:aws:iam::1:role/x"));
    assert_true(slice_is(asked.last.session_name, "me"));
    assert_true(slice_is(asked.last.external_id, "e1"));
    assert_int_equal(asked.last.seconds, 900);
    assert_true(slice_is(asked.last.source.access_key_id, "AKIDDEFAULT"));
    assert_int_equal(resolve(&f, "chained", &asked), ERR_NONE);
    assert_int_equal(asked.count, 2);
    assert_true(slice_is(asked.first.role_arn, "arn:aws:iam::1:role/x"));
    assert_true(slice_is(asked.last.source.access_key_id, "ASIA1"));
    assert_int_equal(resolve(&f, "round", &asked), ERR_INVALID);
    assert_true(slice_find(f.text, SLICE("circle")) > 0);
    assert_int_equal(resolve(&f, "metal", &asked), ERR_UNSUPPORTED);
    assert_int_equal(resolve(&f, "mfa", &asked), ERR_UNSUPPORTED);
    assert_true(slice_find(f.text, SLICE("mfa_serial")) > 0);
    assert_int_equal(resolve(&f, "sso", &asked), ERR_UNSUPPORTED);
    assert_int_equal(resolve(&f, "env", &asked), ERR_UNSUPPORTED);
    setenv("AWS_ACCESS_KEY_ID", "AKIDENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret-env", 1);
    assert_int_equal(resolve(&f, "env", &asked), ERR_NONE);
    assert_true(slice_is(asked.last.source.access_key_id, "AKIDENV"));
    close_fixture(&f);
}

static void a_process_prints_credentials(void **state)
{
    (void)state;
    struct fixture f;
    struct asked asked;
    open_fixture(&f);
    assert_int_equal(find(&f, "process"), ERR_NONE);
    assert_true(slice_is(f.credentials.access_key_id, "AKIDPROC"));
    assert_true(slice_is(f.credentials.secret_access_key, "secret-proc"));
    assert_true(slice_is(f.credentials.session_token, "t"));
    assert_true(slice_is(f.region, "eu-north-1"));
    assert_int_equal(resolve(&f, "viaprocess", &asked), ERR_NONE);
    assert_true(slice_is(asked.last.source.access_key_id, "AKIDPROC"));
    assert_int_equal(find(&f, "failing"), ERR_INVALID);
    assert_true(slice_find(f.text, SLICE("status 3")) > 0);
    assert_true(slice_find(f.text, SLICE("secret")) < 0);
    assert_int_equal(find(&f, "talking"), ERR_INVALID);
    assert_int_equal(find(&f, "endless"), ERR_LIMIT);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_profile_is_read),
        cmocka_unit_test(a_chosen_profile_goes_before_the_environment),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_role_is_assumed_with_its_source),
        cmocka_unit_test(a_process_prints_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
