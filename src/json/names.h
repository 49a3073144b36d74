/* json/names.h - no two members of one object have the same name. Private.
 *
 * Up to NAMES_COMPARED_MAX members each new name is compared with those before
 * it, but only if a 64-bit filter of their signatures says that one may be
 * equal. Larger objects are checked once, at their end, by a hash map: time
 * stays linear whatever the text. Names are compared decoded.
 */
#ifndef JSON_NAMES_H
#define JSON_NAMES_H

#include "json/json.h"

enum { NAMES_COMPARED_MAX = 32 };

/* Of an object still open; starts zeroed. */
struct names {
    uint64_t filter; /* a bit per signature seen; all ones once a name has escapes */
    uint32_t count;
};

/* Take in the key node `key` of the object `object`; false when it came before.
 * Past NAMES_COMPARED_MAX it only counts. */
bool names_add(struct names *names, const char *text, const struct json_node *nodes,
               uint32_t object, uint32_t key);

/* All `count` members of a closed object, its nodes' `next` being set: ERR_SYNTAX
 * with the second key node of a pair, ERR_NO_MEMORY. */
MUST_USE enum err names_check(uint32_t count, const char *text, const struct json_node *nodes,
                              uint32_t object, struct arena *arena, uint32_t *ret_key);

#endif
