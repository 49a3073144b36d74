/* $purge, $expunge and $erasure. */
#include "world.h"

#include <stdatomic.h>

#include "os/clock.h"
#include "os/thread.h"

static void expect(struct world *w, const char *method, const char *target, const char *body,
                   int status)
{
    struct answer a =
        ask(w, method, target, body ? "Content-Type: application/fhir+json" : NULL, body);
    if (a.status != status)
        fail_msg("%s %s: %d %.*s", method, target, a.status, SLICE_ARGS(slice_head(a.body, 600)));
}

static void put_patient(struct world *w, const char *id, const char *more)
{
    struct slice body =
        arena_printf(&w->arena, "{\"resourceType\":\"Patient\",\"id\":\"%s\"%s}", id, more);
    assert_true(put(w, arena_printf(&w->arena, "Patient/%s", id).bytes, body.bytes).status <= 201);
}

static void put_observation(struct world *w, const char *id, const char *patient,
                            const char *performer)
{
    struct slice body = arena_printf(
        &w->arena,
        "{\"resourceType\":\"Observation\",\"id\":\"%s\",\"status\":\"final\",\"code\":{\"text\":"
        "\"t\"},\"subject\":{\"reference\":\"Patient/%s\"},\"performer\":[{\"reference\":\"%s\"}]}",
        id, patient, performer);
    struct answer a = put(w, arena_printf(&w->arena, "Observation/%s", id).bytes, body.bytes);
    assert_true(a.status <= 201);
}

static uint64_t number_of(const struct answer *a, const char *name)
{
    struct json list = answer_find(a, "parameter");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        uint64_t number = UINT64_MAX;
        if (!json_string_is(json_get(v, SLICE("name")), slice_cstr(name)))
            continue;
        assert_true(slice_parse_u64(json_raw(json_get(v, SLICE("valueDecimal"))), &number));
        return number;
    }
    return UINT64_MAX;
}

static const char *status_target(struct world *w, const struct answer *a)
{
    const char *location = header(w, a, "Content-Location");
    assert_non_null(location);
    const char *at = strstr(location, "/r4/");
    assert_non_null(at);
    return at + 4;
}

static struct answer wait_done(struct world *w, const char *target)
{
    struct answer a = { 0 };
    for (int i = 0; i < 4000; i++) {
        a = get(w, target);
        if (a.status != 202)
            break;
        os_sleep_us(5000);
    }
    assert_int_equal(a.status, 200);
    return a;
}

static void fill(struct world *w)
{
    put_patient(w, "one-12345678", "");
    put_patient(w, "two-12345678",
                ",\"link\":[{\"type\":\"seealso\",\"other\":{\"reference\":"
                "\"Patient/one-12345678\"}}]");
    expect(w, "PUT", "Practitioner/doctor", "{\"resourceType\":\"Practitioner\",\"id\":\"doctor\"}",
           201);
    put_observation(w, "o1", "one-12345678", "Practitioner/doctor");
    put_observation(w, "o1", "one-12345678", "Patient/one-12345678"); /* a version more */
    put_observation(w, "o2", "two-12345678", "Practitioner/doctor");
    put_observation(w, "both", "one-12345678", "Patient/two-12345678");
    put_observation(w, "deleted", "one-12345678", "Practitioner/doctor");
    expect(w, "DELETE", "Observation/deleted", NULL, 204);
    put_observation(w, "moved", "one-12345678", "Practitioner/doctor");
    put_observation(w, "moved", "two-12345678", "Practitioner/doctor");
}

static void a_purged_record_is_gone_and_nothing_else(void **state)
{
    struct world *w = *state;
    fill(w);
    struct answer a = post(w, "Patient/one-12345678/$purge", "");
    assert_int_equal(a.status, 202);
    assert_int_equal(number_of(&a, "resources"), 3); /* the patient, o1, deleted */
    assert_int_equal(number_of(&a, "versions"), 6);  /* 1, 2, 2, and one of moved */
    assert_int_equal(number_of(&a, "keptCount"), 1);
    expect(w, "GET", "Patient/one-12345678", NULL, 404);
    expect(w, "GET", "Patient/one-12345678/_history", NULL, 404);
    expect(w, "GET", "Observation/o1", NULL, 404);
    expect(w, "GET", "Observation/o1/_history/1", NULL, 404);
    expect(w, "GET", "Observation/deleted", NULL, 404);
    expect(w, "GET", "Patient/two-12345678", NULL, 200);
    expect(w, "GET", "Practitioner/doctor", NULL, 200);
    expect(w, "GET", "Observation/o2", NULL, 200);
    expect(w, "GET", "Observation/both", NULL, 200);
    expect(w, "GET", "Observation/moved", NULL, 200);
    expect(w, "GET", "Observation/moved/_history/1", NULL, 410);
    struct answer found = get(w, "Observation?subject=Patient/one-12345678&_summary=count");
    assert_true(slice_is(json_raw(answer_find(&found, "total")), "1")); /* both */
    struct answer history = get(w, "_history?_count=100");
    assert_false(slice_find(history.body, SLICE("\"Observation/o1")) >= 0);
    struct answer done = wait_done(w, status_target(w, &a));
    assert_true(number_of(&done, "filesSearched") > 5);
    expect(w, "POST", "Patient/one-12345678/$purge", "", 404);
    put_patient(w, "one-12345678", "");
    struct answer again = get(w, "Patient/one-12345678");
    assert_string_equal(header(w, &again, "ETag"), "W/\"1\"");
}

static void what_is_shared_goes_when_asked(void **state)
{
    struct world *w = *state;
    fill(w);
    struct answer a = post(w, "Patient/one-12345678/$purge?shared=erase", "");
    assert_int_equal(a.status, 202);
    assert_int_equal(number_of(&a, "keptCount"), 0);
    expect(w, "GET", "Observation/both", NULL, 404);
    struct answer everything = get(w, "Patient/two-12345678/$everything");
    assert_int_equal(everything.status, 200);
    assert_true(slice_is(json_raw(answer_find(&everything, "total")), "4"));
    wait_done(w, status_target(w, &a));
    expect(w, "POST", "Patient/two-12345678/$purge?shared=some", "", 400);
    expect(w, "GET", "Patient/two-12345678/$purge", NULL, 405);
}

/* Records that a resource was in, one after the other. */
static void fill_moves(struct world *w)
{
    put_patient(w, "one-12345678", "");
    put_patient(w, "two-12345678", "");
    put_observation(w, "was-two", "two-12345678", "Practitioner/doctor");
    put_observation(w, "was-two", "one-12345678", "Practitioner/doctor");
    put_observation(w, "both-then-two", "one-12345678", "Patient/two-12345678");
    put_observation(w, "both-then-two", "two-12345678", "Practitioner/doctor");
    put_observation(w, "one-then-both", "one-12345678", "Practitioner/doctor");
    put_observation(w, "one-then-both", "one-12345678", "Patient/two-12345678");
    put_observation(w, "was-both", "one-12345678", "Patient/two-12345678");
    put_observation(w, "was-both", "one-12345678", "Practitioner/doctor");
    expect(w, "DELETE", "Observation/was-both", NULL, 204);
}

static void a_version_belongs_to_the_records_that_it_lies_in(void **state)
{
    struct world *w = *state;
    fill_moves(w);
    struct answer a = post(w, "Patient/one-12345678/$purge", "");
    assert_int_equal(a.status, 202);
    assert_int_equal(number_of(&a, "resources"), 1);
    assert_int_equal(number_of(&a, "versions"), 4); /* the patient, was-two 2, 1, was-both 2 */
    assert_int_equal(number_of(&a, "keptCount"), 3);
    const char *told = arena_copy(&w->arena, a.body);
    assert_contains(told, "\"Observation/both-then-two/_history/1\"");
    assert_contains(told, "\"Observation/one-then-both\"");
    assert_contains(told, "\"Observation/was-both/_history/1\"");
    expect(w, "GET", "Observation/was-two", NULL, 410);
    expect(w, "GET", "Observation/was-two/_history/1", NULL, 200);
    expect(w, "GET", "Observation/was-two/_history/2", NULL, 410);
    expect(w, "GET", "Observation/both-then-two", NULL, 200);
    expect(w, "GET", "Observation/both-then-two/_history/1", NULL, 200);
    expect(w, "GET", "Observation/one-then-both", NULL, 200);
    expect(w, "GET", "Observation/one-then-both/_history/1", NULL, 410);
    expect(w, "GET", "Observation/was-both", NULL, 410);
    expect(w, "GET", "Observation/was-both/_history/1", NULL, 200);
    expect(w, "GET", "Observation/was-both/_history/2", NULL, 410);
    wait_done(w, status_target(w, &a));
    struct answer again = post(w, "Patient/one-12345678/$purge?shared=erase", "");
    assert_int_equal(again.status, 202); /* what was kept goes when that is asked for later */
    assert_int_equal(number_of(&again, "keptCount"), 0);
    expect(w, "GET", "Observation/both-then-two", NULL, 200);
    expect(w, "GET", "Observation/both-then-two/_history/1", NULL, 410);
    expect(w, "GET", "Observation/one-then-both", NULL, 404);
    expect(w, "GET", "Observation/was-two/_history/1", NULL, 200); /* never was of this one */
    wait_done(w, status_target(w, &again));
}

struct racer {
    struct world w;
    _Atomic bool stops;
    int erased;
};

/* Stores and erases what others find meanwhile. */
static void *race_erase(void *context)
{
    struct racer *r = context;
    while (!atomic_load(&r->stops)) {
        struct arena_mark mark = arena_mark(&r->w.arena);
        put_observation(&r->w, "racing-12345678", "racing", "Practitioner/doctor");
        put(&r->w, "ValueSet/racing-12345678",
            "{\"resourceType\":\"ValueSet\",\"id\":\"racing-12345678\",\"status\":\"active\","
            "\"url\":\"http://example.org/racing\"}");
        r->erased += post(&r->w, "Observation/racing-12345678/$expunge", "").status == 202;
        r->erased += post(&r->w, "ValueSet/racing-12345678/$expunge", "").status == 202;
        arena_rewind(&r->w.arena, mark);
    }
    return NULL;
}

static void what_is_erased_between_finding_and_reading_is_no_error(void **state)
{
    static const char *const asked[][2] = {
        { "DELETE", "Observation?patient=racing&_count=10" },
        { "DELETE", "Observation?patient=racing" },
        { "GET", "Observation?patient=racing&_contained=both" },
        { "GET", "ValueSet/$expand?url=http://example.org/racing" },
        { "GET", "Observation?patient=racing&_sort=date&_include=*" },
        { "GET", "Observation/racing-12345678/_history" },
    };
    struct world *w = *state;
    struct racer *r = calloc(1, sizeof *r);
    pthread_t thread;
    r->w = *w;
    arena_init(&r->w.arena, (size_t)1 << 30);
    int64_t end_us = os_monotonic_us() + 1000000;
    assert_int_equal(thread_start(&thread, race_erase, r), ERR_NONE);
    while (os_monotonic_us() < end_us)
        for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
            struct arena_mark mark = arena_mark(&w->arena);
            struct answer a = ask(w, asked[i][0], asked[i][1], NULL, NULL);
            if (a.status >= 500)
                print_error("%s %s: %d %.*s\n", asked[i][0], asked[i][1], a.status,
                            SLICE_ARGS(slice_head(a.body, 600)));
            assert_true(a.status < 500);
            arena_rewind(&w->arena, mark);
        }
    atomic_store(&r->stops, true);
    thread_join(thread);
    assert_true(r->erased > 10);
    arena_release(&r->w.arena);
    free(r);
}

static void pages_and_instants_of_before_have_none_of_it(void **state)
{
    struct world *w = *state;
    fill(w);
    struct answer page = get(w, "Observation?_count=1");
    struct slice link = SLICE_NONE;
    struct json l = answer_find(&page, "link");
    for (struct json v = json_first(l); json_exists(v); v = json_next(l, v))
        if (json_string_is(json_get(v, SLICE("relation")), SLICE("next")))
            link = json_string(json_get(v, SLICE("url")), &w->arena);
    ptrdiff_t at = slice_find(link, SLICE("/r4/"));
    assert_true(at > 0);
    assert_int_equal(post(w, "Observation/o2/$expunge", "").status, 202);
    const char *target = arena_copy(&w->arena, slice_from(link, (size_t)at + 4));
    for (int i = 0; i < 10; i++) {
        struct answer a = get(w, target);
        assert_int_equal(a.status, 200);
        assert_false(slice_find(a.body, SLICE("\"o2\"")) >= 0);
        l = answer_find(&a, "link");
        link = SLICE_NONE;
        for (struct json v = json_first(l); json_exists(v); v = json_next(l, v))
            if (json_string_is(json_get(v, SLICE("relation")), SLICE("next")))
                link = json_string(json_get(v, SLICE("url")), &w->arena);
        at = slice_find(link, SLICE("/r4/"));
        if (at <= 0)
            break;
        target = arena_copy(&w->arena, slice_from(link, (size_t)at + 4));
    }
}

static void one_resource_is_expunged(void **state)
{
    struct world *w = *state;
    fill(w);
    struct answer a = post(w, "Observation/o1/$expunge", "");
    assert_int_equal(a.status, 202);
    assert_int_equal(number_of(&a, "versions"), 2);
    expect(w, "GET", "Observation/o1", NULL, 404);
    expect(w, "GET", "Patient/one-12345678", NULL, 200);
    expect(w, "POST", "Observation/o1/$expunge", "", 404);
    expect(w, "POST", "Observation/never/$expunge", "", 404);
    expect(w, "POST", "Observation/o2/$expunge?limit=3", "", 400);
    expect(w, "GET", "$erasure?number=77", NULL, 404);
    expect(w, "GET", "$erasure", NULL, 400);
    wait_done(w, status_target(w, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(a_purged_record_is_gone_and_nothing_else),
        TEST(what_is_shared_goes_when_asked),
        TEST(a_version_belongs_to_the_records_that_it_lies_in),
        TEST(what_is_erased_between_finding_and_reading_is_no_error),
        TEST(pages_and_instants_of_before_have_none_of_it),
        TEST(one_resource_is_expunged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
