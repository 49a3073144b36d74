#include "rest/everything.h"

#include "base/codec.h"
#include "base/date.h"
#include "os/random.h"
#include "rest/reply.h"

enum { TYPES_MAX = 200, NAMES_MAX = 1000 * 1000 };

/* ---- parameters ---- */

static enum err date_parameter(struct request *r, const char *name, bool *ret_is_there,
                               struct date_range *ret)
{
    const struct slice *text;
    TRY(request_date_text(r, name, &text));
    if (!text)
        return ERR_NONE;
    *ret_is_there = true;
    if (date_parse_in(*text, r->rest->settings.zone_us, ret))
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_INVALID, "value", "%s=%.*s is no date", name,
                       SLICE_ARGS(slice_head(*text, 100)));
}

static enum err dates_parse(struct everything *e)
{
    struct request *r = e->r;
    struct date_range since = { 0 }, start = { INT64_MIN, 0 }, end = { 0, INT64_MAX };
    TRY(date_parameter(r, "_since", &e->has_since, &since));
    TRY(date_parameter(r, "since", &e->has_since, &since));
    TRY(date_parameter(r, "start", &e->has_window, &start));
    TRY(date_parameter(r, "end", &e->has_window, &end));
    e->since = since.low;
    e->start = start.low;
    e->end = end.high;
    return ERR_NONE;
}

/* _type: every one of the names in every repetition. */
static enum err types_parse(struct everything *e)
{
    struct request *r = e->r;
    for (size_t i = 0; i < r->pair_count; i++) {
        struct slice list = r->pairs[i].value;
        if (!slice_is(r->pairs[i].name, "_type"))
            continue;
        if (!e->types)
            e->types = arena_array(r->arena, TYPES_MAX, sizeof *e->types);
        if (!e->types)
            return ERR_NO_MEMORY;
        while (list.bytes) {
            struct slice name = slice_trim(slice_cut(&list, ','));
            const struct fhir_type *type = fhir_resource_find(name);
            if (!type || e->type_count == TYPES_MAX)
                return issues_fail(&r->issues, ERR_INVALID, "value",
                                   "_type: '%.*s' is no resource type of FHIR R4",
                                   SLICE_ARGS(slice_head(name, 100)));
            e->types[e->type_count++] = type;
        }
    }
    return ERR_NONE;
}

/* The query for the links: as asked, _count as applied, without the page. */
static enum err query_keep(struct everything *e)
{
    struct request *r = e->r;
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < r->pair_count; i++) {
        if (slice_is(r->pairs[i].name, "page"))
            continue;
        if (text.length)
            buf_append_byte(&text, '&');
        percent_encode(&text, r->pairs[i].name, false);
        buf_append_byte(&text, '=');
        if (slice_is(r->pairs[i].name, "_count"))
            buf_append_u64(&text, e->page_count);
        else
            percent_encode(&text, r->pairs[i].value, false);
    }
    char *copy = buf_status(&text) ? NULL : arena_copy(r->arena, buf_slice(&text));
    e->query = slice_of(copy, copy ? text.length : 0);
    buf_release(&text);
    return copy ? ERR_NONE : ERR_NO_MEMORY;
}

/* Two tokens of search/, joined: (time, position) and (sent, total). */
static enum err token_parse(struct everything *e)
{
    const struct slice *page = request_parameter(e->r, "page");
    uint64_t position;
    if (!page)
        return ERR_NONE;
    struct slice behind = *page;
    struct slice place = slice_cut(&behind, '.');
    TRY(request_page_parse(e->r, place, &e->r->time, &position));
    TRY(request_page_parse(e->r, behind, &e->sent, &e->total));
    e->start_position = position;
    e->is_paged = true;
    return ERR_NONE;
}

/* _asof names the time of the first page; later ones have it in their token. */
static enum err asof_parse(struct everything *e)
{
    struct request *r = e->r;
    const struct slice *asof = request_parameter(r, "_asof");
    int64_t before;
    if (!asof)
        return ERR_NONE;
    TRY(search_asof_parse(*asof, r->rest->settings.zone_us, &r->issues, &before));
    return request_parameter(r, "page") ? ERR_NONE : request_asof(r, before);
}

static struct slice token_make(struct everything *e)
{
    struct arena *arena = e->r->arena;
    struct slice place =
        request_page_token(e->r, store_reader_time(e->entries.reader), e->position);
    struct slice counts = request_page_token(e->r, e->sent, e->total);
    if (!place.bytes || !counts.bytes)
        return SLICE_NONE;
    return arena_printf(arena, "%.*s.%.*s", SLICE_ARGS(place), SLICE_ARGS(counts));
}

static enum err everything_parse(struct everything *e)
{
    static const char *const KNOWN[] = { "_type", "start",  "end",  "_since",
                                         "since", "_count", "page", "_asof", NULL };
    struct request *r = e->r;
    TRY(request_only(r, KNOWN));
    e->is_paged = request_parameter(r, "_count") != NULL;
    TRY(request_count(r, &e->page_count));
    TRY(dates_parse(e));
    TRY(types_parse(e));
    TRY(token_parse(e));
    TRY(asof_parse(e));
    TRY(query_keep(e));
    e->room = e->is_paged ? e->page_count : UINT32_MAX;
    return ERR_NONE;
}

/* ---- the owner ---- */

static enum err owner_find(struct everything *e)
{
    struct request *r = e->r;
    struct store_version head = { 0 };
    bool is_found = false;
    TRY(store_head_meta(e->entries.reader, r->route.type->name, r->route.id, &is_found, &head));
    if (!is_found)
        return issues_fail(&r->issues, ERR_NOT_FOUND, "not-found", "%.*s/%.*s does not exist",
                           SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id));
    if (head.is_deleted)
        return issues_fail(&r->issues, ERR_GONE, "deleted", "%.*s/%.*s was deleted at %.*s",
                           SLICE_ARGS(r->route.type->name), SLICE_ARGS(r->route.id),
                           SLICE_ARGS(reply_instant(r, head.instant)));
    e->owner_doc = head.doc;
    return ERR_NONE;
}

/* Are resources outside of the compartment asked for at all? */
static bool includes_are_asked(const struct everything *e)
{
    const struct fhir_type *owner = fhir_compartment_owner(e->compartment);
    size_t count;
    if (e->r->rest->settings.behaviour.everything_by_id)
        return false;
    for (size_t i = 0; i < e->type_count; i++) {
        if (e->types[i] != owner && !fhir_compartment_params(e->compartment, e->types[i], &count))
            return true;
    }
    return e->types == NULL;
}

/* ---- the answer ---- */

/* Read all members for the total, or only for their references. */
static enum err count_all(struct everything *e)
{
    uint64_t total = e->total;
    e->is_sending = false;
    e->position = 0;
    e->total = 0;
    TRY(everything_read(e, NULL));
    TRY(everything_resolve(e));
    e->total += e->include_count;
    if (e->start_position)
        e->total = total; /* as the first page said */
    return ERR_NONE;
}

static enum err everything_begin(struct everything *e)
{
    TRY(owner_find(e));
    e->has_includes = includes_are_asked(e);
    TRY(everything_gather(e));
    bool is_later_page = e->start_position > 0;
    if (e->is_paged && !is_later_page)
        TRY(count_all(e));
    e->is_sending = true;
    e->position = e->start_position;
    e->phase = e->position < e->count ? EVERYTHING_MEMBERS : EVERYTHING_INCLUDES;
    return ERR_NONE;
}

static bool page_is_full(const struct everything *e)
{
    return e->is_paged && e->room == 0;
}

/* Before the first include: a later page has not read the members yet. */
static enum err includes_begin(struct everything *e)
{
    if (e->is_resolved)
        return ERR_NONE;
    if (!e->is_paged || !e->has_includes)
        return everything_resolve(e);
    size_t position = e->position;
    TRY(count_all(e));
    e->is_sending = true;
    e->position = position;
    return ERR_NONE;
}

static enum err includes_fill(struct everything *e, struct buf *out)
{
    TRY(includes_begin(e));
    size_t begin = MIN(e->position - e->count, e->include_count);
    size_t end = begin + MIN(e->include_count - begin, e->room);
    e->entries.mode = "include";
    e->entries.next = begin;
    TRY(entries_fill(&e->entries, e->includes, end, out));
    size_t done = e->entries.next - begin;
    e->position += done;
    e->sent += done;
    e->room -= (uint32_t)done;
    if (e->entries.next == end)
        e->phase = EVERYTHING_DONE;
    return ERR_NONE;
}

/* `total` and the links stand behind the entries: without _count the total is
 * known only now, and the next page begins where this one ended. */
static enum err tail_append(struct everything *e, struct buf *out)
{
    struct request *r = e->r;
    const struct slice *page = request_parameter(r, "page");
    uint64_t total = e->is_paged ? e->total : e->sent;
    struct slice path = arena_printf(r->arena, "%.*s/%.*s/$%s", SLICE_ARGS(r->route.type->name),
                                     SLICE_ARGS(r->route.id), r->route.operation->name);
    entries_close(&e->entries, out);
    buf_printf(out, ",\"total\":%llu,\"link\":[", (unsigned long long)total);
    link_append(out, "self", r->base_url, path, e->query, page ? *page : SLICE_NONE);
    if (e->is_paged && e->page_count && e->sent < e->total)
        TRY(link_next_append(out, r->base_url, path, e->query, token_make(e)));
    buf_append_cstr(out, "]}");
    return buf_status(out);
}

static enum err everything_fill(void *context, struct buf *out, bool *ret_done)
{
    struct everything *e = context;
    if (!e->is_begun)
        buf_append_cstr(out, "{\"resourceType\":\"Bundle\",\"type\":\"searchset\"");
    e->is_begun = true;
    if (e->phase == EVERYTHING_MEMBERS) {
        TRY(everything_read(e, out));
        if (e->position == e->count)
            e->phase = EVERYTHING_INCLUDES;
    }
    if (e->phase == EVERYTHING_INCLUDES && !page_is_full(e))
        TRY(includes_fill(e, out));
    *ret_done = e->phase == EVERYTHING_DONE || page_is_full(e);
    return *ret_done ? tail_append(e, out) : buf_status(out);
}

static void everything_end(void *context)
{
    struct everything *e = context;
    map_release(&e->names);
    entries_release(&e->entries);
}

enum err rest_everything(struct request *r)
{
    struct everything *e = arena_alloc(r->arena, sizeof *e);
    struct store_reader *reader;
    if (!e)
        return ERR_NO_MEMORY;
    e->r = r;
    e->compartment = FHIR_COMPARTMENT_PATIENT;
    TRY(everything_parse(e));
    TRY(request_reader(r, &reader));
    entries_init(&e->entries, r, reader);
    map_init(&e->names, NAMES_MAX, os_random_u64());
    enum err err = everything_begin(e);
    if (err) {
        everything_end(e);
        return err;
    }
    return page_send(r, (struct page_source){ everything_fill, everything_end, e });
}
