#include "memory.h"

#include <string.h>

void memory_init(struct memory *m)
{
    *m = (struct memory){ 0 };
    arena_init(&m->arena, (size_t)4 << 30);
}

void memory_release(struct memory *m)
{
    arena_release(&m->arena);
}

static struct slice keep(struct memory *m, struct slice s)
{
    char *copy = arena_copy(&m->arena, s);
    CHECK(copy);
    return slice_of(copy, s.length);
}

void memory_delete(struct memory *m, struct slice type, struct slice id)
{
    for (size_t i = 0; i < m->count; i++)
        if (slice_equal(m->docs[i].type, type) && slice_equal(m->docs[i].id, id))
            m->docs[i].is_live = false;
}

void memory_put(struct memory *m, struct slice type, struct slice id, const struct term *terms,
                size_t term_count)
{
    memory_delete(m, type, id);
    if (m->count == m->room) {
        m->room = m->room ? m->room * 2 : 64;
        struct memory_doc *docs = arena_array(&m->arena, m->room, sizeof *docs);
        CHECK(docs);
        if (m->count)
            memcpy(docs, m->docs, m->count * sizeof *docs);
        m->docs = docs;
    }
    struct memory_doc *doc = &m->docs[m->count++];
    *doc = (struct memory_doc){
        .type = keep(m, type),
        .id = keep(m, id),
        .terms = arena_array(&m->arena, term_count, sizeof *terms),
        .term_count = term_count,
        .is_live = true,
    };
    CHECK(doc->terms);
    for (size_t i = 0; i < term_count; i++)
        doc->terms[i] = (struct term){ terms[i].field, keep(m, terms[i].value) };
}

static bool range_holds(const struct plan *p, struct slice value)
{
    if (slice_compare(value, p->from) < 0 || (p->to.length && slice_compare(value, p->to) >= 0))
        return false;
    size_t at = p->tail_at ? p->tail_at : value.length > 8 ? value.length - 8 : 0;
    struct slice tail = slice_head(slice_from(value, at),
                                   MAX(p->tail_from.length, p->tail_to.length));
    return (!p->tail_from.length || slice_compare(tail, p->tail_from) >= 0) &&
           (!p->tail_to.length || slice_compare(tail, p->tail_to) < 0);
}

static bool parts_hold(const struct plan *p, struct slice value)
{
    struct slice rest = slice_from(value, p->parts_at);
    for (size_t i = 0; i < p->part_count; i++) {
        struct slice part = slice_cut(&rest, '\0');
        if (p->parts[i].bytes && !slice_equal(part, p->parts[i]))
            return false;
    }
    return true;
}

static bool contains_holds(const struct plan *p, struct slice value)
{
    if (!slice_starts_with(value, p->from))
        return false;
    struct slice behind = slice_from(value, p->from.length);
    ptrdiff_t end = slice_find_byte(behind, '\0');
    return slice_find(end < 0 ? behind : slice_head(behind, (size_t)end), p->needle) >= 0;
}

static bool leaf_holds(const struct plan *p, struct term term)
{
    if (term.field != p->field)
        return false;
    if (p->kind == PLAN_TERM)
        return slice_equal(term.value, p->from);
    if (p->kind == PLAN_PREFIX)
        return slice_starts_with(term.value, p->from) && parts_hold(p, term.value);
    return p->kind == PLAN_RANGE ? range_holds(p, term.value) && parts_hold(p, term.value)
                                 : contains_holds(p, term.value);
}

/* Does a document have, in the field, the name of the other? */
static bool names(const struct memory_doc *doc, const struct plan *p,
                  const struct memory_doc *other)
{
    for (size_t i = 0; i < doc->term_count; i++) {
        struct slice type = doc->terms[i].value;
        if (doc->terms[i].field != p->field || !slice_starts_with(type, p->from))
            continue;
        type = slice_from(type, p->from.length);
        struct slice id = slice_cut(&type, '\0');
        if (slice_equal(id, other->id) && slice_equal(type, other->type))
            return true;
    }
    return false;
}

static bool join_holds(const struct memory *m, const struct memory_doc *doc,
                       const struct plan *p)
{
    bool is_refers = p->kind == PLAN_REFERS;
    if (!is_refers && !slice_equal(doc->type, p->to))
        return false;
    for (size_t i = 0; i < m->count; i++) {
        const struct memory_doc *other = &m->docs[i];
        if (other->is_live && (is_refers ? names(doc, p, other) : names(other, p, doc)) &&
            memory_matches(m, other, p->children[0]))
            return true;
    }
    return false;
}

bool memory_matches(const struct memory *m, const struct memory_doc *doc,
                    const struct plan *plan)
{
    if (plan->kind == PLAN_REFERS || plan->kind == PLAN_REFERRED)
        return join_holds(m, doc, plan);
    bool is_any = false, is_all = true;
    for (size_t i = 0; i < plan->child_count; i++) {
        bool holds = memory_matches(m, doc, plan->children[i]);
        is_any |= holds;
        is_all &= holds;
    }
    switch (plan->kind) {
    case PLAN_ALL:
    case PLAN_KNOWN:
    case PLAN_SPAN: /* of pages */
    case PLAN_INSTANT:
    case PLAN_CREATED:
        return true;
    case PLAN_TEST: /* there are no bodies */
    case PLAN_NONE:
        return false;
    case PLAN_AND:
        return is_all;
    case PLAN_OR:
        return is_any;
    case PLAN_NOT:
        return !is_any;
    case PLAN_ID:
        return slice_equal(doc->type, plan->from) && slice_equal(doc->id, plan->to);
    case PLAN_REFERS:
    case PLAN_REFERRED:
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
        break;
    }
    for (size_t i = 0; i < doc->term_count; i++)
        if (leaf_holds(plan, doc->terms[i]))
            return true;
    return false;
}
