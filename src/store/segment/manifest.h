/* store/segment/manifest.h - which segments there are.
 *
 * The file `manifest` in the index's folder, replaced whole (written beside,
 * synced, renamed, the folder synced), integers little-endian:
 *
 *   "TARNIDX" 0 | format(4) segment count(4) | covers(8) | next file number(8) |
 *   rules hash(8) | rule count(4) 0(4)
 *   rule     field(4) 0(4) hash(8)      of parameters whose rules differ from the
 *                                       hash above; none yet
 *   segment  number(8) size(8) first(8) last(8) until(8) dead(8) footer's checksum(8)
 *   checksum(8)                         XXH3 of all before
 *
 * Segments that are not past come first, ascending and not overlapping; past
 * ones follow in any order. `dead` counts documents of the segment that died
 * since it was written: when they are many, it is written again without them. Of
 * a past one it is the document up to which what was dead had gone by then.
 * A file in the folder that no manifest names is an orphan.
 */
#ifndef STORE_SEGMENT_MANIFEST_H
#define STORE_SEGMENT_MANIFEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    MANIFEST_FORMAT = 1,
    MANIFEST_SEGMENTS_MAX = 4096,
    MANIFEST_RULES_MAX = 65536,
};

struct manifest_segment {
    uint64_t number, size_bytes;
    uint64_t first, last, until, dead;
    uint64_t checksum;
};

struct manifest_rule {
    uint32_t field, zero;
    uint64_t hash;
};

struct manifest {
    uint64_t covers;     /* documents up to here are in the segments */
    uint64_t next;       /* no file has this number or one above */
    uint64_t rules_hash;
    struct manifest_segment *segments; /* borrowed */
    uint32_t segment_count;
    struct manifest_rule *rules; /* borrowed */
    uint32_t rule_count;
};

/* Appends to `out`, whose status tells failure. */
void manifest_render(const struct manifest *m, struct buf *out);
/* The lists point into `bytes`, which is aligned to 8. ERR_CORRUPT;
 * ERR_UNSUPPORTED: of another format. */
MUST_USE enum err manifest_parse(struct slice bytes, struct manifest *ret);

#endif
