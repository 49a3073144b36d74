/* sync/bundle.h - the request: rows of a member as a transaction or batch.
 *
 * Written piece by piece out of the spool, so that a bundle of any size takes
 * one window of memory, and may be written again from the start (once for its
 * hash, once for the wire, once more for a retry).
 *
 *   {"resourceType":"Bundle","type":"transaction","entry":[
 *   {"resource":<text>,"request":{"method":"PUT","url":"Type/id"}},...]}
 */
#ifndef SYNC_BUNDLE_H
#define SYNC_BUNDLE_H

#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "sync/member.h"

/* Bytes of the frame (of the longer kind, a transaction), and of one entry with
 * its resource and a comma. */
uint64_t bundle_frame_bytes(void);
uint64_t bundle_entry_bytes(const struct member *m, const struct member_row *row);

struct bundle_writer {
    const struct member *member;
    const uint32_t *rows; /* borrowed */
    uint32_t count, next;
    bool is_batch;
    uint8_t step;        /* enum bundle_step: what comes when nothing is pending */
    uint64_t file_at, file_left; /* of the resource's text still to read */
    char pending[256];   /* text between resources */
    size_t pending_at, pending_length;
};

void bundle_writer_init(struct bundle_writer *w, const struct member *m, const uint32_t *rows,
                        uint32_t count, bool is_batch);
/* Exact length of all it will give. */
uint64_t bundle_writer_bytes(const struct bundle_writer *w);
/* An http_source whose state is a struct bundle_writer. */
enum err bundle_writer_next(void *state, char *out, size_t room, size_t *ret_length);

#endif
