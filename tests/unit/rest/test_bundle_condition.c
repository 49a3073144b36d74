/* Criteria in transactions: conditional entries and references. */
#include "os/thread.h"
#include "rest/world.h"

#define TRANSACTION(entries)                                                                       \
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[" entries "]}"
#define IDENTIFIER(value) ",\"identifier\":[{\"system\":\"urn:s\",\"value\":\"" value "\"}]"
#define PATIENT(members) "{\"resourceType\":\"Patient\"" members "}"
#define CREATE(full_url, criteria, members)                                                        \
    "{\"fullUrl\":\"" full_url "\",\"resource\":" PATIENT(members)                                 \
    ",\"request\":{\"method\":\"POST\",\"url\":\"Patient\",\"ifNoneExist\":\"" criteria "\"}}"
#define POST(full_url, resource, type)                                                             \
    "{\"fullUrl\":\"" full_url "\",\"resource\":" resource                                         \
    ",\"request\":{\"method\":\"POST\",\"url\":\"" type "\"}}"
#define UPDATE(criteria, members)                                                                  \
    "{\"resource\":" PATIENT(members) ",\"request\":{\"method\":\"PUT\",\"url\":\"Patient?"        \
    criteria "\"}}"
#define DELETE(url) "{\"request\":{\"method\":\"DELETE\",\"url\":\"" url "\"}}"
#define OBSERVATION(id, subject)                                                                   \
    "{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"" id "\",\"status\":\"final\","      \
    "\"code\":{\"text\":\"x\"},\"subject\":{\"reference\":\"" subject "\"}},"                      \
    "\"request\":{\"method\":\"PUT\",\"url\":\"Observation/" id "\"}}"

static size_t found(struct world *w, const char *query)
{
    struct answer a = expect_status(get(w, query), 200);
    return count_at(&a, "entry");
}

static const char *subject_of(struct world *w, const char *observation)
{
    struct answer a =
        expect_status(get(w, arena_printf(&w->arena, "Observation/%s", observation).bytes), 200);
    return text_at(w, &a, "subject.reference");
}

static void if_none_exist_creates_or_takes_what_is_there_and_references_follow(void **state)
{
    struct world *w = *state;
    static const char BODY[] = TRANSACTION(
        CREATE("urn:uuid:a", "identifier=urn:s|1", IDENTIFIER("1")) "," OBSERVATION("o1",
                                                                                    "urn:uuid:a"));
    struct answer a = expect_status(post(w, "", BODY), 200);
    assert_at(w, &a, "entry.0.response.status", "201");
    const char *location = text_at(w, &a, "entry.0.response.location");
    const char *first = subject_of(w, "o1");
    assert_int_equal(strncmp(location, first, strlen(first)), 0);
    a = expect_status(post(w, "", BODY), 200);
    assert_at(w, &a, "entry.0.response.status", "200");
    assert_at(w, &a, "entry.0.response.location", location);
    assert_at(w, &a, "entry.0.response.etag", "W/\"1\"");
    assert_string_equal(subject_of(w, "o1"), first);
    assert_int_equal(found(w, "Patient"), 1);
    expect_status(post(w, "Patient", PATIENT(IDENTIFIER("1"))), 201);
    a = expect_status(post(w, "", BODY), 412);
    assert_contains(text_at(w, &a, "issue.0.expression.0"), "Bundle.entry[0]");
    assert_int_equal(found(w, "Patient"), 2);
}

static void equal_creates_of_one_transaction_make_one_resource(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             TRANSACTION(CREATE("urn:uuid:a", "identifier=urn:s|1", IDENTIFIER("1")) "," CREATE(
                 "urn:uuid:b", "Patient?identifier=1",
                 IDENTIFIER("1") ",\"active\":true") "," OBSERVATION("o1",
                                                                     "urn:uuid:b"))),
        200);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.1.response.status", "200");
    assert_at(w, &a, "entry.1.response.location", text_at(w, &a, "entry.0.response.location"));
    assert_int_equal(found(w, "Patient"), 1);
    const char *subject = subject_of(w, "o1");
    assert_int_equal(strncmp(text_at(w, &a, "entry.0.response.location"), subject, strlen(subject)),
                     0);
    /* A plain create before it counts too, one behind it does not. */
    a = expect_status(
        post(w, "",
             TRANSACTION(POST("urn:uuid:a", PATIENT(IDENTIFIER("2")), "Patient") "," CREATE(
                 "urn:uuid:b", "identifier=2",
                 IDENTIFIER("2")) "," CREATE("urn:uuid:c", "identifier=3", IDENTIFIER("3")) ","
                         POST("urn:uuid:d", PATIENT(IDENTIFIER("3")), "Patient"))),
        200);
    assert_int_equal(found(w, "Patient?identifier=2"), 1);
    assert_int_equal(found(w, "Patient?identifier=3"), 2);
}

static void a_deletion_of_the_transaction_comes_before_its_creates(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", PATIENT(",\"id\":\"p1\"" IDENTIFIER("1"))), 201);
    struct answer a = expect_status(
        post(w, "",
             TRANSACTION(CREATE("urn:uuid:a", "identifier=1", IDENTIFIER("1")) "," DELETE(
                 "Patient/p1"))),
        200);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.1.response.status", "204");
    assert_int_equal(found(w, "Patient?identifier=1"), 1);
    a = expect_status(post(w, "",
                           TRANSACTION(CREATE("urn:uuid:a", "identifier=1", IDENTIFIER("1")) ","
                                       DELETE("Patient?identifier=1"))),
                      200);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_int_equal(found(w, "Patient?identifier=1"), 1);
}

static void updates_by_criteria_create_or_change_the_one_match(void **state)
{
    struct world *w = *state;
    static const char BODY[] = TRANSACTION(UPDATE("identifier=1", IDENTIFIER("1")));
    struct answer a = expect_status(post(w, "", BODY), 200);
    assert_at(w, &a, "entry.0.response.status", "201");
    a = expect_status(
        post(w, "", TRANSACTION(UPDATE("identifier=1", IDENTIFIER("1") ",\"active\":true"))), 200);
    assert_at(w, &a, "entry.0.response.status", "200");
    assert_at(w, &a, "entry.0.response.etag", "W/\"2\"");
    assert_int_equal(found(w, "Patient"), 1);
    expect_status(
        post(w, "", TRANSACTION(UPDATE("identifier=1", IDENTIFIER("1") ",\"id\":\"other\""))), 400);
    expect_status(post(w, "",
                       TRANSACTION(UPDATE("identifier=1", IDENTIFIER("1")) "," UPDATE(
                           "identifier=urn:s|1", IDENTIFIER("1")))),
                  400);
    expect_status(post(w, "",
                       TRANSACTION(UPDATE("identifier=2", IDENTIFIER("2")) "," UPDATE(
                           "identifier=urn:s|2", IDENTIFIER("2")))),
                  412);
    expect_status(post(w, "",
                       TRANSACTION(POST("urn:uuid:a", PATIENT(IDENTIFIER("3")), "Patient") ","
                                   UPDATE("identifier=3", IDENTIFIER("3")))),
                  412);
    assert_int_equal(found(w, "Patient"), 1);
}

static void deletions_and_patches_by_criteria_want_one_match(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", PATIENT(",\"id\":\"p1\"" IDENTIFIER("1"))), 201);
    struct answer a = expect_status(
        post(w, "",
             TRANSACTION("{\"resource\":{\"resourceType\":\"Binary\",\"contentType\":"
                         "\"application/merge-patch+json\",\"data\":\"eyJhY3RpdmUiOnRydWV9\"},"
                         "\"request\":{\"method\":\"PATCH\",\"url\":\"Patient?identifier=1\"}}")),
        200);
    assert_at(w, &a, "entry.0.response.etag", "W/\"2\"");
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "active", "true");
    expect_status(post(w, "", TRANSACTION(DELETE("Patient?identifier=none"))), 404);
    a = expect_status(post(w, "", TRANSACTION(DELETE("Patient?identifier=1"))), 200);
    assert_at(w, &a, "entry.0.response.status", "204");
    expect_status(get(w, "Patient/p1"), 410);
    a = expect_status(
        post(w, "", TRANSACTION(DELETE("Patient?_id=p1&_lastUpdated=gt2000"))), 200);
    assert_at(w, &a, "entry.0.response.status", "204");
}

static void a_reference_by_criteria_becomes_the_one_match(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", PATIENT(",\"id\":\"p1\"" IDENTIFIER("1"))), 201);
    expect_status(
        post(w, "", TRANSACTION(OBSERVATION("o1", "Patient?identifier=urn:s|1"))), 200);
    assert_string_equal(subject_of(w, "o1"), "Patient/p1");
    assert_int_equal(found(w, "Observation?subject=Patient/p1"), 1);
    struct answer a =
        expect_status(post(w, "", TRANSACTION(OBSERVATION("o2", "Patient?identifier=no"))), 412);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "matches nothing");
    expect_status(put(w, "Patient/p2", PATIENT(",\"id\":\"p2\"" IDENTIFIER("1"))), 201);
    a = expect_status(post(w, "", TRANSACTION(OBSERVATION("o2", "Patient?identifier=1"))), 412);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "several");
    a = expect_status(post(w, "", TRANSACTION(OBSERVATION("o3", "Patient/p1") "," OBSERVATION(
                                      "o2", "Patient?nonsense=1"))),
                      400);
    assert_at(w, &a, "issue.0.expression.0", "Bundle.entry[1]");
    expect_status(get(w, "Observation/o3"), 404);
    expect_status(get(w, "Observation/o2"), 404);
}

static void a_reference_by_criteria_sees_what_the_transaction_writes(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             TRANSACTION(OBSERVATION("o1", "Patient?identifier=7") ","
                         POST("urn:uuid:a", PATIENT(IDENTIFIER("7")), "Patient"))),
        200);
    const char *subject = subject_of(w, "o1");
    assert_int_equal(strncmp(text_at(w, &a, "entry.1.response.location"), subject, strlen(subject)),
                     0);
    assert_int_equal(found(w, "Observation?subject:Patient.identifier=7"), 1);
    /* What it takes away, by deletion or change, is not seen. */
    expect_status(put(w, "Patient/p8", PATIENT(",\"id\":\"p8\"" IDENTIFIER("8"))), 201);
    expect_status(post(w, "",
                       TRANSACTION(OBSERVATION("o2", "Patient?identifier=8") "," DELETE(
                           "Patient/p8"))),
                  412);
    expect_status(post(w, "",
                       TRANSACTION(OBSERVATION("o2", "Patient?identifier=8")
                                   ",{\"resource\":" PATIENT(",\"id\":\"p8\"")
                                   ",\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p8\"}}")),
                  412);
    expect_status(post(w, "",
                       TRANSACTION(OBSERVATION("o2", "Patient?identifier=8")
                                   ",{\"resource\":" PATIENT(
                                       ",\"id\":\"p8\",\"active\":true" IDENTIFIER("8"))
                                   ",\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p8\"}}")),
                  200);
    assert_string_equal(subject_of(w, "o2"), "Patient/p8");
}

static void a_reference_by_criteria_may_name_our_base_and_must_name_a_type(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", PATIENT(",\"id\":\"p1\"" IDENTIFIER("1"))), 201);
    expect_status(
        post(w, "", TRANSACTION(OBSERVATION("o1", BASE "/Patient?identifier=urn:s|1"))), 200);
    assert_string_equal(subject_of(w, "o1"), "Patient/p1");
    expect_status(post(w, "", TRANSACTION(OBSERVATION("o2", "Foo?identifier=1"))), 400);
    expect_status(get(w, "Observation/o2"), 404);
    /* Beside the entries it is nobody's reference. */
    expect_status(post(w, "",
                       "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"x\":[{\"resource\":"
                       "{\"reference\":\"Patient?identifier=1\"}}]}"),
                  200);
    expect_status(post(w, "", TRANSACTION(OBSERVATION("o3", "http://other/Patient?x=1"))), 200);
    assert_string_equal(subject_of(w, "o3"), "http://other/Patient?x=1");
    expect_status(post(w, "",
                       TRANSACTION("{\"resource\":" PATIENT("") ",\"request\":{\"method\":"
                                   "\"POST\",\"url\":\"Patient\",\"ifMatch\":\"W/\\\"1\\\"\"}}")),
                  400);
}

static void a_failing_entry_leaves_the_conditional_ones_unwritten(void **state)
{
    struct world *w = *state;
    expect_status(
        post(w, "",
             TRANSACTION(CREATE("urn:uuid:a", "identifier=1", IDENTIFIER("1"))
                         ",{\"resource\":" PATIENT(",\"id\":\"p9\"")
                         ",\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p9\",\"ifMatch\":"
                         "\"W/\\\"3\\\"\"}}")),
        412);
    assert_int_equal(found(w, "Patient"), 0);
}

static bool permits_writes(void *context, const char *action, struct slice *ret_text)
{
    (void)context;
    *ret_text = SLICE("not you");
    return slice_find(slice_cstr(action), SLICE("Search")) < 0;
}

/* Whether somebody is there at all is what a search tells. */
static void criteria_take_the_right_to_search(void **state)
{
    struct world *w = *state;
    static const char *const BODIES[] = {
        TRANSACTION(OBSERVATION("o1", "Patient?identifier=1")),
        TRANSACTION(CREATE("urn:uuid:a", "identifier=1", IDENTIFIER("1"))),
        TRANSACTION(UPDATE("identifier=1", IDENTIFIER("1"))),
        TRANSACTION(DELETE("Patient?identifier=1")),
    };
    struct rest_gate gate = { .permits = permits_writes };
    for (size_t i = 0; i < ARRAY_COUNT(BODIES); i++) {
        struct http_header headers[] = { { SLICE("Host"), SLICE("h") },
                                         { SLICE("Content-Type"),
                                           SLICE("application/fhir+json") } };
        struct http_request r = { .method = SLICE("POST"),
                                  .path = SLICE("/datastore/ds1/r4/"),
                                  .body = slice_cstr(BODIES[i]),
                                  .headers = headers,
                                  .header_count = ARRAY_COUNT(headers),
                                  .arena = &w->arena };
        struct http_response response;
        rest_handle_gated(w->rest, &r, SLICE(""), &gate, &response);
        assert_int_equal(response.status, 403);
    }
    assert_int_equal(found(w, "Patient"), 0);
}

/* ---- races ---- */

enum { THREADS = 64, ROUNDS = 3 };

struct racer {
    struct world *w;
    int number;
    int wrong; /* the first status that may not be; 0: none */
};

static int send(struct racer *racer, struct arena *arena, const char *type,
                struct slice condition, struct slice body)
{
    struct http_header headers[] = {
        { SLICE("Host"), SLICE("h") },
        { SLICE("Content-Type"), SLICE("application/fhir+json") },
        { SLICE("If-None-Exist"), condition },
    };
    struct slice path = arena_printf(arena, "/datastore/ds1/r4/%s", type);
    struct http_request r = { .method = SLICE("POST"),
                              .path = path,
                              .body = body,
                              .headers = headers,
                              .header_count = condition.length ? 3 : 2,
                              .arena = arena };
    struct http_response response;
    rest_handle(racer->w->rest, &r, slice_from(path, strlen("/datastore/ds1/r4/")), &response);
    return response.status;
}

static struct slice create(struct arena *arena, const char *value, int round, bool is_worded_else)
{
    return arena_printf(
        arena, CREATE("urn:uuid:%s", "%s%s%d", ",\"identifier\":[{\"system\":\"urn:s\",\"value\":"
                                               "\"%s%d\"}]"),
        value, value, round, is_worded_else ? "identifier=" : "identifier=urn:s|", value, round);
}

/* Two conditions, in opposite order for every other client. */
static void round_run(struct racer *racer, struct arena *arena, int round)
{
    bool is_odd = racer->number & 1;
    struct slice a = create(arena, "a", round, racer->number & 2);
    struct slice b = create(arena, "b", round, racer->number & 4);
    struct slice body =
        arena_printf(arena,
                     "{\"resourceType\":\"Bundle\",\"type\":\"%s\",\"entry\":[%.*s,%.*s]}",
                     racer->number % 8 == 7 ? "batch" : "transaction", SLICE_ARGS(is_odd ? a : b),
                     SLICE_ARGS(is_odd ? b : a));
    int status =
        racer->number % 8 == 6
            ? send(racer, arena, "Patient", arena_printf(arena, "identifier=a%d", round),
                   arena_printf(arena, PATIENT(",\"identifier\":[{\"system\":\"urn:s\",\"value\":"
                                               "\"a%d\"}]"),
                                round))
            : send(racer, arena, "", SLICE_NONE, body);
    if (status != 200 && status != 201 && !racer->wrong)
        racer->wrong = status;
    status = send(racer, arena, "Patient", SLICE_NONE, slice_cstr(PATIENT(IDENTIFIER("plain"))));
    if (status != 201 && !racer->wrong)
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

static void transactions_with_conditions_in_opposite_order_create_each_once(void **state)
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
    for (int round = 0; round < ROUNDS; round++) {
        struct slice a = arena_printf(&w->arena, "Patient?identifier=a%d", round);
        struct slice b = arena_printf(&w->arena, "Patient?identifier=b%d", round);
        assert_int_equal(found(w, a.bytes), 1);
        assert_int_equal(found(w, b.bytes), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(if_none_exist_creates_or_takes_what_is_there_and_references_follow),
        WORLD_TEST(equal_creates_of_one_transaction_make_one_resource),
        WORLD_TEST(a_deletion_of_the_transaction_comes_before_its_creates),
        WORLD_TEST(updates_by_criteria_create_or_change_the_one_match),
        WORLD_TEST(deletions_and_patches_by_criteria_want_one_match),
        WORLD_TEST(a_reference_by_criteria_becomes_the_one_match),
        WORLD_TEST(a_reference_by_criteria_sees_what_the_transaction_writes),
        WORLD_TEST(a_reference_by_criteria_may_name_our_base_and_must_name_a_type),
        WORLD_TEST(a_failing_entry_leaves_the_conditional_ones_unwritten),
        WORLD_TEST(criteria_take_the_right_to_search),
        WORLD_TEST(transactions_with_conditions_in_opposite_order_create_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
