#include "rest/request.h"

#include "base/date.h"
#include "os/clock.h"
#include "rest/outcome.h"

enum { BYTES_PER_VALUE = 6, VALUES_ALWAYS = 64 * 1024 };

static bool is_presigned_member(struct slice name)
{
    return name.length > 6 && slice_equal_nocase(slice_head(name, 6), SLICE("X-Amz-"));
}

enum err request_query(struct request *r, struct slice *ret_format)
{
    struct search_pair *pairs = NULL;
    size_t count = 0, kept = 0;
    if (r->http->query.length)
        TRY(search_pairs_parse(r->http->query, r->arena, &pairs, &count, &r->issues));
    for (size_t i = 0; i < count; i++) {
        if (slice_is(pairs[i].name, "_format")) {
            if (ret_format)
                *ret_format = pairs[i].value;
        } else if (!slice_is(pairs[i].name, "_pretty") && !is_presigned_member(pairs[i].name)) {
            pairs[kept++] = pairs[i];
        }
    }
    r->pairs = pairs;
    r->pair_count = kept;
    return ERR_NONE;
}

enum err request_parse(struct request *r, struct arena *scratch, struct json_doc *ret_doc)
{
    size_t length = r->http->body.length;
    struct json_limits limits = {
        .nodes = (uint32_t)MIN(length / BYTES_PER_VALUE + VALUES_ALWAYS, UINT32_MAX),
    };
    struct json_error where;
    arena_init(scratch, 20 * length + ((size_t)4 << 20));
    enum err err = json_parse(r->http->body, &limits, scratch, ret_doc, &where);
    return err ? outcome_json(&r->issues, err, &where) : ERR_NONE;
}

enum err request_only(struct request *r, const char *const *known)
{
    for (size_t i = 0; i < r->pair_count; i++) {
        bool is_known = false;
        for (size_t k = 0; !is_known && known[k]; k++)
            is_known = slice_is(r->pairs[i].name, known[k]);
        if (is_known)
            continue;
        r->issues.parameter = r->pairs[i].name;
        enum err err = issues_fail(&r->issues, ERR_INVALID, "not-supported",
                                   "Parameter '%.*s' is not supported by this interaction",
                                   SLICE_ARGS(slice_head(r->pairs[i].name, 100)));
        r->issues.parameter = SLICE_NONE;
        return err;
    }
    return ERR_NONE;
}

const struct slice *request_parameter(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->pair_count; i++) {
        if (slice_is(r->pairs[i].name, name))
            return &r->pairs[i].value;
    }
    return NULL;
}

enum err request_date_text(struct request *r, const char *name, const struct slice **ret_text)
{
    const struct slice *text = request_parameter(r, name);
    *ret_text = text;
    ptrdiff_t at = text ? slice_find_byte(*text, ' ') : -1;
    if (at <= 0)
        return ERR_NONE;
    char *copy = arena_copy(r->arena, *text);
    struct slice *restored = copy ? arena_alloc(r->arena, sizeof *restored) : NULL;
    if (!restored)
        return ERR_NO_MEMORY;
    copy[at] = '+';
    *restored = slice_of(copy, text->length);
    *ret_text = restored;
    return ERR_NONE;
}

enum err request_beyond(struct request *r, struct slice what)
{
    struct store_horizon horizon;
    char when[INSTANT_TEXT_BYTES];
    store_horizon(r->rest->settings.store, &horizon);
    instant_render(horizon.instant, r->rest->settings.behaviour.instant_digits, when);
    return issues_fail(&r->issues, ERR_GONE, "deleted",
                       "%.*s is of a time before the history horizon, %s: versions superseded "
                       "by then are no longer kept",
                       SLICE_ARGS(what), when);
}

enum err request_reader(struct request *r, struct store_reader **ret_reader)
{
    enum err err = store_read_begin(r->rest->settings.store, r->time, ret_reader);
    if (err == ERR_GONE)
        return request_beyond(r, request_parameter(r, "page") ? SLICE("This page")
                                                              : SLICE("The instant asked for"));
    if (err == ERR_INVALID) /* an instant that has not come: no token of ours */
        return issues_fail(&r->issues, err, "value", "Invalid pagination token.");
    return err;
}

struct slice request_page_token(struct request *r, uint64_t time, uint64_t position)
{
    const struct search_page page = { .time = time, .position = position };
    return search_page_token(r->arena, &r->rest->page_key, &page);
}

enum err request_page_parse(struct request *r, struct slice token, uint64_t *ret_time,
                            uint64_t *ret_position)
{
    struct search_page page;
    enum err err = search_page_parse(token, &r->rest->page_key, 0, &page);
    if (err == ERR_INVALID || (!err && page.is_before))
        return issues_fail(&r->issues, ERR_INVALID, "value", "Invalid pagination token.");
    TRY(err);
    *ret_time = page.time;
    *ret_position = page.position;
    return ERR_NONE;
}

enum err request_asof(struct request *r, int64_t before_us)
{
    struct store_reader *reader;
    uint64_t doc = 0;
    TRY(store_read_begin(r->rest->settings.store, 0, &reader));
    enum err err = store_doc_before(reader, before_us, &doc);
    store_read_end(reader);
    if (!err)
        r->time = store_time_of(doc);
    return err;
}

enum err request_lag(struct request *r, uint32_t lag_ms)
{
    uint64_t time = r->time;
    if (!lag_ms)
        return ERR_NONE;
    TRY(request_asof(r, os_now_us() - (int64_t)lag_ms * 1000));
    if (time && time < r->time)
        r->time = time;
    return ERR_NONE;
}

enum err request_count(struct request *r, uint32_t *ret_count)
{
    const struct rest_settings *s = &r->rest->settings;
    const struct slice *text = request_parameter(r, "_count");
    const struct limits *limits = &s->behaviour.limits;
    uint64_t count = limits->page_size;
    if (text && !slice_parse_u64(*text, &count))
        return issues_fail(&r->issues, ERR_INVALID, "value", "_count=%.*s is no whole number",
                           SLICE_ARGS(slice_head(*text, 100)));
    if (s->behaviour.refuse_large_count && (count == 0 || count > limits->page_size_max))
        return issues_fail(&r->issues, ERR_INVALID, "value",
                           "_count must be 1 to %llu (--behave %s)",
                           (unsigned long long)limits->page_size_max, s->behaviour.name);
    *ret_count = (uint32_t)MIN(count, limits->page_size_max);
    return ERR_NONE;
}
