/* Documents and messages that are stored whole: found by what their first entry says. */
#include "rest/finding.h"

#include "os/clock.h"

#define URN "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
#define CODE(code) "{\"coding\":[{\"system\":\"http://t\",\"code\":\"" code "\"}]}"
#define COMPOSITION(id, code, more)                                                                \
    "{\"resourceType\":\"Composition\",\"id\":\"" id "\",\"status\":\"final\",\"type\":"           \
    CODE(code) more "}"
#define ENTRY(url, resource) "{\"fullUrl\":\"" url "\",\"resource\":" resource "}"
#define SUBJECT(reference) ",\"subject\":{\"reference\":\"" reference "\"}"
#define AUTHOR(reference) ",\"author\":[{\"reference\":\"" reference "\"}]"
#define PERSON(id, family)                                                                         \
    "{\"resourceType\":\"Practitioner\",\"id\":\"" id "\",\"name\":[{\"family\":\"" family "\"}]}"
#define STONE ",\"contained\":[" PERSON("a", "Stone") "," PERSON("z", "Wood") "]"
#define HEADER(id, event)                                                                          \
    "{\"resourceType\":\"MessageHeader\",\"id\":\"" id "\",\"eventCoding\":{\"system\":"           \
    "\"http://e\",\"code\":\"" event "\"}}"

/* a, b: documents; m: a message; c: a Composition that is not first; e: nothing in it. */
static void bundles_store(struct world *w)
{
    store(w, "Patient", "p", "\"name\":[{\"family\":\"River\"}]");
    store(w, "Practitioner", "q", "\"name\":[{\"family\":\"Stone\"}]");
    store(w, "Composition", "one", "\"type\":" CODE("plan") SUBJECT("Patient/other"));
    store(w, "Bundle", "a",
          "\"type\":\"document\",\"entry\":[" ENTRY(
              URN, COMPOSITION("one", "letter", STONE SUBJECT("Patient/p") AUTHOR("#a"))) ","
          ENTRY("http://x/Composition/two", COMPOSITION("two", "report", "")) "]");
    store(w, "Bundle", "b",
          "\"type\":\"document\",\"entry\":[" ENTRY(
              "http://x/Composition/three",
              COMPOSITION("three", "report", SUBJECT("Patient/o") AUTHOR("Practitioner/q"))) "]");
    store(w, "Bundle", "m",
          "\"type\":\"message\",\"entry\":[" ENTRY("http://x/MessageHeader/h",
                                                   HEADER("h", "admin-notify")) "]");
    store(w, "Bundle", "c",
          "\"type\":\"collection\",\"entry\":[" ENTRY(
              "http://x/Patient/p", "{\"resourceType\":\"Patient\",\"id\":\"p\"}") ","
          ENTRY("http://x/Composition/four", COMPOSITION("four", "letter", "")) "]");
    store(w, "Bundle", "e", "\"type\":\"document\"");
}

static void documents_are_found_by_their_composition(void **state)
{
    struct world *w = *state;
    bundles_store(w);
    assert_found(w, "Bundle?composition.type=letter", "a");
    assert_found(w, "Bundle?composition:Composition.type=http://t|report", "b");
    assert_found(w, "Bundle?composition.patient=Patient/p", "a");
    assert_found(w, "Bundle?composition.patient=Patient/o&composition.type=report", "b");
    assert_found(w, "Bundle?composition.status=final", "a b");
    assert_found(w, "Bundle?composition.status=final&_count=1&_sort=-_id", "b");
    assert_found(w, "Bundle?composition.type:not=letter", "b");
    assert_found(w, "Bundle?composition.type:missing=false", "a b");
    assert_found(w, "Bundle?composition.title:missing=true", "a b");
    assert_found(w, "Bundle?type=document&composition.type=letter,report", "a b");
    assert_found(w, "Bundle?composition._id=three", "b");
    assert_found(w, "Bundle?_filter=composition.type eq report", "b");
    /* not by the Composition of that id that the store has too */
    assert_found(w, "Bundle?composition.type=plan", "");
    assert_found(w, "Bundle?composition.patient=Patient/other", "");
    assert_refused(w, "Bundle?composition.event=x&composition:Patient.name=x", "Patient");
}

static void messages_are_found_by_their_header(void **state)
{
    struct world *w = *state;
    bundles_store(w);
    assert_found(w, "Bundle?message.event=admin-notify", "m");
    assert_found(w, "Bundle?message:MessageHeader.event=http://e|admin-notify", "m");
    assert_found(w, "Bundle?message.event=other", "");
    assert_found(w, "Bundle?message.event:not=other", "m");
}

static void chains_go_on_from_there(void **state)
{
    struct world *w = *state;
    bundles_store(w);
    store(w, "MessageHeader", "f", "\"focus\":[{\"reference\":\"Bundle/a\"}]");
    assert_found(w, "Bundle?composition.patient.name=river", "a");
    assert_found(w, "Bundle?composition:Composition.author:Practitioner.name=stone", "a b");
    assert_found(w, "Bundle?composition.author:Practitioner.name=wood", "");
    assert_found(w, "MessageHeader?focus:Bundle.composition.type=letter", "f");
    assert_found(w, "MessageHeader?focus:Bundle.composition.patient.name=river", "f");
    assert_found(w, "MessageHeader?focus:Bundle.composition.type=report", "");
    assert_found(w, "Bundle?_has:MessageHeader:focus:_id=f&composition.status=final", "a");
    expect_status(ask(w, "DELETE", "Practitioner/q", NULL, NULL), 204);
    assert_found(w, "Bundle?composition.author:Practitioner.name=stone", "a");
}

static void the_entry_is_named_by_its_url_or_its_id(void **state)
{
    struct world *w = *state;
    bundles_store(w);
    assert_found(w, "Bundle?composition=one", "a");
    assert_found(w, "Bundle?composition=Composition/one,Composition/three", "a b");
    assert_found(w, "Bundle?composition:Composition=three", "b");
    assert_found(w, "Bundle?composition=" URN, "a");
    assert_found(w, "Bundle?composition=http://x/Composition/three", "b");
    assert_found(w, "Bundle?composition=two,four,h,p", "");
    assert_found(w, "Bundle?message=h", "m");
    assert_found(w, "Bundle?message=http://x/MessageHeader/h", "m");
    assert_found(w, "Bundle?composition:missing=false", "a b");
    assert_found(w, "Bundle?composition:missing=true", "m c e");
    assert_found(w, "Bundle?message:missing=false", "m");
}

static void entries_are_not_contained(void **state)
{
    struct world *w = *state;
    bundles_store(w);
    assert_found(w, "Composition?_contained=true", "");
    assert_found(w, "Composition?_contained=both&type=letter,plan", "one");
    assert_found(w, "Practitioner?_contained=true&name=stone", "");
    assert_found(w, "Composition?type=letter,report", "");
    assert_found(w, "Patient/p/Composition", "");
    assert_found(w, "Composition?patient=Patient/p", "");
}

static void they_follow_updates_and_restarts(void **state)
{
    struct world *w = *state;
    bundles_store(w);
    struct answer a = get(w, "Bundle/a");
    struct slice before = arena_printf(&w->arena, "Bundle?composition.type=letter&_asof=%s",
                                       text_at(w, &a, "meta.lastUpdated"));
    store(w, "Bundle", "a",
          "\"type\":\"document\",\"entry\":[" ENTRY(URN, COMPOSITION("one", "note", "")) "]");
    assert_found(w, "Bundle?composition.type=letter", "");
    assert_found(w, "Bundle?composition.type=note", "a");
    assert_found(w, before.bytes, "a");
    world_close(w);
    world_open(w);
    assert_found(w, "Bundle?composition.type=note", "a");
    assert_found(w, "Bundle?composition.type=report", "b");
}

static void odd_bundles_are_no_harm(void **state)
{
    struct world *w = *state;
    store(w, "Bundle", "a", "\"entry\":{\"resource\":" COMPOSITION("x", "letter", "") "}");
    store(w, "Bundle", "b", "\"entry\":[null,{\"resource\":" COMPOSITION("x", "letter", "") "}]");
    store(w, "Bundle", "c", "\"entry\":[{\"resource\":[" COMPOSITION("x", "letter", "") "]}]");
    store(w, "Bundle", "d", "\"entry\":[{\"resource\":{\"resourceType\":\"Nothing\"}}]");
    store(w, "Bundle", "e",
          "\"entry\":[{\"fullUrl\":7,\"resource\":{\"resourceType\":\"Composition\",\"id\":9,"
          "\"type\":" CODE("letter") AUTHOR("#") "}}]");
    store(w, "Bundle", "f",
          "\"contained\":[" COMPOSITION("x", "letter", "") "],"
          "\"entry\":[" ENTRY("#x", COMPOSITION("", "report", AUTHOR("#x"))) "]");
    store(w, "Bundle", "g",
          "\"entry\":[{\"resource\":{\"resourceType\":\"Bundle\",\"entry\":[" ENTRY(
              URN, COMPOSITION("x", "letter", "")) "]}}]");
    /* one element for an array of one, and null for no element */
    assert_found(w, "Bundle?composition=x", "a b");
    assert_found(w, "Bundle?composition.type=letter", "a b c e");
    assert_found(w, "Bundle?composition.author._id=x", "");
    assert_found(w, "Bundle?composition.type=report", "f");
    assert_found(w, "Bundle?composition._id=9", "");
}

/* The store has no terms of what they select: chains lead to its own resources. */
static void own_parameters_name_any_entry(void **state)
{
    struct world *w = *state;
    struct answer a = put(
        w, "SearchParameter/inside",
        "{\"resourceType\":\"SearchParameter\",\"id\":\"inside\",\"url\":\"http://x/inside\","
        "\"name\":\"N\",\"status\":\"active\",\"description\":\"d\",\"code\":\"inside\","
        "\"base\":[\"Bundle\"],\"type\":\"reference\",\"target\":[\"Composition\"],"
        "\"expression\":\"Bundle.entry.resource\"}");
    assert_int_equal(a.status, 201);
    bundles_store(w);
    for (int i = 0; i < 5000 && get(w, "Bundle?inside=four").status == 503; i++)
        os_sleep_us(1000);
    assert_found(w, "Bundle?inside=four", "c");
    assert_found(w, "Bundle?inside=" URN, "a");
    assert_found(w, "Bundle?inside=h,p", "");
    assert_found(w, "Bundle?inside:missing=true", "m e");
    assert_found(w, "Bundle?inside.type=plan", "a");
    assert_found(w, "Bundle?inside.type=letter", "");
    assert_found(w, "Composition?_contained=true", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(documents_are_found_by_their_composition),
        WORLD_TEST(messages_are_found_by_their_header),
        WORLD_TEST(chains_go_on_from_there),
        WORLD_TEST(the_entry_is_named_by_its_url_or_its_id),
        WORLD_TEST(entries_are_not_contained),
        WORLD_TEST(they_follow_updates_and_restarts),
        WORLD_TEST(odd_bundles_are_no_harm),
        WORLD_TEST(own_parameters_name_any_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
