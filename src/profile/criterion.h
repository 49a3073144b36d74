/* profile/criterion.h - a discriminator of one slice; private. */
#ifndef PROFILE_CRITERION_H
#define PROFILE_CRITERION_H

#include "profile/check.h"

/* A discriminator in one slice: where its path leads in the slice's definition. */
struct criterion {
    const struct image_discriminator *discriminator;
    struct place place;  /* node NULL: the definition does not go there */
    struct json pattern; /* what a pattern above says there; absent: nothing */
    bool is_at_url;      /* an extension's url, which its profile names */
    struct slice url;
};

/* `of`: the image whose discriminator it is. */
struct criterion criterion_of(struct profile_check *c, struct place slice, const struct image *of,
                              const struct image_discriminator *d);
/* Does the slice say anything there? What it leaves open tells nothing apart. */
bool criterion_tells(const struct criterion *k);
bool criterion_is_met(struct profile_check *c, const struct criterion *k, const struct image *of,
                      const struct item *item);

#endif
