/* Whole requests while memory is refused: each way to an allocation fails once. The
 * answer is then a 503 (or is cut, when it was on its way), nothing is half done, and
 * asked again the request comes to what it comes to in a world where nothing is refused. */
#include "world.h"

#include "refuse.h"

static const char PATIENT[] =
    "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"active\":true,\"name\":[{\"family\":\"Berg\","
    "\"given\":[\"Anna\",\"Maria\"]}],\"birthDate\":\"1970-03-02\",\"gender\":\"female\","
    "\"identifier\":[{\"system\":\"http://x.org/ids\",\"value\":\"4711\"}],\"text\":{\"status\":"
    "\"generated\",\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">Anna Berg</div>\"}}";

static const char TRANSACTION[] =
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":["
    "{\"fullUrl\":\"urn:uuid:0b5d0f4c-0000-4000-8000-000000000001\",\"resource\":{\"resourceType\":"
    "\"Practitioner\",\"name\":[{\"family\":\"Doe\"}]},\"request\":{\"method\":\"POST\",\"url\":"
    "\"Practitioner\",\"ifNoneExist\":\"family=Doe\"}},"
    "{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"o1\",\"status\":\"final\",\"code\":{"
    "\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"1-8\"}]},\"subject\":{\"reference\":"
    "\"Patient/p1\"},\"effectiveDateTime\":\"2020-01-02\",\"performer\":[{\"reference\":"
    "\"urn:uuid:0b5d0f4c-0000-4000-8000-000000000001\"}],\"valueQuantity\":{\"value\":5.4,"
    "\"unit\":\"mg\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"mg\"}},\"request\":{"
    "\"method\":\"PUT\",\"url\":\"Observation/o1\"}},"
    "{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"o2\",\"status\":\"final\",\"code\":{"
    "\"text\":\"weight\"},\"subject\":{\"reference\":\"Patient/p1\"},\"effectiveDateTime\":"
    "\"2021-01-02\",\"contained\":[{\"resourceType\":\"Device\",\"id\":\"d\"}],\"device\":{"
    "\"reference\":\"#d\"}},\"request\":{\"method\":\"PUT\",\"url\":\"Observation/o2\"}},"
    "{\"request\":{\"method\":\"GET\",\"url\":\"Patient/p1\"}}]}";

static const char BATCH[] = "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":["
                            "{\"request\":{\"method\":\"GET\",\"url\":\"Observation?code=1-8\"}},"
                            "{\"request\":{\"method\":\"DELETE\",\"url\":\"Observation/never\"}},"
                            "{\"request\":{\"method\":\"GET\",\"url\":\"Patient/none\"}}]}";

static const char PARAMETER[] =
    "{\"resourceType\":\"SearchParameter\",\"id\":\"given-first\",\"url\":\"http://x.org/sp\","
    "\"name\":\"first\",\"status\":\"active\",\"description\":\"d\",\"code\":\"first\",\"base\":["
    "\"Patient\"],\"type\":\"string\",\"expression\":\"Patient.name.given.first()\"}";

static const char CODES[] =
    "{\"resourceType\":\"CodeSystem\",\"id\":\"cs\",\"url\":\"http://x.org/cs\",\"status\":"
    "\"active\",\"content\":\"complete\",\"concept\":[{\"code\":\"a\",\"display\":\"A\","
    "\"concept\":"
    "[{\"code\":\"b\",\"display\":\"B\"}]}]}";

static const char VALUES[] = "{\"resourceType\":\"ValueSet\",\"id\":\"vs\",\"url\":\"http://x.org/"
                             "vs\",\"status\":\"active\","
                             "\"compose\":{\"include\":[{\"system\":\"http://x.org/cs\"}]}}";

static const struct asked {
    const char *method, *target, *headers, *body;
} ASKED[] = {
    { "GET", "metadata", NULL, NULL },
    { "PUT", "Patient/p1", "Content-Type: application/fhir+json", PATIENT },
    { "PUT", "Patient/p1", "Content-Type: application/fhir+json", PATIENT }, /* unchanged */
    { "POST", "Patient", "Content-Type: application/fhir+json\nIf-None-Exist: identifier=4711",
      PATIENT },
    { "POST", "Patient/$validate", "Content-Type: application/fhir+json", PATIENT },
    { "PUT", "Patient/bad",
      "Content-Type: application/fhir+json\nx-amzn-healthlake-fhir-validation-level: strict",
      "{\"resourceType\":\"Patient\",\"id\":\"bad\",\"gender\":\"none\",\"birthDate\":\"x\"}" },
    { "POST", "", "Content-Type: application/fhir+json", TRANSACTION },
    { "POST", "", "Content-Type: application/fhir+json", BATCH },
    { "GET", "Patient/p1", NULL, NULL },
    { "GET", "Patient/p1?_summary=true", NULL, NULL },
    { "GET", "Patient/p1/_history", NULL, NULL },
    { "GET", "Patient/p1/_history/1", NULL, NULL },
    { "PATCH", "Patient/p1", "Content-Type: application/json-patch+json",
      "[{\"op\":\"replace\",\"path\":\"/birthDate\",\"value\":\"1971-03-02\"}]" },
    { "PATCH", "Patient/p1", "Content-Type: application/merge-patch+json", "{\"active\":false}" },
    { "GET", "Observation?subject:Patient.name=berg&_sort=-date&_include=Observation:subject", NULL,
      NULL },
    { "GET", "Observation?patient=p1&date=ge2020&_count=1&_total=accurate", NULL, NULL },
    { "GET", "Patient?_has:Observation:subject:code=1-8&_revinclude=Observation:subject", NULL,
      NULL },
    { "GET", "Patient?name:contains=nn,er&birthdate=lt2000&_elements=name&_sort=name", NULL, NULL },
    { "GET", "Patient?_filter=(name co \"er\" and birthdate ge 1971) or family eq \"x\"", NULL,
      NULL },
    { "GET", "Patient?_text=anna&_content=berg", NULL, NULL },
    { "GET", "Observation?code:text=weight&subject:missing=false", NULL, NULL },
    { "GET", "Observation?value-quantity=5.4|http://unitsofmeasure.org|mg&_explain=true", NULL,
      NULL },
    { "GET", "Device?_contained=true", NULL, NULL },
    { "POST", "Patient/_search", "Content-Type: application/x-www-form-urlencoded",
      "name=anna&_summary=count" },
    { "GET", "Patient/p1/Observation?date=2020", NULL, NULL },
    { "GET", "Patient/p1/$everything", NULL, NULL },
    { "GET", "?_type=Patient,Observation&_lastUpdated=gt2020", NULL, NULL },
    { "GET", "_history?_count=3", NULL, NULL },
    { "GET", "Observation/_history", NULL, NULL },
    { "PUT", "CodeSystem/cs", "Content-Type: application/fhir+json", CODES },
    { "PUT", "ValueSet/vs", "Content-Type: application/fhir+json", VALUES },
    { "GET", "ValueSet/vs/$expand", NULL, NULL },
    { "GET", "ValueSet/$validate-code?url=http://x.org/vs&system=http://x.org/cs&code=b", NULL,
      NULL },
    { "GET", "CodeSystem/$lookup?system=http://x.org/cs&code=b", NULL, NULL },
    { "PUT", "SearchParameter/given-first", "Content-Type: application/fhir+json", PARAMETER },
    { "GET", "Patient?unknown=1", NULL, NULL },
    { "GET", "Patient/none", NULL, NULL },
    { "PUT", "Patient/p1", "Content-Type: application/fhir+json\nIf-Match: W/\"77\"", PATIENT },
    { "POST", "Observation", "Content-Type: application/fhir+json", "{\"resourceType\":\"Obs" },
    { "DELETE", "Observation?code=1-8&_count=10", NULL, NULL },
    { "DELETE", "Observation/o2", NULL, NULL },
    { "GET", "Observation/o2", NULL, NULL },
    { "POST", "Patient/p1/$purge", "Content-Type: application/fhir+json", "" },
    { "GET", "Patient/p1", NULL, NULL },
};

struct came_to {
    int status; /* 0: cut */
    size_t length;
    char *body;
};

static enum err drain(const struct http_response *response, struct buf *out)
{
    enum err err = ERR_NONE;
    size_t before;
    if (!response->produce)
        buf_append(out, response->body);
    for (bool more = response->produce; more; more = !err && out->length > before) {
        before = out->length;
        err = response->produce(response->produce_state, out);
    }
    if (response->produce_end)
        response->produce_end(response->produce_state);
    return err;
}

static struct came_to come_to(struct world *w, const struct asked *asked)
{
    struct http_request request;
    struct http_response response = { 0 };
    struct came_to c = { 0 };
    struct buf out;
    struct arena_mark mark = arena_mark(&w->arena);
    buf_init(&out, (size_t)1 << 28);
    request_fill(w, &request, asked->method, asked->target, asked->headers,
                 slice_cstr(asked->body ? asked->body : ""));
    struct slice path = slice_from(request.path, strlen("/datastore/ds1/r4/"));
    refuse_depth++;
    rest_handle(w->rest, &request, path, &response);
    enum err err = drain(&response, &out);
    refuse_depth--;
    c.status = err ? 0 : response.status;
    c.length = out.length;
    c.body = calloc(1, out.length + 1);
    if (out.length)
        memcpy(c.body, out.bytes, out.length);
    buf_release(&out);
    arena_rewind(&w->arena, mark);
    return c;
}

/* Ids and instants are new each time and of the same length. */
static bool is_same(const struct asked *asked, const struct came_to *a, const struct came_to *b)
{
    bool has_times = strstr(asked->target, "_explain") != NULL;
    return a->status == b->status && (has_times || a->length == b->length);
}

/* A write may be done and only its answer be refused; what is stored then is asked later. */
static bool is_done_before(const struct asked *asked, const struct came_to *c, int tries)
{
    bool is_read = strcmp(asked->method, "GET") == 0 || strstr(asked->target, "_search") ||
                   strstr(asked->target, "$validate");
    return tries > 0 && !is_read && (c->status / 100 == 2 || c->status == 404);
}

static struct came_to insist(struct world *w, const struct asked *asked,
                             const struct came_to *expected)
{
    for (int tries = 0;; tries++) {
        uint64_t before = atomic_load(&refuse.refused);
        struct came_to c = come_to(w, asked);
        bool is_refused = atomic_load(&refuse.refused) > before;
        if (is_same(asked, &c, expected) || is_done_before(asked, &c, tries))
            return c;
        /* A rule that runs out of its memory is told as not checked; a value set as too
         * large. Never is anything told as absent, or left out of an answer. */
        bool is_told = c.status == 503 || !c.status || strstr(c.body, "too-costly") ||
                       c.status == 422 ||
                       (c.status >= 400 && c.status == expected->status); /* in fewer words */
        if (!is_refused || !is_told || tries > 10000) {
            refuse_tell(asked->target, ERR_NO_MEMORY);
            fail_msg("%s %s (%d): %d of %d bytes, not %d of %d:\n%s\n%s", asked->method,
                     asked->target, tries, c.status, (int)c.length, expected->status,
                     (int)expected->length, c.body, expected->body);
        }
        free(c.body);
    }
}

static void requests_come_to_the_same_while_memory_is_refused(void **state)
{
    (void)state;
    struct came_to expected[ARRAY_COUNT(ASKED)];
    struct world *w = world_new(rest_behaviour_open());
    for (size_t i = 0; i < ARRAY_COUNT(ASKED); i++)
        expected[i] = come_to(w, &ASKED[i]);
    world_free(w);
    w = world_new(rest_behaviour_open());
    refuse_begin(1, 1, 4);
    for (size_t i = 0; i < ARRAY_COUNT(ASKED); i++) {
        struct came_to c = insist(w, &ASKED[i], &expected[i]);
        free(c.body);
        free(expected[i].body);
    }
    refuse_end();
    print_message("%llu of %llu refused\n", (unsigned long long)atomic_load(&refuse.refused),
                  (unsigned long long)atomic_load(&refuse.known));
    assert_true(atomic_load(&refuse.refused) > 1000);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_to_the_same_while_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
