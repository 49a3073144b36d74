/* store/segment/merge.h - runs or segments into one new segment.
 *
 * Reads the keys of all inputs in order, each key's lists as one, and writes
 * what lives to one segment and the documents that are dead to another, a past
 * one, which is not made when there are none. Memory: the heads of the inputs,
 * one list being written (a bit a document at most), a bit for each document
 * between first and last when some are dead.
 */
#ifndef STORE_SEGMENT_MERGE_H
#define STORE_SEGMENT_MERGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "store/segment/run.h"
#include "store/segment/segment.h"

/* Set the bit of every document first .. last that was dead at `until`; how many. */
typedef enum err merge_deaths(void *context, uint64_t first, uint64_t last, uint64_t until,
                              uint64_t *bits, uint64_t *ret_count);

struct merge {
    const char *folder;
    uint64_t first, last; /* documents that the inputs cover */
    uint64_t until;       /* who is dead then goes to the past */
    uint64_t number, past_number; /* of the files to write */
    bool is_past;         /* the inputs are: all of it goes to one past segment */
    merge_deaths *deaths; /* NULL: nobody is dead */
    void *context;
    const _Atomic bool *stop; /* give up with ERR_BUSY; may be NULL */

    struct run *const *runs; /* either these, */
    struct segment *const *segments; /* or these */
    uint32_t count;
};

/* What was written: opened, or NULL. Both files are synced, the folder is not;
 * on failure neither is there. */
struct merged {
    struct segment *segment; /* always, unless is_past; may have no keys */
    struct segment *past;
};
MUST_USE enum err merge_write(const struct merge *m, struct merged *ret);

#endif
