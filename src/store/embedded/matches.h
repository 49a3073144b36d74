/* store/embedded/matches.h - what a plan matches, asked for in any order.
 *
 * A tree of cursors gives blocks upwards; here it is wound back when a lower block is
 * wanted, and the blocks read last are kept, so that single documents can be asked for
 * in the order of their values. Memory: MATCHES_BLOCKS bitmaps at most.
 */
#ifndef STORE_EMBEDDED_MATCHES_H
#define STORE_EMBEDDED_MATCHES_H

#include "store/embedded/tree.h"

enum { MATCHES_BLOCKS = 256 };

struct match_block {
    uint64_t number;
    uint64_t bits[BLOCK_WORDS];
};

struct store_matches {
    struct tree tree;
    struct cursor cursor;
    uint64_t next; /* the lowest block that can be asked for without winding back */
    struct match_block *kept[MATCHES_BLOCKS]; /* by number modulo; may be NULL */
};

/* store_matches_open() of which a page alone is wanted; `page` may be NULL. */
MUST_USE enum err matches_open(struct store_reader *reader, const struct plan *plan,
                               const struct tree_page *page, struct arena *arena,
                               struct store_matches **ret);
/* Is it matched, and alive? */
MUST_USE enum err matches_have(struct store_matches *m, uint64_t doc, bool *ret);
/* Block `number` alone, the dead included; *ret_any false: nothing in it matches. Lives
 * until the next call. */
MUST_USE enum err matches_block(struct store_matches *m, uint64_t number, bool *ret_any,
                                struct block *ret);

/* Documents of blocks that come ascending (or, from the end, descending), as far as they
 * lie between and the limit goes. */
struct picked {
    const struct store_between *between;
    struct arena *arena;
    uint64_t *docs; /* ascending; from the end: descending until picked_finish() */
    size_t count, room;
};
static inline bool picked_is_full(const struct picked *p)
{
    return p->count == p->between->limit;
}
MUST_USE enum err picked_add(struct picked *p, uint64_t doc);
MUST_USE enum err picked_add_block(struct picked *p, const struct block *b);
void picked_finish(struct picked *p, uint64_t **ret_docs, size_t *ret_count);

#endif
