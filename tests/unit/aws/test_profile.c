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
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "AWS_PROFILE",       "AWS_REGION",            "AWS_DEFAULT_REGION",
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
               "[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = default\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_profile_is_read),
        cmocka_unit_test(a_chosen_profile_goes_before_the_environment),
        cmocka_unit_test(what_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
