/* $check: begun, told, refused, cancelled; what is wrong is named and repaired. */
#include "world.h"

#include "index/index.h"
#include "os/clock.h"

static struct json value_of(const struct answer *a, const char *name)
{
    struct json list = answer_find(a, "parameter");
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v)) {
        if (!json_string_is(json_get(v, SLICE("name")), slice_cstr(name)))
            continue;
        for (struct json key = json_first(v); json_exists(key); key = json_next(v, json_value(key)))
            if (!json_string_is(key, SLICE("name")))
                return json_value(key);
    }
    return JSON_ABSENT;
}

static uint64_t number_of(const struct answer *a, const char *name)
{
    uint64_t number = UINT64_MAX;
    return slice_parse_u64(json_raw(value_of(a, name)), &number) ? number : UINT64_MAX;
}

static struct answer await(struct world *w)
{
    struct answer a = { 0 };
    for (int i = 0; i < 4000; i++) {
        a = get(w, "$check");
        if (a.status != 202)
            break;
        assert_non_null(header(w, &a, "X-Progress"));
        os_sleep_us(5000);
    }
    assert_int_equal(a.status, 200);
    return a;
}

static void fill(struct world *w)
{
    for (int i = 0; i < 40; i++) {
        struct slice body = arena_printf(
            &w->arena,
            "{\"resourceType\":\"Patient\",\"id\":\"p%d\",\"name\":[{\"family\":\"f%d\"}]}", i, i);
        assert_int_equal(
            put(w, arena_printf(&w->arena, "Patient/p%d", i).bytes, body.bytes).status, 201);
    }
}

static void a_check_is_begun_told_and_ended(void **state)
{
    struct world *w = *state;
    fill(w);
    struct answer a = get(w, "$check");
    assert_int_equal(a.status, 200);
    assert_true(json_string_is(value_of(&a, "status"), SLICE("none")));
    a = post(w, "$check?rate=20", "");
    assert_int_equal(a.status, 202);
    assert_non_null(strstr(header(w, &a, "Content-Location"), "/$check"));
    assert_int_equal(post(w, "$check", "").status, 409);
    a = get(w, "$check");
    assert_int_equal(a.status, 202);
    assert_int_equal(number_of(&a, "documents"), 40);
    assert_int_equal(post(w, "$check?cancel=true", "").status, 202);
    a = await(w);
    assert_true(json_string_is(value_of(&a, "status"), SLICE("cancelled")));
    assert_int_equal(post(w, "$check?cancel=true", "").status, 409);
    a = post(w, "$check",
             "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"repair\","
             "\"valueBoolean\":true},{\"name\":\"rate\",\"valueInteger\":100000}]}");
    assert_int_equal(a.status, 202);
    a = await(w);
    assert_true(json_string_is(value_of(&a, "status"), SLICE("completed")));
    assert_true(number_of(&a, "findings") == 0 && number_of(&a, "documentsChecked") == 40 &&
                number_of(&a, "resourcesChecked") == 40);
}

static void what_it_cannot_take_is_refused(void **state)
{
    struct world *w = *state;
    assert_int_equal(post(w, "$check?rate=-1", "").status, 400);
    assert_int_equal(post(w, "$check?rate=99999999999999999999", "").status, 400);
    assert_int_equal(post(w, "$check?repair=yes", "").status, 400);
    assert_int_equal(post(w, "$check?fast=true", "").status, 400);
    assert_int_equal(get(w, "$check?from=x").status, 400);
    assert_int_equal(get(w, "$check?repair=true").status, 400);
    assert_int_equal(get(w, "Patient/$check").status, 501);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        TEST(a_check_is_begun_told_and_ended),
        TEST(what_it_cannot_take_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
