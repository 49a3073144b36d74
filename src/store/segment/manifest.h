/* store/segment/manifest.h - which segments there are.
 *
 * The file `manifest` in the index's folder, replaced whole (written beside,
 * synced, renamed, the folder synced), integers little-endian:
 *
 *   "TARNIDX" 0 | format(4) segment count(4) | covers(8) | next file number(8) |
 *   rules hash(8) | rule count(4) moved count(4) | next place(4) 0(4)
 *   rule     field(4) place(4) hash(8)  of the fields that have a rule of their own,
 *                                       ascending; place: what the field is called in
 *                                       the segments, MANIFEST_NOWHERE: no longer there
 *   moved    field(4) 0(4) until(8) done(8)   of those whose place is not the field:
 *                                       documents up to `until` are in side segments,
 *                                       those up to `done` already
 *   segment  number(8) size(8) first(8) last(8) until(8) dead(8) footer's checksum(8)
 *            kind(4) flags(4) of(8)
 *   checksum(8)                         XXH3 of all before
 *
 * Segments stand by kind (enum segment_kind), main ones ascending and not
 * overlapping. `dead` counts documents of the segment that died since it was
 * written: when they are many, it is written again without them. Of a past one it
 * is the document up to which what was dead had gone by then. flags: 1 damaged, to
 * be written again from the bodies. `of`: of a pending one, the damaged segment that
 * it will be a part of. A file in the folder that no manifest names is an orphan.
 */
#ifndef STORE_SEGMENT_MANIFEST_H
#define STORE_SEGMENT_MANIFEST_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    MANIFEST_FORMAT = 2,
    MANIFEST_SEGMENTS_MAX = 4096,
    MANIFEST_RULES_MAX = 65536,
    MANIFEST_DAMAGED = 1, /* flag */
};
#define MANIFEST_NOWHERE UINT32_MAX

/* What a segment is for. */
enum segment_kind {
    SEGMENT_MAIN,         /* searches of now */
    SEGMENT_PAST,         /* documents that were dead at a time */
    SEGMENT_SIDE,         /* fields that were derived later than their documents */
    SEGMENT_SIDE_PAST,    /* the dead of these */
    SEGMENT_PENDING,      /* no reader sees it yet: parts of a segment being written again, */
    SEGMENT_PENDING_PAST, /* and the dead of these */
    SEGMENT_KINDS,
};

struct manifest_segment {
    uint64_t number, size_bytes;
    uint64_t first, last, until, dead;
    uint64_t checksum;
    uint32_t kind, flags;
    uint64_t of;
};

struct manifest_rule {
    uint32_t field, place;
    uint64_t hash;
};

struct manifest_moved {
    uint32_t field, zero;
    uint64_t until, done;
};

struct manifest {
    uint64_t covers;     /* documents up to here are in the segments */
    uint64_t next;       /* no file has this number or one above */
    uint64_t rules_hash;
    uint32_t next_place; /* no field has this place or one above */
    struct manifest_rule *rules; /* all borrowed */
    uint32_t rule_count;
    struct manifest_moved *moved;
    uint32_t moved_count;
    struct manifest_segment *segments;
    uint32_t segment_count;
};

/* Appends to `out`, whose status tells failure. */
void manifest_render(const struct manifest *m, struct buf *out);
/* The lists point into `bytes`, which is aligned to 8. ERR_CORRUPT;
 * ERR_UNSUPPORTED: of another format. */
MUST_USE enum err manifest_parse(struct slice bytes, struct manifest *ret);

#endif
