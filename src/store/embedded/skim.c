/* A page of an AND without gathering what is dear: the documents that the cheap parts
 * leave are asked one after the other, from where the page begins, until it is full.
 * For conditions that many documents meet; whoever asks bounds how many are asked. */
#include "store/embedded/matches.h"

enum { PIECE = 256, CHUNK = 64 };

struct skim {
    struct tree own; /* rooms of its own */
    const struct tree_page *page;
    const struct tree_skimmed *what;
    uint64_t left; /* documents that may still be asked */
    uint64_t chunk[CHUNK];
    size_t chunk_count;
    uint64_t *found;
    size_t found_count;
};

static bool is_over(const struct skim *s)
{
    return s->found_count >= s->page->limit || !s->left;
}

static enum err ask_chunk(struct skim *s)
{
    size_t count = MIN((uint64_t)s->chunk_count, s->left);
    s->left -= count;
    s->chunk_count = 0;
    TRY(tree_probe(&s->own, s->what->dear, s->what->dear_count, s->what->depth + 1, s->chunk,
                   &count));
    for (size_t i = 0; i < count && s->found_count < s->page->limit; i++)
        s->found[s->found_count++] = s->chunk[i];
    return ERR_NONE;
}

static enum err add(struct skim *s, uint64_t doc)
{
    const struct tree_page *p = s->page;
    if (doc <= p->after || (p->before && doc >= p->before) || is_over(s))
        return ERR_NONE;
    s->chunk[s->chunk_count++] = doc;
    size_t wanted = MAX(p->limit - s->found_count, (size_t)4);
    return s->chunk_count >= MIN(wanted, (size_t)CHUNK) ? ask_chunk(s) : ERR_NONE;
}

/* Of one block, in pieces, so that it can be read downwards. */
static enum err add_block(struct skim *s, const struct block *b)
{
    uint64_t docs[PIECE];
    for (uint32_t i = 0; i < BLOCK_DOCS / PIECE && !is_over(s); i++) {
        uint32_t piece = s->page->is_back ? BLOCK_DOCS / PIECE - 1 - i : i;
        uint32_t low = piece * PIECE, end = low + PIECE, count = 0;
        struct block_place place = { 0 };
        while ((low = block_seek(b, &place, low)) != BLOCK_NONE && low < end)
            docs[count++] = b->number << BLOCK_SHIFT | low++;
        if (!s->page->is_back && low == BLOCK_NONE)
            i = BLOCK_DOCS / PIECE; /* none behind it */
        else if (!s->page->is_back && !count)
            i = low / PIECE - 1;
        for (uint32_t k = 0; k < count; k++)
            TRY(add(s, docs[s->page->is_back ? count - 1 - k : k]));
    }
    return ERR_NONE;
}

static enum err go_up(struct skim *s)
{
    bool any = true;
    uint64_t last = s->page->before ? (s->page->before - 1) >> BLOCK_SHIFT : UINT64_MAX - 1;
    for (uint64_t number = (s->page->after + 1) >> BLOCK_SHIFT;
         any && number <= last && !is_over(s); number++) {
        struct block block;
        TRY(tree_next(&s->own, s->what->driver, number, &any, &block));
        if (any)
            TRY(add_block(s, &block));
        number = any ? block.number : number;
    }
    return ERR_NONE;
}

static enum err go_down(struct skim *s)
{
    uint64_t last = s->page->before ? MIN(s->page->before - 1, s->own.time) : s->own.time;
    uint64_t first = (s->page->after + 1) >> BLOCK_SHIFT;
    for (uint64_t number = (last >> BLOCK_SHIFT) + 1; number-- > first && !is_over(s);) {
        struct block block, live;
        bool any = false;
        TRY(cursor_rewind(s->what->driver));
        TRY(cursor_block(s->what->driver, number, &any, &block));
        if (any && block.number == number)
            TRY(tree_live(&s->own, &block, &any, &live));
        if (any && block.number == number)
            TRY(add_block(s, &live));
    }
    return ERR_NONE;
}

enum err tree_skim(struct tree *t, const struct tree_skimmed *what, uint64_t most,
                   struct docset *found, uint64_t *ret_asked, bool *ret_done)
{
    struct skim s = { .own = *t, .page = t->page, .what = what, .left = most };
    TRY(tree_rooms(&s.own));
    s.found = arena_array(t->arena, s.page->limit, sizeof *s.found);
    if (!s.found)
        return ERR_LIMIT;
    TRY(s.page->is_back ? go_down(&s) : go_up(&s));
    if (!is_over(&s) && s.chunk_count)
        TRY(ask_chunk(&s));
    *ret_asked = most - s.left;
    *ret_done = s.left || s.found_count >= s.page->limit;
    TRY(cursor_rewind(what->driver));
    docset_init(found, t->time, t->arena);
    return docset_add(found, s.found, s.found_count);
}
