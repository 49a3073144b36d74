/* store/embedded/erase.h - erasures: what is to vanish, and how far that is.
 *
 *   hide    one batch for up to 256 resources: heads, versions and places go, every
 *           document kills itself, and the piece of the record that says which they
 *           are; synced. Nobody who begins after that finds any of it
 *   wait    those inside have left                              gate.h
 *   rows    bodies go
 *   index   the tail is written, every segment that may hold one is written again
 *   files   memtables flushed, the ranges compacted to the bottom, log and
 *           manifest of RocksDB begun anew
 *   record  the pieces go, in the same way; the count of it stays
 *   search  the live files are searched for the ids
 *
 * Those that were asked for meanwhile go together through all but the first step.
 *
 * The record in `meta` is what a restart goes on from: until it goes, all of
 * this is done again, which changes nothing.
 */
#ifndef STORE_EMBEDDED_ERASE_H
#define STORE_EMBEDDED_ERASE_H

#include "base/buf.h"
#include "store/embedded/engine.h"

enum {
    ERASE_CHUNK = 256, /* resources hidden in one go */
    ERASE_GROUP = 64,  /* erasures that go through the files together */
};

/* status: 'g' number(8) -> this */
struct erasure_row_bytes {
    uint8_t stage[1], resources[8], versions[8], begun[8], ended[8], files[8], found[8];
};
_Static_assert(sizeof(struct erasure_row_bytes) == 49, "erasure rows have 49 bytes");

/* piece: 'g' number(8) first document's place(8) -> these, then for each whole
 * resource: type(2) id size(2) id */
struct erasure_head_bytes {
    uint8_t documents[4], resources[4];
};
struct erased_bytes {
    uint8_t doc[8], entity[8], home[8], type[2];
};
_Static_assert(sizeof(struct erased_bytes) == 26, "erased documents have 26 bytes");

/* One of the list; the list has its own lock. */
struct erasure {
    struct erasure *next; /* older */
    struct store_erasure about;
};

/* All that one erasure is about, read from its record. */
struct erased {
    uint64_t doc, entity, home;
    uint16_t type;
};
struct erased_list {
    struct arena *arena;
    struct erased *docs; /* ascending by doc */
    size_t count, room;
    struct slice *keys; /* of entity rows, ascending */
    size_t key_count, key_room;
};

/* erase_hide.c */
MUST_USE enum err erasure_list_read(struct store *store, uint64_t number,
                                    struct erased_list *list);
/* Status row into the batch. */
void erasure_status_put(struct store *store, rocksdb_writebatch_t *batch,
                        const struct store_erasure *about);

/* erase_files.c: see above. ERR_BUSY: the store closes. */
MUST_USE enum err erase_rows(struct store *store, const struct erased_list *list);
MUST_USE enum err erase_truth_files(struct store *store, const struct erased_list *list);
/* Is anything of it left where it can be found? */
MUST_USE enum err erase_prove(struct store *store, const struct erased_list *list,
                              bool *ret_gone);
/* Files below the store's folder, and how many of them hold one of the ids of each of
 * these lists, at most ERASE_GROUP. */
MUST_USE enum err erase_search(struct store *store, const struct erased_list *lists,
                               size_t count, uint64_t *ret_files, uint64_t ret_found[]);

/* erase.c: whatever is not finished; by the keeper. */
MUST_USE enum err erasures_run(struct store *store);
void erasures_free(struct store *store);

#endif
