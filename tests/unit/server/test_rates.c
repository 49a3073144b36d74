#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "server/rates.h"

#define A SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
#define B SLICE("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
#define C SLICE("cccccccccccccccccccccccccccccccc")

enum { SECOND = 1000000 };
static const int64_t START = (int64_t)5000 * SECOND;

static struct rates *rates_of(const char *text)
{
    struct limits limits;
    struct rates *rates;
    assert_true(limits_preset(SLICE("open"), &limits));
    assert_true(limits_set_rates(&limits, slice_cstr(text)));
    assert_int_equal(rates_open(&limits, &rates), ERR_NONE);
    return rates;
}

static const char *met;
static int64_t waits;

static bool ask(struct rates *rates, struct slice id, enum rest_quota quota, uint64_t units,
                int64_t at)
{
    return rates_spend(rates, id, quota, units, START + at, &met, &waits);
}

static void without_rates_there_is_nothing_to_ask(void **state)
{
    (void)state;
    assert_null(rates_of("none"));
}

static void a_full_bucket_gives_a_second_s_worth_then_refills(void **state)
{
    (void)state;
    struct rates *r = rates_of("read=10");
    for (int i = 0; i < 10; i++)
        assert_true(ask(r, A, REST_QUOTA_READ, 1, 0));
    assert_false(ask(r, A, REST_QUOTA_READ, 1, 0));
    assert_string_equal(met, "rate-read");
    assert_int_equal(waits, SECOND / 10);
    assert_false(ask(r, A, REST_QUOTA_READ, 1, SECOND / 10 - 1));
    assert_true(ask(r, A, REST_QUOTA_READ, 1, SECOND / 10));
    assert_false(ask(r, A, REST_QUOTA_READ, 1, SECOND / 10));
    /* Rest fills it no higher than its room. */
    int admitted = 0;
    while (ask(r, A, REST_QUOTA_READ, 1, 1000 * (int64_t)SECOND))
        admitted++;
    assert_int_equal(admitted, 10);
    rates_close(r);
}

static void each_data_store_has_its_own_and_the_account_bounds_all(void **state)
{
    (void)state;
    struct rates *r = rates_of("rate-search-get=2, search-get-account=5");
    int admitted = 0;
    for (int i = 0; i < 4; i++)
        admitted += ask(r, A, REST_QUOTA_SEARCH_GET, 1, 0);
    assert_int_equal(admitted, 2);
    for (int i = 0; i < 4; i++)
        admitted += ask(r, B, REST_QUOTA_SEARCH_GET, 1, 0);
    assert_int_equal(admitted, 4);
    for (int i = 0; i < 4; i++)
        admitted += ask(r, C, REST_QUOTA_SEARCH_GET, 1, 0);
    assert_int_equal(admitted, 5);
    assert_string_equal(met, "rate-search-get-account");
    /* What is refused by the one is not taken from the other. */
    assert_true(ask(r, C, REST_QUOTA_SEARCH_GET, 1, SECOND / 5));
    assert_true(ask(r, A, REST_QUOTA_SEARCH_POST, 1, 0));
    rates_close(r);
}

static void a_large_cost_is_admitted_once_and_paid_off(void **state)
{
    (void)state;
    struct rates *r = rates_of("write=100");
    assert_true(ask(r, A, REST_QUOTA_WRITE, 1000, 0));
    assert_false(ask(r, A, REST_QUOTA_WRITE, 1, 0));
    assert_int_equal(waits, 9 * SECOND + SECOND / 100);
    assert_false(ask(r, A, REST_QUOTA_WRITE, 1, 9 * SECOND));
    assert_true(ask(r, A, REST_QUOTA_WRITE, 1, 9 * SECOND + SECOND / 100));
    /* No cost is so large that sums of times overflow. */
    assert_true(ask(r, B, REST_QUOTA_WRITE, UINT64_MAX, 0));
    assert_false(ask(r, B, REST_QUOTA_WRITE, UINT64_MAX, SECOND));
    rates_close(r);
}

static void more_data_stores_than_are_remembered_take_no_more_memory(void **state)
{
    (void)state;
    struct rates *r = rates_of("read=1");
    for (int i = 0; i < 5000; i++) {
        char id[40];
        snprintf(id, sizeof id, "%032d", i);
        assert_true(ask(r, slice_cstr(id), REST_QUOTA_READ, 1, i));
        assert_false(ask(r, slice_cstr(id), REST_QUOTA_READ, 1, i));
    }
    rates_close(r);
}

static void operations_have_a_bucket_each(void **state)
{
    (void)state;
    struct rates *r = rates_of("healthlake");
    static const char CREATE[] = "healthlake:CreateFHIRDatastore";
    assert_true(rates_spend_control(r, CREATE, START, &met, &waits));
    assert_false(rates_spend_control(r, CREATE, START + SECOND, &met, &waits));
    assert_string_equal(met, "rate-create-datastore");
    assert_int_equal(waits, 59 * SECOND);
    assert_true(rates_spend_control(r, CREATE, START + 60 * SECOND, &met, &waits));
    for (int i = 0; i < 10; i++)
        assert_true(rates_spend_control(r, "healthlake:ListFHIRDatastores", START, &met, &waits));
    assert_false(rates_spend_control(r, "healthlake:ListFHIRDatastores", START, &met, &waits));
    assert_true(rates_spend_control(r, "healthlake:DescribeFHIRDatastore", START, &met, &waits));
    rates_close(r);
}

static void only_names_and_numbers_of_the_table_are_limits(void **state)
{
    (void)state;
    static const char *const bad[] = { "read",
                                       "read=",
                                       "read=x",
                                       "read=-1",
                                       "none=1",
                                       "head-bytes=1",
                                       "read=1,,",
                                       "healthlake,bogus=1",
                                       "read=99999999999999" };
    struct limits limits;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_true(limits_preset(SLICE("open"), &limits));
        assert_false(limits_set_rates(&limits, slice_cstr(bad[i])));
    }
    assert_true(limits_set_rates(&limits, SLICE("healthlake,read=7,rate-write=none")));
    assert_int_equal(limits.rate_read, 7);
    assert_int_equal(limits.rate_write, 0);
    assert_int_equal(limits.rate_search_get, 100);
    assert_true(limits_set(&limits, SLICE("body-bytes=2M")));
    assert_int_equal(limits.body_bytes, 2 << 20);
    assert_false(limits_set(&limits, SLICE("body-bytes=none")));
    assert_false(limits_set(&limits, SLICE("connections=5000000000")));
    assert_false(limits_set(&limits, SLICE("json-depth=5")));
    assert_false(limits_preset(SLICE("Open"), &limits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rates_there_is_nothing_to_ask),
        cmocka_unit_test(a_full_bucket_gives_a_second_s_worth_then_refills),
        cmocka_unit_test(each_data_store_has_its_own_and_the_account_bounds_all),
        cmocka_unit_test(a_large_cost_is_admitted_once_and_paid_off),
        cmocka_unit_test(more_data_stores_than_are_remembered_take_no_more_memory),
        cmocka_unit_test(operations_have_a_bucket_each),
        cmocka_unit_test(only_names_and_numbers_of_the_table_are_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
