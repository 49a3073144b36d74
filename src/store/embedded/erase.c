/* Erasures: their list, and what the keeper does about them. */
#include "store/embedded/erase.h"

#include <stdlib.h>

#include "os/clock.h"
#include "os/thread.h"
#include "store/embedded/rocks.h"

enum { GROUP_DOCUMENTS = 1000000, PROVE_TRIES = 3, CHECKPOINT_WAIT_US = 5000 };
static const size_t LIST_BYTES_MAX = (size_t)4 << 30;

/* ---- the list ---- */

enum err erasure_restore(struct store *store, struct slice name, struct slice value)
{
    if (name.length != 8)
        return ERR_NONE; /* a piece; read when its turn has come */
    const struct erasure_row_bytes *row = (const struct erasure_row_bytes *)value.bytes;
    struct erasure *e = calloc(1, sizeof *e); /* lives as long as the store */
    if (!e)
        return ERR_NO_MEMORY;
    if (value.length != sizeof *row) {
        free(e);
        return ERR_CORRUPT;
    }
    e->about = (struct store_erasure){ .number = get_be64((const uint8_t *)name.bytes),
                                       .stage = row->stage[0],
                                       .resources = get_be64(row->resources),
                                       .versions = get_be64(row->versions),
                                       .begun = get_instant(row->begun),
                                       .ended = get_instant(row->ended),
                                       .files = get_be64(row->files),
                                       .found = get_be64(row->found) };
    e->next = store->erasures.newest; /* rows come in order of their numbers */
    store->erasures.newest = e;
    store->erasures.next_number = e->about.number + 1;
    return ERR_NONE;
}

void erasures_free(struct store *store)
{
    for (struct erasure *e = store->erasures.newest, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    store->erasures.newest = NULL;
}

bool store_erasure_find(struct store *store, uint64_t number, struct store_erasure *ret)
{
    bool is_found = false;
    mutex_lock(&store->erasures.lock);
    for (struct erasure *e = store->erasures.newest; e && !is_found; e = e->next) {
        is_found = e->about.number == number;
        if (is_found)
            *ret = e->about;
    }
    mutex_unlock(&store->erasures.lock);
    return is_found;
}

uint64_t store_erasures_open(struct store *store)
{
    uint64_t count = 0;
    mutex_lock(&store->erasures.lock);
    for (struct erasure *e = store->erasures.newest; e; e = e->next)
        count += e->about.stage == STORE_ERASING;
    mutex_unlock(&store->erasures.lock);
    return count;
}

/* The oldest that are not finished, at most ERASE_GROUP, the oldest first. */
static size_t next_find(struct store *store, struct store_erasure ret[])
{
    size_t open = 0, count;
    mutex_lock(&store->erasures.lock);
    for (struct erasure *e = store->erasures.newest; e; e = e->next)
        open += e->about.stage == STORE_ERASING;
    count = MIN(open, (size_t)ERASE_GROUP);
    for (struct erasure *e = store->erasures.newest; e; e = e->next)
        if (e->about.stage == STORE_ERASING && open-- <= count)
            ret[open] = e->about;
    mutex_unlock(&store->erasures.lock);
    return count;
}

/* ---- the steps ---- */

/* Everything up to `last` is in segments, so in no run in memory. */
static enum err tail_write(struct store *store, uint64_t last)
{
    for (;;) {
        TRY(postings_checkpoint(&store->postings));
        struct postings_view *view = postings_view_take(&store->postings);
        bool is_done = view->covers >= last || !view->count;
        postings_view_give(view);
        if (is_done)
            return ERR_NONE;
        if (atomic_load(&store->is_read_only))
            return ERR_READ_ONLY;
        if (atomic_load(&store->closes))
            return ERR_BUSY;
        os_sleep_us(CHECKPOINT_WAIT_US); /* for commits that are not visible yet */
    }
}

static enum err index_erase(struct store *store, const struct erased_list *list,
                            uint64_t begun_before, struct arena *arena)
{
    uint64_t *docs = arena_array(arena, list->count, sizeof *docs);
    if (!docs)
        return ERR_LIMIT;
    for (size_t i = 0; i < list->count; i++)
        docs[i] = list->docs[i].doc;
    if (!list->count)
        return ERR_NONE;
    TRY(tail_write(store, docs[list->count - 1]));
    return postings_rewrite(&store->postings, docs, list->count, begun_before, &store->closes);
}

/* The record names what was erased, so it goes too, in the same way; the count of
 * it stays. */
static enum err record_end(struct store *store, const struct store_erasure *about, bool is_last)
{
    char first[10] = { (char)META_ERASURE }, end[9] = { (char)META_ERASURE };
    put_be64((uint8_t *)first + 1, about->number); /* one byte longer than the status's key */
    put_be64((uint8_t *)end + 1, about->number + 1);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_iterator_t *it =
        rocksdb_create_iterator_cf(store->db, store->read_options, store->families[FAMILY_META]);
    for (rocksdb_iter_seek(it, first, sizeof first); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        struct slice key = rocks_iter_key(it);
        if (slice_compare(key, slice_of(end, sizeof end)) >= 0)
            break;
        rocksdb_writebatch_delete_cf(batch, store->families[FAMILY_META], key.bytes, key.length);
    }
    enum err err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    if (is_last)
        erasure_status_put(store, batch, about);
    char *error = NULL;
    if (!err) {
        rocksdb_write(store->db, store->sync_options, batch, &error);
        err = rocks_err(error);
        if (err)
            store_latch(store);
    }
    rocksdb_writebatch_destroy(batch);
    return err;
}

static enum err steps(struct store *store, const struct erased_list *list, struct arena *arena)
{
    /* All that was begun before has a lower number; what begins now knows who is gone. */
    uint64_t begun_before = segments_number(&store->segments);
    mutex_lock(&store->erasures.side_lock); /* what was being written is shown by now */
    mutex_unlock(&store->erasures.side_lock);
    TRY(gate_wait(&store->gate, &store->closes));
    TRY(erase_rows(store, list));
    TRY(index_erase(store, list, begun_before, arena));
    TRY(erase_truth_files(store, list));
    TRY(gate_wait(&store->gate, &store->closes)); /* who still holds old files */
    bool is_gone = false;
    TRY(erase_prove(store, list, &is_gone));
    return is_gone ? ERR_NONE : ERR_CORRUPT;
}

static void finish(struct store *store, const struct store_erasure *about)
{
    mutex_lock(&store->erasures.lock);
    for (struct erasure *e = store->erasures.newest; e; e = e->next)
        if (e->about.number == about->number)
            e->about = *about;
    mutex_unlock(&store->erasures.lock);
}

/* Several share one going through the files, which costs most of it. */
struct group {
    struct store_erasure about[ERASE_GROUP];
    struct erased_list lists[ERASE_GROUP]; /* of each */
    struct erased_list all;
    size_t count;
    uint64_t found[ERASE_GROUP], files;
};

static enum err group_read(struct store *store, struct group *g, struct arena *arena)
{
    size_t found = next_find(store, g->about);
    g->all.arena = arena;
    while (g->count < found && (!g->count || g->all.count < GROUP_DOCUMENTS)) {
        struct erased_list *list = &g->lists[g->count];
        list->arena = arena;
        TRY(erasure_list_read(store, g->about[g->count].number, list));
        TRY(erasure_list_read(store, g->about[g->count].number, &g->all));
        g->count++;
    }
    return ERR_NONE;
}

static enum err group_steps(struct store *store, struct group *g, struct arena *arena)
{
    enum err err = ERR_NONE;
    for (int tries = 0; !err; tries++) {
        err = steps(store, &g->all, arena);
        if (err != ERR_CORRUPT || tries == PROVE_TRIES || atomic_load(&store->segments.damaged))
            break;
        err = ERR_NONE;
    }
    /* Once the pieces are gone nobody knows what to search for after a crash: then
     * the counts say 0 files. */
    for (size_t i = 0; !err && i < g->count; i++) {
        g->about[i].stage = STORE_ERASED;
        g->about[i].ended = os_now_us();
        g->about[i].files = g->about[i].found = 0;
        err = record_end(store, &g->about[i], true);
    }
    TRY(err);
    TRY(erase_truth_files(store, &(struct erased_list){ .arena = arena }));
    return erase_search(store, g->lists, g->count, &g->files, g->found);
}

static enum err group_run(struct store *store, bool *ret_any)
{
    struct arena arena;
    arena_init(&arena, LIST_BYTES_MAX);
    struct group *g = arena_alloc(&arena, sizeof *g);
    enum err err = g ? group_read(store, g, &arena) : ERR_NO_MEMORY;
    *ret_any = g && g->count;
    if (!err && g->count)
        err = group_steps(store, g, &arena);
    for (size_t i = 0; !err && i < g->count; i++) {
        g->about[i].files = g->files;
        g->about[i].found = g->found[i];
        err = record_end(store, &g->about[i], true);
        if (!err)
            finish(store, &g->about[i]);
    }
    arena_release(&arena);
    return err;
}

enum err erasures_run(struct store *store)
{
    enum err err = ERR_NONE;
    bool is_any = true;
    mutex_lock(&store->horizon.lock);
    while (!err && is_any && !atomic_load(&store->closes))
        err = group_run(store, &is_any);
    mutex_unlock(&store->horizon.lock);
    return err;
}
