/* $validate: is the resource good, and would it do to create, update or delete it so? */
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
    struct slice profiles[PROFILES_MAX];
    size_t profile_count;
};

/* ---- what was asked ---- */

static enum err mode_take(struct validation *v, struct slice text)
{
    static const char *const names[] = { [MODE_CREATE] = "create",
                                         [MODE_UPDATE] = "update",
                                         [MODE_DELETE] = "delete",
                                         [MODE_PROFILE] = "profile" };
    for (size_t i = MODE_CREATE; i < ARRAY_COUNT(names); i++) {
        if (!slice_is(text, names[i]))
            continue;
        v->mode = (enum mode)i;
        return ERR_NONE;
    }
    return issues_fail(&v->r->issues, ERR_INVALID, "value",
                       "mode is create, update, delete or profile, not '%.*s'",
                       SLICE_ARGS(slice_head(text, 100)));
}

static enum err profile_take(struct validation *v, struct slice canonical)
{
    struct request *r = v->r;
    struct profile_info info;
    struct slice core = SLICE("http://hl7.org/fhir/StructureDefinition/");
    struct slice rest = canonical, url = slice_cut(&rest, '|');
    if (v->profile_count == PROFILES_MAX)
        return issues_fail(&r->issues, ERR_INVALID, "too-costly", "At most %d profiles",
                           PROFILES_MAX);
    /* The base type itself is checked anyway. */
    if (slice_starts_with(url, core) && fhir_resource_find(slice_from(url, core.length)))
        return ERR_NONE;
    bool is_known = false;
    if (r->rest->settings.profiles) {
        struct profile_set *set = definitions_now(r->rest, NULL, NULL);
        is_known = profile_find(set, canonical, &info);
        profile_set_unref(set);
    }
    if (!is_known)
        return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found",
                           "The profile %.*s is not known here",
                           SLICE_ARGS(slice_head(canonical, 400)));
    v->profiles[v->profile_count++] = canonical;
    return ERR_NONE;
}

static enum err query_take(struct validation *v)
{
    static const char *const KNOWN[] = { "mode", "profile", NULL };
    struct request *r = v->r;
    TRY(request_only(r, KNOWN));
    for (size_t i = 0; i < r->pair_count; i++)
        TRY(slice_is(r->pairs[i].name, "mode") ? mode_take(v, r->pairs[i].value)
                                               : profile_take(v, r->pairs[i].value));
    return ERR_NONE;
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

static enum err parameter_take(struct validation *v, struct json parameter)
{
    struct request *r = v->r;
    struct json name = json_member(parameter, "name");
    struct slice text = parameter_text(parameter, r->arena);
    if (json_string_is(name, SLICE("resource"))) {
        v->resource = json_member(parameter, "resource");
        return ERR_NONE;
    }
    if (json_string_is(name, SLICE("mode")))
        return mode_take(v, text);
    if (json_string_is(name, SLICE("profile")))
        return profile_take(v, text);
    return issues_fail(&r->issues, ERR_INVALID, "invalid",
                       "$validate has the parameters resource, mode and profile, not %.*s",
                       SLICE_ARGS(slice_head(json_raw(name), 100)));
}

/* Parameters are the operation's own, unless they are what is to be validated. */
static enum err body_take(struct validation *v, struct json root)
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
        return ERR_NONE;
    }
    for (struct json p = json_first(list); json_exists(p); p = json_next(list, p))
        TRY(parameter_take(v, p));
    return ERR_NONE;
}

/* ---- what is found ---- */

static void find_fault(struct validation *v, const char *code, struct slice expression,
                       struct slice text)
{
    issues_add(&v->found, ISSUE_ERROR, code, expression, "%.*s", SLICE_ARGS(text));
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

/* The stored resource, which an instance is asked about without a body. */
static enum err find_stored(struct validation *v, struct json_doc *doc, struct arena *scratch)
{
    struct request *r = v->r;
    struct store_reader *reader;
    struct store_version head;
    bool is_there = false;
    TRY(request_reader(r, &reader));
    enum err err =
        store_head(reader, r->route.type->name, r->route.id, scratch, &is_there, &head);
    store_read_end(reader);
    TRY(err);
    if (!is_there || head.is_deleted) {
        find_fault(v, is_there ? "deleted" : "not-found", SLICE_NONE,
                   arena_printf(r->arena, "%.*s/%.*s %s", SLICE_ARGS(r->route.type->name),
                                SLICE_ARGS(r->route.id),
                                is_there ? "is deleted" : "does not exist"));
        return ERR_NONE;
    }
    if (v->mode == MODE_DELETE)
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

static enum err validation_run(struct validation *v, struct json_doc *doc, struct arena *scratch)
{
    struct request *r = v->r;
    bool has_resource = json_exists(v->resource);
    if (v->mode == MODE_PROFILE && v->profile_count == 0)
        return issues_fail(&r->issues, ERR_INVALID, "required", "mode=profile names a profile");
    if (!r->route.id.length && !has_resource && v->mode != MODE_DELETE)
        return issues_fail(&r->issues, ERR_INVALID, "required",
                           "There is no resource to validate");
    if (has_resource && v->mode != MODE_DELETE)
        TRY(find_faults(v));
    else if (r->route.id.length)
        TRY(find_stored(v, doc, scratch));
    return reply_found(v);
}

enum err rest_validate(struct request *r)
{
    struct arena scratch;
    struct json_doc doc;
    struct validation v = { .r = r };
    bool has_body = r->http->body.length > 0;
    issues_init(&v.found, r->arena);
    TRY(query_take(&v));
    if (!has_body) {
        arena_init(&scratch, write_scratch_bytes(r));
        enum err alone = validation_run(&v, &doc, &scratch);
        arena_release(&scratch);
        return alone;
    }
    TRY(media_body_is_json(r));
    enum err err = request_parse(r, &scratch, &doc);
    if (!err)
        err = body_take(&v, json_root(&doc));
    struct json_doc stored;
    if (!err)
        err = validation_run(&v, &stored, &scratch);
    arena_release(&scratch);
    return err;
}
