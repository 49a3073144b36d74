/* profile/core.h - the image of R4's own profiles and extensions; private.
 *
 * Made at build time by tools/profiles from spec/profiles.txt.
 */
#ifndef PROFILE_CORE_H
#define PROFILE_CORE_H

#include <stddef.h>
#include <stdint.h>

extern const uint64_t profile_core[];
extern const size_t profile_core_bytes; /* 0: none is built in */

#endif
