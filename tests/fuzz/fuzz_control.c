/* Whatever the body: no crash, every refusal has its message, and a request that
 * passes is written in one spelling that passes and is written the same again. */
#include "base/check.h"
#include "control/shapes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice spell(const struct shape *shape, struct slice text, struct arena *arena)
{
    struct json_doc doc;
    struct json_limits limits = { .depth = 32 };
    struct slice said = SLICE_NONE;
    if (json_parse(text, &limits, arena, &doc, NULL))
        return SLICE_NONE;
    enum err err = shape_check(shape, json_root(&doc), arena, &said);
    CHECK((err == ERR_INVALID || err == ERR_SYNTAX) == (said.length > 0) || err == ERR_NO_MEMORY);
    CHECK(said.length < 10000);
    if (err)
        return SLICE_NONE;
    struct buf out;
    buf_init(&out, 8 << 20);
    CHECK(shape_write(shape, json_root(&doc), arena, &out) == ERR_NONE);
    char *copy = arena_copy(arena, buf_slice(&out));
    CHECK(copy);
    struct slice spelled = slice_of(copy, out.length);
    buf_release(&out);
    return spelled;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct shape *const shapes[] = {
        &shape_create_datastore, &shape_datastore_id, &shape_list_datastores,
        &shape_update_datastore, &shape_tag_resource, &shape_untag_resource,
        &shape_start_import,     &shape_start_export, &shape_list_jobs,
    };
    struct arena arena;
    arena_init(&arena, (size_t)256 << 20);
    for (size_t i = 0; i < ARRAY_COUNT(shapes); i++) {
        struct slice text = slice_of((const char *)data, size);
        struct slice once = spell(shapes[i], text, &arena);
        if (!once.bytes)
            continue;
        struct slice twice = spell(shapes[i], once, &arena);
        CHECK(twice.bytes && slice_equal(once, twice));
    }
    arena_release(&arena);
    return 0;
}
