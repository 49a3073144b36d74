/* The outgoing references that $everything follows. */
#include "index/extract.h"

#include <stdlib.h>
#include <string.h>

/* Patient/$everything adds what its members need to be understood: these types,
 * which lie in no Patient's compartment (R4 operation text). */
static const struct slice everything_adds[] = {
    SLICE_INIT("Device"),       SLICE_INIT("Location"),         SLICE_INIT("Medication"),
    SLICE_INIT("Organization"), SLICE_INIT("PractitionerRole"), SLICE_INIT("Practitioner"),
};

static bool is_added(struct slice type)
{
    for (size_t i = 0; i < ARRAY_COUNT(everything_adds); i++)
        if (slice_equal(type, everything_adds[i]))
            return true;
    return false;
}

/* Quick refusal before a reference is taken apart: is one of the names in it? */
static bool may_be_added(struct slice text)
{
    for (size_t i = 0; i < ARRAY_COUNT(everything_adds); i++) {
        struct slice name = everything_adds[i];
        if (text.length > name.length && memcmp(text.bytes, name.bytes, name.length) == 0)
            return true;
    }
    return slice_find_byte(text, ':') >= 0; /* absolute */
}

static int compare_lines(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

struct lines {
    struct slice *items; /* "Type/id", pointing into references */
    size_t count, room;
};

static enum err lines_add(struct lines *l, struct arena *arena, struct slice line)
{
    if (l->count && slice_equal(l->items[l->count - 1], line))
        return ERR_NONE;
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 16;
        struct slice *items = arena_raw(arena, room * sizeof *items);
        if (!items)
            return ERR_NO_MEMORY;
        if (l->count)
            memcpy(items, l->items, l->count * sizeof *items);
        l->items = items;
        l->room = room;
    }
    l->items[l->count++] = line;
    return ERR_NONE;
}

static enum err lines_join(struct lines *l, struct arena *arena, struct slice *ret_text)
{
    if (l->count == 0) {
        *ret_text = SLICE_NONE;
        return ERR_NONE;
    }
    qsort(l->items, l->count, sizeof *l->items, compare_lines);
    size_t kept = 1, bytes = l->items[0].length + 1;
    for (size_t i = 1; i < l->count; i++) {
        if (slice_equal(l->items[i], l->items[kept - 1]))
            continue;
        l->items[kept++] = l->items[i];
        bytes += l->items[i].length + 1;
    }
    char *text = arena_raw(arena, bytes);
    if (!text)
        return ERR_NO_MEMORY;
    char *at = text;
    for (size_t i = 0; i < kept; i++) {
        memcpy(at, l->items[i].bytes, l->items[i].length);
        at += l->items[i].length;
        *at++ = '\n';
    }
    *ret_text = slice_of(text, bytes);
    return ERR_NONE;
}

/* One pass over the tape: every "reference" member that is a text, wherever it
 * stands, contained resources and extensions included. */
enum err appendix_collect(struct json resource, struct slice base_url, struct arena *arena,
                          struct slice *ret_appendix)
{
    static const struct slice name = SLICE_INIT("reference");
    struct lines lines = { 0 };
    uint32_t end = json_node(resource)->next;
    for (struct json at = resource; at.at + 1 < end; at.at++) {
        const struct json_node *node = json_node(at);
        bool may_be = node->type == JSON_KEY &&
                      (node->length == name.length || (node->flags & JSON_HAS_ESCAPE));
        if (!may_be || !json_string_is(at, name))
            continue;
        struct slice text = extract_text(json_value(at), arena);
        if (!text.length || !may_be_added(text))
            continue;
        struct fhir_reference r = fhir_reference_parse(text);
        if (!index_reference_is_local(r, base_url) || !is_added(r.type->name))
            continue;
        size_t bytes = r.type->name.length + 1 + r.id.length;
        const char *start = r.id.bytes + r.id.length - bytes;
        TRY(lines_add(&lines, arena, slice_of(start, bytes)));
    }
    return lines_join(&lines, arena, ret_appendix);
}
