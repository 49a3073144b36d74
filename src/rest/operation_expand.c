/* $expand: the codes of a value set, as a ValueSet with an expansion. */
#include "base/codec.h"
#include "base/date.h"
#include "os/clock.h"
#include "os/random.h"
#include "rest/codes.h"
#include "rest/operation.h"
#include "rest/reply.h"

enum { CODES_MAX = 100000 };

struct expanding {
    struct request *r;
    struct slice filter; /* in display or code, case aside */
    uint64_t offset, count;
    bool is_active_only;
    uint64_t total; /* that pass the filter */
    struct buf rows;
};

static bool holds(struct slice text, struct slice part)
{
    for (size_t i = 0; i + part.length <= text.length; i++)
        if (slice_equal_nocase(slice_of(text.bytes + i, part.length), part))
            return true;
    return part.length == 0;
}

static enum err row_take(void *context, const struct terminology_code *code,
                         const struct terminology_answer *about)
{
    struct expanding *x = context;
    if (!code->code.length || (x->is_active_only && about->is_inactive))
        return ERR_NONE;
    if (!holds(code->display, x->filter) && !holds(code->code, x->filter))
        return ERR_NONE;
    uint64_t at = x->total++;
    if (at < x->offset || at - x->offset >= x->count)
        return ERR_NONE;
    struct buf *out = &x->rows;
    buf_append_cstr(out, at == x->offset ? "{\"system\":" : ",{\"system\":");
    json_write_string(out, code->system);
    if (about->version.length) {
        buf_append_cstr(out, ",\"version\":");
        json_write_string(out, about->version);
    }
    buf_printf(out, "%s%s,\"code\":", about->is_abstract ? ",\"abstract\":true" : "",
               about->is_inactive ? ",\"inactive\":true" : "");
    json_write_string(out, code->code);
    if (code->display.length) {
        buf_append_cstr(out, ",\"display\":");
        json_write_string(out, code->display);
    }
    buf_append_byte(out, '}');
    return buf_status(out);
}

static void head_append(struct buf *out, struct json set)
{
    static const char *const names[] = { "id", "url", "version", "name", "title" };
    buf_append_cstr(out, "{\"resourceType\":\"ValueSet\"");
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct json value = json_get(set, slice_cstr(names[i]));
        if (!json_is(value, JSON_STRING))
            continue;
        buf_printf(out, ",\"%s\":", names[i]);
        json_minify(value, out);
    }
    struct json status = json_member(set, "status");
    buf_append_cstr(out, ",\"status\":");
    if (json_is(status, JSON_STRING))
        json_minify(status, out);
    else
        buf_append_cstr(out, "\"active\"");
}

static enum err reply_expansion(struct expanding *x, struct json set, struct slice url)
{
    struct buf out;
    uint8_t random[16];
    char id[UUID_TEXT_BYTES], now[INSTANT_TEXT_BYTES];
    os_random(random, sizeof random);
    uuid_render(random, id);
    instant_render(os_now_us(), 3, now);
    buf_init(&out, (size_t)128 << 20);
    head_append(&out, set);
    if (url.length && !json_exists(set)) {
        struct slice version = url, plain = slice_cut(&version, '|');
        buf_append_cstr(&out, ",\"url\":");
        json_write_string(&out, plain);
    }
    buf_printf(&out,
               ",\"expansion\":{\"identifier\":\"urn:uuid:%s\",\"timestamp\":\"%s\","
               "\"total\":%llu,\"offset\":%llu",
               id, now, (unsigned long long)x->total, (unsigned long long)x->offset);
    if (x->rows.length) {
        buf_append_cstr(&out, ",\"contains\":[");
        buf_append(&out, buf_slice(&x->rows));
        buf_append_byte(&out, ']');
    }
    buf_append_cstr(&out, "}}");
    enum err err = reply_copy(x->r, 200, &out);
    buf_release(&out);
    return err;
}

static enum err run(struct expanding *x, struct slice text, struct slice url)
{
    struct request *r = x->r;
    struct json_doc doc;
    struct json set = JSON_ABSENT;
    enum terminology_reason reason = TERMINOLOGY_FOUND;
    struct slice about = SLICE_NONE;
    if (text.length) {
        TRY(json_parse(text, NULL, r->arena, &doc, NULL));
        set = json_root(&doc);
    }
    enum err err = text.length
                       ? terminology_expand_text(codes_terminology(r->rest), text, CODES_MAX,
                                                 r->arena, row_take, x, &reason, &about)
                       : terminology_expand(codes_terminology(r->rest), url, CODES_MAX, r->arena,
                                            row_take, x, &reason, &about);
    if (err == ERR_NOT_FOUND)
        return issues_fail(&r->issues, err, "not-found", "The value set %.*s is not here",
                           SLICE_ARGS(slice_head(url, 400)));
    if (err == ERR_LIMIT)
        return issues_fail(&r->issues, ERR_UNPROCESSABLE, "too-costly",
                           "The value set has more than %d codes", CODES_MAX);
    TRY(err);
    if (reason != TERMINOLOGY_FOUND)
        return issues_fail(&r->issues, ERR_UNPROCESSABLE, "not-supported",
                           "The value set cannot be listed: '%.*s' %s",
                           SLICE_ARGS(slice_head(about, 400)),
                           reason == TERMINOLOGY_NOT_UNDERSTOOD ? "has a filter that cannot be "
                                                                  "evaluated"
                                                                : "is not here (or only in part)");
    return reply_expansion(x, set, url);
}

static enum err number_take(struct request *r, const struct operation_input *in, const char *name,
                            uint64_t *ret)
{
    const struct operation_parameter *p = operation_value(in, name);
    if (!p || slice_parse_u64(p->text, ret))
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_INVALID, "value", "%s must be a whole number", name);
}

static enum err expand(struct request *r, const struct operation_input *in)
{
    struct expanding x = { .r = r,
                           .filter = operation_text(in, "filter"),
                           .count = UINT64_MAX,
                           .is_active_only = slice_is(operation_text(in, "activeOnly"), "true") };
    const struct operation_parameter *inner = operation_value(in, "valueSet");
    struct slice text = SLICE_NONE, url = operation_text(in, "url");
    struct slice version = operation_text(in, "valueSetVersion");
    TRY(number_take(r, in, "offset", &x.offset));
    TRY(number_take(r, in, "count", &x.count));
    if (version.length)
        url = arena_printf(r->arena, "%.*s|%.*s", SLICE_ARGS(url), SLICE_ARGS(version));
    if (r->route.id.length)
        TRY(operation_stored(r, &text));
    else if (inner && json_exists(inner->resource))
        text = json_raw(inner->resource);
    else if (!url.length)
        return issues_fail(&r->issues, ERR_INVALID, "required",
                           "One of url and valueSet is needed");
    buf_init(&x.rows, (size_t)100 << 20);
    enum err err = run(&x, text, url);
    buf_release(&x.rows);
    return err;
}

enum err rest_expand(struct request *r)
{
    static const char *const KNOWN[] = { "url",     "valueSet",        "valueSetVersion",
                                         "filter",  "offset",          "count",
                                         "context", "activeOnly",      "includeDesignations",
                                         "date",    "displayLanguage", "excludeNested",
                                         NULL };
    struct operation_input in;
    enum err err = operation_begin(r, KNOWN, &in);
    if (!err)
        err = expand(r, &in);
    operation_end(&in);
    return err;
}
