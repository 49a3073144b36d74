/* rest/capability.h - the CapabilityStatement: what is really supported, out of
 * the generated tables and the settings in force. Made once, at opening. */
#ifndef REST_CAPABILITY_H
#define REST_CAPABILITY_H

#include "rest/request.h"

/* Fills rest->capability and rest->capability_tail. */
MUST_USE enum err capability_make(struct rest *rest);

#endif
