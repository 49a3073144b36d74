/* fhir/reference.c - literal references taken apart, ids judged. */
#include "fhir/tables.h"

enum { ID_LENGTH_MAX = 64 };

bool fhir_id_is_valid(struct slice id)
{
    if (id.length == 0 || id.length > ID_LENGTH_MAX)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        char c = id.bytes[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.';
        if (!ok)
            return false;
    }
    return true;
}

/* The last segment, cut off *path with its slash. */
static struct slice cut_last(struct slice *path)
{
    ptrdiff_t slash = slice_find_last_byte(*path, '/');
    struct slice segment = slice_from(*path, (size_t)(slash + 1));
    *path = slash < 0 ? slice_head(*path, 0) : slice_head(*path, (size_t)slash);
    return segment;
}

/* "http:" and the like: a colon before any slash. */
static bool has_scheme(struct slice text)
{
    ptrdiff_t colon = slice_find_byte(text, ':'), slash = slice_find_byte(text, '/');
    return colon > 0 && (slash < 0 || colon < slash);
}

struct fhir_reference fhir_reference_parse(struct slice text)
{
    struct fhir_reference none = { .type = NULL };
    const char *start = text.bytes;
    struct slice path = slice_cut(&text, '#');
    none.fragment = text.bytes ? text : SLICE_NONE;

    struct fhir_reference found = none;
    bool is_absolute = has_scheme(path);
    if (is_absolute && slice_find(path, SLICE("://")) < 0)
        return none; /* urn:uuid:, urn:oid:, mailto: */

    found.id = cut_last(&path);
    struct slice before = path, name = cut_last(&before);
    if (slice_is(name, "_history")) {
        found.version = found.id;
        found.id = cut_last(&before);
        name = cut_last(&before);
        if (!fhir_id_is_valid(found.version))
            return none;
    }
    found.type = fhir_resource_find(name);
    found.base = before;
    bool base_fits = is_absolute ? slice_find(before, SLICE("://")) > 0 : name.bytes == start;
    return found.type && base_fits && fhir_id_is_valid(found.id) ? found : none;
}
