/* DELETE by criteria with _count: up to so many matches, each for itself. */
#include "rest/codes.h"
#include "rest/criteria.h"
#include "rest/page.h"
#include "rest/reply.h"
#include "rest/write.h"

enum { DELETE_COUNT_MAX = LIMIT_CONDITIONAL_DELETES };

struct deletion {
    struct request *r;
    struct criteria criteria;
    uint32_t limit;
    uint64_t *docs;
    size_t count;
    bool has_more;
    struct store_write *writes;
    struct store_result *results;
};

/* r->pairs without _count. */
static enum err deletion_parse(struct deletion *d)
{
    struct request *r = d->r;
    const struct slice *text = request_parameter(r, "_count");
    uint64_t limit;
    size_t kept = 0;
    if (r->is_entry)
        return issues_fail(&r->issues, ERR_INVALID, "invalid",
                           "DELETE with _count cannot be an entry of a Bundle");
    if (!slice_parse_u64(*text, &limit) || limit < 1 || limit > DELETE_COUNT_MAX)
        return issues_fail(&r->issues, ERR_INVALID, "value", "_count of a DELETE must be 1 to %d",
                           DELETE_COUNT_MAX);
    if (http_header_find(r->http, "If-Match"))
        return issues_fail(&r->issues, ERR_INVALID, "invalid",
                           "If-Match and _count exclude each other");
    struct search_pair *pairs = arena_array(r->arena, r->pair_count, sizeof *pairs);
    if (!pairs)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < r->pair_count; i++) {
        if (!slice_is(r->pairs[i].name, "_count"))
            pairs[kept++] = r->pairs[i];
    }
    d->limit = (uint32_t)limit;
    d->criteria = (struct criteria){ .rest = r->rest, .issues = &r->issues, .type = r->route.type };
    return criteria_parse(&d->criteria, pairs, kept, r->arena);
}

/* What is there now; one more tells of a further page. */
static enum err deletion_gather(struct deletion *d, struct store_reader *reader)
{
    struct request *r = d->r;
    enum err err = store_search(reader, d->criteria.plan, 0, (size_t)d->limit + 1, r->arena,
                                &d->docs, &d->count);
    if (err == ERR_NOT_READY)
        err = search_unready(r->rest->settings.store, d->criteria.plan,
                             request_search_settings(r->rest).customs, &r->issues);
    TRY(err);
    d->has_more = d->count > d->limit;
    d->count = MIN(d->count, d->limit);
    d->writes = arena_array(r->arena, d->count, sizeof *d->writes);
    d->results = arena_array(r->arena, d->count, sizeof *d->results);
    if (!d->writes || !d->results)
        return ERR_NO_MEMORY;
    size_t found = d->count;
    d->count = 0;
    for (size_t i = 0; i < found; i++) {
        struct store_version v;
        struct arena scratch;
        arena_init(&scratch, write_scratch_bytes(r));
        err = store_doc(reader, d->docs[i], &scratch, &v);
        if (err == ERR_NOT_FOUND) { /* erased since it was found */
            arena_release(&scratch);
            continue;
        }
        char *id = err ? NULL : arena_copy(r->arena, v.id);
        d->writes[d->count++] = (struct store_write){ .operation = STORE_DELETE,
                                             .expect = STORE_VERSION,
                                             .expect_version = v.version,
                                             .type = r->route.type->name,
                                             .id = slice_of(id, id ? v.id.length : 0) };
        arena_release(&scratch);
        TRY(err);
        if (!id)
            return ERR_NO_MEMORY;
    }
    return ERR_NONE;
}

static enum err deletion_answer(struct deletion *d)
{
    struct request *r = d->r;
    struct buf out;
    buf_init(&out, (size_t)1 << 20);
    buf_append_cstr(&out, "{\"resourceType\":\"Bundle\",\"type\":\"batch-response\"");
    if (d->has_more) { /* what is deleted is found no more: the same request goes on */
        buf_append_cstr(&out, ",\"link\":[");
        link_append(&out, "next", r->base_url, r->path, r->http->query, SLICE_NONE);
        buf_append_byte(&out, ']');
    }
    for (size_t i = 0; i < d->count; i++)
        buf_printf(&out, "%s{\"response\":{\"status\":\"%s\",\"location\":\"%.*s/%.*s\"}}",
                   i ? "," : ",\"entry\":[", d->results[i].outcome == STORE_REFUSED ? "412" : "204",
                   SLICE_ARGS(d->writes[i].type), SLICE_ARGS(d->writes[i].id));
    buf_append_cstr(&out, d->count ? "]}" : "}");
    enum err err = reply_copy(r, 200, &out);
    buf_release(&out);
    return err;
}

enum err conditional_delete_many(struct request *r)
{
    struct deletion d = { .r = r };
    struct store_reader *reader;
    uint64_t time;
    size_t refused;
    TRY(deletion_parse(&d));
    TRY(store_read_begin(r->rest->settings.store, 0, &reader));
    enum err err = deletion_gather(&d, reader);
    store_read_end(reader);
    TRY(err);
    if (d.count)
        TRY(store_apply(r->rest->settings.store, d.writes, d.count, false, r->arena, d.results,
                        &time, &refused));
    codes_note(r->rest, d.writes, d.count);
    return deletion_answer(&d);
}
