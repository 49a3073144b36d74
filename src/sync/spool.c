#include "sync/spool.h"

#include <errno.h>
#include <unistd.h>

#include "os/file.h"

enum { PENDING_BYTES = 256 * 1024 };

void spool_init(struct spool *s, uint64_t limit_bytes)
{
    *s = (struct spool){ .fd = -1, .limit_bytes = limit_bytes };
    buf_init(&s->pending, 2 * PENDING_BYTES);
}

enum err spool_open(struct spool *s)
{
    CHECK(s->fd < 0);
    return os_file_temporary(NULL, &s->fd);
}

void spool_close(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    buf_release(&s->pending);
    s->fd = -1;
    s->bytes = 0;
}

static enum err write_all(int fd, struct slice bytes)
{
    while (bytes.length) {
        ssize_t n = write(fd, bytes.bytes, bytes.length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        bytes = slice_from(bytes, (size_t)n);
    }
    return ERR_NONE;
}

enum err spool_flush(struct spool *s)
{
    TRY(write_all(s->fd, buf_slice(&s->pending)));
    buf_clear(&s->pending);
    return ERR_NONE;
}

enum err spool_append(struct spool *s, struct slice bytes)
{
    if (bytes.length > s->limit_bytes - s->bytes)
        return ERR_LIMIT;
    if (s->pending.length + bytes.length > PENDING_BYTES)
        TRY(spool_flush(s));
    s->bytes += bytes.length;
    if (bytes.length > PENDING_BYTES)
        return write_all(s->fd, bytes);
    buf_append(&s->pending, bytes);
    return buf_status(&s->pending);
}

enum err spool_clear(struct spool *s)
{
    buf_clear(&s->pending);
    s->bytes = 0;
    if (ftruncate(s->fd, 0) != 0 || lseek(s->fd, 0, SEEK_SET) != 0)
        return ERR_IO;
    return ERR_NONE;
}

enum err spool_read(const struct spool *s, uint64_t offset, char *out, size_t length)
{
    CHECK(s->pending.length == 0);
    while (length) {
        ssize_t n = pread(s->fd, out, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        out += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return ERR_NONE;
}

enum err spool_sink(void *state, struct slice piece)
{
    return spool_append(state, piece);
}
