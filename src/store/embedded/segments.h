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
#include "store/embedded/fields.h"
#include "store/segment/manifest.h"
#include "store/segment/segment.h"

struct segment_set {
    _Atomic uint32_t references;
    uint64_t covers; /* documents up to here */
    /* Kind k (enum segment_kind) is list[from[k]] .. list[from[k + 1] - 1], by first
     * document. Readers see what comes before from[SEGMENT_PENDING]. */
    uint32_t from[SEGMENT_KINDS + 1];
    struct segment *list[];
};

static inline uint32_t segment_set_count(const struct segment_set *set, enum segment_kind kind)
{
    return set->from[kind + 1] - set->from[kind];
}
/* Those that readers see. */
static inline uint32_t segment_set_seen(const struct segment_set *set)
{
    return set->from[SEGMENT_PENDING];
}
static inline uint32_t segment_set_all(const struct segment_set *set)
{
    return set->from[SEGMENT_KINDS];
}
enum segment_kind segment_set_kind(const struct segment_set *set, uint32_t at);

struct segment_set *segment_set_ref(struct segment_set *set);
void segment_set_unref(struct segment_set *set);

struct segments_settings {
    const char *folder;
    uint64_t rules_hash; /* segments made by other rules are thrown away, */
    uint64_t last;       /* so are those that cover documents above this */
    uint64_t derive_most; /* without any, so many documents are left to who derives the tail */
    bool keep;           /* nothing is thrown away, see store_settings.keep_index */
};

struct segments {
    const char *folder; /* borrowed */
    uint64_t rules_hash;
    _Atomic uint64_t next;  /* number of the next file */
    char damage[128];       /* what was wrong at opening; empty: nothing */
    bool is_lost;           /* all of it: nothing of what was there is used */
    bool repairs;           /* what is damaged is written again by and by */
    _Atomic bool is_suspect; /* some segment is damaged that has not been found */
    _Atomic uint64_t damaged; /* number of the last segment found damaged since; 0: none */
    void (*notice)(void *context); /* there is something to repair; may be NULL */
    void *context;
};

/* What the manifest names, opened, and its table of fields; empty ones when there
 * is none. A ghost stands for a segment that is missing or damaged, one ghost for
 * all documents when the manifest is of no use. With `keep` they are ERR_CORRUPT,
 * those of other rules ERR_CONFLICT. */
MUST_USE enum err segments_open(struct segments *segments,
                                const struct segments_settings *settings,
                                struct segment_set **ret_set, struct fields **ret_fields);

/* A set like `set` without `gone` and with `add`; a segment without keys that is neither
 * pending nor damaged is left out. One may be in both lists: it changes its kind. Its
 * manifest, with this table of fields, is written and synced before this returns. On
 * failure it is unknown which manifest is there, unless segments_is_short(): nothing may
 * change any more. */
struct segment_addition {
    struct segment *segment; /* NULL: none; referenced once more by the new set */
    enum segment_kind kind;
};
struct segments_change {
    struct segment *const *gone; /* of the set */
    uint32_t gone_count;
    const struct segment_addition *add;
    uint32_t add_count;
    uint64_t covers;
};
MUST_USE enum err segments_change(struct segments *segments, const struct segment_set *set,
                                  const struct segments_change *change,
                                  const struct fields *fields, struct segment_set **ret_set);

/* Of a failed change: is the manifest the one that was there? */
static inline bool segments_is_short(enum err err)
{
    return err == ERR_NO_MEMORY || err == ERR_LIMIT || err == ERR_FULL;
}

/* Bytes of it were read that are wrong: it is to be written again. Until then what
 * needs them is refused. */
void segments_report_damage(struct segments *segments, struct segment *segment);
/* The same of one of them, nobody knows which: they are all to be read. */
void segments_suspect(struct segments *segments);

static inline uint64_t segments_number(struct segments *segments)
{
    return atomic_fetch_add_explicit(&segments->next, 1, memory_order_relaxed);
}

#endif
