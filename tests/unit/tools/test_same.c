#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define main same_main
int same_main(int count, char **words);
#include "../../../tools/same/same.c"
#undef main

#include <unistd.h>

#include "os/file.h"

static char folder[] = "/tmp/tarn-same-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return os_folder_remove(folder) ? -1 : 0;
}

static int same(const char *a, const char *b, const char *ignored)
{
    char paths[2][100];
    const char *texts[2] = { a, b };
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d.json", folder, i);
        assert_int_equal(os_file_replace(paths[i], slice_cstr(texts[i]), 0600), ERR_NONE);
    }
    char name[] = "same", option[] = "--ignore-meta", member[20];
    snprintf(member, sizeof member, "%s", ignored ? ignored : "none");
    char *words[] = { name, option, member, paths[0], paths[1], NULL };
    return same_main(5, words);
}

static void number_text_counts_and_white_space_does_not(void **state)
{
    (void)state;
    const char *a = "{\"resourceType\":\"X\",\"id\":\"1\",\"v\":1.10}";
    assert_int_equal(same(a, "{ \"resourceType\": \"X\",\n\"id\": \"1\", \"v\": 1.10 }", NULL), 0);
    assert_int_equal(same(a, "{\"resourceType\":\"X\",\"id\":\"1\",\"v\":1.1}", NULL), 1);
    assert_int_equal(same(a, "{\"resourceType\":\"X\",\"id\":\"2\",\"v\":1.10}", NULL), 1);
    assert_int_equal(same(a, "{\"resourceType\":\"X\"", NULL), 2);
}

static void versions_and_named_members_of_meta_are_ignored(void **state)
{
    (void)state;
    const char *a = "{\"resourceType\":\"X\",\"id\":\"1\","
                    "\"meta\":{\"project\":\"p\",\"versionId\":\"1\"},"
                    "\"contained\":[{\"meta\":{\"project\":\"q\"},\"id\":\"c\"}]}";
    const char *b = "{\"resourceType\":\"X\",\"id\":\"1\",\"contained\":[{\"id\":\"c\"}]}";
    assert_int_equal(same(a, b, "project"), 0);
    assert_int_equal(same(a, b, "source"), 1);
    const char *c = "{\"resourceType\":\"X\",\"id\":\"1\",\"contained\":[{\"id\":\"c\","
                    "\"meta\":{\"versionId\":\"1\"}}]}";
    assert_int_equal(same(b, c, "project"), 1);
}

static void bundles_and_lines_are_unpacked(void **state)
{
    (void)state;
    const char *bundle = "{\"resourceType\":\"Bundle\",\"entry\":["
                         "{\"resource\":{\"resourceType\":\"X\",\"id\":\"1\"}},"
                         "{\"resource\":{\"resourceType\":\"X\",\"id\":\"2\"}}]}";
    const char *lines = "{\"resourceType\":\"X\",\"id\":\"2\"}\n"
                        "{\"resourceType\":\"X\",\"id\":\"1\",\"meta\":{}}\n\n";
    assert_int_equal(same(bundle, lines, NULL), 0);
    const char *differing = "{\"resourceType\":\"X\",\"id\":\"2\"}\n{\"resourceType\":\"X\",\"id\":"
                            "\"1\"}\n{\"resourceType\":\"X\",\"id\":\"1\",\"v\":2}\n";
    assert_int_equal(same(bundle, differing, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_text_counts_and_white_space_does_not),
        cmocka_unit_test(versions_and_named_members_of_meta_are_ignored),
        cmocka_unit_test(bundles_and_lines_are_unpacked),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
