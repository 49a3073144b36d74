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
