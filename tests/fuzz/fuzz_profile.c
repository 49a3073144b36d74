/* Whatever the definitions and the resource: compiling ends, the image opens, and
 * checking the resource against all of them ends with the same findings twice.
 * Input: StructureDefinitions, one a line, an empty line, the resource. */
#include "base/check.h"
#include "profile/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 64 << 20, DEFINITIONS_MAX = 16 };

static void found(void *context, const struct fhir_finding *finding)
{
    size_t *count = context;
    CHECK(finding->text.length > 0);
    ++*count;
}

static size_t read_lines(struct slice *rest, struct slice *lines)
{
    size_t count = 0;
    while (rest->length > 0) {
        struct slice line = slice_cut(rest, '\n');
        if (line.length == 0)
            break;
        if (count < DEFINITIONS_MAX)
            lines[count++] = line;
    }
    return count;
}

/* The url that each definition has, if it is JSON. */
static size_t read_urls(const struct slice *lines, size_t count, struct arena *arena,
                        struct slice *urls)
{
    size_t found_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct json_doc *doc = arena_alloc(arena, sizeof *doc);
        if (!doc || json_parse(lines[i], NULL, arena, doc, NULL) != ERR_NONE)
            continue;
        urls[found_count] = json_string(json_member(json_root(doc), "url"), arena);
        found_count += urls[found_count].bytes != NULL;
    }
    return found_count;
}

static size_t check(const struct profile_set *set, struct json root, const struct slice *urls,
                    size_t url_count)
{
    struct arena arena;
    struct issues issues;
    struct profile_check *run;
    size_t count = 0;
    arena_init(&arena, BYTES_MAX);
    issues_init(&issues, &arena);
    const struct profile_options asked = {
        .set = set, .profiles = urls, .profile_count = url_count, .unknown_is_error = true
    };
    if (profile_check_begin(&asked, &arena, &run) == ERR_NONE) {
        const struct fhir_validate_options options = { .found = found,
                                                       .context = &count,
                                                       .hooks = profile_check_hooks(run) };
        enum err err = fhir_validate(root, NULL, &options, &issues);
        CHECK(err == ERR_NONE || err == ERR_NO_MEMORY || err == ERR_LIMIT);
        profile_check_end(run);
    }
    arena_release(&arena);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct issues issues;
    struct buf image;
    struct json_doc doc;
    struct profile_set *set = NULL;
    struct slice rest = slice_of((const char *)data, size), lines[DEFINITIONS_MAX];
    struct slice urls[DEFINITIONS_MAX];
    arena_init(&arena, BYTES_MAX);
    issues_init(&issues, &arena);
    buf_init(&image, BYTES_MAX);
    size_t count = read_lines(&rest, lines);
    const struct profile_source source = {
        .name = SLICE("f"), .version = SLICE("1"), .resources = lines, .resource_count = count
    };
    enum err err = profile_compile(&source, NULL, &arena, &issues, &image);
    CHECK(err == ERR_NONE || err == ERR_NO_MEMORY || err == ERR_LIMIT);
    struct slice bytes = buf_slice(&image);
    if (!err)
        CHECK(profile_set_layer(NULL, &bytes, 1, &set) == ERR_NONE);
    size_t url_count = read_urls(lines, count, &arena, urls);
    if (set && json_parse(rest, NULL, &arena, &doc, NULL) == ERR_NONE) {
        size_t first = check(set, json_root(&doc), urls, url_count);
        CHECK(check(set, json_root(&doc), urls, url_count) == first);
    }
    profile_set_unref(set);
    buf_release(&image);
    arena_release(&arena);
    return 0;
}
