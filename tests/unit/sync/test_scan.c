#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "sync/scan.h"
#include "support.h"

/* Entries joined by '|', or '!' and why it was refused. */
static char *scan_all(const char *text)
{
    struct spool spool;
    struct scan scan;
    struct slice entry;
    struct buf out;
    spool_of(&spool, text);
    scan_init(&scan, spool.fd, spool.bytes);
    buf_init(&out, 1 << 20);
    enum err err;
    while (!(err = scan_next(&scan, &entry)) && entry.bytes) {
        if (out.length)
            buf_append_byte(&out, '|');
        buf_append(&out, entry);
    }
    if (err)
        buf_printf(&out, "!%s", scan.is_cut ? "cut" : scan.error);
    buf_append_byte(&out, '\0');
    scan_release(&scan);
    spool_close(&spool);
    return out.bytes;
}

static void expect(const char *text, const char *wanted)
{
    char *got = scan_all(text);
    assert_string_equal(got, wanted);
    free(got);
}

static void entries_come_one_by_one_wherever_the_array_stands(void **state)
{
    (void)state;
    expect("{\"entry\":[{\"a\":1},{\"b\":[2,{}]}]}", "{\"a\":1}|{\"b\":[2,{}]}");
    expect("{\"x\":{\"entry\":[9]},\"entry\":[1],\"y\":\"]\"}", "1");
    expect(" { \"entry\" : [ ] } \n", "");
    expect("{}", "");
    expect("{\"a\":1}", "");
}

static void brackets_and_quotes_inside_strings_do_not_count(void **state)
{
    (void)state;
    expect("{\"entry\":[{\"a\":\"]}\\\"[{\\\\\"}]}", "{\"a\":\"]}\\\"[{\\\\\"}");
}

static void blanks_between_tokens_go_those_in_strings_stay(void **state)
{
    (void)state;
    expect("{\"entry\":[ { \"a b\" :\n1 } , 2 ]}", "{\"a b\":1}|2");
}

static void a_text_that_ends_early_is_cut_not_wrong(void **state)
{
    (void)state;
    const char *whole = "{\"x\":[1],\"entry\":[{\"a\":\"b\\\"\"},{\"c\":1.5}],\"link\":[]}";
    for (size_t n = 0; n < strlen(whole); n++) {
        char *part = strndup(whole, n);
        char *got = scan_all(part);
        assert_non_null(strstr(got, "!cut"));
        free(got);
        free(part);
    }
}

static void hostile_skeletons_are_refused(void **state)
{
    (void)state;
    expect("[]", "!expected a JSON object");
    expect("{\"entry\":{}}", "!\"entry\" is no array");
    expect("{\"entry\":null}", "!\"entry\" is no array");
    expect("{\"entry\":[1 2]}", "1!expected a comma or ']'");
    expect("{\"entry\":[1],\"entry\":[2]}", "1!two \"entry\" members");
    expect("{\"entr\\u0079\":[1]}", "!an escape in a top-level name");
    expect("{\"entry\":[{]}]}", "!a closing bracket that does not fit");
    expect("{\"a\":[1}", "!a closing bracket that does not fit");
    expect("{\"a\":1} x", "!something follows the last bracket");
    expect("{\"a\":1,}", "!expected a member's name");
    expect("{\"a\" 1}", "!expected a colon");
    expect("{,\"a\":1}", "!expected a member's name");
    expect("{\"a\":\"\n\"}", "!a control character inside a string");
    expect("{\"entry\":[,1]}", "!expected a value");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "{\"entry\":[");
    for (int i = 0; i < 100000; i++)
        buf_append_byte(&text, '[');
    buf_append_byte(&text, '\0');
    expect(text.bytes, "!nested too deeply");
    buf_release(&text);
}

static void entries_longer_than_the_window_are_whole(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 22);
    buf_append_cstr(&text, "{\"entry\":[\"");
    for (int i = 0; i < 3 * SCAN_WINDOW_BYTES; i++)
        buf_append_byte(&text, (char)('a' + i % 26));
    buf_append_cstr(&text, "\",7],\"type\":\"x\"}");
    struct spool spool;
    struct scan scan;
    struct slice entry;
    spool_init(&spool, UINT64_MAX);
    assert_int_equal(spool_open(&spool), ERR_NONE);
    assert_int_equal(spool_append(&spool, buf_slice(&text)), ERR_NONE);
    assert_int_equal(spool_flush(&spool), ERR_NONE);
    scan_init(&scan, spool.fd, spool.bytes);
    assert_int_equal(scan_next(&scan, &entry), ERR_NONE);
    assert_int_equal(entry.length, 3 * SCAN_WINDOW_BYTES + 2);
    assert_int_equal(scan_next(&scan, &entry), ERR_NONE);
    assert_slice(entry, "7");
    assert_int_equal(scan_next(&scan, &entry), ERR_NONE);
    assert_null(entry.bytes);
    assert_slice(scan_member(&scan, SLICE("type")), "\"x\"");
    scan_release(&scan);
    spool_close(&spool);
    buf_release(&text);
}

static void other_members_are_kept_and_too_long_ones_are_not_taken_for_absent(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "{\"link\":[\"");
    for (int i = 0; i < SCAN_KEPT_BYTES; i++)
        buf_append_byte(&text, 'a');
    buf_append_cstr(&text, "\"],\"type\" : { \"a\" : 1 }}");
    buf_append_byte(&text, '\0');
    struct spool spool;
    struct scan scan;
    struct slice entry;
    spool_of(&spool, text.bytes);
    scan_init(&scan, spool.fd, spool.bytes);
    assert_int_equal(scan_next(&scan, &entry), ERR_NONE);
    assert_null(entry.bytes);
    struct slice link = scan_member(&scan, SLICE("link"));
    assert_non_null(link.bytes);
    assert_int_equal(link.length, 0);
    assert_slice(scan_member(&scan, SLICE("type")), "{\"a\":1}");
    assert_null(scan_member(&scan, SLICE("lin")).bytes);
    scan_release(&scan);
    spool_close(&spool);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_one_by_one_wherever_the_array_stands),
        cmocka_unit_test(brackets_and_quotes_inside_strings_do_not_count),
        cmocka_unit_test(blanks_between_tokens_go_those_in_strings_stay),
        cmocka_unit_test(a_text_that_ends_early_is_cut_not_wrong),
        cmocka_unit_test(hostile_skeletons_are_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(entries_longer_than_the_window_are_whole),
        cmocka_unit_test(other_members_are_kept_and_too_long_ones_are_not_taken_for_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
