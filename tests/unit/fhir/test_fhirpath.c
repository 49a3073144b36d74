/* What the suites do not ask: bounds, hostile expressions, budgets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fhir/fhir.h"
#include "fhir/ucum.h"

struct world {
    struct arena arena;
    struct json_doc doc;
};

static int set_up(void **state)
{
    static struct world world;
    arena_init(&world.arena, 64 << 20);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    arena_release(&world->arena);
    return 0;
}

static enum err evaluate(struct world *world, const char *json, const char *expression,
                         uint64_t steps, struct fhirpath_result *result)
{
    struct fhirpath_error error = { .offset = 0 };
    const struct fhirpath *path;
    struct fhirpath_host host = { .steps = steps };
    assert_int_equal(json_parse(slice_cstr(json), NULL, &world->arena, &world->doc, NULL),
                     ERR_NONE);
    struct fhir_item root = { .value = json_root(&world->doc),
                              .type = fhir_resource_find(SLICE("Patient")) };
    TRY(fhirpath_compile(slice_cstr(expression), &world->arena, &path, &error));
    return fhirpath_evaluate(path, root, &host, &world->arena, result, &error);
}

static void deep_expressions_are_refused(void **state)
{
    struct world *world = *state;
    struct fhirpath_result result;
    char text[20001];
    memset(text, '(', 10000);
    memset(text + 10000, ')', 10000);
    text[20000] = '\0';
    assert_int_equal(evaluate(world, "{}", text, 0, &result), ERR_SYNTAX);
    memset(text, '-', 19999);
    memcpy(text + 19999, "1", 2);
    assert_int_equal(evaluate(world, "{}", text, 0, &result), ERR_SYNTAX);
    for (size_t i = 0; i + 2 <= 20000; i += 2)
        memcpy(text + i, ".a", 2);
    assert_int_equal(evaluate(world, "{}", text + 1, 0, &result), ERR_SYNTAX);
}

static void work_is_bounded_by_the_budget(void **state)
{
    struct world *world = *state;
    struct fhirpath_result result;
    const char *blow_up =
        "(1|2|3|4|5|6|7|8|9).select((1|2|3|4|5|6|7|8|9).select((1|2|3|4|5|6|7|8|9)"
        ".select((1|2|3|4|5|6|7|8|9).select($this + $index)))).count()";
    assert_int_equal(evaluate(world, "{}", blow_up, 1000, &result), ERR_LIMIT);
    assert_int_equal(evaluate(world, "{}", "'a'.matches('(a*)*(a*)*(a*)*b')", 0, &result),
                     ERR_NONE);
}

static void a_condition_on_the_whole_resource_is_computed_once(void **state)
{
    struct world *world = *state;
    struct fhirpath_result result;
    struct buf json;
    buf_init(&json, 8 << 20);
    buf_append_cstr(&json, "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"x\"}");
    for (int i = 0; i < 20000; i++)
        buf_printf(&json, ",{\"family\":\"f%d\"}", i);
    buf_append_cstr(&json, "]}");
    buf_append_byte(&json, '\0');
    enum err err = evaluate(world, json.bytes,
                            "name.where(family in %resource.descendants().family).count() = 20001",
                            0, &result);
    assert_int_equal(err, ERR_NONE);
    assert_true(result.count == 1 && result.values[0].boolean);
    buf_release(&json);
}

static void memory_shortage_is_an_error(void **state)
{
    struct world *world = *state;
    (void)world;
    for (size_t room = 0; room < 40000; room += 777) {
        struct arena arena;
        struct json_doc doc;
        const struct fhirpath *path;
        struct fhirpath_result result;
        arena_init(&arena, room);
        enum err err =
            json_parse(SLICE("{\"name\":[{\"given\":[\"a\",\"b\"]}]}"), NULL, &arena, &doc, NULL);
        if (!err)
            err = fhirpath_compile(SLICE("name.given.select($this & 'x').matches('a|b')"), &arena,
                                   &path, NULL);
        if (!err) {
            struct fhir_item root = { .value = json_root(&doc) };
            err = fhirpath_evaluate(path, root, NULL, &arena, &result, NULL);
        }
        assert_true(err == ERR_NO_MEMORY || err == ERR_INVALID || err == ERR_NONE);
        arena_release(&arena);
    }
}

static void an_error_says_where(void **state)
{
    struct world *world = *state;
    struct fhirpath_error error;
    const struct fhirpath *path;
    assert_int_equal(fhirpath_compile(SLICE("name.given( + 1"), &world->arena, &path, &error),
                     ERR_SYNTAX);
    assert_int_equal(error.offset, 10);
    assert_true(slice_is(error.text, "an unknown function"));
    assert_int_equal(fhirpath_compile(SLICE("'\xb6\xb6'.upper()"), &world->arena, &path, &error),
                     ERR_SYNTAX);
}

static void units_convert_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *value, *expected;
    } rows[] = {
        { "g", "mg", "1.5", "1500" },         { "[in_i]", "cm", "1", "2.54" },
        { "Cel", "[degF]", "37", "98.6" },    { "mmol/l", "mol/m3", "5.5", "5.5" },
        { "[lb_av]", "g", "1", "453.59237" }, { "mm[Hg]", "Pa", "1", "133.322" },
        { "/min", "Hz", "60", "1" },          { "10*3/uL", "10*9/L", "7", "7" },
        { "kg.m/s2", "N", "2", "2" },         { "km/h", "m/s", "36", "10" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct ucum from, to;
        struct decimal value, expected;
        assert_true(ucum_parse(slice_cstr(rows[i].from), &from));
        assert_true(ucum_parse(slice_cstr(rows[i].to), &to));
        assert_true(decimal_parse(slice_cstr(rows[i].value), &value));
        assert_true(decimal_parse(slice_cstr(rows[i].expected), &expected));
        assert_true(ucum_convert(value, &from, &to, &value));
        if (decimal_compare(value, expected) != 0)
            fail_msg("%s to %s", rows[i].from, rows[i].to);
    }
    struct ucum unit;
    assert_false(ucum_parse(SLICE("foo"), &unit));
    assert_false(ucum_parse(SLICE("kg..m"), &unit));
    assert_false(ucum_parse(SLICE("((((((((((((m))))))))))))"), &unit));
    assert_true(ucum_parse(SLICE("{score}"), &unit));
    assert_true(ucum_parse(SLICE("m{height}"), &unit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deep_expressions_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(work_is_bounded_by_the_budget, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_condition_on_the_whole_resource_is_computed_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(memory_shortage_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_says_where, set_up, tear_down),
        cmocka_unit_test(units_convert_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
