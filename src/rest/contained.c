#include "rest/contained.h"

enum { COUNT_DOCS = 4096 }; /* looked at together */
static const size_t SCRATCH_BYTES = (size_t)1 << 30;

static enum err count_one(void *context, struct json item, const struct fhir_type *type)
{
    (void)item;
    (void)type;
    ++*(uint64_t *)context;
    return ERR_NONE;
}

/* Matches that one document makes. */
static enum err matches_of(const struct search_query *q, struct store_reader *reader,
                           uint64_t doc, struct arena *scratch, uint64_t *ret_count)
{
    struct arena_mark mark = arena_mark(scratch);
    struct store_version v;
    bool is_match = false;
    *ret_count = 0;
    enum err err = store_doc(reader, doc, scratch, &v);
    if (!err)
        err = search_contained_visit(q, reader, &v, scratch, count_one, ret_count);
    if (!err)
        err = search_own_matches(q, reader, doc, &is_match);
    *ret_count += is_match;
    arena_rewind(scratch, mark);
    return err == ERR_NOT_FOUND ? ERR_NONE : err; /* erased since it was found */
}

enum err contained_cut(const struct search_query *q, struct store_reader *reader,
                       struct search_found *found)
{
    bool from_end = q->page.is_before; /* its documents next to the token's come last */
    uint64_t total = 0;
    size_t kept = 0;
    struct arena scratch;
    enum err err = ERR_NONE;
    arena_init(&scratch, SCRATCH_BYTES);
    for (; !err && kept < found->count; kept++) {
        uint64_t count = 0;
        size_t at = from_end ? found->count - 1 - kept : kept;
        err = matches_of(q, reader, found->docs[at], &scratch, &count);
        total += count;
        if (kept && total > q->count)
            break;
    }
    arena_release(&scratch);
    TRY(err);
    if (kept == found->count)
        return ERR_NONE;
    if (from_end)
        found->docs += found->count - kept;
    found->has_previous |= from_end;
    found->has_next |= !from_end;
    found->count = kept;
    return ERR_NONE;
}

enum err contained_count(const struct search_query *q, struct store_reader *reader,
                         uint64_t *ret_count)
{
    struct arena work;
    uint64_t after = 0;
    enum err err = ERR_NONE;
    *ret_count = 0;
    arena_init(&work, SCRATCH_BYTES);
    struct arena_mark mark = arena_mark(&work);
    for (size_t count = COUNT_DOCS; !err && count == COUNT_DOCS;) {
        uint64_t *docs;
        err = store_search(reader, q->plan, after, COUNT_DOCS, &work, &docs, &count);
        for (size_t i = 0; !err && i < count; i++) {
            uint64_t matches;
            err = matches_of(q, reader, docs[i], &work, &matches);
            *ret_count += matches;
            after = docs[i];
        }
        arena_rewind(&work, mark);
    }
    arena_release(&work);
    return err;
}

struct appending {
    struct entries *entries;
    const struct store_version *version;
    struct buf *out;
};

static enum err append_one(void *context, struct json item, const struct fhir_type *type)
{
    const struct appending *a = context;
    struct entries *e = a->entries;
    struct buf url;
    struct json id = json_member(item, "id");
    buf_init(&url, (size_t)1 << 20);
    buf_printf(&url, "%.*s/%.*s/%.*s#%.*s", SLICE_ARGS(e->base_url), SLICE_ARGS(a->version->type),
               SLICE_ARGS(a->version->id),
               SLICE_ARGS(json_is(id, JSON_STRING) ? json_string(id, &e->scratch) : SLICE("")));
    entries_comma(e, a->out);
    buf_append_cstr(a->out, "{\"fullUrl\":");
    json_write_string(a->out, buf_slice(&url));
    buf_release(&url);
    buf_append_cstr(a->out, ",\"resource\":");
    if (e->subset.kind == FHIR_SUBSET_NONE)
        buf_append(a->out, json_raw(item));
    else
        TRY(fhir_subset_write(item, type, &e->subset, a->out));
    buf_append_cstr(a->out, ",\"search\":{\"mode\":\"match\"}}");
    return buf_status(a->out);
}

enum err contained_append(struct entries *e, const struct store_version *v, struct buf *out)
{
    struct appending a = { e, v, out };
    struct arena_mark mark = arena_mark(&e->scratch);
    bool is_match = false;
    TRY(search_own_matches(e->query, e->reader, v->doc, &is_match));
    if (is_match)
        TRY(entries_append(e, v, out));
    enum err err = search_contained_visit(e->query, e->reader, v, &e->scratch, append_one, &a);
    arena_rewind(&e->scratch, mark);
    return err;
}
