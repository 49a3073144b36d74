/* Plans being run: blocks of live documents, gathered or counted. */
#include "os/clock.h"
#include "store/embedded/tree.h"

enum { LOST_DOCS_WAIT = 50000 };

/* A segment that cannot be read is soon derived again when it is small: then it is
 * waited for. Else the search is told to come again, if it needs it. */
static uint64_t lost_docs(const struct postings_view *view, uint64_t time)
{
    const struct segment_set *set = view->segments;
    uint64_t docs = 0;
    for (uint32_t i = 0; i < segment_set_seen(set); i++) {
        const struct segment_footer *f = &set->list[i]->footer;
        if (set->list[i]->is_ghost && (!f->until || f->until > time))
            docs += f->last - f->first + 1;
    }
    return docs;
}

static struct postings_view *view_when_whole(struct store *store, uint64_t time)
{
    struct postings_view *view = postings_view_take(&store->postings);
    for (int waited_ms = 0; waited_ms < INDEX_WAIT_MS && store->segments.repairs; waited_ms++) {
        uint64_t lost = lost_docs(view, time);
        if (!lost || lost > LOST_DOCS_WAIT || atomic_load(&store->is_read_only))
            break;
        os_sleep_us(1000);
        postings_view_give(view);
        view = postings_view_take(&store->postings);
    }
    return view;
}

bool store_search_waits(struct store *store)
{
    if (!atomic_load_explicit(&store->index_is_done, memory_order_acquire))
        return true;
    struct postings_view *view = postings_view_take(&store->postings);
    uint64_t lost = lost_docs(view, 0);
    postings_view_give(view);
    return lost > 0;
}

/* The view is taken by a reader's first search: reads by id need none. It may
 * be newer than the reader's time, which then cuts it. */
enum err reader_postings(struct store_reader *reader, struct postings_reader *ret)
{
    if (!reader->view) {
        TRY(store_wait_index(reader->store));
        reader->faults = os_faults();
        reader->view = view_when_whole(reader->store, reader->time);
    }
    *ret = (struct postings_reader){ .segments = &reader->store->segments,
                                     .view = reader->view,
                                     .time = reader->time,
                                     .faults = reader->faults,
                                     .work = reader->work };
    return ERR_NONE;
}

enum err tree_rooms(struct tree *t)
{
    t->room = arena_raw(t->arena, sizeof *t->room);
    t->dead = arena_raw(t->arena, sizeof *t->dead);
    return t->room && t->dead ? ERR_NONE : ERR_NO_MEMORY;
}

enum err tree_begin(struct store_reader *reader, struct arena *arena, struct tree *t)
{
    *t = (struct tree){ .store = reader->store, .arena = arena, .time = reader->time,
                        .alive_at = reader->alive_at };
    TRY(reader_postings(reader, &t->postings));
    return tree_rooms(t);
}

/* ---- gathering ---- */

struct gathered {
    uint64_t *docs;
    size_t count, room;
};

static enum err grow(struct tree *t, struct gathered *g, size_t limit)
{
    size_t room = MIN(limit, g->room ? 2 * g->room : (size_t)64);
    uint64_t *larger = arena_raw(t->arena, room * sizeof *larger);
    if (!larger)
        return ERR_LIMIT;
    if (g->count)
        memcpy(larger, g->docs, g->count * sizeof *larger);
    g->docs = larger;
    g->room = room;
    return ERR_NONE;
}

/* The block's documents from `low` on, as far as the limit goes. */
static enum err gather_block(struct tree *t, const struct block *b, uint32_t low, size_t limit,
                             struct gathered *g)
{
    struct block_place place = { 0 };
    for (; g->count < limit; low++) {
        low = block_seek(b, &place, low);
        if (low == BLOCK_NONE)
            return ERR_NONE;
        if (g->count == g->room)
            TRY(grow(t, g, limit));
        g->docs[g->count++] = b->number << BLOCK_SHIFT | low;
    }
    return ERR_NONE;
}

static enum err collect(struct tree *t, struct cursor *c, uint64_t after, size_t limit,
                        struct gathered *g)
{
    uint64_t from = after + 1;
    for (uint64_t number = from >> BLOCK_SHIFT; g->count < limit; number++) {
        struct block block;
        bool any = false;
        TRY(tree_next(t, c, number, &any, &block));
        if (!any)
            return ERR_NONE;
        number = block.number;
        bool is_first = number == from >> BLOCK_SHIFT;
        uint32_t low = is_first ? (uint32_t)(from & (BLOCK_DOCS - 1)) : 0;
        TRY(gather_block(t, &block, low, limit, g));
    }
    return ERR_NONE;
}

/* Scratch and result share the arena: what the cursors took stays until the
 * caller releases it. */
enum err store_search(struct store_reader *reader, const struct plan *plan, uint64_t after,
                      size_t limit, struct arena *arena, uint64_t **ret_docs, size_t *ret_count)
{
    struct tree t;
    struct cursor c;
    struct gathered g = { NULL, 0, 0 };
    *ret_count = 0;
    *ret_docs = NULL;
    if (after >= reader->time || !limit)
        return ERR_NONE;
    const struct tree_page page = { .after = after, .limit = limit };
    enum err err = tree_begin(reader, arena, &t);
    t.plan = plan;
    t.page = limit <= TREE_PAGE_MAX ? &page : NULL;
    if (!err)
        err = tree_settle(&t, &plan);
    if (!err)
        err = tree_open(&t, plan, 0, &c);
    if (!err)
        err = collect(&t, &c, after, limit, &g);
    err = reader_settle(&t.postings, err);
    if (err)
        return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
    *ret_docs = g.docs;
    *ret_count = g.count;
    return ERR_NONE;
}

/* ---- counting ---- */

/* One value's documents: a block in which nobody is dead, of a single list, is
 * counted by its entry and not read. */
static enum err count_term(struct tree *t, struct cursor *c, uint64_t *count)
{
    uint64_t last = t->time >> BLOCK_SHIFT;
    for (uint64_t number = 0;; number++) {
        bool any = false, dead = true;
        struct block block, live;
        enum err err = posting_union_peek(&c->term.lists, number, &number);
        TRY(err == ERR_CORRUPT ? term_cursor_damage(&c->term) : err);
        if (number > last)
            return ERR_NONE;
        if (number < last)
            TRY(death_block(&t->store->deaths, number, t->alive_at, t->dead->bits, &dead));
        if (!dead) {
            err = posting_union_count(&c->term.lists, number, &block);
            TRY(err == ERR_CORRUPT ? term_cursor_damage(&c->term) : err);
            *count += block.count;
            continue;
        }
        TRY(cursor_block(c, number, &any, &block));
        if (!any || block.number != number) /* it changed since it was peeked */
            return term_cursor_damage(&c->term);
        TRY(tree_live(t, &block, &any, &live));
        *count += any ? live.count : 0;
    }
}

static enum err count_blocks(struct tree *t, struct cursor *c, uint64_t *count)
{
    bool any = true;
    if (c->kind == CURSOR_TERM)
        return count_term(t, c, count);
    for (uint64_t number = 0;; number++) {
        struct block block;
        TRY(tree_next(t, c, number, &any, &block));
        if (!any)
            return ERR_NONE;
        number = block.number;
        *count += block.count;
    }
}

enum err store_measure(struct store_reader *reader, const struct plan *plan,
                       struct store_measure *ret)
{
    struct tree t;
    struct cursor c;
    struct arena arena;
    bool any = true;
    uint64_t before = reader->work ? reader->work->done : 0;
    *ret = (struct store_measure){ 0 };
    struct tree_asked asked = { .list = ret->asked };
    arena_init(&arena, reader_memory(reader));
    enum err err = tree_begin(reader, &arena, &t);
    t.plan = plan;
    t.asked = &asked;
    if (!err)
        err = tree_settle(&t, &plan);
    if (!err)
        err = tree_open(&t, plan, 0, &c);
    ret->asked_count = asked.count;
    if (!err)
        ret->estimate = MIN(c.estimate, t.time);
    for (uint64_t number = 0; !err && any; number++) {
        struct block block;
        err = tree_next(&t, &c, number, &any, &block);
        if (err || !any)
            break;
        number = block.number;
        ret->blocks++;
        ret->documents += block.count;
    }
    err = reader_settle(&t.postings, err);
    arena_release(&arena);
    ret->work = reader->work ? reader->work->done - before : 0;
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}

enum err store_count(struct store_reader *reader, const struct plan *plan, uint64_t *ret_count)
{
    struct tree t;
    struct cursor c;
    struct arena arena;
    uint64_t count = 0;
    arena_init(&arena, reader_memory(reader));
    enum err err = tree_begin(reader, &arena, &t);
    t.plan = plan;
    if (!err)
        err = tree_settle(&t, &plan);
    if (!err)
        err = tree_open(&t, plan, 0, &c);
    if (!err)
        err = count_blocks(&t, &c, &count);
    err = reader_settle(&t.postings, err);
    arena_release(&arena);
    *ret_count = count;
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}

void store_reader_work(struct store_reader *reader, struct store_work *work)
{
    reader->work = work;
}

enum err store_reader_spend(struct store_reader *reader, const struct plan *plan, uint64_t units)
{
    return work_spend(reader->work, plan, units);
}

enum err work_look(struct store_work *work)
{
    work->next_look = work->done + STORE_LOOK_UNITS;
    work->is_left = work->is_left || (work->leaves && work->leaves(work->leaves_context));
    return work->is_left ? ERR_LIMIT : ERR_NONE;
}
