/* The horizon: what was superseded before it goes, all else stays. */
#include "fixture.h"

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/engine.h"

static void report_none(void *context, const char *what, struct slice type, struct slice id)
{
    print_error("%s: %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
    ++*(int *)context;
}

static void check_all(struct fixture *f)
{
    int bad = 0;
    uint64_t checked = 0;
    assert_int_equal(store_check(f->store, report_none, &bad, &checked), ERR_NONE);
    assert_int_equal(bad, 0);
}

static size_t rows_of(struct fixture *f, enum family family)
{
    struct store *s = f->store;
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(s->db, s->read_options, s->families[family]);
    size_t count = 0;
    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
        count++;
    rocksdb_iter_destroy(it);
    return count;
}

static uint64_t time_now(struct fixture *f)
{
    struct store_reader *reader = reader_at(f, 0);
    uint64_t time = store_reader_time(reader);
    store_read_end(reader);
    return time;
}

static void raise_and_purge(struct fixture *f, uint64_t time)
{
    assert_int_equal(store_horizon_raise(f->store, time, os_now_us()), ERR_NONE);
    assert_int_equal(store_purge(f->store), ERR_NONE);
}

static enum err version_err(struct fixture *f, const char *id, uint64_t version, bool *found)
{
    struct store_reader *reader = reader_at(f, 0);
    struct store_version v;
    *found = false;
    enum err err = store_version(reader, SLICE("T"), slice_cstr(id), version, &f->arena, found,
                                 &v);
    store_read_end(reader);
    return err;
}

static uint64_t history_count(struct fixture *f, const char *id)
{
    struct store_reader *reader = reader_at(f, 0);
    struct store_version *list = NULL;
    uint64_t counted = 0;
    size_t count = 0;
    assert_int_equal(store_history_count(reader, SLICE("T"), slice_cstr(id), &counted), ERR_NONE);
    assert_int_equal(store_history(reader, SLICE("T"), slice_cstr(id), 0, INT64_MIN, 100,
                                   &f->arena, &list, &count),
                     ERR_NONE);
    assert_int_equal(count, counted);
    store_read_end(reader);
    return count;
}

static void what_was_superseded_before_the_horizon_is_gone(void **state)
{
    struct fixture *f = *state;
    bool found;
    put(f, "T", "a", "1=one;");
    put(f, "T", "a", "1=two;");
    put(f, "T", "b", "1=one;");
    uint64_t then = time_now(f);
    put(f, "T", "a", "1=three;");
    raise_and_purge(f, then);
    assert_int_equal(version_err(f, "a", 1, &found), ERR_GONE);
    assert_int_equal(version_err(f, "a", 2, &found), ERR_NONE);
    assert_true(found); /* was current at the horizon */
    assert_int_equal(version_err(f, "a", 4, &found), ERR_NONE);
    assert_false(found);
    assert_int_equal(history_count(f, "a"), 2);
    assert_string_equal(body_of(f, then, "T", "a"), "1=two;");
    assert_string_equal(body_of(f, 0, "T", "b"), "1=one;");
    assert_int_equal(rows_of(f, FAMILY_BODY), 3);
    check_all(f);
    fixture_reopen(f);
    check_all(f);
    assert_int_equal(version_err(f, "a", 1, &found), ERR_GONE);
}

static void a_reader_of_an_earlier_time_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_reader *reader = NULL;
    struct store_horizon h;
    put(f, "T", "a", "1=one;");
    uint64_t early = time_now(f);
    put(f, "T", "a", "1=two;");
    uint64_t then = time_now(f);
    store_horizon(f->store, &h);
    assert_int_equal(h.time, 0);
    assert_int_equal(store_horizon_raise(f->store, then + 1, 7), ERR_INVALID);
    assert_int_equal(store_horizon_raise(f->store, then, 7), ERR_NONE);
    assert_int_equal(store_horizon_raise(f->store, early, 3), ERR_NONE); /* never falls */
    for (int i = 0; i < 2; i++) {
        store_horizon(f->store, &h);
        assert_int_equal(h.time, then);
        assert_int_equal(h.instant, 7);
        assert_int_equal(store_read_begin(f->store, early, &reader), ERR_GONE);
        assert_int_equal(store_read_begin(f->store, then, &reader), ERR_NONE);
        store_read_end(reader);
        fixture_reopen(f);
    }
}

static void a_deletion_stays_and_versions_go_on(void **state)
{
    struct fixture *f = *state;
    bool found;
    put(f, "T", "a", "1=one;");
    delete_one(f, "T", "a");
    raise_and_purge(f, time_now(f));
    assert_string_equal(body_of(f, 0, "T", "a"), "(deleted)");
    assert_int_equal(history_count(f, "a"), 1);
    assert_int_equal(put(f, "T", "a", "1=two;").version, 3);
    raise_and_purge(f, time_now(f)); /* now the deletion is superseded */
    assert_int_equal(version_err(f, "a", 2, &found), ERR_GONE);
    assert_int_equal(history_count(f, "a"), 1);
    struct plan all = { .kind = PLAN_ALL };
    uint64_t *docs;
    assert_int_equal(search_docs(f, 0, &all, &docs), 1);
    check_all(f);
}

static void the_index_forgets_what_is_gone(void **state)
{
    struct fixture *f = *state;
    struct postings *p = &f->store->postings;
    struct store_index_figures figures;
    char body[64];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 40; i++) {
            char id[16];
            snprintf(id, sizeof id, "%d", i);
            snprintf(body, sizeof body, "1=all;2=round%d;", round);
            put(f, "T", id, body);
            if (i == 39 || i == 20)
                assert_int_equal(postings_checkpoint(p), ERR_NONE);
        }
    assert_int_equal(postings_merge_window(p, false, 0, 6), ERR_NONE);
    store_index_figures(f->store, &figures);
    assert_true(figures.past_segments > 0);
    raise_and_purge(f, time_now(f));
    store_index_figures(f->store, &figures);
    assert_int_equal(figures.past_segments, 0);
    struct plan one = term_plan(2, "round0"), all = term_plan(1, "all");
    uint64_t *docs;
    assert_int_equal(search_docs(f, 0, &one, &docs), 0);
    assert_int_equal(search_docs(f, 0, &all, &docs), 40);
    assert_int_equal(rows_of(f, FAMILY_VERSION), 40);
    check_all(f);
    f->rules_hash++; /* derived again from what is left */
    fixture_reopen(f);
    assert_int_equal(search_docs(f, 0, &all, &docs), 40);
    check_all(f);
}

static void a_past_segment_that_is_half_gone_is_written_again(void **state)
{
    struct fixture *f = *state;
    struct postings *p = &f->store->postings;
    struct store_index_figures before, after;
    char body[64], id[16];
    uint64_t then = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) {
            snprintf(id, sizeof id, "%d", i);
            snprintf(body, sizeof body, "1=all;2=r%d-%d;", round, i);
            put(f, "T", id, body);
        }
        assert_int_equal(postings_checkpoint(p), ERR_NONE);
        if (round == 1)
            then = time_now(f);
    }
    assert_int_equal(postings_merge_window(p, false, 0, 3), ERR_NONE);
    assert_int_equal(postings_merge_window(p, true, 0, 3), ERR_NONE);
    store_index_figures(f->store, &before);
    assert_true(before.past_segments > 0);
    raise_and_purge(f, then);
    store_index_figures(f->store, &after);
    assert_true(after.past_segments > 0 && after.past_bytes < before.past_bytes);
    struct plan old = term_plan(2, "r1-7");
    uint64_t *docs;
    assert_int_equal(search_docs(f, then, &old, &docs), 1);
    check_all(f);
}

/* ---- waiting for readers ---- */

static void *purge_run(void *context)
{
    struct fixture *f = context;
    raise_and_purge(f, time_now(f));
    return NULL;
}

static void a_reader_under_way_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct store_version v;
    bool found = false;
    pthread_t thread;
    struct store_horizon h = { 0 };
    put(f, "T", "a", "1=one;");
    struct store_reader *reader = reader_at(f, 0);
    put(f, "T", "a", "1=two;");
    assert_int_equal(thread_start(&thread, purge_run, f), ERR_NONE);
    while (!h.time)
        store_horizon(f->store, &h);
    os_sleep_us(20000);
    assert_int_equal(store_head(reader, SLICE("T"), SLICE("a"), &f->arena, &found, &v), ERR_NONE);
    assert_true(found && slice_is(v.body, "1=one;"));
    assert_int_equal(rows_of(f, FAMILY_BODY), 2);
    store_read_end(reader);
    thread_join(thread);
    assert_int_equal(rows_of(f, FAMILY_BODY), 1);
}

static void closing_does_not_wait_for_a_purge(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 600; i++)
        put(f, "T", "a", i % 2 ? "1=one;" : "1=two;");
    assert_int_equal(store_horizon_raise(f->store, time_now(f), os_now_us()), ERR_NONE);
    fixture_reopen(f); /* the keeper goes on with it */
    for (int i = 0; i < 2000 && rows_of(f, FAMILY_BODY) > 1; i++)
        os_sleep_us(5000);
    assert_int_equal(rows_of(f, FAMILY_BODY), 1);
    check_all(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(what_was_superseded_before_the_horizon_is_gone),
        TEST(a_reader_of_an_earlier_time_is_refused),
        TEST(a_deletion_stays_and_versions_go_on),
        TEST(the_index_forgets_what_is_gone),
        TEST(a_past_segment_that_is_half_gone_is_written_again),
        TEST(a_reader_under_way_is_waited_for),
        TEST(closing_does_not_wait_for_a_purge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
