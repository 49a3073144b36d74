/* What numbers, quantities and dates share: the prefix of a value, and leaves
 * that are ranges of ordered bytes. */
#include "search/compile.h"

#include <string.h>

#include "base/buf.h"
#include "index/index.h"

static const char prefixes[][3] = { "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap" };

bool prefix_cut(const struct compiler *c, struct slice *text, enum prefix *ret_prefix)
{
    *ret_prefix = PREFIX_EQ;
    bool is_letter = text->length > 2 && text->bytes[0] >= 'a' && text->bytes[0] <= 'z';
    if (!is_letter)
        return true;
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        if (memcmp(prefixes[i], text->bytes, 2) != 0)
            continue;
        *ret_prefix = (enum prefix)i;
        if (i == PREFIX_AP && dialect_is_narrow(c))
            return false;
        *text = slice_from(*text, 2);
        return true;
    }
    return false;
}

/* key prefix, kind, end; without an end the least of the kind, or what lies past
 * all of it. */
static struct slice bound(struct compiler *c, char kind, struct slice end, bool is_upper)
{
    struct slice head = c->key.prefix;
    char *bytes = arena_raw(c->arena, head.length + 1 + end.length);
    if (!bytes)
        return SLICE_NONE;
    if (head.length)
        memcpy(bytes, head.bytes, head.length);
    bytes[head.length] = (char)(kind + (is_upper && !end.length));
    if (end.length)
        memcpy(bytes + head.length + 1, end.bytes, end.length);
    return slice_of(bytes, head.length + 1 + end.length);
}

static enum err ordered_leaf(struct compiler *c, const struct ordered *o, struct slice *parts,
                             struct plan_list *list)
{
    struct plan *plan;
    size_t first_at = c->key.prefix.length + 1;
    TRY(plan_leaf(c, PLAN_RANGE, bound(c, o->kind, o->low_from, false), &plan));
    plan->to = bound(c, o->kind, o->low_to, true);
    if (!plan->to.bytes)
        return ERR_NO_MEMORY;
    plan->tail_from = o->high_from;
    plan->tail_to = o->high_to;
    bool has_tail = o->high_from.length || o->high_to.length;
    plan->tail_at = has_tail ? first_at + o->tail_skip_bytes : 0;
    plan->parts = parts;
    plan->part_count = parts ? c->key.part_count : 0;
    plan->parts_at = parts ? first_at + o->bytes : 0;
    return plan_list_add(c, list, plan);
}

enum err ordered_add(struct compiler *c, const struct ordered *o, struct plan_list *list)
{
    if (!c->key.choice_count)
        return ordered_leaf(c, o, NULL, list);
    for (size_t i = 0; i < c->key.choice_count; i++)
        TRY(ordered_leaf(c, o, c->key.choices[i], list));
    return ERR_NONE;
}

enum err key_add_parts(struct compiler *c, struct slice choices[][KEY_PARTS_MAX], size_t count,
                       size_t part_count)
{
    struct key old = c->key;
    size_t old_count = MAX(old.choice_count, (size_t)1);
    CHECK(old.part_count + part_count <= KEY_PARTS_MAX && count > 0);
    c->key.choices = arena_array(c->arena, old_count * count, sizeof *c->key.choices);
    if (!c->key.choices)
        return ERR_NO_MEMORY;
    c->key.choice_count = old_count * count;
    c->key.part_count = old.part_count + part_count;
    for (size_t i = 0; i < old_count; i++)
        for (size_t k = 0; k < count; k++) {
            struct slice *to = c->key.choices[i * count + k];
            if (old.part_count)
                memcpy(to, old.choices[i], old.part_count * sizeof *to);
            memcpy(to + old.part_count, choices[k], part_count * sizeof *to);
        }
    return ERR_NONE;
}
