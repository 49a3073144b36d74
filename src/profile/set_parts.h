/* profile/set_parts.h - inside of a set, for set.c and set_find.c; private. */
#ifndef PROFILE_SET_PARTS_H
#define PROFILE_SET_PARTS_H

#include "os/mapping.h"
#include "profile/set.h"

/* A row of an image: a definition, or a resource. */
struct link {
    uint32_t image, row;
    uint32_t next; /* of the same url, + 1 */
};

/* All rows of a kind by url. */
struct directory {
    enum image_section section;
    struct map urls; /* to the first link + 1 */
    struct link *links;
    uint32_t count;
};

struct owned {
    struct os_mapping mapping; /* of a file; or ... */
    char *bytes;               /* ... malloc'd; or neither: built in */
};

/* A profile of R4 core that a resource with the code must meet, whether it names it
 * or not. */
struct implied {
    struct slice code; /* of LOINC */
    struct place root;
};
enum { IMPLIED_MAX = 32 };

struct profile_set {
    struct profile_set *below;
    struct image *images;
    struct owned *owned;
    uint32_t image_count, image_room;
    struct directory definitions, resources;
    struct implied implied[IMPLIED_MAX];
    uint32_t implied_count;
    struct default_list {
        char *text; /* the file "defaults": "name version" lines */
        size_t length;
    } defaults;
    int references;
    pthread_mutex_t lock;  /* of ... */
    struct arena compiled; /* ... compiled rules */
};

static inline struct slice image_name(const struct image *im)
{
    return image_slice(im, im->header->name);
}

/* Is it the version meant when nobody says which? */
bool set_has_default(const struct profile_set *set, const struct image *im);
/* The url or version of what a link leads to. */
struct slice set_row_text(const struct profile_set *set, const struct directory *d,
                          const struct link *l, bool of_version);

#endif
