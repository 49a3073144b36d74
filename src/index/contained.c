/* Resources inside of a resource. A container is found by their terms in fields of
 * their own (INDEX_FIELD_CONTAINED): whether one of them has all that is asked is seen
 * in the body, through index_extract_contained(). */
#include "index/extract.h"

/* Its type; NULL when it is no resource. */
static const struct fhir_type *type_of(struct json item)
{
    struct json name = json_is(item, JSON_OBJECT) ? json_member(item, "resourceType") : JSON_ABSENT;
    const struct fhir_type *type = NULL;
    for (uint16_t i = 0; !type && json_is(name, JSON_STRING) && i < fhir_resource_count(); i++)
        if (json_string_is(name, fhir_resource_at(i)->name))
            type = fhir_resource_at(i);
    return type;
}

struct json index_contained_next(struct json container, struct json before,
                                 const struct fhir_type **ret_type)
{
    struct json list = json_member(container, "contained");
    if (!json_is(list, JSON_ARRAY))
        return JSON_ABSENT;
    struct json item = json_exists(before) ? json_next(list, before) : json_first(list);
    for (; json_exists(item); item = json_next(list, item)) {
        *ret_type = type_of(item);
        if (*ret_type)
            return item;
    }
    return JSON_ABSENT;
}

enum err extract_contained(struct extractor *x)
{
    struct json container = x->resource;
    const struct fhir_type *own = x->type, *type = NULL;
    enum err err = ERR_NONE;
    struct json item = index_contained_next(container, JSON_ABSENT, &type);
    x->is_contained = true;
    for (; !err && json_exists(item); item = index_contained_next(container, item, &type)) {
        x->type = type;
        x->resource = item;
        if (!extractor_room(x))
            return ERR_NO_MEMORY;
        err = extractor_add(x, index_field(type, INDEX_PARAM_TYPE) | INDEX_FIELD_CONTAINED, 0);
        if (!err)
            err = extract_params(x);
    }
    x->is_contained = false;
    x->type = own;
    x->resource = container;
    return err;
}

/* '#' id 0 type, where the container has it. */
enum err extract_contained_reference(struct extractor *x, struct slice id)
{
    const struct fhir_type *type = NULL;
    struct json item = JSON_ABSENT;
    do {
        item = index_contained_next(x->container, item, &type);
        if (!json_exists(item))
            return ERR_NONE;
    } while (!json_string_is(json_member(item, "id"), id));
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    size_t length = value_reference(at, type->name, id);
    at[0] = TERM_REFERENCE_CONTAINED;
    return extractor_add(x, x->field, length);
}
