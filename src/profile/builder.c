/* profile/builder.c - sections of an image while they grow, and the whole. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "profile/compile.h"

enum { SECTION_BYTES_MAX = 256 << 20 };

static const size_t row_bytes[IMAGE_SECTION_COUNT] = {
    [IMAGE_TEXT] = 1,
    [IMAGE_NODES] = sizeof(struct image_node),
    [IMAGE_TYPES] = sizeof(struct image_type),
    [IMAGE_REFS] = sizeof(struct image_text),
    [IMAGE_RULES] = sizeof(struct image_rule),
    [IMAGE_DISCRIMINATORS] = sizeof(struct image_discriminator),
    [IMAGE_STEPS] = sizeof(struct image_step),
    [IMAGE_CONTEXTS] = sizeof(struct image_context),
    [IMAGE_DEFINITIONS] = sizeof(struct image_definition),
    [IMAGE_DEPENDENCIES] = sizeof(struct image_dependency),
    [IMAGE_JSON] = 1,
    [IMAGE_TAPE] = sizeof(struct json_node),
    [IMAGE_RESOURCES] = sizeof(struct image_resource),
    [IMAGE_RESOURCE_TEXT] = 1,
};

enum err image_builder_new(struct arena *arena, struct slice name, struct slice version,
                           struct image_builder **ret)
{
    struct image_builder *b = arena_alloc(arena, sizeof *b);
    if (!b)
        return ERR_NO_MEMORY;
    b->arena = arena;
    for (size_t i = 0; i < IMAGE_SECTION_COUNT; i++)
        buf_init(&b->sections[i], SECTION_BYTES_MAX);
    map_init(&b->texts, UINT32_MAX, (uint64_t)(uintptr_t)b);
    map_init(&b->values, UINT32_MAX, (uint64_t)(uintptr_t)b);
    b->name = builder_text(b, name);
    b->version = builder_text(b, version);
    *ret = b;
    return b->failure;
}

void image_builder_release(struct image_builder *b)
{
    for (size_t i = 0; i < IMAGE_SECTION_COUNT; i++)
        buf_release(&b->sections[i]);
    map_release(&b->texts);
    map_release(&b->values);
}

/* Each text once. The map's keys outlive the growing buffer in the arena. */
struct image_text builder_text(struct image_builder *b, struct slice text)
{
    if (text.length == 0)
        return (struct image_text){ 0, 0 };
    uint64_t *place = map_find(&b->texts, text);
    if (!place) {
        char *copy = arena_raw(b->arena, text.length);
        if (!copy ||
            map_put(&b->texts, slice_of(memcpy(copy, text.bytes, text.length), text.length), &place,
                    NULL) != ERR_NONE) {
            b->failure = ERR_NO_MEMORY;
            return (struct image_text){ 0, 0 };
        }
        *place = b->sections[IMAGE_TEXT].length;
        buf_append(&b->sections[IMAGE_TEXT], text);
    }
    return (struct image_text){ (uint32_t)*place, (uint32_t)text.length };
}

uint32_t builder_row(struct image_builder *b, enum image_section section, const void *row,
                     size_t bytes)
{
    struct buf *out = &b->sections[section];
    CHECK(bytes == row_bytes[section]);
    uint32_t place = (uint32_t)(out->length / bytes);
    buf_append(out, slice_of(row, bytes));
    return place;
}

uint32_t builder_value(struct image_builder *b, struct json value)
{
    if (!json_exists(value))
        return 0;
    struct slice raw = json_raw(value);
    uint64_t *ordinal;
    bool is_new;
    if (map_put(&b->values, raw, &ordinal, &is_new) != ERR_NONE) {
        b->failure = ERR_NO_MEMORY;
        return 0;
    }
    if (is_new) {
        struct buf *out = &b->sections[IMAGE_JSON];
        buf_append_byte(out, b->value_count == 0 ? '[' : ',');
        json_minify(value, out);
        *ordinal = ++b->value_count;
    }
    return (uint32_t)*ordinal;
}

/* ---- discriminator paths ---- */

/* "extension('url')": the function's argument; false when it is none. */
static bool cut_call(struct slice *rest, const char *head, struct slice *ret_argument)
{
    struct slice start = slice_cstr(head);
    if (!slice_starts_with(*rest, start))
        return false;
    ptrdiff_t end = slice_find_byte(*rest, ')');
    if (end < 0)
        return false;
    struct slice argument = slice_from(slice_head(*rest, (size_t)end), start.length);
    if (argument.length >= 2 && (argument.bytes[0] == '\'' || argument.bytes[0] == '"'))
        argument = slice_head(slice_from(argument, 1), argument.length - 2);
    *rest = slice_from(*rest, (size_t)end + 1);
    if (rest->length > 0 && rest->bytes[0] == '.')
        *rest = slice_from(*rest, 1);
    *ret_argument = argument;
    return true;
}

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.length; i++) {
        char c = (char)(s.bytes[i] | 0x20);
        if (!((c >= 'a' && c <= 'z') || (s.bytes[i] >= '0' && s.bytes[i] <= '9') ||
              s.bytes[i] == '_' || s.bytes[i] == '[' || s.bytes[i] == ']'))
            return false;
    }
    return s.length > 0;
}

struct image_range builder_steps(struct image_builder *b, struct slice path, bool *ret_is_known)
{
    size_t step_bytes = sizeof(struct image_step);
    struct image_range range = { (uint32_t)(b->sections[IMAGE_STEPS].length / step_bytes), 0 };
    struct slice rest = slice_trim(path), argument;
    *ret_is_known = true;
    while (rest.length > 0 && *ret_is_known) {
        struct image_step step = { .kind = STEP_CHILD };
        if (cut_call(&rest, "extension(", &argument)) {
            step.kind = STEP_EXTENSION;
        } else if (cut_call(&rest, "resolve(", &argument)) {
            step.kind = STEP_RESOLVE;
        } else if (cut_call(&rest, "ofType(", &argument) || cut_call(&rest, "as(", &argument)) {
            step.kind = STEP_OF_TYPE;
        } else {
            argument = slice_cut(&rest, '.');
            if (slice_is(argument, "$this"))
                continue;
            *ret_is_known = is_name(argument);
            if (element_stem(argument).length > 0)
                argument = element_stem(argument);
        }
        step.name = builder_text(b, argument);
        builder_row(b, IMAGE_STEPS, &step, sizeof step);
        range.count++;
    }
    return range;
}

enum err image_add_dependency(struct image_builder *b, struct slice name, struct slice version)
{
    struct image_dependency row = { builder_text(b, name), builder_text(b, version) };
    builder_row(b, IMAGE_DEPENDENCIES, &row, sizeof row);
    return b->failure;
}

static enum resource_rank rank_of(struct json root, enum profile_kind kind)
{
    struct json content = json_member(root, "content");
    if (kind == PROFILE_VALUE_SET)
        return json_exists(json_member(root, "compose")) ||
                       json_exists(json_member(root, "expansion"))
                   ? RANK_WHOLE
                   : RANK_EMPTY;
    if (kind == PROFILE_STRUCTURE || json_string_is(content, SLICE("complete")) ||
        json_string_is(content, SLICE("supplement")))
        return RANK_WHOLE;
    return json_exists(json_first(json_member(root, "concept"))) ? RANK_PART : RANK_EMPTY;
}

enum err image_add_resource(struct image_builder *b, struct json root)
{
    static const char *const kinds[] = { "StructureDefinition", "ValueSet", "CodeSystem" };
    struct slice type = json_string_raw(json_member(root, "resourceType"));
    struct slice url = json_string(json_member(root, "url"), b->arena);
    struct slice version = json_string(json_member(root, "version"), b->arena);
    struct buf *out = &b->sections[IMAGE_RESOURCE_TEXT];
    uint32_t kind = 0;
    while (kind < ARRAY_COUNT(kinds) && !slice_is(type, kinds[kind]))
        kind++;
    if (kind == ARRAY_COUNT(kinds) || url.length == 0)
        return ERR_NONE;
    size_t start = out->length;
    if (kind == PROFILE_STRUCTURE)
        strip_definition(root, out);
    else
        strip_terminology(root, out);
    TRY(buf_status(out));
    struct image_resource row = { .url = builder_text(b, url),
                                  .version = builder_text(b, version),
                                  .kind = kind,
                                  .rank = rank_of(root, kind),
                                  .at = (uint32_t)start,
                                  .length = (uint32_t)(out->length - start) };
    row.sum = (uint32_t)XXH3_64bits(out->bytes + start, row.length);
    builder_row(b, IMAGE_RESOURCES, &row, sizeof row);
    return b->failure;
}

/* ---- the whole ---- */

/* Ordinals of values become places on the tape. */
static enum err place_values(struct image_builder *b)
{
    struct buf *text = &b->sections[IMAGE_JSON];
    buf_append_cstr(text, b->value_count == 0 ? "[]" : "]");
    struct json_limits limits = { .depth = JSON_DEPTH_MAX };
    struct json_doc doc;
    TRY(buf_status(text));
    TRY(json_parse(buf_slice(text), &limits, b->arena, &doc, NULL));
    uint32_t *places = arena_array(b->arena, (size_t)b->value_count + 1, sizeof *places);
    if (!places)
        return ERR_NO_MEMORY;
    struct json list = json_root(&doc);
    uint32_t at = 0;
    for (struct json v = json_first(list); json_exists(v); v = json_next(list, v))
        places[++at] = v.at + 1;
    struct image_node *nodes = (struct image_node *)(void *)b->sections[IMAGE_NODES].bytes;
    size_t count = b->sections[IMAGE_NODES].length / sizeof *nodes;
    for (size_t i = 0; i < count; i++) {
        nodes[i].fixed = places[nodes[i].fixed];
        nodes[i].pattern = places[nodes[i].pattern];
        nodes[i].min_value = places[nodes[i].min_value];
        nodes[i].max_value = places[nodes[i].max_value];
    }
    buf_append(&b->sections[IMAGE_TAPE],
               slice_of((const char *)doc.nodes, doc.count * sizeof *doc.nodes));
    return ERR_NONE;
}

enum err image_render(struct image_builder *b, struct buf *out)
{
    static const char zeros[8];
    struct image_header header = { .format = IMAGE_FORMAT, .name = b->name, .version = b->version };
    TRY(b->failure);
    TRY(place_values(b));
    size_t start = out->length, at = sizeof header;
    memcpy(header.magic, "TARNPROF", sizeof header.magic);
    for (size_t i = 0; i < IMAGE_SECTION_COUNT; i++) {
        TRY(buf_status(&b->sections[i]));
        size_t length = b->sections[i].length;
        header.sections[i] =
            (struct image_range){ (uint32_t)at, (uint32_t)(length / row_bytes[i]) };
        at = (at + length + 7) / 8 * 8;
    }
    if (at > IMAGE_BYTES_MAX)
        return ERR_LIMIT;
    header.bytes = (uint32_t)at;
    buf_append(out, slice_of((const char *)&header, sizeof header));
    for (size_t i = 0; i < IMAGE_SECTION_COUNT; i++) {
        size_t length = b->sections[i].length;
        buf_append(out, buf_slice(&b->sections[i]));
        buf_append(out, slice_of(zeros, (8 - length % 8) % 8));
    }
    TRY(buf_status(out));
    uint64_t sum =
        XXH3_64bits(out->bytes + start + 16, header.sections[IMAGE_RESOURCE_TEXT].first - 16u);
    memcpy(out->bytes + start + 8, &sum, sizeof sum);
    return ERR_NONE;
}

/* ---- reading ---- */

enum err image_open(struct slice bytes, struct image *ret_image)
{
    struct image im = { .bytes = bytes };
    if (bytes.length < sizeof *im.header || (uintptr_t)bytes.bytes % 8 != 0)
        return ERR_CORRUPT;
    im.header = (const struct image_header *)(const void *)bytes.bytes;
    if (memcmp(im.header->magic, "TARNPROF", 8) != 0 || im.header->format != IMAGE_FORMAT ||
        im.header->bytes != bytes.length)
        return ERR_CORRUPT;
    /* The sum vouches for every number inside: only we write these files. */
    uint32_t summed = im.header->sections[IMAGE_RESOURCE_TEXT].first;
    if (summed < sizeof *im.header || summed > bytes.length ||
        XXH3_64bits(bytes.bytes + 16, summed - 16u) != im.header->checksum)
        return ERR_CORRUPT;
    for (size_t i = 0; i < IMAGE_SECTION_COUNT; i++) {
        struct image_range s = im.header->sections[i];
        if (s.first > bytes.length || s.count > (bytes.length - s.first) / row_bytes[i])
            return ERR_CORRUPT;
    }
    im.values.text = slice_of(image_section(&im, IMAGE_JSON), image_count(&im, IMAGE_JSON));
    im.values.nodes = image_section(&im, IMAGE_TAPE);
    im.values.count = image_count(&im, IMAGE_TAPE);
    *ret_image = im;
    return ERR_NONE;
}

struct slice image_resource_text(const struct image *im, const struct image_resource *r)
{
    const char *texts = image_section(im, IMAGE_RESOURCE_TEXT);
    bool is_whole = r->at <= image_count(im, IMAGE_RESOURCE_TEXT) &&
                    r->length <= image_count(im, IMAGE_RESOURCE_TEXT) - r->at &&
                    (uint32_t)XXH3_64bits(texts + r->at, r->length) == r->sum;
    return is_whole ? slice_of(texts + r->at, r->length) : SLICE_NONE;
}

const struct image_node *image_child(const struct image *im, const struct image_node *parent,
                                     struct slice name)
{
    uint32_t low = 0, high = parent->children.count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct image_node *n = image_node_at(im, parent->children.first + middle);
        int order = slice_compare(image_slice(im, n->name), name);
        if (order == 0)
            return n;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct json image_value(const struct image *im, uint32_t place)
{
    return place ? (struct json){ &im->values, place - 1 } : JSON_ABSENT;
}
