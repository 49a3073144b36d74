/* The FHIRPath engine against HL7's suite and that of fhirpath.js. Cases known to
 * fail stand in tests/golden/fhirpath-known.txt, each with its reason; the list
 * may only shrink: one that passes fails the test until it is taken off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fhir/fhir.h"
#include "outside.h"

enum { CASE_BYTES = 64 << 20 };

static const int64_t now_us = INT64_C(1795500000123000);

struct suite {
    char folder[1024];
    struct slice known; /* the text of the list */
    int passed, failed, known_failed, xml_passed, xml_count;
    int wrong; /* differences between the list and what happened */
};

static struct json parse(struct slice text, struct arena *arena)
{
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    assert_non_null(doc);
    assert_int_equal(json_parse(text, NULL, arena, doc, NULL), ERR_NONE);
    return json_root(doc);
}

static bool variable(void *context, struct slice name, struct fhir_item *ret_item)
{
    struct json value = json_get(*(struct json *)context, name);
    *ret_item = (struct fhir_item){ .value = value, .resource = value };
    return json_exists(value);
}

/* What an element looks like in the expectations: primitives plain. */
static struct slice text_of(const struct fhirpath_value *value, struct arena *arena)
{
    if (value->kind != FHIRPATH_ELEMENT)
        return value->text;
    struct slice text = json_string(value->item.value, arena);
    return text.bytes ? text : json_raw(value->item.value);
}

static bool same_number(struct slice a, struct slice b)
{
    char *end_a, *end_b, x[64], y[64];
    snprintf(x, sizeof x, "%.*s", SLICE_ARGS(a));
    snprintf(y, sizeof y, "%.*s", SLICE_ARGS(b));
    double left = strtod(x, &end_a), right = strtod(y, &end_b);
    return !*end_a && !*end_b && *x && *y && (left - right < 1e-12) && (right - left < 1e-12);
}

static bool same_tree(struct slice a, struct slice b)
{
    /* Members in another order: sums of bytes are enough of a witness here. */
    uint64_t x = 0, y = 0;
    for (size_t i = 0; i < a.length; i++)
        x += (uint8_t)a.bytes[i] == ' ' ? 0 : (uint8_t)a.bytes[i];
    for (size_t i = 0; i < b.length; i++)
        y += (uint8_t)b.bytes[i] == ' ' ? 0 : (uint8_t)b.bytes[i];
    return a.length > 0 && a.bytes[0] == '{' && x == y;
}

static bool matches(const struct fhirpath_result *result, struct json expected, struct arena *arena)
{
    struct json want = json_first(expected);
    for (size_t i = 0; i < result->count; i++) {
        bool is_value =
            result->values[i].kind != FHIRPATH_ELEMENT || json_exists(result->values[i].item.value);
        if (!is_value)
            continue;
        if (!json_exists(want))
            return false;
        struct slice have = text_of(&result->values[i], arena), text = json_string(want, arena);
        if (!slice_equal(have, text) && !same_number(have, text) && !same_tree(have, text))
            return false;
        want = json_next(expected, want);
    }
    return !json_exists(want);
}

static struct json subject_of(struct suite *suite, struct json one, struct arena *arena)
{
    char path[2048];
    struct buf *bytes = arena_alloc(arena, sizeof *bytes);
    struct slice input = json_string(json_member(one, "input"), arena);
    if (!input.bytes)
        return json_member(one, "subject");
    snprintf(path, sizeof path, "%s/inputs/%.*s", suite->folder, SLICE_ARGS(input));
    buf_init(bytes, 1 << 20);
    if (os_file_read(path, bytes) != ERR_NONE)
        return JSON_ABSENT;
    char *copy = arena_copy(arena, buf_slice(bytes));
    struct slice text = slice_of(copy, bytes->length);
    buf_release(bytes);
    return parse(text, arena);
}

static bool run(struct suite *suite, struct json one, struct arena *arena, struct slice *ret_why)
{
    struct json variables = json_member(one, "variables");
    struct fhirpath_host host = { .context = &variables, .now_us = now_us, .variable = variable };
    host.is_strict = json_is(json_member(one, "strict"), JSON_TRUE);
    struct json subject = subject_of(suite, one, arena);
    struct fhir_item root = { .value = subject };
    if (json_is(json_member(one, "typed"), JSON_TRUE))
        root.type = fhir_resource_find(json_string(json_member(subject, "resourceType"), arena));
    const struct fhirpath *path;
    struct fhirpath_error error = { .offset = 0 };
    struct fhirpath_result result = { .count = 0 };
    enum err err =
        fhirpath_compile(json_string(json_member(one, "expression"), arena), arena, &path, &error);
    if (!err)
        err = fhirpath_evaluate(path, root, &host, arena, &result, &error);
    bool expects_error = json_is(json_member(one, "error"), JSON_TRUE);
    *ret_why = error.text;
    if (!err && result.count > 0)
        *ret_why = text_of(&result.values[0], arena);
    if (err || expects_error)
        return err && expects_error;
    return matches(&result, json_member(one, "expect"), arena);
}

/* Does the list have a line that begins with the name? */
static bool is_known(struct slice known, struct slice name)
{
    for (struct slice rest = known; rest.bytes;) {
        struct slice line = slice_cut(&rest, '\n'), word = slice_cut(&line, ' ');
        if (slice_equal(word, name))
            return true;
    }
    return false;
}

static void judge(struct suite *suite, struct slice line)
{
    struct arena arena;
    arena_init(&arena, CASE_BYTES);
    struct json one = parse(line, &arena);
    struct slice name = json_string(json_member(one, "name"), &arena), why = SLICE_NONE;
    bool passed = run(suite, one, &arena, &why), known = is_known(suite->known, name);
    bool is_xml = slice_starts_with(name, SLICE("xml/"));
    suite->passed += passed;
    suite->failed += !passed;
    suite->xml_passed += passed && is_xml;
    suite->xml_count += is_xml;
    if (passed == known) {
        suite->wrong++;
        print_message("%s %.*s: %.*s\n    gave %.*s; expected %.*s\n",
                      passed ? "PASSES, take it off the list:" : "FAILS:", SLICE_ARGS(name),
                      SLICE_ARGS(json_string(json_member(one, "expression"), &arena)),
                      SLICE_ARGS(why), SLICE_ARGS(json_raw(json_member(one, "expect"))));
    }
    arena_release(&arena);
}

static void every_case_passes_but_the_known_ones(void **state)
{
    (void)state;
    struct suite suite = { .passed = 0 };
    struct buf known;
    char command[2048], line[200000];
    outside_path("suites/fhirpath", suite.folder);
    buf_init(&known, 1 << 20);
    assert_int_equal(os_file_read("tests/golden/fhirpath-known.txt", &known), ERR_NONE);
    suite.known = buf_slice(&known);
    snprintf(command, sizeof command, "python3 tests/golden/fhirpath_cases.py '%s'", suite.folder);
    FILE *cases = popen(command, "r");
    assert_non_null(cases);
    while (fgets(line, sizeof line, cases))
        judge(&suite, slice_of(line, strlen(line) - 1));
    assert_int_equal(pclose(cases), 0);
    print_message("fhirpath: %d passed, %d failed; of HL7's %d of %d\n", suite.passed, suite.failed,
                  suite.xml_passed, suite.xml_count);
    assert_true(suite.xml_count > 600);
    assert_int_equal(suite.wrong, 0);
    buf_release(&known);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_case_passes_but_the_known_ones) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
