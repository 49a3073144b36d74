/* rest/operation_check.c - $check: does everything in this data store agree?
 *
 * POST begins one in the background (repair, rate), or ends the one that runs (cancel);
 * GET tells how far it is and what it found, a page of findings at a time (from). */
#include "rest/operation.h"

#include "rest/outcome.h"
#include "rest/reply.h"

enum { FINDINGS_A_PAGE = 100 };

static const char *const STARTS[] = { "repair", "rate", "cancel", NULL };
static const char *const ASKS[] = { "from", NULL };

/* ---- what is asked ---- */

static enum err boolean_of(struct request *r, const struct operation_input *in, const char *name,
                           bool *ret)
{
    struct slice text = operation_text(in, name);
    *ret = slice_is(text, "true");
    if (!text.length || *ret || slice_is(text, "false"))
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_INVALID, "value", "$check: %s is true or false", name);
}

static enum err number_of(struct request *r, const struct operation_input *in, const char *name,
                          uint64_t most, uint64_t *ret)
{
    struct slice text = operation_text(in, name);
    *ret = 0;
    if (!text.length || (slice_parse_u64(text, ret) && *ret <= most))
        return ERR_NONE;
    return issues_fail(&r->issues, ERR_INVALID, "value", "$check: %s is a number up to %llu", name,
                       (unsigned long long)most);
}

/* ---- answers ---- */

static void number_append(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, ",{\"name\":\"%s\",\"valueDecimal\":%llu}", name, (unsigned long long)value);
}

static void text_append(struct buf *out, const char *name, const char *kind, struct slice value)
{
    if (!value.length)
        return;
    buf_printf(out, ",{\"name\":\"%s\",\"value%s\":", name, kind);
    json_write_string(out, value);
    buf_append_byte(out, '}');
}

static const char *status_name(uint8_t stage)
{
    static const char *const NAMES[] = { "none", "in-progress", "completed", "cancelled",
                                         "failed" };
    return stage < ARRAY_COUNT(NAMES) ? NAMES[stage] : "failed";
}

static const char *state_name(uint8_t state)
{
    return state == STORE_FINDING_REPAIRED    ? "repaired"
           : state == STORE_FINDING_REPAIRING ? "repairing"
                                              : "stands";
}

static enum err finding_append(struct request *r, const struct store_finding *f, struct buf *out)
{
    const struct rest_extract extract = { .customs = r->rest->customs };
    buf_printf(out, ",{\"name\":\"finding\",\"part\":[{\"name\":\"what\",\"valueString\":\"%s\"}",
               store_finding_text(f->kind));
    text_append(out, "state", "Code", slice_cstr(state_name(f->state)));
    if (f->type.length && f->id.length)
        text_append(out, "resource", "Uri",
                    reply_version_path(r, f->type, f->id, f->version));
    if (f->has_field)
        text_append(out, "parameter", "String", rest_field_name(&extract, f->field, r->arena));
    if (f->segment) {
        text_append(out, "segment", "String",
                    arena_printf(r->arena, "%012llu.seg", (unsigned long long)f->segment));
        number_append(out, "firstDocument", f->doc);
        number_append(out, "lastDocument", f->last);
    } else if (f->doc) {
        number_append(out, "document", f->doc);
    }
    if (f->state == STORE_FINDING_STANDS)
        text_append(out, "remedy", "String", slice_cstr(store_finding_remedy(f->kind)));
    text_append(out, "found", "Instant", reply_instant(r, f->instant));
    buf_append_cstr(out, "]}");
    return buf_status(out);
}

static enum err findings_append(struct request *r, uint64_t from, struct buf *out)
{
    struct store_finding *list = NULL;
    size_t count = 0;
    TRY(store_check_findings(r->rest->settings.store, (size_t)from, FINDINGS_A_PAGE, r->arena,
                             &list, &count));
    for (size_t i = 0; i < count; i++)
        TRY(finding_append(r, &list[i], out));
    return ERR_NONE;
}

static void state_append(struct request *r, const struct store_check_state *s, struct buf *out)
{
    buf_printf(out,
               "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"check\","
               "\"valueString\":\"%llu\"},{\"name\":\"status\",\"valueCode\":\"%s\"}",
               (unsigned long long)s->number, status_name(s->stage));
    if (s->stage == STORE_CHECK_NONE)
        return;
    buf_printf(out, ",{\"name\":\"repair\",\"valueBoolean\":%s}",
               s->order.repair ? "true" : "false");
    if (s->order.rate)
        number_append(out, "rate", s->order.rate);
    if (s->stage == STORE_CHECK_RUNNING) {
        text_append(out, "phase", "Code", slice_cstr(store_check_phase_name(s->phase)));
        number_append(out, "done", s->done);
        if (s->whole)
            number_append(out, "whole", s->whole);
        if (s->per_second)
            number_append(out, "perSecond", s->per_second);
        if (s->left_us >= 0)
            number_append(out, "secondsLeft", (uint64_t)s->left_us / 1000000);
    }
    number_append(out, "documents", s->documents);
    number_append(out, "documentsChecked", s->checked);
    number_append(out, "resourcesChecked", s->resources);
    number_append(out, "findings", s->findings);
    number_append(out, "repaired", s->repaired);
    text_append(out, "begun", "Instant", reply_instant(r, s->begun));
    if (s->stage != STORE_CHECK_RUNNING)
        text_append(out, "ended", "Instant", reply_instant(r, s->ended));
    if (s->stage == STORE_CHECK_FAILED)
        text_append(out, "reason", "String", slice_cstr(err_text(s->err)));
}

static enum err state_reply(struct request *r, const struct store_check_state *s, uint64_t from,
                            int status)
{
    struct buf body;
    buf_init(&body, (size_t)4 << 20);
    state_append(r, s, &body);
    enum err err = findings_append(r, from, &body);
    buf_append_cstr(&body, "]}");
    if (!err && status == 202)
        err = reply_header(r, "X-Progress",
                           arena_printf(r->arena, "%s: %llu of %llu, findings: %llu",
                                        store_check_phase_name(s->phase),
                                        (unsigned long long)s->done, (unsigned long long)s->whole,
                                        (unsigned long long)s->findings));
    if (!err)
        err = reply_copy(r, status, &body);
    buf_release(&body);
    return err;
}

/* ---- the operation ---- */

static enum err begin(struct request *r, const struct store_check_order *order)
{
    uint64_t number = 0;
    struct store *store = r->rest->settings.store;
    struct store_check_state s;
    enum err err = store_check_start(store, order, &number);
    if (err == ERR_CONFLICT)
        return issues_fail(&r->issues, err, "conflict",
                           "A check of this data store runs already: GET $check tells how far it "
                           "is, POST $check with cancel ends it");
    TRY(err);
    TRY(reply_header(r, "Content-Location",
                     arena_printf(r->arena, "%.*s/$check", SLICE_ARGS(r->base_url))));
    store_check_look(store, &s);
    return state_reply(r, &s, 0, 202);
}

static enum err end(struct request *r)
{
    struct store_check_state s;
    struct store *store = r->rest->settings.store;
    if (store_check_cancel(store) == ERR_NOT_FOUND)
        return issues_fail(&r->issues, ERR_CONFLICT, "conflict",
                           "No check of this data store runs");
    store_check_look(store, &s);
    return state_reply(r, &s, 0, 202);
}

static enum err start(struct request *r)
{
    struct operation_input in;
    struct store_check_order order = { 0 };
    bool is_end = false;
    enum err err = operation_begin(r, STARTS, &in);
    if (!err)
        err = boolean_of(r, &in, "repair", &order.repair);
    if (!err)
        err = boolean_of(r, &in, "cancel", &is_end);
    if (!err)
        err = number_of(r, &in, "rate", STORE_CHECK_RATE_MAX, &order.rate);
    operation_end(&in);
    TRY(err);
    return is_end ? end(r) : begin(r, &order);
}

static enum err ask(struct request *r)
{
    struct operation_input in;
    struct store_check_state s;
    uint64_t from = 0;
    enum err err = operation_begin(r, ASKS, &in);
    if (!err)
        err = number_of(r, &in, "from", STORE_FINDINGS_MAX, &from);
    operation_end(&in);
    TRY(err);
    store_check_look(r->rest->settings.store, &s);
    return state_reply(r, &s, from, s.stage == STORE_CHECK_RUNNING ? 202 : 200);
}

enum err rest_check(struct request *r)
{
    return slice_is(r->http->method, "POST") ? start(r) : ask(r);
}
