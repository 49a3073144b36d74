/* PLAN_CREATED: documents of resources whose first version lies in a span of documents.
 *
 * Documents are numbered in commit order, so a resource that is still in its first
 * version lies in the span itself. The others are found by their deaths: what a
 * document of before the span was replaced by, in the span or behind it, does not
 * belong to it; what lies behind the span and goes back to one that began in it does.
 * The walk over the deaths up to the span's end goes upwards, so what a document goes
 * back to is known when the walk comes to its own death. A resource that was deleted
 * begins again: a deletion replaces nothing. */
#include "store/embedded/engine.h"
#include "store/embedded/tree.h"

enum { DEATHS_PER_UNIT = 16 };

struct created {
    struct tree *t;
    const struct plan *plan;
    uint64_t low, high;       /* the span, both included */
    uint64_t *older, *inside; /* a bit for each document from `low` on; NULL: none yet */
};

static bool bit_has(const struct created *k, const uint64_t *bits, uint64_t doc)
{
    uint64_t at = doc - k->low;
    return bits && doc >= k->low && (bits[at / 64] >> at % 64 & 1);
}

static enum err bit_set(struct created *k, uint64_t **bits, uint64_t doc)
{
    uint64_t at = doc - k->low;
    if (!*bits)
        *bits = arena_array(k->t->arena, (size_t)((k->t->time - k->low) / 64 + 1), sizeof **bits);
    if (!*bits)
        return ERR_LIMIT;
    (*bits)[at / 64] |= UINT64_C(1) << at % 64;
    return ERR_NONE;
}

static enum err replaced(void *context, uint64_t doc, uint64_t killer)
{
    struct created *k = context;
    if (killer < k->low)
        return ERR_NONE; /* both before the span */
    bool is_older = doc < k->low || bit_has(k, k->older, doc);
    if (is_older)
        return bit_set(k, &k->older, killer);
    bool is_inside = doc <= k->high || bit_has(k, k->inside, doc);
    return is_inside && killer > k->high ? bit_set(k, &k->inside, killer) : ERR_NONE;
}

static enum err set_open(struct created *k, const uint64_t *bits, struct cursor *c)
{
    docset_init(&c->set, k->t->time, k->t->arena);
    uint64_t words = bits ? (k->t->time - k->low) / 64 + 1 : 0;
    for (uint64_t w = 0; w < words; w++)
        for (uint64_t left = bits[w]; left; left &= left - 1) {
            uint64_t doc = k->low + w * 64 + (uint64_t)__builtin_ctzll(left);
            TRY(docset_add(&c->set, &doc, 1));
        }
    return cursor_of_set(k->t, c);
}

static enum err node_open(struct created *k, enum cursor_kind kind, size_t child_count,
                          struct cursor *c)
{
    *c = (struct cursor){ .kind = kind, .low = 1, .high = k->t->time, .estimate = k->t->time };
    c->children = arena_array(k->t->arena, child_count, sizeof *c->children);
    c->child_count = child_count;
    c->rooms[0] = arena_raw(k->t->arena, sizeof *c->rooms[0]);
    c->rooms[1] = arena_raw(k->t->arena, sizeof *c->rooms[1]);
    return c->children && c->rooms[0] && c->rooms[1] ? ERR_NONE : ERR_LIMIT;
}

/* (the span and not `older`) or `inside` */
static enum err cursor_make(struct created *k, struct cursor *c)
{
    struct cursor span = { .kind = CURSOR_SPAN,
                           .low = k->low,
                           .high = k->high,
                           .estimate = k->high - k->low + 1 };
    if (!k->older && !k->inside) {
        *c = span;
        return ERR_NONE;
    }
    TRY(node_open(k, CURSOR_OR, 2, c));
    struct cursor *both = &c->children[0];
    TRY(set_open(k, k->inside, &c->children[1]));
    c->estimate = span.estimate + c->children[1].estimate;
    if (!k->older) {
        *both = span;
        return ERR_NONE;
    }
    TRY(node_open(k, CURSOR_AND, 2, both));
    both->estimate = span.estimate;
    both->children[0] = span;
    TRY(node_open(k, CURSOR_NOT, 1, &both->children[1]));
    return set_open(k, k->older, &both->children[1].children[0]);
}

enum err tree_open_created(struct tree *t, const struct plan *plan, uint64_t low, uint64_t high,
                           struct cursor *c)
{
    struct created k = { .t = t, .plan = plan, .low = low, .high = high };
    uint64_t time = t->time;
    /* Deaths behind the span matter only where something of it, or of before, went on. */
    TRY(work_spend(t->postings.work, plan, high / DEATHS_PER_UNIT));
    TRY(death_each(&t->store->deaths, 1, high, time, replaced, &k));
    if (high < time && (k.older || k.inside)) {
        TRY(work_spend(t->postings.work, plan, (time - high) / DEATHS_PER_UNIT));
        TRY(death_each(&t->store->deaths, high + 1, time, time, replaced, &k));
    }
    return cursor_make(&k, c);
}
