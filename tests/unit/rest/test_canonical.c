/* Resources that others name by their url, with a business version or without. */
#include "rest/finding.h"

#define Q "http://x.example/Questionnaire/"

/* Two versions of one questionnaire, another, and one that is named by its id. */
static void put_questionnaires(struct world *w)
{
    store(w, "Questionnaire", "one",
          "\"url\":\"" Q "mood\",\"version\":\"1.0\",\"title\":\"Mood\"");
    store(w, "Questionnaire", "two",
          "\"url\":\"" Q "mood\",\"version\":\"2.0\",\"title\":\"Mood again\"");
    store(w, "Questionnaire", "fear", "\"url\":\"" Q "fear\",\"title\":\"Fear\"");
    store(w, "Questionnaire", "own", "\"title\":\"Own\"");
    store(w, "QuestionnaireResponse", "a", "\"questionnaire\":\"" Q "mood|1.0\"");
    store(w, "QuestionnaireResponse", "b", "\"questionnaire\":\"" Q "mood|2.0\"");
    store(w, "QuestionnaireResponse", "c", "\"questionnaire\":\"" Q "mood\"");
    store(w, "QuestionnaireResponse", "d", "\"questionnaire\":\"" Q "fear\"");
    store(w, "QuestionnaireResponse", "e", "\"questionnaire\":\"Questionnaire/own\"");
    store(w, "QuestionnaireResponse", "f", "\"questionnaire\":\"" Q "mood|1.0.1\"");
    store(w, "QuestionnaireResponse", "g", "\"questionnaire\":\"" Q "mood|10\"");
}

static void a_url_is_asked_for_with_and_without_version(void **state)
{
    struct world *w = *state;
    put_questionnaires(w);
    assert_found(w, "Questionnaire?url=" Q "mood", "one two");
    assert_found(w, "Questionnaire?url=" Q "mood|2.0", "two");
    assert_found(w, "Questionnaire?url=" Q "mood|2.0," Q "fear", "two fear");
    assert_found(w, "Questionnaire?url=" Q "mood|2", "");
    assert_found(w, "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=a"
                    "&url=" Q "mood|1.0", "one");
    assert_found(w, "QuestionnaireResponse?questionnaire=" Q "mood", "a b c f g");
    assert_found(w, "QuestionnaireResponse?questionnaire=" Q "mood|1.0", "a");
    assert_found(w, "QuestionnaireResponse?questionnaire:below=" Q "mood", "a b c f g");
    assert_found(w, "QuestionnaireResponse?questionnaire:below=" Q "mood|1", "a f");
    assert_found(w, "QuestionnaireResponse?questionnaire:below=" Q "mood|1.0", "a f");
    assert_refused(w, "QuestionnaireResponse?questionnaire:above=" Q "mood|1", "Type/id");
}

static void chains_follow_urls_and_their_versions(void **state)
{
    struct world *w = *state;
    put_questionnaires(w);
    assert_found(w, "QuestionnaireResponse?questionnaire.title=fear", "d");
    assert_found(w, "QuestionnaireResponse?questionnaire:Questionnaire.title=mood", "a b c");
    assert_found(w, "QuestionnaireResponse?questionnaire.title=mood%20again", "b c");
    assert_found(w, "QuestionnaireResponse?questionnaire.title=own", "e");
    assert_found(w, "QuestionnaireResponse?questionnaire.title=none", "");
    assert_found(w, "QuestionnaireResponse?questionnaire.version=2.0&_sort=-_id", "c b");
    assert_found(w, "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=b", "two");
    assert_found(w, "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=c", "one two");
    assert_found(w, "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=e", "own");
    assert_found(w, "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=f", "");
    struct answer a = expect_status(
        get(w, "QuestionnaireResponse?questionnaire.title=fear&_explain=true"), 200);
    assert_contains(arena_copy(&w->arena, a.body), "canonical url");
}

/* A line of libraries, each of which depends on the one before: by url for 8 levels. */
static void a_chain_goes_by_url_for_eight_levels(void **state)
{
    struct world *w = *state;
    for (int i = 0; i <= 40; i++) {
        struct slice id = arena_printf(&w->arena, "l%d", i);
        struct slice members = arena_printf(
            &w->arena, "\"url\":\"http://x.example/l%d\",\"relatedArtifact\":[{\"type\":"
                       "\"depends-on\",\"resource\":\"http://x.example/l%d\"}]", i, i - 1);
        store(w, "Library", id.bytes, members.bytes);
    }
    struct slice chain = SLICE("depends-on:Library.url=http://x.example/l1");
    for (int levels = 1; levels <= 30; levels++) {
        struct slice id = arena_printf(&w->arena, "l%d", levels + 1);
        struct slice query = arena_printf(&w->arena, "Library?%.*s", SLICE_ARGS(chain));
        assert_found(w, query.bytes, levels <= 8 ? id.bytes : "");
        chain = arena_printf(&w->arena, "depends-on:Library.%.*s", SLICE_ARGS(chain));
    }
}

/* Of documents that are there at the search's time. */
static void chains_by_url_see_what_is_live(void **state)
{
    struct world *w = *state;
    put_questionnaires(w);
    store(w, "QuestionnaireResponse", "h", "\"questionnaire\":\"" Q "fear\"");
    struct answer after = expect_status(get(w, "QuestionnaireResponse/h"), 200);
    struct json meta = answer_find(&after, "meta");
    struct slice asof =
        arena_printf(&w->arena, "QuestionnaireResponse?questionnaire.title=fear&_asof=%.*s",
                        SLICE_ARGS(json_string(json_member(meta, "lastUpdated"), &w->arena)));
    store(w, "Questionnaire", "fear", "\"url\":\"" Q "calm\",\"title\":\"Fear\"");
    assert_found(w, "QuestionnaireResponse?questionnaire.title=fear", "");
    assert_found(w, asof.bytes, "d h");
    store(w, "QuestionnaireResponse", "d", "\"questionnaire\":\"" Q "calm\"");
    assert_found(w, "QuestionnaireResponse?questionnaire.title=fear", "d");
    expect_status(ask(w, "DELETE", "Questionnaire/fear", NULL, NULL), 204);
    assert_found(w, "QuestionnaireResponse?questionnaire.title=fear", "");
}

static void includes_go_by_url(void **state)
{
    struct world *w = *state;
    const char *const by = "_include=QuestionnaireResponse:questionnaire";
    put_questionnaires(w);
    assert_found(w, arena_printf(&w->arena, "QuestionnaireResponse?_id=a&%s", by).bytes, "a one");
    assert_found(w, arena_printf(&w->arena, "QuestionnaireResponse?_id=c&%s", by).bytes,
                 "c one two");
    assert_found(w, "QuestionnaireResponse?_id=d&_include=*", "d fear");
    assert_found(w, "QuestionnaireResponse?_id=e&_include=QuestionnaireResponse:*", "e own");
    assert_found(w, "QuestionnaireResponse?_id=g&_include=*", "g");
    assert_found(w, "Questionnaire?_id=one&_revinclude=QuestionnaireResponse:questionnaire",
                 "one a c");
    assert_found(w, "Questionnaire?_id=own&_revinclude=QuestionnaireResponse:*", "own e");
    store(w, "PlanDefinition", "plan",
          "\"action\":[{\"definitionCanonical\":\"http://x.example/a\"},"
          "{\"definitionUri\":\"http://x.example/b\"}]");
    store(w, "ActivityDefinition", "by-canonical", "\"url\":\"http://x.example/a\"");
    store(w, "ActivityDefinition", "by-uri", "\"url\":\"http://x.example/b\"");
    assert_found(w, "PlanDefinition?_include=PlanDefinition:definition",
                 "plan by-canonical by-uri");
    assert_found(w, "PlanDefinition?_include=PlanDefinition:definition:Questionnaire", "plan");
}

/* _revinclude=Type:* follows every reference of the type. */
static void a_reverse_include_may_name_no_parameter(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "p", "");
    store(w, "Practitioner", "d", "");
    store(w, "Observation", "o", "\"subject\":{\"reference\":\"Patient/p\"},"
                                 "\"performer\":[{\"reference\":\"Practitioner/d\"}]");
    store(w, "Observation", "q", "\"focus\":[{\"reference\":\"Patient/p\"}]");
    store(w, "Condition", "c", "\"subject\":{\"reference\":\"Patient/p\"}");
    assert_found(w, "Patient?_revinclude=Observation:*", "p q o");
    assert_found(w, "Practitioner?_revinclude=Observation:*", "d o");
    assert_found(w, "Patient?_revinclude=Observation:*&_revinclude=Condition:*", "p q o c");
    assert_refused(w, "Patient?_revinclude=*", "no include");
}

static void a_media_type_stands_for_those_with_parameters(void **state)
{
    struct world *w = *state;
#define CONTENT(type) "\"content\":[{\"attachment\":{\"contentType\":\"" type "\"}}]"
    store(w, "DocumentReference", "plain", CONTENT("text/xml"));
    store(w, "DocumentReference", "coded", CONTENT("text/xml; charset=UTF-8"));
    store(w, "DocumentReference", "other", CONTENT("text/xmlx"));
    store(w, "DocumentReference", "image", CONTENT("image/png"));
    assert_found(w, "DocumentReference?contenttype=text/xml", "plain");
    assert_found(w, "DocumentReference?contenttype:below=text/xml", "plain coded");
    assert_found(w, "DocumentReference?contenttype:below=text", "plain coded other");
}

static void a_chain_may_end_in_the_type(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "p", "");
    store(w, "Observation", "o", "\"subject\":{\"reference\":\"Patient/p\"}");
    assert_found(w, "Observation?subject._type=Patient", "o");
    assert_found(w, "Observation?subject.createdAt=gt2000", "o");
    assert_found(w, "Observation?subject:Patient._type=Patient", "o");
    assert_found(w, "Observation?subject:Patient._type=Group", "");
    assert_refused(w, "Observation?subject:Patient._type=Man", "no resource type");
    assert_refused(w, "Patient?_type=Patient", "belongs to a search over all types");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_url_is_asked_for_with_and_without_version),
        WORLD_TEST(chains_follow_urls_and_their_versions),
        WORLD_TEST(a_chain_goes_by_url_for_eight_levels),
        WORLD_TEST(chains_by_url_see_what_is_live),
        WORLD_TEST(includes_go_by_url),
        WORLD_TEST(a_reverse_include_may_name_no_parameter),
        WORLD_TEST(a_media_type_stands_for_those_with_parameters),
        WORLD_TEST(a_chain_may_end_in_the_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
