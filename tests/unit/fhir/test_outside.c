#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fhir/fhir.h"
#include "os/unpack.h"
#include "outside.h"

enum { ARENA_BYTES = 1 << 30 };

struct totals {
    size_t resources, elements, unknown;
    const char *name; /* of the file, for messages */
};

/* ---- what every resource must pass ---- */

static enum err count_leaf(void *context, const struct fhir_node *node)
{
    struct totals *totals = context;
    totals->elements++;
    if (json_is(node->value, JSON_NULL))
        return ERR_NONE; /* pads an array against its sibling */
    if (node->type->kind != FHIR_PRIMITIVE)
        fail_msg("%s: %.*s is no object", totals->name, SLICE_ARGS(json_string_raw(node->key)));
    struct slice text = json_string_raw(node->value);
    bool is_code = node->type->id == FHIR_TYPE_CODE && node->element;
    if (is_code && !fhir_code_is_allowed(node->element, text))
        fail_msg("%s: %.*s %.*s", totals->name, SLICE_ARGS(node->element->name), SLICE_ARGS(text));
    return ERR_NONE;
}

static enum err count_unknown(void *context, const struct fhir_node *node)
{
    struct totals *totals = context;
    totals->unknown++;
    struct slice key = json_exists(node->key) ? json_string_raw(node->key) : SLICE_NONE;
    struct slice parent = node->parent ? node->parent->name : SLICE_NONE;
    if (!slice_is(key, "project")) /* the member that the deliveries have and R4 has not */
        fail_msg("%s: %.*s has %.*s", totals->name, SLICE_ARGS(parent), SLICE_ARGS(key));
    return ERR_NONE;
}

static enum err check_cardinality(void *context, const struct fhir_node *node, bool *skip)
{
    struct totals *totals = context;
    (void)skip;
    totals->elements++;
    if (node->element && !node->is_sibling && node->is_array != node->element->is_array)
        fail_msg("%s: %.*s", totals->name, SLICE_ARGS(json_string_raw(node->key)));
    return ERR_NONE;
}

static bool rewrite_nothing(void *context, struct slice url, struct slice *ret_target)
{
    size_t *asked = context;
    ++*asked;
    (void)url;
    (void)ret_target;
    return false;
}

/* All members but meta; meta's without the two. What may change is the place
 * of meta, and an empty one goes. */
static void check_same(struct json a, struct json b, bool is_meta, const char *name)
{
    for (struct json key = json_first(a); json_exists(key); key = json_next(a, json_value(key))) {
        struct slice member = json_string_raw(key);
        struct json value = json_value(key), other = json_get(b, member);
        if (is_meta && (slice_is(member, "versionId") || slice_is(member, "lastUpdated")))
            continue;
        if (!is_meta && slice_is(member, "meta"))
            check_same(value, other, true, name);
        else if (!json_same(value, other, NULL, NULL))
            fail_msg("%s: %.*s differs", name, SLICE_ARGS(member));
    }
}

static void check_round_trip(struct json resource, const struct fhir_type *type,
                             struct arena *arena, const char *name)
{
    struct buf plain, walked, read;
    size_t asked = 0;
    uint32_t splice, splice_walked;
    struct fhir_prepare still = { .rewrite = NULL };
    struct fhir_prepare asking = { .rewrite = rewrite_nothing,
                                   .context = &asked,
                                   .full_url = SLICE("http://h.test/r4/Basic/1") };
    buf_init(&plain, ARENA_BYTES);
    buf_init(&walked, ARENA_BYTES);
    buf_init(&read, ARENA_BYTES);
    assert_int_equal(fhir_prepare_body(resource, type, &still, &plain, &splice), ERR_NONE);
    assert_int_equal(fhir_prepare_body(resource, type, &asking, &walked, &splice_walked), ERR_NONE);
    assert_true(slice_equal(buf_slice(&plain), buf_slice(&walked)));
    assert_int_equal(splice, splice_walked);
    assert_int_equal(fhir_splice_meta(buf_slice(&plain), splice, SLICE("12"), SLICE("2020"), &read),
                     ERR_NONE);

    struct json_doc doc;
    struct json_error error;
    assert_int_equal(json_parse(buf_slice(&read), NULL, arena, &doc, &error), ERR_NONE);
    struct json back = json_root(&doc), meta = json_member(back, "meta");
    assert_true(json_string_is(json_member(meta, "versionId"), SLICE("12")));
    assert_true(json_string_is(json_member(meta, "lastUpdated"), SLICE("2020")));
    check_same(resource, back, false, name);
    check_same(back, resource, false, name);
    buf_release(&plain);
    buf_release(&walked);
    buf_release(&read);
}

/* ---- one walk finds what each expression finds ---- */

enum { SELECTED_MAX = 10000 };

struct selected {
    struct {
        uint32_t param, at;
        const struct json_doc *doc;
    } * list;
    size_t count;
    uint32_t param; /* being run by itself */
};

static enum err select_item(void *context, struct fhir_item item)
{
    struct selected *s = context;
    assert_true(s->count < SELECTED_MAX);
    assert_non_null(item.type);
    s->list[s->count].param = s->param;
    s->list[s->count].at = item.value.at;
    s->list[s->count++].doc = item.value.doc;
    return ERR_NONE;
}

static enum err select_any(void *context, const struct fhir_param *param, struct fhir_item item)
{
    struct selected *s = context;
    s->param = param->id;
    return select_item(s, item);
}

static int order(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b; /* param, at */
    if (x[0] != y[0])
        return x[0] < y[0] ? -1 : 1;
    return x[1] < y[1] ? -1 : x[1] > y[1];
}

static void check_params(struct json resource, const struct fhir_type *type, struct arena *arena,
                         const char *name)
{
    struct selected one = { .count = 0 }, each = { .count = 0 };
    one.list = arena_array(arena, SELECTED_MAX, sizeof *one.list);
    each.list = arena_array(arena, SELECTED_MAX, sizeof *each.list);
    assert_true(one.list && each.list);
    assert_int_equal(fhir_params_visit(type, resource, select_any, &one), ERR_NONE);
    size_t count;
    const uint16_t *ids = fhir_params_of(type, &count);
    struct fhir_item root = { .value = resource, .type = type };
    for (size_t i = 0; i < count; i++) {
        each.param = ids[i];
        assert_int_equal(fhir_path_visit(fhir_param_at(ids[i])->path, root, select_item, &each),
                         ERR_NONE);
    }
    qsort(one.list, one.count, sizeof *one.list, order);
    qsort(each.list, each.count, sizeof *each.list, order);
    if (one.count != each.count || memcmp(one.list, each.list, one.count * sizeof *one.list) != 0)
        fail_msg("%s: %zu items in one walk, %zu in many", name, one.count, each.count);
}

static void check_resource(struct json resource, struct arena *arena, struct totals *totals)
{
    struct json name = json_member(resource, "resourceType");
    const struct fhir_type *type = fhir_resource_find(json_string(name, arena));
    assert_non_null(type);
    struct fhir_walker walker = {
        .enter = check_cardinality, .leaf = count_leaf, .unknown = count_unknown, .context = totals
    };
    assert_int_equal(fhir_walk(resource, type, &walker), ERR_NONE);
    check_round_trip(resource, type, arena, totals->name);
    check_params(resource, type, arena, totals->name);
    totals->resources++;
}

/* ---- where they come from ---- */

/* A ustar header's size field. */
static size_t tar_size(const char *header)
{
    size_t size = 0;
    for (const char *at = header + 124; at < header + 136 && *at >= '0' && *at <= '7'; at++)
        size = size * 8 + (size_t)(*at - '0');
    return size;
}

static void the_official_examples_have_no_unknown_element_and_come_back_whole(void **state)
{
    (void)state;
    char path[1024];
    outside_path("r4/examples.tar.zst", path);
    struct buf tar;
    struct arena arena;
    struct totals totals = { .name = "" };
    buf_init(&tar, ARENA_BYTES);
    arena_init(&arena, ARENA_BYTES);
    assert_int_equal(os_file_unpack(path, &tar), ERR_NONE);
    for (size_t at = 0; at + 512 <= tar.length && tar.bytes[at];) {
        const char *header = tar.bytes + at;
        size_t size = tar_size(header);
        struct slice file = slice_of(header, strnlen(header, 100));
        if (header[156] == '0' && slice_ends_with(file, SLICE(".json"))) {
            struct json_doc doc;
            struct json_error error;
            struct arena_mark mark = arena_mark(&arena);
            totals.name = arena_copy(&arena, file);
            assert_int_equal(json_parse(slice_of(header + 512, size), NULL, &arena, &doc, &error),
                             ERR_NONE);
            check_resource(json_root(&doc), &arena, &totals);
            arena_rewind(&arena, mark);
        }
        at += 512 + (size + 511) / 512 * 512;
    }
    print_message("%zu resources, %zu elements\n", totals.resources, totals.elements);
    assert_int_equal(totals.resources, 489);
    assert_int_equal(totals.unknown, 0);
    arena_release(&arena);
    buf_release(&tar);
}

static void deliveries_come_back_whole_and_have_one_unknown_member(void **state)
{
    (void)state;
    static const char *const files[] = { "flexpa/user-a/blue-button/everything-1.json.zst",
                                         "flexpa/user-b/two-patients/everything-1.json.zst" };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        char path[1024];
        outside_path(files[i], path);
        struct buf text;
        struct arena arena;
        struct json_doc doc;
        struct json_error error;
        struct totals totals = { .name = files[i] };
        buf_init(&text, ARENA_BYTES);
        arena_init(&arena, ARENA_BYTES);
        assert_int_equal(os_file_unpack(path, &text), ERR_NONE);
        assert_int_equal(json_parse(buf_slice(&text), NULL, &arena, &doc, &error), ERR_NONE);
        struct json entries = json_member(json_root(&doc), "entry");
        struct arena_mark mark = arena_mark(&arena);
        for (struct json e = json_first(entries); json_exists(e); e = json_next(entries, e)) {
            struct json resource = json_member(e, "resource");
            if (json_exists(json_member(resource, "id")))
                check_resource(resource, &arena, &totals);
            arena_rewind(&arena, mark);
        }
        print_message("%zu resources, %zu elements\n", totals.resources, totals.elements);
        assert_true(totals.resources > 10);
        arena_release(&arena);
        buf_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_official_examples_have_no_unknown_element_and_come_back_whole),
        cmocka_unit_test(deliveries_come_back_whole_and_have_one_unknown_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
