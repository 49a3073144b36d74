#include "rest/world.h"

#include "base/buf.h"

static void put_json(struct world *w, const char *target, const char *rest)
{
    struct slice type = slice_cstr(target);
    struct slice id = type;
    type = slice_cut(&id, '/');
    struct slice body = arena_printf(&w->arena, "{\"resourceType\":\"%.*s\",\"id\":\"%.*s\"%s}",
                                     SLICE_ARGS(type), SLICE_ARGS(id), rest);
    struct answer a = put(w, target, body.bytes);
    assert_true(a.status == 200 || a.status == 201);
}

/* o1, o2 of p1 (whose care is with org1, part of org2), o3 of p2; org1 and org2 are
 * part of each other. */
static void put_records(struct world *w)
{
    put_json(w, "Organization/org1", ",\"partOf\":{\"reference\":\"Organization/org2\"}");
    put_json(w, "Organization/org2", ",\"partOf\":{\"reference\":\"Organization/org1\"}");
    put_json(w, "Patient/p1",
             ",\"managingOrganization\":{\"reference\":\"Organization/org1\"},"
             "\"birthDate\":\"1980-01-01\"");
    put_json(w, "Patient/p2", ",\"birthDate\":\"1970-01-01\"");
    put_json(w, "Observation/o1", ",\"subject\":{\"reference\":\"Patient/p1\"},"
                                  "\"valueQuantity\":{\"value\":5}");
    put_json(w, "Observation/o2", ",\"subject\":{\"reference\":\"Patient/p1\"},"
                                  "\"valueQuantity\":{\"value\":3}");
    put_json(w, "Observation/o3", ",\"subject\":{\"reference\":\"Patient/p2\"},"
                                  "\"performer\":[{\"reference\":\"Patient/gone\"}]");
}

/* "o1 o2 +p1": ids in order, '+' before what was included. */
static void expect_entries(struct world *w, const char *query, const char *expected)
{
    struct answer a = expect_status(get(w, query), 200);
    struct buf got;
    buf_init(&got, 4096);
    struct json entries = answer_find(&a, "entry");
    for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
        bool is_match = json_string_is(json_member(json_member(e, "search"), "mode"),
                                       SLICE("match"));
        buf_printf(&got, "%s%s%.*s", got.length ? " " : "", is_match ? "" : "+",
                   SLICE_ARGS(json_string(json_member(json_member(e, "resource"), "id"),
                                          &w->arena)));
    }
    buf_append_byte(&got, '\0');
    if (strcmp(got.bytes, expected) != 0)
        fail_msg("%s gives %s", query, got.bytes);
    buf_release(&got);
}

static void what_is_referred_to_is_included_once(void **state)
{
    struct world *w = *state;
    put_records(w);
    expect_entries(w, "Observation?_include=Observation:subject", "o1 o2 o3 +p1 +p2");
    expect_entries(w, "Observation?_include=Observation:subject:Patient&_count=2", "o1 o2 +p1");
    expect_entries(w, "Observation?_include=Observation:subject:Group", "o1 o2 o3");
    expect_entries(w, "Observation?_include=*", "o1 o2 o3 +p1 +p2");
    expect_entries(w, "Observation?_include=Observation:*", "o1 o2 o3 +p1 +p2");
    expect_entries(w, "Observation?_include=Patient:organization", "o1 o2 o3");
    expect_status(ask(w, "DELETE", "Patient/p2", NULL, NULL), 204);
    expect_entries(w, "Observation?_include=Observation:subject", "o1 o2 o3 +p1");
}

static void what_refers_to_a_match_is_included(void **state)
{
    struct world *w = *state;
    put_records(w);
    expect_entries(w, "Patient?_id=p1&_revinclude=Observation:subject", "p1 +o1 +o2");
    expect_entries(w, "Patient?_id=p1&_revinclude=Observation:subject:Group", "p1");
    expect_entries(w, "Patient?_id=p2&_revinclude=Observation:patient", "p2 +o3");
    expect_entries(w, "Patient?_revinclude=Observation:performer", "p1 p2");
}

static void an_iterated_include_goes_on_and_a_cycle_ends(void **state)
{
    struct world *w = *state;
    put_records(w);
    expect_entries(w, "Observation?_id=o1&_include=Observation:subject"
                      "&_include:iterate=Patient:organization&_include:iterate=Organization:partof",
                   "o1 +p1 +org1 +org2");
    expect_entries(w, "Observation?_id=o1&_include=Observation:subject"
                      "&_include=Patient:organization",
                   "o1 +p1");
    expect_entries(w, "Organization?_id=org1&_revinclude:iterate=Organization:partof",
                   "org1 +org2");
}

static void bad_includes_are_refused_by_name(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {
        "_include=Observation", "_include=Nothing:subject", "_include=Observation:code",
        "_include=Observation:subject:Nothing", "_include:never=Observation:subject",
        "_revinclude=*", "_revinclude=Nothing:*", "_include=",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct slice target = arena_printf(&w->arena, "Observation?%s", bad[i]);
        expect_status(get(w, target.bytes), 400);
    }
}

static void pages_come_in_the_order_asked_and_keep_it_under_writes(void **state)
{
    struct world *w = *state;
    put_records(w);
    expect_entries(w, "Patient?_sort=birthdate", "p2 p1");
    expect_entries(w, "Patient?_sort=-birthdate", "p1 p2");
    expect_entries(w, "Observation?_sort=value-quantity", "o2 o1 o3");
    expect_entries(w, "Observation?_sort=-value-quantity", "o1 o2 o3");
    expect_entries(w, "Observation?_sort=-_lastUpdated", "o3 o2 o1");
    struct answer a = expect_status(get(w, "Observation?_sort=-_id&_count=1&_total=accurate"), 200);
    assert_at(w, &a, "entry.0.resource.id", "o3");
    const char *next = link_of(w, &a, "next");
    put_json(w, "Observation/o4", "");
    world_close(w);
    world_open(w);
    a = expect_status(get(w, next), 200);
    assert_at(w, &a, "entry.0.resource.id", "o2");
    assert_at(w, &a, "total", "3");
    a = expect_status(get(w, link_of(w, &a, "next")), 200);
    assert_at(w, &a, "entry.0.resource.id", "o1");
    assert_null(link_of(w, &a, "next"));
    expect_status(get(w, "Observation?_sort=nothing"), 400);
    expect_status(get(w, "Observation?_sort=code-value-date"), 400);
    expect_status(get(w, "Observation?_sort="), 400);
}

static void chains_follow_what_is_live_now(void **state)
{
    struct world *w = *state;
    put_records(w);
    expect_entries(w, "Observation?subject:Patient.birthdate=1980", "o1 o2");
    expect_entries(w, "Observation?patient.organization.partof:Organization._id=org2", "o1 o2");
    expect_entries(w, "Patient?_has:Observation:patient:value-quantity=gt4", "p1");
    expect_entries(w, "Organization?_has:Patient:organization:_has:Observation:patient:_id=o1",
                   "org1");
    struct answer a =
        expect_status(get(w, "Observation?patient.birthdate=1980&_count=1&_total=accurate"), 200);
    const char *next = link_of(w, &a, "next");
    put_json(w, "Patient/p1", ",\"birthDate\":\"1990-01-01\"");
    expect_entries(w, "Observation?patient.birthdate=1980", "");
    expect_entries(w, next, "o2"); /* still of the first page's time */
    expect_status(ask(w, "DELETE", "Observation/o1", NULL, NULL), 204);
    expect_entries(w, "Patient?_has:Observation:patient:value-quantity=gt4", "");
    expect_status(ask(w, "DELETE", "Patient/p2", NULL, NULL), 204);
    expect_entries(w, "Observation?patient.birthdate=1970", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(what_is_referred_to_is_included_once),
        WORLD_TEST(what_refers_to_a_match_is_included),
        WORLD_TEST(an_iterated_include_goes_on_and_a_cycle_ends),
        WORLD_TEST(bad_includes_are_refused_by_name),
        WORLD_TEST(chains_follow_what_is_live_now),
        WORLD_TEST(pages_come_in_the_order_asked_and_keep_it_under_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
