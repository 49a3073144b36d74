/* store/embedded/rocks.h - the few things every caller of RocksDB's C API needs. */
#ifndef STORE_EMBEDDED_ROCKS_H
#define STORE_EMBEDDED_ROCKS_H

#include <stdbool.h>

#include <rocksdb/c.h>

#include "base/err.h"
#include "base/slice.h"

/* Takes the error text (NULL: none) and frees it: ERR_NONE, ERR_CORRUPT,
 * ERR_BUSY (a stall refused by no_slowdown), ERR_IO. */
MUST_USE enum err rocks_err(char *error);

static inline struct slice rocks_iter_key(const rocksdb_iterator_t *it)
{
    struct slice s;
    s.bytes = rocksdb_iter_key(it, &s.length);
    return s;
}
static inline struct slice rocks_iter_value(const rocksdb_iterator_t *it)
{
    struct slice s;
    s.bytes = rocksdb_iter_value(it, &s.length);
    return s;
}
/* What ended an iteration: ERR_NONE at the true end. */
MUST_USE enum err rocks_iter_err(const rocksdb_iterator_t *it);

/* A value pinned in the cache or memtable; bytes NULL when absent. Release
 * with rocksdb_pinnableslice_destroy(*ret_pin), NULL allowed. */
MUST_USE enum err rocks_get(rocksdb_t *db, const rocksdb_readoptions_t *options,
                            rocksdb_column_family_handle_t *family, struct slice key,
                            rocksdb_pinnableslice_t **ret_pin, struct slice *ret_value);

/* What both databases share: quiet, few threads, made if missing. */
void rocks_options_common(rocksdb_options_t *options);
/* Blocks: cache, checksum, size, a bloom filter over whole keys or none. */
void rocks_options_table(rocksdb_options_t *options, rocksdb_cache_t *cache, size_t block_bytes,
                         bool with_filter);

#endif
