#include "rest/patch.h"

#include "rest/draft.h"
#include "rest/media.h"
#include "rest/outcome.h"
#include "rest/reply.h"

static const struct {
    const char *type;
    enum patch_kind kind;
} KINDS[] = { { "application/json-patch+json", PATCH_JSON },
              { "application/merge-patch+json", PATCH_MERGE },
              { "application/fhir+json", PATCH_FHIRPATH },
              { "application/json+fhir", PATCH_FHIRPATH } };

const char *patch_media_type(size_t number)
{
    return number < ARRAY_COUNT(KINDS) ? KINDS[number].type : NULL;
}

enum patch_kind patch_kind_find(struct slice media_type)
{
    struct slice type = slice_trim(slice_cut(&media_type, ';'));
    for (size_t i = 0; i < ARRAY_COUNT(KINDS); i++) {
        if (slice_equal_nocase(type, slice_cstr(KINDS[i].type)))
            return KINDS[i].kind;
    }
    return PATCH_NONE;
}

/* ---- the resource as it is ---- */

static enum err expectation_check(const struct patch *p, const struct store_version *head)
{
    struct store_write write = { .type = p->type->name, .id = p->id };
    struct store_result result = { .version = head->version, .was_deleted = head->is_deleted };
    TRY(draft_expect(p->issues, p->if_match, NULL, &write));
    if (write.expect == STORE_VERSION && !store_write_expects(&write, head->version))
        return draft_refused(p->issues, &write, &result);
    return ERR_NONE;
}

static enum err head_read(const struct patch *p, struct store_reader *reader, struct arena *arena,
                          struct store_version *ret)
{
    bool is_found = false;
    TRY(store_head(reader, p->type->name, p->id, arena, &is_found, ret));
    if (!is_found)
        return issues_fail(p->issues, ERR_NOT_FOUND, "not-found",
                           "%.*s/%.*s does not exist; a patch needs something to change",
                           SLICE_ARGS(p->type->name), SLICE_ARGS(p->id));
    if (ret->is_deleted)
        return issues_fail(p->issues, ERR_GONE, "deleted", "%.*s/%.*s is deleted (version %llu)",
                           SLICE_ARGS(p->type->name), SLICE_ARGS(p->id),
                           (unsigned long long)ret->version);
    return expectation_check(p, ret);
}

static enum err parse_own(struct buf *text, struct arena *keep, struct arena *arena,
                          struct json_doc *ret_doc)
{
    TRY(buf_status(text));
    char *copy = arena_copy(keep, buf_slice(text));
    return copy ? json_parse(slice_of(copy, text->length), NULL, arena, ret_doc, NULL)
                : ERR_NO_MEMORY;
}

/* As a client reads it: paths into meta.versionId are the client's right. */
static enum err current_parse(const struct patch *p, const struct store_version *head,
                              struct arena *arena, struct json_doc *ret_doc)
{
    struct buf text;
    buf_init(&text, head->body.length + 1024);
    enum err err =
        reply_resource(p->rest, head->body, head->splice, head->version, head->instant, &text);
    if (!err)
        err = parse_own(&text, arena, arena, ret_doc);
    buf_release(&text);
    return err;
}

/* ---- the change ---- */

static enum err patch_parse(const struct patch *p, struct arena *arena, struct json_doc *ret_doc)
{
    struct json_error where;
    struct json_limits limits = { .nodes = (uint32_t)MIN(p->text.length / 4 + 65536, UINT32_MAX) };
    enum err err = json_parse(p->text, &limits, arena, ret_doc, &where);
    return err ? outcome_json(p->issues, err, &where) : ERR_NONE;
}

static size_t result_limit(const struct patch *p)
{
    const struct rest_behaviour *b = &p->rest->settings.behaviour;
    return b->limits.resource_bytes ? b->limits.resource_bytes : b->limits.body_bytes;
}

static enum err refused(const struct patch *p, enum err err, const char *what, uint32_t operation,
                        struct slice text)
{
    if (err == ERR_NO_MEMORY)
        return err;
    const char *code = err == ERR_INVALID ? "invalid"
                       : err == ERR_LIMIT ? "too-costly"
                                          : "processing";
    return issues_fail(p->issues, err, code, "%s operation %u: %.*s", what, (unsigned)operation,
                       SLICE_ARGS(text));
}

static enum err change(const struct patch *p, struct json current, struct json patch,
                       struct arena *arena, struct buf *out)
{
    struct json_patch_error error = { 0, "" };
    struct fhir_patch_error path_error = { 0, SLICE_NONE };
    enum err err;
    switch (p->kind) {
    case PATCH_MERGE:
        err = json_merge_patch(current, patch, arena, out);
        if (err == ERR_LIMIT)
            return issues_fail(p->issues, err, "too-costly",
                               "The merge patch or its result is too large (settings: --max-body)");
        return err;
    case PATCH_FHIRPATH:
        err = fhir_patch(current, p->type, patch, result_limit(p), arena, out, &path_error);
        return err ? refused(p, err, "FHIRPath Patch", path_error.operation, path_error.text)
                   : ERR_NONE;
    case PATCH_JSON:
    case PATCH_NONE:
        break;
    }
    err = json_patch(current, patch, result_limit(p), arena, out, &error);
    return err ? refused(p, err, "JSON Patch", error.operation, slice_cstr(error.text)) : ERR_NONE;
}

/* ---- the result ---- */

/* It must still be the same resource. */
static enum err result_check(const struct patch *p, struct json result)
{
    struct json meta = json_member(result, "meta");
    if (json_exists(meta) && !json_is(meta, JSON_OBJECT))
        return issues_fail(p->issues, ERR_UNPROCESSABLE, "structure",
                           "The patch would leave a meta that is no object");
    if (json_string_is(json_member(result, "resourceType"), p->type->name) &&
        json_string_is(json_member(result, "id"), p->id))
        return ERR_NONE;
    return issues_fail(p->issues, ERR_UNPROCESSABLE, "processing",
                       "The patch must leave resourceType (%.*s) and id (%.*s) as they are",
                       SLICE_ARGS(p->type->name), SLICE_ARGS(p->id));
}

static enum err result_make(const struct patch *p, struct json current, struct json patch,
                            struct arena *arena, struct json_doc *ret_doc)
{
    struct buf text;
    buf_init(&text, result_limit(p) + 1024);
    enum err err = change(p, current, patch, arena, &text);
    if (!err) {
        err = parse_own(&text, p->keep, arena, ret_doc);
        if (err == ERR_LIMIT) /* what was parsed before can only be nested deeper */
            err = issues_fail(p->issues, ERR_UNPROCESSABLE, "processing",
                              "The patched resource is nested too deep or too long");
    }
    buf_release(&text);
    TRY(err);
    return result_check(p, json_root(ret_doc));
}

enum err patch_apply(const struct patch *p, struct arena *arena, struct json_doc *ret_doc,
                     uint64_t *ret_version)
{
    struct json_doc current, patch;
    struct store_reader *reader;
    struct store_version head;
    TRY(patch_parse(p, arena, &patch));
    TRY(store_read_begin(p->rest->settings.store, 0, &reader));
    enum err err = head_read(p, reader, arena, &head);
    store_read_end(reader);
    TRY(err);
    *ret_version = head.version;
    TRY(current_parse(p, &head, arena, &current));
    return result_make(p, json_root(&current), json_root(&patch), arena, ret_doc);
}

enum err patch_gave_up(const struct patch *p)
{
    return issues_fail(p->issues, ERR_CONFLICT, "conflict",
                       "%.*s/%.*s changed %d times while it was being patched; try again",
                       SLICE_ARGS(p->type->name), SLICE_ARGS(p->id), PATCH_TRIES);
}
