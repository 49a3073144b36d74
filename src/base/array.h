/* base/array.h - a growing array of owned memory, of any type of item.
 *
 * For long-lived lists; what a request needs goes into its arena. The caller keeps
 * items, count and room; free() ends it. Not thread-safe.
 */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>

#include "base/check.h"

/* The items, moved if need be, with room for one more than `count`; NULL when memory
 * is short: then `items` is as before. */
MUST_USE void *array_room(void *items, size_t count, size_t *room, size_t item_bytes);

/* Take out the one at `at`; those behind it move up. */
void array_remove(void *items, size_t *count, size_t at, size_t item_bytes);

#endif
