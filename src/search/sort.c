/* _sort: the matches in the order of their values.
 *
 * Every match gets, for each key, its least value (descending: its greatest),
 * taken from the index: one pass over the parameter's values, no bodies. What
 * has no value comes last either way; equals stay in the order of their last
 * change. A page is found by sorting again at the same reader time and stepping
 * over what was shown: no state is kept, and no page sees another's writes. */
#include "search/compile.h"

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
    sort.param = fhir_param_find(c->type, code);
    if (!sort.param)
        return value_refuse(c, text, "is no search parameter of the type");
    bool is_store_s = is_name(sort.param, "_id") || is_name(sort.param, "_lastUpdated");
    if (!is_store_s && (!sort.param->path || !sorted_kinds(sort.param)[0]))
        return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                           "The parameter '%.*s' has no order to sort by.", SLICE_ARGS(code));
    if (q->sort_count == SEARCH_SORTS_MAX)
        return issues_fail(c->issues, ERR_INVALID, "too-costly", "_sort takes at most %d keys.",
                           (int)SEARCH_SORTS_MAX);
    q->sorts[q->sort_count++] = sort;
    return ERR_NONE;
}

enum err sort_parse(struct compiler *c, struct slice value, struct search_query *q)
{
    struct slice rest = value.bytes ? value : SLICE("");
    while (rest.bytes)
        TRY(parse_key(c, slice_cut(&rest, ','), q));
    /* Documents are numbered in commit order: that is what comes by itself. */
    if (q->sort_count == 1 && is_name(q->sorts[0].param, "_lastUpdated") &&
        !q->sorts[0].is_descending)
        q->sort_count = 0;
    return ERR_NONE;
}

/* ---- running ---- */

struct sorting {
    const struct search_query *query;
    struct arena *arena;
    uint64_t *docs; /* ascending */
    size_t count;
    struct slice *keys; /* sort_count of each document; no bytes: none */
    size_t key;         /* being gathered */
    size_t next;        /* of _id: the document expected */
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

/* The place of the first document at or above; docs are ascending. */
static size_t find_doc(const struct sorting *s, uint64_t doc)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->docs[middle] < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum err visit_value(void *context, struct slice value, const uint64_t *docs, size_t count)
{
    struct sorting *s = context;
    const struct search_sort *sort = &s->query->sorts[s->key];
    struct slice key, kept = SLICE_NONE;
    if (!key_of(sort->param, value, &key))
        return ERR_NONE;
    for (size_t i = 0; i < count; i++) {
        size_t at = find_doc(s, docs[i]);
        if (at == s->count || s->docs[at] != docs[i])
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

static enum err visit_id(void *context, const struct store_version *v)
{
    struct sorting *s = context;
    const char *copy = arena_copy(s->arena, v->id);
    if (!copy)
        return ERR_LIMIT;
    s->keys[s->next++ * s->query->sort_count + s->key] = slice_of(copy, v->id.length);
    return ERR_NONE;
}

static enum err gather_ids(struct sorting *s, struct store_reader *reader)
{
    struct arena scratch;
    arena_init(&scratch, (size_t)2 << 30);
    s->next = 0;
    enum err err = store_docs(reader, s->docs, s->count, &scratch, visit_id, s);
    arena_release(&scratch);
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

static enum err gather(struct sorting *s, struct store_reader *reader)
{
    for (s->key = 0; s->key < s->query->sort_count; s->key++) {
        const struct fhir_param *param = s->query->sorts[s->key].param;
        if (is_name(param, "_lastUpdated"))
            TRY(gather_numbers(s));
        else if (is_name(param, "_id"))
            TRY(gather_ids(s, reader));
        else
            TRY(store_scan(reader, index_field(s->query->type, param->id), visit_value, s));
    }
    return ERR_NONE;
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
static uint32_t *merge_sort(const struct sorting *s, uint32_t *from, uint32_t *to)
{
    for (size_t width = 1; width < s->count; width *= 2) {
        for (size_t start = 0; start < s->count; start += 2 * width) {
            size_t middle = MIN(start + width, s->count), end = MIN(start + 2 * width, s->count);
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

static enum err sort_all(struct sorting *s, struct store_reader *reader)
{
    s->keys = arena_array(s->arena, s->count * s->query->sort_count, sizeof *s->keys);
    uint32_t *order = arena_array(s->arena, 2 * s->count, sizeof *order);
    uint64_t *docs = arena_array(s->arena, s->count, sizeof *docs);
    if (!s->keys || !order || !docs)
        return ERR_LIMIT;
    TRY(gather(s, reader));
    for (size_t i = 0; i < s->count; i++)
        order[i] = (uint32_t)i;
    order = merge_sort(s, order, order + s->count);
    for (size_t i = 0; i < s->count; i++)
        docs[i] = s->docs[order[i]];
    s->docs = docs;
    return ERR_NONE;
}

static enum err find_sorted(const struct search_query *q, struct store_reader *reader,
                            size_t limit, struct arena *work, struct arena *arena,
                            struct issues *issues, uint64_t **ret_docs, size_t *ret_count)
{
    struct sorting s = { .query = q, .arena = work };
    TRY(store_search(reader, q->plan, 0, SEARCH_SORTED_MAX + 1, work, &s.docs, &s.count));
    if (s.count > SEARCH_SORTED_MAX)
        return issues_fail(issues, ERR_LIMIT, "too-costly",
                           "_sort orders at most %d matches, and more match: narrow the search, "
                           "or leave _sort out.", (int)SEARCH_SORTED_MAX);
    if (s.count)
        TRY(sort_all(&s, reader));
    size_t from = (size_t)MIN(q->after, (uint64_t)s.count), count = MIN(limit, s.count - from);
    uint64_t *docs = arena_array(arena, count + 1, sizeof *docs);
    if (!docs)
        return ERR_NO_MEMORY;
    if (count)
        memcpy(docs, s.docs + from, count * sizeof *docs);
    *ret_docs = docs;
    *ret_count = count;
    return ERR_NONE;
}

enum err search_run(const struct search_query *q, struct store_reader *reader, size_t limit,
                    struct arena *arena, struct issues *issues, uint64_t **ret_docs,
                    size_t *ret_count)
{
    if (!q->sort_count)
        return store_search(reader, q->plan, q->after, limit, arena, ret_docs, ret_count);
    struct arena work;
    arena_init(&work, (size_t)512 << 20);
    enum err err = find_sorted(q, reader, limit, &work, arena, issues, ret_docs, ret_count);
    arena_release(&work);
    return err;
}

uint64_t search_next_position(const struct search_query *q, const uint64_t *docs, size_t count)
{
    return q->sort_count ? q->after + count : docs[count - 1];
}
