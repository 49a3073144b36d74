/* What recovery, check and rebuild call: terms of a stored body, by the very
 * functions that a write uses. */
#include "index/index.h"
#include "rest/customs.h"
#include "rest/rest.h"

enum err rest_extract(void *context, struct slice type, struct slice id, struct slice body,
                      struct arena *arena, struct term **ret_terms, size_t *ret_count)
{
    const struct rest_extract *settings = context;
    const struct fhir_type *resource_type = fhir_resource_find(type);
    struct json_doc doc;
    struct json_error where;
    struct extraction x = { 0 };
    (void)id; /* it stands in the body */
    if (!resource_type)
        return ERR_CORRUPT;
    enum err err = json_parse(body, NULL, arena, &doc, &where);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    const struct index_basis basis = { settings->base_url, settings->zone_us };
    struct customs_generation *held = customs_enter(settings->customs);
    err = index_extract(json_root(&doc), resource_type, basis, customs_set(settings->customs),
                        arena, &x);
    customs_leave(settings->customs, held);
    TRY(err);
    *ret_terms = x.terms;
    *ret_count = x.term_count;
    return ERR_NONE;
}

enum err rest_extract_some(void *context, struct slice type, struct slice body,
                           const uint32_t *fields, size_t field_count, struct arena *arena,
                           struct term **ret_terms, size_t *ret_count)
{
    const struct rest_extract *settings = context;
    const struct fhir_type *resource_type = fhir_resource_find(type);
    struct json_doc doc;
    struct json_error where;
    struct extraction x = { 0 };
    if (!resource_type)
        return ERR_CORRUPT;
    for (size_t i = 0; i < field_count; i++) /* what is none of R4's comes with all */
        if ((fields[i] & 0xffff) >= fhir_param_count())
            return rest_extract(context, type, SLICE_NONE, body, arena, ret_terms, ret_count);
    enum err err = json_parse(body, NULL, arena, &doc, &where);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    const struct index_basis basis = { settings->base_url, settings->zone_us };
    TRY(index_extract_some(json_root(&doc), resource_type, basis, NULL, fields, field_count, arena,
                           &x));
    *ret_terms = x.terms;
    *ret_count = x.term_count;
    return ERR_NONE;
}

uint64_t rest_rules_number(void *context)
{
    const struct rest_extract *settings = context;
    struct customs_generation *held = customs_enter(settings->customs);
    uint64_t number = custom_set_number(customs_set(settings->customs));
    customs_leave(settings->customs, held);
    return number;
}

struct slice rest_field_name(const struct rest_extract *extract, uint32_t field,
                             struct arena *arena)
{
    bool is_contained = field & INDEX_FIELD_CONTAINED;
    uint32_t plain = field & ~INDEX_FIELD_CONTAINED;
    uint16_t resource = (uint16_t)(plain >> 16), number = (uint16_t)(plain & 0xffff);
    if (field == INDEX_FIELD_COMPARTMENT)
        return SLICE("(compartment)");
    if (resource >= fhir_resource_count())
        return arena_printf(arena, "field %08x", field);
    struct slice type = fhir_resource_at(resource)->name;
    if (number == INDEX_PARAM_TYPE)
        return arena_printf(arena, "%.*s (type)", SLICE_ARGS(type));
    struct customs_generation *held = customs_enter(extract->customs);
    bool is_param = number < fhir_param_count() || number >= CUSTOM_FIRST;
    const struct fhir_param *param =
        is_param ? custom_param_at(customs_set(extract->customs), number) : NULL;
    struct slice name =
        param ? arena_printf(arena, "%.*s.%.*s%s", SLICE_ARGS(type), SLICE_ARGS(param->code),
                             is_contained ? " (contained)" : "")
              : arena_printf(arena, "field %08x", field);
    customs_leave(extract->customs, held);
    return name;
}
