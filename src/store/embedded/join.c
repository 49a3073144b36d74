/* Joins: documents that refer to what a plan matches, or that it refers to. */
#include "store/embedded/rocks.h"
#include "store/embedded/tree.h"

enum {
    FOLLOW_UNITS = 20,       /* of work, for a document or value that is followed */
    BODIES_MAX = 20000,      /* sources whose bodies may be read for what they refer to */
    POSTINGS_PER_BODY = 400, /* that cost about as much as a body */
    POSTINGS_ALWAYS = 10000,
};
static const size_t BODY_ARENA_BYTES = (size_t)1 << 30;

static enum err level_check(const struct tree *s, const struct plan *join, size_t count)
{
    struct store_work *work = s->postings.work;
    if (count <= (work_limits_levels(work) ? work->level_limit : (uint64_t)STORE_JOIN_MAX))
        return ERR_NONE;
    if (work && !work->step) {
        work->step = plan_origin(join);
        work->is_level = true;
    }
    return ERR_LIMIT;
}

/* What a plan inside of a join matches, dead ones left out. The inner search has
 * rooms of its own: the outer one may be in the middle of a block. */
static enum err gather_live(struct tree *s, const struct plan *join, int depth,
                            struct docset *set)
{
    const struct plan *plan = join->children[0];
    struct tree inner = *s;
    struct cursor c;
    size_t count = 0;
    docset_init(set, s->time, s->arena);
    inner.plan = plan;
    TRY(tree_rooms(&inner));
    TRY(tree_open(&inner, plan, depth + 1, &c));
    bool any = true;
    for (uint64_t number = 0; any;) {
        struct block block;
        TRY(tree_next(&inner, &c, number, &any, &block));
        if (!any)
            break;
        count += block.count;
        TRY(level_check(s, join, count));
        TRY(docset_add_block(set, &block));
        number = block.number + 1;
    }
    docset_sort(set);
    return ERR_NONE;
}

enum err tree_name_of(struct tree *s, const struct plan *plan, uint64_t doc,
                      char value[TERM_VALUE_BYTES_MAX], struct slice *ret_name,
                      struct slice *ret_type)
{
    struct place_row place;
    struct body_row row;
    rocksdb_pinnableslice_t *pin = NULL;
    bool found = false;
    TRY(store_place_find(s->store, doc, &found, &place));
    if (!found)
        return ERR_CORRUPT;
    enum err err = store_body_row(s->store, place.home, place.type, doc, &pin, &row);
    struct slice type = types_name(s->store->types, place.type);
    if (!err && plan->from.length + row.id.length + 1 + type.length > TERM_VALUE_BYTES_MAX)
        err = ERR_LIMIT;
    if (!err) {
        char *end = value;
        memcpy(end, plan->from.bytes, plan->from.length);
        end += plan->from.length;
        memcpy(end, row.id.bytes, row.id.length);
        end += row.id.length;
        *end++ = '\0';
        memcpy(end, type.bytes, type.length);
        *ret_name = slice_of(value, (size_t)(end - value) + type.length);
        *ret_type = slice_of(end, type.length);
    }
    rocksdb_pinnableslice_destroy(pin);
    return err;
}

/* All documents of one value into the set. */
static enum err add_term(struct tree *s, uint32_t field, struct slice value, struct docset *set)
{
    struct term_cursor term;
    struct arena scratch;
    bool any = true;
    arena_init(&scratch, (size_t)1 << 20);
    enum err err = term_cursor_open(&term, &s->postings, field, value, &scratch);
    for (uint64_t number = 0; !err && any;) {
        struct block block;
        err = term_cursor_block(&term, number, &any, &block);
        if (err || !any)
            break;
        err = docset_add_block(set, &block);
        number = block.number + 1;
    }
    arena_release(&scratch);
    return err;
}

/* What the plan matches itself. */
static enum err add_live(struct tree *s, const struct plan *plan, int depth, struct docset *set)
{
    struct tree inner = *s;
    struct cursor c;
    bool any = true;
    inner.plan = plan;
    TRY(tree_rooms(&inner));
    TRY(tree_open(&inner, plan, depth + 1, &c));
    for (uint64_t number = 0; any; number++) {
        struct block block;
        TRY(tree_next(&inner, &c, number, &any, &block));
        if (!any)
            break;
        TRY(docset_add_block(set, &block));
        number = block.number;
    }
    return ERR_NONE;
}

static enum err open_refers(struct tree *s, const struct plan *plan, int depth,
                            struct cursor *c)
{
    struct docset targets;
    char value[TERM_VALUE_BYTES_MAX];
    struct slice name, type;
    docset_init(&c->set, s->time, s->arena);
    TRY(gather_live(s, plan, depth, &targets));
    for (uint64_t doc = docset_seek(&targets, 1); doc != DOC_END;
         doc = docset_seek(&targets, doc + 1)) {
        TRY(work_spend(s->postings.work, plan, FOLLOW_UNITS));
        TRY(tree_name_of(s, plan, doc, value, &name, &type));
        TRY(add_term(s, plan->field, name, &c->set));
    }
    return plan->child_count == 2 ? add_live(s, plan->children[1], depth, &c->set) : ERR_NONE;
}

/* ---- what matches refer to ---- */

struct referred {
    struct tree *s;
    const struct plan *plan;
    struct docset sources;
    struct docset *set;
    size_t value_count;
    uint64_t postings_left; /* that the field may still cost */
};

/* The document that a value names, if it is of the type that is asked. */
static enum err referred_add(struct referred *r, struct slice value)
{
    struct slice type = slice_from(value, r->plan->from.length);
    struct slice id = slice_cut(&type, '\0');
    if (!slice_equal(type, r->plan->to))
        return ERR_NONE;
    if (++r->value_count > STORE_JOIN_MAX)
        return ERR_LIMIT;
    TRY(work_spend(r->s->postings.work, r->plan, FOLLOW_UNITS));
    struct store_reader reader = { .store = r->s->store, .time = r->s->time };
    struct store_version head;
    bool found = false;
    TRY(store_head_meta(&reader, type, id, &found, &head));
    return found && !head.is_deleted ? docset_add(r->set, &head.doc, 1) : ERR_NONE;
}

static enum err referred_visit(void *context, struct slice value, const uint64_t *docs,
                               size_t count)
{
    struct referred *r = context;
    bool is_named = false;
    if (r->postings_left <= count)
        return ERR_BUSY;
    r->postings_left -= count + 1;
    r->sources.at = 0;
    for (size_t i = 0; !is_named && i < count; i++)
        is_named = docset_seek(&r->sources, docs[i]) == docs[i];
    return is_named ? referred_add(r, value) : ERR_NONE;
}

/* Few sources in a large field: what each of them refers to is in its own body. */
static enum err referred_bodies(struct referred *r)
{
    struct arena scratch;
    enum err err = ERR_NONE;
    arena_init(&scratch, BODY_ARENA_BYTES);
    r->sources.at = 0;
    r->value_count = 0;
    for (uint64_t doc = docset_seek(&r->sources, 1); !err && doc != DOC_END;
         doc = docset_seek(&r->sources, doc + 1)) {
        struct arena_mark mark = arena_mark(&scratch);
        struct term *terms;
        size_t count;
        err = store_doc_terms_of(r->s->store, doc, &r->plan->field, 1, &scratch, &terms, &count);
        for (size_t i = 0; !err && i < count; i++)
            if (terms[i].field == r->plan->field &&
                slice_starts_with(terms[i].value, r->plan->from))
                err = referred_add(r, terms[i].value);
        arena_rewind(&scratch, mark);
    }
    arena_release(&scratch);
    return err;
}

/* The field is walked until that has cost as much as reading the sources. */
static enum err open_referred(struct tree *s, const struct plan *plan, int depth,
                              struct cursor *c)
{
    struct referred r = { .s = s, .plan = plan, .set = &c->set, .postings_left = UINT64_MAX };
    struct plan scan = { .kind = PLAN_PREFIX, .field = plan->field, .from = plan->from };
    struct postings_reader postings = s->postings;
    docset_init(&c->set, s->time, s->arena);
    TRY(gather_live(s, plan, depth, &r.sources));
    if (!r.sources.bits && r.sources.count <= BODIES_MAX) {
        r.postings_left = r.sources.count * POSTINGS_PER_BODY + POSTINGS_ALWAYS;
        postings.work = NULL; /* bounded by that */
    }
    enum err err = postings_scan(&postings, &scan, referred_visit, &r);
    if (postings.work && postings.work->step == &scan)
        postings.work->step = plan_origin(plan);
    return err == ERR_BUSY ? referred_bodies(&r) : err;
}

enum err tree_open_join(struct tree *s, const struct plan *plan, int depth, struct cursor *c)
{
    if (!plan_join_is_valid(plan))
        return ERR_INVALID;
    TRY(plan->kind == PLAN_REFERS ? open_refers(s, plan, depth, c)
                                  : open_referred(s, plan, depth, c));
    return cursor_of_set(s, c);
}
