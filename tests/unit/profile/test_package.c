/* Packages on disk: added, listed, preferred, removed; archives that mean harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "os/file.h"
#include "profile/archive.h"
#include "profile/package.h"

enum { ROOM = 256 << 20 };

struct world {
    char folder[64];
    struct arena arena;
    struct issues issues;
    char seen[1000]; /* "name@version(definitions) " of each that is not built in */
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    snprintf(w->folder, sizeof w->folder, "/tmp/tarn-package-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    arena_init(&w->arena, ROOM);
    issues_init(&w->issues, &w->arena);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    assert_int_equal(os_folder_remove(w->folder), ERR_NONE);
    arena_release(&w->arena);
    free(w);
    return 0;
}

/* ---- archives ---- */

static void tar_add(struct buf *tar, const char *name, struct slice content)
{
    char block[512] = { 0 };
    snprintf(block, 100, "%s", name);
    snprintf(block + 124, 12, "%011zo", content.length);
    block[156] = '0';
    memcpy(block + 257, "ustar", 5);
    buf_append(tar, slice_of(block, sizeof block));
    buf_append(tar, content);
    memset(block, 0, sizeof block);
    buf_append(tar, slice_of(block, (512 - content.length % 512) % 512));
}

static void gzip(struct slice bytes, struct buf *out)
{
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)bytes.bytes,
                        .avail_in = (uInt)bytes.length };
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = bytes.length + 1000;
    char *place = buf_reserve(out, room);
    stream.next_out = (Bytef *)place;
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    buf_extend(out, room - stream.avail_out);
    deflateEnd(&stream);
}

#define DEFINITION(version, min)                                                                   \
    "{\"resourceType\":\"StructureDefinition\",\"url\":\"http://p/one\",\"version\":\"" version    \
    "\",\"type\":\"Patient\",\"baseDefinition\":\"http://hl7.org/fhir/StructureDefinition/"        \
    "Patient\",\"differential\":{\"element\":[{\"path\":\"Patient.name\",\"min\":" min "}]}}"
#define MANIFEST(version)                                                                          \
    "{\"name\":\"p.test\",\"version\":\"" version "\",\"dependencies\":{\"q\":\"2.0.0\"}}"

static void make_package(const char *manifest, const char *definition, struct buf *out)
{
    struct buf tar;
    buf_init(&tar, ROOM);
    tar_add(&tar, "package/../../../etc/evil.json", SLICE("{\"never\":\"written\"}"));
    tar_add(&tar, "package/package.json", slice_cstr(manifest));
    tar_add(&tar, "package/StructureDefinition-one.json", slice_cstr(definition));
    tar_add(&tar, "package/example/Patient-x.json", SLICE("{\"resourceType\":\"Patient\"}"));
    tar_add(&tar, "package/ValueSet-v.json",
            SLICE("{\"resourceType\":\"ValueSet\",\"url\":\"http://p/v\",\"version\":\"7\","
                  "\"description\":\"long\",\"compose\":{\"include\":[{\"system\":\"s\"}]}}"));
    buf_init(out, ROOM);
    gzip(buf_slice(&tar), out);
    buf_release(&tar);
}

static void keep(struct world *w, const char *manifest, const char *definition)
{
    struct buf bytes;
    struct profile_source source;
    make_package(manifest, definition, &bytes);
    assert_int_equal(profile_package_read(buf_slice(&bytes), &w->arena, &w->issues, &source),
                     ERR_NONE);
    assert_int_equal(source.dependency_count, 1);
    assert_int_equal(source.resource_count, 2);
    assert_int_equal(profile_package_keep(w->folder, &source, &w->arena, &w->issues), ERR_NONE);
    assert_int_equal(w->issues.count, 0);
    buf_release(&bytes);
}

static void note(void *context, const struct profile_package *p)
{
    struct world *w = context;
    size_t at = strlen(w->seen);
    if (!p->is_built_in)
        snprintf(w->seen + at, sizeof w->seen - at, "%.*s@%.*s(%zu,%zu)%s ", SLICE_ARGS(p->name),
                 SLICE_ARGS(p->version), p->definitions, p->value_sets, p->is_default ? "*" : "");
}

static struct profile_set *open_set(struct world *w)
{
    struct profile_set *set;
    uint32_t damaged;
    assert_int_equal(profile_set_open(w->folder, &set, &damaged), ERR_NONE);
    assert_int_equal(damaged, 0);
    w->seen[0] = '\0';
    profile_packages(set, note, w);
    return set;
}

static void packages_are_kept_and_read_back(void **state)
{
    struct world *w = *state;
    struct profile_info info;
    keep(w, MANIFEST("1.0.0"), DEFINITION("1", "1"));
    struct profile_set *set = open_set(w);
    assert_string_equal(w->seen, "p.test@1.0.0(1,1) ");
    assert_true(profile_find(set, SLICE("http://p/one|1"), &info));
    assert_true(slice_is(info.package, "p.test"));
    assert_false(profile_find(set, SLICE("http://p/one|2"), &info));
    /* What only people read is not kept. */
    struct slice text = profile_resource(set, PROFILE_VALUE_SET, SLICE("http://p/v"), SLICE_NONE);
    assert_true(slice_find(text, SLICE("compose")) > 0);
    assert_true(slice_find(text, SLICE("long")) < 0);
    assert_null(profile_resource(set, PROFILE_VALUE_SET, SLICE("http://p/v"), SLICE("8")).bytes);
    /* R4's own are always there. */
    assert_true(profile_find(set, SLICE("http://hl7.org/fhir/StructureDefinition/vitalsigns|4.0.1"),
                             &info));
    profile_set_unref(set);
}

static void the_default_version_is_the_highest_or_the_preferred(void **state)
{
    struct world *w = *state;
    struct profile_info info;
    keep(w, MANIFEST("1.0.0"), DEFINITION("1.9", "1"));
    keep(w, MANIFEST("1.10.0"), DEFINITION("1.10", "1"));
    struct profile_set *set = open_set(w);
    assert_true(profile_find(set, SLICE("http://p/one"), &info));
    assert_true(slice_is(info.version, "1.10"));
    profile_set_unref(set);
    assert_int_equal(profile_package_prefer(w->folder, SLICE("p.test@1.0.0")), ERR_NONE);
    set = open_set(w);
    assert_true(profile_find(set, SLICE("http://p/one"), &info));
    assert_true(slice_is(info.version, "1.9"));
    assert_non_null(strstr(w->seen, "p.test@1.0.0(1,1)*"));
    profile_set_unref(set);
    assert_int_equal(profile_package_prefer(w->folder, SLICE("p.test@9")), ERR_NOT_FOUND);
}

static void a_home_sees_what_was_added_and_removed(void **state)
{
    struct world *w = *state;
    struct profile_home *home;
    struct profile_info info;
    bool changed;
    assert_int_equal(profile_home_open(w->folder, &home, NULL), ERR_NONE);
    struct profile_set *before = profile_home_set(home, &changed);
    assert_false(changed);
    keep(w, MANIFEST("1.0.0"), DEFINITION("1", "1"));
    struct timespec pause = { .tv_sec = 1, .tv_nsec = 50 * 1000 * 1000 };
    nanosleep(&pause, NULL);
    struct profile_set *after = profile_home_set(home, &changed);
    assert_true(changed);
    assert_true(profile_find(after, SLICE("http://p/one"), &info));
    /* Who holds the old one goes on with it. */
    assert_false(profile_find(before, SLICE("http://p/one"), &info));
    assert_int_equal(profile_package_remove(w->folder, SLICE("p.test@1.0.0")), ERR_NONE);
    assert_int_equal(profile_package_remove(w->folder, SLICE("p.test@1.0.0")), ERR_NOT_FOUND);
    profile_set_unref(before);
    profile_set_unref(after);
    profile_home_close(home);
}

static void names_that_are_paths_are_refused(void **state)
{
    struct world *w = *state;
    static const char *const manifests[] = {
        "{\"name\":\"../x\",\"version\":\"1\"}", "{\"name\":\"x\",\"version\":\"../../1\"}",
        "{\"name\":\".x\",\"version\":\"1\"}",   "{\"name\":\"x/y\",\"version\":\"1\"}",
        "{\"name\":\"\",\"version\":\"1\"}",     "{\"version\":\"1\"}",
        "{\"name\":\"x\\u0000\",\"version\":1}", "nothing",
    };
    for (size_t i = 0; i < sizeof manifests / sizeof manifests[0]; i++) {
        struct buf bytes;
        struct profile_source source = { .name = SLICE_NONE };
        make_package(manifests[i], DEFINITION("1", "1"), &bytes);
        assert_int_equal(profile_package_read(buf_slice(&bytes), &w->arena, &w->issues, &source),
                         ERR_INVALID);
        buf_release(&bytes);
    }
    assert_int_equal(profile_package_remove(w->folder, SLICE("../x@1")), ERR_INVALID);
    assert_int_equal(profile_package_remove(w->folder, SLICE("x")), ERR_INVALID);
}

static void a_small_file_cannot_fill_the_memory(void **state)
{
    (void)state;
    struct buf zeros, bomb, out;
    buf_init(&zeros, ROOM);
    buf_init(&bomb, ROOM);
    buf_init(&out, 1 << 20);
    memset(buf_extend(&zeros, 8 << 20), 0, 8 << 20);
    gzip(buf_slice(&zeros), &bomb);
    assert_true(bomb.length < 20000);
    assert_int_equal(gzip_unpack(buf_slice(&bomb), &out), ERR_LIMIT);
    buf_release(&out);
    buf_init(&out, ROOM);
    assert_int_equal(gzip_unpack(slice_head(buf_slice(&bomb), bomb.length / 2), &out), ERR_CORRUPT);
    buf_release(&zeros);
    buf_release(&bomb);
    buf_release(&out);
}

static enum err ignore(void *context, struct slice name, struct slice content)
{
    (void)context;
    (void)name;
    (void)content;
    return ERR_NONE;
}

static void an_archive_that_is_cut_is_damaged(void **state)
{
    (void)state;
    struct buf tar;
    buf_init(&tar, ROOM);
    tar_add(&tar, "package/a.json", SLICE("{}"));
    memcpy(tar.bytes + 124, "77777777777", 11);
    assert_int_equal(archive_each(buf_slice(&tar), ignore, NULL), ERR_CORRUPT);
    memcpy(tar.bytes + 124, "not-a-octal", 11);
    assert_int_equal(archive_each(buf_slice(&tar), ignore, NULL), ERR_CORRUPT);
    buf_release(&tar);
}

static void a_damaged_image_is_left_out(void **state)
{
    struct world *w = *state;
    char path[200];
    struct buf image;
    struct profile_set *set;
    uint32_t damaged;
    keep(w, MANIFEST("1.0.0"), DEFINITION("1", "1"));
    snprintf(path, sizeof path, "%s/p.test@1.0.0/profiles", w->folder);
    buf_init(&image, ROOM);
    assert_int_equal(os_file_read(path, &image), ERR_NONE);
    for (size_t at = 0; at < image.length; at += 97) {
        struct buf copy;
        buf_init(&copy, ROOM);
        buf_append(&copy, buf_slice(&image));
        copy.bytes[at] = (char)(copy.bytes[at] ^ 1);
        assert_int_equal(os_file_replace(path, buf_slice(&copy), 0600), ERR_NONE);
        assert_int_equal(profile_set_open(w->folder, &set, &damaged), ERR_NONE);
        /* The texts of resources have sums of their own. */
        struct slice url = SLICE("http://p/v");
        struct slice text = profile_resource(set, PROFILE_VALUE_SET, url, SLICE_NONE);
        assert_true(damaged == 1 || !text.bytes || slice_find(text, SLICE("http://p/v")) > 0);
        profile_set_unref(set);
        buf_release(&copy);
    }
    assert_int_equal(os_file_replace(path, slice_head(buf_slice(&image), image.length / 2), 0600),
                     ERR_NONE);
    assert_int_equal(profile_set_open(w->folder, &set, &damaged), ERR_NONE);
    assert_int_equal(damaged, 1);
    profile_set_unref(set);
    buf_release(&image);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(packages_are_kept_and_read_back),
        TEST(the_default_version_is_the_highest_or_the_preferred),
        TEST(a_home_sees_what_was_added_and_removed),
        TEST(names_that_are_paths_are_refused),
        TEST(a_small_file_cannot_fill_the_memory),
        TEST(an_archive_that_is_cut_is_damaged),
        TEST(a_damaged_image_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
