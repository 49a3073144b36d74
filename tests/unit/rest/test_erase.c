/* $purge, $expunge and $erasure. */
#include "world.h"

#include "os/clock.h"

static void expect(struct world *w, const char *method, const char *target, const char *body,
                   int status)
{
    struct answer a = ask(w, method, target, body ? "Content-Type: application/fhir+json" : NULL,
                          body);
    if (a.status != status)
        fail_msg("%s %s: %d %.*s", method, target, a.status,
                 SLICE_ARGS(slice_head(a.body, 600)));
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
    put_patient(w, "two-12345678", ",\"link\":[{\"type\":\"seealso\",\"other\":{\"reference\":"
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
        TEST(pages_and_instants_of_before_have_none_of_it),
        TEST(one_resource_is_expunged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
