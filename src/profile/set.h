/* profile/set.h - what is known together, and which definition is meant; private. */
#ifndef PROFILE_SET_H
#define PROFILE_SET_H

#include <pthread.h>

#include "base/map.h"
#include "profile/image.h"
#include "profile/profile.h"

/* A place in a definition's tree. node NULL: nowhere. */
struct place {
    const struct image *image;
    const struct image_node *node;
    const struct image_definition *definition;
};

/* The definition's root. `from`: the image whose word it is, whose own definitions
 * and dependencies come first; NULL: the defaults. */
struct place set_find(const struct profile_set *set, struct slice canonical,
                      const struct image *from);

/* The same of a resource; of several versions that of the source's dependencies
 * comes first (source NULL: none). bytes NULL: there is none. */
struct slice set_resource(const struct profile_set *set, enum profile_kind kind,
                          struct slice canonical, const struct profile_source *source);

/* The resource as a package ("name@version") means it: its own version, those of its
 * dependencies, else the default one. */
struct slice set_resource_for(const struct profile_set *set, enum profile_kind kind,
                              struct slice url, struct slice version, struct slice package);

/* The vital signs profile that R4 asks for by the code; node NULL: none. */
struct place set_implied(const struct profile_set *set, struct slice code);

/* The rule's expression, compiled when first asked for; NULL: it does not compile
 * or memory is short. */
const struct fhirpath *set_rule(const struct profile_set *set, const struct image *image,
                                uint32_t rule);

#endif
