#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/file.h"
#include "sync/ledger.h"
#include "support.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tarn-ledger-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return os_folder_remove(folder) ? -1 : 0;
}

static void member_of(struct member *m, const char *const *resources, size_t count)
{
    struct transform t;
    enum member_added added;
    transform_init(&t, 1);
    member_init(m, 1);
    assert_int_equal(member_open(m), ERR_NONE);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(transform_resource(&t, slice_cstr(resources[i])), ERR_NONE);
        assert_int_equal(member_add(m, &t, &added), ERR_NONE);
    }
    assert_int_equal(member_resolve(m), ERR_NONE);
    transform_release(&t);
}

static const char *const FIRST[] = {
    "{\"resourceType\":\"Basic\",\"id\":\"1\",\"a\":1}",
    "{\"resourceType\":\"Basic\",\"id\":\"2\",\"a\":1}",
    "{\"resourceType\":\"Basic\",\"id\":\"3\",\"a\":1}",
};
static const char *const SECOND[] = {
    "{\"resourceType\":\"Basic\",\"id\":\"1\",\"a\":1,\"meta\":{\"versionId\":\"9\"}}",
    "{\"resourceType\":\"Basic\",\"id\":\"2\",\"a\":2}",
    "{\"resourceType\":\"Basic\",\"id\":\"4\",\"a\":1}",
};
#define TARGET SLICE("https://target/r4")

static void remember(const char *const *resources, size_t count, enum member_state last)
{
    struct member m;
    struct ledger l;
    member_of(&m, resources, count);
    for (size_t i = 0; i < count; i++)
        member_row(&m, i)->state = (uint8_t)(i + 1 < count ? MEMBER_CREATED : last);
    ledger_init(&l);
    assert_int_equal(ledger_load(&l, folder, TARGET, SLICE("c")), ERR_NONE);
    assert_int_equal(ledger_store(&l, &m, folder, TARGET, SLICE("c")), ERR_NONE);
    ledger_release(&l);
    member_close(&m);
}

static void it_tells_same_other_and_unknown_after_a_restart(void **state)
{
    (void)state;
    struct member m;
    struct ledger l;
    remember(FIRST, 3, MEMBER_CREATED);
    member_of(&m, SECOND, 3);
    ledger_init(&l);
    assert_int_equal(ledger_load(&l, folder, TARGET, SLICE("c")), ERR_NONE);
    assert_int_equal(ledger_ask(&l, &m, member_row(&m, 0)), LEDGER_SAME);
    assert_int_equal(ledger_ask(&l, &m, member_row(&m, 1)), LEDGER_OTHER);
    assert_int_equal(ledger_ask(&l, &m, member_row(&m, 2)), LEDGER_UNKNOWN);
    ledger_release(&l);
    member_close(&m);
}

static void what_failed_is_not_remembered_and_what_was_not_delivered_stays(void **state)
{
    (void)state;
    struct member m;
    struct ledger l;
    remember(FIRST, 3, MEMBER_CREATED);
    remember(SECOND, 3, MEMBER_FAILED);
    ledger_init(&l);
    assert_int_equal(ledger_load(&l, folder, TARGET, SLICE("c")), ERR_NONE);
    assert_int_equal(l.count, 3);
    member_of(&m, SECOND, 3);
    assert_int_equal(ledger_ask(&l, &m, member_row(&m, 1)), LEDGER_SAME);
    assert_int_equal(ledger_ask(&l, &m, member_row(&m, 2)), LEDGER_UNKNOWN);
    member_close(&m);
    member_of(&m, FIRST, 3);
    assert_int_equal(ledger_ask(&l, &m, member_row(&m, 2)), LEDGER_SAME);
    member_close(&m);
    ledger_release(&l);
}

static void another_target_or_consent_has_its_own(void **state)
{
    (void)state;
    struct ledger l;
    remember(FIRST, 3, MEMBER_CREATED);
    ledger_init(&l);
    assert_int_equal(ledger_load(&l, folder, SLICE("https://other/r4"), SLICE("c")), ERR_NONE);
    assert_int_equal(l.count, 0);
    assert_int_equal(ledger_load(&l, folder, TARGET, SLICE("../../etc/passwd")), ERR_NONE);
    assert_int_equal(l.count, 0);
    ledger_release(&l);
}

/* Every bit of the file is guarded: a flipped one makes it count as absent. */
static void a_damaged_file_counts_as_absent(void **state)
{
    (void)state;
    struct ledger l;
    char command[200], path[200] = "";
    remember(FIRST, 3, MEMBER_CREATED);
    snprintf(command, sizeof command, "ls %s/*.ledger", folder);
    FILE *list = popen(command, "r");
    assert_non_null(fgets(path, sizeof path, list));
    pclose(list);
    path[strcspn(path, "\n")] = '\0';
    struct buf content;
    buf_init(&content, 1 << 16);
    assert_int_equal(os_file_read(path, &content), ERR_NONE);
    for (size_t i = 0; i < content.length; i++) {
        content.bytes[i] = (char)(content.bytes[i] ^ 1);
        FILE *f = fopen(path, "w");
        fwrite(content.bytes, 1, content.length, f);
        fclose(f);
        ledger_init(&l);
        assert_int_equal(ledger_load(&l, folder, TARGET, SLICE("c")), ERR_NONE);
        assert_int_equal(l.count, 0);
        ledger_release(&l);
        content.bytes[i] = (char)(content.bytes[i] ^ 1);
    }
    buf_release(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_tells_same_other_and_unknown_after_a_restart,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            what_failed_is_not_remembered_and_what_was_not_delivered_stays, make_folder,
            remove_folder),
        cmocka_unit_test_setup_teardown(another_target_or_consent_has_its_own, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_damaged_file_counts_as_absent, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
