#include "rest/bundle.h"

#include <stdarg.h>
#include <stdio.h>

#include "os/random.h"
#include "rest/async.h"
#include "rest/codes.h"
#include "rest/draft.h"
#include "rest/media.h"
#include "rest/outcome.h"
#include "rest/quota.h"
#include "rest/write.h"

/* ---- failures of entries ---- */

struct issues *entry_issues(struct bundle *b, struct entry *e)
{
    if (!e->issues) {
        e->issues = arena_alloc(b->r->arena, sizeof *e->issues);
        if (e->issues)
            issues_init(e->issues, b->r->arena);
    }
    return e->issues;
}

void entry_fail(struct bundle *b, struct entry *e, enum err err, const char *code,
                const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    e->err = err;
    if (entry_issues(b, e))
        issues_add(e->issues, ISSUE_ERROR, code, SLICE_NONE, "%s", text);
}

enum err bundle_failure(struct bundle *b)
{
    enum err first = ERR_NONE;
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (!e->err)
            continue;
        struct issues none;
        issues_init(&none, b->r->arena);
        /* A limit of ours, not of the client's: as in request_run(). */
        bool is_ours = e->err == ERR_LIMIT && !(e->issues && e->issues->first);
        enum err err = is_ours ? ERR_NO_MEMORY : e->err;
        outcome_merge(&b->r->issues, e->issues ? e->issues : &none, i, err);
        first = first ? first : err;
    }
    return first;
}

/* ---- commits ---- */

/* The writes of one round, in processing order, as one array. */
struct round {
    struct store_write *writes;
    struct entry **entries;
    struct store_result *results;
    size_t count;
};

static enum err round_gather(struct bundle *b, uint32_t number, struct round *ret)
{
    struct arena *arena = b->r->arena;
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++)
        count += b->entries[i].is_open && b->entries[i].write && b->entries[i].round == number;
    ret->writes = arena_array(arena, count, sizeof *ret->writes);
    ret->entries = arena_array(arena, count, sizeof *ret->entries);
    ret->results = arena_array(arena, count, sizeof *ret->results);
    ret->count = 0;
    if (!ret->writes || !ret->entries || !ret->results)
        return ERR_NO_MEMORY;
    for (int verb = VERB_DELETE; verb < VERB_GET; verb++) {
        for (size_t i = 0; i < b->count; i++) {
            struct entry *e = &b->entries[i];
            if (!e->write || !e->is_open || e->round != number || (int)e->verb != verb)
                continue;
            ret->writes[ret->count] = *e->write;
            ret->entries[ret->count++] = e;
        }
    }
    return ERR_NONE;
}

/* A patch or a conditional write whose version moved is open still, and *ret_again
 * is set: it is drafted anew. So is all of a transaction, of which nothing was written. */
static enum err round_keep(struct bundle *b, const struct round *round, bool *ret_again)
{
    bool is_refused = false;
    *ret_again = false;
    for (size_t i = 0; i < round->count; i++) {
        struct entry *e = round->entries[i];
        is_refused = is_refused || round->results[i].outcome == STORE_REFUSED;
        e->result = round->results[i];
        if (e->result.outcome != STORE_REFUSED) {
            e->is_open = false;
        } else if (e->patch || e->criteria) {
            *ret_again = true;
        } else {
            struct issues *issues = entry_issues(b, e);
            if (!issues)
                return ERR_NO_MEMORY;
            e->is_open = false;
            e->err = draft_refused(issues, &round->writes[i], &e->result);
        }
    }
    for (size_t i = 0; b->is_transaction && is_refused && i < round->count; i++)
        round->entries[i]->is_open = !round->entries[i]->err;
    return ERR_NONE;
}

enum err bundle_round_try(struct bundle *b, uint32_t number, bool *ret_again)
{
    struct round round;
    size_t refused;
    *ret_again = false;
    TRY(bundle_draft_patches(b, number));
    if (b->is_transaction)
        TRY(bundle_failure(b));
    TRY(round_gather(b, number, &round));
    if (round.count == 0)
        return ERR_NONE;
    struct store_mark mark = b->r->mark;
    if (mark.key.length)
        TRY(bundle_mark_make(b, &mark.text));
    enum err err = store_apply_marked(
        b->r->rest->settings.store, b->condition, mark.key.length ? &mark : NULL, round.writes,
        round.count, b->is_transaction, b->r->arena, round.results, &b->time, &refused);
    *ret_again = b->condition && err == ERR_PRECONDITION;
    if (*ret_again)
        return ERR_NONE;
    TRY(err);
    codes_note(b->r->rest, round.writes, round.count);
    return round_keep(b, &round, ret_again);
}

static enum err round_apply(struct bundle *b, uint32_t number)
{
    bool again = true;
    for (int i = 0; again && i < PATCH_TRIES; i++)
        TRY(bundle_round_try(b, number, &again));
    for (size_t i = 0; again && i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (e->patch && e->is_open && !e->is_inner && !e->err && e->round == number)
            entry_fail(b, e, ERR_CONFLICT, "conflict",
                       "%.*s changed %d times while it was being patched; try again",
                       SLICE_ARGS(e->target), PATCH_TRIES);
    }
    return ERR_NONE;
}

static enum err bundle_apply(struct bundle *b)
{
    for (uint32_t round = 0; round < b->round_count; round++)
        TRY(round_apply(b, round));
    TRY(bundle_run_inner(b));
    return b->is_transaction ? bundle_failure(b) : ERR_NONE;
}

/* ---- the interaction ---- */

/* What is wrong with the request itself is told at once, the rest by its answer. */
static enum err async_take(struct bundle *b)
{
    if (!b->is_transaction)
        return issues_fail(&b->r->issues, ERR_INVALID, "not-supported",
                           "Prefer: respond-async is for transactions, not for a batch");
    TRY(bundle_failure(b));
    return async_submit(b->r);
}

static enum err bundle_run(struct bundle *b)
{
    TRY(bundle_parse(b));
    TRY(quota_spend_bundle(b));
    if (b->r->is_async)
        return async_take(b);
    if (b->r->resume_time) {
        TRY(bundle_resume(b));
        return bundle_answer(b);
    }
    if (b->condition_count) {
        TRY(bundle_failure(b));
        TRY(bundle_run_conditions(b));
        return bundle_answer(b);
    }
    b->is_final = true;
    TRY(bundle_draft(b));
    if (b->is_transaction)
        TRY(bundle_failure(b));
    TRY(bundle_apply(b));
    return bundle_answer(b);
}

enum err rest_bundle(struct request *r)
{
    static const char *const KNOWN[] = { NULL };
    TRY(request_only(r, KNOWN));
    TRY(media_body_is_json(r));
    TRY(idempotency_check_absent(r));
    struct bundle b = { .r = r };
    map_init(&b.full_urls, UINT32_MAX, os_random_u64());
    map_init(&b.targets, UINT32_MAX, os_random_u64());
    map_init(&b.reference_places, UINT32_MAX, os_random_u64());
    enum err err = request_parse(r, &b.scratch, &b.doc);
    if (!err)
        err = bundle_run(&b);
    map_release(&b.reference_places);
    map_release(&b.targets);
    map_release(&b.full_urls);
    arena_release(&b.scratch);
    return err;
}
