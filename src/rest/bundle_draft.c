#include "rest/bundle.h"
#include "rest/draft.h"

/* Longest "Type/id" that matters below. */
enum { TARGET_BYTES_MAX = 160 };

/* References of one entry on their way into the store. */
struct rewriting {
    struct bundle *b;
    bool is_rewritten;
    struct slice conditional; /* a "Type?criteria" met; in the arena */
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

static bool is_conditional(struct slice url)
{
    ptrdiff_t mark = slice_find_byte(url, '?');
    return mark > 0 && fhir_resource_find(slice_head(url, (size_t)mark)) != NULL;
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
    if (is_conditional(url)) {
        char *copy = arena_copy(w->b->r->arena, slice_head(url, 200));
        w->conditional = slice_of(copy, copy ? MIN(url.length, 200) : 0);
    }
    w->last_length = url.length <= sizeof w->last ? url.length : 0;
    if (w->last_length)
        memcpy(w->last, url.bytes, url.length);
    return false;
}

static enum err entry_put(struct bundle *b, struct entry *e, struct buf *work)
{
    struct rewriting w = { .b = b };
    struct draft d = {
        .rest = b->r->rest,
        .arena = b->r->arena,
        .scratch = &b->scratch,
        .work = work,
        .issues = e->issues,
        .resource = e->resource,
        .type = e->route.type,
        .id = e->route.id,
        .is_create = e->verb == VERB_POST,
        .rewrite = b->is_transaction ? rewrite : NULL,
        .rewrite_context = &w,
        .is_rewritten = &w.is_rewritten,
        .full_url = b->is_transaction ? e->full_url : SLICE_NONE,
    };
    TRY(draft_put(&d, e->write));
    if (w.conditional.length)
        return issues_fail(e->issues, ERR_NOT_IMPLEMENTED, "not-supported",
                           "The conditional reference %.*s is not supported yet (issue 5)",
                           SLICE_ARGS(w.conditional));
    e->write->skip_if_equal = !b->r->rest->settings.behaviour.always_new_version;
    return ERR_NONE;
}

static enum err entry_draft(struct bundle *b, struct entry *e, struct buf *work)
{
    const struct rest_behaviour *behave = &b->r->rest->settings.behaviour;
    struct store_write *write = e->write;
    if (e->verb == VERB_DELETE) {
        *write = (struct store_write){ .operation = STORE_DELETE,
                                       .type = e->route.type->name,
                                       .id = e->route.id };
        return draft_expect(e->issues, e->if_match, NULL, write);
    }
    size_t length = json_raw(e->resource).length;
    if (behave->resource_bytes && length > behave->resource_bytes)
        return issues_fail(e->issues, ERR_LIMIT, "too-long",
                           "The resource has %zu bytes; the limit of one resource is %zu "
                           "(settings: --max-body, --behave %s)",
                           length, behave->resource_bytes, behave->name);
    TRY(entry_put(b, e, work));
    if (e->verb == VERB_POST) {
        write->expect = STORE_NOT_THERE;
        return ERR_NONE;
    }
    return draft_expect(e->issues, e->if_match, e->if_none_match, write);
}

enum err bundle_draft(struct bundle *b)
{
    struct buf work;
    buf_init(&work, b->r->http->body.length * 2 + 1024);
    enum err err = ERR_NONE;
    for (size_t i = 0; !err && i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (e->err || e->verb >= VERB_GET)
            continue;
        e->write = arena_alloc(b->r->arena, sizeof *e->write);
        err = e->write ? ERR_NONE : ERR_NO_MEMORY;
        if (!err)
            e->err = entry_draft(b, e, &work);
        if (e->err == ERR_NO_MEMORY)
            err = ERR_NO_MEMORY;
        if (e->err)
            e->write = NULL;
    }
    buf_release(&work);
    return err;
}
