#include "rest/include.h"

#include <string.h>

#include "index/index.h"

enum { SLOTS = 65536 }; /* of a hash set; never more than half full */
_Static_assert(2 * (INCLUDED_MAX + 1001) < SLOTS, "the set has room");

struct including {
    struct request *r;
    const struct search_query *query;
    struct store_reader *reader;
    struct arena work; /* of one visited document */
    uint64_t *seen;    /* hash set of documents; 0: free */
    uint64_t *docs;    /* found, in the order found */
    size_t count;
    bool is_first_round; /* what is visited are the matches */
};

/* False if it was there. */
static bool remember(struct including *n, uint64_t doc)
{
    size_t at = (size_t)(doc * UINT64_C(0x9e3779b97f4a7c15) >> 48) % SLOTS;
    while (n->seen[at] && n->seen[at] != doc)
        at = (at + 1) % SLOTS;
    if (n->seen[at] == doc)
        return false;
    n->seen[at] = doc;
    return true;
}

static enum err add(struct including *n, uint64_t doc)
{
    if (!remember(n, doc))
        return ERR_NONE;
    if (n->count == INCLUDED_MAX)
        return issues_fail(&n->r->issues, ERR_LIMIT, "too-costly",
                           "More than %d resources would be included on one page: ask for a "
                           "smaller _count or fewer includes.", (int)INCLUDED_MAX);
    n->docs[n->count++] = doc;
    return ERR_NONE;
}

static bool applies(const struct including *n, const struct search_include *include)
{
    return n->is_first_round || include->is_iterated;
}

/* 'r' id 0 type, as index/README.md draws it. */
static enum err follow(struct including *n, const struct search_include *include,
                       struct slice value)
{
    struct slice type = slice_from(value, 1);
    struct slice id = slice_cut(&type, '\0');
    if (include->target && !slice_equal(include->target->name, type))
        return ERR_NONE;
    struct store_version head;
    bool found = false;
    TRY(store_head_meta(n->reader, type, id, &found, &head));
    return found && !head.is_deleted ? add(n, head.doc) : ERR_NONE;
}

static enum err add_all(struct including *n, const uint64_t *docs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        TRY(add(n, docs[i]));
    return ERR_NONE;
}

/* 'u' url: what a canonical names. */
static enum err follow_canonical(struct including *n, const struct fhir_type *type,
                                 const struct search_include *include, const struct term *term)
{
    const struct fhir_param *param =
        custom_param_at(n->query->customs, (uint16_t)(term->field & 0xffff));
    uint64_t *docs;
    size_t count;
    if (!param || param->type != FHIR_PARAM_REFERENCE)
        return ERR_NONE; /* of * and a parameter that is no reference */
    TRY(search_canonical_named(n->reader, param, type, include->target,
                               slice_from(term->value, 1), INCLUDED_MAX + 1, &n->work, &docs,
                               &count));
    return add_all(n, docs, count);
}

static enum err forward(struct including *n, const struct fhir_type *type,
                        const struct extraction *x)
{
    for (size_t t = 0; t < x->term_count; t++) {
        const struct term *term = &x->terms[t];
        char kind = term->value.length ? term->value.bytes[0] : 0;
        if (term->field >> 16 != type->resource || (kind != TERM_REFERENCE && kind != TERM_URI))
            continue;
        for (size_t i = 0; i < n->query->include_count; i++) {
            const struct search_include *include = &n->query->includes[i];
            bool is_meant =
                !include->is_reverse && applies(n, include) &&
                (!include->source || include->source == type) &&
                (!include->param || term->field == index_field(type, include->param->id));
            if (is_meant)
                TRY(kind == TERM_URI ? follow_canonical(n, type, include, term)
                                     : follow(n, include, term->value));
        }
    }
    return ERR_NONE;
}

static enum err backward_by(struct including *n, const struct fhir_type *source,
                            const struct fhir_param *param, const struct store_version *v)
{
    struct plan plan = { .kind = PLAN_TERM,
                         .field = index_field(source, param->id),
                         .from = index_encode_reference(&n->work, v->type, v->id) };
    uint64_t *docs = NULL;
    size_t count = 0;
    if (!plan.from.bytes)
        return ERR_NO_MEMORY;
    enum err err = store_search(n->reader, &plan, 0, INCLUDED_MAX + 1, &n->work, &docs, &count);
    if (err == ERR_NOT_READY)
        err = search_unready(n->r->rest->settings.store, &plan, n->query->customs,
                             &n->r->issues);
    TRY(err);
    TRY(add_all(n, docs, count));
    TRY(search_canonical_naming(n->reader, param, source, v, rest_basis(n->r->rest),
                                n->query->customs, INCLUDED_MAX + 1, &n->work, &docs, &count));
    return add_all(n, docs, count);
}

/* Type:* means all references of the type, the store's own among them. */
static enum err backward(struct including *n, const struct search_include *include,
                         const struct store_version *v)
{
    const struct fhir_type *source = include->source, *target = fhir_resource_find(v->type);
    size_t count, own_count;
    if (include->param)
        return backward_by(n, source, include->param, v);
    const uint16_t *params = fhir_params_of(source, &count);
    const struct custom_param *const *own =
        custom_params_of(n->query->customs, source, &own_count);
    for (size_t i = 0; i < count + own_count; i++) {
        const struct fhir_param *param =
            i < count ? fhir_param_at(params[i]) : &own[i - count]->param;
        bool is_meant = param->type == FHIR_PARAM_REFERENCE && param->path && target &&
                        search_refers_to(param, target);
        if (is_meant)
            TRY(backward_by(n, source, param, v));
    }
    return ERR_NONE;
}

static enum err visit_body(struct including *n, const struct fhir_type *type,
                           const struct store_version *v)
{
    struct json_doc doc;
    struct json_error where;
    struct extraction x;
    TRY(json_parse(v->body, NULL, &n->work, &doc, &where));
    TRY(index_extract(json_root(&doc), type, rest_basis(n->r->rest), n->query->customs,
                      &n->work, &x));
    return forward(n, type, &x);
}

static enum err visit(void *context, const struct store_version *v)
{
    struct including *n = context;
    const struct fhir_type *type = fhir_resource_find(v->type);
    struct arena_mark mark = arena_mark(&n->work);
    bool reads_body = false;
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < n->query->include_count; i++) {
        const struct search_include *include = &n->query->includes[i];
        bool is_meant = applies(n, include) && (!include->target || !include->is_reverse ||
                                                include->target == type);
        if (include->is_reverse && is_meant)
            err = backward(n, include, v);
        reads_body |= !include->is_reverse && applies(n, include);
    }
    if (!err && reads_body && type)
        err = visit_body(n, type, v);
    arena_rewind(&n->work, mark);
    return err;
}

/* Rounds: the matches, then what each round added, while some include iterates.
 * Each document is visited once, so a cycle ends. */
static enum err rounds(struct including *n, struct arena *bodies, const uint64_t *docs,
                       size_t count)
{
    bool iterates = false;
    for (size_t i = 0; i < n->query->include_count; i++)
        iterates |= n->query->includes[i].is_iterated;
    for (size_t i = 0; i < count; i++)
        remember(n, docs[i]);
    n->is_first_round = true;
    TRY(store_docs(n->reader, docs, count, bodies, visit, n));
    n->is_first_round = false;
    for (size_t done = 0; iterates && done < n->count;) {
        size_t round = n->count;
        TRY(store_docs(n->reader, n->docs + done, round - done, bodies, visit, n));
        done = round;
    }
    return ERR_NONE;
}

enum err include_find(struct request *r, const struct search_query *query,
                      struct store_reader *reader, const uint64_t *docs, size_t count,
                      uint64_t **ret_docs, size_t *ret_count)
{
    *ret_docs = NULL;
    *ret_count = 0;
    if (!query->include_count || !count)
        return ERR_NONE;
    struct including n = { .r = r, .query = query, .reader = reader };
    struct arena bodies;
    size_t limit = 4 * r->rest->settings.behaviour.limits.body_bytes + ((size_t)64 << 20);
    n.seen = arena_array(r->arena, SLOTS, sizeof *n.seen);
    n.docs = arena_array(r->arena, INCLUDED_MAX, sizeof *n.docs);
    if (!n.seen || !n.docs)
        return ERR_NO_MEMORY;
    arena_init(&n.work, limit);
    arena_init(&bodies, limit);
    enum err err = rounds(&n, &bodies, docs, count);
    arena_release(&bodies);
    arena_release(&n.work);
    *ret_docs = n.docs;
    *ret_count = n.count;
    return err;
}
