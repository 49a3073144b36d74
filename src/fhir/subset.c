/* Part of a resource: _summary and _elements. One walk over the tape; what stays is
 * copied as it stands. */
#include "fhir/fhir.h"

enum { SUBSET_DEPTH_MAX = 64 };

static const char tag[] = "{\"system\":\"http://terminology.hl7.org/CodeSystem/"
                          "v3-ObservationValue\",\"code\":\"SUBSETTED\",\"display\":\"subsetted\"}";

static void comma(struct buf *out, bool *is_begun)
{
    if (*is_begun)
        buf_append_byte(out, ',');
    *is_begun = true;
}

static void member_copy(struct json key, struct buf *out, bool *is_begun)
{
    comma(out, is_begun);
    buf_append(out, json_raw(key));
    buf_append_byte(out, ':');
    json_minify(json_value(key), out);
}

/* The name of an element as a member has it, without the '_' of a primitive's
 * sibling. Names with escapes are no elements. */
static struct slice element_name(struct json key)
{
    struct slice name = json_string_raw(key);
    return slice_starts_with(name, SLICE("_")) ? slice_from(name, 1) : name;
}

/* ---- a summary: the elements that the definitions mark, all the way down ---- */

static void summary_object(struct json object, const struct fhir_type *type, int depth,
                           struct buf *out);

static const struct fhir_type *own_type(struct json value, const struct fhir_type *type)
{
    if (!type->is_abstract || type->kind != FHIR_RESOURCE)
        return type;
    struct json name = json_member(value, "resourceType");
    const struct fhir_type *own =
        json_is(name, JSON_STRING) ? fhir_resource_find(json_string_raw(name)) : NULL;
    return own ? own : type;
}

static void summary_value(struct json value, const struct fhir_type *type, int depth,
                          struct buf *out)
{
    if (json_is(value, JSON_OBJECT) && type->kind != FHIR_PRIMITIVE && depth < SUBSET_DEPTH_MAX) {
        summary_object(value, own_type(value, type), depth + 1, out);
    } else if (json_is(value, JSON_ARRAY)) {
        bool is_begun = false;
        buf_append_byte(out, '[');
        for (struct json v = json_first(value); json_exists(v); v = json_next(value, v)) {
            comma(out, &is_begun);
            summary_value(v, type, depth, out);
        }
        buf_append_byte(out, ']');
    } else {
        json_minify(value, out);
    }
}

/* Mandatory elements stay, or the rest would be invalid. Of a primitive that has
 * no value its extensions stand for it; beside a value they are no summary. */
static bool is_summary(struct json object, struct json key, const struct fhir_element *e)
{
    bool is_sibling = json_string_raw(key).bytes[0] == '_';
    if (!e || (!e->is_summary && e->min == 0))
        return false;
    return !is_sibling || !json_exists(json_get(object, e->name));
}

static void summary_object(struct json object, const struct fhir_type *type, int depth,
                           struct buf *out)
{
    bool is_begun = false;
    size_t begin = out->length;
    buf_append_byte(out, '{');
    for (struct json key = json_first(object); json_exists(key);
         key = json_next(object, json_value(key))) {
        if (slice_is(json_string_raw(key), "resourceType") && type->kind == FHIR_RESOURCE) {
            member_copy(key, out, &is_begun);
            continue;
        }
        const struct fhir_element *e = fhir_element_find(type, element_name(key));
        if (!is_summary(object, key, e))
            continue;
        comma(out, &is_begun);
        buf_append(out, json_raw(key));
        buf_append_byte(out, ':');
        summary_value(json_value(key), fhir_type_at(e->type), depth, out);
    }
    if (is_begun || !json_count(object)) {
        buf_append_byte(out, '}');
        return;
    }
    out->length = begin; /* FHIR knows no empty object: extensions alone stay */
    json_minify(object, out);
}

/* ---- the resource ---- */

/* The client's own tag of that code stays the only one. */
static bool is_tagged(struct json tags)
{
    for (struct json t = json_first(tags); json_exists(t); t = json_next(tags, t))
        if (json_string_is(json_member(t, "code"), SLICE("SUBSETTED")))
            return true;
    return false;
}

static void meta_write(struct json meta, struct buf *out)
{
    bool is_begun = false, has_tag = false;
    buf_append_byte(out, '{');
    for (struct json key = json_first(meta); json_exists(key);
         key = json_next(meta, json_value(key))) {
        struct json tags = json_value(key);
        if (!slice_is(json_string_raw(key), "tag") || !json_is(tags, JSON_ARRAY) ||
            is_tagged(tags)) {
            has_tag |= slice_is(json_string_raw(key), "tag");
            member_copy(key, out, &is_begun);
            continue;
        }
        has_tag = true;
        comma(out, &is_begun);
        buf_append_cstr(out, "\"tag\":[");
        for (struct json t = json_first(tags); json_exists(t); t = json_next(tags, t)) {
            json_minify(t, out);
            buf_append_byte(out, ',');
        }
        buf_append_cstr(out, tag);
        buf_append_byte(out, ']');
    }
    if (!has_tag) {
        comma(out, &is_begun);
        buf_printf(out, "\"tag\":[%s]", tag);
    }
    buf_append_byte(out, '}');
}

static bool is_listed(const struct fhir_subset *subset, const struct fhir_element *e)
{
    for (size_t i = 0; i < subset->element_count; i++)
        if (slice_equal(subset->elements[i], e->name) ||
            (e->choice.length && slice_equal(subset->elements[i], e->choice)))
            return true;
    return false;
}

static bool is_kept(const struct fhir_subset *subset, struct json object, struct json key,
                    const struct fhir_element *e)
{
    struct slice name = element_name(key);
    if (subset->kind == FHIR_SUBSET_DATA)
        return !slice_is(name, "text");
    if (subset->kind == FHIR_SUBSET_SUMMARY)
        return is_summary(object, key, e);
    if (slice_is(name, "id") || (e && e->min > 0))
        return true;
    if (subset->kind == FHIR_SUBSET_TEXT)
        return slice_is(name, "text");
    return e && is_listed(subset, e);
}

static void element_write(const struct fhir_subset *subset, struct json key,
                          const struct fhir_element *e, struct buf *out, bool *is_begun)
{
    if (subset->kind != FHIR_SUBSET_SUMMARY || !e) {
        member_copy(key, out, is_begun);
        return;
    }
    comma(out, is_begun);
    buf_append(out, json_raw(key));
    buf_append_byte(out, ':');
    summary_value(json_value(key), fhir_type_at(e->type), 0, out);
}

enum err fhir_subset_write(struct json resource, const struct fhir_type *type,
                           const struct fhir_subset *subset, struct buf *out)
{
    bool is_begun = false, has_meta = false;
    if (!json_is(resource, JSON_OBJECT))
        return ERR_INVALID;
    buf_append_byte(out, '{');
    for (struct json key = json_first(resource); json_exists(key);
         key = json_next(resource, json_value(key))) {
        struct slice name = json_string_raw(key);
        if (slice_is(name, "resourceType")) {
            member_copy(key, out, &is_begun);
        } else if (slice_is(name, "meta")) {
            has_meta = true;
            comma(out, &is_begun);
            buf_append_cstr(out, "\"meta\":");
            meta_write(json_value(key), out);
        } else {
            const struct fhir_element *e = fhir_element_find(type, element_name(key));
            if (is_kept(subset, resource, key, e))
                element_write(subset, key, e, out, &is_begun);
        }
    }
    if (!has_meta) {
        comma(out, &is_begun);
        buf_printf(out, "\"meta\":{\"tag\":[%s]}", tag);
    }
    buf_append_byte(out, '}');
    return buf_status(out);
}
