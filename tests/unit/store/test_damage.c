/* An index that is missing, cut, damaged, of an older format or ahead of the
 * truth: found, and derived again; files nobody names are removed. */
#include "fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "store/embedded/engine.h"

enum { COUNT = 3000, EACH = 500 };

static void fill(struct fixture *f)
{
    for (int from = 0; from < COUNT; from += EACH) {
        struct store_write writes[EACH];
        struct store_result results[EACH];
        struct arena_mark mark = arena_mark(&f->arena);
        for (int i = 0; i < EACH; i++) {
            const char *id = arena_printf(&f->arena, "n%d", (from + i) % 1000).bytes;
            writes[i] = put_write(&f->arena, "N", id,
                                  arena_printf(&f->arena, "1=all;2=%s;3=m%d;", id, (from + i) % 9)
                                      .bytes);
        }
        uint64_t time = 0;
        size_t refused = 0;
        assert_int_equal(store_apply(f->store, writes, EACH, true, &f->arena, results, &time,
                                     &refused),
                         ERR_NONE);
        arena_rewind(&f->arena, mark);
        assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    }
}

static void check_answers(struct fixture *f)
{
    uint64_t *docs = NULL;
    struct plan all = term_plan(1, "all"), one = term_plan(2, "n77");
    assert_int_equal(search_docs(f, 0, &all, &docs), 1000);
    assert_int_equal(search_docs(f, 0, &one, &docs), 1);
    assert_int_equal(search_docs(f, 1501, &all, &docs), 1000);
    assert_int_equal(search_docs(f, 501, &all, &docs), 500);
}

static char *index_file(struct fixture *f, const char *name)
{
    return (char *)(uintptr_t)arena_printf(&f->arena, "%s/index/%s", f->folder, name).bytes;
}

/* The name of one segment; how many there are. */
static int find_segments(struct fixture *f, char name[256])
{
    DIR *folder = opendir(index_file(f, ""));
    int count = 0;
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) {
        size_t length = strlen(e->d_name);
        if (length > 4 && strcmp(e->d_name + length - 4, ".seg") == 0) {
            snprintf(name, 256, "%s", e->d_name);
            count++;
        }
    }
    closedir(folder);
    return count;
}

static void write_at(const char *path, long at, int bits)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int old = fgetc(file);
    assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
    fputc(old ^ bits, file);
    fclose(file);
}

static void expect_damage(struct fixture *f, const char *what)
{
    struct store_index_figures figures;
    store_index_figures(f->store, &figures);
    assert_non_null(strstr(figures.damage, what));
}

static void a_missing_segment_is_named_and_derived_again(void **state)
{
    struct fixture *f = *state;
    char name[256];
    fill(f);
    fixture_close(f);
    assert_true(find_segments(f, name) > 0);
    assert_int_equal(unlink(index_file(f, name)), 0);
    fixture_open(f);
    expect_damage(f, name);
    check_answers(f);
}

static void a_segment_with_a_damaged_footer_is_derived_again(void **state)
{
    struct fixture *f = *state;
    char name[256];
    fill(f);
    fixture_close(f);
    assert_true(find_segments(f, name) > 0);
    write_at(index_file(f, name), -20, 4);
    fixture_open(f);
    expect_damage(f, name);
    check_answers(f);
}

static void a_segment_cut_short_is_derived_again(void **state)
{
    struct fixture *f = *state;
    char name[256];
    fill(f);
    fixture_close(f);
    assert_true(find_segments(f, name) > 0);
    assert_int_equal(truncate(index_file(f, name), 1000), 0);
    fixture_open(f);
    check_answers(f);
}

static void count_report(void *context, const char *what, struct slice type, struct slice id)
{
    print_message("%s %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
    ++*(size_t *)context;
}

static void expect_agreement(struct fixture *f)
{
    size_t count = 0;
    uint64_t checked = 0;
    assert_int_equal(store_check(f->store, count_report, &count, &checked), ERR_NONE);
    assert_int_equal(count, 0);
}

static void look_over(struct fixture *f)
{
    uint64_t checked = 0;
    assert_int_equal(store_check(f->store, NULL, NULL, &checked), ERR_NONE);
}

static void await_repair(struct fixture *f)
{
    struct store_index_figures figures;
    for (int ms = 0; ms < 20000; ms++) {
        store_index_figures(f->store, &figures);
        if (!figures.damaged_segments)
            return;
        os_sleep_us(1000);
    }
    fail_msg("it is not repaired");
}

/* All main segments into one, so that there is a past one. */
static void merge_all(struct fixture *f)
{
    for (int tries = 0; tries < 100; tries++) {
        struct store_index_figures figures;
        store_index_figures(f->store, &figures);
        if (figures.segments == 1)
            return;
        assert_int_equal(postings_merge_window(&f->store->postings, SEGMENT_MAIN, 0,
                                               figures.segments),
                         ERR_NONE);
    }
    fail_msg("they are not merged");
}

/* Ask for everything, so that all that is wrong is found. */
static void touch_all(struct fixture *f)
{
    uint64_t times[] = { 0, 501, 1501 };
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        struct store_reader *reader = reader_at(f, times[i]);
        for (uint32_t field = 1; field < 4; field++) {
            struct plan plan = { .kind = PLAN_CONTAINS, .field = field, .from = SLICE("") };
            uint64_t count = 0;
            plan.needle = SLICE("");
            enum err err = store_count(reader, &plan, &count);
            assert_true(err == ERR_NONE || err == ERR_NOT_READY);
        }
        store_read_end(reader);
    }
}

static void a_damaged_block_is_refused_and_written_again_while_open(void **state)
{
    struct fixture *f = *state;
    char name[256];
    fill(f);
    fixture_close(f);
    for (int i = find_segments(f, name); i > 0; i = 0)
        for (long at = 16; at < 200; at += 40)
            write_at(index_file(f, name), at, 1);
    fixture_open(f);
    struct store_reader *reader = reader_at(f, 0);
    struct plan plan = { .kind = PLAN_PREFIX, .field = 2, .from = SLICE("") };
    struct plan sound = { .kind = PLAN_ID, .from = SLICE("N"), .to = SLICE("n77") };
    uint64_t count = 0;
    assert_int_equal(store_count(reader, &plan, &count), ERR_NOT_READY);
    assert_int_equal(store_count(reader, &plan, &count), ERR_NOT_READY);
    assert_int_equal(store_count(reader, &sound, &count), ERR_NONE); /* reads none of it */
    assert_int_equal(count, 1);
    put(f, "N", "n77", "1=all;2=n77;3=new;"); /* writes go on */
    store_read_end(reader);
    await_repair(f);
    check_answers(f);
    for (int ms = 0; ms < 5000 && os_file_exists(index_file(f, name)); ms++)
        os_sleep_us(1000); /* until the repair has given its own view back */
    assert_false(os_file_exists(index_file(f, name)));
    struct store_index_figures figures;
    store_index_figures(f->store, &figures);
    assert_true(figures.damaged_segment == 0 && figures.damaged_segments == 0);
    expect_agreement(f);
    fixture_reopen(f);
    store_index_figures(f->store, &figures);
    assert_string_equal(figures.damage, "");
    check_answers(f);
}

/* Any place of any file: an answer is right or refused, and all is right in the end. */
static void damage_anywhere_is_refused_and_repaired(void **state)
{
    struct fixture *f = *state;
    fill(f);
    merge_all(f);
    for (int round = 0; round < 12; round++) {
        char name[256];
        struct store_reader *reader;
        struct plan all = term_plan(1, "all");
        uint64_t count = 0;
        fixture_close(f);
        assert_true(find_segments(f, name) > 0);
        struct stat info;
        assert_int_equal(stat(index_file(f, name), &info), 0);
        write_at(index_file(f, name), 16 + (info.st_size - 16) * round / 12, 1 << round % 8);
        fixture_open(f);
        reader = reader_at(f, round % 2 ? 0 : 1501);
        enum err err = store_count(reader, &all, &count);
        assert_true(err == ERR_NOT_READY || (err == ERR_NONE && count == 1000));
        store_read_end(reader);
        touch_all(f);
        await_repair(f);
        check_answers(f);
        touch_all(f);
        look_over(f); /* what no search reads */
        await_repair(f);
        check_answers(f);
        expect_agreement(f);
    }
}

static void all_segments_can_be_written_again_while_they_answer(void **state)
{
    struct fixture *f = *state;
    fill(f);
    merge_all(f);
    struct store_index_figures before, after;
    store_index_figures(f->store, &before);
    assert_int_equal(store_rebuild(f->store, NULL, 0), ERR_NONE);
    check_answers(f);
    await_repair(f);
    check_answers(f);
    store_index_figures(f->store, &after);
    expect_agreement(f);
    assert_int_equal(before.past_bytes > 0, after.past_bytes > 0);
}

/* Lost: a file that other ones overlap in documents. */
static void a_lost_past_segment_is_derived_again(void **state)
{
    struct fixture *f = *state;
    char path[300];
    fill(f);
    merge_all(f);
    struct postings_view *view = postings_view_take(&f->store->postings);
    const struct segment_set *set = view->segments;
    assert_true(segment_set_count(set, SEGMENT_PAST) > 0);
    snprintf(path, sizeof path, "%s", set->list[set->from[SEGMENT_PAST]]->path);
    postings_view_give(view);
    fixture_close(f);
    assert_int_equal(unlink(path), 0);
    fixture_open(f);
    check_answers(f);
    await_repair(f);
    check_answers(f);
    expect_agreement(f);
}

static void a_damaged_manifest_is_replaced(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (long at = 0; at < 60; at += 7) {
        fixture_close(f);
        write_at(index_file(f, "manifest"), at, 8);
        fixture_open(f);
        expect_damage(f, "manifest");
        check_answers(f);
    }
}

static void an_index_of_an_older_format_is_derived_again(void **state)
{
    struct fixture *f = *state;
    fill(f);
    fixture_close(f);
    assert_int_equal(os_folder_remove(index_file(f, "")), ERR_NONE);
    assert_int_equal(os_folder_make(index_file(f, "lost"), 0700), ERR_NONE);
    assert_int_equal(os_file_replace(index_file(f, "CURRENT"), SLICE("MANIFEST-000004\n"), 0600),
                     ERR_NONE);
    fixture_open(f);
    check_answers(f);
    assert_false(os_file_exists(index_file(f, "CURRENT")));
    assert_false(os_file_exists(index_file(f, "lost")));
    fixture_reopen(f);
    check_answers(f);
}

static void an_orphan_is_removed_and_no_name_is_used_twice(void **state)
{
    struct fixture *f = *state;
    char name[256];
    fill(f);
    fixture_close(f);
    int count = find_segments(f, name);
    assert_int_equal(os_file_replace(index_file(f, "000000999999.seg"), SLICE("?"), 0600),
                     ERR_NONE);
    assert_int_equal(os_file_replace(index_file(f, "manifest.new"), SLICE("?"), 0600), ERR_NONE);
    fixture_open(f);
    check_answers(f);
    assert_false(os_file_exists(index_file(f, "000000999999.seg")));
    assert_false(os_file_exists(index_file(f, "manifest.new")));
    assert_int_equal(find_segments(f, name), count);
}

static void files_of_merged_segments_go_with_their_last_reader(void **state)
{
    struct fixture *f = *state;
    char name[256];
    fill(f);
    struct store_reader *reader = reader_at(f, 0);
    struct plan all = term_plan(1, "all");
    uint64_t count = 0;
    assert_int_equal(store_count(reader, &all, &count), ERR_NONE);
    postings_stop(&f->store->postings);
    atomic_store(&f->store->postings.give_up, false);
    int before = find_segments(f, name);
    struct store_index_figures figures;
    store_index_figures(f->store, &figures);
    assert_int_equal(before, (int)(figures.segments + figures.past_segments));
    assert_true(figures.segments > 1);
    assert_int_equal(postings_merge_window(&f->store->postings, false, 0, figures.segments),
                     ERR_NONE);
    assert_true(find_segments(f, name) > (int)figures.past_segments + 2);
    assert_int_equal(store_count(reader, &all, &count), ERR_NONE);
    assert_int_equal(count, 1000);
    store_read_end(reader);
    store_index_figures(f->store, &figures);
    assert_int_equal(figures.segments, 1);
    assert_int_equal(find_segments(f, name), (int)(figures.segments + figures.past_segments));
    check_answers(f);
}

/* ---- while the index is being derived ---- */

struct latch {
    _Atomic bool is_open;
    _Atomic uint64_t passes; /* lets so many through while it is shut */
    _Atomic uint64_t asked;
    int64_t slow_us;
};

static enum err gated_extract(void *context, struct slice type, struct slice id,
                              struct slice body, struct arena *arena, struct term **ret_terms,
                              size_t *ret_count)
{
    struct latch *gate = context;
    atomic_fetch_add(&gate->asked, 1);
    while (!atomic_load(&gate->is_open)) {
        uint64_t left = atomic_load(&gate->passes);
        if (left && atomic_compare_exchange_strong(&gate->passes, &left, left - 1))
            break;
        if (!left)
            os_sleep_us(500);
    }
    os_sleep_us(gate->slow_us);
    return fixture_extract(NULL, type, id, body, arena, ret_terms, ret_count);
}

static void open_gated(struct fixture *f, struct latch *gate)
{
    struct slice error = SLICE_NONE;
    struct store_settings settings = { .folder = f->folder, .extract = gated_extract };
    settings.extract_context = gate;
    settings.rules_hash = f->rules_hash;
    settings.index_bytes = f->index_bytes;
    assert_int_equal(store_open(&settings, &f->arena, &f->store, &error), ERR_NONE);
}

static void reads_by_id_do_not_wait_for_the_index(void **state)
{
    struct fixture *f = *state;
    struct latch gate = { .slow_us = 0 };
    struct store_figures figures;
    fill(f);
    fixture_close(f);
    f->rules_hash++;
    open_gated(f, &gate);
    assert_non_null(body_of(f, 0, "N", "n77"));
    assert_non_null(body_of(f, 0, "N", "n999"));
    store_figures(f->store, &figures);
    assert_false(figures.index_is_ready);
    put(f, "N", "n77", "1=all;2=n77;3=new;"); /* writes do not wait either */
    atomic_store(&gate.is_open, true);
    check_answers(f);
    store_figures(f->store, &figures);
    assert_true(figures.index_is_ready);
    put(f, "N", "n77", "1=all;2=n77;3=new;");
    check_answers(f);
    assert_int_equal(atomic_load(&gate.asked), COUNT);
}

static void closing_gives_up_deriving_and_the_next_start_goes_on(void **state)
{
    struct fixture *f = *state;
    struct latch gate = { .slow_us = 1000 };
    atomic_store(&gate.is_open, true);
    fill(f);
    fixture_close(f);
    f->rules_hash++;
    open_gated(f, &gate);
    fixture_close(f);
    assert_true(atomic_load(&gate.asked) < COUNT);
    fixture_open(f);
    check_answers(f);
}

/* Nothing moves while the gate is shut: a copy is what a kill leaves behind. */
static void a_repair_that_is_killed_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    struct latch gate = { .slow_us = 0 };
    char command[256];
    struct store_index_figures figures;
    fill(f);
    fixture_close(f);
    f->rules_hash++;
    f->index_bytes = 80 << 10; /* small chunks */
    atomic_store(&gate.passes, 2 * COUNT / 3);
    open_gated(f, &gate);
    for (int ms = 0; ms < 20000 && atomic_load(&gate.passes); ms++)
        os_sleep_us(1000);
    store_index_figures(f->store, &figures);
    assert_true(figures.repair_done > 0 && figures.repair_whole == COUNT);
    uint64_t done = figures.repair_done;
    put(f, "N", "n5", "1=all;2=n5;3=new;");
    snprintf(command, sizeof command, "cp -r '%s' '%s.copy'", f->folder, f->folder);
    assert_int_equal(system(command), 0);
    atomic_store(&gate.is_open, true);
    fixture_close(f);
    snprintf(command, sizeof command, "rm -r '%s' && mv '%s.copy' '%s'", f->folder, f->folder,
             f->folder);
    assert_int_equal(system(command), 0);
    atomic_store(&gate.asked, 0);
    open_gated(f, &gate);
    await_repair(f);
    check_answers(f);
    assert_true(atomic_load(&gate.asked) <= COUNT - done + 1); /* one of the tail */
    expect_agreement(f);
    assert_int_equal(done % 512, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_missing_segment_is_named_and_derived_again),
        TEST(a_segment_with_a_damaged_footer_is_derived_again),
        TEST(a_segment_cut_short_is_derived_again),
        TEST(a_damaged_block_is_refused_and_written_again_while_open),
        TEST(damage_anywhere_is_refused_and_repaired),
        TEST(all_segments_can_be_written_again_while_they_answer),
        TEST(a_lost_past_segment_is_derived_again),
        TEST(a_damaged_manifest_is_replaced),
        TEST(an_index_of_an_older_format_is_derived_again),
        TEST(an_orphan_is_removed_and_no_name_is_used_twice),
        TEST(files_of_merged_segments_go_with_their_last_reader),
        TEST(reads_by_id_do_not_wait_for_the_index),
        TEST(closing_gives_up_deriving_and_the_next_start_goes_on),
        TEST(a_repair_that_is_killed_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
