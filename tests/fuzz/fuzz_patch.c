/* Whatever the bytes: a target and a patch, parted by a NUL, give JSON or an
 * error, within bounds; an empty patch changes nothing. */
#include "base/check.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1 << 20 };

static void patch_both(struct json target, struct json patch, struct arena *arena)
{
    struct buf out;
    struct json_doc doc;
    struct json_limits limits = { .depth = JSON_DEPTH_MAX };
    struct json_patch_error error = { 0 };
    buf_init(&out, (size_t)16 << 20);
    enum err err = json_patch(target, patch, BYTES_MAX, arena, &out, &error);
    if (err)
        CHECK(error.text || err == ERR_NO_MEMORY || err == ERR_LIMIT);
    else if ((err = json_parse(buf_slice(&out), &limits, arena, &doc, NULL)))
        CHECK(err != ERR_SYNTAX);
    buf_clear(&out);
    if (!json_merge_patch(target, patch, arena, &out) &&
        (err = json_parse(buf_slice(&out), &limits, arena, &doc, NULL)))
        CHECK(err != ERR_SYNTAX);
    buf_release(&out);
}

static void patch_nothing(struct json target, struct arena *arena)
{
    struct buf out;
    struct json_doc empty, doc;
    buf_init(&out, (size_t)16 << 20);
    if (!json_parse(SLICE("[]"), NULL, arena, &empty, NULL) &&
        !json_patch(target, json_root(&empty), 0, arena, &out, NULL) &&
        !json_parse(buf_slice(&out), NULL, arena, &doc, NULL))
        CHECK(json_same(target, json_root(&doc), NULL, NULL));
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct json_doc target, patch;
    struct slice rest = slice_of((const char *)data, size);
    struct slice text = slice_cut(&rest, '\0');
    arena_init(&arena, (size_t)64 << 20);
    if (json_parse(text, NULL, &arena, &target, NULL) == ERR_NONE) {
        patch_nothing(json_root(&target), &arena);
        if (json_parse(rest, NULL, &arena, &patch, NULL) == ERR_NONE)
            patch_both(json_root(&target), json_root(&patch), &arena);
    }
    arena_release(&arena);
    return 0;
}
