/* profile/compile.c - what a definition says beyond base R4, as rows. */
#include "profile/compile.h"

static const struct slice core = SLICE_INIT("http://hl7.org/fhir/StructureDefinition/");

/* The tables' rows that an element is of; several: a choice. */
struct rows {
    const struct fhir_element *first; /* NULL: unknown */
    uint16_t count;
};

/* ---- against base R4 ---- */

static struct rows rows_of(const struct fhir_type *holder, struct slice name)
{
    struct rows rows = { NULL, 0 };
    struct slice stem = element_stem(name);
    if (!holder)
        return rows;
    if (stem.length == 0) {
        rows.first = fhir_element_find(holder, name);
        rows.count = rows.first != NULL;
        return rows;
    }
    for (uint16_t i = 0; i < holder->element_count; i++) {
        if (!slice_equal(holder->elements[i].choice, stem))
            continue;
        rows.first = rows.first ? rows.first : &holder->elements[i];
        rows.count++;
    }
    return rows;
}

static bool is_backbone_code(struct slice code)
{
    return slice_is(code, "BackboneElement") || slice_is(code, "Element");
}

/* The type whose elements its children are. */
static const struct fhir_type *type_below(const struct element *e, struct rows rows)
{
    if (e->type_count == 1 && !is_backbone_code(e->types[0].code))
        return fhir_type_find(e->types[0].code);
    if (rows.count == 1)
        return fhir_type_at(rows.first->type);
    return e->base;
}

static const struct fhir_element *row_of_type(struct rows rows, struct slice code)
{
    for (uint16_t i = 0; i < rows.count; i++)
        if (slice_equal(fhir_type_at(rows.first[i].type)->name, code))
            return &rows.first[i];
    return NULL;
}

/* Does a type say more than its row: another type, profiles, fewer targets? */
static bool is_type_news(const struct type_ref *type, const struct fhir_element *row)
{
    if (type->profile_count > 0)
        return true;
    if (!row)
        return !is_backbone_code(type->code);
    if (type->target_count == 0)
        return false;
    for (uint32_t i = 0; i < type->target_count; i++) {
        struct slice url = type->targets[i];
        if (!slice_starts_with(url, core) || !fhir_type_find(slice_from(url, core.length)))
            return true;
    }
    return type->target_count != row->target_count;
}

static bool are_types_news(const struct element *e, struct rows rows)
{
    if (e->type_count == 0)
        return false;
    if (e->slice_name.length > 0 || e->type_count < rows.count)
        return true;
    for (uint32_t i = 0; i < e->type_count; i++)
        if (is_type_news(&e->types[i], row_of_type(rows, e->types[i].code)))
            return true;
    return false;
}

static struct slice without_version(struct slice canonical)
{
    ptrdiff_t bar = slice_find_byte(canonical, '|');
    return bar < 0 ? canonical : slice_head(canonical, (size_t)bar);
}

static bool is_binding_news(const struct element *e, struct rows rows)
{
    if (e->value_set.length == 0 || e->strength < FHIR_BINDING_EXTENSIBLE)
        return false;
    if (rows.count == 0)
        return true;
    return e->strength != rows.first->binding ||
           !slice_equal(without_version(e->value_set), without_version(rows.first->value_set));
}

/* Base R4's own rules ran already. */
static bool is_base_rule(const struct constraint *c)
{
    if (c->source.length == 0)
        return fhir_invariant_is_known(c->key);
    return slice_starts_with(c->source, core) && fhir_type_find(slice_from(c->source, core.length));
}

/* ---- rows ---- */

static struct image_range add_refs(struct image_builder *b, const struct slice *texts,
                                   uint32_t count)
{
    struct image_range range = { 0, count };
    for (uint32_t i = 0; i < count; i++) {
        struct image_text text = builder_text(b, texts[i]);
        uint32_t at = builder_row(b, IMAGE_REFS, &text, sizeof text);
        range.first = i == 0 ? at : range.first;
    }
    return range;
}

static struct image_range add_types(struct image_builder *b, const struct element *e)
{
    struct image_range range = { 0, e->type_count };
    for (uint32_t i = 0; i < e->type_count; i++) {
        const struct type_ref *t = &e->types[i];
        struct image_type row = { .code = builder_text(b, t->code),
                                  .profiles = add_refs(b, t->profiles, t->profile_count),
                                  .targets = add_refs(b, t->targets, t->target_count) };
        uint32_t at = builder_row(b, IMAGE_TYPES, &row, sizeof row);
        range.first = i == 0 ? at : range.first;
    }
    return range;
}

static struct image_range add_rules(struct image_builder *b, const struct element *e)
{
    struct image_range range = { 0, 0 };
    for (const struct constraint *c = e->first_constraint; c; c = c->next) {
        if (is_base_rule(c))
            continue;
        struct image_rule row = { .key = builder_text(b, c->key),
                                  .human = builder_text(b, c->human),
                                  .expression = builder_text(b, c->expression),
                                  .is_error = c->is_error };
        uint32_t at = builder_row(b, IMAGE_RULES, &row, sizeof row);
        range.first = range.count++ == 0 ? at : range.first;
    }
    return range;
}

static struct image_range add_discriminators(struct image_builder *b, const struct element *e)
{
    struct image_range range = { 0, e->discriminator_count };
    for (uint32_t i = 0; i < e->discriminator_count; i++) {
        bool is_known;
        struct image_discriminator row = { .type = e->discriminators[i].type };
        row.steps = builder_steps(b, e->discriminators[i].path, &is_known);
        row.is_unknown = !is_known;
        uint32_t at = builder_row(b, IMAGE_DISCRIMINATORS, &row, sizeof row);
        range.first = i == 0 ? at : range.first;
    }
    return range;
}

/* ---- what to keep ---- */

/* Fill in what is news; false: nothing is. */
static bool keep_own(struct image_builder *b, struct kept *k, const struct element *e,
                     struct rows rows)
{
    struct image_node *n = &k->row;
    bool is_slice = e->slice_name.length > 0;
    uint32_t base_max = rows.count == 0                ? ELEMENT_MANY
                        : rows.first->max == FHIR_MANY ? ELEMENT_MANY
                                                       : rows.first->max;
    n->max = is_slice || e->max < base_max ? e->max : ELEMENT_MANY;
    n->min = is_slice || rows.count == 0 || e->min > rows.first->min ? e->min : 0;
    n->fixed = builder_value(b, e->fixed);
    n->pattern = builder_value(b, e->pattern);
    n->min_value = builder_value(b, e->min_value);
    n->max_value = builder_value(b, e->max_value);
    n->max_length = e->max_length;
    if (is_binding_news(e, rows)) {
        n->strength = e->strength;
        n->value_set = builder_text(b, e->value_set);
        n->max_value_set = builder_text(b, e->max_value_set);
    }
    if (are_types_news(e, rows))
        n->types = add_types(b, e);
    n->rules = add_rules(b, e);
    n->slicing = e->rules;
    n->is_ordered = e->is_ordered;
    if (e->rules != SLICING_NONE)
        n->discriminators = add_discriminators(b, e);
    n->slice_name = builder_text(b, e->slice_name);
    return is_slice || n->max != ELEMENT_MANY || n->min > 0 || n->fixed || n->pattern ||
           n->min_value || n->max_value || n->max_length || n->strength || n->types.count > 0 ||
           n->rules.count > 0;
}

static enum err keep(struct image_builder *b, struct element *e, const struct fhir_type *holder,
                     struct slice id, struct kept **ret);

static struct slice id_below(struct image_builder *b, struct slice id, const struct element *e)
{
    bool is_slice = e->slice_name.length > 0;
    return arena_printf(b->arena, "%.*s%s%.*s%s%.*s", SLICE_ARGS(id), id.length ? "." : "",
                        SLICE_ARGS(e->name), is_slice ? ":" : "", SLICE_ARGS(e->slice_name));
}

static enum err keep_children(struct image_builder *b, struct kept *k, const struct element *e,
                              const struct fhir_type *type, struct slice id)
{
    for (struct element *c = e->first; c; c = c->next) {
        struct kept *child;
        TRY(keep(b, c, type, id, &child));
        if (!child)
            continue;
        if (k->last)
            k->last->next = child;
        else
            k->first = child;
        k->last = child;
    }
    return ERR_NONE;
}

static enum err keep_slices(struct image_builder *b, struct kept *k, const struct element *e,
                            const struct fhir_type *holder, struct slice id)
{
    for (struct element *s = e->first_slice; s; s = s->next) {
        struct kept *slice;
        TRY(keep(b, s, holder, id, &slice));
        if (k->last_slice)
            k->last_slice->next = slice;
        else
            k->first_slice = slice;
        k->last_slice = slice;
    }
    return ERR_NONE;
}

static const struct element *content_target(const struct element *e)
{
    const struct element *at = e;
    while (at->parent)
        at = at->parent;
    struct slice rest = e->content;
    slice_cut(&rest, '.');
    while (at && rest.bytes) {
        struct slice part = slice_cut(&rest, '.'), name = slice_cut(&part, ':');
        at = element_child(at, name);
        if (at && part.bytes)
            at = element_slice(at, part);
    }
    return at;
}

/* Recursion is over the tree, whose depth is that of a path. *ret NULL: nothing. */
static enum err keep(struct image_builder *b, struct element *e, const struct fhir_type *holder,
                     struct slice id, struct kept **ret)
{
    struct rows rows = rows_of(holder, e->name);
    struct kept *k = arena_alloc(b->arena, sizeof *k);
    struct slice own_id = id_below(b, id, e), stem = element_stem(e->name);
    *ret = NULL;
    if (!k || !own_id.bytes)
        return ERR_NO_MEMORY;
    e->kept = k;
    bool is_news = keep_own(b, k, e, rows);
    k->row.is_choice = stem.length > 0;
    k->content = e->content.length > 0 && !e->first ? content_target(e) : NULL;
    TRY(keep_slices(b, k, e, holder, id));
    TRY(keep_children(b, k, e, holder || e->parent ? type_below(e, rows) : e->base, own_id));
    bool is_root = !e->parent;
    if (!is_root && !is_news && !k->first && !k->first_slice && !k->content) {
        e->kept = NULL;
        return b->failure;
    }
    k->row.name = builder_text(b, stem.length > 0 ? stem : e->name);
    k->row.id = builder_text(b, own_id);
    *ret = k;
    return b->failure;
}

/* ---- nodes ---- */

/* By name, as image_child() seeks them. */
static struct kept *sort_children(struct image_builder *b, struct kept *first)
{
    const char *texts = b->sections[IMAGE_TEXT].bytes;
    struct kept *sorted = NULL;
    while (first) {
        struct kept *k = first, **at = &sorted;
        first = first->next;
        struct slice name = slice_of(texts + k->row.name.at, k->row.name.length);
        while (*at && slice_compare(slice_of(texts + (*at)->row.name.at, (*at)->row.name.length),
                                    name) < 0)
            at = &(*at)->next;
        k->next = *at;
        *at = k;
    }
    return sorted;
}

static struct image_range reserve(struct image_builder *b, struct kept *first)
{
    struct image_range range = { 0, 0 };
    for (struct kept *k = first; k; k = k->next) {
        k->place = builder_row(b, IMAGE_NODES, &k->row, sizeof k->row);
        range.first = range.count++ == 0 ? k->place : range.first;
    }
    return range;
}

/* Neighbours first, then what is below them: so each has its children in a row. */
static void place(struct image_builder *b, struct kept *first)
{
    for (struct kept *k = first; k; k = k->next) {
        k->first = sort_children(b, k->first);
        k->row.children = reserve(b, k->first);
        k->row.slices = reserve(b, k->first_slice);
        place(b, k->first);
        place(b, k->first_slice);
    }
}

/* All places are known: the rows as they shall be. */
static void finish(struct image_builder *b, struct kept *first)
{
    for (struct kept *k = first; k; k = k->next) {
        const struct kept *target = k->content ? k->content->kept : NULL;
        k->row.content = target && target != k ? target->place + 1 : 0;
        struct buf *nodes = &b->sections[IMAGE_NODES];
        size_t at = k->place * sizeof k->row;
        if (at + sizeof k->row <= nodes->length)
            memcpy(nodes->bytes + at, &k->row, sizeof k->row);
        finish(b, k->first);
        finish(b, k->first_slice);
    }
}

/* ---- definitions ---- */

/* An expression without a key or words of its own. */
static uint32_t add_expression(struct image_builder *b, struct image_text expression)
{
    const struct image_rule row = { .expression = expression, .is_error = true };
    return builder_row(b, IMAGE_RULES, &row, sizeof row);
}

static struct image_range add_invariants(struct image_builder *b, struct json list)
{
    struct image_range range = { 0, 0 };
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        uint32_t at = add_expression(b, builder_text(b, json_string(v, b->arena)));
        range.first = range.count++ == 0 ? at : range.first;
    }
    return range;
}

static struct image_range add_contexts(struct image_builder *b, struct json list)
{
    struct image_range range = { 0, 0 };
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct json type = json_member(v, "type");
        struct image_context row = {
            .expression = builder_text(b, json_string(json_member(v, "expression"), b->arena)),
            .type = json_string_is(type, SLICE("extension"))  ? CONTEXT_EXTENSION
                    : json_string_is(type, SLICE("fhirpath")) ? CONTEXT_FHIRPATH
                                                              : CONTEXT_ELEMENT
        };
        if (row.type == CONTEXT_FHIRPATH)
            row.rule = add_expression(b, row.expression);
        uint32_t at = builder_row(b, IMAGE_CONTEXTS, &row, sizeof row);
        range.first = range.count++ == 0 ? at : range.first;
    }
    return range;
}

static uint32_t flags_of(const struct definition *d)
{
    bool is_extension = slice_is(d->type, "Extension");
    bool is_modifier = false;
    struct json json = json_member(json_member(d->json, "snapshot"), "element");
    if (!json_exists(json))
        json = json_member(json_member(d->json, "differential"), "element");
    struct json root = json_first(json);
    if (json_exists(root))
        is_modifier = json_is(json_member(root, "isModifier"), JSON_TRUE);
    bool is_abstract = json_is(json_member(d->json, "abstract"), JSON_TRUE);
    return (is_extension ? DEFINITION_IS_EXTENSION : 0u) |
           (is_extension && is_modifier ? DEFINITION_IS_MODIFIER : 0u) |
           (is_abstract ? DEFINITION_IS_ABSTRACT : 0u);
}

enum err image_add_definition(struct image_builder *b, const struct definition *d)
{
    struct kept *root;
    const struct fhir_type *type = fhir_type_find(d->type);
    if (!type)
        return ERR_UNSUPPORTED; /* a logical model */
    d->root->base = type;
    d->root->min = 0;
    d->root->max = ELEMENT_MANY;
    d->root->type_count = 0;
    TRY(keep(b, d->root, NULL, SLICE_NONE, &root));
    reserve(b, root);
    place(b, root);
    finish(b, root);
    struct image_definition row = { .url = builder_text(b, d->url),
                                    .version = builder_text(b, d->version),
                                    .type = builder_text(b, d->type),
                                    .base = builder_text(b, d->base),
                                    .contexts = add_contexts(b, json_member(d->json, "context")),
                                    .invariants =
                                        add_invariants(b, json_member(d->json, "contextInvariant")),
                                    .root = root->place,
                                    .flags = flags_of(d) };
    builder_row(b, IMAGE_DEFINITIONS, &row, sizeof row);
    return b->failure;
}
