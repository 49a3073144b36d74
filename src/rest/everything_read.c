/* Members and includes: finding and reading them. */
#include <stdlib.h>

#include "base/date.h"
#include "index/index.h"
#include "rest/everything.h"
#include "rest/reply.h"

bool everything_wants(const struct everything *e, const struct fhir_type *type)
{
    for (size_t i = 0; i < e->type_count; i++) {
        if (e->types[i] == type)
            return true;
    }
    return e->types == NULL;
}

/* ---- finding the members ---- */

static bool is_member(const struct everything *e, const struct fhir_type *type, uint64_t doc)
{
    /* A Patient that links to this one is in its compartment by the definition,
     * but stays separate: of the owner's type only the owner belongs here. */
    return type != fhir_compartment_owner(e->compartment) || doc == e->owner_doc;
}

static void members_add(struct everything *e, const struct store_value *value)
{
    ptrdiff_t nul = slice_find_last_byte(value->value, 0); /* OwnerType/id 0 Type */
    const struct fhir_type *type = fhir_resource_find(slice_from(value->value, (size_t)(nul + 1)));
    bool is_type_wanted = type && everything_wants(e, type);
    for (size_t i = 0; type && i < value->doc_count; i++) {
        uint64_t doc = value->docs[i];
        bool is_wanted = is_type_wanted && (!e->has_since || doc >= e->since_doc);
        if (!is_member(e, type, doc) || (!is_wanted && !e->has_includes))
            continue;
        e->is_wanted[e->count] = is_wanted;
        e->docs[e->count++] = doc;
    }
}

/* Documents committed at or after an instant have numbers from one on. */
static enum err since_find(struct everything *e)
{
    struct plan plan = { .kind = PLAN_INSTANT, .instant_low = e->since, .instant_high = INT64_MAX };
    uint64_t *docs;
    size_t count;
    if (!e->has_since)
        return ERR_NONE;
    TRY(store_search(e->entries.reader, &plan, 0, 1, e->r->arena, &docs, &count));
    e->since_doc = count ? docs[0] : UINT64_MAX;
    return ERR_NONE;
}

struct member {
    struct slice id;
    uint64_t doc;
    uint8_t is_wanted;
};

struct member_list {
    struct arena *arena;
    struct member *items;
    size_t count;
};

static enum err member_visit(void *context, const struct store_version *v)
{
    struct member_list *list = context;
    struct member *m = &list->items[list->count++];
    char *copy = arena_copy(list->arena, v->id);
    m->id = slice_of(copy, v->id.length);
    m->doc = v->doc;
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

static int by_id(const void *a, const void *b)
{
    return slice_compare(((const struct member *)a)->id, ((const struct member *)b)->id);
}

/* HealthLake's order inside of one type, members [from, e->count). */
static enum err members_sort_by_id(struct everything *e, size_t from)
{
    size_t count = e->count - from;
    struct member_list list = { .arena = e->r->arena,
                                .items = arena_array(e->r->arena, count, sizeof *list.items) };
    if (!list.items)
        return ERR_NO_MEMORY;
    TRY(store_docs(e->entries.reader, e->docs + from, count, &e->entries.scratch, member_visit,
                   &list));
    for (size_t i = 0, place = from; i < list.count; i++) {
        place = store_docs_place(e->docs, place, list.items[i].doc);
        list.items[i].is_wanted = e->is_wanted[place];
    }
    qsort(list.items, list.count, sizeof *list.items, by_id);
    e->count = from + list.count; /* some may have been erased since they were found */
    for (size_t i = 0; i < list.count; i++) {
        e->docs[from + i] = list.items[i].doc;
        e->is_wanted[from + i] = list.items[i].is_wanted;
    }
    return ERR_NONE;
}

enum err everything_gather(struct everything *e)
{
    struct arena *arena = e->r->arena;
    const struct fhir_type *owner = fhir_compartment_owner(e->compartment);
    struct slice prefix = index_encode_compartment(arena, owner->name, e->r->route.id, SLICE_NONE);
    struct store_value *values;
    size_t value_count, room = 0;
    if (!prefix.bytes)
        return ERR_NO_MEMORY;
    TRY(since_find(e));
    TRY(store_values(e->entries.reader, INDEX_FIELD_COMPARTMENT, prefix, arena, &values,
                     &value_count));
    for (size_t i = 0; i < value_count; i++)
        room += values[i].doc_count;
    e->docs = arena_array(arena, room, sizeof *e->docs);
    e->is_wanted = arena_array(arena, room, sizeof *e->is_wanted);
    if (!e->docs || !e->is_wanted)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < value_count; i++) {
        size_t from = e->count;
        members_add(e, &values[i]);
        if (e->r->rest->settings.behaviour.everything_by_id)
            TRY(members_sort_by_id(e, from));
    }
    return ERR_NONE;
}

/* ---- start and end ---- */

struct window {
    const struct everything *e;
    bool has_date, is_inside;
};

/* The instants that a date element stands for: its precision's, or a Period's
 * with open ends. False when it holds none. */
static bool item_range(const struct everything *e, struct fhir_item item, struct arena *arena,
                       struct date_range *ret)
{
    int64_t zone_us = e->r->rest->settings.zone_us;
    if (json_is(item.value, JSON_STRING))
        return date_parse_in(json_string(item.value, arena), zone_us, ret);
    struct date_range part;
    struct json start = json_member(item.value, "start"), end = json_member(item.value, "end");
    *ret = (struct date_range){ INT64_MIN, INT64_MAX };
    bool has_start = json_is(start, JSON_STRING) &&
                     date_parse_in(json_string(start, arena), zone_us, &part);
    if (has_start)
        ret->low = part.low;
    bool has_end = json_is(end, JSON_STRING) &&
                   date_parse_in(json_string(end, arena), zone_us, &part);
    if (has_end)
        ret->high = part.high;
    return has_start || has_end;
}

static enum err window_visit(void *context, struct fhir_item item)
{
    struct window *w = context;
    struct date_range range;
    if (!item_range(w->e, item, &((struct everything *)w->e)->entries.scratch, &range))
        return ERR_NONE;
    w->has_date = true;
    w->is_inside = w->is_inside || (range.high > w->e->start && range.low < w->e->end);
    return ERR_NONE;
}

/* A resource without a date is never left out: better one too many than one
 * lost. */
static enum err window_holds(struct everything *e, const struct store_version *v, bool *ret_holds)
{
    const struct fhir_type *type = fhir_resource_find(v->type);
    const struct fhir_path *path = type ? fhir_everything_date(type) : NULL;
    struct json_doc doc;
    struct json_error where;
    struct window w = { .e = e };
    *ret_holds = true;
    if (!e->has_window || !path)
        return ERR_NONE;
    if (json_parse(v->body, NULL, &e->entries.scratch, &doc, &where))
        return ERR_CORRUPT;
    struct fhir_item root = { .value = json_root(&doc), .type = type };
    TRY(fhir_path_visit(path, root, window_visit, &w));
    *ret_holds = !w.has_date || w.is_inside;
    return ERR_NONE;
}

/* ---- reading the members ---- */

static enum err names_add(struct everything *e, struct slice appendix)
{
    struct slice rest = appendix.length ? appendix : SLICE_NONE;
    while (rest.bytes) {
        struct slice name = slice_cut(&rest, '\n');
        uint64_t *value;
        if (slice_find_byte(name, '/') < 0 || map_find(&e->names, name))
            continue; /* a mark of older versions of ours, or known */
        char *copy = arena_copy(e->r->arena, name);
        if (!copy)
            return ERR_NO_MEMORY;
        TRY(map_put(&e->names, slice_of(copy, name.length), &value, NULL));
    }
    return ERR_NONE;
}

static bool is_full(const struct everything *e)
{
    if (!e->is_sending)
        return false;
    return e->entries.out->length >= PAGE_PIECE_BYTES || (e->is_paged && e->room == 0);
}

static enum err read_visit(void *context, const struct store_version *v)
{
    struct everything *e = context;
    bool is_inside;
    if (is_full(e)) {
        e->entries.is_paused = true;
        return ERR_BUSY; /* meant for everything_read() alone */
    }
    size_t place = store_docs_place(e->docs, e->position, v->doc);
    bool is_wanted = e->is_wanted[place];
    e->position = place + 1;
    TRY(window_holds(e, v, &is_inside));
    if (!is_inside)
        return ERR_NONE;
    if (e->has_includes && !e->is_resolved)
        TRY(names_add(e, v->appendix));
    if (!is_wanted)
        return ERR_NONE;
    if (!e->is_sending) {
        e->total++;
        return ERR_NONE;
    }
    e->sent++;
    e->room--;
    return entries_append(&e->entries, v, e->entries.out);
}

enum err everything_read(struct everything *e, struct buf *out)
{
    e->entries.out = out;
    e->entries.is_paused = false;
    if (e->position >= e->count || is_full(e))
        return ERR_NONE;
    struct arena_mark mark = arena_mark(&e->entries.scratch);
    enum err err = store_docs(e->entries.reader, e->docs + e->position, e->count - e->position,
                              &e->entries.scratch, read_visit, e);
    arena_rewind(&e->entries.scratch, mark);
    if (!err)
        e->position = e->count; /* the last ones may have been erased */
    return e->entries.is_paused ? ERR_NONE : err;
}

/* ---- includes ---- */

struct include {
    uint16_t type;
    uint64_t doc;
};

static int by_type_and_doc(const void *a, const void *b)
{
    const struct include *x = a, *y = b;
    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return x->doc < y->doc ? -1 : x->doc > y->doc;
}

/* Live, asked for, and in no compartment of this kind: what is in one is either
 * a member already or of another's record. */
static enum err include_find(struct everything *e, struct slice name, struct include *ret,
                             bool *ret_found)
{
    struct slice id = name;
    struct slice type_name = slice_cut(&id, '/');
    const struct fhir_type *type = fhir_resource_find(type_name);
    struct store_version head = { 0 };
    size_t param_count;
    bool is_there = false;
    *ret_found = false;
    if (!type || !everything_wants(e, type) ||
        fhir_compartment_params(e->compartment, type, &param_count))
        return ERR_NONE;
    TRY(store_head_meta(e->entries.reader, type->name, id, &is_there, &head));
    *ret_found = is_there && !head.is_deleted && (!e->has_since || head.doc >= e->since_doc);
    *ret = (struct include){ type->resource, head.doc };
    return ERR_NONE;
}

enum err everything_resolve(struct everything *e)
{
    struct arena *arena = e->r->arena;
    size_t room = e->names.count, count = 0, cursor = 0;
    struct include *found = arena_array(arena, room, sizeof *found);
    e->includes = arena_array(arena, room, sizeof *e->includes);
    if (!found || !e->includes)
        return ERR_NO_MEMORY;
    for (struct map_entry *m; (m = map_next(&e->names, &cursor));) {
        bool is_found;
        TRY(include_find(e, m->key, &found[count], &is_found));
        count += is_found;
    }
    qsort(found, count, sizeof *found, by_type_and_doc);
    for (size_t i = 0; i < count; i++)
        e->includes[i] = found[i].doc;
    e->include_count = count;
    e->is_resolved = true;
    return ERR_NONE;
}
