#include "store/segment/filter.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/check.h"

enum {
    KEYS_A_LINE = 48,
    SUMMED_BYTES = FILTER_LINE_BYTES - 4,
    LINE_BITS = 8 * SUMMED_BYTES,
    PROBES = 6,
    PROBE_SHIFT = 10, /* bits of the mixed hash that each probe takes */
    ROOM_FIRST = 1024,
};

uint32_t filter_hash(const uint8_t *key, size_t size)
{
    return (uint32_t)(XXH3_64bits(key, size) >> 32);
}

static uint64_t line_of(uint32_t hash, uint64_t count)
{
    return (uint64_t)hash * count >> 32;
}

/* The line took the upper bits of the hash; these depend on all of them. */
static uint64_t mixed(uint32_t hash)
{
    uint64_t h = (uint64_t)hash * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ h >> 32;
}

static uint32_t bit_of(uint64_t probes)
{
    return (uint32_t)(probes & ((1u << PROBE_SHIFT) - 1)) * LINE_BITS >> PROBE_SHIFT;
}

static uint32_t line_sum(const uint8_t *line, uint64_t offset)
{
    return (uint32_t)XXH3_64bits_withSeed(line, SUMMED_BYTES, offset);
}

static enum err line_verify(const uint8_t *lines, uint64_t number, uint64_t offset)
{
    uint32_t sum, at = FILTER_LINE_BYTES;
    memcpy(&sum, lines + number * at + SUMMED_BYTES, sizeof sum);
    return sum == line_sum(lines + number * at, offset + number * at) ? ERR_NONE : ERR_CORRUPT;
}

enum err filter_verify(const uint8_t *lines, uint64_t count, uint64_t offset)
{
    for (uint64_t i = 0; i < count; i++)
        TRY(line_verify(lines, i, offset));
    return ERR_NONE;
}

enum err filter_ask(const uint8_t *lines, uint64_t count, uint64_t offset, uint32_t hash,
                    bool *ret_maybe)
{
    uint64_t number = line_of(hash, count), probes = mixed(hash);
    const uint8_t *line = lines + number * FILTER_LINE_BYTES;
    TRY(line_verify(lines, number, offset));
    *ret_maybe = true;
    for (int i = 0; *ret_maybe && i < PROBES; i++, probes >>= PROBE_SHIFT)
        *ret_maybe = line[bit_of(probes) / 8] >> bit_of(probes) % 8 & 1;
    return ERR_NONE;
}

/* ---- writing ---- */

void filter_writer_add(struct filter_writer *w, const uint8_t *key, size_t size)
{
    if (w->count == w->room && !w->is_over) {
        size_t room = w->room ? 2 * w->room : (size_t)ROOM_FIRST;
        uint32_t *larger =
            room <= FILTER_KEYS_MAX ? realloc(w->hashes, room * sizeof *larger) : NULL;
        w->is_over = !larger;
        w->hashes = larger ? larger : w->hashes;
        w->room = larger ? room : w->room;
    }
    if (!w->is_over)
        w->hashes[w->count++] = filter_hash(key, size);
}

void filter_writer_finish(const struct filter_writer *w, uint64_t offset, uint8_t **ret_lines,
                          uint64_t *ret_count)
{
    uint64_t count = w->is_over ? 0 : (w->count + KEYS_A_LINE - 1) / KEYS_A_LINE;
    uint8_t *lines = count ? calloc((size_t)count, FILTER_LINE_BYTES) : NULL;
    *ret_lines = lines;
    *ret_count = lines ? count : 0;
    for (size_t i = 0; lines && i < w->count; i++) {
        uint8_t *line = lines + line_of(w->hashes[i], count) * FILTER_LINE_BYTES;
        uint64_t probes = mixed(w->hashes[i]);
        for (int k = 0; k < PROBES; k++, probes >>= PROBE_SHIFT)
            line[bit_of(probes) / 8] |= (uint8_t)(1u << bit_of(probes) % 8);
    }
    for (uint64_t i = 0; i < *ret_count; i++) {
        uint8_t *line = lines + i * FILTER_LINE_BYTES;
        uint32_t sum = line_sum(line, offset + i * FILTER_LINE_BYTES);
        memcpy(line + SUMMED_BYTES, &sum, sizeof sum);
    }
}

void filter_writer_release(struct filter_writer *w)
{
    free(w->hashes);
    *w = (struct filter_writer){ .is_over = true };
}
