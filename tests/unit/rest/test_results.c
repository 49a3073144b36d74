/* What of the matches an answer shows: _summary, _elements, Prefer, _asof. */
#include "rest/world.h"

#include "base/buf.h"

static const char patient[] =
    "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"meta\":{\"tag\":[{\"code\":\"mine\"}]},"
    "\"text\":{\"status\":\"generated\",\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">"
    "x</div>\"},\"extension\":[{\"url\":\"http://x\",\"valueCode\":\"a\"}],"
    "\"name\":[{\"family\":\"Berg\",\"extension\":[{\"url\":\"http://x\",\"valueCode\":\"b\"}]}],"
    "\"_birthDate\":{\"extension\":[{\"url\":\"http://x\",\"valueCode\":\"c\"}]},"
    "\"birthDate\":\"1970-01-01\",\"maritalStatus\":{\"text\":\"m\"},"
    "\"contact\":[{\"gender\":\"male\"}],\"communication\":[{\"language\":{\"text\":\"de\"}}],"
    "\"link\":[{\"other\":{\"reference\":\"Patient/p2\"},\"type\":\"refer\"}]}";

static const char observation[] =
    "{\"resourceType\":\"Observation\",\"id\":\"o1\",\"status\":\"final\","
    "\"code\":{\"text\":\"c\"},\"subject\":{\"reference\":\"Patient/p1\"},"
    "\"valueSampledData\":{\"origin\":{\"value\":1},\"period\":1,\"dimensions\":1,\"data\":\"1\"},"
    "\"note\":[{\"text\":\"n\"}],"
    "\"component\":[{\"code\":{\"text\":\"k\"},\"valueString\":\"v\","
    "\"referenceRange\":[{\"text\":\"r\"}]}]}";

static void fill(struct world *w)
{
    assert_int_equal(put(w, "Patient/p1", patient).status, 201);
    assert_int_equal(put(w, "Observation/o1", observation).status, 201);
}

/* The members of entry 0's resource, as "id,meta,name". */
static const char *members(struct world *w, const char *target, const char *path)
{
    struct answer a = expect_status(get(w, target), 200);
    struct json object = *path ? answer_find(&a, path) : json_root(&a.doc);
    struct buf out;
    buf_init(&out, 4096);
    for (struct json key = json_first(object); json_exists(key);
         key = json_next(object, json_value(key))) {
        if (out.length)
            buf_append_byte(&out, ',');
        buf_append(&out, json_string_raw(key));
    }
    buf_append_byte(&out, '\0');
    const char *text = arena_copy(&w->arena, buf_slice(&out));
    buf_release(&out);
    return text;
}

static void a_summary_has_the_marked_and_the_mandatory_elements(void **state)
{
    struct world *w = *state;
    fill(w);
    assert_string_equal(members(w, "Patient?_summary=true", "entry.0.resource"),
                        "resourceType,id,meta,name,birthDate,link");
    assert_string_equal(members(w, "Patient?_summary=true", "entry.0.resource.name.0"), "family");
    assert_string_equal(members(w, "Observation?_summary=true", "entry.0.resource"),
                        "resourceType,id,meta,status,code,subject,valueSampledData,component");
    assert_string_equal(
        members(w, "Observation?_summary=true", "entry.0.resource.valueSampledData"),
        "origin,period,dimensions");
    assert_string_equal(members(w, "Observation?_summary=true", "entry.0.resource.component.0"),
                        "code,valueString");
    assert_string_equal(members(w, "Patient?_summary=text", "entry.0.resource"),
                        "resourceType,id,meta,text");
    assert_string_equal(members(w, "Observation?_summary=text", "entry.0.resource"),
                        "resourceType,id,meta,status,code");
    assert_string_equal(members(w, "Patient?_summary=data", "entry.0.resource"),
                        "resourceType,id,meta,extension,name,_birthDate,birthDate,maritalStatus,"
                        "contact,communication,link");
}

static void elements_are_those_named_and_the_mandatory_ones(void **state)
{
    struct world *w = *state;
    fill(w);
    assert_string_equal(members(w, "Patient?_elements=birthDate,Patient.name,nothing",
                                "entry.0.resource"),
                        "resourceType,id,meta,name,_birthDate,birthDate");
    assert_string_equal(members(w, "Observation?_elements=value", "entry.0.resource"),
                        "resourceType,id,meta,status,code,valueSampledData");
    /* What is included is whole. */
    const char *target = "Observation?_elements=status&_include=Observation:subject";
    assert_string_equal(members(w, target, "entry.0.resource"),
                        "resourceType,id,meta,status,code");
    struct answer a = expect_status(get(w, target), 200);
    assert_at(w, &a, "entry.1.search.mode", "include");
    assert_at(w, &a, "entry.1.resource.maritalStatus.text", "m");
    assert_at(w, &a, "entry.1.resource.meta.tag.1.code", "");
    expect_status(get(w, "Patient?_elements=name&_summary=true"), 400);
    expect_status(get(w, "Patient?_elements="), 400);
    expect_status(get(w, "Patient?_elements=name&_elements=id"), 400);
    expect_status(get(w, "Patient?_summary=some"), 400);
    expect_status(get(w, "Observation?_summary=text&_include=Observation:subject"), 400);
}

static void a_part_is_tagged_subsetted_once_and_a_whole_is_not(void **state)
{
    struct world *w = *state;
    fill(w);
    struct answer a = expect_status(get(w, "Patient?_summary=true"), 200);
    assert_at(w, &a, "entry.0.resource.meta.versionId", "1");
    assert_at(w, &a, "entry.0.resource.meta.tag.0.code", "mine");
    assert_at(w, &a, "entry.0.resource.meta.tag.1.code", "SUBSETTED");
    assert_at(w, &a, "entry.0.resource.meta.tag.1.system",
              "http://terminology.hl7.org/CodeSystem/v3-ObservationValue");
    a = expect_status(get(w, "Patient?_summary=false"), 200);
    assert_int_equal(count_at(&a, "entry.0.resource.meta.tag"), 1);
    assert_int_equal(put(w, "Patient/p3", "{\"resourceType\":\"Patient\",\"id\":\"p3\",\"meta\":"
                                          "{\"tag\":[{\"code\":\"SUBSETTED\"}]}}")
                         .status,
                     201);
    a = expect_status(get(w, "Patient/p3?_summary=true"), 200);
    assert_int_equal(count_at(&a, "meta.tag"), 1);
}

static void reads_and_histories_take_them_too(void **state)
{
    struct world *w = *state;
    fill(w);
    assert_string_equal(members(w, "Patient/p1?_elements=name", ""), "resourceType,id,meta,name");
    assert_string_equal(members(w, "Patient/p1/_history/1?_summary=text", ""),
                        "resourceType,id,meta,text");
    assert_string_equal(members(w, "Patient/p1/_history?_elements=name&_count=1",
                                "entry.0.resource"),
                        "resourceType,id,meta,name");
    expect_status(get(w, "Patient/p1?_summary=count"), 400);
    struct answer a = expect_status(get(w, "Patient/p1/_history?_summary=true"), 200);
    assert_string_equal(link_of(w, &a, "self"), "Patient/p1/_history?_summary=true");
    assert_at(w, &a, "total", "1");
}

static void lenient_passes_over_unknown_parameters_and_says_so(void **state)
{
    struct world *w = *state;
    fill(w);
    expect_status(get(w, "Patient?nme=x&birthdate=1970"), 400);
    struct answer a = expect_status(ask(w, "GET", "Patient?nme=x&birthdate=1970",
                                        "Prefer: return=minimal, handling=lenient", NULL),
                                    200);
    assert_string_equal(link_of(w, &a, "self"), "Patient?birthdate=1970");
    assert_int_equal(count_at(&a, "entry"), 2);
    assert_at(w, &a, "entry.0.resource.id", "p1");
    assert_at(w, &a, "entry.1.search.mode", "outcome");
    assert_at(w, &a, "entry.1.resource.issue.0.severity", "warning");
    assert_contains(text_at(w, &a, "entry.1.resource.issue.0.diagnostics"), "'nme'");
    assert_contains(text_at(w, &a, "entry.1.resource.issue.0.diagnostics"), "'name'");
    /* Modifiers and values are not passed over. */
    expect_status(ask(w, "GET", "Patient?name:nothing=x", "Prefer: handling=lenient", NULL), 400);
    expect_status(ask(w, "GET", "Patient?birthdate=x", "Prefer: handling=lenient", NULL), 400);
    a = expect_status(ask(w, "GET", "Patient?nme=x", "Prefer: handling=strict", NULL), 400);
}

static void as_of_an_instant_is_what_was_there_then(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "Patient?_asof=2000-01-01"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
    fill(w);
    a = expect_status(get(w, "Patient/p1"), 200);
    const char *then = text_at(w, &a, "meta.lastUpdated");
    assert_int_equal(put(w, "Patient/p1", "{\"resourceType\":\"Patient\",\"id\":\"p1\","
                                          "\"birthDate\":\"1980-01-01\"}")
                         .status,
                     200);
    assert_int_equal(ask(w, "DELETE", "Observation/o1", NULL, NULL).status, 204);
    struct slice target = arena_printf(&w->arena, "Patient?birthdate=1970&_asof=%s", then);
    a = expect_status(get(w, target.bytes), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
    assert_at(w, &a, "entry.0.resource.meta.versionId", "1");
    /* The link is for another time of day the same question. */
    a = expect_status(get(w, link_of(w, &a, "self")), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
    a = expect_status(get(w, "Patient?birthdate=1970"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
    target = arena_printf(&w->arena, "Patient/p1/$everything?_asof=%s", then);
    a = expect_status(get(w, target.bytes), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
    assert_at(w, &a, "entry.0.resource.birthDate", "1970-01-01");
    expect_status(get(w, "Patient/p1/$everything?_asof=2000-01-01"), 404);
    expect_status(get(w, "Patient?_asof=soon"), 400);
    a = expect_status(get(w, "Patient?_asof=9000-01-01"), 200);
    assert_int_equal(count_at(&a, "entry"), 1);
}

static void explain_shows_each_step_with_its_figures(void **state)
{
    struct world *w = *state;
    fill(w);
    struct answer a = expect_status(
        get(w, "Observation?subject:Patient.name=be&status=final&_explain=true"), 200);
    assert_int_equal(count_at(&a, "entry"), 2);
    assert_at(w, &a, "entry.1.search.mode", "outcome");
    assert_at(w, &a, "entry.1.resource.resourceType", "OperationOutcome");
    assert_contains(text_at(w, &a, "entry.1.resource.issue.0.diagnostics"), "the page: 1 matches");
    assert_contains(text_at(w, &a, "entry.1.resource.issue.1.diagnostics"),
                    "all of these, the rarest first: 1 documents");
    assert_contains(text_at(w, &a, "entry.1.resource.issue.2.diagnostics"),
                    "Observation.subject refers to one of these: asked of each of 1 documents");
    assert_contains(text_at(w, &a, "entry.1.resource.issue.3.diagnostics"),
                    "    Patient.name: values that begin with 'tbe': asked of each of 1 documents");
    assert_at(w, &a, "entry.1.resource.issue.3.extension.0.url", "urn:tarn:explain");
    assert_at(w, &a, "entry.1.resource.issue.3.extension.0.extension.1.valueString",
              "Patient.name: values that begin with 'tbe'");
    a = expect_status(get(w, "Observation?subject:Patient.name=be&_explain=true"), 200);
    assert_contains(text_at(w, &a, "entry.1.resource.issue.1.diagnostics"),
                    "Observation.subject refers to one of these: 1 documents");
    assert_contains(text_at(w, &a, "entry.1.resource.issue.2.diagnostics"),
                    "  Patient.name: values that begin with 'tbe': 1 documents");
    expect_status(get(w, "Observation?_explain=perhaps"), 400);
}

static void a_search_past_its_budget_names_the_step(void **state)
{
    struct world *w = *state;
    fill(w);
    w->behaviour.limits.search_budget = 100;
    world_close(w);
    world_open(w);
    expect_status(get(w, "Observation?status=final"), 200);
    for (size_t i = 0; i < 200; i++) {
        struct slice id = arena_printf(&w->arena, "x%zu", i);
        struct slice target = arena_printf(&w->arena, "Patient/%s", id.bytes);
        struct slice body = arena_printf(&w->arena, "{\"resourceType\":\"Patient\",\"id\":\"%s\","
                                                    "\"name\":[{\"family\":\"fam%zu\"}]}",
                                         id.bytes, i);
        assert_int_equal(put(w, target.bytes, body.bytes).status, 201);
    }
    struct answer a = expect_status(get(w, "Patient?family=fam"), 400);
    assert_at(w, &a, "issue.0.code", "too-costly");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "search-budget");
    assert_contains(text_at(w, &a, "issue.0.diagnostics"),
                    "Patient.family: values that begin with 'tfam'");
    /* A page would ask the few observations that there are. */
    a = expect_status(get(w, "Observation?subject:Patient.family=fam&_summary=count"), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "Patient.family");
}

static void a_search_past_its_memory_names_the_setting(void **state)
{
    struct world *w = *state;
    fill(w);
    w->behaviour.limits.search_memory = 10000;
    world_close(w);
    world_open(w);
    static const char *const ASKED[] = { "Observation?status=final", "Observation?_sort=date",
                                         "Observation?status=final&_summary=count" };
    for (size_t i = 0; i < ARRAY_COUNT(ASKED); i++) {
        struct answer a = get(w, ASKED[i]);
        assert_int_equal(a.status, 413);
        assert_at(w, &a, "issue.0.code", "too-costly");
        assert_contains(text_at(w, &a, "issue.0.diagnostics"), "search-memory");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_summary_has_the_marked_and_the_mandatory_elements),
        WORLD_TEST(elements_are_those_named_and_the_mandatory_ones),
        WORLD_TEST(a_part_is_tagged_subsetted_once_and_a_whole_is_not),
        WORLD_TEST(reads_and_histories_take_them_too),
        WORLD_TEST(lenient_passes_over_unknown_parameters_and_says_so),
        WORLD_TEST(as_of_an_instant_is_what_was_there_then),
        WORLD_TEST(explain_shows_each_step_with_its_figures),
        WORLD_TEST(a_search_past_its_budget_names_the_step),
        WORLD_TEST(a_search_past_its_memory_names_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
