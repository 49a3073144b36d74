/* auth/answer.c - errors in AWS's shape. */
#include "auth/sts.h"
#include "json/json.h"

enum { BODY_BYTES_MAX = 64 * 1024 };

/* For when there is no memory to say more. */
static const char bare_body[] = "{\"__type\":\"InternalFailure\",\"message\":\"out of memory\"}";

static struct slice render_body(struct arena *arena, const char *type, struct slice text)
{
    struct buf body;
    buf_init(&body, BODY_BYTES_MAX);
    buf_append(&body, SLICE("{\"__type\":"));
    json_write_string(&body, slice_cstr(type));
    buf_append(&body, SLICE(",\"message\":"));
    json_write_string(&body, text);
    buf_append_byte(&body, '}');
    char *copy = buf_status(&body) ? NULL : arena_copy(arena, buf_slice(&body));
    struct slice result = slice_of(copy, copy ? body.length : 0);
    buf_release(&body);
    return result;
}

void auth_answer(struct http_request *r, enum err err, struct slice text,
                 struct http_response *response)
{
    const char *type = err_service_type(err);
    if (auth_is_sts(r)) {
        sts_refuse(r, err_service_status(err), type, text, response);
        return;
    }
    *response = (struct http_response){ .status = err_service_status(err) };
    response->body = render_body(r->arena, type, text);
    /* AWS's clients tell the planes apart by this media type. */
    struct slice media = http_header_find(r, "x-amz-target") ? SLICE("application/x-amz-json-1.0")
                                                             : SLICE("application/json");
    if (!response->body.bytes || http_response_header(r, response, "Content-Type", media) ||
        http_response_header(r, response, "x-amzn-ErrorType", slice_cstr(type)))
        *response = (struct http_response){ .status = 503, .body = slice_cstr(bare_body) };
}
