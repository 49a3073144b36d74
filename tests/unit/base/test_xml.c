#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/xml.h"

static struct arena arena;

static void next_is(const char *text, const char *name, const char *expected)
{
    struct slice rest = slice_cstr(text);
    struct slice found = xml_next(&rest, name, &arena);
    if (!expected) {
        assert_null(found.bytes);
        return;
    }
    assert_non_null(found.bytes);
    assert_string_equal(found.bytes, expected);
}

static void an_element_is_found_by_its_whole_name(void **state)
{
    (void)state;
    next_is("<a><Keys>1</Keys><Key>2</Key></a>", "Key", "2");
    next_is("<a><Key xmlns=\"x\">2</Key></a>", "Key", "2");
    next_is("<a><Key/></a>", "Key", "");
    next_is("<a><Key></Key></a>", "Key", "");
    next_is("<?xml version=\"1.0\"?><Key>2</Key>", "Key", "2");
}

static void entities_become_characters(void **state)
{
    (void)state;
    next_is("<K>&lt;&amp;&gt;&quot;&apos;</K>", "K", "<&>\"'");
    next_is("<K>a&#65;&#x42;&#xe9;z</K>", "K", "aAB\xc3\xa9z");
    next_is("<K>&amp;lt;</K>", "K", "&lt;");
}

static void what_is_broken_is_not_found(void **state)
{
    (void)state;
    static const char *const BROKEN[] = {
        "",
        "<",
        "<K",
        "<K>",
        "<K>1",
        "<K>1</L>",
        "<K>&</K>",
        "<K>&;</K>",
        "<K>&x;</K>",
        "<K>&#;</K>",
        "<K>&#x;</K>",
        "<K>&#0;</K>",
        "<K>&#xd800;</K>",
        "<K>&#x110000;</K>",
        "<K>&#99999999999;</K>",
        "<K>&amp</K>",
    };
    for (size_t i = 0; i < ARRAY_COUNT(BROKEN); i++)
        next_is(BROKEN[i], "K", NULL);
}

static void elements_come_one_after_the_other(void **state)
{
    (void)state;
    struct slice rest = SLICE("<C><Key>a</Key></C><C><Key>b</Key></C>");
    struct slice first = xml_raw(&rest, "C");
    assert_true(slice_is(first, "<Key>a</Key>"));
    struct slice second = xml_raw(&rest, "C");
    assert_true(slice_is(second, "<Key>b</Key>"));
    assert_null(xml_raw(&rest, "C").bytes);
    assert_int_equal(rest.length, 0);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_is_found_by_its_whole_name),
        cmocka_unit_test(entities_become_characters),
        cmocka_unit_test(what_is_broken_is_not_found),
        cmocka_unit_test(elements_come_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
