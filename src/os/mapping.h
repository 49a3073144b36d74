/* os/mapping.h - whole files in memory without reading them, and folders' names. */
#ifndef OS_MAPPING_H
#define OS_MAPPING_H

#include "base/err.h"
#include "base/slice.h"
#include "os/fault.h"

struct os_mapping {
    struct slice bytes; /* read-only; page-aligned; bytes NULL: nothing is mapped */
    struct os_watch *watch; /* NULL: a page that cannot be read ends the process */
};

/* Map the file as it is now. ERR_NOT_FOUND, ERR_IO; ERR_LIMIT past `limit_bytes`;
 * ERR_CORRUPT for an empty one. Replace such a file by a rename only: the mapping
 * then keeps the old content. */
MUST_USE enum err os_file_map(const char *path, size_t limit_bytes, struct os_mapping *ret_mapping);
/* The same, watched: see fault.h for what that asks of the reader. */
MUST_USE enum err os_file_map_watched(const char *path, size_t limit_bytes,
                                      struct os_mapping *ret_mapping);
void os_file_unmap(struct os_mapping *mapping);

/* Call for each name in the folder but "." and ".."; the first error ends it.
 * ERR_NOT_FOUND when there is no such folder. */
MUST_USE enum err os_folder_each(const char *path,
                                 enum err (*each)(void *context, const char *name), void *context);

#endif
