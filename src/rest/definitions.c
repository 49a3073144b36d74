#include "rest/definitions.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "os/clock.h"
#include "rest/request.h"

enum {
    LOOK_US = 100000,
    DEFINITIONS_MAX = 2000,
    COMPILE_BYTES = 512 << 20,
    IMAGE_BYTES = 64 << 20
};

static const char TYPE[] = "StructureDefinition";

struct definitions {
    atomic_bool is_stale;               /* a definition was written since they were read */
    pthread_mutex_t lock;               /* of ... */
    struct profile_set *packages, *set; /* the packages that the set lies over; counted */
    struct profile_set *codes_of;       /* those whose codes the terminology has; counted */
    _Atomic int64_t looked_us;
};

struct definitions *definitions_open(void)
{
    struct definitions *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    atomic_init(&d->is_stale, true);
    atomic_init(&d->looked_us, 0);
    mutex_init(&d->lock);
    return d;
}

void definitions_close(struct definitions *d)
{
    if (!d)
        return;
    profile_set_unref(d->packages);
    profile_set_unref(d->set);
    profile_set_unref(d->codes_of);
    mutex_destroy(&d->lock);
    free(d);
}

/* ---- reading ---- */

static enum err read_all(struct rest *rest, struct arena *arena, struct slice *texts,
                         size_t *ret_count)
{
    struct search_settings settings = { .base_url = rest->index_base_url,
                                        .default_count = 1,
                                        .largest_count = 1 };
    struct search_query query;
    struct store_reader *reader;
    struct issues issues;
    uint64_t *docs;
    size_t count = 0, kept = 0;
    issues_init(&issues, arena);
    TRY(search_parse(&settings, fhir_resource_find(slice_cstr(TYPE)), NULL, 0, arena, &issues,
                     &query));
    TRY(store_read_begin(rest->settings.store, 0, &reader));
    enum err err = store_search(reader, query.plan, 0, DEFINITIONS_MAX, arena, &docs, &count);
    for (size_t i = 0; i < count && !err; i++) {
        struct store_version version;
        err = store_doc(reader, docs[i], arena, &version);
        if (err == ERR_NOT_FOUND) { /* erased since it was found */
            err = ERR_NONE;
            continue;
        }
        char *copy = err ? NULL : arena_copy(arena, version.body);
        if (!err && !copy)
            err = ERR_NO_MEMORY;
        texts[kept++] = slice_of(copy, version.body.length);
    }
    store_read_end(reader);
    *ret_count = kept;
    return err;
}

/* The stored definitions over the packages; these alone when there are none. One
 * that cannot be used is as if it were not there. */
static enum err build(struct rest *rest, struct profile_set *packages, struct arena *arena,
                      struct profile_set **ret)
{
    struct issues issues;
    struct buf image;
    struct profile_source source = { .name = SLICE("store"), .version = SLICE("0") };
    struct slice *texts = arena_array(arena, DEFINITIONS_MAX, sizeof *texts);
    if (!texts)
        return ERR_NO_MEMORY;
    source.resources = texts;
    TRY(read_all(rest, arena, texts, &source.resource_count));
    if (source.resource_count == 0) {
        *ret = profile_set_ref(packages);
        return ERR_NONE;
    }
    issues_init(&issues, arena);
    buf_init(&image, IMAGE_BYTES);
    enum err err = profile_compile(&source, packages, arena, &issues, &image);
    struct slice bytes = buf_slice(&image);
    if (!err)
        err = profile_set_layer(packages, &bytes, 1, ret);
    buf_release(&image);
    return err;
}

/* When it fails, what was known stays. */
static void read_again(struct rest *rest, struct definitions *d, struct profile_set *packages)
{
    struct arena arena;
    struct profile_set *set = NULL;
    arena_init(&arena, COMPILE_BYTES);
    atomic_store(&d->is_stale, false); /* before it is read: no write is lost */
    enum err err = build(rest, packages, &arena, &set);
    arena_release(&arena);
    if (err) {
        /* What is too large is not tried again until something changes. */
        if (err == ERR_IO)
            atomic_store(&d->is_stale, true);
        set =
            d->packages == packages && d->set ? profile_set_ref(d->set) : profile_set_ref(packages);
    }
    profile_set_unref(d->set);
    d->set = set;
}

/* Codes are read anew when the packages are others. Under the lock. */
static void follow(const struct rest *rest, struct definitions *d, struct profile_set *packages)
{
    if (d->codes_of == packages)
        return;
    if (d->codes_of)
        terminology_forget(rest->terminology);
    profile_set_unref(d->codes_of);
    d->codes_of = profile_set_ref(packages);
}

void definitions_look(const struct rest *rest)
{
    struct definitions *d = rest->definitions;
    int64_t now = os_now_us();
    if (!rest->settings.profiles || now - atomic_load(&d->looked_us) < LOOK_US)
        return;
    atomic_store(&d->looked_us, now);
    struct profile_set *packages = profile_home_set(rest->settings.profiles, NULL);
    mutex_lock(&d->lock);
    follow(rest, d, packages);
    mutex_unlock(&d->lock);
    profile_set_unref(packages);
}

struct profile_set *definitions_now(struct rest *rest, const struct fhir_type *asking)
{
    struct definitions *d = rest->definitions;
    if (!rest->settings.profiles)
        return NULL;
    struct profile_set *packages = profile_home_set(rest->settings.profiles, NULL);
    mutex_lock(&d->lock);
    bool is_new = d->packages != packages;
    /* Definitions do not check each other: many of them written in a row are read
     * once, when something else comes. */
    bool is_one = asking && slice_is(asking->name, TYPE) && d->set;
    if (is_new || (atomic_load(&d->is_stale) && !is_one)) {
        read_again(rest, d, packages);
        profile_set_unref(d->packages);
        d->packages = profile_set_ref(packages);
    }
    follow(rest, d, packages);
    struct profile_set *set = profile_set_ref(d->set);
    mutex_unlock(&d->lock);
    profile_set_unref(packages);
    return set;
}

void definitions_note(struct rest *rest, const struct store_write *writes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(writes[i].type, TYPE))
            atomic_store(&rest->definitions->is_stale, true);
}
