/* A disk that is nearly full: writes wait, all else goes on, no restart is needed. */
#include "fixture.h"

#include "os/clock.h"
#include "store/embedded/engine.h"

static enum err try_put(struct fixture *f, const char *id)
{
    struct store_write w = put_write(&f->arena, "T", id, "1=x;");
    struct store_result result;
    uint64_t time;
    size_t refused;
    return store_apply(f->store, &w, 1, true, &f->arena, &result, &time, &refused);
}

static void below_the_reserve_writes_are_refused_until_there_is_space(void **state)
{
    struct fixture *f = *state;
    struct store_figures figures;
    assert_int_equal(try_put(f, "a"), ERR_NONE);
    store_figures(f->store, &figures);
    assert_true(figures.disk_free_bytes > 0);
    assert_false(figures.is_full);
    f->store->disk_reserve_bytes = UINT64_MAX; /* as if others had filled it */
    for (int i = 0; i < 400 && try_put(f, "b") == ERR_NONE; i++)
        os_sleep_us(10000);
    assert_int_equal(try_put(f, "b"), ERR_FULL);
    store_figures(f->store, &figures);
    assert_true(figures.is_full);
    assert_false(figures.is_read_only);
    assert_string_equal(body_of(f, 0, "T", "a"), "1=x;");
    struct plan all = { .kind = PLAN_ALL };
    uint64_t *docs;
    assert_int_equal(search_docs(f, 0, &all, &docs), 2);
    assert_int_equal(postings_checkpoint(&f->store->postings), ERR_NONE);
    struct store_target t = { .type = SLICE("T"), .id = SLICE("a") };
    struct store_erasure e; /* frees space, so it is taken */
    assert_int_equal(store_erase(f->store, &t, 1, &f->arena, &e), ERR_NONE);
    f->store->disk_reserve_bytes = 1;
    for (int i = 0; i < 400 && try_put(f, "c") == ERR_FULL; i++)
        os_sleep_us(10000);
    assert_int_equal(try_put(f, "c"), ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(below_the_reserve_writes_are_refused_until_there_is_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
