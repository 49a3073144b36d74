#include "server/place.h"

#include "base/codec.h"

/* Segments of "datastore/{id}/r4", which `..` may not take. */
enum { BASE_SEGMENTS = 3 };

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.' || c == '~' || c == '$';
}

static bool is_dots(struct slice s)
{
    return slice_is(s, ".") || slice_is(s, "..");
}

/* Append the segment in its one spelling; false on a broken escape. */
static bool put_segment(char **at, struct slice segment)
{
    static const char digits[] = "0123456789ABCDEF";
    char *start = *at;
    bool has_escape = false;
    for (size_t i = 0; i < segment.length; i++) {
        char c = segment.bytes[i];
        if (c != '%') {
            *(*at)++ = c;
            continue;
        }
        uint8_t byte;
        if (segment.length - i < 3 || !hex_decode(slice_of(segment.bytes + i + 1, 2), &byte, 1))
            return false;
        i += 2;
        has_escape = true;
        if (is_plain((char)byte)) {
            *(*at)++ = (char)byte;
        } else {
            *(*at)++ = '%';
            *(*at)++ = digits[byte >> 4];
            *(*at)++ = digits[byte & 15];
        }
    }
    return !(has_escape && is_dots(slice_of(start, (size_t)(*at - start))));
}

/* "a/b/c" without slashes at its ends. */
static enum err normalise(struct arena *arena, struct slice path, struct slice *ret_path)
{
    char *start = arena_raw(arena, path.length + 1);
    if (!start)
        return ERR_NO_MEMORY;
    char *at = start;
    size_t depth = 0;
    for (struct slice rest = path; rest.bytes;) {
        struct slice segment = slice_cut(&rest, '/');
        if (segment.length == 0 || slice_is(segment, "."))
            continue;
        if (slice_is(segment, "..")) {
            if (depth <= BASE_SEGMENTS)
                return ERR_SYNTAX;
            while (*--at != '/')
                ;
            depth--;
            continue;
        }
        if (depth++)
            *at++ = '/';
        if (!put_segment(&at, segment))
            return ERR_SYNTAX;
    }
    *ret_path = slice_of(start, (size_t)(at - start));
    return ERR_NONE;
}

/* Under these HealthLake counts for the CMS's rules; they answer as without. */
static bool is_alias(struct slice segment)
{
    static const char *const names[] = { "patientaccess", "provideraccess", "payertopayerdx",
                                         "priorauthservice" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (slice_is(segment, names[i]))
            return true;
    }
    return false;
}

enum err place_of_path(struct arena *arena, struct slice path, struct place *ret_place)
{
    struct slice rest;
    TRY(normalise(arena, path, &rest));
    *ret_place = (struct place){ .kind = PLACE_NOTHING };
    if (rest.length == 0) {
        ret_place->kind = PLACE_CONTROL;
        return ERR_NONE;
    }
    if (slice_is(rest, "healthz")) {
        ret_place->kind = PLACE_HEALTH;
        return ERR_NONE;
    }
    if (slice_is(rest, "readyz")) {
        ret_place->kind = PLACE_READY;
        return ERR_NONE;
    }
    struct slice first = slice_cut(&rest, '/');
    struct slice id = slice_cut(&rest, '/');
    struct slice version = slice_cut(&rest, '/');
    if (is_alias(version) && slice_is(slice_cut(&rest, '/'), "v2"))
        version = slice_cut(&rest, '/');
    if (!slice_is(first, "datastore") || !slice_is(version, "r4"))
        return ERR_NONE;
    *ret_place = (struct place){ PLACE_FHIR, id, rest.bytes ? rest : SLICE("") };
    return ERR_NONE;
}
