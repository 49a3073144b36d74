/* store/segment/segment.h - an immutable file of postings.
 *
 *   header   "TARNSEG" 0  | format(4) 0(4)
 *   blocks   of keys (keys.h) and of lists (posting.h), as they were finished;
 *            lists of shape "blocks" begin at multiples of 8, sparse ones that
 *            stand by themselves end in a checksum(4), seeded with their offset
 *   footer   struct segment_footer
 *
 * The blocks of keys are a tree: leaves, and above them inner blocks until one
 * is left, the root. A segment holds the documents first .. last, of a *past*
 * one only those that were dead at `until`; a reader of that time or a later
 * one need not open it. Integers are little-endian; a segment is read in place.
 *
 * A page that the disk does not give reads as zeros, and the segment has failed
 * (segment_failed()): who reads it asks before he uses what came of it.
 *
 * Opened segments are counted. One that a merge has replaced is doomed: its
 * file goes when the last reader leaves. Thread-safe once open.
 */
#ifndef STORE_SEGMENT_SEGMENT_H
#define STORE_SEGMENT_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "os/mapping.h"
#include "os/output.h"
#include "store/segment/filter.h"
#include "store/segment/keys.h"
#include "store/segment/posting.h"

enum {
    SEGMENT_FORMAT = 2,
    SEGMENT_HEADER_BYTES = 16,
    SEGMENT_LEVELS_MAX = 12, /* of the tree: more than any file can need */
    SEGMENT_PATH_MAX = 4096,
};
/* Of folder/name.seg: twelve digits. */
#define SEGMENT_NAME_FORMAT "%012llu.seg"

struct segment_footer {
    uint64_t number;     /* names the file */
    uint64_t first, last;
    uint64_t until;      /* 0: not a past one */
    uint64_t docs;       /* of first .. last, those that were not dead when it was written */
    uint64_t key_count, posting_count;
    uint64_t root_at;    /* offset; 0: no keys */
    uint32_t root_size, height; /* of leaves alone: 1 */
    uint64_t filter_at, filter_lines; /* 0: none */
    uint64_t checksum;   /* XXH3 of header and what stands before */
};
_Static_assert(sizeof(struct segment_footer) == 96, "a footer has 96 bytes");

struct segment {
    _Atomic uint32_t references;
    _Atomic bool is_doomed;
    _Atomic uint64_t dead; /* documents of it that died since it was written, nearly */
    bool is_busy;          /* being merged; under the lock of the set's owner */
    bool is_ghost;         /* its file is not there or not whole: all reading is ERR_CORRUPT */
    _Atomic bool is_damaged; /* to be written again from the bodies */
    uint64_t of;           /* of a pending one: the number of the segment it is to replace */
    struct os_mapping mapping; /* of the whole file, which is: */
    const uint8_t *bytes;
    size_t size, end; /* end: where the footer begins */
    struct segment_footer footer;
    char *path; /* owned */
};

/* ERR_NOT_FOUND, ERR_CORRUPT (footer, size or format is not what it should be),
 * ERR_IO, ERR_NO_MEMORY. One reference is the caller's. */
MUST_USE enum err segment_open(const char *folder, uint64_t number, struct segment **ret);
/* One that stands for a file which cannot be opened, damaged from the start. */
MUST_USE enum err segment_ghost(const char *folder, const struct segment_footer *about,
                                size_t size, struct segment **ret);
/* Has a page of it failed to be read since os_faults() was that? 0: ever. Then whatever
 * was made of its bytes since is not to be used: see os/fault.h. A ghost has none. */
static inline bool segment_failed(const struct segment *s, uint64_t since)
{
    return os_watch_failed(s->mapping.watch, since);
}
/* Read all of it: ERR_CORRUPT where bytes differ from their checksum, keys or documents are
 * out of order, counts are wrong, the filter denies a key, or a page of it failed ever.
 * `step` (may be NULL) is called every SEGMENT_STEP_KEYS keys with how many were read; what
 * it fails with ends the reading. */
enum { SEGMENT_STEP_KEYS = 1024 };
typedef enum err segment_step(void *context, uint64_t keys);
MUST_USE enum err segment_verify(const struct segment *s, segment_step *step, void *context);
struct segment *segment_ref(struct segment *s);
/* Its file goes with it. NULL is harmless. */
static inline void segment_doom(struct segment *s)
{
    if (s)
        atomic_store(&s->is_doomed, true);
}
void segment_unref(struct segment *s);
void segment_path(char out[SEGMENT_PATH_MAX], const char *folder, uint64_t number);

/* What is looked for in one segment after the other; the value is at most
 * TERM_VALUE_BYTES_MAX long. */
struct segment_key {
    uint8_t bytes[KEY_BYTES_MAX];
    size_t size;
    uint32_t hash;
};
void segment_key_make(struct segment_key *key, uint32_t field, struct slice value);
/* The list of a key; *ret_found false when it has none: then, as a rule, the filter says so
 * and nothing else is read. */
MUST_USE enum err segment_find(const struct segment *s, const struct segment_key *key,
                               bool *ret_found, struct posting *ret);

/* Keys from `low` on and below `high`, both rendered, and their postings: exact while
 * they are few, else about so many; counted no further than `enough` postings. */
MUST_USE enum err segment_estimate(const struct segment *s, struct slice low, struct slice high,
                                   uint64_t enough, uint64_t *ret_keys, uint64_t *ret_postings);

/* A walk over keys in order. About 10 KB: lives in an arena or a frame. */
struct segment_walk {
    const struct segment *segment;
    uint32_t height;
    uint64_t at[SEGMENT_LEVELS_MAX], size[SEGMENT_LEVELS_MAX]; /* of the block at each level */
    size_t next[SEGMENT_LEVELS_MAX]; /* behind the entry in it that led down */
    uint32_t restarts[SEGMENT_LEVELS_MAX]; /* of it; after segment_walk_seek() alone */
    struct keys_reader leaf;
    struct keys_reader inner; /* scratch */
};

/* To the first key at or above. *ret_any false: at the end. */
MUST_USE enum err segment_walk_seek(struct segment_walk *w, const struct segment *s,
                                    const uint8_t *key, size_t size, bool *ret_any);
MUST_USE enum err segment_walk_next(struct segment_walk *w, bool *ret_any);
/* The same from high to low: to the last key below; and on from the current one. */
MUST_USE enum err segment_walk_seek_below(struct segment_walk *w, const struct segment *s,
                                          const uint8_t *key, size_t size, bool *ret_any);
MUST_USE enum err segment_walk_previous(struct segment_walk *w, bool *ret_any);
/* The current key's list. */
MUST_USE enum err segment_walk_list(const struct segment_walk *w, struct posting *ret);
static inline uint32_t key_field(const uint8_t *key)
{
    return (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
}
/* field(4) value; returns the size. `out` has KEY_BYTES_MAX. */
size_t key_render(uint8_t *out, uint32_t field, struct slice value);

/* ---- writing ---- */

struct segment_writer {
    struct os_output file;
    struct segment_footer footer;
    struct keys_writer *levels[SEGMENT_LEVELS_MAX]; /* owned */
    uint32_t height;
    struct filter_writer filter;
    char path[SEGMENT_PATH_MAX];
    enum err failure;
};

MUST_USE enum err segment_writer_open(struct segment_writer *w, const char *folder,
                                      const struct segment_footer *about);
/* Keys ascending. Failures are told at the end. */
void segment_writer_add(struct segment_writer *w, const uint8_t *key, size_t size,
                        struct posting_build *list);
/* The file is synced, its folder is not. Removes the file if anything failed. */
MUST_USE enum err segment_writer_finish(struct segment_writer *w);
/* Closes and removes the file; harmless after finish. */
void segment_writer_abandon(struct segment_writer *w);

#endif
