/* Composites: "code$value". One key for what must be equal, then the range of
 * what is ordered, then what tells apart; as index/composite.c joins them. */
#include "search/compile.h"

#include <string.h>

#include "base/utf8.h"
#include "index/index.h"

enum { COMPONENTS_MAX = 4 };

/* The components of one value as they are met. */
struct joined {
    struct buf prefix;
    struct slice ordered[COMPONENTS_MAX]; /* values of the ordered components */
    const struct fhir_param *ordered_param[COMPONENTS_MAX];
    size_t ordered_count;
    bool is_open; /* the last part is the start of a text */
    /* Codes whose case may not count: where they stand in the prefix, and who has such a
     * code in another case. */
    struct folding {
        size_t at, length;
    } foldings[COMPONENTS_MAX];
    size_t folding_count;
    struct plan_list others;
};

static enum err add_equal(struct compiler *c, struct joined *j, struct slice text)
{
    struct slice part = index_encode_side(c->arena, text);
    if (!part.bytes)
        return ERR_NO_MEMORY;
    buf_append(&j->prefix, part);
    buf_append_byte(&j->prefix, '\0');
    return buf_status(&j->prefix);
}

static enum err add_side(struct compiler *c, struct slice side)
{
    struct slice choices[1][KEY_PARTS_MAX] = { { side } };
    return key_add_parts(c, choices, 1, 1);
}

static enum err join_token(struct compiler *c, struct joined *j, const struct fhir_param *param,
                           struct slice value)
{
    struct slice rest = value;
    struct slice first = value_cut(&rest, '|');
    bool has_bar = rest.bytes != NULL;
    struct slice code = value_unescape(has_bar ? rest : first, c->arena);
    struct slice system = has_bar ? value_unescape(first, c->arena) : SLICE("");
    if (!code.bytes || !system.bytes)
        return ERR_NO_MEMORY;
    if (!code.length)
        return value_refuse(c, value, "has no code, which a part of a composite needs");
    struct plan *other;
    TRY(token_other_case(c, param, has_bar ? system : SLICE_NONE, code, &other));
    if (other && code.length <= INDEX_SIDE_BYTES_MAX) { /* a longer one ends in a hash */
        j->foldings[j->folding_count++] = (struct folding){ j->prefix.length, code.length };
        TRY(plan_list_add(c, &j->others, other));
    }
    TRY(add_equal(c, j, code));
    if (!has_bar)
        return add_side(c, SLICE_NONE);
    struct slice choices[2][KEY_PARTS_MAX] = { { index_encode_side(c->arena, system) } };
    choices[1][0] = SLICE("");
    if (!choices[0][0].bytes)
        return ERR_NO_MEMORY;
    bool is_implied = fhir_param_implies_system(param, c->type, system, code);
    return key_add_parts(c, choices, is_implied ? 2 : 1, 1);
}

static enum err join_string(struct compiler *c, struct joined *j, struct slice value)
{
    struct slice text = value_unescape(value, c->arena);
    struct buf folded;
    buf_init(&folded, INDEX_TEXT_BYTES_MAX);
    enum err err = text.bytes ? utf8_fold(&folded, text) : ERR_NO_MEMORY;
    bool fits = folded.length > 0 && folded.length <= INDEX_SIDE_BYTES_MAX;
    if (err == ERR_INVALID || (!err && !fits))
        err = value_refuse(c, value, "is no text, or one of more than 160 bytes");
    buf_append(&j->prefix, buf_slice(&folded));
    buf_release(&folded);
    j->is_open = true;
    return err ? err : buf_status(&j->prefix);
}

static enum err join_reference(struct compiler *c, struct joined *j, struct slice value)
{
    struct slice text = value_unescape(value, c->arena);
    if (!text.bytes)
        return ERR_NO_MEMORY;
    struct fhir_reference r = fhir_reference_parse(text);
    if (index_reference_is_local(r, c->settings->base_url)) {
        TRY(add_equal(c, j, r.id));
        return add_side(c, r.type->name);
    }
    TRY(add_equal(c, j, text));
    return add_side(c, fhir_id_is_valid(text) ? SLICE_NONE : SLICE(""));
}

static enum err join_part(struct compiler *c, struct joined *j, const struct fhir_param *param,
                          struct slice value)
{
    switch ((enum fhir_param_type)param->type) {
    case FHIR_PARAM_TOKEN:
        return join_token(c, j, param, value);
    case FHIR_PARAM_STRING:
        return join_string(c, j, value);
    case FHIR_PARAM_REFERENCE:
    case FHIR_PARAM_URI:
        return join_reference(c, j, value);
    case FHIR_PARAM_QUANTITY:
        c->key.is_quantity = true;
        TRY(quantity_parts(c, value, &value));
        break;
    case FHIR_PARAM_NUMBER:
    case FHIR_PARAM_DATE:
        break;
    case FHIR_PARAM_COMPOSITE:
    case FHIR_PARAM_SPECIAL:
        return ERR_UNSUPPORTED;
    }
    j->ordered[j->ordered_count] = value;
    j->ordered_param[j->ordered_count++] = param;
    return ERR_NONE;
}

/* Only equal parts: a prefix, and behind it what tells apart. */
static enum err without_order(struct compiler *c, const struct joined *j, struct plan **ret_plan)
{
    struct plan_list any = { 0 };
    for (size_t i = 0; i < MAX(c->key.choice_count, (size_t)1); i++) {
        struct plan *plan;
        TRY(plan_leaf(c, PLAN_PREFIX, c->key.prefix, &plan));
        TRY(plan_list_add(c, &any, plan));
        if (!c->key.choice_count)
            continue;
        size_t open = j->is_open; /* the rest of the text is a part of its own */
        plan->parts = arena_array(c->arena, c->key.part_count + open, sizeof *plan->parts);
        if (!plan->parts)
            return ERR_NO_MEMORY;
        memcpy(plan->parts + open, c->key.choices[i], c->key.part_count * sizeof *plan->parts);
        plan->part_count = c->key.part_count + open;
        plan->parts_at = c->key.prefix.length;
    }
    return plan_join(c, PLAN_OR, &any, ret_plan);
}

static enum err finish(struct compiler *c, struct joined *j, struct plan **ret_plan)
{
    struct slice prefix = buf_slice(&j->prefix);
    char *copy = arena_copy(c->arena, prefix);
    if (!copy)
        return ERR_NO_MEMORY;
    c->key.prefix = slice_of(copy, prefix.length);
    if (j->ordered_count == 0)
        return without_order(c, j, ret_plan);
    if (j->ordered_count == 2)
        return compile_two_numbers(c, j->ordered[0], j->ordered[1], ret_plan);
    return j->ordered_param[0]->type == FHIR_PARAM_DATE
               ? compile_date(c, j->ordered[0], ret_plan)
               : compile_number(c, j->ordered[0], ret_plan);
}

static enum err join(struct compiler *c, struct slice value, struct joined *j)
{
    const struct fhir_param *param = c->param;
    struct slice rest = value;
    for (size_t i = 0; i < param->component_count; i++) {
        struct slice part = rest.bytes ? value_cut(&rest, '$') : SLICE_NONE;
        if (!part.length || (i + 1 == param->component_count && rest.bytes))
            return value_refuse(c, value, param->component_count == 2
                                              ? "needs two parts with '$' between them"
                                              : "needs three parts with '$' between them");
        TRY(join_part(c, j, fhir_component_param(&param->components[i]), part));
    }
    return ERR_NONE;
}

bool composite_is_supported(const struct fhir_param *param)
{
    size_t ordered = 0, others = 0;
    for (size_t i = 0; i < param->component_count; i++) {
        uint8_t type = fhir_component_param(&param->components[i])->type;
        bool is_last = i + 1 == param->component_count;
        if (type == FHIR_PARAM_COMPOSITE || type == FHIR_PARAM_SPECIAL ||
            (type == FHIR_PARAM_STRING && !is_last))
            return false;
        ordered += type == FHIR_PARAM_NUMBER;
        others += type == FHIR_PARAM_QUANTITY || type == FHIR_PARAM_DATE;
    }
    return param->component_count > 1 && param->component_count <= COMPONENTS_MAX &&
           ((ordered <= 2 && others == 0) || (ordered == 0 && others == 1));
}

/* ---- codes in another case ---- */

struct other_case {
    const struct plan *plan; /* of the codes as they are asked */
    struct slice prefix;     /* of its values */
    struct folding foldings[COMPONENTS_MAX];
    size_t folding_count;
};

static bool value_fits(const struct plan *plan, struct slice value)
{
    bool is_all = plan->kind == PLAN_AND;
    if (!is_all && plan->kind != PLAN_OR)
        return plan->kind != PLAN_NONE && store_value_fits(plan, value);
    for (size_t i = 0; i < plan->child_count; i++)
        if (value_fits(plan->children[i], value) != is_all)
            return !is_all;
    return is_all;
}

/* Would the value fit if its codes were written as they are asked? */
static bool fits_as_asked(const struct plan *plan, struct slice value)
{
    const struct other_case *o = plan->accepts_context;
    char own[TERM_VALUE_BYTES_MAX];
    if (value.length < o->prefix.length || value.length > sizeof own)
        return false;
    memcpy(own, value.bytes, value.length);
    for (size_t i = 0; i < o->folding_count; i++) {
        const struct folding *f = &o->foldings[i];
        if (!slice_equal_nocase(slice_of(own + f->at, f->length),
                                slice_of(o->prefix.bytes + f->at, f->length)))
            return false;
        memcpy(own + f->at, o->prefix.bytes + f->at, f->length);
    }
    return value_fits(o->plan, slice_of(own, value.length));
}

/* The index has composites as they are written. So of what has a code in another case all
 * composites are looked at; where nothing has, that is known before any is. */
static enum err add_other_case(struct compiler *c, const struct joined *j, struct plan **plan)
{
    static const char kind = TERM_COMPOSITE;
    struct plan_list both = { 0 };
    struct plan *having, *fitting;
    struct other_case *o = arena_alloc(c->arena, sizeof *o);
    char *prefix = arena_copy(c->arena, buf_slice(&j->prefix));
    if (!j->folding_count)
        return ERR_NONE;
    if (!o || !prefix)
        return ERR_NO_MEMORY;
    *o = (struct other_case){ .plan = *plan,
                              .prefix = slice_of(prefix, j->prefix.length),
                              .folding_count = j->folding_count };
    memcpy(o->foldings, j->foldings, sizeof o->foldings);
    TRY(plan_join(c, PLAN_OR, &j->others, &having));
    TRY(plan_leaf(c, PLAN_PREFIX, slice_of(&kind, 1), &fitting));
    fitting->accepts = fits_as_asked;
    fitting->accepts_context = o;
    TRY(plan_list_add(c, &both, having));
    TRY(plan_list_add(c, &both, fitting));
    TRY(plan_join(c, PLAN_AND, &both, &fitting));
    return plan_either(c, *plan, fitting, plan);
}

static enum err composite_once(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct joined j = { .ordered_count = 0 };
    buf_init(&j.prefix, 1024);
    buf_append_byte(&j.prefix, TERM_COMPOSITE);
    enum err err = join(c, value, &j);
    if (!err)
        err = finish(c, &j, ret_plan);
    if (!err)
        err = add_other_case(c, &j, ret_plan);
    buf_release(&j.prefix);
    return err;
}

enum err compile_composite(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    return either_measure(c, composite_once, value, ret_plan);
}
