#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"

enum { PIECE_BYTES = 4096 };

extern char **environ;

/* In a process group of its own, so that ending it ends its children. */
static enum err start(const char *command, int write_end, pid_t *ret_pid)
{
    char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)(uintptr_t)command, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ERR_NO_MEMORY;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return ERR_NO_MEMORY;
    }
    int failed = posix_spawn_file_actions_adddup2(&actions, write_end, STDOUT_FILENO);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    if (!failed)
        failed = posix_spawnattr_setpgroup(&attributes, 0);
    if (!failed)
        failed = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    errno = failed;
    return failed ? ERR_IO : ERR_NONE;
}

static enum err read_all(int fd, int64_t timeout_ms, struct buf *out)
{
    int64_t end_us = os_monotonic_us() + timeout_ms * 1000;
    for (;;) {
        int64_t left_ms = (end_us - os_monotonic_us()) / 1000;
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int ready = left_ms > 0 ? poll(&wait, 1, (int)MIN(left_ms, 60000)) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return ERR_IO;
        if (ready == 0) {
            if (left_ms <= 0)
                return ERR_TIMEOUT;
            continue;
        }
        char piece[PIECE_BYTES];
        ssize_t length = read(fd, piece, sizeof piece);
        if (length < 0 && errno != EINTR)
            return ERR_IO;
        if (length == 0)
            return ERR_NONE;
        if (length > 0)
            buf_append(out, slice_of(piece, (size_t)length));
        TRY(buf_status(out));
    }
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

enum err os_process_output(const char *command, int64_t timeout_ms, struct buf *out,
                           int *ret_status)
{
    int ends[2];
    pid_t pid;
    if (pipe(ends) != 0)
        return ERR_IO;
    /* The command gets the one as its output, and neither as itself. */
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    enum err err = start(command, ends[1], &pid);
    close(ends[1]);
    if (err) {
        close(ends[0]);
        return err;
    }
    err = read_all(ends[0], timeout_ms, out);
    close(ends[0]);
    if (err)
        kill(-pid, SIGKILL);
    *ret_status = wait_for(pid);
    return err;
}
