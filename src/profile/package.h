/* profile/package.h - a package's files in memory; private. */
#ifndef PROFILE_PACKAGE_H
#define PROFILE_PACKAGE_H

#include "base/issues.h"
#include "json/json.h"
#include "profile/profile.h"

enum {
    PACKAGE_BYTES_MAX = 1 << 29, /* unpacked */
    PACKAGE_FILES_MAX = 50000,
};

/* Read a .tgz or .tar.zst, a folder (with package.json in it or in its folder `package`), or
 * one resource's JSON (a package named by its id). Slices live in the arena.
 * ERR_INVALID with a reason in `issues`. */
MUST_USE enum err package_read(const char *path, struct arena *arena, struct issues *issues,
                               struct profile_source *ret_source);
/* The same of the bytes of a .tgz. */
MUST_USE enum err package_read_archive(struct slice bytes, struct arena *arena,
                                       struct issues *issues, struct profile_source *ret_source);

/* Names and versions become folder names: letters, digits and -._ only, and no
 * leading dot. */
bool package_name_is_valid(struct slice name);

#endif
