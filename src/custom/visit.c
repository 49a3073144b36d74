/* custom/visit.c - what an expression selects, handed on as elements. */
#include "custom/custom.h"

enum {
    STEPS_LEAST = 50 * 1000, /* of one expression on the smallest resource */
    STEPS_PER_NODE = 8,      /* and for each value of a larger one */
    EXPRESSIONS_WORTH = 8,   /* of which all expressions together may take so much */
    COMPUTED_BYTES_MAX = 1 << 20,
};

void custom_budget_init(struct custom_budget *budget, struct json resource)
{
    uint64_t nodes = json_exists(resource) ? resource.doc->count : 0;
    budget->each = STEPS_LEAST + STEPS_PER_NODE * nodes;
    budget->left = EXPRESSIONS_WORTH * budget->each;
}

/* The FHIR type that a computed value is indexed as, and its JSON. */
static const struct fhir_type *type_of(enum fhirpath_kind kind)
{
    switch (kind) {
    case FHIRPATH_BOOLEAN:
        return fhir_type_at(FHIR_TYPE_BOOLEAN);
    case FHIRPATH_INTEGER:
        return fhir_type_at(FHIR_TYPE_INTEGER);
    case FHIRPATH_DECIMAL:
        return fhir_type_at(FHIR_TYPE_DECIMAL);
    case FHIRPATH_DATE:
        return fhir_type_at(FHIR_TYPE_DATE);
    case FHIRPATH_DATE_TIME:
        return fhir_type_at(FHIR_TYPE_DATE_TIME);
    case FHIRPATH_TIME:
        return fhir_type_at(FHIR_TYPE_TIME);
    case FHIRPATH_QUANTITY:
        return fhir_type_at(FHIR_TYPE_QUANTITY);
    case FHIRPATH_STRING:
    case FHIRPATH_TYPE_NAME:
        return fhir_type_at(FHIR_TYPE_STRING);
    case FHIRPATH_ELEMENT:
        break;
    }
    return NULL;
}

/* "5.4 'mg'": a number, then UCUM's unit in quotes or a calendar word. */
static void quantity_append(struct buf *out, struct slice text)
{
    struct slice unit = text, number = slice_cut(&unit, ' ');
    unit = slice_trim(unit);
    buf_printf(out, "{\"value\":%.*s", SLICE_ARGS(number));
    bool is_quoted = unit.length > 1 && unit.bytes[0] == '\'';
    if (is_quoted) {
        unit = slice_of(unit.bytes + 1, unit.length - 2);
        buf_append_cstr(out, ",\"system\":\"http://unitsofmeasure.org\",\"code\":");
        json_write_string(out, unit);
    } else if (unit.length) {
        buf_append_cstr(out, ",\"unit\":");
        json_write_string(out, unit);
    }
    buf_append_byte(out, '}');
}

static void value_append(struct buf *out, const struct fhirpath_value *value)
{
    if (value->kind == FHIRPATH_QUANTITY)
        quantity_append(out, value->text);
    else if (value->kind == FHIRPATH_INTEGER || value->kind == FHIRPATH_DECIMAL ||
             value->kind == FHIRPATH_BOOLEAN)
        buf_append(out, value->text);
    else
        json_write_string(out, value->text);
}

/* A computed value as an element; false when it has no form as one. */
static enum err compute(const struct fhirpath_value *value, struct json resource,
                        struct arena *scratch, struct fhir_item *ret, bool *ret_any)
{
    struct buf out;
    buf_init(&out, COMPUTED_BYTES_MAX);
    value_append(&out, value);
    enum err err = buf_status(&out);
    *ret_any = err == ERR_NONE;
    char *copy = err ? NULL : arena_copy(scratch, buf_slice(&out));
    size_t length = out.length;
    buf_release(&out);
    if (err)
        return err == ERR_LIMIT ? ERR_NONE : err;
    struct json_doc *doc = copy ? arena_alloc(scratch, sizeof *doc) : NULL;
    if (!doc)
        return ERR_NO_MEMORY;
    err = json_parse(slice_of(copy, length), NULL, scratch, doc, NULL);
    *ret_any = err == ERR_NONE;
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_NONE;
    *ret = (struct fhir_item){ .value = json_root(doc),
                               .type = type_of(value->kind),
                               .resource = resource };
    return ERR_NONE;
}

/* An extension stands for its value, as other servers have it and many definitions
 * count on: Patient.extension('url') for Patient.extension('url').value. */
static enum err visit_element(struct fhir_item item, fhir_visit *visit, void *context)
{
    if (item.type->id != FHIR_TYPE_EXTENSION)
        return visit(context, item);
    for (struct json key = json_first(item.value); json_exists(key);
         key = json_next(item.value, json_value(key))) {
        const struct fhir_element *row = fhir_element_find(item.type, json_string_raw(key));
        struct fhir_item value = { .value = json_value(key), .resource = item.resource };
        if (!row || !slice_is(row->choice, "value"))
            continue;
        value.type = fhir_type_at(row->type);
        value.element = row;
        TRY(visit(context, value));
    }
    return ERR_NONE;
}

static enum err visit_all(const struct fhirpath_result *result, struct fhir_item root,
                          struct arena *scratch, fhir_visit *visit, void *context)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct fhirpath_value *value = &result->values[i];
        struct fhir_item item = value->item;
        bool is_any = json_exists(item.value) && item.type;
        if (value->kind != FHIRPATH_ELEMENT)
            TRY(compute(value, root.resource, scratch, &item, &is_any));
        if (is_any)
            TRY(visit_element(item, visit, context));
    }
    return ERR_NONE;
}

enum err custom_visit(const struct custom_param *p, size_t part, struct fhir_item item,
                      struct custom_budget *budget, struct arena *scratch, fhir_visit *visit,
                      void *context, bool *ret_failed)
{
    uint64_t taken = 0, most = MIN(budget->each, budget->left);
    const struct fhirpath_host host = { .as_filters = true,
                                        .takes_json_names = true,
                                        .steps = MAX(most, 1u),
                                        .ret_steps = &taken,
                                        .resource = item.resource };
    struct fhirpath_result result;
    const struct fhirpath *expression = part ? p->part_expressions[part - 1] : p->expression;
    *ret_failed = false;
    enum err err = fhirpath_evaluate(expression, item, &host, scratch, &result, NULL);
    budget->left -= MIN(budget->left, taken);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err) {
        *ret_failed = true;
        return ERR_NONE;
    }
    return visit_all(&result, item, scratch, visit, context);
}

void custom_failed(const struct custom_param *p)
{
    /* The count is the one thing of a shared parameter that changes. */
    struct custom_param *counted = (struct custom_param *)(uintptr_t)p;
    atomic_fetch_add_explicit(&counted->failures, 1, memory_order_relaxed);
}
