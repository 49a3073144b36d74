#include "rest/world.h"

#define BUNDLE(type, entries)                                                                      \
    "{\"resourceType\":\"Bundle\",\"type\":\"" type "\",\"entry\":[" entries "]}"
#define PUT_ENTRY(type, id, rest)                                                                  \
    "{\"resource\":{\"resourceType\":\"" type "\",\"id\":\"" id "\"" rest "},"                     \
    "\"request\":{\"method\":\"PUT\",\"url\":\"" type "/" id "\"}}"
#define POST_ENTRY(full_url, type, rest)                                                           \
    "{\"fullUrl\":\"" full_url "\",\"resource\":{\"resourceType\":\"" type "\"" rest "},"          \
    "\"request\":{\"method\":\"POST\",\"url\":\"" type "\"}}"
#define DO_ENTRY(method, url) "{\"request\":{\"method\":\"" method "\",\"url\":\"" url "\"}}"

static const char *location_id(struct world *w, const struct answer *a, size_t entry)
{
    struct slice path = arena_printf(&w->arena, "entry.%zu.response.location", entry);
    struct slice rest = slice_cstr(text_at(w, a, path.bytes));
    slice_cut(&rest, '/');
    return arena_copy(&w->arena, slice_cut(&rest, '/'));
}

/* ---- the whole ---- */

static void a_transaction_answers_with_healthlakes_response_entries(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("transaction", PUT_ENTRY("Patient", "p1", "") "," POST_ENTRY(
                                       "urn:uuid:1", "Observation", ",\"status\":\"final\""))),
        200);
    assert_at(w, &a, "resourceType", "Bundle");
    assert_at(w, &a, "type", "transaction-response");
    assert_int_equal(count_at(&a, "entry"), 2);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.0.response.location", "Patient/p1/_history/1");
    assert_at(w, &a, "entry.0.response.etag", "W/\"1\"");
    assert_true(json_exists(answer_find(&a, "entry.0.response.lastModified")));
    assert_false(json_exists(answer_find(&a, "entry.0.resource")));
    assert_true(uuid_is_valid(slice_cstr(location_id(w, &a, 1))));
    expect_status(get(w, "Patient/p1"), 200);
}

static void a_second_equal_transaction_changes_nothing(void **state)
{
    struct world *w = *state;
    const char *body =
        BUNDLE("transaction",
               PUT_ENTRY("Patient", "p1", "") "," PUT_ENTRY("Patient", "p2", ",\"active\":true"));
    expect_status(post(w, "", body), 200);
    struct answer a = expect_status(post(w, "", body), 200);
    assert_at(w, &a, "entry.0.response.status", "200");
    assert_at(w, &a, "entry.0.response.etag", "W/\"1\"");
    assert_at(w, &a, "entry.1.response.location", "Patient/p2/_history/1");
}

static void who_prefers_outcomes_is_told_which_puts_changed_nothing(void **state)
{
    struct world *w = *state;
    const char *prefer = "Content-Type: application/fhir+json\nPrefer: return=OperationOutcome";
    expect_status(put(w, "Patient/p1", "{\"resourceType\":\"Patient\",\"id\":\"p1\"}"), 201);
    expect_status(put(w, "Patient/p2", "{\"resourceType\":\"Patient\",\"id\":\"p2\"}"), 201);
    const char *body =
        BUNDLE("transaction",
               PUT_ENTRY("Patient", "p1", "") "," PUT_ENTRY("Patient", "p2", ",\"active\":true"));
    struct answer a = expect_status(ask(w, "POST", "", prefer, body), 200);
    assert_string_equal(header(w, &a, "Preference-Applied"), "return=OperationOutcome");
    assert_at(w, &a, "entry.0.response.status", "200");
    assert_at(w, &a, "entry.0.response.outcome.issue.0.details.coding.0.code", "unchanged");
    assert_at(w, &a, "entry.1.response.status", "200");
    assert_false(json_exists(answer_find(&a, "entry.1.response.outcome")));
}

/* clang-format off */
static const char ALL_VERBS[] =
    BUNDLE("transaction", DO_ENTRY("GET", "Patient/p1") ","
                          PUT_ENTRY("Patient", "p1", "") ","
                          POST_ENTRY("urn:uuid:1", "Patient", "") ","
                          DO_ENTRY("DELETE", "Patient/old") ","
                          DO_ENTRY("GET", "Patient/old"));
static const char ALL_READS[] =
    BUNDLE("batch", PUT_ENTRY("Patient", "p1", ",\"gender\":\"female\"") ","
                    DO_ENTRY("GET", "Patient/p1") ","
                    DO_ENTRY("GET", "Patient/p1/_history/1") ","
                    DO_ENTRY("GET", "Patient?gender=female") ","
                    DO_ENTRY("GET", "Patient/p1/_history") ","
                    DO_ENTRY("GET", "Patient/p1/$everything") ","
                    DO_ENTRY("GET", "Patient/none") ","
                    DO_ENTRY("HEAD", "Patient/p1") ","
                    DO_ENTRY("GET", "Patient?gendr=x"));
static const char REPEATED[] =
    BUNDLE("batch", PUT_ENTRY("Patient", "p1", ",\"active\":true") ","
                    PUT_ENTRY("Patient", "p1", ",\"active\":false") ","
                    DO_ENTRY("DELETE", "Patient/p1"));
/* clang-format on */

static void entries_run_in_fhirs_order_and_are_answered_in_the_requests(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/old", "{\"resourceType\":\"Patient\",\"id\":\"old\"}"), 201);
    struct answer a = expect_status(post(w, "", ALL_VERBS), 200);
    assert_at(w, &a, "entry.0.response.status", "200");
    assert_at(w, &a, "entry.0.resource.id", "p1");
    assert_at(w, &a, "entry.0.response.etag", "W/\"1\"");
    assert_at(w, &a, "entry.1.response.status", "201");
    assert_at(w, &a, "entry.2.response.status", "201");
    assert_at(w, &a, "entry.3.response.status", "204");
    assert_at(w, &a, "entry.3.response.etag", "W/\"2\"");
    assert_at(w, &a, "entry.4.response.status", "410");
    assert_at(w, &a, "entry.4.response.outcome.issue.0.code", "deleted");
}

static void a_failing_entry_fails_the_whole_transaction_and_is_named(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("transaction",
                    PUT_ENTRY("Patient", "p1", "") "," PUT_ENTRY(
                        "Patient", "p2",
                        "") ","
                            "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"x\"},"
                            "\"request\":{\"method\":\"PUT\",\"url\":\"Patient/y\"}}")),
        400);
    assert_at(w, &a, "resourceType", "OperationOutcome");
    assert_at(w, &a, "issue.0.expression.0", "Bundle.entry[2]");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "Bundle.entry[2]");
    expect_status(get(w, "Patient/p1"), 404);
}

static void a_stale_if_match_fails_the_whole_transaction_with_412(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", "{\"resourceType\":\"Patient\",\"id\":\"p1\"}"), 201);
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("transaction",
                    PUT_ENTRY("Patient", "p2",
                              "") ","
                                  "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p1\","
                                  "\"active\":true},"
                                  "\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p1\","
                                  "\"ifMatch\":\"W/\\\"4\\\"\"}}")),
        412);
    assert_at(w, &a, "issue.0.expression.0", "Bundle.entry[1]");
    expect_status(get(w, "Patient/p2"), 404);
}

static void a_condition_that_is_no_string_fails_its_entry(void **state)
{
    struct world *w = *state;
    static const char *const CONDITIONS[] = { "\"ifMatch\":1", "\"ifMatch\":null",
                                              "\"ifNoneMatch\":[\"*\"]" };
    for (size_t i = 0; i < ARRAY_COUNT(CONDITIONS); i++) {
        struct slice body = arena_printf(
            &w->arena,
            "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"resource\":"
            "{\"resourceType\":\"Patient\",\"id\":\"p1\"},\"request\":{\"method\":\"PUT\","
            "\"url\":\"Patient/p1\",%s}}]}",
            CONDITIONS[i]);
        struct answer a = expect_status(post(w, "", body.bytes), 400);
        assert_contains(text_at(w, &a, "issue.0.diagnostics"), "must be a string");
    }
    expect_status(get(w, "Patient/p1"), 404);
}

static void duplicate_targets_are_refused_in_a_transaction(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("transaction",
                    PUT_ENTRY("Patient", "p1", "") "," DO_ENTRY("DELETE", "Patient/p1"))),
        400);
    assert_at(w, &a, "issue.0.code", "duplicate");
    expect_status(get(w, "Patient/p1"), 404);
    expect_status(post(w, "",
                       BUNDLE("transaction", POST_ENTRY("urn:uuid:1", "Patient", "") "," POST_ENTRY(
                                                 "urn:uuid:1", "Patient", ""))),
                  400);
}

/* ---- references ---- */

static void urn_uuid_references_become_the_new_ids(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("transaction",
                    POST_ENTRY(
                        "urn:uuid:b", "Observation",
                        ",\"subject\":{\"reference\":\"urn:uuid:a\"},"
                        "\"focus\":[{\"reference\":\"urn:uuid:zz\"}]") "," POST_ENTRY("urn:uuid:a",
                                                                                      "Patient",
                                                                                      ""))),
        200);
    const char *patient = location_id(w, &a, 1);
    struct slice target = arena_printf(&w->arena, "Observation/%s", location_id(w, &a, 0));
    a = expect_status(get(w, target.bytes), 200);
    assert_at(w, &a, "subject.reference", arena_printf(&w->arena, "Patient/%s", patient).bytes);
    assert_at(w, &a, "focus.0.reference", "urn:uuid:zz");
    /* and they are found by the new reference, not by the old */
    a = expect_status(
        get(w, arena_printf(&w->arena, "Observation?subject=Patient/%s", patient).bytes), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
}

static void full_urls_of_updates_and_relative_ones_are_rewritten_too(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("transaction",
                    "{\"fullUrl\":\"https://payer.example/fhir/Patient/p1\",\"resource\":{"
                    "\"resourceType\":\"Patient\",\"id\":\"p1\"},"
                    "\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p1\"}},"
                    "{\"fullUrl\":\"https://payer.example/fhir/Observation/o1\",\"resource\":{"
                    "\"resourceType\":\"Observation\",\"id\":\"o1\","
                    "\"subject\":{\"reference\":\"https://payer.example/fhir/Patient/p1\"},"
                    "\"performer\":[{\"reference\":\"Organization/7\"},"
                    "{\"reference\":\"Patient/p1\"}]},"
                    "\"request\":{\"method\":\"PUT\",\"url\":\"Observation/o1\"}},"
                    "{\"fullUrl\":\"https://payer.example/fhir/Organization/7\",\"resource\":{"
                    "\"resourceType\":\"Organization\"},"
                    "\"request\":{\"method\":\"POST\",\"url\":\"Organization\"}}")),
        200);
    const char *organization = location_id(w, &a, 2);
    a = expect_status(get(w, "Observation/o1"), 200);
    assert_at(w, &a, "subject.reference", "Patient/p1");
    assert_at(w, &a, "performer.0.reference",
              arena_printf(&w->arena, "Organization/%s", organization).bytes);
    assert_at(w, &a, "performer.1.reference", "Patient/p1");
}

static void uris_and_narrative_links_are_rewritten_but_never_canonicals(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(
            w, "",
            BUNDLE("transaction",
                   POST_ENTRY(
                       "urn:uuid:q", "Questionnaire",
                       ",\"status\":\"draft\"") ","
                                                "{\"resource\":{\"resourceType\":"
                                                "\"QuestionnaireResponse\",\"id\":\"r1\","
                                                "\"text\":{\"status\":\"generated\",\"div\":"
                                                "\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">"
                                                "<a href=\\\"urn:uuid:q\\\">q</a></div>\"},"
                                                "\"extension\":[{\"url\":\"http://"
                                                "x\",\"valueUri\":\"urn:uuid:q\"}],"
                                                "\"questionnaire\":\"urn:uuid:q\",\"status\":"
                                                "\"completed\"},"
                                                "\"request\":{\"method\":\"PUT\",\"url\":"
                                                "\"QuestionnaireResponse/r1\"}}")),
        200);
    struct slice target = arena_printf(&w->arena, "Questionnaire/%s", location_id(w, &a, 0));
    a = expect_status(get(w, "QuestionnaireResponse/r1"), 200);
    assert_at(w, &a, "questionnaire", "urn:uuid:q");
    assert_at(w, &a, "extension.0.valueUri", target.bytes);
    assert_contains(text_at(w, &a, "text.div"), target.bytes);
}

static void a_full_url_names_no_version_and_no_two_entries(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("transaction", POST_ENTRY("http://x/Patient/1/_history/2", "Patient", ""))),
        400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "must not name a version");
    expect_status(post(w, "",
                       BUNDLE("transaction",
                              POST_ENTRY("urn:uuid:1", "Patient", "") ","
                              POST_ENTRY("urn:uuid:1", "Patient", ""))),
                  400);
}

/* ---- batch ---- */

static void each_entry_of_a_batch_passes_or_fails_alone(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("batch",
                    PUT_ENTRY("Patient", "p1", "") "," PUT_ENTRY(
                        "Foo", "f",
                        "") ","
                            "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p1\"},"
                            "\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p2\"}},"
                            "7,{\"request\":{\"method\":\"PATCH\",\"url\":\"Patient/p1\"}},"
                            "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p3\"},"
                            "\"request\":{\"method\":\"PUT\",\"url\":\"Patient/p3\","
                            "\"ifMatch\":\"W/\\\"1\\\"\"}}," PUT_ENTRY("Patient", "p4", ""))),
        200);
    assert_at(w, &a, "type", "batch-response");
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.1.response.status", "404");
    assert_at(w, &a, "entry.2.response.status", "400");
    assert_contains(text_at(w, &a, "entry.2.response.outcome.issue.0.diagnostics"), "id is");
    assert_at(w, &a, "entry.3.response.status", "400");
    assert_at(w, &a, "entry.4.response.status", "400"); /* a patch without resource */
    assert_at(w, &a, "entry.5.response.status", "412");
    assert_at(w, &a, "entry.6.response.status", "201");
    expect_status(get(w, "Patient/p1"), 200);
    expect_status(get(w, "Patient/p2"), 404);
    expect_status(get(w, "Patient/p3"), 404);
    expect_status(get(w, "Patient/p4"), 200);
}

static void repeated_targets_in_a_batch_are_written_one_after_the_other(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "", REPEATED), 200);
    assert_at(w, &a, "entry.0.response.status", "201");
    assert_at(w, &a, "entry.1.response.status", "200");
    assert_at(w, &a, "entry.1.response.etag", "W/\"2\"");
    assert_at(w, &a, "entry.2.response.status", "204"); /* first in FHIR's order */
    a = expect_status(get(w, "Patient/p1"), 200);
    assert_at(w, &a, "active", "false");
}

static void references_are_not_rewritten_in_a_batch(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "",
                           BUNDLE("batch", POST_ENTRY("urn:uuid:a", "Patient", "") "," PUT_ENTRY(
                                               "Observation", "o1",
                                               ",\"subject\":{\"reference\":\"urn:uuid:a\"}"))),
                      200);
    a = expect_status(get(w, "Observation/o1"), 200);
    assert_at(w, &a, "subject.reference", "urn:uuid:a");
}

static void get_entries_read_vread_search_history_and_operate(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(post(w, "", ALL_READS), 200);
    assert_at(w, &a, "entry.1.resource.id", "p1");
    assert_at(w, &a, "entry.1.response.etag", "W/\"1\"");
    assert_at(w, &a, "entry.2.resource.meta.versionId", "1");
    assert_at(w, &a, "entry.3.resource.type", "searchset");
    assert_int_equal(count_at(&a, "entry.3.resource.entry"), 1);
    assert_at(w, &a, "entry.4.resource.type", "history");
    assert_at(w, &a, "entry.5.resource.total", "1");
    assert_at(w, &a, "entry.6.response.status", "404");
    assert_at(w, &a, "entry.7.response.status", "200");
    assert_false(json_exists(answer_find(&a, "entry.7.resource")));
    assert_at(w, &a, "entry.8.response.status", "400");
}

static void a_get_entry_honours_if_none_match(void **state)
{
    struct world *w = *state;
    expect_status(put(w, "Patient/p1", "{\"resourceType\":\"Patient\",\"id\":\"p1\"}"), 201);
    struct answer a = expect_status(
        post(w, "",
             BUNDLE("batch", "{\"request\":{\"method\":\"GET\",\"url\":\"Patient/p1\","
                             "\"ifNoneMatch\":\"W/\\\"1\\\"\"}}")),
        200);
    assert_at(w, &a, "entry.0.response.status", "304");
    assert_false(json_exists(answer_find(&a, "entry.0.resource")));
}

/* ---- refusals ---- */

static void what_is_no_batch_or_transaction_is_refused_at_the_base(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "", "{\"resourceType\":\"Bundle\",\"type\":\"document\"}"), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "batch or transaction");
    expect_status(post(w, "", "{\"resourceType\":\"Bundle\"}"), 400);
    expect_status(post(w, "", "{\"resourceType\":\"Patient\"}"), 400);
    expect_status(post(w, "", "[]"), 400);
    expect_status(post(w, "", "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":{}}"),
                  400);
    expect_status(ask(w, "POST", "", "Content-Type: text/plain", "{}"), 415);
}

static void bundles_of_every_type_are_stored_as_resources_and_only_two_processed(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *type, *members;
        int at_base;
    } CASES[] = {
        { "document",
          ",'identifier':{'system':'urn:s','value':'1'},'timestamp':'2026-01-01T00:00:00Z',"
          "'entry':[{'fullUrl':'urn:uuid:2ab5a7ae-9d0c-4a6e-b0a8-1b8cf0a7e111','resource':{"
          "'resourceType':'Composition','status':'final','type':{'text':'x'},'date':'2026-01-01',"
          "'author':[{'display':'a'}],'title':'t'}}]",
          400 },
        { "message",
          ",'entry':[{'fullUrl':'urn:uuid:2ab5a7ae-9d0c-4a6e-b0a8-1b8cf0a7e112','resource':{"
          "'resourceType':'MessageHeader','eventCoding':{'system':'urn:e','code':'a'},"
          "'source':{'endpoint':'urn:x'}}}]",
          400 },
        { "collection",
          ",'entry':[{'fullUrl':'urn:uuid:2ab5a7ae-9d0c-4a6e-b0a8-1b8cf0a7e113','resource':{"
          "'resourceType':'Patient','id':'inside'}}]",
          400 },
        { "searchset", ",'total':0", 400 },
        { "history", "", 400 },
        { "batch-response", "", 400 },
        { "transaction-response", "", 400 },
        { "batch", ",'entry':[{'request':{'method':'GET','url':'Patient'}}]", 200 },
        { "transaction", ",'entry':[{'request':{'method':'DELETE','url':'Patient/x'}}]", 200 },
    };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        char *members = arena_copy(&w->arena, slice_cstr(CASES[i].members));
        for (char *c = members; *c; c++)
            *c = *c == '\'' ? '"' : *c;
        struct slice body = arena_printf(
            &w->arena, "{\"resourceType\":\"Bundle\",\"type\":\"%s\"%s}", CASES[i].type, members);
        struct answer a = expect_status(post(w, "Bundle", body.bytes), 201);
        a = expect_status(get(w, arena_printf(&w->arena, "Bundle/%s", text_at(w, &a, "id")).bytes),
                          200);
        assert_at(w, &a, "type", CASES[i].type);
        assert_contains(arena_copy(&w->arena, a.body), members);
        a = expect_status(post(w, "", body.bytes), CASES[i].at_base);
        if (CASES[i].at_base == 400)
            assert_contains(text_at(w, &a, "issue.0.diagnostics"), "[base]/Bundle");
    }
    expect_status(get(w, "Patient/inside"), 404);
}

static void an_empty_bundle_is_answered_with_an_empty_one(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(post(w, "", "{\"resourceType\":\"Bundle\",\"type\":\"transaction\"}"), 200);
    assert_at(w, &a, "type", "transaction-response");
    assert_false(json_exists(answer_find(&a, "entry")));
}

static void malformed_entries_are_named(void **state)
{
    struct world *w = *state;
    static const char *const CASES[] = {
        "null",
        "{}",
        "{\"request\":{\"url\":\"Patient/1\"}}",
        "{\"request\":{\"method\":\"put\",\"url\":\"Patient/1\"}}",
        "{\"request\":{\"method\":\"GET\"}}",
        "{\"request\":{\"method\":\"PUT\",\"url\":\"Patient/1\"}}",
        DO_ENTRY("POST", ""),
        DO_ENTRY("POST", "Patient/_search"),
        "{\"resource\":3,\"request\":{\"method\":\"PUT\",\"url\":\"Patient/1\"}}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(CASES); i++) {
        struct slice body = arena_printf(
            &w->arena, BUNDLE("transaction", PUT_ENTRY("Patient", "p1", "") ",%s"), CASES[i]);
        struct answer a = expect_status(post(w, "", body.bytes), 400);
        assert_at(w, &a, "issue.0.expression.0", "Bundle.entry[1]");
    }
    expect_status(get(w, "Patient/p1"), 404);
}

/* ---- limits ---- */

static struct slice many_entries(struct world *w, const char *type, size_t count, size_t pad)
{
    struct buf body;
    buf_init(&body, (size_t)1 << 28);
    char *filler = arena_raw(&w->arena, pad + 1);
    memset(filler, 'x', pad);
    buf_printf(&body, "{\"resourceType\":\"Bundle\",\"type\":\"%s\",\"entry\":[", type);
    for (size_t i = 0; i < count; i++)
        buf_printf(&body,
                   "%s{\"fullUrl\":\"https://payer.example/fhir/Observation/o%zu\",\"resource\":{"
                   "\"resourceType\":\"Observation\",\"id\":\"o%zu\",\"status\":\"final\","
                   "\"code\":{\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"%zu\"}]},"
                   "\"subject\":{\"reference\":\"Patient/p%zu\"},\"note\":[{\"text\":\"%.*s\"}]},"
                   "\"request\":{\"method\":\"PUT\",\"url\":\"Observation/o%zu\"}}",
                   i ? "," : "", i, i, i % 100, i % 7, (int)pad, filler, i);
    buf_append_cstr(&body, "]}");
    struct slice text = world_copy(w, buf_slice(&body));
    buf_release(&body);
    return text;
}

static void entries_over_the_limit_are_a_422_that_names_limit_and_setting(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(ask_bytes(w, "POST", "", NULL, many_entries(w, "transaction", 101, 1)), 422);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "101");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "limit of a transaction is 100");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "--max-entries");
    expect_status(ask_bytes(w, "POST", "", NULL, many_entries(w, "transaction", 100, 1)), 200);
    expect_status(ask_bytes(w, "POST", "", NULL, many_entries(w, "batch", 500, 1)), 200);
    expect_status(ask_bytes(w, "POST", "", NULL, many_entries(w, "batch", 501, 1)), 422);
}

static void a_bundle_over_its_bytes_is_a_413_that_names_limit_and_setting(void **state)
{
    struct world *w = *state;
    struct slice body = many_entries(w, "batch", 4, 4 * 1024 * 1024);
    struct answer a = expect_status(ask_bytes(w, "POST", "", NULL, body), 413);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "15728640");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "--max-body");
}

static void a_resource_of_a_bundle_has_the_limit_of_a_resource(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(ask_bytes(w, "POST", "", NULL, many_entries(w, "batch", 1, 5 << 20)), 200);
    assert_at(w, &a, "entry.0.response.status", "413");
}

static void a_bundle_of_6240_entries_and_16_7_megabytes_is_one_transaction(void **state)
{
    struct world *w = *state;
    struct slice body = many_entries(w, "transaction", 6240, 2380);
    assert_true(body.length > 16700000);
    size_t before = w->arena.total_bytes;
    struct store_figures first, second;
    store_figures(w->store, &first);
    struct answer a = expect_status(ask_bytes(w, "POST", "", NULL, body), 200);
    store_figures(w->store, &second);
    assert_int_equal(second.commits - first.commits, 1);
    assert_int_equal(count_at(&a, "entry"), 6240);
    assert_at(w, &a, "entry.6239.response.location", "Observation/o6239/_history/1");
    print_message("request arena: %zu MB\n", (w->arena.total_bytes - before) >> 20);
    a = expect_status(get(w, "Observation?code=17&_summary=count"), 200);
    assert_at(w, &a, "total", "63");
}

static void ten_thousand_entries_are_one_transaction_by_default(void **state)
{
    struct world *w = *state;
    struct answer a =
        expect_status(ask_bytes(w, "POST", "", NULL, many_entries(w, "transaction", 10000, 300)),
                      200);
    assert_int_equal(count_at(&a, "entry"), 10000);
    assert_at(w, &a, "entry.9999.response.status", "201");
    a = expect_status(get(w, "Observation?_summary=count"), 200);
    assert_at(w, &a, "total", "10000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_transaction_answers_with_healthlakes_response_entries),
        WORLD_TEST(a_second_equal_transaction_changes_nothing),
        WORLD_TEST(who_prefers_outcomes_is_told_which_puts_changed_nothing),
        WORLD_TEST(entries_run_in_fhirs_order_and_are_answered_in_the_requests),
        WORLD_TEST(a_failing_entry_fails_the_whole_transaction_and_is_named),
        WORLD_TEST(a_stale_if_match_fails_the_whole_transaction_with_412),
        WORLD_TEST(a_condition_that_is_no_string_fails_its_entry),
        WORLD_TEST(duplicate_targets_are_refused_in_a_transaction),
        WORLD_TEST(urn_uuid_references_become_the_new_ids),
        WORLD_TEST(full_urls_of_updates_and_relative_ones_are_rewritten_too),
        WORLD_TEST(uris_and_narrative_links_are_rewritten_but_never_canonicals),
        WORLD_TEST(a_full_url_names_no_version_and_no_two_entries),
        WORLD_TEST(each_entry_of_a_batch_passes_or_fails_alone),
        WORLD_TEST(repeated_targets_in_a_batch_are_written_one_after_the_other),
        WORLD_TEST(references_are_not_rewritten_in_a_batch),
        WORLD_TEST(get_entries_read_vread_search_history_and_operate),
        WORLD_TEST(a_get_entry_honours_if_none_match),
        WORLD_TEST(what_is_no_batch_or_transaction_is_refused_at_the_base),
        WORLD_TEST(bundles_of_every_type_are_stored_as_resources_and_only_two_processed),
        WORLD_TEST(an_empty_bundle_is_answered_with_an_empty_one),
        WORLD_TEST(malformed_entries_are_named),
        HEALTHLAKE_TEST(entries_over_the_limit_are_a_422_that_names_limit_and_setting),
        HEALTHLAKE_TEST(a_bundle_over_its_bytes_is_a_413_that_names_limit_and_setting),
        HEALTHLAKE_TEST(a_resource_of_a_bundle_has_the_limit_of_a_resource),
        WORLD_TEST(a_bundle_of_6240_entries_and_16_7_megabytes_is_one_transaction),
        WORLD_TEST(ten_thousand_entries_are_one_transaction_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
