/* Contained resources: chains that lead into them, and searches for them (_contained).
 *
 * The index tells which documents contain something that may match (their terms have
 * fields of their own); whether one and the same contained resource has all that is
 * asked is seen in the body: its terms are made again and the plan is held against
 * them. What it refers to outside is asked of the store; nothing refers to it but what
 * stands beside it. */
#include "search/compile.h"

#include "index/index.h"

enum {
    DEPTH_MAX = 4 * LIMIT_CHAIN_DEPTH, /* of plans: a level of a chain has up to four */
    ITEM_UNITS = 50, /* of work: the terms of a contained resource */
};

/* Context of a PLAN_TEST. */
struct contained_test {
    const struct fhir_type *type; /* of what is searched for; NULL: a chain's */
    uint32_t field;               /* of the chain's reference */
    const struct plan *plan;      /* what the contained resource must meet */
    struct index_basis basis;
    const struct custom_set *customs;
    struct plan *candidates; /* documents that contain what may meet it */
};

/* What was found out of a document. Its parts may refer to one another in a circle, each
 * to many, and a chain of n levels through them has as many ways as there are: so the
 * terms of a part are made once, and whether it meets a chain's plan is asked once. */
struct known {
    const struct contained_test *test; /* NULL: the part itself */
    uint32_t at;                       /* of the part in the body; 0: free */
    bool is_met;
    struct item *item; /* without test */
};
struct known_set {
    struct known *slots;
    size_t count, room; /* a power of two */
};

/* One document looked into. */
struct look {
    const struct contained_test *test;
    struct store_reader *reader;
    const struct store_version *version;
    struct json_doc doc; /* its tape: a struct look stays where it is */
    struct json container;
    struct arena *arena;
    struct known_set *known;
};

/* A resource in it, or itself. */
struct item {
    const struct fhir_type *type;
    struct json container;    /* what "#id" means in it */
    struct store_write write; /* type, id, terms */
};

static enum err item_load(const struct look *l, struct json resource, const struct fhir_type *type,
                          struct json container, struct item *ret)
{
    struct extraction x;
    TRY(index_extract_contained(resource, type, container, l->test->basis, l->test->customs,
                                l->arena, &x));
    struct json id = json_member(resource, "id");
    *ret = (struct item){ .type = type,
                          .container = container,
                          .write = { .type = type->name,
                                     .id = json_is(id, JSON_STRING) ? json_string(id, l->arena)
                                                                    : SLICE(""),
                                     .terms = x.terms,
                                     .term_count = x.term_count } };
    return ERR_NONE;
}

/* ---- what is known of it ---- */

static struct known *known_slot(const struct known_set *set, const struct contained_test *test,
                                uint32_t at)
{
    uint64_t hash = ((uint64_t)(uintptr_t)test + at) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = (size_t)(hash >> 32);; i++) {
        struct known *k = &set->slots[i & (set->room - 1)];
        if (!k->at || (k->at == at && k->test == test))
            return k;
    }
}

static enum err known_reserve(const struct look *l)
{
    struct known_set *set = l->known, before = *set;
    if (2 * set->count < set->room)
        return ERR_NONE;
    set->room = before.room ? 2 * before.room : 16;
    set->slots = arena_array(l->arena, set->room, sizeof *set->slots);
    if (!set->slots)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < before.room; i++)
        if (before.slots[i].at)
            *known_slot(set, before.slots[i].test, before.slots[i].at) = before.slots[i];
    return ERR_NONE;
}

static enum err known_add(const struct look *l, struct known known)
{
    TRY(known_reserve(l));
    *known_slot(l->known, known.test, known.at) = known;
    l->known->count++;
    return ERR_NONE;
}

/* A part's terms. */
static enum err part_load(const struct look *l, struct json part, const struct fhir_type *type,
                          struct json container, const struct contained_test *test,
                          struct item **ret)
{
    TRY(known_reserve(l));
    const struct known *known = known_slot(l->known, NULL, part.at);
    *ret = known->item;
    if (known->at)
        return ERR_NONE;
    *ret = arena_alloc(l->arena, sizeof **ret);
    if (!*ret)
        return ERR_NO_MEMORY;
    TRY(store_reader_spend(l->reader, test->plan, ITEM_UNITS));
    TRY(item_load(l, part, type, container, *ret));
    return known_add(l, (struct known){ .at = part.at, .item = *ret });
}

/* ---- a plan held against an item ---- */

static enum err meets(const struct look *l, const struct plan *plan, const struct item *item,
                      int depth, bool *ret);

/* Is there a live document that both match? */
static enum err store_meets(const struct look *l, struct plan *a, struct plan *b, bool *ret)
{
    struct plan *both[] = { a, b };
    const struct plan all = { .kind = PLAN_AND, .children = both, .child_count = 2 };
    struct arena work;
    uint64_t *docs;
    size_t count = 0;
    arena_init(&work, STORE_MEMORY_BYTES);
    enum err err = store_search(l->reader, &all, 0, 1, &work, &docs, &count);
    arena_release(&work);
    *ret = count > 0;
    return err;
}

/* The value names a document, kind id 0 type. */
static struct slice value_id(struct slice value, struct slice *ret_type)
{
    *ret_type = slice_from(value, 1);
    return slice_cut(ret_type, '\0');
}

/* Does it refer to a resource of the store that the plan matches? */
static enum err refers(const struct look *l, const struct plan *plan, const struct item *item,
                       int depth, bool *ret)
{
    *ret = false;
    for (size_t i = 0; !*ret && i < item->write.term_count; i++) {
        const struct term *term = &item->write.terms[i];
        if (term->field != plan->field || !slice_starts_with(term->value, plan->from))
            continue;
        struct plan named = { .kind = PLAN_ID };
        named.to = value_id(term->value, &named.from);
        TRY(store_meets(l, &named, plan->children[0], ret));
    }
    return *ret || plan->child_count == 1 ? ERR_NONE
                                          : meets(l, plan->children[1], item, depth + 1, ret);
}

/* Does the part meet the chain's plan? */
static enum err part_meets(const struct look *l, const struct contained_test *test,
                           struct json part, const struct fhir_type *type,
                           struct json container, int depth, bool *ret)
{
    struct item *item;
    TRY(known_reserve(l));
    const struct known *known = known_slot(l->known, test, part.at);
    *ret = known->is_met;
    if (known->at)
        return ERR_NONE;
    TRY(part_load(l, part, type, container, test, &item));
    TRY(meets(l, test->plan, item, depth + 1, ret));
    return known_add(l, (struct known){ .test = test, .at = part.at, .is_met = *ret });
}

/* Does it refer to a resource in the same body that meets the plan? */
static enum err chain_meets(const struct look *l, const struct contained_test *test,
                            const struct item *item, int depth, bool *ret)
{
    *ret = false;
    for (size_t i = 0; !*ret && i < item->write.term_count; i++) {
        const struct term *term = &item->write.terms[i];
        const struct fhir_type *type;
        struct json container;
        if (term->field != test->field)
            continue;
        struct json inner = index_contained_named(item->container, term->value, &type, &container);
        if (json_exists(inner))
            TRY(part_meets(l, test, inner, type, container, depth, ret));
    }
    return ERR_NONE;
}

static enum err children_meet(const struct look *l, const struct plan *plan,
                              const struct item *item, int depth, bool *ret)
{
    bool wanted = plan->kind != PLAN_OR;
    *ret = wanted;
    for (size_t i = 0; *ret == wanted && i < plan->child_count; i++)
        TRY(meets(l, plan->children[i], item, depth + 1, ret));
    return ERR_NONE;
}

static enum err meets(const struct look *l, const struct plan *plan, const struct item *item,
                      int depth, bool *ret)
{
    *ret = false;
    if (depth > DEPTH_MAX)
        return ERR_LIMIT;
    TRY(store_reader_spend(l->reader, plan, 1 + item->write.term_count / 32));
    switch (plan->kind) {
    case PLAN_ALL:
    case PLAN_NONE:
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
    case PLAN_ID:
        *ret = search_meets(plan, &item->write, 0);
        return ERR_NONE;
    case PLAN_SPAN:
    case PLAN_INSTANT:
    case PLAN_CREATED: { /* its container's */
        struct plan span = { .kind = PLAN_SPAN,
                             .doc_low = l->version->doc,
                             .doc_high = l->version->doc };
        struct plan own = *plan;
        return store_meets(l, &span, &own, ret);
    }
    case PLAN_AND:
    case PLAN_OR:
        return children_meet(l, plan, item, depth, ret);
    case PLAN_NOT:
        TRY(meets(l, plan->children[0], item, depth + 1, ret));
        *ret = !*ret;
        return ERR_NONE;
    case PLAN_TEST:
        return canonical_is_test(plan) ? ERR_NONE
                                       : chain_meets(l, plan->test_context, item, depth, ret);
    case PLAN_REFERS:
        return refers(l, plan, item, depth, ret);
    case PLAN_REFERRED:
    case PLAN_KNOWN:
        break;
    }
    return ERR_NONE;
}

static enum err look_begin(const struct contained_test *test, struct store_reader *reader,
                           const struct store_version *v, struct arena *arena, struct look *ret)
{
    *ret = (struct look){ .test = test, .reader = reader, .version = v, .arena = arena };
    ret->known = arena_alloc(arena, sizeof *ret->known);
    if (!ret->known)
        return ERR_NO_MEMORY;
    enum err err = json_parse(v->body, NULL, arena, &ret->doc, NULL);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    ret->container = json_root(&ret->doc);
    return ERR_NONE;
}

static enum err test_chain(const struct plan *plan, struct store_reader *reader,
                           const struct store_version *v, struct arena *scratch, bool *ret)
{
    const struct contained_test *test = plan->test_context;
    const struct fhir_type *type = fhir_resource_find(v->type);
    struct look l;
    struct item own;
    *ret = false;
    if (!type)
        return ERR_NONE;
    TRY(look_begin(test, reader, v, scratch, &l));
    TRY(item_load(&l, l.container, type, l.container, &own));
    return chain_meets(&l, test, &own, 0, ret);
}

/* Those of the test's type that meet its plan, one after the other; absent at the end. */
static enum err match_next(const struct look *l, struct json before, struct json *ret)
{
    const struct fhir_type *type = NULL;
    bool is_match = false;
    *ret = before;
    while (!is_match) {
        struct item *item;
        *ret = index_contained_next(l->container, *ret, &type);
        if (!json_exists(*ret))
            return ERR_NONE;
        if (type != l->test->type)
            continue;
        TRY(part_load(l, *ret, type, l->container, l->test, &item));
        TRY(meets(l, l->test->plan, item, 0, &is_match));
    }
    return ERR_NONE;
}

static enum err test_type(const struct plan *plan, struct store_reader *reader,
                          const struct store_version *v, struct arena *scratch, bool *ret)
{
    struct look l;
    struct json found;
    TRY(look_begin(plan->test_context, reader, v, scratch, &l));
    TRY(match_next(&l, JSON_ABSENT, &found));
    *ret = json_exists(found);
    return ERR_NONE;
}

/* ---- candidates ---- */

/* Resources that contain one of the type. */
static enum err type_posting(struct compiler *c, uint32_t field, struct plan **ret_plan)
{
    TRY(plan_leaf(c, PLAN_TERM, SLICE(""), ret_plan));
    (*ret_plan)->field = field | INDEX_PARAM_TYPE | INDEX_FIELD_CONTAINED;
    return ERR_NONE;
}

static bool has_no_terms(const struct plan *plan)
{
    uint16_t param = (uint16_t)(plan->field & 0xffff);
    char kind = plan->from.length ? plan->from.bytes[0] : 0;
    bool is_own = param != INDEX_PARAM_TYPE && param >= fhir_param_count();
    return kind == TERM_PRESENT || kind == TERM_WORD || is_own;
}

/* Documents that contain what may match: all that do, and others. */
static enum err candidates(struct compiler *c, const struct plan *plan, struct plan **ret_plan)
{
    struct plan_list list = { 0 };
    switch (plan->kind) {
    case PLAN_ALL:
    case PLAN_NONE:
    case PLAN_SPAN:
    case PLAN_INSTANT:
    case PLAN_CREATED:
    case PLAN_TERM:
    case PLAN_PREFIX:
    case PLAN_RANGE:
    case PLAN_CONTAINS:
    case PLAN_REFERS:
        break;
    case PLAN_ID: {
        const struct fhir_type *type = fhir_resource_find(plan->from);
        return type ? type_posting(c, index_field(type, 0), ret_plan)
                    : plan_bare(c, PLAN_NONE, ret_plan);
    }
    case PLAN_NOT:
        return plan_bare(c, PLAN_ALL, ret_plan);
    case PLAN_REFERRED:
    case PLAN_KNOWN:
        return plan_bare(c, PLAN_NONE, ret_plan);
    case PLAN_TEST:
        if (canonical_is_test(plan)) /* nothing contained is named so */
            return plan_bare(c, PLAN_NONE, ret_plan);
        *ret_plan = ((const struct contained_test *)plan->test_context)->candidates;
        return ERR_NONE;
    case PLAN_AND:
    case PLAN_OR:
        for (size_t i = 0; i < plan->child_count; i++) {
            struct plan *child;
            TRY(candidates(c, plan->children[i], &child));
            TRY(plan_list_add(c, &list, child));
        }
        return plan_join(c, plan->kind, &list, ret_plan);
    }
    bool has_field = plan->kind == PLAN_TERM || plan->kind == PLAN_PREFIX ||
                     plan->kind == PLAN_RANGE || plan->kind == PLAN_CONTAINS;
    if ((has_field || plan->kind == PLAN_REFERS) && has_no_terms(plan))
        return type_posting(c, plan->field & ~(uint32_t)0xffff, ret_plan);
    TRY(plan_bare(c, plan->kind, ret_plan));
    **ret_plan = *plan;
    if (has_field || plan->kind == PLAN_REFERS)
        (*ret_plan)->field |= INDEX_FIELD_CONTAINED;
    if (plan->kind != PLAN_REFERS || plan->child_count == 1)
        return ERR_NONE;
    (*ret_plan)->children = arena_array(c->arena, 2, sizeof(struct plan *));
    if (!(*ret_plan)->children)
        return ERR_NO_MEMORY;
    (*ret_plan)->children[0] = plan->children[0];
    return candidates(c, plan->children[1], &(*ret_plan)->children[1]);
}

static enum err test_make(struct compiler *c, store_test *test, const struct contained_test *about,
                          struct plan *child, struct plan **ret_plan)
{
    struct contained_test *context = arena_alloc(c->arena, sizeof *context);
    if (!context)
        return ERR_NO_MEMORY;
    *context = *about;
    context->basis = (struct index_basis){ c->settings->base_url, c->settings->zone_us };
    context->customs = c->settings->customs;
    return plan_tested(c, child, test, context, ret_plan);
}

enum err contained_chain(struct compiler *c, uint32_t field, const struct plan *inner,
                         struct plan **ret_plan)
{
    struct contained_test test = { .field = field, .plan = inner };
    struct plan_list both = { 0 };
    struct plan *child, *type;
    TRY(candidates(c, inner, &child));
    test.candidates = child; /* so that a chain behind it need not go all the way again */
    TRY(plan_leaf(c, PLAN_TERM, SLICE(""), &type));
    type->field = index_field(c->type, INDEX_PARAM_TYPE);
    TRY(plan_list_add(c, &both, child));
    TRY(plan_list_add(c, &both, type));
    TRY(plan_join(c, PLAN_AND, &both, &child));
    return test_make(c, test_chain, &test, child, ret_plan);
}

enum err contained_search(struct compiler *c, const struct plan *conditions,
                          struct plan **ret_plan)
{
    const struct contained_test test = { .type = c->type, .plan = conditions };
    struct plan_list both = { 0 };
    struct plan *child, *type;
    TRY(candidates(c, conditions, &child));
    TRY(type_posting(c, index_field(c->type, 0), &type));
    TRY(plan_list_add(c, &both, child));
    TRY(plan_list_add(c, &both, type));
    TRY(plan_join(c, PLAN_AND, &both, &child));
    return test_make(c, test_type, &test, child, ret_plan);
}

/* ---- what matched ---- */

enum err search_contained_visit(const struct search_query *q, struct store_reader *reader,
                                const struct store_version *v, struct arena *arena,
                                search_contained_found *found, void *context)
{
    for (size_t i = 0; i < q->contained_count; i++) {
        struct look l;
        struct json item = JSON_ABSENT;
        TRY(look_begin(q->contained[i]->test_context, reader, v, arena, &l));
        for (;;) {
            TRY(match_next(&l, item, &item));
            if (!json_exists(item))
                break;
            TRY(found(context, item, l.test->type));
        }
    }
    return ERR_NONE;
}

enum err search_own_matches(const struct search_query *q, struct store_reader *reader,
                            uint64_t doc, bool *ret)
{
    struct plan span = { .kind = PLAN_SPAN, .doc_low = doc, .doc_high = doc };
    const struct look l = { .reader = reader };
    *ret = false;
    return q->own_plan ? store_meets(&l, &span, q->own_plan, ret) : ERR_NONE;
}
