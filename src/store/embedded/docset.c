#include "store/embedded/docset.h"

#include <stdlib.h>

enum { LIST_FIRST = 256, LIST_MIN = 4096, BITS = 64 };

void docset_init(struct docset *set, uint64_t last, struct arena *arena)
{
    *set = (struct docset){ .arena = arena, .last = last };
}

static bool to_bits(struct docset *set)
{
    size_t words = (size_t)(set->last / BLOCK_DOCS + 1) * BLOCK_WORDS;
    set->bits = arena_array(set->arena, words, sizeof *set->bits);
    for (size_t i = 0; set->bits && i < set->count; i++)
        set->bits[set->list[i] / BITS] |= (uint64_t)1 << (set->list[i] % BITS);
    return set->bits != NULL;
}

/* A list of n costs 64 n bits, the bitmap one bit a document. */
static enum err grow(struct docset *set)
{
    if (set->count >= LIST_MIN && set->count >= set->last / BITS)
        return to_bits(set) ? ERR_NONE : ERR_LIMIT;
    size_t room = set->room ? set->room * 2 : LIST_FIRST;
    uint64_t *list = arena_raw(set->arena, room * sizeof *list);
    if (!list)
        return ERR_LIMIT;
    if (set->count)
        memcpy(list, set->list, set->count * sizeof *list);
    set->list = list;
    set->room = room;
    return ERR_NONE;
}

enum err docset_add(struct docset *set, const uint64_t *docs, size_t count)
{
    set->added += count;
    for (size_t i = 0; i < count; i++) {
        if (docs[i] > set->last)
            continue;
        if (!set->bits && set->count == set->room)
            TRY(grow(set));
        if (set->bits)
            set->bits[docs[i] / BITS] |= (uint64_t)1 << (docs[i] % BITS);
        else
            set->list[set->count++] = docs[i];
    }
    return ERR_NONE;
}

static int doc_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A bitmap takes one over it at once; what lies above the last document stays
 * out. */
enum err docset_add_block(struct docset *set, const struct block *b)
{
    if (b->number > set->last / BLOCK_DOCS)
        return ERR_NONE;
    if (set->bits && b->number < set->last / BLOCK_DOCS) {
        block_or_into(b, set->bits + (size_t)b->number * BLOCK_WORDS);
        set->added += b->count;
        return ERR_NONE;
    }
    uint64_t docs[LIST_FIRST];
    struct block_place place = { 0 };
    for (uint32_t low = 0; low != BLOCK_NONE;) {
        size_t n = 0;
        while (n < LIST_FIRST && (low = block_seek(b, &place, low)) != BLOCK_NONE)
            docs[n++] = b->number << BLOCK_SHIFT | low++;
        TRY(docset_add(set, docs, n));
    }
    return ERR_NONE;
}

void docset_sort(struct docset *set)
{
    if (set->bits || set->count < 2)
        return;
    bool sorted = true;
    for (size_t i = 1; sorted && i < set->count; i++)
        sorted = set->list[i - 1] < set->list[i];
    if (sorted)
        return;
    qsort(set->list, set->count, sizeof *set->list, doc_compare);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++)
        if (set->list[i] != set->list[kept - 1])
            set->list[kept++] = set->list[i];
    set->count = kept;
}

enum err docset_open(struct docset *set)
{
    docset_sort(set);
    if (set->bits || !set->count)
        return ERR_NONE;
    set->block = arena_raw(set->arena, block_room_bytes(set->count));
    return set->block ? ERR_NONE : ERR_LIMIT;
}

static bool list_block(struct docset *set, uint64_t number, struct block *ret)
{
    uint64_t doc = docset_seek(set, number << BLOCK_SHIFT);
    if (doc == UINT64_MAX)
        return false;
    number = doc >> BLOCK_SHIFT;
    size_t end = set->at;
    while (end < set->count && set->list[end] >> BLOCK_SHIFT == number)
        end++;
    if (end - set->at > BLOCK_LIST_MAX) {
        memset(set->block->bits, 0, sizeof set->block->bits);
        for (size_t i = set->at; i < end; i++)
            bits_set(set->block->bits, (uint16_t)set->list[i]);
        block_of_bits(ret, number, set->block->bits);
        return true;
    }
    for (size_t i = set->at; i < end; i++)
        set->block->list[i - set->at] = (uint16_t)set->list[i];
    block_of_list(ret, number, set->block->list, (uint32_t)(end - set->at));
    return true;
}

bool docset_block(struct docset *set, uint64_t number, struct block *ret)
{
    if (!set->bits)
        return list_block(set, number, ret);
    for (; number <= set->last / BLOCK_DOCS; number++) {
        block_of_bits(ret, number, set->bits + (size_t)number * BLOCK_WORDS);
        if (ret->count)
            return true;
    }
    return false;
}

static uint64_t bits_seek(const struct docset *set, uint64_t doc)
{
    if (doc > set->last)
        return UINT64_MAX;
    uint64_t word = doc / BITS, end = set->last / BITS;
    uint64_t bits = set->bits[word] & ~(uint64_t)0 << (doc % BITS);
    while (!bits && word < end)
        bits = set->bits[++word];
    return bits ? word * BITS + (uint64_t)__builtin_ctzll(bits) : UINT64_MAX;
}

uint64_t docset_seek(struct docset *set, uint64_t doc)
{
    if (set->bits)
        return bits_seek(set, doc);
    size_t step = 1;
    while (set->count - set->at > step && set->list[set->at + step] < doc) {
        set->at += step;
        step *= 2;
    }
    size_t low = set->at, high = MIN(set->count, set->at + step + 1);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->list[middle] < doc)
            low = middle + 1;
        else
            high = middle;
    }
    set->at = low;
    return low < set->count ? set->list[low] : UINT64_MAX;
}
