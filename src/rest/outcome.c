#include "rest/outcome.h"

#include <string.h>

#include "base/log.h"
#include "base/utf8.h"

static const char *severity_name(enum issue_severity severity)
{
    switch (severity) {
    case ISSUE_FATAL:
        return "fatal";
    case ISSUE_WARNING:
        return "warning";
    case ISSUE_INFORMATION:
        return "information";
    case ISSUE_ERROR:
        break;
    }
    return "error";
}

/* A JSON string of a text that may hold a client's raw bytes: what is not UTF-8
 * (or was cut in the middle of a character) becomes question marks. */
static void text_render(struct buf *out, struct slice text)
{
    if (utf8_is_valid(text)) {
        json_write_string(out, text);
        return;
    }
    struct buf clean;
    buf_init(&clean, text.length);
    for (size_t i = 0; i < text.length; i++)
        buf_append_byte(&clean, (unsigned char)text.bytes[i] < 0x80 ? text.bytes[i] : '?');
    json_write_string(out, buf_slice(&clean));
    buf_release(&clean);
}

static bool is_parameter(const struct issue *issue)
{
    return slice_starts_with(issue->expression, SLICE("http."));
}

/* The element or parameter, and where in the body it was met. */
static void location_render(struct buf *out, const struct issue *issue)
{
    if (!issue->expression.length && !issue->line)
        return;
    buf_append_cstr(out, ",\"location\":[");
    if (issue->expression.length)
        text_render(out, issue->expression);
    if (issue->line)
        buf_printf(out, "%s\"Line[%u] Col[%u]\"", issue->expression.length ? "," : "",
                   issue->line, issue->column);
    buf_append_byte(out, ']');
}

/* The rule that was broken, and whose it is. */
static void demand_render(struct buf *out, const struct issue *issue)
{
    const char *comma = "";
    buf_append_cstr(out, ",\"details\":{\"coding\":[");
    if (issue->rule.length) {
        buf_append_cstr(out, "{\"system\":\"urn:tarn:rule\",\"code\":");
        text_render(out, issue->rule);
        buf_append_byte(out, '}');
        comma = ",";
    }
    if (issue->profile.length) {
        buf_printf(out, "%s{\"system\":\"urn:tarn:profile\",\"code\":", comma);
        text_render(out, issue->profile);
        buf_append_byte(out, '}');
    }
    buf_append_cstr(out, "]}");
}

static void issue_render(struct buf *out, const struct issue *issue, const char *details)
{
    buf_printf(out, "{\"severity\":\"%s\",\"code\":\"%s\"", severity_name(issue->severity),
               issue->code);
    if (issue->rule.length || issue->profile.length) {
        demand_render(out, issue);
    } else if (details) {
        buf_printf(out, ",\"details\":{\"text\":\"%s\"}", details);
    }
    buf_append_cstr(out, ",\"diagnostics\":");
    text_render(out, issue->text);
    /* A parameter is no place in a resource. */
    if (issue->expression.length && !is_parameter(issue)) {
        buf_append_cstr(out, ",\"expression\":[");
        text_render(out, issue->expression);
        buf_append_byte(out, ']');
    }
    location_render(out, issue);
    buf_append_byte(out, '}');
}

static void head_render(struct buf *out, struct slice id)
{
    buf_append_cstr(out, "{\"resourceType\":\"OperationOutcome\"");
    if (id.length) {
        buf_append_cstr(out, ",\"id\":");
        json_write_string(out, id);
    }
    buf_append_cstr(out, ",\"issue\":[");
}

void outcome_render(struct buf *out, struct slice id, enum err err, const struct issues *issues)
{
    head_render(out, id);
    struct issue general = { .severity = ISSUE_ERROR,
                             .code = err_issue(err),
                             .text = slice_cstr(err_text(err)) };
    const struct issue *issue = issues && issues->first ? issues->first : &general;
    const char *details = err_details(err);
    for (; issue; issue = issue->next) {
        /* The error's own sentence once, with the first finding; not where a finer
         * code says that something else is the matter. */
        if (issues && issue == issues->first && slice_is(issue->text, OUTCOME_INVALID_RESOURCE))
            details = OUTCOME_INVALID_RESOURCE; /* HealthLake says it in both places */
        issue_render(out, issue, strcmp(issue->code, err_issue(err)) == 0 ? details : NULL);
        details = NULL;
        if (issue->next)
            buf_append_byte(out, ',');
    }
    if (issues && issues->count > ISSUES_MAX)
        buf_printf(out,
                   ",{\"severity\":\"information\",\"code\":\"informational\","
                   "\"diagnostics\":\"%zu more findings are not listed\"}",
                   issues->count - (size_t)ISSUES_MAX);
    buf_append_cstr(out, "]}");
}

void outcome_render_ok(struct buf *out, struct slice id, struct slice text)
{
    struct issue issue = { .severity = ISSUE_INFORMATION, .code = "informational", .text = text };
    head_render(out, id);
    issue_render(out, &issue, NULL);
    buf_append_cstr(out, "]}");
}

/* What the operator should look at. A server that is busy is no news, and the
 * client is told so. */
static bool is_ours(enum err err)
{
    return err_http_status(err) >= 500 && err != ERR_BUSY && err != ERR_NOT_READY &&
           err != ERR_NOT_IMPLEMENTED && err != ERR_HTTP_VERSION;
}

static bool has_retry_after(const struct http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (slice_is(response->headers[i].name, "Retry-After"))
            return true;
    return false;
}

/* The buffer's ceiling holds ISSUES_MAX long texts. */
void outcome_reply(struct http_request *http, const char *media, enum err err,
                   const struct issues *issues, struct http_response *response)
{
    static const char SHORT_OF_MEMORY[] =
        "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\","
        "\"code\":\"transient\",\"diagnostics\":\"out of memory, retry later\"}]}";
    struct buf out;
    buf_init(&out, (size_t)4 * 1024 * 1024);
    outcome_render(&out, slice_cstr(http->id), err, issues);
    char *copy = buf_status(&out) ? NULL : arena_copy(http->arena, buf_slice(&out));
    response->status = copy ? err_http_status(err) : 503;
    response->body = copy ? slice_of(copy, out.length) : SLICE(SHORT_OF_MEMORY);
    response->produce = NULL;
    buf_release(&out);
    /* Without room for a header the body still tells. */
    enum err ignored = http_response_header(http, response, "Content-Type", slice_cstr(media));
    if (!ignored)
        ignored = http_response_header(http, response, "x-amzn-ErrorType",
                                       slice_cstr(err_service_type(err)));
    bool is_passing = err == ERR_THROTTLED || err == ERR_BUSY || err == ERR_NOT_READY ||
                      err == ERR_NO_MEMORY;
    if (!ignored && is_passing && !has_retry_after(response))
        ignored = http_response_header(http, response, "Retry-After", SLICE("1"));
    if (is_ours(err))
        log_line(LOG_ERROR, "rest", "request %s: %s", http->id, err_name(err));
}

/* "Patient.name" is "Bundle.entry[3].resource.name". */
static struct slice inner_expression(struct arena *arena, struct slice place, struct slice inner)
{
    struct slice rest = inner, first = slice_cut(&rest, '.');
    if (!fhir_resource_find(first))
        return arena_printf(arena, "%.*s.%.*s", SLICE_ARGS(place), SLICE_ARGS(inner));
    return arena_printf(arena, "%.*s.resource%s%.*s", SLICE_ARGS(place), rest.bytes ? "." : "",
                        SLICE_ARGS(rest));
}

void outcome_merge(struct issues *to, const struct issues *from, size_t index, enum err err)
{
    struct slice place = arena_printf(to->arena, "Bundle.entry[%zu]", index);
    for (const struct issue *i = from->first; i; i = i->next) {
        if (slice_is(i->text, OUTCOME_INVALID_RESOURCE)) {
            if (!to->first)
                issues_add(to, i->severity, i->code, SLICE_NONE, "%.*s", SLICE_ARGS(i->text));
            continue;
        }
        struct slice expression = place;
        if (i->expression.length && !is_parameter(i))
            expression = inner_expression(to->arena, place, i->expression);
        issues_add(to, i->severity, i->code, expression, "Bundle.entry[%zu]: %.*s", index,
                   SLICE_ARGS(i->text));
        issues_locate(to, i->line, i->column);
        issues_demand(to, i->rule, i->profile);
    }
    if (!from->first)
        issues_add(to, ISSUE_ERROR, err_issue(err), place, "Bundle.entry[%zu]: %s", index,
                   err_text(err));
}

enum err outcome_json(struct issues *issues, enum err err, const struct json_error *error)
{
    if (err == ERR_NO_MEMORY)
        return issues_fail(issues, err, "transient", "No memory is left to parse this body");
    issues_add(issues, ISSUE_ERROR, "invalid", SLICE_NONE,
               "The body is no valid JSON: line %u, column %u: %s", error->line, error->column,
               error->text);
    issues_locate(issues, error->line, error->column);
    return err == ERR_LIMIT ? ERR_INVALID : ERR_SYNTAX;
}
