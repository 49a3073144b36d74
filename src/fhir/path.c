/* fhir/path.c - run compiled expressions over the tape.
 *
 * Depth of recursion is the number of steps of a branch, at most
 * PATH_STEPS_MAX: the program's shape bounds it, not the document's.
 */
#include "fhir/tables.h"

/* What a computed boolean is visited as. */
static const struct json_node node_true = { 0, 4, 1, JSON_TRUE, 0, 0 };
static const struct json_node node_false = { 0, 5, 1, JSON_FALSE, 0, 0 };
static const struct json_doc doc_true = { SLICE_INIT("true"), &node_true, 1 };
static const struct json_doc doc_false = { SLICE_INIT("false"), &node_false, 1 };

struct run {
    const struct path_step *steps;
    size_t step_count;
    uint32_t seen[PATH_STEPS_MAX]; /* elements met so far by steps with an index */
    uint32_t contained_steps_left;
    struct json resource;
    fhir_visit *visit;
    void *context;
};

static enum err run_step(struct run *run, size_t at, struct fhir_item item);

bool item_of(struct json value, const struct fhir_element *element, struct json resource,
             struct fhir_item *ret_item)
{
    enum json_type json = json_type(value);
    if (json == JSON_NULL || json == JSON_ARRAY)
        return false;
    const struct fhir_type *declared = &fhir_types[element->type];
    bool is_primitive = declared->kind == FHIR_PRIMITIVE;
    if (is_primitive == (json == JSON_OBJECT))
        return false;
    if (type_is_open_resource(declared)) {
        const struct fhir_type *own = resource_type_of(value);
        declared = own ? own : declared;
    }
    *ret_item = (struct fhir_item){ value, declared, resource, element };
    return true;
}

static enum err run_element(struct run *run, size_t at, struct json value,
                            const struct fhir_element *element)
{
    const struct path_step *step = &run->steps[at];
    struct fhir_item item;
    if (!item_of(value, element, run->resource, &item))
        return ERR_NONE;
    if (step->index != PATH_EVERY && run->seen[at]++ != step->index)
        return ERR_NONE;
    return run_step(run, at + 1, item);
}

static enum err run_member(struct run *run, size_t at, struct json value,
                           const struct fhir_element *element)
{
    if (!json_is(value, JSON_ARRAY))
        return run_element(run, at, value, element);
    for (struct json v = json_first(value); json_exists(v); v = json_next(value, v))
        TRY(run_element(run, at, v, element));
    return ERR_NONE;
}

/* A choice: whatever of its rows is there, in document order. */
static enum err run_choice(struct run *run, size_t at, struct json object)
{
    const struct path_step *step = &run->steps[at];
    char room[ELEMENT_NAME_MAX];
    for (struct json key = json_first(object); json_exists(key);
         key = json_next(object, json_value(key))) {
        struct slice name = key_name(key, room);
        if (name.length <= step->name.length || !slice_starts_with(name, step->name))
            continue;
        for (uint16_t i = 0; i < step->row_count; i++)
            if (slice_equal(step->rows[i].name, name))
                TRY(run_member(run, at, json_value(key), &step->rows[i]));
    }
    return ERR_NONE;
}

static enum err run_child(struct run *run, size_t at, struct fhir_item item)
{
    const struct path_step *step = &run->steps[at];
    if (!json_is(item.value, JSON_OBJECT))
        return ERR_NONE;
    if (step->row_count > 1)
        return run_choice(run, at, item.value);
    struct json value = json_get(item.value, step->rows[0].name);
    return json_exists(value) ? run_member(run, at, value, &step->rows[0]) : ERR_NONE;
}

/* "#id": the contained resource of that id. */
static const struct fhir_type *contained_type(struct json resource, struct slice id,
                                              uint32_t *steps_left)
{
    struct json list = json_member(resource, "contained");
    if (!json_is(list, JSON_ARRAY))
        return NULL;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        if (*steps_left == 0)
            return NULL;
        --*steps_left;
        if (json_is(v, JSON_OBJECT) && json_string_is(json_member(v, "id"), id))
            return resource_type_of(v);
    }
    return NULL;
}

/* resolve() is Type, without reading what it points at: the literal reference
 * tells, or else the element `type` beside it. */
static bool reference_is(struct fhir_item item, uint16_t type, uint32_t *steps_left)
{
    struct json value = item.value;
    struct json literal = value, stated = JSON_ABSENT;
    if (json_is(value, JSON_OBJECT)) {
        literal = json_member(value, "reference");
        stated = json_member(value, "type");
    }
    if (json_is(literal, JSON_STRING)) {
        struct slice text = json_string_raw(literal);
        char room[ELEMENT_NAME_MAX * 4];
        /* "\/" is the one escape that writers do put into references. */
        if (json_node(literal)->flags & JSON_HAS_ESCAPE)
            text = text_unescape(text, room, sizeof room);
        struct fhir_reference reference = fhir_reference_parse(text);
        const struct fhir_type *target = reference.type;
        if (!target && text.length > 0 && text.bytes[0] == '#')
            target = contained_type(item.resource, reference.fragment, steps_left);
        if (target)
            return type_derives(target->id, type);
    }
    return json_is(stated, JSON_STRING) && json_string_is(stated, fhir_types[type].name);
}

bool filter_keeps(const struct path_step *filter, struct fhir_item item, uint32_t *steps_left)
{
    if (filter->op == PATH_WHERE_IS)
        return reference_is(item, filter->type, steps_left);
    return json_string_is(json_get(item.value, filter->name), filter->literal);
}

static enum err run_step(struct run *run, size_t at, struct fhir_item item)
{
    if (at == run->step_count)
        return run->visit(run->context, item);
    const struct path_step *step = &run->steps[at];
    if (step->op == PATH_CHILD)
        return run_child(run, at, item);
    return filter_keeps(step, item, &run->contained_steps_left) ? run_step(run, at + 1, item)
                                                                : ERR_NONE;
}

static enum err run_branch(const struct path_branch *branch, struct fhir_item root,
                           fhir_visit *visit, void *context)
{
    struct run run = { .steps = branch->steps,
                       .step_count = branch->step_count,
                       .contained_steps_left = CONTAINED_STEPS_MAX,
                       .resource = root.resource,
                       .visit = visit,
                       .context = context };
    if (!branch->from_resource)
        return run_step(&run, 0, root);
    if (!json_is(root.resource, JSON_OBJECT))
        return ERR_NONE;
    struct fhir_item resource = { .value = root.resource,
                                  .type = resource_type_of(root.resource),
                                  .resource = root.resource };
    return resource.type ? run_step(&run, 0, resource) : ERR_NONE;
}

static enum err run_branches(const struct fhir_path *path, size_t first, size_t count,
                             struct fhir_item root, fhir_visit *visit, void *context)
{
    for (size_t i = first; i < first + count; i++) {
        const struct path_branch *branch = &path->branches[i];
        if (root.type->id == branch->root || type_derives(root.type->id, branch->root))
            TRY(run_branch(branch, root, visit, context));
    }
    return ERR_NONE;
}

/* ---- booleans ---- */

struct tally {
    uint32_t count;
    struct slice first; /* JSON text of the first one */
};

static enum err count_item(void *context, struct fhir_item item)
{
    struct tally *tally = context;
    if (tally->count++ == 0)
        tally->first = json_raw(item.value);
    return ERR_NONE;
}

/* FHIRPath's three values: `=` and `!=` of nothing are nothing, and nothing
 * stays nothing under `and` unless another operand is false. */
static enum err run_boolean(const struct fhir_path *path, struct fhir_item root, fhir_visit *visit,
                            void *context)
{
    bool is_false = false, is_empty = false;
    for (size_t i = 0; i < path->condition_count; i++) {
        const struct path_condition *condition = &path->conditions[i];
        struct tally tally = { .count = 0 };
        TRY(run_branches(path, condition->first_branch, condition->branch_count, root, count_item,
                         &tally));
        bool is_equal = slice_equal(tally.first, condition->literal);
        if (condition->test == PATH_EXISTS)
            is_false |= tally.count == 0;
        else if (tally.count == 0)
            is_empty = true;
        else
            is_false |= is_equal != (condition->test == PATH_EQUAL);
    }
    if (is_empty && !is_false)
        return ERR_NONE;
    struct json value = { is_false ? &doc_false : &doc_true, 0 };
    struct fhir_item item = { .value = value,
                              .type = &fhir_types[FHIR_TYPE_BOOLEAN],
                              .resource = root.resource };
    return visit(context, item);
}

const struct fhir_path fhir_path_empty = { .branch_count = 0 };

enum err fhir_path_visit(const struct fhir_path *path, struct fhir_item root, fhir_visit *visit,
                         void *context)
{
    if (!path || !root.type)
        return ERR_NONE;
    if (!json_exists(root.resource) && root.type->kind == FHIR_RESOURCE)
        root.resource = root.value;
    if (path->conditions)
        return run_boolean(path, root, visit, context);
    return run_branches(path, 0, path->branch_count, root, visit, context);
}
