/* Segments whose bytes are wrong or whose file is gone, written again from the bodies
 * while the store serves.
 *
 * Chunk by chunk the segment's documents become *pending* segments, which no reader
 * sees and the manifest names: so a kill costs a chunk. When they reach its end they
 * take its place, with one manifest. Until then the segment stays where it is, and
 * answers what does not need what is wrong of it.
 *
 * What a segment holds follows from the others. A main one: its documents but those
 * that merges have moved to past ones. A past one: its documents that were dead at its
 * time and are in no other. Side segments are thrown away all together, and their
 * fields derived again. */
#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/chunk.h"

enum { NOTICE_BYTES = 200 };

static bool is_pending(const struct segment_set *set, uint32_t at)
{
    return at >= set->from[SEGMENT_PENDING];
}

static void tell(struct store *store, const struct segment *s, const char *what)
{
    char text[NOTICE_BYTES];
    snprintf(text, sizeof text, "index segment " SEGMENT_NAME_FORMAT " (documents %llu to %llu) %s",
             (unsigned long long)s->footer.number, (unsigned long long)s->footer.first,
             (unsigned long long)s->footer.last, what);
    if (store->notice)
        store->notice(store->notice_context, text);
}

/* ---- which one, and how far ---- */

/* The one that was begun, else what is quite unreadable, else the first. */
static struct segment *choose(const struct segment_set *set, uint32_t *ret_at)
{
    struct segment *best = NULL;
    uint64_t begun = segment_set_all(set) > set->from[SEGMENT_PENDING]
                         ? set->list[set->from[SEGMENT_PENDING]]->of
                         : 0;
    for (uint32_t i = 0; i < segment_set_seen(set); i++) {
        struct segment *s = set->list[i];
        if (!atomic_load(&s->is_damaged))
            continue;
        bool is_better = !best || (s->is_ghost && !best->is_ghost) || s->footer.number == begun;
        if (is_better) {
            best = s;
            *ret_at = i;
        }
        if (s->footer.number == begun)
            break;
    }
    return best;
}

/* The last document that the pending parts reach without a gap. */
static uint64_t reached(const struct segment_set *set, const struct segment *s)
{
    enum segment_kind kind = s->footer.until ? SEGMENT_PENDING_PAST : SEGMENT_PENDING;
    uint64_t last = s->footer.first - 1;
    for (uint32_t i = set->from[kind]; i < set->from[kind + 1]; i++)
        if (set->list[i]->of == s->footer.number && set->list[i]->footer.first == last + 1)
            last = set->list[i]->footer.last;
    return last;
}

void store_repair_figures(const struct postings_view *view, struct repair_figures *ret)
{
    const struct segment_set *set = view->segments;
    *ret = (struct repair_figures){ 0 };
    for (uint32_t i = 0; i < segment_set_seen(set); i++) {
        const struct segment *s = set->list[i];
        if (!atomic_load(&s->is_damaged))
            continue;
        uint64_t docs = s->footer.last - s->footer.first + 1;
        if (!ret->damaged++) {
            ret->done = reached(set, s) + 1 - s->footer.first;
            ret->whole = docs;
        }
        ret->lost += s->is_ghost && !s->footer.until ? docs : 0;
    }
}

/* ---- changes ---- */

/* One change of the set, computed from what it is under change_lock. */
struct swap {
    struct segment **gone;
    struct segment_addition *add;
    uint32_t gone_count, add_count;
};

static enum err swap_init(struct swap *w, const struct segment_set *set, struct arena *arena)
{
    *w = (struct swap){ 0 };
    w->gone = arena_array(arena, segment_set_all(set) + 1, sizeof(struct segment *));
    w->add = arena_array(arena, segment_set_all(set) + 2, sizeof *w->add);
    return w->gone && w->add ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err swap_run(struct store *store, const struct swap *w,
                         const struct postings_view *view, struct fields *fields)
{
    const struct segments_change change = { .gone = w->gone,
                                            .gone_count = w->gone_count,
                                            .add = w->add,
                                            .add_count = w->add_count,
                                            .covers = view->covers };
    enum err err = postings_change(&store->postings, &change, fields, NULL, 0);
    if (err && !store_is_short(err))
        store_latch(store);
    return err;
}

/* Those that left for good: their files go with their last reader. */
static void doom_gone(const struct swap *w)
{
    for (uint32_t i = 0; i < w->gone_count; i++) {
        bool stays = false;
        for (uint32_t k = 0; k < w->add_count; k++)
            stays = stays || (w->add[k].segment == w->gone[i] && w->gone[i]->footer.key_count);
        if (!stays)
            atomic_store(&w->gone[i]->is_doomed, true);
    }
}

/* `about`: the segment, NULL, or struct losses. */
typedef enum err plan_swap(struct store *store, const struct postings_view *view,
                           const void *about, struct swap *w, struct fields **fields);

/* ERR_BUSY: a merge has one of them in hand; later. */
static enum err take_busy(struct postings *p, const struct swap *w)
{
    enum err err = ERR_NONE;
    mutex_lock(&p->lock);
    for (uint32_t i = 0; i < w->gone_count; i++)
        if (w->gone[i]->is_busy)
            err = ERR_BUSY;
    for (uint32_t i = 0; !err && i < w->gone_count; i++)
        w->gone[i]->is_busy = true;
    mutex_unlock(&p->lock);
    return err;
}

static void give_busy(struct postings *p, const struct swap *w)
{
    mutex_lock(&p->lock);
    for (uint32_t i = 0; i < w->gone_count; i++)
        w->gone[i]->is_busy = false;
    mutex_unlock(&p->lock);
}

static enum err change(struct store *store, const void *about, plan_swap *plan)
{
    struct postings *p = &store->postings;
    struct arena arena;
    struct swap w;
    struct fields *fields = NULL;
    arena_init(&arena, (size_t)4 << 20);
    mutex_lock(&p->change_lock);
    struct postings_view *view = postings_view_take(p);
    enum err err = swap_init(&w, view->segments, &arena);
    if (!err)
        err = plan(store, view, about, &w, &fields);
    if (!err && !(err = take_busy(p, &w))) {
        err = swap_run(store, &w, view, fields);
        give_busy(p, &w);
        if (!err)
            doom_gone(&w);
    }
    postings_view_give(view);
    mutex_unlock(&p->change_lock);
    fields_unref(fields);
    arena_release(&arena);
    return err;
}

/* Pending parts that are of another segment than `s` (NULL: of any), or do not follow
 * one another. */
static bool is_stray(const struct segment_set *set, const struct segment *s, uint32_t at)
{
    const struct segment *part = set->list[at];
    return !s || atomic_load(&part->is_damaged) || part->of != s->footer.number ||
           part->footer.last > reached(set, s);
}

static enum err plan_drop(struct store *store, const struct postings_view *view,
                          const void *about, struct swap *w, struct fields **fields)
{
    const struct segment_set *set = view->segments;
    (void)store;
    (void)fields;
    for (uint32_t i = set->from[SEGMENT_PENDING]; i < segment_set_all(set); i++)
        if (is_stray(set, about, i))
            w->gone[w->gone_count++] = set->list[i];
    return ERR_NONE;
}

static enum err plan_sides(struct store *store, const struct postings_view *view,
                           const void *about, struct swap *w, struct fields **fields)
{
    const struct segment_set *set = view->segments;
    (void)store;
    (void)about;
    for (uint32_t i = set->from[SEGMENT_SIDE]; i < set->from[SEGMENT_SIDE_PAST + 1]; i++)
        w->gone[w->gone_count++] = set->list[i];
    return fields_reset(view->fields, fields);
}

/* The parts take its place. */
static enum err plan_finish(struct store *store, const struct postings_view *view,
                            const void *about, struct swap *w, struct fields **fields)
{
    const struct segment_set *set = view->segments;
    const struct segment *s = about;
    (void)store;
    (void)fields;
    for (uint32_t i = 0; i < segment_set_all(set); i++) {
        struct segment *one = set->list[i];
        bool is_part = is_pending(set, i) && one->of == s->footer.number;
        if (one == s || is_part)
            w->gone[w->gone_count++] = one;
        if (is_part)
            w->add[w->add_count++] = (struct segment_addition){
                one, one->footer.until ? SEGMENT_PAST : SEGMENT_MAIN
            };
    }
    return ERR_NONE;
}

/* ---- what is wrong though its checksums are right ---- */

struct losses {
    const uint64_t *docs; /* ascending */
    size_t count;
    struct segment **ghosts; /* one reference each is the caller's */
    uint32_t ghost_count;
};

static bool is_hit(const struct losses *l, const struct segment *s)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->docs[middle] < s->footer.first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->count && l->docs[low] <= s->footer.last;
}

/* Ghosts in their place: all that reads them is refused, after a restart too. */
static enum err plan_lose(struct store *store, const struct postings_view *view,
                          const void *about, struct swap *w, struct fields **fields)
{
    const struct segment_set *set = view->segments;
    struct losses *l = (struct losses *)(uintptr_t)about;
    (void)fields;
    for (uint32_t i = 0; i < set->from[SEGMENT_SIDE]; i++) {
        struct segment *s = set->list[i], *ghost = NULL;
        if (s->is_ghost || !is_hit(l, s))
            continue;
        const struct segment_footer ghostly = { .number = s->footer.number,
                                                .first = s->footer.first,
                                                .last = s->footer.last,
                                                .until = s->footer.until,
                                                .docs = s->footer.docs,
                                                .checksum = s->footer.checksum };
        TRY(segment_ghost(store->segments.folder, &ghostly, 0, &ghost));
        l->ghosts[l->ghost_count++] = ghost;
        w->gone[w->gone_count++] = s;
        w->add[w->add_count++] = (struct segment_addition){ ghost, segment_set_kind(set, i) };
    }
    return ERR_NONE;
}

enum err store_repair_lose(struct store *store, const uint64_t *docs, size_t count)
{
    struct segment *ghosts[MANIFEST_SEGMENTS_MAX];
    struct losses l = { .docs = docs, .count = count, .ghosts = ghosts };
    enum err err = change(store, &l, plan_lose);
    while (l.ghost_count)
        segment_unref(ghosts[--l.ghost_count]);
    store_rebuild_wake(store);
    return err;
}

/* ---- what it holds ---- */

static enum err mark_list(struct posting *list, const struct segment *s, uint64_t *taken,
                          union block_room *room)
{
    while (list->number != POSTING_END) {
        struct block block;
        struct block_place place = { 0 };
        TRY(posting_next(list, room, &block));
        for (uint32_t low = 0; (low = block_seek(&block, &place, low)) != BLOCK_NONE; low++) {
            uint64_t doc = block.number << BLOCK_SHIFT | low;
            if (doc >= s->footer.first && doc <= s->footer.last)
                taken[(doc - s->footer.first) / 64] |= UINT64_C(1)
                                                      << ((doc - s->footer.first) % 64);
        }
    }
    return ERR_NONE;
}

static enum err mark_segment(struct store *store, const struct segment *other,
                             const struct segment *s, uint64_t *taken, struct arena *arena)
{
    struct segment_walk *walk = arena_raw(arena, sizeof *walk);
    union block_room *room = arena_raw(arena, sizeof *room);
    bool any = false;
    if (!walk || !room)
        return ERR_NO_MEMORY;
    TRY(segment_walk_seek(walk, other, NULL, 0, &any));
    while (any) {
        struct posting list;
        if (store_is_stopping(store))
            return ERR_BUSY;
        TRY(segment_walk_list(walk, &list));
        TRY(mark_list(&list, s, taken, room));
        TRY(segment_walk_next(walk, &any));
    }
    return ERR_NONE;
}

/* Documents in other segments. One of these that turns out to be damaged as well has
 * marked what could be read; what is derived twice for that is the same in both. */
static enum err mark_others(struct store *store, const struct segment_set *set,
                            const struct segment *s, uint64_t *taken)
{
    for (uint32_t i = 0; i < set->from[SEGMENT_SIDE]; i++) {
        struct segment *other = set->list[i];
        struct arena arena;
        if (other == s || atomic_load(&other->is_damaged) ||
            other->footer.first > s->footer.last || other->footer.last < s->footer.first)
            continue;
        arena_init(&arena, (size_t)1 << 20);
        uint64_t since = os_faults();
        enum err err = mark_segment(store, other, s, taken, &arena);
        arena_release(&arena);
        bool is_failed = segment_failed(other, since);
        if (err == ERR_CORRUPT || is_failed)
            segments_report_damage(&store->segments, other);
        if (is_failed) /* marked may be what it does not hold: all over again */
            return ERR_BUSY;
        if (err != ERR_CORRUPT)
            TRY(err);
    }
    return ERR_NONE;
}

/* Of a past one: who lived on at its time. */
static enum err mark_living(struct store *store, const struct segment *s, uint64_t words,
                            uint64_t *taken)
{
    uint64_t *bits = calloc((size_t)(2 * words), sizeof *bits);
    if (!bits)
        return ERR_NO_MEMORY;
    struct merge_dead dead = { .first = s->footer.first, .last = s->footer.last };
    dead.until = s->footer.until;
    dead.dead_bits = bits;
    dead.gone_bits = bits + words;
    enum err err = store->postings.settings.deaths(store->postings.settings.context, &dead);
    for (uint64_t i = 0; !err && i < words; i++)
        taken[i] |= ~(bits[i] | bits[words + i]);
    free(bits);
    return err;
}

/* Is each that was left out for its damage still there? A merge that was under way may
 * have taken it away, and what it made holds the same documents. */
static bool is_current(struct store *store, const struct segment_set *set,
                       const struct segment *s)
{
    struct postings_view *view = postings_view_take(&store->postings);
    const struct segment_set *now = view->segments;
    bool all = true;
    for (uint32_t i = 0; all && i < set->from[SEGMENT_SIDE]; i++) {
        const struct segment *other = set->list[i];
        bool is_there = other == s || !atomic_load(&other->is_damaged);
        for (uint32_t k = 0; !is_there && k < segment_set_seen(now); k++)
            is_there = now->list[k] == other;
        all = is_there;
    }
    postings_view_give(view);
    return all;
}

static enum err begin(struct store *store, const struct segment_set *set,
                      const struct segment *s)
{
    uint64_t words = (s->footer.last - s->footer.first) / 64 + 1;
    store_repair_end(store);
    store->repair.taken = calloc((size_t)words, sizeof *store->repair.taken);
    if (!store->repair.taken)
        return ERR_NO_MEMORY;
    TRY(mark_others(store, set, s, store->repair.taken));
    if (!is_current(store, set, s))
        return ERR_BUSY;
    if (s->footer.until)
        TRY(mark_living(store, s, words, store->repair.taken));
    tell(store, s,
         s->is_ghost            ? "cannot be read: it is derived again from the bodies"
         : segment_failed(s, 0) ? "has pages that the disk does not give: it is written again "
                                  "from the bodies"
                                : "is written again from the bodies");
    store->repair.of = s->footer.number;
    return ERR_NONE;
}

void store_repair_end(struct store *store)
{
    free(store->repair.taken);
    store->repair = (struct repair){ 0 };
}

/* ---- a part ---- */

/* What lies in side segments stays there. */
static uint32_t name_main(const void *context, uint32_t field, uint32_t place)
{
    const struct chunk *c = context;
    const struct field_row *row = fields_find(c->fields, field);
    if (!row)
        return field;
    return row->until > c->last + place ? RUN_NOWHERE : row->place;
}

static enum err part_change(struct store *store, const struct merged *made,
                          const struct segment *s, const struct postings_view *view)
{
    struct segment_addition add[] = { { made->segment, SEGMENT_PENDING },
                                      { made->past, SEGMENT_PENDING_PAST } };
    for (size_t i = 0; i < ARRAY_COUNT(add); i++)
        if (add[i].segment)
            add[i].segment->of = s->footer.number;
    const struct swap w = { .add = add, .add_count = 2 };
    return swap_run(store, &w, view, NULL);
}

static enum err show_part(struct store *store, const struct merged *made,
                          const struct segment *s)
{
    struct postings *p = &store->postings;
    mutex_lock(&p->change_lock);
    struct postings_view *view = postings_view_take(p);
    enum err err = part_change(store, made, s, view);
    postings_view_give(view);
    mutex_unlock(&p->change_lock);
    return err;
}

static enum err part(struct store *store, const struct segment *s, uint64_t done)
{
    struct chunk c = { .store = store, .name = name_main, .taken = store->repair.taken };
    struct merged made = { NULL, NULL };
    c.fields = postings_fields(&store->postings);
    c.taken_from = s->footer.first;
    c.first = done + 1;
    c.last = done;
    c.end = s->footer.last;
    enum err err = chunk_gather(&c);
    mutex_lock(&store->erasures.side_lock);
    if (!err)
        err = chunk_write(&c, s->footer.until, &made);
    if (!err)
        err = show_part(store, &made, s);
    mutex_unlock(&store->erasures.side_lock);
    if (err == ERR_FULL) { /* the manifest does not name them */
        segment_doom(made.segment);
        segment_doom(made.past);
    }
    segment_unref(made.segment);
    segment_unref(made.past);
    chunk_release(&c);
    fields_unref(c.fields);
    return err;
}

/* ---- all of it ---- */

static bool has_stray(const struct segment_set *set, const struct segment *s)
{
    for (uint32_t i = set->from[SEGMENT_PENDING]; i < segment_set_all(set); i++)
        if (is_stray(set, s, i))
            return true;
    return false;
}

static enum err finish(struct store *store, const struct segment *s)
{
    TRY(change(store, s, plan_finish));
    tell(store, s, "is whole again");
    atomic_store(&store->segments.damaged, 0);
    store_repair_end(store);
    return ERR_NONE;
}

static enum err step(struct store *store, const struct segment_set *set, const struct segment *s,
                     uint32_t at)
{
    if (at >= set->from[SEGMENT_SIDE])
        return change(store, s, plan_sides);
    if (has_stray(set, s))
        return change(store, s, plan_drop);
    if (store->repair.of != s->footer.number)
        TRY(begin(store, set, s));
    uint64_t done = reached(set, s);
    return done < s->footer.last ? part(store, s, done) : finish(store, s);
}

static enum err go_on(void *context, uint64_t keys)
{
    const struct store *store = context;
    (void)keys;
    return atomic_load(&store->closes) ? ERR_BUSY : ERR_NONE;
}

static enum err find_suspect(struct store *store, const struct segment_set *set)
{
    for (uint32_t i = 0; i < segment_set_seen(set); i++) {
        struct segment *s = set->list[i];
        enum err err = atomic_load(&s->is_damaged) ? ERR_NONE
                                                   : segment_verify(s, go_on, store);
        if (err == ERR_CORRUPT)
            segments_report_damage(&store->segments, s);
        else
            TRY(err);
    }
    return ERR_NONE;
}

enum err store_repair_step(struct store *store, bool *ret_any)
{
    struct postings_view *view = postings_view_take(&store->postings);
    uint32_t at = 0;
    enum err err = ERR_NONE;
    if (atomic_exchange(&store->segments.is_suspect, false))
        err = find_suspect(store, view->segments);
    struct segment *s = err ? NULL : choose(view->segments, &at);
    bool is_left = !s && !err && has_stray(view->segments, s); /* a purge took the segment away */
    *ret_any = s || is_left;
    if (is_left)
        err = change(store, NULL, plan_drop);
    else if (s)
        err = step(store, view->segments, s, at);
    postings_view_give(view);
    if (err == ERR_BUSY && !store_is_stopping(store)) { /* a merge has it in hand */
        os_sleep_us(1000);
        err = ERR_NONE;
    }
    return err;
}
