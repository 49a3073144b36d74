/* profile/home.h - terminologies of package versions that are not the default; private. */
#ifndef PROFILE_HOME_H
#define PROFILE_HOME_H

#include "profile/profile.h"

/* The codes as one package means them; made when first asked for, kept with the home. */
struct package_codes {
    struct package_codes *next;
    struct profile_home *home;
    char *package; /* "name@version"; owned */
    struct terminology *terminology;
};

/* NULL: memory is short. */
struct terminology *home_codes(struct profile_home *home, struct slice package);
/* Fill in the terminology (codes.c). */
MUST_USE enum err package_codes_open(struct package_codes *p);

#endif
