/* References, the compartments they lead into, and the record they lie in. */
#include "index/extract.h"

/* "/datastore/ID/r4" of "scheme://authority/datastore/ID/r4". */
static bool is_path_of(struct slice base, struct slice path)
{
    if (!slice_ends_with(base, path))
        return false;
    struct slice host = slice_head(base, base.length - path.length);
    ptrdiff_t at = slice_find(host, SLICE("://"));
    return at > 0 && slice_find_byte(slice_from(host, (size_t)at + 3), '/') < 0;
}

bool index_reference_is_local(struct fhir_reference r, struct slice base_url)
{
    if (!r.type || r.id.length == 0)
        return false;
    if (r.base.length == 0 || slice_equal(r.base, base_url))
        return true;
    return base_url.length > 0 && base_url.bytes[0] == '/' && is_path_of(r.base, base_url);
}

static enum err add_membership(struct extractor *x, struct slice owner_type,
                               struct slice owner_id)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    size_t length = value_compartment(at, owner_type, owner_id, x->type->name);
    return extractor_add(x, INDEX_FIELD_COMPARTMENT, length);
}

enum err membership_of_owner(struct extractor *x)
{
    if (!x->id.length)
        return ERR_NONE;
    for (int c = 0; c < FHIR_COMPARTMENT_COUNT; c++) {
        if (fhir_compartment_owner((enum fhir_compartment)c) != x->type)
            continue;
        TRY(add_membership(x, x->type->name, x->id));
        if (c == FHIR_COMPARTMENT_PATIENT)
            x->home_id = x->id;
    }
    return ERR_NONE;
}

/* A member names its owner through several parameters; the body lies with the
 * first in table order, whatever order the parameters are extracted in. */
static void consider_home(struct extractor *x, size_t rank, struct slice owner_id)
{
    if (fhir_compartment_owner(FHIR_COMPARTMENT_PATIENT) == x->type)
        return; /* an owner lies in its own record */
    if (rank >= x->home_rank)
        return;
    x->home_rank = rank;
    x->home_id = owner_id;
}

enum err membership_of_reference(struct extractor *x, const struct fhir_type *owner_type,
                                 struct slice owner_id)
{
    if (x->is_contained) /* its container's are what counts */
        return ERR_NONE;
    for (int c = 0; c < FHIR_COMPARTMENT_COUNT; c++) {
        if (fhir_compartment_owner((enum fhir_compartment)c) != owner_type)
            continue;
        size_t count = 0;
        const uint16_t *params =
            fhir_compartment_params((enum fhir_compartment)c, x->type, &count);
        for (size_t rank = 0; params && rank < count; rank++) {
            if (params[rank] != x->param->id)
                continue;
            TRY(add_membership(x, owner_type->name, owner_id));
            if (c == FHIR_COMPARTMENT_PATIENT)
                consider_home(x, rank, owner_id);
            break;
        }
    }
    return ERR_NONE;
}

static enum err add_outside(struct extractor *x, struct slice url)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    return extractor_add(x, x->field, value_uri(at, TERM_REFERENCE_OUTSIDE, url));
}

/* The text up to its id: without the version, which begins behind "/_history/". */
static struct slice without_version(struct slice text, struct fhir_reference r)
{
    return slice_head(text, (size_t)(r.id.bytes + r.id.length - text.bytes));
}

static enum err add_local(struct extractor *x, struct fhir_reference r)
{
    uint8_t *at = extractor_room(x);
    if (!at)
        return ERR_NO_MEMORY;
    TRY(extractor_add(x, x->field, value_reference(at, r.type->name, r.id)));
    if (r.version.length) {
        const char *start = r.id.bytes - r.type->name.length - 1;
        const char *end = r.version.bytes + r.version.length;
        TRY(add_outside(x, slice_of(start, (size_t)(end - start))));
    }
    return membership_of_reference(x, r.type, r.id);
}

enum err extract_reference_text(struct extractor *x, struct slice text)
{
    struct fhir_reference r = fhir_reference_parse(text);
    if (index_reference_is_local(r, x->base_url))
        return add_local(x, r);
    if (text.bytes[0] == '#')
        return json_exists(x->container) ? extract_contained_reference(x, slice_from(text, 1))
                                         : ERR_NONE;
    TRY(add_outside(x, text));
    return r.type && r.version.length ? add_outside(x, without_version(text, r)) : ERR_NONE;
}

enum err extract_reference(struct extractor *x, struct fhir_item item)
{
    if (item.type->kind == FHIR_PRIMITIVE) {
        struct slice text = extract_text(item.value, x->arena);
        if (!text.length)
            return ERR_NONE;
        bool is_canonical = item.type->id == FHIR_TYPE_CANONICAL;
        TRY(extract_uri_text(x, text, is_canonical));
        struct fhir_reference r = fhir_reference_parse(text);
        return index_reference_is_local(r, x->base_url) ? add_local(x, r) : ERR_NONE;
    }
    if (item.type->kind == FHIR_RESOURCE)
        return extract_selected(x, item);
    if (item.type->id != FHIR_TYPE_REFERENCE)
        return ERR_NONE;

    struct slice text = extract_text(json_member(item.value, "reference"), x->arena);
    if (text.length)
        TRY(extract_reference_text(x, text));
    struct json identifier = json_member(item.value, "identifier");
    return json_is(identifier, JSON_OBJECT) ? extract_identifier(x, identifier) : ERR_NONE;
}
