/* Whatever the expression and the resource: compiling and evaluating end within
 * their budgets, and a value that comes back has the shape that it claims. The
 * input is the expression, a NUL, and a resource (else a small one is taken). */
#include "base/check.h"
#include "fhir/fhir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 32 << 20, STEPS = 20000 };

static const char patient[] =
    "{\"resourceType\":\"Patient\",\"id\":\"a\",\"active\":true,\"_active\":{\"id\":\"x\"},"
    "\"name\":[{\"family\":\"F\",\"given\":[\"G\",null],\"_given\":[null,{\"id\":\"y\"}]}],"
    "\"birthDate\":\"1974-12-25\",\"multipleBirthInteger\":2,\"contained\":[{\"resourceType\":"
    "\"Observation\",\"id\":\"o\",\"valueQuantity\":{\"value\":1.50,\"unit\":\"mg\",\"system\":"
    "\"http://unitsofmeasure.org\",\"code\":\"mg\"}}],\"managingOrganization\":{\"reference\":"
    "\"#o\"}}";

static void check_values(const struct fhirpath_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct fhirpath_value *value = &result->values[i];
        if (value->kind == FHIRPATH_ELEMENT)
            CHECK(value->item.type || json_exists(value->item.value) ||
                  json_exists(value->sibling));
        else
            CHECK(value->text.bytes || value->text.length == 0);
    }
}

static void evaluate(struct slice expression, struct json resource, struct arena *arena)
{
    const struct fhirpath *path;
    struct fhirpath_error error = { .offset = 0 };
    enum err err = fhirpath_compile(expression, arena, &path, &error);
    CHECK(err != ERR_SYNTAX || (error.text.bytes && error.offset <= expression.length));
    for (int round = 0; round < 4 && !err; round++) {
        struct fhirpath_host host = { .steps = STEPS, .as_filters = true };
        struct fhir_item root = { .value = resource };
        struct fhirpath_result result;
        host.is_strict = round == 2;
        if (round > 0)
            root.type = fhir_resource_find(SLICE("Patient"));
        enum err failed = fhirpath_evaluate(path, root, &host, arena, &result, &error);
        CHECK(failed == ERR_NONE || failed == ERR_INVALID || failed == ERR_LIMIT ||
              failed == ERR_NO_MEMORY);
        if (!failed)
            check_values(&result);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of((const char *)data, size);
    ptrdiff_t cut = slice_find_byte(all, '\0');
    struct slice expression = cut < 0 ? all : slice_head(all, (size_t)cut);
    struct arena arena;
    struct json_doc doc;
    arena_init(&arena, BYTES_MAX);
    enum err err = ERR_SYNTAX;
    if (cut >= 0)
        err = json_parse(slice_from(all, (size_t)cut + 1), NULL, &arena, &doc, NULL);
    if (err)
        err = json_parse(SLICE(patient), NULL, &arena, &doc, NULL);
    if (!err)
        evaluate(expression, json_root(&doc), &arena);
    arena_release(&arena);
    return 0;
}
