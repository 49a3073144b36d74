/* fhir/fhirpath_eval.c - run the tree.
 *
 * Recursion follows the tree of the expression, whose depth is bounded; lambdas
 * (where, select, ...) run their tree once per item.
 */
#include <stdarg.h>
#include <stdio.h>

#include "fhir/fhirpath.h"

enum err fp_fail(struct fp_run *run, const struct fp_node *node, const char *format, ...)
{
    char text[200];
    va_list args;
    if (run->error_text.bytes)
        return ERR_INVALID;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    length = MIN(MAX(length, 0), (int)sizeof text - 1);
    run->error_at = node ? node->at : 0;
    run->error_text = fp_copy_text(run, text, (size_t)length);
    return ERR_INVALID;
}

/* ---- names ---- */

/* Does the expression's first word name the type of what it runs on? */
static bool names_type(const struct fp_item *item, struct slice name)
{
    if (item->kind != FP_NODE || name.bytes[0] < 'A' || name.bytes[0] > 'Z')
        return false;
    if (!item->node.type)
        return json_string_is(json_member(item->node.value, "resourceType"), name);
    const struct fhir_type *type = fhir_type_find(name);
    return type && (type == item->node.type || type_derives(item->node.type->id, type->id));
}

static enum err eval_member(struct fp_run *run, const struct fp_node *node,
                            const struct fp_scope *scope, struct fp_list *out)
{
    struct fp_list input = *scope->focus;
    if (node->left)
        TRY(fp_eval(run, node->left, scope, &input));
    out->is_unordered = input.is_unordered;
    for (uint32_t i = 0; i < input.count; i++) {
        TRY(fp_spend(run, 1));
        if (!node->left && names_type(&input.items[i], node->name))
            TRY(fp_push(run, out, &input.items[i]));
        else
            TRY(fp_children(run, node, &input.items[i], node->name, out));
    }
    return ERR_NONE;
}

static enum err push_root(struct fp_run *run, struct json value, struct fp_list *out)
{
    struct fp_item item;
    if (!json_exists(value))
        return fp_push(run, out, &run->context);
    TRY(fp_item_root(value, value, &item));
    return fp_push(run, out, &item);
}

static enum err push_host_variable(struct fp_run *run, const struct fp_node *node,
                                   struct fp_list *out)
{
    struct fhir_item value = { .value = JSON_ABSENT };
    const struct fhirpath_host *host = run->host;
    if (!host->variable || !host->variable(host->context, node->name, &value))
        return fp_fail(run, node, "the variable %%%.*s is not defined", SLICE_ARGS(node->name));
    struct json array = json_is(value.value, JSON_ARRAY) ? value.value : JSON_ABSENT;
    struct json v = json_exists(array) ? json_first(array) : value.value;
    for (; json_exists(v); v = json_exists(array) ? json_next(array, v) : JSON_ABSENT) {
        struct fp_item item;
        if (json_is(v, JSON_NULL))
            continue;
        TRY(fp_item_root(v, value.resource, &item));
        item.node.type = value.type ? value.type : item.node.type;
        TRY(fp_push(run, out, &item));
    }
    return ERR_NONE;
}

static enum err eval_variable(struct fp_run *run, const struct fp_node *node, struct fp_list *out)
{
    static const char *const texts[][2] = {
        { "ucum", "http://unitsofmeasure.org" },
        { "sct", "http://snomed.info/sct" },
        { "loinc", "http://loinc.org" },
    };
    struct slice name = node->name;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        if (slice_is(name, texts[i][0]))
            return fp_push_text(run, out, slice_cstr(texts[i][1]));
    if (slice_is(name, "context"))
        return fp_push(run, out, &run->context);
    if (slice_is(name, "resource"))
        return push_root(run, run->host->resource, out);
    if (slice_is(name, "rootResource"))
        return push_root(run, json_exists(run->host->root) ? run->host->root : run->host->resource,
                         out);
    const char *base = slice_starts_with(name, SLICE("vs-")) ? "http://hl7.org/fhir/ValueSet/"
                       : slice_starts_with(name, SLICE("ext-"))
                           ? "http://hl7.org/fhir/StructureDefinition/"
                           : NULL;
    if (!base)
        return push_host_variable(run, node, out);
    size_t skip = name.bytes[0] == 'v' ? 3 : 4;
    return fp_push_text(
        run, out, arena_printf(run->arena, "%s%.*s", base, SLICE_ARGS(slice_from(name, skip))));
}

/* ---- calls ---- */

static enum err eval_call(struct fp_run *run, const struct fp_node *node,
                          const struct fp_scope *scope, struct fp_list *out)
{
    struct fp_call call = { .run = run, .node = node, .scope = scope, .input = *scope->focus };
    if (node->left) {
        call.input = (struct fp_list){ .count = 0 };
        TRY(fp_eval(run, node->left, scope, &call.input));
    }
    if (node->function->arguments == FP_VALUES)
        for (int i = 0; i < node->arg_count; i++)
            TRY(fp_eval(run, node->args[i], scope, &call.args[i]));
    TRY(fp_spend(run, 1 + call.input.count / 4));
    return node->function->run(&call, out);
}

enum err fp_eval_item(struct fp_call *call, const struct fp_node *node, const struct fp_item *item,
                      int64_t index, const struct fp_list *total, struct fp_list *out)
{
    struct fp_list focus = { .items = item, .count = item ? 1 : 0 };
    struct fp_scope scope = { .focus = &focus,
                              .index = index,
                              .total = total ? total : call->scope->total,
                              .outer = call->scope };
    return fp_eval(call->run, node, &scope, out);
}

static enum err eval_index(struct fp_run *run, const struct fp_node *node,
                           const struct fp_scope *scope, struct fp_list *out)
{
    struct fp_list input = { .count = 0 }, index = { .count = 0 };
    int64_t at;
    bool any;
    TRY(fp_eval(run, node->left, scope, &input));
    TRY(fp_eval(run, node->args[0], scope, &index));
    TRY(fp_one_integer(run, node, &index, &at, &any));
    if (run->host->is_strict && input.is_unordered)
        return fp_fail(run, node, "these items have no order");
    if (!any || at < 0 || at >= input.count)
        return ERR_NONE;
    return fp_push(run, out, &input.items[at]);
}

/* ---- logic ---- */

static enum err push_truth(struct fp_run *run, enum fp_truth truth, struct fp_list *out)
{
    return truth == FP_NOTHING ? ERR_NONE : fp_push_boolean(run, out, truth == FP_TRUE);
}

static enum fp_truth combine(uint8_t op, enum fp_truth a, enum fp_truth b)
{
    bool known = a != FP_NOTHING && b != FP_NOTHING;
    switch (op) {
    case FP_OP_AND:
        return a == FP_FALSE || b == FP_FALSE ? FP_FALSE : known ? FP_TRUE : FP_NOTHING;
    case FP_OP_OR:
        return a == FP_TRUE || b == FP_TRUE ? FP_TRUE : known ? FP_FALSE : FP_NOTHING;
    case FP_OP_XOR:
        return !known ? FP_NOTHING : a != b ? FP_TRUE : FP_FALSE;
    default:
        return a == FP_FALSE || b == FP_TRUE ? FP_TRUE : known ? FP_FALSE : FP_NOTHING;
    }
}

static enum err eval_logic(struct fp_run *run, const struct fp_node *node,
                           const struct fp_scope *scope, struct fp_list *out)
{
    struct fp_list left = { .count = 0 }, right = { .count = 0 };
    enum fp_truth a, b;
    TRY(fp_eval(run, node->args[0], scope, &left));
    TRY(fp_one_truth(run, node, &left, &a));
    bool is_decided = (node->op == FP_OP_AND && a == FP_FALSE) ||
                      (node->op == FP_OP_OR && a == FP_TRUE) ||
                      (node->op == FP_OP_IMPLIES && a == FP_FALSE);
    if (is_decided)
        return fp_push_boolean(run, out, node->op != FP_OP_AND);
    TRY(fp_eval(run, node->args[1], scope, &right));
    TRY(fp_one_truth(run, node, &right, &b));
    return push_truth(run, combine(node->op, a, b), out);
}

/* ---- membership ---- */

static uint32_t text_hash(struct slice s)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < s.length; i++)
        hash = (hash ^ (uint8_t)s.bytes[i]) * 16777619U;
    return hash ^ hash >> 15;
}

enum { TABLE_FROM = 16 };

/* The texts of a kept list as a table, so that `in` inside of where() takes no
 * time by the list's length. NULL: the list is short, or not of texts only. */
static enum err text_table(struct fp_run *run, struct fp_slot *slot, const uint32_t **ret_table)
{
    *ret_table = slot->table;
    if (slot->table || slot->list.count < TABLE_FROM)
        return ERR_NONE;
    uint32_t room = 32;
    while (room < slot->list.count * 2)
        room *= 2;
    uint32_t *table = arena_array(run->arena, room, sizeof *table);
    if (!table)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < slot->list.count; i++) {
        struct fp_item value;
        TRY(fp_spend(run, 1));
        if (!fp_system(run, &slot->list.items[i], &value))
            continue;
        if (value.kind != FP_STRING)
            return ERR_NONE;
        uint32_t at = text_hash(value.text) & (room - 1);
        while (table[at])
            at = (at + 1) & (room - 1);
        table[at] = i + 1;
    }
    slot->table = table;
    slot->mask = room - 1;
    *ret_table = table;
    return ERR_NONE;
}

static enum err find_in_table(struct fp_run *run, const struct fp_slot *slot, struct slice text,
                              bool *ret_found)
{
    *ret_found = false;
    for (uint32_t at = text_hash(text) & slot->mask; slot->table[at] && !*ret_found;
         at = (at + 1) & slot->mask) {
        struct fp_item value;
        TRY(fp_spend(run, 1));
        *ret_found = fp_system(run, &slot->list.items[slot->table[at] - 1], &value) &&
                     slice_equal(value.text, text);
    }
    return ERR_NONE;
}

static enum err find_in_list(struct fp_run *run, const struct fp_list *list,
                             const struct fp_item *item, bool *ret_found)
{
    *ret_found = false;
    for (uint32_t i = 0; i < list->count && !*ret_found; i++) {
        enum fp_truth truth;
        TRY(fp_equal(run, item, &list->items[i], &truth));
        *ret_found = truth == FP_TRUE;
    }
    return ERR_NONE;
}

static enum err eval_membership(struct fp_run *run, const struct fp_node *node,
                                const struct fp_scope *scope, struct fp_list *out)
{
    const struct fp_node *of = node->args[node->op == FP_OP_CONTAINS];
    const struct fp_node *in = node->args[node->op == FP_OP_IN];
    struct fp_list item = { .count = 0 }, list = { .count = 0 };
    const uint32_t *table = NULL;
    struct fp_item value;
    bool found;
    TRY(fp_eval(run, of, scope, &item));
    TRY(fp_eval(run, in, scope, &list));
    if (item.count > 1)
        return fp_fail(run, node, "one item was expected, %u are there", item.count);
    if (item.count == 0)
        return ERR_NONE;
    if (in->slot != FP_NO_SLOT)
        TRY(text_table(run, &run->slots[in->slot], &table));
    if (table && fp_system(run, &item.items[0], &value) && value.kind == FP_STRING)
        TRY(find_in_table(run, &run->slots[in->slot], value.text, &found));
    else
        TRY(find_in_list(run, &list, &item.items[0], &found));
    return fp_push_boolean(run, out, found);
}

/* ---- operators ---- */

static enum err eval_order(struct fp_run *run, const struct fp_node *node, const struct fp_list *a,
                           const struct fp_list *b, struct fp_list *out)
{
    int order = 0;
    bool known;
    if (a->count > 1 || b->count > 1)
        return fp_fail(run, node, "one item was expected on each side");
    if (a->count == 0 || b->count == 0)
        return ERR_NONE;
    TRY(fp_order(run, node, &a->items[0], &b->items[0], &order, &known));
    if (!known)
        return ERR_NONE;
    bool holds = node->op == FP_OP_LESS         ? order < 0
                 : node->op == FP_OP_LESS_EQUAL ? order <= 0
                 : node->op == FP_OP_GREATER    ? order > 0
                                                : order >= 0;
    return fp_push_boolean(run, out, holds);
}

static enum err eval_equality(struct fp_run *run, const struct fp_node *node,
                              const struct fp_list *a, const struct fp_list *b, struct fp_list *out)
{
    bool is_same;
    enum fp_truth truth;
    if (node->op == FP_OP_EQUIVALENT || node->op == FP_OP_NOT_EQUIVALENT) {
        TRY(fp_lists_equivalent(run, a, b, &is_same));
        return fp_push_boolean(run, out, is_same == (node->op == FP_OP_EQUIVALENT));
    }
    TRY(fp_lists_equal(run, a, b, &truth));
    if (node->op == FP_OP_NOT_EQUAL && truth != FP_NOTHING)
        truth = truth == FP_TRUE ? FP_FALSE : FP_TRUE;
    return push_truth(run, truth, out);
}

static enum err eval_concatenate(struct fp_run *run, const struct fp_node *node,
                                 const struct fp_list *a, const struct fp_list *b,
                                 struct fp_list *out)
{
    struct slice left = SLICE_NONE, right = SLICE_NONE;
    bool any;
    TRY(fp_one_text(run, node, a, &left, &any));
    TRY(fp_one_text(run, node, b, &right, &any));
    TRY(fp_spend(run, (left.length + right.length) / 16));
    return fp_push_text(run, out,
                        arena_printf(run->arena, "%.*s%.*s", SLICE_ARGS(left), SLICE_ARGS(right)));
}

static enum err eval_sign(struct fp_run *run, const struct fp_node *node,
                          const struct fp_scope *scope, struct fp_list *out)
{
    struct fp_list arg = { .count = 0 };
    struct fp_item item;
    bool any;
    TRY(fp_eval(run, node->args[0], scope, &arg));
    TRY(fp_one(run, node, &arg, &item, &any));
    if (!any)
        return ERR_NONE;
    bool is_minus = node->op == FP_OP_NEGATE;
    if (item.kind == FP_INTEGER)
        item.integer = is_minus && item.integer != INT64_MIN ? -item.integer : item.integer;
    else if (item.kind == FP_DECIMAL)
        item.decimal = is_minus ? decimal_negate(item.decimal) : item.decimal;
    else if (item.kind == FP_QUANTITY)
        item.quantity.value = is_minus ? decimal_negate(item.quantity.value) : item.quantity.value;
    else
        return fp_fail(run, node, "a sign before what is no number");
    return fp_push(run, out, &item);
}

static enum err eval_type(struct fp_run *run, const struct fp_node *node,
                          const struct fp_scope *scope, struct fp_list *out)
{
    struct fp_list arg = { .count = 0 };
    TRY(fp_eval(run, node->args[0], scope, &arg));
    bool is_filter = node->op == FP_OP_AS && run->host->as_filters;
    if (arg.count > 1 && !is_filter)
        return fp_fail(run, node, "one item was expected, %u are there", arg.count);
    if (node->op == FP_OP_IS && arg.count == 0)
        return ERR_NONE;
    if (node->op == FP_OP_IS) {
        struct fp_item value;
        bool is_it = fp_item_is(&arg.items[0], &node->type);
        /* R4's que-7 says `answer is Boolean` of a boolean element. */
        if (!is_it && run->host->as_filters && node->type.system != FP_NODE &&
            fp_system(run, &arg.items[0], &value))
            is_it = value.kind == node->type.system;
        return fp_push_boolean(run, out, is_it);
    }
    for (uint32_t i = 0; i < arg.count; i++)
        if (fp_item_of_type(&arg.items[i], &node->type))
            TRY(fp_push(run, out, &arg.items[i]));
    return ERR_NONE;
}

static enum err eval_binary(struct fp_run *run, const struct fp_node *node,
                            const struct fp_scope *scope, struct fp_list *out)
{
    struct fp_list a = { .count = 0 }, b = { .count = 0 };
    TRY(fp_eval(run, node->args[0], scope, &a));
    TRY(fp_eval(run, node->args[1], scope, &b));
    if (node->op == FP_OP_UNION)
        return fp_union(run, node, &a, &b, out);
    if (node->op == FP_OP_CONCATENATE)
        return eval_concatenate(run, node, &a, &b, out);
    if (node->op >= FP_OP_EQUAL && node->op <= FP_OP_NOT_EQUIVALENT)
        return eval_equality(run, node, &a, &b, out);
    if (node->op >= FP_OP_LESS && node->op <= FP_OP_GREATER_EQUAL)
        return eval_order(run, node, &a, &b, out);
    return fp_arithmetic(run, node, &a, &b, out);
}

static enum err eval_node(struct fp_run *run, const struct fp_node *node,
                          const struct fp_scope *scope, struct fp_list *out)
{
    if (node->op == FP_OP_LITERAL) {
        *out = (struct fp_list){ .items = node->literal, .count = 1 };
        return ERR_NONE;
    }
    switch ((enum fp_op)node->op) {
    case FP_OP_THIS:
        return fp_push_all(run, out, scope->focus);
    case FP_OP_INDEX:
        return fp_push_integer(run, out, scope->index);
    case FP_OP_TOTAL:
        return scope->total ? fp_push_all(run, out, scope->total) : ERR_NONE;
    case FP_OP_VARIABLE:
        return eval_variable(run, node, out);
    case FP_OP_MEMBER:
        return eval_member(run, node, scope, out);
    case FP_OP_CALL:
        return eval_call(run, node, scope, out);
    case FP_OP_ITEM:
        return eval_index(run, node, scope, out);
    case FP_OP_NEGATE:
    case FP_OP_PLUS_SIGN:
        return eval_sign(run, node, scope, out);
    case FP_OP_IS:
    case FP_OP_AS:
        return eval_type(run, node, scope, out);
    case FP_OP_IN:
    case FP_OP_CONTAINS:
        return eval_membership(run, node, scope, out);
    case FP_OP_AND:
    case FP_OP_OR:
    case FP_OP_XOR:
    case FP_OP_IMPLIES:
        return eval_logic(run, node, scope, out);
    case FP_OP_EMPTY:
    case FP_OP_LITERAL:
        return ERR_NONE;
    case FP_OP_MULTIPLY:
    case FP_OP_DIVIDE:
    case FP_OP_DIV:
    case FP_OP_MOD:
    case FP_OP_ADD:
    case FP_OP_SUBTRACT:
    case FP_OP_CONCATENATE:
    case FP_OP_UNION:
    case FP_OP_LESS:
    case FP_OP_LESS_EQUAL:
    case FP_OP_GREATER:
    case FP_OP_GREATER_EQUAL:
    case FP_OP_EQUAL:
    case FP_OP_NOT_EQUAL:
    case FP_OP_EQUIVALENT:
    case FP_OP_NOT_EQUIVALENT:
        return eval_binary(run, node, scope, out);
    }
    return ERR_INTERNAL;
}

enum err fp_eval(struct fp_run *run, const struct fp_node *node, const struct fp_scope *scope,
                 struct fp_list *out)
{
    *out = (struct fp_list){ .count = 0 };
    TRY(fp_spend(run, 1));
    if (node->slot == FP_NO_SLOT)
        return eval_node(run, node, scope, out);
    struct fp_slot *slot = &run->slots[node->slot];
    if (!slot->is_known) {
        TRY(eval_node(run, node, scope, &slot->list));
        slot->is_known = true;
    }
    *out = slot->list;
    out->room = 0;
    return ERR_NONE;
}
