/* Whatever the resource: a whole check (base, codes, answers, rules of types) ends, and
 * the same resource gives the same number of findings again. */
#include "check/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 64 << 20 };

static void found(void *context, const struct fhir_finding *finding)
{
    size_t *count = context;
    CHECK(finding->text.length > 0);
    ++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct json_doc doc;
    static struct arena kept; /* made once, not for each input */
    static const struct fhir_rules *rules;
    static struct terminology *codes;
    size_t counts[2] = { 0, 0 };
    arena_init(&arena, BYTES_MAX);
    if (!rules) {
        arena_init(&kept, BYTES_MAX);
        CHECK(fhir_rules_compile(&kept, &rules) == ERR_NONE);
        CHECK(terminology_open(NULL, &codes) == ERR_NONE);
    }
    struct slice text = slice_of((const char *)data, size);
    if (json_parse(text, NULL, &arena, &doc, NULL) == ERR_NONE)
        for (int i = 0; i < 2; i++) {
            const struct check_options options = { .rules = rules,
                                                   .found = found,
                                                   .context = &counts[i],
                                                   .refuses_markup = true,
                                                   .terminology = codes };
            enum err err = check_run(&options, json_root(&doc), NULL, &arena);
            CHECK(err == ERR_NONE || err == ERR_NO_MEMORY || err == ERR_LIMIT);
        }
    CHECK(counts[0] == counts[1]);
    arena_release(&arena);
    return 0;
}
