/* store/embedded/segments.h - the segments there are, and their folder.
 *
 * The folder `index` holds the manifest and the segments it names. A *set* is
 * what one manifest said: immutable, counted, each of its segments counted in
 * it. A change makes a new set, writes its manifest, and only then is it shown
 * to readers: so after a crash the manifest never names less than what a
 * reader saw, nor a file that is not there. Files no longer named go with
 * their last reader; what a crash leaves of them goes at the next opening.
 */
#ifndef STORE_EMBEDDED_SEGMENTS_H
#define STORE_EMBEDDED_SEGMENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/segment/segment.h"

struct segment_set {
    _Atomic uint32_t references;
    uint64_t covers;     /* documents up to here */
    uint32_t count;      /* those that are not past, ascending, come first, */
    uint32_t past_count; /* then the past ones */
    struct segment *list[];
};

struct segment_set *segment_set_ref(struct segment_set *set);
void segment_set_unref(struct segment_set *set);

struct segments_settings {
    const char *folder;
    uint64_t rules_hash; /* segments made by other rules are thrown away, */
    uint64_t last;       /* so are those that cover documents above this */
    bool keep;           /* nothing is thrown away, see store_settings.keep_index */
};

struct segments {
    const char *folder; /* borrowed */
    uint64_t rules_hash;
    _Atomic uint64_t next;  /* number of the next file */
    char damage[128];       /* what was wrong when they were thrown away; empty: nothing */
    _Atomic uint64_t damaged; /* number of a segment found damaged since; UINT64_MAX: one
                               * of those that were read; 0: none */
};

/* What the manifest names, opened; an empty set when there is none. Damaged
 * segments are thrown away, all of them: they can be derived again. With
 * `keep` they are ERR_CORRUPT, those of other rules ERR_CONFLICT. */
MUST_USE enum err segments_open(struct segments *segments,
                                const struct segments_settings *settings,
                                struct segment_set **ret_set);

/* A set like `set`, with `count` neighbours from `first` on (past ones if
 * is_past) replaced by `segment` and with `past` as one more past one; either
 * may be NULL, and a segment without keys is left out. Its manifest is written
 * and synced before this returns. On failure it is unknown which manifest is
 * there: nothing may change any more. */
struct segments_change {
    uint32_t first, count;
    bool is_past;
    struct segment *segment, *past; /* referenced once more by the new set */
    uint64_t covers;
};
MUST_USE enum err segments_change(struct segments *segments, const struct segment_set *set,
                                  const struct segments_change *change,
                                  struct segment_set **ret_set);

/* A block was read whose bytes are wrong. Noted in the folder, so that the next
 * opening derives the index again; until then what needs the block is refused. */
void segments_report_damage(struct segments *segments, uint64_t number);

static inline uint64_t segments_number(struct segments *segments)
{
    return atomic_fetch_add_explicit(&segments->next, 1, memory_order_relaxed);
}

#endif
