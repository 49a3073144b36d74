/* Joins: documents that refer to what a plan matches, or that it refers to. */
#include "store/embedded/rocks.h"
#include "store/embedded/tree.h"

/* What a plan inside of a join matches, dead ones left out. The inner search has
 * rooms of its own: the outer one may be in the middle of a block. */
static enum err gather_live(struct tree *s, const struct plan *plan, int depth,
                            struct docset *set)
{
    struct tree inner = *s;
    struct cursor c;
    size_t count = 0;
    docset_init(set, s->time, s->arena);
    TRY(tree_rooms(&inner));
    TRY(tree_open(&inner, plan, depth + 1, &c));
    bool any = true;
    for (uint64_t number = 0; any;) {
        struct block block;
        TRY(tree_next(&inner, &c, number, &any, &block));
        if (!any)
            break;
        count += block.count;
        if (count > STORE_JOIN_MAX)
            return ERR_LIMIT;
        TRY(docset_add_block(set, &block));
        number = block.number + 1;
    }
    docset_sort(set);
    return ERR_NONE;
}

/* `from` id NUL type, of a document; from the head of its row, not its body. */
static enum err name_of(struct tree *s, const struct plan *plan, uint64_t doc,
                        char value[TERM_VALUE_BYTES_MAX], struct slice *ret_name)
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

static enum err open_refers(struct tree *s, const struct plan *plan, int depth,
                            struct cursor *c)
{
    struct docset targets;
    char value[TERM_VALUE_BYTES_MAX];
    struct slice name;
    docset_init(&c->set, s->time, s->arena);
    TRY(gather_live(s, plan->children[0], depth, &targets));
    for (uint64_t doc = docset_seek(&targets, 1); doc != DOC_END;
         doc = docset_seek(&targets, doc + 1)) {
        TRY(name_of(s, plan, doc, value, &name));
        TRY(add_term(s, plan->field, name, &c->set));
    }
    return ERR_NONE;
}

struct referred {
    struct tree *s;
    const struct plan *plan;
    struct docset sources;
    struct docset *set;
    size_t value_count;
};

static enum err referred_visit(void *context, struct slice value, const uint64_t *docs,
                               size_t count)
{
    struct referred *r = context;
    struct slice type = slice_from(value, r->plan->from.length);
    struct slice id = slice_cut(&type, '\0');
    bool is_named = false;
    r->sources.at = 0;
    for (size_t i = 0; !is_named && i < count; i++)
        is_named = docset_seek(&r->sources, docs[i]) == docs[i];
    if (!is_named || !slice_equal(type, r->plan->to))
        return ERR_NONE;
    if (++r->value_count > STORE_JOIN_MAX)
        return ERR_LIMIT;
    struct store_reader reader = { .store = r->s->store, .time = r->s->time };
    struct store_version head;
    bool found = false;
    TRY(store_head_meta(&reader, type, id, &found, &head));
    return found && !head.is_deleted ? docset_add(r->set, &head.doc, 1) : ERR_NONE;
}

static enum err open_referred(struct tree *s, const struct plan *plan, int depth,
                              struct cursor *c)
{
    struct referred r = { .s = s, .plan = plan, .set = &c->set };
    struct plan scan = { .kind = PLAN_PREFIX, .field = plan->field, .from = plan->from };
    docset_init(&c->set, s->time, s->arena);
    TRY(gather_live(s, plan->children[0], depth, &r.sources));
    return postings_scan(&s->postings, &scan, referred_visit, &r);
}

enum err tree_open_join(struct tree *s, const struct plan *plan, int depth, struct cursor *c)
{
    if (plan->child_count != 1 || !plan->from.length)
        return ERR_INVALID;
    TRY(plan->kind == PLAN_REFERS ? open_refers(s, plan, depth, c)
                                  : open_referred(s, plan, depth, c));
    return cursor_of_set(s, c);
}
