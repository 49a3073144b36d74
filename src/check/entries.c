/* check/entries.c - a Bundle's entries by their fullUrl. */
#include "check/bundle.h"

#include <stdio.h>

enum { URL_BYTES_MAX = 2000 };

static enum err entry_read(struct json v, struct arena *arena, struct bundle_entry *ret)
{
    struct json url = json_member(v, "fullUrl"), resource = json_member(v, "resource");
    struct slice name = json_string_raw(json_member(resource, "resourceType"));
    *ret = (struct bundle_entry){ .json = v, .resource = resource };
    ret->type = fhir_resource_find(name);
    ret->full_url = json_string(url, arena);
    return json_is(url, JSON_STRING) && !ret->full_url.bytes ? ERR_NO_MEMORY : ERR_NONE;
}

enum err bundle_entries_read(struct json bundle, struct arena *arena, struct bundle_entries *ret)
{
    struct json list = json_member(bundle, "entry");
    size_t count = json_is(list, JSON_ARRAY) ? json_count(list) : 0, at = 0;
    *ret = (struct bundle_entries){ .arena = arena };
    map_init(&ret->urls, UINT32_MAX, (uint64_t)(uintptr_t)ret);
    ret->list = arena_array(arena, MAX(count, 1), sizeof *ret->list);
    if (!ret->list)
        return ERR_NO_MEMORY;
    for (struct json v = json_first(list); at < count; v = json_next(list, v)) {
        uint64_t *place;
        bool is_new = false;
        TRY(entry_read(v, arena, &ret->list[at]));
        if (ret->list[at].full_url.length > 0)
            TRY(map_put(&ret->urls, ret->list[at].full_url, &place, &is_new));
        if (is_new)
            *place = at;
        ret->count = ++at;
    }
    return ERR_NONE;
}

void bundle_entries_release(struct bundle_entries *e)
{
    map_release(&e->urls);
}

/* "https://host/path/" of "https://host/path/Type/id"; "urn:uuid:" of a urn. */
static struct slice base_of(struct slice full_url)
{
    bool is_urn = slice_starts_with(full_url, SLICE("urn:"));
    struct slice rest = full_url;
    for (int cuts = is_urn ? 1 : 2; cuts > 0; cuts--) {
        ptrdiff_t at = slice_find_last_byte(rest, is_urn ? ':' : '/');
        rest = slice_head(rest, (size_t)MAX(at, 0));
    }
    return slice_head(full_url, rest.length ? rest.length + 1 : 0);
}

enum err bundle_entries_find(const struct bundle_entries *e, size_t from, struct slice reference,
                             int64_t *ret_place)
{
    char room[URL_BYTES_MAX];
    struct fhir_reference parts = fhir_reference_parse(reference);
    struct slice text = reference, full_url = e->list[from].full_url;
    *ret_place = ENTRY_NONE;
    if (reference.length == 0 || reference.bytes[0] == '#')
        return ERR_NONE;
    if (parts.version.length > 0) /* "/_history/version" goes */
        text = slice_head(text, (size_t)(parts.id.bytes + parts.id.length - text.bytes));
    if (!url_is_absolute(text)) {
        struct slice base = base_of(full_url);
        struct slice tail = slice_starts_with(base, SLICE("urn:")) ? parts.id : text;
        int length = snprintf(room, sizeof room, "%.*s%.*s", SLICE_ARGS(base), SLICE_ARGS(tail));
        if (!base.length || length < 0 || (size_t)length >= sizeof room)
            return ERR_NONE;
        text = slice_of(room, (size_t)length);
    }
    const uint64_t *place = map_find(&e->urls, text);
    if (place)
        *ret_place = (int64_t)*place;
    return ERR_NONE;
}
