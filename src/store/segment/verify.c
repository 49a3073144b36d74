/* Reading all of a segment, for what its checksums say. */
#include <stdlib.h>

#include "store/segment/segment.h"

enum { STOP_EVERY = 1024 };

static enum err verify_list(struct posting *list, uint64_t docs, union block_room *room)
{
    struct block block;
    uint64_t count = 0;
    while (list->number != POSTING_END) {
        TRY(posting_next(list, room, &block));
        count += block.count;
    }
    return count == docs ? ERR_NONE : ERR_CORRUPT;
}

static enum err verify_all(const struct segment *s, struct segment_walk *walk,
                           union block_room *room, const _Atomic bool *stop)
{
    bool any = false;
    uint64_t keys = 0;
    const struct segment_footer *f = &s->footer;
    TRY(segment_walk_seek(walk, s, NULL, 0, &any));
    TRY(filter_verify(s->bytes + f->filter_at, f->filter_lines, f->filter_at));
    while (any) {
        struct posting list;
        TRY(segment_walk_list(walk, &list));
        TRY(verify_list(&list, list.count, room));
        if (++keys % STOP_EVERY == 0 && stop && atomic_load(stop))
            return ERR_BUSY;
        TRY(segment_walk_next(walk, &any));
    }
    return keys == s->footer.key_count && !segment_failed(s, 0) ? ERR_NONE : ERR_CORRUPT;
}

enum err segment_verify(const struct segment *s, const _Atomic bool *stop)
{
    if (segment_failed(s, 0))
        return ERR_CORRUPT;
    struct segment_walk *walk = malloc(sizeof *walk); /* too large for a thread's stack */
    union block_room *room = malloc(sizeof *room);
    enum err err = walk && room ? verify_all(s, walk, room, stop) : ERR_NO_MEMORY;
    free(walk);
    free(room);
    return err;
}
