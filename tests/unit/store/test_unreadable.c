/* Pages of segments that the disk does not give while they are mapped: every answer is
 * right or refused, the process lives, and the segment is written again. A file that
 * becomes shorter under its mapping does what a read error does. */
#include "fixture.h"

#include <stdatomic.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/fault.h"
#include "os/thread.h"
#include "store/embedded/engine.h"

enum { COUNT = 3000, EACH = 500, PAGE = 4096, GROUPS = 3 };

static void fill(struct fixture *f)
{
    for (int from = 0; from < COUNT; from += EACH) {
        struct store_write writes[EACH];
        struct store_result results[EACH];
        struct arena_mark mark = arena_mark(&f->arena);
        for (int i = 0; i < EACH; i++) {
            const char *id = arena_printf(&f->arena, "f%04d", from + i).bytes;
            writes[i] = put_write(&f->arena, "F", id,
                                  arena_printf(&f->arena, "1=all;2=%s;3=m%d;", id,
                                               (from + i) % GROUPS)
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

static uint32_t segment_count(struct fixture *f)
{
    struct store_index_figures figures;
    store_index_figures(f->store, &figures);
    return figures.segments;
}

static void merge_all(struct fixture *f)
{
    for (int tries = 0; tries < 100 && segment_count(f) > 1; tries++)
        assert_int_equal(postings_merge_window(&f->store->postings, SEGMENT_MAIN, 0,
                                               segment_count(f)),
                         ERR_NONE);
    assert_int_equal(segment_count(f), 1);
}

/* Of every file that is now mapped, no more than `pages` are left. */
static void cut(struct store *store, size_t pages)
{
    struct postings_view *view = postings_view_take(&store->postings);
    const struct segment_set *set = view->segments;
    for (uint32_t i = 0; i < segment_set_all(set); i++)
        if (!set->list[i]->is_ghost && set->list[i]->size > pages * PAGE)
            (void)!truncate(set->list[i]->path, (off_t)(pages * PAGE));
    postings_view_give(view);
}

static void count_report(void *context, const char *what, struct slice type, struct slice id)
{
    print_message("%s %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
    ++*(size_t *)context;
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

static void say_nothing(void *context, const char *what, struct slice type, struct slice id)
{
    (void)context;
    (void)what;
    (void)type;
    (void)id;
}

/* Reading all finds whatever is cut. */
static void find_all(struct fixture *f)
{
    uint64_t checked = 0;
    assert_int_equal(store_check(f->store, say_nothing, NULL, &checked), ERR_NONE);
    await_repair(f);
}

static struct plan every(uint32_t field)
{
    return (struct plan){ .kind = PLAN_PREFIX, .field = field, .from = SLICE("") };
}

static void check_answers(struct fixture *f)
{
    uint64_t *docs = NULL;
    struct plan all = term_plan(1, "all"), one = term_plan(2, "f0077"), third = term_plan(3, "m1");
    struct plan each = every(2);
    assert_int_equal(search_docs(f, 0, &all, &docs), COUNT);
    assert_int_equal(search_docs(f, 0, &one, &docs), 1);
    assert_int_equal(search_docs(f, 0, &third, &docs), COUNT / GROUPS);
    assert_int_equal(search_docs(f, 0, &each, &docs), COUNT);
}

/* All is right again, and no file is left that is not. */
static void expect_whole(struct fixture *f)
{
    size_t count = 0;
    uint64_t checked = 0;
    struct store_index_figures figures;
    find_all(f);
    check_answers(f);
    assert_int_equal(store_check(f->store, count_report, &count, &checked), ERR_NONE);
    assert_int_equal(count, 0);
    fixture_reopen(f);
    store_index_figures(f->store, &figures);
    assert_string_equal(figures.damage, "");
    check_answers(f);
}

static void hear(void *context, const char *text)
{
    char *heard = context;
    if (strstr(text, "the disk does not give"))
        snprintf(heard, 256, "%s", text);
}

static void a_page_that_cannot_be_read_is_refused_named_and_written_again(void **state)
{
    struct fixture *f = *state;
    char heard[256] = "", name[64];
    os_faults_catch();
    fill(f);
    merge_all(f);
    f->store->notice = hear;
    f->store->notice_context = heard;
    struct postings_view *view = postings_view_take(&f->store->postings);
    uint64_t number = view->segments->list[0]->footer.number;
    postings_view_give(view);
    snprintf(name, sizeof name, SEGMENT_NAME_FORMAT, (unsigned long long)number);
    struct store_reader *before = reader_at(f, 0), *after;
    struct plan all = every(2), sound = { .kind = PLAN_ID, .from = SLICE("F") };
    sound.to = SLICE("f0077");
    uint64_t count = 0;
    assert_int_equal(store_count(before, &all, &count), ERR_NONE);
    cut(f->store, 1);
    after = reader_at(f, 0);
    assert_int_equal(store_count(after, &all, &count), ERR_NOT_READY);
    assert_int_equal(store_count(before, &all, &count), ERR_NOT_READY);
    struct store_reader *third = reader_at(f, 0);
    assert_int_equal(store_count(third, &sound, &count), ERR_NONE); /* reads none of it */
    store_read_end(third);
    put(f, "F", "f0001", "1=all;2=f0001;3=m1;"); /* writes go on */
    await_repair(f);
    assert_int_equal(store_count(before, &all, &count), ERR_NOT_READY); /* has read zeros */
    store_read_end(before);
    store_read_end(after);
    assert_non_null(strstr(heard, name));
    expect_whole(f);
}

/* ---- between the checksum and the use ---- */

/* Cuts the files when so many values have been looked at. */
struct cutter {
    struct store *store;
    int left;
};

static bool cut_when_asked(const struct plan *plan, struct slice value)
{
    struct cutter *c = (struct cutter *)(uintptr_t)plan->accepts_context;
    (void)value;
    if (c->left-- == 0)
        cut(c->store, 0);
    return true;
}

typedef enum err ask(struct store_reader *reader, const struct plan *plan, struct arena *arena,
                     uint64_t *ret_count);

static enum err by_search(struct store_reader *reader, const struct plan *plan,
                          struct arena *arena, uint64_t *ret_count)
{
    uint64_t *docs;
    size_t count = 0;
    enum err err = store_search(reader, plan, 0, SIZE_MAX, arena, &docs, &count);
    *ret_count = count;
    return err;
}

static enum err by_search_back(struct store_reader *reader, const struct plan *plan,
                               struct arena *arena, uint64_t *ret_count)
{
    uint64_t *docs;
    size_t count = 0;
    enum err err = store_search_back(reader, plan, COUNT + 1, COUNT + 1, arena, &docs, &count);
    *ret_count = count;
    return err;
}

static enum err by_count(struct store_reader *reader, const struct plan *plan,
                         struct arena *arena, uint64_t *ret_count)
{
    (void)arena;
    return store_count(reader, plan, ret_count);
}

static enum err by_measure(struct store_reader *reader, const struct plan *plan,
                           struct arena *arena, uint64_t *ret_count)
{
    struct store_measure m;
    (void)arena;
    enum err err = store_measure(reader, plan, &m);
    *ret_count = m.documents;
    return err;
}

/* Files vanish after the first, the tenth, ... value that a search looks at. */
static void bytes_that_vanish_while_a_search_reads_them_are_not_answered_with(void **state)
{
    struct fixture *f = *state;
    static ask *const asks[] = { by_search, by_search_back, by_count, by_measure };
    os_faults_catch();
    fill(f);
    int refused = 0;
    for (size_t i = 0; i < 4 * ARRAY_COUNT(asks); i++) {
        static const int places[] = { 0, 1, 150, COUNT - 1 };
        struct cutter cutter = { f->store, places[i / ARRAY_COUNT(asks)] };
        struct plan plan = every(2);
        plan.accepts = cut_when_asked;
        plan.accepts_context = &cutter;
        if (segment_count(f) > 1)
            merge_all(f);
        struct store_reader *reader = reader_at(f, 0);
        struct arena_mark mark = arena_mark(&f->arena);
        uint64_t count = 0;
        enum err err = asks[i % ARRAY_COUNT(asks)](reader, &plan, &f->arena, &count);
        arena_rewind(&f->arena, mark);
        store_read_end(reader);
        assert_true(err == ERR_NOT_READY || (err == ERR_NONE && count == COUNT));
        refused += err == ERR_NOT_READY;
        cut(f->store, 0);
        struct plan sound = every(2);
        reader = reader_at(f, 0);
        err = store_count(reader, &sound, &count); /* so that it is found if it was not */
        assert_true(err == ERR_NOT_READY || (err == ERR_NONE && count == COUNT));
        store_read_end(reader);
        await_repair(f);
        check_answers(f);
    }
    assert_true(refused >= 8);
    expect_whole(f);
}

static enum err cut_when_tested(const struct plan *plan, struct store_reader *reader,
                                const struct store_version *version, struct arena *scratch,
                                bool *ret)
{
    struct cutter *c = (struct cutter *)(uintptr_t)plan->test_context;
    (void)reader;
    (void)version;
    (void)scratch;
    if (c->left-- == 0)
        cut(c->store, 0);
    *ret = true;
    return ERR_NONE;
}

/* As if other documents lay between. What is in the newest block of documents is copied
 * before it is walked, what lies before is not. */
static void begin_next_block(struct fixture *f)
{
    mutex_lock(&f->store->ordered);
    f->store->next_doc = BLOCK_DOCS + 1;
    mutex_unlock(&f->store->ordered);
    put(f, "W", "w", "4=w;");
}

/* Its checksum was right, and half of it is read: no other sum will tell. */
static void a_block_that_vanishes_while_it_is_walked_is_not_answered_with(void **state)
{
    struct fixture *f = *state;
    static ask *const asks[] = { by_search, by_search_back, by_count, by_measure };
    os_faults_catch();
    fill(f);
    merge_all(f);
    begin_next_block(f);
    for (size_t i = 0; i < ARRAY_COUNT(asks); i++) {
        struct cutter cutter = { f->store, 5 };
        struct plan third = term_plan(3, "m1"), *children[] = { &third };
        struct plan plan = { .kind = PLAN_TEST, .children = children, .child_count = 1 };
        plan.test = cut_when_tested;
        plan.test_context = &cutter;
        struct store_reader *reader = reader_at(f, 0);
        uint64_t count = 0;
        enum err err = asks[i](reader, &plan, &f->arena, &count);
        store_read_end(reader);
        assert_int_equal(err, ERR_NOT_READY);
        await_repair(f);
        check_answers(f);
    }
}

static void what_was_opened_before_its_pages_vanish_is_not_answered_with(void **state)
{
    struct fixture *f = *state;
    os_faults_catch();
    fill(f);
    merge_all(f);
    struct plan all = term_plan(1, "all");
    struct store_part part = { .field = 2, .prefix = SLICE("f") };
    const struct store_order order = { .parts = &part, .part_count = 1 };
    const struct store_between between = { .limit = 10 };
    struct store_reader *reader = reader_at(f, 0);
    struct store_matches *matches;
    struct store_walk *walk, *second;
    struct slice key = SLICE_NONE;
    uint64_t *docs = NULL;
    size_t count = 0;
    bool any = false;
    assert_int_equal(store_matches_open(reader, &all, &f->arena, &matches), ERR_NONE);
    assert_int_equal(store_walk_open(matches, &order, &f->arena, &walk), ERR_NONE);
    assert_int_equal(store_walk_next(walk, &any, &key), ERR_NONE);
    assert_true(any && slice_is(key, "0000"));
    cut(f->store, 0);
    enum err err = store_walk_docs(walk, &between, &f->arena, &docs, &count);
    assert_true(err == ERR_NOT_READY || (err == ERR_NONE && count == 1));
    for (int i = 1; i < COUNT && !err; i++) {
        char expected[8];
        snprintf(expected, sizeof expected, "%04d", i);
        err = store_walk_next(walk, &any, &key);
        assert_true(err == ERR_NOT_READY || slice_is(key, expected));
    }
    assert_int_equal(err, ERR_NOT_READY);
    assert_int_equal(store_walk_docs(walk, &between, &f->arena, &docs, &count), ERR_NOT_READY);
    assert_int_equal(store_walk_missing(walk, &between, &f->arena, &docs, &count),
                     ERR_NOT_READY);
    assert_int_equal(store_matches_gather(matches, COUNT, &f->arena, &docs, &count),
                     ERR_NOT_READY);
    assert_int_equal(store_walk_open(matches, &order, &f->arena, &second), ERR_NOT_READY);
    uint64_t size = 0;
    assert_int_equal(store_order_size(reader, &order, UINT64_MAX, &size), ERR_NOT_READY);
    struct store_value *values;
    assert_int_equal(store_values(reader, 2, SLICE("f"), &f->arena, &values, &count),
                     ERR_NOT_READY);
    store_read_end(reader);
    expect_whole(f);
}

static void a_merge_of_pages_that_vanish_makes_nothing(void **state)
{
    struct fixture *f = *state;
    os_faults_catch();
    for (size_t pages = 0; pages < 3; pages++) {
        if (pages)
            fixture_reopen(f);
        else
            fill(f);
        put(f, "F", "f0001", "1=all;2=f0001;3=m1;");
        assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
        uint32_t before = segment_count(f);
        cut(f->store, pages);
        enum err err = postings_merge_window(&f->store->postings, SEGMENT_MAIN, 0, before);
        assert_true(!err || err == ERR_CORRUPT); /* none: another merge has them */
        find_all(f);
        check_answers(f);
    }
    expect_whole(f);
}

/* ---- all at once ---- */

enum { SEARCHERS = 2, RUN_MS = 1500 };

struct shared {
    struct fixture *f;
    _Atomic bool stop;
    _Atomic int right, refused, wrong;
};

static bool is_refusal(enum err err)
{
    return err == ERR_NOT_READY || err == ERR_BUSY;
}

static void judge(struct shared *s, enum err err, bool is_right)
{
    if (is_refusal(err)) {
        atomic_fetch_add(&s->refused, 1);
        os_sleep_us(500); /* the repair needs the processor, too */
    } else {
        atomic_fetch_add(err || !is_right ? &s->wrong : &s->right, 1);
    }
}

static void *search_on(void *context)
{
    struct shared *s = context;
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    for (unsigned round = 0; !atomic_load(&s->stop); round++) {
        struct plan plans[] = { term_plan(1, "all"), every(2), term_plan(3, "m1"),
                                term_plan(2, "f0077") };
        const uint64_t expected[] = { COUNT, COUNT, COUNT / GROUPS, 1 };
        size_t i = round % ARRAY_COUNT(plans);
        struct store_reader *reader = NULL;
        uint64_t *docs = NULL, counted = 0;
        size_t count = 0;
        if (store_read_begin(s->f->store, 0, &reader))
            abort();
        enum err err = store_count(reader, &plans[i], &counted);
        judge(s, err, counted == expected[i]);
        err = store_search(reader, &plans[i], 0, SIZE_MAX, &arena, &docs, &count);
        judge(s, err, count == expected[i]);
        store_read_end(reader);
        arena_release(&arena);
        arena_init(&arena, (size_t)64 << 20);
    }
    arena_release(&arena);
    return NULL;
}

/* Others' documents, with versions that die, and a checkpoint now and then. */
static void *write_on(void *context)
{
    struct shared *s = context;
    for (int round = 0; !atomic_load(&s->stop); round++) {
        struct arena arena;
        struct store_write writes[20];
        struct store_result results[ARRAY_COUNT(writes)];
        uint64_t time = 0;
        size_t refused = 0;
        arena_init(&arena, (size_t)4 << 20);
        for (size_t i = 0; i < ARRAY_COUNT(writes); i++) {
            struct store_write w = { .operation = STORE_PUT, .type = SLICE("W") };
            w.id = arena_printf(&arena, "w%d", (round * 7 + (int)i) % 300);
            w.body = arena_printf(&arena, "4=w;5=r%d;", round);
            if (fixture_extract(NULL, w.type, w.id, w.body, &arena, &w.terms, &w.term_count))
                abort();
            writes[i] = w;
        }
        enum err err = store_apply(s->f->store, writes, ARRAY_COUNT(writes), false, &arena,
                                   results, &time, &refused);
        if (err && err != ERR_BUSY)
            atomic_fetch_add(&s->wrong, 1);
        if (round % 10 == 9 && postings_checkpoint(&s->f->store->postings))
            atomic_fetch_add(&s->wrong, 1);
        arena_release(&arena);
    }
    return NULL;
}

static void answers_are_right_or_refused_while_pages_vanish_under_everything(void **state)
{
    struct fixture *f = *state;
    struct shared s = { .f = f };
    pthread_t threads[SEARCHERS + 1];
    os_faults_catch();
    fill(f);
    for (int i = 0; i < SEARCHERS; i++)
        assert_int_equal(thread_start(&threads[i], search_on, &s), ERR_NONE);
    assert_int_equal(thread_start(&threads[SEARCHERS], write_on, &s), ERR_NONE);
    uint64_t begin = os_faults();
    int64_t until = os_monotonic_us() + RUN_MS * 1000;
    for (unsigned round = 0; os_monotonic_us() < until; round++) {
        struct store_index_figures figures;
        os_sleep_us(10000);
        cut(f->store, round % 4);
        enum err err = postings_merge_window(&f->store->postings, SEGMENT_MAIN, 0, 2 + round % 4);
        assert_true(!err || err == ERR_CORRUPT);
        store_index_figures(f->store, &figures);
        for (int ms = 0; ms < 300 && round % 4 && figures.damaged_segments; ms++) {
            os_sleep_us(1000);
            store_index_figures(f->store, &figures);
        }
    }
    atomic_store(&s.stop, true);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
        thread_join(threads[i]);
    print_message("%d right, %d refused\n", atomic_load(&s.right), atomic_load(&s.refused));
    assert_false(os_faults_are_none(begin));
    assert_int_equal(atomic_load(&s.wrong), 0);
    assert_true(atomic_load(&s.right) > 0);
    cut(f->store, 0);
    expect_whole(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_page_that_cannot_be_read_is_refused_named_and_written_again),
        TEST(bytes_that_vanish_while_a_search_reads_them_are_not_answered_with),
        TEST(a_block_that_vanishes_while_it_is_walked_is_not_answered_with),
        TEST(what_was_opened_before_its_pages_vanish_is_not_answered_with),
        TEST(a_merge_of_pages_that_vanish_makes_nothing),
        TEST(answers_are_right_or_refused_while_pages_vanish_under_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
