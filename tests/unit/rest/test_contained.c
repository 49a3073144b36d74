/* Contained resources: chains into them, and searches that find them. */
#include "rest/finding.h"

#define MED(id, code, status)                                                                      \
    "{\"resourceType\":\"Medication\",\"id\":\"" id "\",\"status\":\"" status                      \
    "\",\"code\":{\"coding\":[{\"system\":\"http://m\",\"code\":\"" code "\"}]}}"
#define ORG(id, name) "{\"resourceType\":\"Organization\",\"id\":\"" id "\",\"name\":\"" name "\"}"

/* a: m1 is abc and active, m2 def and inactive, m1 is what it refers to; b: the other
 * way round in one place; c: refers to a Medication of the store; d: contains abc without
 * referring to it from where a chain looks. */
static void requests_store(struct world *w)
{
    store(w, "Organization", "o", "\"name\":\"Works\"");
    store(w, "Medication", "abc",
          "\"status\":\"active\",\"code\":{\"coding\":[{\"system\":\"http://m\","
          "\"code\":\"abc\"}]}");
    store(w, "MedicationRequest", "a",
          "\"contained\":[" MED("m1", "abc", "active") "," MED("m2", "def", "inactive") "],"
          "\"medicationReference\":{\"reference\":\"#m1\"},"
          "\"subject\":{\"reference\":\"Patient/p\"}");
    store(w, "MedicationRequest", "b",
          "\"contained\":[" MED("m1", "abc", "inactive") "],"
          "\"medicationReference\":{\"reference\":\"#m1\"}");
    store(w, "MedicationRequest", "c",
          "\"medicationReference\":{\"reference\":\"Medication/abc\"}");
    store(w, "MedicationRequest", "d",
          "\"contained\":[" MED("m1", "abc", "active") "," MED("m2", "def", "active") "],"
          "\"medicationReference\":{\"reference\":\"#m2\"}");
}

static void chains_lead_into_contained_resources(void **state)
{
    struct world *w = *state;
    requests_store(w);
    assert_found(w, "MedicationRequest?medication.code=abc", "a b c");
    assert_found(w, "MedicationRequest?medication:Medication.code=http://m|abc", "a b c");
    assert_found(w, "MedicationRequest?medication.code=def", "d");
    assert_found(w, "MedicationRequest?medication.code=abc&status:missing=true&_count=2", "a b");
    assert_found(w, "MedicationRequest?medication.code:not=abc", "d");
    assert_found(w, "MedicationRequest?medication.code:missing=true", "");
    assert_found(w, "MedicationRequest?medication.code:missing=false&medication.status=active",
                 "a c d");
    assert_found(w, "MedicationRequest?medication._id=m1", "a b");
    assert_found(w, "MedicationRequest?_id=a,d&medication.code=abc", "a");
    assert_found(w, "MedicationRequest?medication.status=inactive&_sort=-_id", "b");
    /* An ordinary search is of the resources themselves. */
    assert_found(w, "Medication?code=abc", "abc");
    assert_found(w, "Medication", "abc");
    assert_found(w, "Medication?_contained=false&_containedType=contained", "abc");
}

static void chains_go_on_behind_contained_resources(void **state)
{
    struct world *w = *state;
    store(w, "Organization", "o", "\"name\":\"Works\"");
    store(w, "MedicationRequest", "a",
          "\"contained\":[{\"resourceType\":\"Medication\",\"id\":\"m\",\"manufacturer\":{"
          "\"reference\":\"Organization/o\"}}],\"medicationReference\":{\"reference\":\"#m\"}");
    store(w, "MedicationRequest", "b",
          "\"contained\":[{\"resourceType\":\"Medication\",\"id\":\"m\",\"manufacturer\":{"
          "\"reference\":\"#o\"}}," ORG("o", "Works") "," ORG("x", "Mill") "],"
          "\"medicationReference\":{\"reference\":\"#m\"}");
    store(w, "MedicationRequest", "c",
          "\"contained\":[{\"resourceType\":\"Medication\",\"id\":\"m\",\"manufacturer\":{"
          "\"reference\":\"#x\"}}," ORG("o", "Works") "," ORG("x", "Mill") "],"
          "\"medicationReference\":{\"reference\":\"#m\"}");
    store(w, "MedicationDispense", "d", "\"authorizingPrescription\":[{\"reference\":"
          "\"MedicationRequest/b\"}]");
    assert_found(w, "MedicationRequest?medication.manufacturer.name=works", "a b");
    assert_found(w, "MedicationRequest?medication:Medication.manufacturer:Organization.name=mill",
                 "c");
    assert_found(w, "MedicationDispense?prescription.medication.manufacturer.name=works", "d");
    assert_found(w, "MedicationDispense?prescription.medication.manufacturer.name=mill", "");
    assert_found(w, "MedicationRequest?_has:MedicationDispense:prescription:_id=d"
                    "&medication.manufacturer.name=works", "b");
    expect_status(ask(w, "DELETE", "Organization/o", NULL, NULL), 204);
    assert_found(w, "MedicationRequest?medication.manufacturer.name=works", "b");
}

static void contained_finds_what_is_in_one_of_them(void **state)
{
    struct world *w = *state;
    requests_store(w);
    assert_found(w, "Medication?_contained=true&code=abc", "a b d");
    assert_found(w, "Medication?_contained=true&code=abc&status=active", "a d");
    /* a has a def and an active one, but not both in one */
    assert_found(w, "Medication?_contained=true&code=def&status=active", "d");
    assert_found(w, "Medication?_contained=true&code:not=abc", "a d");
    assert_found(w, "Medication?_contained=true&status:missing=false&_id=m2", "a d");
    assert_found(w, "Medication?_contained=true&form:missing=false", "");
    assert_found(w, "Medication?_contained=both&code=abc", "abc a b d");
    assert_found(w, "Medication?_contained=both&code=abc&_sort=-_lastUpdated", "d b a abc");
    assert_found(w, "Medication?_contained=true", "a b d");
    assert_found(w, "MedicationRequest?_contained=true", "");
    assert_found(w, "Patient/p/Medication?_contained=true&code=abc", "a");
    assert_found(w, "?_type=Medication,MedicationRequest&_contained=true&_lastUpdated=gt2020",
                 "a b d");
    assert_found(w, "Medication?_contained=true&_content=def", "");
    struct answer a = get(w, "Medication?_contained=both&code=abc&_total=accurate&_count=2");
    assert_at(w, &a, "total", "4");
    assert_at(w, &a, "entry.1.resource.resourceType", "MedicationRequest");
    assert_at(w, &a, "entry.1.search.mode", "match");
    assert_at(w, &a, "entry.1.fullUrl", BASE "/MedicationRequest/a");
    assert_found(w, link_of(w, &a, "next"), "b d");
    expect_status(ask(w, "DELETE", "MedicationRequest/a", NULL, NULL), 204);
    assert_found(w, "Medication?_contained=true&code=abc", "b d");
    assert_refused(w, "Medication?_contained=yes", "_contained");
    assert_refused(w, "Medication?_containedType=yes", "_containedType");
    assert_refused(w, "Medication?_contained=true&_sort=code", "_lastUpdated");
}

static void contained_resources_themselves_are_returned(void **state)
{
    struct world *w = *state;
    requests_store(w);
    const char *query = "Medication?_contained=true&_containedType=contained&code=abc,def";
    assert_found(w, query, "m1 m2 m1 m1 m2");
    assert_found(w, "Medication?_contained=both&_containedType=contained&status=active",
                 "abc m1 m1 m2");
    struct answer a = get(w, "Medication?_contained=true&_containedType=contained&code=def"
                             "&_total=accurate");
    assert_at(w, &a, "total", "2");
    assert_at(w, &a, "entry.0.fullUrl", BASE "/MedicationRequest/a#m2");
    assert_at(w, &a, "entry.0.resource.resourceType", "Medication");
    assert_at(w, &a, "entry.0.resource.status", "inactive");
    assert_at(w, &a, "entry.0.search.mode", "match");
    a = get(w, "Medication?_contained=true&_containedType=contained&code=def&_elements=code");
    assert_at(w, &a, "entry.0.resource.status", "");
    assert_at(w, &a, "entry.0.resource.code.coding.0.code", "def");
    /* pages hold whole containers */
    struct slice target = arena_printf(&w->arena, "%s&_count=2", query);
    assert_found(w, target.bytes, "m1 m2");
    a = get(w, target.bytes);
    assert_found(w, link_of(w, &a, "next"), "m1");
    a = get(w, link_of(w, &a, "next"));
    const char *last = link_of(w, &a, "next");
    assert_found(w, last, "m1 m2");
    a = get(w, last);
    assert_null(link_of(w, &a, "next"));
    assert_found(w, link_of(w, &a, "previous"), "m1");
    assert_refused(w, "MedicationRequest?_contained=both&_containedType=contained"
                      "&_include=MedicationRequest:subject", "include");
}

static void odd_containers_are_no_harm(void **state)
{
    struct world *w = *state;
    store(w, "MedicationRequest", "a", "\"contained\":{\"resourceType\":\"Medication\"}");
    store(w, "MedicationRequest", "b",
          "\"contained\":[7,null,\"x\",{},{\"resourceType\":\"Nothing\"},{\"resourceType\":9},"
          "{\"resourceType\":\"Medication\"},{\"resourceType\":\"Medication\",\"id\":3}],"
          "\"medicationReference\":{\"reference\":\"#\"}");
    store(w, "MedicationRequest", "c",
          "\"contained\":[{\"resourceType\":\"Medication\",\"id\":\"m\",\"ingredient\":[{"
          "\"itemReference\":{\"reference\":\"#m\"}}]}],"
          "\"medicationReference\":{\"reference\":\"#gone\"}");
    assert_found(w, "Medication?_contained=true", "b c");
    assert_found(w, "MedicationRequest?medication._id=m", "");
    assert_found(w, "Medication?_contained=true&ingredient:Medication.ingredient:Medication._id=m",
                 "c");
    struct answer a = get(w, "Medication?_contained=true&_containedType=contained");
    assert_at(w, &a, "entry.0.fullUrl", BASE "/MedicationRequest/b#");
    assert_int_equal(count_at(&a, "entry"), 3);
}

/* What would have to be gathered, beside what its containers are found by. */
static void containers_of_other_types_are_found_with_the_resources_themselves(void **state)
{
    struct world *w = *state;
    store(w, "Organization", "o", "\"name\":\"Steelworks\"");
    store(w, "MedicationRequest", "a", "\"contained\":[" ORG("x", "Ironworks") "]");
    assert_found(w, "Organization?name:contains=works&_contained=both", "o a");
    assert_found(w, "Organization?name:contains=works&_contained=true", "a");
    assert_found(w, "Organization?name:text=iron&_contained=both&_sort=-_lastUpdated", "a");
    assert_found(w, "Organization?partof.name=x&_contained=both", "");
}

static void they_are_found_as_of_an_instant_and_after_a_restart(void **state)
{
    struct world *w = *state;
    requests_store(w);
    struct answer a = get(w, "MedicationRequest/d");
    struct slice when = arena_printf(&w->arena, "Medication?_contained=true&code=abc&_asof=%s",
                                     text_at(w, &a, "meta.lastUpdated"));
    store(w, "MedicationRequest", "b", "\"status\":\"draft\"");
    assert_found(w, "Medication?_contained=true&code=abc", "a d");
    assert_found(w, when.bytes, "a b d");
    world_close(w);
    world_open(w);
    assert_found(w, "Medication?_contained=true&code=abc", "a d");
    assert_found(w, "MedicationRequest?medication.code=abc", "a c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(chains_lead_into_contained_resources),
        WORLD_TEST(chains_go_on_behind_contained_resources),
        WORLD_TEST(contained_finds_what_is_in_one_of_them),
        WORLD_TEST(contained_resources_themselves_are_returned),
        WORLD_TEST(odd_containers_are_no_harm),
        WORLD_TEST(containers_of_other_types_are_found_with_the_resources_themselves),
        WORLD_TEST(they_are_found_as_of_an_instant_and_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
