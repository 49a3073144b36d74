/* fhir/fhirpath.c - the engine's face: roots in, results out. */
#include "fhir/fhirpath.h"

static const struct fhirpath_host no_host = { .context = NULL };

static void start(struct fp_run *run, struct fhir_item root)
{
    run->context = (struct fp_item){ .kind = FP_NODE };
    run->context.node.value = root.value;
    run->context.node.type = root.type;
    run->context.node.element = root.element;
    run->context.node.resource = root.resource;
    bool is_resource = root.type && root.type->kind == FHIR_RESOURCE;
    if (!json_exists(root.resource) && (is_resource || !root.type))
        run->context.node.resource = root.value;
}

static enum err run_path(struct fp_run *run, const struct fhirpath *path, struct fhir_item root,
                         struct fp_list *out)
{
    struct fhirpath_host host = *run->host;
    run->path = path;
    run->steps_left = host.steps ? host.steps : FHIRPATH_STEPS;
    run->slots = arena_array(run->arena, path->slot_count, sizeof *run->slots);
    if (!run->slots)
        return ERR_NO_MEMORY;
    start(run, root);
    if (!json_exists(host.resource))
        host.resource = run->context.node.resource;
    run->host = &host;
    struct fp_list focus = { .items = &run->context, .count = 1 };
    if (!json_exists(root.value))
        focus.count = 0;
    struct fp_scope scope = { .focus = &focus };
    enum err err = fp_eval(run, path->root, &scope, out);
    if (host.ret_steps)
        *host.ret_steps = (host.steps ? host.steps : FHIRPATH_STEPS) - run->steps_left;
    run->host = &no_host;
    return err;
}

static void report(const struct fp_run *run, enum err err, struct fhirpath_error *error)
{
    if (!error)
        return;
    *error = (struct fhirpath_error){ run->error_at, run->error_text };
    if (err == ERR_LIMIT)
        error->text = SLICE("the expression takes more steps than it may");
}

static enum err to_value(struct fp_run *run, const struct fp_item *item,
                         struct fhirpath_value *value)
{
    value->kind = (enum fhirpath_kind)item->kind;
    if (item->kind != FP_NODE) {
        value->boolean = item->kind == FP_BOOLEAN && item->boolean;
        return fp_render(run, item, &value->text) ? ERR_NONE : ERR_NO_MEMORY;
    }
    value->item = (struct fhir_item){ .value = item->node.value,
                                      .type = item->node.type,
                                      .resource = item->node.resource,
                                      .element = item->node.element };
    value->sibling = item->node.sibling;
    return ERR_NONE;
}

enum err fp_result(struct fp_run *run, const struct fp_list *list,
                   struct fhirpath_result *ret_result)
{
    struct fhirpath_value *values = arena_array(run->arena, list->count, sizeof *values);
    if (!values)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < list->count; i++)
        TRY(to_value(run, &list->items[i], &values[i]));
    *ret_result = (struct fhirpath_result){ values, list->count };
    return ERR_NONE;
}

enum err fhirpath_evaluate(const struct fhirpath *path, struct fhir_item root,
                           const struct fhirpath_host *host, struct arena *arena,
                           struct fhirpath_result *ret_result, struct fhirpath_error *error)
{
    struct fp_run run = { .arena = arena, .host = host ? host : &no_host };
    struct fp_list list = { .count = 0 };
    enum err err = run_path(&run, path, root, &list);
    if (!err)
        err = fp_result(&run, &list, ret_result);
    if (err)
        report(&run, err, error);
    return err;
}

enum err fhirpath_holds(const struct fhirpath *path, struct fhir_item root,
                        const struct fhirpath_host *host, struct arena *arena, bool *ret_holds,
                        struct fhirpath_error *error)
{
    struct fp_run run = { .arena = arena, .host = host ? host : &no_host };
    struct fp_list list = { .count = 0 };
    enum fp_truth truth = FP_NOTHING;
    enum err err = run_path(&run, path, root, &list);
    if (!err)
        err = fp_one_truth(&run, path->root, &list, &truth);
    if (err)
        report(&run, err, error);
    *ret_holds = truth == FP_TRUE;
    return err;
}

/* The tree is TREE_DEPTH_MAX deep at most. */
static bool node_calls(const struct fp_node *node, struct slice function)
{
    if (!node)
        return false;
    if (node->op == FP_OP_CALL && node->function &&
        slice_equal(slice_cstr(node->function->name), function))
        return true;
    for (size_t i = 0; i < node->arg_count; i++)
        if (node_calls(node->args[i], function))
            return true;
    return node_calls(node->left, function);
}

bool fhirpath_calls(const struct fhirpath *path, struct slice function)
{
    return node_calls(path->root, function);
}
