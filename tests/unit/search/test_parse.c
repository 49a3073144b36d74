#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "index/index.h"
#include "search/search.h"

static struct arena arena;
static struct issues issues;
static struct search_query query;
static struct search_settings settings;
static const struct search_page_key page_key = { "any" };

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    settings = (struct search_settings){
        .page_key = &page_key,
        .base_url = SLICE("http://us/r4"),
        .default_count = 100,
        .largest_count = 1000,
    };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static enum err parse(const char *type, const char *text)
{
    struct search_pair *pairs = NULL;
    size_t count = 0;
    issues_init(&issues, &arena);
    enum err err = search_pairs_parse(slice_cstr(text), &arena, &pairs, &count, &issues);
    if (!err)
        err = search_parse(&settings, fhir_resource_find(slice_cstr(type)), pairs, count, &arena,
                           &issues, &query);
    assert_true((err == ERR_NONE) == (issues.count == 0));
    return err;
}

/* ---- plans as text ---- */

static void render_bytes(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.length; i++) {
        uint8_t byte = (uint8_t)s.bytes[i];
        if (byte == 0)
            buf_append_byte(out, '~');
        else if (byte >= 0x20 && byte < 0x7f)
            buf_append_byte(out, (char)byte);
        else
            buf_printf(out, "\\%02x", byte);
    }
}

static void render_field(struct buf *out, uint32_t field)
{
    uint16_t param = (uint16_t)field;
    if (param == INDEX_PARAM_TYPE)
        buf_append_cstr(out, "type");
    else
        buf_append(out, fhir_param_at(param)->code);
    assert_int_equal(field >> 16, query.type->resource);
}

static void render(struct buf *out, const struct plan *p)
{
    static const char *const names[] = {
        [PLAN_ALL] = "all",       [PLAN_NONE] = "none",         [PLAN_TERM] = "",
        [PLAN_PREFIX] = "prefix ", [PLAN_RANGE] = "range ",     [PLAN_CONTAINS] = "contains ",
        [PLAN_ID] = "id ",        [PLAN_INSTANT] = "instant ", [PLAN_AND] = "and",
        [PLAN_CREATED] = "created ",
        [PLAN_OR] = "or",         [PLAN_NOT] = "not",
        [PLAN_REFERS] = "refers ", [PLAN_REFERRED] = "referred ",
    };
    buf_append_cstr(out, names[p->kind]);
    if (p->kind == PLAN_INSTANT || p->kind == PLAN_CREATED) {
        buf_printf(out, "%lld..%lld", (long long)p->instant_low, (long long)p->instant_high);
    } else if (p->kind == PLAN_ID) {
        buf_printf(out, "%.*s/%.*s", SLICE_ARGS(p->from), SLICE_ARGS(p->to));
    } else if (p->child_count) {
        /* What a chain finds by contained resources has a test of its own. */
        size_t count = p->kind == PLAN_REFERS ? 1 : p->child_count;
        for (size_t i = 0; i < count; i++) {
            buf_append_cstr(out, i ? ", " : "(");
            render(out, p->children[i]);
        }
        buf_append_cstr(out, ")");
    } else if (p->kind != PLAN_ALL && p->kind != PLAN_NONE) {
        render_field(out, p->field);
        buf_append_byte(out, '=');
        render_bytes(out, p->from);
        if (p->needle.length)
            buf_printf(out, "*%.*s*", SLICE_ARGS(p->needle));
    }
}

static void assert_plan(const char *type, const char *text, const char *expected)
{
    if (parse(type, text))
        fail_msg("%s?%s: %.*s", type, text, SLICE_ARGS(issues.first->text));
    struct buf out;
    buf_init(&out, 1 << 20);
    render(&out, query.plan);
    buf_append_byte(&out, '\0');
    if (strcmp(out.bytes, expected) != 0)
        fail_msg("%s?%s\n  gives    %s\n  expected %s", type, text, out.bytes, expected);
    buf_release(&out);
}

static void assert_refused(const char *type, const char *text, enum err expected,
                           const char *mention)
{
    enum err err = parse(type, text);
    if (err != expected)
        fail_msg("%s?%s: %s", type, text, err_name(err));
    struct slice said = issues.first->text;
    if (slice_find(said, slice_cstr(mention)) < 0)
        fail_msg("%s?%s says: %.*s", type, text, SLICE_ARGS(said));
}

static void tokens_compile(void **state)
{
    (void)state;
    assert_plan("Patient", "identifier=12", "prefix identifier=c12~");
    assert_plan("Patient", "identifier=urn:x|12", "identifier=c12~urn:x");
    assert_plan("Patient", "identifier=urn%3Ax%7C12", "identifier=c12~urn:x");
    assert_plan("Patient", "identifier=|12", "identifier=c12~");
    assert_plan("Patient", "identifier=urn:x|", "identifier=surn:x");
    assert_plan("Patient", "identifier=a\\,b,c\\|d",
                "or(prefix identifier=ca,b~, prefix identifier=cc|d~)");
    assert_plan("Patient", "identifier=s|a%5C%5C%5C%24", "identifier=ca\\$~s");
    assert_plan("Patient", "identifier=s|a|b", "identifier=ca|b~s");
    assert_plan("Patient", "_tag=http://flexpa.com|abc", "_tag=cabc~http://flexpa.com");
    assert_plan("Patient", "gender:not=male,female",
                "and(not(or(prefix gender=cmale~, prefix gender=cfemale~)), type=)");
    assert_plan("Patient", "gender=male&active=true",
                "and(prefix gender=cmale~, prefix active=ctrue~)");
    assert_plan("Patient", "active=true&gender:not=male",
                "and(prefix active=ctrue~, not(prefix gender=cmale~))");
}

static void a_code_is_found_under_the_system_of_its_binding(void **state)
{
    (void)state;
    assert_plan("Patient", "gender=http://hl7.org/fhir/administrative-gender|male",
                "or(gender=cmale~http://hl7.org/fhir/administrative-gender, gender=cmale~)");
    assert_plan("Task", "intent=http://hl7.org/fhir/request-intent|order",
                "or(intent=corder~http://hl7.org/fhir/request-intent, intent=corder~)");
    assert_plan("Patient", "gender=http://hl7.org/fhir/administrative-gender|man",
                "gender=cman~http://hl7.org/fhir/administrative-gender");
    assert_plan("Patient", "gender=http://hl7.org/fhir/other|male",
                "gender=cmale~http://hl7.org/fhir/other");
    assert_plan("Observation", "status=http://hl7.org/fhir/observation-status|final",
                "or(status=cfinal~http://hl7.org/fhir/observation-status, status=cfinal~)");
}

static void strings_compile(void **state)
{
    (void)state;
    assert_plan("Patient", "family=M%C3%BCller", "prefix family=tmuller");
    assert_plan("Patient", "name=anna+maria", "prefix name=tanna maria");
    assert_plan("Patient", "family:exact=M%C3%BCl", "family=tmul~M\\c3\\bcl");
    assert_plan("Patient", "family:contains=ULL",
                "or(contains family=t*ull*, contains family=w*ull*)");
    assert_refused("Patient", "family=%20", ERR_INVALID, "'family'");
}

static void references_compile(void **state)
{
    (void)state;
    assert_plan("Observation", "subject=Patient/1", "subject=r1~Patient");
    assert_plan("Observation", "patient=1", "prefix patient=r1~");
    assert_plan("Observation", "subject:Patient=1", "subject=r1~Patient");
    assert_plan("Observation", "subject:Patient=Patient/1", "subject=r1~Patient");
    assert_plan("Observation", "subject=http://us/r4/Patient/1", "subject=r1~Patient");
    assert_plan("Observation", "subject=Patient/1/_history/2", "subject=lPatient/1/_history/2");
    assert_plan("Observation", "subject=http%3A%2F%2Fus%2Fr4%2FPatient%2F1/_history/2",
                "subject=lPatient/1/_history/2");
    assert_plan("Observation", "subject=http://them/Patient/1",
                "or(subject=lhttp://them/Patient/1, subject=uhttp://them/Patient/1, "
                "subject=vhttp://them/Patient/1)");
    assert_plan("Observation", "subject:identifier=s|v", "subject=cv~s");
    assert_refused("Observation", "subject=Nothing/1", ERR_INVALID, "'Nothing/1'");
    assert_refused("Observation", "subject:Patient=Group/1", ERR_INVALID, "'Group/1'");
    assert_refused("Observation", "patient:Claim=1", ERR_INVALID, "Claim");
    assert_refused("Observation", "patient:Patent=1", ERR_INVALID, "Patent");
}

static void uris_compile(void **state)
{
    (void)state;
    assert_plan("ValueSet", "url=http://x/a", "or(url=uhttp://x/a, url=vhttp://x/a)");
    assert_plan("ValueSet", "_profile=http://x/a|1", "_profile=uhttp://x/a|1");
    assert_plan("ValueSet", "url:below=http://x/", "prefix url=uhttp://x/");
}

static void what_has_no_value_can_be_asked_for(void **state)
{
    (void)state;
    assert_plan("Patient", "gender:missing=false", "gender=p");
    assert_plan("Patient", "gender:missing=true", "and(not(gender=p), type=)");
    assert_plan("Patient", "_id:missing=true", "none");
    assert_plan("Observation", "value-quantity:missing=true",
                "and(not(value-quantity=p), type=)");
    assert_refused("Patient", "gender:missing=yes", ERR_INVALID, "'yes'");
    assert_refused("Observation", "code-value-string:missing=true", ERR_INVALID,
                   "code-value-string");
}

static void ids_and_instants_need_no_terms(void **state)
{
    (void)state;
    assert_plan("Patient", "_id=a,b", "or(id Patient/a, id Patient/b)");
    assert_refused("Patient", "_id=a/b", ERR_INVALID, "a/b");
    assert_plan("Patient", "_lastUpdated=1970-01-01T00:00:01Z",
                "and(instant 1000000..2000000, type=)");
    assert_plan("Patient", "_lastUpdated=gt1970-01-01T00:00:01Z&_id=x",
                "and(instant 2000000..9223372036854775807, id Patient/x)");
    assert_plan("Patient", "_lastUpdated=le1970-01-01T00:00:01+00:00",
                "and(instant -9223372036854775808..2000000, type=)");
}

static void nothing_asked_means_all_of_the_type(void **state)
{
    (void)state;
    assert_plan("Patient", "", "type=");
    assert_plan("Patient", "&&", "type=");
    assert_int_equal(query.count, 100);
    assert_false(query.count_only);
    assert_int_equal(query.total, SEARCH_TOTAL_NONE);
    assert_int_equal(query.applied.length, 0);
}

/* Does a stored range satisfy a plan that is made of ranges? */
static bool range_holds(const struct plan *p, struct slice value)
{
    if (p->kind == PLAN_OR) {
        for (size_t i = 0; i < p->child_count; i++)
            if (range_holds(p->children[i], value))
                return true;
        return false;
    }
    assert_int_equal(p->kind, PLAN_RANGE);
    struct slice tail = slice_from(value, value.length - 8);
    return slice_compare(value, p->from) >= 0 && slice_compare(value, p->to) < 0 &&
           (!p->tail_from.length || slice_compare(tail, p->tail_from) >= 0) &&
           (!p->tail_to.length || slice_compare(tail, p->tail_to) < 0);
}

/* Written from R4's words: "the range of the search value fully contains the
 * range of the target value" and so on, over small whole instants. */
static bool prefix_holds(const char *prefix, int64_t low, int64_t high, int64_t l, int64_t h)
{
    bool contains = low <= l && h <= high;
    bool above_meets = h > high, below_meets = l < low;
    if (!strcmp(prefix, "eq"))
        return contains;
    if (!strcmp(prefix, "ne"))
        return !contains;
    if (!strcmp(prefix, "gt"))
        return above_meets;
    if (!strcmp(prefix, "lt"))
        return below_meets;
    if (!strcmp(prefix, "ge"))
        return above_meets || contains;
    if (!strcmp(prefix, "le"))
        return below_meets || contains;
    if (!strcmp(prefix, "sa"))
        return l >= high;
    return h <= low;
}

/* All ranges [l, h) between -1 and 11 steps against the asked one of [5, 6); the
 * ends of that line are open. */
static void try_ranges(const char *prefix, const char *asked, int64_t step)
{
    char text[64];
    struct date_range range;
    snprintf(text, sizeof text, "date=%s%s", prefix, asked);
    assert_int_equal(parse("Observation", text), ERR_NONE);
    assert_true(date_parse(slice_cstr(asked), &range));
    for (int64_t l = -1; l <= 10; l++)
        for (int64_t h = l + 1; h <= 11; h++) {
            struct date_range stored = { l < 0 ? INT64_MIN : range.low + (l - 5) * step,
                                         h > 10 ? INT64_MAX : range.low + (h - 5) * step };
            bool holds = range_holds(query.plan, index_encode_date(&arena, stored));
            bool expected = prefix_holds(prefix, range.low, range.high, stored.low, stored.high);
            if (holds != expected)
                fail_msg("%s with [%d,%d) steps of %lld", text, (int)l, (int)h, (long long)step);
        }
}

static void date_prefixes_mean_what_r4_says(void **state)
{
    (void)state;
    static const char *const prefixes[] = { "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb" };
    static const char *const asked[] = {
        "2020-02-03T10:00:00.5Z", "2020-02-03T10:00:05Z", "2020-02-03T10:00Z",
        "2020-02-03", "2020-02", "2020", "0001", "9999-12-31",
    };
    static const int64_t steps[] = {
        1, 500000, 1000000, 60000000, 12 * INT64_C(3600000000), INDEX_NARROW_DATE_US,
        INDEX_NARROW_DATE_US + 1, 29 * INDEX_NARROW_DATE_US, 366 * INDEX_NARROW_DATE_US,
    };
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
        for (size_t j = 0; j < ARRAY_COUNT(asked); j++)
            for (size_t k = 0; k < ARRAY_COUNT(steps); k++)
                try_ranges(prefixes[i], asked[j], steps[k]);
}

/* `from` of the leaf over dates of a day or less: where its scan begins. */
static void a_search_for_what_is_new_passes_over_the_old(void **state)
{
    (void)state;
    struct date_range range;
    assert_true(date_parse(SLICE("2020-02-02"), &range));
    assert_int_equal(parse("Observation", "date=gt2020-02-02"), ERR_NONE);
    const struct plan *narrow = query.plan->children[0];
    struct slice day_before = index_encode_instant(&arena, TERM_DATE, range.low + 1);
    assert_true(slice_equal(narrow->from, day_before));
    /* No wide date lies within a day. */
    assert_int_equal(parse("Observation", "date=2020-02-02"), ERR_NONE);
    assert_int_equal(query.plan->kind, PLAN_RANGE);
}

static void bad_dates_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("Observation", "date=yesterday", ERR_INVALID, "'yesterday'");
    assert_refused("Observation", "date=2020-13", ERR_INVALID, "'date'");
    assert_refused("Observation", "date=xx2020", ERR_INVALID, "xx2020");
    assert_int_equal(parse("Observation", "date=ap2020"), ERR_NONE);
    assert_int_equal(parse("Observation", "date=ge2020-01-01T10:00:00+02:00"), ERR_NONE);
    assert_int_equal(parse("Observation", "date=2020-01-01T10:00"), ERR_NONE);
    assert_int_equal(parse("Observation", "date=2020-01-01T10:00:00.123456789123Z"), ERR_NONE);
    assert_int_equal(parse("Observation", "date=9999-12-31T23:59:60Z&date=eb0001"), ERR_NONE);
}

static void chains_are_joined_and_bad_ones_refused_by_name(void **state)
{
    (void)state;
    static const char *const good[] = {
        "patient.name=x", "subject:Patient.name=x", "subject.identifier=x", "subject:Patient._id=x",
        "patient.organization.partof.name=x", "patient.gender:not=male",
        "subject:Patient._has:Encounter:patient:status=x",
        "_has:DiagnosticReport:result:patient.name=x", "performer:Practitioner.name:exact=x",
        /* Patients perform observations, never procedures. */
        "performer._has:Procedure:performer:status=x", "subject.link:Patient._id=x",
    };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        if (parse("Observation", good[i]))
            fail_msg("%s: %.*s", good[i], SLICE_ARGS(issues.first->text));
    parse("Observation", "patient.name=x");
    assert_int_equal(query.plan->kind, PLAN_REFERS);
    assert_int_equal(query.plan->children[0]->kind, PLAN_PREFIX);
    parse("Patient", "_has:Observation:patient:code=x");
    assert_int_equal(query.plan->kind, PLAN_REFERRED);
    assert_true(slice_is(query.plan->to, "Patient"));
    assert_refused("Observation", "code.name=x", ERR_INVALID, "does not begin with a reference");
    assert_refused("Observation", "patient.nothing=x", ERR_INVALID, "none of the types");
    assert_refused("Observation", "performer._has:Observation:encounter:code=x", ERR_INVALID,
                   "never leads");
    assert_refused("Observation", "subject.birthdate=x", ERR_INVALID, "no date");
    /* Each reference may lead to many types; what is left of the name is compiled once in each. */
    assert_refused("Library", "depends-on.depends-on.depends-on.depends-on.depends-on.url:x=y",
                   ERR_INVALID, "x");
    assert_refused("Observation", "subject:Claim.use=x", ERR_INVALID, "never refers to");
    assert_refused("Patient", "_has:Observation:code=x", ERR_INVALID, "_has:Type:reference");
    assert_refused("Patient", "_has:Observation:encounter:code=x", ERR_INVALID, "never leads");
    parse("Organization", "partof.partof.partof.partof.partof.partof.partof.partof.name=x");
    assert_int_equal(query.plan->kind, PLAN_REFERS);
}

static void the_unknown_is_refused_with_the_nearest_known(void **state)
{
    (void)state;
    assert_refused("Patient", "birthDate=2000", ERR_INVALID,
                   "'birthDate' for Patient. Did you mean 'birthdate'?");
    assert_refused("Patient", "identifer=2000", ERR_INVALID, "'identifier'?");
    assert_refused("Patient", "count=20", ERR_INVALID, "'_count'?");
    assert_refused("Patient", "zzzzzzzzzzz=1", ERR_INVALID, "'zzzzzzzzzzz' for Patient.");
    assert_refused("Patient", "family:exakt=x", ERR_INVALID, ":exact, :contains");
    assert_refused("Patient", "gender:exact=x", ERR_INVALID, ":text, :in, :not-in, :above");
    assert_refused("Patient", "gender:in=x", ERR_UNSUPPORTED, "needs code systems");
    assert_refused("Observation", "value-quantity=5x", ERR_INVALID, "no number");
    assert_refused("Observation", "value-quantity=5|mg", ERR_INVALID, "no quantity");
    assert_refused("Observation", "code-value-quantity=a", ERR_INVALID, "two parts");
    assert_refused("Observation", "code-value-quantity=a$5$6", ERR_INVALID, "two parts");
    assert_refused("Observation", "code-value-quantity=sys|$5", ERR_INVALID, "no code");
    assert_refused("Location", "_sort=near", ERR_UNSUPPORTED, "near");
    assert_refused("Patient", "_query=x", ERR_UNSUPPORTED, "_query");
    assert_refused("Patient", "_text:missing=true", ERR_INVALID, "_text");
    assert_refused("Patient", "_list=$current-problems", ERR_INVALID, "$current");
    assert_refused("Patient", "_type=Patient", ERR_INVALID, "over all types");
    assert_refused("Patient", "gender=", ERR_INVALID, "'gender'");
    assert_refused("Patient", "gender=a,,b", ERR_INVALID, "empty");
    assert_refused("Patient", "gender", ERR_INVALID, "'gender'");
    assert_refused("Patient", "gender=%zz", ERR_SYNTAX, "'gender'");
    assert_refused("Patient", "gender=%ff", ERR_SYNTAX, "'gender'");
    assert_refused("Patient", "gender=a%00", ERR_SYNTAX, "'gender'");
    parse("Patient", "nonsense=1&gender:nope=2&_count=x");
    assert_int_equal(issues.count, 3);
}

static void counts_are_lowered_or_refused(void **state)
{
    (void)state;
    assert_int_equal(parse("Patient", "_count=7&_total=accurate"), ERR_NONE);
    assert_int_equal(query.count, 7);
    assert_int_equal(query.total, SEARCH_TOTAL_ACCURATE);
    assert_true(slice_is(query.applied, "_count=7&_total=accurate"));
    assert_int_equal(parse("Patient", "_count=5000&gender=male"), ERR_NONE);
    assert_int_equal(query.count, 1000);
    assert_true(slice_is(query.applied, "_count=1000&gender=male"));
    assert_int_equal(parse("Patient", "_count=99999999999999999999999"), ERR_NONE);
    assert_int_equal(query.count, 1000);
    assert_int_equal(parse("Patient", "_count=0"), ERR_NONE);
    assert_true(query.count_only);
    assert_int_equal(parse("Patient", "_summary=count"), ERR_NONE);
    assert_true(query.count_only);
    assert_refused("Patient", "_count=-1", ERR_INVALID, "-1");
    assert_refused("Patient", "_count=1&_count=2", ERR_INVALID, "_count");
    assert_refused("Patient", "_total=some", ERR_INVALID, "some");

    settings.refuse_large_count = true;
    settings.largest_count = 100;
    assert_refused("Patient", "_count=0", ERR_INVALID, "1 to 100");
    assert_refused("Patient", "_count=101", ERR_INVALID, "1 to 100");
    assert_refused("Patient", "_total=estimate", ERR_INVALID, "one of none, accurate");
    assert_int_equal(parse("Patient", "_count=100"), ERR_NONE);
}

static void the_applied_query_asks_the_same_in_unreserved_characters(void **state)
{
    (void)state;
    assert_int_equal(parse("Patient", "_tag=http://a|b%26&name=Zo%C3%AB+x&X-Amz-Signature=12"
                                      "&page=garbage"), ERR_INVALID);
    assert_true(slice_is(issues.first->text, "Invalid pagination token."));
    const struct search_page made = { .time = 77, .position = 1234 };
    struct slice token = search_page_token(&arena, &page_key, &made);
    struct slice text = arena_printf(&arena, "_tag=http://a|b%%26&name=Zo%%C3%%AB+x"
                                             "&X-Amz-Signature=12&page=%.*s", SLICE_ARGS(token));
    assert_int_equal(parse("Patient", text.bytes), ERR_NONE);
    assert_true(query.page.time == 77 && query.page.position == 1234);
    assert_true(slice_is(query.applied, "_tag=http%3A%2F%2Fa%7Cb%26&name=Zo%C3%AB%20x"));
}

static void a_query_without_end_is_refused(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, "_id=");
    for (int i = 0; i < 4097; i++)
        buf_append_cstr(&text, i ? ",a" : "a");
    buf_append_byte(&text, '\0');
    assert_int_equal(parse("Patient", text.bytes), ERR_INVALID);
    buf_clear(&text);
    for (int i = 0; i < 1001; i++)
        buf_append_cstr(&text, "&_id=a");
    buf_append_byte(&text, '\0');
    assert_int_equal(parse("Patient", text.bytes), ERR_INVALID);
    buf_release(&text);
}

static void memory_that_ends_is_reported(void **state)
{
    (void)state;
    static const char text[] =
        "identifier=a|b,%41&family:contains=x\\,y&birthdate=ge2020-01-01&"
        "general-practitioner=http://them/x&_lastUpdated=ne2020&gender:not=a";
    enum err err = ERR_NO_MEMORY;
    for (size_t limit = 0; err; limit += 16) {
        struct arena small;
        struct search_pair *pairs = NULL;
        size_t count = 0;
        arena_init(&small, limit);
        issues_init(&issues, &small);
        err = search_pairs_parse(SLICE(text), &small, &pairs, &count, &issues);
        if (!err)
            err = search_parse(&settings, fhir_resource_find(SLICE("Patient")), pairs, count,
                               &small, &issues, &query);
        assert_true(err == ERR_NONE || err == ERR_NO_MEMORY);
        assert_int_equal(issues.count, 0);
        arena_release(&small);
    }
}

static void pairs_add_to_those_before(void **state)
{
    (void)state;
    struct search_pair *pairs = NULL;
    size_t count = 0;
    issues_init(&issues, &arena);
    assert_int_equal(search_pairs_parse(SLICE("a=1"), &arena, &pairs, &count, &issues), ERR_NONE);
    assert_int_equal(search_pairs_parse(SLICE(""), &arena, &pairs, &count, &issues), ERR_NONE);
    assert_int_equal(search_pairs_parse(SLICE("b=x+y%2B=&c"), &arena, &pairs, &count, &issues),
                     ERR_NONE);
    assert_int_equal(count, 3);
    assert_true(slice_is(pairs[0].name, "a") && slice_is(pairs[0].value, "1"));
    assert_true(slice_is(pairs[1].name, "b") && slice_is(pairs[1].value, "x y+="));
    assert_true(slice_is(pairs[2].name, "c") && pairs[2].value.length == 0);
}

static void every_parameter_but_named_queries_is_supported(void **state)
{
    (void)state;
    size_t supported = 0;
    for (uint16_t i = 0; i < fhir_param_count(); i++) {
        const struct fhir_param *p = fhir_param_at(i);
        bool has_words = slice_is(p->code, "_text") || slice_is(p->code, "_content");
        bool is_one = (p->path || has_words) && !slice_is(p->code, "_query");
        assert_int_equal(search_param_is_supported(NULL, NULL, p), is_one);
        supported += is_one;
    }
    assert_true(supported > 1350);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(tokens_compile),
        T(a_code_is_found_under_the_system_of_its_binding),
        T(strings_compile),
        T(references_compile),
        T(uris_compile),
        T(what_has_no_value_can_be_asked_for),
        T(ids_and_instants_need_no_terms),
        T(nothing_asked_means_all_of_the_type),
        T(date_prefixes_mean_what_r4_says),
        T(a_search_for_what_is_new_passes_over_the_old),
        T(bad_dates_are_refused_by_name),
        T(chains_are_joined_and_bad_ones_refused_by_name),
        T(the_unknown_is_refused_with_the_nearest_known),
        T(counts_are_lowered_or_refused),
        T(the_applied_query_asks_the_same_in_unreserved_characters),
        T(a_query_without_end_is_refused),
        T(memory_that_ends_is_reported),
        T(pairs_add_to_those_before),
        T(every_parameter_but_named_queries_is_supported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
