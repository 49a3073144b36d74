/* tests/unit/outside.h - the data folder that is not part of the project.
 *
 * TARN_DATA names it; without that it is ../shared/data beside the project's
 * root, where the tests run. Where it is absent a test is skipped, but fails
 * when CI=true. Include cmocka.h first.
 */
#ifndef TESTS_OUTSIDE_H
#define TESTS_OUTSIDE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "os/file.h"

/* "<folder>/<name>" into `path`; skips the test when it is not there. */
UNUSED static void outside_path(const char *name, char path[static 1024])
{
    const char *folder = getenv("TARN_DATA");
    snprintf(path, 1024, "%s/%s", folder && *folder ? folder : "../shared/data", name);
    if (os_file_exists(path))
        return;
    const char *ci = getenv("CI");
    if (ci && strcmp(ci, "true") == 0)
        fail_msg("%s is missing, and CI needs it", path);
    print_message("%s is not there\n", path);
    skip();
}

/* The whole file in `out`, which the caller releases. */
UNUSED static void outside_read(const char *name, struct buf *out)
{
    char path[1024];
    outside_path(name, path);
    buf_init(out, (size_t)256 << 20);
    assert_int_equal(os_file_read(path, out), ERR_NONE);
}

#endif
