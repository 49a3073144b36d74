/* sync/split.h - the order of sending, cut into bundles.
 *
 * Order: whoever is referred to goes before whoever refers, so that a target
 * that checks references finds them, and a split member can be read while it
 * arrives. Resources that refer to one another in a circle stay together. The
 * order of types is not written down anywhere: it comes from the references in
 * the delivery itself, first between types, then between resources.
 *
 *   1. strongly connected components of the types' references (Tarjan);
 *      level of a component: 1 + the highest level it refers to
 *   2. the same of the resources
 *   3. sort by (type level, resource level, component, type name, arrival)
 *
 * A resource's level never is below that of one it refers to, for either kind
 * of level, so references point backwards; equal levels of both kinds mean the
 * same circle or no reference.
 *
 * Cutting: bundles are filled in that order up to the limits of bytes and
 * entries. A circle that does not fit in what is left of a bundle opens a new
 * one; one that fits in no bundle is cut, and counted.
 */
#ifndef SYNC_SPLIT_H
#define SYNC_SPLIT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "sync/member.h"

struct split_limits {
    uint32_t entries; /* of one bundle; 0: no cap */
    uint64_t bytes;   /* of one bundle, its frame included; 0: no cap */
};

struct split_bundle {
    uint32_t first, count; /* in the order */
};

struct split {
    struct buf order;  /* owned; uint32_t row numbers */
    struct buf groups; /* owned; uint32_t per place in order: its circle's number */
    uint32_t cut_circles; /* circles that fit in no bundle */
    uint32_t at;          /* place in the order behind the last bundle given */
};

void split_init(struct split *s);
void split_release(struct split *s);

/* Work out the order of a resolved member. */
MUST_USE enum err split_order(struct split *s, const struct member *m);

/* The next bundle; count 0 at the end. Limits may be lowered between calls. */
struct split_bundle split_next(struct split *s, const struct member *m,
                               const struct split_limits *limits);

/* The row numbers in their order; a bundle's may be moved about inside it. */
static inline uint32_t *split_rows(const struct split *s)
{
    return (uint32_t *)(void *)s->order.bytes;
}

#endif
