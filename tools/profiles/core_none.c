/* While the image of R4 core is made there is none yet. */
#include "profile/core.h"

const uint64_t profile_core[1] = { 0 };
const size_t profile_core_bytes = 0;
