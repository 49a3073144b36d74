#include "fixture.h"

#include <stdatomic.h>

#include "os/thread.h"
#include "store/embedded/engine.h"

enum { WRITERS = 4, READERS = 2, ROUNDS = 60, GROUP = 3, SHARED = 5 };

struct shared {
    struct fixture *f;
    _Atomic int running;    /* writers */
    _Atomic int created;    /* wins of NOT_THERE */
    _Atomic int increments; /* wins of VERSION */
    _Atomic int failures;
};

struct worker {
    struct shared *shared;
    int number;
};

/* cmocka's assertions may only run on the main thread. */
static void expect(struct shared *s, bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "failed: %s\n", what);
    atomic_fetch_add(&s->failures, 1);
}

static struct store_write make_write(struct arena *arena, const char *type, const char *id,
                                     const char *body)
{
    struct store_write w = { .operation = STORE_PUT };
    w.type = slice_cstr(type);
    w.id = slice_cstr(id);
    w.body = slice_cstr(body);
    if (fixture_extract(NULL, w.type, w.id, w.body, arena, &w.terms, &w.term_count))
        abort();
    return w;
}

static uint64_t count_term(struct shared *s, const char *value)
{
    struct store_reader *reader = NULL;
    uint64_t count = 0;
    struct plan plan = term_plan(1, value);
    if (store_read_begin(s->f->store, 0, &reader) || store_count(reader, &plan, &count))
        abort();
    store_read_end(reader);
    return count;
}

/* A group of writes that share a value: seen whole or not at all. */
static void write_group(struct worker *w, int round, struct arena *arena)
{
    struct store_write writes[GROUP + 1];
    struct store_result results[GROUP + 1];
    const char *value = arena_printf(arena, "w%d-%d", w->number, round).bytes;
    const char *body = arena_printf(arena, "1=%s;1=all;", value).bytes;
    for (int i = 0; i < GROUP; i++) {
        writes[i] = make_write(arena, "Group", arena_printf(arena, "%s-%d", value, i).bytes, body);
        writes[i].home_type = SLICE("Member");
        writes[i].home_id = slice_cstr(arena_printf(arena, "m%d", round % 7).bytes);
    }
    writes[GROUP] = make_write(arena, "Once", arena_printf(arena, "once-%d", round).bytes, "2=x;");
    writes[GROUP].expect = STORE_NOT_THERE;
    uint64_t time = 0;
    size_t refused = 0;
    enum err err = store_apply(w->shared->f->store, writes, GROUP + 1, false, arena, results,
                               &time, &refused);
    expect(w->shared, !err, "a group is applied");
    if (results[GROUP].outcome == STORE_CREATED)
        atomic_fetch_add(&w->shared->created, 1);
    expect(w->shared, count_term(w->shared, value) == GROUP, "an acknowledged group is found");
}

/* Read the version, write expecting it: the classic lost update. */
static void increment(struct worker *w, int round, struct arena *arena)
{
    struct shared *s = w->shared;
    const char *id = arena_printf(arena, "c%d", round % SHARED).bytes;
    struct store_reader *reader = NULL;
    struct store_version v = { .version = 0 };
    bool found = false;
    if (store_read_begin(s->f->store, 0, &reader) ||
        store_head_meta(reader, SLICE("Counter"), slice_cstr(id), &found, &v))
        abort();
    store_read_end(reader);
    struct store_write write = make_write(arena, "Counter", id, "3=x;");
    struct store_result result;
    write.expect = found ? STORE_VERSION : STORE_NOT_THERE;
    write.expect_version = v.version;
    uint64_t time = 0;
    size_t refused = 0;
    enum err err =
        store_apply(s->f->store, &write, 1, true, arena, &result, &time, &refused);
    expect(s, !err, "an increment is answered");
    if (result.outcome != STORE_REFUSED)
        atomic_fetch_add(&s->increments, 1);
    if (store_read_begin(s->f->store, 0, &reader) ||
        store_head_meta(reader, SLICE("Counter"), slice_cstr(id), &found, &v))
        abort();
    expect(s, found && v.version >= result.version, "what an answer rests on is visible");
    store_read_end(reader);
}

static void *writer_run(void *context)
{
    struct worker *w = context;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    for (int round = 0; round < ROUNDS; round++) {
        struct arena_mark mark = arena_mark(&arena);
        write_group(w, round, &arena);
        increment(w, round, &arena);
        if (w->number == 0 && round % 20 == 19)
            expect(w->shared, !postings_checkpoint(&w->shared->f->store->postings), "checkpoint");
        arena_rewind(&arena, mark);
    }
    arena_release(&arena);
    atomic_fetch_sub(&w->shared->running, 1);
    return NULL;
}

static void *reader_run(void *context)
{
    struct worker *w = context;
    struct arena arena;
    uint64_t last_time = 0;
    arena_init(&arena, 256 << 20);
    while (atomic_load(&w->shared->running)) {
        struct store_reader *reader = NULL;
        struct plan plan = term_plan(1, "all");
        uint64_t *docs = NULL, count = 0;
        size_t found = 0;
        if (store_read_begin(w->shared->f->store, 0, &reader) ||
            store_search(reader, &plan, 0, SIZE_MAX, &arena, &docs, &found) ||
            store_count(reader, &plan, &count))
            abort();
        expect(w->shared, found % GROUP == 0, "no half group is seen");
        expect(w->shared, count == found, "a reader's time stands still");
        expect(w->shared, store_reader_time(reader) >= last_time, "time does not go back");
        last_time = store_reader_time(reader);
        struct store_version v;
        for (size_t i = 0; i < found; i += 17)
            expect(w->shared, !store_doc(reader, docs[i], &arena, &v) && v.body.length > 0,
                   "a hit has a body");
        store_read_end(reader);
        arena_release(&arena);
    }
    return NULL;
}

static void no_report(void *context, const char *what, struct slice type, struct slice id)
{
    print_error("%s: %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
    ++*(int *)context;
}

static void threads_see_whole_commits_and_lose_none(void **state)
{
    struct fixture *f = *state;
    struct shared shared = { .f = f, .running = WRITERS };
    struct worker workers[WRITERS + READERS];
    pthread_t threads[WRITERS + READERS];
    for (int i = 0; i < WRITERS + READERS; i++) {
        workers[i] = (struct worker){ &shared, i };
        assert_int_equal(thread_start(&threads[i], i < WRITERS ? writer_run : reader_run,
                                      &workers[i]),
                         ERR_NONE);
    }
    for (int i = 0; i < WRITERS + READERS; i++)
        thread_join(threads[i]);
    assert_int_equal(shared.failures, 0);
    assert_int_equal(shared.created, ROUNDS);
    assert_int_equal(count_term(&shared, "all"), WRITERS * ROUNDS * GROUP);
    uint64_t versions = 0, checked = 0;
    struct store_reader *reader = reader_at(f, 0);
    for (int i = 0; i < SHARED; i++) {
        struct store_version v;
        bool found = false;
        struct slice id = arena_printf(&f->arena, "c%d", i);
        assert_int_equal(store_head_meta(reader, SLICE("Counter"), id, &found, &v), ERR_NONE);
        versions += v.version;
    }
    store_read_end(reader);
    assert_int_equal(versions, shared.increments);
    int bad = 0;
    assert_int_equal(store_check(f->store, no_report, &bad, &checked), ERR_NONE);
    assert_int_equal(bad, 0);
    struct store_figures figures;
    store_figures(f->store, &figures);
    assert_true(figures.syncs <= figures.commits + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_see_whole_commits_and_lose_none, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
