/* What happens when the disk refuses: a limit on file size makes the log's
 * writes fail as a full disk would. */
#include "fixture.h"

#include <signal.h>
#include <sys/resource.h>

#include "os/clock.h"
#include "store/embedded/engine.h"

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static const char *noise(struct arena *arena, size_t length)
{
    char *text = arena_raw(arena, length + 1);
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < length; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        text[i] = (char)('a' + random % 26);
    }
    text[length] = '\0';
    return text;
}

static void a_failed_write_latches_the_store_until_it_is_reopened(void **state)
{
    struct fixture *f = *state;
    put(f, "T", "kept", "1=x;");
    struct store_write w = put_write(&f->arena, "T", "lost", noise(&f->arena, 200000));
    struct store_result result;
    uint64_t time = 0;
    size_t refused = 0;
    signal(SIGXFSZ, SIG_IGN);
    limit_files(50000);
    enum err err = store_apply(f->store, &w, 1, true, &f->arena, &result, &time, &refused);
    limit_files(RLIM_INFINITY);
    assert_int_equal(err, ERR_IO);
    struct store_figures figures;
    store_figures(f->store, &figures);
    assert_true(figures.is_read_only);
    w.id = SLICE("later");
    assert_int_equal(store_apply(f->store, &w, 1, true, &f->arena, &result, &time, &refused),
                     ERR_READ_ONLY);
    assert_int_equal(store_meta_set(f->store, SLICE("k"), SLICE_NONE, SLICE("v")), ERR_READ_ONLY);
    assert_string_equal(body_of(f, 0, "T", "kept"), "1=x;");
    assert_null(body_of(f, 0, "T", "lost"));
    assert_int_equal(store_close(f->store), ERR_READ_ONLY);
    fixture_open(f);
    assert_string_equal(body_of(f, 0, "T", "kept"), "1=x;");
    assert_null(body_of(f, 0, "T", "lost"));
    assert_int_equal(put(f, "T", "later", "1=y;").version, 1);
    struct plan plan = { .kind = PLAN_ALL };
    uint64_t *docs = NULL;
    assert_int_equal(search_docs(f, 0, &plan, &docs), 2);
}

static void hostile_sizes_are_refused_before_anything_is_written(void **state)
{
    struct fixture *f = *state;
    struct store_result result;
    uint64_t time = 0;
    size_t refused = 0;
    struct store_write w = put_write(&f->arena, "T", "a", "text");
    struct term term = { 1, slice_of(noise(&f->arena, 2000), 2000) };
    w.terms = &term;
    w.term_count = 1;
    assert_int_equal(store_apply(f->store, &w, 1, true, &f->arena, &result, &time, &refused),
                     ERR_INVALID);
    w.term_count = 0;
    w.id = term.value;
    assert_int_equal(store_apply(f->store, &w, 1, true, &f->arena, &result, &time, &refused),
                     ERR_INVALID);
    w.id = SLICE_NONE;
    assert_int_equal(store_apply(f->store, &w, 1, true, &f->arena, &result, &time, &refused),
                     ERR_INVALID);
    struct plan plan = term_plan(1, term.value.bytes);
    uint64_t *docs = NULL;
    put(f, "T", "a", "1=x;");
    assert_int_equal(search_docs(f, 0, &plan, &docs), 0);
    plan.kind = PLAN_PREFIX;
    assert_int_equal(search_docs(f, 0, &plan, &docs), 0);
}

static void memory_that_runs_out_leaves_the_store_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct store_write w = put_write(&f->arena, "T", "a", noise(&f->arena, 3000));
    bool stored = false;
    for (size_t limit = 64; !stored && limit < 1 << 20; limit += 96) {
        struct arena small;
        struct store_result result;
        uint64_t time = 0;
        size_t refused = 0;
        arena_init(&small, limit);
        enum err err = store_apply(f->store, &w, 1, true, &small, &result, &time, &refused);
        assert_true(err == ERR_NONE || err == ERR_NO_MEMORY);
        stored = err == ERR_NONE;
        assert_int_equal(body_of(f, 0, "T", "a") != NULL, stored);
        arena_release(&small);
    }
    assert_true(stored);
}

/* ---- the index's own writes ---- */

static void await(struct fixture *f, bool (*is_so)(const struct store_index_figures *))
{
    struct store_index_figures figures;
    for (int ms = 0; ms < 10000; ms++) {
        store_index_figures(f->store, &figures);
        if (is_so(&figures))
            return;
        os_sleep_us(1000);
    }
    fail_msg("tail %lu, failures %lu", (unsigned long)figures.tail_docs,
             (unsigned long)figures.merge_failures);
}

static bool has_failed_twice(const struct store_index_figures *figures)
{
    return figures->merge_failures >= 2;
}

static bool has_no_tail(const struct store_index_figures *figures)
{
    return figures->tail_docs < 280;
}

static void put_many(struct fixture *f, int from, int count)
{
    for (int i = from; i < from + count; i++) {
        struct arena_mark mark = arena_mark(&f->arena);
        const char *body = arena_printf(&f->arena, "1=x;2=n%d;", i).bytes;
        put(f, "T", arena_printf(&f->arena, "n%d", i % 900).bytes, body);
        arena_rewind(&f->arena, mark);
    }
}

static void expect_all(struct fixture *f, size_t count)
{
    struct plan all = term_plan(1, "x");
    uint64_t *docs = NULL;
    assert_int_equal(search_docs(f, 0, &all, &docs), count);
}

/* Where the files should go there is no folder, for a while. */
static void a_checkpoint_that_cannot_write_is_tried_again_by_itself(void **state)
{
    struct fixture *f = *state;
    char command[256];
    struct store_figures figures;
    f->index_bytes = 32 << 10; /* a checkpoint is due at a quarter */
    fixture_reopen(f);
    put_many(f, 0, 10);
    assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    snprintf(command, sizeof command, "mv '%s/index' '%s/away'", f->folder, f->folder);
    assert_int_equal(system(command), 0);
    put_many(f, 10, 300);
    await(f, has_failed_twice);
    expect_all(f, 310); /* out of memory, meanwhile */
    store_figures(f->store, &figures);
    assert_false(figures.is_read_only);
    snprintf(command, sizeof command, "mv '%s/away' '%s/index'", f->folder, f->folder);
    assert_int_equal(system(command), 0);
    await(f, has_no_tail);
    put_many(f, 310, 10);
    expect_all(f, 320);
    fixture_reopen(f);
    expect_all(f, 320);
}

/* ---- the clock ---- */

static int64_t instant_of(struct fixture *f, const char *id)
{
    struct store_reader *reader = reader_at(f, 0);
    struct store_version v;
    bool found = false;
    assert_int_equal(store_head_meta(reader, SLICE("T"), slice_cstr(id), &found, &v), ERR_NONE);
    store_read_end(reader);
    assert_true(found);
    return v.instant;
}

/* Hours forth and back between commits, checkpoints and merges. */
static void a_clock_that_jumps_disturbs_neither_checkpoints_nor_merges(void **state)
{
    struct fixture *f = *state;
    static const int64_t hours[] = { 0, 5, -7, 30, -30, 2, -1, 0 };
    int64_t before = 0;
    f->index_bytes = 64 << 10;
    fixture_reopen(f);
    for (int i = 0; i < (int)ARRAY_COUNT(hours); i++) {
        os_clock_offset_us(hours[i] * 3600 * 1000000);
        put_many(f, i * 100, 100);
        char id[16];
        snprintf(id, sizeof id, "n%d", i * 100 + 99);
        assert_true(instant_of(f, id) > before); /* never back */
        before = instant_of(f, id);
        assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
        os_clock_offset_us(-hours[i] * 3600 * 1000000);
        assert_int_equal(postings_merge_window(&f->store->postings, SEGMENT_MAIN, 0, 2), ERR_NONE);
        expect_all(f, (size_t)(i + 1) * 100);
    }
    os_clock_offset_us(0);
    await(f, has_no_tail);
    expect_all(f, ARRAY_COUNT(hours) * 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_failed_write_latches_the_store_until_it_is_reopened),
        TEST(hostile_sizes_are_refused_before_anything_is_written),
        TEST(memory_that_runs_out_leaves_the_store_as_it_was),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_cannot_write_is_tried_again_by_itself,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            a_clock_that_jumps_disturbs_neither_checkpoints_nor_merges, fixture_setup,
            fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
