/* profile/archive.h - .tgz files as packages have them; private. */
#ifndef PROFILE_ARCHIVE_H
#define PROFILE_ARCHIVE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Append what the gzip stream holds; the buffer's ceiling bounds it, so a small
 * file cannot fill the memory: ERR_LIMIT. ERR_CORRUPT for a damaged stream. */
MUST_USE enum err gzip_unpack(struct slice bytes, struct buf *out);

/* Call for each regular file of a tar archive (ustar, pax and GNU names). Names
 * are only shown: nothing is written to a disk. ERR_CORRUPT for a damaged one. */
typedef enum err archive_visit(void *context, struct slice name, struct slice content);
MUST_USE enum err archive_each(struct slice tar, archive_visit *visit, void *context);

#endif
