/* Search on one type: the query goes to search/, the plan to the store, the
 * documents found into a searchset, a page at a time. */
#include "os/clock.h"
#include "rest/brief.h"
#include "rest/codes.h"
#include "rest/customs.h"
#include "rest/contained.h"
#include "rest/explain.h"
#include "rest/include.h"
#include "rest/media.h"
#include "rest/outcome.h"
#include "rest/page.h"
#include "rest/reply.h"
#include "rest/request.h"

struct searching {
    struct request *r;
    struct search_query query;
    struct entries entries; /* owns the reader */
    struct search_found found;
    struct store_work work; /* of the reader */
    int64_t microseconds;   /* that the page took to find */
    uint64_t *included;
    size_t included_count;
    bool has_total, is_begun, is_including;
    uint64_t total;
};

/* POST _search: the form's pairs behind those of the URL. */
static enum err form_add(struct request *r)
{
    if (r->route.interaction != INTERACTION_SEARCH_FORM)
        return ERR_NONE;
    TRY(media_body_is_form(r));
    if (r->http->body.length == 0)
        return ERR_NONE;
    if (r->pair_count && r->rest->settings.behaviour.refuse_url_and_form)
        return issues_fail(&r->issues, ERR_INVALID, "invalid",
                           "Parameters stand in the URL or in the form, not in both (--behave %s).",
                           r->rest->settings.behaviour.name);
    TRY(search_pairs_parse(r->http->body, r->arena, &r->pairs, &r->pair_count, &r->issues));
    for (size_t i = 0; i < r->pair_count; i++)
        if (slice_is(r->pairs[i].name, "_format"))
            TRY(media_answer(r, r->pairs[i].value));
    return ERR_NONE;
}

/* A stored resource as it stands, for the parser. */
static enum err read_stored(void *context, struct slice type, struct slice id,
                            struct arena *arena, struct slice *ret_text)
{
    const struct rest *rest = context;
    struct store_reader *reader;
    struct store_version head;
    bool is_found = false;
    *ret_text = SLICE_NONE;
    TRY(store_read_begin(rest->settings.store, 0, &reader));
    enum err err = store_head(reader, type, id, arena, &is_found, &head);
    if (!err && is_found && !head.is_deleted) {
        char *copy = arena_copy(arena, head.body);
        *ret_text = slice_of(copy, copy ? head.body.length : 0);
        err = copy ? ERR_NONE : ERR_NO_MEMORY;
    }
    store_read_end(reader);
    return err;
}

struct search_settings request_search_settings(const struct rest *rest)
{
    const struct rest_settings *s = &rest->settings;
    return (struct search_settings){
        .page_key = &rest->page_key,
        .base_url = rest->index_base_url,
        .customs = s->behaviour.custom_parameters ? customs_set(rest->customs) : NULL,
        .zone_us = s->zone_us,
        .default_count = (uint32_t)s->behaviour.limits.page_size,
        .largest_count = (uint32_t)s->behaviour.limits.page_size_max,
        .now_us = os_now_us(),
        .terminology = codes_terminology(rest),
        .read = read_stored,
        .read_context = (void *)(uintptr_t)rest,
        .dialect = s->behaviour.dialect,
        .sort_keys = (uint32_t)MIN(s->behaviour.limits.sort_keys, (uint64_t)UINT32_MAX),
        .memory_bytes = (size_t)s->behaviour.limits.search_memory,
        .refuse_large_count = s->behaviour.refuse_large_count,
    };
}

static enum err query_parse(struct request *r, struct search_query *ret)
{
    struct search_settings settings = request_search_settings(r->rest);
    settings.is_lenient = r->is_lenient;
    if (r->route.owner) {
        settings.owner_type = r->route.owner->name;
        settings.owner_id = r->route.owner_id;
    }
    TRY(form_add(r));
    TRY(search_parse(&settings, r->route.type, r->pairs, r->pair_count, r->arena, &r->issues, ret));
    if (ret->page.time)
        r->time = ret->page.time;
    return ERR_NONE;
}

/* _asof names the time, unless a page token does; else it lags as it is told to. */
static enum err time_find(struct searching *s)
{
    const struct search_query *q = &s->query;
    if (q->page.time)
        return ERR_NONE;
    if (q->has_asof)
        return request_asof(s->r, q->asof_us);
    return request_lag(s->r, s->r->rest->settings.behaviour.search_lag_ms);
}

/* While it lags, what has changed meanwhile is left out, as HealthLake does, unless the
 * request wants the version before. */
static bool hides_changed(const struct request *r)
{
    const struct slice *level = http_header_find(r->http, "x-amz-fhir-history-consistency-level");
    return r->rest->settings.behaviour.search_lag_ms &&
           !(level && slice_equal_nocase(*level, SLICE("strong")));
}

static enum err docs_find(struct searching *s)
{
    struct store_reader *reader = s->entries.reader;
    const struct search_query *q = &s->query;
    s->has_total = q->count_only || q->total != SEARCH_TOTAL_NONE;
    if (s->has_total)
        TRY(q->returns_contained ? contained_count(q, reader, &s->total)
                                 : store_count(reader, q->plan, &s->total));
    if (q->count_only)
        return ERR_NONE;
    int64_t begin = os_monotonic_us();
    TRY(search_run(q, reader, s->r->arena, &s->r->issues, &s->found));
    if (q->returns_contained)
        TRY(contained_cut(q, reader, &s->found));
    s->microseconds = os_monotonic_us() - begin;
    return include_find(s->r, q, reader, s->found.docs, s->found.count, &s->included,
                        &s->included_count);
}

/* What stands between the base and '?'. */
static struct slice search_path(struct request *r)
{
    const struct route *route = &r->route;
    struct slice type = route->type ? route->type->name : SLICE("");
    if (!route->owner)
        return type;
    return arena_printf(r->arena, "%.*s/%.*s/%.*s", SLICE_ARGS(route->owner->name),
                        SLICE_ARGS(route->owner_id), SLICE_ARGS(type.length ? type : SLICE("*")));
}

static enum err page_link(struct searching *s, const char *relation, struct search_page page,
                          struct buf *out)
{
    struct request *r = s->r;
    page.time = store_reader_time(s->entries.reader);
    return link_page_append(out, relation, r->base_url, search_path(r), s->query.applied,
                            search_page_token(r->arena, &r->rest->page_key, &page));
}

static enum err head_append(struct searching *s, struct buf *out)
{
    struct request *r = s->r;
    struct slice path = search_path(r);
    const struct slice *page = request_parameter(r, "page");
    buf_append_cstr(out, "{\"resourceType\":\"Bundle\",\"type\":\"searchset\"");
    if (s->has_total)
        buf_printf(out, ",\"total\":%llu", (unsigned long long)s->total);
    buf_append_cstr(out, ",\"link\":[");
    link_append(out, "self", r->base_url, path, s->query.applied, page ? *page : SLICE_NONE);
    if (s->found.has_next)
        TRY(page_link(s, "next", search_page_next(&s->query, &s->found), out));
    if (s->found.has_previous)
        TRY(page_link(s, "previous", search_page_previous(&s->query, &s->found), out));
    buf_append_byte(out, ']');
    return buf_status(out);
}

/* What a lenient search passed over. */
static void notices_append(struct searching *s, struct buf *out)
{
    if (!s->query.notices.first)
        return;
    entries_comma(&s->entries, out);
    buf_append_cstr(out, "{\"resource\":");
    outcome_render(out, SLICE_NONE, ERR_NONE, &s->query.notices);
    buf_append_cstr(out, ",\"search\":{\"mode\":\"outcome\"}}");
}

static enum err explain_entry_append(struct searching *s, struct buf *out)
{
    const struct search_query *q = &s->query;
    struct explain_page page = { .count = s->found.count,
                                 .work = s->work.done,
                                 .asked = s->work.asked,
                                 .microseconds = s->microseconds,
                                 .strategy = s->found.strategy };
    if (!q->is_explained)
        return ERR_NONE;
    entries_comma(&s->entries, out);
    buf_append_cstr(out, "{\"resource\":");
    /* The query's own definitions are held until the answer begins. */
    struct customs *customs = s->r->rest->customs;
    struct customs_generation *held = customs_enter(customs);
    page.customs = customs_set(customs);
    enum err err = explain_append(s->entries.reader, q->plan, &page, s->r->arena, out);
    customs_leave(customs, held);
    TRY(err);
    buf_append_cstr(out, ",\"search\":{\"mode\":\"outcome\"}}");
    return buf_status(out);
}

static bool client_leaves(void *context)
{
    return http_request_is_left(context);
}

/* Which condition is dear, and what would help. */
static enum err cost_refuse(struct searching *s)
{
    struct request *r = s->r;
    if (s->work.is_left)
        return issues_fail(&r->issues, ERR_BUSY, "timeout", "The client has left.");
    if (!s->work.step)
        return issues_fail(&r->issues, ERR_LIMIT, "too-costly",
                           "The search would take more than %zu MB of memory (setting: --limit "
                           "search-memory=N), or more steps than one may: narrow its conditions, "
                           "those of chains and _has first.",
                           s->work.memory_bytes >> 20);
    if (s->work.is_level)
        return issues_fail(&r->issues, ERR_INVALID, "too-costly",
                           "More than %llu resources match inside of a chain or _has (setting: "
                           "--limit join-matches=N). The step: %.*s. Narrow what is inside.",
                           (unsigned long long)r->rest->settings.behaviour.limits.join_matches,
                           SLICE_ARGS(search_step_text(s->work.step, s->query.customs, r->arena)));
    return issues_fail(&r->issues, ERR_INVALID, "too-costly",
                       "The search would take more than %llu units of work (setting: --limit "
                       "search-budget=N). The step that passed it: %.*s. Narrow this condition: "
                       "a longer value, a smaller range, a rarer match inside of a chain or _has.",
                       (unsigned long long)s->work.limit,
                       SLICE_ARGS(search_step_text(s->work.step, s->query.customs, r->arena)));
}

/* What is being indexed; explained, how each step stands. */
static enum err unready_refuse(struct searching *s)
{
    const struct search_query *q = &s->query;
    struct request *r = s->r;
    enum err err = search_unready(r->rest->settings.store, q->plan, q->customs, &r->issues);
    if (q->is_explained)
        explain_unready(r->rest->settings.store, q->plan, q->customs, r->arena, &r->issues);
    return err;
}

static enum err search_fill(void *context, struct buf *out, bool *ret_done)
{
    struct searching *s = context;
    if (!s->is_begun)
        TRY(head_append(s, out));
    s->is_begun = true;
    if (!s->is_including) {
        s->entries.scores = s->found.scores;
        TRY(entries_fill(&s->entries, s->found.docs, s->found.count, out));
        s->is_including = s->entries.next == s->found.count;
        if (s->is_including) {
            s->entries.next = 0;
            s->entries.mode = "include";
            s->entries.append = NULL;
            s->entries.scores = NULL;
            /* The elements named are those of the matches' type. */
            if (s->query.subset.kind == FHIR_SUBSET_ELEMENTS)
                s->entries.subset.kind = FHIR_SUBSET_NONE;
        }
    }
    if (s->is_including)
        TRY(entries_fill(&s->entries, s->included, s->included_count, out));
    *ret_done = s->is_including && s->entries.next == s->included_count;
    if (*ret_done) {
        notices_append(s, out);
        TRY(explain_entry_append(s, out));
        entries_close(&s->entries, out);
        buf_append_byte(out, '}');
    }
    return buf_status(out);
}

static void search_end(void *context)
{
    struct searching *s = context;
    entries_release(&s->entries);
}

/* On the loop thread only what is sure to be brief goes on; the rest begins again on one
 * that may wait. */
static bool is_over_brief(const struct searching *s, enum err err)
{
    const struct http_request *http = s->r->http;
    size_t docs = s->found.count + s->included_count;
    return http->is_on_loop && (docs > BRIEF_DOCS || (err == ERR_LIMIT && s->work.step));
}

static enum err leave_loop(struct request *r)
{
    r->http->wants_pool = true;
    return ERR_BUSY;
}

static void work_begin(struct searching *s)
{
    struct request *r = s->r;
    s->work.limit = r->rest->settings.behaviour.limits.search_budget;
    s->work.level_limit = r->rest->settings.behaviour.limits.join_matches;
    s->work.memory_bytes = (size_t)r->rest->settings.behaviour.limits.search_memory;
    s->work.leaves = client_leaves;
    s->work.leaves_context = r->http;
    s->work.next_look = STORE_LOOK_UNITS;
    if (r->http->is_on_loop) {
        s->work.limit = BRIEF_UNITS;
        s->entries.pause_us = os_monotonic_us() + BRIEF_US;
    }
    store_reader_work(s->entries.reader, &s->work);
}

static enum err reader_begin(const struct searching *s, struct store_reader **ret)
{
    TRY(request_reader(s->r, ret));
    if (hides_changed(s->r) && !s->query.has_asof)
        store_reader_hide_changed(*ret);
    return ERR_NONE;
}

/* What was being indexed when the reader took its view is there meanwhile: with a view of
 * now, once. */
static enum err find_again(struct searching *s)
{
    store_read_end(s->entries.reader);
    s->entries.reader = NULL;
    TRY(reader_begin(s, &s->entries.reader));
    s->found = (struct search_found){ .count = 0 };
    s->work = (struct store_work){ .limit = 0 };
    work_begin(s);
    return docs_find(s);
}

enum err rest_search(struct request *r)
{
    struct searching *s = arena_alloc(r->arena, sizeof *s);
    struct store_reader *reader;
    if (!s)
        return ERR_NO_MEMORY;
    s->r = r;
    TRY(query_parse(r, &s->query));
    bool is_brief = brief_is(&s->query) && !store_search_waits(r->rest->settings.store);
    if (r->http->is_on_loop && !is_brief)
        return leave_loop(r);
    TRY(time_find(s));
    TRY(reader_begin(s, &reader));
    entries_init(&s->entries, r, reader);
    s->entries.subset = s->query.subset;
    s->entries.query = &s->query;
    s->entries.append = s->query.returns_contained ? contained_append : NULL;
    work_begin(s);
    enum err err = docs_find(s);
    if (err == ERR_NOT_READY && search_is_ready(r->rest->settings.store, s->query.plan))
        err = find_again(s);
    if (is_over_brief(s, err))
        err = leave_loop(r);
    if (err == ERR_LIMIT && !r->issues.count)
        err = cost_refuse(s);
    if (err == ERR_NOT_READY)
        err = unready_refuse(s);
    if (err) {
        search_end(s);
        return err;
    }
    return page_send(r, (struct page_source){ search_fill, search_end, s });
}
