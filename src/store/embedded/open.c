/* Opening and closing: RocksDB's settings, what is restored, what is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"
#include "os/thread.h"
#include "store/embedded/engine.h"
#include "store/embedded/erase.h"
#include "store/embedded/rocks.h"

enum {
    DEFAULT_CACHE_BYTES = 64 << 20,
    DEFAULT_MEMTABLE_BYTES = 16 << 20,
    LOG_BYTES_MAX = 48 << 20, /* read again after a kill */
    LEVEL0_FILES = 4,
    LEVEL0_FILES_WIDE = 8, /* of families whose every memtable spans all their keys */
    BODY_LEVEL_BYTES = 32 << 20,
    MANIFEST_BYTES = 64 << 10, /* begun anew past that; see erase_files.c */
    BLOCK_BYTES = 8 * 1024,    /* of families other than the bodies' */
    ZSTD_WINDOW_DEFAULT = -14, /* RocksDB's word for it */
    DEFAULT_MERGE_THREADS = 2,
    DEFAULT_INDEX_BYTES = 128 << 20,
};
static const int64_t CLOCK_BEHIND_US_MAX = (int64_t)3600 * 1000 * 1000;

static const char *const family_names[FAMILY_COUNT] = {
    "default", "entity", "version", "body", "place", "death", "log", "meta",
};

/* ---- settings ---- */

static rocksdb_options_t *family_options_new(enum family family, size_t memtable_bytes,
                                             rocksdb_cache_t *cache)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_write_buffer_size(o, memtable_bytes);
    rocksdb_options_set_max_write_buffer_number(o, 6);
    /* Writers never wait in the ordered section (no_slowdown), so stalls are
     * pushed far out and the tail of the index is what holds writers back. */
    bool is_body = family == FAMILY_BODY, is_wide = is_body || family == FAMILY_ENTITY;
    rocksdb_options_set_level0_file_num_compaction_trigger(
        o, is_wide ? LEVEL0_FILES_WIDE : LEVEL0_FILES);
    rocksdb_options_set_level0_slowdown_writes_trigger(o, 60);
    rocksdb_options_set_level0_stop_writes_trigger(o, 100);
    rocksdb_options_set_soft_pending_compaction_bytes_limit(o, (size_t)256 << 30);
    rocksdb_options_set_hard_pending_compaction_bytes_limit(o, (size_t)512 << 30);
    if (is_body) {
        /* Where records change here and there each memtable spans all of them, and level 0
         * is merged into the whole of level 1: that must not be much larger. What is new
         * lies behind all others, and its files move down as they are. */
        rocksdb_options_set_max_bytes_for_level_base(o, BODY_LEVEL_BYTES);
        rocksdb_options_set_target_file_size_base(o, BODY_LEVEL_BYTES);
        rocksdb_options_set_target_file_size_multiplier(o, 2);
        rocksdb_options_set_optimize_filters_for_hits(o, 1);
    }
    rocksdb_options_set_compression(o, is_body ? rocksdb_zstd_compression
                                               : rocksdb_lz4_compression);
    rocksdb_options_set_compression_options(o, ZSTD_WINDOW_DEFAULT, FRAME_LEVEL, 0, 0);
    /* Most lookups of a load find nothing, and a body's block is dear to look into. */
    rocks_options_table(o, cache, is_body ? FRAME_ALONE_BYTES : BLOCK_BYTES, is_wide);
    if (family == FAMILY_ENTITY) {
        rocksdb_options_set_memtable_whole_key_filtering(o, 1);
        rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, 0.05);
    }
    return o;
}

static void db_options_set(rocksdb_options_t *o)
{
    rocks_options_common(o);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_max_total_wal_size(o, LOG_BYTES_MAX);
    rocksdb_options_set_max_manifest_file_size(o, MANIFEST_BYTES);
    rocksdb_options_set_wal_recovery_mode(o, rocksdb_point_in_time_recovery);
    rocksdb_options_set_recycle_log_file_num(o, 0);
}

static void options_new(struct store *store, const struct store_settings *settings)
{
    size_t cache = settings->cache_bytes ? settings->cache_bytes : DEFAULT_CACHE_BYTES;
    size_t memtable =
        settings->memtable_bytes ? settings->memtable_bytes : DEFAULT_MEMTABLE_BYTES;
    store->cache = rocksdb_cache_create_lru(cache);
    for (size_t f = 0; f < FAMILY_COUNT; f++)
        store->family_options[f] = family_options_new((enum family)f, memtable, store->cache);
    store->db_options = rocksdb_options_create();
    db_options_set(store->db_options);
    store->read_options = rocksdb_readoptions_create();
    store->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_no_slowdown(store->write_options, 1);
    store->sync_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->sync_options, 1);
}

/* ---- opening RocksDB ---- */

static enum err open_error(char *text, struct arena *arena, struct slice *error)
{
    *error = arena_printf(arena, "cannot open the store: %s", text);
    bool is_busy = slice_find(slice_cstr(text), SLICE("lock")) >= 0;
    enum err err = rocks_err(text);
    return is_busy ? ERR_BUSY : err;
}

/* RocksDB's threads are as nice as the thread that starts them. Compactions give way: they
 * start with the opening of the first store, by a thread that ends with it. Flushes do not,
 * since the memory that waits for them grows with the load: they have started by then. */
struct opening_thread {
    struct store *store;
    char *text;
};

static void *rocks_open_nicely(void *context)
{
    struct opening_thread *o = context;
    struct store *store = o->store;
    os_thread_be_nice();
    store->db = rocksdb_open_column_families(
        store->db_options, store->truth_path, FAMILY_COUNT, family_names,
        (const rocksdb_options_t *const *)store->family_options, store->families, &o->text);
    return NULL;
}

static enum err rocks_open(struct store *store, struct arena *arena, struct slice *error)
{
    struct opening_thread o = { .store = store };
    pthread_t thread;
    rocksdb_env_t *env = rocksdb_create_default_env(); /* the one of the process */
    rocksdb_env_set_high_priority_background_threads(env, 1);
    rocksdb_env_destroy(env);
    TRY(thread_start(&thread, rocks_open_nicely, &o));
    thread_join(thread);
    if (o.text) {
        store->db = NULL;
        return open_error(o.text, arena, error);
    }
    for (size_t f = 0; f < FAMILY_COUNT; f++)
        store->family_ids[f] = rocksdb_column_family_handle_get_id(store->families[f]);
    return ERR_NONE;
}

/* ---- restoring ---- */

static enum err restore_meta(struct store *store, struct slice key, struct slice value)
{
    struct slice name = slice_from(key, 1);
    const uint8_t *bytes = (const uint8_t *)value.bytes;
    switch (key.bytes[0]) {
    case META_FORMAT:
        if (value.length != 4 || get_be32(bytes) < STORE_FORMAT_VERSION ||
            get_be32(bytes) > STORE_FORMAT_GAPS)
            return ERR_UNSUPPORTED;
        atomic_store(&store->has_gaps, get_be32(bytes) == STORE_FORMAT_GAPS);
        return ERR_NONE;
    case META_CHECK:
        return checker_restore(store, name, value);
    case META_ERASURE:
        return erasure_restore(store, name, value);
    case META_HORIZON:
        return horizon_restore(store, value);
    case META_PURGED:
        return horizon_purged_restore(store, value);
    case META_ENTITIES:
        if (value.length != 8)
            return ERR_CORRUPT;
        store->entities.next = store->entities.limit = get_be64(bytes);
        return ERR_NONE;
    case META_TYPE:
        return value.length == 2 ? types_enter(store->types, name, get_be16(bytes)) : ERR_CORRUPT;
    case META_DICTIONARY:
        return frame_dictionary_add(&store->frames, value);
    default:
        return ERR_NONE;
    }
}

/* All but the user's records, which sort last ('u') and may be many. */
static enum err restore_metas(struct store *store, bool *ret_any)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(store->db, store->read_options,
                                                        store->families[FAMILY_META]);
    enum err err = ERR_NONE;
    *ret_any = false;
    for (rocksdb_iter_seek_to_first(it); !err && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        struct slice key = rocks_iter_key(it);
        if (!key.length || key.bytes[0] == META_USER)
            break;
        *ret_any = true;
        err = restore_meta(store, key, rocks_iter_value(it));
    }
    if (!err)
        err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    return err;
}

/* The last commit says which document and instant come next. */
static enum err restore_log(struct store *store)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(store->db, store->read_options,
                                                        store->families[FAMILY_LOG]);
    rocksdb_iter_seek_to_last(it);
    store->next_doc = 1;
    store->last_instant = 0;
    enum err err = ERR_NONE;
    if (rocksdb_iter_valid(it)) {
        struct slice key = rocks_iter_key(it), value = rocks_iter_value(it);
        if (key.length == 8 && value.length == sizeof(struct log_row_bytes)) {
            const struct log_row_bytes *row = (const struct log_row_bytes *)value.bytes;
            store->next_doc = get_be64(row->last) + 1;
            store->last_instant = get_instant((const uint8_t *)key.bytes);
        } else {
            err = ERR_CORRUPT;
        }
    } else {
        err = rocks_iter_err(it);
    }
    rocksdb_iter_destroy(it);
    atomic_store(&store->written, store->next_doc - 1);
    return err;
}

static enum err restore(struct store *store)
{
    bool any = false;
    TRY(restore_metas(store, &any));
    if (!any) {
        uint8_t format[4];
        put_be32(format, STORE_FORMAT_VERSION);
        TRY(meta_put(store, META_FORMAT, SLICE_NONE, slice_of((char *)format, sizeof format)));
        store->entities.next = store->entities.limit = 1;
    }
    if (!store->entities.limit)
        store->entities.next = store->entities.limit = 1;
    return restore_log(store);
}

/* ---- deaths ---- */

static enum err death_load_some(void *context, uint64_t first, uint64_t count,
                                death_found *enter, void *deaths)
{
    struct store *store = context;
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(store->db, store->read_options,
                                                        store->families[FAMILY_DEATH]);
    uint8_t from[8];
    put_be64(from, first);
    enum err err = ERR_NONE;
    rocksdb_iter_seek(it, (char *)from, sizeof from);
    for (; !err && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        struct slice key = rocks_iter_key(it), value = rocks_iter_value(it);
        if (key.length != 8 || value.length != 8) {
            err = ERR_CORRUPT;
            break;
        }
        uint64_t doc = get_be64((const uint8_t *)key.bytes);
        if (doc - first >= count)
            break;
        err = enter(deaths, doc, get_be64((const uint8_t *)value.bytes));
    }
    if (!err)
        err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    return err;
}

static enum err death_look_up(void *context, uint64_t doc, uint64_t *ret_killer)
{
    struct store *store = context;
    uint8_t key[8];
    put_be64(key, doc);
    rocksdb_pinnableslice_t *pin = NULL;
    struct slice value;
    TRY(rocks_get(store->db, store->read_options, store->families[FAMILY_DEATH],
                  slice_of((char *)key, sizeof key), &pin, &value));
    enum err err = pin && value.length == 8 ? ERR_NONE : ERR_CORRUPT;
    if (!err)
        *ret_killer = get_be64((const uint8_t *)value.bytes);
    rocksdb_pinnableslice_destroy(pin);
    return err;
}

/* ---- the index ---- */

/* Memory or disk that is short was so before the manifest, or before it was shown: what
 * is on the disk and what is seen are both right. Of a write nobody knows. */
static void change_failed(void *context, enum err err)
{
    if (!store_is_short(err))
        store_latch(context);
}

/* The dead of a merge: read from the truth, for the pages of death.h would all be
 * loaded and kept. What killed itself is a deletion, which has no postings, or was
 * erased. */
static enum err dead_bit(void *context, uint64_t doc, uint64_t killer)
{
    struct merge_dead *d = context;
    uint64_t at = doc - d->first, bit = (uint64_t)1 << (at % 64);
    if (killer <= d->gone || killer == doc) {
        d->gone_bits[at / 64] |= bit;
        d->gone_count++;
    } else if (killer <= d->until) {
        d->dead_bits[at / 64] |= bit;
        d->dead_count++;
    }
    return ERR_NONE;
}

static enum err deaths_between(void *context, struct merge_dead *dead)
{
    return death_load_some(context, dead->first, dead->last - dead->first + 1, dead_bit, dead);
}

/* The manifest's table under today's rules. What lies above the segments is derived
 * again with them, and so need not be scanned. */
static enum err index_fields(uint64_t covers, const struct store_rules *rules,
                             struct fields **fields)
{
    struct fields *cut = NULL, *made = NULL;
    bool is_changed = false;
    TRY(fields_cut(*fields, covers, &cut));
    enum err err = fields_change(cut, rules->list, rules->count, rules->number, covers, &made,
                                 &is_changed);
    fields_unref(cut);
    if (err)
        return err;
    fields_unref(*fields);
    *fields = made;
    return ERR_NONE;
}

static void segment_is_damaged(void *context)
{
    store_rebuild_wake(context);
}

static enum err index_open(struct store *store, const struct store_settings *wanted,
                           const struct store_rules *rules)
{
    const struct segments_settings where = {
        .folder = store->index_path,
        .rules_hash = wanted->rules_hash,
        .last = atomic_load(&store->written),
        .derive_most = POSTINGS_TAIL_DOCS_MAX,
        .keep = wanted->keep_index,
    };
    struct segment_set *set = NULL;
    struct fields *fields = NULL;
    TRY(segments_open(&store->segments, &where, &set, &fields));
    store->segments.notice = segment_is_damaged;
    store->segments.context = store;
    enum err err = index_fields(store->segments.is_lost ? 0 : set->covers, rules, &fields);
    if (err) {
        segment_set_unref(set);
        fields_unref(fields);
        return err;
    }
    const struct postings_settings settings = {
        .segments = &store->segments,
        .set = set,
        .fields = fields,
        .deaths = deaths_between,
        .tail_bytes = wanted->index_bytes ? wanted->index_bytes : DEFAULT_INDEX_BYTES,
        .merge_threads = wanted->merge_threads ? wanted->merge_threads : DEFAULT_MERGE_THREADS,
        .visible = &store->visible,
        .gone = &store->horizon.gone,
        .failed = change_failed,
        .context = store,
    };
    if ((err = postings_open(&store->postings, &settings))) {
        segment_set_unref(set);
        fields_unref(fields);
        return err;
    }
    store->derive_from = set->covers;
    const struct segments_change none = { .covers = set->covers };
    if (store->segments.is_lost)
        TRY(postings_change(&store->postings, &none, NULL, NULL, 0));
    TRY(postings_start(&store->postings));
    if (!wanted->keep_index)
        TRY(store_rebuild_start(store));
    bool is_whole = store->derive_from == atomic_load(&store->visible);
    if (!is_whole && !wanted->keep_index)
        return store_derive_start(store);
    store->index_err = is_whole ? ERR_NONE : store_derive(store);
    atomic_store(&store->index_is_done, true);
    return store->index_err;
}

/* ---- the store ---- */

static char *path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size); /* kept until the store closes */
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static enum err store_init(struct store *store, const struct store_settings *settings)
{
    store->extract = settings->extract;
    store->extract_some = settings->extract_some;
    store->rules_number = settings->rules_number;
    store->extract_context = settings->extract_context;
    store->notice = settings->notice;
    store->notice_context = settings->notice_context;
    store->seed = os_random_u64();
    mutex_init(&store->ordered);
    for (size_t i = 0; i < STORE_CONDITION_LOCKS; i++)
        mutex_init(&store->condition_locks[i]);
    mutex_init(&store->meta_lock);
    mutex_init(&store->horizon.lock);
    mutex_init(&store->erasures.hide_lock);
    mutex_init(&store->erasures.side_lock);
    mutex_init(&store->erasures.lock);
    store->erasures.next_number = 1;
    mutex_init(&store->keeper.lock);
    cond_init(&store->keeper.work);
    mutex_init(&store->checker.lock);
    cond_init(&store->checker.work);
    gate_init(&store->gate);
    store->horizon.keep_us = settings->keep_index ? 0 : settings->history_us;
    mutex_init(&store->rules_lock);
    mutex_init(&store->rebuild_lock);
    cond_init(&store->rebuild_work);
    mutex_init(&store->sync.lock);
    mutex_init(&store->entities.lock);
    cond_init(&store->sync.done);
    frame_pool_init(&store->frames);
    options_new(store, settings);
    TRY(recent_init(&store->recent));
    TRY(deaths_init(&store->deaths, death_load_some, death_look_up, store));
    store->types = malloc(sizeof *store->types);
    store->births = malloc(sizeof *store->births);
    store->truth_path = path_join(settings->folder, "truth");
    store->index_path = path_join(settings->folder, "index");
    if (store->types)
        types_init(store->types);
    if (store->births)
        births_init(store->births, store->seed);
    return store->types && store->births && store->truth_path && store->index_path
               ? ERR_NONE
               : ERR_NO_MEMORY;
}

static void store_free(struct store *store)
{
    checker_stop(store);
    keeper_stop(store);
    store_derive_stop(store);
    store_rebuild_stop(store);
    store_repair_end(store);
    postings_close(&store->postings);
    for (size_t f = 0; f < FAMILY_COUNT; f++) {
        if (store->families[f])
            rocksdb_column_family_handle_destroy(store->families[f]);
    }
    if (store->db)
        rocksdb_close(store->db);
    for (size_t f = 0; f < FAMILY_COUNT; f++)
        rocksdb_options_destroy(store->family_options[f]);
    rocksdb_options_destroy(store->db_options);
    rocksdb_readoptions_destroy(store->read_options);
    rocksdb_writeoptions_destroy(store->write_options);
    rocksdb_writeoptions_destroy(store->sync_options);
    rocksdb_cache_destroy(store->cache);
    deaths_release(&store->deaths);
    recent_release(&store->recent);
    if (store->types)
        types_release(store->types);
    if (store->births)
        births_release(store->births);
    free(store->types);
    free(store->births);
    free(store->truth_path);
    free(store->index_path);
    frame_pool_release(&store->frames);
    cond_destroy(&store->sync.done);
    mutex_destroy(&store->entities.lock);
    mutex_destroy(&store->sync.lock);
    cond_destroy(&store->rebuild_work);
    mutex_destroy(&store->rebuild_lock);
    mutex_destroy(&store->rules_lock);
    mutex_destroy(&store->meta_lock);
    mutex_destroy(&store->horizon.lock);
    erasures_free(store);
    checker_free(store);
    cond_destroy(&store->checker.work);
    mutex_destroy(&store->checker.lock);
    mutex_destroy(&store->erasures.hide_lock);
    mutex_destroy(&store->erasures.side_lock);
    mutex_destroy(&store->erasures.lock);
    cond_destroy(&store->keeper.work);
    mutex_destroy(&store->keeper.lock);
    gate_release(&store->gate);
    mutex_destroy(&store->ordered);
    for (size_t i = 0; i < STORE_CONDITION_LOCKS; i++)
        mutex_destroy(&store->condition_locks[i]);
    free(store);
}

static enum err open_all(struct store *store, const struct store_settings *settings,
                         struct arena *arena, struct slice *error)
{
    *error = SLICE("cannot open the store");
    TRY(store_init(store, settings));
    TRY(os_folder_make(settings->folder, 0700));
    TRY(rocks_open(store, arena, error));
    *error = SLICE("the store's small records are damaged or of another version");
    TRY(restore(store));
    if (store->last_instant > os_now_us() + CLOCK_BEHIND_US_MAX &&
        !settings->accept_clock_ahead) {
        *error = SLICE("the clock is more than an hour behind the store's last write; set the "
                       "clock, or accept that new instants continue from there");
        return ERR_CONFLICT;
    }
    /* What recovery found is durable before anybody sees it. */
    char *text = NULL;
    rocksdb_flush_wal(store->db, 1, &text);
    TRY(rocks_err(text));
    store->sync.synced = atomic_load(&store->written);
    atomic_store(&store->visible, store->sync.synced);
    struct store_rules rules = settings->rules;
    *error = SLICE("the rules that are kept in the store could not be read");
    if (settings->opened)
        TRY(settings->opened(settings->extract_context, store, &rules));
    *error = SLICE("the index could not be derived from the stored bodies");
    enum err err = index_open(store, settings, &rules);
    if (settings->keep_index && err == ERR_CONFLICT)
        *error = SLICE("the index was made under other rules (another version or base URL)");
    else if (settings->keep_index && err == ERR_CORRUPT)
        *error = SLICE("the index is damaged");
    TRY(err);
    store->disk_reserve_bytes = settings->disk_reserve_bytes;
    store_disk_look(store);
    *error = SLICE("the store's threads could not be started");
    if (!settings->keep_index)
        TRY(keeper_start(store));
    TRY(checker_start(store));
    *error = SLICE_NONE;
    return ERR_NONE;
}

enum err store_open(const struct store_settings *settings, struct arena *arena,
                    struct store **ret_store, struct slice *error)
{
    CHECK(settings->extract);
    struct store *store = calloc(1, sizeof *store); /* lives until store_close() */
    if (!store)
        return ERR_NO_MEMORY;
    enum err err = open_all(store, settings, arena, error);
    if (err) {
        store_free(store);
        return err;
    }
    *ret_store = store;
    return ERR_NONE;
}

/* Leave nothing to replay: the tail goes to a segment, the memtables to
 * files, so that the next start reads neither log nor bodies. */
static enum err close_flush(struct store *store)
{
    enum err err = postings_checkpoint(&store->postings);
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    for (size_t f = 0; f < FAMILY_COUNT; f++) {
        char *error = NULL;
        rocksdb_flush_cf(store->db, options, store->families[f], &error);
        enum err one = rocks_err(error);
        err = err ? err : one;
    }
    rocksdb_flushoptions_destroy(options);
    return err;
}

enum err store_close(struct store *store)
{
    if (!store)
        return ERR_NONE;
    while (atomic_load_explicit(&store->writers, memory_order_acquire))
        os_sleep_us(1000);
    keeper_stop(store);
    checker_stop(store);
    CHECK(gate_count(&store->gate) == 0);
    store_derive_stop(store);
    store_rebuild_stop(store);
    postings_stop(&store->postings);
    enum err err = atomic_load(&store->is_read_only) ? ERR_READ_ONLY : close_flush(store);
    store_free(store);
    return err;
}

void store_figures(struct store *store, struct store_figures *ret)
{
    store_disk_look(store);
    *ret = (struct store_figures){
        .documents = atomic_load(&store->written),
        .commits = atomic_load(&store->commits),
        .syncs = atomic_load(&store->syncs),
        .ordered_ns = atomic_load(&store->ordered_ns),
        .ordered_docs = atomic_load(&store->ordered_docs),
        .is_read_only = atomic_load(&store->is_read_only),
        .is_full = atomic_load(&store->is_full),
        .disk_free_bytes = atomic_load(&store->disk_free_bytes),
        .index_is_ready = atomic_load(&store->index_is_done) && !store->index_err,
    };
    struct repair_figures repair;
    struct postings_view *view = postings_view_take(&store->postings);
    store_repair_figures(view, &repair);
    postings_view_give(view);
    ret->index_is_ready = ret->index_is_ready && !repair.lost;
    store_clock_read(&store->commit_clock, &ret->commit_times);
    ret->horizon_doc = atomic_load(&store->horizon.doc);
    ret->horizon_instant = atomic_load(&store->horizon.instant);
    ret->purged_doc = atomic_load(&store->horizon.purged);
    ret->deleted_docs = atomic_load(&store->horizon.deleted);
    store_clock_read(&store->sync_clock, &ret->sync_times);
}

void store_index_figures(struct store *store, struct store_index_figures *ret)
{
    struct postings_figures f;
    postings_figures(&store->postings, &f);
    *ret = (struct store_index_figures){
        .runs = f.runs,
        .segments = f.segments,
        .past_segments = f.past_segments,
        .side_segments = f.side_segments,
        .segment_bytes = f.segment_bytes,
        .past_bytes = f.past_bytes,
        .tail_docs = f.tail_docs,
        .tail_bytes = f.tail_bytes,
        .merge_debt = f.debt,
        .merges = f.merges,
        .merged_postings = f.merged_postings,
        .merge_failures = f.merge_failures,
        .damage = store->segments.damage,
        .damaged_segment = f.damaged,
    };
    struct repair_figures repair;
    struct postings_view *view = postings_view_take(&store->postings);
    store_repair_figures(view, &repair);
    postings_view_give(view);
    ret->damaged_segments = repair.damaged;
    ret->repair_done = repair.done;
    ret->repair_whole = repair.whole;
    ret->lost_docs = repair.lost;
    struct fields *fields = postings_fields(&store->postings);
    const struct field_row *row = fields_unready(fields);
    for (uint32_t i = 0; i < fields->count; i++)
        ret->fields_not_ready += fields->rows[i].done < fields->rows[i].until;
    ret->fields_done = row ? row->done : 0;
    ret->fields_whole = row ? row->until : 0;
    fields_unref(fields);
}
