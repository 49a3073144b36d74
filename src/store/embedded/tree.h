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

/* What of a plan was asked of few documents, instead of finding all that match it. */
struct tree_asked {
    struct store_asked *list; /* borrowed, with room for STORE_ASKED_MAX */
    size_t count;
};

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

/* When no more than so many documents are wanted: the first ones behind `after`, or the
 * last ones, of those before `before` (0: of all). */
enum { TREE_PAGE_MAX = 1100 }; /* more is not a page */
struct tree_page {
    uint64_t after, before;
    size_t limit;
    bool is_back;
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
    struct tree_asked *asked; /* borrowed; NULL: nobody wants to know */
    const struct tree_page *page; /* of the plan at depth 0; NULL: all are wanted */
};

MUST_USE enum err tree_begin(struct store_reader *reader, struct arena *arena, struct tree *t);
/* The plan as it is to be run: parts of one that is deep are found and known then. Lives
 * in the tree's arena. Before tree_open() at depth 0. */
MUST_USE enum err tree_settle(struct tree *t, const struct plan **plan);
/* Rooms of its own for a copy of the tree. */
MUST_USE enum err tree_rooms(struct tree *t);
/* ERR_LIMIT, ERR_NO_MEMORY: the arena has no room. */
MUST_USE enum err tree_open(struct tree *t, const struct plan *plan, int depth,
                            struct cursor *c);
/* The first block at or above `number`, which never goes back, with its count
 * above 0; it lives until the next call. *ret_any false at the end. */
MUST_USE enum err cursor_block(struct cursor *c, uint64_t number, bool *ret_any,
                               struct block *ret);
/* So that a lower block may be asked for. */
MUST_USE enum err cursor_rewind(struct cursor *c);
/* Of the block, the documents alive at the tree's time; false: none. The result
 * lives until the next call. */
MUST_USE enum err tree_live(struct tree *t, const struct block *b, bool *ret_any,
                            struct block *ret);
/* The next block with documents that live. */
MUST_USE enum err tree_next(struct tree *t, struct cursor *c, uint64_t number, bool *ret_any,
                            struct block *ret);

/* All of them, ascending, with rooms of their own; ERR_CORRUPT when there are more than
 * `room`, which is what the cursor's estimate excludes. */
MUST_USE enum err tree_gather(struct tree *t, struct cursor *c, size_t room, uint64_t *docs,
                              size_t *ret_count);

/* join.c: PLAN_REFERS, PLAN_REFERRED. */
static inline bool plan_join_is_valid(const struct plan *plan)
{
    bool has_others = plan->kind == PLAN_REFERS && plan->child_count == 2;
    return (plan->child_count == 1 || has_others) && plan->from.length;
}
MUST_USE enum err tree_open_join(struct tree *t, const struct plan *plan, int depth,
                                 struct cursor *c);
/* What AND, OR and NOT put blocks together in. */
MUST_USE enum err cursor_rooms(struct tree *t, struct cursor *c);
/* The rarest child of an AND first: each of its documents costs one seek in the others. */
void cursor_order(struct cursor *c);
/* test.c: PLAN_TEST; and of one document, which its child matches. */
MUST_USE enum err tree_open_test(struct tree *t, const struct plan *plan, int depth,
                                 struct cursor *c);
MUST_USE enum err tree_test(struct tree *t, const struct plan *plan, uint64_t doc,
                            struct arena *scratch, bool *ret);
/* created.c: PLAN_CREATED, of documents low to high. */
MUST_USE enum err tree_open_created(struct tree *t, const struct plan *plan, uint64_t low,
                                    uint64_t high, struct cursor *c);
/* A set as a cursor, once all is in it. */
MUST_USE enum err cursor_of_set(struct tree *t, struct cursor *c);
/* plan->from id NUL type, of a document, written to `value`; the type in it, too. From
 * the head of its row, not its body. */
MUST_USE enum err tree_name_of(struct tree *t, const struct plan *plan, uint64_t doc,
                               char value[TERM_VALUE_BYTES_MAX], struct slice *ret_name,
                               struct slice *ret_type);

/* tree_and.c: what is cheap leads, what is dear is asked of what is left. */
MUST_USE enum err tree_open_and(struct tree *t, const struct plan *plan, int depth,
                                struct cursor *c);

/* cost.c: in units of work, and documents at most; neither is exact above `enough`. */
struct plan_cost {
    uint64_t work, docs;
};
MUST_USE enum err plan_cost(struct tree *t, const struct plan *plan, int depth, uint64_t enough,
                            struct plan_cost *ret);
/* A part of an AND that would have to be gathered. */
struct plan_dear {
    const struct plan *plan;
    uint64_t work, docs;
};
/* Of asking one document for all of them. */
uint64_t plan_probe_cost(const struct plan_dear *plans, size_t count);
/* Must something be gathered before its first block is there? */
bool plan_is_dear(const struct plan *plan, int depth);

/* skim.c: the tree's page, or all that there are: what of the driver's documents matches
 * what is dear, asked one by one, `most` of them. *ret_done false: the page may go on.
 * The driver is wound back. */
struct tree_skimmed {
    struct cursor *driver;
    const struct plan_dear *dear;
    size_t dear_count;
    int depth;
};
struct docset;
MUST_USE enum err tree_skim(struct tree *t, const struct tree_skimmed *what, uint64_t most,
                            struct docset *found, uint64_t *ret_asked, bool *ret_done);

/* window.c: does nothing in it lead to other documents than those it is asked for? Then it
 * may be asked of a window of documents alone (struct postings_reader). */
bool plan_is_scan(const struct plan *plan, int depth);
/* The tree's page, where ranges of values need be gathered for few documents
 * only. The driver may be NULL: all documents. *ret_done false: another way is better. */
MUST_USE enum err tree_windows(struct tree *t, const struct tree_skimmed *what,
                               struct docset *found, bool *ret_done);

/* probe.c: of these live documents, ascending, those that match all plans, in place. */
MUST_USE enum err tree_probe(struct tree *t, const struct plan_dear *plans, size_t plan_count,
                             int depth, uint64_t *docs, size_t *count);

#endif
