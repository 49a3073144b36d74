/* fhir/fhirpath_list.c - lists and sets of items. */
#include "fhir/fhirpath.h"

enum err fp_push(struct fp_run *run, struct fp_list *list, const struct fp_item *item)
{
    if (list->count >= list->room) {
        uint32_t room = MAX(list->count * 2, 4U);
        struct fp_item *items = arena_raw(run->arena, room * sizeof *items);
        if (!items)
            return ERR_NO_MEMORY;
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->room = room;
    }
    /* The room behind `count` is ours alone: see fp_list.room. */
    ((struct fp_item *)list->items)[list->count++] = *item;
    return ERR_NONE;
}

enum err fp_push_all(struct fp_run *run, struct fp_list *list, const struct fp_list *other)
{
    list->is_unordered |= other->is_unordered;
    if (list->count == 0) {
        bool is_unordered = list->is_unordered;
        *list = *other;
        list->room = 0;
        list->is_unordered = is_unordered;
        return ERR_NONE;
    }
    for (uint32_t i = 0; i < other->count; i++)
        TRY(fp_push(run, list, &other->items[i]));
    return ERR_NONE;
}

enum err fp_push_boolean(struct fp_run *run, struct fp_list *list, bool value)
{
    struct fp_item item = { .kind = FP_BOOLEAN };
    item.boolean = value;
    return fp_push(run, list, &item);
}

enum err fp_push_integer(struct fp_run *run, struct fp_list *list, int64_t value)
{
    struct fp_item item = { .kind = FP_INTEGER };
    item.integer = value;
    return fp_push(run, list, &item);
}

enum err fp_push_decimal(struct fp_run *run, struct fp_list *list, struct decimal value)
{
    struct fp_item item = { .kind = FP_DECIMAL };
    item.decimal = value;
    return fp_push(run, list, &item);
}

enum err fp_push_text(struct fp_run *run, struct fp_list *list, struct slice value)
{
    struct fp_item item = { .kind = FP_STRING };
    item.text = value;
    return value.bytes || value.length == 0 ? fp_push(run, list, &item) : ERR_NO_MEMORY;
}

/* ---- sets ---- */

enum { SMALL = 8 }; /* below, comparing with each is quicker than a table */

enum err fp_set_init(struct fp_set *set, struct fp_run *run, const struct fp_node *node)
{
    *set = (struct fp_set){ .run = run, .node = node };
    return ERR_NONE;
}

static enum err set_grow(struct fp_set *set)
{
    uint32_t room = MAX(set->hash_room * 2, 16U);
    uint64_t *hashes = arena_raw(set->run->arena, room * sizeof *hashes);
    uint32_t *table = arena_array(set->run->arena, room * 2, sizeof *table);
    if (!hashes || !table)
        return ERR_NO_MEMORY;
    if (set->list.count > 0)
        memcpy(hashes, set->hashes, set->list.count * sizeof *hashes);
    set->hashes = hashes;
    set->hash_room = room;
    set->table = table;
    set->mask = room * 2 - 1;
    for (uint32_t i = 0; i < set->list.count; i++) {
        uint32_t at = (uint32_t)hashes[i] & set->mask;
        while (table[at])
            at = (at + 1) & set->mask;
        table[at] = i + 1;
    }
    return ERR_NONE;
}

static enum err same(struct fp_set *set, uint32_t i, const struct fp_item *item, bool *ret_same)
{
    enum fp_truth truth;
    TRY(fp_equal(set->run, &set->list.items[i], item, &truth));
    *ret_same = truth == FP_TRUE;
    return ERR_NONE;
}

static enum err set_find(struct fp_set *set, const struct fp_item *item, uint64_t hash,
                         bool *ret_has)
{
    *ret_has = false;
    if (set->list.count == 0)
        return ERR_NONE;
    if (set->list.count <= SMALL) {
        for (uint32_t i = 0; i < set->list.count && !*ret_has; i++)
            TRY(same(set, i, item, ret_has));
        return ERR_NONE;
    }
    for (uint32_t at = (uint32_t)hash & set->mask; set->table[at] && !*ret_has;
         at = (at + 1) & set->mask)
        if (set->hashes[set->table[at] - 1] == hash)
            TRY(same(set, set->table[at] - 1, item, ret_has));
    return ERR_NONE;
}

enum err fp_set_has(struct fp_set *set, const struct fp_item *item, bool *ret_has)
{
    return set_find(set, item, fp_hash(set->run, item), ret_has);
}

enum err fp_set_add(struct fp_set *set, const struct fp_item *item, bool *ret_is_new)
{
    uint64_t hash = fp_hash(set->run, item);
    bool has;
    TRY(fp_spend(set->run, 1));
    TRY(set_find(set, item, hash, &has));
    if (ret_is_new)
        *ret_is_new = !has;
    if (has)
        return ERR_NONE;
    if (set->list.count == set->hash_room)
        TRY(set_grow(set));
    uint32_t at = (uint32_t)hash & set->mask;
    while (set->table[at])
        at = (at + 1) & set->mask;
    set->table[at] = set->list.count + 1;
    set->hashes[set->list.count] = hash;
    return fp_push(set->run, &set->list, item);
}

enum err fp_union(struct fp_run *run, const struct fp_node *node, const struct fp_list *a,
                  const struct fp_list *b, struct fp_list *out)
{
    struct fp_set set;
    TRY(fp_set_init(&set, run, node));
    for (uint32_t i = 0; i < a->count; i++)
        TRY(fp_set_add(&set, &a->items[i], NULL));
    for (uint32_t i = 0; i < b->count; i++)
        TRY(fp_set_add(&set, &b->items[i], NULL));
    *out = set.list;
    out->is_unordered = a->is_unordered || b->is_unordered;
    return ERR_NONE;
}
