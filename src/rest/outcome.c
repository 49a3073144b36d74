#include "rest/outcome.h"

#include "base/log.h"
#include "base/utf8.h"

/* Issue code (value set issue-type) of an error without issues of its own, and
 * the sentence that HealthLake sends with its status, as details.text. */
struct outcome_row {
    const char *code;
    const char *details;
};

static struct outcome_row outcome_row(enum err err)
{
    switch (err) {
    case ERR_SYNTAX:
        return (struct outcome_row){
            "invalid", "The provided payload was invalid and could not be parsed correctly."
        };
    case ERR_INVALID:
    case ERR_UNPROCESSABLE:
        return (struct outcome_row){ "processing", NULL };
    case ERR_UNSUPPORTED:
    case ERR_METHOD:
    case ERR_NOT_ACCEPTABLE:
        return (struct outcome_row){ "not-supported", NULL };
    case ERR_NOT_IMPLEMENTED:
        return (struct outcome_row){ "not-supported", "Interaction not supported." };
    case ERR_MEDIA_TYPE:
        return (struct outcome_row){ "value",
                                     "Incorrect MIME-type. Update request Content-Type header." };
    case ERR_UNAUTHENTICATED:
    case ERR_FORBIDDEN:
        return (struct outcome_row){ "forbidden", NULL };
    case ERR_NOT_FOUND:
        return (struct outcome_row){ "not-found", NULL };
    case ERR_GONE:
        return (struct outcome_row){ "deleted", NULL };
    case ERR_CONFLICT:
        return (struct outcome_row){ "conflict", NULL };
    case ERR_PRECONDITION:
        return (struct outcome_row){
            "exception", "Resource was modified by another operation. Retry the request."
        };
    case ERR_LIMIT:
    case ERR_HEADERS_TOO_LARGE:
        return (struct outcome_row){ "too-long", NULL };
    case ERR_THROTTLED:
        return (struct outcome_row){ "throttled",
                                     "Rate limit exceeded. Please retry after some time." };
    case ERR_TIMEOUT:
        return (struct outcome_row){ "timeout", NULL };
    case ERR_NO_MEMORY:
    case ERR_BUSY:
        return (struct outcome_row){ "transient", NULL };
    case ERR_NONE:
    case ERR_INTERNAL:
    case ERR_IO:
    case ERR_CORRUPT:
    case ERR_NETWORK:
    case ERR_READ_ONLY:
    case ERR_COUNT:
        break;
    }
    return (struct outcome_row){ "exception", NULL };
}

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

static void issue_render(struct buf *out, const struct issue *issue, const char *details)
{
    buf_printf(out, "{\"severity\":\"%s\",\"code\":\"%s\"", severity_name(issue->severity),
               issue->code);
    if (details)
        buf_printf(out, ",\"details\":{\"text\":\"%s\"}", details);
    buf_append_cstr(out, ",\"diagnostics\":");
    text_render(out, issue->text);
    if (issue->expression.length) {
        buf_append_cstr(out, ",\"expression\":[");
        text_render(out, issue->expression);
        buf_append_byte(out, ']');
    }
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
    struct outcome_row row = outcome_row(err);
    head_render(out, id);
    struct issue general = { .severity = ISSUE_ERROR,
                             .code = row.code,
                             .text = slice_cstr(err_text(err)) };
    const struct issue *issue = issues && issues->first ? issues->first : &general;
    const char *details = row.details;
    for (; issue; issue = issue->next) {
        issue_render(out, issue, details);
        details = NULL; /* the status's own sentence once, with the first */
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
    if (!ignored && (err == ERR_THROTTLED || err == ERR_BUSY || err == ERR_NO_MEMORY))
        ignored = http_response_header(http, response, "Retry-After", SLICE("1"));
    if (response->status == 500)
        log_line(LOG_ERROR, "rest", "request %s: %s", http->id, err_name(err));
}

void outcome_merge(struct issues *to, const struct issues *from, size_t index, enum err err)
{
    struct slice place = arena_printf(to->arena, "Bundle.entry[%zu]", index);
    for (const struct issue *i = from->first; i; i = i->next) {
        struct slice expression = place;
        if (i->expression.length)
            expression =
                arena_printf(to->arena, "%.*s.%.*s", SLICE_ARGS(place), SLICE_ARGS(i->expression));
        issues_add(to, i->severity, i->code, expression, "Bundle.entry[%zu]: %.*s", index,
                   SLICE_ARGS(i->text));
    }
    if (!from->first)
        issues_add(to, ISSUE_ERROR, outcome_row(err).code, place, "Bundle.entry[%zu]: %s", index,
                   err_text(err));
}

enum err outcome_json(struct issues *issues, enum err err, const struct json_error *error)
{
    if (err == ERR_NO_MEMORY)
        return issues_fail(issues, err, "transient", "No memory is left to parse this body");
    return issues_fail(issues, err == ERR_LIMIT ? ERR_INVALID : ERR_SYNTAX, "invalid",
                       "The body is no valid JSON: line %u, column %u: %s", error->line,
                       error->column, error->text);
}
