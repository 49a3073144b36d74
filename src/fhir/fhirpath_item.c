/* fhir/fhirpath_item.c - elements of a resource as items: their children, their
 * values, their types. */
#include <stdio.h>

#include "fhir/fhirpath.h"

/* ---- shapes ---- */

/* The object that holds id, extension and all else of an element. */
static struct json object_of(const struct fp_place *place)
{
    return json_is(place->value, JSON_OBJECT) ? place->value : place->sibling;
}

static bool is_primitive_type(const struct fhir_type *type)
{
    return type && type->kind == FHIR_PRIMITIVE;
}

bool fp_item_has_value(const struct fp_item *item)
{
    if (item->kind != FP_NODE)
        return true;
    enum json_type json = json_type(item->node.value);
    bool is_scalar =
        json == JSON_STRING || json == JSON_NUMBER || json == JSON_TRUE || json == JSON_FALSE;
    return is_scalar && (!item->node.type || is_primitive_type(item->node.type));
}

/* ---- children ---- */

struct children {
    struct fp_run *run;
    const struct fp_item *parent;
    struct fp_list *out;
};

static enum err push_child(struct children *c, const struct fhir_element *element,
                           struct json value, struct json sibling)
{
    if (json_is(value, JSON_NULL))
        value = JSON_ABSENT;
    if (!json_is(sibling, JSON_OBJECT))
        sibling = JSON_ABSENT;
    if (!json_exists(value) && !json_exists(sibling))
        return ERR_NONE;
    struct fp_item item = { .kind = FP_NODE };
    item.node.value = value;
    item.node.sibling = sibling;
    item.node.element = element;
    item.node.type = element ? &fhir_types[element->type] : NULL;
    item.node.resource = c->parent->node.resource;
    if (item.node.type && type_is_open_resource(item.node.type)) {
        const struct fhir_type *own = resource_type_of(value);
        item.node.type = own ? own : item.node.type;
        /* "#id" and %resource of what is contained look at the container. */
        if (!slice_is(element->name, "contained"))
            item.node.resource = value;
    }
    TRY(fp_spend(c->run, 1));
    return fp_push(c->run, c->out, &item);
}

/* A member's value and that of its sibling "_name"; arrays side by side. */
static enum err push_member(struct children *c, const struct fhir_element *element,
                            struct json value, struct json sibling)
{
    if (!json_is(value, JSON_ARRAY) && !json_is(sibling, JSON_ARRAY))
        return push_child(c, element, value, sibling);
    struct json v = json_first(value), s = json_first(sibling);
    bool is_list = json_is(value, JSON_ARRAY);
    v = is_list ? v : value;
    while (json_exists(v) || json_exists(s)) {
        TRY(push_child(c, element, v, s));
        v = json_exists(v) && is_list ? json_next(value, v) : JSON_ABSENT;
        s = json_exists(s) ? json_next(sibling, s) : JSON_ABSENT;
    }
    return ERR_NONE;
}

static struct json sibling_of(struct json object, struct slice name)
{
    char room[ELEMENT_NAME_MAX + 1];
    if (name.length == 0 || name.length >= sizeof room)
        return JSON_ABSENT;
    room[0] = '_';
    memcpy(room + 1, name.bytes, name.length);
    return json_get(object, slice_of(room, name.length + 1));
}

static enum err push_named(struct children *c, struct json object,
                           const struct fhir_element *element, struct slice name)
{
    struct json value = json_get(object, name), sibling = JSON_ABSENT;
    bool may_have_sibling = !element || fhir_types[element->type].kind == FHIR_PRIMITIVE;
    if (may_have_sibling)
        sibling = sibling_of(object, name);
    return push_member(c, element, value, sibling);
}

/* The row of a choice that a member "value..." or "_value..." is. */
static const struct fhir_element *choice_row(const struct fhir_type *type, struct slice stem,
                                             struct slice name)
{
    if (name.length <= stem.length || !slice_starts_with(name, stem))
        return NULL;
    const struct fhir_element *row = fhir_element_find(type, name);
    return row && slice_equal(row->choice, stem) ? row : NULL;
}

static bool is_underscored(struct slice name)
{
    return name.length > 1 && name.bytes[0] == '_';
}

static enum err push_choice(struct children *c, struct json object, const struct fhir_type *type,
                            struct slice stem)
{
    char room[ELEMENT_NAME_MAX];
    for (struct json key = json_first(object); json_exists(key);
         key = json_next(object, json_value(key))) {
        struct slice name = key_name(key, room);
        bool is_sibling = is_underscored(name);
        struct slice plain = slice_from(name, is_sibling);
        const struct fhir_element *row = choice_row(type, stem, plain);
        /* A sibling comes with its value; alone, it stands for itself. */
        if (row && !(is_sibling && json_exists(json_get(object, plain))))
            TRY(push_named(c, object, row, row->name));
    }
    return ERR_NONE;
}

static bool has_choice(const struct fhir_type *type, struct slice stem)
{
    for (uint16_t i = 0; i < type->element_count; i++)
        if (slice_equal(type->elements[i].choice, stem))
            return true;
    return false;
}

static enum err push_all(struct children *c, struct json object, const struct fhir_type *type)
{
    char room[ELEMENT_NAME_MAX];
    for (struct json key = json_first(object); json_exists(key);
         key = json_next(object, json_value(key))) {
        struct slice name = key_name(key, room);
        bool is_sibling = is_underscored(name);
        struct slice plain = slice_from(name, is_sibling);
        if (plain.length == 0 || (is_sibling && json_exists(json_get(object, plain))))
            continue;
        if (slice_is(plain, "resourceType"))
            continue;
        const struct fhir_element *row = type ? fhir_element_find(type, plain) : NULL;
        TRY(push_member(c, row, json_get(object, plain), sibling_of(object, plain)));
    }
    return ERR_NONE;
}

static enum err type_children(struct fp_run *run, const struct fp_item *item, struct slice name,
                              struct fp_list *out)
{
    if (slice_is(name, "namespace"))
        return fp_push_text(run, out, item->type.space);
    return slice_is(name, "name") ? fp_push_text(run, out, item->type.name) : ERR_NONE;
}

/* Of a quantity that is no element. */
static enum err quantity_children(struct fp_run *run, const struct fp_item *item, struct slice name,
                                  struct fp_list *out)
{
    if (slice_is(name, "value"))
        return fp_push_decimal(run, out, item->quantity.value);
    return slice_is(name, "unit") ? fp_push_text(run, out, item->quantity.unit) : ERR_NONE;
}

static enum err named_children(struct children *c, const struct fp_node *at, struct json object,
                               struct slice name)
{
    const struct fhir_type *type = c->parent->node.type;
    const struct fhir_element *element = type ? fhir_element_find(type, name) : NULL;
    if (!type || slice_is(name, "resourceType"))
        return push_named(c, object, NULL, name);
    if (element && (element->choice.length == 0 || c->run->host->takes_json_names))
        return push_named(c, object, element, name);
    if (element)
        return fp_fail(c->run, at, "%.*s is written %.*s in FHIRPath", SLICE_ARGS(name),
                       SLICE_ARGS(element->choice));
    if (has_choice(type, name))
        return push_choice(c, object, type, name);
    if (c->run->host->is_strict)
        return fp_fail(c->run, at, "%.*s has no element %.*s", SLICE_ARGS(type->name),
                       SLICE_ARGS(name));
    return push_named(c, object, NULL, name);
}

enum err fp_children(struct fp_run *run, const struct fp_node *at, const struct fp_item *item,
                     struct slice name, struct fp_list *out)
{
    struct children c = { run, item, out };
    if (item->kind == FP_TYPE)
        return type_children(run, item, name, out);
    if (item->kind == FP_QUANTITY)
        return quantity_children(run, item, name, out);
    if (item->kind != FP_NODE)
        return ERR_NONE;
    struct json object = object_of(&item->node);
    if (name.length == 0)
        return push_all(&c, object, item->node.type);
    if (!json_exists(object) && !(item->node.type && run->host->is_strict))
        return ERR_NONE;
    return named_children(&c, at, object, name);
}

/* ---- system values ---- */

static bool number_value(struct slice text, bool as_decimal, struct fp_item *out)
{
    struct decimal value;
    if (!decimal_parse(text, &value))
        return false;
    bool is_plain = slice_find_byte(text, '.') < 0 && slice_find_byte(text, 'e') < 0 &&
                    slice_find_byte(text, 'E') < 0;
    if (!as_decimal && is_plain && decimal_to_int64(value, &out->integer)) {
        out->kind = FP_INTEGER;
    } else {
        out->kind = FP_DECIMAL;
        out->decimal = value;
    }
    return true;
}

static void text_value(struct slice text, const struct fhir_type *type, struct fp_item *out)
{
    uint16_t id = type ? type->id : FHIR_NO_TYPE;
    struct moment m;
    out->kind = FP_STRING;
    if (id == FHIR_TYPE_DATE && moment_parse_date(text, &m))
        out->kind = FP_DATE;
    else if ((id == FHIR_TYPE_DATE_TIME || id == FHIR_TYPE_INSTANT) &&
             moment_parse_date_time(text, &m))
        out->kind = FP_DATE_TIME;
    else if (id == FHIR_TYPE_TIME && moment_parse_time(text, &m))
        out->kind = FP_TIME;
    else
        out->text = text;
    if (out->kind != FP_STRING)
        out->moment = m;
}

static bool quantity_value(struct fp_run *run, struct json object, struct fp_item *out)
{
    struct json value = json_member(object, "value"), system = json_member(object, "system");
    struct json code = json_member(object, "code");
    struct decimal number;
    bool is_ucum = json_string_is(system, SLICE("http://unitsofmeasure.org"));
    if (!json_is(value, JSON_NUMBER) || !decimal_parse(json_raw(value), &number))
        return false;
    if ((json_exists(system) && !is_ucum) || json_exists(json_member(object, "comparator")))
        return false;
    struct slice unit =
        json_string(json_is(code, JSON_STRING) ? code : json_member(object, "unit"), run->arena);
    *out = (struct fp_item){ .kind = FP_QUANTITY };
    out->quantity.value = number;
    out->quantity.unit = unit.bytes ? unit : SLICE("1");
    out->quantity.is_fhir = true;
    return true;
}

bool fp_system(struct fp_run *run, const struct fp_item *item, struct fp_item *out)
{
    if (item->kind != FP_NODE) {
        *out = *item;
        return item->kind != FP_TYPE;
    }
    const struct fhir_type *type = item->node.type;
    struct json value = item->node.value;
    *out = (struct fp_item){ .kind = FP_BOOLEAN };
    switch (json_type(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        out->boolean = json_is(value, JSON_TRUE);
        return true;
    case JSON_NUMBER:
        return number_value(json_raw(value), type && type->id == FHIR_TYPE_DECIMAL, out);
    case JSON_STRING: {
        struct slice text = json_string(value, run->arena);
        if (text.bytes)
            text_value(text, type, out);
        return text.bytes != NULL;
    }
    case JSON_OBJECT:
        return type && type_derives(type->id, FHIR_TYPE_QUANTITY) &&
               quantity_value(run, value, out);
    case JSON_NONE:
    case JSON_ARRAY:
    case JSON_NULL:
    case JSON_KEY:
        return false;
    }
    return false;
}

/* ---- types ---- */

/* Element.id is a System.String by the specification; the tables call it string. */
static bool is_plain_string(const struct fp_place *place)
{
    return place->element && slice_is(place->element->name, "id") && is_primitive_type(place->type);
}

bool fp_item_is(const struct fp_item *item, const struct fp_type *type)
{
    if (item->kind != FP_NODE)
        return type->system != FP_NODE && item->kind == type->system;
    const struct fhir_type *own = item->node.type;
    if (own)
        return (type->fhir && (own == type->fhir || type_derives(own->id, type->fhir->id))) ||
               (type->system == FP_STRING && is_plain_string(&item->node));
    struct fp_item value;
    struct fp_run none = { .steps_left = 0 };
    bool is_text = json_is(item->node.value, JSON_STRING);
    if (is_text)
        return type->system == FP_STRING;
    return type->system != FP_NODE && fp_system(&none, item, &value) && value.kind == type->system;
}

bool fp_item_of_type(const struct fp_item *item, const struct fp_type *type)
{
    if (!fp_item_is(item, type))
        return false;
    bool is_exact = item->kind != FP_NODE || !is_primitive_type(item->node.type) ||
                    item->node.type == type->fhir || !type->fhir;
    return is_exact;
}

enum err fp_item_root(struct json value, struct json resource, struct fp_item *out)
{
    *out = (struct fp_item){ .kind = FP_NODE };
    out->node.value = value;
    out->node.type = resource_type_of(value);
    out->node.resource = resource;
    return ERR_NONE;
}

/* ---- text ---- */

struct slice fp_copy_text(struct fp_run *run, const char *bytes, size_t length)
{
    char *copy = arena_copy(run->arena, slice_of(bytes, length));
    return copy ? slice_of(copy, length) : SLICE_NONE;
}

static struct slice render_quantity(struct fp_run *run, const struct fp_quantity *q)
{
    char text[DECIMAL_TEXT_BYTES];
    size_t length = decimal_render(q->value, text);
    const char *quote = q->is_calendar ? "" : "'";
    return arena_printf(run->arena, "%.*s %s%.*s%s", (int)length, text, quote, SLICE_ARGS(q->unit),
                        quote);
}

bool fp_render(struct fp_run *run, const struct fp_item *item, struct slice *ret_text)
{
    char room[DECIMAL_TEXT_BYTES];
    struct fp_item value;
    if (item->kind == FP_TYPE) {
        *ret_text = arena_printf(run->arena, "%.*s.%.*s", SLICE_ARGS(item->type.space),
                                 SLICE_ARGS(item->type.name));
        return ret_text->bytes != NULL;
    }
    if (!fp_system(run, item, &value))
        return false;
    size_t length = 0;
    switch ((enum fp_kind)value.kind) {
    case FP_BOOLEAN:
        *ret_text = value.boolean ? SLICE("true") : SLICE("false");
        return true;
    case FP_STRING:
        *ret_text = value.text;
        return true;
    case FP_INTEGER:
        length = (size_t)snprintf(room, sizeof room, "%lld", (long long)value.integer);
        break;
    case FP_DECIMAL:
        length = decimal_render(value.decimal, room);
        break;
    case FP_DATE:
    case FP_DATE_TIME:
    case FP_TIME:
        length = moment_render(value.moment, room);
        break;
    case FP_QUANTITY:
        *ret_text = render_quantity(run, &value.quantity);
        return ret_text->bytes != NULL;
    case FP_NODE:
    case FP_TYPE:
        return false;
    }
    *ret_text = fp_copy_text(run, room, length);
    return ret_text->bytes != NULL;
}

/* ---- singletons ---- */

enum err fp_one(struct fp_run *run, const struct fp_node *node, const struct fp_list *list,
                struct fp_item *ret_item, bool *ret_any)
{
    *ret_any = list->count > 0;
    if (list->count > 1)
        return fp_fail(run, node, "one item was expected, %u are there", list->count);
    if (*ret_any && !fp_system(run, &list->items[0], ret_item)) {
        /* A primitive of extensions only is there, but has no value. */
        const struct fp_item *item = &list->items[0];
        *ret_any = item->kind != FP_NODE || json_exists(item->node.value);
        *ret_item = *item;
    }
    return ERR_NONE;
}

enum err fp_one_text(struct fp_run *run, const struct fp_node *node, const struct fp_list *list,
                     struct slice *ret_text, bool *ret_any)
{
    struct fp_item item;
    TRY(fp_one(run, node, list, &item, ret_any));
    if (!*ret_any)
        return ERR_NONE;
    /* Dates are strings in JSON: text functions may look at them. */
    bool is_date = item.kind == FP_DATE || item.kind == FP_DATE_TIME || item.kind == FP_TIME;
    if (item.kind == FP_STRING)
        *ret_text = item.text;
    else if (!is_date || !fp_render(run, &item, ret_text))
        return fp_fail(run, node, "a string was expected");
    return ERR_NONE;
}

enum err fp_one_integer(struct fp_run *run, const struct fp_node *node, const struct fp_list *list,
                        int64_t *ret_value, bool *ret_any)
{
    struct fp_item item;
    TRY(fp_one(run, node, list, &item, ret_any));
    if (*ret_any && item.kind != FP_INTEGER)
        return fp_fail(run, node, "an integer was expected");
    if (*ret_any)
        *ret_value = item.integer;
    return ERR_NONE;
}

enum err fp_one_truth(struct fp_run *run, const struct fp_node *node, const struct fp_list *list,
                      enum fp_truth *ret_truth)
{
    struct fp_item item;
    bool any;
    *ret_truth = FP_NOTHING;
    TRY(fp_one(run, node, list, &item, &any));
    if (list->count == 1)
        *ret_truth = item.kind == FP_BOOLEAN && any && !item.boolean ? FP_FALSE : FP_TRUE;
    if (list->count == 1 && !any)
        *ret_truth = FP_NOTHING;
    return ERR_NONE;
}
