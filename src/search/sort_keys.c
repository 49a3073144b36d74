/* Keys of documents, and the selection of a page among them. The keys come from the
 * index, in one pass over a parameter's values, or from the documents' bodies, by the
 * extraction that the index is made of: few matches in a large store cost what they
 * cost in a small one. */
#include "search/sort.h"

#include "search/score.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "index/index.h"

enum {
    BUCKET_SHIFT = 6,
    POSTINGS_PER_BODY = 400, /* of a pass over a field, that cost about as much */
};

struct keys {
    struct sort *sort;
    uint32_t *places;  /* see places_make() */
    size_t key, type;  /* being gathered */
    bool needs_terms;  /* keys that bodies must be read through for */
    bool has_terms;
    size_t next;       /* of bodies: the document expected */
    struct arena scratch;
    struct arena_mark mark;
    bool is_short; /* no room for a key */
};

/* What of a value orders it; false if nothing does. */
static bool key_of(const struct fhir_param *param, struct slice value, struct slice *ret_key)
{
    if (!value.length || value.bytes[0] == 0 || !strchr(sorted_kinds(param), value.bytes[0]))
        return false;
    struct slice key = slice_from(value, 1);
    size_t bytes = sorted_key_bytes(param);
    ptrdiff_t end = bytes ? -1 : slice_find_byte(key, '\0');
    *ret_key = bytes    ? slice_head(key, bytes)
               : end < 0 ? key
                         : slice_head(key, (size_t)end);
    return true;
}

enum err sort_order(struct sort *s, size_t key, struct store_order *ret)
{
    const struct search_query *q = s->query;
    const struct search_sort *sort = &q->sorts[key];
    const char *kinds = sorted_kinds(sort->param);
    size_t kind_count = strlen(kinds);
    struct store_part *parts = arena_array(s->arena, q->type_count * kind_count, sizeof *parts);
    *ret = (struct store_order){ .parts = parts,
                                 .key_bytes = sorted_key_bytes(sort->param),
                                 .is_descending = sort->is_descending };
    if (!parts)
        return ERR_LIMIT;
    for (size_t i = 0; i < q->type_count; i++)
        for (size_t k = 0; k < kind_count; k++)
            parts[ret->part_count++] =
                (struct store_part){ .field = index_field(q->types[i], sort->params[i]->id),
                                     .prefix = slice_of(kinds + k, 1) };
    return ERR_NONE;
}

/* ---- out of the fields ---- */

/* Where in the list the documents of each 64 begin, so that finding one of many
 * costs a look into one line of memory. */
static enum err places_make(struct keys *k)
{
    const struct sort *s = k->sort;
    uint64_t buckets = (s->docs[s->count - 1] >> BUCKET_SHIFT) + 2;
    k->places = arena_raw(s->arena, (size_t)buckets * sizeof *k->places);
    if (!k->places)
        return ERR_LIMIT;
    uint64_t bucket = 0;
    for (size_t i = 0; i < s->count; i++)
        while (bucket <= s->docs[i] >> BUCKET_SHIFT)
            k->places[bucket++] = (uint32_t)i;
    k->places[bucket] = (uint32_t)s->count;
    return ERR_NONE;
}

/* The place of a document; s->count when it is none of them. */
static size_t find_doc(const struct keys *k, uint64_t doc)
{
    const struct sort *s = k->sort;
    if (doc > s->docs[s->count - 1])
        return s->count;
    size_t low = k->places[doc >> BUCKET_SHIFT], high = k->places[(doc >> BUCKET_SHIFT) + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->docs[middle] < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->count && s->docs[low] == doc ? low : s->count;
}

static enum err visit_value(void *context, struct slice value, const uint64_t *docs, size_t count)
{
    struct keys *k = context;
    struct sort *s = k->sort;
    const struct search_sort *sort = &s->query->sorts[k->key];
    struct slice key, kept = SLICE_NONE;
    if (!key_of(sort->param, value, &key))
        return ERR_NONE;
    for (size_t i = 0; i < count; i++) {
        size_t at = find_doc(k, docs[i]);
        if (at == s->count)
            continue;
        struct slice *best = &s->keys[at * s->query->sort_count + k->key];
        int order = best->bytes ? slice_compare(key, *best) : 0;
        if (best->bytes && (sort->is_descending ? order <= 0 : order >= 0))
            continue;
        if (!kept.bytes) {
            const char *copy = arena_copy(s->arena, key);
            if (!copy)
                return ERR_LIMIT;
            kept = slice_of(copy, key.length);
        }
        *best = kept;
    }
    return ERR_NONE;
}

static enum err gather_fields(struct keys *k)
{
    const struct search_query *q = k->sort->query;
    TRY(places_make(k));
    for (k->key = 0; k->key < q->sort_count; k->key++) {
        if (param_is_of_store(q->sorts[k->key].param))
            continue;
        for (size_t i = 0; i < q->type_count; i++)
            TRY(store_scan(k->sort->reader,
                           index_field(q->types[i], q->sorts[k->key].params[i]->id), visit_value,
                           k));
    }
    return ERR_NONE;
}

/* ---- out of the bodies ---- */

static void key_take(struct keys *k, size_t at, struct slice key)
{
    struct sort *s = k->sort;
    const struct search_sort *sort = &s->query->sorts[k->key];
    struct slice *best = &s->keys[at * s->query->sort_count + k->key];
    int order = best->bytes ? slice_compare(key, *best) : 0;
    bool is_better = sort->is_descending ? order > 0 : order < 0;
    if (best->bytes && !is_better)
        return;
    const char *copy = arena_copy(s->arena, key);
    k->is_short |= !copy;
    *best = slice_of(copy, key.length);
}

static size_t type_of(const struct search_query *q, struct slice name)
{
    size_t i = 0;
    while (i < q->type_count && !slice_equal(q->types[i]->name, name))
        i++;
    return i;
}

static enum err visit_body(void *context, const struct store_version *v)
{
    struct keys *k = context;
    const struct search_query *q = k->sort->query;
    struct json_doc doc;
    struct extraction x = { .term_count = 0 };
    struct slice key;
    size_t type = type_of(q, v->type);
    k->next = store_docs_place(k->sort->docs, k->next, v->doc);
    arena_rewind(&k->scratch, k->mark);
    if (k->needs_terms && type < q->type_count) {
        TRY(json_parse(v->body, NULL, &k->scratch, &doc, NULL));
        uint32_t fields[SEARCH_SORTS_MAX];
        for (size_t i = 0; i < q->sort_count; i++)
            fields[i] = index_field(q->types[type], q->sorts[i].params[type]->id);
        TRY(index_extract_some(json_root(&doc), q->types[type],
                               (struct index_basis){ q->base_url, q->zone_us }, q->customs,
                               fields, q->sort_count, &k->scratch, &x));
    }
    for (k->key = 0; k->key < q->sort_count && type < q->type_count; k->key++) {
        const struct fhir_param *param = q->sorts[k->key].params[type];
        uint32_t field = index_field(q->types[type], param->id);
        if (param_is(param, "_id"))
            key_take(k, k->next, v->id);
        for (size_t i = 0; i < x.term_count; i++)
            if (x.terms[i].field == field && key_of(param, x.terms[i].value, &key))
                key_take(k, k->next, key);
    }
    k->next++;
    return k->is_short ? ERR_LIMIT : ERR_NONE;
}

static enum err gather_bodies(struct keys *k)
{
    struct sort *s = k->sort;
    struct arena bodies;
    arena_init(&bodies, search_memory(s->query));
    arena_init(&k->scratch, search_memory(s->query));
    k->mark = arena_mark(&k->scratch);
    k->next = 0;
    enum err err = store_docs(s->reader, s->docs, s->count, &bodies, visit_body, k);
    arena_release(&k->scratch);
    arena_release(&bodies);
    return err;
}

static enum err gather_numbers(struct keys *k)
{
    struct sort *s = k->sort;
    uint8_t *bytes = arena_raw(s->arena, 8 * s->count + 1);
    if (!bytes)
        return ERR_LIMIT;
    for (size_t i = 0; i < s->count; i++) {
        put_be64(bytes + 8 * i, s->docs[i]);
        s->keys[i * s->query->sort_count + k->key] = slice_of((char *)bytes + 8 * i, 8);
    }
    return ERR_NONE;
}

/* ---- whichever costs less ---- */

static enum err bodies_cost_less(struct keys *k, bool *ret)
{
    struct sort *s = k->sort;
    uint64_t enough = (uint64_t)s->count * POSTINGS_PER_BODY, all = 0;
    *ret = false;
    for (size_t i = 0; i < s->query->sort_count; i++) {
        const struct fhir_param *param = s->query->sorts[i].param;
        k->needs_terms |= !param_is_of_store(param);
        *ret |= param_is(param, "_id"); /* which no field has */
    }
    if (s->count > SORT_BODIES_MAX || *ret)
        return ERR_NONE;
    for (size_t i = 0; i < s->query->sort_count && all < enough; i++) {
        struct store_order order;
        uint64_t postings = 0;
        if (param_is_of_store(s->query->sorts[i].param))
            continue;
        TRY(sort_order(s, i, &order));
        enum err err = store_order_size(s->reader, &order, enough - all, &postings);
        if (err && err != ERR_NOT_READY)
            return err;
        all += err ? enough - all : postings; /* not ready: the bodies tell */
    }
    *ret = all >= enough;
    return ERR_NONE;
}

enum err sort_keys(struct sort *s)
{
    struct keys k = { .sort = s };
    bool from_bodies = false;
    s->keys = arena_array(s->arena, s->count * s->query->sort_count, sizeof *s->keys);
    if (!s->keys)
        return ERR_LIMIT;
    TRY(bodies_cost_less(&k, &from_bodies));
    TRY(from_bodies ? gather_bodies(&k) : gather_fields(&k));
    for (k.key = 0; k.key < s->query->sort_count; k.key++)
        if (param_is(s->query->sorts[k.key].param, "_lastUpdated"))
            TRY(gather_numbers(&k));
        else if (s->query->sorts[k.key].param == &score_param)
            TRY(score_keys(s->query, s->reader, s->docs, s->count, s->arena,
                           s->query->sort_count, s->keys + k.key));
    return ERR_NONE;
}

/* ---- selecting ---- */

/* Is a before b? No two are equal. */
static bool is_before(const struct sort *s, uint32_t a, uint32_t b)
{
    size_t count = s->query->sort_count;
    for (size_t k = 0; k < count; k++) {
        struct slice x = s->keys[a * count + k], y = s->keys[b * count + k];
        if (!x.bytes && !y.bytes)
            continue;
        if (!x.bytes || !y.bytes)
            return x.bytes != NULL;
        int order = slice_compare(x, y);
        if (order)
            return s->query->sorts[k].is_descending ? order > 0 : order < 0;
    }
    return a < b;
}

/* Is a nearer to where the page begins? */
static bool is_nearer(const struct sort *s, uint32_t a, uint32_t b)
{
    return s->is_before ? is_before(s, b, a) : is_before(s, a, b);
}

/* The root, which is the farthest of all, is where it does not belong. */
static void sift(const struct sort *s, uint32_t *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && is_nearer(s, heap[child], heap[child + 1]))
            child++;
        if (is_nearer(s, heap[child], heap[at]))
            return;
        uint32_t held = heap[at];
        heap[at] = heap[child];
        heap[child] = held;
        at = child;
    }
}

/* The nearest ones behind the pivot (or of all): never is more sorted than the page
 * needs. */
static size_t select_nearest(const struct sort *s, const uint32_t *pivot, uint32_t *heap)
{
    size_t count = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (pivot && !is_nearer(s, *pivot, i))
            continue;
        if (count < s->limit) {
            heap[count++] = i;
            for (size_t k = count / 2; count == s->limit && k-- > 0;)
                sift(s, heap, count, k);
        } else if (is_nearer(s, i, heap[0])) {
            heap[0] = i;
            sift(s, heap, count, 0);
        }
    }
    return count;
}

/* The farthest goes behind the others, again and again. */
static void heap_sort(const struct sort *s, uint32_t *heap, size_t count)
{
    for (size_t k = count / 2; k-- > 0;)
        sift(s, heap, count, k);
    while (count > 1) {
        uint32_t held = heap[--count];
        heap[count] = heap[0];
        heap[0] = held;
        sift(s, heap, count, 0);
    }
}

enum err sort_select(struct sort *s)
{
    size_t limit = MIN(s->limit, s->count);
    uint32_t *heap = arena_array(s->arena, limit + 1, sizeof *heap), pivot = 0;
    uint64_t *docs = arena_array(s->arena, limit + 1, sizeof *docs);
    if (!heap || !docs)
        return ERR_LIMIT;
    while (s->pivot && pivot < s->count && s->docs[pivot] != s->pivot)
        pivot++;
    if (s->pivot && pivot == s->count)
        return ERR_INVALID;
    size_t count = select_nearest(s, s->pivot ? &pivot : NULL, heap);
    heap_sort(s, heap, count);
    for (size_t i = 0; i < count; i++)
        docs[s->is_before ? count - 1 - i : i] = s->docs[heap[i]];
    s->docs = docs;
    s->count = count;
    return ERR_NONE;
}
