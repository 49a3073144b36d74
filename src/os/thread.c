#define _DEFAULT_SOURCE /* syscall() */
#include "os/thread.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's struct sched_attr in its first form; the C library of Debian 12 has none. */
struct scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

void os_thread_be_nice(void)
{
    (void)!setpriority(PRIO_PROCESS, 0, 10); /* on Linux of the calling thread alone */
}

void os_thread_be_prompt(void)
{
#ifdef SYS_sched_setattr
    struct scheduling s = { 0 };
    if (syscall(SYS_sched_getattr, 0, &s, sizeof s, 0) != 0 || s.policy != 0 /* SCHED_OTHER */)
        return;
    s.size = sizeof s;
    s.runtime_ns = PROMPT_SLICE_NS;
    (void)!syscall(SYS_sched_setattr, 0, &s, 0);
#endif
}
