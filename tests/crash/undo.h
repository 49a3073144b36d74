/* undo.h - one record of a file's undo journal, written by shim.c, applied
 * by powercut.c. The overwritten bytes follow it. */
#ifndef TESTS_CRASH_UNDO_H
#define TESTS_CRASH_UNDO_H

#include <stdint.h>

struct undo {
    uint64_t offset;      /* where the change began */
    uint64_t length;      /* bytes written (0 for a growing ftruncate) */
    uint64_t old_size;    /* of the file before */
    uint64_t new_size;    /* of the file after */
    uint64_t saved_bytes; /* old bytes that follow this record */
};

#endif
