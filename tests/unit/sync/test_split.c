#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "sync/bundle.h"
#include "sync/split.h"
#include "support.h"

enum { SEED = 7 };

static enum member_added add(struct member *m, const char *resource)
{
    struct transform t;
    enum member_added added = MEMBER_NEW;
    transform_init(&t, SEED);
    assert_int_equal(transform_resource(&t, slice_cstr(resource)), ERR_NONE);
    assert_int_equal(t.verdict, TRANSFORM_RESOURCE);
    assert_int_equal(member_add(m, &t, &added), ERR_NONE);
    transform_release(&t);
    return added;
}

/* "Type/id" that refers to others, given as "Type/id Type/id". */
static void add_node(struct member *m, const char *name, const char *references)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    struct slice id = slice_cstr(name);
    struct slice type = slice_cut(&id, '/');
    buf_printf(&text, "{\"resourceType\":\"%.*s\",\"id\":\"%.*s\",\"x\":[", SLICE_ARGS(type),
               SLICE_ARGS(id));
    struct slice rest = slice_cstr(references);
    for (bool first = true; rest.length; first = false) {
        struct slice reference = slice_cut(&rest, ' ');
        buf_printf(&text, "%s{\"reference\":\"%.*s\"}", first ? "" : ",",
                   SLICE_ARGS(reference));
    }
    buf_append_cstr(&text, "]}");
    buf_append_byte(&text, '\0');
    add(m, text.bytes);
    buf_release(&text);
}

static void member_begin(struct member *m)
{
    member_init(m, SEED);
    assert_int_equal(member_open(m), ERR_NONE);
}

/* Bundles as "Type/id Type/id | Type/id". */
static void expect_order(struct member *m, struct split_limits limits, const char *wanted)
{
    struct split s;
    struct split_bundle bundle;
    struct buf got;
    char name[MEMBER_NAME_BYTES];
    buf_init(&got, 1 << 20);
    split_init(&s);
    assert_int_equal(split_order(&s, m), ERR_NONE);
    while ((bundle = split_next(&s, m, &limits)).count) {
        buf_append_cstr(&got, got.length ? " | " : "");
        for (uint32_t i = 0; i < bundle.count; i++) {
            buf_append_cstr(&got, i ? " " : "");
            buf_append(&got,
                       member_name(m, member_row(m, split_rows(&s)[bundle.first + i]), name));
        }
    }
    assert_slice(buf_slice(&got), wanted);
    split_release(&s);
    buf_release(&got);
}

static void whoever_is_referred_to_goes_first(void **state)
{
    (void)state;
    struct member m;
    member_begin(&m);
    add_node(&m, "Provenance/p", "ExplanationOfBenefit/e Patient/a");
    add_node(&m, "ExplanationOfBenefit/e", "Coverage/c Patient/a Encounter/n");
    add_node(&m, "Encounter/n", "Patient/a Practitioner/d");
    add_node(&m, "Coverage/c", "Patient/a Organization/o");
    add_node(&m, "Patient/a", "Practitioner/d Organization/absent");
    add_node(&m, "Practitioner/d", "");
    add_node(&m, "Organization/o", "Organization/parent");
    add_node(&m, "Organization/parent", "");
    assert_int_equal(member_resolve(&m), ERR_NONE);
    expect_order(&m, (struct split_limits){ 0, 0 },
                 "Organization/parent Practitioner/d Organization/o Patient/a Coverage/c "
                 "Encounter/n ExplanationOfBenefit/e Provenance/p");
    member_close(&m);
}

static void circles_stay_together_and_open_a_new_bundle(void **state)
{
    (void)state;
    struct member m;
    member_begin(&m);
    add_node(&m, "Condition/1", "Encounter/1");
    add_node(&m, "Condition/2", "Encounter/2");
    add_node(&m, "Encounter/1", "Condition/1 Patient/a");
    add_node(&m, "Encounter/2", "Condition/2 Patient/a");
    add_node(&m, "Patient/a", "");
    assert_int_equal(member_resolve(&m), ERR_NONE);
    expect_order(&m, (struct split_limits){ 2, 0 },
                 "Patient/a | Condition/1 Encounter/1 | Condition/2 Encounter/2");
    member_close(&m);
}

static void a_circle_that_fits_nowhere_is_cut_and_counted(void **state)
{
    (void)state;
    struct member m;
    member_begin(&m);
    add_node(&m, "Basic/1", "Basic/2");
    add_node(&m, "Basic/2", "Basic/3");
    add_node(&m, "Basic/3", "Basic/1");
    assert_int_equal(member_resolve(&m), ERR_NONE);
    struct split s;
    struct split_limits limits = { 2, 0 };
    split_init(&s);
    assert_int_equal(split_order(&s, &m), ERR_NONE);
    assert_int_equal(split_next(&s, &m, &limits).count, 2);
    assert_int_equal(split_next(&s, &m, &limits).count, 1);
    assert_int_equal(split_next(&s, &m, &limits).count, 0);
    assert_int_equal(s.cut_circles, 1);
    split_release(&s);
    member_close(&m);
}

static void bytes_limit_a_bundle_exactly(void **state)
{
    (void)state;
    struct member m;
    member_begin(&m);
    add_node(&m, "Basic/1", "");
    add_node(&m, "Basic/2", "");
    add_node(&m, "Basic/3", "");
    assert_int_equal(member_resolve(&m), ERR_NONE);
    uint64_t entry = bundle_entry_bytes(&m, member_row(&m, 0));
    uint64_t frame = bundle_frame_bytes();
    expect_order(&m, (struct split_limits){ 0, frame + 2 * entry }, "Basic/1 Basic/2 | Basic/3");
    expect_order(&m, (struct split_limits){ 0, frame + 2 * entry - 1 },
                 "Basic/1 | Basic/2 | Basic/3");
    expect_order(&m, (struct split_limits){ 0, 1 }, "Basic/1 | Basic/2 | Basic/3");
    member_close(&m);
}

/* A pseudo-random graph: every reference that is not inside a circle points back. */
static void references_of_any_graph_point_backwards(void **state)
{
    (void)state;
    static const char *const types[] = { "Basic", "Patient", "Coverage", "Encounter", "List" };
    enum { NODES = 300 };
    uint32_t random = 1;
    struct member m;
    member_begin(&m);
    for (int i = 0; i < NODES; i++) {
        char name[40], references[200] = "";
        snprintf(name, sizeof name, "%s/%d", types[i % 5], i);
        for (int e = 0; e < 2; e++) {
            random = random * 1664525u + 1013904223u;
            int to = (int)((random >> 8) % NODES);
            if (to < i || random % 31 == 0)
                snprintf(references + strlen(references), 40, "%s%s/%d", e ? " " : "",
                         types[to % 5], to);
        }
        add_node(&m, name, references[0] == ' ' ? references + 1 : references);
    }
    assert_int_equal(member_resolve(&m), ERR_NONE);
    struct split s;
    split_init(&s);
    assert_int_equal(split_order(&s, &m), ERR_NONE);
    uint32_t place[NODES], group[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        place[split_rows(&s)[i]] = i;
        group[split_rows(&s)[i]] = ((uint32_t *)(void *)s.groups.bytes)[i];
    }
    for (uint32_t i = 0; i < NODES; i++) {
        const struct member_row *row = member_row(&m, i);
        for (uint32_t e = 0; e < row->edge_count; e++) {
            uint32_t to = member_edges(&m, row)[e];
            assert_true(group[i] == group[to] || place[to] < place[i]);
        }
    }
    split_release(&s);
    member_close(&m);
}

static void a_chain_as_long_as_the_member_does_not_overflow_the_stack(void **state)
{
    (void)state;
    enum { NODES = 50000 };
    struct member m;
    member_begin(&m);
    for (int i = 0; i < NODES; i++) {
        char name[40], reference[40];
        snprintf(name, sizeof name, "Basic/%d", i);
        snprintf(reference, sizeof reference, "Basic/%d", i + 1);
        add_node(&m, name, reference);
    }
    assert_int_equal(member_resolve(&m), ERR_NONE);
    struct split s;
    split_init(&s);
    assert_int_equal(split_order(&s, &m), ERR_NONE);
    assert_int_equal(split_rows(&s)[0], NODES - 1);
    assert_int_equal(split_rows(&s)[NODES - 1], 0);
    split_release(&s);
    member_close(&m);
}

static void a_repeat_with_a_newer_date_wins_once(void **state)
{
    (void)state;
    struct member m;
    member_begin(&m);
    assert_int_equal(add(&m, "{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"lastUpdated\":"
                             "\"2020-01-01T00:00:00Z\"},\"a\":1}"),
                     MEMBER_NEW);
    assert_int_equal(add(&m, "{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"lastUpdated\":"
                             "\"2019-01-01T00:00:00Z\"},\"a\":2}"),
                     MEMBER_OLDER);
    assert_int_equal(add(&m, "{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"lastUpdated\":"
                             "\"2020-01-01T00:00:00Z\"},\"a\":1}"),
                     MEMBER_SAME);
    assert_int_equal(add(&m, "{\"resourceType\":\"Basic\",\"id\":\"1\",\"meta\":{\"lastUpdated\":"
                             "\"2020-01-01T00:00:01Z\"},\"a\":3}"),
                     MEMBER_REPLACED);
    assert_int_equal(member_resolve(&m), ERR_NONE);
    assert_int_equal(member_count(&m), 1);
    char text[200];
    const struct member_row *row = member_row(&m, 0);
    assert_int_equal(spool_read(&m.spool, row->offset, text, row->length), ERR_NONE);
    assert_non_null(strstr(text, "\"a\":3"));
    assert_null(member_find(&m, SLICE("Patient"), SLICE("1")));
    assert_non_null(member_find(&m, SLICE("Basic"), SLICE("1")));
    member_close(&m);
}

static void a_bundle_is_written_as_long_as_it_said_in_pieces_of_any_size(void **state)
{
    (void)state;
    struct member m;
    member_begin(&m);
    add_node(&m, "Basic/1", "Basic/2");
    add_node(&m, "Basic/2", "");
    assert_int_equal(member_resolve(&m), ERR_NONE);
    const uint32_t rows[] = { 1, 0 };
    const char *wanted =
        "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":["
        "{\"resource\":{\"resourceType\":\"Basic\",\"id\":\"2\",\"x\":[]},"
        "\"request\":{\"method\":\"PUT\",\"url\":\"Basic/2\"}},"
        "{\"resource\":{\"resourceType\":\"Basic\",\"id\":\"1\",\"x\":[{\"reference\":\"Basic/2"
        "\"}]},"
        "\"request\":{\"method\":\"PUT\",\"url\":\"Basic/1\"}}]}";
    for (size_t room = 1; room < 500; room += room < 10 ? 1 : 97) {
        struct bundle_writer w;
        struct buf got;
        char piece[512];
        size_t length;
        bundle_writer_init(&w, &m, rows, 2, true);
        buf_init(&got, 1 << 16);
        uint64_t bytes = bundle_writer_bytes(&w);
        do {
            assert_int_equal(bundle_writer_next(&w, piece, room, &length), ERR_NONE);
            buf_append(&got, slice_of(piece, length));
        } while (length);
        assert_slice(buf_slice(&got), wanted);
        assert_int_equal(bytes, got.length);
        buf_release(&got);
    }
    struct bundle_writer w;
    bundle_writer_init(&w, &m, rows, 2, false);
    uint64_t said = bundle_frame_bytes() + bundle_entry_bytes(&m, member_row(&m, 0)) +
                    bundle_entry_bytes(&m, member_row(&m, 1));
    assert_int_equal(said, bundle_writer_bytes(&w) + 1);
    member_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_referred_to_goes_first),
        cmocka_unit_test(circles_stay_together_and_open_a_new_bundle),
        cmocka_unit_test(a_circle_that_fits_nowhere_is_cut_and_counted),
        cmocka_unit_test(bytes_limit_a_bundle_exactly),
        cmocka_unit_test(references_of_any_graph_point_backwards),
        cmocka_unit_test(a_chain_as_long_as_the_member_does_not_overflow_the_stack),
        cmocka_unit_test(a_repeat_with_a_newer_date_wins_once),
        cmocka_unit_test(a_bundle_is_written_as_long_as_it_said_in_pieces_of_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
