#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fhir/fhir.h"

struct trace {
    struct buf text;
    const char *skip; /* a type's name, passed over */
    int fail_at;      /* the n-th call fails; 0: none */
};

static enum err note(struct trace *trace, const char *what, const struct fhir_node *node)
{
    if (trace->fail_at > 0 && --trace->fail_at == 0)
        return ERR_INVALID;
    struct slice key = json_exists(node->key) ? json_string_raw(node->key) : SLICE("root");
    buf_printf(&trace->text, "%s%.*s", what, SLICE_ARGS(key));
    if (node->is_array)
        buf_printf(&trace->text, "[%u]", node->index);
    if (node->type)
        buf_printf(&trace->text, ":%.*s", SLICE_ARGS(node->type->name));
    buf_append_byte(&trace->text, ' ');
    return ERR_NONE;
}

static enum err on_enter(void *context, const struct fhir_node *node, bool *skip)
{
    struct trace *trace = context;
    *skip = trace->skip && slice_is(node->type->name, trace->skip);
    return note(trace, "<", node);
}

static enum err on_leave(void *context, const struct fhir_node *node)
{
    return note(context, ">", node);
}

static enum err on_leaf(void *context, const struct fhir_node *node)
{
    return note(context, "", node);
}

static enum err on_unknown(void *context, const struct fhir_node *node)
{
    return note(context, "?", node);
}

static void walk(struct trace *trace, const char *type, const char *text, enum err expected)
{
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, 1 << 22);
    buf_init(&trace->text, 1 << 20);
    struct fhir_walker walker = { on_enter, on_leave, on_leaf, on_unknown, trace };
    assert_int_equal(json_parse(slice_cstr(text), NULL, &arena, &doc, &error), ERR_NONE);
    assert_int_equal(fhir_walk(json_root(&doc), fhir_type_find(slice_cstr(type)), &walker),
                     expected);
    struct fhir_walker deaf = { .context = NULL };
    if (expected == ERR_NONE)
        assert_int_equal(fhir_walk(json_root(&doc), fhir_type_find(slice_cstr(type)), &deaf),
                         ERR_NONE);
    arena_release(&arena);
}

static void check(const char *type, const char *text, const char *expected)
{
    struct trace trace = { .skip = NULL };
    walk(&trace, type, text, ERR_NONE);
    buf_append_byte(&trace.text, 0);
    assert_string_equal(trace.text.bytes, expected);
    buf_release(&trace.text);
}

static void every_element_comes_with_its_type_in_document_order(void **state)
{
    (void)state;
    check("Patient",
          "{\"resourceType\":\"Patient\",\"name\":[{\"given\":[\"a\",\"b\"]},{}],\"active\":true,"
          "\"contact\":[{\"period\":{\"start\":\"x\"}}],\"deceasedDateTime\":\"y\"}",
          "<root:Patient <name[0]:HumanName given[0]:string given[1]:string >name[0]:HumanName "
          "<name[1]:HumanName >name[1]:HumanName active:boolean <contact[0]:Patient.contact "
          "<period:Period start:dateTime >period:Period >contact[0]:Patient.contact "
          "deceasedDateTime:dateTime >root:Patient ");
}

static void contained_and_bundled_resources_have_their_own_type(void **state)
{
    (void)state;
    check("Bundle",
          "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Group\","
          "\"contained\":[{\"resourceType\":\"Device\",\"id\":\"d\"}]}}]}",
          "<root:Bundle <entry[0]:Bundle.entry <resource:Group <contained[0]:Device id:id "
          ">contained[0]:Device >resource:Group >entry[0]:Bundle.entry >root:Bundle ");
    check("Resource", "{\"resourceType\":\"Device\"}", "<root:Device >root:Device ");
}

static void the_unknown_is_reported_and_not_walked(void **state)
{
    (void)state;
    check("Patient",
          "{\"nothing\":{\"name\":[]},\"_name\":[{}],\"contained\":[{\"resourceType\":\"X\"},{}],"
          "\"name\":[\"x\",[],null],\"active\":{\"a\":1}}",
          "<root:Patient ?nothing ?_name ?contained[0] ?contained[1] name[0]:HumanName "
          "name[1]:HumanName name[2]:HumanName active:boolean >root:Patient ");
}

static void siblings_of_primitives_hold_elements(void **state)
{
    (void)state;
    check("Patient",
          "{\"_birthDate\":{\"id\":\"b\",\"extension\":[{\"url\":\"u\",\"valueString\":\"s\"}]},"
          "\"name\":[{\"_given\":[null,{\"id\":\"g\"}]}]}",
          "<root:Patient <_birthDate:Element id:string <extension[0]:Extension url:uri "
          "valueString:string >extension[0]:Extension >_birthDate:Element <name[0]:HumanName "
          "_given[0]:Element <_given[1]:Element id:string >_given[1]:Element >name[0]:HumanName "
          ">root:Patient ");
}

static void what_is_skipped_is_not_left(void **state)
{
    (void)state;
    struct trace trace = { .skip = "HumanName" };
    walk(&trace, "Patient", "{\"name\":[{\"family\":\"a\"}],\"active\":true}", ERR_NONE);
    assert_true(slice_is(buf_slice(&trace.text),
                         "<root:Patient <name[0]:HumanName active:boolean >root:Patient "));
    buf_release(&trace.text);
}

static void the_first_error_stops_the_walk(void **state)
{
    (void)state;
    for (int i = 1; i <= 5; i++) {
        struct trace trace = { .fail_at = i };
        walk(&trace, "Patient", "{\"name\":[{\"family\":\"a\"}],\"x\":true}", ERR_INVALID);
        buf_release(&trace.text);
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 60; i++)
        buf_append_cstr(&text, "{\"extension\":[");
    for (int i = 0; i < 60; i++)
        buf_append_cstr(&text, "]}");
    buf_append_byte(&text, 0);
    struct trace trace = { .skip = NULL };
    walk(&trace, "Extension", text.bytes, ERR_NONE);
    buf_release(&trace.text);

    buf_clear(&text);
    for (int i = 0; i < 130; i++)
        buf_append_cstr(&text, "{\"extension\":");
    buf_append_cstr(&text, "1");
    for (int i = 0; i < 130; i++)
        buf_append_cstr(&text, "}");
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    struct json_limits limits = { .depth = 200 };
    struct fhir_walker walker = { .context = NULL };
    arena_init(&arena, 1 << 20);
    assert_int_equal(json_parse(buf_slice(&text), &limits, &arena, &doc, &error), ERR_NONE);
    assert_int_equal(fhir_walk(json_root(&doc), fhir_type_find(SLICE("Extension")), &walker),
                     ERR_LIMIT);
    arena_release(&arena);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_comes_with_its_type_in_document_order),
        cmocka_unit_test(contained_and_bundled_resources_have_their_own_type),
        cmocka_unit_test(the_unknown_is_reported_and_not_walked),
        cmocka_unit_test(siblings_of_primitives_hold_elements),
        cmocka_unit_test(what_is_skipped_is_not_left),
        cmocka_unit_test(the_first_error_stops_the_walk),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
