/* Whatever the resource: no crash, every value within its ceiling, every field
 * of the resource's type or marked as of a contained one, an appendix of whole lines. */
#include "base/check.h"
#include "index/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void terms_are_valid(const struct extraction *x, const struct fhir_type *type)
{
    CHECK(x->term_count > 0);
    for (size_t i = 0; i < x->term_count; i++) {
        struct term term = x->terms[i];
        CHECK(term.value.length <= TERM_VALUE_BYTES_MAX);
        CHECK(term.field == INDEX_FIELD_COMPARTMENT || term.field & INDEX_FIELD_CONTAINED ||
              term.field >> 16 == type->resource);
    }
}

static void appendix_is_valid(struct slice text)
{
    struct slice before = SLICE_NONE;
    while (text.length) {
        CHECK(slice_find_byte(text, '\n') > 0);
        struct slice line = slice_cut(&text, '\n');
        CHECK(slice_compare(before, line) < 0);
        struct fhir_reference r = fhir_reference_parse(line);
        CHECK(r.type && r.id.length && !r.base.length && !r.version.length);
        before = line;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    struct json_doc doc;
    struct json_error error;
    struct extraction x;
    struct slice text = slice_of((const char *)data, size);
    if (json_parse(text, NULL, &arena, &doc, &error) == ERR_NONE) {
        struct json root = json_root(&doc);
        const struct fhir_type *type =
            fhir_resource_find(json_string(json_member(root, "resourceType"), &arena));
        const struct index_basis basis = { .base_url = SLICE("http://h/r4") };
        if (type && index_extract(root, type, basis, NULL, &arena, &x) == ERR_NONE) {
            terms_are_valid(&x, type);
            appendix_is_valid(x.appendix);
        }
    }
    arena_release(&arena);
    return 0;
}
