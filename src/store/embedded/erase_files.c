/* The later steps of an erasure: rows, RocksDB's files, the proof. */
#include "store/embedded/erase.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/thread.h"
#include "store/embedded/cursor.h"
#include "store/embedded/rocks.h"

enum { ROWS_A_BATCH = 256, ROLL_TRIES = 8, SEARCH_ID_BYTES_MIN = 8, SEARCH_PIECE = 1 << 20 };
enum { FILLER_BYTES = 40 << 10 }; /* twice that is more than MANIFEST_BYTES */
enum { BOTTOM_FORCED = 3 };       /* of the C++ enum BottommostLevelCompaction: once each file */

static enum err give_up(struct store *store)
{
    if (atomic_load(&store->is_read_only))
        return ERR_READ_ONLY;
    return atomic_load(&store->closes) ? ERR_BUSY : ERR_NONE;
}

/* ---- rows ---- */

static enum err write_rows(struct store *store, rocksdb_writebatch_t *batch)
{
    for (;;) {
        TRY(give_up(store));
        char *error = NULL;
        rocksdb_write(store->db, store->write_options, batch, &error);
        enum err err = rocks_err(error);
        if (err && err != ERR_BUSY)
            store_latch(store);
        if (err != ERR_BUSY)
            return err;
        os_sleep_us(5000);
    }
}

/* A key of one of these families, for a document. */
static struct slice family_key(enum family family, const struct erased *e, char room[32])
{
    struct version_key_bytes version;
    struct body_key_bytes body;
    if (family == FAMILY_BODY) {
        body_key_encode(e->home, e->type, e->doc, &body);
        memcpy(room, &body, sizeof body);
        return slice_of(room, sizeof body);
    }
    if (family == FAMILY_PLACE) {
        put_be64((uint8_t *)room, e->doc);
        return slice_of(room, 8);
    }
    put_be64(version.entity, e->entity);
    put_be64(version.doc, e->doc);
    memcpy(room, &version, sizeof version);
    return slice_of(room, sizeof version);
}

enum err erase_rows(struct store *store, const struct erased_list *list)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    enum err err = ERR_NONE;
    char room[32];
    for (size_t i = 0; !err && i < list->count; i++) {
        static const enum family families[] = { FAMILY_VERSION, FAMILY_BODY };
        for (size_t f = 0; f < ARRAY_COUNT(families); f++) {
            struct slice key = family_key(families[f], &list->docs[i], room);
            rocksdb_writebatch_delete_cf(batch, store->families[families[f]], key.bytes,
                                         key.length);
        }
        if (i + 1 < list->count && (i + 1) % ROWS_A_BATCH)
            continue;
        err = write_rows(store, batch);
        rocksdb_writebatch_clear(batch);
    }
    rocksdb_writebatch_destroy(batch);
    return err;
}

/* ---- RocksDB's files ---- */

static int by_bytes(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* The keys of a family that were erased, ascending, in the arena. */
static enum err family_keys(const struct erased_list *list, enum family family, struct arena *arena,
                            struct slice **ret, size_t *ret_count)
{
    if (family == FAMILY_ENTITY) {
        *ret = list->keys;
        *ret_count = list->key_count;
        return ERR_NONE;
    }
    struct slice *keys = arena_array(arena, list->count, sizeof *keys);
    if (!keys)
        return ERR_LIMIT;
    for (size_t i = 0; i < list->count; i++) {
        char *room = arena_raw(arena, 32);
        if (!room)
            return ERR_LIMIT;
        keys[i] = family_key(family, &list->docs[i], room);
    }
    if (list->count)
        qsort(keys, list->count, sizeof *keys, by_bytes);
    *ret = keys;
    *ret_count = list->count;
    return ERR_NONE;
}

static size_t erased_seek(const struct slice *keys, size_t count, struct slice key)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(keys[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The erased keys that lie within a file: [*ret_from, *ret_to). */
static void file_keys(const rocksdb_livefiles_t *files, int at, const struct slice *keys,
                      size_t count, size_t *ret_from, size_t *ret_to)
{
    struct slice smallest, largest;
    smallest.bytes = rocksdb_livefiles_smallestkey(files, at, &smallest.length);
    largest.bytes = rocksdb_livefiles_largestkey(files, at, &largest.length);
    *ret_from = erased_seek(keys, count, smallest);
    *ret_to = erased_seek(keys, count, largest);
    if (*ret_to < count && slice_equal(keys[*ret_to], largest))
        ++*ret_to;
}

struct compaction {
    struct store *store;
    enum family family;
    const char *name;
    const struct slice *keys;
    size_t count;
    rocksdb_compactoptions_t *options;
};

/* RocksDB looks into the files: where neither a row nor a deletion lies between
 * the two, it does nothing. */
static void compact(const struct compaction *c, struct slice first, struct slice last)
{
    rocksdb_compact_range_cf_opt(c->store->db, c->store->families[c->family], c->options,
                                 first.bytes, first.length, last.bytes, last.length);
}

/* Of each erased key: does a file below level 0 span it, does one begin between it
 * and the key before? */
struct reach {
    bool is_spanned, is_apart;
};

/* One file after the other, so that keys far apart do not drag what is between
 * them along. The newest ones (level 0) go down with each. A deletion is kept as
 * long as a file below spans its key, whether that has the key or not: from the
 * file's first key on, so that it goes down as far as there is one. */
static enum err files_compact(const struct compaction *c, const rocksdb_livefiles_t *files,
                              struct reach *reach)
{
    for (int i = 0; i < rocksdb_livefiles_count(files); i++) {
        size_t from, to;
        struct slice smallest;
        if (strcmp(rocksdb_livefiles_column_family_name(files, i), c->name) != 0 ||
            !rocksdb_livefiles_level(files, i))
            continue;
        file_keys(files, i, c->keys, c->count, &from, &to);
        smallest.bytes = rocksdb_livefiles_smallestkey(files, i, &smallest.length);
        if (from < c->count)
            reach[from].is_apart = true;
        if (from < to)
            compact(c, smallest, c->keys[to - 1]);
        for (; from < to; from++)
            reach[from].is_spanned = true;
        TRY(give_up(c->store));
    }
    return ERR_NONE;
}

/* Keys that only the newest files may have, as many at once as have no file between
 * them that would be dragged along. */
static enum err newest_compact(const struct compaction *c, const struct reach *reach)
{
    for (size_t from = 0, to; from < c->count; from = to) {
        to = from + 1;
        if (reach[from].is_spanned)
            continue;
        while (to < c->count && !reach[to].is_spanned && !reach[to].is_apart)
            to++;
        compact(c, c->keys[from], c->keys[to - 1]);
        TRY(give_up(c->store));
    }
    return ERR_NONE;
}

static enum err family_compact(const struct compaction *c, struct arena *arena)
{
    struct arena_mark mark = arena_mark(arena);
    struct reach *reach = arena_array(arena, c->count, sizeof *reach);
    if (!reach)
        return ERR_LIMIT;
    const rocksdb_livefiles_t *files = rocksdb_livefiles(c->store->db);
    enum err err = files_compact(c, files, reach);
    rocksdb_livefiles_destroy(files);
    if (!err)
        err = newest_compact(c, reach);
    arena_rewind(arena, mark);
    return err;
}

static const struct {
    enum family family;
    const char *name;
} ERASED_FAMILIES[] = { { FAMILY_ENTITY, "entity" },
                        { FAMILY_VERSION, "version" },
                        { FAMILY_BODY, "body" },
                        { FAMILY_PLACE, "place" },
                        { FAMILY_META, "meta" } };

static enum err flush_all(struct store *store)
{
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    enum err err = ERR_NONE;
    for (size_t f = 0; !err && f < FAMILY_COUNT; f++) {
        char *error = NULL;
        rocksdb_flush_cf(store->db, options, store->families[f], &error);
        err = rocks_err(error);
    }
    rocksdb_flushoptions_destroy(options);
    return err;
}

static enum err current_read(struct store *store, struct buf *out)
{
    char path[4096];
    buf_clear(out);
    snprintf(path, sizeof path, "%s/CURRENT", store->truth_path);
    return os_file_read(path, out);
}

static enum err meta_flush(struct store *store)
{
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    char *error = NULL;
    rocksdb_flush_cf(store->db, options, store->families[FAMILY_META], &error);
    rocksdb_flushoptions_destroy(options);
    return rocks_err(error);
}

static enum err filler_write(struct store *store, const char *key, bool is_there)
{
    char *error = NULL;
    rocksdb_column_family_handle_t *meta = store->families[FAMILY_META];
    if (is_there)
        rocksdb_put_cf(store->db, store->sync_options, meta, key, FILLER_BYTES, "", 0, &error);
    else
        rocksdb_delete_cf(store->db, store->sync_options, meta, key, FILLER_BYTES, &error);
    enum err err = rocks_err(error);
    if (err)
        store_latch(store);
    return err ? err : meta_flush(store);
}

/* The manifest names the first and the last key of files that are gone. Nobody can
 * ask for a new one, but it is begun when the old one is long (MANIFEST_BYTES): a row
 * with a very long key makes it so, and goes again. */
static enum err manifest_roll(struct store *store, rocksdb_compactoptions_t *options)
{
    struct buf before, now;
    struct arena arena;
    buf_init(&before, 4096);
    buf_init(&now, 4096);
    arena_init(&arena, 4 * FILLER_BYTES);
    char *key = arena_raw(&arena, FILLER_BYTES);
    enum err err = key ? current_read(store, &before) : ERR_NO_MEMORY;
    if (key)
        memset(key, META_FILLER, FILLER_BYTES);
    const struct slice ends[] = { slice_of(key, 1), slice_of(key, FILLER_BYTES) };
    const struct compaction c = { .store = store, .family = FAMILY_META, .options = options };
    bool is_same = true;
    for (int i = 0; !err && is_same && i < ROLL_TRIES; i++) {
        err = filler_write(store, key, true);
        err = err ? err : filler_write(store, key, false);
        if (!err)
            compact(&c, ends[0], ends[1]);
        err = err ? err : current_read(store, &now);
        err = err ? err : give_up(store);
        is_same = !err && slice_equal(buf_slice(&before), buf_slice(&now));
    }
    buf_release(&before);
    buf_release(&now);
    arena_release(&arena);
    return err ? err : is_same ? ERR_IO : ERR_NONE;
}

static uint64_t background_errors(struct store *store)
{
    uint64_t count = 0;
    (void)rocksdb_property_int(store->db, "rocksdb.background-errors", &count);
    return count;
}

/* Twice: what was being compacted at the first time may have had a key, and the
 * files that span one may be others by then. RocksDB tells nobody how it went, but
 * counts what failed. */
static enum err compact_family(const struct compaction *c, struct arena *arena)
{
    uint64_t errors = background_errors(c->store);
    if (!c->count)
        return ERR_NONE;
    TRY(family_compact(c, arena));
    TRY(family_compact(c, arena));
    return background_errors(c->store) > errors ? ERR_IO : ERR_NONE;
}

enum err erase_truth_files(struct store *store, const struct erased_list *list)
{
    struct arena arena;
    arena_init(&arena, (size_t)1 << 30);
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(options, BOTTOM_FORCED);
    rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
    enum err err = flush_all(store);
    for (size_t f = 0; !err && f < ARRAY_COUNT(ERASED_FAMILIES); f++) {
        struct compaction c = { .store = store, .family = ERASED_FAMILIES[f].family };
        struct slice *keys = NULL;
        char all[1] = { (char)META_ERASURE }, end[1] = { (char)META_ERASURE + 1 };
        struct slice meta[] = { slice_of(all, 1), slice_of(end, 1) };
        struct arena_mark mark = arena_mark(&arena);
        c.name = ERASED_FAMILIES[f].name;
        c.options = options;
        if (c.family != FAMILY_META)
            err = family_keys(list, c.family, &arena, &keys, &c.count);
        c.keys = c.family == FAMILY_META ? meta : keys;
        if (!err && c.family == FAMILY_META)
            compact(&c, meta[0], meta[1]);
        else if (!err)
            err = compact_family(&c, &arena);
        arena_rewind(&arena, mark);
    }
    if (!err)
        err = manifest_roll(store, options);
    rocksdb_compactoptions_destroy(options);
    arena_release(&arena);
    return err;
}

/* ---- the proof ---- */

static enum err has_row(struct store *store, enum family family, struct slice key, bool *ret)
{
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    TRY(rocks_get(store->db, store->read_options, store->families[family], key, &pin, &value));
    *ret = *ret || pin;
    rocksdb_pinnableslice_destroy(pin);
    return ERR_NONE;
}

struct looking {
    const struct erased_list *list;
    bool is_found;
};

static enum err posting_look(void *context, uint32_t field, struct slice value,
                             const uint64_t *docs, size_t count)
{
    struct looking *l = context;
    (void)field;
    (void)value;
    for (size_t i = 0; i < count; i++) {
        size_t low = 0, high = l->list->count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (l->list->docs[middle].doc < docs[i])
                low = middle + 1;
            else
                high = middle;
        }
        l->is_found = l->is_found || (low < l->list->count && l->list->docs[low].doc == docs[i]);
    }
    return ERR_NONE;
}

enum err erase_prove(struct store *store, const struct erased_list *list, bool *ret_gone)
{
    static const enum family families[] = { FAMILY_VERSION, FAMILY_BODY, FAMILY_PLACE };
    struct looking l = { .list = list };
    char room[32];
    for (size_t i = 0; i < list->count; i++)
        for (size_t f = 0; f < ARRAY_COUNT(families); f++)
            TRY(has_row(store, families[f], family_key(families[f], &list->docs[i], room),
                        &l.is_found));
    struct postings_view *view = postings_view_take(&store->postings);
    const struct postings_reader reader = { .segments = &store->segments, .view = view };
    enum err err = postings_scan_all(&reader, posting_look, &l);
    postings_view_give(view);
    *ret_gone = !l.is_found;
    return err;
}

/* ---- searching the files ---- */

/* Ids of some length, by the hash of their first bytes: a short one stands
 * everywhere by chance. Of a long one the first bytes are left out, for sorted keys
 * leave out what they share with the one before. */
struct needles {
    struct slice *by_head; /* room of them, a power of two; bytes NULL: free */
    uint64_t *lists;       /* of each: a bit, the list that it is from */
    size_t room;
    char *piece;
    size_t kept; /* bytes of the last piece that stand before this one */
};

static uint64_t head_of(const char *bytes)
{
    uint64_t head;
    memcpy(&head, bytes, sizeof head);
    return head * UINT64_C(0x9e3779b97f4a7c15);
}

static struct slice needle_of(struct slice id)
{
    return id.length >= 2 * SEARCH_ID_BYTES_MIN ? slice_from(id, SEARCH_ID_BYTES_MIN / 2) : id;
}

static void needle_add(struct needles *n, struct slice id, uint64_t list)
{
    size_t at = (size_t)(head_of(id.bytes) >> 32) & (n->room - 1);
    while (n->by_head[at].bytes)
        at = (at + 1) & (n->room - 1);
    n->by_head[at] = id;
    n->lists[at] = list;
}

/* The lists of which it has an id. */
static uint64_t piece_has(const struct needles *n, size_t length)
{
    uint64_t lists = 0;
    for (size_t i = 0; i + SEARCH_ID_BYTES_MIN <= length; i++) {
        size_t at = (size_t)(head_of(n->piece + i) >> 32) & (n->room - 1);
        for (; n->by_head[at].bytes; at = (at + 1) & (n->room - 1)) {
            struct slice id = n->by_head[at];
            if (id.length <= length - i && memcmp(n->piece + i, id.bytes, id.length) == 0)
                lists |= n->lists[at];
        }
    }
    return lists;
}

static enum err file_search(struct needles *n, const char *path, uint64_t *ret_found)
{
    FILE *in = fopen(path, "rb");
    *ret_found = 0;
    if (!in)
        return ERR_NONE; /* gone meanwhile: a file that was replaced */
    size_t kept = 0, got;
    while ((got = fread(n->piece + kept, 1, SEARCH_PIECE, in)) > 0) {
        size_t length = kept + got;
        *ret_found |= piece_has(n, length);
        kept = MIN(length, (size_t)ID_BYTES_MAX);
        memmove(n->piece, n->piece + length - kept, kept);
    }
    bool is_bad = ferror(in);
    fclose(in);
    return is_bad ? ERR_IO : ERR_NONE;
}

struct searching {
    struct store *store;
    struct needles *needles;
    const char *folder;
    uint64_t files, *found; /* of each list */
};

static enum err search_one(void *context, const char *name)
{
    struct searching *s = context;
    char path[4096];
    uint64_t found = 0;
    TRY(give_up(s->store));
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    TRY(file_search(s->needles, path, &found));
    s->files++;
    for (; found; found &= found - 1)
        s->found[__builtin_ctzll(found)]++;
    return ERR_NONE;
}

static enum err needles_fill(struct needles *n, const struct erased_list *lists, size_t count,
                             struct arena *arena)
{
    size_t ids = 0;
    for (size_t l = 0; l < count; l++)
        ids += lists[l].key_count;
    for (n->room = 64; n->room < 2 * ids;)
        n->room *= 2;
    n->by_head = arena_array(arena, n->room, sizeof *n->by_head);
    n->lists = arena_array(arena, n->room, sizeof *n->lists);
    n->piece = arena_raw(arena, SEARCH_PIECE + ID_BYTES_MAX);
    if (!n->by_head || !n->lists || !n->piece)
        return ERR_LIMIT;
    for (size_t l = 0; l < count; l++)
        for (size_t i = 0; i < lists[l].key_count; i++)
            if (lists[l].keys[i].length - 2 >= SEARCH_ID_BYTES_MIN)
                needle_add(n, needle_of(slice_from(lists[l].keys[i], 2)), (uint64_t)1 << l);
    return ERR_NONE;
}

enum err erase_search(struct store *store, const struct erased_list *lists, size_t count,
                      uint64_t *ret_files, uint64_t ret_found[])
{
    struct arena arena;
    struct needles n = { .room = 0 };
    struct searching s = { .store = store, .needles = &n, .found = ret_found };
    CHECK(count <= ERASE_GROUP);
    arena_init(&arena, (size_t)1 << 30);
    memset(ret_found, 0, count * sizeof *ret_found);
    enum err err = needles_fill(&n, lists, count, &arena);
    const char *folders[] = { store->truth_path, store->index_path };
    for (size_t i = 0; !err && i < ARRAY_COUNT(folders); i++) {
        s.folder = folders[i];
        err = os_folder_each(folders[i], search_one, &s);
    }
    arena_release(&arena);
    *ret_files = s.files;
    return err;
}
