/* The pairs of a query to one plan and the result parameters. */
#include "search/compile.h"

#include "base/codec.h"
#include "index/index.h"

struct parser {
    struct compiler compiler;
    const struct search_pair *pairs;
    size_t pair_count;
    struct plan_list conditions; /* all must hold */
    struct buf applied;
    uint32_t given; /* bit i: result_params[i] was there */
    struct search_query query;
    bool is_system; /* of no one type */
    bool finds_own, finds_contained; /* _contained; at least one */
    struct plan_list within; /* the plan of these, of each type */
    bool is_again;  /* the pairs are read for a further type: conditions alone count */
    struct plan_list types; /* the plan of each type so far */
};

/* ---- result parameters ---- */

typedef enum err parse_result(struct parser *p, struct slice value);

static bool is_number(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
    return text.length > 0;
}

static enum err parse_count(struct parser *p, struct slice value)
{
    const struct search_settings *settings = p->compiler.settings;
    if (!is_number(value))
        return value_refuse(&p->compiler, value, "is no number from 0 up");
    uint64_t count;
    if (!slice_parse_u64(value, &count))
        count = UINT64_MAX; /* as large as it says */
    bool is_refused = count == 0 || count > settings->largest_count;
    if (is_refused && settings->refuse_large_count)
        return issues_fail(p->compiler.issues, ERR_INVALID, "value",
                           "_count must be from 1 to %u.", (unsigned)settings->largest_count);
    p->query.count_only |= count == 0;
    p->query.count = (uint32_t)MIN(count, settings->largest_count);
    return ERR_NONE;
}

static enum err parse_total(struct parser *p, struct slice value)
{
    if (slice_is(value, "none"))
        p->query.total = SEARCH_TOTAL_NONE;
    else if (slice_is(value, "accurate"))
        p->query.total = SEARCH_TOTAL_ACCURATE;
    else if (slice_is(value, "estimate") && !p->compiler.settings->refuse_large_count)
        p->query.total = SEARCH_TOTAL_ESTIMATE;
    else
        return value_refuse(&p->compiler, value,
                            p->compiler.settings->refuse_large_count
                                ? "is not one of none, accurate"
                                : "is not one of none, estimate, accurate");
    return ERR_NONE;
}

/* A narrow dialect's tokens are good for their own _count alone. */
static uint32_t page_bound(const struct parser *p)
{
    uint64_t count = p->compiler.settings->default_count;
    if (!dialect_is_narrow(&p->compiler))
        return 0;
    for (size_t i = 0; i < p->pair_count; i++)
        if (slice_is(p->pairs[i].name, "_count") && !slice_parse_u64(p->pairs[i].value, &count))
            count = 0;
    return 1 + (uint32_t)MIN(count, (uint64_t)p->compiler.settings->largest_count);
}

static enum err parse_page(struct parser *p, struct slice value)
{
    const struct search_page_key *key = p->compiler.settings->page_key;
    enum err err = key ? search_page_parse(value, key, page_bound(p), &p->query.page) : ERR_INVALID;
    if (err == ERR_INVALID)
        return issues_fail(p->compiler.issues, err, "value", "Invalid pagination token.");
    return err;
}

static enum err parse_sort(struct parser *p, struct slice value)
{
    return sort_parse(&p->compiler, value, &p->query);
}

static enum err parse_asof(struct parser *p, struct slice value)
{
    p->query.has_asof = true;
    return search_asof_parse(value, p->compiler.settings->zone_us, p->compiler.issues,
                             &p->query.asof_us);
}

static enum err parse_explain(struct parser *p, struct slice value)
{
    p->query.is_explained = slice_is(value, "true");
    return p->query.is_explained || slice_is(value, "false")
               ? ERR_NONE
               : value_refuse(&p->compiler, value, "is neither true nor false");
}

static enum err parse_contained(struct parser *p, struct slice value)
{
    p->finds_contained = slice_is(value, "true") || slice_is(value, "both");
    p->finds_own = !slice_is(value, "true");
    return p->finds_contained || slice_is(value, "false")
               ? ERR_NONE
               : value_refuse(&p->compiler, value, "is not one of true, false, both");
}

static enum err parse_contained_type(struct parser *p, struct slice value)
{
    p->query.returns_contained = slice_is(value, "contained");
    if (p->query.returns_contained || slice_is(value, "container"))
        return ERR_NONE;
    return value_refuse(&p->compiler, value, "is not one of container, contained");
}

/* Read before the others. */
static enum err parse_type(struct parser *p, struct slice value)
{
    (void)value;
    return p->is_system ? ERR_NONE
                        : issues_fail(p->compiler.issues, ERR_INVALID, "invalid",
                                      "_type belongs to a search over all types; this one is of "
                                      "%.*s.",
                                      SLICE_ARGS(p->compiler.type->name));
}

/* Read before the pairs, or, how the answer looks, before the query. */
static enum err parse_nothing(struct parser *p, struct slice value)
{
    (void)p;
    (void)value;
    return ERR_NONE;
}

struct result_param {
    struct slice name;
    parse_result *parse; /* NULL: of R4, but still to come */
};

static const struct result_param result_params[] = {
    { SLICE_INIT("_count"), parse_count },
    { SLICE_INIT("_total"), parse_total },
    { SLICE_INIT("_summary"), parse_nothing },
    { SLICE_INIT("_elements"), parse_nothing },
    { SLICE_INIT("_asof"), parse_asof },
    { SLICE_INIT("_explain"), parse_explain },
    { SLICE_INIT("_format"), parse_nothing },
    { SLICE_INIT("_pretty"), parse_nothing },
    { SLICE_INIT("_totalMethod"), parse_nothing }, /* Aidbox's, beside a _count=0: fhirpy */
    { SLICE_INIT("page"), parse_page },
    { SLICE_INIT("_sort"), parse_sort },
    { SLICE_INIT("_contained"), parse_contained },
    { SLICE_INIT("_containedType"), parse_contained_type },
    { SLICE_INIT("_type"), parse_type },
    { SLICE_INIT("_score"), NULL },
};
_Static_assert(ARRAY_COUNT(result_params) <= 32, "`given` has a bit for each");

bool search_is_result_param(struct slice name)
{
    for (size_t i = 0; i < ARRAY_COUNT(result_params); i++)
        if (slice_equal(name, result_params[i].name))
            return true;
    return slice_is(name, "_include") || slice_is(name, "_revinclude");
}

static enum err refuse_unsupported(struct compiler *c)
{
    c->is_passable = true;
    return issues_fail(c->issues, ERR_UNSUPPORTED, "not-supported",
                       "The parameter '%.*s' is not supported.",
                       SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)));
}

static enum err parse_result_param(struct parser *p, size_t at, struct slice value)
{
    if (!result_params[at].parse ||
        dialect_lacks(p->compiler.settings->dialect, NULL, result_params[at].name))
        return refuse_unsupported(&p->compiler);
    if (p->given & 1U << at)
        return issues_fail(p->compiler.issues, ERR_INVALID, "invalid",
                           "The parameter '%.*s' is given more than once.",
                           SLICE_ARGS(result_params[at].name));
    p->given |= 1U << at;
    return result_params[at].parse(p, value);
}

/* ---- search parameters ---- */

static compile_value *token_compiler(const struct compiler *c)
{
    if (c->modifier == MODIFIER_TEXT)
        return compile_token_text;
    if (c->modifier == MODIFIER_IN || c->modifier == MODIFIER_NOT_IN)
        return compile_in;
    bool is_related = c->modifier == MODIFIER_ABOVE || c->modifier == MODIFIER_BELOW;
    return is_related ? compile_relatives : compile_token;
}

static bool is_words(const struct fhir_param *param)
{
    return slice_is(param->code, "_text") || slice_is(param->code, "_content");
}

compile_value *compiler_of(const struct compiler *c)
{
    if (c->modifier == MODIFIER_MISSING)
        return compile_missing;
    if (is_words(c->param))
        return compile_words;
    if (!c->param->path)
        return NULL;
    if (slice_is(c->param->code, "_id"))
        return compile_id;
    if (slice_is(c->param->code, "_lastUpdated"))
        return compile_last_updated;
    switch ((enum fhir_param_type)c->param->type) {
    case FHIR_PARAM_TOKEN:
        return token_compiler(c);
    case FHIR_PARAM_STRING:
        return compile_string;
    case FHIR_PARAM_REFERENCE:
        return c->modifier == MODIFIER_ABOVE || c->modifier == MODIFIER_BELOW
                   ? compile_hierarchy
                   : compile_reference;
    case FHIR_PARAM_URI:
        return compile_uri;
    case FHIR_PARAM_DATE:
        return compile_date;
    case FHIR_PARAM_NUMBER:
        return compile_number;
    case FHIR_PARAM_QUANTITY:
        return compile_quantity;
    case FHIR_PARAM_COMPOSITE:
        return composite_is_supported(c->param) ? compile_composite : NULL;
    case FHIR_PARAM_SPECIAL:
        return slice_is(c->param->code, "near") ? compile_near : NULL;
    }
    return NULL;
}

bool search_param_is_supported(const struct search_dialect *dialect, const struct fhir_type *type,
                               const struct fhir_param *param)
{
    struct compiler c = { .param = param };
    return compiler_of(&c) != NULL && !dialect_lacks(dialect, type, param->code);
}

bool search_code_is_known(const struct search_dialect *dialect, struct slice code)
{
    return !dialect_lacks(dialect, NULL, code);
}

/* One pair: its values, of which one must match. */
static enum err compile_values(struct compiler *c, compile_value *compile, struct slice values,
                               struct plan **ret_plan)
{
    struct plan_list any = { 0 };
    struct slice rest = values.bytes ? values : SLICE("");
    while (rest.bytes) {
        struct slice value = value_cut(&rest, ',');
        if (value.length == 0)
            return issues_fail(c->issues, ERR_INVALID, "value",
                               "The parameter '%.*s' has an empty value.",
                               SLICE_ARGS(slice_head(c->name, SEARCH_SHOWN_BYTES)));
        if (++c->value_count > SEARCH_VALUES_MAX)
            return issues_fail(c->issues, ERR_INVALID, "too-costly",
                               "A search may have %d values; this one has more.",
                               (int)SEARCH_VALUES_MAX);
        struct plan *plan;
        TRY(compile(c, value, &plan));
        TRY(plan_list_add(c, &any, plan));
    }
    TRY(plan_join(c, PLAN_OR, &any, ret_plan));
    bool is_negated = c->modifier == MODIFIER_NOT || c->modifier == MODIFIER_NOT_IN;
    return is_negated ? plan_not(c, *ret_plan, ret_plan) : ERR_NONE;
}

/* Parameters of every type that are none of R4's SearchParameters. */
struct common_param {
    struct slice name;
    compile_value *compile;
    bool is_whole; /* commas mean nothing */
};
static const struct common_param common_params[] = {
    { SLICE_INIT("_list"), compile_list, false },
    { SLICE_INIT("_filter"), compile_filter, true },
    { SLICE_INIT("createdAt"), compile_created_at, false },
    { SLICE_INIT("_type"), compile_type, false }, /* within a chain */
};

bool condition_is_common(struct slice code)
{
    for (size_t i = 0; i < ARRAY_COUNT(common_params); i++)
        if (slice_equal(common_params[i].name, code))
            return true;
    return false;
}

static enum err compile_common(struct compiler *c, const struct common_param *common,
                               struct slice modifier, struct slice values, struct plan **ret_plan)
{
    c->modifier = MODIFIER_NONE;
    c->param = NULL;
    if (modifier.bytes)
        return issues_fail(c->issues, ERR_INVALID, "invalid",
                           "The parameter '%.*s' takes no modifier.", SLICE_ARGS(common->name));
    return common->is_whole ? common->compile(c, values, ret_plan)
                            : compile_values(c, common->compile, values, ret_plan);
}

static enum err refuse_unknown(struct compiler *c, struct slice code)
{
    struct slice results[ARRAY_COUNT(result_params) + ARRAY_COUNT(common_params)];
    for (size_t i = 0; i < ARRAY_COUNT(result_params); i++)
        results[i] = result_params[i].name;
    c->is_passable = true;
    for (size_t i = 0; i < ARRAY_COUNT(common_params); i++)
        results[ARRAY_COUNT(result_params) + i] = common_params[i].name;
    struct slice near = suggest_param(c->settings->customs, c->type, results,
                                      ARRAY_COUNT(results), code);
    return issues_fail(c->issues, ERR_INVALID, "not-supported",
                       "Unknown search parameter '%.*s' for %.*s.%s%.*s%s",
                       SLICE_ARGS(slice_head(code, SEARCH_SHOWN_BYTES)),
                       SLICE_ARGS(c->type->name), near.length ? " Did you mean '" : "",
                       SLICE_ARGS(near), near.length ? "'?" : "");
}

enum err condition_plain(struct compiler *c, struct slice name, struct slice values,
                         struct plan **ret_plan)
{
    struct slice modifier = name;
    struct slice code = slice_cut(&modifier, ':');
    if (dialect_lacks(c->settings->dialect, c->type, code))
        return refuse_unsupported(c);
    for (size_t i = 0; i < ARRAY_COUNT(common_params); i++)
        if (slice_equal(common_params[i].name, code))
            return compile_common(c, &common_params[i], modifier, values, ret_plan);
    c->param = param_find(c, c->type, code);
    if (!c->param)
        return refuse_unknown(c, code);
    c->field = index_field(c->type, c->param->id);
    c->modifier = MODIFIER_NONE;
    if (!c->param->path && !is_words(c->param))
        return refuse_unsupported(c);
    if (modifier.bytes)
        TRY(modifier_parse(c, modifier));
    if (custom_is(c->param))
        TRY(stated_check(c, modifier, values));
    if (c->op)
        return filter_compile(c, values, ret_plan);
    compile_value *compile = compiler_of(c);
    if (!compile)
        return refuse_unsupported(c);
    return compile_values(c, compile, values, ret_plan);
}

static enum err parse_search_param(struct parser *p, const struct search_pair *pair)
{
    struct compiler *c = &p->compiler;
    struct plan *plan;
    TRY(condition_compile(c, c->type, pair->name, pair->value, &plan));
    return plan_list_add(c, &p->conditions, plan);
}

/* ---- the whole ---- */

static enum err parse_pair(struct parser *p, const struct search_pair *pair)
{
    p->compiler.name = pair->name;
    for (size_t i = 0; i < ARRAY_COUNT(result_params); i++)
        if (slice_equal(result_params[i].name, pair->name))
            return p->is_again ? ERR_NONE : parse_result_param(p, i, pair->value);
    struct slice modifier = pair->name;
    struct slice code = slice_cut(&modifier, ':');
    if (slice_is(code, "_include") || slice_is(code, "_revinclude"))
        return p->is_again ? ERR_NONE
                           : include_parse(&p->compiler, modifier, pair->value, &p->query);
    return parse_search_param(p, pair);
}

/* What a presigned URL adds for the signature's sake asks for nothing. */
static bool is_signature(struct slice name)
{
    return name.length >= 6 && slice_equal_nocase(slice_head(name, 6), SLICE("X-Amz-"));
}

static void apply(struct parser *p, const struct search_pair *pair)
{
    if (slice_is(pair->name, "page") || p->is_again)
        return;
    if (p->applied.length)
        buf_append_byte(&p->applied, '&');
    percent_encode(&p->applied, pair->name, false);
    buf_append_byte(&p->applied, '=');
    if (slice_is(pair->name, "_count"))
        buf_append_u64(&p->applied, p->query.count);
    else
        percent_encode(&p->applied, pair->value, false);
}

/* One pair with a list of findings of its own, so that a lenient search can make
 * notices of them. */
static enum err parse_one(struct parser *p, const struct search_pair *pair)
{
    struct compiler *c = &p->compiler;
    struct issues *all = c->issues, own;
    issues_init(&own, c->arena);
    own.parameter = pair->name;
    c->issues = &own;
    c->is_passable = false;
    enum err err = parse_pair(p, pair);
    c->issues = all;
    bool is_passed = err && err != ERR_NO_MEMORY && c->is_passable && c->settings->is_lenient &&
                     !p->is_system; /* over several types it would hold for some alone */
    for (struct issue *i = own.first; is_passed && i; i = i->next)
        i->severity = ISSUE_WARNING;
    issues_move(is_passed ? &p->query.notices : all, &own);
    if (!err)
        apply(p, pair);
    return is_passed ? ERR_NONE : err;
}

/* All that is wrong is reported, not only the first. */
static enum err parse_pairs(struct parser *p, const struct search_pair *pairs, size_t count)
{
    struct compiler *c = &p->compiler;
    enum err first = p->is_again ? ERR_NONE
                                 : search_subset_parse(pairs, count, c->type, c->arena, c->issues,
                                                       &p->query.subset, &p->query.count_only);
    if (p->query.count_only && dialect_is_narrow(c)) {
        c->name = SLICE("_summary");
        first = dialect_refuse(c, "'count'");
    }
    for (size_t i = 0; i < count; i++) {
        if (is_signature(pairs[i].name))
            continue;
        enum err err = parse_one(p, &pairs[i]);
        if (err == ERR_NO_MEMORY)
            return err;
        first = first ? first : err;
    }
    if (!first && !p->is_again)
        first = stated_repeats_check(c, pairs, count);
    if (!first && p->query.subset.kind == FHIR_SUBSET_TEXT && p->query.include_count)
        first = issues_fail(c->issues, ERR_INVALID, "invalid",
                            "_summary=text cannot be combined with _include and _revinclude: "
                            "the references are not in the answer.");
    return first;
}

static enum err keep_applied(struct parser *p)
{
    if (dialect_is_narrow(&p->compiler)) {
        p->query.page.bound = 1 + p->query.count;
        bool is_counted = slice_find(buf_slice(&p->applied), SLICE("_count=")) >= 0;
        if (!is_counted)
            buf_printf(&p->applied, "%s_count=%u", p->applied.length ? "&" : "", p->query.count);
    }
    TRY(buf_status(&p->applied));
    const char *text = arena_copy(p->compiler.arena, buf_slice(&p->applied));
    if (!text)
        return ERR_NO_MEMORY;
    p->query.applied = slice_of(text, p->applied.length);
    return ERR_NONE;
}

/* Members of the compartment; of all types when `type` is empty. */
static enum err add_owner(struct parser *p, struct slice type, struct plan_list *list)
{
    struct compiler *c = &p->compiler;
    const struct search_settings *s = c->settings;
    struct plan *plan;
    if (!s->owner_type.length)
        return ERR_NONE;
    c->field = INDEX_FIELD_COMPARTMENT;
    TRY(plan_leaf(c, type.length ? PLAN_TERM : PLAN_PREFIX,
                  index_encode_compartment(c->arena, s->owner_type, s->owner_id, type), &plan));
    return plan_list_add(c, list, plan);
}

/* What is found by what it contains, within the compartment. */
static enum err contained_finish(struct parser *p)
{
    struct compiler *c = &p->compiler;
    struct plan *conditions, *test;
    if (p->conditions.count)
        TRY(plan_join(c, PLAN_AND, &p->conditions, &conditions));
    else
        TRY(plan_bare(c, PLAN_ALL, &conditions));
    TRY(contained_search(c, conditions, &test));
    return plan_list_add(c, &p->within, test);
}

/* The conditions on one type joined. */
static enum err type_finish(struct parser *p, struct plan **ret_plan)
{
    struct compiler *c = &p->compiler;
    bool is_typed = false;
    if (p->finds_contained)
        TRY(contained_finish(p));
    TRY(add_owner(p, c->type->name, &p->conditions));
    for (size_t i = 0; i < p->conditions.count; i++)
        is_typed |= plan_is_typed(p->conditions.items[i]);
    if (!is_typed) {
        struct plan *type;
        c->field = index_field(c->type, INDEX_PARAM_TYPE);
        TRY(plan_leaf(c, PLAN_TERM, SLICE(""), &type));
        TRY(plan_list_add(c, &p->conditions, type));
    }
    return plan_join(c, PLAN_AND, &p->conditions, ret_plan);
}

static size_t applied_limit(const struct search_pair *pairs, size_t count)
{
    size_t bytes = 32;
    for (size_t i = 0; i < count; i++)
        bytes += 3 * (pairs[i].name.length + pairs[i].value.length) + 2 + 20;
    return bytes;
}

/* ---- several types ---- */

/* The types that _type names, or all; `*ret_is_all` then. */
static enum err types_find(struct parser *p, const struct search_pair *pairs, size_t count,
                           const struct fhir_type ***ret_types, size_t *ret_count,
                           bool *ret_is_all)
{
    struct compiler *c = &p->compiler;
    const struct fhir_type **types =
        arena_array(c->arena, fhir_resource_count(), sizeof(const struct fhir_type *));
    if (!types)
        return ERR_NO_MEMORY;
    size_t found = 0;
    struct slice named = SLICE_NONE;
    for (size_t i = 0; i < count; i++)
        if (slice_is(pairs[i].name, "_type"))
            named = pairs[i].value;
    *ret_is_all = !named.bytes;
    for (size_t i = 0; !named.bytes && i < fhir_resource_count(); i++)
        types[found++] = fhir_resource_at((uint16_t)i);
    struct slice rest = named;
    while (rest.bytes) {
        struct slice name = slice_cut(&rest, ',');
        const struct fhir_type *type = fhir_resource_find(name);
        bool is_known = false;
        if (!type)
            return issues_fail(c->issues, ERR_INVALID, "value",
                               "_type names '%.*s', which is no resource type of R4.",
                               SLICE_ARGS(slice_head(name, SEARCH_SHOWN_BYTES)));
        for (size_t i = 0; i < found; i++)
            is_known |= types[i] == type;
        if (!is_known)
            types[found++] = type;
    }
    *ret_types = types;
    *ret_count = found;
    return ERR_NONE;
}

/* Nothing but instants: the same for every type. */
static bool is_general(const struct plan *plan)
{
    bool general = plan->kind == PLAN_INSTANT || plan->kind == PLAN_CREATED ||
                   plan->kind == PLAN_ALL || plan->kind == PLAN_NONE || plan->kind == PLAN_AND ||
                   plan->kind == PLAN_OR;
    for (size_t i = 0; general && i < plan->child_count; i++)
        general = is_general(plan->children[i]);
    return general;
}

/* Every type has conditions of its own, on its own fields: any of them. */
static enum err parse_types(struct parser *p, const struct search_pair *pairs, size_t count)
{
    struct compiler *c = &p->compiler;
    const struct fhir_type **types = NULL;
    size_t type_count = 0;
    bool is_all = false;
    struct plan *plan;
    TRY(types_find(p, pairs, count, &types, &type_count, &is_all));
    for (size_t i = 0; i < type_count; i++) {
        c->type = types[i];
        p->is_again = i > 0;
        p->conditions = (struct plan_list){ 0 };
        TRY(parse_pairs(p, pairs, count));
        bool general = is_all && !p->finds_contained;
        for (size_t k = 0; general && k < p->conditions.count; k++)
            general = is_general(p->conditions.items[k]);
        if (general) {
            TRY(add_owner(p, SLICE_NONE, &p->conditions));
            p->types = (struct plan_list){ 0 };
            TRY(plan_bare(c, PLAN_ALL, &plan));
            if (!p->conditions.count)
                TRY(plan_list_add(c, &p->conditions, plan));
            TRY(plan_join(c, PLAN_AND, &p->conditions, &plan));
            TRY(plan_list_add(c, &p->types, plan));
            break;
        }
        TRY(type_finish(p, &plan));
        TRY(plan_list_add(c, &p->types, plan));
    }
    p->query.type = types[0];
    p->query.types = types;
    p->query.type_count = type_count;
    return plan_join(c, PLAN_OR, &p->types, &p->query.plan);
}

static enum err types_single(struct parser *p, const struct fhir_type *type)
{
    p->query.types = arena_array(p->compiler.arena, 1, sizeof(const struct fhir_type *));
    if (!p->query.types)
        return ERR_NO_MEMORY;
    p->query.types[0] = type;
    p->query.type_count = 1;
    return type_finish(p, &p->query.plan);
}

/* A search that finds contained resources, too. */
static enum err whole_finish(struct parser *p)
{
    struct compiler *c = &p->compiler;
    struct search_query *q = &p->query;
    struct plan_list in_owner = { 0 };
    struct plan *within;
    if (q->sort_count)
        return issues_fail(c->issues, ERR_INVALID, "not-supported",
                           "A search with _contained is sorted by _lastUpdated alone.");
    if (q->returns_contained && q->include_count)
        return issues_fail(c->issues, ERR_INVALID, "not-supported",
                           "_containedType=contained cannot be combined with includes.");
    q->contained = (const struct plan **)p->within.items;
    q->contained_count = p->within.count;
    q->own_plan = p->finds_own ? q->plan : NULL;
    TRY(plan_join(c, PLAN_OR, &p->within, &within));
    TRY(add_owner(p, SLICE_NONE, &in_owner));
    if (in_owner.count) {
        TRY(plan_list_add(c, &in_owner, within));
        TRY(plan_join(c, PLAN_AND, &in_owner, &within));
    }
    if (!p->finds_own) {
        q->plan = within;
        return ERR_NONE;
    }
    return plan_either(c, q->plan, within, &q->plan);
}

enum err search_parse(const struct search_settings *settings, const struct fhir_type *type,
                      const struct search_pair *pairs, size_t count, struct arena *arena,
                      struct issues *issues, struct search_query *ret)
{
    CHECK(!type || type->resource != FHIR_NO_TYPE);
    struct parser p = {
        .compiler = { .settings = settings, .type = type, .arena = arena, .issues = issues },
        .query = { .type = type, .count = settings->default_count, .base_url = settings->base_url,
                   .zone_us = settings->zone_us,
                   .customs = settings->customs,
                   .memory_bytes = settings->memory_bytes },
        .is_system = !type,
        .finds_own = true,
        .pairs = pairs,
        .pair_count = count,
    };
    issues_init(&p.query.notices, arena);
    p.compiler.scores = &p.query.scores;
    buf_init(&p.applied, applied_limit(pairs, count));
    enum err err = type ? parse_pairs(&p, pairs, count) : parse_types(&p, pairs, count);
    if (!err && type)
        err = types_single(&p, type);
    p.query.returns_contained &= p.finds_contained;
    if (!err && p.finds_contained)
        err = whole_finish(&p);
    if (!err)
        err = sort_bind(&p.compiler, &p.query);
    if (!err)
        err = keep_applied(&p);
    buf_release(&p.applied);
    if (err)
        return err;
    *ret = p.query;
    return ERR_NONE;
}
