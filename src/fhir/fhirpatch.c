/* fhir/fhirpatch.c - the operations of FHIRPath Patch, one after the other. */
#include "fhir/fhirpatch.h"

/* Bytes parsed by all operations of one patch, and steps of their paths. */
static const uint64_t PATCH_BYTES_MAX = (uint64_t)256 << 20;
static const uint64_t PATCH_STEPS_MAX = 20000000;

enum op { OP_ADD, OP_INSERT, OP_DELETE, OP_REPLACE, OP_MOVE, OP_COUNT };

/* One operation as it stands in the Parameters. */
struct operation {
    enum op op;
    struct slice path, name;
    struct json value;                   /* the part */
    uint32_t index, source, destination; /* NO_INDEX: not given */
};
enum { NO_INDEX = UINT32_MAX };

struct patching {
    const struct fhir_type *type;
    struct arena *arena; /* rewound after each operation */
    struct refusal_text why;
    uint64_t bytes_left, steps_left;
    size_t bytes_max;
    /* of the operation that runs: */
    struct json root;
    struct trail trail;
    struct buf *out;
};

#define refuse(p, err, ...) patch_refuse(&(p)->why, (err), __VA_ARGS__)

/* ---- reading ---- */

static enum err part_text(struct patching *p, struct json part, const char *name, const char *other,
                          struct slice *ret)
{
    struct json value = json_get(part, slice_cstr(name));
    if (!json_exists(value))
        value = json_get(part, slice_cstr(other));
    if (!json_is(value, JSON_STRING))
        return refuse(p, ERR_INVALID, "the part \"%.*s\" must have a %s",
                      SLICE_ARGS(json_string_raw(json_member(part, "name"))), name);
    *ret = json_string(value, p->arena);
    return ret->bytes ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err part_index(struct patching *p, struct json part, uint32_t *ret)
{
    static const char *const NAMES[] = { "valueInteger", "valueUnsignedInt", "valuePositiveInt" };
    struct json value = JSON_ABSENT;
    uint64_t number;
    for (size_t i = 0; i < ARRAY_COUNT(NAMES) && !json_exists(value); i++)
        value = json_get(part, slice_cstr(NAMES[i]));
    if (!json_is(value, JSON_NUMBER) || !slice_parse_u64(json_raw(value), &number) ||
        number >= NO_INDEX)
        return refuse(p, ERR_INVALID,
                      "the part \"%.*s\" must have a valueInteger that is not negative",
                      SLICE_ARGS(json_string_raw(json_member(part, "name"))));
    *ret = (uint32_t)number;
    return ERR_NONE;
}

static enum err op_find(struct patching *p, struct slice name, enum op *ret)
{
    static const char *const NAMES[OP_COUNT] = { "add", "insert", "delete", "replace", "move" };
    for (int i = 0; i < OP_COUNT; i++) {
        if (slice_is(name, NAMES[i])) {
            *ret = (enum op)i;
            return ERR_NONE;
        }
    }
    return refuse(p, ERR_INVALID, "type must be add, insert, delete, replace or move");
}

/* The bits of `seen` say which parts were met: each may be there once. */
static enum err part_read(struct patching *p, struct json part, struct operation *o, unsigned *seen)
{
    static const char *const NAMES[] = { "type",  "path",   "name",       "value",
                                         "index", "source", "destination" };
    struct json name = json_member(part, "name");
    struct slice type;
    unsigned at = 0;
    while (at < ARRAY_COUNT(NAMES) &&
           !(json_is(name, JSON_STRING) && json_string_is(name, slice_cstr(NAMES[at]))))
        at++;
    if (at == ARRAY_COUNT(NAMES))
        return refuse(p, ERR_INVALID,
                      "a part must be type, path, name, value, index, source or destination");
    if (*seen & 1u << at)
        return refuse(p, ERR_INVALID, "the part \"%s\" is there twice", NAMES[at]);
    *seen |= 1u << at;
    switch (at) {
    case 0:
        TRY(part_text(p, part, "valueCode", "valueString", &type));
        return op_find(p, type, &o->op);
    case 1:
        return part_text(p, part, "valueString", "valueString", &o->path);
    case 2:
        return part_text(p, part, "valueString", "valueString", &o->name);
    case 3:
        o->value = part;
        return ERR_NONE;
    default:
        return part_index(p, part, at == 4 ? &o->index : at == 5 ? &o->source : &o->destination);
    }
}

/* Which parts each operation must have: bits in the order of NAMES above; it may
 * have no others. */
static const uint8_t WANTED[OP_COUNT] = { 0x0f, 0x1b, 0x03, 0x0b, 0x63 };

static enum err operation_read(struct patching *p, struct json parameter, struct operation *o)
{
    static const char *const WORDS[OP_COUNT] = {
        "add needs the parts path, name and value",
        "insert needs the parts path, index and value",
        "delete needs the part path",
        "replace needs the parts path and value",
        "move needs the parts path, source and destination",
    };
    unsigned seen = 0;
    *o = (struct operation){ .index = NO_INDEX, .source = NO_INDEX, .destination = NO_INDEX };
    if (!json_is(json_member(parameter, "name"), JSON_STRING) ||
        !json_string_is(json_member(parameter, "name"), SLICE("operation")))
        return refuse(p, ERR_INVALID, "each parameter must be an operation");
    struct json parts = json_member(parameter, "part");
    if (!json_is(parts, JSON_ARRAY))
        return refuse(p, ERR_INVALID, "an operation must be a list of parts");
    for (struct json v = json_first(parts); json_exists(v); v = json_next(parts, v))
        TRY(part_read(p, v, o, &seen));
    if (!(seen & 1))
        return refuse(p, ERR_INVALID, "the part type is missing");
    if (seen != WANTED[o->op])
        return refuse(p, ERR_INVALID, "%s, and no others", WORDS[o->op]);
    return ERR_NONE;
}

/* ---- paths ---- */

static enum err path_compile(struct patching *p, struct slice text, const struct fhirpath **ret)
{
    struct fhirpath_error error = { 0 };
    enum err err = fhirpath_compile(text, p->arena, ret, &error);
    if (err == ERR_SYNTAX || err == ERR_LIMIT)
        return refuse(p, ERR_INVALID, "the path \"%.*s\": %.*s (at %zu)",
                      SLICE_ARGS(slice_head(text, 200)), SLICE_ARGS(error.text), error.offset);
    return err;
}

static enum err path_run(struct patching *p, const struct fhirpath *path,
                         struct fhirpath_result *ret)
{
    uint64_t used = 0;
    struct fhirpath_error error = { 0 };
    struct fhirpath_host host = { .is_strict = true,
                                  .steps = MAX(p->steps_left, 1),
                                  .ret_steps = &used };
    struct fhir_item root = { .value = p->root, .type = p->type, .resource = p->root };
    enum err err = fhirpath_evaluate(path, root, &host, p->arena, ret, &error);
    p->steps_left -= MIN(used, p->steps_left);
    if (err == ERR_LIMIT)
        return refuse(p, err, "the paths of this patch take too many steps");
    if (err == ERR_INVALID)
        return refuse(p, ERR_UNPROCESSABLE, "the path \"%.*s\": %.*s",
                      SLICE_ARGS(slice_head(path->text, 200)), SLICE_ARGS(error.text));
    return err;
}

/* The one element that the path selects, p->trail leading to it: to its value, or to
 * the sibling of a primitive that has none. */
static enum err element_select(struct patching *p, const struct fhirpath *path, bool may_be_none,
                               struct fhirpath_value *ret, bool *ret_found)
{
    struct fhirpath_result result;
    TRY(path_run(p, path, &result));
    *ret_found = result.count > 0;
    if (!result.count && may_be_none)
        return ERR_NONE;
    struct slice text = slice_head(path->text, 200);
    if (result.count != 1)
        return refuse(p, ERR_UNPROCESSABLE, "the path \"%.*s\" selects %s", SLICE_ARGS(text),
                      result.count ? "several elements, and must select one" : "nothing");
    *ret = result.values[0];
    struct json target = json_exists(ret->item.value) ? ret->item.value : ret->sibling;
    bool is_inside = false;
    if (ret->kind == FHIRPATH_ELEMENT && ret->item.type)
        TRY(trail_find(p->root, target, p->arena, &p->trail, &is_inside));
    return is_inside
               ? ERR_NONE
               : refuse(p, ERR_UNPROCESSABLE,
                        "the path \"%.*s\" selects no element of the resource", SLICE_ARGS(text));
}

/* ---- operations ---- */

/* `m` of the element that p->trail leads to is written: of its object, of a
 * primitive's sibling, or of a sibling made for it. */
static enum err element_write(struct patching *p, const struct fhirpath_value *element,
                              struct slice was, const struct member *m)
{
    bool found;
    if (element->item.type->kind != FHIR_PRIMITIVE)
        return member_write(&p->trail, p->trail.depth, was, m, p->arena, p->out);
    if (json_exists(element->sibling)) {
        TRY(trail_find(p->root, element->sibling, p->arena, &p->trail, &found));
        CHECK(found);
        return member_write(&p->trail, p->trail.depth, was, m, p->arena, p->out);
    }
    struct slot slot = { .value = json_raw(element->item.value) };
    TRY(members_object(m, 1, p->arena, &slot.sibling));
    return slot_write(&p->trail, SLICE_NONE, slot, p->arena, p->out);
}

static struct json object_of(const struct fhirpath_value *element)
{
    return element->item.type->kind == FHIR_PRIMITIVE ? element->sibling : element->item.value;
}

/* Nothing of the element, or of its choice, may be there. */
static enum err free_check(struct patching *p, const struct fhirpath_value *element,
                           const struct fhir_element *row)
{
    const struct fhir_type *type = element->item.type;
    struct member m;
    for (uint16_t i = 0; i < type->element_count; i++) {
        const struct fhir_element *other = &type->elements[i];
        bool is_same =
            other == row || (row->choice.length && slice_equal(other->choice, row->choice));
        if (!is_same)
            continue;
        TRY(member_read(object_of(element), other->name, p->arena, &m));
        if (m.count)
            return refuse(p, ERR_UNPROCESSABLE,
                          "%.*s.%.*s is there already, and can be there once; use replace",
                          SLICE_ARGS(type->name), SLICE_ARGS(other->name));
    }
    return ERR_NONE;
}

static enum err run_add(struct patching *p, const struct operation *o)
{
    struct fhirpath_value element;
    const struct fhirpath *path;
    const struct fhir_element *row;
    struct slot slot;
    struct member m;
    bool found;
    TRY(path_compile(p, o->path, &path));
    TRY(element_select(p, path, false, &element, &found));
    TRY(patch_value(&p->why, element.item.type, o->name, o->value, p->arena, &row, &slot));
    if (!row->is_array)
        TRY(free_check(p, &element, row));
    TRY(member_read(object_of(&element), row->name, p->arena, &m));
    m.is_array = row->is_array;
    member_insert(&m, m.count, slot);
    return element_write(p, &element, row->name, &m);
}

/* The list that the path of insert and move names: X.name, where X is one element,
 * so that an empty list has a place, too. */
static enum err list_select(struct patching *p, const struct operation *o,
                            struct fhirpath_value *ret_element, struct slice *ret_name)
{
    const struct fhirpath *path;
    bool found;
    TRY(path_compile(p, o->path, &path));
    const struct fp_node *last = path->root;
    if (last->op != FP_OP_MEMBER || !last->left)
        return refuse(p, ERR_UNPROCESSABLE, "the path \"%.*s\" does not end in the name of a list",
                      SLICE_ARGS(slice_head(o->path, 200)));
    struct fhirpath holder = { .root = last->left,
                               .text = o->path,
                               .slot_count = path->slot_count };
    *ret_name = last->name;
    return element_select(p, &holder, false, ret_element, &found);
}

static enum err run_insert(struct patching *p, const struct operation *o)
{
    struct fhirpath_value element;
    const struct fhir_element *row;
    struct slice name;
    struct slot slot;
    struct member m;
    TRY(list_select(p, o, &element, &name));
    TRY(patch_value(&p->why, element.item.type, name, o->value, p->arena, &row, &slot));
    if (!row->is_array)
        return refuse(p, ERR_UNPROCESSABLE, "%.*s.%.*s is no list; use add",
                      SLICE_ARGS(element.item.type->name), SLICE_ARGS(name));
    TRY(member_read(object_of(&element), row->name, p->arena, &m));
    if (o->index > m.count)
        return refuse(p, ERR_UNPROCESSABLE, "index %u, but the list has %u elements", o->index,
                      m.count);
    m.is_array = true;
    member_insert(&m, o->index, slot);
    return element_write(p, &element, row->name, &m);
}

static enum err run_move(struct patching *p, const struct operation *o)
{
    struct fhirpath_value element;
    struct slice name;
    struct member m;
    TRY(list_select(p, o, &element, &name));
    const struct fhir_type *type = element.item.type;
    const struct fhir_element *row = fhir_element_find(type, name);
    if (!row || !row->is_array)
        return refuse(p, ERR_UNPROCESSABLE, "%.*s has no list \"%.*s\"", SLICE_ARGS(type->name),
                      SLICE_ARGS(name));
    TRY(member_read(object_of(&element), row->name, p->arena, &m));
    if (o->source >= m.count || o->destination >= m.count)
        return refuse(p, ERR_UNPROCESSABLE,
                      "source %u and destination %u, but the list has %u elements", o->source,
                      o->destination, m.count);
    struct slot slot = m.slots[o->source];
    member_remove(&m, o->source);
    member_insert(&m, o->destination, slot);
    return element_write(p, &element, row->name, &m);
}

static enum err not_the_root(struct patching *p, const char *verb)
{
    return p->trail.depth ? ERR_NONE
                          : refuse(p, ERR_UNPROCESSABLE, "the resource itself cannot be %s", verb);
}

static enum err run_delete(struct patching *p, const struct operation *o)
{
    struct fhirpath_value element;
    const struct fhirpath *path;
    bool found;
    TRY(path_compile(p, o->path, &path));
    TRY(element_select(p, path, true, &element, &found));
    if (!found) { /* R4: no error */
        buf_clear(p->out);
        buf_append(p->out, json_raw(p->root));
        return buf_status(p->out);
    }
    TRY(not_the_root(p, "deleted"));
    return slot_write(&p->trail, SLICE_NONE, (struct slot){ .value = SLICE_NONE }, p->arena,
                      p->out);
}

/* The type of the object in which the selected element is a member. */
static enum err holder_type(struct patching *p, const struct fhir_type **ret)
{
    const struct fhir_type *type = p->type;
    for (uint32_t i = 0; i + 1 < p->trail.depth; i++) {
        const struct step *step = &p->trail.steps[i];
        const struct fhir_element *row = fhir_element_find(type, step->name);
        if (!row)
            return refuse(p, ERR_UNPROCESSABLE, "the path leads through an unknown element");
        type = fhir_type_at(row->type);
        if (type_is_open_resource(type)) {
            const struct fhir_type *own = resource_type_of(p->trail.steps[i + 1].object);
            type = own ? own : type;
        }
    }
    *ret = type;
    return ERR_NONE;
}

static enum err run_replace(struct patching *p, const struct operation *o)
{
    struct fhirpath_value element;
    const struct fhirpath *path;
    const struct fhir_type *holder = NULL;
    const struct fhir_element *row;
    struct slot slot;
    bool found;
    TRY(path_compile(p, o->path, &path));
    TRY(element_select(p, path, false, &element, &found));
    TRY(not_the_root(p, "replaced"));
    if (!element.item.element)
        return refuse(p, ERR_UNPROCESSABLE, "the path selects no element that can be replaced");
    TRY(holder_type(p, &holder));
    const struct fhir_element *was = element.item.element;
    struct slice name = was->choice.length ? was->choice : was->name;
    TRY(patch_value(&p->why, holder, name, o->value, p->arena, &row, &slot));
    return slot_write(&p->trail, row->name, slot, p->arena, p->out);
}

static enum err operation_run(struct patching *p, const struct operation *o)
{
    switch (o->op) {
    case OP_ADD:
        return run_add(p, o);
    case OP_INSERT:
        return run_insert(p, o);
    case OP_DELETE:
        return run_delete(p, o);
    case OP_REPLACE:
        return run_replace(p, o);
    case OP_MOVE:
    case OP_COUNT:
        break;
    }
    return run_move(p, o);
}

/* ---- the patch ---- */

/* `now` to `next`. */
static enum err operation_apply(struct patching *p, struct json parameter, struct slice now,
                                struct buf *next)
{
    struct operation o;
    struct json_doc doc;
    if (now.length > p->bytes_left || now.length > p->bytes_max)
        return refuse(p, ERR_LIMIT, "the patch needs too much work, or its result is too long");
    p->bytes_left -= now.length;
    TRY(operation_read(p, parameter, &o));
    enum err err = json_parse(now, NULL, p->arena, &doc, NULL);
    if (err == ERR_SYNTAX || err == ERR_LIMIT) /* of what it was given: values, nested */
        return refuse(p, ERR_UNPROCESSABLE, "the resource would be nested too deep");
    TRY(err);
    p->root = json_root(&doc);
    p->out = next;
    return operation_run(p, &o);
}

static enum err operations_apply(struct patching *p, struct json list, struct buf texts[2],
                                 unsigned *ret_last, uint32_t *ret_operation)
{
    unsigned now = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct arena_mark mark = arena_mark(p->arena);
        *ret_last = now ^= 1;
        TRY(operation_apply(p, v, buf_slice(&texts[now ^ 1]), &texts[now]));
        arena_rewind(p->arena, mark);
        ++*ret_operation;
    }
    return ERR_NONE;
}

static enum err parameters_check(struct patching *p, struct json parameters, struct json *ret_list)
{
    struct json type = json_member(parameters, "resourceType");
    *ret_list = json_member(parameters, "parameter");
    if (!json_is(type, JSON_STRING) || !json_string_is(type, SLICE("Parameters")))
        return refuse(p, ERR_INVALID, "a FHIRPath Patch must be a Parameters resource");
    if (json_exists(*ret_list) && !json_is(*ret_list, JSON_ARRAY))
        return refuse(p, ERR_INVALID, "Parameters.parameter must be an array");
    return ERR_NONE;
}

enum err fhir_patch(struct json resource, const struct fhir_type *type, struct json parameters,
                    size_t bytes_max, struct arena *arena, struct buf *out,
                    struct fhir_patch_error *error)
{
    struct patching p = { .type = type,
                          .arena = arena,
                          .why.arena = arena,
                          .bytes_left = PATCH_BYTES_MAX,
                          .steps_left = PATCH_STEPS_MAX,
                          .bytes_max = bytes_max };
    struct buf texts[2];
    struct json list;
    unsigned last = 0;
    uint32_t operation = 0;
    buf_init(&texts[0], bytes_max + json_raw(resource).length);
    buf_init(&texts[1], bytes_max + json_raw(resource).length);
    buf_append(&texts[0], json_raw(resource));
    enum err err = parameters_check(&p, parameters, &list);
    if (!err)
        err = operations_apply(&p, list, texts, &last, &operation);
    if (!err) {
        buf_append(out, buf_slice(&texts[last]));
        err = buf_status(out);
    }
    if (err && error)
        *error =
            (struct fhir_patch_error){ operation,
                                       p.why.text.length ? p.why.text : slice_cstr(err_text(err)) };
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    return err;
}
