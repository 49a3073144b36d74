#include "os/thread.h"
#include "rest/world.h"

#define ANN                                                                                        \
    "{ \"resourceType\":\"Patient\", \"id\":\"p1\",\"name\":[{\"family\":\"Ann\\u00e9\"}],"        \
    "\"extension\":[{\"url\":\"urn:u\",\"valueDecimal\":1.50}],\"active\":true}"
#define JSON_PATCH "Content-Type: application/json-patch+json; charset=utf-8"
#define MERGE_PATCH "Content-Type: application/merge-patch+json"

static struct answer patch(struct world *w, const char *target, const char *operations)
{
    return ask(w, "PATCH", target, JSON_PATCH, operations);
}

static void a_patch_answers_like_an_update(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(
        patch(w, "Patient/p1", "[{\"op\":\"replace\",\"path\":\"/active\",\"value\":false}]"), 200);
    assert_string_equal(header(w, &a, "ETag"), "W/\"2\"");
    assert_non_null(header(w, &a, "Last-Modified"));
    assert_at(w, &a, "meta.versionId", "2");
    assert_at(w, &a, "active", "false");
    struct answer again = expect_status(get(w, "Patient/p1"), 200);
    assert_true(slice_equal(a.body, again.body));
    a = expect_status(get(w, "Patient/p1/_history"), 200);
    assert_int_equal(count_at(&a, "entry"), 2);
}

static void untouched_members_stay_token_for_token(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(
        patch(w, "Patient/p1", "[{\"op\":\"add\",\"path\":\"/gender\",\"value\":\"female\"}]"),
        200);
    assert_contains(arena_copy(&w->arena, a.body),
                    ",\"name\":[{\"family\":\"Ann\\u00e9\"}],\"extension\":[{\"url\":\"urn:u\","
                    "\"valueDecimal\":1.50}],\"active\":true,\"gender\":\"female\"}");
}

static void a_merge_patch_changes_what_it_names(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(
        ask(w, "PATCH", "Patient/p1", MERGE_PATCH, "{\"active\":null,\"gender\":\"male\"}"), 200);
    assert_at(w, &a, "active", "");
    assert_at(w, &a, "gender", "male");
    assert_at(w, &a, "extension.0.valueDecimal", "1.50");
}

static void what_a_patch_says_is_found_at_once(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    expect_status(patch(w, "Patient/p1",
                        "[{\"op\":\"replace\",\"path\":\"/name/0/family\",\"value\":\"Zoe\"}]"),
                  200);
    struct answer a = expect_status(get(w, "Patient?family=zoe"), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
    a = expect_status(get(w, "Patient?family=ann"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
}

static void a_patched_resource_stays_in_its_members_record(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    expect_status(put(w, "Observation/o1",
                      "{\"resourceType\":\"Observation\",\"id\":\"o1\",\"subject\":"
                      "{\"reference\":\"Patient/p1\"}}"),
                  201);
    expect_status(
        patch(w, "Observation/o1", "[{\"op\":\"add\",\"path\":\"/status\",\"value\":\"final\"}]"),
        200);
    expect_status(patch(w, "Patient/p1", "[{\"op\":\"remove\",\"path\":\"/active\"}]"), 200);
    struct answer a = expect_status(get(w, "Patient/p1/$everything"), 200);
    assert_int_equal(count_at(&a, "entry"), 2);
}

static void a_patch_that_changes_nothing_makes_no_version(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct answer a = expect_status(
        patch(w, "Patient/p1", "[{\"op\":\"test\",\"path\":\"/meta/versionId\",\"value\":\"1\"}]"),
        200);
    assert_string_equal(header(w, &a, "ETag"), "W/\"1\"");
}

static void each_failure_has_its_status(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *target, *headers, *body;
        int status;
    } CASES[] = {
        { "Patient/none", JSON_PATCH, "[]", 404 },
        { "Patient/gone", JSON_PATCH, "[]", 410 },
        { "Patient/p1", JSON_PATCH "\nIf-Match: W/\"7\"", "[]", 412 },
        { "Patient/p1", JSON_PATCH "\nIf-Match: 1", "[]", 400 },
        { "Patient/p1", JSON_PATCH "\nIf-Match: W/\"1\"", "[]", 200 },
        { "Patient/p1", JSON_PATCH, "[", 400 },
        { "Patient/p1", JSON_PATCH, "{}", 400 },
        { "Patient/p1", JSON_PATCH, "[{\"op\":\"jump\",\"path\":\"/a\"}]", 400 },
        { "Patient/p1", JSON_PATCH, "[{\"op\":\"test\",\"path\":\"/active\",\"value\":false}]",
          422 },
        { "Patient/p1", JSON_PATCH, "[{\"op\":\"remove\",\"path\":\"/gender\"}]", 422 },
        { "Patient/p1", JSON_PATCH, "[{\"op\":\"remove\",\"path\":\"/id\"}]", 422 },
        { "Patient/p1", JSON_PATCH, "[{\"op\":\"replace\",\"path\":\"/id\",\"value\":\"x\"}]",
          422 },
        { "Patient/p1", JSON_PATCH, "[{\"op\":\"replace\",\"path\":\"/meta\",\"value\":1}]", 422 },
        { "Patient/p1", JSON_PATCH, "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]", 422 },
        { "Patient/p1", MERGE_PATCH, "{\"resourceType\":\"Person\"}", 422 },
        { "Patient/p1", MERGE_PATCH, "null", 422 },
        { "Patient/p1", MERGE_PATCH, "{", 400 },
        { "Patient/p1", "Content-Type: application/json", "[]", 415 },
        { "Patient/p1", NULL, "[]", 415 },
        { "Patient/p1?_count=1", JSON_PATCH, "[]", 400 },
    };
    expect_status(put(w, "Patient/p1", ANN), 201);
    expect_status(put(w, "Patient/gone", "{\"resourceType\":\"Patient\",\"id\":\"gone\"}"), 201);
    expect_status(ask(w, "DELETE", "Patient/gone", NULL, NULL), 204);
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct answer a = ask(w, "PATCH", CASES[i].target, CASES[i].headers, CASES[i].body);
        if (a.status != CASES[i].status)
            fail_msg("case %zu: status %d, expected %d: %.*s", i, a.status, CASES[i].status,
                     SLICE_ARGS(a.body));
    }
    struct answer a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "meta.versionId", "1");
}

/* ---- bundles ---- */

static struct slice patch_entry(struct world *w, const char *target, const char *media,
                                const char *text, const char *more)
{
    struct buf data;
    buf_init(&data, 10000);
    base64_encode(&data, slice_cstr(text));
    struct slice entry = arena_printf(
        &w->arena,
        "{\"resource\":{\"resourceType\":\"Binary\",\"contentType\":\"%s\",\"data\":\"%.*s\"},"
        "\"request\":{\"method\":\"PATCH\",\"url\":\"%s\"%s}}",
        media, SLICE_ARGS(buf_slice(&data)), target, more);
    buf_release(&data);
    return entry;
}

static struct answer bundle(struct world *w, const char *type, struct slice a, struct slice b)
{
    return post(w, "",
                arena_printf(&w->arena,
                             "{\"resourceType\":\"Bundle\",\"type\":\"%s\",\"entry\":[%.*s,%.*s]}",
                             type, SLICE_ARGS(a), SLICE_ARGS(b))
                    .bytes);
}

#define CREATE                                                                                     \
    SLICE("{\"fullUrl\":\"urn:uuid:1\",\"resource\":{\"resourceType\":\"Organization\"},"          \
          "\"request\":{\"method\":\"POST\",\"url\":\"Organization\"}}")

static void a_patch_in_a_transaction_may_refer_to_its_other_entries(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct slice entry =
        patch_entry(w, "Patient/p1", "application/json-patch+json",
                    "[{\"op\":\"add\",\"path\":\"/managingOrganization\",\"value\":"
                    "{\"reference\":\"urn:uuid:1\"}}]",
                    ",\"ifMatch\":\"W/\\\"1\\\"\"");
    struct answer a = expect_status(bundle(w, "transaction", entry, CREATE), 200);
    assert_at(w, &a, "entry.0.response.status", "200");
    assert_at(w, &a, "entry.0.response.etag", "W/\"2\"");
    assert_at(w, &a, "entry.1.response.status", "201");
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_true(slice_starts_with(slice_cstr(text_at(w, &a, "managingOrganization.reference")),
                                  SLICE("Organization/")));
    a = expect_status(bundle(w, "transaction", entry, CREATE), 412); /* the version moved on */
}

static void a_patch_that_fails_leaves_a_transaction_unwritten(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct slice entry = patch_entry(w, "Patient/p1", "application/json-patch+json",
                                     "[{\"op\":\"remove\",\"path\":\"/gender\"}]", "");
    struct answer a = expect_status(bundle(w, "transaction", CREATE, entry), 422);
    assert_at(w, &a, "issue.0.expression.0", "Bundle.entry[1]");
    a = expect_status(get(w, "Organization"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
    a = expect_status(bundle(w, "batch", CREATE, entry), 200);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.1.response.status", "422");
}

static void a_patch_in_a_batch_sees_what_the_batch_wrote_before_it(void **state)
{
    struct world *w = *state;
    struct slice create = SLICE("{\"resource\":" ANN ",\"request\":{\"method\":\"PUT\",\"url\":"
                                "\"Patient/p1\"}}");
    struct slice entry =
        patch_entry(w, "Patient/p1", "application/merge-patch+json", "{\"active\":null}", "");
    struct answer a = expect_status(bundle(w, "batch", create, entry), 200);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.1.response.status", "200");
    assert_at(w, &a, "entry.1.response.etag", "W/\"2\"");
    assert_int_equal(expect_status(bundle(w, "transaction", create, entry), 400).status, 400);
}

static void an_entry_that_is_no_patch_is_named(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct slice wrong = patch_entry(w, "Patient/p1", "text/plain", "[]", "");
    struct slice broken = patch_entry(w, "Patient/p1", "application/json-patch+json", "[", "");
    struct answer a = expect_status(bundle(w, "batch", wrong, broken), 200);
    assert_at(w, &a, "entry.0.response.status", "400");
    assert_at(w, &a, "entry.1.response.status", "400");
    struct slice parameters =
        SLICE("{\"resource\":{\"resourceType\":\"Parameters\",\"parameter\":[{}]},\"request\":"
              "{\"method\":\"PATCH\",\"url\":\"Patient/p1\"}}");
    a = expect_status(bundle(w, "batch", parameters, CREATE), 200);
    assert_at(w, &a, "entry.0.response.status", "400");
}

/* ---- FHIRPath Patch ---- */

#define PARAMETERS(parts)                                                                          \
    "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"operation\",\"part\":[" parts     \
    "]}]}"
#define REPLACE(path, value)                                                                       \
    PARAMETERS(                                                                                    \
        "{\"name\":\"type\",\"valueCode\":\"replace\"},{\"name\":\"path\",\"valueString\":\"" path \
        "\"},{\"name\":\"value\"," value "}")
#define FHIR_PATCH "Content-Type: application/fhir+json"

static void a_fhirpath_patch_answers_like_an_update(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    const char *body = REPLACE("Patient.active", "\"valueBoolean\":false");
    struct answer a = expect_status(ask(w, "PATCH", "Patient/p1", FHIR_PATCH, body), 200);
    assert_string_equal(header(w, &a, "ETag"), "W/\"2\"");
    assert_at(w, &a, "active", "false");
    assert_contains(arena_copy(&w->arena, a.body),
                    ",\"name\":[{\"family\":\"Ann\\u00e9\"}],\"extension\":[{\"url\":\"urn:u\","
                    "\"valueDecimal\":1.50}],\"active\":false}");
    a = expect_status(ask(w, "PATCH", "Patient?family=ann", FHIR_PATCH,
                          REPLACE("Patient.name[0].family", "\"valueString\":\"Zoe\"")),
                      200);
    assert_at(w, &a, "name.0.family", "Zoe");
    a = expect_status(get(w, "Patient?family=zoe"), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
}

static void each_failure_of_a_fhirpath_patch_has_its_status(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *body;
        int status;
    } CASES[] = {
        { "{\"resourceType\":\"Parameters\"}", 200 },
        { "{", 400 },
        { "[]", 400 },
        { "{\"resourceType\":\"Patient\"}", 400 },
        { REPLACE("Patient.active[", "\"valueBoolean\":false"), 400 },
        { REPLACE("Patient.active", "\"valueBoolean\":1,\"valueString\":1"), 400 },
        { REPLACE("Patient.gender", "\"valueCode\":\"male\""), 422 },
        { REPLACE("Patient.colour", "\"valueCode\":\"male\""), 422 },
        { REPLACE("Patient.active", "\"valueCode\":\"male\""), 422 },
        { REPLACE("Patient.active", "\"valueBoolean\":\"true\""), 422 }, /* invalid result */
        { REPLACE("Patient.name[0].family", "\"valueString\":{\"a\":1}"), 422 },
        { REPLACE("Patient.id", "\"valueId\":\"p2\""), 422 },
    };
    expect_status(put(w, "Patient/p1", ANN), 201);
    world_level(w, REST_STRICT);
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct answer a = ask(w, "PATCH", "Patient/p1", FHIR_PATCH, CASES[i].body);
        if (a.status != CASES[i].status)
            fail_msg("case %zu: status %d, expected %d: %.*s", i, a.status, CASES[i].status,
                     SLICE_ARGS(a.body));
    }
    struct answer a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "meta.versionId", "1");
}

static void a_bundle_takes_a_fhirpath_patch_as_parameters_and_as_a_binary(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct slice entry = SLICE("{\"resource\":" PARAMETERS(
        "{\"name\":\"type\",\"valueCode\":\"add\"},{\"name\":\"path\","
        "\"valueString\":\"Patient\"},{\"name\":\"name\","
        "\"valueString\":\"managingOrganization\"},{\"name\":\"value\","
        "\"valueReference\":{\"reference\":\"urn:uuid:1\"}}") ","
                                                              "\"request\":{\"method\":\"PATCH\","
                                                              "\"url\":\"Patient/p1\"}}");
    struct answer a = expect_status(bundle(w, "transaction", entry, CREATE), 200);
    assert_at(w, &a, "entry.0.response.status", "200");
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_true(slice_starts_with(slice_cstr(text_at(w, &a, "managingOrganization.reference")),
                                  SLICE("Organization/")));
    struct slice binary = patch_entry(w, "Patient/p1", "application/fhir+json",
                                      REPLACE("Patient.active", "\"valueBoolean\":false"), "");
    a = expect_status(bundle(w, "batch", binary, CREATE), 200);
    assert_at(w, &a, "entry.0.response.status", "200");
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "active", "false");
}

static void a_patch_leaves_a_valid_resource_or_nothing(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Observation/o1", "{\"resourceType\":\"Observation\",\"id\":\"o1\"}"),
                  201);
    world_level(w, REST_STRICT);
    struct answer a = expect_status(
        patch(w, "Observation/o1", "[{\"op\":\"add\",\"path\":\"/status\",\"value\":\"final\"}]"),
        422);
    assert_at(w, &a, "issue.0.diagnostics",
              "FHIR resource in payload failed FHIR validation rules.");
    assert_contains(text_at(w, &a, "issue.1.diagnostics"), "Observation.code: minimum required");
    expect_status(patch(w, "Observation/o1",
                        "[{\"op\":\"add\",\"path\":\"/status\",\"value\":\"final\"},"
                        "{\"op\":\"add\",\"path\":\"/code\",\"value\":{\"text\":\"x\"}}]"),
                  200);
    a = expect_status(
        patch(w, "Observation/o1", "[{\"op\":\"add\",\"path\":\"/colour\",\"value\":\"red\"}]"),
        422);
    assert_contains(arena_copy(&w->arena, a.body), "colour");
    expect_status(ask(w, "PATCH", "Observation/o1", MERGE_PATCH, "{\"status\":\"done\"}"), 422);
}

static void a_conditional_patch_in_a_bundle_takes_parameters(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", ANN), 201);
    struct slice entry = SLICE("{\"resource\":" REPLACE(
        "Patient.active",
        "\"valueBoolean\":false") ",\"request\":{"
                                  "\"method\":\"PATCH\",\"url\":\"Patient?family=ann\"}}");
    struct answer a = expect_status(bundle(w, "batch", entry, CREATE), 200);
    assert_at(w, &a, "entry.0.response.status", "200");
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "active", "false");
    entry = SLICE("{\"resource\":" REPLACE(
        "Patient.active",
        "\"valueBoolean\":true") ",\"request\":{"
                                 "\"method\":\"PATCH\",\"url\":\"Patient?family=ann\"}}");
    a = expect_status(bundle(w, "transaction", entry, CREATE), 200);
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "active", "true");
}

/* ---- races ---- */

enum { THREADS = 8, PATCHES_EACH = 10 };

struct racer {
    struct world *w;
    size_t done;
};

static void *race(void *context)
{
    struct racer *racer = context;
    struct arena arena;
    arena_init(&arena, (size_t)1 << 30);
    for (int i = 0; i < PATCHES_EACH;) {
        struct http_header headers[] = {
            { SLICE("Host"), SLICE("h") },
            { SLICE("Content-Type"), SLICE("application/json-patch+json") },
        };
        struct http_request r = {
            .method = SLICE("PATCH"),
            .path = SLICE("/datastore/ds1/r4/Patient/p1"),
            .body = SLICE("[{\"op\":\"add\",\"path\":\"/name/-\",\"value\":{\"text\":\"x\"}}]"),
            .headers = headers,
            .header_count = 2,
            .arena = &arena,
        };
        struct http_response response;
        rest_handle(racer->w->rest, &r, SLICE("Patient/p1"), &response);
        if (response.status == 200)
            i++;
        else if (response.status != 409)
            return NULL;
    }
    racer->done = PATCHES_EACH;
    arena_release(&arena);
    return NULL;
}

static void patches_at_once_lose_none(void **state)
{
    struct world *w = *state;
    struct racer racers[THREADS];
    pthread_t threads[THREADS];
    expect_status(put(w, "Patient/p1", ANN), 201);
    for (size_t i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ w, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(racers[i].done, PATCHES_EACH);
    }
    struct answer a = expect_status(get(w, "Patient/p1"), 200);
    assert_int_equal(count_at(&a, "name"), 1 + THREADS * PATCHES_EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_patch_answers_like_an_update),
        WORLD_TEST(untouched_members_stay_token_for_token),
        WORLD_TEST(a_merge_patch_changes_what_it_names),
        WORLD_TEST(what_a_patch_says_is_found_at_once),
        WORLD_TEST(a_patched_resource_stays_in_its_members_record),
        WORLD_TEST(a_patch_that_changes_nothing_makes_no_version),
        WORLD_TEST(each_failure_has_its_status),
        WORLD_TEST(a_patch_in_a_transaction_may_refer_to_its_other_entries),
        WORLD_TEST(a_patch_that_fails_leaves_a_transaction_unwritten),
        WORLD_TEST(a_patch_in_a_batch_sees_what_the_batch_wrote_before_it),
        WORLD_TEST(an_entry_that_is_no_patch_is_named),
        WORLD_TEST(a_fhirpath_patch_answers_like_an_update),
        WORLD_TEST(each_failure_of_a_fhirpath_patch_has_its_status),
        WORLD_TEST(a_bundle_takes_a_fhirpath_patch_as_parameters_and_as_a_binary),
        WORLD_TEST(a_patch_leaves_a_valid_resource_or_nothing),
        WORLD_TEST(a_conditional_patch_in_a_bundle_takes_parameters),
        WORLD_TEST(patches_at_once_lose_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
