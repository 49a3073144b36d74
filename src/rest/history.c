/* Versions by age, newest first unless _sort says otherwise, deletions among them: of
 * one resource (also one that is deleted now), of a type, of the whole store. Pages
 * are cut at a document number and read at the first page's instant, so they never
 * shift. */
#include "base/codec.h"
#include "base/date.h"
#include "rest/draft.h"
#include "rest/page.h"
#include "rest/reply.h"
#include "rest/request.h"

struct history {
    struct request *r;
    struct store_reader *reader;
    uint64_t *docs;
    size_t count, next;
    uint64_t total;     /* of all versions, when it is known */
    bool has_total;
    uint64_t next_page; /* its versions lie below this document, oldest first above it;
                         * 0: none */
    bool is_oldest_first;
    bool is_headed, is_begun;
    uint32_t page_count; /* _count as applied */
    bool is_count_stated;
    int64_t since;
    struct date_range at; /* low == INT64_MIN: no _at */
    struct fhir_subset subset;
    bool is_filtered; /* by time */
    struct slice filters; /* "_since=...&_at=...", encoded, for links */
    struct arena scratch;
};

/* ---- one entry ---- */

/* The first version ever, or the one before was a deletion. */
static enum err is_created(struct history *h, const struct store_version *v, bool *ret)
{
    struct store_version *older;
    size_t count = 0;
    *ret = v->is_first;
    if (v->is_first || v->is_deleted)
        return ERR_NONE;
    TRY(store_history(h->reader, v->type, v->id, v->doc, INT64_MIN, 1, &h->scratch, &older,
                      &count));
    *ret = count && older->is_deleted;
    return ERR_NONE;
}

/* How this version came about. */
static void entry_request(const struct store_version *v, struct buf *out)
{
    bool is_post = !v->is_deleted && v->origin == ORIGIN_POST;
    const char *method = v->is_deleted                ? "DELETE"
                         : is_post                    ? "POST"
                         : v->origin == ORIGIN_PATCH ? "PATCH"
                                                      : "PUT";
    buf_printf(out, "\"request\":{\"method\":\"%s\",\"url\":\"%.*s", method, SLICE_ARGS(v->type));
    if (!is_post)
        buf_printf(out, "/%.*s", SLICE_ARGS(v->id));
    buf_append_cstr(out, "\"}");
}

static enum err entry_render(struct history *h, const struct store_version *v, struct buf *out)
{
    char when[INSTANT_TEXT_BYTES];
    bool created;
    instant_render(v->instant, h->r->rest->settings.behaviour.instant_digits, when);
    TRY(is_created(h, v, &created));
    buf_append_cstr(out, h->is_begun ? "," : ",\"entry\":[");
    h->is_begun = true;
    buf_printf(out, "{\"fullUrl\":\"%.*s/%.*s/%.*s\",", SLICE_ARGS(h->r->base_url),
               SLICE_ARGS(v->type), SLICE_ARGS(v->id));
    if (!v->is_deleted) {
        buf_append_cstr(out, "\"resource\":");
        TRY(reply_subset(h->r->rest, &h->subset, v, &h->scratch, out));
        buf_append_byte(out, ',');
    }
    entry_request(v, out);
    buf_printf(out,
               ",\"response\":{\"status\":\"%s\",\"location\":\"%.*s/%.*s/_history/%llu\","
               "\"etag\":\"W/\\\"%llu\\\"\",\"lastModified\":\"%s\"}}",
               v->is_deleted ? "204"
               : created     ? "201"
                             : "200",
               SLICE_ARGS(v->type), SLICE_ARGS(v->id), (unsigned long long)v->version,
               (unsigned long long)v->version, when);
    return buf_status(out);
}

static enum err entry_append(struct history *h, uint64_t doc, struct buf *out)
{
    struct store_version v;
    struct arena_mark mark = arena_mark(&h->scratch);
    enum err err = store_doc(h->reader, doc, &h->scratch, &v);
    if (!err)
        err = entry_render(h, &v, out);
    arena_rewind(&h->scratch, mark);
    return err == ERR_NOT_FOUND ? ERR_NONE : err; /* erased since it was found */
}

/* ---- the page ---- */

static struct slice path_of(const struct request *r)
{
    if (!r->route.type)
        return SLICE("_history");
    if (!r->route.id.length)
        return arena_printf(r->arena, "%.*s/_history", SLICE_ARGS(r->route.type->name));
    return arena_printf(r->arena, "%.*s/%.*s/_history", SLICE_ARGS(r->route.type->name),
                        SLICE_ARGS(r->route.id));
}

static enum err head_append(struct history *h, struct buf *out)
{
    struct request *r = h->r;
    const struct slice *sort = request_parameter(r, "_sort");
    struct slice query = h->filters, path = path_of(r);
    if (h->is_count_stated)
        query = arena_printf(r->arena, "_count=%u%s%.*s", h->page_count,
                             h->filters.length ? "&" : "", SLICE_ARGS(h->filters));
    if (sort) /* one of the three known texts */
        query = arena_printf(r->arena, "%.*s%s_sort=%.*s", SLICE_ARGS(query),
                             query.length ? "&" : "", SLICE_ARGS(*sort));
    buf_append_cstr(out, "{\"resourceType\":\"Bundle\",\"type\":\"history\"");
    if (h->has_total)
        buf_printf(out, ",\"total\":%llu", (unsigned long long)h->total);
    buf_append_cstr(out, ",\"link\":[");
    const struct slice *page = request_parameter(r, "page");
    link_append(out, "self", r->base_url, path, query, page ? *page : SLICE_NONE);
    if (h->next_page)
        TRY(link_next_append(
            out, r->base_url, path, query,
            request_page_token(r, store_reader_time(h->reader), h->next_page)));
    buf_append_byte(out, ']');
    return buf_status(out);
}

static enum err history_fill(void *context, struct buf *out, bool *ret_done)
{
    struct history *h = context;
    if (!h->is_headed)
        TRY(head_append(h, out));
    h->is_headed = true;
    for (; h->next < h->count && out->length < PAGE_PIECE_BYTES; h->next++)
        TRY(entry_append(h, h->docs[h->next], out));
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

/* A parameter for the links. */
static enum err filter_keep(struct history *h, const char *name, struct slice value)
{
    struct buf text;
    buf_init(&text, h->filters.length + 3 * value.length + 100);
    buf_printf(&text, "%.*s%s%s=", SLICE_ARGS(h->filters), h->filters.length ? "&" : "", name);
    percent_encode(&text, value, false);
    char *copy = buf_status(&text) ? NULL : arena_copy(h->r->arena, buf_slice(&text));
    h->filters = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

/* A date parameter's range, and itself for links. */
static enum err filter_parse(struct history *h, const char *name, struct date_range *ret)
{
    struct request *r = h->r;
    const struct slice *value;
    TRY(request_date_text(r, name, &value));
    if (!value)
        return ERR_NONE;
    if (!date_parse_in(*value, r->rest->settings.zone_us, ret))
        return issues_fail(&r->issues, ERR_INVALID, "value", "%s=%.*s is no date or instant", name,
                           SLICE_ARGS(slice_head(*value, 100)));
    h->is_filtered = true;
    return filter_keep(h, name, *value);
}

/* For the links. */
static enum err subset_keep(struct history *h)
{
    static const char *const NAMES[] = { "_summary", "_elements" };
    struct request *r = h->r;
    for (size_t i = 0; i < ARRAY_COUNT(NAMES); i++) {
        const struct slice *value = request_parameter(r, NAMES[i]);
        if (value)
            TRY(filter_keep(h, NAMES[i], *value));
    }
    return ERR_NONE;
}

static enum err sort_parse(struct history *h)
{
    const struct slice *sort = request_parameter(h->r, "_sort");
    h->is_oldest_first = sort && slice_is(*sort, "_lastUpdated");
    if (!sort || h->is_oldest_first || slice_is(*sort, "-_lastUpdated") || slice_is(*sort, "none"))
        return ERR_NONE;
    return issues_fail(&h->r->issues, ERR_INVALID, "value",
                       "_sort=%.*s: a history is sorted by _lastUpdated, -_lastUpdated (the "
                       "default) or none",
                       SLICE_ARGS(slice_head(*sort, 100)));
}

static enum err history_parse(struct history *h, uint64_t *ret_position)
{
    static const char *const KNOWN[] = { "_count", "_since",   "_at",       "_sort",
                                         "page",   "_summary", "_elements", NULL };
    struct request *r = h->r;
    struct date_range since = { .low = INT64_MIN };
    h->at.low = INT64_MIN;
    TRY(request_only(r, KNOWN));
    TRY(request_count(r, &h->page_count));
    TRY(reply_subset_find(r, r->route.type, &h->subset));
    TRY(subset_keep(h));
    h->is_count_stated = request_parameter(r, "_count") != NULL;
    TRY(filter_parse(h, "_since", &since));
    TRY(filter_parse(h, "_at", &h->at));
    TRY(sort_parse(h));
    h->since = since.low;
    const struct slice *page = request_parameter(r, "page");
    *ret_position = 0;
    return page ? request_page_parse(r, *page, &r->time, ret_position) : ERR_NONE;
}

static enum err docs_keep(struct history *h, const struct store_version *versions, size_t count,
                          size_t limit)
{
    h->count = MIN(count, limit);
    h->docs = arena_array(h->r->arena, h->count, sizeof *h->docs);
    if (!h->docs)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < h->count; i++)
        h->docs[i] = versions[i].doc;
    if (count > h->count)
        h->next_page = h->docs[h->count - 1];
    return ERR_NONE;
}

/* The page of one resource: one version more than it holds tells whether there is
 * another. With _at the last one needed is the newest from before its range: it
 * was current when the range began, unless it is a deletion. */
static enum err versions_gather(struct history *h, const struct store_changes *q)
{
    struct request *r = h->r;
    struct store_version *versions;
    size_t count = 0;
    TRY(store_history(h->reader, r->route.type->name, r->route.id, q->before_doc, h->since,
                      q->limit + 1, r->arena, &versions, &count));
    for (size_t i = 0; h->at.low != INT64_MIN && i < count; i++) {
        if (versions[i].doc <= q->alive_at)
            count = versions[i].is_deleted ? i : i + 1;
    }
    return docs_keep(h, versions, count, q->limit);
}

/* The same oldest first: with _at, from the version that was current when its range
 * began. */
static enum err versions_gather_up(struct history *h, const struct store_changes *q)
{
    struct request *r = h->r;
    struct slice type = r->route.type->name;
    struct store_version *versions;
    size_t count = 0;
    uint64_t after = q->after_doc;
    if (q->alive_at) {
        TRY(store_history(h->reader, type, r->route.id, q->alive_at + 1, INT64_MIN, 1, r->arena,
                          &versions, &count));
        uint64_t from = count && !versions->is_deleted ? versions->doc - 1 : q->alive_at;
        after = MAX(after, from);
    }
    TRY(store_history_up(h->reader, type, r->route.id, after, q->before_doc, q->limit + 1,
                         r->arena, &versions, &count));
    return docs_keep(h, versions, count, q->limit);
}

static enum err exists_now(struct request *r, bool *ret_found)
{
    struct store_reader *reader;
    struct store_version head;
    TRY(store_read_begin(r->rest->settings.store, 0, &reader));
    enum err err = store_head_meta(reader, r->route.type->name, r->route.id, ret_found, &head);
    store_read_end(reader);
    return err;
}

static enum err instance_check(struct history *h)
{
    struct request *r = h->r;
    struct store_version head = { 0 };
    bool is_found = false;
    TRY(store_head_meta(h->reader, r->route.type->name, r->route.id, &is_found, &head));
    if (!is_found && r->rest->settings.behaviour.history_lag_ms)
        TRY(exists_now(r, &is_found)); /* then its history is empty yet */
    if (!is_found)
        return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "%.*s/%.*s never existed",
                           SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id));
    h->has_total = !h->is_filtered;
    if (!h->has_total)
        return ERR_NONE;
    return store_history_count(h->reader, r->route.type->name, r->route.id, &h->total);
}

/* The range of documents that the parameters leave, from the page's position on. */
static enum err range_find(struct history *h, uint64_t position, struct store_changes *q)
{
    TRY(store_doc_before(h->reader, h->since, &q->after_doc));
    if (h->at.low != INT64_MIN) {
        uint64_t last;
        TRY(store_doc_before(h->reader, h->at.high, &last));
        q->before_doc = last + 1;
        TRY(store_doc_before(h->reader, h->at.low + 1, &q->alive_at));
        struct store_horizon horizon;
        store_horizon(h->r->rest->settings.store, &horizon);
        if (store_time_of(q->alive_at) < horizon.time)
            return request_beyond(h->r, SLICE("What _at names"));
    }
    if (q->is_oldest_first)
        q->after_doc = MAX(q->after_doc, position);
    else if (position)
        q->before_doc = q->before_doc ? MIN(position, q->before_doc) : position;
    return ERR_NONE;
}

static enum err history_gather(struct history *h, uint64_t position)
{
    struct request *r = h->r;
    struct store_changes q = { .is_oldest_first = h->is_oldest_first, .limit = h->page_count };
    if (r->route.id.length)
        TRY(instance_check(h));
    TRY(range_find(h, position, &q));
    if (h->page_count == 0)
        return ERR_NONE;
    if (r->route.id.length)
        return q.is_oldest_first ? versions_gather_up(h, &q) : versions_gather(h, &q);
    q.type = r->route.type ? r->route.type->name : SLICE_NONE;
    return store_changes(h->reader, &q, r->arena, &h->docs, &h->count, &h->next_page);
}

enum err rest_history(struct request *r)
{
    struct history *h = arena_alloc(r->arena, sizeof *h);
    uint64_t position;
    if (!h)
        return ERR_NO_MEMORY;
    h->r = r;
    TRY(history_parse(h, &position));
    if (!position)
        TRY(request_lag(r, r->rest->settings.behaviour.history_lag_ms));
    TRY(request_reader(r, &h->reader));
    arena_init(&h->scratch,
               16 * r->rest->settings.behaviour.limits.body_bytes + ((size_t)16 << 20));
    enum err err = history_gather(h, position);
    if (!err && !h->has_total && h->page_count > 0 && !position && !h->next_page) {
        h->has_total = true; /* the only page has them all */
        h->total = h->count;
    }
    if (err) {
        history_end(h);
        return err;
    }
    return page_send(r, (struct page_source){ history_fill, history_end, h });
}
