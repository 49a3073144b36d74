#include "sandbox/answer.h"

#include <stdarg.h>
#include <stdio.h>

#include "json/json.h"

enum { TEXT_BYTES_MAX = 1000 };

static void add_header(struct http_request *r, struct http_response *w, const char *name,
                       struct slice value)
{
    /* Without memory for a header the answer goes out without it. */
    if (http_response_header(r, w, name, value))
        return;
}

void answer_header(struct http_request *r, struct http_response *w, const char *name,
                   const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = arena_copy(r->arena, slice_cstr(text));
    if (copy)
        add_header(r, w, name, slice_cstr(copy));
}

void answer_body(struct http_request *r, struct http_response *w, int status,
                 const char *content_type, struct slice body)
{
    char *copy = arena_copy(r->arena, body);
    w->status = copy ? status : 503;
    w->body = copy ? slice_of(copy, body.length) : SLICE_NONE;
    add_header(r, w, "Content-Type", slice_cstr(content_type));
    answer_header(r, w, "X-Request-Id", "%s", r->id);
}

void answer_outcome(struct http_request *r, struct http_response *w, int status, const char *code,
                    const char *format, ...)
{
    char text[TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct buf body;
    buf_init(&body, 10 * TEXT_BYTES_MAX);
    buf_printf(&body,
               "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\","
               "\"code\":\"%s\",\"diagnostics\":",
               code);
    json_write_string(&body, slice_cstr(text));
    buf_append_cstr(&body, "}]}");
    answer_body(r, w, status, ANSWER_FHIR, buf_slice(&body));
    buf_release(&body);
}

void answer_unauthorized(struct http_request *r, struct http_response *w)
{
    answer_body(r, w, 401, ANSWER_JSON,
                SLICE("{\"statusCode\":401,\"error\":\"Unauthorized\",\"message\":"
                      "\"Invalid access token\"}"));
}
