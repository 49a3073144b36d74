/* fhir/name_hash.h - the hash behind the generated name tables.
 *
 * Shared by tools/gen, which lays the tables out, and by the lookups. Names are
 * short, so it reads at most four words, overlapping ones for odd lengths; the
 * generator picks for each table the multiplier with the fewest collisions.
 */
#ifndef FHIR_NAME_HASH_H
#define FHIR_NAME_HASH_H

#include <stdint.h>
#include <string.h>

#include "base/slice.h"

static inline uint64_t name_hash_word(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint32_t name_hash_half(const char *at)
{
    uint32_t half;
    memcpy(&half, at, sizeof half);
    return half;
}

/* Before the table's multiplier is applied. */
static inline uint64_t name_hash(struct slice name)
{
    const char *b = name.bytes;
    size_t n = name.length;
    uint64_t first, last;
    if (n >= 8) {
        first = name_hash_word(b);
        last = name_hash_word(b + n - 8);
        if (n > 16)
            first ^= name_hash_word(b + n / 2 - 4) * UINT64_C(0x9fb21c651e98df25);
    } else if (n >= 4) {
        first = name_hash_half(b);
        last = name_hash_half(b + n - 4);
    } else if (n > 0) {
        first = (uint64_t)(uint8_t)b[0] << 16 | (uint64_t)(uint8_t)b[n / 2] << 8;
        last = (uint8_t)b[n - 1];
    } else {
        return 0;
    }
    first *= UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = first ^ (last + n) * UINT64_C(0xc2b2ae3d27d4eb4f);
    return mixed ^ mixed >> 29;
}

static inline uint32_t name_slot(uint64_t hash, uint64_t multiplier, unsigned bits)
{
    return (uint32_t)(hash * multiplier >> (64 - bits));
}

#endif
