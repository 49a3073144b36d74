/* The small parts: delays, URLs, the file of consents, spools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sync/sync.h"
#include "base/url.h"
#include "sync/wait.h"
#include "support.h"

static void delays_come_as_seconds_fractions_and_dates(void **state)
{
    (void)state;
    int64_t now = 1000000 * SECOND_US; /* Mon, 12 Jan 1970 13:46:40 GMT */
    assert_int_equal(wait_parse_us(SLICE("3"), now), 3 * SECOND_US);
    assert_int_equal(wait_parse_us(SLICE(" 0 "), now), 0);
    assert_int_equal(wait_parse_us(SLICE("1.5"), now), 3 * SECOND_US / 2);
    assert_int_equal(wait_parse_us(SLICE("Mon, 12 Jan 1970 13:46:45 GMT"), now), 5 * SECOND_US);
    assert_int_equal(wait_parse_us(SLICE("Mon, 12 Jan 1970 13:46:30 GMT"), now), 0);
    assert_int_equal(wait_parse_us(SLICE("-1"), now), -1);
    assert_int_equal(wait_parse_us(SLICE("soon"), now), -1);
    assert_int_equal(wait_parse_us(SLICE(""), now), -1);
    assert_int_equal(wait_parse_us(SLICE("1.x"), now), -1);
    assert_true(wait_parse_us(SLICE("999999999999"), now) > 0);
    assert_int_equal(wait_parse_us(SLICE("99999999999999999999999"), now), -1);
}

static void note_sleep(void *context, int64_t duration_us)
{
    *(int64_t *)context += duration_us;
}

static void waiting_is_bounded_by_time_and_failing_by_tries(void **state)
{
    (void)state;
    struct patience p;
    int64_t slept = 0;
    patience_init(&p, 3, 10 * SECOND_US);
    p.sleep = note_sleep;
    p.sleep_context = &slept;
    assert_true(patience_wait(&p, 0)); /* "0" is no busy loop */
    assert_int_equal(slept, WAIT_LEAST_US);
    assert_true(patience_wait(&p, 100000 * SECOND_US));
    assert_int_equal(slept, WAIT_LEAST_US + WAIT_MOST_US);
    assert_false(patience_wait(&p, 1));
    assert_true(patience_retry(&p, -1));
    assert_true(patience_retry(&p, -1));
    assert_false(patience_retry(&p, -1));
}

static void unnamed_delays_double_with_some_chance_in_them(void **state)
{
    (void)state;
    struct patience p;
    patience_init(&p, 3, SECOND_US);
    for (int64_t base = SECOND_US; base <= 16 * SECOND_US; base *= 2) {
        int64_t delay = patience_delay_us(&p, -1);
        assert_true(delay >= base / 2 && delay < base * 3 / 2);
    }
}

static void urls_are_taken_apart_and_bad_ones_refused(void **state)
{
    (void)state;
    struct url u, v;
    assert_true(url_parse(SLICE("https://host:443/a/b?c=d#e"), &u));
    assert_slice(u.path, "/a/b");
    assert_slice(u.query, "c=d");
    assert_slice(url_host(&u), "host");
    assert_true(url_parse(SLICE("HTTPS://HOST/x"), &v));
    assert_true(url_same_origin(&u, &v));
    assert_true(url_parse(SLICE("http://host:443/"), &v));
    assert_false(url_same_origin(&u, &v));
    assert_slice(url_host(&v), "host:443");
    assert_true(url_parse(SLICE("http://[::1]:8080"), &v));
    assert_slice(url_host_name(&v), "[::1]");
    assert_false(url_parse(SLICE("ftp://host/"), &u));
    assert_false(url_parse(SLICE("http://user:secret@host/"), &u));
    assert_false(url_parse(SLICE("http:///x"), &u));
    assert_false(url_parse(SLICE("http://host/\r\nX: y"), &u));
    assert_false(url_parse(SLICE("host/path"), &u));
}

static void links_resolve_against_the_page_they_stand_on(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 16);
    struct slice base = SLICE("http://h:1/fhir/Patient/1/$everything?x=1");
    assert_slice(url_resolve(base, SLICE("https://o/p"), &a), "https://o/p");
    assert_slice(url_resolve(base, SLICE("/fhir/next?p=2"), &a), "http://h:1/fhir/next?p=2");
    assert_slice(url_resolve(base, SLICE("?p=2"), &a), "http://h:1/fhir/Patient/1/$everything?p=2");
    assert_slice(url_resolve(base, SLICE("next"), &a), "http://h:1/fhir/Patient/1/next");
    assert_slice(url_resolve(SLICE("http://h"), SLICE("next"), &a), "http://h/next");
    arena_release(&a);
}

static void expect_refused(const char *text, const char *why)
{
    struct arena a;
    struct sync_consent *consents;
    size_t count;
    struct slice error = SLICE_NONE;
    arena_init(&a, 1 << 16);
    assert_int_equal(sync_consents_parse(slice_cstr(text), &a, &consents, &count, &error),
                     ERR_SYNTAX);
    assert_slice(error, why);
    arena_release(&a);
}

static void consents_are_lines_and_errors_name_the_line_but_not_the_token(void **state)
{
    (void)state;
    struct arena a;
    struct sync_consent *consents;
    size_t count;
    struct slice error;
    arena_init(&a, 1 << 16);
    assert_int_equal(sync_consents_parse(SLICE("# user, consent, token\r\n\n u1 , c1,t1\r\nu2,,t2"),
                                         &a, &consents, &count, &error),
                     ERR_NONE);
    assert_int_equal(count, 2);
    assert_slice(consents[0].user, "u1");
    assert_slice(consents[0].consent, "c1");
    assert_slice(consents[0].token, "t1");
    assert_slice(consents[1].consent, "");
    arena_release(&a);
    expect_refused("u,c,t\nsecret", "line 2 has no comma; it should read `user, consent, token`");
    expect_refused("u,secret", "line 1 has two fields; it should read `user, consent, token`");
    expect_refused("u,c,", "line 1 has no token");
    expect_refused("u,c,t,x", "line 1 has more than three fields");
    expect_refused("u,c,t\x01", "line 1 has control characters in it");
}

static void a_spool_has_a_ceiling_and_never_reads_what_is_not_there(void **state)
{
    (void)state;
    struct spool s;
    char piece[8];
    spool_init(&s, 10);
    assert_int_equal(spool_open(&s), ERR_NONE);
    assert_int_equal(spool_append(&s, SLICE("12345678")), ERR_NONE);
    assert_int_equal(spool_append(&s, SLICE("9ab")), ERR_LIMIT);
    assert_int_equal(spool_append(&s, SLICE("9a")), ERR_NONE);
    assert_int_equal(spool_flush(&s), ERR_NONE);
    assert_int_equal(spool_read(&s, 2, piece, 8), ERR_NONE);
    assert_memory_equal(piece, "3456789a", 8);
    assert_int_equal(spool_read(&s, 3, piece, 8), ERR_IO);
    assert_int_equal(spool_clear(&s), ERR_NONE);
    assert_int_equal(s.bytes, 0);
    assert_int_equal(spool_read(&s, 0, piece, 1), ERR_IO);
    spool_close(&s);
    spool_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_come_as_seconds_fractions_and_dates),
        cmocka_unit_test(waiting_is_bounded_by_time_and_failing_by_tries),
        cmocka_unit_test(unnamed_delays_double_with_some_chance_in_them),
        cmocka_unit_test(a_spool_has_a_ceiling_and_never_reads_what_is_not_there),
        cmocka_unit_test(urls_are_taken_apart_and_bad_ones_refused),
        cmocka_unit_test(links_resolve_against_the_page_they_stand_on),
        cmocka_unit_test(consents_are_lines_and_errors_name_the_line_but_not_the_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
