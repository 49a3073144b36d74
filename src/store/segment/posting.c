#include "store/segment/posting.h"

#include <xxhash.h>

#include "base/codec.h"

static uint32_t checksum(const void *bytes, size_t length, uint64_t seed)
{
    return (uint32_t)XXH3_64bits_withSeed(bytes, length, seed);
}

/* ---- opening ---- */

/* The next document's distance, or the end. */
static enum err sparse_step(struct posting *p)
{
    uint64_t delta = 0;
    if (!p->left) {
        p->number = POSTING_END;
        return p->at == p->end ? ERR_NONE : ERR_CORRUPT;
    }
    size_t n = get_varint(p->at, (size_t)(p->end - p->at), &delta);
    if (UNLIKELY(!n || delta > UINT64_MAX / 2 - p->doc))
        return ERR_CORRUPT;
    p->at += n;
    p->doc += delta;
    p->left--;
    p->number = p->doc >> BLOCK_SHIFT;
    return ERR_NONE;
}

enum err posting_open_sparse(struct posting *p, struct slice bytes, uint64_t count,
                             uint64_t first)
{
    *p = (struct posting){ .shape = POSTING_SPARSE, .count = count, .left = count };
    p->at = p->begin = (const uint8_t *)bytes.bytes;
    p->first = first;
    p->end = p->at + bytes.length;
    p->doc = first;
    if (!count || count > bytes.length || first > UINT64_MAX / 4)
        return ERR_CORRUPT;
    return sparse_step(p);
}

enum err posting_open_blocks(struct posting *p, struct slice bytes, uint64_t count)
{
    *p = (struct posting){ .shape = POSTING_BLOCKS, .count = count };
    p->bytes = (const uint8_t *)bytes.bytes;
    p->size = bytes.length;
    uint32_t head[2];
    if (bytes.length < sizeof head || (uintptr_t)bytes.bytes % 8)
        return ERR_CORRUPT;
    memcpy(head, bytes.bytes, sizeof head);
    size_t entries_bytes = (size_t)head[0] * sizeof *p->entries;
    if (!head[0] || entries_bytes > bytes.length - sizeof head ||
        checksum(p->bytes + sizeof head, entries_bytes, head[0]) != head[1])
        return ERR_CORRUPT;
    p->entries = (const struct posting_entry *)(const void *)(p->bytes + sizeof head);
    p->entry_count = head[0];
    p->number = p->entries[0].number;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->entry_count; i++)
        sum += (uint64_t)p->entries[i].count_less_1 + 1;
    return sum == count ? ERR_NONE : ERR_CORRUPT; /* rooms are made by the count */
}

void posting_open_run(struct posting *p, const uint32_t *places, uint32_t count, uint64_t base)
{
    *p = (struct posting){ .shape = POSTING_RUN,
                           .count = count,
                           .number = POSTING_END,
                           .places = places,
                           .place_count = count,
                           .base = base };
    if (count)
        p->number = (base + places[0]) >> BLOCK_SHIFT;
}

/* ---- skipping ---- */

static void run_to(struct posting *p, uint32_t at);

enum err posting_rewind(struct posting *p)
{
    switch ((enum posting_shape)p->shape) {
    case POSTING_SPARSE:
        p->at = p->begin;
        p->doc = p->first;
        p->left = p->count;
        return sparse_step(p);
    case POSTING_BLOCKS:
        p->entry_at = 0;
        p->number = p->entries[0].number;
        return ERR_NONE;
    case POSTING_RUN:
        run_to(p, 0);
        return ERR_NONE;
    }
    return ERR_CORRUPT;
}

static uint32_t gallop_entries(const struct posting *p, uint64_t number)
{
    uint32_t at = p->entry_at, step = 1;
    while (p->entry_count - at > step && p->entries[at + step].number < number) {
        at += step;
        step *= 2;
    }
    uint32_t low = at, high = MIN(p->entry_count, at + step + 1);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->entries[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first place at or above `from` whose document is not below `doc`. */
static uint32_t places_bound(const struct posting *p, uint32_t from, uint64_t doc)
{
    uint32_t low = from, high = p->place_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->base + p->places[middle] < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void run_to(struct posting *p, uint32_t at)
{
    p->place_at = at;
    p->number =
        at < p->place_count ? (p->base + p->places[at]) >> BLOCK_SHIFT : POSTING_END;
}

enum err posting_skip(struct posting *p, uint64_t number)
{
    if (p->number >= number)
        return ERR_NONE;
    switch ((enum posting_shape)p->shape) {
    case POSTING_SPARSE:
        while (p->number < number)
            TRY(sparse_step(p));
        return ERR_NONE;
    case POSTING_BLOCKS:
        p->entry_at = gallop_entries(p, number);
        p->number =
            p->entry_at < p->entry_count ? p->entries[p->entry_at].number : POSTING_END;
        return p->number >= number ? ERR_NONE : ERR_CORRUPT;
    case POSTING_RUN:
        run_to(p, number > UINT64_MAX >> BLOCK_SHIFT
                      ? p->place_count
                      : places_bound(p, p->place_at, number << BLOCK_SHIFT));
        return ERR_NONE;
    }
    return ERR_CORRUPT;
}

/* ---- blocks ---- */

static enum err sparse_next(struct posting *p, union block_room *room, struct block *ret)
{
    uint64_t number = p->number;
    uint32_t count = 0, last = 0;
    /* A list of this shape has few documents a block; a hostile one may have
     * more than the room takes. */
    while (p->number == number) {
        uint32_t low = (uint32_t)(p->doc & (BLOCK_DOCS - 1));
        if (count == BLOCK_LIST_MAX || (count && low <= last))
            return ERR_CORRUPT;
        room->list[count++] = (uint16_t)low;
        last = low;
        TRY(sparse_step(p));
    }
    block_of_list(ret, number, room->list, count);
    return ERR_NONE;
}

static enum err entry_block(const struct posting *p, const struct posting_entry *e,
                            struct block *ret)
{
    size_t at = (size_t)e->place * 8, size = 0;
    *ret = (struct block){ .number = e->number,
                           .count = (uint32_t)e->count_less_1 + 1,
                           .kind = e->kind };
    if (at >= p->size || p->size - at < 2)
        return ERR_CORRUPT;
    const uint8_t *bytes = p->bytes + at;
    switch ((enum block_kind)e->kind) {
    case BLOCK_LIST:
        ret->list = (const uint16_t *)(const void *)bytes;
        size = 2 * (size_t)ret->count;
        break;
    case BLOCK_BITS:
        ret->bits = (const uint64_t *)(const void *)bytes;
        size = BLOCK_BYTES_MAX;
        break;
    case BLOCK_RUNS:
        ret->list = (const uint16_t *)(const void *)bytes + 1;
        ret->run_count = (uint32_t)ret->list[-1] + 1;
        size = 2 + 4 * (size_t)ret->run_count;
        break;
    default:
        return ERR_CORRUPT;
    }
    if (size > p->size - at || (ret->kind == BLOCK_LIST && ret->count > BLOCK_LIST_MAX))
        return ERR_CORRUPT;
    return checksum(bytes, size, e->number) == e->checksum ? ERR_NONE : ERR_CORRUPT;
}

static void run_next(struct posting *p, union block_room *room, struct block *ret)
{
    uint64_t number = p->number;
    uint32_t end = places_bound(p, p->place_at, (number + 1) << BLOCK_SHIFT);
    uint32_t count = end - p->place_at;
    if (count <= BLOCK_LIST_MAX) {
        for (uint32_t i = 0; i < count; i++)
            room->list[i] = (uint16_t)(p->base + p->places[p->place_at + i]);
        block_of_list(ret, number, room->list, count);
    } else {
        memset(room->bits, 0, sizeof room->bits);
        for (uint32_t i = p->place_at; i < end; i++)
            bits_set(room->bits, (uint16_t)(p->base + p->places[i]));
        *ret = (struct block){
            .number = number, .count = count, .kind = BLOCK_BITS, .bits = room->bits
        };
    }
    run_to(p, end);
}

static enum err entry_step(struct posting *p)
{
    uint64_t before = p->number;
    p->entry_at++;
    p->number = p->entry_at < p->entry_count ? p->entries[p->entry_at].number : POSTING_END;
    return p->number > before ? ERR_NONE : ERR_CORRUPT;
}

enum err posting_next(struct posting *p, union block_room *room, struct block *ret)
{
    CHECK(p->number != POSTING_END);
    switch ((enum posting_shape)p->shape) {
    case POSTING_SPARSE:
        return sparse_next(p, room, ret);
    case POSTING_BLOCKS:
        TRY(entry_block(p, &p->entries[p->entry_at], ret));
        return entry_step(p);
    case POSTING_RUN:
        run_next(p, room, ret);
        return ERR_NONE;
    }
    return ERR_CORRUPT;
}

enum err posting_next_count(struct posting *p, union block_room *room, struct block *ret)
{
    if (p->shape != POSTING_BLOCKS)
        return posting_next(p, room, ret);
    const struct posting_entry *e = &p->entries[p->entry_at];
    *ret = (struct block){ .number = e->number,
                           .count = (uint32_t)e->count_less_1 + 1,
                           .kind = e->kind };
    return entry_step(p);
}

/* ---- unions ---- */

enum { UNION_FEW = 6 /* lists of a block that are put together one by one */ };

enum err posting_union_open(struct posting_union *u, struct posting *lists, uint32_t count,
                            struct arena *arena)
{
    *u = (struct posting_union){ .lists = lists, .count = count };
    for (uint32_t i = 0; i < count; i++)
        u->docs += lists[i].count;
    size_t bytes = block_room_bytes(u->docs);
    if (!bytes)
        return ERR_NONE;
    u->room = arena_raw(arena, bytes);
    u->piece = count > 1 ? arena_raw(arena, bytes) : u->room;
    return u->room && u->piece ? ERR_NONE : ERR_NO_MEMORY;
}

/* Bits as a block in the union's room. */
static enum err union_settle(struct posting_union *u, uint64_t number, const uint64_t *bits,
                             struct block *ret)
{
    union block_room *room = u->room;
    block_of_bits(ret, number, bits);
    if (ret->count > u->docs)
        return ERR_CORRUPT;
    if (ret->count > BLOCK_LIST_MAX) {
        memcpy(room->bits, bits, sizeof room->bits);
        ret->bits = room->bits;
    } else {
        uint32_t count = block_lows(ret, room->list);
        block_of_list(ret, number, room->list, count);
    }
    return ERR_NONE;
}

/* Put one more block over the union's, which stands in the room. A bitmap may
 * hold more than its entry says, and the room is no larger than what was said. */
static enum err union_add(struct posting_union *u, struct block *sum, const struct block *add)
{
    union block_room *room = u->room;
    if (sum->kind == BLOCK_LIST && add->kind == BLOCK_LIST &&
        sum->count + add->count <= BLOCK_LIST_MAX) {
        sum->count = block_list_add(room->list, sum->count, add->list, add->count);
        return ERR_NONE;
    }
    if (sum->kind == BLOCK_BITS && sum->bits == room->bits) {
        block_or_into(add, room->bits);
        sum->count = bits_count(room->bits);
        return ERR_NONE;
    }
    uint64_t bits[BLOCK_WORDS] = { 0 };
    block_or_into(sum, bits);
    block_or_into(add, bits);
    return union_settle(u, sum->number, bits, sum);
}

/* Many lists: all into bits. */
static enum err union_many(struct posting_union *u, uint64_t number, struct block *ret)
{
    uint64_t bits[BLOCK_WORDS] = { 0 };
    for (uint32_t i = 0; i < u->count; i++) {
        struct block next;
        if (u->lists[i].number != number)
            continue;
        TRY(posting_next(&u->lists[i], u->piece, &next));
        block_or_into(&next, bits);
    }
    return union_settle(u, number, bits, ret);
}

/* The lists that have the block `number`, one over the other. The first stays
 * where it lies; a second one moves it into the room. */
static enum err union_block(struct posting_union *u, uint64_t number, struct block *ret)
{
    bool any = false;
    uint32_t having = 0;
    for (uint32_t i = 0; i < u->count; i++)
        having += u->lists[i].number == number;
    if (having > UNION_FEW)
        return union_many(u, number, ret);
    for (uint32_t i = 0; i < u->count; i++) {
        struct posting *p = &u->lists[i];
        if (p->number != number)
            continue;
        struct block next;
        u->failed = i;
        TRY(posting_next(p, any ? u->piece : u->room, &next));
        if (!any) {
            *ret = next;
        } else {
            if (ret->kind == BLOCK_LIST && ret->list != u->room->list) {
                memcpy(u->room->list, ret->list, ret->count * sizeof(uint16_t));
                ret->list = u->room->list;
            }
            TRY(union_add(u, ret, &next));
        }
        any = true;
    }
    return ERR_NONE;
}

enum err posting_union_peek(struct posting_union *u, uint64_t number, uint64_t *ret_number)
{
    uint64_t least = POSTING_END;
    for (uint32_t i = 0; i < u->count; i++) {
        u->failed = i;
        TRY(posting_skip(&u->lists[i], number));
        least = MIN(least, u->lists[i].number);
    }
    *ret_number = least;
    return ERR_NONE;
}

enum err posting_union_rewind(struct posting_union *u)
{
    for (uint32_t i = 0; i < u->count; i++)
        TRY(posting_rewind(&u->lists[i]));
    return ERR_NONE;
}

enum err posting_union_next(struct posting_union *u, uint64_t number, bool *ret_any,
                            struct block *ret)
{
    uint64_t least = POSTING_END;
    TRY(posting_union_peek(u, number, &least));
    *ret_any = least != POSTING_END;
    return *ret_any ? union_block(u, least, ret) : ERR_NONE;
}

enum err posting_union_count(struct posting_union *u, uint64_t number, struct block *ret)
{
    struct posting *one = NULL;
    for (uint32_t i = 0; i < u->count; i++) {
        if (u->lists[i].number != number)
            continue;
        if (one)
            return union_block(u, number, ret);
        one = &u->lists[i];
    }
    CHECK(one);
    u->failed = (uint32_t)(one - u->lists);
    return posting_next_count(one, u->room, ret);
}
