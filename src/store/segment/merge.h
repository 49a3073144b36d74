/* store/segment/merge.h - runs or segments into one new segment.
 *
 * Reads the keys of all inputs in order, each key's lists as one, and writes
 * what lives to one segment and the documents that are dead to another, a past
 * one, which is not made when there are none. Documents that are gone are not
 * written at all. Memory: the heads of the inputs, one list being written (a bit
 * a document at most), two bits for each document between first and last.
 */
#ifndef STORE_SEGMENT_MERGE_H
#define STORE_SEGMENT_MERGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "store/segment/run.h"
#include "store/segment/segment.h"

/* Who is dead among the documents first .. last: a bit for each that was dead at
 * `until`, or, in gone_bits instead, that no reader asks for any more: those dead
 * at `gone` and those erased. */
struct merge_dead {
    uint64_t first, last, until, gone;
    uint64_t *dead_bits, *gone_bits; /* zero */
    uint64_t dead_count, gone_count;
};
typedef enum err merge_deaths(void *context, struct merge_dead *dead);

struct merge {
    const char *folder;
    uint64_t first, last; /* documents that the inputs cover */
    uint64_t until;       /* who is dead then goes to the past */
    uint64_t gone;        /* who was dead then goes */
    uint64_t number, past_number; /* of the files to write */
    bool is_past;         /* the inputs are: all of it goes to one past segment */
    merge_deaths *deaths; /* NULL: nobody is dead */
    bool (*keeps)(const void *fields, uint32_t field); /* is a field wanted any more? NULL:
                                                        * all are */
    const void *fields;
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
    struct segment *past;    /* without keys only if is_past */
};
MUST_USE enum err merge_write(const struct merge *m, struct merged *ret);

#endif
