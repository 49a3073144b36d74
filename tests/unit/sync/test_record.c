/* The recorded deliveries through scan, transform, member and split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json/json.h"
#include "os/unpack.h"
#include "outside.h"
#include "sync/bundle.h"
#include "sync/scan.h"
#include "sync/split.h"
#include "sync/support.h"

enum { SEED = 3 };

static void spool_file(const char *name, struct spool *s)
{
    struct buf text;
    char path[1024];
    outside_path(name, path);
    buf_init(&text, (size_t)100 << 20);
    assert_int_equal(os_file_unpack(path, &text), ERR_NONE);
    spool_init(s, UINT64_MAX);
    assert_int_equal(spool_open(s), ERR_NONE);
    assert_int_equal(spool_append(s, buf_slice(&text)), ERR_NONE);
    assert_int_equal(spool_flush(s), ERR_NONE);
    buf_release(&text);
}

/* The source's resource as text, without the member that R4 does not know. */
static void expect_same_but_project(struct transform *t, struct slice entry)
{
    struct arena arena;
    struct json_doc doc;
    struct buf text;
    static const struct slice PROJECT = SLICE_INIT(",\"project\":\"");
    arena_init(&arena, (size_t)64 << 20);
    buf_init(&text, (size_t)64 << 20);
    assert_int_equal(json_parse(entry, NULL, &arena, &doc, NULL), ERR_NONE);
    json_minify(json_member(json_root(&doc), "resource"), &text);
    struct slice all = buf_slice(&text), sent = buf_slice(&t->text);
    ptrdiff_t at = slice_find(all, PROJECT);
    assert_true(at > 0);
    struct slice rest = slice_from(all, (size_t)at + PROJECT.length);
    rest = slice_from(rest, (size_t)slice_find_byte(rest, '"') + 1);
    assert_true(slice_equal(slice_head(all, (size_t)at), slice_head(sent, (size_t)at)));
    assert_true(slice_equal(rest, slice_from(sent, (size_t)at)));
    buf_release(&text);
    arena_release(&arena);
}

static void take(const char *name, struct member *m)
{
    struct spool spool;
    struct scan scan;
    struct transform t;
    struct slice entry;
    enum member_added added;
    spool_file(name, &spool);
    scan_init(&scan, spool.fd, spool.bytes);
    transform_init(&t, SEED);
    member_init(m, SEED);
    assert_int_equal(member_open(m), ERR_NONE);
    for (;;) {
        assert_int_equal(scan_next(&scan, &entry), ERR_NONE);
        if (!entry.bytes)
            break;
        assert_int_equal(transform_entry(&t, entry), ERR_NONE);
        assert_int_equal(t.verdict, TRANSFORM_RESOURCE);
        expect_same_but_project(&t, entry);
        assert_int_equal(member_add(m, &t, &added), ERR_NONE);
        assert_int_equal(added, MEMBER_NEW);
    }
    assert_int_equal(member_resolve(m), ERR_NONE);
    transform_release(&t);
    scan_release(&scan);
    spool_close(&spool);
}

/* Bundles within the limits; what is referred to stands in the same or before. */
static void expect_split(const struct member *m, struct split_limits limits)
{
    struct split s;
    struct split_bundle b;
    split_init(&s);
    assert_int_equal(split_order(&s, m), ERR_NONE);
    uint32_t *bundle_of = calloc(member_count(m), sizeof *bundle_of);
    for (uint32_t number = 1; (b = split_next(&s, m, &limits)).count; number++) {
        struct bundle_writer w;
        bundle_writer_init(&w, m, split_rows(&s) + b.first, b.count, false);
        assert_true(limits.bytes == 0 || bundle_writer_bytes(&w) <= limits.bytes);
        assert_true(limits.entries == 0 || b.count <= limits.entries);
        for (uint32_t i = 0; i < b.count; i++)
            bundle_of[split_rows(&s)[b.first + i]] = number;
    }
    assert_int_equal(s.cut_circles, 0);
    for (size_t i = 0; i < member_count(m); i++) {
        const struct member_row *row = member_row(m, i);
        assert_true(bundle_of[i] > 0);
        for (uint32_t e = 0; e < row->edge_count; e++)
            assert_true(bundle_of[member_edges(m, row)[e]] <= bundle_of[i]);
    }
    free(bundle_of);
    split_release(&s);
}

static void expect_delivery(const char *name, size_t resources)
{
    struct member m;
    take(name, &m);
    assert_int_equal(member_count(&m), resources);
    expect_split(&m, (struct split_limits){ 100, 15 << 20 });
    expect_split(&m, (struct split_limits){ 500, 1 << 20 });
    expect_split(&m, (struct split_limits){ 0, 0 });
    size_t each = member_memory_bytes(&m) / resources;
    print_message("%s: %zu bytes of memory a resource\n", name, each);
    if (resources > 100)
        assert_true(each <= 128);
    member_close(&m);
}

static void a_changed_insurer_and_a_medicare_plan(void **state)
{
    (void)state;
    expect_delivery("flexpa/user-a/former-private-plan/everything-1.json.zst", 210);
    expect_delivery("flexpa/user-a/current-medicare-plan/everything-1.json.zst", 680);
    expect_delivery("flexpa/user-a/current-medicare-plan/everything-2.json.zst", 760);
}

static void contained_resources_and_two_patients(void **state)
{
    (void)state;
    expect_delivery("flexpa/user-a/blue-button/everything-1.json.zst", 13);
    expect_delivery("flexpa/user-b/two-patients/everything-1.json.zst", 282);
    expect_delivery("flexpa/user-b/claims-and-clinical/everything-2.json.zst", 438);
}

static void the_member_over_15_mb_takes_128_bytes_a_resource(void **state)
{
    (void)state;
    expect_delivery("flexpa/user-b/over-15-mb/everything-1.json.zst", 6240);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_insurer_and_a_medicare_plan),
        cmocka_unit_test(contained_resources_and_two_patients),
        cmocka_unit_test(the_member_over_15_mb_takes_128_bytes_a_resource),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
