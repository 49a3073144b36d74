/* Snapshots made from differentials beside those that were published with them: the
 * guides' and R4's own. Each element of both, its cardinality, types and binding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/map.h"
#include "os/unpack.h"
#include "outside.h"
#include "profile/element.h"
#include "profile/package.h"

enum { DEFINITIONS_MAX = 2000 };

struct world {
    struct arena arena;
    struct json_doc docs[DEFINITIONS_MAX];
    struct slice packages[DEFINITIONS_MAX]; /* whose each is */
    size_t count, first;                    /* those of the asking package begin at first */
    /* the comparison */
    const char *name;
    size_t elements, missing, counts, types, bindings, inherited;
};

static struct json find(void *context, struct slice canonical)
{
    struct world *w = context;
    struct slice version = canonical, url = slice_cut(&version, '|');
    /* The last one read is nearest: a package's own, then its dependencies'. */
    for (size_t i = w->count; i > 0; i--) {
        struct json root = json_root(&w->docs[i - 1]);
        if (json_string_is(json_member(root, "url"), url) &&
            (version.length == 0 || json_string_is(json_member(root, "version"), version)))
            return root;
    }
    return JSON_ABSENT;
}

static void add(struct world *w, struct slice text)
{
    assert_true(w->count < DEFINITIONS_MAX);
    assert_int_equal(json_parse(text, NULL, &w->arena, &w->docs[w->count], NULL), ERR_NONE);
    struct json root = json_root(&w->docs[w->count]);
    w->count +=
        json_string_is(json_member(root, "resourceType"), SLICE("StructureDefinition")) ? 1u : 0u;
}

static void read_package(struct world *w, const char *name)
{
    char path[1024];
    struct issues issues;
    struct profile_source source;
    outside_path(name, path);
    issues_init(&issues, &w->arena);
    assert_int_equal(profile_package_open(path, &w->arena, &issues, &source), ERR_NONE);
    w->first = w->count;
    for (size_t i = 0; i < source.resource_count; i++)
        add(w, source.resources[i]);
}

static void read_lines(struct world *w, const char *name)
{
    char path[1024];
    struct buf text;
    outside_path(name, path);
    buf_init(&text, (size_t)256 << 20);
    assert_int_equal(os_file_unpack(path, &text), ERR_NONE);
    char *copy = arena_raw(&w->arena, text.length);
    struct slice rest = slice_of(memcpy(copy, text.bytes, text.length), text.length);
    buf_release(&text);
    while (rest.bytes) {
        struct slice line = slice_cut(&rest, '\n');
        if (line.length > 0)
            add(w, line);
    }
}

/* ---- comparing ---- */

static bool is_loud(void)
{
    const char *loud = getenv("TARN_LOUD");
    return loud && *loud;
}

static void differ(struct world *w, size_t *count, const struct element *e, const char *what)
{
    ++*count;
    if (is_loud())
        print_message("%s %.*s %.*s:%.*s: %s\n", w->name,
                      SLICE_ARGS(e->parent ? e->parent->name : SLICE_NONE), SLICE_ARGS(e->name),
                      SLICE_ARGS(e->slice_name), what);
}

static struct slice without_version(struct slice canonical)
{
    return slice_cut(&canonical, '|');
}

static bool has_text(const struct slice *list, uint32_t count, struct slice text)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal(without_version(list[i]), without_version(text)))
            return true;
    return false;
}

static bool same_texts(const struct slice *a, uint32_t a_count, const struct slice *b,
                       uint32_t b_count)
{
    for (uint32_t i = 0; i < a_count; i++)
        if (!has_text(b, b_count, a[i]))
            return false;
    return a_count == b_count;
}

/* Of Quantity, whose rule base R4 checks. */
static const struct slice simple =
    SLICE_INIT("http://hl7.org/fhir/StructureDefinition/SimpleQuantity");

static bool same_profiles(const struct type_ref *a, const struct type_ref *b)
{
    bool is_simple = a->profile_count == 1 && slice_equal(without_version(a->profiles[0]), simple);
    return same_texts(a->profiles, is_simple ? 0 : a->profile_count, b->profiles,
                      b->profile_count) ||
           same_texts(a->profiles, a->profile_count, b->profiles, b->profile_count);
}

static bool same_types(const struct element *a, const struct element *b)
{
    bool same = a->type_count == b->type_count;
    for (uint32_t i = 0; i < a->type_count && same; i++) {
        const struct type_ref *x = &a->types[i], *y = NULL;
        for (uint32_t k = 0; k < b->type_count; k++)
            if (slice_equal(b->types[k].code, x->code))
                y = &b->types[k];
        same = y && same_profiles(x, y) &&
               same_texts(x->targets, x->target_count, y->targets, y->target_count);
    }
    return same;
}

/* Published snapshots write what a differential says of valueQuantity at value[x], when
 * it is the only type left, or required, and older tools always: we have a slice, which
 * means the same where it is required. */
static const struct element *same_slice(const struct element *published, const struct element *made)
{
    struct slice stem = element_stem(published->name);
    if (stem.length == 0 || published->type_count != 1)
        return made;
    for (const struct element *s = made->first_slice; s; s = s->next)
        if (slice_equal_nocase(slice_from(s->slice_name, stem.length), published->types[0].code))
            return s;
    return made;
}

/* Examples bind nobody, and newer tools write versions into snapshots. */
static bool same_binding(const struct element *a, const struct element *b)
{
    if (a->strength <= FHIR_BINDING_EXAMPLE && b->strength <= FHIR_BINDING_EXAMPLE)
        return true;
    return a->strength == b->strength &&
           slice_equal(without_version(a->value_set), without_version(b->value_set));
}

static bool same_counts(const struct element *a, const struct element *b)
{
    return a->min == b->min && a->max == b->max;
}

/* `all`: the same element of what the slice around it slices, as made; NULL: none. What
 * a differential says of all elements of a name holds in its slices, too, when they are
 * made here; published ones start from the base. */
static void tell(struct world *w, size_t *count, const struct element *published,
                 const struct element *made, const struct element *all,
                 bool (*same)(const struct element *a, const struct element *b), const char *what)
{
    if (same(published, made))
        return;
    if (all && same(all, made))
        w->inherited++;
    else
        differ(w, count, published, what);
}

static void compare(struct world *w, const struct element *published, const struct element *made,
                    const struct element *all)
{
    const struct element *own = same_slice(published, made);
    w->elements++;
    if (published->parent)
        tell(w, &w->counts, published, own, all, same_counts, "cardinality");
    /* Ids and urls have a system type in snapshots, which counts as none. */
    if (published->parent && published->type_count > 0)
        tell(w, &w->types, published, own, all, same_types, "types");
    tell(w, &w->bindings, published, own, all, same_binding, "binding");
    if (!published->first_slice)
        made = own;
    for (const struct element *c = published->first; c; c = c->next) {
        const struct element *other = element_child(made, c->name);
        if (other)
            compare(w, c, other, all ? element_child(all, c->name) : NULL);
        else
            differ(w, &w->missing, c, "is not made");
    }
    for (const struct element *s = published->first_slice; s; s = s->next) {
        const struct element *other = element_slice(made, s->slice_name);
        if (other)
            compare(w, s, other, made);
        else
            differ(w, &w->missing, s, "the slice is not made");
    }
}

static void compare_from(struct world *w, size_t first)
{
    for (size_t i = first; i < w->count; i++) {
        struct json root = json_root(&w->docs[i]);
        struct definition published = { .depth = 0 }, made = { .depth = 0 };
        struct definitions world = { .arena = &w->arena, .context = w, .find = find };
        const char *reason = "";
        char name[200];
        struct slice url = json_string_raw(json_member(root, "url"));
        snprintf(name, sizeof name, "%.*s", SLICE_ARGS(url));
        w->name = name;
        if (!json_exists(json_member(root, "differential")))
            continue;
        assert_int_equal(definition_read(&world, root, false, &published, &reason), ERR_NONE);
        world.element_count = 0;
        enum err err = definition_read(&world, root, true, &made, &reason);
        if (err == ERR_NOT_FOUND)
            continue; /* its base is in a package that is not here */
        if (err)
            fail_msg("%s: %s", name, reason);
        compare(w, published.root, made.root, NULL);
    }
}

static struct world *open_world(void)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    arena_init(&w->arena, (size_t)2000 << 20);
    return w;
}

static void close_world(struct world *w)
{
    arena_release(&w->arena);
    free(w);
}

/* What differs, and why it may: R4's own snapshots that lack cardinalities; children
 * that published ones list where nothing is said of them (not made); definitions of
 * packages that are not in the data folder. */
static void summary(const struct world *w, size_t per_thousand)
{
    print_message("%zu elements: %zu not made, %zu other cardinality, %zu types, %zu bindings; "
                  "%zu as what they slice\n",
                  w->elements, w->missing, w->counts, w->types, w->bindings, w->inherited);
    size_t all = w->missing + w->counts + w->types + w->bindings;
    assert_true(all * 1000 <= w->elements * per_thousand);
}

static void those_of_r4_are_made_as_published(void **state)
{
    (void)state;
    struct world *w = open_world();
    read_lines(w, "r4/definitions/structuredefinition-profiles.ndjson.zst");
    read_lines(w, "r4/definitions/structuredefinition-extensions.ndjson.zst");
    compare_from(w, 0);
    summary(w, 4);
    close_world(w);
}

static void those_of_the_guides_are_made_as_published(void **state)
{
    (void)state;
    static const struct {
        const char *guide, *needs;
        size_t per_thousand;
    } guides[] = {
        { "ig/us-core-3.1.1.tar.zst", NULL, 20 },
        { "ig/us-core-4.0.0.tar.zst", NULL, 14 },
        { "ig/us-core-6.1.0.tar.zst", NULL, 2 },
        { "ig/us-core-7.0.0.tar.zst", NULL, 2 },
        { "ig/carin-bb-1.1.0.tar.zst", "ig/us-core-3.1.1.tar.zst", 1 },
        { "ig/carin-bb-2.0.0.tar.zst", "ig/us-core-3.1.1.tar.zst", 2 },
        { "ig/davinci-pdex-2.2.0.tar.zst", "ig/us-core-7.0.0.tar.zst", 15 },
    };
    for (size_t i = 0; i < sizeof guides / sizeof guides[0]; i++) {
        struct world *w = open_world();
        read_lines(w, "r4/definitions/structuredefinition-profiles.ndjson.zst");
        read_lines(w, "r4/definitions/structuredefinition-extensions.ndjson.zst");
        if (guides[i].needs)
            read_package(w, guides[i].needs);
        read_package(w, guides[i].guide);
        compare_from(w, w->first);
        print_message("%s: ", guides[i].guide);
        summary(w, guides[i].per_thousand);
        close_world(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_of_r4_are_made_as_published),
        cmocka_unit_test(those_of_the_guides_are_made_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
