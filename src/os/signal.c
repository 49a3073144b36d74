#include "os/signal.h"

#include <pthread.h>

#include "base/check.h"

void os_signals_block(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    CHECK(pthread_sigmask(SIG_BLOCK, ret_set, NULL) == 0);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    CHECK(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

void os_signals_wait(const sigset_t *set)
{
    int number;
    CHECK(sigwait(set, &number) == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, set, NULL) == 0);
}
