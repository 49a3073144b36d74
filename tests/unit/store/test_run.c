#include "fixture.h"

#include "store/segment/run.h"

enum { COUNT = 5000 };

static struct run *build(struct arena *arena, const struct term *terms, size_t per_doc,
                         size_t docs)
{
    struct run_source *sources = arena_array(arena, docs, sizeof *sources);
    for (size_t i = 0; i < docs; i++)
        sources[i] = (struct run_source){ terms + i * per_doc, per_doc };
    struct run *run = NULL;
    assert_int_equal(run_build(sources, docs, 7, NULL, NULL, arena, &run), ERR_NONE);
    return run;
}

static void check_order(const struct run *run)
{
    for (uint32_t i = 1; i < run->key_count; i++) {
        const struct run_key *a = &run->keys[i - 1], *b = &run->keys[i];
        assert_true(a->field < b->field ||
                    (a->field == b->field &&
                     slice_compare(run_value(run, a), run_value(run, b)) < 0));
    }
    for (uint32_t i = 0; i < run->key_count; i++) {
        assert_true(run->keys[i].docs_at < run->keys[i + 1].docs_at);
        for (uint32_t d = run->keys[i].docs_at + 1; d < run->keys[i + 1].docs_at; d++)
            assert_true(run->docs[d - 1] < run->docs[d]);
    }
}

/* Ascending, descending, up and down, nearly equal, random. */
static uint32_t shape(int pattern, uint32_t i)
{
    switch (pattern) {
    case 0:
        return i;
    case 1:
        return COUNT - i;
    case 2:
        return i < COUNT / 2 ? 2 * i : 2 * (COUNT - i) + 1;
    case 3:
        return i % 17;
    default:
        return i * 2654435761u;
    }
}

static void keys_are_sorted_whatever_order_they_come_in(void **state)
{
    (void)state;
    for (int pattern = 0; pattern < 5; pattern++) {
        struct arena arena;
        arena_init(&arena, 64 << 20);
        struct term *terms = arena_array(&arena, COUNT, sizeof *terms);
        for (uint32_t i = 0; i < COUNT; i++) {
            struct slice value = arena_printf(&arena, pattern % 2 ? "%u" : "same-begin-%u",
                                              shape(pattern, i));
            terms[i] = (struct term){ i % 3, value };
        }
        struct run *run = build(&arena, terms, 10, COUNT / 10);
        check_order(run);
        for (uint32_t i = 0; i < COUNT; i += 7) {
            uint32_t at = run_find(run, terms[i].field, terms[i].value);
            assert_true(at < run->key_count);
            bool has = false;
            for (uint32_t d = run->keys[at].docs_at; d < run->keys[at + 1].docs_at; d++)
                has = has || run->docs[d] == i / 10;
            assert_true(has);
        }
        assert_int_equal(run_find(run, 1, SLICE("absent")), run->key_count);
        run_unref(run);
        arena_release(&arena);
    }
}

static void joined_runs_hold_what_each_held(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct run *runs[5];
    uint64_t base = 100, postings = 0;
    for (uint32_t r = 0; r < ARRAY_COUNT(runs); r++) {
        struct term *terms = arena_array(&arena, 200, sizeof *terms);
        for (uint32_t i = 0; i < 200; i++)
            terms[i] = (struct term){ i % 2, arena_printf(&arena, "%u", (i * (r + 3)) % 50) };
        runs[r] = build(&arena, terms, 4, 50);
        runs[r]->base = base;
        base += 50;
        postings += runs[r]->doc_count;
    }
    struct run *joined = NULL;
    assert_int_equal(run_join(runs, ARRAY_COUNT(runs), &joined), ERR_NONE);
    check_order(joined);
    assert_int_equal(joined->base, 100);
    assert_int_equal(run_last(joined), base - 1);
    assert_int_equal(joined->doc_count, postings);
    run_unref(joined);
    for (size_t r = 0; r < ARRAY_COUNT(runs); r++)
        run_unref(runs[r]);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_sorted_whatever_order_they_come_in),
        cmocka_unit_test(joined_runs_hold_what_each_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
