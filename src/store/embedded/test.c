/* PLAN_TEST: candidates whose bodies are asked. */
#include "store/embedded/engine.h"
#include "store/embedded/tree.h"

enum { TEST_UNITS = 300 }; /* of work: a body read and looked at */
static const size_t ARENA_BYTES = (size_t)1 << 30;

enum err tree_test(struct tree *t, const struct plan *plan, uint64_t doc, struct arena *scratch,
                   bool *ret)
{
    /* Borrows the tree's view and is never ended. */
    struct store_reader reader = { .store = t->store,
                                   .time = t->time,
                                   .alive_at = t->alive_at,
                                   .view = (struct postings_view *)(uintptr_t)t->postings.view,
                                   .faults = t->postings.faults,
                                   .work = t->postings.work };
    struct store_version v;
    *ret = false;
    TRY(work_spend(t->postings.work, plan, TEST_UNITS));
    enum err err = store_doc(&reader, doc, scratch, &v);
    return err ? err : plan->test(plan, &reader, &v, scratch, ret);
}

/* The block's documents, each in memory of its own. */
static enum err test_block(struct tree *t, const struct plan *plan, const struct block *block,
                           struct arena *scratch, struct docset *set)
{
    struct block_place place = { 0 };
    for (uint32_t low = 0; (low = block_seek(block, &place, low)) != BLOCK_NONE; low++) {
        struct arena_mark mark = arena_mark(scratch);
        uint64_t doc = block->number << BLOCK_SHIFT | low;
        bool is_match = false;
        TRY(tree_test(t, plan, doc, scratch, &is_match));
        arena_rewind(scratch, mark);
        if (is_match)
            TRY(docset_add(set, &doc, 1));
    }
    return ERR_NONE;
}

enum err tree_open_test(struct tree *t, const struct plan *plan, int depth, struct cursor *c)
{
    struct tree inner = *t;
    struct cursor candidates;
    struct arena scratch;
    bool any = true;
    if (plan->child_count != 1 || !plan->test)
        return ERR_INVALID;
    inner.plan = plan;
    docset_init(&c->set, t->time, t->arena);
    TRY(tree_rooms(&inner));
    TRY(tree_open(&inner, plan->children[0], depth + 1, &candidates));
    arena_init(&scratch, ARENA_BYTES);
    enum err err = ERR_NONE;
    for (uint64_t number = 0; !err && any; number++) {
        struct block block;
        err = tree_next(&inner, &candidates, number, &any, &block);
        if (err || !any)
            break;
        number = block.number;
        err = test_block(&inner, plan, &block, &scratch, &c->set);
    }
    arena_release(&scratch);
    return err ? err : cursor_of_set(t, c);
}
