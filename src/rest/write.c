/* create, update and delete of one resource. */
#include "base/codec.h"
#include "os/random.h"
#include "rest/codes.h"
#include "rest/media.h"
#include "rest/outcome.h"
#include "rest/reply.h"
#include "rest/write.h"

static const char *const NO_PARAMETERS[] = { NULL };

enum err write_draft(struct request *r, struct json resource, enum write_kind kind,
                     struct arena *scratch, struct store_write *write)
{
    struct buf work;
    struct slice outcome = SLICE_NONE;
    buf_init(&work, json_raw(resource).length + DRAFT_EXTRA_BYTES);
    struct draft d = {
        .rest = r->rest,
        .arena = r->arena,
        .scratch = scratch,
        .work = &work,
        .issues = &r->issues,
        .resource = resource,
        .type = r->route.type,
        .id = r->route.id,
        .is_create = kind == WRITE_POST,
        .sets_id = kind == WRITE_PUT_SETS_ID,
        .level = r->level,
        .is_result = r->route.interaction == INTERACTION_PATCH,
        .ret_outcome = &outcome,
    };
    enum err err = draft_put(&d, write);
    r->faults = outcome;
    buf_release(&work);
    return err;
}

/* Parse, check, prepare; what the parse took is given back at once. */
static enum err write_make(struct request *r, bool is_create, struct store_write *write)
{
    struct arena scratch;
    struct json_doc doc;
    enum err err = request_parse(r, &scratch, &doc);
    if (!err)
        err = write_draft(r, json_root(&doc), is_create ? WRITE_POST : WRITE_PUT, &scratch, write);
    arena_release(&scratch);
    return err;
}

static enum err write_apply(struct request *r, struct store_write *write,
                            struct store_result *ret_result)
{
    uint64_t time;
    size_t refused;
    TRY(store_apply(r->rest->settings.store, write, 1, true, r->arena, ret_result, &time,
                    &refused));
    codes_note(r->rest, write, 1);
    if (ret_result->outcome == STORE_REFUSED)
        return draft_refused(&r->issues, write, ret_result);
    return ERR_NONE;
}

/* ---- answers ---- */

static const char *outcome_sentence(uint8_t outcome)
{
    if (outcome == STORE_CREATED)
        return "created";
    return outcome == STORE_UNCHANGED ? "unchanged: the body equals the current version"
                                      : "updated";
}

static enum err reply_written_body(struct request *r, int status, const struct store_write *w,
                                   const struct store_result *result)
{
    if (r->prefer == PREFER_MINIMAL) {
        r->response->status = status;
        return ERR_NONE;
    }
    struct buf body;
    buf_init(&body, w->body.length + 1024);
    enum err err = ERR_NONE;
    if (r->prefer == PREFER_OUTCOME)
        outcome_render_ok(&body, slice_cstr(r->http->id),
                          arena_printf(r->arena, "%.*s/%.*s version %llu: %s", SLICE_ARGS(w->type),
                                       SLICE_ARGS(w->id), (unsigned long long)result->version,
                                       outcome_sentence(result->outcome)));
    else
        err = reply_resource(r->rest, w->body, w->splice, result->version, result->instant, &body);
    if (!err)
        err = reply_copy(r, status, &body);
    buf_release(&body);
    return err;
}

enum err write_reply(struct request *r, const struct store_write *w,
                     const struct store_result *result)
{
    bool is_created = result->outcome == STORE_CREATED;
    TRY(reply_version(r, result->version, result->instant));
    if (r->faults.length)
        TRY(reply_header(r, "x-amzn-healthlake-validation-issues", SLICE("true")));
    /* Also of a create that found its resource there: return=minimal says it nowhere else. */
    bool is_create = is_created || r->route.interaction == INTERACTION_CREATE;
    if (is_create && r->rest->settings.behaviour.location_on_create) {
        struct slice path = reply_version_path(r, w->type, w->id, result->version);
        TRY(reply_header(
            r, "Location",
            arena_printf(r->arena, "%.*s/%.*s", SLICE_ARGS(r->base_url), SLICE_ARGS(path))));
    }
    TRY(reply_preference(r));
    return reply_written_body(r, is_created ? 201 : 200, w, result);
}

enum err write_reply_deleted(struct request *r, const struct store_result *result)
{
    bool is_deleted = result->outcome == STORE_DELETED;
    if (is_deleted)
        TRY(reply_version(r, result->version, result->instant));
    r->response->status = 204;
    if (r->prefer == PREFER_MINIMAL)
        return reply_preference(r);
    if (r->prefer != PREFER_OUTCOME)
        return ERR_NONE; /* nothing is left to represent */
    struct buf body;
    buf_init(&body, 4096);
    outcome_render_ok(&body, slice_cstr(r->http->id),
                      is_deleted ? arena_printf(r->arena, "%.*s/%.*s version %llu: deleted",
                                                SLICE_ARGS(r->route.type->name),
                                                SLICE_ARGS(r->route.id),
                                                (unsigned long long)result->version)
                                 : SLICE("there was nothing to delete"));
    enum err err = reply_copy(r, 200, &body);
    buf_release(&body);
    return err ? err : reply_preference(r);
}

/* ---- interactions ---- */

size_t write_scratch_bytes(const struct request *r)
{
    return 4 * r->rest->settings.behaviour.limits.body_bytes + ((size_t)16 << 20);
}

enum err write_id_new(struct arena *arena, struct slice *ret_id)
{
    uint8_t random[16];
    char id[UUID_TEXT_BYTES];
    os_random(random, sizeof random);
    uuid_render(random, id);
    char *kept = arena_copy(arena, slice_cstr(id));
    if (!kept)
        return ERR_NO_MEMORY;
    *ret_id = slice_cstr(kept);
    return ERR_NONE;
}

enum err rest_create(struct request *r)
{
    const struct slice *criteria = http_header_find(r->http, "If-None-Exist");
    struct store_write write;
    struct store_result result;
    TRY(request_only(r, NO_PARAMETERS));
    TRY(media_body_is_json(r));
    if (criteria)
        return conditional_create(r, *criteria);
    TRY(idempotency_id(r));
    TRY(write_make(r, true, &write));
    write.expect = STORE_NOT_THERE; /* the id is new: anything else is a broken generator */
    enum err err = write_apply(r, &write, &result);
    if (err == ERR_PRECONDITION && idempotency_key(r)) {
        issues_init(&r->issues, r->arena); /* what it says of If-None-Match */
        return idempotency_refuse(r);
    }
    return err ? err : write_reply(r, &write, &result);
}

enum err rest_update(struct request *r)
{
    TRY(media_body_is_json(r));
    TRY(idempotency_check_absent(r));
    if (!r->route.id.length)
        return conditional_update(r);
    TRY(request_only(r, NO_PARAMETERS));
    struct store_write write;
    struct store_result result;
    TRY(write_make(r, false, &write));
    TRY(draft_expect(&r->issues, http_header_find(r->http, "If-Match"),
                     http_header_find(r->http, "If-None-Match"), &write));
    write.skip_if_equal = !r->rest->settings.behaviour.always_new_version;
    TRY(write_apply(r, &write, &result));
    return write_reply(r, &write, &result);
}

enum err write_patch_kind(struct request *r, enum patch_kind *ret)
{
    struct slice type = media_body_type(r);
    *ret = patch_kind_find(type);
    if (*ret != PATCH_NONE)
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_MEDIA_TYPE, "value",
                       "PATCH takes application/json-patch+json, application/merge-patch+json or "
                       "application/fhir+json (FHIRPath Patch), not '%.*s'",
                       SLICE_ARGS(slice_head(type, 100)));
}

/* Patch what is there now; the write holds for that version alone. */
static enum err patch_try(struct request *r, const struct patch *p, struct store_write *write,
                          struct store_result *result)
{
    struct arena scratch;
    struct json_doc doc;
    uint64_t version, time;
    size_t refused;
    arena_init(&scratch, write_scratch_bytes(r));
    enum err err = patch_apply(p, &scratch, &doc, &version);
    if (!err)
        err = write_draft(r, json_root(&doc), WRITE_PUT, &scratch, write);
    arena_release(&scratch);
    TRY(err);
    write->expect = STORE_VERSION;
    write->expect_version = version;
    write->skip_if_equal = !r->rest->settings.behaviour.always_new_version;
    err = store_apply(r->rest->settings.store, write, 1, true, r->arena, result, &time, &refused);
    codes_note(r->rest, write, 1);
    return err;
}

enum err rest_patch(struct request *r)
{
    struct patch p = { .rest = r->rest,
                       .issues = &r->issues,
                       .type = r->route.type,
                       .id = r->route.id,
                       .text = r->http->body,
                       .if_match = http_header_find(r->http, "If-Match"),
                       .keep = r->arena };
    struct store_write write;
    struct store_result result;
    TRY(idempotency_check_absent(r));
    if (!r->route.id.length)
        return conditional_patch(r);
    TRY(request_only(r, NO_PARAMETERS));
    TRY(write_patch_kind(r, &p.kind));
    for (int i = 0; i < PATCH_TRIES; i++) {
        struct arena_mark mark = arena_mark(r->arena);
        TRY(patch_try(r, &p, &write, &result));
        if (result.outcome != STORE_REFUSED)
            return write_reply(r, &write, &result);
        arena_rewind(r->arena, mark); /* the draft, of which nothing is left */
    }
    return patch_gave_up(&p);
}

enum err rest_delete(struct request *r)
{
    TRY(idempotency_check_absent(r));
    if (!r->route.id.length)
        return conditional_delete(r);
    TRY(request_only(r, NO_PARAMETERS));
    struct store_write write = { .operation = STORE_DELETE,
                                 .type = r->route.type->name,
                                 .id = r->route.id };
    struct store_result result;
    TRY(draft_expect(&r->issues, http_header_find(r->http, "If-Match"), NULL, &write));
    TRY(write_apply(r, &write, &result));
    return write_reply_deleted(r, &result);
}
