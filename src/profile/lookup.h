/* profile/lookup.h - definitions of a set as JSON, each parsed once; private. */
#ifndef PROFILE_LOOKUP_H
#define PROFILE_LOOKUP_H

#include "profile/set.h"

struct lookup {
    struct arena *arena; /* for the documents */
    const struct profile_set *set;
    const struct profile_source *source; /* whose dependencies come first; NULL: none */
    struct map docs;                     /* canonical to struct json_doc * */
};

void lookup_init(struct lookup *l, struct arena *arena, const struct profile_set *set,
                 const struct profile_source *source);
void lookup_release(struct lookup *l);
/* The StructureDefinition; absent: unknown, or no JSON. */
struct json lookup_find(struct lookup *l, struct slice canonical);

#endif
