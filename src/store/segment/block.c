#include "store/segment/block.h"

#include <string.h>

/* The first index whose list element is not below `low`, by galloping from
 * `at`: cheap when near, logarithmic when far. `stride` 2 steps over runs. */
static uint32_t gallop(const uint16_t *list, uint32_t at, uint32_t count, uint32_t low)
{
    uint32_t step = 1;
    if (at >= count || list[at] >= low)
        return at;
    while (count - at > step && list[at + step] < low) {
        at += step;
        step *= 2;
    }
    uint32_t from = at + 1, end = MIN(count, at + step + 1);
    while (from < end) { /* elements below from are smaller, those from end on are not */
        uint32_t middle = from + (end - from) / 2;
        if (list[middle] < low)
            from = middle + 1;
        else
            end = middle;
    }
    return from;
}

static uint32_t seek_bits(const uint64_t *bits, uint32_t low)
{
    uint32_t word = low / 64;
    uint64_t left = bits[word] & ~(uint64_t)0 << (low % 64);
    while (!left && ++word < BLOCK_WORDS)
        left = bits[word];
    return left ? word * 64 + (uint32_t)__builtin_ctzll(left) : (uint32_t)BLOCK_NONE;
}

/* A run past the last low is cut there: bytes from a disk may claim it. */
static uint32_t run_end(const uint16_t *run)
{
    return MIN((uint32_t)run[0] + run[1], (uint32_t)BLOCK_DOCS - 1);
}

static uint32_t seek_runs(const struct block *b, struct block_place *place, uint32_t low)
{
    while (place->at < b->run_count && run_end(b->list + 2 * place->at) < low)
        place->at++;
    if (place->at == b->run_count)
        return BLOCK_NONE;
    return MAX(low, b->list[2 * place->at]);
}

uint32_t block_seek(const struct block *b, struct block_place *place, uint32_t low)
{
    if (low >= BLOCK_DOCS)
        return BLOCK_NONE;
    switch ((enum block_kind)b->kind) {
    case BLOCK_LIST:
        place->at = gallop(b->list, place->at, b->count, low);
        return place->at < b->count ? b->list[place->at] : (uint32_t)BLOCK_NONE;
    case BLOCK_BITS:
        return seek_bits(b->bits, low);
    case BLOCK_RUNS:
        return seek_runs(b, place, low);
    }
    return BLOCK_NONE;
}

static uint32_t lows_of_bits(const uint64_t *bits, uint16_t *out)
{
    uint32_t count = 0;
    for (uint32_t w = 0; w < BLOCK_WORDS; w++)
        for (uint64_t left = bits[w]; left; left &= left - 1)
            out[count++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(left));
    return count;
}

/* Runs that overlap, which no writer makes, would give more than fits. */
static uint32_t lows_of_runs(const struct block *b, uint16_t *out)
{
    uint32_t count = 0, next = 0;
    for (uint32_t r = 0; r < b->run_count; r++) {
        const uint16_t *run = b->list + 2 * r;
        for (uint32_t low = MAX(next, run[0]), end = run_end(run); low <= end; low++) {
            out[count++] = (uint16_t)low;
            next = low + 1;
        }
    }
    return count;
}

uint32_t block_lows(const struct block *b, uint16_t *out)
{
    switch ((enum block_kind)b->kind) {
    case BLOCK_LIST:
        memcpy(out, b->list, b->count * sizeof *out);
        return b->count;
    case BLOCK_BITS:
        return lows_of_bits(b->bits, out);
    case BLOCK_RUNS:
        return lows_of_runs(b, out);
    }
    return 0;
}

void bits_set_range(uint64_t *bits, uint32_t first, uint32_t last)
{
    uint32_t word = first / 64, end = last / 64;
    uint64_t head = ~(uint64_t)0 << (first % 64), tail = ~(uint64_t)0 >> (63 - last % 64);
    if (word == end) {
        bits[word] |= head & tail;
        return;
    }
    bits[word++] |= head;
    for (; word < end; word++)
        bits[word] = ~(uint64_t)0;
    bits[end] |= tail;
}

uint32_t bits_count(const uint64_t *bits)
{
    uint32_t count = 0;
    for (uint32_t w = 0; w < BLOCK_WORDS; w++)
        count += (uint32_t)__builtin_popcountll(bits[w]);
    return count;
}

void block_or_into(const struct block *b, uint64_t *bits)
{
    switch ((enum block_kind)b->kind) {
    case BLOCK_LIST:
        for (uint32_t i = 0; i < b->count; i++)
            bits_set(bits, b->list[i]);
        return;
    case BLOCK_BITS:
        for (uint32_t w = 0; w < BLOCK_WORDS; w++)
            bits[w] |= b->bits[w];
        return;
    case BLOCK_RUNS:
        for (uint32_t r = 0; r < b->run_count; r++)
            bits_set_range(bits, b->list[2 * r], run_end(b->list + 2 * r));
        return;
    }
}

void block_of_list(struct block *ret, uint64_t number, const uint16_t *list, uint32_t count)
{
    *ret = (struct block){ .number = number, .count = count, .kind = BLOCK_LIST, .list = list };
}

void block_of_bits(struct block *ret, uint64_t number, const uint64_t *bits)
{
    *ret = (struct block){
        .number = number, .count = bits_count(bits), .kind = BLOCK_BITS, .bits = bits
    };
}

uint32_t block_list_add(uint16_t *list, uint32_t count, const uint16_t *add, uint32_t add_count)
{
    if (!add_count)
        return count;
    if (!count || list[count - 1] < add[0]) {
        memcpy(list + count, add, add_count * sizeof *list);
        return count + add_count;
    }
    /* From the back, so that nothing is overwritten before it was read; what is
     * in both leaves a gap, which is closed at the end. */
    uint32_t a = count, b = add_count, to = count + add_count;
    while (b) {
        if (a && list[a - 1] >= add[b - 1]) {
            if (list[a - 1] == add[b - 1])
                b--;
            list[--to] = list[--a];
        } else {
            list[--to] = add[--b];
        }
    }
    uint32_t end = count + add_count;
    memmove(list + a, list + to, (end - to) * sizeof *list);
    return a + end - to;
}

void block_of_range(struct block *ret, uint64_t number, uint32_t first, uint32_t last,
                    uint16_t run[2])
{
    run[0] = (uint16_t)first;
    run[1] = (uint16_t)(last - first);
    *ret = (struct block){
        .number = number, .count = last - first + 1, .kind = BLOCK_RUNS, .run_count = 1, .list = run
    };
}

/* ---- and, and not, or ---- */

enum { GALLOP_FROM = 16 }; /* lists so many times longer are galloped over */

static uint32_t list_and_list(const struct block *a, const struct block *b, uint16_t *out)
{
    uint32_t count = 0, i = 0, k = 0;
    while (i < a->count && k < b->count) {
        uint16_t x = a->list[i], y = b->list[k];
        out[count] = x;
        count += x == y;
        i += x <= y;
        k += y <= x;
    }
    return count;
}

/* The lows of the list `a` that `b` has, or has not. `out` may be a's list: what
 * is written was read before. */
static uint32_t list_keep(const struct block *a, const struct block *b, bool if_there,
                          uint16_t *out)
{
    uint32_t count = 0;
    struct block_place place = { 0 };
    if (b->kind == BLOCK_BITS) {
        for (uint32_t i = 0; i < a->count; i++) {
            uint16_t low = a->list[i];
            out[count] = low;
            count += bits_has(b->bits, low) == if_there;
        }
        return count;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        uint16_t low = a->list[i];
        if ((block_seek(b, &place, low) == low) == if_there)
            out[count++] = low;
    }
    return count;
}

/* The bits of a block, in `room` unless they lie somewhere already. */
static const uint64_t *bits_of(const struct block *b, uint64_t *room)
{
    if (b->kind == BLOCK_BITS)
        return b->bits;
    memset(room, 0, BLOCK_BYTES_MAX);
    block_or_into(b, room);
    return room;
}

static bool is_all(const struct block *b)
{
    return b->kind == BLOCK_RUNS && b->run_count == 1 && b->list[0] == 0 &&
           run_end(b->list) == BLOCK_DOCS - 1;
}

bool block_and(const struct block *a, const struct block *b, union block_room *room,
               struct block *ret)
{
    uint64_t number = a->number;
    if (is_all(a) || is_all(b)) {
        *ret = is_all(a) ? *b : *a;
        return true;
    }
    if (b->kind == BLOCK_LIST && (a->kind != BLOCK_LIST || b->count < a->count)) {
        const struct block *held = a;
        a = b;
        b = held;
    }
    if (a->kind == BLOCK_LIST) {
        bool merges = b->kind == BLOCK_LIST && b->count / GALLOP_FROM < a->count;
        uint32_t count = merges ? list_and_list(a, b, room->list)
                                : list_keep(a, b, true, room->list);
        block_of_list(ret, number, room->list, count);
        return count > 0;
    }
    uint64_t spare[BLOCK_WORDS];
    const uint64_t *x = bits_of(a, room->bits), *y = bits_of(b, spare);
    uint32_t count = 0;
    for (uint32_t w = 0; w < BLOCK_WORDS; w++) {
        room->bits[w] = x[w] & y[w];
        count += (uint32_t)__builtin_popcountll(room->bits[w]);
    }
    *ret = (struct block){
        .number = number, .count = count, .kind = BLOCK_BITS, .bits = room->bits
    };
    return count > 0;
}

bool block_and_not(const struct block *a, const struct block *b, union block_room *room,
                   struct block *ret)
{
    uint64_t number = a->number;
    if (a->kind == BLOCK_LIST) {
        uint32_t count = list_keep(a, b, false, room->list);
        block_of_list(ret, number, room->list, count);
        return count > 0;
    }
    uint64_t spare[BLOCK_WORDS], mine[BLOCK_WORDS];
    const uint64_t *x = bits_of(a, mine), *y = bits_of(b, spare);
    uint32_t count = 0;
    for (uint32_t w = 0; w < BLOCK_WORDS; w++) {
        room->bits[w] = x[w] & ~y[w];
        count += (uint32_t)__builtin_popcountll(room->bits[w]);
    }
    *ret = (struct block){
        .number = number, .count = count, .kind = BLOCK_BITS, .bits = room->bits
    };
    return count > 0;
}

void block_or(const struct block *a, const struct block *b, union block_room *room,
              struct block *ret)
{
    uint64_t number = a->number;
    if (a->kind == BLOCK_LIST && b->kind == BLOCK_LIST && a->count + b->count <= BLOCK_LIST_MAX) {
        memcpy(room->list, a->list, a->count * sizeof *a->list);
        uint32_t count = block_list_add(room->list, a->count, b->list, b->count);
        block_of_list(ret, number, room->list, count);
        return;
    }
    uint64_t spare[BLOCK_WORDS], mine[BLOCK_WORDS];
    const uint64_t *x = bits_of(a, mine), *y = bits_of(b, spare);
    for (uint32_t w = 0; w < BLOCK_WORDS; w++)
        room->bits[w] = x[w] | y[w];
    block_of_bits(ret, number, room->bits);
}
