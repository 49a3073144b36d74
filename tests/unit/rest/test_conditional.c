#include "os/thread.h"
#include "rest/world.h"

#define JSON "Content-Type: application/fhir+json"
#define PATIENT(members) "{\"resourceType\":\"Patient\"" members "}"
#define IDENTIFIER(value) ",\"identifier\":[{\"system\":\"urn:s\",\"value\":\"" value "\"}]"

static size_t found(struct world *w, const char *query)
{
    struct answer a = expect_status(get(w, query), 200);
    return count_at(&a, "entry");
}

/* ---- create ---- */

static void if_none_exist_creates_once_then_answers_what_is_there(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(ask(w, "POST", "Patient", JSON "\nIf-None-Exist: identifier=urn:s|1",
                          PATIENT(IDENTIFIER("1"))),
                      201);
    assert_non_null(header(w, &a, "Location"));
    const char *id = text_at(w, &a, "id");
    a = expect_status(ask(w, "POST", "Patient", JSON "\nIf-None-Exist: Patient?identifier=1",
                          PATIENT(IDENTIFIER("1") ",\"active\":true")),
                      200);
    assert_at(w, &a, "id", id);
    assert_at(w, &a, "active", "");
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
    assert_int_equal(found(w, "Patient"), 1);
    expect_status(post(w, "Patient", PATIENT(IDENTIFIER("1"))), 201);
    expect_status(ask(w, "POST", "Patient", JSON "\nIf-None-Exist: identifier=1", PATIENT("")),
                  412);
    assert_int_equal(found(w, "Patient"), 2);
}

static void criteria_may_have_our_address_before_them(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", PATIENT(",\"id\":\"p1\"" IDENTIFIER("1"))), 201);
    struct answer a = expect_status(
        ask(w, "POST", "Patient", JSON "\nIf-None-Exist: " BASE "/Patient?identifier=1",
            PATIENT("")),
        200);
    assert_at(w, &a, "id", "p1");
    static const char *const OTHERS[] = { BASE "/Observation?identifier=1",
                                          BASE "?identifier=1x", BASE "Patient?identifier=1",
                                          "http://elsewhere.example/r4/Patient?identifier=1" };
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        struct slice headers = arena_printf(&w->arena, JSON "\nIf-None-Exist: %s", OTHERS[i]);
        expect_status(ask(w, "POST", "Patient", headers.bytes, PATIENT("")), 400);
    }
}

static void a_question_mark_in_a_value_does_not_cut_the_criteria(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", PATIENT(",\"id\":\"p1\"")), 201);
    /* Cut at the '?', the criteria would be _id=p1 and find the wrong one. */
    static const char ODD[] = JSON "\nIf-None-Exist: identifier=http://x?_id=p1";
    struct answer a = expect_status(
        ask(w, "POST", "Patient", ODD,
            PATIENT(",\"identifier\":[{\"system\":\"urn:s\",\"value\":\"http://x?_id=p1\"}]")),
        201);
    const char *id = text_at(w, &a, "id");
    a = expect_status(ask(w, "POST", "Patient", ODD, PATIENT("")), 200);
    assert_at(w, &a, "id", id);
    expect_status(ask(w, "POST", "Patient", JSON "\nIf-None-Exist: Observation?identifier=1",
                      PATIENT("")),
                  400);
}

static void a_header_on_two_lines_is_one_list_or_refused(void **state)
{
    struct world *w = *state;
    expect_status(ask(w, "POST", "Patient",
                      JSON "\nIf-None-Exist: identifier=1\nIf-None-Exist: identifier=2",
                      PATIENT("")),
                  400);
    assert_int_equal(found(w, "Patient"), 0);
    expect_status(put(w, "Patient/p1", PATIENT(",\"id\":\"p1\"")), 201);
    expect_status(
        ask(w, "GET", "Patient/p1", "If-None-Match: W/\"9\"\nIf-None-Match: W/\"1\"", NULL), 304);
    expect_status(ask(w, "PUT", "Patient/p1", JSON "\nIf-Match: W/\"9\"\nIf-Match: W/\"8\"",
                      PATIENT(",\"id\":\"p1\"")),
                  412);
    expect_status(ask(w, "PUT", "Patient/p1", JSON "\nIf-Match: W/\"9\"\nIf-Match: W/\"1\"",
                      PATIENT(",\"id\":\"p1\",\"active\":true")),
                  200);
}

static void criteria_that_say_nothing_are_a_400(void **state)
{
    struct world *w = *state;
    static const char *const CASES[] = { "",         "?",          "Patient?",
                                         "_count=1", "nonsense=1", "identifier=a&_sort=_id",
                                         "_asof=2026-01-01T00:00:00Z",
                                         "_explain=true", "_containedType=container",
                                         "_type=Patient" };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct slice headers = arena_printf(&w->arena, JSON "\nIf-None-Exist: %s", CASES[i]);
        expect_status(ask(w, "POST", "Patient", headers.bytes, PATIENT("")), 400);
    }
    expect_status(put(w, "Patient", PATIENT("")), 400);
    expect_status(ask(w, "DELETE", "Patient", NULL, NULL), 400);
    assert_int_equal(found(w, "Patient"), 0);
    expect_status(put(w, "Patient/p1", PATIENT(",\"id\":\"p1\"")), 201);
    static const char *const ALL[] = { "_asof=2100", "_explain=true", "_containedType=container" };
    for (size_t i = 0; i < ARRAY_COUNT(ALL); i++) {
        struct slice path = arena_printf(&w->arena, "Patient?%s", ALL[i]);
        expect_status(ask(w, "DELETE", path.bytes, NULL, NULL), 400);
        path = arena_printf(&w->arena, "Patient?_count=100&%s", ALL[i]);
        expect_status(ask(w, "DELETE", path.bytes, NULL, NULL), 400);
    }
    assert_int_equal(found(w, "Patient"), 1);
}

/* ---- update: HealthLake's table ---- */

static void conditional_update_follows_the_table(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(put(w, "Patient?identifier=1", PATIENT(IDENTIFIER("1"))), 201);
    const char *id = text_at(w, &a, "id");
    a = expect_status(get(w, arena_printf(&w->arena, "Patient/%s/_history", id).bytes), 200);
    assert_at(w, &a, "entry.0.request.method", "PUT");
    expect_status(put(w, "Patient?identifier=2", PATIENT(IDENTIFIER("2") ",\"id\":\"p2\"")), 201);
    expect_status(get(w, "Patient/p2"), 200);
    expect_status(put(w, "Patient?identifier=3", PATIENT(IDENTIFIER("3") ",\"id\":\"p2\"")), 409);
    a = expect_status(put(w, "Patient?identifier=1", PATIENT(IDENTIFIER("1") ",\"active\":true")),
                      200);
    assert_at(w, &a, "id", id);
    assert_string_equal(header(w, &a, "ETag"), "W/\"2\"");
    expect_status(put(w, "Patient?identifier=2", PATIENT(IDENTIFIER("2") ",\"id\":\"p2\"")), 200);
    expect_status(put(w, "Patient?identifier=2", PATIENT(IDENTIFIER("2") ",\"id\":\"p3\"")), 409);
    expect_status(
        ask(w, "PUT", "Patient?identifier=2", JSON "\nIf-Match: W/\"9\"", PATIENT(IDENTIFIER("2"))),
        412);
    expect_status(put(w, "Patient/p4", PATIENT(IDENTIFIER("2") ",\"id\":\"p4\"")), 201);
    expect_status(put(w, "Patient?identifier=2", PATIENT(IDENTIFIER("2"))), 412);
}

/* ---- delete, patch ---- */

static void conditional_delete_takes_the_one_match(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", PATIENT(IDENTIFIER("1") ",\"id\":\"p1\"")), 201);
    expect_status(put(w, "Patient/p2", PATIENT(IDENTIFIER("2") ",\"id\":\"p2\"")), 201);
    expect_status(put(w, "Patient/p3", PATIENT(IDENTIFIER("2") ",\"id\":\"p3\"")), 201);
    expect_status(ask(w, "DELETE", "Patient?identifier=0", NULL, NULL), 404);
    expect_status(ask(w, "DELETE", "Patient?identifier=2", NULL, NULL), 412);
    expect_status(ask(w, "DELETE", "Patient?identifier=1", "If-Match: W/\"2\"", NULL), 412);
    expect_status(ask(w, "DELETE", "Patient?identifier=1", "If-Match: W/\"1\"", NULL), 204);
    expect_status(get(w, "Patient/p1"), 410);
    expect_status(ask(w, "DELETE", "Patient?_id=p1&_tag=a", NULL, NULL), 204);
    expect_status(ask(w, "DELETE", "Patient?_id=none&_tag=a", NULL, NULL), 404);
    expect_status(ask(w, "DELETE", "Patient?_id=p2&_tag=a", NULL, NULL), 409);
}

static void delete_with_a_count_takes_so_many_and_says_how_to_go_on(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++)
        expect_status(post(w, "Patient", PATIENT(IDENTIFIER("1"))), 201);
    expect_status(ask(w, "DELETE", "Patient?identifier=1&_count=0", NULL, NULL), 400);
    expect_status(ask(w, "DELETE", "Patient?identifier=1&_count=101", NULL, NULL), 400);
    expect_status(ask(w, "DELETE", "Patient?identifier=1&_count=3", "If-Match: *", NULL), 400);
    struct answer a =
        expect_status(ask(w, "DELETE", "Patient?identifier=1&_count=3", NULL, NULL), 200);
    assert_at(w, &a, "type", "batch-response");
    assert_int_equal(count_at(&a, "entry"), 3);
    assert_at(w, &a, "entry.0.response.status", "204");
    a = expect_status(ask(w, "DELETE", link_of(w, &a, "next"), NULL, NULL), 200);
    assert_int_equal(count_at(&a, "entry"), 2);
    assert_null(link_of(w, &a, "next"));
    a = expect_status(ask(w, "DELETE", "Patient?identifier=1&_count=3", NULL, NULL), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
}

static void conditional_patch_changes_the_one_match(void **state)
{
    struct world *w = *state;
    const char *const PATCH = "[{\"op\":\"add\",\"path\":\"/active\",\"value\":true}]";
    const char *const MEDIA = "Content-Type: application/json-patch+json";
    expect_status(ask(w, "PATCH", "Patient?identifier=1", MEDIA, PATCH), 404);
    expect_status(put(w, "Patient/p1", PATIENT(IDENTIFIER("1") ",\"id\":\"p1\"")), 201);
    struct answer a = expect_status(ask(w, "PATCH", "Patient?identifier=1", MEDIA, PATCH), 200);
    assert_at(w, &a, "id", "p1");
    assert_at(w, &a, "active", "true");
    expect_status(post(w, "Patient", PATIENT(IDENTIFIER("1"))), 201);
    expect_status(ask(w, "PATCH", "Patient?identifier=1", MEDIA, PATCH), 412);
}

/* ---- batches ---- */

#define BATCH(type, entries)                                                                       \
    "{\"resourceType\":\"Bundle\",\"type\":\"" type "\",\"entry\":[" entries "]}"
#define CREATE_ENTRY(value)                                                                        \
    "{\"resource\":" PATIENT(                                                                      \
        IDENTIFIER(value)) ",\"request\":{\"method\":\"POST\","                                    \
                           "\"url\":\"Patient\",\"ifNoneExist\":\"identifier=urn:s|" value "\"}}"
#define UPDATE_ENTRY(value, more)                                                                  \
    "{\"resource\":" PATIENT(IDENTIFIER(value) more) ",\"request\":{\"method\":\"PUT\","           \
                                                     "\"url\":\"Patient?identifier=" value "\"}}"

static void a_batch_takes_conditional_writes_one_by_one(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             BATCH("batch",
                   CREATE_ENTRY("1") "," CREATE_ENTRY("1") "," UPDATE_ENTRY(
                       "1",
                       ",\"id\":\"other\"") "," UPDATE_ENTRY("2",
                                                             "") ","
                                                                 "{\"request\":{\"method\":"
                                                                 "\"DELETE\",\"url\":"
                                                                 "\"Patient?identifier=9\"}},"
                                                                 "{\"request\":{\"method\":\"GET\","
                                                                 "\"url\":\"Patient\"}}")),
        200);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.0.response.etag", "W/\"1\"");
    assert_contains(text_at(w, &a, "entry.0.response.location"), "/_history/1");
    assert_at(w, &a, "entry.1.response.status", "200");
    assert_at(w, &a, "entry.1.response.location", text_at(w, &a, "entry.0.response.location"));
    assert_at(w, &a, "entry.2.response.status", "400");
    assert_at(w, &a, "entry.3.response.status", "201");
    assert_at(w, &a, "entry.4.response.status", "404");
    assert_int_equal(count_at(&a, "entry.5.resource.entry"), 2);
}

/* ---- races ---- */

enum { THREADS = 64, ROUNDS = 3 };

struct racer {
    struct world *w;
    int number;
    int wrong; /* the first status that may not be; 0: none */
};

static int send(struct racer *racer, struct arena *arena, const char *method, const char *target,
                const char *condition, struct slice body)
{
    struct http_header headers[] = {
        { SLICE("Host"), SLICE("h") },
        { SLICE("Content-Type"), SLICE("application/fhir+json") },
        { SLICE("If-None-Exist"), slice_cstr(condition) },
    };
    struct slice path = arena_printf(arena, "/datastore/ds1/r4/%s", target);
    struct http_request r = { .method = slice_cstr(method),
                              .path = path,
                              .body = body,
                              .headers = headers,
                              .header_count = condition ? 3 : 2,
                              .arena = arena };
    struct http_response response;
    rest_handle(racer->w->rest, &r, slice_from(path, strlen("/datastore/ds1/r4/")), &response);
    return response.status;
}

static void round_run(struct racer *racer, struct arena *arena, int round)
{
    struct slice body = arena_printf(
        arena, PATIENT(",\"identifier\":[{\"system\":\"urn:s\",\"value\":\"r%d\"}]"), round);
    bool is_worded_else = racer->number & 1;
    struct slice condition =
        arena_printf(arena, is_worded_else ? "identifier=r%d" : "identifier=urn:s|r%d", round);
    struct slice plain =
        arena_printf(arena, PATIENT(",\"id\":\"q%d\"" IDENTIFIER("plain")), racer->number);
    struct slice batch =
        arena_printf(arena,
                     BATCH("batch", "{\"resource\":%.*s,\"request\":{\"method\":\"POST\",\"url\":"
                                    "\"Patient\",\"ifNoneExist\":\"%.*s\"}}"),
                     SLICE_ARGS(body), SLICE_ARGS(condition));
    int status = racer->number % 4 == 3
                     ? send(racer, arena, "POST", "", NULL, batch)
                     : send(racer, arena, "POST", "Patient", condition.bytes, body);
    if (status != 200 && status != 201 && !racer->wrong)
        racer->wrong = status;
    status = send(racer, arena, "PUT", arena_printf(arena, "Patient/q%d", racer->number).bytes,
                  NULL, plain);
    if (status != 200 && status != 201 && !racer->wrong)
        racer->wrong = status;
}

static void *race(void *context)
{
    struct racer *racer = context;
    for (int round = 0; round < ROUNDS; round++) {
        struct arena arena;
        arena_init(&arena, (size_t)64 << 20);
        round_run(racer, &arena, round);
        arena_release(&arena);
    }
    return NULL;
}

static void of_64_clients_that_create_if_none_exists_one_creates(void **state)
{
    struct world *w = *state;
    static struct racer racers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ w, i, 0 };
        assert_int_equal(thread_start(&threads[i], race, &racers[i]), ERR_NONE);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        assert_int_equal(racers[i].wrong, 0);
    }
    for (int round = 0; round < ROUNDS; round++)
        assert_int_equal(found(w, arena_printf(&w->arena, "Patient?identifier=r%d", round).bytes),
                         1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(if_none_exist_creates_once_then_answers_what_is_there),
        WORLD_TEST(criteria_that_say_nothing_are_a_400),
        WORLD_TEST(criteria_may_have_our_address_before_them),
        WORLD_TEST(a_question_mark_in_a_value_does_not_cut_the_criteria),
        WORLD_TEST(a_header_on_two_lines_is_one_list_or_refused),
        WORLD_TEST(conditional_update_follows_the_table),
        WORLD_TEST(conditional_delete_takes_the_one_match),
        WORLD_TEST(delete_with_a_count_takes_so_many_and_says_how_to_go_on),
        WORLD_TEST(conditional_patch_changes_the_one_match),
        WORLD_TEST(a_batch_takes_conditional_writes_one_by_one),
        WORLD_TEST(of_64_clients_that_create_if_none_exists_one_creates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
