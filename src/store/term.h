/* store/term.h - what a document can be found by, as the store sees it. */
#ifndef STORE_TERM_H
#define STORE_TERM_H

#include <stdint.h>

#include "base/slice.h"

struct term {
    uint32_t field;     /* opaque number; groups values. 0x80000000 to 0xbfffffff and
                         * 0xffffffff are the store's own */
    struct slice value; /* opaque bytes, at most TERM_VALUE_BYTES_MAX; byte order counts */
};

/* Longer values are cut by the caller, who must then check bodies. */
enum { TERM_VALUE_BYTES_MAX = 1024 };

#endif
