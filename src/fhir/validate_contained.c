/* fhir/validate_contained.c - contained resources and what names them.
 *
 * c->contained has the type of each id, and in the lowest bit of the pointer whether
 * the id was named: by a reference, by a uri, url or canonical, by a narrative's link,
 * or by the contained resource's own reference to its holder.
 */
#include "fhir/validate.h"

enum { IS_NAMED = 1 };
_Static_assert(_Alignof(struct fhir_type) > IS_NAMED, "the bit is free");

static const struct fhir_type *type_in(uint64_t value)
{
    return (const void *)(uintptr_t)(value & ~(uint64_t)IS_NAMED);
}

static void check_id(struct fhir_check *c, const struct fhir_spot *spot, struct json resource,
                     struct json id, bool is_new)
{
    struct slice text = json_string_raw(id);
    if (!is_new)
        check_error(c, spot, id, "invalid", "Duplicate id value '%.*s'",
                    SLICE_ARGS(slice_head(text, 64)));
    if (json_is(resource, JSON_OBJECT) && resource_type_of(resource) && !json_exists(id))
        check_error(c, spot, resource, "invalid", "Resource requires an id, but none is present");
}

void contained_gather(struct fhir_check *c, const struct fhir_spot *outer, struct json resource)
{
    struct fhir_spot spot = { .parent = outer, .name = SLICE("contained"), .has_index = true };
    struct json list = json_member(resource, "contained");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct json id = json_member(v, "id");
        struct slice text = json_string_raw(id);
        uint64_t *value;
        bool is_new = true;
        if (text.bytes && map_put(&c->contained, text, &value, &is_new) != ERR_NONE)
            c->failure = ERR_NO_MEMORY;
        else if (text.bytes && is_new)
            *value = (uint64_t)(uintptr_t)resource_type_of(v);
        if (!c->options->is_shape_only)
            check_id(c, &spot, v, id, is_new);
        spot.index++;
    }
}

bool contained_name(struct fhir_check *c, struct slice id, const struct fhir_type **ret_type)
{
    bool is_inside = c->resource.at != c->root.at;
    if (id.length == 0 && is_inside)
        id = json_string_raw(json_member(c->resource, "id"));
    uint64_t *place = id.length > 0 ? map_find(&c->contained, id) : NULL;
    *ret_type = place ? type_in(*place) : NULL;
    if (place)
        *place |= IS_NAMED;
    return place != NULL;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

void contained_name_links(struct fhir_check *c, struct slice xhtml)
{
    const struct fhir_type *type;
    size_t length = c->contained.count > 0 ? xhtml.length : 0;
    for (size_t i = 1; i < length; i++) {
        bool is_link = xhtml.bytes[i] == '#' && is_quote(xhtml.bytes[i - 1]);
        size_t start = i + 1;
        while (is_link && i + 1 < length && !is_quote(xhtml.bytes[i + 1]))
            i++;
        if (is_link)
            contained_name(c, slice_of(xhtml.bytes + start, i + 1 - start), &type);
    }
}

void contained_check(struct fhir_check *c, const struct fhir_spot *outer, struct json resource)
{
    struct fhir_spot spot = { .parent = outer, .name = SLICE("contained"), .has_index = true };
    struct json list = json_member(resource, "contained");
    if (!c->options->rules || c->contained.count == 0)
        return;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        struct slice id = json_string_raw(json_member(v, "id"));
        const uint64_t *place = id.bytes ? map_find(&c->contained, id) : NULL;
        if (place && !(*place & IS_NAMED))
            check_report(c, &spot, v, ISSUE_ERROR, "invariant", SLICE("dom-3"),
                         "The contained resource '%.*s' is not referenced to from elsewhere in the "
                         "containing resource nor does it refer to the containing resource (dom-3)",
                         SLICE_ARGS(slice_head(id, 100)));
        spot.index++;
    }
}
