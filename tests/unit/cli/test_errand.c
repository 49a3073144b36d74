/* Where settings come from: option, environment, .env, profile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/errand.h"
#include "os/file.h"

static void expect_setting(const char *text, const char *name, const char *wanted)
{
    struct arena a;
    struct dotenv d;
    size_t line;
    arena_init(&a, 1 << 20);
    assert_int_equal(dotenv_parse(slice_cstr(text), &a, &d, &line), ERR_NONE);
    const char *got = dotenv_find(&d, name);
    if (wanted)
        assert_string_equal(got, wanted);
    else
        assert_null(got);
    arena_release(&a);
}

static void env_files_are_read_as_people_write_them(void **state)
{
    (void)state;
    expect_setting("A=b", "A", "b");
    expect_setting("# c\r\n\n export A = b c  # d\r\n", "A", "b c");
    expect_setting("A='b # \"c\\n'", "A", "b # \"c\\n");
    expect_setting("A=\"b\\n\\\"c\\\\\\x\" # d", "A", "b\n\"c\\\\x");
    expect_setting("A=b#c", "A", "b#c");
    expect_setting("A=1\nA=2", "A", "1");
    expect_setting("A=\nB=$A", "A", NULL);
    expect_setting("A=\nB=$A", "B", "$A");
    expect_setting("AB=1", "A", NULL);
}

static void a_line_that_is_none_is_named(void **state)
{
    (void)state;
    static const char *const wrong[] = { "A=1\nB", "A=1\n2B=1", "A=1\nB=\"x", "A=1\nB='x' y",
                                         "A=1\n=x" };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct arena a;
        struct dotenv d;
        size_t line;
        arena_init(&a, 1 << 20);
        assert_int_equal(dotenv_parse(slice_cstr(wrong[i]), &a, &d, &line), ERR_SYNTAX);
        assert_int_equal(line, 2);
        arena_release(&a);
    }
}

struct place {
    char folder[64], env[128], profiles[128];
};

static void write_file(const char *path, const char *text)
{
    assert_int_equal(os_file_replace(path, slice_cstr(text), 0600), ERR_NONE);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "/tmp/tarn-errand-XXXXXX");
    if (!mkdtemp(p->folder))
        return -1;
    snprintf(p->env, sizeof p->env, "%s/env", p->folder);
    snprintf(p->profiles, sizeof p->profiles, "%s/credentials", p->folder);
    write_file(p->env, "HEALTHLAKE_ENDPOINT=http://dotenv/r4\nAWS_ACCESS_KEY_ID=DOTENV\n"
                       "AWS_SECRET_ACCESS_KEY=s\nAWS_REGION=eu-dotenv-1\n");
    write_file(p->profiles, "[default]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n"
                            "[other]\naws_access_key_id = OTHER\naws_secret_access_key = s\n");
    static const char *const names[] = { "HEALTHLAKE_ENDPOINT", "AWS_REGION", "AWS_PROFILE",
                                         "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                         "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        unsetenv(names[i]);
    setenv("AWS_SHARED_CREDENTIALS_FILE", p->profiles, 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    enum err err = os_folder_remove(p->folder);
    free(p);
    return err ? -1 : 0;
}

/* "endpoint region key" that come out. */
static void expect(struct errand e, const char *wanted)
{
    struct arena a;
    struct dotenv d;
    struct sync_settings s = { .batch = false };
    char got[200];
    arena_init(&a, 1 << 20);
    e.quiet = true;
    assert_int_equal(errand_find("test", &e, &a, &d, &s), -1);
    snprintf(got, sizeof got, "%.*s %.*s %.*s", SLICE_ARGS(s.endpoint), SLICE_ARGS(s.region),
             SLICE_ARGS(s.credentials.access_key_id));
    assert_string_equal(got, wanted);
    arena_release(&a);
}

static void each_setting_comes_from_the_first_that_has_it(void **state)
{
    struct place *p = *state;
    expect((struct errand){ .env_file = p->env }, "http://dotenv/r4 eu-dotenv-1 DOTENV");
    setenv("HEALTHLAKE_ENDPOINT", "http://environment/r4", 1);
    setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    expect((struct errand){ .env_file = p->env }, "http://environment/r4 eu-dotenv-1 ENVIRONMENT");
    expect((struct errand){ .env_file = p->env, .endpoint = "http://option/r4",
                            .region = "us-option-1", .profile = "other" },
           "http://option/r4 us-option-1 OTHER");
}

static void a_profile_comes_last_unless_it_was_chosen(void **state)
{
    struct place *p = *state;
    write_file(p->env, "HEALTHLAKE_ENDPOINT=http://x/r4\n");
    expect((struct errand){ .env_file = p->env }, "http://x/r4 us-east-1 PROFILE");
    write_file(p->env, "HEALTHLAKE_ENDPOINT=http://x/r4\nAWS_PROFILE=other\n");
    expect((struct errand){ .env_file = p->env }, "http://x/r4 us-east-1 OTHER");
    setenv("AWS_PROFILE", "default", 1);
    expect((struct errand){ .env_file = p->env }, "http://x/r4 us-east-1 PROFILE");
}

static void without_any_key_nothing_is_signed_except_for_aws(void **state)
{
    struct place *p = *state;
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    write_file(p->env, "HEALTHLAKE_ENDPOINT=http://x/r4\n");
    expect((struct errand){ .env_file = p->env }, "http://x/r4 us-east-1 ");
    struct arena a;
    struct dotenv d;
    struct sync_settings s = { .batch = false };
    arena_init(&a, 1 << 20);
    struct errand e = { .env_file = p->env, .quiet = true,
                        .endpoint = "https://healthlake.us-east-1.amazonaws.com/datastore/1/r4" };
    assert_int_equal(errand_find("test", &e, &a, &d, &s), 1);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(env_files_are_read_as_people_write_them),
        cmocka_unit_test(a_line_that_is_none_is_named),
        cmocka_unit_test_setup_teardown(each_setting_comes_from_the_first_that_has_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_profile_comes_last_unless_it_was_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(without_any_key_nothing_is_signed_except_for_aws, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
