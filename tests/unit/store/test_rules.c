/* Rules of single fields: what is new or has changed is derived again from the
 * bodies while the store serves, and is refused until that is done. */
#include "fixture.h"

#include <stdatomic.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/engine.h"

enum { FIELD_PLAIN = 1, FIELD_MADE = 5, FIELD_OTHER = 6, DOCS = 2000 };

/* What the terms are made by: each body "1=x;" has besides its own terms
 * (FIELD_MADE, "<version>x") unless the version is 0. */
struct rulebook {
    struct store_rule list[3];
    _Atomic uint64_t version;
    _Atomic bool is_shut;    /* extraction waits */
    _Atomic uint64_t passes; /* lets so many through while it is shut */
    _Atomic uint64_t asked;
    int opened;
};

static enum err made_term(struct arena *arena, uint64_t version, struct slice value,
                          struct term *ret)
{
    struct slice text = arena_printf(arena, "%llu%.*s", (unsigned long long)version,
                                     SLICE_ARGS(value));
    *ret = (struct term){ FIELD_MADE, text };
    return text.bytes ? ERR_NONE : ERR_NO_MEMORY;
}

static enum err made_extract(void *context, struct slice type, struct slice id,
                             struct slice body, struct arena *arena, struct term **ret_terms,
                             size_t *ret_count)
{
    struct rulebook *book = context;
    struct term *terms = NULL;
    size_t count = 0;
    uint64_t version = atomic_load(&book->version);
    TRY(fixture_extract(NULL, type, id, body, arena, &terms, &count));
    struct term *all = arena_array(arena, 2 * count + 1, sizeof *all);
    if (!all)
        return ERR_NO_MEMORY;
    memcpy(all, terms, count * sizeof *terms);
    size_t made = count;
    for (size_t i = 0; version && i < count; i++)
        if (terms[i].field == FIELD_PLAIN)
            TRY(made_term(arena, version, terms[i].value, &all[made++]));
    *ret_terms = all;
    *ret_count = made;
    return ERR_NONE;
}

/* The store's callback; what writes bring is made by made_extract() itself. */
static enum err shut_extract(void *context, struct slice type, struct slice id,
                             struct slice body, struct arena *arena, struct term **ret_terms,
                             size_t *ret_count)
{
    struct rulebook *book = context;
    atomic_fetch_add(&book->asked, 1);
    while (atomic_load(&book->is_shut)) {
        uint64_t left = atomic_load(&book->passes);
        if (left && atomic_compare_exchange_strong(&book->passes, &left, left - 1))
            break;
        if (!left)
            os_sleep_us(500);
    }
    return made_extract(context, type, id, body, arena, ret_terms, ret_count);
}

static struct store_rules rules_of(struct rulebook *book, uint64_t version)
{
    book->list[0] = (struct store_rule){ FIELD_PLAIN, 100 };
    book->list[1] = (struct store_rule){ FIELD_MADE, version };
    return (struct store_rules){ book->list, version ? 2 : 1, version };
}

static void set_version(struct fixture *f, struct rulebook *book, uint64_t version)
{
    struct store_rules rules = rules_of(book, version);
    atomic_store(&book->version, version);
    f->rules = rules;
    assert_int_equal(store_rules_set(f->store, &rules), ERR_NONE);
}

static struct rulebook *begin(struct fixture *f)
{
    struct rulebook *book = arena_alloc(&f->arena, sizeof *book);
    fixture_close(f);
    f->extract = shut_extract;
    f->extract_context = book;
    f->rules = rules_of(book, 0);
    fixture_open(f);
    return book;
}

static struct store_write made_write(struct fixture *f, struct rulebook *book, int at, int value)
{
    struct store_write w = { .operation = STORE_PUT, .type = SLICE("T") };
    w.id = arena_printf(&f->arena, "id%d", at);
    w.body = arena_printf(&f->arena, "1=v%d;2=z;", value);
    w.rules = atomic_load(&book->version);
    assert_int_equal(made_extract(book, w.type, w.id, w.body, &f->arena, &w.terms,
                                  &w.term_count),
                     ERR_NONE);
    return w;
}

static void fill(struct fixture *f, struct rulebook *book, int from, int to)
{
    enum { EACH = 50 };
    for (int at = from; at < to; at += EACH) {
        struct store_write writes[EACH];
        struct store_result results[EACH];
        uint64_t time = 0;
        size_t refused = 0;
        for (int i = 0; i < EACH; i++)
            writes[i] = made_write(f, book, (at + i) % 700, at + i);
        assert_int_equal(store_apply(f->store, writes, EACH, true, &f->arena, results, &time,
                                     &refused),
                         ERR_NONE);
    }
}

static struct store_rule_state state_of(struct fixture *f, uint32_t field)
{
    struct store_rule_state state;
    store_rule_state(f->store, field, &state);
    return state;
}

static void await(struct fixture *f, uint32_t field)
{
    for (int ms = 0; ms < 20000 && !state_of(f, field).is_ready; ms++)
        os_sleep_us(1000);
    assert_true(state_of(f, field).is_ready);
}

static uint64_t count_of(struct fixture *f, uint32_t field, const char *prefix)
{
    struct store_reader *reader = reader_at(f, 0);
    struct plan plan = { .kind = PLAN_PREFIX, .field = field, .from = slice_cstr(prefix) };
    uint64_t count = 0;
    assert_int_equal(store_count(reader, &plan, &count), ERR_NONE);
    store_read_end(reader);
    return count;
}

static void report(void *context, const char *what, struct slice type, struct slice id)
{
    print_message("%s %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
    ++*(size_t *)context;
}

static void expect_agreement(struct fixture *f)
{
    size_t count = 0;
    uint64_t checked = 0;
    assert_int_equal(store_check(f->store, report, &count, &checked), ERR_NONE);
    assert_int_equal(count, 0);
}

/* At every time asked, exactly the live documents are found by the made term. */
static void expect_made(struct fixture *f, uint64_t version)
{
    char prefix[24];
    snprintf(prefix, sizeof prefix, "%llu", (unsigned long long)version);
    struct plan made = { .kind = PLAN_PREFIX, .field = FIELD_MADE, .from = slice_cstr(prefix) };
    struct plan plain = { .kind = PLAN_PREFIX, .field = FIELD_PLAIN, .from = SLICE("v") };
    struct plan any = { .kind = PLAN_PREFIX, .field = FIELD_MADE, .from = SLICE("") };
    uint64_t *a = NULL, *b = NULL, *c = NULL;
    uint64_t last = atomic_load(&f->store->visible);
    for (uint64_t time = 0; time <= last; time += last / 5 + 1) {
        size_t count = search_docs(f, time, &made, &a);
        assert_int_equal(count, search_docs(f, time, &plain, &b));
        assert_int_equal(count, search_docs(f, time, &any, &c));
        assert_true(time == 1 || count > 0);
        assert_memory_equal(a, b, count * sizeof *a);
        assert_memory_equal(a, c, count * sizeof *a);
    }
}

static void a_field_without_documents_is_ready_at_once(void **state)
{
    struct fixture *f = *state;
    struct rulebook *book = begin(f);
    set_version(f, book, 1);
    assert_true(state_of(f, FIELD_MADE).is_known && state_of(f, FIELD_MADE).is_ready);
    assert_false(state_of(f, FIELD_OTHER).is_known);
    fill(f, book, 0, DOCS);
    expect_made(f, 1);
    assert_int_equal(atomic_load(&book->asked), 0);
    fixture_reopen(f);
    expect_made(f, 1);
    expect_agreement(f);
    assert_int_equal(state_of(f, FIELD_MADE).whole, 0);
}

static void a_new_field_is_refused_until_it_is_derived(void **state)
{
    struct fixture *f = *state;
    struct rulebook *book = begin(f);
    struct plan plan = { .kind = PLAN_PREFIX, .field = FIELD_MADE, .from = SLICE("") };
    struct plan term = term_plan(FIELD_MADE, "1v1"), child = term_plan(FIELD_PLAIN, "v1999");
    struct plan *both[] = { &child, &term };
    struct plan conjunction = { .kind = PLAN_AND, .children = both, .child_count = 2 };
    uint64_t count = 0;
    fill(f, book, 0, DOCS);
    atomic_store(&book->is_shut, true);
    set_version(f, book, 1);
    assert_false(state_of(f, FIELD_MADE).is_ready);
    struct store_reader *reader = reader_at(f, 0);
    assert_int_equal(store_count(reader, &plan, &count), ERR_NOT_READY);
    assert_int_equal(store_count(reader, &term, &count), ERR_NOT_READY);
    assert_int_equal(store_count(reader, &conjunction, &count), ERR_NOT_READY);
    store_read_end(reader);
    fill(f, book, DOCS, DOCS + 300);
    assert_int_equal(count_of(f, FIELD_PLAIN, "v"), 700);
    struct store_index_figures figures;
    store_index_figures(f->store, &figures);
    assert_true(figures.fields_not_ready == 1 && figures.fields_whole == DOCS);
    atomic_store(&book->is_shut, false);
    await(f, FIELD_MADE);
    assert_int_equal(atomic_load(&book->asked), DOCS);
    expect_made(f, 1);
    expect_agreement(f);
    fixture_reopen(f);
    expect_made(f, 1);
    assert_int_equal(state_of(f, FIELD_MADE).done, DOCS);
    assert_int_equal(atomic_load(&book->asked), DOCS + DOCS + 300); /* the check's */
}

static void old_postings_are_never_seen_again_and_go_with_merges(void **state)
{
    struct fixture *f = *state;
    struct rulebook *book = begin(f);
    set_version(f, book, 1);
    fill(f, book, 0, DOCS);
    for (uint64_t version = 2; version < 5; version++) {
        set_version(f, book, version);
        fill(f, book, DOCS, DOCS + 400);
        await(f, FIELD_MADE);
        expect_made(f, version);
    }
    assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    for (uint32_t kind = 0; kind < SEGMENT_KINDS; kind++) {
        struct postings_view *view = postings_view_take(&f->store->postings);
        uint32_t count = segment_set_count(view->segments, (enum segment_kind)kind);
        postings_view_give(view);
        assert_int_equal(postings_merge_window(&f->store->postings, (enum segment_kind)kind, 0,
                                               count),
                         ERR_NONE);
    }
    struct postings_view *view = postings_view_take(&f->store->postings);
    for (uint32_t i = 0; i < segment_set_all(view->segments); i++) {
        struct segment_walk walk;
        bool any = false;
        assert_int_equal(segment_walk_seek(&walk, view->segments->list[i], NULL, 0, &any),
                         ERR_NONE);
        for (; any; assert_int_equal(segment_walk_next(&walk, &any), ERR_NONE))
            assert_true(fields_has_place(view->fields, key_field(walk.leaf.key)));
    }
    postings_view_give(view);
    expect_made(f, 4);
    expect_agreement(f);
}

static void a_dropped_field_finds_nothing_and_comes_back_whole(void **state)
{
    struct fixture *f = *state;
    struct rulebook *book = begin(f);
    set_version(f, book, 1);
    fill(f, book, 0, DOCS);
    set_version(f, book, 0);
    fill(f, book, DOCS, DOCS + 300);
    assert_int_equal(count_of(f, FIELD_MADE, ""), 0);
    assert_false(state_of(f, FIELD_MADE).is_known);
    expect_agreement(f);
    fixture_reopen(f);
    assert_int_equal(count_of(f, FIELD_MADE, ""), 0);
    set_version(f, book, 1);
    await(f, FIELD_MADE);
    expect_made(f, 1);
    expect_agreement(f);
}

static void terms_made_under_old_rules_are_made_again(void **state)
{
    struct fixture *f = *state;
    struct rulebook *book = begin(f);
    fill(f, book, 0, 100);
    struct store_write late = made_write(f, book, 3, 5000);
    struct term watch = { FIELD_MADE, SLICE_INIT("1v5000") };
    struct store_condition condition;
    set_version(f, book, 1);
    await(f, FIELD_MADE);
    assert_int_equal(store_condition_begin(f->store, &watch, 1, &condition), ERR_NONE);
    apply_one(f, late);
    assert_true(condition.is_overtaken);
    store_condition_end(&condition);
    assert_int_equal(count_of(f, FIELD_MADE, "1v5000"), 1);
    expect_made(f, 1);
    expect_agreement(f);
}

static void a_rebuild_that_is_killed_goes_on_where_it_was(void **state)
{
    struct fixture *f = *state;
    f->index_bytes = 80 << 10; /* small chunks */
    struct rulebook *book = begin(f);
    char command[256];
    fill(f, book, 0, DOCS);
    atomic_store(&book->passes, DOCS / 2 + DOCS / 5);
    atomic_store(&book->is_shut, true);
    set_version(f, book, 1);
    for (int ms = 0; ms < 20000 && !state_of(f, FIELD_MADE).done; ms++)
        os_sleep_us(1000);
    for (int ms = 0; ms < 20000 && atomic_load(&book->passes); ms++)
        os_sleep_us(1000);
    uint64_t done = state_of(f, FIELD_MADE).done;
    assert_true(done > 0 && done < DOCS);
    /* Nothing moves now: a copy is what a kill leaves behind. */
    snprintf(command, sizeof command, "cp -r '%s' '%s.copy'", f->folder, f->folder);
    assert_int_equal(system(command), 0);
    atomic_store(&book->is_shut, false);
    fixture_close(f);
    snprintf(command, sizeof command, "rm -r '%s' && mv '%s.copy' '%s'", f->folder, f->folder,
             f->folder);
    assert_int_equal(system(command), 0);
    atomic_store(&book->asked, 0);
    atomic_store(&book->is_shut, true);
    fixture_open(f);
    assert_int_equal(state_of(f, FIELD_MADE).done, done);
    assert_false(state_of(f, FIELD_MADE).is_ready);
    atomic_store(&book->is_shut, false);
    await(f, FIELD_MADE);
    assert_int_equal(atomic_load(&book->asked), DOCS - done);
    expect_made(f, 1);
    expect_agreement(f);
}

struct writing {
    struct fixture *f;
    struct rulebook *book;
    _Atomic bool stops;
};

static void *write_on(void *context)
{
    struct writing *w = context;
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    for (int i = 0; !atomic_load(&w->stops); i++) {
        struct fixture mine = { .arena = arena };
        struct store_write write = made_write(&mine, w->book, i % 900, 10000 + i);
        struct store_result result;
        uint64_t time = 0;
        size_t refused = 0;
        CHECK(store_apply(w->f->store, &write, 1, true, &mine.arena, &result, &time, &refused) ==
              ERR_NONE);
        arena_release(&mine.arena);
    }
    return NULL;
}

static void rules_change_under_writers(void **state)
{
    struct fixture *f = *state;
    struct rulebook *book = begin(f);
    fill(f, book, 0, 500);
    struct writing w = { .f = f, .book = book };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_start(&threads[i], write_on, &w), ERR_NONE);
    for (uint64_t version = 1; version < 8; version++) {
        set_version(f, book, version);
        os_sleep_us(20000);
        if (version % 3 == 0)
            await(f, FIELD_MADE);
    }
    atomic_store(&w.stops, true);
    for (int i = 0; i < 3; i++)
        thread_join(threads[i]);
    await(f, FIELD_MADE);
    expect_made(f, 7);
    expect_agreement(f);
    fixture_reopen(f);
    expect_made(f, 7);
}

static enum err read_rules(void *context, struct store *store, struct store_rules *rules)
{
    struct rulebook *book = context;
    struct arena arena;
    struct slice value;
    bool found = false;
    arena_init(&arena, 4096);
    enum err err = store_meta_get(store, SLICE("version"), &arena, &found, &value);
    book->opened++;
    if (!err && found) {
        uint64_t version = (uint64_t)(value.bytes[0] - '0');
        atomic_store(&book->version, version);
        *rules = rules_of(book, version);
    }
    arena_release(&arena);
    return err;
}

static void rules_may_be_kept_in_the_store_itself(void **state)
{
    struct fixture *f = *state;
    struct rulebook *book = begin(f);
    fill(f, book, 0, DOCS);
    set_version(f, book, 1);
    assert_int_equal(store_meta_set(f->store, SLICE("version"), SLICE_NONE, SLICE("1")),
                     ERR_NONE);
    fill(f, book, DOCS, DOCS + 500);
    await(f, FIELD_MADE);
    fixture_close(f);
    atomic_store(&book->version, 0);
    f->rules = rules_of(book, 0);
    f->opened = read_rules;
    atomic_store(&book->asked, 0);
    fixture_open(f);
    assert_int_equal(book->opened, 1);
    assert_true(state_of(f, FIELD_MADE).is_ready);
    expect_made(f, 1);
    assert_int_equal(atomic_load(&book->asked), 0);
    expect_agreement(f);
}

static void a_field_can_be_derived_again_by_hand(void **state)
{
    struct fixture *f = *state;
    struct rulebook *book = begin(f);
    set_version(f, book, 1);
    fill(f, book, 0, DOCS);
    uint32_t fields[] = { FIELD_MADE, FIELD_PLAIN, FIELD_OTHER };
    assert_int_equal(store_rebuild(f->store, fields, 3), ERR_NONE);
    await(f, FIELD_MADE);
    await(f, FIELD_PLAIN);
    assert_int_equal(atomic_load(&book->asked), DOCS); /* one scan for both */
    expect_made(f, 1);
    expect_agreement(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_field_without_documents_is_ready_at_once),
        TEST(a_new_field_is_refused_until_it_is_derived),
        TEST(old_postings_are_never_seen_again_and_go_with_merges),
        TEST(a_dropped_field_finds_nothing_and_comes_back_whole),
        TEST(terms_made_under_old_rules_are_made_again),
        TEST(a_rebuild_that_is_killed_goes_on_where_it_was),
        TEST(rules_change_under_writers),
        TEST(rules_may_be_kept_in_the_store_itself),
        TEST(a_field_can_be_derived_again_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
