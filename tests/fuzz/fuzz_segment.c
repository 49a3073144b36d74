/* Whatever the bytes of a segment or a manifest: no crash, no endless loop, and
 * lists that come in order. Checksums are put right first, or nothing behind
 * them would ever be reached. */
#include <stdlib.h>
#include <xxhash.h>

#include "base/arena.h"
#include "store/segment/manifest.h"
#include "store/segment/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 8, STEPS_MAX = 100000 };

static void put_sum(uint8_t *at, const void *bytes, size_t length, uint64_t seed)
{
    uint32_t sum = (uint32_t)XXH3_64bits_withSeed(bytes, length, seed);
    memcpy(at, &sum, sizeof sum);
}

static void read_list(struct posting *list, struct arena *arena)
{
    struct posting_union u;
    uint64_t least = 0;
    bool any = true;
    struct block block;
    if (posting_union_open(&u, list, 1, arena) != ERR_NONE)
        return;
    for (uint64_t number = 0; any;) {
        if (posting_union_next(&u, number, &any, &block) != ERR_NONE || !any)
            return;
        CHECK(block.number >= least);
        struct block_place place = { 0 };
        uint32_t steps = 0;
        for (uint32_t low = 0; (low = block_seek(&block, &place, low)) != BLOCK_NONE; low++)
            CHECK(low < BLOCK_DOCS && ++steps <= BLOCK_DOCS);
        static uint16_t lows[BLOCK_DOCS];
        CHECK(block_lows(&block, lows) <= BLOCK_DOCS);
        static uint64_t bits[BLOCK_WORDS];
        block_or_into(&block, bits);
        number = block.number + 1;
        least = number;
    }
}

/* Blocks: make every sum that can be reached right. */
static void fuzz_blocks(uint8_t *bytes, size_t size, uint64_t count, struct arena *arena)
{
    struct posting list;
    uint32_t entries;
    if (size < HEAD)
        return;
    memcpy(&entries, bytes, sizeof entries);
    entries %= 64;
    memcpy(bytes, &entries, sizeof entries);
    size_t room = entries * sizeof(struct posting_entry);
    if (room > size - HEAD)
        return;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < entries; i++) {
        struct posting_entry e;
        uint8_t *at = bytes + HEAD + i * sizeof e;
        memcpy(&e, at, sizeof e);
        e.place %= (uint32_t)(size / 8 + 2);
        sum += (uint64_t)e.count_less_1 + 1;
        size_t from = (size_t)e.place * 8, length = BLOCK_BYTES_MAX;
        if (e.kind == BLOCK_LIST)
            length = 2 * ((size_t)e.count_less_1 + 1);
        else if (e.kind == BLOCK_RUNS && from + 2 <= size)
            length = 2 + 4 * ((size_t)(bytes[from] | bytes[from + 1] << 8) + 1);
        if (from <= size && length <= size - from)
            put_sum((uint8_t *)&e.checksum, bytes + from, length, e.number);
        memcpy(at, &e, sizeof e);
    }
    put_sum(bytes + 4, bytes + HEAD, room, entries);
    sum = count % 3 ? sum : count;
    if (posting_open_blocks(&list, slice_of((char *)bytes, size), sum) == ERR_NONE)
        read_list(&list, arena);
}

static void fuzz_manifest(uint8_t *bytes, size_t size)
{
    struct manifest m;
    if (size >= 8) {
        uint64_t sum = XXH3_64bits(bytes, size - 8);
        memcpy(bytes + size - 8, &sum, sizeof sum);
    }
    if (manifest_parse(slice_of((char *)bytes, size), &m) != ERR_NONE)
        return;
    struct buf again;
    buf_init(&again, size + 64);
    manifest_render(&m, &again);
    CHECK(m.segment_count <= MANIFEST_SEGMENTS_MAX && again.length == size);
    buf_release(&again);
}

/* A tree whose root is the end of the bytes; what it points to may be anything. */
static void fuzz_tree(uint8_t *bytes, size_t size, uint32_t height, struct arena *arena)
{
    if (size < sizeof(struct segment_footer) + KEYS_TRAILER_BYTES + 8)
        return;
    size_t end = size - sizeof(struct segment_footer);
    size_t root = MIN(end - 8, (size_t)KEYS_BLOCK_BYTES_MAX);
    struct segment s = { .bytes = bytes, .size = size, .footer = { .first = 1, .last = 1u << 20 } };
    s.footer.height = 1 + height % 3;
    s.footer.root_size = (uint32_t)root;
    s.footer.root_at = end - root;
    s.footer.key_count = 1;
    bytes[end - 6] = (uint8_t)(s.footer.height - 1); /* the level it says it has */
    put_sum(bytes + end - 4, bytes + end - root, root - 4, s.footer.root_at);
    struct segment_walk walk;
    bool any = false, found = false;
    struct posting list;
    struct segment_key key;
    segment_key_make(&key, 7, slice_of((char *)bytes, MIN(size, (size_t)9)));
    if (segment_find(&s, &key, &found, &list) == ERR_NONE && found)
        read_list(&list, arena);
    if (segment_walk_seek(&walk, &s, bytes, MIN(size, (size_t)5), &any) != ERR_NONE)
        return;
    for (uint32_t steps = 0; any && steps < STEPS_MAX; steps++) {
        CHECK(walk.leaf.key_size <= KEY_BYTES_MAX);
        if (segment_walk_list(&walk, &list) == ERR_NONE)
            read_list(&list, arena);
        arena_release(arena);
        if (segment_walk_next(&walk, &any) != ERR_NONE)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > (1u << 20))
        return 0;
    struct arena arena;
    arena_init(&arena, (size_t)4 << 20);
    size_t length = size - 3;
    uint8_t *bytes = aligned_alloc(8, (length + 8) / 8 * 8); /* ends where reading must end */
    struct posting list;
    CHECK(bytes);
    memcpy(bytes, data + 3, length);
    switch (data[0] % 4) {
    case 0:
        fuzz_manifest(bytes, length);
        break;
    case 1:
        if (posting_open_sparse(&list, slice_of((char *)bytes, length), data[1], data[2]) ==
            ERR_NONE)
            read_list(&list, &arena);
        break;
    case 2:
        fuzz_blocks(bytes, length, data[1], &arena);
        break;
    default:
        fuzz_tree(bytes, length, data[1], &arena);
        break;
    }
    free(bytes);
    arena_release(&arena);
    return 0;
}
