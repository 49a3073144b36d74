#include "store/embedded/docset.h"

#include <stdlib.h>

enum { LIST_FIRST = 256, LIST_MIN = 4096, BITS = 64 };

void docset_init(struct docset *set, uint64_t last, struct arena *arena)
{
    *set = (struct docset){ .arena = arena, .last = last };
}

static bool to_bits(struct docset *set)
{
    set->bits = arena_array(set->arena, (size_t)(set->last / BITS + 1), sizeof *set->bits);
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
