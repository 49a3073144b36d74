/* Every posting of a view, for store_check(). */
#include "store/embedded/cursor.h"
#include "store/embedded/rocks.h"

enum { PIECE = 256 };

static enum err all_of_run(const struct run *run, scan_all_visit *visit, void *context)
{
    for (uint32_t k = 0; k < run->key_count; k++) {
        const struct run_key *key = &run->keys[k];
        for (uint32_t from = key->docs_at; from < key[1].docs_at;) {
            uint64_t docs[PIECE];
            uint32_t n = MIN(key[1].docs_at - from, (uint32_t)PIECE);
            for (uint32_t i = 0; i < n; i++)
                docs[i] = run->base + run->docs[from + i];
            TRY(visit(context, key->field, run_value(run, key), docs, n));
            from += n;
        }
    }
    return ERR_NONE;
}

static enum err all_of_block(uint64_t covers, struct slice key, struct slice value,
                             struct segment_block *block, scan_all_visit *visit, void *context)
{
    char text[TERM_VALUE_BYTES_MAX];
    uint32_t field = 0;
    size_t size = 0;
    uint64_t last = 0;
    if (!segment_key_parse(key, &field, text, &size, &last))
        return ERR_CORRUPT;
    if (last > covers) /* newer than the view, whose runs have it */
        return ERR_NONE;
    TRY(segment_block_parse(last, value, block));
    return visit(context, field, slice_of(text, size), block->docs, block->count);
}

enum err postings_scan_all(const struct postings_reader *reader, scan_all_visit *visit,
                           void *context)
{
    rocksdb_iterator_t *it =
        rocksdb_create_iterator(reader->segments->db, reader->segments->read_options);
    struct segment_block block;
    const char first = SEGMENT_POSTING;
    enum err err = ERR_NONE;
    rocksdb_iter_seek(it, &first, 1);
    for (; !err && reader->view->covers && rocksdb_iter_valid(it); rocksdb_iter_next(it))
        err = all_of_block(reader->view->covers, rocks_iter_key(it), rocks_iter_value(it), &block,
                           visit, context);
    if (!err)
        err = rocks_iter_err(it);
    rocksdb_iter_destroy(it);
    for (uint32_t r = 0; !err && r < reader->view->count; r++)
        err = all_of_run(reader->view->runs[r], visit, context);
    return err;
}
