#include "profile/lookup.h"

void lookup_init(struct lookup *l, struct arena *arena, const struct profile_set *set,
                 const struct profile_source *source)
{
    *l = (struct lookup){ .arena = arena, .set = set, .source = source };
    map_init(&l->docs, UINT32_MAX, (uint64_t)(uintptr_t)arena);
}

void lookup_release(struct lookup *l)
{
    map_release(&l->docs);
}

struct json lookup_find(struct lookup *l, struct slice canonical)
{
    uint64_t *place;
    bool is_new;
    struct slice text =
        l->set ? set_resource(l->set, PROFILE_STRUCTURE, canonical, l->source) : SLICE_NONE;
    struct json_doc *doc = NULL;
    if (!text.bytes || map_put(&l->docs, canonical, &place, &is_new) != ERR_NONE)
        return JSON_ABSENT;
    if (is_new) {
        doc = arena_alloc(l->arena, sizeof *doc);
        if (doc && json_parse(text, NULL, l->arena, doc, NULL) != ERR_NONE)
            doc = NULL;
        *place = (uint64_t)(uintptr_t)doc;
    }
    doc = (struct json_doc *)(uintptr_t)*place;
    return doc ? json_root(doc) : JSON_ABSENT;
}
