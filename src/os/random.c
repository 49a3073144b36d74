#include "os/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/check.h"

void os_random(void *out, size_t length)
{
    char *at = out;
    while (length) {
        ssize_t n = getrandom(at, length, 0);
        if (n < 0 && errno == EINTR)
            continue;
        CHECK(n > 0);
        at += n;
        length -= (size_t)n;
    }
}

uint64_t os_random_u64(void)
{
    uint64_t value;
    os_random(&value, sizeof value);
    return value;
}
