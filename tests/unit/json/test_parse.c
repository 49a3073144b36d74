/* mmap's anonymous pages */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json/json.h"
#include "outside.h"

static struct arena arena;
static struct json_error error;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)256 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static enum err parse(struct slice text, struct json_doc *doc)
{
    return json_parse(text, NULL, &arena, doc, &error);
}

static struct json root_of(const char *text)
{
    struct json_doc *doc = arena_alloc(&arena, sizeof *doc);
    assert_non_null(doc);
    enum err err = parse(slice_cstr(text), doc);
    if (err)
        fail_msg("%s: %u:%u %s", text, error.line, error.column, error.text);
    return json_root(doc);
}

static void number_text_key_order_and_escapes_stay(void **state)
{
    (void)state;
    struct json root = root_of("{ \"b\" : 1.10,\n\t\"a\":[1e5, -0, 158.3825000000001], "
                               "\"s\":\"\\u00e9\\/\" }");
    assert_true(slice_is(json_raw(json_member(root, "b")), "1.10"));
    struct buf out;
    buf_init(&out, 1000);
    json_minify(root, &out);
    assert_true(slice_is(buf_slice(&out),
                         "{\"b\":1.10,\"a\":[1e5,-0,158.3825000000001],\"s\":\"\\u00e9\\/\"}"));
    assert_true(slice_is(json_string(json_member(root, "s"), &arena), "\xC3\xA9/"));
    assert_true(json_string_is(json_member(root, "s"), SLICE("\xC3\xA9/")));
    assert_false(json_string_is(json_member(root, "s"), SLICE("\xC3\xA9")));
    buf_release(&out);
}

static void siblings_are_walked_without_looking_inside(void **state)
{
    (void)state;
    struct json root = root_of("{\"a\":{\"x\":[1,[2,3],{}]},\"b\":[],\"c\":null}");
    struct json key = json_first(root);
    const char *names[] = { "a", "b", "c" };
    for (int i = 0; i < 3; i++) {
        assert_true(json_string_is(key, slice_cstr(names[i])));
        key = json_next(root, json_value(key));
    }
    assert_false(json_exists(key));
    assert_int_equal(json_count(root), 3);
    struct json list = json_member(json_member(root, "a"), "x");
    assert_int_equal(json_count(list), 3);
    assert_false(json_exists(json_first(json_member(root, "b"))));
    assert_int_equal(json_type(json_member(root, "c")), JSON_NULL);
    assert_false(json_exists(json_member(root, "x")));
    assert_false(json_exists(json_member(list, "x")));
    assert_false(json_exists(json_first(JSON_ABSENT)));
}

static void refused(const char *text, uint32_t line, uint32_t column)
{
    struct json_doc doc;
    size_t before = arena.total_bytes;
    if (parse(slice_cstr(text), &doc) == ERR_NONE)
        fail_msg("accepted: %s", text);
    assert_int_equal(arena.total_bytes, before);
    if (error.line != line || error.column != column)
        fail_msg("%s: said %u:%u %s", text, error.line, error.column, error.text);
}

static void errors_say_line_and_column(void **state)
{
    (void)state;
    refused("", 1, 1);
    refused("{\n  \"a\": 1,\n  \"\xC3\xA9\": tru\n}", 3, 8);
    refused("{\"a\":1,}", 1, 8);
    refused("[1 2]", 1, 4);
    refused("[1,\n2", 2, 2);
    refused("{\"a\" 1}", 1, 6);
    refused("[01]", 1, 2);
    refused("[1.]", 1, 4);
    refused("\"a\nb\"", 1, 3);
    refused("\"\xC0\x80\"", 1, 2);
    refused("[\"\\ud800\"]", 1, 3);
    refused("[\"\\udc00\"]", 1, 3);
    refused("[\"\\ud800\\u0041\"]", 1, 3);
    refused("[\"\\x\"]", 1, 3);
    refused("\xEF\xBB\xBF{}", 1, 1);
    refused("{} x", 1, 4);
}

static void duplicate_names_are_refused_however_written(void **state)
{
    (void)state;
    refused("{\"a\":1,\"b\":2,\n\"a\":3}", 2, 1);
    refused("{\"a\":1,\"\\u0061\":2}", 1, 8);
    refused("{\"\\u0061\":1,\"a\":2}", 1, 13);
    refused("{\"\":1,\"\":2}", 1, 7);
    refused("{\"x\":{\"a\":{\"a\":1}},\"x\":2}", 1, 20);
    root_of("{\"a\":{\"a\":{\"a\":1}},\"\\u0062\":1,\"\\u0063\":2,\"A\":3}");
}

/* {"k0":0,...,"k<count-1>":0, <last>} */
static struct slice many_members(int count, const char *last)
{
    struct buf text;
    buf_init(&text, (size_t)64 << 20);
    buf_append_byte(&text, '{');
    for (int i = 0; i < count; i++)
        buf_printf(&text, "\"k%d\":0,", i);
    buf_append_cstr(&text, last);
    buf_append_byte(&text, '}');
    char *copy = arena_copy(&arena, buf_slice(&text));
    assert_non_null(copy);
    struct slice s = slice_of(copy, text.length);
    buf_release(&text);
    return s;
}

static void duplicates_in_large_objects_are_found_in_linear_time(void **state)
{
    (void)state;
    struct json_doc doc;
    for (int count = 30; count < 36; count++) {
        assert_int_equal(parse(many_members(count, "\"other\":1"), &doc), ERR_NONE);
        assert_int_equal(parse(many_members(count, "\"k7\":1"), &doc), ERR_SYNTAX);
        assert_int_equal(parse(many_members(count, "\"\\u006b7\":1"), &doc), ERR_SYNTAX);
    }
    assert_int_equal(parse(many_members(300000, "\"other\":1"), &doc), ERR_NONE);
    assert_int_equal(doc.count, 300001 * 2 + 1);
    assert_int_equal(parse(many_members(300000, "\"k299999\":1"), &doc), ERR_SYNTAX);
}

static void depth_and_nodes_are_bounded(void **state)
{
    (void)state;
    char text[400];
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    struct json_doc doc;
    assert_int_equal(parse(slice_of(text + 72, 256), &doc), ERR_NONE);
    assert_int_equal(parse(slice_of(text + 71, 258), &doc), ERR_LIMIT);
    assert_int_equal(error.column, 129);
    struct json_limits limits = { .depth = 3, .nodes = 4 };
    assert_int_equal(json_parse(SLICE("[[[]]]"), &limits, &arena, &doc, NULL), ERR_NONE);
    assert_int_equal(json_parse(SLICE("[[[[]]]]"), &limits, &arena, &doc, NULL), ERR_LIMIT);
    assert_int_equal(json_parse(SLICE("[1,2,3]"), &limits, &arena, &doc, NULL), ERR_NONE);
    assert_int_equal(json_parse(SLICE("[1,2,3,4]"), &limits, &arena, &doc, NULL), ERR_LIMIT);
}

static void a_dense_text_outgrows_the_first_estimate(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    char *text = arena_raw(&arena, 2 * COUNT + 1);
    assert_non_null(text);
    text[0] = '[';
    for (int i = 0; i < COUNT; i++)
        memcpy(text + 1 + 2 * i, i < COUNT - 1 ? "1," : "1]", 2);
    struct json_doc doc;
    assert_int_equal(parse(slice_of(text, 2 * COUNT + 1), &doc), ERR_NONE);
    assert_int_equal(json_count(json_root(&doc)), COUNT);
    struct arena small;
    arena_init(&small, 100000);
    assert_int_equal(json_parse(slice_of(text, 2 * COUNT + 1), NULL, &small, &doc, NULL),
                     ERR_NO_MEMORY);
    arena_release(&small);
}

static void short_memory_is_an_error_that_leaves_nothing_behind(void **state)
{
    (void)state;
    struct slice text = many_members(60, "\"\\u0061\":[1,2,{\"b\":null}],\"\\u0062\":\"x\"");
    bool refused_once = false, accepted_once = false;
    for (size_t limit = 64; limit < 200000; limit += limit / 3) {
        struct arena small;
        arena_init(&small, limit);
        struct json_doc doc;
        enum err err = json_parse(text, NULL, &small, &doc, NULL);
        assert_true(err == ERR_NONE || err == ERR_NO_MEMORY);
        refused_once |= err != ERR_NONE;
        accepted_once |= err == ERR_NONE;
        if (err)
            assert_int_equal(small.total_bytes, 0);
        arena_release(&small);
    }
    assert_true(refused_once && accepted_once);
}

/* The text ends where the next page cannot be read. */
static void nothing_behind_the_text_is_read(void **state)
{
    (void)state;
    const char *texts[] = { "[\"abcdefghijklmnop",  "{\"a\": 12",         "\"\\u12",
                            "\"\xE2\x82",           "[1,2,3]           ", "[tr",
                            "{\"abcdefghi\":1.5e3}", "-",                 "\"\\ud834\\",
                            "[1.",                  "\"\\",               "{\"a\":[" };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, flags, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        for (size_t length = 0; length <= strlen(texts[i]); length++) {
            char *at = pages + page - length;
            memcpy(at, texts[i], length);
            struct json_doc doc;
            enum err err = parse(slice_of(at, length), &doc);
            assert_true(err == ERR_NONE || err == ERR_SYNTAX);
        }
    }
    munmap(pages, 2 * page);
}

static void equal_means_token_for_token(void **state)
{
    (void)state;
    struct json a = root_of("{\"a\": [1.10, {\"b\": \"x\"}]}");
    struct json left, right;
    assert_true(json_same(a, root_of("{\"a\":[1.10,{\"b\":\"x\"}]}"), NULL, NULL));
    assert_false(json_same(a, root_of("{\"a\":[1.1,{\"b\":\"x\"}]}"), &left, &right));
    assert_true(slice_is(json_raw(left), "1.10"));
    assert_true(slice_is(json_raw(right), "1.1"));
    assert_false(json_same(a, root_of("{\"a\":[1.10,{\"b\":\"x\"},2]}"), NULL, NULL));
    assert_false(json_same(root_of("[[1],2]"), root_of("[[1,2]]"), NULL, NULL));
    assert_false(json_same(root_of("{\"a\":1,\"b\":2}"), root_of("{\"b\":2,\"a\":1}"), NULL, NULL));
    assert_false(json_same(a, JSON_ABSENT, NULL, NULL));
    assert_true(json_same(JSON_ABSENT, JSON_ABSENT, NULL, NULL));
}

static void minified_text_parses_to_the_same(void **state)
{
    (void)state;
    const char *texts[] = { " [ ] ", "{ }", " [ [ ] , { } , \"a b\" , { \"a\" : [ 1 , 2 ] } ] ",
                            "[[],{},1]", " 1 ", "\n\"x\"\n", "[1, 2,3 ,4]",
                            "{\"a\":1 ,\"b\": {}}" };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct json root = root_of(texts[i]);
        struct buf out;
        buf_init(&out, 1000);
        json_minify(root, &out);
        const char *copy = arena_copy(&arena, buf_slice(&out));
        assert_true(json_same(root, root_of(copy), NULL, NULL));
        size_t blanks = 0;
        for (const char *at = copy; *at; at++)
            blanks += *at == ' ' || *at == '\n';
        assert_int_equal(blanks, i == 2); /* the one in "a b" */
        buf_release(&out);
    }
}

/* ---- suites from outside ---- */

static bool refused_by_our_rule(const char *name)
{
    return strstr(name, "object_duplicated_key") || strstr(name, "object_same_key");
}

static void check_suite_file(const char *folder, const char *name, int *ret_count)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(os_file_read(path, &text), ERR_NONE);
    struct json_doc doc;
    enum err err = parse(buf_slice(&text), &doc);
    bool must_accept = name[0] == 'y' || strncmp(name, "number_", 7) == 0;
    bool must_refuse = strncmp(name, "n_", 2) == 0 || refused_by_our_rule(name);
    if (must_refuse && err == ERR_NONE)
        fail_msg("accepted %s", name);
    if (must_accept && !must_refuse && err)
        fail_msg("refused %s: %s", name, error.text);
    if (err == ERR_NONE) {
        struct buf out;
        buf_init(&out, 1 << 20);
        struct json_doc again;
        json_minify(json_root(&doc), &out);
        assert_int_equal(parse(buf_slice(&out), &again), ERR_NONE);
        assert_true(json_same(json_root(&doc), json_root(&again), NULL, NULL));
        buf_release(&out);
    }
    buf_release(&text);
    ++*ret_count;
}

static int check_suite_folder(const char *name)
{
    char path[1024];
    outside_path(name, path);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            check_suite_file(path, entry->d_name, &count);
    closedir(folder);
    return count;
}

static void the_parsing_suite_is_accepted_and_refused_as_it_says(void **state)
{
    (void)state;
    assert_int_equal(check_suite_folder("suites/json-parsing/test_parsing"), 215);
}

static void the_transform_suite_keeps_number_text(void **state)
{
    (void)state;
    assert_int_equal(check_suite_folder("suites/json-parsing/test_transform"), 17);
}

static void naughty_strings_come_back_through_writing_and_reading(void **state)
{
    (void)state;
    struct buf text, out;
    outside_read("suites/strings/blns.json", &text);
    struct json_doc doc;
    assert_int_equal(parse(buf_slice(&text), &doc), ERR_NONE);
    buf_init(&out, 1 << 20);
    struct json root = json_root(&doc);
    int count = 0;
    for (struct json v = json_first(root); json_exists(v); v = json_next(root, v), count++) {
        struct slice plain = json_string(v, &arena);
        assert_non_null(plain.bytes);
        buf_clear(&out);
        json_write_string(&out, plain);
        struct json_doc again;
        assert_int_equal(parse(buf_slice(&out), &again), ERR_NONE);
        assert_true(slice_equal(json_string(json_root(&again), &arena), plain));
        assert_true(json_string_is(json_root(&again), plain));
    }
    assert_int_equal(count, 334);
    buf_release(&out);
    buf_release(&text);
}

static void every_control_character_is_written_escaped(void **state)
{
    (void)state;
    char bytes[0x82];
    for (int i = 0; i < 0x80; i++)
        bytes[i] = (char)i;
    bytes[0x80] = (char)0xC3;
    bytes[0x81] = (char)0xA9;
    struct buf out;
    buf_init(&out, 1000);
    json_write_string(&out, slice_of(bytes, sizeof bytes));
    struct json_doc doc;
    assert_int_equal(parse(buf_slice(&out), &doc), ERR_NONE);
    assert_true(slice_equal(json_string(json_root(&doc), &arena), slice_of(bytes, sizeof bytes)));
    buf_release(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(number_text_key_order_and_escapes_stay),
        TEST(siblings_are_walked_without_looking_inside),
        TEST(errors_say_line_and_column),
        TEST(duplicate_names_are_refused_however_written),
        TEST(duplicates_in_large_objects_are_found_in_linear_time),
        TEST(depth_and_nodes_are_bounded),
        TEST(a_dense_text_outgrows_the_first_estimate),
        TEST(short_memory_is_an_error_that_leaves_nothing_behind),
        TEST(nothing_behind_the_text_is_read),
        TEST(equal_means_token_for_token),
        TEST(minified_text_parses_to_the_same),
        TEST(the_parsing_suite_is_accepted_and_refused_as_it_says),
        TEST(the_transform_suite_keeps_number_text),
        TEST(naughty_strings_come_back_through_writing_and_reading),
        TEST(every_control_character_is_written_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
