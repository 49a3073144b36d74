/* profile/source.c - StructureDefinitions of a package to its image. */
#include "profile/compile.h"
#include "profile/lookup.h"

enum { TREE_BYTES_MAX = 64 << 20, ELEMENTS_TOTAL_MAX = 1000000 };

/* While a package is compiled: its definitions by url. */
struct compiling {
    struct arena *arena;      /* documents and the image */
    struct arena trees;       /* of one definition at a time */
    struct definitions world; /* its arena is `trees` */
    uint64_t element_total;   /* against ELEMENTS_TOTAL_MAX */
    struct map urls;          /* to place in `docs` + 1 */
    struct json *roots;
    struct lookup others; /* definitions of other packages */
    struct issues *issues;
};

static struct json find_definition(void *context, struct slice canonical)
{
    struct compiling *k = context;
    struct slice rest = canonical, url = slice_cut(&rest, '|');
    const uint64_t *at = map_find(&k->urls, url);
    if (at && (rest.length == 0 || json_string_is(json_member(k->roots[*at - 1], "version"), rest)))
        return k->roots[*at - 1];
    return lookup_find(&k->others, canonical);
}

static bool is_definition(struct json root)
{
    return json_string_is(json_member(root, "resourceType"), SLICE("StructureDefinition"));
}

static enum err read_resource(struct compiling *k, struct image_builder *b, struct slice text,
                              size_t at)
{
    struct json_doc *doc = arena_alloc(k->arena, sizeof *doc);
    if (!doc)
        return ERR_NO_MEMORY;
    enum err err = json_parse(text, NULL, k->arena, doc, NULL);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_NONE; /* no JSON: nothing of ours */
    struct json root = json_root(doc);
    struct slice url = json_string(json_member(root, "url"), k->arena);
    uint64_t *place;
    bool is_new;
    TRY(image_add_resource(b, root));
    if (!is_definition(root) || url.length == 0)
        return ERR_NONE;
    TRY(map_put(&k->urls, url, &place, &is_new));
    if (is_new) {
        *place = at + 1;
        k->roots[at] = root;
    }
    return ERR_NONE;
}

/* The tree goes when its rows are in the image. */
static enum err compile_one(struct compiling *k, struct image_builder *b, struct json root)
{
    struct definition d = { .depth = 0 };
    const char *reason = "the definitions together are too large";
    k->world.element_count = 0;
    enum err err = k->element_total < ELEMENTS_TOTAL_MAX ? ERR_NONE : ERR_LIMIT;
    if (!err)
        err = definition_read(&k->world, root, false, &d, &reason);
    k->element_total += k->world.element_count;
    if (err == ERR_NO_MEMORY)
        err = ERR_LIMIT; /* of its own arena */
    if (!err) {
        err = image_add_definition(b, &d);
        reason = "it constrains no type of R4";
    }
    arena_release(&k->trees);
    if (err == ERR_NO_MEMORY)
        return err;
    if (err)
        issues_add(k->issues, ISSUE_WARNING, "not-supported", SLICE_NONE,
                   "The StructureDefinition %.*s cannot be used: %s",
                   SLICE_ARGS(json_string_raw(json_member(root, "url"))), reason);
    return ERR_NONE;
}

static enum err add_dependencies(struct image_builder *b, const struct profile_source *source)
{
    for (size_t i = 0; i < source->dependency_count; i++) {
        struct slice version = source->dependencies[i], name = slice_cut(&version, '@');
        TRY(image_add_dependency(b, name, version));
    }
    return ERR_NONE;
}

static enum err compile_all(struct compiling *k, const struct profile_source *source,
                            struct image_builder *b)
{
    TRY(add_dependencies(b, source));
    for (size_t i = 0; i < source->resource_count; i++)
        TRY(read_resource(k, b, source->resources[i], i));
    for (size_t i = 0; i < source->resource_count; i++)
        if (json_exists(k->roots[i]))
            TRY(compile_one(k, b, k->roots[i]));
    return ERR_NONE;
}

enum err profile_compile(const struct profile_source *source, const struct profile_set *set,
                         struct arena *arena, struct issues *issues, struct buf *out)
{
    struct compiling k = { .issues = issues };
    struct image_builder *b;
    k.arena = arena;
    arena_init(&k.trees, TREE_BYTES_MAX);
    k.world = (struct definitions){ .arena = &k.trees, .context = &k, .find = find_definition };
    k.roots = arena_array(arena, source->resource_count, sizeof *k.roots);
    if (!k.roots)
        return ERR_NO_MEMORY;
    TRY(image_builder_new(arena, source->name, source->version, &b));
    map_init(&k.urls, UINT32_MAX, (uint64_t)(uintptr_t)b);
    lookup_init(&k.others, arena, set, source);
    enum err err = compile_all(&k, source, b);
    if (!err)
        err = image_render(b, out);
    map_release(&k.urls);
    lookup_release(&k.others);
    image_builder_release(b);
    return err;
}
