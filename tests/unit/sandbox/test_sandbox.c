#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "http/http.h"
#include "json/json.h"
#include "os/file.h"
#include "outside.h"
#include "sandbox/sandbox.h"

static struct sandbox *sandbox;
static struct arena arena;
static struct http_client *client;

static void start(const struct sandbox_settings *settings)
{
    arena_init(&arena, (size_t)1 << 30);
    struct slice error = SLICE_NONE;
    if (sandbox_start(settings, &arena, &sandbox, &error))
        fail_msg("%.*s", SLICE_ARGS(error));
    assert_int_equal(http_client_open(&client), ERR_NONE);
}

static const struct sandbox_settings usual = { .address = "127.0.0.1",
                                               .seed = 3,
                                               .members = 2,
                                               .consents = 3,
                                               .years = 2,
                                               .size_bytes = 120000,
                                               .retry_seconds = 1 };

static int setup(void **state)
{
    (void)state;
    start(&usual);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_client_close(client);
    sandbox_stop(sandbox);
    arena_release(&arena);
    return 0;
}

static struct slice url_of(const char *path)
{
    return arena_printf(&arena, "http://127.0.0.1:%u%s", sandbox_port(sandbox), path);
}

/* The exchange with `token` (NULL: none); *ret_err as http_client_perform(). */
static struct http_exchange call(const char *method, struct slice token, struct slice url,
                                 enum err *ret_err)
{
    struct http_header *header = arena_alloc(&arena, sizeof *header);
    header->name = SLICE("Authorization");
    header->value = arena_printf(&arena, "Bearer %.*s", SLICE_ARGS(token));
    struct http_exchange x = { .method = slice_cstr(method),
                               .url = url,
                               .headers = header,
                               .header_count = token.length ? 1 : 0 };
    *ret_err = http_client_perform(client, &x, &arena);
    return x;
}

static struct json get(uint32_t consent, const char *path, int status)
{
    enum err err;
    struct slice token = sandbox_consent_at(sandbox, consent).token;
    struct http_exchange x = call("GET", token, url_of(path), &err);
    assert_int_equal(err, ERR_NONE);
    if (x.status != status)
        fail_msg("%s: %d %.*s", path, x.status, SLICE_ARGS(slice_head(x.answer, 300)));
    assert_non_null(http_answer_header(&x, "x-request-id"));
    struct json_doc *doc = arena_alloc(&arena, sizeof *doc);
    struct json_error error;
    if (json_parse(x.answer, NULL, &arena, doc, &error))
        fail_msg("%s: %u:%u %s", path, error.line, error.column, error.text);
    return json_root(doc);
}

static uint32_t entries(struct json bundle)
{
    return json_count(json_member(bundle, "entry"));
}

static bool issue_is(struct json outcome, const char *code)
{
    struct json issue = json_first(json_member(outcome, "issue"));
    return json_string_is(json_member(issue, "code"), slice_cstr(code));
}

/* The link's URL behind its host; NULL when there is none. */
static const char *link_of(struct json bundle, const char *relation)
{
    struct json links = json_member(bundle, "link");
    struct slice host = url_of("");
    for (struct json l = json_first(links); json_exists(l); l = json_next(links, l)) {
        if (!json_string_is(json_member(l, "relation"), slice_cstr(relation)))
            continue;
        struct slice url = json_string(json_member(l, "url"), &arena);
        assert_true(slice_starts_with(url, host)); /* the host that was asked */
        return arena_copy(&arena, slice_from(url, host.length));
    }
    return NULL;
}

static void post(const char *path, int status)
{
    enum err err;
    struct http_exchange x = call("POST", SLICE_NONE, url_of(path), &err);
    assert_int_equal(err, ERR_NONE);
    assert_int_equal(x.status, status);
}

static const char everything[] = "/fhir/Patient/$PATIENT_ID/$everything";

static void the_wildcard_and_its_encoded_form_give_the_whole_record(void **state)
{
    (void)state;
    struct json a = get(0, everything, 200);
    struct json b = get(0, "/fhir/Patient/%24PATIENT_ID/%24everything", 200);
    assert_true(entries(a) > 20);
    assert_true(json_same(json_member(a, "entry"), json_member(b, "entry"), NULL, NULL));
    assert_null(link_of(a, "next"));
}

static void tokens_are_asked_for_and_each_opens_its_own_consent(void **state)
{
    (void)state;
    enum err err;
    struct http_exchange x = call("GET", SLICE_NONE, url_of(everything), &err);
    assert_int_equal(x.status, 401);
    x = call("GET", SLICE("guess"), url_of(everything), &err);
    assert_int_equal(x.status, 401);
    assert_true(slice_is(x.answer, "{\"statusCode\":401,\"error\":\"Unauthorized\","
                                   "\"message\":\"Invalid access token\"}"));
    x = call("GET", SLICE_NONE, url_of("/fhir/metadata"), &err);
    assert_int_equal(x.status, 200);
    assert_int_equal(sandbox_consent_count(sandbox), 6);
    for (uint32_t i = 0; i < 6; i++) {
        struct json first = json_first(json_member(get(i, everything, 200), "entry"));
        struct slice text = json_raw(first);
        assert_true(slice_find(text, sandbox_consent_at(sandbox, i).consent) > 0);
    }
}

static void a_concrete_patient_gives_that_patients_part(void **state)
{
    (void)state;
    /* Consent 2 of a member has a master and two source Patients. */
    struct json patients = get(1, "/fhir/Patient?_total=accurate", 200);
    assert_true(slice_is(json_raw(json_member(patients, "total")), "3"));
    uint32_t whole = entries(get(1, everything, 200)), sum = 0;
    struct json list = json_member(patients, "entry");
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e)) {
        struct slice id = json_string(json_member(json_member(e, "resource"), "id"), &arena);
        struct slice path = arena_printf(&arena, "/fhir/Patient/%.*s/$everything", SLICE_ARGS(id));
        uint32_t part = entries(get(1, path.bytes, 200));
        assert_true(part < whole);
        sum += part;
    }
    assert_int_equal(sum, whole + 2 * 29); /* what lies outside compartments, thrice */
    get(1, "/fhir/Patient/unknown/$everything", 404);
}

static void searches_filter_and_page(void **state)
{
    (void)state;
    uint32_t whole = entries(get(2, "/fhir/ExplanationOfBenefit?_count=1000", 200)), seen = 0;
    const char *path = "/fhir/ExplanationOfBenefit?_count=2";
    for (int pages = 0; path && pages < 100; pages++) {
        struct json page = get(2, path, 200);
        seen += entries(page);
        path = link_of(page, "next");
    }
    assert_true(whole > 2);
    assert_int_equal(seen, whole);
    struct slice consent = sandbox_consent_at(sandbox, 2).consent;
    struct slice tag = arena_printf(&arena,
                                    "/fhir/Patient?_tag=https://fhir.flexpa.com/identifiers/"
                                    "ConsentId%%7C%.*s",
                                    SLICE_ARGS(consent));
    assert_int_equal(entries(get(2, tag.bytes, 200)), 1);
    assert_int_equal(entries(get(2, "/fhir/Patient?_tag=other", 200)), 0);
    assert_int_equal(entries(get(2, "/fhir/Patient?_id=$PATIENT_ID", 200)), 1);
    assert_int_equal(entries(get(2, "/fhir/Coverage?patient=$PATIENT_ID", 200)), 1);
    assert_int_equal(entries(get(2, "/fhir/Coverage?_lastUpdated=gt2027", 200)), 0);
    assert_int_equal(entries(get(2, "/fhir/Coverage?_lastUpdated=ge2026-01-12", 200)), 1);
    const char *carin = "/fhir/Coverage?_profile=http://hl7.org/fhir/us/carin-bb/"
                        "StructureDefinition/C4BB-Coverage";
    assert_int_equal(entries(get(2, carin, 200)), 1);
    assert_true(issue_is(get(2, "/fhir/Coverage?color=red", 422), "processing"));
    assert_true(issue_is(get(2, "/fhir/Coverage?_lastUpdated=soon", 422), "processing"));
    assert_true(issue_is(get(2, "/fhir/Coverage?_count=many", 422), "processing"));
    assert_true(issue_is(get(2, "/fhir/Pizza", 404), "not-supported"));
    assert_true(issue_is(get(2, "/fhir/Coverage/unknown", 404), "not-found"));
    struct json patient = get(2, "/fhir/Patient/$PATIENT_ID", 200);
    struct json first = json_first(json_member(get(2, everything, 200), "entry"));
    assert_true(json_same(patient, json_member(first, "resource"), NULL, NULL));
}

/* Keys of a Bundle's resources that the other one lacks. */
static uint32_t missing_from(struct json a, struct json b, const char **ret_example)
{
    struct json list = json_member(a, "entry");
    struct slice text = json_raw(b);
    uint32_t count = 0;
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e)) {
        struct json r = json_member(e, "resource");
        struct slice id = json_raw(json_member(r, "id"));
        struct slice member = arena_printf(&arena, "\"id\":%.*s", SLICE_ARGS(id));
        if (slice_find(text, member) >= 0)
            continue;
        count++;
        *ret_example =
            arena_printf(&arena, "/fhir/%.*s/%.*s",
                         SLICE_ARGS(json_string_raw(json_member(r, "resourceType"))),
                         SLICE_ARGS(json_string_raw(json_member(r, "id"))))
                .bytes;
    }
    return count;
}

static void an_update_brings_new_resources_and_drops_a_derived_one(void **state)
{
    (void)state;
    const char *added = NULL, *dropped = NULL;
    bool saw_deleted = false;
    for (uint32_t i = 0; i < 6; i++) {
        struct json before = get(i, everything, 200);
        struct slice consent = sandbox_consent_at(sandbox, i).consent;
        struct slice path =
            arena_printf(&arena, "/sandbox/advance?consent=%.*s", SLICE_ARGS(consent));
        post(path.bytes, 200);
        struct json after = get(i, everything, 200);
        assert_true(missing_from(after, before, &added) > 0);
        get(i, added, 200);
        if (missing_from(before, after, &dropped) > 0) {
            assert_true(issue_is(get(i, dropped, 410), "deleted"));
            saw_deleted = true;
        }
    }
    assert_true(saw_deleted);
    post("/sandbox/advance?consent=nobody", 404);
}

static void fault(const char *text)
{
    struct slice error = SLICE_NONE;
    if (sandbox_fault(sandbox, slice_cstr(text), &arena, &error))
        fail_msg("%.*s", SLICE_ARGS(error));
}

static struct http_exchange ask(uint32_t consent, enum err *ret_err)
{
    return call("GET", sandbox_consent_at(sandbox, consent).token, url_of(everything), ret_err);
}

static void a_syncing_consent_says_429_in_every_form_of_retry(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        bool standard, other;
    } forms[] = { { "1:transient=1", true, true },
                  { "1:transient=1/retry-after", true, false },
                  { "1:transient=1/x-retry-after", false, true },
                  { "1:transient=1/none", false, false },
                  { "1:transient=1/zero", true, false },
                  { "1:transient=1/date", true, false } };
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        enum err err;
        fault(forms[i].fault);
        struct http_exchange x = ask(0, &err);
        assert_int_equal(x.status, 429);
        assert_true(slice_find(x.answer, SLICE("\"transient\"")) > 0);
        assert_int_equal(http_answer_header(&x, "retry-after") != NULL, forms[i].standard);
        assert_int_equal(http_answer_header(&x, "x-retry-after") != NULL, forms[i].other);
        assert_int_equal(ask(0, &err).status, 200);
    }
}

static void faults_strike_the_consent_they_name(void **state)
{
    (void)state;
    enum err err;
    fault("2:throttled=1");
    struct http_exchange x = ask(1, &err);
    assert_int_equal(x.status, 429);
    assert_true(slice_find(x.answer, SLICE("\"throttled\"")) > 0);
    assert_non_null(http_answer_header(&x, "x-ratelimit-reset"));
    assert_int_equal(ask(1, &err).status, 200);
    fault("2:error=2");
    assert_int_equal(ask(1, &err).status, 500);
    assert_int_equal(ask(1, &err).status, 500);
    assert_int_equal(ask(1, &err).status, 200);
    fault("2:unprocessable");
    fault("3:revoked");
    assert_int_equal(ask(0, &err).status, 200);
    assert_int_equal(ask(1, &err).status, 422);
    assert_int_equal(ask(2, &err).status, 401);
    post("/sandbox/fault?fault=none", 200);
    assert_int_equal(ask(2, &err).status, 200);
    fault("1:truncated=30000/2");
    for (int i = 0; i < 2; i++) {
        (void)ask(0, &err);
        assert_int_not_equal(err, ERR_NONE); /* a broken transfer, never a short whole */
    }
    assert_int_equal(ask(0, &err).status, 200);
    assert_int_equal(err, ERR_NONE);
    struct slice error;
    assert_int_equal(sandbox_fault(sandbox, SLICE("1:rain"), &arena, &error), ERR_INVALID);
    assert_int_equal(sandbox_fault(sandbox, SLICE("9:slow"), &arena, &error), ERR_INVALID);
    assert_int_equal(sandbox_fault(sandbox, SLICE("slow"), &arena, &error), ERR_INVALID);
    post("/sandbox/fault?fault=rain", 422);
}

static void bodies_can_have_what_flexpa_is_known_for(void **state)
{
    (void)state;
    uint32_t whole = entries(get(0, everything, 200));
    fault("1:duplicates=5");
    assert_int_equal(entries(get(0, everything, 200)), whole + whole / 5);
    fault("1:none");
    fault("1:stale=5");
    struct json bundle = get(0, everything, 200);
    assert_int_equal(entries(bundle), whole + whole / 5);
    assert_true(slice_find(json_raw(bundle), SLICE("\"lastUpdated\":\"2001-")) > 0);
    fault("1:none");
    fault("1:no-resource=10");
    assert_int_equal(entries(get(0, everything, 200)), whole + 2 * (whole / 10));
    fault("1:none");
    fault("1:no-id=10");
    assert_int_equal(entries(get(0, everything, 200)), whole + whole / 10);
    fault("1:none");
    fault("1:dangling=10");
    assert_int_equal(entries(get(0, everything, 200)), whole - whole / 10);
    fault("1:none");
    fault("1:no-fullurl");
    assert_true(slice_find(json_raw(get(0, everything, 200)), SLICE("\"fullUrl\"")) < 0);
    fault("1:none");
    fault("1:paged=7");
    uint32_t seen = 0;
    for (const char *path = everything; path;) {
        struct json page = get(0, path, 200);
        assert_true(entries(page) <= 7);
        seen += entries(page);
        path = link_of(page, "next");
    }
    assert_int_equal(seen, whole);
}

static void only_loopback_addresses_are_listened_on(void **state)
{
    (void)state;
    struct sandbox_settings open = usual;
    open.address = "0.0.0.0";
    struct sandbox *other;
    struct slice error;
    assert_int_equal(sandbox_start(&open, &arena, &other, &error), ERR_INVALID);
    open = usual;
    open.members = 0;
    assert_int_equal(sandbox_start(&open, &arena, &other, &error), ERR_INVALID);
    open = usual;
    open.replay = "/nowhere";
    assert_int_not_equal(sandbox_start(&open, &arena, &other, &error), ERR_NONE);
}

static void recorded_deliveries_are_served_as_they_stand(void **state)
{
    (void)state;
    char folder[1024];
    outside_path("flexpa", folder);
    struct sandbox_settings replay = { .address = "127.0.0.1", .replay = folder };
    start(&replay);
    assert_int_equal(sandbox_consent_count(sandbox), 6);
    /* facts.json: 680 resources, then 760. */
    assert_int_equal(entries(get(1, everything, 200)), 680);
    assert_int_equal(entries(get(4, everything, 200)), 6240);
    post("/sandbox/advance", 200);
    assert_int_equal(entries(get(1, everything, 200)), 760);
    assert_int_equal(entries(get(4, everything, 200)), 6240); /* its only one */
    (void)teardown(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_wildcard_and_its_encoded_form_give_the_whole_record),
        TEST(tokens_are_asked_for_and_each_opens_its_own_consent),
        TEST(a_concrete_patient_gives_that_patients_part),
        TEST(searches_filter_and_page),
        TEST(an_update_brings_new_resources_and_drops_a_derived_one),
        TEST(a_syncing_consent_says_429_in_every_form_of_retry),
        TEST(faults_strike_the_consent_they_name),
        TEST(bodies_can_have_what_flexpa_is_known_for),
        TEST(only_loopback_addresses_are_listened_on),
        cmocka_unit_test(recorded_deliveries_are_served_as_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
