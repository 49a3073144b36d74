/* The compiled search expressions against the general engine, on the official
 * examples: two roads to the same elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fhir/fhir.h"
#include "os/unpack.h"
#include "outside.h"

enum { ARENA_BYTES = 1 << 30, SELECTED_MAX = 10000 };

struct engine {
    struct arena arena;            /* of the compiled expressions */
    const struct fhirpath **paths; /* by parameter id */
    size_t compared, selected;
};

struct selected {
    struct json list[SELECTED_MAX];
    size_t count;
};

static enum err select_item(void *context, struct fhir_item item)
{
    struct selected *s = context;
    assert_true(s->count < SELECTED_MAX);
    s->list[s->count++] = item.value;
    return ERR_NONE;
}

static const struct fhirpath *path_of(struct engine *engine, const struct fhir_param *param)
{
    struct fhirpath_error error = { .offset = 0 };
    if (engine->paths[param->id])
        return engine->paths[param->id];
    if (fhirpath_compile(param->expression, &engine->arena, &engine->paths[param->id], &error))
        fail_msg("%.*s: %.*s", SLICE_ARGS(param->expression), SLICE_ARGS(error.text));
    return engine->paths[param->id];
}

static bool has(const struct selected *s, struct json value)
{
    for (size_t i = 0; i < s->count; i++)
        if (json_same(s->list[i], value, NULL, NULL))
            return true;
    return false;
}

/* A union gives equal elements once, the compiled path each: so compared as sets. */
static void compare(const struct fhir_param *param, const struct selected *compiled,
                    const struct fhirpath_result *general, const char *name)
{
    struct selected other = { .count = 0 };
    for (size_t i = 0; i < general->count; i++) {
        const struct fhirpath_value *value = &general->values[i];
        if (value->kind == FHIRPATH_BOOLEAN) {
            assert_int_equal(compiled->count, 1);
            assert_true(slice_equal(json_raw(compiled->list[0]), value->text));
            return;
        }
        if (!json_exists(value->item.value))
            continue;
        assert_true(other.count < SELECTED_MAX);
        other.list[other.count++] = value->item.value;
        if (!has(compiled, value->item.value))
            fail_msg("%s: %.*s: only the general engine selects %.*s", name,
                     SLICE_ARGS(param->expression), SLICE_ARGS(json_raw(value->item.value)));
    }
    for (size_t i = 0; i < compiled->count; i++)
        if (!has(&other, compiled->list[i]))
            fail_msg("%s: %.*s: only the compiled path selects %.*s", name,
                     SLICE_ARGS(param->expression), SLICE_ARGS(json_raw(compiled->list[i])));
}

static void check(struct engine *engine, struct json resource, struct arena *arena,
                  const char *name)
{
    static const struct fhirpath_host host = { .as_filters = true };
    const struct fhir_type *type =
        fhir_resource_find(json_string(json_member(resource, "resourceType"), arena));
    struct fhir_item root = { .value = resource, .type = type };
    size_t count;
    const uint16_t *ids = fhir_params_of(type, &count);
    struct selected *compiled = arena_alloc(arena, sizeof *compiled);
    for (size_t i = 0; i < count; i++) {
        const struct fhir_param *param = fhir_param_at(ids[i]);
        struct fhirpath_error error = { .offset = 0 };
        struct fhirpath_result general;
        struct arena_mark mark = arena_mark(arena);
        if (!param->path)
            continue;
        compiled->count = 0;
        assert_int_equal(fhir_path_visit(param->path, root, select_item, compiled), ERR_NONE);
        if (fhirpath_evaluate(path_of(engine, param), root, &host, arena, &general, &error))
            fail_msg("%s: %.*s: %.*s", name, SLICE_ARGS(param->expression), SLICE_ARGS(error.text));
        compare(param, compiled, &general, name);
        engine->compared++;
        engine->selected += compiled->count;
        arena_rewind(arena, mark);
    }
}

/* A ustar header's size field. */
static size_t tar_size(const char *header)
{
    size_t size = 0;
    for (const char *at = header + 124; at < header + 136 && *at >= '0' && *at <= '7'; at++)
        size = size * 8 + (size_t)(*at - '0');
    return size;
}

static void both_engines_select_the_same_for_every_search_parameter(void **state)
{
    (void)state;
    char path[1024], name[101];
    struct buf tar;
    struct arena arena;
    struct engine engine = { .compared = 0 };
    outside_path("r4/examples.tar.zst", path);
    buf_init(&tar, ARENA_BYTES);
    arena_init(&arena, ARENA_BYTES);
    arena_init(&engine.arena, ARENA_BYTES);
    engine.paths = arena_array(&engine.arena, fhir_param_count(), sizeof *engine.paths);
    assert_int_equal(os_file_unpack(path, &tar), ERR_NONE);
    for (size_t at = 0; at + 512 <= tar.length && tar.bytes[at];) {
        const char *header = tar.bytes + at;
        size_t size = tar_size(header);
        snprintf(name, sizeof name, "%.100s", header);
        if (header[156] == '0' && slice_ends_with(slice_cstr(name), SLICE(".json"))) {
            struct json_doc doc;
            struct arena_mark mark = arena_mark(&arena);
            assert_int_equal(json_parse(slice_of(header + 512, size), NULL, &arena, &doc, NULL),
                             ERR_NONE);
            check(&engine, json_root(&doc), &arena, name);
            arena_rewind(&arena, mark);
        }
        at += 512 + (size + 511) / 512 * 512;
    }
    print_message("%zu expressions run, %zu elements\n", engine.compared, engine.selected);
    assert_true(engine.selected > 1000);
    arena_release(&engine.arena);
    arena_release(&arena);
    buf_release(&tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_engines_select_the_same_for_every_search_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
