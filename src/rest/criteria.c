#include "rest/criteria.h"

#include "index/index.h"
#include "os/clock.h"

static enum err pairs_check(const struct criteria *c)
{
    if (c->pair_count == 0)
        return issues_fail(c->issues, ERR_INVALID, "required",
                           "One %.*s cannot be found without criteria, such as identifier=...",
                           SLICE_ARGS(c->type->name));
    for (size_t i = 0; i < c->pair_count; i++) {
        struct slice rest = c->pairs[i].name;
        struct slice name = slice_cut(&rest, ':');
        /* Alone they would select every resource of the type. */
        if (search_is_result_param(name))
            return issues_fail(c->issues, ERR_INVALID, "invalid",
                               "%.*s is no criterion of a conditional write",
                               SLICE_ARGS(slice_head(name, 100)));
    }
    return ERR_NONE;
}

/* A leaf by which all its matches have one value up to the first NUL byte. */
static bool is_equality(const struct criteria *c, const struct plan *p)
{
    bool is_exact =
        p->kind == PLAN_TERM || (p->kind == PLAN_PREFIX && slice_find_byte(p->from, '\0') >= 0);
    return is_exact && p->field != index_field(c->type, INDEX_PARAM_TYPE) &&
           p->field >> 16 == c->type->resource;
}

static bool is_identifier(const struct plan *p)
{
    const struct fhir_param *param = fhir_param_at((uint16_t)(p->field & 0xffff));
    return param && slice_is(param->code, "identifier");
}

static void watch_choose(struct criteria *c)
{
    const struct plan *best = is_equality(c, c->plan) ? c->plan : NULL;
    for (size_t i = 0; c->plan->kind == PLAN_AND && i < c->plan->child_count; i++) {
        const struct plan *p = c->plan->children[i];
        if (is_equality(c, p) && (!best || is_identifier(p)))
            best = p;
    }
    if (best)
        c->watch = (struct term){ .field = best->field, .value = best->from };
    else
        c->watch =
            (struct term){ .field = index_field(c->type, INDEX_PARAM_TYPE), .value = SLICE("") };
}

enum err criteria_parse(struct criteria *c, const struct search_pair *pairs, size_t count,
                        struct arena *arena)
{
    struct search_settings settings = request_search_settings(c->rest);
    settings.default_count = settings.largest_count = 1;
    settings.refuse_large_count = false;
    struct search_query query;
    c->pairs = pairs;
    c->pair_count = count;
    TRY(pairs_check(c));
    TRY(search_parse(&settings, c->type, pairs, count, arena, c->issues, &query));
    c->plan = query.plan;
    watch_choose(c);
    return ERR_NONE;
}

enum err criteria_search_at(struct criteria *c, struct store_reader *reader,
                            criteria_is_gone *is_gone, void *context, size_t gone_count,
                            struct arena *arena)
{
    uint64_t *docs;
    size_t found;
    c->count = 0;
    enum err err = store_search(reader, c->plan, 0, 2 + gone_count, arena, &docs, &found);
    if (err == ERR_NOT_READY)
        err = search_unready(c->rest->settings.store, c->plan,
                             request_search_settings(c->rest).customs, c->issues);
    TRY(err);
    for (size_t i = 0; i < found && c->count < 2; i++) {
        struct store_version v;
        enum err read = store_doc(reader, docs[i], arena, &v);
        if (read == ERR_NOT_FOUND)
            continue; /* erased since it was found */
        TRY(read);
        if (is_gone && is_gone(context, v.type, v.id))
            continue;
        if (c->count++ == 0)
            c->match = v;
    }
    return ERR_NONE;
}

enum err criteria_search(struct criteria *c, struct arena *arena)
{
    struct store_reader *reader;
    TRY(store_read_begin(c->rest->settings.store, 0, &reader));
    enum err err = criteria_search_at(c, reader, NULL, NULL, 0, arena);
    store_read_end(reader);
    return err;
}

enum err criteria_text(const struct fhir_type *type, struct slice base_url, struct issues *issues,
                       struct slice *text)
{
    ptrdiff_t mark = slice_find_byte(*text, '?');
    struct slice before = mark >= 0 ? slice_head(*text, (size_t)mark) : SLICE_NONE;
    /* A '?' behind a '=' belongs to a value: identifier=http://a?b|1. */
    if (mark < 0 || slice_find_byte(before, '=') >= 0)
        return ERR_NONE;
    if (base_url.length && slice_starts_with(before, base_url) &&
        slice_starts_with(slice_from(before, base_url.length), SLICE("/")))
        before = slice_from(before, base_url.length + 1);
    if (before.length && !slice_equal(before, type->name))
        return issues_fail(issues, ERR_INVALID, "value",
                           "The criteria of a %.*s cannot ask for '%.*s'",
                           SLICE_ARGS(type->name), SLICE_ARGS(slice_head(before, 100)));
    *text = slice_from(*text, (size_t)mark + 1);
    return ERR_NONE;
}

enum err criteria_read(struct criteria *c, struct slice base_url, struct slice text,
                       struct arena *arena)
{
    struct search_pair *pairs = NULL;
    size_t count = 0;
    TRY(criteria_text(c->type, base_url, c->issues, &text));
    TRY(search_pairs_parse(text, arena, &pairs, &count, c->issues));
    return criteria_parse(c, pairs, count, arena);
}

bool criteria_meets(const struct criteria *c, const struct store_write *write)
{
    return slice_equal(write->type, c->type->name) && search_meets(c->plan, write, os_now_us());
}

/* Is there a resource of the type by that id, dead or alive? */
static enum err id_look(const struct criteria *c, struct slice id, bool *ret_is_found,
                        bool *ret_is_deleted)
{
    struct store_reader *reader;
    struct store_version head = { .is_deleted = false };
    TRY(store_read_begin(c->rest->settings.store, 0, &reader));
    enum err err = store_head_meta(reader, c->type->name, id, ret_is_found, &head);
    store_read_end(reader);
    *ret_is_deleted = !err && *ret_is_found && head.is_deleted;
    return err;
}

enum err criteria_none(const struct criteria *c)
{
    return issues_fail(c->issues, ERR_NOT_FOUND, "not-found", "No %.*s matches the criteria",
                       SLICE_ARGS(c->type->name));
}

enum err criteria_id_free(const struct criteria *c, struct slice id)
{
    bool is_found, is_deleted;
    TRY(id_look(c, id, &is_found, &is_deleted));
    if (!is_found)
        return ERR_NONE;
    return issues_fail(c->issues, ERR_CONFLICT, "conflict",
                       "Nothing matches the criteria, but %.*s/%.*s exists%s",
                       SLICE_ARGS(c->type->name), SLICE_ARGS(id),
                       is_deleted ? ", deleted" : "");
}

enum err criteria_delete_none(const struct criteria *c)
{
    struct slice id = criteria_value(c, "_id");
    bool is_found = false, is_deleted = false;
    if (id.length)
        TRY(id_look(c, id, &is_found, &is_deleted));
    if (!is_found)
        return criteria_none(c);
    if (is_deleted)
        return ERR_NONE;
    return issues_fail(c->issues, ERR_CONFLICT, "conflict",
                       "%.*s/%.*s exists, but the other criteria do not match it",
                       SLICE_ARGS(c->type->name), SLICE_ARGS(slice_head(id, 100)));
}

enum err criteria_many(const struct criteria *c)
{
    return issues_fail(c->issues, ERR_PRECONDITION, "multiple-matches",
                       "Several resources of type %.*s match the criteria; nothing was written",
                       SLICE_ARGS(c->type->name));
}

struct slice criteria_value(const struct criteria *c, const char *name)
{
    for (size_t i = 0; i < c->pair_count; i++) {
        if (slice_is(c->pairs[i].name, name))
            return c->pairs[i].value;
    }
    return SLICE_NONE;
}
