/* Canonicals: a resource named by its url, with or without a business version.
 *
 * `http://x/Q|1` names what has that url and that version, `http://x/Q` whatever has the
 * url. Joins go by entities in the store; through a canonical they are a PLAN_TEST instead:
 * what the rest of the chain matches is found once, and of each document that names (or
 * has) some url it is asked whether it names (or is named by) one of those. */
#include "search/compile.h"

#include <xxhash.h>

#include "index/index.h"

enum {
    LEVELS_MAX = 8, /* of a chain: each is a search within a search */
    MATCHES_MAX = 100 * 1000, /* of what such a chain goes on with */
};

static const struct slice url_code = SLICE_INIT("url"), version_code = SLICE_INIT("version");

/* The parameter that holds the url of a type of which there are canonicals; NULL: of none. */
static const struct fhir_param *own_param(const struct fhir_type *type, struct slice code,
                                          enum fhir_param_type kind)
{
    const struct fhir_param *param = fhir_param_find(type, code);
    return param && param->type == kind && param->path ? param : NULL;
}

static const struct fhir_param *url_param(const struct fhir_type *type)
{
    return type->is_abstract ? NULL : own_param(type, url_code, FHIR_PARAM_URI);
}

bool canonical_is_followed(const struct fhir_param *param, const struct fhir_type *source,
                           const struct fhir_type *target)
{
    bool selects = custom_is(param) || fhir_param_selects(param, source, FHIR_TYPE_CANONICAL) ||
                   fhir_param_selects(param, source, FHIR_TYPE_URI);
    return selects && url_param(target) && fhir_param_has_target(param, target);
}

/* The types that a canonical in the parameter may lead to: `target`, or without one all of
 * the parameter's. *at counts from 0; NULL at the end. */
static const struct fhir_type *target_next(const struct fhir_param *param,
                                           const struct fhir_type *source,
                                           const struct fhir_type *target, size_t *at)
{
    while (*at < (target ? 1 : param->target_count)) {
        size_t i = (*at)++;
        const struct fhir_type *type = target ? target : fhir_type_at(param->targets[i]);
        if (canonical_is_followed(param, source, type))
            return type;
    }
    return NULL;
}

/* Cuts the version off; bytes NULL without one. */
static struct slice cut_version(struct slice canonical, struct slice *ret_url)
{
    struct slice version = canonical;
    *ret_url = slice_cut(&version, '|');
    return version.length ? version : SLICE_NONE;
}

/* ---- plans of urls ---- */

/* Memory of a test comes from its scratch, of a compiled plan from the query's arena. */
static enum err leaf_make(struct arena *arena, uint32_t field, struct slice from,
                          struct plan **ret)
{
    *ret = arena_alloc(arena, sizeof **ret);
    if (!*ret || !from.bytes)
        return ERR_NO_MEMORY;
    **ret = (struct plan){ .kind = PLAN_TERM, .field = field, .from = from };
    return ERR_NONE;
}

static enum err join_make(struct arena *arena, enum plan_kind kind, struct plan *a,
                          struct plan *b, struct plan **ret)
{
    struct plan **children = arena_array(arena, 2, sizeof(struct plan *));
    struct plan *plan = arena_alloc(arena, sizeof *plan);
    if (!children || !plan)
        return ERR_NO_MEMORY;
    children[0] = a;
    children[1] = b;
    *plan = (struct plan){ .kind = kind, .children = children, .child_count = 2 };
    *ret = plan;
    return ERR_NONE;
}

/* Resources of the type that have the url, and the version if there is one. */
static enum err named(struct arena *arena, const struct fhir_type *type, struct slice canonical,
                      struct plan **ret)
{
    struct slice url, version = cut_version(canonical, &url);
    const struct fhir_param *of_url = url_param(type);
    const struct fhir_param *of_version = own_param(type, version_code, FHIR_PARAM_TOKEN);
    TRY(leaf_make(arena, index_field(type, of_url->id), index_encode_uri(arena, TERM_URI, url),
                  ret));
    if (!version.bytes || !of_version)
        return ERR_NONE;
    struct plan *leaf;
    TRY(leaf_make(arena, index_field(type, of_version->id),
                  index_encode_token(arena, SLICE_NONE, version), &leaf));
    return join_make(arena, PLAN_AND, *ret, leaf, ret);
}

enum err canonical_of_version(struct compiler *c, struct slice canonical, struct plan **plan)
{
    struct slice url;
    bool is_own = slice_equal(c->param->code, url_code) && url_param(c->type) == c->param &&
                  c->field == index_field(c->type, c->param->id);
    struct plan *versioned;
    if (!is_own || !cut_version(canonical, &url).bytes)
        return ERR_NONE;
    TRY(named(c->arena, c->type, canonical, &versioned));
    return plan_either(c, *plan, versioned, plan);
}

enum err canonical_below(struct compiler *c, struct slice canonical, struct plan **ret_plan)
{
    struct slice url, version = cut_version(canonical, &url);
    struct plan *more;
    char *longer = arena_raw(c->arena, canonical.length + 1);
    if (!longer)
        return ERR_NO_MEMORY;
    if (!version.bytes) {
        TRY(plan_leaf(c, PLAN_TERM, index_encode_uri(c->arena, TERM_URI, url), ret_plan));
        TRY(plan_leaf(c, PLAN_TERM, index_encode_uri(c->arena, TERM_CANONICAL, url), &more));
        return plan_either(c, *ret_plan, more, ret_plan);
    }
    /* "|1" is 1, 1.0 and 1.0.2, and not 10. */
    for (size_t i = 0; i < canonical.length; i++)
        longer[i] = canonical.bytes[i];
    longer[canonical.length] = '.';
    TRY(plan_leaf(c, PLAN_TERM, index_encode_uri(c->arena, TERM_URI, canonical), ret_plan));
    TRY(plan_leaf(c, PLAN_PREFIX,
                  index_encode_uri(c->arena, TERM_URI, slice_of(longer, canonical.length + 1)),
                  &more));
    return plan_either(c, *ret_plan, more, ret_plan);
}

/* ---- what names what ---- */

static enum err find(struct store_reader *reader, const struct plan *plan, size_t limit,
                     struct arena *arena, uint64_t **ret_docs, size_t *ret_count)
{
    struct arena work;
    uint64_t *docs = NULL;
    *ret_count = 0;
    arena_init(&work, STORE_MEMORY_BYTES);
    enum err err = store_search(reader, plan, 0, limit, &work, &docs, ret_count);
    *ret_docs = err || !*ret_count ? NULL
                                   : arena_array(arena, *ret_count, sizeof **ret_docs);
    for (size_t i = 0; *ret_docs && i < *ret_count; i++)
        (*ret_docs)[i] = docs[i];
    if (!err && *ret_count && !*ret_docs)
        err = ERR_NO_MEMORY;
    arena_release(&work);
    return err;
}

enum err search_canonical_named(struct store_reader *reader, const struct fhir_param *param,
                                const struct fhir_type *source, const struct fhir_type *target,
                                struct slice canonical, size_t limit, struct arena *arena,
                                uint64_t **ret_docs, size_t *ret_count)
{
    struct plan *any = NULL;
    *ret_docs = NULL;
    *ret_count = 0;
    const struct fhir_type *type;
    for (size_t at = 0; (type = target_next(param, source, target, &at));) {
        struct plan *plan;
        TRY(named(arena, type, canonical, &plan));
        TRY(any ? join_make(arena, PLAN_OR, any, plan, &any) : ERR_NONE);
        any = any ? any : plan;
    }
    return any ? find(reader, any, limit, arena, ret_docs, ret_count) : ERR_NONE;
}

/* What a resource is named by: its terms of `url` and `version`. */
static enum err own_terms(const struct fhir_type *type, struct slice body,
                          struct index_basis basis, const struct custom_set *customs,
                          struct arena *arena, struct extraction *ret)
{
    const struct fhir_param *of_url = url_param(type);
    const struct fhir_param *of_version = own_param(type, version_code, FHIR_PARAM_TOKEN);
    uint32_t fields[2] = { index_field(type, of_url->id) };
    struct json_doc *doc = arena_alloc(arena, sizeof *doc);
    struct json_error where;
    fields[1] = of_version ? index_field(type, of_version->id) : fields[0];
    if (!doc)
        return ERR_NO_MEMORY;
    enum err err = json_parse(body, NULL, arena, doc, &where);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    return index_extract_some(json_root(doc), type, basis, customs, fields, 2, arena, ret);
}

static bool is_term(const struct term *t, uint32_t field, enum term_kind kind)
{
    return t->field == field && t->value.length > 1 && t->value.bytes[0] == (char)kind;
}

/* Resources whose field names the one with these terms. */
static enum err naming(const struct fhir_type *type, const struct extraction *own,
                       uint32_t field, struct arena *arena, struct plan **ret)
{
    const struct fhir_param *of_version = own_param(type, version_code, FHIR_PARAM_TOKEN);
    uint32_t url_field = index_field(type, url_param(type)->id);
    *ret = NULL;
    for (size_t i = 0; i < own->term_count; i++) {
        struct plan *leaf;
        if (!is_term(&own->terms[i], url_field, TERM_URI))
            continue;
        struct slice url = slice_from(own->terms[i].value, 1);
        TRY(leaf_make(arena, field, own->terms[i].value, &leaf));
        TRY(*ret ? join_make(arena, PLAN_OR, *ret, leaf, ret) : ERR_NONE);
        *ret = *ret ? *ret : leaf;
        for (size_t k = 0; of_version && k < own->term_count; k++) {
            struct slice version = slice_from(own->terms[k].value, 1);
            if (!is_term(&own->terms[k], index_field(type, of_version->id), TERM_TOKEN_CODE))
                continue;
            version = slice_cut(&version, '\0');
            struct slice whole = arena_printf(arena, "%.*s|%.*s", SLICE_ARGS(url),
                                              SLICE_ARGS(version));
            if (!whole.bytes)
                return ERR_NO_MEMORY;
            TRY(leaf_make(arena, field, index_encode_uri(arena, TERM_URI, whole), &leaf));
            TRY(join_make(arena, PLAN_OR, *ret, leaf, ret));
        }
    }
    return ERR_NONE;
}

enum err search_canonical_naming(struct store_reader *reader, const struct fhir_param *param,
                                 const struct fhir_type *source,
                                 const struct store_version *target, struct index_basis basis,
                                 const struct custom_set *customs, size_t limit,
                                 struct arena *arena, uint64_t **ret_docs, size_t *ret_count)
{
    const struct fhir_type *type = fhir_resource_find(target->type);
    struct extraction own;
    struct plan *plan;
    *ret_docs = NULL;
    *ret_count = 0;
    if (!type || !canonical_is_followed(param, source, type))
        return ERR_NONE;
    TRY(own_terms(type, target->body, basis, customs, arena, &own));
    TRY(naming(type, &own, index_field(source, param->id), arena, &plan));
    return plan ? find(reader, plan, limit, arena, ret_docs, ret_count) : ERR_NONE;
}

/* ---- joins ---- */

/* Canonicals by which the other side's matches are named, or which they name: found once,
 * when the first document is asked. A plan is a graph, and chains are searches within
 * searches: what is asked again and again must not be sought again. */
struct canonical_set {
    XXH128_hash_t *keys; /* open addressing; 0: free */
    size_t count, room;  /* a power of two */
    uint64_t time;       /* of the reader it was made with; 0: not made */
};

/* Context of a PLAN_TEST. */
struct canonical_test {
    const struct fhir_param *param;  /* the reference */
    const struct fhir_type *source;  /* whose it is */
    const struct fhir_type *target;  /* of _has: what is searched for; NULL: of a chain */
    const struct plan *inner;        /* what the other side must match */
    struct index_basis basis;
    const struct custom_set *customs;
    struct arena *arena;       /* the query's; a search is one thread's */
    struct canonical_set *set;
};

static XXH128_hash_t *set_slot(const struct canonical_set *set, XXH128_hash_t key)
{
    static const XXH128_hash_t none = { 0 };
    for (size_t at = (size_t)key.low64;; at++) {
        XXH128_hash_t *slot = &set->keys[at & (set->room - 1)];
        if (XXH128_isEqual(*slot, key) || XXH128_isEqual(*slot, none))
            return slot;
    }
}

static enum err set_grow(struct canonical_set *set, struct arena *arena)
{
    static const XXH128_hash_t none = { 0 };
    const struct canonical_set before = *set;
    if (2 * set->count < set->room)
        return ERR_NONE;
    set->room = before.room ? 4 * before.room : 64;
    set->keys = arena_array(arena, set->room, sizeof *set->keys);
    if (!set->keys)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < before.room; i++)
        if (!XXH128_isEqual(before.keys[i], none))
            *set_slot(set, before.keys[i]) = before.keys[i];
    return ERR_NONE;
}

static XXH128_hash_t key_of(struct slice canonical)
{
    return XXH3_128bits(canonical.bytes, canonical.length);
}

static bool set_has(const struct canonical_set *set, struct slice canonical)
{
    XXH128_hash_t key = key_of(canonical);
    return set->room && XXH128_isEqual(*set_slot(set, key), key);
}

static enum err set_add(const struct canonical_test *test, struct slice canonical)
{
    XXH128_hash_t key = key_of(canonical);
    TRY(set_grow(test->set, test->arena));
    XXH128_hash_t *slot = set_slot(test->set, key);
    test->set->count += !XXH128_isEqual(*slot, key);
    *slot = key;
    return ERR_NONE;
}

/* Each canonical that names the resource, its own url with and without its version, or of
 * the source of a reference each that stands there. */
typedef enum err canonical_visit(const struct canonical_test *test, struct slice canonical,
                                 bool *is_done);

static enum err visit_names(const struct canonical_test *test, const struct fhir_type *type,
                            const struct store_version *v, struct arena *arena,
                            canonical_visit *visit, bool *is_done)
{
    const struct fhir_param *of_version = own_param(type, version_code, FHIR_PARAM_TOKEN);
    struct extraction own;
    if (!url_param(type))
        return ERR_NONE;
    TRY(own_terms(type, v->body, test->basis, test->customs, arena, &own));
    for (size_t i = 0; !*is_done && i < own.term_count; i++) {
        struct slice url = slice_from(own.terms[i].value, 1);
        if (!is_term(&own.terms[i], index_field(type, url_param(type)->id), TERM_URI))
            continue;
        TRY(visit(test, url, is_done));
        for (size_t k = 0; of_version && !*is_done && k < own.term_count; k++) {
            struct slice version = slice_from(own.terms[k].value, 1);
            if (!is_term(&own.terms[k], index_field(type, of_version->id), TERM_TOKEN_CODE))
                continue;
            version = slice_cut(&version, '\0');
            struct slice whole = arena_printf(arena, "%.*s|%.*s", SLICE_ARGS(url),
                                              SLICE_ARGS(version));
            TRY(whole.bytes ? visit(test, whole, is_done) : ERR_NO_MEMORY);
        }
    }
    return ERR_NONE;
}

static enum err visit_named(const struct canonical_test *test, const struct store_version *v,
                            struct arena *arena, canonical_visit *visit, bool *is_done)
{
    uint32_t field = index_field(test->source, test->param->id);
    struct json_doc doc;
    struct json_error where;
    struct extraction x;
    enum err err = json_parse(v->body, NULL, arena, &doc, &where);
    if (err)
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    TRY(index_extract_some(json_root(&doc), test->source, test->basis, test->customs, &field, 1,
                           arena, &x));
    for (size_t i = 0; !*is_done && i < x.term_count; i++)
        if (is_term(&x.terms[i], field, TERM_URI))
            TRY(visit(test, slice_from(x.terms[i].value, 1), is_done));
    return ERR_NONE;
}

static enum err visit_add(const struct canonical_test *test, struct slice canonical,
                          bool *is_done)
{
    (void)is_done;
    return set_add(test, canonical);
}

static enum err visit_look(const struct canonical_test *test, struct slice canonical,
                           bool *is_done)
{
    *is_done = set_has(test->set, canonical);
    return ERR_NONE;
}

struct filling {
    const struct canonical_test *test;
    struct arena scratch; /* of one document */
};

/* A document that the inner plan matches. */
static enum err fill_visit(void *context, const struct store_version *v)
{
    struct filling *f = context;
    const struct fhir_type *type = fhir_resource_find(v->type);
    struct arena_mark mark = arena_mark(&f->scratch);
    bool is_done = false;
    enum err err = ERR_NONE;
    if (type)
        err = f->test->target ? visit_named(f->test, v, &f->scratch, visit_add, &is_done)
                              : visit_names(f->test, type, v, &f->scratch, visit_add, &is_done);
    arena_rewind(&f->scratch, mark);
    return err;
}

static enum err set_fill(const struct canonical_test *test, struct store_reader *reader)
{
    struct filling f = { .test = test };
    struct arena work, bodies;
    uint64_t *docs = NULL;
    size_t count = 0;
    if (test->set->time == store_reader_time(reader))
        return ERR_NONE;
    *test->set = (struct canonical_set){ .count = 0 };
    arena_init(&work, STORE_MEMORY_BYTES);
    arena_init(&bodies, STORE_MEMORY_BYTES);
    arena_init(&f.scratch, STORE_MEMORY_BYTES);
    enum err err = find(reader, test->inner, MATCHES_MAX + 1, &work, &docs, &count);
    if (!err && count > MATCHES_MAX)
        err = ERR_LIMIT;
    if (!err && count)
        err = store_docs(reader, docs, count, &bodies, fill_visit, &f);
    arena_release(&f.scratch);
    arena_release(&bodies);
    arena_release(&work);
    if (!err)
        test->set->time = store_reader_time(reader);
    return err;
}

/* Does one of those that it names match? */
static enum err test_chain(const struct plan *plan, struct store_reader *reader,
                           const struct store_version *v, struct arena *scratch, bool *ret)
{
    const struct canonical_test *test = plan->test_context;
    *ret = false;
    TRY(set_fill(test, reader));
    return visit_named(test, v, scratch, visit_look, ret);
}

/* Does one that names it match? */
static enum err test_has(const struct plan *plan, struct store_reader *reader,
                         const struct store_version *v, struct arena *scratch, bool *ret)
{
    const struct canonical_test *test = plan->test_context;
    *ret = false;
    TRY(set_fill(test, reader));
    return visit_names(test, test->target, v, scratch, visit_look, ret);
}

bool canonical_is_test(const struct plan *plan)
{
    return plan->test == test_chain || plan->test == test_has;
}

/* Of the documents that have some url in the field. */
static enum err test_make(struct compiler *c, store_test *test, uint32_t field,
                          const struct canonical_test *about, struct plan **ret_plan)
{
    static const char uri_kind = TERM_URI;
    struct canonical_test *context = arena_alloc(c->arena, sizeof *context);
    struct plan *child;
    if (!context)
        return ERR_NO_MEMORY;
    *context = *about;
    context->arena = c->arena;
    context->set = arena_alloc(c->arena, sizeof *context->set);
    if (!context->set)
        return ERR_NO_MEMORY;
    context->basis = (struct index_basis){ c->settings->base_url, c->settings->zone_us };
    context->customs = c->settings->customs;
    TRY(plan_leaf(c, PLAN_PREFIX, slice_of(&uri_kind, 1), &child));
    child->field = field;
    return plan_tested(c, child, test, context, ret_plan);
}

enum err canonical_chain(struct compiler *c, const struct fhir_param *param,
                         const struct fhir_type *target, const struct plan *inner,
                         struct plan **ret_plan)
{
    const struct canonical_test test = { .param = param, .source = c->type, .inner = inner };
    size_t at = 0;
    *ret_plan = NULL;
    if (c->depth > LEVELS_MAX || !target_next(param, c->type, target, &at))
        return ERR_NONE;
    return test_make(c, test_chain, index_field(c->type, param->id), &test, ret_plan);
}

enum err canonical_has(struct compiler *c, const struct fhir_param *param,
                       const struct fhir_type *source, const struct plan *inner,
                       struct plan **ret_plan)
{
    const struct canonical_test test = { .param = param, .source = source, .target = c->type,
                                         .inner = inner };
    *ret_plan = NULL;
    if (c->depth > LEVELS_MAX || !canonical_is_followed(param, source, c->type))
        return ERR_NONE;
    return test_make(c, test_has, index_field(c->type, url_param(c->type)->id), &test, ret_plan);
}
