/* Plans: a tree of cursors, each of which can seek to the first document at or
 * above a number. Cursors know nothing of deaths; the loop at the top asks. */
#include "store/embedded/cursor.h"
#include "store/embedded/docset.h"
#include "store/embedded/engine.h"
#include "store/embedded/rocks.h"

enum { PLAN_DEPTH_MAX = 64, OR_CURSORS_MAX = 4 };
static const size_t COUNT_ARENA_BYTES = (size_t)512 << 20;

enum cursor_kind {
    CURSOR_NONE,
    CURSOR_SPAN, /* all documents low..high */
    CURSOR_TERM,
    CURSOR_SET,
    CURSOR_AND,
    CURSOR_OR,
    CURSOR_NOT,
};

struct cursor {
    enum cursor_kind kind;
    uint64_t estimate; /* of matches, for the order of AND */
    uint64_t low, high;
    struct term_cursor term;
    struct docset set;
    struct cursor *children; /* in the arena */
    size_t child_count;
    uint64_t current; /* OR, NOT: the child's last answer, as this one's parent asked */
    enum err err;     /* of a term below, found when it ends early */
};

struct search {
    struct store *store;
    struct arena *arena;
    uint64_t time;
    struct postings_reader postings;
};

/* ---- seeking ---- */

static uint64_t cursor_seek(struct cursor *c, uint64_t doc);

/* Invariant: no document below `doc` that all children have was passed over. */
static uint64_t and_seek(struct cursor *c, uint64_t doc)
{
    for (size_t i = 0; i < c->child_count;) {
        uint64_t found = cursor_seek(&c->children[i], doc);
        if (found == DOC_END)
            return DOC_END;
        i = found == doc || i == 0 ? i + 1 : 0;
        doc = found;
    }
    return doc;
}

static uint64_t or_seek(struct cursor *c, uint64_t doc)
{
    uint64_t best = DOC_END;
    for (size_t i = 0; i < c->child_count; i++) {
        struct cursor *child = &c->children[i];
        if (child->current < doc)
            child->current = cursor_seek(child, doc);
        best = MIN(best, child->current);
    }
    return best;
}

static uint64_t not_seek(struct cursor *c, uint64_t doc)
{
    struct cursor *child = &c->children[0];
    for (; doc <= c->high; doc++) {
        if (child->current < doc)
            child->current = cursor_seek(child, doc);
        if (child->current != doc)
            return doc;
    }
    return DOC_END;
}

static uint64_t cursor_seek(struct cursor *c, uint64_t doc)
{
    switch (c->kind) {
    case CURSOR_NONE:
        return DOC_END;
    case CURSOR_SPAN:
        doc = MAX(doc, c->low);
        return doc <= c->high ? doc : DOC_END;
    case CURSOR_TERM:
        return term_cursor_seek(&c->term, doc);
    case CURSOR_SET:
        return docset_seek(&c->set, doc);
    case CURSOR_AND:
        return and_seek(c, doc);
    case CURSOR_OR:
        return or_seek(c, doc);
    case CURSOR_NOT:
        return not_seek(c, doc);
    }
    return DOC_END;
}

static enum err cursor_err(const struct cursor *c)
{
    enum err err = c->kind == CURSOR_TERM ? c->term.err : ERR_NONE;
    for (size_t i = 0; !err && i < c->child_count; i++)
        err = cursor_err(&c->children[i]);
    return err;
}

/* ---- opening ---- */

static enum err gather_visit(void *context, struct slice value, const uint64_t *docs,
                             size_t count)
{
    (void)value;
    return docset_add(context, docs, count);
}

static enum err open_scan(struct search *s, const struct plan *plan, struct cursor *c)
{
    c->kind = CURSOR_SET;
    docset_init(&c->set, s->time, s->arena);
    TRY(postings_scan(&s->postings, plan, gather_visit, &c->set));
    docset_sort(&c->set);
    c->estimate = c->set.bits ? s->time / 4 : c->set.count;
    return ERR_NONE;
}

static enum err open_id(struct search *s, const struct plan *plan, struct cursor *c)
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
static enum err doc_of_instant(struct search *s, int64_t instant, uint64_t *ret_doc)
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

static enum err open_instant(struct search *s, const struct plan *plan, struct cursor *c)
{
    uint64_t end = 0;
    if (plan->instant_low >= plan->instant_high)
        return ERR_NONE;
    TRY(doc_of_instant(s, plan->instant_low, &c->low));
    TRY(doc_of_instant(s, plan->instant_high, &end));
    if (end <= c->low)
        return ERR_NONE;
    c->kind = CURSOR_SPAN;
    c->high = MIN(end - 1, s->time);
    c->estimate = c->high >= c->low ? c->high - c->low + 1 : 0;
    return ERR_NONE;
}

static enum err cursor_open(struct search *s, const struct plan *plan, int depth,
                            struct cursor *c);

static enum err open_children(struct search *s, const struct plan *plan, int depth,
                              struct cursor *c)
{
    c->children = arena_array(s->arena, plan->child_count, sizeof *c->children);
    if (!c->children)
        return ERR_LIMIT;
    for (size_t i = 0; i < plan->child_count; i++) {
        c->child_count = i + 1;
        TRY(cursor_open(s, plan->children[i], depth + 1, &c->children[i]));
    }
    return ERR_NONE;
}

/* The rarest leads: each of its documents costs one seek in the others. */
static void and_order(struct cursor *c)
{
    c->estimate = c->child_count ? UINT64_MAX : 0;
    for (size_t i = 0; i < c->child_count; i++) {
        c->estimate = MIN(c->estimate, c->children[i].estimate);
        for (size_t k = i; k > 0 && c->children[k].estimate < c->children[k - 1].estimate; k--) {
            struct cursor held = c->children[k];
            c->children[k] = c->children[k - 1];
            c->children[k - 1] = held;
        }
    }
}

/* With many children every step would ask them all, so they are emptied into
 * one set, one cursor after the other. */
static enum err open_wide_or(struct search *s, const struct plan *plan, int depth,
                             struct cursor *c)
{
    c->kind = CURSOR_SET;
    docset_init(&c->set, s->time, s->arena);
    for (size_t i = 0; i < plan->child_count; i++) {
        struct cursor child = { .kind = CURSOR_NONE };
        enum err err = cursor_open(s, plan->children[i], depth + 1, &child);
        uint64_t doc = err ? DOC_END : cursor_seek(&child, 1);
        for (; !err && doc <= s->time; doc = cursor_seek(&child, doc + 1))
            err = docset_add(&c->set, &doc, 1);
        if (!err)
            err = cursor_err(&child);
        TRY(err);
    }
    docset_sort(&c->set);
    c->estimate = c->set.bits ? s->time / 4 : c->set.count;
    return ERR_NONE;
}

/* ---- joins ---- */

/* What a plan inside of a join matches, dead ones left out. */
static enum err gather_live(struct search *s, const struct plan *plan, int depth,
                            struct docset *set)
{
    struct cursor c = { .kind = CURSOR_NONE };
    docset_init(set, s->time, s->arena);
    size_t count = 0;
    enum err err = cursor_open(s, plan, depth + 1, &c);
    uint64_t doc = err ? DOC_END : cursor_seek(&c, 1);
    for (; !err && doc <= s->time; doc = cursor_seek(&c, doc + 1)) {
        bool alive = false;
        err = death_is_alive(&s->store->deaths, doc, s->time, &alive);
        if (!err && alive)
            err = ++count > STORE_JOIN_MAX ? ERR_LIMIT : docset_add(set, &doc, 1);
    }
    if (!err)
        err = cursor_err(&c);
    docset_sort(set);
    return err;
}

/* `from` id NUL type, of a document; from the head of its row, not its body. */
static enum err name_of(struct search *s, const struct plan *plan, uint64_t doc,
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
static enum err add_term(struct search *s, uint32_t field, struct slice value,
                         struct docset *set)
{
    struct term_cursor term;
    struct arena scratch;
    arena_init(&scratch, (size_t)1 << 20);
    enum err err = term_cursor_open(&term, &s->postings, field, value, &scratch);
    uint64_t doc = err ? DOC_END : term_cursor_seek(&term, 1);
    for (; !err && doc <= s->time; doc = term_cursor_seek(&term, doc + 1))
        err = docset_add(set, &doc, 1);
    if (!err)
        err = term.err;
    arena_release(&scratch);
    return err;
}

static enum err open_refers(struct search *s, const struct plan *plan, int depth,
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
    struct search *s;
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

static enum err open_referred(struct search *s, const struct plan *plan, int depth,
                              struct cursor *c)
{
    struct referred r = { .s = s, .plan = plan, .set = &c->set };
    struct plan scan = { .kind = PLAN_PREFIX, .field = plan->field, .from = plan->from };
    docset_init(&c->set, s->time, s->arena);
    TRY(gather_live(s, plan->children[0], depth, &r.sources));
    return postings_scan(&s->postings, &scan, referred_visit, &r);
}

static enum err open_join(struct search *s, const struct plan *plan, int depth, struct cursor *c)
{
    if (plan->child_count != 1 || !plan->from.length)
        return ERR_INVALID;
    TRY(plan->kind == PLAN_REFERS ? open_refers(s, plan, depth, c)
                                  : open_referred(s, plan, depth, c));
    c->kind = CURSOR_SET;
    docset_sort(&c->set);
    c->estimate = c->set.bits ? s->time / 4 : c->set.count;
    return ERR_NONE;
}

static enum err open_logic(struct search *s, const struct plan *plan, int depth,
                           struct cursor *c)
{
    if (plan->kind == PLAN_OR && plan->child_count > OR_CURSORS_MAX)
        return open_wide_or(s, plan, depth, c);
    if (plan->kind == PLAN_NOT && plan->child_count != 1)
        return ERR_INVALID;
    if (plan->kind != PLAN_NOT && !plan->child_count) {
        c->kind = plan->kind == PLAN_AND ? CURSOR_SPAN : CURSOR_NONE;
        c->low = 1;
        c->high = c->estimate = s->time;
        return ERR_NONE;
    }
    TRY(open_children(s, plan, depth, c));
    c->high = s->time;
    if (plan->kind == PLAN_AND) {
        c->kind = CURSOR_AND;
        and_order(c);
    } else if (plan->kind == PLAN_OR) {
        c->kind = CURSOR_OR;
        for (size_t i = 0; i < c->child_count; i++)
            c->estimate += MIN(c->children[i].estimate, s->time);
    } else {
        c->kind = CURSOR_NOT;
        c->estimate = s->time;
    }
    return ERR_NONE;
}

static enum err cursor_open(struct search *s, const struct plan *plan, int depth,
                            struct cursor *c)
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
        return open_scan(s, plan, c);
    case PLAN_ID:
        return open_id(s, plan, c);
    case PLAN_INSTANT:
        return open_instant(s, plan, c);
    case PLAN_AND:
    case PLAN_OR:
    case PLAN_NOT:
        return open_logic(s, plan, depth, c);
    case PLAN_REFERS:
    case PLAN_REFERRED:
        return open_join(s, plan, depth, c);
    }
    return ERR_INVALID;
}

/* ---- running ---- */

/* The view is taken by a reader's first search: reads by id need none. It may
 * be newer than the reader's time, which then cuts it. */
struct postings_reader reader_postings(struct store_reader *reader)
{
    if (!reader->view)
        reader->view = postings_view_take(&reader->store->postings);
    return (struct postings_reader){ .view = reader->view, .time = reader->time };
}

static void search_begin(struct store_reader *reader, struct arena *arena, struct search *s)
{
    *s = (struct search){ .store = reader->store,
                          .arena = arena,
                          .time = reader->time,
                          .postings = reader_postings(reader) };
}

/* The next live match at or above doc; DOC_END. */
static enum err next_live(const struct search *s, struct cursor *c, uint64_t doc,
                          uint64_t *ret_doc)
{
    for (;; doc++) {
        bool alive = false;
        doc = cursor_seek(c, doc);
        if (doc > s->time) {
            *ret_doc = DOC_END;
            return cursor_err(c);
        }
        TRY(death_is_alive(&s->store->deaths, doc, s->time, &alive));
        if (alive) {
            *ret_doc = doc;
            return ERR_NONE;
        }
    }
}

static enum err collect(const struct search *s, struct cursor *c, uint64_t after, size_t limit,
                        uint64_t **ret_docs, size_t *ret_count)
{
    size_t room = MIN(limit, (size_t)64), count = 0;
    uint64_t *docs = arena_array(s->arena, room, sizeof *docs);
    if (!docs)
        return ERR_LIMIT;
    uint64_t doc = after;
    while (count < limit) {
        TRY(next_live(s, c, doc + 1, &doc));
        if (doc == DOC_END)
            break;
        if (count == room) {
            uint64_t *larger = arena_raw(s->arena, 2 * room * sizeof *docs);
            if (!larger)
                return ERR_LIMIT;
            memcpy(larger, docs, count * sizeof *docs);
            docs = larger;
            room *= 2;
        }
        docs[count++] = doc;
    }
    *ret_docs = docs;
    *ret_count = count;
    return ERR_NONE;
}

/* Scratch and result share the arena, and the result comes last: what the
 * cursors took stays until the caller releases it. */
enum err store_search(struct store_reader *reader, const struct plan *plan, uint64_t after,
                      size_t limit, struct arena *arena, uint64_t **ret_docs, size_t *ret_count)
{
    struct search s;
    struct cursor c;
    *ret_count = 0;
    *ret_docs = NULL;
    if (after >= reader->time || !limit)
        return ERR_NONE;
    search_begin(reader, arena, &s);
    enum err err = cursor_open(&s, plan, 0, &c);
    if (!err)
        err = collect(&s, &c, after, limit, ret_docs, ret_count);
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}

enum err store_count(struct store_reader *reader, const struct plan *plan, uint64_t *ret_count)
{
    struct search s;
    struct cursor c;
    struct arena arena;
    uint64_t count = 0, doc = 0;
    arena_init(&arena, COUNT_ARENA_BYTES);
    search_begin(reader, &arena, &s);
    enum err err = cursor_open(&s, plan, 0, &c);
    while (!err && !(err = next_live(&s, &c, doc + 1, &doc)) && doc != DOC_END)
        count++;
    arena_release(&arena);
    *ret_count = count;
    return err == ERR_NO_MEMORY ? ERR_LIMIT : err;
}
