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

/* The key node `key` is like one of those before it in the object `object`. */
bool names_repeat(const char *text, const struct json_node *nodes, uint32_t object, uint32_t key);

/* The bit of a name's written form: cheap, and different for most names of one
 * FHIR object. A name with escapes may equal any other, so it has all. */
static inline uint64_t names_bits(const char *text, const struct json_node *key)
{
    if (key->flags & JSON_HAS_ESCAPE)
        return UINT64_MAX;
    if (key->length == 0)
        return 1;
    const uint8_t *name = (const uint8_t *)text + key->offset;
    unsigned mixed = key->length * 7 + name[0] * 11u + name[key->length - 1] * 29u +
                     name[key->length / 2] * 37u;
    return (uint64_t)1 << (mixed & 63);
}

/* Take in the key node `key` of the object `object`; false when it came before.
 * Past NAMES_COMPARED_MAX it only counts. */
static inline bool names_add(struct names *names, const char *text, const struct json_node *nodes,
                             uint32_t object, uint32_t key)
{
    if (UNLIKELY(names->count++ >= NAMES_COMPARED_MAX))
        return true;
    uint64_t bits = names_bits(text, &nodes[key]);
    bool maybe = names->filter & bits;
    names->filter |= bits;
    return LIKELY(!maybe) || !names_repeat(text, nodes, object, key);
}

/* All `count` members of a closed object, its nodes' `next` being set: ERR_SYNTAX
 * with the second key node of a pair, ERR_NO_MEMORY. */
MUST_USE enum err names_check(uint32_t count, const char *text, const struct json_node *nodes,
                              uint32_t object, struct arena *arena, uint32_t *ret_key);

#endif
