#include "store/embedded/cursor.h"

#include "store/embedded/rocks.h"

enum err term_cursor_open(struct term_cursor *c, const struct postings_reader *reader,
                          uint32_t field, struct slice value, struct arena *arena)
{
    *c = (struct term_cursor){ .reader = reader, .field = field, .value = value };
    if (!reader->view->covers || value.length > TERM_VALUE_BYTES_MAX)
        return ERR_NONE;
    c->key = arena_raw(arena, 2 * value.length + 32);
    c->block = arena_raw(arena, sizeof *c->block);
    if (!c->key || !c->block)
        return ERR_NO_MEMORY;
    c->key_size = segment_key(c->key, field, value, true);
    c->it = rocksdb_create_iterator(reader->segments->db, reader->segments->read_options);
    return ERR_NONE;
}

void term_cursor_close(struct term_cursor *c)
{
    if (c->it)
        rocksdb_iter_destroy(c->it);
    c->it = NULL;
}

static bool on_value(const struct term_cursor *c, struct slice key)
{
    return key.length == c->key_size + 8 && memcmp(key.bytes, c->key, c->key_size) == 0;
}

/* Load the first block that reaches doc. The next block is the usual case;
 * otherwise one seek finds it, since a block's key names its last document. */
static bool load_block(struct term_cursor *c, uint64_t doc)
{
    bool sought = !c->positioned;
    for (;; sought = true) {
        if (sought) {
            put_be64(c->key + c->key_size, doc);
            rocksdb_iter_seek(c->it, (char *)c->key, c->key_size + 8);
        } else {
            rocksdb_iter_next(c->it);
        }
        c->positioned = true;
        if (!rocksdb_iter_valid(c->it)) {
            c->err = rocks_iter_err(c->it);
            return false;
        }
        struct slice key = rocks_iter_key(c->it);
        if (!on_value(c, key))
            return false;
        uint64_t last = get_be64((const uint8_t *)key.bytes + c->key_size);
        if (last < doc && !sought)
            continue;
        if (last < doc)
            c->err = ERR_CORRUPT;
        if (c->err || last > c->reader->view->covers)
            return false;
        c->err = segment_block_parse(last, rocks_iter_value(c->it), c->block);
        c->block_at = 0;
        return c->err == ERR_NONE;
    }
}

/* The first place in docs[at..count) that is not below doc, by galloping:
 * cheap when near, logarithmic when far. docs[at] < doc <= docs[count - 1]. */
static uint32_t gallop64(const uint64_t *docs, uint32_t at, uint32_t count, uint64_t doc)
{
    uint32_t step = 1;
    while (count - at > step && docs[at + step] < doc) {
        at += step;
        step *= 2;
    }
    uint32_t low = at, high = MIN(count, at + step);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (docs[middle] < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t gallop32(const uint32_t *docs, uint32_t at, uint32_t count, uint32_t doc)
{
    uint32_t step = 1;
    while (count - at > step && docs[at + step] < doc) {
        at += step;
        step *= 2;
    }
    uint32_t low = at, high = MIN(count, at + step + 1);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (docs[middle] < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint64_t segment_seek(struct term_cursor *c, uint64_t doc)
{
    uint64_t covers = c->reader->view->covers;
    if (!c->loaded || c->block->docs[c->block->count - 1] < doc)
        c->loaded = doc <= covers && load_block(c, doc);
    if (!c->loaded) {
        term_cursor_close(c);
        return DOC_END;
    }
    if (c->block->docs[c->block_at] < doc)
        c->block_at = gallop64(c->block->docs, c->block_at, c->block->count, doc);
    return c->block->docs[c->block_at];
}

static void load_run(struct term_cursor *c)
{
    const struct run *run = c->reader->view->runs[c->run];
    uint32_t at = run_find(run, c->field, c->value);
    c->run_loaded = true;
    c->docs = NULL;
    c->docs_count = c->docs_at = 0;
    if (at < run->key_count) {
        c->docs = run->docs + run->keys[at].docs_at;
        c->docs_count = run->keys[at + 1].docs_at - run->keys[at].docs_at;
    }
}

static uint64_t runs_seek(struct term_cursor *c, uint64_t doc)
{
    const struct postings_view *view = c->reader->view;
    for (; c->run < view->count; c->run++, c->run_loaded = false) {
        const struct run *run = view->runs[c->run];
        if (run_last(run) < doc)
            continue;
        if (!c->run_loaded)
            load_run(c);
        uint32_t place = doc > run->base ? (uint32_t)(doc - run->base) : 0;
        if (c->docs_at < c->docs_count && c->docs[c->docs_at] < place)
            c->docs_at = gallop32(c->docs, c->docs_at, c->docs_count, place);
        if (c->docs_at < c->docs_count)
            return run->base + c->docs[c->docs_at];
    }
    return DOC_END;
}

uint64_t term_cursor_seek(struct term_cursor *c, uint64_t doc)
{
    if (c->it) {
        uint64_t found = segment_seek(c, doc);
        if (found != DOC_END || c->err)
            return found;
    }
    return c->err ? DOC_END : runs_seek(c, doc);
}

/* A full first block says "many" and no more: reading on to count would cost
 * what the estimate is meant to save. */
uint64_t term_cursor_estimate(struct term_cursor *c)
{
    const struct postings_view *view = c->reader->view;
    uint64_t estimate = 0;
    for (uint32_t i = 0; i < view->count; i++) {
        uint32_t at = run_find(view->runs[i], c->field, c->value);
        if (at < view->runs[i]->key_count)
            estimate += view->runs[i]->keys[at + 1].docs_at - view->runs[i]->keys[at].docs_at;
    }
    if (c->it && segment_seek(c, 1) != DOC_END) {
        bool is_full = c->block->count == SEGMENT_BLOCK_DOCS;
        estimate += is_full ? MAX(view->covers / 8, SEGMENT_BLOCK_DOCS) : c->block->count;
    }
    return estimate;
}

/* ---- scanning values ---- */

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

/* The value lies at or above plan->from already. */
static bool value_matches(const struct plan *plan, struct slice value, bool *ret_past)
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
    if (plan->kind == PLAN_PREFIX)
        return parts_match(plan, value);
    struct slice rest = slice_from(value, plan->from.length);
    ptrdiff_t end = slice_find_byte(rest, '\0');
    if (end >= 0)
        rest = slice_head(rest, (size_t)end);
    return slice_find(rest, plan->needle) >= 0;
}

static enum err scan_runs(const struct postings_reader *reader, const struct plan *plan,
                          scan_visit *visit, void *context)
{
    for (uint32_t r = 0; r < reader->view->count; r++) {
        const struct run *run = reader->view->runs[r];
        uint32_t at = run_lower_bound(run, plan->field, plan->from);
        for (; at < run->key_count && run->keys[at].field == plan->field; at++) {
            struct slice value = run_value(run, &run->keys[at]);
            bool past = false;
            bool matches = value_matches(plan, value, &past);
            if (past)
                break;
            uint32_t from = run->keys[at].docs_at, end = run->keys[at + 1].docs_at;
            while (matches && from < end) {
                uint64_t docs[256];
                size_t n = MIN((size_t)(end - from), ARRAY_COUNT(docs));
                for (size_t i = 0; i < n; i++)
                    docs[i] = run->base + run->docs[from + i];
                TRY(visit(context, value, docs, n));
                from += (uint32_t)n;
            }
        }
    }
    return ERR_NONE;
}

/* A piece of the scan over segments that outlives one key. */
struct segment_scan {
    const struct postings_reader *reader;
    const struct plan *plan;
    scan_visit *visit;
    void *context;
    struct segment_block block;
    char value[TERM_VALUE_BYTES_MAX];
};

static enum err scan_block(struct segment_scan *s, struct slice key, struct slice value,
                           bool *ret_past)
{
    uint32_t field = 0;
    size_t size = 0;
    uint64_t last = 0;
    if (!segment_key_parse(key, &field, s->value, &size, &last))
        return ERR_CORRUPT;
    *ret_past = field != s->plan->field;
    struct slice text = slice_of(s->value, size);
    if (*ret_past || !value_matches(s->plan, text, ret_past) || last > s->reader->view->covers)
        return ERR_NONE;
    TRY(segment_block_parse(last, value, &s->block));
    return s->visit(s->context, text, s->block.docs, s->block.count);
}

static enum err scan_segments(struct segment_scan *s)
{
    uint8_t key[SEGMENT_KEY_BYTES_MAX];
    size_t size = segment_key(key, s->plan->field, s->plan->from, false);
    const struct segments *segments = s->reader->segments;
    rocksdb_iterator_t *it = rocksdb_create_iterator(segments->db, segments->read_options);
    enum err err = ERR_NONE;
    bool past = false;
    rocksdb_iter_seek(it, (char *)key, size);
    for (; !err && !past && rocksdb_iter_valid(it); rocksdb_iter_next(it))
        err = scan_block(s, rocks_iter_key(it), rocks_iter_value(it), &past);
    if (!err)
        err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    return err;
}

enum err postings_scan(const struct postings_reader *reader, const struct plan *plan,
                       scan_visit *visit, void *context)
{
    if (plan->from.length > TERM_VALUE_BYTES_MAX)
        return ERR_NONE;
    if (reader->view->covers) {
        struct segment_scan s = { .reader = reader, .plan = plan };
        s.visit = visit;
        s.context = context;
        TRY(scan_segments(&s));
    }
    return scan_runs(reader, plan, visit, context);
}
