/* Blocks out of a tree of cursors. */
#include "store/embedded/tree.h"

enum { FEW = 256, BLOCK_UNITS = 64 /* of work */ };

/* ---- leaves ---- */

static bool span_block(struct cursor *c, uint64_t number, struct block *ret)
{
    number = MAX(number, c->low >> BLOCK_SHIFT);
    if (c->low > c->high || number > c->high >> BLOCK_SHIFT)
        return false;
    uint64_t from = number << BLOCK_SHIFT;
    uint64_t first = MAX(c->low, from), last = MIN(c->high, from + BLOCK_DOCS - 1);
    block_of_range(ret, number, (uint32_t)(first - from), (uint32_t)(last - from), c->run);
    return true;
}

/* ---- AND ---- */

/* The child's block at or above `number`, kept until it is used. */
static enum err child_load(struct cursor *child, uint64_t number)
{
    if (child->is_done || (child->is_loaded && child->block.number >= number))
        return ERR_NONE;
    bool any = false;
    struct block block;
    TRY(cursor_block(child, number, &any, &block));
    child->block = block;
    child->is_loaded = any;
    child->is_done = !any;
    return ERR_NONE;
}

/* Invariant: no block below `number` that all children have was passed over. The
 * rarest child leads; a block of the others is read only where something is left. */
static enum err and_block(struct cursor *c, uint64_t number, bool *ret_any, struct block *ret)
{
    *ret_any = false;
    for (;; number++) {
        struct block sum = { .count = 0 };
        bool left = true;
        for (size_t i = 0; left && i < c->child_count; i++) {
            struct cursor *child = &c->children[i];
            TRY(child_load(child, number));
            if (child->is_done)
                return ERR_NONE;
            if (!i) {
                sum = child->block;
                number = sum.number;
            } else if (child->block.number != number) {
                number = child->block.number - 1; /* nothing below it is in all */
                left = false;
            } else {
                struct block before = sum;
                left = block_and(&before, &child->block, c->rooms[i % 2], &sum);
            }
        }
        if (left) {
            *ret = sum;
            *ret_any = true;
            return ERR_NONE;
        }
    }
}

/* ---- OR, NOT ---- */

static enum err or_block(struct cursor *c, uint64_t number, bool *ret_any, struct block *ret)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < c->child_count; i++) {
        struct cursor *child = &c->children[i];
        TRY(child_load(child, number));
        if (!child->is_done)
            least = MIN(least, child->block.number);
    }
    *ret_any = false;
    size_t room = 0;
    for (size_t i = 0; i < c->child_count; i++) {
        const struct cursor *child = &c->children[i];
        if (child->is_done || child->block.number != least)
            continue;
        struct block sum = *ret;
        if (*ret_any)
            block_or(&sum, &child->block, c->rooms[room ^= 1], ret);
        else
            *ret = child->block;
        *ret_any = true;
    }
    return ERR_NONE;
}

static enum err not_block(struct cursor *c, uint64_t number, bool *ret_any, struct block *ret)
{
    struct cursor *child = &c->children[0];
    for (;; number++) {
        struct block all;
        *ret_any = span_block(c, number, &all);
        if (!*ret_any)
            return ERR_NONE;
        number = all.number;
        TRY(child_load(child, number));
        *ret = all;
        if (child->is_done || child->block.number != number ||
            block_and_not(&all, &child->block, c->rooms[0], ret))
            return ERR_NONE;
    }
}

/* ---- all of them ---- */

enum err cursor_block(struct cursor *c, uint64_t number, bool *ret_any, struct block *ret)
{
    *ret_any = false;
    switch (c->kind) {
    case CURSOR_NONE:
        return ERR_NONE;
    case CURSOR_SPAN:
        *ret_any = span_block(c, number, ret);
        return ERR_NONE;
    case CURSOR_TERM:
        return term_cursor_block(&c->term, number, ret_any, ret);
    case CURSOR_SET:
        *ret_any = docset_block(&c->set, number, ret);
        return ERR_NONE;
    case CURSOR_AND:
        return and_block(c, number, ret_any, ret);
    case CURSOR_OR:
        return or_block(c, number, ret_any, ret);
    case CURSOR_NOT:
        return not_block(c, number, ret_any, ret);
    }
    return ERR_NONE;
}

enum err cursor_rewind(struct cursor *c)
{
    c->is_loaded = c->is_done = false;
    c->set.at = 0;
    if (c->kind == CURSOR_TERM)
        return reader_damage(c->term.segments, NULL, posting_union_rewind(&c->term.lists));
    for (size_t i = 0; i < c->child_count; i++)
        TRY(cursor_rewind(&c->children[i]));
    return ERR_NONE;
}

/* What lies above the reader's time, in the last block only. */
static bool cut(struct tree *t, const struct block *b, struct block *ret)
{
    struct block until;
    uint64_t last = t->time >> BLOCK_SHIFT;
    if (b->number != last) {
        *ret = *b;
        return b->number < last;
    }
    block_of_range(&until, last, 0, (uint32_t)(t->time & (BLOCK_DOCS - 1)), t->run);
    return block_and(b, &until, t->room, ret);
}

/* So few that asking for each is cheaper than the block's bitmap. */
static enum err live_list(struct tree *t, struct block *some, bool *ret_any)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < some->count; i++) {
        bool alive = false;
        uint16_t low = some->list[i];
        TRY(death_is_alive(&t->store->deaths, some->number << BLOCK_SHIFT | low, t->alive_at,
                           &alive));
        t->room->list[count] = low;
        count += alive;
    }
    block_of_list(some, some->number, t->room->list, count);
    *ret_any = count > 0;
    return ERR_NONE;
}

enum err tree_live(struct tree *t, const struct block *b, bool *ret_any, struct block *ret)
{
    bool dead = false;
    struct block some;
    *ret_any = cut(t, b, &some);
    if (!*ret_any)
        return ERR_NONE;
    *ret = some;
    if (some.kind == BLOCK_LIST && some.count <= FEW)
        return live_list(t, ret, ret_any);
    TRY(death_block(&t->store->deaths, b->number, t->alive_at, t->dead->bits, &dead));
    if (!dead)
        return ERR_NONE;
    const struct block gone = { .number = b->number, .kind = BLOCK_BITS, .bits = t->dead->bits };
    *ret_any = block_and_not(&some, &gone, t->room, ret);
    return ERR_NONE;
}

enum err tree_next(struct tree *t, struct cursor *c, uint64_t number, bool *ret_any,
                   struct block *ret)
{
    for (uint64_t last = t->time >> BLOCK_SHIFT; number <= last; number++) {
        struct block all;
        if (death_block_is_whole(&t->store->deaths, number, t->alive_at))
            continue;
        TRY(work_spend(t->postings.work, t->plan, BLOCK_UNITS));
        TRY(cursor_block(c, number, ret_any, &all));
        if (!*ret_any)
            return ERR_NONE;
        TRY(tree_live(t, &all, ret_any, ret));
        if (*ret_any)
            return ERR_NONE;
        number = all.number;
    }
    *ret_any = false;
    return ERR_NONE;
}

enum err tree_gather(struct tree *t, struct cursor *c, size_t room, uint64_t *docs,
                     size_t *ret_count)
{
    struct tree own = *t;
    size_t count = 0;
    bool any = true;
    TRY(tree_rooms(&own));
    for (uint64_t number = 0; any; number++) {
        struct block block;
        struct block_place place = { 0 };
        TRY(tree_next(&own, c, number, &any, &block));
        if (!any)
            break;
        number = block.number;
        for (uint32_t low = 0; (low = block_seek(&block, &place, low)) != BLOCK_NONE; low++) {
            if (count == room)
                return ERR_CORRUPT;
            docs[count++] = number << BLOCK_SHIFT | low;
        }
    }
    *ret_count = count;
    return ERR_NONE;
}
