/* Transactions done later. */
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rest/world.h"

#define JSON "Content-Type: application/fhir+json\n"
#define LATER JSON "Prefer: respond-async"
#define TRANSACTION(entries)                                                                       \
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[" entries "]}"
#define POST_PATIENT                                                                               \
    "{\"fullUrl\":\"urn:uuid:a\",\"resource\":{\"resourceType\":\"Patient\",\"identifier\":["      \
    "{\"value\":\"1\"}]},\"request\":{\"method\":\"POST\",\"url\":\"Patient\"}}"
#define PUT_PATIENT(id)                                                                            \
    "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"" id "\"},"                              \
    "\"request\":{\"method\":\"PUT\",\"url\":\"Patient/" id "\"}}"
#define DELETE_PATIENT(id) "{\"request\":{\"method\":\"DELETE\",\"url\":\"Patient/" id "\"}}"

static void rest_a_little(void)
{
    nanosleep(&(struct timespec){ 0, 5 * 1000 * 1000 }, NULL);
}

static int setup(void **state)
{
    struct world *w = world_new(rest_behaviour_open());
    world_close(w);
    w->has_async = true;
    world_open(w);
    *state = w;
    return 0;
}

static size_t found(struct world *w, const char *query)
{
    struct answer a = expect_status(get(w, query), 200);
    return count_at(&a, "entry");
}

/* "Transaction/id" of a 202. */
static const char *state_path(struct world *w, const struct answer *a)
{
    const char *location = header(w, a, "Content-Location");
    assert_non_null(location);
    assert_int_equal(strncmp(location, BASE "/Transaction/", strlen(BASE "/Transaction/")), 0);
    return location + strlen(BASE "/");
}

static struct answer wait_for(struct world *w, const char *path)
{
    for (int i = 0; i < 2000; i++) {
        struct answer a = get(w, path);
        if (a.status != 202)
            return a;
        const char *state = text_at(w, &a, "issue.0.diagnostics");
        assert_true(!strcmp(state, "SUBMITTED") || !strcmp(state, "IN_PROGRESS"));
        rest_a_little();
    }
    fail_msg("the transaction does not end");
    return get(w, path);
}

static void a_transaction_is_taken_now_and_answered_later(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        ask(w, "POST", "", LATER, TRANSACTION(POST_PATIENT "," PUT_PATIENT("p1"))), 202);
    assert_at(w, &a, "resourceType", "OperationOutcome");
    assert_at(w, &a, "issue.0.severity", "information");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "Submitted Asynchronous Bundle");
    const char *path = state_path(w, &a);
    a = wait_for(w, path);
    assert_int_equal(a.status, 200);
    assert_at(w, &a, "type", "transaction-response");
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.1.response.location", "Patient/p1/_history/1");
    assert_int_equal(found(w, "Patient"), 2);
    expect_status(get(w, path), 200);
    world_close(w);
    world_open(w);
    a = expect_status(get(w, path), 200);
    assert_at(w, &a, "entry.1.response.status", "201");
}

static void what_fails_is_told_by_the_answer(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        ask(w, "POST", "", LATER,
            TRANSACTION(PUT_PATIENT("p1") ",{\"resource\":{\"resourceType\":\"Patient\",\"id\":"
                                          "\"p2\"},\"request\":{\"method\":\"PUT\",\"url\":"
                                          "\"Patient/p2\",\"ifMatch\":\"W/\\\"7\\\"\"}}")),
        202);
    a = wait_for(w, state_path(w, &a));
    assert_int_equal(a.status, 412);
    assert_at(w, &a, "resourceType", "OperationOutcome");
    assert_contains(text_at(w, &a, "issue.0.expression.0"), "Bundle.entry[1]");
    assert_int_equal(found(w, "Patient"), 0);
}

static void what_is_wrong_with_the_request_is_told_at_once(void **state)
{
    struct world *w = *state;
    static const char BATCH[] = "{\"resourceType\":\"Bundle\",\"type\":\"batch\"}";
    expect_status(ask(w, "POST", "", LATER, BATCH), 400);
    expect_status(ask(w, "POST", "", LATER, "{\"resourceType\":\"Bundle\""), 400);
    expect_status(ask(w, "POST", "", LATER, TRANSACTION("7")), 400);
    expect_status(get(w, "Transaction/0b5d0f4c-7a4e-4dda-821f-237c493268c2"), 404);
    expect_status(get(w, "Transaction/..%2F..%2Fx"), 404);
    expect_status(ask(w, "DELETE", "Transaction/0b5d0f4c-7a4e-4dda-821f-237c493268c2", NULL, NULL),
                  405);
}

static void transactions_are_done_in_the_order_in_which_they_came(void **state)
{
    struct world *w = *state;
    const char *path = NULL;
    for (int i = 0; i < 20; i++) {
        struct slice body = arena_printf(
            &w->arena,
            TRANSACTION("{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p1\",\"birthDate\":"
                        "\"19%02d\"},\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p1\"}}"),
            10 + i);
        struct answer a = expect_status(ask_bytes(w, "POST", "", LATER, body), 202);
        path = state_path(w, &a);
    }
    struct answer a = wait_for(w, path);
    assert_at(w, &a, "entry.0.response.etag", "W/\"20\"");
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "birthDate", "1929");
}

static void what_was_not_begun_is_done_by_the_next_run(void **state)
{
    struct world *w = *state;
    static const char NAME[] = "0000000000000001-0b5d0f4c-7a4e-4dda-821f-237c493268c2";
    world_close(w);
    struct slice path = arena_printf(&w->arena, "%s/%s.request", w->async_folder, NAME);
    struct slice content = SLICE("0 3 " BASE "\n" TRANSACTION(PUT_PATIENT("p1")));
    assert_int_equal(os_file_replace(path.bytes, content, 0600), ERR_NONE);
    world_open(w);
    struct answer a = wait_for(w, "Transaction/0b5d0f4c-7a4e-4dda-821f-237c493268c2");
    assert_int_equal(a.status, 200);
    assert_false(os_file_exists(path.bytes));
    expect_status(get(w, "Patient/p1"), 200);
}

/* The answer cannot be written: the commit is there, and nothing that says so but
 * its mark. The next run must not write again, and must answer the same. */
static void what_was_committed_without_an_answer_is_not_done_again(void **state)
{
    struct world *w = *state;
    static const char ID[] = "0b5d0f4c-7a4e-4dda-821f-237c493268c2";
    expect_status(put(w, "Patient/p2", "{\"resourceType\":\"Patient\",\"id\":\"p2\"}"), 201);
    expect_status(put(w, "Patient/p3", "{\"resourceType\":\"Patient\",\"id\":\"p3\"}"), 201);
    expect_status(put(w, "Patient/p5",
                      "{\"resourceType\":\"Patient\",\"id\":\"p5\",\"identifier\":[{\"value\":"
                      "\"five\"}]}"),
                  201);
    expect_status(ask(w, "DELETE", "Patient/p3", NULL, NULL), 204);
    world_close(w);
    struct slice path =
        arena_printf(&w->arena, "%s/0000000000000001-%s.request", w->async_folder, ID);
    struct slice block = arena_printf(&w->arena, "%s/%s.answer.new", w->async_folder, ID);
    struct slice content =
        SLICE("0 3 " BASE
              "\n" TRANSACTION(POST_PATIENT "," PUT_PATIENT("p2") "," PUT_PATIENT(
                  "p3") "," PUT_PATIENT("p4") "," DELETE_PATIENT("none") ","
                        "{\"resource\":{\"resourceType\":\"Patient\"},\"request\":{\"method\":"
                        "\"POST\",\"url\":\"Patient\",\"ifNoneExist\":\"identifier=five\"}},"
                        "{\"request\":{\"method\":\"GET\",\"url\":\"Patient/p2\"}}"));
    assert_int_equal(os_file_replace(path.bytes, content, 0600), ERR_NONE);
    assert_int_equal(mkdir(block.bytes, 0700), 0);
    world_open(w);
    for (int i = 0; i < 1000 && get(w, "Patient/p4").status != 200; i++)
        rest_a_little();
    expect_status(get(w, "Patient/p4"), 200);
    world_close(w);
    assert_true(os_file_exists(path.bytes));
    assert_int_equal(rmdir(block.bytes), 0);
    world_open(w);
    expect_status(put(w, "Patient/p4",
                      "{\"resourceType\":\"Patient\",\"id\":\"p4\",\"active\":true}"),
                  200);
    struct answer a = wait_for(w, arena_printf(&w->arena, "Transaction/%s", ID).bytes);
    assert_int_equal(a.status, 200);
    static const char *const STATUSES[] = { "201", "200", "201", "201", "204", "200", "200" };
    for (size_t i = 0; i < ARRAY_COUNT(STATUSES); i++)
        assert_at(w, &a, arena_printf(&w->arena, "entry.%zu.response.status", i).bytes,
                  STATUSES[i]);
    assert_at(w, &a, "entry.1.response.etag", "W/\"1\"");
    assert_at(w, &a, "entry.2.response.etag", "W/\"3\"");
    assert_at(w, &a, "entry.3.response.etag", "W/\"1\"");
    assert_at(w, &a, "entry.5.response.location", "Patient/p5/_history/1");
    assert_at(w, &a, "entry.6.resource.id", "p2");
    assert_int_equal(found(w, "Patient?identifier=1"), 1);
    assert_int_equal(found(w, "Patient"), 5);
    assert_false(os_file_exists(path.bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_transaction_is_taken_now_and_answered_later, setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(what_fails_is_told_by_the_answer, setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_with_the_request_is_told_at_once, setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(transactions_are_done_in_the_order_in_which_they_came,
                                        setup, world_teardown),
        cmocka_unit_test_setup_teardown(what_was_not_begun_is_done_by_the_next_run, setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(what_was_committed_without_an_answer_is_not_done_again,
                                        setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
