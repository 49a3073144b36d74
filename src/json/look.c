#include "json/json.h"

#include "json/text.h"

static inline struct slice between_quotes(struct json v, const struct json_node *node)
{
    return slice_of(v.doc->text.bytes + node->offset, node->length);
}

static inline bool is_text(const struct json_node *node)
{
    return node->type == JSON_STRING || node->type == JSON_KEY;
}

struct json json_first(struct json v)
{
    enum json_type type = json_type(v);
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return JSON_ABSENT;
    if (json_node(v)->next == v.at + 1)
        return JSON_ABSENT;
    return (struct json){ v.doc, v.at + 1 };
}

struct json json_next(struct json parent, struct json v)
{
    if (!parent.doc || !v.doc)
        return JSON_ABSENT;
    uint32_t next = json_node(v)->next;
    if (next >= json_node(parent)->next)
        return JSON_ABSENT;
    return (struct json){ v.doc, next };
}

/* Two names of one length mostly differ in their first byte: that saves the call
 * of memcmp(), half the time of a look-up. */
static inline bool begin_alike(const char *key, struct slice name)
{
    return name.length == 0 || key[0] == name.bytes[0];
}

struct json json_get(struct json v, struct slice name)
{
    if (json_type(v) != JSON_OBJECT)
        return JSON_ABSENT;
    name.bytes = name.bytes ? name.bytes : "";
    const struct json_node *nodes = v.doc->nodes;
    const char *text = v.doc->text.bytes;
    uint32_t end = nodes[v.at].next;
    for (uint32_t at = v.at + 1; at < end; at = nodes[at + 1].next) {
        const struct json_node *key = &nodes[at];
        bool found = key->length == name.length && begin_alike(text + key->offset, name) &&
                     memcmp(text + key->offset, name.bytes, name.length) == 0;
        if (UNLIKELY(key->flags & JSON_HAS_ESCAPE))
            found = text_decoded_equal(between_quotes(v, key), name);
        if (found)
            return (struct json){ v.doc, at + 1 };
    }
    return JSON_ABSENT;
}

uint32_t json_count(struct json v)
{
    bool object = json_is(v, JSON_OBJECT);
    if (!object && !json_is(v, JSON_ARRAY))
        return 0;
    const struct json_node *nodes = v.doc->nodes;
    uint32_t count = 0;
    for (uint32_t at = v.at + 1; at < nodes[v.at].next; count++)
        at = nodes[at + object].next;
    return count;
}

struct slice json_raw(struct json v)
{
    if (!v.doc)
        return SLICE_NONE;
    const struct json_node *node = json_node(v);
    unsigned quote = is_text(node);
    return slice_of(v.doc->text.bytes + node->offset - quote, node->length + 2u * quote);
}

struct slice json_string_raw(struct json v)
{
    if (!v.doc || !is_text(json_node(v)))
        return SLICE_NONE;
    return between_quotes(v, json_node(v));
}

struct slice json_string(struct json v, struct arena *arena)
{
    struct slice raw = json_string_raw(v);
    if (!raw.bytes || !(json_node(v)->flags & JSON_HAS_ESCAPE))
        return raw;
    char *room = arena_raw(arena, raw.length);
    return room ? slice_of(room, text_decode(raw, room)) : SLICE_NONE;
}

bool json_string_is(struct json v, struct slice text)
{
    struct slice raw = json_string_raw(v);
    if (!raw.bytes)
        return false;
    if (json_node(v)->flags & JSON_HAS_ESCAPE)
        return text_decoded_equal(raw, text);
    return slice_equal(raw, text);
}

void json_position(struct slice text, size_t offset, uint32_t *ret_line, uint32_t *ret_column)
{
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < offset && i < text.length; i++) {
        uint8_t byte = (uint8_t)text.bytes[i];
        if (byte == '\n') {
            line++;
            column = 1;
        } else if ((byte & 0xC0) != 0x80) { /* once a character */
            column++;
        }
    }
    *ret_line = line;
    *ret_column = column;
}

/* Subtrees of the same shape have the same types in order and the same `next`,
 * counted from their root. */
static bool same_node(struct json a, struct json b)
{
    const struct json_node *left = json_node(a), *right = json_node(b);
    if (left->type != right->type)
        return false;
    if (left->type == JSON_OBJECT || left->type == JSON_ARRAY)
        return true;
    return left->length == right->length &&
           memcmp(a.doc->text.bytes + left->offset, b.doc->text.bytes + right->offset,
                  left->length) == 0;
}

bool json_same(struct json a, struct json b, struct json *ret_a, struct json *ret_b)
{
    struct json left = a, right = b;
    bool same = json_exists(a) == json_exists(b);
    if (same && json_exists(a)) {
        uint32_t count = json_node(a)->next - a.at;
        same = count == json_node(b)->next - b.at;
        uint32_t both = MIN(count, json_node(b)->next - b.at);
        for (uint32_t i = 0; i < both; i++) {
            struct json x = { a.doc, a.at + i }, y = { b.doc, b.at + i };
            uint32_t x_size = json_node(x)->next - x.at, y_size = json_node(y)->next - y.at;
            bool equal = same_node(x, y);
            /* The innermost container that differs in size is the best name so
             * far; a differing token is better still. */
            if (!equal || x_size != y_size) {
                left = x;
                right = y;
                same = false;
            }
            if (!equal)
                break;
        }
    }
    if (!same && ret_a)
        *ret_a = left;
    if (!same && ret_b)
        *ret_b = right;
    return same;
}
