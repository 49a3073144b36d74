#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/clock.h"
#include "os/process.h"

static enum err run(const char *command, int64_t timeout_ms, struct buf *out, int *status)
{
    buf_init(out, 1000);
    *status = -1;
    return os_process_output(command, timeout_ms, out, status);
}

static void output_and_status_come_back(void **state)
{
    (void)state;
    struct buf out;
    int status;
    assert_int_equal(run("printf 'a b\\n'; cat; exit 7", 10000, &out, &status), ERR_NONE);
    assert_true(slice_is(buf_slice(&out), "a b\n")); /* its input is empty */
    assert_int_equal(status, 7);
    buf_release(&out);
    assert_int_equal(run("kill -TERM $$", 10000, &out, &status), ERR_NONE);
    assert_int_equal(status, 128 + 15);
    buf_release(&out);
    assert_int_equal(run("no-such-command-of-ours 2>/dev/null", 10000, &out, &status), ERR_NONE);
    assert_int_equal(status, 127);
    buf_release(&out);
}

static void what_does_not_end_is_ended_with_its_children(void **state)
{
    (void)state;
    struct buf out;
    int status;
    int64_t begin_us = os_monotonic_us();
    assert_int_equal(run("sleep 60 & sleep 60", 100, &out, &status), ERR_TIMEOUT);
    assert_int_equal(status, 128 + 9);
    assert_true(os_monotonic_us() - begin_us < 5000000);
    buf_release(&out);
    assert_int_equal(run("yes", 10000, &out, &status), ERR_LIMIT);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_status_come_back),
        cmocka_unit_test(what_does_not_end_is_ended_with_its_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
