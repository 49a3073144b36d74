/* json/tree.h - a document that can be changed, over a tape that cannot. Private.
 *
 * A part is a subtree of some tape, untouched, until something inside it is to
 * change: then it is opened into parts of its own. What stays untouched is
 * written from the tape's bytes, so order, number text and escapes stay.
 *
 * Work is bounded: each member looked at, moved or compared takes a step, and
 * ERR_LIMIT comes when they are used up. Opened parts nest at most TREE_DEPTH_MAX
 * deep, which bounds the recursion. All parts live in one arena.
 */
#ifndef JSON_TREE_H
#define JSON_TREE_H

#include "json/json.h"

enum { TREE_DEPTH_MAX = JSON_DEFAULT_DEPTH };

struct part {
    enum json_type type; /* JSON_OBJECT, JSON_ARRAY once opened; JSON_NONE: as on the tape */
    struct json value;   /* while not opened */
    struct json key;     /* of a member that stands on a tape; else ... */
    struct slice name;   /* ... its decoded name */
    struct part **parts; /* once opened: members or elements */
    uint32_t count, room;
};

struct tree {
    struct arena *arena;
    uint64_t steps; /* left */
};

/* A part for a value of a tape; NULL when memory is short. */
struct part *part_new(struct tree *t, struct json value);
/* The type it has, opened or not. */
enum json_type part_type(const struct part *p);
/* Open an object or array; nothing happens when it is open. */
MUST_USE enum err part_open(struct tree *t, struct part *p);
/* Place of the member of an opened object; its count when there is none. */
MUST_USE enum err part_find(struct tree *t, const struct part *object, struct slice name,
                            uint32_t *ret_at);
/* `child` becomes the one at `at` of an opened container; those behind move up. */
MUST_USE enum err part_insert(struct tree *t, struct part *p, uint32_t at, struct part *child);
MUST_USE enum err part_remove(struct tree *t, struct part *p, uint32_t at);
/* A copy that shares no part. */
MUST_USE enum err part_copy(struct tree *t, const struct part *p, struct part **ret);
/* How deep opened parts nest (0: not opened), and about how many bytes the text
 * has. */
MUST_USE enum err part_measure(struct tree *t, const struct part *p, uint32_t *ret_depth,
                               size_t *ret_bytes);
/* Equal as JSON values: numbers by value, members in any order. */
MUST_USE enum err part_equal(struct tree *t, const struct part *p, struct json value,
                             bool *ret_equal);
void part_render(const struct part *p, struct buf *out);

/* The same of two values of tapes. */
MUST_USE enum err value_equal(struct tree *t, struct json a, struct json b, bool *ret_equal);

/* Use up `count` steps. */
static inline enum err tree_step(struct tree *t, uint64_t count)
{
    if (t->steps < count)
        return ERR_LIMIT;
    t->steps -= count;
    return ERR_NONE;
}

#endif
