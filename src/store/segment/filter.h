/* store/segment/filter.h - which keys a segment surely does not have.
 *
 *   line   bits 60 | checksum 4 (XXH3, seeded with the line's offset in the file)
 *
 * A Bloom filter in which a key's bits lie in one line of 64 bytes, so that asking reads
 * one line of the cache: some 1 of 80 keys that are not there seem to be. A segment of
 * more than FILTER_KEYS_MAX keys has none, so that writing one needs little memory; there
 * are few of those, and what is looked for is most likely in them.
 */
#ifndef STORE_SEGMENT_FILTER_H
#define STORE_SEGMENT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    FILTER_LINE_BYTES = 64,
    FILTER_KEYS_MAX = 1 << 22, /* of four bytes each while a segment is written */
    FILTER_LINES_MAX = FILTER_KEYS_MAX / 32,
};

uint32_t filter_hash(const uint8_t *key, size_t size);

/* Lines in mapped memory, at `offset` in the file. ERR_CORRUPT. */
MUST_USE enum err filter_ask(const uint8_t *lines, uint64_t count, uint64_t offset, uint32_t hash,
                             bool *ret_maybe);

/* Are all lines what they were? ERR_CORRUPT. */
MUST_USE enum err filter_verify(const uint8_t *lines, uint64_t count, uint64_t offset);

/* The hashes of a segment's keys, as it is written. */
struct filter_writer {
    uint32_t *hashes; /* owned */
    size_t count, room;
    bool is_over; /* too many, or no memory: there will be no filter */
};

void filter_writer_add(struct filter_writer *w, const uint8_t *key, size_t size);
/* The lines, owned by the caller; *ret_count 0 and NULL: none. */
void filter_writer_finish(const struct filter_writer *w, uint64_t offset, uint8_t **ret_lines,
                          uint64_t *ret_count);
void filter_writer_release(struct filter_writer *w);

#endif
