/* The index against the terms of the bodies, both ways.
 *
 * Every posting adds a hash of (field, value, document) to its document's sum, and so
 * does every term extracted again: equal sums mean that exactly these postings are
 * there. Sums are kept for a window of documents, so memory is bounded and the index's
 * keys are read once a window. Who differs is a suspect, and compared term by term. */
#include <stdlib.h>

#include <xxhash.h>

#include "os/clock.h"
#include "store/embedded/check.h"
#include "store/embedded/cursor.h"

enum { WAIT_US = 10000, PACE_KEYS = 256, RANGES_MAX = 4096 };
static const size_t DOCUMENT_ARENA_BYTES = (size_t)1 << 30;
static const size_t EXACT_ARENA_BYTES = (size_t)256 << 20;

static uint64_t value_hash(const struct check *c, uint32_t place, struct slice value)
{
    return XXH3_64bits_withSeed(value.bytes ? value.bytes : "", value.length,
                                c->store->seed ^ (uint64_t)place << 17);
}

static uint64_t posting_hash(uint64_t value, uint64_t doc)
{
    uint64_t x = value + doc * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* Not what is left of fields that moved, nor what is being derived. */
static bool is_compared(struct check *c, uint32_t place)
{
    const struct fields *f = c->fields;
    if (c->seen_any && c->seen_place == place)
        return c->seen_compared;
    bool is_ready = fields_has_place(f, place);
    for (uint32_t i = 0; is_ready && i < f->count; i++)
        if (f->rows[i].place == place)
            is_ready = f->rows[i].done >= f->rows[i].until;
    c->seen_any = true;
    c->seen_place = place;
    return c->seen_compared = is_ready;
}

/* ---- reading what the index holds of some documents ---- */

/* A posting of one of them. */
struct held {
    uint64_t doc;
    struct term term; /* its field is the place */
};

struct holding {
    struct check *c;
    const struct postings_view *view;
    struct segment_walk *walk;
    union block_room *room;
    uint64_t first, last;
    /* Exactly: postings of these, into the arena. Else sums. */
    const uint64_t *docs;
    uint32_t doc_count;
    struct arena *arena;
    struct held *held;
    size_t count, held_room;
};

static enum err held_add(struct holding *h, uint64_t doc, uint32_t place, struct slice *value)
{
    if (h->count == h->held_room) {
        size_t room = h->held_room ? 2 * h->held_room : 1024;
        struct held *more = arena_array(h->arena, room, sizeof *more);
        if (!more)
            return ERR_LIMIT;
        if (h->count)
            memcpy(more, h->held, h->count * sizeof *more);
        h->held = more;
        h->held_room = room;
    }
    h->held[h->count++] = (struct held){ doc, { place, *value } };
    return ERR_NONE;
}

static bool is_asked(const struct holding *h, uint64_t doc)
{
    uint32_t low = 0, high = h->doc_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (h->docs[middle] < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return low < h->doc_count && h->docs[low] == doc;
}

static enum err hold_block(struct holding *h, const struct block *block, uint32_t place,
                           struct slice *value, uint64_t hash, bool *is_copied)
{
    struct block_place at = { 0 };
    uint64_t from = block->number << BLOCK_SHIFT;
    uint32_t low = h->first > from ? (uint32_t)(h->first - from) : 0;
    for (; (low = block_seek(block, &at, low)) != BLOCK_NONE; low++) {
        uint64_t doc = from + low;
        if (doc > h->last)
            break;
        if (!h->docs) {
            h->c->sums[doc - h->c->first] += posting_hash(hash, doc);
            continue;
        }
        if (!is_asked(h, doc))
            continue;
        if (!*is_copied && value->length) {
            *value = slice_of(arena_copy(h->arena, *value), value->length);
            if (!value->bytes)
                return ERR_LIMIT;
        }
        *is_copied = true;
        TRY(held_add(h, doc, place, value));
    }
    return ERR_NONE;
}

static enum err hold_list(struct holding *h, struct posting *list, uint32_t place,
                          struct slice value)
{
    uint64_t hash = 0;
    bool is_hashed = false, is_copied = false;
    TRY(posting_skip(list, h->first >> BLOCK_SHIFT));
    while (list->number != POSTING_END && list->number <= h->last >> BLOCK_SHIFT) {
        struct block block;
        TRY(posting_next(list, h->room, &block));
        if (!is_hashed && !h->docs)
            hash = value_hash(h->c, place, value);
        is_hashed = true;
        TRY(hold_block(h, &block, place, &value, hash, &is_copied));
    }
    return ERR_NONE;
}

static enum err hold_segment(struct holding *h, const struct segment *s)
{
    bool any = false;
    uint64_t keys = 0, bytes_a_key = s->size / MAX(s->footer.key_count, UINT64_C(1));
    TRY(segment_walk_seek(h->walk, s, NULL, 0, &any));
    while (any) {
        struct posting list;
        const struct keys_reader *leaf = &h->walk->leaf;
        if (leaf->key_size < 4)
            return ERR_CORRUPT;
        uint32_t place = key_field(leaf->key);
        if (is_compared(h->c, place)) {
            TRY(segment_walk_list(h->walk, &list));
            TRY(hold_list(h, &list, place,
                          slice_of((const char *)leaf->key + 4, leaf->key_size - 4)));
        }
        if (++keys % PACE_KEYS == 0)
            TRY(check_pace(h->c, 1 + PACE_KEYS * bytes_a_key / CHECK_BYTES_A_UNIT / 8));
        TRY(segment_walk_next(h->walk, &any));
    }
    return ERR_NONE;
}

static enum err hold_run(struct holding *h, const struct run *run)
{
    for (uint32_t at = 0; at < run->key_count; at++) {
        const struct run_key *key = &run->keys[at];
        struct posting list;
        if (!is_compared(h->c, key->field))
            continue;
        posting_open_run(&list, run->docs + key->docs_at, key[1].docs_at - key->docs_at,
                         run->base);
        TRY(hold_list(h, &list, key->field, run_value(run, key)));
    }
    return ERR_NONE;
}

/* ---- what cannot be read ---- */

static enum err skip(struct check *c, const struct segment *s)
{
    if (!c->skipped)
        c->skipped = malloc(RANGES_MAX * sizeof *c->skipped); /* as long as the check */
    if (!c->skipped)
        return ERR_NO_MEMORY;
    if (c->skipped_count < RANGES_MAX)
        c->skipped[c->skipped_count++] = (struct check_range){ s->footer.first, s->footer.last };
    return ERR_NONE;
}

static bool is_skipped(const struct check *c, uint64_t doc)
{
    for (uint32_t i = 0; i < c->skipped_count; i++)
        if (c->skipped[i].first <= doc && doc <= c->skipped[i].last)
            return true;
    return false;
}

/* Who waits is told ERR_NOT_READY once, and comes back when it is whole. */
static enum err damage(struct check *c, const struct segment *s)
{
    const struct store_finding f = { .kind = STORE_FINDING_SEGMENT,
                                     .segment = s->footer.number,
                                     .doc = s->footer.first,
                                     .last = s->footer.last };
    bool is_new = c->waits || !c->has_told_damage;
    c->has_told_damage = true;
    if (is_new)
        TRY(c->found(c->context, &f));
    return c->waits ? ERR_NOT_READY : skip(c, s);
}

static enum err hold_one(struct holding *h, struct segment *s)
{
    if (s->footer.last < h->first || s->footer.first > h->last)
        return ERR_NONE;
    if (atomic_load(&s->is_damaged))
        return damage(h->c, s);
    uint64_t since = os_faults();
    enum err err = hold_segment(h, s);
    if (!os_faults_are_none(since) && segment_failed(s, since))
        err = ERR_CORRUPT; /* what was counted may be zeros */
    if (err != ERR_CORRUPT)
        return err;
    segments_report_damage(&h->c->store->segments, s);
    return damage(h->c, s);
}

static enum err hold_all(struct holding *h)
{
    const struct segment_set *set = h->view->segments;
    struct arena arena;
    arena_init(&arena, (size_t)1 << 20);
    h->walk = arena_raw(&arena, sizeof *h->walk);
    h->room = arena_raw(&arena, sizeof *h->room);
    enum err err = h->walk && h->room ? ERR_NONE : ERR_NO_MEMORY;
    for (uint32_t i = 0; !err && i < segment_set_seen(set); i++)
        err = hold_one(h, set->list[i]);
    for (uint32_t i = 0; !err && i < h->view->count; i++) {
        const struct run *run = h->view->runs[i];
        if (run->base <= h->last && run_last(run) >= h->first)
            err = hold_run(h, run);
    }
    arena_release(&arena);
    return err;
}

/* The index as it is now, of documents first .. last. */
static enum err hold(struct holding *h)
{
    struct check *c = h->c;
    enum err err;
    while ((err = store_wait_index(c->store)) == ERR_BUSY)
        TRY(check_sleep(c, WAIT_US)); /* a tail that is being derived */
    TRY(err);
    check_gate_in(c);
    struct postings_view *view = postings_view_take(&c->store->postings);
    fields_unref(c->fields);
    c->fields = fields_ref(view->fields);
    c->seen_any = false;
    h->view = view;
    err = hold_all(h);
    postings_view_give(view);
    check_gate_out(c);
    return err;
}

/* Until what is written again is whole. */
static enum err await(struct check *c)
{
    struct repair_figures f = { .damaged = 1 };
    while (f.damaged) {
        TRY(check_sleep(c, WAIT_US));
        struct postings_view *view = postings_view_take(&c->store->postings);
        store_repair_figures(view, &f);
        postings_view_give(view);
    }
    return ERR_NONE;
}

/* ---- the terms of a body ---- */

static int term_compare(const void *a, const void *b)
{
    const struct term *x = a, *y = b;
    if (x->field != y->field)
        return x->field < y->field ? -1 : 1;
    return slice_compare(x->value, y->value);
}

/* What is called as the window has it; ERR_CONFLICT once it is not any more. What
 * extracts may know of new rules a moment before the store does. */
static enum err rules_match(struct check *c, bool *ret)
{
    const struct store *store = c->store;
    if (postings_mapping(&c->store->postings) != c->fields->mapping)
        return ERR_CONFLICT;
    *ret = !store->rules_number ||
           store->rules_number(store->extract_context) == c->fields->number;
    return ERR_NONE;
}

static enum err extract(struct check *c, const struct check_doc *d, struct arena *arena,
                        struct term **ret, size_t *ret_count)
{
    const struct store *store = c->store;
    for (;;) {
        bool before = false, after = false;
        TRY(rules_match(c, &before));
        TRY(store->extract(store->extract_context, types_name(store->types, d->type), d->id,
                           d->body, arena, ret, ret_count));
        TRY(rules_match(c, &after));
        if (before && after)
            return ERR_NONE;
        TRY(check_sleep(c, WAIT_US));
    }
}

/* By place, in order, each once, of those that are compared. */
static enum err terms_of(struct check *c, const struct check_doc *d, struct arena *arena,
                         struct term **ret, size_t *ret_count)
{
    struct term *terms = NULL;
    size_t count = 0, kept = 0;
    *ret_count = 0;
    if (!d->is_there || d->is_deleted)
        return ERR_NONE;
    TRY(extract(c, d, arena, &terms, &count));
    for (size_t i = 0; i < count; i++) {
        uint32_t place = FIELD_NOWHERE;
        if (fields_ask(c->fields, terms[i].field, &place) || place == FIELD_NOWHERE)
            continue;
        terms[kept] = terms[i];
        terms[kept++].field = place;
    }
    if (kept)
        qsort(terms, kept, sizeof *terms, term_compare);
    for (size_t i = 0; i < kept; i++)
        if (!i || term_compare(&terms[*ret_count - 1], &terms[i]))
            terms[(*ret_count)++] = terms[i];
    *ret = terms;
    return ERR_NONE;
}

/* May it be compared at all? What was erased, or dead at the horizon, the index may have
 * or not; a body whose bytes are wrong says nothing about its terms. */
static bool is_told_by(const struct check *c, const struct check_doc *d)
{
    return d->is_there && d->is_sound && !is_skipped(c, d->doc) &&
           !(d->killer && check_is_beyond(c, d->killer));
}

/* ---- a window ---- */

enum err check_window_begin(struct check *c, uint64_t first, uint64_t last)
{
    uint64_t count = last - first + 1;
    CHECK(count <= CHECK_WINDOW_DOCS);
    if (c->sums_room < count) {
        free(c->sums);
        c->sums = malloc(count * sizeof *c->sums); /* one large piece, as long as the check */
        c->sums_room = c->sums ? count : 0;
        if (!c->sums)
            return ERR_NO_MEMORY;
    }
    for (;;) {
        struct holding h = { .c = c, .first = first, .last = last };
        c->first = first;
        c->last = last;
        c->suspect_count = c->confirms = c->skipped_count = 0;
        memset(c->sums, 0, count * sizeof *c->sums);
        enum err err = hold(&h);
        if (err != ERR_NOT_READY)
            return err;
        TRY(await(c));
    }
}

static enum err suspect(struct check *c, uint64_t doc)
{
    if (c->confirms == CHECK_CONFIRMS_MAX)
        return check_tell(c, STORE_FINDING_TERMS, doc);
    c->suspects[c->suspect_count++] = doc;
    return c->suspect_count == CHECK_SUSPECTS_MAX ? check_window_end(c) : ERR_NONE;
}

static enum err check_sum(struct check *c, const struct check_doc *d, struct arena *arena)
{
    struct term *terms = NULL;
    size_t count = 0;
    uint64_t sum = 0;
    if (!is_told_by(c, d))
        return ERR_NONE;
    enum err err = terms_of(c, d, arena, &terms, &count);
    if (err == ERR_CORRUPT)
        return check_tell(c, STORE_FINDING_BODY, d->doc);
    TRY(err);
    for (size_t i = 0; i < count; i++)
        sum += posting_hash(value_hash(c, terms[i].field, terms[i].value), d->doc);
    return sum == c->sums[d->doc - c->first] ? ERR_NONE : suspect(c, d->doc);
}

enum err check_documents(struct check *c, uint64_t from, uint64_t to)
{
    struct arena arena;
    enum err err = ERR_NONE;
    arena_init(&arena, DOCUMENT_ARENA_BYTES);
    for (uint64_t doc = from; !err && doc <= to; doc++) {
        struct arena_mark mark = arena_mark(&arena);
        struct check_doc d;
        check_gate_in(c);
        err = check_truth(c, doc, &arena, &d);
        check_gate_out(c);
        if (!err)
            err = check_sum(c, &d, &arena);
        arena_rewind(&arena, mark);
    }
    arena_release(&arena);
    return err ? err : check_pace(c, to - from + 1);
}

enum err check_window_end(struct check *c)
{
    /* As the window is: the sums of what is left of it stay those of its fields. */
    struct fields *fields = fields_ref(c->fields);
    enum err err = c->suspect_count ? check_exactly(c, c->suspects, c->suspect_count) : ERR_NONE;
    bool is_other = c->fields->mapping != fields->mapping;
    fields_unref(c->fields);
    c->fields = fields;
    c->seen_any = false;
    TRY(err);
    c->confirms += c->suspect_count > 0;
    c->suspect_count = 0;
    return is_other ? ERR_CONFLICT : ERR_NONE;
}

/* ---- term by term ---- */

static int held_compare(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    if (x->doc != y->doc)
        return x->doc < y->doc ? -1 : 1;
    return term_compare(&x->term, &y->term);
}

/* The field that is called so. */
static uint32_t field_of(const struct check *c, uint32_t place)
{
    for (uint32_t i = 0; i < c->fields->count; i++)
        if (c->fields->rows[i].place == place)
            return c->fields->rows[i].field;
    return place;
}

struct differing {
    struct check *c;
    uint64_t doc;
    bool any;
    uint32_t place; /* the last that was told */
    uint8_t kind;
};

/* Once for each field and kind. */
static enum err differ(struct differing *d, enum store_finding_kind kind, uint32_t place)
{
    if (d->any && d->place == place && d->kind == kind)
        return ERR_NONE;
    d->any = true;
    d->place = place;
    d->kind = (uint8_t)kind;
    const struct store_finding f = { .kind = (uint8_t)kind,
                                     .doc = d->doc,
                                     .has_field = true,
                                     .field = field_of(d->c, place) };
    return d->c->found(d->c->context, &f);
}

static enum err compare(struct check *c, uint64_t doc, const struct held *held, size_t held_count,
                        const struct term *terms, size_t count)
{
    struct differing lacks = { .c = c, .doc = doc }, has = lacks;
    size_t i = 0, k = 0;
    while (i < held_count || k < count) {
        int order = i == held_count ? 1 : k == count ? -1
                                                     : term_compare(&held[i].term, &terms[k]);
        if (order < 0)
            TRY(differ(&has, STORE_FINDING_TERM_FALSE, held[i].term.field));
        if (order > 0)
            TRY(differ(&lacks, STORE_FINDING_TERM_MISSING, terms[k].field));
        i += order <= 0;
        k += order >= 0;
    }
    return ERR_NONE;
}

static enum err deaf(void *context, const struct store_finding *finding)
{
    (void)context;
    (void)finding;
    return ERR_NONE;
}

static enum err exactly_one(struct check *c, uint64_t doc, const struct held *held, size_t count,
                            struct arena *arena)
{
    struct term *terms = NULL;
    size_t term_count = 0;
    struct check_doc d;
    check_found *found = c->found;
    c->found = deaf; /* of the truth all was told before */
    check_gate_in(c);
    enum err err = check_truth(c, doc, arena, &d);
    check_gate_out(c);
    c->found = found;
    if (err || !is_told_by(c, &d))
        return err;
    err = terms_of(c, &d, arena, &terms, &term_count);
    if (err == ERR_CORRUPT)
        return ERR_NONE;
    TRY(err);
    return compare(c, doc, held, count, terms, term_count);
}

static enum err exactly(struct check *c, struct holding *h, struct arena *arena)
{
    enum err err = ERR_NONE;
    size_t at = 0;
    if (h->count)
        qsort(h->held, h->count, sizeof *h->held, held_compare);
    for (uint32_t i = 0; !err && i < h->doc_count; i++) {
        struct arena_mark mark = arena_mark(arena);
        size_t from = at;
        while (at < h->count && h->held[at].doc == h->docs[i])
            at++;
        err = exactly_one(c, h->docs[i], h->held + from, at - from, arena);
        arena_rewind(arena, mark);
    }
    return err;
}

/* As few at once as there is memory for. */
static enum err exactly_some(struct check *c, const uint64_t *docs, uint32_t count)
{
    struct arena arena;
    arena_init(&arena, EXACT_ARENA_BYTES);
    struct holding h = { .c = c,
                         .first = docs[0],
                         .last = docs[count - 1],
                         .docs = docs,
                         .doc_count = count,
                         .arena = &arena };
    enum err err = hold(&h);
    if (!err)
        err = exactly(c, &h, &arena);
    arena_release(&arena);
    if (err != ERR_LIMIT || count == 1)
        return err;
    TRY(exactly_some(c, docs, count / 2));
    return exactly_some(c, docs + count / 2, count - count / 2);
}

enum err check_exactly(struct check *c, const uint64_t *docs, uint32_t count)
{
    for (;;) {
        enum err err = exactly_some(c, docs, count);
        if (err != ERR_NOT_READY && err != ERR_CONFLICT)
            return err;
        if (err == ERR_NOT_READY)
            TRY(await(c));
    }
}
