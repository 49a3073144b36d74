/* $validate: is the resource good, and would it do to create, update or delete it so? */
#include "rest/access.h"
#include "rest/definitions.h"
#include "rest/media.h"
#include "rest/outcome.h"
#include "rest/reply.h"
#include "rest/validity.h"
#include "rest/write.h"

enum mode { MODE_NONE, MODE_CREATE, MODE_UPDATE, MODE_DELETE, MODE_PROFILE };

enum { PROFILES_MAX = 20 };

struct validation {
    struct request *r;
    struct issues found;
    struct json resource; /* absent: none came */
    enum mode mode;
    bool names_profile;
    struct slice profiles[PROFILES_MAX];
    size_t profile_count;
};

static void find_fault(struct validation *v, const char *code, struct slice expression,
                       struct slice text)
{
    issues_add(&v->found, ISSUE_ERROR, code, expression, "%.*s", SLICE_ARGS(text));
}

/* What is wrong with the question itself is a finding as well: the answer is a 200
 * all the same, and the resource is looked at as far as can be. */
#define find_misuse(v, code, ...)                                                                  \
    issues_add(&(v)->found, ISSUE_ERROR, (code), SLICE_NONE, __VA_ARGS__)

/* ---- what was asked ---- */

static void mode_take(struct validation *v, struct slice text)
{
    static const char *const names[] = { [MODE_CREATE] = "create",
                                         [MODE_UPDATE] = "update",
                                         [MODE_DELETE] = "delete",
                                         [MODE_PROFILE] = "profile" };
    for (size_t i = MODE_CREATE; i < ARRAY_COUNT(names); i++) {
        if (!slice_is(text, names[i]))
            continue;
        v->mode = (enum mode)i;
        return;
    }
    find_misuse(v, "value", "mode is create, update, delete or profile, not '%.*s'",
                SLICE_ARGS(slice_head(text, 100)));
}

static bool profile_is_known(struct request *r, struct slice canonical)
{
    struct profile_info info;
    if (!r->rest->settings.profiles)
        return false;
    struct profile_set *set = definitions_now(r->rest, NULL);
    bool is_known = profile_find(set, canonical, &info);
    profile_set_unref(set);
    return is_known;
}

static void profile_take(struct validation *v, struct slice canonical)
{
    struct slice core = SLICE("http://hl7.org/fhir/StructureDefinition/");
    struct slice rest = canonical, url = slice_cut(&rest, '|');
    v->names_profile = true;
    if (v->profile_count == PROFILES_MAX) {
        find_misuse(v, "too-costly", "At most %d profiles", PROFILES_MAX);
        return;
    }
    /* The base type itself is checked anyway. */
    if (slice_starts_with(url, core) && fhir_resource_find(slice_from(url, core.length)))
        return;
    if (profile_is_known(v->r, canonical))
        v->profiles[v->profile_count++] = canonical;
    else
        find_misuse(v, "not-found", "The profile %.*s is not known here",
                    SLICE_ARGS(slice_head(canonical, 400)));
}

static void query_take(struct validation *v)
{
    for (size_t i = 0; i < v->r->pair_count; i++) {
        const struct search_pair *pair = &v->r->pairs[i];
        if (slice_is(pair->name, "mode"))
            mode_take(v, pair->value);
        else if (slice_is(pair->name, "profile"))
            profile_take(v, pair->value);
        else
            find_misuse(v, "not-supported", "$validate has the parameters mode and profile, not "
                        "'%.*s'", SLICE_ARGS(slice_head(pair->name, 100)));
    }
}

/* The value[x] of a parameter, whatever its type: they are all texts. */
static struct slice parameter_text(struct json parameter, struct arena *arena)
{
    for (struct json key = json_first(parameter); json_exists(key);
         key = json_next(parameter, json_value(key)))
        if (slice_starts_with(json_string_raw(key), SLICE("value")))
            return json_string(json_value(key), arena);
    return SLICE_NONE;
}

static void parameter_take(struct validation *v, struct json parameter)
{
    struct json name = json_member(parameter, "name");
    struct slice text = parameter_text(parameter, v->r->arena);
    if (json_string_is(name, SLICE("resource")))
        v->resource = json_member(parameter, "resource");
    else if (json_string_is(name, SLICE("mode")))
        mode_take(v, text);
    else if (json_string_is(name, SLICE("profile")))
        profile_take(v, text);
    else
        find_misuse(v, "invalid",
                    "$validate has the parameters resource, mode and profile, not %.*s",
                    SLICE_ARGS(json_exists(name) ? slice_head(json_raw(name), 100)
                                                 : SLICE("one without a name")));
}

/* Parameters are the operation's own, unless they are what is to be validated. */
static void body_take(struct validation *v, struct json root)
{
    const struct fhir_type *type = v->r->route.type;
    bool is_wrapped = json_string_is(json_member(root, "resourceType"), SLICE("Parameters"));
    struct json list = json_member(root, "parameter");
    if (is_wrapped && type && slice_is(type->name, "Parameters")) {
        struct json first = json_member(json_first(list), "name");
        is_wrapped = json_string_is(first, SLICE("resource")) ||
                     json_string_is(first, SLICE("mode")) ||
                     json_string_is(first, SLICE("profile"));
    }
    if (!is_wrapped) {
        v->resource = root;
        return;
    }
    for (struct json p = json_first(list); json_exists(p); p = json_next(list, p))
        parameter_take(v, p);
}

/* ---- would it be done? ---- */

/* What a write would be refused with is a finding; what keeps us from looking is not. */
static enum err refusal_take(enum err err)
{
    bool is_told = err == ERR_FORBIDDEN || err == ERR_PRECONDITION || err == ERR_INVALID;
    return is_told ? ERR_NONE : err;
}

static bool head_is_expected(const struct store_write *w, bool is_there,
                             const struct store_version *head)
{
    bool is_live = is_there && !head->is_deleted;
    bool is_one = w->expect == STORE_VERSION && head->version == w->expect_version;
    for (size_t i = 0; w->expect == STORE_VERSION && i < w->expect_other_count; i++)
        is_one |= head->version == w->expect_others[i];
    switch ((enum store_expect)w->expect) {
    case STORE_ANY:
        return true;
    case STORE_NOT_THERE:
        return !is_there;
    case STORE_VERSION:
        return is_live && is_one;
    case STORE_LIVE:
        break;
    }
    return is_live;
}

/* May the caller do it, and is there what the request's conditions ask for? */
static enum err find_refusals(struct validation *v, struct slice id, bool is_there,
                              const struct store_version *head)
{
    static const enum interaction kinds[] = { [MODE_CREATE] = INTERACTION_CREATE,
                                              [MODE_UPDATE] = INTERACTION_UPDATE,
                                              [MODE_DELETE] = INTERACTION_DELETE };
    struct request *r = v->r;
    struct route route = r->route;
    if (v->mode != MODE_CREATE && v->mode != MODE_UPDATE && v->mode != MODE_DELETE)
        return ERR_NONE;
    route.interaction = kinds[v->mode];
    route.id = id;
    TRY(refusal_take(access_entry(r, &route, false, &v->found)));
    if (!route.type || !id.length || v->mode == MODE_CREATE)
        return ERR_NONE;
    struct store_write w = { .type = route.type->name, .id = id };
    const struct store_result result = { .version = is_there ? head->version : 0,
                                         .was_deleted = is_there && head->is_deleted };
    enum err err = draft_expect(&v->found, http_header_find(r->http, "If-Match"),
                                http_header_find(r->http, "If-None-Match"), &w);
    if (!err && !head_is_expected(&w, is_there, head))
        err = draft_refused(&v->found, &w, &result);
    return refusal_take(err);
}

static void find_id_faults(struct validation *v)
{
    const struct route *route = &v->r->route;
    struct json id = json_member(v->resource, "id");
    if (v->mode == MODE_UPDATE && !json_is(id, JSON_STRING))
        find_fault(v, "required", SLICE("id"), SLICE("An update's resource must have an id"));
    else if (v->mode != MODE_CREATE && route->id.length && json_is(id, JSON_STRING) &&
             !json_string_is(id, route->id))
        find_fault(v, "invalid", SLICE("id"), SLICE("The id is not that of the URL"));
}

/* ---- what is found ---- */

static enum err find_faults(struct validation *v)
{
    struct request *r = v->r;
    const struct fhir_type *asked = r->route.type;
    struct slice name = json_string(json_member(v->resource, "resourceType"), r->arena);
    const struct fhir_type *type = name.length ? fhir_resource_find(name) : NULL;
    if (asked && type && type != asked)
        find_fault(v, "invalid", SLICE("resourceType"),
                   arena_printf(r->arena, "The resource is of type %.*s, the URL's type is %.*s",
                                SLICE_ARGS(type->name), SLICE_ARGS(asked->name)));
    find_id_faults(v);
    const struct validity_ask ask = { .rest = r->rest,
                                      .level = REST_STRICT,
                                      .resource = v->resource,
                                      .type = type,
                                      .profiles = v->profiles,
                                      .profile_count = v->profile_count };
    /* Rewound by the check, so not the arena that the findings are kept in. */
    struct arena scratch;
    arena_init(&scratch, r->arena->limit_bytes);
    enum err err = validity_findings(&ask, &scratch, &v->found);
    arena_release(&scratch);
    return err;
}

/* The id that is meant: the URL's, else the resource's own. */
static struct slice id_of(const struct validation *v)
{
    struct slice id = v->r->route.id;
    return id.length ? id : json_string(json_member(v->resource, "id"), v->r->arena);
}

/* What the store has of it: would the write do, and, when no resource came, is what is
 * there good? */
static enum err find_stored(struct validation *v, struct json_doc *doc, struct arena *scratch)
{
    struct request *r = v->r;
    struct store_reader *reader;
    struct store_version head = { .version = 0 };
    struct slice id = id_of(v);
    bool is_there = false, has_resource = json_exists(v->resource);
    if (r->route.type && fhir_id_is_valid(id)) {
        TRY(request_reader(r, &reader));
        enum err err = store_head(reader, r->route.type->name, id, scratch, &is_there, &head);
        store_read_end(reader);
        TRY(err);
    }
    TRY(find_refusals(v, id, is_there, &head));
    if (has_resource && v->mode != MODE_DELETE)
        return ERR_NONE;
    if (!r->route.type || !id.length) {
        find_misuse(v, "required", "mode=delete is asked about an instance: [type]/[id]/$validate");
        return ERR_NONE;
    }
    if (!is_there || head.is_deleted)
        find_misuse(v, is_there ? "deleted" : "not-found", "%.*s/%.*s %s",
                    SLICE_ARGS(r->route.type->name), SLICE_ARGS(slice_head(id, 100)),
                    is_there ? "is deleted" : "does not exist");
    if (!is_there || head.is_deleted || v->mode == MODE_DELETE)
        return ERR_NONE;
    TRY(json_parse(head.body, NULL, scratch, doc, NULL));
    v->resource = json_root(doc);
    return find_faults(v);
}

static bool has_errors(const struct issues *list)
{
    for (const struct issue *i = list->first; i; i = i->next)
        if (i->severity <= ISSUE_ERROR)
            return true;
    return list->count > ISSUES_MAX;
}

static enum err reply_found(struct validation *v)
{
    struct request *r = v->r;
    struct buf out;
    if (!has_errors(&v->found))
        issues_add(&v->found, ISSUE_INFORMATION, "informational", SLICE_NONE,
                   "Validation successful");
    buf_init(&out, (size_t)4 << 20);
    outcome_render(&out, slice_cstr(r->http->id), ERR_NONE, &v->found);
    enum err err = reply_copy(r, 200, &out);
    buf_release(&out);
    return err;
}

static enum err validation_run(struct validation *v, struct arena *scratch)
{
    struct request *r = v->r;
    struct json_doc stored;
    bool has_resource = json_exists(v->resource);
    if (v->mode == MODE_PROFILE && !v->names_profile)
        find_misuse(v, "required", "mode=profile names a profile");
    if (!r->route.id.length && !has_resource && v->mode != MODE_DELETE)
        find_misuse(v, "required", "There is no resource to validate");
    else if (has_resource && v->mode != MODE_DELETE)
        TRY(find_faults(v));
    bool asks_store = v->mode == MODE_CREATE || v->mode == MODE_UPDATE || v->mode == MODE_DELETE ||
                      (r->route.id.length && !has_resource);
    return asks_store ? find_stored(v, &stored, scratch) : ERR_NONE;
}

/* A body that is no JSON is as much a finding as one that is no resource. */
static enum err body_run(struct validation *v, struct arena *scratch)
{
    struct json_doc doc;
    enum err err = request_parse(v->r, scratch, &doc);
    if (err == ERR_SYNTAX || err == ERR_INVALID) {
        issues_move(&v->found, &v->r->issues);
        return ERR_NONE;
    }
    TRY(err);
    body_take(v, json_root(&doc));
    return validation_run(v, scratch);
}

enum err rest_validate(struct request *r)
{
    struct arena scratch;
    struct validation v = { .r = r };
    bool has_body = r->http->body.length > 0;
    issues_init(&v.found, r->arena);
    query_take(&v);
    if (has_body) {
        TRY(media_body_is_json(r));
    } else {
        arena_init(&scratch, write_scratch_bytes(r));
    }
    enum err err = has_body ? body_run(&v, &scratch) : validation_run(&v, &scratch);
    arena_release(&scratch);
    return err ? err : reply_found(&v);
}
