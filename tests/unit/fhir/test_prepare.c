#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fhir/fhir.h"

struct fixture {
    struct arena arena;
    struct buf out, back;
    uint32_t splice;
};

static void begin(struct fixture *f)
{
    arena_init(&f->arena, 1 << 22);
    buf_init(&f->out, 1 << 20);
    buf_init(&f->back, 1 << 20);
}

static void end(struct fixture *f)
{
    arena_release(&f->arena);
    buf_release(&f->out);
    buf_release(&f->back);
}

static struct json parse(struct arena *arena, struct slice text)
{
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    struct json_error error;
    assert_non_null(doc);
    if (json_parse(text, NULL, arena, doc, &error) != ERR_NONE)
        fail_msg("%s at %zu in %.*s", error.text, error.offset, SLICE_ARGS(text));
    return json_root(doc);
}

static enum err prepare(struct fixture *f, const char *text, const struct fhir_prepare *options)
{
    struct json resource = parse(&f->arena, slice_cstr(text));
    struct json name = json_member(resource, "resourceType");
    const struct fhir_type *type = fhir_resource_find(json_string(name, &f->arena));
    if (!type)
        type = fhir_resource_find(SLICE("Patient"));
    buf_clear(&f->out);
    return fhir_prepare_body(resource, type, options, &f->out, &f->splice);
}

static void check_buf(const struct buf *b, const char *expected)
{
    if (!slice_is(buf_slice(b), expected))
        fail_msg("\n got  %.*s\n want %s", SLICE_ARGS(buf_slice(b)), expected);
}

/* Stored, and read back as version 7. */
static void check(const char *text, const char *id, const char *stored, const char *read)
{
    struct fixture f;
    struct fhir_prepare options = { .id = slice_cstr(id) };
    begin(&f);
    assert_int_equal(prepare(&f, text, &options), ERR_NONE);
    check_buf(&f.out, stored);
    assert_int_equal(fhir_splice_meta(buf_slice(&f.out), f.splice, SLICE("7"), SLICE("T"), &f.back),
                     ERR_NONE);
    check_buf(&f.back, read);

    /* What was read, sent again, is the same document: no new version. */
    struct fixture g;
    begin(&g);
    buf_append_byte(&f.back, 0);
    assert_int_equal(prepare(&g, f.back.bytes, &options), ERR_NONE);
    check_buf(&g.out, stored);
    assert_int_equal(g.splice, f.splice);
    end(&g);
    end(&f);
}

static void meta_is_taken_out_and_put_back_where_it_was(void **state)
{
    (void)state;
    check("{ \"resourceType\" : \"Patient\", \"id\":\"a\", \"active\" : true }", "",
          "{\"resourceType\":\"Patient\",\"id\":\"a\",\"active\":true}",
          "{\"resourceType\":\"Patient\",\"id\":\"a\",\"meta\":{\"versionId\":\"7\","
          "\"lastUpdated\":\"T\"},\"active\":true}");
    check(
        "{\"resourceType\":\"Patient\",\"id\":\"a\",\"active\":true,\"meta\":{\"profile\":[\"p\"],"
        "\"versionId\":\"3\",\"lastUpdated\":\"x\",\"source\":\"s\"}}",
        "",
        "{\"resourceType\":\"Patient\",\"id\":\"a\",\"active\":true,\"meta\":{\"profile\":[\"p\"],"
        "\"source\":\"s\"}}",
        "{\"resourceType\":\"Patient\",\"id\":\"a\",\"active\":true,\"meta\":{\"versionId\":\"7\","
        "\"lastUpdated\":\"T\",\"profile\":[\"p\"],\"source\":\"s\"}}");
    check("{\"meta\":{\"versionId\":\"3\"},\"id\":\"a\",\"resourceType\":\"Patient\"}", "",
          "{\"id\":\"a\",\"resourceType\":\"Patient\"}",
          "{\"id\":\"a\",\"meta\":{\"versionId\":\"7\",\"lastUpdated\":\"T\"},"
          "\"resourceType\":\"Patient\"}");
    check("{\"meta\":{\"_lastUpdated\":{\"id\":\"z\"}},\"resourceType\":\"Patient\",\"id\":\"a\"}",
          "",
          "{\"meta\":{\"_lastUpdated\":{\"id\":\"z\"}},\"resourceType\":\"Patient\",\"id\":\"a\"}",
          "{\"meta\":{\"versionId\":\"7\",\"lastUpdated\":\"T\",\"_lastUpdated\":{\"id\":\"z\"}},"
          "\"resourceType\":\"Patient\",\"id\":\"a\"}");
    check("{\"resourceType\":\"Patient\",\"\\u006deta\":{\"version\\u0049d\":\"1\",\"tag\":[ ]}}",
          "", "{\"resourceType\":\"Patient\",\"\\u006deta\":{\"tag\":[]}}",
          "{\"resourceType\":\"Patient\",\"\\u006deta\":{\"versionId\":\"7\","
          "\"lastUpdated\":\"T\",\"tag\":[]}}");
    check("{\"active\":true}", "", "{\"active\":true}",
          "{\"meta\":{\"versionId\":\"7\",\"lastUpdated\":\"T\"},\"active\":true}");
    check("{}", "", "{}", "{\"meta\":{\"versionId\":\"7\",\"lastUpdated\":\"T\"}}");
}

static void the_id_is_set_replaced_or_inserted(void **state)
{
    (void)state;
    check("{\"resourceType\":\"Patient\",\"active\":true}", "new",
          "{\"resourceType\":\"Patient\",\"id\":\"new\",\"active\":true}",
          "{\"resourceType\":\"Patient\",\"id\":\"new\",\"meta\":{\"versionId\":\"7\","
          "\"lastUpdated\":\"T\"},\"active\":true}");
    check("{\"active\":true,\"id\":\"old\",\"resourceType\":\"Patient\"}", "new",
          "{\"active\":true,\"id\":\"new\",\"resourceType\":\"Patient\"}",
          "{\"active\":true,\"id\":\"new\",\"meta\":{\"versionId\":\"7\",\"lastUpdated\":\"T\"},"
          "\"resourceType\":\"Patient\"}");
    check("{\"active\":true}", "new", "{\"id\":\"new\",\"active\":true}",
          "{\"id\":\"new\",\"meta\":{\"versionId\":\"7\",\"lastUpdated\":\"T\"},\"active\":true}");
    check("{\"meta\":{\"tag\":[{}]},\"resourceType\":\"Patient\"}", "new",
          "{\"meta\":{\"tag\":[{}]},\"resourceType\":\"Patient\",\"id\":\"new\"}",
          "{\"meta\":{\"versionId\":\"7\",\"lastUpdated\":\"T\",\"tag\":[{}]},"
          "\"resourceType\":\"Patient\",\"id\":\"new\"}");
}

static void a_meta_that_is_no_object_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct fhir_prepare options = { .rewrite = NULL };
    begin(&f);
    assert_int_equal(prepare(&f, "{\"meta\":null}", &options), ERR_INVALID);
    assert_int_equal(prepare(&f, "[]", &options), ERR_INVALID);
    assert_int_equal(prepare(&f, "\"x\"", &options), ERR_INVALID);
    end(&f);
}

static void a_damaged_splice_is_an_error(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    static const uint32_t bad[] = { 0, 5, UINT32_C(1) << 30, UINT32_C(1) << 30 | 2, ~UINT32_C(0) };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(fhir_splice_meta(SLICE("{}"), bad[i], SLICE("1"), SLICE("T"), &out),
                         ERR_CORRUPT);
    assert_int_equal(out.length, 0);
    buf_release(&out);
}

/* ---- rewriting ---- */

static bool rename_url(void *context, struct slice url, struct slice *ret_target)
{
    size_t *asked = context;
    ++*asked;
    if (slice_is(url, "urn:uuid:1"))
        *ret_target = SLICE("Patient/one");
    else if (slice_is(url, "http://old.test/r4/Patient/2"))
        *ret_target = SLICE("Patient/two");
    else if (slice_is(url, "Patient?identifier=3"))
        *ret_target = SLICE("Patient/three");
    else
        return false;
    return true;
}

static void check_rewrite(const char *text, const char *expected)
{
    struct fixture f;
    size_t asked = 0;
    struct fhir_prepare options = { .rewrite = rename_url,
                                    .context = &asked,
                                    .full_url = SLICE("http://old.test/r4/Observation/9") };
    begin(&f);
    assert_int_equal(prepare(&f, text, &options), ERR_NONE);
    check_buf(&f.out, expected);
    end(&f);
}

static void references_are_rewritten_wherever_they_stand(void **state)
{
    (void)state;
    check_rewrite("{\"resourceType\":\"Observation\", \"subject\": {\"reference\" :\"urn:uuid:1\"},"
                  "\"performer\":[{\"display\":\"urn:uuid:1\"},\n{\"reference\":\"urn:uuid:1\"}]}",
                  "{\"resourceType\":\"Observation\",\"subject\":{\"reference\":\"Patient/one\"},"
                  "\"performer\":[{\"display\":\"urn:uuid:1\"},{\"reference\":\"Patient/one\"}]}");
    check_rewrite(
        "{\"resourceType\":\"Observation\",\"contained\":[{\"resourceType\":\"Encounter\","
        "\"subject\":{\"reference\":\"urn:uuid:1#x\"}}],\"extension\":[{\"url\":\"u\","
        "\"valueReference\":{\"reference\":\"urn:uuid:1\"}}],\"_status\":{\"extension\":["
        "{\"url\":\"u\",\"valueReference\":{\"reference\":\"urn:uuid:1\"}}]}}",
        "{\"resourceType\":\"Observation\",\"contained\":[{\"resourceType\":\"Encounter\","
        "\"subject\":{\"reference\":\"Patient/one#x\"}}],\"extension\":[{\"url\":\"u\","
        "\"valueReference\":{\"reference\":\"Patient/one\"}}],\"_status\":{\"extension\":["
        "{\"url\":\"u\",\"valueReference\":{\"reference\":\"Patient/one\"}}]}}");
    check_rewrite("{\"resourceType\":\"Observation\",\"subject\":{\"reference\":"
                  "\"http:\\/\\/old.test\\/r4\\/Patient\\/2\"}}",
                  "{\"resourceType\":\"Observation\",\"subject\":{\"reference\":\"Patient/two\"}}");
    check_rewrite(
        "{\"resourceType\":\"Observation\",\"subject\":{\"reference\":\"Patient/2\"},"
        "\"encounter\":{\"reference\":\"#e\"},\"focus\":[{\"reference\":\"Patient/9\"}]}",
        "{\"resourceType\":\"Observation\",\"subject\":{\"reference\":\"Patient/two\"},"
        "\"encounter\":{\"reference\":\"#e\"},\"focus\":[{\"reference\":\"Patient/9\"}]}");
    check_rewrite(
        "{\"resourceType\":\"Observation\",\"subject\":{\"reference\":\"Patient?identifier=3\"}}",
        "{\"resourceType\":\"Observation\",\"subject\":{\"reference\":\"Patient/three\"}}");
}

static void uri_url_oid_and_uuid_are_rewritten_but_never_canonical_or_string(void **state)
{
    (void)state;
    check_rewrite(
        "{\"resourceType\":\"Basic\",\"meta\":{\"source\":\"urn:uuid:1\","
        "\"profile\":[\"urn:uuid:1\"]},\"extension\":[{\"url\":\"x\",\"valueUri\":\"urn:uuid:1\"},"
        "{\"valueUrl\":\"urn:uuid:1\"},{\"valueOid\":\"urn:uuid:1\"},{\"valueUuid\":\"urn:uuid:1\"}"
        ","
        "{\"valueCanonical\":\"urn:uuid:1\"},{\"valueString\":\"urn:uuid:1\"},"
        "{\"valueMarkdown\":\"urn:uuid:1\"}],\"unknown\":{\"reference\":\"urn:uuid:1\"}}",
        "{\"resourceType\":\"Basic\",\"meta\":{\"source\":\"Patient/one\","
        "\"profile\":[\"urn:uuid:1\"]},\"extension\":[{\"url\":\"x\",\"valueUri\":\"Patient/one\"},"
        "{\"valueUrl\":\"Patient/one\"},{\"valueOid\":\"Patient/one\"},"
        "{\"valueUuid\":\"Patient/one\"},"
        "{\"valueCanonical\":\"urn:uuid:1\"},{\"valueString\":\"urn:uuid:1\"},"
        "{\"valueMarkdown\":\"urn:uuid:1\"}],\"unknown\":{\"reference\":\"urn:uuid:1\"}}");
}

static void links_in_narratives_are_rewritten(void **state)
{
    (void)state;
    check_rewrite(
        "{\"resourceType\":\"Patient\",\"text\":{\"div\":\"<div title=\\\" href='urn:uuid:1'\\\">"
        "<a\\nhref=\\\"urn:uuid:1\\\">href=\\\"urn:uuid:1\\\"</a><img alt='' src = 'urn:uuid:1#a'/>"
        "<a class=\\\"x\\\" href=\\\"http://other.test\\\"/><a xhref=\\\"urn:uuid:1\\\"/>"
        "<a href=\\u0022urn:uuid:1\\u0022>\\u00e9</a><b href\"}}",
        "{\"resourceType\":\"Patient\",\"text\":{\"div\":\"<div title=\\\" href='urn:uuid:1'\\\">"
        "<a\\nhref=\\\"Patient/one\\\">href=\\\"urn:uuid:1\\\"</a><img alt='' src = "
        "'Patient/one#a'/>"
        "<a class=\\\"x\\\" href=\\\"http://other.test\\\"/><a xhref=\\\"urn:uuid:1\\\"/>"
        "<a href=\\u0022Patient/one\\u0022>\\u00e9</a><b href\"}}");
    check_rewrite("{\"resourceType\":\"Patient\",\"text\":{\"div\":\"<a href=\\\"urn:uuid:1\"}}",
                  "{\"resourceType\":\"Patient\",\"text\":{\"div\":\"<a href=\\\"Patient/one\"}}");
}

static void what_is_not_rewritten_stays_token_for_token(void **state)
{
    (void)state;
    check_rewrite("{\"resourceType\":\"Observation\",\n \"valueQuantity\" : { \"value\" : 1.10e+2,"
                  " \"unit\" : \"a\\u0041\\/\" } , \"component\" : [ { } , [ ] , null , true ]\t}",
                  "{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":1.10e+2,"
                  "\"unit\":\"a\\u0041\\/\"},\"component\":[{},[],null,true]}");
}

static void depth_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    size_t asked = 0;
    struct fhir_prepare options = { .rewrite = rename_url, .context = &asked };
    begin(&f);
    struct buf text;
    buf_init(&text, 10000);
    buf_append_cstr(&text, "{\"x\":");
    for (int i = 0; i < 200; i++)
        buf_append_byte(&text, '[');
    for (int i = 0; i < 200; i++)
        buf_append_byte(&text, ']');
    buf_append_byte(&text, '}');
    struct json_doc doc;
    struct json_error error;
    struct json_limits limits = { .depth = 300 };
    assert_int_equal(json_parse(buf_slice(&text), &limits, &f.arena, &doc, &error), ERR_NONE);
    const struct fhir_type *type = fhir_resource_find(SLICE("Patient"));
    assert_int_equal(fhir_prepare_body(json_root(&doc), type, &options, &f.out, &f.splice),
                     ERR_LIMIT);
    buf_release(&text);
    end(&f);
}

static void a_full_buffer_is_reported(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.out.limit_bytes = 20;
    struct fhir_prepare options = { .rewrite = NULL };
    assert_int_equal(prepare(&f, "{\"resourceType\":\"Patient\",\"active\":true}", &options),
                     ERR_LIMIT);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meta_is_taken_out_and_put_back_where_it_was),
        cmocka_unit_test(the_id_is_set_replaced_or_inserted),
        cmocka_unit_test(a_meta_that_is_no_object_is_refused),
        cmocka_unit_test(a_damaged_splice_is_an_error),
        cmocka_unit_test(references_are_rewritten_wherever_they_stand),
        cmocka_unit_test(uri_url_oid_and_uuid_are_rewritten_but_never_canonical_or_string),
        cmocka_unit_test(links_in_narratives_are_rewritten),
        cmocka_unit_test(what_is_not_rewritten_stays_token_for_token),
        cmocka_unit_test(depth_beyond_the_limit_is_refused),
        cmocka_unit_test(a_full_buffer_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
