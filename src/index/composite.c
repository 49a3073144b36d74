/* Composites: the parts of one element joined in one value, so that a code with
 * a range of what is measured is one range of values. First what must be equal,
 * in the order of the components, then what is ordered, then what only tells
 * apart: systems, types, units. */
#include "index/extract.h"

#include <string.h>

#include "base/utf8.h"

enum {
    COMPONENTS_MAX = 4,
    SIDES_MAX = 3,
    FORMS_MAX = 256,    /* of one component of one element; more are passed over */
    VALUES_MAX = 4096,  /* of one element */
    ORDERED_BYTES_MAX = 1 + 2 * NUMERAL_BYTES,
};

/* One value of one component. */
struct form {
    struct slice equal; /* bytes == NULL: it is ordered */
    uint8_t ordered[ORDERED_BYTES_MAX];
    uint8_t ordered_length;
    uint8_t side_count;
    struct slice sides[SIDES_MAX];
};

struct component {
    const struct fhir_param *param;
    struct form *forms; /* in the arena */
    size_t count, room;
};

struct composite {
    struct extractor *x;
    struct component *current;
    struct component components[COMPONENTS_MAX];
    size_t component_count;
    size_t value_count;
};

static enum err add_form(struct composite *c, struct form form)
{
    struct component *component = c->current;
    if (component->count == FORMS_MAX)
        return ERR_NONE;
    if (component->count == component->room) {
        size_t room = component->room ? 4 * component->room : 4;
        struct form *forms = arena_raw(c->x->arena, room * sizeof *forms);
        if (!forms)
            return ERR_NO_MEMORY;
        if (component->count)
            memcpy(forms, component->forms, component->count * sizeof *forms);
        component->forms = forms;
        component->room = room;
    }
    component->forms[component->count++] = form;
    return ERR_NONE;
}

static enum err add_coded(struct composite *c, struct json coding, struct slice code_name)
{
    struct slice code = extract_text(json_get(coding, code_name), c->x->arena);
    struct slice system = extract_text(json_member(coding, "system"), c->x->arena);
    if (!code.length)
        return ERR_NONE;
    return add_form(c, (struct form){ .equal = code, .side_count = 1, .sides = { system } });
}

static enum err add_token(struct composite *c, struct fhir_item item)
{
    if (item.type->kind == FHIR_PRIMITIVE) {
        struct slice text = extract_text(item.value, c->x->arena);
        return text.length ? add_form(c, (struct form){ .equal = text, .side_count = 1 })
                           : ERR_NONE;
    }
    if (item.type->id == FHIR_TYPE_CODING)
        return add_coded(c, item.value, SLICE("code"));
    if (item.type->id == FHIR_TYPE_IDENTIFIER)
        return add_coded(c, item.value, SLICE("value"));
    if (item.type->id != FHIR_TYPE_CODEABLE_CONCEPT)
        return ERR_NONE;
    struct json codings = json_member(item.value, "coding");
    if (!json_is(codings, JSON_ARRAY))
        return ERR_NONE;
    for (struct json v = json_first(codings); json_exists(v); v = json_next(codings, v))
        TRY(add_coded(c, v, SLICE("code")));
    return ERR_NONE;
}

/* A text is cut without a hash: its prefixes must stay prefixes. */
static enum err add_string(struct composite *c, struct fhir_item item)
{
    struct slice text = json_is(item.value, JSON_STRING)
                            ? extract_text(item.value, c->x->arena)
                            : SLICE_NONE;
    buf_clear(&c->x->folded);
    enum err err = utf8_fold(&c->x->folded, text);
    if (err == ERR_INVALID || (!err && !c->x->folded.length))
        return ERR_NONE;
    TRY(err);
    struct slice head = slice_head(buf_slice(&c->x->folded), INDEX_SIDE_BYTES_MAX);
    char *copy = arena_copy(c->x->arena, head);
    return copy ? add_form(c, (struct form){ .equal = slice_of(copy, head.length) })
                : ERR_NO_MEMORY;
}

static enum err add_reference(struct composite *c, struct fhir_item item)
{
    struct json text_of = item.type->id == FHIR_TYPE_REFERENCE
                              ? json_member(item.value, "reference")
                              : item.value;
    struct slice text = extract_text(text_of, c->x->arena);
    if (!text.length || text.bytes[0] == '#')
        return ERR_NONE;
    struct fhir_reference r = fhir_reference_parse(text);
    if (!index_reference_is_local(r, c->x->base_url))
        return add_form(c, (struct form){ .equal = text, .side_count = 1 });
    return add_form(c, (struct form){ .equal = r.id, .side_count = 1, .sides = { r.type->name } });
}

static enum err add_measure(struct composite *c, struct fhir_item item, bool is_quantity)
{
    struct measure m;
    if (!extract_measure(c->x, item, &m))
        return ERR_NONE;
    struct form form = { .side_count = is_quantity ? 3 : 0,
                         .sides = { m.code, m.system, m.unit } };
    form.ordered_length =
        (uint8_t)value_number(form.ordered, is_quantity ? TERM_QUANTITY : TERM_NUMBER, &m);
    TRY(add_form(c, form));

    bool found = false;
    struct measure normal;
    if (is_quantity)
        TRY(extract_normal(c->x, &m, &found, &normal));
    if (!found)
        return ERR_NONE;
    form.side_count = 1;
    form.sides[0] = normal.code;
    form.ordered_length = (uint8_t)value_number(form.ordered, TERM_MEASURE, &normal);
    return add_form(c, form);
}

static enum err add_date(struct composite *c, struct fhir_item item)
{
    struct date_range range;
    if (!extract_date_range(c->x, item, &range))
        return ERR_NONE;
    struct form form = { .side_count = 0 };
    form.ordered_length = (uint8_t)value_date(form.ordered, range);
    return add_form(c, form);
}

static enum err visit(void *context, struct fhir_item item)
{
    struct composite *c = context;
    switch ((enum fhir_param_type)c->current->param->type) {
    case FHIR_PARAM_TOKEN:
        return add_token(c, item);
    case FHIR_PARAM_STRING:
        return add_string(c, item);
    case FHIR_PARAM_REFERENCE:
    case FHIR_PARAM_URI:
        return add_reference(c, item);
    case FHIR_PARAM_NUMBER:
        return add_measure(c, item, false);
    case FHIR_PARAM_QUANTITY:
        return add_measure(c, item, true);
    case FHIR_PARAM_DATE:
        return add_date(c, item);
    case FHIR_PARAM_COMPOSITE:
    case FHIR_PARAM_SPECIAL:
        break;
    }
    return ERR_NONE;
}

static enum err add_value(struct composite *c, const struct form *chosen[COMPONENTS_MAX])
{
    uint8_t *at = extractor_room(c->x);
    if (!at)
        return ERR_NO_MEMORY;
    _Static_assert(1 + COMPONENTS_MAX * (INDEX_SIDE_BYTES_MAX + 1) + 2 * ORDERED_BYTES_MAX < 700,
                   "what is equal and ordered leaves room for two sides");
    size_t length = 0;
    at[length++] = TERM_COMPOSITE;
    for (size_t i = 0; i < c->component_count; i++)
        if (chosen[i]->equal.bytes) {
            length += value_side(at + length, chosen[i]->equal);
            at[length++] = 0;
        }
    for (size_t i = 0; i < c->component_count; i++) {
        memcpy(at + length, chosen[i]->ordered, chosen[i]->ordered_length);
        length += chosen[i]->ordered_length;
    }
    size_t side_count = 0;
    for (size_t i = 0; i < c->component_count; i++)
        for (size_t k = 0; k < chosen[i]->side_count; k++) {
            if (length + 1 + INDEX_SIDE_BYTES_MAX > TERM_VALUE_BYTES_MAX)
                return ERR_NONE; /* many long parts: found by none of them */
            if (side_count++ > 0)
                at[length++] = 0;
            length += value_side(at + length, chosen[i]->sides[k]);
        }
    return extractor_add(c->x, c->x->field, length);
}

/* Every form of the first component with every form of the others. */
static enum err add_values(struct composite *c)
{
    size_t place[COMPONENTS_MAX] = { 0 };
    for (size_t i = 0; i < c->component_count; i++)
        if (!c->components[i].count)
            return ERR_NONE;
    for (;;) {
        const struct form *chosen[COMPONENTS_MAX];
        for (size_t i = 0; i < c->component_count; i++)
            chosen[i] = &c->components[i].forms[place[i]];
        if (c->value_count++ == VALUES_MAX)
            return ERR_NONE;
        TRY(add_value(c, chosen));
        size_t i = 0;
        while (i < c->component_count && ++place[i] == c->components[i].count)
            place[i++] = 0;
        if (i == c->component_count)
            return ERR_NONE;
    }
}

enum err extract_composite(struct extractor *x, struct fhir_item item)
{
    struct composite c = { .x = x, .component_count = x->param->component_count };
    CHECK(c.component_count <= COMPONENTS_MAX);
    for (size_t i = 0; i < c.component_count; i++) {
        c.current = &c.components[i];
        c.current->param = fhir_component_param(&x->param->components[i]);
        TRY(extract_component(x, i, item, visit, &c));
    }
    return add_values(&c);
}
