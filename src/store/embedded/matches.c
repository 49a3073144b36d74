#include "store/embedded/matches.h"

enum { BLOCK_UNITS = 64, FEW_MATCHES = 2048 };

enum err store_matches_open(struct store_reader *reader, const struct plan *plan,
                            struct arena *arena, struct store_matches **ret)
{
    return matches_open(reader, plan, NULL, arena, ret);
}

enum err matches_open(struct store_reader *reader, const struct plan *plan,
                      const struct tree_page *page, struct arena *arena,
                      struct store_matches **ret)
{
    struct store_matches *m = arena_alloc(arena, sizeof *m);
    if (!m)
        return ERR_LIMIT;
    enum err err = tree_begin(reader, arena, &m->tree);
    m->tree.plan = plan;
    m->tree.page = page;
    if (!err)
        err = tree_settle(&m->tree, &plan);
    if (!err)
        err = tree_open(&m->tree, plan, 0, &m->cursor);
    err = reader_settle(&m->tree.postings, err);
    *ret = m;
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}

uint64_t store_matches_estimate(const struct store_matches *matches)
{
    return MIN(matches->cursor.estimate, matches->tree.time);
}

/* ---- blocks in any order ---- */

enum err matches_block(struct store_matches *m, uint64_t number, bool *ret_any, struct block *ret)
{
    TRY(work_spend(m->tree.postings.work, m->tree.plan, BLOCK_UNITS));
    if (number < m->next)
        TRY(cursor_rewind(&m->cursor));
    TRY(cursor_block(&m->cursor, number, ret_any, ret));
    m->next = *ret_any ? ret->number + 1 : UINT64_MAX;
    *ret_any = *ret_any && ret->number == number;
    return ERR_NONE;
}

static enum err keep_block(struct store_matches *m, uint64_t number, struct match_block **ret)
{
    struct match_block **slot = &m->kept[number % MATCHES_BLOCKS];
    struct block block;
    bool any = false;
    if (*slot && (*slot)->number == number) {
        *ret = *slot;
        return ERR_NONE;
    }
    if (!*slot && !(*slot = arena_raw(m->tree.arena, sizeof **slot)))
        return ERR_LIMIT;
    (*slot)->number = UINT64_MAX; /* should reading fail */
    TRY(matches_block(m, number, &any, &block));
    memset((*slot)->bits, 0, sizeof (*slot)->bits);
    if (any)
        block_or_into(&block, (*slot)->bits);
    (*slot)->number = number;
    *ret = *slot;
    return ERR_NONE;
}

enum err matches_have(struct store_matches *m, uint64_t doc, bool *ret)
{
    struct match_block *kept;
    uint32_t low = (uint32_t)(doc & (BLOCK_DOCS - 1));
    *ret = false;
    if (doc > m->tree.time)
        return ERR_NONE;
    TRY(keep_block(m, doc >> BLOCK_SHIFT, &kept));
    if (!(kept->bits[low / 64] >> low % 64 & 1))
        return ERR_NONE;
    return death_is_alive(&m->tree.store->deaths, doc, m->tree.alive_at, ret);
}

/* ---- what is picked ---- */

enum err picked_add(struct picked *p, uint64_t doc)
{
    const struct store_between *b = p->between;
    if (doc <= b->after || (b->before && doc >= b->before) || picked_is_full(p))
        return ERR_NONE;
    if (p->count == p->room) {
        size_t room = MIN(b->limit, p->room ? 2 * p->room : (size_t)64);
        uint64_t *larger = arena_raw(p->arena, room * sizeof *larger);
        if (!larger)
            return ERR_LIMIT;
        if (p->count)
            memcpy(larger, p->docs, p->count * sizeof *larger);
        p->docs = larger;
        p->room = room;
    }
    p->docs[p->count++] = doc;
    return ERR_NONE;
}

enum err picked_add_block(struct picked *p, const struct block *b)
{
    uint16_t lows[256];
    struct block_place place = { 0 };
    if (!p->between->is_from_end) {
        for (uint32_t low = 0; !picked_is_full(p); low++) {
            if ((low = block_seek(b, &place, low)) == BLOCK_NONE)
                return ERR_NONE;
            TRY(picked_add(p, b->number << BLOCK_SHIFT | low));
        }
        return ERR_NONE;
    }
    /* A block is read upwards: in pieces of 1/256, the last one first. */
    for (uint32_t piece = BLOCK_DOCS / 256; piece-- > 0 && !picked_is_full(p);) {
        uint32_t count = 0, low = piece * 256, end = low + 256;
        place = (struct block_place){ 0 };
        while ((low = block_seek(b, &place, low)) != BLOCK_NONE && low < end)
            lows[count++] = (uint16_t)low++;
        while (count > 0)
            TRY(picked_add(p, b->number << BLOCK_SHIFT | lows[--count]));
    }
    return ERR_NONE;
}

void picked_finish(struct picked *p, uint64_t **ret_docs, size_t *ret_count)
{
    for (size_t i = 0; p->between->is_from_end && i < p->count / 2; i++) {
        uint64_t held = p->docs[i];
        p->docs[i] = p->docs[p->count - 1 - i];
        p->docs[p->count - 1 - i] = held;
    }
    *ret_docs = p->docs;
    *ret_count = p->count;
}

/* ---- all of them, or the last ---- */

/* Upwards, whatever is wanted of them. */
static enum err pick_all(struct store_matches *m, struct picked *p)
{
    bool any = true;
    TRY(cursor_rewind(&m->cursor));
    m->next = UINT64_MAX;
    for (uint64_t number = 0; any && !picked_is_full(p); number++) {
        struct block block;
        TRY(tree_next(&m->tree, &m->cursor, number, &any, &block));
        if (!any)
            break;
        number = block.number;
        TRY(picked_add_block(p, &block));
    }
    return ERR_NONE;
}

enum err store_matches_gather(struct store_matches *m, size_t limit, struct arena *arena,
                              uint64_t **ret_docs, size_t *ret_count)
{
    const struct store_between all = { .limit = limit };
    struct picked p = { .between = &all, .arena = arena };
    enum err err = reader_settle(&m->tree.postings, pick_all(m, &p));
    picked_finish(&p, ret_docs, ret_count);
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}

static enum err pick_back(struct store_matches *m, struct picked *p)
{
    uint64_t last = MIN(p->between->before - 1, m->tree.time);
    for (uint64_t number = (last >> BLOCK_SHIFT) + 1; number-- > 0 && !picked_is_full(p);) {
        struct block block, live;
        bool any = false;
        if (death_block_is_whole(&m->tree.store->deaths, number, m->tree.alive_at))
            continue;
        TRY(matches_block(m, number, &any, &block));
        if (any)
            TRY(tree_live(&m->tree, &block, &any, &live));
        if (any)
            TRY(picked_add_block(p, &live));
    }
    return ERR_NONE;
}

/* Few are read upwards, which skips what lies between them. */
static enum err few_back(struct store_matches *m, struct picked *p)
{
    const struct store_between below = { .before = p->between->before, .limit = SIZE_MAX };
    struct picked all = { .between = &below, .arena = p->arena };
    TRY(pick_all(m, &all));
    while (all.count > 0 && !picked_is_full(p))
        TRY(picked_add(p, all.docs[--all.count]));
    return ERR_NONE;
}

enum err store_search_back(struct store_reader *reader, const struct plan *plan, uint64_t before,
                           size_t limit, struct arena *arena, uint64_t **ret_docs,
                           size_t *ret_count)
{
    struct store_matches *m;
    const struct store_between between = { .before = before, .is_from_end = true, .limit = limit };
    struct picked p = { .between = &between, .arena = arena };
    *ret_docs = NULL;
    *ret_count = 0;
    if (!before || !limit)
        return ERR_NONE;
    const struct tree_page page = { .before = before, .limit = limit, .is_back = true };
    TRY(matches_open(reader, plan, limit <= TREE_PAGE_MAX ? &page : NULL, arena, &m));
    m->tree.page = NULL; /* opened is what it was for */
    enum err err = store_matches_estimate(m) <= FEW_MATCHES ? few_back(m, &p) : pick_back(m, &p);
    err = reader_settle(&m->tree.postings, err);
    picked_finish(&p, ret_docs, ret_count);
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}
