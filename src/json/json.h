/* json/json.h - JSON text to a tape of nodes that point back into the text.
 *
 * Nothing is copied and nothing is converted: a node is 16 bytes (offset,
 * length, type, next sibling), so number text, key order, string escapes and
 * the raw bytes of any subtree cost nothing. RFC 8259, strictly, and more:
 * UTF-8 is checked, duplicate keys of one object are refused, depth and nodes
 * are bounded, lone surrogates in \u escapes are refused, nothing may trail.
 *
 * Tape order is document order. An object's members are a JSON_KEY node
 * followed by the value's nodes. `next` is the index just past the subtree, so
 * siblings are walked without looking inside.
 *
 * The text and the arena must outlive the document. Offsets are 32 bits: texts
 * are limited to 4 GB - 1.
 */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/slice.h"

enum json_type {
    JSON_NONE, /* of a `struct json` that stands for an absent value */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_KEY,
};

enum { JSON_HAS_ESCAPE = 1, JSON_HAS_NON_ASCII = 2 };

struct json_node {
    uint32_t offset; /* of the first byte; strings and keys: behind the quote */
    uint32_t length; /* in bytes; strings and keys: between the quotes */
    uint32_t next;   /* index of the node behind this subtree; a key's: its value */
    uint8_t type;    /* enum json_type */
    uint8_t flags;   /* JSON_HAS_* of strings and keys */
    uint16_t spare;
};
_Static_assert(sizeof(struct json_node) == 16, "a node is 16 bytes");

struct json_doc {
    struct slice text;             /* borrowed */
    const struct json_node *nodes; /* in the arena */
    uint32_t count;
};

/* One value of a document; passed by value. doc == NULL means absent. */
struct json {
    const struct json_doc *doc;
    uint32_t at;
};
#define JSON_ABSENT ((struct json){ NULL, 0 })

struct json_limits {
    uint32_t depth; /* 0: JSON_DEFAULT_DEPTH; never more than JSON_DEPTH_MAX */
    uint32_t nodes; /* 0: no limit but the arena's */
};
enum { JSON_DEFAULT_DEPTH = LIMIT_JSON_DEPTH, JSON_DEPTH_MAX = 1024 };

/* Where and why a text was refused. */
struct json_error {
    size_t offset;    /* in bytes from the start of the text */
    uint32_t line;    /* from 1 */
    uint32_t column;  /* from 1, in characters */
    const char *text; /* static: "expected a comma or '}'" */
};

/* Parse the whole text. On ERR_SYNTAX (or ERR_LIMIT for depth, nodes) *error
 * says where; ERR_NO_MEMORY when the arena refuses. `limits` and `error` may be
 * NULL. On failure the arena is as it was. */
MUST_USE enum err json_parse(struct slice text, const struct json_limits *limits,
                             struct arena *arena, struct json_doc *ret_doc,
                             struct json_error *error);

/* ---- looking ---- */

static inline struct json json_root(const struct json_doc *doc)
{
    return (struct json){ doc, 0 };
}
static inline const struct json_node *json_node(struct json v)
{
    return &v.doc->nodes[v.at];
}
static inline enum json_type json_type(struct json v)
{
    return v.doc ? (enum json_type)json_node(v)->type : JSON_NONE;
}
static inline bool json_is(struct json v, enum json_type type)
{
    return json_type(v) == type;
}
static inline bool json_exists(struct json v)
{
    return v.doc != NULL;
}

/* First member's key or first element; absent when there is none (or `v` is
 * neither object nor array). */
struct json json_first(struct json v);
/* The sibling behind `v` inside `parent`: after a key's value, the next key;
 * absent at the end. Pass the *value* of a member, or an element. */
struct json json_next(struct json parent, struct json v);
/* The value of a key node. */
static inline struct json json_value(struct json key)
{
    return (struct json){ key.doc, key.at + 1 };
}
/* The member's value by its decoded name; absent when `v` is no object. */
struct json json_get(struct json v, struct slice name);
#define json_member(v, literal) json_get((v), SLICE(literal))
/* Number of elements or members. O(n). */
uint32_t json_count(struct json v);

/* ---- text ---- */

/* The exact source bytes, quotes included for strings. Borrowed from the text. */
struct slice json_raw(struct json v);
/* A string's or key's bytes between the quotes, escapes as written. */
struct slice json_string_raw(struct json v);
/* Decoded string or key. Borrowed from the text when there are no escapes, else
 * cut from the arena; .bytes == NULL when `v` is no string or memory is short. */
struct slice json_string(struct json v, struct arena *arena);
/* Equal to the decoded string. No allocation. */
bool json_string_is(struct json v, struct slice text);

/* ---- writing ---- */

/* Append the subtree without insignificant white space: member order, number
 * text and string escapes as they stand. */
void json_minify(struct json v, struct buf *out);
/* Append a JSON string literal, quotes and escapes included, of valid UTF-8. */
void json_write_string(struct buf *out, struct slice text);

/* Token for token the same: types, member order, number text, decoded strings'
 * raw escapes. What a store must give back. On false *ret_a and *ret_b (may be
 * NULL) name the first difference. */
bool json_same(struct json a, struct json b, struct json *ret_a, struct json *ret_b);

/* Line and column of a byte offset, for error texts. */
void json_position(struct slice text, size_t offset, uint32_t *ret_line, uint32_t *ret_column);

/* ---- patching ---- */

/* Why a patch was not applied. */
struct json_patch_error {
    uint32_t operation; /* which one, from 0 */
    const char *text;   /* static */
};

enum { JSON_PATCH_BYTES_DEFAULT = 64 << 20 };

/* Append the target as JSON Patch (RFC 6902) changes it: all operations, or
 * nothing. Members that it does not touch keep their place, their number text and
 * their escapes; white space goes. ERR_INVALID: the patch breaks its syntax;
 * ERR_UNPROCESSABLE: a test failed or a place is not there; ERR_LIMIT: more work,
 * or a text nested deeper or (by copies) longer than `bytes_max` (0: the default);
 * ERR_NO_MEMORY. Works in `arena`; the patch and the target may be of different
 * tapes. The result may be nested deeper than a parse allows by default. */
MUST_USE enum err json_patch(struct json target, struct json patch, size_t bytes_max,
                             struct arena *arena, struct buf *out,
                             struct json_patch_error *error);

/* The same for a merge patch (RFC 7396), which every JSON value is. */
MUST_USE enum err json_merge_patch(struct json target, struct json patch, struct arena *arena,
                                   struct buf *out);

#endif
