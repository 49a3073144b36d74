#include "fixture.h"

static void count_report(void *context, const char *what, struct slice type, struct slice id)
{
    print_message("%s %.*s/%.*s\n", what, SLICE_ARGS(type), SLICE_ARGS(id));
    ++*(size_t *)context;
}

static size_t disagreements(struct fixture *f, uint64_t *checked)
{
    size_t count = 0;
    assert_int_equal(store_check(f->store, count_report, &count, checked), ERR_NONE);
    return count;
}

static void fill(struct fixture *f)
{
    for (int i = 0; i < 40; i++) {
        char id[16], body[64];
        snprintf(id, sizeof id, "id%d", i % 15);
        snprintf(body, sizeof body, "1=v%d;2=w%d;1=v%d;text", i % 3, i, i % 3);
        struct store_write w = put_write(&f->arena, i % 2 ? "A" : "B", id, body);
        w.home_type = SLICE("Home");
        w.home_id = slice_cstr(i % 5 ? "h1" : "h2");
        apply_one(f, w);
        if (i % 7 == 0)
            delete_one(f, i % 2 ? "A" : "B", id);
    }
}

static void a_sound_store_has_nothing_to_report(void **state)
{
    struct fixture *f = *state;
    uint64_t checked = 0;
    fill(f);
    assert_int_equal(disagreements(f, &checked), 0);
    assert_true(checked >= 30);
    fixture_reopen(f);
    assert_int_equal(disagreements(f, &checked), 0);
    fill(f);
    assert_int_equal(disagreements(f, &checked), 0);
}

static void changed_rules_derive_the_index_again(void **state)
{
    struct fixture *f = *state;
    uint64_t checked = 0, *docs = NULL;
    fill(f);
    fixture_close(f);
    f->rules_hash = 2;
    fixture_open(f);
    struct plan plan = term_plan(1, "v1");
    assert_true(search_docs(f, 0, &plan, &docs) > 0);
    assert_int_equal(disagreements(f, &checked), 0);
}

static void a_posting_that_no_body_has_is_reported(void **state)
{
    struct fixture *f = *state;
    uint64_t checked = 0;
    struct store_write w = put_write(&f->arena, "A", "a", "1=x;");
    struct term terms[2] = { { 1, SLICE_INIT("x") }, { 9, SLICE_INIT("made up") } };
    w.terms = terms;
    w.term_count = 2;
    apply_one(f, w);
    assert_int_equal(disagreements(f, &checked), 1);
    w.term_count = 0;
    apply_one(f, w);
    assert_int_equal(disagreements(f, &checked), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        TEST(a_sound_store_has_nothing_to_report),
        TEST(changed_rules_derive_the_index_again),
        TEST(a_posting_that_no_body_has_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
