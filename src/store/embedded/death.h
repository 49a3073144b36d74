/* store/embedded/death.h - which document ended the life of which.
 *
 * A document is alive at time T when nothing killed it at or before T. The
 * newer version, or the deletion, is the killer; a tombstone is its own killer
 * and so is never alive. Truth is the family `death`; this is its copy in
 * memory, in pages of 4,096 documents, 16 loaded together when first touched. A
 * page without deaths costs one pointer.
 *
 * Reading is lock-free. A killing is entered inside the ordered section after
 * its rows are written, into a page that the commit made ready before
 * (death_ready()), so it needs neither memory nor a lock.
 */
#ifndef STORE_EMBEDDED_DEATH_H
#define STORE_EMBEDDED_DEATH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
    DEATH_PAGE_DOCS = 4096,
    DEATH_NODE_PAGES = 4096,
    DEATH_NODES = 65536, /* so documents below 2^40 */
    DEATH_BLOCK_PAGES = 16, /* loaded together */
};

/* How many documents later the killer came, plus 1; 0: none. A killer too far
 * away for 32 bits is looked up again. A bit for each that has one; whoever sees
 * a bit sees its killer in `latest` or a later one. */
struct death_page {
    _Atomic uint64_t latest; /* the newest killer */
    _Atomic uint32_t count;  /* bits set */
    _Atomic uint64_t bits[DEATH_PAGE_DOCS / 64];
    _Atomic uint32_t distance[DEATH_PAGE_DOCS];
};

struct death_node {
    _Atomic(struct death_page *) pages[DEATH_NODE_PAGES];
};

/* Calls `enter` for each death among [first, first + count). */
struct deaths;
typedef enum err death_found(void *context, uint64_t doc, uint64_t killer);
typedef enum err death_load(void *context, uint64_t first, uint64_t count, death_found *enter,
                            void *deaths);
/* The killer of one document from the truth. */
typedef enum err death_look(void *context, uint64_t doc, uint64_t *ret_killer);

struct deaths {
    _Atomic(struct death_node *) *nodes; /* owned, DEATH_NODES of them */
    struct death_page *none;             /* shared by all pages without deaths */
    pthread_mutex_t lock;                /* of loading */
    death_load *load;
    death_look *look;
    void *context;
};

MUST_USE enum err deaths_init(struct deaths *deaths, death_load *load, death_look *look,
                              void *context);
void deaths_release(struct deaths *deaths);

/* Load the document's page and make it writable. */
MUST_USE enum err death_ready(struct deaths *deaths, uint64_t doc);
/* After death_ready(), inside the ordered section. */
void death_enter(struct deaths *deaths, uint64_t doc, uint64_t killer);
/* A bit for each document of block `number` (65,536 of them) that is dead at
 * `time`; *ret_any false, and nothing written, when no document of it ever died. */
MUST_USE enum err death_block(struct deaths *deaths, uint64_t number, uint64_t time,
                              uint64_t *bits, bool *ret_any);

/* Each document from `first` to `last` that another, at or before `time`, replaced;
 * ascending. Deletions, which are their own killers, are passed over. */
MUST_USE enum err death_each(struct deaths *deaths, uint64_t first, uint64_t last, uint64_t time,
                             death_found *visit, void *context);

/* Is it known that all of the block's documents were dead at `time`? Loads
 * nothing. */
bool death_block_is_whole(const struct deaths *deaths, uint64_t number, uint64_t time);

MUST_USE enum err death_is_alive(struct deaths *deaths, uint64_t doc, uint64_t time,
                                 bool *ret_alive);

#endif
