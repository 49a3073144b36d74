#include "store/embedded/recent.h"

#include <stdlib.h>

#include "os/thread.h"

enum { RECENT_ROOM_MIN = 4096 };

/* Lives as long as the store and grows: hence the heap and no arena. */
enum err recent_init(struct recent *recent)
{
    *recent = (struct recent){ .room = RECENT_ROOM_MIN };
    recent->slots = calloc(recent->room, sizeof *recent->slots);
    mutex_init(&recent->lock);
    return recent->slots ? ERR_NONE : ERR_NO_MEMORY;
}

void recent_release(struct recent *recent)
{
    free(recent->slots);
    mutex_destroy(&recent->lock);
}

/* Entity numbers are ours and sequential: a multiplication spreads them. */
static size_t slot_of(uint64_t entity, size_t room)
{
    return (size_t)((entity * 0x9e3779b97f4a7c15u) >> 20) & (room - 1);
}

void preparation_begin(struct recent *recent, struct preparation *preparation,
                       const _Atomic uint64_t *written)
{
    mutex_lock(&recent->lock);
    preparation->start = atomic_load_explicit(written, memory_order_acquire);
    preparation->older = recent->newest;
    preparation->newer = NULL;
    if (recent->newest)
        recent->newest->newer = preparation;
    else
        recent->oldest = preparation;
    recent->newest = preparation;
    mutex_unlock(&recent->lock);
}

void preparation_end(struct recent *recent, struct preparation *preparation)
{
    mutex_lock(&recent->lock);
    if (preparation->older)
        preparation->older->newer = preparation->newer;
    else
        recent->oldest = preparation->newer;
    if (preparation->newer)
        preparation->newer->older = preparation->older;
    else
        recent->newest = preparation->older;
    mutex_unlock(&recent->lock);
}

/* Preparations are listed in the order they began, so the first started
 * earliest; one that begins later starts at `written` or above. */
static uint64_t oldest_start(struct recent *recent, uint64_t written)
{
    mutex_lock(&recent->lock);
    uint64_t start = recent->oldest ? recent->oldest->start : written;
    mutex_unlock(&recent->lock);
    return start;
}

static void slots_put(struct recent_slot *slots, size_t room, uint64_t entity, uint64_t doc,
                      size_t *count)
{
    size_t at = slot_of(entity, room);
    while (slots[at].entity && slots[at].entity != entity)
        at = (at + 1) & (room - 1);
    if (!slots[at].entity)
        ++*count;
    slots[at] = (struct recent_slot){ entity, doc };
}

enum err recent_reserve(struct recent *recent, size_t count, uint64_t written)
{
    if ((recent->count + count) * 2 <= recent->room)
        return ERR_NONE;
    uint64_t start = oldest_start(recent, written);
    size_t kept = 0;
    for (size_t i = 0; i < recent->room; i++)
        kept += recent->slots[i].entity && recent->slots[i].doc > start;
    size_t room = RECENT_ROOM_MIN;
    while ((kept + count) * 4 > room)
        room *= 2;
    struct recent_slot *slots = calloc(room, sizeof *slots);
    if (!slots)
        return ERR_NO_MEMORY;
    size_t moved = 0;
    for (size_t i = 0; i < recent->room; i++)
        if (recent->slots[i].entity && recent->slots[i].doc > start)
            slots_put(slots, room, recent->slots[i].entity, recent->slots[i].doc, &moved);
    free(recent->slots);
    recent->slots = slots;
    recent->room = room;
    recent->count = moved;
    return ERR_NONE;
}

uint64_t recent_find(const struct recent *recent, uint64_t entity)
{
    size_t at = slot_of(entity, recent->room);
    while (recent->slots[at].entity) {
        if (recent->slots[at].entity == entity)
            return recent->slots[at].doc;
        at = (at + 1) & (recent->room - 1);
    }
    return 0;
}

void recent_put(struct recent *recent, uint64_t entity, uint64_t doc)
{
    CHECK(recent->count < recent->room);
    slots_put(recent->slots, recent->room, entity, doc, &recent->count);
}
