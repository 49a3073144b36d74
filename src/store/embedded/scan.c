/* Scanning the values of a field: all there are, or those that a plan asks. */
#include "store/embedded/cursor.h"
#include "store/embedded/docset.h"
#include "store/embedded/engine.h"

enum { PIECE = 256, POSTINGS_PER_UNIT = 32 };
static const size_t SCAN_ARENA_BYTES = (size_t)1 << 20;

/* ---- which values ---- */

static bool tail_matches(const struct plan *plan, struct slice value)
{
    size_t length = MAX(plan->tail_from.length, plan->tail_to.length);
    if (!length)
        return true;
    size_t at = plan->tail_at;
    if (!at)
        at = value.length < 8 ? value.length : value.length - 8;
    if (value.length < length || at > value.length - length)
        return false;
    struct slice tail = slice_of(value.bytes + at, length);
    return slice_compare(tail, plan->tail_from) >= 0 &&
           (!plan->tail_to.length || slice_compare(tail, plan->tail_to) < 0);
}

static bool parts_match(const struct plan *plan, struct slice value)
{
    if (!plan->part_count)
        return true;
    struct slice rest = value.length < plan->parts_at ? SLICE_NONE
                                                      : slice_from(value, plan->parts_at);
    for (size_t i = 0; i < plan->part_count; i++) {
        bool is_there = rest.bytes != NULL;
        struct slice part = slice_cut(&rest, '\0');
        if (!is_there || (plan->parts[i].bytes && !slice_equal(part, plan->parts[i])))
            return false;
    }
    return true;
}

bool plan_value_matches(const struct plan *plan, struct slice value, bool *ret_past)
{
    *ret_past = false;
    if (plan->kind == PLAN_RANGE) {
        *ret_past = plan->to.length && slice_compare(value, plan->to) >= 0;
        return !*ret_past && tail_matches(plan, value) && parts_match(plan, value);
    }
    if (!slice_starts_with(value, plan->from)) {
        *ret_past = true;
        return false;
    }
    bool is_accepted = !plan->accepts || plan->accepts(plan, value);
    if (plan->kind == PLAN_PREFIX)
        return is_accepted && parts_match(plan, value);
    struct slice rest = slice_from(value, plan->from.length);
    ptrdiff_t end = slice_find_byte(rest, '\0');
    if (end >= 0)
        rest = slice_head(rest, (size_t)end);
    return is_accepted && slice_find(rest, plan->needle) >= 0;
}

bool store_value_fits(const struct plan *leaf, struct slice value)
{
    bool is_past;
    if (leaf->kind == PLAN_TERM)
        return slice_equal(value, leaf->from);
    return slice_compare(value, leaf->from) >= 0 && plan_value_matches(leaf, value, &is_past);
}

/* A scan's own memory, whatever there is to read. */
struct scan {
    const struct postings_reader *reader;
    const struct plan *plan; /* NULL: every field and value */
    uint32_t field;          /* the plan's, as it is called in the segments */
    scan_all_visit *visit;
    void *context;
    struct docset *set; /* takes all documents, instead of a visit */
    struct segment_walk *walk;
    union block_room *room;
    enum err visit_err; /* what the visitor ended the scan with */
    uint8_t key[KEY_BYTES_MAX];
    size_t key_size;
};

/* ---- lists ---- */

/* The documents of a list in pieces. */
static enum err hand_out(struct scan *s, struct posting *list, uint32_t field,
                         struct slice value)
{
    uint64_t last = s->reader->high ? s->reader->high >> BLOCK_SHIFT : POSTING_END - 1;
    TRY(posting_skip(list, s->reader->low >> BLOCK_SHIFT));
    while (list->number <= last) {
        struct block block;
        struct block_place place = { 0 };
        uint64_t docs[PIECE];
        TRY(posting_next(list, s->room, &block));
        if (s->set) {
            TRY(s->visit_err = docset_add_block(s->set, &block));
            TRY(work_spend(s->reader->work, s->plan, block.count / POSTINGS_PER_UNIT));
            continue;
        }
        for (uint32_t low = 0; low != BLOCK_NONE;) {
            size_t n = 0;
            while (n < PIECE && (low = block_seek(&block, &place, low)) != BLOCK_NONE)
                docs[n++] = block.number << BLOCK_SHIFT | low++;
            if (n)
                s->visit_err = s->visit(s->context, field, value, docs, n);
            TRY(s->visit_err);
            TRY(work_spend(s->reader->work, s->plan, n / POSTINGS_PER_UNIT));
        }
    }
    return ERR_NONE;
}

static bool is_wanted(const struct scan *s, uint32_t field, struct slice value, bool *ret_past)
{
    *ret_past = s->plan && field != s->field;
    return !*ret_past && (!s->plan || plan_value_matches(s->plan, value, ret_past));
}

static enum err scan_segment(struct scan *s, const struct segment *segment)
{
    struct segment_walk *w = s->walk;
    bool any = false, past = false;
    TRY(segment_walk_seek(w, segment, s->key, s->key_size, &any));
    while (any) {
        if (w->leaf.key_size < 4)
            return ERR_CORRUPT;
        uint32_t field = key_field(w->leaf.key);
        struct slice value = slice_of((const char *)w->leaf.key + 4, w->leaf.key_size - 4);
        TRY(work_spend(s->reader->work, s->plan, 1));
        if (is_wanted(s, field, value, &past)) {
            struct posting list;
            TRY(segment_walk_list(w, &list));
            TRY(hand_out(s, &list, field, value));
        }
        if (past)
            return ERR_NONE;
        TRY(segment_walk_next(w, &any));
    }
    return ERR_NONE;
}

/* Only the segment's own damage is told, not what the visitor failed with. */
static enum err scan_one(struct scan *s, struct segment *segment)
{
    s->visit_err = ERR_NONE;
    uint64_t since = os_faults();
    enum err err = scan_segment(s, segment);
    if (!os_faults_are_none(since) && segment_failed(segment, since)) {
        s->visit_err = ERR_NONE; /* he may have been shown what is not there */
        err = ERR_CORRUPT;
    }
    return s->visit_err ? err : reader_damage(s->reader->segments, segment, err);
}

/* Who wants all there is gets what can be read; what cannot is marked. */
static enum err scan_whole(struct scan *s, struct segment *segment)
{
    if (atomic_load(&segment->is_damaged))
        return ERR_NONE;
    enum err err = scan_one(s, segment);
    return !s->visit_err && atomic_load(&segment->is_damaged) ? ERR_NONE : err;
}

static enum err scan_run(struct scan *s, const struct run *run)
{
    uint32_t at = s->plan ? run_lower_bound(run, s->field, s->plan->from) : 0;
    for (bool past = false; at < run->key_count && !past; at++) {
        const struct run_key *key = &run->keys[at];
        struct slice value = run_value(run, key);
        TRY(work_spend(s->reader->work, s->plan, 1));
        if (!is_wanted(s, key->field, value, &past))
            continue;
        struct posting list;
        posting_open_run(&list, run->docs + key->docs_at, key[1].docs_at - key->docs_at,
                         run->base);
        TRY(hand_out(s, &list, key->field, value));
    }
    return ERR_NONE;
}

static enum err scan(struct scan *s)
{
    const struct postings_view *view = s->reader->view;
    const struct segment_set *set = view->segments;
    struct arena arena;
    arena_init(&arena, SCAN_ARENA_BYTES);
    s->walk = arena_raw(&arena, sizeof *s->walk);
    s->room = arena_raw(&arena, sizeof *s->room);
    enum err err = s->walk && s->room ? ERR_NONE : ERR_NO_MEMORY;
    for (uint32_t i = 0; !err && i < segment_set_seen(set); i++)
        if (!reader_skips(s->reader, set->list[i]))
            err = s->plan ? scan_one(s, set->list[i]) : scan_whole(s, set->list[i]);
    for (uint32_t i = 0; !err && i < view->count; i++)
        if (!reader_skips_run(s->reader, view->runs[i]))
            err = scan_run(s, view->runs[i]);
    arena_release(&arena);
    return err;
}

struct one_field {
    scan_visit *visit;
    void *context;
};

static enum err visit_field(void *context, uint32_t field, struct slice value,
                            const uint64_t *docs, size_t count)
{
    const struct one_field *f = context;
    (void)field;
    return f->visit(f->context, value, docs, count);
}

enum err postings_scan(const struct postings_reader *reader, const struct plan *plan,
                       scan_visit *visit, void *context)
{
    if (plan->from.length > TERM_VALUE_BYTES_MAX)
        return ERR_NONE;
    struct one_field f = { visit, context };
    struct scan s = { .reader = reader, .plan = plan, .visit = visit_field, .context = &f };
    TRY(fields_ask(reader->view->fields, plan->field, &s.field));
    if (s.field == FIELD_NOWHERE)
        return ERR_NONE;
    s.key_size = key_render(s.key, s.field, plan->from);
    return scan(&s);
}

enum err postings_gather(const struct postings_reader *reader, const struct plan *plan,
                         struct docset *set)
{
    if (plan->from.length > TERM_VALUE_BYTES_MAX)
        return ERR_NONE;
    struct scan s = { .reader = reader, .plan = plan, .set = set };
    TRY(fields_ask(reader->view->fields, plan->field, &s.field));
    if (s.field == FIELD_NOWHERE)
        return ERR_NONE;
    s.key_size = key_render(s.key, s.field, plan->from);
    return scan(&s);
}

enum err postings_scan_all(const struct postings_reader *reader, scan_all_visit *visit,
                           void *context)
{
    struct scan s = { .reader = reader, .visit = visit, .context = context };
    return scan(&s);
}

/* ---- how much ---- */

/* The first key behind those that the plan may ask for. */
static size_t bound_render(const struct plan *plan, uint8_t key[KEY_BYTES_MAX])
{
    bool has_end = plan->kind == PLAN_RANGE && plan->to.length <= TERM_VALUE_BYTES_MAX;
    if (has_end && plan->to.length)
        return key_render(key, plan->field, plan->to);
    size_t size = key_render(key, plan->field, plan->kind == PLAN_RANGE ? SLICE("") : plan->from);
    while (size && key[size - 1] == 0xff)
        size--;
    if (size)
        key[size - 1]++;
    return size;
}

static void run_estimate(const struct run *run, const struct plan *plan, struct slice high,
                         uint64_t *keys, uint64_t *postings)
{
    uint32_t field = key_field((const uint8_t *)high.bytes);
    uint32_t from = run_lower_bound(run, plan->field, plan->from);
    uint32_t to = run_lower_bound(run, field, slice_from(high, 4));
    *keys += from < to ? to - from : 0;
    *postings += from < to ? run->keys[to].docs_at - run->keys[from].docs_at : 0;
}

enum err postings_estimate(const struct postings_reader *reader, const struct plan *plan,
                           uint64_t enough, uint64_t *ret_keys, uint64_t *ret_postings)
{
    const struct postings_view *view = reader->view;
    const struct segment_set *set = view->segments;
    uint8_t low[KEY_BYTES_MAX], high[KEY_BYTES_MAX];
    struct plan called = *plan;
    *ret_keys = *ret_postings = 0;
    TRY(fields_ask(view->fields, plan->field, &called.field));
    if (plan->from.length > TERM_VALUE_BYTES_MAX || called.field == FIELD_NOWHERE)
        return ERR_NONE;
    plan = &called;
    struct slice from = slice_of((char *)low, key_render(low, plan->field, plan->from));
    struct slice to = slice_of((char *)high, bound_render(plan, high));
    if (to.length < 4) /* nothing above: no field is that high */
        return ERR_NONE;
    /* The oldest are the largest, as a rule. */
    for (uint32_t i = 0; i < segment_set_seen(set) && *ret_postings < enough; i++) {
        uint64_t keys = 0, postings = 0;
        if (reader_skips(reader, set->list[i]))
            continue;
        TRY(reader_damage(reader->segments, set->list[i],
                          segment_estimate(set->list[i], from, to, enough - *ret_postings, &keys,
                                           &postings)));
        *ret_keys += keys;
        *ret_postings += postings;
    }
    for (uint32_t i = 0; i < view->count && *ret_postings < enough; i++)
        if (!reader_skips_run(reader, view->runs[i]))
            run_estimate(view->runs[i], plan, to, ret_keys, ret_postings);
    return ERR_NONE;
}
