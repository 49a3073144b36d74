#include "os/clock.h"
#include "os/thread.h"
#include "rest/world.h"

#define JSON "Content-Type: application/fhir+json\n"
#define KEY "x-amz-fhir-idempotency-key: "
#define UUID "0b5d0f4c-7a4e-4dda-821f-237c493268c2"
#define OTHER "0b5d0f4c-7a4e-4dda-821f-237c493268c3"
static const char BODY[] = "{\"resourceType\":\"Patient\",\"active\":true}";

static size_t found(struct world *w, const char *query)
{
    struct answer a = expect_status(get(w, query), 200);
    return count_at(&a, "entry");
}

static void a_key_creates_once_and_its_replay_is_a_409_with_the_location(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(ask(w, "POST", "Patient", JSON KEY UUID, BODY), 201);
    const char *id = text_at(w, &a, "id");
    a = expect_status(ask(w, "POST", "Patient", JSON KEY UUID, "{\"resourceType\":\"Patient\"}"),
                      409);
    assert_at(w, &a, "issue.0.code", "duplicate");
    assert_contains(header(w, &a, "Location"),
                    arena_printf(&w->arena, "/r4/Patient/%s/_history/1", id).bytes);
    expect_status(
        ask(w, "POST", "Patient", JSON KEY "0B5D0F4C-7A4E-4DDA-821F-237C493268C2", BODY), 409);
    expect_status(ask(w, "POST", "Patient", JSON KEY OTHER, BODY), 201);
    assert_int_equal(found(w, "Patient"), 2);
}

static void a_changed_or_deleted_resource_keeps_its_key_used(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(ask(w, "POST", "Patient", JSON KEY UUID, BODY), 201);
    struct slice path = arena_printf(&w->arena, "Patient/%s", text_at(w, &a, "id"));
    expect_status(ask(w, "DELETE", path.bytes, NULL, NULL), 204);
    expect_status(ask(w, "POST", "Patient", JSON KEY UUID, BODY), 409);
    assert_int_equal(found(w, "Patient"), 0);
}

static void after_a_day_a_key_is_good_again(void **state)
{
    struct world *w = *state;
    const int64_t hour = INT64_C(3600) * 1000 * 1000;
    expect_status(ask(w, "POST", "Patient", JSON KEY UUID, BODY), 201);
    os_clock_offset_us(23 * hour);
    expect_status(ask(w, "POST", "Patient", JSON KEY UUID, BODY), 409);
    os_clock_offset_us(25 * hour);
    expect_status(ask(w, "POST", "Patient", JSON KEY UUID, BODY), 201);
    expect_status(ask(w, "POST", "Patient", JSON KEY UUID, BODY), 409);
    os_clock_offset_us(0);
    assert_int_equal(found(w, "Patient"), 2);
}

static void what_is_no_uuid_or_no_create_is_a_400(void **state)
{
    struct world *w = *state;
    static const char *const CASES[] = { "", "a", UUID "0", "{" UUID "}" };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct slice headers = arena_printf(&w->arena, JSON KEY "%s", CASES[i]);
        expect_status(ask(w, "POST", "Patient", headers.bytes, BODY), 400);
    }
    expect_status(ask(w, "PUT", "Patient/p1", JSON KEY UUID,
                      "{\"resourceType\":\"Patient\",\"id\":\"p1\"}"),
                  400);
    expect_status(ask(w, "DELETE", "Patient/p1", KEY UUID, NULL), 400);
    expect_status(ask(w, "POST", "", JSON KEY UUID,
                      "{\"resourceType\":\"Bundle\",\"type\":\"batch\"}"),
                  400);
    assert_int_equal(found(w, "Patient"), 0);
}

static void with_criteria_the_key_holds_for_the_create_alone(void **state)
{
    struct world *w = *state;
    static const char NAMED[] =
        "{\"resourceType\":\"Patient\",\"identifier\":[{\"value\":\"1\"}]}";
    static const char HEADERS[] = JSON KEY UUID "\nIf-None-Exist: identifier=1";
    expect_status(ask(w, "POST", "Patient", HEADERS, NAMED), 201);
    expect_status(ask(w, "POST", "Patient", HEADERS, NAMED), 409);
    expect_status(ask(w, "POST", "Patient", JSON KEY OTHER "\nIf-None-Exist: identifier=1", NAMED),
                  200);
    assert_int_equal(found(w, "Patient"), 1);
}

/* ---- many at once ---- */

enum { THREADS = 16 };

struct racer {
    struct world *w;
    int status;
};

static void *race(void *context)
{
    struct racer *racer = context;
    struct arena arena;
    struct http_response response;
    arena_init(&arena, (size_t)64 << 20);
    struct http_header headers[] = {
        { SLICE("Host"), SLICE("h") },
        { SLICE("Content-Type"), SLICE("application/fhir+json") },
        { SLICE("x-amz-fhir-idempotency-key"), SLICE(UUID) },
    };
    struct http_request r = { .method = SLICE("POST"),
                              .path = SLICE("/datastore/ds1/r4/Patient"),
                              .body = slice_cstr(BODY),
                              .headers = headers,
                              .header_count = ARRAY_COUNT(headers),
                              .arena = &arena };
    rest_handle(racer->w->rest, &r, SLICE("Patient"), &response);
    racer->status = response.status;
    arena_release(&arena);
    return NULL;
}

static void of_many_with_one_key_one_creates(void **state)
{
    struct world *w = *state;
    static struct racer racers[THREADS];
    pthread_t threads[THREADS];
    int created = 0;
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ w, 0 };
        assert_int_equal(thread_start(&threads[i], race, &racers[i]), ERR_NONE);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        created += racers[i].status == 201;
        assert_true(racers[i].status == 201 || racers[i].status == 409);
    }
    assert_int_equal(created, 1);
    assert_int_equal(found(w, "Patient"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_key_creates_once_and_its_replay_is_a_409_with_the_location),
        WORLD_TEST(a_changed_or_deleted_resource_keeps_its_key_used),
        WORLD_TEST(after_a_day_a_key_is_good_again),
        WORLD_TEST(what_is_no_uuid_or_no_create_is_a_400),
        WORLD_TEST(with_criteria_the_key_holds_for_the_create_alone),
        WORLD_TEST(of_many_with_one_key_one_creates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
