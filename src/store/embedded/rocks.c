#include "store/embedded/rocks.h"

enum { BLOCK_CHECKSUM_XXH3 = 4, BLOCK_FORMAT = 5, BLOOM_BITS = 10 };

void rocks_options_common(rocksdb_options_t *o)
{
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_keep_log_file_num(o, 4);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_info_log_level(o, 3); /* errors */
    rocksdb_options_set_max_open_files(o, 512);
    /* Opening reads the manifest, not every file, and starts no thread per file
     * and family (16 by default, 140 in all). */
    rocksdb_options_set_max_file_opening_threads(o, 1);
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
    rocksdb_options_set_skip_checking_sst_file_sizes_on_db_open(o, 1);
}

void rocks_options_table(rocksdb_options_t *o, rocksdb_cache_t *cache, size_t block_bytes,
                         bool with_filter)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_checksum(table, BLOCK_CHECKSUM_XXH3);
    rocksdb_block_based_options_set_format_version(table, BLOCK_FORMAT);
    rocksdb_block_based_options_set_block_size(table, block_bytes);
    if (with_filter)
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    rocksdb_options_set_block_based_table_factory(o, table);
    rocksdb_block_based_options_destroy(table);
}

enum err rocks_err(char *error)
{
    if (!error)
        return ERR_NONE;
    struct slice text = slice_cstr(error);
    enum err err = ERR_IO;
    if (slice_starts_with(text, SLICE("Corruption")))
        err = ERR_CORRUPT;
    else if (slice_starts_with(text, SLICE("Result incomplete")))
        err = ERR_BUSY;
    rocksdb_free(error);
    return err;
}

enum err rocks_iter_err(const rocksdb_iterator_t *it)
{
    char *error = NULL;
    rocksdb_iter_get_error(it, &error);
    return rocks_err(error);
}

enum err rocks_get(rocksdb_t *db, const rocksdb_readoptions_t *options,
                   rocksdb_column_family_handle_t *family, struct slice key,
                   rocksdb_pinnableslice_t **ret_pin, struct slice *ret_value)
{
    char *error = NULL;
    *ret_pin = rocksdb_get_pinned_cf(db, options, family, key.bytes, key.length, &error);
    *ret_value = SLICE_NONE;
    if (error)
        return rocks_err(error);
    if (*ret_pin) {
        size_t length = 0;
        const char *bytes = rocksdb_pinnableslice_value(*ret_pin, &length);
        *ret_value = slice_of(bytes ? bytes : "", length);
    }
    return ERR_NONE;
}
