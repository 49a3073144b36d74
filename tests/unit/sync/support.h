/* What the tests of sync share: a spool with a text in it. */
#ifndef TESTS_SYNC_SUPPORT_H
#define TESTS_SYNC_SUPPORT_H

#include "sync/spool.h"

static inline void spool_of(struct spool *s, const char *text)
{
    spool_init(s, UINT64_MAX);
    assert_int_equal(spool_open(s), ERR_NONE);
    assert_int_equal(spool_append(s, slice_cstr(text)), ERR_NONE);
    assert_int_equal(spool_flush(s), ERR_NONE);
}

static inline void assert_slice(struct slice got, const char *wanted)
{
    if (got.length != strlen(wanted) || (got.length && memcmp(got.bytes, wanted, got.length) != 0))
        fail_msg("got %.*s, wanted %s", SLICE_ARGS(got), wanted);
}

#endif
