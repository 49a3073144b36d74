/* Writes by criteria. The search and the write are made one by a condition of the
 * store (store.h): overtaken, or refused because the match changed, the write is
 * searched for again, at most CRITERIA_TRIES times. */
#include "rest/codes.h"
#include "rest/criteria.h"
#include "rest/media.h"
#include "rest/reply.h"
#include "rest/write.h"

struct conditional {
    struct request *r;
    struct criteria criteria;
    struct store_condition condition;
    struct arena *scratch; /* rewound for each try */
    struct json resource;  /* create, update */
    struct slice body_id;  /* update: the body's own; empty: none */
    struct store_write write;
    struct patch patch;
};

/* One try with the search's result. *ret_again: it was overtaken. */
typedef enum err attempt(struct conditional *c, bool *ret_again);

static enum err apply(struct conditional *c, struct store_result *result, bool *ret_again)
{
    struct request *r = c->r;
    uint64_t time;
    size_t refused;
    enum err err = store_apply_if(r->rest->settings.store, &c->condition, &c->write, 1, true,
                                  r->arena, result, &time, &refused);
    codes_note(r->rest, &c->write, 1);
    *ret_again = err == ERR_PRECONDITION || (!err && result->outcome == STORE_REFUSED);
    return *ret_again ? ERR_NONE : err;
}

static enum err tries_run(struct conditional *c, attempt *try_once)
{
    for (int i = 0; i < CRITERIA_TRIES; i++) {
        bool again = false;
        struct arena_mark mark = arena_mark(c->scratch);
        TRY(criteria_search(&c->criteria, c->scratch));
        if (c->criteria.count > 1)
            return criteria_many(&c->criteria);
        TRY(try_once(c, &again));
        if (!again)
            return ERR_NONE;
        arena_rewind(c->scratch, mark);
        TRY(store_condition_again(&c->condition));
    }
    return issues_fail(&c->r->issues, ERR_CONFLICT, "conflict",
                       "Other writes met these criteria %d times meanwhile; try again",
                       CRITERIA_TRIES);
}

static enum err conditional_run(struct conditional *c, const struct search_pair *pairs,
                                size_t count, attempt *try_once)
{
    struct request *r = c->r;
    c->criteria.rest = r->rest;
    c->criteria.issues = &r->issues;
    c->criteria.type = r->route.type;
    TRY(criteria_parse(&c->criteria, pairs, count, r->arena));
    TRY(store_condition_begin(r->rest->settings.store, &c->criteria.watch, 1, &c->condition));
    enum err err = tries_run(c, try_once);
    store_condition_end(&c->condition);
    return err;
}

/* If-Match and If-None-Match against the match; its version is expected. */
static enum err match_expect(struct conditional *c)
{
    struct request *r = c->r;
    const struct store_version *match = &c->criteria.match;
    const struct slice *if_match = http_header_find(r->http, "If-Match");
    TRY(draft_expect(&r->issues, if_match, http_header_find(r->http, "If-None-Match"), &c->write));
    struct store_result result = { .version = match->version };
    if (c->write.expect == STORE_NOT_THERE ||
        (c->write.expect == STORE_VERSION && !store_write_expects(&c->write, match->version)))
        return draft_refused(&r->issues, &c->write, &result);
    c->write.expect = STORE_VERSION;
    c->write.expect_version = match->version;
    c->write.expect_other_count = 0;
    c->write.skip_if_equal = !r->rest->settings.behaviour.always_new_version;
    return ERR_NONE;
}

/* The match's id outlives the scratch arena it was read into. */
static enum err match_take(struct conditional *c)
{
    char *id = arena_copy(c->r->arena, c->criteria.match.id);
    c->r->route.id = slice_of(id, c->criteria.match.id.length);
    return id ? ERR_NONE : ERR_NO_MEMORY;
}

/* ---- create ---- */

static enum err create_attempt(struct conditional *c, bool *ret_again)
{
    struct request *r = c->r;
    const struct store_version *match = &c->criteria.match;
    struct store_result result = { .outcome = STORE_UNCHANGED };
    if (c->criteria.count == 0) {
        TRY(apply(c, &result, ret_again));
        if (*ret_again && result.outcome == STORE_REFUSED && idempotency_key(r))
            return idempotency_refuse(r);
        return *ret_again ? ERR_NONE : write_reply(r, &c->write, &result);
    }
    TRY(match_take(c));
    struct store_write found = {
        .type = match->type, .id = r->route.id, .body = match->body, .splice = match->splice
    };
    result.version = match->version;
    result.instant = match->instant;
    return write_reply(r, &found, &result);
}

enum err conditional_create(struct request *r, struct slice criteria)
{
    struct arena parse, scratch;
    struct json_doc doc;
    struct search_pair *pairs = NULL;
    size_t count = 0;
    TRY(criteria_text(r->route.type, r->base_url, &r->issues, &criteria));
    TRY(search_pairs_parse(criteria, r->arena, &pairs, &count, &r->issues));
    struct conditional c = { .r = r, .scratch = &scratch };
    TRY(idempotency_id(r));
    enum err err = request_parse(r, &parse, &doc);
    if (!err)
        err = write_draft(r, json_root(&doc), WRITE_POST, &parse, &c.write);
    arena_release(&parse);
    TRY(err);
    c.write.expect = STORE_NOT_THERE;
    arena_init(&scratch, write_scratch_bytes(r));
    err = conditional_run(&c, pairs, count, create_attempt);
    arena_release(&scratch);
    return err;
}

/* ---- update ---- */

static enum err update_none(struct conditional *c)
{
    struct request *r = c->r;
    if (http_header_find(r->http, "If-Match"))
        return issues_fail(&r->issues, ERR_PRECONDITION, "exception",
                           "If-Match, but nothing matches the criteria");
    if (!c->body_id.length)
        return write_id_new(r->arena, &r->route.id);
    if (!fhir_id_is_valid(c->body_id))
        return issues_fail(&r->issues, ERR_INVALID, "value", "The body's id is no FHIR id");
    TRY(criteria_id_free(&c->criteria, c->body_id));
    r->route.id = c->body_id;
    return ERR_NONE;
}

static enum err update_one(struct conditional *c)
{
    struct request *r = c->r;
    const struct store_version *match = &c->criteria.match;
    if (c->body_id.length && !slice_equal(c->body_id, match->id))
        return issues_fail(&r->issues, r->is_entry ? ERR_INVALID : ERR_CONFLICT, "conflict",
                           "The criteria match %.*s/%.*s, the body's id is \"%.*s\"",
                           SLICE_ARGS(match->type), SLICE_ARGS(match->id),
                           SLICE_ARGS(slice_head(c->body_id, 100)));
    return match_take(c);
}

static enum err update_attempt(struct conditional *c, bool *ret_again)
{
    struct request *r = c->r;
    enum write_kind kind = c->body_id.length ? WRITE_PUT : WRITE_PUT_SETS_ID;
    struct store_result result;
    TRY(c->criteria.count ? update_one(c) : update_none(c));
    TRY(write_draft(r, c->resource, kind, c->scratch, &c->write));
    if (c->criteria.count)
        TRY(match_expect(c));
    else
        c->write.expect = STORE_NOT_THERE;
    TRY(apply(c, &result, ret_again));
    return *ret_again ? ERR_NONE : write_reply(r, &c->write, &result);
}

enum err conditional_update(struct request *r)
{
    struct arena scratch, parse;
    struct json_doc doc;
    struct conditional c = { .r = r, .scratch = &scratch };
    arena_init(&scratch, write_scratch_bytes(r));
    enum err err = request_parse(r, &parse, &doc);
    if (!err) {
        c.resource = json_root(&doc);
        struct json id = json_member(c.resource, "id");
        c.body_id = json_is(id, JSON_STRING) ? json_string(id, r->arena) : SLICE_NONE;
        if (json_exists(id) && !c.body_id.length)
            err = issues_fail(&r->issues, ERR_INVALID, "value", "The body's id is no FHIR id");
    }
    if (!err)
        err = conditional_run(&c, r->pairs, r->pair_count, update_attempt);
    arena_release(&parse);
    arena_release(&scratch);
    return err;
}

/* ---- delete ---- */

static enum err delete_attempt(struct conditional *c, bool *ret_again)
{
    struct request *r = c->r;
    struct store_result result;
    if (c->criteria.count == 0) {
        TRY(criteria_delete_none(&c->criteria));
        return write_reply_deleted(r, &(struct store_result){ .outcome = STORE_NOTHING });
    }
    TRY(match_take(c));
    c->write = (struct store_write){ .operation = STORE_DELETE,
                                     .type = r->route.type->name,
                                     .id = r->route.id };
    TRY(match_expect(c));
    TRY(apply(c, &result, ret_again));
    return *ret_again ? ERR_NONE : write_reply_deleted(r, &result);
}

enum err conditional_delete(struct request *r)
{
    struct arena scratch;
    struct conditional c = { .r = r, .scratch = &scratch };
    if (request_parameter(r, "_count"))
        return conditional_delete_many(r);
    arena_init(&scratch, write_scratch_bytes(r));
    enum err err = conditional_run(&c, r->pairs, r->pair_count, delete_attempt);
    arena_release(&scratch);
    return err;
}

/* ---- patch ---- */

static enum err patch_attempt(struct conditional *c, bool *ret_again)
{
    struct request *r = c->r;
    struct store_result result;
    struct json_doc doc;
    uint64_t version;
    if (c->criteria.count == 0)
        return criteria_none(&c->criteria);
    TRY(match_take(c));
    c->patch.id = r->route.id;
    TRY(patch_apply(&c->patch, c->scratch, &doc, &version));
    *ret_again = version != c->criteria.match.version;
    if (*ret_again)
        return ERR_NONE;
    TRY(write_draft(r, json_root(&doc), WRITE_PUT, c->scratch, &c->write));
    TRY(match_expect(c));
    TRY(apply(c, &result, ret_again));
    return *ret_again ? ERR_NONE : write_reply(r, &c->write, &result);
}

enum err conditional_patch(struct request *r)
{
    struct arena scratch;
    struct conditional c = { .r = r, .scratch = &scratch };
    c.patch = (struct patch){ .rest = r->rest,
                              .issues = &r->issues,
                              .type = r->route.type,
                              .text = r->http->body,
                              .if_match = http_header_find(r->http, "If-Match"),
                              .keep = &scratch }; /* ends behind the write */
    TRY(write_patch_kind(r, &c.patch.kind));
    arena_init(&scratch, write_scratch_bytes(r));
    enum err err = conditional_run(&c, r->pairs, r->pair_count, patch_attempt);
    arena_release(&scratch);
    return err;
}
