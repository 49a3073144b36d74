/* tools/ask/memory.h - what plans mean, over a list in memory.
 *
 * The plainest thing that can answer a plan: every document keeps its terms,
 * every leaf looks at all of them. Slow, and short enough to be believed; the
 * store must give the same.
 */
#ifndef ASK_MEMORY_H
#define ASK_MEMORY_H

#include "base/arena.h"
#include "store/store.h"

struct memory_doc {
    struct slice type, id;
    struct term *terms;
    size_t term_count;
    bool is_live;
};

struct memory {
    struct arena arena;
    struct memory_doc *docs;
    size_t count, room;
};

void memory_init(struct memory *m);
void memory_release(struct memory *m);
/* A new document; one of the same (type, id) dies. Copies everything. */
void memory_put(struct memory *m, struct slice type, struct slice id, const struct term *terms,
                size_t term_count);
void memory_delete(struct memory *m, struct slice type, struct slice id);
/* Instants are not kept: PLAN_INSTANT matches everything. */
bool memory_matches(const struct memory *m, const struct memory_doc *doc,
                    const struct plan *plan);

#endif
