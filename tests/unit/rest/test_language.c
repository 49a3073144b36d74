/* The language of searches, from the request to what is found. */
#include "rest/finding.h"

#define CODING(system, code, display)                                                              \
    "{\"system\":\"" system "\",\"code\":\"" code "\",\"display\":\"" display "\"}"

static void texts_beside_a_code_are_searched_as_strings(void **state)
{
    struct world *w = *state;
    store(w, "Condition", "a",
          "\"code\":{\"coding\":[" CODING("http://x", "1", "Migräne mit Aura") "]}");
    store(w, "Condition", "b", "\"code\":{\"text\":\"migraine\",\"coding\":[{\"code\":\"2\"}]}");
    store(w, "Patient", "p",
          "\"identifier\":[{\"value\":\"7\",\"type\":{\"text\":\"Member number\"}}]");
    assert_found(w, "Condition?code:text=MIGRA", "a b");
    assert_found(w, "Condition?code:text=migrane%20mit", "a");
    assert_found(w, "Condition?code:text=aura", ""); /* a string begins with it */
    assert_found(w, "Condition?code:text=1", "");
    assert_found(w, "Condition?code=migraine", "");
    assert_found(w, "Patient?identifier:text=member", "p");
}

static void identifiers_are_found_by_their_type(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "p",
          "\"identifier\":[{\"system\":\"http://a\",\"value\":\"12|3\",\"type\":{\"coding\":["
          "{\"system\":\"http://t\",\"code\":\"MR\"},{\"system\":\"http://t\",\"code\":\"PI\"}]}},"
          "{\"value\":\"99\",\"type\":{\"coding\":[{\"system\":\"http://t\",\"code\":\"SS\"}]}}]");
    assert_found(w, "Patient?identifier:of-type=http://t|MR|12%5C|3", "p");
    assert_found(w, "Patient?identifier:of-type=http://t|PI|12%5C|3", "p");
    assert_found(w, "Patient?identifier:of-type=http://t|SS|99", "p");
    assert_found(w, "Patient?identifier:of-type=http://t|MR|99", "");
    assert_refused(w, "Patient?identifier:of-type=MR|99", "system|code|value");
    assert_refused(w, "Patient?identifier:of-type=|MR|99", "system|code|value");
}

static void case_counts_unless_the_code_system_says_otherwise(void **state)
{
    struct world *w = *state;
    store(w, "CodeSystem", "loose",
          "\"url\":\"http://loose\",\"status\":\"active\",\"content\":\"complete\","
          "\"caseSensitive\":false,\"concept\":[{\"code\":\"Ab\"}]");
    store(w, "CodeSystem", "strict",
          "\"url\":\"http://strict\",\"status\":\"active\",\"content\":\"complete\","
          "\"caseSensitive\":true,\"concept\":[{\"code\":\"Ab\"}]");
    const char *const codes[] = { "ab", "AB", "Ab" };
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        struct slice id = arena_printf(&w->arena, "o%zu", i);
        struct slice body = arena_printf(
            &w->arena,
            "\"code\":{\"coding\":[{\"system\":\"http://loose\",\"code\":\"%s\"},"
            "{\"system\":\"http://strict\",\"code\":\"%s\"},"
            "{\"system\":\"http://unknown\",\"code\":\"%s\"}]}",
            codes[i], codes[i], codes[i]);
        store(w, "Observation", id.bytes, body.bytes);
    }
    assert_found(w, "Observation?code=http://loose|aB", "o0 o1 o2");
    assert_found(w, "Observation?code:not=http://loose|aB", "");
    assert_found(w, "Observation?code=http://strict|ab", "o0");
    assert_found(w, "Observation?code=http://strict|aB", "");
    assert_found(w, "Observation?code=http://unknown|AB", "o1");
    /* Without a system as well: each has the code in the loose one, too. */
    assert_found(w, "Observation?code=AB", "o0 o1 o2");
    assert_found(w, "Observation?code=aB", "o0 o1 o2");
    assert_found(w, "Observation?code=ab", "o0 o1 o2");
    assert_found(w, "Observation?code:not=ab", "");
    store(w, "Observation", "o3",
          "\"code\":{\"coding\":[{\"system\":\"http://strict\",\"code\":\"Xy\"}]},"
          "\"status\":\"final\"");
    assert_found(w, "Observation?code=Xy", "o3");
    assert_found(w, "Observation?code=xy", "");
    assert_found(w, "Observation?code=XY", "");
    assert_found(w, "Observation?status=final", "o3");
    assert_found(w, "Observation?status=Final", "");
    assert_found(w, "Observation?_filter=code%20eq%20xY", "o3");
    /* In composites as well: codes of the same element, in either form. */
    store(w, "Observation", "q1",
          "\"code\":{\"coding\":[" CODING("http://loose", "Kl", "") "]},"
          "\"valueQuantity\":{\"value\":7}");
    store(w, "Observation", "q2",
          "\"code\":{\"coding\":[" CODING("http://strict", "Kl", "") "]},"
          "\"valueQuantity\":{\"value\":7}");
    store(w, "Observation", "q3",
          "\"code\":{\"coding\":[" CODING("http://loose", "kL", "") "]},"
          "\"valueQuantity\":{\"value\":9}");
    assert_found(w, "Observation?code-value-quantity=http://loose|kl$7", "q1");
    assert_found(w, "Observation?code-value-quantity=http://loose|KL$gt6", "q1 q3");
    assert_found(w, "Observation?code-value-quantity=http://loose|KL$gt8", "q3");
    assert_found(w, "Observation?code-value-quantity=http://strict|kl$7", "");
    assert_found(w, "Observation?code-value-quantity=http://strict|Kl$7", "q2");
    assert_found(w, "Observation?code-value-quantity=kl$7", "q1");
    assert_found(w, "Observation?code-value-quantity=Kl$7", "q1 q2");
    assert_found(w, "Observation?code-value-quantity=kL$gt6", "q1 q3");
    assert_found(w, "Observation?code-value-quantity=http://loose|kx$7", "");
    store(w, "GraphDefinition", "g", "\"start\":\"Composition\"");
    assert_found(w, "GraphDefinition?_filter=start%20eq%20%22|Composition%22", "g");
    assert_found(w, "GraphDefinition?_filter=start%20eq%20Composition", "g");
    assert_found(w, "GraphDefinition?_filter=start%20eq%20composition", "");
    assert_found(w, "Observation?_filter=code%20eq%20http://strict|XY", "o3");
}

static void hierarchies_and_value_sets_stand_for_their_codes(void **state)
{
    struct world *w = *state;
    store(w, "CodeSystem", "cs",
          "\"url\":\"http://cs\",\"status\":\"active\",\"content\":\"complete\",\"concept\":["
          "{\"code\":\"animal\",\"concept\":[{\"code\":\"cat\",\"concept\":[{\"code\":\"lion\"}]},"
          "{\"code\":\"dog\"}]},{\"code\":\"plant\"}]");
    store(w, "ValueSet", "cats",
          "\"url\":\"http://vs/cats\",\"status\":\"active\",\"compose\":{\"include\":[{\"system\":"
          "\"http://cs\",\"filter\":[{\"property\":\"concept\",\"op\":\"is-a\",\"value\":\"cat\"}]}"
          "]}");
    store(w, "ValueSet", "whole",
          "\"url\":\"http://vs/whole\",\"status\":\"active\",\"compose\":{\"include\":[{\"system\":"
          "\"http://loinc.org\"},{\"system\":\"http://cs\",\"concept\":[{\"code\":\"dog\"}]}]}");
    store(w, "ValueSet", "hopeless",
          "\"url\":\"http://vs/hopeless\",\"status\":\"active\",\"compose\":{\"include\":["
          "{\"system\":\"http://loinc.org\"},{\"system\":\"http://snomed.info/sct\",\"filter\":["
          "{\"property\":\"concept\",\"op\":\"is-a\",\"value\":\"1\"}]}]}");
    store(w, "Condition", "c1",
          "\"code\":{\"coding\":[{\"system\":\"http://cs\",\"code\":\"cat\"}]}");
    store(w, "Condition", "c2",
          "\"code\":{\"coding\":[{\"system\":\"http://cs\",\"code\":\"lion\"}]}");
    store(w, "Condition", "c3",
          "\"code\":{\"coding\":[{\"system\":\"http://cs\",\"code\":\"dog\"}]}");
    store(w, "Condition", "c4",
          "\"code\":{\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"1-8\"}]}");
    store(w, "Condition", "c5", "\"subject\":{\"reference\":\"Patient/1\"}");
    assert_found(w, "Condition?code:below=http://cs|cat", "c1 c2");
    assert_found(w, "Condition?code:below=http://cs|animal", "c1 c2 c3");
    assert_found(w, "Condition?code:above=http://cs|lion", "c1 c2");
    assert_found(w, "Condition?code:in=http://vs/cats", "c1 c2");
    assert_found(w, "Condition?code:in=ValueSet/cats", "c1 c2");
    assert_found(w, "Condition?code:not-in=http://vs/cats", "c3 c4 c5");
    assert_found(w, "Condition?code:in=http://vs/whole", "c3 c4");
    assert_refused(w, "Condition?code:in=http://vs/hopeless", "http://vs/hopeless");
    assert_refused(w, "Condition?code:in=http://vs/nowhere", "http://vs/nowhere");
    assert_refused(w, "Condition?code:below=http://snomed.info/sct|1", "snomed");
    assert_refused(w, "Condition?code:below=cat", "system|code");
    /* R4's own, on a `code` element whose system stands in its binding */
    store(w, "Patient", "p", "\"gender\":\"male\"");
    store(w, "Patient", "q", "\"gender\":\"other\"");
    store(w, "Patient", "r", "\"active\":true");
#define GENDERS "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert_found(w, "Patient?gender:in=" GENDERS, "p q");
    assert_found(w, "Patient?gender:not-in=" GENDERS, "r");
    /* what is stored anew counts at once */
    store(w, "ValueSet", "cats",
          "\"url\":\"http://vs/cats\",\"status\":\"active\",\"compose\":{\"include\":[{\"system\":"
          "\"http://cs\",\"concept\":[{\"code\":\"dog\"}]}]}");
    assert_found(w, "Condition?code:in=http://vs/cats", "c3");
}

static void quantities_compare_in_units_that_agree(void **state)
{
    struct world *w = *state;
#define VALUE(value, code)                                                                         \
    "\"code\":{\"coding\":[{\"system\":\"http://l\",\"code\":\"w\"}]},\"valueQuantity\":{"     \
    "\"value\":" value ",\"unit\":\"" code "\",\"system\":\"http://unitsofmeasure.org\","         \
    "\"code\":\"" code "\"}"
    store(w, "Observation", "g", VALUE("80200", "g"));
    store(w, "Observation", "kg", VALUE("80.2", "kg"));
    store(w, "Observation", "lb", VALUE("176.8", "[lb_av]"));
    store(w, "Observation", "cm", VALUE("80.2", "cm"));
    store(w, "Observation", "f", VALUE("98.6", "[degF]"));
    store(w, "Observation", "plain", "\"valueQuantity\":{\"value\":80.2,\"unit\":\"kg\"}");
    store(w, "Observation", "less",
          "\"valueQuantity\":{\"value\":1,\"comparator\":\"<\",\"system\":"
          "\"http://unitsofmeasure.org\",\"code\":\"g\"}");
#define UCUM "|http://unitsofmeasure.org|"
    assert_found(w, "Observation?value-quantity=80.2" UCUM "kg", "g kg lb");
    assert_found(w, "Observation?value-quantity=80200" UCUM "g", "g kg");
    assert_found(w, "Observation?value-quantity=gt80.1" UCUM "kg", "g kg lb");
    assert_found(w, "Observation?value-quantity=gt80.2" UCUM "kg", "");
    assert_found(w, "Observation?value-quantity=ge80.2" UCUM "kg", "g kg");
    assert_found(w, "Observation?value-quantity=lt80200" UCUM "g", "lb less");
    assert_found(w, "Observation?value-quantity=37.0" UCUM "Cel", "f");
    assert_found(w, "Observation?value-quantity=80.2||kg", "kg plain");
    assert_found(w, "Observation?value-quantity=80.2", "kg cm plain");
    assert_found(w, "Observation?value-quantity=lt1" UCUM "kg", "less");
    assert_found(w, "Observation?value-quantity=ap80" UCUM "kg", "g kg lb");
    assert_found(w, "Observation?code-value-quantity=w$80.2" UCUM "kg", "g kg lb");
    assert_found(w, "Observation?code-value-quantity=http://l|w$lt80200" UCUM "g", "lb");
    assert_found(w, "Observation?code-value-quantity=v$80.2" UCUM "kg", "");
    assert_found(w, "Observation?value-quantity=80.2" UCUM "nonsense", "");
}

static void words_of_narratives_and_of_everything_are_found(void **state)
{
    struct world *w = *state;
    store(w, "Condition", "a",
          "\"text\":{\"status\":\"generated\",\"div\":\"<div><p>Bone <b>metast\\u00e1sis</b> &amp; "
          "more</p></div>\"},\"note\":[{\"text\":\"seen by Dr. Fr&#246;hlich\"}]");
    store(w, "Condition", "b",
          "\"text\":{\"status\":\"generated\",\"div\":\"<div class='liver'>L&#x69;ver</div>\"},"
          "\"code\":{\"coding\":[{\"display\":\"Metastasis, not to be found\"}]}");
    assert_found(w, "Condition?_text=metastasis", "a");
    assert_found(w, "Condition?_text=bone%20metasta*", "a");
    assert_found(w, "Condition?_text=(bone%20OR%20liver)%20and%20NOT%20more", "b");
    assert_found(w, "Condition?_text=bone,liver", "a b");
    assert_found(w, "Condition?_text=amp", "");
    assert_found(w, "Condition?_text=class", "");
    assert_found(w, "Condition?_text=bon", "");
    assert_found(w, "Condition?_content=metastasis", "a b");
    assert_found(w, "Condition?_content=seen%20-liver", "a");
    assert_refused(w, "Condition?_text=(bone", "without ')'");
    assert_refused(w, "Condition?_text=bone)", "without '('");
    assert_refused(w, "Condition?_text=and%20x", "lacks a word");
    assert_refused(w, "Condition?_text=!!", "no word");
    assert_refused(w, "Condition?_text:exact=x", "_text");
}

static void lists_name_what_is_found(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "p1", "");
    store(w, "Patient", "p2", "\"active\":true");
    store(w, "Condition", "c1", "");
    store(w, "List", "l",
          "\"entry\":[{\"item\":{\"reference\":\"Patient/p2\"}},{\"item\":{\"reference\":"
          "\"Condition/c1\"}}]");
    assert_found(w, "Patient?_list=l", "p2");
    assert_found(w, "Patient?_list=List/l&active=true", "p2");
    assert_found(w, "Condition?_list=l", "c1");
    assert_found(w, "Patient?_list=none", "");
    assert_refused(w, "Patient?_list=$current-allergies", "$current");
}

static void places_are_found_near(void **state)
{
    struct world *w = *state;
#define PLACE(latitude, longitude)                                                                 \
    "\"position\":{\"latitude\":" latitude ",\"longitude\":" longitude "}"
    store(w, "Location", "berlin", PLACE("52.5200", "13.4050"));
    store(w, "Location", "potsdam", PLACE("52.3906", "13.0645")); /* 27.1 km away */
    store(w, "Location", "fiji-west", PLACE("-17.0", "179.95"));
    store(w, "Location", "fiji-east", PLACE("-17.0", "-179.95")); /* 10.6 km away */
    store(w, "Location", "pole", PLACE("89.99", "-120"));
    assert_found(w, "Location?near=52.52|13.405|26|km", "berlin");
    assert_found(w, "Location?near=52.52|13.405|28|km", "berlin potsdam");
    assert_found(w, "Location?near=52.52|13.405|16.5|mi", "berlin");
    assert_found(w, "Location?near=52.52|13.405|17.1|[mi_i]", "berlin potsdam");
    assert_found(w, "Location?near=52.52|13.405|0", "berlin");
    assert_found(w, "Location?near=-17|179.95|11", "fiji-west fiji-east");
    assert_found(w, "Location?near=-17|-179.95|11", "fiji-west fiji-east");
    assert_found(w, "Location?near=-17|-179.95|10", "fiji-east");
    assert_found(w, "Location?near=89.99|60|3", "pole");
    assert_found(w, "Location?near=0|0|20100|km", "berlin potsdam fiji-west fiji-east pole");
    assert_refused(w, "Location?near=91|0|1|km", "no position");
    assert_refused(w, "Location?near=1|0|1|kg", "no position");
    assert_refused(w, "Location?near=1|0|-1|km", "no position");
    assert_refused(w, "Location?near=1", "no position");
    assert_refused(w, "Location?near:exact=1|0", "near");
}

static void parts_of_places_are_below_them(void **state)
{
    struct world *w = *state;
    store(w, "Location", "house", "");
    store(w, "Location", "floor", "\"partOf\":{\"reference\":\"Location/house\"}");
    store(w, "Location", "room", "\"partOf\":{\"reference\":\"Location/floor\"}");
    store(w, "Encounter", "e1", "\"location\":[{\"location\":{\"reference\":\"Location/room\"}}]");
    store(w, "Encounter", "e2", "\"location\":[{\"location\":{\"reference\":\"Location/house\"}}]");
    store(w, "Encounter", "e3", "\"location\":[{\"location\":{\"reference\":\"Location/other\"}}]");
    assert_found(w, "Encounter?location:below=Location/house", "e1 e2");
    assert_found(w, "Encounter?location:below=floor", "e1");
    assert_found(w, "Encounter?location:above=Location/room", "e1 e2");
    assert_found(w, "Encounter?location:above=Location/house", "e2");
    assert_found(w, "Encounter?location:below=Location/other", "e3");
    assert_found(w, "Location?partof:below=Location/house", "floor room");
    store(w, "Location", "hut", "\"partOf\":{\"reference\":\"Location/gone\"}");
    store(w, "Location", "bench", "\"partOf\":{\"reference\":\"Location/hut\"}");
    assert_found(w, "Location?partof:below=Location/gone", "hut bench");
    assert_refused(w, "Encounter?location:below=Patient/1", "names no resource");
    store(w, "ValueSet", "v", "\"url\":\"http://a/b/c\",\"status\":\"active\"");
    assert_found(w, "ValueSet?url:above=http://a/b/c/d", "v");
    assert_found(w, "ValueSet?url:above=http://a/b/c", "v");
    assert_found(w, "ValueSet?url:above=http://a/b/cd", "");
    assert_found(w, "ValueSet?url:above=http://a/b", "");
    assert_found(w, "ValueSet?url:below=http://a/b", "v");
}

static void filters_are_conditions_in_one_text(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "p1",
          "\"active\":true,\"birthDate\":\"2014-10-12\",\"name\":[{\"given\":[\"Peter\"],"
          "\"family\":\"O\\\"Neil\"}]");
    store(w, "Patient", "p2", "\"active\":false,\"birthDate\":\"2013\",\"name\":[{\"given\":["
                              "\"Peterson\"]}]");
    store(w, "Patient", "p3", "\"gender\":\"male\"");
    store(w, "Observation", "o1", "\"subject\":{\"reference\":\"Patient/p1\"},\"valueQuantity\":{"
                                  "\"value\":5,\"unit\":\"mg\"},\"code\":{\"coding\":[{\"system\":"
                                  "\"http://loinc.org\",\"code\":\"1-8\"}]}");
    assert_found(w, "Patient?_filter=given%20eq%20%22peter%22", "p1");
    assert_found(w, "Patient?_filter=given%20sw%20pet", "p1 p2");
    assert_found(w, "Patient?_filter=given%20co%20ETER", "p1 p2");
    assert_found(w, "Patient?_filter=given%20sw%20pet%20and%20birthdate%20ge%202014-10-10", "p1");
    assert_found(w, "Patient?_filter=birthdate%20lt%202014%20or%20gender%20eq%20male", "p2 p3");
    assert_found(w, "Patient?_filter=not%20(active%20eq%20true)", "p2 p3");
    assert_found(w, "Patient?_filter=active%20ne%20true", "p2");
    assert_found(w, "Patient?_filter=birthdate%20pr%20false", "p3");
    assert_found(w, "Patient?_filter=birthdate%20po%202014", "p1");
    assert_found(w, "Patient?_filter=family%20eq%20%22o%5C%22neil%22", "p1");
    assert_found(w,
                 "Patient?_filter=(gender%20eq%20male%20or%20active%20eq%20true)%20and%20not%20"
                 "(_id%20eq%20p3)",
                 "p1");
    assert_found(w, "Observation?_filter=code%20eq%20http://loinc.org|1-8", "o1");
    assert_found(w, "Observation?_filter=subject.given%20co%20pet", "o1");
    assert_found(w, "Observation?_filter=subject%20re%20Patient/p1", "o1");
    assert_found(w, "Observation?_filter=value-quantity%20ge%205||mg", "o1");
    assert_found(w, "Observation?_filter=value-quantity%20gt%205||mg", "");
    /* from left to right, without precedence */
    assert_found(w, "Patient?_filter=gender%20eq%20male%20or%20active%20eq%20true%20and%20"
                    "birthdate%20pr%20true", "p1");
    assert_found(w, "Patient?_filter=gender%20eq%20male%20or%20(active%20eq%20true%20and%20"
                    "birthdate%20pr%20true)", "p1 p3");
    assert_found(w, "Patient?_filter=active%20pr%20true%20and%20birthdate%20ge%202014%20or%20"
                    "gender%20eq%20male", "p1 p3");
    assert_found(w, "Patient?_filter=given%20ew%20SON", "p2");
    assert_found(w, "Patient?_filter=given%20ew%20ete", "");
    assert_found(w, "Patient?_filter=name%20ew%20r", "p1");
    assert_found(w, "Patient?_filter=given%20gt%20peter", "p2");
    assert_found(w, "Patient?_filter=given%20ge%20Peter", "p1 p2");
    assert_found(w, "Patient?_filter=given%20lt%20peterson", "p1");
    assert_found(w, "Patient?_filter=given%20le%20peterson", "p1 p2");
    assert_found(w, "Patient?_filter=birthdate%20co%202013-05-05", "p2");
    assert_found(w, "Patient?_filter=birthdate%20co%202014", "");
    assert_found(w, "Observation?_filter=code%20eq%20loinc|1-8", "o1");
    assert_found(w, "Observation?_filter=code%20eq%20snomed|1-8", "");
    assert_refused(w, "Patient?_filter=gender%20ew%20x", "does not compare");
    assert_refused(w, "Observation?_filter=value-quantity%20co%205", "does not compare");
    assert_refused(w, "Patient?_filter=given%20zz%20x", "expects one of");
    assert_refused(w, "Patient?_filter=given%20eq", "lacks a value");
    assert_refused(w, "Patient?_filter=(given%20eq%20x", "lacks ')'");
    assert_refused(w, "Patient?_filter=given%20eq%20x%20y", "ends before");
    assert_refused(w, "Patient?_filter=nonsense%20eq%20x", "nonsense");
    assert_refused(w, "Patient?_filter=gender%20gt%20x", "does not compare");
    assert_refused(w, "Patient?_filter=not%20active%20eq%20true", "needs '('");
}

/* a[filter].b: both of one and the same resource. */
static void filters_have_brackets_behind_references(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "p1", "\"active\":true,\"name\":[{\"family\":\"Ash ]\"}]");
    store(w, "Patient", "p2", "\"active\":false,\"name\":[{\"family\":\"Beech\"}]");
    store(w, "Group", "g", "\"member\":[{\"entity\":{\"reference\":\"Patient/p1\"}},{\"entity\":{"
                           "\"reference\":\"Patient/p2\"}}]");
    store(w, "Observation", "o1", "\"subject\":{\"reference\":\"Patient/p1\"}");
    store(w, "Observation", "o2", "\"subject\":{\"reference\":\"Group/g\"}");
    store(w, "DiagnosticReport", "r", "\"result\":[{\"reference\":\"Observation/o1\"}]");
    assert_found(w, "Group?_filter=member[active%20eq%20true].family%20sw%20ash", "g");
    assert_found(w, "Group?_filter=member[active%20eq%20false].family%20sw%20ash", "");
    assert_found(w, "Group?_filter=member:Patient[active%20eq%20false].family%20sw%20bee", "g");
    assert_found(w, "Group?_filter=member[family%20eq%20%22ash%20]%22].active%20eq%20true%20and%20"
                    "_id%20eq%20g", "g");
    assert_found(w, "Observation?_filter=subject[active%20eq%20true%20or%20active%20eq%20false]."
                    "family%20co%20s", "o1");
    assert_found(w, "Observation?_filter=subject:Group[member%20re%20Patient/p2].member[active%20eq"
                    "%20true].family%20sw%20a", "o2");
    assert_found(w, "DiagnosticReport?_filter=result[_id%20eq%20o1].subject[active%20eq%20true]"
                    ".name%20co%20ash%20or%20_id%20eq%20x", "r");
    assert_found(w, "DiagnosticReport?_filter=not%20(result.subject:Patient[active%20eq%20true]"
                    ".name%20co%20elm)", "r");
    assert_refused(w, "Group?_filter=member[active%20eq%20true", "lacks ']'");
    assert_refused(w, "Group?_filter=member[active%20eq%20true]%20pr%20true", "needs '.'");
    assert_refused(w, "Group?_filter=member[active%20eq%20true%20x].family%20eq%20y", "brackets");
    assert_refused(w, "Group?_filter=type[active%20eq%20true].family%20eq%20y", "reference");
    assert_refused(w, "Group?_filter=member[nonsense%20eq%20true].family%20eq%20y",
                   "nonsense");
    assert_refused(w, "Group?_filter=member:Patient[nonsense%20eq%20true].family%20eq%20y",
                   "nonsense");
    assert_refused(w, "Group?_filter=[active%20eq%20true].family%20eq%20y", "lacks a parameter");
}

static void searches_go_over_types_and_compartments(void **state)
{
    struct world *w = *state;
    store(w, "Patient", "p1", "\"meta\":{\"tag\":[{\"code\":\"t\"}]}");
    store(w, "Patient", "p2", "");
    store(w, "Observation", "o1", "\"status\":\"final\",\"subject\":{\"reference\":\"Patient/p1\"},"
                                  "\"meta\":{\"tag\":[{\"code\":\"t\"}]}");
    store(w, "Observation", "o2", "\"status\":\"final\",\"subject\":{\"reference\":"
                                  "\"Patient/p2\"}");
    store(w, "Condition", "c1", "\"subject\":{\"reference\":\"Patient/p1\"}");
    assert_found(w, "?_type=Patient,Condition", "p1 p2 c1");
    assert_found(w, "?_type=Observation,Condition&subject=Patient/p1", "o1 c1");
    assert_found(w, "?_tag=t", "p1 o1");
    assert_found(w, "?_lastUpdated=gt2000", "p1 p2 o1 o2 c1");
    assert_found(w, "?_id=p2,c1", "p2 c1");
    assert_found(w, "?_tag=t&_sort=_id", "o1 p1");
    assert_found(w, "?_tag=t&_sort=-_lastUpdated", "o1 p1");
    assert_found(w, "?_type=Observation&status=final&_sort=-_lastUpdated", "o2 o1");
    assert_found(w, "Patient/p1/Observation", "o1");
    assert_found(w, "Patient/p1/Observation?status=final", "o1");
    assert_found(w, "Patient/p1/Observation?status=amended", "");
    assert_found(w, "Patient/p1/*", "p1 o1 c1");
    assert_found(w, "Patient/p1/*?_type=Condition", "c1");
    assert_found(w, "Patient/p1/*?_tag=t", "p1 o1");
    assert_refused(w, "?_type=Patient,Nonsense", "Nonsense");
    assert_refused(w, "?_type=Patient,Observation&status=final", "status");
    assert_refused(w, "?_sort=birthdate&_type=Patient,Observation", "_lastUpdated");
    assert_found(w, "?_sort=-subject&_type=Observation,Condition", "o2 o1 c1");
    expect_status(get(w, "Observation/o1/Patient"), 404);
    expect_status(get(w, "Patient/p1/Nonsense"), 404);
    struct answer a = ask(w, "POST", "_search", "Content-Type: application/x-www-form-urlencoded",
                          "_type=Patient&_count=1");
    expect_status(a, 200);
    assert_int_equal(count_at(&a, "entry"), 1);
    const char *next = link_of(w, &a, "next") ? link_of(w, &a, "next") : "";
    assert_contains(header(w, &a, "Content-Type"), "json");
    (void)next;
    expect_status(ask(w, "POST", "Patient/_search",
                      "Content-Type: application/x-www-form-urlencoded", "_format=xml"), 406);
    expect_status(ask(w, "POST", "Patient/_search",
                      "Content-Type: application/x-www-form-urlencoded", "_format=json"), 200);
    a = ask(w, "POST", "Patient/p1/Observation/_search",
            "Content-Type: application/x-www-form-urlencoded", "status=final");
    assert_int_equal(count_at(&a, "entry"), 1);
    a = get(w, "Patient/p1/*?_count=2");
    assert_string_equal(link_of(w, &a, "self"), "Patient/p1/*?_count=2");
    a = get(w, link_of(w, &a, "next"));
    assert_at(w, &a, "entry.0.resource.id", "c1");
}

static void a_form_beside_a_query_is_refused_as_healthlake_does(void **state)
{
    struct world *w = *state;
    const char *form = "Content-Type: application/x-www-form-urlencoded";
    expect_status(ask(w, "POST", "Patient/_search?gender=male", form, "active=true"), 400);
    expect_status(ask(w, "POST", "Patient/_search", form, "active=true"), 200);
    expect_status(ask(w, "POST", "Patient/_search?gender=male", form, ""), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(texts_beside_a_code_are_searched_as_strings),
        WORLD_TEST(identifiers_are_found_by_their_type),
        WORLD_TEST(case_counts_unless_the_code_system_says_otherwise),
        WORLD_TEST(hierarchies_and_value_sets_stand_for_their_codes),
        WORLD_TEST(quantities_compare_in_units_that_agree),
        WORLD_TEST(words_of_narratives_and_of_everything_are_found),
        WORLD_TEST(lists_name_what_is_found),
        WORLD_TEST(places_are_found_near),
        WORLD_TEST(parts_of_places_are_below_them),
        WORLD_TEST(filters_are_conditions_in_one_text),
        WORLD_TEST(filters_have_brackets_behind_references),
        WORLD_TEST(searches_go_over_types_and_compartments),
        HEALTHLAKE_TEST(a_form_beside_a_query_is_refused_as_healthlake_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
