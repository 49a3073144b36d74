/* Whatever the resource: a stored body is JSON, storing what was read gives the
 * same body, rewriting gives JSON, the walk ends, and one walk over all search
 * parameters finds as much as their expressions one by one. The first byte
 * chooses the type of a resource that does not name its own. */
#include "base/check.h"
#include "fhir/fhir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 16 << 20 };

static bool rewrite_urn(void *context, struct slice url, struct slice *ret_target)
{
    size_t *asked = context;
    ++*asked;
    *ret_target = SLICE("Patient/\"new\"\n");
    return slice_starts_with(url, SLICE("urn:"));
}

static struct json parse(struct slice text, struct arena *arena, struct json_doc *doc)
{
    struct json_error error;
    enum err err = json_parse(text, NULL, arena, doc, &error);
    CHECK(err == ERR_NONE || err == ERR_NO_MEMORY);
    return err ? JSON_ABSENT : json_root(doc);
}

static void check_rewriting(struct json resource, const struct fhir_type *type, struct arena *arena)
{
    struct buf out;
    struct json_doc doc;
    size_t asked = 0;
    uint32_t splice;
    struct fhir_prepare options = { .rewrite = rewrite_urn,
                                    .context = &asked,
                                    .id = SLICE("new"),
                                    .full_url = SLICE("http://h/Basic/1") };
    buf_init(&out, BYTES_MAX);
    if (fhir_prepare_body(resource, type, &options, &out, &splice) == ERR_NONE) {
        struct json body = parse(buf_slice(&out), arena, &doc);
        CHECK(!json_exists(body) || json_string_is(json_member(body, "id"), SLICE("new")));
    }
    buf_release(&out);
}

static void check_storing(struct json resource, const struct fhir_type *type, struct arena *arena)
{
    struct buf stored, read, again;
    struct json_doc doc;
    uint32_t splice, splice_again;
    struct fhir_prepare options = { .rewrite = NULL };
    buf_init(&stored, BYTES_MAX);
    buf_init(&read, BYTES_MAX);
    buf_init(&again, BYTES_MAX);
    if (fhir_prepare_body(resource, type, &options, &stored, &splice) == ERR_NONE) {
        CHECK(fhir_splice_meta(buf_slice(&stored), splice, SLICE("7"), SLICE("T"), &read) ==
              ERR_NONE);
        struct json back = parse(buf_slice(&read), arena, &doc);
        if (json_exists(back)) {
            struct json meta = json_member(back, "meta");
            CHECK(json_string_is(json_member(meta, "versionId"), SLICE("7")));
            CHECK(fhir_prepare_body(back, type, &options, &again, &splice_again) == ERR_NONE);
            CHECK(slice_equal(buf_slice(&stored), buf_slice(&again)) && splice == splice_again);
        }
    }
    buf_release(&stored);
    buf_release(&read);
    buf_release(&again);
}

static enum err count_item(void *context, struct fhir_item item)
{
    size_t *count = context;
    CHECK(item.type && json_exists(item.value));
    ++*count;
    return ERR_NONE;
}

static enum err count_param(void *context, const struct fhir_param *param, struct fhir_item item)
{
    CHECK(param->path);
    return count_item(context, item);
}

static void check_params(struct json resource, const struct fhir_type *type)
{
    size_t one = 0, each = 0, count;
    const uint16_t *ids = fhir_params_of(type, &count);
    struct fhir_item root = { .value = resource, .type = type };
    for (size_t i = 0; i < count; i++)
        CHECK(fhir_path_visit(fhir_param_at(ids[i])->path, root, count_item, &each) == ERR_NONE);
    CHECK(fhir_params_visit(type, resource, count_param, &one) == ERR_NONE);
    CHECK(one == each);
}

static enum err count_node(void *context, const struct fhir_node *node)
{
    size_t *count = context;
    CHECK(json_exists(node->value));
    ++*count;
    return ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct arena arena;
    struct json_doc doc;
    struct json_error error;
    arena_init(&arena, (size_t)64 << 20);
    struct slice text = slice_of((const char *)data + 1, size - 1);
    if (json_parse(text, NULL, &arena, &doc, &error) == ERR_NONE) {
        struct json resource = json_root(&doc);
        struct json name = json_member(resource, "resourceType");
        const struct fhir_type *type = fhir_resource_find(json_string(name, &arena));
        if (!type)
            type = fhir_resource_at(data[0] % fhir_resource_count());
        size_t nodes = 0;
        struct fhir_walker walker = {
            .leaf = count_node, .leave = count_node, .unknown = count_node, .context = &nodes
        };
        CHECK(fhir_walk(resource, type, &walker) == ERR_NONE);
        check_storing(resource, type, &arena);
        check_rewriting(resource, type, &arena);
        check_params(resource, type);
    }
    arena_release(&arena);
    return 0;
}
