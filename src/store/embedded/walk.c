/* Matches in the order of a field's values: the keys of every segment and run that has
 * some are merged, one after the other, so that a page ends the walk. */
#include <stdlib.h>

#include "store/embedded/matches.h"

enum {
    SMALL_GROUP = 4096, /* postings of one key that are looked at one by one */
    LISTS_FIRST = 64,
    SEEK_UNITS = 20,    /* of work */
};

/* The values of one part in one segment or run; stands on one of them. */
struct source {
    const struct store_part *part;
    uint32_t field;            /* the part's, as it is called in the segments */
    struct segment_walk *walk; /* of a segment; else NULL */
    const struct run *run;
    uint32_t at;               /* in the run */
    struct slice key;          /* lives until the source is moved */
};

struct store_walk {
    struct store_matches *matches;
    const struct store_order *order;
    struct arena *arena;
    struct source *sources;
    size_t source_count;
    struct source **heap; /* the next key on top */
    size_t heap_count;
    char key[TERM_VALUE_BYTES_MAX]; /* the current one */
    size_t key_size;
    struct posting *lists; /* of it; in their first state */
    uint32_t list_count, list_room;
    uint64_t postings;     /* of it, */
    uint64_t looked_at;    /* and of all so far */
    struct block_rooms { union block_room a, b; } *rooms;
};

/* ---- one source ---- */

/* What of a value is its key. */
static struct slice key_of(const struct store_walk *w, const struct source *s, struct slice value)
{
    struct slice key = slice_from(value, s->part->prefix.length);
    if (w->order->key_bytes)
        return slice_head(key, w->order->key_bytes);
    ptrdiff_t end = slice_find_byte(key, '\0');
    return end < 0 ? key : slice_head(key, (size_t)end);
}

/* Is the value that it stands on still of the part? Then its key is taken. */
static bool take_key(const struct store_walk *w, struct source *s, uint32_t field,
                     struct slice value)
{
    if (field != s->field || !slice_starts_with(value, s->part->prefix))
        return false;
    s->key = key_of(w, s, value);
    return true;
}

static bool run_take(const struct store_walk *w, struct source *s)
{
    const struct run_key *key = &s->run->keys[s->at];
    return s->at < s->run->key_count &&
           take_key(w, s, key->field, run_value(s->run, key));
}

static enum err segment_take(const struct store_walk *w, struct source *s, bool any, bool *ret)
{
    const struct keys_reader *leaf = &s->walk->leaf;
    *ret = false;
    if (!any)
        return ERR_NONE;
    if (leaf->key_size < 4)
        return ERR_CORRUPT;
    *ret = take_key(w, s, key_field(leaf->key),
                    slice_of((const char *)leaf->key + 4, leaf->key_size - 4));
    return ERR_NONE;
}

/* The value that all of the part's, or those from `from` on, begin with; walking down,
 * what lies above all of them. */
static size_t start_render(const struct store_walk *w, const struct source *s,
                           uint8_t key[KEY_BYTES_MAX])
{
    const struct store_order *o = w->order;
    size_t size = key_render(key, s->field, s->part->prefix);
    if (o->has_from) {
        size_t length = MIN(o->from.length, (size_t)KEY_BYTES_MAX - size);
        if (length)
            memcpy(key + size, o->from.bytes, length);
        size += length;
    }
    if (!o->is_descending)
        return size;
    /* A key that ends at a NUL is followed by that or nothing: 1 is above both. */
    if (o->has_from && !o->key_bytes && size < KEY_BYTES_MAX) {
        key[size++] = 1;
        return size;
    }
    while (key[size - 1] == 0xff)
        size--;
    key[size - 1]++;
    return size;
}

static enum err source_begin(struct store_walk *w, struct source *s, const struct segment *segment,
                             bool *ret)
{
    uint8_t key[KEY_BYTES_MAX];
    size_t size = start_render(w, s, key);
    bool any = false, down = w->order->is_descending;
    if (segment) {
        TRY(down ? segment_walk_seek_below(s->walk, segment, key, size, &any)
                 : segment_walk_seek(s->walk, segment, key, size, &any));
        return segment_take(w, s, any, ret);
    }
    struct slice value = slice_of((char *)key + 4, size - 4);
    s->at = run_lower_bound(s->run, key_field(key), value);
    *ret = (!down || s->at-- > 0) && run_take(w, s);
    return ERR_NONE;
}

static enum err source_move(struct store_walk *w, struct source *s, bool *ret)
{
    bool any = false, down = w->order->is_descending;
    if (s->walk) {
        TRY(down ? segment_walk_previous(s->walk, &any) : segment_walk_next(s->walk, &any));
        return segment_take(w, s, any, ret);
    }
    *ret = down ? s->at > 0 : s->at + 1 < s->run->key_count;
    s->at += down ? -1u : 1u;
    *ret = *ret && run_take(w, s);
    return ERR_NONE;
}

static enum err source_list(const struct source *s, struct posting *ret)
{
    if (s->walk)
        return segment_walk_list(s->walk, ret);
    const struct run_key *key = &s->run->keys[s->at];
    posting_open_run(ret, s->run->docs + key->docs_at, key[1].docs_at - key->docs_at,
                     s->run->base);
    return ERR_NONE;
}

/* ---- all sources ---- */

static bool is_before(const struct store_walk *w, const struct source *a, const struct source *b)
{
    int order = slice_compare(a->key, b->key);
    return w->order->is_descending ? order > 0 : order < 0;
}

static void sift_down(struct store_walk *w, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= w->heap_count)
            return;
        if (child + 1 < w->heap_count && is_before(w, w->heap[child + 1], w->heap[child]))
            child++;
        if (!is_before(w, w->heap[child], w->heap[at]))
            return;
        struct source *held = w->heap[at];
        w->heap[at] = w->heap[child];
        w->heap[child] = held;
        at = child;
    }
}

/* What `like` has to walk a segment with stays with it where the source has nothing. */
static enum err source_add(struct store_walk *w, struct source *like,
                           const struct segment *segment)
{
    struct source *s = &w->sources[w->source_count];
    bool any = false;
    if (segment && !like->walk && !(like->walk = arena_raw(w->arena, sizeof *like->walk)))
        return ERR_LIMIT;
    *s = *like;
    s->walk = segment ? s->walk : NULL;
    TRY(work_spend(w->matches->tree.postings.work, w->matches->tree.plan, SEEK_UNITS));
    TRY(source_begin(w, s, segment, &any));
    if (any) {
        w->heap[w->heap_count++] = s;
        w->source_count++;
        like->walk = segment ? NULL : like->walk;
    }
    return ERR_NONE;
}

static enum err segment_add(struct store_walk *w, struct source *like, struct segment *segment)
{
    return reader_damage(w->matches->tree.postings.segments, segment,
                         source_add(w, like, segment));
}

static enum err sources_add(struct store_walk *w)
{
    const struct postings_reader *reader = &w->matches->tree.postings;
    const struct postings_view *view = reader->view;
    const struct segment_set *set = view->segments;
    for (size_t p = 0; p < w->order->part_count; p++) {
        struct source s = { .part = &w->order->parts[p] };
        TRY(fields_ask(view->fields, s.part->field, &s.field));
        if (s.field == FIELD_NOWHERE)
            continue;
        for (uint32_t i = 0; i < segment_set_seen(set); i++)
            if (!reader_skips(reader, set->list[i]))
                TRY(segment_add(w, &s, set->list[i]));
        for (uint32_t i = 0; i < view->count; i++) {
            s.run = view->runs[i];
            TRY(source_add(w, &s, NULL));
        }
    }
    for (size_t i = w->heap_count / 2; i-- > 0;)
        sift_down(w, i);
    return ERR_NONE;
}

enum err store_walk_open(struct store_matches *matches, const struct store_order *order,
                         struct arena *arena, struct store_walk **ret)
{
    struct store_walk *w = arena_alloc(arena, sizeof *w);
    const struct postings_view *view = matches->tree.postings.view;
    size_t most = (size_t)segment_set_seen(view->segments) + view->count;
    if (!w)
        return ERR_LIMIT;
    *w = (struct store_walk){ .matches = matches, .order = order, .arena = arena };
    most = MAX(most * order->part_count, (size_t)1);
    w->sources = arena_array(arena, most, sizeof *w->sources);
    w->heap = arena_array(arena, most, sizeof *w->heap);
    w->rooms = arena_raw(arena, sizeof *w->rooms);
    w->list_room = LISTS_FIRST;
    w->lists = arena_raw(arena, LISTS_FIRST * sizeof *w->lists);
    if (!w->sources || !w->heap || !w->rooms || !w->lists)
        return ERR_LIMIT;
    TRY(reader_settle(&matches->tree.postings, sources_add(w)));
    *ret = w;
    return ERR_NONE;
}

/* ---- keys ---- */

static enum err list_add(struct store_walk *w, const struct source *s)
{
    if (w->list_count == w->list_room) {
        struct posting *larger = arena_raw(w->arena, 2 * w->list_room * sizeof *larger);
        if (!larger)
            return ERR_LIMIT;
        memcpy(larger, w->lists, w->list_count * sizeof *larger);
        w->lists = larger;
        w->list_room *= 2;
    }
    TRY(source_list(s, &w->lists[w->list_count]));
    w->postings += w->lists[w->list_count++].count;
    return work_spend(w->matches->tree.postings.work, w->matches->tree.plan, 1);
}

static enum err next_key(struct store_walk *w)
{
    struct slice key = w->heap[0]->key;
    w->key_size = key.length;
    if (key.length)
        memcpy(w->key, key.bytes, key.length);
    key = slice_of(w->key, w->key_size);
    while (w->heap_count && slice_equal(w->heap[0]->key, key)) {
        bool any = false;
        TRY(list_add(w, w->heap[0]));
        TRY(source_move(w, w->heap[0], &any));
        if (!any)
            w->heap[0] = w->heap[--w->heap_count];
        sift_down(w, 0);
    }
    return ERR_NONE;
}

enum err store_walk_next(struct store_walk *w, bool *ret_any, struct slice *ret_key)
{
    w->looked_at += MIN(w->postings, (uint64_t)SMALL_GROUP);
    w->list_count = 0;
    w->postings = 0;
    *ret_any = w->heap_count > 0;
    if (!*ret_any)
        return ERR_NONE;
    if (w->order->budget && w->looked_at > w->order->budget)
        return ERR_BUSY;
    enum err err = reader_damage(w->matches->tree.postings.segments, NULL, next_key(w));
    err = reader_settle(&w->matches->tree.postings, err);
    w->looked_at++;
    *ret_key = slice_of(w->key, w->key_size);
    return err;
}

/* ---- a key's documents ---- */

static int doc_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool lies_between(const struct store_between *b, uint64_t doc)
{
    return doc > b->after && (!b->before || doc < b->before);
}

static enum err matched_add(struct store_walk *w, uint64_t doc, struct picked *p)
{
    struct store_matches *m = w->matches;
    bool is_match = false;
    if (!w->order->is_implied)
        TRY(matches_have(m, doc, &is_match));
    else if (doc <= m->tree.time)
        TRY(death_is_alive(&m->tree.store->deaths, doc, m->tree.alive_at, &is_match));
    return is_match ? picked_add(p, doc) : ERR_NONE;
}

/* So few that each is looked at. */
static enum err pick_small(struct store_walk *w, struct picked *p)
{
    uint64_t docs[SMALL_GROUP];
    size_t count = 0;
    for (uint32_t i = 0; i < w->list_count; i++) {
        struct posting list = w->lists[i];
        while (list.number != POSTING_END) {
            struct block block;
            struct block_place place = { 0 };
            TRY(posting_next(&list, &w->rooms->a, &block));
            for (uint32_t low = 0; (low = block_seek(&block, &place, low)) != BLOCK_NONE; low++) {
                uint64_t doc = block.number << BLOCK_SHIFT | low;
                if (count == SMALL_GROUP)
                    return ERR_CORRUPT; /* more than the entries say */
                if (lies_between(p->between, doc))
                    docs[count++] = doc;
            }
        }
    }
    if (w->list_count > 1)
        qsort(docs, count, sizeof *docs, doc_compare);
    bool down = p->between->is_from_end;
    for (size_t i = 0; i < count && !picked_is_full(p); i++) {
        uint64_t doc = docs[down ? count - 1 - i : i];
        if (!i || doc != docs[down ? count - i : i - 1])
            TRY(matched_add(w, doc, p));
    }
    return ERR_NONE;
}

static enum err pick_block(struct store_walk *w, const struct block *block, struct picked *p)
{
    struct store_matches *m = w->matches;
    struct block mine, both = *block, live;
    bool any = true;
    if (!w->order->is_implied) {
        TRY(matches_block(m, block->number, &any, &mine));
        any = any && block_and(block, &mine, &w->rooms->a, &both);
    }
    if (any)
        TRY(tree_live(&m->tree, &both, &any, &live));
    return any ? picked_add_block(p, &live) : ERR_NONE;
}

/* Block by block, from the end that is wanted. */
static enum err pick_large(struct store_walk *w, struct posting_union *u, struct picked *p)
{
    const struct store_between *b = p->between;
    uint64_t last = b->before ? MIN(b->before - 1, w->matches->tree.time) : w->matches->tree.time;
    uint64_t low = (b->after + 1) >> BLOCK_SHIFT, high = last >> BLOCK_SHIFT;
    bool any = true;
    struct block block;
    for (uint64_t i = low; i <= high && any && !picked_is_full(p); i++) {
        uint64_t number = b->is_from_end ? high - (i - low) : i;
        if (b->is_from_end)
            TRY(posting_union_rewind(u));
        TRY(posting_union_next(u, number, &any, &block));
        w->looked_at += any ? block.count / 32 : 0;
        if (b->is_from_end && (!any || block.number != number)) {
            any = true;
            continue;
        }
        if (any && block.number <= high)
            TRY(pick_block(w, &block, p));
        i = any && !b->is_from_end ? block.number : i;
    }
    return ERR_NONE;
}

static enum err pick_lists(struct store_walk *w, struct picked *p)
{
    struct arena scratch;
    struct posting_union u;
    arena_init(&scratch, (size_t)64 << 20);
    struct posting *lists = arena_array(&scratch, w->list_count, sizeof *lists);
    enum err err = lists ? ERR_NONE : ERR_LIMIT;
    if (!err) {
        memcpy(lists, w->lists, w->list_count * sizeof *lists);
        err = posting_union_open(&u, lists, w->list_count, &scratch);
    }
    if (!err)
        err = pick_large(w, &u, p);
    arena_release(&scratch);
    return err;
}

enum err store_walk_docs(struct store_walk *w, const struct store_between *between,
                         struct arena *arena, uint64_t **ret_docs, size_t *ret_count)
{
    struct picked p = { .between = between, .arena = arena };
    enum err err = ERR_NONE;
    if (w->list_count)
        err = w->postings <= SMALL_GROUP ? pick_small(w, &p) : pick_lists(w, &p);
    err = reader_damage(w->matches->tree.postings.segments, NULL, err);
    err = reader_settle(&w->matches->tree.postings, err);
    picked_finish(&p, ret_docs, ret_count);
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}

/* ---- what has no key ---- */

static enum err pick_others(struct store_walk *w, struct docset *have, struct picked *p)
{
    struct store_matches *m = w->matches;
    uint64_t high = m->tree.time >> BLOCK_SHIFT;
    for (uint64_t i = 0; i <= high && !picked_is_full(p); i++) {
        uint64_t number = p->between->is_from_end ? high - i : i;
        struct block mine, theirs, left, live;
        bool any = false;
        TRY(matches_block(m, number, &any, &mine));
        if (!any)
            continue;
        have->at = 0;
        left = mine;
        if (docset_block(have, number, &theirs) && theirs.number == number)
            any = block_and_not(&mine, &theirs, &w->rooms->a, &left);
        if (any)
            TRY(tree_live(&m->tree, &left, &any, &live));
        if (any)
            TRY(picked_add_block(p, &live));
    }
    return ERR_NONE;
}

enum err store_walk_missing(struct store_walk *w, const struct store_between *between,
                            struct arena *arena, uint64_t **ret_docs, size_t *ret_count)
{
    struct picked p = { .between = between, .arena = arena };
    struct docset have;
    enum err err = ERR_NONE;
    docset_init(&have, w->matches->tree.time, w->arena);
    for (size_t i = 0; !err && i < w->order->part_count; i++) {
        const struct plan part = { .kind = PLAN_PREFIX,
                                   .field = w->order->parts[i].field,
                                   .from = w->order->parts[i].prefix };
        err = postings_gather(&w->matches->tree.postings, &part, &have);
    }
    if (!err)
        err = docset_open(&have);
    if (!err)
        err = pick_others(w, &have, &p);
    err = reader_settle(&w->matches->tree.postings, err);
    picked_finish(&p, ret_docs, ret_count);
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}

enum err store_order_size(struct store_reader *reader, const struct store_order *order,
                          uint64_t enough, uint64_t *ret_postings)
{
    struct postings_reader postings;
    *ret_postings = 0;
    TRY(reader_postings(reader, &postings));
    for (size_t i = 0; i < order->part_count && *ret_postings < enough; i++) {
        const struct plan part = { .kind = PLAN_PREFIX,
                                   .field = order->parts[i].field,
                                   .from = order->parts[i].prefix };
        uint64_t keys = 0, count = 0;
        TRY(postings_estimate(&postings, &part, enough - *ret_postings, &keys, &count));
        *ret_postings += count;
    }
    return reader_settle(&postings, ERR_NONE);
}
