#include "server/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/date.h"
#include "json/json.h"
#include "os/clock.h"
#include "os/thread.h"

enum { BUFFER_BYTES = 1 << 20, LINE_BYTES = 2048, MODE = 0640, PAUSE_US = 50000 };

struct access_log {
    char *path; /* NULL: standard output */
    int fd;     /* of the thread alone, once it runs */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    /* under the lock */
    struct buf waiting;
    uint64_t dropped;
    bool is_ending;
};

/* ---- a line ---- */

/* Text of a client's: whatever is no plain letter would need escapes. */
static void text_member(struct buf *out, const char *name, struct slice text)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, text);
}

static void line_render(struct buf *out, const struct access_line *line)
{
    const struct http_request *r = line->request;
    const struct http_traffic *t = line->traffic;
    char when[INSTANT_TEXT_BYTES];
    size_t length = instant_render(os_now_us(), 3, when);
    buf_printf(out, "{\"time\":\"%.*s\",\"id\":\"%s\"", (int)length, when, r->id);
    text_member(out, "caller", line->caller.length ? line->caller : SLICE("-"));
    buf_printf(out, ",\"action\":\"%s\"", line->action);
    text_member(out, "method", slice_head(r->method, 16));
    if (line->store.length)
        text_member(out, "store", slice_head(line->store, 64));
    if (line->type.length)
        text_member(out, "type", line->type);
    buf_printf(out, ",\"status\":%d,\"in\":%llu,\"out\":%llu,\"us\":%lld,\"whole\":%s}\n",
               t->status, (unsigned long long)t->bytes_in, (unsigned long long)t->bytes_out,
               (long long)t->duration_us, t->is_whole ? "true" : "false");
}

void access_log_add(struct access_log *log, const struct access_line *line)
{
    struct buf text;
    buf_init(&text, LINE_BYTES);
    line_render(&text, line);
    mutex_lock(&log->lock);
    if (buf_status(&text) || text.length > BUFFER_BYTES - log->waiting.length)
        log->dropped++;
    else
        buf_append(&log->waiting, buf_slice(&text));
    /* One wake for the first line; the thread then pauses and takes many. */
    if (log->waiting.length == text.length || log->dropped == 1)
        cond_signal(&log->filled);
    mutex_unlock(&log->lock);
    buf_release(&text);
}

/* ---- the thread that writes ---- */

/* Opened anew when the name leads to another file, or to none. */
static void follow_name(struct access_log *log)
{
    struct stat named, open_now;
    if (!log->path || (stat(log->path, &named) == 0 && fstat(log->fd, &open_now) == 0 &&
                       named.st_ino == open_now.st_ino && named.st_dev == open_now.st_dev))
        return;
    int fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, MODE);
    if (fd < 0)
        return; /* the old file goes on */
    close(log->fd);
    log->fd = fd;
}

/* A disk that is full loses lines; the server goes on. */
static void write_all(int fd, struct slice text)
{
    while (text.length) {
        ssize_t n = write(fd, text.bytes, text.length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text = slice_from(text, (size_t)n);
    }
}

/* False when there is nothing left and will not be. */
static bool wait_for_lines(struct access_log *log, struct buf *taken, uint64_t *ret_dropped)
{
    mutex_lock(&log->lock);
    while (!log->waiting.length && !log->dropped && !log->is_ending)
        cond_wait(&log->filled, &log->lock);
    struct buf empty = *taken;
    *taken = log->waiting;
    log->waiting = empty;
    *ret_dropped = log->dropped;
    log->dropped = 0;
    bool is_last = log->is_ending;
    mutex_unlock(&log->lock);
    return !is_last;
}

static void *run(void *context)
{
    struct access_log *log = context;
    struct buf taken;
    buf_init(&taken, BUFFER_BYTES);
    bool goes_on = true;
    while (goes_on) {
        uint64_t dropped;
        goes_on = wait_for_lines(log, &taken, &dropped);
        follow_name(log);
        write_all(log->fd, buf_slice(&taken));
        if (dropped) {
            char text[64];
            int length =
                snprintf(text, sizeof text, "{\"dropped\":%llu}\n", (unsigned long long)dropped);
            write_all(log->fd, slice_of(text, (size_t)length));
        }
        buf_clear(&taken);
        if (goes_on)
            os_sleep_us(PAUSE_US); /* lines gather meanwhile: a write takes many */
    }
    buf_release(&taken);
    return NULL;
}

/* ---- birth and death ---- */

static enum err start(struct access_log *log, const char *path, struct arena *arena,
                      struct slice *error)
{
    log->fd = STDOUT_FILENO;
    if (strcmp(path, "-") != 0) {
        log->path = strdup(path);
        log->fd = log->path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, MODE) : -1;
    }
    if (log->fd < 0) {
        *error = arena_printf(arena, "--access-log: cannot open %s: %s", path, strerror(errno));
        return ERR_IO;
    }
    return thread_start(&log->thread, run, log);
}

static void log_free(struct access_log *log)
{
    if (log->path && log->fd >= 0)
        close(log->fd);
    free(log->path);
    buf_release(&log->waiting);
    cond_destroy(&log->filled);
    mutex_destroy(&log->lock);
    free(log);
}

enum err access_log_open(const char *path, struct arena *arena, struct access_log **ret_log,
                         struct slice *error)
{
    /* Lives as long as the server. */
    struct access_log *log = calloc(1, sizeof *log);
    if (!log)
        return ERR_NO_MEMORY;
    mutex_init(&log->lock);
    cond_init(&log->filled);
    buf_init(&log->waiting, BUFFER_BYTES);
    enum err err = start(log, path, arena, error);
    if (err) {
        log_free(log);
        return err;
    }
    *ret_log = log;
    return ERR_NONE;
}

void access_log_close(struct access_log *log)
{
    if (!log)
        return;
    mutex_lock(&log->lock);
    log->is_ending = true;
    cond_signal(&log->filled);
    mutex_unlock(&log->lock);
    thread_join(log->thread);
    log_free(log);
}
