/* os/output.h - a new file, written front to back and synced once.
 *
 * Appending gathers in a buffer; a write that fails is remembered and told by
 * os_output_finish(), so a writer appends freely. Not thread-safe.
 */
#ifndef OS_OUTPUT_H
#define OS_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct os_output {
    int fd;        /* -1: closed */
    char *buffer;  /* owned */
    size_t used;   /* of the buffer */
    uint64_t size; /* appended so far */
    uint64_t begun_to; /* write-back of the file was begun up to here */
    enum err failure;
};

/* Makes the file, mode 0600; one that is there is emptied. */
MUST_USE enum err os_output_open(struct os_output *o, const char *path);
void os_output_append(struct os_output *o, const void *bytes, size_t length);
/* All of it on the disk (the folder is the caller's to sync), and close. The
 * first failure of anything since opening. */
MUST_USE enum err os_output_finish(struct os_output *o);
/* Close without syncing; harmless after os_output_finish(). */
void os_output_abandon(struct os_output *o);

#endif
