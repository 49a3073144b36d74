#include "fixture.h"

#include "os/thread.h"

/* Terms of "7=a;" and the like. */
static struct term watch(const char *value)
{
    return (struct term){ .field = 7, .value = slice_cstr(value) };
}

static size_t matches(struct fixture *f, struct arena *arena, const char *value)
{
    struct plan plan = { .kind = PLAN_TERM, .field = 7, .from = slice_cstr(value) };
    struct store_reader *reader;
    uint64_t *docs;
    size_t count;
    assert_int_equal(store_read_begin(f->store, 0, &reader), ERR_NONE);
    assert_int_equal(store_search(reader, &plan, 0, 10, arena, &docs, &count), ERR_NONE);
    store_read_end(reader);
    return count;
}

static enum err put_if(struct fixture *f, struct arena *arena, struct store_condition *condition,
                       const char *id, const char *body)
{
    struct store_write w = put_write(arena, "T", id, body);
    struct store_result result;
    uint64_t time;
    size_t refused;
    return store_apply_if(f->store, condition, &w, 1, true, arena, &result, &time, &refused);
}

static void a_commit_that_brings_a_watched_term_overtakes(void **state)
{
    struct fixture *f = *state;
    struct store_condition c;
    struct term w = watch("a");
    assert_int_equal(store_condition_begin(f->store, &w, 1, &c), ERR_NONE);
    assert_int_equal(put_if(f, &f->arena, NULL, "1", "7=b;"), ERR_NONE);
    assert_int_equal(put_if(f, &f->arena, &c, "2", "7=a;"), ERR_NONE);
    assert_int_equal(put_if(f, &f->arena, NULL, "3", "7=a;"), ERR_NONE);
    assert_int_equal(put_if(f, &f->arena, &c, "4", "7=a;"), ERR_PRECONDITION);
    assert_int_equal(matches(f, &f->arena, "a"), 2);
    assert_int_equal(store_condition_again(&c), ERR_NONE);
    assert_int_equal(put_if(f, &f->arena, &c, "4", "7=a;"), ERR_NONE);
    store_condition_end(&c);
    assert_int_equal(put_if(f, &f->arena, NULL, "5", "7=a;"), ERR_NONE);
    assert_int_equal(matches(f, &f->arena, "a"), 4);
}

enum { THREADS = 64, ROUNDS = 5 };

struct racer {
    struct fixture *f;
    int number;
    enum err err; /* the first */
};

/* A condition on `a` alone, or on `a` and `b`, half of them the other way round,
 * with a plain write of something else behind it. */
static enum err create_once(struct racer *r, struct arena *arena, int round)
{
    char a[16], b[16], id[32], body[64];
    snprintf(a, sizeof a, "a%d", round);
    snprintf(b, sizeof b, "b%d", round);
    snprintf(id, sizeof id, "r%d-%d", r->number, round);
    snprintf(body, sizeof body, "7=%s;7=%s;", a, b);
    bool is_turned = r->number & 1;
    struct term watches[2] = { watch(is_turned ? b : a), watch(is_turned ? a : b) };
    struct store_condition c;
    TRY(store_condition_begin(r->f->store, watches, r->number & 2 ? 1 : 2, &c));
    enum err err = ERR_PRECONDITION;
    while (err == ERR_PRECONDITION) {
        err = matches(r->f, arena, a) ? ERR_NONE : put_if(r->f, arena, &c, id, body);
        if (err == ERR_PRECONDITION && store_condition_again(&c))
            break;
    }
    store_condition_end(&c);
    return err ? err : put_if(r->f, arena, NULL, id + 1, "8=x;");
}

static void *race(void *context)
{
    struct racer *r = context;
    for (int round = 0; round < ROUNDS && !r->err; round++) {
        struct arena arena;
        arena_init(&arena, (size_t)64 << 20);
        r->err = create_once(r, &arena, round);
        arena_release(&arena);
    }
    return NULL;
}

static void of_64_who_write_unless_it_is_there_one_does(void **state)
{
    struct fixture *f = *state;
    static struct racer racers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ .f = f, .number = i };
        assert_int_equal(thread_start(&threads[i], race, &racers[i]), ERR_NONE);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        assert_int_equal(racers[i].err, ERR_NONE);
    }
    for (int round = 0; round < ROUNDS; round++) {
        char a[16];
        snprintf(a, sizeof a, "a%d", round);
        assert_int_equal(matches(f, &f->arena, a), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_commit_that_brings_a_watched_term_overtakes,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(of_64_who_write_unless_it_is_there_one_does, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
