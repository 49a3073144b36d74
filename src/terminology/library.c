/* terminology/library.c - canonical to compiled resource, kept once read. */
#include "terminology/library.h"

#include <stdlib.h>

#include "os/random.h"
#include "os/thread.h"

enum {
    KEPT_MAX = 20000, /* of a kind, those that are not there included: codings come from clients */
    KEY_BYTES_MAX = 2000,
};
static const size_t KEPT_BYTES = (size_t)1 << 30; /* one resource, compiled */

/* One resource, or that there is none. Lives in its own arena. */
struct kept {
    struct arena arena;
    struct kept *next;
    bool is_here;
    struct json_doc doc;
    struct slice text;
    struct system system; /* of the kind that it is */
    struct set set;
    enum terminology_kind kind;
};

struct shelf {
    uint32_t refs; /* under the lock, as all of it */
    struct map maps[TERMINOLOGY_VALUE_SET + 1];
    struct kept *first;
};

struct terminology {
    pthread_mutex_t lock;
    struct terminology_source source;
    struct shelf *shelf;
    bool is_stale; /* what is on the shelf may not be what is there; under the lock */
};

/* ---- one resource ---- */

static void kept_release(struct kept *k)
{
    if (k->is_here && k->kind == TERMINOLOGY_CODE_SYSTEM)
        system_release(&k->system);
    else if (k->is_here)
        set_release(&k->set);
    struct arena arena = k->arena;
    arena_release(&arena);
}

static int core_compare(const void *key, const void *row)
{
    const struct core_row *a = key, *b = row;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(a->url, b->url);
}

static enum err core_find(enum terminology_kind kind, struct slice url, struct slice version,
                          struct arena *arena, struct slice *ret)
{
    struct core_row key = { .url = arena_copy(arena, url), .kind = (uint8_t)kind };
    if (!key.url)
        return ERR_NO_MEMORY;
    const struct core_row *row =
        bsearch(&key, terminology_core, terminology_core_count, sizeof key, core_compare);
    if (row && (!version.length || slice_is(version, row->version)))
        *ret = slice_of(row->text, row->length);
    return ERR_NONE;
}

/* The resource's text: the source's, else R4's own. */
static enum err text_find(struct terminology *t, enum terminology_kind kind, struct slice url,
                          struct slice version, struct arena *arena, struct slice *ret)
{
    *ret = SLICE_NONE;
    if (t->source.find)
        TRY(t->source.find(t->source.context, kind, url, version, arena, ret));
    return ret->bytes ? ERR_NONE : core_find(kind, url, version, arena, ret);
}

/* A text that is no such resource is as good as none. */
static enum err kept_compile(struct kept *k)
{
    static const char *const types[] = { "CodeSystem", "ValueSet" };
    enum err err = json_parse(k->text, NULL, &k->arena, &k->doc, NULL);
    struct json root = json_root(&k->doc);
    if (!err && !json_string_is(json_member(root, "resourceType"), slice_cstr(types[k->kind])))
        err = ERR_INVALID;
    if (!err)
        err = k->kind == TERMINOLOGY_CODE_SYSTEM ? system_compile(root, &k->arena, &k->system)
                                                 : set_compile(root, &k->arena, &k->set);
    k->is_here = !err;
    /* What the memory of today refuses is not kept as absent; what is too large is. */
    bool is_short = err == ERR_LIMIT && k->arena.total_bytes < KEPT_BYTES / 2;
    return err == ERR_NO_MEMORY || is_short ? ERR_NO_MEMORY : ERR_NONE;
}

static struct kept *kept_new(enum terminology_kind kind)
{
    struct arena arena;
    arena_init(&arena, KEPT_BYTES);
    struct kept *k = arena_alloc(&arena, sizeof *k);
    if (k) {
        k->arena = arena;
        k->kind = kind;
    }
    return k;
}

/* ---- shelves ---- */

static void shelf_init(struct shelf *s)
{
    *s = (struct shelf){ .refs = 1 };
    for (size_t i = 0; i < ARRAY_COUNT(s->maps); i++)
        map_init(&s->maps[i], KEPT_MAX, os_random_u64());
}

static void shelf_free(struct shelf *s)
{
    for (struct kept *k = s->first, *next; k; k = next) {
        next = k->next;
        kept_release(k);
    }
    for (size_t i = 0; i < ARRAY_COUNT(s->maps); i++)
        map_release(&s->maps[i]);
    free(s);
}

static void shelf_unref(struct terminology *t, struct shelf *s)
{
    mutex_lock(&t->lock);
    bool is_last = --s->refs == 0;
    mutex_unlock(&t->lock);
    if (is_last)
        shelf_free(s);
}

enum err terminology_open(const struct terminology_source *source, struct terminology **ret)
{
    struct terminology *t = calloc(1, sizeof *t);
    struct shelf *shelf = malloc(sizeof *shelf);
    if (!t || !shelf) {
        free(t);
        free(shelf);
        return ERR_NO_MEMORY;
    }
    if (source)
        t->source = *source;
    shelf_init(shelf);
    t->shelf = shelf;
    mutex_init(&t->lock);
    *ret = t;
    return ERR_NONE;
}

void terminology_close(struct terminology *t)
{
    if (!t)
        return;
    CHECK(t->shelf->refs == 1); /* nobody asks any more */
    shelf_free(t->shelf);
    mutex_destroy(&t->lock);
    free(t);
}

/* Whoever asks next finds a new shelf, or that there is no memory for one. */
void terminology_forget(struct terminology *t)
{
    mutex_lock(&t->lock);
    t->is_stale = true;
    mutex_unlock(&t->lock);
}

enum err ask_begin(struct ask *ask, struct terminology *t, struct arena *arena)
{
    struct shelf *old = NULL;
    mutex_lock(&t->lock);
    struct shelf *shelf = t->is_stale ? malloc(sizeof *shelf) : t->shelf;
    if (shelf && t->is_stale) {
        shelf_init(shelf);
        old = t->shelf;
        t->shelf = shelf;
        t->is_stale = false;
    }
    if (shelf)
        shelf->refs++;
    mutex_unlock(&t->lock);
    if (old)
        shelf_unref(t, old);
    if (!shelf)
        return ERR_NO_MEMORY;
    *ask = (struct ask){ .t = t, .shelf = shelf, .arena = arena, .steps_left = ASK_STEPS };
    return ERR_NONE;
}

void ask_end(struct ask *ask)
{
    shelf_unref(ask->t, ask->shelf);
}

/* ---- looking ---- */

/* Put it on the shelf, unless another thread was quicker: then that one's is
 * taken. Codings name systems as they like, so that what is not there fills half
 * of the shelf at most. */
static enum err shelf_put(struct ask *ask, struct slice key, struct kept *k, struct kept **ret)
{
    uint64_t *place;
    bool is_new = false;
    mutex_lock(&ask->t->lock);
    struct map *map = &ask->shelf->maps[k->kind];
    bool has_room = k->is_here || map->count < KEPT_MAX / 2;
    enum err err = has_room ? map_put(map, key, &place, &is_new) : ERR_LIMIT;
    if (!err && is_new) {
        *place = (uint64_t)(uintptr_t)k;
        k->next = ask->shelf->first;
        ask->shelf->first = k;
    }
    if (!err)
        *ret = (struct kept *)(uintptr_t)*place;
    mutex_unlock(&ask->t->lock);
    if (err || !is_new)
        kept_release(k);
    return err == ERR_LIMIT ? ERR_NONE : err;
}

static enum err shelf_read(struct ask *ask, enum terminology_kind kind, struct slice key,
                           struct slice url, struct slice version, struct kept **ret)
{
    struct kept *k = kept_new(kind);
    if (!k)
        return ERR_NO_MEMORY;
    char *copy = arena_copy(&k->arena, key);
    enum err err =
        copy ? text_find(ask->t, kind, url, version, &k->arena, &k->text) : ERR_NO_MEMORY;
    if (!err && k->text.bytes)
        err = kept_compile(k);
    if (err) {
        kept_release(k);
        return err;
    }
    return shelf_put(ask, slice_of(copy, key.length), k, ret);
}

/* *ret stays NULL when there is none. */
static enum err kept_find(struct ask *ask, enum terminology_kind kind, struct slice url,
                          struct slice version, struct kept **ret)
{
    char key_room[KEY_BYTES_MAX];
    *ret = NULL;
    if (!url.length || url.length + version.length + 1 > sizeof key_room ||
        memchr(url.bytes, '\0', url.length))
        return ERR_NONE;
    size_t length = url.length;
    memcpy(key_room, url.bytes, url.length);
    if (version.length) {
        key_room[length++] = '|';
        memcpy(key_room + length, version.bytes, version.length);
        length += version.length;
    }
    struct slice key = slice_of(key_room, length);
    mutex_lock(&ask->t->lock);
    const uint64_t *found = map_find(&ask->shelf->maps[kind], key);
    struct kept *k = found ? (struct kept *)(uintptr_t)*found : NULL;
    mutex_unlock(&ask->t->lock);
    if (!k)
        TRY(shelf_read(ask, kind, key, url, version, &k));
    if (k && k->is_here)
        *ret = k;
    return ERR_NONE;
}

enum err ask_system(struct ask *ask, struct slice url, struct slice version,
                    const struct system **ret)
{
    struct kept *k;
    TRY(kept_find(ask, TERMINOLOGY_CODE_SYSTEM, url, version, &k));
    /* A version that is not here: the codes are mostly the same ones. */
    if (!k && version.length)
        TRY(kept_find(ask, TERMINOLOGY_CODE_SYSTEM, url, SLICE_NONE, &k));
    *ret = k ? &k->system : NULL;
    return ERR_NONE;
}

enum err ask_set(struct ask *ask, struct slice canonical, const struct set **ret)
{
    struct kept *k;
    struct slice version = canonical, url = slice_cut(&version, '|');
    TRY(kept_find(ask, TERMINOLOGY_VALUE_SET, url, version, &k));
    *ret = k ? &k->set : NULL;
    return ERR_NONE;
}

enum err terminology_has(struct terminology *t, enum terminology_kind kind, struct slice canonical,
                         struct arena *arena, bool *ret_has)
{
    struct ask ask;
    struct kept *k = NULL;
    struct slice version = canonical, url = slice_cut(&version, '|');
    TRY(ask_begin(&ask, t, arena));
    enum err err = kept_find(&ask, kind, url, version, &k);
    ask_end(&ask);
    TRY(err);
    *ret_has = k != NULL;
    return ERR_NONE;
}
