#include "store/embedded/segment.h"

#include "store/embedded/rocks.h"

size_t segment_key(uint8_t *out, uint32_t field, struct slice value, bool ended)
{
    CHECK(value.length <= TERM_VALUE_BYTES_MAX);
    size_t at = 0;
    out[at++] = SEGMENT_POSTING;
    put_be32(out + at, field);
    at += 4;
    for (size_t i = 0; i < value.length; i++) {
        out[at++] = (uint8_t)value.bytes[i];
        if (!value.bytes[i])
            out[at++] = 0xff;
    }
    if (ended) {
        out[at++] = 0;
        out[at++] = 0;
    }
    return at;
}

bool segment_key_parse(struct slice key, uint32_t *ret_field, char *out, size_t *ret_size,
                       uint64_t *ret_doc)
{
    const uint8_t *bytes = (const uint8_t *)key.bytes;
    if (key.length < 1 + 4 + 2 + 8 || bytes[0] != SEGMENT_POSTING)
        return false;
    *ret_field = get_be32(bytes + 1);
    *ret_doc = get_be64(bytes + key.length - 8);
    size_t end = key.length - 10, size = 0; /* where the end mark must stand */
    for (size_t at = 5; at < end; at++) {
        if (size == TERM_VALUE_BYTES_MAX)
            return false;
        out[size++] = (char)bytes[at];
        if (!bytes[at] && (++at >= end || bytes[at] != 0xff))
            return false;
    }
    *ret_size = size;
    return !bytes[end] && !bytes[end + 1];
}

enum err segment_block_parse(uint64_t last, struct slice value, struct segment_block *ret)
{
    const uint8_t *at = (const uint8_t *)value.bytes, *end = at + value.length;
    uint64_t count = 0, distance = 0;
    if (!value.length || *at++ != SEGMENT_FORMAT)
        return ERR_CORRUPT;
    size_t n = get_varint(at, (size_t)(end - at), &count);
    if (!n || !count || count > SEGMENT_BLOCK_DOCS)
        return ERR_CORRUPT;
    at += n;
    n = get_varint(at, (size_t)(end - at), &distance);
    if (!n || distance >= last)
        return ERR_CORRUPT;
    at += n;
    uint64_t doc = last - distance;
    ret->count = (uint32_t)count;
    ret->docs[0] = doc;
    for (uint32_t i = 1; i < ret->count; i++) {
        uint64_t delta = 0;
        if (LIKELY(at < end && *at < 0x80)) {
            delta = *at++;
        } else {
            n = get_varint(at, (size_t)(end - at), &delta);
            if (!n)
                return ERR_CORRUPT;
            at += n;
        }
        doc += delta;
        ret->docs[i] = doc;
    }
    return at == end && doc == last ? ERR_NONE : ERR_CORRUPT;
}

static size_t block_render(uint8_t *out, const uint64_t *docs, uint32_t count)
{
    size_t at = 0;
    out[at++] = SEGMENT_FORMAT;
    at += put_varint(out + at, count);
    at += put_varint(out + at, docs[count - 1] - docs[0]);
    for (uint32_t i = 1; i < count; i++)
        at += put_varint(out + at, docs[i] - docs[i - 1]);
    return at;
}

struct segment_writer {
    rocksdb_sstfilewriter_t *file;
    uint8_t key[SEGMENT_KEY_BYTES_MAX];
    size_t key_size; /* up to the document number */
    uint64_t docs[SEGMENT_BLOCK_DOCS];
    uint32_t count;
    uint8_t block[SEGMENT_BLOCK_BYTES_MAX];
};

static enum err writer_flush(struct segment_writer *w)
{
    if (!w->count)
        return ERR_NONE;
    put_be64(w->key + w->key_size, w->docs[w->count - 1]);
    size_t size = block_render(w->block, w->docs, w->count);
    char *error = NULL;
    rocksdb_sstfilewriter_put(w->file, (char *)w->key, w->key_size + 8, (char *)w->block, size,
                              &error);
    w->count = 0;
    return rocks_err(error);
}

static enum err writer_key(struct segment_writer *w, const struct run_walk *walk)
{
    const struct run *first = walk->runs[walk->hits[0]];
    const struct run_key *key = &first->keys[walk->hit_keys[0]];
    w->key_size = segment_key(w->key, key->field, run_value(first, key), true);
    for (size_t i = 0; i < walk->hit_count; i++) {
        const struct run *run = walk->runs[walk->hits[i]];
        const struct run_key *k = &run->keys[walk->hit_keys[i]];
        for (uint32_t d = k->docs_at; d < k[1].docs_at; d++) {
            if (w->count == SEGMENT_BLOCK_DOCS)
                TRY(writer_flush(w));
            w->docs[w->count++] = run->base + run->docs[d];
        }
    }
    return writer_flush(w);
}

static enum err writer_run(struct segment_writer *w, struct run *const *runs, size_t count,
                           uint64_t rules_hash)
{
    uint8_t covers[16], covers_key = SEGMENT_COVERS;
    put_be64(covers, run_last(runs[count - 1]));
    put_be64(covers + 8, rules_hash);
    char *error = NULL;
    rocksdb_sstfilewriter_put(w->file, (char *)&covers_key, 1, (char *)covers, sizeof covers,
                              &error);
    TRY(rocks_err(error));
    struct run_walk walk;
    TRY(run_walk_init(&walk, runs, count));
    enum err err = ERR_NONE;
    while (!err && run_walk_next(&walk))
        err = writer_key(w, &walk);
    run_walk_release(&walk);
    TRY(err);
    rocksdb_sstfilewriter_finish(w->file, &error);
    return rocks_err(error);
}

enum err segment_write(const rocksdb_options_t *options, const char *path,
                       struct run *const *runs, size_t count, uint64_t rules_hash)
{
    CHECK(count > 0);
    rocksdb_envoptions_t *env = rocksdb_envoptions_create();
    struct segment_writer w;
    w.count = 0;
    w.file = rocksdb_sstfilewriter_create(env, options);
    char *error = NULL;
    rocksdb_sstfilewriter_open(w.file, path, &error);
    enum err err = rocks_err(error);
    if (!err)
        err = writer_run(&w, runs, count, rules_hash);
    rocksdb_sstfilewriter_destroy(w.file);
    rocksdb_envoptions_destroy(env);
    return err;
}
