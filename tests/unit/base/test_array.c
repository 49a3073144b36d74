#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/array.h"

static void an_array_grows_and_keeps_its_items_in_order(void **state)
{
    (void)state;
    int *items = NULL;
    size_t count = 0, room = 0;
    for (int i = 0; i < 1000; i++) {
        int *larger = array_room(items, count, &room, sizeof *items);
        assert_non_null(larger);
        items = larger;
        items[count++] = i;
    }
    array_remove(items, &count, 999, sizeof *items);
    array_remove(items, &count, 0, sizeof *items);
    array_remove(items, &count, 499, sizeof *items);
    assert_int_equal(count, 997);
    assert_int_equal(items[0], 1);
    assert_int_equal(items[498], 499);
    assert_int_equal(items[499], 501);
    assert_int_equal(items[996], 998);
    free(items);
}

static void what_cannot_be_counted_is_refused(void **state)
{
    (void)state;
    size_t room = SIZE_MAX / 4;
    assert_null(array_room(NULL, room, &room, 16));
    assert_int_equal(room, SIZE_MAX / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_grows_and_keeps_its_items_in_order),
        cmocka_unit_test(what_cannot_be_counted_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
