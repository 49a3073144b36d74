#include "store/segment/merge.h"

#include <stdlib.h>

enum { STOP_EVERY = 4096 };
static const size_t ARENA_BYTES_MAX = (size_t)1 << 30;

/* One input: a run, or a walk over a segment. */
struct input {
    const struct run *run;
    uint32_t run_key;
    struct segment_walk *walk; /* in the arena */
    bool is_done;
    uint8_t run_bytes[KEY_BYTES_MAX]; /* of the run's key */
    const uint8_t *key;
    size_t key_size;
};

struct merging {
    const struct merge *m;
    struct arena arena;
    struct input *inputs;
    uint32_t *heap; /* inputs by key, then by place */
    uint32_t heap_count;
    struct posting *lists; /* of the current key */
    uint32_t list_count;
    union block_room *rooms[2];
    struct posting_build live, dead;
    struct merge_dead deaths; /* its bits NULL: nobody is dead */
    struct segment_writer *writer, *past; /* NULL until needed */
    uint64_t keys;
    uint32_t field; /* of the key before, */
    bool keeps;     /* and is it wanted? */
    uint16_t *lows, *dead_lows; /* BLOCK_DOCS each */
    uint8_t key[KEY_BYTES_MAX];
    size_t key_size;
};

/* ---- inputs ---- */

static void run_load(struct input *in)
{
    in->is_done = in->run_key >= in->run->key_count;
    if (in->is_done)
        return;
    const struct run_key *key = &in->run->keys[in->run_key];
    in->key_size = key_render(in->run_bytes, key->field, run_value(in->run, key));
    in->key = in->run_bytes;
}

static void walk_load(struct input *in, bool any)
{
    in->is_done = !any;
    in->key = in->walk->leaf.key;
    in->key_size = in->walk->leaf.key_size;
}

static enum err input_next(struct input *in)
{
    if (in->run) {
        in->run_key++;
        run_load(in);
        return ERR_NONE;
    }
    bool any = false;
    TRY(segment_walk_next(in->walk, &any));
    walk_load(in, any);
    return ERR_NONE;
}

static enum err input_list(const struct input *in, struct posting *ret)
{
    if (!in->run)
        return segment_walk_list(in->walk, ret);
    const struct run_key *key = &in->run->keys[in->run_key];
    posting_open_run(ret, in->run->docs + key->docs_at, key[1].docs_at - key->docs_at,
                     in->run->base);
    return ERR_NONE;
}

static enum err input_open(struct merging *g, uint32_t i)
{
    struct input *in = &g->inputs[i];
    if (g->m->runs) {
        in->run = g->m->runs[i];
        run_load(in);
        return ERR_NONE;
    }
    bool any = false;
    in->walk = arena_raw(&g->arena, sizeof *in->walk);
    if (!in->walk)
        return ERR_NO_MEMORY;
    TRY(segment_walk_seek(in->walk, g->m->segments[i], NULL, 0, &any));
    walk_load(in, any);
    return ERR_NONE;
}

/* ---- the heap ---- */

static bool is_before(const struct merging *g, uint32_t a, uint32_t b)
{
    const struct input *x = &g->inputs[a], *y = &g->inputs[b];
    int order = key_compare_bytes(x->key, x->key_size, y->key, y->key_size);
    return order ? order < 0 : a < b;
}

static void sift(struct merging *g, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < g->heap_count; at = child) {
        if (child + 1 < g->heap_count && is_before(g, g->heap[child + 1], g->heap[child]))
            child++;
        if (!is_before(g, g->heap[child], g->heap[at]))
            return;
        uint32_t held = g->heap[at];
        g->heap[at] = g->heap[child];
        g->heap[child] = held;
    }
}

/* Step over the key on top and gather its lists, in the order of the inputs. */
static enum err gather(struct merging *g)
{
    g->list_count = 0;
    g->key_size = g->inputs[g->heap[0]].key_size;
    memcpy(g->key, g->inputs[g->heap[0]].key, g->key_size);
    while (g->heap_count) {
        struct input *in = &g->inputs[g->heap[0]];
        if (key_compare_bytes(in->key, in->key_size, g->key, g->key_size) != 0)
            break;
        TRY(input_list(in, &g->lists[g->list_count++]));
        TRY(input_next(in));
        if (!in->is_done && key_compare_bytes(in->key, in->key_size, g->key, g->key_size) <= 0)
            return ERR_CORRUPT; /* keys out of order would never end */
        if (in->is_done)
            g->heap[0] = g->heap[--g->heap_count];
        sift(g, 0);
    }
    return ERR_NONE;
}

/* ---- lists ---- */

static enum err writer_open(struct merging *g, bool is_past)
{
    const struct merge *m = g->m;
    struct segment_footer about = { .number = is_past ? m->past_number : m->number,
                                    .first = m->first,
                                    .last = m->last,
                                    .docs = m->last - m->first + 1 - g->deaths.dead_count -
                                            g->deaths.gone_count,
                                    .until = is_past ? m->until : 0 };
    struct segment_writer *w = arena_alloc(&g->arena, sizeof *w);
    if (!w)
        return ERR_NO_MEMORY;
    w->file.fd = -1;
    *(is_past ? &g->past : &g->writer) = w;
    return segment_writer_open(w, m->folder, &about);
}

/* The dead of a block move to the second list, unless they are gone; returns how
 * many stay. All of a past segment's are dead and stay together. */
static uint32_t split(struct merging *g, uint64_t number, uint32_t count)
{
    const struct merge_dead *d = &g->deaths;
    if (!d->dead_bits)
        return count;
    uint32_t live = 0, dead = 0;
    uint64_t from = number << BLOCK_SHIFT;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = from + g->lows[i] - g->m->first;
        if (d->gone_bits[at / 64] >> (at % 64) & 1)
            continue;
        if (!g->m->is_past && d->dead_bits[at / 64] >> (at % 64) & 1)
            g->dead_lows[dead++] = g->lows[i];
        else
            g->lows[live++] = g->lows[i];
    }
    posting_build_add(&g->dead, number, g->dead_lows, dead);
    return live;
}

/* A document that the segment says it does not have would be lost or doubled. */
static bool is_covered(const struct merge *m, uint64_t number, const uint16_t *lows,
                       uint32_t count)
{
    uint64_t from = number << BLOCK_SHIFT;
    if (!count || from + lows[0] < m->first || from + lows[count - 1] > m->last)
        return false;
    for (uint32_t i = 1; i < count; i++)
        if (lows[i] <= lows[i - 1])
            return false;
    return true;
}

static enum err write_key(struct merging *g)
{
    struct posting_union u = { .lists = g->lists, .count = g->list_count };
    u.room = g->rooms[0];
    u.piece = g->rooms[1];
    u.docs = UINT32_MAX; /* the rooms are whole */
    posting_build_clear(&g->live);
    posting_build_clear(&g->dead);
    for (uint64_t number = 0;;) {
        struct block block;
        bool any = false;
        TRY(posting_union_next(&u, number, &any, &block));
        if (!any)
            break;
        uint32_t count = block_lows(&block, g->lows);
        if (!is_covered(g->m, block.number, g->lows, count))
            return ERR_CORRUPT;
        posting_build_add(&g->live, block.number, g->lows, split(g, block.number, count));
        number = block.number + 1;
    }
    struct segment_writer *w = g->m->is_past ? g->past : g->writer;
    if (g->live.count)
        segment_writer_add(w, g->key, g->key_size, &g->live);
    if (g->dead.count && !g->past)
        TRY(writer_open(g, true));
    if (g->dead.count)
        segment_writer_add(g->past, g->key, g->key_size, &g->dead);
    return ERR_NONE;
}

/* ---- the whole ---- */

static enum err load_deaths(struct merging *g)
{
    const struct merge *m = g->m;
    if (!m->deaths)
        return ERR_NONE;
    size_t words = (size_t)((m->last - m->first + 1) / 64 + 1);
    uint64_t *bits = calloc(2 * words, sizeof *bits);
    if (!bits)
        return ERR_NO_MEMORY;
    g->deaths = (struct merge_dead){ .first = m->first,
                                     .last = m->last,
                                     .until = m->until,
                                     .gone = m->gone,
                                     .dead_bits = bits,
                                     .gone_bits = bits + words };
    TRY(m->deaths(m->context, &g->deaths));
    if (g->deaths.gone_count || (g->deaths.dead_count && !m->is_past))
        return ERR_NONE;
    free(bits);
    g->deaths.dead_bits = g->deaths.gone_bits = NULL;
    return ERR_NONE;
}

static enum err begin(struct merging *g)
{
    const struct merge *m = g->m;
    g->inputs = arena_array(&g->arena, m->count, sizeof *g->inputs);
    g->heap = arena_array(&g->arena, m->count, sizeof *g->heap);
    g->lists = arena_array(&g->arena, m->count, sizeof *g->lists);
    g->lows = arena_array(&g->arena, BLOCK_DOCS, sizeof *g->lows);
    g->dead_lows = arena_array(&g->arena, BLOCK_DOCS, sizeof *g->dead_lows);
    g->rooms[0] = arena_alloc(&g->arena, sizeof *g->rooms[0]);
    g->rooms[1] = arena_alloc(&g->arena, sizeof *g->rooms[1]);
    if (!g->inputs || !g->heap || !g->lists || !g->lows || !g->dead_lows || !g->rooms[0] ||
        !g->rooms[1])
        return ERR_NO_MEMORY;
    TRY(load_deaths(g));
    TRY(writer_open(g, m->is_past));
    for (uint32_t i = 0; i < m->count; i++) {
        TRY(input_open(g, i));
        if (!g->inputs[i].is_done)
            g->heap[g->heap_count++] = i;
    }
    for (uint32_t i = g->heap_count / 2; i-- > 0;)
        sift(g, i);
    return ERR_NONE;
}

static bool is_kept(struct merging *g)
{
    const struct merge *m = g->m;
    if (!m->keeps || g->key_size < 4)
        return true;
    uint32_t field = key_field(g->key);
    if (field != g->field || !g->keys)
        g->keeps = m->keeps(m->fields, field);
    g->field = field;
    return g->keeps;
}

static enum err write_all(struct merging *g)
{
    while (g->heap_count) {
        TRY(gather(g));
        if (is_kept(g))
            TRY(write_key(g));
        if (++g->keys % STOP_EVERY == 0 && g->m->stop && atomic_load(g->m->stop))
            return ERR_BUSY;
    }
    return ERR_NONE;
}

static enum err finish_one(struct segment_writer *w, const struct merge *m, struct segment **ret)
{
    if (!w)
        return ERR_NONE;
    TRY(segment_writer_finish(w));
    return segment_open(m->folder, w->footer.number, ret);
}

static enum err finish(struct merging *g, struct merged *ret)
{
    TRY(finish_one(g->writer, g->m, &ret->segment));
    return finish_one(g->past, g->m, &ret->past);
}

static void discard(struct segment *s)
{
    if (s)
        atomic_store(&s->is_doomed, true);
    segment_unref(s);
}

/* What was written of a page that could not be read is not what the inputs hold. */
static enum err settle(const struct merge *m, uint64_t since, enum err err)
{
    if (m->runs || os_faults_are_none(since))
        return err;
    for (uint32_t i = 0; i < m->count; i++)
        if (segment_failed(m->segments[i], since))
            return ERR_CORRUPT;
    return err;
}

enum err merge_write(const struct merge *m, struct merged *ret)
{
    CHECK(m->count > 0 && m->first <= m->last);
    uint64_t since = os_faults();
    struct merging g = { .m = m };
    struct merged made = { NULL, NULL };
    arena_init(&g.arena, ARENA_BYTES_MAX);
    posting_build_init(&g.live, m->first);
    posting_build_init(&g.dead, m->first);
    enum err err = begin(&g);
    if (!err)
        err = write_all(&g);
    if (!err)
        err = finish(&g, &made);
    err = settle(m, since, err);
    if (err) {
        if (g.writer)
            segment_writer_abandon(g.writer);
        if (g.past)
            segment_writer_abandon(g.past);
        discard(made.segment);
        discard(made.past);
    } else {
        *ret = made;
    }
    posting_build_release(&g.live);
    posting_build_release(&g.dead);
    free(g.deaths.dead_bits);
    arena_release(&g.arena);
    return err;
}
