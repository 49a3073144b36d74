/* Whatever the query: no crash, a refusal says why, and what was accepted is
 * accepted again in its canonical form with the same plan. The first byte
 * chooses the resource type. */
#include "base/check.h"
#include "search/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool plans_are_same(const struct plan *a, const struct plan *b)
{
    bool same = a->kind == b->kind && a->field == b->field && slice_equal(a->from, b->from) &&
                slice_equal(a->to, b->to) && slice_equal(a->tail_from, b->tail_from) &&
                slice_equal(a->tail_to, b->tail_to) && slice_equal(a->needle, b->needle) &&
                a->instant_low == b->instant_low && a->instant_high == b->instant_high &&
                a->child_count == b->child_count;
    for (size_t i = 0; same && i < a->child_count; i++)
        same = plans_are_same(a->children[i], b->children[i]);
    return same;
}

static enum err parse(const struct fhir_type *type, struct slice text, struct arena *arena,
                      struct search_query *ret)
{
    static const struct search_settings settings = {
        .base_url = SLICE_INIT("http://h/r4"),
        .default_count = 100,
        .largest_count = 1000,
    };
    struct issues issues;
    issues_init(&issues, arena);
    struct search_pair *pairs = NULL;
    size_t count = 0;
    enum err err = search_pairs_parse(text, arena, &pairs, &count, &issues);
    if (!err)
        err = search_parse(&settings, type, pairs, count, arena, &issues, ret);
    CHECK(!err || err == ERR_NO_MEMORY || issues.count > 0);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct fhir_type *type = fhir_resource_at(data[0] % fhir_resource_count());
    struct arena arena;
    arena_init(&arena, (size_t)32 << 20);
    struct search_query query, again;
    struct slice text = slice_of((const char *)data + 1, size - 1);
    if (parse(type, text, &arena, &query) == ERR_NONE) {
        enum err err = parse(type, query.applied, &arena, &again);
        CHECK(err == ERR_NONE || err == ERR_NO_MEMORY);
        if (!err) {
            CHECK(plans_are_same(query.plan, again.plan));
            CHECK(slice_equal(query.applied, again.applied));
        }
    }
    arena_release(&arena);
    return 0;
}
