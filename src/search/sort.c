/* _sort: the matches in the order of their values.
 *
 * Every match gets, for each key, its least value (descending: its greatest). They
 * come from the index, in one pass over the parameter's values, until that has cost
 * as much as reading the matches; then from their bodies, by the extraction that
 * the index is made of. What has no value comes last either way; equals stay in
 * the order of their last change. A page is found by sorting again at the same
 * reader time and stepping over what was shown: no state is kept. */
#include "search/compile.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "index/index.h"

static bool is_name(const struct fhir_param *param, const char *name)
{
    return slice_is(param->code, name);
}

/* The kinds of values that have an order, by the parameter's type. */
static const char *sorted_kinds(const struct fhir_param *param)
{
    static const char *const kinds[] = {
        [FHIR_PARAM_NUMBER] = "nN",    [FHIR_PARAM_DATE] = "dD",       [FHIR_PARAM_STRING] = "t",
        [FHIR_PARAM_TOKEN] = "c",      [FHIR_PARAM_REFERENCE] = "rlu", [FHIR_PARAM_COMPOSITE] = "",
        [FHIR_PARAM_QUANTITY] = "qQ",  [FHIR_PARAM_URI] = "u",         [FHIR_PARAM_SPECIAL] = "",
    };
    return kinds[param->type];
}

static enum err parse_key(struct compiler *c, struct slice text, struct search_query *q)
{
    struct search_sort sort = { .is_descending = text.length && text.bytes[0] == '-' };
    struct slice code = slice_from(text, sort.is_descending);
    /* Matches are not ranked: all are equal. */
    if (slice_is(code, "_score") && !dialect_is_narrow(c))
        return ERR_NONE;
    sort.param = param_find(c, c->type, code);
    if (!sort.param)
        return value_refuse(c, text, "is no search parameter of the type");
    bool is_store_s = is_name(sort.param, "_id") || is_name(sort.param, "_lastUpdated");
    if (!is_store_s && (!sort.param->path || !sorted_kinds(sort.param)[0]))
        return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                           "The parameter '%.*s' has no order to sort by.", SLICE_ARGS(code));
    if (!dialect_sorts_by(c->settings->dialect, c->type, sort.param))
        return dialect_refuse(c, "sorting by a nested element");
    size_t most = c->settings->sort_keys ? MIN(c->settings->sort_keys, (uint32_t)SEARCH_SORTS_MAX)
                                         : (uint32_t)SEARCH_SORTS_MAX;
    if (q->sort_count == most)
        return issues_fail(c->issues, ERR_INVALID, "too-costly", "_sort takes at most %d keys.",
                           (int)most);
    q->sorts[q->sort_count++] = sort;
    return ERR_NONE;
}

enum err sort_parse(struct compiler *c, struct slice value, struct search_query *q)
{
    struct slice rest = value.bytes ? value : SLICE("");
    while (rest.bytes)
        TRY(parse_key(c, slice_cut(&rest, ','), q));
    /* Documents are numbered in commit order: that is what comes by itself, and no two
     * are equal in it. */
    if (q->sort_count && is_name(q->sorts[0].param, "_lastUpdated")) {
        q->is_newest_first = q->sorts[0].is_descending;
        q->sort_count = 0;
    }
    return ERR_NONE;
}

/* ---- running ---- */

enum {
    BUCKET_SHIFT = 6,
    BODIES_MAX = 20000,      /* matches whose bodies may be read for their keys */
    POSTINGS_PER_BODY = 400, /* that cost about as much as a body */
    POSTINGS_ALWAYS = 10000,
};

struct sorting {
    const struct search_query *query;
    struct arena *arena;
    uint64_t *docs; /* ascending */
    size_t count;
    struct slice *keys; /* sort_count of each document; no bytes: none */
    uint32_t *places;   /* see places_make() */
    size_t key;         /* being gathered */
    bool needs_terms;   /* keys that bodies must be read through for */
    uint64_t postings_left; /* that the fields may still cost */
    size_t next;            /* of bodies: the document expected */
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
    ptrdiff_t end;
    switch ((enum fhir_param_type)param->type) {
    case FHIR_PARAM_DATE:
        key = slice_head(key, 8);
        break;
    case FHIR_PARAM_NUMBER:
    case FHIR_PARAM_QUANTITY:
        key = slice_head(key, 10);
        break;
    case FHIR_PARAM_TOKEN:
    case FHIR_PARAM_STRING:
    case FHIR_PARAM_REFERENCE:
    case FHIR_PARAM_URI:
        end = slice_find_byte(key, '\0');
        key = end < 0 ? key : slice_head(key, (size_t)end);
        break;
    case FHIR_PARAM_COMPOSITE:
    case FHIR_PARAM_SPECIAL:
        return false;
    }
    *ret_key = key;
    return true;
}

/* Where in the list the documents of each 64 begin, so that finding one of many
 * costs a look into one line of memory. */
static enum err places_make(struct sorting *s)
{
    uint64_t buckets = (s->docs[s->count - 1] >> BUCKET_SHIFT) + 2;
    s->places = arena_raw(s->arena, (size_t)buckets * sizeof *s->places);
    if (!s->places)
        return ERR_LIMIT;
    uint64_t bucket = 0;
    for (size_t i = 0; i < s->count; i++)
        while (bucket <= s->docs[i] >> BUCKET_SHIFT)
            s->places[bucket++] = (uint32_t)i;
    s->places[bucket] = (uint32_t)s->count;
    return ERR_NONE;
}

/* The place of a document; s->count when it is no match. */
static size_t find_doc(const struct sorting *s, uint64_t doc)
{
    if (doc > s->docs[s->count - 1])
        return s->count;
    size_t low = s->places[doc >> BUCKET_SHIFT], high = s->places[(doc >> BUCKET_SHIFT) + 1];
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
    struct sorting *s = context;
    const struct search_sort *sort = &s->query->sorts[s->key];
    struct slice key, kept = SLICE_NONE;
    if (s->postings_left <= count)
        return ERR_BUSY;
    s->postings_left -= count + 1;
    if (!key_of(sort->param, value, &key))
        return ERR_NONE;
    for (size_t i = 0; i < count; i++) {
        size_t at = find_doc(s, docs[i]);
        if (at == s->count)
            continue;
        struct slice *best = &s->keys[at * s->query->sort_count + s->key];
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

/* ---- out of the bodies ---- */

static void key_take(struct sorting *s, size_t at, struct slice key)
{
    const struct search_sort *sort = &s->query->sorts[s->key];
    struct slice *best = &s->keys[at * s->query->sort_count + s->key];
    int order = best->bytes ? slice_compare(key, *best) : 0;
    bool is_better = sort->is_descending ? order > 0 : order < 0;
    if (best->bytes && !is_better)
        return;
    const char *copy = arena_copy(s->arena, key);
    s->is_short |= !copy;
    *best = slice_of(copy, key.length);
}

static enum err visit_body(void *context, const struct store_version *v)
{
    struct sorting *s = context;
    struct json_doc doc;
    struct extraction x = { .term_count = 0 };
    struct slice key;
    arena_rewind(&s->scratch, s->mark);
    if (s->needs_terms) {
        TRY(json_parse(v->body, NULL, &s->scratch, &doc, NULL));
        TRY(index_extract(json_root(&doc), s->query->type, s->query->base_url,
                          s->query->customs, &s->scratch, &x));
    }
    for (s->key = 0; s->key < s->query->sort_count; s->key++) {
        const struct fhir_param *param = s->query->sorts[s->key].param;
        uint32_t field = index_field(s->query->type, param->id);
        if (is_name(param, "_id"))
            key_take(s, s->next, v->id);
        for (size_t i = 0; i < x.term_count; i++)
            if (x.terms[i].field == field && key_of(param, x.terms[i].value, &key))
                key_take(s, s->next, key);
    }
    s->next++;
    return s->is_short ? ERR_LIMIT : ERR_NONE;
}

/* The keys of all matches from what they say themselves. */
static enum err gather_bodies(struct sorting *s, struct store_reader *reader)
{
    struct arena bodies;
    memset(s->keys, 0, s->count * s->query->sort_count * sizeof *s->keys);
    arena_init(&bodies, (size_t)2 << 30);
    arena_init(&s->scratch, (size_t)2 << 30);
    s->mark = arena_mark(&s->scratch);
    s->next = 0;
    enum err err = store_docs(reader, s->docs, s->count, &bodies, visit_body, s);
    arena_release(&s->scratch);
    arena_release(&bodies);
    return err;
}

static enum err gather_numbers(struct sorting *s)
{
    uint8_t *bytes = arena_raw(s->arena, 8 * s->count + 1);
    if (!bytes)
        return ERR_LIMIT;
    for (size_t i = 0; i < s->count; i++) {
        put_be64(bytes + 8 * i, s->docs[i]);
        s->keys[i * s->query->sort_count + s->key] = slice_of((char *)bytes + 8 * i, 8);
    }
    return ERR_NONE;
}

/* ---- whichever costs less ---- */

/* ERR_BUSY: the fields are larger than the bodies are dear. */
static enum err gather_fields(struct sorting *s, struct store_reader *reader)
{
    for (size_t i = 0; i < s->query->sort_count; i++) {
        const struct fhir_param *param = s->query->sorts[i].param;
        s->needs_terms |= !is_name(param, "_id") && !is_name(param, "_lastUpdated");
    }
    s->postings_left = s->count <= BODIES_MAX ? s->count * POSTINGS_PER_BODY + POSTINGS_ALWAYS
                                              : UINT64_MAX;
    for (s->key = 0; s->key < s->query->sort_count; s->key++) {
        const struct fhir_param *param = s->query->sorts[s->key].param;
        if (is_name(param, "_id"))
            return ERR_BUSY;
        if (is_name(param, "_lastUpdated"))
            continue;
        TRY(store_scan(reader, index_field(s->query->type, param->id), visit_value, s));
    }
    return ERR_NONE;
}

static enum err gather(struct sorting *s, struct store_reader *reader)
{
    enum err err = gather_fields(s, reader);
    if (err == ERR_BUSY || (err == ERR_NOT_READY && s->count <= BODIES_MAX))
        err = gather_bodies(s, reader);
    for (s->key = 0; !err && s->key < s->query->sort_count; s->key++)
        if (is_name(s->query->sorts[s->key].param, "_lastUpdated"))
            err = gather_numbers(s);
    return err;
}

/* Is a to stand before or with b? */
static bool is_in_order(const struct sorting *s, uint32_t a, uint32_t b)
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
    return true;
}

/* Merge sort from the bottom: stable, so equals stay in document order. */
static uint32_t *merge_sort(const struct sorting *s, size_t count, uint32_t *from, uint32_t *to)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = MIN(start + width, count), end = MIN(start + 2 * width, count);
            size_t a = start, b = middle;
            for (size_t i = start; i < end; i++) {
                bool takes_a = a < middle && (b == end || is_in_order(s, from[a], from[b]));
                to[i] = takes_a ? from[a++] : from[b++];
            }
        }
        uint32_t *held = from;
        from = to;
        to = held;
    }
    return from;
}

/* Strictly: no two are equal. */
static bool is_before(const struct sorting *s, uint32_t a, uint32_t b)
{
    return a < b ? is_in_order(s, a, b) : !is_in_order(s, b, a);
}

/* The root, which is the last of all, is where it does not belong. */
static void sift(const struct sorting *s, uint32_t *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && is_before(s, heap[child], heap[child + 1]))
            child++;
        if (is_before(s, heap[child], heap[at]))
            return;
        uint32_t held = heap[at];
        heap[at] = heap[child];
        heap[child] = held;
        at = child;
    }
}

static int compare_places(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The first `wanted` of all, in the order of their places: never is more sorted
 * than the page needs. */
static void select_first(const struct sorting *s, uint32_t *heap, size_t wanted)
{
    for (size_t i = 0; i < wanted; i++)
        heap[i] = (uint32_t)i;
    for (size_t i = wanted / 2; i-- > 0;)
        sift(s, heap, wanted, i);
    for (size_t i = wanted; i < s->count; i++) {
        if (!is_before(s, (uint32_t)i, heap[0]))
            continue;
        heap[0] = (uint32_t)i;
        sift(s, heap, wanted, 0);
    }
    qsort(heap, wanted, sizeof *heap, compare_places);
}

/* The first `wanted` documents in order, instead of all by number. */
static enum err sort_all(struct sorting *s, struct store_reader *reader, size_t wanted)
{
    s->keys = arena_array(s->arena, s->count * s->query->sort_count, sizeof *s->keys);
    if (!s->keys)
        return ERR_LIMIT;
    TRY(places_make(s));
    TRY(gather(s, reader));
    wanted = MIN(wanted, s->count);
    uint32_t *order = arena_array(s->arena, 2 * wanted + 1, sizeof *order);
    uint64_t *docs = arena_array(s->arena, wanted + 1, sizeof *docs);
    if (!order || !docs)
        return ERR_LIMIT;
    if (wanted)
        select_first(s, order, wanted);
    order = merge_sort(s, wanted, order, order + wanted);
    for (size_t i = 0; i < wanted; i++)
        docs[i] = s->docs[order[i]];
    s->docs = docs;
    s->count = wanted;
    return ERR_NONE;
}

static enum err find_sorted(const struct search_query *q, struct store_reader *reader,
                            uint64_t position, size_t limit, struct arena *work,
                            struct arena *arena, struct issues *issues, uint64_t **ret_docs,
                            size_t *ret_count)
{
    struct sorting s = { .query = q, .arena = work };
    TRY(store_search(reader, q->plan, 0, SEARCH_SORTED_MAX + 1, work, &s.docs, &s.count));
    if (s.count > SEARCH_SORTED_MAX)
        return issues_fail(issues, ERR_INVALID, "too-costly",
                           "_sort orders at most %d matches, and more match: narrow the search, "
                           "or leave _sort out.", (int)SEARCH_SORTED_MAX);
    if (s.count)
        TRY(sort_all(&s, reader, position > s.count ? s.count : (size_t)position + limit));
    size_t from = (size_t)MIN(position, (uint64_t)s.count), count = MIN(limit, s.count - from);
    uint64_t *docs = arena_array(arena, count + 1, sizeof *docs);
    if (!docs)
        return ERR_NO_MEMORY;
    if (count)
        memcpy(docs, s.docs + from, count * sizeof *docs);
    *ret_docs = docs;
    *ret_count = count;
    return ERR_NONE;
}

enum err sort_run(const struct search_query *q, struct store_reader *reader, uint64_t position,
                  size_t limit, struct arena *arena, struct issues *issues, uint64_t **ret_docs,
                  size_t *ret_count)
{
    struct arena work;
    arena_init(&work, SEARCH_WORK_BYTES);
    enum err err =
        find_sorted(q, reader, position, limit, &work, arena, issues, ret_docs, ret_count);
    arena_release(&work);
    return err;
}
