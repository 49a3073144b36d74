/* fhir/fhirpath_filter.c - existence, filtering, subsetting, combining, trees. */
#include "fhir/fhirpath_functions.h"

#define FUNCTION(name) enum err name(struct fp_call *call, struct fp_list *out)

/* The truth of the first argument for one item. */
static enum err truth_of(struct fp_call *call, uint32_t i, enum fp_truth *ret_truth)
{
    struct fp_list result = { .count = 0 };
    TRY(fp_eval_item(call, call->node->args[0], &call->input.items[i], i, NULL, &result));
    return fp_one_truth(call->run, call->node->args[0], &result, ret_truth);
}

static enum err check_order(struct fp_call *call)
{
    if (call->run->host->is_strict && call->input.is_unordered)
        return fp_fail(call->run, call->node, "these items have no order");
    return ERR_NONE;
}

static enum err push_range(struct fp_call *call, int64_t first, int64_t count, struct fp_list *out)
{
    TRY(check_order(call));
    first = MAX(first, 0);
    if (count <= 0 || first >= call->input.count)
        return ERR_NONE;
    struct fp_list part = call->input;
    part.items += first;
    part.count = (uint32_t)MIN(count, (int64_t)call->input.count - first);
    return fp_push_all(call->run, out, &part);
}

/* ---- existence ---- */

FUNCTION(fp_empty)
{
    return fp_push_boolean(call->run, out, call->input.count == 0);
}

FUNCTION(fp_exists)
{
    bool found = call->input.count > 0 && call->node->arg_count == 0;
    for (uint32_t i = 0; i < call->input.count && !found; i++) {
        enum fp_truth truth;
        TRY(truth_of(call, i, &truth));
        found = truth == FP_TRUE;
    }
    return fp_push_boolean(call->run, out, found);
}

FUNCTION(fp_all)
{
    bool holds = true;
    for (uint32_t i = 0; i < call->input.count && holds; i++) {
        enum fp_truth truth;
        TRY(truth_of(call, i, &truth));
        holds = truth == FP_TRUE;
    }
    return fp_push_boolean(call->run, out, holds);
}

/* Is there an item of that boolean? */
static enum err any_boolean(struct fp_call *call, bool value, bool *ret_any)
{
    *ret_any = false;
    for (uint32_t i = 0; i < call->input.count; i++) {
        struct fp_item item;
        bool is_boolean =
            fp_system(call->run, &call->input.items[i], &item) && item.kind == FP_BOOLEAN;
        if (!is_boolean && fp_item_has_value(&call->input.items[i]))
            return fp_fail(call->run, call->node, "booleans were expected");
        *ret_any = *ret_any || (is_boolean && item.boolean == value);
    }
    return ERR_NONE;
}

static enum err push_any(struct fp_call *call, bool value, bool expected, struct fp_list *out)
{
    bool any;
    TRY(any_boolean(call, value, &any));
    return fp_push_boolean(call->run, out, any == expected);
}

FUNCTION(fp_all_true)
{
    return push_any(call, false, false, out);
}

FUNCTION(fp_any_true)
{
    return push_any(call, true, true, out);
}

FUNCTION(fp_all_false)
{
    return push_any(call, true, false, out);
}

FUNCTION(fp_any_false)
{
    return push_any(call, false, true, out);
}

static enum err set_of(struct fp_call *call, const struct fp_list *list, struct fp_set *set)
{
    TRY(fp_set_init(set, call->run, call->node));
    for (uint32_t i = 0; i < list->count; i++)
        TRY(fp_set_add(set, &list->items[i], NULL));
    return ERR_NONE;
}

static enum err is_subset(struct fp_call *call, const struct fp_list *part,
                          const struct fp_list *whole, struct fp_list *out)
{
    struct fp_set set;
    bool has = true;
    TRY(set_of(call, whole, &set));
    for (uint32_t i = 0; i < part->count && has; i++)
        TRY(fp_set_has(&set, &part->items[i], &has));
    return fp_push_boolean(call->run, out, has);
}

FUNCTION(fp_subset_of)
{
    return is_subset(call, &call->input, &call->args[0], out);
}

FUNCTION(fp_superset_of)
{
    return is_subset(call, &call->args[0], &call->input, out);
}

FUNCTION(fp_count)
{
    return fp_push_integer(call->run, out, call->input.count);
}

FUNCTION(fp_distinct)
{
    struct fp_set set;
    TRY(set_of(call, &call->input, &set));
    *out = set.list;
    out->is_unordered = call->input.is_unordered;
    return ERR_NONE;
}

FUNCTION(fp_is_distinct)
{
    struct fp_set set;
    TRY(set_of(call, &call->input, &set));
    return fp_push_boolean(call->run, out, set.list.count == call->input.count);
}

FUNCTION(fp_not)
{
    enum fp_truth truth;
    TRY(fp_one_truth(call->run, call->node, &call->input, &truth));
    return truth == FP_NOTHING ? ERR_NONE : fp_push_boolean(call->run, out, truth == FP_FALSE);
}

/* ---- filtering ---- */

FUNCTION(fp_where)
{
    for (uint32_t i = 0; i < call->input.count; i++) {
        enum fp_truth truth;
        TRY(truth_of(call, i, &truth));
        if (truth == FP_TRUE)
            TRY(fp_push(call->run, out, &call->input.items[i]));
    }
    out->is_unordered = call->input.is_unordered;
    return ERR_NONE;
}

FUNCTION(fp_select)
{
    for (uint32_t i = 0; i < call->input.count; i++) {
        struct fp_list part;
        TRY(fp_eval_item(call, call->node->args[0], &call->input.items[i], i, NULL, &part));
        TRY(fp_push_all(call->run, out, &part));
    }
    out->is_unordered |= call->input.is_unordered;
    return ERR_NONE;
}

/* Each item found is looked at once: the set of them is the work list, too. */
FUNCTION(fp_repeat)
{
    struct fp_set set;
    struct fp_list part;
    TRY(fp_set_init(&set, call->run, call->node));
    for (uint32_t i = 0; i < call->input.count + set.list.count; i++) {
        const struct fp_item *item =
            i < call->input.count ? &call->input.items[i] : &set.list.items[i - call->input.count];
        struct fp_item copy = *item; /* the list may move */
        TRY(fp_eval_item(call, call->node->args[0], &copy, i, NULL, &part));
        for (uint32_t k = 0; k < part.count; k++)
            TRY(fp_set_add(&set, &part.items[k], NULL));
    }
    *out = set.list;
    return ERR_NONE;
}

FUNCTION(fp_of_type)
{
    for (uint32_t i = 0; i < call->input.count; i++)
        if (fp_item_of_type(&call->input.items[i], &call->node->type))
            TRY(fp_push(call->run, out, &call->input.items[i]));
    return ERR_NONE;
}

FUNCTION(fp_as)
{
    if (call->input.count > 1 && !call->run->host->as_filters)
        return fp_fail(call->run, call->node, "one item was expected, %u are there",
                       call->input.count);
    return fp_of_type(call, out);
}

FUNCTION(fp_is)
{
    if (call->input.count > 1)
        return fp_fail(call->run, call->node, "one item was expected, %u are there",
                       call->input.count);
    if (call->input.count == 0)
        return ERR_NONE;
    return fp_push_boolean(call->run, out, fp_item_is(&call->input.items[0], &call->node->type));
}

/* ---- subsetting ---- */

FUNCTION(fp_single)
{
    if (call->input.count > 1)
        return fp_fail(call->run, call->node, "one item was expected, %u are there",
                       call->input.count);
    return fp_push_all(call->run, out, &call->input);
}

FUNCTION(fp_first)
{
    return push_range(call, 0, 1, out);
}

FUNCTION(fp_last)
{
    return push_range(call, (int64_t)call->input.count - 1, 1, out);
}

FUNCTION(fp_tail)
{
    return push_range(call, 1, call->input.count, out);
}

FUNCTION(fp_skip)
{
    int64_t count;
    bool any;
    TRY(fp_one_integer(call->run, call->node, &call->args[0], &count, &any));
    return any ? push_range(call, count, call->input.count, out) : ERR_NONE;
}

FUNCTION(fp_take)
{
    int64_t count;
    bool any;
    TRY(fp_one_integer(call->run, call->node, &call->args[0], &count, &any));
    return any ? push_range(call, 0, count, out) : ERR_NONE;
}

FUNCTION(fp_intersect)
{
    struct fp_set other, set;
    TRY(set_of(call, &call->args[0], &other));
    TRY(fp_set_init(&set, call->run, call->node));
    for (uint32_t i = 0; i < call->input.count; i++) {
        bool has;
        TRY(fp_set_has(&other, &call->input.items[i], &has));
        if (has)
            TRY(fp_set_add(&set, &call->input.items[i], NULL));
    }
    *out = set.list;
    return ERR_NONE;
}

FUNCTION(fp_exclude)
{
    struct fp_set other;
    TRY(set_of(call, &call->args[0], &other));
    for (uint32_t i = 0; i < call->input.count; i++) {
        bool has;
        TRY(fp_set_has(&other, &call->input.items[i], &has));
        if (!has)
            TRY(fp_push(call->run, out, &call->input.items[i]));
    }
    return ERR_NONE;
}

FUNCTION(fp_union_of)
{
    return fp_union(call->run, call->node, &call->input, &call->args[0], out);
}

FUNCTION(fp_combine)
{
    TRY(fp_push_all(call->run, out, &call->input));
    return fp_push_all(call->run, out, &call->args[0]);
}

/* ---- trees ---- */

FUNCTION(fp_children_of)
{
    for (uint32_t i = 0; i < call->input.count; i++)
        TRY(fp_children(call->run, call->node, &call->input.items[i], SLICE_NONE, out));
    out->is_unordered = true;
    return ERR_NONE;
}

FUNCTION(fp_descendants)
{
    struct fp_list list = { .count = 0 };
    for (uint32_t i = 0; i < call->input.count; i++)
        TRY(fp_children(call->run, call->node, &call->input.items[i], SLICE_NONE, &list));
    for (uint32_t i = 0; i < list.count; i++) {
        struct fp_item item = list.items[i]; /* the list may move */
        TRY(fp_children(call->run, call->node, &item, SLICE_NONE, &list));
    }
    *out = list;
    out->is_unordered = true;
    return ERR_NONE;
}

/* ---- sorting ---- */

struct sorter {
    struct fp_call *call;
    struct fp_list *keys; /* arg_count (at least 1) for each item */
    uint32_t key_count;
};

/* sort(-family): the minus turns the order, whatever the type. */
static bool is_descending(const struct fp_node *node)
{
    return node->op == FP_OP_NEGATE;
}

static enum err sort_key(struct fp_call *call, uint32_t i, uint32_t k, struct fp_list *out)
{
    if (call->node->arg_count == 0)
        return fp_push(call->run, out, &call->input.items[i]);
    const struct fp_node *node = call->node->args[k];
    if (is_descending(node))
        node = node->args[0];
    return fp_eval_item(call, node, &call->input.items[i], i, NULL, out);
}

/* Does item a come behind item b? Nothing comes first, also when the
 * order is turned (HL7's testSort10). */
static enum err comes_behind(struct sorter *s, uint32_t a, uint32_t b, bool *ret_behind)
{
    *ret_behind = false;
    for (uint32_t k = 0; k < s->key_count; k++) {
        const struct fp_list *x = &s->keys[a * s->key_count + k],
                             *y = &s->keys[b * s->key_count + k];
        int order = (x->count > 0) - (y->count > 0);
        bool known = true;
        if (x->count > 0 && y->count > 0)
            TRY(fp_order(s->call->run, s->call->node, &x->items[0], &y->items[0], &order, &known));
        bool is_down = s->call->node->arg_count > 0 && is_descending(s->call->node->args[k]);
        if (known && order != 0) {
            bool has_both = x->count > 0 && y->count > 0;
            *ret_behind = is_down && has_both ? order < 0 : order > 0;
            return ERR_NONE;
        }
    }
    return ERR_NONE;
}

/* Merge sort of places, bottom up: stable, n log n. */
static enum err sort_places(struct sorter *s, uint32_t *places, uint32_t *other, uint32_t count)
{
    for (uint32_t width = 1; width < count; width *= 2) {
        for (uint32_t start = 0; start < count; start += 2 * width) {
            uint32_t middle = MIN(start + width, count), end = MIN(start + 2 * width, count);
            uint32_t left = start, right = middle;
            for (uint32_t at = start; at < end; at++) {
                bool take_right = left == middle;
                if (left < middle && right < end)
                    TRY(comes_behind(s, places[left], places[right], &take_right));
                other[at] = take_right ? places[right++] : places[left++];
            }
        }
        memcpy(places, other, count * sizeof *places);
    }
    return ERR_NONE;
}

FUNCTION(fp_sort)
{
    uint32_t count = call->input.count, keys = MAX(call->node->arg_count, 1U);
    struct sorter s = { .call = call, .key_count = keys };
    s.keys = arena_array(call->run->arena, (size_t)count * keys, sizeof *s.keys);
    uint32_t *places = arena_array(call->run->arena, count, sizeof *places);
    uint32_t *other = arena_array(call->run->arena, count, sizeof *other);
    if (!s.keys || !places || !other)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        places[i] = i;
        for (uint32_t k = 0; k < keys; k++)
            TRY(sort_key(call, i, k, &s.keys[i * keys + k]));
    }
    TRY(sort_places(&s, places, other, count));
    for (uint32_t i = 0; i < count; i++)
        TRY(fp_push(call->run, out, &call->input.items[places[i]]));
    return ERR_NONE;
}
