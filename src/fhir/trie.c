/* fhir/trie.c - all parameters of a resource in one walk.
 *
 * The generator merged the expressions of each resource type into one tree
 * (tools/gen/trie.c). Depth of recursion is the tree's, a few levels, whatever
 * the document.
 */
#include "fhir/name_hash.h"
#include "fhir/tables.h"

struct trie_walk {
    fhir_param_visit *visit;
    void *context;
    uint32_t contained_steps_left;
    const struct fhir_param *param; /* of those that are run by themselves */
};

static enum err visit_node(struct trie_walk *walk, const struct trie_node *node,
                           struct fhir_item item);

static const struct trie_node *find_child(const struct trie_node *node, struct slice name)
{
    const struct name_table *table = &node->names;
    uint32_t mask = (UINT32_C(1) << table->bits) - 1;
    uint32_t at = name_slot(name_hash(name), table->multiplier, table->bits);
    for (; table->slots[at]; at = (at + 1) & mask) {
        const struct trie_node *child = &fhir_trie[node->first_child + table->slots[at] - 1];
        if (slice_equal(child->element->name, name))
            return child;
    }
    return NULL;
}

static enum err visit_member(struct trie_walk *walk, const struct trie_node *node,
                             struct json value, struct json resource)
{
    struct fhir_item item;
    if (!json_is(value, JSON_ARRAY))
        return item_of(value, node->element, resource, &item) ? visit_node(walk, node, item)
                                                              : ERR_NONE;
    for (struct json v = json_first(value); json_exists(v); v = json_next(value, v))
        if (item_of(v, node->element, resource, &item))
            TRY(visit_node(walk, node, item));
    return ERR_NONE;
}

static enum err visit_children(struct trie_walk *walk, const struct trie_node *node,
                               struct fhir_item item)
{
    char room[ELEMENT_NAME_MAX];
    if (!json_is(item.value, JSON_OBJECT))
        return ERR_NONE;
    for (struct json key = json_first(item.value); json_exists(key);
         key = json_next(item.value, json_value(key))) {
        const struct trie_node *child = find_child(node, key_name(key, room));
        if (child)
            TRY(visit_member(walk, child, json_value(key), item.resource));
    }
    return ERR_NONE;
}

static enum err visit_node(struct trie_walk *walk, const struct trie_node *node,
                           struct fhir_item item)
{
    for (uint16_t i = 0; i < node->accept_count; i++)
        TRY(walk->visit(walk->context, &fhir_params[node->accepts[i]], item));
    for (uint16_t i = 0; i < node->filter_count; i++) {
        const struct trie_node *filter = &fhir_trie[node->first_child + node->child_count + i];
        if (filter_keeps(filter->filter, item, &walk->contained_steps_left))
            TRY(visit_node(walk, filter, item));
    }
    return node->child_count ? visit_children(walk, node, item) : ERR_NONE;
}

static enum err visit_other(void *context, struct fhir_item item)
{
    struct trie_walk *walk = context;
    return walk->visit(walk->context, walk->param, item);
}

enum err fhir_params_visit(const struct fhir_type *type, struct json resource,
                           fhir_param_visit *visit, void *context)
{
    if (type->resource == FHIR_NO_TYPE)
        return ERR_NONE;
    struct trie_walk walk = { .visit = visit,
                              .context = context,
                              .contained_steps_left = CONTAINED_STEPS_MAX };
    struct fhir_item root = { .value = resource, .type = type, .resource = resource };
    TRY(visit_node(&walk, &fhir_trie[type->resource], root));
    const struct param_list *others = &fhir_other_params[type->resource];
    for (uint16_t i = 0; i < others->count; i++) {
        walk.param = &fhir_params[others->ids[i]];
        TRY(fhir_path_visit(walk.param->path, root, visit_other, &walk));
    }
    return ERR_NONE;
}
