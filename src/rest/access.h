/* rest/access.h - which HealthLake actions an interaction takes; private. */
#ifndef REST_ACCESS_H
#define REST_ACCESS_H

#include "rest/bundle.h"

/* ERR_FORBIDDEN with its issue when the request's gate refuses an entry. */
MUST_USE enum err access_entry(struct request *r, const struct route *route, bool has_criteria,
                               struct issues *issues);

#endif
