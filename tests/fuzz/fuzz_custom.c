/* A definition of a search parameter and, behind a NUL byte, a resource: no crash, no
 * value above its ceiling, and the same values again. */
#include "base/check.h"
#include "index/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool parse(struct slice text, struct arena *arena, struct json_doc *ret)
{
    return json_parse(text, NULL, arena, ret, NULL) == ERR_NONE;
}

static const struct index_basis BASIS = { .base_url = SLICE_INIT("http://h/r4") };

static void extract(struct json resource, const struct fhir_type *type,
                    const struct custom_set *set, struct arena *arena)
{
    struct extraction first, second;
    if (index_extract(resource, type, BASIS, set, arena, &first) ||
        index_extract(resource, type, BASIS, set, arena, &second))
        return;
    CHECK(first.term_count == second.term_count);
    for (size_t i = 0; i < first.term_count; i++) {
        CHECK(first.terms[i].value.length <= TERM_VALUE_BYTES_MAX);
        CHECK(first.terms[i].field == second.terms[i].field);
        CHECK(slice_equal(first.terms[i].value, second.terms[i].value));
    }
}

static void run(struct slice definition, struct slice resource, struct arena *arena)
{
    struct json_doc definition_doc, doc;
    struct custom_fault fault;
    struct custom_param *p = NULL;
    uint8_t parts[CUSTOM_COMPONENTS_MAX];
    if (!parse(definition, arena, &definition_doc) || !parse(resource, arena, &doc))
        return;
    const struct fhir_type *type =
        fhir_resource_find(json_string(json_member(json_root(&doc), "resourceType"), arena));
    if (!type || custom_param_read(json_root(&definition_doc), arena, &fault, &p))
        return;
    for (size_t i = 0; i < CUSTOM_COMPONENTS_MAX; i++)
        parts[i] = (uint8_t)(definition.length % (1 + i + FHIR_PARAM_COMPOSITE));
    custom_param_settle(p, CUSTOM_FIRST, parts);
    (void)custom_is_builtin(p, type);
    const struct custom_row row = { p, &type->resource, 1 };
    struct custom_set *set = custom_set_make(&row, 1, 1);
    custom_param_unref(p);
    if (set)
        extract(json_root(&doc), type, set, arena);
    custom_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct slice rest = slice_of((const char *)data, size);
    struct slice definition = slice_cut(&rest, '\0');
    arena_init(&arena, (size_t)256 << 20);
    if (rest.bytes)
        run(definition, rest, &arena);
    arena_release(&arena);
    return 0;
}
