#include "os/heap.h"

#include <malloc.h>
#include <unistd.h>

enum { HEAPS_MIN = 2 };

void os_heap_settle(void)
{
#ifdef M_ARENA_MAX /* glibc's */
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    (void)mallopt(M_ARENA_MAX, cores > HEAPS_MIN ? (int)cores : HEAPS_MIN);
#endif
}
