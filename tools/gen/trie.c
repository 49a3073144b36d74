/* tools/gen/trie.c - merge a resource type's expressions into one tree.
 *
 * Expressions share beginnings ("meta", "name", "participant.actor"), and a
 * resource's members are many: so all parameters are run in one walk, which
 * asks for each member once whether any expression goes through it. A node is
 * an element (its name leads to it) or a filter; children of a node stand in a
 * row, elements first. Booleans and indexes need more than one place of the
 * document at a time and are run by themselves (`others`).
 */
#include "gen.h"

#include <string.h>

#include "fhir/tables.h"

enum { NODES_MAX = 40000, ACCEPTS_MAX = 40000, OTHERS_MAX = 1000 };

struct node {
    struct node *first_child, *last_child, *next;
    struct step step;  /* one row; a filter; of the root: nothing */
    uint16_t *accepts; /* parameters that select here */
    uint16_t accept_count, accept_room;
    uint16_t child_count, filter_count;
    uint32_t number, first_child_number;
};

struct trie {
    struct spec *spec;
    struct node **nodes; /* in the order of their numbers */
    uint32_t node_count;
    uint16_t *others;
    size_t other_count;
    struct node *roots; /* by fhir_type.resource */
    size_t *first_other, *other_counts;
    uint32_t *first_accepts;
};

/* ---- building ---- */

static const struct row *step_row(const struct spec *spec, const struct step *step)
{
    return &spec->types[step->owner].rows[step->first_row];
}

static bool same_step(const struct spec *spec, const struct step *a, const struct step *b)
{
    if (a->op != b->op)
        return false;
    if (a->op != PATH_CHILD)
        return a->type == b->type && slice_equal(a->name, b->name) &&
               slice_equal(a->literal, b->literal);
    const struct row *x = step_row(spec, a), *y = step_row(spec, b);
    return x->type == y->type && slice_equal(x->name, y->name);
}

static struct node *node_child(struct trie *trie, struct node *parent, struct step step)
{
    for (struct node *n = parent->first_child; n; n = n->next)
        if (same_step(trie->spec, &n->step, &step))
            return n;
    struct node *child = gen_alloc(trie->spec, 1, sizeof *child);
    child->step = step;
    if (parent->last_child)
        parent->last_child->next = child;
    else
        parent->first_child = child;
    parent->last_child = child;
    if (step.op == PATH_CHILD)
        parent->child_count++;
    else
        parent->filter_count++;
    return child;
}

static void node_accept(struct trie *trie, struct node *node, uint16_t param)
{
    if (node->accept_count > 0 && node->accepts[node->accept_count - 1] == param)
        return; /* two branches that say the same */
    if (node->accept_count == node->accept_room) {
        uint16_t room = (uint16_t)(node->accept_room * 2 + 4);
        uint16_t *accepts = gen_alloc(trie->spec, room, sizeof *accepts);
        if (node->accept_count > 0)
            memcpy(accepts, node->accepts, node->accept_count * sizeof *accepts);
        node->accepts = accepts;
        node->accept_room = room;
    }
    node->accepts[node->accept_count++] = param;
}

/* An open choice ends a branch; each of its rows becomes a node. */
static void add_branch(struct trie *trie, struct node *root, const struct branch *branch,
                       uint16_t param)
{
    struct node *node = root;
    for (uint16_t i = 0; i < branch->step_count; i++) {
        struct step step = branch->steps[i];
        if (step.row_count <= 1) {
            node = node_child(trie, node, step);
            continue;
        }
        step.row_count = 1;
        for (uint16_t r = 0; r < branch->steps[i].row_count; r++) {
            struct step one = step;
            one.first_row = (uint16_t)(step.first_row + r);
            node_accept(trie, node_child(trie, node, one), param);
        }
        return;
    }
    node_accept(trie, node, param);
}

static bool fits_trie(const struct path *path)
{
    if (path->condition_count > 0)
        return false;
    for (uint16_t b = 0; b < path->branch_count; b++) {
        const struct branch *branch = &path->branches[b];
        if (branch->from_resource)
            return false;
        for (uint16_t i = 0; i < branch->step_count; i++)
            if (branch->steps[i].op == PATH_CHILD && branch->steps[i].index != PATH_EVERY)
                return false;
    }
    return true;
}

static void add_params(struct trie *trie, const struct type *type)
{
    struct spec *spec = trie->spec;
    struct node *root = &trie->roots[type->resource];
    uint16_t *ids = gen_alloc(spec, spec->param_count, sizeof *ids);
    size_t count = params_of(spec, type->id, ids);
    trie->first_other[type->resource] = trie->other_count;
    for (size_t i = 0; i < count; i++) {
        const struct path *path = spec->params[ids[i]].path;
        if (path && !fits_trie(path)) {
            if (trie->other_count == OTHERS_MAX)
                gen_fail("gen", 0, "too many expressions of their own");
            trie->others[trie->other_count++] = ids[i];
            trie->other_counts[type->resource]++;
            continue;
        }
        for (uint16_t b = 0; path && b < path->branch_count; b++)
            if (spec_derives(spec, type->id, path->branches[b].root))
                add_branch(trie, root, &path->branches[b], ids[i]);
    }
}

/* ---- numbering: roots first, then level by level, so that siblings are in a row ---- */

static void number_node(struct trie *trie, struct node *node)
{
    if (trie->node_count == NODES_MAX)
        gen_fail("gen", 0, "too many nodes");
    node->number = trie->node_count;
    trie->nodes[trie->node_count++] = node;
}

static void number_nodes(struct trie *trie)
{
    for (uint16_t r = 0; r < trie->spec->resource_count; r++)
        number_node(trie, &trie->roots[r]);
    for (uint32_t i = 0; i < trie->node_count; i++) {
        struct node *node = trie->nodes[i];
        node->first_child_number = trie->node_count;
        for (int filters = 0; filters < 2; filters++)
            for (struct node *n = node->first_child; n; n = n->next)
                if ((n->step.op != PATH_CHILD) == filters)
                    number_node(trie, n);
    }
}

/* ---- writing ---- */

static void emit_accepts(struct trie *trie, FILE *out)
{
    uint16_t *all = gen_alloc(trie->spec, ACCEPTS_MAX, sizeof *all);
    size_t count = 0;
    for (uint32_t i = 0; i < trie->node_count; i++) {
        const struct node *node = trie->nodes[i];
        if (count + node->accept_count > ACCEPTS_MAX)
            gen_fail("gen", 0, "too many places that parameters select");
        trie->first_accepts[i] = (uint32_t)count;
        for (uint16_t a = 0; a < node->accept_count; a++)
            all[count++] = node->accepts[a];
    }
    put_ids(out, "static const uint16_t accepts", all, count);
}

static void emit_filters(struct trie *trie, FILE *out)
{
    fprintf(out, "static const struct path_step filters[] = {\n");
    for (uint32_t i = 0; i < trie->node_count; i++) {
        const struct step *step = &trie->nodes[i]->step;
        if (i < trie->spec->resource_count || step->op == PATH_CHILD)
            continue;
        fprintf(out, "{ %u, %u, %u, 0, NULL, ", step->op, PATH_EVERY, step->type);
        put_slice(out, step->name);
        fprintf(out, ", ");
        put_slice(out, step->literal);
        fprintf(out, " },\n");
    }
    fprintf(out, "};\n\n");
}

static void emit_child_names(struct trie *trie, struct slots *slots, FILE *out)
{
    struct slice *names = gen_alloc(trie->spec, 4096, sizeof *names);
    slots_init(slots, trie->spec, trie->node_count);
    for (uint32_t i = 0; i < trie->node_count; i++) {
        const struct node *node = trie->nodes[i];
        for (uint16_t c = 0; c < node->child_count; c++)
            names[c] = step_row(trie->spec, &trie->nodes[node->first_child_number + c]->step)->name;
        if (node->child_count > 0)
            slots_add(slots, names, node->child_count);
    }
    put_ids(out, "static const uint16_t trie_slots", slots->list, slots->count);
}

static void emit_nodes(struct trie *trie, const struct slots *slots, FILE *out)
{
    size_t table = 0, filter = 0;
    fprintf(out, "const struct trie_node fhir_trie[] = {\n");
    for (uint32_t i = 0; i < trie->node_count; i++) {
        const struct node *node = trie->nodes[i];
        fprintf(out, "{ ");
        if (i < trie->spec->resource_count)
            fprintf(out, "NULL, NULL, ");
        else if (node->step.op == PATH_CHILD)
            fprintf(out, "elements + %u, NULL, ",
                    trie->spec->types[node->step.owner].first_row + node->step.first_row);
        else
            fprintf(out, "NULL, filters + %zu, ", filter++);
        if (node->child_count)
            slots_put(out, slots, "trie_slots", table++);
        else
            fprintf(out, "{ NULL, 0, 0 }");
        fprintf(out, ", accepts + %u, %u, %u, %u, %u },\n", trie->first_accepts[i],
                node->first_child_number, node->child_count, node->filter_count,
                node->accept_count);
    }
    fprintf(out, "};\n\n");
}

void emit_trie(struct spec *spec, FILE *out)
{
    struct trie trie = { .spec = spec };
    struct slots slots;
    trie.nodes = gen_alloc(spec, NODES_MAX, sizeof *trie.nodes);
    trie.first_accepts = gen_alloc(spec, NODES_MAX, sizeof *trie.first_accepts);
    trie.others = gen_alloc(spec, OTHERS_MAX, sizeof *trie.others);
    trie.roots = gen_alloc(spec, spec->resource_count, sizeof *trie.roots);
    trie.first_other = gen_alloc(spec, spec->resource_count, sizeof *trie.first_other);
    trie.other_counts = gen_alloc(spec, spec->resource_count, sizeof *trie.other_counts);
    for (uint16_t t = 0; t < spec->type_count; t++)
        if (spec->types[t].resource != NO_ID)
            add_params(&trie, &spec->types[t]);
    number_nodes(&trie);
    emit_accepts(&trie, out);
    emit_filters(&trie, out);
    emit_child_names(&trie, &slots, out);
    emit_nodes(&trie, &slots, out);
    put_ids(out, "static const uint16_t others", trie.others, trie.other_count);
    fprintf(out, "const struct param_list fhir_other_params[] = {\n");
    for (uint16_t r = 0; r < spec->resource_count; r++)
        fprintf(out, "{ others + %zu, %zu },\n", trie.first_other[r], trie.other_counts[r]);
    fprintf(out, "};\n");
}
