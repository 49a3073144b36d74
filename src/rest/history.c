/* The versions of one resource, newest first, deletions among them, also of a
 * resource that is deleted now. Pages are cut at a document number and read at
 * the first page's instant, so they never shift. */
#include "base/codec.h"
#include "base/date.h"
#include "rest/draft.h"
#include "rest/page.h"
#include "rest/reply.h"
#include "rest/request.h"

struct history {
    struct request *r;
    struct store_reader *reader;
    struct store_version *versions;
    size_t count, next;
    uint64_t total; /* of all versions; 0: not stated */
    bool has_more;
    bool is_headed, is_begun;
    uint32_t page_count; /* _count as applied */
    bool is_count_stated;
    int64_t since;
    struct slice since_text;
    struct arena scratch;
};

/* ---- one entry ---- */

/* How this version came about. A version of 1 that came by POST says so in its
 * appendix; the version before says whether this one revived a deleted id. */
static void entry_request(struct history *h, const struct store_version *v, bool is_post,
                          struct buf *out)
{
    const struct route *route = &h->r->route;
    const char *method = v->is_deleted ? "DELETE" : is_post ? "POST" : "PUT";
    buf_printf(out, "\"request\":{\"method\":\"%s\",\"url\":\"%.*s", method,
               SLICE_ARGS(route->type->name));
    if (!is_post)
        buf_printf(out, "/%.*s", SLICE_ARGS(route->id));
    buf_append_cstr(out, "\"}");
}

static enum err entry_resource(struct history *h, const struct store_version *v, bool *ret_is_post,
                               struct buf *out)
{
    struct store_version whole;
    struct arena_mark mark = arena_mark(&h->scratch);
    enum err err = store_doc(h->reader, v->doc, &h->scratch, &whole);
    if (!err) {
        *ret_is_post = v->is_first && slice_starts_with(whole.appendix, SLICE(DRAFT_POST_MARK));
        buf_append_cstr(out, "\"resource\":");
        err = reply_resource(h->r->rest, whole.body, whole.splice, v->version, v->instant, out);
        buf_append_byte(out, ',');
    }
    arena_rewind(&h->scratch, mark);
    return err;
}

/* `older` is the version before this one, NULL when it lies on the next page:
 * then only the first version ever is known to be a creation. */
static enum err entry_append(struct history *h, const struct store_version *v,
                             const struct store_version *older, struct buf *out)
{
    char when[INSTANT_TEXT_BYTES];
    instant_render(v->instant, h->r->rest->settings.behaviour.instant_digits, when);
    bool is_created = v->is_first || (older && older->is_deleted);
    const char *status = v->is_deleted ? "204" : is_created ? "201" : "200";
    bool is_post = false;
    buf_append_cstr(out, h->is_begun ? "," : ",\"entry\":[");
    h->is_begun = true;
    buf_printf(out, "{\"fullUrl\":\"%.*s/%.*s/%.*s\",", SLICE_ARGS(h->r->base_url),
               SLICE_ARGS(h->r->route.type->name), SLICE_ARGS(h->r->route.id));
    if (!v->is_deleted)
        TRY(entry_resource(h, v, &is_post, out));
    entry_request(h, v, is_post, out);
    buf_printf(out,
               ",\"response\":{\"status\":\"%s\",\"location\":\"%.*s/%.*s/_history/%llu\","
               "\"etag\":\"W/\\\"%llu\\\"\",\"lastModified\":\"%s\"}}",
               status, SLICE_ARGS(h->r->route.type->name), SLICE_ARGS(h->r->route.id),
               (unsigned long long)v->version, (unsigned long long)v->version, when);
    return buf_status(out);
}

/* ---- the page ---- */

static enum err head_append(struct history *h, struct buf *out)
{
    struct request *r = h->r;
    struct slice query = SLICE_NONE;
    struct slice path = arena_printf(r->arena, "%.*s/%.*s/_history",
                                     SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id));
    if (h->is_count_stated)
        query = arena_printf(r->arena, "_count=%u", h->page_count);
    if (h->since_text.length)
        query = arena_printf(r->arena, "%.*s%s_since=%.*s", SLICE_ARGS(query),
                             query.length ? "&" : "", SLICE_ARGS(h->since_text));
    buf_append_cstr(out, "{\"resourceType\":\"Bundle\",\"type\":\"history\"");
    if (h->total)
        buf_printf(out, ",\"total\":%llu", (unsigned long long)h->total);
    buf_append_cstr(out, ",\"link\":[");
    const struct slice *page = request_parameter(r, "page");
    link_append(out, "self", r->base_url, path, query, page ? *page : SLICE_NONE);
    if (h->has_more && h->count)
        TRY(link_next_append(out, r->base_url, path, query,
                             search_page_token(r->arena, store_reader_time(h->reader),
                                               h->versions[h->count - 1].doc)));
    buf_append_byte(out, ']');
    return buf_status(out);
}

static enum err history_fill(void *context, struct buf *out, bool *ret_done)
{
    struct history *h = context;
    if (!h->is_headed)
        TRY(head_append(h, out));
    h->is_headed = true;
    for (; h->next < h->count && out->length < PAGE_PIECE_BYTES; h->next++) {
        bool is_last = h->next + 1 == h->count && !h->has_more;
        const struct store_version *older = &h->versions[h->next + 1];
        TRY(entry_append(h, &h->versions[h->next], is_last ? NULL : older, out));
    }
    *ret_done = h->next == h->count;
    if (*ret_done)
        buf_append_cstr(out, h->is_begun ? "]}" : "}");
    return buf_status(out);
}

static void history_end(void *context)
{
    struct history *h = context;
    arena_release(&h->scratch);
    store_read_end(h->reader);
}

/* ---- the request ---- */

static enum err history_parse(struct history *h, uint64_t *ret_before)
{
    static const char *const KNOWN[] = { "_count", "_since", "page", NULL };
    struct request *r = h->r;
    TRY(request_only(r, KNOWN));
    TRY(request_count(r, &h->page_count));
    h->is_count_stated = request_parameter(r, "_count") != NULL;
    h->since = INT64_MIN;
    const struct slice *since = request_parameter(r, "_since");
    struct date_range range;
    if (since && !date_parse(*since, &range))
        return issues_fail(&r->issues, ERR_INVALID, "value", "_since=%.*s is no instant",
                           SLICE_ARGS(slice_head(*since, 100)));
    if (since) {
        struct buf text;
        buf_init(&text, 400);
        percent_encode(&text, *since, false);
        char *copy = buf_status(&text) ? NULL : arena_copy(r->arena, buf_slice(&text));
        h->since_text = slice_of(copy, copy ? text.length : 0);
        buf_release(&text);
        h->since = range.low;
    }
    const struct slice *page = request_parameter(r, "page");
    *ret_before = 0;
    if (page && search_page_parse(*page, &r->time, ret_before))
        return issues_fail(&r->issues, ERR_INVALID, "value", "Invalid pagination token.");
    return ERR_NONE;
}

/* One version more than the page holds tells whether there is another page, and
 * whether the page's oldest version revived a deleted id. */
static enum err history_gather(struct history *h, uint64_t before)
{
    struct request *r = h->r;
    struct store_version head = { 0 };
    bool is_found = false;
    TRY(store_head_meta(h->reader, r->route.type->name, r->route.id, &is_found, &head));
    if (!is_found)
        return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "%.*s/%.*s never existed",
                           SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id));
    h->total = h->since == INT64_MIN ? head.version : 0;
    if (h->page_count == 0)
        return ERR_NONE;
    TRY(store_history(h->reader, r->route.type->name, r->route.id, before, h->since,
                      (size_t)h->page_count + 1, r->arena, &h->versions, &h->count));
    h->has_more = h->count > h->page_count;
    h->count = MIN(h->count, h->page_count);
    return ERR_NONE;
}

enum err rest_history(struct request *r)
{
    struct history *h = arena_alloc(r->arena, sizeof *h);
    uint64_t before;
    if (!h)
        return ERR_NO_MEMORY;
    h->r = r;
    TRY(history_parse(h, &before));
    TRY(request_reader(r, &h->reader));
    arena_init(&h->scratch, 4 * r->rest->settings.behaviour.body_bytes + ((size_t)16 << 20));
    enum err err = history_gather(h, before);
    if (err) {
        history_end(h);
        return err;
    }
    return page_send(r, (struct page_source){ history_fill, history_end, h });
}
