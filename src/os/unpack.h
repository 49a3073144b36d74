/* os/unpack.h - whole files that may be zstd-compressed.
 *
 * Recorded deliveries and test data lie on disk plain or as .zst; whoever reads
 * them need not know which.
 */
#ifndef OS_UNPACK_H
#define OS_UNPACK_H

#include "base/buf.h"

/* Append the file's content to `out`, decompressed if it begins as a zstd frame.
 * The buffer's ceiling bounds the content, so a small file cannot fill the
 * memory: ERR_LIMIT. ERR_CORRUPT for a damaged or unfinished frame; errors of
 * os_file_read(). */
MUST_USE enum err os_file_unpack(const char *path, struct buf *out);
/* The same of standard input. */
MUST_USE enum err os_standard_unpack(struct buf *out);

#endif
