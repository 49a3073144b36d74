#include "server/refuse.h"

#include "auth/auth.h"
#include "rest/rest.h"
#include "server/metrics.h"

/* A request whose head was not read through has no kind yet. */
static bool is_control(const struct http_request *r)
{
    return r->kind == KIND_CONTROL || slice_is(r->path, "/");
}

void refuse_request(struct http_request *r, enum err err, const char *code, struct slice text,
                    struct http_response *response)
{
    if (is_control(r))
        auth_answer(r, err, text, response);
    else
        rest_refuse(r, err, code, text, response);
}

void refuse_credentials(struct http_request *r, enum err err, struct slice text,
                        struct http_response *response)
{
    const struct slice *accept = http_header_find(r, "accept");
    bool wants_fhir = accept && slice_find(*accept, SLICE("application/fhir+json")) >= 0;
    if (wants_fhir && !is_control(r))
        rest_refuse(r, err, NULL, text, response);
    else
        auth_answer(r, err, text, response);
    /* RFC 9110 asks for it. Without memory for it the answer stands all the same. */
    enum err ignored = ERR_NONE;
    if (err == ERR_UNAUTHENTICATED)
        ignored = http_response_header(r, response, "WWW-Authenticate", SLICE("AWS4-HMAC-SHA256"));
    (void)ignored;
}
