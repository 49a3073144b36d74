/* Posting lists being written. */
#include <xxhash.h>

#include "base/codec.h"
#include "store/segment/posting.h"

static const size_t LIST_BYTES_MAX = (size_t)1 << 34; /* places count units of 8 bytes in 32 bits */

void posting_build_init(struct posting_build *b, uint64_t first)
{
    *b = (struct posting_build){ .first = first };
    buf_init(&b->entries, LIST_BYTES_MAX);
    buf_init(&b->blocks, LIST_BYTES_MAX);
    buf_init(&b->out, LIST_BYTES_MAX);
}

void posting_build_release(struct posting_build *b)
{
    buf_release(&b->entries);
    buf_release(&b->blocks);
    buf_release(&b->out);
}

void posting_build_clear(struct posting_build *b)
{
    b->count = 0;
    b->small_count = b->entry_count = 0;
    buf_clear(&b->entries);
    buf_clear(&b->blocks);
}

static uint32_t runs_of(const uint16_t *lows, uint32_t count)
{
    uint32_t runs = 1;
    for (uint32_t i = 1; i < count; i++)
        runs += lows[i] != lows[i - 1] + 1;
    return runs;
}

static void put_runs(uint16_t *out, const uint16_t *lows, uint32_t count, uint32_t runs)
{
    *out++ = (uint16_t)(runs - 1);
    for (uint32_t i = 0; i < count;) {
        uint32_t from = i++;
        while (i < count && lows[i] == lows[i - 1] + 1)
            i++;
        *out++ = lows[from];
        *out++ = (uint16_t)(i - from - 1);
    }
}

/* Whichever is smallest; of equals the one that is read fastest. */
static enum block_kind kind_for(uint32_t count, uint32_t runs, size_t *ret_size)
{
    size_t list = 2 * (size_t)count, of_runs = 2 + 4 * (size_t)runs;
    size_t least = MIN(MIN(list, of_runs), (size_t)BLOCK_BYTES_MAX);
    *ret_size = least;
    if (least == BLOCK_BYTES_MAX)
        return BLOCK_BITS;
    return least == list ? BLOCK_LIST : BLOCK_RUNS;
}

static void add_block(struct posting_build *b, uint64_t number, const uint16_t *lows,
                      uint32_t count)
{
    uint32_t runs = runs_of(lows, count);
    size_t size = 0, at = b->blocks.length;
    enum block_kind kind = kind_for(count, runs, &size);
    size_t padded = (size + 7) / 8 * 8;
    char *out = buf_extend(&b->blocks, padded);
    if (!out)
        return;
    memset(out, 0, padded);
    if (kind == BLOCK_LIST)
        memcpy(out, lows, size);
    else if (kind == BLOCK_RUNS)
        put_runs((uint16_t *)(void *)out, lows, count, runs);
    else
        for (uint32_t i = 0; i < count; i++)
            bits_set((uint64_t *)(void *)out, lows[i]);
    const struct posting_entry entry = {
        .number = (uint32_t)number,
        .count_less_1 = (uint16_t)(count - 1),
        .kind = (uint8_t)kind,
        .place = (uint32_t)(at / 8), /* from the first block; set right at the end */
        .checksum = (uint32_t)XXH3_64bits_withSeed(out, size, number),
    };
    buf_append(&b->entries, slice_of((const char *)&entry, sizeof entry));
    b->entry_count++;
}

/* The documents kept as numbers become blocks. */
static void spill(struct posting_build *b)
{
    uint16_t lows[POSTING_SMALL];
    for (uint32_t i = 0; i < b->small_count;) {
        uint64_t number = b->small[i] >> BLOCK_SHIFT;
        uint32_t count = 0;
        for (; i < b->small_count && b->small[i] >> BLOCK_SHIFT == number; i++)
            lows[count++] = (uint16_t)b->small[i];
        add_block(b, number, lows, count);
    }
    b->small_count = 0;
}

void posting_build_add(struct posting_build *b, uint64_t number, const uint16_t *lows,
                       uint32_t count)
{
    if (!count)
        return;
    CHECK(number <= UINT32_MAX && count <= BLOCK_DOCS);
    b->count += count;
    if (!b->entry_count && b->small_count + count <= POSTING_SMALL) {
        for (uint32_t i = 0; i < count; i++)
            b->small[b->small_count++] = number << BLOCK_SHIFT | lows[i];
        return;
    }
    spill(b);
    add_block(b, number, lows, count);
}

static void put_doc(struct posting_build *b, uint64_t *before, uint64_t doc)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    size_t n = put_varint(bytes, doc - *before);
    buf_append(&b->out, slice_of((char *)bytes, n));
    *before = doc;
}

static void sparse_of_blocks(struct posting_build *b, uint64_t *before)
{
    const char *entries = b->entries.bytes;
    for (uint32_t i = 0; i < b->entry_count; i++) {
        struct posting_entry e;
        memcpy(&e, entries + i * sizeof e, sizeof e);
        const void *block_bytes = b->blocks.bytes + 8 * (size_t)e.place;
        const uint16_t *at = block_bytes;
        struct block block = { .count = (uint32_t)e.count_less_1 + 1, .kind = e.kind, .list = at };
        if (e.kind == BLOCK_RUNS) {
            block.run_count = (uint32_t)at[0] + 1;
            block.list = at + 1;
        }
        uint16_t lows[POSTING_SPARSE_MAX];
        uint32_t count = block_lows(&block, lows);
        for (uint32_t k = 0; k < count; k++)
            put_doc(b, before, (uint64_t)e.number << BLOCK_SHIFT | lows[k]);
    }
}

/* One or two documents a block are cheaper as differences; what is dense is
 * faster, and small too, in blocks. */
static bool is_sparse(const struct posting_build *b)
{
    return !b->entry_count ||
           (b->count <= POSTING_SPARSE_MAX &&
            b->count <= (uint64_t)b->entry_count * POSTING_SPARSE_DENSITY);
}

static void put_blocks(struct posting_build *b)
{
    size_t entries = b->entries.length, before = 2 * sizeof(uint32_t) + entries;
    for (uint32_t i = 0; !buf_status(&b->entries) && i < b->entry_count; i++) {
        struct posting_entry e;
        memcpy(&e, b->entries.bytes + i * sizeof e, sizeof e);
        e.place += (uint32_t)(before / 8);
        memcpy(b->entries.bytes + i * sizeof e, &e, sizeof e);
    }
    uint32_t head[2] = { b->entry_count,
                         (uint32_t)XXH3_64bits_withSeed(b->entries.bytes, entries,
                                                        b->entry_count) };
    buf_append(&b->out, slice_of((char *)head, sizeof head));
    buf_append(&b->out, buf_slice(&b->entries));
    buf_append(&b->out, buf_slice(&b->blocks));
}

enum err posting_build_finish(struct posting_build *b, enum posting_shape *ret_shape,
                              struct slice *ret_bytes)
{
    uint64_t before = b->first;
    buf_clear(&b->out);
    *ret_shape = is_sparse(b) ? POSTING_SPARSE : POSTING_BLOCKS;
    if (*ret_shape == POSTING_BLOCKS)
        put_blocks(b);
    else if (b->entry_count)
        sparse_of_blocks(b, &before);
    for (uint32_t i = 0; i < b->small_count; i++)
        put_doc(b, &before, b->small[i]);
    TRY(buf_status(&b->entries));
    TRY(buf_status(&b->blocks));
    TRY(buf_status(&b->out));
    *ret_bytes = buf_slice(&b->out);
    return ERR_NONE;
}
