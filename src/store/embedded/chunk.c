#include "store/embedded/chunk.h"

#include "os/clock.h"

enum { PIECE_DOCS = 512 };
static const size_t PIECE_ARENA_BYTES = (size_t)1 << 30;
static const size_t CHUNK_BYTES_MAX = (size_t)32 << 20;

static void rest(struct store *store, int64_t worked_us)
{
    bool is_used = gate_count(&store->gate) ||
                   atomic_load_explicit(&store->writers, memory_order_relaxed);
    int64_t pause_us = is_used ? worked_us : worked_us / 16;
    while (pause_us > 0 && !store_is_stopping(store)) {
        int64_t step_us = MIN(pause_us, INT64_C(20000));
        os_sleep_us(step_us);
        pause_us -= step_us;
    }
}

static bool is_taken(const struct chunk *c, uint64_t doc)
{
    uint64_t at = doc - c->taken_from;
    return c->taken && c->taken[at / 64] >> (at % 64) & 1;
}

/* A body that cannot be read has no terms that could be found: the check names it. */
static enum err piece_terms(struct chunk *c, uint32_t count, struct arena *arena,
                            struct run_source *sources)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t doc = c->last + 1 + i;
        struct term *terms = NULL;
        if (is_taken(c, doc))
            continue;
        enum err err = store_doc_terms(c->store, doc, arena, &terms, &sources[i].count);
        if (err && err != ERR_CORRUPT)
            return err;
        sources[i].terms = terms;
        if (err)
            sources[i].count = 0;
    }
    return ERR_NONE;
}

static enum err piece(struct chunk *c, struct arena *arena)
{
    uint32_t count = (uint32_t)MIN(c->end - c->last, (uint64_t)PIECE_DOCS);
    struct run_source *sources = arena_array(arena, count, sizeof *sources);
    struct run *run = NULL;
    if (!sources)
        return ERR_NO_MEMORY;
    TRY(piece_terms(c, count, arena, sources));
    TRY(run_build(sources, count, c->store->seed, c->name, c, arena, &run));
    run->base = c->last + 1;
    c->last += count;
    c->bytes += run->size_bytes;
    c->runs[c->run_count++] = run;
    return ERR_NONE;
}

enum err chunk_gather(struct chunk *c)
{
    size_t most = MIN((size_t)c->store->postings.settings.tail_bytes / 4, CHUNK_BYTES_MAX);
    enum err err = ERR_NONE;
    while (!err && c->last < c->end && c->last - c->first + 1 < CHUNK_DOCS && c->bytes < most &&
           c->run_count < CHUNK_RUNS) {
        struct arena arena;
        int64_t began_us = os_monotonic_us();
        if (store_is_stopping(c->store))
            return ERR_BUSY;
        arena_init(&arena, PIECE_ARENA_BYTES);
        err = piece(c, &arena);
        arena_release(&arena);
        rest(c->store, os_monotonic_us() - began_us);
    }
    return err;
}

enum err chunk_write(struct chunk *c, uint64_t past_until, struct merged *ret)
{
    struct postings *p = &c->store->postings;
    struct merge m = {
        .folder = p->settings.segments->folder,
        .first = c->first,
        .last = c->last,
        .until = past_until,
        .gone = atomic_load(p->settings.gone),
        .number = segments_number(p->settings.segments),
        .past_number = segments_number(p->settings.segments),
        .is_past = past_until != 0,
        .deaths = p->settings.deaths,
        .context = p->settings.context,
        .stop = &c->store->closes,
        .runs = c->runs,
        .count = c->run_count,
    };
    if (!past_until)
        m.until = atomic_load_explicit(p->settings.visible, memory_order_acquire);
    TRY(merge_write(&m, ret));
    if (ret->past)
        atomic_store(&ret->past->dead, m.gone);
    return ERR_NONE;
}

void chunk_release(struct chunk *c)
{
    while (c->run_count)
        run_unref(c->runs[--c->run_count]);
}
