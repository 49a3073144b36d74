/* Pages out of windows of documents, against all that matches: a store of several blocks,
 * whose postings alone are there. */
#include "fixture.h"

#include "store/embedded/tree.h"
#include "store/segment/run.h"

enum { DOCS = 7 * 65536 + 1000, RUN_DOCS = 8192, KINDS = 5, NUMBERS = 400, ROUNDS = 120 };
enum { FIELD_KIND = 1, FIELD_NUMBER = 2 };

struct dice {
    uint64_t state;
};

static uint64_t throw(struct dice *d, uint64_t below)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (d->state >> 11) % below;
}

static struct slice numbers[NUMBERS], kinds[KINDS];

/* Every document is of a kind and has up to two numbers; the last 40 numbers are rare, each
 * in one place of the store alone. Two kinds begin late, so that counts are wrong. */
static size_t terms_of(struct dice *d, uint64_t doc, struct term *terms)
{
    size_t count = 0;
    uint64_t kind = throw(d, KINDS);
    if (kind == 4 && doc < DOCS / 2)
        kind = 0;
    if (kind == 3 && doc < DOCS / 3 && throw(d, 20))
        kind = 1;
    terms[count++] = (struct term){ FIELD_KIND, kinds[kind] };
    for (uint64_t i = throw(d, 3); i > 0; i--)
        terms[count++] = (struct term){ FIELD_NUMBER, numbers[throw(d, NUMBERS - 40)] };
    if (throw(d, 300) == 0)
        terms[count++] =
            (struct term){ FIELD_NUMBER, numbers[NUMBERS - 40 + doc * 40 / (DOCS + 1)] };
    return count;
}

static void add_run(struct fixture *f, struct dice *d, uint64_t base, size_t count)
{
    struct arena scratch;
    struct run *run;
    arena_init(&scratch, (size_t)256 << 20);
    struct run_source *sources = arena_array(&scratch, count, sizeof *sources);
    struct term *terms = arena_array(&scratch, 4 * count, sizeof *terms);
    for (size_t i = 0; i < count; i++) {
        sources[i] = (struct run_source){ .terms = terms + 4 * i };
        sources[i].count = terms_of(d, base + i, terms + 4 * i);
    }
    assert_int_equal(run_build(sources, count, 1, NULL, NULL, &scratch, &run), ERR_NONE);
    run->base = base;
    assert_int_equal(postings_reserve(&f->store->postings), ERR_NONE);
    postings_add(&f->store->postings, run);
    postings_settle(&f->store->postings);
    arena_release(&scratch);
}

static void fill(struct fixture *f, struct dice *d)
{
    for (size_t i = 0; i < NUMBERS; i++)
        numbers[i] = arena_printf(&f->arena, "n%05zu", i);
    for (size_t i = 0; i < KINDS; i++)
        kinds[i] = arena_printf(&f->arena, "k%zu", i);
    for (uint64_t base = 1; base <= DOCS; base += RUN_DOCS) {
        add_run(f, d, base, (size_t)MIN((uint64_t)RUN_DOCS, DOCS + 1 - base));
        atomic_store(&f->store->visible, MIN(base + RUN_DOCS - 1, (uint64_t)DOCS));
        if (base / RUN_DOCS % 9 == 8) /* the last ones stay in memory */
            assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    }
}

static struct plan throw_range(struct dice *d)
{
    bool is_rare = throw(d, 3) == 0;
    uint64_t low = is_rare ? NUMBERS - 40 + throw(d, 38) : throw(d, NUMBERS - 60);
    uint64_t high = low + 1 + throw(d, is_rare ? 2 : throw(d, 2) ? 20 : NUMBERS - low - 1);
    return (struct plan){ .kind = PLAN_RANGE, .field = FIELD_NUMBER, .from = numbers[low],
                          .to = numbers[MIN(high, (uint64_t)NUMBERS - 1)] };
}

/* All that matches, upwards. */
static uint64_t *whole(struct fixture *f, struct store_reader *reader, const struct plan *plan,
                       size_t *ret_count)
{
    uint64_t *docs = NULL;
    assert_int_equal(store_search(reader, plan, 0, DOCS + 1, &f->arena, &docs, ret_count),
                     ERR_NONE);
    return docs;
}

static void check_page(struct fixture *f, struct store_reader *reader, const struct plan *plan,
                       struct dice *d)
{
    size_t all_count = 0, count = 0, limit = 1 + (size_t)throw(d, throw(d, 2) ? 40 : 400);
    const uint64_t *all = whole(f, reader, plan, &all_count);
    uint64_t *docs = NULL, place = throw(d, 2) ? throw(d, DOCS) : 0;
    bool is_back = throw(d, 2);
    size_t first = 0;
    if (is_back) {
        place = place ? place : DOCS + 1;
        while (first < all_count && all[first] < place)
            first++;
        size_t end = first;
        first -= MIN(limit, first);
        assert_int_equal(store_search_back(reader, plan, place, limit, &f->arena, &docs, &count),
                         ERR_NONE);
        assert_int_equal(count, end - first);
    } else {
        while (first < all_count && all[first] <= place)
            first++;
        assert_int_equal(store_search(reader, plan, place, limit, &f->arena, &docs, &count),
                         ERR_NONE);
        assert_int_equal(count, MIN(limit, all_count - first));
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(docs[i], all[first + i]);
}

static void pages_of_ranges_are_what_all_of_them_hold(void **state)
{
    struct fixture *f = *state;
    struct dice d = { 88172645463325252u };
    fill(f, &d);
    for (int i = 0; i < ROUNDS; i++) {
        struct plan range = throw_range(&d), other = throw_range(&d);
        struct plan kind = { .kind = PLAN_TERM, .field = FIELD_KIND };
        struct plan *ranges[] = { &range, &other };
        struct plan any = { .kind = PLAN_OR, .children = ranges, .child_count = 2 };
        struct plan *none_of[] = { &other };
        struct plan none = { .kind = PLAN_NOT, .children = none_of, .child_count = 1 };
        struct plan *three[] = { &kind, throw(&d, 2) ? &any : &range, &none };
        struct plan all = { .kind = PLAN_AND, .children = three };
        struct store_reader *reader;
        struct arena_mark mark = arena_mark(&f->arena);
        kind.from = kinds[throw(&d, 2) ? throw(&d, KINDS) : 3 + throw(&d, 2)];
        all.child_count = 2 + (size_t)throw(&d, 2);
        uint64_t time = throw(&d, 2) ? 0 : 1 + throw(&d, DOCS);
        assert_int_equal(store_read_begin(f->store, time, &reader), ERR_NONE);
        check_page(f, reader, throw(&d, 3) ? &all : &range, &d);
        store_read_end(reader);
        arena_rewind(&f->arena, mark);
    }
}

static void a_page_of_a_range_reads_what_lies_beside_it(void **state)
{
    struct fixture *f = *state;
    struct dice d = { 362436069 };
    struct store_work work = { 0 };
    struct store_reader *reader;
    uint64_t *docs = NULL;
    size_t count = 0;
    fill(f, &d);
    const struct plan range = {
        .kind = PLAN_RANGE, .field = FIELD_NUMBER, .from = numbers[10], .to = numbers[350]
    };
    assert_int_equal(store_read_begin(f->store, 0, &reader), ERR_NONE);
    store_reader_work(reader, &work);
    whole(f, reader, &range, &count);
    uint64_t all = work.done;
    work.done = 0;
    assert_int_equal(store_search(reader, &range, 0, 20, &f->arena, &docs, &count), ERR_NONE);
    assert_int_equal(count, 20);
    assert_true(work.done < all / 2);
    work.done = 0;
    assert_int_equal(store_search_back(reader, &range, DOCS + 1, 20, &f->arena, &docs, &count),
                     ERR_NONE);
    assert_int_equal(count, 20);
    assert_true(work.done < all / 2);
    store_read_end(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_of_ranges_are_what_all_of_them_hold, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_page_of_a_range_reads_what_lies_beside_it,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
