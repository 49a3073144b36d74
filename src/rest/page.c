#include "rest/page.h"

#include "os/clock.h"
#include "rest/reply.h"

/* A source and the piece of it that waits to be sent. */
struct pending {
    struct page_source source;
    struct buf piece;
    size_t sent;  /* of the piece */
    bool is_done; /* the source has no more */
};

/* One resource may be as large as a request's body. */
static size_t piece_limit(const struct request *r)
{
    return 2 * r->rest->settings.behaviour.limits.body_bytes + PAGE_PIECE_BYTES;
}

/* Hand the piece over, by swapping buffers when it fits: the HTTP layer bounds
 * what it takes at once, and one resource may be larger. */
static void piece_send(struct pending *p, struct buf *out)
{
    struct buf *piece = &p->piece;
    if (p->sent == 0 && out->length == 0 && piece->length <= 4 * (size_t)PAGE_PIECE_BYTES) {
        struct buf empty = *out;
        *out = *piece;
        out->limit_bytes = empty.limit_bytes;
        empty.limit_bytes = piece->limit_bytes;
        *piece = empty;
        return;
    }
    size_t length = MIN(piece->length - p->sent, (size_t)PAGE_PIECE_BYTES);
    buf_append(out, slice_of(piece->bytes + p->sent, length));
    p->sent += length;
    if (p->sent < piece->length)
        return;
    p->sent = 0;
    buf_clear(piece);
}

static enum err pending_produce(void *state, struct buf *out)
{
    struct pending *p = state;
    /* A source may have nothing to say for once without being done. */
    while (!p->is_done && p->piece.length == 0)
        TRY(p->source.fill(p->source.context, &p->piece, &p->is_done));
    TRY(buf_status(&p->piece));
    if (p->piece.length)
        piece_send(p, out);
    return buf_status(out);
}

static void pending_end(void *state)
{
    struct pending *p = state;
    buf_release(&p->piece);
    p->source.end(p->source.context);
}

static enum err pending_start(struct request *r, struct pending *p)
{
    TRY(p->source.fill(p->source.context, &p->piece, &p->is_done));
    if (p->is_done)
        return reply_copy(r, 200, &p->piece);
    TRY(buf_status(&p->piece));
    TRY(reply_body(r, 200, SLICE_NONE));
    r->response->produce = pending_produce;
    r->response->produce_end = pending_end;
    r->response->produce_state = p;
    return ERR_NONE;
}

enum err page_send(struct request *r, struct page_source source)
{
    struct pending *p = arena_alloc(r->arena, sizeof *p);
    if (!p) {
        source.end(source.context);
        return ERR_NO_MEMORY;
    }
    p->source = source;
    buf_init(&p->piece, piece_limit(r));
    enum err err = pending_start(r, p);
    if (err || p->is_done)
        pending_end(p);
    return err;
}

static enum err nothing_more(void *context, struct buf *out, bool *ret_done)
{
    (void)context;
    (void)out;
    *ret_done = true;
    return ERR_NONE;
}

static void nothing_held(void *context)
{
    (void)context;
}

enum err page_send_buf(struct request *r, int status, struct buf *body)
{
    if (body->length <= PAGE_PIECE_BYTES)
        return reply_copy(r, status, body);
    struct pending *p = arena_alloc(r->arena, sizeof *p);
    if (!p)
        return ERR_NO_MEMORY;
    TRY(buf_status(body));
    TRY(reply_body(r, status, SLICE_NONE));
    p->source = (struct page_source){ nothing_more, nothing_held, NULL };
    p->piece = *body;
    p->is_done = true;
    buf_init(body, body->limit_bytes);
    r->response->produce = pending_produce;
    r->response->produce_end = pending_end;
    r->response->produce_state = p;
    return ERR_NONE;
}

enum err page_drain(struct http_response *response, struct buf *out)
{
    enum err err = ERR_NONE;
    if (!response->produce) {
        buf_append(out, response->body);
        return buf_status(out);
    }
    size_t before;
    do {
        before = out->length;
        err = response->produce(response->produce_state, out);
    } while (!err && out->length > before);
    if (response->produce_end)
        response->produce_end(response->produce_state);
    response->produce = NULL;
    return err ? err : buf_status(out);
}

/* ---- entries ---- */

void entries_init(struct entries *e, struct request *r, struct store_reader *reader)
{
    *e = (struct entries){
        .rest = r->rest, .reader = reader, .base_url = r->base_url, .mode = "match"
    };
    /* One body at a time, compressed, whole, and the tape of a part of it. */
    arena_init(&e->scratch,
               16 * r->rest->settings.behaviour.limits.body_bytes + ((size_t)16 << 20));
}

void entries_release(struct entries *e)
{
    arena_release(&e->scratch);
    if (e->reader)
        store_read_end(e->reader);
    e->reader = NULL;
}

void entries_comma(struct entries *e, struct buf *out)
{
    if (e->is_begun)
        buf_append_byte(out, ',');
    else
        buf_append_cstr(out, ",\"entry\":[");
    e->is_begun = true;
}

void entries_close(struct entries *e, struct buf *out)
{
    if (e->is_begun)
        buf_append_byte(out, ']');
}

enum err entries_append(struct entries *e, const struct store_version *v, struct buf *out)
{
    entries_comma(e, out);
    buf_append_cstr(out, "{\"fullUrl\":\"");
    buf_append(out, e->base_url);
    buf_append_byte(out, '/');
    buf_append(out, v->type);
    buf_append_byte(out, '/');
    buf_append(out, v->id);
    buf_append_cstr(out, "\",\"resource\":");
    TRY(reply_subset(e->rest, &e->subset, v, &e->scratch, out));
    buf_append_cstr(out, ",\"search\":{\"mode\":\"");
    buf_append_cstr(out, e->mode);
    buf_append_byte(out, '"');
    if (e->scores)
        buf_printf(out, ",\"score\":%.6f", e->scores[e->next - 1]);
    buf_append_cstr(out, "}}");
    return buf_status(out);
}

/* Ends the run with ERR_BUSY, meant for entries_fill() alone, when the piece is
 * full. */
static enum err visit_entry(void *context, const struct store_version *v)
{
    struct entries *e = context;
    bool is_late = e->pause_us && os_monotonic_us() > e->pause_us;
    if (e->out->length >= PAGE_PIECE_BYTES || is_late) {
        e->is_paused = true;
        return ERR_BUSY;
    }
    e->next = store_docs_place(e->docs, e->next, v->doc) + 1;
    if (v->is_deleted)
        return ERR_NONE;
    return e->append ? e->append(e, v, e->out) : entries_append(e, v, e->out);
}

enum err entries_fill(struct entries *e, const uint64_t *docs, size_t count, struct buf *out)
{
    e->out = out;
    e->docs = docs;
    e->is_paused = false;
    if (e->next >= count || out->length >= PAGE_PIECE_BYTES)
        return ERR_NONE;
    struct arena_mark mark = arena_mark(&e->scratch);
    enum err err =
        store_docs(e->reader, docs + e->next, count - e->next, &e->scratch, visit_entry, e);
    arena_rewind(&e->scratch, mark);
    if (!err)
        e->next = count; /* the last ones may have been erased */
    e->pause_us = 0;
    return e->is_paused ? ERR_NONE : err;
}

void link_append(struct buf *out, const char *relation, struct slice base_url, struct slice path,
                 struct slice query, struct slice token)
{
    struct buf url;
    buf_init(&url, (size_t)1 << 20);
    buf_append(&url, base_url);
    buf_append_byte(&url, '/');
    buf_append(&url, path);
    if (query.length) {
        buf_append_byte(&url, '?');
        buf_append(&url, query);
    }
    if (token.length) {
        buf_append_cstr(&url, query.length ? "&page=" : "?page=");
        buf_append(&url, token);
    }
    /* A page without its link would be the last one. */
    buf_spoil(out, path.bytes ? buf_status(&url) : ERR_NO_MEMORY);
    buf_printf(out, "{\"relation\":\"%s\",\"url\":", relation);
    json_write_string(out, buf_slice(&url));
    buf_append_byte(out, '}');
    buf_release(&url);
}

enum err link_page_append(struct buf *out, const char *relation, struct slice base_url,
                          struct slice path, struct slice query, struct slice token)
{
    if (!path.bytes || !token.bytes)
        return ERR_NO_MEMORY;
    buf_append_byte(out, ',');
    link_append(out, relation, base_url, path, query, token);
    return buf_status(out);
}

enum err link_next_append(struct buf *out, struct slice base_url, struct slice path,
                          struct slice query, struct slice token)
{
    return link_page_append(out, "next", base_url, path, query, token);
}
