/* Postings at sizes where blocks, bitmaps and background checkpoints matter. */
#include "fixture.h"

#include "os/clock.h"
#include "os/random.h"
#include "store/embedded/engine.h"

enum { BATCH = 1000, LARGE = 6240 };

/* Resource i: field 1 "even"/"odd", field 2 the rest modulo 7, field 3 a value
 * of its own, field 4 the value "all". */
static void apply_numbers(struct fixture *f, int from, int count)
{
    struct arena_mark mark = arena_mark(&f->arena);
    struct store_write *writes = arena_array(&f->arena, (size_t)count, sizeof *writes);
    struct store_result *results = arena_array(&f->arena, (size_t)count, sizeof *results);
    for (int i = 0; i < count; i++) {
        int n = from + i;
        const char *id = arena_printf(&f->arena, "n%d", n).bytes;
        const char *body = arena_printf(&f->arena, "1=%s;2=r%d;3=own%07d;4=all;",
                                        n % 2 ? "odd" : "even", n % 7, n)
                               .bytes;
        writes[i] = put_write(&f->arena, "Number", id, body);
        writes[i].home_type = SLICE("Home");
        writes[i].home_id = slice_cstr(n % 3 ? "a" : "b");
    }
    uint64_t time = 0;
    size_t refused = 0;
    assert_int_equal(store_apply(f->store, writes, (size_t)count, true, &f->arena, results, &time,
                                 &refused),
                     ERR_NONE);
    for (int i = 0; i < count; i++)
        assert_int_equal(results[i].outcome, STORE_CREATED);
    arena_rewind(&f->arena, mark);
}

static uint64_t count_plan(struct fixture *f, const struct plan *plan)
{
    uint64_t *docs = NULL;
    struct arena_mark mark = arena_mark(&f->arena);
    size_t count = search_docs(f, 0, plan, &docs);
    for (size_t i = 1; i < count; i++)
        assert_true(docs[i - 1] < docs[i]);
    arena_rewind(&f->arena, mark);
    return count;
}

/* n < total with both n % 2 == 1 and n % 7 == 3, and so on. */
static void check_numbers(struct fixture *f, uint64_t total)
{
    uint64_t odd = 0, three = 0, both = 0, either = 0, own = 0;
    uint64_t contained = 0;
    for (uint64_t n = 0; n < total; n++) {
        odd += n % 2 == 1;
        three += n % 7 == 3;
        both += n % 2 == 1 && n % 7 == 3;
        either += n % 2 == 1 || n % 7 == 3;
        own += n >= 1234 && n < 5678;
        char digits[24];
        snprintf(digits, sizeof digits, "%07d", (int)n);
        contained += strstr(digits, "00077") != NULL;
    }
    struct plan p_odd = term_plan(1, "odd"), p_three = term_plan(2, "r3");
    struct plan p_all = term_plan(4, "all"), p_one = term_plan(3, "own0000777");
    struct plan p_own = { .kind = PLAN_PREFIX, .field = 3, .from = SLICE("own") };
    struct plan p_range = {
        .kind = PLAN_RANGE, .field = 3, .from = SLICE("own0001234"), .to = SLICE("own0005678")
    };
    struct plan p_contains = {
        .kind = PLAN_CONTAINS, .field = 3, .from = SLICE("own"), .needle = SLICE("00077")
    };
    struct plan *pair[2] = { &p_odd, &p_three };
    struct plan p_and = { .kind = PLAN_AND, .children = pair, .child_count = 2 };
    struct plan p_or = { .kind = PLAN_OR, .children = pair, .child_count = 2 };
    struct plan *rare[2] = { &p_all, &p_one };
    struct plan p_rare = { .kind = PLAN_AND, .children = rare, .child_count = 2 };
    struct plan p_not = { .kind = PLAN_NOT, .children = pair, .child_count = 1 };
    assert_int_equal(count_plan(f, &p_all), total);
    assert_int_equal(count_plan(f, &p_odd), odd);
    assert_int_equal(count_plan(f, &p_three), three);
    assert_int_equal(count_plan(f, &p_and), both);
    assert_int_equal(count_plan(f, &p_or), either);
    assert_int_equal(count_plan(f, &p_own), total);
    assert_int_equal(count_plan(f, &p_range), own);
    assert_int_equal(count_plan(f, &p_rare), 1);
    assert_int_equal(count_plan(f, &p_contains), contained);
    assert_int_equal(count_plan(f, &p_not), total - odd);
}

static void a_large_transaction_is_one_commit(void **state)
{
    struct fixture *f = *state;
    apply_numbers(f, 0, LARGE);
    struct store_figures figures;
    store_figures(f->store, &figures);
    assert_int_equal(figures.commits, 1);
    assert_int_equal(figures.documents, LARGE);
    check_numbers(f, LARGE);
    assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    check_numbers(f, LARGE);
    fixture_reopen(f);
    check_numbers(f, LARGE);
}

static void the_thread_writes_segments_while_searches_stay_right(void **state)
{
    struct fixture *f = *state;
    int total = 0;
    while (total < 24 * BATCH) {
        apply_numbers(f, total, BATCH);
        total += BATCH;
        if (total % (8 * BATCH) == 0)
            check_numbers(f, (uint64_t)total);
    }
    for (int i = 0; i < 5000 && f->store->postings.current->covers == 0; i++)
        os_sleep_us(1000);
    struct postings_view *view = postings_view_take(&f->store->postings);
    assert_true(view->covers > 0);
    assert_true(view->count <= 2 * POSTINGS_RUNS_MAX);
    postings_view_give(view);
    check_numbers(f, (uint64_t)total);
}

/* ---- plans over several blocks ---- */

enum { ACROSS = 70000, ACROSS_BATCH = 5000, DEAD_EVERY = 3 };

static uint64_t dice = 88172645463325252u;

static uint64_t throw(uint64_t below)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice % below;
}

/* Over the number n of apply_numbers(). */
struct leaf {
    struct plan plan;
    uint64_t modulus, rest, low, high; /* n % modulus == rest, low <= n < high */
};

static struct plan *throw_plan(struct arena *a, int depth)
{
    struct leaf *leaf = arena_alloc(a, sizeof *leaf);
    struct plan *p = &leaf->plan;
    leaf->modulus = 1;
    leaf->high = UINT64_MAX;
    if (depth < 4 && throw(3)) {
        static const enum plan_kind inner[] = { PLAN_AND, PLAN_OR, PLAN_NOT };
        p->kind = inner[throw(3)];
        p->child_count = p->kind == PLAN_NOT ? 1 : 1 + throw(4);
        p->children = arena_array(a, p->child_count, sizeof *p->children);
        for (size_t i = 0; i < p->child_count; i++)
            p->children[i] = throw_plan(a, depth + 1);
        return p;
    }
    switch (throw(4)) {
    case 0:
        leaf->modulus = 2;
        leaf->rest = throw(2);
        *p = term_plan(1, leaf->rest ? "odd" : "even");
        break;
    case 1:
        leaf->modulus = 7;
        leaf->rest = throw(7);
        *p = term_plan(2, arena_printf(a, "r%d", (int)leaf->rest).bytes);
        break;
    case 2:
        leaf->low = throw(ACROSS);
        leaf->high = leaf->low + throw(throw(2) ? 200 : ACROSS);
        *p = (struct plan){ .kind = PLAN_RANGE, .field = 3 };
        p->from = arena_printf(a, "own%07d", (int)leaf->low);
        p->to = arena_printf(a, "own%07d", (int)leaf->high);
        break;
    default:
        p->kind = PLAN_ALL;
        break;
    }
    return p;
}

static bool says(const struct plan *p, uint64_t n)
{
    const struct leaf *leaf = (const struct leaf *)(const void *)p;
    if (p->kind == PLAN_NOT)
        return !says(p->children[0], n);
    if (p->kind != PLAN_AND && p->kind != PLAN_OR)
        return n % leaf->modulus == leaf->rest && n >= leaf->low && n < leaf->high;
    for (size_t i = 0; i < p->child_count; i++)
        if (says(p->children[i], n) != (p->kind == PLAN_AND))
            return p->kind == PLAN_OR;
    return p->kind == PLAN_AND;
}

/* Documents are n + 1; those that delete come behind. */
static void check_plans(struct fixture *f, uint64_t time, bool some_are_dead)
{
    for (int round = 0; round < 40; round++) {
        struct arena_mark mark = arena_mark(&f->arena);
        struct plan *plan = throw_plan(&f->arena, 0);
        struct store_reader *reader = reader_at(f, time);
        uint64_t after = round % 2 ? throw(ACROSS) : 0, *docs = NULL, counted = 0, all = 0;
        size_t limit = round % 3 ? SIZE_MAX : 1 + throw(2000), count = 0, at = 0;
        assert_int_equal(store_search(reader, plan, after, limit, &f->arena, &docs, &count),
                         ERR_NONE);
        for (uint64_t n = 0; n < ACROSS; n++) {
            if ((some_are_dead && n % DEAD_EVERY == 0 && n < 3 * ACROSS_BATCH) || !says(plan, n))
                continue;
            all++;
            if (n < after || at == limit)
                continue;
            assert_true(at < count);
            assert_int_equal(docs[at++], n + 1);
        }
        assert_int_equal(at, count);
        assert_int_equal(store_count(reader, plan, &counted), ERR_NONE);
        assert_int_equal(counted, all);
        store_read_end(reader);
        arena_rewind(&f->arena, mark);
    }
}

static void plans_agree_with_arithmetic_over_several_blocks(void **state)
{
    struct fixture *f = *state;
    dice ^= os_random_u64();
    print_message("seed %llu\n", (unsigned long long)dice);
    for (int n = 0; n < ACROSS; n += ACROSS_BATCH)
        apply_numbers(f, n, ACROSS_BATCH);
    check_plans(f, 0, false);
    struct store_reader *reader = reader_at(f, 0);
    uint64_t before = store_reader_time(reader);
    store_read_end(reader);
    enum { DEATHS = 3 * ACROSS_BATCH / DEAD_EVERY };
    struct store_write *writes = arena_array(&f->arena, DEATHS, sizeof *writes);
    struct store_result *results = arena_array(&f->arena, DEATHS, sizeof *results);
    for (int i = 0; i < DEATHS; i++) {
        writes[i] = (struct store_write){ .operation = STORE_DELETE, .type = SLICE("Number") };
        writes[i].id = arena_printf(&f->arena, "n%d", i * DEAD_EVERY);
    }
    uint64_t time = 0;
    size_t refused = 0;
    assert_int_equal(store_apply(f->store, writes, DEATHS, true, &f->arena, results, &time,
                                 &refused),
                     ERR_NONE);
    check_plans(f, before, false);
    check_plans(f, 0, true);
    assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    bool any = true;
    while (any)
        assert_int_equal(postings_merge(&f->store->postings, UINT64_MAX, &any), ERR_NONE);
    assert_int_equal(postings_merge_window(&f->store->postings, false, 0, 3), ERR_NONE);
    check_plans(f, before, false);
    check_plans(f, 0, true);
}

static void many_small_commits_leave_few_runs(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 300; i++)
        apply_numbers(f, i, 1);
    struct postings_view *view = postings_view_take(&f->store->postings);
    assert_true(view->count <= POSTINGS_RUNS_MAX + 1);
    postings_view_give(view);
    struct plan odd = term_plan(1, "odd");
    assert_int_equal(count_plan(f, &odd), 150);
}

static void values_come_with_their_documents_in_order(void **state)
{
    struct fixture *f = *state;
    apply_numbers(f, 0, BATCH);
    assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    apply_numbers(f, BATCH, BATCH);
    struct store_reader *reader = reader_at(f, 0);
    struct store_value *values = NULL;
    size_t count = 0;
    assert_int_equal(store_values(reader, 2, SLICE("r"), &f->arena, &values, &count), ERR_NONE);
    assert_int_equal(count, 7);
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(values[i].value.bytes[1], '0' + (int)i);
        total += values[i].doc_count;
        for (size_t d = 1; d < values[i].doc_count; d++)
            assert_int_equal(values[i].docs[d], values[i].docs[d - 1] + 7);
    }
    assert_int_equal(total, 2 * BATCH);
    assert_int_equal(store_values(reader, 3, SLICE("own"), &f->arena, &values, &count), ERR_NONE);
    assert_int_equal(count, 2 * BATCH);
    store_read_end(reader);
}

static void a_search_that_outgrows_its_arena_is_refused(void **state)
{
    struct fixture *f = *state;
    apply_numbers(f, 0, LARGE);
    struct store_reader *reader = reader_at(f, 0);
    struct plan plan = term_plan(4, "all");
    struct arena small;
    uint64_t *docs = NULL;
    size_t count = 0;
    arena_init(&small, 20000);
    assert_int_equal(store_search(reader, &plan, 0, SIZE_MAX, &small, &docs, &count), ERR_LIMIT);
    arena_release(&small);
    arena_init(&small, 40000);
    assert_int_equal(store_search(reader, &plan, 0, 100, &small, &docs, &count), ERR_NONE);
    assert_int_equal(count, 100);
    arena_release(&small);
    store_read_end(reader);
}

static bool leaves_at_once(void *context)
{
    ++*(int *)context;
    return true;
}

static void a_search_that_nobody_waits_for_ends_at_its_next_look(void **state)
{
    struct fixture *f = *state;
    int looks = 0;
    apply_numbers(f, 0, LARGE);
    struct store_reader *reader = reader_at(f, 0);
    struct plan plan = { .kind = PLAN_RANGE, .field = 3, .from = SLICE("own"), .to = SLICE("oy") };
    struct store_work work = { .leaves = leaves_at_once, .leaves_context = &looks };
    uint64_t *docs = NULL, counted = 0;
    size_t count = 0;
    work.next_look = 1000;
    store_reader_work(reader, &work);
    assert_int_equal(store_search(reader, &plan, 0, SIZE_MAX, &f->arena, &docs, &count), ERR_LIMIT);
    assert_true(work.is_left && !work.step && looks == 1);
    assert_true(work.done >= 1000 && work.done < 1100);
    work = (struct store_work){ .next_look = STORE_LOOK_UNITS, .leaves = leaves_at_once };
    work.leaves_context = &looks;
    assert_int_equal(store_count(reader, &plan, &counted), ERR_NONE); /* too short to look */
    assert_int_equal(counted, LARGE);
    work = (struct store_work){ .memory_bytes = 30000, .next_look = UINT64_MAX };
    assert_int_equal(store_count(reader, &plan, &counted), ERR_LIMIT);
    assert_false(work.is_left);
    store_read_end(reader);
}

static void a_plan_nested_deep_is_found_part_by_part(void **state)
{
    struct fixture *f = *state;
    apply_numbers(f, 0, 1);
    struct plan levels[100];
    struct plan *children[100];
    for (int i = 0; i < 100; i++) {
        children[i] = i < 99 ? &levels[i + 1] : NULL;
        levels[i] = (struct plan){ .kind = i < 99 ? PLAN_NOT : PLAN_ALL,
                                   .children = &children[i],
                                   .child_count = i < 99 };
    }
    struct store_reader *reader = reader_at(f, 0);
    uint64_t *docs = NULL;
    size_t count = 0;
    for (int i = 0; i < 100; i++) { /* an odd number of negations leaves nothing */
        assert_int_equal(store_search(reader, levels + i, 0, 10, &f->arena, &docs, &count),
                         ERR_NONE);
        assert_int_equal(count, i % 2);
    }
    store_read_end(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_large_transaction_is_one_commit),
        TEST(the_thread_writes_segments_while_searches_stay_right),
        TEST(plans_agree_with_arithmetic_over_several_blocks),
        TEST(many_small_commits_leave_few_runs),
        TEST(values_come_with_their_documents_in_order),
        TEST(a_search_that_outgrows_its_arena_is_refused),
        TEST(a_search_that_nobody_waits_for_ends_at_its_next_look),
        TEST(a_plan_nested_deep_is_found_part_by_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
