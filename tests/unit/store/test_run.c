#include "fixture.h"

#include "store/embedded/run.h"
#include "store/embedded/segment.h"

enum { COUNT = 5000 };

static struct run *build(struct arena *arena, const struct term *terms, size_t per_doc,
                         size_t docs)
{
    struct run_source *sources = arena_array(arena, docs, sizeof *sources);
    for (size_t i = 0; i < docs; i++)
        sources[i] = (struct run_source){ terms + i * per_doc, per_doc };
    struct run *run = NULL;
    assert_int_equal(run_build(sources, docs, 7, arena, &run), ERR_NONE);
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

static void keys_of_segments_order_as_their_values_do(void **state)
{
    (void)state;
    const struct slice values[] = { SLICE_INIT(""),       SLICE_INIT("\0"),   SLICE_INIT("\0\0"),
                                    SLICE_INIT("\0\x01"), SLICE_INIT("\x01"), SLICE_INIT("a"),
                                    SLICE_INIT("a\0"),    SLICE_INIT("a\0b"), SLICE_INIT("ab"),
                                    SLICE_INIT("\xff"),   SLICE_INIT("\xff\xff") };
    uint8_t before[SEGMENT_KEY_BYTES_MAX], key[SEGMENT_KEY_BYTES_MAX];
    size_t before_size = 0;
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        size_t size = segment_key(key, 5, values[i], true);
        put_be64(key + size, 77);
        size += 8;
        if (i)
            assert_true(slice_compare(slice_of((char *)before, before_size),
                                      slice_of((char *)key, size)) < 0);
        char text[TERM_VALUE_BYTES_MAX];
        uint32_t field = 0;
        size_t text_size = 0;
        uint64_t doc = 0;
        assert_true(segment_key_parse(slice_of((char *)key, size), &field, text, &text_size, &doc));
        assert_true(field == 5 && doc == 77);
        assert_true(slice_equal(slice_of(text, text_size), values[i]));
        for (size_t cut = 0; cut < size; cut++)
            (void)segment_key_parse(slice_of((char *)key, cut), &field, text, &text_size, &doc);
        memcpy(before, key, size);
        before_size = size;
    }
}

static void damaged_blocks_are_refused(void **state)
{
    (void)state;
    struct segment_block *block = malloc(sizeof *block);
    const char good[] = { 1, 3, 9, 4, 5 }; /* documents 91, 95, 100 */
    assert_int_equal(segment_block_parse(100, slice_of(good, sizeof good), block), ERR_NONE);
    assert_true(block->count == 3 && block->docs[0] == 91 && block->docs[2] == 100);
    for (size_t cut = 0; cut < sizeof good; cut++)
        assert_int_equal(segment_block_parse(100, slice_of(good, cut), block), ERR_CORRUPT);
    const char bad[][5] = { { 2, 3, 9, 4, 5 }, { 1, 0, 9, 4, 5 },   { 1, 3, 9, 4, 6 },
                            { 1, 3, 8, 4, 5 }, { 1, 2, 9, 4, 5 },   { 1, 3, 9, 4, -1 },
                            { 1, 3, 127, 4, 5 }, { 1, -1, 127, 4, 5 } };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(segment_block_parse(100, slice_of(bad[i], 5), block), ERR_CORRUPT);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_sorted_whatever_order_they_come_in),
        cmocka_unit_test(joined_runs_hold_what_each_held),
        cmocka_unit_test(keys_of_segments_order_as_their_values_do),
        cmocka_unit_test(damaged_blocks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
