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

/* Names and versions become folder names: letters, digits and -._ only, and no
 * leading dot. */
bool package_name_is_valid(struct slice name);

#endif
