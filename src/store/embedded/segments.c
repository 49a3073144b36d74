/* The database of segments: opening, throwing away, taking in files. */
#include "store/embedded/segment.h"

#include "store/embedded/rocks.h"

enum {
    BLOCK_BYTES = 8 * 1024,
    FILES_MANY = 24, /* of level 0, each of which every search asks */
};

static rocksdb_options_t *options_new(rocksdb_cache_t *cache)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocks_options_common(o);
    rocksdb_options_set_write_buffer_size(o, 64 << 10); /* nothing is ever written to it */
    rocks_options_table(o, cache, BLOCK_BYTES, false);
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    return o;
}

static enum err covers_read(struct segments *segments, uint64_t *ret_rules_hash)
{
    const uint8_t key = SEGMENT_COVERS;
    char *error = NULL;
    size_t size = 0;
    char *value = rocksdb_get(segments->db, segments->read_options, (const char *)&key, 1, &size,
                              &error);
    enum err err = rocks_err(error);
    segments->covers = 0;
    if (!err && value && size != 16)
        err = ERR_CORRUPT;
    if (!err && value) {
        segments->covers = get_be64((uint8_t *)value);
        *ret_rules_hash = get_be64((uint8_t *)value + 8);
    }
    rocksdb_free(value);
    return err;
}

static enum err try_open(struct segments *segments, const struct segments_settings *settings)
{
    char *error = NULL;
    uint64_t rules_hash = settings->rules_hash;
    segments->db = rocksdb_open(segments->options, settings->path, &error);
    if (error) {
        segments->db = NULL;
        return rocks_err(error);
    }
    TRY(covers_read(segments, &rules_hash));
    if (rules_hash != settings->rules_hash)
        return ERR_CONFLICT;
    return segments->covers <= settings->last ? ERR_NONE : ERR_CORRUPT;
}

static enum err throw_away(struct segments *segments, const char *path)
{
    if (segments->db)
        rocksdb_close(segments->db);
    segments->db = NULL;
    char *error = NULL;
    rocksdb_destroy_db(segments->options, path, &error);
    return rocks_err(error);
}

enum err segments_open(struct segments *segments, const struct segments_settings *settings)
{
    *segments = (struct segments){ .options = options_new(settings->cache),
                                   .read_options = rocksdb_readoptions_create() };
    enum err err = try_open(segments, settings);
    if (settings->keep || (err != ERR_CORRUPT && err != ERR_CONFLICT))
        return err;
    TRY(throw_away(segments, settings->path));
    return try_open(segments, settings);
}

void segments_close(struct segments *segments)
{
    if (segments->db)
        rocksdb_close(segments->db);
    if (segments->options)
        rocksdb_options_destroy(segments->options);
    if (segments->read_options)
        rocksdb_readoptions_destroy(segments->read_options);
    *segments = (struct segments){ .db = NULL };
}

enum err segments_take_in(struct segments *segments, const char *path)
{
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    const char *paths[1] = { path };
    char *error = NULL;
    rocksdb_ingest_external_file(segments->db, paths, 1, options, &error);
    rocksdb_ingestexternalfileoptions_destroy(options);
    return rocks_err(error);
}

bool segments_are_many(struct segments *segments)
{
    char *text = rocksdb_property_value(segments->db, "rocksdb.num-files-at-level0");
    uint64_t files = 0;
    bool known = text && slice_parse_u64(slice_cstr(text), &files);
    rocksdb_free(text);
    return known && files >= FILES_MANY;
}
