/* Search parameters that a data store defines itself, from the SearchParameter that is
 * stored to the search: rules, restarts, writers at work meanwhile. */
#include "rest/world.h"

#include "custom/custom.h"
#include "os/clock.h"
#include "os/thread.h"

#define RACE "Patient.extension.where(url = `http://x/race`).value"

/* JSON with ' for ", and ` for '. */
static const char *quoted(struct world *w, const char *format, ...)
{
    char text[8000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
    return arena_copy(&w->arena, slice_cstr(text));
}

static const char *definition(struct world *w, const char *id, const char *base,
                              const char *code, const char *type, const char *expression,
                              const char *more)
{
    return quoted(w,
                  "{'resourceType':'SearchParameter','id':'%s','url':'http://x/%s','name':'N',"
                  "'status':'active','description':'d','code':'%s','base':['%s'],'type':'%s',"
                  "'expression':'%s'%s}",
                  id, id, code, base, type, expression, more);
}

static struct answer define(struct world *w, const char *id, const char *base, const char *code,
                            const char *type, const char *expression)
{
    struct slice target = arena_printf(&w->arena, "SearchParameter/%s", id);
    return put(w, target.bytes, definition(w, id, base, code, type, expression, ""));
}

static void define_race(struct world *w)
{
    define(w, "race", "Patient", "race", "token", RACE);
}

static void put_patient(struct world *w, const char *id, const char *race)
{
    struct slice target = arena_printf(&w->arena, "Patient/%s", id);
    struct answer a = put(w, target.bytes,
                          quoted(w,
                                 "{'resourceType':'Patient','id':'%s','extension':[{'url':"
                                 "'http://x/race','valueCoding':{'system':'s','code':'%s'}}]}",
                                 id, race));
    assert_true(a.status == 200 || a.status == 201);
}

/* Patients p0 .. in one transaction: every third of race b. */
static void put_many(struct world *w, int count)
{
    struct buf text;
    buf_init(&text, 8 << 20);
    buf_append_cstr(&text, "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[");
    for (int i = 0; i < count; i++)
        buf_printf(&text,
                   "%s{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"p%d\",\"extension\":[{"
                   "\"url\":\"http://x/race\",\"valueCode\":\"%s\"}]},\"request\":{\"method\":"
                   "\"PUT\",\"url\":\"Patient/p%d\"}}",
                   i ? "," : "", i, i % 3 ? "a" : "b", i);
    buf_append_cstr(&text, "]}");
    buf_append_byte(&text, '\0');
    expect_status(post(w, "", arena_copy(&w->arena, buf_slice(&text))), 200);
    buf_release(&text);
}

/* Until all that is being indexed is. */
static struct answer wait_ready(struct world *w, const char *query)
{
    struct slice target = arena_printf(&w->arena, "$reindex%s", query);
    for (int i = 0; i < 2000; i++) {
        struct answer a = get(w, target.bytes);
        if (a.status != 202)
            return expect_status(a, 200);
        assert_non_null(header(w, &a, "X-Progress"));
        os_sleep_us(5000);
    }
    fail_msg("not indexed within 10 s");
    return (struct answer){ 0 };
}

static void assert_found(struct world *w, const char *query, const char *total)
{
    struct slice target = arena_printf(&w->arena, "%s&_total=accurate", query);
    struct answer a = expect_status(get(w, target.bytes), 200);
    assert_at(w, &a, "total", total);
}

static void assert_unknown(struct world *w, const char *query)
{
    struct answer a = expect_status(get(w, query), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "Unknown search parameter");
}

/* ---- from stored to searched ---- */

static void a_stored_definition_is_searched_by(void **state)
{
    struct world *w = *state;
    assert_unknown(w, "Patient?race=a");
    define_race(w);
    put_patient(w, "p1", "a");
    put_patient(w, "p2", "b");
    wait_ready(w, "");
    assert_found(w, "Patient?race=a", "1");
    assert_found(w, "Patient?race=s|b", "1");
    assert_found(w, "Patient?race=a,b", "2");
    assert_found(w, "Patient?race:not=a", "1");
    assert_found(w, "Patient?race:missing=false", "2");
    assert_found(w, "Patient?_filter=race eq b", "1");
    assert_unknown(w, "Observation?race=a");
    struct answer a = expect_status(get(w, "Patient?rase=a"), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "'race'");
    a = expect_status(get(w, "Patient?race=a&_explain=true"), 200);
    assert_contains(arena_copy(&w->arena, a.body), "Patient.race");
}

static void what_was_stored_before_is_indexed_and_never_found_in_part(void **state)
{
    struct world *w = *state;
    put_many(w, 3000);
    define_race(w);
    for (int i = 0; i < 2000; i++) {
        struct answer a = get(w, "Patient?race=b&_total=accurate&_count=0");
        if (a.status == 200) {
            assert_at(w, &a, "total", "1000");
            break;
        }
        expect_status(a, 503);
        const char *why = text_at(w, &a, "issue.0.diagnostics");
        if (!strstr(why, "is being built, retry later")) /* ready by the time it was named */
            assert_contains(why, "Patient.race");
        assert_string_equal(header(w, &a, "Retry-After"), "1");
        a = get(w, "Patient?race=b&gender=male&_explain=true");
        if (a.status == 503) {
            char *text = arena_copy(&w->arena, a.body);
            if (!strstr(text, "'cb|': ready"))
                assert_contains(text, "'cb|': is being indexed, ");
            assert_contains(text, "'cmale|': ready");
        }
        os_sleep_us(1000);
    }
    assert_found(w, "Patient?race=a", "2000");
}

static void a_changed_or_gone_definition_counts_at_once(void **state)
{
    struct world *w = *state;
    put_patient(w, "p1", "a");
    define_race(w);
    wait_ready(w, "");
    assert_found(w, "Patient?race=a", "1");
    expect_status(define(w, "race", "Patient", "race", "uri", "Patient.extension.url"), 200);
    wait_ready(w, "");
    assert_found(w, "Patient?race=http://x/race", "1");
    assert_found(w, "Patient?race=a", "0");
    expect_status(define(w, "race", "Patient", "tribe", "uri", "Patient.extension.url"), 200);
    wait_ready(w, "");
    assert_found(w, "Patient?tribe=http://x/race", "1");
    assert_unknown(w, "Patient?race=a");
    expect_status(ask(w, "DELETE", "SearchParameter/race", NULL, NULL), 204);
    assert_unknown(w, "Patient?tribe=a");
    define_race(w);
    wait_ready(w, "");
    assert_found(w, "Patient?race=a", "1");
    put(w, "SearchParameter/race",
        quoted(w, "{'resourceType':'SearchParameter','id':'race','status':'retired'}"));
    assert_unknown(w, "Patient?race=a");
    struct answer a = wait_ready(w, "");
    assert_at(w, &a, "parameter.1.part.1.valueCode", "unused");
    assert_contains(text_at(w, &a, "parameter.1.part.2.valueString"), "not active");
}

static void definitions_last_over_restarts(void **state)
{
    struct world *w = *state;
    define_race(w);
    define(w, "kind", "Patient", "kind", "uri", "Patient.extension.url");
    expect_status(ask(w, "DELETE", "SearchParameter/race", NULL, NULL), 204);
    define_race(w);
    put_patient(w, "p1", "a");
    wait_ready(w, "");
    for (int i = 0; i < 3; i++) {
        world_close(w);
        world_open(w);
        assert_found(w, "Patient?race=a", "1");
        assert_found(w, "Patient?kind=http://x/race&_id=p1", "1");
        put_patient(w, i == 0 ? "p2" : "p3", "b");
        assert_found(w, "Patient?race=b", i == 0 ? "1" : "2");
    }
}

static void a_restart_goes_on_with_what_was_being_indexed(void **state)
{
    struct world *w = *state;
    put_many(w, 3000);
    define_race(w);
    world_close(w);
    world_open(w);
    wait_ready(w, "");
    assert_found(w, "Patient?race=a", "2000");
}

static void a_transaction_may_bring_a_definition_and_what_it_finds(void **state)
{
    struct world *w = *state;
    const char *sp = definition(w, "race", "Patient", "race", "token", RACE, "");
    struct slice body = arena_printf(
        &w->arena,
        "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":["
        "{\"resource\":%s,\"request\":{\"method\":\"PUT\",\"url\":\"SearchParameter/race\"}},"
        "{\"resource\":%s,\"request\":{\"method\":\"POST\",\"url\":\"Patient\"}}]}",
        sp,
        quoted(w, "{'resourceType':'Patient','extension':[{'url':'http://x/race',"
                  "'valueCode':'z'}]}"));
    expect_status(post(w, "", body.bytes), 200);
    wait_ready(w, "");
    assert_found(w, "Patient?race=z", "1");
}

static void lines_that_are_imported_bring_definitions(void **state)
{
    struct world *w = *state;
    put_patient(w, "p1", "a");
    struct rest_line line = {
        .text = slice_cstr(definition(w, "race", "Patient", "race", "token", RACE, ""))
    };
    assert_int_equal(rest_import(w->rest, REST_STRICT, &line, 1, &w->arena), ERR_NONE);
    assert_int_equal(line.status, 201);
    wait_ready(w, "");
    assert_found(w, "Patient?race=a", "1");
}

/* ---- which definitions count ---- */

static void drafts_and_what_r4_says_already_do_not_count(void **state)
{
    struct world *w = *state;
    put(w, "SearchParameter/race",
        quoted(w, "{'resourceType':'SearchParameter','id':'race','status':'draft','code':'race',"
                  "'base':['Patient'],'type':'token','expression':'Patient.gender'}"));
    assert_unknown(w, "Patient?race=a");
    define(w, "bd", "Patient", "birthdate", "date", "Patient.birthDate");
    define(w, "id", "Patient", "_id", "token", "Patient.id");
    define(w, "page", "Patient", "page", "token", "Patient.gender");
    struct answer a = wait_ready(w, "");
    for (int i = 1; i <= 4; i++) {
        struct slice path = arena_printf(&w->arena, "parameter.%d.part.%d.valueCode", i,
                                         i == 1 ? 1 : 3);
        assert_at(w, &a, path.bytes, "unused");
    }
    assert_contains(text_at(w, &a, "parameter.2.part.4.valueString"), "R4 defines the same");
    put(w, "Patient/x", "{\"resourceType\":\"Patient\",\"id\":\"x\",\"birthDate\":\"1970-02-03\"}");
    assert_found(w, "Patient?birthdate=1970&_id=x", "1");
}

static void another_rule_stands_before_r4_s(void **state)
{
    struct world *w = *state;
    put(w, "Patient/x", "{\"resourceType\":\"Patient\",\"id\":\"x\",\"birthDate\":\"1970-02-03\"}");
    define(w, "bd", "Patient", "birthdate", "string", "Patient.birthDate.toString()");
    wait_ready(w, "");
    assert_found(w, "Patient?birthdate:contains=02", "1");
    expect_status(ask(w, "DELETE", "SearchParameter/bd", NULL, NULL), 204);
    assert_found(w, "Patient?birthdate=1970-02", "1");
}

static void compartments_go_by_r4_s_own(void **state)
{
    struct world *w = *state;
    define(w, "other", "Observation", "patient", "reference", "Observation.performer");
    define(w, "more", "Observation", "subject", "reference", "Observation.performer");
    put_patient(w, "p1", "a");
    put(w, "Observation/o",
        quoted(w, "{'resourceType':'Observation','id':'o','status':'final','code':{'text':'x'},"
                  "'subject':{'reference':'Patient/p1'},'performer':[{'reference':"
                  "'Patient/p2'}]}"));
    wait_ready(w, "");
    assert_found(w, "Observation?patient=p2", "1");
    assert_found(w, "Observation?patient=p1", "0");
    assert_found(w, "Patient/p1/Observation?_id=o", "1");
    struct answer a = expect_status(get(w, "Patient/p1/$everything"), 200);
    assert_int_equal(count_at(&a, "entry"), 2);
}

static void the_first_of_two_has_the_name_and_the_other_follows_it(void **state)
{
    struct world *w = *state;
    put_patient(w, "p1", "a");
    define_race(w);
    define(w, "other", "Patient", "race", "uri", "Patient.extension.url");
    struct answer a = wait_ready(w, "");
    assert_found(w, "Patient?race=a", "1");
    assert_at(w, &a, "parameter.2.part.3.valueCode", "unused");
    assert_contains(text_at(w, &a, "parameter.2.part.4.valueString"), "SearchParameter/race");
    expect_status(ask(w, "DELETE", "SearchParameter/race", NULL, NULL), 204);
    wait_ready(w, "");
    assert_found(w, "Patient?race=http://x/race", "1");
}

static void strict_validation_refuses_what_cannot_be_searched_by(void **state)
{
    struct world *w = *state;
    world_level(w, REST_STRICT);
    struct answer a = expect_status(
        define(w, "bad", "Patient", "race", "token", "Patient.extension.where("), 400);
    assert_contains(arena_copy(&w->arena, a.body), "SearchParameter.expression");
    assert_contains(arena_copy(&w->arena, a.body), "no FHIRPath");
    assert_contains(arena_copy(&w->arena, a.body), "Line[1] Col[176]");
    expect_status(define(w, "race", "Patient", "race", "token", RACE), 201);
    a = expect_status(define(w, "race2", "Patient", "race", "token", "Patient.gender"), 400);
    assert_contains(arena_copy(&w->arena, a.body), "SearchParameter/race defines");
    expect_status(define(w, "race", "Patient", "race", "token", "Patient.gender"), 200);
    expect_status(define(w, "race3", "Person", "race", "token", "Person.gender"), 201);
    a = expect_status(define(w, "page", "Patient", "page", "token", "Patient.gender"), 400);
    assert_contains(arena_copy(&w->arena, a.body), "choose another code");
    a = expect_status(post(w, "SearchParameter/$validate",
                           definition(w, "x", "Patient", "y", "token", "today()", "")), 200);
    assert_contains(arena_copy(&w->arena, a.body), "must follow from the resource alone");
}

static void what_was_stored_unchecked_says_why_it_does_not_count(void **state)
{
    struct world *w = *state;
    define(w, "bad", "Patient", "race", "token", "Patient.extension.where(");
    assert_unknown(w, "Patient?race=a");
    struct answer a = wait_ready(w, "");
    assert_contains(text_at(w, &a, "parameter.1.part.2.valueString"), "its expression");
    a = expect_status(post(w, "SearchParameter/bad/$reindex", NULL), 422);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "its expression");
}

static void no_more_than_a_thousand_count(void **state)
{
    struct world *w = *state;
    enum { COUNT = CUSTOM_PARAMS_MAX + 2 };
    struct rest_line *lines = arena_array(&w->arena, COUNT, sizeof *lines);
    put_patient(w, "p1", "a");
    for (int i = 0; i < COUNT; i++) {
        char id[16];
        snprintf(id, sizeof id, "sp%d", i);
        lines[i].text = slice_cstr(definition(w, id, "Patient", id, "token", RACE, ""));
    }
    assert_int_equal(rest_import(w->rest, REST_UNCHECKED, lines, COUNT, &w->arena), ERR_NONE);
    struct answer a = wait_ready(w, "");
    struct json list = answer_find(&a, "parameter");
    size_t unused = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
        unused += slice_find(json_raw(v), SLICE("1000 others count already")) > 0;
    assert_int_equal(unused, 2);
    assert_found(w, "Patient?sp0=a", "1");
    assert_found(w, "Patient?sp999=a", "1");
    assert_unknown(w, "Patient?sp1000=a");
    expect_status(ask(w, "DELETE", "SearchParameter/sp7", NULL, NULL), 204);
    wait_ready(w, "");
    assert_found(w, "Patient?sp1000=a", "1");
    world_close(w);
    world_open(w);
    assert_found(w, "Patient?sp1000=a&sp3=a", "1");
}

static void hostile_definitions_take_nothing_from_the_others(void **state)
{
    struct world *w = *state;
    static const char *const fills[] = { "1+", "(", "a.", "x|", "`y`&" };
    define_race(w);
    put_patient(w, "p1", "a");
    for (size_t i = 0; i < ARRAY_COUNT(fills); i++) {
        struct buf text;
        buf_init(&text, 8 << 20);
        while (text.length < (i == 0 ? 2u << 20 : 9000u))
            buf_append(&text, slice_cstr(fills[i]));
        buf_append_cstr(&text, "a");
        for (char *c = text.bytes; c < text.bytes + text.length; c++)
            *c = *c == '`' ? '\'' : *c;
        struct slice body = arena_printf(
            &w->arena,
            "{\"resourceType\":\"SearchParameter\",\"id\":\"h%zu\",\"status\":\"active\","
            "\"code\":\"h%zu\",\"base\":[\"Patient\",\"Patient\"],\"type\":\"string\","
            "\"expression\":\"%.*s\"}",
            i, i, SLICE_ARGS(buf_slice(&text)));
        struct slice target = arena_printf(&w->arena, "SearchParameter/h%zu", i);
        expect_status(put(w, target.bytes, body.bytes), 201);
        buf_release(&text);
    }
    put_patient(w, "p2", "a");
    wait_ready(w, "");
    assert_found(w, "Patient?race=a", "2");
    world_close(w);
    world_open(w);
    assert_found(w, "Patient?race=a", "2");
}

static void parts_of_composites_may_come_later(void **state)
{
    struct world *w = *state;
    put(w, "Observation/o",
        quoted(w, "{'resourceType':'Observation','id':'o','status':'final','code':{'coding':["
                  "{'code':'x'}]},'note':[{'text':'t','time':'2020-01-02'}]}"));
    put(w, "SearchParameter/both",
        definition(w, "both", "Observation", "code-note", "composite", "Observation",
                   ",'component':[{'definition':'http://hl7.org/fhir/SearchParameter/clinical-"
                   "code','expression':'code'},{'definition':'http://x/note','expression':"
                   "'note.time'}]"));
    assert_unknown(w, "Observation?code-note=x$2020");
    define(w, "note", "Observation", "note-time", "date", "Observation.note.time");
    wait_ready(w, "");
    assert_found(w, "Observation?code-note=x$2020", "1");
    assert_found(w, "Observation?note-time=ge2020-01-02", "1");
    define(w, "note", "Observation", "note-time", "string", "Observation.note.time.toString()");
    wait_ready(w, "");
    assert_found(w, "Observation?code-note=x$2020-01", "1");
    assert_found(w, "Observation?code-note=x$2021", "0");
    expect_status(ask(w, "DELETE", "SearchParameter/note", NULL, NULL), 204);
    assert_unknown(w, "Observation?code-note=x$2020");
}

static void all_types_may_be_the_base(void **state)
{
    struct world *w = *state;
    define(w, "any", "DomainResource", "ext", "uri", "DomainResource.extension.url");
    put_patient(w, "p1", "a");
    put(w, "Group/g",
        quoted(w, "{'resourceType':'Group','id':'g','extension':[{'url':'http://x/race'}]}"));
    wait_ready(w, "");
    assert_found(w, "Patient?ext=http://x/race", "1");
    assert_found(w, "Group?ext=http://x/race", "1");
    assert_found(w, "?_type=Group,Patient&ext=http://x/race", "2");
    assert_unknown(w, "Binary?ext=http://x/race");
}

/* ---- joins, order, pages, as of ---- */

static void references_join_include_and_sort(void **state)
{
    struct world *w = *state;
    put(w, "SearchParameter/home",
        definition(w, "home", "Patient", "home", "reference",
                   "Patient.extension.where(url=`h`).value", ",'target':['Organization']"));
    define(w, "rank", "Patient", "rank", "number", "Patient.multipleBirth.ofType(integer)");
    define(w, "motto", "Organization", "motto", "string", "Organization.alias");
    put(w, "Organization/o",
        quoted(w, "{'resourceType':'Organization','id':'o','alias':['Ad astra']}"));
    for (int i = 1; i <= 3; i++) {
        struct slice target = arena_printf(&w->arena, "Patient/p%d", i);
        put(w, target.bytes,
            quoted(w, "{'resourceType':'Patient','id':'p%d','multipleBirthInteger':%d,'extension':"
                      "[{'url':'h','valueReference':{'reference':'Organization/%s'}}]}",
                   i, 4 - i, i < 3 ? "o" : "other"));
    }
    wait_ready(w, "");
    assert_found(w, "Patient?home=Organization/o", "2");
    assert_found(w, "Patient?home:Organization.motto=ad", "2");
    assert_found(w, "Patient?home.motto=ad", "2");
    assert_found(w, "Organization?_has:Patient:home:rank=3", "1");
    assert_found(w, "Organization?_has:Patient:home:rank=1", "0");
    put(w, "Observation/c",
        quoted(w, "{'resourceType':'Observation','id':'c','status':'final','code':{'text':'x'},"
                  "'contained':[{'resourceType':'Patient','id':'in','multipleBirthInteger':9,"
                  "'extension':[{'url':'h','valueReference':{'reference':'Organization/o'}}]}],"
                  "'subject':{'reference':'#in'}}"));
    assert_found(w, "Patient?_contained=true&home=Organization/o&rank=9", "1");
    assert_found(w, "Patient?_contained=true&home=Organization/o&rank=8", "0");
    assert_found(w, "Patient?_contained=true&home:Organization.motto=ad", "1");
    assert_found(w, "Observation?subject:Patient.rank=9", "1");
    assert_found(w, "Observation?subject:Patient.home.motto=ad", "1");
    struct answer a = expect_status(get(w, "Patient?_sort=rank&_include=Patient:home"), 200);
    assert_at(w, &a, "entry.0.resource.id", "p3");
    assert_at(w, &a, "entry.2.resource.id", "p1");
    assert_at(w, &a, "entry.3.resource.id", "o");
    a = expect_status(get(w, "Organization?_revinclude=Patient:home&_revinclude:iterate="
                             "Patient:home"), 200);
    assert_int_equal(count_at(&a, "entry"), 3);
    a = expect_status(get(w, "Patient?_sort=-rank&_count=1"), 200);
    assert_at(w, &a, "entry.0.resource.id", "p1");
    a = expect_status(get(w, link_of(w, &a, "next")), 200);
    assert_at(w, &a, "entry.0.resource.id", "p2");
}

static void conditions_of_writes_take_them(void **state)
{
    struct world *w = *state;
    define_race(w);
    put_patient(w, "p1", "a");
    wait_ready(w, "");
    struct answer a = ask(w, "PUT", "Patient?race=a", "Content-Type: application/fhir+json",
                          "{\"resourceType\":\"Patient\",\"gender\":\"male\"}");
    expect_status(a, 200);
    assert_at(w, &a, "id", "p1");
    assert_found(w, "Patient?race=a", "0");
    put_patient(w, "p1", "a");
    expect_status(ask(w, "DELETE", "Patient?race=a", NULL, NULL), 204);
    assert_found(w, "Patient?race=a", "0");
}

static void an_earlier_instant_is_searched_by_the_definition_of_now(void **state)
{
    struct world *w = *state;
    put_patient(w, "p1", "a");
    struct answer a = expect_status(get(w, "Patient/p1"), 200);
    const char *then = text_at(w, &a, "meta.lastUpdated");
    put_patient(w, "p1", "b");
    define_race(w);
    wait_ready(w, "");
    struct slice target = arena_printf(&w->arena, "Patient?race=a&_asof=%s", then);
    assert_found(w, target.bytes, "1");
    assert_found(w, "Patient?race=a", "0");
}

/* ---- told ---- */

static void the_capability_statement_lists_them(void **state)
{
    struct world *w = *state;
    struct answer a = expect_status(get(w, "metadata"), 200);
    char *text = arena_copy(&w->arena, a.body);
    assert_null(strstr(text, "http://x/race"));
    assert_contains(text, "{\"name\":\"_lastUpdated\",\"definition\":\"http://hl7.org/fhir/"
                          "SearchParameter/Resource-lastUpdated\",\"type\":\"date\"}");
    assert_true(count_at(&a, "rest.0.searchParam") >= 8);
    define_race(w);
    define(w, "bd", "Patient", "birthdate", "string", "Patient.birthDate.toString()");
    a = expect_status(get(w, "metadata"), 200);
    text = arena_copy(&w->arena, a.body);
    assert_contains(text, "{\"name\":\"race\",\"definition\":\"http://x/race\","
                          "\"type\":\"token\"}");
    assert_contains(text, "{\"name\":\"birthdate\",\"definition\":\"http://x/bd\"");
    struct json list = answer_find(&a, "rest.0.resource"), found = JSON_ABSENT;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
        if (json_string_is(json_member(v, "type"), SLICE("Patient")))
            found = json_member(v, "searchParam");
    size_t times = 0;
    for (struct json v = json_first(found); json_exists(v); v = json_next(found, v))
        times += json_string_is(json_member(v, "name"), SLICE("birthdate"));
    assert_int_equal(times, 1);
    expect_status(ask(w, "DELETE", "SearchParameter/race", NULL, NULL), 204);
    a = expect_status(get(w, "metadata"), 200);
    assert_null(strstr(arena_copy(&w->arena, a.body), "http://x/race"));
}

static const char *action_of(struct world *w, const char *method, const char *target)
{
    struct http_request r;
    const char *actions[REST_ACTIONS_MAX];
    request_fill(w, &r, method, target, NULL, SLICE_NONE);
    assert_int_equal(rest_actions(w->rest, &r, slice_cstr(target), actions), 1);
    return actions[0];
}

static void reindexing_has_actions_of_its_own(void **state)
{
    struct world *w = *state;
    assert_string_equal(action_of(w, "POST", "$reindex"), "healthlake:StartReindex");
    assert_string_equal(action_of(w, "GET", "$reindex"), "healthlake:DescribeReindex");
    assert_string_equal(action_of(w, "POST", "SearchParameter/x/$reindex"),
                        "healthlake:StartReindex");
}

static void reindex_derives_again_what_is_named(void **state)
{
    struct world *w = *state;
    define_race(w);
    put_patient(w, "p1", "a");
    wait_ready(w, "");
    struct answer a = expect_status(post(w, "$reindex", NULL), 202);
    assert_string_equal(header(w, &a, "Content-Location"), BASE "/$reindex");
    assert_string_equal(header(w, &a, "X-Progress"), "fields being indexed: 0, done: 100 %");
    assert_found(w, "Patient?race=a", "1"); /* nothing was named: nothing is derived again */
    a = expect_status(post(w, "SearchParameter/race/$reindex", NULL), 202);
    assert_contains(header(w, &a, "X-Progress"), "fields being indexed: 1,");
    assert_string_equal(header(w, &a, "Content-Location"), BASE "/SearchParameter/race/$reindex");
    wait_ready(w, "");
    assert_found(w, "Patient?race=a", "1");
    a = expect_status(get(w, "SearchParameter/race/$reindex"), 200);
    assert_at(w, &a, "parameter.0.valueBoolean", "true");
    assert_at(w, &a, "parameter.1.part.3.valueCode", "ready");
    a = expect_status(post(w, "$reindex?type=Patient&parameter=race&parameter=birthdate", NULL),
                      202);
    assert_string_equal(header(w, &a, "Content-Location"),
                        BASE "/$reindex?type=Patient&parameter=race&parameter=birthdate");
    wait_ready(w, "?type=Patient&parameter=race&parameter=birthdate");
    expect_status(post(w, "$reindex",
                       quoted(w, "{'resourceType':'Parameters','parameter':[{'name':'parameter',"
                                 "'valueString':'http://x/race'}]}")), 202);
    wait_ready(w, "");
    expect_status(post(w, "$reindex?parameter=*", NULL), 202);
    wait_ready(w, "");
    assert_found(w, "Patient?race=a&_id=p1", "1");
    a = expect_status(post(w, "$reindex?parameter=nonsense", NULL), 400);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "no search parameter of this name");
    expect_status(post(w, "$reindex?type=Pat", NULL), 400);
    expect_status(post(w, "$reindex?what=x", NULL), 400);
    expect_status(post(w, "SearchParameter/none/$reindex", NULL), 404);
    expect_status(post(w, "Patient/$reindex", NULL), 501);
}

static void failures_are_counted_and_told(void **state)
{
    struct world *w = *state;
    define(w, "one", "Patient", "one", "string", "Patient.name.given.substring(0)");
    put(w, "Patient/x",
        quoted(w, "{'resourceType':'Patient','id':'x','name':[{'given':['a','b']}]}"));
    struct answer a = wait_ready(w, "");
    assert_at(w, &a, "parameter.1.part.4.name", "failures");
    assert_found(w, "Patient?one:missing=true", "1");
}

static void under_healthlake_r4_s_own_are_all(void **state)
{
    struct world *w = *state;
    define_race(w);
    put_patient(w, "p1", "a");
    expect_status(get(w, "Patient?race=a"), 400);
    struct answer a = expect_status(post(w, "$reindex", NULL), 501);
    assert_contains(text_at(w, &a, "issue.0.diagnostics"), "R4 alone");
    w->behaviour = rest_behaviour_open();
    world_close(w);
    world_open(w);
    expect_status(get(w, "Patient?_count=1"), 200); /* takes the definition up */
    wait_ready(w, "");
    assert_found(w, "Patient?race=a", "1");
    w->behaviour = rest_behaviour_healthlake();
    world_close(w);
    world_open(w);
    put_patient(w, "p2", "a");
    w->behaviour = rest_behaviour_open();
    world_close(w);
    world_open(w);
    assert_found(w, "Patient?race=a", "2"); /* what was taken up is kept up */
}

/* ---- writers at work ---- */

enum { WRITERS = 3, WRITES = 80 };

struct writer {
    struct world *w;
    int number;
};

static void *write_on(void *context)
{
    const struct writer *t = context;
    struct arena arena;
    arena_init(&arena, 256 << 20);
    for (int i = 0; i < WRITES; i++) {
        struct slice body = arena_printf(
            &arena, "{\"resourceType\":\"Patient\",\"id\":\"w%d-%d\",\"extension\":[{\"url\":"
                    "\"http://x/race\",\"valueCode\":\"%s\"}]}",
            t->number, i, i % 2 ? "odd" : "even");
        struct slice path = arena_printf(&arena, "Patient/w%d-%d", t->number, i);
        struct http_header header = { SLICE("Content-Type"), SLICE("application/fhir+json") };
        struct http_request r = { .method = SLICE("PUT"),
                                  .path = arena_printf(&arena, "/datastore/ds1/r4/%s", path.bytes),
                                  .headers = &header,
                                  .header_count = 1,
                                  .body = body,
                                  .content_length = (int64_t)body.length,
                                  .arena = &arena };
        struct http_response response;
        rest_handle(t->w->rest, &r, path, &response);
        if (response.status != 201 && response.status != 503)
            fail_msg("a write was answered %d", response.status);
        i -= response.status == 503;
    }
    arena_release(&arena);
    return NULL;
}

static void no_write_is_lost_while_definitions_change(void **state)
{
    struct world *w = *state;
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    for (int t = 0; t < WRITERS; t++) {
        writers[t] = (struct writer){ w, t };
        assert_int_equal(thread_start(&threads[t], write_on, &writers[t]), ERR_NONE);
    }
    for (int i = 0; i < 6; i++) {
        if (i % 2)
            define(w, "race", "Patient", "race", "uri", "Patient.extension.url");
        else
            define_race(w);
        os_sleep_us(10000);
    }
    define_race(w);
    for (int t = 0; t < WRITERS; t++)
        thread_join(threads[t]);
    wait_ready(w, "");
    assert_found(w, "Patient?race=odd", "120");
    assert_found(w, "Patient?race=even", "120");
    assert_found(w, "Patient?race=http://x/race", "0");
    uint64_t checked;
    world_close(w);
    world_open(w);
    assert_found(w, "Patient?race=odd", "120");
    assert_int_equal(store_check(w->store, NULL, NULL, &checked), ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_stored_definition_is_searched_by),
        WORLD_TEST(what_was_stored_before_is_indexed_and_never_found_in_part),
        WORLD_TEST(a_changed_or_gone_definition_counts_at_once),
        WORLD_TEST(definitions_last_over_restarts),
        WORLD_TEST(a_restart_goes_on_with_what_was_being_indexed),
        WORLD_TEST(a_transaction_may_bring_a_definition_and_what_it_finds),
        WORLD_TEST(lines_that_are_imported_bring_definitions),
        WORLD_TEST(drafts_and_what_r4_says_already_do_not_count),
        WORLD_TEST(another_rule_stands_before_r4_s),
        WORLD_TEST(compartments_go_by_r4_s_own),
        WORLD_TEST(the_first_of_two_has_the_name_and_the_other_follows_it),
        WORLD_TEST(strict_validation_refuses_what_cannot_be_searched_by),
        WORLD_TEST(what_was_stored_unchecked_says_why_it_does_not_count),
        WORLD_TEST(no_more_than_a_thousand_count),
        WORLD_TEST(hostile_definitions_take_nothing_from_the_others),
        WORLD_TEST(parts_of_composites_may_come_later),
        WORLD_TEST(all_types_may_be_the_base),
        WORLD_TEST(references_join_include_and_sort),
        WORLD_TEST(conditions_of_writes_take_them),
        WORLD_TEST(an_earlier_instant_is_searched_by_the_definition_of_now),
        WORLD_TEST(the_capability_statement_lists_them),
        WORLD_TEST(reindexing_has_actions_of_its_own),
        WORLD_TEST(reindex_derives_again_what_is_named),
        WORLD_TEST(failures_are_counted_and_told),
        HEALTHLAKE_TEST(under_healthlake_r4_s_own_are_all),
        WORLD_TEST(no_write_is_lost_while_definitions_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
