/* A plan's tree of cursors being opened. */
#include "store/embedded/rocks.h"
#include "store/embedded/tree.h"

enum { OR_CURSORS_MAX = 16 };

enum err cursor_of_set(struct tree *s, struct cursor *c)
{
    TRY(docset_open(&c->set));
    c->kind = CURSOR_SET;
    c->estimate = MIN(s->time, c->set.added);
    return ERR_NONE;
}

static enum err open_scan(struct tree *s, const struct plan *plan, int depth, struct cursor *c)
{
    bool is_few = false;
    TRY(term_cursor_open_few(&c->term, &s->postings, plan, s->arena, &is_few));
    if (is_few) {
        c->kind = CURSOR_TERM;
        c->estimate = term_cursor_estimate(&c->term);
        return ERR_NONE;
    }
    const struct plan_dear dear = { .plan = plan };
    const struct tree_skimmed what = { .dear = &dear, .dear_count = 1, .depth = depth };
    bool is_page = false;
    if (s->page && !depth)
        TRY(tree_windows(s, &what, &c->set, &is_page));
    if (is_page)
        return cursor_of_set(s, c);
    docset_init(&c->set, s->time, s->arena);
    TRY(postings_gather(&s->postings, plan, &c->set));
    return cursor_of_set(s, c);
}

static enum err open_id(struct tree *s, const struct plan *plan, struct cursor *c)
{
    struct store_reader reader = { .store = s->store, .time = s->time };
    struct store_version head;
    bool found = false;
    TRY(store_head_meta(&reader, plan->from, plan->to, &found, &head));
    if (!found || head.is_deleted)
        return ERR_NONE;
    c->kind = CURSOR_SPAN;
    c->low = c->high = head.doc;
    c->estimate = 1;
    return ERR_NONE;
}

/* The first document committed at or after an instant; past the last commit
 * the one that would come next. */
static enum err doc_of_instant(struct tree *s, int64_t instant, uint64_t *ret_doc)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(s->store->db, s->store->read_options,
                                                        s->store->families[FAMILY_LOG]);
    uint8_t key[8];
    put_instant(key, instant);
    rocksdb_iter_seek(it, (char *)key, sizeof key);
    enum err err = ERR_NONE;
    *ret_doc = s->time + 1;
    if (!rocksdb_iter_valid(it))
        err = rocks_iter_err(it);
    else if (rocks_iter_value(it).length != sizeof(struct log_row_bytes))
        err = ERR_CORRUPT;
    else
        *ret_doc = get_be64((const uint8_t *)rocks_iter_value(it).bytes);
    rocksdb_iter_destroy(it);
    return err;
}

static enum err open_instant(struct tree *s, const struct plan *plan, struct cursor *c)
{
    uint64_t end = 0;
    if (plan->instant_low >= plan->instant_high)
        return ERR_NONE;
    TRY(doc_of_instant(s, plan->instant_low, &c->low));
    TRY(doc_of_instant(s, plan->instant_high, &end));
    if (end <= c->low)
        return ERR_NONE;
    if (plan->kind == PLAN_CREATED)
        return c->low > s->time ? ERR_NONE
                                : tree_open_created(s, plan, c->low, MIN(end - 1, s->time), c);
    c->kind = CURSOR_SPAN;
    c->high = MIN(end - 1, s->time);
    c->estimate = c->high >= c->low ? c->high - c->low + 1 : 0;
    return ERR_NONE;
}

enum err cursor_rooms(struct tree *s, struct cursor *c)
{
    c->rooms[0] = arena_raw(s->arena, sizeof *c->rooms[0]);
    c->rooms[1] = arena_raw(s->arena, sizeof *c->rooms[1]);
    return c->rooms[0] && c->rooms[1] ? ERR_NONE : ERR_LIMIT;
}

static enum err open_children(struct tree *s, const struct plan *plan, int depth,
                              struct cursor *c)
{
    c->children = arena_array(s->arena, plan->child_count, sizeof *c->children);
    if (!c->children)
        return ERR_LIMIT;
    for (size_t i = 0; i < plan->child_count; i++) {
        c->child_count = i + 1;
        TRY(tree_open(s, plan->children[i], depth + 1, &c->children[i]));
    }
    return ERR_NONE;
}

/* With many children each block would be put together from all of them, so they
 * are emptied into one set, one cursor after the other. */
static enum err open_wide_or(struct tree *s, const struct plan *plan, int depth,
                             struct cursor *c)
{
    docset_init(&c->set, s->time, s->arena);
    for (size_t i = 0; i < plan->child_count; i++) {
        struct cursor child;
        TRY(tree_open(s, plan->children[i], depth + 1, &child));
        struct block block;
        bool any = true;
        for (uint64_t number = 0; any; number = block.number + 1) {
            TRY(cursor_block(&child, number, &any, &block));
            if (any)
                TRY(docset_add_block(&c->set, &block));
        }
    }
    return cursor_of_set(s, c);
}

static enum err open_logic(struct tree *s, const struct plan *plan, int depth,
                           struct cursor *c)
{
    if (plan->kind == PLAN_OR && plan->child_count > OR_CURSORS_MAX)
        return open_wide_or(s, plan, depth, c);
    if (plan->kind == PLAN_NOT && plan->child_count != 1)
        return ERR_INVALID;
    if (plan->kind == PLAN_OR && !plan->child_count)
        return ERR_NONE;
    TRY(open_children(s, plan, depth, c));
    TRY(cursor_rooms(s, c));
    c->low = 1;
    c->high = s->time;
    if (plan->kind == PLAN_OR) {
        c->kind = CURSOR_OR;
        for (size_t i = 0; i < c->child_count; i++)
            c->estimate += MIN(c->children[i].estimate, s->time);
    } else {
        c->kind = CURSOR_NOT;
        c->estimate = s->time;
    }
    return ERR_NONE;
}

enum err tree_open(struct tree *s, const struct plan *plan, int depth, struct cursor *c)
{
    *c = (struct cursor){ .kind = CURSOR_NONE };
    if (depth > PLAN_DEPTH_MAX)
        return ERR_LIMIT;
    switch (plan->kind) {
    case PLAN_NONE:
        return ERR_NONE;
    case PLAN_ALL:
        c->kind = CURSOR_SPAN;
        c->low = 1;
        c->high = c->estimate = s->time;
        return ERR_NONE;
    case PLAN_TERM:
        c->kind = CURSOR_TERM;
        TRY(term_cursor_open(&c->term, &s->postings, plan->field, plan->from, s->arena));
        c->estimate = term_cursor_estimate(&c->term);
        return ERR_NONE;
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        return open_scan(s, plan, depth, c);
    case PLAN_ID:
        return open_id(s, plan, c);
    case PLAN_SPAN:
        if (plan->doc_low > plan->doc_high)
            return ERR_NONE;
        c->kind = CURSOR_SPAN;
        c->low = MAX(plan->doc_low, UINT64_C(1));
        c->high = MIN(plan->doc_high, s->time);
        c->estimate = c->high >= c->low ? c->high - c->low + 1 : 0;
        return ERR_NONE;
    case PLAN_INSTANT:
    case PLAN_CREATED:
        return open_instant(s, plan, c);
    case PLAN_AND:
        return tree_open_and(s, plan, depth, c);
    case PLAN_OR:
    case PLAN_NOT:
        return open_logic(s, plan, depth, c);
    case PLAN_TEST:
        return tree_open_test(s, plan, depth, c);
    case PLAN_REFERS:
    case PLAN_REFERRED:
        return tree_open_join(s, plan, depth, c);
    case PLAN_KNOWN:
        c->set = *plan->known;
        c->set.at = 0;
        c->set.arena = s->arena;
        return cursor_of_set(s, c);
    }
    return ERR_INVALID;
}
