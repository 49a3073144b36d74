/* Reading all of a segment, for what its checksums say, and for what they cannot: keys
 * in order, documents in order and among those that the segment has, counts that are
 * those of the lists. */
#include <stdlib.h>

#include "store/segment/segment.h"

/* Scratch: too large for a thread's stack. */
struct verification {
    const struct segment *s;
    struct segment_walk walk;
    union block_room room;
    uint16_t lows[BLOCK_DOCS];
    uint8_t before[KEY_BYTES_MAX]; /* the key before */
    size_t before_size;
    uint64_t keys, postings;
};

static bool is_block_sound(struct verification *v, const struct block *block)
{
    const struct segment_footer *f = &v->s->footer;
    uint32_t count = block_lows(block, v->lows);
    uint64_t from = block->number << BLOCK_SHIFT;
    if (!count || count != block->count || from + v->lows[0] < f->first ||
        from + v->lows[count - 1] > f->last)
        return false;
    for (uint32_t i = 1; i < count; i++)
        if (v->lows[i] <= v->lows[i - 1])
            return false;
    return true;
}

static enum err verify_list(struct verification *v, struct posting *list)
{
    struct block block;
    uint64_t count = 0, whole = list->count;
    while (list->number != POSTING_END) {
        TRY(posting_next(list, &v->room, &block));
        if (!is_block_sound(v, &block))
            return ERR_CORRUPT;
        count += block.count;
    }
    v->postings += count;
    return count == whole ? ERR_NONE : ERR_CORRUPT;
}

/* What the filter denies, nobody finds. */
static bool is_key_sound(struct verification *v)
{
    const struct keys_reader *leaf = &v->walk.leaf;
    const struct segment_footer *f = &v->s->footer;
    bool is_first = !v->keys, is_asked = true;
    if (leaf->key_size < 4 || (!is_first && key_compare_bytes(v->before, v->before_size, leaf->key,
                                                              leaf->key_size) >= 0))
        return false;
    memcpy(v->before, leaf->key, leaf->key_size);
    v->before_size = leaf->key_size;
    return !f->filter_lines ||
           (!filter_ask(v->s->bytes + f->filter_at, f->filter_lines, f->filter_at,
                        filter_hash(leaf->key, leaf->key_size), &is_asked) &&
            is_asked);
}

static enum err verify_all(struct verification *v, segment_step *step, void *context)
{
    bool any = false;
    const struct segment_footer *f = &v->s->footer;
    TRY(segment_walk_seek(&v->walk, v->s, NULL, 0, &any));
    TRY(filter_verify(v->s->bytes + f->filter_at, f->filter_lines, f->filter_at));
    while (any) {
        struct posting list;
        if (!is_key_sound(v))
            return ERR_CORRUPT;
        TRY(segment_walk_list(&v->walk, &list));
        TRY(verify_list(v, &list));
        if (++v->keys % SEGMENT_STEP_KEYS == 0 && step)
            TRY(step(context, v->keys));
        TRY(segment_walk_next(&v->walk, &any));
    }
    bool is_whole = v->keys == f->key_count && v->postings == f->posting_count;
    return is_whole && !segment_failed(v->s, 0) ? ERR_NONE : ERR_CORRUPT;
}

enum err segment_verify(const struct segment *s, segment_step *step, void *context)
{
    struct verification *v = malloc(sizeof *v);
    if (!v)
        return ERR_NO_MEMORY;
    v->s = s;
    v->keys = v->postings = 0;
    enum err err = verify_all(v, step, context);
    free(v);
    return err;
}
