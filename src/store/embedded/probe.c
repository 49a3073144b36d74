/* A plan asked of few documents, one by one, where finding all that match it would
 * cost more: values are looked for among the terms of the document's own body, a
 * chain goes forward from what it refers to, a reverse chain starts from what
 * refers to it. */
#include "store/embedded/tree.h"

enum {
    BODY_UNITS = 100, /* of work */
    FOLLOW_UNITS = 20,
    FIELDS_MAX = 16,
    WINDOW_BLOCKS = 8,
};
static const size_t ARENA_BYTES_MAX = (size_t)256 << 20;

struct probe {
    struct tree *t;
    const struct plan *plan; /* the whole; for the account of its work */
    struct arena scratch;    /* of one document */
};

/* A document, and the fields that its own terms are wanted of. */
struct wanted {
    uint32_t fields[FIELDS_MAX];
    size_t count; /* above FIELDS_MAX: of all */
};

struct candidate {
    uint64_t doc;
    const struct wanted *wanted;
    struct term *terms;
    size_t count;
    bool has_terms;
};

static enum err matches(struct probe *p, const struct plan *plan, int depth,
                        struct candidate *d, bool *ret);

static void want(struct wanted *w, uint32_t field)
{
    for (size_t i = 0; i < MIN(w->count, (size_t)FIELDS_MAX); i++)
        if (w->fields[i] == field)
            return;
    if (w->count < FIELDS_MAX)
        w->fields[w->count] = field;
    w->count++;
}

/* What is asked of the document itself, not of those that a join leads to. */
static void want_of(struct wanted *w, const struct plan *plan, int depth)
{
    bool is_leaf = plan->kind == PLAN_TERM || plan->kind == PLAN_PREFIX ||
                   plan->kind == PLAN_RANGE || plan->kind == PLAN_CONTAINS;
    if (is_leaf || plan->kind == PLAN_REFERS)
        want(w, plan->field);
    bool is_join = plan->kind == PLAN_REFERS || plan->kind == PLAN_REFERRED;
    for (size_t i = is_join; depth <= PLAN_DEPTH_MAX && i < plan->child_count; i++)
        want_of(w, plan->children[i], depth + 1);
}

static enum err terms_load(struct probe *p, struct candidate *d)
{
    if (d->has_terms)
        return ERR_NONE;
    TRY(work_spend(p->t->postings.work, p->plan, BODY_UNITS));
    d->has_terms = true;
    size_t fields = d->wanted->count <= FIELDS_MAX ? d->wanted->count : 0;
    return store_doc_terms_of(p->t->store, d->doc, d->wanted->fields, fields, &p->scratch,
                              &d->terms, &d->count);
}

static enum err has_value(struct probe *p, const struct plan *plan, struct candidate *d,
                          bool *ret)
{
    TRY(terms_load(p, d));
    *ret = false;
    for (size_t i = 0; !*ret && i < d->count; i++)
        *ret = d->terms[i].field == plan->field && store_value_fits(plan, d->terms[i].value);
    return ERR_NONE;
}

/* Some live document that the plan matches, at or above `doc`, as a tree of its own. */
static enum err any_at(struct probe *p, const struct tree *t, const struct plan *plan, int depth,
                       uint64_t doc, bool *ret, uint64_t *ret_doc)
{
    struct tree inner = *t;
    struct cursor c;
    struct block block;
    inner.arena = &p->scratch;
    inner.plan = plan;
    TRY(tree_rooms(&inner));
    TRY(tree_open(&inner, plan, depth + 1, &c));
    TRY(tree_next(&inner, &c, doc >> BLOCK_SHIFT, ret, &block));
    struct block_place place = { 0 };
    uint32_t low = *ret && block.number == doc >> BLOCK_SHIFT ? (uint32_t)(doc & (BLOCK_DOCS - 1))
                                                              : 0;
    low = *ret ? block_seek(&block, &place, low) : BLOCK_NONE;
    *ret = low != BLOCK_NONE;
    *ret_doc = *ret ? block.number << BLOCK_SHIFT | low : 0;
    return ERR_NONE;
}

static enum err is_found(struct probe *p, const struct plan *plan, int depth, uint64_t doc,
                         bool *ret)
{
    uint64_t found = 0;
    TRY(any_at(p, p->t, plan, depth, doc, ret, &found));
    *ret = *ret && found == doc;
    return ERR_NONE;
}

/* Does one of the documents it refers to match? */
static enum err refers(struct probe *p, const struct plan *plan, int depth,
                       struct candidate *d, bool *ret)
{
    struct store_reader reader = { .store = p->t->store, .time = p->t->time };
    struct wanted inner = { .count = 0 };
    want_of(&inner, plan->children[0], depth);
    TRY(terms_load(p, d));
    *ret = false;
    for (size_t i = 0; !*ret && i < d->count; i++) {
        struct slice type = d->terms[i].value;
        struct store_version head;
        bool found = false;
        if (d->terms[i].field != plan->field || !slice_starts_with(type, plan->from))
            continue;
        type = slice_from(type, plan->from.length);
        struct slice id = slice_cut(&type, '\0');
        TRY(work_spend(p->t->postings.work, p->plan, FOLLOW_UNITS));
        TRY(store_head_meta(&reader, type, id, &found, &head));
        if (found && !head.is_deleted && p->t->alive_at > p->t->time)
            TRY(death_is_alive(&p->t->store->deaths, head.doc, p->t->alive_at, &found));
        if (!found || head.is_deleted)
            continue;
        struct candidate target = { .doc = head.doc, .wanted = &inner };
        struct arena_mark mark = arena_mark(&p->scratch);
        TRY(matches(p, plan->children[0], depth + 1, &target, ret));
        arena_rewind(&p->scratch, mark);
    }
    return *ret || plan->child_count == 1 ? ERR_NONE
                                          : matches(p, plan->children[1], depth + 1, d, ret);
}

static enum err is_tested(struct probe *p, const struct plan *plan, int depth,
                          struct candidate *d, bool *ret)
{
    if (plan->child_count != 1)
        return ERR_INVALID;
    TRY(matches(p, plan->children[0], depth + 1, d, ret));
    return *ret ? tree_test(p->t, plan, d->doc, &p->scratch, ret) : ERR_NONE;
}

/* The blocks in which a value has documents, as the tree's window, if these are few: what
 * else is asked of them is then not looked for in segments that have none of them. */
static enum err window_of(struct probe *p, const struct plan *term, struct tree *t, bool *ret_any)
{
    struct term_cursor c;
    struct block block;
    bool any = true;
    TRY(term_cursor_open(&c, &t->postings, term->field, term->from, &p->scratch));
    for (uint64_t number = 0, blocks = 0; any; number = block.number + 1) {
        TRY(term_cursor_block(&c, number, &any, &block));
        if (!blocks++)
            *ret_any = any;
        if (!any)
            return ERR_NONE;
        if (blocks == 1)
            t->postings.low = block.number << BLOCK_SHIFT;
        t->postings.high = (block.number << BLOCK_SHIFT) + BLOCK_DOCS - 1;
        if (blocks > WINDOW_BLOCKS)
            break;
    }
    t->postings.low = t->postings.high = 0;
    return ERR_NONE;
}

/* Is it of the type asked for, and does some live document that refers to it match? */
static enum err is_referred(struct probe *p, const struct plan *plan, int depth,
                            const struct candidate *d, bool *ret)
{
    char value[TERM_VALUE_BYTES_MAX];
    struct slice name, type;
    uint64_t found = 0;
    *ret = false;
    TRY(work_spend(p->t->postings.work, p->plan, FOLLOW_UNITS));
    TRY(tree_name_of(p->t, plan, d->doc, value, &name, &type));
    if (!slice_equal(type, plan->to))
        return ERR_NONE;
    struct plan of_it = { .kind = PLAN_TERM, .field = plan->field, .from = name };
    struct plan *both[] = { &of_it, plan->children[0] };
    const struct plan all = { .kind = PLAN_AND, .children = both, .child_count = 2 };
    struct tree t = *p->t;
    bool any = true;
    if (plan_is_scan(plan->children[0], depth))
        TRY(window_of(p, &of_it, &t, &any));
    return any ? any_at(p, &t, &all, depth, 0, ret, &found) : ERR_NONE;
}

static enum err all_match(struct probe *p, const struct plan *plan, int depth,
                          struct candidate *d, bool *ret)
{
    bool wanted = plan->kind == PLAN_AND;
    *ret = wanted;
    for (size_t i = 0; *ret == wanted && i < plan->child_count; i++)
        TRY(matches(p, plan->children[i], depth + 1, d, ret));
    return ERR_NONE;
}

static enum err matches(struct probe *p, const struct plan *plan, int depth,
                        struct candidate *d, bool *ret)
{
    if (depth > PLAN_DEPTH_MAX)
        return ERR_LIMIT;
    switch (plan->kind) {
    case PLAN_ALL:
    case PLAN_NONE:
        *ret = plan->kind == PLAN_ALL;
        return ERR_NONE;
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        return has_value(p, plan, d, ret);
    case PLAN_SPAN:
        *ret = plan->doc_low <= d->doc && d->doc <= plan->doc_high;
        return ERR_NONE;
    case PLAN_ID:
    case PLAN_INSTANT:
    case PLAN_CREATED:
        return is_found(p, plan, depth, d->doc, ret);
    case PLAN_AND:
    case PLAN_OR:
        return all_match(p, plan, depth, d, ret);
    case PLAN_NOT:
        if (plan->child_count != 1)
            return ERR_INVALID;
        TRY(matches(p, plan->children[0], depth + 1, d, ret));
        *ret = !*ret;
        return ERR_NONE;
    case PLAN_TEST:
        return is_tested(p, plan, depth, d, ret);
    case PLAN_KNOWN: {
        struct docset known = *plan->known;
        known.at = 0;
        *ret = docset_seek(&known, d->doc) == d->doc;
        return ERR_NONE;
    }
    case PLAN_REFERS:
    case PLAN_REFERRED:
        if (!plan_join_is_valid(plan))
            return ERR_INVALID;
        return plan->kind == PLAN_REFERS ? refers(p, plan, depth, d, ret)
                                         : is_referred(p, plan, depth, d, ret);
    }
    return ERR_INVALID;
}

enum err tree_probe(struct tree *t, const struct plan_dear *plans, size_t plan_count, int depth,
                    uint64_t *docs, size_t *count)
{
    struct probe p = { .t = t };
    struct wanted wanted = { .count = 0 };
    for (size_t i = 0; i < plan_count; i++)
        want_of(&wanted, plans[i].plan, depth);
    size_t kept = 0;
    enum err err = ERR_NONE;
    arena_init(&p.scratch, ARENA_BYTES_MAX);
    struct arena_mark mark = arena_mark(&p.scratch);
    for (size_t i = 0; !err && i < *count; i++) {
        struct candidate d = { .doc = docs[i], .wanted = &wanted };
        bool is_match = true;
        for (size_t k = 0; !err && is_match && k < plan_count; k++) {
            p.plan = plans[k].plan;
            err = matches(&p, p.plan, depth, &d, &is_match);
        }
        docs[kept] = docs[i];
        kept += is_match;
        arena_rewind(&p.scratch, mark);
    }
    arena_release(&p.scratch);
    *count = kept;
    return err;
}
