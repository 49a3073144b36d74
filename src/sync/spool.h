/* sync/spool.h - bytes that must not stay in memory, in an unlinked file.
 *
 * A temporary file of mode 0600 without a name: health data that lies on disk
 * only while the process lives and that nobody else can open. Appends are
 * gathered in a small buffer; reads see what was appended. Not thread-safe.
 */
#ifndef SYNC_SPOOL_H
#define SYNC_SPOOL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct spool {
    int fd;              /* owned; -1 while closed */
    uint64_t bytes;      /* appended in all, the pending ones included */
    uint64_t limit_bytes;
    struct buf pending;  /* not yet written */
};

/* A closed spool; takes nothing and cannot fail. */
void spool_init(struct spool *s, uint64_t limit_bytes);
/* ERR_IO when there is no place for a temporary file. */
MUST_USE enum err spool_open(struct spool *s);
void spool_close(struct spool *s);

/* ERR_LIMIT past the ceiling, ERR_IO when the disk is full. */
MUST_USE enum err spool_append(struct spool *s, struct slice bytes);
/* Write what is pending, so that the file itself can be read. */
MUST_USE enum err spool_flush(struct spool *s);
/* Forget everything. */
MUST_USE enum err spool_clear(struct spool *s);
/* Exactly `length` bytes at `offset`, all of them flushed; ERR_IO otherwise. */
MUST_USE enum err spool_read(const struct spool *s, uint64_t offset, char *out, size_t length);

/* An http_sink whose state is a struct spool. */
enum err spool_sink(void *state, struct slice piece);

#endif
