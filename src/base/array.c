#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 16 };

void *array_room(void *items, size_t count, size_t *room, size_t item_bytes)
{
    CHECK(count <= *room);
    if (count < *room)
        return items;
    size_t larger = *room ? *room * 2 : ROOM_MIN;
    if (larger < *room || larger > SIZE_MAX / item_bytes)
        return NULL;
    void *moved = realloc(items, larger * item_bytes);
    if (moved)
        *room = larger;
    return moved;
}

void array_remove(void *items, size_t *count, size_t at, size_t item_bytes)
{
    CHECK(at < *count);
    char *place = (char *)items + at * item_bytes;
    --*count;
    memmove(place, place + item_bytes, (*count - at) * item_bytes);
}
