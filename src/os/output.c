#define _GNU_SOURCE /* sync_file_range */
#include "os/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 << 10, WRITE_BACK_BYTES = 4 << 20 };

enum err os_output_open(struct os_output *o, const char *path)
{
    *o = (struct os_output){ .fd = -1 };
    o->buffer = malloc(BUFFER_BYTES); /* the writer of a large file owns no arena */
    if (!o->buffer)
        return ERR_NO_MEMORY;
    o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (o->fd >= 0)
        return ERR_NONE;
    os_output_abandon(o);
    return ERR_IO;
}

static void put(struct os_output *o, const char *bytes, size_t length)
{
    while (length && !o->failure) {
        ssize_t n = write(o->fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            o->failure = ERR_IO;
            return;
        }
        bytes += n;
        length -= (size_t)n;
    }
}

/* Write-back begins early, so that the sync at the end is short and the syncs
 * of others do not wait behind gigabytes. It promises nothing. */
static void flush(struct os_output *o)
{
    put(o, o->buffer, o->used);
    o->used = 0;
    if (o->failure || o->size - o->begun_to < WRITE_BACK_BYTES)
        return;
    (void)sync_file_range(o->fd, (off_t)o->begun_to, (off_t)(o->size - o->begun_to),
                          SYNC_FILE_RANGE_WRITE);
    o->begun_to = o->size;
}

void os_output_append(struct os_output *o, const void *bytes, size_t length)
{
    o->size += length;
    if (length <= BUFFER_BYTES - o->used) {
        if (length)
            memcpy(o->buffer + o->used, bytes, length);
        o->used += length;
        return;
    }
    flush(o);
    if (length < BUFFER_BYTES) {
        memcpy(o->buffer, bytes, length);
        o->used = length;
    } else {
        put(o, bytes, length);
    }
}

enum err os_output_finish(struct os_output *o)
{
    flush(o);
    if (!o->failure && fsync(o->fd) != 0)
        o->failure = ERR_IO;
    enum err err = o->failure;
    if (close(o->fd) != 0 && !err)
        err = ERR_IO;
    o->fd = -1;
    os_output_abandon(o);
    return err;
}

void os_output_abandon(struct os_output *o)
{
    if (o->fd >= 0)
        close(o->fd);
    free(o->buffer);
    o->fd = -1;
    o->buffer = NULL;
}
