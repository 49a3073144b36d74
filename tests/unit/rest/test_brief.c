/* Searches on the loop thread: only what is brief is answered there, the rest asks for
 * another thread before it costs anything. */
#include "rest/brief.h"
#include "rest/finding.h"

static struct answer get_on_loop(struct world *w, const char *target)
{
    struct answer a = { 0 };
    struct json_error where;
    request_fill(w, &a.request, "GET", target, NULL, SLICE_NONE);
    a.request.is_on_loop = true;
    rest_handle(w->rest, &a.request, slice_from(a.request.path, strlen("/datastore/ds1/r4/")),
                &a.response);
    a.status = a.response.status;
    answer_drain(w, &a);
    assert_true(a.request.wants_pool || a.status);
    if (a.body.length && json_parse(a.body, NULL, &w->arena, &a.doc, &where))
        fail_msg("answer is no JSON: %.*s", SLICE_ARGS(slice_head(a.body, 2000)));
    return a;
}

static void assert_here(struct world *w, const char *target, bool is_here)
{
    struct answer here = get_on_loop(w, target), other = get(w, target);
    if (here.request.wants_pool != !is_here)
        fail_msg("%s: wants_pool is %d", target, here.request.wants_pool);
    if (is_here) {
        assert_int_equal(here.status, other.status);
        assert_true(slice_equal(here.body, other.body));
    }
}

static void many_store(struct world *w, int count)
{
    char id[16], rest[96];
    for (int i = 0; i < count; i++) {
        snprintf(id, sizeof id, "p%03d", i);
        snprintf(rest, sizeof rest, "\"gender\":\"%s\",\"birthDate\":\"19%02d-01-01\"",
                 i % 2 ? "male" : "female", i % 100);
        store(w, "Patient", id, rest);
    }
}

static void what_is_brief_is_answered_on_the_loop_as_elsewhere(void **state)
{
    struct world *w = *state;
    many_store(w, 60);
    assert_here(w, "Patient?_id=p007", true);
    assert_here(w, "Patient?gender=male&_count=10", true);
    assert_here(w, "Patient?gender=male,female&_id=p001", true);
    assert_here(w, "Patient?_id=nobody", true);
    assert_here(w, "Patient?gender=&_count=5", true);
    assert_here(w, "Patient?nonsense=x", true); /* refusals are brief */
}

static void what_is_not_brief_asks_for_another_thread(void **state)
{
    struct world *w = *state;
    many_store(w, 60);
    assert_here(w, "Patient?gender=male", false); /* 30 resources */
    assert_here(w, "Patient?birthdate=gt1950", false);
    assert_here(w, "Patient?gender=male&_sort=birthdate&_count=5", false);
    assert_here(w, "Patient?gender=male&_total=accurate&_count=5", false);
    assert_here(w, "Patient?gender=male&_summary=count", false);
    assert_here(w, "Patient?gender:not=male&_count=5", false);
    assert_here(w, "Patient?general-practitioner.name=x", false);
    assert_here(w, "Patient?_id=p007&_revinclude=Observation:patient", false);
}

static void paths_and_names_tell_what_may_be_brief(void **state)
{
    (void)state;
    assert_true(rest_search_may_be_brief(SLICE("Patient"), SLICE("name=x&_count=10")));
    assert_true(rest_search_may_be_brief(SLICE("Patient"), SLICE("general-practitioner=x")));
    assert_false(rest_search_may_be_brief(SLICE("Patient"), SLICE("")));
    assert_false(rest_search_may_be_brief(SLICE("Patient/1"), SLICE("name=x")));
    assert_false(rest_search_may_be_brief(SLICE("Patient/1/Observation"), SLICE("code=x")));
    assert_false(rest_search_may_be_brief(SLICE(""), SLICE("_type=Patient")));
    assert_false(rest_search_may_be_brief(SLICE("Patient"), SLICE("name:exact=x")));
    assert_false(rest_search_may_be_brief(SLICE("Patient"), SLICE("name%3Aexact=x")));
    assert_false(rest_search_may_be_brief(SLICE("Patient"), SLICE("organization.name=x")));
    assert_false(
        rest_search_may_be_brief(SLICE("Patient"), SLICE("_has:Observation:patient:code=x")));
    assert_false(rest_search_may_be_brief(SLICE("Patient"), SLICE("a=1&_sort=name")));
    assert_false(rest_search_may_be_brief(SLICE("Patient"),
                                          SLICE("a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1&a=1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_brief_is_answered_on_the_loop_as_elsewhere,
                                        world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_brief_asks_for_another_thread, world_setup,
                                        world_teardown),
        cmocka_unit_test(paths_and_names_tell_what_may_be_brief),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
