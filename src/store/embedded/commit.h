/* store/embedded/commit.h - one commit on its way down.
 *
 *   gather   once: type numbers, keys, entries of unborn entities, homes
 *   resolve  read the heads, decide each write's outcome
 *   render   compress, number the places, build batch and run
 *   order    check the heads again, hand out documents and instant, write
 *
 * Only `order` takes the lock of the ordered section. When a head moved since
 * it was read, resolve and render run again; what was hashed and compressed is
 * kept.
 */
#ifndef STORE_EMBEDDED_COMMIT_H
#define STORE_EMBEDDED_COMMIT_H

#include "base/buf.h"
#include "store/embedded/engine.h"

struct pending {
    const struct store_write *write;
    struct slice key; /* of its entity row */
    uint16_t type;
    struct birth *birth; /* held while the entity may be unborn */
    uint64_t entity;
    struct entity_row head; /* all zero without one */

    size_t home_owner; /* the pending that looks after the home; itself, or an earlier one */
    struct slice home_key;
    struct birth *home_birth; /* held by the owner */
    uint64_t home;
    bool home_is_new; /* owner: a row must be written for it */

    bool is_hashed, is_compressed, is_raw;
    uint8_t hash[HASH_BYTES];
    struct slice frame;

    uint8_t outcome; /* enum store_outcome */
    bool writes;     /* makes a document */
    uint64_t version;
    uint32_t place; /* of its document in the commit */
    struct term *terms; /* the write's, or made again by `rules`, the table's number */
    size_t term_count;
    uint64_t rules;
};

/* A place in the batch that the ordered section fills in. */
struct patch {
    uint32_t at;
    uint32_t place;
};

struct commit {
    struct store *store;
    struct arena *arena; /* of the caller; rewound at the end */
    struct pending *pendings;
    size_t count;
    bool all_or_nothing;
    struct store_condition *condition; /* NULL: none */
    const struct store_mark *mark;     /* NULL: none */
    size_t refused; /* all or nothing: the write that stops it; count: none */
    uint64_t rests_on; /* newest document an outcome rests on */

    uint32_t doc_count; /* documents it makes */
    struct buf rows;    /* RocksDB's batch format */
    uint32_t row_count;
    struct patch *docs; /* document numbers to fill in */
    size_t docs_count;
    uint32_t *instants; /* instants to fill in */
    size_t instants_count;
    struct run *run;
    uint64_t mapping;   /* of the table of fields that the run was made with */
    rocksdb_writebatch_t *batch;
    struct buf scratch; /* of compression */

    bool is_inside; /* the heads were read under the lock */
    uint64_t first; /* document of place 0 */
    int64_t instant;
};

/* prepare.c */
MUST_USE enum err commit_gather(struct commit *c, struct store_write *writes);
MUST_USE enum err commit_resolve(struct commit *c);
void commit_release(struct commit *c);

/* condition.c, under the lock: ERR_PRECONDITION when the commit's own condition
 * was overtaken; else tell the others of the terms it brings. */
MUST_USE enum err commit_conditions(struct commit *c);

/* batch.c */
MUST_USE enum err commit_render(struct commit *c);
/* Fill in document numbers and instant. */
void commit_patch(struct commit *c);

#endif
