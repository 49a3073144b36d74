#include "store/embedded/rocks.h"

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
