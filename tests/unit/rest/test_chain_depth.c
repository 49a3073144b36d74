/* Chains, reverse chains and filters of any depth: what they find, and what they cost. */
#include "rest/finding.h"

#include "os/clock.h"
#include "os/thread.h"

/* A transaction of what was written to `entries` with a comma behind each. */
static void all_store(struct world *w, struct buf *entries)
{
    struct slice body = arena_printf(
        &w->arena, "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[%.*s]}",
        (int)entries->length - 1, entries->bytes);
    struct answer a = post(w, "", body.bytes);
    if (a.status != 200)
        fail_msg("%d %.*s", a.status, SLICE_ARGS(slice_head(a.body, 600)));
    buf_release(entries);
}

static void entry_add(struct buf *entries, const char *type, const char *id, const char *members)
{
    buf_printf(entries,
               "{\"request\":{\"method\":\"PUT\",\"url\":\"%s/%s\"},\"resource\":{"
               "\"resourceType\":\"%s\",\"id\":\"%s\",%s}},",
               type, id, type, id, members);
}

/* o0 <- o1 <- ... by partOf. */
static void line_store(struct world *w, int count)
{
    struct buf entries;
    buf_init(&entries, 1 << 20);
    entry_add(&entries, "Organization", "o0", "\"name\":\"Root\"");
    for (int i = 1; i < count; i++) {
        struct slice id = arena_printf(&w->arena, "o%d", i);
        struct slice members = arena_printf(
            &w->arena, "\"name\":\"Name %d\",\"partOf\":{\"reference\":\"Organization/o%d\"}", i,
            i - 1);
        entry_add(&entries, "Organization", id.bytes, members.bytes);
    }
    all_store(w, &entries);
}

/* "Organization?" and the step so often, then the end. */
static const char *deep(struct world *w, const char *head, const char *step, int times,
                        const char *end)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_append_cstr(&text, head);
    for (int i = 0; i < times; i++)
        buf_append_cstr(&text, step);
    buf_append_cstr(&text, end);
    buf_append_byte(&text, '\0');
    const char *copy = arena_copy(&w->arena, buf_slice(&text));
    buf_release(&text);
    assert_non_null(copy);
    return copy;
}

static void a_chain_of_each_depth_finds_what_lies_so_far_away(void **state)
{
    struct world *w = *state;
    line_store(w, 31);
    for (int depth = 1; depth <= 30; depth++) {
        const char *id = arena_printf(&w->arena, "o%d", depth).bytes;
        const char *name = arena_printf(&w->arena, "name=Name%%20%d", depth).bytes;
        assert_found(w, deep(w, "Organization?", "partof.", depth, "name:exact=Root"), id);
        assert_found(w, deep(w, "Organization?", "partof:Organization.", depth, "_id=o0"), id);
        if (depth != 1 && depth != 2 && depth != 3) /* "Name 1" begins others, too */
            assert_found(w, deep(w, "Organization?", "_has:Organization:partof:", depth, name),
                         "o0");
    }
    assert_found(w, deep(w, "Organization?", "partof.", 31, "name=Root"), "");
    assert_found(w, deep(w, "Organization?", "partof.", 29, "name:missing=false"), "o29 o30");
    assert_found(w, deep(w, "Organization?_sort=-name&", "partof.", 29, "name:missing=false"),
                 "o30 o29");
    /* Chains in _has, _has in chains, many of each. */
    assert_found(w, deep(w, "Organization?", "partof._has:Organization:partof:", 10, "_id=o7"),
                 "o7");
    assert_found(w,
                 deep(w, "Organization?", "partof.partof._has:Organization:partof:", 10, "_id=o7"),
                 "o17");
    struct answer a = get(w, deep(w, "Organization?_total=accurate&_explain=true&", "partof.", 20,
                                  "name:missing=false"));
    assert_int_equal(a.status, 200);
    assert_at(w, &a, "total", "11");
    store(w, "Organization", "o5", "\"name\":\"Apart\"");
    assert_found(w, deep(w, "Organization?", "partof.", 30, "name=Root"), "");
    assert_found(w, deep(w, "Organization?", "partof.", 25, "name=Apart"), "o30");
}

/* Two types, each of which may refer to the other: as a tree 2 to the 40th chains. */
static void references_to_several_types_are_followed_in_all_of_them(void **state)
{
    struct world *w = *state;
    struct buf entries;
    buf_init(&entries, 1 << 20);
    entry_add(&entries, "Procedure", "p0", "\"code\":{\"coding\":[{\"code\":\"root\"}]}");
    for (int i = 1; i <= 40; i++) {
        const char *type = i % 2 ? "Observation" : "Procedure";
        struct slice id = arena_printf(&w->arena, "p%d", i);
        struct slice members =
            arena_printf(&w->arena, "\"partOf\":[{\"reference\":\"%s/p%d\"}]",
                         i % 2 ? "Procedure" : "Observation", i - 1);
        entry_add(&entries, type, id.bytes, members.bytes);
    }
    all_store(w, &entries);
    assert_found(w, deep(w, "Observation?", "part-of.", 5, "code=root"), "p5");
    assert_found(w, deep(w, "Procedure?", "part-of.", 40, "code=root"), "p40");
    assert_found(w, deep(w, "Procedure?_filter=", "part-of.", 12, "code%20eq%20root"), "p12");
    assert_found(w, deep(w, "Procedure?_filter=", "part-of[status%20pr%20false].", 12,
                         "code%20eq%20root"),
                 "p12");
    assert_refused(w, deep(w, "Procedure?", "part-of.", 12, "nonsense=root"),
                   "what none of the types has");
}

static void circles_end(void **state)
{
    struct world *w = *state;
    store(w, "Organization", "a", "\"partOf\":{\"reference\":\"Organization/b\"}");
    store(w, "Organization", "b",
          "\"name\":\"Bee\",\"partOf\":{\"reference\":\"Organization/a\"}");
    assert_found(w, deep(w, "Organization?", "partof.", 500, "name=Bee"), "b");
    assert_found(w, deep(w, "Organization?", "partof.", 501, "name=Bee"), "a");
    assert_found(w, deep(w, "Organization?", "_has:Organization:partof:", 301, "name=Bee"), "a");
}

/* Contained ones that refer to one another: two ways from each. */
static void ways_through_contained_resources_are_gone_once(void **state)
{
    struct world *w = *state;
#define PART(id)                                                                                   \
    "{\"resourceType\":\"Observation\",\"id\":\"" id "\",\"hasMember\":[{\"reference\":\"#a\"},"   \
    "{\"reference\":\"#b\"}]}"
    store(w, "Observation", "o",
          "\"contained\":[" PART("a") "," PART("b") "],\"hasMember\":[{\"reference\":\"#a\"}]");
    assert_found(w, deep(w, "Observation?", "has-member:Observation.", 3, "_id=b"), "o");
    assert_found(w, deep(w, "Observation?", "has-member:Observation.", 40, "_id=b"), "o");
    assert_found(w, deep(w, "Observation?", "has-member:Observation.", 999, "_id=b"), "o");
    assert_found(w, deep(w, "Observation?", "has-member:Observation.", 999, "_id=c"), "");
    assert_found(w, deep(w, "Observation?_contained=true&", "has-member:Observation.", 500,
                         "_id=b"), "o");
}

static void filters_nest_deep(void **state)
{
    struct world *w = *state;
    line_store(w, 4);
    assert_found(w, deep(w, "Organization?_filter=", "(", 500,
                         deep(w, "name%20eq%20root", ")", 500, "")),
                 "o0");
    assert_found(w, deep(w, "Organization?_filter=", "not(", 501,
                         deep(w, "name%20eq%20root", ")", 501, "")),
                 "o1 o2 o3");
    assert_found(w, deep(w, "Organization?_filter=name%20eq%20x",
                         "%20and%20name%20eq%20x%20or%20name%20eq%20root", 300, ""),
                 "o0");
    assert_found(w, deep(w, "Organization?_filter=", "partof[name%20pr%20true].", 3,
                         "name%20eq%20root"),
                 "o3");
    assert_refused(w, deep(w, "Organization?_filter=", "(", 20000, ""), "too deep");
}

/* What a hostile client sends is refused, and soon. */
static void ten_thousand_levels_are_refused_at_once(void **state)
{
    struct world *w = *state;
    int64_t begin = os_monotonic_us();
    assert_refused(w, deep(w, "Organization?", "partof.", 10000, "name=x"), "1000 levels");
    assert_refused(w, deep(w, "Procedure?", "part-of.", 10000, "code=x"), "1000 levels");
    assert_refused(w, deep(w, "Organization?", ".", 10000, "name=x"), "chain");
    assert_refused(w, deep(w, "Organization?", "_has:Organization:partof:", 10000, "name=x"),
                   "1000 levels");
    assert_refused(w, deep(w, "Organization?_filter=", "partof[", 10000, "name"), "");
    assert_true(os_monotonic_us() - begin < INT64_C(20) * 1000000);
}

/* Each level looks for its end, and each type that a reference may have compiles it. */
static void long_texts_in_many_brackets_are_refused_at_once(void **state)
{
    struct world *w = *state;
    const char *text = deep(w, "", "x", 200000, "%22");
    const char *end = deep(w, text, "].name%20sw%20%22o%22", 300, "");
    const char *filter = arena_printf(&w->arena, "name%%20sw%%20%%22%s", end).bytes;
    assert_non_null(filter);
    assert_refused(w, deep(w, "Organization?_filter=", "partof[", 300, filter), "too much text");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void *ask_deepest(void *context)
{
    struct world *w = context;
    assert_found(w, deep(w, "Organization?", "partof.", 999, "name=Root"), "");
    assert_found(w, deep(w, "Organization?", "_has:Organization:partof:", 999, "name=x"), "");
    assert_found(w, deep(w, "Procedure?", "part-of.", 999, "code=x"), "");
    assert_found(w, deep(w, "Organization?_filter=", "partof[", 300,
                         deep(w, "name%20eq%20root", "].name%20eq%20x", 300, "")),
                 "");
    assert_found(w, deep(w, "Organization?_filter=", "not(", 900,
                         deep(w, "name%20eq%20root", ")", 900, "")),
                 "o0");
    return NULL;
}

/* A thread has 8 MB. */
static void the_deepest_take_a_megabyte_of_stack(void **state)
{
    struct world *w = *state;
    pthread_t thread;
    pthread_attr_t attributes;
    line_store(w, 2);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, (size_t)1 << 20), 0);
    assert_int_equal(pthread_create(&thread, &attributes, ask_deepest, w), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_chain_of_each_depth_finds_what_lies_so_far_away),
        WORLD_TEST(references_to_several_types_are_followed_in_all_of_them),
        WORLD_TEST(circles_end),
        WORLD_TEST(ways_through_contained_resources_are_gone_once),
        WORLD_TEST(filters_nest_deep),
        WORLD_TEST(long_texts_in_many_brackets_are_refused_at_once),
        WORLD_TEST(ten_thousand_levels_are_refused_at_once),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        WORLD_TEST(the_deepest_take_a_megabyte_of_stack),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
