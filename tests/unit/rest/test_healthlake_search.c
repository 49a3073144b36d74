/* Searches under --behave healthlake: what its documentation says, sentence by sentence
 * (docs/compatibility.md), and the lags. */
#include "rest/finding.h"

#include <time.h>

static void people_store(struct world *w)
{
    store(w, "Patient", "a",
          "\"name\":[{\"family\":\"Smith\",\"given\":[\"Anna\"]}],"
          "\"address\":[{\"city\":\"Boston\"}],\"birthDate\":\"1970-01-01\"");
    store(w, "Patient", "b",
          "\"name\":[{\"family\":\"smithers\",\"given\":[\"\u00c9mile\"]}],"
          "\"address\":[{\"city\":\"boston\"}],\"birthDate\":\"1980-01-01\"");
    store(w, "Patient", "c", "\"name\":[{\"family\":\"Smithson\"}],\"active\":true");
}

static void strings_are_case_sensitive(void **state)
{
    struct world *w = *state;
    people_store(w);
    assert_found(w, "Patient?family=Smith", "a c");
    assert_found(w, "Patient?family=smith", "b");
    assert_found(w, "Patient?family=SMITH", "");
    assert_found(w, "Patient?name=Smith,smith", "a b c");
    assert_found(w, "Patient?given=%C3%89mi", "b");
    assert_found(w, "Patient?given=Emi", "");
    assert_found(w, "Patient?family:contains=mith", "a b c");
    assert_found(w, "Patient?family:contains=mithE", "");
    assert_found(w, "Patient?family:contains=Smith", "a c");
    assert_found(w, "Patient?family:exact=Smith", "a");
    assert_found(w, "Patient?address=boston", "b");
    assert_found(w, "Patient?address-city=Boston", "a");
    assert_found(w, "Patient?family=Smith&_total=accurate", "a c");
}

/* The index keeps the head of what is longer, and a hash. */
static void long_strings_are_compared_as_far_as_they_are_kept(void **state)
{
    struct world *w = *state;
    char name[701], members[800];
    for (size_t i = 0; i < 700; i++)
        name[i] = (char)(i % 2 ? 'a' : 'B');
    name[700] = '\0';
    snprintf(members, sizeof members, "\"name\":[{\"text\":\"%s\"}]", name);
    store(w, "Patient", "p", members);
    struct slice prefix = arena_printf(&w->arena, "Patient?name=%.*s", 470, name);
    assert_found(w, prefix.bytes, "p");
    prefix = arena_printf(&w->arena, "Patient?name=%.*s", 470, name + 1);
    assert_found(w, prefix.bytes, "");
    prefix = arena_printf(&w->arena, "Patient?name:exact=%s", name);
    assert_found(w, prefix.bytes, "p");
    assert_found(w, "Patient?name:contains=BaBa", "p");
}

static void parameters_it_does_not_have_are_refused_by_name(void **state)
{
    struct world *w = *state;
    assert_refused(w, "Bundle?composition=Composition/1", "composition");
    assert_refused(w, "Bundle?identifier=1", "identifier");
    assert_refused(w, "Bundle?message=MessageHeader/1", "message");
    assert_refused(w, "Bundle?type=document", "type");
    assert_refused(w, "Bundle?timestamp=2020", "timestamp");
    assert_refused(w, "Location?near=1|1", "near");
    assert_refused(w, "Consent?source-reference=Contract/1", "source-reference");
    assert_refused(w, "Contract?patient=Patient/1", "patient");
    assert_refused(w, "Patient?_content=x", "_content");
    assert_refused(w, "Patient?_query=x", "_query");
    assert_refused(w, "Patient?_list=1", "_list");
    assert_refused(w, "Patient?_filter=active%20eq%20true", "_filter");
    assert_refused(w, "Patient?_contained=false", "_contained");
    assert_refused(w, "Patient?nme=x", "nme");
    assert_found(w, "Observation?patient=Patient/1&_text=x", "");
    assert_refused(w, "Observation?subject:Patient._content=x", "_content");
    struct answer a = expect_status(get(w, "metadata"), 200);
    assert_null(strstr(arena_copy(&w->arena, a.body), "\"name\":\"near\""));
}

static void modifiers_and_prefixes_are_those_it_documents(void **state)
{
    struct world *w = *state;
    people_store(w);
    assert_found(w, "Patient?birthdate:missing=true", "c");
    assert_found(w, "Patient?active:not=true", "a b");
    assert_refused(w, "Patient?family:text=x", "Unknown modifier ':text'");
    assert_refused(w, "Patient?identifier:of-type=a|b|c", ":of-type");
    assert_refused(w, "Observation?code:in=http://vs", ":in");
    assert_refused(w, "Observation?code:not-in=http://vs", ":not-in");
    assert_refused(w, "Observation?code:above=a|b", ":above");
    assert_refused(w, "Observation?code:below=a|b", ":below");
    assert_refused(w, "ValueSet?url:above=http://x/y", ":above");
    assert_refused(w, "Encounter?location:below=Location/1", ":below");
    assert_found(w, "ValueSet?url:below=http://x/y", "");
    assert_found(w, "Observation?code:text=x&subject:identifier=1&subject:Patient=1", "");
    assert_found(w, "Patient?birthdate=sa1975", "b");
    assert_refused(w, "Patient?birthdate=ap1975", "ap1975");
    assert_refused(w, "Observation?value-quantity=ap5", "ap5");
}

static void a_bare_token_is_a_code_or_a_system(void **state)
{
    struct world *w = *state;
    store(w, "Observation", "o",
          "\"code\":{\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"1-8\"}]}");
    assert_found(w, "Observation?code=1-8", "o");
    assert_found(w, "Observation?code=http://loinc.org", "o");
    assert_found(w, "Observation?code=http://snomed.info/sct", "");
}

static void results_are_asked_for_as_it_documents(void **state)
{
    struct world *w = *state;
    people_store(w);
    assert_refused(w, "Patient?_total=estimate", "none, accurate");
    assert_refused(w, "Patient?_summary=count", "count");
    assert_refused(w, "Patient?_summary=text&_elements=name", "_elements and _summary");
    assert_refused(w, "Patient?_sort=name", "nested element");
    assert_refused(w, "Patient?_sort=family", "nested element");
    assert_refused(w, "Patient?_sort=address", "nested element");
    assert_refused(w, "Patient?_sort=_score", "_score");
    assert_refused(w, "Patient?_sort=_id,birthdate,active,gender,identifier,-birthdate", "5 keys");
    assert_found(w, "Patient?_sort=birthdate,active,gender,identifier,-_id", "a b c");
    assert_found(w, "Patient?_sort=-_id", "c b a");
    assert_found(w, "Observation?_sort=code,-date,subject,value-quantity", "");
    assert_found(w, "ValueSet?_sort=title,url", "");
    assert_refused(w, "Patient?_revinclude:iterate=Observation:patient", ":iterate");
    assert_found(w, "Patient?_include:iterate=Patient:organization&_revinclude=Observation:patient",
                 "a b c");
    struct answer a = get(w, "Patient");
    assert_at(w, &a, "total", "");
}

static void more_than_a_hundred_at_a_level_of_a_chain_are_refused(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 101; i++) {
        struct slice id = arena_printf(&w->arena, "p%d", i);
        store(w, "Patient", id.bytes,
              i < 100 ? "\"name\":[{\"family\":\"Some\",\"given\":[\"One\"]}]"
                      : "\"name\":[{\"family\":\"Some\"}]");
    }
    store(w, "Observation", "o", "\"subject\":{\"reference\":\"Patient/p7\"}");
    assert_found(w, "Observation?subject:Patient.given=One", "o");
    assert_refused(w, "Observation?subject:Patient.name=Some", "join-matches");
    assert_refused(w, "Observation?_id=o&subject:Patient.name=Some", "join-matches");
    assert_found(w, "Patient?_has:Observation:patient:_id=o", "p7");
}

static void a_page_belongs_to_its_count(void **state)
{
    struct world *w = *state;
    people_store(w);
    struct answer a = expect_status(get(w, "Patient?_count=2"), 200);
    const char *next = link_of(w, &a, "next");
    assert_non_null(next);
    assert_found(w, next, "c");
    const char *page = strstr(next, "page=");
    struct slice other = arena_printf(&w->arena, "Patient?_count=1&%s", page);
    assert_refused(w, other.bytes, "Invalid pagination token.");
    other = arena_printf(&w->arena, "Patient?%s", page);
    assert_refused(w, other.bytes, "Invalid pagination token.");
    a = get(w, "Patient?family=Smith");
    assert_string_equal(link_of(w, &a, "self"), "Patient?family=Smith&_count=100");
}

static void created_at_is_the_instant_of_the_first_version(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "a", "\"active\":true");
    store(w, "Patient", "b", "\"active\":true");
    struct answer a = get(w, "Patient/b");
    const char *b = text_at(w, &a, "meta.lastUpdated");
    store(w, "Patient", "a", "\"active\":false");
    store(w, "Patient", "c", "");
    store(w, "Patient", "b", "\"active\":false");
    store(w, "Patient", "a", "");
    const struct {
        const char *query, *found;
    } cases[] = {
        { "createdAt=%s", "b" },          { "createdAt=lt%s", "a" },  { "createdAt=gt%s", "c" },
        { "createdAt=ge%s", "c b" },      { "createdAt=le%s", "b a" }, { "createdAt=ne%s", "c a" },
        { "createdAt=ge%s&_sort=_id", "b c" }, { "_lastUpdated=%s", "" },
        { "createdAt=%s&active=true", "" },
        { "createdAt=sa%s", "c" },        { "createdAt=eb%s", "a" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buf target;
        buf_init(&target, 1000);
        const char *split = strstr(cases[i].query, "%s");
        buf_printf(&target, "Patient?%.*s%s%s", (int)(split - cases[i].query), cases[i].query, b,
                   split + 2);
        buf_append_byte(&target, '\0');
        assert_found(w, target.bytes, cases[i].found);
        buf_release(&target);
    }
    assert_found(w, "Patient?createdAt=gt2020&createdAt=lt2999-01", "c b a");
    assert_found(w, "Patient?createdAt=lt2020", "");
    assert_found(w, "Patient?createdAt=gt2999", "");
    assert_refused(w, "Patient?createdAt=yesterday", "createdAt");
    store(w, "Observation", "o", "\"subject\":{\"reference\":\"Patient/a\"}");
    assert_found(w, "Observation?subject:Patient.createdAt=gt2020", "o");
    assert_found(w, "?createdAt=gt2020&_type=Patient,Observation", "c b a o");
    /* after a deletion it begins again */
    expect_status(ask(w, "DELETE", "Patient/a", NULL, NULL), 204);
    store(w, "Patient", "a", "");
    struct slice target = arena_printf(&w->arena, "Patient?createdAt=gt%s", b);
    assert_found(w, target.bytes, "c a");
}

/* ---- lags ---- */

static void lag_set(struct world *w, uint32_t search_ms, uint32_t history_ms)
{
    w->behaviour.search_lag_ms = search_ms;
    w->behaviour.history_lag_ms = history_ms;
    world_close(w);
    world_open(w);
}

static void wait_ms(long ms)
{
    struct timespec time = { .tv_nsec = ms * 1000000 };
    nanosleep(&time, NULL);
}

static void a_search_that_lags_sees_what_is_older(void **state)
{
    struct world *w = *state;
    lag_set(w, 60000, 0);
    store(w, "Patient", "a", "\"active\":true");
    assert_found(w, "Patient?active=true", "");
    assert_found(w, "Patient", "");
    expect_status(get(w, "Patient/a"), 200); /* reads are current */
    expect_status(get(w, "Patient/a/_history"), 200);
    struct answer a = get(w, "Patient?_total=accurate");
    assert_at(w, &a, "total", "0");
    lag_set(w, 30, 0);
    wait_ms(40);
    assert_found(w, "Patient?active=true", "a");
}

static void what_changes_meanwhile_is_left_out_unless_strong(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "a", "\"active\":true");
    store(w, "Patient", "b", "\"active\":true");
    store(w, "Observation", "o", "\"subject\":{\"reference\":\"Patient/a\"}");
    wait_ms(60);
    lag_set(w, 50, 0);
    store(w, "Patient", "a", "\"active\":false");
    assert_found(w, "Patient?active=true", "b");
    assert_found(w, "Patient?active=false", "");
    assert_found(w, "Observation?subject:Patient.active=true", "");
    assert_found(w, "Observation?_id=o&subject:Patient.active=true", "");
    struct answer a = get(w, "Patient?active=true&_total=accurate");
    assert_at(w, &a, "total", "1");
    a = ask(w, "GET", "Patient?active=true&_total=accurate",
            "x-amz-fhir-history-consistency-level: strong", NULL);
    assert_at(w, &a, "total", "2");
    assert_at(w, &a, "entry.0.resource.meta.versionId", "1");
    wait_ms(60);
    assert_found(w, "Patient?active=false", "a");
    assert_found(w, "Patient?active=true", "b");
}

static void a_history_that_lags_is_empty_at_first(void **state)
{
    struct world *w = *state;
    lag_set(w, 0, 60000);
    store(w, "Patient", "a", "\"active\":true");
    struct answer a = expect_status(get(w, "Patient/a/_history"), 200);
    assert_at(w, &a, "total", "0");
    assert_int_equal(count_at(&a, "entry"), 0);
    expect_status(get(w, "Patient/none/_history"), 404);
    expect_status(get(w, "Patient/a/_history/1"), 200);
    a = expect_status(get(w, "_history"), 200);
    assert_int_equal(count_at(&a, "entry"), 0);
    assert_found(w, "Patient", "a");
    lag_set(w, 0, 30);
    wait_ms(40);
    a = expect_status(get(w, "Patient/a/_history"), 200);
    assert_at(w, &a, "total", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HEALTHLAKE_TEST(strings_are_case_sensitive),
        HEALTHLAKE_TEST(long_strings_are_compared_as_far_as_they_are_kept),
        HEALTHLAKE_TEST(parameters_it_does_not_have_are_refused_by_name),
        HEALTHLAKE_TEST(modifiers_and_prefixes_are_those_it_documents),
        HEALTHLAKE_TEST(a_bare_token_is_a_code_or_a_system),
        HEALTHLAKE_TEST(results_are_asked_for_as_it_documents),
        HEALTHLAKE_TEST(more_than_a_hundred_at_a_level_of_a_chain_are_refused),
        HEALTHLAKE_TEST(a_page_belongs_to_its_count),
        WORLD_TEST(created_at_is_the_instant_of_the_first_version),
        WORLD_TEST(a_search_that_lags_sees_what_is_older),
        WORLD_TEST(what_changes_meanwhile_is_left_out_unless_strong),
        WORLD_TEST(a_history_that_lags_is_empty_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
