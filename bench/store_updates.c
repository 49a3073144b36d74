/* store_updates.c - does a search of now pay for history?
 *
 *   store_updates FOLDER [RESOURCES [ROUNDS]]
 *
 * Stores RESOURCES (20000) once and times a mix of searches, then updates every
 * one of them ROUNDS (49) times and times the mix again. Terms stay as they are except
 * for one value that every round changes. Both stores are measured twice, just written,
 * with runs in memory, and closed and opened again: times once and updated, and their
 * ratio. At last the same mix as of the time when all were stored once.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "store/store.h"

enum { BATCH = 500, TERMS = 12, MIXES = 5, REPEATS = 40 };
static const char *const mix_names[MIXES] = { "count of a tenth", "two terms, first 100",
                                              "one value", "range of a twentieth", "not, count" };
static struct store *store;

static enum err no_extract(void *context, struct slice type, struct slice id, struct slice body,
                           struct arena *arena, struct term **ret_terms, size_t *ret_count)
{
    (void)context, (void)type, (void)id, (void)body, (void)arena;
    *ret_terms = NULL;
    *ret_count = 0;
    return ERR_NONE;
}

static void store_round(unsigned resources, unsigned round)
{
    struct arena a;
    arena_init(&a, (size_t)1 << 30);
    for (unsigned from = 0; from < resources; from += BATCH) {
        static struct store_write writes[BATCH];
        static struct store_result results[BATCH];
        for (unsigned i = 0; i < BATCH; i++) {
            unsigned n = from + i;
            struct store_write *w = &writes[i];
            *w = (struct store_write){ .operation = STORE_PUT, .type = SLICE("Observation") };
            w->id = arena_printf(&a, "o%u", n);
            w->body = arena_printf(&a, "{\"resourceType\":\"Observation\",\"id\":\"o%u\",\"n\":%u,"
                                       "\"note\":\"round %u of a body that is not long\"}", n,
                                   n * 7919, round);
            w->terms = arena_array(&a, TERMS, sizeof *w->terms);
            for (uint32_t t = 0; t < TERMS; t++) {
                struct slice v = arena_printf(&a, "own%u-%u", n, t);
                if (t < 3)
                    v = arena_printf(&a, "tenth%u", (n + t) % 10);
                else if (t == 3)
                    v = arena_printf(&a, "day%05u", n % 2000);
                else if (t == 4)
                    v = arena_printf(&a, "round%u-%u", round, n);
                else if (t == 5)
                    v = SLICE("");
                w->terms[w->term_count++] = (struct term){ t, v };
            }
        }
        uint64_t time;
        size_t refused;
        if (store_apply(store, writes, BATCH, true, &a, results, &time, &refused))
            exit(1);
        arena_release(&a);
    }
}

static double once(struct store_reader *reader, int mix, unsigned resources, unsigned repeat)
{
    struct arena a;
    arena_init(&a, (size_t)256 << 20);
    struct plan x = { .kind = PLAN_TERM, .field = 0 }, y = { .kind = PLAN_TERM, .field = 1 };
    struct plan *pair[2] = { &x, &y };
    struct plan plan = { .kind = PLAN_AND, .children = pair, .child_count = 2 };
    uint64_t *docs = NULL, counted = 0;
    size_t count = 0;
    enum err err = ERR_NONE;
    x.from = arena_printf(&a, "tenth%u", repeat % 10);
    y.from = arena_printf(&a, "tenth%u", (repeat + 1) % 10);
    double begun = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    switch (mix) {
    case 0:
        err = store_count(reader, &x, &counted);
        break;
    case 1:
        err = store_search(reader, &plan, 0, 100, &a, &docs, &count);
        break;
    case 2:
        x.field = 8;
        x.from = arena_printf(&a, "own%u-8", repeat * 31 % resources);
        err = store_search(reader, &x, 0, 100, &a, &docs, &count);
        break;
    case 3:
        x = (struct plan){ .kind = PLAN_RANGE, .field = 3 };
        x.from = arena_printf(&a, "day%05u", repeat * 10);
        x.to = arena_printf(&a, "day%05u", repeat * 10 + 100);
        err = store_count(reader, &x, &counted);
        break;
    default:
        plan.kind = PLAN_NOT;
        plan.child_count = 1;
        err = store_count(reader, &plan, &counted);
        break;
    }
    double took = seconds_of(CLOCK_THREAD_CPUTIME_ID) - begun;
    if (err || (mix == 1 && count < 100) || (mix == 2 && count != 1) ||
        (mix == 0 && counted != resources / 10) || (mix == 3 && counted != resources / 20))
        exit(2);
    arena_release(&a);
    return took;
}

static void measure(uint64_t time, unsigned resources, double ret[MIXES])
{
    struct store_reader *reader;
    if (store_read_begin(store, time, &reader))
        exit(1);
    for (int mix = 0; mix < MIXES; mix++) {
        once(reader, mix, resources, 0);
        ret[mix] = 0;
        for (unsigned i = 0; i < REPEATS; i++)
            ret[mix] += once(reader, mix, resources, i) / REPEATS * 1e6;
    }
    store_read_end(reader);
}

static void open_store(const char *folder)
{
    struct arena arena;
    struct slice error;
    arena_init(&arena, (size_t)1 << 20);
    struct store_settings settings = { .folder = folder, .extract = no_extract };
    if (store_open(&settings, &arena, &store, &error))
        exit(1);
    arena_release(&arena);
}

/* Nothing lies in memory only. */
static void reopen(const char *folder)
{
    if (store_close(store))
        exit(1);
    open_store(folder);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    unsigned resources = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 20000;
    unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 49;
    resources -= resources % BATCH;
    open_store(argv[1]);
    double fresh[MIXES], before[MIXES], updated[MIXES], after[MIXES], past[MIXES];
    store_round(resources, 0);
    struct store_reader *reader;
    if (store_read_begin(store, 0, &reader))
        return 1;
    uint64_t first_time = store_reader_time(reader);
    store_read_end(reader);
    measure(0, resources, fresh);
    reopen(argv[1]);
    measure(0, resources, before);
    for (unsigned round = 1; round <= rounds; round++)
        store_round(resources, round);
    struct store_index_figures f;
    store_index_figures(store, &f);
    measure(0, resources, updated);
    reopen(argv[1]);
    measure(0, resources, after);
    measure(first_time, resources, past);
    printf("%-22s %26s %26s %10s\n", "us, once and updated", "just written", "opened again",
           "as of then");
    for (int mix = 0; mix < MIXES; mix++)
        printf("%-22s %9.1f %9.1f %6.2f %9.1f %9.1f %6.2f %10.1f\n", mix_names[mix], fresh[mix],
               updated[mix], updated[mix] / fresh[mix], before[mix], after[mix],
               after[mix] / before[mix], past[mix]);
    printf("runs %u, segments %u of %llu KB, past segments %u of %llu KB, tail %llu documents\n",
           f.runs, f.segments, (unsigned long long)f.segment_bytes / 1024, f.past_segments,
           (unsigned long long)f.past_bytes / 1024, (unsigned long long)f.tail_docs);
    return store_close(store) ? 1 : 0;
}
