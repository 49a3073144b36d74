/* store_values(): the values of a field under a prefix, each with its live
 * documents. Blocks of one value mostly follow one another, so the value seen
 * last is tried first; else a map finds it. */
#include <stdlib.h>

#include "base/map.h"
#include "store/embedded/cursor.h"
#include "store/embedded/docset.h"
#include "store/embedded/engine.h"

enum { VALUES_MAX = 1 << 20 };

struct found {
    struct slice value;
    struct docset docs;
    struct found *next;
};

struct values {
    struct store_reader *reader;
    struct arena *arena;
    struct map by_value; /* to struct found */
    struct found *first; /* newest first */
    struct found *last_seen;
    size_t count;
};

static enum err find_value(struct values *v, struct slice value, struct found **ret_found)
{
    if (v->last_seen && slice_equal(v->last_seen->value, value)) {
        *ret_found = v->last_seen;
        return ERR_NONE;
    }
    uint64_t *place = map_find(&v->by_value, value);
    if (!place) {
        struct found *made = arena_alloc(v->arena, sizeof *made);
        char *copy = made ? arena_copy(v->arena, value) : NULL;
        if (!copy)
            return ERR_LIMIT;
        *made = (struct found){ .value = slice_of(copy, value.length), .next = v->first };
        docset_init(&made->docs, v->reader->time, v->arena);
        TRY(map_put(&v->by_value, made->value, &place, NULL));
        *place = (uint64_t)(uintptr_t)made;
        v->first = made;
        v->count++;
    }
    *ret_found = v->last_seen = (struct found *)(uintptr_t)*place;
    return ERR_NONE;
}

static enum err values_visit(void *context, struct slice value, const uint64_t *docs,
                             size_t count)
{
    struct values *v = context;
    struct found *found = NULL;
    TRY(find_value(v, value, &found));
    for (size_t i = 0; i < count; i++) {
        bool alive = false;
        if (docs[i] <= v->reader->time)
            TRY(death_is_alive(&v->reader->store->deaths, docs[i], v->reader->time, &alive));
        if (alive)
            TRY(docset_add(&found->docs, &docs[i], 1));
    }
    return ERR_NONE;
}

static enum err value_render(struct arena *arena, struct found *found, struct store_value *ret)
{
    docset_sort(&found->docs);
    *ret = (struct store_value){ .value = found->value };
    if (!found->docs.bits) {
        ret->docs = found->docs.list;
        ret->doc_count = found->docs.count;
        return ERR_NONE;
    }
    for (uint64_t d = docset_seek(&found->docs, 1); d != DOC_END;
         d = docset_seek(&found->docs, d + 1))
        ret->doc_count++;
    ret->docs = arena_array(arena, ret->doc_count, sizeof *ret->docs);
    if (!ret->docs)
        return ERR_LIMIT;
    size_t at = 0;
    for (uint64_t d = docset_seek(&found->docs, 1); d != DOC_END;
         d = docset_seek(&found->docs, d + 1))
        ret->docs[at++] = d;
    return ERR_NONE;
}

static int value_compare(const void *a, const void *b)
{
    return slice_compare(((const struct store_value *)a)->value,
                         ((const struct store_value *)b)->value);
}

static enum err values_render(struct values *v, struct store_value **ret_values,
                              size_t *ret_count)
{
    struct store_value *values = arena_array(v->arena, v->count, sizeof *values);
    if (!values)
        return ERR_LIMIT;
    size_t count = 0;
    for (struct found *found = v->first; found; found = found->next) {
        TRY(value_render(v->arena, found, &values[count]));
        count += values[count].doc_count > 0;
    }
    qsort(values, count, sizeof *values, value_compare);
    *ret_values = values;
    *ret_count = count;
    return ERR_NONE;
}

enum err store_values(struct store_reader *reader, uint32_t field, struct slice prefix,
                      struct arena *arena, struct store_value **ret_values, size_t *ret_count)
{
    struct values v = { .reader = reader, .arena = arena };
    struct plan plan = { .kind = PLAN_PREFIX, .field = field, .from = prefix };
    struct postings_reader postings;
    TRY(reader_postings(reader, &postings));
    map_init(&v.by_value, VALUES_MAX, reader->store->seed);
    enum err err = postings_scan(&postings, &plan, values_visit, &v);
    if (!err)
        err = values_render(&v, ret_values, ret_count);
    map_release(&v.by_value);
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}

enum err store_scan(struct store_reader *reader, uint32_t field, store_value_visit *visit,
                    void *context)
{
    struct plan plan = { .kind = PLAN_PREFIX, .field = field, .from = SLICE("") };
    struct postings_reader postings;
    TRY(reader_postings(reader, &postings));
    return postings_scan(&postings, &plan, visit, context);
}

enum err store_scan_past(struct store_reader *reader, uint32_t field, struct slice prefix,
                         store_value_visit *visit, void *context)
{
    struct plan plan = { .kind = PLAN_PREFIX, .field = field, .from = prefix };
    struct postings_reader postings;
    TRY(reader_postings(reader, &postings));
    postings.work = NULL;
    postings.time = 0; /* no segment is skipped */
    return postings_scan(&postings, &plan, visit, context);
}
