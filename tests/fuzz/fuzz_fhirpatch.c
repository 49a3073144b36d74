/* Whatever the bytes: a resource and Parameters, parted by a NUL, give JSON or an
 * error with a text, within bounds; Parameters without operations change nothing. */
#include "base/check.h"
#include "fhir/fhir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 1 << 20 };

static enum err patch(struct json resource, struct json parameters, struct arena *arena,
                      struct json_doc *ret_doc)
{
    struct buf out;
    struct json_limits limits = { .depth = JSON_DEPTH_MAX };
    struct fhir_patch_error error = { 0, SLICE_NONE };
    struct slice name = json_string_raw(json_member(resource, "resourceType"));
    const struct fhir_type *type = fhir_resource_find(name);
    if (!type)
        return ERR_INVALID;
    buf_init(&out, (size_t)16 << 20);
    enum err err = fhir_patch(resource, type, parameters, BYTES_MAX, arena, &out, &error);
    if (err) {
        CHECK(error.text.length || err == ERR_NO_MEMORY);
    } else {
        char *copy = arena_copy(arena, buf_slice(&out));
        err = copy ? json_parse(slice_of(copy, out.length), &limits, arena, ret_doc, NULL)
                   : ERR_NO_MEMORY;
        CHECK(err != ERR_SYNTAX);
    }
    buf_release(&out);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct json_doc resource, parameters, none, result;
    struct slice rest = slice_of((const char *)data, size);
    struct slice text = slice_cut(&rest, '\0');
    arena_init(&arena, (size_t)64 << 20);
    if (json_parse(text, NULL, &arena, &resource, NULL) == ERR_NONE) {
        if (json_parse(SLICE("{\"resourceType\":\"Parameters\"}"), NULL, &arena, &none, NULL) ==
                ERR_NONE &&
            patch(json_root(&resource), json_root(&none), &arena, &result) == ERR_NONE)
            CHECK(json_same(json_root(&resource), json_root(&result), NULL, NULL));
        if (json_parse(rest, NULL, &arena, &parameters, NULL) == ERR_NONE &&
            patch(json_root(&resource), json_root(&parameters), &arena, &result) != ERR_NONE)
            result.count = 0;
    }
    arena_release(&arena);
    return 0;
}
