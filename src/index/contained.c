/* Resources inside of a resource: those that it contains, and those that one of its
 * reference parameters selects. The whole is found by their terms in fields of their own
 * (INDEX_FIELD_CONTAINED): whether one of them has all that is asked is seen in the body,
 * through index_extract_contained(). */
#include "index/extract.h"

#include <string.h>

#include "base/codec.h"

enum { FIRST_PARTS = 4, NAMED_BYTES = 1 + 4 };

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

static enum err extract_inner(struct extractor *x, struct json resource,
                              const struct fhir_type *type)
{
    x->type = type;
    x->resource = resource;
    if (!extractor_room(x))
        return ERR_NO_MEMORY;
    TRY(extractor_add(x, index_field(type, INDEX_PARAM_TYPE) | INDEX_FIELD_CONTAINED, 0));
    return extract_params(x);
}

static enum err extract_list(struct extractor *x, struct json container)
{
    const struct fhir_type *type = NULL;
    struct json item = index_contained_next(container, JSON_ABSENT, &type);
    for (; json_exists(item); item = index_contained_next(container, item, &type))
        TRY(extract_inner(x, item, type));
    return ERR_NONE;
}

enum err extract_contained(struct extractor *x)
{
    struct json container = x->resource;
    const struct fhir_type *own = x->type;
    x->is_contained = true;
    enum err err = extract_list(x, container);
    for (size_t i = 0; !err && i < x->part_count; i++) {
        err = extract_inner(x, x->parts[i].resource, x->parts[i].type);
        if (!err)
            err = extract_list(x, x->parts[i].resource);
    }
    x->is_contained = false;
    x->type = own;
    x->resource = container;
    return err;
}

static enum err add_named(struct extractor *x, struct json part)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    at[0] = TERM_REFERENCE_CONTAINED;
    put_be32(at + 1, part.at);
    return extractor_add(x, x->field, NAMED_BYTES);
}

/* Where the container has it. */
enum err extract_contained_reference(struct extractor *x, struct slice id)
{
    const struct fhir_type *type = NULL;
    struct json item = JSON_ABSENT;
    do {
        item = index_contained_next(x->container, item, &type);
        if (!json_exists(item))
            return ERR_NONE;
    } while (!json_string_is(json_member(item, "id"), id));
    return add_named(x, item);
}

struct json index_contained_named(struct json container, struct slice value,
                                  const struct fhir_type **ret_type, struct json *ret_container)
{
    if (value.length != NAMED_BYTES || value.bytes[0] != TERM_REFERENCE_CONTAINED)
        return JSON_ABSENT;
    const struct json part = { container.doc, get_be32((const uint8_t *)value.bytes + 1) };
    struct json list = json_member(container, "contained");
    bool is_contained = json_exists(list) && part.at > list.at && part.at < json_node(list)->next;
    *ret_type = type_of(part);
    *ret_container = is_contained ? container : part;
    return *ret_type ? part : JSON_ABSENT;
}

/* ---- selected as a reference ---- */

bool extract_is_target(const struct fhir_param *param, struct fhir_item item)
{
    if (param->type != FHIR_PARAM_REFERENCE || item.type->kind != FHIR_RESOURCE)
        return true;
    return item.type->resource != FHIR_NO_TYPE && fhir_param_has_target(param, item.type);
}

static enum err part_add(struct extractor *x, struct fhir_item item)
{
    if (x->part_count == x->part_room) {
        size_t room = x->part_room ? 2 * x->part_room : FIRST_PARTS;
        struct extractor_part *parts = arena_raw(x->arena, room * sizeof *parts);
        if (!parts)
            return ERR_NO_MEMORY;
        if (x->part_count)
            memcpy(parts, x->parts, x->part_count * sizeof *parts);
        x->parts = parts;
        x->part_room = room;
    }
    x->parts[x->part_count++] = (struct extractor_part){ item.value, item.type };
    return ERR_NONE;
}

/* The object of which it is the member `resource`; absent for what stands elsewhere. What
 * is passed on the way back are the members before it. */
static struct json entry_of(struct json resource)
{
    struct json key = { resource.doc, resource.at - 1 }, at = key;
    if (!json_is(key, JSON_KEY) || !json_string_is(key, SLICE("resource")))
        return JSON_ABSENT;
    while (at.at-- > 0)
        if (json_is(at, JSON_OBJECT) && json_node(at)->next > resource.at)
            return at;
    return JSON_ABSENT;
}

/* The entry of a Bundle names it, and so does its own id. It is not the resource of the
 * store that has that id too: chains lead into this one. */
static enum err name_selected(struct extractor *x, struct fhir_item item)
{
    struct json entry = entry_of(item.value);
    if (!json_exists(entry))
        return ERR_NONE;
    struct slice url = extract_text(json_member(entry, "fullUrl"), x->arena);
    struct slice id = extract_text(json_member(item.value, "id"), x->arena);
    if (url.length && url.bytes[0] != '#')
        TRY(extract_reference_text(x, url));
    if (!fhir_id_is_valid(id))
        return ERR_NONE;
    uint8_t *at = extractor_room(x);
    return at ? extractor_add(x, x->field, value_reference(at, item.type->name, id))
              : ERR_NO_MEMORY;
}

enum err extract_selected(struct extractor *x, struct fhir_item item)
{
    if (item.value.doc != x->resource.doc || item.value.at <= x->resource.at)
        return ERR_NONE; /* an expression may have it from elsewhere */
    TRY(name_selected(x, item));
    if (custom_is(x->param)) /* the work behind makes no terms but those of its field */
        return ERR_NONE;
    if (json_exists(x->container))
        return add_named(x, item.value);
    return x->is_contained ? ERR_NONE : part_add(x, item);
}
