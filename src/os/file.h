/* os/file.h - whole files, folders, and replacing a file atomically.
 *
 * Every call that can fail sets errno and returns ERR_IO, ERR_NOT_FOUND,
 * ERR_LIMIT or ERR_NO_MEMORY. Nothing here logs.
 */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Append the whole file to `out`, whose ceiling bounds the read. */
MUST_USE enum err os_file_read(const char *path, struct buf *out);
/* The same of standard input, to its end; it stays open. */
MUST_USE enum err os_standard_read(struct buf *out);

/* Write beside it with the mode, fsync, rename over it, fsync the folder: after
 * a power cut either the old or the new content is there, whole. ERR_FULL: the disk is,
 * and the old content is there. */
MUST_USE enum err os_file_replace(const char *path, struct slice content, unsigned mode);

/* Make the folder and its missing parents. An existing folder is no error. */
MUST_USE enum err os_folder_make(const char *path, unsigned mode);

/* Remove a folder and all below it; an absent one is no error. */
MUST_USE enum err os_folder_remove(const char *path);

/* Remove a file; an absent one is no error. */
MUST_USE enum err os_file_remove(const char *path);

/* fsync of the folder itself, so that created and renamed names survive. */
MUST_USE enum err os_folder_sync(const char *path);

bool os_file_exists(const char *path);

/* Tells one content of a file from another without reading it. */
struct os_file_stamp {
    uint64_t inode, size_bytes;
    int64_t changed_ns;
};
MUST_USE enum err os_file_stamp(const char *path, struct os_file_stamp *ret_stamp);

/* Bytes that are free for us on the disk that has the path. */
MUST_USE enum err os_disk_free(const char *path, uint64_t *ret_bytes);

/* Permission bits, such as 0600. */
MUST_USE enum err os_file_mode(const char *path, unsigned *ret_mode);

/* Make the file (mode 0600) if absent and lock it for this process alone, until
 * the descriptor is closed or the process ends. ERR_BUSY when another has it. */
MUST_USE enum err os_file_lock(const char *path, int *ret_fd);

/* An unlinked temporary file, mode 0600, in `folder` (NULL: TMPDIR or /tmp),
 * open for reading and writing; the caller closes it. */
MUST_USE enum err os_file_temporary(const char *folder, int *ret_fd);

#endif
