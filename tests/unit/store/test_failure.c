/* What happens when the disk refuses: a limit on file size makes the log's
 * writes fail as a full disk would. */
#include "fixture.h"

#include <signal.h>
#include <sys/resource.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_failed_write_latches_the_store_until_it_is_reopened),
        TEST(hostile_sizes_are_refused_before_anything_is_written),
        TEST(memory_that_runs_out_leaves_the_store_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
