/* Bundles: fullUrls and ids, references between entries, documents, messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "check/check.h"

struct world {
    struct arena arena;
    char found[8000]; /* "expression: text\n" of each finding but information */
    size_t errors;
};

static int setup(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    arena_init(&w.arena, (size_t)1 << 30);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    arena_release(&w->arena);
    return 0;
}

static void take(void *context, const struct fhir_finding *f)
{
    struct world *w = context;
    size_t length = strlen(w->found);
    w->errors += f->severity <= ISSUE_ERROR;
    snprintf(w->found + length, sizeof w->found - length, "%.*s: %.*s\n", SLICE_ARGS(f->expression),
             SLICE_ARGS(f->text));
}

static size_t run(struct world *w, struct slice text)
{
    struct json_doc doc;
    struct json_error where;
    struct arena_mark mark = arena_mark(&w->arena);
    w->found[0] = '\0';
    w->errors = 0;
    if (json_parse(text, NULL, &w->arena, &doc, &where))
        fail_msg("no JSON at %zu: %.*s", where.offset, SLICE_ARGS(slice_from(text, where.offset)));
    const struct check_options options = { .found = take, .context = w };
    struct json root = json_root(&doc);
    assert_int_equal(check_run(&options, root, fhir_resource_find(SLICE("Bundle")), &w->arena),
                     ERR_NONE);
    arena_rewind(&w->arena, mark);
    return w->errors;
}

#define BUNDLE(type, entries)                                                                      \
    "{\"resourceType\":\"Bundle\",\"type\":\"" type "\",\"entry\":[" entries "]}"
#define ENTRY(url, resource) "{\"fullUrl\":\"" url "\",\"resource\":" resource "}"
#define PATIENT(id, more) "{\"resourceType\":\"Patient\",\"id\":\"" id "\"" more "}"
#define REFERS(to) ",\"link\":[{\"type\":\"seealso\",\"other\":{\"reference\":\"" to "\"}}]"
#define UUID "urn:uuid:0b5d0f4c-0000-4000-8000-0123456789a"

static void full_urls_agree_with_ids(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *json, *text; /* NULL: no error */
    } rows[] = {
        { BUNDLE("collection", ENTRY("http://x/Patient/a", PATIENT("a", ""))), NULL },
        { BUNDLE("collection", ENTRY("http://x/Patient/b", PATIENT("a", ""))),
          "Bundle.entry[0]: The fullUrl 'http://x/Patient/b' looks like a RESTful server URL, so "
          "it "
          "must end with the correct type and id (/Patient/a)" },
        { BUNDLE("collection", ENTRY("http://x/Person/a", PATIENT("a", ""))), "(/Patient/a)" },
        { BUNDLE("collection", ENTRY("http://x/Patient/a", "{\"resourceType\":\"Patient\","
                                                           "\"active\":true}")),
          "must have an id" },
        { BUNDLE("collection", ENTRY("http://x/y", PATIENT("a", ""))), NULL },
        { BUNDLE("collection", ENTRY(UUID "b", PATIENT("a", ""))), NULL },
        { BUNDLE("collection",
                 ENTRY("urn:uuid:0B5D0F4C-0000-4000-8000-0123456789AB", PATIENT("a", ""))),
          NULL },
        { BUNDLE("collection", ENTRY("urn:uuid:b", PATIENT("a", ""))), "UUIDs must be valid" },
        { BUNDLE("collection", "{\"resource\":" PATIENT("a", "") "}"),
          "Except for transactions and batches, each entry in a Bundle must have a fullUrl" },
        { BUNDLE("batch", "{\"resource\":" PATIENT("a", "") ",\"request\":{\"method\":\"POST\","
                                                            "\"url\":\"Patient\"}}"),
          NULL },
        { BUNDLE("collection", ENTRY("http://x/y", "{\"resourceType\":\"ValueSet\",\"id\":\"a\","
                                                   "\"status\":\"draft\",\"url\":\"http://x/y\"}")),
          "The canonical URL (http://x/y) cannot match the fullUrl unless the resource id (a)" },
        { "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"link\":[{\"relation\":\"next\","
          "\"url\":\"http://x\"}]}",
          "Bundle.link[0].relation: The link relationship type 'next' used in search sets is "
          "prohibited in this context" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        size_t errors = run(w, slice_cstr(rows[i].json));
        if (rows[i].text ? !strstr(w->found, rows[i].text) : errors > 0)
            fail_msg("%s: %s", rows[i].json, w->found);
    }
}

static void a_reference_to_an_entry_has_the_type_of_its_resource(void **state)
{
    struct world *w = *state;
    assert_int_equal(
        run(w, SLICE(BUNDLE("collection", ENTRY(UUID "a", PATIENT("a", "")) "," ENTRY(
                                              UUID "b", PATIENT("b", REFERS(UUID "a")))))),
        0);
    assert_int_equal(
        run(w, SLICE(BUNDLE(
                   "collection",
                   ENTRY(UUID "a",
                         "{\"resourceType\":\"Group\",\"type\":\"person\","
                         "\"actual\":true}") "," ENTRY(UUID "b", PATIENT("b", REFERS(UUID "a")))))),
        1);
    assert_non_null(strstr(w->found, "Bundle.entry[1].resource.link[0].other: Invalid Resource "
                                     "target type. Found Group, but expected one of ([Patient, "
                                     "RelatedPerson])"));
    assert_int_equal(
        run(w, SLICE(BUNDLE("collection", ENTRY(UUID "b", PATIENT("b", REFERS(UUID "a")))))), 0);
    assert_non_null(strstr(w->found, "URN reference is not locally contained within the bundle"));
}

/* ---- documents and messages ---- */

#define COMPOSITION(more)                                                                          \
    "{\"resourceType\":\"Composition\",\"id\":\"c\",\"status\":\"final\",\"type\":{\"text\":"      \
    "\"x\"},"                                                                                      \
    "\"date\":\"2020\",\"author\":[{\"display\":\"x\"}],\"title\":\"x\"" more "}"
#define SUBJECT(to) ",\"subject\":{\"reference\":\"" to "\"}"
#define SECTION(to) ",\"section\":[{\"title\":\"x\",\"entry\":[{\"reference\":\"" to "\"}]}]"

static void documents_begin_with_a_composition_and_hang_together(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *json, *text;
        size_t errors;
    } rows[] = {
        { BUNDLE("document", ENTRY("http://x/Patient/a", PATIENT("a", ""))),
          "Bundle.entry[0].resource: The first entry in a document must be a composition", 1 },
        { BUNDLE("message", ENTRY("http://x/Patient/a", PATIENT("a", ""))),
          "Bundle.entry[0].resource: The first entry in a message must be a MessageHeader", 1 },
        { "{\"resourceType\":\"Bundle\",\"type\":\"document\"}",
          "Bundle: Documents or Messages must contain at least one entry", 1 },
        { BUNDLE("document",
                 ENTRY("http://x/Composition/c", COMPOSITION(SUBJECT("Patient/a"))) "," ENTRY(
                     "http://x/Patient/a", PATIENT("a", ""))),
          NULL, 0 },
        /* Relative to another base. */
        { BUNDLE("document",
                 ENTRY("http://x/Composition/c", COMPOSITION(SUBJECT("Patient/a"))) "," ENTRY(
                     "http://y/Patient/a", PATIENT("a", ""))),
          "Bundle.entry[0].resource.subject: Can't find 'Patient/a' in the bundle", 2 },
        { BUNDLE("document", ENTRY(UUID "c", COMPOSITION(SUBJECT(UUID "a"))) "," ENTRY(
                                 UUID "a", PATIENT("a", ""))),
          NULL, 0 },
        { BUNDLE("document",
                 ENTRY("http://x/Composition/c",
                       COMPOSITION(SECTION(
                           "http://x/Patient/a/_history/2"))) "," ENTRY("http://x/Patient/a",
                                                                        PATIENT("a", ""))),
          NULL, 0 },
        { BUNDLE("document", ENTRY("http://x/Composition/c", COMPOSITION(SECTION("Patient/b")))),
          "Bundle.entry[0].resource.section[0].entry[0]: Can't find 'Patient/b'", 1 },
        /* Over another entry, and backwards. */
        { BUNDLE("document",
                 ENTRY("http://x/Composition/c", COMPOSITION(SUBJECT("Patient/a"))) "," ENTRY(
                     "http://x/Patient/a",
                     PATIENT("a", REFERS("Patient/b"))) "," ENTRY("http://x/Patient/b",
                                                                  PATIENT("b", ""))),
          NULL, 0 },
        { BUNDLE("document",
                 ENTRY("http://x/Composition/c", COMPOSITION(SUBJECT("Patient/a"))) "," ENTRY(
                     "http://x/Patient/a",
                     PATIENT("a", "")) "," ENTRY("http://x/Patient/b",
                                                 PATIENT("b", REFERS("Patient/a")))),
          "Bundle.entry[2]: Entry 'http://x/Patient/b' isn't reachable by traversing forwards", 0 },
        { BUNDLE("document",
                 ENTRY("http://x/Composition/c", COMPOSITION(SUBJECT("Patient/a"))) "," ENTRY(
                     "http://x/Patient/a",
                     PATIENT("a", "")) "," ENTRY("http://x/Patient/b",
                                                 PATIENT("b", REFERS("Patient/b")))),
          "Bundle.entry[2]: Entry 'http://x/Patient/b' isn't reachable by traversing links "
          "(forward "
          "or backward) from the Composition",
          1 },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        size_t errors = run(w, slice_cstr(rows[i].json));
        if (errors != rows[i].errors || (rows[i].text && !strstr(w->found, rows[i].text)))
            fail_msg("%s: %s", rows[i].json, w->found);
    }
}

/* Entries that refer to one another, each to the one before it: neither deep nor slow. */
static void a_long_chain_of_entries_is_no_deep_recursion(void **state)
{
    struct world *w = *state;
    enum { COUNT = 20000 };
    struct buf b;
    buf_init(&b, 64 << 20);
    buf_append_cstr(&b, "{\"resourceType\":\"Bundle\",\"type\":\"document\",\"entry\":[");
    buf_append_cstr(&b, ENTRY("http://x/Composition/c", COMPOSITION(SUBJECT("Patient/p0"))));
    for (int i = 0; i < COUNT; i++)
        buf_printf(&b, "," ENTRY("http://x/Patient/p%d", PATIENT("p%d", REFERS("Patient/p%d"))), i,
                   i, (i + 1) % COUNT);
    buf_append_cstr(&b, "]}");
    assert_int_equal(run(w, buf_slice(&b)), 0);
    assert_string_equal(w->found, "");
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(full_urls_agree_with_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reference_to_an_entry_has_the_type_of_its_resource, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(documents_begin_with_a_composition_and_hang_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_long_chain_of_entries_is_no_deep_recursion, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
