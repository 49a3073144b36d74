/* os/signal.h - the signals that end a server verb. */
#ifndef OS_SIGNAL_H
#define OS_SIGNAL_H

#include <signal.h>

/* Block SIGTERM and SIGINT and ignore SIGPIPE. Called before any thread starts,
 * so that all inherit it and only os_signals_wait() sees the two. */
void os_signals_block(sigset_t *ret_set);

/* Wait for one of them, then let them through again: a second signal ends the
 * process at once and does not wait for clients. */
void os_signals_wait(const sigset_t *set);

#endif
