/* fhir/walk.c - every element of a resource with its declared type.
 *
 * One frame per open object, on the C stack; an array is a cursor in the frame
 * of the object that holds it.
 */
#include "fhir/tables.h"

struct member {
    struct json key;
    const struct fhir_element *element; /* NULL: unknown */
    const struct fhir_type *type;       /* declared */
    bool is_sibling;
};

struct frame {
    struct fhir_node node; /* the object, as enter() saw it */
    struct json key;       /* next member to look at; absent at the end */
    struct member member;  /* whose array is being walked */
    struct json array;     /* absent: no array is open */
    struct json element;   /* its next element */
    uint32_t index;
};

struct walk {
    const struct fhir_walker *walker;
    struct frame frames[JSON_DEFAULT_DEPTH];
    uint16_t depth;
};

static enum err report(enum err (*call)(void *, const struct fhir_node *), void *context,
                       const struct fhir_node *node)
{
    return call ? call(context, node) : ERR_NONE;
}

static enum err push(struct walk *walk, const struct fhir_node *node)
{
    bool skip = false;
    if (walk->walker->enter)
        TRY(walk->walker->enter(walk->walker->context, node, &skip));
    if (skip)
        return ERR_NONE;
    if (walk->depth == JSON_DEFAULT_DEPTH)
        return ERR_LIMIT;
    struct frame *frame = &walk->frames[walk->depth++];
    frame->node = *node;
    frame->key = json_first(node->value);
    frame->array = JSON_ABSENT;
    return ERR_NONE;
}

/* What a value of the type is there: an object opens a frame, all else is a leaf. */
static enum err visit_value(struct walk *walk, struct fhir_node *node)
{
    const struct fhir_walker *walker = walk->walker;
    if (!json_is(node->value, JSON_OBJECT))
        return report(walker->leaf, walker->context, node);
    if (node->type && type_is_open_resource(node->type)) {
        node->type = resource_type_of(node->value);
        if (!node->type)
            return report(walker->unknown, walker->context, node);
    }
    if (!node->type || node->type->kind == FHIR_PRIMITIVE)
        return report(walker->leaf, walker->context, node);
    return push(walk, node);
}

static struct member member_of(const struct fhir_type *parent, struct json key)
{
    char room[ELEMENT_NAME_MAX];
    struct slice name = key_name(key, room);
    struct member member = { .key = key };
    member.is_sibling = name.length > 0 && name.bytes[0] == '_';
    member.element = fhir_element_find(parent, slice_from(name, member.is_sibling));
    if (member.element)
        member.type = fhir_type_at(member.element->type);
    if (member.is_sibling) {
        bool fits = member.type && member.type->kind == FHIR_PRIMITIVE;
        member.element = fits ? member.element : NULL;
        member.type = fhir_type_at(FHIR_TYPE_ELEMENT);
    }
    return member;
}

static struct fhir_node node_of(const struct walk *walk, const struct frame *frame,
                                const struct member *member, struct json value)
{
    return (struct fhir_node){ .value = value,
                               .key = member->key,
                               .element = member->element,
                               .type = member->type,
                               .parent = frame->node.type,
                               .depth = walk->depth,
                               .is_sibling = member->is_sibling };
}

static enum err visit_unknown(struct walk *walk, struct frame *frame, struct member *member,
                              struct json value)
{
    char room[ELEMENT_NAME_MAX];
    bool is_resource = frame->node.type->kind == FHIR_RESOURCE;
    if (is_resource && slice_is(key_name(member->key, room), "resourceType"))
        return ERR_NONE;
    member->type = NULL;
    struct fhir_node node = node_of(walk, frame, member, value);
    return report(walk->walker->unknown, walk->walker->context, &node);
}

static enum err visit_member(struct walk *walk, struct frame *frame)
{
    struct json key = frame->key, value = json_value(key);
    frame->key = json_next(frame->node.value, value);
    struct member member = member_of(frame->node.type, key);
    if (!member.element)
        return visit_unknown(walk, frame, &member, value);
    if (json_is(value, JSON_ARRAY)) {
        frame->member = member;
        frame->array = value;
        frame->element = json_first(value);
        frame->index = 0;
        return ERR_NONE;
    }
    struct fhir_node node = node_of(walk, frame, &member, value);
    return visit_value(walk, &node);
}

static enum err visit_element(struct walk *walk, struct frame *frame)
{
    struct json value = frame->element;
    if (!json_exists(value)) {
        frame->array = JSON_ABSENT;
        return ERR_NONE;
    }
    frame->element = json_next(frame->array, value);
    struct fhir_node node = node_of(walk, frame, &frame->member, value);
    node.index = frame->index++;
    node.is_array = true;
    return visit_value(walk, &node);
}

enum err fhir_walk(struct json value, const struct fhir_type *type,
                   const struct fhir_walker *walker)
{
    struct walk walk;
    walk.walker = walker;
    walk.depth = 0;
    struct fhir_node root = { .value = value, .type = type };
    TRY(visit_value(&walk, &root));
    while (walk.depth > 0) {
        struct frame *frame = &walk.frames[walk.depth - 1];
        if (json_exists(frame->array)) {
            TRY(visit_element(&walk, frame));
        } else if (json_exists(frame->key)) {
            TRY(visit_member(&walk, frame));
        } else {
            walk.depth--;
            TRY(report(walker->leave, walker->context, &frame->node));
        }
    }
    return ERR_NONE;
}
