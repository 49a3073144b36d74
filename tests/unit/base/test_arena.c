#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

static void arena_refuses_what_passes_its_ceiling(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_null(arena_alloc(&a, 1001));
    assert_non_null(arena_alloc(&a, 900));
    assert_null(arena_alloc(&a, 200));
    arena_release(&a);
    assert_non_null(arena_alloc(&a, 200));
    arena_release(&a);
}

static void rewinding_frees_what_came_after_the_mark(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    char *kept = arena_copy(&a, SLICE("kept"));
    struct arena_mark mark = arena_mark(&a);
    size_t before = a.total_bytes;
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(&a, 5000));
    arena_rewind(&a, mark);
    assert_int_equal(a.total_bytes, before);
    assert_string_equal(kept, "kept");
    arena_release(&a);
}

static void formatted_text_is_exact(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 16);
    struct slice s = arena_printf(&a, "%s/%d", "Patient", 7);
    assert_true(slice_is(s, "Patient/7"));
    arena_release(&a);
}

static void arrays_refuse_an_overflowing_size(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 16);
    assert_null(arena_array(&a, SIZE_MAX / 2, 4));
    assert_non_null(arena_array(&a, 0, 4));
    arena_release(&a);
}

static void trimming_gives_back_the_end_of_the_newest_piece_only(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    char *first = arena_copy(&a, SLICE("first"));
    char *large = arena_raw(&a, 10000);
    memset(large, 'x', 10000);
    size_t before = a.total_bytes;
    arena_trim(&a, large, 10000, 100);
    char *next = arena_raw(&a, 9000); /* in the room given back, if blocks are shared */
    memset(next, 'y', 9000);
    assert_in_range(a.total_bytes - before, 0, 9000 + _Alignof(max_align_t));
    for (int i = 0; i < 100; i++)
        assert_int_equal(large[i], 'x');
    arena_trim(&a, first, 6, 1); /* not the newest: nothing happens */
    assert_string_equal(first, "first");
    assert_int_equal(next[8999], 'y');
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_refuses_what_passes_its_ceiling),
        cmocka_unit_test(rewinding_frees_what_came_after_the_mark),
        cmocka_unit_test(formatted_text_is_exact),
        cmocka_unit_test(arrays_refuse_an_overflowing_size),
        cmocka_unit_test(trimming_gives_back_the_end_of_the_newest_piece_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
