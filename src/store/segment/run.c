#include "store/segment/run.h"

#include <stdlib.h>

#include <xxhash.h>

#include "base/codec.h"

static uint64_t prefix_of(struct slice value)
{
    uint8_t first[8] = { 0 };
    if (value.length)
        memcpy(first, value.bytes, MIN(value.length, sizeof first));
    return get_be64(first);
}

/* The order of keys: field, then value bytes, a prefix first. The prefix word
 * decides nearly always. */
static int key_compare(const struct run_key *a, const char *a_bytes, const struct run_key *b,
                       const char *b_bytes)
{
    if (a->field != b->field)
        return a->field < b->field ? -1 : 1;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    uint32_t common = MIN(a->value_size, b->value_size);
    int order = common > 8
                    ? memcmp(a_bytes + a->value_at + 8, b_bytes + b->value_at + 8, common - 8)
                    : 0;
    if (order)
        return order;
    return (a->value_size > b->value_size) - (a->value_size < b->value_size);
}

/* Runs outlive the commit that made them and pass between threads: hence the
 * heap. One piece: header, keys, documents, bytes. */
static struct run *run_new(size_t keys, size_t docs, size_t bytes)
{
    if (keys >= UINT32_MAX || docs >= UINT32_MAX || bytes >= UINT32_MAX)
        return NULL;
    size_t size =
        sizeof(struct run) + (keys + 1) * sizeof(struct run_key) + docs * sizeof(uint32_t) + bytes;
    struct run *run = malloc(size);
    if (!run)
        return NULL;
    *run = (struct run){ .references = 1, .size_bytes = size };
    run->keys = (struct run_key *)(run + 1);
    run->docs = (uint32_t *)(run->keys + keys + 1);
    run->bytes = (char *)(run->docs + docs);
    return run;
}

struct run *run_ref(struct run *run)
{
    atomic_fetch_add_explicit(&run->references, 1, memory_order_relaxed);
    return run;
}

void run_unref(struct run *run)
{
    if (run && atomic_fetch_sub_explicit(&run->references, 1, memory_order_acq_rel) == 1)
        free(run);
}

/* One distinct (field, value) of a commit. */
struct group {
    struct run_key key; /* value_at and docs_at are set when placed */
    const char *value;
    uint64_t hash;
    uint32_t count;
    uint32_t last_place; /* + 1, to drop repeats within a document */
};

struct grouping {
    struct group *groups;
    uint32_t group_count;
    uint32_t *table; /* group + 1 by hash */
    size_t room;
    uint32_t *posting_groups, *posting_places;
    uint32_t posting_count;
    size_t value_bytes;
};

/* Most terms of a bundle repeat (type, code, patient), and hashing is cheaper
 * than sorting: so equal terms are gathered first and only the distinct ones
 * sorted. */
static void grouping_add(struct grouping *g, const struct term *term, uint32_t place,
                         uint64_t seed)
{
    uint64_t hash = XXH3_64bits_withSeed(term->value.bytes, term->value.length,
                                         seed ^ (uint64_t)term->field * 0x9e3779b97f4a7c15u);
    size_t at = (size_t)hash & (g->room - 1);
    struct group *group = NULL;
    for (; g->table[at]; at = (at + 1) & (g->room - 1)) {
        group = &g->groups[g->table[at] - 1];
        if (group->hash == hash && group->key.field == term->field &&
            slice_equal(slice_of(group->value, group->key.value_size), term->value))
            break;
    }
    if (!g->table[at]) {
        group = &g->groups[g->group_count++];
        *group = (struct group){
            .key = { .field = term->field,
                     .value_size = (uint32_t)term->value.length,
                     .prefix = prefix_of(term->value) },
            .value = term->value.bytes,
            .hash = hash,
        };
        g->table[at] = g->group_count;
        g->value_bytes += term->value.length;
    }
    if (group->last_place == place + 1)
        return;
    group->last_place = place + 1;
    group->count++;
    g->posting_groups[g->posting_count] = (uint32_t)(group - g->groups);
    g->posting_places[g->posting_count++] = place;
}

static enum err grouping_init(struct grouping *g, size_t terms, struct arena *scratch)
{
    *g = (struct grouping){ .room = 64 };
    if (terms >= UINT32_MAX / 4)
        return ERR_LIMIT;
    while (g->room < terms * 2)
        g->room *= 2;
    g->groups = arena_raw(scratch, (terms + 1) * sizeof *g->groups);
    g->table = arena_array(scratch, g->room, sizeof *g->table);
    g->posting_groups = arena_raw(scratch, (terms + 1) * sizeof(uint32_t));
    g->posting_places = arena_raw(scratch, (terms + 1) * sizeof(uint32_t));
    return g->groups && g->table && g->posting_groups && g->posting_places ? ERR_NONE
                                                                           : ERR_NO_MEMORY;
}

/* What is sorted instead of groups: small, and nearly always enough to tell
 * two groups apart without following a pointer. */
struct sorted {
    uint64_t prefix;
    uint32_t field;
    uint32_t group;
};

static bool sorted_before(const struct group *groups, const struct sorted *a,
                          const struct sorted *b)
{
    if (a->field != b->field)
        return a->field < b->field;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    const struct group *x = &groups[a->group], *y = &groups[b->group];
    return key_compare(&x->key, x->value, &y->key, y->value) < 0;
}

static void sift(const struct group *groups, struct sorted *list, size_t at, size_t count)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && sorted_before(groups, &list[child], &list[child + 1]))
            child++;
        if (!sorted_before(groups, &list[at], &list[child]))
            return;
        struct sorted held = list[at];
        list[at] = list[child];
        list[child] = held;
    }
}

static void heap_sort(const struct group *groups, struct sorted *list, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift(groups, list, i, count);
    for (size_t end = count; end-- > 1;) {
        struct sorted held = list[0];
        list[0] = list[end];
        list[end] = held;
        sift(groups, list, 0, end);
    }
}

enum { SORT_SMALL = 16 };

/* Quicksort around the middle of three; values come from clients, so a run of
 * bad splits ends in heapsort. What is small stays for one insertion sort. */
static void quick_sort(const struct group *groups, struct sorted *list, size_t count, int depth)
{
    while (count > SORT_SMALL) {
        if (depth-- == 0) {
            heap_sort(groups, list, count);
            return;
        }
        struct sorted a = list[0], b = list[count / 2], c = list[count - 1];
        struct sorted pivot = sorted_before(groups, &a, &b)
                                  ? (sorted_before(groups, &b, &c)   ? b
                                     : sorted_before(groups, &a, &c) ? c
                                                                     : a)
                                  : (sorted_before(groups, &a, &c)   ? a
                                     : sorted_before(groups, &b, &c) ? c
                                                                     : b);
        size_t low = 0, high = count - 1;
        for (;; low++, high--) { /* below low nothing is above the pivot, and so on */
            while (sorted_before(groups, &list[low], &pivot))
                low++;
            while (sorted_before(groups, &pivot, &list[high]))
                high--;
            if (low >= high)
                break;
            struct sorted held = list[low];
            list[low] = list[high];
            list[high] = held;
        }
        quick_sort(groups, list + low, count - low, depth);
        count = low;
    }
}

static void sort_groups(const struct group *groups, struct sorted *list, size_t count)
{
    int depth = 0;
    for (size_t n = count; n; n /= 2)
        depth += 2;
    quick_sort(groups, list, count, depth);
    for (size_t i = 1; i < count; i++) {
        struct sorted held = list[i];
        size_t k = i;
        for (; k && sorted_before(groups, &held, &list[k - 1]); k--)
            list[k] = list[k - 1];
        list[k] = held;
    }
}

/* The groups in key order; then each group's place in the documents. */
static enum err grouping_render(struct grouping *g, struct arena *scratch, struct run **ret_run)
{
    struct sorted *order = arena_raw(scratch, (g->group_count + 1) * sizeof *order);
    uint32_t *ends = arena_raw(scratch, (g->group_count + 1) * sizeof *ends);
    struct run *run = run_new(g->group_count, g->posting_count, g->value_bytes);
    if (!order || !ends || !run) {
        run_unref(run);
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < g->group_count; i++)
        order[i] = (struct sorted){ g->groups[i].key.prefix, g->groups[i].key.field, i };
    sort_groups(g->groups, order, g->group_count);
    uint32_t value_at = 0, docs_at = 0;
    for (uint32_t i = 0; i < g->group_count; i++) {
        const struct group *group = &g->groups[order[i].group];
        run->keys[i] = group->key;
        run->keys[i].value_at = value_at;
        run->keys[i].docs_at = docs_at;
        if (group->key.value_size)
            memcpy(run->bytes + value_at, group->value, group->key.value_size);
        value_at += group->key.value_size;
        ends[group - g->groups] = docs_at;
        docs_at += group->count;
    }
    run->keys[g->group_count] = (struct run_key){ .value_at = value_at, .docs_at = docs_at };
    for (uint32_t i = 0; i < g->posting_count; i++)
        run->docs[ends[g->posting_groups[i]]++] = g->posting_places[i];
    run->key_count = g->group_count;
    run->doc_count = g->posting_count;
    *ret_run = run;
    return ERR_NONE;
}

enum err run_build(const struct run_source *sources, size_t count, uint64_t seed, run_name *name,
                   const void *context, struct arena *scratch, struct run **ret_run)
{
    size_t terms = 0;
    for (size_t i = 0; i < count; i++)
        terms += sources[i].count;
    struct arena_mark mark = arena_mark(scratch);
    struct grouping g;
    enum err err = grouping_init(&g, terms, scratch);
    for (size_t i = 0; !err && i < count; i++) {
        for (size_t t = 0; !err && t < sources[i].count; t++) {
            struct term term = sources[i].terms[t];
            if (name)
                term.field = name(context, term.field, (uint32_t)i);
            if (term.value.length > TERM_VALUE_BYTES_MAX)
                err = ERR_INVALID;
            else if (!name || term.field != RUN_NOWHERE)
                grouping_add(&g, &term, (uint32_t)i, seed);
        }
    }
    if (!err)
        err = grouping_render(&g, scratch, ret_run);
    if (!err)
        (*ret_run)->span = (uint32_t)count;
    arena_rewind(scratch, mark);
    return err;
}

uint32_t run_lower_bound(const struct run *run, uint32_t field, struct slice value)
{
    struct run_key wanted = { .field = field,
                              .value_size = (uint32_t)value.length,
                              .prefix = prefix_of(value) };
    uint32_t low = 0, high = run->key_count;
    while (low < high) { /* keys below low are smaller, keys from high on are not */
        uint32_t middle = low + (high - low) / 2;
        if (key_compare(&run->keys[middle], run->bytes, &wanted, value.bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t run_find(const struct run *run, uint32_t field, struct slice value)
{
    uint32_t at = run_lower_bound(run, field, value);
    bool found = at < run->key_count && run->keys[at].field == field &&
                 slice_equal(run_value(run, &run->keys[at]), value);
    return found ? at : run->key_count;
}

/* ---- walking several runs ---- */

static bool walk_before(const struct run_walk *walk, uint32_t a, uint32_t b)
{
    const struct run *x = walk->runs[a], *y = walk->runs[b];
    int order =
        key_compare(&x->keys[walk->at[a]], x->bytes, &y->keys[walk->at[b]], y->bytes);
    return order ? order < 0 : a < b;
}

static void heap_sift(struct run_walk *walk, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= walk->heap_count)
            return;
        if (child + 1 < walk->heap_count &&
            walk_before(walk, walk->heap[child + 1], walk->heap[child]))
            child++;
        if (!walk_before(walk, walk->heap[child], walk->heap[at]))
            return;
        uint32_t held = walk->heap[at];
        walk->heap[at] = walk->heap[child];
        walk->heap[child] = held;
        at = child;
    }
}

enum err run_walk_init(struct run_walk *walk, struct run *const *runs, size_t count)
{
    *walk = (struct run_walk){ .runs = runs, .count = count };
    walk->at = calloc(count * 4 + 1, sizeof *walk->at);
    if (!walk->at)
        return ERR_NO_MEMORY;
    walk->heap = walk->at + count;
    walk->hits = walk->heap + count;
    walk->hit_keys = walk->hits + count;
    for (size_t i = 0; i < count; i++)
        if (runs[i]->key_count)
            walk->heap[walk->heap_count++] = (uint32_t)i;
    for (size_t i = walk->heap_count / 2; i-- > 0;)
        heap_sift(walk, i);
    return ERR_NONE;
}

void run_walk_release(struct run_walk *walk)
{
    free(walk->at);
    walk->at = NULL;
}

bool run_walk_next(struct run_walk *walk)
{
    walk->hit_count = 0;
    while (walk->heap_count) {
        uint32_t top = walk->heap[0];
        const struct run *run = walk->runs[top];
        if (walk->hit_count) {
            const struct run *first = walk->runs[walk->hits[0]];
            if (key_compare(&first->keys[walk->hit_keys[0]], first->bytes,
                            &run->keys[walk->at[top]], run->bytes))
                break;
        }
        walk->hits[walk->hit_count] = top;
        walk->hit_keys[walk->hit_count++] = walk->at[top];
        if (++walk->at[top] == run->key_count)
            walk->heap[0] = walk->heap[--walk->heap_count];
        heap_sift(walk, 0);
    }
    return walk->hit_count > 0;
}

/* ---- joining ---- */

static void join_key(struct run *out, const struct run_walk *walk)
{
    const struct run *first = walk->runs[walk->hits[0]];
    const struct run_key *key = &first->keys[walk->hit_keys[0]];
    struct run_key *made = &out->keys[out->key_count];
    uint32_t value_at = made->value_at; /* where the one before it ended */
    *made = (struct run_key){ key->field, key->value_size, key->prefix, value_at, out->doc_count };
    memcpy(out->bytes + value_at, first->bytes + key->value_at, key->value_size);
    for (size_t i = 0; i < walk->hit_count; i++) {
        const struct run *run = walk->runs[walk->hits[i]];
        const struct run_key *k = &run->keys[walk->hit_keys[i]];
        uint32_t shift = (uint32_t)(run->base - out->base);
        for (uint32_t d = k->docs_at; d < k[1].docs_at; d++)
            out->docs[out->doc_count++] = run->docs[d] + shift;
    }
    out->key_count++;
    out->keys[out->key_count] = (struct run_key){ .value_at = value_at + key->value_size,
                                                  .docs_at = out->doc_count };
}

enum err run_join(struct run *const *runs, size_t count, struct run **ret_run)
{
    CHECK(count > 0);
    size_t keys = 0, docs = 0, bytes = 0;
    for (size_t i = 0; i < count; i++) {
        keys += runs[i]->key_count;
        docs += runs[i]->doc_count;
        bytes += runs[i]->keys[runs[i]->key_count].value_at;
    }
    struct run_walk walk;
    TRY(run_walk_init(&walk, runs, count));
    struct run *run = run_new(keys, docs, bytes);
    if (run) {
        run->base = runs[0]->base;
        run->span = (uint32_t)(run_last(runs[count - 1]) - run->base + 1);
        run->keys[0] = (struct run_key){ 0 };
        while (run_walk_next(&walk))
            join_key(run, &walk);
        *ret_run = run;
    }
    run_walk_release(&walk);
    return run ? ERR_NONE : ERR_NO_MEMORY;
}
