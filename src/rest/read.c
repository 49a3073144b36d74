/* read and vread: stored bytes are copied into the answer, with the two members
 * that are ours spliced in; nothing is parsed. */
#include "base/date.h"
#include "rest/reply.h"
#include "rest/request.h"

static const int64_t SECOND_US = 1000000;

/* If-None-Match lists the version (or is "*"). */
static bool etag_is_listed(struct slice list, uint64_t version)
{
    uint64_t number;
    if (slice_is(slice_trim(list), "*"))
        return true;
    for (;;) {
        switch (etag_next(&list, &number)) {
        case ETAG_VERSION:
            if (number == version)
                return true;
            break;
        case ETAG_FOREIGN:
            break;
        case ETAG_END:
        case ETAG_BAD:
            return false;
        }
    }
}

/* The client has it already: 304. If-None-Match wins over If-Modified-Since
 * (RFC 7232 6); a malformed date is passed over, as there. */
static bool is_not_modified(const struct request *r, const struct store_version *v)
{
    const struct slice *tags = http_header_find(r->http, "If-None-Match");
    if (tags)
        return etag_is_listed(*tags, v->version);
    const struct slice *since = http_header_find(r->http, "If-Modified-Since");
    int64_t instant;
    return since && http_date_parse(*since, &instant) &&
           v->instant / SECOND_US <= instant / SECOND_US;
}

static enum err reply_found(struct request *r, const struct store_version *v)
{
    struct fhir_subset subset;
    TRY(reply_subset_find(r, r->route.type, &subset));
    TRY(reply_version(r, v->version, v->instant));
    if (is_not_modified(r, v)) {
        r->response->status = 304;
        return ERR_NONE;
    }
    struct buf body;
    buf_init(&body, v->body.length + 512);
    enum err err = reply_subset(r->rest, &subset, v, r->arena, &body);
    if (!err)
        err = reply_copy(r, 200, &body);
    buf_release(&body);
    return err;
}

static enum err read_missing(struct request *r)
{
    return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "%.*s/%.*s does not exist",
                       SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id));
}

static enum err read_deleted(struct request *r, const struct store_version *v)
{
    struct slice when = reply_instant(r, v->instant);
    return issues_fail(&r->issues, ERR_GONE, "deleted",
                       "%.*s/%.*s was deleted at %.*s (version %llu); its _history remains",
                       SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id), SLICE_ARGS(when),
                       (unsigned long long)v->version);
}

static enum err read_version(struct request *r, struct store_reader *reader, bool *ret_found,
                             struct store_version *ret)
{
    uint64_t version;
    if (!slice_parse_u64(r->route.version, &version) || version == 0)
        return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found",
                           "%.*s/%.*s has no version '%.*s'", SLICE_ARGS(r->route.type->name),
                           SLICE_ARGS(r->route.id), SLICE_ARGS(slice_head(r->route.version, 64)));
    enum err err = store_version(reader, r->route.type->name, r->route.id, version, r->arena,
                                 ret_found, ret);
    if (err == ERR_GONE)
        return request_beyond(r, arena_printf(r->arena, "%.*s/%.*s version %llu",
                                              SLICE_ARGS(r->route.type->name),
                                              SLICE_ARGS(r->route.id),
                                              (unsigned long long)version));
    TRY(err);
    if (*ret_found)
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "%.*s/%.*s has no version %llu",
                       SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id),
                       (unsigned long long)version);
}

static enum err read_at(struct request *r, struct store_reader *reader)
{
    struct store_version v = { 0 };
    bool is_found = false;
    if (r->route.interaction == INTERACTION_VREAD)
        TRY(read_version(r, reader, &is_found, &v));
    else
        TRY(store_head(reader, r->route.type->name, r->route.id, r->arena, &is_found, &v));
    if (!is_found)
        return read_missing(r);
    return v.is_deleted ? read_deleted(r, &v) : reply_found(r, &v);
}

enum err rest_read(struct request *r)
{
    static const char *const KNOWN[] = { "_summary", "_elements", NULL };
    TRY(request_only(r, KNOWN));
    struct store_reader *reader;
    TRY(request_reader(r, &reader));
    enum err err = read_at(r, reader);
    store_read_end(reader);
    return err;
}
