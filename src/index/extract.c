#include "index/extract.h"

#include <string.h>

#include "base/utf8.h"

enum { FIRST_TERMS = 64, CHUNK_BYTES = 8 * 1024 };

_Static_assert(CHUNK_BYTES >= 2 * TERM_VALUE_BYTES_MAX, "a chunk holds several values");

uint8_t *extractor_room(struct extractor *x)
{
    if (x->chunk_bytes < TERM_VALUE_BYTES_MAX) {
        x->chunk = arena_raw(x->arena, CHUNK_BYTES);
        x->chunk_bytes = x->chunk ? CHUNK_BYTES : 0;
    }
    return x->chunk;
}

static enum err extractor_grow(struct extractor *x)
{
    size_t room = x->term_room ? x->term_room * 2 : FIRST_TERMS;
    struct term *terms = arena_raw(x->arena, room * sizeof *terms);
    if (!terms)
        return ERR_NO_MEMORY;
    if (x->term_count)
        memcpy(terms, x->terms, x->term_count * sizeof *terms);
    x->terms = terms;
    x->term_room = room;
    return ERR_NONE;
}

enum err extractor_add(struct extractor *x, uint32_t field, size_t length)
{
    CHECK(length <= TERM_VALUE_BYTES_MAX && length <= x->chunk_bytes);
    if (x->term_count == x->term_room)
        TRY(extractor_grow(x));
    x->terms[x->term_count++] = (struct term){ field, slice_of((const char *)x->chunk, length) };
    x->chunk += length;
    x->chunk_bytes -= length;
    return ERR_NONE;
}

struct slice extract_text(struct json value, struct arena *arena)
{
    enum json_type type = json_type(value);
    if (type == JSON_TRUE || type == JSON_FALSE || type == JSON_NUMBER)
        return json_raw(value);
    if (type != JSON_STRING)
        return SLICE_NONE;

    struct slice text = json_string(value, arena);
    /* A raw NUL is no JSON, so only an escape can have made one. */
    if ((json_node(value)->flags & JSON_HAS_ESCAPE) && text.bytes &&
        slice_find_byte(text, '\0') >= 0)
        return SLICE_NONE;
    return text;
}

/* An element that holds nothing but an id and extensions has no value. */
bool extract_has_value(struct json value)
{
    enum json_type type = json_type(value);
    if (type != JSON_OBJECT)
        return type != JSON_NONE && type != JSON_NULL;
    struct json key = json_first(value);
    while (json_exists(key)) {
        if (!json_string_is(key, SLICE("id")) && !json_string_is(key, SLICE("extension")))
            return true;
        key = json_next(value, json_value(key));
    }
    return false;
}

bool index_param_has_terms(const struct fhir_param *param)
{
    return param->path && !slice_is(param->code, "_id") && !slice_is(param->code, "_lastUpdated");
}

enum err extract_present(struct extractor *x)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    *at = TERM_PRESENT;
    return extractor_add(x, x->field, 1);
}

static enum err present_once(struct extractor *x)
{
    uint64_t bit = UINT64_C(1) << x->param->id % 64;
    uint64_t *word = &x->present[x->param->id / 64];
    if (*word & bit)
        return ERR_NONE;
    *word |= bit;
    return extract_present(x);
}

enum err extract_item(struct extractor *x, struct fhir_item item)
{
    switch ((enum fhir_param_type)x->param->type) {
    case FHIR_PARAM_TOKEN:
        return extract_token(x, item);
    case FHIR_PARAM_STRING:
        return extract_string(x, item);
    case FHIR_PARAM_REFERENCE:
        return extract_reference(x, item);
    case FHIR_PARAM_URI:
        return extract_uri(x, item);
    case FHIR_PARAM_DATE:
        return extract_date(x, item);
    case FHIR_PARAM_NUMBER:
        return extract_number(x, item);
    case FHIR_PARAM_QUANTITY:
        return extract_quantity(x, item);
    case FHIR_PARAM_COMPOSITE:
        return extract_composite(x, item);
    case FHIR_PARAM_SPECIAL:
        return extract_position(x, item);
    }
    return ERR_NONE;
}

static bool is_wanted(const struct extractor *x)
{
    bool found = !x->wanted;
    for (size_t i = 0; !found && i < x->wanted_count; i++)
        found = x->wanted[i] == x->field;
    return found;
}

static enum err visit(void *context, const struct fhir_param *param, struct fhir_item item)
{
    struct extractor *x = context;
    if (!index_param_has_terms(param) || !extract_has_value(item.value) ||
        !extract_is_target(param, item))
        return ERR_NONE;
    x->param = param;
    x->field = index_field(x->type, param->id) | (x->is_contained ? INDEX_FIELD_CONTAINED : 0);
    if (!is_wanted(x))
        return ERR_NONE;
    if (param->type != FHIR_PARAM_COMPOSITE && !x->is_contained) /* R4 has no :missing for them */
        TRY(present_once(x));
    return extract_item(x, item);
}

enum err extract_params(struct extractor *x)
{
    return fhir_params_visit(x->type, x->resource, visit, x);
}

static enum err extract_all(struct extractor *x)
{
    x->present = arena_array(x->arena, fhir_param_count() / 64 + 1, sizeof *x->present);
    if (!x->present || !extractor_room(x))
        return ERR_NO_MEMORY;
    TRY(extractor_add(x, index_field(x->type, INDEX_PARAM_TYPE), 0));
    TRY(membership_of_owner(x));
    TRY(extract_params(x));
    TRY(extract_customs(x));
    if (!json_exists(x->container))
        TRY(extract_contained(x));
    return extract_words(x);
}

/* What only the whole walk makes: memberships, words, a store's own parameters, what is
 * contained. */
static bool needs_all(const struct fhir_type *type, uint32_t field)
{
    const struct fhir_param *param = fhir_param_at((uint16_t)(field & 0xffff));
    if (field == index_field(type, INDEX_PARAM_TYPE))
        return false;
    return !param || field & INDEX_FIELD_CONTAINED || slice_is(param->code, "_text") ||
           slice_is(param->code, "_content");
}

enum err index_extract_some(struct json resource, const struct fhir_type *type,
                            struct index_basis basis, const struct custom_set *customs,
                            const uint32_t *fields, size_t field_count, struct arena *arena,
                            struct extraction *ret)
{
    CHECK(type && type->resource != FHIR_NO_TYPE);
    for (size_t i = 0; i < field_count; i++)
        if (needs_all(type, fields[i]))
            return index_extract(resource, type, basis, customs, arena, ret);
    struct extractor x = {
        .arena = arena,
        .resource = resource,
        .type = type,
        .base_url = basis.base_url,
        .zone_us = basis.zone_us,
        .customs = customs,
        .id = extract_text(json_member(resource, "id"), arena),
        .home_rank = SIZE_MAX,
        .wanted = fields,
        .wanted_count = field_count,
    };
    buf_init(&x.folded, INDEX_TEXT_BYTES_MAX);
    x.present = arena_array(arena, fhir_param_count() / 64 + 1, sizeof *x.present);
    enum err err = x.present && extractor_room(&x) ? ERR_NONE : ERR_NO_MEMORY;
    if (!err)
        err = extractor_add(&x, index_field(type, INDEX_PARAM_TYPE), 0);
    if (!err)
        err = fhir_params_visit(type, resource, visit, &x);
    if (!err)
        *ret = (struct extraction){ .terms = x.terms, .term_count = x.term_count };
    buf_release(&x.folded);
    return err == ERR_LIMIT ? ERR_NO_MEMORY : err;
}

enum err index_extract_contained(struct json resource, const struct fhir_type *type,
                                 struct json container, struct index_basis basis,
                                 const struct custom_set *customs, struct arena *arena,
                                 struct extraction *ret)
{
    CHECK(type && type->resource != FHIR_NO_TYPE);
    struct extractor x = {
        .arena = arena,
        .resource = resource,
        .type = type,
        .container = container,
        .base_url = basis.base_url,
        .zone_us = basis.zone_us,
        .customs = customs,
        .id = extract_text(json_member(resource, "id"), arena),
        .home_rank = SIZE_MAX,
    };
    buf_init(&x.folded, INDEX_TEXT_BYTES_MAX);

    struct slice appendix = SLICE_NONE;
    enum err err = extract_all(&x);
    if (!err)
        err = appendix_collect(resource, basis.base_url, arena, &appendix);
    if (!err)
        *ret = (struct extraction){
            .terms = x.terms,
            .term_count = x.term_count,
            .home_type = x.home_id.length ? fhir_compartment_owner(FHIR_COMPARTMENT_PATIENT)->name
                                          : SLICE_NONE,
            .home_id = x.home_id,
            .appendix = appendix,
        };
    buf_release(&x.folded);
    return err == ERR_LIMIT ? ERR_NO_MEMORY : err;
}

enum err index_extract(struct json resource, const struct fhir_type *type, struct index_basis basis,
                       const struct custom_set *customs, struct arena *arena,
                       struct extraction *ret)
{
    return index_extract_contained(resource, type, JSON_ABSENT, basis, customs, arena, ret);
}
