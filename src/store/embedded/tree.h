/* store/embedded/tree.h - a plan being run: a tree of cursors that yield blocks.
 *
 * A plan is data and stays as it is; a tree is one run of it. Each cursor gives
 * its documents 65,536 at a time, ascending: AND asks its rarest child for a
 * block and the others for the same one, OR and NOT put blocks together word by
 * word. Cursors know nothing of deaths and cut nothing at the reader's time:
 * tree_live() does both, once a block. All of it is cut from one arena.
 */
#ifndef STORE_EMBEDDED_TREE_H
#define STORE_EMBEDDED_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/embedded/cursor.h"
#include "store/embedded/docset.h"
#include "store/embedded/engine.h"

enum { PLAN_DEPTH_MAX = 64 };

enum cursor_kind {
    CURSOR_NONE,
    CURSOR_SPAN, /* all documents low..high */
    CURSOR_TERM,
    CURSOR_SET,
    CURSOR_AND,
    CURSOR_OR,
    CURSOR_NOT,
};

struct cursor {
    enum cursor_kind kind;
    uint64_t estimate; /* of matches, for the order of AND */
    uint64_t low, high;
    struct term_cursor term;
    struct docset set;
    struct cursor *children; /* in the arena */
    size_t child_count;
    union block_room *rooms[2]; /* AND, OR, NOT */
    uint16_t run[2];            /* SPAN, NOT: the block's one run */
    struct block block;         /* the parent's: the last one, kept until it is used up */
    bool is_loaded, is_done;
};

/* One search. */
struct tree {
    struct store *store;
    struct arena *arena;
    uint64_t time;
    uint64_t alive_at; /* what died up to then is left out; at least `time` */
    struct postings_reader postings;
    const struct plan *plan; /* what is run; for the account of its work */
    union block_room *room, *dead; /* of tree_live() */
    uint16_t run[2];
};

MUST_USE enum err tree_begin(struct store_reader *reader, struct arena *arena, struct tree *t);
/* Rooms of its own for a copy of the tree. */
MUST_USE enum err tree_rooms(struct tree *t);
/* ERR_LIMIT, ERR_NO_MEMORY: the arena has no room. */
MUST_USE enum err tree_open(struct tree *t, const struct plan *plan, int depth,
                            struct cursor *c);
/* The first block at or above `number`, which never goes back, with its count
 * above 0; it lives until the next call. *ret_any false at the end. */
MUST_USE enum err cursor_block(struct cursor *c, uint64_t number, bool *ret_any,
                               struct block *ret);
/* Of the block, the documents alive at the tree's time; false: none. The result
 * lives until the next call. */
MUST_USE enum err tree_live(struct tree *t, const struct block *b, bool *ret_any,
                            struct block *ret);
/* The next block with documents that live. */
MUST_USE enum err tree_next(struct tree *t, struct cursor *c, uint64_t number, bool *ret_any,
                            struct block *ret);

/* join.c: PLAN_REFERS, PLAN_REFERRED. */
MUST_USE enum err tree_open_join(struct tree *t, const struct plan *plan, int depth,
                                 struct cursor *c);
/* A set as a cursor, once all is in it. */
MUST_USE enum err cursor_of_set(struct tree *t, struct cursor *c);

#endif
