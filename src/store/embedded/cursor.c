#include "store/embedded/cursor.h"

#include "store/embedded/engine.h"

enum err reader_damage(struct segments *segments, struct segment *segment, enum err err)
{
    if (err != ERR_CORRUPT)
        return err;
    if (segment)
        segments_report_damage(segments, segment);
    else
        segments_suspect(segments);
    return segments->repairs ? ERR_NOT_READY : ERR_CORRUPT;
}

enum err reader_settle(const struct postings_reader *reader, enum err err)
{
    if (os_faults_are_none(reader->faults) || !reader->view)
        return err;
    const struct segment_set *set = reader->view->segments;
    for (uint32_t i = 0; i < segment_set_seen(set); i++)
        if (segment_failed(set->list[i], reader->faults))
            err = reader_damage(reader->segments, set->list[i], ERR_CORRUPT);
    return err;
}

/* A list knows where it lies, not in which segment. */
enum err term_cursor_damage(const struct term_cursor *c)
{
    const struct posting *list = &c->lists.lists[c->lists.failed];
    const uint8_t *at = list->shape == POSTING_BLOCKS ? list->bytes : list->at;
    const struct segment_set *set = c->view->segments;
    for (uint32_t i = 0; i < segment_set_seen(set); i++) {
        const struct segment *s = set->list[i];
        if (!s->is_ghost && at >= s->bytes && at <= s->bytes + s->size)
            return reader_damage(c->segments, set->list[i], ERR_CORRUPT);
    }
    return reader_damage(c->segments, NULL, ERR_CORRUPT);
}

/* Every list of the value, oldest documents first: segments, then runs. */
static enum err gather(const struct postings_reader *reader, uint32_t field, struct slice value,
                       struct posting *lists, uint32_t *ret_count)
{
    const struct postings_view *view = reader->view;
    const struct segment_set *set = view->segments;
    uint32_t count = 0;
    struct segment_key key;
    segment_key_make(&key, field, value);
    for (uint32_t i = 0; i < segment_set_seen(set); i++) {
        bool found = false;
        if (reader_skips(reader, set->list[i]))
            continue;
        TRY(reader_damage(reader->segments, set->list[i],
                          segment_find(set->list[i], &key, &found, &lists[count])));
        count += found;
    }
    for (uint32_t i = 0; i < view->count; i++) {
        const struct run *run = view->runs[i];
        uint32_t at = reader_skips_run(reader, run) ? run->key_count : run_find(run, field, value);
        if (at < run->key_count)
            posting_open_run(&lists[count++], run->docs + run->keys[at].docs_at,
                             run->keys[at + 1].docs_at - run->keys[at].docs_at, run->base);
    }
    *ret_count = count;
    return ERR_NONE;
}

enum err term_cursor_open(struct term_cursor *c, const struct postings_reader *reader,
                          uint32_t field, struct slice value, struct arena *arena)
{
    const struct segment_set *set = reader->view->segments;
    size_t room = (size_t)segment_set_seen(set) + reader->view->count;
    uint32_t place = FIELD_NOWHERE;
    *c = (struct term_cursor){ .segments = reader->segments, .view = reader->view };
    TRY(fields_ask(reader->view->fields, field, &place));
    if (!room || place == FIELD_NOWHERE || value.length > TERM_VALUE_BYTES_MAX)
        return ERR_NONE;
    struct posting *lists = arena_raw(arena, room * sizeof *lists);
    if (!lists)
        return ERR_NO_MEMORY;
    uint32_t count = 0;
    TRY(gather(reader, place, value, lists, &count));
    arena_trim(arena, lists, room * sizeof *lists, count * sizeof *lists);
    return posting_union_open(&c->lists, lists, count, arena);
}

/* ---- few values ---- */

enum { FEW_LISTS = 96, FEW_KEYS = 128 /* looked at in one segment or run */ };

struct few {
    const struct postings_reader *reader;
    const struct plan *plan;
    uint32_t field; /* the plan's, as it is called in the segments */
    struct posting *lists;
    uint32_t count;
    bool is_over;
};

static bool few_room(struct few *f, uint32_t looked_at)
{
    f->is_over |= f->count == FEW_LISTS || looked_at > FEW_KEYS;
    return !f->is_over;
}

static enum err few_segment(struct few *f, const struct segment *segment,
                            struct segment_walk *w)
{
    uint8_t key[KEY_BYTES_MAX];
    size_t size = key_render(key, f->field, f->plan->from);
    bool any = false, past = false;
    TRY(segment_walk_seek(w, segment, key, size, &any));
    for (uint32_t seen = 0; any; seen++) {
        if (w->leaf.key_size < 4)
            return ERR_CORRUPT;
        struct slice value = slice_of((const char *)w->leaf.key + 4, w->leaf.key_size - 4);
        if (key_field(w->leaf.key) != f->field)
            return ERR_NONE;
        bool is_match = plan_value_matches(f->plan, value, &past);
        if (past || !few_room(f, seen))
            return ERR_NONE;
        if (is_match)
            TRY(segment_walk_list(w, &f->lists[f->count++]));
        TRY(work_spend(f->reader->work, f->plan, 1));
        TRY(segment_walk_next(w, &any));
    }
    return ERR_NONE;
}

static enum err few_run(struct few *f, const struct run *run)
{
    uint32_t first = run_lower_bound(run, f->field, f->plan->from);
    bool past = false;
    for (uint32_t at = first; at < run->key_count; at++) {
        const struct run_key *key = &run->keys[at];
        if (key->field != f->field)
            return ERR_NONE;
        bool is_match = plan_value_matches(f->plan, run_value(run, key), &past);
        if (past || !few_room(f, at - first))
            return ERR_NONE;
        if (is_match)
            posting_open_run(&f->lists[f->count++], run->docs + key->docs_at,
                             key[1].docs_at - key->docs_at, run->base);
        TRY(work_spend(f->reader->work, f->plan, 1));
    }
    return ERR_NONE;
}

static enum err few_gather(struct few *f, struct segment_walk *walk)
{
    const struct postings_view *view = f->reader->view;
    const struct segment_set *set = view->segments;
    for (uint32_t i = 0; !f->is_over && i < segment_set_seen(set); i++) {
        if (reader_skips(f->reader, set->list[i]))
            continue;
        TRY(reader_damage(f->reader->segments, set->list[i],
                          few_segment(f, set->list[i], walk)));
    }
    for (uint32_t i = 0; !f->is_over && i < view->count; i++)
        if (!reader_skips_run(f->reader, view->runs[i]))
            TRY(few_run(f, view->runs[i]));
    return ERR_NONE;
}

enum err term_cursor_open_few(struct term_cursor *c, const struct postings_reader *reader,
                              const struct plan *plan, struct arena *arena, bool *ret_few)
{
    struct few f = { .reader = reader, .plan = plan };
    struct segment_walk walk;
    *c = (struct term_cursor){ .segments = reader->segments, .view = reader->view };
    *ret_few = true;
    TRY(fields_ask(reader->view->fields, plan->field, &f.field));
    if (plan->from.length > TERM_VALUE_BYTES_MAX || f.field == FIELD_NOWHERE)
        return ERR_NONE;
    size_t room = FEW_LISTS * sizeof *f.lists;
    f.lists = arena_raw(arena, room);
    if (!f.lists)
        return ERR_NO_MEMORY;
    TRY(few_gather(&f, &walk));
    arena_trim(arena, f.lists, room, f.is_over ? 0 : f.count * sizeof *f.lists);
    *ret_few = !f.is_over;
    return f.is_over ? ERR_NONE : posting_union_open(&c->lists, f.lists, f.count, arena);
}

enum err term_cursor_block(struct term_cursor *c, uint64_t number, bool *ret_any,
                           struct block *ret)
{
    enum err err = posting_union_next(&c->lists, number, ret_any, ret);
    return UNLIKELY(err == ERR_CORRUPT) ? term_cursor_damage(c) : err;
}
