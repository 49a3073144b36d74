/* fhir/reference.c - literal references taken apart, ids judged. */
#include "fhir/tables.h"

enum { ID_LENGTH_MAX = 64 };

/* 1: may stand in an id. */
static const uint8_t id_bytes[256] = {
    ['-'] = 1, ['.'] = 1,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
    ['8'] = 1, ['9'] = 1,
    ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1,
    ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1,
    ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1,
    ['Y'] = 1, ['Z'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1,
    ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1,
    ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1,
    ['y'] = 1, ['z'] = 1,
};

/* Every reference's id is judged, so this runs several times a resource. */
bool fhir_id_is_valid(struct slice id)
{
    if (id.length == 0 || id.length > ID_LENGTH_MAX)
        return false;
    unsigned all = 1;
    for (size_t i = 0; i < id.length; i++)
        all &= id_bytes[(uint8_t)id.bytes[i]];
    return all != 0;
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
