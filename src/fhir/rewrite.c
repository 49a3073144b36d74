/* fhir/rewrite.c - copy a subtree without white space, references rewritten.
 *
 * Types are worked out only where a string looks like a URL: then each object
 * around it learns its type once, from the nearest one that knows its own.
 */
#include "fhir/rewrite.h"

#include <string.h>

struct frame {
    uint32_t at;                  /* its node */
    uint32_t key;                 /* of the member being copied; an array has its holder's */
    const struct fhir_type *type; /* of the object, or of the array's holder */
    bool has_type;                /* type is worked out (and may be NULL) */
    bool is_object;
    bool is_started; /* something was written in it */
};

struct tree {
    const struct fhir_prepare *options;
    const struct json_doc *doc;
    struct copy copy;
    uint32_t depth; /* frames in use; the first is the object around the member */
    struct frame frames[JSON_DEFAULT_DEPTH];
    struct rewrite_room room;
};

/* ---- copying ---- */

void copy_flush(struct copy *copy)
{
    buf_append(copy->out, slice_of(copy->text + copy->from, copy->to - copy->from));
    copy->from = copy->to = 0;
}

void copy_token(struct copy *copy, size_t offset, size_t length)
{
    if (copy->from == copy->to || offset != copy->to) {
        copy_flush(copy);
        copy->from = offset;
    }
    copy->to = offset + length;
}

/* Only ever between two tokens of the source, so text[to] is inside of it. */
void copy_byte(struct copy *copy, char byte)
{
    if (copy->from != copy->to && copy->text[copy->to] == byte) {
        copy->to++;
        return;
    }
    copy_flush(copy);
    buf_append_byte(copy->out, byte);
}

void append_escaped(struct buf *out, struct slice text)
{
    size_t start = out->length;
    json_write_string(out, text);
    if (out->failure || out->length < start + 2)
        return;
    memmove(out->bytes + start, out->bytes + start + 1, out->length - start - 2);
    out->length -= 2;
}

/* ---- what a URL becomes ---- */

/* A relative reference is meant relative to the base of its entry's fullUrl. */
static bool find_relative(const struct fhir_prepare *options, struct slice url,
                          struct rewrite_room *room, struct slice *ret_target)
{
    if (!slice_starts_with(options->full_url, SLICE("http")))
        return false; /* urn:uuid: has no base */
    struct fhir_reference reference = fhir_reference_parse(url);
    if (!reference.type || reference.base.length > 0)
        return false;
    struct fhir_reference full = fhir_reference_parse(options->full_url);
    if (!full.type || full.base.length == 0)
        return false;
    size_t length = full.base.length + 1 + url.length;
    if (length > sizeof room->joined)
        return false;
    memcpy(room->joined, full.base.bytes, full.base.length);
    room->joined[full.base.length] = '/';
    memcpy(room->joined + full.base.length + 1, url.bytes, url.length);
    return options->rewrite(options->context, slice_of(room->joined, length), ret_target);
}

struct slice rewrite_url(const struct fhir_prepare *options, struct slice raw, bool is_relative,
                         struct rewrite_room *room)
{
    struct slice url = text_unescape(raw, room->decoded, sizeof room->decoded);
    struct slice fragment = url;
    url = slice_cut(&fragment, '#');
    struct slice target;
    if (url.length == 0)
        return SLICE_NONE;
    if (!options->rewrite(options->context, url, &target) &&
        !(is_relative && find_relative(options, url, room, &target)))
        return SLICE_NONE;
    if (!fragment.bytes)
        return target;
    if (target.length + 1 + fragment.length > sizeof room->joined)
        return SLICE_NONE;
    memmove(room->joined, target.bytes, target.length);
    room->joined[target.length] = '#';
    memcpy(room->joined + target.length + 1, fragment.bytes, fragment.length);
    return slice_of(room->joined, target.length + 1 + fragment.length);
}

/* ---- types, when they are needed ---- */

static const struct json_node *node_at(const struct tree *tree, uint32_t at)
{
    return &tree->doc->nodes[at];
}

/* `_name` holds an Element, whatever the primitive. */
static const struct fhir_type *member_type(const struct tree *tree, const struct frame *holder,
                                           const struct fhir_element **ret_element)
{
    char room[ELEMENT_NAME_MAX];
    struct slice name = key_name((struct json){ tree->doc, holder->key }, room);
    *ret_element = NULL;
    if (!holder->type || name.length == 0)
        return NULL;
    if (name.bytes[0] == '_')
        return fhir_type_at(FHIR_TYPE_ELEMENT);
    *ret_element = fhir_element_find(holder->type, name);
    return *ret_element ? fhir_type_at((*ret_element)->type) : NULL;
}

static void learn_types(struct tree *tree)
{
    uint32_t known = tree->depth - 1;
    while (!tree->frames[known].has_type)
        known--; /* the first frame always knows */
    for (uint32_t i = known + 1; i < tree->depth; i++) {
        struct frame *frame = &tree->frames[i];
        const struct frame *holder = &tree->frames[i - 1];
        const struct fhir_element *element;
        frame->has_type = true;
        if (!frame->is_object) {
            frame->type = holder->type;
            continue;
        }
        frame->type = member_type(tree, holder, &element);
        if (frame->type && type_is_open_resource(frame->type))
            frame->type = resource_type_of((struct json){ tree->doc, frame->at });
    }
}

/* ---- strings ---- */

enum role { ROLE_NONE, ROLE_URL, ROLE_REFERENCE, ROLE_NARRATIVE };

static enum role string_role(struct tree *tree)
{
    learn_types(tree);
    const struct frame *holder = &tree->frames[tree->depth - 1];
    const struct fhir_element *element;
    const struct fhir_type *type = member_type(tree, holder, &element);
    if (!type || !element)
        return ROLE_NONE;
    switch (type->id) {
    case FHIR_TYPE_URI:
    case FHIR_TYPE_URL:
    case FHIR_TYPE_OID:
    case FHIR_TYPE_UUID:
        return ROLE_URL;
    case FHIR_TYPE_XHTML:
        return ROLE_NARRATIVE;
    case FHIR_TYPE_STRING:
        return holder->type->id == FHIR_TYPE_REFERENCE && slice_is(element->name, "reference")
                   ? ROLE_REFERENCE
                   : ROLE_NONE;
    default:
        return ROLE_NONE;
    }
}

/* Has one of eight bytes this value? Exact for the answer no. */
static uint64_t has_byte(uint64_t word, char byte)
{
    uint64_t x = word ^ UINT64_C(0x0101010101010101) * (uint8_t)byte;
    return (x - UINT64_C(0x0101010101010101)) & ~x & UINT64_C(0x8080808080808080);
}

static bool has_url_byte(struct slice raw)
{
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= raw.length; at += sizeof word) {
        memcpy(&word, raw.bytes + at, sizeof word);
        if (has_byte(word, ':') | has_byte(word, '/') | has_byte(word, '?'))
            return true;
    }
    for (; at < raw.length; at++) {
        char c = raw.bytes[at];
        if (c == ':' || c == '/' || c == '?')
            return true;
    }
    return false;
}

/* A cheap look that spares most strings the question for their type. */
static bool looks_rewritable(struct slice raw)
{
    if (raw.length > 0 && (raw.bytes[0] == '<' || raw.bytes[0] == '\\'))
        return true;
    return raw.length <= URL_LENGTH_MAX && has_url_byte(raw);
}

/* True when the string was written in another form. */
static bool rewrite_string(struct tree *tree, struct slice raw)
{
    if (!looks_rewritable(raw))
        return false;
    enum role role = string_role(tree);
    struct buf *out = tree->copy.out;
    if (role == ROLE_NARRATIVE) {
        copy_flush(&tree->copy);
        buf_append_byte(out, '"');
        narrative_rewrite(tree->options, raw, &tree->room, out);
        buf_append_byte(out, '"');
        return true;
    }
    if (role == ROLE_NONE)
        return false;
    struct slice url = rewrite_url(tree->options, raw, role == ROLE_REFERENCE, &tree->room);
    if (url.length == 0)
        return false;
    copy_flush(&tree->copy);
    json_write_string(out, url);
    return true;
}

/* ---- the tree ---- */

static enum err open_container(struct tree *tree, uint32_t at)
{
    if (tree->depth == JSON_DEFAULT_DEPTH)
        return ERR_LIMIT;
    const struct json_node *node = node_at(tree, at);
    const struct frame *holder = &tree->frames[tree->depth - 1];
    copy_token(&tree->copy, node->offset, 1);
    tree->frames[tree->depth++] =
        (struct frame){ .at = at, .key = holder->key, .is_object = node->type == JSON_OBJECT };
    return ERR_NONE;
}

static void close_container(struct tree *tree)
{
    struct frame *frame = &tree->frames[--tree->depth];
    copy_byte(&tree->copy, frame->is_object ? '}' : ']');
}

static enum err copy_value(struct tree *tree, uint32_t at)
{
    const struct json_node *node = node_at(tree, at);
    if (node->type == JSON_OBJECT || node->type == JSON_ARRAY)
        return open_container(tree, at);
    if (node->type != JSON_STRING) {
        copy_token(&tree->copy, node->offset, node->length);
        return ERR_NONE;
    }
    struct slice raw = slice_of(tree->doc->text.bytes + node->offset, node->length);
    if (!rewrite_string(tree, raw))
        copy_token(&tree->copy, node->offset - 1, (size_t)node->length + 2);
    return ERR_NONE;
}

static enum err copy_nodes(struct tree *tree, uint32_t at, uint32_t end)
{
    while (at < end || tree->depth > 1) {
        struct frame *frame = &tree->frames[tree->depth - 1];
        if (tree->depth > 1 && at == node_at(tree, frame->at)->next) {
            close_container(tree);
            continue;
        }
        const struct json_node *node = node_at(tree, at);
        bool is_member = node->type == JSON_KEY;
        if (tree->depth > 1 && (is_member || !frame->is_object)) {
            if (frame->is_started)
                copy_byte(&tree->copy, ',');
            frame->is_started = true;
        }
        if (is_member) {
            frame->key = at;
            copy_token(&tree->copy, node->offset - 1, (size_t)node->length + 2);
            copy_byte(&tree->copy, ':');
        } else {
            TRY(copy_value(tree, at));
        }
        at++;
    }
    return ERR_NONE;
}

enum err rewrite_member(const struct fhir_prepare *options, const struct fhir_type *type,
                        struct json key, struct buf *out)
{
    struct tree tree;
    struct json value = json_value(key);
    tree.options = options;
    tree.doc = key.doc;
    tree.copy = (struct copy){ .out = out, .text = key.doc->text.bytes };
    tree.depth = 1;
    tree.frames[0] =
        (struct frame){ .key = key.at, .type = type, .has_type = true, .is_object = true };
    TRY(copy_nodes(&tree, value.at, json_node(value)->next));
    copy_flush(&tree.copy);
    return ERR_NONE;
}
