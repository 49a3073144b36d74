#include "rest/bundle.h"
#include "rest/draft.h"

/* Longest "Type/id" that matters below. */
enum { TARGET_BYTES_MAX = 160 };

/* References of one entry on their way into the store. */
struct rewriting {
    struct bundle *b;
    bool is_rewritten;
    const struct bundle_reference *unresolved; /* a "Type?criteria" without one match */
    /* The text asked before, in case this one is it joined to the entry's base. */
    char last[TARGET_BYTES_MAX];
    size_t last_length;
};

/* fhir_prepare_body() asks for a relative reference first as it stands, then
 * joined to the base of the entry's fullUrl. When the joined one leads to the
 * very text that stands there, there is nothing to change. */
static bool is_same_as_written(const struct rewriting *w, struct slice url, struct slice target)
{
    return w->last_length == target.length && memcmp(w->last, target.bytes, target.length) == 0 &&
           url.length > target.length && slice_ends_with(url, target);
}

static bool rewrite(void *context, struct slice url, struct slice *ret_target)
{
    struct rewriting *w = context;
    const uint64_t *at = map_find(&w->b->full_urls, url);
    if (at) {
        struct slice target = w->b->entries[*at].target;
        bool is_changed = !slice_equal(target, url) && !is_same_as_written(w, url, target);
        w->last_length = 0;
        w->is_rewritten = w->is_rewritten || is_changed;
        *ret_target = target;
        return is_changed;
    }
    at = map_find(&w->b->reference_places, url);
    if (at) {
        const struct bundle_reference *r = &w->b->references[*at - 1];
        w->last_length = 0;
        w->is_rewritten = w->is_rewritten || r->matches == 1;
        w->unresolved = r->matches == 1 ? w->unresolved : r;
        *ret_target = r->target;
        return r->matches == 1;
    }
    w->last_length = url.length <= sizeof w->last ? url.length : 0;
    if (w->last_length)
        memcpy(w->last, url.bytes, url.length);
    return false;
}

static bool find_target(void *context, struct slice reference, const struct fhir_type **ret_type)
{
    const struct rewriting *w = context;
    const uint64_t *at = map_find(&w->b->full_urls, reference);
    *ret_type = at ? w->b->entries[*at].route.type : NULL;
    return at != NULL;
}

static enum err entry_put(struct bundle *b, struct entry *e, struct json resource,
                          struct arena *scratch, struct buf *work)
{
    struct rewriting w = { .b = b };
    struct draft d = {
        .rest = b->r->rest,
        .arena = b->r->arena,
        .scratch = scratch,
        .work = work,
        .issues = e->issues,
        .resource = resource,
        .type = e->route.type,
        .id = e->route.id,
        .is_create = e->verb == VERB_POST,
        .level = b->r->level,
        .is_result = e->patch != PATCH_NONE,
        .ret_outcome = &e->faults,
        .sets_id = e->criteria && e->verb == VERB_PUT && !e->patch && !e->body_id.length,
        .rewrite = b->is_transaction ? rewrite : NULL,
        .rewrite_context = &w,
        .target = b->is_transaction ? find_target : NULL,
        .is_rewritten = &w.is_rewritten,
        .full_url = b->is_transaction ? e->full_url : SLICE_NONE,
    };
    TRY(draft_put(&d, e->write));
    if (w.unresolved && b->is_final)
        return issues_fail(e->issues, ERR_PRECONDITION,
                           w.unresolved->matches ? "multiple-matches" : "not-found",
                           "The reference %.*s matches %s; it must match exactly one resource",
                           SLICE_ARGS(slice_head(w.unresolved->text, 200)),
                           w.unresolved->matches ? "several resources" : "nothing");
    e->write->skip_if_equal = !b->r->rest->settings.behaviour.always_new_version;
    return ERR_NONE;
}

enum err bundle_resource_check(struct bundle *b, const struct entry *e)
{
    const struct rest_behaviour *behave = &b->r->rest->settings.behaviour;
    size_t length = json_raw(e->resource).length;
    if (!behave->limits.resource_bytes || length <= behave->limits.resource_bytes)
        return ERR_NONE;
    return issues_fail(e->issues, ERR_LIMIT, "too-long",
                       "The resource has %zu bytes; the limit of one resource is %zu "
                       "(settings: --max-body, --behave %s)",
                       length, behave->limits.resource_bytes, behave->name);
}

/* The version of the match of criteria is expected, and the client's condition, if
 * any, must agree with it. */
static enum err match_expect(struct entry *e)
{
    struct store_write *write = e->write;
    const struct store_version *match = &e->criteria->match;
    struct store_result result = { .version = match->version };
    if (e->criteria->count == 0) {
        write->expect = STORE_NOT_THERE;
        return ERR_NONE;
    }
    TRY(draft_expect(e->issues, e->if_match, e->if_none_match, write));
    if (write->expect == STORE_NOT_THERE ||
        (write->expect == STORE_VERSION && !store_write_expects(write, match->version)))
        return draft_refused(e->issues, write, &result);
    write->expect = STORE_VERSION;
    write->expect_version = match->version;
    write->expect_other_count = 0;
    return ERR_NONE;
}

static enum err entry_draft(struct bundle *b, struct entry *e, struct buf *work)
{
    struct store_write *write = e->write;
    if (e->verb == VERB_DELETE) {
        *write = (struct store_write){ .operation = STORE_DELETE,
                                       .type = e->route.type->name,
                                       .id = e->route.id };
        return e->criteria ? match_expect(e) : draft_expect(e->issues, e->if_match, NULL, write);
    }
    TRY(bundle_resource_check(b, e));
    TRY(entry_put(b, e, e->resource, &b->scratch, work));
    if (e->verb == VERB_POST) {
        write->expect = STORE_NOT_THERE;
        return ERR_NONE;
    }
    if (e->criteria)
        return match_expect(e);
    return draft_expect(e->issues, e->if_match, e->if_none_match, write);
}

static enum err entry_patch(struct bundle *b, struct entry *e, struct arena *scratch,
                            struct buf *work)
{
    struct patch p = { .rest = b->r->rest,
                       .issues = e->issues,
                       .type = e->route.type,
                       .id = e->route.id,
                       .kind = e->patch,
                       .text = e->patch_text,
                       .if_match = e->if_match,
                       .keep = b->r->arena };
    struct json_doc doc;
    uint64_t version;
    TRY(patch_apply(&p, scratch, &doc, &version));
    TRY(entry_put(b, e, json_root(&doc), scratch, work));
    e->write->expect = STORE_VERSION;
    e->write->expect_version = e->criteria ? e->criteria->match.version : version;
    return ERR_NONE;
}

/* One entry's write made, by either way; what is wrong stays in the entry. */
static enum err entry_make(struct bundle *b, struct entry *e, struct arena *patch_scratch,
                           struct buf *work)
{
    e->write = arena_alloc(b->r->arena, sizeof *e->write);
    e->is_open = true;
    if (!e->write)
        return ERR_NO_MEMORY;
    e->err = e->patch ? entry_patch(b, e, patch_scratch, work) : entry_draft(b, e, work);
    if (e->err)
        e->write = NULL;
    return e->err == ERR_NO_MEMORY ? ERR_NO_MEMORY : ERR_NONE;
}

enum err bundle_draft(struct bundle *b)
{
    struct buf work;
    buf_init(&work, b->r->http->body.length * 2 + DRAFT_EXTRA_BYTES);
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (!e->err && e->verb < VERB_GET && !e->patch && !e->is_inner && !e->is_settled)
            err = entry_make(b, e, NULL, &work);
    }
    buf_release(&work);
    return err;
}

enum err bundle_draft_patches(struct bundle *b, uint32_t round)
{
    size_t limit = b->r->rest->settings.behaviour.limits.body_bytes;
    struct arena scratch;
    struct buf work;
    arena_init(&scratch, 4 * limit + ((size_t)16 << 20));
    buf_init(&work, 2 * limit + DRAFT_EXTRA_BYTES);
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (e->err || !e->patch || e->is_inner || e->round != round || (e->write && !e->is_open))
            continue;
        struct arena_mark mark = arena_mark(&scratch);
        err = entry_make(b, e, &scratch, &work);
        arena_rewind(&scratch, mark);
    }
    buf_release(&work);
    arena_release(&scratch);
    return err;
}
