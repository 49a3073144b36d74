#include "store/embedded/cursor.h"

/* Every list of the value, oldest documents first: segments, then runs. */
static enum err gather(const struct postings_reader *reader, uint32_t field, struct slice value,
                       struct posting *lists, uint32_t *ret_count)
{
    const struct postings_view *view = reader->view;
    const struct segment_set *set = view->segments;
    uint32_t count = 0;
    for (uint32_t i = 0; i < set->count + set->past_count; i++) {
        bool found = false;
        if (reader_skips(reader, set->list[i]))
            continue;
        enum err err = segment_find(set->list[i], field, value, &found, &lists[count]);
        if (err == ERR_CORRUPT)
            segments_report_damage(reader->segments, set->list[i]->footer.number);
        TRY(err);
        count += found;
    }
    for (uint32_t i = 0; i < view->count; i++) {
        const struct run *run = view->runs[i];
        uint32_t at = run_find(run, field, value);
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
    size_t room = (size_t)set->count + set->past_count + reader->view->count;
    *c = (struct term_cursor){ .segments = reader->segments };
    if (!room || value.length > TERM_VALUE_BYTES_MAX)
        return ERR_NONE;
    struct posting *lists = arena_raw(arena, room * sizeof *lists);
    if (!lists)
        return ERR_NO_MEMORY;
    uint32_t count = 0;
    TRY(gather(reader, field, value, lists, &count));
    arena_trim(arena, lists, room * sizeof *lists, count * sizeof *lists);
    return posting_union_open(&c->lists, lists, count, arena);
}

enum err term_cursor_block(struct term_cursor *c, uint64_t number, bool *ret_any,
                           struct block *ret)
{
    enum err err = posting_union_next(&c->lists, number, ret_any, ret);
    if (UNLIKELY(err == ERR_CORRUPT))
        segments_report_damage(c->segments, UINT64_MAX);
    return err;
}
